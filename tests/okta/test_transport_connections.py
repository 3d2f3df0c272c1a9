"""OktaTransport: ``close``, and kept-alive connections that the server has closed."""

from __future__ import annotations

import socket
import threading

import pytest

from hookkey_verify import ApiToken, ConfigurationError
from hookkey_verify._runtime.clock import monotonic_clock
from hookkey_verify.errors import TransportError
from hookkey_verify.okta.transport import OktaTransport

from ..faults import FaultServer, json_answer
from .exchanges import PATH, SECRET


def test_close_is_idempotent_and_final() -> None:
    """``close`` may be repeated, and a closed transport sends nothing."""
    with FaultServer(json_answer(200, {})) as server:
        transport = OktaTransport(server.url, ApiToken(SECRET))
        transport.close()
        transport.close()
        with pytest.raises(ConfigurationError, match="closed"):
            transport.exchange("GET", PATH, deadline=monotonic_clock() + 5)
        assert server.requests == []


class Impatient:
    """A server that closes each connection at the request after a given number of responses."""

    def __init__(self, *answers: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._answers = answers
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[str] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for answers in self._answers:
            connection, _ = self._listener.accept()
            with connection:
                for number in range(answers + 1):
                    data = b""
                    while b"\r\n\r\n" not in data:
                        data += connection.recv(65_536) or b"\r\n\r\n"
                    if data == b"\r\n\r\n":  # the client has closed the connection
                        break
                    self.requests.append(data.decode().split(" ")[0])
                    if number < answers:
                        connection.sendall(
                            b"HTTP/1.1 200 -\r\nContent-Type: application/json\r\n"
                            b"Content-Length: 2\r\n\r\n{}"
                        )
        self._listener.close()


@pytest.mark.parametrize(
    ("method", "left", "tried_again"), [("GET", 5, True), ("POST", 5, False), ("GET", 0.5, False)]
)
def test_a_kept_connection_that_is_closed(method: str, left: float, tried_again: bool) -> None:
    """If a kept connection is closed, only a GET is sent again, if there is enough time."""
    server = Impatient(1, 1)
    transport = OktaTransport(server.url, ApiToken(SECRET))
    transport.exchange("GET", PATH, deadline=monotonic_clock() + 5)
    if tried_again:
        transport.exchange(method, PATH, deadline=monotonic_clock() + left)
    else:
        with pytest.raises(TransportError, match="refused or lost"):
            transport.exchange(method, PATH, deadline=monotonic_clock() + left)
    transport.close()
    assert server.requests == ["GET", method, *([method] if tried_again else [])]


def test_a_first_connection_is_not_tried_again() -> None:
    """A request on a first connection is not repeated, because the server may have executed it."""
    server = Impatient(0, 1)
    transport = OktaTransport(server.url, ApiToken(SECRET))
    with pytest.raises(TransportError, match="refused or lost"):
        transport.exchange("GET", PATH, deadline=monotonic_clock() + 5)
    transport.close()
    assert server.requests == ["GET"]
