"""KeyStates: what becomes of a look-up. The time is an argument, and nobody waits for anything."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any

import pytest

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
from hookkey_verify.keys.health import Health, KeyHealth
from hookkey_verify.keys.states import (
    DIRECTORY,
    LONGEST_PAUSE,
    Decision,
    Fetched,
    FetchOutcome,
    KeyStates,
    Reported,
    again,
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


@pytest.fixture(autouse=True)
def _no_chance(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is left to chance takes its greatest value, so that boundaries are exact."""
    monkeypatch.setattr(random, "uniform", lambda least, most: most)


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


@pytest.fixture
def play() -> Play:
    return Play()


# --- every row of the table, and its boundaries


@pytest.mark.parametrize(
    ("age", "becomes"),
    [
        (0, "fresh"),
        (79.999, "fresh"),
        (80, "ahead"),
        (80.001, "ahead"),
        (99.999, "ahead"),
        (100, "fetch"),
        (100.001, "fetch"),
        (149.999, "fetch"),
        (150, "fetch"),
        (150.001, "fetch"),
        (86_400, "fetch"),
    ],
)
def test_a_key_by_its_age(play: Play, age: float, becomes: str) -> None:
    """36. Fresh, in its last part, expired: every part begins at its first moment exactly."""
    play.fetch("a")
    play.now += age
    assert play.says("a") == becomes


@pytest.mark.parametrize(
    ("age", "becomes"),
    [(99.999, "fresh"), (100, "fetch"), (100.001, "fetch")],
)
def test_without_refresh_ahead(age: float, becomes: str) -> None:
    """36. With 0 no fetch begins before the key is past ``fresh_for``."""
    play = Play(CachePolicy(fresh_for=100, refresh_ahead=0))
    play.fetch("a")
    play.now += age
    assert play.says("a") == becomes


@pytest.mark.parametrize(
    ("age", "becomes"),
    [(80, "fresh"), (83.999, "fresh"), (84, "ahead"), (84.001, "ahead"), (100, "fetch")],
)
def test_a_refresh_ahead_that_failed(play: Play, age: float, becomes: str) -> None:
    """36. The key is served on as fresh, and the next attempt waits for the backoff."""
    play.fetch("a")
    play.now += 80
    play.fetch("a", DOWN)
    play.now = START + age
    assert play.says("a") == becomes


def test_a_refresh_ahead_that_failed_last_thing(play: Play) -> None:
    """The backoff outlasts ``fresh_for``: the key is served stale, without another attempt."""
    play.fetch("a")
    play.now += 99
    play.fetch("a", DOWN)
    play.now += 2
    assert play.says("a") == "stale"
    play.now += 2
    assert play.says("a") == "fetch"


@pytest.mark.parametrize(
    ("age", "becomes"),
    [
        (148, "stale"),
        (149.999, "stale"),
        (150, "key_unavailable"),
        (150.001, "key_unavailable"),
        (151.999, "key_unavailable"),
        (152, "fetch"),
        (152.001, "fetch"),
    ],
)
def test_the_end_of_the_stale_window(play: Play, age: float, becomes: str) -> None:
    """36, 44. An expired key whose refresh failed is served up to ``stale_if_error``, then not."""
    play.fetch("a")
    play.now += 148
    play.fetch("a", DOWN)
    play.now = START + age
    assert play.says("a") == becomes


@NO_OUTAGE
def test_stale_is_never_the_answer_to_a_rejected_document(
    play: Play, error: HookVerificationError
) -> None:
    """47. Also when the fetch that brought it was not believed any more, and left no trace."""
    play.fetch("a")
    assert play.states.stale("a", error, play.now + 100) is None


def test_stale_serving_switched_off() -> None:
    """36. With ``stale_if_error=0`` an outage is told from the first moment."""
    play = Play(CachePolicy(fresh_for=100, stale_if_error=0))
    play.fetch("a")
    play.now += 100
    play.fetch("a", DOWN)
    assert play.says("a") == "key_unavailable"


@pytest.mark.parametrize("offset", [-0.001, 0, 0.001])
def test_who_waited_for_a_failed_refresh(play: Play, offset: float) -> None:
    """36. They get the old key by the same boundary as everybody else."""
    play.fetch("a")
    play.now += 150 + offset
    play.fetch("a", DOWN)
    step = play.states.stale("a", DOWN, play.now)
    assert (step is not None) == (offset < 0)


@pytest.mark.parametrize(
    ("age", "becomes"),
    [(0, "unknown_key"), (9.999, "unknown_key"), (10, "fetch"), (10.001, "fetch")],
)
def test_an_unknown_kid(play: Play, age: float, becomes: str) -> None:
    """36. The source's verdict is repeated for ``negative_for``."""
    play.fetch("x", GONE)
    play.now += age
    step = play.look_up("x")
    assert told(step) == becomes
    assert step.error is None or (str(step.error), step.error is GONE) == (str(GONE), False)


def test_negative_for_zero() -> None:
    """With 0 every look-up asks, and spends the budget."""
    play = Play(CachePolicy(negative_for=0, first_seen_burst=2))
    play.fetch("x", GONE)
    play.fetch("x", GONE)
    assert play.says("x") == "key_lookup_limited"


@FAILURES
@pytest.mark.parametrize(("late", "asks"), [(-4, 0), (-0.001, 0), (0, 1), (0.001, 1)])
def test_an_absent_kid_whose_fetch_failed(
    play: Play, error: HookVerificationError, late: float, asks: bool
) -> None:
    """36, 45. The error is repeated until the backoff is over, with what is left of the wait.

    A source that says when to come back is not asked before that.
    """
    wait = 37 if error is THROTTLED else 4
    play.fetch("a", error)
    play.states._close_breaker()  # it is another rule's, below
    play.now += wait + late
    step = play.look_up("a")
    assert told(step) == ("fetch" if asks else error.reason)
    if isinstance(step.error, KeyUnavailableError):
        assert step.error.retry_after == pytest.approx(-late)


