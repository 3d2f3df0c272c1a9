"""The clients and their environments: a venv or a folder with node_modules for each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = ["CLIENTS", "FAST", "Client", "ClientError", "install", "run"]

HERE = Path(__file__).parent
INSTALL_TIMEOUT, RUN_TIMEOUT = 600, 120
"""Seconds."""


class ClientError(Exception):
    """Raised when a client cannot be installed or its script prints no outcomes."""


@dataclass(frozen=True, slots=True)
class Client:
    """A client: its name in the table, its script, and its packages with exact versions."""

    title: str
    script: str
    packages: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name for ``--only``."""
        return Path(self.script).stem

    @property
    def is_node(self) -> bool:
        """Whether the client runs on Node.js."""
        return self.script.endswith(".mjs")


CLIENTS = (
    Client("@okta/okta-sdk-nodejs 8.1.0", "okta_sdk_nodejs.mjs", ("@okta/okta-sdk-nodejs@8.1.0",)),
    Client("okta 2.9.13 (Python)", "okta_sdk_2.py", ("okta==2.9.13",)),
    Client("okta 3.4.6 (Python)", "okta_sdk_3.py", ("okta==3.4.6",)),
    Client("okta-client-python 0.3.0", "okta_client_python.py", ("okta-client-python==0.3.0",)),
    Client("@okta/jwt-verifier 4.0.2", "okta_jwt_verifier.mjs", ("@okta/jwt-verifier@4.0.2",)),
    Client("openid-client 6.9.0", "openid_client.mjs", ("openid-client@6.9.0",)),
    Client("oauth4webapi 3.8.8", "oauth4webapi.mjs", ("oauth4webapi@3.8.8",)),
    Client(
        "Authlib 1.9.10, joserfc 1.8.0",
        "authlib_joserfc.py",
        ("authlib==1.9.10", "joserfc==1.8.0", "requests==2.34.2"),
    ),
    Client(
        "requests-oauthlib 2.0.0, oauthlib 4.0.1",
        "backend_application.py",
        ("requests-oauthlib==2.0.0", "oauthlib==4.0.1"),
    ),
    Client("oidc-provider 9.13.3", "oidc_provider.mjs", ("oidc-provider@9.13.3",)),
)

FAST = frozenset(client.name for client in CLIENTS)
"""The clients that ``--fast`` runs: those that install within a minute (okta 3 took 32 s)."""


def install(client: Client, cache: Path) -> float:
    """Create the environment of a client unless it is cached; return the seconds it took.

    Raises ``ClientError``.
    """
    folder = (cache / client.name).resolve()
    record = folder / "installed.json"
    if record.exists() and json.loads(record.read_text())["packages"] == [*client.packages]:
        return 0.0
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    began = time.monotonic()
    for command in _commands(client, folder):
        _execute(command, cwd=folder, timeout=INSTALL_TIMEOUT)
    seconds = time.monotonic() - began
    record.write_text(json.dumps({"packages": client.packages, "seconds": round(seconds, 1)}))
    return seconds


def _commands(client: Client, folder: Path) -> list[list[str]]:
    if client.is_node:
        (folder / "package.json").write_text(json.dumps({"private": True, "type": "module"}))
        flags = ["--no-audit", "--no-fund", "--save-exact"]
        return [["npm", "install", *flags, *client.packages]]
    python = str(folder / "venv/bin/python")
    make = [sys.executable, "-m", "venv", str(folder / "venv")]
    return [make, [python, "-m", "pip", "install", "--quiet", *client.packages]]


def run(client: Client, cache: Path, config: dict[str, Any]) -> dict[str, str]:
    """Run the script of a client; return the outcomes by capability. Raises ``ClientError``."""
    folder = (cache / client.name).resolve()
    script = HERE / client.script
    program = str(folder / "venv/bin/python")
    if client.is_node:  # Node.js looks for packages beside the script
        program = "node"
        shutil.copy(HERE / "report.mjs", folder)
        script = Path(shutil.copy(script, folder))
    command = [program, str(script), json.dumps(config)]
    printed = _execute(command, cwd=folder, timeout=RUN_TIMEOUT, env=_environment(folder))
    try:
        outcomes: dict[str, str] = json.loads(printed.strip().splitlines()[-1])
    except (ValueError, IndexError):
        raise ClientError(f"{client.name} printed no JSON: {printed[-500:]!r}") from None
    return outcomes


def _environment(folder: Path) -> dict[str, str]:
    """Return this process's variables without settings for Okta's SDKs, and with another home."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OKTA_")}
    return {**kept, "HOME": str(folder), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}


def _execute(
    command: list[str], *, cwd: Path, timeout: float, env: dict[str, str] | None = None
) -> str:
    try:
        done = subprocess.run(
            command, cwd=cwd, env=env, capture_output=True, text=True, timeout=timeout, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        kind = type(error).__name__
        raise ClientError(f"{command[0]} did not run, or did not end: {kind}") from None
    if done.returncode != 0:
        raise ClientError(f"{' '.join(command[:3])} failed: {done.stderr.strip()[-500:]}")
    return done.stdout
