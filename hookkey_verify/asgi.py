"""Protect any ASGI application: Starlette, FastAPI, Litestar, Django or your own.

::

    app = HookMiddleware(app, verifier, paths=["/hooks/*"])
    scope["state"]["hook"]              # the VerifiedHook; request.state.hook in most frameworks
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any

from .endpoint import Endpoint, checked
from .errors import ConfigurationError
from .guard import Guard, HttpAnswer, OnRefusal, ProtectedPaths, RequestVerifier
from .verifier import VerifiedHook

__all__ = ["HookMiddleware", "serve"]

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]


class HookMiddleware:
    """Passes verified requests on, and answers all others itself.

    What is not HTTP (lifespan, WebSocket) passes untouched: Okta calls hooks over HTTP only.
    """

    def __init__(
        self,
        app: App,
        verifier: RequestVerifier,
        *,
        paths: Iterable[str] | None = None,
        on_refusal: OnRefusal | None = None,
        event_hook: bool = False,
    ) -> None:
        """``paths`` are what is protected, such as ``/hooks/*``; None: everything.

        They may count from the mount point (``root_path``) or from the root of the server. The
        other arguments are those of ``Guard``. Raises ``ConfigurationError``.
        """
        self._app = app
        self._guard = Guard(verifier, on_refusal=on_refusal, event_hook=event_hook)
        self._paths = ProtectedPaths(paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection."""
        if scope["type"] != "http" or not self._protected(scope):
            await self._app(scope, receive, send)
            return
        outcome = await self._guard.acheck(scope["headers"], scope["method"])
        if isinstance(outcome, VerifiedHook):
            # A copy, because the server's own scope may be seen by others.
            state = {**scope.get("state", {}), "hook": outcome}
            await self._app({**scope, "state": state}, receive, send)
            return
        await _answer(outcome, scope, send)

    def _protected(self, scope: Scope) -> bool:
        return self._paths.protect(scope["path"], scope.get("root_path", ""))


def serve(endpoint: Endpoint) -> App:
    """Return an application that answers with an endpoint, whatever the path.

    Raises ``ConfigurationError``.
    """
    checked(endpoint)

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
