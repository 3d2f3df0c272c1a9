"""KeyStates: look-ups that have no time to wait for a fetch."""

from __future__ import annotations

import pytest

from hookkey_verify import CachePolicy
from hookkey_verify.errors import HookVerificationError

from .states_play import DOWN, GONE, START, THROTTLED, WEAK, Play, told

pytestmark = pytest.mark.usefixtures("no_chance")


@pytest.mark.parametrize(
    ("kid", "becomes"),
    [
        ("fresh", "fresh"),
        ("ahead", "fresh"),
        ("expired", "ahead"),
        ("expired and failed", "stale"),
        ("dead", "key_unavailable"),
        ("gone", "unknown_key"),
        ("failed", "key_rejected"),
        ("never seen", "key_unavailable"),
    ],
)
def test_at_hand(kid: str, becomes: str) -> None:
    """The answer is what is kept; a stale key that is due is renewed in background."""
    play = Play(CachePolicy(fresh_for=100, stale_if_error=50, negative_for=10))
    ages = {"dead": 150, "expired": 149, "expired and failed": 149, "ahead": 99, "fresh": 0}
    for name, age in ages.items():
        play.now = START - age
        play.states.expected.add(name)
        play.fetch(name)
    play.fetch("expired and failed", DOWN)
    play.fetch("gone", GONE)
    play.fetch("failed", WEAK)
    step = play.states.lookup_without_waiting(kid, play.now)
    assert told(step) == becomes
    assert step.join is None


def test_at_hand_begins_one_fetch(play: Play) -> None:
    """Not while one is under way, and not before the next attempt is due."""
    play.fetch("a")
    play.now += 100
    flying = {"a": 2}
    assert play.states.lookup_without_waiting("a", play.now).launch == "a"
    assert told(play.states.lookup_without_waiting("a", play.now, flying)) == "stale"
    play.fetch("a", THROTTLED)
    assert told(play.states.lookup_without_waiting("a", play.now)) == "stale"


@pytest.mark.parametrize(("kid", "error"), [("gone", GONE), ("failed", WEAK)])
def test_at_hand_when_a_verdict_is_over(play: Play, kid: str, error: HookVerificationError) -> None:
    """Nothing is known of the kid then, and there is no time to ask."""
    play.fetch(kid, error)
    play.now += 10
    assert told(play.states.lookup_without_waiting(kid, play.now)) == "key_unavailable"