@pytest.mark.parametrize(
    ("age", "becomes"),
    [
        (0, ("unknown_key", "fetch")),
        (29.999, ("unknown_key", "fetch")),
        (30, ("list", "join list")),
        (30.001, ("list", "join list")),
    ],
)
def test_the_directory_is_believed_for_so_long(age: float, becomes: tuple[str, str]) -> None:
    """36. What it lacks is unknown, what it has is fetched; at ``directory_for`` it is due."""
    play = Play(has_directory=True)
    assert (play.says("x"), play.says("y")) == ("list", "join list")
    play.land(DIRECTORY, frozenset({"a"}))
    play.now += age
    assert (play.says("x"), play.says("a")) == becomes


def test_a_kid_whose_fetch_is_under_way(play: Play) -> None:
    """A look-up joins it, whether there is an expired key or none; other kids do not."""
    assert [play.says("a"), play.says("a"), play.says("b")] == ["fetch", "join", "fetch"]
    play.land("a", Fetched(key_of("a")))
    play.now += 100
    assert [play.says("a"), play.says("a"), play.says("b")] == ["fetch", "join", "join"]
    assert play.reports == [Reported(EventName.COALESCED, "b")]


def test_one_refresh_ahead_at_a_time(play: Play) -> None:
    """Whoever comes while it is under way gets the key, and begins no other."""
    play.fetch("a")
    play.now += 90
    assert [play.says("a"), play.says("a")] == ["ahead", "fresh"]
    play.now += 10
    assert play.says("a") == "join"


# --- what a fetch may change


@FAILURES
@pytest.mark.parametrize("age", [80, 100, 150, 10_000])
def test_a_failed_fetch_removes_no_key(
    play: Play, error: HookVerificationError, age: float
) -> None:
    """Key and age stay what they were, however old it is and whatever went wrong."""
    key = key_of("a")
    play.fetch("a", Fetched(key))
    play.now += age
    play.fetch("a", error)
    entry = play.states.entries["a"]
    assert (entry.key, entry.born, entry.failures) == (key, START, 1)


@pytest.mark.parametrize("age", [80, 100, 150, 10_000])
def test_the_source_says_that_a_key_is_gone(play: Play, age: float) -> None:
    """47. It is removed with an event, however fresh, and never served stale after that."""
    play.fetch("a")
    play.now += age
    assert play.fetch("a", GONE) is GONE
    assert play.states.entries == {}
    assert play.reports == [Reported(EventName.KEY_REVOKED, "a")]
    assert play.states.stale("a", GONE, play.now) is None
    assert play.says("a") == "unknown_key"
    play.now += 10
    play.fetch("a", DOWN)
    assert play.says("a") == "key_unavailable"


def test_no_event_for_a_kid_that_never_was(play: Play) -> None:
    """``key_revoked`` is told of keys alone."""
    play.fetch("x", GONE)
    assert play.reports == []


@NO_OUTAGE
def test_a_rejected_document_is_no_outage(play: Play, error: HookVerificationError) -> None:
    """47. The old key is not served in its place: not to who waited, not to who comes later."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", error)
    assert play.states.stale("a", error, play.now) is None
    assert play.says("a") == error.reason
    play.now += 3.999
    assert play.says("a") == error.reason


@NO_OUTAGE
def test_a_rejected_document_and_then_an_open_breaker(
    play: Play, error: HookVerificationError
) -> None:
    """47. That another kid was throttled does not make the answer for this one an outage."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", error)
    play.fetch("b", THROTTLED)
    assert play.look_up("a").key is None


@NO_OUTAGE
def test_a_rejected_document_and_then_an_outage(play: Play, error: HookVerificationError) -> None:
    """47. The answer that was not to be trusted is not forgotten when the source goes down."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", error)
    play.now += 4
    play.fetch("a", DOWN)
    assert play.says("a") == "key_unavailable"
    play.now += 8
    play.fetch("a")
    play.now += 100
    play.fetch("a", DOWN)
    assert play.says("a") == "stale"


@NO_OUTAGE
def test_a_rejected_document_and_then_no_time(play: Play, error: HookVerificationError) -> None:
    """47. That a caller is in a hurry does not make it an outage either."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", error)
    assert play.states.lookup_without_waiting("a", play.now).key is None


def test_a_rejected_document_while_the_key_is_fresh(play: Play) -> None:
    """A refresh ahead that brings one leaves the key until ``fresh_for`` is over, and no longer."""
    play.fetch("a")
    play.now += 97
    play.fetch("a", WEAK)
    assert play.says("a") == "fresh"
    play.now += 3
    assert play.says("a") == "key_rejected"


def test_other_material_is_refused(play: Play) -> None:
    """33. It is an alarm, the old key is neither replaced nor served, and every kid is apart."""
    play.fetch("a")
    play.now += 100
    outcome = play.fetch("a", Fetched(key_of("a", "2")))
    assert isinstance(outcome, KeyChangedError)
    assert play.reports == [Reported(EventName.KEY_CHANGED, "a", "refused")]
    assert play.says("a") == "key_changed"
    assert play.states.entries["a"].key == key_of("a")
    assert play.health().status == "failing"


def test_the_same_material_again_is_no_change(play: Play) -> None:
    """33. It renews the key, and there is nothing to tell."""
    play.fetch("a")
    play.now += 100
    play.fetch("a")
    assert play.reports == []
    assert (play.says("a"), play.states.entries["a"].born) == ("fresh", play.now)


def test_other_material_is_accepted_where_keys_may_change() -> None:
    """33. The new key replaces the old one, and it is told."""
    play = Play(keys_may_change=True)
    play.fetch("a")
    play.now += 100
    new = key_of("a", "2")
    outcome = play.fetch("a", Fetched(new))
    assert (outcome, play.look_up("a").key) == (Fetched(new), new)
    play.now += 100
    play.fetch("a", Fetched(new))
    assert play.reports == []


