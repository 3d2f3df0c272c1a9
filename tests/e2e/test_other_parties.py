"""The package understands what other clients, issuers and servers send over HTTP.

``nox -s clients`` runs the programs themselves.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from base64 import b64encode
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import quote, quote_plus

import jwt
import pytest
import requests
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from flask import Flask

from hookkey_verify import (
    HookKeys,
    HookKeysClient,
    HookSigner,
    HookVerificationError,
    HookVerifier,
    IssuerKeys,
    ServiceApp,
    StaticKeys,
    TokenEndpoint,
)
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.flask import serve
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.signing_key import SigningKey
from hookkey_verify.token_endpoint import ASSERTION_TYPE, ClientSecret

from ..faults import FaultServer, answer, json_answer
from ..servers import wsgi_server

CLIENT_ID, ISSUER = "0oa1", "https://hooks.acme.com"
RSA = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CURVES = {"ES256": ec.SECP256R1(), "ES384": ec.SECP384R1(), "ES512": ec.SECP521R1()}
KEYS: dict[str, Any] = {
    **dict.fromkeys(("RS256", "RS384", "RS512"), RSA),
    **{name: ec.generate_private_key(curve) for name, curve in CURVES.items()},
}


def jwk_of(key: Any) -> dict[str, Any]:
    return HookSigner(key, "k").public_jwk()


def signed(key: Any, algorithm: str, claims: dict[str, Any], **header: Any) -> str:
    """Return a JWT made by PyJWT."""
    now = int(time.time())
    times = {"iat": now, "exp": now + 300, "jti": str(uuid.uuid4())}
    return jwt.encode({**times, **claims}, key, algorithm, headers=header)


# --- clients of the org


def token_request(okta: OktaEmulator, client_id: str, key: Any, algorithm: str) -> dict[str, str]:
    url = f"{okta.url}/oauth2/v1/token"
    claims = {"iss": client_id, "sub": client_id, "aud": url}
    return {
        "grant_type": "client_credentials",
        "scope": "okta.inlineHooks.read",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signed(key, algorithm, claims),
    }


@pytest.mark.parametrize("algorithm", KEYS)
def test_a_proof_for_an_app_without_dpop(okta: OktaEmulator, algorithm: str) -> None:
    """An app without DPoP gets a Bearer token, even if its request has a DPoP proof.

    The Okta SDK for Node sends a proof with every request.
    """
    key, url = KEYS[algorithm], f"{okta.url}/oauth2/v1/token"
    client_id = okta.create_service_app(jwk_of(key))
    proof = signed(key, algorithm, {"htm": "POST", "htu": url}, typ="dpop+jwt", jwk=jwk_of(key))
    form = token_request(okta, client_id, key, algorithm)
    got = requests.post(url, data=form, headers={"DPoP": proof}, timeout=5).json()
    assert got["token_type"] == "Bearer"
    headers = {"Authorization": f"Bearer {got['access_token']}"}
    assert requests.get(f"{okta.url}/api/v1/hook-keys", headers=headers, timeout=5).ok


@pytest.mark.parametrize("algorithm", KEYS)
def test_proofs_of_every_algorithm(okta: OktaEmulator, algorithm: str) -> None:
    """The org accepts DPoP proofs with the algorithms RS256 to RS512 and ES256 to ES512."""
    key, url = KEYS[algorithm], f"{okta.url}/oauth2/v1/token"
    client_id = okta.create_service_app(jwk_of(RSA), dpop=True)

    def asked(**claims: Any) -> requests.Response:
        proof = {"htm": "POST", "htu": url, **claims}
        headers = {"DPoP": signed(key, algorithm, proof, typ="dpop+jwt", jwk=jwk_of(key))}
        form = token_request(okta, client_id, RSA, "RS256")
        return requests.post(url, data=form, headers=headers, timeout=5)

    nonce = asked().headers["dpop-nonce"]
    assert asked(nonce=nonce).json()["token_type"] == "DPoP"


def test_token_parameters_in_the_query_string(okta: OktaEmulator) -> None:
    """The org accepts token parameters in the query string with an empty body.

    Version 2 of the Okta SDK for Python sends them this way.
    """
    client_id = okta.create_service_app(jwk_of(RSA))
    form = token_request(okta, client_id, RSA, "RS256")
    got = requests.post(f"{okta.url}/oauth2/v1/token", params=form, timeout=5)
    assert got.json()["token_type"] == "Bearer"


def test_the_metadata_is_complete(okta: OktaEmulator) -> None:
    """The metadata has all required members.

    RFC 8414 section 2 and OpenID Connect Discovery section 3 define them.
    """
    required = {
        "issuer",
        "authorization_endpoint",
        "token_endpoint",
        "jwks_uri",
        "response_types_supported",
        "subject_types_supported",
        "id_token_signing_alg_values_supported",
    }
    for kind in ("openid-configuration", "oauth-authorization-server"):
        document = requests.get(f"{okta.issuer}/.well-known/{kind}", timeout=5).json()
        assert required <= set(document)
        assert document["issuer"] == okta.issuer


@pytest.mark.parametrize("algorithm", KEYS)
@pytest.mark.parametrize("dpop", [False, True])
def test_service_apps_with_other_keys(okta: OktaEmulator, algorithm: str, dpop: bool) -> None:
    """``ServiceApp`` signs in with RSA and EC keys, with and without DPoP."""
    key = KEYS[algorithm]
    client_id = okta.create_service_app(jwk_of(key), dpop=dpop)
    app = ServiceApp(okta.url, client_id, key, dpop=dpop)
    with HookKeysClient(okta.url, app) as client:
        assert client.list() == []


def test_a_refused_token_brings_a_challenge(okta: OktaEmulator) -> None:
    """Responses 401 and 403 have ``WWW-Authenticate`` (RFC 9110 section 11.6.1)."""
    url = f"{okta.url}/api/v1/hook-keys"
    wrong: list[dict[str, str]] = [{"Authorization": f"{each} x"} for each in ("Bearer", "SSWS")]
    for headers in ({}, *wrong):
        refused = requests.get(url, headers=headers, timeout=5)
        assert refused.status_code == 401
        assert refused.headers["WWW-Authenticate"].startswith('Bearer error="invalid_token"')
    refused = requests.get(url, headers={"Authorization": "DPoP wrong"}, timeout=5)
    assert refused.headers["WWW-Authenticate"].startswith('DPoP algs="RS256 ')
    app = ServiceApp(okta.url, okta.create_service_app(jwk_of(RSA)), RSA)
    app.prepare(time.monotonic() + 5, time.monotonic())
    headers = {"Authorization": f"Bearer {app._secret()}"}
    refused = requests.post(url, json={"name": "k"}, headers=headers, timeout=5)
    assert refused.status_code == 403
    assert 'error="insufficient_scope"' in refused.headers["WWW-Authenticate"]


def test_inline_hooks_have_links(okta: OktaEmulator) -> None:
    """A hook links to the operations that its state allows, and the URLs work."""
    headers = {"Authorization": f"SSWS {okta.api_token}"}
    made = okta.create_hook("http://127.0.0.1:9/h", name="Claims")
    url = f"{okta.url}/api/v1/inlineHooks"
    [hook] = requests.get(url, headers=headers, timeout=5).json()
    assert hook["_links"]["self"]["href"] == f"{url}/{made['id']}"
    assert set(hook["_links"]) == {"self", "execute", "deactivate"}
    href = hook["_links"]["deactivate"]["href"]
    hook = requests.post(href, headers=headers, timeout=5).json()
    assert set(hook["_links"]) == {"self", "activate", "delete"}
    href = hook["_links"]["delete"]["href"]
    assert requests.delete(href, headers=headers, timeout=5).status_code == 204


def test_a_replace_of_the_name_alone(okta: OktaEmulator) -> None:
    """A PUT with only a name keeps the channel and its secret.

    All members of Okta's schema are optional.
    """
    headers = {"Authorization": f"SSWS {okta.api_token}"}
    secret = ("X-Secret", "s3cret")
    made = okta.create_hook("http://127.0.0.1:9/h", name="Old", secret=secret)
    url = f"{okta.url}/api/v1/inlineHooks/{made['id']}"
    hook = requests.put(url, json={"name": "New"}, headers=headers, timeout=5).json()
    assert (hook["name"], hook["channel"]) == ("New", made["channel"])
    assert okta.hooks.get(made["id"]).auth_header == secret


# --- other issuers


class Issuer:
    """The key set of an authorization server that is not Okta's."""

    def __init__(self, *documents: Any, behaviour: Any = None) -> None:
        served = json_answer(200, {"keys": [*documents]}) if behaviour is None else behaviour
        self.server = FaultServer(served)

    def __enter__(self) -> Issuer:
        self.server.__enter__()
        self.url = self.server.url
        self.keys = IssuerKeys(self.url, jwks_url=f"{self.url}/keys")
        return self

    def __exit__(self, *_: object) -> None:
        self.keys.close()
        self.server.__exit__(None, None, None)

    def verifier(self, **options: Any) -> HookVerifier:
        return HookVerifier.for_access_token(
            self.keys, **{"audience": "api://hooks", "client_id": None, **options}
        )

    def token(self, key: Any, algorithm: str = "RS256", kid: str = "k", **claims: Any) -> str:
        return signed(key, algorithm, {"iss": self.url, "aud": "api://hooks", **claims}, kid=kid)


