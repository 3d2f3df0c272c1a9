"""Protect the path operations of FastAPI.

::

    hook_auth = HookAuth(verifier)
    app.add_exception_handler(HookRefused, answer_refusal)

    @app.post("/hook")
    async def handle(hook: Annotated[VerifiedHook, Depends(hook_auth)]): ...

FastAPI reads the body before it asks a dependency, so malformed JSON is answered with 422 to
anybody. Where that matters, protect the paths with ``hookkey_verify.asgi.HookMiddleware`` instead.
"""

from __future__ import annotations

import json

from .guard import Guard, HttpAnswer, HttpRefusal, OnRefusal, RequestVerifier
from .shared_secret import BasicCredentials, HeaderSecret
from .verifier import VerifiedHook

try:
    from fastapi import HTTPException
    from fastapi.openapi.models import APIKey, APIKeyIn, HTTPBase, HTTPBearer
    from fastapi.openapi.models import SecurityBase as Scheme
    from fastapi.security.base import SecurityBase
    from starlette.requests import HTTPConnection, Request
    from starlette.responses import Response
except ImportError as error:
    raise ImportError(f"{error}; pip install 'hookkey_verify[fastapi]'") from None

from .starlette import response, serve

__all__ = ["HookAuth", "HookRefused", "answer_refusal", "serve"]


class HookRefused(HTTPException):
    """The request is not let through; ``answer`` is what to send.

    Without ``answer_refusal`` as its handler FastAPI sends the right status and headers, and the
    problem document as ``detail``.
    """

    def __init__(self, answer: HttpAnswer) -> None:
        self.answer = answer
        detail = json.loads(answer.body) if isinstance(answer, HttpRefusal) else "refused"
        headers = {name: value for name, value in answer.headers if name != "Content-Type"}
        super().__init__(answer.status, detail, headers)


def answer_refusal(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Answer as every adapter does, with problem+json; for ``app.add_exception_handler``."""
    if not isinstance(error, HookRefused):
        raise error
    return response(error.answer)


class HookAuth(SecurityBase):
    """A dependency that returns the ``VerifiedHook``, or ends the request.

    Shown in the OpenAPI description as the security scheme that the verifier wants. Handlers that
    do not need its value take it in ``dependencies=[Depends(hook_auth)]``, of a route, a router or
    the application; ``request.state.hook`` has the value too.
    """

    def __init__(
        self,
        verifier: RequestVerifier,
        *,
        on_refusal: OnRefusal | None = None,
        scheme_name: str = "OktaHook",
    ) -> None:
        """``scheme_name`` is its name in the OpenAPI description, the rest is as in ``Guard``.

        Raises ``ConfigurationError``.
        """
        self._guard = Guard(verifier, on_refusal=on_refusal, event_hook=True)
        self.model = _scheme(verifier)
        self.scheme_name = scheme_name

    async def __call__(self, connection: HTTPConnection) -> VerifiedHook:
        """Return the hook. Raises ``HookRefused``."""
        outcome = await self._guard.acheck(connection.scope["headers"])
        if not isinstance(outcome, VerifiedHook):
            raise HookRefused(outcome)
        connection.state.hook = outcome
        return outcome

    async def challenge(self, request: Request) -> Response:
        """Answer the one-time GET of an event hook: ``app.get("/events")(hook_auth.challenge)``."""
        outcome = await self._guard.acheck(request.scope["headers"], "GET")
        if isinstance(outcome, VerifiedHook):
            return Response(status_code=204)
        return response(outcome)


def _scheme(verifier: RequestVerifier) -> Scheme:
    if isinstance(verifier, BasicCredentials):
        return HTTPBase(scheme="basic")
    if isinstance(verifier, HeaderSecret):
        return APIKey.model_validate({"in": APIKeyIn.header, "name": verifier.header})
    return HTTPBearer(bearerFormat="JWT", description="What Okta sends to the hook.")
