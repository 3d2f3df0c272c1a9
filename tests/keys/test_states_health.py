"""KeyStates: health."""

from __future__ import annotations

import pytest

from hookkey_verify.errors import HookVerificationError
from hookkey_verify.keys.health import Health, KeyHealth
from hookkey_verify.keys.states import DIRECTORY

from .states_play import DOWN, GONE, REFUSED, THROTTLED, WEAK, Play

pytestmark = pytest.mark.usefixtures("no_chance")


def test_health_of_a_new_source(play: Play) -> None:
    """Nothing was asked, so nothing is wrong."""
    assert play.health() == Health(
        source="here",
        status="healthy",
        keys={},
        last_success=None,
        breaker_open_for=0,
        problem="",
    )


def test_health_when_all_is_well(play: Play) -> None:
    """Ages and the last answer are told in seconds; to be old without a failure is no trouble."""
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
    """Degraded: the last attempt failed, and its words are shown."""
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
    """Failing: the key is past its stale window, and the source still cannot be asked."""
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
    """36. By the same boundaries as look-ups."""
    play.fetch("a")
    play.now += age
    assert play.health().keys["a"].state == state


def test_health_when_one_key_fails_and_another_does_not(play: Play) -> None:
    """Degraded as long as a key could not be refreshed, also after others were fetched."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", DOWN)
    play.fetch("b")
    assert (play.health().status, play.health().problem) == ("degraded", "")
    play.now += 4
    play.fetch("a")
    assert play.health().status == "healthy"


def test_health_after_a_cold_start_in_an_outage(play: Play) -> None:
    """Failing without a single key, and healthy with the first answer, which may be a no."""
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
    """When nobody tried although it was time: or no traffic would come that makes an attempt."""
    play.fetch("x", error)
    play.now += until - 0.001
    assert (play.health().status, play.health().problem) == ("failing", str(error))
    play.now += 0.001
    assert (play.health().status, play.health().problem) == ("healthy", "")


def test_health_forgets_a_directory_that_failed() -> None:
    """It is tried again after ``directory_for``, so the problem is believed that long."""
    play = Play(has_directory=True)
    play.look_up("x")
    play.land(DIRECTORY, DOWN)
    play.now += 32.499
    assert play.health().status == "failing"
    play.now += 0.001
    assert play.health().status == "healthy"


def test_health_forgets_a_key_that_nobody_asks_for(play: Play) -> None:
    """It failed once and is never looked up again, while others do well."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", DOWN)
    play.now += 6.499
    play.fetch("b")
    assert play.health().status == "degraded"
    play.now += 0.001
    assert play.health().status == "healthy"
