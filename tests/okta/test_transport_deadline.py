"""OktaTransport: every exchange ends at its deadline."""

from __future__ import annotations

import time

import pytest

from hookkey_verify import ApiToken
from hookkey_verify.errors import TransportError
from hookkey_verify.okta.transport import OktaTransport

from ..faults import Behaviour, FaultServer, ManualClock, Peer, drip, json_answer, silence
from .exchanges import PATH, SECRET, exchange


@pytest.mark.parametrize(
    ("behaviour", "seconds"),
    [
        pytest.param(silence, 0.3, id="no answer"),
        pytest.param(
            drip(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", b"{" + b" " * 40, every=0.05),
            0.3,
            id="body drips",
        ),
        pytest.param(
            drip(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", b"{", every=0.55),
            0.6,
            id="body stalls just before the deadline",
        ),
        pytest.param(
            drip(b"HTTP/1.1 200 OK\r\nX-Pad: ", b"x" * 40, every=0.05), 0.3, id="headers drip"
        ),
        pytest.param(drip(b"", b"HTTP/1.1 200" + b" " * 40, every=0.05), 0.3, id="status drips"),
    ],
)
def test_the_deadline_ends_it(behaviour: Behaviour, seconds: float) -> None:
    """However slowly the response arrives, the exchange ends at its deadline."""
    with FaultServer(behaviour) as server:
        started = time.monotonic()
        with pytest.raises(TransportError, match=r"time|deadline"):
            exchange(server.url, seconds=seconds)
        elapsed = time.monotonic() - started
    assert elapsed < seconds + 1


def test_a_generous_deadline_is_used() -> None:
    """The transport waits for a slow server as long as the deadline allows."""

    def late(peer: Peer) -> None:
        peer.wait(2.2)
        json_answer(200, {"a": 1})(peer)

    with FaultServer(late) as server:
        assert exchange(server.url, seconds=10).json_object() == {"a": 1}


def test_a_proxy_that_drips() -> None:
    """The deadline includes the time that a proxy takes to open the tunnel."""
    with FaultServer(drip(b"HTTP/1.1 200 OK\r\n", b"X" * 50, every=0.1)) as proxy:
        started = time.monotonic()
        with pytest.raises(TransportError, match=r"time|deadline"):
            exchange("https://127.0.0.1:1", seconds=0.6, proxies={"https": proxy.url})
    assert time.monotonic() - started < 3


def test_a_deadline_in_the_past_sends_nothing() -> None:
    """A request whose deadline has passed is not sent."""
    with FaultServer(json_answer(200, {})) as server:
        with pytest.raises(TransportError, match="within the deadline"):
            exchange(server.url, seconds=0)
        assert server.requests == []


def test_the_deadline_is_read_from_the_given_clock() -> None:
    """The transport compares the deadline with ``clock``, so that a cache can use its own clock."""
    clock = ManualClock(50)
    with FaultServer(json_answer(200, {})) as server:
        transport = OktaTransport(server.url, ApiToken(SECRET), clock=clock)
        assert transport.exchange("GET", PATH, deadline=51).status == 200
        clock.now = 51
        with pytest.raises(TransportError, match="within the deadline"):
            transport.exchange("GET", PATH, deadline=51)
        transport.close()