@pytest.mark.parametrize("others", [(), (key_of("a", "2"), key_of("b"))], ids=["alone", "in a set"])
def test_a_change_is_told_once(others: tuple[PublicKey, ...]) -> None:
    """33. Also when the key comes a second time, in the set that its issuer publishes."""
    play = Play(keys_may_change=True)
    play.fetch("a")
    play.now += 100
    play.fetch("a", Fetched(key_of("a", "2"), others=others))
    assert play.reports == [Reported(EventName.KEY_CHANGED, "a", "accepted")]


# --- the breaker


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
    """23, 36. Nothing is asked for any kid until the source's time is over."""
    play.fetch("x", THROTTLED)
    assert play.reports == [Reported(EventName.BREAKER, outcome="open", seconds=37)]
    play.now += age
    step = play.look_up("b")
    assert told(step) == becomes
    if isinstance(step.error, KeyUnavailableError):
        assert step.error.retry_after == pytest.approx(37 - age)


def test_throttling_and_keys(play: Play) -> None:
    """23. A known key is asked for through an open breaker, and then waits as long as it is told.

    Strangers can make kids up, so what a made-up kid was answered never decides for a known one.
    """
    for kid, age in (("fresh", 80), ("stale", 100), ("dead", 150)):
        play.now = START - age
        play.states.expected.add(kid)
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
    assert [play.says(kid) for kid in ("stale", "dead")] == ["fetch", "fetch"]


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
    """Only 401 and 429 are about the whole source."""
    play.fetch("x", error)
    assert play.states.health("here", play.now).breaker_open_for == 0
    assert play.says("y") == "fetch"


@pytest.mark.parametrize("kind", ["key", "unknown", "directory", "adopted"])
def test_an_answer_closes_the_breaker(kind: str) -> None:
    """23, 46. Of whatever kind, for every kid, with an event; then health is good again."""
    play = Play(has_directory=True, expected=["a", "b", "c"])
    play.fetch("b", THROTTLED)
    assert (play.says("c"), play.health().status) == ("key_source_throttled", "failing")
    if kind == "adopted":
        play.reports = adopt(play, key_of("d"))
    else:
        play.now += 37
        play.look_up("x" if kind == "directory" else "a")
        answers: dict[str, FetchOutcome] = {"key": Fetched(key_of("a")), "unknown": GONE}
        play.land(*(("a", answers[kind]) if kind in answers else (DIRECTORY, frozenset("x"))))
    assert play.reports == [Reported(EventName.BREAKER, outcome="closed")]
    assert (play.says("c"), play.health().status) == ("fetch", "healthy")
    assert play.health().breaker_open_for == 0


def test_an_answer_from_before_does_not_close_the_breaker(play: Play) -> None:
    """23. What was asked before the source said that we should wait is kept, and closes nothing."""
    play.says("a")
    play.fetch("b", THROTTLED)
    play.land("a", Fetched(key_of("a")))
    assert play.reports == []
    assert (play.says("a"), play.says("c")) == ("fresh", "key_source_throttled")


def test_a_breaker_is_closed_once(play: Play) -> None:
    """46. Successes after the first one have nothing to close."""
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
    """Only being told to wait and being refused open the breaker."""
    play.fetch("x", error)
    assert (play.reports, play.says("a")) == ([], "fetch")


def test_being_refused_opens_the_breaker_for_longer_and_longer(play: Play) -> None:
    """A wrong credential may be repaired any time: never longer than 30 seconds."""
    play.states.expected.add("a")
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
    """They count refusals in a row."""
    for pause in (4, 8):
        play.fetch("x", REFUSED)
        assert play.reports[-1].seconds == pause
        play.now += 60
    play.fetch("a")
    play.now += 60
    play.fetch("y", REFUSED)
    assert play.reports[-1].seconds == 4


def test_being_refused_serves_what_is_kept(play: Play) -> None:
    """22. A stale key bridges a lost permission as it does an outage."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", REFUSED)
    assert play.says("a") == "stale"


def test_a_later_refusal_does_not_shorten_the_wait(play: Play) -> None:
    """23. Two fetches were under way: the source said 37 seconds to one of them, and means it."""
    play.says("a")
    play.says("b")
    play.land("a", THROTTLED)
    play.land("b", REFUSED)
    play.now += 36
    assert play.look_up("c").launch is None


# --- the budget, and floods


def test_the_budget(play: Play) -> None:
    """Kids that were never seen spend it, one each; it comes back one by one, up to the burst."""
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
    """Nothing is known of it; another look-up may be luckier."""
    for kid in "xyz":
        play.says(kid)
    assert play.states.unknown_kids == 0


def _spend(play: Play) -> None:
    while play.says(f"spent-{len(play.launched)}") == "fetch":
        pass


def test_expected_kids_spend_no_budget() -> None:
    """They are fetched though it is spent, and after they were unknown for a while too."""
    play = Play(expected=["a", "b"])
    _spend(play)
    assert (play.says("a"), play.says("b"), play.says("c")) == (
        "fetch",
        "fetch",
        "key_lookup_limited",
    )
    play.land("a", GONE)
    assert play.says("a") == "unknown_key"
    play.now += 10
    _spend(play)
    assert play.says("a") == "fetch"


def _flood(
    play: Play,
    answer: Callable[[str], FetchOutcome],
    kids: Callable[[int], str] = "x{}".format,
    seconds: float = 60,
) -> Iterator[Decision]:
    """10 000 look-ups, spread over some time; every fetch ends at once."""
    for number in range(10_000):
        play.now = START + seconds * number / 10_000
        step = play.look_up(kids(number))
        yield step
        for kid in list(play.flying):
            play.land(kid, answer(kid))


def test_a_flood_of_unknown_kids() -> None:
    """11. 10 000 kids in 60 seconds cost the burst and one call every 10 seconds."""
    play = Play(CachePolicy())
    outcomes = {told(step) for step in _flood(play, lambda _: GONE)}
    assert outcomes == {"fetch", "key_lookup_limited"}
    assert len(play.launched) == 5 + 5
    assert play.states.unknown_kids == 10


@pytest.mark.parametrize("error", [DOWN, WEAK, REFUSED, THROTTLED], ids=lambda e: str(e.reason))
def test_a_flood_while_every_fetch_fails(error: HookVerificationError) -> None:
    """16. Failures buy no further attempts: a failed fetch is paid for like any other."""
    play = Play(CachePolicy())
    for _ in _flood(play, lambda _: error):
        pass
    assert 1 <= len(play.launched) <= 5 + 6
    assert play.states.unknown_kids <= 5 + 6


def test_one_unknown_kid_again_and_again() -> None:
    """12. 10 000 look-ups in 100 seconds cost one call per ``negative_for``."""
    play = Play(POLICY)
    for _ in _flood(play, lambda _: GONE, lambda _: "x", seconds=100):
        pass
    assert play.launched == ["x"] * 10


def test_one_kid_again_and_again_in_an_outage() -> None:
    """16, 45. 10 000 look-ups in 100 seconds cost the attempts that doubling waits leave."""
    play = Play(POLICY, expected=["a"])
    for _ in _flood(play, lambda _: DOWN, lambda _: "a", seconds=100):
        pass
    assert len(play.launched) == 5  # 0, 4, 12, 28, 60


@pytest.mark.parametrize("age", [80, 100, 1_000])
def test_a_known_kid_in_a_flood(play: Play, age: float) -> None:
    """11, 13. It is refreshed though the budget is spent: nobody else's kids cost it anything."""
    play.fetch("a")
    play.now += age
    _spend(play)
    before = play.now
    play.fetch("a")
    assert play.states.entries["a"].born == before
    assert play.says("a") == "fresh"


