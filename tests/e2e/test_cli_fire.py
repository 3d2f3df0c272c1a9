"""``hookkey fire`` sends one hook, or all bad tokens, to a real server."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization
from flask import Flask, request

from hookkey_verify import HookSigner, HookVerifier, IssuerKeys, StaticKeys
from hookkey_verify.cli.commands import hookkey
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.flask import protect
from hookkey_verify.guard import RequestVerifier
from hookkey_verify.shared_secret import HeaderSecret

from ..conftest import CLIENT_ID, TOKEN_URL
from ..faults import FaultServer, answer, hang_up, json_answer
from ..servers import wsgi_server

ISSUER, AUDIENCE = "https://acme.okta.com/oauth2/aus1", "api://hooks"
PATCH = {"commands": [{"type": "com.okta.access.patch", "value": []}]}


def run(*arguments: str) -> Result:
    return CliRunner().invoke(hookkey, ["fire", *arguments])


@pytest.fixture
def key(signer: HookSigner, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The options that let the command sign assertions as Okta does."""
    monkeypatch.chdir(tmp_path)
    pem_bytes = signer._key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    Path("test.pem").write_bytes(pem_bytes)
    return ("--private-key", "test.pem", "--kid", signer.kid, "--client-id", CLIENT_ID)


def _served(verifier: RequestVerifier | None, check: Any = None) -> Any:
    app = Flask(__name__)

    def hook() -> Any:
        return PATCH if check is None or check() else ({}, 401)

    app.post("/hook")(hook if verifier is None else protect(verifier)(hook))
    return wsgi_server(app)


@pytest.fixture
def hook(keys: StaticKeys) -> Iterator[str]:
    """Serve a handler that requires client assertions and yield its URL."""
    verifier = HookVerifier.for_client_assertion(keys, client_id=CLIENT_ID, token_url=TOKEN_URL)
    with _served(verifier) as port:
        yield f"http://127.0.0.1:{port}/hook"


ASSERTION = ("--token-url", TOKEN_URL, "--direct")
ACCESS = ("--issuer", ISSUER, "--audience", AUDIENCE, "--scope", "hooks")


def test_a_good_hook(hook: str, key: tuple[str, ...]) -> None:
    """An accepted hook shows its steps and verdict, exits with 0, and hides the token."""
    done = run(hook, *key, *ASSERTION)
    assert done.exit_code == 0, done.output
    assert "commands: the hook's commands are carried out" in done.stdout
    report = json.loads(run(hook, *key, *ASSERTION, "--json").stdout)
    assert (report["ok"], report["outcome"], len(report["steps"])) == (True, "commands", 1)
    assert report["steps"][0]["sent"]["Authorization"].startswith("Bearer (")
    assert "eyJ" not in done.output


def test_a_refused_hook(hook: str, key: tuple[str, ...]) -> None:
    """A refused hook exits with 1 and shows the effect on the issued token."""
    done = run(hook)
    assert done.exit_code == 1
    assert "the token is issued without the hook's changes: the hook answers 401" in done.stdout
    done = run(hook, *key, "--token-url", "https://other.example/token", "--direct")
    assert done.exit_code == 1


def test_access_tokens(keys: StaticKeys, key: tuple[str, ...]) -> None:
    """A handler for access tokens accepts a generated access token and refuses all bad ones."""
    verifier = HookVerifier.for_access_token(
        keys, issuer=ISSUER, audience=AUDIENCE, client_id=CLIENT_ID, scopes=["hooks"]
    )
    with _served(verifier) as port:
        url = f"http://127.0.0.1:{port}/hook"
        assert run(url, *key, *ACCESS).exit_code == 0
        done = run(url, *key, *ACCESS, "--zoo")
        assert (done.exit_code, "0 wrongly accepted, 0 unexpected results" in done.stdout) == (
            0,
            True,
        )


