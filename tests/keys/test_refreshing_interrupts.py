"""The cache: interrupted fetches and threads that cannot be started."""

from __future__ import annotations

import asyncio
import logging
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from hookkey_verify.errors import KeyUnavailableError
from hookkey_verify.events import Event, EventName

from ..faults import ManualClock
from .controlled_fetches import (
    OTHER_ERRORS,
    PATIENT,
    POLICY,
    EventLog,
    GreenletExit,
    KeyCache,
    Source,
    no_thread,
    outcome,
)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit, GreenletExit])
def test_an_interrupted_fetch_releases_everybody(
    source: Source, clock: ManualClock, kind: type[BaseException]
) -> None:
    """After an interrupt, callers get ``KeyUnavailableError``; a later look-up fetches again."""
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
    """After failures of all kinds no fetch is in flight, and a new fetch works."""
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
    assert cache.pending == {}
    clock.now += 1_000
    assert (cache.get("a").kid, cache.get("b").kid) == ("a", "b")


def test_an_interrupt_while_a_miss_is_told(source: Source, clock: ManualClock) -> None:
    """A ``BaseException`` raised while a miss is reported does not block later look-ups."""
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
    """An interrupt before or after a thread starts leaves no fetch in flight."""
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
    assert cache.pending == {}


def test_no_thread_can_be_started(
    cache: KeyCache, source: Source, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a free thread a look-up raises our error; it succeeds once threads are available."""
    with monkeypatch.context() as patch:
        patch.setattr(threading.Thread, "start", no_thread)
        with pytest.raises(KeyUnavailableError, match="no thread could be started"):
            cache.get("a")
        with pytest.raises(KeyUnavailableError, match="no thread could be started"):
            asyncio.run(cache.aget("b"))
    assert (source.asked, cache.pending, cache.stats().fetches) == ([], {}, 2)
    clock.now += 1
    assert cache.get("a").kid == "a"


def test_an_interrupt_before_anything_is_decided(source: Source) -> None:
    """An interrupt before the decision does not affect the next look-up."""
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


def test_a_log_handler_that_raises(source: Source, clock: ManualClock) -> None:
    """Callers get the error, and the failure is recorded, even if logging raises."""

    def fail(_: logging.LogRecord) -> bool:
        raise RuntimeError

    cache = KeyCache(source, POLICY, clock=clock, age_clock=clock)
    source.error = KeyUnavailableError("down")
    logger = logging.getLogger("hookkey_verify")
    logger.addFilter(fail)
    try:
        with pytest.raises(KeyUnavailableError, match="down"):
            cache.get("a")
    finally:
        logger.removeFilter(fail)
    source.error = None
    clock.now += 1
    assert cache.get("a").kid == "a"


SIGNALS = """
import signal
from hookkey_verify import CachePolicy
from hookkey_verify.keys.source import SourceState

class Interrupt(BaseException):
    pass

def interrupt(*_):
    raise Interrupt

state = SourceState("here", CachePolicy(), None)
signal.signal(signal.SIGALRM, interrupt)
interrupted = 0
while interrupted < 3000:
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.00002 + interrupted % 50 * 1e-6)
        while True:
            with state.changing():
                pass
    except Interrupt:
        interrupted += 1
    assert not state._lock().locked(), interrupted
"""


@pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="the system has no timers")
def test_a_signal_never_leaves_the_lock_held() -> None:
    """A signal handler that raises at any moment leaves the lock released."""
    subprocess.run([sys.executable, "-c", SIGNALS], check=True, timeout=100)
