"""The ``hookkey`` command, as a process and through click."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

import hookkey_verify
from hookkey_verify import cli
from hookkey_verify.cli import commands
from hookkey_verify.cli import demo as story
from hookkey_verify.cli.commands import hookkey
from hookkey_verify.cli.demo import DemoReport, Row
from hookkey_verify.emulator.verdict import Delivery, DeliveryStep
from hookkey_verify.hooks import ReplyProblem
from hookkey_verify.hooks.rules import EVENT_TYPES
from hookkey_verify.testing import BadToken, bad_tokens

ROOT = Path(hookkey_verify.__file__).parents[1]
REASONS = [
    "accepted",  # the key is fetched
    "accepted",  # the key is cached
    "replayed",
    "invalid_signature",  # payload changed
    "invalid_signature",  # signed by another key
    "algorithm_not_allowed",  # alg none
    "algorithm_not_allowed",  # HS256
    "expired",
    "wrong_audience",
    "unknown_key",  # not in the org
    "unknown_key",  # path traversal in the kid
    "malformed_token",  # duplicate member
]


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m hookkey_verify`` with these arguments, without colours, 80 columns wide."""
    return subprocess.run(
        [sys.executable, "-m", "hookkey_verify", *arguments],
        cwd=ROOT,
        env={**os.environ, "NO_COLOR": "1", "COLUMNS": "80", "PYTHONIOENCODING": "utf-8"},
        encoding="utf-8",
        capture_output=True,
        timeout=60,
        check=False,
    )


# --- as a process


