"""Raw HTTP requests over sockets, with request targets that no HTTP client would send."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

__all__ = ["Exchange", "Line", "exchanges", "request"]

_BODY = b"{}"
_TIMEOUT = 5.0
"""Seconds to wait for a connection, or for the next data from the server."""
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)\r\n", re.IGNORECASE)
_CHUNKED = re.compile(rb"\r\ntransfer-encoding: *chunked\r\n", re.IGNORECASE)
_CLOSE = re.compile(rb"\r\nconnection: *close\r\n", re.IGNORECASE)
_BREAKS = (b"\r", b"\n")


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and all data received in response."""

    method: bytes
    target: bytes
    answer: bytes

    @property
    def status(self) -> int:
        """The status code, or 0 if the response has none."""
        found = re.match(rb"HTTP/1\.[01] (\d{3})", self.answer)
        return int(found[1]) if found else 0


def request(method: bytes, target: bytes, token: str | None = None, *, last: bool = False) -> bytes:
    """Return the bytes of one request."""
    lines = [method + b" " + target + b" HTTP/1.1", b"Host: localhost"]
    if token is not None:
        lines.append(b"Authorization: Bearer " + token.encode())
    if last:
        lines.append(b"Connection: close")
    if method == b"POST":
        lines += [b"Content-Type: application/json", b"Content-Length: %d" % len(_BODY)]
    head = b"\r\n".join([*lines, b"", b""])
    return head + _BODY if method == b"POST" else head


class Line:
    """A connection to a server, opened again after the server has closed it."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._socket: socket.socket | None = None

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def exchange(self, message: bytes, *, alone: bool = False) -> bytes:
        """Send a request and return all data received, which is empty if the server closes.

        ``alone`` uses a new connection for the request and reads until the server closes it.
        """
        if alone:
            self.close()
        reused = self._socket is not None
        answer = self._attempt(message, alone)
        if reused and not answer:  # closed since the previous response
            answer = self._attempt(message, alone)
        return answer

    def _attempt(self, message: bytes, alone: bool) -> bytes:
        if self._socket is None:
            self._socket = socket.create_connection(("127.0.0.1", self._port), timeout=_TIMEOUT)
            self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with suppress(OSError):  # the server may have responded before it closed
            self._socket.sendall(message)
        answer, ended = _received(self._socket, to_the_end=alone)
        if ended:
            self.close()
        return answer


def _received(connection: socket.socket, *, to_the_end: bool) -> tuple[bytes, bool]:
    """Return the response, and whether the connection has ended or must not be reused."""
    answer = bytearray()
    try:
        while to_the_end or not _is_whole(answer):
            part = connection.recv(2**16)
            if not part:
                return bytes(answer), True
            answer += part
    except OSError:
        return bytes(answer), True
    return bytes(answer), _CLOSE.search(answer) is not None or not answer.startswith(b"HTTP/1.1")


def _is_whole(answer: bytearray) -> bool:
    end = answer.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = bytes(answer[: end + 2])
    length = _LENGTH.search(head)
    if length:
        return len(answer) >= end + 4 + int(length[1])
    return _CHUNKED.search(head) is not None and answer.endswith(b"0\r\n\r\n")


def exchanges(port: int, targets: Sequence[bytes], workers: int = 4) -> list[Exchange]:
    """Send every target with GET and POST and without a token, over several connections."""
    with ThreadPoolExecutor(workers) as pool:
        shares = [targets[number::workers] for number in range(workers)]
        return [each for share in pool.map(lambda s: [*_sent(port, s)], shares) for each in share]


def _sent(port: int, targets: Iterable[bytes]) -> Iterator[Exchange]:
    line = Line(port)
    for target in targets:
        alone = any(each in target for each in _BREAKS)
        for method in (b"GET", b"POST"):
            message = request(method, target, last=alone)
            yield Exchange(method, target, line.exchange(message, alone=alone))
    line.close()
