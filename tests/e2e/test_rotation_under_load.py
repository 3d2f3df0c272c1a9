"""A rotation fails no delivery, and can be killed after each of its changes."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from hookkey_verify import ApiToken, HookKeysClient
from hookkey_verify.asgi import serve
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.emulator.rsa_keys import to_pem
from hookkey_verify.emulator.verdict import Delivery
from hookkey_verify.jwks_bridge import JwksBridge

from ..conftest import KeyPool
from ..processes import WatchedProcesses, watched_processes
from ..servers import asgi_server, free_port
from .rotating import SERVICE, gateway, rotate

CHANGES = 7
"""Create, add to the application, switch, deactivate and delete there, delete, rename."""
RATE = 20
"""Deliveries of each hook in a second."""


@contextmanager
def _service(
    processes: WatchedProcesses, okta: OktaEmulator, name: str, workers: int, **settings: str
) -> Iterator[dict[str, Any]]:
    """Serve token URL and hook by gunicorn, and yield the inline hook for it."""
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    given = {"ORG": okta.url, "TOKEN": okta.api_token, "TOKEN_URL": f"{base}/token", **settings}
    environment = ["env", *(f"{key}={value}" for key, value in given.items())]
    gunicorn = [sys.executable, "-m", "gunicorn", "service:application", "--threads", "4"]
    options = ["--workers", str(workers), "--bind", f"127.0.0.1:{port}", "--no-control-socket"]
    log = processes.directory / f"{name}.log"
    with log.open("wb") as output:
        server = processes.run([*environment, *gunicorn, *options], processes.directory, output)
    hook = okta.create_hook(
        f"{base}/hook",
        name=name,
        key="Token hook",
        token_url=f"{base}/token",
        client_id="0oaElsewhere",
    )
    until = time.monotonic() + 60
    while not okta.fire(hook["id"]).ok:
        assert server.poll() is None, log.read_text()
        assert time.monotonic() < until, log.read_text()
        time.sleep(0.1)
    yield hook
    server.terminate()
    assert server.wait(20) == 0, log.read_text()


class _Load:
    """Fires hooks at a rate from a thread, until it is ended."""

    def __init__(self, okta: OktaEmulator, hooks: list[dict[str, Any]]) -> None:
        self.deliveries: list[Delivery] = []
        self._okta, self._hooks = okta, hooks
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> _Load:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        with ThreadPoolExecutor(16) as pool:
            due = time.monotonic()
            while not self._ended.wait(max(0.0, due - time.monotonic())):
                due += 1 / RATE
                for hook in self._hooks:
                    pool.submit(self._fire, hook["id"])

    def _fire(self, hook_id: str) -> None:
        self.deliveries.append(self._okta.fire(hook_id))


@pytest.mark.slow
def test_a_rotation_under_load(okta: OktaEmulator, key_pool: KeyPool, tmp_path: Path) -> None:
    """No delivery fails from start to end, with two workers on HookKeys and one on a bridge."""
    old = okta.create_key("Token hook")
    client = HookKeysClient(okta.url, ApiToken(okta.api_token))
    bridge = serve(JwksBridge(client, names=["Token hook"], fresh_for=1))
    with client, asgi_server(bridge) as port, watched_processes() as processes:
        bridge_url = f"http://127.0.0.1:{port}/"
        (processes.directory / "service.py").write_text(SERVICE)
        (processes.directory / "signing.pem").write_text(to_pem(key_pool()))
        with (
            _service(processes, okta, "with keys", 2) as with_keys,
            _service(processes, okta, "with bridge", 1, BRIDGE=bridge_url) as with_bridge,
            _Load(okta, [with_keys, with_bridge]) as load,
        ):
            time.sleep(1)
            options = ("--bridge", bridge_url, "--keep", "3s", "--wait")
            code, output = rotate(okta.url, okta.api_token, *options, cwd=tmp_path)
            assert code == 0, output
            time.sleep(1)
    assert [key["name"] for key in okta.org.list()] == ["Token hook"]
    assert okta.org.list()[0]["keyId"] != old["keyId"]
    failed = [delivery.verdict for delivery in load.deliveries if not delivery.ok]
    assert failed == []
    assert len(load.deliveries) >= 5 * RATE


@pytest.mark.slow
@pytest.mark.parametrize("kill_after", range(1, CHANGES + 1))
def test_a_rotation_that_is_killed(okta: OktaEmulator, tmp_path: Path, kill_after: int) -> None:
    """Killed after any change and started again, the command ends in the same state."""
    old = okta.create_key("Token hook")
    hook = okta.create_hook("https://hooks.acme.com/hook", key="Token hook")
    options = ("--keep", "2s", "--wait")
    with gateway(okta.url) as through:
        through.kill_after = kill_after
        code, output = rotate(through.url, okta.api_token, *options, by=through, cwd=tmp_path)
        assert code < 0, output
        assert len(through.changes) == kill_after
        code, output = rotate(through.url, okta.api_token, *options, by=through, cwd=tmp_path)
        assert code == 0, output
    assert len(through.changes) == CHANGES  # none was repeated
    [new] = okta.org.list()
    assert (new["name"], new["keyId"] == old["keyId"]) == ("Token hook", False)
    assert okta.hooks.get(hook["id"]).hook_key_id == new["id"]
    client_id = hook["channel"]["config"]["clientId"]
    assert [key.kid for key in okta._parts.apps.keys(client_id)] == [new["keyId"]]
