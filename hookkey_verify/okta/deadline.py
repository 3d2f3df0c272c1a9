"""A deadline for a complete HTTP exchange.

Socket timeouts apply to each read, so a server that sends slowly can prolong an exchange without
limit. ``Watch`` shuts the socket down at the deadline.
"""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from typing import Any, TypeVar

from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.poolmanager import PoolManager

__all__ = ["Watch", "watched"]

_Manager = TypeVar("_Manager", bound=PoolManager)

_current = threading.local()


class Watch:
    """Ends this thread's exchange after ``seconds``; ``expired`` is then True."""

    def __init__(self, seconds: float) -> None:
        self.expired = False
        self.reused = False
        """Whether the request was sent on a connection that had carried another request."""
        self.sent = False
        """Whether the whole request has been sent."""
        self._lock = threading.Lock()
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._expire)
        self._timer.daemon = True  # so that it does not delay the exit of the interpreter

    def __enter__(self) -> Watch:
        self._outer = getattr(_current, "watch", None)
        _current.watch = self
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        _current.watch = self._outer

    def cover(self, connection: socket.socket | None) -> None:
        """Watch this socket, which http.client drops when the server closes the connection."""
        with self._lock:
            self._socket = connection
            if self.expired:
                self._shut()

    def _expire(self) -> None:
        with self._lock:
            self.expired = True
            self._shut()

    def _shut(self) -> None:
        if self._socket is not None:
            with suppress(OSError):  # it may already be closed
                # SSLSocket.shutdown would remove the TLS layer while another thread reads.
                socket.socket.shutdown(self._socket, socket.SHUT_RDWR)


class _Watched(HTTPConnection):
    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        watch: Watch | None = getattr(_current, "watch", None)
        if watch is not None:
            watch.cover(made)  # a proxy may be slow before there is a request
        return made

    def _tunnel(self) -> None:
        super()._tunnel()
        watch: Watch | None = getattr(_current, "watch", None)
        if watch is not None and watch.expired:
            raise TimeoutError  # http.client treats the end of a shut socket as the end of headers

    def request(self, *args: Any, **kwargs: Any) -> None:
        watch: Watch | None = getattr(_current, "watch", None)
        if watch is not None:
            watch.reused = self.sock is not None
        super().request(*args, **kwargs)

    def getresponse(self) -> Any:
        watch: Watch | None = getattr(_current, "watch", None)
        if watch is not None:
            watch.sent = True
            watch.cover(self.sock)
        return super().getresponse()


class _WatchedTls(_Watched, HTTPSConnection):
    pass


class _Pool(HTTPConnectionPool):
    ConnectionCls: Any = _Watched


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls: Any = _WatchedTls


def watched(manager: _Manager) -> _Manager:
    """Let a manager open connections that the ``Watch`` of their thread covers."""
    manager.pool_classes_by_scheme = {"http": _Pool, "https": _TlsPool}
    return manager
