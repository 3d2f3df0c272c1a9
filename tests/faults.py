"""An HTTP server that misbehaves on purpose, and helpers shared by the fault tests.

A behaviour is a function that takes one connection whose request has been read. Each connection
carries one request. Behaviours are served in order; the last one repeats.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import socketserver
import ssl
import struct
import threading
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self

MARK = "only-in-the-body"
"""Present in every fault's body, so that a test can check that no error repeats it."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One connection, as a behaviour sees it."""

    connection: socket.socket
    stopping: threading.Event

    def send(self, data: bytes) -> None:
        self.connection.sendall(data)

    def wait(self, seconds: float) -> None:
        """Wait, but no longer than until the test ends."""
        self.stopping.wait(seconds)

    def reset(self) -> None:
        """Close with RST instead of FIN."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.connection.close()


Behaviour = Callable[[Peer], None]


@dataclass(frozen=True, slots=True)
class Request:
    """A received request. Header names are in lower case."""

    line: str
    headers: dict[str, str]
    body: bytes


class FaultServer:
    """Serve behaviours on a free port of 127.0.0.1 inside a ``with`` block."""

    def __init__(self, *script: Behaviour, tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[Request] = []
        self._script = script
        self._tls = tls
        self._lock = threading.Lock()
        self._stopping = threading.Event()

    def __enter__(self) -> Self:
        serve, tls = self._serve, self._tls

        class Handler(socketserver.BaseRequestHandler):
            def handle(self) -> None:
                with suppress(OSError):
                    serve(self.request)

        class Server(socketserver.ThreadingTCPServer):
            def get_request(self) -> tuple[socket.socket, Any]:
                connection, address = super().get_request()
                connection.settimeout(5)
                if tls is not None:
                    connection = tls.wrap_socket(
                        connection, server_side=True, do_handshake_on_connect=False
                    )
                return connection, address

        self._server = Server(("127.0.0.1", 0), Handler)
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _serve(self, connection: socket.socket) -> None:
        data = b""
        while b"\r\n\r\n" not in data:
            data += _received(connection)
        head, _, body = data.partition(b"\r\n\r\n")
        line, *fields = head.decode("latin-1").split("\r\n")
        headers = {name.lower(): value for name, _, value in (f.partition(": ") for f in fields)}
        while len(body) < int(headers.get("content-length", "0")):
            body += _received(connection)
        with self._lock:
            behaviour = self._script[min(len(self.requests), len(self._script) - 1)]
            self.requests.append(Request(line, headers, body))
        behaviour(Peer(connection, self._stopping))


def _received(connection: socket.socket) -> bytes:
    data = connection.recv(65_536)
    if not data:
        raise ConnectionResetError
    return data


def answer(status: int, body: bytes = b"", *headers: str, length: int | None = None) -> Behaviour:
    """Send a complete response.

    ``headers`` are header lines; ``length`` overrides the Content-Length value. The content type is
    JSON unless a header says otherwise.
    """
    length = len(body) if length is None else length
    if not any(line.lower().startswith("content-type:") for line in headers):
        headers = ("Content-Type: application/json", *headers)
    lines = [f"HTTP/1.1 {status} -", f"Content-Length: {length}", "Connection: close", *headers]
    data = "\r\n".join([*lines, "", ""]).encode("latin-1") + body
    return lambda peer: peer.send(data)


def json_answer(status: int, document: object, *headers: str) -> Behaviour:
    """Respond with a JSON document."""
    return answer(status, json.dumps(document).encode(), *headers)


def okta_error(code: str) -> dict[str, Any]:
    """Return an error object as Okta sends it."""
    return {
        "errorCode": code,
        "errorSummary": f"summary, {MARK}",
        "errorLink": code,
        "errorId": "oaeFault",
        "errorCauses": [{"errorSummary": f"cause, {MARK}"}],
    }


def redirect(status: int, location: str) -> Behaviour:
    return answer(status, MARK.encode(), f"Location: {location}")


def after(seconds: float, behaviour: Behaviour) -> Behaviour:
    """Wait for ``seconds``, then run the behaviour."""

    def delayed(peer: Peer) -> None:
        peer.wait(seconds)
        behaviour(peer)

    return delayed


class Gate:
    """A behaviour that answers only after an event loop has opened the gate.

    If the call that caused the request blocks that event loop, no answer is sent.
    """

    def __init__(self, behaviour: Behaviour) -> None:
        self._behaviour = behaviour
        self._asked, self._open = threading.Event(), threading.Event()

    def __call__(self, peer: Peer) -> None:
        self._asked.set()
        if self._open.wait(30):
            self._behaviour(peer)

    async def open_when_asked(self) -> None:
        """Wait for the first request, then let every request be answered."""
        while not self._asked.is_set():
            await asyncio.sleep(0.005)
        self._open.set()


def silence(peer: Peer) -> None:
    """Send nothing and keep the connection open."""
    peer.wait(30)


def hang_up(peer: Peer) -> None:
    """Close the connection without sending anything."""


def headers_then_reset(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
    peer.reset()


def chunks_without_end(peer: Peer) -> None:
    """Send a chunked body until the client disconnects."""
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while not peer.stopping.is_set():
        peer.send(b"400\r\n" + MARK.encode().ljust(1024) + b"\r\n")


def truncated_chunks(peer: Peer) -> None:
    peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{}")


def drip(head: bytes, body: bytes, *, every: float, then: Behaviour = silence) -> Behaviour:
    """Send ``head`` at once, then one byte every ``every`` seconds, then run ``then``."""

    def dripping(peer: Peer) -> None:
        peer.send(head)
        for byte in body:
            peer.wait(every)
            peer.send(bytes([byte]))
        then(peer)

    return dripping


HTML = f"<html><title>Sign in</title>{MARK}</html>".encode()
DOCUMENT = json.dumps({"note": MARK}).encode()
GZIPPED = gzip.compress(DOCUMENT)


class ManualClock:
    """A clock that moves only when a test sets ``now``."""

    def __init__(self, now: float = 1_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def whole_chain(error: BaseException) -> Iterator[BaseException]:
    """Yield the error and every error linked to it as cause or context."""
    yield error
    for linked in (error.__cause__, error.__context__):
        if linked is not None:
            yield from whole_chain(linked)


def all_text(error: BaseException) -> str:
    """Return everything a log could print about the error: chain, arguments, notes, attributes."""
    texts = traceback.format_exception(error)
    for each in whole_chain(error):
        members: Mapping[str, object] = vars(each)
        texts += [str(each), repr(each), repr(each.args), repr(members)]
    return "\n".join(texts)


def eventually(holds: Callable[[], bool], seconds: float = 5) -> bool:
    """Wait until ``holds()`` is true, for effects of another thread such as a fetch's events."""
    until = time.monotonic() + seconds
    while not holds() and time.monotonic() < until:
        time.sleep(0.001)
    return holds()