@pytest.mark.parametrize("claim", ["scp", "scope"])
@pytest.mark.parametrize("value", [["hooks", "other"], "hooks other"])
def test_scopes_of_either_form(claim: str, value: Any) -> None:
    """Scopes may be a list or words in a string, in ``scp`` or ``scope``.

    Spring and IdentityServer mix these forms.
    """
    with Issuer(jwk_of(RSA)) as issuer:
        hook = issuer.verifier(scopes=["hooks"]).verify(issuer.token(RSA, **{claim: value}))
        assert hook.scopes == ("hooks", "other")
        with pytest.raises(HookVerificationError, match="needs admin"):
            issuer.verifier(scopes=["admin"]).verify(issuer.token(RSA, **{claim: value}))


@pytest.mark.parametrize("named", ["EdDSA", "Ed25519", None])
@pytest.mark.parametrize("configured", ["EdDSA", "Ed25519"])
def test_the_other_name_of_eddsa(named: str | None, configured: str) -> None:
    """Ed25519 and EdDSA are the same algorithm in keys, tokens and ``algorithms`` (RFC 9864)."""
    key = ed25519.Ed25519PrivateKey.generate()
    jwk = {**SigningKey(key, "k").public_key.as_jwk(), "alg": named}
    document = {name: value for name, value in jwk.items() if value is not None}
    with Issuer(document) as issuer:
        verifier = issuer.verifier(algorithms=[configured])
        assert verifier.verify(issuer.token(key, "EdDSA")).issuer == issuer.url
        jwt.register_algorithm("Ed25519", jwt.get_algorithm_by_name("EdDSA"))
        try:
            assert verifier.verify(issuer.token(key, "Ed25519")).header["alg"] == "Ed25519"
        finally:
            jwt.unregister_algorithm("Ed25519")


