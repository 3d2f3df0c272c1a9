"""The cache: keys that are refreshed in the background before they expire."""

from __future__ import annotations

import asyncio
import threading

import pytest

from hookkey_verify.errors import KeyUnavailableError
from hookkey_verify.events import EventName

from ..faults import ManualClock
from .controlled_fetches import AHEAD, EventLog, Held, KeyCache, Source, no_thread


def test_refresh_ahead(source: Source, clock: ManualClock) -> None:
    """In its last part a key is served at once, and one background fetch refreshes it."""
    held, log = Held(source, free=1), EventLog()
    cache = KeyCache(held, AHEAD, on_event=log, clock=clock, age_clock=clock)
    key = cache.get("a")
    clock.now += 79
    cache.get("a")
    assert len(source.asked) == 1
    clock.now += 16
    with held:
        assert [cache.get("a"), asyncio.run(cache.aget("a")), cache.get("a")] == [key] * 3
        assert log.named(EventName.REFRESH_AHEAD) == [("a", "")]
    log.wait_for(EventName.FETCH, 2)
    assert cache.health().keys["a"].age == 0
    assert (len(source.asked), cache.stats().misses, cache.stats().hits) == (2, 1, 4)


def test_a_refresh_that_fails_is_not_noticed(source: Source, clock: ManualClock) -> None:
    """If a background refresh fails, the caller gets the key, and the back-off applies."""
    log = EventLog()
    cache = KeyCache(source, AHEAD, on_event=log, clock=clock, age_clock=clock)
    key = cache.get("a")
    source.error = KeyUnavailableError("broken")
    clock.now += 95
    assert cache.get("a") is key
    log.wait_for(EventName.FETCH, 2)
    assert [cache.get("a"), cache.get("a")] == [key, key]
    assert cache.health().keys["a"].failures == 1
    assert len(source.asked) == 2
    source.error = None
    clock.now += 1
    assert cache.get("a") is key
    log.wait_for(EventName.FETCH, 3)
    assert cache.health().keys["a"].age == 0


def test_a_refresh_without_a_thread(
    source: Source, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The key is served although no thread for a background refresh can be started."""
    cache = KeyCache(source, AHEAD, clock=clock, age_clock=clock)
    key = cache.get("a")
    clock.now += 95
    monkeypatch.setattr(threading.Thread, "start", no_thread)
    assert cache.get("a") is key
    assert cache.pending == {}
