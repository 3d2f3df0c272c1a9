"""PostgresReplayStore with a real PostgreSQL: single use across processes, and outages."""

from __future__ import annotations

import asyncio
import copy
import pickle
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest
import requests
from psycopg_pool import AsyncConnectionPool, ConnectionPool

from hookkey_verify import ConfigurationError, HookSigner
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import ReplayStoreConfigurationError, ReplayStoreUnavailableError
from hookkey_verify.events import Event, EventName
from hookkey_verify.postgres import PostgresReplayStore
from hookkey_verify.postgres.connections import _resolved
from hookkey_verify.postgres.problems import explain
from hookkey_verify.replay.record import CLOCK_TOLERANCE, record_digest
from hookkey_verify.replay.remote import Attempt
from hookkey_verify.testing.contract import replay_store_contract

from .databases import Postgres, postgres_server
from .e2e.test_receivers import (
    CLIENT,
    GUNICORN,
    SERVERS,
    assertion_form,
    environment,
    serving,
    signing_key,
)
from .faults import eventually
from .proxy import FaultyProxy
from .racing import POSTS, statuses_of_one_assertion
from .servers import free_port

__all__ = ["signing_key"]  # a fixture


@pytest.fixture(scope="module")
def running() -> Iterator[Postgres]:
    with postgres_server() as server:
        PostgresReplayStore(server.url).create_table()
        server.execute("CREATE ROLE app LOGIN PASSWORD 'app'")
        server.execute("GRANT ALL ON hookkey_used_tokens TO app")
        yield server


@pytest.fixture
def server(running: Postgres) -> Postgres:
    running.execute("TRUNCATE hookkey_used_tokens")
    return running


@pytest.fixture
def store(server: Postgres) -> Iterator[PostgresReplayStore]:
    made = PostgresReplayStore(server.url, timeout=5)
    yield made
    made.close()


def in_a_minute() -> float:
    return time.time() + 60


def rows(server: Postgres) -> int:
    return int(server.execute("SELECT count(*) FROM hookkey_used_tokens")[0][0])


def refused(store: PostgresReplayStore, jti: str = "1") -> bool:
    """Whether the store refuses a claim as unavailable."""
    try:
        store.claim("issuer", jti, in_a_minute())
    except ReplayStoreUnavailableError:
        return True
    return False


@contextmanager
def paused(server: Postgres) -> Iterator[None]:
    server.pause()
    try:
        yield
    finally:
        server.resume()


# --- single use


def test_the_contract(server: Postgres) -> None:
    """The store follows the rules for replay stores."""
    replay_store_contract(lambda: PostgresReplayStore(server.url, timeout=2))


@pytest.mark.slow
def test_the_contract_with_django_settings(server: Postgres) -> None:
    """The store follows the rules with the parameters of Django's connections."""
    from django.db.backends.postgresql.base import DatabaseWrapper  # noqa: PLC0415

    settings = {"NAME": "hooks", "USER": "postgres", "PASSWORD": "pw", "HOST": "localhost"}
    more = {"PORT": server.port, "OPTIONS": {}, "TIME_ZONE": None}
    parameters = DatabaseWrapper({**settings, **more}).get_connection_params()
    replay_store_contract(lambda: PostgresReplayStore(parameters, timeout=2))


@pytest.mark.slow
def test_among_processes(server: Postgres, signer: HookSigner) -> None:
    """When eight processes post one assertion two hundred times, one token is issued."""
    make = partial(PostgresReplayStore, server.url, timeout=5)
    assert statuses_of_one_assertion(make, signer) == [200] + [401] * (POSTS - 1)


@pytest.mark.parametrize("isolation", ["read committed", "repeatable read", "serializable"])
def test_a_race_for_an_expired_record(server: Postgres, isolation: str) -> None:
    """An expired record blocks no claim, and one of many wins, at every isolation level."""
    options = f"-c default_transaction_isolation={isolation.replace(' ', chr(92) + ' ')}"
    store = PostgresReplayStore({"conninfo": server.url, "options": options}, timeout=5)
    digest = record_digest("issuer", "old")
    command = "INSERT INTO hookkey_used_tokens VALUES (%s, '', now() - interval '1 day')"
    server.execute(command, digest)
    with ThreadPoolExecutor(8) as pool:
        claims = [pool.submit(store.claim, "issuer", "old", in_a_minute()) for _ in range(40)]
        assert [claim.result() for claim in claims].count(True) == 1
    server.execute("UPDATE hookkey_used_tokens SET expires_at = now() - interval '1 day'")

    async def race() -> list[bool]:
        claims = (store.aclaim("issuer", "old", in_a_minute()) for _ in range(40))
        outcomes = await asyncio.gather(*claims)
        await store.aclose()
        return outcomes

    assert asyncio.run(race()).count(True) == 1
    assert rows(server) == 1


