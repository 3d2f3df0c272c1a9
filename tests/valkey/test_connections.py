"""Connections: the user's client, event loops, forks, and the number of connections."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.credentials import UsernamePasswordCredentialProvider

from hookkey_verify import ConfigurationError
from hookkey_verify.errors import ReplayStoreConfigurationError, ReplayStoreUnavailableError
from hookkey_verify.replay.record import record_digest
from hookkey_verify.replay.remote import AT_ONCE
from hookkey_verify.valkey import ValkeyKeyStore, ValkeyReplayStore
from hookkey_verify.valkey.connections import Connections, node_of

from ..faults import eventually
from ..proxy import FaultyProxy
from ..runtime.test_forking import FORKS, SCRIPT, needs_fork, run
from ..valkeys import Cluster, Valkey, valkey_cluster, valkey_server

POOLS = ["pool", "blocking pool"]
TIMEOUT = 2
"""Seconds: more than in production, because the machine that runs the tests may be busy."""


@pytest.fixture(scope="module")
def server() -> Iterator[Valkey]:
    with valkey_server(appendonly="yes", maxclients=500) as running:
        yield running


@pytest.fixture(autouse=True)
def _empty(server: Valkey) -> None:
    server.ask("FLUSHALL")


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    with valkey_cluster(appendonly="yes", cluster_require_full_coverage="no") as running:
        yield running


def until() -> float:
    return time.time() + 60


@pytest.fixture
def name(request: pytest.FixtureRequest) -> str:
    """A name for the connections of one test, so that it does not count those of another."""
    return f"of-{request.node.name.replace(' ', '-')}"


def connected(server: Valkey, name: str) -> int:
    """Return the number of connections with this name."""
    return sum(client["name"] == name for client in server.ask("CLIENT LIST"))


def has_closed(store: ValkeyReplayStore, server: Valkey, name: str) -> bool:
    """Close the store, and return whether the thread that checks the settings has ended too."""
    store.close()
    return connected(server, name) == 0


def is_usable(client: Any) -> bool:
    return bool(client.ping())


# --- clients of the user


@pytest.mark.parametrize("pool", [redis.ConnectionPool, redis.BlockingConnectionPool])
def test_a_client_of_redis(server: Valkey, pool: Any) -> None:
    """A client of the user is used as it is for claims and keys, and is not closed."""
    made = pool(port=server.port, client_name="of-the-user", socket_timeout=TIMEOUT)
    client = redis.Redis(connection_pool=made)
    store = ValkeyReplayStore(client=client, timeout=TIMEOUT)
    keys = ValkeyKeyStore(client=client, secret=None)
    assert store.claim("a", "1", until()) is True
    assert asyncio.run(store.aclaim("a", "1", until())) is False
    keys.write("a", "k", b"{}", 10)
    assert (keys.read("a", "k") or [])[0] == b"{}"
    assert {each["name"] for each in client.client_list()} >= {"of-the-user"}
    before = client.client_id()
    store.close()
    asyncio.run(store.aclose())
    keys.close()
    assert client.client_id() == before
    made.disconnect()


def test_a_client_that_decodes(server: Valkey) -> None:
    """A client with ``decode_responses`` serves claims, but not keys, which are bytes."""
    with server.client(decode_responses=True) as client:
        store = ValkeyReplayStore(client=client, timeout=TIMEOUT)
        assert [store.claim("a", "1", until()) for _ in range(2)] == [True, False]
        with pytest.raises(ConfigurationError, match="decode_responses"):
            ValkeyKeyStore(client=client, secret=None)


@pytest.mark.parametrize("pool", [redis.ConnectionPool, redis.BlockingConnectionPool])
def test_a_fresh_connection_of_a_client(server: Valkey, pool: Any) -> None:
    """A claim whose idle connection was dropped uses a fresh connection of the user's pool."""
    with FaultyProxy(server.port) as proxy:
        made = pool(port=proxy.port, socket_timeout=0.2)
        store = ValkeyReplayStore(client=redis.Redis(connection_pool=made), timeout=0.2)
        assert store.claim("a", "1", until()) is True
        proxy.drop_idle_after = 0.1
        time.sleep(0.15)
        assert store.claim("a", "2", until()) is True
        made.disconnect()


