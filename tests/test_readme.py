"""The README and the guides: their Python runs, tables are complete, links lead to files."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

from hookkey_verify import CachePolicy, HookSigner, errors
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import HookKeyError, Reason
from hookkey_verify.testing import bad_tokens

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
PYTHON = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
GUIDES = [path.read_text() for path in sorted((ROOT / "docs").glob("*.md"))]
GUIDES_PYTHON = re.findall(r"```python\n(.*?)```", "\n".join(GUIDES), re.DOTALL)
SHELL = re.findall(r"```sh\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize("code", [*PYTHON, *GUIDES_PYTHON])
def test_python(code: str, okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every Python block runs as it is; blocks that need an org run against a local one."""
    monkeypatch.setenv("OKTA_CLIENT_ORGURL", okta.url)
    monkeypatch.setenv("OKTA_CLIENT_TOKEN", okta.api_token)
    monkeypatch.setenv("HOOKKEY_STORE_SECRET", "s" * 32)
    scope: dict[str, object] = {"__name__": __name__}
    exec(compile(code, "README.md", "exec"), scope)
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


def test_two_commands() -> None:
    """The README has two commands, the demo and the tests; each makes a virtual environment."""
    assert len(SHELL) == 2
    assert all(command.startswith("python3 -m venv ") for command in SHELL)
    assert SHELL[0].endswith("hookkey demo\n")
    assert SHELL[1].endswith("pytest -n auto\n")


def test_table_of_reasons() -> None:
    """The table lists exactly the reasons, in order, each with its status and class."""
    rows = re.findall(r"^\| `([a-z_]+)` \| (\d{3}) \| `(\w+)` \|", README, re.MULTILINE)
    kinds = {
        kind.__dict__["reason"]: kind
        for kind in map(errors.__dict__.get, errors.__all__)
        if isinstance(kind, type) and issubclass(kind, HookKeyError) and "reason" in vars(kind)
    }
    expected = [
        (str(reason), str(kinds[reason].status_code), kinds[reason].__name__) for reason in Reason
    ]
    assert rows == expected


def test_claims_about_the_zoo() -> None:
    """``bad_tokens`` returns as many tokens as the README and docs/testing.md say."""
    zoo = bad_tokens(HookSigner.generate(), client_id="0oa1", token_url="https://acme.com/token")
    for text in (README, (ROOT / "docs" / "testing.md").read_text()):
        counts = re.findall(
            r"\bbad_tokens\b[^.]{0,80}?\b(fifty|\d+) (?:bad |client )*(?:tokens|assertions)\b",
            " ".join(text.split()),
        )
        assert {50 if count == "fifty" else int(count) for count in counts} == {len(zoo)}


@pytest.mark.parametrize("target", re.findall(r"\]\(([^)]+)\)", README))
def test_links(target: str) -> None:
    """Every link of the README leads to a file of the repository."""
    assert (ROOT / target).exists()


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
