"""Common mistakes on the command line: messages say what to change and repeat no secret."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives import serialization

from hookkey_verify import HookSigner
from hookkey_verify.cli.commands import hookkey
from hookkey_verify.emulator import OktaEmulator

from ..conftest import CLIENT_ID, TOKEN_URL
from ..faults import FaultServer, Peer, answer, json_answer

ASSERTION = ("--client-id", CLIENT_ID, "--token-url", TOKEN_URL)


@pytest.fixture(autouse=True)
def _nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("OKTA_CLIENT_ORGURL", "OKTA_CLIENT_TOKEN"):
        monkeypatch.delenv(name, raising=False)


def run(*arguments: str, stdin: str = "", **env: str) -> Result:
    done = CliRunner().invoke(hookkey, arguments, input=stdin, env=env)
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done


@pytest.fixture
def token(signer: HookSigner) -> str:
    Path("jwk.json").write_text(json.dumps(signer.public_jwk()))
    token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    Path("token").write_text(token)
    return token


KEYS = ("--keys", "jwk.json")


# --- secrets in place of file names


def test_no_secret_is_repeated(signer: HookSigner, token: str) -> None:
    """A secret that is typed in place of a file name does not appear in the error."""
    pem = signer._key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()
    for arguments, secret in (
        (("sign", "--private-key", pem, "--kid", "k"), pem[40:80]),
        (("sign", "--private-key", "s3cret", "--kid", "k"), "s3cret"),
        (("sign", "--private-key", "token", "--kid", "k", "--claims", '{"a": 1}'), '"a"'),
        (("verify", "--keys", token), token[:40]),
        (("fire", "http://127.0.0.1:9/", "--secret", "s3cret"), "s3cret"),
        (("fire", "http://127.0.0.1:9/", "--token", token), token[:40]),
        (("fire", token), token[:40]),
        (("fire", "http://127.0.0.1:9/", "--direct", "--private-key", pem), pem[40:80]),
    ):
        done = run(*arguments)
        assert done.exit_code == 2
        assert secret not in done.output


@pytest.mark.parametrize("content", ["orgUrl: [", "okta: hello", b"\xff\xfe"])
def test_an_okta_yaml_that_cannot_be_read(token: str, content: str | bytes) -> None:
    """Every command that reads a broken okta.yaml exits with 2 and names the file."""
    data = content if isinstance(content, bytes) else content.encode()
    Path("okta.yaml").write_bytes(data)
    for arguments in (
        ("doctor",),
        ("verify", "token", *ASSERTION),
        ("keys", "list"),
        ("fire", "Hook"),
    ):
        done = run(*arguments)
        assert (done.exit_code, "okta.yaml must be YAML" in done.output) == (2, True), arguments


def test_a_setting_in_a_file_is_named_with_the_file() -> None:
    """A message about a setting in a file names the key and the file."""
    Path("okta.yaml").write_text("okta: {client: {orgUrl: 'http://a.okta.com', token: t}}")
    done = run("keys", "list")
    assert "okta.client.orgUrl in okta.yaml must begin with https://" in done.stderr


# --- tokens


@pytest.mark.parametrize("command", ["verify", "inspect", "doctor"])
def test_an_empty_file(token: str, command: str) -> None:
    """An empty token file is reported as the problem."""
    Path("empty").write_text("\n")
    done = run(command, "empty", OKTA_CLIENT_ORGURL="https://127.0.0.1:9", OKTA_CLIENT_TOKEN="t")
    assert "hookkey: the token file must contain 1 to 65536 bytes" in done.output


def test_a_token_in_quotes(token: str) -> None:
    """A token in quotes, as copied from JSON, is accepted."""
    assert run("verify", *KEYS, *ASSERTION, stdin=f'"{token}"\n').exit_code == 0


@pytest.mark.parametrize("value", [-9e10, 1e300, -1, 9e11, 2**53])
def test_times_far_away(signer: HookSigner, token: str, value: float) -> None:
    """``inspect`` works for times that are not valid dates, with and without keys."""
    claims = {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": TOKEN_URL, "exp": time.time() + 99}
    for name in ("nbf", "iat", "exp"):
        stdin = signer.sign({**claims, name: value})
        for options in ((), (*KEYS, *ASSERTION)):
            assert run("inspect", *options, stdin=stdin).exit_code in (0, 1)


@pytest.mark.parametrize(
    ("claims", "row"),
    [
        ({"iat": 1000, "exp": 86_400}, "lifetime\tfailed"),
        ({"iat": -90_000, "exp": -100}, "lifetime\tfailed"),
        ({"iat": -100, "exp": -70}, "lifetime\tpassed"),
        ({"exp": "x"}, "lifetime\tnot reached"),
        ({"iat": "x"}, "lifetime\tpassed"),
        ({"jti": 7, "iss": "q"}, "other\tfailed\tinvalid_claim: A claim of the token is not valid"),
        ({"sub": None}, "subject\tfailed\tsub is null"),
    ],
)
def test_rows_tell_the_truth(
    signer: HookSigner, token: str, claims: dict[str, Any], row: str
) -> None:
    """Each row shows the result of its own check, even if an earlier check has failed."""
    now = int(time.time())
    good = {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": TOKEN_URL, "iat": now, "exp": now + 60}
    times = {name: now + v for name, v in claims.items() if type(v) is int and name != "jti"}
    done = run("inspect", *KEYS, *ASSERTION, stdin=signer.sign({**good, **claims, **times}))
    assert row in done.output, done.output


def test_all_client_ids_are_shown(signer: HookSigner, token: str) -> None:
    """``inspect`` shows all client id claims, because they must agree."""
    claims = {"iss": "https://i", "aud": "a", "cid": "c1", "client_id": "evil", "exp": 9e9}
    policy = ("--issuer", "https://i", "--audience", "a", "--client-id", "c1")
    done = run("inspect", *KEYS, *policy, stdin=signer.sign(claims))
    assert 'client\tfailed\tcid is "c1", client_id is "evil", expected "c1"' in done.output


def test_configured_values_are_not_translated(signer: HookSigner, token: str) -> None:
    """A configured value that looks like a parameter name is printed unchanged."""
    url = "https://a.example/token_url"
    done = run("verify", "token", *KEYS, "--client-id", CLIENT_ID, "--token-url", url)
    assert f'expected aud "{url}"' in done.stderr.splitlines()[-1]
    done = run("verify", "token", *KEYS, "--client-id", "org_url", "--token-url", TOKEN_URL)
    assert 'expected iss "org_url"' in done.stderr.splitlines()[-1]


def test_what_to_do_about_an_unknown_key(signer: HookSigner, token: str) -> None:
    """For an unknown key, the message suggests flags that match the kind of token."""
    other = HookSigner.generate("other").public_jwk()
    Path("other.json").write_text(json.dumps(other))
    done = run("verify", "token", "--keys", "other.json", *ASSERTION)
    assert "if it is an access token of an authorization server, pass --issuer" in done.stderr
    policy = ("--issuer", "https://i", "--audience", "a", "--client-id", "c")
    done = run("verify", "token", "--keys", "other.json", *policy)
    assert "if it is a client assertion, verify it without --issuer" in done.stderr
    assert "HookKeys" not in done.output


@pytest.mark.parametrize(
    ("arguments", "env", "problem"),
    [
        (("--issuer", "https://{yourOktaDomain}/oauth2/x"), {}, "--issuer still contains a"),
        ((), {"HOOKKEY_ISSUER": "acme.okta.com/x"}, "HOOKKEY_ISSUER must be a plain URL"),
        (("--issuer", "https://acme-admin.okta.com/oauth2/x", "--audience", "a"), {}, "did you"),
        ((*KEYS, "--client-id", "c", "--token-url", "a.io/t"), {}, "--token-url must be a plain"),
        (("--keys", "pem.pub"), {}, "a PEM file has no kid; pass --kid"),
        (("--keys", "no-kid.json"), {}, "the JWK: kid must be a string"),
        (("--kid", "k"), {}, "--kid is for a PEM file that --keys names"),
        ((*KEYS, "--client-id", ""), {"HOOKKEY_TOKEN_URL": TOKEN_URL}, "client_id must be"),
    ],
)
def test_verify_options(
    signer: HookSigner, token: str, arguments: tuple[str, ...], env: dict[str, str], problem: str
) -> None:
    """Each message names the flag, the variable or the JWK member to change."""
    pem = signer._key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    Path("pem.pub").write_bytes(pem)
    Path("no-kid.json").write_text(json.dumps({**signer.public_jwk(), "kid": None}))
    done = run("verify", "token", *arguments, **env)
    assert done.exit_code == 2
    assert problem.replace("client_id", "--client-id") in done.stderr


def test_sign_takes_claims_or_options(signer: HookSigner, token: str) -> None:
    """``sign`` refuses a claims file together with options, and an invalid token URL."""
    key = signer._key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    Path("key.pem").write_bytes(key)
    Path("claims.json").write_text("{}")
    own = ("sign", "--private-key", "key.pem", "--kid", "k")
    done = run(*own, "--claims", "claims.json", "--client-id", "c")
    assert (done.exit_code, "--claims cannot be combined" in done.stderr) == (2, True)
    done = run(*own, "--client-id", "c", "--token-url", "a.io/t")
    assert (done.exit_code, "--token-url must be a plain URL" in done.stderr) == (2, True)


# --- doctor


def findings(done: Result) -> dict[str, tuple[str, str]]:
    found = json.loads(done.stdout)["findings"]
    return {each["check"]: (each["result"], each["detail"]) for each in found}


def test_doctor_with_an_issuer_alone(okta: OktaEmulator) -> None:
    """Without an org, doctor verifies an access token with the keys of its issuer."""
    settings = {
        "HOOKKEY_ISSUER": okta.issuer,
        "HOOKKEY_AUDIENCE": "api://hooks",
        "HOOKKEY_CLIENT_ID": "0oa1",
    }
    Path("at").write_text(okta.access_token("0oa1"))
    done = run("doctor", "at", "--json", **settings)
    assert done.exit_code == 0, done.output
    found = findings(done)
    assert found["org"] == ("skipped", "not needed for access tokens")
    assert found["verifier"] == ("ok", f"for access tokens; {okta.issuer} has its keys")
    assert found["token client"] == ("ok", 'cid is "0oa1", expected "0oa1"')


@pytest.mark.parametrize(
    ("issuer", "problem"),
    [
        ("https://{yourOktaDomain}/oauth2/default", "HOOKKEY_ISSUER still contains a placeholder"),
        ("acme.okta.com/oauth2/aus1", "HOOKKEY_ISSUER must be a plain URL"),
        ("https://acme.okta.com", "opaque"),
        ("http://127.0.0.1:9/oauth2/aus1", "http://127.0.0.1:9"),
    ],
)
def test_doctor_finds_settings_that_cannot_work(issuer: str, problem: str) -> None:
    """Doctor reports an unusable issuer even without a token."""
    settings = {"HOOKKEY_AUDIENCE": "api://hooks", "HOOKKEY_CLIENT_ID": "0oa1"}
    done = run("doctor", "--json", **settings, HOOKKEY_ISSUER=issuer)
    assert done.exit_code == 1
    result, detail = findings(done)["verifier"]
    assert (result, problem in detail) == ("failed", True), detail


def test_doctor_has_no_flags_to_name(signer: HookSigner, token: str) -> None:
    """Doctor reads only settings, so its messages name variables and no flags."""
    env = {"OKTA_CLIENT_ORGURL": "https://127.0.0.1:9", "OKTA_CLIENT_TOKEN": "t"}
    done = run("doctor", "token", HOOKKEY_CLIENT_ID="c", **env)
    assert "set HOOKKEY_TOKEN_URL" in done.output
    assert "--" not in done.output


# --- fire


STEP = {"name": "hook", "request": "", "problem": "", "status": 200, "milliseconds": 1}
DELIVERY = {"steps": [STEP], "ok": True, "outcome": "commands", "verdict": "", "problems": []}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("https://{yourDomain}/hook",), "URL still contains a placeholder"),
        (("http://127.0.0.1:9/", "--token-url", "a.io/t"), "--token-url must be a plain URL"),
        (("http://127.0.0.1:9/", "--issuer", "acme.okta.com"), "--issuer must be a plain URL"),
        (("http://127.0.0.1:9/", "--token", "org.yaml"), "must contain exactly one token"),
    ],
)
def test_fire_options(arguments: tuple[str, ...], problem: str) -> None:
    """Invalid options give exit code 2 and are not reported as a network failure."""
    Path("org.yaml").write_text("keys: [a]\nhooks: []\n")
    done = run("fire", *arguments)
    assert (done.exit_code, problem in done.stderr) == (2, True), done.stderr


@pytest.mark.parametrize(
    "document",
    [
        {},
        [],
        {"steps": None, "ok": True, "outcome": "", "verdict": ""},
        {"steps": [{}], "ok": True, "outcome": "", "verdict": ""},
        {"steps": [], "ok": True, "outcome": "", "verdict": ""},
        {
            "steps": [
                {"name": "hook", "request": "", "problem": "", "status": 200, "milliseconds": None}
            ],
            "ok": True,
            "outcome": "commands",
            "verdict": "",
        },
        *(
            {**DELIVERY, **changes}
            for changes in (
                {"problems": None},
                {"problems": [1]},
                {"problems": [{"path": "", "severity": "error"}]},
                {"problems": [{"path": "", "severity": "error", "message": 1}]},
                {"payload": 5},
                {"steps": [{**STEP, "request": 1}]},
                {"steps": [{**STEP, "status": "200"}]},
                {"outcome": 5},
                {"ok": 1},
                {"payload": "no base64!"},
            )
        ),
    ],
)
def test_an_org_that_answers_something_else(document: Any) -> None:
    """An org that sends an unexpected document is reported as not being an emulator."""
    with FaultServer(json_answer(200, document)) as server:
        env = {"OKTA_CLIENT_ORGURL": server.url, "OKTA_CLIENT_TOKEN": "t"}
        for options in ((), ("--json",)):
            done = run("fire", "Hook", *options, **env)
            assert (done.exit_code, "is not an emulator" in done.stderr) == (2, True)


def test_an_emulator_that_answers_as_expected() -> None:
    """The document that the invalid ones above are derived from is a delivery."""
    with FaultServer(json_answer(200, DELIVERY)) as server:
        env = {"OKTA_CLIENT_ORGURL": server.url, "OKTA_CLIENT_TOKEN": "t"}
        assert run("fire", "Hook", **env).exit_code == 0


def test_a_large_delivery(okta: OktaEmulator) -> None:
    """The emulator's delivery of 300 commands is reported as a success."""
    claim = {"op": "add", "path": "/claims/a", "value": "b"}
    command = {"type": "com.okta.identity.patch", "value": [claim]}
    env = {"OKTA_CLIENT_ORGURL": okta.url, "OKTA_CLIENT_TOKEN": okta.api_token}
    with FaultServer(json_answer(200, {"commands": [command] * 300})) as server:
        okta.create_hook(server.url, name="Large")
        done = run("fire", "Large", **env)
    assert done.exit_code == 0, done.output


