"""The cache: records from the shared store, which already have an age."""

from __future__ import annotations

import pytest

from hookkey_verify.errors import UnknownKeyError
from hookkey_verify.events import EventName
from hookkey_verify.keys.flight import Fetched

from .play import DOWN, THROTTLED, WEAK, Play, Reported, key_of

pytestmark = pytest.mark.usefixtures("no_chance")


def test_what_another_worker_was_told(play: Play) -> None:
    """A shared record refreshes a key but ends neither a problem nor a rejection."""
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
    """A shared record with a problem is served, and counts as a failed attempt."""
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
        (85, 3.999, "fresh"),  # the worker that fetched it refreshes it first
        (85, 4, "ahead"),
        (85, 15, "fetch"),
        (100, 0, "fetch"),
        (1_000, 0, "fetch"),
        (-50, 99.999, "ahead"),  # a negative age counts as 0
        (-50, 100, "fetch"),
    ],
)
def test_a_record_that_is_old_already(play: Play, age: float, later: float, becomes: str) -> None:
    """A shared record is fresh only for the rest of its lifetime."""
    play.fetch("a", Fetched(key_of("a"), age=age, from_shared_store=True))
    play.now += later
    assert play.says("a") == becomes


def test_the_stale_window_of_an_old_record(play: Play) -> None:
    """The stale limit counts from the age of the record, not from its arrival."""
    play.fetch("a", Fetched(key_of("a"), age=60))
    play.now += 89
    play.fetch("a", DOWN)
    assert play.says("a") == "stale"
    play.now += 1
    assert play.says("a") == "key_unavailable"


def test_an_old_record_for_want_of_a_younger(play: Play) -> None:
    """A problem in a record counts as a failure for back-off and health; the key is kept."""
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
    """A shared "no such key" is remembered for the rest of ``negative_for``."""
    verdict = UnknownKeyError("not here")
    verdict.age = age
    play.fetch("x", verdict)
    play.now += left - 0.001
    assert play.says("x") == "unknown_key"
    play.now += 0.001
    assert play.says("x") == "fetch"


@pytest.mark.parametrize("age", [10, 99])
def test_a_verdict_that_is_too_old(play: Play, age: float) -> None:
    """A "no such key" older than ``negative_for`` is used only by waiting callers."""
    verdict = UnknownKeyError("not here")
    verdict.age = age
    play.fetch("x", verdict)
    assert play.says("x") == "fetch"
