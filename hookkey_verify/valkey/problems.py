"""What the errors of redis-py mean for a claim."""

from __future__ import annotations

from typing import Final

from redis import exceptions as of_redis
from redis.asyncio.sentinel import MasterNotFoundError as AsyncMasterNotFoundError
from redis.sentinel import MasterNotFoundError

from ..errors import ConfigurationError
from ..replay.remote import Problem, unreachable

__all__ = ["NoReplicasError", "explain"]


class NoReplicasError(Exception):
    """Fewer replicas than ``wait_replicas`` confirmed a record in time."""


_MISCONFIGURED: dict[type[Exception], str] = {
    of_redis.AuthenticationError: "the store rejects the user name or password: correct the URL",
    of_redis.AuthenticationWrongNumberOfArgsError: (
        "the store has no users: remove the user name from the URL"
    ),
    of_redis.AuthorizationError: "the store needs a user name or password: add it to the URL",
    of_redis.NoPermissionError: (
        "the store's user lacks a permission: allow +eval +time +get +set +del +wait +info "
        "for names that begin with the prefix"
    ),
    of_redis.ReadOnlyError: (
        "the store is a read-only replica: use the address of the primary, or valkey+sentinel://"
    ),
    of_redis.OutOfMemoryError: "the store is out of memory: raise maxmemory",
    of_redis.MovedError: "the store is a node of a Cluster: use valkey+cluster:// or cluster=True",
}
_BY_WORD = {
    "NOAUTH": of_redis.AuthorizationError,
    "WRONGPASS": of_redis.AuthenticationError,
    "NOPERM": of_redis.NoPermissionError,
    "ACL": of_redis.NoPermissionError,  # "ACL failure in script"
    "READONLY": of_redis.ReadOnlyError,
    "OOM": of_redis.OutOfMemoryError,
    "MOVED": of_redis.MovedError,
}
_UNAVAILABLE = {
    "NOREPLICAS": "the store has too few replicas (min-replicas-to-write): start them",
    "MISCONF": "the store cannot write to its disk: see its log",
    "CLUSTERDOWN": "the store's Cluster is down: wait until all slots are served",
    "MASTERDOWN": "the store has no primary: wait for the failover",
    "TRYAGAIN": "the store's Cluster is moving slots: try again",
    "BUSY": "the store is busy with a script",
}
_NO_PRIMARY: Final = Problem(
    "unavailable",
    "no primary",
    "Sentinel knows no primary: check the service's name, or wait for the failover",
)
_NO_CONNECTION: Final = Problem(
    "unavailable",
    "no connection",
    "all connections of the store's client are in use: raise its max_connections",
)
_BY_TEXT: Final = {
    "The previous master is now a slave": _NO_PRIMARY,
    "No connection available": _NO_CONNECTION,
    "max number of clients reached": Problem(
        "unavailable", "max clients", "the store has too many clients: raise its maxclients"
    ),
    "certificate verify failed": Problem(
        "misconfigured", "certificate", "the store's TLS certificate is not trusted: ssl_ca_certs="
    ),
    "unknown command": Problem(
        "misconfigured",
        "command",
        "the server does not know EVAL; a Sentinel needs valkey+sentinel://host/service",
    ),
    "DB index is out of range": Problem(
        "misconfigured", "database", "the store has no database with this number: correct the URL"
    ),
    "AuthenticationError": Problem(
        "misconfigured", "sentinel", "the Sentinels reject the password: correct sentinel_kwargs"
    ),
}
"""Problems that redis-py reports as another kind of error, by a part of its text."""


def explain(error: BaseException) -> Problem:
    """Return the problem behind an error of redis-py. Nothing of the error's text is repeated."""
    name = type(error).__name__
    if isinstance(error, ConfigurationError):
        return Problem("misconfigured", name, error.detail)
    if isinstance(error, NoReplicasError):
        text = "too few replicas of the store confirmed the record (wait_replicas): start them"
        return Problem("unavailable", name, text)
    if isinstance(error, of_redis.MaxConnectionsError):
        return _NO_CONNECTION
    if isinstance(error, of_redis.BusyLoadingError):
        text = "the store is loading its data: wait until it has started"
        return Problem("unavailable", name, text)
    if isinstance(error, of_redis.RedisClusterException) and error.__cause__ is not None:
        return explain(error.__cause__)  # a Cluster's client says only that it cannot connect
    text = str(error)
    for part, problem in _BY_TEXT.items():
        if part in text:
            return problem
    if isinstance(error, MasterNotFoundError | AsyncMasterNotFoundError) and ":" not in text:
        return _NO_PRIMARY  # a colon precedes the errors of Sentinels that cannot be reached
    code = getattr(error, "status_code", None) or "ERR"
    word = text.partition(" ")[0] if code == "ERR" else code
    kind = _BY_WORD.get(word, type(error))
    for known, advice in _MISCONFIGURED.items():
        if issubclass(kind, known):
            return Problem("misconfigured", known.__name__, advice)
    if word in _UNAVAILABLE:
        return Problem("unavailable", word, _UNAVAILABLE[word])
    if isinstance(error, of_redis.ConnectionError | of_redis.TimeoutError | OSError):
        return unreachable(error)
    return Problem("unavailable", name, f"the replay store answers with an error ({name})")
