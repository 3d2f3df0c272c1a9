"""``hookkey emulate`` runs the local org as a process."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import requests
from click.testing import CliRunner

from hookkey_verify import ApiToken, HookKeysClient
from hookkey_verify.cli.commands import hookkey
from hookkey_verify.emulator import OktaEmulator

from ..faults import FaultServer, json_answer


def test_emulate_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    """The command prints its settings and every request, and exits with 0 when interrupted."""
    command = [sys.executable, "-u", "-m", "hookkey_verify", "emulate"]
    seed = tmp_path / "org.yaml"
    seed.write_text("keys: [Seeded]\nhooks: [{uri: 'https://a.io/hook', key: Seeded}]\n")
    process = subprocess.Popen(
        [*command, "--key", "Token hook", "--seed", str(seed), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    output = ""
    while not output.endswith("}\n") or output.count("{") != output.count("}"):
        output += process.stdout.readline()
    report = json.loads(output)
    with HookKeysClient(report["orgUrl"], ApiToken(report["token"])) as client:
        ids = [key["keyId"] for key in report["keys"]]
        assert [key.key_id for key in client.list()] == ids
        assert [key.is_used for key in client.list()] == [False, True]
    assert [hook["name"] for hook in report["hooks"]] == ["Hook 1"]
    assert report["issuer"].startswith(report["orgUrl"] + "/oauth2/aus")
    assert (report["audience"], report["scope"]) == ("api://hooks", "hooks")
    [hook] = report["hooks"]
    assert hook["tokenUrl"] == report["tokenUrl"] == report["issuer"] + "/v1/token"
    assert hook["clientId"].startswith("0oa")
    requests.get(report["orgUrl"] + "/api/v1/hook-keys", timeout=5)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    line = r"\d\d:\d\d:\d\d  {}  GET    /api/v1/hook-keys  \d+\.\d ms\n"
    assert re.fullmatch("".join(line.format(status) for status in (200, 200, 401)), errors)


def test_the_problems_of_a_reply(tmp_path: Path) -> None:
    """The log of a delivery has the verdict, each step, and each problem of the reply."""
    seed = tmp_path / "org.yaml"
    with FaultServer(json_answer(200, {"commands": [1]})) as server:
        seed.write_text(f"hooks:\n- {{uri: '{server.url}', name: Claims}}\n")
        command = [
            sys.executable,
            "-um",
            "hookkey_verify",
            "emulate",
            "--seed",
            str(seed),
            "--json",
        ]
        process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        report = ""
        while not report.endswith("\n}\n"):
            report += process.stdout.readline()
        org = json.loads(report)
        url, headers = f"{org['orgUrl']}/emulator/fire", {"Authorization": f"SSWS {org['token']}"}
        requests.post(url, json={"hook": "Claims"}, headers=headers, timeout=5)
        time.sleep(0.3)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert "fire Claims: the token is issued without the hook's changes: the reply is" in errors
    assert re.search(r"^ +error: /commands/0: A command must be an object\.$", errors, re.MULTILINE)


def test_a_port_that_is_taken(okta: OktaEmulator) -> None:
    """A port that is in use gives exit code 2 and is named in the message."""
    port = okta.url.rpartition(":")[2]
    done = CliRunner().invoke(hookkey, ["emulate", "--port", port])
    assert done.exit_code == 2
    assert f"port {port} is in use" in done.stderr


def test_what_emulate_says_first(tmp_path: Path) -> None:
    """On start, the command prints every value that a handler and a client need."""
    seed = tmp_path / "org.yaml"
    seed.write_text(
        "keys: [K]\nhooks:\n- {uri: 'https://a.io/h', key: K, client_id: 0oa7, name: Claims}\n"
        "- {uri: 'https://a.io/h', key: K, client_id: 0oa8, token_url: 'https://a.io/t'}\n"
    )
    command = [sys.executable, "-u", "-m", "hookkey_verify", "emulate", "--seed", str(seed)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    output = ""
    while "console:" not in output:
        output += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    url = re.search(r"OKTA_CLIENT_ORGURL=(\S+)", output)
    assert url is not None
    issuer = rf"{re.escape(url[1])}/oauth2/aus\w+"
    for pattern in (
        r"export OKTA_CLIENT_TOKEN=\S+  # the API token",
        rf"#   issuer     {issuer}",
        "#   audience   api://hooks",
        "#   scope      hooks",
        rf"#   token URL  {issuer}/v1/token",
        r"# inline hook Claims: cal\w+, com.okta.oauth2.tokens.transform",
        "#   client id 0oa7, scope hooks",
        "#   client id 0oa8, scope hooks, https://a.io/t",
    ):
        assert re.search(rf"^{pattern}$", output, re.MULTILINE), output


@pytest.mark.parametrize("names", [("a", "a"), ("",)])
def test_keys_that_cannot_be_emulated(names: tuple[str, ...]) -> None:
    """An invalid key name gives exit code 2 and the org's reason."""
    options = [option for name in names for option in ("--key", name)]
    done = CliRunner().invoke(hookkey, ["emulate", *options])
    assert done.exit_code == 2
    assert "name: " in done.stderr
