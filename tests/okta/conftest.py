"""Fixtures for the tests of the client for Okta's management API."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.okta import ApiToken, InlineHooksClient
from hookkey_verify.okta.client import HookKeysClient

from .rotations import Org, an_org


class Naps:
    """Records the waits that a client requests and announces, without waiting."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.announced: list[float] = []

    def options(self) -> dict[str, Any]:
        return {"sleep": self.slept.append, "on_wait": self.announced.append}


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture
def client(okta: OktaEmulator, naps: Naps) -> Iterator[HookKeysClient]:
    with HookKeysClient(okta.url, ApiToken(okta.api_token), **naps.options()) as made:
        yield made


@pytest.fixture
def hooks(okta: OktaEmulator, naps: Naps) -> Iterator[InlineHooksClient]:
    with InlineHooksClient(okta.url, ApiToken(okta.api_token), **naps.options()) as made:
        yield made


@pytest.fixture
def org(okta: OktaEmulator) -> Iterator[Org]:
    """A local org with a key to be rotated."""
    with an_org(okta) as made:
        yield made
