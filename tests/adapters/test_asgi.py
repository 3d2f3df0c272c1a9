"""The ASGI middleware, beyond the end-to-end tests that all adapters share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Annotated, Any

import fastapi
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route
from starlette.websockets import WebSocket

from hookkey_verify import (
    ApiToken,
    ConfigurationError,
    HookKeys,
    HookSigner,
    HookVerifier,
    VerifiedHook,
)
from hookkey_verify.asgi import HookMiddleware
from hookkey_verify.fastapi import HookAuth
from hookkey_verify.guard import Guard

from ..conftest import CLIENT_ID, TOKEN_URL
from ..faults import FaultServer, Gate, json_answer


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Respond with the type of the connection and the names in its state."""
    state = scope.get("state", {})
    body = f"{scope['type']} {sorted(state)}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def _call(app: Any, token: str | None = None, **changes: Any) -> tuple[int, bytes]:
    headers = [] if token is None else [(b"authorization", f"Bearer {token}".encode())]
    scope = {"type": "http", "method": "POST", "path": "/hooks/a", "headers": headers, **changes}
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    requests = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        return requests.pop() if requests else await asyncio.Event().wait()

    await app(scope, receive, send)
    return sent[0].get("status", 0), b"".join(message.get("body", b"") for message in sent)


@pytest.fixture
def token(signer: HookSigner) -> str:
    return signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)


def test_public_paths(verifier: HookVerifier, token: str) -> None:
    """Every path requires a token except public ones, which get no hook even with a token."""
    app = HookMiddleware(_app, verifier, public=["/healthz"])
    assert asyncio.run(_call(app, token)) == (200, b"http ['hook']")
    assert asyncio.run(_call(app))[0] == 401
    assert asyncio.run(_call(app, path="/anything"))[0] == 401
    for raw in ({}, {"raw_path": b"/healthz"}, {"raw_path": None}):
        assert asyncio.run(_call(app, path="/healthz", **raw)) == (200, b"http []")
        assert asyncio.run(_call(app, token, path="/healthz", **raw)) == (200, b"http []")
    for target in (b"/%68ealthz", b"//healthz", b"http://a/healthz", b"/healthz/", b""):
        assert asyncio.run(_call(app, path="/healthz", raw_path=target))[0] == 401


@pytest.mark.parametrize(
    ("path", "root", "target", "status"),
    [
        ("/api/healthz", "/api", b"/api/healthz", 200),
        ("/healthz", "/api", b"/api/healthz", 200),  # the server omits the mount point
        ("/api/healthz", "/api/", b"/api/healthz", 200),
        ("/healthz", "/api", b"/healthz", 401),
        ("/api/healthz", "", b"/api/healthz", 200),
        ("/apiary/healthz", "/api", b"/apiary/healthz", 401),
        ("/api/api/healthz", "/api", b"/api/api/healthz", 401),
    ],
)
def test_public_paths_have_the_mount_point(
    verifier: HookVerifier, path: str, root: str, target: bytes, status: int
) -> None:
    """A public path starts at the server root, whether or not ``path`` has the mount point."""
    app = HookMiddleware(_app, verifier, public=["/api/healthz"])
    scope: dict[str, Any] = {"path": path, "root_path": root, "raw_path": target}
    assert asyncio.run(_call(app, **scope))[0] == status


def test_mounted_applications(verifier: HookVerifier) -> None:
    """The middleware compares the full path below a Starlette mount, too."""
    app = HookMiddleware(_app, verifier, public=["/api/healthz"])
    outer = Starlette(routes=[Mount("/api", app=app)])
    assert asyncio.run(_call(outer, path="/api/hooks/a"))[0] == 401
    assert asyncio.run(_call(outer, path="/api/healthz", raw_path=b"/api/healthz"))[0] == 200


def test_at_a_route(verifier: HookVerifier, token: str) -> None:
    """The middleware on a Starlette route or mount protects that one and leaves others open."""

    async def view(request: Request) -> PlainTextResponse:
        return PlainTextResponse(str("hook" in request.state._state))

    protection = [Middleware(HookMiddleware, verifier)]
    app = Starlette(
        routes=[
            Route("/hook", view, methods=["POST"], middleware=protection),
            Mount("/hooks", routes=[Route("/a", view, methods=["POST"])], middleware=protection),
            Route("/open", view, methods=["POST"]),
        ]
    )
    for path in ("/hook", "/hooks/a"):
        assert asyncio.run(_call(app, token, path=path)) == (200, b"True")
        assert asyncio.run(_call(app, path=path))[0] == 401
    assert asyncio.run(_call(app, path="/open")) == (200, b"False")