def test_a_client_of_a_cluster(cluster: Cluster) -> None:
    """A RedisCluster of the user is used for claims and keys, and is not closed."""
    client = redis.RedisCluster(port=cluster.ports[0], host="127.0.0.1", socket_timeout=TIMEOUT)
    store = ValkeyReplayStore(client=client, timeout=TIMEOUT)
    keys = ValkeyKeyStore(client=client, secret=None)
    for jti in "abcdef":
        assert store.claim("cluster", jti, until()) is True
        assert asyncio.run(store.aclaim("cluster", jti, until())) is False
        keys.write("a", jti, b"{}", 10)
        assert (keys.read("a", jti) or [])[0] == b"{}"
    store.close()
    keys.close()
    assert is_usable(client)
    client.close()


@pytest.mark.parametrize(
    "pool", [redis.asyncio.ConnectionPool, redis.asyncio.BlockingConnectionPool]
)
def test_a_client_of_asyncio(server: Valkey, pool: Any) -> None:
    """A client of asyncio serves ``aclaim``, refuses ``claim``, and is not closed."""

    async def main() -> None:
        made = pool(port=server.port, socket_timeout=TIMEOUT)
        client = redis.asyncio.Redis(connection_pool=made)
        store = ValkeyReplayStore(client=client, timeout=TIMEOUT)
        assert [await store.aclaim("a", "1", until()) for _ in range(2)] == [True, False]
        with pytest.raises(ReplayStoreConfigurationError, match="it in threads"):
            store.claim("a", "2", until())
        before = await client.client_id()
        await store.aclose()
        assert await client.client_id() == before
        assert await store.aclaim("a", "1", until()) is False
        await made.disconnect()

    asyncio.run(main())


def test_an_asyncio_client_of_a_cluster(cluster: Cluster) -> None:
    """A RedisCluster of asyncio serves ``aclaim`` and is not closed."""

    async def main() -> None:
        client = redis.asyncio.RedisCluster(port=cluster.ports[0], host="127.0.0.1")
        store = ValkeyReplayStore(client=client, timeout=TIMEOUT)
        for jti in "abcdef":
            assert await store.aclaim("asyncio cluster", jti, until()) is True
            assert await store.aclaim("asyncio cluster", jti, until()) is False
        await store.aclose()
        assert await client.ping()
        await client.aclose()

    asyncio.run(main())


def test_the_key_store_needs_a_synchronous_client(server: Valkey) -> None:
    """A key store refuses a client of asyncio when it is created."""
    client = redis.asyncio.Redis(port=server.port)
    with pytest.raises(ConfigurationError, match="client must be a Redis or RedisCluster of redis"):
        ValkeyKeyStore(client=client, secret=None)


def test_a_credential_provider(server: Valkey) -> None:
    """A credential provider is asked for each connection, so that its token may change."""
    with valkey_server(user=["default off", "app on >one >two ~* +@all"]) as guarded:
        asked: list[str] = []

        class Tokens(UsernamePasswordCredentialProvider):
            def get_credentials(self) -> tuple[str, str]:
                asked.append("")
                return "app", "one" if len(asked) == 1 else "two"

            async def get_credentials_async(self) -> tuple[str, str]:
                return self.get_credentials()

        store = ValkeyReplayStore(guarded.url, timeout=TIMEOUT, credential_provider=Tokens())
        assert store.claim("a", "1", until()) is True
        of_threads = len(asked)
        assert of_threads >= 1
        assert asyncio.run(store.aclaim("a", "1", until())) is False
        assert len(asked) > of_threads
        store.close()


@pytest.mark.parametrize(
    "make", [redis.ConnectionPool, partial(redis.BlockingConnectionPool, timeout=0.05)], ids=POOLS
)
def test_a_pool_that_is_used_up(server: Valkey, make: Any) -> None:
    """A claim is refused, also with "accept", while the user's pool has no connection left."""
    pool = make(port=server.port, max_connections=1)
    store = ValkeyReplayStore(
        client=redis.Redis(connection_pool=pool), timeout=TIMEOUT, when_unreachable="accept"
    )
    taken = pool.get_connection()
    with pytest.raises(ReplayStoreUnavailableError, match="raise its max_connections"):
        store.claim("a", "1", until())
    pool.release(taken)
    # The refused claim is undone, which needs the connection as well.
    assert eventually(lambda: not store._claims._undoing._pending())
    assert store.claim("a", "1", until()) is True
    if make is redis.ConnectionPool:
        assert eventually(lambda: not pool._in_use_connections)  # the check at the start has ended
    else:
        assert eventually(pool.pool.full)
    pool.disconnect()


