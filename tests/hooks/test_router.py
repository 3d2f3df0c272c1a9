"""Hooks: which handler is called, what is answered, and what is logged and reported."""

from __future__ import annotations

import asyncio
import functools
import json
import logging
import threading
import time
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from typing import Any

import pytest
import trio

from hookkey_verify import ConfigurationError, HookVerifier, StaticKeys, hooks
from hookkey_verify.endpoint import Endpoint, checked
from hookkey_verify.errors import (
    HookKeyError,
    InvalidPayloadError,
    MissingTokenError,
    WrongCredentialsError,
)
from hookkey_verify.events import Event
from hookkey_verify.guard import HttpAnswer
from hookkey_verify.hooks import (
    Hook,
    Hooks,
    RegistrationHook,
    RegistrationReply,
    Reply,
    SamlHook,
    SamlReply,
    TelephonyHook,
    TelephonyReply,
    TokenHook,
    TokenReply,
    UnknownHook,
)
from hookkey_verify.hooks.answers import REPLIES
from hookkey_verify.hooks.router import MAX_BODY
from hookkey_verify.shared_secret import BasicCredentials, HeaderSecret

from ..faults import ManualClock
from .payload_examples import MINIMAL
from .router_requests import (
    BY_TYPE,
    EVENT_ID,
    PRIVATE,
    SECRET,
    SENT,
    UNKNOWN,
    Ask,
    aask,
    ask,
    hooks_of,
    seen,
)

TOKEN, REGISTRATION, TELEPHONY = (
    BY_TYPE[each] for each in (TokenHook, RegistrationHook, TelephonyHook)
)
BOTH = pytest.mark.parametrize("asked", [ask, aask])
TYPES = pytest.mark.parametrize("hook_type", [*REPLIES], ids=[each.__name__ for each in REPLIES])
NO_CHANGE = dict.fromkeys(REPLIES, 204) | {TelephonyHook: 500}
UNDECIDED = dict.fromkeys(REPLIES, 204) | {RegistrationHook: 503, TelephonyHook: 503}


def a_reply(hook_type: type[Hook]) -> Reply:
    """Return a reply that suits the example of this type."""
    if hook_type is TelephonyHook:
        return TelephonyReply().sent(provider="acme", transaction_id="t-1")
    return REPLIES[hook_type]().debug(note="seen")


def on(router: Hooks, hook_type: Any) -> Callable[[Any], Any]:
    """Return the decorator for any type, without its static type."""
    decorator: Callable[[Any], Any] = router.on(hook_type)
    return decorator


@pytest.fixture
def logged(caplog: pytest.LogCaptureFixture) -> Any:
    """All records; none contains anything of a payload."""
    caplog.set_level(logging.DEBUG, "hookkey_verify")
    yield caplog
    for record in caplog.records:
        assert not any(secret in str(vars(record)) for secret in PRIVATE)


def problem(answer: HttpAnswer) -> int:
    """Return the status of a response with a problem document that contains nothing private."""
    document = json.loads(answer.body)
    assert document["status"] == answer.status
    assert ("Content-Type", "application/problem+json") in answer.headers
    assert not any(secret in answer.body.decode() for secret in PRIVATE)
    return answer.status


# --- adding handlers


def test_a_handler_is_returned_unchanged() -> None:
    """The decorator returns the function itself, and the repr names the types of the handlers."""
    router = hooks_of()

    def handle(hook: TokenHook) -> None:
        """Change nothing."""

    assert router.on(TokenHook)(handle) is handle
    assert repr(router) == "Hooks(HeaderSecret(header='Authorization'), TokenHook)"
    assert isinstance(router, Endpoint)


def test_a_second_handler_of_a_type_is_refused() -> None:
    """Each type has one handler; types do not share it."""
    router = hooks_of()
    router.on(TokenHook)(lambda hook: None)
    router.on(SamlHook)(lambda hook: None)
    with pytest.raises(ConfigurationError, match="TokenHook already has a handler"):
        router.on(TokenHook)(lambda hook: None)


