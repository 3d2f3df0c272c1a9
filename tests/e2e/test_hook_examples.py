"""The handlers in examples/ run on the servers that they name, and a local org calls them."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner

from hookkey_verify.cli.commands import hookkey
from hookkey_verify.cli.hook_types import TYPES
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.emulator.payloads import VARIANTS, payload

from ..conftest import KeyPool
from ..hooks.payload_examples import FULL, MINIMAL
from ..servers import free_port, wsgi_server
from .adapters import lambda_event

EXAMPLES = Path(__file__).parents[2] / "examples"
BIN = Path(sys.executable).parent

AUDIENCE = "api://hooks"
CLIENT = "0oa1hookclient4x7"
KEY = "Hook key"
LAMBDA = "telephony_hook_lambda.py"
GUNICORN = ("gunicorn", "--bind", "127.0.0.1:{port}")
UVICORN = ("uvicorn", "--port", "{port}")
SERVERS = {
    "token_hook_flask.py": (*GUNICORN, "token_hook_flask:app"),
    "saml_hook_starlette.py": (*UVICORN, "saml_hook_starlette:app"),
    "registration_hook_fastapi.py": (*UVICORN, "registration_hook_fastapi:app"),
    "import_hook_wsgi.py": ("waitress-serve", "--listen=127.0.0.1:{port}", "import_hook_wsgi:app"),
    "password_import_hook_django.py": (*GUNICORN, "password_import_hook_django:wsgi"),
    "password_import_hook_django.py, ASGI": (*UVICORN, "password_import_hook_django:asgi"),
}
BODIES = [*MINIMAL.values(), *FULL.values()]


class Example:
    """A running example and the local org that calls it."""

    def __init__(self, name: str, url: str, okta: OktaEmulator) -> None:
        self.type = TYPES[name.partition("_")[0]]
        self.url = url
        self.okta = okta
        self.hook = okta.create_hook(url, self.type, name=url, key=KEY, client_id=CLIENT)

    def commands(self, body: dict[str, Any] | None = None) -> dict[str, Any]:
        """Deliver a request that must end in commands, and return them by their types."""
        delivery = self.okta.fire(self.hook["id"], body)
        assert delivery.outcome == "commands", delivery
        assert delivery.problems == ()
        return {each["type"]: each["value"] for each in delivery.commands}


def _environment(okta: OktaEmulator) -> dict[str, str]:
    names = {"ISSUER": okta.issuer, "AUDIENCE": AUDIENCE, "CLIENT_ID": CLIENT}
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


@contextmanager
def _running(name: str, okta: OktaEmulator) -> Iterator[str]:
    """Serve an example in a separate process, as its docstring says."""
    port = free_port()
    program, *arguments = SERVERS[name]
    process = subprocess.Popen(
        [str(BIN / program), *(argument.format(port=port) for argument in arguments)],
        cwd=EXAMPLES,
        env={**os.environ, **_environment(okta), "PYTHONPATH": str(EXAMPLES)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        _wait_for(port, process)
        yield f"http://127.0.0.1:{port}/hook"
    finally:
        process.terminate()
        process.wait(20)


@contextmanager
def _behind_a_gateway(okta: OktaEmulator) -> Iterator[str]:
    """Serve the Lambda example behind a server that passes on requests as an HTTP API does."""
    with pytest.MonkeyPatch.context() as patch:
        for name, value in _environment(okta).items():
            patch.setenv(name, value)
        spec = importlib.util.spec_from_file_location("telephony_hook_lambda", EXAMPLES / LAMBDA)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    assert module.keys.stats().keys == 1  # since the import

    def gateway(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        given = environ.get("HTTP_AUTHORIZATION")
        event = lambda_event("http", [("Authorization", given)] if given else [])
        body = environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])).decode()
        answer = module.handler({**event, "body": body}, None)
        start_response(f"{answer['statusCode']} -", [*answer["headers"].items()])
        return [answer["body"].encode()]

    with wsgi_server(gateway) as port:
        yield f"http://127.0.0.1:{port}/hook"
    assert module.keys.stats().misses == 1  # of warm_up
    module.keys.close()


@pytest.fixture(scope="module")
def org(key_pool: KeyPool) -> Iterator[OktaEmulator]:
    with OktaEmulator(new_key=key_pool) as emulator:
        emulator.create_key(KEY)
        yield emulator


@pytest.fixture(scope="module", params=[*SERVERS, LAMBDA])
def example(request: pytest.FixtureRequest, org: OktaEmulator) -> Iterator[Example]:
    """Each example, one after the other."""
    name = request.param
    with _behind_a_gateway(org) if name == LAMBDA else _running(name, org) as url:
        yield Example(name, url, org)


def only(*names: str) -> pytest.MarkDecorator:
    """Return the mark of a test for some of the examples."""
    return pytest.mark.parametrize("example", names, indirect=True)


def test_a_delivery_ends_in_commands(example: Example) -> None:
    """The reply to the emulator's own request has commands and breaks no rule."""
    assert example.commands()


def test_hookkey_fire(example: Example, tmp_path: Path) -> None:
    """``hookkey fire`` reports commands and no problems, and exits with 0."""
    token = tmp_path / "token"
    token.write_text(example.okta.access_token(CLIENT))
    [kind] = [name for name, type_ in TYPES.items() if type_ == example.type]
    arguments = ["fire", example.url, "--type", kind, "--token", str(token), "--json"]
    done = CliRunner().invoke(hookkey, arguments)
    report = json.loads(done.stdout)
    assert (done.exit_code, report["outcome"], report["problems"]) == (0, "commands", [])


