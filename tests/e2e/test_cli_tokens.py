"""``hookkey sign``, ``verify`` and ``inspect`` with tokens from files and stdin."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization

from hookkey_verify import HookSigner
from hookkey_verify.cli.commands import hookkey
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.settings import NAMES
from hookkey_verify.testing import bad_tokens

from ..conftest import CLIENT_ID, TOKEN_URL
from ..faults import FaultServer, json_answer

HOOKKEY = (sys.executable, "-m", "hookkey_verify")
ASSERTION = ("--client-id", CLIENT_ID, "--token-url", TOKEN_URL)


@pytest.fixture(autouse=True)
def _nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for name in NAMES.values():
        monkeypatch.delenv(name.variable, raising=False)


@pytest.fixture
def jwk(signer: HookSigner) -> str:
    """Write the public key to a file for ``--keys`` and return the file name."""
    Path("jwk.json").write_text(json.dumps(signer.public_jwk()))
    return "jwk.json"


@pytest.fixture
def token(signer: HookSigner) -> str:
    return signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)


def run(*arguments: str, stdin: str = "") -> Result:
    return CliRunner().invoke(hookkey, arguments, input=stdin)


def _pem(signer: HookSigner) -> str:
    pem_bytes = signer._key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    Path("private.pem").write_bytes(pem_bytes)
    return "private.pem"


def test_sign_then_verify(signer: HookSigner, jwk: str) -> None:
    """``verify`` accepts from a pipe what ``sign`` prints, with or without the word Bearer."""
    signed = run("sign", "--private-key", _pem(signer), "--kid", signer.kid, *ASSERTION)
    assert signed.exit_code == 0
    for text in (
        signed.stdout,
        f"Bearer {signed.stdout}",
        f"authorization:  bearer {signed.stdout}",
        f"  {signed.stdout}\n\n",
    ):
        done = run("verify", "--keys", jwk, *ASSERTION, stdin=text)
        assert (done.exit_code, done.stderr.splitlines()[-1]) == (0, "verified")
        assert f'aud is "{TOKEN_URL}", expected "{TOKEN_URL}"' in done.stderr
        assert json.loads(done.stdout)["sub"] == CLIENT_ID


def test_sign_any_claims(signer: HookSigner) -> None:
    """``sign`` signs claims from a file and changes none of them."""
    Path("claims.json").write_text('{"iss": "me", "n": 1}')
    key = ("--private-key", _pem(signer), "--kid", "k1")
    done = run("sign", *key, "--claims", "claims.json")
    assert done.exit_code == 0
    document = json.loads(run("sign", *key, "--claims", "claims.json", "--json").stdout)
    assert document == {"token": done.stdout.strip(), "kid": "k1"}
    shown = json.loads(run("inspect", "--json", stdin=done.stdout).stdout)["unverified"]
    assert shown["claims"] == {"iss": "me", "n": 1}
    assert shown["header"]["kid"] == "k1"
    for arguments, problem in (
        ((), "--client-id and --token-url, or --claims"),
        (("--claims", "private.pem"), "claims file is not"),
    ):
        failed = run("sign", *key, *arguments)
        assert failed.exit_code == 2
        assert problem in failed.stderr
    assert run("sign", "--private-key", "claims.json", "--kid", "k").exit_code == 2


def test_verify_from_a_file_as_json(jwk: str, token: str, signer: HookSigner) -> None:
    """``verify --json`` prints a document with stable members for a token in a file."""
    Path("token").write_text(token)
    report = json.loads(run("verify", "token", "--keys", jwk, *ASSERTION, "--json").stdout)
    assert set(report) == {"verified", "kid", "keyThumbprint", "header", "claims"}
    assert (report["verified"], report["kid"]) == (True, signer.kid)


def test_verify_with_the_orgs_keys(okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """``verify`` works with all settings from the environment and the org's keys."""
    signer = okta.signer(okta.create_key("one")["keyId"])
    for name, value in (
        ("OKTA_CLIENT_ORGURL", okta.url),
        ("OKTA_CLIENT_TOKEN", okta.api_token),
        ("HOOKKEY_CLIENT_ID", CLIENT_ID),
        ("HOOKKEY_TOKEN_URL", TOKEN_URL),
    ):
        monkeypatch.setenv(name, value)
    token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    assert run("verify", stdin=token).exit_code == 0