def test_a_flood_displaces_no_key() -> None:
    """15. Keys are kept apart from refusals, and the store of refusals is bounded."""
    play = Play(CachePolicy(max_keys=2, max_unknown_kids=7, first_seen_burst=10_000))
    play.fetch("a")
    play.fetch("b")
    for number, _ in enumerate(_flood(play, lambda _: GONE)):
        assert play.states.unknown_kids <= 7, number
    assert set(play.states.entries) == {"a", "b"}
    assert (play.says("a"), play.says("b")) == ("fresh", "fresh")
    assert play.says("x9999") == "unknown_key"


# --- the directory


def test_a_flood_against_the_directory() -> None:
    """14. It is asked for once in 30 seconds, and no kid is asked for or remembered."""
    play = Play(has_directory=True)
    outcomes = {told(step) for step in _flood(play, lambda _: frozenset({"a"}))}
    assert outcomes == {"list", "unknown_key"}
    assert play.launched == [DIRECTORY] * 2
    assert play.states.unknown_kids == 0


def test_a_new_key_in_a_flood_against_the_directory() -> None:
    """14. It gets in as soon as the list is fetched again, though it is one of ten thousand."""
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
    """A kid on the list costs no budget, yet one call per backoff or ``negative_for`` at most."""
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
    """It gives way to the budget for ``directory_for``, and it is no kid that is refused."""
    play = Play(has_directory=True)
    play.says("x")
    play.land(DIRECTORY, error)
    play.states._close_breaker()
    assert [play.says(kid) for kid in "xyz"] == ["fetch", "fetch", "key_lookup_limited"]
    assert play.states.unknown_kids == 0
    play.now += 29.999
    assert play.says("v") == "fetch"
    play.now += 0.001
    assert play.says("w") == "list"


def test_an_old_directory_is_not_believed_when_a_new_one_fails() -> None:
    """A kid may have been created since: only a list in its time says that a kid is unknown."""
    play = Play(has_directory=True)
    play.says("x")
    play.land(DIRECTORY, frozenset())
    play.now += 30
    play.says("x")
    play.land(DIRECTORY, DOWN)
    assert play.says("x") == "fetch"


def test_a_flood_while_the_directory_fails() -> None:
    """14, 16. Two attempts at the list, and the budget for kids."""
    play = Play(CachePolicy(), has_directory=True)
    for _ in _flood(play, lambda _: DOWN):
        pass
    assert play.launched.count(DIRECTORY) == 2
    assert len(play.launched) <= 2 + 5 + 6


def test_known_and_expected_kids_pass_the_directory_by() -> None:
    """It decides on kids that were never heard of; it revokes none."""
    play = Play(has_directory=True, expected=["a"])
    play.fetch("a")
    play.says("x")
    play.land(DIRECTORY, frozenset())
    assert play.says("a") == "fresh"
    play.now += 100
    assert play.says("a") == "fetch"


# --- chance and time


@pytest.mark.parametrize("known", [True, False], ids=["a key", "an absent kid"])
def test_backoff_grows_and_is_capped(known: bool) -> None:
    """43, 45. One attempt, then waits of 4, 8, 16, 32 and 60 seconds, and never more."""
    play = Play(expected=["a"])
    if known:
        play.fetch("a")
        play.now += 1_000
    waits = []
    for _ in range(7):
        play.fetch("a", DOWN)
        error = error_of(play.look_up("a"))
        assert isinstance(error, KeyUnavailableError)
        waits.append(error.retry_after)
        play.now += error.retry_after - 0.001
        assert play.says("a") == "key_unavailable"
        play.now += 0.001
    assert waits == pytest.approx([4, 8, 16, 32, 60, 60, 60])


def test_a_success_starts_the_backoff_over(play: Play) -> None:
    """43. Failures count in a row."""
    play.fetch("a")
    for seconds in (100, 4):
        play.now += seconds
        play.fetch("a", DOWN)
    play.now += 8
    play.fetch("a")
    assert play.health().keys["a"].failures == 0
    play.now += 100
    play.fetch("a", DOWN)
    play.now += 4
    assert play.says("a") == "fetch"


def test_instances_do_not_refresh_in_the_same_second(monkeypatch: pytest.MonkeyPatch) -> None:
    """39. A thousand processes that began together spread over half of the last part."""
    monkeypatch.undo()
    policy = CachePolicy()
    due = []
    for _ in range(1_000):
        play = Play(policy)
        play.fetch("a")
        due.append(play.states.entries["a"].refresh_at - START)
    assert 2_880 <= min(due) < 2_900
    assert 3_220 < max(due) <= 3_240
    seconds = [int(each) for each in due]
    assert max(map(seconds.count, seconds)) < 20


