"""The time that an adapter adds to a request beyond the verification itself.

python -m tests.bench.adapters [--json]

Each framework serves the same handler twice, unprotected and protected. The calls run in process,
because socket noise would hide differences of a microsecond. The result is protected minus
unprotected minus ``verifier.verify``: the median of the differences within a round.
"""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Annotated, Any

import fastapi
import flask

from hookkey_verify import HookSigner, HookVerifier, StaticKeys, VerifiedHook, asgi, wsgi
from hookkey_verify.fastapi import HookAuth
from hookkey_verify.flask import protect
from hookkey_verify.guard import RequestVerifier

CLIENT_ID, TOKEN_URL = "0oa1qz8hookclient4x7", "https://hooks.acme.com/oauth2/token"
ROUNDS, CALLS = 300, 20
AT_MOST = {"wsgi": 15, "asgi": 15, "flask": 25, "fastapi": 25}
"""Upper limit for each adapter, in microseconds."""

HEADERS = {
    "Host": "hooks.acme.com",
    "User-Agent": "Okta/1.0",
    "Accept": "application/json",
    "Accept-Encoding": "gzip,deflate",
    "Content-Type": "application/json",
    "Content-Length": "2",
    "Connection": "keep-alive",
    "X-Forwarded-For": "10.0.0.1",
    "X-Forwarded-Proto": "https",
}

Call = Callable[[], Awaitable[object]]


def wsgi_app(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    start_response("200 OK", [("Content-Length", "2")])
    return [b"ok"]


def flask_app(verifier: RequestVerifier | None) -> Any:
    app = flask.Flask(__name__)

    def hook() -> str:
        return "ok"

    app.post("/hook")(hook if verifier is None else protect(verifier)(hook))
    return app.wsgi_app


async def _asgi_app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})


def fastapi_app(verifier: RequestVerifier | None) -> Any:
    app = fastapi.FastAPI()

    async def nothing() -> None:
        return None

    auth = nothing if verifier is None else HookAuth(verifier)

    async def hook(hook: Annotated[VerifiedHook | None, fastapi.Depends(auth)]) -> str:
        return "ok"

    hook.__annotations__["hook"] = Annotated[Any, fastapi.Depends(auth)]
    app.post("/hook")(hook)
    return app


def _wsgi(app: Any, token: str) -> Call:
    environ = {
        "REQUEST_METHOD": "POST",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/hook",
        "QUERY_STRING": "",
        "SERVER_NAME": "hooks.acme.com",
        "SERVER_PORT": "443",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.url_scheme": "https",
        "wsgi.input": None,
        "wsgi.errors": sys.stderr,
        **{"HTTP_" + k.upper().replace("-", "_"): v for k, v in HEADERS.items()},
        "HTTP_AUTHORIZATION": f"Bearer {token}",
    }
    statuses: list[str] = []

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        statuses.append(status)

    async def call() -> None:
        b"".join(app(dict(environ), start_response))
        assert statuses.pop() == "200 OK"

    return call


def _asgi(app: Any, token: str) -> Call:
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "path": "/hook",
        "raw_path": b"/hook",
        "root_path": "",
        "query_string": b"",
        "scheme": "https",
        "headers": [
            *((name.lower().encode(), value.encode()) for name, value in HEADERS.items()),
            (b"authorization", f"Bearer {token}".encode()),
        ],
    }
    statuses: list[int] = []

    async def receive() -> Any:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    async def call() -> None:
        await app(dict(scope), receive, send)
        assert statuses.pop() == 200

    return call


async def measure() -> dict[str, dict[str, float]]:
    """Return for each framework the median times in microseconds, and the adapter's share."""
    signer = HookSigner.generate()
    token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL, lifetime=3000)
    verifier = HookVerifier.for_client_assertion(
        StaticKeys.from_jwk(signer.public_jwk()), client_id=CLIENT_ID, token_url=TOKEN_URL
    )

    async def verify() -> None:
        verifier.verify(token)

    pairs: dict[str, tuple[Call, Call]] = {
        "wsgi": (_wsgi(wsgi_app, token), _wsgi(wsgi.HookMiddleware(wsgi_app, verifier), token)),
        "asgi": (_asgi(_asgi_app, token), _asgi(asgi.HookMiddleware(_asgi_app, verifier), token)),
        "flask": (_wsgi(flask_app(None), token), _wsgi(flask_app(verifier), token)),
        "fastapi": (_asgi(fastapi_app(None), token), _asgi(fastapi_app(verifier), token)),
    }
    report = {}
    for name, (plain, protected) in pairs.items():
        rounds: list[tuple[float, float, float]] = []
        gc.disable()
        for _ in range(ROUNDS):
            rounds.append((await _time(plain), await _time(protected), await _time(verify)))
        gc.enable()
        report[name] = {
            "unprotected": statistics.median(r[0] for r in rounds),
            "protected": statistics.median(r[1] for r in rounds),
            "verify": statistics.median(r[2] for r in rounds),
            "adapter": statistics.median(r[1] - r[0] - r[2] for r in rounds),
            "at most": AT_MOST[name],
        }
    return report


async def _time(call: Call) -> float:
    started = time.perf_counter()
    for _ in range(CALLS):
        await call()
    return (time.perf_counter() - started) / CALLS * 1e6


def main() -> None:
    """Run the benchmark and print the results."""
    report = asyncio.run(measure())
    if "--json" in sys.argv:
        print(json.dumps(report, indent=2))
        return
    for name, row in report.items():
        print(name.ljust(8), "  ".join(f"{key} {value:6.1f} us" for key, value in row.items()))


if __name__ == "__main__":
    main()
