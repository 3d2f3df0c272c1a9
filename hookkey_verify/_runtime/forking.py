"""Replaces locks, threads and sockets in forked child processes.

A fork copies locks in their current state, copies no threads, and shares open connections.
"""

from __future__ import annotations

import os
import random  # noqa: F401 - imported first, so that a child reseeds it before _renew_all
from typing import Protocol
from weakref import WeakSet

__all__ = ["Renewable", "renew_after_fork"]


class Renewable(Protocol):
    """An object with state that parent and child must not share."""

    def renew(self) -> None:
        """Replace that state. Called in the child, where no other thread is running."""
        ...


_things: WeakSet[Renewable] = WeakSet()


def renew_after_fork(thing: Renewable) -> None:
    """Call ``thing.renew()`` in every forked child process while ``thing`` exists."""
    _things.add(thing)


def _renew_all() -> None:
    for thing in list(_things):
        thing.renew()


if hasattr(os, "register_at_fork"):  # not on Windows, where nothing forks
    os.register_at_fork(after_in_child=_renew_all)
