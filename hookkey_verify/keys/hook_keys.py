"""HookKeys: the public key of each keyId, from an Okta org.

``GET /api/v1/hook-keys/public/{keyId}`` needs credentials with okta.inlineHooks.read
(https://developer.okta.com/docs/api/openapi/okta-management/management/tag/HookKey/).
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from ..clock import Clock, monotonic_clock
from ..errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    HookKeyApiError,
    HookVerificationError,
    KeySourceConfigurationError,
    KeyUnavailableError,
    NotFoundError,
    RateLimitedError,
    TransportError,
    UnknownKeyError,
)
from ..jwk import PublicKey
from .cache import CachePolicy, KeyCache

if TYPE_CHECKING:
    from ..okta.credentials import Credentials

__all__ = ["HookKeys"]

_KEY_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_PATH = "/api/v1/hook-keys/public/"

_NOT_A_KEY_ID = "no hook key can have this kid"
_NOT_IN_ORG = (
    "the org has no such hook key; if an authorization server issued the token, "
    "verify it with that server's keys"
)


class HookKeys:
    """Public hook keys of one org behind a cache. Thread-safe; make one and keep it."""

    def __init__(
        self,
        org_url: str,
        credentials: Credentials,
        *,
        policy: CachePolicy | None = None,
        verify: bool | str = True,
        proxies: Mapping[str, str] | None = None,
        clock: Clock = monotonic_clock,
    ) -> None:
        """``org_url`` is https and a host, ``credentials`` an ``ApiToken`` or ``BearerToken``.

        ``policy`` says how long keys are kept; ``verify`` is True or the path of a CA bundle;
        ``proxies`` maps a scheme to a proxy URL (the environment is not read); ``clock`` returns
        monotonic seconds. Raises ``ConfigurationError`` naming the argument.
        """
        from ..okta.transport import OktaTransport  # noqa: PLC0415 - imports requests: 100 ms

        if policy is not None and not isinstance(policy, CachePolicy):
            raise ConfigurationError("policy must be a CachePolicy")
        self._transport = OktaTransport(
            org_url, credentials, verify=verify, proxies=proxies, clock=clock
        )
        self._cache = KeyCache(self._fetch, policy or CachePolicy(), clock=clock)

    def __repr__(self) -> str:
        return f"HookKeys({self._transport.org_url!r})"

    def __enter__(self) -> HookKeys:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, kid: str, *, deadline: float | None = None) -> PublicKey:
        """Return the key whose keyId is ``kid``, from the cache or from the org.

        ``deadline`` is a reading of ``time.monotonic``; None means ``policy.fetch_timeout``.

        Raises ``UnknownKeyError`` when the org has no such key or the kid cannot be a keyId (then
        without asking), ``KeyUnavailableError`` when the org cannot be asked now,
        ``KeySourceConfigurationError`` when it refuses us, ``KeyRejectedError`` when its document
        is not acceptable.
        """
        key = self._cache.peek(kid) if type(kid) is str else None
        if key is not None:
            return key
        _refuse_foreign(kid)
        return self._cache.get(kid, deadline=deadline)

    async def aget(self, kid: str, *, deadline: float | None = None) -> PublicKey:
        """Do as ``get``; a fetch runs in a thread and never blocks the event loop."""
        key = self._cache.peek(kid) if type(kid) is str else None
        if key is not None:
            return key
        _refuse_foreign(kid)
        return await asyncio.to_thread(self._cache.get, kid, deadline=deadline)

    def warm_up(self, *key_ids: str) -> None:
        """Fetch these keys now, so that the first hook need not wait. Raises as ``get`` does."""
        for key_id in key_ids:
            self.get(key_id)

    def invalidate(self, kid: str) -> None:
        """Forget this key; the next look-up asks the org."""
        if isinstance(kid, str):
            self._cache.invalidate(kid)

    def close(self) -> None:
        """Close the connections. Idempotent; cached keys are still served."""
        self._transport.close()

    def _fetch(self, kid: str, deadline: float) -> PublicKey:
        try:
            answer = self._transport.exchange("GET", _PATH + kid, deadline=deadline)
            document = answer.json_object()
        except HookKeyApiError as error:
            verdict = _verdict(error)
        except ConfigurationError as error:
            verdict = KeySourceConfigurationError(error.detail)
        else:
            return PublicKey.from_document(document, expected_kid=kid)
        raise verdict


def _refuse_foreign(kid: object) -> None:
    """Before any URL exists: a kid is one path segment that means nothing to a server."""
    if not isinstance(kid, str) or not _KEY_ID.fullmatch(kid):
        raise UnknownKeyError(_NOT_A_KEY_ID)


def _verdict(error: HookKeyApiError) -> HookVerificationError:
    """Only Okta's own 404 says that a key does not exist; an outage never reads as a bad token."""
    if isinstance(error, NotFoundError):
        return UnknownKeyError(_NOT_IN_ORG)
    if isinstance(error, AuthenticationError | ForbiddenError):
        return KeySourceConfigurationError(str(error))
    if isinstance(error, RateLimitedError):
        return KeyUnavailableError(str(error), retry_after=error.retry_after)
    misdirected = error.status is not None and 200 <= error.status < 500
    if misdirected or not isinstance(error, TransportError):
        return KeySourceConfigurationError(str(error))
    return KeyUnavailableError(str(error))
