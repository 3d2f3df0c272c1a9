"""Emulator responses and client requests have the shapes recorded against real orgs."""

from __future__ import annotations

import re
from typing import Any

import pytest
import requests

from hookkey_verify import ApiToken, HookKeysClient
from hookkey_verify.emulator import OktaEmulator

from ..faults import FaultServer, json_answer

LIMITS = ("Limit", "Remaining", "Reset")
TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000Z"
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
KEY: dict[str, Any] = {
    "id": r"HKY[A-Za-z0-9]{17}",
    "keyId": UUID,
    "name": r".{1,255}",
    "created": TIME,
    "lastUpdated": TIME,
    "isUsed": bool,
}
JWK: dict[str, Any] = {
    "kty": "RSA",
    "alg": "RSA",
    "use": type(None),
    "kid": UUID,
    "e": "AQAB",
    "n": r"[A-Za-z0-9_-]{342}",
}
ERROR: dict[str, Any] = {
    "errorCode": r"E\d{7}",
    "errorSummary": r".+",
    "errorLink": r"E\d{7}",
    "errorId": r"oae[A-Za-z0-9_-]+",
    "errorCauses": list,
}


def _matches(document: Any, shape: Any) -> bool:
    if isinstance(shape, str):
        return isinstance(document, str) and re.fullmatch(shape, document) is not None
    if isinstance(shape, type):
        return type(document) is shape
    return set(document) == set(shape) and all(_matches(document[k], shape[k]) for k in shape)


def test_answers_of_the_emulator(okta: OktaEmulator) -> None:
    """Each endpoint returns the recorded status and body; POST returns 200, not 201.

    Only some of the bodies include the public key.
    """
    session = requests.Session()
    session.headers["Authorization"] = f"SSWS {okta.api_token}"
    url = f"{okta.url}/api/v1/hook-keys"

    def call(method: str, path: str, **arguments: Any) -> tuple[int, Any]:
        answer = session.request(method, url + path, timeout=5, **arguments)
        assert answer.headers["Cache-Control"] == "no-cache, no-store"
        assert answer.headers["X-Okta-Request-Id"]
        limits = [answer.headers.get(f"X-Rate-Limit-{name}") for name in LIMITS]
        assert all(limits) or answer.status_code == 405
        return answer.status_code, answer.json() if answer.content else None

    status, created = call("POST", "", json={"name": "one"})
    assert status == 200
    assert _matches(created, {**KEY, "_embedded": JWK})
    assert created["_embedded"]["kid"] == created["keyId"]
    path = "/" + created["id"]
    assert call("GET", "") == (200, [{k: v for k, v in created.items() if k != "_embedded"}])
    assert _matches(call("GET", path)[1], KEY)
    assert _matches(call("GET", path + "?expand=publickey")[1], {**KEY, "_embedded": JWK})
    assert _matches(call("GET", "/public/" + created["keyId"])[1], JWK)
    assert _matches(call("PUT", path, json={"name": "two"})[1], {**KEY, "_embedded": JWK})
    for method, wrong, arguments, expected in (
        ("POST", "", {"json": {}}, 400),
        ("POST", "", {"data": "{", "headers": {"Content-Type": "application/json"}}, 400),
        ("POST", "", {"data": "name=x"}, 400),
        ("GET", "/nothing", {}, 404),
        ("PATCH", path, {}, 405),
        ("GET", "", {"headers": {"Authorization": "SSWS wrong"}}, 401),
    ):
        status, body = call(method, wrong, **arguments)
        assert status == expected
        assert _matches(body, ERROR)
    assert call("DELETE", path) == (204, None)
    session.close()


@pytest.mark.parametrize(
    ("call", "line", "body"),
    [
        (lambda client: client.list(), "GET /api/v1/hook-keys", b""),
        (lambda client: client.create("n"), "POST /api/v1/hook-keys", b'{"name":"n"}'),
        (lambda client: client.get("HKY1"), "GET /api/v1/hook-keys/HKY1", b""),
        (
            lambda client: client.get("HKY1", expand=True),
            "GET /api/v1/hook-keys/HKY1?expand=publickey",
            b"",
        ),
        (lambda client: client.rename("HKY1", "n"), "PUT /api/v1/hook-keys/HKY1", b'{"name":"n"}'),
        (lambda client: client.delete("HKY1"), "DELETE /api/v1/hook-keys/HKY1", b""),
    ],
)
def test_requests_of_the_client(call: Any, line: str, body: bytes) -> None:
    """Each call of the client sends the recorded method, path, body and headers."""
    document = {"id": "HKY1", "keyId": "k", "name": "n"}
    answered = [document] if line.endswith("hook-keys") and line.startswith("GET") else document
    with FaultServer(json_answer(200, answered)) as server:
        with HookKeysClient(server.url, ApiToken("t0ken")) as client:
            call(client)
    [request] = server.requests
    assert request.line == f"{line} HTTP/1.1"
    assert request.body == body
    assert request.headers["authorization"] == "SSWS t0ken"
    assert request.headers["accept"] == "application/json"
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["user-agent"].startswith("hookkey-verify/")
    assert request.headers.get("content-type") == ("application/json" if body else None)
