"""The two clocks, as functions that look the clock up at each call.

``time.time`` bound as a default argument would escape freezegun, which replaces the module's
attribute.
"""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["Clock", "monotonic_clock", "wall_clock"]

Clock = Callable[[], float]


def wall_clock() -> float:
    """Seconds since the epoch: for claims (RFC 7519 NumericDate)."""
    return time.time()


def monotonic_clock() -> float:
    """Seconds that only grow: for the age of cached keys and for deadlines."""
    return time.monotonic()
