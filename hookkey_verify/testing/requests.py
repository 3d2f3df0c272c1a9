"""Okta's request to a hook, in the format of a framework's test client. Pure."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Mapping
from typing import Any, Literal

from .._runtime.clock import Clock, wall_clock
from ..errors import ConfigurationError

__all__ = ["Framework", "fits_header", "hook_request"]

_FIELD_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")

Framework = Literal["flask", "fastapi", "starlette", "django", "wsgi", "asgi", "lambda"]


def hook_request(
    token: str | None,
    *,
    framework: Framework = "flask",
    type: str = "com.okta.oauth2.tokens.transform",  # noqa: A002 - Okta's name
    variant: str | None = None,
    body: Mapping[str, Any] | None = None,
    path: str = "/hook",
    clock: Clock = wall_clock,
) -> dict[str, Any]:
    """Return the request that Okta sends to a hook.

    ``token``: the bearer token; None sends none.
    ``framework``: the format. "flask" (the default), "fastapi", "starlette" and "django" return the
        arguments of ``client.post(path, **…)``; "wsgi" an environ; "asgi" a scope with ``receive``
        as its member "receive"; "lambda" the event of an HTTP API.
    ``type``: the type of the inline hook. Default: the token inline hook.
    ``variant``: the variant of the event, such as "refresh"; `hookkey payload --list` lists them.
        Default None: the first one of the type.
    ``body``: the event. Default None: a realistic one, which requires the extra ``emulator``.
    ``path``: the path of the request. Default: "/hook".
    ``clock``: a function that returns epoch seconds. Default: the system clock.

    Raises ``ConfigurationError`` for an unknown framework, type or variant, for a variant together
    with a body, and for a token that a header cannot contain (``BadToken.header_safe`` is False).
    """
    _check(token, path)
    if body is not None and variant is not None:
        raise ConfigurationError("variant cannot be combined with a body")
    document = _event(type, variant, clock()) if body is None else body
    headers = {"Accept": "application/json", "Content-Type": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    content = json.dumps(document).encode()
    match framework:
        case "flask" | "fastapi" | "starlette":
            return {"headers": headers, "json": document}
        case "django":
            content_type = headers.pop("Content-Type")
            return {"headers": headers, "data": content, "content_type": content_type}
        case "wsgi":
            return _environ(path, headers, content)
        case "asgi":
            return _scope(path, headers, content)
        case "lambda":
            http = {"method": "POST", "path": path}
            lower = {name.lower(): value for name, value in headers.items()}
            event = {"version": "2.0", "rawPath": path, "headers": lower}
            return {**event, "requestContext": {"http": http}, "body": content.decode()}
    raise ConfigurationError(f"there is no framework {framework!r}")


def _check(token: object, path: object) -> None:
    if not isinstance(token, str | None):
        raise ConfigurationError("token must be a string, or None")
    if not isinstance(path, str) or not path.isascii():
        raise ConfigurationError("path must be ASCII, with escapes where needed")
    if token is not None and not fits_header(token):
        raise ConfigurationError(
            "token has a character that no HTTP header can carry, so it cannot reach a handler: "
            "skip bad tokens whose header_safe is False"
        )


def fits_header(token: str) -> bool:
    """Return whether a header value can contain this (RFC 9110 section 5.5)."""
    return _FIELD_VALUE.fullmatch(token) is not None


def _event(kind: str, variant: str | None, now: float) -> dict[str, Any]:
    from ..emulator.payloads import payload  # noqa: PLC0415 - needs the extra

    return payload(kind, hook_id="cal5example6hook7x8", now=now, variant=variant)


def _environ(path: str, headers: Mapping[str, str], content: bytes) -> dict[str, Any]:
    from wsgiref.util import setup_testing_defaults  # noqa: PLC0415 - only for this form

    environ: dict[str, Any] = {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": str(len(content)),
        "wsgi.input": io.BytesIO(content),
    }
    for name, value in headers.items():
        if name != "Content-Type":
            environ["HTTP_" + name.upper()] = value
    setup_testing_defaults(environ)
    return environ


def _scope(path: str, headers: Mapping[str, str], content: bytes) -> dict[str, Any]:
    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": content, "more_body": False}

    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(k.lower().encode(), v.encode("latin-1")) for k, v in headers.items()],
        "receive": receive,
    }