def test_verify_an_access_token(signer: HookSigner, jwk: str) -> None:
    """``verify`` checks an access token with the issuer's own keys or with a file."""
    now = int(time.time())
    claims = {"aud": "api://h", "cid": CLIENT_ID, "scp": ["hooks"], "exp": now + 300}
    policy = ("--audience", "api://h", "--client-id", CLIENT_ID, "--scope", "hooks")
    with FaultServer(json_answer(200, {"keys": [signer.public_jwk()]})) as server:
        issuer = f"{server.url}/oauth2/aus1"
        token = signer.sign({"iss": issuer, **claims})
        assert run("verify", "--issuer", issuer, *policy, stdin=token).exit_code == 0
    assert run("verify", "--issuer", issuer, *policy, "--keys", jwk, stdin=token).exit_code == 0
    other = run("verify", "--issuer", issuer, *policy[:-1], "more", "--keys", jwk, stdin=token)
    assert other.exit_code == 1
    assert "needs more" in other.stderr


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ((), "OKTA_CLIENT_ORGURL"),
        (("--keys", "jwk.json"), "HOOKKEY_CLIENT_ID"),
        (("--keys", "jwk.json", "--issuer", "i"), "HOOKKEY_AUDIENCE"),
        (("--keys", "jwk.json", "--issuer", "i", "--audience", "a"), "HOOKKEY_CLIENT_ID"),
        (("--keys", "jwk.json", *ASSERTION, "--scope", "admin"), "are for access tokens"),
        (("--issuer", "https://acme.okta.com", "--audience", "a"), "opaque"),
        (("--issuer", "i", "--token-url", "t"), "--token-url is for assertions"),
        (("--keys", "nothing.json"), "the file does not exist"),
    ],
)
def test_what_is_missing(jwk: str, token: str, arguments: tuple[str, ...], problem: str) -> None:
    """Missing or unsuitable options give exit code 2 and a message that names the option."""
    done = run("verify", *arguments, stdin=token)
    assert done.exit_code == 2
    assert problem in done.stderr
    assert token not in done.output


@pytest.mark.parametrize("text", ["", "  \n", "x" * 70_000])
def test_no_token(jwk: str, text: str) -> None:
    """Empty or oversized input on stdin gives exit code 2."""
    done = run("verify", "--keys", jwk, *ASSERTION, stdin=text)
    assert done.exit_code == 2
    assert "1 to 65536 bytes" in done.stderr


def test_a_file_that_cannot_be_read(jwk: str) -> None:
    """A token file that cannot be read gives exit code 3 and no traceback."""
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "hookkey_verify",
            "verify",
            "/proc/self/mem",
            "--keys",
            jwk,
            *ASSERTION,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "hookkey: a file or the output fails: input/output error\n"


def test_a_closed_standard_input(jwk: str) -> None:
    """A closed standard input gives exit code 3 and no traceback."""
    command = f"{' '.join(HOOKKEY)} verify --keys {jwk} --client-id c --token-url t <&-"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "hookkey: there is no standard input\n"


