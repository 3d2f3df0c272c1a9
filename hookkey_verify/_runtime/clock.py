"""The clocks, as functions that look the clock up at each call.

``time.time`` bound as a default argument would escape freezegun, which replaces the module's
attribute.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

__all__ = ["Clock", "age_clock", "monotonic_clock", "wall_clock"]

Clock = Callable[[], float]


def wall_clock() -> float:
    """Seconds since the epoch: for claims (RFC 7519 NumericDate)."""
    return time.time()


def monotonic_clock() -> float:
    """Seconds that only grow: for deadlines."""
    return time.monotonic()


def _age_clock() -> Clock:
    # Linux stops CLOCK_MONOTONIC while a machine sleeps, and a key must not stay young overnight.
    # macOS counts sleep in its CLOCK_MONOTONIC, which Python's time.monotonic does not read there.
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        clock_id = getattr(time, name, None)
        if clock_id is not None:
            return partial(time.clock_gettime, clock_id)
    return monotonic_clock


age_clock: Clock = _age_clock()
"""Seconds that only grow, also while the machine is asleep: for the age of cached keys."""
