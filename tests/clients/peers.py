"""The peers that the clients are tested with: a local org, a token endpoint, a JWKS bridge."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from hookkey_verify import (
    ApiToken,
    HookKeysClient,
    HookVerifier,
    IssuerKeys,
    StaticKeys,
    TokenEndpoint,
    asgi,
    wsgi,
)
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import HookKeyError
from hookkey_verify.jwks_bridge import JwksBridge, JwksEndpoint
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.signing_key import SigningKey
from hookkey_verify.token_endpoint import ClientSecret

from ..servers import asgi_server, wsgi_server

__all__ = ["peers"]

AUDIENCE = "api://hooks"
SCOPES = ["hooks"]
API_SCOPES = ["okta.inlineHooks.read", "okta.inlineHooks.manage"]
TOKEN_CLIENT, SECRET_CLIENT = "0oa1tokenclient4x7", "0oa1secretclient4x"
SECRET, SERVER_SECRET = "a-client_secret", "a+secret_of the server%"
"""Secrets that form encoding changes (RFC 6749 section 2.3.1)."""

App = Callable[[dict[str, Any], Any], Iterable[bytes]]


@contextmanager
def peers() -> Iterator[dict[str, Any]]:
    """Start the peers and yield the configuration for the clients, as JSON-compatible values."""
    with ExitStack() as stack:
        okta = stack.enter_context(OktaEmulator())
        routes = _Routes()
        base = f"http://127.0.0.1:{stack.enter_context(wsgi_server(routes))}"
        key = okta.create_key("Token hook")
        keys_client = stack.enter_context(HookKeysClient(okta.url, ApiToken(okta.api_token)))
        bridge = stack.enter_context(asgi_server(asgi.serve(JwksBridge(keys_client))))
        routes.apps["/verify"] = _verify
        yield {
            "org": _org(okta, key),
            "server": _server(okta, base, routes),
            "tokenEndpoint": _token_endpoint(base, routes),
            "bridge": {
                "jwks": f"http://127.0.0.1:{bridge}/.well-known/jwks.json",
                "assertion": okta.signer(key["keyId"]).client_assertion(
                    client_id=TOKEN_CLIENT, token_url=f"{base}/token"
                ),
                "clientId": TOKEN_CLIENT,
            },
            "verify": f"{base}/verify",
        }


def _org(okta: OktaEmulator, key: Mapping[str, Any]) -> dict[str, Any]:
    """Set up the management API: inline hooks, hook keys, and the credentials to read them."""
    uri = "https://acme.com/hook"
    okta.create_hook(uri, name="With a key", key=key, client_id="0oa1hookclient4x7")
    okta.create_hook(uri, name="With a secret", client_secret=SERVER_SECRET, client_id="0oa1other")
    okta.create_hook(uri, name="With a header", secret=("X-Secret", "s3cret"))
    return {
        "url": okta.url,
        "apiToken": okta.api_token,
        "scopes": API_SCOPES,
        "inlineHooks": ["With a key", "With a secret", "With a header"],
        "hookKeys": ["Token hook"],
        "bearerApp": _app(okta, _rsa_key(), API_SCOPES),
        "dpopApp": _app(okta, _rsa_key(), API_SCOPES, dpop=True),
    }


def _server(okta: OktaEmulator, base: str, routes: _Routes) -> dict[str, Any]:
    """Set up the custom authorization server and a hook that accepts its access tokens."""
    verifier = HookVerifier.for_access_token(
        IssuerKeys(okta.issuer), audience=AUDIENCE, client_id=None, scopes=SCOPES
    )
    routes.apps["/server-hook"] = wsgi.HookMiddleware(_accepted, verifier)
    return {
        "issuer": okta.issuer,
        "audience": AUDIENCE,
        "scope": " ".join(SCOPES),
        "hook": f"{base}/server-hook",
        "rsaApp": _app(okta, _rsa_key(), SCOPES),
        "ecApp": _app(okta, _ec_key(), SCOPES),
        "secretApp": {"clientId": "0oa1other", "secret": SERVER_SECRET},
        "accessToken": okta.access_token("0oa1hookclient4x7"),
    }


def _token_endpoint(base: str, routes: _Routes) -> dict[str, Any]:
    """Set up a ``TokenEndpoint`` with a client of each kind, its JWK Set, and a protected hook."""
    key = _rsa_key()
    tokens = TokenEndpoint(
        [_assertions(key, base), ClientSecret(SECRET_CLIENT, SECRET)],
        signing_key=SigningKey.generate(),
        issuer=base,
        audience=AUDIENCE,
        scopes=SCOPES,
    )
    routes.apps["/token"] = wsgi.serve(tokens)
    routes.apps["/jwks"] = wsgi.serve(JwksEndpoint(tokens.jwks))
    routes.apps["/hook"] = wsgi.HookMiddleware(_accepted, tokens.verifier)
    return {
        "url": f"{base}/token",
        "issuer": base,
        "jwks": f"{base}/jwks",
        "hook": f"{base}/hook",
        "audience": AUDIENCE,
        "scope": " ".join(SCOPES),
        "keyClient": _credentials(TOKEN_CLIENT, key),
        "secretClient": {"clientId": SECRET_CLIENT, "secret": SECRET},
    }


def _assertions(key: rsa.RSAPrivateKey, base: str) -> HookVerifier:
    """Return a verifier that accepts assertions for the token URL and for the issuer."""
    return HookVerifier.for_client_assertion(
        StaticKeys.from_jwk({**_jwk(key.public_key()), "use": "sig", "alg": "RS256"}),
        client_id=TOKEN_CLIENT,
        token_url=f"{base}/token",
        audiences=[base],
        replay=MemoryReplayStore(single_process=True),
    )


def _app(okta: OktaEmulator, key: Any, scopes: list[str], *, dpop: bool = False) -> dict[str, Any]:
    """Register a service app."""
    client_id = okta.create_service_app(_jwk(key.public_key()), scopes, dpop=dpop)
    return _credentials(client_id, key)


def _credentials(client_id: str, key: Any) -> dict[str, Any]:
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    return {"clientId": client_id, "kid": _KID, "jwk": _jwk(key), "pem": pem.decode()}


_KID = "a-key"


def _jwk(key: Any) -> dict[str, str]:
    """Return the JWK of a private or public key, RSA or EC."""
    is_rsa = isinstance(key, rsa.RSAPrivateKey | rsa.RSAPublicKey)
    algorithm: Any = RSAAlgorithm if is_rsa else ECAlgorithm
    members = json.loads(algorithm.to_jwk(key))
    members.pop("key_ops", None)
    return {**members, "kid": _KID}


def _rsa_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


class _Routes:
    """A WSGI application that routes paths to others, which may be added while it runs."""

    def __init__(self) -> None:
        self.apps: dict[str, App] = {}

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        app = self.apps.get(environ["PATH_INFO"])
        if app is None:
            return _answer(start_response, "404 Not Found", "there is nothing here")
        return app(environ, start_response)


def _accepted(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    return _answer(start_response, "200 OK", environ[wsgi.HOOK].client_id or "")


def _verify(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    """Verify a token of the issuer that the JSON body names, with ``IssuerKeys``."""
    request = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    try:
        with IssuerKeys(request["issuer"], discover=True) as keys:
            verifier = HookVerifier.for_access_token(
                keys,
                audience=request["audience"],
                client_id=request["clientId"],
                scopes=request["scope"].split(),
                algorithms=[request["algorithm"]],
            )
            verifier.verify(request["token"])
    except HookKeyError as error:
        return _answer(start_response, "401 Unauthorized", f"{error.reason}: {error}")
    return _answer(start_response, "200 OK", "good")


def _answer(start_response: Any, status: str, text: str) -> list[bytes]:
    start_response(status, [("Content-Type", "text/plain")])
    return [text.encode()]
