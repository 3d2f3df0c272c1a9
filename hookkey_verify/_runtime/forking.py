"""PerProcess: locks, connections and threads that a forked child must not share with its parent.

A fork copies locks in their current state, copies no threads, and shares open connections. Process
ids are compared at each use, because a server that forks in C, such as uWSGI, may not run Python's
at-fork handlers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["PerProcess"]

T = TypeVar("T")


class PerProcess(Generic[T]):
    """A value that each process makes for itself when it first needs it. Thread-safe."""

    __slots__ = ("_make", "_values")

    def __init__(self, make: Callable[[], T]) -> None:
        """``make``: a function that returns a new value. It may run in two threads at once."""
        self._make = make
        self._values: dict[int, T] = {}

    def __call__(self) -> T:
        """Return this process's value. All threads get the same one."""
        pid = os.getpid()
        try:
            return self._values[pid]
        except KeyError:
            # setdefault is atomic: of two values made at once, all threads use one.
            value = self._values.setdefault(pid, self._make())
            for other in [each for each in list(self._values) if each != pid]:
                self._values.pop(other, None)
            return value

    def made(self) -> T | None:
        """Return this process's value, or None if it has not been made."""
        return self._values.get(os.getpid())
