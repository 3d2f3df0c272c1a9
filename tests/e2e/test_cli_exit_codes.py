"""``hookkey keys``: exit codes and error messages."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ..faults import FaultServer, answer, json_answer
from .shell import Shell


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (("keys", "get", "nothing"), 4, "no hook key 'nothing'"),
        (("keys", "public", "nothing"), 4, "keys list"),
        (("keys", "delete", "nothing", "--yes"), 4, "no hook key"),
        (("keys", "rotate", "nothing"), 4, "no hook key of the name"),
        (("keys", "rotate", "taken", "--finish", "--yes"), 4, "run it without --finish first"),
        (("keys", "rotate", "taken", "--undo"), 2, "--hooks"),
        (("keys", "rotate", "taken", "--hooks", "--finish"), 2, "without --hooks"),
        (("keys", "rotate", "taken", "--hooks", "--discard", "--yes"), 2, "--undo"),
        (("keys", "rotate", "taken", "--hooks"), 2, "--yes"),
        (("keys", "rotate", "taken", "--hooks", "--yes", "--keep", "1y"), 2, "such as 90m"),
        (("keys", "rotate", "taken", "--hooks", "--yes", "--keep", "99d"), 2, "--keep must be"),
        (("keys", "create", ""), 2, "NAME must be"),
        (("keys", "rotate", "n" * 250), 2, "pass --successor"),
        (("keys", "create"), 2, "Missing argument"),
        (("keys", "create", "taken"), 1, "in use already"),
        (("keys", "delete", "taken"), 2, "--yes"),
        (("keys", "delete", "used", "--yes"), 1, "still uses"),
        (("no-such-command",), 2, "No such command"),
    ],
)
def test_exit_codes(shell: Shell, arguments: tuple[str, ...], code: int, problem: str) -> None:
    """Each error has its exit code and a message on stderr, and leaves both keys in place."""
    shell.okta.create_key("taken")
    shell.okta.org.set_used(shell.okta.create_key("used")["id"])
    done = shell(*arguments)
    assert done.exit_code == code
    assert problem in done.stderr
    assert done.stdout == ""
    assert len(shell.okta.org.list()) == 2


@pytest.mark.parametrize(
    ("behaviour", "code", "reason"),
    [
        (json_answer(401, {"errorCode": "E0000011"}), 5, "api_authentication_failed"),
        (json_answer(403, {"errorCode": "E0000006"}), 5, "api_forbidden"),
        (answer(200, b"<html>", "Content-Type: text/html"), 3, "api_unreachable"),
    ],
)
def test_errors_as_json(shell: Shell, behaviour: Any, code: int, reason: str) -> None:
    """With ``--json``, stdout has a document with a stable reason, and stderr has the message."""
    with FaultServer(behaviour) as server:
        shell.env["OKTA_CLIENT_ORGURL"] = server.url
        done = shell("keys", "list", "--json")
    assert done.exit_code == code
    assert json.loads(done.stdout)["error"]["reason"] == reason
    assert done.stderr.startswith("hookkey: ")
    assert shell.okta.api_token not in done.output


def test_nothing_is_configured(shell: Shell) -> None:
    """Without an org URL, the message names the variable and the setting in okta.yaml."""
    shell.env["OKTA_CLIENT_ORGURL"] = None
    done = shell("keys", "list")
    assert done.exit_code == 2
    assert "set OKTA_CLIENT_ORGURL, or okta.client.orgUrl in okta.yaml" in done.stderr


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("OKTA_CLIENT_ORGURL", "https://{yourOktaDomain}", "OKTA_CLIENT_ORGURL still contains a"),
        ("OKTA_CLIENT_ORGURL", "https://acme-admin.okta.com", "did you mean https://acme.okta"),
        ("OKTA_CLIENT_ORGURL", "http://acme.okta.com", "OKTA_CLIENT_ORGURL must begin with https"),
        ("OKTA_CLIENT_TOKEN", "Bearer eyJhbGciOi", "OKTA_CLIENT_TOKEN must be the token alone"),
        ("OKTA_CLIENT_TOKEN", "SSWS 00s3cr3t", "OKTA_CLIENT_TOKEN must be the token alone"),
        ("OKTA_CLIENT_TOKEN", None, "set OKTA_CLIENT_TOKEN"),
    ],
)
def test_settings_are_called_by_their_variables(
    shell: Shell, variable: str, value: str | None, problem: str
) -> None:
    """Messages name a setting by its environment variable and do not repeat the token."""
    shell.env[variable] = value
    token = (shell.env["OKTA_CLIENT_TOKEN"] or "").split()
    for command in (("keys", "list"), ("doctor",)):
        done = shell(*command)
        assert done.exit_code == 2
        assert problem in done.output
        assert not token or token[-1] not in done.output
