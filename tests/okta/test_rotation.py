"""KeyRotation replaces a key, step by step, in the local org over HTTP."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime

from hookkey_verify import PublicKey
from hookkey_verify.asgi import serve
from hookkey_verify.jwks_bridge import JwksBridge
from hookkey_verify.okta import ApiToken, AsyncHookKeysClient, AsyncInlineHooksClient
from hookkey_verify.okta.applications import AsyncApplicationKeysClient
from hookkey_verify.okta.models import InlineHook
from hookkey_verify.okta.rotation_state import Step

from ..servers import asgi_server
from .rotations import NAME, NEXT, Org

ALL = ["create", "publish", "confirm", "switch", "watch", "keep", "withdraw", "delete", "rename"]


def test_a_rotation_of_a_hook_that_gets_its_tokens_from_okta(org: Org) -> None:
    """The application gets the new key, so no confirmation is needed; only the new key remains."""
    hook = org.hook(at_okta=True)
    old = org.okta.org.list()[0]
    done: list[Step] = []
    report = org.rotation(on_step=done.append).run()
    assert report.finished
    assert [step.name for step in done] == [
        "create", "publish", "switch", "withdraw", "delete", "rename",
    ]  # fmt: skip
    assert [step.name for step in report.steps] == ALL
    assert all(step.done for step in report.steps)
    assert report.key is not None
    assert org.names() == [NAME]
    assert org.key_of(hook) == NAME
    assert report.key.id == org.okta.org.list()[0]["id"] != old["id"]
    assert org.kids(hook) == [report.key.key_id]


def test_the_verifiers_must_be_confirmed(org: Org) -> None:
    """Without confirmation the run ends before the switch, with the key to hand out."""
    hook = org.hook()
    report = org.rotation().run()
    assert (report.finished, report.waiting_for) == (False, "verifiers")
    assert report.key is not None
    assert report.key.public_key is not None
    assert "'Hook'" in next(step.text for step in report.steps if step.name == "confirm")
    assert org.names() == [NAME, NEXT]
    assert org.key_of(hook) == NAME
    assert org.rotation(verifiers_ready=True).run().finished
    assert org.names() == [NAME]


def test_a_function_can_confirm_the_verifiers(org: Org) -> None:
    """``verifiers_ready`` is called with the new key and the hooks that are concerned."""
    org.hook("One")
    asked: list[tuple[PublicKey, list[InlineHook]]] = []

    def answer(key: PublicKey, hooks: list[InlineHook]) -> bool:
        asked.append((key, hooks))
        return len(asked) > 1

    rotation = org.rotation(verifiers_ready=answer)
    assert rotation.run().waiting_for == "verifiers"
    assert rotation.run().finished
    assert [hook.name for hook in asked[0][1]] == ["One"]
    assert asked[0][0].kid == org.okta.org.list()[0]["keyId"]


def test_the_successor_is_renamed_in_another_second(org: Org) -> None:
    """A later run sees that the key was renamed, although Okta's times have whole seconds."""
    report = org.rotation().run()
    assert org.slept == [1.0]
    assert report.key is not None
    assert report.key.created is not None
    assert report.key.last_updated is not None
    assert report.key.last_updated > report.key.created
    again = org.rotation().run()
    assert [key["id"] for key in org.okta.org.list()] == [report.key.id]
    assert again.finished
    assert again.notes


def test_a_bridge_confirms_the_verifiers(org: Org) -> None:
    """A bridge that serves the new key under a selected name confirms it as soon as it does."""
    hook = org.hook()
    bridge = JwksBridge(org.keys, names=[NAME], fresh_for=1)
    with asgi_server(serve(bridge)) as port:
        url = f"http://127.0.0.1:{port}/"
        assert bridge.jwks()["keys"]
        rotation = org.keys.rotation(NAME, org.hooks, bridges=[url], keep=0, sleep=time.sleep)
        assert rotation.run().finished
        rotation.close()
    assert org.key_of(hook) == NAME


