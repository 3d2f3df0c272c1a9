"""RemoteClaims with an injected clock: attempts, limits, breaker, undo, events and logs."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import Any, Literal, TypeAlias

import pytest

from hookkey_verify._runtime import backoff
from hookkey_verify.errors import (
    ConfigurationError,
    HookVerificationError,
    ReplayStoreConfigurationError,
    ReplayStoreUnavailableError,
)
from hookkey_verify.events import EventName
from hookkey_verify.replay import ReplayHealth, remote
from hookkey_verify.replay.remote import (
    Attempt,
    Problem,
    RemoteClaims,
    WhenUnreachable,
    unreachable,
)

from ..faults import all_text, eventually

How: TypeAlias = Literal["run", "arun"]
Outcome: TypeAlias = "bool | BaseException | Callable[[], bool]"

TIMEOUT = 4.0
"""Long, because an attempt also has this many real seconds, and the machine may be busy."""
BOTH = 1.8 * TIMEOUT
SECRET = "text of the store"


class BusyError(Exception):
    """The store answers that it cannot serve a claim now."""


class SettingError(Exception):
    """The store answers that a setting is wrong."""


def explain(error: Exception) -> Problem:
    name = type(error).__name__
    if isinstance(error, SettingError):
        return Problem("misconfigured", name, "correct the setting")
    if isinstance(error, BusyError):
        return Problem("unavailable", name, "wait for the store")
    return unreachable(error)


HEALTHY = ReplayHealth(source="TestStore", status="healthy", problem=None, failures=0)


def failing(problem: str, failures: int) -> ReplayHealth:
    return ReplayHealth(source="TestStore", status="failing", problem=problem, failures=failures)


LOST, BUSY, WRONG = ConnectionError(SECRET), BusyError(SECRET), SettingError(SECRET)
LATE = TimeoutError(SECRET)


class Lab:
    """RemoteClaims whose attempts follow a script, under a clock that the test sets."""

    def __init__(self, how: How, when: WhenUnreachable = "refuse", timeout: float = TIMEOUT):
        self.how = how
        self.now = 1000.0
        self.attempts: list[Attempt] = []
        self.events: list[tuple[EventName, str]] = []
        self.durations: list[float | None] = []
        self.reasons: list[str] = []
        self.undone = 0
        self.claims = RemoteClaims(
            "TestStore",
            explain,
            timeout=timeout,
            when_unreachable=when,
            on_event=self._on_event,
            clock=lambda: self.now,
        )
        self.claims._undoing.add = lambda undo: undo()  # type: ignore[method-assign,assignment]

    def _undo(self) -> None:
        self.undone += 1

    def _on_event(self, event: Any) -> None:
        assert event.source == "TestStore"
        self.events.append((event.name, event.outcome))
        self.durations.append(event.seconds)
        self.reasons.append(event.reason)

    def claim(self, *script: Outcome, deadline: float | None = None, shard: str = "") -> bool:
        """Claim a token; the n-th attempt returns, raises or calls the n-th item of the script."""
        left = list(script)

        def attempt(step: Attempt) -> bool:
            self.attempts.append(step)
            outcome = left.pop(0)
            if isinstance(outcome, BaseException):
                raise type(outcome)(*outcome.args)
            return outcome if isinstance(outcome, bool) else outcome()

        async def aattempt(step: Attempt) -> bool:
            return attempt(step)

        if self.how == "run":
            return self.claims.run(attempt, deadline, shard=shard, undo=self._undo)
        return asyncio.run(self.claims.arun(aattempt, deadline, shard=shard, undo=self._undo))

    def refused(
        self, *script: Outcome, deadline: float | None = None, shard: str = ""
    ) -> HookVerificationError:
        """Claim a token that must be refused, and return the error."""
        with pytest.raises(HookVerificationError) as caught:
            self.claim(*script, deadline=deadline, shard=shard)
        return caught.value

    def after(self, seconds: float, outcome: bool | BaseException) -> Callable[[], bool]:
        """Return an outcome of an attempt that takes some seconds."""

        def play() -> bool:
            self.now += seconds
            if isinstance(outcome, BaseException):
                raise type(outcome)(*outcome.args)
            return outcome

        return play

    def open_breaker(self) -> None:
        for _ in range(2):
            self.refused(LOST, LOST)
        self.attempts.clear()
        self.events.clear()
        self.durations.clear()


@pytest.fixture(params=["run", "arun"])
def how(request: pytest.FixtureRequest) -> How:
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def lab(how: How) -> Lab:
    return Lab(how)


@pytest.fixture(autouse=True)
def _longest_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backoff, "jitter", lambda least, most: most)


# --- attempts


@pytest.mark.parametrize("when", ["refuse", "accept"])
@pytest.mark.parametrize(
    ("script", "first"),
    [
        ([True], True),
        ([False], False),
        ([LOST, True], True),
        ([LOST, False], False),
        ([LATE, True], True),
        ([LATE, False], False),
        ([BUSY, True], True),
    ],
    ids=str,
)
def test_an_answer(how: How, when: WhenUnreachable, script: list[Outcome], first: bool) -> None:
    """The answer of the first attempt counts, or of the second one if the first one failed."""
    lab = Lab(how, when)
    assert lab.claim(*script) is first
    assert [step.number for step in lab.attempts] == [1, 2][: len(script)]
    assert lab.events == [(EventName.CLAIM, "claimed" if first else "replayed")]
    assert lab.claims.health() == HEALTHY


UNREACHABLE = "the replay store is unreachable (ConnectionError)"
TOO_LATE = "the replay store is unreachable (TimeoutError)"


@pytest.mark.parametrize("when", ["refuse", "accept"])
@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ([LOST, LOST], ("unreachable", UNREACHABLE)),
        ([LATE, LATE], ("unreachable", TOO_LATE)),
        ([LOST, LATE], ("unreachable", TOO_LATE)),
        ([BUSY, BUSY], ("unavailable", "wait for the store")),
        ([LOST, BUSY], ("unavailable", "wait for the store")),
        ([WRONG], ("misconfigured", "correct the setting")),
        ([LATE, WRONG], ("misconfigured", "correct the setting")),
    ],
    ids=str,
)
def test_a_failure(
    how: How,
    when: WhenUnreachable,
    script: list[Outcome],
    problem: tuple[str, str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Only an unreachable store has tokens accepted; no attempt follows a misconfiguration."""
    kind, text = problem
    lab = Lab(how, when)
    name = text.partition("(")[2].rstrip(")")
    if kind == "unreachable" and when == "accept":
        assert lab.claim(*script) is True
        assert lab.events == [
            (EventName.REPLAY_UNCHECKED, name),
            (EventName.CLAIM, "unchecked"),
        ]
        assert caplog.messages == [f"a token was accepted without a replay check: {text}"]
        assert lab.reasons == ["", ""]
    else:
        error = lab.refused(*script)
        wrong = kind == "misconfigured"
        expected = ReplayStoreConfigurationError if wrong else ReplayStoreUnavailableError
        assert type(error) is expected
        assert error.detail == text
        assert lab.events == [(EventName.CLAIM, kind)]
        assert lab.reasons == [expected.reason]
        assert caplog.messages == [text]
        assert caplog.records[0].levelname == ("ERROR" if wrong else "WARNING")
    assert len(lab.attempts) == len(script)
    assert lab.claims.health() == failing(text, 1)
    assert SECRET not in caplog.text


