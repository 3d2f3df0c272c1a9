"""Authlib and joserfc: token requests, and verification with the JWK Set of ``JwksBridge``."""

from __future__ import annotations

import warnings
from typing import Any

import requests
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet
from report import CONFIG, call_hook, report

ENDPOINT, BRIDGE = CONFIG["tokenEndpoint"], CONFIG["bridge"]


def fetch(session: Any) -> None:
    """Get an access token and call the hook with it."""
    token = session.fetch_token(ENDPOINT["url"], grant_type="client_credentials")
    call_hook(ENDPOINT["hook"], token["access_token"])


def with_secret(**options: str) -> None:
    """Authenticate with a client secret."""
    client = ENDPOINT["secretClient"]
    fetch(OAuth2Session(client["clientId"], client["secret"], scope=ENDPOINT["scope"], **options))


def with_key() -> None:
    """Authenticate with a signed assertion."""
    client = ENDPOINT["keyClient"]
    session = OAuth2Session(
        client["clientId"],
        client["pem"],
        scope=ENDPOINT["scope"],
        token_endpoint_auth_method="private_key_jwt",
    )
    headers = {"kid": client["kid"]}
    session.register_client_auth_method(PrivateKeyJWT(ENDPOINT["url"], headers=headers))
    fetch(session)


def with_joserfc() -> None:
    """Verify an assertion with joserfc and the keys of the bridge."""
    keys = KeySet.import_key_set(requests.get(BRIDGE["jwks"], timeout=10).json())
    claims = joserfc_jwt.decode(BRIDGE["assertion"], keys, algorithms=["RS256"]).claims
    assert claims["sub"] == BRIDGE["clientId"]


def with_authlib() -> None:
    """Verify an assertion with ``authlib.jose`` and the keys of the bridge."""
    warnings.simplefilter("ignore")  # authlib.jose is deprecated in favor of joserfc
    from authlib.jose import JsonWebKey, jwt  # noqa: PLC0415

    keys = JsonWebKey.import_key_set(requests.get(BRIDGE["jwks"], timeout=10).json())
    assert jwt.decode(BRIDGE["assertion"], keys)["sub"] == BRIDGE["clientId"]


report(
    {
        "TokenEndpoint: client_secret_basic (default)": with_secret,
        "TokenEndpoint: client_secret_post": lambda: with_secret(
            token_endpoint_auth_method="client_secret_post"
        ),
        "TokenEndpoint: private_key_jwt": with_key,
        "JwksBridge: joserfc verifies an assertion": with_joserfc,
        "JwksBridge: authlib.jose verifies an assertion": with_authlib,
    }
)
