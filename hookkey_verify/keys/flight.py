"""One fetch for many callers: pending fetches, and how threads and event loops wait for them.

A look-up is a generator that yields ``Wait`` and returns a value or raises. ``run`` drives it in a
thread, ``arun`` on an event loop, so that both follow one path.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Generic, NamedTuple, TypeAlias, TypeVar

from ..errors import HookVerificationError
from ..events import note_fetch

__all__ = ["Fetched", "Lookup", "Outcome", "PendingFetch", "Wait", "arun", "run"]

V = TypeVar("V")


class Fetched(NamedTuple, Generic[V]):
    """What a fetch returned.

    ``value``: the value.
    ``age``: the seconds since the source confirmed it.
    ``problem``: why a refresh failed; None if it did not.
    ``from_shared_store``: whether another worker asked the source.
    """

    value: V
    age: float = 0.0
    problem: HookVerificationError | None = None
    from_shared_store: bool = False


Outcome: TypeAlias = Fetched[V] | HookVerificationError | None
"""How a fetch ended: with a value, an error, or None: discarded, and callers look up again."""


class PendingFetch(Future[Outcome[V]]):
    """A fetch in flight, which no caller can cancel.

    It may take longer than it should, because no deadline ends the resolution of a host name.

    ``until``: when callers stop waiting for it.
    ``started``: when it started, by the clock of ages.
    ``epoch``: the breaker's epoch at the start.
    ``completed``: whether its result has been taken.
    ``overdue``: whether a caller has waited until the end.
    ``wakers``: functions to call at its end, for callers on event loops.
    """

    def __init__(self, until: float, started: float, epoch: int) -> None:
        super().__init__()
        self.until = until
        self.started = started
        self.epoch = epoch
        self.completed = self.overdue = False
        self.wakers: set[Callable[[], object]] = set()
        self.set_running_or_notify_cancel()

    def complete(self, outcome: Outcome[V]) -> None:
        """Set the result and wake all callers."""
        self.set_result(outcome)
        for wake in list(self.wakers):
            wake()


class Wait(NamedTuple):
    """What a look-up waits for, and for how many seconds at most."""

    pending: PendingFetch[Any]
    seconds: float


Lookup: TypeAlias = Generator[Wait, None, V]


def run(lookup: Lookup[V]) -> V:
    """Carry out a look-up in this thread."""
    try:
        while True:
            wait = next(lookup)
            note_fetch()
            with suppress(TimeoutError):
                wait.pending.result(wait.seconds)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


async def arun(lookup: Lookup[V]) -> V:
    """Carry out a look-up on the running event loop. Cancelling it does not cancel the fetch.

    Raises ``ConfigurationError`` under an event loop other than asyncio's.
    """
    from .._runtime.event_loop import running_loop  # noqa: PLC0415 - imports asyncio: 20 ms

    running_loop()
    try:
        while True:
            wait = next(lookup)
            note_fetch()
            await _completion(*wait)
    except StopIteration as stop:
        return stop.value  # type: ignore[no-any-return]


async def _completion(pending: PendingFetch[Any], seconds: float) -> None:
    import asyncio  # noqa: PLC0415 - 20 ms, not needed in threads

    if seconds <= 0:
        return
    loop = asyncio.get_running_loop()
    completed = asyncio.Event()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(completed.set)

    pending.wakers.add(wake)
    try:
        # Not wait_for: before Python 3.12 it can swallow the cancellation of its caller.
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if not pending.done():
                    await completed.wait()
    finally:
        pending.wakers.discard(wake)
