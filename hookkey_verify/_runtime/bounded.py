"""Calls that are abandoned when they take too long."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import ParamSpec, TypeVar

__all__ = ["call_within"]

P = ParamSpec("P")
T = TypeVar("T")


def call_within(
    seconds: float, function: Callable[P, T], /, *arguments: P.args, **options: P.kwargs
) -> T:
    """Return what a function returns, or raise what it raises.

    It runs in a thread of its own, because the timeout of a network client may start again with
    each byte, and none covers the resolution of a host name.

    ``seconds``: after which the thread is abandoned and ``TimeoutError`` is raised. With none left,
        the function is not called.
    ``function``, ``arguments``, ``options``: the call.
    """
    if seconds <= 0:
        raise TimeoutError
    done: Future[T] = Future()

    def call() -> None:
        try:
            done.set_result(function(*arguments, **options))
        except BaseException as error:
            done.set_exception(error)

    threading.Thread(target=call, name="hookkey-store", daemon=True).start()
    return done.result(seconds)
