"""Protect any WSGI application (PEP 3333).

::

    app = HookMiddleware(app, verifier, paths=["/hooks/*"])
    environ["hookkey_verify.hook"]      # the VerifiedHook, in the application
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .endpoint import Endpoint, announced_length, checked, received, request_headers
from .guard import Guard, HttpAnswer, OnRefusal, ProtectedPaths, RequestVerifier, environ_headers
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
        return _answered(outcome, environ, start_response)


def serve(endpoint: Endpoint) -> WSGIApplication:
    """Return an application that answers with an endpoint, whatever the path.

    Raises ``ConfigurationError``.
    """
    checked(endpoint)

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        most, announced = endpoint.max_body + 1, announced_length(environ)
        # Without a length only a server that ends the input itself may be read to the end.
        ended = environ.get("wsgi.input_terminated", False)
        size = min(announced, most) if announced is not None else most if ended else 0
        body = received(environ["wsgi.input"].read, size, announced)
        headers = request_headers(environ)
        answer = endpoint.respond(environ["REQUEST_METHOD"], headers, body)
        return _answered(answer, environ, start_response)

    return app


def _answered(
    answer: HttpAnswer, environ: Mapping[str, Any], start_response: StartResponse
) -> Iterable[bytes]:
    start_response(answer.status_line, answer.sized_headers)
    # Servers pass on what they get; after an answer to HEAD it would begin the next answer.
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else answer.body]
