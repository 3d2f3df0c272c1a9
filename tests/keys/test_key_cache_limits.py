"""KeyCache: bounds on keys, unknown kids and fetches for them."""

from __future__ import annotations

from hookkey_verify import CachePolicy
from hookkey_verify.keys.cache import KeyCache

from ..faults import ManualClock
from .controlled_fetches import Source, outcome, unknown


def test_unknown_kids_do_not_push_out_keys(source: Source, clock: ManualClock) -> None:
    """Senders choose kids, so they must not choose what is cached."""
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
    """Beyond ``max_keys`` an older one goes, never the one that has just been fetched."""
    cache = KeyCache(source, CachePolicy(max_keys=2), clock=clock, age_clock=clock)
    source.known.add("c")
    for kid in ("a", "b", "c"):
        cache.get(kid)
        clock.now += 1
    kept = [kid for kid in ("a", "b", "c") if cache.peek(kid) is not None]
    assert len(kept) == 2
    assert "c" in kept


def test_expected_kids_spend_no_budget(source: Source, clock: ManualClock) -> None:
    """Whoever names the kids beforehand is no sender: the budget is left for those."""
    cache = KeyCache(source, CachePolicy(first_seen_burst=1), clock=clock, age_clock=clock)
    cache.expect(["a", "b"])
    assert [outcome(cache, kid) for kid in "abxy"] == [
        "a",
        "b",
        "unknown_key",
        "key_lookup_limited",
    ]
