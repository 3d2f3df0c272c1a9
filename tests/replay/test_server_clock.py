"""ServerClock: converted readings are never later than the server's, whatever the network does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookkey_verify.replay.server_clock import ServerClock

# Multiples of 1/64 s are exact, so that no assertion needs a tolerance.
EXACT = 1 / 64


def exact(least: int, most: int) -> st.SearchStrategy[float]:
    """Return numbers of seconds that binary fractions represent."""
    return st.integers(least * 64, most * 64).map(lambda number: number * EXACT)


OFFSETS = exact(-10_000_000, 2_000_000_000)
EXCHANGES = st.lists(st.tuples(exact(0, 100), exact(0, 5), exact(0, 5)), min_size=1, max_size=20)
"""Exchanges with a server: the pause before each, and the seconds of both directions."""


def _observe(clock: ServerClock, exchanges: list[tuple[float, ...]], ahead: float) -> float:
    """Observe a server that is ``ahead`` of us, and return our time after the last answer."""
    now = 0.0
    for pause, there, back in exchanges:
        sent = now + pause
        now = sent + there + back
        clock.observe(sent, now, sent + there + ahead)
    return now


def test_nothing_is_known_at_first() -> None:
    """A converted reading is 0 before the first answer, so a server considers it late."""
    assert ServerClock().reading(1_000_000) == 0


@given(exchanges=EXCHANGES, ahead=OFFSETS, moment=exact(0, 10_000))
def test_a_reading_is_never_too_late(
    exchanges: list[tuple[float, ...]], ahead: float, moment: float
) -> None:
    """A converted reading is at most the server's, and too early by the fastest way back."""
    clock = ServerClock()
    _observe(clock, exchanges, ahead)
    error = moment + ahead - clock.reading(moment)
    assert error == min(back for _, _, back in exchanges)


@given(
    before=EXCHANGES,
    after=st.tuples(exact(0, 100), exact(0, 5), exact(0, 5)),
    ahead=OFFSETS,
    step=exact(-10_000, 10_000),
    moment=exact(0, 10_000),
)
def test_a_step_of_a_clock(
    before: list[tuple[float, ...]],
    after: tuple[float, float, float],
    ahead: float,
    step: float,
    moment: float,
) -> None:
    """After a clock was set and one more answer, a reading is right within that exchange.

    It is too late by at most the way there, and too early by at most the way back.
    """
    clock = ServerClock()
    now = _observe(clock, before, ahead)
    pause, there, back = after
    sent = now + pause
    clock.observe(sent, sent + there + back, sent + there + ahead + step)
    error = moment + ahead + step - clock.reading(moment)
    assert -there <= error <= back


@pytest.mark.parametrize("step", [-3600, -1, 1, 3600])
def test_the_next_answer_corrects_a_step(step: float) -> None:
    """A step that is longer than the round trip is corrected completely by the next answer."""
    clock = ServerClock()
    clock.observe(10, 10.5, 110.25)
    assert clock.reading(20) == 119.75
    clock.observe(30, 30.5, 130.25 + step)
    assert clock.reading(40) == 139.75 + step


def test_the_fastest_answer_counts() -> None:
    """A slow answer does not make a known clock less precise; a faster one makes it more so."""
    clock = ServerClock()
    clock.observe(0, 1, 100)
    clock.observe(10, 18, 111)
    assert clock.reading(50) == 149
    clock.observe(20, 20.5, 120)
    assert clock.reading(50) == 149.5
