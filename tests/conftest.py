"""Fixtures shared by all tests: RSA keys made once, a signer, a verifier, a local org."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from hypothesis import settings

from hookkey_verify import HookSigner, HookVerifier, StaticKeys
from hookkey_verify.emulator import OktaEmulator

from . import django_site  # noqa: F401 - must precede every other Django import

if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # set for a shell's background jobs
    signal.signal(signal.SIGINT, signal.default_int_handler)  # children inherit it

CLIENT_ID = "0oa1qz8hookclient4x7"
TOKEN_URL = "https://hooks.acme.com/oauth2/token"

settings.register_profile("default", deadline=None)
settings.load_profile("default")


def _new_key() -> RSAPrivateKey:
    return generate_private_key(public_exponent=65537, key_size=2048)


class KeyPool:
    """A rotating pool of RSA keys. Generating one takes 0.1 s; tests only need distinct keys."""

    def __init__(self, size: int) -> None:
        self._keys = [_new_key() for _ in range(size)]
        self._next = 0

    def __call__(self) -> RSAPrivateKey:
        self._next += 1
        return self._keys[self._next % len(self._keys)]


@pytest.fixture(scope="session")
def key_pool() -> KeyPool:
    return KeyPool(3)


@pytest.fixture(scope="session")
def signer(key_pool: KeyPool) -> HookSigner:
    return HookSigner(key_pool(), "5f4b1d0e-0000-4000-8000-00000000a11c")


@pytest.fixture(scope="session")
def stranger(signer: HookSigner) -> HookSigner:
    """A different key under the signer's kid; the pool could return the signer's own key."""
    return HookSigner(_new_key(), signer.kid)


@pytest.fixture
def app_key(key_pool: KeyPool) -> HookSigner:
    """The key of a service app."""
    return HookSigner(key_pool(), "app-key")


@pytest.fixture(scope="session")
def keys(signer: HookSigner) -> StaticKeys:
    return StaticKeys.from_jwk(signer.public_jwk())


@pytest.fixture(scope="session")
def verifier(keys: StaticKeys) -> HookVerifier:
    return HookVerifier.for_client_assertion(keys, client_id=CLIENT_ID, token_url=TOKEN_URL)


@pytest.fixture
def okta(key_pool: KeyPool) -> Iterator[OktaEmulator]:
    """A fresh local org over real HTTP."""
    with OktaEmulator(new_key=key_pool) as emulator:
        yield emulator
