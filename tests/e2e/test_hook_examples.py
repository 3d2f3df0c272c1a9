"""The handlers in examples/ are served as their docstrings say, and called over HTTP."""

from __future__ import annotations

import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import requests

from hookkey_verify import HookSigner

from ..faults import FaultServer, json_answer
from ..servers import free_port
from .adapters import lambda_event

EXAMPLES = Path(__file__).parents[2] / "examples"
BIN = Path(sys.executable).parent

AUDIENCE = "api://hooks"
CLIENT = "0oa1hookclient4x7"
BODY = json.dumps(
    {
        "eventType": "com.okta.oauth2.tokens.transform",
        "data": {"context": {"user": {"id": "00uq8tMo3zV0OfJON0g3"}}, "access": {"claims": {}}},
    }
)
COMMANDS = {
    "commands": [
        {
            "type": "com.okta.access.patch",
            "value": [{"op": "add", "path": "/claims/team", "value": "blue"}],
        }
    ]
}

SERVERS = {
    "hook_flask.py": ["gunicorn", "--bind", "127.0.0.1:{port}", "hook_flask:app"],
    "hook_wsgi.py": ["waitress-serve", "--listen=127.0.0.1:{port}", "hook_wsgi:app"],
    "hook_fastapi.py": ["uvicorn", "--port", "{port}", "hook_fastapi:app"],
    "hook_starlette.py": ["uvicorn", "--port", "{port}", "hook_starlette:app"],
    "hook_django.py": ["gunicorn", "--bind", "127.0.0.1:{port}", "hook_django:wsgi"],
    "hook_django.py, ASGI": ["uvicorn", "--port", "{port}", "hook_django:asgi"],
}


@pytest.fixture(scope="module")
def issuer(signer: HookSigner) -> Iterator[str]:
    """Serve an authorization server's JWK Set over HTTP, and yield the issuer."""
    with FaultServer(json_answer(200, {"keys": [signer.public_jwk()]})) as server:
        yield f"{server.url}/oauth2/aus1"


def _environment(issuer: str) -> dict[str, str]:
    names = {"ISSUER": issuer, "AUDIENCE": AUDIENCE, "CLIENT_ID": CLIENT}
    return {f"HOOKKEY_{name}": value for name, value in names.items()}


def _wait_for(port: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        assert process.poll() is None, "the server has ended"
        with closing(socket.socket()) as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise AssertionError("the server did not start")


@pytest.fixture(scope="module", params=list(SERVERS))
def url(request: pytest.FixtureRequest, issuer: str) -> Iterator[str]:
    """Serve each example in a separate process, and yield its URL."""
    port = free_port()
    program, *arguments = SERVERS[request.param]
    process = subprocess.Popen(
        [str(BIN / program), *(argument.format(port=port) for argument in arguments)],
        cwd=EXAMPLES,
        env={**os.environ, **_environment(issuer), "PYTHONPATH": str(EXAMPLES)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(20)


def _token(signer: HookSigner, issuer: str, **changes: Any) -> str:
    now = int(time.time())
    claims = {"iss": issuer, "aud": AUDIENCE, "cid": CLIENT, "exp": now + 300, "iat": now}
    return signer.sign({**claims, **changes})


def _post(url: str, token: str | None) -> requests.Response:
    headers = {"Content-Type": "application/json", "Accept": "application/json"}
    if token is not None:
        headers["Authorization"] = f"Bearer {token}"
    return requests.post(f"{url}/hook", data=BODY, headers=headers, timeout=10)


def test_a_hook_is_answered_with_a_command(url: str, signer: HookSigner, issuer: str) -> None:
    """A request as Okta sends it is answered with a command."""
    answer = _post(url, _token(signer, issuer))
    assert (answer.status_code, answer.json()) == (200, COMMANDS)


def test_strangers_are_refused(url: str, signer: HookSigner, issuer: str) -> None:
    """A request without a valid token is refused with 401 and the reason."""
    unsigned = _token(signer, issuer, scp=["admin"]).rpartition(".")[0]
    signature = _token(signer, issuer).rpartition(".")[2]
    for token, reason in (
        (None, "missing_token"),
        (_token(signer, issuer, aud="api://other"), "wrong_audience"),
        (_token(signer, issuer, exp=1), "expired"),
        (f"{unsigned}.{signature}", "invalid_signature"),
    ):
        answer = _post(url, token)
        assert (answer.status_code, answer.json().get("reason")) == (401, reason)
        assert answer.headers["Content-Type"] == "application/problem+json"


@pytest.mark.parametrize("url", ["hook_starlette.py"], indirect=True)
def test_other_paths_are_open(url: str) -> None:
    """The Starlette example's health check is open without a token."""
    assert requests.get(f"{url}/health", timeout=10).json() == {"status": "ok"}


def test_lambda(signer: HookSigner, issuer: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The Lambda example fetches its keys on import, answers a hook and authorizes a request."""
    for name, value in _environment(issuer).items():
        monkeypatch.setenv(name, value)
    spec = importlib.util.spec_from_file_location("hook_lambda", EXAMPLES / "hook_lambda.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.keys.stats().keys == 1
    bearer = [("Authorization", f"Bearer {_token(signer, issuer)}")]
    answer = module.handler({**lambda_event("http", bearer), "body": BODY}, None)
    assert (answer["statusCode"], json.loads(answer["body"])) == (200, COMMANDS)
    assert module.handler(lambda_event("http", []), None)["statusCode"] == 401
    policy = module.authorizer({"methodArn": "arn:a:b", "headers": dict(bearer)}, None)
    assert policy["policyDocument"]["Statement"][0]["Effect"] == "Allow"
    assert module.keys.stats().misses == 1  # of warm_up
    module.keys.close()
