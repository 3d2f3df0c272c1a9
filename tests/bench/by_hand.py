"""Verification with PyJWT in the application's own code, as its documentation describes.

Each application reads the bearer token, finds the key with ``PyJWKClient`` by the kid, decodes the
token with one algorithm, an audience and an issuer, and compares ``cid``. ``PyJWKClient`` keeps the
JWK Set in memory for five minutes, which is its default.
"""

from __future__ import annotations

from functools import wraps
from typing import Annotated, Any, NamedTuple

import fastapi
import flask
import jwt
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

__all__ = ["AuthorizationServer", "fastapi_app", "flask_app"]


class AuthorizationServer(NamedTuple):
    """What an application knows of the server that issues its tokens."""

    issuer: str
    audience: str
    client_id: str


def fastapi_app(server: AuthorizationServer) -> Any:
    """Return an application with a dependency. It is async, because a thread would cost more."""
    app, keys = fastapi.FastAPI(), _keys(server)
    bearer = Annotated[HTTPAuthorizationCredentials, fastapi.Depends(HTTPBearer())]

    async def verified(credentials: Any) -> dict[str, Any]:
        try:
            return _claims(credentials.credentials, keys, server)
        except jwt.PyJWTError:
            raise fastapi.HTTPException(401) from None

    verified.__annotations__["credentials"] = bearer

    async def hook(claims: Any) -> str:
        return "ok"

    hook.__annotations__["claims"] = Annotated[dict[str, Any], fastapi.Depends(verified)]
    app.post("/hook")(hook)
    return app


def flask_app(server: AuthorizationServer) -> Any:
    """Return an application with a decorator."""
    app, keys = flask.Flask(__name__), _keys(server)

    def verified(view: Any) -> Any:
        @wraps(view)
        def protected() -> Any:
            scheme, _, token = flask.request.headers.get("Authorization", "").partition(" ")
            if scheme.lower() != "bearer":
                flask.abort(401)
            try:
                flask.g.claims = _claims(token, keys, server)
            except jwt.PyJWTError:
                flask.abort(401)
            return view()

        return protected

    @app.post("/hook")
    @verified
    def hook() -> str:
        return "ok"

    return app.wsgi_app


def _keys(server: AuthorizationServer) -> jwt.PyJWKClient:
    return jwt.PyJWKClient(f"{server.issuer}/v1/keys")


def _claims(token: str, keys: jwt.PyJWKClient, server: AuthorizationServer) -> dict[str, Any]:
    key = keys.get_signing_key_from_jwt(token)
    claims: dict[str, Any] = jwt.decode(
        token, key, algorithms=["RS256"], audience=server.audience, issuer=server.issuer
    )
    if claims.get("cid") != server.client_id:
        raise jwt.InvalidTokenError("cid")
    return claims