def _echo(server: FaultServer, peer: Peer) -> None:
    """Answer 401 and repeat the body and the headers of the request in several members."""
    request = server.requests[-1]
    sent = " ".join([request.body.decode(), *request.headers.values()])
    words = f"got {sent} {quote_plus(sent)}"
    document = {"error": "invalid_client", "error_description": words, "reason": words}
    json_answer(401, {**document, "detail": words[:140]})(peer)


def test_credentials_that_come_back_are_not_shown(okta: OktaEmulator) -> None:
    """Credentials that a handler or a token URL repeats are not shown."""
    secret = "cl1ent-s3cret-of-the-hook"
    env = {"OKTA_CLIENT_ORGURL": okta.url, "OKTA_CLIENT_TOKEN": okta.api_token}
    server = FaultServer(lambda peer: _echo(server, peer))
    with server:
        okta.create_hook(server.url, name="header", secret=("X-Secret", secret))
        own: Any = {"token_url": server.url, "client_id": "0oa1"}
        okta.create_hook(server.url, name="post", client_secret=secret, **own)
        okta.create_hook(server.url, name="key", key=okta.create_key("k"), **own)
        for name in ("header", "post", "key"):
            done = run("fire", name, **env)
            assert done.exit_code == 1
            assert "answers 401" in done.output
            assert secret[:8] not in done.output
            assert "eyJ" not in done.output
    for delivery in okta.deliveries:
        assert secret not in delivery.verdict + delivery.steps[-1].problem