def test_state_is_kept_and_not_shared(verifier: HookVerifier, token: str) -> None:
    """The handler sees the lifespan state and the hook; the server's dict is not changed."""
    state = {"pool": 1}
    app = HookMiddleware(_app, verifier)
    assert asyncio.run(_call(app, token, state=state)) == (200, b"http ['hook', 'pool']")
    assert state == {"pool": 1}


def test_the_lifespan_passes(verifier: HookVerifier) -> None:
    """The middleware passes the lifespan scope on unchanged, though it has no path or headers."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    scope = {"type": "lifespan"}
    asyncio.run(HookMiddleware(app, verifier)(scope, None, None))  # type: ignore[arg-type]
    assert seen == [scope]
    assert seen[0] is scope


def test_other_connections_are_refused(verifier: HookVerifier) -> None:
    """A connection that is neither HTTP, WebSocket nor lifespan raises ConfigurationError."""
    with pytest.raises(ConfigurationError, match="type smtp"):
        asyncio.run(_call(HookMiddleware(_app, verifier), type="smtp"))


def test_wrong_arguments(verifier: HookVerifier) -> None:
    """Wrong arguments raise at construction, and a list of protected paths is not supported."""
    with pytest.raises(ConfigurationError, match="public"):
        HookMiddleware(_app, verifier, public=["/hooks/*"])
    with pytest.raises(ConfigurationError, match="verifier"):
        HookMiddleware(_app, None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="paths"):
        HookMiddleware(_app, verifier, paths=["/hooks"])  # type: ignore[call-arg]


# --- a cold fetch does not block the event loop


def _middleware(verifier: HookVerifier) -> Any:
    return HookMiddleware(_app, verifier)


def _dependency(verifier: HookVerifier) -> Any:
    app = fastapi.FastAPI()
    auth = HookAuth(verifier)

    async def hook(hook: Annotated[VerifiedHook, fastapi.Depends(auth)]) -> str:
        return "ok"

    hook.__annotations__["hook"] = Annotated[VerifiedHook, fastapi.Depends(auth)]
    app.post("/hooks/a")(hook)
    return app


def _django(verifier: HookVerifier) -> Any:
    from django.core.asgi import get_asgi_application  # noqa: PLC0415 - needs settings
    from django.http import HttpResponse  # noqa: PLC0415
    from django.urls import path  # noqa: PLC0415

    from hookkey_verify.django import protect  # noqa: PLC0415

    from .. import django_site  # noqa: PLC0415

    @protect(verifier)
    async def hook(request: Any) -> HttpResponse:
        return HttpResponse("ok")

    django_site.urlpatterns[:] = [path("hooks/a", hook)]
    return get_asgi_application()


@pytest.mark.parametrize("build", [_middleware, _dependency, _django])
def test_a_cold_fetch_does_not_block(signer: HookSigner, build: Callable[[Any], Any]) -> None:
    """The event loop runs other tasks while a request waits for a key."""
    gate = Gate(json_answer(200, signer.public_jwk()))
    with FaultServer(gate) as server, HookKeys(server.url, ApiToken("t")) as keys:
        verifier = HookVerifier.for_client_assertion(keys, client_id=CLIENT_ID, token_url=TOKEN_URL)
        app = build(verifier)
        token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)

        async def main() -> tuple[int, bytes]:
            calling = _call(app, token, query_string=b"", root_path="", http_version="1.1")
            answer, _ = await asyncio.gather(calling, gate.open_when_asked())
            return answer

        status, _ = asyncio.run(main())
        assert status == 200


# --- WebSockets


@pytest.mark.parametrize(
    ("path", "sent"),
    [
        ("/hooks/ws", ["websocket.close"]),
        ("/public/ws", ["websocket.accept", "websocket.send", "websocket.close"]),
    ],
)
def test_websockets(verifier: HookVerifier, token: str, path: str, sent: list[str]) -> None:
    """A WebSocket is closed before it is accepted, even with a token, unless its path is public."""
    app = fastapi.FastAPI()

    @app.websocket("/{where}/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("open")
        await socket.close()

    app.add_middleware(HookMiddleware, verifier=verifier, public=["/public/ws"])
    messages: list[Any] = []

    async def send(message: Any) -> None:
        messages.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    headers = [(b"authorization", f"Bearer {token}".encode())]
    scope = {"type": "websocket", "path": path, "headers": headers, "query_string": b""}
    asyncio.run(app(scope, receive, send))
    assert [message["type"] for message in messages] == sent
    assert messages[-1].get("code", 1000) == (1008 if len(sent) == 1 else 1000)


def test_the_guard_is_the_only_judge(verifier: HookVerifier) -> None:
    """The middleware returns the refusal of the guard unchanged."""
    app = HookMiddleware(_app, verifier)
    expected = Guard(verifier).check([])
    assert asyncio.run(_call(app))[1] == expected.body  # type: ignore[union-attr]
