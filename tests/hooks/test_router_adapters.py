"""``serve`` of each adapter gives the same responses with ``Hooks``, on real servers."""

from __future__ import annotations

import asyncio
import json
import threading
from contextlib import AbstractContextManager
from typing import Any

import pytest

from hookkey_verify import ConfigurationError, asgi, aws_lambda, wsgi
from hookkey_verify import django as for_django
from hookkey_verify import flask as for_flask
from hookkey_verify import starlette as for_starlette
from hookkey_verify.events import Event
from hookkey_verify.hooks import (
    RegistrationHook,
    RegistrationReply,
    SamlHook,
    TelephonyHook,
    TokenHook,
    TokenReply,
)
from hookkey_verify.hooks.router import MAX_BODY

from ..e2e.test_endpoints import (
    ADAPTERS,
    in_asgi,
    in_django_asgi,
    in_django_wsgi,
    in_fastapi,
    in_starlette,
)
from .router_requests import BY_TYPE, SENT, hooks_of

FIELDS = {name.replace("-", "_"): value for name, value in SENT.items()}
SERVED = pytest.mark.parametrize("served", ADAPTERS, ids=lambda served: served.__name__)
ASYNC = (in_asgi, in_django_asgi, in_fastapi, in_starlette)


@SERVED
def test_every_outcome(served: Any) -> None:
    """Every adapter sends replies, 204, problem documents and refusals unchanged."""
    events: list[Event] = []
    router = hooks_of(events)
    threads: set[int] = set()

    @router.on(TokenHook)
    def add_team(hook: TokenHook) -> TokenReply | None:
        threads.add(threading.get_ident())
        if hook.event_id is None:
            return None
        return TokenReply().access_claim("team", "blå/~")

    @router.on(SamlHook)
    def fail(hook: SamlHook) -> None:
        raise LookupError(str(hook.raw))

    @router.on(RegistrationHook)
    def allow(hook: RegistrationHook) -> RegistrationReply:
        return RegistrationReply().allow()

    token = json.loads(BY_TYPE[TokenHook])
    without_id = json.dumps({**token, "eventId": None, "more": "x" * 100_000}).encode()
    served_by: AbstractContextManager[Any] = served(router)
    with served_by as send:
        for chunked in (False, True):
            status, headers, body = send("POST", BY_TYPE[TokenHook], chunked=chunked, **FIELDS)
            assert (status, headers["content-type"]) == (200, "application/json")
            value = [{"op": "add", "path": "/claims/team", "value": "blå/~"}]
            assert json.loads(body)["commands"] == [
                {"type": "com.okta.access.patch", "value": value}
            ]
            assert headers["cache-control"] == "no-store"
            status, headers, body = send("POST", without_id, chunked=chunked, **FIELDS)
            assert (status, body) == (204, b"")
            assert send("POST", BY_TYPE[RegistrationHook], chunked=chunked, **FIELDS)[0] == 200
        for content, fields, expected in (
            (BY_TYPE[SamlHook], FIELDS, 500),
            (BY_TYPE[TelephonyHook], FIELDS, 503),
            (BY_TYPE[TokenHook], {}, 401),
            (b"[]", FIELDS, 400),
            (b" " * (MAX_BODY + 1), FIELDS, 400),
        ):
            status, headers, body = send("POST", content, **fields)
            assert (status, json.loads(body)["status"]) == (expected, expected)
            assert headers["content-type"] == "application/problem+json"
            assert b"mia@" not in body
        assert send("GET", b"", **FIELDS)[0] == 405
        assert send("HEAD", b"", **FIELDS)[2] == b"" or served.__name__ == "in_lambda"
        assert send("POST", BY_TYPE[TokenHook], **FIELDS)[0] == 200
    names = [(event.source, event.outcome) for event in events if event.name.value == "handle"]
    one = [(TokenHook.EVENT_TYPE, "answered"), (TokenHook.EVENT_TYPE, "no_change")]
    allowed = [(RegistrationHook.EVENT_TYPE, "answered")]
    assert names == [
        *((one + allowed) * 2),
        (SamlHook.EVENT_TYPE, "failed"),
        (TelephonyHook.EVENT_TYPE, "missing"),
        *[("unknown", "invalid_payload")] * 2,
        one[0],
    ]
    assert threads


@pytest.mark.parametrize("served", ASYNC, ids=lambda served: served.__name__)
def test_async_handlers(served: Any) -> None:
    """ASGI adapters and Django call async handlers, and answer for one that is late."""
    router = hooks_of(deadline=0.3)
    forever = threading.Event()

    @router.on(TokenHook)
    async def handle(hook: TokenHook) -> TokenReply:
        return TokenReply().access_lifetime(600)

    @router.on(RegistrationHook)
    def wait(hook: RegistrationHook) -> RegistrationReply:
        forever.wait(30)
        return RegistrationReply().allow()

    with served(router) as send:
        assert send("POST", BY_TYPE[TokenHook], **FIELDS)[0] == 200
        assert send("POST", BY_TYPE[RegistrationHook], **FIELDS)[0] == 503
        forever.set()


def test_async_handlers_in_django_under_wsgi() -> None:
    """Django runs async handlers under WSGI too, and answers for one that is late."""
    router = hooks_of(deadline=0.3)

    @router.on(TokenHook)
    async def handle(hook: TokenHook) -> TokenReply:
        return TokenReply().access_lifetime(600)

    @router.on(RegistrationHook)
    async def wait(hook: RegistrationHook) -> RegistrationReply:
        await asyncio.sleep(30)
        return RegistrationReply().allow()

    with in_django_wsgi(router) as send:
        assert send("POST", BY_TYPE[TokenHook], **FIELDS)[0] == 200
        assert send("POST", BY_TYPE[RegistrationHook], **FIELDS)[0] == 503


def test_async_handlers_without_an_event_loop() -> None:
    """The other adapters refuse a router with an async handler when it is mounted."""
    router = hooks_of()
    modules: list[Any] = [wsgi, aws_lambda, for_flask]
    asynchronous: list[Any] = [asgi, for_django, for_starlette]
    for module in (*modules, *asynchronous):
        module.serve(router)

    @router.on(TokenHook)
    async def handle(hook: TokenHook) -> None:
        """Change nothing."""

    for module in modules:
        with pytest.raises(ConfigurationError, match="need an event loop"):
            module.serve(router)
    for module in asynchronous:
        module.serve(router)
