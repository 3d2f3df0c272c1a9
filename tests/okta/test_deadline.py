"""Watch ends an exchange at its deadline."""

from __future__ import annotations

import socket
import threading
import time
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from urllib3 import PoolManager

from hookkey_verify.okta.deadline import Watch, watched
from hookkey_verify.okta.http import CONNECT_TIMEOUT, BoundedHttp
from tests.faults import FaultServer, answer


def _waits(connection: socket.socket) -> float:
    """Return the seconds until a blocked read returns."""
    started = time.monotonic()
    assert connection.recv(1) == b""
    return time.monotonic() - started


def test_a_blocked_read_ends_at_the_deadline() -> None:
    """A blocked read returns at the deadline although the peer has sent nothing."""
    ours, theirs = socket.socketpair()
    with ours, theirs, Watch(0.1) as watch:
        ours.settimeout(5)
        watch.cover(ours)
        assert 0.05 < _waits(ours) < 4
        assert watch.expired


def test_a_socket_that_comes_late_is_shut_at_once() -> None:
    """A socket that is covered after the deadline is shut down at once."""
    ours, theirs = socket.socketpair()
    with ours, theirs, Watch(0) as watch:
        ours.settimeout(5)
        while not watch.expired:
            time.sleep(0.001)
        watch.cover(ours)
        assert _waits(ours) < 4


@pytest.mark.parametrize("closed", [True, False])
def test_nothing_to_shut(closed: bool) -> None:
    """A watch without a socket, or with a closed one, expires without an error."""
    ours, theirs = socket.socketpair()
    with ours, theirs, Watch(0.01) as watch:
        if closed:
            ours.close()
            watch.cover(ours)
        else:
            watch.cover(None)
        while not watch.expired:
            time.sleep(0.001)


def test_without_a_watch_the_pools_are_ordinary_ones() -> None:
    """Outside a ``Watch``, watched connection pools behave like ordinary ones."""
    with FaultServer(answer(200, b"x")) as server, watched(PoolManager()) as pools:
        assert pools.request("GET", server.url, timeout=5).data == b"x"


def test_an_exchange_that_ended_in_time_is_left_alone() -> None:
    """A watch does not shut its socket down after the ``with`` block, as the pool reuses it."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        with Watch(0.02) as watch:
            watch.cover(ours)
        time.sleep(0.06)
        theirs.sendall(b"x")
        assert ours.recv(1) == b"x"
        assert not watch.expired


def test_an_answer_after_the_connect_timeout() -> None:
    """The limit for connecting does not apply to a server that connects and then takes longer."""

    class Slow(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            time.sleep(CONNECT_TIMEOUT + 0.3)
            self.send_response(204)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Slow) as server:
        thread = threading.Thread(target=server.handle_request)
        thread.start()
        http, url = BoundedHttp(), f"http://127.0.0.1:{server.server_port}/"
        # A third of the time is less than the minimum for connecting.
        answer = http.send("GET", url, deadline=time.monotonic() + 2.9)
        assert answer.status == 204
        http.close()
        thread.join()
