"""Creates Okta's requests to each type of inline hook, with data of an invented user.

For the schemas see https://developer.okta.com/docs/references/api/webhooks. Types of members differ
between Okta's own examples, so handlers must not check them strictly.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, Final

from ..errors import ConfigurationError
from .payload_data import EVENTS

__all__ = ["VARIANTS", "payload"]

VARIANTS: Final[Mapping[str, tuple[str, ...]]] = {kind: tuple(EVENTS[kind]) for kind in EVENTS}
"""The names of the variants of each type of hook; the first one is the default."""

OTP_LIFETIME: Final = 300
"""Seconds after which a one-time code expires. GUESS: not documented."""


def payload(kind: str, *, hook_id: str, now: float, variant: str | None = None) -> dict[str, Any]:
    """Return the body of a request to an inline hook.

    ``kind``: the type of the hook, such as "com.okta.oauth2.tokens.transform".
    ``hook_id``: the id of the hook, which is part of the source of some types.
    ``now``: the time of the event in epoch seconds.
    ``variant``: one of ``VARIANTS[kind]``. Default None: the first one.

    Raises ``ConfigurationError`` for an unknown type or variant; it lists the known ones.
    """
    if not isinstance(kind, str) or kind not in VARIANTS:
        raise ConfigurationError(
            f"there is no inline hook of the type {kind!r}; the types are {', '.join(VARIANTS)}"
        )
    names = VARIANTS[kind]
    if variant is not None and variant not in names:
        raise ConfigurationError(f"variant must be one of {', '.join(names)} for the type {kind}")
    members = deepcopy(EVENTS[kind][variant or names[0]])
    document = {
        "eventId": secrets.token_urlsafe(16),
        "eventTime": _time(now),
        "eventType": kind,
        "eventTypeVersion": "1.0",
        "cloudEventVersion": "0.1",
        "contentType": "application/json",
        **members,
        "source": members["source"].replace("{hook}", hook_id),
    }
    if "messageProfile" in document["data"]:
        document["data"]["messageProfile"]["otpExpires"] = _time(now + OTP_LIFETIME)
    return document


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
