"""KeyCache: how long a key, an unknown kid or an error is served without a fetch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time

from hookkey_verify import CachePolicy
from hookkey_verify.errors import HookVerificationError, KeyRejectedError, KeyUnavailableError
from hookkey_verify.keys.cache import KeyCache

from ..faults import ManualClock
from .controlled_fetches import OTHER_ERRORS, Source, unknown


def test_a_key_is_fetched_once(cache: KeyCache, source: Source) -> None:
    """The second look-up is served from memory, with the same object."""
    assert cache.get("a") is cache.get("a")
    assert cache.get("b").kid == "b"
    assert [kid for kid, _ in source.asked] == ["a", "b"]


@pytest.mark.parametrize(("age", "fetches"), [(0, 1), (99.999, 1), (100, 2), (100.001, 2)])
def test_a_key_is_fresh_for_so_long(
    cache: KeyCache, source: Source, clock: ManualClock, age: float, fetches: int
) -> None:
    """At ``fresh_for`` seconds exactly it is asked for again."""
    cache.get("a")
    clock.now += age
    cache.get("a")
    assert len(source.asked) == fetches


def test_reading_a_key_does_not_prolong_it(
    cache: KeyCache, source: Source, clock: ManualClock
) -> None:
    """``fresh_for`` bounds how long a deleted key is served, however often it is used."""
    for _ in range(4):
        cache.get("a")
        clock.now += 33
    source.known.clear()
    clock.now += 1
    unknown(cache, "a")


@pytest.mark.parametrize(("age", "fetches"), [(0, 1), (9.999, 1), (10, 2), (10.001, 2)])
def test_an_unknown_kid_is_remembered_for_so_long(
    cache: KeyCache, source: Source, clock: ManualClock, age: float, fetches: int
) -> None:
    """Within ``negative_for`` the verdict is repeated without asking, with the same words."""
    unknown(cache, "x")
    clock.now += age
    unknown(cache, "x")
    assert len(source.asked) == fetches


def test_negative_for_zero_asks_every_time(source: Source, clock: ManualClock) -> None:
    """0 switches the memory of unknown kids off."""
    cache = KeyCache(source, CachePolicy(negative_for=0), clock=clock, age_clock=clock)
    unknown(cache, "x")
    unknown(cache, "x")
    assert len(source.asked) == 2


def test_a_key_that_appears_is_served_after_negative_for(
    cache: KeyCache, source: Source, clock: ManualClock
) -> None:
    """A new key waits no longer than that."""
    unknown(cache, "x")
    source.known.add("x")
    clock.now += 10
    assert cache.get("x").kid == "x"


@pytest.mark.parametrize("kind", OTHER_ERRORS, ids=lambda kind: kind.__name__)
def test_other_errors_last_as_long_as_their_backoff(
    cache: KeyCache, source: Source, clock: ManualClock, kind: type[Exception]
) -> None:
    """45. The error is repeated without asking; after the backoff the next look-up asks again."""
    source.error = kind("broken")
    for _ in range(3):
        with pytest.raises(
            kind if issubclass(kind, HookVerificationError) else KeyUnavailableError
        ):
            cache.get("a")
    assert len(source.asked) == 1
    source.error = None
    clock.now += 1
    assert cache.get("a").kid == "a"


@pytest.mark.parametrize("kind", OTHER_ERRORS, ids=lambda kind: kind.__name__)
def test_other_errors_never_remove_a_key(
    cache: KeyCache, source: Source, clock: ManualClock, kind: type[Exception]
) -> None:
    """A failed refresh leaves the key: it is served on, unless somebody else seems to answer."""
    key = cache.get("a")
    clock.now += 100
    source.error = kind("broken")
    if kind is KeyRejectedError:
        with pytest.raises(KeyRejectedError):
            cache.get("a")
    else:
        assert cache.get("a") is key
    assert "a" in cache.health().keys


def test_an_authoritative_unknown_removes_a_key(
    cache: KeyCache, source: Source, clock: ManualClock
) -> None:
    """19, 47. When the source says that the key is gone it is not served stale."""
    cache.get("a")
    source.known.clear()
    clock.now += 100
    unknown(cache, "a")
    assert cache.health().keys == {}
    source.error = KeyUnavailableError("broken")
    clock.now += 10
    with pytest.raises(KeyUnavailableError):
        cache.get("a")


def test_peek_never_fetches(cache: KeyCache, source: Source) -> None:
    """It tells what is known, and None when nothing is."""
    assert cache.peek("a") is None
    assert source.asked == []
    assert cache.get("a") is cache.peek("a")


def test_the_wall_clock_does_not_matter(source: Source) -> None:
    """37. Somebody sets the clock of the machine back or forth by a day."""
    today = datetime.now(UTC)
    with freeze_time(today) as frozen:
        cache = KeyCache(source, CachePolicy(fetch_timeout=60))
        cache.get("a")
        for days in (1, -1, 0):
            frozen.move_to(today + timedelta(days=days))
            cache.get("a")
            assert cache.health().keys["a"].age < 600
    assert len(source.asked) == 1


def test_sleep_ages_a_key(source: Source) -> None:
    """38. A laptop sleeps for 8 hours: the clock of deadlines stands still, that of ages not."""
    clock, age_clock = ManualClock(), ManualClock()
    cache = KeyCache(source, CachePolicy(), clock=clock, age_clock=age_clock)
    cache.get("a")
    age_clock.now += 8 * 3600
    cache.get("a")
    assert len(source.asked) == 2


def test_the_clock_of_deadlines_ages_nothing(source: Source) -> None:
    """38. A key is as old as the one clock says, and the other one is never asked for it."""
    clock, age_clock = ManualClock(), ManualClock()
    cache = KeyCache(source, CachePolicy(), clock=clock, age_clock=age_clock)
    cache.get("a")
    clock.now += 8 * 3600
    cache.get("a")
    assert (len(source.asked), cache.health().keys["a"].age) == (1, 0)
    assert cache.stats().misses == 1
