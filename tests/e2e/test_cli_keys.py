"""``hookkey keys``, ``doctor`` and ``emulate`` against the local org, as a person uses them."""

from __future__ import annotations

import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
from click.testing import CliRunner, Result

from hookkey_verify import ApiToken, HookKeysClient
from hookkey_verify.cli.commands import hookkey
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.settings import NAMES

from ..conftest import CLIENT_ID, TOKEN_URL
from ..faults import FaultServer, answer, hang_up, json_answer


class Shell:
    """The command in this process, with the settings of a local org in the environment."""

    def __init__(self, okta: OktaEmulator) -> None:
        self.env: dict[str, str | None] = dict.fromkeys(
            (name.variable for name in NAMES.values()), None
        )
        self.env |= {"OKTA_CLIENT_ORGURL": okta.url, "OKTA_CLIENT_TOKEN": okta.api_token}
        self.okta = okta

    def __call__(self, *arguments: str, stdin: str | None = None) -> Result:
        return CliRunner().invoke(hookkey, arguments, input=stdin, env=self.env)

    def json(self, *arguments: str, stdin: str | None = None) -> Any:
        done = self(*arguments, stdin=stdin)
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)


@pytest.fixture
def shell(okta: OktaEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return Shell(okta)


def test_an_administrators_afternoon(shell: Shell) -> None:
    """Create a key, hand out its JWK, rotate it, delete the old one: from --help alone."""
    made = shell.json("keys", "create", "Token hook", "--json")
    assert set(made) == {"id", "keyId", "name", "isUsed", "created", "lastUpdated", "jwk"}
    for key in (made["id"], made["keyId"], "Token hook"):
        assert shell.json("keys", "get", key, "--json")["id"] == made["id"]
        assert shell.json("keys", "public", key) == made["jwk"]
    assert shell.json("keys", "jwks") == {"keys": [made["jwk"]]}
    listed = shell("keys", "list")
    day = made["created"][:10]
    assert listed.stdout == f"{made['id']}\t{made['keyId']}\tToken hook\tno\t{day}\n"
    rotated = shell("keys", "rotate", "Token hook", "--json")
    assert rotated.exit_code == 0
    successor = json.loads(rotated.stdout)
    hint = f"hookkey keys rotate --finish --successor='{successor['name']}' -- 'Token hook'"
    assert hint in rotated.stderr
    finished = shell.json(
        "keys", "rotate", "Token hook", "--successor", successor["name"], "--finish", "--yes",
        "--json",
    )  # fmt: skip
    assert (finished["name"], finished["keyId"]) == ("Token hook", successor["keyId"])
    renamed = shell.json("keys", "rename", "Token hook", "Hook", "--json")
    assert renamed["name"] == "Hook"
    assert shell.json("keys", "jwks", "--json") == shell.json("keys", "jwks")
    assert shell.json("keys", "delete", "Hook", "--yes", "--json") == {"deleted": renamed["id"]}
    assert shell.json("keys", "list", "--json") == []


def test_texts_for_people(shell: Shell) -> None:
    """Without --json: fields by name and the JWK below, to be copied."""
    done = shell("keys", "create", "Token hook")
    assert done.stderr == f"created {shell.okta.org.list()[0]['id']}\n"
    head, _, jwk = done.stdout.partition("\n\n")
    assert [line.split()[0] for line in head.splitlines()] == [
        "id",
        "keyId",
        "name",
        "used",
        "created",
    ]
    assert json.loads(jwk)["alg"] == "RS256"


@pytest.mark.parametrize(
    ("arguments", "code", "problem"),
    [
        (("keys", "get", "nothing"), 4, "no hook key 'nothing'"),
        (("keys", "public", "nothing"), 4, "keys list"),
        (("keys", "delete", "nothing", "--yes"), 4, "no hook key"),
        (("keys", "rotate", "nothing"), 4, "no hook key of that name"),
        (
            ("keys", "rotate", "a", "--finish"),
            4,
            "no successor of 'a': run rotate without --finish first",
        ),
        (
            ("keys", "rotate", "a", "--finish", "--successor", "b"),
            4,
            "run rotate without --finish first",
        ),
        (("keys", "create", ""), 2, "NAME must be"),
        (("keys", "rotate", "n" * 250), 2, "choose a successor"),
        (("keys", "create"), 2, "Missing argument"),
        (("keys", "create", "taken"), 1, "in use already"),
        (("keys", "delete", "taken"), 2, "--yes"),
        (("keys", "delete", "used", "--yes"), 1, "still uses"),
        (("no-such-command",), 2, "No such command"),
    ],
)
def test_exit_codes(shell: Shell, arguments: tuple[str, ...], code: int, problem: str) -> None:
    """Each with a text that says what to do, on stderr."""
    shell.okta.create_key("taken")
    shell.okta.org.set_used(shell.okta.create_key("used")["id"])
    done = shell(*arguments)
    assert done.exit_code == code
    assert problem in done.stderr
    assert done.stdout == ""
    assert len(shell.okta.org.list()) == 2


@pytest.mark.parametrize(
    ("behaviour", "code", "reason"),
    [
        (json_answer(401, {"errorCode": "E0000011"}), 5, "api_authentication_failed"),
        (json_answer(403, {"errorCode": "E0000006"}), 5, "api_forbidden"),
        (answer(200, b"<html>", "Content-Type: text/html"), 3, "api_unreachable"),
    ],
)
def test_errors_as_json(shell: Shell, behaviour: Any, code: int, reason: str) -> None:
    """One document with the stable reason, beside the text on stderr."""
    with FaultServer(behaviour) as server:
        shell.env["OKTA_CLIENT_ORGURL"] = server.url
        done = shell("keys", "list", "--json")
    assert done.exit_code == code
    assert json.loads(done.stdout)["error"]["reason"] == reason
    assert done.stderr.startswith("hookkey: ")
    assert shell.okta.api_token not in done.output


def test_nothing_is_configured(shell: Shell) -> None:
    """The text says which variable, or where in which file."""
    shell.env["OKTA_CLIENT_ORGURL"] = None
    done = shell("keys", "list")
    assert done.exit_code == 2
    assert "set OKTA_CLIENT_ORGURL, or okta.client.orgUrl in okta.yaml" in done.stderr


def test_waits_are_announced(shell: Shell) -> None:
    """On stderr, so that a pipe gets the data only."""
    busy = ("X-Rate-Limit-Limit: 0", "X-Rate-Limit-Remaining: 0")
    limited = json_answer(429, {"errorCode": "E0000047"}, *busy)
    with FaultServer(limited, json_answer(200, [])) as server:
        shell.env["OKTA_CLIENT_ORGURL"] = server.url
        done = shell("keys", "list", "--json")
    assert (done.exit_code, done.stdout) == (0, "[]\n")
    assert "waiting 1 s for Okta" in done.stderr


def _on_a_terminal(shell: Shell, *arguments: str, **env: str) -> str:
    """What a person sees: the process's stdout is a terminal."""
    leader, follower = pty.openpty()
    variables = {name: value for name, value in shell.env.items() if value is not None}
    process = subprocess.Popen(
        [sys.executable, "-m", "hookkey_verify", *arguments],
        stdin=follower,
        stdout=follower,
        stderr=subprocess.STDOUT,
        env={**os.environ, **variables, "TERM": "xterm", "COLUMNS": "120", **env},
    )
    os.close(follower)
    octets = b""
    while True:
        try:
            chunk = os.read(leader, 65_536)
        except OSError:  # the other side is gone
            break
        if not chunk:
            break
        octets += chunk
    os.close(leader)
    process.wait(30)
    return octets.decode()


def test_tables_are_for_terminals(shell: Shell) -> None:
    """With a heading there, without colours where NO_COLOR asks for none, without tabs."""
    key = shell.okta.create_key("Token hook")
    seen = _on_a_terminal(shell, "keys", "list", NO_COLOR="1")
    assert "keyId" in seen
    assert key["keyId"] in seen
    assert "\t" not in seen
    assert "\x1b[3" not in seen


@pytest.mark.parametrize("columns", [40, 60, 80, 100, 140])
def test_ids_do_not_wrap(shell: Shell, columns: int) -> None:
    """Columns are left out first, and what is left has whole ids, however long the names are."""
    made = [shell.okta.create_key(f"A token hook with a long name, number {n}") for n in range(2)]
    seen = _on_a_terminal(shell, "keys", "list", COLUMNS=str(columns), NO_COLOR="1")
    seen = re.sub(r"\x1b\[\d*m", "", seen)
    for key in made:
        assert key["id"] in seen
        assert (key["keyId"] in seen) is (columns >= 80)
    assert ("used" in seen) is (columns >= 100)
    assert max(map(len, seen.splitlines())) <= columns


def test_the_second_step_of_a_rotation_finds_the_successor(shell: Shell) -> None:
    """By the name that the first step gave it; the key may be named by its id."""
    made = shell.json("keys", "create", "Token hook", "--json")
    successor = shell.json("keys", "rotate", made["id"], "--json")
    assert successor["name"].startswith("Token hook 20")
    finished = shell.json("keys", "rotate", "Token hook", "--finish", "--yes", "--json")
    assert (finished["id"], finished["name"]) == (successor["id"], "Token hook")
    for day in ("2026-01-01", "2026-01-02"):
        shell.okta.create_key(f"Token hook {day}")
    several = shell("keys", "rotate", "Token hook", "--finish", "--yes")
    assert several.exit_code == 2
    assert "say which with --successor: 'Token hook 2026-01-01'" in several.stderr


def test_a_rename_says_what_it_did(shell: Shell) -> None:
    """Both names, on stderr."""
    shell.okta.create_key("Old")
    assert shell("keys", "rename", "Old", "New").stderr == "renamed 'Old' to 'New'\n"


@pytest.mark.parametrize("group", [(), ("keys",)])
def test_summaries_are_not_cut(shell: Shell, group: tuple[str, ...]) -> None:
    """The list of commands shows whole sentences."""
    done = shell(*group, "--help")
    assert "..." not in done.stdout.partition("Commands:")[2]


@pytest.mark.parametrize(
    ("variable", "value", "problem"),
    [
        ("OKTA_CLIENT_ORGURL", "https://{yourOktaDomain}", "OKTA_CLIENT_ORGURL still contains a"),
        ("OKTA_CLIENT_ORGURL", "https://acme-admin.okta.com", "did you mean https://acme.okta"),
        ("OKTA_CLIENT_ORGURL", "http://acme.okta.com", "OKTA_CLIENT_ORGURL must begin with https"),
        ("OKTA_CLIENT_TOKEN", "Bearer eyJhbGciOi", "OKTA_CLIENT_TOKEN must be the token alone"),
        ("OKTA_CLIENT_TOKEN", "SSWS 00abc", "OKTA_CLIENT_TOKEN must be the token alone"),
        ("OKTA_CLIENT_TOKEN", None, "set OKTA_CLIENT_TOKEN"),
    ],
)
def test_settings_are_called_by_their_variables(
    shell: Shell, variable: str, value: str | None, problem: str
) -> None:
    """The message names what to change, as a person has written it."""
    shell.env[variable] = value
    for command in (("keys", "list"), ("doctor",)):
        done = shell(*command)
        assert done.exit_code == 2
        assert problem in done.output
        assert value is None or "eyJ" not in done.output


def test_doctor_compares_the_token(shell: Shell, tmp_path: Path) -> None:
    """With a verifier in the settings, each claim has a row with what was expected."""
    signer = shell.okta.signer(shell.okta.create_key("k")["keyId"])
    token = signer.client_assertion(client_id="0oa1", token_url="https://a.io/t")
    (tmp_path / "token").write_text(token)
    assert _findings(shell("doctor", "token", "--json"))["token claims"][0] == "skipped"
    shell.env |= {"HOOKKEY_CLIENT_ID": "0oa1", "HOOKKEY_TOKEN_URL": "https://a.io/token"}
    done = shell("doctor", "token", "--json")
    assert done.exit_code == 1
    findings = _findings(done)
    expected = 'aud is "https://a.io/t", expected "https://a.io/token"'
    assert findings["token audience"] == ("failed", expected)
    assert findings["token signature"][0] == findings["token issuer"][0] == "ok"


def test_a_deletion_is_asked_about(shell: Shell) -> None:
    """On a terminal; no is no."""
    shell.okta.create_key("Token hook")
    leader, follower = pty.openpty()
    variables = {name: value for name, value in shell.env.items() if value is not None}
    process = subprocess.Popen(
        [sys.executable, "-m", "hookkey_verify", "keys", "delete", "Token hook"],
        stdin=follower,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **variables},
        text=True,
    )
    os.write(leader, b"n\n")
    _, asked = process.communicate(timeout=30)
    os.close(leader)
    os.close(follower)
    assert "Delete 'Token hook'" in asked
    assert process.returncode == 1
    assert len(shell.okta.org.list()) == 1


