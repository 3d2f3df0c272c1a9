"""The clocks: freezegun can replace the wall clock, and the age clock never goes back."""

from __future__ import annotations

import time

import pytest
from freezegun import freeze_time

from hookkey_verify._runtime import clock


def test_the_wall_clock_is_looked_up_at_each_call() -> None:
    """The wall clock follows freezegun, even if freezegun starts after the import."""
    with freeze_time("2026-03-01T00:00:00Z"):
        assert clock.wall_clock() == 1_772_323_200
    assert time.time() - 600 < clock.wall_clock() <= time.time()


def test_the_monotonic_clock_is_looked_up_at_each_call(monkeypatch: pytest.MonkeyPatch) -> None:
    """The monotonic clock reads ``time.monotonic``, even if a test replaced it."""
    before = time.monotonic()
    assert before <= clock.monotonic_clock() <= time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: 5.5)
    assert clock.monotonic_clock() == 5.5


def test_the_age_clock_only_grows() -> None:
    """The age clock never goes back, even if the wall clock does."""
    readings = [clock.age_clock() for _ in range(1_000)]
    with freeze_time("1999-12-31"):
        readings.append(clock.age_clock())
    readings.append(clock.age_clock())
    assert readings == sorted(readings)
    assert readings[-1] > readings[0]
    assert readings[-1] - readings[0] < 600


@pytest.mark.skipif(not hasattr(time, "CLOCK_BOOTTIME"), reason="the system has no such clock")
def test_the_age_clock_counts_sleep() -> None:
    """On Linux, the age clock reads CLOCK_BOOTTIME, which counts the time of system sleep."""
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
    """The age clock is CLOCK_BOOTTIME, else CLOCK_MONOTONIC, else ``time.monotonic``."""
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        monkeypatch.delattr(time, name, raising=False)
        if name in known:
            monkeypatch.setattr(time, name, known[name], raising=False)
    monkeypatch.setattr(time, "clock_gettime", lambda clock_id: clock_id, raising=False)
    monkeypatch.setattr(time, "monotonic", lambda: None)
    assert clock._age_clock()() == chosen
