"""Budget and Backoff: how often an attempt is allowed."""

from __future__ import annotations

import random

import pytest

from hookkey_verify._runtime.backoff import Backoff
from hookkey_verify.keys.budget import Budget

LEAST, MOST = "least", "most"


@pytest.fixture
def chance(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Random values are always the lowest or always the highest of their range."""
    pick = min if request.param == LEAST else max
    monkeypatch.setattr(random.SystemRandom, "uniform", lambda _, *ends: pick(ends))


def test_the_burst_at_once() -> None:
    """The burst may be spent at once; after that the wait is one interval."""
    budget = Budget(3, 10)
    assert [budget.spend(0) for _ in range(5)] == [0, 0, 0, 10, 10]


@pytest.mark.parametrize(("later", "wait"), [(0, 8), (4, 4), (7.5, 0.5), (8, 0), (15.5, 0)])
def test_the_wait_is_what_is_left(later: float, wait: float) -> None:
    """An attempt succeeds exactly when the reported wait is over."""
    budget = Budget(1, 8)
    budget.spend(100)
    assert budget.spend(100 + later) == wait


def test_asking_in_vain_costs_nothing() -> None:
    """Refused attempts do not lengthen the wait."""
    budget = Budget(1, 8)
    budget.spend(0)
    for quarter in range(1, 32):
        assert budget.spend(quarter / 4) == 8 - quarter / 4
    assert budget.spend(8) == 0


@pytest.mark.parametrize(("idle", "given"), [(8, 1), (16, 2), (23, 2), (24, 3), (10**9, 3)])
def test_it_fills_up_to_the_burst(idle: float, given: int) -> None:
    """The budget refills by one per interval, up to the burst."""
    budget = Budget(3, 8)
    while budget.spend(0) == 0:
        pass
    assert [budget.spend(idle) for _ in range(9)].count(0) == given


def test_the_first_moment_is_any_moment() -> None:
    """The budget starts with the burst at any reading of the clock."""
    budget = Budget(2, 1)
    assert [budget.spend(-1e9) for _ in range(3)] == [0, 0, 1]


def test_a_clock_that_goes_back() -> None:
    """A clock that goes back neither refills nor reduces the budget."""
    budget = Budget(2, 8)
    budget.spend(100)
    assert [budget.spend(50), budget.spend(50)] == [0, 8]


@pytest.mark.parametrize(("burst", "interval"), [(1, 0.001), (5, 10), (7, 0.3), (10_000, 3_600)])
def test_the_bound(burst: int, interval: float) -> None:
    """In any period the budget allows at most the burst plus the refill."""
    budget, chance, now, given = Budget(burst, interval), random.Random(39), 0.0, 0
    for _ in range(20_000):
        now += chance.uniform(0, interval / 3)
        given += budget.spend(now) == 0
        assert given <= burst + now / interval + 1e-6
    assert given >= min(20_000, now / (interval + interval / 3) - 1)


@pytest.mark.parametrize(
    ("chance", "waits"),
    [(MOST, [1, 2, 4, 8, 16, 20, 20]), (LEAST, [0.5, 1, 2, 4, 8, 10, 10])],
    indirect=["chance"],
)
@pytest.mark.usefixtures("chance")
def test_backoff_doubles_up_to_the_most(waits: list[float]) -> None:
    """Each pause doubles up to the maximum and is shortened at random by at most half."""
    backoff = Backoff(1, 20)
    assert [backoff.after(failures) for failures in range(1, 8)] == waits


@pytest.mark.parametrize("chance", [MOST], indirect=True)
@pytest.mark.usefixtures("chance")
@pytest.mark.parametrize("failures", [64, 65, 66, 1_100, 10**9])
def test_backoff_after_a_long_outage(failures: int) -> None:
    """A very large number of failures does not overflow."""
    assert Backoff(0.1, 3_600).after(failures) == 3_600


def test_backoff_is_spread_evenly() -> None:
    """Pauses are distributed evenly between half and all of the maximum."""
    waits = [Backoff(8, 300).after(1) for _ in range(1_000)]
    assert 4 <= min(waits) < 4.2
    assert 7.8 < max(waits) <= 8
    assert 5.8 < sum(waits) / 1_000 < 6.2
    assert len(set(waits)) > 900
