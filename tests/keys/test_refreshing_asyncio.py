"""The cache: ``aget``, event loops and cancellation."""

from __future__ import annotations

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hookkey_verify import PublicKey
from hookkey_verify.errors import KeyUnavailableError
from hookkey_verify.events import EventName
from hookkey_verify.keys.flight import Fetched

from ..faults import ManualClock
from .controlled_fetches import PATIENCE, PATIENT, POLICY, EventLog, Held, KeyCache, Source


def test_the_loop_goes_on_while_the_source_hangs(source: Source) -> None:
    """The event loop is not blocked: it releases the fetch that ``aget`` waits for."""
    held = Held(source)
    cache = KeyCache(held, PATIENT)

    async def main() -> str:
        task = asyncio.create_task(cache.aget("a"))
        await held.fetching()
        for _ in range(20):
            await asyncio.sleep(0)
        assert not task.done()
        held.release(0)
        return (await task).kid

    with held:
        assert asyncio.run(main()) == "a"


def test_tasks_and_threads_make_one_fetch(source: Source) -> None:
    """A hundred tasks and twenty threads that look up one kid share one fetch."""
    log = EventLog()
    cache = KeyCache(log.before(source, 119), PATIENT, on_event=log)

    async def main(pool: ThreadPoolExecutor) -> set[int]:
        futures = [pool.submit(cache.get, "a") for _ in range(20)]
        keys = await asyncio.gather(*(cache.aget("a") for _ in range(100)))
        return {id(key) for key in [*keys, *(future.result(PATIENCE) for future in futures)]}

    with ThreadPoolExecutor(20) as pool:
        assert asyncio.run(main(pool)) == {id(cache.peek("a"))}
    assert len(source.asked) == 1


@pytest.mark.parametrize("cancelled", [1, 5], ids=["one", "all"])
@pytest.mark.parametrize("error", [None, KeyUnavailableError("broken")], ids=["key", "error"])
def test_cancelled_tasks(
    source: Source, caplog: pytest.LogCaptureFixture, cancelled: int, error: Exception | None
) -> None:
    """Cancelling callers does not cancel the fetch, and asyncio reports no error."""
    source.error = error
    held, log = Held(source), EventLog()
    cache = KeyCache(held, PATIENT, on_event=log)
    complaints: list[dict[str, Any]] = []

    async def main() -> list[PublicKey | BaseException]:
        asyncio.get_running_loop().set_exception_handler(lambda _, about: complaints.append(about))
        tasks = [asyncio.create_task(cache.aget("a")) for _ in range(5)]
        await held.fetching()
        for task in tasks[:cancelled]:
            task.cancel()
        await asyncio.wait(tasks[:cancelled])
        assert not any(task.done() for task in tasks[cancelled:])
        held.release(0)
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(log.wait_for, EventName.FETCH)
        return outcomes

    with held:
        outcomes = asyncio.run(main())
    gc.collect()
    left = {KeyUnavailableError} if error is not None else {PublicKey}
    assert {type(outcome) for outcome in outcomes[:cancelled]} == {asyncio.CancelledError}
    assert {type(outcome) for outcome in outcomes[cancelled:]} <= left
    assert (cache.peek("a") is None) == (error is not None)
    assert len(source.asked) == 1
    assert complaints == []
    assert {record.name for record in caplog.records} <= {"hookkey_verify"}


def test_two_loops_share_one_cache(source: Source) -> None:
    """Two event loops in two threads wait for the same fetch."""
    log = EventLog()
    cache = KeyCache(log.before(source, 1), PATIENT, on_event=log)
    with ThreadPoolExecutor(2) as pool:
        keys = list(pool.map(lambda kid: asyncio.run(cache.aget(kid)), "aa"))
    assert keys[0] is keys[1] is cache.peek("a")
    assert len(source.asked) == 1


def test_one_loop_after_the_other(source: Source, clock: ManualClock) -> None:
    """A later ``asyncio.run`` uses the key of an earlier one, and can fetch."""
    cache = KeyCache(source, PATIENT, clock=clock, age_clock=clock)
    first = asyncio.run(cache.aget("a"))
    assert asyncio.run(cache.aget("a")) is first
    clock.now += 100
    asyncio.run(cache.aget("a"))
    assert asyncio.run(cache.aget("b")).kid == "b"
    assert [kid for kid, _ in source.asked] == ["a", "a", "b"]


def test_a_later_loop_waits_for_the_fetch_of_an_earlier_one(
    source: Source, clock: ManualClock
) -> None:
    """A fetch that an already closed event loop started wakes a caller in a later one."""
    held, log = Held(source), EventLog()
    cache = KeyCache(held, PATIENT, on_event=log, clock=clock, age_clock=clock)

    async def later() -> str:
        task = asyncio.create_task(cache.aget("a"))
        await asyncio.sleep(0)
        held.release(0)
        return (await task).kid

    with held:
        with pytest.raises(KeyUnavailableError):
            asyncio.run(cache.aget("a", deadline=clock.now + 0.02))
        assert asyncio.run(later()) == "a"
    assert len(source.asked) == 1


def test_a_loop_that_is_closed_early(
    source: Source, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The fetching thread raises and logs nothing if the event loop of a caller is closed."""
    raised: list[threading.ExceptHookArgs] = []
    monkeypatch.setattr(threading, "excepthook", raised.append)
    held, log = Held(source), EventLog()
    cache = KeyCache(held, PATIENT, on_event=log)
    loop = asyncio.new_event_loop()
    with held:
        waiting = loop.create_task(cache.aget("a"))
        loop.run_until_complete(held.fetching())
        pending = asyncio.all_tasks(loop)
        loop.close()
    log.wait_for(EventName.FETCH)
    assert waiting in pending
    assert cache.peek("a") is not None
    assert (raised, caplog.records) == ([], [])
    for task in pending:  # the test itself closed the loop too early
        task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_waiters_leave_nothing_on_a_hanging_flight(source: Source, clock: ManualClock) -> None:
    """Callers that gave up leave no reference on a fetch that hangs."""
    hanging = threading.Event()

    def fetch(kid: str, deadline: float) -> Fetched[PublicKey]:
        hanging.wait(10)
        return source(kid, deadline)

    cache = KeyCache(fetch, POLICY, clock=clock, age_clock=clock)

    async def main() -> None:
        for later in (0, 5):
            clock.now += later
            for _ in range(20):
                with pytest.raises(KeyUnavailableError):
                    await cache.aget("a", deadline=clock.now + 0.001)
        [pending] = cache.pending.values()
        assert pending.wakers == set()

    asyncio.run(main())
    hanging.set()


def test_a_cancellation_is_never_swallowed(source: Source, clock: ManualClock) -> None:
    """A cancellation takes effect even between the end of the fetch and the task's next turn."""
    proceed = threading.Event()

    def fetch(kid: str, deadline: float) -> Fetched[PublicKey]:
        proceed.wait(10)
        return source(kid, deadline)

    cache = KeyCache(fetch, POLICY, clock=clock, age_clock=clock)

    async def main(turns: int) -> bool:
        task = asyncio.ensure_future(cache.aget("a"))
        await asyncio.sleep(0)
        proceed.set()
        while cache.pending:
            await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        asked = task.cancel()
        await asyncio.wait([task])
        return task.cancelled() if asked else True

    for turns in range(5):
        proceed.clear()
        cache.invalidate("a")
        assert asyncio.run(main(turns)), turns
