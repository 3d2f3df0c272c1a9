"""What a rotation refuses, and how it continues after a refusal of Okta."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from hookkey_verify import ApiToken, ConfigurationError, HookSigner
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import (
    ForbiddenError,
    KeyInUseError,
    KeyLimitError,
    NotFoundError,
    RateLimitedError,
    RotationStoppedError,
    TransportError,
    ValidationFailedError,
)
from hookkey_verify.okta.applications import ApplicationKeysClient
from hookkey_verify.okta.models import HookKey, InlineHook
from hookkey_verify.okta.rotation_state import RotationState
from hookkey_verify.okta.service_app import ServiceApp

from ..faults import FaultServer, json_answer
from .rotations import NAME, NEXT, Org, an_org

READ = ("okta.inlineHooks.read",)
HOOKS = (*READ, "okta.inlineHooks.manage")
KEYS = "/api/v1/hook-keys"
APPS = "/api/v1/apps"


@pytest.fixture
def org(okta: OktaEmulator) -> Iterator[Org]:
    with an_org(okta) as made:
        yield made


def _with_scopes(okta: OktaEmulator, app_key: HookSigner, *scopes: str) -> ServiceApp:
    client_id = okta.create_service_app(app_key.public_jwk(), scopes)
    return ServiceApp(okta.url, client_id, app_key._key, scopes=scopes)


# --- arguments


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"successor": NAME}, "successor must be another name"),
        ({"successor": ""}, "name must be"),
        ({"keep": -1}, "keep must be a number of seconds from 0"),
        ({"patience": 3601}, "patience must be"),
        ({"bridges": "https://acme.com"}, "bridges must be a list"),
        ({"bridges": ["acme.com"]}, "bridges must be a plain URL"),
        ({"wait": 1}, "wait must be True or False"),
        ({"again": None}, "again must be True or False"),
        ({"finish": "no"}, "finish must be True or False"),
        ({"verifiers_ready": "yes"}, "verifiers_ready must be a function"),
        ({"payload_for": {}}, "payload_for must be a function"),
        ({"agree": None}, "agree must be a function"),
        ({"on_step": 1}, "on_step must be a function"),
        ({"hooks": None, "bridges": ["https://acme.com/jwks"]}, "need hooks"),
    ],
)
def test_arguments(org: Org, options: dict[str, Any], words: str) -> None:
    """A wrong argument is named before a request is sent."""
    began = len(org.okta.requests)
    with pytest.raises(ConfigurationError, match=words):
        org.rotation(**options)
    assert len(org.okta.requests) == began


def test_names(org: Org) -> None:
    """A name that is too long for a successor, unknown, or that of a successor is refused."""
    with pytest.raises(ConfigurationError, match="over 255 characters; pass successor="):
        org.keys.rotation("n" * 249)
    org.keys.rotation("n" * 248).close()
    org.keys.rotation("n" * 255, successor="next").close()
    with pytest.raises(NotFoundError, match="no hook key of that name"):
        org.keys.rotation("Unknown", org.hooks).run()
    org.okta.create_key(NEXT)
    with pytest.raises(ConfigurationError, match="is the successor of 'Token hook'"):
        org.keys.rotation(NEXT, org.hooks).run()


def test_a_successor_that_is_older_than_the_key(okta: OktaEmulator, org: Org) -> None:
    """A key that has the name of the successor, but is older than the key, is not used."""
    okta.skew(-3600)
    okta.create_key(NEXT)
    okta.skew(0)
    with pytest.raises(ConfigurationError, match="is an older key than 'Token hook'"):
        org.rotation(verifiers_ready=True).run()


# --- Okta refuses


def test_the_limit_of_keys(org: Org) -> None:
    """In an org with 50 keys, nothing is changed; a run after a deletion succeeds."""
    org.hook()
    made = [org.okta.create_key(f"key {number}") for number in range(49)]
    with pytest.raises(KeyLimitError):
        org.rotation(verifiers_ready=True).run()
    org.okta.delete_key(made[0]["id"])
    assert org.rotation(verifiers_ready=True).run().finished


def test_a_create_that_okta_refuses(org: Org) -> None:
    """If Okta refuses to create the successor for a reason of its own, the run ends with it."""
    org.okta.fail(400, method="POST", path=KEYS)
    with pytest.raises(ValidationFailedError):
        org.rotation().run()


def test_rate_limits(org: Org) -> None:
    """A run that ends at a rate limit is continued by the next one."""
    org.hook()
    for method, path in (
        ("POST", KEYS),
        ("PUT", "/api/v1/inlineHooks"),
        ("DELETE", KEYS),
        ("PUT", KEYS),
    ):
        org.okta.fail(429, method=method, path=path)
        with pytest.raises(RateLimitedError):
            org.rotation(verifiers_ready=True).run()
    assert org.rotation(verifiers_ready=True).run().finished
    assert org.names() == [NAME]


@pytest.mark.parametrize("after", [False, True])
def test_lost_responses(org: Org, after: bool) -> None:
    """Whether or not a request was carried out before its response was lost, a run continues."""
    hook = org.hook(at_okta=True)
    faults = 0
    for method, path in (
        ("POST", KEYS), ("POST", APPS), ("PUT", "/api/v1/inlineHooks"), ("DELETE", APPS),
        ("DELETE", KEYS), ("PUT", KEYS),
    ):  # fmt: skip
        org.okta.fail("reset", method=method, path=path, after=after)
        try:
            assert org.rotation(again=True).run().finished
        except TransportError:
            faults += 1
    assert org.rotation(again=True).run().finished
    assert faults == (5 if after else 6)  # a lost create is found again
    assert (org.names(), len(org.kids(hook))) == ([NAME], 1)


def test_the_permission_to_read_only(okta: OktaEmulator, app_key: HookSigner) -> None:
    """Without okta.inlineHooks.manage, a plan is possible, and a run names the scope."""
    with an_org(okta, _with_scopes(okta, app_key, *READ)) as org:
        org.hook(at_okta=True)
        report = org.rotation().plan()
        assert not report.finished
        assert "okta.apps.read" in report.notes[0]
        with pytest.raises(ForbiddenError, match=r"okta\.inlineHooks\.manage"):
            org.rotation(verifiers_ready=True).run()


def test_without_a_permission_for_applications(okta: OktaEmulator, app_key: HookSigner) -> None:
    """If keys of applications cannot be read, somebody must confirm that they have the key."""
    with an_org(okta, _with_scopes(okta, app_key, *HOOKS)) as org:
        hook = org.hook(at_okta=True)
        report = org.rotation().run()
        assert report.waiting_for == "verifiers"
        assert len(report.notes) == 1
        assert org.rotation(verifiers_ready=True).run().finished
        assert org.key_of(hook) == NAME


def test_an_application_that_can_only_be_read(okta: OktaEmulator, app_key: HookSigner) -> None:
    """If the application lacks the key, the run names the scope, whatever is confirmed.

    After somebody has added the key, a run ends with a note about the old key there.
    """
    with an_org(okta, _with_scopes(okta, app_key, *HOOKS, "okta.apps.read")) as org:
        hook = org.hook(at_okta=True)
        with pytest.raises(ForbiddenError, match=r"okta\.apps\.manage"):
            org.rotation(verifiers_ready=True).run()
        assert org.key_of(hook) == NAME
        key = next(key for key in org.keys.list() if key.name == NEXT)
        with ApplicationKeysClient(okta.url, ApiToken(okta.api_token)) as administrator:
            client_id = hook["channel"]["config"]["clientId"]
            administrator.add(client_id, org.keys.public_key(key.key_id))
        report = org.rotation().run()
        assert report.finished
        assert "remove the key" in report.notes[0]
        assert len(org.kids(hook)) == 2


def test_the_application_of_another_org(org: Org) -> None:
    """If the org does not know the client of a hook, the verifiers must be confirmed."""
    org.okta.create_hook(
        "https://hooks.acme.com/hook",
        key=NAME,
        client_id="0oaStranger",
        token_url="https://other.okta.com/oauth2/aus1/v1/token",
    )
    assert org.rotation().run().waiting_for == "verifiers"
    assert org.rotation(applications=None).run().waiting_for == "verifiers"


def test_an_application_that_does_not_have_the_old_key(org: Org) -> None:
    """If the application verifies with other keys, they remain, and nothing is confirmed."""
    hook = org.hook(at_okta=True)
    org.okta.create_key("Other")
    org.hooks.replace(
        org.hook("Other hook", key="Other")["id"],
        client_id=hook["channel"]["config"]["clientId"],
        token_url=hook["channel"]["config"]["tokenUrl"],
    )
    rotation = org.keys.rotation("Other", org.hooks, applications=org.applications, keep=0)
    report = rotation.run()
    rotation.close()
    assert report.waiting_for == "verifiers"
    assert len(org.kids(hook)) == 1


def test_another_key_with_the_kid_of_the_new_one(org: Org) -> None:
    """If the application has another key under the new kid, Okta's refusal ends the run."""
    hook = org.hook(at_okta=True)
    new = org.keys.create(NEXT)
    foreign = HookSigner.generate(kid=new.key_id).public_jwk()
    client_id = hook["channel"]["config"]["clientId"]
    org.applications._exchange("POST", f"{APPS}/{client_id}/credentials/jwks", foreign)
    with pytest.raises(ValidationFailedError):
        org.rotation(verifiers_ready=True).run()
    assert org.key_of(hook) == NAME


