"""Fixtures for the tests of keys: states, a cache, an org over HTTP."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from hookkey_verify import ApiToken, HookKeys, HookSigner
from hookkey_verify.emulator import OktaEmulator

from ..faults import ManualClock
from . import controlled_fetches, faulty_org
from .controlled_fetches import KeyCache, Source
from .play import Play


@pytest.fixture
def no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Random jitter always has its maximum value, so that boundaries are exact."""
    monkeypatch.setattr(random.SystemRandom, "uniform", lambda _, least, most: most)


@pytest.fixture
def play() -> Play:
    return Play()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def source(signer: HookSigner) -> Source:
    return Source(signer.public_jwk())


@pytest.fixture
def cache(source: Source, clock: ManualClock) -> KeyCache:
    return KeyCache(source, controlled_fetches.POLICY, clock=clock, age_clock=clock)


@pytest.fixture
def key_id(okta: OktaEmulator) -> str:
    return str(okta.create_key("one")["keyId"])


@pytest.fixture
def org_keys(okta: OktaEmulator, clock: ManualClock) -> Iterator[HookKeys]:
    credentials, policy = ApiToken(okta.api_token), faulty_org.POLICY
    with HookKeys(okta.url, credentials, policy=policy, clock=clock) as keys:
        yield keys