@pytest.mark.parametrize("method", ["claim", "aclaim"])
def test_a_statement_that_must_be_repeated(server: Postgres, method: str) -> None:
    """A claim that conflicts with a concurrent one is repeated, and is not the first one."""
    options = "-c default_transaction_isolation=serializable"
    store = PostgresReplayStore({"conninfo": server.url, "options": options}, timeout=5)

    async def claim() -> bool:
        if method == "claim":
            return await asyncio.to_thread(store.claim, "issuer", "1", in_a_minute())
        return await store.aclaim("issuer", "1", in_a_minute())

    async def run() -> bool:
        assert await store.aclaim("issuer", "0", in_a_minute())
        with psycopg.connect(server.url) as other:
            command = "INSERT INTO hookkey_used_tokens VALUES (%s, '', now() + interval '1 day')"
            other.execute(command, (record_digest("issuer", "1"),))
            task = asyncio.create_task(claim())
            await asyncio.sleep(0.3)
            other.commit()
        outcome = await task
        await store.aclose()
        return outcome

    assert asyncio.run(run()) is False


def test_what_is_kept(store: PostgresReplayStore, server: Postgres) -> None:
    """A record has only digests, and ends ``CLOCK_TOLERANCE`` seconds after its token."""
    store.claim("https://acme.okta.com", "secret-jti", time.time() + 100)
    query = "SELECT digest, nonce, extract(epoch FROM expires_at - now())::float8 FROM "
    [(digest, nonce, left)] = server.execute(query + "hookkey_used_tokens")
    assert digest == record_digest("https://acme.okta.com", "secret-jti")
    assert (len(digest), len(nonce)) == (32, 16)
    assert 100 + CLOCK_TOLERANCE - 2 < left <= 100 + CLOCK_TOLERANCE


def test_expired_records_are_removed(store: PostgresReplayStore, server: Postgres) -> None:
    """Claims remove expired records, some at a time, and do not wait for those that are locked."""
    server.execute(
        "INSERT INTO hookkey_used_tokens SELECT sha256(n::text::bytea), '', now() "
        "FROM generate_series(1, 100) AS n"
    )
    with psycopg.connect(server.url) as other:
        lock = "SELECT FROM hookkey_used_tokens WHERE digest = sha256('1') FOR UPDATE"
        other.execute(lock)
        for number in range(200):
            assert store.claim("cleaning", str(number), in_a_minute())
        assert rows(server) == 201  # the locked one remains


def test_create_table(server: Postgres) -> None:
    """Several processes can create a table at once, in a schema, and use it."""
    server.execute("CREATE SCHEMA hooks")
    name = "hooks.Used"
    stores = [PostgresReplayStore(server.url, table=name) for _ in range(8)]
    with ThreadPoolExecutor(8) as pool:
        for done in [pool.submit(each.create_table) for each in stores]:
            done.result()
    assert stores[0].claim("issuer", "1", in_a_minute()) is True
    assert stores[1].claim("issuer", "1", in_a_minute()) is False
    assert server.execute('SELECT count(*) FROM hooks."Used"') == [(1,)]
    assert 'TABLE IF NOT EXISTS "hooks"."Used"' in PostgresReplayStore.table_sql(name)
    for each in stores:
        each.close()
    with pytest.raises(ReplayStoreConfigurationError, match="lacks a permission"):
        PostgresReplayStore(server.url_of("app", "app"), table="hooks.other").create_table()
    with pytest.raises(ReplayStoreUnavailableError, match="unreachable"):
        PostgresReplayStore(f"postgresql://127.0.0.1:{free_port()}").create_table()


