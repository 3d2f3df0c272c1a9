"""``HookBackend`` with Starlette's authentication middleware."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import requests
from starlette.applications import Starlette
from starlette.authentication import AuthenticationError, requires
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from hookkey_verify import HookSigner, HookVerifier, StaticKeys
from hookkey_verify.starlette import HookBackend, HookUser

from ..conftest import CLIENT_ID, TOKEN_URL
from ..servers import asgi_server


@requires("authenticated", status_code=401)
async def _hook(request: Request) -> JSONResponse:
    user = request.user
    assert isinstance(user, HookUser)
    assert user.is_authenticated
    return JSONResponse([user.display_name, user.identity, user.hook.kid, request.auth.scopes])


async def _open(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(request.user.is_authenticated))


@pytest.fixture
def url(keys: StaticKeys) -> Iterator[str]:
    verifier = HookVerifier(keys, issuer=CLIENT_ID, audience=TOKEN_URL)
    backend = HookBackend(verifier)
    app = Starlette(
        routes=[Route("/hook", _hook), Route("/open", _open)],
        middleware=[
            Middleware(AuthenticationMiddleware, backend=backend, on_error=backend.on_error)
        ],
    )
    with asgi_server(app) as port:
        yield f"http://127.0.0.1:{port}"


def _get(url: str, token: str | None = None) -> requests.Response:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    return requests.get(url, headers=headers, timeout=10)


def test_an_authenticated_user(url: str, signer: HookSigner) -> None:
    """The user has the client or subject as its name, the scopes, and the hook."""
    claims = {"iss": CLIENT_ID, "aud": TOKEN_URL, "exp": 2**31, "sub": "s", "scp": ["hooks"]}
    for more, name in (({"cid": "c"}, "c"), ({}, "s")):
        answer = _get(f"{url}/hook", signer.sign({**claims, **more}))
        assert answer.json() == [name, "s", signer.kid, ["authenticated", "hooks"]]
    del claims["sub"]
    assert _get(f"{url}/hook", signer.sign(claims)).json()[:2] == ["", ""]


def test_without_credentials(url: str) -> None:
    """A request without a token is anonymous and refused where authentication is required."""
    assert _get(f"{url}/open").text == "False"
    assert _get(f"{url}/hook").status_code == 401


def test_bad_credentials(url: str, signer: HookSigner) -> None:
    """A bad token gets 401 on every route, not Starlette's default 400."""
    for path in ("open", "hook"):
        answer = _get(f"{url}/{path}", signer.sign({"iss": CLIENT_ID, "aud": "b", "exp": 2**31}))
        assert (answer.status_code, answer.json()["reason"]) == (401, "wrong_audience")
        assert answer.headers["Content-Type"] == "application/problem+json"


def test_errors_of_somebody_else() -> None:
    """The response to another backend's error does not contain that error's text."""
    connection = HTTPConnection({"type": "http", "headers": []})
    answer = HookBackend.on_error(connection, AuthenticationError("s3cret"))
    assert (answer.status_code, json.loads(bytes(answer.body))["reason"]) == (401, "missing_token")
    assert b"s3cret" not in bytes(answer.body)
