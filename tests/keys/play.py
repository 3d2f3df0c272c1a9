"""A cache of keys with admission, with a manual clock and fetches that a test ends."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import pytest

from hookkey_verify import CachePolicy, PublicKey
from hookkey_verify.errors import (
    HookVerificationError,
    KeyChangedError,
    KeyRejectedError,
    KeySourceConfigurationError,
    KeySourceThrottledError,
    KeyUnavailableError,
    UnknownKeyError,
)
from hookkey_verify.events import Event, EventName
from hookkey_verify.keys.admission import DIRECTORY
from hookkey_verify.keys.flight import Fetched, PendingFetch
from hookkey_verify.keys.health import Health

from .controlled_fetches import KeyCache

POLICY = CachePolicy(
    fresh_for=100,
    refresh_ahead=0.2,
    stale_if_error=50,
    negative_for=10,
    directory_for=30,
    backoff=4,
    max_backoff=60,
    first_seen_burst=2,
    first_seen_interval=10,
    max_keys=3,
    max_unknown_kids=4,
)


START = 1_000.0
GONE = UnknownKeyError("not here")
DOWN = KeyUnavailableError("down")
REFUSED = KeySourceConfigurationError("401", whole_source=True)
WEAK = KeyRejectedError("weak")
THROTTLED = KeySourceThrottledError("429", retry_after=37, whole_source=True)
TOLD_TO_WAIT = KeySourceThrottledError("503", retry_after=37)


NO_OUTAGE = pytest.mark.parametrize(
    "error", [WEAK, KeyChangedError("other")], ids=["weak", "other"]
)


FAILURES = pytest.mark.parametrize(
    "error", [DOWN, REFUSED, WEAK, THROTTLED], ids=lambda error: str(error.reason)
)

FetchOutcome = Fetched[Any] | frozenset[str] | HookVerificationError
"""What a fetch returns or raises: a key, the directory, or an error."""


class Reported(NamedTuple):
    """An event, without its source."""

    name: EventName
    kid: str | None = None
    outcome: str = ""
    seconds: float | None = None


class Step(NamedTuple):
    """What a look-up got: a key, an error, or a fetch to wait for.

    ``launch`` names the fetch that it started (with a key: in the background). ``join`` names the
    fetch in flight that it waits for.
    """

    reports: list[Reported]
    key: PublicKey | None = None
    error: HookVerificationError | None = None
    launch: str | None = None
    join: str | None = None


def key_of(kid: str, material: str = "1") -> PublicKey:
    """Return a key that verifies nothing; other material makes it a different key."""
    return PublicKey(kid, "RS256", {"kty": "RSA", "n": material, "e": "AQAB"}, lambda *_: None)


class Play:
    """Look-ups that do not block, with fetches that end when the test says so."""

    def __init__(
        self,
        policy: CachePolicy = POLICY,
        *,
        expected: Collection[str] = (),
        has_directory: bool = False,
    ) -> None:
        self.policy = policy
        self.now = self.wall = START
        self.in_flight: dict[str, tuple[PendingFetch[Any], Callable[[], None]]] = {}
        self.launched: list[str] = []
        self.reports: list[Reported] = []  # events of the last call
        self._outcome: FetchOutcome = DOWN
        self.keys = KeyCache(
            self._fetch,
            policy,
            source="here",
            expected=expected,
            list_kids=self._list if has_directory else None,
            on_event=self._note,
            clock=lambda: self.now,
            age_clock=lambda: self.now,
            wall_clock=lambda: self.now + self.wall,
            start=self._start,
        )

    def _note(self, event: Event) -> None:
        if event.name is not EventName.FETCH:
            self.reports.append(Reported(event.name, event.kid, event.outcome, event.seconds))

    def _start(self, work: Callable[..., None], name: str, pending: PendingFetch[Any]) -> None:
        self.launched.append(name)
        self.in_flight[name] = pending, lambda: work(name, pending)

    def _fetch(self, kid: str, deadline: float) -> Fetched[PublicKey]:
        if isinstance(self._outcome, HookVerificationError):
            raise self._outcome
        assert isinstance(self._outcome, Fetched)
        return self._outcome

    def _list(self, deadline: float) -> frozenset[str]:
        if isinstance(self._outcome, HookVerificationError):
            raise self._outcome
        assert isinstance(self._outcome, frozenset)
        return self._outcome

    def look_up(self, kid: str, *, seconds: float = 2) -> Step:
        """Look up a key. ``seconds`` is the time that the caller has."""
        self.reports, before = [], len(self.launched)
        key = error = join = waits_for = None
        try:
            key = self.keys.peek(kid)
            if key is None:
                waits_for = next(self.keys.admission.look_up(kid, self.now + seconds)).pending
        except StopIteration as stop:
            key = stop.value
        except HookVerificationError as problem:
            error = problem
        [*launched] = self.launched[before:]
        assert len(launched) <= 1
        if waits_for is not None and not launched:
            [join] = [name for name, (each, _) in self.in_flight.items() if each is waits_for]
        return Step(self.reports, key, error, launched[0] if launched else None, join)

    def land(self, name: str, outcome: FetchOutcome) -> Any:
        """End a fetch, and return what its callers get."""
        return self.finish(self.in_flight.pop(name), outcome)

    def finish(
        self, fetch: tuple[PendingFetch[Any], Callable[[], None]], outcome: FetchOutcome
    ) -> Any:
        """End one of several fetches of a name, and return what its callers get."""
        pending, work = fetch
        self.reports, self._outcome = [], outcome
        work()
        return pending.result()

    def fetch(self, kid: str, outcome: FetchOutcome | None = None) -> Any:
        """Look up a kid, which must start a fetch, and end it: with its key by default."""
        assert self.look_up(kid).launch == kid
        return self.land(kid, Fetched(key_of(kid)) if outcome is None else outcome)

    def says(self, kid: str, *, seconds: float = 2) -> str:
        return told(self.look_up(kid, seconds=seconds))

    def health(self) -> Health:
        return self.keys.health()

    def kept(self) -> dict[str, float]:
        """Return the age of each key."""
        return {kid: key.age for kid, key in self.health().keys.items()}

    @property
    def unknown_kids(self) -> int:
        return self.keys.stats().unknown_kids


def told(step: Step) -> str:
    """Return a word for the result of a look-up."""
    assert [step.key, step.error, step.launch, step.join].count(None) == (
        2 if step.key is not None and step.launch is not None else 3
    )
    if step.key is not None:
        hit = next(r.outcome for r in step.reports if r.name is EventName.HIT)
        if step.launch is None:
            return hit
        return "ahead" if hit == "fresh" else "stale, and a fetch"
    if step.error is not None:
        return str(step.error.reason)
    if step.launch is not None:
        return "list" if step.launch == DIRECTORY else "fetch"
    return "join list" if step.join == DIRECTORY else "join"


def error_of(step: Step) -> HookVerificationError:
    assert step.error is not None
    return step.error


def spend(play: Play) -> None:
    """Spend the budget for unknown kids."""
    while play.says(f"spent-{len(play.launched)}") == "fetch":
        pass