@pytest.mark.slow
def test_the_django_example(
    server: Postgres,
    okta: OktaEmulator,
    signing_key: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The example for Django issues one token per assertion in its four processes."""
    name, port = "receiver_django/receiver.py", free_port()
    command = (*GUNICORN, "--workers", "4", "receiver:wsgi")
    monkeypatch.setitem(SERVERS, name, command)
    token_url = f"http://127.0.0.1:{port}/oauth2/token"
    key = okta.create_key("Token hook")
    database = {"PGHOST": "127.0.0.1", "PGPORT": str(server.port), "PGDATABASE": "hooks"}
    database |= {"PGUSER": "app", "PGPASSWORD": "app"}
    with serving(name, port, {**environment(okta, signing_key, token_url), **database}):
        form = assertion_form(okta, key, token_url)
        with ThreadPoolExecutor(10) as pool:
            post = partial(requests.post, token_url, data=form, timeout=30)
            posts = [pool.submit(post) for _ in range(40)]
            statuses = Counter(each.result().status_code for each in posts)
        assert statuses == {200: 1, 401: 39}
        url = f"http://127.0.0.1:{port}/hook"
        hook = okta.create_hook(url, key=key, token_url=token_url, client_id=CLIENT)
        assert okta.fire(hook["id"]).ok


# --- outages


def test_a_server_that_hangs(server: Postgres) -> None:
    """A hanging server is unreachable within the time limit, and recovers by itself.

    What it executes when it continues records nothing.
    """
    store = PostgresReplayStore(server.url, timeout=0.2)
    assert store.claim("issuer", "0", in_a_minute())
    with paused(server):
        for number in range(1, 4):
            began = time.monotonic()
            assert refused(store, str(number))
            assert time.monotonic() - began < 3
        assert store.health().status == "failing"
        with ThreadPoolExecutor(20) as pool:
            assert all(pool.map(partial(refused, store), map(str, range(4, 24))))
    assert eventually(lambda: not refused(store, "last"), 5)
    assert store.health().status == "healthy"
    time.sleep(0.3)
    assert rows(server) == 2
    for number in range(1, 24):
        assert store.claim("issuer", str(number), in_a_minute())
    store.close()


def test_many_aclaims_while_a_server_hangs(server: Postgres) -> None:
    """Each of 200 aclaims ends within twice the time-out, and ``to_thread`` waits for none."""
    timeout = 2
    store = PostgresReplayStore(server.url, timeout=timeout)

    async def timed(number: int) -> float:
        began = time.monotonic()
        with pytest.raises(ReplayStoreUnavailableError):
            await store.aclaim("issuer", f"many {number}", in_a_minute())
        return time.monotonic() - began

    async def to_thread() -> float:
        began = time.monotonic()
        await asyncio.sleep(0.1)
        await asyncio.to_thread(time.sleep, 0.01)
        return time.monotonic() - began

    async def run() -> None:
        assert await store.aclaim("issuer", "0", in_a_minute())
        with paused(server):
            thread, *took = await asyncio.gather(to_thread(), *map(timed, range(200)))
        assert max(took) < 2 * timeout + 1  # a second for a busy machine
        assert thread < timeout
        while True:
            with suppress(ReplayStoreUnavailableError):
                assert await store.aclaim("issuer", "last", in_a_minute())
                break
            await asyncio.sleep(0.05)
        await store.aclose()

    asyncio.run(run())
    assert rows(server) == 2


def test_a_claim_that_waited_for_a_lock(server: Postgres) -> None:
    """A claim that gets a lock after its deadline records nothing."""
    store = PostgresReplayStore(server.url, timeout=0.2)
    assert store.claim("issuer", "0", in_a_minute())
    with psycopg.connect(server.url) as other:
        command = "INSERT INTO hookkey_used_tokens VALUES (%s, '', now() + interval '1 day')"
        other.execute(command, (record_digest("issuer", "1"),))
        assert refused(store)
        other.rollback()
    time.sleep(0.2)
    assert rows(server) == 1
    assert eventually(lambda: not refused(store), 5)
    store.close()


@pytest.mark.slow
def test_a_restart(caplog: pytest.LogCaptureFixture) -> None:
    """Without a server, claims are refused or accepted; after its start they succeed at once.

    A connection that a restart closed costs a second attempt only.
    """
    with postgres_server(fsync="on") as server:
        events: list[Event] = []
        store = PostgresReplayStore(server.url, timeout=2)
        lenient = PostgresReplayStore(server.url, when_unreachable="accept", on_event=events.append)
        store.create_table()
        assert store.claim("issuer", "0", in_a_minute())
        server.kill()
        with pytest.raises(ReplayStoreUnavailableError, match="unreachable") as problem:
            store.claim("issuer", "1", in_a_minute())
        assert lenient.claim("issuer", "1", in_a_minute()) is True
        assert [(each.name, each.outcome) for each in events] == [
            (EventName.REPLAY_UNCHECKED, "OperationalError"),
            (EventName.CLAIM, "unchecked"),
        ]
        assert "accepted without a replay check" in caplog.text
        server.start()
        assert store.claim("issuer", "0", in_a_minute()) is False
        assert store.claim("issuer", "1", in_a_minute()) is True
        server.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> "
            "pg_backend_pid() AND backend_type = 'client backend'"
        )
        assert store.claim("issuer", "2", in_a_minute()) is True
        secret = server.url.partition("//")[2].partition("@")[0]
        for shown in (caplog.text, repr(store), str(problem.value)):
            assert secret not in shown
        store.close()


@pytest.mark.parametrize("method", ["claim", "aclaim"])
@pytest.mark.parametrize("fault", ["swallow", "drop idle"])
def test_a_lost_answer(server: Postgres, method: str, fault: str) -> None:
    """A claim whose answer is lost, or whose connection was dropped silently, succeeds."""
    with FaultyProxy(server.port) as proxy:
        store = PostgresReplayStore(server.url_of("app", "app", port=proxy.port), timeout=0.4)

        async def claim(jti: str) -> bool:
            if method == "claim":
                return store.claim("issuer", jti, in_a_minute())
            return await store.aclaim("issuer", jti, in_a_minute())

        async def run() -> None:
            assert await claim("0")
            assert await claim("1")
            if fault == "swallow":
                proxy.swallow_next_answers(1, close=False)
            else:
                proxy.drop_idle_after = 0.05
                await asyncio.sleep(0.1)
            assert await claim("2") is True
            proxy.drop_idle_after = None
            assert await claim("2") is False
            await store.aclose()

        asyncio.run(run())
    assert rows(server) == 3


def test_a_claim_ends_at_its_deadline(store: PostgresReplayStore) -> None:
    """With no time left, a claim is refused without a statement."""
    with pytest.raises(ReplayStoreUnavailableError, match="no time is left"):
        store.claim("issuer", "1", in_a_minute(), deadline=time.monotonic() - 1)
    assert store.claim("issuer", "1", in_a_minute(), deadline=time.monotonic() + 60) is True


def test_a_late_answer(store: PostgresReplayStore) -> None:
    """If the server executes a statement too late and no time is left, the claim times out."""
    attempt = Attempt(1, 1.0, time.monotonic() - 1)
    exchange = store._exchange(store._claim("issuer", "1", in_a_minute()), attempt)
    next(exchange)
    with pytest.raises(TimeoutError):
        exchange.send((0, time.time()))


@pytest.mark.parametrize(
    ("parameters", "addresses"),
    [
        ({"host": "127.0.0.1,localhost", "port": "1,2"}, "127.0.0.1"),
        ({"host": "localhost", "hostaddr": "127.0.0.2"}, "127.0.0.2"),
        ({"host": "/run/postgresql"}, None),
        ({"host": "missing.invalid,127.0.0.3"}, "127.0.0.3"),
    ],
    ids=str,
)
def test_host_names(parameters: dict[str, Any], addresses: str | None) -> None:
    """Host names are resolved outside the event loop's default executor."""
    resolved = _resolved(parameters)
    assert (resolved.get("hostaddr") or "").split(",")[0] == (addresses or "")


def test_no_host_is_found() -> None:
    """A host name without an address makes the store unreachable."""
    store = PostgresReplayStore("host=missing.invalid user=u dbname=d", timeout=5)
    with pytest.raises(ReplayStoreUnavailableError, match="gaierror"):
        asyncio.run(store.aclaim("issuer", "1", in_a_minute()))


def test_too_many_claims_for_the_connections(server: Postgres) -> None:
    """A claim that gets no connection in time is refused."""
    store = PostgresReplayStore(server.url, timeout=0.1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hookkey_verify.postgres.connections.MAX_CONNECTIONS", 0)
        assert refused(store)


# --- pools of the user


def test_a_pool(server: Postgres) -> None:
    """A pool serves threads and event loops; a lost answer costs a connection of its own."""
    with FaultyProxy(server.port) as proxy:
        url = server.url_of("app", "app", port=proxy.port)
        options: dict[str, Any] = {"min_size": 1, "max_size": 2, "open": True}
        with ConnectionPool(url, kwargs={"application_name": "users"}, **options) as pool:
            pool.wait()
            store = PostgresReplayStore(pool, timeout=0.5)
            assert store.claim("issuer", "1", in_a_minute()) is True
            assert asyncio.run(store.aclaim("issuer", "1", in_a_minute())) is False
            with pool.connection() as connection:
                assert connection.autocommit is False
            proxy.swallow_next_answers(1, close=False)
            assert store.claim("issuer", "2", in_a_minute()) is True
            assert store.claim("issuer", "2", in_a_minute()) is False
            store.close()
        with pytest.raises(ReplayStoreConfigurationError, match="pool is not open"):
            store.claim("issuer", "3", in_a_minute())


def test_a_pool_for_asyncio(server: Postgres) -> None:
    """A pool for asyncio serves event loops only; it may get its parameters from functions."""

    async def run() -> None:
        with FaultyProxy(server.port) as proxy:

            async def conninfo() -> str:
                return server.url_of("app", "app", port=proxy.port)

            pool = AsyncConnectionPool(conninfo, kwargs=dict, min_size=1, max_size=2, open=False)
            async with pool:
                await pool.wait()
                store = PostgresReplayStore(pool, timeout=0.5)
                assert await store.aclaim("issuer", "1", in_a_minute()) is True
                proxy.swallow_next_answers(1, close=False)
                assert await store.aclaim("issuer", "2", in_a_minute()) is True
                assert await store.aclaim("issuer", "2", in_a_minute()) is False
                with pytest.raises(ReplayStoreConfigurationError, match="AsyncConnectionPool"):
                    store.claim("issuer", "3", in_a_minute())
                for ask in (store.check, store.create_table):
                    with pytest.raises(ConfigurationError, match="AsyncConnectionPool"):
                        ask()
                await store.aclose()

    asyncio.run(run())


# --- what is wrong with a server or its settings


@pytest.mark.parametrize("when_unreachable", ["refuse", "accept"])
@pytest.mark.parametrize(
    ("parts", "problem"),
    [
        (("app", "wrong"), "rejects the user or password"),
        (("nobody", "app"), "rejects the user or password"),
        (("app", ""), "rejects the user or password"),
        (("app", "app", "missing"), "database does not exist"),
    ],
)
def test_wrong_credentials(
    server: Postgres,
    caplog: pytest.LogCaptureFixture,
    parts: Any,
    problem: str,
    when_unreachable: Any,
) -> None:
    """Wrong settings of a connection are refused with 500, also with "accept"."""
    store = PostgresReplayStore(server.url_of(*parts), timeout=2, when_unreachable=when_unreachable)
    with pytest.raises(ReplayStoreConfigurationError, match=problem) as error:
        store.claim("issuer", "1", in_a_minute())
    with pytest.raises(ReplayStoreConfigurationError, match=problem):
        asyncio.run(store.aclaim("issuer", "1", in_a_minute()))
    assert [each.result for each in store.check()] == ["failed"]
    for shown in (caplog.text, str(error.value), store.health().problem or ""):
        assert "wrong" not in shown.replace("wrong credentials", "")


def test_tls_is_required(server: Postgres) -> None:
    """A server without TLS is a misconfiguration if the client requires TLS."""
    store = PostgresReplayStore(f"{server.url}?sslmode=require", when_unreachable="accept")
    with pytest.raises(ReplayStoreConfigurationError, match="no TLS connection"):
        store.claim("issuer", "1", in_a_minute())


@pytest.mark.parametrize(
    ("commands", "table", "problem", "check"),
    [
        ([], "missing", "does not exist", "table"),
        ([], "no_schema.missing", "does not exist", "table"),
        (["CREATE TABLE shape (digest bytea)"], "shape", "another shape", "table"),
        (
            ["CREATE TABLE no_key (digest bytea, nonce bytea, expires_at timestamptz)"],
            "no_key",
            "another shape",
            "table",
        ),
        (
            [PostgresReplayStore.table_sql("denied"), "GRANT SELECT, INSERT ON denied TO app"],
            "denied",
            "grant SELECT, INSERT, UPDATE and DELETE",
            "permissions",
        ),
    ],
)
def test_a_wrong_table(
    server: Postgres, commands: list[str], table: str, problem: str, check: str
) -> None:
    """A table that is missing, of another shape or not accessible is a misconfiguration."""
    for command in commands:
        server.execute(command)
    if commands and check == "table":
        server.execute(f"GRANT ALL ON {table} TO app")
    store = PostgresReplayStore(
        server.url_of("app", "app"), table=table, timeout=2, when_unreachable="accept"
    )
    with pytest.raises(ReplayStoreConfigurationError, match=problem):
        store.claim("issuer", "1", in_a_minute())
    failed = {each.check for each in store.check() if each.result == "failed"}
    assert failed == {check, "permissions"}
    store.close()


def test_a_read_only_server(server: Postgres) -> None:
    """A server or role that is read-only is a misconfiguration."""
    store = PostgresReplayStore(f"{server.url}?options=-c%20default_transaction_read_only%3Don")
    with pytest.raises(ReplayStoreConfigurationError, match="read-only"):
        store.claim("issuer", "1", in_a_minute())
    assert ("role", "failed") in {(each.check, each.result) for each in store.check()}
    store.close()


def test_no_connections_left(server: Postgres) -> None:
    """A server without connections left is unavailable, also with "accept"."""
    server.execute("ALTER ROLE app CONNECTION LIMIT 0")
    try:
        store = PostgresReplayStore(server.url_of("app", "app"), when_unreachable="accept")
        with pytest.raises(ReplayStoreUnavailableError, match="max_connections"):
            store.claim("issuer", "1", in_a_minute())
    finally:
        server.execute("ALTER ROLE app CONNECTION LIMIT -1")


class _WithState(psycopg.Error):
    def __init__(self, state: str) -> None:
        super().__init__("s3cret")
        self.sqlstate = state


def _named(name: str) -> Exception:
    error: Exception = type(name, (psycopg.OperationalError,), {})("s3cret")
    return error


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (psycopg.OperationalError("connection failed: … refused"), "unreachable"),
        (psycopg.OperationalError("FATAL:  Passwort-Authentifizierung"), "unavailable"),
        (psycopg.OperationalError("FATAL:  the database system is starting up"), "unavailable"),
        (psycopg.InterfaceError("the connection is closed"), "unreachable"),
        (socket.gaierror("host"), "unreachable"),
        (_WithState("57P01"), "unreachable"),
        (_WithState("08006"), "unreachable"),
        (_WithState("53100"), "unavailable"),
        (_WithState("XX000"), "unavailable"),
        (_WithState("28P01"), "misconfigured"),
        (_named("PoolTimeout"), "unavailable"),
        (_named("PoolClosed"), "misconfigured"),
        (_named("TooManyRequests"), "unavailable"),
        (ConfigurationError("wrong"), "misconfigured"),
        (ValueError("s3cret"), "unavailable"),
    ],
    ids=repr,
)
def test_problems(error: Exception, kind: str) -> None:
    """Each error is a problem of one kind, whose text repeats nothing of the error."""
    problem = explain(error)
    assert problem.kind == kind
    assert "s3cret" not in problem.text


