"""``hookkey keys rotate`` rotates a key of the local org."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from hookkey_verify import HookSigner
from hookkey_verify.emulator.rsa_keys import to_pem

from ..faults import FaultServer, json_answer
from .shell import Shell

HOOKS = ("keys", "rotate", "Token hook", "--hooks", "--yes", "--keep", "0")
NEXT = "Token hook (next)"


@pytest.fixture
def hook(shell: Shell) -> dict[str, Any]:
    """A hook with a key, whose verifiers the org does not know."""
    shell.okta.create_key("Token hook")
    return _hook(shell)


def _hook(shell: Shell, name: str = "Claims") -> dict[str, Any]:
    return shell.okta.create_hook(
        "https://hooks.acme.com/hook",
        name=name,
        key="Token hook",
        token_url="https://hooks.acme.com/token",
        client_id="0oaElsewhere",
    )


def _names(shell: Shell) -> list[str]:
    return sorted(key["name"] for key in shell.okta.org.list())


def _key_of(shell: Shell, hook: dict[str, Any]) -> str:
    used = shell.okta.hooks.get(hook["id"]).hook_key_id
    return next(str(key["name"]) for key in shell.okta.org.list() if key["id"] == used)


def test_a_rotation_in_three_runs(shell: Shell, hook: dict[str, Any]) -> None:
    """The first run prints the key for the verifiers, the second switches, the third ends it."""
    first = shell("keys", "rotate", "Token hook", "--hooks", "--yes")
    assert first.exit_code == 6
    assert "'Claims'" in first.stderr
    assert "--verifiers-ready" in first.stderr
    assert json.loads(first.stdout.partition("\n\n")[2])["alg"] == "RS256"
    second = shell("keys", "rotate", "Token hook", "--hooks", "--yes", "--verifiers-ready")
    assert second.exit_code == 6
    assert "Run the same command again after " in second.stderr
    assert second.stdout == ""
    assert _key_of(shell, hook) == NEXT
    shell.okta.skew(3602)
    third = shell("keys", "rotate", "Token hook", "--hooks", "--yes", "--json")
    assert third.exit_code == 0
    document = json.loads(third.stdout)
    assert (document["finished"], document["waitingFor"], document["name"]) == (
        True,
        None,
        "Token hook",
    )
    assert {step["done"] for step in document["steps"]} == {True}
    assert (_names(shell), _key_of(shell, hook)) == (["Token hook"], "Token hook")
    again = shell("keys", "rotate", "Token hook", "--hooks", "--yes")
    assert again.exit_code == 0
    assert "--again" in again.stderr
    as_json = json.loads(shell("keys", "rotate", "Token hook", "--hooks", "--yes", "--json").stdout)
    assert [("--again" in note, "again=" in note) for note in as_json["notes"]] == [(True, False)]
    assert len(shell.okta.org.list()) == 1


def test_json_while_it_waits(shell: Shell, hook: dict[str, Any]) -> None:
    """With ``--json``, stdout is one document with the new key and what the run waits for."""
    first = shell(*HOOKS, "--json")
    assert first.exit_code == 6
    document = json.loads(first.stdout)
    assert (document["waitingFor"], document["runAgainAt"]) == ("verifiers", None)
    assert document["jwk"]["kid"] == document["keyId"]
    second = shell("keys", "rotate", document["id"], "--hooks", "--yes", "--verifiers-ready",
                   "--keep", "90m", "--json")  # fmt: skip
    assert json.loads(second.stdout)["runAgainAt"].endswith("+00:00")


def test_a_plan(shell: Shell, hook: dict[str, Any]) -> None:
    """``--dry-run`` prints the steps, needs no confirmation, and changes nothing."""
    done = shell("keys", "rotate", "Token hook", "--hooks", "--dry-run")
    assert done.exit_code == 0
    rows = [line.split("\t") for line in done.stdout.splitlines()]
    assert rows[0] == ["create", "to do", f"create the key {NEXT!r}"]
    assert [row[0] for row in rows][-1] == "rename"
    assert _names(shell) == ["Token hook"]
    document = shell.json("keys", "rotate", "Token hook", "--hooks", "--dry-run", "--json")
    assert not document["finished"]


def test_an_undo(shell: Shell, hook: dict[str, Any]) -> None:
    """``--undo`` switches back, and ``--discard`` deletes the new key after the same time."""
    shell("keys", "rotate", "Token hook", "--hooks", "--yes", "--verifiers-ready")
    assert _key_of(shell, hook) == NEXT
    undone = shell(*HOOKS, "--undo")
    assert (undone.exit_code, undone.stdout) == (0, "")  # verifiers need no key
    assert (_key_of(shell, hook), _names(shell)) == ("Token hook", ["Token hook", NEXT])
    waits = shell("keys", "rotate", "Token hook", "--hooks", "--yes", "--undo", "--discard")
    assert waits.exit_code == 6
    assert shell(*HOOKS, "--undo", "--discard").exit_code == 0
    assert _names(shell) == ["Token hook"]
    assert "nothing to undo" in shell(*HOOKS, "--undo").stderr


def test_a_bridge(shell: Shell, hook: dict[str, Any]) -> None:
    """``--bridge`` confirms the verifiers if the URL serves the key, and else does not."""
    made = shell.json("keys", "rotate", "Token hook", "--json")
    with FaultServer(json_answer(200, {"keys": []})) as server:
        lacking = shell(*HOOKS, "--bridge", server.url, "--patience", "0")
    assert lacking.exit_code == 6
    with FaultServer(json_answer(200, {"keys": [made["jwk"]]})) as server:
        assert shell(*HOOKS, "--bridge", server.url).exit_code == 0
    assert _key_of(shell, hook) == "Token hook"


def test_a_run_that_waits(shell: Shell, hook: dict[str, Any]) -> None:
    """``--wait`` waits for the end of ``--keep``, and then completes the rotation."""
    arguments = (*HOOKS[:-1], "1s", "--wait", "--verifiers-ready")
    assert shell(*arguments).exit_code == 0
    assert _names(shell) == ["Token hook"]


def test_execute(shell: Shell) -> None:
    """``--execute`` calls the handler with a payload of its type."""
    shell.okta.create_key("Token hook")
    with FaultServer(json_answer(200, {"commands": []})) as server:
        shell.okta.create_hook(f"{server.url}/hook", name="Claims", key="Token hook")
        done = shell(*HOOKS, "--execute")
        assert done.exit_code == 0
        assert b"com.okta.oauth2.tokens.transform" in server.requests[0].body
    assert "execute the active hooks: 'Claims'" in done.stderr


def test_execute_needs_a_payload(shell: Shell) -> None:
    """A hook of a type without an example cannot be executed; the error names the type."""
    shell.okta.create_key("Token hook")
    hook = _hook(shell)
    odd = replace(shell.okta.hooks.get(hook["id"]), type="com.okta.new")
    shell.okta.hooks._hooks[odd.id] = odd
    done = shell(*HOOKS, "--execute", "--verifiers-ready")
    assert done.exit_code == 2
    assert "no inline hook of the type 'com.okta.new'" in done.stderr


def test_a_rotation_by_hand(shell: Shell, hook: dict[str, Any]) -> None:
    """Without ``--hooks``, the first run prints the key and the second one finishes."""
    first = shell("keys", "rotate", "Token hook")
    assert first.exit_code == 0
    assert "--finish" in first.stderr
    made = shell.json("keys", "get", NEXT, "--json")
    assert made["keyId"] in first.stdout
    used = shell("keys", "rotate", "Token hook", "--finish", "--yes")
    assert used.exit_code == 1
    assert "still uses" in used.stderr
    shell.okta.hooks.replace(
        hook["id"],
        {"channel": {"type": "OAUTH", "config": {
            **hook["channel"]["config"], "hookKeyId": made["id"]}}},
    )  # fmt: skip
    finished = shell.json("keys", "rotate", "Token hook", "--finish", "--yes", "--json")
    assert (finished["id"], finished["name"], finished["finished"]) == (
        made["id"],
        "Token hook",
        True,
    )


def test_a_service_app_with_some_scopes(shell: Shell, app_key: HookSigner) -> None:
    """A service app without configured scopes uses those it has; a missing one is named."""
    shell.okta.create_key("Token hook")
    shell.okta.create_hook("https://hooks.acme.com/hook", key="Token hook")
    client_id = shell.okta.create_service_app(app_key.public_jwk(), ["okta.inlineHooks.read"])
    shell.env |= {
        "OKTA_CLIENT_TOKEN": None,
        "OKTA_CLIENT_AUTHORIZATIONMODE": "PrivateKey",
        "OKTA_CLIENT_CLIENTID": client_id,
        "OKTA_CLIENT_PRIVATEKEY": to_pem(app_key._key),
    }
    plan = shell("keys", "rotate", "Token hook", "--hooks", "--dry-run")
    assert plan.exit_code == 0
    assert "okta.apps.manage" in plan.stderr
    done = shell(*HOOKS, "--verifiers-ready")
    assert done.exit_code == 5
    assert "okta.inlineHooks.manage" in done.stderr


def _answered(shell: Shell, answers: str, *options: str) -> tuple[int, str]:
    """Run the command on a terminal, give these answers, and return its code and stderr."""
    leader, follower = pty.openpty()
    variables = {name: value for name, value in shell.env.items() if value is not None}
    process = subprocess.Popen(
        [sys.executable, "-m", "hookkey_verify", *HOOKS[:4], "--keep", "0", *options],
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **variables},
        text=True,
    )
    os.write(leader, answers.encode())
    _, asked = process.communicate(timeout=60)
    os.close(leader)
    os.close(follower)
    return process.returncode, asked


def test_questions_on_a_terminal(shell: Shell, hook: dict[str, Any]) -> None:
    """On a terminal, the command asks for the verifiers and before each change, until a no."""
    code, asked = _answered(shell, "n\n")
    assert code == 6
    assert "Do all verifiers of 'Claims' have this key?" in asked
    code, asked = _answered(shell, "y\nn\n")
    assert code == 1
    assert "Let the hooks use the key: 'Claims'?" in asked
    assert _key_of(shell, hook) == "Token hook"
    code, asked = _answered(shell, "y\ny\ny\n")
    assert code == 0
    assert "Delete the key 'Token hook' (HKY" in asked
    assert _names(shell) == ["Token hook"]


def test_the_help_names_the_permissions(shell: Shell) -> None:
    """The help lists the scopes and the exit code of a rotation that is not finished."""
    text = " ".join(shell("keys", "rotate", "--help").stdout.split())
    for words in ("okta.inlineHooks.manage", "okta.apps.manage", "6 if it must be run again"):
        assert words in text
