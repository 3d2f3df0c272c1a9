"""The org as an ASGI application: Okta's paths, headers, checks and error bodies."""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Awaitable, Callable
from email.utils import formatdate
from functools import partial
from typing import Any

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from ..errors import ConfigurationError
from .apps_api import app_operations
from .authorization_servers_api import authorization_server_operations
from .broken_response import BrokenResponse
from .console import Console, org_url
from .delivery_client import TIMEOUT
from .description import description
from .faults import Fault
from .hook_keys_api import PublicShape, hook_key_operations
from .inline_hooks_api import inline_hook_operations
from .oauth_error import OAuthError
from .okta_error import OktaError, no_endpoint, not_found
from .org_tokens import OrgTokens
from .outcome import Outcome
from .parts import Parts, RequestLine
from .rate_limit import RateLimit
from .request_body import form_body, json_body
from .scopes import required_scope
from .system_log_api import LOGS, log_operations

__all__ = ["create_app"]

LOGS_LIMIT = 120
"""Requests for the System Log per minute; Okta documented this number for workforce orgs."""

Handler = Callable[[Request], Awaitable[Response]]
Work = Callable[[Request], Awaitable[Any]]


def create_app(
    parts: Parts,
    *,
    console: Console,
    public_shape: PublicShape = "bare",
    rate_limit: int = 600,  # GUESS: the size of the bucket of hook keys is not documented
) -> Starlette:
    """Build the application of an org with these parts."""
    limiter = RateLimit(rate_limit, parts.clock)
    logs = RateLimit(min(rate_limit, LOGS_LIMIT), parts.clock)
    site = _Site(parts, public_shape, limiter, logs)
    app = Starlette(
        routes=[*console.routes(), *site.routes()],
        exception_handlers={
            404: site.http_error,
            405: site.http_error,
            Exception: site.http_error,
        },
    )
    app.router.redirect_slashes = False
    return app


