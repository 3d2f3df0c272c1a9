"""The in-memory replay store."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hookkey_verify.errors import (
    ConfigurationError,
    KeyUnavailableError,
    ReplayStoreUnavailableError,
)
from hookkey_verify.events import Event, EventName
from hookkey_verify.replay import MemoryReplayStore, ReplayHealth


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


def test_once_each() -> None:
    """The first claim of a jti succeeds and later ones fail; each issuer has its own jtis."""
    store = MemoryReplayStore(clock=Clock())
    assert store.claim("a", "1", 2000)
    assert not store.claim("a", "1", 2000)
    assert store.claim("b", "1", 2000)
    assert not asyncio.run(store.aclaim("b", "1", 2000))


def test_kept_until_it_expires() -> None:
    """A jti is remembered for one minute after its token expires.

    The verifier reads the clock before the store does. Without the minute, the verifier could still
    accept a token that the store has just forgotten.
    """
    clock = Clock()
    store = MemoryReplayStore(clock=clock)
    store.claim("a", "1", 2000)
    for clock.now in (1999.9, 2000, 2059.9):
        assert not store.claim("a", "1", 2000)
    clock.now = 2060
    assert store.claim("a", "1", 3000)
    assert len(store) == 1


def test_a_jti_that_is_used_again_after_its_end() -> None:
    """A jti can be claimed again after it expires; removing the old entry keeps the new claim."""
    clock = Clock()
    store = MemoryReplayStore(clock=clock)
    for number in range(50):
        store.claim("a", str(number), 2000)
    clock.now = 2060
    assert store.claim("a", "49", 3000)
    for number in range(50, 60):  # each claim removes some expired entries
        assert store.claim("b", str(number), 3000)
    assert not store.claim("a", "49", 3000)


def test_a_full_store_refuses_and_forgets_nothing() -> None:
    """A full store refuses new claims and forgets no old one, so that no replay is accepted."""
    clock = Clock()
    store = MemoryReplayStore(max_entries=2, clock=clock)
    assert store.claim("a", "1", 2000)
    assert store.claim("a", "2", 3000)
    with pytest.raises(KeyUnavailableError, match="max_entries"):
        store.claim("a", "3", 2000)
    assert not store.claim("a", "1", 2000)
    clock.now = 2060
    assert store.claim("a", "3", 2500)


def test_threads() -> None:
    """Exactly one of many concurrent claims of a jti succeeds."""
    store = MemoryReplayStore()
    with ThreadPoolExecutor(16) as pool:
        claims = list(pool.map(lambda _: store.claim("a", "1", 9e9), range(400)))
    assert sum(claims) == 1


@pytest.mark.parametrize("value", [0, -1, 1.5, True, "1", None])
def test_configuration(value: object) -> None:
    """``max_entries`` must be a positive integer."""
    with pytest.raises(ConfigurationError, match="max_entries"):
        MemoryReplayStore(max_entries=value)  # type: ignore[arg-type]


def test_it_says_that_it_guards_one_process(caplog: pytest.LogCaptureFixture) -> None:
    """The store warns once that it covers one process, and never with ``single_process=True``."""
    MemoryReplayStore(single_process=True).claim("a", "1", 9e9)
    assert caplog.text == ""
    store = MemoryReplayStore()
    for number in range(3):
        store.claim("a", str(number), 9e9)
    assert caplog.text.count("ValkeyReplayStore") == 1
    with pytest.raises(ConfigurationError, match="single_process"):
        MemoryReplayStore(single_process=1)  # type: ignore[arg-type]


def test_check() -> None:
    """A check warns if other processes may exist, and if the store is nearly full."""
    store = MemoryReplayStore(max_entries=10, single_process=True)
    assert [each.result for each in store.check()] == ["ok", "ok"]
    for number in range(9):
        store.claim("a", str(number), 9e9)
    processes, entries = store.check()
    assert processes.result == "ok"
    assert (entries.result, entries.detail) == ("warning", "9 of 10 entries: raise max_entries")
    assert MemoryReplayStore().check()[0].result == "warning"


@pytest.mark.parametrize("how", ["claim", "aclaim"])
def test_events(how: str) -> None:
    """Each claim is reported as claimed, replayed or unavailable, without issuer and jti."""
    clock = Clock()
    events: list[Event] = []
    store = MemoryReplayStore(
        single_process=True, max_entries=2, on_event=events.append, clock=clock
    )

    def claim(jti: str) -> bool:
        if how == "claim":
            return store.claim("a", jti, 2000)
        return asyncio.run(store.aclaim("a", jti, 2000))

    assert [claim(jti) for jti in ("1", "1", "2")] == [True, False, True]
    with pytest.raises(ReplayStoreUnavailableError):
        claim("3")
    clock.now = 2061
    assert claim("3")
    assert [event[:-1] for event in events] == [
        (EventName.CLAIM, "MemoryReplayStore", outcome, reason, "", None)
        for outcome, reason in (
            ("claimed", ""),
            ("replayed", ""),
            ("claimed", ""),
            ("unavailable", "replay_store_unavailable"),
            ("claimed", ""),
        )
    ]
    assert all(event.seconds is not None and 0 <= event.seconds < 10 for event in events)


def test_a_listener_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    """A listener that raises does not affect a claim, and its error is logged once."""

    def listener(event: Event) -> None:
        raise ZeroDivisionError("a secret")

    store = MemoryReplayStore(single_process=True, on_event=listener)
    assert [store.claim("a", "1", 9e9) for _ in range(3)] == [True, False, False]
    assert caplog.messages == ["on_event raised ZeroDivisionError"]
    with pytest.raises(ConfigurationError, match="on_event"):
        MemoryReplayStore(on_event=5)  # type: ignore[arg-type]


@pytest.mark.parametrize("on_event", [None, id])
def test_health(on_event: Any) -> None:
    """A full store is failing from the first token that it refuses until it can store one."""
    clock = Clock()
    store = MemoryReplayStore(single_process=True, max_entries=1, on_event=on_event, clock=clock)
    healthy = ReplayHealth(source="MemoryReplayStore", status="healthy", problem=None, failures=0)
    assert store.health() == healthy
    store.claim("a", "1", 2000)
    assert store.health() == healthy
    for failures in (1, 2):
        with pytest.raises(ReplayStoreUnavailableError):
            store.claim("a", "2", 2000)
        assert store.health() == ReplayHealth(
            source="MemoryReplayStore",
            status="failing",
            problem="the replay store is full; raise max_entries",
            failures=failures,
        )
    assert not store.claim("a", "1", 2000)
    assert store.health().failures == 2
    clock.now = 2061
    store.claim("a", "2", 2100)
    assert store.health() == healthy
