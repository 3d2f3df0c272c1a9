"""Values for each asyncio event loop, and tasks that are abandoned when they take too long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Generic, TypeVar

from ..errors import ConfigurationError

__all__ = ["PerLoop", "await_within", "running_loop"]

T = TypeVar("T")

_abandoned: set[asyncio.Task[Any]] = set()
"""Tasks that must not be garbage collected before they end."""


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the running loop. Raises ``ConfigurationError`` under another one, such as trio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "this needs asyncio as the event loop; under another one, such as trio, call the "
            "synchronous method in a thread"
        ) from None


class PerLoop(Generic[T]):
    """A value that each event loop makes for itself when it first needs it."""

    __slots__ = ("_make", "_values")

    def __init__(self, make: Callable[[], T]) -> None:
        """``make``: a function that returns a new value."""
        self._make = make
        self._values: dict[asyncio.AbstractEventLoop, T] = {}

    def __call__(self) -> T:
        """Return the value of the running loop. Values of closed loops are dropped."""
        loop = running_loop()
        try:
            return self._values[loop]
        except KeyError:
            for each in list(self._values):
                if each.is_closed():
                    self._values.pop(each, None)
            return self._values.setdefault(loop, self._make())

    def pop(self) -> T | None:
        """Forget the value of the running loop, and return it; None if there is none."""
        return self._values.pop(running_loop(), None)


async def await_within(seconds: float, coroutine: Coroutine[Any, Any, T]) -> T:
    """Return what a coroutine returns, or raise what it raises.

    It runs as a task of its own, because a coroutine can delay its cancellation or even swallow it,
    as ``asyncio.wait_for`` does before Python 3.12.

    ``seconds``: after which the task is cancelled and abandoned, and ``TimeoutError`` is raised.
    ``coroutine``: the coroutine.
    """
    task = asyncio.create_task(coroutine)
    try:
        await asyncio.wait({task}, timeout=seconds)
        if not task.done():
            raise TimeoutError
        return task.result()
    finally:
        if task.done():
            _forget(task)
        else:
            _abandoned.add(task)
            task.add_done_callback(_forget)
            task.cancel()


def _forget(task: asyncio.Task[Any]) -> None:
    _abandoned.discard(task)
    if not task.cancelled():
        task.exception()  # otherwise asyncio logs that it was never retrieved
