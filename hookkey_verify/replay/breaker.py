"""ClaimBreaker decides when claims fail without asking the store. Pure; the time is an argument."""

from __future__ import annotations

from typing import Generic, TypeVar

from .._runtime.backoff import Backoff

__all__ = ["ClaimBreaker"]

P = TypeVar("P")

TOLERATED = 1
"""Claims in a row that may fail before the breaker opens."""
PAUSES = (0.1, 1.0)
"""Seconds for which the breaker stays open: at first, and at most."""


class ClaimBreaker(Generic[P]):
    """Opens after two failures in a row, and then admits one claim at a time to test the store.

    All readings and durations are in monotonic seconds.
    """

    __slots__ = ("_backoff", "_open_until", "_opened_at", "failures", "problem")

    def __init__(self) -> None:
        self._backoff = Backoff(*PAUSES)
        self._opened_at = self._open_until = float("-inf")
        self.failures = 0
        """The number of consecutive failures."""
        self.problem: P | None = None
        """The last problem; None after a success."""

    @property
    def is_open(self) -> bool:
        """Whether the last two claims or more failed."""
        return self.failures > TOLERATED

    def open_for(self, now: float) -> float:
        """Return the seconds until the next claim may be tried; 0 if one may be tried now."""
        return max(0.0, self._open_until - now) if self.is_open else 0.0

    def probe(self, now: float, seconds: float) -> None:
        """Record that a claim is tried. An open breaker admits no other one for ``seconds``."""
        if self.is_open:
            self._open_until = now + seconds

    def failed(self, problem: P, began: float, now: float) -> float | None:
        """Count a failure, and return the seconds for which it opens the breaker, or None.

        ``began``: when the claim began. One that began before the breaker opened is not counted.
        """
        if began < self._opened_at:
            return None
        self.problem, self.failures = problem, self.failures + 1
        if not self.is_open:
            return None
        pause = self._backoff.after(self.failures - TOLERATED)
        self._opened_at, self._open_until = now, now + pause
        return pause

    def succeeded(self) -> bool:
        """Close the breaker, and return whether it was open."""
        was_open = self.is_open
        self.problem, self.failures = None, 0
        return was_open
