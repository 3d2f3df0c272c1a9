"""KeyCache: public keys by kid, through outages, floods and slow sources. No HTTP, no Okta.

What becomes of a look-up is decided in ``states``, under a lock and without I/O; around it stand,
in here, threads, waiting and events. A fetch runs in a thread of its own and holds no lock, so that
a caller who leaves, by deadline or by cancellation, takes nothing away from the others, and no slow
kid delays another. Its result, key or error, is everybody's who waits.

Okta marks its answers ``no-store`` (which would mean one API call a token) while the material under
one keyId never changes, so the lifetime is ours to choose: it bounds how long a deleted key is
still accepted.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Collection
from concurrent.futures import Future
from contextlib import suppress

from .._jose.jwk import PublicKey
from .._runtime import clock as clocks
from .._runtime.clock import Clock
from .._runtime.forking import renew_after_fork
from .._runtime.log import logger
from ..errors import HookVerificationError, KeyUnavailableError, UnknownKeyError
from ..events import EventName, OnEvent, Reporter, shown
from .health import Health, Stats
from .policy import CachePolicy
from .states import DIRECTORY, Decision, Fetched, FetchOutcome, KeyStates, Reported, again

__all__ = ["Fetch", "Fetched", "KeyCache", "ListKids"]

Fetch = Callable[[str, float], Fetched]
"""``fetch(kid, deadline)``, monotonic seconds: what was fetched, or a ``HookVerificationError``."""

ListKids = Callable[[float], Collection[str]]
"""``list_kids(deadline)``: every kid that exists, or a ``HookVerificationError``."""

GRACE = 0.1
"""Seconds that a look-up waits beyond ``fetch_timeout``: the fetch has its own, better words."""

ABANDONED = 60
"""Seconds after which a fetch that is overdue is not believed to end, and another one may begin."""


class PendingFetch(Future[FetchOutcome]):
    """A fetch under way, which nobody can cancel; nobody waits for it beyond ``until``.

    It may take longer than it should: no deadline ends the resolution of a host name.
    """

    def __init__(self, number: int, until: float, *, of_directory: bool) -> None:
        super().__init__()
        self.number = number
        self.of_directory = of_directory
        self.until = until
        self.landed = False
        self.wakers: set[Callable[[], object]] = set()
        """What to call when it lands, for those who wait on an event loop."""
        self.set_running_or_notify_cancel()


class KeyCache:
    """Keys by kid behind a ``Fetch``. For any number of threads and event loops; survives forks."""

    def __init__(
        self,
        fetch: Fetch,
        policy: CachePolicy,
        *,
        source: str = "",
        expected: Collection[str] = (),
        list_kids: ListKids | None = None,
        keys_may_change: bool = False,
        on_event: OnEvent | None = None,
        clock: Clock = clocks.monotonic_clock,
        age_clock: Clock | None = None,
    ) -> None:
        """``source`` is its name in events and logs.

        ``expected`` kids are known beforehand and spend no budget; ``list_kids`` tells which kids
        exist, so that others are refused without a fetch; ``keys_may_change`` accepts other
        material under a known kid. ``clock`` returns the seconds that deadlines are made of,
        ``age_clock`` those of ages and waits (None: the machine's, which counts sleep).
        """
        self._fetch = fetch
        self._list_kids = list_kids
        self._timeout = policy.fetch_timeout
        self._report = Reporter(source, on_event)
        self._clock = clock
        self._age_clock = clocks.age_clock if age_clock is None else age_clock
        self._states = KeyStates(
            policy,
            expected=expected,
            has_directory=list_kids is not None,
            keys_may_change=keys_may_change,
        )
        self._entries = self._states.entries
        self._hits = self._stale_hits = self._negative_hits = 0
        self._fetches = self._failures = 0
        self._counts = dict.fromkeys(EventName, 0)
        self._start_over()
        renew_after_fork(self)

    def _start_over(self) -> None:
        self._lock = threading.Lock()  # for changes; a look-up of one dict needs none
        self._pending: dict[str, PendingFetch] = {}

    def renew(self) -> None:
        """In a forked child: keep the keys; the threads that fetched or held the lock are gone."""
        self._start_over()
        self._states.reset_after_fork()

    def peek(self, kid: str) -> PublicKey | None:
        """Return the key if it is here and need not be refreshed. No lock, no I/O."""
        entry = self._entries.get(kid)
        if entry is not None and self._age_clock() < entry.refresh_at:
            key = entry.key
            if key is not None:  # else it was invalidated this very moment
                self._hits += 1
                if self._report.active:
                    self._report(EventName.HIT, kid, "fresh")
            return key
        return None

    def get(self, kid: str, *, deadline: float | None = None) -> PublicKey:
        """Return the key, fetching it if need be, or raise what the fetch raised.

        ``deadline`` is when this caller leaves, in monotonic seconds; the fetch goes on.
        """
        key = self.peek(kid)
        latest = self.latest(deadline)
        while key is None:
            step, pending = self._begin(kid, latest)
            if pending is not None:
                with suppress(TimeoutError):
                    pending.result(self._patience(pending, latest))
                step = self._end(kid, pending)
            key = _settled(step)
        return key

    async def aget(self, kid: str, *, deadline: float | None = None) -> PublicKey:
        """Do as ``get`` and never block the event loop; to cancel it cancels no fetch."""
        key = self.peek(kid)
        latest = self.latest(deadline)
        while key is None:
            step, pending = self._begin(kid, latest)
            if pending is not None:
                await _landing(pending, self._patience(pending, latest))
                step = self._end(kid, pending)
            key = _settled(step)
        return key

    def expect(self, kids: Collection[str]) -> None:
        """Spend no budget on these kids: it is not senders who name them."""
        with self._lock:
            self._states.expected.update(kids)

    def begin(self) -> int:
        """Number a fetch that the caller makes, before it begins; ``adopt`` takes its result."""
        with self._lock:
            return self._states.begin()

    def adopt(self, fetched: Fetched, number: int) -> None:
        """Keep keys that were fetched without being asked for by kid."""
        with self._lock:
            reports = self._states.adopt(fetched, self._age_clock(), number)
            self._count(reports)
        self._tell(reports)

    def invalidate(self, kid: str) -> None:
        """Forget this key; the next look-up fetches, and a fetch in flight is not believed."""
        with self._lock:
            self._pending.pop(kid, None)
            self._states.invalidate(kid)

    def health(self) -> Health:
        """Tell how the source is doing, per kid."""
        with self._lock:
            return self._states.health(self._report.source, self._age_clock())

    def stats(self) -> Stats:
        """Return the counts so far."""
        with self._lock:
            return Stats(
                hits=self._hits,
                stale_hits=self._stale_hits,
                negative_hits=self._negative_hits,
                misses=self._counts[EventName.MISS],
                coalesced=self._counts[EventName.COALESCED],
                fetches=self._fetches,
                failures=self._failures,
                limited=self._counts[EventName.LIMITED],
                keys=sum(entry.key is not None for entry in self._entries.values()),
                unknown_kids=self._states.unknown_kids,
            )

    def latest(self, deadline: float | None = None) -> float:
        """Return when a look-up that begins now must end, in monotonic seconds."""
        latest = self._clock() + self._timeout + GRACE
        if deadline is None:
            return latest
        if not isinstance(deadline, int | float):
            raise KeyUnavailableError("deadline must be a reading of time.monotonic")
        return min(deadline, latest)

    def _patience(self, pending: PendingFetch, latest: float) -> float:
        return max(0.0, min(latest, pending.until) - self._clock())

    def _begin(self, kid: str, latest: float) -> tuple[Decision, PendingFetch | None]:
        """Decide on a look-up, begin the fetch if there is to be one, return what to wait for."""
        pending = launching = None
        step = Decision()
        try:
            with self._lock:
                now = self._clock()
                self._abandon(kid, now)
                if latest <= now:
                    step = self._states.lookup_without_waiting(
                        kid, self._age_clock(), self._pending
                    )
                else:
                    step = self._states.look_up(kid, self._age_clock(), self._pending)
                if step.join is not None:
                    pending = self._pending[step.join]
                elif step.launch is not None:
                    until, of_directory = now + self._timeout + GRACE, step.launch == DIRECTORY
                    pending = PendingFetch(self._states.begin(), until, of_directory=of_directory)
                    self._pending[step.launch] = launching = pending
                self._count(step.reports)
            if launching is not None and step.launch is not None:
                self._launch(step.launch, launching)
        except BaseException:  # a signal's, say: others may have joined what will never fly
            if launching is not None and step.launch is not None:
                late = KeyUnavailableError("the look-up that began the fetch was interrupted")
                self._land(step.launch, launching, late, 0.0)
            raise
        self._tell(step.reports)
        return step, pending if step.key is None else None

    def _abandon(self, kid: str, now: float) -> None:
        """Forget a fetch that is so late that it may never come back."""
        for name in (kid, DIRECTORY):
            pending = self._pending.get(name)
            if pending is not None and pending.until + ABANDONED < now:
                del self._pending[name]

    def _end(self, kid: str, pending: PendingFetch) -> Decision:
        """Tell what the pending means for this look-up; an empty step: decide anew."""
        outcome: FetchOutcome = KeyUnavailableError("the key did not come within the deadline")
        if pending.done():
            if pending.of_directory:
                return Decision()  # with the list, or without it by the budget
            outcome = pending.result()
        if isinstance(outcome, Fetched) and outcome.key is not None:
            return Decision(key=outcome.key)
        error = outcome.problem if isinstance(outcome, Fetched) else outcome
        if not isinstance(error, HookVerificationError):
            error = KeyUnavailableError("the fetch brought no key")
        with self._lock:
            now = self._age_clock()
            step = self._states.stale(kid, error, now)
            wait = self._states.wait(kid, now)
            if step is not None:
                self._count(step.reports)
        if step is None:
            return Decision(error=again(error, wait))
        self._tell(step.reports)
        return step

    def _launch(self, kid: str, pending: PendingFetch) -> None:
        # A daemon, and no executor: neither may keep the interpreter from exiting.
        fly = threading.Thread(
            target=self._fly, args=(kid, pending), name="hookkey-fetch", daemon=True
        )
        try:
            fly.start()
        except RuntimeError:  # no more threads, or the interpreter is exiting
            self._land(kid, pending, KeyUnavailableError("no thread could be started"), 0.0)

    def _fly(self, kid: str, pending: PendingFetch) -> None:
        started = self._clock()
        outcome: FetchOutcome = KeyUnavailableError("the fetch was interrupted")
        try:
            deadline = started + self._timeout
            if kid == DIRECTORY and self._list_kids is not None:
                outcome = frozenset(self._list_kids(deadline))
            else:
                outcome = self._fetch(kid, deadline)
        except HookVerificationError as error:
            outcome = error.with_traceback(None)  # its frames would be kept as long as it is
        except BaseException as error:  # whoever waits must be released, whatever it was
            outcome = KeyUnavailableError(f"the fetch raised {type(error).__name__}")
        finally:
            self._land(kid, pending, outcome, max(0.0, self._clock() - started))

    def _land(self, kid: str, pending: PendingFetch, outcome: FetchOutcome, seconds: float) -> None:
        """Keep what came, release everybody who waits, then tell of it. Once for each pending."""
        reports: list[Reported] = []
        with self._lock:
            if pending.landed:
                return
            pending.landed = True
        try:
            with self._lock:
                # Not there, or another one: invalidated meanwhile. Whoever waits gets the answer,
                # but nobody after them.
                if self._pending.get(kid) is pending:
                    del self._pending[kid]
                    now = self._age_clock()
                    outcome, reports = self._states.landed(kid, outcome, now, pending.number)
                named = None if kid == DIRECTORY else kid
                problem = outcome.problem if isinstance(outcome, Fetched) else outcome
                verdict = "ok"
                if isinstance(outcome, Fetched) and outcome.from_shared_store:
                    verdict = "shared"
                if isinstance(problem, HookVerificationError):
                    verdict = str(problem.reason)
                    self._failures += not isinstance(problem, UnknownKeyError)
                self._fetches += verdict != "shared"
                reports.insert(0, Reported(EventName.FETCH, named, verdict, seconds))
                self._count(reports)
        finally:
            pending.set_result(outcome)
            for wake in list(pending.wakers):
                wake()
        if isinstance(problem, HookVerificationError):
            what = "its list of keys" if named is None else f"the key {shown(named)}"
            level = logging.INFO if isinstance(problem, UnknownKeyError) else logging.WARNING
            logger.log(level, "%s: fetching %s: %s", self._report.source, what, problem)
        self._tell(reports)

    def _count(self, reports: Collection[Reported]) -> None:
        for report in reports:
            self._counts[report.name] += 1
            if report.name is EventName.HIT:
                if report.outcome == "negative":
                    self._negative_hits += 1
                    continue
                self._hits += 1
                self._stale_hits += report.outcome == "stale"

    def _tell(self, reports: Collection[Reported]) -> None:
        for report in reports:
            self._report(*report)


def _settled(step: Decision) -> PublicKey | None:
    if step.error is not None:
        raise step.error
    return step.key


async def _landing(pending: PendingFetch, seconds: float) -> None:
    """Wait for a pending on this event loop, at most so long."""
    if seconds <= 0:
        return
    loop = asyncio.get_running_loop()
    landed = asyncio.Event()

    def wake() -> None:
        with suppress(RuntimeError):  # the loop may be closed by now
            loop.call_soon_threadsafe(landed.set)

    pending.wakers.add(wake)
    try:
        # Not wait_for: before Python 3.12 it can swallow the cancellation of its caller.
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                if not pending.done():
                    await landed.wait()
    finally:
        pending.wakers.discard(wake)
