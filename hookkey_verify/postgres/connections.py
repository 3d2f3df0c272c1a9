"""Connections: those of one store, for threads and for event loops, or those of a user's pool.

A process keeps idle connections for its threads and for each event loop. Each of these groups has
at most ``MAX_CONNECTIONS``, because every connection occupies a process of the server.

psycopg has no time limit for a statement. ``Held`` shuts a connection down, which ends what waits
on it, in a thread as well as on an event loop.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import socket
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, NamedTuple

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from .._runtime.bounded import in_thread
from .._runtime.clock import monotonic_clock
from .._runtime.event_loop import PerLoop
from .._runtime.forking import PerProcess
from ..errors import ConfigurationError
from ..replay.remote import BusyError

__all__ = ["Held", "PostgresConnections"]

MAX_CONNECTIONS = 8
SHARE = 0.9
"""The share of its time that an attempt waits for a connection, so that it can tell why it ends."""
"""Connections for the threads of a process, and for each event loop."""
CONNECT_SECONDS = 2
"""Seconds after which an abandoned attempt to connect ends; libpq accepts no shorter limit."""
_NOT_OURS = ("context", "cursor_factory", "prepare_threshold", "autocommit", "row_factory")
"""Parameters of ``connect`` that the store chooses itself. Django's settings yield some."""


class _Connection(psycopg.Connection[Any]):
    def __del__(self, *_: object) -> None:
        """Close it without psycopg's warning: a forked child, for example, forgets connections."""


class _AsyncConnection(psycopg.AsyncConnection[Any]):
    def __del__(self, *_: object) -> None:
        """Close it without a warning."""


class Held:
    """The connections in use for one claim or attempt. Thread-safe."""

    __slots__ = ("_connections", "_lock", "_over")

    def __init__(self) -> None:
        self._connections: set[Any] = set()
        self._lock = threading.Lock()
        self._over = False

    @contextmanager
    def using(self, connection: Any, end: float) -> Iterator[None]:
        """Register a connection while it is used, so that ``Held.end`` can shut it down.

        ``end``: the monotonic reading from which ``TimeoutError`` is raised instead.
        """
        with self._lock:
            if self._over or monotonic_clock() >= end:
                raise TimeoutError
            self._connections.add(connection)
        try:
            yield
        finally:
            with self._lock:
                self._connections.discard(connection)

    def end(self) -> bool:
        """Shut down the connections that are in use, and return whether there are any.

        Their statements raise an error. Connections that are still being opened will not be used.
        """
        with self._lock:
            self._over = True
            for connection in self._connections:
                with suppress(OSError, psycopg.Error):
                    shared = socket.socket(fileno=connection.fileno())
                    try:
                        shared.shutdown(socket.SHUT_RDWR)
                    finally:
                        shared.detach()
            return bool(self._connections)


class _OfLoop(NamedTuple):
    idle: deque[Any]
    slots: asyncio.Semaphore


class PostgresConnections:
    """Connections from parameters, or from the pool that the user gave. Thread-safe."""

    def __init__(self, source: Any) -> None:
        """Take connection parameters or a pool.

        ``source``: a connection string or URL, a mapping of connection parameters, or a
            ``ConnectionPool`` or ``AsyncConnectionPool`` of psycopg_pool.

        Raises ``ConfigurationError`` naming the argument.
        """
        self._pool = None if isinstance(source, str | Mapping) else _checked_pool(source)
        self.is_asyncio = self._pool is not None and inspect.iscoroutinefunction(self._pool.getconn)
        self.has_asyncio = self._pool is None or self.is_asyncio
        """Whether there are connections for event loops."""
        self._parameters = _parameters(source) if self._pool is None else {}
        self._slots = PerProcess(lambda: threading.BoundedSemaphore(MAX_CONNECTIONS))
        self._idle: PerProcess[deque[Any]] = PerProcess(deque)
        self._of_loop = PerLoop(lambda: _OfLoop(deque(), asyncio.Semaphore(MAX_CONNECTIONS)))

    # --- for threads

    @contextmanager
    def connection(self, seconds: float, *, fresh: bool = False) -> Iterator[Any]:
        """Yield a connection in autocommit mode. An exception closes it.

        ``seconds``: how long to wait until a connection is free.
        ``fresh``: whether to open a new one and close idle ones. Default False.

        Raises ``BusyError``, and ``ConfigurationError`` if the user gave a pool for asyncio.
        """
        if self.is_asyncio:
            raise ConfigurationError(
                "this store has an AsyncConnectionPool; pass a ConnectionPool to use it in threads"
            )
        if self._pool is not None:
            with self._from_pool(self._pool, seconds, fresh) as connection:
                yield connection
            return
        slots, idle = self._slots(), self._idle()
        if not slots.acquire(timeout=SHARE * seconds):
            raise BusyError
        try:
            if fresh:
                _close_all(idle)
            connection = _popped(idle) or _Connection.connect(
                autocommit=True, prepare_threshold=None, **self._parameters
            )
            with _closed_after_error(connection):
                yield connection
            idle.append(connection)
        finally:
            slots.release()

    @contextmanager
    def _from_pool(self, pool: Any, seconds: float, fresh: bool) -> Iterator[Any]:
        if fresh:  # the pool does not distinguish idle from new connections
            options = {**_called(pool.kwargs), "autocommit": True}
            with pool.connection_class.connect(_called(pool.conninfo) or "", **options) as each:
                yield each
            return
        with pool.connection(timeout=seconds) as connection, _closed_after_error(connection):
            before, connection.autocommit = connection.autocommit, True
            yield connection
            connection.autocommit = before

    # --- for event loops

    @asynccontextmanager
    async def asyncio_connection(
        self, seconds: float, *, fresh: bool = False
    ) -> AsyncIterator[Any]:
        """Yield a connection for the running event loop. Arguments: as for ``connection``."""
        if self._pool is not None:
            async with self._from_asyncio_pool(self._pool, seconds, fresh) as connection:
                yield connection
            return
        of_loop = self._of_loop()
        try:
            async with asyncio.timeout(SHARE * seconds):
                await of_loop.slots.acquire()
        except TimeoutError:
            raise BusyError from None
        try:
            if fresh:
                await _aclose_all(of_loop.idle)
            connection = _popped(of_loop.idle)
            if connection is None:
                async with asyncio.timeout(CONNECT_SECONDS):
                    connection = await self._connected()
            async with _aclosed_after_error(connection):
                yield connection
            of_loop.idle.append(connection)
        finally:
            of_loop.slots.release()

    @asynccontextmanager
    async def _from_asyncio_pool(
        self, pool: Any, seconds: float, fresh: bool
    ) -> AsyncIterator[Any]:
        if fresh:
            options = {**await _acalled(pool.kwargs), "autocommit": True}
            conninfo = await _acalled(pool.conninfo) or ""
            async with await pool.connection_class.connect(conninfo, **options) as connection:
                yield connection
            return
        connections = pool.connection(timeout=seconds)
        async with connections as connection, _aclosed_after_error(connection):
            before = connection.autocommit
            await connection.set_autocommit(True)
            yield connection
            await connection.set_autocommit(before)

    async def _connected(self) -> Any:
        # psycopg would resolve host names in the event loop's default executor.
        parameters = await asyncio.wrap_future(in_thread(_resolved, self._parameters))
        return await _AsyncConnection.connect(autocommit=True, prepare_threshold=None, **parameters)

    # --- for both

    def close(self) -> None:
        """Close the idle connections of threads, unless they are those of the user's pool."""
        _close_all(self._idle())

    async def aclose(self) -> None:
        """Close the idle connections of the running event loop, and those of threads."""
        of_loop = self._of_loop.pop()
        if of_loop is not None:
            await _aclose_all(of_loop.idle)
        self.close()