# --- doctor


def _findings(done: Result) -> dict[str, tuple[str, str]]:
    findings = json.loads(done.stdout)["findings"]
    return {each["check"]: (each["result"], each["detail"]) for each in findings}


def test_doctor_on_a_healthy_org(shell: Shell, tmp_path: Path) -> None:
    """Settings and their origins, connection, clock, rate limit, keys and the token's set-up."""
    key = shell.okta.create_key("Token hook")
    token = shell.okta.signer(key["keyId"]).client_assertion(
        client_id=CLIENT_ID, token_url=TOKEN_URL
    )
    (tmp_path / "token").write_text(token)
    done = shell("doctor", "token", "--json")
    assert done.exit_code == 0
    found = _findings(done)
    assert found["setting org_url"] == ("ok", f"{shell.okta.url}, from OKTA_CLIENT_ORGURL")
    assert found["setting token"] == ("ok", "(secret), from OKTA_CLIENT_TOKEN")
    assert found["org"][0] == "ok"
    assert found["clock"] == ("ok", "agrees with Okta's")
    assert found["rate limit"] == ("ok", "599 of 600 calls left")
    assert found["key Token hook"] == ("ok", f"{key['keyId']}, not used, 0 days old")
    assert "a client assertion" in found["token"][1]
    assert shell.okta.api_token not in done.output
    text = shell("doctor")
    assert "clock\tok\tagrees with Okta's" in text.stdout


