"""Events: which ones a key cache reports, with which values, and what a failing listener affects.

Other modules test the events of verifiers, endpoints, clients and replay stores.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from hookkey_verify import CachePolicy, ConfigurationError, HookSigner, PublicKey
from hookkey_verify.errors import (
    HookVerificationError,
    KeySourceConfigurationError,
    KeySourceThrottledError,
    KeyUnavailableError,
    Reason,
    UnknownKeyError,
)
from hookkey_verify.events import Event, EventName, Reporter, reason_of, shown
from hookkey_verify.keys.flight import Fetched

from .faults import ManualClock
from .keys.controlled_fetches import KeyCache

URL = "https://acme.okta.com"
FETCH_TIMEOUT = 20
POLICY = CachePolicy(
    fresh_for=100,
    refresh_ahead=0.2,
    first_seen_burst=3,
    max_keys=2,
    fetch_timeout=FETCH_TIMEOUT,
)
HIT, FETCH, MISS = EventName.HIT, EventName.FETCH, EventName.MISS


class Scene:
    """A cache over a scripted key source, with its clock and the events that it reports."""

    def __init__(self, jwk: dict[str, str], other_jwk: dict[str, str]) -> None:
        self._jwk = jwk
        self._other_jwk = other_jwk
        self.error: HookVerificationError | None = None
        self.clock = ManualClock()
        self.events: list[Event] = []
        self._changed = threading.Condition()
        self._joiners = 0
        self.listener: Callable[[Event], object] = id
        self.cache = self.make()

    def make(self, **arguments: Any) -> KeyCache:
        self.cache = KeyCache(
            self._fetch,
            POLICY,
            source=URL,
            on_event=self._on_event,
            clock=self.clock,
            age_clock=self.clock,
            **arguments,
        )
        return self.cache

    def _on_event(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()
        self.listener(event)

    def _fetch(self, kid: str, deadline: float) -> Fetched[PublicKey]:
        self.wait_for(EventName.COALESCED, self._joiners)
        self.clock.now += 0.25
        if self.error is not None:
            raise self.error
        return Fetched(PublicKey.from_document({**self._jwk, "kid": kid}, expected_kid=kid))

    def wait_for(self, name: EventName, times: int) -> None:
        with self._changed:
            seen = self.named
            assert self._changed.wait_for(lambda: len(seen(name)) >= times, FETCH_TIMEOUT)

    def wait_for_all(self) -> None:
        """Wait until every fetch thread has ended; each reports its events last."""
        deadline = time.monotonic() + FETCH_TIMEOUT
        for thread in threading.enumerate():
            if thread.name == "hookkey-fetch":
                thread.join(deadline - time.monotonic())

    def named(self, name: EventName) -> list[Event]:
        return [event for event in self.events if event.name is name]

    def get(self, *kids: str) -> None:
        for kid in kids:
            try:
                self.cache.get(kid)
            except HookVerificationError as error:
                assert self.error is None or type(error) is type(self.error)

    def change_the_material(self) -> None:
        self._jwk = self._other_jwk

    def get_twice_at_once(self, kid: str) -> None:
        async def both() -> None:
            await asyncio.gather(self.cache.aget(kid), self.cache.aget(kid))

        self._joiners = 1
        asyncio.run(both())


@pytest.fixture
def scene(signer: HookSigner, stranger: HookSigner) -> Scene:
    return Scene(signer.public_jwk(), stranger.public_jwk())


def _a_fresh_key(scene: Scene) -> None:
    scene.get("a", "a")


def _a_late_key(scene: Scene) -> None:
    scene.get("a")
    scene.clock.now += 95
    scene.get("a")
    scene.wait_for(FETCH, 2)


def _two_at_once(scene: Scene) -> None:
    scene.get_twice_at_once("a")


def _an_unknown_kid(scene: Scene) -> None:
    scene.error = UnknownKeyError("not here")
    scene.get("a", "a")


def _an_outage(scene: Scene) -> None:
    scene.get("a")
    scene.clock.now += 100
    scene.error = KeyUnavailableError("broken")
    scene.get("a")
    scene.get("a")


def _made_up_kids(scene: Scene) -> None:
    scene.error = UnknownKeyError("not here")
    scene.get("x", "y", "z")
    scene.error = None
    scene.get("a")


def _expected_to_wait(scene: Scene) -> None:
    scene.error = KeySourceThrottledError("busy", retry_after=37, whole_source=True)
    scene.get("a")
    scene.error = KeyUnavailableError("busy")
    with pytest.raises(KeySourceThrottledError):
        scene.cache.get("b")
    scene.error = None
    scene.clock.now += 38
    scene.get("a")


def _refused(scene: Scene) -> None:
    scene.error = KeySourceConfigurationError("the token is wrong", whole_source=True)
    scene.get("a")


def _a_deleted_key(scene: Scene) -> None:
    scene.get("a")
    scene.clock.now += 100
    scene.error = UnknownKeyError("not here")
    scene.get("a")


def _a_changed_key(scene: Scene) -> None:
    scene.get("a")
    scene.clock.now += 100
    scene.change_the_material()
    with pytest.raises(HookVerificationError):
        scene.cache.get("a")


def _too_many_keys(scene: Scene) -> None:
    scene.get("a", "b", "c")


def _a_directory(scene: Scene) -> None:
    scene.make(list_kids=lambda deadline: {"a"})
    scene.get("a", "x")


Reported = tuple[EventName, str | None, str]

FETCHED: list[Reported] = [(MISS, "a", ""), (FETCH, "a", "ok")]
STALE: list[Reported] = [
    (HIT, "a", "stale"),
    (EventName.STALE_SERVED, "a", "key_unavailable"),
]
UNKNOWN = [(name, kid, why) for kid in "xyz" for name, why in ((MISS, ""), (FETCH, "unknown_key"))]

SCENES: list[tuple[Callable[[Scene], None], list[Reported]]] = [
    (_a_fresh_key, [*FETCHED, (HIT, "a", "fresh")]),
    (
        _a_late_key,
        [*FETCHED, (HIT, "a", "fresh"), (EventName.REFRESH_AHEAD, "a", ""), (FETCH, "a", "ok")],
    ),
    (_two_at_once, [*FETCHED, (EventName.COALESCED, "a", "")]),
    (_an_unknown_kid, [(MISS, "a", ""), (FETCH, "a", "unknown_key"), (HIT, "a", "negative")]),
    (
        _an_outage,
        [
            *FETCHED,
            (MISS, "a", ""),
            (FETCH, "a", "key_unavailable"),
            *STALE,
            (EventName.LIMITED, "a", "refresh"),
            *STALE,
        ],
    ),
    (_made_up_kids, [*UNKNOWN, (EventName.LIMITED, "a", "first_seen")]),
    (
        _expected_to_wait,
        [
            (MISS, "a", ""),
            (FETCH, "a", "key_source_throttled"),
            (EventName.BREAKER, None, "open"),
            (EventName.LIMITED, "b", "breaker"),
            *FETCHED,
            (EventName.BREAKER, None, "closed"),
        ],
    ),
    (
        _refused,
        [
            (MISS, "a", ""),
            (FETCH, "a", "key_source_misconfigured"),
            (EventName.CONFIG_ERROR, None, "key_source_misconfigured"),
            (EventName.BREAKER, None, "open"),
        ],
    ),
    (
        _a_deleted_key,
        [
            *FETCHED,
            (MISS, "a", ""),
            (FETCH, "a", "unknown_key"),
            (EventName.KEY_REVOKED, "a", ""),
        ],
    ),
    (
        _a_changed_key,
        [
            *FETCHED,
            (MISS, "a", ""),
            (FETCH, "a", "key_changed"),
            (EventName.KEY_CHANGED, "a", "refused"),
        ],
    ),
    (
        _too_many_keys,
        [
            *[(name, kid, why) for kid in "abc" for name, why in ((MISS, ""), (FETCH, "ok"))],
            (EventName.EVICTED, "a", ""),
        ],
    ),
    (
        _a_directory,
        [(MISS, None, ""), (FETCH, None, "ok"), *FETCHED, (HIT, "x", "negative")],
    ),
]


@pytest.mark.parametrize(
    ("play", "expected"), SCENES, ids=lambda each: getattr(each, "__name__", "")
)
def test_reported_events(
    scene: Scene, play: Callable[[Scene], None], expected: list[Reported]
) -> None:
    """Each scene reports its events, each as often as it occurs, and all of them name the source.

    Order holds per thread only: the end of a fetch may be reported after the key is used.
    """
    play(scene)
    scene.wait_for_all()
    assert sorted(map(_as_reported, scene.events)) == sorted(
        (n, k or "", why) for n, k, why in expected
    )
    assert {event.source for event in scene.events} == {URL}
    assert all(event.key == "" for event in scene.events)
    for event in scene.events:
        assert event.reason == (event.outcome if event.outcome in {*Reason} else "")


def _as_reported(event: Event) -> tuple[EventName, str, str]:
    return event.name, event.kid or "", event.outcome


OTHERS = {
    EventName.VERIFY,
    EventName.TOKEN,
    EventName.JWKS,
    EventName.JWKS_SERVED,
    EventName.HANDLE,
    EventName.API,
    EventName.CLAIM,
    EventName.REPLAY_UNCHECKED,
    EventName.SHARED,
}
"""Events that a key cache without a shared store does not report."""


def test_every_event_is_in_a_scene() -> None:
    """The scenes cover every event of a key cache without a shared store."""
    assert {name for _, expected in SCENES for name, *_ in expected} == {*EventName} - OTHERS


@pytest.mark.parametrize(
    ("play", "name", "outcome", "seconds"),
    [
        (_a_fresh_key, FETCH, "ok", [0.25]),
        (_a_fresh_key, HIT, "fresh", [None]),
        (_an_outage, EventName.STALE_SERVED, "key_unavailable", [100.5, 100.5]),
        (_expected_to_wait, EventName.BREAKER, "open", [37]),
        (_expected_to_wait, EventName.BREAKER, "closed", [None]),
        (_expected_to_wait, EventName.LIMITED, "breaker", [37]),
        (_made_up_kids, EventName.LIMITED, "first_seen", [pytest.approx(9.25)]),
    ],
)
def test_seconds(
    scene: Scene,
    play: Callable[[Scene], None],
    name: EventName,
    outcome: str,
    seconds: list[float | None],
) -> None:
    """``seconds`` is a fetch's duration, a stale key's age, or the time until the next fetch."""
    play(scene)
    scene.wait_for_all()
    assert [each.seconds for each in scene.named(name) if each.outcome == outcome] == seconds


@pytest.mark.parametrize("play", [play for play, _ in SCENES], ids=lambda play: str(play.__name__))
def test_no_lock_is_held_during_an_event(scene: Scene, play: Callable[[Scene], None]) -> None:
    """A listener may call the cache's health() and stats() at any event without deadlocking."""
    asked: list[str] = []

    def listener(event: Event) -> None:
        free = threading.Thread(target=scene.cache.health, daemon=True)
        free.start()
        free.join(5)  # fail instead of hanging
        assert not free.is_alive()
        asked.append(f"{scene.cache.health().source} {scene.cache.stats().keys}")

    scene.listener = listener
    play(scene)
    scene.wait_for_all()
    assert len(asked) == len(scene.events)