@pytest.mark.parametrize("hook_type", [Hook, object, "token", None, [], TokenReply])
def test_what_is_no_type_is_refused(hook_type: Any) -> None:
    """``on`` takes only the classes of payloads."""
    with pytest.raises(ConfigurationError, match="such as TokenHook"):
        hooks_of().on(hook_type)


@pytest.mark.parametrize(
    "handler", [None, 5, lambda: None, lambda hook, other: None, lambda *, hook: None]
)
def test_what_cannot_be_called_with_a_hook_is_refused(handler: Any) -> None:
    """A handler must take one argument."""
    with pytest.raises(ConfigurationError, match="takes one argument"):
        hooks_of().on(TokenHook)(handler)


def test_a_function_without_a_signature_is_accepted() -> None:
    """A function written in C that does not tell its parameters can be a handler."""
    router = hooks_of()
    on(router, TokenHook)({}.get)
    on(router, UnknownHook)(type)
    assert ask(router, UNKNOWN).status == 500


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"deadline": 0}, "deadline"),
        ({"deadline": 61}, "deadline"),
        ({"deadline": "2"}, "deadline"),
        ({"clock": 5}, "clock"),
        ({"on_event": 5}, "on_event"),
    ],
)
def test_wrong_arguments(options: Any, named: str) -> None:
    """A wrong argument is named."""
    with pytest.raises(ConfigurationError, match=named):
        Hooks(HeaderSecret(SECRET), **options)
    with pytest.raises(ConfigurationError, match="verifier"):
        Hooks(object())  # type: ignore[arg-type]


# --- replies


@BOTH
@TYPES
def test_a_reply_is_sent(asked: Ask, hook_type: type[Hook]) -> None:
    """The handler of the type gets the payload, and its reply is sent as JSON with status 200."""
    events: list[Event] = []
    router, got = hooks_of(events), []

    def handle(hook: Any) -> Any:
        got.append(hook)
        return a_reply(hook_type)

    on(router, hook_type)(handle)
    answer = asked(router, BY_TYPE[hook_type])
    assert (answer.status, json.loads(answer.body)) == (200, a_reply(hook_type).to_dict())
    assert dict(answer.headers) == {"Content-Type": "application/json", "Cache-Control": "no-store"}
    assert [(type(hook), hook.event_id) for hook in got] == [(hook_type, EVENT_ID)]
    assert seen(events) == [(hook_type.EVENT_TYPE, "answered")]
    assert 0 <= (events[0].seconds or 0) < 10


@BOTH
@TYPES
def test_none_means_no_change(asked: Ask, hook_type: type[Hook], logged: Any) -> None:
    """None is answered with 204, which telephony does not document: there it is an error."""
    events: list[Event] = []
    router = hooks_of(events)
    on(router, hook_type)(lambda hook: None)
    answer = asked(router, BY_TYPE[hook_type])
    assert answer.status == NO_CHANGE[hook_type]
    if hook_type is TelephonyHook:
        assert problem(answer) == 500
        assert seen(events) == [(hook_type.EVENT_TYPE, "invalid_reply")]
        assert "breaks the rule no_content" in logged.text
    else:
        assert answer.body == b""
        assert "Content-Length" not in dict(answer.sized_headers)
        assert seen(events) == [(hook_type.EVENT_TYPE, "no_change")]


@BOTH
def test_async_handlers(asked: Ask) -> None:
    """Coroutine functions, and functions that return awaitables, need ``arespond``."""

    class AsyncCall:
        async def __call__(self, hook: TokenHook) -> TokenReply:
            return TokenReply().debug(a=1)

    async def handle(hook: TokenHook) -> TokenReply:
        await asyncio.sleep(0)
        return TokenReply().debug(a=1)

    def indirectly(hook: TokenHook) -> Coroutine[Any, Any, TokenReply]:
        return handle(hook)

    nested = functools.partial(functools.partial(AsyncCall()))
    handlers: list[Any] = [handle, functools.partial(handle), AsyncCall(), nested, indirectly]
    for handler in handlers:
        router = hooks_of()
        router.on(TokenHook)(handler)
        assert router.needs_event_loop == (handler is not indirectly)
        assert asked(router, TOKEN).status == (200 if asked is aask else 500)


