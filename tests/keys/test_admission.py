"""The cache: budget and directory decide which unknown kids may cause a fetch."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from hookkey_verify import CachePolicy
from hookkey_verify.errors import HookVerificationError, KeyLookupLimitedError
from hookkey_verify.events import EventName
from hookkey_verify.keys.admission import DIRECTORY
from hookkey_verify.keys.flight import Fetched

from .play import (
    DOWN,
    FAILURES,
    GONE,
    POLICY,
    REFUSED,
    START,
    THROTTLED,
    WEAK,
    FetchOutcome,
    Play,
    Reported,
    Step,
    error_of,
    key_of,
    spend,
    told,
)

pytestmark = pytest.mark.usefixtures("no_chance")


def test_the_budget(play: Play) -> None:
    """Each unknown kid spends one from the budget, which refills one by one up to the burst."""
    assert [play.says(kid) for kid in "xyz"] == ["fetch", "fetch", "key_lookup_limited"]
    assert play.reports == [Reported(EventName.LIMITED, "z", "first_seen", 10)]
    play.now += 4
    error = error_of(play.look_up("z"))
    assert isinstance(error, KeyLookupLimitedError)
    assert error.retry_after == pytest.approx(6)
    play.now += 6
    assert [play.says(kid) for kid in "zv"] == ["fetch", "key_lookup_limited"]
    play.now += 10_000
    assert [play.says(kid) for kid in "stu"] == ["fetch", "fetch", "key_lookup_limited"]


def test_a_limited_kid_is_not_remembered(play: Play) -> None:
    """A look-up refused by the budget leaves no record of its kid."""
    for kid in "xyz":
        play.says(kid)
    assert play.unknown_kids == 0


def test_expected_kids_spend_no_budget() -> None:
    """Expected kids are fetched although the budget is spent, also after they were unknown."""
    play = Play(expected=["a", "b"])
    spend(play)
    assert (play.says("a"), play.says("b"), play.says("c")) == (
        "fetch",
        "fetch",
        "key_lookup_limited",
    )
    play.land("a", GONE)
    assert play.says("a") == "unknown_key"
    play.now += 10
    spend(play)
    assert play.says("a") == "fetch"


def _flood(
    play: Play,
    answer: Callable[[str], FetchOutcome],
    kids: Callable[[int], str] = "x{}".format,
    seconds: float = 60,
) -> Iterator[Step]:
    """Yield 10 000 look-ups, spread evenly over ``seconds``; every fetch ends at once."""
    for number in range(10_000):
        play.now = START + seconds * number / 10_000
        step = play.look_up(kids(number))
        yield step
        for kid in list(play.in_flight):
            play.land(kid, answer(kid))


def test_a_flood_of_unknown_kids() -> None:
    """10 000 unknown kids in 60 seconds cost the burst and one request every 10 seconds."""
    play = Play(CachePolicy())
    outcomes = {told(step) for step in _flood(play, lambda _: GONE)}
    assert outcomes == {"fetch", "key_lookup_limited"}
    assert len(play.launched) == 5 + 5
    assert play.unknown_kids == 10


@pytest.mark.parametrize("error", [DOWN, WEAK, REFUSED, THROTTLED], ids=lambda e: str(e.reason))
def test_a_flood_while_every_fetch_fails(error: HookVerificationError) -> None:
    """A failed fetch spends the budget like any other."""
    play = Play(CachePolicy())
    for _ in _flood(play, lambda _: error):
        pass
    assert 1 <= len(play.launched) <= 5 + 6
    assert play.unknown_kids <= 5 + 6


def test_one_unknown_kid_again_and_again() -> None:
    """10 000 look-ups of an unknown kid in 100 s cost one request per ``negative_for``."""
    play = Play(POLICY)
    for _ in _flood(play, lambda _: GONE, lambda _: "x", seconds=100):
        pass
    assert play.launched == ["x"] * 10


def test_one_kid_again_and_again_in_an_outage() -> None:
    """10 000 look-ups of a kid in a 100 s outage cost one request per back-off pause."""
    play = Play(POLICY, expected=["a"])
    for _ in _flood(play, lambda _: DOWN, lambda _: "a", seconds=100):
        pass
    assert len(play.launched) == 5  # at 0, 4, 12, 28 and 60 s


@pytest.mark.parametrize("age", [80, 100, 1_000])
def test_a_known_kid_in_a_flood(play: Play, age: float) -> None:
    """A known key is refreshed although the budget is spent."""
    play.fetch("a")
    play.now += age
    spend(play)
    before = play.now
    play.fetch("a")
    assert play.kept()["a"] == play.now - before
    assert play.says("a") == "fresh"


def test_a_flood_displaces_no_key() -> None:
    """Unknown kids are stored apart from keys, up to ``max_unknown_kids``."""
    play = Play(CachePolicy(max_keys=2, max_unknown_kids=7, first_seen_burst=10_000))
    play.fetch("a")
    play.fetch("b")
    for number, _ in enumerate(_flood(play, lambda _: GONE)):
        assert play.unknown_kids <= 7, number
    assert set(play.kept()) == {"a", "b"}
    assert (play.says("a"), play.says("b")) == ("fresh", "fresh")
    assert play.says("x9999") == "unknown_key"


def test_a_flood_against_the_directory() -> None:
    """A flood causes one list request per 30 seconds, and no kid is fetched or remembered."""
    play = Play(has_directory=True)
    outcomes = {told(step) for step in _flood(play, lambda _: frozenset({"a"}))}
    assert outcomes == {"list", "unknown_key"}
    assert play.launched == [DIRECTORY] * 2
    assert play.unknown_kids == 0


def test_a_new_key_in_a_flood_against_the_directory() -> None:
    """A new key is served after the next refresh of the list, even during a flood."""
    play, created, served = Play(has_directory=True), START + 20, []

    def answer(kid: str) -> FetchOutcome:
        if kid == DIRECTORY:
            return frozenset({"new"} if play.now >= created else ())
        return Fetched(key_of(kid))

    for step in _flood(play, answer, lambda n: f"x{n}" if n % 10 else "new"):
        if step.key is not None:
            served.append(play.now)
    assert created < served[0] <= created + POLICY.directory_for
    assert play.launched == [DIRECTORY, DIRECTORY, "new"]


def test_what_the_directory_lists_is_fetched_within_bounds() -> None:
    """A listed kid needs no budget but is fetched at most once per back-off or ``negative_for``."""
    play = Play(has_directory=True)
    play.says("a")
    play.land(DIRECTORY, frozenset({"a", "b", "c"}))
    for kid in "abc":
        play.fetch(kid, DOWN)
        assert play.says(kid) == "key_unavailable"
    assert play.says("x") == "unknown_key"
    play.now += 4
    play.fetch("a", GONE)
    assert play.says("a") == "unknown_key"


@FAILURES
def test_a_directory_that_fails(error: HookVerificationError) -> None:
    """After the list fails, the budget applies for at least ``directory_for``.

    No kid is recorded as unknown.
    """
    play = Play(has_directory=True)
    play.says("x")
    play.land(DIRECTORY, error)
    if error in (REFUSED, THROTTLED):
        play.keys.state.breaker.succeeded(play.keys.state.breaker.epoch)  # see test_breaker
    assert [play.says(kid) for kid in "xyz"] == ["fetch", "fetch", "key_lookup_limited"]
    assert play.unknown_kids == 0
    play.now += 59.999
    assert play.says("v") == "fetch"
    play.now += 0.001
    assert play.says("w") == "list"


def test_an_old_directory_is_not_believed_when_a_new_one_fails() -> None:
    """A list older than ``directory_for`` makes no kid unknown."""
    play = Play(has_directory=True)
    play.says("x")
    play.land(DIRECTORY, frozenset())
    play.now += 30
    play.says("x")
    play.land(DIRECTORY, DOWN)
    assert play.says("x") == "fetch"


def test_a_flood_while_the_directory_fails() -> None:
    """While the list fails, one request is made for it, and the budget limits kids."""
    play = Play(CachePolicy(), has_directory=True)
    for _ in _flood(play, lambda _: DOWN):
        pass
    assert play.launched.count(DIRECTORY) == 1
    assert len(play.launched) <= 1 + 5 + 6


def test_known_and_expected_kids_pass_the_directory_by() -> None:
    """The directory is consulted only for unknown kids and revokes no key."""
    play = Play(has_directory=True, expected=["a"])
    play.fetch("a")
    play.says("x")
    play.land(DIRECTORY, frozenset())
    assert play.says("a") == "fresh"
    play.now += 100
    assert play.says("a") == "fetch"


def test_a_directory_that_is_unknown_is_a_failure() -> None:
    """A 404 for the list counts as a failure, which is retried after a pause."""
    play = Play(has_directory=True)
    assert play.says("a") == "list"
    play.land(DIRECTORY, GONE)
    assert play.says("b") == "fetch"
    assert play.says("c") == "fetch"