@pytest.mark.parametrize("script", [[LOST, LOST], [BUSY, BUSY], [WRONG]], ids=str)
def test_an_error_shows_nothing_of_the_store(lab: Lab, script: list[Outcome]) -> None:
    """A traceback of the error does not contain the store's text, not even as its context."""
    error = lab.refused(*script)
    assert SECRET not in all_text(error)
    assert error.__context__ is None


@pytest.mark.parametrize("interrupt", [KeyboardInterrupt(), asyncio.CancelledError()], ids=repr)
@pytest.mark.parametrize("earlier", [[], [LOST]], ids=["first", "second"])
def test_an_interrupt(lab: Lab, interrupt: BaseException, earlier: list[Outcome]) -> None:
    """An interrupt ends a claim in either attempt, unchanged, and is not a failure."""
    with pytest.raises(type(interrupt)) as caught:
        lab.claim(*earlier, interrupt)
    assert type(caught.value) is type(interrupt)
    assert lab.events == []
    assert lab.claims.health().failures == 0


def test_a_cancelled_claim() -> None:
    """A claim that is cancelled while it waits makes no second attempt."""
    lab = Lab("arun")

    async def main() -> None:
        waiting = asyncio.Event()

        async def attempt(step: Attempt) -> bool:
            lab.attempts.append(step)
            waiting.set()
            await asyncio.Event().wait()
            return True

        claim = asyncio.create_task(lab.claims.arun(attempt, None))
        await waiting.wait()
        claim.cancel()
        with pytest.raises(asyncio.CancelledError):
            await claim

    asyncio.run(main())
    assert len(lab.attempts) == 1
    assert lab.claims.health().failures == 0


# --- limits


def test_the_limits_of_two_attempts(lab: Lab) -> None:
    """An attempt has ``timeout`` seconds, and both together have 1.8 times that."""
    lab.refused(lab.after(TIMEOUT, LATE), LATE)
    first, second = lab.attempts
    assert (first.number, first.seconds, first.end) == (1, TIMEOUT, 1000 + TIMEOUT)
    assert (second.number, second.end) == (2, 1000 + BOTH)
    assert second.seconds == pytest.approx(BOTH - TIMEOUT)


def test_a_quick_failure_leaves_the_full_time(lab: Lab) -> None:
    """A second attempt after a quick failure has ``timeout`` seconds."""
    lab.refused(lab.after(0.01, LOST), LOST)
    assert [step.seconds for step in lab.attempts] == [TIMEOUT, TIMEOUT]
    assert [step.end for step in lab.attempts] == [1000 + TIMEOUT, 1000.01 + TIMEOUT]