@pytest.mark.parametrize(
    "content_type",
    ["text/plain; charset=utf-8", "application/octet-stream", "application/jwk-set+json", None],
)
def test_key_sets_of_other_types(content_type: str | None) -> None:
    """A key set is accepted as plain text, as bytes, as a JWK Set and without a content type."""
    body = json.dumps({"keys": [jwk_of(RSA)]}).encode()
    headers = [] if content_type is None else [f"Content-Type: {content_type}"]
    with Issuer(behaviour=answer(200, body, *headers)) as issuer:
        assert issuer.verifier().verify(issuer.token(RSA)).kid == "k"


@pytest.mark.parametrize(
    "behaviour",
    [
        answer(200, b"<html>", "Content-Type: text/html"),
        answer(200, b"<html>", "Content-Type: text/plain"),
        json_answer(404, {}),
        json_answer(200, {"key": []}),
        json_answer(500, {}),
    ],
)
def test_the_issuer_is_blamed_not_okta(behaviour: Any) -> None:
    """The message about an unreadable key set names the issuer's host, not Okta."""
    with Issuer(behaviour=behaviour) as issuer:
        with pytest.raises(HookVerificationError) as caught:
            issuer.verifier().verify(issuer.token(RSA))
        assert issuer.url in str(caught.value)
        assert "Okta" not in str(caught.value)


