"""``hookkey bridge`` serves keys with which four other libraries verify an assertion."""

from __future__ import annotations

import importlib
import json
import os
import signal
import subprocess
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests
from click.testing import CliRunner
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet

from hookkey_verify.cli.commands import hookkey
from hookkey_verify.emulator import OktaEmulator

from ..conftest import CLIENT_ID, TOKEN_URL, KeyPool
from .test_hook_express import NODE, NPM

JUDGE = """
import { createRemoteJWKSet, jwtVerify } from "jose";
const [url, token, issuer, audience] = process.argv.slice(2);
const keys = createRemoteJWKSet(new URL(url));
const { payload } = await jwtVerify(token, keys, { issuer, audience, algorithms: ["RS256"] });
console.log(JSON.stringify(payload));
"""


@pytest.fixture(scope="module")
def org(key_pool: KeyPool) -> Iterator[OktaEmulator]:
    with OktaEmulator(new_key=key_pool) as okta:
        okta.create_key("Token hook")
        okta.create_key("Another")
        yield okta


@pytest.fixture(scope="module")
def url(org: OktaEmulator) -> Iterator[str]:
    """Run the command and yield the URL that it prints."""
    process = subprocess.Popen(
        [sys.executable, "-m", "hookkey_verify", "bridge", "--port", "0", "--name", "Token hook"],
        env={
            **os.environ,
            "OKTA_CLIENT_ORGURL": org.url,
            "OKTA_CLIENT_TOKEN": org.api_token,
        },
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    try:
        yield process.stderr.readline().strip()
    finally:
        process.send_signal(signal.SIGINT)
        _, rest = process.communicate(timeout=20)
        assert (process.returncode, rest) == (0, "")


@pytest.fixture
def assertion(org: OktaEmulator) -> str:
    signer = org.signer(org.org.list()[0]["keyId"])
    return signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)


def test_what_it_serves(url: str, org: OktaEmulator) -> None:
    """The command serves only the named key, at one path, with an ETag."""
    answer = requests.get(url, timeout=10)
    [key] = answer.json()["keys"]
    assert key["kid"] == org.org.list()[0]["keyId"]
    assert requests.get(url, headers={"If-None-Match": answer.headers["ETag"]}).status_code == 304
    assert requests.get(url.replace("jwks.json", "other"), timeout=10).status_code == 404


def test_pyjwt(url: str, assertion: str) -> None:
    """PyJWT verifies an assertion with the key set that PyJWKClient fetches."""
    key = jwt.PyJWKClient(url).get_signing_key_from_jwt(assertion)
    claims = jwt.decode(assertion, key, algorithms=["RS256"], audience=TOKEN_URL, issuer=CLIENT_ID)
    assert claims["sub"] == CLIENT_ID


def test_joserfc(url: str, assertion: str) -> None:
    """joserfc, which refuses hook keys as Okta sends them, accepts the served keys."""
    keys = KeySet.import_key_set(requests.get(url, timeout=10).json())
    assert joserfc_jwt.decode(assertion, keys, algorithms=["RS256"]).claims["sub"] == CLIENT_ID


def test_authlib(url: str, assertion: str) -> None:
    """Authlib verifies an assertion with the served keys."""
    with warnings.catch_warnings(record=True):  # Authlib warns that joserfc succeeds it
        jose: Any = importlib.import_module("authlib.jose")
    keys: Any = jose.JsonWebKey.import_key_set(requests.get(url, timeout=10).json())
    assert jose.jwt.decode(assertion, keys)["sub"] == CLIENT_ID


@pytest.mark.skipif(NODE is None or NPM is None, reason="there is no Node.js")
def test_jose(url: str, assertion: str, tmp_path: Path) -> None:
    """The Node.js library jose, used by many authorization servers, verifies an assertion."""
    install = [NPM or "", "install", "--no-audit", "--no-fund", "jose@6.1.0"]
    done = subprocess.run(install, cwd=tmp_path, capture_output=True, timeout=180, check=False)
    if done.returncode != 0:
        pytest.skip("jose cannot be installed here")
    (tmp_path / "judge.mjs").write_text(JUDGE)
    command = [NODE or "", "judge.mjs", url, assertion, CLIENT_ID, TOKEN_URL]
    judged = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert judged.returncode == 0, judged.stderr
    assert json.loads(judged.stdout)["sub"] == CLIENT_ID


def test_what_it_needs(monkeypatch: pytest.MonkeyPatch, okta: OktaEmulator) -> None:
    """The command requires an org, keys that exist and a free port."""
    monkeypatch.delenv("OKTA_CLIENT_ORGURL", raising=False)
    without = CliRunner().invoke(hookkey, ["bridge"])
    assert without.exit_code == 2
    assert "OKTA_CLIENT_ORGURL" in without.stderr
    monkeypatch.setenv("OKTA_CLIENT_ORGURL", okta.url)
    monkeypatch.setenv("OKTA_CLIENT_TOKEN", okta.api_token)
    for name in ("nope", "HKYnope"):
        unknown = CliRunner().invoke(hookkey, ["bridge", "--port", "0", "--name", name])
        assert unknown.exit_code == 4
        assert f"no hook key {name!r}; hookkey keys list shows all" in unknown.stderr
    port = okta.url.rpartition(":")[2]
    taken = CliRunner().invoke(hookkey, ["bridge", "--port", port])
    assert taken.exit_code == 2
    assert f"port {port} is in use" in taken.stderr
