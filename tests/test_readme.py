"""The README and the guides: their Python runs, tables are complete, links lead to files."""

from __future__ import annotations

import json
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from mypy import api

from hookkey_verify import CachePolicy, HookSigner, HookVerifier, StaticKeys
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.guard import Guard
from hookkey_verify.testing import bad_tokens

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
GUIDES = [path.read_text() for path in sorted((ROOT / "docs").rglob("*.md"))]
GUIDES_PYTHON = re.findall(r"```python\n(.*?)```", "\n".join(GUIDES), re.DOTALL)
SHELL = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def unchanged_logger() -> Iterator[logging.Logger]:
    """Undo what a block does with the logger of the package."""
    logger = logging.getLogger("hookkey_verify")
    level, propagate, handlers = logger.level, logger.propagate, [*logger.handlers]
    yield logger
    logger.setLevel(level)
    logger.propagate, logger.handlers = propagate, handlers


@pytest.mark.parametrize("code", [*PYTHON, *GUIDES_PYTHON])
@pytest.mark.usefixtures("unchanged_logger")
def test_python(
    code: str, okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every Python block runs as it is; blocks that need an org run against a local one."""
    if "MultiProcessCollector" in code:
        monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setenv("OKTA_CLIENT_ORGURL", okta.url)
    monkeypatch.setenv("OKTA_CLIENT_TOKEN", okta.api_token)
    monkeypatch.setenv("HOOKKEY_STORE_SECRET", "s" * 32)
    monkeypatch.setenv("HOOKKEY_CLIENT_ID", "0oa1hookclient4x7")
    monkeypatch.setenv("HOOKKEY_ISSUER", okta.issuer)
    monkeypatch.setenv("HOOKKEY_AUDIENCE", "api://hooks")
    monkeypatch.setenv("HOOKKEY_TOKEN_URL", "https://hooks.acme.com/oauth2/token")
    scope: dict[str, object] = {"__name__": __name__}
    exec(compile(code, "README.md", "exec", dont_inherit=True), scope)
    request, keys = scope.get("token_request"), scope.get("keys")
    if callable(request):
        signer = okta.signer(okta.create_key("readme")["keyId"])
        assertion = signer.client_assertion(
            client_id="0oa1hookclient4x7", token_url="https://hooks.acme.com/oauth2/token"
        )
        assert request({"client_assertion": assertion})[0] == 200
        assert request({"client_assertion": assertion[:-8]})[0] == 401
    if keys is not None:
        keys.close()  # type: ignore[attr-defined]


def _block(text: str) -> str:
    """Return the only block of the guides that contains a text."""
    [code] = [each for each in GUIDES_PYTHON if text in each]
    return str(code)


@pytest.mark.usefixtures("unchanged_logger")
def test_the_json_formatter(keys: StaticKeys, capsys: pytest.CaptureFixture[str]) -> None:
    """With the snippet of docs/observe.md, a refusal is one line of JSON with our attributes."""
    exec(compile(_block("JsonFormatter"), "observe.md", "exec"), {})
    verifier = HookVerifier(keys, issuer="https://acme.example", audience="api://hooks")
    Guard(verifier).check({"authorization": "Bearer no-token"})
    line = json.loads(capsys.readouterr().err)
    assert line.pop("message").startswith("a request was refused with 401: ")
    assert datetime.fromisoformat(line.pop("time")).tzinfo is UTC
    assert line == {
        "level": "INFO",
        "hookkey_source": "StaticKeys",
        "hookkey_reason": "malformed_token",
        "hookkey_kid": None,
        "hookkey_seconds": None,
        "hookkey_left_out": 0,
    }


@pytest.mark.parametrize("text", ["make_wsgi_app()", "make_wsgi_app(registry)"])
def test_the_path_for_scrapes(text: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With the snippets of docs/observe.md, a Flask application answers scrapes at /metrics."""
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    scope: dict[str, Any] = {"__name__": __name__}
    exec(compile(_block(text), "observe.md", "exec"), scope)
    answer = scope["app"].test_client().get("/metrics")
    assert (answer.status_code, answer.mimetype) == (200, "text/plain")
    assert (b"python_info" in answer.data) is (text == "make_wsgi_app()")


def test_the_printed_spans() -> None:
    """With the snippet of docs/observe.md, the span of a verification is printed."""
    verification = (
        "from hookkey_verify.shared_secret import BasicCredentials\n"
        "try:\n"
        "    BasicCredentials('okta', 's' * 32, on_event=telemetry).verify_headers({})\n"
        "except Exception:\n"
        "    pass\n"
    )
    code = _block("ConsoleSpanExporter") + verification
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )
    span = json.loads(done.stdout)
    assert (span["name"], span["attributes"]["error.type"]) == (
        "hookkey.verify",
        "wrong_credentials",
    )


