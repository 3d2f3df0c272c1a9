"""``hookkey doctor`` says which set-up each inline hook has and whether the settings fit it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hookkey_verify import HookSigner
from hookkey_verify.cli.hooks import hooks
from hookkey_verify.cli.keys import keys

from ..conftest import KeyPool
from ..faults import FaultServer, answer, json_answer
from .shell import Shell, findings_of

URI = "https://hooks.acme.com/hook"
TOKEN_URL = "https://hooks.acme.com/token"
HOOKS, SERVERS = "/api/v1/inlineHooks", "/api/v1/authorizationServers"
ROW, SETTINGS = "hook Claims", "settings for Claims"


def _hook(
    shell: Shell, name: str = "Claims", *, client_id: str | None = "0oa1", **options: Any
) -> str:
    """Create a hook, by default with a hook key and tokens from the org's server."""
    if not {"secret", "client_secret"} & set(options):
        options["key"] = shell.okta.create_key(f"key of {name}")
    made: str = shell.okta.create_hook(URI, name=name, client_id=client_id, **options)["id"]
    return made


def _fitting(shell: Shell) -> dict[str, str]:
    """Return the settings that fit the default hook."""
    return {
        "HOOKKEY_CLIENT_ID": "0oa1",
        "HOOKKEY_ISSUER": shell.okta.issuer,
        "HOOKKEY_AUDIENCE": shell.okta.authorization_server.audience,
    }


def _with(shell: Shell, settings: dict[str, Any]) -> tuple[Result, dict[str, tuple[str, str]]]:
    shell.env |= dict.fromkeys(
        ("HOOKKEY_CLIENT_ID", "HOOKKEY_TOKEN_URL", "HOOKKEY_ISSUER", "HOOKKEY_AUDIENCE",
         "HOOKKEY_SCOPES")
    )  # fmt: skip
    shell.env |= settings
    done = shell("doctor", "--json")
    return done, findings_of(done)


def _org_with(*hooks: dict[str, Any], used: bool | None = True) -> FaultServer:
    """Return an org with one key and these hooks, which is unavailable after that."""
    key = {"id": "HKY1", "keyId": "k1", "name": "K", "isUsed": used}
    down = answer(503, b"{}", "Content-Type: application/json")
    return FaultServer(json_answer(200, [key]), json_answer(200, [*hooks]), down)


def _document(config: dict[str, Any], **members: Any) -> dict[str, Any]:
    channel = {"type": "OAUTH", "config": {"uri": URI, "method": "POST", **config}}
    hook = {"id": "cal1", "name": "Claims", "type": "com.okta.oauth2.tokens.transform"}
    return {**hook, "status": "ACTIVE", "channel": channel, **members}


OAUTH = {
    "authType": "private_key_jwt",
    "hookKeyId": "HKY1",
    "clientId": "0oa1",
    "tokenUrl": TOKEN_URL,
    "scope": "hooks",
}


# --- settings that fit


def test_settings_that_fit(shell: Shell) -> None:
    """A hook whose access tokens the settings accept has two rows with the result ok."""
    _hook(shell)
    done, found = _with(shell, {**_fitting(shell), "HOOKKEY_SCOPES": "hooks"})
    assert done.exit_code == 0
    assert found[ROW] == (
        "ok",
        f'ACTIVE, access-token: an access token of "{shell.okta.issuer}", requested with the '
        'hook key "key of Claims"',
    )
    names = "HOOKKEY_CLIENT_ID, HOOKKEY_ISSUER, HOOKKEY_AUDIENCE, HOOKKEY_SCOPES"
    assert found[SETTINGS] == ("ok", f"{names} fit")
    [document] = json.loads(done.stdout)["hooks"]
    assert (document["name"], document["setup"]) == ("Claims", "access-token")
    assert (document["authentication"], document["settings"]) == ("private_key_jwt", "fits")