def test_the_same_key_twice() -> None:
    """Identical keys under one kid count as one key.

    Different keys under one kid and algorithm are not used at all.
    """
    other = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    with Issuer(jwk_of(RSA), jwk_of(RSA)) as issuer:
        assert issuer.verifier().verify(issuer.token(RSA)).kid == "k"
    assert StaticKeys.from_jwks({"keys": [jwk_of(RSA), jwk_of(RSA)]}).get("k").kid == "k"
    with Issuer(jwk_of(RSA), jwk_of(other), jwk_of(KEYS["ES256"])) as issuer:
        verifier = issuer.verifier(algorithms=["RS256", "ES256"])
        assert verifier.verify(issuer.token(KEYS["ES256"], "ES256")).kid == "k"
        for key in (RSA, other):
            with pytest.raises(HookVerificationError):
                verifier.verify(issuer.token(key))


@pytest.mark.parametrize("order", [("RS256", "ES256"), ("ES256", "RS256")])
def test_two_kinds_of_key_under_one_kid(order: tuple[str, str]) -> None:
    """The token's ``alg`` selects between two keys with one kid (RFC 7517 section 4.5)."""
    documents = [jwk_of(KEYS[name]) for name in order]
    with Issuer(*documents) as issuer:
        static = HookVerifier(
            StaticKeys.from_jwks({"keys": documents}),
            issuer=issuer.url,
            audience="api://hooks",
            algorithms=["RS256", "ES256"],
        )
        for verifier in (issuer.verifier(algorithms=["RS256", "ES256"]), static):
            for name in order * 2:
                token = issuer.token(KEYS[name], name)
                assert verifier.verify(token).header["alg"] == name
                assert asyncio.run(verifier.averify(token)).header["alg"] == name
        with pytest.raises(HookVerificationError):  # the other kind is not allowed here
            issuer.verifier().verify(issuer.token(KEYS["ES256"], "ES256"))


def test_keys_for_encryption_are_ignored() -> None:
    """``StaticKeys`` ignores keys for encryption (RFC 7517 section 5)."""
    enc = {**jwk_of(KEYS["ES256"]), "use": "enc", "kid": "enc"}
    keys = StaticKeys.from_jwks({"keys": [enc, jwk_of(RSA)]})
    assert repr(keys) == "StaticKeys('k')"


def test_tokens_without_a_kid() -> None:
    """A token without a kid is refused with a hint at ``default_kid``, which then accepts it."""
    with Issuer(jwk_of(RSA)) as issuer:
        claims = {"iss": issuer.url, "aud": "api://hooks"}
        token = signed(RSA, "RS256", claims)
        with pytest.raises(HookVerificationError, match="default_kid="):
            issuer.verifier().verify(token)
        assert issuer.verifier(default_kid="k").verify(token).kid == "k"


# --- clients of the token endpoint

SECRET = "s3cret of+the %client: é"


@pytest.fixture
def token_url() -> Iterator[Callable[..., str]]:
    """Return a function that serves a ``TokenEndpoint`` and returns its URL."""
    servers = []

    def served(**options: Any) -> str:
        app = Flask(__name__)
        server = wsgi_server(app)
        url = f"http://127.0.0.1:{server.__enter__()}/token"
        servers.append(server)
        verifier = HookVerifier.for_client_assertion(
            StaticKeys.from_jwk(jwk_of(RSA)),
            client_id=CLIENT_ID,
            token_url=url,
            replay=MemoryReplayStore(single_process=True),
            **options,
        )
        tokens = TokenEndpoint(
            [verifier, ClientSecret("0oasecret", SECRET)],
            signing_key=SigningKey.generate(),
            issuer=ISSUER,
            audience="api://hooks",
            scopes=["hooks"],
        )
        app.post("/token")(serve(tokens))
        return url

    yield served
    for server in servers:
        server.__exit__(None, None, None)


