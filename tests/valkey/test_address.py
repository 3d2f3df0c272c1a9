"""Address: the URLs of all forms, and connections through a Unix socket, TLS and an ACL user."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import Any

import pytest
from redis.connection import Connection, SSLConnection, UnixDomainSocketConnection

from hookkey_verify import ConfigurationError
from hookkey_verify.errors import ReplayStoreConfigurationError
from hookkey_verify.valkey import ValkeyKeyStore, ValkeyReplayStore
from hookkey_verify.valkey.address import Address

from ..faults import all_text
from ..valkeys import Valkey, valkey_server, valkey_tls

PASSWORD = "s3cret"


def address(url: str, *, cluster: bool = False, timeout: float = 1, **options: Any) -> Address:
    return Address(url, cluster=cluster, timeout=timeout, options=options)


def of_client(client: Any) -> dict[str, Any]:
    """Return the arguments of a client's connections."""
    arguments: dict[str, Any] = client.connection_pool.connection_kwargs
    return arguments


def cluster_nodes(made: Address) -> tuple[list[tuple[str, int]], dict[str, Any]]:
    """Return the nodes that a Cluster's client asks first, and the arguments of connections."""

    async def main() -> tuple[list[tuple[str, int]], dict[str, Any]]:
        client = made.asyncio_client()
        nodes = client.nodes_manager.startup_nodes.values()
        return [(each.host, each.port) for each in nodes], client.connection_kwargs

    return asyncio.run(main())


# --- single servers


@pytest.mark.parametrize(
    ("url", "kind", "expected"),
    [
        ("valkey://h", Connection, {"host": "h"}),
        ("redis://h:7000", Connection, {"host": "h", "port": 7000}),
        ("valkeys://h", SSLConnection, {"host": "h"}),
        ("rediss://h", SSLConnection, {"host": "h"}),
        ("VALKEYS://h", SSLConnection, {"host": "h"}),
        ("redis://[::1]:7000", Connection, {"host": "::1", "port": 7000}),
        ("redis://h/5", Connection, {"db": 5}),
        ("redis://h?db=5", Connection, {"db": 5}),
        ("redis://us%40er:p%2Fw%3A@h", Connection, {"username": "us@er", "password": "p/w:"}),
        ("redis://:p%40w@h", Connection, {"password": "p@w"}),
        ("redis://u:a@b@h", Connection, {"host": "h"}),
        ("rediss://h?ssl_ca_certs=%2Fca.pem", SSLConnection, {"ssl_ca_certs": "/ca.pem"}),
        ("redis://h?client_name=app&health_check_interval=5", Connection, {"client_name": "app"}),
        ("unix:///run/v.sock", UnixDomainSocketConnection, {"path": "/run/v.sock"}),
        ("unix://:pw@/run/v.sock?db=2", UnixDomainSocketConnection, {"password": "pw", "db": 2}),
    ],
    ids=str,
)
def test_a_single_server(url: str, kind: type, expected: dict[str, Any]) -> None:
    """The URL of a single server names its host, port, user, password, database and options."""
    made = address(url)
    assert made.form == "single"
    for client in (made.client(), made.asyncio_client()):
        arguments = of_client(client)
        assert {name: arguments.get(name) for name in expected} == expected
        assert client.connection_pool.connection_class.__name__ == kind.__name__


def test_time_limits_and_options() -> None:
    """Connections have the time limit; options take precedence, and redis-py does not retry."""
    arguments = of_client(address("redis://h", timeout=0.3).client())
    assert (arguments["socket_timeout"], arguments["socket_connect_timeout"]) == (0.3, 0.3)
    assert arguments["retry"].get_retries() == 0
    assert arguments["socket_keepalive"] is True
    url = "redis://h?client_name=url"
    arguments = of_client(address(url, socket_timeout=7, username="u").client())
    assert (arguments["socket_timeout"], arguments["username"]) == (7, "u")


# --- Cluster and Sentinel