@pytest.mark.parametrize(
    "make",
    [redis.asyncio.ConnectionPool, partial(redis.asyncio.BlockingConnectionPool, timeout=0.05)],
    ids=POOLS,
)
def test_an_asyncio_pool_that_is_used_up(server: Valkey, make: Any) -> None:
    """A claim of an event loop is refused as well while the user's pool has no connection left."""

    async def main() -> None:
        pool = make(port=server.port, max_connections=1)
        client = redis.asyncio.Redis(connection_pool=pool)
        store = ValkeyReplayStore(client=client, timeout=TIMEOUT, when_unreachable="accept")
        taken = await pool.get_connection()
        with pytest.raises(ReplayStoreUnavailableError, match="raise its max_connections"):
            await store.aclaim("a", "1", until())
        await pool.release(taken)
        assert await store.aclaim("a", "1", until()) is True
        await pool.disconnect()

    asyncio.run(main())


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({}, "pass url, or a client"),
        ({"url": "redis://h", "client": redis.Redis()}, "pass only client"),
        ({"client": redis.Redis(), "cluster": True}, "pass only client"),
        ({"client": redis.Redis(), "db": 1}, "pass only client"),
        ({"client": "redis://h"}, "client must be a Redis or RedisCluster"),
        ({"client": redis.ConnectionPool()}, "client must be a Redis or RedisCluster"),
        ({"client": redis.Redis(), "timeout": 0}, "timeout"),
        ({"client": redis.Redis(), "timeout": 11}, "timeout"),
    ],
    ids=" ".join,
)
def test_wrong_arguments(arguments: dict[str, Any], problem: str) -> None:
    """A store has a URL with options, or a client, and never both."""
    for make in (ValkeyReplayStore, lambda **given: ValkeyKeyStore(secret=None, **given)):
        with pytest.raises(ConfigurationError, match=problem):
            make(**arguments)


# --- the nodes of a Cluster


def connections_of(url: str, client: Any = None, **options: Any) -> Connections:
    url_or_none = None if client else url
    return Connections(url_or_none, client, cluster=False, timeout=TIMEOUT, options=options)


@pytest.mark.parametrize("how", ["threads", "event loop", "user"])
def test_the_node_of_a_record(cluster: Cluster, how: str) -> None:
    """The node that has a record is known from the first connection on, to any kind of client."""
    client = redis.RedisCluster(port=cluster.ports[0], host="127.0.0.1") if how == "user" else None
    connections = connections_of(cluster.url, client)
    names = [f"hookkey:used:{number}" for number in range(10)]
    assert {connections.node(name) for name in names} == {""}

    async def connect() -> list[str]:
        if how == "event loop":
            await connections.asyncio_client()
        else:
            connections.client()
        return [connections.node(name) for name in names]

    nodes = asyncio.run(connect())
    assert nodes == [f"127.0.0.1:{cluster.owner(name).port}" for name in names]
    assert len(set(nodes)) == 3
    connections.close()
    if client:
        client.close()


def test_a_single_server_has_no_nodes(server: Valkey) -> None:
    """Without a Cluster, all records belong to one shard without a name."""
    connections = connections_of(server.url)
    assert connections.node("a") == ""
    assert connections.client().ping()
    assert connections.node("a") == ""
    connections.close()


def test_a_slot_without_a_node() -> None:
    """A record whose slot no node serves has no node, and no error is raised."""
    with valkey_server(cluster_enabled="yes") as half:
        half.ask("CLUSTER", "ADDSLOTSRANGE", 0, 8191)
        half.ask("CONFIG", "SET", "cluster-require-full-coverage", "no")
        with redis.RedisCluster(port=half.port, host="127.0.0.1", require_full_coverage=False) as c:
            slots = {name: c.keyslot(name) for name in ("a", "b", "c", "d")}
            for name, slot in slots.items():
                expected = f"127.0.0.1:{half.port}" if slot < 8192 else ""
                assert node_of(c, name).rpartition(":")[2] == expected.rpartition(":")[2]
            assert len({slot < 8192 for slot in slots.values()}) == 2


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_node_that_fails(cluster: Cluster, how: str) -> None:
    """While one node of a Cluster fails, the records of the others can be claimed."""
    store = ValkeyReplayStore(cluster.url, timeout=0.3)
    names = {str(n): f"hookkey:used:{record_digest(how, str(n)).hex()}" for n in range(30)}
    dead = cluster.processes[1]
    bad = [jti for jti, name in names.items() if cluster.owner(name) is dead]
    good = [jti for jti in names if jti not in bad]

    async def claim(jti: str) -> bool:
        if how == "async":
            return await store.aclaim(how, jti, until())
        return await asyncio.to_thread(store.claim, how, jti, until())

    async def main() -> None:
        assert await claim(good.pop()) is True
        dead.pause()
        try:
            for jti in bad[:3]:
                with pytest.raises(ReplayStoreUnavailableError):
                    await claim(jti)
            assert store.health().failures == 2, "the third one was not tried"
            assert [await claim(jti) for jti in good[:5]] == [True] * 5
            assert store.health().failures == 2
        finally:
            dead.resume()

    asyncio.run(main())
    assert eventually(lambda: not store._claims._undoing._pending(), 30)
    store.close()
    assert eventually(lambda: all(_sees_no_failure(each) for each in cluster.processes), 30)