def test_scopes_from_the_environment(
    signer: HookSigner, jwk: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Issuer and scopes from the environment also apply if ``--keys`` is given."""
    now = int(time.time())
    claims = {"iss": "i", "aud": "a", "cid": CLIENT_ID, "scp": ["hooks"], "exp": now + 300}
    for name, value in (("ISSUER", "i"), ("AUDIENCE", "a"), ("CLIENT_ID", CLIENT_ID)):
        monkeypatch.setenv(f"HOOKKEY_{name}", value)
    token = signer.sign(claims)
    assert run("verify", "--keys", jwk, stdin=token).exit_code == 0
    monkeypatch.setenv("HOOKKEY_SCOPES", "admin")
    done = run("verify", "--keys", jwk, stdin=token)
    assert (done.exit_code, "admin" in done.stderr) == (1, True)


CHECKS = {
    "invalid_signature": "signature",
    "unknown_key": "key",
    "algorithm_not_allowed": "algorithm",
    "token_type_not_allowed": "type",
    "token_too_large": "form",
    "unsupported_header": "form",
    "expired": "expiry",
    "not_yet_valid": "not before",
    "issued_in_future": "issued",
    "lifetime_too_long": "lifetime",
    "wrong_audience": "audience",
    "wrong_issuer": "issuer",
    "wrong_subject": "subject",
}


def test_the_zoo(signer: HookSigner, jwk: str) -> None:
    """Every bad token is refused with its reason, and the check for that reason fails."""
    zoo = bad_tokens(signer, client_id=CLIENT_ID, token_url=TOKEN_URL)
    # The command strips the text around a token, and refuses an empty file with exit code 2.
    shown_as_sent = [bad for bad in zoo if bad.token and bad.token == bad.token.strip()]
    assert len(shown_as_sent) >= len(zoo) - 4
    for bad in shown_as_sent:
        policy = ("--keys", jwk, *ASSERTION, "--json")
        refused = run("verify", *policy, stdin=bad.token)
        assert refused.exit_code == 1, bad.name
        report = json.loads(refused.stdout)
        assert report["error"]["reason"] == bad.reason, bad.name
        shown = run("inspect", *policy, stdin=bad.token)
        assert shown.exit_code == 1, bad.name
        checks = json.loads(shown.stdout)["checks"]
        assert [set(check) for check in checks] == [
            {"check", "result", "is", "expected", "hint"}
        ] * len(checks)
        failed = [check["check"] for check in checks if check["result"] == "failed"]
        assert failed == [c["check"] for c in report["checks"] if c["result"] == "failed"]
        assert CHECKS.get(bad.reason, failed[0]) in failed, bad.name
        changed = ["signature", "subject"] if bad.name == "payload changed after signing" else []
        assert len(failed) == 1 or failed == changed, (bad, failed)


def test_every_check_says_what_is_and_what_was_expected(jwk: str, signer: HookSigner) -> None:
    """All wrong claims are shown at once, each with its actual and its expected value."""
    now = int(time.time())
    token = signer.sign({"iss": "me", "aud": ["a", "b"], "iat": now - 7500, "exp": now - 7200})
    for command in ("inspect", "verify"):
        done = run(command, "--keys", jwk, *ASSERTION, stdin=token)
        assert done.exit_code == 1
        for row in (
            f'issuer\tfailed\tiss is "me", expected "{CLIENT_ID}"',
            f'audience\tfailed\taud is ["a", "b"], expected "{TOKEN_URL}"',
            f'subject\tfailed\tsub is missing, expected "{CLIENT_ID}"',
            " UTC, 2 hours ago, expected no more than 60 seconds in the past",
            'algorithm\tpassed\talg is "RS256"',
            "signature\tpassed\t",
        ):
            assert row in done.output, row


def test_access_tokens_are_compared_as_well(jwk: str, signer: HookSigner) -> None:
    """For an access token, client and scopes have their own rows."""
    claims = {"iss": "i", "aud": "a", "cid": "0oa1", "scp": ["x"], "exp": int(time.time()) + 9}
    policy = ("--issuer", "i", "--audience", "a", "--client-id", "0oa2", "--scope", "x")
    token = signer.sign(claims)
    done = run("inspect", "--keys", jwk, *policy, "--scope", "y", stdin=token)
    assert 'client\tfailed\tcid is "0oa1", expected "0oa2"' in done.output
    assert 'scopes\tfailed\tscp is ["x"], expected "x" and "y"' in done.output
    wrong = signer.sign({**claims, "cid": "0oa2", "jti": 5})
    done = run("inspect", "--keys", jwk, *policy, stdin=wrong)
    assert "other\tfailed\tinvalid_claim: A claim of the token is not valid: jti" in done.output


def test_a_key_that_is_not_there(jwk: str, signer: HookSigner) -> None:
    """The row for a missing key has the kid and the place of the look-up."""
    token = signer.sign({"exp": 2_000_000_000}, headers={"kid": "k2"})
    done = run("inspect", "--keys", jwk, *ASSERTION, stdin=token)
    assert 'key\tfailed\tkid is "k2", expected a key of the file; there is no such' in done.output
    assert "signature\tnot reached" in done.output


@pytest.mark.parametrize("command", ["verify", "inspect", "doctor"])
def test_a_token_in_the_place_of_a_file(command: str, token: str) -> None:
    """A token in place of a file name is refused with a hint and not repeated."""
    for argument in (token, f"Bearer {token}"):
        done = run(command, argument)
        assert done.exit_code == 2
        assert "save the token to a file or pipe it in" in done.output
        assert token[:30] not in done.output


def test_inspect_says_that_nothing_is_verified(jwk: str, token: str) -> None:
    """``inspect`` first warns that nothing is verified, then shows every check."""
    done = run("inspect", "--keys", jwk, *ASSERTION, stdin=token)
    assert done.exit_code == 0
    assert done.stdout.startswith("UNVERIFIED")
    rows = [line.split("\t") for line in done.stdout.splitlines() if "\t" in line]
    assert {row[1] for row in rows} == {"passed"}
    assert [row[0] for row in rows] == [
        *("form", "algorithm", "type", "key", "signature", "payload"),
        *("expiry", "issued", "lifetime", "issuer", "audience", "subject"),
    ]
    without = json.loads(run("inspect", "--json", stdin=token).stdout)
    judged = [check["check"] for check in without["checks"] if check["result"] != "not checked"]
    assert judged == ["expiry", "issued"]
    assert "OKTA_CLIENT_ORGURL" in without["problem"]
    assert "\nnot verified: no verifier is configured" in run("inspect", stdin=token).stdout


def test_inspect_what_cannot_be_read() -> None:
    """For an unreadable token, ``inspect`` says why."""
    shown: Any = json.loads(run("inspect", "--json", stdin="rubbish.!!").stdout)
    assert shown["unverified"]["header"].startswith("cannot be read")


def test_inspect_with_keys_that_cannot_be_used(signer: HookSigner, token: str) -> None:
    """If a check is requested but the keys cannot be used, ``inspect`` exits with 2."""
    done = run("inspect", "--keys", _pem(signer), "--kid", "k", *ASSERTION, stdin=token)
    assert done.exit_code == 2
    assert "private key" in done.stderr
