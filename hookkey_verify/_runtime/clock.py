"""Clock functions that look up the function of the ``time`` module at each call.

A default argument bound to ``time.time`` would ignore freezegun, which replaces the attribute of
the module.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial

__all__ = ["Clock", "age_clock", "monotonic_clock", "wall_clock"]

Clock = Callable[[], float]


def wall_clock() -> float:
    """Return the seconds since the epoch, for claims (RFC 7519 NumericDate)."""
    return time.time()


def monotonic_clock() -> float:
    """Return seconds that never decrease, for deadlines."""
    return time.monotonic()


def _age_clock() -> Clock:
    # Linux stops CLOCK_MONOTONIC while a machine sleeps, but a cached key must age meanwhile.
    # macOS counts sleep in its CLOCK_MONOTONIC, which Python's time.monotonic does not read there.
    for name in ("CLOCK_BOOTTIME", "CLOCK_MONOTONIC"):
        clock_id = getattr(time, name, None)
        if clock_id is not None:
            return partial(time.clock_gettime, clock_id)
    return monotonic_clock


age_clock: Clock = _age_clock()
"""Returns seconds that advance even while the machine sleeps, for the age of cached keys."""