def test_a_bridge_that_lacks_the_key_or_is_down_confirms_nothing(org: Org) -> None:
    """The run asks the bridge until its patience ends, and then ends before the switch."""
    org.hook()
    other = JwksBridge(org.keys, names=["Other"])
    with asgi_server(serve(other)) as port:
        lacking = f"http://127.0.0.1:{port}/"
        report = org.rotation(bridges=[lacking], patience=5).run()
        assert report.waiting_for == "verifiers"
    assert org.slept == [1, 2, 2]
    assert org.rotation(bridges=[lacking], patience=0).run().waiting_for == "verifiers"
    assert NEXT in org.names()


def test_the_old_key_stays_after_the_last_switch(org: Org) -> None:
    """A run before the end of ``keep`` ends with the time to run again, and changes nothing."""
    hook = org.hook()
    rotation = org.rotation(verifiers_ready=True, keep=3600)
    report = rotation.run()
    assert report.waiting_for == "keep"
    assert org.key_of(hook) == NEXT
    switched = datetime.fromisoformat(org.okta.hooks.get(hook["id"]).last_updated)
    assert report.run_again_at is not None
    assert 0 < (report.run_again_at - switched).total_seconds() - 3600 <= 1.001
    org.sleep(3500)
    again = org.rotation(keep=3600).run()  # nothing is left to be confirmed
    assert (again.waiting_for, again.run_again_at) == ("keep", report.run_again_at)
    org.sleep(102)
    assert org.rotation(keep=3600).run().finished


def test_a_run_can_wait_for_the_end(org: Org) -> None:
    """With ``wait``, the run sleeps until the old key may be deleted."""
    org.hook()
    assert org.rotation(verifiers_ready=True, keep=100, wait=True).run().finished
    assert 99 <= sum(org.slept) <= 104
    assert max(org.slept) <= 30


def test_a_plan_changes_nothing(org: Org) -> None:
    """A plan has all steps in order, and sends only requests that read."""
    org.hook(at_okta=True)
    began = len(org.okta.requests)
    report = org.rotation(keep=3600).plan()
    assert [step.name for step in report.steps] == ALL
    assert [step.name for step in report.steps if step.done] == []
    assert (report.key, report.finished, report.waiting_for) == (None, False, "")
    assert {line.method for line in list(org.okta.requests)[began:]} == {"GET"}


def test_hooks_of_every_status_are_switched_and_others_are_left_alone(org: Org) -> None:
    """Inactive hooks are switched and stay inactive; a hook with another key keeps it."""
    hooks = [org.hook(f"Hook {number}") for number in range(3)]
    org.okta.create_key("Other")
    other = org.hook("Other hook", key="Other")
    org.okta.hooks.set_status(hooks[1]["id"], "INACTIVE")
    assert org.rotation(verifiers_ready=True).run().finished
    assert {org.key_of(hook) for hook in hooks} == {NAME}
    assert org.okta.hooks.get(hooks[1]["id"]).status == "INACTIVE"
    assert org.key_of(other) == "Other"


def test_a_key_that_no_hook_uses(org: Org) -> None:
    """A key without hooks is replaced; it stays for ``keep`` after the successor was created."""
    assert org.rotation(keep=60).run().waiting_for == "keep"
    org.sleep(62)
    assert org.rotation(keep=60).run().finished
    assert org.names() == [NAME]


def test_a_rotation_that_is_complete_is_not_begun_again(org: Org) -> None:
    """Within 15 minutes after its end, another run does nothing unless ``again`` is passed."""
    org.hook()
    assert org.rotation(verifiers_ready=True, keep=5, wait=True).run().finished
    kid = org.okta.org.list()[0]["keyId"]
    report = org.rotation(verifiers_ready=True).run()
    assert report.finished
    assert "again=True" in report.notes[0]
    assert org.okta.org.list()[0]["keyId"] == kid
    assert org.rotation(verifiers_ready=True, again=True).run().finished
    second = org.okta.org.list()[0]["keyId"]
    assert second != kid
    org.sleep(901)
    assert org.rotation(verifiers_ready=True).run().finished
    assert org.okta.org.list()[0]["keyId"] != second


