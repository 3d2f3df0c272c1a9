"""Guard turns request headers into a VerifiedHook or an HTTP response. It does no I/O.

Adapters only translate requests and responses. Okta does not retry after 4xx, retries once after
5xx and follows no redirects (https://developer.okta.com/docs/concepts/inline-hooks/), so a request
that may be valid gets 503 and never 401.
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
from ._wire.bearer import Headers, header_values, pick_headers
from .errors import ConfigurationError, HookKeyError, Reason
from .events import Reporter, reason_of
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
"""The longest event hook challenge in characters; Okta's are much shorter."""

LEVELS = {500: logging.ERROR, 503: logging.WARNING}
"""Log levels by status; all other refusals are the sender's fault and logged as INFO."""
_MOUNT_HEADERS = ("script-name", "script_name", "x-script-name", "x-forwarded-prefix")
"""Headers from which servers (gunicorn) and middleware (ProxyFix) read a mount point."""
_PLAIN_PATH = re.compile(r"/|(?:/(?!\.\.?(?:/|\Z))[A-Za-z0-9._~-]+)+/?")


@runtime_checkable
class RequestVerifier(Protocol):
    """A verifier of requests: ``HookVerifier``, ``HeaderSecret``, ``BasicCredentials`` or your own.

    Both methods return a ``VerifiedHook`` or raise a ``HookVerificationError``.

    For example:

    >>> from hookkey_verify.errors import MissingTokenError
    >>> from hookkey_verify.guard import Guard
    >>> class Closed:  # refuses everything, for example during maintenance
    ...     def verify_headers(self, headers):
    ...         raise MissingTokenError
    ...     async def averify_headers(self, headers):
    ...         raise MissingTokenError
    >>> Guard(Closed()).check({}).status
    401
    """

    def verify_headers(self, headers: Headers) -> VerifiedHook:
        """Verify the credentials in these request headers."""
        ...

    async def averify_headers(self, headers: Headers) -> VerifiedHook:
        """Do the same without blocking the event loop."""
        ...


@dataclass(frozen=True, slots=True)
class HttpAnswer:
    """A complete HTTP response, independent of the framework.

    For example:

    >>> from hookkey_verify.guard import HttpAnswer
    >>> answer = HttpAnswer(503, (("Retry-After", "60"),), b"")
    >>> answer.status_line, answer.sized_headers
    ('503 Service Unavailable', [('Retry-After', '60'), ('Content-Length', '0')])
    """

    status: int
    headers: tuple[tuple[str, str], ...]
    """Names and values. ``Content-Length`` is added when sending, except for HEAD."""
    body: bytes

    @property
    def status_line(self) -> str:
        """Status and phrase, such as ``401 Unauthorized``."""
        return f"{self.status} {_phrase(self.status)}"

    @property
    def sized_headers(self) -> list[tuple[str, str]]:
        """The headers with ``Content-Length``, for servers that do not add it.

        It is not added twice, nor to a 204 or 304 (RFC 9110 section 8.6).
        """
        if self.status in (204, 304) or any(name == "Content-Length" for name, _ in self.headers):
            return [*self.headers]
        return [*self.headers, ("Content-Length", str(len(self.body)))]


@dataclass(frozen=True, slots=True)
class HttpRefusal(HttpAnswer):
    """The response to a refused request.

    For example:

    >>> from hookkey_verify.errors import MissingTokenError
    >>> from hookkey_verify.guard import HttpRefusal
    >>> refusal = HttpRefusal.of(MissingTokenError())
    >>> refusal.status, refusal.body
    (401, b'{"title": "Unauthorized", "status": 401, "detail": "No bearer token was sent...
    """

    error: HookKeyError
    """The cause, with ``reason`` and ``retryable``. Its text is for logs and not in the body."""

    @classmethod
    def of(cls, error: HookKeyError) -> HttpRefusal:
        """Return the response for an error, with RFC 6750 headers and an RFC 9457 body.

        The body has ``title`` (the phrase of the status, because the ``type`` is ``about:blank``),
        ``status``, ``detail`` (the same for each error class) and ``reason``.
        """
        status = error.status_code
        if type(status) is not int or not 400 <= status <= 599:
            status = 500  # a refusal must not look like a success
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
"""A function that returns a refusal unchanged or a response to replace it. Must not block."""


