"""Prometheus multiprocess mode: gunicorn with two workers, and one scrape for both."""

from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import requests
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from hookkey_verify import HookSigner
from hookkey_verify._metrics import API_REASONS, GAUGES
from hookkey_verify.emulator import OktaEmulator

from ..conftest import CLIENT_ID, TOKEN_URL
from ..processes import watched_processes

APPLICATION = f"""
import os
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.multiprocess import MultiProcessCollector
from hookkey_verify import ApiToken, HookKeys, HookVerifier, _prometheus_files, prometheus
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.wsgi import HookMiddleware

_prometheus_files.WRITE_INTERVAL = 0.3
metrics = prometheus.Metrics()
keys = HookKeys(os.environ["ORG"], ApiToken(os.environ["TOKEN"]), on_event=metrics)
verifier = HookVerifier.for_client_assertion(
    keys,
    client_id={CLIENT_ID!r},
    token_url={TOKEN_URL!r},
    replay=MemoryReplayStore(on_event=metrics),
    on_event=metrics,
)
metrics.watch(verifier)


def hook(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [str(os.getpid()).encode()]


protected = HookMiddleware(hook, verifier)


def application(environ, start_response):
    if environ["PATH_INFO"] == "/metrics":
        registry = CollectorRegistry()
        MultiProcessCollector(registry)
        return make_wsgi_app(registry)(environ, start_response)
    return protected(environ, start_response)
"""

CONFIGURATION = """
from prometheus_client.multiprocess import mark_process_dead

bind = "127.0.0.1:0"
workers = 2
control_socket_disable = True


def child_exit(server, worker):
    mark_process_dead(worker.pid)
"""


@dataclass(frozen=True, slots=True)
class Server:
    """Gunicorn, which serves the application above."""

    url: str

    def ask(self, signer: HookSigner) -> int:
        """Send a hook request, and return the process id of the worker that accepted it."""
        token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
        headers = {"Authorization": f"Bearer {token}"}
        response = requests.post(f"{self.url}/hook", headers=headers, timeout=10)
        assert response.status_code == 200, response.text
        return int(response.text)

    def scrape(self) -> list[Sample]:
        """Return what a scrape shows.

        It is repeated after an error, as Prometheus does: prometheus_client fails while another
        worker creates a file, and a worker that ends may drop a connection.
        """
        for left in (2, 1, 0):
            try:
                response = requests.get(f"{self.url}/metrics", timeout=10)
                response.raise_for_status()
                break
            except requests.RequestException:
                if left == 0:
                    raise
                time.sleep(0.2)
        families = text_string_to_metric_families(response.text)
        return [sample for family in families for sample in family.samples]


@contextmanager
def _gunicorn(okta: OktaEmulator, *options: str) -> Iterator[Server]:
    with watched_processes() as processes:
        directory = processes.directory
        values = directory / "values"
        values.mkdir()
        (directory / "site_with_metrics.py").write_text(APPLICATION)
        (directory / "gunicorn.conf.py").write_text(CONFIGURATION)
        variables = {"PROMETHEUS_MULTIPROC_DIR": values, "ORG": okta.url, "TOKEN": okta.api_token}
        settings = [f"{name}={value}" for name, value in variables.items()]
        gunicorn = [sys.executable, "-m", "gunicorn", "site_with_metrics:application"]
        log = directory / "log"
        with log.open("wb") as output:
            server = processes.run(["env", *settings, *gunicorn, *options], directory, output)
        yield Server(_url(log, server))
        server.terminate()
        assert server.wait(20) == 0, log.read_text()


def _url(log: Path, server: subprocess.Popen[bytes]) -> str:
    until = time.monotonic() + 30
    while time.monotonic() < until and server.poll() is None:
        found = re.search(r"Listening at: (http://[\d.:]+)", log.read_text())
        if found:
            return found[1]
        time.sleep(0.02)
    raise AssertionError(log.read_text())


def _names(samples: list[Sample]) -> set[str]:
    return {sample.name for sample in samples}


def _sum(samples: list[Sample], name: str, **labels: str) -> float:
    return sum(
        sample.value
        for sample in samples
        if sample.name == f"hookkey_{name}" and labels.items() <= sample.labels.items()
    )


GAUGE_NAMES = {f"hookkey_{gauge.prometheus}" for gauge in GAUGES}


@pytest.mark.parametrize("options", [(), ("--preload",)], ids=["workers", "preload"])
def test_two_workers(okta: OktaEmulator, options: tuple[str, ...]) -> None:
    """One scrape shows the sum of both workers' counters, and all gauges."""
    signer = okta.signer(okta.create_key("one")["keyId"])
    with _gunicorn(okta, *options) as server:
        accepted: Counter[int] = Counter()
        until = time.monotonic() + 30
        while (len(accepted) < 2 or sum(accepted.values()) < 20) and time.monotonic() < until:
            accepted[server.ask(signer)] += 1
        assert len(accepted) == 2
        samples = server.scrape()
        total = sum(accepted.values())
        verified = {"source": okta.url, "outcome": "accepted", "reason": ""}
        assert _sum(samples, "verifications_total", **verified) == total
        assert _sum(samples, "verifications_total", key="fetched", **verified) == 2
        assert _sum(samples, "claims_total", outcome="claimed") == total
        assert _sum(samples, "events_total", event="hit", outcome="fresh") == total - 2
        assert _sum(samples, "verification_seconds_count", outcome="accepted") == total
        assert _sum(samples, "key_fetch_seconds_count", outcome="ok") == 2
        reasons = [each for each in samples if each.name == "hookkey_api_errors_total"]
        assert {each.labels["reason"]: each.value for each in reasons} == dict.fromkeys(
            API_REASONS, 0
        )

        until = time.monotonic() + 15
        while not _names(samples) >= GAUGE_NAMES and time.monotonic() < until:
            time.sleep(0.05)
            samples = server.scrape()
        assert _names(samples) >= GAUGE_NAMES
        keys = {"part": "keys", "source": okta.url}
        assert _sum(samples, "status", status="healthy", **keys) == 1
        assert _sum(samples, "status", status="failing", **keys) == 0
        assert _sum(samples, "keys", state="fresh", source=okta.url) == 1
        for name in ("oldest_key_timestamp_seconds", "last_success_timestamp_seconds"):
            assert math.isclose(_sum(samples, name, source=okta.url), time.time(), abs_tol=30)
        assert all("pid" not in each.labels for each in samples)
        assert signer.kid not in str(samples)


def test_a_worker_that_ends(okta: OktaEmulator) -> None:
    """Workers without requests report gauges; those of a worker that ended are not scraped."""
    signer = okta.signer(okta.create_key("one")["keyId"])

    def until(gauge: str, expected: float, **labels: str) -> None:
        end = time.monotonic() + 15
        while (value := _sum(server.scrape(), gauge, **labels)) != expected:
            assert time.monotonic() < end, value
            time.sleep(0.05)

    with _gunicorn(okta) as server:
        until("status", 1, part="keys", status="healthy")
        assert _sum(server.scrape(), "keys", state="fresh") == 0
        pid = server.ask(signer)
        until("keys", 1, state="fresh")
        os.kill(pid, signal.SIGTERM)
        until("keys", 0, state="fresh")
        assert _sum(server.scrape(), "verifications_total", outcome="accepted") == 1