def test_an_awaitable_that_is_not_a_coroutine() -> None:
    """``respond`` refuses any awaitable."""

    class Later:
        def __await__(self) -> Any:
            yield

    router = hooks_of()
    router.on(TokenHook)(lambda hook: Later())
    assert ask(router, TOKEN).status == 500


def test_async_handlers_are_refused_at_mounting(logged: Any) -> None:
    """An adapter without an event loop refuses a router with an async handler.

    If the handler is added after mounting, the request is answered with 500 and the log says why.
    """
    router = hooks_of()
    assert checked(router) is router
    assert not router.needs_event_loop

    @router.on(TokenHook)
    async def handle(hook: TokenHook) -> None:
        """Change nothing."""

    assert router.needs_event_loop
    with pytest.raises(ConfigurationError, match="need an event loop: use serve of"):
        checked(router)
    assert checked(router, asynchronous=True) is router
    assert problem(ask(router, TOKEN)) == 500
    assert "handle is asynchronous, but this adapter calls it synchronously" in logged.text


def test_sync_handlers_run_in_a_thread_with_the_context() -> None:
    """``arespond`` runs a synchronous handler in another thread, with the caller's context."""
    variable: ContextVar[str] = ContextVar("variable", default="")
    router, found = hooks_of(), []

    @router.on(TokenHook)
    def handle(hook: TokenHook) -> None:
        found.append((variable.get(), threading.current_thread() is threading.main_thread()))

    async def asked() -> None:
        variable.set("of the request")
        await router.arespond("POST", SENT, TOKEN)

    asyncio.run(asked())
    assert found == [("of the request", False)]


# --- what handlers do wrong


def failing(hook: Hook) -> None:
    json.loads("mia@acme.example")  # the exception comes from another file


@BOTH
@TYPES
def test_an_exception_is_a_500(asked: Ask, hook_type: type[Hook], logged: Any) -> None:
    """The log has the type and place of an exception and the event id, the response nothing."""
    events: list[Event] = []
    router = hooks_of(events)

    def add_team(hook: Any) -> None:
        failing(hook)

    on(router, hook_type)(add_team)
    answer = asked(router, BY_TYPE[hook_type])
    assert problem(answer) == 500
    assert b"JSONDecodeError" not in answer.body
    (record,) = logged.records
    assert record.levelname == "ERROR"
    line = failing.__code__.co_firstlineno + 1
    text = f"add_team raised JSONDecodeError at test_router.py:{line} (event id '{EVENT_ID}')"
    assert record.getMessage() == text
    assert seen(events) == [(hook_type.EVENT_TYPE, "failed")]


@BOTH
@pytest.mark.parametrize("kind", [StopIteration, TimeoutError, asyncio.CancelledError])
def test_exceptions_that_event_loops_treat_specially(asked: Ask, kind: Any, logged: Any) -> None:
    """StopIteration, TimeoutError and a cancellation by the handler itself are exceptions too."""
    for is_async in (False, asked is aask):
        events: list[Event] = []
        router = hooks_of(events)

        async def ahandle(hook: TokenHook) -> None:
            raise kind

        def handle(hook: TokenHook) -> None:
            raise kind

        router.on(TokenHook)(ahandle if is_async else handle)
        assert problem(asked(router, TOKEN)) == 500
        assert [outcome for _, outcome in seen(events)] == ["failed"]


@BOTH
@pytest.mark.parametrize("returned", [{"commands": []}, SamlReply(), "text", 5, Reply])
def test_another_reply_is_a_500(asked: Ask, returned: Any, logged: Any) -> None:
    """A handler that returns anything but the reply of its type is answered with 500."""
    events: list[Event] = []
    router = hooks_of(events)
    router.on(TokenHook)(lambda hook: returned)
    assert problem(asked(router, TOKEN)) == 500
    assert seen(events) == [(TokenHook.EVENT_TYPE, "invalid_reply")]
    assert events[0].reason == "invalid_reply"
    assert "breaks the rule reply_type" in logged.text