@pytest.mark.parametrize(
    ("url", "nodes"),
    [
        ("valkey+cluster://a", [("a", 6379)]),
        ("redis+cluster://a,b:7000,c", [("a", 6379), ("b", 7000), ("c", 6379)]),
        ("redis+cluster://[::1]:7000,[::2]", [("::1", 7000), ("::2", 6379)]),
        ("rediss+cluster://a/0", [("a", 6379)]),
        ("valkeys+cluster://a:1,a:2/", [("a", 1), ("a", 2)]),
    ],
)
def test_a_cluster(url: str, nodes: list[tuple[str, int]]) -> None:
    """The URL of a Cluster names one or more of its nodes; the default port is 6379."""
    made = address(url)
    assert made.form == "cluster"
    got, arguments = cluster_nodes(made)
    assert got == nodes
    is_tls = arguments.get("connection_class", Connection).__name__ == "SSLConnection"
    assert is_tls is url.startswith(("rediss", "valkeys"))


@pytest.mark.parametrize("url", ["redis://a,b:7000", "valkey+cluster://a,b:7000"])
def test_cluster_true(url: str) -> None:
    """With ``cluster=True`` a URL without ``+cluster`` names nodes of a Cluster."""
    made = address(url, cluster=True)
    assert made.form == "cluster"
    assert cluster_nodes(made)[0] == [("a", 6379), ("b", 7000)]


