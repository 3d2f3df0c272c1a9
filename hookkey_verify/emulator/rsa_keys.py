"""Generates and serializes the RSA keys of an org. Pure."""

from __future__ import annotations

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from ..errors import ConfigurationError

__all__ = ["from_pem", "new_rsa_key", "to_pem"]


def new_rsa_key() -> RSAPrivateKey:
    """Generate a key like Okta's."""
    return generate_private_key(public_exponent=65537, key_size=2048)


def to_pem(key: RSAPrivateKey) -> str:
    """Return the key as unencrypted PKCS #8."""
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def from_pem(pem: str) -> RSAPrivateKey:
    """Return the key from ``to_pem``. Raises ``ConfigurationError`` if it is broken."""
    try:
        # The file is ours: checking the primes again would delay the start of an org by seconds.
        key = load_pem_private_key(pem.encode(), None, unsafe_skip_rsa_key_validation=True)
    except ValueError:
        key = None
    if not isinstance(key, RSAPrivateKey):
        raise ConfigurationError("the state file has a broken private key")
    return key
