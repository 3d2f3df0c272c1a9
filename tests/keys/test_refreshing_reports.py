"""The cache: the events that a look-up reports."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from hookkey_verify.events import EventName
from hookkey_verify.keys.admission import DIRECTORY

from .play import DOWN, GONE, THROTTLED, Play, Reported, spend

pytestmark = pytest.mark.usefixtures("no_chance")


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
        (spend, [Reported(LIMITED, "a", "first_seen", 10)]),
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
    """Each look-up reports its events with outcome and seconds."""
    before(play)
    play.look_up("a")
    assert play.reports == reports


def test_a_listed_kid_tells_of_two_waits() -> None:
    """A look-up that waits for the list and then for the key reports two misses."""
    play = Play(has_directory=True)
    play.look_up("a")
    assert play.reports == [Reported(EventName.MISS)]
    play.look_up("a")
    assert play.reports == [Reported(EventName.COALESCED)]
    play.land(DIRECTORY, frozenset("a"))
    assert play.reports == []
    play.look_up("a")
    assert play.reports == [Reported(EventName.MISS, "a")]
    play.look_up("x")
    assert play.reports == [Reported(EventName.HIT, "x", "negative")]