def test_no_second_attempt_without_time(lab: Lab) -> None:
    """A claim whose first attempt used all the time is decided by that attempt."""
    error = lab.refused(lab.after(BOTH, LOST))
    assert error.detail == UNREACHABLE
    assert len(lab.attempts) == 1


@pytest.mark.parametrize(
    ("deadline", "took", "limits"),
    [
        (0.4, 0.2, [0.4, 0.2]),
        (1.2, 0.4, [1, 0.8]),
        (1.6, 1, [1, 0.6]),
        (240, 1, [1, 0.8]),
    ],
)
def test_a_deadline(lab: Lab, deadline: float, took: float, limits: list[float]) -> None:
    """No attempt has time beyond the deadline. All numbers are in units of ``timeout``."""
    lab.refused(lab.after(took * TIMEOUT, LATE), LATE, deadline=1000 + deadline * TIMEOUT)
    assert [step.seconds / TIMEOUT for step in lab.attempts] == pytest.approx(limits)
    ends = [(step.end - 1000) / TIMEOUT for step in lab.attempts]
    assert ends == pytest.approx([limits[0], took + limits[1]])


@pytest.mark.parametrize("deadline", [float("nan"), "5", [5], 1j], ids=repr)
def test_a_deadline_that_is_not_a_number(lab: Lab, deadline: Any) -> None:
    """A deadline that is not a number is refused with an error that names it."""
    with pytest.raises(ConfigurationError, match="deadline must be a reading"):
        lab.claim(True, deadline=deadline)
    assert lab.attempts == []


@pytest.mark.parametrize("when", ["refuse", "accept"])
@pytest.mark.parametrize("deadline", [1000, 999, 0, -5])
def test_no_time_is_left(how: How, when: WhenUnreachable, deadline: float) -> None:
    """A claim after its deadline is refused without an attempt, also with "accept"."""
    lab = Lab(how, when)
    error = lab.refused(True, deadline=deadline)
    assert isinstance(error, ReplayStoreUnavailableError)
    assert error.detail == "the replay store is unreachable: no time is left"
    assert lab.attempts == []
    assert lab.claims.health().status == "healthy"


def test_a_late_claim_while_the_breaker_is_open(how: How) -> None:
    """A claim after its deadline is refused with "accept" also while the breaker is open."""
    lab = Lab(how, "accept")
    for _ in range(2):
        lab.claim(LOST, LOST)
    assert lab.claim(deadline=lab.now + 1) is True
    assert isinstance(lab.refused(deadline=lab.now - 1), ReplayStoreUnavailableError)


