"""The cache: what the outcome of a fetch may change."""

from __future__ import annotations

import pytest

from hookkey_verify.errors import (
    HookVerificationError,
    KeyChangedError,
)
from hookkey_verify.events import EventName
from hookkey_verify.keys.flight import Fetched

from .play import (
    DOWN,
    FAILURES,
    GONE,
    NO_OUTAGE,
    THROTTLED,
    WEAK,
    Play,
    Reported,
    key_of,
)

pytestmark = pytest.mark.usefixtures("no_chance")


@FAILURES
@pytest.mark.parametrize("age", [80, 100, 150, 10_000])
def test_a_failed_fetch_removes_no_key(
    play: Play, error: HookVerificationError, age: float
) -> None:
    """A failed fetch changes neither the key nor its age."""
    key = key_of("a")
    play.fetch("a", Fetched(key))
    play.now += age
    play.fetch("a", error)
    condition = play.health().keys["a"]
    assert (condition.age, condition.failures) == (age, 1)
    if age < 150 and error is not WEAK:
        assert play.look_up("a").key is key


@pytest.mark.parametrize("age", [80, 100, 150, 10_000])
def test_the_source_says_that_a_key_is_gone(play: Play, age: float) -> None:
    """A revoked key is removed with an event, however fresh, and is never served stale."""
    play.fetch("a")
    play.now += age
    assert play.fetch("a", GONE) is GONE
    assert play.kept() == {}
    assert play.reports == [Reported(EventName.KEY_REVOKED, "a")]
    assert play.says("a") == "unknown_key"
    play.now += 10
    play.fetch("a", DOWN)
    assert play.says("a") == "key_unavailable"


def test_no_event_for_a_kid_that_never_was(play: Play) -> None:
    """``key_revoked`` is not reported for a kid that never had a key."""
    play.fetch("x", GONE)
    assert play.reports == []


@NO_OUTAGE
def test_a_rejected_document_is_no_outage(play: Play, error: HookVerificationError) -> None:
    """After a rejected document the old key is not served stale to any caller."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", error)
    assert play.says("a") == error.reason
    play.now += 3.999
    assert play.says("a") == error.reason


@NO_OUTAGE
def test_a_rejected_document_and_then_an_open_breaker(
    play: Play, error: HookVerificationError
) -> None:
    """After a rejected document, an open breaker does not make the old key servable."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", error)
    play.fetch("b", THROTTLED)
    assert play.look_up("a").key is None


@NO_OUTAGE
def test_a_rejected_document_and_then_an_outage(play: Play, error: HookVerificationError) -> None:
    """After a rejected document, an outage does not make the old key servable."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", error)
    play.now += 4
    play.fetch("a", DOWN)
    assert play.says("a") == "key_unavailable"
    play.now += 8
    play.fetch("a")
    play.now += 100
    play.fetch("a", DOWN)
    assert play.says("a") == "stale"


@NO_OUTAGE
def test_a_rejected_document_and_then_no_time(play: Play, error: HookVerificationError) -> None:
    """After a rejected document, a caller without time does not get the old key."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", error)
    assert play.look_up("a", seconds=0).key is None


def test_a_rejected_document_while_the_key_is_fresh(play: Play) -> None:
    """If a refresh brings a rejected document, the old key is served until ``fresh_for``."""
    play.fetch("a")
    play.now += 97
    play.fetch("a", WEAK)
    assert play.says("a") == "fresh"
    play.now += 3
    assert play.says("a") == "key_rejected"


def test_other_material_is_refused(play: Play) -> None:
    """Changed key material is reported and refused, and the old key is not served stale."""
    play.fetch("a")
    play.now += 100
    outcome = play.fetch("a", Fetched(key_of("a", "2")))
    assert isinstance(outcome, KeyChangedError)
    assert play.reports == [Reported(EventName.KEY_CHANGED, "a", "refused")]
    assert play.says("a") == "key_changed"
    assert play.health().status == "failing"


def test_the_same_material_again_is_no_change(play: Play) -> None:
    """Unchanged key material refreshes the key without an event."""
    play.fetch("a")
    play.now += 100
    play.fetch("a")
    assert play.reports == []
    assert (play.says("a"), play.kept()) == ("fresh", {"a": 0})
