"""``hookkey hooks code``: its programs are started by the command in their docstring.

Each program answers a delivery of the emulator, and refuses requests with wrong credentials.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import requests

from hookkey_verify import HookSigner
from hookkey_verify.cli.hook_code.frameworks import FRAMEWORKS
from hookkey_verify.cli.hook_code.handlers import HANDLERS
from hookkey_verify.dynamodb import DynamoDBReplayStore
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.emulator.delivery import Deliverer
from hookkey_verify.emulator.verdict import Delivery
from hookkey_verify.hooks import check_reply, parse_hook

from ..databases import dynamodb_server
from ..servers import free_port
from .shell import Shell

SETUPS = (
    "access-token",
    "token-endpoint",
    "token-endpoint, client secret",
    "assertion",
    "secret",
)
SECRET = "s3cret-of-the-hook"

# Every pair of a framework and a type, of a framework and a set-up, and of a set-up and a type.
RUNS = [
    pytest.param(
        (framework, SETUPS[(number + place) % len(SETUPS)], kind),
        marks=() if place == 0 else pytest.mark.slow,
        id=f"{framework}, {SETUPS[(number + place) % len(SETUPS)]}, {kind}",
    )
    for number, framework in enumerate(FRAMEWORKS)
    for place, kind in enumerate(HANDLERS)
]

GATEWAY = """
import base64
import sys
from wsgiref.simple_server import WSGIRequestHandler, make_server

from hook import handler

def app(environ, start_response):
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    names = {name[5:].lower().replace("_", "-"): environ[name] for name in environ
             if name.startswith("HTTP_")}
    path = "/prod" + environ["PATH_INFO"]
    http = {"method": environ["REQUEST_METHOD"], "path": path}
    answer = handler({
        "version": "2.0",
        "rawPath": path,
        "headers": {**names, "content-type": environ.get("CONTENT_TYPE", "")},
        "requestContext": {"http": http, "stage": "prod"},
        "body": base64.b64encode(body).decode(),
        "isBase64Encoded": True,
    }, None)
    start_response(f"{answer['statusCode']} X", [*answer["headers"].items()])
    return [answer["body"].encode()]

