"""RemoteClaims: what all replay stores on a network have in common. No I/O of its own.

A claim has two attempts at most. The second one starts as soon as the first one has failed, on a
fresh connection, because a connection may have been dropped silently while it was idle. Each
attempt is bounded by the store's ``timeout``, both together by ``BOTH_ATTEMPTS`` times that, and
everything by the request's deadline. After two claims in a row that failed, a breaker answers at
once, and lets one claim at a time through to find out whether the store is back.

Each engine makes the attempts itself. If none succeeds, the kind of problem decides what happens to
the token:

| problem       | for example                               | the token is              |
|---------------|-------------------------------------------|---------------------------|
| unreachable   | refused connection, no answer in time     | refused (503) or accepted |
| unavailable   | the store is starting, too many claims    | refused (503)             |
| misconfigured | wrong password, read-only, out of memory  | refused (500)             |
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Generator
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from .._arguments import seconds
from .._runtime.bounded import call_within
from .._runtime.clock import Clock, monotonic_clock
from .._runtime.event_loop import PerLoop, await_within
from .._runtime.forking import PerProcess
from ..errors import (
    ConfigurationError,
    ReplayStoreConfigurationError,
    ReplayStoreUnavailableError,
)
from ..events import EventName, OnEvent, Reporter
from .breaker import ClaimBreaker
from .health import ReplayHealth
from .undo import Undoing

__all__ = [
    "Attempt",
    "BusyError",
    "Problem",
    "RemoteClaims",
    "WhenUnreachable",
    "unreachable",
]

WhenUnreachable: TypeAlias = Literal["refuse", "accept"]

BOTH_ATTEMPTS = 1.8
"""The limit of a claim in units of ``timeout``: less than 2, so that the answer is sent by then."""
CONCLUSIVE = 0.7
"""The share of ``timeout`` that an attempt must have had for its time-out to count as a failure."""
LATE = 0.05
"""Seconds by which a time-out must be late to show that this process is overloaded."""
AT_ONCE = 32
"""Claims at once, per process and per event loop; the others wait within their limits. A burst
then waits here instead of exhausting the connections of the server."""


class Problem(NamedTuple):
    """Why a claim could not be decided.

    ``kind``: as in the table of this module.
    ``name``: a short name for events and metrics.
    ``text``: a fixed text for errors and logs that says what to do. Nothing of it may come from the
        store, a token or a URL.
    """

    kind: Literal["unreachable", "unavailable", "misconfigured"]
    name: str
    text: str


_BUSY: Final = Problem(
    "unavailable", "busy", "too many claims wait for the replay store: start more processes"
)
_HURRIED: Final = Problem(
    "unavailable", "hurried", "the request left too little time to ask the replay store"
)
_OVERLOADED: Final = Problem(
    "unavailable", "overloaded", "this process is too busy to ask the replay store in time"
)
_OURS = (_BUSY, _HURRIED, _OVERLOADED)
"""Problems that the store did not cause; they do not count as failures."""


class Attempt(NamedTuple):
    """One attempt of a claim.

    ``number``: 1, or 2 for the one that needs a fresh connection.
    ``seconds``: its time limit.
    ``end``: the monotonic reading at which it is abandoned. What the store executes later must not
        use up the token, because the claim may have been refused.
    """

    number: int
    seconds: float
    end: float


class BusyError(Exception):
    """Too many claims or connections are in use, so the store was not asked."""


_Steps: TypeAlias = Generator[Attempt, "bool | Exception", bool]


class RemoteClaims:
    """Carries out the claims of one store: time limits, retry, breaker, events and logs."""

    def __init__(
        self,
        source: str,
        explain: Callable[[Exception], Problem],
        *,
        timeout: float,
        when_unreachable: WhenUnreachable,
        on_event: OnEvent | None,
        at_once: int = AT_ONCE,
        clock: Clock = monotonic_clock,
    ) -> None:
        """Create the claims of a store.

        ``source``: the class name of the store, for events and logs.
        ``explain``: returns the problem behind an exception of an attempt. A ``TimeoutError`` is
            explained without it.
        ``timeout``: the time limit of one attempt, 0.01 to 10 seconds.
        ``when_unreachable``: "refuse" or "accept" tokens while the store is unreachable.
        ``on_event``: a function that takes events, or None.
        ``at_once``: the maximum number of claims at once, per process and per event loop.
        ``clock``: returns monotonic seconds.

        Raises ``ConfigurationError`` naming the argument.
        """
        if when_unreachable not in ("refuse", "accept"):
            raise ConfigurationError('when_unreachable must be "refuse" or "accept"')
        self._explain = explain
        self._timeout = seconds("timeout", timeout, 0.01, 10)
        self._accept = when_unreachable == "accept"
        self._report = Reporter(source, on_event, clock)
        self._clock = clock
        self._breakers: dict[str, ClaimBreaker[Problem]] = {}
        self._undoing = Undoing()
        self._slots = PerProcess(lambda: threading.BoundedSemaphore(at_once))
        self._loop_slots = PerLoop(lambda: asyncio.Semaphore(at_once))

    def run(
        self,
        attempt: Callable[[Attempt], bool],
        deadline: float | None,
        *,
        shard: str = "",
        undo: Callable[[], object] | None = None,
    ) -> bool:
        """Return whether a claim is the first one.

        ``attempt``: asks the store. It runs in a thread of its own and is abandoned when its time
            is over.
        ``deadline``: the reading of the clock at which the caller stops waiting; None: the limits
            of ``timeout``.
        ``shard``: the part of the store that is asked; each has a breaker of its own. Default: "".
        ``undo``: deletes what the attempts may have recorded. A background thread calls it after a
            claim that was refused because the store could not answer. Default None.

        Raises ``ReplayStoreUnavailableError`` or ``ReplayStoreConfigurationError``.
        """
        steps = self._steps(deadline, shard, undo)
        try:
            step = next(steps)
            while True:
                outcome: bool | Exception
                try:
                    outcome = self._call(attempt, step)
                except Exception as error:  # thrown from here, it would become a __context__
                    outcome = error
                step = steps.send(outcome)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]

    async def arun(
        self,
        attempt: Callable[[Attempt], Coroutine[Any, Any, bool]],
        deadline: float | None,
        *,
        shard: str = "",
        undo: Callable[[], object] | None = None,
    ) -> bool:
        """Do the same as ``run`` on the running event loop, which must be asyncio's."""
        steps = self._steps(deadline, shard, undo)
        try:
            step = next(steps)
            while True:
                outcome: bool | Exception
                try:
                    outcome = await self._acall(attempt, step)
                except Exception as error:
                    outcome = error
                step = steps.send(outcome)
        except StopIteration as stop:
            return stop.value  # type: ignore[no-any-return]

    def _call(self, attempt: Callable[[Attempt], bool], step: Attempt) -> bool:
        slots = self._slots()
        if not slots.acquire(timeout=step.seconds):
            raise BusyError
        try:
            return call_within(step.end - self._clock(), attempt, step)
        finally:
            slots.release()

    async def _acall(
        self, attempt: Callable[[Attempt], Coroutine[Any, Any, bool]], step: Attempt
    ) -> bool:
        slots = self._loop_slots()
        try:
            async with asyncio.timeout(step.seconds):
                await slots.acquire()
        except TimeoutError:
            raise BusyError from None
        try:
            return await await_within(step.end - self._clock(), attempt(step))
        finally:
            slots.release()

    def health(self) -> ReplayHealth:
        """Return the condition of the store, without asking it."""
        failing = [each for each in list(self._breakers.values()) if each.problem is not None]
        worst = max(failing, key=lambda each: each.failures, default=None)
        if worst is None or worst.problem is None:
            return ReplayHealth(
                source=self._report.source, status="healthy", problem=None, failures=0
            )
        return ReplayHealth(
            source=self._report.source,
            status="failing",
            problem=worst.problem.text,
            failures=worst.failures,
        )

    def _steps(
        self, deadline: float | None, shard: str, undo: Callable[[], object] | None
    ) -> _Steps:
        """Yield the attempts of a claim, be sent what each returned, and return the answer."""
        began = self._clock()
        end = began + BOTH_ATTEMPTS * self._timeout
        if deadline is not None:
            if not isinstance(deadline, int | float) or deadline != deadline:  # noqa: PLR0124 - NaN
                raise ConfigurationError("deadline must be a reading of time.monotonic")
            end = min(end, deadline)
        if end <= began:
            raise ReplayStoreUnavailableError("the replay store is unreachable: no time is left")
        breaker = self._breakers.get(shard) or self._breakers.setdefault(shard, ClaimBreaker())
        hurried = end - began < CONCLUSIVE * self._timeout
        problem = breaker.problem
        if problem is not None and (breaker.open_for(began) > 0 or (hurried and breaker.is_open)):
            return self._decide(problem, began, breaker)
        breaker.probe(began, end - began)
        problem, asked = None, False
        for number in (1, 2):
            now = self._clock()
            stop = min(now + self._timeout, end)
            if stop <= now:
                break
            step = Attempt(number, stop - now, stop)
            outcome = yield step
            if not isinstance(outcome, Exception):
                if breaker.succeeded():
                    self._report(EventName.BREAKER, outcome="closed")
                    self._report.log(logging.INFO, "the replay store answers again")
                self._report_claim("claimed" if outcome else "replayed", began)
                return outcome
            new = self._problem(outcome, step)
            asked |= new is not _BUSY
            problem = new if problem is None or new not in _OURS else problem
            if new.kind == "misconfigured":
                break
        problem = problem or _HURRIED  # the process stood still before the first attempt
        if problem not in _OURS:
            pause = breaker.failed(problem, began, self._clock())
            if pause is not None:
                self._report(EventName.BREAKER, outcome="open", seconds=pause)
        accepted = self._accept and problem.kind == "unreachable"
        if undo is not None and asked and not accepted and problem.kind != "misconfigured":
            self._undoing.add(undo)
        return self._decide(problem, began, breaker)

    def _problem(self, error: Exception, step: Attempt) -> Problem:
        """Return why an attempt failed."""
        if isinstance(error, BusyError):
            return _BUSY
        if not isinstance(error, TimeoutError):
            return self._explain(error)
        if self._clock() - step.end > LATE:
            return _OVERLOADED
        return unreachable(error) if step.seconds >= CONCLUSIVE * self._timeout else _HURRIED

    def _decide(self, problem: Problem, began: float, breaker: ClaimBreaker[Problem]) -> bool:
        """Accept a token without the store, or raise."""
        if problem.kind == "unreachable" and self._accept:
            text = f"a token was accepted without a replay check: {problem.text}"
            self._report.log(logging.WARNING, text, seconds=self._clock() - began)
            self._report(EventName.REPLAY_UNCHECKED, outcome=problem.name)
            self._report_claim("unchecked", began)
            return True
        misconfigured = problem.kind == "misconfigured"
        kind = ReplayStoreConfigurationError if misconfigured else ReplayStoreUnavailableError
        level, reason = logging.ERROR if misconfigured else logging.WARNING, kind.reason.value
        self._report_claim(problem.kind, began, reason)
        seconds = self._clock() - began
        self._report.log(level, problem.text, reason=reason, seconds=seconds)
        if misconfigured:
            raise ReplayStoreConfigurationError(problem.text)
        pause = breaker.open_for(self._clock())
        raise ReplayStoreUnavailableError(problem.text, retry_after=pause)

    def _report_claim(self, outcome: str, began: float, reason: str = "") -> None:
        if self._report.active:
            seconds = self._clock() - began
            self._report(EventName.CLAIM, outcome=outcome, seconds=seconds, reason=reason)


def unreachable(error: BaseException) -> Problem:
    """Return the problem of a store that could not be reached."""
    name = type(error).__name__
    return Problem("unreachable", name, f"the replay store is unreachable ({name})")
