"""The examples run and print what their docstrings promise."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from hookkey_verify.emulator import OktaEmulator
from tests.conftest import CLIENT_ID, TOKEN_URL

EXAMPLES = Path(__file__).parents[2] / "examples"


def _run(
    name: str, *arguments: str, stdin: str = "", **environment: str
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        input=stdin,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_sign_and_verify() -> None:
    """The example accepts one token and refuses two with their reasons."""
    done = _run("sign_and_verify.py")
    lines = done.stdout.splitlines()
    assert done.returncode == 0, done.stderr
    assert [line.split(":")[0] for line in lines] == ["accepted", "refused", "refused"]
    assert "wrong_audience (HTTP 401)" in lines[1]
    assert "invalid_signature (HTTP 401)" in lines[2]


@pytest.mark.parametrize(
    ("changes", "status", "says"),
    [
        ({}, 0, CLIENT_ID),
        ({"client_id": "0oaSomebodyElse"}, 1, "wrong_issuer"),
        ({"token": "wrong"}, 1, "key_source_misconfigured"),
        ({"url": "http://127.0.0.1:9"}, 3, "key_unavailable"),
    ],
    ids=["good", "another client", "wrong API token", "org unreachable"],
)
def test_verify_client_assertion(
    okta: OktaEmulator, changes: dict[str, str], status: int, says: str
) -> None:
    """Against a local org, the example prints the claims, or a reason with its exit status."""
    key = okta.create_key("example")
    signer = okta.signer(key["keyId"])
    done = _run(
        "verify_client_assertion.py",
        CLIENT_ID,
        TOKEN_URL,
        stdin=signer.client_assertion(
            client_id=changes.get("client_id", CLIENT_ID), token_url=TOKEN_URL
        ),
        OKTA_CLIENT_ORGURL=changes.get("url", okta.url),
        OKTA_CLIENT_TOKEN=changes.get("token", okta.api_token),
    )
    assert (done.returncode, says in done.stdout + done.stderr) == (status, True), done.stderr
    if status == 0:
        assert json.loads(done.stdout)["aud"] == TOKEN_URL


@pytest.mark.parametrize("file", sorted(EXAMPLES.rglob("*.py")), ids=lambda file: file.name)
def test_without_arguments(file: Path) -> None:
    """Without arguments, each example runs or prints its docstring, which says how to run it."""
    nothing = {name: "" for name in os.environ if name.startswith(("OKTA_", "HOOKKEY_"))}
    done = _run(str(file.relative_to(EXAMPLES)), **nothing)
    assert "Traceback" not in done.stderr
    head = file.read_text().split('"""')[1].replace("\\\n", "")
    assert done.returncode == 0 or done.stderr.strip() == head.strip()


def test_every_example_is_run() -> None:
    """Every program in examples and its folders is named in a test module for examples.

    It is named by its path, or by the name of each folder and its own.
    """
    here = Path(__file__)
    places = ("examples", "hook_examples", "hook_express", "receivers")
    modules = [here.with_name(f"test_{name}.py") for name in places]
    modules += [here.parents[1] / f"test_{name}_replay.py" for name in ("dynamodb", "postgres")]
    tested = "".join(module.read_text() for module in modules)
    programs = [file.relative_to(EXAMPLES) for file in EXAMPLES.rglob("*.*")]
    programs = [each for each in programs if each.suffix in (".py", ".js", ".mjs")]
    assert {len(each.parts) for each in programs} == {1, 2}
    for each in programs:
        named = f'"{each.as_posix()}"' in tested
        assert named or all(f'"{part}"' in tested for part in each.parts), each


def test_manage_keys() -> None:
    """The example manages keys, prints a refusal with its reason and leaves no key."""
    done = _run("manage_keys.py")
    assert done.returncode == 0, done.stderr
    assert (
        "refused: Okta rejected a value of the request: the name is in use already" in done.stdout
    )
    assert done.stdout.splitlines()[-1] == "left: 0"


def test_rotate_key() -> None:
    """The example rotates a key in two runs and leaves one key of the same name."""
    done = _run("rotate_key.py")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0] == "plan: create the key 'Token hook (next)'"
    assert lines[-2:] == [
        "1. the hook uses the new key; waiting for: keep",
        "2. finished: True ['Token hook']",
    ]
