"""What a rotation refuses, and how it continues after a refusal of Okta."""

from __future__ import annotations

from typing import Any

import pytest

from hookkey_verify import ConfigurationError
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import (
    KeyInUseError,
    KeyLimitError,
    NotFoundError,
    RateLimitedError,
    RotationStoppedError,
    TransportError,
    ValidationFailedError,
)
from hookkey_verify.okta.models import HookKey, InlineHook
from hookkey_verify.okta.rotation_state import RotationState

from .rotations import NAME, NEXT, Org

READ = ("okta.inlineHooks.read",)
KEYS = "/api/v1/hook-keys"
APPS = "/api/v1/apps"


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
    with pytest.raises(NotFoundError, match="no hook key of the name"):
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
