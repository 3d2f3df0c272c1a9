"""The protocol of endpoints, which adapters mount. Framework-independent, no I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from ._wire.bearer import Headers
from .errors import ConfigurationError
from .guard import HttpAnswer, environ_headers

__all__ = ["Endpoint", "announced_length", "checked", "received", "request_headers"]


@runtime_checkable
class Endpoint(Protocol):
    """Answers complete requests, like ``TokenEndpoint``. Mount it with ``serve`` of an adapter.

    Both methods take the request method, headers as for ``Guard.check``, and the body, of which
    adapters pass at least the first ``max_body`` + 1 bytes. They raise nothing.
    """

    max_body: int

    def respond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:
        """Return the response."""
        ...

    async def arespond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:
        """Do the same without blocking the event loop."""
        ...


def checked(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint. Raises ``ConfigurationError`` for other objects."""
    if not isinstance(endpoint, Endpoint):
        raise ConfigurationError("endpoint must be a TokenEndpoint, a JwksBridge, or have respond")
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
