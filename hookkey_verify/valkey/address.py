"""Address parses a URL and creates clients for the servers that it names."""

from __future__ import annotations

from contextlib import suppress
from typing import Any, Literal, NamedTuple, TypeAlias
from urllib.parse import unquote, urlsplit

import redis
import redis.asyncio
import redis.asyncio.cluster
import redis.asyncio.retry
import redis.asyncio.sentinel
import redis.cluster
import redis.sentinel
from redis.backoff import NoBackoff
from redis.connection import SSLConnection, parse_url
from redis.retry import Retry

from .._arguments import flag
from ..errors import ConfigurationError

__all__ = ["Address"]

Form: TypeAlias = Literal["single", "cluster", "sentinel"]
_FORMS: dict[str, Form] = {"cluster": "cluster", "sentinel": "sentinel"}

CLUSTER_PORT, SENTINEL_PORT = 6379, 26379
_WRONG_URL = (
    "url must begin with valkey://, valkeys://, redis://, rediss:// or unix://, or be like "
    "valkey+cluster://host:6379,host:6379 or valkey+sentinel://host:26379,host:26379/service; "
    "options must be those of redis.Redis"
)


_OF_CLUSTERS = frozenset({"require_full_coverage", "address_remap", "reinitialize_steps"})
"""Options of ``redis.RedisCluster`` that ``redis.Redis`` lacks."""


class _Classes(NamedTuple):
    """The classes of redis-py, for threads or for asyncio."""

    client: Any
    cluster: Any
    node: Any
    sentinel: Any
    retry: Any


_THREADS = _Classes(
    redis.Redis,
    redis.cluster.RedisCluster,
    redis.cluster.ClusterNode,
    redis.sentinel.Sentinel,
    Retry,
)
_ASYNCIO = _Classes(
    redis.asyncio.Redis,
    redis.asyncio.cluster.RedisCluster,
    redis.asyncio.cluster.ClusterNode,
    redis.asyncio.sentinel.Sentinel,
    redis.asyncio.retry.Retry,
)


class Address:
    """The servers that a URL names, and how to connect to them. Immutable."""

    def __init__(self, url: str, *, cluster: bool, timeout: float, options: dict[str, Any]) -> None:
        """Read a URL.

        ``url``: as in the table of ``hookkey_verify.valkey``.
        ``cluster``: whether a URL without ``+cluster`` names a node of a Cluster.
        ``timeout``: the time limit of each step on a connection, in seconds.
        ``options``: options of ``redis.Redis``, which take precedence.

        Raises ``ConfigurationError`` without the URL, which may contain a password.
        """
        if not isinstance(url, str):
            raise ConfigurationError("url must be a string such as valkeys://cache.acme.com:6379/0")
        self.form: Form = "single"
        self._timeout = timeout
        self._service = ""
        self._sentinel_options = options.pop("sentinel_kwargs", {})
        self._options: dict[str, Any] = {
            "socket_timeout": timeout,
            "socket_connect_timeout": timeout,
            "socket_keepalive": True,
            "protocol": 2,  # with 3, a new connection costs one more round trip
            "max_connections": 10_000,  # the stores limit their own use
        }
        with suppress(Exception):  # its text may contain the password
            self._read(url, flag("cluster", cluster), options)
            return
        raise ConfigurationError(_WRONG_URL)

    def _read(self, url: str, cluster: bool, options: dict[str, Any]) -> None:
        parts = urlsplit(url)
        scheme, plus, form = parts.scheme.partition("+")
        if plus or cluster:
            self.form = _FORMS[form or "cluster"]
        user, at, hosts = parts.netloc.rpartition("@")
        path, database = parts.path, ""
        if self.form == "sentinel":
            self._service, slash, database = unquote(path.strip("/")).partition("/")
            path = slash + database
        first = hosts if self.form == "single" else hosts.partition(",")[0]
        scheme = scheme.replace("valkeys", "rediss").replace("valkey", "redis")
        self._url = f"{scheme}://{user}{at}{first}{path}?{parts.query}"
        if self.form == "single":
            if scheme == "unix":
                del self._options["socket_keepalive"]
            self._options |= options
            checked = redis.Redis.from_url(self._url, **self._options)
        else:
            port = SENTINEL_PORT if self.form == "sentinel" else CLUSTER_PORT
            self._nodes = [_host_and_port(host, port) for host in hosts.split(",")]
            read = parse_url(self._url)  # type: ignore[no-untyped-call]
            read.pop("host")
            read.pop("port", None)
            if read.pop("connection_class", None) is SSLConnection:
                self._options["ssl"] = True
            self._options |= {**read, **options}
            if self.form == "cluster" and self._options.pop("db", 0) != 0:
                raise ValueError("a Cluster has one database")
            if self.form == "sentinel" and not self._service:
                raise ValueError("no service")
            of_servers = {k: v for k, v in self._options.items() if k not in _OF_CLUSTERS}
            checked = redis.Redis(**of_servers)
        pool = checked.connection_pool
        pool.connection_class(**pool.connection_kwargs)  # refuses unknown options

    def client(self) -> Any:
        """Return a client for threads. A Cluster's client connects at once."""
        return self._client(_THREADS)

    def asyncio_client(self) -> Any:
        """Return a client for the running event loop."""
        return self._client(_ASYNCIO)

    def _client(self, classes: _Classes) -> Any:
        options = {"retry": classes.retry(NoBackoff(), 0), **self._options}
        if self.form == "single":
            return classes.client.from_url(self._url, **options)
        if self.form == "cluster":
            nodes = [classes.node(host, port) for host, port in self._nodes]
            return classes.cluster(startup_nodes=nodes, **options)
        # A Sentinel that hangs must leave time for the next one.
        limit = self._timeout / (len(self._nodes) + 1)
        sentinel = classes.sentinel(
            self._nodes,
            sentinel_kwargs={
                **{key: value for key, value in options.items() if key.startswith("ssl")},
                "retry": classes.retry(NoBackoff(), 0),
                "protocol": 2,
                "socket_timeout": limit,
                "socket_connect_timeout": limit,
                **self._sentinel_options,
            },
            **options,
        )
        return sentinel.master_for(self._service)


def _host_and_port(text: str, default: int) -> tuple[str, int]:
    parts = urlsplit(f"//{text}")
    if not parts.hostname:
        raise ValueError
    return parts.hostname, parts.port or default