def test_scopes_that_are_not_compared(shell: Shell) -> None:
    """Without required scopes, HOOKKEY_SCOPES is not among the settings that fit."""
    _hook(shell)
    _, found = _with(shell, _fitting(shell))
    assert found[SETTINGS] == ("ok", "HOOKKEY_CLIENT_ID, HOOKKEY_ISSUER, HOOKKEY_AUDIENCE fit")


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"HOOKKEY_CLIENT_ID": "0oa2"}, 'HOOKKEY_CLIENT_ID is "0oa2", expected "0oa1"'),
        ({"HOOKKEY_CLIENT_ID": None}, 'set HOOKKEY_CLIENT_ID to "0oa1"'),
        ({"HOOKKEY_AUDIENCE": "api://x"}, 'HOOKKEY_AUDIENCE is "api://x", expected "api://'),
        ({"HOOKKEY_SCOPES": "hooks admin"}, 'requires "admin", but the hook requests "hooks"'),
        (
            {"HOOKKEY_ISSUER": "https://acme.okta.com/oauth2/aus1"},
            'HOOKKEY_ISSUER is "https://acme.okta.com/oauth2/aus1", expected "http://127.',
        ),
        (
            {"HOOKKEY_CLIENT_ID": "a@b", "HOOKKEY_AUDIENCE": "api://x?y"},
            'HOOKKEY_CLIENT_ID is (hidden), expected "0oa1"; HOOKKEY_AUDIENCE is (hidden)',
        ),
        ({"HOOKKEY_ISSUER": None}, "Okta sends an access token: set HOOKKEY_ISSUER to "),
    ],
)
def test_settings_that_differ(shell: Shell, changes: dict[str, Any], text: str) -> None:
    """Settings that fit no hook are a failure that has the actual and the expected value."""
    _hook(shell)
    done, found = _with(shell, {**_fitting(shell), **changes})
    assert done.exit_code == 1
    assert found[SETTINGS][0] == "failed"
    assert text in found[SETTINGS][1]


def test_another_hook_that_fits(shell: Shell) -> None:
    """If the settings fit one hook, a difference from another one is only a warning."""
    _hook(shell, "Mine")
    _hook(shell, client_id="0oa2")
    done, found = _with(shell, _fitting(shell))
    assert done.exit_code == 0
    assert found["settings for Mine"][0] == "ok"
    assert found[SETTINGS] == ("warning", 'HOOKKEY_CLIENT_ID is "0oa1", expected "0oa2"')


def test_no_settings(shell: Shell) -> None:
    """Without settings for a verifier, doctor says which ones the hook needs."""
    _hook(shell)
    done, found = _with(shell, {})
    assert done.exit_code == 0
    audience = shell.okta.authorization_server.audience
    assert found[SETTINGS] == (
        "skipped",
        f'none is configured; for this hook, set HOOKKEY_CLIENT_ID to "0oa1", set HOOKKEY_ISSUER '
        f'to "{shell.okta.issuer}", set HOOKKEY_AUDIENCE to "{audience}"',
    )


@pytest.mark.parametrize("key", [True, False])
def test_assertions_where_okta_sends_access_tokens(shell: Shell, key: bool) -> None:
    """Settings for assertions fit a hook with Okta's tokens only if they are forwarded."""
    options = {} if key else {"client_secret": "s3cret-of-the-client"}
    _hook(shell, **options)
    token_url = f"{shell.okta.issuer}/v1/token"
    done, found = _with(shell, {"HOOKKEY_CLIENT_ID": "0oa1", "HOOKKEY_TOKEN_URL": token_url})
    assert found[SETTINGS][0] == ("warning" if key else "failed")
    assert ("only if a gateway forwards the client assertion" in found[SETTINGS][1]) is key
    assert f'set HOOKKEY_ISSUER to "{shell.okta.issuer}"' in found[SETTINGS][1]
    assert done.exit_code == (0 if key else 1)


# --- a token URL of the user


