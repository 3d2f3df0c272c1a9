"""What adapters mount: an object that answers whole requests. Knows HTTP, no framework. No I/O."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol, runtime_checkable

from .bearer import Headers
from .errors import ConfigurationError
from .guard import HttpAnswer, environ_headers

__all__ = ["Endpoint", "checked", "request_headers"]


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


def request_headers(environ: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return all headers of a WSGI environ (PEP 3333), with the one that describes the body."""
    content_type = environ.get("CONTENT_TYPE")
    return [*environ_headers(environ), *([("content-type", content_type)] if content_type else [])]
