"""JwksBridge serves the org's hook keys as a JWK Set, for servers that read a ``jwks_uri``.

Okta serves public keys one at a time, requires credentials, and uses a format that JOSE libraries
reject, so administrators would copy keys by hand. With the bridge, an authorization server follows
every change. The bridge needs no credentials, because public keys are public. Mount it with
``serve`` of an adapter.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar, Final, NamedTuple, Protocol, runtime_checkable

from ._arguments import seconds, texts, whole_number
from ._jose.jwk import PublicKey
from ._runtime.clock import Clock, monotonic_clock
from ._runtime.forking import PerProcess
from ._wire.bearer import Headers, header_values
from .errors import ConfigurationError, HookKeyApiError, HookKeyError, KeyUnavailableError
from .events import EventName, OnEvent, Reporter, named, reason_of
from .guard import HttpAnswer, HttpRefusal
from .health import Part, Status
from .okta.paths import NEXT

__all__ = ["BridgeHealth", "HookKeyList", "JwksBridge", "JwksEndpoint"]

RETRY: Final = 10.0
"""Seconds between attempts while the org is unreachable."""
PATIENCE: Final = 10.0
"""Seconds that a request waits for the first key set."""
MAX_AGE_WHEN_STALE: Final = 30
_PROBLEM: Final = "the org's hook keys cannot be fetched"
_JSON: Final = (("Content-Type", "application/jwk-set+json"), ("X-Content-Type-Options", "nosniff"))


class _Key(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def key_id(self) -> str: ...


@runtime_checkable
class HookKeyList(Protocol):
    """The client that a bridge uses: ``HookKeysClient`` or your own.

    For example:

    >>> from hookkey_verify.jwks_bridge import HookKeyList
    >>> [name for name in vars(HookKeyList) if not name.startswith("_")]
    ['list', 'public_key']
    """

    def list(self) -> Any:
        """Return the org's hook keys, each with ``name`` and ``key_id``."""
        ...

    def public_key(self, key_id: str) -> PublicKey:
        """Return the public key with this id."""
        ...


class JwksEndpoint:
    """Serves a fixed JWK Set, such as ``TokenEndpoint.jwks``. It is an ``Endpoint``.

    For example:

    >>> from hookkey_verify.jwks_bridge import JwksEndpoint
    >>> from hookkey_verify.signing_key import SigningKey
    >>> key = SigningKey.generate().public_key
    >>> answer = JwksEndpoint({"keys": [key.as_jwk()]}).respond("GET", {}, b"")
    >>> answer.status, dict(answer.headers)["Content-Type"]
    (200, 'application/jwk-set+json')
    """

    max_body = 0

    def __init__(self, jwks: dict[str, Any], *, max_age: int = 300) -> None:
        """Serve ``jwks``, which others may cache for ``max_age`` seconds (0 to 86400, default 300).

        Raises ``ConfigurationError`` naming the argument.
        """
        if not isinstance(jwks, dict) or not isinstance(jwks.get("keys"), list):
            raise ConfigurationError('jwks must be a dict with a list of "keys"')
        self._set = _Set.of(jwks["keys"])
        self._max_age = whole_number("max_age", max_age, 0, 86_400)

    def respond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:  # noqa: ARG002
        """Answer a request for the key set. Raises nothing."""
        return _served(self._set, method, headers, self._max_age)

    async def arespond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:
        """Do the same as ``respond``. It does not block."""
        return self.respond(method, headers, body)


@dataclass(frozen=True, slots=True, kw_only=True)
class BridgeHealth:
    """The condition of a ``JwksBridge``.

    ``source``: the URL of the org.
    ``status``: healthy unless the last fetch failed; then degraded while the old key set may be
        served, and failing otherwise.
    ``last_success``: the seconds since the last fetch that succeeded; None if there was none.

    For example:

    >>> from hookkey_verify.jwks_bridge import BridgeHealth
    >>> BridgeHealth(source="https://acme.okta.com", status="degraded", last_success=None).part
    'jwks'
    """

    part: ClassVar[Part] = "jwks"

    source: str
    status: Status
    last_success: float | None


