"""The ASGI middleware: what the matrix of all adapters does not ask."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Annotated, Any

import fastapi
import pytest
from starlette.applications import Starlette
from starlette.routing import Mount
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

from .conftest import CLIENT_ID, TOKEN_URL
from .faults import FaultServer, Peer, json_answer


async def _app(scope: Any, receive: Any, send: Any) -> None:
    """Says what type of connection it got, and whether there is a hook."""
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


def test_paths(verifier: HookVerifier, token: str) -> None:
    """Protected ones want a token; the others pass as they are, without a hook."""
    app = HookMiddleware(_app, verifier, paths=["/hooks/*"])
    assert asyncio.run(_call(app, token)) == (200, b"http ['hook']")
    assert asyncio.run(_call(app))[0] == 401
    assert asyncio.run(_call(app, path="/open")) == (200, b"http []")
    assert asyncio.run(_call(app, token, path="/open")) == (200, b"http []")


def test_mounted_applications(verifier: HookVerifier) -> None:
    """A sub-application, and a server that is told its prefix: both see the whole path."""
    app = HookMiddleware(_app, verifier, paths=["/hooks/*"])
    outer = Starlette(routes=[Mount("/api", app=app)])
    assert asyncio.run(_call(outer, path="/api/hooks/a"))[0] == 401
    assert asyncio.run(_call(outer, path="/api/open"))[0] == 200
    assert asyncio.run(_call(app, path="/api/hooks/a", root_path="/api"))[0] == 401


def test_state_is_kept_and_not_shared(verifier: HookVerifier, token: str) -> None:
    """What the lifespan has put there is there too; the server's own dict stays as it is."""
    state = {"pool": 1}
    app = HookMiddleware(_app, verifier)
    assert asyncio.run(_call(app, token, state=state)) == (200, b"http ['hook', 'pool']")
    assert state == {"pool": 1}


@pytest.mark.parametrize("kind", ["lifespan", "websocket"])
def test_other_connections_pass(verifier: HookVerifier, kind: str) -> None:
    """Untouched, without path and headers as they may be."""
    seen: list[Any] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append(scope)

    scope = {"type": kind}
    asyncio.run(HookMiddleware(app, verifier)(scope, None, None))  # type: ignore[arg-type]
    assert seen == [scope]
    assert seen[0] is scope


def test_wrong_arguments(verifier: HookVerifier) -> None:
    """Named at construction."""
    with pytest.raises(ConfigurationError, match="paths"):
        HookMiddleware(_app, verifier, paths=[])
    with pytest.raises(ConfigurationError, match="verifier"):
        HookMiddleware(_app, None)  # type: ignore[arg-type]


# --- a cold fetch never blocks the loop


async def _with_heartbeat(work: Any) -> tuple[Any, float]:
    """The result, and the longest pause of a task that ticks beside it."""
    longest, last, done = 0.0, time.monotonic(), False

    async def tick() -> None:
        nonlocal longest, last
        while not done:
            await asyncio.sleep(0.005)
            now = time.monotonic()
            longest, last = max(longest, now - last), now

    ticking = asyncio.create_task(tick())
    await asyncio.sleep(0.02)
    result = await work
    done = True
    await ticking
    return result, longest


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

    from . import django_site  # noqa: PLC0415

    @protect(verifier)
    async def hook(request: Any) -> HttpResponse:
        return HttpResponse("ok")

    django_site.urlpatterns[:] = [path("hooks/a", hook)]
    return get_asgi_application()


@pytest.mark.parametrize("build", [_middleware, _dependency, _django])
def test_a_cold_fetch_does_not_block(signer: HookSigner, build: Callable[[Any], Any]) -> None:
    """While the key takes 0.6 seconds to come, everything else goes on."""

    def slow(peer: Peer) -> None:
        peer.wait(0.6)
        json_answer(200, signer.public_jwk())(peer)

    with FaultServer(slow) as server, HookKeys(server.url, ApiToken("t")) as keys:
        verifier = HookVerifier.for_client_assertion(keys, client_id=CLIENT_ID, token_url=TOKEN_URL)
        app = build(verifier)
        token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
        began = time.monotonic()
        (status, _), pause = asyncio.run(
            _with_heartbeat(_call(app, token, query_string=b"", root_path="", http_version="1.1"))
        )
        assert status == 200
        assert time.monotonic() - began > 0.6
        assert pause < 0.4


def test_the_heartbeat_sees_what_blocks(signer: HookSigner, verifier: HookVerifier) -> None:
    """The same measurement of something that blocks."""

    async def block() -> None:
        time.sleep(0.5)

    _, pause = asyncio.run(_with_heartbeat(block()))
    assert pause > 0.4


# --- WebSockets


def test_websockets_of_a_protected_path(verifier: HookVerifier) -> None:
    """Are not Okta's, and not protected: the documentation says so."""
    app = fastapi.FastAPI()

    @app.websocket("/hooks/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("open")
        await socket.close()

    app.add_middleware(HookMiddleware, verifier=verifier, paths=["/hooks/*"])
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/hooks/ws", "headers": [], "query_string": b""}
    asyncio.run(app(scope, receive, send))
    assert [message["type"] for message in sent[:2]] == ["websocket.accept", "websocket.send"]
    assert asyncio.run(_call(app, path="/hooks/ws"))[0] == 401


def test_the_guard_is_the_only_judge(verifier: HookVerifier) -> None:
    """The adapter has no verdict of its own."""
    app = HookMiddleware(_app, verifier)
    expected = Guard(verifier).check([])
    assert asyncio.run(_call(app))[1] == expected.body  # type: ignore[union-attr]
