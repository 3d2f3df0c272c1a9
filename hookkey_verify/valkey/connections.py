"""Connections: the clients of one store, for threads and for event loops.

A process has one client for its threads and one for each event loop, because asyncio's connections
belong to the loop that opened them.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncGenerator
from contextlib import suppress
from typing import Any, NamedTuple, TypeAlias

import redis
import redis.asyncio
from redis.exceptions import RedisClusterException

from .._arguments import seconds
from .._runtime.event_loop import running_loop
from .._runtime.forking import PerProcess
from ..errors import ConfigurationError
from .address import Address

__all__ = ["Connections", "node_of", "prefix_of"]


_SYNC = (redis.Redis, redis.RedisCluster)
_ASYNC = (redis.asyncio.Redis, redis.asyncio.RedisCluster)


class _OfLoop(NamedTuple):
    """The client of one event loop, and the generator that closes it."""

    client: Any
    lifetime: AsyncGenerator[None, None]


_Key: TypeAlias = tuple[int, asyncio.AbstractEventLoop]
"""A process id and an event loop."""


class Connections:
    """Clients for one URL, or the client that the user gave. Thread-safe; connects on first use."""

    def __init__(
        self,
        url: str | None,
        client: Any,
        *,
        cluster: bool,
        timeout: float,
        options: dict[str, Any],
    ) -> None:
        """Take a URL or a client.

        ``url``, ``cluster``, ``options``: as for ``Address``; not with a client.
        ``client``: a ``Redis`` or ``RedisCluster`` of redis-py or of its asyncio module, or None.
        ``timeout``: the time limit of each step on a connection, 0.01 to 10 seconds.

        Raises ``ConfigurationError`` naming the argument.
        """
        seconds("timeout", timeout, 0.01, 10)
        self.is_asyncio = isinstance(client, _ASYNC)
        if client is None:
            if url is None:
                raise ConfigurationError("pass url, or a client of redis-py as client")
            address = Address(url, cluster=cluster, timeout=timeout, options=options)
            self._make, self._make_asyncio = address.client, address.asyncio_client
        elif url is not None or cluster or options:
            raise ConfigurationError("a client already has its url and options: pass only client")
        elif isinstance(client, (*_SYNC, *_ASYNC)):
            self._make = self._make_asyncio = lambda: client
        else:
            raise ConfigurationError(
                "client must be a Redis or RedisCluster of redis or redis.asyncio"
            )
        self._owned = client is None
        self.has_asyncio = client is None or self.is_asyncio
        """Whether there are clients for event loops."""
        self._client: PerProcess[Any] = PerProcess(self._make)
        self._making = PerProcess(threading.Lock)
        # A forked child keeps its parent's clients: garbage collection would close the connections.
        self._loops: dict[_Key, _OfLoop] = {}

    def client(self, *, fresh: bool = False) -> Any:
        """Return the client for threads, which connects on first use.

        ``fresh``: whether to close idle connections first. Default False.

        Raises ``ConfigurationError`` if the user gave a client for asyncio.
        """
        if self.is_asyncio:
            raise ConfigurationError(
                "this store has a client of redis.asyncio; pass one of redis to use it in threads"
            )
        client = self._client.made()
        if client is None:
            with self._making():  # a Cluster's client connects when it is created
                client = self._client()
        if fresh:
            for pool in _pools(client):
                pool.disconnect(inuse_connections=False)
        return client

    async def asyncio_client(self, *, fresh: bool = False) -> Any:
        """Return the client for the running event loop. ``fresh``: as for ``client``."""
        key, loops = (os.getpid(), running_loop()), self._loops
        of_loop = loops.get(key)
        if of_loop is None:
            for pid, loop in list(loops):
                if pid == key[0] and loop.is_closed():
                    loops.pop((pid, loop), None)
            lifetime = self._lifetime(key)
            of_loop = loops[key] = _OfLoop(self._make_asyncio(), lifetime)
            await anext(lifetime)
        client = of_loop.client
        await client.initialize()
        if fresh:
            await _close_idle(client)
        return client

    def node(self, name: str) -> str:
        """Return the name of the Cluster node for a record, as ``node_of`` does."""
        client = self._client.made()
        if client is None:
            of_loops = list(self._loops.values())
            client = of_loops[-1].client if of_loops else None
        return node_of(client, name)

    def close(self) -> None:
        """Close the connections of threads, unless they are those of the user's client."""
        client = self._client.made()
        if self._owned and client is not None:
            for each in (*_sentinels(client), client):
                each.close()

    async def aclose(self) -> None:
        """Close the connections of the running event loop, and those of threads."""
        of_loop = self._loops.get((os.getpid(), running_loop()))
        if of_loop is not None:
            await of_loop.lifetime.aclose()
        self.close()

    async def _lifetime(self, key: _Key) -> AsyncGenerator[None, None]:
        """Close the client of an event loop when this generator is closed.

        A loop closes all started generators before it ends, for example in ``asyncio.run``, so no
        connection outlives its loop.
        """
        try:
            yield
        finally:
            of_loop = self._loops.pop(key, None)
            if self._owned and of_loop is not None:
                for each in (*_sentinels(of_loop.client), of_loop.client):
                    await each.aclose()


def node_of(client: Any, name: str) -> str:
    """Return the name of the Cluster node for a record; "" without a Cluster, or if unknown."""
    if isinstance(client, redis.RedisCluster | redis.asyncio.RedisCluster):
        with suppress(RedisClusterException):
            return str(getattr(client.get_node_from_key(name), "name", ""))
    return ""


def _pools(client: Any) -> list[Any]:
    if isinstance(client, redis.RedisCluster):
        nodes = [node.redis_connection for node in client.get_nodes()]  # type: ignore[no-untyped-call]
        return [node.connection_pool for node in nodes if node is not None]
    return [client.connection_pool]


def _sentinels(client: Any) -> list[Any]:
    """Return the Sentinel clients that look up the primary for a client."""
    manager = getattr(getattr(client, "connection_pool", None), "sentinel_manager", None)
    return [] if manager is None else list(manager.sentinels)


async def _close_idle(client: Any) -> None:
    # Without private attributes, another task could take a connection that is being closed. A
    # marked connection is closed when a claim takes it.
    if isinstance(client, redis.asyncio.RedisCluster):
        for node in client.get_nodes():
            for connection in node._free:
                connection.mark_for_reconnect()  # type: ignore[no-untyped-call]
        return
    available = client.connection_pool._available_connections
    while available:
        await available.pop().disconnect(nowait=True)


def prefix_of(value: str) -> str:
    """Return the argument ``prefix`` after checking it. Raises ``ConfigurationError``."""
    if not isinstance(value, str) or not value.isascii() or not value.isprintable():
        raise ConfigurationError("prefix must be printable ASCII")
    return value
