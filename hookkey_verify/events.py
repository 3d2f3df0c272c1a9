"""Events: what verifiers, endpoints, key sources, replay stores and clients report. Pure.

Everything that takes ``on_event`` passes it an ``Event`` for each event below. One function
may serve them all, such as ``hookkey_verify.prometheus.Metrics`` or
``hookkey_verify.otel.Telemetry``. It is called in the thread and context that caused the event,
which may be the thread of an event loop, and no lock is held. It should count and return, and must
not look up keys. Exceptions that it raises are logged and otherwise ignored.

An event contains no token, no claim and no credentials.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from enum import StrEnum
from time import monotonic
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ._runtime.clock import Clock
from .errors import ConfigurationError, HookKeyError, Reason

if TYPE_CHECKING:
    from ._runtime.log import RareLog

__all__ = [
    "ERROR",
    "Attempts",
    "Event",
    "EventName",
    "KeyOrigin",
    "OnEvent",
    "Reporter",
    "Verification",
    "named",
    "note_fetch",
    "reason_of",
    "shortened",
    "shown",
]


class EventName(StrEnum):
    """What happened. Members are added in minor releases and never renamed.

    Verifiers and endpoints:

    ``verify``: A request or token was verified. Outcome: accepted or refused. Key: where the key
        came from. Seconds: the duration.
    ``token``: A ``TokenEndpoint`` answered. Outcome: issued, or the error code of RFC 6749 section
        5.2. Reason: why the client assertion was refused. Seconds: the duration.
    ``jwks``: A ``JwksBridge`` fetched the org's keys. Outcome: ok or failed. Seconds: the duration.
    ``jwks_served``: A ``JwksBridge`` answered. Outcome: fresh, stale or unavailable.
    ``handle``: ``Hooks`` answered a verified request. Source: its event type, or "unknown" for a
        type that Okta does not document. Outcome: answered, no_change (the handler returned None),
        failed (it raised an exception), late (it exceeded the deadline), missing (there is none),
        invalid_reply or invalid_payload. Seconds: the duration of the handler, if it was called.

    Clients:

    ``api``: A call of the management API ended. Outcome: ok or failed. Seconds: the duration,
        with retries.

    Replay stores:

    ``claim``: A replay store was asked about a token. Outcome: claimed, replayed, unchecked
        (accepted without an answer), unreachable, unavailable or misconfigured (the last three were
        refused). Seconds: the duration.
    ``replay_unchecked``: The replay store was unreachable and ``when_unreachable="accept"``, so the
        token was accepted unchecked. Outcome: the problem. Alert on it.

    Key sources:

    ``hit``: A look-up was answered from memory. Outcome: fresh, stale or negative.
    ``miss``: A look-up started a fetch and waits for it.
    ``coalesced``: A look-up waits for a fetch that another look-up started.
    ``fetch``: A fetch ended. Outcome: ok, shared (a value that another worker fetched), discarded
        (the process was frozen, so the failure does not count) or the error's reason. Seconds: its
        duration. Here and in the events above, no kid means that the look-up or fetch concerns the
        directory or the key set.
    ``refresh_ahead``: A background refresh of a fresh key started.
    ``stale_served``: A key older than ``fresh_for`` was served. Outcome: why it could not be
        refreshed. Seconds: its age.
    ``limited``: No fetch was started. Outcome: first_seen (the budget for unknown kids is spent),
        refresh (the next attempt for a known key is not due) or breaker. Seconds: until the next
        attempt is possible.
    ``breaker``: Outcome: open (no fetches for unknown kids, or no claims, for that many seconds) or
        closed.
    ``key_revoked``: The source no longer has a key that it had before.
    ``key_changed``: A known kid has different key material. Outcome: refused or accepted. Alert on
        it.
    ``config_error``: The source rejects our credentials or is the wrong kind of server. Outcome:
        the reason. Alert on it.
    ``evicted``: A key was dropped because the cache held more than ``max_keys``.
    ``shared``: The shared key store was used. Outcome: hit (a record was used), miss (this worker
        asks the source), stored, waited (for the lease holder), failed (another worker's failure
        was used), unavailable (the store is bypassed for a while) or garbage (a record is not
        valid).

    For example:

    >>> from hookkey_verify.events import EventName
    >>> EventName("verify") is EventName.VERIFY
    True
    """

    VERIFY = "verify"
    TOKEN = "token"  # noqa: S105 - an event, not a password
    JWKS = "jwks"
    JWKS_SERVED = "jwks_served"
    HANDLE = "handle"
    API = "api"
    CLAIM = "claim"
    REPLAY_UNCHECKED = "replay_unchecked"
    HIT = "hit"
    MISS = "miss"
    COALESCED = "coalesced"
    FETCH = "fetch"
    REFRESH_AHEAD = "refresh_ahead"
    STALE_SERVED = "stale_served"
    LIMITED = "limited"
    BREAKER = "breaker"
    KEY_REVOKED = "key_revoked"
    KEY_CHANGED = "key_changed"
    CONFIG_ERROR = "config_error"
    EVICTED = "evicted"
    SHARED = "shared"


KeyOrigin = Literal["", "cached", "fetched"]
"""Where a key came from: memory, or a fetch that the verification waited for; "" without a key."""


class Event(NamedTuple):
    """One event. Read its members by name, because later releases add some at the end.

    ``name``: what happened.
    ``source``: what reports it: the URL of a key source, of the org of a client, or of the key
        source of a verifier; the issuer of a ``TokenEndpoint``; for ``handle``, the event type of
        the hook; the class name of anything else.
    ``outcome``: as described for each ``EventName``.
    ``reason``: the ``Reason`` of a refusal or failure; "" otherwise.
    ``key``: for ``verify``, where the key came from: "cached", "fetched", or "" if there was none.
    ``kid``: the kid concerned, if any. Senders choose kids: never use them as metric labels.
    ``seconds``: as described for each ``EventName``. An event with a duration is reported when it
        ends.

    For example:

    >>> from hookkey_verify.events import Event
    >>> from hookkey_verify.shared_secret import HeaderSecret
    >>> events: list[Event] = []
    >>> verifier = HeaderSecret("a-long-secret", on_event=events.append)
    >>> _ = verifier.verify_headers({"Authorization": "a-long-secret"})
    >>> [(event.name.value, event.source, event.outcome) for event in events]
    [('verify', 'HeaderSecret', 'accepted')]
    """

    name: EventName
    source: str
    outcome: str = ""
    reason: str = ""
    key: KeyOrigin = ""
    kid: str | None = None
    seconds: float | None = None


OnEvent = Callable[[Event], object]
"""A function that takes each event. It should count and return; its result is ignored."""

_VERIFY = EventName.VERIFY
ERROR = 40
"""``logging.ERROR``; importing logging takes 4 ms."""


_current: ContextVar[Verification | Attempts | None] = ContextVar(
    "hookkey_verify_current", default=None
)
"""The innermost verification of this context that is observed, or attempts at one."""


def note_fetch() -> None:
    """Note that the current look-up waits for a fetch, for the ``verify`` event.

    Call it in ``get`` and ``aget`` of a key source of your own. Those of this package do.
    """
    verification = _current.get()
    if verification is not None:
        verification.waited = True


class Reporter:
    """Passes the events of one object to ``on_event``, and writes its log records.

    For example:

    >>> from hookkey_verify.events import EventName, Reporter
    >>> report = Reporter("my key source", lambda event: print(event.name, event.outcome))
    >>> report(EventName.FETCH, outcome="ok", seconds=0.2)
    fetch ok
    """

    __slots__ = ("_log", "_on_event", "active", "clock", "source")

    def __init__(self, source: str, on_event: OnEvent | None, clock: Clock = monotonic) -> None:
        """Create a reporter.

        ``source``: what reports, for events and logs.
        ``on_event``: a function that takes events, or None.
        ``clock``: returns monotonic seconds. Default: ``time.monotonic``.

        Raises ``ConfigurationError`` if ``on_event`` is not callable.
        """
        if on_event is not None and not callable(on_event):
            raise ConfigurationError("on_event must be a function that takes an Event, or None")
        self.source = source
        self.active = on_event is not None
        self._on_event = on_event
        self.clock = clock
        self._log: RareLog | None = None

    def __call__(
        self,
        name: EventName,
        kid: str | None = None,
        outcome: str = "",
        seconds: float | None = None,
        *,
        reason: str = "",
    ) -> None:
        """Report an event."""
        if self._on_event is not None:
            self.send(Event(name, self.source, outcome, reason, "", kid, seconds))

    def send(self, event: Event) -> None:
        """Pass an event to ``on_event``, which there must be."""
        try:
            self._on_event(event)  # type: ignore[misc]
        except Exception as error:
            self.log(ERROR, f"on_event raised {type(error).__name__}")

    def log(
        self,
        level: int,
        message: str,
        *,
        topic: str | None = None,
        reason: str = "",
        kid: str | None = None,
        seconds: float | None = None,
    ) -> None:
        """Log a message with its fields; see ``RareLog``."""
        if self._log is None:
            from ._runtime.log import RareLog  # noqa: PLC0415 - imports logging: 4 ms

            self._log = RareLog(self.clock)
        self._log(
            level,
            message,
            topic=topic,
            source=self.source,
            reason=reason,
            kid=None if kid is None else shortened(kid),
            seconds=seconds,
        )


class Verification:
    """Reports what is verified inside ``with``: accepted, or refused if an ``Exception`` is raised.

    ``kid``: the kid with which a key was looked up; None before.
    ``has_key``: whether the key source returned a key.
    ``waited``: whether the look-up waited for a fetch.

    For example:

    >>> from hookkey_verify.events import Reporter, Verification
    >>> report = Reporter("my verifier", lambda event: print(event.name, event.outcome))
    >>> with Verification(report):
    ...     pass  # verify something here
    verify accepted
    """

    __slots__ = ("_began", "_only_refusals", "_outer", "_report", "has_key", "kid", "waited")

    def __init__(self, report: Reporter, only_refusals: bool = False) -> None:
        """Report to ``report``; only a refusal if another object reports what is accepted."""
        self._report = report
        self._only_refusals = only_refusals
        self.kid: str | None = None
        self.has_key = self.waited = False

    def __enter__(self) -> Verification:
        self._outer = _current.get()  # a key source may verify tokens itself
        _current.set(self)
        self._began = self._report.clock()
        return self

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        report, seconds = self._report, self._report.clock() - self._began
        _current.set(self._outer)
        outcome, reason = "accepted", ""
        if error is not None:
            if not isinstance(error, Exception):
                return  # cancelled
            outcome, reason = "refused", reason_of(error)
        elif self._only_refusals:
            return
        key: KeyOrigin = "" if not self.has_key else "fetched" if self.waited else "cached"
        event = Event(_VERIFY, report.source, outcome, reason, key, self.kid, seconds)
        if error is not None and isinstance(self._outer, Attempts):
            self._outer.refused = report, event
        else:
            report.send(event)


class Attempts:
    """Holds back the refusals of verifiers inside ``with``, which are tried one after the other.

    A request that one verifier refuses and the next one accepts is not a refused request.

    ``refused``: the last refusal, as a reporter and its event; None if none was reported.

    For example:

    >>> from hookkey_verify.events import Attempts, Reporter, Verification
    >>> report = Reporter("my verifier", lambda event: print(event.outcome))
    >>> with Attempts() as attempts:
    ...     try:
    ...         with Verification(report):
    ...             raise ValueError
    ...     except ValueError:
    ...         pass
    >>> attempts.refused[1].outcome
    'refused'
    """

    __slots__ = ("_outer", "refused", "waited")

    def __init__(self) -> None:
        self.refused: tuple[Reporter, Event] | None = None
        self.waited = False

    def __enter__(self) -> Attempts:
        self._outer = _current.get()
        _current.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        _current.set(self._outer)

    def report(self, refused: tuple[Reporter, Event]) -> None:
        """Report a refusal after all; if these attempts are one of others, to those."""
        if isinstance(self._outer, Attempts):
            self._outer.refused = refused
        else:
            refused[0].send(refused[1])


def reason_of(error: BaseException) -> str:
    """Return the reason of an error; "unspecified" unless it is a ``Reason``."""
    try:
        reason = error.reason if isinstance(error, HookKeyError) else None
    except Exception:  # of a property of your own class
        reason = None
    return reason.value if isinstance(reason, Reason) else Reason.UNSPECIFIED.value


def named(object: Any) -> str:  # noqa: A002
    """Return the URL of a key source or client, or its class name."""
    url = getattr(object, "issuer", None) or getattr(object, "org_url", None)
    return url if isinstance(url, str) else type(object).__name__


def shortened(kid: str) -> str:
    """Return the first 40 characters of a kid, which its sender may have made longer."""
    return kid if len(kid) <= 40 else kid[:40] + "…"


def shown(kid: str) -> str:
    """Return a shortened kid for the text of a log, escaped, because senders choose it."""
    return repr(shortened(kid))
