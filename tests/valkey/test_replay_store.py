"""ValkeyReplayStore with a real Valkey: single use across processes, and outages."""

from __future__ import annotations

import asyncio
import copy
import pickle
import time
from collections.abc import Iterator
from functools import partial
from typing import Any, cast

import pytest
import redis
import redis.asyncio

from hookkey_verify import ConfigurationError, HookSigner
from hookkey_verify.errors import KeyUnavailableError, ReplayStoreConfigurationError
from hookkey_verify.events import Event, EventName
from hookkey_verify.replay.record import CLOCK_TOLERANCE, record_digest
from hookkey_verify.valkey import ValkeyReplayStore

from ..faults import eventually
from ..proxy import FaultyProxy
from ..racing import POSTS, statuses_of_one_assertion
from ..servers import free_port
from ..valkeys import Cluster, Valkey, valkey_cluster, valkey_server


@pytest.fixture
def store(server: Valkey, raw: redis.Redis) -> Iterator[ValkeyReplayStore]:
    made = ValkeyReplayStore(server.connection_url)
    yield made
    made.close()


def _claims(store: ValkeyReplayStore, how: str, *jtis: str) -> list[bool]:
    until = time.time() + 10
    if how == "sync":
        return [store.claim("issuer", jti, until) for jti in jtis]

    async def main() -> list[bool]:
        return [await store.aclaim("issuer", jti, until) for jti in jtis]

    return asyncio.run(main())


def test_once_each(store: ValkeyReplayStore) -> None:
    """Each pair of issuer and jti can be claimed once, and no two pairs share a record."""
    until = time.time() + 100
    for issuer, jti in (("a", "1"), ("b", "1"), ("a", "11"), ("a1", "1"), ("", "a1"), ("a", "")):
        assert store.claim(issuer, jti, until) is True
        assert store.claim(issuer, jti, until) is False
    assert asyncio.run(store.aclaim("c", "1", until)) is True
    assert asyncio.run(store.aclaim("c", "1", until)) is False
    assert store.claim("\ud800", "\udfff" * 10_000, until) is True


def test_what_is_kept(store: ValkeyReplayStore, raw: redis.Redis) -> None:
    """A record has a digest and a random nonce, and ends ``CLOCK_TOLERANCE`` s after its token."""
    store.claim("https://acme.okta.com", "secret-jti", time.time() + 100)
    [name] = cast(list[bytes], raw.keys())
    assert name.startswith(b"hookkey:used:")
    assert b"jti" not in name
    assert b"acme" not in name
    nonce = cast(bytes, raw.get(name))
    assert len(nonce) == 16
    raw.flushall()
    store.claim("https://acme.okta.com", "secret-jti", time.time() + 100)
    assert raw.get(name) not in (None, nonce)
    assert 100 + CLOCK_TOLERANCE - 2 < raw.pttl(name) / 1000 <= 100 + CLOCK_TOLERANCE + 1


@pytest.mark.slow
def test_among_processes(server: Valkey, raw: redis.Redis, signer: HookSigner) -> None:
    """When eight processes post one assertion two hundred times, one token is issued."""
    make = partial(ValkeyReplayStore, server.connection_url, timeout=5)
    assert statuses_of_one_assertion(make, signer) == [200] + [401] * (POSTS - 1)


def test_without_a_server(caplog: pytest.LogCaptureFixture) -> None:
    """Without a server, claims raise; with "accept" they succeed with an event and a warning."""
    url = f"redis://:s3cret@127.0.0.1:{free_port()}/0"
    store = ValkeyReplayStore(url)
    with pytest.raises(KeyUnavailableError, match="replay store is unreachable") as refused:
        store.claim("a", "1", time.time() + 10)
    assert refused.value.__context__ is None
    events: list[Event] = []
    lenient = ValkeyReplayStore(url, when_unreachable="accept", on_event=events.append)
    assert lenient.claim("a", "1", time.time() + 10) is True
    assert [(event.name, event.outcome) for event in events] == [
        (EventName.REPLAY_UNCHECKED, "ConnectionError"),
        (EventName.CLAIM, "unchecked"),
    ]
    assert "accepted without a replay check" in caplog.text
    assert "s3cret" not in caplog.text + repr(store) + str(refused.value)
    for leak in (pickle.dumps, copy.copy):
        with pytest.raises(ConfigurationError):
            leak(store)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"url": 5}, "url must be"),
        ({"url": "http://x"}, "url must begin"),
        ({"prefix": "\u00e9"}, "prefix must be"),
        ({"timeout": 0}, "timeout must be"),
        ({"when_unreachable": "allow"}, "when_unreachable must be"),
        ({"on_event": 5}, "on_event must be"),
        ({"wait_replicas": -1}, "wait_replicas must be"),
        ({"wait_replicas": 101}, "wait_replicas must be"),
        ({"wait_replicas": True}, "wait_replicas must be"),
        ({"unknown": 1}, "options"),
    ],
    ids=str,
)
def test_arguments(arguments: dict[str, Any], problem: str) -> None:
    """An invalid argument is refused, and the message names it."""
    with pytest.raises(ConfigurationError, match=problem):
        ValkeyReplayStore(**{"url": "redis://localhost", **arguments})