@pytest.mark.slow
def test_python_is_typed(tmp_path: Path) -> None:
    """Every Python block passes mypy --strict."""
    files = []
    untyped = "rest_framework"  # has no types of its own
    typed = (code for code in [*PYTHON, *GUIDES_PYTHON] if untyped not in code)
    for number, code in enumerate(typed):
        files.append(tmp_path / f"block{number}.py")
        files[-1].write_text(code)
    arguments = ["--strict", "--no-incremental", "--config-file="]
    report, errors, status = api.run([*arguments, *map(str, files)])
    assert (status, errors) == (0, ""), report


def test_quick_start_has_five_lines() -> None:
    """The quick start has five lines of Python."""
    statements = [line for line in PYTHON[0].splitlines() if line]
    assert len(statements) == 5


def test_the_first_handler_uses_hooks() -> None:
    """The first handler of the README answers with a typed reply."""
    handlers = [code for code in PYTHON if "@" in code]
    assert "@hooks.on(TokenHook)" in handlers[0]
    assert handlers[0] == PYTHON[1]


def test_two_commands() -> None:
    """The README has two commands, the demo and the tests; each makes a virtual environment."""
    assert len(SHELL) == 2
    assert all(command.startswith("python3 -m venv ") for command in SHELL)
    assert SHELL[0].endswith("hookkey demo\n")
    assert SHELL[1].endswith("pytest -n auto\n")


def test_claims_about_the_zoo() -> None:
    """``bad_tokens`` returns as many tokens as docs/testing.md says."""
    zoo = bad_tokens(HookSigner.generate(), client_id="0oa1", token_url="https://acme.com/token")
    counts = re.findall(
        r"\bbad_tokens\b[^.]{0,80}?\b(fifty|\d+) (?:bad |client )*(?:tokens|assertions)\b",
        " ".join((ROOT / "docs" / "testing.md").read_text().split()),
    )
    assert {50 if count == "fifty" else int(count) for count in counts} == {len(zoo)}


def test_the_length() -> None:
    """The README has at most 1,000 words, code and tables included."""
    assert 500 < len(README.split()) <= 1000


def test_the_picture() -> None:
    """The README has one picture, an SVG with colours for light and dark mode."""
    [picture] = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert "prefers-color-scheme: dark" in (ROOT / picture).read_text()


def test_each_set_up_has_code() -> None:
    """The README has a block of code for each of the three set-ups."""
    section = README.partition("## Which set-up do you have?")[2].partition("\n## ")[0]
    parts = re.split(r"^### [A-C]\. ", section, flags=re.MULTILINE)[1:]
    assert [len(re.findall(r"```python\n", part)) for part in parts] == [1, 1, 1]
    assert "Hooks(" in PYTHON[1]


def test_the_guide_names_the_defaults() -> None:
    """Each time that docs/keys.md states right after a field of CachePolicy is its default."""
    text = (ROOT / "docs" / "keys.md").read_text()
    units = {"s": 1, "m": 60, "h": 3600}
    stated = {
        (name, float(number) * units[unit])
        for name, number, unit in re.findall(
            r"`(\w+)`[^`\d]{0,25}(\d[\d.]*)\s*(s|m|h)(?:ec|in|our|r|\b)", text
        )
        if name in CachePolicy.__dataclass_fields__
    }
    assert stated == {(name, getattr(CachePolicy(), name)) for name, _ in stated}
    times = {"fresh_for", "stale_if_error", "negative_for", "fetch_timeout"}
    assert times <= {name for name, _ in stated}


@pytest.mark.parametrize("file", ["README.md", "CHANGELOG.md", "SECURITY.md", "CONTRIBUTING.md"])
def test_files_exist(file: str) -> None:
    """The files that people expect in a repository exist and have a title."""
    assert (ROOT / file).read_text().startswith("# ")
