"""The cache: invalidated and evicted keys."""

from __future__ import annotations

import pytest

from hookkey_verify.events import EventName
from hookkey_verify.keys.flight import Fetched

from .play import DOWN, GONE, Play, Reported, key_of, spend

pytestmark = pytest.mark.usefixtures("no_chance")


def test_invalidate_a_key(play: Play) -> None:
    """An invalidated key is not served; fetching it again needs no budget and no back-off."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", DOWN)
    spend(play)
    play.keys.invalidate("a")
    assert play.look_up("a", seconds=0).key is None
    play.fetch("a")
    assert play.says("a") == "fresh"


def test_invalidate_and_an_outage(play: Play) -> None:
    """An invalidated key is never served stale."""
    play.fetch("a")
    play.keys.invalidate("a")
    play.fetch("a", DOWN)
    assert play.says("a") == "key_unavailable"
    assert play.health().keys == {}


def test_invalidate_accepts_a_changed_key(play: Play) -> None:
    """After ``invalidate`` changed key material is accepted without an event."""
    play.fetch("a")
    play.now += 100
    new = key_of("a", "2")
    play.fetch("a", Fetched(new))
    play.keys.invalidate("a")
    assert play.fetch("a", Fetched(new)) == Fetched(new)
    assert play.reports == []
    assert play.look_up("a").key is new


def test_invalidate_an_unknown_kid(play: Play) -> None:
    """``invalidate`` removes a "no such key", and the kid is fetched again."""
    play.fetch("x", GONE)
    play.keys.invalidate("x")
    play.keys.invalidate("never seen")
    assert play.says("x") == "fetch"
    assert set(play.kept()) == set()


def test_the_oldest_key_goes(play: Play) -> None:
    """Beyond ``max_keys`` the oldest key is evicted with an event; a refresh evicts none."""
    play.keys.expect("abcd")
    for kid in "abc":
        play.fetch(kid)
        play.now += 1
    play.now += 99
    play.fetch("a")
    assert play.reports == []
    play.fetch("d")
    assert play.reports == [Reported(EventName.EVICTED, "b")]
    assert set(play.kept()) == {"a", "c", "d"}
