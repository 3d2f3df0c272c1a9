"""What a child process must not share with its parent: locks, threads and sockets.

A fork copies a lock in whatever state it is, none of the threads, and the very same connections.
"""

from __future__ import annotations

import os
import random  # noqa: F401 - it reseeds itself in a child, and must have done so before us
from typing import Protocol
from weakref import WeakSet

__all__ = ["Renewable", "renew_after_fork"]


class Renewable(Protocol):
    """Holds something that cannot be used on both sides of a fork."""

    def renew(self) -> None:
        """Make it anew; called in the child, where no other thread exists."""
        ...


_things: WeakSet[Renewable] = WeakSet()


def renew_after_fork(thing: Renewable) -> None:
    """Have ``thing.renew()`` called in every child process for as long as the thing lives."""
    _things.add(thing)


def _renew_all() -> None:
    for thing in list(_things):
        thing.renew()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_renew_all)
