"""call_within and in_thread: calls in threads that wait for nothing but their own call."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import wait
from typing import Any

import pytest

from hookkey_verify._runtime import bounded
from hookkey_verify._runtime.bounded import call_within, in_thread
from hookkey_verify._runtime.forking import PerProcess

from ..faults import eventually
from .test_forking import FORKS, SCRIPT, needs_fork, run

PATIENCE = 30


@pytest.fixture(autouse=True)
def idle(monkeypatch: pytest.MonkeyPatch) -> Iterator[deque[Any]]:
    """The idle threads of this test only, which end with it."""
    before = set(threading.enumerate())
    monkeypatch.setattr(bounded, "_idle", PerProcess(deque))
    inboxes = bounded._idle()
    yield inboxes
    monkeypatch.setattr(bounded, "IDLE", 0)

    def ended() -> bool:
        while inboxes:
            inboxes.pop().put(int)
        return set(threading.enumerate()) <= before

    assert eventually(ended, PATIENCE)


def _becomes_idle(idle: deque[Any], threads: int) -> None:
    assert eventually(lambda: len(idle) == threads, PATIENCE)


def test_a_result() -> None:
    """A call gets its arguments, and its result or error is returned."""

    def function(*arguments: object, **options: object) -> object:
        return threading.current_thread().name, arguments, options

    expected = ("hookkey-store", (1, 2), {"a": 3})
    assert call_within(PATIENCE, function, 1, 2, a=3) == expected
    assert in_thread(function, 1, 2, a=3).result(PATIENCE) == expected


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_an_error(idle: deque[Any], error: BaseException) -> None:
    """An error of the call is raised unchanged, and its thread serves further calls."""

    def function() -> None:
        raise error

    with pytest.raises(type(error)) as caught:
        call_within(PATIENCE, function)
    assert caught.value is error
    _becomes_idle(idle, 1)
    assert call_within(PATIENCE, lambda: 5) == 5


@pytest.mark.parametrize("seconds", [0, -1])
def test_no_time(seconds: float) -> None:
    """Nothing is called if no time is left."""
    calls: list[int] = []
    with pytest.raises(TimeoutError):
        call_within(seconds, calls.append, 1)
    assert call_within(PATIENCE, lambda: list(calls)) == []


def test_threads_are_reused(idle: deque[Any]) -> None:
    """Calls in a row run in one thread."""
    threads: set[int] = set()
    for _ in range(20):
        threads.add(call_within(PATIENCE, threading.get_ident))
        _becomes_idle(idle, 1)
    assert len(threads) == 1


def test_at_most_eight_threads_are_idle(idle: deque[Any]) -> None:
    """Any number of calls run at once; afterwards eight threads stay, and the others end."""
    together = threading.Barrier(20)

    def call() -> threading.Thread:
        together.wait(PATIENCE)
        return threading.current_thread()

    calls = [in_thread(call) for _ in range(20)]
    threads = {each.result(PATIENCE) for each in calls}
    assert len(threads) == 20
    _becomes_idle(idle, bounded.IDLE)
    assert eventually(lambda: sum(each.is_alive() for each in threads) == 8, PATIENCE)
    assert all(each.daemon for each in threads)


def test_an_abandoned_call_blocks_nobody(idle: deque[Any]) -> None:
    """A call that is over time keeps its thread until it ends, and other calls use others."""
    over, ended = threading.Event(), threading.Event()

    def hang() -> None:
        over.wait(PATIENCE)
        ended.set()

    for _ in range(50):
        with pytest.raises(TimeoutError):
            call_within(0.001, hang)
    began = time.monotonic()
    assert call_within(PATIENCE, lambda: 5) == 5
    assert not ended.is_set()
    assert time.monotonic() - began < 5
    over.set()
    _becomes_idle(idle, bounded.IDLE)


def test_cancelling_has_no_effect() -> None:
    """A call whose future is cancelled goes on, and the future gets its result."""
    over = threading.Event()
    future = in_thread(over.wait, PATIENCE)
    assert future.cancel() is False
    over.set()
    assert future.result(PATIENCE) is True
    assert not wait([future], 0).not_done


FORKED = (
    SCRIPT
    + """
from hookkey_verify._runtime.bounded import call_within, in_thread

def work():
    assert call_within(20, lambda: 6) == 6
    assert [in_thread(pow, 2, each).result(20) for each in range(4)] == [1, 2, 4, 8]

over = threading.Event()
hanging = in_thread(over.wait)
calls = [in_thread(pow, 2, each) for each in range(4)]
assert [each.result(20) for each in calls] == [1, 2, 4, 8]
in_child(work)
work()
over.set()
assert hanging.result(20)
"""
)


@needs_fork
@FORKS
def test_a_child_starts_threads_of_its_own(how: str) -> None:
    """A child does not wait for idle threads of its parent, which it does not have."""
    run(FORKED, how)