@pytest.mark.parametrize("when", ["refuse", "accept"])
def test_a_store_that_hangs(
    how: How, when: WhenUnreachable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Attempts that do not return are abandoned after their time."""
    monkeypatch.setattr(remote, "LATE", 30)  # the machine may be busy
    claims = RemoteClaims("TestStore", explain, timeout=0.2, when_unreachable=when, on_event=None)
    over, attempts = threading.Event(), list[int]()

    def attempt(step: Attempt) -> bool:
        attempts.append(step.number)
        return over.wait(30)

    async def aattempt(step: Attempt) -> bool:
        attempts.append(step.number)
        return await asyncio.Event().wait()

    began = time.monotonic()
    try:
        if how == "run":
            accepted = claims.run(attempt, None)
        else:
            accepted = asyncio.run(claims.arun(aattempt, None))
        assert (accepted, when) == (True, "accept")
    except ReplayStoreUnavailableError as error:
        assert (error.detail, when) == (TOO_LATE, "refuse")
        assert error.__context__ is None
    finally:
        over.set()
    assert attempts == [1, 2]
    assert 0.35 < time.monotonic() - began < 5


# --- the breaker


def test_the_breaker_opens(lab: Lab) -> None:
    """After two failed claims in a row, claims are answered at once with the last problem."""
    lab.refused(BUSY, BUSY)
    lab.refused(LOST, LOST)
    lab.attempts.clear()
    lab.now += 0.04
    error = lab.refused()
    assert error.detail == UNREACHABLE
    assert lab.attempts == []
    assert isinstance(error, ReplayStoreUnavailableError)
    assert error.retry_after == pytest.approx(0.06)
    assert error.headers == {"Retry-After": "1"}
    assert lab.events[1:] == [
        (EventName.BREAKER, "open"),
        (EventName.CLAIM, "unreachable"),
        (EventName.CLAIM, "unreachable"),
    ]
    assert lab.claims.health() == failing(UNREACHABLE, 2)


def test_retry_after_while_the_breaker_is_closed(lab: Lab) -> None:
    """A claim that failed while the breaker is closed may be repeated at once."""
    error = lab.refused(LOST, LOST)
    assert isinstance(error, ReplayStoreUnavailableError)
    assert error.retry_after == 0


def test_a_success_in_between(lab: Lab) -> None:
    """A success between two failures keeps the breaker closed, without an event of it."""
    for script in ([LOST, LOST], [True], [LOST, LOST], [LOST, True], [LOST, LOST]):
        if script[-1] is True:
            lab.claim(*script)
        else:
            lab.refused(*script)
    assert lab.claim(False) is False
    assert EventName.BREAKER not in [name for name, _ in lab.events]


@pytest.mark.parametrize(
    ("last", "error"),
    [
        ([WRONG], ReplayStoreConfigurationError),
        ([BUSY, BUSY], ReplayStoreUnavailableError),
        ([LOST, LOST], None),
    ],
    ids=str,
)
def test_accept_while_the_breaker_is_open(
    how: How, last: list[Outcome], error: type[Exception] | None
) -> None:
    """An open breaker has tokens accepted only if the last problem is an unreachable store."""
    lab = Lab(how, "accept")
    lab.claim(LOST, LOST)
    if error is None:
        lab.claim(*last)
        lab.events.clear()
        assert lab.claim() is True
        assert lab.events == [
            (EventName.REPLAY_UNCHECKED, "ConnectionError"),
            (EventName.CLAIM, "unchecked"),
        ]
        return
    lab.refused(*last)
    lab.attempts.clear()
    assert type(lab.refused()) is error
    assert lab.attempts == []


def test_a_probe_that_succeeds(lab: Lab) -> None:
    """After the pause one claim is tried; its success closes the breaker for all."""
    lab.open_breaker()
    lab.now += 0.1
    assert lab.claim(True) is True
    assert lab.events == [(EventName.BREAKER, "closed"), (EventName.CLAIM, "claimed")]
    assert lab.claims.health() == HEALTHY
    assert lab.claim(True) is True
    assert len(lab.events) == 3


def test_one_probe_at_a_time(lab: Lab) -> None:
    """Other claims are answered at once while one claim probes."""
    lab.open_breaker()
    lab.now += 0.1

    def probe() -> bool:
        with pytest.raises(ReplayStoreUnavailableError) as caught:
            lab.claims.run(_never, None)
        assert caught.value.retry_after == pytest.approx(BOTH)
        return True

    assert lab.claim(probe) is True


def _never(step: Attempt) -> bool:
    raise AssertionError


def test_a_probe_that_was_interrupted(lab: Lab) -> None:
    """A probe that never ended is followed by another one when its time is over."""
    lab.open_breaker()
    lab.now += 0.1
    with pytest.raises(KeyboardInterrupt):
        lab.claim(KeyboardInterrupt())
    lab.now += BOTH - 0.01
    lab.refused()
    lab.now += 0.02
    assert lab.claim(True) is True


def test_a_late_claim_is_no_probe(lab: Lab) -> None:
    """A claim after its deadline does not take the place of the probe."""
    lab.open_breaker()
    lab.now += 0.1
    error = lab.refused(deadline=lab.now)
    assert error.detail == "the replay store is unreachable: no time is left"
    assert lab.claim(True) is True


def test_a_hurried_claim_is_no_probe(how: How) -> None:
    """An open breaker answers a claim with too little time, which does not probe."""
    lab = Lab(how, "accept")
    for _ in range(2):
        lab.claim(LOST, LOST)
    lab.now += 0.1
    lab.attempts.clear()
    assert lab.claim(deadline=lab.now + 0.69 * TIMEOUT) is True
    assert lab.attempts == []
    assert lab.events[-1] == (EventName.CLAIM, "unchecked")
    assert lab.claim(False, deadline=lab.now + 0.71 * TIMEOUT) is False


def test_a_hurried_claim_after_one_failure(lab: Lab) -> None:
    """A closed breaker has a claim with too little time tried."""
    lab.refused(LOST, LOST)
    assert lab.claim(True, deadline=lab.now + 0.1 * TIMEOUT) is True


def test_the_pauses_grow(lab: Lab) -> None:
    """The breaker stays open for 0.1 s at first, twice as long after each probe, at most 1 s."""
    lab.open_breaker()
    for pause in (0.1, 0.2, 0.4, 0.8, 1, 1, 1):
        lab.now += pause - 0.001
        lab.refused()
        assert lab.attempts == []
        lab.now += 0.002
        lab.refused(LOST, LOST)
        assert len(lab.attempts) == 2
        lab.attempts.clear()
    opened = [
        seconds
        for (name, outcome), seconds in zip(lab.events, lab.durations, strict=True)
        if (name, outcome) == (EventName.BREAKER, "open")
    ]
    assert opened == [0.2, 0.4, 0.8, 1, 1, 1, 1]


def test_a_closed_breaker_starts_again(lab: Lab) -> None:
    """After a success, two failures are needed again, and the pause is short again."""
    lab.open_breaker()
    lab.now += 0.1
    lab.refused(LOST, LOST)
    lab.now += 0.2
    lab.claim(True)
    lab.refused(LOST, LOST)
    error = lab.refused(LOST, LOST)
    assert isinstance(error, ReplayStoreUnavailableError)
    assert error.retry_after == pytest.approx(0.1)


def test_failures_of_earlier_claims(lab: Lab) -> None:
    """A claim that began before the breaker opened and fails later does not extend the pause."""

    def meanwhile() -> bool:
        lab.now += 0.01
        for _ in range(2):
            with pytest.raises(ReplayStoreUnavailableError):
                lab.claims.run(_lost, None)
        raise ConnectionError(SECRET)

    error = lab.refused(meanwhile, LOST)
    assert lab.claims.health().failures == 2
    assert isinstance(error, ReplayStoreUnavailableError)
    assert error.retry_after == pytest.approx(0.1)


def _lost(step: Attempt) -> bool:
    raise ConnectionError(SECRET)


def test_a_success_of_an_earlier_claim(lab: Lab) -> None:
    """A claim that began before the breaker opened and succeeds closes it."""

    def meanwhile() -> bool:
        for _ in range(2):
            with pytest.raises(ReplayStoreUnavailableError):
                lab.claims.run(_lost, None)
        return True

    assert lab.claim(meanwhile) is True
    assert lab.claims.health().status == "healthy"
    assert lab.claim(True) is True


# --- problems that say nothing about the store

HURRIED = "the request left too little time to ask the replay store"
OVERLOADED = "this process is too busy to ask the replay store in time"
TOO_MANY = "too many claims wait for the replay store: start more processes"


@pytest.mark.parametrize("when", ["refuse", "accept"])
def test_a_hurried_time_out(how: How, when: WhenUnreachable) -> None:
    """A time-out of a claim with too little time is refused and does not open the breaker."""
    lab = Lab(how, when)
    little = 0.69 * TIMEOUT
    for _ in range(5):
        error = lab.refused(lab.after(little, LATE), deadline=lab.now + little)
        assert (type(error), error.detail) == (ReplayStoreUnavailableError, HURRIED)
    assert len(lab.attempts) == 5
    assert lab.events == [(EventName.CLAIM, "unavailable")] * 5
    assert lab.claims.health() == HEALTHY


def test_a_time_out_with_enough_time(how: How) -> None:
    """A time-out counts as unreachable if the claim had at least 0.7 times ``timeout``."""
    lab = Lab(how, "accept")
    enough = 0.71 * TIMEOUT
    assert lab.claim(lab.after(enough, LATE), deadline=lab.now + enough) is True
    assert lab.claims.health().problem == TOO_LATE


@pytest.mark.parametrize("script", [[LOST, LOST], [LATE, BUSY], [WRONG]], ids=str)
def test_a_hurried_error(lab: Lab, script: list[Outcome]) -> None:
    """An error of the store counts also if the claim had little time."""
    lab.refused(*script, deadline=lab.now + 0.1 * TIMEOUT)
    assert lab.claims.health().failures == 1


@pytest.mark.parametrize("when", ["refuse", "accept"])
def test_an_overloaded_process(how: How, when: WhenUnreachable) -> None:
    """A time-out that fires too late is refused and does not open the breaker."""
    lab = Lab(how, when)
    for _ in range(5):
        error = lab.refused(lab.after(BOTH, LATE))
        assert (type(error), error.detail) == (ReplayStoreUnavailableError, OVERLOADED)
    assert lab.events == [(EventName.CLAIM, "unavailable")] * 5
    assert lab.claims.health() == HEALTHY


@pytest.mark.parametrize(("late", "text"), [(0.04, TOO_LATE), (0.06, OVERLOADED)])
def test_how_late_a_time_out_may_be(lab: Lab, late: float, text: str) -> None:
    """A time-out that fires up to 0.05 s late is one of the store."""
    deadline = lab.now + TIMEOUT
    assert lab.refused(lab.after(TIMEOUT + late, LATE), deadline=deadline).detail == text


@pytest.mark.parametrize("when", ["refuse", "accept"])
def test_a_process_that_stood_still(how: How, when: WhenUnreachable) -> None:
    """A claim whose time was over before its first attempt is refused and not undone."""
    lab = Lab(how, when)
    readings = [1000.0]
    lab.claims._clock = lambda: readings.pop() if readings else 2000.0
    assert lab.refused(True).detail == HURRIED
    assert (lab.attempts, lab.undone) == ([], 0)
    assert lab.claims.health().failures == 0


REST = BOTH - TIMEOUT
"""What a first attempt that timed out leaves for the second one."""


@pytest.mark.parametrize(
    ("first", "second", "text"),
    [
        ((TIMEOUT, LATE), (REST + 1, LATE), TOO_LATE),
        ((TIMEOUT + 1, LATE), (0, LOST), UNREACHABLE),
        ((0.5 * BOTH, LOST), (BOTH, LATE), UNREACHABLE),
        ((1.2 * TIMEOUT, BUSY), (0.6 * TIMEOUT, LATE), "wait for the store"),
        ((TIMEOUT + 1, LATE), (REST - 1, LATE), OVERLOADED),
    ],
    ids=["overloaded", "after overloaded", "overloaded later", "hurried", "both"],
)
def test_a_conclusive_problem_is_kept(
    lab: Lab, first: tuple[float, Exception], second: tuple[float, Exception], text: str
) -> None:
    """A problem of the store decides, in whichever attempt it was; otherwise the first one does."""
    error = lab.refused(lab.after(*first), lab.after(*second))
    assert error.detail == text
    assert lab.claims.health().failures == (0 if text == OVERLOADED else 1)


# --- shards


def test_two_shards(lab: Lab) -> None:
    """A shard that fails has a breaker of its own; the other one is still asked."""
    for _ in range(2):
        lab.refused(LOST, LOST, shard="a")
    lab.attempts.clear()
    assert lab.refused(shard="a").detail == UNREACHABLE
    assert lab.attempts == []
    for _ in range(3):
        assert lab.claim(True, shard="b") is True
    assert lab.refused(shard="a").detail == UNREACHABLE, "a success of b must not close it"
    assert lab.claim(True) is True


def test_the_health_of_shards(lab: Lab) -> None:
    """The health is that of the shard with the most failures in a row."""
    lab.refused(BUSY, BUSY, shard="a")
    for _ in range(2):
        lab.refused(LOST, LOST, shard="b")
    lab.refused(WRONG, shard="c")
    lab.claim(True, shard="d")
    assert lab.claims.health() == failing(UNREACHABLE, 2)
    lab.now += 0.1
    lab.claim(True, shard="b")
    assert lab.claims.health().failures == 1
    lab.claim(True, shard="a")
    lab.claim(True, shard="c")
    assert lab.claims.health() == HEALTHY


# --- undo


@pytest.mark.parametrize(
    ("when", "script", "undone"),
    [
        ("refuse", [True], 0),
        ("refuse", [False], 0),
        ("refuse", [LATE, True], 0),
        ("refuse", [LATE, False], 0),
        ("refuse", [LOST, LOST], 1),
        ("refuse", [LATE, LATE], 1),
        ("refuse", [BUSY, BUSY], 1),
        ("refuse", [WRONG], 0),
        ("refuse", [LATE, WRONG], 0),
        ("accept", [LOST, LATE], 0),
        ("accept", [LATE, BUSY], 1),
        ("accept", [WRONG], 0),
    ],
    ids=str,
)
def test_undo(how: How, when: WhenUnreachable, script: list[Outcome], undone: int) -> None:
    """A claim is undone once if it was refused because the store could not answer."""
    lab = Lab(how, when)
    if script[-1] in (True, False) or (when == "accept" and script[-1] is LATE):
        lab.claim(*script)
    else:
        lab.refused(*script)
    assert lab.undone == undone


@pytest.mark.parametrize("when", ["refuse", "accept"])
def test_undo_of_inconclusive_attempts(how: How, when: WhenUnreachable) -> None:
    """A claim that was hurried, or whose process was overloaded, is undone."""
    lab = Lab(how, when)
    lab.refused(lab.after(1, LATE), deadline=lab.now + 1)
    assert lab.undone == 1
    lab.refused(lab.after(BOTH, LATE))
    assert lab.undone == 2


def test_no_undo_without_an_attempt(lab: Lab) -> None:
    """A claim is not undone if its time was over or the breaker answered it."""
    lab.refused(deadline=lab.now)
    lab.open_breaker()
    before = lab.undone
    lab.refused()
    assert (before, lab.undone) == (2, 2)


def test_no_undo_after_an_interrupt(lab: Lab) -> None:
    """A claim that was interrupted is not undone."""
    with pytest.raises(KeyboardInterrupt):
        lab.claim(LOST, KeyboardInterrupt())
    assert lab.undone == 0


@pytest.mark.parametrize("undo", [True, False])
def test_undo_in_the_background(how: How, undo: bool) -> None:
    """Another thread calls ``undo``, and the claim does not wait for it."""
    claims = RemoteClaims("TestStore", explain, timeout=5, when_unreachable="refuse", on_event=None)
    refused, threads = threading.Event(), list[int]()

    def undoing() -> None:
        assert refused.wait(30)
        threads.append(threading.get_ident())

    async def alost(step: Attempt) -> bool:
        raise ConnectionError

    given = undoing if undo else None

    def claim() -> bool:
        if how == "run":
            return claims.run(_lost, None, undo=given)
        return asyncio.run(claims.arun(alost, None, undo=given))

    with pytest.raises(ReplayStoreUnavailableError):
        claim()
    assert threads == []
    refused.set()
    assert eventually(lambda: len(threads) == undo)
    assert threading.get_ident() not in threads


# --- claims at once


class Flood:
    """Claims that run at once, in threads or on one event loop, against a store that is slow."""

    def __init__(self, how: How, when: WhenUnreachable = "accept", at_once: int = 32):
        self.how = how
        self.undone = 0
        self.over = threading.Event()
        self.running = 0
        self.most = 0
        self.claims = RemoteClaims(
            "TestStore", explain, timeout=10, when_unreachable=when, on_event=None, at_once=at_once
        )
        self._at_once = at_once
        self._lock = threading.Lock()

    def _undo(self) -> None:
        self.undone += 1

    def _count(self, more: int) -> None:
        with self._lock:
            self.running += more
            self.most = max(self.most, self.running)

    def _attempt(self, step: Attempt) -> bool:
        self._count(1)
        self.over.wait(30)
        self._count(-1)
        return True

    async def _aattempt(self, step: Attempt) -> bool:
        self._count(1)
        while not self.over.is_set():
            await asyncio.sleep(0.001)
        self._count(-1)
        return True

    async def _claim(self, seconds: float | None) -> bool | str:
        deadline = None if seconds is None else time.monotonic() + seconds
        try:
            if self.how == "arun":
                return await self.claims.arun(self._aattempt, deadline, undo=self._undo)
            return await asyncio.get_running_loop().run_in_executor(
                self._pool, lambda: self.claims.run(self._attempt, deadline, undo=self._undo)
            )
        except ReplayStoreUnavailableError as error:
            return error.detail

    async def play(self, holders: int, late: list[float | None], ended: int) -> list[bool | str]:
        """Return the answers of late claims, each with a number of seconds to its deadline.

        They begin when the store has been asked for the first claims, which it answers when this
        number of late ones has ended.
        """
        with ThreadPoolExecutor(holders + len(late)) as self._pool:
            first = [asyncio.create_task(self._claim(None)) for _ in range(holders)]
            while self.running < min(holders, self._at_once):
                await asyncio.sleep(0.001)
            others = [asyncio.create_task(self._claim(each)) for each in late]
            while sum(each.done() for each in others) < ended:
                await asyncio.sleep(0.001)
            self.health = self.claims.health()  # before a success
            self.over.set()
            assert await asyncio.gather(*first) == [True] * holders
            return await asyncio.gather(*others)


@pytest.mark.parametrize("when", ["refuse", "accept"])
def test_a_flood(how: How, when: WhenUnreachable) -> None:
    """At most 32 claims ask a slow store at once; those without a slot are never accepted."""
    flood = Flood(how, when)
    answers = asyncio.run(flood.play(32, [0.05] * 8, ended=8))
    assert set(answers) == {TOO_MANY}
    assert flood.most == remote.AT_ONCE == 32
    assert flood.health == HEALTHY
    assert flood.undone == 0, "they have recorded nothing"


def test_waiting_for_a_slot(how: How) -> None:
    """A claim that waits for a slot is tried when another claim ends within its time."""
    flood = Flood(how, at_once=2)
    assert asyncio.run(flood.play(2, [0.05, None, None], ended=1)) == [TOO_MANY, True, True]
    assert flood.most == 2


@pytest.mark.parametrize("first", ["run", "arun"])
def test_slots_of_threads_and_event_loops(how: How, first: How) -> None:
    """Threads have slots of their own, and each event loop has: none takes those of another."""
    flood = Flood(first)
    claims = flood.claims

    async def yes(step: Attempt) -> bool:
        return True

    def other() -> bool:
        deadline = time.monotonic() + 5
        if how == "run":
            return claims.run(lambda step: True, deadline)
        return asyncio.run(claims.arun(yes, deadline))

    async def main() -> None:
        playing = asyncio.create_task(flood.play(32, [20], ended=1))
        while flood.running < 32:
            await asyncio.sleep(0.001)
        try:
            if (how, first) == ("run", "run"):
                with pytest.raises(ReplayStoreUnavailableError, match="too many"):
                    claims.run(lambda step: True, time.monotonic() + 0.02)
            else:
                with ThreadPoolExecutor(1) as pool:
                    assert await asyncio.get_running_loop().run_in_executor(pool, other) is True
        finally:
            flood.over.set()
            await playing

    asyncio.run(main())


def test_slots_of_a_forked_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child does not wait for claims of its parent, whose threads it does not have."""
    claims = RemoteClaims(
        "TestStore", explain, timeout=0.5, when_unreachable="refuse", on_event=None, at_once=1
    )

    def in_child(step: Attempt) -> bool:
        with monkeypatch.context() as context:
            context.setattr(os, "getpid", lambda: -1)
            return claims.run(lambda step: True, None)

    assert claims.run(in_child, None) is True


def test_an_abandoned_attempt_frees_its_slot(how: How, monkeypatch: pytest.MonkeyPatch) -> None:
    """An attempt that was abandoned does not keep its slot while it goes on."""
    monkeypatch.setattr(remote, "LATE", 30)  # the machine may be busy
    claims = RemoteClaims(
        "TestStore", explain, timeout=0.2, when_unreachable="refuse", on_event=None, at_once=1
    )
    over, ended = threading.Event(), list[int]()

    def hang(step: Attempt) -> bool:
        over.wait(30)
        ended.append(step.number)
        return True

    async def ahang(step: Attempt) -> bool:
        while not over.is_set():
            with suppress(asyncio.CancelledError):
                await asyncio.sleep(0.001)
        ended.append(step.number)
        return True

    async def yes(step: Attempt) -> bool:
        return True

    async def main() -> None:
        try:
            with pytest.raises(ReplayStoreUnavailableError) as caught:
                await claims.arun(ahang, None)
            assert caught.value.detail == TOO_LATE
            assert await claims.arun(yes, None) is True
            assert ended == []
        finally:
            over.set()
        while len(ended) < 2:
            await asyncio.sleep(0.001)

    if how == "arun":
        asyncio.run(main())
        return
    with pytest.raises(ReplayStoreUnavailableError) as caught:
        claims.run(hang, None)
    assert caught.value.detail == TOO_LATE
    assert claims.run(lambda step: True, None) is True
    assert ended == []
    over.set()
    assert eventually(lambda: len(ended) == 2)


@pytest.mark.parametrize("asking", [True, False], ids=["asking", "waiting for a slot"])
def test_a_cancelled_claim_frees_its_slot(asking: bool) -> None:
    """A claim that is cancelled leaves its slot, or its place in the queue, to others."""
    claims = RemoteClaims(
        "TestStore", explain, timeout=5, when_unreachable="refuse", on_event=None, at_once=1
    )

    async def main() -> None:
        over = asyncio.Event()

        async def attempt(step: Attempt) -> bool:
            return await over.wait()

        tasks = [asyncio.create_task(claims.arun(attempt, None)) for _ in range(3)]
        await asyncio.sleep(0.01)
        cancelled = tasks.pop(0 if asking else 1)
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
        over.set()
        assert await asyncio.gather(*tasks) == [True, True]
        assert await claims.arun(attempt, None) is True

    asyncio.run(main())


def test_the_time_of_an_attempt_includes_the_wait(
    how: How, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt that waited for a slot is abandoned at its end, as if it had not waited."""
    lab = Lab(how)
    limits: list[float] = []

    def within(seconds: float, function: Callable[..., object], /, *arguments: object) -> object:
        limits.append(seconds)
        return function(*arguments)

    async def awithin(seconds: float, coroutine: Coroutine[Any, Any, object]) -> object:
        limits.append(seconds)
        return await coroutine

    class Slow:
        """A semaphore that is free after a second of the test's clock."""

        def acquire(self, timeout: float = 0) -> Any:
            lab.now += 1
            return asyncio.sleep(0, True) if how == "arun" else True

        def release(self) -> None:
            pass

    monkeypatch.setattr(remote, "call_within", within)
    monkeypatch.setattr(remote, "await_within", awithin)
    monkeypatch.setattr(lab.claims, "_slots", Slow)
    monkeypatch.setattr(lab.claims, "_loop_slots", Slow)
    assert lab.claim(True) is True
    assert limits == [TIMEOUT - 1]
    assert lab.attempts[0].seconds == TIMEOUT


# --- events and logs


def test_the_durations_of_claims(how: How) -> None:
    """The event of a claim has the seconds of both attempts."""
    lab = Lab(how, "accept")
    lab.claim(lab.after(0.125, True))
    lab.claim(lab.after(0.125, LOST), lab.after(0.0625, False))
    lab.claim(lab.after(0.125, LOST), lab.after(0.125, LOST))
    lab.refused(lab.after(0.125, LOST), lab.after(0.0625, WRONG))
    outcomes = [outcome for name, outcome in lab.events if name == EventName.CLAIM]
    assert outcomes == ["claimed", "replayed", "unchecked", "misconfigured"]
    durations = [
        seconds
        for (name, _), seconds in zip(lab.events, lab.durations, strict=True)
        if name == EventName.CLAIM
    ]
    assert durations == [0.125, 0.1875, 0.25, 0.1875]


def test_without_events(how: How) -> None:
    """A store without ``on_event`` answers in the same way."""
    claims = RemoteClaims("TestStore", explain, timeout=5, when_unreachable="refuse", on_event=None)

    async def aattempt(step: Attempt) -> bool:
        return step.number == 1

    if how == "run":
        assert claims.run(lambda step: step.number == 1, None) is True
    else:
        assert asyncio.run(claims.arun(aattempt, None)) is True
    assert claims.health().status == "healthy"


def test_logs_once_a_minute(how: How, caplog: pytest.LogCaptureFixture) -> None:
    """Each problem is logged at most once a minute, with the number of claims left out."""
    lab = Lab(how)
    for _ in range(5):
        lab.refused(LOST, LOST)
    assert caplog.messages == [UNREACHABLE]
    lab.now += 10
    lab.refused(WRONG)
    assert caplog.messages == [UNREACHABLE, "correct the setting"]
    lab.now += 49.9
    lab.refused(LOST, LOST)
    assert len(caplog.messages) == 2
    lab.now += 0.2
    lab.refused(LOST, LOST)
    assert caplog.messages[2:] == [f"{UNREACHABLE} (5 similar records were left out)"]


# --- arguments


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"timeout": 0.009}, "timeout"),
        ({"timeout": 10.1}, "timeout"),
        ({"timeout": float("nan")}, "timeout"),
        ({"timeout": "1"}, "timeout"),
        ({"when_unreachable": "allow"}, "when_unreachable"),
        ({"when_unreachable": None}, "when_unreachable"),
        ({"on_event": 5}, "on_event"),
    ],
    ids=str,
)
def test_wrong_arguments(wrong: dict[str, Any], named: str) -> None:
    """An invalid argument is refused, and the message names it."""
    right: dict[str, Any] = {"timeout": 1, "when_unreachable": "refuse", "on_event": None}
    RemoteClaims("TestStore", explain, **right)
    with pytest.raises(ConfigurationError, match=named):
        RemoteClaims("TestStore", explain, **{**right, **wrong})