def test_demo_as_json() -> None:
    """The demo refuses ten tokens, accepts two, fetches one key, fires a hook, and exits with 0."""
    done = run("demo", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    report = json.loads(done.stdout)
    assert set(report) == {"org", "key", "rows", "requests", "delivery", "ok"}
    delivery = report["delivery"]
    assert (delivery["outcome"], delivery["problems"]) == ("commands", [])
    assert [(step["name"], step["status"]) for step in delivery["steps"]] == [
        ("token", 200),
        ("hook", 200),
    ]
    assert report["ok"] is True
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", report["org"])
    assert set(report["key"]) == {"id", "keyId", "name"}
    assert [row["reason"] for row in report["rows"]] == REASONS
    assert len({row["sent"] for row in report["rows"]}) == len(REASONS)
    for row in report["rows"]:
        assert set(row) == {"sent", "verdict", "reason", "expected", "milliseconds", "ok"}
        assert (row["expected"], row["ok"]) == (row["reason"], True)
        assert row["verdict"] == ("accepted" if row["reason"] == "accepted" else "refused")
        assert row["milliseconds"] > 0
    public = "/api/v1/hook-keys/public/"
    assert report["requests"][:2] == [
        "POST /api/v1/hook-keys 200",
        f"GET {public}{report['key']['keyId']} 200",
    ]
    (unknown,) = report["requests"][2:]
    assert re.fullmatch(rf"GET {public}[0-9a-f-]{{36}} 404", unknown)


def test_demo_as_a_table() -> None:
    """The demo prints one unwrapped line per verdict and a summary, and exits with 0."""
    done = run("demo")
    assert (done.returncode, done.stderr) == (0, "")
    rows = re.findall(r"\b(accepted|refused)\b\W+([a-z_]*)\W+\d+\.\d+\W+yes\b", done.stdout)
    assert rows == [
        ("accepted", "") if reason == "accepted" else ("refused", reason) for reason in REASONS
    ]
    story, _, after = done.stdout.partition("2 accepted, 10 refused, every verdict as expected\n")
    assert story
    for step in ("hookkey emulate", "from hookkey_verify.flask import", "docs/protect.md"):
        assert step in after
    for character in ("\x1b", "\N{HORIZONTAL ELLIPSIS}"):
        assert character not in done.stdout


def test_version() -> None:
    """``--version`` prints name and version."""
    done = run("--version")
    assert (done.returncode, done.stdout) == (0, f"hookkey, version {hookkey_verify.__version__}\n")


def test_unknown_command() -> None:
    """An unknown command exits with 2 and is named on standard error only."""
    done = run("verfy")
    assert (done.returncode, done.stdout) == (2, "")
    assert "No such command 'verfy'" in done.stderr


# --- through click


def invoke(*arguments: str) -> tuple[int, str]:
    done = CliRunner().invoke(hookkey, arguments)
    assert done.exception is None or isinstance(done.exception, SystemExit)
    return done.exit_code, done.output


@pytest.mark.parametrize("option", ["--help", "-h"])
@pytest.mark.parametrize(
    ("command", "said"), [((), ["demo", "--version"]), (("demo",), ["--json", "Example:"])]
)
def test_help(option: str, command: Sequence[str], said: list[str]) -> None:
    """Both ``--help`` and ``-h`` describe the command and its options."""
    code, output = invoke(*command, option)
    assert code == 0
    assert [each for each in said if each not in output] == []


@pytest.mark.parametrize(
    "arguments", [["demo", "--jason"], ["demo", "more"], ["--verbose"]], ids=" ".join
)
def test_wrong_usage(arguments: list[str]) -> None:
    """Wrong usage exits with 2."""
    assert invoke(*arguments)[0] == 2


GOOD = Row("good", "accepted", "accepted", "accepted", 1.0)
BAD = Row("bad", "refused", "expired", "expired", 1.0)
WRONG = [
    pytest.param(Row("odd one", "accepted", "accepted", "expired", 1.0), id="accepted a bad one"),
    pytest.param(Row("odd one", "refused", "expired", "accepted", 1.0), id="refused a good one"),
    pytest.param(
        Row("odd one", "refused", "replayed", "expired", 1.0), id="refused for another reason"
    ),
]


STEP = DeliveryStep("hook", "POST http://127.0.0.1:1/hook", status=200)
DELIVERY = Delivery("cal1", EVENT_TYPES[0], (STEP,), "commands", "the commands are carried out")
PROBLEM = ReplyProblem("/[bold]", "unknown_member", "There is no such member.", "warning", "")


def _report(*rows: Row) -> DemoReport:
    key: dict[str, Any] = {"id": "HKY1", "keyId": "1", "name": "demo", "isUsed": False}
    return DemoReport("http://127.0.0.1:1", key, rows, ("GET / 200",), DELIVERY)


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("options", [[], ["--json"]], ids=["table", "json"])
def test_exit_1_when_a_verdict_is_not_the_expected_one(
    monkeypatch: pytest.MonkeyPatch, wrong: Row, options: list[str]
) -> None:
    """One wrong row among good rows makes the demo exit with 1, and the row is shown."""
    monkeypatch.setattr(story, "run", lambda: _report(GOOD, wrong, BAD))
    code, output = invoke("demo", *options)
    assert code == 1
    if options:
        assert [row["ok"] for row in json.loads(output)["rows"]] == [True, False, True]
        assert json.loads(output)["ok"] is False
    else:
        (line,) = (each for each in output.splitlines() if wrong.sent in each)
        assert wrong.expected in line
        assert output.endswith("NOT as expected\n")


def test_exit_0_when_all_are_as_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    """The demo exits with 0 when every verdict is the expected one."""
    monkeypatch.setattr(story, "run", lambda: _report(GOOD, BAD))
    assert invoke("demo")[0] == 0


@pytest.mark.parametrize(
    "delivery",
    [
        replace(DELIVERY, outcome="no change"),
        replace(DELIVERY, outcome="failed", steps=(replace(STEP, status=None, problem="late"),)),
        replace(DELIVERY, problems=(PROBLEM,)),
    ],
    ids=["no change", "failed", "a problem"],
)
def test_exit_1_when_the_reply_is_not_carried_out(
    monkeypatch: pytest.MonkeyPatch, delivery: Delivery
) -> None:
    """The demo exits with 1 if the hook's reply has no effect or has problems, and shows why."""
    monkeypatch.setattr(story, "run", lambda: replace(_report(GOOD, BAD), delivery=delivery))
    code, output = invoke("demo")
    assert (code, output.endswith("NOT as expected\n")) == (1, True)
    assert ("warning: /[bold]: There is no such member." in output) is bool(delivery.problems)
    assert ("no answer late" in output) is (delivery.outcome == "failed")


def test_the_rows_are_measured_not_recited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A token that is refused for an unexpected reason makes its row and the report wrong."""

    def mislabelled(*args: Any, **kwargs: Any) -> tuple[BadToken, ...]:
        zoo = {bad.name: bad for bad in bad_tokens(*args, **kwargs)}
        zoo["expired"] = replace(zoo["expired"], token=zoo["another audience"].token)
        return tuple(zoo.values())

    monkeypatch.setattr(story, "bad_tokens", mislabelled)
    monkeypatch.setattr(story, "SHOWN", ("expired",))
    report = story.run()
    assert [(row.expected, row.reason, row.ok) for row in report.rows[3:]] == [
        ("expired", "wrong_audience", False)
    ]
    assert report.ok is False


# --- extras


def _without(*absent: str) -> Any:
    def find(name: str) -> ModuleSpec | None:
        return None if name in absent else find_spec(name)

    return find


@pytest.mark.parametrize(
    ("absent", "named"),
    [
        (["click"], "needs click:"),
        (["rich"], "needs rich:"),
        (["click", "rich"], "needs click and rich:"),
    ],
    ids=" and ".join,
)
def test_the_command_without_its_extra(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    absent: list[str],
    named: str,
) -> None:
    """Without its extra, the command exits with 2 and prints the pip command to run."""
    monkeypatch.setattr(cli, "find_spec", _without(*absent))
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 2
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == (
        "",
        f"hookkey {named} pip install 'hookkey_verify[cli,emulator]'\n",
    )


@pytest.mark.parametrize(
    ("absent", "named"),
    [
        (["starlette"], "needs starlette:"),
        (["uvicorn"], "needs uvicorn:"),
        (["starlette", "uvicorn"], "needs starlette and uvicorn:"),
    ],
    ids=" and ".join,
)
def test_the_demo_without_its_extra(
    monkeypatch: pytest.MonkeyPatch, absent: list[str], named: str
) -> None:
    """Without its extra, the demo exits with 2 and prints the pip command; others still work."""
    monkeypatch.setattr(commands, "find_spec", _without(*absent))
    code, output = invoke("demo")
    assert code == 2
    assert f"demo {named} pip install 'hookkey_verify[cli,emulator]'" in output
    assert invoke("--version")[0] == 0


def test_main_runs_the_command(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The entry point of the ``hookkey`` script reads the command line."""
    monkeypatch.setattr(sys, "argv", ["hookkey", "--version"])
    with pytest.raises(SystemExit) as caught:
        cli.main()
    assert caught.value.code == 0
    assert capsys.readouterr().out == f"hookkey, version {hookkey_verify.__version__}\n"
