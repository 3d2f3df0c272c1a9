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
    """If the response to a create is lost, the client returns the key and sends no second POST."""
    okta.fail(503, method="POST", after=True)
    key = client.create("hooks")
    assert key.public_key is not None
    assert [each.id for each in client.list()] == [key.id]
    assert [line.method for line in okta.requests].count("POST") == 1


def test_a_create_that_did_not_happen(okta: OktaEmulator, client: HookKeysClient) -> None:
    """If the list of keys shows that a create did not happen, the error of the create is raised."""
    okta.fail(503, method="POST")
    with pytest.raises(TransportError) as caught:
        client.create("hooks")
    assert caught.value.status == 503
    assert [line.method for line in okta.requests].count("POST") == 1


def test_a_lost_create_of_a_name_that_was_taken(okta: OktaEmulator, client: HookKeysClient) -> None:
    """After a lost response, the client does not return a key that is older than the call."""
    okta.org._clock = lambda: time.time() - 3600
    okta.create_key("hooks")
    okta.fail(503, method="POST")
    with pytest.raises(ValidationFailedError, match="in use already"):
        client.create("hooks")


def test_it_is_unknown_which_key_was_created(okta: OktaEmulator, client: HookKeysClient) -> None:
    """If the list cannot be read after a lost response, the error says that the key may exist."""
    okta.fail(503, method="POST", after=True)
    okta.fail(500, method="GET")
    with pytest.raises(TransportError, match="may or may not exist"):
        client.create("hooks")


def _answer_to(okta: OktaEmulator, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", int(okta.url.rpartition(":")[2])), 5) as peer:
        peer.sendall(request)
        data = b""
        while chunk := peer.recv(65_536):
            data += chunk
    return data


@pytest.mark.parametrize("part", range(20))
def test_a_response_cut_off_at_any_byte(okta: OktaEmulator, part: int) -> None:
    """Wherever the response to a create is cut off, the client returns the one key that exists."""

    def forward(server: FaultServer, cut: bool) -> Any:
        def behave(peer: Peer) -> None:
            request = server.requests[-1]
            head = [request.line, "Connection: close"]
            head += [f"{n}: {v}" for n, v in request.headers.items() if n != "connection"]
            data = _answer_to(okta, ("\r\n".join([*head, "", ""])).encode() + request.body)
            end = len(data) * part // 20 if cut else len(data)
            peer.send(data[:end])

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
    """Without a readable Date header, the error says that the key of this name may be the one."""
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
    """If a time cannot be read, the client does not assume that it created the key."""
    key = {"id": "HKY1", "keyId": "k", "name": "hooks", "created": created}
    with FaultServer(json_answer(503, {}), json_answer(200, [key], f"Date: {date}")) as server:
        with HookKeysClient(server.url, ApiToken(SECRET)) as client:
            with pytest.raises(TransportError, match="may be the one"):
                client.create("hooks")


def test_a_create_that_cannot_have_been_received() -> None:
    """If no server was reached, the client raises the connection error, with ``sent`` False."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with HookKeysClient(url, ApiToken(SECRET), max_wait=0) as client:
        with pytest.raises(TransportError, match="refused or lost") as caught:
            client.create("hooks")
    assert not caught.value.sent


def test_a_lost_create_whose_public_half_cannot_be_had(okta: OktaEmulator) -> None:
    """The created key is returned without its public key if that cannot be fetched."""
    with HookKeysClient(okta.url, ApiToken(okta.api_token), max_wait=0) as client:
        okta.fail(503, method="POST", after=True)
        okta.fail(500, path="/api/v1/hook-keys/public")
        key = client.create("hooks")
    assert key.public_key is None
    assert key.id == okta.org.list()[0]["id"]


def test_a_create_that_takes_too_long() -> None:
    """After a create times out, the error asks to check the list again for a late key."""

    def slow(peer: Peer) -> None:
        peer.wait(3)

    with FaultServer(slow, json_answer(200, [])) as server:
        with HookKeysClient(server.url, ApiToken(SECRET), timeout=0.3, max_wait=0) as client:
            with pytest.raises(TransportError, match="look there once more"):
                client.create("hooks")
    assert [request.line.split()[0] for request in server.requests] == ["POST", "GET"]
