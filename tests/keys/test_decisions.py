"""The decision table: every combination of what is known of a name."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from hookkey_verify import CachePolicy
from hookkey_verify.errors import KeyUnavailableError
from hookkey_verify.keys import decisions
from hookkey_verify.keys.decisions import Decision, Entry, decide

POLICY = CachePolicy(fresh_for=100, refresh_ahead=0.2, stale_if_error=50)
NOW, WALL = 1_000.0, 2_000_000.0
AGES = (None, 0, 79, 91, 99.9, 100, 149.9, 150, 10_000)
WALL_AHEAD = (0, 15, 200, -500)
"""Seconds that the wall clock gained over the monotonic one since the value was fetched."""
Facts = dict[str, bool]

ROWS: list[tuple[Callable[[Facts], bool], Decision]] = [
    (lambda it: it["fresh"] and it["due"] and it["may refresh"], Decision.SERVE_AND_REFRESH),
    (lambda it: it["fresh"], Decision.SERVE),
    (
        lambda it: it["stale"] and (it["failed"] or it["hurry"]) and it["may refresh anyhow"],
        Decision.SERVE_STALE_AND_REFRESH,
    ),
    (lambda it: it["stale"] and (it["failed"] or it["pause"] or it["hurry"]), Decision.SERVE_STALE),
    (lambda it: it["pause"] or it["hurry"], Decision.REFUSE),
    (lambda it: True, Decision.WAIT),
]
"""The table in the docstring of ``decisions``, row by row."""

FLAGS = ("error", "pause", "failed", "contradicted", "in flight", "hurry")


@pytest.fixture(autouse=True)
def _half_of_the_last_part(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every refresh is due at an age of 90 seconds."""
    monkeypatch.setattr(decisions, "jitter", lambda least, most: least)


@pytest.mark.parametrize("wall_ahead", WALL_AHEAD)
@pytest.mark.parametrize("age", AGES)
def test_the_table(age: float | None, wall_ahead: float) -> None:
    """``decide`` follows the first row that applies, for every combination of facts."""
    for flags in itertools.product([False, True], repeat=len(FLAGS)):
        given = dict(zip(FLAGS, flags, strict=True))
        if given["pause"] and not given["error"]:
            continue  # a pause follows a failure
        entry = Entry[str]()
        wall = WALL
        if age is not None:
            entry.store("value", NOW - age, WALL - age - wall_ahead, 0, POLICY)
        if given["error"]:
            entry.error = KeyUnavailableError("down")
        entry.retry_at = NOW + 1 if given["pause"] else NOW
        entry.failed_expired = given["failed"]
        entry.contradicted = given["contradicted"]
        older = None if age is None else max(age, age + wall_ahead)
        fresh = older is not None and older < 100
        may = not given["in flight"] and not given["pause"]
        facts = {
            **given,
            "fresh": fresh,
            "due": older is not None and older >= 90,
            "stale": not fresh and age is not None and age < 150 and not given["contradicted"],
            "may refresh": may and not given["hurry"],
            "may refresh anyhow": may,
        }
        expected = next(decision for applies, decision in ROWS if applies(facts))
        got = decide(entry, NOW, wall, in_flight=given["in flight"], in_time=not given["hurry"])
        assert got is expected, facts


def test_only_the_monotonic_age_ends_stale_service() -> None:
    """A wall clock that is far ahead causes a refresh, and the value stays servable if it fails."""
    entry = Entry[str]()
    entry.store("value", NOW, WALL, 0, POLICY)
    later = WALL + 86_400
    assert decide(entry, NOW, later, in_flight=False) is Decision.WAIT
    entry.error, entry.retry_at, entry.failed_expired = KeyUnavailableError("down"), NOW + 1, True
    assert decide(entry, NOW, later, in_flight=False) is Decision.SERVE_STALE


@pytest.mark.parametrize("now", [NOW, NOW + 50, NOW + 95, NOW + 99])
def test_a_child_spreads_its_refreshes(now: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forked child chooses its own refresh time between now and the end of freshness."""
    monkeypatch.undo()
    due = []
    for _ in range(200):
        entry = Entry[str]()
        entry.store("value", NOW, WALL, 0, POLICY)
        entry.spread(now, POLICY)
        assert max(now, NOW + 80) <= entry.refresh_at <= NOW + 100
        assert entry.wall_refresh_at - WALL == pytest.approx(entry.refresh_at - NOW)
        due.append(entry.refresh_at)
    assert len(set(due)) > 100


def test_the_documented_tables() -> None:
    """The docstring and docs/keys.md have the rows in the same order as the code."""
    names = "|".join(each.name for each in Decision)
    in_docstring = re.findall(rf"``({names})``", str(decisions.__doc__))
    page = Path("docs/keys.md").read_text(encoding="utf-8")
    in_page = re.findall(rf"^\| \d \|.*`({names})`", page, re.MULTILINE)
    assert in_docstring == in_page == [decision.name for _, decision in ROWS]
