"""JwksBridge: the org's hook keys as a JWK Set, for authorization servers with a ``jwks_uri``.

Okta serves one public key at a time, behind credentials and in a form that JOSE libraries refuse;
so administrators paste keys by hand. Behind this bridge a server follows every change by itself.
Public keys are public: it needs no credentials. Mount it with ``serve`` of an adapter.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import logging
import re
import threading
from collections.abc import Collection
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Final, NamedTuple, Protocol, runtime_checkable

from ._arguments import seconds, texts, whole_number
from ._jose.jwk import PublicKey
from ._runtime.clock import Clock, monotonic_clock
from ._runtime.forking import renew_after_fork
from ._runtime.log import logger
from ._wire.bearer import Headers, header_values
from .errors import ConfigurationError, HookKeyApiError, HookKeyError, KeyUnavailableError
from .guard import HttpAnswer, HttpRefusal

__all__ = ["HookKeyList", "JwksBridge", "JwksEndpoint"]

RETRY: Final = 10.0
"""Seconds between attempts while the org cannot be asked."""
PATIENCE: Final = 10.0
"""Seconds for which a request waits for the first set."""
MAX_AGE_WHEN_STALE: Final = 30
_DATE: Final = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_PROBLEM: Final = "the org's hook keys cannot be fetched"
_JSON: Final = (("Content-Type", "application/jwk-set+json"), ("X-Content-Type-Options", "nosniff"))


class _Key(Protocol):
    @property
    def name(self) -> str: ...
    @property
    def key_id(self) -> str: ...


@runtime_checkable
class HookKeyList(Protocol):
    """What a bridge asks: ``HookKeysClient``."""

    def list(self) -> Any:
        """Return the org's keys, each with ``name`` and ``key_id``."""
        ...

    def public_key(self, key_id: str) -> PublicKey:
        """Return the public half of one."""
        ...


class JwksEndpoint:
    """Serves one JWK Set; an ``Endpoint``. For ``TokenEndpoint.jwks``, which changes with it."""

    max_body = 0

    def __init__(self, jwks: dict[str, Any], *, max_age: int = 300) -> None:
        """``max_age`` is for how many seconds others may keep it. Raises ``ConfigurationError``."""
        if not isinstance(jwks, dict) or not isinstance(jwks.get("keys"), list):
            raise ConfigurationError('jwks must be a dict with a list of "keys"')
        self._set = _Set.of(jwks["keys"])
        self._max_age = whole_number("max_age", max_age, 0, 86_400)

    def respond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:  # noqa: ARG002
        """Answer a request for the set. Raises nothing."""
        return _served(self._set, method, headers, self._max_age)

    async def arespond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:
        """Do as ``respond``; it never blocks."""
        return self.respond(method, headers, body)