# --- check


def findings(store: PostgresReplayStore) -> dict[str, str]:
    return {each.check: each.result for each in store.check()}


def test_check(server: Postgres, store: PostgresReplayStore) -> None:
    """The settings of the test server are risky only as regards fsync, and a claim is possible."""
    assert findings(store) == {
        "version": "ok",
        "role": "ok",
        "durability": "warning",
        "replicas": "ok",
        "clock": "ok",
        "table": "ok",
        "permissions": "ok",
    }
    away = PostgresReplayStore(f"postgresql://127.0.0.1:{free_port()}")
    assert findings(away) == {"replay store": "failed"}


class _Cursor:
    """Answers the query for the settings with fixed values."""

    def __init__(self, cursor: Any, *settings: Any, ahead: float = 0.0) -> None:
        self._cursor = cursor
        self._settings: tuple[Any, ...] | None = settings
        self._ahead = ahead

    def execute(self, *arguments: Any) -> None:
        self._cursor.execute(*arguments)

    def fetchone(self) -> Any:
        row = self._cursor.fetchone()
        if self._settings is not None:
            row, self._settings = self._settings, None
        elif isinstance(row[0], float):
            row = (row[0] + self._ahead,)
        return row

    def fetchall(self) -> Any:
        return self._cursor.fetchall()


