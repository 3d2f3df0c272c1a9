"""Every adapter in front of the same handler, on a real server where one exists.

All adapters share one verifier, so that a test can send the same request to each of them and
compare the responses.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from types import ModuleType
from typing import Annotated, Any

import fastapi
import flask
import litestar
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, JsonResponse
from django.test.utils import override_settings
from django.urls import path, set_urlconf
from django.views import View
from litestar.middleware import DefineMiddleware
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from hookkey_verify import VerifiedHook, asgi, aws_lambda, wsgi
from hookkey_verify import django as for_django
from hookkey_verify import fastapi as for_fastapi
from hookkey_verify import flask as for_flask
from hookkey_verify.guard import RequestVerifier

from ..servers import asgi_server, wsgi_server

__all__ = ["ADAPTERS", "Adapter", "Reply", "Runs"]

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Reply:
    """A response; header names are in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(slots=True)
class Runs:
    """The handler behind every adapter; it records each hook that it receives."""

    hooks: list[VerifiedHook] = field(default_factory=list)

    def __call__(self, hook: Any) -> dict[str, Any]:
        """Record the hook and return its subject; raise if the claims contain ``boom``."""
        assert isinstance(hook, VerifiedHook)
        self.hooks.append(hook)
        if "boom" in hook.claims:
            raise RuntimeError("the handler's own")
        return {"subject": hook.subject}


Send = Callable[[Headers], Reply]
Adapter = Callable[[RequestVerifier, Runs], AbstractContextManager[Send]]


def _over(port: int) -> Send:
    def send(headers: Headers) -> Reply:
        fields = (("Host", "localhost"), *headers, ("Content-Type", "application/json"))
        lines = ["POST /hook HTTP/1.1", *(f"{name}: {value}" for name, value in fields)]
        head = "\r\n".join([*lines, "Content-Length: 2", "", ""]).encode("latin-1")
        with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
            # One call: a server that fails closes the connection without reading later data.
            connection.sendall(head + b"{}")
            answer = http.client.HTTPResponse(connection)
            answer.begin()
            received = answer.read()
        return Reply(
            answer.status, {name.lower(): value for name, value in answer.getheaders()}, received
        )

    return send


@contextmanager
def over_wsgi(app: Any) -> Iterator[Send]:
    """Serve the application with waitress."""
    with wsgi_server(app) as port:
        yield _over(port)


@contextmanager
def over_asgi(app: Any) -> Iterator[Send]:
    """Serve the application with uvicorn."""
    with asgi_server(app) as port:
        yield _over(port)


# --- Flask


@contextmanager
def flask_decorator(verifier: RequestVerifier, run: Runs) -> Iterator[Send]:
    """A sync Flask view, protected by the decorator."""
    app = flask.Flask(__name__)

    @app.post("/hook")
    @for_flask.protect(verifier)
    def hook() -> dict[str, Any]:
        assert flask.g.hook == for_flask.current_hook
        return run(flask.g.hook)

    with over_wsgi(app) as send:
        yield send


@contextmanager
def flask_async(verifier: RequestVerifier, run: Runs) -> Iterator[Send]:
    """An async Flask view, protected by the decorator."""
    app = flask.Flask(__name__)

    @app.post("/hook")
    @for_flask.protect(verifier)
    async def hook() -> dict[str, Any]:
        await asyncio.sleep(0)
        return run(flask.g.hook)

    with over_wsgi(app) as send:
        yield send


@contextmanager
def flask_blueprint(verifier: RequestVerifier, run: Runs) -> Iterator[Send]:
    """A Flask blueprint in which every view is protected."""
    app = flask.Flask(__name__)
    hooks = flask.Blueprint("hooks", __name__)
    for_flask.HookKeyVerify(app, verifier).protect(hooks)
    hooks.post("/hook")(lambda: run(flask.g.hook))
    app.register_blueprint(hooks)
    with over_wsgi(app) as send:
        yield send


# --- Django


def _site(view: Any) -> ModuleType:
    module = ModuleType("site")
    module.urlpatterns = [path("hook", view)]  # type: ignore[attr-defined]
    return module


