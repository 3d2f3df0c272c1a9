"""The cost of a claim, engine beside engine, and what a failover loses.

python -m tests.bench --only claims failover

All engines run on this machine, so the network adds nothing. The engines alternate, round by round;
the results are medians.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, ExitStack
from itertools import count
from typing import Any

from hookkey_verify.dynamodb import DynamoDBReplayStore
from hookkey_verify.postgres import PostgresReplayStore
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.valkey import ValkeyReplayStore
from tests.databases import dynamodb_server, postgres_server
from tests.valkey.load import ISSUER, recovers, under_load
from tests.valkeys import valkey_cluster, valkey_sentinel, valkey_server

__all__ = ["costs", "failovers"]

ROUNDS, CLAIMS = 20, 100
LOAD = 7.0
"""Seconds for which tokens are claimed; the primary is killed after one."""
LAG = 0.3
"""Seconds for which replication is cut before the primary is killed."""
_numbers = count()


def costs() -> Mapping[str, Mapping[str, float]]:
    """Return the microseconds of a claim in a thread and on an event loop, and bytes per token."""
    figures: dict[str, dict[str, Any]] = {}
    with ExitStack() as stack:
        stores = _stores(stack)
        times: dict[str, tuple[list[float], list[float]]] = {name: ([], []) for name in stores}
        with asyncio.Runner() as runner:
            for _ in range(ROUNDS):
                for name, (store, _) in stores.items():
                    times[name][0].append(_in_this_thread(store))
                    times[name][1].append(runner.run(_on_an_event_loop(store)))
            for name, (store, size) in stores.items():
                sync, on_loop = (statistics.median(each) for each in times[name])
                figures[name] = {"thread us": round(sync), "event loop us": round(on_loop)}
                if size is not None:
                    figures[name]["bytes per token"] = size()
                if not isinstance(store, MemoryReplayStore):
                    runner.run(store.aclose())
    return figures


def _stores(stack: ExitStack) -> dict[str, tuple[Any, Callable[[], int] | None]]:
    single = stack.enter_context(valkey_server())
    cluster = stack.enter_context(valkey_cluster())
    group = stack.enter_context(valkey_sentinel(replicas=2))
    postgres = stack.enter_context(postgres_server())
    emulated = stack.enter_context(dynamodb_server())
    in_postgres = PostgresReplayStore(postgres.url, timeout=5)
    in_postgres.create_table()
    in_dynamodb = DynamoDBReplayStore("used-tokens", timeout=5, **emulated.options)
    in_dynamodb.create_table()

    def size() -> int:
        with single.client() as client:
            name = next(client.scan_iter("hookkey:used:*"))
            return int(client.memory_usage(name))

    return {
        "memory": (MemoryReplayStore(single_process=True), None),
        "Valkey": (ValkeyReplayStore(single.url, timeout=5), size),
        "Valkey Cluster": (ValkeyReplayStore(cluster.url, timeout=5), None),
        "Valkey, Sentinel": (ValkeyReplayStore(group.url, timeout=5), None),
        "Valkey, wait_replicas=1": (
            ValkeyReplayStore(group.url, timeout=5, wait_replicas=1),
            None,
        ),
        "PostgreSQL": (in_postgres, lambda: _bytes_in_postgres(postgres)),
        "DynamoDB (moto)": (in_dynamodb, None),
    }


def _bytes_in_postgres(server: Any) -> int:
    total = server.execute(
        "SELECT pg_total_relation_size('hookkey_used_tokens') / count(*) FROM hookkey_used_tokens"
    )
    return int(total[0][0])


def _in_this_thread(store: Any) -> float:
    until, began = time.time() + 3600, time.perf_counter()
    for _ in range(CLAIMS):
        assert store.claim(ISSUER, f"{next(_numbers):032x}", until)
    return (time.perf_counter() - began) / CLAIMS * 1e6


async def _on_an_event_loop(store: Any) -> float:
    until, began = time.time() + 3600, time.perf_counter()
    for _ in range(CLAIMS):
        assert await store.aclaim(ISSUER, f"{next(_numbers):032x}", until)
    return (time.perf_counter() - began) / CLAIMS * 1e6


def failovers() -> Mapping[str, Mapping[str, float]]:
    """Kill the primary of a Sentinel group under load; count the tokens that can be used again."""
    return {
        "wait_replicas=1": _failover(valkey_sentinel(replicas=2), 1),
        "no wait": _failover(valkey_sentinel(replicas=2), 0),
        f"no wait, replication cut {LAG} s before": _failover(valkey_sentinel(replicas=1), 0, LAG),
    }


def _failover(
    servers: AbstractContextManager[Any], wait_replicas: int, lag: float | None = None
) -> Mapping[str, float]:
    with servers as group:
        store = ValkeyReplayStore(group.url, wait_replicas=wait_replicas)

        def fault() -> None:
            if lag is not None:
                group.pause_replication()
                time.sleep(lag)
            group.kill_primary()

        answers = under_load(store, LOAD, fault)
        failed = [each.at for each in answers if each.result is not True]
        accepted = [each.jti for each in answers if each.result is True]
        recovers(store, seconds=30)
        again = sum(store.claim(ISSUER, jti, time.time() + 300) for jti in accepted)
        store.close()
    return {
        "accepted": len(accepted),
        "accepted twice": again,
        "seconds of 503": round(max(failed) - min(failed), 1),
    }
