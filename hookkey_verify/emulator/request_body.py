"""Reads the bodies of requests to the org, bounded in size."""

from __future__ import annotations

from base64 import b64decode
from typing import Any
from urllib.parse import parse_qsl, unquote_plus

from starlette.requests import Request

from .json_object import json_object
from .oauth_error import OAuthError
from .okta_error import OktaError

__all__ = ["form_body", "json_body"]

MAX_BODY = 64 * 1024


async def _read(request: Request, most: int = MAX_BODY) -> bytes | None:
    """Read the body, or return None if it is too large."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            return None
    return bytes(body)


async def json_body(request: Request, most: int = MAX_BODY) -> dict[str, Any]:
    """Return the JSON object of a request of at most this many bytes. Raises ``OktaError``."""
    content_type = request.headers.get("content-type", "").partition(";")[0].strip()
    if content_type.lower() != "application/json":
        raise OktaError(
            400, "E0000021", "Bad request. Accept and/or Content-Type headers are not valid."
        )
    body = json_object(await _read(request, most) or b"")
    if body is None:
        raise OktaError(400, "E0000003", "The request body was not well-formed.")
    return body


async def form_body(request: Request) -> dict[str, str]:
    """Return the parameters of a token request. Raises ``OAuthError``."""
    body = await _read(request)
    if body is None:
        raise OAuthError(400, "invalid_request", "The request is too large.")
    # Okta's Python SDK 2 sends the parameters in the query string.
    form = dict(parse_qsl(request.url.query)) | dict(parse_qsl(body.decode("utf-8", "replace")))
    return form | _basic_credentials(request.headers.get("authorization", ""))


def _basic_credentials(header: str) -> dict[str, str]:
    """Return client_id and client_secret of HTTP Basic (RFC 6749 section 2.3.1)."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return {}
    try:
        text = b64decode(encoded, validate=True).decode()
    except ValueError:
        raise OAuthError(401, "invalid_client", "The Basic credentials cannot be read.") from None
    client_id, _, secret = text.partition(":")
    return {"client_id": unquote_plus(client_id), "client_secret": unquote_plus(secret)}