class JwksBridge:
    """Serves the org's hook keys as a JWK Set and refreshes it on demand. Thread-safe.

    When the set is older than ``fresh_for``, one request refreshes it. Concurrent requests get the
    old set with a short ``max-age``. While the org is unreachable, the old set is served for
    ``stale_for``. Without a set, requests wait up to 10 seconds and then get 503.

    If one public key cannot be fetched or is rejected, the whole refresh fails, because a set that
    lacks a key would break every client that signs with it.

    For example:

    >>> from hookkey_verify import ApiToken, HookKeysClient
    >>> from hookkey_verify.emulator import OktaEmulator
    >>> from hookkey_verify.jwks_bridge import JwksBridge
    >>> with OktaEmulator() as okta, HookKeysClient(okta.url, ApiToken(okta.api_token)) as client:
    ...     key = client.create("Token hook")
    ...     answer = JwksBridge(client).respond("GET", {}, b"")
    >>> key.key_id.encode() in answer.body
    True
    """

    max_body = 0

    def __init__(
        self,
        client: HookKeyList,
        *,
        names: Collection[str] | None = None,
        fresh_for: float = 300,
        stale_for: float = 86_400,
        on_event: OnEvent | None = None,
        clock: Clock = monotonic_clock,
    ) -> None:
        """Create a bridge; the first request fetches the keys.

        ``client``: a ``HookKeysClient``.
        ``names``: the names of the keys to serve, with their successors from ``KeyRotation`` (the
            name and " (next)"). Default None: all keys.
        ``fresh_for``: the seconds after which the set is refreshed, 1 to 86400, default 300. A new
            key may be missing, and a deleted key served, for that long. Clients that respect
            ``max-age`` do not add to it.
        ``stale_for``: the seconds for which an old set is served while the org is unreachable, 0 to
            2,592,000 (30 days), default 86400.
        ``on_event``: a function that takes an ``Event`` for each fetch and each response. Default
            None.
        ``clock``: a function that returns monotonic seconds. Default: ``time.monotonic``.

        Raises ``ConfigurationError`` naming the argument.
        """
        if not isinstance(client, HookKeyList) or asyncio.iscoroutinefunction(client.list):
            raise ConfigurationError("client must be a HookKeysClient")
        self._names = None if names is None else frozenset(texts("names", names))
        if self._names == frozenset():
            raise ConfigurationError("names must be names of hook keys, or None for all keys")
        self._client = client
        self._fresh_for = seconds("fresh_for", fresh_for, 1, 86_400)
        self._stale_for = seconds("stale_for", stale_for, 0, 30 * 86_400)
        self._clock = clock
        self._set: _Set | None = None
        self._fetched = 0.0
        self._tried: float | None = None
        self._report = Reporter(named(client), on_event, clock)
        self._lock = PerProcess(threading.Lock)
        # A separate thread, so that a slow org does not occupy the threads of the application.
        self._threads = PerProcess(partial(ThreadPoolExecutor, 1, "jwks-bridge"))

    def __repr__(self) -> str:
        return f"JwksBridge({self._client!r})"

    def jwks(self) -> dict[str, Any]:
        """Return the key set. Raises ``KeyUnavailableError`` if there is none."""
        self._refresh()
        document: dict[str, Any] = json.loads(self._current()[0].body)
        return document

    def respond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:  # noqa: ARG002
        """Answer a request for the key set. Raises nothing."""
        if method in ("GET", "HEAD"):
            self._refresh()
        return self._answer(method, headers)

    async def arespond(
        self,
        method: str,
        headers: Headers,
        body: bytes,  # noqa: ARG002
    ) -> HttpAnswer:
        """Do the same as ``respond`` without blocking the event loop; a thread fetches the keys."""
        others_fetch = self._is_servable() and self._lock().locked()
        if method in ("GET", "HEAD") and self._is_due() and not others_fetch:
            run = copy_context().run  # as asyncio.to_thread does, for on_event
            loop = asyncio.get_running_loop()
            work = loop.run_in_executor(self._threads(), run, self._refresh)
            with suppress(TimeoutError):
                await asyncio.wait_for(work, PATIENCE)
        return self._answer(method, headers)

    def _answer(self, method: str, headers: Headers) -> HttpAnswer:
        if method not in ("GET", "HEAD"):
            return _not_allowed()
        try:
            current, max_age = self._current()
        except KeyUnavailableError as error:
            self._report(EventName.JWKS_SERVED, outcome="unavailable", reason=reason_of(error))
            return HttpRefusal.of(error)
        self._report(EventName.JWKS_SERVED, outcome="fresh" if self._is_fresh() else "stale")
        return _served(current, method, headers, max_age)

    def health(self) -> BridgeHealth:
        """Return the condition of the key set, without fetching it."""
        status: Status = "healthy"
        if self._tried is not None and not self._is_fresh():  # the last attempt failed
            status = "degraded" if self._is_servable() else "failing"
        return BridgeHealth(
            source=self._report.source,
            status=status,
            last_success=None if self._set is None else self._age(),
        )

    def _age(self) -> float:
        return self._clock() - self._fetched

    def _refresh(self) -> None:
        # Wait only without a set. After waiting, check again whether another request fetched it.
        wait = 0 if self._is_servable() else PATIENCE
        lock = self._lock()
        if self._is_due() and lock.acquire(timeout=wait):
            began = self._clock()
            try:
                if not self._is_due():
                    return
                reason = self._fetch(began)
            finally:
                lock.release()
            outcome, seconds = "failed" if reason else "ok", self._clock() - began
            self._report(EventName.JWKS, outcome=outcome, seconds=seconds, reason=reason)

    def _current(self) -> tuple[_Set, int]:
        """Return the set and its ``max-age``."""
        if self._set is None or not self._is_servable():
            raise KeyUnavailableError(_PROBLEM, retry_after=RETRY)
        left = self._fresh_for - self._age()
        return self._set, MAX_AGE_WHEN_STALE if left <= 0 else max(1, int(left))

    def _is_servable(self) -> bool:
        return self._set is not None and self._age() < self._fresh_for + self._stale_for

    def _is_fresh(self) -> bool:
        return self._set is not None and self._age() < self._fresh_for

    def _is_due(self) -> bool:
        if self._is_fresh():
            return False
        return self._tried is None or self._clock() - self._tried >= RETRY

    def _fetch(self, began: float) -> str:
        """Fetch the key set, and return why that failed; "" if it did not."""
        try:
            keys = [key for key in self._client.list() if self._is_wanted(key)]
            documents = [self._client.public_key(key.key_id).as_jwk() for key in keys]
        except Exception as error:
            self._tried = now = self._clock()
            level = logging.WARNING if isinstance(error, HookKeyApiError) else logging.ERROR
            # Other exceptions may contain anything in their text.
            words = str(error) if isinstance(error, HookKeyError) else type(error).__name__
            text, reason = f"JwksBridge: {_PROBLEM}: {words}", reason_of(error)
            self._report.log(level, text, reason=reason, seconds=now - began)
            return reason
        missing = (self._names or frozenset()) - {key.name for key in keys}
        if missing:
            text = f"JwksBridge: the org has no hook key {', '.join(sorted(missing))}"
            self._report.log(logging.WARNING, text)
        self._set, self._fetched, self._tried = _Set.of(documents), self._clock(), None
        return ""

    def _is_wanted(self, key: _Key) -> bool:
        if self._names is None or key.name in self._names:
            return True
        return key.name.endswith(NEXT) and key.name.removesuffix(NEXT) in self._names


