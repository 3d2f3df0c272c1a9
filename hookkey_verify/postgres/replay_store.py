"""PostgresReplayStore shares in PostgreSQL which tokens have been used.

The server executes one statement per claim, atomically. The statement records the nonce of the
claim, so that a second attempt recognizes what the first one recorded. It records nothing after the
claim's deadline, because the claim has then been refused and the sender may have sent the token
again. The deadline is a reading of the server's clock, which each answer contains.

Anyone who can write to the table can only have valid tokens refused, but anyone who can delete from
it can have a token accepted again.
"""

from __future__ import annotations

import asyncio
import re
import secrets
from collections.abc import Generator
from typing import Any, TypeAlias

from psycopg import errors, sql
from psycopg.rows import tuple_row

from .._runtime.bounded import call_within, in_thread
from .._runtime.clock import Clock, monotonic_clock, wall_clock
from .._runtime.event_loop import running_loop
from ..errors import ConfigurationError, ReplayStoreConfigurationError, ReplayStoreUnavailableError
from ..events import OnEvent
from ..replay.finding import Finding
from ..replay.health import ReplayHealth
from ..replay.record import LONGEST, record_digest, seconds_to_keep
from ..replay.remote import Attempt, RemoteClaims, WhenUnreachable, unreachable
from ..replay.server_clock import ServerClock
from .connections import MAX_CONNECTIONS, Held, PostgresConnections
from .problems import explain
from .server_check import check_permissions, check_settings

__all__ = ["PostgresReplayStore"]

TABLE = "hookkey_used_tokens"
CHECK_LIMIT = 10
"""Seconds for ``check`` and for ``create_table``."""
CLEANING = 8
"""One claim in this many removes expired records."""
CLEANED = 32
"""The most expired records that such a claim removes. On average that is more than claims add."""
CLOSING = 0.02
"""Seconds to wait for an abandoned statement to end after its connection was shut down."""

_CREATE = """
CREATE TABLE IF NOT EXISTS {table} (
    digest bytea PRIMARY KEY,
    nonce bytea NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX IF NOT EXISTS {index} ON {table} (expires_at);
"""
# A statement that waited for another one's lock may end after the deadline. Then the division by
# zero undoes it. Expired records are locked after the claim's own one, so that no two claims wait
# for each other; records that others have locked are skipped.
_CLAIM = """
WITH claimed AS (
    INSERT INTO {table} AS used (digest, nonce, expires_at)
    SELECT %(digest)s, %(nonce)s, clock_timestamp() + %(lifetime)s * interval '1 second'
    WHERE clock_timestamp() <= to_timestamp(%(until)s)
    ON CONFLICT (digest) DO UPDATE
    SET nonce = excluded.nonce, expires_at = excluded.expires_at
    WHERE used.expires_at <= now() OR used.nonce = excluded.nonce
    RETURNING 1 / (clock_timestamp() <= to_timestamp(%(until)s))::int
), cleaned AS (
    DELETE FROM {table} WHERE ctid = ANY (ARRAY(
        SELECT ctid FROM {table}
        WHERE expires_at <= now() AND digest <> %(digest)s AND (SELECT count(*) FROM claimed) > 0
        ORDER BY expires_at LIMIT %(clean)s FOR UPDATE SKIP LOCKED
    ))
)
SELECT (SELECT count(*) FROM claimed), extract(epoch FROM clock_timestamp())::float8
"""
_UNDO = "DELETE FROM {table} WHERE digest = %(digest)s AND nonce = %(nonce)s"
_UNDONE = (errors.DivisionByZero, errors.SerializationFailure, errors.DeadlockDetected)
"""Errors of a statement that recorded nothing and can be sent again while time is left."""

_Answer: TypeAlias = tuple[int, float] | None
"""The number of records that a statement wrote and the server's clock; None if it was undone."""
_Tasks: TypeAlias = dict["asyncio.Task[bool]", Held]
"""The attempts of a claim on an event loop, and the connection that each one uses."""
_Exchange: TypeAlias = Generator[dict[str, object], _Answer, bool]