class Guard:
    """Verifies requests and makes the responses to refused ones. Thread-safe.

    For example:

    >>> from hookkey_verify.guard import Guard
    >>> from hookkey_verify.shared_secret import HeaderSecret
    >>> guard = Guard(HeaderSecret("a-long-secret"))
    >>> guard.check({"Authorization": "a-long-secret"}).subject is None
    True
    >>> guard.check({}).status
    401
    """

    def __init__(
        self,
        verifier: RequestVerifier,
        *,
        on_refusal: OnRefusal | None = None,
        event_hook: bool = False,
    ) -> None:
        """Create a guard.

        ``verifier``: verifies the request headers.
        ``on_refusal``: a function that may replace the response to a refused request, or only
            observe it. Default None.
        ``event_hook``: whether to answer the one-time GET request with which Okta verifies that you
            own the endpoint of an event hook. Default False.

        Raises ``ConfigurationError`` naming the argument.
        """
        if not isinstance(verifier, RequestVerifier):
            raise ConfigurationError(
                "verifier must be a HookVerifier or another object with verify_headers"
            )
        if on_refusal is not None and not callable(on_refusal):
            raise ConfigurationError("on_refusal must be a function that takes an HttpRefusal")
        self._verifier = verifier
        self._on_refusal = on_refusal
        self._event_hook = flag("event_hook", event_hook)
        self._log = Reporter(getattr(verifier, "source", type(verifier).__name__), None).log

    def __repr__(self) -> str:
        return f"Guard({self._verifier!r})"

    @property
    def sent_by_browsers(self) -> bool:
        """Whether browsers send the credentials automatically, so that CSRF protection is needed.

        The verifier's attribute of that name decides; without one it is False. Set it to True in
        your own verifiers that read cookies or Basic credentials.
        """
        return bool(getattr(self._verifier, "sent_by_browsers", False))

    def check(self, headers: Headers, method: str = "POST") -> VerifiedHook | HttpAnswer:
        """Return the verified hook, or the response to send instead of calling the handler.

        ``headers``: a mapping or a list of (name, value) pairs, str or bytes. For a WSGI environ,
            pass ``environ_headers(environ)``.
        ``method``: the request method. Default POST.

        Raises nothing.
        """
        try:
            return self._challenge(headers, method) or _proof(
                self._verifier.verify_headers(headers)
            )
        except Exception as error:  # any exception refuses the request
            return self._refuse(error)

    async def acheck(self, headers: Headers, method: str = "POST") -> VerifiedHook | HttpAnswer:
        """Do the same as ``check`` without blocking the event loop."""
        try:
            return self._challenge(headers, method) or _proof(
                await self._verifier.averify_headers(headers)
            )
        except Exception as error:
            return self._refuse(error)

    def _challenge(self, headers: Headers, method: str) -> HttpAnswer | None:
        """Answer the one-time verification of an event hook by returning its value as JSON.

        https://developer.okta.com/docs/concepts/event-hooks/#one-time-verification-request. Okta
        does not document whether this request carries the secret, so none is required. The response
        contains only what the sender sent.
        """
        if not self._event_hook or method != "GET" or isinstance(headers, Iterator):
            return None  # an iterator can be read only once
        values = header_values(headers, "x-okta-verification-challenge")
        if len(values) != 1 or len(values[0]) > MAX_CHALLENGE:
            return None
        body = json.dumps({"verification": values[0]}).encode()
        kinds = (("Content-Type", "application/json"), ("X-Content-Type-Options", "nosniff"))
        return HttpAnswer(200, (*kinds, ("Cache-Control", "no-store")), body)

    def _refuse(self, error: Exception) -> HttpAnswer:
        try:
            refusal = self._refusal(error)
        except Exception as failure:  # the text or headers of the error raised
            text = f"{type(error).__name__} raised {type(failure).__name__}"
            self._log(logging.ERROR, text, reason=Reason.CONFIGURATION.value)
            refusal = HttpRefusal.of(ConfigurationError("the verifier failed"))
        if self._on_refusal is None:
            return refusal
        try:
            answer = self._on_refusal(refusal)
        except Exception as failure:
            self._log(logging.ERROR, f"on_refusal raised {type(failure).__name__}")
            return refusal
        if not isinstance(answer, HttpAnswer):
            self._log(logging.ERROR, "on_refusal did not return an HttpAnswer")
            return refusal
        return answer

    def _refusal(self, error: Exception) -> HttpRefusal:
        if not isinstance(error, HookKeyError):
            self._log(logging.ERROR, f"the verifier raised {type(error).__name__}")
            error = ConfigurationError("the verifier failed")
        refusal = HttpRefusal.of(error)
        level = LEVELS.get(refusal.status, logging.INFO)
        text = f"a request was refused with {refusal.status}: {error}"
        self._log(level, text, reason=reason_of(error))
        return refusal


