"""The cache: the breaker, which stops all fetches after 401 and 429."""

from __future__ import annotations

import pytest

from hookkey_verify.errors import (
    HookVerificationError,
    KeySourceConfigurationError,
    KeySourceThrottledError,
    KeyUnavailableError,
)
from hookkey_verify.events import EventName
from hookkey_verify.keys.admission import DIRECTORY
from hookkey_verify.keys.breaker import LONGEST_PAUSE
from hookkey_verify.keys.flight import Fetched

from .play import (
    DOWN,
    GONE,
    POLICY,
    REFUSED,
    START,
    THROTTLED,
    WEAK,
    FetchOutcome,
    Play,
    Reported,
    key_of,
    told,
)

pytestmark = pytest.mark.usefixtures("no_chance")


@pytest.mark.parametrize(
    ("age", "becomes"),
    [
        (0, "key_source_throttled"),
        (36.999, "key_source_throttled"),
        (37, "fetch"),
        (37.001, "fetch"),
    ],
)
def test_throttling_concerns_every_kid(play: Play, age: float, becomes: str) -> None:
    """After a 429, no unknown kid is fetched until the requested pause is over."""
    play.fetch("x", THROTTLED)
    assert play.reports == [Reported(EventName.BREAKER, outcome="open", seconds=37)]
    play.now += age
    step = play.look_up("b")
    assert told(step) == becomes
    if isinstance(step.error, KeyUnavailableError):
        assert step.error.retry_after == pytest.approx(37 - age)


def test_throttling_and_keys(play: Play) -> None:
    """A known key is fetched while the breaker is open, and then obeys its own pause.

    A response about a made-up kid never affects a known key.
    """
    for kid, age in (("fresh", 80), ("stale", 100), ("dead", 150)):
        play.now = START - age
        play.keys.expect([kid])
        play.fetch(kid)
    play.now = START
    play.fetch("x", THROTTLED)
    assert play.says("new") == "key_source_throttled"
    assert [play.says(kid) for kid in ("fresh", "stale", "dead")] == ["ahead", "fetch", "fetch"]
    for kid in ("fresh", "stale", "dead"):
        play.land(kid, THROTTLED)
    assert [play.says(kid) for kid in ("fresh", "stale", "dead")] == [
        "fresh",
        "stale",
        "key_source_throttled",
    ]
    play.now = START + 36.999
    assert [play.says(kid) for kid in ("stale", "dead")] == ["stale", "key_source_throttled"]
    play.now = START + 37
    assert [play.says(kid) for kid in ("stale", "dead")] == ["stale, and a fetch", "fetch"]


@pytest.mark.parametrize(
    "error",
    [
        KeySourceConfigurationError("400"),
        KeySourceThrottledError("503", retry_after=37),
        WEAK,
        DOWN,
    ],
    ids=str,
)
def test_what_is_about_one_kid_concerns_no_other(play: Play, error: HookVerificationError) -> None:
    """Only 401 and 429 apply to the whole source; other errors apply to one kid."""
    play.fetch("x", error)
    assert play.health().breaker_open_for == 0
    assert play.says("y") == "fetch"


@pytest.mark.parametrize("kind", ["key", "unknown", "directory"])
def test_an_answer_closes_the_breaker(kind: str) -> None:
    """Any successful response closes the breaker, reports an event and restores health."""
    play = Play(has_directory=True, expected=["a", "b", "c"])
    play.fetch("b", THROTTLED)
    assert (play.says("c"), play.health().status) == ("key_source_throttled", "failing")
    play.now += 37
    play.look_up("x" if kind == "directory" else "a")
    answers: dict[str, FetchOutcome] = {"key": Fetched(key_of("a")), "unknown": GONE}
    play.land(*(("a", answers[kind]) if kind in answers else (DIRECTORY, frozenset("x"))))
    assert play.reports == [Reported(EventName.BREAKER, outcome="closed")]
    assert (play.says("c"), play.health().status) == ("fetch", "healthy")
    assert play.health().breaker_open_for == 0


def test_an_answer_from_before_does_not_close_the_breaker(play: Play) -> None:
    """The result of a fetch from before the breaker opened is kept but does not close it."""
    play.says("a")
    play.fetch("b", THROTTLED)
    play.land("a", Fetched(key_of("a")))
    assert play.reports == []
    assert (play.says("a"), play.says("c")) == ("fresh", "key_source_throttled")


def test_a_breaker_is_closed_once(play: Play) -> None:
    """Only the first success after a pause reports that the breaker closed."""
    play.fetch("x", THROTTLED)
    play.now += 37
    play.fetch("a")
    assert play.reports == [Reported(EventName.BREAKER, outcome="closed")]
    play.now += 100
    play.fetch("a")
    assert play.reports == []


@pytest.mark.parametrize("error", [DOWN, WEAK], ids=lambda error: str(error.reason))
def test_what_one_kid_met_does_not_stop_the_others(
    play: Play, error: HookVerificationError
) -> None:
    """Errors other than 401 and 429 do not open the breaker."""
    play.fetch("x", error)
    assert (play.reports, play.says("a")) == ([], "fetch")


def test_being_refused_opens_the_breaker_for_longer_and_longer(play: Play) -> None:
    """Repeated 401 responses lengthen the pause up to 30 seconds."""
    play.keys.expect(["a"])
    pauses = []
    for _ in range(6):
        play.fetch("a", REFUSED)
        alarm, opened = play.reports
        assert alarm == Reported(EventName.CONFIG_ERROR, outcome="key_source_misconfigured")
        assert (opened.name, opened.outcome) == (EventName.BREAKER, "open")
        assert opened.seconds is not None
        pauses.append(opened.seconds)
        assert play.says("b") == "key_source_misconfigured"
        play.now += opened.seconds - 0.001
        assert play.says("b") == "key_source_misconfigured"
        play.now += POLICY.max_backoff
    assert pauses == [4, 8, 16, LONGEST_PAUSE, LONGEST_PAUSE, LONGEST_PAUSE]


def test_a_success_starts_the_pauses_over(play: Play) -> None:
    """A success resets the count of consecutive 401 responses."""
    for pause in (4, 8):
        play.fetch("x", REFUSED)
        assert play.reports[-1].seconds == pause
        play.now += 60
    play.fetch("a")
    play.now += 60
    play.fetch("y", REFUSED)
    assert play.reports[-1].seconds == 4


def test_being_refused_serves_what_is_kept(play: Play) -> None:
    """A stale key is served after a 401."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", REFUSED)
    assert play.says("a") == "stale"


def test_a_later_refusal_does_not_shorten_the_wait(play: Play) -> None:
    """A later 401 does not shorten the pause that a 429 requested."""
    play.says("a")
    play.says("b")
    play.land("a", THROTTLED)
    play.land("b", REFUSED)
    play.now += 36
    assert play.look_up("c").launch is None
