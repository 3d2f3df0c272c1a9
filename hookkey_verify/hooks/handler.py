"""Handler calls the function of a user, synchronously or not, and seals what it raises."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine
from functools import partial
from typing import Any

from ..errors import ConfigurationError, InvalidReplyError

__all__ = ["Failure", "Handler"]

_ASYNC = (
    "is asynchronous, but this adapter calls it synchronously: use serve of hookkey_verify.asgi, "
    "fastapi or starlette"
)


class Failure:
    """The result of a handler that raised an exception.

    ``text``: what happened, without anything that the exception contains.
    ``error``: the exception, if the handler tried to build an invalid reply; None otherwise.
    """

    __slots__ = ("error", "text")

    def __init__(self, text: str, error: InvalidReplyError | None = None) -> None:
        self.text = text
        self.error = error

    @classmethod
    def of(cls, error: BaseException) -> Failure:
        """Return the failure for an exception."""
        if isinstance(error, InvalidReplyError):
            return cls("", error)
        place = _place(error)
        return cls(f"raised {type(error).__name__}{place and f' at {place}'}")


class Handler:
    """A function that takes a hook and returns a reply.

    ``name``: its name, for logs.
    ``is_async``: whether it is a coroutine function.
    """

    __slots__ = ("_function", "is_async", "name")

    def __init__(self, function: Any) -> None:
        """``function``: the function. Raises ``ConfigurationError`` if it cannot be called so."""
        import inspect  # noqa: PLC0415 - 4 ms, which importing this module must not take

        self.name = str(getattr(function, "__name__", type(function).__name__))
        try:
            inspect.signature(function).bind(None)
        except ValueError:
            pass  # a function written in C does not tell its parameters
        except TypeError:
            raise ConfigurationError(
                f"the handler {self.name} must be a function that takes one argument, the hook"
            ) from None
        self._function = function
        while isinstance(function, partial):
            function = function.func
        # An object with an async __call__ is not a coroutine function itself.
        called = getattr(function, "__call__", None)  # noqa: B004
        self.is_async = any(map(inspect.iscoroutinefunction, (function, called)))

    def call(self, hook: object) -> object:
        """Return what the function returns, or a ``Failure`` if it raises."""
        if self.is_async:
            return Failure(_ASYNC)
        reply = self._sealed(hook)
        try:
            if not isinstance(reply, Awaitable):
                return reply
            if isinstance(reply, Coroutine):
                reply.close()  # otherwise Python warns that it was never awaited
        except Exception as error:  # of an object whose class cannot be read
            return Failure.of(error)
        return Failure(_ASYNC)

    async def acall(self, hook: object, seconds: float) -> object:
        """Do the same without blocking the event loop; a synchronous function runs in a thread.

        ``seconds``: after which the call is cancelled or, in a thread, abandoned.

        Raises ``TimeoutError`` then.
        """
        from .._runtime.event_loop import await_within, running_loop  # noqa: PLC0415 - asyncio

        try:
            running_loop()
        except ConfigurationError as error:
            return Failure(f"was not called: {error.detail}")
        return await await_within(seconds, self._acall(hook))

    async def _acall(self, hook: object) -> object:
        import asyncio  # noqa: PLC0415 - 20 ms, which only asynchronous adapters need

        try:
            if self.is_async:
                return await self._function(hook)
            reply = await asyncio.to_thread(self._sealed, hook)
            return await reply if isinstance(reply, Awaitable) else reply
        except (Exception, asyncio.CancelledError) as error:  # the latter by the handler itself
            return Failure.of(error)

    def _sealed(self, hook: object) -> Any:
        """Return what the function returns, or a ``Failure`` if it raises.

        An event loop could not pass on a ``StopIteration`` of a thread.
        """
        try:
            return self._function(hook)
        except (SystemExit, KeyboardInterrupt, GeneratorExit):
            raise
        except BaseException as error:  # also asyncio.CancelledError of the function's own loop
            return Failure.of(error)


def _place(error: BaseException) -> str:
    """Return the last line in the handler's file that the exception passed, or an empty string."""
    at = error.__traceback__
    while at is not None and at.tb_frame.f_code.co_filename == _THIS_FILE:
        at = at.tb_next
    if at is None:
        return ""
    file, line = at.tb_frame.f_code.co_filename, at.tb_lineno
    while (at := at.tb_next) is not None:
        if at.tb_frame.f_code.co_filename == file:
            line = at.tb_lineno
    name = file.replace("\\", "/").rpartition("/")[2]
    return f"{name}:{line}"


_THIS_FILE = _place.__code__.co_filename
