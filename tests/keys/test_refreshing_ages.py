"""The cache: how the age of a key, a verdict or a directory decides a look-up."""

from __future__ import annotations

import pytest

from hookkey_verify import CachePolicy
from hookkey_verify.errors import HookVerificationError, KeyUnavailableError
from hookkey_verify.events import EventName
from hookkey_verify.keys.admission import DIRECTORY
from hookkey_verify.keys.flight import Fetched

from .play import (
    DOWN,
    FAILURES,
    GONE,
    REFUSED,
    START,
    THROTTLED,
    Play,
    Reported,
    key_of,
    told,
)

pytestmark = pytest.mark.usefixtures("no_chance")


@pytest.mark.parametrize(
    ("age", "becomes"),
    [
        (0, "fresh"),
        (79.999, "fresh"),
        (80, "ahead"),
        (80.001, "ahead"),
        (99.999, "ahead"),
        (100, "fetch"),
        (100.001, "fetch"),
        (149.999, "fetch"),
        (150, "fetch"),
        (150.001, "fetch"),
        (86_400, "fetch"),
    ],
)
def test_a_key_by_its_age(play: Play, age: float, becomes: str) -> None:
    """A key is fresh, due or expired; each state begins exactly at its boundary."""
    play.fetch("a")
    play.now += age
    assert play.says("a") == becomes


@pytest.mark.parametrize(
    ("age", "becomes"),
    [(99.999, "fresh"), (100, "fetch"), (100.001, "fetch")],
)
def test_without_refresh_ahead(age: float, becomes: str) -> None:
    """With ``refresh_ahead=0`` no fetch starts before ``fresh_for``."""
    play = Play(CachePolicy(fresh_for=100, refresh_ahead=0))
    play.fetch("a")
    play.now += age
    assert play.says("a") == becomes


@pytest.mark.parametrize(
    ("age", "becomes"),
    [(80, "fresh"), (83.999, "fresh"), (84, "ahead"), (84.001, "ahead"), (100, "fetch")],
)
def test_a_refresh_ahead_that_failed(play: Play, age: float, becomes: str) -> None:
    """After a failed refresh the key stays fresh, and the next attempt waits for the back-off."""
    play.fetch("a")
    play.now += 80
    play.fetch("a", DOWN)
    play.now = START + age
    assert play.says("a") == becomes


def test_a_refresh_ahead_that_failed_last_thing(play: Play) -> None:
    """If the back-off ends after ``fresh_for``, the key is served stale without another attempt."""
    play.fetch("a")
    play.now += 99
    play.fetch("a", DOWN)
    play.now += 2
    assert play.says("a") == "stale"
    play.now += 2
    assert play.says("a") == "fetch"


@pytest.mark.parametrize(
    ("age", "becomes"),
    [
        (148, "stale"),
        (149.999, "stale"),
        (150, "key_unavailable"),
        (150.001, "key_unavailable"),
        (151.999, "key_unavailable"),
        (152, "fetch"),
        (152.001, "fetch"),
    ],
)
def test_the_end_of_the_stale_window(play: Play, age: float, becomes: str) -> None:
    """A key whose refresh failed is served stale until ``stale_if_error`` is over."""
    play.fetch("a")
    play.now += 148
    play.fetch("a", DOWN)
    play.now = START + age
    assert play.says("a") == becomes


def test_stale_serving_switched_off() -> None:
    """With ``stale_if_error=0`` an outage raises as soon as the key is not fresh."""
    play = Play(CachePolicy(fresh_for=100, stale_if_error=0))
    play.fetch("a")
    play.now += 100
    play.fetch("a", DOWN)
    assert play.says("a") == "key_unavailable"


@pytest.mark.parametrize("offset", [-0.001, 0, 0.001])
def test_who_waited_for_a_failed_refresh(play: Play, offset: float) -> None:
    """A caller that waited for a failed refresh gets the old key within the same stale limit."""
    play.fetch("a")
    play.now += 150 + offset
    waiting = play.keys.admission.look_up("a", play.now + 2)
    next(waiting)
    play.land("a", DOWN)
    if offset >= 0:
        with pytest.raises(KeyUnavailableError, match="down"):
            next(waiting)
    else:
        with pytest.raises(StopIteration) as stop:
            next(waiting)
        assert stop.value.value == key_of("a")


@pytest.mark.parametrize(
    ("age", "becomes"),
    [(0, "unknown_key"), (9.999, "unknown_key"), (10, "fetch"), (10.001, "fetch")],
)
def test_an_unknown_kid(play: Play, age: float, becomes: str) -> None:
    """The error "no such key" is repeated for ``negative_for``."""
    play.fetch("x", GONE)
    play.now += age
    step = play.look_up("x")
    assert told(step) == becomes
    assert step.error is None or (str(step.error), step.error is GONE) == (str(GONE), False)


def test_negative_for_zero() -> None:
    """With ``negative_for=0`` every look-up of an unknown kid fetches and spends the budget."""
    play = Play(CachePolicy(negative_for=0, first_seen_burst=2))
    play.fetch("x", GONE)
    play.fetch("x", GONE)
    assert play.says("x") == "key_lookup_limited"


@FAILURES
@pytest.mark.parametrize(("late", "asks"), [(-4, 0), (-0.001, 0), (0, 1), (0.001, 1)])
def test_an_absent_kid_whose_fetch_failed(
    play: Play, error: HookVerificationError, late: float, asks: bool
) -> None:
    """The error is repeated until the back-off is over, with the remaining wait.

    If the source requested a pause, no request is sent before it is over.
    """
    wait = 37 if error is THROTTLED else 4
    play.fetch("a", error)
    if error in (REFUSED, THROTTLED):
        play.keys.state.breaker.succeeded(play.keys.state.breaker.epoch)  # see test_breaker
    play.now += wait + late
    step = play.look_up("a")
    assert told(step) == ("fetch" if asks else error.reason)
    if isinstance(step.error, KeyUnavailableError):
        assert step.error.retry_after == pytest.approx(-late)


@pytest.mark.parametrize(
    ("age", "becomes"),
    [
        (0, ("unknown_key", "fetch")),
        (29.999, ("unknown_key", "fetch")),
        (30, ("list", "join list")),
        (30.001, ("list", "join list")),
    ],
)
def test_the_directory_is_believed_for_so_long(age: float, becomes: tuple[str, str]) -> None:
    """A list is used for ``directory_for``: missing kids are unknown, listed kids are fetched."""
    play = Play(has_directory=True)
    assert (play.says("x"), play.says("y")) == ("list", "join list")
    play.land(DIRECTORY, frozenset({"a"}))
    play.now += age
    assert (play.says("x"), play.says("a")) == becomes


def test_a_kid_whose_fetch_is_under_way(play: Play) -> None:
    """A look-up joins the fetch in flight of its kid, with or without an expired key."""
    assert [play.says("a"), play.says("a"), play.says("b")] == ["fetch", "join", "fetch"]
    play.land("a", Fetched(key_of("a")))
    play.now += 100
    assert [play.says("a"), play.says("a")] == ["fetch", "join"]
    assert play.reports == [Reported(EventName.COALESCED, "a")]


def test_one_refresh_ahead_at_a_time(play: Play) -> None:
    """While a refresh is in flight, look-ups get the key and start no other fetch."""
    play.fetch("a")
    play.now += 90
    assert [play.says("a"), play.says("a")] == ["ahead", "fresh"]
    play.now += 10
    assert play.says("a") == "join"
