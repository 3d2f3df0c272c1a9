"""The clocks: which one stands still, which one grows, and that freezegun reaches them."""

from __future__ import annotations

import time

import pytest
from freezegun import freeze_time

from hookkey_verify._runtime import clock


def test_the_wall_clock_is_looked_up_at_each_call() -> None:
    """What freezegun puts in the place of ``time.time`` after the import is obeyed."""
    with freeze_time("2026-03-01T00:00:00Z"):
        assert clock.wall_clock() == 1_772_323_200
    assert time.time() - 600 < clock.wall_clock() <= time.time()


def test_the_monotonic_clock_is_looked_up_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """Deadlines are readings of ``time.monotonic``, also when a test replaces it."""
    before = time.monotonic()
    assert before <= clock.monotonic_clock() <= time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: 5.5)
    assert clock.monotonic_clock() == 5.5


def test_the_age_clock_only_grows() -> None:
    """However often it is read, and whatever is done to the wall clock meanwhile."""
    readings = [clock.age_clock() for _ in range(1_000)]
    with freeze_time("1999-12-31"):
        readings.append(clock.age_clock())
    readings.append(clock.age_clock())
    assert readings == sorted(readings)
    assert readings[-1] > readings[0]
    assert readings[-1] - readings[0] < 600


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="the system has no such clock")
def test_the_age_clock_counts_sleep() -> None:
    """38. On Linux it reads CLOCK_BOOTTIME, which goes on while the machine is asleep."""
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= clock.age_clock() <= time.clock_gettime(time.CLOCK_BOOTTIME)


@pytest.mark.parametrize(
    ("known", "chosen"),
    [
        ({"CLOCK_BOOTTIME": 7, "CLOCK_MONOTONIC": 1}, 7),
        ({"CLOCK_MONOTONIC": 1}, 1),
        ({}, None),
    ],
    ids=["Linux", "macOS", "Windows"],
)
def test_the_age_clock_of_each_system(
    monkeypatch: pytest.MonkeyPatch, known: dict[str, int], chosen: int | None
) -> None:
    """The first of the two that the system has; where it has neither, the monotonic clock."""
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        monkeypatch.delattr(time, name, raising=False)
        if name in known:
            monkeypatch.setattr(time, name, known[name], raising=False)
    monkeypatch.setattr(time, "clock_gettime", lambda clock_id: clock_id, raising=False)
    monkeypatch.setattr(time, "monotonic", lambda: None)
    assert clock._age_clock()() == chosen
