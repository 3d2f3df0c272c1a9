"""Protect FastAPI path operations.

::

    hook_auth = HookAuth(verifier)
    app.add_exception_handler(HookRefused, answer_refusal)

    @app.post("/hook")
    async def handle(hook: Annotated[VerifiedHook, Depends(hook_auth)]): ...

FastAPI parses the body before it calls dependencies, so unverified requests with malformed JSON get
422. If that matters, protect the paths with ``hookkey_verify.asgi.HookMiddleware`` instead.
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
    """A refused request; ``answer`` is the response to send.

    Without the exception handler ``answer_refusal``, FastAPI sends the same status and headers and
    the problem document as ``detail``.

    For example:

    >>> from fastapi import Depends, FastAPI
    >>> from fastapi.testclient import TestClient
    >>> from hookkey_verify.fastapi import HookAuth, HookRefused, answer_refusal
    >>> from hookkey_verify.shared_secret import HeaderSecret
    >>> app = FastAPI(dependencies=[Depends(HookAuth(HeaderSecret("a-long-secret")))])
    >>> app.add_exception_handler(HookRefused, answer_refusal)
    >>> @app.post("/hook")
    ... def hook():
    ...     return {}
    >>> TestClient(app).post("/hook").json()["reason"]
    'wrong_credentials'
    """

    def __init__(self, answer: HttpAnswer) -> None:
        self.answer = answer
        detail = json.loads(answer.body) if isinstance(answer, HttpRefusal) else "refused"
        headers = {name: value for name, value in answer.headers if name != "Content-Type"}
        super().__init__(answer.status, detail, headers)


def answer_refusal(request: Request, error: Exception) -> Response:  # noqa: ARG001
    """Return the same problem+json as all adapters. Use it with ``app.add_exception_handler``."""
    if not isinstance(error, HookRefused):
        raise error
    return response(error.answer)


class HookAuth(SecurityBase):
    """A dependency that returns the ``VerifiedHook`` or refuses the request.

    It appears in the OpenAPI description as a security scheme. To protect a route, router or
    application without using the value, pass ``dependencies=[Depends(hook_auth)]``. The value is
    also in ``request.state.hook``.

    For example:

    >>> from fastapi import Depends, FastAPI
    >>> from fastapi.testclient import TestClient
    >>> from hookkey_verify.fastapi import HookAuth
    >>> from hookkey_verify.shared_secret import HeaderSecret
    >>> app = FastAPI(dependencies=[Depends(HookAuth(HeaderSecret("a-long-secret")))])
    >>> @app.post("/hook")
    ... def hook():
    ...     return {}
    >>> client = TestClient(app)
    >>> client.post("/hook").status_code
    401
    >>> client.post("/hook", headers={"Authorization": "a-long-secret"}).status_code
    200
    """

    def __init__(
        self,
        verifier: RequestVerifier,
        *,
        on_refusal: OnRefusal | None = None,
        scheme_name: str = "OktaHook",
    ) -> None:
        """Create a dependency.

        ``verifier``: verifies the request headers.
        ``on_refusal``: a function that may replace the response to a refused request. Default None.
        ``scheme_name``: the name of the security scheme in the OpenAPI description. Default
            "OktaHook".

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
        """Answer an event hook's one-time GET: ``app.get("/events")(hook_auth.challenge)``."""
        outcome = await self._guard.acheck(request.scope["headers"], "GET")
        if isinstance(outcome, VerifiedHook):
            return Response(status_code=204)
        return response(outcome)


def _scheme(verifier: RequestVerifier) -> Scheme:
    if isinstance(verifier, BasicCredentials):
        return HTTPBase(scheme="basic")
    if isinstance(verifier, HeaderSecret):
        return APIKey.model_validate({"in": APIKeyIn.header, "name": verifier.header})
    return HTTPBearer(bearerFormat="JWT", description="The token that Okta sends to the hook.")