def _sees_no_failure(node: Valkey) -> bool:
    state, nodes = node.ask("CLUSTER", "INFO"), node.ask("CLUSTER", "NODES")
    return "cluster_state:ok" in str(state) and "fail" not in str(nodes)


# --- event loops


class NoExecutor(ThreadPoolExecutor):
    """An executor of an event loop that must not be used."""

    def submit(self, *arguments: Any, **options: Any) -> Any:
        raise AssertionError


@pytest.mark.parametrize("kind", ["url", "client"])
def test_no_threads_of_the_event_loop(server: Valkey, kind: str) -> None:
    """``aclaim`` does not use the event loop's default executor, whatever the client."""
    client = server.client() if kind == "client" else None
    store = ValkeyReplayStore(None if client else server.url, client=client, timeout=TIMEOUT)

    async def main() -> list[bool]:
        asyncio.get_running_loop().set_default_executor(NoExecutor())
        return await asyncio.gather(*(store.aclaim("a", str(i), until()) for i in range(100)))

    assert asyncio.run(main()) == [True] * 100
    store.close()
    if client:
        assert eventually(lambda: not client.connection_pool._in_use_connections)
        client.close()


@pytest.mark.parametrize("form", ["single", "cluster"])
def test_event_loops_in_turn(form: str, server: Valkey, cluster: Cluster, name: str) -> None:
    """Each event loop has connections of its own, which end with it.

    pytest turns the ResourceWarning of an unclosed connection into an error.
    """
    url = server.url if form == "single" else cluster.url
    store = ValkeyReplayStore(url, timeout=TIMEOUT, client_name=name)
    assert store.claim("loops", "sync", until()) is True

    async def main(number: int) -> list[bool]:
        jtis = [f"{number}-{each}" for each in range(10)]
        return await asyncio.gather(*(store.aclaim("loops", jti, until()) for jti in jtis))

    for number in range(3):
        assert asyncio.run(main(number)) == [True] * 10
        assert store._connections._loops == {}
    assert store.claim("loops", "sync", until()) is False
    store.close()
    if form == "single":
        assert eventually(lambda: has_closed(store, server, name))


def test_event_loops_at_once(server: Valkey, name: str) -> None:
    """Event loops of several threads use the store at the same time."""
    store = ValkeyReplayStore(server.url, timeout=TIMEOUT, client_name=name)

    async def main(number: int) -> list[bool]:
        return [await store.aclaim("a", f"{number}-{each}", until()) for each in range(20)]

    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda number: asyncio.run(main(number)), range(4)))
    assert results == [[True] * 20] * 4
    assert eventually(lambda: has_closed(store, server, name))


def test_closing_within_a_loop(server: Valkey, name: str) -> None:
    """``aclose`` closes the connections of the loop and of threads, and may be called again."""
    store = ValkeyReplayStore(server.url, timeout=TIMEOUT, client_name=name)

    async def main() -> None:
        await store.aclose()
        assert await store.aclaim("a", "1", until()) is True
        assert await asyncio.to_thread(store.claim, "a", "1", until()) is False
        assert connected(server, name) >= 2
        await store.aclose()
        assert await asyncio.to_thread(eventually, lambda: has_closed(store, server, name))
        await store.aclose()
        assert await store.aclaim("a", "1", until()) is False

    asyncio.run(main())
    assert eventually(lambda: connected(server, name) == 0)


