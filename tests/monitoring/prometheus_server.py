"""Debian's Prometheus, started on a free port for a test."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest
import requests
import yaml

from ..faults import eventually
from ..processes import WatchedProcesses, watched_processes
from ..servers import free_port

__all__ = ["Prometheus", "Series", "needs_prometheus", "prometheus_server", "promtool"]

START_SECONDS: Final = 30
SCRAPE_INTERVAL: Final = "200ms"

needs_prometheus = pytest.mark.skipif(
    shutil.which("prometheus") is None or shutil.which("promtool") is None,
    reason="Prometheus is not installed (Debian: apt-get install prometheus)",
)


class Series(NamedTuple):
    """A series of a query's result. ``points``: pairs of epoch seconds and value."""

    labels: Mapping[str, str]
    points: list[tuple[float, float]]


class Prometheus:
    """The HTTP API of a running Prometheus (https://prometheus.io/docs/prometheus/latest/querying/api/)."""

    def __init__(self, url: str) -> None:
        self.url = url

    def query(self, query: str) -> list[Series]:
        """Return the result now."""
        return [
            Series(each["metric"], [(float(at), float(value)) for at, value in [each["value"]]])
            for each in self._ask("query", query=query)["result"]
        ]

    def query_range(self, query: str, start: float, end: float, step: float) -> list[Series]:
        """Return the result between two times in epoch seconds."""
        document = self._ask("query_range", query=query, start=start, end=end, step=step)
        return [
            Series(each["metric"], [(float(at), float(value)) for at, value in each["values"]])
            for each in document["result"]
        ]

    def label_values(self, label: str, match: str) -> list[str]:
        """Return the values of a label of the matching series."""
        values: list[str] = self._ask(f"label/{label}/values", **{"match[]": match})
        return values

    def is_ready(self) -> bool:
        """Whether it answers queries."""
        try:
            return requests.get(f"{self.url}/-/ready", timeout=5).ok
        except requests.ConnectionError:
            return False

    def _ask(self, path: str, **parameters: Any) -> Any:
        response = requests.get(f"{self.url}/api/v1/{path}", params=parameters, timeout=20)
        document = response.json()
        assert document["status"] == "success", document
        return document["data"]


@contextmanager
def prometheus_server(target: int) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes this port of 127.0.0.1 five times a second."""
    config = {
        "global": {"scrape_interval": SCRAPE_INTERVAL},
        "scrape_configs": [
            {"job_name": "hook", "static_configs": [{"targets": [f"127.0.0.1:{target}"]}]}
        ],
    }
    with watched_processes() as watched:
        file = watched.directory / "prometheus.yml"
        file.write_text(yaml.safe_dump(config))
        # Another program may take the port before Prometheus does.
        yield next(filter(None, (_started(watched, file) for _ in range(5))))


def _started(watched: WatchedProcesses, config: Path) -> Prometheus | None:
    """Return a Prometheus that is ready, or None if it ended."""
    port = free_port()
    command = [
        "prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={config.parent / str(port)}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (config.parent / "log").open("wb") as log:
        process = watched.run(command, config.parent, log)
    prometheus = Prometheus(f"http://127.0.0.1:{port}")
    eventually(lambda: prometheus.is_ready() or process.poll() is not None, START_SECONDS)
    return prometheus if process.poll() is None else None


def promtool(*arguments: str) -> str:
    """Run promtool, and return what it prints. It must succeed."""
    result = subprocess.run(
        ["promtool", *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    output = result.stdout + result.stderr
    assert result.returncode == 0, output
    return output
