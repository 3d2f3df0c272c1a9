"""What the errors of psycopg mean for a claim."""

from __future__ import annotations

import psycopg

from ..errors import ConfigurationError
from ..replay.remote import Problem, unreachable

__all__ = ["explain"]

_TABLE = "the table {}: create it with create_table(), and see check()"
_CREDENTIALS = (
    "the server rejects the user or password: correct the connection settings, or pg_hba.conf"
)
_MISCONFIGURED = {
    "25006": "the server or role is read-only: use the address of the primary, or the setting "
    "target_session_attrs=read-write",
    "28": _CREDENTIALS,
    "3D": "the database does not exist: correct the connection settings",
    "3F": _TABLE.format("does not exist, because its schema does not"),
    "42501": "the role lacks a permission: grant SELECT, INSERT, UPDATE and DELETE on the table",
    "42P01": _TABLE.format("does not exist"),
    "42": _TABLE.format("has another shape"),
}
_UNAVAILABLE = {
    "53100": "the server's disk is full",
    "53200": "the server is out of memory",
    "53": "the server has too few connections or other resources left: raise max_connections",
    "57P03": "the server is starting or stopping",
}
_CLOSED = ("57P01", "57P02", "57P05", "08")
"""The server closed the connection; a fresh one may work."""

# While connecting, libpq reports no SQLSTATE. The server's texts are in English unless its
# lc_messages sets another language.
_WHILE_CONNECTING = {
    "too many clients": "53",
    "too many connections": "53",
    "remaining connection slots": "53",
    "authentication failed": "28",
    "no pg_hba.conf entry": "28",
    "pg_hba.conf rejects": "28",
    "is not permitted to log in": "28",
    "no password supplied": "28",
    'role "': "28",
    'database "': "3D",
    "permission denied": "28",
    "session is read-only": "25006",
    "session is not read-only": "25006",
    "starting up": "57P03",
    "shutting down": "57P03",
    "recovery mode": "57P03",
    "not yet accepting connections": "57P03",
}
_TLS = ("SSL is not", "does not support SSL", "certificate", "sslmode", "server requires SSL")
_FROM_THE_SERVER = ":  "
"""Separates the severity of a server's error from its text, in every language."""


def explain(error: BaseException) -> Problem:
    """Return the problem behind an error of psycopg. Nothing of the error's text is repeated."""
    name = type(error).__name__
    if isinstance(error, ConfigurationError):
        return Problem("misconfigured", name, error.detail)
    if name == "PoolClosed":  # of psycopg_pool, which may not be installed
        return Problem("misconfigured", name, "the connection pool is not open: open it")
    if name in ("PoolTimeout", "TooManyRequests"):
        text = "too many requests wait for the connection pool: raise its max_size"
        return Problem("unavailable", name, text)
    state = getattr(error, "sqlstate", None)
    if state is not None:
        return _by_state(error, state)
    if isinstance(error, psycopg.OperationalError):
        return _while_connecting(error)
    if isinstance(error, OSError | psycopg.InterfaceError):
        return unreachable(error)
    return Problem("unavailable", name, f"the replay store answers with an error ({name})")


def _by_state(error: BaseException, state: str) -> Problem:
    name = type(error).__name__
    for known, text in _MISCONFIGURED.items():
        if state.startswith(known):
            return Problem("misconfigured", name, text)
    for known, text in _UNAVAILABLE.items():
        if state.startswith(known):
            return Problem("unavailable", name, text)
    if state.startswith(_CLOSED):
        return unreachable(error)
    return Problem("unavailable", name, f"the replay store answers with an error ({state})")


def _while_connecting(error: BaseException) -> Problem:
    name, text = type(error).__name__, str(error)
    if any(word in text for word in _TLS):
        advice = "no TLS connection is possible as configured: correct sslmode or sslrootcert"
        return Problem("misconfigured", name, advice)
    for words, state in _WHILE_CONNECTING.items():
        if words in text:
            return _by_state(error, state)
    if _FROM_THE_SERVER in text:
        advice = "the server refuses the connection: check user, password and database"
        return Problem("unavailable", name, advice)
    return unreachable(error)
