"""Undoing: deletes what refused claims may have recorded, so that their tokens can be sent again.

A claim whose answer was late or lost may have been recorded. Its record carries the claim's nonce,
so it can be deleted without touching that of another claim.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable

from .._runtime.bounded import in_thread
from .._runtime.clock import Clock, monotonic_clock
from .._runtime.forking import PerProcess

__all__ = ["Undoing"]

PENDING = 1000
"""Claims that can wait to be undone; the oldest are dropped."""
PATIENCE = 5.0
"""Seconds without a success after which all pending claims are dropped."""
PAUSE = 0.1
"""Seconds between two attempts."""


class Undoing:
    """Calls functions one after another in a background thread that ends when all are done."""

    def __init__(
        self, clock: Clock = monotonic_clock, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        """``clock``: returns monotonic seconds. ``sleep``: waits for some seconds."""
        self._clock = clock
        self._sleep = sleep
        self._pending: PerProcess[deque[Callable[[], object]]] = PerProcess(
            lambda: deque(maxlen=PENDING)
        )
        self._running = PerProcess(threading.Lock)

    def add(self, undo: Callable[[], object]) -> None:
        """Call a function in the background, and repeat the call while it raises an exception."""
        self._pending().append(undo)
        if not self._running().locked():
            in_thread(self._run)

    def _run(self) -> None:
        pending, running = self._pending(), self._running()
        while pending and running.acquire(blocking=False):
            try:
                self._drain(pending)
            finally:
                running.release()  # the loop looks again: more may have been added

    def _drain(self, pending: deque[Callable[[], object]]) -> None:
        last_success = self._clock()
        while pending:
            undo = pending[0]
            try:
                undo()
            except Exception:
                if self._clock() - last_success > PATIENCE:
                    pending.clear()
                    return
                self._sleep(PAUSE)
            else:
                last_success = self._clock()
                if pending and pending[0] is undo:  # otherwise it was dropped
                    pending.popleft()