def test_doctor_names_the_set_up(shell: Shell, tmp_path: Path) -> None:
    """An access token, somebody else's token, and what is no token at all."""
    signer = shell.okta.signer(shell.okta.create_key("k")["keyId"])
    foreign = {"kid": "other"}
    issuer = "https://acme.okta.com/oauth2/aus1"
    exp = int(time.time()) + 300
    mine, theirs = {"iss": "me", "exp": exp}, {"iss": issuer, "exp": exp}
    for content, result, hint in (
        (signer.sign(theirs, headers=foreign), "ok", "an access token"),
        (signer.sign(mine, headers=foreign), "warning", "none of the org's hook keys"),
        ("rubbish", "failed", "no JWT"),
    ):
        (tmp_path / "token").write_text(content)
        done = shell("doctor", "token", "--json")
        assert done.exit_code == (1 if result == "failed" else 0)
        found = _findings(done)["token"]
        assert found[0] == result
        assert hint in found[1]


@pytest.mark.parametrize(
    ("behaviour", "code", "problem"),
    [
        (json_answer(401, {"errorCode": "E0000011"}), 5, "wrong, expired or revoked"),
        (json_answer(403, {"errorCode": "E0000006"}), 5, "okta.inlineHooks.read"),
        (hang_up, 3, "refused or lost"),
        (answer(200, b"<html>", "Content-Type: text/html"), 3, "not application/json"),
    ],
)
def test_doctor_on_a_sick_org(shell: Shell, behaviour: Any, code: int, problem: str) -> None:
    """What failed and what to do about it; the exit code tells it too."""
    with FaultServer(behaviour) as server:
        shell.env["OKTA_CLIENT_ORGURL"] = server.url
        done = shell("doctor", "--json")
    assert done.exit_code == code
    assert _findings(done)["org"][0] == "failed"
    assert problem in _findings(done)["org"][1]


