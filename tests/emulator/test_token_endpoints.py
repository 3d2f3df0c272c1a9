"""The emulator's token endpoints: which assertions, proofs and forms they refuse."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests
from jwt.algorithms import RSAAlgorithm

from hookkey_verify import HookSigner
from hookkey_verify.emulator import OktaEmulator


def _post(okta: OktaEmulator, assertion: str, proof: str | None = None) -> tuple[int, str | None]:
    """Request a token; return the status and the error code, which is None for a token."""
    form = {
        "grant_type": "client_credentials",
        "scope": "okta.inlineHooks.read",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    headers = {} if proof is None else {"DPoP": proof}
    answer = requests.post(f"{okta.url}/oauth2/v1/token", form, headers=headers, timeout=10)
    document = answer.json()
    assert ("access_token" in document) is (answer.status_code == 200)
    return answer.status_code, document.get("error")


@pytest.mark.parametrize(
    "changes",
    [{"exp": "soon"}, {"exp": None}, {"exp": 9e9}, {"aud": "https://a"}, {"sub": "x"}, {"iss": 5}],
    ids=repr,
)
def test_assertions_that_okta_refuses(
    okta: OktaEmulator, app_key: HookSigner, changes: dict[str, Any]
) -> None:
    """Any invalid claim of an assertion is refused with 401 invalid_client."""
    client_id = okta.create_service_app(app_key.public_jwk())
    url = f"{okta.url}/oauth2/v1/token"
    now = int(time.time())
    claims = {"iss": client_id, "sub": client_id, "aud": url, "exp": now + 300, **changes}
    assert _post(okta, app_key.sign(claims)) == (401, "invalid_client")


def test_an_assertion_passes_once(okta: OktaEmulator, app_key: HookSigner) -> None:
    """An assertion is accepted once and refused when it is sent a second time."""
    client_id = okta.create_service_app(app_key.public_jwk(), ("okta.inlineHooks.read",))
    url = f"{okta.url}/oauth2/v1/token"
    assertion = app_key.client_assertion(client_id=client_id, token_url=url)
    assert _post(okta, assertion) == (200, None)
    assert _post(okta, assertion) == (401, "invalid_client")


@pytest.mark.parametrize("jwk", ["text", 5, [1], None, {}, {"kty": "oct"}], ids=repr)
def test_proofs_with_odd_keys(okta: OktaEmulator, app_key: HookSigner, jwk: Any) -> None:
    """A DPoP proof with an invalid key is refused with 400 invalid_dpop_proof."""
    client_id = okta.create_service_app(app_key.public_jwk(), dpop=True)
    url = f"{okta.url}/oauth2/v1/token"
    assertion = app_key.client_assertion(client_id=client_id, token_url=url)
    proof = app_key.sign({"jti": "1"}, headers={"typ": "dpop+jwt", "jwk": jwk})
    assert _post(okta, assertion, proof) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize("changes", [{"htu": "https://a"}, {"iat": 1}, {"iat": True}], ids=repr)
def test_proofs_for_something_else(
    okta: OktaEmulator, app_key: HookSigner, changes: dict[str, Any]
) -> None:
    """A DPoP proof for another URL or with an invalid time is refused."""
    client_id = okta.create_service_app(app_key.public_jwk(), dpop=True)
    url = f"{okta.url}/oauth2/v1/token"
    assertion = app_key.client_assertion(client_id=client_id, token_url=url)
    good = {"jti": "1", "htm": "POST", "htu": url, "iat": int(time.time())}
    claims = {**good, "nonce": okta._parts.tokens.nonce, **changes}
    jwk = {name: app_key.public_jwk()[name] for name in ("kty", "n", "e")}
    proof = app_key.sign(claims, headers={"typ": "dpop+jwt", "kid": None, "jwk": jwk})
    assert _post(okta, assertion, proof) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "invalid_client"),
        ({"grant_type": "client_credentials", "client_assertion": "x"}, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "0oa1"}, "invalid_client"),
    ],
)
def test_forms_of_no_client(okta: OktaEmulator, form: dict[str, str], error: str) -> None:
    """Both token endpoints refuse a form that does not authenticate a client."""
    for url in (f"{okta.url}/oauth2/v1/token", f"{okta.issuer}/v1/token"):
        answer = requests.post(url, data=form, timeout=10)
        assert answer.status_code in (400, 401)
        assert answer.json()["error"] == error


def test_secrets_are_not_for_oktas_own_scopes(okta: OktaEmulator) -> None:
    """A client secret is accepted by the authorization server, not by the org's own endpoint."""
    okta._parts.apps.register_client("0oa1", None, "s3cret", ["hooks"])
    form = {
        "grant_type": "client_credentials",
        "client_id": "0oa1",
        "client_secret": "s3cret",
        "scope": "hooks",
    }
    assert requests.post(f"{okta.url}/oauth2/v1/token", data=form, timeout=10).status_code == 401
    assert requests.post(f"{okta.issuer}/v1/token", data=form, timeout=10).status_code == 200
    form["client_secret"] = "wrong"
    assert requests.post(f"{okta.issuer}/v1/token", data=form, timeout=10).status_code == 401


def test_faults_of_the_authorization_server(okta: OktaEmulator) -> None:
    """Faults also affect the authorization server's token endpoint and its documents."""
    for path, method in (("/v1/token", "POST"), ("/v1/keys", "GET")):
        okta.fail(503)
        assert requests.request(method, f"{okta.issuer}{path}", timeout=10).status_code == 503
    elsewhere = f"{okta.url}/oauth2/other/v1/token"
    assert requests.post(elsewhere, data={}, timeout=10).status_code == 404


@pytest.mark.parametrize("exp", [b"NaN", b"1e999", b"9" * 400, b'"1"', b"true"])
def test_assertions_without_a_usable_end(
    okta: OktaEmulator, app_key: HookSigner, exp: bytes
) -> None:
    """An assertion whose exp is not a finite number in range is refused."""
    client_id = okta.create_service_app(app_key.public_jwk())
    url = f"{okta.url}/oauth2/v1/token"
    claims = b'{"iss":"%b","sub":"%b","aud":"%b","exp":%b}'
    names = (client_id.encode(), client_id.encode(), url.encode(), exp)
    assertion = app_key.sign_bytes(b'{"alg":"RS256"}', claims % names)
    assert _post(okta, assertion) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("headers", "changes"),
    [({"jwk": "private"}, {}), ({}, {"iat": 10**400}), ({}, {"iat": True}), ({"jwk": 5}, {})],
    ids=["private key", "iat too large", "iat no number", "jwk no object"],
)
def test_proofs_that_prove_nothing(
    okta: OktaEmulator, app_key: HookSigner, headers: dict[str, Any], changes: dict[str, Any]
) -> None:
    """A DPoP proof with a private key, no key or an invalid iat is refused (RFC 9449, 4.3)."""
    client_id = okta.create_service_app(app_key.public_jwk(), dpop=True)
    url = f"{okta.url}/oauth2/v1/token"
    jwk = app_key.public_jwk()
    if headers.get("jwk") == "private":
        headers = {"jwk": {**jwk, **RSAAlgorithm.to_jwk(app_key._key, as_dict=True)}}
    claims = {
        "jti": "1",
        "htm": "POST",
        "htu": url,
        "iat": time.time(),
        "nonce": okta._parts.tokens.nonce,
    }
    proof = app_key.sign({**claims, **changes}, headers={"typ": "dpop+jwt", "jwk": jwk, **headers})
    assertion = app_key.client_assertion(client_id=client_id, token_url=url)
    assert _post(okta, assertion, proof) == (400, "invalid_dpop_proof")
