"""Protect any WSGI application (PEP 3333).

::

    app = HookMiddleware(app, verifier, public=["/healthz"])
    environ["hookkey_verify.hook"]      # the VerifiedHook, in the application
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from .endpoint import Endpoint, announced_length, checked, received, request_headers
from .guard import Guard, HttpAnswer, OnRefusal, PublicPaths, RequestVerifier, environ_headers
from .verifier import VerifiedHook

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication

__all__ = ["HOOK", "HookMiddleware", "serve"]

HOOK = "hookkey_verify.hook"
"""The key of the ``VerifiedHook`` in the environ of a verified request."""


_TARGETS = ("REQUEST_URI", "RAW_URI")
"""The raw request target: waitress sets the first, gunicorn the second, Werkzeug both."""


class HookMiddleware:
    """Passes verified requests to a WSGI application and refuses all others.

    For example:

    >>> from hookkey_verify.shared_secret import HeaderSecret
    >>> from hookkey_verify.wsgi import HookMiddleware
    >>> def application(environ, start_response):
    ...     start_response("200 OK", [])
    ...     return [b"hi"]
    >>> app = HookMiddleware(application, HeaderSecret("a-long-secret"))
    >>> environ = {"REQUEST_METHOD": "POST", "PATH_INFO": "/hook"}
    >>> body = app(environ, lambda status, headers, exc_info=None: print(status))
    401 Unauthorized
    """

    def __init__(
        self,
        app: WSGIApplication,
        verifier: RequestVerifier,
        *,
        public: Iterable[str] = (),
        on_refusal: OnRefusal | None = None,
        event_hook: bool = False,
    ) -> None:
        """Protect everything that ``app`` serves.

        ``app``: the WSGI application.
        ``verifier``: a ``HookVerifier`` or another ``RequestVerifier``.
        ``public``: paths that are not protected, such as ``["/healthz"]``, relative to the root of
            the server; see ``PublicPaths``. Default: none.
        ``on_refusal``: a function that may replace the response to a refused request, or only
            observe it. Default None.
        ``event_hook``: whether to answer Okta's one-time verification of an event hook. Default
            False.

        Raises ``ConfigurationError`` naming the argument.
        """
        self._app = app
        self._guard = Guard(verifier, on_refusal=on_refusal, event_hook=event_hook)
        self._public = PublicPaths(public)

    def __call__(self, environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        """Serve one request."""
        environ.pop(HOOK, None)
        if self._public and self._is_public(environ):
            return self._app(environ, start_response)
        outcome = self._guard.check(environ_headers(environ), environ["REQUEST_METHOD"])
        if isinstance(outcome, VerifiedHook):
            environ[HOOK] = outcome
            return self._app(environ, start_response)
        return _answered(outcome, environ, start_response)

    def _is_public(self, environ: Mapping[str, Any]) -> bool:
        mount, path = environ.get("SCRIPT_NAME", ""), environ.get("PATH_INFO", "")
        targets = [environ[name] for name in _TARGETS if name in environ] or [None]
        headers = environ_headers(environ)
        return all(self._public.includes(mount, path, target, headers) for target in targets)


def serve(endpoint: Endpoint) -> WSGIApplication:
    """Return an application that answers every path with an endpoint.

    Raises ``ConfigurationError``.
    """
    checked(endpoint)

    def app(environ: dict[str, Any], start_response: StartResponse) -> Iterable[bytes]:
        most, announced = endpoint.max_body + 1, announced_length(environ)
        # Without a length, read to the end only if the server terminates the input.
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
    # Servers would send the body after a response to HEAD, where clients expect the next response.
    return [b"" if environ["REQUEST_METHOD"] == "HEAD" else answer.body]
