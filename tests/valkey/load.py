"""Many claims at once, in threads and on an event loop, and what became of each."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from itertools import chain
from typing import NamedTuple

from hookkey_verify.errors import HookVerificationError
from hookkey_verify.valkey import ValkeyReplayStore

from ..faults import eventually

__all__ = ["ISSUER", "LOADS", "Answer", "Claims", "asynchronous", "threaded", "under_load"]

ISSUER = "https://acme.okta.com"


class Answer(NamedTuple):
    """What a claim returned, or the reason of its error; when, and after how many seconds."""

    jti: str
    result: bool | str
    at: float
    seconds: float


Claims = Callable[[ValkeyReplayStore, Iterable[str]], list[Answer]]


def _until() -> float:
    return time.time() + 300


def _claim(store: ValkeyReplayStore, jti: str) -> Answer:
    began = time.monotonic()
    try:
        result: bool | str = store.claim(ISSUER, jti, _until())
    except HookVerificationError as error:
        result = str(error.reason)
    return Answer(jti, result, began, time.monotonic() - began)


async def _aclaim(store: ValkeyReplayStore, jti: str) -> Answer:
    began = time.monotonic()
    try:
        result: bool | str = await store.aclaim(ISSUER, jti, _until())
    except HookVerificationError as error:
        result = str(error.reason)
    return Answer(jti, result, began, time.monotonic() - began)


def threaded(store: ValkeyReplayStore, jtis: Iterable[str]) -> list[Answer]:
    """Claim all tokens at once, each in a thread of its own."""
    jtis = list(jtis)
    with ThreadPoolExecutor(len(jtis)) as pool:
        return list(pool.map(lambda jti: _claim(store, jti), jtis))


def asynchronous(store: ValkeyReplayStore, jtis: Iterable[str]) -> list[Answer]:
    """Claim all tokens at once on one event loop."""

    async def claim_all() -> list[Answer]:
        return await asyncio.gather(*(_aclaim(store, jti) for jti in jtis))

    return asyncio.run(claim_all())


LOADS = [threaded, asynchronous]


def recovers(store: ValkeyReplayStore, claim: Claims = threaded, seconds: float = 5) -> bool:
    """Whether a new token can be claimed within some seconds."""
    return eventually(
        lambda: claim(store, [f"recovery {time.monotonic()}"])[0].result is True, seconds
    )


def under_load(
    store: ValkeyReplayStore, seconds: float, fault: Callable[[], object]
) -> list[Answer]:
    """Claim new tokens for some seconds in ten threads and ten tasks; after one, call ``fault``."""
    until = time.monotonic() + seconds

    async def tasks() -> list[Answer]:
        async def one(worker: int) -> list[Answer]:
            answers: list[Answer] = []
            while time.monotonic() < until:
                answers.append(await _aclaim(store, f"task {worker} {len(answers)}"))
                await asyncio.sleep(0.005)
            return answers

        return list(chain.from_iterable(await asyncio.gather(*map(one, range(10)))))

    def thread(worker: int) -> list[Answer]:
        answers: list[Answer] = []
        while time.monotonic() < until:
            answers.append(_claim(store, f"thread {worker} {len(answers)}"))
            time.sleep(0.005)
        return answers

    with ThreadPoolExecutor(12) as pool:
        futures = [pool.submit(asyncio.run, tasks())]
        futures += [pool.submit(thread, worker) for worker in range(10)]
        time.sleep(1)
        fault()
        return list(chain.from_iterable(future.result() for future in futures))
