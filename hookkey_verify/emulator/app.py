"""The six hook-key endpoints as an ASGI application: Okta's headers, checks and error bodies."""

from __future__ import annotations

import asyncio
import json
import secrets
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..clock import Clock, wall_clock
from .faults import Fault, Faults
from .oauth import OAuthError, ServiceApps
from .state import OktaError, Org

__all__ = ["PublicShape", "RequestLine", "create_app"]

PublicShape = Literal["bare", "wrapped"]
"""How GET /public/{keyId} answers: the bare JWK (Okta's specification), or inside ``_embedded``
(its example). Which one real orgs send was not found."""

MAX_BODY = 64 * 1024
WINDOW = 60


@dataclass(frozen=True, slots=True)
class RequestLine:
    """One request that was answered."""

    method: str
    path: str
    status: int


class RateLimit:
    """A fixed window of calls a minute, as Okta's headers describe it.

    https://developer.okta.com/docs/reference/rl-best-practices/
    """

    def __init__(self, limit: int, clock: Clock) -> None:
        self._limit = limit
        self._clock = clock
        self._lock = threading.Lock()
        self._window = 0
        self._used = 0

    def spend(self) -> tuple[dict[str, str], bool]:
        """Count a call; return the headers and whether the call is within the limit."""
        window = int(self._clock()) // WINDOW
        with self._lock:
            if window != self._window:
                self._window, self._used = window, 0
            self._used += 1
            remaining = self._limit - self._used
        headers = {
            "X-Rate-Limit-Limit": str(self._limit),
            "X-Rate-Limit-Remaining": str(max(0, remaining)),
            "X-Rate-Limit-Reset": str((window + 1) * WINDOW),
        }
        return headers, remaining >= 0