def test_every_variant_of_a_request_is_answered(example: Example) -> None:
    """Every request of the emulator, and requests with few members, get a valid reply."""
    kind, now = example.type, time.time()
    bodies = [payload(kind, hook_id="cal1", now=now, variant=each) for each in VARIANTS[kind]]
    for body in [*bodies, *(each for each in BODIES if each["eventType"] == kind)]:
        delivery = example.okta.fire(example.hook["id"], body)
        assert (delivery.ok, delivery.problems) == (True, ()), delivery


def test_strangers_are_refused(example: Example) -> None:
    """A request without a valid token is refused with 401 and the reason."""
    good = example.okta.access_token(CLIENT)
    unsigned = example.okta.access_token(CLIENT, scopes=["admin"]).rpartition(".")[0]
    for token, reason in (
        (None, "missing_token"),
        (example.okta.access_token(CLIENT, audience="api://other"), "wrong_audience"),
        (example.okta.access_token("0oa2other"), "wrong_client"),
        (f"{unsigned}.{good.rpartition('.')[2]}", "invalid_signature"),
    ):
        credentials = {} if token is None else {"Authorization": f"Bearer {token}"}
        answer = requests.post(example.url, json={}, headers=credentials, timeout=10)
        assert (answer.status_code, answer.json().get("reason")) == (401, reason)
        assert answer.headers["Content-Type"] == "application/problem+json"


@only("token_hook_flask.py")
def test_only_tokens_of_known_users_change(example: Example) -> None:
    """The token example adds the teams, and changes nothing for client credentials."""
    [operation] = example.commands()["com.okta.access.patch"]
    assert operation == {"op": "add", "path": "/claims/teams", "value": ["billing", "support"]}
    service = {"eventType": example.type, "data": {"access": {"claims": {"cid": "0oa7"}}}}
    assert example.okta.fire(example.hook["id"], service).outcome == "no change"


@only("registration_hook_fastapi.py")
@pytest.mark.parametrize(
    ("email", "decision"),
    [
        ("mia@acme.example", "ALLOW"),
        ("mia@GMail.com", "DENY"),
        ("gmail.com", "DENY"),
        (None, "DENY"),
        ("", "DENY"),
    ],
)
def test_private_addresses_are_denied(example: Example, email: str | None, decision: str) -> None:
    """The registration example denies addresses of private providers and missing addresses."""
    profile = {} if email is None else {"email": email}
    body = {"eventType": example.type, "data": {"userProfile": profile, "action": "ALLOW"}}
    delivery = example.okta.fire(example.hook["id"], body)
    assert delivery.problems == ()
    action = delivery.answer["commands"][0]
    assert action == {"type": "com.okta.action.update", "value": {"registration": decision}}
    assert (delivery.outcome == "error") == (decision == "DENY")


@only("import_hook_wsgi.py")
@pytest.mark.parametrize(
    ("email", "decision"), [("Isaac@example.com", "LINK_USER"), ("new@example.com", "CREATE_USER")]
)
def test_known_people_are_linked(example: Example, email: str, decision: str) -> None:
    """The import example links a known person to the user, and creates a user for others."""
    body = {"eventType": example.type, "data": {"appUser": {"profile": {"email": email}}}}
    commands = example.commands(body)
    assert commands["com.okta.action.update"] == {"result": decision}
    linked = commands.get("com.okta.user.update")
    assert linked == ({"id": "00uq8tMo3zV0OfJON0g3"} if decision == "LINK_USER" else None)


@only("password_import_hook_django.py")
@pytest.mark.parametrize(
    ("username", "password", "decision"),
    [
        ("isaac.brock@example.com", "Invented-Pa55word", "VERIFIED"),
        ("isaac.brock@example.com", "invented-pa55word", "UNVERIFIED"),
        ("isaac.brock@example.com", "", "UNVERIFIED"),
        ("mia@example.com", "Invented-Pa55word", "UNVERIFIED"),
        ("mia@example.com", "", "UNVERIFIED"),
        (None, None, "UNVERIFIED"),
    ],
)
def test_only_the_stored_password_is_verified(
    example: Example, username: str | None, password: str | None, decision: str
) -> None:
    """The password example verifies the stored password of a known user and no other."""
    credential = {"username": username, "password": password}
    body = {"eventType": example.type, "data": {"context": {"credential": credential}}}
    [action] = example.commands(body).values()
    assert action == {"credential": decision}


@only(LAMBDA)
def test_a_message_is_sent(example: Example) -> None:
    """The telephony example reports the message as sent, or an error if it cannot be sent."""
    [[action]] = example.commands().values()
    assert (action["status"], action["provider"]) == ("SUCCESSFUL", "ACME")
    body = {"eventType": example.type, "data": {}}
    assert example.okta.fire(example.hook["id"], body).outcome == "error"


def _length(statements: list[ast.stmt]) -> int:
    """Return the number of lines of consecutive statements."""
    return (statements[-1].end_lineno or 0) - statements[0].lineno + 1


@pytest.mark.parametrize(
    "name", [*dict.fromkeys(each.partition(",")[0] for each in SERVERS), LAMBDA]
)
def test_user_code_is_short(name: str) -> None:
    """The handler of each example, with what it calls and without docstrings, has 15 lines."""
    source = (EXAMPLES / name).read_text()
    lines = 0
    for node in ast.parse(source).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert ast.get_docstring(node)
            lines += 1 + len(node.decorator_list) + _length(node.body[1:])
    assert 0 < lines <= 15
