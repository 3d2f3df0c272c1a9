"""The org's rate limit. Pure."""

from __future__ import annotations

import threading

from .._runtime.clock import Clock

__all__ = ["RateLimit"]

WINDOW = 60


class RateLimit:
    """A limit of requests per minute in a fixed window, with Okta's headers. Thread-safe.

    https://developer.okta.com/docs/reference/rl-best-practices/
    """

    def __init__(self, limit: int, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._window = 0
        self._used = 0

    def spend(self) -> tuple[dict[str, str], bool]:
        """Count a request; return the headers and whether it is within the limit."""
        window = int(self._clock()) // WINDOW
        with self._lock:
            if window != self._window:
                self._window, self._used = window, 0
            self._used += 1
            remaining = self._limit - self._used
        headers = {
            "X-Rate-Limit-Limit": str(self._limit),
            "X-Rate-Limit-Remaining": str(max(0, remaining)),
            "X-Rate-Limit-Reset": str((window + 1) * WINDOW),
        }
        return headers, remaining >= 0
