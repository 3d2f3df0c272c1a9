"""Hooks verifies the requests of Okta's inline hooks and calls a handler for each type.

Okta waits 3 seconds for a response and acts without one
(https://developer.okta.com/docs/concepts/inline-hooks/). What it does then differs by type, so this
module answers what is safe for the type if there is no handler or the handler is late.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, NamedTuple, TypeVar, cast, overload

from .._arguments import function, seconds
from .._runtime.clock import Clock, monotonic_clock
from .._wire.bearer import Headers, header_values
from ..errors import (
    ConfigurationError,
    HookKeyError,
    InvalidPayloadError,
    InvalidReplyError,
    Reason,
)
from ..events import Event, EventName, OnEvent, Reporter, shown
from ..guard import Guard, HttpAnswer, HttpRefusal, RequestVerifier
from ..verifier import VerifiedHook
from .answers import FAILED, INVALID, NOT_POST, REPLIES, answer, undecided
from .check import ReplyProblem, check_reply
from .handler import Failure, Handler
from .payloads import (
    TEXTS,
    Hook,
    ImportHook,
    PasswordImportHook,
    RegistrationHook,
    SamlHook,
    TelephonyHook,
    TokenHook,
    UnknownHook,
    parse_hook,
)
from .replies import (
    ImportReply,
    PasswordImportReply,
    RegistrationReply,
    SamlReply,
    TelephonyReply,
    TokenReply,
)

if TYPE_CHECKING:
    from ..health import CombinedHealth

__all__ = ["MAX_BODY", "Hooks"]

MAX_BODY: Final = 512 * 1024
"""The largest request in bytes. Okta limits replies to 256 KB and documents no limit for requests.
"""

Body = bytes | bytearray | str | Mapping[str, Any]

H = TypeVar("H")
R = TypeVar("R")
_Handles = Callable[[H], R | Awaitable[R | None] | None]
"""What handles a hook of type H: a function, or a coroutine function."""

_Token = TypeVar("_Token", bound=_Handles[TokenHook, TokenReply])
_Saml = TypeVar("_Saml", bound=_Handles[SamlHook, SamlReply])
_Registration = TypeVar("_Registration", bound=_Handles[RegistrationHook, RegistrationReply])
_Import = TypeVar("_Import", bound=_Handles[ImportHook, ImportReply])
_Password = TypeVar("_Password", bound=_Handles[PasswordImportHook, PasswordImportReply])
_Telephony = TypeVar(
    "_Telephony", bound=Callable[[TelephonyHook], TelephonyReply | Awaitable[TelephonyReply]]
)
_Unknown = TypeVar("_Unknown", bound=_Handles[UnknownHook, Mapping[str, Any]])


class Hooks:
    """Answers the requests of inline hooks. Thread-safe once all handlers are added.

    It is an ``Endpoint``: mount it with ``serve`` of an adapter. Several types may share one URL.

    For example:

    >>> from hookkey_verify.hooks import Hooks, TokenHook, TokenReply
    >>> from hookkey_verify.shared_secret import HeaderSecret
    >>> hooks = Hooks(HeaderSecret("a-long-secret"))
    >>> @hooks.on(TokenHook)
    ... def add_team(hook: TokenHook) -> TokenReply:
    ...     return TokenReply().access_claim("team", "blue")
    >>> body = b'{"eventType": "com.okta.oauth2.tokens.transform", "data": {"access": {}}}'
    >>> hooks.respond("POST", {"Authorization": "a-long-secret"}, body).status
    200
    """

    max_body = MAX_BODY

    def __init__(
        self,
        verifier: RequestVerifier,
        *,
        deadline: float = 2.5,
        on_event: OnEvent | None = None,
        clock: Clock = monotonic_clock,
    ) -> None:
        """Create a router without handlers.

        ``verifier``: verifies the request headers: ``HookVerifier``, ``HeaderSecret``, ``AnyOf`` …
        ``deadline``: the seconds from the start of a request after which a handler is late, 0.1 to
            60. Default 2.5, because Okta waits 3 seconds.
        ``on_event``: a function that takes an ``Event`` for each verified request. Default None.
        ``clock``: a function that returns monotonic seconds. Default: ``time.monotonic``.

        Raises ``ConfigurationError`` naming the argument.
        """
        self._guard = Guard(verifier)
        self._verifier = verifier
        self._deadline = seconds("deadline", deadline, 0.1, 60)
        self._clock = function("clock", clock, "that returns monotonic seconds")
        self._report = Reporter(type(self).__name__, on_event, self._clock)
        self._handlers: dict[type[Hook], Handler] = {}

    def __repr__(self) -> str:
        types = (f", {each.__name__}" for each in self._handlers)
        return f"Hooks({self._verifier!r}{''.join(types)})"

    @property
    def needs_event_loop(self) -> bool:
        """Whether a handler is asynchronous, so that only ASGI adapters can serve this object."""
        return any(each.is_async for each in self._handlers.values())

    @overload
    def on(self, hook_type: type[TokenHook]) -> Callable[[_Token], _Token]: ...
    @overload
    def on(self, hook_type: type[SamlHook]) -> Callable[[_Saml], _Saml]: ...
    @overload
    def on(self, hook_type: type[RegistrationHook]) -> Callable[[_Registration], _Registration]: ...
    @overload
    def on(self, hook_type: type[ImportHook]) -> Callable[[_Import], _Import]: ...
    @overload
    def on(self, hook_type: type[PasswordImportHook]) -> Callable[[_Password], _Password]: ...
    @overload
    def on(self, hook_type: type[TelephonyHook]) -> Callable[[_Telephony], _Telephony]: ...
    @overload
    def on(self, hook_type: type[UnknownHook]) -> Callable[[_Unknown], _Unknown]: ...

    def on(self, hook_type: type[Hook]) -> Callable[[Any], Any]:
        """Return a decorator that adds the handler of a type; it leaves the function unchanged.

        ``hook_type``: a payload class, such as ``TokenHook``. The handler of ``UnknownHook`` gets
            all requests whose event type has no class; it returns a JSON object or None.

        A handler takes the hook. It returns the reply of its type, or None for "no change". The
        handler of ``TelephonyHook`` must return a reply, because Okta would send a second message.
        Asynchronous handlers need an ASGI adapter; synchronous ones run in threads there.

        Raises ``ConfigurationError`` for other types, for a second handler of a type, and for a
        handler that cannot be called with one argument.
        """
        if not isinstance(hook_type, type) or hook_type not in (*REPLIES, UnknownHook):
            raise ConfigurationError(
                "on takes a payload class of hookkey_verify.hooks, such as TokenHook"
            )

        def add(handler: Any) -> Any:
            if hook_type in self._handlers:
                raise ConfigurationError(f"{hook_type.__name__} already has a handler")
            self._handlers[hook_type] = Handler(handler)
            return handler

        return add

    def respond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:
        """Answer a request. A handler that is late is not interrupted.

        Raises nothing, except what ends the program, such as ``SystemExit``, in a handler.
        """
        began = self._clock()
        if method != "POST":
            return NOT_POST
        verified = self._guard.check(headers)
        if not isinstance(verified, VerifiedHook):
            return verified
        call = self._prepared(headers, body, began)
        if isinstance(call, HttpAnswer):
            return call
        reply = call.handler.call(call.hook)
        return self._answered(call, reply)

    async def arespond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:
        """Do the same as ``respond`` without blocking the event loop.

        A handler that is late is cancelled or, in a thread, abandoned, unless it blocks the event
        loop.
        """
        began = self._clock()
        if method != "POST":
            return NOT_POST
        verified = await self._guard.acheck(headers)
        if not isinstance(verified, VerifiedHook):
            return verified
        call = self._prepared(headers, body, began)
        if isinstance(call, HttpAnswer):
            return call
        try:
            reply = await call.handler.acall(call.hook, call.until - call.started)
        except TimeoutError:
            return self._undecided(call.hook, "late", call.handler.name, call.started)
        return self._answered(call, reply)

    def verify_and_parse(self, headers: Headers, body: Body) -> Hook:
        """Return the payload of a request, for views that you write yourself.

        ``headers``: the request headers, as for ``Guard.check``.
        ``body``: the request body, or the JSON object that it contains.

        Raises the ``HookVerificationError`` of the verifier, ``InvalidPayloadError`` or
        ``ConfigurationError``. ``HttpRefusal.of(error)`` is the response to it.
        """
        verified = self._guard.check(headers)
        if isinstance(verified, VerifiedHook):
            return self._read(headers, body)
        raise cast(HttpRefusal, verified).error from None

    async def averify_and_parse(self, headers: Headers, body: Body) -> Hook:
        """Do the same as ``verify_and_parse`` without blocking the event loop."""
        verified = await self._guard.acheck(headers)
        if isinstance(verified, VerifiedHook):
            return self._read(headers, body)
        raise cast(HttpRefusal, verified).error from None

    def health(self) -> CombinedHealth:
        """Return the condition of the verifier's key source and replay store."""
        from ..health import CombinedHealth  # noqa: PLC0415 - not needed to respond

        return CombinedHealth.of([self._verifier])

    def _read(self, headers: Headers, body: Body) -> Hook:
        if isinstance(body, TEXTS) and len(body) > MAX_BODY:
            raise InvalidPayloadError(f"it is longer than {MAX_BODY} bytes")
        if self._guard.sent_by_browsers:
            # Another site could make a browser send a form, but not JSON without asking first:
            # https://fetch.spec.whatwg.org/#cors-safelisted-request-header
            kinds = header_values(headers, "content-type")
            if len(kinds) != 1 or "json" not in kinds[0].partition(";")[0].lower():
                raise InvalidPayloadError("its Content-Type must be application/json")
        return parse_hook(body)

    def _prepared(self, headers: Headers, body: bytes, began: float) -> _Call | HttpAnswer:
        """Return what to call, or the response if no handler can be called."""
        try:
            hook = self._read(headers, body)
        except HookKeyError as error:
            self._log(logging.WARNING, f"a verified request was refused: {error}", error.reason)
            self._handled("unknown", "invalid_payload", error.reason)
            return HttpRefusal.of(error)
        handler, now = self._handlers.get(type(hook)), self._clock()
        if handler is None:
            return self._undecided(hook, "missing")
        until = began + self._deadline
        if now >= until:  # the verification took all the time
            return self._undecided(hook, "late", handler.name)
        return _Call(hook, handler, now, until)

    def _answered(self, call: _Call, reply: object) -> HttpAnswer:
        """Return the response for what a handler returned, late or not."""
        hook, name, late = call.hook, call.handler.name, self._clock() > call.until
        try:
            answered = answer(hook, reply)
        except InvalidReplyError as error:
            where = f" at {error.path}" if error.path else ""
            text = f"{_reply_of(call)} breaks the rule {error.rule}{where}: {error.fix}"
            return self._failed(hook, call, text, Reason.INVALID_REPLY)
        except Exception as error:  # of a reply of the user's own class
            answered = Failure.of(error)
        if isinstance(answered, Failure):
            return self._failed(hook, call, f"{name} {answered.text}", None)
        outcome = "no_change" if reply is None else "answered"
        if late:
            outcome = "late"
            self._log(logging.WARNING, f"{name} was late; its reply was sent", hook=hook)
        self._handled(_source(hook), outcome, started=call.started)
        if answered.status == 200:
            self._warn(call, answered.body)
        return answered

    def _warn(self, call: _Call, reply: bytes) -> None:
        """Log what is allowed in a reply, but has an effect that few want."""
        first: dict[str, ReplyProblem] = {}
        for each in check_reply(type(call.hook), reply, call.hook):
            first.setdefault(each.rule, each)
        for problem in first.values():
            where = f" at {shown(problem.path)}" if problem.path else ""
            text = f"{_reply_of(call)} was sent, but see the rule {problem.rule}"
            self._log(logging.WARNING, text, hook=call.hook, more=f"{where}: {problem.message}")

    def _failed(self, hook: Hook, call: _Call, text: str, reason: Reason | None) -> HttpAnswer:
        self._log(logging.ERROR, text, reason or Reason.UNSPECIFIED, hook)
        outcome = "failed" if reason is None else reason.value
        self._handled(_source(hook), outcome, reason or Reason.UNSPECIFIED, call.started)
        return FAILED if reason is None else INVALID

    def _undecided(
        self, hook: Hook, outcome: str, name: str = "", started: float | None = None
    ) -> HttpAnswer:
        """Return what is safe if no handler decided."""
        safe = undecided(hook)
        what = f"{name} was late" if name else f"there is no handler for {_title(hook)}"
        level = logging.WARNING if name else logging.ERROR
        self._log(level, f"{what}; the request was answered with {safe.status}", hook=hook)
        self._handled(_source(hook), outcome, started=started)
        return safe

    def _handled(
        self, source: str, outcome: str, reason: Reason | None = None, started: float | None = None
    ) -> None:
        if self._report.active:
            duration = None if started is None else self._clock() - started
            text = "" if reason is None else reason.value
            event = Event(EventName.HANDLE, source, outcome, text, "", None, duration)
            self._report.send(event)

    def _log(
        self,
        level: int,
        text: str,
        reason: Reason | None = None,
        hook: Hook | None = None,
        more: str = "",
    ) -> None:
        """Log a text, more text and the event id; the same text counts as the same record."""
        event_id = None if hook is None else hook.event_id
        message = text + more + ("" if event_id is None else f" (event id {shown(event_id)})")
        self._report.log(level, message, topic=text, reason="" if reason is None else reason.value)


class _Call(NamedTuple):
    """A handler to call, when it was called, and until when it may take."""

    hook: Hook
    handler: Handler
    started: float
    until: float


def _reply_of(call: _Call) -> str:
    return f"the reply of {call.handler.name} to {_title(call.hook)}"


def _source(hook: Hook) -> str:
    return "unknown" if type(hook) not in REPLIES else type(hook).EVENT_TYPE


def _title(hook: Hook) -> str:
    return type(hook).__name__
