"""ASGI applications with the same three routes, unprotected or protected by framework means."""

from __future__ import annotations

from typing import Any

import falcon.asgi
import fastapi
import litestar
import quart
from litestar.connection import ASGIConnection
from litestar.exceptions import HTTPException
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import BaseRoute, Mount, Route

from hookkey_verify import VerifiedHook, asgi
from hookkey_verify import fastapi as for_fastapi
from hookkey_verify.guard import Guard, RequestVerifier

from .raw_target_handler import HEALTHY, METHODS, Run

__all__ = [
    "falcon_asgi",
    "fastapi_app",
    "fastapi_by_route",
    "fastapi_by_router",
    "litestar_app",
    "litestar_by_guard",
    "quart_app",
    "starlette",
    "starlette_by_mount",
    "starlette_by_route",
    "starlette_mounted",
]


def _starlette_routes(run: Run, middleware: list[Middleware], prefix: str = "") -> list[BaseRoute]:
    async def hook(request: Request) -> PlainTextResponse:
        return PlainTextResponse(run())

    return [
        Route(f"{prefix}/hook", hook, methods=METHODS, middleware=middleware),
        Route(f"{prefix}/hooks/token", hook, methods=["POST"], middleware=middleware),
    ]


def _starlette_public(prefix: str = "") -> Route:
    async def healthz(request: Request) -> PlainTextResponse:
        return PlainTextResponse(HEALTHY)

    return Route(f"{prefix}/healthz", healthz)


def starlette(run: Run) -> Starlette:
    """Return a Starlette application without protection."""
    return Starlette(routes=[_starlette_public(), *_starlette_routes(run, [])])


def starlette_mounted(run: Run) -> Starlette:
    """Return a Starlette application with its routes below a mount point, unprotected."""
    return Starlette(
        routes=[Mount("/api", routes=[_starlette_public(), *_starlette_routes(run, [])])]
    )


def starlette_by_route(verifier: RequestVerifier, run: Run) -> Starlette:
    middleware = [Middleware(asgi.HookMiddleware, verifier)]
    return Starlette(routes=[_starlette_public(), *_starlette_routes(run, middleware)])


def starlette_by_mount(verifier: RequestVerifier, run: Run) -> Starlette:
    middleware = [Middleware(asgi.HookMiddleware, verifier)]
    mount = Mount("/api", routes=_starlette_routes(run, []), middleware=middleware)
    return Starlette(routes=[_starlette_public("/api"), mount])


def _fastapi_routes(router: fastapi.APIRouter, run: Run, depends: list[Any]) -> None:
    async def hook() -> fastapi.Response:
        return fastapi.Response(run())

    router.add_api_route("/hook", hook, methods=METHODS, dependencies=depends)
    router.add_api_route("/hooks/token", hook, methods=["POST"], dependencies=depends)


def _fastapi_public(app: fastapi.FastAPI) -> fastapi.FastAPI:
    async def healthz() -> fastapi.Response:
        return fastapi.Response(HEALTHY)

    app.add_api_route("/healthz", healthz)
    app.add_exception_handler(for_fastapi.HookRefused, for_fastapi.answer_refusal)
    return app


def fastapi_app(run: Run, root_path: str = "") -> fastapi.FastAPI:
    """Return a FastAPI application without protection."""
    app = _fastapi_public(fastapi.FastAPI(root_path=root_path))
    _fastapi_routes(app.router, run, [])
    return app


def fastapi_by_route(verifier: RequestVerifier, run: Run) -> fastapi.FastAPI:
    app = _fastapi_public(fastapi.FastAPI())
    _fastapi_routes(app.router, run, [fastapi.Depends(for_fastapi.HookAuth(verifier))])
    return app


def fastapi_by_router(verifier: RequestVerifier, run: Run) -> fastapi.FastAPI:
    depends = fastapi.Depends(for_fastapi.HookAuth(verifier))
    router = fastapi.APIRouter(dependencies=[depends])
    _fastapi_routes(router, run, [])
    app = _fastapi_public(fastapi.FastAPI())
    app.include_router(router)
    return app


def litestar_app(run: Run, guards: list[Any] | None = None) -> litestar.Litestar:
    """Return a Litestar application, unprotected unless guards are given."""

    @litestar.route(["/hook", "/hooks/token"], http_method=["GET", "POST"], guards=guards)
    async def hook() -> litestar.Response[bytes]:
        return litestar.Response(run(), status_code=200, media_type="text/plain")

    @litestar.get("/healthz")
    async def healthz() -> litestar.Response[bytes]:
        return litestar.Response(HEALTHY, media_type="text/plain")

    return litestar.Litestar([hook, healthz], logging_config=None, openapi_config=None)


def litestar_by_guard(verifier: RequestVerifier, run: Run) -> litestar.Litestar:
    guard = Guard(verifier)

    async def hook_guard(connection: ASGIConnection[Any, Any, Any, Any], _handler: Any) -> None:
        outcome = await guard.acheck(connection.scope["headers"])
        if not isinstance(outcome, VerifiedHook):
            raise HTTPException(status_code=outcome.status, headers=dict(outcome.headers))

    return litestar_app(run, [hook_guard])


def quart_app(run: Run) -> quart.Quart:
    """Return a Quart application without protection."""
    app = quart.Quart("site")

    async def hook() -> quart.Response:
        return quart.Response(run())

    async def healthz() -> quart.Response:
        return quart.Response(HEALTHY)

    app.add_url_rule("/hook", "hook", hook, methods=METHODS)
    app.add_url_rule("/hooks/token", "token", hook, methods=["POST"])
    app.add_url_rule("/healthz", "healthz", healthz)
    return app


class _Falcon:
    def __init__(self, run: Run) -> None:
        self._run = run

    async def on_get(self, request: Any, response: Any) -> None:
        response.data = self._run()

    on_post = on_get


def falcon_asgi(run: Run) -> Any:
    """Return a Falcon ASGI application without protection."""
    app = falcon.asgi.App()
    app.add_route("/hook", _Falcon(run))
    app.add_route("/hooks/token", _Falcon(run))
    app.add_route("/healthz", _Falcon(lambda: HEALTHY))
    return app
