"""The other libraries, each set up for the same verification, as its documentation describes.

Each verifies an RS256 token: it finds the key by its kid among keys in memory, accepts RS256 only,
and checks iss, aud and exp with a leeway of a minute. Some libraries support fewer checks. A
library that is not installed raises ImportError: ``pip install 'hookkey_verify[bench]'``.
"""

from __future__ import annotations

import importlib.metadata
import json
import warnings
from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import Any

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hookkey_verify import HookSigner

__all__ = ["AUDIENCE", "ISSUER", "NATIVE", "OKTA_ISSUER", "PEERS", "available"]

ISSUER, AUDIENCE = "0oa1qz8hookclient4x7", "https://hooks.acme.com/oauth2/token"
OKTA_ISSUER = "https://acme.okta.com/oauth2/aus1"
LEEWAY = 60

Verify = Callable[[], object]


def _pyjwt(signer: HookSigner, token: str) -> Verify:
    import jwt

    keys = {signer.kid: jwt.PyJWK(signer.public_jwk())}

    def verify() -> object:
        key = keys[jwt.get_unverified_header(token)["kid"]]
        return jwt.decode(
            token, key, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER, leeway=LEEWAY
        )

    return verify


def _pyjwt_client(signer: HookSigner, token: str) -> Verify:
    import jwt

    client = jwt.PyJWKClient("https://acme.okta.com/keys", lifespan=10**6)
    client.fetch_data = lambda: {"keys": [signer.public_jwk()]}  # type: ignore[method-assign]
    client.jwk_set_cache.put({"keys": [signer.public_jwk()]})  # type: ignore[union-attr]

    def verify() -> object:
        key = client.get_signing_key_from_jwt(token)
        return jwt.decode(
            token, key, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER, leeway=LEEWAY
        )

    return verify


def _joserfc(signer: HookSigner, token: str) -> Verify:
    from joserfc import jwt
    from joserfc.jwk import KeySet

    keys = KeySet.import_key_set({"keys": [signer.public_jwk()]})  # type: ignore[list-item]
    rules = jwt.JWTClaimsRegistry(
        leeway=LEEWAY,
        iss={"essential": True, "value": ISSUER},
        aud={"essential": True, "value": AUDIENCE},
        exp={"essential": True},
    )

    def verify() -> object:
        decoded = jwt.decode(token, keys, algorithms=["RS256"])
        rules.validate(decoded.claims)
        return decoded

    return verify


def _authlib(signer: HookSigner, token: str) -> Verify:
    import authlib.deprecate  # noqa: F401 - installs a warning filter

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # authlib.jose is deprecated in favor of joserfc
        from authlib.jose import JsonWebKey, JsonWebToken

    keys = JsonWebKey.import_key_set({"keys": [signer.public_jwk()]})
    reader = JsonWebToken(["RS256"])
    rules = {
        "iss": {"essential": True, "value": ISSUER},
        "aud": {"essential": True, "value": AUDIENCE},
        "exp": {"essential": True},
    }

    def verify() -> object:
        claims = reader.decode(token, keys, claims_options=rules)
        claims.validate(leeway=LEEWAY)
        return claims

    return verify


def _google_auth(signer: HookSigner, token: str) -> Verify:
    from google.auth import jwt

    pem = signer._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    keys = {signer.kid: pem}

    def verify() -> object:
        claims = jwt.decode(token, keys, audience=AUDIENCE, clock_skew_in_seconds=LEEWAY)
        assert claims["iss"] == ISSUER
        return claims

    return verify


def _python_jose(signer: HookSigner, token: str) -> Verify:
    from jose import jwk, jwt

    keys = {signer.kid: jwk.construct(signer.public_jwk())}

    def verify() -> object:
        key = keys[jwt.get_unverified_header(token)["kid"]]
        options = {"leeway": LEEWAY, "require_exp": True}
        return jwt.decode(
            token, key, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER, options=options
        )

    return verify


def _jwcrypto(signer: HookSigner, token: str) -> Verify:
    from jwcrypto import jwk, jwt

    keys = jwk.JWKSet()
    keys.add(jwk.JWK(**signer.public_jwk()))
    rules = {"iss": ISSUER, "aud": AUDIENCE, "exp": None}

    def verify() -> object:
        checked = jwt.JWT(algs=["RS256"], check_claims=rules)
        checked.leeway = LEEWAY
        checked.deserialize(token, keys)
        return checked.claims

    return verify


