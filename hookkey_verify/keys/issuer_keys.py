"""IssuerKeys: the JWK Set of an authorization server.

Okta's custom authorization servers publish it at ``{issuer}/v1/keys``, without credentials
(https://developer.okta.com/docs/reference/api/oidc/#keys). For other servers its URL is configured
or discovered (OpenID Connect Discovery 1.0).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from cachetools import LRUCache

from .. import errors
from .._jose.issuer import refuse_lookalikes, refuse_org_server
from .._jose.jwk import PublicKey, is_kid
from .._runtime.clock import Clock, age_clock, monotonic_clock
from ..events import EventName, OnEvent
from ..settings import NAMES, Settings
from .budget import Budget
from .flight import Fetched, Lookup, arun, run
from .key_set import KeySet
from .policy import CachePolicy, checked_policy
from .refreshing import RefreshingCache
from .source import SourceState

if TYPE_CHECKING:
    from ..okta.http import Answer
    from .health import Health, Stats

__all__ = ["IssuerKeys"]

MAX_SET = 64 * 1024
"""Maximum bytes of a JWK Set or discovery document; a key with certificates takes 2 to 3 KB."""

_TYPES = re.compile(
    r"(?:application/(?:[a-z0-9.+-]+\+)?json|application/octet-stream|text/plain)?", re.IGNORECASE
)
"""Media types that servers use for a key set (RFC 7517 section 8.5 and others)."""

_NOT_IN_SET = (
    "{issuer} has no key with this kid; if a hook key signed the token, verify it with HookKeys"
)


_EXAMPLE = "https://acme.okta.com/oauth2/default"
_SET = "set"
"""The name of the set in its cache, which holds nothing else."""


class IssuerKeys:
    """The public keys of one authorization server, behind a cache. Create one and keep it.

    Thread-safe, and usable from any number of asyncio event loops. ``issuer`` is the required
    ``iss`` of the tokens.

    For example:

    >>> from hookkey_verify import HookVerifier, IssuerKeys
    >>> from hookkey_verify.emulator import OktaEmulator
    >>> with OktaEmulator() as okta, IssuerKeys(okta.issuer) as keys:
    ...     verifier = HookVerifier.for_access_token(keys, audience="api://hooks", client_id="0oa1")
    ...     verifier.verify(okta.access_token("0oa1")).client_id
    '0oa1'
    """

    def __init__(
        self,
        issuer: str,
        *,
        jwks_url: str | None = None,
        discover: bool = False,
        policy: CachePolicy | None = None,
        on_event: OnEvent | None = None,
        verify: bool | str = True,
        proxies: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        """Create a key source. It sends no request.

        ``issuer``: the URL of an Okta custom authorization server: ``https://…/oauth2/{id}``. For
            another server, pass ``jwks_url`` or ``discover`` too.
        ``jwks_url``: the URL of the JWK Set. Default None: ``{issuer}/v1/keys``.
        ``discover``: True reads the URL of the set from
            ``{issuer}/.well-known/openid-configuration``. Default False.
        ``policy``, ``on_event``, ``verify``, ``proxies``, ``clock``: as for ``HookKeys``. No
            credentials are sent. A kid that is not in the set causes one refresh, within the
            budget of the policy (``first_seen_burst``), so that a new key is found at once.

        Raises ``ConfigurationError`` naming the argument.
        """
        from ..okta.http import BoundedHttp, check_url  # noqa: PLC0415 - imports urllib3: 50 ms

        policy = checked_policy(policy)
        ticks = monotonic_clock if clock is None else clock
        self.issuer = issuer
        checked = check_url("issuer", issuer, example=_EXAMPLE)
        refuse_org_server(issuer)
        refuse_lookalikes(issuer)
        if type(discover) is not bool or (discover and jwks_url is not None):
            raise errors.ConfigurationError(
                "discover must be True or False, and False with jwks_url"
            )
        if jwks_url is not None:
            jwks_url = check_url("jwks_url", jwks_url, example=f"{_EXAMPLE}/v1/keys", query=True)
        self._jwks_url = jwks_url if jwks_url or discover else _okta_jwks_url(checked)
        self._discovery_url = checked.rstrip("/") + "/.well-known/openid-configuration"
        self._discovers = discover
        self._http = BoundedHttp(verify=verify, proxies=proxies, clock=ticks)
        self._policy = policy
        self._age_clock = age_clock if clock is None else clock
        self._source = SourceState(checked, policy, on_event, ticks)
        self._cache = RefreshingCache(
            self._fetch, policy, self._source,
            what="its key set", compare=self._compare, clock=ticks, age_clock=clock,
        )  # fmt: skip
        self._budget = Budget(policy.first_seen_burst, policy.first_seen_interval)
        self._missing: LRUCache[str, float] = LRUCache(policy.max_unknown_kids)
        """When each kid that the set lacks may cause a refresh again."""

    @classmethod
    def from_env(cls, **options: Any) -> IssuerKeys:
        """Create a source for ``HOOKKEY_ISSUER`` (see ``hookkey_verify.settings``).

        ``options``: arguments of the source, or settings by name; they override the environment.

        Raises ``ConfigurationError`` naming what is missing.
        """
        from ..okta.sign_in import connection  # noqa: PLC0415 - imports urllib3

        settings = Settings({name: options.pop(name) for name in NAMES if name in options})
        return cls(settings.need("issuer"), **{**connection(settings), **options})

    def __repr__(self) -> str:
        return f"IssuerKeys({self.issuer!r})"

    def __reduce__(self) -> Any:
        raise errors.ConfigurationError(
            "IssuerKeys cannot be pickled or copied; create one in each process"
        )

    def __enter__(self) -> IssuerKeys:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(
        self, kid: str, *, algorithm: str | None = None, deadline: float | None = None
    ) -> PublicKey:
        """Return the key with this kid, from the cache or from the server.

        ``kid``: the kid.
        ``algorithm``: selects among keys that share the kid (RFC 7517 section 4.5). Default None:
            any of them.
        ``deadline``: a reading of ``time.monotonic`` after which this caller stops waiting; the
            fetch continues. Default None: ``CachePolicy.fetch_timeout`` from now.

        Raises ``UnknownKeyError`` if the set has no such key, ``KeyUnavailableError`` if the server
        cannot be asked now, ``KeySourceConfigurationError`` if it does not answer with a JWK Set,
        and ``KeyRejectedError`` if the key is not acceptable.
        """
        keys = self._cache.peek(_SET)
        key = None if keys is None or type(kid) is not str else keys.find(kid, algorithm)
        return key or run(self._look_up(kid, algorithm, deadline))

    async def aget(
        self, kid: str, *, algorithm: str | None = None, deadline: float | None = None
    ) -> PublicKey:
        """Do the same as ``get`` without blocking the event loop, which must be asyncio's.

        Cancelling the caller does not cancel the fetch.
        """
        keys = self._cache.peek(_SET)
        key = None if keys is None or type(kid) is not str else keys.find(kid, algorithm)
        return key if key is not None else await arun(self._look_up(kid, algorithm, deadline))

    def current(self, kid: str, *, algorithm: str | None = None) -> PublicKey | None:
        """Return the key if it is cached and fresh, without I/O; for memories of verified tokens.

        ``kid``, ``algorithm``: as for ``get``.
        """
        keys = self._cache.current(_SET)
        if keys is None or not isinstance(kid, str) or kid not in keys.kids:
            return None
        return keys.find(kid, algorithm)

    def _look_up(
        self, kid: str, algorithm: str | None, deadline: float | None
    ) -> Lookup[PublicKey]:
        _refuse_no_kid(kid)
        latest = self._cache.latest(deadline)
        keys = self._cache.current(_SET)
        if keys is None:
            keys = yield from self._cache.look_up(_SET, latest)
        key = keys.find(kid, algorithm)
        if key is None:
            keys = yield from self._newer_set(kid, keys, latest)
            key = keys.find(kid, algorithm)
        if key is None:
            with self._source.changing():
                self._missing[kid] = self._age_clock() + self._policy.negative_for
            raise errors.UnknownKeyError(_NOT_IN_SET.format(issuer=self.issuer))
        return key

    def _newer_set(self, kid: str, keys: KeySet, latest: float) -> Lookup[KeySet]:
        """Return a newer set, because this one lacks a kid. The kid may be made up."""
        with self._source.changing():
            if self._age_clock() < self._missing.get(kid, 0.0):
                self._source.tell(EventName.HIT, kid, "negative")
                raise errors.UnknownKeyError(_NOT_IN_SET.format(issuer=self.issuer))
        spend = self._budget.spend
        return (yield from self._cache.look_up(_SET, latest, spend=spend, newer_than=keys))

    def _compare(self, _: str, old: KeySet, new: KeySet) -> None:
        """Report keys that are gone or different. The server is the authority on its kids."""
        before, after = old.thumbprints(), new.thumbprints()
        for kid, thumbprints in before.items():
            if kid not in after:
                self._source.tell(EventName.KEY_REVOKED, kid)
            elif after[kid] != thumbprints:
                self._source.tell(EventName.KEY_CHANGED, kid, "accepted")

    def warm_up(self, *kids: str) -> None:
        """Fetch the set now, so that the first hook does not wait. Raises the errors of ``get``.

        ``kids``: kids that the set must contain.
        """
        for kid in kids:
            _refuse_no_kid(kid)
        known, latest = self._cache.current(_SET), self._cache.latest(None)
        keys = run(self._cache.look_up(_SET, latest, newer_than=known))
        for kid in kids:
            if keys.find(kid, None) is None:
                raise errors.UnknownKeyError(_NOT_IN_SET.format(issuer=self.issuer))

    def invalidate(self, kid: str) -> None:
        """Forget the set with this key. The next look-up asks the server."""
        if isinstance(kid, str):
            with self._source.changing():
                self._missing.pop(kid, None)
            self._cache.invalidate(_SET)

    def health(self) -> Health:
        """Return the condition of the source, for a readiness probe."""
        return self._cache.health(lambda _, keys: keys.kids)

    def stats(self) -> Stats:
        """Return the counts since the source was created."""
        keys = self._cache.current(_SET)
        with self._source.changing():
            kept, missing = 0 if keys is None else len(keys.kids), len(self._missing)
            hits = self._cache.fresh_hits
            return self._source.stats(fresh_hits=hits, keys=kept, unknown_kids=missing)

    def close(self) -> None:
        """Close the connections. Idempotent. Cached keys are still served."""
        self._http.close()

    def _fetch(self, _: str, deadline: float) -> Fetched[KeySet]:
        url = self._jwks_url
        try:
            if url is None:
                url = self._jwks_url = self._discover(deadline)
            document = _document(self._http.send("GET", url, **_bounds(deadline)))
        except errors.TransportError as error:
            if self._discovers:
                self._jwks_url = None  # it may have moved
            verdict = _verdict(error, url or self._discovery_url)
        except errors.ConfigurationError as error:
            verdict = errors.KeySourceConfigurationError(error.detail)
        else:
            if isinstance(document.get("keys"), list):
                return Fetched(KeySet(document["keys"]))
            verdict = errors.KeySourceConfigurationError(
                f"{_origin(url)} does not answer with a JWK Set"
            )
        raise verdict

    def _discover(self, deadline: float) -> str:
        from ..okta.http import check_url  # noqa: PLC0415

        document = _document(self._http.send("GET", self._discovery_url, **_bounds(deadline)))
        if document.get("issuer") != self.issuer:  # OpenID Connect Discovery 1.0 section 4.3
            raise errors.ConfigurationError("the discovery document has another issuer")
        uri = document.get("jwks_uri")
        url = check_url("jwks_uri", uri, example="https://…/v1/keys", query=True)
        if url.startswith("http:") and not self.issuer.startswith("http:"):
            raise errors.ConfigurationError("jwks_uri must begin with https://, as the issuer does")
        return url


def _okta_jwks_url(issuer: str) -> str:
    if "/oauth2/" not in issuer:
        raise errors.ConfigurationError(
            f"issuer must be an Okta custom authorization server such as {_EXAMPLE}; for another "
            "server pass jwks_url= or discover=True"
        )
    return issuer.rstrip("/") + "/v1/keys"


def _bounds(deadline: float) -> dict[str, Any]:
    return {"deadline": deadline, "max_body": MAX_SET}


def _document(answer: Answer) -> dict[str, Any]:
    if answer.status != 200:
        error = errors.TransportError("the answer is not 200", status=answer.status)
        if answer.status in (429, 503):
            error.retry_after = answer.retry_after()
        raise error
    return answer.json_object(_TYPES)


def _verdict(error: errors.TransportError, url: str) -> errors.HookVerificationError:
    status = f" ({error.status})" if error.status else ""
    text = f"{_origin(url)}: {error.detail.partition(' (')[0]}{status}"
    if error.retry_after is not None:
        wait, every_key = error.retry_after, error.status == 429
        return errors.KeySourceThrottledError(text, retry_after=wait, whole_source=every_key)
    if error.status is None or error.status == 429 or error.status >= 500:
        return errors.KeyUnavailableError(text)
    return errors.KeySourceConfigurationError(
        f"{text}; check issuer and jwks_url", whole_source=error.status == 401
    )


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


def _refuse_no_kid(kid: object) -> None:
    if not is_kid(kid):
        raise errors.UnknownKeyError("a kid is 1 to 255 printable ASCII characters")
