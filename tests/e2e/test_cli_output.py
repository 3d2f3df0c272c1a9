"""The output of ``hookkey``: tables, help, and streams that are closed or full."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from hookkey_verify.cli.commands import hookkey

from ..faults import FaultServer, json_answer
from .shell import Shell, on_a_terminal, piped


def test_waits_are_announced(shell: Shell) -> None:
    """A wait is announced on stderr, so that a pipe receives only the data."""
    busy = ("X-Rate-Limit-Limit: 0", "X-Rate-Limit-Remaining: 0")
    limited = json_answer(429, {"errorCode": "E0000047"}, *busy)
    with FaultServer(limited, json_answer(200, [])) as server:
        shell.env["OKTA_CLIENT_ORGURL"] = server.url
        done = shell("keys", "list", "--json")
    assert (done.exit_code, done.stdout) == (0, "[]\n")
    assert "waiting 1 s for Okta" in done.stderr


def test_tables_are_for_terminals(shell: Shell) -> None:
    """On a terminal, a table has a heading and no tabs, and NO_COLOR disables colours."""
    key = shell.okta.create_key("Token hook")
    seen = on_a_terminal(shell, "keys", "list", NO_COLOR="1")
    assert "keyId" in seen
    assert key["keyId"] in seen
    assert "\t" not in seen
    assert "\x1b[3" not in seen


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 140])
def test_ids_do_not_wrap(shell: Shell, columns: int) -> None:
    """A narrow table drops columns and keeps the remaining ids whole, even beside long names."""
    made = [shell.okta.create_key(f"A token hook with a long name, number {n}") for n in range(2)]
    seen = on_a_terminal(shell, "keys", "list", COLUMNS=str(columns), NO_COLOR="1")
    seen = re.sub(r"\x1b\[\d*m", "", seen)
    for key in made:
        assert key["id"] in seen
        assert (key["keyId"] in seen) is (columns >= 80)
    assert ("used" in seen) is (columns >= 100)
    assert max(map(len, seen.splitlines())) <= columns


@pytest.mark.parametrize("group", [(), ("keys",)])
def test_summaries_are_not_cut(shell: Shell, group: tuple[str, ...]) -> None:
    """The list of commands shows complete summaries."""
    done = shell(*group, "--help")
    assert "..." not in done.stdout.partition("Commands:")[2]


def test_completion() -> None:
    """``completion`` prints a script for each supported shell."""
    for shell_name in ("bash", "zsh", "fish"):
        done = CliRunner().invoke(hookkey, ["completion", shell_name])
        assert done.exit_code == 0
        assert "_HOOKKEY_COMPLETE" in done.stdout


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, each in group.commands.items():
        if hasattr(each, "commands"):
            yield from _commands(each, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("path", list(_commands(hookkey)), ids=" ".join)
def test_every_help_has_an_example(path: tuple[str, ...]) -> None:
    """The help of every command has an example that begins with the command itself."""
    done = CliRunner().invoke(hookkey, [*path, "--help"])
    assert done.exit_code == 0
    assert f"Example: hookkey {' '.join(path)}" in " ".join(done.output.split())


def test_a_full_disk(shell: Shell) -> None:
    """If the output cannot be written, ``create`` still prints the id of the new key on stderr."""
    variables = {name: value for name, value in shell.env.items() if value is not None}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "hookkey_verify", "keys", "create", "Token hook", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, **variables},
            text=True,
            check=False,
        )
    created = f"created {shell.okta.org.list()[0]['id']}"
    failed = "hookkey: a file or the output fails: no space left on device"
    assert (done.returncode, done.stderr.splitlines()) == (3, [created, failed])


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("hookkey keys list >&-", 0),
        ("hookkey doctor >&-", 0),
        ("hookkey keys get nothing --json >/dev/full", 3),
        ("hookkey --help >/dev/full", 3),
        ("hookkey completion bash >/dev/full", 3),
        ("hookkey keys delete k <&-", 2),
        ("hookkey keys create new 2>/dev/full", 0),
        ("PYTHONIOENCODING=latin-1 hookkey keys list", 0),
    ],
)
def test_streams_that_are_not_there(shell: Shell, command: str, code: int) -> None:
    """Streams that are closed, full or limited to a small character set cause no traceback."""
    shell.okta.create_key("k")
    shell.okta.create_key("ключ")
    done = piped(shell, command)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    if "latin-1" in command:
        assert "\\u043a" in done.stdout
    if "create" in command:
        assert "jwk" in done.stdout or '"kty"' in done.stdout


def test_a_reader_that_has_seen_enough(shell: Shell) -> None:
    """A closed pipe, as after ``| head -1``, causes no traceback and no message."""
    shell.okta.create_key("Token hook")
    variables = {name: value for name, value in shell.env.items() if value is not None}
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "hookkey_verify", "keys", "list"],
        stdout=writer,
        stderr=subprocess.PIPE,
        env={**os.environ, **variables},
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_names_cannot_drive_the_terminal(shell: Shell) -> None:
    """Control characters in a key's name are printed escaped."""
    key = {"id": "HKY1", "keyId": "k", "name": "a\x1b]0;b\x07\tc"}
    with FaultServer(json_answer(200, [key])) as server:
        shell.env["OKTA_CLIENT_ORGURL"] = server.url
        listed, got = shell("keys", "list"), shell("keys", "get", "k")
    for done in (listed, got):
        assert "a\\x1b]0;b\\x07\\tc" in done.stdout
        assert "\x1b" not in done.stdout