@pytest.mark.parametrize("play", [play for play, _ in SCENES], ids=lambda play: str(play.__name__))
def test_a_listener_that_raises(
    scene: Scene, play: Callable[[Scene], None], caplog: pytest.LogCaptureFixture
) -> None:
    """A listener that raises affects no look-up or fetch.

    The type of its error is logged each time: once a minute as an error, and otherwise as DEBUG.
    """
    caplog.set_level(logging.DEBUG, "hookkey_verify")

    def listener(event: Event) -> None:
        raise ZeroDivisionError(event.kid, "a secret")

    scene.listener = listener
    play(scene)
    scene.wait_for_all()
    text = "on_event raised ZeroDivisionError"
    levels = [each.levelno for each in caplog.records if each.getMessage().startswith(text)]
    assert levels.count(logging.ERROR) + levels.count(logging.DEBUG) == len(scene.events)
    assert levels[0] == logging.ERROR
    assert "a secret" not in caplog.text


def test_a_listener_that_invalidates_the_key(scene: Scene) -> None:
    """A look-up reported as a hit still returns its key, and counts as one look-up."""
    scene.get("a")
    scene.wait_for_all()
    scene.listener = lambda event: scene.cache.invalidate("a")
    scene.get("a")
    assert (scene.cache.stats().hits, scene.cache.stats().misses) == (1, 1)


