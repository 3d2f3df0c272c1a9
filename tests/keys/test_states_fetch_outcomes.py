"""KeyStates: what the outcome of a fetch may change."""

from __future__ import annotations

import pytest

from hookkey_verify import PublicKey
from hookkey_verify.errors import (
    HookVerificationError,
    KeyChangedError,
    KeyUnavailableError,
    UnknownKeyError,
)
from hookkey_verify.events import EventName
from hookkey_verify.keys.states import Fetched, Reported, again

from .states_play import DOWN, FAILURES, GONE, NO_OUTAGE, START, THROTTLED, WEAK, Play, key_of

pytestmark = pytest.mark.usefixtures("no_chance")


@FAILURES
@pytest.mark.parametrize("age", [80, 100, 150, 10_000])
def test_a_failed_fetch_removes_no_key(
    play: Play, error: HookVerificationError, age: float
) -> None:
    """Key and age stay what they were, however old it is and whatever went wrong."""
    key = key_of("a")
    play.fetch("a", Fetched(key))
    play.now += age
    play.fetch("a", error)
    entry = play.states.entries["a"]
    assert (entry.key, entry.born, entry.failures) == (key, START, 1)


@pytest.mark.parametrize("age", [80, 100, 150, 10_000])
def test_the_source_says_that_a_key_is_gone(play: Play, age: float) -> None:
    """47. It is removed with an event, however fresh, and never served stale after that."""
    play.fetch("a")
    play.now += age
    assert play.fetch("a", GONE) is GONE
    assert play.states.entries == {}
    assert play.reports == [Reported(EventName.KEY_REVOKED, "a")]
    assert play.states.stale("a", GONE, play.now) is None
    assert play.says("a") == "unknown_key"
    play.now += 10
    play.fetch("a", DOWN)
    assert play.says("a") == "key_unavailable"


def test_no_event_for_a_kid_that_never_was(play: Play) -> None:
    """``key_revoked`` is told of keys alone."""
    play.fetch("x", GONE)
    assert play.reports == []


@NO_OUTAGE
def test_a_rejected_document_is_no_outage(play: Play, error: HookVerificationError) -> None:
    """47. The old key is not served in its place: not to who waited, not to who comes later."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", error)
    assert play.states.stale("a", error, play.now) is None
    assert play.says("a") == error.reason
    play.now += 3.999
    assert play.says("a") == error.reason


@NO_OUTAGE
def test_a_rejected_document_and_then_an_open_breaker(
    play: Play, error: HookVerificationError
) -> None:
    """47. That another kid was throttled does not make the answer for this one an outage."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", error)
    play.fetch("b", THROTTLED)
    assert play.look_up("a").key is None


@NO_OUTAGE
def test_a_rejected_document_and_then_an_outage(play: Play, error: HookVerificationError) -> None:
    """47. The answer that was not to be trusted is not forgotten when the source goes down."""
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
    """47. That a caller is in a hurry does not make it an outage either."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", error)
    assert play.states.lookup_without_waiting("a", play.now).key is None


def test_a_rejected_document_while_the_key_is_fresh(play: Play) -> None:
    """A refresh ahead that brings one leaves the key until ``fresh_for`` is over, and no longer."""
    play.fetch("a")
    play.now += 97
    play.fetch("a", WEAK)
    assert play.says("a") == "fresh"
    play.now += 3
    assert play.says("a") == "key_rejected"


def test_other_material_is_refused(play: Play) -> None:
    """33. It is an alarm, the old key is neither replaced nor served, and every kid is apart."""
    play.fetch("a")
    play.now += 100
    outcome = play.fetch("a", Fetched(key_of("a", "2")))
    assert isinstance(outcome, KeyChangedError)
    assert play.reports == [Reported(EventName.KEY_CHANGED, "a", "refused")]
    assert play.says("a") == "key_changed"
    assert play.states.entries["a"].key == key_of("a")
    assert play.health().status == "failing"


def test_the_same_material_again_is_no_change(play: Play) -> None:
    """33. It renews the key, and there is nothing to tell."""
    play.fetch("a")
    play.now += 100
    play.fetch("a")
    assert play.reports == []
    assert (play.says("a"), play.states.entries["a"].born) == ("fresh", play.now)


def test_other_material_is_accepted_where_keys_may_change() -> None:
    """33. The new key replaces the old one, and it is told."""
    play = Play(keys_may_change=True)
    play.fetch("a")
    play.now += 100
    new = key_of("a", "2")
    outcome = play.fetch("a", Fetched(new))
    assert (outcome, play.look_up("a").key) == (Fetched(new), new)
    play.now += 100
    play.fetch("a", Fetched(new))
    assert play.reports == []


@pytest.mark.parametrize("others", [(), (key_of("a", "2"), key_of("b"))], ids=["alone", "in a set"])
def test_a_change_is_told_once(others: tuple[PublicKey, ...]) -> None:
    """33. Also when the key comes a second time, in the set that its issuer publishes."""
    play = Play(keys_may_change=True)
    play.fetch("a")
    play.now += 100
    play.fetch("a", Fetched(key_of("a", "2"), others=others))
    assert play.reports == [Reported(EventName.KEY_CHANGED, "a", "accepted")]


def test_a_fetch_that_brings_nothing(play: Play) -> None:
    """Neither key nor reason: it counts as an outage."""
    assert isinstance(play.fetch("a", Fetched(None)), KeyUnavailableError)


def test_again() -> None:
    """Each raiser gets an object of its own, with what is left of the wait where there is one."""
    twin, gone = again(DOWN, 7), again(GONE, 7)
    assert (type(twin), twin.detail, twin.retry_after) == (KeyUnavailableError, "down", 7)
    assert (DOWN.retry_after, again(DOWN).retry_after) == (1, 1)
    assert twin is not DOWN
    assert (type(gone), vars(gone)) == (UnknownKeyError, vars(GONE))
