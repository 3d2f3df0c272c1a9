"""Authenticates Starlette requests and sets ``request.user``.

To protect paths, use ``hookkey_verify.asgi`` instead.

::

    backend = HookBackend(verifier)
    Middleware(AuthenticationMiddleware, backend=backend, on_error=backend.on_error)
    request.user.hook                   # the VerifiedHook, where request.user.is_authenticated
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from .endpoint import Endpoint, checked
from .errors import MissingTokenError
from .guard import Guard, HttpAnswer, HttpRefusal, OnRefusal, RequestVerifier
from .verifier import VerifiedHook

try:
    from starlette.authentication import (
        AuthCredentials,
        AuthenticationBackend,
        AuthenticationError,
        BaseUser,
    )
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import Response
except ImportError as error:
    raise ImportError(f"{error}; pip install starlette") from None

__all__ = ["HookBackend", "HookUser", "response", "serve"]


class HookUser(BaseUser):
    """The authenticated caller: Okta on behalf of a client.

    For example:

    >>> from hookkey_verify.starlette import HookUser
    >>> from hookkey_verify.testing import verified_hook
    >>> user = HookUser(verified_hook({"cid": "0oa1"}))
    >>> user.is_authenticated, user.display_name
    (True, '0oa1')
    """

    def __init__(self, hook: VerifiedHook) -> None:
        self.hook = hook

    @property
    def is_authenticated(self) -> bool:
        """Always True."""
        return True

    @property
    def display_name(self) -> str:
        """The client id, else the subject, else an empty string."""
        return self.hook.client_id or self.hook.subject or ""

    @property
    def identity(self) -> str:
        """The subject, or an empty string."""
        return self.hook.subject or ""


class HookBackend(AuthenticationBackend):
    """Authenticates connections that have credentials; all others remain anonymous.

    It protects nothing by itself. Use ``@requires("authenticated")`` or require a scope.

    For example:

    >>> from starlette.applications import Starlette
    >>> from starlette.middleware import Middleware
    >>> from starlette.middleware.authentication import AuthenticationMiddleware
    >>> from starlette.testclient import TestClient
    >>> from hookkey_verify.shared_secret import HeaderSecret
    >>> from hookkey_verify.starlette import HookBackend
    >>> backend = HookBackend(HeaderSecret("a-long-secret"))
    >>> options = {"backend": backend, "on_error": backend.on_error}
    >>> protection = Middleware(AuthenticationMiddleware, **options)
    >>> TestClient(Starlette(middleware=[protection])).post("/hook").status_code
    401
    """

    def __init__(self, verifier: RequestVerifier, *, on_refusal: OnRefusal | None = None) -> None:
        """Create a backend; the arguments are those of ``Guard``. Raises ``ConfigurationError``."""
        self._guard = Guard(verifier, on_refusal=on_refusal)

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """Return the credentials and the user, or None for a connection without a bearer token."""
        outcome = await self._guard.acheck(conn.scope["headers"])
        if isinstance(outcome, VerifiedHook):
            return AuthCredentials(["authenticated", *outcome.scopes]), HookUser(outcome)
        if isinstance(outcome, HttpRefusal) and isinstance(outcome.error, MissingTokenError):
            return None
        raise _RefusedError(outcome)

    @staticmethod
    def on_error(conn: HTTPConnection, error: AuthenticationError) -> Response:  # noqa: ARG004
        """Return the same response as all adapters; Starlette's own is always 400."""
        answer = error.answer if isinstance(error, _RefusedError) else _FAILED
        return response(answer)


class _RefusedError(AuthenticationError):
    def __init__(self, answer: HttpAnswer) -> None:
        super().__init__("the request was refused")
        self.answer = answer


_FAILED = HttpRefusal.of(MissingTokenError())


def response(answer: HttpAnswer) -> Response:
    """Return a Starlette response."""
    return Response(answer.body, answer.status, dict(answer.headers))


def serve(endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    """Return a route function that answers with an endpoint.

    Use ``Route("/token", serve(endpoint), methods=["POST"])`` in Starlette and ``app.add_route`` in
    FastAPI. Raises ``ConfigurationError``.
    """
    checked(endpoint, asynchronous=True)

    async def answer(request: Request) -> Response:
        body = bytearray()
        async for chunk in request.stream():
            body += chunk
            if len(body) > endpoint.max_body:
                break
        return response(
            await endpoint.arespond(request.method, request.scope["headers"], bytes(body))
        )

    return answer