def test_doctor_warns(shell: Shell) -> None:
    """Of a clock that is off, a rate limit that is nearly used up, an org without keys."""
    headers = (
        "Date: Tue, 14 Nov 2023 22:13:20 GMT",
        "X-Rate-Limit-Limit: 50",
        "X-Rate-Limit-Remaining: 3",
    )
    with FaultServer(json_answer(200, [], *headers)) as server:
        shell.env["OKTA_CLIENT_ORGURL"] = server.url
        done = shell("doctor", "--json")
    found = _findings(done)
    assert done.exit_code == 0
    assert found["clock"][0] == "warning"
    assert "ahead of Okta's" in found["clock"][1]
    assert found["rate limit"] == ("warning", "3 of 50 calls left")
    assert found["keys"][0] == "warning"


def test_doctor_claims_nothing_that_it_has_not_seen(shell: Shell, tmp_path: Path) -> None:
    """Without the org's list it does not know whose kid it is; Bearer before a token is fine."""
    key = shell.okta.create_key("k")
    token = shell.okta.signer(key["keyId"]).client_assertion(client_id="c", token_url="t")
    (tmp_path / "token").write_text(f"Bearer {token}")
    assert "a client assertion" in _findings(shell("doctor", "token", "--json"))["token"][1]
    shell.env["OKTA_CLIENT_TOKEN"] = "wrong"
    assert _findings(shell("doctor", "token", "--json"))["token"][0] == "skipped"