# --- what the user gave


def _parameters(source: str | Mapping[str, Any]) -> dict[str, Any]:
    try:
        if isinstance(source, str):
            given: dict[str, Any] = dict(conninfo_to_dict(source))
        else:
            given = {name: source[name] for name in source if name not in _NOT_OURS}
            make_conninfo(**given)
    except (psycopg.Error, TypeError):
        raise ConfigurationError(
            "conninfo_or_pool must be a connection string, URL or mapping that libpq understands"
        ) from None  # psycopg's error repeats parts of it
    return {"connect_timeout": CONNECT_SECONDS, "application_name": "hookkey_verify", **given}


def _checked_pool(source: Any) -> Any:
    if not callable(getattr(source, "getconn", None)) or not hasattr(source, "conninfo"):
        raise ConfigurationError(
            "conninfo_or_pool must be a connection string, a URL, a mapping of connection "
            "parameters, or a ConnectionPool or AsyncConnectionPool of psycopg_pool"
        )
    return source


def _called(value: Any) -> Any:
    """Return what a pool was given: a value, a function that returns it, or nothing."""
    return (value() if callable(value) else value) or {}


async def _acalled(value: Any) -> Any:
    called = _called(value)
    return await called if inspect.isawaitable(called) else called


def _resolved(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return the parameters with the addresses of the host names.

    Raises ``OSError`` if there is no address.
    """
    hosts = str(parameters.get("host") or os.environ.get("PGHOST", "")).split(",")
    if parameters.get("hostaddr") or any(not host or host[0] in "/@" for host in hosts):
        return parameters
    ports = str(parameters.get("port") or os.environ.get("PGPORT", "") or 5432).split(",")
    found: list[tuple[str, str, str]] = []
    problem: OSError = OSError("no host")
    for number, host in enumerate(hosts):
        port = ports[min(number, len(ports) - 1)]
        try:
            answers = socket.getaddrinfo(host, int(port), type=socket.SOCK_STREAM)
        except OSError as error:
            problem = error
            continue
        found += [(host, str(answer[4][0]), port) for answer in answers]
    if not found:
        raise problem
    names = ("host", "hostaddr", "port")
    return {**parameters, **dict(zip(names, map(",".join, zip(*found, strict=True)), strict=True))}


# --- idle and failed connections


def _popped(idle: deque[Any]) -> Any:
    try:
        return idle.pop()
    except IndexError:
        return None


def _close_all(idle: deque[Any]) -> None:
    while (connection := _popped(idle)) is not None:
        connection.close()


async def _aclose_all(idle: deque[Any]) -> None:
    while (connection := _popped(idle)) is not None:
        await connection.close()


@contextmanager
def _closed_after_error(connection: Any) -> Iterator[None]:
    try:
        yield
    except BaseException:
        connection.close()
        raise


@asynccontextmanager
async def _aclosed_after_error(connection: Any) -> AsyncIterator[None]:
    try:
        yield
    except BaseException:
        await connection.close()
        raise