class _Set(NamedTuple):
    """A serialized JWK Set and its entity tag."""

    body: bytes
    tag: str

    @classmethod
    def of(cls, keys: list[dict[str, str]]) -> _Set:
        ordered = sorted(keys, key=lambda key: key["kid"])
        body = json.dumps({"keys": ordered}, separators=(",", ":")).encode()
        return cls(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _served(current: _Set, method: str, headers: Headers, max_age: int) -> HttpAnswer:
    """Return the response with the key set, or 304 if the client already has it.

    RFC 9110 sections 8.8.3 and 13.1.2; RFC 9111 section 5.2.2.1.
    """
    if method not in ("GET", "HEAD"):
        return _not_allowed()
    caching = (("ETag", current.tag), ("Cache-Control", f"public, max-age={max_age}"))
    try:
        tags = ",".join(header_values(headers, "if-none-match"))
    except ConfigurationError:
        tags = ""
    if any(tag.strip().removeprefix("W/") in (current.tag, "*") for tag in tags.split(",")):
        return HttpAnswer(304, caching, b"")
    if method == "HEAD":
        length = ("Content-Length", str(len(current.body)))
        return HttpAnswer(200, (*_JSON, *caching, length), b"")
    return HttpAnswer(200, (*_JSON, *caching), current.body)


def _not_allowed() -> HttpAnswer:
    document = {"title": "Method Not Allowed", "status": 405, "detail": "only GET is answered"}
    headers = (("Allow", "GET, HEAD"), ("Content-Type", "application/problem+json"))
    return HttpAnswer(405, headers, json.dumps(document).encode())
