"""Breaker: when a whole source is left alone. Pure; the time is an argument."""

from __future__ import annotations

from .._runtime.backoff import Backoff
from ..errors import HookVerificationError, KeySourceConfigurationError, KeySourceThrottledError

__all__ = ["Breaker"]

LONGEST_PAUSE = 30
"""Maximum seconds that the breaker stays open after repeated 401 responses."""


class Breaker:
    """Opens when the source refuses every request, whatever the kid: after 401 or 429.

    While it is open, unknown kids are not fetched. Known keys are still refreshed, because anyone
    can send a kid that makes a source fail.
    """

    __slots__ = ("_backoff", "_refusals", "_until", "epoch", "error")

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._refusals = 0
        self._until = float("-inf")
        self.epoch = 0
        """A number that changes each time the breaker opens; a fetch notes it when it starts."""
        self.error: HookVerificationError | None = None
        """Why it was opened last; None if it was closed by a success since."""

    def open_for(self, now: float) -> float:
        """Return the seconds until the next attempt; 0 if the breaker is closed."""
        return max(0.0, self._until - now)

    def failed(self, error: HookVerificationError, now: float) -> float | None:
        """Return the seconds for which this failure opens the breaker, or None."""
        if isinstance(error, KeySourceThrottledError) and error.whole_source:
            pause = error.retry_after
        elif isinstance(error, KeySourceConfigurationError) and error.whole_source:
            self._refusals += 1
            pause = min(LONGEST_PAUSE, self._backoff.after(self._refusals))
        else:
            return None
        self.epoch += 1
        if now + pause <= self._until:  # a shorter pause does not end a longer one
            return None
        self.error, self._until = error, now + pause
        return pause

    def succeeded(self, epoch: int) -> bool:
        """Close the breaker after a success, and return whether it had been open.

        ``epoch``: that of the fetch. A fetch that started before the breaker opened proves nothing
            about the time since.
        """
        if self.error is None or epoch != self.epoch:
            return False
        self.error, self._refusals, self._until = None, 0, float("-inf")
        return True
