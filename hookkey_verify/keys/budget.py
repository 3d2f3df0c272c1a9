"""Budget: how often something may be tried. Pure; the time is an argument."""

from __future__ import annotations

__all__ = ["Budget"]


class Budget:
    """A token bucket: ``burst`` at once, and one more every ``interval`` seconds."""

    __slots__ = ("_at", "_burst", "_interval", "_left")

    def __init__(self, burst: int, interval: float) -> None:
        self._burst = burst
        self._interval = interval
        self._left = float(burst)
        self._at: float | None = None

    def spend(self, now: float) -> float:
        """Take one and return 0, or return the seconds until there is one."""
        if self._at is not None:
            gained = max(0.0, now - self._at) / self._interval
            self._left = min(self._burst, self._left + gained)
        self._at = now
        if self._left >= 1:
            self._left -= 1
            return 0.0
        return (1 - self._left) * self._interval
