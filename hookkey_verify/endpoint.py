"""The protocol of endpoints, which adapters mount. Framework-independent, no I/O."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from ._wire.bearer import Headers
from .errors import ConfigurationError
from .events import Reporter
from .guard import HttpAnswer, environ_headers
from .health import CombinedHealth, HasHealth, Status, most_severe

__all__ = [
    "Endpoint",
    "HealthEndpoint",
    "announced_length",
    "checked",
    "received",
    "request_headers",
]

_HEALTH_HEADERS = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))


@runtime_checkable
class Endpoint(Protocol):
    """Answers complete requests, like ``TokenEndpoint``. Mount it with ``serve`` of an adapter.

    Both methods take the request method, headers as for ``Guard.check``, and the body, of which
    adapters pass at least the first ``max_body`` + 1 bytes. They raise nothing.

    For example:

    >>> from hookkey_verify.guard import HttpAnswer
    >>> class Hello:  # an endpoint of your own
    ...     max_body = 1024
    ...     def respond(self, method, headers, body):
    ...         return HttpAnswer(200, (("Content-Type", "text/plain"),), b"hello")
    ...     async def arespond(self, method, headers, body):
    ...         return self.respond(method, headers, body)
    >>> Hello().respond("GET", {}, b"").status_line
    '200 OK'
    """

    max_body: int

    def respond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:
        """Return the response."""
        ...

    async def arespond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:
        """Do the same without blocking the event loop."""
        ...


class HealthEndpoint:
    """Answers the probes of Kubernetes and load balancers. It is an ``Endpoint``.

    It answers 200 while the given objects are healthy or degraded, and 503 while one is failing.
    The body has the status of each kind of part, such as ``{"status": "healthy", "parts": {"keys":
    "healthy"}}``. It contains neither URLs nor reasons, because a probe has no credentials. It
    sends no request, so it shows an outage only after a verification has noticed it.

    Without objects it always answers 200. A liveness probe needs that, because restarting a process
    does not help against an outage of Okta or of the replay store.

    For example:

    >>> from hookkey_verify import IssuerKeys
    >>> from hookkey_verify.endpoint import HealthEndpoint
    >>> with IssuerKeys("https://acme.okta.com/oauth2/default") as keys:
    ...     answer = HealthEndpoint(keys).respond("GET", {}, b"")
    >>> answer.status, answer.body
    (200, b'{"status": "healthy", "parts": {"keys": "healthy"}}')
    """

    max_body = 0

    def __init__(self, *objects: HasHealth) -> None:
        """Create an endpoint.

        ``objects``: verifiers, ``TokenEndpoint``, ``JwksBridge``, key sources, replay stores, or
            your own objects with ``health()``. Default: none.

        Raises ``ConfigurationError`` for an object without ``health``.
        """
        if not all(isinstance(each, HasHealth) for each in objects):
            raise ConfigurationError(
                "HealthEndpoint takes verifiers, key sources and other objects with health()"
            )
        self._objects = objects
        self._log = Reporter(type(self).__name__, None).log

    def respond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:  # noqa: ARG002
        """Answer a probe. Raises nothing."""
        if method not in ("GET", "HEAD"):
            return HttpAnswer(405, (("Allow", "GET, HEAD"), *_HEALTH_HEADERS), b"{}")
        status, parts = self._condition()
        document = {"status": status, "parts": parts}
        code = 503 if status == "failing" else 200
        return HttpAnswer(code, _HEALTH_HEADERS, json.dumps(document).encode())

    async def arespond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:
        """Do the same as ``respond``. It does not block."""
        return self.respond(method, headers, body)

    def _condition(self) -> tuple[Status, dict[str, Status]]:
        """Return the status of everything, and of each kind of part."""
        try:
            whole = CombinedHealth.of(self._objects)
            parts: dict[str, Status] = {}
            for part in whole.parts:
                kind = str(getattr(part, "part", "other"))
                parts[kind] = most_severe([part.status, parts.get(kind, "healthy")])
        except Exception as error:  # of an object of the user
            self._log(logging.ERROR, f"health() raised {type(error).__name__}")
            return "failing", {}
        return whole.status, parts


def checked(endpoint: Endpoint, *, asynchronous: bool = False) -> Endpoint:
    """Return an endpoint.

    ``asynchronous``: whether the adapter calls ``arespond``. Default False: it calls ``respond``.

    Raises ``ConfigurationError`` for other objects, and for an endpoint that the adapter cannot
    serve: one whose ``needs_event_loop`` is True needs ``arespond``.
    """
    if not isinstance(endpoint, Endpoint):
        raise ConfigurationError("endpoint must be a TokenEndpoint, a JwksBridge, or have respond")
    if not asynchronous and getattr(endpoint, "needs_event_loop", False):
        raise ConfigurationError(
            "the endpoint has async handlers, which need an event loop: use serve of "
            "hookkey_verify.asgi, django, fastapi or starlette, or make the handlers synchronous"
        )
    return endpoint


def announced_length(environ: Mapping[str, Any]) -> int | None:
    """Return the ``CONTENT_LENGTH`` of a WSGI environ, or None if it is not a number."""
    length = str(environ.get("CONTENT_LENGTH") or "")
    # A number with more digits is too large anyway.
    return int(length[:20]) if length.isascii() and length.isdigit() else None


def received(read: Callable[[int], bytes], size: int, length: int | None) -> bytes:
    """Read up to ``size`` bytes of a body; ``length`` is None for a chunked one.

    A body that was cut off or broken counts as empty (RFC 9112 section 8).
    """
    body = b""
    try:
        while len(body) < size and (piece := read(size - len(body))):
            body += piece
    except OSError:
        return b""
    is_cut = length is not None and len(body) < min(length, size)
    return b"" if is_cut else body


def request_headers(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return all headers of a WSGI environ (PEP 3333), including ``Content-Type``."""
    content_type = environ.get("CONTENT_TYPE")
    return [*environ_headers(environ), *([("content-type", content_type)] if content_type else [])]
