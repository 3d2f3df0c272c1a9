"""``hookkey hooks code`` at the command line: its output, errors, permissions and placeholders."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hookkey_verify import HookSigner
from hookkey_verify.cli.hook_code.frameworks import FRAMEWORKS
from hookkey_verify.emulator import OktaEmulator

from ..conftest import KeyPool
from ..faults import FaultServer, json_answer
from .shell import Shell

URI = "https://hooks.acme.com/hook"
SERVERS = "/api/v1/authorizationServers"


@pytest.fixture
def hook(okta: OktaEmulator) -> dict[str, Any]:
    """Create a hook whose tokens come from the org's authorization server."""
    return okta.create_hook(URI, name="Team claim", key=okta.create_key("key"))


def _imported(directory: Path, source: str) -> subprocess.CompletedProcess[str]:
    """Import a program as a server does."""
    (directory / "hook.py").write_text(source)
    return subprocess.run(
        [sys.executable, "-c", "import hook"],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_document_has_the_program(
    shell: Shell, okta: OktaEmulator, hook: Mapping[str, Any]
) -> None:
    """With --json the program is a member, beside the set-up and the placeholders."""
    found = shell.json("hooks", "code", hook["id"], "--framework", "asgi", "--json")
    printed = shell("hooks", "code", "Team claim", "--framework", "asgi")
    assert found.pop("program") == printed.stdout
    assert f'ISSUER = "{okta.issuer}"' in printed.stdout
    assert found == {
        "id": hook["id"],
        "name": "Team claim",
        "framework": "asgi",
        "setup": "access-token",
        "placeholders": [],
        "notes": [],
    }
    assert printed.stderr == ""


@pytest.mark.parametrize("framework", [*FRAMEWORKS])
def test_a_placeholder_stops_the_program(
    shell: Shell, okta: OktaEmulator, hook: Mapping[str, Any], framework: str, tmp_path: Path
) -> None:
    """Without the permission for the audience, the program names the menu and does not start."""
    okta.fail(403, path=SERVERS)
    done = shell("hooks", "code", hook["id"], "--framework", framework)
    assert done.exit_code == 0
    assert "hookkey: AUDIENCE is a placeholder: " in done.stderr
    assert "okta.authorizationServers.read" in done.stderr
    assert "# Placeholder: see Security > API > Authorization Servers" in done.stdout
    stopped = _imported(tmp_path, done.stdout)
    assert stopped.returncode == 1
    assert stopped.stderr.endswith("set AUDIENCE: Security > API > Authorization Servers\n")
    edited = done.stdout.replace('AUDIENCE = ""', 'AUDIENCE = "api://hooks"')
    started = _imported(tmp_path, edited)
    assert started.returncode == 0, started.stderr


def test_placeholders_for_another_server(shell: Shell, okta: OktaEmulator, tmp_path: Path) -> None:
    """For another authorization server, the program needs issuer and audience, and discovers."""
    okta.create_hook(URI, key=okta.create_key("k"), token_url=f"{URI}/token", client_id="0oa1")
    arguments = ("hooks", "code", "Hook", "--framework", "wsgi")
    done = shell(*arguments, "--setup", "access-token")
    assert "set ISSUER and AUDIENCE to the iss and aud" in done.stderr
    assert "discover=True" in done.stdout
    stopped = _imported(tmp_path, done.stdout)
    assert stopped.stderr.endswith("set ISSUER and AUDIENCE: see their comments\n")
    document = shell.json(*arguments, "--setup", "access-token", "--json")
    assert document["placeholders"] == ["ISSUER", "AUDIENCE"]
    assert "so the program answers there too" in shell(*arguments).stderr


def test_a_service_app_requests_both_scopes(
    shell: Shell, okta: OktaEmulator, hook: Mapping[str, Any], key_pool: KeyPool, tmp_path: Path
) -> None:
    """A service app reads the hook and, if it is granted that scope, the audience."""
    read, servers = "okta.inlineHooks.read", "okta.authorizationServers.read"
    key = key_pool()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "app.pem").write_bytes(pem)
    jwk = HookSigner(key, "app-key").public_jwk()
    shell.env |= {"OKTA_CLIENT_TOKEN": None, "OKTA_CLIENT_PRIVATEKEY": str(tmp_path / "app.pem")}
    for scopes, placeholders in (((read, servers), []), ((read,), ["AUDIENCE"])):
        client_id = okta.create_service_app(jwk, scopes)
        shell.env["OKTA_CLIENT_CLIENTID"] = client_id
        found = shell.json("hooks", "code", hook["id"], "--framework", "flask", "--json")
        assert found["placeholders"] == placeholders


def test_an_unknown_hook(shell: Shell, hook: Mapping[str, Any]) -> None:
    """A hook that the org does not have ends with exit code 4."""
    done = shell("hooks", "code", "Other", "--framework", "flask")
    assert (done.exit_code, done.stdout) == (4, "")
    assert "the org has no inline hook 'Other'" in done.stderr


def test_an_unknown_framework(shell: Shell) -> None:
    """A framework without a program is a usage error that lists all."""
    done = shell("hooks", "code", "Hook", "--framework", "tornado")
    assert done.exit_code == 2
    assert all(name in done.stderr for name in FRAMEWORKS)


def test_missing_permissions(shell: Shell, okta: OktaEmulator, hook: Mapping[str, Any]) -> None:
    """Without the permission to read hooks, the exit code is 5 and nothing is printed."""
    okta.fail(403, path="/api/v1/inlineHooks")
    done = shell("hooks", "code", hook["id"], "--framework", "flask")
    assert (done.exit_code, done.stdout) == (5, "")


def test_an_unknown_type(shell: Shell, okta: OktaEmulator) -> None:
    """A type that Okta has added has no handler; the error names the type."""
    channel = {"type": "HTTP", "config": {"uri": URI}}
    listed = [{"id": "cal1", "name": "New", "type": "com.okta.new", "channel": channel}]
    with FaultServer(json_answer(200, listed)) as org:
        shell.env["OKTA_CLIENT_ORGURL"] = org.url
        done = shell("hooks", "code", "New", "--framework", "flask", "--json")
    assert (done.exit_code, json.loads(done.stdout)["error"]["reason"]) == (2, "configuration")
    assert "no handler for hooks of type 'com.okta.new'" in done.stderr


def test_the_help_names_the_permissions(shell: Shell) -> None:
    """The help has the scope and the permission of a custom role for each thing that is read."""
    done = shell("hooks", "code", "--help")
    for name in ("okta.inlineHooks.read", "okta.inlinehooks.read", "okta.authorizationServers.read",
                 "okta.authzServers.read"):  # fmt: skip
        assert name in done.stdout
    listed = shell("hooks", "--help").stdout
    assert "code " in listed
    assert "Print a program that protects an inline hook and answers it" in listed.replace(
        "\n             ", " "
    )
