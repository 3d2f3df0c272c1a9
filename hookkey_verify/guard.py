"""Guard: request headers in, VerifiedHook or HTTP answer out. Knows HTTP, no framework. No I/O.

Adapters translate requests and responses and decide nothing. Okta treats a 4xx as final, retries a
5xx at most once and follows no redirect
(https://developer.okta.com/docs/concepts/inline-hooks/), so a request that may be valid is answered
with 503, never 401.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Protocol, runtime_checkable

from ._arguments import flag
from ._runtime.log import logger
from ._wire.bearer import Headers, header_values, pick_headers
from .errors import ConfigurationError, HookKeyError
from .verifier import VerifiedHook

__all__ = [
    "Guard",
    "HttpAnswer",
    "HttpRefusal",
    "OnRefusal",
    "PublicPaths",
    "RequestVerifier",
    "decorated",
    "environ_headers",
]

MAX_CHALLENGE = 1024
"""Characters of an event hook's challenge; Okta's are far shorter."""

_LEVELS = {500: logging.ERROR, 503: logging.WARNING}
"""What a refusal with this status is logged as; others are the sender's fault."""
_MOUNT_HEADERS = ("script-name", "script_name", "x-script-name", "x-forwarded-prefix")
"""Headers from which servers (gunicorn) and middleware (ProxyFix) take a mount point."""
_PLAIN_PATH = re.compile(r"/|(?:/(?!\.\.?(?:/|\Z))[A-Za-z0-9._~-]+)+/?")


