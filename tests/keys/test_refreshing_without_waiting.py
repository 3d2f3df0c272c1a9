"""The cache: look-ups that have no time to wait for a fetch."""

from __future__ import annotations

import pytest

from hookkey_verify import CachePolicy
from hookkey_verify.errors import HookVerificationError

from .play import DOWN, GONE, START, THROTTLED, WEAK, Play, told

pytestmark = pytest.mark.usefixtures("no_chance")


@pytest.mark.parametrize(
    ("kid", "becomes"),
    [
        ("fresh", "fresh"),
        ("ahead", "fresh"),
        ("expired", "stale, and a fetch"),
        ("expired and failed", "stale"),
        ("dead", "key_unavailable"),
        ("gone", "unknown_key"),
        ("failed", "key_rejected"),
        ("never seen", "key_unavailable"),
    ],
)
def test_at_hand(kid: str, becomes: str) -> None:
    """The cached result is returned; a stale key that is due is refreshed in the background."""
    play = Play(CachePolicy(fresh_for=100, stale_if_error=50, negative_for=10))
    ages = {"dead": 150, "expired": 149, "expired and failed": 149, "ahead": 99, "fresh": 0}
    for name, age in ages.items():
        play.now = START - age
        play.keys.expect([name])
        play.fetch(name)
    play.fetch("expired and failed", DOWN)
    play.fetch("gone", GONE)
    play.fetch("failed", WEAK)
    step = play.look_up(kid, seconds=0)
    assert told(step) == becomes
    assert step.join is None


def test_at_hand_begins_one_fetch(play: Play) -> None:
    """No fetch starts while another is in flight or the back-off is not over."""
    play.fetch("a")
    play.now += 100
    assert play.says("a", seconds=0) == "stale, and a fetch"
    assert play.says("a", seconds=0) == "stale"
    play.land("a", THROTTLED)
    assert play.says("a", seconds=0) == "stale"


@pytest.mark.parametrize(("kid", "error"), [("gone", GONE), ("failed", WEAK)])
def test_at_hand_when_a_verdict_is_over(play: Play, kid: str, error: HookVerificationError) -> None:
    """An expired "no such key" or error raises ``KeyUnavailableError`` without time to fetch."""
    play.fetch(kid, error)
    play.now += 10
    assert told(play.look_up(kid, seconds=0)) == "key_unavailable"