def test_a_claim_ends_at_its_deadline(server: Valkey) -> None:
    """With little time left, a claim is abandoned at its deadline; with none, it is refused."""
    store = ValkeyReplayStore(server.connection_url)
    until = time.time() + 10
    assert store.claim("deadline", "1", until, deadline=time.monotonic() + 2) is True
    assert store.claim("deadline", "1", until, deadline=time.monotonic() + 60) is False
    with pytest.raises(KeyUnavailableError, match="unreachable"):
        store.claim("deadline", "2", until, deadline=time.monotonic() - 1)
    store.close()


@pytest.mark.parametrize("expires_at", [0, -1e300, 1e300, float("inf")])
def test_any_expiry(store: ValkeyReplayStore, raw: redis.Redis, expires_at: float) -> None:
    """A token can be claimed whatever its expiry is."""
    assert store.claim("a", "1", expires_at) is True
    assert store.claim("a", "2", time.time() + 10) is True


@pytest.mark.parametrize("known", [True, False], ids=["clock known", "clock unknown"])
@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_claim_that_is_executed_late(
    server: Valkey, raw: redis.Redis, how: str, known: bool
) -> None:
    """A server that executes a claim after its caller was told 503 records nothing."""
    with server.client() as client:
        store = ValkeyReplayStore(client=client, timeout=0.1)
        if known:
            assert _claims(store, how, "0") == [True]
            assert eventually(lambda: _is_unused(client))
            raw.flushall()
        server.pause()
        try:
            with pytest.raises(KeyUnavailableError, match="TimeoutError"):
                _claims(store, how, "1")
        finally:
            server.resume()
        assert eventually(lambda: _is_unused(client))
        assert raw.dbsize() == 0
        assert _claims(store, how, "1") == [True]
        assert eventually(lambda: _is_unused(client))


def _is_unused(client: redis.Redis) -> bool:
    return not client.connection_pool._in_use_connections


def test_a_known_clock_costs_one_command(
    store: ValkeyReplayStore, raw: redis.Redis, server: Valkey
) -> None:
    """Only the first claim on a server sends a command to learn its clock."""
    raw.config_resetstat()
    for number in range(5):
        store.claim("a", str(number), time.time() + 10)
    assert raw.info("commandstats")["cmdstat_eval"]["calls"] == 6


# --- undo


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_claim_whose_answers_are_lost(server: Valkey, raw: redis.Redis, how: str) -> None:
    """The record of a claim that was refused is deleted as soon as the store can be reached."""
    with FaultyProxy(server.port) as proxy:
        store = ValkeyReplayStore(f"redis://127.0.0.1:{proxy.port}", timeout=1)

        async def claim(jti: str) -> bool:
            if how == "sync":
                return await asyncio.to_thread(store.claim, "lost", jti, time.time() + 10)
            return await store.aclaim("lost", jti, time.time() + 10)

        async def main() -> None:
            assert await claim("0") is True
            unused = partial(_is_unused, store._connections.client())
            assert await asyncio.to_thread(eventually, unused)  # the check at the start has ended
            proxy.swallow_next_answers(10_000)
            with pytest.raises(KeyUnavailableError):
                await claim("1")
            proxy.swallow_next_answers(0)
            assert await asyncio.to_thread(eventually, lambda: raw.dbsize() == 1)
            assert await claim("1") is True

        asyncio.run(main())
        assert eventually(lambda: _is_unused(store._connections.client()))
        store.close()


def test_a_claim_of_an_asyncio_client_is_not_undone(server: Valkey, raw: redis.Redis) -> None:
    """A store with a client of asyncio undoes nothing, because it has no client for threads."""

    async def main() -> None:
        with FaultyProxy(server.port) as proxy:
            async with redis.asyncio.Redis(port=proxy.port) as client:
                store = ValkeyReplayStore(client=client, timeout=0.3)
                assert await store.aclaim("a", "0", time.time() + 10) is True
                proxy.swallow_next_answers(10_000)
                with pytest.raises(KeyUnavailableError):
                    await store.aclaim("a", "1", time.time() + 10)
                proxy.swallow_next_answers(0)
                assert not store._claims._undoing._pending()
                assert await store.aclaim("a", "1", time.time() + 10) is False

    asyncio.run(main())