@pytest.mark.parametrize(
    ("settings", "result", "text"),
    [
        ({"HOOKKEY_TOKEN_URL": TOKEN_URL}, "ok", "HOOKKEY_CLIENT_ID, HOOKKEY_TOKEN_URL fit"),
        ({"HOOKKEY_TOKEN_URL": f"{TOKEN_URL}/"}, "failed", f'expected "{TOKEN_URL}"'),
        ({}, "failed", f'set HOOKKEY_TOKEN_URL to "{TOKEN_URL}"'),
        (
            {"HOOKKEY_ISSUER": "https://id.acme.com", "HOOKKEY_AUDIENCE": "a"},
            "skipped",
            "HOOKKEY_ISSUER and HOOKKEY_AUDIENCE are not compared: the token URL is not Okta's",
        ),
        (
            {"HOOKKEY_ISSUER": "https://acme.okta.com/oauth2/aus1", "HOOKKEY_AUDIENCE": "a"},
            "failed",
            f'but the hook gets its access tokens at "{TOKEN_URL}"',
        ),
    ],
)
def test_a_token_url_of_the_user(
    shell: Shell, settings: dict[str, Any], result: str, text: str
) -> None:
    """A service with its own token URL compares the client id and the token URL."""
    _hook(shell, token_url=TOKEN_URL)
    _, found = _with(shell, {"HOOKKEY_CLIENT_ID": "0oa1", **settings})
    assert "token-endpoint: an access token from" in found[ROW][1]
    assert found[SETTINGS][0] == result
    assert text in found[SETTINGS][1]


def test_a_client_secret(shell: Shell) -> None:
    """A client secret is not compared, because it is not a setting; the client id is."""
    _hook(shell, token_url=TOKEN_URL, client_secret="s3cret-of-the-client")
    done, found = _with(shell, {"HOOKKEY_CLIENT_ID": "0oa1"})
    assert found[ROW] == (
        "ok",
        f'ACTIVE, token-endpoint: an access token from "{TOKEN_URL}", requested with a client '
        "secret",
    )
    assert found[SETTINGS][0] == "skipped"
    assert found[SETTINGS][1].startswith("HOOKKEY_CLIENT_ID fit; the client secret is not compared")
    assert "s3cret" not in done.output
    assert _with(shell, {"HOOKKEY_CLIENT_ID": "0oa2"})[1][SETTINGS][0] == "failed"


def test_a_secret_in_a_header(shell: Shell) -> None:
    """For a secret in a header, doctor says how to migrate to a hook key, with the hook's id."""
    id_ = _hook(shell, client_id=None, secret=("X-Secret", "s3cret-of-the-hook"))
    done, found = _with(shell, _fitting(shell))
    assert done.exit_code == 0
    assert found[ROW][0] == "warning"
    assert found[ROW][1].startswith('ACTIVE, secret: a secret in the header "X-Secret"; ')
    assert "hookkey keys create NAME" in found[ROW][1]
    assert f"hookkey hooks replace {id_} --hook-key NAME" in found[ROW][1]
    assert found[SETTINGS][0] == "skipped"
    assert 'HeaderSecret(…, header="X-Secret")' in found[SETTINGS][1]
    assert "s3cret" not in done.output


# --- defects of a hook


@pytest.mark.parametrize(
    ("config", "members", "result", "text"),
    [
        ({}, {}, "ok", 'the hook key "K"'),
        ({}, {"status": None}, "ok", "status unknown, token-endpoint"),
        ({}, {"status": "INACTIVE"}, "warning", "not call it: hookkey hooks activate cal1"),
        ({}, {"type": "com.okta.new"}, "ok", "token-endpoint"),
        ({"method": "PUT"}, {}, "warning", 'its method is "PUT", but handlers answer only POST'),
        ({"uri": "http://hooks.acme.com/"}, {}, "warning", "its URI must begin with https://"),
        ({"hookKeyId": "HKY2"}, {}, "failed", 'the org has no hook key "HKY2"'),
        ({"hookKeyId": None}, {}, "failed", "hookkey hooks replace cal1 --hook-key KEY"),
        ({"authType": "magic"}, {}, "warning", "the hook's authType must be private_key_jwt or"),
        ({"tokenUrl": "http://a.com/t"}, {}, "warning", "token URL must begin with https://"),
        ({}, {"channel": {"type": "HTTP"}}, "warning", "calls the hook without credentials"),
        ({}, {"channel": {"type": "NEW"}}, "warning", "channel type must be HTTP or OAUTH"),
        ({}, {"channel": "x"}, "warning", "channel type must be HTTP or OAUTH"),
    ],
)
def test_defects_of_a_hook(
    shell: Shell, config: dict[str, Any], members: dict[str, Any], result: str, text: str
) -> None:
    """The row of a hook says what keeps Okta from calling it or a handler from trusting it."""
    with _org_with(_document({**OAUTH, **config}, **members)) as server:
        shell.env["OKTA_CLIENT_ORGURL"] = server.url
        done, found = _with(shell, {})
    assert found[ROW][0] == result
    assert text in found[ROW][1]
    assert done.exit_code == (1 if result == "failed" else 0)


