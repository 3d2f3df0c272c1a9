"""Checks of a PostgreSQL server for settings that can lose a used token."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import psycopg

from .._runtime.clock import monotonic_clock, wall_clock
from ..replay.finding import Finding, clock_finding
from .problems import explain

__all__ = ["check_permissions", "check_settings"]

OLDEST = 120_000
"""The oldest server that the store supports: PostgreSQL 12."""
COLUMNS = {
    "digest": "bytea",
    "nonce": "bytea",
    "expires_at": "timestamp with time zone",
}
_SETTINGS = """
SELECT current_setting('server_version_num')::int, current_setting('server_version'),
    pg_is_in_recovery(), current_setting('transaction_read_only'),
    current_setting('fsync'), current_setting('synchronous_commit'),
    current_setting('synchronous_standby_names'), (SELECT count(*) FROM pg_stat_replication)
"""
_COLUMNS = """
SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute
WHERE attrelid = %s AND attnum > 0 AND NOT attisdropped
"""
_INDEXES = """
SELECT attname, indisunique AND indnkeyatts = 1 AND indpred IS NULL FROM pg_index
JOIN pg_attribute ON attrelid = indrelid AND attnum = indkey[0]
WHERE indrelid = %s AND indisvalid
"""


def check_settings(cursor: Any, table: tuple[str, ...]) -> list[Finding]:
    """Return findings about version, role, durability, replicas, clock and table.

    ``cursor``: a cursor that returns tuples.
    ``table``: the name of the table, and before it that of its schema if there is one.
    """
    cursor.execute(_SETTINGS)
    number, version, standby, read_only, fsync, commit, synchronous, replicas = cursor.fetchone()
    found = [_version(number, version), _role(standby, read_only == "on")]
    found += _durability(fsync, commit)
    found += [_replicas(replicas, synchronous), _clock(cursor), *_table(cursor, table)]
    return found


def check_permissions(cursor: Any, claim: Any, arguments: dict[str, object]) -> Finding:
    """Try the statement of a claim with a record that expires soon."""
    try:
        cursor.execute(claim, arguments, prepare=False)
    except psycopg.Error as error:
        return Finding("permissions", "failed", explain(error).text)
    return Finding("permissions", "ok", "a claim is possible")


def _version(number: int, version: str) -> Finding:
    if number < OLDEST:
        return Finding("version", "failed", f"PostgreSQL {version}; 12 or later is needed")
    return Finding("version", "ok", f"PostgreSQL {version}")


def _role(standby: bool, read_only: bool) -> Finding:
    if standby:
        text = "it is a standby: use the address of the primary, or target_session_attrs=read-write"
        return Finding("role", "failed", text)
    if read_only:
        text = "transactions are read-only (default_transaction_read_only): set it off"
        return Finding("role", "failed", text)
    return Finding("role", "ok", "primary")


def _durability(fsync: str, commit: str) -> Iterator[Finding]:
    name = "durability"
    if fsync == "off":
        yield Finding(name, "warning", "fsync is off: a crash loses used tokens; set it on")
    if commit == "off":
        text = "synchronous_commit is off: a crash loses the last used tokens; set it on"
        yield Finding(name, "warning", text)
    if fsync == "on" and commit != "off":
        yield Finding(name, "ok", f"fsync on, synchronous_commit {commit}")


def _replicas(replicas: int, synchronous: str) -> Finding:
    name, text = "replicas", f"{replicas} connected"
    if replicas and not synchronous:
        text += "; a failover can lose the last tokens unless you set synchronous_standby_names"
        return Finding(name, "warning", text)
    return Finding(name, "ok", text)


def _clock(cursor: Any) -> Finding:
    began, before = monotonic_clock(), wall_clock()
    cursor.execute("SELECT extract(epoch FROM clock_timestamp())::float8")
    middle = before + (monotonic_clock() - began) / 2
    return clock_finding("clock", cursor.fetchone()[0] - middle)


def _table(cursor: Any, table: tuple[str, ...]) -> Iterator[Finding]:
    name = '"' + '"."'.join(table) + '"'
    cursor.execute(
        "SELECT oid, relpersistence::text FROM pg_class WHERE oid = to_regclass(%s)", (name,)
    )
    row = cursor.fetchone()
    if row is None:
        yield Finding("table", "failed", "it does not exist: create it with create_table()")
        return
    cursor.execute(_COLUMNS, row[:1])
    columns = dict(cursor.fetchall())
    cursor.execute(_INDEXES, row[:1])
    indexes = cursor.fetchall()
    if {each: columns.get(each) for each in COLUMNS} != COLUMNS or ("digest", True) not in indexes:
        text = "its columns or primary key are not those of create_table(): create a new one"
        yield Finding("table", "failed", text)
    elif row[1] != "p":
        text = "it is unlogged or temporary: a crash loses used tokens; SET LOGGED"
        yield Finding("table", "warning", text)
    elif "expires_at" not in dict(indexes):
        text = "no index on expires_at: claims become slow; see create_table()"
        yield Finding("table", "warning", text)
    else:
        yield Finding("table", "ok", "columns, primary key and index are as needed")