class JwksBridge:
    """Serves the org's hook keys, fetched when they are older than ``fresh_for``. Thread-safe.

    One request fetches. The others get the last set meanwhile, with a short ``max-age``; it is
    served on for ``stale_for`` while the org cannot be asked. Without one they wait, and the answer
    is 503 after 10 seconds. A key
    whose public half cannot be had or is refused fails the fetch: a set that lacks a key for no
    reason would break whoever signs with it.
    """

    max_body = 0

    def __init__(
        self,
        client: HookKeyList,
        *,
        names: Collection[str] | None = None,
        fresh_for: float = 300,
        stale_for: float = 86_400,
        clock: Clock = monotonic_clock,
    ) -> None:
        """``client`` is a ``HookKeysClient``; ``names`` are the keys to serve, None all of them.
        With a key goes its successor, whose name is the key's with a date (``rotate``).

        ``fresh_for`` (1 to 86400 seconds) bounds how long a new key is missing and a deleted one is
        served, also at those who keep the set as long as its ``max-age`` says. ``stale_for`` is in
        seconds, 0 to 30 days. ``clock`` returns monotonic seconds.

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
        self.renew()
        renew_after_fork(self)

    def renew(self) -> None:
        """Begin without locks that another thread held when the process was forked."""
        self._fetching = threading.Lock()
        # Of its own, so that a slow org holds up nobody else who needs a thread.
        self._threads = ThreadPoolExecutor(1, thread_name_prefix="jwks-bridge")

    def __repr__(self) -> str:
        return f"JwksBridge({self._client!r})"

    def jwks(self) -> dict[str, Any]:
        """Return the set. Raises ``KeyUnavailableError`` when there is none to be served."""
        self._refresh()
        document: dict[str, Any] = json.loads(self._current()[0].body)
        return document

    def respond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:  # noqa: ARG002
        """Answer a request for the set. Raises nothing."""
        if method in ("GET", "HEAD"):
            self._refresh()
        return self._answer(method, headers)

    async def arespond(
        self,
        method: str,
        headers: Headers,
        body: bytes,  # noqa: ARG002
    ) -> HttpAnswer:
        """Do as ``respond`` without ever blocking the event loop: it fetches in a thread."""
        others_fetch = self._is_servable() and self._fetching.locked()
        if method in ("GET", "HEAD") and self._is_due() and not others_fetch:
            work = asyncio.get_running_loop().run_in_executor(self._threads, self._refresh)
            with suppress(TimeoutError):
                await asyncio.wait_for(work, PATIENCE)
        return self._answer(method, headers)

    def _answer(self, method: str, headers: Headers) -> HttpAnswer:
        """Answer with what there is."""
        if method not in ("GET", "HEAD"):
            return _not_allowed()
        try:
            current, max_age = self._current()
        except KeyUnavailableError as error:
            return HttpRefusal.of(error)
        return _served(current, method, headers, max_age)

    def _age(self) -> float:
        return self._clock() - self._fetched

    def _refresh(self) -> None:
        # Whoever waited here has what the one before fetched; whoever has a set need not wait.
        wait = 0 if self._is_servable() else PATIENCE
        if self._is_due() and self._fetching.acquire(timeout=wait):
            try:
                if self._is_due():
                    self._fetch()
            finally:
                self._fetching.release()

    def _current(self) -> tuple[_Set, int]:
        """The set and for how long others may keep it."""
        if self._set is None or not self._is_servable():
            raise KeyUnavailableError(_PROBLEM, retry_after=RETRY)
        left = self._fresh_for - self._age()
        return self._set, MAX_AGE_WHEN_STALE if left <= 0 else max(1, int(left))

    def _is_servable(self) -> bool:
        return self._set is not None and self._age() < self._fresh_for + self._stale_for

    def _is_due(self) -> bool:
        if self._set is not None and self._age() < self._fresh_for:
            return False
        return self._tried is None or self._clock() - self._tried >= RETRY

    def _fetch(self) -> None:
        try:
            keys = [key for key in self._client.list() if self._is_wanted(key)]
            documents = [self._client.public_key(key.key_id).as_jwk() for key in keys]
        except Exception as error:
            self._tried = self._clock()
            level = logging.WARNING if isinstance(error, HookKeyApiError) else logging.ERROR
            # The text of other errors may hold anything.
            words = str(error) if isinstance(error, HookKeyError) else type(error).__name__
            logger.log(level, "JwksBridge: %s: %s", _PROBLEM, words)
            return
        missing = (self._names or frozenset()) - {key.name for key in keys}
        if missing:
            logger.warning("JwksBridge: the org has no hook key %s", ", ".join(sorted(missing)))
        self._set, self._fetched, self._tried = _Set.of(documents), self._clock(), None

    def _is_wanted(self, key: _Key) -> bool:
        if self._names is None or key.name in self._names:
            return True
        name, _, date = key.name.rpartition(" ")  # a successor, as HookKeysClient.rotate names it
        return name in self._names and _DATE.fullmatch(date) is not None


class _Set(NamedTuple):
    """A JWK Set as it is served."""

    body: bytes
    tag: str

    @classmethod
    def of(cls, keys: list[dict[str, str]]) -> _Set:
        ordered = sorted(keys, key=lambda key: key["kid"])
        body = json.dumps({"keys": ordered}, separators=(",", ":")).encode()
        return cls(body, f'"{hashlib.sha256(body).hexdigest()[:32]}"')


def _served(current: _Set, method: str, headers: Headers, max_age: int) -> HttpAnswer:
    """RFC 9110 sections 8.8.3 and 13.1.2; RFC 9111 section 5.2.2.1."""
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