GRANT = {"grant_type": "client_credentials"}


def basic(client_id: str, secret: str) -> dict[str, str]:
    return {"Authorization": "Basic " + b64encode(f"{client_id}:{secret}".encode()).decode()}


@pytest.mark.parametrize("encode", [quote, quote_plus, str])
def test_a_secret_by_http_basic(
    token_url: Callable[..., str], encode: Callable[[str], str]
) -> None:
    """A secret in HTTP Basic is accepted with and without encoding.

    RFC 6749 section 2.3.1 requires the encoding, but many clients omit it.
    """
    url = token_url()
    headers = basic("0oasecret", encode(SECRET))
    got = requests.post(url, data=GRANT, headers=headers, timeout=5)
    assert got.json()["token_type"] == "Bearer"
    same = {**GRANT, "client_id": "0oasecret"}
    assert requests.post(url, data=same, headers=headers, timeout=5).status_code == 200


@pytest.mark.parametrize(
    ("form", "headers", "status", "error"),
    [
        ({}, basic("0oasecret", "wrong"), 401, "invalid_client"),
        ({}, basic("0oaother", SECRET), 401, "invalid_client"),
        ({}, basic(CLIENT_ID, ""), 401, "invalid_client"),
        ({}, {"Authorization": "Basic !"}, 401, "invalid_client"),
        ({}, {"Authorization": "Bearer x"}, 401, "invalid_client"),
        ({"client_id": "0oaother"}, basic("0oasecret", SECRET), 401, "invalid_client"),
        ({"client_secret": SECRET}, basic("0oasecret", SECRET), 400, "invalid_request"),
        ({"client_assertion": "a.b.c"}, basic("0oasecret", SECRET), 400, "invalid_request"),
    ],
)
def test_http_basic_that_is_refused(
    token_url: Callable[..., str],
    form: dict[str, str],
    headers: dict[str, str],
    status: int,
    error: str,
) -> None:
    """A wrong secret gets 401 with a challenge, and two methods at once get 400.

    RFC 6749 section 2.3 allows only one authentication method per request.
    """
    got = requests.post(token_url(), data={**GRANT, **form}, headers=headers, timeout=5)
    assert (got.status_code, got.json()["error"]) == (status, error)
    assert (status == 401) is ("WWW-Authenticate" in got.headers)
    assert SECRET not in got.text


def test_an_assertion_for_the_issuer(token_url: Callable[..., str]) -> None:
    """An assertion for the issuer is accepted only if that audience is configured.

    openid-client and oauth4webapi use this audience.
    """
    for options, audiences in (
        ({}, {"url"}),
        ({"audiences": [ISSUER]}, {"url", "issuer", "both"}),
    ):
        url = token_url(**options)
        for name, audience in {
            "url": url,
            "issuer": ISSUER,
            "both": [ISSUER, url],
            "more": [url, "https://other.example"],
            "twice": [url, url],
        }.items():
            claims = {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": audience}
            form = {
                **GRANT,
                "client_assertion_type": ASSERTION_TYPE,
                "client_assertion": signed(RSA, "RS256", claims, kid="k"),
            }
            got = requests.post(url, data=form, timeout=5)
            assert (got.status_code == 200) is (name in audiences), (name, options, got.text)


def test_a_source_is_asked_for_the_algorithm(okta: OktaEmulator) -> None:
    """``HookKeys.get`` takes ``algorithm``, which makes no difference where a kid has one key."""
    key_id = okta.create_key("one")["keyId"]
    app = ServiceApp(okta.url, okta.create_service_app(jwk_of(RSA)), RSA)
    with HookKeys(okta.url, app) as keys:
        assert keys.get(key_id, algorithm="ES256") is keys.get(key_id)
