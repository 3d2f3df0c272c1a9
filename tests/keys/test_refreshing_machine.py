"""The cache with admission under any sequence of look-ups, responses, failures and floods.

A model records what the source holds and has said, and every step is checked against it. All
times are multiples of half a second, so that boundaries are met exactly.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest import mock

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    multiple,
    precondition,
    rule,
)

from hookkey_verify import CachePolicy, PublicKey
from hookkey_verify.errors import (
    HookVerificationError,
    KeyChangedError,
    KeyLookupLimitedError,
    KeyRejectedError,
    KeySourceConfigurationError,
    KeySourceThrottledError,
    KeyUnavailableError,
    UnknownKeyError,
)
from hookkey_verify.events import EventName
from hookkey_verify.keys.admission import DIRECTORY
from hookkey_verify.keys.breaker import LONGEST_PAUSE
from hookkey_verify.keys.flight import Fetched, PendingFetch
from hookkey_verify.keys.refreshing import OVERRUN

from .play import FetchOutcome, Play, Reported, Step

POLICY = CachePolicy(
    fresh_for=100,
    refresh_ahead=0.2,
    stale_if_error=60,
    negative_for=10,
    directory_for=30,
    backoff=2,
    max_backoff=32,
    first_seen_burst=3,
    first_seen_interval=8,
    max_keys=2,
    max_unknown_kids=6,
)
NEVER = float("-inf")
KIDS = ("a", "b", "c")
EXPECTED = "a"
FAILURES = (
    KeyUnavailableError("down"),
    KeyRejectedError("weak"),
    KeySourceConfigurationError("403"),
    KeySourceConfigurationError("401", whole_source=True),
    KeySourceThrottledError("503", retry_after=20),
    KeySourceThrottledError("429", retry_after=20, whole_source=True),
)

SECONDS = (0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 85.0, 100.0, 160.0, 10_000.0)

known_kids = st.sampled_from(KIDS)
any_kid = known_kids | st.integers(0, 10**6).map("x{}".format)
pauses = st.sampled_from([0.0, 0.0, 1.0, 5.0, 30.0, 100.0])
failures = st.sampled_from(FAILURES)


def key_of(kid: str, material: int) -> PublicKey:
    members = {"kty": "RSA", "n": str(material), "e": "AQAB"}
    return PublicKey(kid, "RS256", members, lambda *_: None)


def least_backoff(failed: int) -> float:
    """Return the shortest random pause after this number of consecutive failures."""
    return min(POLICY.max_backoff, POLICY.backoff * 2.0 ** (failed - 1)) / 2


@dataclass(eq=False)
class Flight:
    """A fetch in flight."""

    name: str
    number: int
    started: float
    fetch: tuple[PendingFetch[Any], Callable[[], None]]
    ended: bool = False


@dataclass
class Kept:
    """The model of one key: what the source said, and how the attempts since then ended."""

    material: int | None  # None: invalidated
    born: float
    failed: int = 0
    rejected_since: bool = False  # an attempt brought an unacceptable document
    last: HookVerificationError | None = None
    rests_until: float = NEVER  # earliest end of the back-off


class StatesMachine(RuleBasedStateMachine):
    pending_fetches = Bundle("pending_fetches")

    def __init__(self) -> None:
        super().__init__()
        self.began = 1_000.0
        # Hypothesis seeds random, but not the system's generator.
        self.seeded = mock.patch.object(
            random.SystemRandom, "uniform", lambda _, *ends: random.uniform(*ends)
        )
        self.seeded.start()
        self.held = {"a": 1, "b": 1}  # what the source holds: material by kid
        self.materials = 1
        self.down: HookVerificationError | None = None
        self.flying: dict[str, Flight] = {}
        self.late: set[str] = set()  # kids whose last failure came too late and was ignored
        self.numbers = 0
        # the model
        self.kept: dict[str, Kept] = {}
        self.gone_at: dict[str, float] = {}
        self.refused: set[str] = set()  # kids that were without a key after a fetch
        self.listed: frozenset[str] = frozenset()
        self.listed_at = self.list_ended_at = NEVER
        self.first_seen = 0
        self.breaker_least = self.breaker_most = NEVER
        self.breaker_since = self.refused_in_a_row = 0

    @property
    def now(self) -> float:
        return self.play.now

    @initialize(directory=st.booleans())
    def begin(self, directory: bool) -> None:
        self.directory = directory
        self.play = Play(POLICY, expected=[EXPECTED], has_directory=directory)
        self.usual_course([(0, kid, None) for kid in KIDS])

    def teardown(self) -> None:
        self.seeded.stop()

    # --- look-ups

    @rule(target=pending_fetches, kid=any_kid)
    def look_up(self, kid: str) -> object:
        step = self.play.look_up(kid)
        assert [step.key, step.error, step.join].count(None) >= 2
        assert (step.key or step.error or step.join or step.launch) is not None
        if step.key is not None:
            self._may_serve(kid, step.key, in_a_hurry=False)
        else:
            assert not self._is_fresh(kid), "a fresh key is always served"
        if step.error is not None:
            assert step.launch is None
            self._may_say(kid, step.error)
        if step.join is not None:
            assert step.join in self.flying
            assert step.join in (kid, DIRECTORY)
        if step.launch is None:
            return multiple()
        return self._launch(kid, step, step.launch)

    def _launch(self, kid: str, step: Step, launched: str) -> Flight:
        self._may_launch(kid, step)
        self.numbers += 1
        fetch = self.play.in_flight[launched]
        flight = self.flying[launched] = Flight(launched, self.numbers, self.now, fetch)
        return flight

    @rule(target=pending_fetches, first=st.integers(0, 10**6), many=st.integers(5, 15))
    def flood(self, first: int, many: int) -> object:
        launched = [self.look_up(f"x{first + each}") for each in range(many)]
        return multiple(*(each for each in launched if isinstance(each, Flight)))

    @rule(target=pending_fetches, kid=any_kid)
    def look_up_without_time(self, kid: str) -> object:
        step = self.play.look_up(kid, seconds=0)
        assert step.join is None
        if step.key is not None:
            self._may_serve(kid, step.key, in_a_hurry=True)
        elif not isinstance(step.error, KeyUnavailableError):
            assert step.error is not None
            self._may_say(kid, step.error)
        if step.launch is None:
            return multiple()
        assert step.key is not None
        return self._launch(kid, step, step.launch)

    # --- how fetches end, in any order

    @rule(steps=st.lists(st.tuples(pauses, known_kids, st.none() | failures), min_size=3))
    def usual_course(self, steps: list[tuple[float, str, HookVerificationError | None]]) -> None:
        """Look up at intervals; each fetch that is needed ends at once."""
        for seconds, kid, error in steps:
            self.wait(seconds)
            pending = self.look_up(kid)
            if isinstance(pending, Flight) and error is not None:
                self._land(pending, error)
            elif isinstance(pending, Flight):
                self.end(pending)
            self.keys_are_those_of_the_book()
            self.calls_are_bounded()

    @rule(pending=consumes(pending_fetches))
    def end(self, pending: Flight) -> None:
        """End a fetch with what the source holds, or with its outage."""
        kid = pending.name
        if self.down is not None:
            self._land(pending, self.down)
        elif kid == DIRECTORY:
            self._land(pending, frozenset(self.held))
        elif kid in self.held:
            self._land(pending, Fetched(key_of(kid, self.held[kid])))
        else:
            self._land(pending, UnknownKeyError("not here"))

    @precondition(lambda self: self.down is None)
    @rule(pending=consumes(pending_fetches), age=st.sampled_from([10.0, 79.5, 90.0, 100.0, 500.0]))
    def end_with_an_old_record(self, pending: Flight, age: float) -> None:
        kid = pending.name
        if kid in self.held:
            self._land(pending, Fetched(key_of(kid, self.held[kid]), age=age))
        else:
            self.end(pending)

    @rule(pending=consumes(pending_fetches), error=failures)
    def fail(self, pending: Flight, error: HookVerificationError) -> None:
        self._land(pending, error)

    # --- other events

    @rule(seconds=st.sampled_from(SECONDS))
    def wait(self, seconds: float) -> None:
        if seconds > 60:  # the cache abandons fetches that take longer
            for flight in list(self.flying.values()):
                self.end(flight)
        for flight in list(self.flying.values()):
            if self.now + seconds > flight.started + 60:
                self.end(flight)
        self.play.now += seconds

    @precondition(lambda self: self.kept)
    @rule(
        which=st.integers(0, POLICY.max_keys),
        age=st.sampled_from([POLICY.fresh_for, POLICY.fresh_for + POLICY.stale_if_error]),
        offset=st.sampled_from([-0.5, 0.0, 0.5, 10.0]),
    )
    def wait_for_a_boundary(self, which: int, age: float, offset: float) -> None:
        page = list(self.kept.values())[which % len(self.kept)]
        if page.material is not None:
            self.wait(max(0.0, page.born + age + offset - self.now))

    @rule(error=st.none() | failures)
    def outage_begins_or_ends(self, error: HookVerificationError | None) -> None:
        self.down = error

    @rule(kid=known_kids, exists=st.booleans())
    def change_or_delete(self, kid: str, exists: bool) -> None:
        self.materials += 1
        if exists:
            self.held[kid] = self.materials
        else:
            self.held.pop(kid, None)

    @rule(kid=any_kid)
    def invalidate(self, kid: str) -> None:
        self.flying.pop(kid, None)  # its result is not cached
        self.play.keys.invalidate(kid)
        self.gone_at.pop(kid, None)
        if kid in self.kept:
            page = self.kept[kid]
            page.material, page.last, page.rests_until, page.born = None, None, NEVER, NEVER

    # --- checks

    def _is_fresh(self, kid: str) -> bool:
        page = self.kept.get(kid)
        return page is not None and page.material is not None and self._age(page) < POLICY.fresh_for

    def _age(self, page: Kept) -> float:
        return self.now - page.born

    def _may_serve(self, kid: str, key: PublicKey, *, in_a_hurry: bool) -> None:
        """Check that a served key is what the source said, and stale only in an outage."""
        assert kid in self.kept, "never fetched, or revoked since"
        page = self.kept[kid]
        assert page.material is not None, "invalidated"
        assert key == key_of(kid, page.material)
        assert self._age(page) < POLICY.fresh_for + POLICY.stale_if_error
        if self._age(page) >= POLICY.fresh_for:
            assert not page.rejected_since
            assert page.last is not None or in_a_hurry

    def _may_say(self, kid: str, error: HookVerificationError) -> None:
        if isinstance(error, UnknownKeyError):
            gone = self.now < self.gone_at.get(kid, NEVER) + POLICY.negative_for
            assert gone or (self._list_is_believed() and kid not in self.listed)
        elif isinstance(error, KeyLookupLimitedError):
            assert self._is_first_seen(kid)
            assert error.retry_after > 0
        elif isinstance(error, KeyUnavailableError):
            assert 0 < error.retry_after <= POLICY.max_backoff

    def _list_is_believed(self) -> bool:
        return self.now < self.listed_at + POLICY.directory_for

    def _is_first_seen(self, kid: str) -> bool:
        listed = self._list_is_believed() and kid in self.listed
        return kid not in self.kept and kid != EXPECTED and not listed

    def _may_launch(self, kid: str, step: Step) -> None:
        assert step.launch not in self.flying, "two fetches of one kid"
        assert kid in self.kept or self.now >= self.breaker_least, "the source said to wait"
        if step.launch == DIRECTORY:
            assert self.directory
            assert kid not in self.kept
            assert self.now >= self.list_ended_at + POLICY.directory_for
            return
        assert step.launch == kid
        if self.directory and self._list_is_believed():
            assert kid in self.listed or kid == EXPECTED or kid in self.kept, "it is not listed"
        if len(self.refused) <= POLICY.max_unknown_kids:  # beyond it some are evicted
            assert self.now >= self.gone_at.get(kid, NEVER) + POLICY.negative_for
        if kid in self.kept:
            assert self.now >= self.kept[kid].rests_until, "too soon after a failure"
        if self._is_first_seen(kid):
            self.first_seen += 1

    def _land(self, pending: Flight, outcome: FetchOutcome) -> None:
        if pending.ended:
            return
        pending.ended = True
        kid, current = pending.name, self.flying.get(pending.name) is pending
        if current:
            del self.flying[kid]
        before = self.play.kept()
        told = self.play.finish(pending.fetch, outcome)
        after, reports = self.play.kept(), self.play.reports
        if not current:  # invalidated during the fetch
            assert after == before
            return
        late = self.now > pending.started + POLICY.fetch_timeout + OVERRUN
        if late and isinstance(outcome, KeyUnavailableError) and kid not in self.late:
            self.late.add(kid)
            assert (told, after, reports) == (None, before, [])
            return
        self.late.discard(kid)
        if isinstance(outcome, Fetched) and self._differs(self.kept.get(kid), outcome.value):
            assert isinstance(told, KeyChangedError)
            outcome = told
        if isinstance(outcome, Fetched):
            assert told == outcome._replace(age=outcome.age + self.now - pending.started)
            self._answered(pending.number)
            self._stored(kid, told, reports)
        elif isinstance(outcome, frozenset):
            self._answered(pending.number)
            self.listed, self.listed_at = outcome, pending.started
            self.list_ended_at = pending.started
        elif isinstance(outcome, UnknownKeyError):
            self._answered(pending.number)
            known = self.kept.pop(kid, None)
            assert (known is not None) == (Reported(EventName.KEY_REVOKED, kid) in reports)
            assert kid not in after
            self.gone_at[kid] = pending.started
            self.refused.add(kid)
        else:
            assert after == before, "a failed attempt changes no key"
            self._failed(kid, outcome)

    def _differs(self, page: Kept | None, key: PublicKey) -> bool:
        if page is None or page.material is None:
            return False
        return key != key_of(key.kid, page.material)

    def _stored(self, kid: str, fetched: Fetched[PublicKey], reports: list[Reported]) -> None:
        for report in reports:
            if report.name is EventName.EVICTED:
                assert report.kid is not None
                assert self.kept[report.kid].born == min(page.born for page in self.kept.values())
                del self.kept[report.kid]
        self.gone_at.pop(kid, None)
        self.kept[kid] = Kept(int(fetched.value.as_jwk()["n"]), self.now - fetched.age)

    def _answered(self, number: int) -> None:
        if number <= self.breaker_since:
            return  # the fetch started before the breaker opened
        self.breaker_least = self.breaker_most = NEVER
        self.refused_in_a_row = 0

    def _failed(self, kid: str, error: HookVerificationError) -> None:
        if kid == DIRECTORY:
            self.list_ended_at = self.now
        elif kid in self.kept:
            page = self.kept[kid]
            page.failed += 1
            page.rejected_since |= isinstance(error, KeyRejectedError)
            rest = least_backoff(page.failed)
            if isinstance(error, KeySourceThrottledError):
                rest = max(rest, error.retry_after)
            page.last, page.rests_until = error, self.now + rest
        else:
            self.refused.add(kid)
        if not getattr(error, "whole_source", False):
            return
        if isinstance(error, KeySourceThrottledError):
            self._opens(error.retry_after, error.retry_after)
        elif isinstance(error, KeySourceConfigurationError):
            self.refused_in_a_row += 1
            least = least_backoff(self.refused_in_a_row)
            self._opens(min(least, LONGEST_PAUSE), min(2 * least, LONGEST_PAUSE))

    def _opens(self, least: float, most: float) -> None:
        self.breaker_since = self.numbers
        self.breaker_least = max(self.breaker_least, self.now + least)
        self.breaker_most = max(self.breaker_most, self.now + most)

    # --- after every step

    @invariant()
    def keys_are_those_of_the_book(self) -> None:
        kept = {k: self._age(page) for k, page in self.kept.items() if page.material is not None}
        assert self.play.kept() == kept

    @invariant()
    def sizes_are_bounded(self) -> None:
        assert self.play.keys.stats().keys <= len(self.kept) <= POLICY.max_keys
        assert self.play.unknown_kids <= POLICY.max_unknown_kids

    @invariant()
    def calls_are_bounded(self) -> None:
        """Fetches of unknown kids never exceed the burst plus the refill."""
        refill = (self.now - self.began) / POLICY.first_seen_interval
        assert self.first_seen <= POLICY.first_seen_burst + refill

    @invariant()
    def health_tells_the_truth(self) -> None:
        health = self.play.health()
        assert set(health.keys) == {k for k, page in self.kept.items() if page.material is not None}
        assert all((k.state == "fresh") == (k.age < POLICY.fresh_for) for k in health.keys.values())
        if health.status == "failing":
            assert all(
                key.state == "expired" or (key.state == "stale" and self.kept[kid].rejected_since)
                for kid, key in health.keys.items()
            )
        assert health.breaker_open_for <= max(0.0, self.breaker_most - self.now)


TestStates = StatesMachine.TestCase
TestStates.settings = settings(deadline=None, max_examples=100, stateful_step_count=40)