def test_instances_do_not_retry_in_the_same_moment(monkeypatch: pytest.MonkeyPatch) -> None:
    """39. After a failure each waits between a half and all of the backoff."""
    monkeypatch.undo()
    waits = set()
    for _ in range(1_000):
        play = Play(expected=["a"])
        play.fetch("a", DOWN)
        error = error_of(play.look_up("a"))
        assert isinstance(error, KeyUnavailableError)
        waits.add(error.retry_after)
    assert 2 <= min(waits) < 2.1
    assert 3.9 < max(waits) <= 4
    assert len(waits) > 900


def test_idle_for_days(play: Play) -> None:
    """40. Nothing happens meanwhile, and one look-up costs one fetch."""
    play.fetch("a")
    play.now += 5 * 86_400
    play.fetch("a")
    assert [play.says("a"), play.says("a")] == ["fresh", "fresh"]
    assert play.launched == ["a", "a"]


def test_an_outage_from_end_to_end(play: Play) -> None:
    """43, 44, 46. Served stale, one attempt per backoff, then the error, then well again."""
    play.fetch("a")
    seen: list[tuple[int, str]] = []
    for age in range(100, 172):
        play.now = START + age
        becomes = play.says("a")
        if becomes == "fetch":
            play.land("a", DOWN if age < 160 else Fetched(key_of("a")))
        if not seen or seen[-1][1] != becomes:
            seen.append((age, becomes))
    assert seen == [
        (100, "fetch"),
        (101, "stale"),
        (104, "fetch"),
        (105, "stale"),
        (112, "fetch"),
        (113, "stale"),
        (128, "fetch"),
        (129, "stale"),
        (150, "key_unavailable"),
        (160, "fetch"),
        (161, "fresh"),
    ]
    assert play.health().status == "healthy"


# --- invalidate, max_keys, siblings, ages, forks


def test_invalidate_a_key(play: Play) -> None:
    """It is not served again, and fetching it anew spends no budget and waits for no backoff."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", DOWN)
    _spend(play)
    play.states.invalidate("a")
    assert play.states.stale("a", DOWN, play.now) is None
    assert play.states.lookup_without_waiting("a", play.now).key is None
    play.fetch("a")
    assert play.says("a") == "fresh"


def test_invalidate_and_an_outage(play: Play) -> None:
    """47. What was forgotten is never served stale."""
    play.fetch("a")
    play.states.invalidate("a")
    play.fetch("a", DOWN)
    assert play.says("a") == "key_unavailable"
    assert play.health().keys == {}


def test_invalidate_accepts_a_changed_key(play: Play) -> None:
    """33. An operator who knows better says so; it is then no alarm."""
    play.fetch("a")
    play.now += 100
    new = key_of("a", "2")
    play.fetch("a", Fetched(new))
    play.states.invalidate("a")
    assert play.fetch("a", Fetched(new)) == Fetched(new)
    assert play.reports == []
    assert play.look_up("a").key is new


def test_invalidate_an_unknown_kid(play: Play) -> None:
    """The verdict is forgotten; the kid is asked for again."""
    play.fetch("x", GONE)
    play.states.invalidate("x")
    play.states.invalidate("never seen")
    assert play.says("x") == "fetch"
    assert set(play.states.entries) == set()


def test_the_oldest_key_goes(play: Play) -> None:
    """Beyond ``max_keys``, with an event; a key that is renewed takes no place."""
    play.states.expected.update("abcd")
    for kid in "abc":
        play.fetch(kid)
        play.now += 1
    play.now += 99
    play.fetch("a")
    assert play.reports == []
    play.fetch("d")
    assert play.reports == [Reported(EventName.EVICTED, "b")]
    assert set(play.states.entries) == {"a", "c", "d"}


def test_siblings(play: Play) -> None:
    """Keys that came along are kept as if they had been asked for, and cost nothing."""
    play.fetch("b", GONE)
    play.fetch("a", Fetched(key_of("a"), others=(key_of("b"), key_of("c"))))
    assert [play.says(kid) for kid in "abc"] == ["fresh"] * 3
    assert play.launched == ["b", "a"]
    assert play.states.unknown_kids == 0


def test_siblings_beyond_max_keys() -> None:
    """The key that was asked for is kept, whoever came along."""
    play = Play(CachePolicy(max_keys=2))
    play.fetch("a", Fetched(key_of("a"), others=tuple(map(key_of, "bcde"))))
    assert len(play.states.entries) == 2
    assert play.says("a") == "fresh"


@pytest.mark.parametrize(("may_change", "verdict"), [(False, "refused"), (True, "accepted")])
def test_a_sibling_that_changed(may_change: bool, verdict: str) -> None:
    """33. It is judged as if it had been asked for; it does not spoil the key that was."""
    play = Play(keys_may_change=may_change)
    play.fetch("b")
    outcome = play.fetch("a", Fetched(key_of("a"), others=(key_of("b", "2"),)))
    assert isinstance(outcome, Fetched)
    assert play.reports == [Reported(EventName.KEY_CHANGED, "b", verdict)]
    assert play.look_up("b").key == key_of("b", "2" if may_change else "1")


def test_a_sibling_of_an_older_fetch() -> None:
    """8. It replaces nothing that a fetch which began later has brought."""
    play = Play(keys_may_change=True)
    play.says("a")
    play.fetch("b", Fetched(key_of("b", "2")))
    play.land("a", Fetched(key_of("a"), others=(key_of("b", "1"),)))
    assert play.look_up("b").key == key_of("b", "2")


@pytest.mark.parametrize("older", [Fetched(key_of("b", "1")), GONE], ids=["key", "unknown"])
def test_an_older_fetch_after_a_newer_sibling(older: FetchOutcome) -> None:
    """8. Of two fetches the one that began later is kept, also when it brought the key along."""
    play = Play(keys_may_change=True)
    play.says("b")
    play.fetch("a", Fetched(key_of("a"), others=(key_of("b", "2"),)))
    play.land("b", older)
    assert play.look_up("b").key == key_of("b", "2")


@pytest.mark.parametrize("how", ["unknown", "invalidated"])
def test_siblings_of_a_fetch_that_is_older_than_a_verdict(how: str) -> None:
    """7, 8. They may be what was revoked or forgotten meanwhile, and are not kept."""
    play = Play(expected=["a", "b"])
    play.fetch("b")
    play.now += 100
    play.says("a")
    if how == "unknown":
        play.fetch("b", GONE)
    else:
        play.states.invalidate("b")
    play.land("a", Fetched(key_of("a"), others=(key_of("b"),)))
    assert play.look_up("b").key is None
    play.fetch("c", Fetched(key_of("c"), others=(key_of("d"),)))
    assert play.says("d") == "fresh"


def test_adopted_keys(play: Play) -> None:
    """They are kept as if they had been fetched, and count as an answer of the source."""
    assert adopt(play, key_of("a"), key_of("b")) == []
    assert [play.says("a"), play.says("b")] == ["fresh", "fresh"]
    assert play.health().last_success == 0
    assert adopt(play, key_of("a", "2")) == [Reported(EventName.KEY_CHANGED, "a", "refused")]


def adopt(play: Play, *keys: PublicKey) -> list[Reported]:
    fetched = Fetched(None, others=keys)
    return play.states.adopt(fetched, play.now, play.states.begin())


def test_an_older_set_is_not_adopted(play: Play) -> None:
    """7, 8. A key was invalidated, or found to be gone, while the set was on its way."""
    for kid, forget in (("a", play.states.invalidate), ("b", lambda kid: play.fetch(kid, GONE))):
        number = play.states.begin()
        forget(kid)
        fetched = Fetched(None, others=(key_of(kid),), complete=True)
        assert play.states.adopt(fetched, play.now, number) == []
        assert kid not in play.health().keys


def test_what_a_complete_answer_lacks_is_gone() -> None:
    """19. A key that has left its issuer's set is not served, fresh or stale; with an event."""
    play = Play(keys_may_change=True, expected=["a", "c", "x"])
    play.fetch("a", Fetched(key_of("a"), others=(key_of("b"),), complete=True))
    play.fetch("c", Fetched(key_of("c"), others=(key_of("b"),), complete=True))
    assert Reported(EventName.KEY_REVOKED, "a") in play.reports
    assert set(play.health().keys) == {"b", "c"}
    play.fetch("x", Fetched(None, others=(key_of("c"),), complete=True, problem=GONE))
    assert set(play.health().keys) == {"c"}
    assert play.says("x") == "unknown_key"