make_server("127.0.0.1", int(sys.argv[1]), app).serve_forever()
"""
"""A minimal gateway: it turns requests into events for the handler."""


@contextmanager
def _started(directory: Path, framework: str, port: int, env: dict[str, str]) -> Iterator[str]:
    """Start hook.py with the command in its docstring, and yield its URL."""
    program, *arguments = FRAMEWORKS[framework].start.split()
    if framework == "lambda":
        (directory / "gateway.py").write_text(GATEWAY)
        command = [sys.executable, "gateway.py", str(port)]
    else:
        at = {"gunicorn": ["--bind", f"127.0.0.1:{port}"], "uvicorn": ["--port", str(port)]}
        command = [str(Path(sys.executable).parent / program), *arguments, *at[program]]
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=directory, env={**os.environ, **env}, stdout=log, stderr=log
        )
        try:
            _wait_for(f"http://127.0.0.1:{port}", process, directory)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


def _wait_for(url: str, process: subprocess.Popen[bytes], directory: Path) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        assert process.poll() is None, (directory / "log").read_text()
        try:
            requests.get(url, timeout=10)
        except requests.ConnectionError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the server did not start")


def _hook(okta: OktaEmulator, setup: str, kind: str, url: str) -> dict[str, Any]:
    """Create a hook of this set-up and type in the org."""
    way: dict[str, Any]
    if setup == "secret":
        way = {"secret": ("X-Secret", SECRET)}
    elif setup == "token-endpoint, client secret":
        way = {"client_secret": SECRET}
    else:
        way = {"key": okta.create_key("key")}
    if setup.startswith("token-endpoint") or setup == "assertion":
        way |= {"token_url": f"{url}/oauth2/token", "client_id": "0oa1"}
    return okta.create_hook(f"{url}/hooks/okta", kind, name="Hook", **way)


def _fired(okta: OktaEmulator, setup: str, hook_id: str) -> Delivery:
    """Deliver an event; with an assertion as a gateway would forward it."""
    if setup != "assertion":
        return okta.fire(hook_id)
    hook = okta.hooks.get(hook_id)
    signer = okta.signer(okta.org.list()[0]["keyId"])
    assertion = signer.client_assertion(client_id=hook.client_id, token_url=hook.token_url)
    header = ("Authorization", f"Bearer {assertion}")
    return Deliverer(lambda _: signer).fire(replace(hook, channel_type="HTTP", auth_header=header))


def _environment(okta: OktaEmulator, directory: Path, framework: str) -> dict[str, str]:
    """Return the variables that the docstrings name; DynamoDB's are set by the test."""
    pem = subprocess.run(
        ["openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (directory / "key.pem").write_text(pem)
    return {
        "OKTA_CLIENT_ORGURL": okta.url,
        "OKTA_CLIENT_TOKEN": okta.api_token,
        "HOOK_SECRET": SECRET,
        "HOOK_CLIENT_SECRET": SECRET,
        "SIGNING_KEY": pem if framework == "lambda" else "key.pem",
    }


@contextmanager
def _table(is_needed: bool) -> Iterator[dict[str, str]]:
    if not is_needed:
        yield {}
        return
    with dynamodb_server() as database:
        DynamoDBReplayStore("used", **database.options).create_table()
        yield {
            "TABLE": "used",
            "AWS_ENDPOINT_URL": database.url,
            "AWS_DEFAULT_REGION": database.options["region_name"],
            "AWS_ACCESS_KEY_ID": database.options["aws_access_key_id"],
            "AWS_SECRET_ACCESS_KEY": database.options["aws_secret_access_key"],
        }


def _strangers(
    okta: OktaEmulator, stranger: HookSigner, setup: str, hook: dict[str, Any]
) -> dict[str, dict[str, str]]:
    """Return the headers of requests that the program must refuse."""
    if setup == "secret":
        return {"nothing": {}, "a wrong secret": {"X-Secret": f"{SECRET}x"}}
    config = hook["channel"]["config"]
    forged = stranger.client_assertion(client_id="0oa1", token_url=config["tokenUrl"])
    tokens = {
        "a forged assertion": forged,
        "a token for another party": okta.access_token(config["clientId"], audience="api://x"),
        "no token": "x",
    }
    return {"nothing": {}} | {
        name: {"Authorization": f"Bearer {token}"} for name, token in tokens.items()
    }


@pytest.mark.parametrize("run", RUNS)
def test_programs_protect_and_answer(
    shell: Shell,
    okta: OktaEmulator,
    stranger: HookSigner,
    tmp_path: Path,
    run: tuple[str, str, str],
) -> None:
    """The printed program answers a delivery without edits, and refuses strangers with 401."""
    framework, setup, kind = run
    port = free_port()
    hook = _hook(okta, setup, kind, f"http://127.0.0.1:{port}")
    option = ("--setup", "assertion") if setup == "assertion" else ()
    done = shell("hooks", "code", "Hook", "--framework", framework, *option)
    assert done.exit_code == 0, done.output
    (tmp_path / "hook.py").write_text(done.stdout)
    assert SECRET not in done.output
    assert okta.api_token not in done.output
    env = _environment(okta, tmp_path, framework)
    with (
        _table(framework == "lambda" and setup == "token-endpoint") as more,
        _started(tmp_path, framework, port, env | more),
    ):
        delivery = _fired(okta, setup, hook["id"])
        assert delivery.ok, delivery.verdict
        assert len(delivery.steps) == (1 if setup in ("assertion", "secret") else 2)
        event = {"eventType": kind, "data": {}}
        assert check_reply(type(parse_hook(event)), delivery.answer) == []
        for name, headers in _strangers(okta, stranger, setup, hook).items():
            answer = requests.post(
                f"http://127.0.0.1:{port}/hooks/okta", json=event, headers=headers, timeout=10
            )
            assert answer.status_code == 401, (name, answer.text)
