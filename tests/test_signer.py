"""HookSigner: it signs client assertions as Okta does, and any other token for tests."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from freezegun import freeze_time

from hookkey_verify import HookSigner, PublicKey
from hookkey_verify.errors import ConfigurationError
from tests.conftest import CLIENT_ID, TOKEN_URL, KeyPool


def _decode(signer: HookSigner, token: str) -> dict[str, Any]:
    return jwt.decode_complete(
        token,
        jwt.PyJWK(signer.public_jwk()),
        algorithms=["RS256"],
        options={"verify_aud": False, "verify_exp": False, "verify_iat": False},
    )


@freeze_time("2026-11-23T12:00:00Z")
def test_client_assertion(signer: HookSigner) -> None:
    """An assertion has the claims that Okta requires, with times from the wall clock."""
    token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL, lifetime=120)
    decoded = _decode(signer, token)
    claims = decoded["payload"]
    assert decoded["header"] == {"alg": "RS256", "typ": "JWT", "kid": signer.kid}
    assert (claims["iss"], claims["sub"], claims["aud"]) == (CLIENT_ID, CLIENT_ID, TOKEN_URL)
    assert (claims["iat"], claims["exp"]) == (1795435200, 1795435320)
    assert len(claims["jti"]) == 36


def test_every_assertion_has_its_own_jti(signer: HookSigner) -> None:
    """Assertions that are signed within one second are all different."""
    tokens = {signer.client_assertion(client_id="c", token_url="t") for _ in range(20)}
    assert len(tokens) == 20


def test_sign_adds_nothing(signer: HookSigner) -> None:
    """``sign`` leaves claims unchanged and merges headers; None removes a header."""
    claims = {"exp": "tomorrow", "aud": [1, None], "ä": {"b": 1.5}}
    decoded = jwt.api_jws.PyJWS().decode_complete(
        signer.sign(claims, headers={"typ": None, "cty": "x", "kid": "other"}),
        jwt.PyJWK(signer.public_jwk()),
        algorithms=["RS256"],
    )
    assert decoded["header"] == {"alg": "RS256", "kid": "other", "cty": "x"}
    assert decoded["payload"].decode() == '{"exp":"tomorrow","aud":[1,null],"\\u00e4":{"b":1.5}}'


def test_generate() -> None:
    """``generate`` makes a key of 2048 bits with a random kid, or with the given kid."""
    first, named = HookSigner.generate(), HookSigner.generate("mine")
    assert len(first.kid) == 36
    assert named.kid == "mine"
    assert first.public_jwk()["n"] != named.public_jwk()["n"]
    assert PublicKey.from_document(first.public_jwk(), expected_kid=first.kid).kid == first.kid


def _pem(key: Any, *, password: bytes | None = None) -> bytes:
    encryption: Any = serialization.NoEncryption()
    if password:
        encryption = serialization.BestAvailableEncryption(password)
    kinds = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return bytes(key.private_bytes(*kinds, encryption))


def test_pem(key_pool: KeyPool) -> None:
    """A key object and its unencrypted PEM, as text or bytes, give the same public JWK."""
    key = key_pool()
    jwks = [HookSigner(k, "k").public_jwk() for k in (key, _pem(key), _pem(key).decode())]
    assert jwks[0] == jwks[1] == jwks[2]


RSA_1024 = rsa.generate_private_key(public_exponent=65537, key_size=1024)


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        (None, "must be a private key"),
        ("", "must be a private key"),
        ("\ud800", "must be a private key"),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----", "must be a private key"),
        (ec.generate_private_key(ec.SECP256K1()), "must be a private key"),
        (_pem(ec.generate_private_key(ec.SECP256K1())), "must be a private key"),
        (_pem(RSA_1024, password=b"secret"), "unencrypted"),
        (RSA_1024, "2048 bits"),
        (RSA_1024.public_key(), "must be a private key"),
    ],
    ids=["None", "empty", "surrogate", "rubbish", "EC", "EC PEM", "encrypted", "1024", "public"],
)
def test_bad_private_key(key: Any, problem: str) -> None:
    """An unsuitable private key is refused, and the message says what to pass."""
    with pytest.raises(ConfigurationError, match=problem):
        HookSigner(key, "kid")


@pytest.mark.parametrize("kid", ["", "a\n", "é", "k" * 256, None, 5])
def test_bad_kid(key_pool: KeyPool, kid: Any) -> None:
    """A kid that verifiers would refuse is refused."""
    with pytest.raises(ConfigurationError, match="kid"):
        HookSigner(key_pool(), kid)


@pytest.mark.parametrize("bits", [1024, 2047, 8193, "2048", True])
def test_bad_size(bits: Any) -> None:
    """``generate`` refuses sizes outside 2048 to 8192 bits."""
    with pytest.raises(ConfigurationError, match="bits"):
        HookSigner.generate(bits=bits)


@pytest.mark.parametrize(
    ("arguments", "name"),
    [
        ({"client_id": ""}, "client_id"),
        ({"client_id": None}, "client_id"),
        ({"token_url": " "}, "token_url"),
        ({"lifetime": 0}, "lifetime"),
        ({"lifetime": -1}, "lifetime"),
        ({"lifetime": float("nan")}, "lifetime"),
        ({"lifetime": float("inf")}, "lifetime"),
        ({"lifetime": "60"}, "lifetime"),
        ({"lifetime": True}, "lifetime"),
    ],
    ids=repr,
)
def test_bad_assertion_arguments(signer: HookSigner, arguments: dict[str, Any], name: str) -> None:
    """The message for an invalid argument names it."""
    with pytest.raises(ConfigurationError, match=name):
        signer.client_assertion(**{"client_id": "c", "token_url": "t", **arguments})


@pytest.mark.parametrize(
    ("claims", "headers", "problem"),
    [
        ({"a": float("nan")}, None, "claims cannot"),
        ({"a": object()}, None, "claims cannot"),
        ({"a": {1, 2}}, None, "claims cannot"),
        (5, None, "claims and"),
        ([], None, "must be mappings"),
        ({}, {"alg": "HS256"}, "alg"),
        ({}, {"x": b"x"}, "headers cannot"),
        ({}, 5, "headers must"),
    ],
)
def test_what_cannot_be_signed(signer: HookSigner, claims: Any, headers: Any, problem: str) -> None:
    """Claims and headers that are not JSON, and a changed alg, raise a ConfigurationError."""
    with pytest.raises(ConfigurationError, match=problem):
        signer.sign(claims, headers=headers)


def test_circular_claims(signer: HookSigner) -> None:
    """Claims that contain themselves raise a ConfigurationError."""
    claims: dict[str, Any] = {}
    claims["self"] = claims
    with pytest.raises(ConfigurationError, match="claims cannot"):
        signer.sign(claims)


def test_the_private_key_stays_inside(signer: HookSigner) -> None:
    """The private key is not in the repr, and a signer cannot be pickled or copied."""
    assert repr(signer) == f"HookSigner(kid={signer.kid!r})"
    for leave in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(ConfigurationError, match="private key"):
            leave(signer)
    assert "d" not in signer.public_jwk()