def test_a_key_that_okta_lists_as_unused(shell: Shell) -> None:
    """A contradiction between a hook and its key is a warning; an unknown use is none."""
    for used, result in ((False, "warning"), (None, "ok")):
        with _org_with(_document(OAUTH), used=used) as server:
            shell.env["OKTA_CLIENT_ORGURL"] = server.url
            found = _with(shell, {})[1]
        assert found[ROW][0] == result
        assert ("no inline hook uses this key" in found[ROW][1]) is (used is False)


def test_an_okta_server_without_a_scope(shell: Shell) -> None:
    """A hook that requests no scope from Okta's server is a warning that names the option."""
    config = {**OAUTH, "tokenUrl": "https://acme.okta.com/oauth2/aus1/v1/token", "scope": None}
    with _org_with(_document(config)) as server:
        shell.env["OKTA_CLIENT_ORGURL"] = server.url
        found = _with(shell, {})[1]
    assert found[ROW][0] == "warning"
    assert "hookkey hooks replace cal1 --scope SCOPE" in found[ROW][1]
    assert "the token URL is one of another org" in found[ROW][1]


def test_nothing_hidden_is_shown(shell: Shell) -> None:
    """A password in a URL of a hook is not shown, and names cannot control the terminal."""
    config = {**OAUTH, "tokenUrl": f"{TOKEN_URL}?key=s3cret", "uri": "https://u:s3cret@a.com"}
    with _org_with(_document(config, name="\x1b[2JClaims\t")) as server:
        shell.env["OKTA_CLIENT_ORGURL"] = server.url
        done = shell("doctor")
    assert "its URI must be a plain URL" in done.output
    assert "an access token from (hidden)" in done.output
    assert "s3cret" not in done.output
    assert "\x1b" not in done.output


# --- permissions and failures


def test_hooks_that_may_not_be_listed(shell: Shell) -> None:
    """A missing permission for hooks is a row that names role, scope and custom permission."""
    _hook(shell)
    shell.okta.fail(403, path=HOOKS)
    done, found = _with(shell, {})
    assert done.exit_code == 0
    assert found["hooks"][0] == "skipped"
    for name in ("super admin", "okta.inlinehooks.read", "okta.inlineHooks.read"):
        assert name in found["hooks"][1]
    assert json.loads(done.stdout)["hooks"] == []


def test_keys_that_may_not_be_listed(shell: Shell) -> None:
    """Without the permission for keys, the hooks are still checked and the exit code is 5."""
    _hook(shell)
    shell.okta.fail(403, path="/api/v1/hook-keys")
    done, found = _with(shell, _fitting(shell))
    assert done.exit_code == 5
    assert found["org"][0] == "failed"
    assert "super admin" in found["org"][1]
    assert "that is not compared with the org's hook keys" in found[ROW][1]
    assert found[SETTINGS][0] == "ok"


@pytest.mark.parametrize("configured", [True, False])
def test_an_audience_that_may_not_be_read(shell: Shell, configured: bool) -> None:
    """Without its permission the audience is not compared, and the server is asked only once."""
    _hook(shell)
    _hook(shell, "Other", client_id="0oa2")
    shell.okta.fail(403, path=SERVERS, times=1)
    settings = {**_fitting(shell), **({} if configured else {"HOOKKEY_AUDIENCE": None})}
    _, found = _with(shell, settings)
    for row in (ROW, "hook Other"):
        assert found[row][0] == "warning"
        for name in ("okta.authorizationServers.read", "okta.authzServers.read"):
            assert name in found[row][1]
    # The settings may fit the first hook, so they need not fit the other one.
    assert found["settings for Other"][0] == ("warning" if configured else "failed")
    if configured:
        text = "HOOKKEY_CLIENT_ID, HOOKKEY_ISSUER fit; HOOKKEY_AUDIENCE is not compared: "
        assert found[SETTINGS] == ("skipped", text + "the audience is not known")
    else:
        assert found[SETTINGS] == ("failed", "set HOOKKEY_AUDIENCE")


