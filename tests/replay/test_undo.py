"""Undoing: claims are undone in the background, again if that fails, and never without end."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from functools import partial

import pytest

from hookkey_verify.replay import undo
from hookkey_verify.replay.undo import Undoing

from ..faults import ManualClock, eventually

PATIENCE = 30


class Block:
    """A function that blocks the thread of an ``Undoing`` until the test lets it go on."""

    def __init__(self) -> None:
        self.calls = 0
        self._began, self._over = threading.Event(), threading.Event()

    def __call__(self) -> None:
        self.calls += 1
        self._began.set()
        assert self._over.wait(PATIENCE)

    def wait(self) -> None:
        assert self._began.wait(PATIENCE)

    def end(self) -> None:
        self._over.set()


class Lab:
    """An ``Undoing`` whose pauses advance the clock of the test."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.pauses: list[float] = []
        self.done: list[object] = []
        self.undoing = Undoing(self.clock, self._sleep)

    def _sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.clock.now += seconds

    def note(self, name: object) -> Callable[[], object]:
        return lambda: self.done.append(name)

    def failing(self, name: object, times: int) -> Callable[[], object]:
        """Return a function that fails several times before it succeeds."""
        left = [ConnectionError] * times

        def call() -> None:
            if left:
                raise left.pop()
            self.done.append(name)

        return call

    def run(self, *undos: Callable[[], object]) -> None:
        """Add functions while another one is running, and wait until the thread has ended."""
        block = Block()
        self.undoing.add(block)
        block.wait()
        for each in undos:
            self.undoing.add(each)
        block.end()
        assert eventually(lambda: not self.undoing._pending(), PATIENCE)
        assert eventually(lambda: not self.undoing._running().locked(), PATIENCE)
        assert block.calls == 1


def test_it_is_called_in_the_background() -> None:
    """A function is called once, in another thread, and ``add`` does not wait for it."""
    undoing, block = Undoing(), Block()
    undoing.add(block)
    block.wait()
    assert len(undoing._pending()) == 1
    block.end()
    assert eventually(lambda: not undoing._pending(), PATIENCE)
    assert block.calls == 1


def test_one_after_the_other() -> None:
    """Functions are called in their order by one thread, each once."""
    lab, threads = Lab(), set[int]()

    def undo(number: int) -> None:
        threads.add(threading.get_ident())
        lab.done.append(number)

    lab.run(*[partial(undo, number) for number in range(50)])
    assert lab.done == list(range(50))
    assert len(threads) == 1
    assert lab.pauses == []
    lab.run(lab.note("later"))
    assert lab.done[50:] == ["later"]


def test_a_function_that_fails() -> None:
    """A function that raises is called again after a pause, and the others wait for it."""
    lab = Lab()
    lab.run(lab.failing("a", 3), lab.note("b"))
    assert lab.done == ["a", "b"]
    assert lab.pauses == [undo.PAUSE] * 3 == [0.1] * 3


def test_without_success_all_are_dropped() -> None:
    """After five seconds without a success all pending functions are dropped."""
    lab = Lab()
    lab.run(lab.failing("a", 1000), lab.note("b"))
    assert lab.done == []
    assert 5 - 0.05 < sum(lab.pauses) < 5 + 0.15
    lab.run(lab.note("c"))
    assert lab.done == ["c"], "it works again afterwards"


def test_a_success_renews_the_patience() -> None:
    """The five seconds start again with each success."""
    lab = Lab()
    lab.run(lab.failing("a", 45), lab.failing("b", 45), lab.failing("c", 45))
    assert lab.done == ["a", "b", "c"]


def test_an_interrupt_does_not_end_it() -> None:
    """A function that raises SystemExit ends its thread, and the next ``add`` starts another."""
    lab = Lab()
    interrupts: list[BaseException] = [SystemExit()]

    def interrupted() -> None:
        if interrupts:
            raise interrupts.pop()
        lab.done.append("a")

    lab.undoing.add(interrupted)
    assert eventually(lambda: not interrupts and not lab.undoing._running().locked(), PATIENCE)
    lab.undoing.add(lab.note("b"))
    assert eventually(lambda: lab.done == ["a", "b"], PATIENCE)


@pytest.mark.parametrize("more", [0, 1])
def test_the_oldest_are_dropped(more: int) -> None:
    """At most 1,000 functions wait; the oldest are dropped, also the one that is running."""
    lab = Lab()
    lab.run(*[lab.note(number) for number in range(1000 + more)])
    assert lab.done == list(range(more, 1000 + more))


def test_added_while_the_thread_ends() -> None:
    """A function that is added while the thread is about to end is called nevertheless."""
    lab = Lab()
    drain = lab.undoing._drain
    added: list[int] = []

    def drained(pending: object) -> None:
        drain(pending)  # type: ignore[arg-type]
        if not added:
            added.append(1)
            lab.undoing.add(lab.note("late"))

    lab.undoing._drain = drained  # type: ignore[method-assign]
    lab.undoing.add(lab.note("first"))
    assert eventually(lambda: lab.done == ["first", "late"], PATIENCE)


def test_a_forked_child(monkeypatch: pytest.MonkeyPatch) -> None:
    """A child does not wait for the thread of its parent, nor does it undo its parent's claims."""
    lab, block = Lab(), Block()
    lab.undoing.add(block)
    block.wait()
    lab.undoing.add(lab.note("of the parent"))
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: -1)
        lab.undoing.add(lab.note("of the child"))
        assert eventually(lambda: lab.done == ["of the child"], PATIENCE)
        assert eventually(lambda: not lab.undoing._running().locked(), PATIENCE)
    block.end()
