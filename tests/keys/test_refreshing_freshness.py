"""The cache: how long a key, an unknown kid or an error is served without a fetch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from freezegun import freeze_time

from hookkey_verify import CachePolicy
from hookkey_verify.errors import HookVerificationError, KeyRejectedError, KeyUnavailableError

from ..faults import ManualClock
from .controlled_fetches import OTHER_ERRORS, KeyCache, Source, unknown


def test_a_key_is_fetched_once(cache: KeyCache, source: Source) -> None:
    """A second look-up returns the same object from memory."""
    assert cache.get("a") is cache.get("a")
    assert cache.get("b").kid == "b"
    assert [kid for kid, _ in source.asked] == ["a", "b"]


@pytest.mark.parametrize(("age", "fetches"), [(0, 1), (99.999, 1), (100, 2), (100.001, 2)])
def test_a_key_is_fresh_for_so_long(
    cache: KeyCache, source: Source, clock: ManualClock, age: float, fetches: int
) -> None:
    """A key is fetched again exactly at ``fresh_for`` seconds."""
    cache.get("a")
    clock.now += age
    cache.get("a")
    assert len(source.asked) == fetches


def test_reading_a_key_does_not_prolong_it(
    cache: KeyCache, source: Source, clock: ManualClock
) -> None:
    """Look-ups do not prolong the freshness of a key."""
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
    """Within ``negative_for`` the same error is raised without a request."""
    unknown(cache, "x")
    clock.now += age
    unknown(cache, "x")
    assert len(source.asked) == fetches


def test_negative_for_zero_asks_every_time(source: Source, clock: ManualClock) -> None:
    """With ``negative_for=0`` every look-up of an unknown kid causes a request."""
    cache = KeyCache(source, CachePolicy(negative_for=0), clock=clock, age_clock=clock)
    unknown(cache, "x")
    unknown(cache, "x")
    assert len(source.asked) == 2


def test_a_key_that_appears_is_served_after_negative_for(
    cache: KeyCache, source: Source, clock: ManualClock
) -> None:
    """A new key is served after ``negative_for`` at the latest."""
    unknown(cache, "x")
    source.known.add("x")
    clock.now += 10
    assert cache.get("x").kid == "x"


@pytest.mark.parametrize("kind", OTHER_ERRORS, ids=lambda kind: kind.__name__)
def test_other_errors_last_as_long_as_their_backoff(
    cache: KeyCache, source: Source, clock: ManualClock, kind: type[Exception]
) -> None:
    """An error is repeated without a request; after the back-off the kid is fetched again."""
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
    """A failed refresh keeps the key and serves it stale, except after a rejected document."""
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
    """A key that the source no longer has is not served stale."""
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
    """``peek`` returns the cached key, or None, without a request."""
    assert cache.peek("a") is None
    assert source.asked == []
    assert cache.get("a") is cache.peek("a")


def test_the_wall_clock_is_set(source: Source) -> None:
    """A wall clock that is ahead causes one refresh, and one that is behind causes none."""
    today = datetime.now(UTC)
    with freeze_time(today) as frozen:
        cache = KeyCache(source, CachePolicy(fetch_timeout=60))
        cache.get("a")
        for days in (1, -1, 0):
            frozen.move_to(today + timedelta(days=days))
            cache.get("a")
            assert cache.health().keys["a"].age < 600
    assert len(source.asked) == 2


def test_sleep_ages_a_key(source: Source) -> None:
    """A key ages while the machine sleeps, although the clock of deadlines stops."""
    clock, age_clock = ManualClock(), ManualClock()
    cache = KeyCache(source, CachePolicy(), clock=clock, age_clock=age_clock)
    cache.get("a")
    age_clock.now += 8 * 3600
    cache.get("a")
    assert len(source.asked) == 2


def test_the_clock_of_deadlines_ages_nothing(source: Source) -> None:
    """The clock of deadlines does not affect the age of a key."""
    clock, age_clock = ManualClock(), ManualClock()
    cache = KeyCache(source, CachePolicy(), clock=clock, age_clock=age_clock)
    cache.get("a")
    clock.now += 8 * 3600
    cache.get("a")
    assert (len(source.asked), cache.health().keys["a"].age) == (1, 0)
    assert cache.stats().misses == 1
