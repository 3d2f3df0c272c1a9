"""``hookkey payload`` prints Okta's requests; ``hookkey fire`` sends and saves them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from flask import Flask

from hookkey_verify.cli.commands import hookkey
from hookkey_verify.cli.hook_types import TYPES
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.emulator.payloads import VARIANTS
from hookkey_verify.flask import serve
from hookkey_verify.hooks import (
    Hooks,
    ImportHook,
    ImportReply,
    PasswordImportHook,
    PasswordImportReply,
    RegistrationHook,
    RegistrationReply,
    SamlHook,
    SamlReply,
    TelephonyHook,
    TelephonyReply,
    TokenHook,
    TokenReply,
    check_reply,
    parse_hook,
)
from hookkey_verify.shared_secret import HeaderSecret

from ..faults import FaultServer, json_answer
from ..servers import wsgi_server

ALL = [(kind, name) for kind in TYPES for name in VARIANTS[TYPES[kind]]]
SECRET = "s3cret-value-of-the-hook"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(hookkey, arguments)


@pytest.fixture
def handler(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[str]:
    """Serve a handler for every type of hook and yield its URL."""
    monkeypatch.chdir(tmp_path)
    Path("secret").write_text(SECRET)
    hooks = Hooks(HeaderSecret(SECRET, header="X-Secret"))

    @hooks.on(TokenHook)
    def token(hook: TokenHook) -> TokenReply:
        reply = TokenReply()
        if hook.access:
            reply = reply.access_claim("team", "blue").access_lifetime(600)
        return reply.id_claim("team", "blue") if hook.identity else reply

    @hooks.on(SamlHook)
    def saml(hook: SamlHook) -> SamlReply:
        return SamlReply().attribute("groups", ["a", "b"])

    @hooks.on(RegistrationHook)
    def registration(hook: RegistrationHook) -> RegistrationReply:
        if hook.is_progressive:
            return RegistrationReply().progressive_profile(employeeNumber="E-1234")
        return RegistrationReply().allow()

    @hooks.on(ImportHook)
    def imported(hook: ImportHook) -> ImportReply:
        if hook.user_id is not None:
            return ImportReply().link_to(hook.user_id)
        return ImportReply().create_user()

    @hooks.on(PasswordImportHook)
    def password(hook: PasswordImportHook) -> PasswordImportReply:
        return PasswordImportReply().verified()

    @hooks.on(TelephonyHook)
    def telephony(hook: TelephonyHook) -> TelephonyReply:
        return TelephonyReply().sent(provider="ACME", transaction_id="tx-1")

    app = Flask(__name__)
    app.post("/hook")(serve(hooks))
    with wsgi_server(app) as port:
        yield f"http://127.0.0.1:{port}/hook"


AUTHENTICATED = ("--secret", "secret", "--header", "X-Secret")


@pytest.mark.parametrize(("kind", "variant"), ALL)
def test_print(kind: str, variant: str) -> None:
    """Each variant is printed as a JSON object that ``parse_hook`` reads."""
    done = run("payload", kind, "--variant", variant)
    assert done.exit_code == 0, done.output
    assert parse_hook(done.stdout).event_type == TYPES[kind]
    assert done.stderr == ""


def test_print_the_default() -> None:
    """Without a variant, the first one of the type is printed; --json prints the same."""
    for arguments in (("registration",), ("registration", "--json")):
        document = json.loads(run("payload", *arguments).stdout)
        assert document["requestType"] == "self.service.registration"


def test_list() -> None:
    """The list has every type with its variants, as rows or as one JSON document."""
    assert run("payload", "--list").stdout.splitlines() == [f"{k}\t{name}" for k, name in ALL]
    document = json.loads(run("payload", "--list", "--json").stdout)
    assert document == {kind: [*VARIANTS[TYPES[kind]]] for kind in TYPES}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("email",), "'token', 'saml', 'registration', 'import', 'password', 'telephony'"),
        ((), "pass a type (token, saml, registration, import, password, telephony) or --list"),
        (("saml", "--variant", "voice"), "--variant must be one of with-session, no-session"),
        (("saml", "--list"), "--list cannot be combined with a type or --variant"),
        (("--variant", "voice", "--list"), "--list cannot be combined with a type or --variant"),
    ],
)
def test_wrong_usage(arguments: tuple[str, ...], problem: str) -> None:
    """Wrong usage gives exit code 2 and a message with the choices."""
    done = run("payload", *arguments)
    assert (done.exit_code, problem in done.stderr) == (2, True), done.output


@pytest.mark.parametrize(
    "arguments",
    [
        ["payload", "token"],
        ["payload", "--list"],
        ["keys", "rotate", "mine", "--hooks", "--execute", "--yes"],
    ],
)
def test_without_the_extra(
    okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    """Without the extra emulator, a command exits with 2, names the package and changes nothing."""
    monkeypatch.setenv("OKTA_CLIENT_ORGURL", okta.url)
    monkeypatch.setenv("OKTA_CLIENT_TOKEN", okta.api_token)
    keys = [okta.create_key("mine")["id"]]
    code = (
        "import sys; sys.modules['starlette'] = None; from hookkey_verify.cli import main; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert "pip install 'hookkey_verify[emulator]'" in done.stderr
    assert [each["id"] for each in okta.org.list()] == keys


@pytest.mark.parametrize(("kind", "variant"), ALL)
def test_a_good_handler(handler: str, kind: str, variant: str) -> None:
    """A handler with ``Hooks`` ends in "commands" for every variant, and has no problems."""
    arguments = (handler, "--type", kind, "--variant", variant, *AUTHENTICATED, "--json")
    done = run("fire", *arguments)
    assert done.exit_code == 0, done.output
    report = json.loads(done.stdout)
    assert (report["outcome"], report["problems"]) == ("commands", [])


@pytest.mark.parametrize(("kind", "variant"), ALL)
def test_save_and_replay(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, kind: str, variant: str
) -> None:
    """The saved body is the one that was sent, and it is sent again byte for byte as its type."""
    monkeypatch.chdir(tmp_path)
    reply: dict[str, Any] = {"commands": []}
    with FaultServer(json_answer(200, reply)) as server:
        run("fire", server.url, "--type", kind, "--variant", variant, "--save", "saved")
        replayed = json.loads(run("fire", server.url, "--payload", "saved", "--json").stdout)
        sent, again = (request.body for request in server.requests)
    assert Path("saved").read_bytes() == sent == again
    assert replayed["type"] == TYPES[kind]
    assert [each["rule"] for each in replayed["problems"]] == [
        each.rule for each in check_reply(TYPES[kind], reply, parse_hook(sent))
    ]


def test_a_saved_body_is_private(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Only the owner can read a saved body, even if the file existed; --json does not show it."""
    monkeypatch.chdir(tmp_path)
    Path("old").write_text("x" * 100_000)
    Path("old").chmod(0o644)
    with FaultServer(json_answer(200, {"commands": []})) as server:
        for name in ("old", "new"):
            done = run("fire", server.url, "--type", "password", "--save", name, "--json")
            assert done.exit_code == 0, done.output
            assert "Invented-Pa55word" not in done.output
            assert Path(name).stat().st_mode & 0o777 == 0o600
            assert Path(name).read_bytes() == server.requests[-1].body


