"""``hookkey hooks`` manages the inline hooks of the local org."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hookkey_verify import HookSigner

from ..conftest import KeyPool
from ..faults import MARK, FaultServer, answer, json_answer, okta_error
from .shell import Shell, on_a_terminal

TOKEN = "com.okta.oauth2.tokens.transform"
URI = "https://hooks.acme.com/hook"
TOKEN_URL = "https://hooks.acme.com/token"
OAUTH = ("--client-id", "0oa1", "--token-url", TOKEN_URL)
SECRET = "s3cret-of-the-hook"
HEADER = f"X-Secret: {SECRET}\n"
CREATE = ("hooks", "create", "Claims", "--type", "token", "--uri", URI)


def _hook(shell: Shell, name: str = "Claims", **options: Any) -> str:
    made: str = shell.okta.create_hook(URI, name=name, **options)["id"]
    return made


def test_an_administrators_afternoon(shell: Shell) -> None:
    """An administrator can create, list, show, change, stop, start and delete a hook."""
    key = shell.okta.create_key("Token hook")
    options = ("--hook-key", "Token hook", *OAUTH, "--scope", "hooks", "--header", "X-A: b: c")
    made = shell.json(*CREATE, *options, "--json")
    assert set(made) == {
        "id", "name", "type", "status", "version", "created", "lastUpdated", "authentication",
        "channelType", "uri", "method", "headers", "authHeader", "authType", "clientId",
        "hookKeyId", "tokenUrl", "scope",
    }  # fmt: skip
    assert (made["type"], made["status"]) == (TOKEN, "ACTIVE")
    assert (made["authentication"], made["hookKeyId"]) == ("private_key_jwt", key["id"])
    assert (made["clientId"], made["tokenUrl"], made["scope"]) == ("0oa1", TOKEN_URL, "hooks")
    assert made["headers"] == {"X-A": "b: c"}
    for hook in (made["id"], "Claims"):
        assert shell.json("hooks", "show", hook, "--json") == made
    row = (made["id"], "Claims", TOKEN, "ACTIVE", "private_key_jwt", URI)
    assert shell("hooks", "list").stdout == "\t".join(row) + "\n"
    assert shell.json("hooks", "list", "--type", "token", "--json") == [made]
    assert shell.json("hooks", "list", "--type", "com.okta.saml.tokens.transform", "--json") == []
    changed = shell.json("hooks", "replace", "Claims", "--uri", f"{URI}/2", "--json")
    assert changed == {**made, "uri": f"{URI}/2", "lastUpdated": changed["lastUpdated"]}
    assert shell.json("hooks", "deactivate", "Claims", "--json")["status"] == "INACTIVE"
    assert shell.json("hooks", "activate", "Claims", "--json")["status"] == "ACTIVE"
    shell.json("hooks", "deactivate", "Claims", "--json")
    assert shell.json("hooks", "delete", "Claims", "--yes", "--json") == {"deleted": made["id"]}
    assert shell.json("hooks", "list", "--json") == []


def test_texts_for_people(shell: Shell) -> None:
    """Without ``--json``, a hook is printed as lines with titles, without values of headers."""
    done = shell(*CREATE, "--auth-header", "-", "--header", "X-A: not shown", stdin=HEADER)
    [hook] = shell.okta.hooks.all()
    assert done.stderr == f"created {hook.id}\n"
    lines = dict(line.split(maxsplit=1) for line in done.stdout.splitlines())
    assert lines == {
        "id": hook.id,
        "name": "Claims",
        "type": TOKEN,
        "status": "ACTIVE",
        "created": lines["created"],
        "uri": URI,
        "method": "POST",
        "headers": "X-A",
        "authentication": "auth_header",
        "header": "X-Secret",
    }
    assert lines["created"].endswith(" UTC")
    assert (hook.auth_header, hook.headers) == (("X-Secret", SECRET), (("X-A", "not shown"),))


def test_secrets_come_from_files_and_stdin(shell: Shell, tmp_path: Path) -> None:
    """Secrets are read from files or stdin and sent to Okta, and never printed."""
    file = tmp_path / "secret"
    file.write_text(f"{SECRET}\n")
    done = shell(*CREATE, "--client-secret", str(file), *OAUTH, "--json")
    assert json.loads(done.stdout)["authentication"] == "client_secret_post"
    assert shell.okta.hooks.all()[0].client_secret == SECRET
    replaced = shell("hooks", "replace", "Claims", "--auth-header", "-", stdin=HEADER)
    assert replaced.exit_code == 0
    assert shell.okta.hooks.all()[0].auth_header == ("X-Secret", SECRET)
    literal = shell(*CREATE, "--client-secret", SECRET, *OAUTH)
    assert (literal.exit_code, "cannot be read" in literal.stderr) == (2, True)
    for each in (done, replaced, literal):
        assert SECRET not in each.output


def test_a_rotation_of_the_hook_key(shell: Shell) -> None:
    """``replace --hook-key`` selects another key by its name and keeps everything else."""
    first, second = (shell.okta.create_key(name) for name in ("first", "second"))
    _hook(shell, key=first, token_url=TOKEN_URL, client_id="0oa1")
    done = shell.json("hooks", "replace", "Claims", "--hook-key", "second", "--json")
    assert (done["hookKeyId"], done["clientId"]) == (second["id"], "0oa1")


def test_headers_and_names_are_replaced(shell: Shell) -> None:
    """``--header`` replaces all headers, ``--no-headers`` removes them, ``--name`` renames."""
    _hook(shell)
    two = ("--header", "X-A: 1", "--header", "X-B: 2")
    done = shell.json("hooks", "replace", "Claims", *two, "--method", "PUT", "--json")
    assert (done["headers"], done["method"]) == ({"X-A": "1", "X-B": "2"}, "PUT")
    done = shell.json("hooks", "replace", "Claims", "--header", "X-C: 3", "--json")
    assert done["headers"] == {"X-C": "3"}
    done = shell.json("hooks", "replace", "Claims", "--no-headers", "--name", "New", "--json")
    assert (done["headers"], done["name"]) == ({}, "New")


def test_execute_prints_the_reply(shell: Shell, tmp_path: Path) -> None:
    """``execute`` says that it runs the production handler, and prints the reply as JSON."""
    reply = {"commands": [{"type": "com.okta.access.patch", "value": []}]}
    file = tmp_path / "payload.json"
    file.write_text('{"mine": 1}')
    with FaultServer(json_answer(200, reply)) as handler:
        shell.okta.create_hook(f"{handler.url}/hook?code={SECRET}", name="Claims")
        done = shell("hooks", "execute", "Claims", str(file))
        piped = shell("hooks", "execute", "Claims", "-", "--json", stdin='{"mine": 1}')
        assert [json.loads(each.body) for each in handler.requests] == [{"mine": 1}] * 2
    for each in (done, piped):
        assert each.exit_code == 0
        assert json.loads(each.stdout) == reply
        where = f"the production handler of 'Claims' now: {handler.url}/hook\n"
        assert each.stderr == f"Okta calls {where}"


def test_execute_of_a_handler_that_fails(shell: Shell) -> None:
    """A handler that fails ends with the exit code 1, and its response is not repeated."""
    with FaultServer(json_answer(500, {"error": MARK})) as handler:
        shell.okta.create_hook(handler.url, name="Claims")
        done = shell("hooks", "execute", "Claims", "-", "--json", stdin="{}")
    assert done.exit_code == 1
    assert json.loads(done.stdout)["error"]["reason"] == "api_validation_failed"
    assert "the handler failed" in done.stderr
    assert MARK not in done.output


@pytest.mark.parametrize("stdin", ["", "[]", "{", '{"a": NaN}', '{"a":1,"a":2}', "x" * 1_100_000])
def test_payloads_that_are_not_json(shell: Shell, stdin: str) -> None:
    """A payload that is not a JSON object of at most 1 MiB is refused before any request."""
    _hook(shell)
    done = shell("hooks", "execute", "Claims", "-", stdin=stdin)
    assert done.exit_code == 2
    assert "hookkey: the payload " in done.stderr
    assert len(shell.okta.requests) == 0


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (("show", "nothing"), 4, "no inline hook 'nothing'; hookkey hooks list shows all"),
        (("show", ""), 4, "no inline hook ''"),
        (("show", "../Open"), 4, "no inline hook '../Open'"),
        (("show", "a\x1b[31m\u2603"), 4, "no inline hook"),
        (("activate", "nothing"), 4, "no inline hook"),
        (("deactivate", "nothing"), 4, "no inline hook"),
        (("delete", "nothing", "--yes"), 4, "no inline hook"),
        (("delete", "Open"), 2, "--yes"),
        (("delete", "Open", "--yes"), 1, "the hook is active: deactivate it first"),
        (("list", "--type", "nothing"), 2, "'nothing' is not one of 'token', 'saml'"),
        (("create", "Open"), 2, "Missing option '--type'"),
        ((*CREATE[1:],), 2, "pass --auth-header, a pair of name and value; or --client-secret"),
        ((*CREATE[1:], "--hook-key", "nothing", *OAUTH), 4, "no hook key 'nothing'"),
        ((*CREATE[1:], "--hook-key", "Key"), 2, "pass --client-id and --token-url too, for"),
        ((*CREATE[1:6], "http://acme.com", "--auth-header", "-"), 2, "--uri must begin with https"),
        ((*CREATE[1:6], URI, "--auth-header", "-", "--type", "saml", "--scope", "a"), 2,
         "pass --hook-key or --client-secret to use --scope"),
        (("create", "Open", *CREATE[3:], "--auth-header", "-"), 1, "in use already"),
        (("create", "a\nb", *CREATE[3:], "--auth-header", "-"), 2, "NAME must be 1 to 255"),
        (("replace", "Open"), 2, "say what to change, such as --uri"),
        (("replace", "nothing", "--uri", URI), 4, "no inline hook"),
        (("replace", "Secret", "--uri", URI), 2, "--auth-header is missing: Okta does not return"),
        (("replace", "Open", "--header", SECRET), 2, "--header must have the form NAME: VALUE"),
        (("replace", "Open", "--header", "a: b", "--header", "a: c"), 2, "headers have one name"),
        (("replace", "Open", "--header", "a: b", "--no-headers"), 2, "cannot be combined"),
        (("replace", "Open", "--name", "Secret"), 1, "in use already"),
        (("replace", "Open", "--name", ""), 2, "--name must be 1 to 255"),
        (("execute", "nothing", "-"), 2, "the payload is not"),
        (("execute", "Open", "/no/such/file"), 2, "cannot be read"),
    ],
    ids=lambda value: " ".join(value)[:60] if isinstance(value, tuple) else "",
)  # fmt: skip
def test_exit_codes(shell: Shell, arguments: tuple[str, ...], code: int, problem: str) -> None:
    """Each error has its exit code and a message on stderr, and changes no hook."""
    shell.okta.create_key("Key")
    _hook(shell, "Open")
    _hook(shell, "Secret", secret=("Authorization", SECRET))
    before = shell.okta.hooks.list()
    done = shell("hooks", *arguments, stdin=HEADER)
    assert done.exit_code == code
    assert problem in " ".join(done.stderr.split())
    assert done.stdout == ""
    assert SECRET not in done.output
    assert "\x1b" not in done.output
    assert shell.okta.hooks.list() == before


@pytest.mark.parametrize(
    "content", ["", "no colon", "\xff: a", "a: b\nc: d", ": a", "a:", "a b: c"]
)
def test_files_that_are_not_a_header(shell: Shell, tmp_path: Path, content: str) -> None:
    """A file that does not contain exactly one header is refused, without repeating it."""
    file = tmp_path / "header"
    file.write_text(content)
    done = shell(*CREATE, "--auth-header", str(file))
    assert (done.exit_code, done.stdout) == (2, "")
    assert content == "" or content not in done.stderr
    assert shell.okta.hooks.all() == ()


def test_two_hooks_that_match(shell: Shell) -> None:
    """A name that is also the id of another hook is ambiguous, and the message has both ids."""
    first = _hook(shell)
    second = _hook(shell, first)
    done = shell("hooks", "show", first)
    assert done.exit_code == 2
    assert f"several hooks: {first}, {second}" in done.stderr


@pytest.mark.parametrize(
    ("behaviour", "code", "reason"),
    [
        (json_answer(400, okta_error("E0000001")), 1, "api_validation_failed"),
        (json_answer(401, okta_error("E0000011")), 5, "api_authentication_failed"),
        (json_answer(403, okta_error("E0000006")), 5, "api_forbidden"),
        (json_answer(429, okta_error("E0000047"), "Retry-After: 120"), 3, "api_rate_limited"),
        (json_answer(500, okta_error("E0000009")), 3, "api_unreachable"),
        (answer(200, b"<html>", "Content-Type: text/html"), 3, "api_unreachable"),
        (json_answer(200, [None]), 3, "api_unreachable"),
        (answer(302, b"", "Location: https://evil.example/"), 3, "api_unreachable"),
    ],
)
def test_errors_as_json(shell: Shell, behaviour: Any, code: int, reason: str) -> None:
    """With ``--json``, stdout has a document with a stable reason, and stderr has the message."""
    with FaultServer(behaviour) as server:
        shell.env["OKTA_CLIENT_ORGURL"] = server.url
        done = shell("hooks", "list", "--json")
    assert done.exit_code == code
    assert json.loads(done.stdout)["error"]["reason"] == reason
    assert done.stderr.startswith("hookkey: ")
    assert shell.okta.api_token not in done.output
    assert MARK not in done.output


def test_each_help_names_the_permission(shell: Shell) -> None:
    """The help of each command names the role and the scope that it needs."""
    for command in ("list", "show"):
        text = " ".join(shell("hooks", command, "--help").stdout.split())
        assert "okta.inlinehooks.read" in text
        assert "okta.inlineHooks.read" in text
        assert "manage" not in text
    for command in ("create", "replace", "activate", "deactivate", "delete", "execute"):
        text = " ".join(shell("hooks", command, "--help").stdout.split())
        assert "okta.inlinehooks.manage" in text
        assert "okta.inlineHooks.manage" in text


def test_names_cannot_drive_the_terminal(shell: Shell) -> None:
    """Control characters in the fields of a hook are escaped."""
    channel = {"type": "HTTP", "config": {"uri": "\x1b]0;u\x07", "headers": [{"key": "\x1b[2J"}]}}
    hook = {"id": "cal1", "name": "\x1b[31mred", "type": "\x9b", "channel": channel}
    listing, one = json_answer(200, [hook]), json_answer(200, hook)
    with FaultServer(listing, listing, listing, one) as server:
        shell.env["OKTA_CLIENT_ORGURL"] = server.url
        outputs = [
            shell("hooks", *arguments, stdin="{}").output
            for arguments in (("list",), ("show", "cal1"), ("execute", "cal1", "-"))
        ]
    for output in outputs:
        assert not {"\x1b", "\x07", "\x9b"} & {*output}
    assert "cal1\t\\x1b[31mred\t\\x9b\t\tnone" in outputs[0]


def test_a_table_for_a_terminal(shell: Shell) -> None:
    """On a terminal, ``list`` prints a table whose ids do not wrap, however narrow it is."""
    id_ = _hook(shell)
    for columns in ("160", "40"):
        assert id_ in on_a_terminal(shell, "hooks", "list", COLUMNS=columns)


def test_a_deletion_is_asked_about(shell: Shell) -> None:
    """On a terminal, ``delete`` asks for confirmation, and the answer no keeps the hook."""
    id_ = _hook(shell)
    shell.okta.hooks.set_status(id_, "INACTIVE")
    leader, follower = pty.openpty()
    variables = {name: value for name, value in shell.env.items() if value is not None}
    for reply, left in ((b"n\n", 1), (b"y\n", 0)):
        process = subprocess.Popen(
            [sys.executable, "-m", "hookkey_verify", "hooks", "delete", "Claims"],
            stdin=follower,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env={**os.environ, **variables},
            text=True,
        )
        os.write(leader, reply)
        _, asked = process.communicate(timeout=30)
        assert "Delete 'Claims'" in asked
        assert len(shell.okta.hooks.all()) == left
    assert f"deleted {id_}" in asked
    os.close(leader)
    os.close(follower)


def test_an_interrupted_create(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """After Ctrl-C during a create, the message says that the hook may exist."""

    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("hookkey_verify.okta.inline_hooks.InlineHooksClient.create", interrupt)
    done = shell(*CREATE, "--auth-header", "-", stdin=HEADER)
    assert done.exit_code == 1
    assert "hookkey hooks list shows it" in done.stderr


# --- permissions


def test_an_id_of_a_key_needs_no_permission_for_keys(shell: Shell) -> None:
    """Who may not read hook keys can select one by its id, but not by its name."""
    key = shell.okta.create_key("Token hook")
    shell.okta.fail(403, path="/api/v1/hook-keys")
    made = shell.json(*CREATE, "--hook-key", key["id"], *OAUTH, "--json")
    assert made["hookKeyId"] == key["id"]
    shell.okta.fail(403, path="/api/v1/hook-keys")
    done = shell("hooks", "replace", "Claims", "--hook-key", "Token hook")
    assert done.exit_code == 5
    assert "super admin" in done.stderr


def test_a_service_app_that_changes_hooks(shell: Shell, key_pool: KeyPool, tmp_path: Path) -> None:
    """A service app can change hooks if OKTA_CLIENT_SCOPES has the scope for that."""
    key = key_pool()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "app.pem").write_bytes(pem)
    hook = _hook(shell, secret=("X-Secret", SECRET))
    shell.env |= {
        "OKTA_CLIENT_TOKEN": None,
        "OKTA_CLIENT_PRIVATEKEY": str(tmp_path / "app.pem"),
        "OKTA_CLIENT_CLIENTID": shell.okta.create_service_app(HookSigner(key, "k").public_jwk()),
    }
    refused = shell("hooks", "deactivate", hook)
    assert refused.exit_code == 5
    shell.env["OKTA_CLIENT_SCOPES"] = "okta.inlineHooks.read okta.inlineHooks.manage"
    assert shell.json("hooks", "deactivate", hook, "--json")["status"] == "INACTIVE"
