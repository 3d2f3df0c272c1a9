"""The tutorial works: its blocks are saved and run as its text says, one after the other."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from ..servers import free_port

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "tutorial.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
SHELL = [code for language, code in BLOCKS if language == "sh"]
HANDLER, TEST = (code for language, code in BLOCKS if language == "python")
[SEED] = (code for language, code in BLOCKS if language == "yaml")
[REFUSAL] = (code for language, code in BLOCKS if language == "json")
INSTALL, START_ORG, START_HANDLER, ORG_SETTINGS, FIRE, WITHOUT_TOKEN, RUN_TESTS = SHELL


class Folder:
    """The reader's folder and environment, with other ports, because these may be in use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.ports = {"8000": str(free_port()), "5000": str(free_port())}
        self.replaced: dict[str, str] = {}
        scripts = path / ".venv" / "bin"
        scripts.mkdir(parents=True)
        (scripts / "activate").write_text(f'PATH="{Path(sys.executable).parent}:$PATH"\n')

    def changed(self, code: str) -> str:
        for port, other in self.ports.items():
            code = re.sub(rf"(?<=[: ]){port}\b", other, code)
        for word, value in self.replaced.items():
            code = re.sub(rf"\b{word}\b", value, code)
        return code

    def save(self, name: str, code: str) -> None:
        (self.path / name).write_text(self.changed(code))

    def command(self, *blocks: str) -> list[str]:
        return ["bash", "-euc", self.changed("\n".join(blocks))]

    def run(self, *blocks: str) -> str:
        """Run blocks in one shell, and return what they print."""
        done = subprocess.run(
            self.command(*blocks), cwd=self.path, text=True, timeout=60, check=False,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=_environment(),
        )  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    @contextmanager
    def running(self, block: str, until: str) -> Iterator[str]:
        """Run a block in another terminal, and yield its output up to the line with a text."""
        *before, last = block.strip().splitlines()
        code = "\n".join([*before, f"exec {last}"])
        with subprocess.Popen(
            self.command(code), cwd=self.path, text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=_environment(),
        ) as process:  # fmt: skip
            assert process.stdout is not None
            try:
                printed = []
                for line in process.stdout:
                    printed.append(line)
                    if until in line:
                        break
                else:
                    raise AssertionError("".join(printed))
                yield "".join(printed)
            finally:
                process.terminate()
                process.stdout.read()


def _environment() -> dict[str, str]:
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("HOOKKEY_", "OKTA_"))}
    return {**kept, "PYTHONUNBUFFERED": "1", "PYTHONDONTWRITEBYTECODE": "1"}


def test_the_installation() -> None:
    """The first step makes a virtual environment and installs extras that exist."""
    make, install, activate = INSTALL.strip().splitlines()
    assert (make, activate) == ("python3 -m venv .venv", ". .venv/bin/activate")
    [requirement] = shlex.split(install.removeprefix(".venv/bin/pip install "))
    found = re.fullmatch(r"hookkey_verify\[([\w,]+)\]", requirement)
    assert found is not None
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert set(found[1].split(",")) <= set(project["optional-dependencies"])
    for place in ("PATH", "."):  # before the first release
        assert f'pip install "{place}[{found[1]}]"`' in " ".join(TEXT.split())


@pytest.mark.slow
def test_the_other_steps(tmp_path: Path) -> None:
    """The handler answers the fired hook, refuses a request without token, and passes its test."""
    folder = Folder(tmp_path)
    folder.save("hook.py", HANDLER)
    folder.save("org.yaml", SEED)
    folder.save("test_hook.py", TEST)
    with folder.running(START_ORG, until="console:") as org:
        [folder.replaced["ISSUER"]] = re.findall(r"issuer +(\S+)", org)
        [folder.replaced["TOKEN"]] = re.findall(r"OKTA_CLIENT_TOKEN=(\S+)", org)
        assert folder.changed(ORG_SETTINGS).splitlines()[0] in org
        with folder.running(START_HANDLER, until="Running on"):
            report = folder.run(". .venv/bin/activate", ORG_SETTINGS, FIRE)
            assert "/claims/team" in report or "commands" in report
            page = requests.get(f"http://127.0.0.1:{folder.ports['8000']}/", timeout=10).text
            assert all(word in page for word in ("Token hook", "Claims", "commands"))
            assert json.loads(folder.run(WITHOUT_TOKEN)) == json.loads(REFUSAL)
    pip, pytest_command = RUN_TESTS.strip().splitlines()
    assert pip == "pip install pytest"
    assert "1 passed" in folder.run(". .venv/bin/activate", f"{pytest_command} -p no:cacheprovider")