class _Site:
    """The HTTP layer: paths, credentials, rate limits, faults and responses."""

    def __init__(
        self, parts: Parts, public_shape: PublicShape, limiter: RateLimit, logs: RateLimit
    ) -> None:
        self._parts = parts
        self._public_shape: PublicShape = public_shape
        self._limiter = limiter
        self._logs_limiter = logs

    def routes(self) -> list[Route]:
        """Return every path of the org."""
        server = "/oauth2/{server}"
        api = partial(self._endpoint, admit=self._admit, refused=_error)
        token = partial(self._endpoint, refused=_oauth_error)
        public = partial(self._endpoint, refused=_error)
        operations = (
            *hook_key_operations(self._parts, self._public_shape),
            *inline_hook_operations(self._parts),
            *log_operations(self._parts),
            *authorization_server_operations(self._parts),
            *app_operations(self._parts),
        )
        return [
            *(Route(path, api(work), methods=methods) for path, work, methods in operations),
            Route("/oauth2/v1/token", token(self._org_token), methods=["POST"]),
            Route(f"{server}/v1/token", token(self._server_token), methods=["POST"]),
            Route(f"{server}/v1/keys", public(self._server_keys), methods=["GET"]),
            Route(f"{server}/.well-known/{{kind}}", public(self._metadata), methods=["GET"]),
            Route("/openapi.json", public(self._description), methods=["GET"]),
            Route("/emulator/faults", self._control, methods=["POST", "DELETE"]),
        ]

    # Tokens

    async def _org_token(self, request: Request) -> Any:
        form, proof = await form_body(request), request.headers.get("dpop", "")
        url = str(request.url.replace(query=""))
        return await run_in_threadpool(self._parts.tokens.grant, form, proof, url)

    async def _server_token(self, request: Request) -> Any:
        form, issuer = await form_body(request), self._issuer(request)
        token = await run_in_threadpool(self._parts.server.token, form, issuer)
        if self._parts.is_recursive(token["access_token"], issuer):
            await asyncio.sleep(TIMEOUT)
        return token

    async def _server_keys(self, request: Request) -> Any:
        self._issuer(request)
        return await run_in_threadpool(self._parts.server.jwks)

    async def _metadata(self, request: Request) -> Any:
        if request.path_params["kind"] not in _METADATA:
            raise no_endpoint()
        return self._parts.server.metadata(self._issuer(request))

    def _issuer(self, request: Request) -> str:
        server = self._parts.server
        if request.path_params["server"] != server.id:
            raise not_found(request.path_params["server"], "AuthorizationServer")
        return server.issuer(org_url(request))

    # Endpoints that Okta does not have

    async def _description(self, request: Request) -> Any:
        server, wrapped = self._parts.server.id, self._public_shape == "wrapped"
        return description(org_url(request), server=server, wrapped=wrapped)

    async def _control(self, request: Request) -> Response:
        """Add a fault with the fields of the body, or clear all faults. No fault applies here."""
        try:
            self._admit(request, {})
            if request.method == "DELETE":
                self._parts.faults.clear()
            else:
                try:
                    self._parts.faults.add(Fault(**await json_body(request)))
                except (ConfigurationError, TypeError) as error:
                    cause = getattr(error, "detail", "there is a field that faults do not have")
                    raise OktaError(400, "E0000001", "Api validation failed", cause) from None
        except OktaError as error:
            return self._response(error.status, error.body())
        return self._response(204, None)

    # Headers of every response

    def _endpoint(
        self,
        work: Work,
        *,
        refused: Callable[[int], Exception],
        admit: Callable[[Request, dict[str, str]], None] = lambda *_: None,
    ) -> Handler:
        """Return a handler that adds faults, error bodies and Okta's headers to ``work``.

        ``work``: handles a request and returns the JSON values of the response.
        ``refused``: returns the error for the status of a fault.
        ``admit``: checks each request first and may set headers of the response.
        """

        async def respond(request: Request) -> Response:
            began, headers = time.perf_counter(), dict[str, str]()
            fault = self._parts.faults.take(request.method, _path(request))
            await asyncio.sleep(0 if fault.what == "slow" else fault.delay)
            status = 200
            try:
                admit(request, headers)
                result = await _done(work, request, fault, refused)
                if isinstance(result, Outcome):
                    headers |= result.headers
                    result, status = result.value, result.status
                status = 204 if result is None else status
            except (OktaError, OAuthError) as error:
                result, status = error.body(), error.status
                headers |= getattr(error, "headers", {})
            except ClientDisconnect:
                return Response(status_code=499)  # the client has disconnected
            response = self._response(status, result, {**headers, **fault.headers})
            self._write(request, status, began, fault)
            if isinstance(fault.what, str):
                return BrokenResponse(response, fault.what, fault.delay)
            return response

        return respond

    def _admit(self, request: Request, headers: dict[str, str]) -> None:
        """Check the credentials and count the request against the rate limit."""
        of_logs = _path(request) == LOGS
        limits, within = (self._logs_limiter if of_logs else self._limiter).spend()
        headers |= limits
        _authenticate(request, self._parts.api_token, self._parts.tokens)
        if not within:
            raise _error(429)

    async def http_error(self, request: Request, error: Exception) -> Response:
        """Answer requests for unknown paths and methods."""
        status = error.status_code if isinstance(error, HTTPException) else 500
        headers = getattr(error, "headers", None) or {}  # such as Allow for a 405
        refusal = _HTTP_ERRORS.get(status, OktaError(500, "E0000009", "Internal Server Error"))
        self._write(request, refusal.status, time.perf_counter(), Fault())
        return self._response(refusal.status, refusal.body(), headers)

    def _write(self, request: Request, status: int, began: float, fault: Fault) -> None:
        spent = (time.perf_counter() - began) * 1000
        what = "" if fault.what is None else str(fault.what)
        at = self._parts.clock()
        line = RequestLine(request.method, _path(request), status, at, spent, what)
        self._parts.requests.append(line)

    def _response(
        self, status: int, result: Any, headers: dict[str, str] | None = None
    ) -> Response:
        response = Response(status_code=204) if status == 204 else JSONResponse(result, status)
        response.headers.update(
            {
                "Cache-Control": "no-cache, no-store",
                "Pragma": "no-cache",
                "Expires": "0",
                "Date": formatdate(self._parts.clock(), usegmt=True),
                "X-Okta-Request-Id": secrets.token_hex(16),
                **(headers or {}),
            }
        )
        return response


async def _done(
    work: Work, request: Request, fault: Fault, refused: Callable[[int], Exception]
) -> Any:
    """Handle the request unless a fault replaces the response."""
    instead = fault.what in ("reset", "garbage") or fault.status is not None
    result = None if instead and not fault.after else await work(request)
    if fault.status is not None:
        raise refused(fault.status)
    return {} if result is None and instead else result


_METADATA = ("openid-configuration", "oauth-authorization-server")
_HTTP_ERRORS = {
    # GUESS for an unknown path; the code is documented for unsupported methods.
    404: no_endpoint(),
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


def _path(request: Request) -> str:
    """Return the path within this org, which may be mounted below another path."""
    path: str = request.scope["path"]
    return path.removeprefix(request.scope.get("root_path", "")) or "/"


def _oauth_error(status: int) -> OAuthError:
    return OAuthError(status, "server_error", "This error is an injected fault.")


def _authenticate(request: Request, api_token: str, tokens: OrgTokens) -> None:
    """Accept the API token, and access tokens of service apps as their scopes allow.

    The API token comes as ``SSWS token``, ``Bearer token`` or, from Okta's Python SDK,
    ``SSWStoken``.
    """
    header = request.headers.get("authorization", "")
    expected = (f"SSWS {api_token}", f"SSWS{api_token}", f"Bearer {api_token}")
    given = header.encode()
    if any(secrets.compare_digest(given, each.encode()) for each in expected):
        return
    scope = required_scope(request.method, _path(request))
    url = str(request.url.replace(query=""))
    tokens.check(header, request.headers.get("dpop", ""), request.method, url, scope)