def test_a_loop_that_ended_without_its_generators(server: Valkey) -> None:
    """The client of a loop that was closed roughly is forgotten by the next loop."""
    connections = Connections(server.url, None, cluster=False, timeout=TIMEOUT, options={})

    async def use() -> None:
        client = await connections.asyncio_client()
        await client.ping()
        await client.aclose()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(use())
    loop.close()
    assert list(connections._loops) == [(os.getpid(), loop)]
    other = asyncio.new_event_loop()
    other.run_until_complete(use())
    assert list(connections._loops) == [(os.getpid(), other)]
    other.run_until_complete(other.shutdown_asyncgens())
    other.close()
    assert connections._loops == {}


def test_a_fresh_connection_in_a_loop(server: Valkey) -> None:
    """A second attempt on an event loop does not use a connection that was idle."""
    with FaultyProxy(server.port) as proxy:
        store = ValkeyReplayStore(f"redis://127.0.0.1:{proxy.port}", timeout=0.25)

        async def main() -> None:
            jtis = [str(each) for each in range(5)]
            await asyncio.gather(*(store.aclaim("a", jti, until()) for jti in jtis))
            assert await store.aclaim("a", "0", until()) is False
            proxy.drop_idle_after = 0.1
            await asyncio.sleep(0.15)
            assert await store.aclaim("a", "5", until()) is True

        asyncio.run(main())
        assert store.health().failures == 0


def test_fresh_closes_idle_connections_of_threads(server: Valkey, name: str) -> None:
    """``fresh`` closes all idle connections, and leaves those that are in use alone."""
    connections = connections_of(server.url, client_name=name)
    pool = connections.client().connection_pool
    taken = [pool.get_connection() for _ in range(4)]
    for each in taken[1:]:
        pool.release(each)
    assert connected(server, name) == 4
    assert connections.client(fresh=False) is connections.client()
    assert connected(server, name) == 4
    connections.client(fresh=True)
    assert eventually(lambda: connected(server, name) == 1)
    taken[0].send_command("PING")
    assert taken[0].read_response() in (b"PONG", "PONG")
    pool.release(taken[0])
    connections.close()


def test_fresh_closes_idle_connections_of_a_loop(server: Valkey, name: str) -> None:
    """``fresh`` closes all idle connections of the event loop, and leaves the others alone."""

    async def main() -> None:
        connections = connections_of(server.url, client_name=name)
        pool = (await connections.asyncio_client()).connection_pool
        taken = [await pool.get_connection() for _ in range(4)]
        for each in taken[1:]:
            await pool.release(each)
        await connections.asyncio_client()
        assert connected(server, name) == 4
        await connections.asyncio_client(fresh=True)
        assert await asyncio.to_thread(eventually, lambda: connected(server, name) == 1)
        assert taken[0].is_connected
        await pool.release(taken[0])

    asyncio.run(main())


@pytest.mark.parametrize("how", ["sync", "async"])
def test_fresh_replaces_idle_connections_to_a_cluster(cluster: Cluster, how: str) -> None:
    """With ``fresh``, the next command to a node of a Cluster uses another connection."""

    async def main() -> list[int]:
        connections = connections_of(cluster.url)
        ids = []
        for fresh in (False, False, True):
            if how == "sync":
                client = connections.client(fresh=fresh)
                ids.append(client.client_id(target_nodes=client.get_nodes()[0]))
            else:
                client = await connections.asyncio_client(fresh=fresh)
                ids.append(await client.client_id(target_nodes=client.get_nodes()[0]))
        connections.close()
        return [next(iter(each.values())) if isinstance(each, dict) else each for each in ids]

    first, second, third = asyncio.run(main())
    assert first == second != third