@runtime_checkable
class RequestVerifier(Protocol):
    """What a guard asks: ``HookVerifier``, ``HeaderSecret``, ``BasicCredentials`` or your own.

    Both methods return a ``VerifiedHook`` or raise a ``HookVerificationError``.
    """

    def verify_headers(self, headers: Headers) -> VerifiedHook:
        """Verify the credentials in these request headers."""
        ...

    async def averify_headers(self, headers: Headers) -> VerifiedHook:
        """Do the same without blocking the event loop."""
        ...


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A complete answer, for any framework to send."""

    status: int
    headers: tuple[tuple[str, str], ...]
    """Names and values; ``Content-Length``, but for HEAD, is left to whoever sends it."""
    body: bytes

    @property
    def status_line(self) -> str:
        """``401 Unauthorized``, for interfaces that want both."""
        return f"{self.status} {_phrase(self.status)}"

    @property
    def sized_headers(self) -> list[tuple[str, str]]:
        """The headers with ``Content-Length``, for interfaces that add nothing of their own.

        Not to those that have it, of an answer to HEAD, nor to a 304 (RFC 9110 section 8.6).
        """
        if self.status == 304 or any(name == "Content-Length" for name, _ in self.headers):
            return [*self.headers]
        return [*self.headers, ("Content-Length", str(len(self.body)))]


@dataclass(frozen=True, slots=True)
class HttpRefusal(HttpAnswer):
    """The answer to a request that is not let through."""

    error: HookKeyError
    """Why, with ``reason`` and ``retryable``; its text is for logs, and is not in the body."""

    @classmethod
    def of(cls, error: HookKeyError) -> HttpRefusal:
        """Return the answer that this error asks for: RFC 6750 headers, RFC 9457 body.

        The body has ``title``, ``status``, ``detail`` (the same for every error of the class) and
        ``reason``. Without ``type``, which is then about:blank and ``title`` the status's phrase.
        """
        status = error.status_code
        if type(status) is not int or not 400 <= status <= 599:
            status = 500  # what is refused must not look like an acceptance
        document = {
            "title": _phrase(status),
            "status": status,
            "detail": error.title,
            "reason": error.reason,
        }
        headers = (
            *error.headers.items(),
            ("Content-Type", "application/problem+json"),
            ("Cache-Control", "no-store"),
        )
        return cls(status, headers, json.dumps(document).encode(), error)


OnRefusal = Callable[[HttpRefusal], HttpAnswer]
"""Looks at a refusal and returns it, or another answer in its place. Must not block."""


class Guard:
    """Lets verified requests through, and knows the answer to all others. Thread-safe."""

    def __init__(
        self,
        verifier: RequestVerifier,
        *,
        on_refusal: OnRefusal | None = None,
        event_hook: bool = False,
    ) -> None:
        """``on_refusal`` may answer a refusal in its own way, or only take note of it.

        ``event_hook`` answers the GET by which Okta finds out, once, whether an event hook's
        endpoint is yours. Raises ``ConfigurationError`` naming the argument.
        """
        if not isinstance(verifier, RequestVerifier):
            raise ConfigurationError("verifier must be a HookVerifier, or have verify_headers")
        if on_refusal is not None and not callable(on_refusal):
            raise ConfigurationError("on_refusal must be a function of an HttpRefusal")
        self._verifier = verifier
        self._on_refusal = on_refusal
        self._event_hook = flag("event_hook", event_hook)

    def __repr__(self) -> str:
        return f"Guard({self._verifier!r})"

    @property
    def sent_by_browsers(self) -> bool:
        """Whether browsers send the credentials on their own, so that CSRF must be prevented.

        A verifier's attribute of that name says so. One of your own that reads cookies or Basic
        credentials needs it; without it the answer is False.
        """
        return bool(getattr(self._verifier, "sent_by_browsers", False))

    def check(self, headers: Headers, method: str = "POST") -> VerifiedHook | HttpAnswer:
        """Return the hook to be handled, or what to answer instead of handling it.

        ``headers`` is a mapping or a list of names and values, str or bytes; of a WSGI environ,
        ``environ_headers(environ)``. Raises nothing.
        """
        try:
            return self._challenge(headers, method) or _proof(
                self._verifier.verify_headers(headers)
            )
        except Exception as error:  # whatever it is, the request is not let through
            return self._refuse(error)

    async def acheck(self, headers: Headers, method: str = "POST") -> VerifiedHook | HttpAnswer:
        """Do as ``check`` without ever blocking the event loop on I/O."""
        try:
            return self._challenge(headers, method) or _proof(
                await self._verifier.averify_headers(headers)
            )
        except Exception as error:
            return self._refuse(error)

    def _challenge(self, headers: Headers, method: str) -> HttpAnswer | None:
        """The one-time verification of an event hook: its value, back as JSON.

        https://developer.okta.com/docs/concepts/event-hooks/#one-time-verification-request. Whether
        Okta sends the secret along is not documented, so it is not asked for: who asks learns only
        what they have sent, and events of theirs are refused.
        """
        if not self._event_hook or method != "GET" or isinstance(headers, Iterator):
            return None  # an iterator can be read once only
        values = header_values(headers, "x-okta-verification-challenge")
        if len(values) != 1 or len(values[0]) > MAX_CHALLENGE:
            return None
        body = json.dumps({"verification": values[0]}).encode()
        kinds = (("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff"))
        return HttpAnswer(200, (*kinds, ("Cache-Control", "no-store")), body)

    def _refuse(self, error: Exception) -> HttpAnswer:
        try:
            refusal = _refusal(error)
        except Exception as failure:  # an error whose own text or headers cannot be had
            logger.error("%s raised %s", type(error).__name__, type(failure).__name__)
            refusal = HttpRefusal.of(ConfigurationError("the verifier failed"))
        if self._on_refusal is None:
            return refusal
        try:
            answer = self._on_refusal(refusal)
        except Exception as failure:
            logger.error("on_refusal raised %s", type(failure).__name__)
            return refusal
        if not isinstance(answer, HttpAnswer):
            logger.error("on_refusal did not return an HttpAnswer")
            return refusal
        return answer


def _proof(hook: object) -> VerifiedHook:
    """What a verifier returned, if it is a verdict; a custom verifier may return anything."""
    if not isinstance(hook, VerifiedHook):
        raise TypeError
    return hook


def _refusal(error: Exception) -> HttpRefusal:
    if not isinstance(error, HookKeyError):
        logger.error("the verifier raised %s", type(error).__name__)
        error = ConfigurationError("the verifier failed")
    refusal = HttpRefusal.of(error)
    level = _LEVELS.get(refusal.status, logging.INFO)
    logger.log(level, "a request was refused with %d: %s", refusal.status, error)
    return refusal


class PublicPaths:
    """The paths that a middleware leaves open. It protects all others, known to it or not."""

    def __init__(self, paths: Iterable[str]) -> None:
        """``paths``: absolute paths such as ``/healthz``, each open by itself, without patterns.

        Raises ``ConfigurationError`` for anything that could be read in two ways: only ASCII
        letters, digits, ``-``, ``.``, ``_``, ``~`` and single slashes are accepted.
        """
        if isinstance(paths, str) or not isinstance(paths, Iterable):
            raise ConfigurationError('public must be a list of paths such as ["/healthz"]')
        self._paths = frozenset(map(_plain_path, paths))

    def includes(self, mount: str, path: str, target: str | None, headers: Headers) -> bool:
        """Tell whether a request is for a public path.

        ``mount``: the mount point of the application; empty at the root.
        ``path``: the decoded path below it.
        ``target``: the request target as it was sent, None where the server does not tell.
        ``headers``: the request headers.

        Mount point and path together must be an entry, and so must the target: a path that servers,
        proxies and routers may read differently is protected. So is every path whose mount point
        may come from a header: whoever sends it chooses what the router sees.
        """
        full = mount + path
        if full not in self._paths or (target is not None and target.partition("?")[0] != full):
            return False
        return not mount or not any(pick_headers(headers, _MOUNT_HEADERS))


def decorated(
    first: Any,
    options: Mapping[str, Any],
    configured: Callable[[], Guard],
    wrap: Callable[[Any, Callable[[], Guard]], Any],
) -> Any:
    """What a decorator returns that is used bare, with nothing in its brackets, or with arguments.

    ``configured`` returns the guard of the application's settings, when it is needed; ``wrap`` puts
    a guard before a view.
    """
    if callable(first) and not isinstance(first, RequestVerifier):
        return wrap(first, configured)
    if first is None and not options:
        return lambda view: wrap(view, configured)
    verifier: Any = first
    guard = Guard(verifier, **options)
    return lambda view: wrap(view, lambda: guard)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:  # a status that no RFC names
        return "Status"


def environ_headers(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the request headers of a WSGI environ (PEP 3333), Django's ``META`` included.

    Servers join a header that comes twice with a comma there, which no token contains.
    """
    return [
        (name[5:].replace("_", "-"), value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]


def _plain_path(path: object) -> str:
    if type(path) is not str or not _PLAIN_PATH.fullmatch(path):
        raise ConfigurationError(
            f"public has {path!r}; each entry must be a path such as /healthz, of letters, digits, "
            "- . _ ~ and single slashes, without patterns and escapes"
        )
    return path