class OtherError(Exception):
    """An error that is not one of the package's."""


class OddError(HookVerificationError):
    """An error of an application, whose reason is text of its own."""

    reason = "odd"  # type: ignore[assignment]


class MemberError(HookVerificationError):
    """An error of an application, whose reason equals a ``Reason`` but is not one."""

    reason = "expired"  # type: ignore[assignment]


class EmptyError(HookVerificationError):
    """An error of an application, whose reason is missing."""

    reason = None  # type: ignore[assignment]


class RaisingError(HookVerificationError):
    """An error of an application, whose reason cannot be read."""

    @property
    def reason(self) -> Reason:  # type: ignore[override]
        raise ZeroDivisionError("a secret")


class OwnError(HookVerificationError):
    """An error of an application, with a ``Reason``."""

    reason = Reason.EXPIRED


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (UnknownKeyError("not here"), "unknown_key"),
        (KeyUnavailableError("broken"), "key_unavailable"),
        (ConfigurationError("wrong"), "configuration"),
        (OwnError("late"), "expired"),
        (OddError("odd"), "unspecified"),
        (MemberError("odd"), "unspecified"),
        (EmptyError("odd"), "unspecified"),
        (RaisingError("odd"), "unspecified"),
        (OtherError("a secret"), "unspecified"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_reason_of_an_error(error: Exception, reason: str) -> None:
    """The reason in an event is that of a ``Reason``, and "unspecified" for anything else.

    It is a label of metrics, so an application cannot add values to it.
    """
    assert reason_of(error) == reason
    assert type(reason_of(error)) is str


def test_a_listener_that_raises_for_long(caplog: pytest.LogCaptureFixture) -> None:
    """The error of a listener is logged once a minute, with the number of times in between."""
    clock = ManualClock()

    def listener(event: Event) -> None:
        raise ZeroDivisionError

    reporter = Reporter(URL, listener, clock)
    for _ in range(5):
        reporter(HIT)
    clock.now += 60
    reporter(HIT)
    text = "on_event raised ZeroDivisionError"
    assert caplog.messages == [text, f"{text} (4 similar records were left out)"]


class RaisingHandler(logging.Handler):
    """A log handler of an application, which fails."""

    records = 0

    def handle(self, record: logging.LogRecord) -> bool:
        self.records += 1
        raise OSError("no space left")


def test_a_listener_and_a_log_handler_that_raise(scene: Scene) -> None:
    """If the log handler raises too, the exception of a listener still affects no look-up."""
    handler, logger = RaisingHandler(), logging.getLogger("hookkey_verify")

    def listener(event: Event) -> None:
        raise ZeroDivisionError

    scene.listener = listener
    logger.addHandler(handler)
    try:
        scene.cache.get("a")
        scene.wait_for_all()
    finally:
        logger.removeHandler(handler)
    assert handler.records >= 1
    assert [event.name for event in scene.events] == [MISS, FETCH]


@pytest.mark.parametrize("how", ["get", "aget"])
def test_the_context_of_a_fetch(scene: Scene, how: str) -> None:
    """The event of a fetch is reported in a copy of the context of the look-up that caused it."""
    request: ContextVar[str] = ContextVar("request", default="none")
    seen: dict[EventName, str] = {}
    scene.listener = lambda event: seen.setdefault(event.name, request.get())

    def look_up() -> None:
        request.set("the first request")
        if how == "get":
            scene.get("a")
        else:
            asyncio.run(scene.cache.aget("a"))

    copy_context().run(look_up)
    scene.wait_for_all()
    assert seen == {MISS: "the first request", FETCH: "the first request"}
    assert request.get() == "none"


def test_a_reporter_without_a_listener() -> None:
    """A reporter without a listener is inactive and ignores events."""
    reporter = Reporter(URL, None)
    assert not reporter.active
    reporter(HIT, "a", "fresh")


@pytest.mark.parametrize(
    "wrong", ["print", 5, [], object()], ids=lambda value: type(value).__name__
)
def test_a_listener_must_be_callable(wrong: Any) -> None:
    """An invalid listener is refused at construction, not at the first event."""
    with pytest.raises(ConfigurationError, match="on_event must be a function that takes an Event"):
        Reporter(URL, wrong)


def test_an_event_cannot_be_changed() -> None:
    """Events are immutable, because listeners may share one, and need only name and source."""
    event: Any = Event(name=HIT, source=URL)
    assert event == (HIT, URL, "", "", "", None, None)
    assert Event._fields == ("name", "source", "outcome", "reason", "key", "kid", "seconds")
    with pytest.raises(AttributeError):
        event.kid = "a"
    with pytest.raises(TypeError):
        Event(source=URL)  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("kid", "text"),
    [
        ("a", "'a'"),
        ("x" * 40, "'" + "x" * 40 + "'"),
        ("x" * 41, "'" + "x" * 40 + "…'"),
        ("a\r\nWARNING all is well", r"'a\r\nWARNING all is well'"),
        ("\x1b[31m\x00", r"'\x1b[31m\x00'"),
        ("\u202e\u2028", r"'\u202e\u2028'"),
        ("\ud800", r"'\ud800'"),
        ("it's", '"it\'s"'),
    ],
)
def test_a_kid_in_a_log_line(kid: str, text: str) -> None:
    """A kid is escaped and cut after 40 characters."""
    assert shown(kid) == text


@pytest.mark.parametrize("kid", ["\n" * 10_240, "x\r\n\x1b[2J" * 1_000], ids=["LF", "terminal"])
def test_a_failed_fetch_is_logged_in_one_short_line(
    scene: Scene, kid: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A made-up kid can neither forge a log line nor fill the disk."""
    caplog.set_level(logging.INFO)
    scene.error = UnknownKeyError("not here")
    scene.get(kid)
    scene.wait_for_all()
    (line,) = (record.getMessage() for record in caplog.records)
    assert line.isprintable()
    assert len(line) < 500
