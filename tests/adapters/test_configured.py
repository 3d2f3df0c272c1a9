"""``configured_verifier``: settings from a framework's configuration and the environment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hookkey_verify import ConfigurationError, HookSigner
from hookkey_verify._configured import configured_verifier
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.settings import NAMES

from ..conftest import CLIENT_ID, TOKEN_URL
from ..faults import FaultServer, json_answer


@pytest.fixture(autouse=True)
def _nothing_configured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    for name in NAMES.values():
        monkeypatch.delenv(name.variable, raising=False)


def test_access_tokens(signer: HookSigner, monkeypatch: pytest.MonkeyPatch) -> None:
    """An issuer selects access tokens, and given values override the environment."""
    monkeypatch.setenv("HOOKKEY_AUDIENCE", "api://hooks")
    monkeypatch.setenv("HOOKKEY_CLIENT_ID", "another")
    with FaultServer(json_answer(200, {"keys": [signer.public_jwk()]})) as server:
        issuer = f"{server.url}/oauth2/aus1"
        values = {"HOOKKEY_ISSUER": issuer, "HOOKKEY_CLIENT_ID": CLIENT_ID, "DEBUG": True}
        verifier = configured_verifier(values)
        claims = {"iss": issuer, "aud": "api://hooks", "cid": CLIENT_ID, "exp": 2**31}
        assert verifier.verify(signer.sign(claims)).client_id == CLIENT_ID


def test_scopes_may_be_a_list(signer: HookSigner) -> None:
    """Scopes may be a list or a string of words."""
    for scopes in (["a", "b"], "a b"):
        values = {
            "HOOKKEY_ISSUER": "https://acme.okta.com/oauth2/aus1",
            "HOOKKEY_AUDIENCE": "api://hooks",
            "HOOKKEY_CLIENT_ID": CLIENT_ID,
            "HOOKKEY_SCOPES": scopes,
        }
        shown = repr(configured_verifier(values))
        assert "scopes=frozenset({'a', 'b'})" in shown or "scopes=frozenset({'b', 'a'})" in shown


def test_client_assertions(okta: OktaEmulator) -> None:
    """Without an issuer, the verifier accepts client assertions signed with the org's hook keys."""
    signer = okta.signer(okta.create_key("k")["keyId"])
    verifier = configured_verifier(
        {
            "OKTA_CLIENT_ORGURL": okta.url,
            "OKTA_CLIENT_TOKEN": okta.api_token,
            "HOOKKEY_CLIENT_ID": CLIENT_ID,
            "HOOKKEY_TOKEN_URL": TOKEN_URL,
        }
    )
    token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    assert verifier.verify(token).subject == CLIENT_ID


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({}, "OKTA_CLIENT_ORGURL"),
        ({"HOOKKEY_ISSUER": "https://a.okta.com/oauth2/b"}, "HOOKKEY_CLIENT_ID"),
        (
            {"HOOKKEY_ISSUER": "https://a.okta.com/oauth2/b", "HOOKKEY_CLIENT_ID": "c"},
            "HOOKKEY_AUDIENCE",
        ),
        (
            {"OKTA_CLIENT_ORGURL": "https://a.okta.com", "OKTA_CLIENT_TOKEN": "t"},
            "HOOKKEY_CLIENT_ID",
        ),
        ({"HOOKKEY_ISSUER": "http://a.okta.com/oauth2/b"}, "issuer"),
        ({"HOOKKEY_ISSUER": ["x"]}, "must be text"),
    ],
)
def test_what_is_missing_is_named(values: dict[str, Any], named: str) -> None:
    """The error names a missing or wrong setting by its variable."""
    with pytest.raises(ConfigurationError, match=named):
        configured_verifier(values)