class _Claim:
    """One claim: what both attempts have in common."""

    __slots__ = ("arguments",)

    def __init__(self, issuer: str, jti: str, lifetime: float) -> None:
        self.arguments: dict[str, object] = {
            "digest": record_digest(issuer, jti),
            "nonce": secrets.token_bytes(16),
            "lifetime": lifetime,
            "clean": 0 if secrets.randbelow(CLEANING) else CLEANED,
        }


class PostgresReplayStore:
    """A ``ReplayStore`` for all workers and hosts. Thread-safe; connects on first use.

    It needs PostgreSQL 12 or later and a table, see ``create_table``. PgBouncer may be in between,
    in transaction mode too. The keys are digests, from which no token can be derived.

    For example:

    >>> from hookkey_verify.postgres import PostgresReplayStore
    >>> store = PostgresReplayStore("postgresql://db.acme.com/hooks")  # connects at the first claim
    >>> store.health().status
    'healthy'
    """

    def __init__(
        self,
        conninfo_or_pool: Any,
        *,
        table: str = TABLE,
        timeout: float = 0.5,
        when_unreachable: WhenUnreachable = "refuse",
        on_event: OnEvent | None = None,
        clock: Clock = wall_clock,
    ) -> None:
        """Create a store; it connects on first use.

        ``conninfo_or_pool``: a connection string or URL of libpq; a mapping of its parameters, such
            as Django's ``connection.get_connection_params()``; or a ``ConnectionPool`` or
            ``AsyncConnectionPool`` of psycopg_pool, which the store does not close. An
            ``AsyncConnectionPool`` only serves ``aclaim``, on the event loop that it belongs to.
            Without a pool, a process opens at most 8 connections for its threads and 8 for each
            event loop.
        ``table``: the name of the table, with or without a schema. Default "hookkey_used_tokens".
        ``timeout``: the time limit of one attempt, 0.01 to 10 seconds, default 0.5. A claim has two
            attempts at most, and 1.8 times this limit for both. A new connection needs seven round
            trips to the server, and more with TLS; allow for at least eight.
        ``when_unreachable``: what happens to valid tokens while the store is unreachable. "refuse"
            (the default) answers 503, so that Okta may retry. "accept" does not detect replays
            meanwhile; it is logged and reported as the event ``replay_unchecked``. It applies to
            failed connections and time-outs, not to a server that answers with an error.
        ``on_event``: a function that takes events. Default None.
        ``clock``: a function that returns epoch seconds. Default: ``time.time``.

        Raises ``ConfigurationError`` naming the argument.
        """
        self._connections = PostgresConnections(conninfo_or_pool)
        self._table = _parts(table)
        self._sql = sql.SQL(_CLAIM).format(table=sql.Identifier(*self._table))
        self._claims = RemoteClaims(
            type(self).__name__,
            explain,
            timeout=timeout,
            when_unreachable=when_unreachable,
            on_event=on_event,
            at_once=MAX_CONNECTIONS,
        )
        self._wall_clock = clock
        self._server_clock = ServerClock()

    def __repr__(self) -> str:
        return "PostgresReplayStore(…)"  # connection parameters may contain a password

    def __reduce__(self) -> Any:
        raise ConfigurationError(
            "a PostgresReplayStore may contain a password and cannot be pickled or copied"
        )

    @staticmethod
    def table_sql(table: str = TABLE) -> str:
        """Return the SQL that creates the table, for a migration.

        Raises ``ConfigurationError`` if ``table`` is not a valid name.
        """
        parts = _parts(table)
        index = sql.Identifier(f"{parts[-1][:52]}_expires_at")
        made = sql.SQL(_CREATE).format(table=sql.Identifier(*parts), index=index)
        return made.as_string(None).strip()

    def create_table(self) -> None:
        """Create the table and its index unless they exist. Several processes may call it at once.

        It takes at most 10 seconds.

        Raises ``ReplayStoreUnavailableError`` or ``ReplayStoreConfigurationError``.
        """
        command = self.table_sql(".".join(self._table))

        def create() -> None:
            connections = self._connections.connection(CHECK_LIMIT)
            with connections as connection, connection.transaction():
                # CREATE … IF NOT EXISTS fails if another session is creating the same table.
                connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", (command,))
                connection.execute(command)

        try:
            call_within(CHECK_LIMIT, create)
        except ConfigurationError:
            raise
        except Exception as error:
            problem = unreachable(error) if isinstance(error, TimeoutError) else explain(error)
        else:
            return
        if problem.kind == "misconfigured":
            raise ReplayStoreConfigurationError(problem.text)
        raise ReplayStoreUnavailableError(problem.text)

    def close(self) -> None:
        """Close the idle connections, except those of event loops. Idempotent."""
        self._connections.close()

    async def aclose(self) -> None:
        """Close the idle connections, also those of the running event loop. Idempotent."""
        await self._connections.aclose()

    def claim(
        self, issuer: str, jti: str, expires_at: float, *, deadline: float | None = None
    ) -> bool:
        """Record a use and return True; return False if the token was used before. Atomic.

        ``issuer``, ``jti``: identify the token.
        ``expires_at``: until when the use is remembered, in epoch seconds.
        ``deadline``: a reading of ``time.monotonic`` by which the store must have answered. Default
            None: the limits of ``timeout``.

        Raises ``ReplayStoreUnavailableError`` if the store cannot answer in time, and
        ``ReplayStoreConfigurationError`` if it refuses the statement.
        """
        claim, held = self._claim(issuer, jti, expires_at), Held()
        try:
            return self._claims.run(
                lambda attempt: self._attempt(claim, held, attempt),
                deadline,
                undo=lambda: self._undo(claim),
            )
        finally:
            held.end()

    async def aclaim(
        self, issuer: str, jti: str, expires_at: float, *, deadline: float | None = None
    ) -> bool:
        """Do the same as ``claim`` without blocking the event loop, which must be asyncio's."""
        running_loop()
        claim, held = self._claim(issuer, jti, expires_at), Held()
        tasks: _Tasks = {}

        async def in_a_thread(attempt: Attempt) -> bool:
            return await asyncio.wrap_future(in_thread(self._attempt, claim, held, attempt))

        async def here(attempt: Attempt) -> bool:
            return await self._uncancelled(claim, tasks, attempt)

        try:
            attempt = here if self._connections.has_asyncio else in_a_thread
            undo = None if self._connections.is_asyncio else lambda: self._undo(claim)
            return await self._claims.arun(attempt, deadline, undo=undo)
        finally:
            held.end()
            await _end(tasks)

    def _undo(self, claim: _Claim) -> None:
        """Delete what a refused claim may have recorded, so that its token can be sent again."""
        delete = sql.SQL(_UNDO).format(table=sql.Identifier(*self._table))
        with self._connections.connection(CHECK_LIMIT, fresh=True) as connection:
            connection.execute(delete, claim.arguments)

    def health(self) -> ReplayHealth:
        """Return the condition of the store as this process knows it, without asking the server."""
        return self._claims.health()

    def check(self) -> list[Finding]:
        """Ask the server for settings that can lose a used token, and try what claims need.

        A record for one second is written. Raises ``ConfigurationError`` if the store has a pool
        for asyncio.
        """

        def ask() -> list[Finding]:
            with self._connections.connection(CHECK_LIMIT) as connection:
                cursor = connection.cursor(row_factory=tuple_row)
                found = check_settings(cursor, self._table)
                sample = _Claim("check", secrets.token_hex(16), 1.0).arguments
                return [*found, check_permissions(cursor, self._sql, {**sample, "until": LONGEST})]

        try:
            return call_within(CHECK_LIMIT, ask)
        except ConfigurationError:
            raise
        except Exception as error:
            return [Finding("replay store", "failed", explain(error).text)]

    def _claim(self, issuer: str, jti: str, expires_at: float) -> _Claim:
        return _Claim(issuer, jti, seconds_to_keep(expires_at, self._wall_clock()))

    # --- one attempt, in a thread and on an event loop

    def _attempt(self, claim: _Claim, held: Held, attempt: Attempt) -> bool:
        connections = self._connections.connection(attempt.seconds, fresh=attempt.number > 1)
        with connections as connection, held.using(connection, attempt.end):
            exchange = self._exchange(claim, attempt)
            arguments = next(exchange)
            try:
                while True:
                    answer = self._sent(connection, arguments)
                    arguments = exchange.send(answer)
            except StopIteration as stop:
                return stop.value  # type: ignore[no-any-return]

    def _sent(self, connection: Any, arguments: dict[str, object]) -> _Answer:
        try:
            cursor = connection.cursor(row_factory=tuple_row)
            return cursor.execute(self._sql, arguments, prepare=False).fetchone()  # type: ignore[no-any-return]
        except _UNDONE:
            return None

    async def _aattempt(self, claim: _Claim, held: Held, attempt: Attempt) -> bool:
        connections = self._connections.asyncio_connection(
            attempt.seconds, fresh=attempt.number > 1
        )
        async with connections as connection:
            with held.using(connection, attempt.end):
                exchange = self._exchange(claim, attempt)
                arguments = next(exchange)
                try:
                    while True:
                        answer = await self._asent(connection, arguments)
                        arguments = exchange.send(answer)
                except StopIteration as stop:
                    return stop.value  # type: ignore[no-any-return]

    async def _asent(self, connection: Any, arguments: dict[str, object]) -> _Answer:
        try:
            cursor = connection.cursor(row_factory=tuple_row)
            await cursor.execute(self._sql, arguments, prepare=False)
            return await cursor.fetchone()  # type: ignore[no-any-return]
        except _UNDONE:
            return None

    async def _uncancelled(self, claim: _Claim, tasks: _Tasks, attempt: Attempt) -> bool:
        """Make an attempt in a task of its own; if this is cancelled, shut its connection down.

        If asyncio cancelled the statement, psycopg would wait for the server to confirm that.
        """
        held = Held()
        task = asyncio.create_task(self._aattempt(claim, held, attempt))
        task.add_done_callback(lambda done: done.cancelled() or done.exception())
        tasks[task] = held
        try:
            await asyncio.wait({task})
        finally:
            held.end()
        return task.result()

    def _exchange(self, claim: _Claim, attempt: Attempt) -> _Exchange:
        """Yield the arguments of a statement, be sent its answer, and return whether it is first.

        A statement is sent again if the server's clock was not known, or was set.
        """
        if attempt.number > 1:  # the connection is a new one, perhaps to another server
            self._server_clock = ServerClock()
        server_clock = self._server_clock
        while True:
            sent = monotonic_clock()
            until = server_clock.reading(attempt.end)
            answer = yield {**claim.arguments, "until": until}
            if answer is not None:
                claimed, reading = answer
                server_clock.observe(sent, monotonic_clock(), reading)
                if claimed:
                    return True
                if reading <= until:
                    return False
            if monotonic_clock() >= attempt.end:
                raise TimeoutError


async def _end(tasks: _Tasks) -> None:
    """End the remaining attempts of a claim."""
    for task, held in tasks.items():
        if not held.end():
            task.cancel()
    pending = [task for task in tasks if not task.done()]
    if pending:
        await asyncio.wait(pending, timeout=CLOSING)


_PART = re.compile(r"[A-Za-z_][A-Za-z0-9_$]{0,62}", re.ASCII)


def _parts(table: str) -> tuple[str, ...]:
    parts = tuple(table.split(".")) if isinstance(table, str) else ()
    if len(parts) not in (1, 2) or not all(map(_PART.fullmatch, parts)):
        raise ConfigurationError(
            "table must be a name, or a schema and a name with a dot between: letters, digits and _"
        )
    return parts
