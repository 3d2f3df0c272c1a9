"""ClaimBreaker: when it opens, what it lets through, and when it closes."""

from __future__ import annotations

import pytest

from hookkey_verify._runtime import backoff
from hookkey_verify.replay.breaker import ClaimBreaker


@pytest.fixture
def breaker(monkeypatch: pytest.MonkeyPatch) -> ClaimBreaker[str]:
    """A breaker whose pauses have their greatest length."""
    monkeypatch.setattr(backoff, "jitter", lambda least, most: most)
    return ClaimBreaker()


def test_it_is_closed_at_first(breaker: ClaimBreaker[str]) -> None:
    """A new breaker has no failures, and a claim may be tried at any time."""
    assert (breaker.is_open, breaker.failures, breaker.problem) == (False, 0, None)
    assert breaker.open_for(-1e9) == breaker.open_for(1e9) == 0


def test_two_failures_open_it(breaker: ClaimBreaker[str]) -> None:
    """The second failure in a row opens the breaker for a pause, which then runs out."""
    assert breaker.failed("one", 9, 10) is None
    assert (breaker.is_open, breaker.failures, breaker.problem) == (False, 1, "one")
    assert breaker.open_for(10) == 0
    assert breaker.failed("two", 9, 11) == 0.1
    assert (breaker.is_open, breaker.failures, breaker.problem) == (True, 2, "two")
    assert breaker.open_for(11) == pytest.approx(0.1)
    assert breaker.open_for(11.06) == pytest.approx(0.04)
    assert breaker.open_for(12) == 0
    assert breaker.is_open, "it stays open until a claim succeeds"


def test_the_pauses_double(breaker: ClaimBreaker[str]) -> None:
    """Each further failure doubles the pause, up to one second."""
    pauses = [breaker.failed("x", now, now) for now in range(8)]
    assert pauses == [None, 0.1, 0.2, 0.4, 0.8, 1, 1, 1]
    for now in range(8, 3000):
        assert breaker.failed("x", now, now) == 1


def test_a_part_of_the_pause_is_random() -> None:
    """A pause is shortened by up to half, differently each time."""
    pauses = set()
    for _ in range(100):
        each: ClaimBreaker[str] = ClaimBreaker()
        each.failed("x", 0, 0)
        pauses.add(each.failed("x", 0, 0) or 0)
    assert len(pauses) > 90
    assert 0.05 <= min(pauses) < max(pauses) <= 0.1


def test_a_success_closes_it(breaker: ClaimBreaker[str]) -> None:
    """A success forgets all failures, and tells whether the breaker was open."""
    assert breaker.succeeded() is False
    breaker.failed("x", 0, 0)
    assert breaker.succeeded() is False
    for now in (1, 2, 3, 4):
        breaker.failed("x", now, now)
    assert breaker.succeeded() is True
    assert (breaker.is_open, breaker.failures, breaker.problem) == (False, 0, None)
    assert breaker.open_for(4) == 0
    assert [breaker.failed("x", 5, 5), breaker.failed("x", 6, 6)] == [None, 0.1]


def test_a_probe(breaker: ClaimBreaker[str]) -> None:
    """While a claim probes an open breaker, no other one is tried; a closed one lets all pass."""
    breaker.probe(0, 10)
    assert breaker.open_for(1) == 0
    for now in (1, 2):
        breaker.failed("x", now, now)
    assert breaker.open_for(3) == 0
    breaker.probe(3, 10)
    assert breaker.open_for(5) == 8
    assert breaker.failed("x", 3, 6) == 0.2
    assert breaker.open_for(6) == pytest.approx(0.2), "the end of the probe ends its reservation"


def test_a_claim_that_began_earlier(breaker: ClaimBreaker[str]) -> None:
    """A failure says nothing new if its claim began before the breaker opened."""
    for now in (1, 2):
        breaker.failed("x", now, now)
    assert breaker.failed("late", 1.9, 3) is None
    assert (breaker.failures, breaker.problem) == (2, "x")
    assert breaker.open_for(2.05) == pytest.approx(0.05)
    assert breaker.failed("new", 2, 3) == 0.2
    assert (breaker.failures, breaker.problem) == (3, "new")
    assert breaker.failed("late", 2.9, 4) is None