def create_app(
    org: Org,
    *,
    api_token: str,
    public_shape: PublicShape = "bare",
    rate_limit: int = 600,  # GUESS: the size of the bucket of hook keys is not documented
    clock: Clock = wall_clock,
    log: deque[RequestLine] | None = None,
    apps: ServiceApps | None = None,
    faults: Faults | None = None,
) -> Starlette:
    """Build the application. ``log`` receives a line for every request."""
    limiter = RateLimit(rate_limit, clock)
    apps = ServiceApps(clock=clock) if apps is None else apps
    faults = Faults() if faults is None else faults

    async def list_or_create(request: Request) -> Any:
        if request.method == "POST":
            return await run_in_threadpool(org.create, await _body(request))
        return org.list()

    async def public_key(request: Request) -> Any:
        key = org.public_key(request.path_params["key_id"])
        return {"_embedded": key} if public_shape == "wrapped" else key

    async def one(request: Request) -> Any:
        id_ = request.path_params["id"]
        if request.method == "PUT":
            return org.rename(id_, await _body(request))
        if request.method == "DELETE":
            return org.delete(id_)
        return org.get(id_, expand=request.query_params.get("expand") == "publickey")

    def endpoint(
        answer: Callable[[Request], Awaitable[Any]],
    ) -> Callable[[Request], Awaitable[Response]]:
        async def respond(request: Request) -> Response:
            headers, within = limiter.spend()
            fault = faults.take(request.method, request.url.path) or Fault()
            await asyncio.sleep(fault.delay)
            try:
                _authenticate(request, api_token, apps)
                if not within:
                    raise _error(429)
                if fault.status is not None and not fault.after:
                    raise _error(fault.status)
                result = await answer(request)
                if fault.status is not None:
                    raise _error(fault.status)
                status = 204 if result is None else 200
            except OktaError as error:
                result, status = error.body(), error.status
            except ClientDisconnect:
                return Response(status_code=499)  # to nobody
            return _response(request, status, result, headers)

        return respond

    def _response(request: Request, status: int, result: Any, headers: dict[str, str]) -> Response:
        if log is not None:
            log.append(RequestLine(request.method, request.url.path, status))
        response = Response(status_code=204) if status == 204 else JSONResponse(result, status)
        response.headers.update(
            {
                **headers,
                "Cache-Control": "no-cache, no-store",
                "Pragma": "no-cache",
                "Expires": "0",
                "X-Okta-Request-Id": secrets.token_hex(16),
            }
        )
        return response

    async def http_error(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        refusal = _HTTP_ERRORS.get(status, OktaError(500, "E0000009", "Internal Server Error"))
        return _response(request, refusal.status, refusal.body(), {})

    keys = "/api/v1/hook-keys"
    app = Starlette(
        routes=[
            Route("/oauth2/v1/token", _token_endpoint(apps, faults, _response), methods=["POST"]),
            Route(keys, endpoint(list_or_create), methods=["GET", "POST"]),
            Route(f"{keys}/public/{{key_id}}", endpoint(public_key), methods=["GET"]),
            Route(f"{keys}/{{id}}", endpoint(one), methods=["GET", "PUT", "DELETE"]),
        ],
        exception_handlers={404: http_error, 405: http_error, Exception: http_error},
    )
    app.router.redirect_slashes = False
    return app


def _token_endpoint(
    apps: ServiceApps, faults: Faults, response: Callable[..., Response]
) -> Callable[[Request], Awaitable[Response]]:
    async def token(request: Request) -> Response:
        fault = faults.take(request.method, request.url.path) or Fault()
        await asyncio.sleep(fault.delay)
        headers: dict[str, str] = {}
        try:
            if fault.status is not None:
                raise OAuthError(fault.status, "server_error", "A fault was asked for.")
            form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
            result: Any = apps.grant(form, request.headers.get("dpop"), str(request.url))
            status = 200
        except OAuthError as error:
            result, status, headers = error.body(), error.status, error.headers
        return response(request, status, result, headers)

    return token


_HTTP_ERRORS = {
    # GUESS for an unknown path; the code is documented for unsupported methods.
    404: OktaError(404, "E0000022", "The endpoint does not support the provided HTTP method"),
    405: OktaError(405, "E0000022", "The endpoint does not support the provided HTTP method"),
}


_SUMMARIES = {
    401: ("E0000011", "Invalid token provided"),
    403: ("E0000006", "You do not have permission to perform the requested action"),
    404: ("E0000007", "Not found: Resource not found: (HookKey)"),
    429: ("E0000047", "API call exceeded rate limit due to too many requests."),
}


def _error(status: int) -> OktaError:
    code, summary = _SUMMARIES.get(
        status, ("E0000009", "Internal Server Error") if status >= 500 else ("E0000001", "Fault")
    )
    return OktaError(status, code, summary)


def _authenticate(request: Request, api_token: str, apps: ServiceApps) -> None:
    """Accept the API token, and the access tokens of service apps for what their scopes allow.

    The API token comes as ``SSWS token``, ``Bearer token`` or, from Okta's Python SDK,
    ``SSWStoken``.
    """
    header = request.headers.get("authorization", "")
    expected = (f"SSWS {api_token}", f"SSWS{api_token}", f"Bearer {api_token}")
    given = header.encode()
    if any(secrets.compare_digest(given, each.encode()) for each in expected):
        return
    scope = "okta.inlineHooks." + ("read" if request.method == "GET" else "manage")
    url = str(request.url.replace(query=""))
    apps.check(header, request.headers.get("dpop"), request.method, url, scope)


async def _body(request: Request) -> dict[str, Any]:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise OktaError(
            400, "E0000021", "Bad request. Accept and/or Content-Type headers are not valid."
        )
    octets = bytearray()
    async for chunk in request.stream():
        octets += chunk
        if len(octets) > MAX_BODY:
            raise _not_well_formed()
    try:
        body = json.loads(octets)
    except (ValueError, RecursionError):
        body = None
    if not isinstance(body, dict):
        raise _not_well_formed()
    return body


def _not_well_formed() -> OktaError:
    return OktaError(400, "E0000003", "The request body was not well-formed.")
