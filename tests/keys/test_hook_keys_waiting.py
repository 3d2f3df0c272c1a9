"""HookKeys: deadlines, and ``aget``, which does not block the event loop."""

from __future__ import annotations

import asyncio
import time

import pytest

from hookkey_verify import CachePolicy, HookKeys, HookSigner
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import KeyUnavailableError, UnknownKeyError

from ..faults import FaultServer, Gate, json_answer, silence
from .faulty_org import NO_KEY, faulty


def test_the_fetch_ends_with_the_policy() -> None:
    """``fetch_timeout`` limits the total time of one fetch."""
    policy = CachePolicy(fetch_timeout=0.2)
    with FaultServer(silence) as server, faulty(server, policy=policy) as keys:
        started = time.monotonic()
        with pytest.raises(KeyUnavailableError, match=r"deadline|in time"):
            keys.get(NO_KEY)
        assert 0.15 < time.monotonic() - started < 1.5


def test_the_deadline_of_the_caller_comes_first() -> None:
    """``deadline`` is a reading of the monotonic clock, for ``get`` and for ``aget``."""
    with FaultServer(silence) as server, faulty(server) as keys:
        started = time.monotonic()
        with pytest.raises(KeyUnavailableError):
            keys.get(NO_KEY, deadline=started + 0.15)
        with pytest.raises(KeyUnavailableError):
            asyncio.run(keys.aget(NO_KEY, deadline=started + 0.3))
        assert 0.25 < time.monotonic() - started < 1.5


def test_a_cold_aget_does_not_block_the_loop(signer: HookSigner) -> None:
    """The event loop runs other tasks while ``aget`` waits for the org."""
    gate = Gate(json_answer(200, signer.public_jwk()))

    async def main() -> str:
        key, _ = await asyncio.gather(keys.aget(signer.kid), gate.open_when_asked())
        return key.kid

    with FaultServer(gate) as server, faulty(server) as keys:
        assert asyncio.run(main()) == signer.kid


def test_a_warm_aget_begins_nothing(okta: OktaEmulator, org_keys: HookKeys, key_id: str) -> None:
    """A cached key or "no such key" is returned without starting a thread."""

    async def main() -> None:
        for _ in range(3):
            assert (await org_keys.aget(key_id)).kid == key_id
            with pytest.raises(UnknownKeyError):
                await org_keys.aget(NO_KEY)

    asyncio.run(main())
    assert (org_keys.stats().misses, org_keys.stats().hits) == (2, 2)
    assert len(okta.requests) == 2


def test_threads_and_loops_share_one_cache(
    okta: OktaEmulator, org_keys: HookKeys, key_id: str
) -> None:
    """A key fetched by ``aget`` is cached for ``get`` and for another event loop."""
    first = asyncio.run(org_keys.aget(key_id))
    assert org_keys.get(key_id) is first
    assert asyncio.run(org_keys.aget(key_id)) is first
    assert len(okta.requests) == 1


def test_a_warm_async_look_up(org_keys: HookKeys, key_id: str) -> None:
    """``aget`` returns a cached key at once."""
    first = asyncio.run(org_keys.aget(key_id))
    assert asyncio.run(org_keys.aget(key_id)) is first