def _proof(hook: object) -> VerifiedHook:
    """Return the result of a verifier after checking its type, which custom verifiers may break."""
    if not isinstance(hook, VerifiedHook):
        raise TypeError
    return hook


class PublicPaths:
    """The exact paths that a middleware leaves unprotected; it protects all others.

    For example:

    >>> from hookkey_verify.guard import PublicPaths
    >>> PublicPaths(["/healthz/*"])
    Traceback (most recent call last):
        ...
    hookkey_verify.errors.ConfigurationError: hookkey_verify is not configured correctly...
    """

    def __init__(self, paths: Iterable[str]) -> None:
        """``paths``: exact absolute paths such as ``/healthz``, without patterns.

        Raises ``ConfigurationError`` for ambiguous paths. Only ASCII letters, digits, ``-``,
        ``.``, ``_``, ``~`` and single slashes are accepted.
        """
        if isinstance(paths, str) or not isinstance(paths, Iterable):
            raise ConfigurationError('public must be a list of paths such as ["/healthz"]')
        self._paths = frozenset(map(_plain_path, paths))

    def __bool__(self) -> bool:
        """Return whether there is a public path."""
        return bool(self._paths)

    def includes(self, mount: str, path: str, target: str | None, headers: Headers) -> bool:
        """Return whether a request is for a public path.

        ``mount``: the mount point of the application; empty at the root.
        ``path``: the decoded path below the mount point.
        ``target``: the request target as it was sent, or None if the server does not provide it.
        ``headers``: the request headers.

        The mount point plus path must be an entry, and so must the target. A path that servers,
        proxies and routers may read differently is therefore protected. A path is also protected if
        its mount point may come from a header, because the sender could choose it.
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
    """Return a decorated view or a decorator, for ``@protect``, ``@protect()`` and ``@protect(…)``.

    ``first``, ``options``: the arguments of the decorator.
    ``configured``: returns the guard from the application's settings; called when it is needed.
    ``wrap``: puts a guard in front of a view.
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
    except ValueError:  # a status without a registered phrase
        return "Status"


def environ_headers(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return the request headers of a WSGI environ (PEP 3333) or of Django's ``META``.

    Servers join repeated headers with a comma, which no token contains.
    """
    return [
        (name[5:].replace("_", "-"), value)
        for name, value in environ.items()
        if name.startswith("HTTP_")
    ]


def _plain_path(path: object) -> str:
    if type(path) is not str or not _PLAIN_PATH.fullmatch(path):
        raise ConfigurationError(
            f"public contains {path!r}; each entry must be a path such as /healthz, with letters, "
            "digits, - . _ ~ and single slashes, without patterns or escapes"
        )
    return path
