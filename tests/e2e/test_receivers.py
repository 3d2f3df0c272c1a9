"""The receivers in examples/ take a hook from assertion to access token to handler."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests

from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.token_endpoint import ASSERTION_TYPE

from ..conftest import KeyPool
from ..servers import free_port
from ..valkeys import valkey_server

EXAMPLES = Path(__file__).parents[2] / "examples"
BIN = Path(sys.executable).parent
CLIENT = "0oa1hookclient4x7"
GUNICORN = ("gunicorn", "--log-level", "error", "--bind", "127.0.0.1:{port}")
SERVERS = {
    "receiver_flask.py": (*GUNICORN, "--threads", "4", "receiver_flask:app"),
    "receiver_fastapi.py": (
        "uvicorn",
        "--log-level",
        "error",
        "--port",
        "{port}",
        "receiver_fastapi:app",
    ),
    "receiver_cluster/receiver.py": (*GUNICORN, "--workers", "4", "receiver:app"),
}


@contextmanager
def serving(name: str, port: int, environment: dict[str, str]) -> Iterator[None]:
    """Run one server as the example's docstring says."""
    program, *arguments = SERVERS[name]
    folder = (EXAMPLES / name).parent
    process = subprocess.Popen(
        [str(BIN / program), *(argument.format(port=port) for argument in arguments)],
        cwd=folder,
        env={**os.environ, **environment, "PYTHONPATH": str(folder)},
    )
    try:
        until = time.monotonic() + 30
        while not _answers(port):
            assert process.poll() is None, "the server has ended"
            assert time.monotonic() < until, "the server did not start"
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(20)


def _answers(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/oauth2/token", timeout=5).status_code == 405
    except requests.RequestException:
        return False


@pytest.fixture
def signing_key(tmp_path: Path) -> Path:
    """Create a signing key with the command that the examples document."""
    path = tmp_path / "key.pem"
    make = ("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
    subprocess.run([*make, "-out", str(path)], check=True, capture_output=True)
    return path


def environment(okta: OktaEmulator, signing_key: Path, token_url: str) -> dict[str, str]:
    return {
        "TOKEN_URL": token_url,
        "CLIENT_ID": CLIENT,
        "SIGNING_KEY": str(signing_key),
        "OKTA_CLIENT_ORGURL": okta.url,
        "OKTA_CLIENT_TOKEN": okta.api_token,
    }


def assertion_form(okta: OktaEmulator, key: dict[str, Any], token_url: str) -> dict[str, str]:
    signer = okta.signer(key["keyId"])
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signer.client_assertion(client_id=CLIENT, token_url=token_url),
    }


@pytest.mark.parametrize("name", ["receiver_flask.py", "receiver_fastapi.py"])
def test_the_whole_dance(okta: OktaEmulator, signing_key: Path, name: str) -> None:
    """A receiver issues its own token, accepts it for several calls and refuses all others.

    An unknown kid gets 503 with ``Retry-After`` while the org's keys are unavailable.
    """
    port = free_port()
    token_url = f"http://127.0.0.1:{port}/oauth2/token"
    key = okta.create_key("Token hook")
    with serving(name, port, environment(okta, signing_key, token_url)):
        url = f"http://127.0.0.1:{port}/hook"
        hook = okta.create_hook(url, key=key, token_url=token_url, client_id=CLIENT)
        first, second = okta.fire(hook["id"]), okta.fire(hook["id"])
        assert (first.ok, second.ok) == (True, True), first.verdict
        assert [step.name for step in first.steps] == ["token", "hook"]
        assert [step.name for step in second.steps] == ["hook"]
        assert first.outcome == "commands"
        form = assertion_form(okta, key, token_url)
        for credentials in ({}, {"Authorization": f"Bearer {form['client_assertion']}"}):
            answer = requests.post(url, json={}, headers=credentials, timeout=10)
            assert answer.status_code == 401
        statuses = [requests.post(token_url, data=form, timeout=10).status_code for _ in range(2)]
        assert statuses == [200, 401]
        okta.fail(503, times=100, path="/api/v1/hook-keys/public")
        other = okta.create_key("Unknown so far")
        answer = requests.post(token_url, data=assertion_form(okta, other, token_url), timeout=10)
        assert answer.status_code == 503
        assert answer.headers["Retry-After"]


def test_a_cluster(key_pool: KeyPool, signing_key: Path) -> None:
    """A cluster issues one token per assertion, and each server accepts the other's tokens."""
    name = "receiver_cluster/receiver.py"
    with ExitStack() as stack:
        okta = stack.enter_context(OktaEmulator(new_key=key_pool))
        valkey = stack.enter_context(valkey_server())
        ports = [free_port(), free_port()]
        token_url = f"http://127.0.0.1:{ports[0]}/oauth2/token"
        key = okta.create_key("Token hook")
        settings = {
            **environment(okta, signing_key, token_url),
            "VALKEY": valkey.connection_url,
            "HOOKKEY_STORE_SECRET": "0123456789abcdef" * 2,
        }
        for port in ports:
            stack.enter_context(serving(name, port, settings))
        urls = [f"http://127.0.0.1:{port}" for port in ports]

        form = assertion_form(okta, key, token_url)
        pool = stack.enter_context(ThreadPoolExecutor(20))
        targets = [f"{urls[number % 2]}/oauth2/token" for number in range(200)]
        answers = list(pool.map(lambda url: requests.post(url, data=form, timeout=30), targets))
        assert Counter(answer.status_code for answer in answers) == {200: 1, 401: 199}
        asked = sum("public" in line.path for line in okta.requests)
        assert asked <= 2  # the eight processes share a fetched key

        token = next(a.json()["access_token"] for a in answers if a.status_code == 200)
        headers = {"Authorization": f"Bearer {token}"}
        for url in urls * 4:
            answer = requests.post(f"{url}/hook", json={}, headers=headers, timeout=10)
            assert answer.status_code == 200
        sets = [requests.get(f"{url}/.well-known/jwks.json", timeout=10).json() for url in urls]
        assert sets[0] == sets[1]
        hook = okta.create_hook(f"{urls[1]}/hook", key=key, token_url=token_url, client_id=CLIENT)
        assert okta.fire(hook["id"]).ok