def test_nothing_is_sent_if_the_body_cannot_be_saved() -> None:
    """The file is opened before the handler is called, which may send a message or an e-mail."""
    with FaultServer(json_answer(200, {"commands": []})) as server:
        done = run("fire", server.url, "--type", "telephony", "--save", "/nowhere/saved")
        assert (done.exit_code, server.requests) == (2, [])


@pytest.mark.parametrize("body", [b"", b"\xff\xfe{", b'{"a": 1}\n\n', b"[" * 100_000])
def test_any_bytes_are_sent(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, body: bytes) -> None:
    """With --type, a body is sent even if it is not a request of Okta."""
    monkeypatch.chdir(tmp_path)
    Path("mine").write_bytes(body)
    with FaultServer(json_answer(200, {"commands": []})) as server:
        done = run("fire", server.url, "--payload", "mine", "--type", "saml")
        assert done.exit_code == 0, done.output
        assert [request.body for request in server.requests] == [body]


def test_from_standard_input(handler: str) -> None:
    """The output of ``hookkey payload`` can be piped into ``hookkey fire``."""
    printed = run("payload", "telephony", "--variant", "voice").stdout
    arguments = ["fire", handler, "--payload", "-", *AUTHENTICATED, "--json"]
    done = CliRunner().invoke(hookkey, arguments, input=printed)
    report = json.loads(done.stdout)
    assert (done.exit_code, report["type"]) == (0, "com.okta.telephony.provider")


def test_a_saved_body_that_was_not_delivered(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The body is saved even if no handler answers, so that it can be sent later."""
    monkeypatch.chdir(tmp_path)
    done = run("fire", "http://127.0.0.1:9/", "--type", "import", "--save", "saved")
    assert done.exit_code == 3
    assert parse_hook(Path("saved").read_bytes()).event_type == "com.okta.import.transform"
