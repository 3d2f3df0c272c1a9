"""Web servers that the tests and benchmarks start."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
import waitress

__all__ = ["asgi_server", "free_port", "wsgi_server"]


def free_port() -> int:
    """Return a port that the operating system reports as free."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def wsgi_server(app: Any) -> Iterator[int]:
    """Serve the application with waitress in a thread, and yield the port."""
    server = waitress.create_server(app, host="127.0.0.1", port=0, threads=4)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield server.effective_port
    finally:
        # The loop ends when its map is empty. Closing a socket earlier would break its select().
        open_ = list(server._map.values())
        server.trigger.pull_trigger(server._map.clear)
        thread.join(10)
        server.task_dispatcher.shutdown()
        for each in (*open_, server):
            each.close()


class _Uvicorn(uvicorn.Server):
    def install_signal_handlers(self) -> None:
        """Leave the signals to pytest."""


@contextmanager
def asgi_server(app: Any) -> Iterator[int]:
    """Serve the application with uvicorn in a thread, and yield the port."""
    # asyncio sets TCP_NODELAY only if proto is IPPROTO_TCP; without it small responses wait 40 ms.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen()
    config = uvicorn.Config(app, log_level="critical", h11_max_incomplete_event_size=2**17)
    server = _Uvicorn(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1]
    finally:
        server.should_exit = True
        thread.join(10)
