"""IssuerKeys: the JWK Set of an authorization server.

Okta's custom authorization servers publish it, to everybody, at ``{issuer}/v1/keys``
(https://developer.okta.com/docs/reference/api/oidc/#keys); elsewhere its URL is given, or found by
OpenID Connect Discovery 1.0.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .._jose.issuer import refuse_lookalikes, refuse_org_server
from .._jose.jwk import ALGORITHMS, PublicKey, is_kid
from .._runtime.clock import Clock, monotonic_clock
from ..errors import (
    ConfigurationError,
    HookVerificationError,
    KeyRejectedError,
    KeySourceConfigurationError,
    KeySourceThrottledError,
    KeyUnavailableError,
    TransportError,
    UnknownKeyError,
)
from ..events import OnEvent
from ..settings import NAMES, Settings
from .cache import KeyCache
from .health import Health, Stats
from .policy import CachePolicy, checked_policy
from .states import Fetched

if TYPE_CHECKING:
    from ..okta.http import Answer

__all__ = ["IssuerKeys"]

MAX_SET = 64 * 1024
"""Bytes of a JWK Set or a discovery document; one key with its certificates has 2 to 3 KB."""

_TYPES = re.compile(
    r"(?:application/(?:[a-z0-9.+-]+\+)?json|application/octet-stream|text/plain)?", re.IGNORECASE
)
"""What servers call a key set; RFC 7517 section 8.5 has ``application/jwk-set+json``."""

_NOT_IN_SET = (
    "{issuer} has no key with this kid; if a hook key signed the token, verify it with HookKeys"
)


class IssuerKeys:
    """The keys of one authorization server behind a cache. Make one and keep it.

    ``issuer`` is what ``iss`` must be. For any number of threads and event loops at once.
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
        """``issuer`` is that of an Okta custom authorization server: ``https://…/oauth2/{id}``.

        For any other server say where its keys are: ``jwks_url``, or ``discover=True`` to read it
        from ``{issuer}/.well-known/openid-configuration``. A kid that is not in the set has it
        fetched again, within ``policy.first_seen_burst`` and ``first_seen_interval``; a rotated key
        is thereby found at once. The other arguments are those of ``HookKeys``; no credentials are
        sent.

        Raises ``ConfigurationError`` naming the argument.
        """
        from ..okta.http import BoundedHttp, check_url  # noqa: PLC0415 - imports requests: 100 ms

        policy = checked_policy(policy)
        ticks = monotonic_clock if clock is None else clock
        example = "https://acme.okta.com/oauth2/default"
        self.issuer = issuer
        checked = check_url("issuer", issuer, example=example)
        refuse_org_server(issuer)
        refuse_lookalikes(issuer)
        if type(discover) is not bool or (discover and jwks_url is not None):
            raise ConfigurationError("discover must be True or False, and False with jwks_url")
        if jwks_url is not None:
            jwks_url = check_url("jwks_url", jwks_url, example=f"{example}/v1/keys", query=True)
        elif not discover:
            if "/oauth2/" not in checked:
                raise ConfigurationError(
                    f"issuer must be an Okta custom authorization server such as {example}; for "
                    "another server pass jwks_url= or discover=True"
                )
            jwks_url = checked.rstrip("/") + "/v1/keys"
        self._jwks_url = jwks_url
        self._discovery_url = checked.rstrip("/") + "/.well-known/openid-configuration"
        self._discovers = discover
        self._namesakes: Mapping[tuple[str, str], PublicKey] = {}
        """By kid and algorithm: keys that share their kid with another one, which is cached."""
        self._http = BoundedHttp(verify=verify, proxies=proxies, clock=ticks)
        self._cache = KeyCache(
            self._fetch,
            policy,
            source=checked,
            keys_may_change=True,  # the server is the authority on its kids
            on_event=on_event,
            clock=ticks,
            age_clock=clock,
        )

    @classmethod
    def from_env(cls, **options: Any) -> IssuerKeys:
        """Make a source for ``HOOKKEY_ISSUER``.

        ``options`` are arguments of the source, or settings by name; they come first. Raises
        ``ConfigurationError`` naming what is missing.
        """
        from ..okta.sign_in import connection  # noqa: PLC0415 - imports requests

        settings = Settings({name: options.pop(name) for name in NAMES if name in options})
        return cls(settings.need("issuer"), **{**connection(settings), **options})

    def __repr__(self) -> str:
        return f"IssuerKeys({self.issuer!r})"

    def __reduce__(self) -> Any:
        raise ConfigurationError("IssuerKeys is not pickled or copied; make one in each process")

    def __enter__(self) -> IssuerKeys:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(
        self, kid: str, *, algorithm: str | None = None, deadline: float | None = None
    ) -> PublicKey:
        """Return the key with this kid, from the cache or from the server.

        ``algorithm`` chooses where the set has keys of several kinds under one kid (RFC 7517
        section 4.5). ``deadline`` is a reading of ``time.monotonic`` after which this caller
        leaves; None means ``policy.fetch_timeout`` from now.

        Raises ``UnknownKeyError`` when the set has no such key, ``KeyUnavailableError`` when the
        server cannot be asked now, ``KeySourceConfigurationError`` when it has no JWK Set there,
        ``KeyRejectedError`` when the key is not acceptable.
        """
        key = self._cache.peek(kid) if type(kid) is str else None
        if key is None:
            _refuse_no_kid(kid)
            key = self._cache.get(kid, deadline=deadline)
        return self._chosen(key, algorithm)

    async def aget(
        self, kid: str, *, algorithm: str | None = None, deadline: float | None = None
    ) -> PublicKey:
        """Do as ``get``; never blocks the event loop, and cancelling it cancels no fetch."""
        key = self._cache.peek(kid) if type(kid) is str else None
        if key is None:
            _refuse_no_kid(kid)
            key = await self._cache.aget(kid, deadline=deadline)
        return self._chosen(key, algorithm)

    def _chosen(self, key: PublicKey, algorithm: str | None) -> PublicKey:
        if algorithm is None or key.algorithm == algorithm:
            return key
        return self._namesakes.get((key.kid, algorithm), key)

    def warm_up(self, *kids: str) -> None:
        """Fetch the set now, so that the first hook need not wait.

        With kids it must have them. Raises as ``get`` does.
        """
        for kid in kids:
            _refuse_no_kid(kid)
        number = self._cache.begin()
        usable = self._usable(self._fetch_set(self._cache.latest()))
        self._cache.adopt(Fetched(None, others=tuple(usable.values()), complete=True), number)
        self._cache.expect(kids)
        for kid in kids:
            self.get(kid)

    def invalidate(self, kid: str) -> None:
        """Forget this key; the next look-up asks the server."""
        if isinstance(kid, str):
            self._cache.invalidate(kid)

    def health(self) -> Health:
        """Tell how the source is doing: for a readiness probe."""
        return self._cache.health()

    def stats(self) -> Stats:
        """Return the counts since this was made."""
        return self._cache.stats()

    def close(self) -> None:
        """Close the connections. Idempotent; cached keys are still served."""
        self._http.close()

    def _fetch(self, kid: str, deadline: float) -> Fetched:
        documents = self._fetch_set(deadline)
        usable = self._usable(documents)
        key = usable.pop(kid, None)
        others = tuple(usable.values())
        if key is not None:
            return Fetched(key, others=others, complete=True)
        for document in documents:
            if isinstance(document, Mapping) and document.get("kid") == kid:
                # Raises what is wrong with it, unless that is its having a double.
                PublicKey.from_document(document, expected_kid=kid, algorithms=ALGORITHMS)
                raise KeyRejectedError("two keys of the set have this kid and algorithm")
        return Fetched(
            None,
            others=others,
            complete=True,
            problem=UnknownKeyError(_NOT_IN_SET.format(issuer=self.issuer)),
        )

    def _fetch_set(self, deadline: float) -> list[Any]:
        url = self._jwks_url
        try:
            if url is None:
                url = self._jwks_url = self._discover(deadline)
            document = _document(self._http.send("GET", url, **_bounds(deadline)))
        except TransportError as error:
            if self._discovers:
                self._jwks_url = None  # it may have moved
            verdict = _verdict(error, url or self._discovery_url)
        except ConfigurationError as error:
            verdict = KeySourceConfigurationError(error.detail)
        else:
            if isinstance(document.get("keys"), list):
                return document["keys"]  # type: ignore[no-any-return]
            verdict = KeySourceConfigurationError(f"{_origin(url)} does not answer with a JWK Set")
        raise verdict

    def _discover(self, deadline: float) -> str:
        from ..okta.http import check_url  # noqa: PLC0415

        document = _document(self._http.send("GET", self._discovery_url, **_bounds(deadline)))
        if document.get("issuer") != self.issuer:  # OpenID Connect Discovery 1.0 section 4.3
            raise ConfigurationError("the discovery document is another issuer's")
        uri = document.get("jwks_uri")
        url = check_url("jwks_uri", uri, example="https://…/v1/keys", query=True)
        if url.startswith("http:") and not self.issuer.startswith("http:"):
            raise ConfigurationError("jwks_uri must begin with https://, as the issuer does")
        return url

    def _usable(self, documents: list[Any]) -> dict[str, PublicKey]:
        """Return a key for each kid and remember its namesakes.

        Keys that cannot be used are passed over (RFC 7517 section 5). So are two keys of one kid
        and algorithm, unless they are the same key: which of them is meant cannot be told.
        """
        keys: dict[tuple[str, str], PublicKey | None] = {}
        for document in documents:
            try:
                key = PublicKey.from_document(document, expected_kid=None, algorithms=ALGORITHMS)
            except KeyRejectedError:
                continue
            known = keys.get((key.kid, key.algorithm), key)
            keys[key.kid, key.algorithm] = key if known == key else None
        first: dict[str, PublicKey] = {}
        namesakes: dict[tuple[str, str], PublicKey] = {}
        for (kid, algorithm), usable in sorted(keys.items(), key=lambda item: item[0]):
            if usable is not None and first.setdefault(kid, usable) is not usable:
                namesakes[kid, algorithm] = usable
        self._namesakes = namesakes
        return first


def _bounds(deadline: float) -> dict[str, Any]:
    return {"deadline": deadline, "max_body": MAX_SET}


def _document(answer: Answer) -> dict[str, Any]:
    if answer.status != 200:
        error = TransportError("the answer is not 200", status=answer.status)
        if answer.status in (429, 503):
            error.retry_after = answer.retry_after()
        raise error
    return answer.json_object(_TYPES)


def _verdict(error: TransportError, url: str) -> HookVerificationError:
    status = f" ({error.status})" if error.status else ""
    text = f"{_origin(url)}: {error.detail.partition(' (')[0]}{status}"
    if error.retry_after is not None:
        wait, every_key = error.retry_after, error.status == 429
        return KeySourceThrottledError(text, retry_after=wait, whole_source=every_key)
    if error.status is None or error.status == 429 or error.status >= 500:
        return KeyUnavailableError(text)
    return KeySourceConfigurationError(
        f"{text}; check issuer and jwks_url", whole_source=error.status == 401
    )


def _origin(url: str) -> str:
    return "/".join(url.split("/", 3)[:3])


def _refuse_no_kid(kid: object) -> None:
    if not is_kid(kid):
        raise UnknownKeyError("a kid is 1 to 255 printable ASCII characters")