def test_doctor_on_numbers_without_end(shell: Shell) -> None:
    """Five thousand digits are no rate limit."""
    nines = "9" * 5_000
    headers = (f"X-Rate-Limit-Limit: {nines}", f"X-Rate-Limit-Remaining: {nines}")
    with FaultServer(json_answer(200, [], *headers)) as server:
        shell.env["OKTA_CLIENT_ORGURL"] = server.url
        assert _findings(shell("doctor", "--json"))["rate limit"][0] == "skipped"


def test_doctor_without_settings(shell: Shell) -> None:
    """It says what to set."""
    shell.env["OKTA_CLIENT_ORGURL"] = shell.env["OKTA_CLIENT_TOKEN"] = None
    done = shell("doctor", "--json")
    assert done.exit_code == 2
    assert _findings(done)["settings"][0] == "failed"


# --- emulate


def test_emulate_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    """It prints what to export, then every request, and ends cleanly."""
    command = [sys.executable, "-u", "-m", "hookkey_verify", "emulate"]
    seed = tmp_path / "org.yaml"
    seed.write_text("keys: [Seeded]\nhooks: [{uri: 'https://a.io/hook', key: Seeded}]\n")
    process = subprocess.Popen(
        [*command, "--key", "Token hook", "--seed", str(seed), "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    octets = ""
    while not octets.endswith("}\n") or octets.count("{") != octets.count("}"):
        octets += process.stdout.readline()
    report = json.loads(octets)
    with HookKeysClient(report["orgUrl"], ApiToken(report["token"])) as client:
        ids = [key["keyId"] for key in report["keys"]]
        assert [key.key_id for key in client.list()] == ids
        assert [key.is_used for key in client.list()] == [False, True]
    assert [hook["name"] for hook in report["hooks"]] == ["Hook 1"]
    assert report["issuer"].startswith(report["orgUrl"] + "/oauth2/aus")
    assert (report["audience"], report["scope"]) == ("api://hooks", "hooks")
    [hook] = report["hooks"]
    assert hook["tokenUrl"] == report["tokenUrl"] == report["issuer"] + "/v1/token"
    assert hook["clientId"].startswith("0oa")
    requests.get(report["orgUrl"] + "/api/v1/hook-keys", timeout=5)
    time.sleep(0.3)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    line = r"\d\d:\d\d:\d\d  {}  GET    /api/v1/hook-keys  \d+\.\d ms\n"
    assert re.fullmatch("".join(line.format(status) for status in (200, 200, 401)), errors)


def test_a_port_that_is_taken(okta: OktaEmulator) -> None:
    """Exit code 2 and the port's number."""
    port = okta.url.rpartition(":")[2]
    done = CliRunner().invoke(hookkey, ["emulate", "--port", port])
    assert done.exit_code == 2
    assert f"port {port} is in use" in done.stderr


def test_what_emulate_says_first(tmp_path: Path) -> None:
    """All that a handler and a client are configured with, in the words of the shell."""
    seed = tmp_path / "org.yaml"
    seed.write_text(
        "keys: [K]\nhooks:\n- {uri: 'https://a.io/h', key: K, client_id: 0oa7, name: Claims}\n"
        "- {uri: 'https://a.io/h', key: K, client_id: 0oa8, token_url: 'https://a.io/t'}\n"
    )
    command = [sys.executable, "-u", "-m", "hookkey_verify", "emulate", "--seed", str(seed)]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    said = ""
    while "console:" not in said:
        said += process.stdout.readline()
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    url = re.search(r"OKTA_CLIENT_ORGURL=(\S+)", said)
    assert url is not None
    issuer = rf"{re.escape(url[1])}/oauth2/aus\w+"
    for pattern in (
        r"export OKTA_CLIENT_TOKEN=\S+  # the API token",
        rf"#   issuer     {issuer}",
        "#   audience   api://hooks",
        "#   scope      hooks",
        rf"#   token URL  {issuer}/v1/token",
        r"# inline hook Claims: cal\w+, com.okta.oauth2.tokens.transform",
        "#   client id 0oa7, scope hooks",
        "#   client id 0oa8, scope hooks, https://a.io/t",
    ):
        assert re.search(rf"^{pattern}$", said, re.MULTILINE), said


def test_completion() -> None:
    """A script for each shell."""
    for shell_name in ("bash", "zsh", "fish"):
        done = CliRunner().invoke(hookkey, ["completion", shell_name])
        assert done.exit_code == 0
        assert "_HOOKKEY_COMPLETE" in done.stdout


def _commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, each in group.commands.items():
        if hasattr(each, "commands"):
            yield from _commands(each, (*path, name))
        else:
            yield (*path, name)


@pytest.mark.parametrize("path", list(_commands(hookkey)), ids=" ".join)
def test_every_help_has_an_example(path: tuple[str, ...]) -> None:
    """One line that can be copied and begins with the command itself."""
    done = CliRunner().invoke(hookkey, [*path, "--help"])
    assert done.exit_code == 0
    assert f"Example: hookkey {' '.join(path)}" in " ".join(done.output.split())


def test_a_full_disk(shell: Shell) -> None:
    """The key exists: its id is told, whatever becomes of the rest."""
    variables = {name: value for name, value in shell.env.items() if value is not None}
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "hookkey_verify", "keys", "create", "Token hook", "--json"],
            stdout=full,
            stderr=subprocess.PIPE,
            env={**os.environ, **variables},
            text=True,
            check=False,
        )
    created = f"created {shell.okta.org.list()[0]['id']}"
    failed = "hookkey: a file or the output fails: no space left on device"
    assert (done.returncode, done.stderr.splitlines()) == (3, [created, failed])


