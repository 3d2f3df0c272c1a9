"""``hookkey emulate --state`` loses no acknowledged change when it is killed under load."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

REQUESTS = 10_000
WORKERS = 4


@contextmanager
def emulate(state: Path) -> Iterator[tuple[subprocess.Popen[str], dict[str, Any]]]:
    """Run the command, and yield the process and the document that it prints when ready."""
    command = [sys.executable, "-m", "hookkey_verify", "emulate", "--state", str(state), "--json"]
    command += ["--rate-limit", "1000000000"]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=os.environ
    )
    assert process.stdout is not None
    text = ""
    while not text.endswith("}\n") or text.count("{") != text.count("}"):
        line = process.stdout.readline()
        assert line, "the command ended"
        text += line
    try:
        yield process, json.loads(text)
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


class Worker(threading.Thread):
    """Changes its own keys and hooks, and records what was acknowledged."""

    def __init__(self, report: dict[str, Any], number: int) -> None:
        super().__init__()
        self.answered = 0
        self.acknowledged: dict[str, dict[str, Any] | None] = {}
        self.in_flight = ""
        self._url = report["orgUrl"] + "/api/v1"
        self._number = number
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.headers["Authorization"] = f"SSWS {report['token']}"

    def run(self) -> None:
        """Send changes until the org stops answering."""
        try:
            for turn in range(1_000_000):
                self._change(turn)
        except requests.RequestException:
            self._session.close()

    def _change(self, turn: int) -> None:
        name = f"{self._number}-{turn}"
        key = self._send("POST", "/hook-keys", {"name": name})
        config = {"uri": "https://a.io/h", "clientId": "0oa1", "tokenUrl": "https://a.io/t"}
        config |= {"authType": "private_key_jwt", "hookKeyId": key["id"]}
        channel = {"type": "OAUTH", "config": config}
        kind = "com.okta.oauth2.tokens.transform"
        body = {"name": name, "type": kind, "channel": channel}
        hook = self._send("POST", "/inlineHooks", body)
        for again in range(100):
            self._send("PUT", f"/hook-keys/{key['id']}", {"name": f"{name}-{again}"})
            self._send("PUT", f"/inlineHooks/{hook['id']}", {**body, "name": f"{name}-{again}"})
        self._send("POST", f"/inlineHooks/{hook['id']}/lifecycle/deactivate", {})
        self._send("DELETE", f"/inlineHooks/{hook['id']}")
        if turn % 3:  # every third key stays, to be checked at the end
            self._send("DELETE", f"/hook-keys/{key['id']}")

    def _send(self, method: str, path: str, body: Any = None) -> Any:
        self.in_flight = path.split("/")[2] if path.count("/") > 1 else "new"
        answer = self._session.request(method, self._url + path, json=body, timeout=10)
        assert answer.status_code in (200, 204), answer.text
        self.answered += 1
        if answer.status_code == 204:
            self.acknowledged[self.in_flight] = None
        else:
            document = answer.json()
            self.acknowledged[document["id"]] = document
        self.in_flight = ""
        return document if answer.status_code == 200 else None


@pytest.mark.slow
def test_kill(tmp_path: Path) -> None:
    """After a kill during 10,000 requests of four clients, no acknowledged change is lost."""
    state = tmp_path / "org.state"
    with emulate(state) as (process, first):
        workers = [Worker(first, number) for number in range(WORKERS)]
        for worker in workers:
            worker.start()
        while sum(worker.answered for worker in workers) < REQUESTS:
            assert all(worker.is_alive() for worker in workers)
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        for worker in workers:
            worker.join(20)

    with emulate(state) as (_, second):
        assert second["token"] == first["token"]
        assert second["issuer"].rpartition("/")[2] == first["issuer"].rpartition("/")[2]
        headers = {"Authorization": f"SSWS {first['token']}"}
        there: dict[str, Any] = {}
        for kind in ("hook-keys", "inlineHooks"):
            url = f"{second['orgUrl']}/api/v1/{kind}"
            there |= {each["id"]: each for each in requests.get(url, headers=headers).json()}
        unsure = {worker.in_flight for worker in workers}  # sent, but never answered
        checked = 0
        for worker in workers:
            for id_, document in worker.acknowledged.items():
                if id_ in unsure:
                    continue
                checked += 1
                if document is None:
                    assert id_ not in there
                else:
                    assert there[id_]["name"] == document["name"]
        assert checked > 40
        known = {id_ for worker in workers for id_ in worker.acknowledged}
        assert len(there.keys() - known) <= WORKERS  # created, but not acknowledged
