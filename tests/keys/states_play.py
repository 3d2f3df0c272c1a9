"""KeyStates with a clock that a test moves by hand and fetches that a test ends."""

from __future__ import annotations

from typing import Any

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
from hookkey_verify.events import EventName
from hookkey_verify.keys.health import Health
from hookkey_verify.keys.states import (
    DIRECTORY,
    Decision,
    Fetched,
    FetchOutcome,
    KeyStates,
    Reported,
)

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


NO_OUTAGE = pytest.mark.parametrize(
    "error", [WEAK, KeyChangedError("other")], ids=["weak", "other"]
)


FAILURES = pytest.mark.parametrize(
    "error", [DOWN, REFUSED, WEAK, THROTTLED], ids=lambda error: str(error.reason)
)


def key_of(kid: str, material: str = "1") -> PublicKey:
    """A key that verifies nothing; it is another one when its material is."""
    return PublicKey(kid, "RS256", {"kty": "RSA", "n": material, "e": "AQAB"}, lambda *_: None)


class Play:
    """KeyStates with a clock that is moved by hand and fetches that end when they are told to."""

    def __init__(self, policy: CachePolicy = POLICY, **options: Any) -> None:
        self.policy = policy
        self.states = KeyStates(policy, **options)
        self.now = START
        self.flying: dict[str, int] = {}
        self.launched: list[str] = []
        self.reports: list[Reported] = []  # of the last call

    def look_up(self, kid: str) -> Decision:
        step = self.states.look_up(kid, self.now, self.flying)
        self.reports = list(step.reports)
        if step.launch is not None:
            self.flying[step.launch] = self.states.begin()
            self.launched.append(step.launch)
        return step

    def land(self, kid: str, outcome: FetchOutcome) -> FetchOutcome:
        number = self.flying.pop(kid)
        outcome, reports = self.states.landed(kid, outcome, self.now, number)
        self.reports = reports
        return outcome

    def fetch(self, kid: str, outcome: FetchOutcome | None = None) -> FetchOutcome:
        """Look up, which must begin a fetch, and let it end; with the key if nothing else."""
        assert self.look_up(kid).launch == kid
        return self.land(kid, Fetched(key_of(kid)) if outcome is None else outcome)

    def says(self, kid: str) -> str:
        return told(self.look_up(kid))

    def health(self) -> Health:
        return self.states.health("here", self.now)


def told(step: Decision) -> str:
    """A step in a word; exactly one thing becomes of a look-up, but for a fetch beside a key."""
    assert [step.key, step.error, step.launch, step.join].count(None) == (
        2 if step.key is not None and step.launch is not None else 3
    )
    if step.key is not None and step.launch is not None:
        return "ahead"
    if step.key is not None:
        return next(r.outcome for r in step.reports if r.name is EventName.HIT)
    if step.error is not None:
        return str(step.error.reason)
    if step.launch is not None:
        return "list" if step.launch == DIRECTORY else "fetch"
    return "join list" if step.join == DIRECTORY else "join"


def error_of(step: Decision) -> HookVerificationError:
    assert step.error is not None
    return step.error


def spend(play: Play) -> None:
    while play.says(f"spent-{len(play.launched)}") == "fetch":
        pass


def adopt(play: Play, *keys: PublicKey) -> list[Reported]:
    fetched = Fetched(None, others=keys)
    return play.states.adopt(fetched, play.now, play.states.begin())
