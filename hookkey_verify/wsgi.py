"""Protect any WSGI application (PEP 3333).

::

    app = HookMiddleware(app, verifier, paths=["/hooks/*"])
    environ["hookkey_verify.hook"]      # the VerifiedHook, in the application
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from .endpoint import Endpoint, checked, request_headers
from .guard import Guard, OnRefusal, ProtectedPaths, RequestVerifier, environ_headers
from .verifier import VerifiedHook

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

__all__ = ["HOOK", "HookMiddleware", "serve"]

HOOK = "hookkey_verify.hook"
"""Where the environ of a verified request has its ``VerifiedHook``."""


class HookMiddleware:
    """Passes verified requests on, and answers all others itself."""

    def __init__(
        self,
        app: WSGIApplication,
        verifier: RequestVerifier,
        *,
        paths: Iterable[str] | None = None,
        on_refusal: OnRefusal | None = None,
        event_hook: bool = False,
    ) -> None:
        """``paths`` are what is protected, such as ``/hooks/*``; None: everything.

        They may count from the mount point (``SCRIPT_NAME``) or from the root of the server. The
        other arguments are those of ``Guard``. Raises ``ConfigurationError``.
        """
        self._app = app
        self._guard = Guard(verifier, on_refusal=on_refusal, event_hook=event_hook)
        self._paths = ProtectedPaths(paths)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        environ.pop(HOOK, None)
        if not self._paths.protect(environ.get("PATH_INFO", ""), environ.get("SCRIPT_NAME", "")):
            return self._app(environ, start_response)
        outcome = self._guard.check(environ_headers(environ), environ["REQUEST_METHOD"])
        if isinstance(outcome, VerifiedHook):
            environ[HOOK] = outcome
            return self._app(environ, start_response)
        start_response(outcome.status_line, outcome.sized_headers)
        return [outcome.body]


def serve(endpoint: Endpoint) -> WSGIApplication:
    """Return an application that answers with an endpoint, whatever the path.

    Raises ``ConfigurationError``.
    """
    checked(endpoint)

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        length = environ.get("CONTENT_LENGTH") or ""
        most = endpoint.max_body + 1
        # Without a length only a server that ends the input itself may be read to the end.
        ended = environ.get("wsgi.input_terminated", False)
        size = most if ended else 0
        if length.isascii() and length.isdigit():
            size = min(int(length[:20]), most)  # so many digits are too many anyway
        body = environ["wsgi.input"].read(size) if size else b""
        headers = request_headers(environ)
        answer = endpoint.respond(environ["REQUEST_METHOD"], headers, body)
        start_response(answer.status_line, answer.sized_headers)
        return [answer.body]

    return app
