"""The cache: health."""

from __future__ import annotations

import pytest

from hookkey_verify.errors import HookVerificationError
from hookkey_verify.keys.admission import DIRECTORY
from hookkey_verify.keys.health import Health, KeyHealth

from .play import DOWN, GONE, REFUSED, THROTTLED, WEAK, Play

pytestmark = pytest.mark.usefixtures("no_chance")


def test_health_of_a_new_source(play: Play) -> None:
    """A source that has not fetched anything is healthy."""
    assert play.health() == Health(
        source="here",
        status="healthy",
        keys={},
        last_success=None,
        breaker_open_for=0,
        problem="",
    )


def test_health_when_all_is_well(play: Play) -> None:
    """Ages are in seconds, and an old key without a failure is healthy."""
    play.fetch("a")
    play.now += 120
    play.fetch("b")
    play.now += 5
    assert play.health() == Health(
        source="here",
        status="healthy",
        keys={
            "a": KeyHealth(age=125, state="stale", failures=0),
            "b": KeyHealth(age=5, state="fresh", failures=0),
        },
        last_success=5,
        breaker_open_for=0,
        problem="",
    )


def test_health_while_a_stale_key_is_served(play: Play) -> None:
    """While a stale key is served, the status is degraded and the last error is shown."""
    play.fetch("a")
    play.now += 149
    play.fetch("a", THROTTLED)
    assert play.health() == Health(
        source="here",
        status="degraded",
        keys={"a": KeyHealth(age=149, state="stale", failures=1)},
        last_success=149,
        breaker_open_for=37,
        problem=str(THROTTLED),
    )


def test_health_when_there_is_nothing_to_serve(play: Play) -> None:
    """The status is failing when the only key is expired and the source is unreachable."""
    play.fetch("a")
    play.now += 148
    play.fetch("a", DOWN)
    play.now += 2
    assert play.health() == Health(
        source="here",
        status="failing",
        keys={"a": KeyHealth(age=150, state="expired", failures=1)},
        last_success=150,
        breaker_open_for=0,
        problem=str(DOWN),
    )


@pytest.mark.parametrize(
    ("age", "state"),
    [
        (99.999, "fresh"),
        (100, "stale"),
        (149.999, "stale"),
        (150, "expired"),
        (150.001, "expired"),
    ],
)
def test_health_of_a_key_by_its_age(play: Play, age: float, state: str) -> None:
    """The states of health have the same boundaries as look-ups."""
    play.fetch("a")
    play.now += age
    assert play.health().keys["a"].state == state


def test_health_when_one_key_fails_and_another_does_not(play: Play) -> None:
    """The status is degraded while one key cannot be refreshed, even if others can."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", DOWN)
    play.fetch("b")
    assert (play.health().status, play.health().problem) == ("degraded", "")
    play.now += 4
    play.fetch("a")
    assert play.health().status == "healthy"


def test_health_after_a_cold_start_in_an_outage(play: Play) -> None:
    """Without any key an outage is failing; the first response, even a 404, is healthy."""
    play.fetch("a", DOWN)
    assert (play.health().status, play.health().last_success) == ("failing", None)
    play.now += 4
    play.fetch("a", GONE)
    assert (play.health().status, play.health().last_success) == ("healthy", 0)


@pytest.mark.parametrize(
    ("error", "until"),
    [(DOWN, 6.5), (WEAK, 6.5), (REFUSED, 6.5), (THROTTLED, 39.5)],
    ids=lambda value: str(getattr(value, "reason", value)),
)
def test_health_forgets_an_old_problem(
    play: Play, error: HookVerificationError, until: float
) -> None:
    """A problem is dropped when an attempt was possible but no look-up caused one."""
    play.fetch("x", error)
    play.now += until - 0.001
    assert (play.health().status, play.health().problem) == ("failing", str(error))
    play.now += 0.001
    assert (play.health().status, play.health().problem) == ("healthy", "")


def test_health_forgets_a_directory_that_failed() -> None:
    """A failed list is reported until its next attempt is overdue."""
    play = Play(has_directory=True)
    play.look_up("x")
    play.land(DIRECTORY, DOWN)
    play.now += 62.499
    assert play.health().status == "failing"
    play.now += 0.001
    assert play.health().status == "healthy"


def test_health_forgets_a_key_without_look_ups(play: Play) -> None:
    """A failed key that is not looked up again stops affecting the status."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", DOWN)
    play.now += 6.499
    play.fetch("b")
    assert play.health().status == "degraded"
    play.now += 0.001
    assert play.health().status == "healthy"
