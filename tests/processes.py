"""Processes that end with the test: also if the test process is killed, or they are stopped."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

__all__ = ["WatchedProcesses", "watched_processes"]

# The shell reads one process id per line. The pipe ends when the test process does.
_WATCHDOG = """
while read -r pid && [ "$pid" != end ]; do pids="$pids $pid"; done
kill -9 $pids
rm -rf "$1" || { sleep 1; rm -rf "$1"; }
"""


@dataclass(frozen=True, slots=True)
class WatchedProcesses:
    """Processes that a watchdog kills, and the temporary directory that it removes."""

    directory: Path
    _watchdog: subprocess.Popen[bytes]
    _started: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def run(self, command: list[str], directory: Path, log: IO[bytes]) -> subprocess.Popen[bytes]:
        """Start a process in the directory; ``log`` receives what it prints."""
        process = subprocess.Popen(
            command, cwd=directory, stdout=log, stderr=log, start_new_session=True
        )
        self._started.append(process)
        self._tell(str(process.pid))
        return process

    def _tell(self, line: str) -> None:
        assert self._watchdog.stdin is not None
        self._watchdog.stdin.write(f"{line}\n".encode())
        self._watchdog.stdin.flush()

    def _end(self) -> None:
        self._tell("end")
        for process in (self._watchdog, *self._started):
            process.wait()


@contextmanager
def watched_processes() -> Iterator[WatchedProcesses]:
    """Yield a starter of processes that get SIGKILL when the context or the test process ends."""
    with tempfile.TemporaryDirectory(prefix="hookkey-", ignore_cleanup_errors=True) as name:
        with subprocess.Popen(
            ["/bin/sh", "-c", _WATCHDOG, "watchdog", name],
            stdin=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as watchdog:
            watched = WatchedProcesses(Path(name), watchdog)
            try:
                yield watched
            finally:
                watched._end()