def test_the_whole_dance(key: tuple[str, ...]) -> None:
    """The command gets a token from the token URL and sends it to the hook."""
    issued = json_answer(200, {"access_token": "T0KEN", "expires_in": 60})
    with FaultServer(issued, json_answer(200, PATCH)) as server:
        done = run(server.url, *key, "--token-url", server.url, "--scope", "hooks", "--json")
        assert server.requests[1].headers["authorization"] == "Bearer T0KEN"
    assert [step["name"] for step in json.loads(done.stdout)["steps"]] == ["token", "hook"]
    assert "T0KEN" not in done.output


def test_a_secret_or_a_token_of_ones_own(key: tuple[str, ...]) -> None:
    """The command sends a shared secret or a token that it reads from a file."""
    Path("secret").write_text("s3cret\n")
    Path("token").write_text("Bearer a.b.c\n")
    with _served(HeaderSecret("s3cret", header="X-Secret")) as port:
        url = f"http://127.0.0.1:{port}/hook"
        assert run(url, "--secret", "secret", "--header", "X-Secret").exit_code == 0
        assert run(url, "--token", "token").exit_code == 1
    with FaultServer(json_answer(200, {})) as server:
        run(server.url, "--token", "token")
        assert server.requests[0].headers["authorization"] == "Bearer a.b.c"


@pytest.mark.parametrize(
    ("kind", "event_type"),
    [
        ("token", "com.okta.oauth2.tokens.transform"),
        ("saml", "com.okta.saml.tokens.transform"),
        ("registration", "com.okta.user.pre-registration"),
        ("import", "com.okta.import.transform"),
        ("password", "com.okta.user.credential.password.import"),
        ("telephony", "com.okta.telephony.provider"),
    ],
)
def test_types(kind: str, event_type: str) -> None:
    """Each hook type is sent with its Okta event type."""
    with FaultServer(json_answer(200, {})) as server:
        assert run(server.url, "--type", kind).exit_code == (1 if kind == "telephony" else 0)
        assert json.loads(server.requests[0].body)["eventType"] == event_type


def test_problems_by_path(key: tuple[str, ...]) -> None:
    """Each problem of the reply is shown with path, severity and message; errors exit with 1."""
    reply = {"commands": [{"type": "com.okta.identity.patch", "value": [{"op": "add"}]}]}
    with FaultServer(json_answer(200, {**reply, "later": 1})) as server:
        done = run(server.url)
        report = json.loads(run(server.url, "--json").stdout)
    assert done.exit_code == 1
    assert "/later\twarning\tOkta documents no such member." in done.stdout
    assert "/commands/0/value/0/path\terror\tpath must be a JSON Pointer" in done.stdout
    assert [each["path"] for each in report["problems"]] == ["/later", "/commands/0/value/0/path"]
    with FaultServer(json_answer(200, {"commands": [], "later": 1})) as server:
        done = run(server.url)
    assert (done.exit_code, "/later\twarning" in done.stdout) == (0, True), done.output


def test_a_long_path_is_cut() -> None:
    """A long name of a member does not fill the terminal."""
    with FaultServer(json_answer(200, {"x" * 100_000: 1})) as server:
        done = run(server.url)
    assert done.exit_code == 0
    assert len(done.output) < 1000


def test_the_zoo_with_a_variant(hook: str, key: tuple[str, ...]) -> None:
    """``--zoo`` sends the chosen variant, or a saved body, with every token."""
    assert run(hook, *key, *ASSERTION, "--zoo", "--variant", "refresh").exit_code == 0
    Path("saved").write_text("no JSON")
    done = run(hook, *key, *ASSERTION, "--zoo", "--payload", "saved", "--type", "token")
    assert done.exit_code == 0, done.output


