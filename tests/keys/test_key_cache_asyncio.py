"""KeyCache: ``aget``, event loops and cancellation."""

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
from hookkey_verify.keys.cache import Fetched, KeyCache

from ..faults import ManualClock
from .controlled_fetches import PATIENCE, PATIENT, POLICY, EventLog, Held, Source


def test_the_loop_goes_on_while_the_source_hangs(source: Source) -> None:
    """52. The fetch ends only because the event loop beats on and releases it."""
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
    """53. A hundred tasks and twenty threads ask for one kid at once."""
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
    """54. The fetch goes on for the others and for later; asyncio has nothing to complain about."""
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
    """55. Two event loops in two threads wait for the same fetch."""
    log = EventLog()
    cache = KeyCache(log.before(source, 1), PATIENT, on_event=log)
    with ThreadPoolExecutor(2) as pool:
        keys = list(pool.map(lambda kid: asyncio.run(cache.aget(kid)), "aa"))
    assert keys[0] is keys[1] is cache.peek("a")
    assert len(source.asked) == 1


def test_one_loop_after_the_other(source: Source, clock: ManualClock) -> None:
    """56. A later ``asyncio.run`` finds the key of an earlier one, and can fetch."""
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
    """56. The loop that began the fetch is gone, and its end reaches the one that waits now."""
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
    """57. Nothing is raised or logged by the thread that fetches when a waiter's loop is gone."""
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
    for task in pending:  # that the loop was closed too early is the test's own doing
        task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_waiters_leave_nothing_on_a_hanging_flight(source: Source, clock: ManualClock) -> None:
    """54. However many come and go, and also when its time is over."""
    hanging = threading.Event()

    def fetch(kid: str, deadline: float) -> Fetched:
        hanging.wait(10)
        return source(kid, deadline)

    cache = KeyCache(fetch, POLICY, clock=clock, age_clock=clock)

    async def main() -> None:
        for later in (0, 5):
            clock.now += later
            for _ in range(20):
                with pytest.raises(KeyUnavailableError):
                    await cache.aget("a", deadline=clock.now + 0.001)
        [pending] = cache._pending.values()
        assert pending.wakers == set()

    asyncio.run(main())
    hanging.set()


def test_a_cancellation_is_never_swallowed(source: Source, clock: ManualClock) -> None:
    """54. Not even when it comes between the landing and the waiter's next turn."""
    proceed = threading.Event()

    def fetch(kid: str, deadline: float) -> Fetched:
        proceed.wait(10)
        return source(kid, deadline)

    cache = KeyCache(fetch, POLICY, clock=clock, age_clock=clock)

    async def main(turns: int) -> bool:
        task = asyncio.ensure_future(cache.aget("a"))
        await asyncio.sleep(0)
        proceed.set()
        while cache._pending:
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