# --- what a real org could do


def test_a_change_that_does_not_take(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a hook still has the old key after its PUT, the run stops before the next hook."""
    hooks = [org.hook("One"), org.hook("Two")]
    monkeypatch.setattr(org.okta.hooks, "replace", lambda of, _: org.okta.hooks.get(of).document())
    with pytest.raises(RotationStoppedError, match="Okta did not change the key of the hook 'One'"):
        org.rotation(verifiers_ready=True).run()
    monkeypatch.undo()
    assert {org.key_of(hook) for hook in hooks} == {NAME}
    assert org.rotation(verifiers_ready=True).run().finished


def test_a_change_that_okta_refuses(org: Org) -> None:
    """If Okta refuses the PUT, the run stops and says what to do by hand."""
    org.hook("One")
    org.okta.hooks._has_key = lambda _: False
    with pytest.raises(RotationStoppedError, match=r"Okta refused to change .* Admin Console"):
        org.rotation(verifiers_ready=True).run()
    org.okta.hooks._has_key = org.okta.org.has
    assert org.rotation(verifiers_ready=True).run().finished


def test_a_hook_without_a_client_that_can_be_asked_about(org: Org) -> None:
    """A client id that cannot be a part of a path is not looked up."""
    org.okta.create_hook(
        "https://hooks.acme.com/hook",
        key=NAME,
        client_id="a/../b",
        token_url=f"{org.okta.issuer}/v1/token",
    )
    assert org.rotation().run().waiting_for == "verifiers"


def test_a_change_that_changes_more(org: Org, monkeypatch: pytest.MonkeyPatch) -> None:
    """If a PUT changes other settings, the run stops and names them, but not their values."""
    org.hook("One")
    replace = org.okta.hooks.replace

    def replace_scope(of: str, body: dict[str, Any]) -> dict[str, Any]:
        body["channel"]["config"] |= {"scope": "secret-scope"}
        return replace(of, body)

    monkeypatch.setattr(org.okta.hooks, "replace", replace_scope)
    with pytest.raises(RotationStoppedError, match="scope changed too") as caught:
        org.rotation(verifiers_ready=True).run()
    assert "secret-scope" not in str(caught.value)


def test_a_key_that_okta_reports_as_used(org: Org) -> None:
    """If Okta reports the old key as used after all switches, it is not deleted."""
    org.hook()
    old = org.okta.org.list()[0]["id"]
    org.okta.org.set_used(old)
    with pytest.raises(RotationStoppedError, match="expected use of the keys after 20 seconds"):
        org.rotation(verifiers_ready=True, patience=20).run()
    assert org.slept == [1, 2, 4, 8, 5]
    assert org.names() == [NAME, NEXT]
    org.okta.org.set_used(old, used=False)
    assert org.rotation().run().finished


def test_a_use_that_okta_reports_late(org: Org) -> None:
    """If Okta reports the use of the keys late, the run waits for it."""
    org.hook()
    old = org.okta.org.list()[0]["id"]
    org.okta.org.set_used(old)

    def pass_time(seconds: float) -> None:
        org.sleep(seconds)
        org.okta.org.set_used(old, used=org.time < 4)

    assert org.rotation(verifiers_ready=True, sleep=pass_time).run().finished
    assert org.slept == [1, 2, 4]


def test_a_hook_with_a_key_and_another_authentication(
    org: Org, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hook that names the key, but authenticates with a secret, is refused before any change."""
    document = org.okta.hooks.get(org.hook("Odd")["id"]).document()
    document["channel"]["config"]["authType"] = "client_secret_post"
    monkeypatch.setattr(org.okta.hooks, "list", lambda _=None: [document])
    with pytest.raises(RotationStoppedError, match="'Odd' names the key, but does not"):
        org.rotation(verifiers_ready=True).run()
    assert org.names() == [NAME]


def test_an_org_without_times() -> None:
    """If Okta reports no times, ``keep`` is measured from the beginning of the run."""
    new = HookKey(id="HKY2", key_id="k2", name=NEXT)
    hook = InlineHook(id="cal1", name="Hook", type="t", hook_key_id="HKY2")
    state = RotationState(now=500, began=100, old=None, new=new, hooks=(hook,))
    assert state.keep_until(new, 60) == 160


def test_a_used_key_that_is_rotated_by_hand(org: Org) -> None:
    """Without hooks, ``finish`` needs the successor, and refuses to delete a used key."""
    org.hook()
    with pytest.raises(NotFoundError, match="without finish= first"):
        org.rotation(hooks=None, finish=True).run()
    org.rotation(hooks=None).run()
    with pytest.raises(KeyInUseError):
        org.rotation(hooks=None, finish=True).run()
    assert org.names() == [NAME, NEXT]


# --- execute


def _payload(_: object) -> dict[str, Any]:
    return {"eventType": "com.okta.oauth2.tokens.transform", "data": {}}


def test_hooks_are_executed_with_the_new_key(org: Org) -> None:
    """Each active hook is executed once after the switch, before the old key is deleted."""
    with FaultServer(json_answer(200, {"commands": []})) as server:
        for name in ("One", "Two", "Idle"):
            made = org.okta.create_hook(f"{server.url}/hook", name=name, key=NAME)
        org.okta.hooks.set_status(made["id"], "INACTIVE")
        assert org.rotation(payload_for=_payload).run().finished
        assert len(server.requests) == 2


def test_a_hook_that_fails_with_the_new_key(org: Org) -> None:
    """If a hook fails when it is executed, the run stops while the old key exists."""
    with FaultServer(json_answer(500, {})) as server:
        made = org.okta.create_hook(f"{server.url}/hook", name="One", key=NAME)
        with pytest.raises(RotationStoppedError, match="'One' failed with the new key; undo"):
            org.rotation(payload_for=_payload).run()
    assert org.rotation().undo().finished
    assert org.key_of(made) == NAME


# --- two runs at once


def test_two_runs_at_once(org: Org) -> None:
    """Two runs that begin at the same time end with one new key, and neither fails."""
    hook = org.hook(at_okta=True)
    barrier = threading.Barrier(2, timeout=10)
    results: list[bool] = []

    def rotate() -> None:
        rotation = org.rotation(on_step=lambda step: step.name == "create" and barrier.wait())
        results.append(rotation.run().finished)

    threads = [threading.Thread(target=rotate) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert results == [True, True]
    assert (org.names(), org.key_of(hook), len(org.kids(hook))) == ([NAME], NAME, 1)


@pytest.mark.parametrize("name", ["publish", "switch", "withdraw", "delete", "rename"])
def test_a_run_that_overtakes_another(org: Org, name: str) -> None:
    """If another run completes the rotation before a step, this run ends without an error."""
    hook = org.hook(at_okta=True)
    before = org.okta.org.list()[0]["keyId"]

    def overtake(step: Any) -> None:
        if step.name == name:
            assert org.rotation().run().finished

    report = org.rotation(on_step=overtake).run()
    assert (org.names(), org.key_of(hook)) == ([NAME], NAME)
    assert org.okta.org.list()[0]["keyId"] != before
    assert report.finished


def test_a_run_that_is_overtaken_before_it_creates_the_successor(org: Org) -> None:
    """If another run completes the rotation just before the create, this run stops and says so."""
    hook = org.hook(at_okta=True)

    def overtake(step: Any) -> None:
        if step.name == "create":
            assert org.rotation().run().finished

    with pytest.raises(RotationStoppedError, match="replaced the old key meanwhile"):
        org.rotation(on_step=overtake).run()
    assert org.key_of(hook) == NAME


def test_a_run_against_an_undo(org: Org) -> None:
    """Two runs in opposite directions do not switch hooks for ever: one of them stops."""
    org.hook()

    def switch_back(step: Any) -> None:
        if step.name in ("keep", "withdraw", "delete"):
            org.rotation().undo()

    with pytest.raises(RotationStoppedError, match="again and again"):
        org.rotation(verifiers_ready=True, on_step=switch_back).run()
    assert org.names() == [NAME, NEXT]


def test_an_old_key_that_is_renamed_during_the_run(org: Org) -> None:
    """If somebody renames the old key meanwhile, the run does not take it for deleted."""
    hook = org.hook()

    def rename(step: Any) -> None:
        if step.name == "switch":
            org.okta.org.rename(org.okta.org.list()[0]["id"], {"name": "Renamed"})
            org.hooks.replace(hook["id"], hook_key_id=org.okta.org.list()[0]["id"])

    with pytest.raises(RotationStoppedError, match="renamed the old key"):
        org.rotation(verifiers_ready=True, on_step=rename).run()
    assert org.names() == ["Renamed", NEXT]


def test_a_key_that_is_replaced_during_the_run(org: Org) -> None:
    """If the successor is deleted and created again meanwhile, the run stops."""
    org.hook()

    def replace_successor(step: Any) -> None:
        if step.name == "switch":
            org.okta.delete_key(next(k["id"] for k in org.okta.org.list() if k["name"] == NEXT))
            org.okta.create_key(NEXT)

    with pytest.raises((RotationStoppedError, ValidationFailedError)):
        org.rotation(verifiers_ready=True, on_step=replace_successor).run()
    assert NAME in org.names()