@pytest.mark.parametrize(
    ("settings", "ahead", "found"),
    [
        ((180_000, "18", False, "off", "on", "on", "", 0), 0.0, {}),
        ((110_000, "11", False, "off", "on", "on", "", 0), 0.0, {"version": "failed"}),
        ((180_000, "18", True, "on", "on", "on", "", 0), 0.0, {"role": "failed"}),
        ((180_000, "18", False, "off", "on", "off", "", 0), 0.0, {"durability": "warning"}),
        ((180_000, "18", False, "off", "on", "on", "", 1), 0.0, {"replicas": "warning"}),
        ((180_000, "18", False, "off", "on", "on", "*", 1), 0.0, {}),
        ((180_000, "18", False, "off", "on", "on", "", 0), 60.0, {"clock": "warning"}),
    ],
)
def test_risky_settings(
    server: Postgres, settings: tuple[Any, ...], ahead: float, found: dict[str, str]
) -> None:
    """Each setting that can lose a used token is a finding."""
    from hookkey_verify.postgres.server_check import check_settings  # noqa: PLC0415

    with psycopg.connect(server.url) as connection:
        cursor = _Cursor(connection.cursor(), *settings, ahead=ahead)
        results = check_settings(cursor, ("hookkey_used_tokens",))
    assert {each.check: each.result for each in results if each.result != "ok"} == found


