"""Checks of a Valkey or Redis: settings that can lose a used token, permissions, and clocks."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import redis
from redis.exceptions import NoPermissionError, RedisError

from .._runtime.bounded import call_within
from .._runtime.clock import wall_clock
from ..errors import ConfigurationError
from ..replay.finding import Finding, clock_finding
from .problems import explain

__all__ = ["check_server", "check_settings"]

LIMIT = 10
"""Seconds for all checks together."""

OLDEST = (6, 2)
"""The oldest Redis that replicates scripts as needed."""


def check_server(
    store: str,
    connect: Callable[[], Any],
    attempt: Callable[[], object],
    wait_replicas: int | None,
) -> list[Finding]:
    """Return the findings of ``check_settings``, and whether the store's commands are permitted.

    ``store``: the name of the finding if the server cannot be reached.
    ``connect``: returns a ``Redis`` or ``RedisCluster``.
    ``attempt``: sends the commands that the store needs.
    ``wait_replicas``: as for ``check_settings``.

    Raises ``ConfigurationError`` if ``connect`` does.
    """

    def ask() -> list[Finding]:
        found = check_settings(connect(), wait_replicas)
        try:
            attempt()
        except RedisError as error:
            return [*found, Finding("permissions", "failed", explain(error).text)]
        return [*found, Finding("permissions", "ok", "all commands are permitted")]

    try:
        return call_within(LIMIT, ask)
    except ConfigurationError:
        raise
    except Exception as error:
        return [Finding(store, "failed", explain(error).text)]


def check_settings(client: Any, wait_replicas: int | None) -> list[Finding]:
    """Return findings about each primary: version, role, memory, persistence, replicas, clock.

    ``client``: a ``Redis`` or ``RedisCluster``.
    ``wait_replicas``: the number of replicas that each claim waits for; None for a store whose
        records may be lost. Then memory, persistence and replicas do not matter.
    """
    if not isinstance(client, redis.RedisCluster):
        return list(_findings("", client, wait_replicas))
    found: list[Finding] = []
    for node in client.get_primaries():  # type: ignore[no-untyped-call]
        found += _findings(f" of {node.name}", client.get_redis_connection(node), wait_replicas)
    return found


def _findings(of: str, server: Any, wait_replicas: int | None) -> Iterator[Finding]:
    try:
        info = server.info("all")
    except NoPermissionError:
        text = "the store's user may not read them: allow +info to be warned of risky settings"
        yield Finding(f"settings{of}", "skipped", text)
        return
    yield _version(of, info)
    if info.get("cluster_enabled") and not of:
        text = "it is a node of a Cluster: use valkey+cluster:// or cluster=True"
        yield Finding("cluster", "failed", text)
    yield _role(of, info)
    if wait_replicas is not None:
        yield from _durability(of, info)
        yield _replicas(of, info, wait_replicas)
    yield _clock(of, server)


def _durability(of: str, info: dict[str, Any]) -> Iterator[Finding]:
    policy = str(info.get("maxmemory_policy", "unknown"))
    if policy == "noeviction" or not info.get("maxmemory"):
        yield Finding(f"eviction{of}", "ok", f"maxmemory-policy {policy}")
    else:
        text = f"maxmemory-policy is {policy}; set noeviction, or used tokens are evicted"
        yield Finding(f"eviction{of}", "warning", text)
    if info.get("aof_enabled"):
        yield Finding(f"persistence{of}", "ok", "append-only file")
    else:
        text = "no append-only file: a restart loses used tokens; set appendonly yes"
        yield Finding(f"persistence{of}", "warning", text)


def _version(of: str, info: dict[str, Any]) -> Finding:
    if "valkey_version" in info:
        return Finding(f"version{of}", "ok", f"Valkey {info['valkey_version']}")
    version = str(info.get("redis_version", "unknown"))
    numbers = [int(part) for part in version.split(".")[:2] if part.isdecimal()]
    if tuple(numbers) < OLDEST:
        text = f"Redis {version}; 6.2 or later is needed"
        return Finding(f"version{of}", "failed", text)
    return Finding(f"version{of}", "ok", f"Redis {version}")


def _role(of: str, info: dict[str, Any]) -> Finding:
    if info.get("role") == "master":
        return Finding(f"role{of}", "ok", "primary")
    text = "it is a replica: use the address of the primary, or valkey+sentinel://"
    return Finding(f"role{of}", "failed", text)


def _replicas(of: str, info: dict[str, Any], wait_replicas: int) -> Finding:
    connected = int(info.get("connected_slaves", 0))
    name, text = f"replicas{of}", f"{connected} connected"
    if connected < wait_replicas:
        text += f", but wait_replicas is {wait_replicas}: add replicas"
        return Finding(name, "failed", text)
    if connected and "min_slaves_good_slaves" not in info:
        text += "; set min-replicas-to-write 1, or a primary that is cut off goes on accepting"
        return Finding(name, "warning", text)
    if connected and not wait_replicas:
        text += "; a failover can lose the last tokens unless you set wait_replicas=1"
        return Finding(name, "warning", text)
    return Finding(name, "ok", text)


def _clock(of: str, server: Any) -> Finding:
    began, before = time.monotonic(), wall_clock()
    seconds, microseconds = server.time()
    middle = before + (time.monotonic() - began) / 2
    return clock_finding(f"clock{of}", seconds + microseconds / 1e6 - middle)
