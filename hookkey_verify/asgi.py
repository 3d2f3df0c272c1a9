"""Protect any ASGI application: Starlette, FastAPI, Litestar, Django or your own.

::

    app = HookMiddleware(app, verifier, public=["/healthz"])
    scope["state"]["hook"]              # the VerifiedHook; request.state.hook in most frameworks

To protect single routes, add it where the framework accepts ASGI middleware, as in Starlette's
``Route("/hook", hook, middleware=[Middleware(HookMiddleware, verifier)])``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from .endpoint import Endpoint, checked
from .errors import ConfigurationError
from .guard import Guard, HttpAnswer, OnRefusal, PublicPaths, RequestVerifier
from .verifier import VerifiedHook

__all__ = ["HookMiddleware", "serve"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class HookMiddleware:
    """Passes verified requests to an ASGI application and refuses all others.

    WebSockets are refused unless their path is public. Lifespan events pass.

    For example:

    >>> from starlette.responses import PlainTextResponse
    >>> from starlette.testclient import TestClient
    >>> from hookkey_verify.asgi import HookMiddleware
    >>> from hookkey_verify.shared_secret import HeaderSecret
    >>> verifier = HeaderSecret("a-long-secret")
    >>> app = HookMiddleware(PlainTextResponse("hi"), verifier, public=["/healthz"])
    >>> client = TestClient(app)
    >>> client.get("/healthz").status_code, client.post("/hook").status_code
    (200, 401)
    """

    def __init__(
        self,
        app: App,
        verifier: RequestVerifier,
        *,
        public: Iterable[str] = (),
        on_refusal: OnRefusal | None = None,
        event_hook: bool = False,
    ) -> None:
        """Protect everything that ``app`` serves.

        ``app``: the ASGI application; frameworks pass it to the middleware in their list.
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

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection.

        Raises ``ConfigurationError`` for types other than http, websocket and lifespan.
        """
        kind = scope["type"]
        if kind == "lifespan" or (self._public and self._is_public(scope)):
            await self._app(scope, receive, send)
        elif kind == "http":
            await self._serve(scope, receive, send)
        elif kind == "websocket":
            await send({"type": "websocket.close", "code": 1008})  # before it is accepted: 403
        else:
            raise ConfigurationError(
                f"connections of type {kind} are refused, because they cannot be verified"
            )

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        outcome = await self._guard.acheck(scope["headers"], scope["method"])
        if isinstance(outcome, VerifiedHook):
            # A copy, because other code may use the server's scope.
            state = {**scope.get("state", {}), "hook": outcome}
            await self._app({**scope, "state": state}, receive, send)
            return
        await _answer(outcome, scope, send)

    def _is_public(self, scope: Scope) -> bool:
        mount, path = scope.get("root_path", "").rstrip("/"), scope.get("path", "")
        if path == mount or path.startswith(f"{mount}/"):
            path = path[len(mount) :]  # the specification includes the mount point in the path
        raw = scope.get("raw_path")
        target = None if raw is None else raw.decode("latin-1")
        return self._public.includes(mount, path, target, scope.get("headers", ()))


def serve(endpoint: Endpoint) -> App:
    """Return an application that answers every path with an endpoint.

    Raises ``ConfigurationError``.
    """
    checked(endpoint, asynchronous=True)

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise ConfigurationError(f"an endpoint answers HTTP, not {scope['type']}")
        body, more = bytearray(), True
        while more and len(body) <= endpoint.max_body:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body += message.get("body", b"")
            more = message.get("more_body", False)
        answer = await endpoint.arespond(scope["method"], scope["headers"], bytes(body))
        await _answer(answer, scope, send)

    return app


async def _answer(answer: HttpAnswer, scope: Scope, send: Send) -> None:
    headers = [(k.lower().encode(), v.encode("latin-1")) for k, v in answer.sized_headers]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    body = b"" if scope["method"] == "HEAD" else answer.body
    await send({"type": "http.response.body", "body": body})
