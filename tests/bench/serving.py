"""The time that verification adds to a request, served over real sockets.

python -m tests.bench --only serving [--served-svg docs/served.svg]

For each adapter, one process (waitress or uvicorn) serves the same handler in several variants, and
another process sends requests to them in turn, over one persistent connection each:

``unprotected``: the handler alone.
``constant verifier``: the adapter with a verifier that returns a prepared ``VerifiedHook``.
``repeated bearer``: ``HookVerifier.for_access_token`` with ``IssuerKeys``; always the same token.
``new token``: the same, but each request has another token, so no token is remembered.
``PyJWT + PyJWKClient``: the code in ``by_hand``; always the same token.

The time of a request is the median of a burst. Times are compared within a round, in which every
variant has one burst, so that other load on the machine affects all of them alike.
"""

from __future__ import annotations

import contextlib
import itertools
import logging
import multiprocessing
import socket
import statistics
import time
from collections.abc import Callable, Iterable, Iterator
from multiprocessing.connection import Connection
from typing import Any, NamedTuple

from hookkey_verify import HookVerifier, IssuerKeys, VerifiedHook, asgi, wsgi
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.guard import RequestVerifier

from ..servers import asgi_server, wsgi_server
from . import adapters, by_hand

ROUNDS, BURST = 100, 20
BODY = b'{"eventType":"com.okta.oauth2.tokens.transform","data":{}}'
CLIENT_ID, SCOPES = "0oa1qz8hookclient4x7", ("hooks",)
UNPROTECTED, NEW_TOKEN = "unprotected", "new token"


class Served(NamedTuple):
    """The result for one variant."""

    us: float
    """Median microseconds of one request."""
    added: float
    """Median of the microseconds that the variant adds to the unprotected request."""
    low: float
    """The first quartile of them."""
    high: float
    """The third quartile of them."""
    ratio: float
    """Median of its throughput divided by that of the unprotected handler."""


class _Constant:
    """A verifier that accepts every request at once."""

    def __init__(self, hook: VerifiedHook) -> None:
        self._hook = hook

    def verify_headers(self, headers: Any) -> VerifiedHook:
        return self._hook

    async def averify_headers(self, headers: Any) -> VerifiedHook:
        return self._hook


def _django_app(verifier: RequestVerifier | None) -> Any:
    from django.core.handlers.wsgi import WSGIHandler  # noqa: PLC0415 - in the server process
    from django.http import HttpRequest, HttpResponse  # noqa: PLC0415
    from django.urls import path  # noqa: PLC0415
    from django.views.decorators.csrf import csrf_exempt  # noqa: PLC0415

    from hookkey_verify.django import protect  # noqa: PLC0415

    from .. import django_site  # noqa: PLC0415

    def hook(request: HttpRequest) -> HttpResponse:
        return HttpResponse("ok", headers={"Content-Length": "2"})

    name = f"hook{len(django_site.urlpatterns)}"
    view = csrf_exempt(hook) if verifier is None else protect(verifier)(hook)
    django_site.urlpatterns.append(path(name, view))
    return _at(f"/{name}", WSGIHandler())


def _at(path: str, app: Any) -> Any:
    def answer(environ: dict[str, Any], start_response: Any) -> Any:
        return app({**environ, "PATH_INFO": path}, start_response)

    return answer


def _wsgi_app(verifier: RequestVerifier | None) -> Any:
    app = adapters.wsgi_app
    return app if verifier is None else wsgi.HookMiddleware(app, verifier)


def _asgi_app(verifier: RequestVerifier | None) -> Any:
    return _ok if verifier is None else asgi.HookMiddleware(_ok, verifier)


async def _ok(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})


class Case(NamedTuple):
    """How one adapter is served."""

    make: Callable[[RequestVerifier | None], Any]
    """Return the application; None for the verifier leaves the handler unprotected."""
    server: Callable[[Any], contextlib.AbstractContextManager[int]]
    by_hand: Callable[[by_hand.AuthorizationServer], Any] | None = None


CASES = {
    "wsgi": Case(_wsgi_app, wsgi_server),
    "flask": Case(adapters.flask_app, wsgi_server, by_hand.flask_app),
    "django": Case(_django_app, wsgi_server),
    "asgi": Case(_asgi_app, asgi_server),
    "fastapi": Case(adapters.fastapi_app, asgi_server, by_hand.fastapi_app),
}