@contextmanager
def _django(app: str, view: Any, **options: Any) -> Iterator[Send]:
    with override_settings(ROOT_URLCONF=_site(view), **options):
        set_urlconf(None)
        served = over_wsgi(WSGIHandler()) if app == "wsgi" else over_asgi(get_asgi_application())
        with served as send:
            yield send


def _django_decorator(app: str) -> Adapter:
    @contextmanager
    def adapter(verifier: RequestVerifier, run: Runs) -> Iterator[Send]:
        @for_django.protect(verifier)
        def hook(request: HttpRequest) -> JsonResponse:
            return JsonResponse(run(request.hook))  # type: ignore[attr-defined]

        @for_django.protect(verifier)
        async def async_hook(request: HttpRequest) -> JsonResponse:
            await asyncio.sleep(0)
            return JsonResponse(run(request.hook))  # type: ignore[attr-defined]

        with _django(app, hook if app == "wsgi" else async_hook) as send:
            yield send

    return adapter


def _django_class(app: str) -> Adapter:
    @contextmanager
    def adapter(verifier: RequestVerifier, run: Runs) -> Iterator[Send]:
        class Hook(for_django.HookRequiredMixin, View):
            hook_verifier = verifier

            def post(self, request: HttpRequest) -> JsonResponse:
                return JsonResponse(run(request.hook))  # type: ignore[attr-defined]

        class AsyncHook(for_django.HookRequiredMixin, View):
            hook_verifier = verifier

            async def post(self, request: HttpRequest) -> JsonResponse:
                return JsonResponse(run(request.hook))  # type: ignore[attr-defined]

        with _django(app, (Hook if app == "wsgi" else AsyncHook).as_view()) as send:
            yield send

    return adapter


def _django_middleware(app: str) -> Adapter:
    @contextmanager
    def adapter(verifier: RequestVerifier, run: Runs) -> Iterator[Send]:
        def hook(request: HttpRequest) -> JsonResponse:
            return JsonResponse(run(request.hook))  # type: ignore[attr-defined]

        async def async_hook(request: HttpRequest) -> JsonResponse:
            return JsonResponse(run(request.hook))  # type: ignore[attr-defined]

        middleware = [*settings.MIDDLEWARE, "hookkey_verify.django.HookMiddleware"]
        options = {"MIDDLEWARE": middleware, "HOOKKEY_VERIFY": {"VERIFIER": verifier}}
        with _django(app, hook if app == "wsgi" else async_hook, **options) as send:
            yield send

    return adapter


# --- ASGI and WSGI


@contextmanager
def starlette_middleware(verifier: RequestVerifier, run: Runs) -> Iterator[Send]:
    """The ASGI middleware around a Starlette application."""

    async def hook(request: Request) -> JSONResponse:
        return JSONResponse(run(request.state.hook))

    app = Starlette(routes=[Route("/hook", hook, methods=["POST"])])
    with over_asgi(asgi.HookMiddleware(app, verifier, public=["/healthz"])) as send:
        yield send


@contextmanager
def litestar_middleware(verifier: RequestVerifier, run: Runs) -> Iterator[Send]:
    """The ASGI middleware, registered as a Litestar middleware."""

    @litestar.post("/hook", status_code=200)
    async def hook(request: litestar.Request[Any, Any, Any]) -> dict[str, Any]:
        return run(request.state.hook)

    middleware = DefineMiddleware(asgi.HookMiddleware, verifier=verifier)  # type: ignore[arg-type]
    with over_asgi(litestar.Litestar([hook], middleware=[middleware], logging_config=None)) as send:
        yield send


