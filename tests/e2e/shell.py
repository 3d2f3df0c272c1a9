"""Run the ``hookkey`` command in this process, on a terminal or in a shell."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import Any

from click.testing import CliRunner, Result

from hookkey_verify.cli.commands import hookkey
from hookkey_verify.cli.replay_store import REPLAY_URL
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.settings import NAMES


class Shell:
    """Runs the command in this process, with the settings of a local org in the environment."""

    def __init__(self, okta: OktaEmulator) -> None:
        self.env: dict[str, str | None] = dict.fromkeys(
            (REPLAY_URL, *(name.variable for name in NAMES.values())), None
        )
        self.env |= {"OKTA_CLIENT_ORGURL": okta.url, "OKTA_CLIENT_TOKEN": okta.api_token}
        self.okta = okta

    def __call__(self, *arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(hookkey, arguments, input=stdin, env=self.env)

    def json(self, *arguments: str, stdin: str | None = None) -> Any:
        done = self(*arguments, stdin=stdin)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


def on_a_terminal(shell: Shell, *arguments: str, **env: str) -> str:
    """Return what the command prints when its stdout is a terminal."""
    leader, follower = pty.openpty()
    variables = {name: value for name, value in shell.env.items() if value is not None}
    process = subprocess.Popen(
        [sys.executable, "-m", "hookkey_verify", *arguments],
        stdin=follower,
        stdout=follower,
        stderr=subprocess.STDOUT,
        env={**os.environ, **variables, "TERM": "xterm", "COLUMNS": "120", **env},
    )
    os.close(follower)
    output = b""
    while True:
        try:
            chunk = os.read(leader, 65_536)
        except OSError:  # the process has closed the terminal
            break
        if not chunk:
            break
        output += chunk
    os.close(leader)
    process.wait(30)
    return output.decode()


def findings_of(done: Result) -> dict[str, tuple[str, str]]:
    findings = json.loads(done.stdout)["findings"]
    return {each["check"]: (each["result"], each["detail"]) for each in findings}


def piped(shell: Shell, command: str) -> subprocess.CompletedProcess[str]:
    """Run the command in ``sh``, which applies the redirections in ``command``."""
    variables = {name: value for name, value in shell.env.items() if value is not None}
    return subprocess.run(
        ["sh", "-c", command.replace("hookkey", f"{sys.executable} -m hookkey_verify", 1)],
        capture_output=True,
        env={**os.environ, **variables},
        text=True,
        check=False,
    )