@pytest.mark.parametrize("how", ["sync", "async"])
def test_a_fresh_connection_to_a_cluster(cluster: Cluster, how: str) -> None:
    """A second attempt of a Cluster's claim does not use a connection that was idle."""
    store = ValkeyReplayStore(cluster.url, timeout=TIMEOUT)

    async def claim(jti: str) -> bool:
        if how == "sync":
            return await asyncio.to_thread(store.claim, f"fresh {how}", jti, until())
        return await store.aclaim(f"fresh {how}", jti, until())

    async def main() -> None:
        assert await claim("1") is True
        for node in cluster.processes:
            node.ask("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        assert await claim("1") is False
        assert await claim("2") is True

    asyncio.run(main())
    assert store.health().failures == 0
    store.close()


def test_another_event_loop_than_asyncio() -> None:
    """Without asyncio, ``aclaim`` raises an error that says what to do."""
    store = ValkeyReplayStore("redis://localhost")
    claim = store.aclaim("a", "1", until())
    with pytest.raises(ConfigurationError, match="needs asyncio"):
        claim.send(None)


# --- the number of connections


class Watched:
    """The greatest number of connections with a name within a ``with`` block."""

    def __init__(self, server: Valkey, name: str) -> None:
        self.most = 0
        self._server = server
        self._name = name
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Watched:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()

    def _watch(self) -> None:
        with self._server.client() as client:
            while not self._over.wait(0.001):
                named = [each for each in client.client_list() if each["name"] == self._name]
                self.most = max(self.most, len(named))


@pytest.mark.parametrize("how", ["sync", "async"])
def test_the_number_of_connections(server: Valkey, name: str, how: str) -> None:
    """200 claims at once use 32 connections, and all of them succeed."""
    with FaultyProxy(server.port) as proxy:
        proxy.delay = 0.01
        url = f"redis://127.0.0.1:{proxy.port}"
        store = ValkeyReplayStore(url, timeout=10, client_name=name)
        jtis = [str(each) for each in range(200)]

        async def main() -> list[bool]:
            return await asyncio.gather(*(store.aclaim("a", jti, until()) for jti in jtis))

        with Watched(server, name) as watched:
            if how == "sync":
                with ThreadPoolExecutor(200) as pool:
                    got = list(pool.map(lambda jti: store.claim("a", jti, until()), jtis))
            else:
                got = asyncio.run(main())
        assert got == [True] * 200
        # After the first claim, a thread checks the settings.
        assert AT_ONCE / 2 < watched.most <= AT_ONCE + 1
        assert eventually(lambda: _closed(store))


def _closed(store: ValkeyReplayStore) -> bool:
    """Close the store, once the check at the start has ended."""
    client = store._connections._client.made()
    if client is None or client.connection_pool._in_use_connections:
        return False
    store.close()
    return True


# --- forks


FORKED = (
    SCRIPT
    + """
import asyncio, time
from hookkey_verify._runtime.bounded import _idle
from hookkey_verify.valkey import ValkeyKeyStore, ValkeyReplayStore

def client_id():
    return store._connections.client().client_id()

def work():
    assert store.claim("a", "1", until) is False
    assert store.claim("a", "child", until) is True
    assert asyncio.run(store.aclaim("a", "child", until)) is False
    assert keys.read("a", "k")[0] == b"{}"
    assert client_id() not in ids

until = time.time() + 60
store = ValkeyReplayStore(sys.argv[1], timeout=5)
keys = ValkeyKeyStore(sys.argv[1], secret=None)
assert store.claim("a", "1", until) is True
keys.write("a", "k", b"{}", 50)
while len(_idle()) < 2:  # the threads of the claim and of the check could hold a lock
    time.sleep(0.01)
ids = {client_id() for _ in range(3)}
in_child(work)
assert store.claim("a", "child", until) is False
assert client_id() in ids
assert store.claim("a", "2", until) is True
store.close()
keys.close()
"""
)


@needs_fork
@FORKS
@pytest.mark.parametrize("form", ["single", "cluster"])
def test_a_child_has_connections_of_its_own(
    server: Valkey, cluster: Cluster, form: str, how: str
) -> None:
    """A child opens connections of its own, and its parent continues to use the old ones."""
    if form == "cluster":
        for node in cluster.processes:
            node.ask("FLUSHALL")
    script = FORKED if form == "single" else FORKED.replace("client.client_id()", "os.getpid()")
    run(script, server.url if form == "single" else cluster.url, how)


FORKED_LOOP = (
    SCRIPT
    + """
import asyncio, time
from hookkey_verify._runtime.bounded import _idle
from hookkey_verify.valkey import ValkeyReplayStore

until = time.time() + 60
store = ValkeyReplayStore(sys.argv[1], timeout=5)

def work():
    async def main():
        assert await store.aclaim("a", "1", until) is False
        assert await store.aclaim("a", "child", until) is True

    asyncio._set_running_loop(None)  # the parent's loop is a copy that must not run here
    asyncio.run(main())

async def main():
    assert await store.aclaim("a", "1", until) is True
    while not _idle():  # the thread that checks the settings could hold a lock
        await asyncio.sleep(0.01)
    in_child(work)
    began = time.monotonic()
    assert await store.aclaim("a", "child", until) is False
    assert time.monotonic() - began < 2, "the child broke the connection of its parent"

asyncio.run(main())
"""
)


@needs_fork
@FORKS
def test_a_child_of_an_event_loop(server: Valkey, how: str) -> None:
    """A child opens connections for its own event loop; its parent's loop keeps its connection."""
    run(FORKED_LOOP, server.url, how)