@contextmanager
def plain_asgi(verifier: RequestVerifier, run: Runs) -> Iterator[Send]:
    """The ASGI middleware around an application without a framework."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        assert scope["type"] == "http"
        body = json.dumps(run(scope["state"]["hook"])).encode()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": body})

    with over_asgi(asgi.HookMiddleware(_http_only(app), verifier)) as send:
        yield send


def _http_only(app: Any) -> Any:
    async def only(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http":
            await app(scope, receive, send)

    return only


@contextmanager
def fastapi_dependency(verifier: RequestVerifier, run: Runs) -> Iterator[Send]:
    """The FastAPI dependency, with its exception handler for refusals."""
    app = fastapi.FastAPI()
    app.add_exception_handler(for_fastapi.HookRefused, for_fastapi.answer_refusal)
    auth = for_fastapi.HookAuth(verifier)

    async def handle(hook: Annotated[VerifiedHook, fastapi.Depends(auth)]) -> dict[str, Any]:
        return run(hook)

    handle.__annotations__["hook"] = Annotated[VerifiedHook, fastapi.Depends(auth)]
    app.post("/hook")(handle)
    with over_asgi(app) as send:
        yield send


@contextmanager
def plain_wsgi(verifier: RequestVerifier, run: Runs) -> Iterator[Send]:
    """The WSGI middleware around an application without a framework."""

    def app(environ: Any, start_response: Any) -> list[bytes]:
        body = json.dumps(run(environ[wsgi.HOOK])).encode()
        start_response("200 OK", [("Content-Length", str(len(body)))])
        return [body]

    with over_wsgi(wsgi.HookMiddleware(app, verifier)) as send:
        yield send


# --- Lambda


def _lambda(kind: str) -> Adapter:
    @contextmanager
    def adapter(verifier: RequestVerifier, run: Runs) -> Iterator[Send]:
        @aws_lambda.protect(verifier)
        def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
            body = json.dumps(run(event[aws_lambda.HOOK]))
            return {"statusCode": 200, "headers": {}, "body": body}

        def send(headers: Headers) -> Reply:
            try:
                answer = handler(lambda_event(kind, headers), None)
            except RuntimeError:  # Lambda turns an exception into a 500 response
                return Reply(500, {}, b"")
            several = answer.get("multiValueHeaders", {})
            sent = answer.get("headers", {name: values[0] for name, values in several.items()})
            if kind.startswith("alb") and answer["statusCode"] != 200:
                phrase = HTTPStatus(answer["statusCode"]).phrase
                assert answer["statusDescription"] == f"{answer['statusCode']} {phrase}"
            return Reply(
                answer["statusCode"],
                {name.lower(): value for name, value in sent.items()},
                answer["body"].encode(),
            )

        yield send

    return adapter


def lambda_event(kind: str, headers: Headers) -> dict[str, Any]:
    """Return the event in which a gateway or a load balancer passes on these headers."""
    joined: dict[str, str] = {}
    several: dict[str, list[str]] = {}
    for name, value in headers:
        joined[name.lower()] = (
            f"{joined[name.lower()]},{value}" if name.lower() in joined else value
        )
        several.setdefault(name, []).append(value)
    last = {name: values[-1] for name, values in several.items()}
    if kind == "http":
        context = {"http": {"method": "POST", "path": "/hook"}, "stage": "$default"}
        return {"version": "2.0", "headers": joined, "requestContext": context, "body": "{}"}
    event: dict[str, Any] = {"httpMethod": "POST", "path": "/hook", "body": "{}"}
    if kind == "rest":
        context = {"stage": "prod"}
        return {**event, "headers": last, "multiValueHeaders": several, "requestContext": context}
    context = {"elb": {"targetGroupArn": "arn:aws:elasticloadbalancing:…"}}
    if kind == "alb-multi":
        lower: dict[str, list[str]] = {}
        for name, values in several.items():
            lower.setdefault(name.lower(), []).extend(values)
        return {**event, "multiValueHeaders": lower, "requestContext": context}
    return {**event, "headers": joined, "requestContext": context}


ADAPTERS: dict[str, Adapter] = {
    "flask": flask_decorator,
    "flask async": flask_async,
    "flask blueprint": flask_blueprint,
    "django": _django_decorator("wsgi"),
    "django async": _django_decorator("asgi"),
    "django class": _django_class("wsgi"),
    "django async class": _django_class("asgi"),
    "django middleware": _django_middleware("wsgi"),
    "django async middleware": _django_middleware("asgi"),
    "starlette": starlette_middleware,
    "litestar": litestar_middleware,
    "asgi": plain_asgi,
    "fastapi": fastapi_dependency,
    "wsgi": plain_wsgi,
    "lambda REST": _lambda("rest"),
    "lambda HTTP": _lambda("http"),
    "lambda ALB": _lambda("alb"),
    "lambda ALB, several values": _lambda("alb-multi"),
}
