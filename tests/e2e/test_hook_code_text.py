"""The programs of ``hookkey hooks code`` as text: valid, typed, formatted, and safe from injection.

``test_hook_code`` starts them.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import given
from hypothesis import strategies as st

from hookkey_verify.cli.hook_code.frameworks import FRAMEWORKS
from hookkey_verify.cli.hook_code.handlers import HANDLERS
from hookkey_verify.cli.hook_code.plan import Plan
from hookkey_verify.cli.hook_code.program import program
from hookkey_verify.cli.hook_code.text import assignment, list_assignment

from .hook_programs import PLANS, inline_hook, planned

ALL = [(framework, setup, kind) for framework in FRAMEWORKS for setup in PLANS for kind in HANDLERS]
RULES = "ARG,B,C4,D,E4,E7,E9,F,I,N,PL,RET,RUF,SIM,T20,UP,W"
"""Rules of ruff that the programs keep."""
BUT = "ARG001,D203,D213,RUF100"
"""Handlers that change nothing do not use their argument."""


CLIENTS = {
    "asgi": """
from starlette.testclient import TestClient
from hook import app
print(TestClient(app).post("/").status_code)
""",
    "wsgi": """
from werkzeug.test import Client
from hook import app
print(Client(app).post("/").status_code)
""",
}
"""Programs that post a request without credentials to the root."""


def _source(framework: str, setup: str, kind: str) -> str:
    return program(replace(PLANS[setup], type=kind), framework)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a directory with the program of every combination."""
    directory = tmp_path_factory.mktemp("programs")
    for number, each in enumerate(ALL):
        (directory / f"hook_{number}.py").write_text(_source(*each))
    return directory


def _run(*command: str, directory: Path) -> str:
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=directory, capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout[-3_000:] + done.stderr[-3_000:]


def test_programs_are_formatted_and_clean(programs: Path) -> None:
    """Each program is as ruff would format it, with sorted imports and without findings."""
    assert len(ALL) == 7 * 8 * 6
    files = [path.name for path in programs.glob("*.py")]
    assert not _run("ruff", "format", "--isolated", "--diff", *files, directory=programs)
    chosen = ("--select", RULES, "--ignore", BUT, "--target-version", "py311")
    assert not _run("ruff", "check", "--isolated", "--no-cache", *chosen, directory=programs)


@pytest.mark.slow
def test_programs_are_typed(programs: Path) -> None:
    """Each program passes strict type checks."""
    config = programs / "mypy.ini"
    config.write_text("[mypy]\nstrict = True\n")
    files = [path.name for path in programs.glob("*.py")]
    cache = ("--cache-dir", str(programs / "cache"))
    assert not _run("mypy", "--config-file", "mypy.ini", *cache, *files, directory=programs)


def test_programs_are_short() -> None:
    """No program has more than 90 lines or a line of more than 88 characters."""
    for each in ALL:
        lines = _source(*each).splitlines()
        assert len(lines) <= 90
        assert all(len(line) <= 88 for line in lines if "xxx" not in line), each


HOSTILE = (
    st.text(max_size=120)
    | st.text(alphabet="\"'\\\n\r\t #{}%\x00\u202e\u2028\ud800é漢", max_size=120)
    | st.sampled_from(['"""', "'''", '\\"""\nimport os\n"""', "\\", '"\\', "\\N{BULLET}", "{0}"])
)
"""Texts that break out of strings, comments, docstrings or format strings that are not careful."""


def _shape(source: str) -> str:
    """Return the structure of a program, with all strings left out."""
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)


def _constants(source: str) -> dict[str, object]:
    assigned = [node for node in ast.parse(source).body if isinstance(node, ast.Assign)]
    return {
        target.id: ast.literal_eval(node.value)
        for node in assigned
        for target in node.targets
        if isinstance(target, ast.Name) and target.id.isupper()
    }


def _with(plan: Plan, text: str) -> Plan:
    return replace(
        plan,
        name=text,
        client_id=text,
        token_url=text if plan.setup == "assertion" else plan.token_url,
        header=text,
        issuer=text if plan.issuer else "",
        audiences=tuple(text for _ in plan.audiences),
        scopes=tuple(text for _ in plan.scopes),
    )


