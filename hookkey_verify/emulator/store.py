"""The state of an org in SQLite, in memory or in a file.

A record is written before the response is sent, so it survives kill -9. A power failure may lose
the last moments. The file contains private keys and secrets and is readable only by its owner.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import threading
import weakref
from collections.abc import Callable, Mapping
from os import PathLike
from typing import Any, Final, TypeVar

from jwt import PyJWTError

from ..errors import ConfigurationError, HookKeyError
from .okta_error import OktaError

__all__ = ["Store"]

_MARKS: Final = [0x4F4B4842, 2]
"""The application id and the format version in the header of the file."""
_SCHEMA: Final = (
    f"PRAGMA application_id = {_MARKS[0]}",
    f"PRAGMA user_version = {_MARKS[1]}",
    """CREATE TABLE records (
      place INTEGER PRIMARY KEY,
      kind TEXT NOT NULL,
      id TEXT NOT NULL,
      body TEXT NOT NULL,
      UNIQUE (kind, id)
    )""",
)
_T = TypeVar("_T")
_PUT: Final = """
INSERT INTO records (kind, id, body) VALUES (?, ?, ?)
ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body
"""


class Store:
    """Records by kind and id, in order of insertion. Thread-safe."""

    def __init__(self, path: str | PathLike[str] | None = None) -> None:
        """Open the state file; ``path`` None keeps the state in memory.

        Raises ``ConfigurationError`` if the file is not usable, is not a state file, or is used by
        another emulator.
        """
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        if path is None:
            return
        try:
            self._connection = _open(os.path.abspath(path))  # noqa: PTH100 - also accepts bytes
        except (OSError, TypeError, ValueError, sqlite3.Error) as error:
            reason = (getattr(error, "strerror", None) or str(error)).lower()
            if "locked" in reason:
                reason = "another emulator uses it"
            raise ConfigurationError(f"the state file cannot be used: {reason}") from None
        self._close = weakref.finalize(self, self._connection.close)

    def put(self, kind: str, id: str, body: Mapping[str, Any]) -> None:  # noqa: A002
        """Store a record, replacing an earlier one with this id.

        Raises ``OktaError`` (500) if it cannot be written; the state is then unchanged.
        """
        self._write(_PUT, kind, id, json.dumps(body))

    def drop(self, kind: str, id: str) -> None:  # noqa: A002
        """Delete a record. Raises ``OktaError`` (500) if that cannot be written."""
        self._write("DELETE FROM records WHERE kind = ? AND id = ?", kind, id)

    def load(self, kind: str, read: Callable[[Mapping[str, Any]], _T]) -> dict[str, _T]:
        """Return the records of a kind by id, converted by ``read``.

        Raises ``ConfigurationError`` if one is broken.
        """
        if self._connection is None:
            return {}
        select = "SELECT id, body FROM records WHERE kind = ? ORDER BY place"
        try:
            with self._lock:
                rows = self._connection.execute(select, (kind,)).fetchall()
            return {id_: read(json.loads(body)) for id_, body in rows}
        except (ValueError, TypeError, LookupError, PyJWTError, HookKeyError, sqlite3.Error):
            raise ConfigurationError(
                "the state file is damaged; move it away to start with an empty org"
            ) from None

    def close(self) -> None:
        """Close the file. Idempotent."""
        if self._connection is not None:
            with self._lock:
                self._close()

    def _write(self, statement: str, *values: str) -> None:
        if self._connection is None:
            return
        try:
            with self._lock:
                self._connection.execute(statement, values)
        except sqlite3.Error as error:
            cause = f"the state file cannot be written: {error}"
            raise OktaError(500, "E0000009", "Internal Server Error", cause) from None


def _open(path: str) -> sqlite3.Connection:
    # SQLite creates its own files with the permissions of this one.
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        if not stat.S_ISREG(os.fstat(file).st_mode):
            raise ValueError("it is not a file")
    finally:
        os.close(file)
    connection = sqlite3.connect(path, timeout=0, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA locking_mode = EXCLUSIVE")
        connection.execute("BEGIN IMMEDIATE")
        marks = [_pragma(connection, name) for name in ("application_id", "user_version")]
        is_new = _pragma(connection, "schema_version") == 0
        connection.execute("COMMIT")
        if not is_new and marks != _MARKS:  # the state is then unchanged
            raise ValueError("it is not the state of an emulator of this version")
        os.chmod(path, 0o600)  # noqa: PTH101
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        if is_new:
            connection.execute("BEGIN IMMEDIATE")
            for statement in _SCHEMA:
                connection.execute(statement)
            connection.execute("COMMIT")
    except BaseException:
        connection.close()
        raise
    return connection


def _pragma(connection: sqlite3.Connection, name: str) -> int:
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])
