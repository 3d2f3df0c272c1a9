"""User code that must type-check, under mypy --strict and pyright."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, assert_type

from hookkey_verify import (
    ApiToken,
    BearerToken,
    CachePolicy,
    HookKeys,
    HookSigner,
    HookVerificationError,
    HookVerifier,
    PublicKey,
    StaticKeys,
    VerifiedHook,
)
from hookkey_verify.errors import Reason
from hookkey_verify.replay import MemoryReplayStore


def handler(hook: VerifiedHook) -> dict[str, Any]:
    """Handlers take the proof."""
    assert_type(hook.issuer, str | None)
    assert_type(hook.audience, tuple[str, ...])
    assert_type(hook.expires_at, float)
    assert_type(hook.claims, Mapping[str, Any])
    return {"client": hook.client_id, "scopes": list(hook.scopes)}


class OwnKeys:
    """A key source of one's own, without a base class."""

    def __init__(self, key: PublicKey) -> None:
        self._key = key

    def get(self, kid: str, *, deadline: float | None = None) -> PublicKey:
        """Return the key."""
        return self._key

    async def aget(self, kid: str, *, deadline: float | None = None) -> PublicKey:
        """Return the key."""
        return self._key

    def close(self) -> None:
        """Do nothing."""


def use(headers: dict[str, str], pairs: list[tuple[bytes, bytes]]) -> None:
    """The public names as the README uses them."""
    signer = HookSigner.generate()
    key = PublicKey.from_document(signer.public_jwk(), expected_kid=signer.kid)
    sources = (
        StaticKeys([key]),
        OwnKeys(key),
        HookKeys("https://acme.okta.com", ApiToken("t"), policy=CachePolicy(fresh_for=600)),
        HookKeys("https://acme.okta.com", BearerToken(lambda: "t")),
    )
    for source in sources:
        verifier = HookVerifier(
            source, issuer=["a", "b"], audience=None, replay=MemoryReplayStore(), clock=lambda: 1.0
        )
        try:
            handler(verifier.verify(b"token"))
            handler(verifier.verify_headers(headers))
            handler(verifier.verify_headers(pairs))
            handler(asyncio.run(verifier.averify("token")))
        except HookVerificationError as error:
            assert_type(error.reason, Reason)
            assert_type(error.headers, dict[str, str])
