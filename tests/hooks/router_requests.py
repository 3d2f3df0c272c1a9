"""Helpers that send hook requests to ``Hooks``, synchronously and asynchronously."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from hookkey_verify.events import Event
from hookkey_verify.guard import HttpAnswer
from hookkey_verify.hooks import Hook, Hooks
from hookkey_verify.hooks.answers import REPLIES
from hookkey_verify.shared_secret import HeaderSecret

from .payload_examples import MINIMAL

SECRET = "s3cret-of-the-hook"
SENT = {"Authorization": SECRET, "Content-Type": "application/json"}
PRIVATE = ("mia@acme.example", "invented-1", "012345", "+15555550100", SECRET)
"""What is in the examples and must never be in a log, an event or an error."""
BY_TYPE: dict[type[Hook], bytes] = {
    hook_type: json.dumps(
        next(each for each in MINIMAL.values() if each["eventType"] == hook_type.EVENT_TYPE)
    ).encode()
    for hook_type in REPLIES
}
EVENT_ID = "Zk3rQ0vWTtq1n5cXbYd8Lw"
UNKNOWN = json.dumps({"eventType": "com.acme.later", "eventId": EVENT_ID, "data": {}}).encode()

Ask = Callable[..., HttpAnswer]


def hooks_of(events: list[Event] | None = None, **options: Any) -> Hooks:
    on_event = None if events is None else events.append
    return Hooks(HeaderSecret(SECRET), on_event=on_event, **options)


def ask(hooks: Hooks, body: bytes, headers: Any = SENT, method: str = "POST") -> HttpAnswer:
    return hooks.respond(method, headers, body)


def aask(hooks: Hooks, body: bytes, headers: Any = SENT, method: str = "POST") -> HttpAnswer:
    return asyncio.run(hooks.arespond(method, headers, body))


def seen(events: list[Event]) -> list[tuple[str, str]]:
    """Return source and outcome of each event, all of which are of ``Hooks``."""
    assert {event.name.value for event in events} <= {"handle"}
    return [(event.source, event.outcome) for event in events]