def _okta_jwt_verifier(signer: HookSigner, token: str) -> Verify:
    from okta_jwt_verifier import BaseJWTVerifier

    class Verifier(BaseJWTVerifier):  # type: ignore[misc]
        def get_jwk_sync(self, kid: str) -> Any:  # the original uses an HTTP cache
            return keys[kid]

    del token  # the library requires a URL as the issuer
    keys = {signer.kid: signer.public_jwk()}
    own = signer.sign(_claims(signer, iss=OKTA_ISSUER))
    verifier = Verifier(issuer=OKTA_ISSUER, audience=AUDIENCE, leeway=LEEWAY)
    return lambda: verifier.verify_access_token_sync(own)


def _atlassian(signer: HookSigner, token: str) -> Verify:
    from atlassian_jwt_auth import JWTAuthVerifier
    from atlassian_jwt_auth.key import BasePublicKeyRetriever

    class Keys(BasePublicKeyRetriever):  # type: ignore[misc]
        def retrieve(self, key_identifier: Any, **_: Any) -> Any:
            return keys[key_identifier.key_id]

    del token  # the library requires a kid that begins with the issuer
    kid = f"{ISSUER}/key"
    pem = signer._key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    keys = {kid: pem.decode()}
    own = signer.sign(_claims(signer), headers={"kid": kid})
    verifier = JWTAuthVerifier(Keys())
    return lambda: verifier.verify_jwt(own, AUDIENCE, leeway=LEEWAY)


def _oxyjwt(signer: HookSigner, token: str) -> Verify:
    import oxyjwt

    keys = oxyjwt.PyJWKSet.from_dict({"keys": [signer.public_jwk()]})

    def verify() -> object:
        key = keys[oxyjwt.get_unverified_header(token)["kid"]].key
        return oxyjwt.decode(
            token, key, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER, leeway=LEEWAY
        )

    return verify


def _ryjwt(signer: HookSigner, token: str) -> Verify:
    import ryjwt

    keys = ryjwt.PublicKey.from_jwks(
        {"keys": [signer.public_jwk()]}, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER
    )
    return lambda: keys.decode(token, leeway=LEEWAY)


def _claims(signer: HookSigner, **changes: Any) -> dict[str, Any]:
    token = signer.client_assertion(client_id=ISSUER, token_url=AUDIENCE, lifetime=3000)
    payload = token.split(".")[1]
    claims: dict[str, Any] = json.loads(urlsafe_b64decode(payload + "=="))
    return {**claims, **changes}


PEERS: dict[str, tuple[str, Callable[[HookSigner, str], Verify]]] = {
    "ryjwt": ("ryjwt", _ryjwt),
    "oxyjwt": ("oxyjwt", _oxyjwt),
    "Authlib": ("authlib", _authlib),
    "joserfc": ("joserfc", _joserfc),
    "google-auth": ("google-auth", _google_auth),
    "python-jose": ("python-jose", _python_jose),
    "PyJWT": ("pyjwt", _pyjwt),
    "PyJWT + PyJWKClient": ("pyjwt", _pyjwt_client),
    "jwcrypto": ("jwcrypto", _jwcrypto),
    "okta-jwt-verifier": ("okta-jwt-verifier", _okta_jwt_verifier),
    "atlassian-jwt-auth": ("atlassian-jwt-auth", _atlassian),
}
"""The name in the table: the distribution, and the function that prepares its verification."""

NATIVE = frozenset({"ryjwt", "oxyjwt"})
"""The libraries whose verification is not written in Python."""


def available(signer: HookSigner, token: str) -> tuple[dict[str, Verify], list[str]]:
    """Return the installed libraries by name and version, and the names of the missing ones."""
    found, missing = {}, []
    for name, (distribution, make) in PEERS.items():
        try:
            verify = make(signer, token)
            verify()
        except ImportError:
            missing.append(name)
            continue
        found[f"{name} {importlib.metadata.version(distribution)}"] = verify
    return found, missing
