"""Rotations while somebody else changes the org."""

from __future__ import annotations

import threading
from typing import Any

import pytest

from hookkey_verify.errors import (
    RotationStoppedError,
    ValidationFailedError,
)
from hookkey_verify.okta.rotation_state import Step

from .rotations import NAME, NEXT, Org


def test_a_hook_that_is_created_meanwhile(org: Org) -> None:
    """A hook that selects the old key before its deletion is switched too."""
    org.hook()
    late: list[dict[str, object]] = []

    def create_another(step: Step) -> None:
        if step.name == "delete" and not late:
            late.append(org.hook("Late"))

    assert org.rotation(verifiers_ready=True, on_step=create_another).run().finished
    assert org.key_of(late[0]) == NAME
    assert org.names() == [NAME]


def test_a_hook_that_is_deleted_or_changed_meanwhile(org: Org) -> None:
    """A hook that disappears before its switch, or that uses another key then, is left alone."""
    org.okta.create_key("Other")
    gone, changed = org.hook("Gone"), org.hook("Changed")
    org.okta.hooks.set_status(gone["id"], "INACTIVE")

    def change(step: Step) -> None:
        if step.name == "switch":
            org.okta.hooks.delete(gone["id"])
            other = next(key["id"] for key in org.okta.org.list() if key["name"] == "Other")
            org.hooks.replace(changed["id"], hook_key_id=other)

    assert org.rotation(verifiers_ready=True, on_step=change).run().finished
    assert org.key_of(changed) == "Other"


def test_what_is_agreed_to_is_read_again(org: Org) -> None:
    """If the org changes while somebody decides, the question is asked for what is left."""
    org.hook("One")
    asked: list[str] = []

    def answer(step: Step) -> bool:
        asked.append(step.text)
        if len(asked) == 1:
            org.hook("Two")
        return True

    assert org.rotation(verifiers_ready=True, agree=answer).run().finished
    assert asked[:2] == [
        "let the hooks use the key: 'One'",
        "let the hooks use the key: 'One', 'Two'",
    ]


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

    with pytest.raises(RotationStoppedError, match="the old key was replaced"):
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

    with pytest.raises(RotationStoppedError, match="renamed during the rotation: give it the name"):
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