def test_the_zoo_finds_nothing(hook: str, key: tuple[str, ...]) -> None:
    """A handler that this library protects refuses every bad token."""
    done = run(hook, *key, *ASSERTION, "--zoo")
    assert done.exit_code == 0, done.output
    *_, unsent, summary = done.stdout.splitlines()
    assert (
        summary == "a good token and 49 bad tokens sent, 0 wrongly accepted, 0 unexpected results"
    )
    assert unsent == "not sent, because no HTTP header can carry it: trailing line break"


def test_the_zoo_finds_holes(key: tuple[str, ...]) -> None:
    """``--zoo`` finds a handler that reads the claims but does not verify the signature."""

    def careless() -> bool:
        try:
            payload = request.headers["Authorization"].split(".")[1]
            claims = json.loads(base64.urlsafe_b64decode(payload + "=="))
            return bool(claims["aud"] == TOKEN_URL)
        except (LookupError, ValueError, TypeError):
            return False

    with _served(None, careless) as port:
        url = f"http://127.0.0.1:{port}/hook"
        report = json.loads(run(url, *key, *ASSERTION, "--zoo", "--json").stdout)
    results = {row["token"]: row["result"] for row in report["tokens"]}
    assert report["ok"] is False
    assert results["a good one"] == "ok"
    assert results["signed by another key"] == "WRONGLY ACCEPTED"
    assert results["alg none, signature kept"] == "WRONGLY ACCEPTED"
    assert results["expired"] == "WRONGLY ACCEPTED"
    assert results["another audience"] == "ok"


@pytest.mark.parametrize(
    ("behaviour", "good", "bad"),
    [
        (json_answer(401, {}), "REFUSED", "ok"),
        (json_answer(500, {}), "REFUSED", "not refused with 401"),
        (hang_up, "REFUSED", "not refused with 401"),
    ],
)
def test_a_handler_that_refuses_everything(
    key: tuple[str, ...], behaviour: Any, good: str, bad: str
) -> None:
    """Refusing the good token is a failure, and an error does not count as a refusal."""
    with FaultServer(behaviour) as server:
        done = run(server.url, *key, *ASSERTION, "--zoo", "--json")
    results = {row["token"]: row["result"] for row in json.loads(done.stdout)["tokens"]}
    assert (done.exit_code, results["a good one"], results["expired"]) == (1, good, bad)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("http://acme.com/hook",), "must begin with https://"),
        (("http://127.0.0.1:9/", "--zoo"), "--private-key, --kid and --client-id"),
        (("http://127.0.0.1:9/", "--direct"), "--private-key, --kid and --client-id"),
        (("http://127.0.0.1:9/", "--token-url", "http://127.0.0.1:9/"), "--private-key"),
        (("http://127.0.0.1:9/", "--type", "email"), "Invalid value"),
        (("http://127.0.0.1:9/", "--secret", "empty"), "printable ASCII"),
        (("http://127.0.0.1:9/", "--variant", "voice"), "--variant must be one of authorization"),
        (
            ("http://127.0.0.1:9/", "--variant", "refresh", "--type", "telephony"),
            "--variant must be one of sms, voice",
        ),
        (
            ("http://127.0.0.1:9/", "--payload", "empty", "--variant", "refresh"),
            "--variant has no effect beside --payload",
        ),
        (("http://127.0.0.1:9/", "--payload", "empty"), "pass --type (token, saml,"),
        (("http://127.0.0.1:9/", "--payload", "test.pem"), "pass --type (token, saml,"),
        (("http://127.0.0.1:9/", "--payload", "none"), "does not exist or cannot be read"),
        (("http://127.0.0.1:9/", "--save", "none/saved"), "--save cannot be written"),
        (("http://127.0.0.1:9/", "--save", "."), "is a directory"),
        (("http://127.0.0.1:9/", "--zoo", "--save", "s"), "--save has no effect beside --zoo"),
    ],
)
def test_wrong_usage(key: tuple[str, ...], arguments: tuple[str, ...], problem: str) -> None:
    """Wrong usage gives exit code 2 and a message that says what to change."""
    Path("empty").write_text("")
    done = run(*arguments)
    assert (done.exit_code, problem in done.stderr) == (2, True), done.output


