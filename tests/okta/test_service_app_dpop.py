"""ServiceApp: access tokens that are bound to a key by DPoP."""

from __future__ import annotations

import time

import jwt
import pytest

from hookkey_verify import HookSigner, ServiceApp
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import AuthenticationError
from hookkey_verify.okta.client import HookKeysClient

from ..faults import FaultServer, json_answer
from .service_apps import GOOD, service_app, token_requests


def test_the_nonce_is_asked_for_once(okta: OktaEmulator, app_key: HookSigner) -> None:
    """The app asks for a nonce once, and again only when Okta requires a new one."""
    app = service_app(okta, app_key, dpop=True)
    with HookKeysClient(okta.url, app) as client:
        client.list()
        okta.revoke_tokens()
        client.list()
        assert token_requests(okta) == 3
        okta.revoke_tokens()
        okta._parts.tokens.nonce = "another"
        client.list()
        assert token_requests(okta) == 5


def test_a_nonce_for_api_calls(app_key: HookSigner) -> None:
    """After a 401 with a nonce, the request is repeated with that nonce (RFC 9449 section 9)."""
    token = json_answer(200, {**GOOD, "token_type": "DPoP"})
    challenge = 'WWW-Authenticate: DPoP error="use_dpop_nonce"'
    wanted = json_answer(401, {"errorCode": "E0000011"}, "DPoP-Nonce: n0nce", challenge)
    with FaultServer(token, wanted, json_answer(200, [])) as server:
        app = ServiceApp(server.url, "0oa1", app_key._key, dpop=True)
        with HookKeysClient(server.url, app) as client:
            assert client.list() == []
    first, second = (
        jwt.decode(request.headers["dpop"], options={"verify_signature": False})
        for request in server.requests[1:]
    )
    assert "nonce" not in first
    assert second["nonce"] == "n0nce"
    assert second["htu"] == f"{server.url}/api/v1/hook-keys"
    assert (second["htm"], len(second["ath"])) == ("GET", 43)
    assert first["jti"] != second["jti"]
    assert server.requests[1].headers["authorization"] == "DPoP t0ken"


def test_the_two_keys_are_not_one(okta: OktaEmulator, app_key: HookSigner) -> None:
    """DPoP proofs are signed with a key of this process; the app's key signs assertions only."""
    app = service_app(okta, app_key, dpop=True)
    proof = app._proof
    assert proof is not None
    jwk = jwt.get_unverified_header(proof.make("GET", "https://a", None))["jwk"]
    assert jwk["n"] != app_key.public_jwk()["n"]
    assert set(jwk) == {"kty", "n", "e"}


def test_a_stolen_token_is_of_no_use(okta: OktaEmulator, app_key: HookSigner) -> None:
    """The emulator refuses an access token that is sent with the proof of another key."""
    app, thief = (service_app(okta, app_key, dpop=True) for _ in range(2))
    app.prepare(time.monotonic() + 2, time.monotonic())
    thief._token = app._token
    thief.refused = lambda headers: False  # type: ignore[method-assign]
    with HookKeysClient(okta.url, thief) as client, pytest.raises(AuthenticationError):
        client.list()
    with HookKeysClient(okta.url, app) as client:
        assert client.list() == []


def test_a_nonce_with_another_refusal(app_key: HookSigner) -> None:
    """A revoked token is replaced even if the 401 also contains a nonce."""
    token = json_answer(200, {**GOOD, "token_type": "DPoP"})
    refused = json_answer(
        401, {}, "DPoP-Nonce: n0nce", 'WWW-Authenticate: DPoP error="invalid_token"'
    )
    with FaultServer(token, refused, token, json_answer(200, [])) as server:
        app = ServiceApp(server.url, "0oa1", app_key._key, dpop=True)
        with HookKeysClient(server.url, app) as client:
            assert client.list() == []
    assert [request.line.split()[0] for request in server.requests] == [
        "POST",
        "GET",
        "POST",
        "GET",
    ]