def test_a_service_app_without_the_scope_for_servers(
    shell: Shell, key_pool: KeyPool, tmp_path: Path
) -> None:
    """A service app that may only read hooks is told about the scope for the audience."""
    _hook(shell)
    key = key_pool()
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (tmp_path / "app.pem").write_bytes(pem)
    app = shell.okta.create_service_app(
        HookSigner(key, "app-key").public_jwk(), ("okta.inlineHooks.read",)
    )
    shell.env |= {
        "OKTA_CLIENT_TOKEN": None,
        "OKTA_CLIENT_PRIVATEKEY": str(tmp_path / "app.pem"),
        "OKTA_CLIENT_CLIENTID": app,
    }
    done, found = _with(shell, {})
    assert done.exit_code == 0
    assert found[ROW][0] == "warning"
    assert "it needs the scope okta.authorizationServers.read" in found[ROW][1]


def test_an_outage_of_the_servers(shell: Shell) -> None:
    """After Okta is unavailable for one authorization server, the others are not asked."""
    listed = [
        _document(
            {**OAUTH, "tokenUrl": f"https://id.acme.com/oauth2/aus{n}/v1/token"}, name=f"H{n}"
        )
        for n in range(3)
    ]
    with _org_with(*listed) as server:
        shell.env["OKTA_CLIENT_ORGURL"] = server.url
        found = _with(shell, {})[1]
        assert [found[f"hook H{n}"][0] for n in range(3)] == ["warning"] * 3
        assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("behaviour", "code"),
    [
        (answer(503, b"{}"), 3),
        (json_answer(200, [{"id": 1}]), 3),
        (json_answer(400, {"errorCode": "E0000001"}), 1),
    ],
)
def test_hooks_that_cannot_be_listed(shell: Shell, behaviour: Any, code: int) -> None:
    """If the hooks cannot be listed, the row has failed and the cause decides the exit code."""
    with FaultServer(json_answer(200, []), behaviour) as server:
        shell.env["OKTA_CLIENT_ORGURL"] = server.url
        done, found = _with(shell, {})
    assert (done.exit_code, found["hooks"][0]) == (code, "failed")


def test_an_org_without_hooks(shell: Shell) -> None:
    """An org without hooks is a warning that says how to create one."""
    done, found = _with(shell, {})
    assert (done.exit_code, found["hooks"][0]) == (0, "warning")
    assert "hookkey hooks create" in found["hooks"][1]


# --- the help


def _commands() -> list[tuple[str, ...]]:
    """Return all commands that call an org."""
    groups = [(hooks, "hooks"), (keys, "keys")]
    found = [(group, name) for commands, group in groups for name in commands.commands]
    return [*found, ("doctor",), ("bridge",), ("verify",), ("inspect",)]


@pytest.mark.parametrize("command", _commands(), ids=" ".join)
def test_the_help_names_the_permissions(shell: Shell, command: tuple[str, ...]) -> None:
    """The help of each command that calls Okta names the role, the scope and custom permissions."""
    text = " ".join(shell(*command, "--help").stdout.split())
    changing = {"create", "rename", "delete", "rotate", "replace", "activate", "deactivate",
                "execute"}  # fmt: skip
    assert "super admin" in text
    assert "okta.inlineHooks.read" in text
    assert ("okta.inlineHooks.manage" in text) is (command[-1] in changing)
    if command[0] in ("hooks", "doctor"):
        assert "okta.inlinehooks.read" in text
    if command[-1] in ("code", "doctor"):
        assert "okta.authorizationServers.read" in text
        assert "okta.authzServers.read" in text