def test_an_older_complete_answer_removes_nothing() -> None:
    """8. A key that came after it had begun is not its to judge."""
    play = Play()
    play.says("a")
    play.fetch("b")
    play.land("a", Fetched(key_of("a"), complete=True))
    assert set(play.health().keys) == {"a", "b"}


def test_what_another_worker_was_told(play: Play) -> None:
    """Its record renews a key, but is no answer to us: neither health nor an alarm ends by it."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", WEAK)
    play.now += 4
    play.fetch("a", Fetched(key_of("a"), 50, from_shared_store=True))
    assert play.says("a") == "fresh"
    assert play.health().status == "degraded"
    play.now += 60
    play.fetch("a", DOWN)
    assert play.says("a") == "key_unavailable"


def test_a_key_and_why_there_is_no_younger_one(play: Play) -> None:
    """It is served, and the attempt counts as the failure that it was."""
    play.fetch("a")
    for failures in (1, 2):
        play.now += 90 if failures == 1 else 4
        assert play.says("a") == "ahead"
        play.land("a", Fetched(key_of("a"), 85, problem=DOWN, from_shared_store=True))
        assert play.health().keys["a"].failures == failures
    assert play.health().status == "degraded"


def test_a_directory_that_is_unknown_is_a_failure() -> None:
    """A list cannot not exist: it is asked for again after its time, not with every look-up."""
    play = Play(has_directory=True)
    assert play.says("a") == "list"
    play.land(DIRECTORY, GONE)
    assert play.says("b") == "fetch"
    assert play.says("c") == "fetch"


def test_a_fetch_that_brings_nothing(play: Play) -> None:
    """Neither key nor reason: it counts as an outage."""
    assert isinstance(play.fetch("a", Fetched(None)), KeyUnavailableError)


@pytest.mark.parametrize(
    ("age", "later", "becomes"),
    [
        (0, 79.999, "fresh"),
        (30, 49.999, "fresh"),
        (30, 50, "ahead"),
        (30, 69.999, "ahead"),
        (30, 70, "fetch"),
        (85, 3.999, "fresh"),  # whose refresh is for the worker that fetched it
        (85, 4, "ahead"),
        (85, 15, "fetch"),
        (100, 0, "fetch"),
        (1_000, 0, "fetch"),
        (-50, 99.999, "ahead"),  # an age before now is none
        (-50, 100, "fetch"),
    ],
)
def test_a_record_that_is_old_already(play: Play, age: float, later: float, becomes: str) -> None:
    """41. It is never fresh for longer than its age allows."""
    play.fetch("a", Fetched(key_of("a"), age=age))
    play.now += later
    assert play.says("a") == becomes


def test_the_stale_window_of_an_old_record(play: Play) -> None:
    """41. It ends when it would have ended where the record comes from."""
    play.fetch("a", Fetched(key_of("a"), age=60))
    play.now += 89
    play.fetch("a", DOWN)
    assert play.says("a") == "stale"
    play.now += 1
    assert play.says("a") == "key_unavailable"


def test_forget_refusals() -> None:
    """48. A forked child keeps keys and directory; verdicts, budget and breaker begin anew."""
    play = Play(has_directory=True)
    play.says("a")
    play.land(DIRECTORY, frozenset({"a", "b", "c"}))
    play.fetch("a")
    play.fetch("b", GONE)
    play.fetch("c", THROTTLED)
    play.states.forget_refusals()
    assert [play.says(kid) for kid in "abcx"] == ["fresh", "fetch", "fetch", "unknown_key"]
    assert (play.states.unknown_kids, play.health().breaker_open_for) == (0, 0)
    plain = Play()
    _spend(plain)
    plain.states.forget_refusals()
    assert plain.says("x") == "fetch"


def test_a_forked_child_spreads_its_refreshes(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """39, 48. It is not due when its parent is; forgotten keys stay forgotten."""
    play.fetch("a")
    play.fetch("b")
    play.states.invalidate("b")
    monkeypatch.setattr(random, "uniform", lambda least, most: least)
    play.states.reset_after_fork()
    play.now += 89.999
    assert (play.says("a"), play.says("b")) == ("fresh", "fetch")
    play.now += 0.001
    assert play.says("a") == "ahead"


def test_an_old_record_for_want_of_a_younger(play: Play) -> None:
    """The attempt that failed counts as one: backoff, failures, health; the key is kept."""
    play.fetch("a", Fetched(key_of("a"), age=85, problem=THROTTLED))
    assert play.reports == [Reported(EventName.BREAKER, outcome="open", seconds=37)]
    assert (play.says("a"), play.health().status) == ("fresh", "degraded")
    assert play.health().keys["a"].failures == 1
    play.now += 37
    play.fetch("a", Fetched(key_of("a"), age=85, problem=DOWN))
    assert play.health().keys["a"].failures == 2
    play.now += 7.999
    assert play.says("a") == "fresh"
    play.now += 0.001
    assert play.says("a") == "ahead"


@pytest.mark.parametrize(("age", "left"), [(0, 10), (4, 6), (9.5, 0.5), (-5, 10)])
def test_a_verdict_that_is_old_already(play: Play, age: float, left: float) -> None:
    """Another worker heard it: it is believed for what is left of ``negative_for``."""
    verdict = UnknownKeyError("not here")
    verdict.age = age
    play.fetch("x", verdict)
    play.now += left - 0.001
    assert play.says("x") == "unknown_key"
    play.now += 0.001
    assert play.says("x") == "fetch"


@pytest.mark.parametrize("age", [10, 99])
def test_a_verdict_that_is_too_old(play: Play, age: float) -> None:
    """It is not believed at all beyond who waited for it."""
    verdict = UnknownKeyError("not here")
    verdict.age = age
    play.fetch("x", verdict)
    assert play.says("x") == "fetch"


# --- a look-up without time


@pytest.mark.parametrize(
    ("kid", "becomes"),
    [
        ("fresh", "fresh"),
        ("ahead", "fresh"),
        ("expired", "ahead"),
        ("expired and failed", "stale"),
        ("dead", "key_unavailable"),
        ("gone", "unknown_key"),
        ("failed", "key_rejected"),
        ("never seen", "key_unavailable"),
    ],
)
def test_at_hand(kid: str, becomes: str) -> None:
    """The answer is what is kept; a stale key that is due is renewed in background."""
    play = Play(CachePolicy(fresh_for=100, stale_if_error=50, negative_for=10))
    ages = {"dead": 150, "expired": 149, "expired and failed": 149, "ahead": 99, "fresh": 0}
    for name, age in ages.items():
        play.now = START - age
        play.states.expected.add(name)
        play.fetch(name)
    play.fetch("expired and failed", DOWN)
    play.fetch("gone", GONE)
    play.fetch("failed", WEAK)
    step = play.states.lookup_without_waiting(kid, play.now)
    assert told(step) == becomes
    assert step.join is None


def test_at_hand_begins_one_fetch(play: Play) -> None:
    """Not while one is under way, and not before the next attempt is due."""
    play.fetch("a")
    play.now += 100
    flying = {"a": 2}
    assert play.states.lookup_without_waiting("a", play.now).launch == "a"
    assert told(play.states.lookup_without_waiting("a", play.now, flying)) == "stale"
    play.fetch("a", THROTTLED)
    assert told(play.states.lookup_without_waiting("a", play.now)) == "stale"


@pytest.mark.parametrize(("kid", "error"), [("gone", GONE), ("failed", WEAK)])
def test_at_hand_when_a_verdict_is_over(play: Play, kid: str, error: HookVerificationError) -> None:
    """Nothing is known of the kid then, and there is no time to ask."""
    play.fetch(kid, error)
    play.now += 10
    assert told(play.states.lookup_without_waiting(kid, play.now)) == "key_unavailable"


# --- telling


HIT, LIMITED = EventName.HIT, EventName.LIMITED


def _stale(play: Play) -> None:
    play.fetch("a")
    play.now += 120
    play.fetch("a", DOWN)
    play.now += 1


def _dead(play: Play) -> None:
    play.fetch("a")
    play.now += 150
    play.fetch("a", DOWN)


def _breaker(play: Play) -> None:
    play.fetch("a")
    play.now += 120
    play.fetch("b", THROTTLED)


def _ahead(play: Play) -> None:
    play.fetch("a")
    play.now += 80


@pytest.mark.parametrize(
    ("before", "reports"),
    [
        (lambda play: None, [Reported(EventName.MISS, "a")]),
        (lambda play: play.look_up("a"), [Reported(EventName.COALESCED, "a")]),
        (lambda play: play.fetch("a"), [Reported(HIT, "a", "fresh")]),
        (_ahead, [Reported(HIT, "a", "fresh"), Reported(EventName.REFRESH_AHEAD, "a")]),
        (lambda play: play.fetch("a", GONE), [Reported(HIT, "a", "negative")]),
        (lambda play: play.fetch("a", DOWN), [Reported(LIMITED, "a", "refresh", 4)]),
        (_spend, [Reported(LIMITED, "a", "first_seen", 10)]),
        (lambda play: play.fetch("b", THROTTLED), [Reported(LIMITED, "a", "breaker", 37)]),
        (_dead, [Reported(LIMITED, "a", "refresh", 4)]),
        (
            _stale,
            [
                Reported(LIMITED, "a", "refresh", 3),
                Reported(HIT, "a", "stale"),
                Reported(EventName.STALE_SERVED, "a", "key_unavailable", 121),
            ],
        ),
        (_breaker, [Reported(EventName.MISS, "a")]),
    ],
    ids=[
        "absent", "joined", "fresh", "ahead", "negative", "failed", "flooded", "breaker",
        "dead", "stale", "expired and breaker",
    ],
)  # fmt: skip
def test_what_a_look_up_tells(
    play: Play, before: Callable[[Play], object], reports: list[Reported]
) -> None:
    """Every event has its outcome and its seconds."""
    before(play)
    play.look_up("a")
    assert play.reports == reports


def test_a_listed_kid_tells_of_two_waits() -> None:
    """A look-up that waits for the list and then for the key is two misses."""
    play = Play(has_directory=True)
    play.look_up("a")
    assert play.reports == [Reported(EventName.MISS, "a")]
    play.look_up("a")
    assert play.reports == [Reported(EventName.COALESCED, "a")]
    play.land(DIRECTORY, frozenset("a"))
    assert play.reports == []
    play.look_up("a")
    assert play.reports == [Reported(EventName.MISS, "a")]
    play.look_up("x")
    assert play.reports == [Reported(EventName.HIT, "x", "negative")]


def test_health_of_a_new_source(play: Play) -> None:
    """Nothing was asked, so nothing is wrong."""
    assert play.health() == Health(
        source="here",
        status="healthy",
        keys={},
        last_success=None,
        breaker_open_for=0,
        problem="",
    )


def test_health_when_all_is_well(play: Play) -> None:
    """Ages and the last answer are told in seconds; to be old without a failure is no trouble."""
    play.fetch("a")
    play.now += 120
    play.fetch("b")
    play.now += 5
    assert play.health() == Health(
        source="here",
        status="healthy",
        keys={
            "a": KeyHealth(age=125, state="stale", failures=0),
            "b": KeyHealth(age=5, state="fresh", failures=0),
        },
        last_success=5,
        breaker_open_for=0,
        problem="",
    )


def test_health_while_a_stale_key_is_served(play: Play) -> None:
    """Degraded: the last attempt failed, and its words are shown."""
    play.fetch("a")
    play.now += 149
    play.fetch("a", THROTTLED)
    assert play.health() == Health(
        source="here",
        status="degraded",
        keys={"a": KeyHealth(age=149, state="stale", failures=1)},
        last_success=149,
        breaker_open_for=37,
        problem=str(THROTTLED),
    )


def test_health_when_there_is_nothing_to_serve(play: Play) -> None:
    """Failing: the key is past its stale window, and the source still cannot be asked."""
    play.fetch("a")
    play.now += 148
    play.fetch("a", DOWN)
    play.now += 2
    assert play.health() == Health(
        source="here",
        status="failing",
        keys={"a": KeyHealth(age=150, state="expired", failures=1)},
        last_success=150,
        breaker_open_for=0,
        problem=str(DOWN),
    )


@pytest.mark.parametrize(
    ("age", "state"),
    [
        (99.999, "fresh"),
        (100, "stale"),
        (149.999, "stale"),
        (150, "expired"),
        (150.001, "expired"),
    ],
)
def test_health_of_a_key_by_its_age(play: Play, age: float, state: str) -> None:
    """36. By the same boundaries as look-ups."""
    play.fetch("a")
    play.now += age
    assert play.health().keys["a"].state == state


def test_health_when_one_key_fails_and_another_does_not(play: Play) -> None:
    """Degraded as long as a key could not be refreshed, also after others were fetched."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", DOWN)
    play.fetch("b")
    assert (play.health().status, play.health().problem) == ("degraded", "")
    play.now += 4
    play.fetch("a")
    assert play.health().status == "healthy"