def test_options_of_a_cluster() -> None:
    """User, password, query and options apply to all nodes of a Cluster."""
    url = "rediss+cluster://us%40er:p%2Fw@a,b?ssl_ca_certs=/ca.pem"
    _, arguments = cluster_nodes(address(url, timeout=0.3, require_full_coverage=False))
    expected = {
        "username": "us@er",
        "password": "p/w",
        "ssl_ca_certs": "/ca.pem",
        "socket_timeout": 0.3,
    }
    assert {name: arguments[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("url", "sentinels", "service", "database"),
    [
        ("valkey+sentinel://a/hooks", [("a", 26379)], "hooks", None),
        ("redis+sentinel://a:1,[::1]:2,c/hooks/", [("a", 1), ("::1", 2), ("c", 26379)], "hooks", 0),
        ("redis+sentinel://a,b/my%20hooks/3", [("a", 26379), ("b", 26379)], "my hooks", 3),
        ("redis+sentinel://a/hooks?db=4", [("a", 26379)], "hooks", 4),
    ],
)
def test_sentinel(
    url: str, sentinels: list[tuple[str, int]], service: str, database: int | None
) -> None:
    """The URL of a Sentinel service names Sentinels, the service and its database."""
    made = address(url)
    assert made.form == "sentinel"
    for client in (made.client(), made.asyncio_client()):
        pool = client.connection_pool
        assert (pool.service_name, pool.is_master) == (service, True)
        assert of_client(client).get("db", 0) == (database or 0)
        hosts = [of_client(each) for each in pool.sentinel_manager.sentinels]
        assert [(each["host"], each["port"]) for each in hosts] == sentinels


def test_options_of_sentinel() -> None:
    """User and password are the server's; TLS applies to both; Sentinels have options too."""
    url = "valkeys+sentinel://user:pw@a,b,c/hooks?ssl_ca_certs=/ca.pem"
    given = {"password": "of Sentinel"}
    made = address(url, timeout=0.4, sentinel_kwargs=given)
    for client in (made.client(), made.asyncio_client()):
        arguments = of_client(client)
        assert (arguments["username"], arguments["password"]) == ("user", "pw")
        assert arguments["socket_timeout"] == 0.4
        assert arguments["ssl_ca_certs"] == "/ca.pem"
        assert arguments["retry"].get_retries() == 0
        assert "SSL" in client.connection_pool.connection_class.__name__
        for each in client.connection_pool.sentinel_manager.sentinels:
            arguments = of_client(each)
            assert (arguments["username"], arguments["password"]) == (None, "of Sentinel")
            assert arguments["ssl_ca_certs"] == "/ca.pem"
            # One that hangs leaves time for the others and for the server.
            assert arguments["socket_timeout"] == arguments["socket_connect_timeout"] == 0.1
            assert arguments["retry"].get_retries() == 0
            assert each.connection_pool.connection_class.__name__ == "SSLConnection"


# --- wrong URLs and options


@pytest.mark.parametrize(
    "url",
    [
        f"http://:{PASSWORD}@h",
        f"http+cluster://:{PASSWORD}@h",
        f"redis://:{PASSWORD}@h:99999",
        f"redis://:{PASSWORD}@h:port",
        f"redis://h:{PASSWORD}",
        f"redis://:{PASSWORD}@h?unknown=1",
        f"redis://:{PASSWORD}@h?socket_timeout=x",
        f"redis://:{PASSWORD}@h?ssl_ca_certs=/ca.pem",
        f"redis://:{PASSWORD}@[::1",
        f"redis+cluster+x://:{PASSWORD}@h",
        f"redis+other://:{PASSWORD}@h",
        f"redis+cluster://:{PASSWORD}@h/1",
        f"redis+cluster://:{PASSWORD}@h?db=1",
        f"redis+cluster://:{PASSWORD}@h,",
        f"redis+cluster://:{PASSWORD}@",
        f"redis+cluster://h,:{PASSWORD}",
        f"redis+sentinel://:{PASSWORD}@h",
        f"redis+sentinel://:{PASSWORD}@h/",
        f"redis+sentinel://:{PASSWORD}@h/hooks?unknown=1",
        f"unix+cluster://:{PASSWORD}@/run/v.sock",
        PASSWORD,
        "",
        None,
        5,
        b"redis://h",
    ],
    ids=str,
)
def test_a_wrong_url(url: Any) -> None:
    """A wrong URL is refused with an error that names ``url`` and does not contain a password."""
    with pytest.raises(ConfigurationError, match=": url must ") as caught:
        address(url)
    assert PASSWORD not in all_text(caught.value)


@pytest.mark.parametrize(
    "options",
    [
        {"unknown": 1},
        {"db": 1, "cluster": True},
        {"ssl_ca_certs": "/ca.pem"},
        {"require_full_coverage": False},
        {"cluster": 1},
        {"cluster": None},
    ],
    ids=str,
)
def test_wrong_options(options: dict[str, Any]) -> None:
    """An option that the form does not have is refused."""
    with pytest.raises(ConfigurationError, match="options") as caught:
        address(f"redis://:{PASSWORD}@h", **options)
    assert PASSWORD not in all_text(caught.value)


# --- real servers


def claims(url: str, **arguments: Any) -> None:
    """Check that a claim works on threads, on an event loop, and that both stores share it."""
    store = ValkeyReplayStore(url, timeout=2, **arguments)
    until = time.time() + 10

    async def main() -> bool:
        return await store.aclaim("a", "1", until)

    assert store.claim("a", "1", until) is True
    assert asyncio.run(main()) is False
    store.close()
    keys = ValkeyKeyStore(url, secret=None, timeout=2, **arguments)
    keys.write("a", "k", b"{}", 10)
    assert (keys.read("a", "k") or [])[0] == b"{}"
    keys.close()


@pytest.fixture
def server(tmp_path: Any) -> Iterator[Valkey]:
    with valkey_server(
        unixsocket="sock", user=["default off", f"app on >{PASSWORD} ~hookkey:* +@all"]
    ) as running:
        yield running


def test_a_unix_socket(server: Valkey) -> None:
    """Claims and keys work through a Unix socket, with a user and a database."""
    claims(f"unix://app:{PASSWORD}@{server.directory}/sock?db=3")
    with server.client(username="app", password=PASSWORD, db=3) as client:
        assert client.dbsize() == 2


def test_an_acl_user(server: Valkey) -> None:
    """Claims and keys work for a user who may use names that begin with the prefix."""
    claims(f"valkey://app:{PASSWORD}@127.0.0.1:{server.port}")


def test_tls() -> None:
    """Claims and keys work with TLS and the CA's file; a server of another CA is refused."""
    with valkey_tls() as tls:
        claims(tls.url, ssl_ca_certs=str(tls.ca))
        tls.server.ask("FLUSHALL")
        claims(f"{tls.url}?ssl_ca_certs={tls.ca}")
        store = ValkeyReplayStore(tls.url, timeout=2, when_unreachable="accept")
        with pytest.raises(ReplayStoreConfigurationError, match="TLS certificate is not trusted"):
            store.claim("a", "2", time.time() + 10)
        with pytest.raises(ReplayStoreConfigurationError, match="TLS certificate is not trusted"):
            asyncio.run(store.aclaim("a", "2", time.time() + 10))
        store.close()


def test_a_database(server: Valkey) -> None:
    """The path of a URL names the database."""
    url = f"valkey://app:{PASSWORD}@127.0.0.1:{server.port}/2"
    claims(url)
    with server.client(username="app", password=PASSWORD, db=2) as client:
        assert client.dbsize() == 2
