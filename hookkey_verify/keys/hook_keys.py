"""HookKeys: the public key of each keyId, from an Okta org.

``GET /api/v1/hook-keys/public/{keyId}`` and, for the directory, ``GET /api/v1/hook-keys`` need
credentials with okta.inlineHooks.read
(https://developer.okta.com/docs/api/openapi/okta-management/management/tag/HookKey/).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Any

from .._jose.jwk import PublicKey
from .._runtime.clock import Clock, monotonic_clock
from ..errors import (
    AuthenticationError,
    ConfigurationError,
    HookKeyApiError,
    HookVerificationError,
    KeySourceConfigurationError,
    KeySourceThrottledError,
    KeyUnavailableError,
    NotFoundError,
    RateLimitedError,
    TransportError,
    UnknownKeyError,
)
from ..events import OnEvent
from ..okta.models import HOOK_KEYS, MAX_LIST, is_id
from .cache import KeyCache
from .health import Health, Stats
from .policy import CachePolicy, checked_policy
from .shared import SharedFetch, SharedKeyStore
from .states import Fetched

if TYPE_CHECKING:
    from ..okta.credentials import Credentials

__all__ = ["HookKeys"]

_NOT_A_KEY_ID = (
    "no hook key can have this kid: a keyId is 1 to 64 letters, digits, - and _; look at what "
    "signed the token"
)
_NOT_ALLOWED = "the kid is not in allowed_key_ids; add it there if the key is yours"
_NOT_IN_ORG = (
    "{org_url} has no hook key with this kid: it was deleted, or is a key of another org, or the "
    "token was issued by an authorization server and is to be verified with IssuerKeys"
)


class HookKeys:
    """Public hook keys of one org behind a cache. Make one and keep it.

    For any number of threads and event loops at once; cached keys survive a fork, connections and
    locks are made anew in the child.
    """

    def __init__(
        self,
        org_url: str,
        credentials: Credentials,
        *,
        allowed_key_ids: Collection[str] | None = None,
        directory: bool = False,
        policy: CachePolicy | None = None,
        shared: SharedKeyStore | None = None,
        on_event: OnEvent | None = None,
        verify: bool | str = True,
        proxies: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """``org_url`` is https and a host (http for this machine's emulator), ``credentials`` an
        ``ApiToken``, ``ServiceApp`` or ``BearerToken``.

        Two gates keep made-up kids away from the org: ``allowed_key_ids`` are the only keyIds that
        are ever asked for, and ``directory`` fetches the org's list of keys, at most once per
        ``policy.directory_for``, and asks only for keys that are in it. Without either, such kids
        are held to a budget (``policy.first_seen_burst``).

        ``policy`` says how long keys are kept; ``shared`` is a store for all your workers, such as
        ``hookkey_verify.valkey.ValkeyKeyStore``; ``on_event`` is called with every ``Event``;
        ``verify`` is True or the path of a CA bundle; ``proxies`` maps a scheme to a proxy URL (the
        environment is not read); ``clock`` returns monotonic seconds, None is the machine's.

        Raises ``ConfigurationError`` naming the argument.
        """
        from ..okta.transport import OktaTransport  # noqa: PLC0415 - imports requests: 100 ms

        policy = checked_policy(policy)
        ticks = monotonic_clock if clock is None else clock
        if type(directory) is not bool:
            raise ConfigurationError("directory must be True or False")
        self._allowed = None if allowed_key_ids is None else _key_ids(allowed_key_ids)
        self._transport = OktaTransport(
            org_url,
            credentials,
            verify=verify,
            proxies=proxies,
            clock=ticks,
        )
        self._not_in_org = _NOT_IN_ORG.format(org_url=self.org_url)
        self._shared = None
        if shared is not None:
            self._shared = SharedFetch(
                self._fetch,
                shared,
                policy,
                namespace=self.org_url,
                unknown=self._not_in_org,
                on_event=on_event,
                clock=ticks,
            )
        self._cache = KeyCache(
            self._shared or self._fetch,
            policy,
            source=self.org_url,
            expected=self._allowed or (),
            list_kids=self._list_kids if directory else None,
            on_event=on_event,
            clock=ticks,
            age_clock=clock,
        )

    @classmethod
    def from_env(cls, **options: Any) -> HookKeys:
        """Make a source of what ``OKTA_CLIENT_*`` and okta.yaml say (``hookkey_verify.settings``).

        ``options`` are arguments of the source, or settings by name; they come first. Raises
        ``ConfigurationError`` naming what is missing and where to put it.
        """
        from ..okta.sign_in import arguments_from_env  # noqa: PLC0415 - imports requests

        return cls(**arguments_from_env(options))

    def __repr__(self) -> str:
        return f"HookKeys({self.org_url!r})"

    def __reduce__(self) -> Any:
        raise ConfigurationError("HookKeys is not pickled or copied; make one in each process")

    def __enter__(self) -> HookKeys:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(
        self,
        kid: str,
        *,
        algorithm: str | None = None,  # noqa: ARG002 - a keyId has one key
        deadline: float | None = None,
    ) -> PublicKey:
        """Return the key whose keyId is ``kid``, from the cache or from the org.

        ``deadline`` is a reading of ``time.monotonic`` after which this caller leaves; None means
        ``policy.fetch_timeout`` from now. The fetch goes on for the others.

        Raises ``UnknownKeyError`` when the org has no such key or the kid cannot be a keyId (then
        without asking), ``KeyUnavailableError`` when the org cannot be asked now,
        ``KeySourceConfigurationError`` when it refuses us, ``KeyRejectedError`` when its document
        is not acceptable.
        """
        key = self._cache.peek(kid) if type(kid) is str else None
        if key is not None:
            return key
        self._refuse_foreign(kid)
        return self._cache.get(kid, deadline=deadline)

    async def aget(
        self,
        kid: str,
        *,
        algorithm: str | None = None,  # noqa: ARG002
        deadline: float | None = None,
    ) -> PublicKey:
        """Do as ``get``; never blocks the event loop, and cancelling it cancels no fetch."""
        key = self._cache.peek(kid) if type(kid) is str else None
        if key is not None:
            return key
        self._refuse_foreign(kid)
        return await self._cache.aget(kid, deadline=deadline)

    @property
    def org_url(self) -> str:
        """The org whose hook keys these are."""
        return self._transport.org_url

    def warm_up(self, *key_ids: str) -> None:
        """Fetch these keys now, so that the first hook need not wait. Raises as ``get`` does."""
        for key_id in key_ids:
            self._refuse_foreign(key_id)
        self._cache.expect(key_ids)
        for key_id in key_ids:
            self.get(key_id)

    def invalidate(self, kid: str) -> None:
        """Forget this key; the next look-up asks the org, past every store.

        For administrators. Not for a bad signature: material never changes under a keyId, and each
        call costs the org one.
        """
        if isinstance(kid, str):
            if self._shared is not None:
                self._shared.distrust(kid)
            self._cache.invalidate(kid)

    def health(self) -> Health:
        """Tell how the source is doing: for a readiness probe."""
        return self._cache.health()

    def stats(self) -> Stats:
        """Return the counts since this was made."""
        return self._cache.stats()

    def close(self) -> None:
        """Close the connections. Idempotent; cached keys are still served."""
        self._transport.close()

    def _refuse_foreign(self, kid: object) -> None:
        """Before any URL exists: a kid is one path segment that means nothing to a server."""
        if not is_id(kid):
            raise UnknownKeyError(_NOT_A_KEY_ID)
        if self._allowed is not None and kid not in self._allowed:
            raise UnknownKeyError(_NOT_ALLOWED)

    def _fetch(self, kid: str, deadline: float) -> Fetched:
        try:
            answer = self._transport.exchange("GET", f"{HOOK_KEYS}/public/{kid}", deadline=deadline)
            document = answer.json_object()
        except HookKeyApiError as error:
            verdict = _verdict_on(error, unknown=self._not_in_org)
        except ConfigurationError as error:
            verdict = KeySourceConfigurationError(error.detail)
        else:
            return Fetched(PublicKey.from_document(document, expected_kid=kid))
        raise verdict

    def _list_kids(self, deadline: float) -> Collection[str]:
        try:
            answer = self._transport.exchange(
                "GET", HOOK_KEYS, deadline=deadline, max_body=MAX_LIST
            )
            rows = answer.json_list()
        except HookKeyApiError as error:
            verdict = _verdict_on(error, unknown=None)
        except ConfigurationError as error:
            verdict = KeySourceConfigurationError(error.detail)
        else:
            # Okta documents no pages here; half a list must not make keys unknown.
            kids = [row.get("keyId") if isinstance(row, dict) else None for row in rows]
            if 'rel="next"' not in answer.headers.get("Link", "") and all(map(is_id, kids)):
                return [kid for kid in kids if isinstance(kid, str)]
            verdict = KeyUnavailableError("the list of hook keys is not complete")
        raise verdict


def _verdict_on(error: HookKeyApiError, *, unknown: str | None) -> HookVerificationError:
    """Only Okta's own 404 says that a key does not exist; an outage never reads as a bad token.

    And only 401 and 429 are about more than the kid that was asked for, which a stranger may have
    made up. ``unknown`` is what to say of such a 404; None: what was asked for must exist.
    """
    if isinstance(error, NotFoundError) and unknown is not None:
        return UnknownKeyError(unknown)
    if isinstance(error, AuthenticationError):
        return KeySourceConfigurationError(str(error), whole_source=True)
    if isinstance(error, RateLimitedError):
        wait = error.retry_after
        return KeySourceThrottledError(str(error), retry_after=wait, whole_source=True)
    misdirected = error.status is not None and 200 <= error.status < 500
    if misdirected or not isinstance(error, TransportError):
        return KeySourceConfigurationError(str(error))
    if error.retry_after is not None:
        return KeySourceThrottledError(str(error), retry_after=error.retry_after)
    return KeyUnavailableError(str(error))


def _key_ids(values: object) -> frozenset[str]:
    if isinstance(values, str) or not isinstance(values, Collection) or not values:
        raise ConfigurationError("allowed_key_ids must be a list of keyIds with at least one")
    if not all(map(is_id, values)):
        raise ConfigurationError("allowed_key_ids must be keyIds: 1 to 64 letters, digits, - and _")
    return frozenset(values)
