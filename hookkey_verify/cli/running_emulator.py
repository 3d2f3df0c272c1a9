"""Asks a running emulator to call one of its inline hooks."""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from types import NoneType
from typing import Any

import click

from .._runtime.clock import monotonic_clock
from ..errors import (
    ConfigurationError,
    HookKeyApiError,
    HookKeyError,
    NotFoundError,
    TransportError,
)
from ..okta.sign_in import connection, credentials
from ..okta.transport import OktaTransport
from ..settings import Settings
from .files import is_token

__all__ = ["fired_by_emulator"]

FIRE_TIMEOUT = 15
"""Seconds for the whole request; a delivery makes at most two attempts of three seconds."""
MAX_DELIVERY = 4 * 1024 * 1024
"""The largest report in bytes; it may contain the body that was sent in base64."""
_URL = re.compile(r"(?:[\w.-]+|\[[\da-f:]+\])(?::\d+(?:/|$)|/)")
"""A URL without its scheme: a host, and then a port or a path."""


def fired_by_emulator(
    name: str, body: bytes | None, variant: str | None, *, save: bool
) -> tuple[dict[str, Any], bytes]:
    """Let the emulator at OKTA_CLIENT_ORGURL call its hook with this name or id.

    ``body``: the event, which is sent as it is, or None for a realistic one.
    ``variant``: the variant of a realistic event, or None for the default.
    ``save``: whether to return the body that was sent.

    Return the delivery as JSON values, and the body that was sent, which is otherwise empty. Raises
    ``HookKeyError`` or ``click.UsageError``.
    """
    if is_token(name):
        raise click.UsageError("this is a token; --token takes the file that contains it")
    if _URL.match(name):
        local = name.startswith(("localhost", "127.", "[::1]"))
        raise click.UsageError(f"did you mean {'http' if local else 'https'}://{name}?")
    settings = Settings()
    org_url = settings.need("org_url")
    transport = OktaTransport(org_url, credentials(settings), **connection(settings))
    foreign = ConfigurationError(
        f"OKTA_CLIENT_ORGURL, {transport.org_url}, is not an emulator (hookkey emulate); any "
        "handler can be called by its URL"
    )
    try:
        answer = transport.exchange(
            "POST",
            "/emulator/fire",
            json=_order(name, body, variant, save=save),
            deadline=monotonic_clock() + FIRE_TIMEOUT,
            max_body=MAX_DELIVERY,
        )
        return _delivery(answer.body)
    except ValueError:
        problem: HookKeyError = foreign
    except NotFoundError as error:
        problem = NotFoundError(f"there is no inline hook {name!r}; {' '.join(error.causes)}")
    except HookKeyApiError as error:
        if error.status in (404, 405):
            raise foreign from None
        if error.status == 400 and error.causes:
            raise ConfigurationError(" ".join(error.causes)) from None
        if not isinstance(error, TransportError) or error.status is not None:
            raise
        problem = TransportError(f"{error.detail}; is hookkey emulate running there?")
    finally:
        transport.close()
    raise problem


def _order(name: str, body: bytes | None, variant: str | None, *, save: bool) -> dict[str, Any]:
    order: dict[str, Any] = {"hook": name}
    if body is not None:
        order["payload"] = b64encode(body).decode()
    if variant is not None:
        order["variant"] = variant
    return order | ({"save": True} if save else {})


def _delivery(answer: bytes) -> tuple[dict[str, Any], bytes]:
    """Read and check the delivery that an emulator reports. Raises ``ValueError``."""
    try:
        report = json.loads(answer)
        sent = b64decode(report.pop("payload", ""), validate=True)
        for step in report["steps"]:
            texts = (step["name"], step["request"], step["problem"])
            if not all(isinstance(each, str) for each in texts):
                raise ValueError
            if type(step["status"]) not in (int, NoneType):
                raise ValueError
            float(step["milliseconds"])
        for each in report["problems"]:
            if not all(isinstance(each[name], str) for name in ("path", "severity", "message")):
                raise ValueError
        known = isinstance(report["outcome"], str) and isinstance(report["verdict"], str)
        if not known or type(report["ok"]) is not bool or not report["steps"]:
            raise ValueError
    except (AttributeError, KeyError, TypeError, RecursionError):
        raise ValueError from None
    return dict(report), sent
