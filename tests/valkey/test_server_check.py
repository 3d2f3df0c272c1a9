"""check() and the warning at the start, with real servers in all states that matter."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
import redis

from hookkey_verify.errors import ConfigurationError
from hookkey_verify.replay import Finding
from hookkey_verify.valkey import ValkeyReplayStore, server_check

from ..faults import eventually
from ..servers import free_port
from ..valkeys import Valkey, valkey_cluster, valkey_server

DURABLE: dict[str, Any] = {"appendonly": "yes"}


def check(url: str, **arguments: Any) -> dict[str, Finding]:
    """Return the findings of a new store by what was checked."""
    store = ValkeyReplayStore(url, timeout=2, **arguments)
    try:
        findings = store.check()
    finally:
        store.close()
    assert len({each.check for each in findings}) == len(findings)
    return {each.check: each for each in findings}


def problems(url: str, **arguments: Any) -> dict[str, tuple[str, str]]:
    """Return what is not ok: the result and the detail by what was checked."""
    found = check(url, **arguments)
    return {name: (each.result, each.detail) for name, each in found.items() if each.result != "ok"}


@pytest.fixture(scope="module")
def good() -> Iterator[Valkey]:
    """A server with recommended settings and no replicas."""
    with valkey_server(**DURABLE) as running:
        yield running


def test_a_good_server(good: Valkey) -> None:
    """A server with recommended settings has only findings that are ok, and keeps no record."""
    found = check(good.url)
    assert {each.result for each in found.values()} == {"ok"}
    details = {name: each.detail for name, each in found.items()}
    assert re.fullmatch(r"Valkey \d+\.\d+\.\d+", details.pop("version"))
    assert re.fullmatch(r"0\.\d s (ahead of|behind) this machine's", details.pop("clock"))
    assert details == {
        "role": "primary",
        "eviction": "maxmemory-policy noeviction",
        "persistence": "append-only file",
        "replicas": "0 connected",
        "permissions": "all commands are permitted",
    }
    with good.client() as raw:
        assert all(0 < raw.pttl(name) <= 1000 for name in raw.scan_iter())


def test_a_server_that_evicts() -> None:
    """A server that may evict records is found if it has a memory limit."""
    with valkey_server(**DURABLE, maxmemory_policy="allkeys-lru") as server:
        assert problems(server.url) == {}
        server.ask("CONFIG", "SET", "maxmemory", "100mb")
        assert problems(server.url) == {
            "eviction": (
                "warning",
                "maxmemory-policy is allkeys-lru; set noeviction, or used tokens are evicted",
            )
        }
        server.ask("CONFIG", "SET", "maxmemory-policy", "noeviction")
        assert problems(server.url) == {}


def test_a_server_without_persistence() -> None:
    """A server that forgets all records in a restart is found."""
    with valkey_server() as server:
        assert problems(server.url) == {
            "persistence": (
                "warning",
                "no append-only file: a restart loses used tokens; set appendonly yes",
            )
        }


@pytest.fixture(scope="module")
def pair() -> Iterator[tuple[Valkey, Valkey]]:
    """A primary and its replica."""
    with ExitStack() as stack:
        primary = stack.enter_context(valkey_server(**DURABLE, repl_diskless_sync_delay=0))
        address = f"127.0.0.1 {primary.port}"
        replica = stack.enter_context(valkey_server(**DURABLE, replicaof=address))
        assert eventually(lambda: replica.ask("ROLE")[3] == "connected", 30)
        yield primary, replica


def test_a_replica(pair: tuple[Valkey, Valkey]) -> None:
    """A replica fails the check, because it accepts no claims."""
    advice = "use the address of the primary, or valkey+sentinel://"
    assert problems(pair[1].url) == {
        "role": ("failed", f"it is a replica: {advice}"),
        "permissions": ("failed", f"the store is a read-only replica: {advice}"),
    }


def test_replicas(pair: tuple[Valkey, Valkey]) -> None:
    """A failover is a risk without ``min-replicas-to-write`` and without ``wait_replicas``."""
    primary, _ = pair
    for wait in (0, 1):
        result, detail = problems(primary.url, wait_replicas=wait)["replicas"]
        assert result == "warning"
        assert detail.startswith("1 connected; set min-replicas-to-write 1, or ")
    assert problems(primary.url, wait_replicas=2) == {
        "replicas": ("failed", "1 connected, but wait_replicas is 2: add replicas")
    }
    primary.ask("CONFIG", "SET", "min-replicas-to-write", 1)
    try:
        text = "1 connected; a failover can lose the last tokens unless you set wait_replicas=1"
        assert problems(primary.url) == {"replicas": ("warning", text)}
        assert problems(primary.url, wait_replicas=1) == {}
    finally:
        primary.ask("CONFIG", "SET", "min-replicas-to-write", 0)


def test_replicas_that_are_missing(good: Valkey) -> None:
    """A server without replicas fails the check of a store that waits for one."""
    assert problems(good.url, wait_replicas=1) == {
        "replicas": ("failed", "0 connected, but wait_replicas is 1: add replicas")
    }


@pytest.mark.parametrize(
    ("rules", "expected", "advice"),
    [
        ("-eval", ("permissions", "failed"), "lacks a permission: allow +eval +time"),
        ("-time", ("replay store", "failed"), "lacks a permission: allow +eval +time"),
        ("-set", ("permissions", "failed"), "lacks a permission: allow +eval +time"),
        ("-info", ("settings", "skipped"), "allow +info"),
    ],
    ids=["eval", "time", "set", "info"],
)
def test_permissions(rules: str, expected: tuple[str, str], advice: str) -> None:
    """A user who may not do what a claim or the check needs is found."""
    users = ["default off", f"app on >pw ~hookkey:* +@all {rules}"]
    with valkey_server(**DURABLE, user=users) as server:
        url = f"valkey://app:pw@127.0.0.1:{server.port}"
        [(name, (result, detail))] = problems(url).items()
    assert (name, result) == expected
    assert advice in detail


def test_a_wrong_password() -> None:
    """A wrong password is the only finding."""
    with valkey_server(requirepass="secret") as server:
        found = check(f"redis://:wrong@127.0.0.1:{server.port}")
    assert list(found) == ["replay store"]
    assert found["replay store"].result == "failed"
    assert "correct the URL" in found["replay store"].detail


def test_an_unreachable_server() -> None:
    """An unreachable server is the only finding."""
    for url in (f"redis://127.0.0.1:{free_port()}", f"redis+cluster://127.0.0.1:{free_port()}"):
        text = "the replay store is unreachable (ConnectionError)"
        assert problems(url) == {"replay store": ("failed", text)}


def test_a_server_that_hangs(good: Valkey, monkeypatch: pytest.MonkeyPatch) -> None:
    """A check ends after its limit."""
    monkeypatch.setattr("hookkey_verify.valkey.server_check.LIMIT", 0.05)
    store = ValkeyReplayStore(good.url, timeout=5)
    good.pause()
    try:
        [finding] = store.check()
    finally:
        good.resume()
    text = "the replay store is unreachable (TimeoutError)"
    assert finding == Finding("replay store", "failed", text)
    assert eventually(lambda: _closed(store))


def _closed(store: ValkeyReplayStore) -> bool:
    """Close the store, once its abandoned check has ended."""
    pool = store._connections._client().connection_pool
    if pool._in_use_connections:
        return False
    store.close()
    return True


@pytest.mark.parametrize(
    ("ours", "result", "side"),
    [
        (-9, "warning", "ahead of"),
        (9, "warning", "behind"),
        (-4, "ok", "ahead of"),
        (4, "ok", "behind"),
    ],
)
def test_the_clock(
    good: Valkey, monkeypatch: pytest.MonkeyPatch, ours: float, result: str, side: str
) -> None:
    """A clock that differs by more than five seconds is found; the text says which is ahead."""
    monkeypatch.setattr(server_check, "wall_clock", lambda: time.time() + ours)
    finding = check(good.url)["clock"]
    assert finding.result == result
    seconds, _, text = finding.detail.partition(" s ")
    assert float(seconds) == pytest.approx(abs(ours), abs=0.5)
    advice = ": set the clocks (NTP)" if result == "warning" else ""
    assert text == f"{side} this machine's{advice}"


def test_a_cluster() -> None:
    """Each primary of a Cluster is checked under its own name."""
    with valkey_cluster(**DURABLE) as cluster:
        cluster.processes[1].ask("CONFIG", "SET", "appendonly", "no")
        found = check(cluster.url)
        names = {f" of 127.0.0.1:{port}" for port in cluster.ports}
        kinds = ("version", "role", "eviction", "persistence", "replicas", "clock")
        expected = {f"{kind}{name}" for kind in kinds for name in names} | {"permissions"}
        assert set(found) == expected
        wrong = {name for name, each in found.items() if each.result != "ok"}
        assert wrong == {f"persistence of 127.0.0.1:{cluster.ports[1]}"}
        text = "it is a node of a Cluster: use valkey+cluster:// or cluster=True"
        assert check(cluster.processes[0].url)["cluster"] == Finding("cluster", "failed", text)


class FakeServer:
    """A server that reports itself as the test says."""

    def __init__(self, **info: object) -> None:
        self._info = {"role": "master", "aof_enabled": 1, **info}

    def info(self, section: str) -> dict[str, object]:
        return self._info

    def time(self) -> tuple[int, int]:
        return int(time.time()), 0


@pytest.mark.parametrize(
    ("info", "result", "detail"),
    [
        ({"redis_version": "7.4.1"}, "ok", "Redis 7.4.1"),
        ({"redis_version": "6.2.0"}, "ok", "Redis 6.2.0"),
        ({"redis_version": "6.0.16"}, "failed", "Redis 6.0.16; 6.2 or later is needed"),
        ({"redis_version": "10.0-rc1"}, "ok", "Redis 10.0-rc1"),
        ({}, "failed", "Redis unknown; 6.2 or later is needed"),
        ({"redis_version": "7.2.4", "valkey_version": "8.0.1"}, "ok", "Valkey 8.0.1"),
    ],
    ids=str,
)
def test_versions(info: dict[str, object], result: str, detail: str) -> None:
    """Valkey, and Redis 6.2 and later, are supported; numbers are compared as numbers."""
    found = server_check.check_settings(FakeServer(**info), 0)
    assert found[0] == Finding("version", result, detail)  # type: ignore[arg-type]


# --- an asyncio client, and the warning at the start


def test_a_client_of_asyncio(good: Valkey) -> None:
    """A store with a client of asyncio cannot be checked, and says so."""
    client = redis.asyncio.Redis(port=good.port)
    with pytest.raises(ConfigurationError, match="it in threads"):
        ValkeyReplayStore(client=client).check()


WARNING = "ValkeyReplayStore, persistence: no append-only file"


@pytest.mark.parametrize("how", ["sync", "async"])
def test_the_warning_at_the_start(how: str, caplog: pytest.LogCaptureFixture) -> None:
    """Settings that can lose a used token are logged once, after the first claim."""
    with valkey_server(timeout=0) as server:
        store = ValkeyReplayStore(server.url, timeout=2)
        assert caplog.messages == []
        for number in range(5):
            until = time.time() + 10
            if how == "sync":
                store.claim("a", str(number), until)
            else:
                asyncio.run(store.aclaim("a", str(number), until))
            assert eventually(lambda: WARNING in caplog.text)
        _quiet(store)
        assert caplog.text.count(WARNING) == 1
        assert len(caplog.records) == 1
        assert caplog.records[0].levelname == "WARNING"
        store.close()


def _quiet(store: ValkeyReplayStore) -> None:
    """Wait until no thread uses a connection."""
    pool = store._connections._client().connection_pool
    assert eventually(lambda: not pool._in_use_connections)


def test_no_warning_for_a_good_server(good: Valkey, caplog: pytest.LogCaptureFixture) -> None:
    """A server with recommended settings causes no warning, and the check runs once."""
    before = good.ask("INFO", "commandstats").get("cmdstat_info", {"calls": 0})["calls"]
    store = ValkeyReplayStore(good.url, timeout=2)
    for number in range(3):
        store.claim("quiet", str(number), time.time() + 10)

    def calls() -> int:
        return int(good.ask("INFO", "commandstats")["cmdstat_info"]["calls"]) - int(before)

    asked = 0

    def checked() -> bool:
        nonlocal asked
        asked += 1
        return calls() - asked == 1

    assert eventually(checked)
    _quiet(store)
    assert checked()
    assert caplog.messages == []
    store.close()


def test_no_warning_from_asyncio_clients(good: Valkey, caplog: pytest.LogCaptureFixture) -> None:
    """A store with a client of asyncio does not check its server."""

    async def main() -> None:
        async with redis.asyncio.Redis(port=good.port) as client:
            store = ValkeyReplayStore(client=client, timeout=2)
            assert await store.aclaim("asyncio", "1", time.time() + 10) is True
            assert store._checked() == [True]

    good.ask("CONFIG", "SET", "appendonly", "no")
    try:
        asyncio.run(main())
        time.sleep(0.05)
        assert caplog.messages == []
    finally:
        good.ask("CONFIG", "SET", "appendonly", "yes")
