"""HookKeysClient: a create whose response is lost."""

from __future__ import annotations

import socket
import time
from typing import Any

import pytest

from hookkey_verify import ApiToken
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import TransportError, ValidationFailedError
from hookkey_verify.okta.client import HookKeysClient

from ..faults import FaultServer, Peer, json_answer
from .exchanges import SECRET


def test_a_lost_create_is_found(okta: OktaEmulator, client: HookKeysClient) -> None:
    """The key was made, the answer lost: it is reported, with its public half; no second POST."""
    okta.fail(503, method="POST", after=True)
    key = client.create("hooks")
    assert key.public_key is not None
    assert [each.id for each in client.list()] == [key.id]
    assert [line.method for line in okta.requests].count("POST") == 1


def test_a_create_that_did_not_happen(okta: OktaEmulator, client: HookKeysClient) -> None:
    """The first error is raised when the list shows that there is no such key."""
    okta.fail(503, method="POST")
    with pytest.raises(TransportError) as caught:
        client.create("hooks")
    assert caught.value.status == 503
    assert [line.method for line in okta.requests].count("POST") == 1


def test_a_lost_create_of_a_name_that_was_taken(okta: OktaEmulator, client: HookKeysClient) -> None:
    """A key of that name which is older than the call is somebody else's."""
    okta.org._clock = lambda: time.time() - 3600
    okta.create_key("hooks")
    okta.fail(503, method="POST")
    with pytest.raises(ValidationFailedError, match="in use already"):
        client.create("hooks")


def test_nobody_knows(okta: OktaEmulator, client: HookKeysClient) -> None:
    """When the list cannot be had either, the error says what to do."""
    okta.fail(503, method="POST", after=True)
    okta.fail(500, method="GET")
    with pytest.raises(TransportError, match="may or may not exist"):
        client.create("hooks")


def _answer_to(okta: OktaEmulator, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", int(okta.url.rpartition(":")[2])), 5) as peer:
        peer.sendall(request)
        octets = b""
        while chunk := peer.recv(65_536):
            octets += chunk
    return octets


@pytest.mark.parametrize("part", range(20))
def test_cut_off_at_any_octet(okta: OktaEmulator, part: int) -> None:
    """Wherever the answer to a create ends, the key is reported and there is only one."""

    def forward(server: FaultServer, cut: bool) -> Any:
        def behave(peer: Peer) -> None:
            request = server.requests[-1]
            head = [request.line, "Connection: close"]
            head += [f"{n}: {v}" for n, v in request.headers.items() if n != "connection"]
            octets = _answer_to(okta, ("\r\n".join([*head, "", ""])).encode() + request.body)
            end = len(octets) * part // 20 if cut else len(octets)
            peer.send(octets[:end])

        return behave

    server = FaultServer()
    server._script = (forward(server, True), forward(server, False))
    with server:
        with HookKeysClient(server.url, ApiToken(okta.api_token)) as client:
            key = client.create("hooks")
    assert [each["id"] for each in okta.org.list()] == [key.id]
    assert key.public_key is not None
    assert [request.line.split()[0] for request in server.requests].count("POST") == 1


def test_a_lost_create_without_a_clock_to_tell(okta: OktaEmulator) -> None:
    """Without Okta's date nobody can say whose key it is, and the error says just that."""
    key = okta.create_key("hooks")
    lost = json_answer(503, {})
    with FaultServer(lost, json_answer(200, [key], "Date: yesterday")) as server:
        with HookKeysClient(server.url, ApiToken(SECRET)) as client:
            with pytest.raises(TransportError, match="may be the one"):
                client.create("hooks")


@pytest.mark.parametrize(
    ("date", "created"),
    [
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "2025-10-24T13:06:07.000Z"),
        ("Tue, 14 Nov 2023 22:13:20 GMT", "0001-01-01T00:00:00"),
        ("Tue, 14 Nov 2023 22:13:20 GMT", "9999-12-31T23:59:59"),
        ("Tue, 14 Nov 2023 22:13:20 GMT", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_lost_create_and_odd_times(date: str, created: str) -> None:
    """What cannot be read is no proof that the key is ours."""
    key = {"id": "HKY1", "keyId": "k", "name": "hooks", "created": created}
    with FaultServer(json_answer(503, {}), json_answer(200, [key], f"Date: {date}")) as server:
        with HookKeysClient(server.url, ApiToken(SECRET)) as client:
            with pytest.raises(TransportError, match="may be the one"):
                client.create("hooks")


def test_a_create_that_cannot_have_been_received() -> None:
    """Nobody was reached, so nothing is in doubt: the error says what is wrong."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with HookKeysClient(url, ApiToken(SECRET), max_wait=0) as client:
        with pytest.raises(TransportError, match="refused or lost") as caught:
            client.create("hooks")
    assert not caught.value.sent


def test_a_lost_create_whose_public_half_cannot_be_had(okta: OktaEmulator) -> None:
    """The key is reported all the same."""
    with HookKeysClient(okta.url, ApiToken(okta.api_token), max_wait=0) as client:
        okta.fail(503, method="POST", after=True)
        okta.fail(500, path="/api/v1/hook-keys/public")
        key = client.create("hooks")
    assert key.public_key is None
    assert key.id == okta.org.list()[0]["id"]


def test_a_create_that_takes_too_long() -> None:
    """The key may appear later, so the error does not say that there is none."""

    def slow(peer: Peer) -> None:
        peer.wait(3)

    with FaultServer(slow, json_answer(200, [])) as server:
        with HookKeysClient(server.url, ApiToken(SECRET), timeout=0.3, max_wait=0) as client:
            with pytest.raises(TransportError, match="look there once more"):
                client.create("hooks")
    assert [request.line.split()[0] for request in server.requests] == ["POST", "GET"]
