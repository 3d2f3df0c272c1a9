"""``hookkey docs``, and the links at the end of error texts."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hookkey_verify import IssuerKeys
from hookkey_verify.errors import (
    DOCS_URL,
    AudienceError,
    ConfigurationError,
    HookKeyError,
    InvalidClaimError,
    MissingClaimError,
    NotFoundError,
    Reason,
    TokenExpiredError,
    documentation,
)
from hookkey_verify.guard import HttpRefusal

from .shell import Shell

SITE = "https://docs.acme.com/hooks"


@pytest.mark.parametrize("reason", Reason)
def test_the_address_of_a_reason(shell: Shell, reason: Reason) -> None:
    """``hookkey docs REASON --print`` prints the entry on the site, or else in the repository."""
    home = "https://github.com/hookkey-verify/hookkey-verify/blob/main/docs/runbook.md"
    assert shell("docs", reason.value, "--print").stdout == f"{home}#{reason}\n"
    shell.env[DOCS_URL] = f"{SITE}/"
    anchor = reason.replace("_", "-")
    assert shell("docs", reason.value, "--print").stdout == f"{SITE}/runbook.html#{anchor}\n"


def test_the_browser(shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without ``--print`` the address is printed and opened in the browser of the machine."""
    browser, opened = tmp_path / "browser", tmp_path / "opened"
    browser.write_text(
        f"#!{sys.executable}\nimport sys\nopen({str(opened)!r}, 'w').write(sys.argv[1])\n"
    )
    browser.chmod(0o755)
    monkeypatch.setenv("BROWSER", str(browser))
    shell.env[DOCS_URL] = SITE
    done = shell("docs", "expired")
    assert (done.exit_code, done.stdout) == (0, f"{SITE}/runbook.html#expired\n")
    assert opened.read_text() == f"{SITE}/runbook.html#expired"


def test_without_the_data_of_the_package(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """If the package is not installed, only copied, the command says what to set."""
    monkeypatch.setattr(sys, "path", [])
    done = shell("docs", "expired", "--print")
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"set {DOCS_URL}" in done.stderr


def test_an_unknown_reason(shell: Shell) -> None:
    """An unknown reason is wrong usage, and the message lists the reasons."""
    done = shell("docs", "expird", "--print")
    assert done.exit_code == 2
    assert "'expired'" in done.stderr


@pytest.mark.parametrize(
    "value",
    ["docs.acme.com", "file:///etc", "https://a b", "https://a\nb", "https://a/?b", "https://a/#b"],
)
def test_a_value_that_is_no_address(
    shell: Shell, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A value that is not an address adds nothing to errors, and ``hookkey docs`` refuses it."""
    monkeypatch.setenv(DOCS_URL, value)
    assert documentation(Reason.EXPIRED) is None
    assert "see" not in str(AudienceError("aud"))
    shell.env[DOCS_URL] = value
    done = shell("docs", "expired", "--print")
    assert done.exit_code == 2
    assert DOCS_URL in done.stderr


@pytest.mark.parametrize(
    "error",
    [
        ConfigurationError("audience must be text"),
        AudienceError("aud", expected="api://hooks"),
        InvalidClaimError("exp", "must be a number"),
        MissingClaimError("jti"),
        MissingClaimError("jti", expected="text"),
        TokenExpiredError("exp"),
        NotFoundError(status=404, error={"errorCode": "E0000007"}),
        HookKeyError("the cause"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_text_of_an_error(error: HookKeyError, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an address, the text of an error ends with one link; HTTP responses have none."""
    monkeypatch.delenv(DOCS_URL, raising=False)
    text = str(error)
    monkeypatch.setenv(DOCS_URL, SITE)
    anchor = error.reason.replace("_", "-")
    assert str(error) == f"{text}; see {SITE}/runbook.html#{anchor}"
    assert SITE.encode() not in HttpRefusal.of(error).body
    assert SITE not in str(HttpRefusal.of(error).headers)


def test_the_message_of_a_command(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """A command's message ends with the link, after the name of the setting that is wrong."""
    shell.env |= {DOCS_URL: SITE, "OKTA_CLIENT_TOKEN": None}
    done = shell("keys", "list")
    assert done.exit_code == 2
    link = f"; see {SITE}/runbook.html#configuration\n"
    assert done.stderr.endswith(f"set OKTA_CLIENT_TOKEN, or okta.client.token in okta.yaml{link}")
    shell.env["OKTA_CLIENT_TOKEN"] = "wrong"
    done = shell("keys", "list")
    assert done.stderr.count(SITE) == 1
    assert done.stderr.endswith("#api-authentication-failed\n")


def test_a_message_about_an_unknown_key(shell: Shell) -> None:
    """The advice about an unknown key comes before the link."""
    shell.env |= {DOCS_URL: SITE, "HOOKKEY_CLIENT_ID": "0oa1", "HOOKKEY_TOKEN_URL": "https://a.io"}
    key = shell.okta.create_key("gone")
    signer = shell.okta.signer(key["keyId"])
    token = signer.client_assertion(client_id="0oa1", token_url="https://a.io")
    shell.okta.delete_key(key["id"])
    done = shell("verify", "-", stdin=token)
    assert "HOOKKEY_AUDIENCE" in done.output or "--audience" in done.output
    assert done.output.rstrip().endswith(f"{SITE}/runbook.html#unknown-key")


def test_the_environment_of_other_tests(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without an address no error has a link."""
    monkeypatch.delenv(DOCS_URL, raising=False)
    with pytest.raises(ConfigurationError) as caught:
        IssuerKeys("not an address")
    assert "; see " not in str(caught.value)