@given(
    text=HOSTILE,
    setup=st.sampled_from([*PLANS]),
    framework=st.sampled_from([*FRAMEWORKS]),
    kind=st.sampled_from([*HANDLERS]),
)
def test_no_value_becomes_code(text: str, setup: str, framework: str, kind: str) -> None:
    """Whatever an org's values contain, they are the values of strings and nothing else."""
    if not text and setup.startswith(("access", "two")):
        return  # an empty issuer or audience is a placeholder, which is another program
    plan = replace(PLANS[setup], type=kind)
    source = program(_with(plan, text), framework)
    assert all(line.isprintable() for line in source.split("\n"))
    assert _shape(source) == _shape(program(plan, framework))
    expected = {
        "CLIENT_ID": text,
        "HEADER": text,
        "ISSUER": text if plan.issuer else "",
        "AUDIENCE": [text, text] if len(plan.audiences) > 1 else text if plan.audiences else "",
        "SCOPES": [text],
    }
    constants = _constants(source)
    assert {name: constants[name] for name in expected if name in constants} == {
        name: value for name, value in expected.items() if name in constants
    }
    documentation = ast.get_docstring(ast.parse(source))
    assert documentation is not None
    assert HANDLERS[kind].title in documentation.split("\n", 1)[0]


def test_constants_of_any_length_are_formatted(tmp_path: Path) -> None:
    """A string or list that does not fit into a line is broken as ruff would break it."""
    statements = [
        statement
        for length in range(1, 100)
        for character in "x漢"
        for statement in (
            assignment("AUDIENCE", character * length),
            list_assignment("SCOPES", [character * length, "b"]),
        )
    ]
    (tmp_path / "constants.py").write_text("\n".join([*statements, ""]))
    assert not _run("ruff", "format", "--isolated", "--diff", "constants.py", directory=tmp_path)
    assert "AUDIENCE = (" in statements[2 * 2 * 76]
    assert ast.literal_eval(statements[-1].partition(" = ")[2]) == ["漢" * 99, "b"]


@given(text=HOSTILE | st.text(alphabet="x\"'\\漢", min_size=60, max_size=100))
def test_hostile_programs_are_formatted_too(text: str) -> None:
    """Whatever an org's values contain, the program is as ruff would format it."""
    source = program(_with(PLANS["secret"], text), "wsgi")
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--isolated", "-"],
        input=source.encode(),
        capture_output=True,
        check=True,
    )
    assert done.stdout.decode() == source


@pytest.mark.parametrize(
    ("hook_path", "token_path"),
    [("/hook", "/oauth2/token"), ("/x/token", "/token"), ("/hook", "/x/hook"), ("/", "/token")],
)
@pytest.mark.parametrize("stage", ["", "/prod"])
def test_lambda_routes_by_the_path(
    monkeypatch: pytest.MonkeyPatch, hook_path: str, token_path: str, stage: str
) -> None:
    """One function answers at both paths, also if one ends with the other, and below a stage."""
    pem = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    monkeypatch.setenv("SIGNING_KEY", pem.decode())
    monkeypatch.setenv("HOOK_CLIENT_SECRET", "s3cret")
    hook = inline_hook(
        auth_type="client_secret_post",
        uri=f"https://a.com{hook_path}",
        token_url=f"https://a.com{token_path}",
    )
    namespace: dict[str, Any] = {"__name__": "hook"}
    exec(program(planned(hook), "lambda"), namespace)
    for path, media_type in (
        (hook_path, "application/problem+json"),
        (token_path, "application/json"),
    ):
        for event in (
            {"rawPath": stage + path, "requestContext": {"http": {"method": "POST"}}},
            {"path": stage + path, "httpMethod": "POST"},
        ):
            answer = namespace["handler"](event, None)
            assert answer["headers"]["Content-Type"] == media_type


@pytest.mark.parametrize("framework", ["flask", "fastapi", "django", "starlette"])
def test_the_root_is_served(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, framework: str
) -> None:
    """A hook without a path in its URI is served at the root."""
    hook = inline_hook(uri="https://a.com", channel_type="HTTP", auth_header="X-Secret")
    (tmp_path / "hook.py").write_text(program(planned(hook), framework))
    client = CLIENTS["asgi" if framework in ("fastapi", "starlette") else "wsgi"]
    monkeypatch.setenv("HOOK_SECRET", "s3cret")
    done = subprocess.run(
        [sys.executable, "-c", client], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.stdout == "401\n", done.stderr