def _piped(shell: Shell, command: str) -> subprocess.CompletedProcess[str]:
    """In a shell, whose redirections are what it is about."""
    variables = {name: value for name, value in shell.env.items() if value is not None}
    return subprocess.run(
        ["sh", "-c", command.replace("hookkey", f"{sys.executable} -m hookkey_verify", 1)],
        capture_output=True,
        env={**os.environ, **variables},
        text=True,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "code"),
    [
        ("hookkey keys list >&-", 0),
        ("hookkey doctor >&-", 0),
        ("hookkey keys get nothing --json >/dev/full", 3),
        ("hookkey --help >/dev/full", 3),
        ("hookkey completion bash >/dev/full", 3),
        ("hookkey keys delete k <&-", 2),
        ("hookkey keys create new 2>/dev/full", 0),
        ("PYTHONIOENCODING=latin-1 hookkey keys list", 0),
    ],
)
def test_streams_that_are_not_there(shell: Shell, command: str, code: int) -> None:
    """Closed, full, or of too few characters: never a traceback."""
    shell.okta.create_key("k")
    shell.okta.create_key("ключ")
    done = _piped(shell, command)
    assert (done.returncode, "Traceback" in done.stderr) == (code, False), done.stderr
    if "latin-1" in command:
        assert "\\u043a" in done.stdout
    if "create" in command:
        assert "jwk" in done.stdout or '"kty"' in done.stdout


