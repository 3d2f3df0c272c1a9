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
from .authorization_server import AuthorizationServer
from .delivery import Deliverer
from .faults import Fault, Faults
from .inline_hooks import InlineHooks
from .oauth import OAuthError, ServiceApps
from .state import OktaError, Org

__all__ = ["Parts", "PublicShape", "RequestLine", "create_app"]

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


Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class Parts:
    """What an org consists of."""

    keys: Org
    apps: ServiceApps
    hooks: InlineHooks
    server: AuthorizationServer
    deliverer: Deliverer
    faults: Faults


def create_app(
    parts: Parts,
    *,
    api_token: str,
    public_shape: PublicShape = "bare",
    rate_limit: int = 600,  # GUESS: the size of the bucket of hook keys is not documented
    clock: Clock = wall_clock,
    log: deque[RequestLine] | None = None,
) -> Starlette:
    """Build the application. ``log`` receives a line for every request."""
    site = _Site(parts, api_token, public_shape, RateLimit(rate_limit, clock), log)
    app = Starlette(
        routes=site.routes(),
        exception_handlers={
            404: site.http_error,
            405: site.http_error,
            Exception: site.http_error,
        },
    )
    app.router.redirect_slashes = False
    return app


class _Site:
    """HTTP around the parts: paths, credentials, rate limits, faults, answers."""

    def __init__(
        self,
        parts: Parts,
        api_token: str,
        public_shape: PublicShape,
        limiter: RateLimit,
        log: deque[RequestLine] | None,
    ) -> None:
        self._parts = parts
        self._api_token = api_token
        self._public_shape = public_shape
        self._limiter = limiter
        self._log = log

    def routes(self) -> list[Route]:
        """Return every path of the org."""
        keys, hooks, server = "/api/v1/hook-keys", "/api/v1/inlineHooks", "/oauth2/{server}"
        hook = f"{hooks}/{{id}}"
        api, token, public = self._api, self._token, self._public
        return [
            Route(keys, api(self._keys), methods=["GET", "POST"]),
            Route(f"{keys}/public/{{key_id}}", api(self._public_key), methods=["GET"]),
            Route(f"{keys}/{{id}}", api(self._key), methods=["GET", "PUT", "DELETE"]),
            Route(hooks, api(self._hooks), methods=["GET", "POST"]),
            Route(hook, api(self._hook), methods=["GET", "PUT", "POST", "DELETE"]),
            Route(f"{hook}/lifecycle/{{verb}}", api(self._lifecycle), methods=["POST"]),
            Route(f"{hook}/execute", api(self._execute), methods=["POST"]),
            Route("/oauth2/v1/token", token(self._org_token), methods=["POST"]),
            Route(f"{server}/v1/token", token(self._server_token), methods=["POST"]),
            Route(f"{server}/v1/keys", public(self._server_keys), methods=["GET"]),
            Route(f"{server}/.well-known/{{kind}}", public(self._metadata), methods=["GET"]),
        ]

    # Hook keys

    async def _keys(self, request: Request) -> Any:
        if request.method == "POST":
            return await run_in_threadpool(self._parts.keys.create, await _body(request))
        return self._parts.keys.list()

    async def _public_key(self, request: Request) -> Any:
        key = self._parts.keys.public_key(request.path_params["key_id"])
        return {"_embedded": key} if self._public_shape == "wrapped" else key

    async def _key(self, request: Request) -> Any:
        id_, keys = request.path_params["id"], self._parts.keys
        if request.method == "PUT":
            return keys.rename(id_, await _body(request))
        if request.method == "DELETE":
            return keys.delete(id_)
        return keys.get(id_, expand=request.query_params.get("expand") == "publickey")

    # Inline hooks

    async def _hooks(self, request: Request) -> Any:
        if request.method == "POST":
            return self._parts.hooks.create(await _body(request))
        return self._parts.hooks.list(request.query_params.get("type"))

    async def _hook(self, request: Request) -> Any:
        id_, hooks = request.path_params["id"], self._parts.hooks
        if request.method == "DELETE":
            return hooks.delete(id_)
        if request.method in ("PUT", "POST"):
            return hooks.replace(id_, await _body(request))
        return hooks.get(id_).document()

    async def _lifecycle(self, request: Request) -> Any:
        status = _LIFECYCLE.get(request.path_params["verb"])
        if status is None:
            raise _HTTP_ERRORS[404]
        return self._parts.hooks.set_status(request.path_params["id"], status)

    async def _execute(self, request: Request) -> Any:
        """Call the hook with this body and return what it answers."""
        hook, body = self._parts.hooks.get(request.path_params["id"]), await _body(request)
        delivery = await run_in_threadpool(self._parts.deliverer.fire, hook, body)
        step = delivery.steps[-1]
        if delivery.outcome != "failed":
            return json.loads(step.body) if step.body.strip() else {}
        # https://developer.okta.com/docs/reference/error-codes/: E0000134, E0000135, E0000137
        if step.status is None:
            raise OktaError(504, "E0000137", "The inline hook did not answer.", step.problem)
        raise OktaError(400, "E0000135", "The inline hook answered with an error.", step.problem)

    # Tokens

    def _org_token(self, request: Request, form: dict[str, str]) -> Any:
        return self._parts.apps.grant(form, request.headers.get("dpop"), str(request.url))

    def _server_token(self, request: Request, form: dict[str, str]) -> Any:
        return self._parts.server.token(form, self._issuer(request))

    def _server_keys(self, request: Request) -> Any:
        self._issuer(request)
        return self._parts.server.jwks()

    def _metadata(self, request: Request) -> Any:
        if request.path_params["kind"] not in _METADATA:
            raise _HTTP_ERRORS[404]
        return self._parts.server.metadata(self._issuer(request))

    def _issuer(self, request: Request) -> str:
        server = self._parts.server.id
        if request.path_params["server"] != server:
            # GUESS: the words, as for every other resource.
            raise OktaError(404, "E0000007", "Not found: Resource not found: (AuthorizationServer)")
        return f"{str(request.base_url).rstrip('/')}/oauth2/{server}"

    # What every answer has

    def _api(self, answer: Callable[[Request], Awaitable[Any]]) -> Endpoint:
        """An endpoint that wants credentials and counts against the rate limit."""

        async def respond(request: Request) -> Response:
            headers, within = self._limiter.spend()
            fault = self._parts.faults.take(request.method, request.url.path) or Fault()
            await asyncio.sleep(fault.delay)
            try:
                _authenticate(request, self._api_token, self._parts.apps)
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
            return self._response(request, status, result, headers)

        return respond

    def _token(self, grant: Callable[[Request, dict[str, str]], Any]) -> Endpoint:
        """A token endpoint (RFC 6749 section 3.2)."""

        async def respond(request: Request) -> Response:
            fault = self._parts.faults.take(request.method, request.url.path) or Fault()
            await asyncio.sleep(fault.delay)
            headers: dict[str, str] = {}
            try:
                if fault.status is not None:
                    raise OAuthError(fault.status, "server_error", "A fault was asked for.")
                form = dict(parse_qsl((await request.body()).decode("utf-8", "replace")))
                result, status = await run_in_threadpool(grant, request, form), 200
            except OAuthError as error:
                result, status, headers = error.body(), error.status, error.headers
            except OktaError as error:
                result, status = error.body(), error.status
            except ClientDisconnect:
                return Response(status_code=499)  # to nobody
            return self._response(request, status, result, headers)

        return respond

    def _public(self, answer: Callable[[Request], Any]) -> Endpoint:
        """An endpoint for everybody."""

        async def respond(request: Request) -> Response:
            fault = self._parts.faults.take(request.method, request.url.path) or Fault()
            await asyncio.sleep(fault.delay)
            try:
                if fault.status is not None:
                    raise _error(fault.status)
                result, status = await run_in_threadpool(answer, request), 200
            except OktaError as error:
                result, status = error.body(), error.status
            return self._response(request, status, result, {})

        return respond

    async def http_error(self, request: Request, error: Exception) -> Response:
        """Answer what no endpoint has answered."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        refusal = _HTTP_ERRORS.get(status, OktaError(500, "E0000009", "Internal Server Error"))
        return self._response(request, refusal.status, refusal.body(), {})

    def _response(
        self, request: Request, status: int, result: Any, headers: dict[str, str]
    ) -> Response:
        if self._log is not None:
            self._log.append(RequestLine(request.method, request.url.path, status))
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


_LIFECYCLE = {"activate": "ACTIVE", "deactivate": "INACTIVE"}
_METADATA = ("openid-configuration", "oauth-authorization-server")
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
