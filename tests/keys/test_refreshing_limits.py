"""The cache: bounds on keys, unknown kids and fetches for them."""

from __future__ import annotations

import os

import pytest

from hookkey_verify import CachePolicy
from hookkey_verify.errors import KeyLookupLimitedError
from hookkey_verify.events import EventName

from ..faults import ManualClock
from .controlled_fetches import KeyCache, Source, outcome, unknown
from .play import Play, Reported


def test_unknown_kids_do_not_push_out_keys(source: Source, clock: ManualClock) -> None:
    """Unknown kids do not evict keys, because senders choose kids."""
    cache = KeyCache(
        source,
        CachePolicy(max_keys=1, max_unknown_kids=2, first_seen_burst=99),
        clock=clock,
        age_clock=clock,
    )
    cache.get("a")
    for number in range(50):
        unknown(cache, f"x{number}")
    source.asked.clear()
    cache.get("a")
    unknown(cache, "x49")
    unknown(cache, "x48")
    assert source.asked == []
    unknown(cache, "x47")
    assert len(source.asked) == 1


def test_max_keys_bounds_the_keys(source: Source, clock: ManualClock) -> None:
    """Beyond ``max_keys`` an older key is evicted, never the one just fetched."""
    cache = KeyCache(source, CachePolicy(max_keys=2), clock=clock, age_clock=clock)
    source.known.add("c")
    for kid in ("a", "b", "c"):
        cache.get(kid)
        clock.now += 1
    kept = [kid for kid in ("a", "b", "c") if cache.peek(kid) is not None]
    assert len(kept) == 2
    assert "c" in kept


def test_expected_kids_spend_no_budget(source: Source, clock: ManualClock) -> None:
    """Kids named in advance do not spend the budget for unknown kids."""
    cache = KeyCache(source, CachePolicy(first_seen_burst=1), clock=clock, age_clock=clock)
    cache.expect(["a", "b"])
    assert [outcome(cache, kid) for kid in "abxy"] == [
        "a",
        "b",
        "unknown_key",
        "key_lookup_limited",
    ]


def test_the_limit_of_a_fleet(play: Play) -> None:
    """A refusal by the fleet's budget is a limit, not a failure of the source."""
    play.fetch("x", KeyLookupLimitedError("spent", retry_after=7))
    assert play.reports == [Reported(EventName.LIMITED, "x", "first_seen", 7)]
    assert play.says("x") == "key_lookup_limited"
    assert play.health().status == "healthy"
    play.now += 7
    assert play.says("x") == "fetch"


def test_a_child_starts_its_own_fetches(play: Play, monkeypatch: pytest.MonkeyPatch) -> None:
    """A forked child keeps the cached keys but not the fetches in flight of its parent."""
    play.keys.expect("abc")
    for kid in "ab":
        play.fetch(kid)
    play.keys.invalidate("b")
    assert play.says("c") == "fetch"
    monkeypatch.setattr(os, "getpid", lambda: -1)
    assert [play.says(kid) for kid in "cab"] == ["fetch", "fresh", "fetch"]