@BOTH
def test_a_reply_that_is_invalid_for_its_request(asked: Ask, logged: Any) -> None:
    """An ID token's claim, in a reply to a request without one, is logged with rule and path."""
    events: list[Event] = []
    router = hooks_of(events)
    router.on(TokenHook)(lambda hook: TokenReply().id_claim("team", "blue"))
    assert problem(asked(router, TOKEN)) == 500
    assert seen(events) == [(TokenHook.EVENT_TYPE, "invalid_reply")]
    assert "breaks the rule no_id_token at /commands/0" in logged.text
    assert EVENT_ID in logged.text


@BOTH
def test_a_reply_that_cannot_be_built(asked: Ask, logged: Any) -> None:
    """An ``InvalidReplyError`` in the handler is logged with rule and path too."""
    events: list[Event] = []
    router = hooks_of(events)
    router.on(TokenHook)(lambda hook: TokenReply().access_lifetime(1))
    assert problem(asked(router, TOKEN)) == 500
    assert seen(events) == [(TokenHook.EVENT_TYPE, "invalid_reply")]
    assert "breaks the rule lifetime at /commands/0/value/0/value: pass a whole number" in (
        logged.text
    )


@BOTH
def test_a_reply_with_an_unwanted_effect_is_sent_and_logged(asked: Ask, logged: Any) -> None:
    """The log has each rule once a minute, and nothing of the reply's values."""
    events: list[Event] = []
    router = hooks_of(events)

    @router.on(TokenHook)
    def handle(hook: TokenHook) -> TokenReply:
        reply = TokenReply().access_claim("groups", "012345").access_claim("rsi", "012345")
        return reply.error("mia@acme.example")

    for _ in range(2):
        assert asked(router, TOKEN).status == 200
    assert seen(events) == [(TokenHook.EVENT_TYPE, "answered")] * 2
    levels = [record.levelname for record in logged.records]
    assert levels == ["WARNING", "WARNING", "DEBUG", "DEBUG"]
    assert [record.getMessage() for record in logged.records[:2]] == [
        "the reply of handle to TokenHook was sent, but see the rule possibly_reserved_claim at "
        f"'/commands/0/value/0/path': One of Okta's lists reserves this claim. (event id "
        f"'{EVENT_ID}')",
        "the reply of handle to TokenHook was sent, but see the rule error_and_commands at "
        "'/commands': Okta does not carry out the commands of a reply that has an error. "
        f"(event id '{EVENT_ID}')",
    ]


@BOTH
def test_an_empty_error_is_logged(asked: Ask, logged: Any) -> None:
    """An object that answers an unknown type is checked for the rules that all replies share."""
    router = hooks_of()
    router.on(UnknownHook)(lambda hook: {"error": {}})
    assert asked(router, UNKNOWN).body == b'{"error": {}}'
    (record,) = logged.records
    assert "empty_error at '/error': Omit error: even if it says nothing" in record.getMessage()


@BOTH
def test_what_is_returned_may_raise(asked: Ask, logged: Any) -> None:
    """An object whose attributes or class cannot be read is not a reply."""

    class Attributes:
        def __getattr__(self, name: str) -> Any:
            raise RuntimeError("mia@acme.example")

    class Class:
        @property
        def __class__(self) -> Any:
            raise RuntimeError("mia@acme.example")

        @__class__.setter
        def __class__(self, value: Any) -> None: ...

    for returned in (Attributes(), Class()):
        router = hooks_of()
        on(router, TokenHook)(lambda hook, returned=returned: returned)
        assert problem(asked(router, TOKEN)) == 500


def test_a_reply_of_an_own_class_that_raises(logged: Any) -> None:
    """An exception of a subclass of a reply is the handler's."""

    class Own(TokenReply):
        __slots__ = ()

        def checked_for(self, hook: Hook) -> Any:
            raise RuntimeError("mia@acme.example")

    router = hooks_of()
    router.on(TokenHook)(lambda hook: Own())
    assert problem(ask(router, TOKEN)) == 500
    assert "raised RuntimeError" in logged.text


# --- no handler, late handlers


