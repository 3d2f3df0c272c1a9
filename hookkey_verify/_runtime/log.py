"""The package's logger, which is silent until the application configures logging.

It has its own module because importing logging takes 4 ms and a verification does not need it.
"""

from __future__ import annotations

import logging

from .clock import Clock, monotonic_clock

__all__ = ["RareLog", "logger"]

logger = logging.getLogger("hookkey_verify")
logger.addHandler(logging.NullHandler())


class RareLog:
    """Logs each message at most once a minute, with the number of times that it was left out."""

    INTERVAL = 60.0
    """Seconds between two logs of the same message."""

    __slots__ = ("_clock", "_logged")

    def __init__(self, clock: Clock = monotonic_clock) -> None:
        """``clock``: returns monotonic seconds."""
        self._clock = clock
        self._logged: dict[str, tuple[float, int]] = {}

    def __call__(self, level: int, message: str) -> None:
        """Log a fixed text, unless it was logged within the last minute."""
        now = self._clock()
        at, left_out = self._logged.get(message, (-self.INTERVAL, 0))
        if now - at < self.INTERVAL:
            self._logged[message] = (at, left_out + 1)
            return
        self._logged[message] = (now, 0)
        more = f" ({left_out} more times since this was last logged)" if left_out else ""
        logger.log(level, "%s%s", message, more)
