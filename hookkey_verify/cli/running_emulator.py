"""Asks a running emulator to call one of its inline hooks."""

from __future__ import annotations

import json
import re
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
MAX_DELIVERY = 1024 * 1024
_URL = re.compile(r"(?:[\w.-]+|\[[\da-f:]+\])(?::\d+(?:/|$)|/)")
"""A URL without its scheme: a host, and then a port or a path."""


def fired_by_emulator(name: str) -> dict[str, Any]:
    """Let the emulator at OKTA_CLIENT_ORGURL call its hook with this name or id.

    Return the delivery as JSON values. Raises ``HookKeyError`` or ``click.UsageError``.
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
            json={"hook": name},
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
        if not isinstance(error, TransportError) or error.status is not None:
            raise
        problem = TransportError(f"{error.detail}; is hookkey emulate running there?")
    finally:
        transport.close()
    raise problem


def _delivery(answer: bytes) -> dict[str, Any]:
    """Read and check the delivery that an emulator reports. Raises ``ValueError``."""
    try:
        report = json.loads(answer)
        for step in report["steps"]:
            texts = (step["name"], step["request"], step["problem"])
            if not all(isinstance(each, str) for each in texts):
                raise ValueError
            if type(step["status"]) not in (int, NoneType):
                raise ValueError
            float(step["milliseconds"])
        known = isinstance(report["outcome"], str) and isinstance(report["verdict"], str)
        if not known or type(report["ok"]) is not bool or not report["steps"]:
            raise ValueError
    except (KeyError, TypeError, RecursionError):
        raise ValueError from None
    return dict(report)
