"""What adapters mount: an object that answers whole requests. Knows HTTP, no framework. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Protocol, runtime_checkable

from ._wire.bearer import Headers
from .errors import ConfigurationError
from .guard import HttpAnswer, environ_headers

__all__ = ["Endpoint", "announced_length", "checked", "received", "request_headers"]


@runtime_checkable
class Endpoint(Protocol):
    """One resource, such as ``TokenEndpoint`` or ``JwksBridge``; ``serve`` of an adapter mounts it.

    Both methods take the request's method, its headers as ``Guard.check`` does, and its body: at
    least its first ``max_body`` + 1 bytes, so that adapters need not read more. They raise nothing.
    """

    max_body: int

    def respond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:
        """Return the answer."""
        ...

    async def arespond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:
        """Do the same without blocking the event loop."""
        ...


def checked(endpoint: Endpoint) -> Endpoint:
    """Return it. Raises ``ConfigurationError`` for what cannot be mounted."""
    if not isinstance(endpoint, Endpoint):
        raise ConfigurationError("endpoint must be a TokenEndpoint, a JwksBridge, or have respond")
    return endpoint


def announced_length(environ: Mapping[str, Any]) -> int | None:
    """Return the ``CONTENT_LENGTH`` of a WSGI environ; None without one that is a number."""
    length = str(environ.get("CONTENT_LENGTH") or "")
    # Whatever has more digits than this is too long anyway.
    return int(length[:20]) if length.isascii() and length.isdigit() else None


def received(read: Callable[[int], bytes], size: int, length: int | None) -> bytes:
    """Read up to ``size`` bytes of a body of that ``length``, None for one that ends by itself.

    Nothing is returned of a request that is cut, or broken on its way (RFC 9112 section 8).
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
    """Return all headers of a WSGI environ (PEP 3333), with the one that describes the body."""
    content_type = environ.get("CONTENT_TYPE")
    return [*environ_headers(environ), *([("content-type", content_type)] if content_type else [])]