@BOTH
@TYPES
def test_without_a_handler(asked: Ask, hook_type: type[Hook], logged: Any) -> None:
    """Registration and telephony are answered with 503, and the others with "no change"."""
    events: list[Event] = []
    answer = asked(hooks_of(events), BY_TYPE[hook_type])
    assert answer.status == UNDECIDED[hook_type]
    assert answer.status == 204 or problem(answer) == 503
    assert seen(events) == [(hook_type.EVENT_TYPE, "missing")]
    assert events[0].seconds is None
    (record,) = logged.records
    assert record.levelname == "ERROR"
    assert f"there is no handler for {hook_type.__name__}" in record.getMessage()


@BOTH
def test_an_unknown_type(asked: Ask) -> None:
    """A type that Okta does not document is answered with an empty reply unless it has a handler.

    Its handler returns a JSON object. Events never name it, because the sender chose the name.
    """
    events: list[Event] = []
    router = hooks_of(events)
    assert (asked(router, UNKNOWN).status, asked(router, UNKNOWN).body) == (200, b"{}")
    assert seen(events) == [("unknown", "missing")] * 2
    events.clear()
    replies: list[Any] = [{"later": 1}, None, {"x": object()}, {"x": float("nan")}, TokenReply()]
    router.on(UnknownHook)(lambda hook: replies.pop(0))
    assert json.loads(asked(router, UNKNOWN).body) == {"later": 1}
    assert asked(router, UNKNOWN).body == b"{}"
    assert [asked(router, UNKNOWN).status for _ in range(3)] == [500] * 3
    expected = ["answered", "no_change", "failed", "failed", "invalid_reply"]
    assert seen(events) == [("unknown", outcome) for outcome in expected]


@TYPES
@pytest.mark.parametrize("is_async", [True, False])
def test_a_late_handler(hook_type: type[Hook], is_async: bool, logged: Any) -> None:
    """``arespond`` answers after the deadline with what is safe for the type."""
    events: list[Event] = []
    router, release = hooks_of(events, deadline=0.1), threading.Event()
    ended: list[str] = []

    async def ahandle(hook: Any) -> Any:
        try:
            await asyncio.sleep(30)
        finally:
            ended.append("cancelled")

    def handle(hook: Any) -> Any:
        release.wait(30)

    on(router, hook_type)(ahandle if is_async else handle)

    async def asked() -> HttpAnswer:
        answer = await router.arespond("POST", SENT, BY_TYPE[hook_type])
        release.set()
        await asyncio.sleep(0)
        return answer

    began = time.monotonic()
    answer = asyncio.run(asked())
    assert time.monotonic() - began < 10
    assert answer.status == UNDECIDED[hook_type]
    assert seen(events) == [(hook_type.EVENT_TYPE, "late")]
    assert (events[0].seconds or 0) >= 0.09
    assert ended == ["cancelled"] * is_async
    (record,) = logged.records
    assert record.levelname == "WARNING"
    assert "andle was late; the request was answered with" in record.getMessage()


def test_a_late_handler_without_an_event_loop(logged: Any) -> None:
    """``respond`` sends a late reply, because Okta may still be waiting, and reports it."""
    events: list[Event] = []
    clock = ManualClock()
    router = hooks_of(events, clock=clock)

    @router.on(RegistrationHook)
    def handle(hook: RegistrationHook) -> RegistrationReply:
        clock.now += 2.75
        return RegistrationReply().allow()

    assert ask(router, REGISTRATION).status == 200
    assert seen(events) == [(RegistrationHook.EVENT_TYPE, "late")]
    assert events[0].seconds == 2.75
    assert "handle was late; its reply was sent" in logged.text


def test_a_handler_that_blocks_the_event_loop(logged: Any) -> None:
    """The reply of an asynchronous handler that blocks is sent, and reported as late."""
    events: list[Event] = []
    clock = ManualClock()
    router = hooks_of(events, clock=clock)

    @router.on(TokenHook)
    async def handle(hook: TokenHook) -> TokenReply:
        clock.now += 2.75
        return TokenReply()

    assert aask(router, TOKEN).status == 200
    assert seen(events) == [(TokenHook.EVENT_TYPE, "late")]
    assert "handle was late; its reply was sent" in logged.text


