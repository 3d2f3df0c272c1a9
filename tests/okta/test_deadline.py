"""Watch ends an exchange at its deadline."""

from __future__ import annotations

import socket
import time

import pytest
from urllib3 import PoolManager

from hookkey_verify.okta.deadline import Watch, watched
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
        assert 0.05 < _waits(ours) < 2
        assert watch.expired


def test_a_socket_that_comes_late_is_shut_at_once() -> None:
    """A socket that is covered after the deadline is shut down at once."""
    ours, theirs = socket.socketpair()
    with ours, theirs, Watch(0) as watch:
        ours.settimeout(5)
        while not watch.expired:
            time.sleep(0.001)
        watch.cover(ours)
        assert _waits(ours) < 1


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
