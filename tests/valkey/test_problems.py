"""What errors of redis-py and of real servers mean for a claim."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
import redis
from redis._parsers.base import BaseParser
from redis.asyncio.sentinel import MasterNotFoundError as AsyncMasterNotFoundError
from redis.sentinel import MasterNotFoundError

from hookkey_verify import ConfigurationError
from hookkey_verify.errors import (
    HookVerificationError,
    ReplayStoreConfigurationError,
    ReplayStoreUnavailableError,
)
from hookkey_verify.replay.record import record_digest
from hookkey_verify.valkey import ValkeyReplayStore
from hookkey_verify.valkey.problems import NoReplicasError, explain

from ..valkeys import Valkey, valkey_cluster, valkey_sentinel, valkey_server

MARK = "m4rk"
ISSUER, JTI = f"https://{MARK}.okta.com", f"jti-{MARK}"

WRONG_USER = "correct the URL"
SENTINEL_USER = "the Sentinels reject the password"
DATABASE = "no database with this number"
NO_USER = "needs a user name or password"
NO_PERMISSION = "lacks a permission"
READ_ONLY = "read-only replica"
FULL = "raise maxmemory"
CLUSTER = "node of a Cluster"
NO_PRIMARY = "Sentinel knows no primary"
IN_SCRIPT = " script: on @user_script:5."


@pytest.mark.parametrize(
    ("answer", "kind", "name", "advice"),
    [
        (f"WRONGPASS {MARK}", "misconfigured", "AuthenticationError", WRONG_USER),
        ("ERR invalid password", "misconfigured", "AuthenticationError", WRONG_USER),
        (
            "ERR Client sent AUTH, but no password is set",
            "misconfigured",
            "AuthenticationError",
            WRONG_USER,
        ),
        (
            "ERR wrong number of arguments for 'auth' command",
            "misconfigured",
            "AuthenticationWrongNumberOfArgsError",
            "remove the user name",
        ),
        ("NOAUTH Authentication required.", "misconfigured", "AuthorizationError", NO_USER),
        (f"NOPERM {MARK}", "misconfigured", "NoPermissionError", NO_PERMISSION),
        (
            f"ERR ACL failure in script: User {MARK} has no permissions to run the 'set' command"
            + IN_SCRIPT,
            "misconfigured",
            "NoPermissionError",
            NO_PERMISSION,
        ),
        (f"READONLY {MARK}{IN_SCRIPT}", "misconfigured", "ReadOnlyError", READ_ONLY),
        (f"OOM {MARK}{IN_SCRIPT}", "misconfigured", "OutOfMemoryError", FULL),
        (f"MOVED 6505 {MARK}:7000", "misconfigured", "MovedError", CLUSTER),
        (f"NOREPLICAS {MARK}", "unavailable", "NOREPLICAS", "too few replicas"),
        (f"MISCONF {MARK}", "unavailable", "MISCONF", "cannot write to its disk"),
        (f"BUSY {MARK}", "unavailable", "BUSY", "busy with a script"),
        (f"CLUSTERDOWN {MARK}", "unavailable", "CLUSTERDOWN", "until all slots are served"),
        (f"MASTERDOWN {MARK}", "unavailable", "MASTERDOWN", "has no primary"),
        (f"TRYAGAIN {MARK}", "unavailable", "TRYAGAIN", "moving slots"),
        (f"LOADING {MARK}", "unavailable", "BusyLoadingError", "loading its data"),
        (f"ERR {MARK}", "unavailable", "ResponseError", "with an error (ResponseError)"),
        (f"{MARK} {MARK}", "unavailable", "ResponseError", "an error (ResponseError)"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_an_answer(answer: str, kind: str, name: str, advice: str) -> None:
    """The answer of a server is explained by its first word; nothing of its text is repeated."""
    error = BaseParser.parse_error(answer)  # type: ignore[no-untyped-call]
    _check(error, kind, name, advice)


def _check(error: BaseException, kind: str, name: str, advice: str) -> None:
    problem = explain(error)
    assert (problem.kind, problem.name) == (kind, name)
    assert advice in problem.text
    assert MARK not in "".join(problem)


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "kind", "name"),
    [
        (redis.ConnectionError(MARK), "unreachable", "ConnectionError"),
        (redis.TimeoutError(MARK), "unreachable", "TimeoutError"),
        (ConnectionRefusedError(111, MARK), "unreachable", "ConnectionRefusedError"),
        (OSError(MARK), "unreachable", "OSError"),
        (redis.exceptions.MaxConnectionsError(MARK), "unavailable", "no connection"),
        (redis.ConnectionError("No connection available."), "unavailable", "no connection"),
        (redis.ConnectionError("max number of clients reached"), "unavailable", "max clients"),
        (
            redis.ConnectionError(f"[SSL: {MARK}] certificate verify failed: {MARK}"),
            "misconfigured",
            "certificate",
        ),
        (redis.ResponseError("DB index is out of range"), "misconfigured", "database"),
        (
            redis.ConnectionError("The previous master is now a slave"),
            "unavailable",
            "no primary",
        ),
        (redis.exceptions.BusyLoadingError(MARK), "unavailable", "BusyLoadingError"),
        (redis.exceptions.AuthenticationError(MARK), "misconfigured", "AuthenticationError"),
        (redis.exceptions.AuthorizationError(MARK), "misconfigured", "AuthorizationError"),
        (NoReplicasError(MARK), "unavailable", "NoReplicasError"),
        (ValueError(MARK), "unavailable", "ValueError"),
        (redis.exceptions.RedisClusterException(MARK), "unavailable", "RedisClusterException"),
        (
            caused(redis.exceptions.RedisClusterException(MARK), redis.ConnectionError(MARK)),
            "unreachable",
            "ConnectionError",
        ),
        (
            caused(
                redis.exceptions.RedisClusterException(MARK),
                redis.exceptions.AuthenticationError(MARK),
            ),
            "misconfigured",
            "AuthenticationError",
        ),
        (
            MasterNotFoundError(f"No master found for {MARK!r}"),
            "unavailable",
            "no primary",
        ),
        (
            AsyncMasterNotFoundError(f"No master found for {MARK!r}"),
            "unavailable",
            "no primary",
        ),
        (
            MasterNotFoundError(f"No master found for {MARK!r} : network:ConnectionError"),
            "unreachable",
            "MasterNotFoundError",
        ),
        (
            MasterNotFoundError(f"No master found for {MARK!r} : auth:AuthenticationError"),
            "misconfigured",
            "sentinel",
        ),
    ],
    ids=repr,
)
def test_an_error(error: Exception, kind: str, name: str) -> None:
    """An error of redis-py is explained by its type; nothing of its text is repeated."""
    _check(error, kind, name, "")


def test_an_error_of_ours() -> None:
    """A ConfigurationError is explained by its own text, which this package has written."""
    problem = explain(ConfigurationError("pass another client"))
    assert problem.kind == "misconfigured"
    assert problem.text == "pass another client"


# --- answers of real servers

WRONG: type[HookVerificationError] = ReplayStoreConfigurationError
DOWN: type[HookVerificationError] = ReplayStoreUnavailableError
HOW = ("sync", "async")
Arrange = Callable[[ExitStack], "tuple[str, dict[str, Any]]"]
USER = f"app on >{MARK} ~hookkey:* +@all"


def _server(stack: ExitStack, **config: Any) -> Valkey:
    return stack.enter_context(valkey_server(**config))


def _as_user(rules: str) -> Arrange:
    """Return a server whose user has these further rules."""

    def arrange(stack: ExitStack) -> tuple[str, dict[str, Any]]:
        server = _server(stack, user=["default off", f"{USER} {rules}"])
        return f"valkey://app:{MARK}@127.0.0.1:{server.port}", {}

    arrange.__name__ = f"user {rules}"
    return arrange


def wrong_password(stack: ExitStack) -> tuple[str, dict[str, Any]]:
    server = _server(stack, requirepass="another")
    return f"valkey://:{MARK}@127.0.0.1:{server.port}", {}


def password_of_nobody(stack: ExitStack) -> tuple[str, dict[str, Any]]:
    return f"valkey://:{MARK}@127.0.0.1:{_server(stack).port}", {}


def no_password(stack: ExitStack) -> tuple[str, dict[str, Any]]:
    return _server(stack, requirepass=MARK).url, {}


def out_of_memory(stack: ExitStack) -> tuple[str, dict[str, Any]]:
    server = _server(stack)
    server.ask("CONFIG", "SET", "maxmemory", 1)
    return server.url, {}


def read_only(stack: ExitStack) -> tuple[str, dict[str, Any]]:
    primary = _server(stack)
    return _server(stack, replicaof=f"127.0.0.1 {primary.port}").url, {}


def cut_off_replica(stack: ExitStack) -> tuple[str, dict[str, Any]]:
    config = {"replicaof": "127.0.0.1 1", "replica_serve_stale_data": "no"}
    return _server(stack, **config).url, {}


def node_of_a_cluster(stack: ExitStack) -> tuple[str, dict[str, Any]]:
    cluster = stack.enter_context(valkey_cluster())
    # The records of the claims below belong to one or two of the nodes; ask another one.
    names = [f"hookkey:used:{record_digest(ISSUER, f'{JTI} {how}').hex()}" for how in HOW]
    owners = [cluster.owner(name) for name in names]
    return next(each.url for each in cluster.processes if each not in owners), {}


def cluster_without_slots(stack: ExitStack) -> tuple[str, dict[str, Any]]:
    return _server(stack, cluster_enabled="yes").url, {}


def too_few_replicas(stack: ExitStack) -> tuple[str, dict[str, Any]]:
    return _server(stack, min_replicas_to_write=1).url, {}


def too_few_confirm(stack: ExitStack) -> tuple[str, dict[str, Any]]:
    return _server(stack).url, {"wait_replicas": 1}


def unknown_service(stack: ExitStack) -> tuple[str, dict[str, Any]]:
    sentinels = stack.enter_context(valkey_sentinel(replicas=0, sentinels=1))
    return sentinels.url.replace("/hooks", f"/{MARK}"), {}


def password_of_sentinel(stack: ExitStack) -> tuple[str, dict[str, Any]]:
    sentinels = stack.enter_context(valkey_sentinel(replicas=0, sentinels=1))
    sentinels.sentinels[0].ask("ACL", "SETUSER", "default", "resetpass", ">another")
    return sentinels.url, {"sentinel_kwargs": {"password": MARK}}


def unknown_database(stack: ExitStack) -> tuple[str, dict[str, Any]]:
    return f"{_server(stack).url}/99", {}


def demoted_primary(stack: ExitStack) -> tuple[str, dict[str, Any]]:
    sentinels = stack.enter_context(valkey_sentinel(replicas=0, sentinels=1))
    sentinels.primary.ask("REPLICAOF", "127.0.0.1", "1")
    return sentinels.url, {}


def _claim(store: ValkeyReplayStore, how: str) -> bool:
    claim = (ISSUER, f"{JTI} {how}", time.time() + 10)
    return store.claim(*claim) if how == "sync" else asyncio.run(store.aclaim(*claim))


@pytest.mark.parametrize(
    ("arrange", "error", "advice"),
    [
        (wrong_password, WRONG, WRONG_USER),
        (password_of_nobody, WRONG, WRONG_USER),
        (no_password, WRONG, NO_USER),
        (_as_user("-eval"), WRONG, NO_PERMISSION),
        (_as_user("-time"), WRONG, NO_PERMISSION),
        (_as_user("-set"), WRONG, NO_PERMISSION),
        (_as_user("resetkeys"), WRONG, NO_PERMISSION),
        (out_of_memory, WRONG, FULL),
        (read_only, WRONG, READ_ONLY),
        (node_of_a_cluster, WRONG, CLUSTER),
        (password_of_sentinel, WRONG, SENTINEL_USER),
        (unknown_database, WRONG, DATABASE),
        (demoted_primary, DOWN, NO_PRIMARY),
        (cut_off_replica, DOWN, "has no primary"),
        (cluster_without_slots, DOWN, "slots are served"),
        (too_few_replicas, DOWN, "min-replicas-to-write"),
        (too_few_confirm, DOWN, "wait_replicas"),
        (unknown_service, DOWN, NO_PRIMARY),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_accept_does_not_apply(
    arrange: Arrange,
    error: type[HookVerificationError],
    advice: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A server that answers with an error never has a token accepted, and the log says why.

    Neither error nor log contains anything of the URL, the token or the server's answer.
    """
    with ExitStack() as stack:
        url, options = arrange(stack)
        for how in HOW:
            arguments: dict[str, Any] = {"timeout": 0.5, "when_unreachable": "accept", **options}
            store = ValkeyReplayStore(url, **arguments)
            caplog.clear()
            with pytest.raises(error, match=advice) as caught:
                _claim(store, how)
            store.close()
            assert type(caught.value) is error
            assert len(caplog.records) == 1
            level = "ERROR" if error is ReplayStoreConfigurationError else "WARNING"
            assert caplog.records[0].levelname == level
            shown = caplog.text + str(caught.value) + repr(caught.value) + repr(store)
            for hidden in (MARK, "127.0.0.1", "user_script"):
                assert hidden not in shown