def test_undo_deletes_only_what_the_claim_recorded(
    store: ValkeyReplayStore, raw: redis.Redis
) -> None:
    """The record of another claim for the same token stays."""
    claim = store._claim("a", "1", time.time() + 10)
    raw.set(claim.name, b"nonce of another claim")
    store._undo(claim)
    assert raw.get(claim.name) == b"nonce of another claim"
    raw.set(claim.name, claim.nonce)
    store._undo(claim)
    assert raw.dbsize() == 0
    store._undo(claim)


# --- replicas that must confirm


@pytest.fixture(scope="module")
def replica(server: Valkey) -> Iterator[Valkey]:
    """A replica of the server."""
    address = f"127.0.0.1 {server.port}"
    server.ask("CONFIG", "SET", "repl-diskless-sync-delay", 0)
    with valkey_server(replicaof=address) as running:
        assert eventually(lambda: running.ask("ROLE")[3] == "connected", 30)
        yield running


@pytest.mark.parametrize("how", ["sync", "async"])
def test_replicas_that_confirm(server: Valkey, replica: Valkey, raw: redis.Redis, how: str) -> None:
    """With ``wait_replicas=1``, a replica has the record before the claim returns."""
    store = ValkeyReplayStore(server.url, timeout=5, wait_replicas=1)
    for number in range(20):
        assert _claims(store, how, str(number)) == [True]
        assert replica.ask("DBSIZE") == number + 1
    assert _claims(store, how, "0", "1") == [False, False]
    store.close()


@pytest.mark.parametrize("how", ["sync", "async"])
def test_too_few_replicas(server: Valkey, replica: Valkey, raw: redis.Redis, how: str) -> None:
    """A token that too few replicas confirmed is refused, and can be claimed later."""
    store = ValkeyReplayStore(server.url, timeout=0.25, wait_replicas=2, when_unreachable="accept")
    with pytest.raises(KeyUnavailableError, match="wait_replicas"):
        _claims(store, how, "1")
    assert eventually(lambda: raw.dbsize() == 0)
    assert eventually(lambda: _is_unused(store._connections.client()))
    store.close()
    patient = ValkeyReplayStore(server.url, timeout=5, wait_replicas=1)
    assert _claims(patient, how, "1", "1") == [True, False]
    patient.close()


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_server_that_refuses_a_claim_with_wait(how: str) -> None:
    """An error of the claim is found although WAIT succeeds after it."""
    with valkey_server(user=["default off", "app on >pw ~hookkey:* +@all -set"]) as server:
        url = f"redis://app:pw@127.0.0.1:{server.port}"
        store = ValkeyReplayStore(url, timeout=1, wait_replicas=1, when_unreachable="accept")
        with pytest.raises(ReplayStoreConfigurationError, match="lacks a permission"):
            _claims(store, how, "1")
        store.close()


def test_a_slot_that_moves() -> None:
    """A claim that a Cluster redirects is repeated, because WAIT went to the former node."""
    with valkey_cluster(nodes=2, replicas=1) as cluster:
        for how in ("sync", "async"):
            _move_slot(cluster, how)


def _move_slot(cluster: Cluster, how: str) -> None:
    store = ValkeyReplayStore(cluster.url, timeout=5, wait_replicas=1)
    assert _claims(store, how, f"{how} 0") == [True]
    hasty = ValkeyReplayStore(cluster.url, timeout=1, wait_replicas=1)
    assert _claims(hasty, how, f"{how} 0") == [False]
    name = f"hookkey:used:{record_digest('issuer', f'{how} 1').hex()}"
    source = cluster.owner(name)
    target = next(each for each in cluster.processes[:2] if each is not source)
    slot, to = source.ask("CLUSTER", "KEYSLOT", name), target.ask("CLUSTER", "MYID")
    for node in (target, source):
        node.ask("CLUSTER", "SETSLOT", slot, "NODE", to)
    replica = cluster.processes[2 + cluster.processes.index(target)]
    replica.pause()
    try:
        with pytest.raises(KeyUnavailableError):
            _claims(hasty, how, f"{how} 1")
    finally:
        replica.resume()
    assert eventually(lambda: target.ask("EXISTS", name) == 0), "the refused claim is undone"
    hasty.close()
    before = replica.ask("DBSIZE")
    assert _claims(store, how, f"{how} 1", f"{how} 1") == [True, False]
    assert replica.ask("DBSIZE") == before + 1
    assert store.health().failures == 0
    store.close()
