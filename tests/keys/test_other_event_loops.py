"""Event loops other than asyncio's are refused with an error that says what to do."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest
import trio

from hookkey_verify import (
    ApiToken,
    ConfigurationError,
    HookKeys,
    HookSigner,
    HookVerifier,
    IssuerKeys,
)
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.guard import Guard, HttpRefusal
from hookkey_verify.valkey import ValkeyReplayStore

from ..conftest import CLIENT_ID, TOKEN_URL


def _issuer_keys(okta: OktaEmulator) -> IssuerKeys:
    return IssuerKeys(okta.issuer)


def _hook_keys(okta: OktaEmulator) -> HookKeys:
    return HookKeys(okta.url, ApiToken(okta.api_token))


@pytest.mark.parametrize("make", [_hook_keys, _issuer_keys])
def test_key_sources(okta: OktaEmulator, make: Callable[[OktaEmulator], Any]) -> None:
    """A cold look-up under trio raises ConfigurationError and sends no request."""
    with make(okta) as keys, pytest.raises(ConfigurationError, match="asyncio"):
        trio.run(keys.aget, "some-kid")
    assert not okta.requests


def test_the_replay_store() -> None:
    """A claim under trio raises the same error as a key source."""
    store = ValkeyReplayStore("valkey://127.0.0.1:1")
    with pytest.raises(ConfigurationError, match="asyncio"):
        trio.run(store.aclaim, "issuer", "jti", time.time() + 10)
    store.close()


def test_a_hook(okta: OktaEmulator, signer: HookSigner) -> None:
    """A guard answers 500 with the reason configuration, because a retry would not help."""
    token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    with _hook_keys(okta) as keys:
        guard = Guard(
            HookVerifier.for_client_assertion(keys, client_id=CLIENT_ID, token_url=TOKEN_URL)
        )
        answer = trio.run(guard.acheck, {"Authorization": f"Bearer {token}"})
    assert isinstance(answer, HttpRefusal)
    assert (answer.status, answer.error.reason) == (500, "configuration")
