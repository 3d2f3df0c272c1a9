"""``hookkey doctor`` reports findings about settings, org, clock, keys and a token."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from ..conftest import CLIENT_ID, TOKEN_URL
from ..faults import FaultServer, answer, hang_up, json_answer
from ..servers import free_port
from ..valkeys import valkey_server
from .shell import Shell, findings_of


def test_doctor_compares_the_token(shell: Shell, tmp_path: Path) -> None:
    """With a verifier in the settings, doctor compares each claim with the expected value."""
    signer = shell.okta.signer(shell.okta.create_key("k")["keyId"])
    token = signer.client_assertion(client_id="0oa1", token_url="https://a.io/t")
    (tmp_path / "token").write_text(token)
    assert findings_of(shell("doctor", "token", "--json"))["token claims"][0] == "skipped"
    shell.env |= {"HOOKKEY_CLIENT_ID": "0oa1", "HOOKKEY_TOKEN_URL": "https://a.io/token"}
    done = shell("doctor", "token", "--json")
    assert done.exit_code == 1
    findings = findings_of(done)
    expected = 'aud is "https://a.io/t", expected "https://a.io/token"'
    assert findings["token audience"] == ("failed", expected)
    assert findings["token signature"][0] == findings["token issuer"][0] == "ok"


def test_doctor_on_a_healthy_org(shell: Shell, tmp_path: Path) -> None:
    """Doctor reports no failure for a healthy org and hides the API token.

    The findings cover settings with their origins, org, clock, rate limit, keys and kind of token.
    """
    key = shell.okta.create_key("Token hook")
    token = shell.okta.signer(key["keyId"]).client_assertion(
        client_id=CLIENT_ID, token_url=TOKEN_URL
    )
    (tmp_path / "token").write_text(token)
    done = shell("doctor", "token", "--json")
    assert done.exit_code == 0
    found = findings_of(done)
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
    """Doctor identifies access tokens, tokens with an unknown kid and text that is not a JWT."""
    signer = shell.okta.signer(shell.okta.create_key("k")["keyId"])
    foreign = {"kid": "other"}
    issuer = "https://acme.okta.com/oauth2/aus1"
    exp = int(time.time()) + 300
    mine, theirs = {"iss": "me", "exp": exp}, {"iss": issuer, "exp": exp}
    for content, result, hint in (
        (signer.sign(theirs, headers=foreign), "ok", "an access token"),
        (signer.sign(mine, headers=foreign), "warning", "none of the org's hook keys"),
        ("rubbish", "failed", "not a JWT"),
    ):
        (tmp_path / "token").write_text(content)
        done = shell("doctor", "token", "--json")
        assert done.exit_code == (1 if result == "failed" else 0)
        found = findings_of(done)["token"]
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
    """If the org cannot be read, doctor says why, and the exit code depends on the cause."""
    with FaultServer(behaviour) as server:
        shell.env["OKTA_CLIENT_ORGURL"] = server.url
        done = shell("doctor", "--json")
    assert done.exit_code == code
    assert findings_of(done)["org"][0] == "failed"
    assert problem in findings_of(done)["org"][1]


def test_doctor_warns(shell: Shell) -> None:
    """Doctor warns of a wrong clock, a nearly exhausted rate limit and an org without keys."""
    headers = (
        "Date: Tue, 14 Nov 2023 22:13:20 GMT",
        "X-Rate-Limit-Limit: 50",
        "X-Rate-Limit-Remaining: 3",
    )
    with FaultServer(json_answer(200, [], *headers)) as server:
        shell.env["OKTA_CLIENT_ORGURL"] = server.url
        done = shell("doctor", "--json")
    found = findings_of(done)
    assert done.exit_code == 0
    assert found["clock"][0] == "warning"
    assert "ahead of Okta's" in found["clock"][1]
    assert found["rate limit"] == ("warning", "3 of 50 calls left")
    assert found["keys"][0] == "warning"


def test_doctor_claims_nothing_that_it_has_not_seen(shell: Shell, tmp_path: Path) -> None:
    """Doctor ignores ``Bearer`` before a token, and skips the token if it cannot list the keys."""
    key = shell.okta.create_key("k")
    token = shell.okta.signer(key["keyId"]).client_assertion(client_id="c", token_url="t")
    (tmp_path / "token").write_text(f"Bearer {token}")
    assert "a client assertion" in findings_of(shell("doctor", "token", "--json"))["token"][1]
    shell.env["OKTA_CLIENT_TOKEN"] = "wrong"
    assert findings_of(shell("doctor", "token", "--json"))["token"][0] == "skipped"


def test_doctor_on_numbers_without_end(shell: Shell) -> None:
    """Doctor ignores rate limit headers with 5000 digits."""
    nines = "9" * 5_000
    headers = (f"X-Rate-Limit-Limit: {nines}", f"X-Rate-Limit-Remaining: {nines}")
    with FaultServer(json_answer(200, [], *headers)) as server:
        shell.env["OKTA_CLIENT_ORGURL"] = server.url
        assert findings_of(shell("doctor", "--json"))["rate limit"][0] == "skipped"


def test_doctor_without_settings(shell: Shell) -> None:
    """Without settings, doctor exits with 2 and a failed settings check."""
    shell.env["OKTA_CLIENT_ORGURL"] = shell.env["OKTA_CLIENT_TOKEN"] = None
    done = shell("doctor", "--json")
    assert done.exit_code == 2
    assert findings_of(done)["settings"][0] == "failed"


def test_doctor_reads_what_yaml_writes(shell: Shell, tmp_path: Path) -> None:
    """Doctor reads booleans, numbers and lists from YAML, and hides a password in the URL."""
    settings = {"dpopEnabled": True, "kid": 7, "scopes": ["a", "b"]}
    (tmp_path / "okta.yaml").write_text(json.dumps({"okta": {"client": settings}}))
    found = findings_of(shell("doctor", "--json"))
    assert found["setting dpop"][1] == "true, from okta.yaml"
    assert found["setting key_id"][1] == "7, from okta.yaml"
    assert found["setting scopes"][1] == "a b, from okta.yaml"
    shell.env["OKTA_CLIENT_ORGURL"] = "https://u:s3cr3t@acme.okta.com"
    assert "s3cr3t" not in shell("doctor").output


# --- the replay store


def test_doctor_checks_a_replay_store(shell: Shell) -> None:
    """Doctor shows the settings of a store without a password, and needs no org for that."""
    with valkey_server(requirepass="s3cret") as server:
        url = f"valkey://:s3cret@127.0.0.1:{server.port}"
        done = shell("doctor", "--json", "--replay", url)
        assert done.exit_code == 0
        found = findings_of(done)
        assert found["version"][1].startswith("Valkey ")
        assert found["eviction"] == ("ok", "maxmemory-policy noeviction")
        assert found["persistence"][0] == "warning"
        assert found["permissions"] == ("ok", "all commands are permitted")
        assert found["org"][0] == "ok"
        nothing = {"OKTA_CLIENT_ORGURL": None, "OKTA_CLIENT_TOKEN": None}
        shell.env |= {"HOOKKEY_REPLAY_URL": url, **nothing}
        without_org = shell("doctor", "--json")
        assert without_org.exit_code == 0
        assert findings_of(without_org)["org"] == ("skipped", "none is configured")
        wrong = shell("doctor", "--json", "--replay", url.replace("s3cret", "wr0ng"))
        assert wrong.exit_code == 1
        assert "password" in findings_of(wrong)["replay store"][1]
        for each in (done, without_org, wrong):
            assert "s3cret" not in each.output
            assert "wr0ng" not in each.output


@pytest.mark.parametrize(
    ("url", "exit_code", "text"),
    [
        ("http://:pa55word@host", 2, "unix://, postgresql:// or dynamodb://"),
        ("valkey://:pa55word@host:port", 1, "url must begin with"),
        (f"valkey://:pa55word@127.0.0.1:{free_port()}", 1, "unreachable"),
    ],
    ids=["scheme", "port", "unreachable"],
)
def test_doctor_with_a_wrong_replay_url(shell: Shell, url: str, exit_code: int, text: str) -> None:
    """A store that cannot be used is a failed finding or wrong usage; no password is shown."""
    done = shell("doctor", "--replay", url)
    assert done.exit_code == exit_code
    assert text in " ".join(done.output.split())
    assert "pa55word" not in done.output
