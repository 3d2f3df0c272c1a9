"""Calls that are abandoned when they take too long."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeAlias, TypeVar

from .forking import PerProcess

__all__ = ["call_within", "in_thread"]

P = ParamSpec("P")
T = TypeVar("T")

IDLE = 8
"""The number of idle threads that are kept for later calls, because starting one is slow."""

_Inbox: TypeAlias = "SimpleQueue[Callable[[], object]]"
_idle: PerProcess[deque[_Inbox]] = PerProcess(deque)


def call_within(
    seconds: float, function: Callable[P, T], /, *arguments: P.args, **options: P.kwargs
) -> T:
    """Return what a function returns, or raise what it raises.

    It runs in another thread, because the timeout of a network client may start again with each
    byte, and none covers the resolution of a host name.

    ``seconds``: after which the call is abandoned and ``TimeoutError`` is raised. With 0 or less,
        the function is not called.
    ``function``, ``arguments``, ``options``: the call.
    """
    if seconds <= 0:
        raise TimeoutError
    return in_thread(function, *arguments, **options).result(seconds)


def in_thread(function: Callable[P, T], /, *arguments: P.args, **options: P.kwargs) -> Future[T]:
    """Call a function in a thread that never waits for another call, and return its future.

    Cancelling the future has no effect on the call.
    """
    done: Future[T] = Future()
    done.set_running_or_notify_cancel()

    def call() -> None:
        try:
            done.set_result(function(*arguments, **options))
        except BaseException as error:
            done.set_exception(error)

    try:
        inbox = _idle().pop()
    except IndexError:
        inbox = SimpleQueue()
        threading.Thread(target=_serve, args=(inbox,), name="hookkey-store", daemon=True).start()
    inbox.put(call)
    return done


def _serve(inbox: _Inbox) -> None:
    idle: deque[Any] = _idle()
    while True:
        inbox.get()()
        if len(idle) >= IDLE:
            return
        idle.append(inbox)
