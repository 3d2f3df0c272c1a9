"""HookKeys: the public hook keys of an Okta org, by keyId.

``GET /api/v1/hook-keys/public/{keyId}`` and, for the directory, ``GET /api/v1/hook-keys`` need
credentials with okta.inlineHooks.read
(https://developer.okta.com/docs/api/openapi/okta-management/management/tag/HookKey/).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from .. import errors
from .._jose.jwk import PublicKey
from .._runtime.clock import Clock, monotonic_clock
from ..events import EventName, OnEvent
from ..okta.paths import HOOK_KEYS, MAX_LIST, is_id
from .admission import Admission
from .flight import Fetched, Lookup, arun, run
from .policy import CachePolicy, checked_policy
from .refreshing import Fetch, RefreshingCache
from .source import SourceState

if TYPE_CHECKING:
    from ..okta.credentials import Credentials
    from .health import Health, Stats
    from .shared import SharedFetch
    from .store import SharedKeyStore

__all__ = ["HookKeys", "for_directory"]

_NOT_A_KEY_ID = (
    "no hook key can have this kid: a keyId is 1 to 64 letters, digits, - and _; look at what "
    "signed the token"
)
_NOT_IN_ORG = (
    "{org_url} has no hook key with this kid: it was deleted, or is a key of another org, or the "
    "token was issued by an authorization server and is to be verified with IssuerKeys"
)


class HookKeys:
    """The public hook keys of one org, behind a cache. Create one and keep it.

    Thread-safe, and usable from any number of asyncio event loops. A forked child keeps the cached
    keys and makes its own connections.

    For example:

    >>> from hookkey_verify import ApiToken, HookKeys
    >>> from hookkey_verify.emulator import OktaEmulator
    >>> with OktaEmulator() as okta, HookKeys(okta.url, ApiToken(okta.api_token)) as keys:
    ...     key_id = okta.create_key("Token hook")["keyId"]
    ...     keys.get(key_id).kid == key_id
    ...     keys.get(key_id).kid == key_id  # from memory
    ...     keys.stats().fetches
    True
    True
    1
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
        """Create a key source. It sends no request.

        ``org_url``: the URL of the org: ``https://`` and a host. ``http://`` is accepted for
            loopback addresses.
        ``credentials``: an ``ApiToken``, ``ServiceApp`` or ``BearerToken`` that may read inline
            hooks.
        ``allowed_key_ids``: the only keyIds that are ever fetched. Default None: any, within the
            budget for unknown kids (``CachePolicy.first_seen_burst``).
        ``directory``: True fetches the list of the org's keys, at most once per
            ``CachePolicy.directory_for``, and fetches only keys that are in it. Default False.
        ``policy``: how long keys are served and how often they are fetched. Default None:
            ``CachePolicy()``.
        ``shared``: a store that all workers share, such as
            ``hookkey_verify.valkey.ValkeyKeyStore``. Default None.
        ``on_event``: a function that takes each ``Event``. Default None.
        ``verify``: True (the default), or the path of a CA bundle.
        ``proxies``: proxy URLs by scheme; the environment is not read. Default None: no proxy.
        ``clock``: a function that returns monotonic seconds. Default None: the system's clocks.

        Raises ``ConfigurationError`` naming the argument.
        """
        from ..okta.transport import OktaTransport  # noqa: PLC0415 - imports urllib3: 50 ms

        policy = checked_policy(policy)
        if type(directory) is not bool:
            raise errors.ConfigurationError("directory must be True or False")
        allowed = None if allowed_key_ids is None else _key_ids(allowed_key_ids)
        ticks = monotonic_clock if clock is None else clock
        self._transport = OktaTransport(
            org_url, credentials, verify=verify, proxies=proxies, clock=ticks
        )
        self._not_in_org = _NOT_IN_ORG.format(org_url=self.org_url)
        self._source = source = SourceState(self.org_url, policy, on_event, ticks)
        list_policy = for_directory(policy)
        self._shared: SharedFetch[PublicKey] | None = None
        fetch, fetch_list = self._fetches(shared, policy, list_policy, ticks)
        self._cache = RefreshingCache(
            fetch, policy, source, compare=self._compare, clock=ticks, age_clock=clock
        )
        listed = RefreshingCache(
            fetch_list, list_policy, source, what="its list of keys", clock=ticks, age_clock=clock
        )
        self._admission = Admission(
            self._cache, source, policy, allowed=allowed, directory=listed if directory else None
        )

    def _fetches(
        self,
        shared: SharedKeyStore | None,
        policy: CachePolicy,
        list_policy: CachePolicy,
        clock: Clock,
    ) -> tuple[Fetch[PublicKey], Fetch[frozenset[str]]]:
        if shared is None:
            return self._fetch, self._fetch_list
        from .shared import Codec, SharedFetch  # noqa: PLC0415 - with the store 2 ms, rarely needed
        from .store import BoundedStore  # noqa: PLC0415

        store = BoundedStore(shared, self._source.report, clock)
        key = Codec(PublicKey.as_jwk, _decoded_key)
        key_ids: Codec[frozenset[str]] = Codec(sorted, _decoded_list)
        self._shared = SharedFetch(
            self._fetch, store, key, policy, unknown=self._not_in_org, is_free=self._is_free
        )
        shared_list = SharedFetch(
            self._fetch_list, store, key_ids, list_policy, names_are_kids=False
        )
        return self._shared, shared_list

    @classmethod
    def from_env(cls, **options: Any) -> HookKeys:
        """Create a source from ``OKTA_CLIENT_*`` and okta.yaml (see ``hookkey_verify.settings``).

        ``options``: arguments of the source, or settings by name; they override the environment.

        Raises ``ConfigurationError`` naming what is missing and where to set it.
        """
        from ..okta.sign_in import arguments_from_env  # noqa: PLC0415 - imports urllib3

        return cls(**arguments_from_env(options))

    def __repr__(self) -> str:
        return f"HookKeys({self.org_url!r})"

    def __reduce__(self) -> Any:
        raise errors.ConfigurationError(
            "HookKeys cannot be pickled or copied; create one in each process"
        )

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

        ``kid``: the keyId.
        ``algorithm``: ignored, because a keyId has only one key.
        ``deadline``: a reading of ``time.monotonic`` after which this caller stops waiting; the
            fetch continues. Default None: ``CachePolicy.fetch_timeout`` from now.

        Raises ``UnknownKeyError`` if the org has no such key or the kid cannot be a keyId,
        ``KeyUnavailableError`` if the org cannot be asked now, ``KeySourceConfigurationError`` if
        it rejects the credentials, and ``KeyRejectedError`` if its document is not acceptable.
        """
        return self._cache.peek(kid) or run(self._look_up(kid, deadline))

    async def aget(
        self,
        kid: str,
        *,
        algorithm: str | None = None,  # noqa: ARG002
        deadline: float | None = None,
    ) -> PublicKey:
        """Do the same as ``get`` without blocking the event loop, which must be asyncio's.

        Cancelling the caller does not cancel the fetch.
        """
        key = self._cache.peek(kid)
        return key if key is not None else await arun(self._look_up(kid, deadline))

    def current(self, kid: str, *, algorithm: str | None = None) -> PublicKey | None:  # noqa: ARG002
        """Return the key if it is cached and fresh, without I/O; for memories of verified tokens.

        ``kid``, ``algorithm``: as for ``get``.
        """
        return self._cache.current(kid)

    def _look_up(self, kid: str, deadline: float | None) -> Lookup[PublicKey]:
        self._refuse_foreign(kid)
        return (yield from self._admission.look_up(kid, self._cache.latest(deadline)))

    @property
    def org_url(self) -> str:
        """The org whose hook keys these are."""
        return self._transport.org_url

    def warm_up(self, *key_ids: str) -> None:
        """Fetch these keys now, so that the first hook does not wait. Raises the errors of ``get``.

        Their fetches are outside of the budget for unknown kids.
        """
        for key_id in key_ids:
            self._refuse_foreign(key_id)
        self._admission.expect(key_ids)
        for key_id in key_ids:
            self.get(key_id)

    def invalidate(self, kid: str) -> None:
        """Forget this key. The next look-up asks the org, whatever a shared store has.

        For administrators only. It does not help against a bad signature, because the material
        under a keyId never changes, and each call costs the org a request.
        """
        if isinstance(kid, str):
            if self._shared is not None:
                self._shared.distrust(kid)
            self._cache.invalidate(kid)

    def health(self) -> Health:
        """Return the condition of the source, for a readiness probe."""
        return self._cache.health()

    def stats(self) -> Stats:
        """Return the counts since the source was created."""
        keys, unknown_kids = self._cache.size()
        hits = self._cache.fresh_hits
        return self._source.stats(fresh_hits=hits, keys=keys, unknown_kids=unknown_kids)

    def close(self) -> None:
        """Close the connections. Idempotent. Cached keys are still served."""
        self._transport.close()

    def _refuse_foreign(self, kid: str) -> None:
        if not is_id(kid):  # before it becomes part of a URL
            raise errors.UnknownKeyError(_NOT_A_KEY_ID)
        self._admission.refuse_foreign(kid)

    def _is_free(self, kid: str) -> bool:
        return self._admission.is_free(kid)

    def _compare(self, kid: str, old: PublicKey, new: PublicKey) -> errors.KeyChangedError | None:
        """Refuse different material under a known keyId, which Okta never changes."""
        if old.thumbprint == new.thumbprint:
            return None
        self._source.tell(EventName.KEY_CHANGED, kid, "refused")
        return errors.KeyChangedError("invalidate(kid) accepts it")

    def _fetch(self, kid: str, deadline: float) -> Fetched[PublicKey]:
        try:
            answer = self._transport.exchange("GET", f"{HOOK_KEYS}/public/{kid}", deadline=deadline)
            document = answer.json_object()
        except errors.HookKeyApiError as error:
            verdict = _verdict_on(error, unknown=self._not_in_org)
        except errors.ConfigurationError as error:
            verdict = errors.KeySourceConfigurationError(error.detail)
        else:
            return Fetched(PublicKey.from_document(document, expected_kid=kid))
        raise verdict

    def _fetch_list(self, _: str, deadline: float) -> Fetched[frozenset[str]]:
        try:
            answer = self._transport.exchange(
                "GET", HOOK_KEYS, deadline=deadline, max_body=MAX_LIST
            )
            rows = answer.json_list()
        except errors.HookKeyApiError as error:
            verdict = _verdict_on(error, unknown=None)
        except errors.ConfigurationError as error:
            verdict = errors.KeySourceConfigurationError(error.detail)
        else:
            # Okta documents no pages here; half a list must not make keys unknown.
            kids = [row.get("keyId") if isinstance(row, dict) else None for row in rows]
            if 'rel="next"' not in answer.headers.get("Link", "") and all(map(is_id, kids)):
                return Fetched(frozenset(kid for kid in kids if isinstance(kid, str)))
            verdict = errors.KeyUnavailableError("the list of hook keys is not complete")
        raise verdict


def for_directory(policy: CachePolicy) -> CachePolicy:
    """Return the policy for the list of keys: at most one attempt per ``directory_for``."""
    pause = min(3600, 2 * policy.directory_for)  # a random half of it is the shortest pause
    return replace(
        policy,
        fresh_for=policy.directory_for,
        refresh_ahead=0,
        stale_if_error=0,
        backoff=pause,
        max_backoff=pause,
    )


def _decoded_key(kid: str, record: object) -> PublicKey:
    return PublicKey.from_document(record, expected_kid=kid)


def _decoded_list(_: str, record: object) -> frozenset[str]:
    if not isinstance(record, list) or not all(map(is_id, record)):
        raise errors.KeyRejectedError("the record is not a list of keyIds")
    return frozenset(record)


def _verdict_on(
    error: errors.HookKeyApiError, *, unknown: str | None
) -> errors.HookVerificationError:
    """Return the verdict on a failed request.

    Only Okta's own 404 means that a key does not exist; an outage never refuses a token. Only 401
    and 429 concern the whole source, because anyone can make up a kid that causes another error.

    ``unknown``: the text for a 404. None: what was requested must exist.
    """
    if isinstance(error, errors.NotFoundError) and unknown is not None:
        return errors.UnknownKeyError(unknown)
    if error.status == 401:
        return errors.KeySourceConfigurationError(str(error), whole_source=True)
    if isinstance(error, errors.RateLimitedError):
        wait = error.retry_after
        return errors.KeySourceThrottledError(str(error), retry_after=wait, whole_source=True)
    misdirected = error.status is not None and 200 <= error.status < 500
    if misdirected or not isinstance(error, errors.TransportError):
        return errors.KeySourceConfigurationError(str(error))
    if error.retry_after is not None:
        return errors.KeySourceThrottledError(str(error), retry_after=error.retry_after)
    return errors.KeyUnavailableError(str(error))


def _key_ids(values: object) -> frozenset[str]:
    if isinstance(values, str) or not isinstance(values, Collection) or not values:
        raise errors.ConfigurationError(
            "allowed_key_ids must be a list of keyIds with at least one"
        )
    if not all(map(is_id, values)):
        raise errors.ConfigurationError(
            "allowed_key_ids must be keyIds: 1 to 64 letters, digits, - and _"
        )
    return frozenset(values)