def test_health_after_a_cold_start_in_an_outage(play: Play) -> None:
    """Failing without a single key, and healthy with the first answer, which may be a no."""
    play.fetch("a", DOWN)
    assert (play.health().status, play.health().last_success) == ("failing", None)
    play.now += 4
    play.fetch("a", GONE)
    assert (play.health().status, play.health().last_success) == ("healthy", 0)


@pytest.mark.parametrize(
    ("error", "until"),
    [(DOWN, 6.5), (WEAK, 6.5), (REFUSED, 6.5), (THROTTLED, 39.5)],
    ids=lambda value: str(getattr(value, "reason", value)),
)
def test_health_forgets_an_old_problem(
    play: Play, error: HookVerificationError, until: float
) -> None:
    """When nobody tried although it was time: or no traffic would come that makes an attempt."""
    play.fetch("x", error)
    play.now += until - 0.001
    assert (play.health().status, play.health().problem) == ("failing", str(error))
    play.now += 0.001
    assert (play.health().status, play.health().problem) == ("healthy", "")


def test_health_forgets_a_directory_that_failed() -> None:
    """It is tried again after ``directory_for``, so the problem is believed that long."""
    play = Play(has_directory=True)
    play.look_up("x")
    play.land(DIRECTORY, DOWN)
    play.now += 32.499
    assert play.health().status == "failing"
    play.now += 0.001
    assert play.health().status == "healthy"


def test_health_forgets_a_key_that_nobody_asks_for(play: Play) -> None:
    """It failed once and is never looked up again, while others do well."""
    play.fetch("a")
    play.now += 100
    play.fetch("a", DOWN)
    play.now += 6.499
    play.fetch("b")
    assert play.health().status == "degraded"
    play.now += 0.001
    assert play.health().status == "healthy"


def test_again() -> None:
    """Each raiser gets an object of its own, with what is left of the wait where there is one."""
    twin, gone = again(DOWN, 7), again(GONE, 7)
    assert (type(twin), twin.detail, twin.retry_after) == (KeyUnavailableError, "down", 7)
    assert (DOWN.retry_after, again(DOWN).retry_after) == (1, 1)
    assert twin is not DOWN
    assert (type(gone), vars(gone)) == (UnknownKeyError, vars(GONE))