def test_a_reader_that_has_seen_enough(shell: Shell) -> None:
    """As with ``| head -1``: no traceback, no text."""
    shell.okta.create_key("Token hook")
    variables = {name: value for name, value in shell.env.items() if value is not None}
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [sys.executable, "-m", "hookkey_verify", "keys", "list"],
        stdout=writer,
        stderr=subprocess.PIPE,
        env={**os.environ, **variables},
        check=False,
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, b"")


def test_names_cannot_drive_the_terminal(shell: Shell) -> None:
    """What somebody else wrote into a name is shown, not obeyed."""
    key = {"id": "HKY1", "keyId": "k", "name": "a\x1b]0;b\x07\tc"}
    with FaultServer(json_answer(200, [key])) as server:
        shell.env["OKTA_CLIENT_ORGURL"] = server.url
        listed, got = shell("keys", "list"), shell("keys", "get", "k")
    for done in (listed, got):
        assert "a\\x1b]0;b\\x07\\tc" in done.stdout
        assert "\x1b" not in done.stdout


def test_a_rotation_that_was_interrupted_at_its_end(shell: Shell) -> None:
    """The old key is gone and the new one not yet renamed: the same command does the rest."""
    key = shell.okta.create_key("next")
    command = ("keys", "rotate", "old", "--successor", "next", "--finish", "--yes", "--json")
    unasked = shell(*(each for each in command if each != "--yes"))
    assert (unasked.exit_code, "--yes" in unasked.stderr) == (2, True)
    assert shell.json(*command)["name"] == "old"
    assert [each["id"] for each in shell.okta.org.list()] == [key["id"]]
    again = shell(*command)
    assert again.exit_code == 4
    assert "the rotation is finished" in again.stderr


@pytest.mark.parametrize("names", [("a", "a"), ("",)])
def test_keys_that_cannot_be_emulated(names: tuple[str, ...]) -> None:
    """Exit code 2 and the org's reason."""
    options = [option for name in names for option in ("--key", name)]
    done = CliRunner().invoke(hookkey, ["emulate", *options])
    assert done.exit_code == 2
    assert "name: " in done.stderr


def test_doctor_reads_what_yaml_writes(shell: Shell, tmp_path: Path) -> None:
    """Booleans, numbers and lists; a password in the URL is hidden."""
    settings = {"dpopEnabled": True, "kid": 7, "scopes": ["a", "b"]}
    (tmp_path / "okta.yaml").write_text(json.dumps({"okta": {"client": settings}}))
    found = _findings(shell("doctor", "--json"))
    assert found["setting dpop"][1] == "true, from okta.yaml"
    assert found["setting scopes"][1] == "a b, from okta.yaml"
    shell.env["OKTA_CLIENT_ORGURL"] = "https://u:s3cr3t@acme.okta.com"
    assert "s3cr3t" not in shell("doctor").output