@pytest.mark.parametrize(
    ("command", "text"),
    [
        ("CREATE UNLOGGED TABLE t (LIKE hookkey_used_tokens INCLUDING ALL)", "unlogged"),
        ("CREATE TABLE t (LIKE hookkey_used_tokens); ALTER TABLE t ADD PRIMARY KEY (digest)",
         "no index"),
    ],
)  # fmt: skip
def test_risky_tables(server: Postgres, command: str, text: str) -> None:
    """An unlogged table and one without the second index are findings."""
    for each in command.split(";"):
        server.execute(each)
    store = PostgresReplayStore(server.url, table="t")
    [found] = [each for each in store.check() if each.check == "table"]
    assert found.result == "warning"
    assert text in found.detail
    store.close()
    server.execute("DROP TABLE t")


# --- arguments


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"conninfo_or_pool": 5}, "conninfo_or_pool must be"),
        ({"conninfo_or_pool": "s3cret"}, "conninfo_or_pool must be"),
        ({"conninfo_or_pool": {"s3cret": 1}}, "conninfo_or_pool must be"),
        ({"table": "a.b.c"}, "table must be"),
        ({"table": 'a"b'}, "table must be"),
        ({"table": None}, "table must be"),
        ({"timeout": 0}, "timeout must be"),
        ({"when_unreachable": "allow"}, "when_unreachable must be"),
        ({"on_event": 5}, "on_event must be"),
    ],
    ids=str,
)
def test_arguments(arguments: dict[str, Any], problem: str) -> None:
    """An invalid argument is refused, and the message names it but no value."""
    with pytest.raises(ConfigurationError, match=problem) as error:
        PostgresReplayStore(**{"conninfo_or_pool": "dbname=hooks", **arguments})
    assert "s3cret" not in str(error.value)


@pytest.mark.parametrize("leak", [pickle.dumps, copy.copy, copy.deepcopy])
def test_no_secret_leaks(leak: Callable[[Any], Any]) -> None:
    """A store shows no connection parameters and cannot be pickled or copied."""
    store = PostgresReplayStore("postgresql://app:s3cret@localhost/hooks")
    assert repr(store) == "PostgresReplayStore(…)"
    with pytest.raises(ConfigurationError, match="pickled"):
        leak(store)
