"""A TCP proxy that misbehaves like a firewall, a load balancer or a bad network."""

from __future__ import annotations

import selectors
import socket
import socketserver
import ssl
import threading
import time
from contextlib import suppress
from typing import Any, Self

__all__ = ["FaultyProxy"]


class FaultyProxy(socketserver.ThreadingTCPServer):
    """Forward connections from a free port of 127.0.0.1 inside a ``with`` block.

    A chunk is what one ``recv()`` returns. With small requests and responses, a chunk from the
    server is one response, or the responses to one pipeline. A connection that lost a chunk never
    forwards again, in either direction, because its stream is broken.

    ``target_port``: the port of the server on 127.0.0.1.
    ``tls``: accept TLS with this context and forward plain TCP; default: accept plain TCP.

    Tests may set these attributes at any time, also while connections are open:

    ``drop_idle_after``: seconds, or None (default). A connection that was idle for at least so long
    goes silent at the next chunk, without FIN or RST, like behind a firewall that forgot it.
    ``close_idle_after``: the same, but the next chunk is lost and the connection is closed.
    ``blackhole``: discard every chunk and FIN of every connection; new connections are accepted.
    ``delay``: seconds to wait before each chunk is forwarded; default 0.

    ``accepted`` is the number of connections accepted so far.
    """

    request_queue_size = 128

    def __init__(self, target_port: int, *, tls: ssl.SSLContext | None = None) -> None:
        super().__init__(("127.0.0.1", 0), socketserver.BaseRequestHandler)
        self.port = int(self.server_address[1])
        self.target_port = target_port
        self.drop_idle_after: float | None = None
        self.close_idle_after: float | None = None
        self.blackhole = False
        self.delay = 0.0
        self.accepted = 0
        self._tls = tls
        self._lock = threading.Lock()
        self._to_swallow = 0
        self._close_after_swallowing = True
        # Every connection waits for this socket too. It becomes readable when the test ends.
        self._stopping, self._stop = socket.socketpair()

    def swallow_next_answers(self, n: int = 1, *, close: bool = True) -> None:
        """Discard the next ``n`` chunks that the server sends.

        The connection of a discarded chunk is closed. It stays open and silent if ``close`` is
        false. Responses to the handshake of a new connection count too.
        """
        with self._lock:
            self._to_swallow, self._close_after_swallowing = n, close

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.shutdown(socket.SHUT_RDWR)
        self._stop.close()
        self.shutdown()
        self.server_close()
        self._thread.join()
        self._stopping.close()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Count the connection and start its thread."""
        self.accepted += 1
        super().process_request(request, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection in its own thread."""
        request.settimeout(5)
        with suppress(OSError):
            if self.blackhole:
                self._discard(request)
                return
            client = self._tls.wrap_socket(request, server_side=True) if self._tls else request
            address = ("127.0.0.1", self.target_port)
            with client, socket.create_connection(address, timeout=5) as server:
                for each in (client, server):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._forward(client, server)

    def _forward(self, client: socket.socket, server: socket.socket) -> None:
        used = time.monotonic()
        with self._selector(client, server) as selector:
            while True:
                sources = [key.fileobj for key, _ in selector.select()]
                if self._stopping in sources:
                    return
                source, other = (client, server) if client in sources else (server, client)
                data = _received(source)
                idle, used = time.monotonic() - used, time.monotonic()
                swallowed = source is server and bool(data) and self._swallows()
                if (
                    self.blackhole
                    or _reached(idle, self.drop_idle_after)
                    or (swallowed and not self._close_after_swallowing)
                ):
                    self._discard(client, server)
                    return
                if not data or swallowed or _reached(idle, self.close_idle_after):
                    return
                time.sleep(self.delay)
                other.sendall(data)

    def _discard(self, *connections: socket.socket) -> None:
        """Receive and discard until the test ends; a FIN is not passed on."""
        with self._selector(*connections) as selector:
            while True:
                for key, _ in selector.select():
                    if key.fileobj is self._stopping:
                        return
                    assert isinstance(key.fileobj, socket.socket)
                    if not _received(key.fileobj):
                        selector.unregister(key.fileobj)

    def _swallows(self) -> bool:
        with self._lock:
            swallows = self._to_swallow > 0
            self._to_swallow -= swallows
            return swallows

    def _selector(self, *connections: socket.socket) -> selectors.BaseSelector:
        selector = selectors.DefaultSelector()
        for each in (self._stopping, *connections):
            selector.register(each, selectors.EVENT_READ)
        return selector


def _received(connection: socket.socket) -> bytes:
    """Return the next chunk, or nothing if the connection was closed or reset."""
    try:
        return connection.recv(65_536)
    except OSError:
        return b""


def _reached(idle: float, limit: float | None) -> bool:
    return limit is not None and idle >= limit
