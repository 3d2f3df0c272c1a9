"""The hook as Starlette's authenticated user; ``hookkey_verify.asgi`` protects paths instead.

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
    """Who called, which is Okta on behalf of a client."""

    def __init__(self, hook: VerifiedHook) -> None:
        self.hook = hook

    @property
    def is_authenticated(self) -> bool:
        """True."""
        return True

    @property
    def display_name(self) -> str:
        """The client id, or the subject, or nothing."""
        return self.hook.client_id or self.hook.subject or ""

    @property
    def identity(self) -> str:
        """The subject, or nothing."""
        return self.hook.subject or ""


class HookBackend(AuthenticationBackend):
    """Authenticates connections that bring credentials; the others stay anonymous.

    So it protects nothing by itself: ``@requires("authenticated")`` does, or a scope of the token.
    """

    def __init__(self, verifier: RequestVerifier, *, on_refusal: OnRefusal | None = None) -> None:
        """Take the arguments of ``Guard``. Raises ``ConfigurationError``."""
        self._guard = Guard(verifier, on_refusal=on_refusal)

    async def authenticate(self, conn: HTTPConnection) -> tuple[AuthCredentials, BaseUser] | None:
        """Return the credentials and the user; None for a connection without bearer token."""
        outcome = await self._guard.acheck(conn.scope["headers"])
        if isinstance(outcome, VerifiedHook):
            return AuthCredentials(["authenticated", *outcome.scopes]), HookUser(outcome)
        if isinstance(outcome, HttpRefusal) and isinstance(outcome.error, MissingTokenError):
            return None
        raise _RefusedError(outcome)

    @staticmethod
    def on_error(conn: HTTPConnection, error: AuthenticationError) -> Response:  # noqa: ARG004
        """Answer as every adapter does, where Starlette's own is 400 for everything."""
        answer = error.answer if isinstance(error, _RefusedError) else _FAILED
        return response(answer)


class _RefusedError(AuthenticationError):
    def __init__(self, answer: HttpAnswer) -> None:
        super().__init__("the request was refused")
        self.answer = answer


_FAILED = HttpRefusal.of(MissingTokenError())


def response(answer: HttpAnswer) -> Response:
    """Return the answer as Starlette sends it."""
    return Response(answer.body, answer.status, dict(answer.headers))


def serve(endpoint: Endpoint) -> Callable[[Request], Awaitable[Response]]:
    """Return the function of a route.

    In Starlette ``Route("/token", serve(endpoint), methods=["POST"])`` takes it, in FastAPI
    ``app.add_route``. Raises ``ConfigurationError``.
    """
    checked(endpoint)

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
