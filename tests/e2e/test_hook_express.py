"""``hookkey fire`` and the emulated org with a handler in another language: Express with jose.

The tests are skipped if Node.js or a package registry is not available.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from click.testing import CliRunner

from hookkey_verify import HookSigner
from hookkey_verify.cli.commands import hookkey
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.emulator.rsa_keys import to_pem

EXAMPLE = Path(__file__).parents[2] / "examples" / "hook_express"
ISSUER = "https://acme.okta.com/oauth2/aus1"
NODE, NPM = shutil.which("node"), shutil.which("npm")
WRONGLY_ACCEPTED = {
    "alg twice",
    "audience list with a number",
    "b64 in the header",
    "byte order mark",
    "issued in the future",
    "no kid",
    "not canonical base64url",
    "padded with =",
    "payload nested 2000 deep",
    "typ of another protocol",
    "zip in the header",
}
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(NODE is None or NPM is None, reason="there is no Node.js"),
]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("express") / "hook"
    shutil.copytree(EXAMPLE, folder, ignore=shutil.ignore_patterns("node_modules"))
    install = [NPM or "", "install", "--no-audit", "--no-fund", "--no-update-notifier"]
    done = subprocess.run(
        install, cwd=folder, capture_output=True, text=True, timeout=180, check=False
    )
    if done.returncode != 0:
        pytest.skip("the packages of the example cannot be installed here")
    return folder


@contextmanager
def handler(folder: Path, **environment: str) -> Iterator[str]:
    """Run the example's server, and yield the URL that it prints."""
    process = subprocess.Popen(
        [NODE or "", "server.js"],
        cwd=folder,
        env={**os.environ, "AUDIENCE": "api://hooks", "PORT": "0", **environment},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.kill()
        process.wait(10)
        process.stdout.close()


def test_the_whole_dance(installed: Path, okta: OktaEmulator) -> None:
    """The handler accepts a hook that the org fires, and refuses the token of another client."""
    key = okta.create_key("Token hook")
    hook = okta.create_hook("https://placeholder.example", key=key)
    client_id = hook["channel"]["config"]["clientId"]
    with handler(installed, ISSUER=okta.issuer, CLIENT_ID=client_id) as url:
        document = {"name": "Hook", "channel": hook["channel"]}
        document["channel"]["config"]["uri"] = url
        okta.hooks.replace(hook["id"], document)
        delivery = okta.fire(hook["id"])
        assert delivery.ok, delivery.verdict
        assert [step.name for step in delivery.steps] == ["token", "hook"]
    with handler(installed, ISSUER=okta.issuer, CLIENT_ID="0oaanother") as url:
        document["channel"]["config"]["uri"] = url
        okta.hooks.replace(hook["id"], document)
        assert okta.fire(hook["id"]).steps[-1].status == 401


def test_the_audit(installed: Path, tmp_path: Path, signer: HookSigner) -> None:
    """``--zoo`` lists exactly the bad tokens that a careful handler with jose accepts.

    None of them is forged: jose accepts more than RFC 7515 allows, and has fewer checks.
    """
    pem = tmp_path / "test.pem"
    pem.write_text(to_pem(signer._key))
    jwks = tmp_path / "jwks.json"
    jwks.write_text(json.dumps({"keys": [signer.public_jwk()]}))
    environment = {"JWKS": str(jwks), "ISSUER": ISSUER, "CLIENT_ID": "0oa1"}
    with handler(installed, **environment) as url:
        key = ("--private-key", str(pem), "--kid", signer.kid, "--client-id", "0oa1")
        token = ("--issuer", ISSUER, "--audience", "api://hooks")
        once = CliRunner().invoke(hookkey, ["fire", url, *key, *token])
        assert once.exit_code == 0, once.output
        audit = CliRunner().invoke(hookkey, ["fire", url, *key, *token, "--zoo", "--json"])
    rows = json.loads(audit.stdout)["tokens"]
    wrong = {row["token"] for row in rows if row["result"] == "WRONGLY ACCEPTED"}
    assert rows[0] == {"token": "a good one", "status": 200, "result": "ok"}
    assert len(rows) > 40
    assert wrong == WRONGLY_ACCEPTED
    assert audit.exit_code == 1
