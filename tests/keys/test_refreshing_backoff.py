"""The cache: waits after failures, jitter, and long outages."""

from __future__ import annotations

import pytest

from hookkey_verify import CachePolicy
from hookkey_verify.errors import KeyUnavailableError
from hookkey_verify.keys.flight import Fetched

from .play import DOWN, START, Play, error_of, key_of

pytestmark = pytest.mark.usefixtures("no_chance")


@pytest.mark.parametrize("known", [True, False], ids=["a key", "an absent kid"])
def test_backoff_grows_and_is_capped(known: bool) -> None:
    """In an outage the pauses are 4, 8, 16, 32 and 60 seconds, and never longer."""
    play = Play(expected=["a"])
    if known:
        play.fetch("a")
        play.now += 1_000
    waits = []
    for _ in range(7):
        play.fetch("a", DOWN)
        error = error_of(play.look_up("a"))
        assert isinstance(error, KeyUnavailableError)
        waits.append(error.retry_after)
        play.now += error.retry_after - 0.001
        assert play.says("a") == "key_unavailable"
        play.now += 0.001
    assert waits == pytest.approx([4, 8, 16, 32, 60, 60, 60])


def test_a_success_starts_the_backoff_over(play: Play) -> None:
    """A success resets the count of consecutive failures."""
    play.fetch("a")
    for seconds in (100, 4):
        play.now += seconds
        play.fetch("a", DOWN)
    play.now += 8
    play.fetch("a")
    assert play.health().keys["a"].failures == 0
    play.now += 100
    play.fetch("a", DOWN)
    play.now += 4
    assert play.says("a") == "stale, and a fetch"


def test_instances_do_not_refresh_in_the_same_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand processes spread their refreshes over half of the last part."""
    monkeypatch.undo()
    policy = CachePolicy()
    due = []
    for _ in range(1_000):
        play = Play(policy)
        play.fetch("a")
        due.append(_due(play) - START)
    assert 2_880 <= min(due) < 2_900
    assert 3_220 < max(due) <= 3_240
    seconds = [int(each) for each in due]
    assert max(map(seconds.count, seconds)) < 20


def _due(play: Play) -> float:
    """Return the age from which the key is refreshed, found by bisection."""
    least, most = START, START + 3_600
    while most - least > 0.01:
        play.now = (least + most) / 2
        if play.keys.peek("a") is None:
            most = play.now
        else:
            least = play.now
    return most


def test_instances_do_not_retry_in_the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a failure each process waits between half and all of the back-off."""
    monkeypatch.undo()
    waits = set()
    for _ in range(1_000):
        play = Play(expected=["a"])
        play.fetch("a", DOWN)
        error = error_of(play.look_up("a"))
        assert isinstance(error, KeyUnavailableError)
        waits.add(error.retry_after)
    assert 2 <= min(waits) < 2.1
    assert 3.9 < max(waits) <= 4
    assert len(waits) > 900


def test_idle_for_days(play: Play) -> None:
    """After days without look-ups, one look-up causes one fetch."""
    play.fetch("a")
    play.now += 5 * 86_400
    play.fetch("a")
    assert [play.says("a"), play.says("a")] == ["fresh", "fresh"]
    assert play.launched == ["a", "a"]


def test_an_outage_from_end_to_end(play: Play) -> None:
    """An outage: stale keys, one attempt per back-off, then the error, then recovery."""
    play.fetch("a")
    seen: list[tuple[int, str]] = []
    for age in range(100, 172):
        play.now = START + age
        becomes = play.says("a")
        if becomes in ("fetch", "stale, and a fetch"):
            play.land("a", DOWN if age < 160 else Fetched(key_of("a")))
        if not seen or seen[-1][1] != becomes:
            seen.append((age, becomes))
    assert seen == [
        (100, "fetch"),
        (101, "stale"),
        (104, "stale, and a fetch"),
        (105, "stale"),
        (112, "stale, and a fetch"),
        (113, "stale"),
        (128, "stale, and a fetch"),
        (129, "stale"),
        (150, "key_unavailable"),
        (160, "fetch"),
        (161, "fresh"),
    ]
    assert play.health().status == "healthy"
