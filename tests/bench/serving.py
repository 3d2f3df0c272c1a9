"""Requests per second of the same handler, unprotected and protected, over real sockets.

python -m tests.bench --only serving

One process (waitress or uvicorn) serves both handlers. Another process sends requests to them
alternately, over one persistent connection each. The ratio is the throughput of the protected
handler divided by that of the unprotected one.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import socket
import statistics
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from hookkey_verify import HookSigner, HookVerifier, StaticKeys, asgi, wsgi

from ..servers import asgi_server, wsgi_server
from . import adapters
from .peers import AUDIENCE, ISSUER

ROUNDS, SECONDS = 7, 0.4
BODY = b'{"eventType":"com.okta.oauth2.tokens.transform","data":{}}'


def _django_app(verifier: HookVerifier | None) -> Any:
    from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415 - in the server process
    from django.http import HttpRequest, HttpResponse  # noqa: PLC0415
    from django.urls import path  # noqa: PLC0415
    from django.views.decorators.csrf import csrf_exempt  # noqa: PLC0415

    from hookkey_verify.django import protect  # noqa: PLC0415

    from .. import django_site  # noqa: PLC0415

    def hook(request: HttpRequest) -> HttpResponse:
        return HttpResponse("ok", headers={"Content-Length": "2"})

    name = "plain" if verifier is None else "protected"
    view = csrf_exempt(hook) if verifier is None else protect(verifier)(hook)
    django_site.urlpatterns.append(path(name, view))
    return _at(f"/{name}", WSGIHandler())


def _at(path: str, app: Any) -> Any:
    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        return app({**environ, "PATH_INFO": path}, start_response)

    return answer


def _wsgi_app(verifier: HookVerifier | None) -> Any:
    app = adapters.wsgi_app
    return app if verifier is None else wsgi.HookMiddleware(app, verifier)


def _asgi_app(verifier: HookVerifier | None) -> Any:
    return _ok if verifier is None else asgi.HookMiddleware(_ok, verifier)


async def _ok(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


CASES: dict[str, tuple[Callable[[HookVerifier | None], Any], Callable[[Any], Any]]] = {
    "wsgi": (_wsgi_app, wsgi_server),
    "flask": (adapters.flask_app, wsgi_server),
    "django": (_django_app, wsgi_server),
    "asgi": (_asgi_app, asgi_server),
    "fastapi": (adapters.fastapi_app, asgi_server),
}


def _serve(name: str, jwk: dict[str, str], channel: Connection) -> None:
    verifier = HookVerifier.for_client_assertion(
        StaticKeys.from_jwk(jwk), client_id=ISSUER, token_url=AUDIENCE
    )
    make, server = CASES[name]
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(server(make(each))) for each in (None, verifier)]
        channel.send(ports)
        channel.recv()  # wait for the end of the measurement


def _rate(connection: socket.socket, request: bytes) -> float:
    """Send one request after the other; return the requests per second."""
    count, began = 0, time.perf_counter()
    while (spent := time.perf_counter() - began) < SECONDS:
        connection.sendall(request)
        answer = connection.recv(65_536)
        while not (answer.endswith((b"ok", b'"ok"')) and b"\r\n\r\n" in answer):
            more = connection.recv(65_536)
            assert more, answer[:200]
            answer += more
        assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
        count += 1
    return count / spent


def measure() -> dict[str, dict[str, float]]:
    """Return both rates for each adapter, and the median of their ratios."""
    signer = HookSigner.generate()
    token = signer.client_assertion(client_id=ISSUER, token_url=AUDIENCE, lifetime=3000)
    request = (
        b"POST /hook HTTP/1.1\r\nHost: hooks.acme.com\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b"
    ) % (token.encode(), len(BODY), BODY)
    context = multiprocessing.get_context("spawn")
    report = {}
    for name in CASES:
        ours, theirs = context.Pipe()
        process = context.Process(target=_serve, args=(name, signer.public_jwk(), theirs))
        process.start()
        try:
            ports = ours.recv()
            with contextlib.ExitStack() as stack:
                plain, protected = (
                    stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
                    for port in ports
                )
                for each in (plain, protected):
                    each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    _rate(each, request)
                rounds = [(_rate(plain, request), _rate(protected, request)) for _ in range(ROUNDS)]
        finally:
            ours.send(None)
            process.join(20)
        report[name] = {
            "unprotected": round(statistics.median(r[0] for r in rounds)),
            "protected": round(statistics.median(r[1] for r in rounds)),
            "ratio": round(statistics.median(r[1] / r[0] for r in rounds), 2),
        }
    return report
