"""KeyCache: interrupted fetches and threads that cannot be started."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from hookkey_verify.errors import KeyUnavailableError
from hookkey_verify.events import Event, EventName
from hookkey_verify.keys.cache import KeyCache

from ..faults import ManualClock
from .controlled_fetches import (
    OTHER_ERRORS,
    PATIENT,
    POLICY,
    EventLog,
    GreenletExit,
    Source,
    no_thread,
    outcome,
)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GreenletExit])
def test_an_interrupted_fetch_releases_everybody(
    source: Source, clock: ManualClock, kind: type[BaseException]
) -> None:
    """6. Whoever waits gets KeyUnavailableError, and after the backoff a look-up fetches again."""
    source.error = kind()
    log = EventLog()
    cache = KeyCache(log.before(source, 4), PATIENT, on_event=log, clock=clock, age_clock=clock)
    with ThreadPoolExecutor(5) as pool:
        futures = [pool.submit(cache.get, "a") for _ in range(5)]
        errors = [future.exception() for future in futures]
    assert [str(error).partition(": ")[2] for error in errors] == [
        f"the fetch raised {kind.__name__}"
    ] * 5
    assert {type(error) for error in errors} == {KeyUnavailableError}
    source.error = None
    clock.now += 1
    assert cache.get("a").kid == "a"
    assert len(source.asked) == 2


def test_no_fetch_is_left_behind(
    cache: KeyCache, source: Source, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """9. After failures of all kinds nothing counts as being fetched, and a fetch still works."""
    errors = [kind("broken") for kind in OTHER_ERRORS]
    for error in [*errors, KeyboardInterrupt(), SystemExit(), GreenletExit()]:
        source.error = error
        outcome(cache, "a")
        clock.now += 1_000
    source.error = None
    outcome(cache, "x")
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        outcome(cache, "b")
    outcome(cache, "b", deadline=0)
    assert cache._pending == {}
    clock.now += 1_000
    assert (cache.get("a").kid, cache.get("b").kid) == ("a", "b")


def test_an_interrupt_while_a_miss_is_told(source: Source, clock: ManualClock) -> None:
    """9. A signal handler or a gevent time-out raises what is no Exception, anywhere."""
    interrupts = iter([KeyboardInterrupt()])

    def on_event(event: Event) -> None:
        if event.name is EventName.MISS:
            for interrupt in interrupts:
                raise interrupt

    cache = KeyCache(source, POLICY, on_event=on_event, clock=clock, age_clock=clock)
    with pytest.raises(KeyboardInterrupt):
        cache.get("a")
    assert cache.get("a").kid == "a"


@pytest.mark.parametrize("started", [False, True])
def test_an_interrupt_while_a_fetch_begins(
    cache: KeyCache,
    source: Source,
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    started: bool,
) -> None:
    """9. Before its thread runs or just after: no pending is left that never lands."""
    start = threading.Thread.start

    def interrupted(thread: threading.Thread) -> None:
        if started:
            start(thread)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", interrupted)
        with pytest.raises(KeyboardInterrupt):
            cache.get("a")
    clock.now += 1
    assert cache.get("a").kid == "a"
    assert cache._pending == {}


def test_no_thread_can_be_started(
    cache: KeyCache, source: Source, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process at its limit of threads gets our error, and a key as soon as there is a thread."""
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(KeyUnavailableError, match="no thread could be started"):
            cache.get("a")
        with pytest.raises(KeyUnavailableError, match="no thread could be started"):
            asyncio.run(cache.aget("b"))
    assert (source.asked, cache._pending, cache.stats().fetches) == ([], {}, 2)
    clock.now += 1
    assert cache.get("a").kid == "a"


def test_an_interrupt_before_anything_is_decided(source: Source) -> None:
    """9. There is nothing to release then, and nothing is left."""
    interrupts = iter([KeyboardInterrupt()])
    clock = ManualClock()

    def age_clock() -> float:
        for interrupt in interrupts:
            raise interrupt
        return clock()

    cache = KeyCache(source, POLICY, clock=clock, age_clock=age_clock)
    with pytest.raises(KeyboardInterrupt):
        cache.get("a")
    assert cache.get("a").kid == "a"