def _apps(case: Case, okta: by_hand.AuthorizationServer, token: str) -> dict[str, Any]:
    """Return the variants of one adapter. Each has a verifier and a key source of its own."""
    apps = {
        UNPROTECTED: case.make(None),
        "constant verifier": case.make(_Constant(_verifier(okta).verify(token))),
        "repeated bearer": case.make(_verifier(okta)),
        NEW_TOKEN: case.make(_verifier(okta)),
    }
    if case.by_hand is not None:
        apps["PyJWT + PyJWKClient"] = case.by_hand(okta)
    return apps


def _verifier(okta: by_hand.AuthorizationServer) -> HookVerifier:
    keys = IssuerKeys(okta.issuer)
    keys.warm_up()
    return HookVerifier.for_access_token(
        keys, audience=okta.audience, client_id=okta.client_id, scopes=SCOPES
    )


def _serve(name: str, okta: by_hand.AuthorizationServer, token: str, channel: Connection) -> None:
    case = CASES[name]
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)  # it warns of connections in turn
    with contextlib.ExitStack() as stack:
        apps = _apps(case, okta, token)
        channel.send({each: stack.enter_context(case.server(app)) for each, app in apps.items()})
        channel.recv()  # wait for the end of the measurement


def measure() -> dict[str, Served]:
    """Return the results of all variants of all adapters."""
    figures = {}
    with OktaEmulator() as emulator:
        audience = emulator.authorization_server.audience
        okta = by_hand.AuthorizationServer(emulator.issuer, audience, CLIENT_ID)
        count = (ROUNDS + 1) * BURST + 1
        tokens = [emulator.access_token(CLIENT_ID, scopes=SCOPES) for _ in range(count)]
        for name in CASES:
            for variant, figure in _measured(name, okta, tokens).items():
                figures[f"{name}, {variant}"] = figure
    return figures


def _measured(name: str, okta: by_hand.AuthorizationServer, tokens: list[str]) -> dict[str, Served]:
    """Return the results of one adapter. The first token is the one that is repeated."""
    repeated, *new = map(_request, tokens)
    with _served(name, okta, tokens[0]) as connections:
        requests: dict[str, Iterator[bytes]] = {
            each: itertools.repeat(repeated) for each in connections
        }
        requests[NEW_TOKEN] = iter(new)
        rounds = [
            {each: _burst(connection, requests[each]) for each, connection in connections.items()}
            for _ in range(ROUNDS + 1)
        ]
    return {each: _figure(each, rounds[1:]) for each in connections}  # the first is a warm-up


@contextlib.contextmanager
def _served(
    name: str, okta: by_hand.AuthorizationServer, token: str
) -> Iterator[dict[str, socket.socket]]:
    """Serve the variants of an adapter in another process; yield a connection to each."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(name, okta, token, theirs))
    process.start()
    theirs.close()
    try:
        with contextlib.ExitStack() as stack:
            connections = {
                each: stack.enter_context(socket.create_connection(("127.0.0.1", port), 10))
                for each, port in ours.recv().items()
            }
            for each in connections.values():
                each.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            yield connections
    finally:
        with contextlib.suppress(OSError):  # the process ended early
            ours.send(None)
        process.join(20)


def _request(token: str) -> bytes:
    return (
        b"POST /hook HTTP/1.1\r\nHost: hooks.acme.com\r\nContent-Type: application/json\r\n"
        b"Authorization: Bearer %b\r\nContent-Length: %d\r\n\r\n%b"
    ) % (token.encode(), len(BODY), BODY)


def _burst(connection: socket.socket, requests: Iterable[bytes]) -> float:
    """Send one request after the other; return the median of their times in microseconds."""
    times = []
    for request in itertools.islice(requests, BURST):
        began = time.perf_counter()
        connection.sendall(request)
        answer = connection.recv(65_536)
        while not (answer.endswith((b"ok", b'"ok"')) and b"\r\n\r\n" in answer):
            more = connection.recv(65_536)
            assert more, answer[:200]
            answer += more
        times.append((time.perf_counter() - began) * 1e6)
        assert answer.startswith(b"HTTP/1.1 200"), answer[:200]
    return statistics.median(times)


def _figure(variant: str, rounds: list[dict[str, float]]) -> Served:
    added = [times[variant] - times[UNPROTECTED] for times in rounds]
    low, middle, high = statistics.quantiles(added, n=4) if len(added) > 1 else added * 3
    ratio = statistics.median(times[UNPROTECTED] / times[variant] for times in rounds)
    return Served(statistics.median(times[variant] for times in rounds), middle, low, high, ratio)
