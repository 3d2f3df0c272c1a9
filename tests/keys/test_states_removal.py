"""KeyStates: invalidated and evicted keys."""

from __future__ import annotations

import pytest

from hookkey_verify.events import EventName
from hookkey_verify.keys.states import Fetched, Reported

from .states_play import DOWN, GONE, Play, key_of, spend

pytestmark = pytest.mark.usefixtures("no_chance")


def test_invalidate_a_key(play: Play) -> None:
    """It is not served again, and fetching it anew spends no budget and waits for no backoff."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", DOWN)
    spend(play)
    play.states.invalidate("a")
    assert play.states.stale("a", DOWN, play.now) is None
    assert play.states.lookup_without_waiting("a", play.now).key is None
    play.fetch("a")
    assert play.says("a") == "fresh"


def test_invalidate_and_an_outage(play: Play) -> None:
    """47. What was forgotten is never served stale."""
    play.fetch("a")
    play.states.invalidate("a")
    play.fetch("a", DOWN)
    assert play.says("a") == "key_unavailable"
    assert play.health().keys == {}


def test_invalidate_accepts_a_changed_key(play: Play) -> None:
    """33. An operator who knows better says so; it is then no alarm."""
    play.fetch("a")
    play.now += 100
    new = key_of("a", "2")
    play.fetch("a", Fetched(new))
    play.states.invalidate("a")
    assert play.fetch("a", Fetched(new)) == Fetched(new)
    assert play.reports == []
    assert play.look_up("a").key is new


def test_invalidate_an_unknown_kid(play: Play) -> None:
    """The verdict is forgotten; the kid is asked for again."""
    play.fetch("x", GONE)
    play.states.invalidate("x")
    play.states.invalidate("never seen")
    assert play.says("x") == "fetch"
    assert set(play.states.entries) == set()


def test_the_oldest_key_goes(play: Play) -> None:
    """Beyond ``max_keys``, with an event; a key that is renewed takes no place."""
    play.states.expected.update("abcd")
    for kid in "abc":
        play.fetch(kid)
        play.now += 1
    play.now += 99
    play.fetch("a")
    assert play.reports == []
    play.fetch("d")
    assert play.reports == [Reported(EventName.EVICTED, "b")]
    assert set(play.states.entries) == {"a", "c", "d"}
