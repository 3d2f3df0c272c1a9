"""Backoff and jitter: how long to pause after failures. Pure."""

from __future__ import annotations

from random import SystemRandom

__all__ = ["Backoff", "jitter"]

_random = SystemRandom()


def jitter(least: float, most: float) -> float:
    """Return a random number from ``least`` to ``most``. Forked processes get different ones."""
    return _random.uniform(least, most)


class Backoff:
    """The pause after the n-th failure in a row: it doubles, minus a random part of up to half."""

    __slots__ = ("_first", "_most")

    def __init__(self, first: float, most: float) -> None:
        """``first``, ``most``: the longest first pause and the longest pause, in seconds."""
        self._first = first
        self._most = most

    def after(self, failures: int) -> float:
        """Return the pause in seconds. ``failures``: the number of failures in a row, from 1."""
        longest = min(self._most, self._first * 2.0 ** min(failures - 1, 64))
        return jitter(longest / 2, longest)
