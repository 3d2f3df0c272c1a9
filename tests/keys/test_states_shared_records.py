"""KeyStates: records from the shared store, which have an age already."""

from __future__ import annotations

import pytest

from hookkey_verify.errors import UnknownKeyError
from hookkey_verify.events import EventName
from hookkey_verify.keys.states import Fetched, Reported

from .states_play import DOWN, THROTTLED, WEAK, Play, key_of

pytestmark = pytest.mark.usefixtures("no_chance")


def test_what_another_worker_was_told(play: Play) -> None:
    """Its record renews a key, but is no answer to us: neither health nor an alarm ends by it."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", WEAK)
    play.now += 4
    play.fetch("a", Fetched(key_of("a"), 50, from_shared_store=True))
    assert play.says("a") == "fresh"
    assert play.health().status == "degraded"
    play.now += 60
    play.fetch("a", DOWN)
    assert play.says("a") == "key_unavailable"


def test_a_key_and_why_there_is_no_younger_one(play: Play) -> None:
    """It is served, and the attempt counts as the failure that it was."""
    play.fetch("a")
    for failures in (1, 2):
        play.now += 90 if failures == 1 else 4
        assert play.says("a") == "ahead"
        play.land("a", Fetched(key_of("a"), 85, problem=DOWN, from_shared_store=True))
        assert play.health().keys["a"].failures == failures
    assert play.health().status == "degraded"


@pytest.mark.parametrize(
    ("age", "later", "becomes"),
    [
        (0, 79.999, "fresh"),
        (30, 49.999, "fresh"),
        (30, 50, "ahead"),
        (30, 69.999, "ahead"),
        (30, 70, "fetch"),
        (85, 3.999, "fresh"),  # whose refresh is for the worker that fetched it
        (85, 4, "ahead"),
        (85, 15, "fetch"),
        (100, 0, "fetch"),
        (1_000, 0, "fetch"),
        (-50, 99.999, "ahead"),  # an age before now is none
        (-50, 100, "fetch"),
    ],
)
def test_a_record_that_is_old_already(play: Play, age: float, later: float, becomes: str) -> None:
    """41. It is never fresh for longer than its age allows."""
    play.fetch("a", Fetched(key_of("a"), age=age))
    play.now += later
    assert play.says("a") == becomes


def test_the_stale_window_of_an_old_record(play: Play) -> None:
    """41. It ends when it would have ended where the record comes from."""
    play.fetch("a", Fetched(key_of("a"), age=60))
    play.now += 89
    play.fetch("a", DOWN)
    assert play.says("a") == "stale"
    play.now += 1
    assert play.says("a") == "key_unavailable"


def test_an_old_record_for_want_of_a_younger(play: Play) -> None:
    """The attempt that failed counts as one: backoff, failures, health; the key is kept."""
    play.fetch("a", Fetched(key_of("a"), age=85, problem=THROTTLED))
    assert play.reports == [Reported(EventName.BREAKER, outcome="open", seconds=37)]
    assert (play.says("a"), play.health().status) == ("fresh", "degraded")
    assert play.health().keys["a"].failures == 1
    play.now += 37
    play.fetch("a", Fetched(key_of("a"), age=85, problem=DOWN))
    assert play.health().keys["a"].failures == 2
    play.now += 7.999
    assert play.says("a") == "fresh"
    play.now += 0.001
    assert play.says("a") == "ahead"


@pytest.mark.parametrize(("age", "left"), [(0, 10), (4, 6), (9.5, 0.5), (-5, 10)])
def test_a_verdict_that_is_old_already(play: Play, age: float, left: float) -> None:
    """Another worker heard it: it is believed for what is left of ``negative_for``."""
    verdict = UnknownKeyError("not here")
    verdict.age = age
    play.fetch("x", verdict)
    play.now += left - 0.001
    assert play.says("x") == "unknown_key"
    play.now += 0.001
    assert play.says("x") == "fetch"


@pytest.mark.parametrize("age", [10, 99])
def test_a_verdict_that_is_too_old(play: Play, age: float) -> None:
    """It is not believed at all beyond who waited for it."""
    verdict = UnknownKeyError("not here")
    verdict.age = age
    play.fetch("x", verdict)
    assert play.says("x") == "fetch"