@BOTH
def test_the_verification_took_all_the_time(asked: Ask) -> None:
    """The deadline counts from the start of the request, and a handler is not called after it."""
    clock, events = ManualClock(), list[Event]()

    class Slow(HeaderSecret):
        def verify_headers(self, headers: Any) -> Any:
            clock.now += 3
            return super().verify_headers(headers)

    router = Hooks(Slow(SECRET), on_event=events.append, clock=clock)
    router.on(TelephonyHook)(lambda hook: pytest.fail("it was called"))
    assert problem(asked(router, TELEPHONY)) == 503
    assert [(each.source, each.outcome, each.seconds) for each in events] == [
        (TelephonyHook.EVENT_TYPE, "late", None)
    ]


@pytest.mark.parametrize("kind", [SystemExit, KeyboardInterrupt])
def test_what_ends_the_program_is_no_failure(kind: type[BaseException]) -> None:
    """``respond`` passes on what a handler raises to end the program."""
    router = hooks_of()

    @router.on(TokenHook)
    def handle(hook: TokenHook) -> None:
        raise kind

    with pytest.raises(kind):
        router.respond("POST", SENT, TOKEN)


def test_a_cancelled_request() -> None:
    """Cancelling ``arespond`` cancels the handler, and reports nothing."""
    events: list[Event] = []
    router, ended = hooks_of(events), []

    @router.on(TokenHook)
    async def handle(hook: TokenHook) -> None:
        try:
            await asyncio.sleep(30)
        finally:
            ended.append(1)

    async def asked() -> None:
        task = asyncio.create_task(router.arespond("POST", SENT, TOKEN))
        await asyncio.sleep(0.05)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.sleep(0.01)

    asyncio.run(asked())
    assert (ended, events) == ([1], [])


def test_another_event_loop(logged: Any) -> None:
    """Under trio, the request is answered with 500, and the log says that asyncio is needed."""
    router = hooks_of()
    router.on(TokenHook)(lambda hook: None)
    answer = trio.run(router.arespond, "POST", SENT, TOKEN)
    assert problem(answer) == 500
    assert "was not called: this needs asyncio as the event loop" in logged.text


# --- requests that are refused


@BOTH
@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "DELETE", ""])
def test_other_methods(asked: Ask, method: str) -> None:
    """Only POST is answered; the credentials of other requests are not used."""
    answer = asked(hooks_of(), b"", {}, method)
    assert problem(answer) == 405
    assert ("Allow", "POST") in answer.headers


@BOTH
def test_an_unverified_request(asked: Ask) -> None:
    """A refusal of the verifier is answered unchanged, and neither parsed nor reported."""
    events: list[Event] = []
    router = hooks_of(events)
    router.on(TokenHook)(lambda hook: pytest.fail("it was called"))
    answer = asked(router, TOKEN, {"Authorization": "another"})
    assert (answer.status, json.loads(answer.body)["reason"]) == (401, "wrong_credentials")
    assert events == []


@BOTH
@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff", b'{"a":"mia@acme.example"', b" " * (MAX_BODY + 1)]
)
def test_what_is_not_a_payload(asked: Ask, body: bytes, logged: Any) -> None:
    """A body that is not a JSON object, or too large, is answered with 400, which is final."""
    events: list[Event] = []
    answer = asked(hooks_of(events), body)
    assert problem(answer) == 400
    assert json.loads(answer.body)["reason"] == "invalid_payload"
    assert seen(events) == [("unknown", "invalid_payload")]
    assert events[0].reason == "invalid_payload"
    (record,) = logged.records
    assert record.levelname == "WARNING"


def test_the_largest_payload() -> None:
    """A body of the largest size is read."""
    body = TOKEN + b" " * (MAX_BODY - len(TOKEN))
    router = hooks_of()
    router.on(TokenHook)(lambda hook: None)
    assert (router.max_body, ask(router, body).status) == (MAX_BODY, 204)