def test_answers_are_cut(okta: OktaEmulator) -> None:
    """Long text in a response is shortened in the output."""
    for body in (
        {"error": {"errorSummary": "x" * 200_000}},
        {"commands": [{"type": "x" * 200_000}]},
    ):
        with FaultServer(json_answer(200, body)) as server:
            assert len(run("fire", server.url).output) < 2000


# --- emulate, bridge


def test_a_seed_with_a_typo() -> None:
    """The error for a wrong seed file uses the names of the file's members."""
    Path("org.yaml").write_text("hooks: [{url: 'https://a.io'}]")
    done = run("emulate", "--seed", "org.yaml")
    assert done.exit_code == 2
    assert "hooks[0] needs a uri and may have name, uri, type, key, token_url" in done.stderr


def test_a_host_that_is_none() -> None:
    """An invalid host name is refused because it is not a local address."""
    env = {"OKTA_CLIENT_ORGURL": "https://acme.okta.com", "OKTA_CLIENT_TOKEN": "t"}
    done = run("bridge", "--host", "é" * 70, **env)
    assert (done.exit_code, "is not a local address" in done.stderr) == (2, True)


def test_a_token_with_a_placeholder() -> None:
    """A token that is still a placeholder is reported with its variable."""
    env = {"OKTA_CLIENT_ORGURL": "https://acme.okta.com", "OKTA_CLIENT_TOKEN": "{apiToken}"}
    done = run("keys", "list", **env)
    assert "OKTA_CLIENT_TOKEN still contains a placeholder" in done.stderr


def test_an_emulator_that_fails(okta: OktaEmulator) -> None:
    """If the emulator fails, the command exits with 3 and shows the status."""
    with FaultServer(answer(500, b"")) as server:
        env = {"OKTA_CLIENT_ORGURL": server.url, "OKTA_CLIENT_TOKEN": "t"}
        done = run("fire", "Hook", **env)
    assert (done.exit_code, "(500)" in done.stderr) == (3, True), done.stderr