def test_a_cluster_that_rejects_the_password() -> None:
    """A Cluster's client hides the reason; the wrong password is found nevertheless."""
    with valkey_cluster(requirepass="another") as cluster:
        url = cluster.url.replace("//", f"//:{MARK}@")
        store = ValkeyReplayStore(url, timeout=1, when_unreachable="accept")
        until = time.time() + 10
        with pytest.raises(ReplayStoreConfigurationError, match=WRONG_USER):
            store.claim("a", "1", until)
        with pytest.raises(ReplayStoreConfigurationError, match=WRONG_USER):
            asyncio.run(store.aclaim("a", "1", until))
        store.close()


def test_a_server_with_too_many_clients() -> None:
    """A server that has too many clients is explained, unless it closes before its answer is read.

    On an event loop it mostly does, so there it counts as unreachable.
    """
    with valkey_server() as server, server.client() as client:
        server.ask("CONFIG", "SET", "maxclients", 1)
        assert client.ping()
        errors = []
        for number in range(5):
            store = ValkeyReplayStore(server.url, timeout=0.5)
            with pytest.raises(ReplayStoreUnavailableError) as caught:
                store.claim("a", str(number), time.time() + 10)
            errors.append(caught.value.detail)
            store.close()
        assert "the store has too many clients: raise its maxclients" in errors
