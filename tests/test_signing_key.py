"""SigningKey: the keys it accepts, and its signatures, checked with two other libraries."""

from __future__ import annotations

import copy
import json
import pickle
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed448, ed25519, rsa
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet

from hookkey_verify import ConfigurationError
from hookkey_verify._jose.encoding import base64url_decode
from hookkey_verify.signing_key import SigningKey

ALGORITHMS = ("ES256", "EdDSA", "RS256")


def pem(key: Any, password: bytes | None = None) -> bytes:
    secret: Any = serialization.NoEncryption()
    if password:
        secret = serialization.BestAvailableEncryption(password)
    encoded: bytes = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, secret
    )
    return encoded


@pytest.mark.filterwarnings("ignore::joserfc.errors.SecurityWarning")  # for EdDSA (RFC 9864)
@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_two_judges(algorithm: Any) -> None:
    """PyJWT and joserfc verify a token with its public JWK; PyJWT refuses another key."""
    key = SigningKey.generate(algorithm)
    jwk: dict[str, Any] = {**key.public_key.as_jwk()}
    for number in range(20):  # one in 256 values of r or s begins with a zero byte
        token = key.sign(json.dumps({"n": number}).encode()).decode()
        assert jwt.decode(token, jwt.PyJWK(jwk), algorithms=[algorithm]) == {"n": number}
        allowed = [algorithm]
        decoded = joserfc_jwt.decode(
            token, KeySet.import_key_set({"keys": [jwk]}), algorithms=allowed
        )
        assert decoded.claims == {"n": number}
    header = jwt.get_unverified_header(token)
    assert header == {"alg": algorithm, "typ": "at+jwt", "kid": key.public_key.thumbprint}
    other = SigningKey.generate(algorithm).public_key.as_jwk()
    with pytest.raises(jwt.InvalidSignatureError):
        jwt.decode(token, jwt.PyJWK(other), algorithms=[algorithm])


def test_es256_signatures_are_64_bytes() -> None:
    """An ES256 signature has 64 bytes, even if r or s begins with zeros, which DER omits."""
    key = SigningKey.generate("ES256")
    short = 0
    for number in range(2_000):
        signing_input, _, encoded = key.sign(b"%d" % number).rpartition(b".")
        signature = base64url_decode(encoded)
        assert len(signature) == 64
        assert key.public_key.verify(signature, signing_input)
        short += 0 in (signature[0], signature[32])
    assert short > 0


def test_the_same_key_has_the_same_kid(tmp_path: Path) -> None:
    """Without a given kid, the kid is the same for a key object, its PEM and its file."""
    private = ec.generate_private_key(ec.SECP256R1())
    path = tmp_path / "key.pem"
    path.write_bytes(pem(private))
    keys = [
        SigningKey(private),
        SigningKey(pem(private)),
        SigningKey(pem(private).decode()),
        SigningKey.from_file(path),
    ]
    assert len({key.kid for key in keys}) == 1
    assert SigningKey.from_file(path, "2026").kid == "2026"
    assert SigningKey(private, "2026").public_key.kid == "2026"


@pytest.mark.parametrize(
    "key",
    [
        None,
        5,
        "",
        b"no PEM",
        pem(ec.generate_private_key(ec.SECP384R1())),
        ec.generate_private_key(ec.SECP256K1()),
        pem(ed448.Ed448PrivateKey.generate()),
        pem(dsa.generate_private_key(2048)),
        pem(ed25519.Ed25519PrivateKey.generate(), b"password"),
        rsa.generate_private_key(public_exponent=65537, key_size=1024),
        rsa.generate_private_key(public_exponent=3, key_size=2048),
        ed25519.Ed25519PrivateKey.generate().public_key(),
    ],
    ids=lambda key: type(key).__name__,
)
def test_what_is_no_key(key: Any, tmp_path: Path) -> None:
    """An unsuitable key is refused; if it is from a file, the message names the file."""
    with pytest.raises(ConfigurationError, match="private_key must be"):
        SigningKey(key)
    path = tmp_path / "bad.pem"
    path.write_bytes(key if isinstance(key, bytes) else b"")
    with pytest.raises(ConfigurationError, match=r"bad\.pem: private_key must be"):
        SigningKey.from_file(path)


def test_other_arguments(tmp_path: Path) -> None:
    """Other invalid arguments are refused, and the message names them."""
    for kid in ("", "\n", 5, "x" * 256):
        with pytest.raises(ConfigurationError, match="kid must be"):
            SigningKey(ed25519.Ed25519PrivateKey.generate(), kid)  # type: ignore[arg-type]
    for algorithm in ("HS256", "none", "", None):
        with pytest.raises(ConfigurationError, match="algorithm must be"):
            SigningKey.generate(algorithm)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="absent cannot be read"):
        SigningKey.from_file(tmp_path / "absent")


def test_it_stays_private() -> None:
    """The key is not in the repr, and a SigningKey cannot be pickled or copied."""
    key = SigningKey.generate()
    assert repr(key) == f"SigningKey(ES256, kid={key.kid!r})"
    for leak in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(ConfigurationError, match="private"):
            leak(key)