def test_the_answer_to_a_question(org: Org) -> None:
    """A run asks before each change that others notice, and ends when the answer is no."""
    hook = org.hook(at_okta=True)
    asked: list[str] = []

    def answer(step: Step) -> bool:
        asked.append(step.name)
        return step.name != "switch"

    report = org.rotation(agree=answer).run()
    assert (report.waiting_for, asked) == ("agreement", ["publish", "switch"])
    assert org.key_of(hook) == NAME
    asked.clear()

    def agree(step: Step) -> bool:
        asked.append(step.name)
        return True

    assert org.rotation(agree=agree).run().finished
    assert asked == ["switch", "withdraw", "delete"]


def test_an_inactive_key_of_the_application_is_activated(org: Org) -> None:
    """If the application has the new key, but inactive, the key is activated."""
    hook = org.hook(at_okta=True)
    client_id = hook["channel"]["config"]["clientId"]
    new = org.keys.create(NEXT)
    org.applications.add(client_id, org.keys.public_key(new.key_id))
    for key in org.applications.list(client_id):
        if key.kid == new.key_id:
            org.applications._exchange(
                "POST", f"/api/v1/apps/{client_id}/credentials/jwks/{key.id}/lifecycle/deactivate"
            )
    assert org.rotation().run().finished
    assert org.kids(hook) == [new.key_id]


def test_a_rotation_by_hand(org: Org) -> None:
    """Without a client for hooks, somebody else switches them, and ``finish`` does the rest."""
    hook = org.hook()
    report = org.rotation(hooks=None).run()
    assert (report.waiting_for, report.finished) == ("hooks", False)
    assert [step.name for step in report.steps] == ["create", "by hand", "delete", "rename"]
    assert report.key is not None
    org.hooks.replace(hook["id"], hook_key_id=report.key.id)
    assert org.rotation(hooks=None, finish=True).run().finished
    assert org.names() == [NAME]


def test_a_successor_with_a_name_of_its_own(org: Org) -> None:
    """A successor that exists under another name is used if each run names it."""
    made = org.keys.create("Made by hand")
    report = org.rotation(successor="Made by hand").run()
    assert report.finished
    assert report.key is not None
    assert report.key.id == made.id


def test_a_rotation_with_asyncio(org: Org) -> None:
    """``AsyncKeyRotation`` has the same methods, awaitable."""
    hook = org.hook(at_okta=True)
    token = ApiToken(org.okta.api_token)

    async def rotate() -> None:
        async with (
            AsyncHookKeysClient(org.okta.url, token) as keys,
            AsyncInlineHooksClient(org.okta.url, token) as hooks,
            AsyncApplicationKeysClient(org.okta.url, token) as applications,
        ):
            rotation = keys.rotation(NAME, hooks, applications=applications, keep=3600)
            assert not (await rotation.plan()).finished
            assert (await rotation.run()).waiting_for == "keep"
            assert (await rotation.undo()).finished
            client_id = hook["channel"]["config"]["clientId"]
            listed = await applications.list(client_id)
            assert len(listed) == 2
            await applications.remove(client_id, listed[1])
            key = await keys.public_key(str(listed[1].kid))
            await applications.add(client_id, key)
            await applications.activate(client_id, (await applications.list(client_id))[1].id)
            await rotation.close()
            by_hand = keys.rotation(NAME)
            assert (await by_hand.run()).waiting_for == "hooks"
            await by_hand.close()

    asyncio.run(rotate())
    assert org.names() == [NAME, NEXT]


def test_the_time_to_run_again_is_in_utc(org: Org) -> None:
    """``run_again_at`` has the time zone UTC."""
    report = org.rotation(keep=60).run()
    assert report.run_again_at is not None
    assert report.run_again_at.tzinfo is UTC