@pytest.mark.parametrize(
    ("missing", "problem"), [((), "--token-url"), (("--issuer", ISSUER), "--audience")]
)
def test_what_a_good_token_needs(
    key: tuple[str, ...], missing: tuple[str, ...], problem: str
) -> None:
    """An option that is needed for a good token is named in the error."""
    done = run("http://127.0.0.1:9/", *key, *missing, "--zoo")
    assert (done.exit_code, problem in done.stderr) == (2, True), done.output


@pytest.mark.parametrize(
    ("arguments", "idle"),
    [
        (("--kid", "k", "--client-id", "c"), "--kid, --client-id have no effect without"),
        (("--token", "empty", "--client-id", "c"), "--client-id has no effect beside --token"),
        (("--secret", "empty", "--audience", "a"), "--audience has no effect beside --secret"),
        (("--header", "X-Secret"), "--header has no effect without --direct"),
        (
            ("--direct", "--token-url", TOKEN_URL, "--scope", "s"),
            "--scope has no effect beside --direct",
        ),
        (
            ("--issuer", ISSUER, "--token-url", TOKEN_URL),
            "--token-url has no effect beside --issuer",
        ),
    ],
)
def test_options_without_effect(
    key: tuple[str, ...], arguments: tuple[str, ...], idle: str
) -> None:
    """Options without effect are refused, so that no user relies on them."""
    Path("empty").write_text("")
    done = run("http://127.0.0.1:9/", *arguments)
    assert (done.exit_code, idle in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize(
    ("url", "hint"),
    [
        ("localhost:5056/hook", "did you mean http://localhost:5056/hook?"),
        ("127.0.0.1:5056", "did you mean http://127.0.0.1:5056?"),
        ("hooks.acme.com/okta", "did you mean https://hooks.acme.com/okta?"),
        ("http://acme.com/hook", "must begin with https:// (http is for loopback only)"),
    ],
)
def test_a_url_with_a_hint(url: str, hint: str) -> None:
    """A URL without a scheme, or with a scheme that Okta does not allow, gives a hint."""
    done = run(url)
    assert (done.exit_code, hint in done.stderr) == (2, True), done.stderr


def test_why_the_handler_refused(hook: str, key: tuple[str, ...]) -> None:
    """The output has the reason from the handler's problem document or from the token URL."""
    done = run(hook, *key, "--token-url", "https://other.example/token", "--direct")
    assert "the hook answers 401 (wrong_audience: The token is for another audience)" in done.stdout
    refusal = json_answer(400, {"error": "invalid_scope", "error_description": "No such scope."})
    with FaultServer(refusal) as server:
        done = run(hook, *key, "--token-url", f"{server.url}/t")
    assert "the token URL answers 400 (invalid_scope: No such scope.)" in done.stdout


def test_an_answer_that_is_not_json(key: tuple[str, ...]) -> None:
    """A response that is not JSON makes its step fail."""
    with FaultServer(answer(200, b"OK", "Content-Type: text/plain")) as server:
        done = run(server.url)
    assert done.exit_code == 1
    step, problem, verdict = done.stdout.splitlines()
    assert step.endswith("\tthe reply is invalid: The reply must be a JSON object in UTF-8.")
    assert problem == "the whole reply\terror\tThe reply must be a JSON object in UTF-8."
    assert verdict.startswith("failed: the token is issued without the hook's changes")


@pytest.fixture
def settings(okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Let the command find the org by its settings."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OKTA_CLIENT_ORGURL", okta.url)
    monkeypatch.setenv("OKTA_CLIENT_TOKEN", okta.api_token)


@pytest.mark.usefixtures("settings")
def test_a_hook_of_a_running_emulator(okta: OktaEmulator) -> None:
    """A running emulator fires a hook by name or id, with its own key and credentials."""
    with IssuerKeys(okta.issuer) as keys:
        verifier = HookVerifier.for_access_token(keys, audience="api://hooks", client_id=CLIENT_ID)
        with _served(verifier) as port:
            url = f"http://127.0.0.1:{port}/hook"
            hook = okta.create_hook(
                url, name="Token hook", key=okta.create_key("k"), client_id=CLIENT_ID
            )
            okta.create_hook(url, name="Naked")
            for name in ("Token hook", hook["id"]):
                done = run(name)
                assert done.exit_code == 0, done.output
                assert "commands: the hook's commands are carried out" in done.stdout
            refused = run("Naked", "--json")
            assert (refused.exit_code, json.loads(refused.stdout)["outcome"]) == (1, "failed")
    assert len(okta.deliveries) == 3
    unknown = run("Token")
    assert (unknown.exit_code, "'Token hook', 'Naked'" in unknown.stderr) == (4, True)
    idle = run("Token hook", "--kid", "k")
    assert (idle.exit_code, "--kid has no effect" in idle.stderr) == (2, True)


@pytest.mark.usefixtures("settings")
def test_a_running_emulator_sends_variants_and_saved_bodies(okta: OktaEmulator) -> None:
    """A hook of a running emulator is fired with a variant or a saved body, byte for byte."""
    with FaultServer(json_answer(200, PATCH)) as server:
        okta.create_hook(server.url, name="Claims")
        done = run("Claims", "--variant", "refresh", "--save", "saved")
        assert done.exit_code == 0, done.output
        replayed = run("Claims", "--payload", "saved", "--json")
        assert replayed.exit_code == 0, replayed.output
        Path("mine").write_bytes(b" \xff\n")
        assert run("Claims", "--payload", "mine", "--save", "copy").exit_code == 0
        Path("large").write_bytes(b" " * 1_048_576)
        assert run("Claims", "--payload", "large").exit_code == 0
        bodies = [request.body for request in server.requests]
    assert bodies == [Path("saved").read_bytes()] * 2 + [b" \xff\n", b" " * 1_048_576]
    assert json.loads(bodies[0])["data"]["context"]["protocol"]["originalGrant"]
    assert Path("copy").read_bytes() == b" \xff\n"
    assert Path("saved").stat().st_mode & 0o777 == 0o600
    assert "payload" not in json.loads(replayed.stdout)
    unknown = run("Claims", "--variant", "voice", "--json")
    assert (unknown.exit_code, "--variant must be one of" in unknown.stderr) == (2, True)
    assert json.loads(unknown.stdout)["error"]["reason"] == "configuration"
    Path("large").write_bytes(b" " * 1_048_577)
    large = run("Claims", "--payload", "large")
    assert (large.exit_code, "more than 1048576 bytes" in large.stderr) == (2, True)
    assert len(server.requests) == 4


def test_an_org_that_is_no_emulator(monkeypatch: pytest.MonkeyPatch) -> None:
    """The message distinguishes a real org from an emulator that is not running."""
    monkeypatch.setenv("OKTA_CLIENT_TOKEN", "t")
    with FaultServer(json_answer(404, {"errorCode": "E0000022"})) as server:
        monkeypatch.setenv("OKTA_CLIENT_ORGURL", server.url)
        done = run("Token hook")
    assert (done.exit_code, "is not an emulator" in done.stderr) == (2, True), done.stderr
    monkeypatch.setenv("OKTA_CLIENT_ORGURL", "http://127.0.0.1:9")
    done = run("Token hook")
    assert (done.exit_code, "is hookkey emulate running there?" in done.stderr) == (3, True)


def test_no_emulator_is_running() -> None:
    """If no server listens, the command exits with 3 and lists every attempt."""
    done = run("http://127.0.0.1:9/hook", "--type", "saml")
    assert (done.exit_code, done.stdout.count("no connection")) == (3, 3)
