"""The running event loop, PerLoop, and coroutines that are abandoned when they take too long."""

from __future__ import annotations

import asyncio
import gc
import time
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import pytest

from hookkey_verify._runtime import event_loop
from hookkey_verify._runtime.event_loop import PerLoop, await_within, running_loop
from hookkey_verify.errors import ConfigurationError

PATIENCE = 30


async def hang() -> None:
    await asyncio.Event().wait()


async def fail(error: BaseException) -> NoReturn:
    await asyncio.sleep(0)
    raise error


def test_a_result() -> None:
    """The result of a coroutine is returned."""
    assert asyncio.run(await_within(PATIENCE, asyncio.sleep(0, 5))) == 5


@pytest.mark.parametrize("error", [ValueError("x"), KeyboardInterrupt(), SystemExit(3)], ids=repr)
def test_an_error(error: BaseException) -> None:
    """An error of a coroutine is raised unchanged."""
    with pytest.raises(type(error)) as caught:
        asyncio.run(await_within(PATIENCE, fail(error)))
    assert caught.value is error


def test_a_coroutine_that_hangs() -> None:
    """A coroutine that takes too long is cancelled, and forgotten when it has ended."""

    async def main() -> None:
        with pytest.raises(TimeoutError):
            await await_within(0.01, hang())
        [task] = event_loop._abandoned
        await asyncio.wait({task})
        assert task.cancelled()
        await asyncio.sleep(0)
        assert event_loop._abandoned == set()

    asyncio.run(main())


@pytest.mark.parametrize("ends", ["returns", "raises"])
def test_a_coroutine_that_delays_its_cancellation(
    ends: str, caplog: pytest.LogCaptureFixture
) -> None:
    """The caller does not wait for a coroutine that goes on, and its late error is not logged."""

    async def stubborn(over: asyncio.Event) -> None:
        try:
            await hang()
        finally:
            await over.wait()
            if ends == "raises":
                raise ValueError

    async def main() -> None:
        over = asyncio.Event()
        began = time.monotonic()
        with pytest.raises(TimeoutError):
            await await_within(0.01, stubborn(over))
        assert time.monotonic() - began < 5
        gc.collect()
        [task] = event_loop._abandoned
        over.set()
        await asyncio.wait({task})
        del task
        await asyncio.sleep(0)
        assert event_loop._abandoned == set()
        gc.collect()

    asyncio.run(main())
    assert caplog.messages == []


def test_a_caller_that_is_cancelled() -> None:
    """A caller that is cancelled cancels the coroutine and ends at once."""

    async def main() -> None:
        ended = asyncio.Event()

        async def wait() -> None:
            try:
                await hang()
            finally:
                ended.set()

        caller = asyncio.create_task(await_within(PATIENCE, wait()))
        await asyncio.sleep(0.01)
        caller.cancel()
        with pytest.raises(asyncio.CancelledError):
            await caller
        await asyncio.wait_for(ended.wait(), PATIENCE)

    asyncio.run(main())


def test_the_running_loop() -> None:
    """The running loop is returned; without one, an error says what to do."""

    async def main() -> None:
        assert running_loop() is asyncio.get_running_loop()

    asyncio.run(main())
    with pytest.raises(ConfigurationError, match="call the synchronous method in a thread"):
        running_loop()


# --- PerLoop


def test_each_loop_has_a_value_of_its_own() -> None:
    """All tasks of a loop get the same value, and another loop gets another one."""
    value = PerLoop(object)

    async def get() -> object:
        return value()

    async def main() -> object:
        got = await asyncio.gather(*(get() for _ in range(5)))
        assert len(set(got)) == 1
        with ThreadPoolExecutor(1) as pool:
            other = await asyncio.get_running_loop().run_in_executor(pool, asyncio.run, get())
        assert other is not got[0]
        assert value() is got[0], "the value of a loop that is open was forgotten"
        return got[0]

    assert asyncio.run(main()) is not asyncio.run(main())


def test_values_of_closed_loops_are_forgotten() -> None:
    """When a loop needs a value, those of loops that were closed are forgotten."""
    value = PerLoop(object)

    async def get() -> object:
        return value()

    for _ in range(3):
        asyncio.run(get())
        assert len(value._values) == 1


def test_a_value_that_is_popped() -> None:
    """``pop`` returns the value of the running loop once, and the loop then makes another one."""
    value = PerLoop(object)

    async def main() -> None:
        assert value.pop() is None
        first = value()
        assert value.pop() is first
        assert value.pop() is None
        assert value() is not first

    asyncio.run(main())


def test_no_value_without_a_loop() -> None:
    """Without a running loop, an error says what to do."""
    value = PerLoop(object)
    for call in (value, value.pop):
        with pytest.raises(ConfigurationError, match="needs asyncio"):
            call()