@BOTH
@pytest.mark.parametrize(
    ("content_type", "status"),
    [
        ("application/json", 204),
        ("application/json; charset=utf-8", 204),
        ("application/vnd.acme+json", 204),
        ("text/plain", 400),
        ("text/plain; a=json", 400),
        ("multipart/form-data", 400),
        (None, 400),
    ],
)
def test_credentials_that_browsers_send(asked: Ask, content_type: str | None, status: int) -> None:
    """With Basic credentials, a body that another site's form could send is refused.

    With other verifiers, the Content-Type does not matter.
    """
    kinds = {} if content_type is None else {"Content-Type": content_type}
    basic = Hooks(BasicCredentials("okta", "pass"))
    basic.on(TokenHook)(lambda hook: None)
    assert asked(basic, TOKEN, {"Authorization": "Basic b2t0YTpwYXNz", **kinds}).status == status
    router = hooks_of()
    router.on(TokenHook)(lambda hook: None)
    assert asked(router, TOKEN, {"Authorization": SECRET, **kinds}).status == 204


@BOTH
def test_headers_that_cannot_be_read(asked: Ask) -> None:
    """If a verifier of a user accepts what is not a collection of headers, the answer is 500."""

    class Cookies(HeaderSecret):
        def verify_headers(self, headers: Any) -> Any:
            return super().verify_headers(SENT)

    verifier = Cookies(SECRET)
    verifier.sent_by_browsers = True
    assert problem(asked(Hooks(verifier), TOKEN, 5)) == 500


# --- without the router


def test_verify_and_parse() -> None:
    """A hand-written view gets the payload of a verified request, or one of our errors."""
    router = hooks_of()
    for parse in (
        router.verify_and_parse,
        lambda *given: asyncio.run(router.averify_and_parse(*given)),
    ):
        hook = parse(SENT, TOKEN)
        assert isinstance(hook, TokenHook)
        assert hook.raw == MINIMAL["token"]
        with pytest.raises(WrongCredentialsError):
            parse({}, TOKEN)
        assert parse(SENT, MINIMAL["token"]).raw == MINIMAL["token"]
        nothing: Any
        for nothing in (b"[]", "[]", None, 5):
            with pytest.raises(InvalidPayloadError):
                parse(SENT, nothing)
        with pytest.raises(InvalidPayloadError, match="longer than"):
            parse(SENT, b" " * (MAX_BODY + 1))
        with pytest.raises(HookKeyError):
            parse(5, TOKEN)  # type: ignore[arg-type]


def test_verify_and_parse_with_a_token(verifier: HookVerifier) -> None:
    """The error of the verifier itself is raised."""
    with pytest.raises(MissingTokenError):
        Hooks(verifier).verify_and_parse({}, TOKEN)


def test_health(keys: StaticKeys, verifier: HookVerifier) -> None:
    """The health of a router is that of its verifier."""
    assert Hooks(verifier).health() == verifier.health()
    assert hooks_of().health().parts == ()


# --- logs and names


def test_a_failure_is_logged_once_a_minute(logged: Any) -> None:
    """Failures that differ only in the event id count as the same record."""
    router = hooks_of()
    for number in range(3):
        body = json.dumps({**MINIMAL["token"], "eventId": f"id-{number}"}).encode()
        ask(router, body)
    levels = [record.levelname for record in logged.records]
    assert levels == ["ERROR", "DEBUG", "DEBUG"]


def test_a_long_event_id_and_none(logged: Any) -> None:
    """An event id is shortened and escaped in the log, and left out if there is none."""
    ask(hooks_of(), json.dumps({**MINIMAL["token"], "eventId": "\n" + "x" * 99}).encode())
    assert f"(event id '\\n{'x' * 39}…')" in logged.text
    logged.clear()
    ask(hooks_of(), json.dumps({**MINIMAL["token"], "eventId": None}).encode())
    assert "event id" not in logged.text


def test_names() -> None:
    """Each public name is imported on first use and listed by ``dir``."""
    for name in hooks.__all__:
        assert getattr(hooks, name).__name__ == name
        assert name in dir(hooks)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        hooks.Nothing  # type: ignore[attr-defined]  # noqa: B018
