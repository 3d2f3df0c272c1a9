"""A uvicorn server in a thread that stops immediately and can break connections.

uvicorn has no documented way to do either. Its loop checks ``should_exit`` every 0.1 s and then
waits another 0.1 s, which would delay every test with an emulator.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import threading
from contextlib import suppress
from typing import Any, Final

import uvicorn

from .broken_response import EXTENSION

__all__ = ["ThreadServer"]

LAST_ANSWERS: Final = 1.0
"""Seconds that a stopping server waits for pending responses."""


class ThreadServer(uvicorn.Server):
    """A uvicorn server for a thread, which sets ``ready`` when it is listening."""

    def __init__(self, ready: threading.Event, app: Any) -> None:
        async def connected(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                scope.setdefault("extensions", {})[EXTENSION] = _Connection(self, scope["client"])
            await app(scope, receive, send)

        super().__init__(
            uvicorn.Config(
                connected,
                http="h11",
                log_config=None,
                access_log=False,
                lifespan="off",
                server_header=False,
                date_header=False,
                proxy_headers=False,
            )
        )
        self._ready = ready
        self._told = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, then set ``ready``."""
        self._loop = asyncio.get_running_loop()
        await super().startup(sockets)
        self._ready.set()

    def end(self) -> None:
        """Stop immediately."""
        self.should_exit = True
        self._loop.call_soon_threadsafe(self._told.set)

    async def main_loop(self) -> None:
        """Wait for ``end``."""
        counter = 0
        while not await self.on_tick(counter):
            counter += 1
            with suppress(TimeoutError):
                await asyncio.wait_for(self._told.wait(), 0.1)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Close all connections, those with a pending response after a short wait."""
        for server in self.servers:
            server.close()
        for listener in sockets or []:
            listener.close()
        state = self.server_state
        for connection in list(state.connections):
            connection.shutdown()
        until = self._loop.time() + LAST_ANSWERS
        while (state.connections or state.tasks) and self._loop.time() < until:
            await asyncio.sleep(0.002)
        for connection in list(state.connections):
            connection.transport.abort()
        for task in list(state.tasks):
            task.cancel()
        await asyncio.sleep(0)


class _Connection:
    """The connection of a client, to which uvicorn gives applications no access."""

    def __init__(self, server: uvicorn.Server, client: Any) -> None:
        self._server = server
        self._client = tuple(client)

    def close(self) -> None:
        for transport in self._transports():
            transport.close()

    def reset(self) -> None:
        for transport in self._transports():
            peer = transport.get_extra_info("socket")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()

    def _transports(self) -> list[Any]:
        connections: set[Any] = self._server.server_state.connections
        return [each.transport for each in connections if each.client == self._client]
