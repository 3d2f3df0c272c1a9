"""Undoing a rotation, and executing hooks with the new key."""

from __future__ import annotations

from typing import Any

import pytest

from hookkey_verify.errors import ForbiddenError, RotationStoppedError
from hookkey_verify.okta.rotation_state import Step

from ..faults import FaultServer, json_answer
from .rotations import NAME, NEXT, Org


def test_an_undo(org: Org) -> None:
    """Undoing lets the hooks use the old key again; the new key stays unless it is discarded."""
    hook = org.hook(at_okta=True)
    org.rotation(keep=3600).run()
    old, new = (next(k for k in org.okta.org.list() if k["name"] == n) for n in (NAME, NEXT))
    plan = org.rotation(keep=3600).plan(undo=True, discard=True)
    assert [step.name for step in plan.steps if not step.done] == [
        "switch", "watch", "keep", "withdraw", "delete",
    ]  # fmt: skip
    assert org.rotation().undo().finished
    assert org.key_of(hook) == NAME
    assert org.kids(hook) == [old["keyId"], new["keyId"]]
    assert org.rotation(keep=60).undo(discard=True).waiting_for == "keep"
    org.sleep(62)
    assert org.rotation(keep=60).undo(discard=True).finished
    assert org.names() == [NAME]
    assert org.kids(hook) == [old["keyId"]]
    nothing = org.rotation().undo()
    assert nothing.finished
    assert "nothing to undo" in nothing.notes[0]


def test_an_undo_after_the_old_key_left_the_application(org: Org) -> None:
    """Undoing first adds the old key to the application that has lost it."""
    hook = org.hook(at_okta=True)

    def stop(step: Step) -> bool:
        return step.name != "delete"

    assert org.rotation(agree=stop).run().waiting_for == "agreement"
    assert len(org.kids(hook)) == 1
    assert org.rotation().undo().finished
    assert len(org.kids(hook)) == 2
    assert org.key_of(hook) == NAME


def test_an_undo_that_comes_too_late(org: Org) -> None:
    """A rotation whose old key is deleted cannot be undone, whether or not it is complete."""
    org.okta.fail(403, method="PUT", path="/api/v1/hook-keys")
    with pytest.raises(ForbiddenError, match=r"okta\.inlineHooks\.manage"):
        org.rotation(keep=5, wait=True).run()
    assert org.names() == [NEXT]
    with pytest.raises(RotationStoppedError, match="the old key is deleted"):
        org.rotation().undo()
    assert org.rotation().run().finished
    with pytest.raises(RotationStoppedError, match="the old key is deleted"):
        org.rotation().undo()


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
