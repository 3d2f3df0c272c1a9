"""The emulator's authorization server in the management API."""

from __future__ import annotations

import requests

from hookkey_verify import HookSigner
from hookkey_verify.emulator import OktaEmulator


def _get(okta: OktaEmulator, path: str, authorization: str) -> requests.Response:
    url = f"{okta.url}/api/v1/authorizationServers{path}"
    return requests.get(url, headers={"Authorization": authorization}, timeout=10)


def test_the_server_is_listed(okta: OktaEmulator) -> None:
    """The list has the server with its audience and issuer, and each server has a URL."""
    token = f"SSWS {okta.api_token}"
    [server] = _get(okta, "", token).json()
    assert (server["issuer"], server["audiences"]) == (okta.issuer, ["api://hooks"])
    assert _get(okta, f"/{server['id']}", token).json() == server
    unknown = _get(okta, "/ausOther", token)
    assert (unknown.status_code, unknown.json()["errorCode"]) == (404, "E0000007")
    assert _get(okta, "", "").status_code == 401


def _token(okta: OktaEmulator, app: HookSigner, scope: str) -> str:
    """Return an access token of a new service app."""
    client_id = okta.create_service_app(app.public_jwk(), [scope])
    url = f"{okta.url}/oauth2/v1/token"
    form = {
        "grant_type": "client_credentials",
        "scope": scope,
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": app.client_assertion(client_id=client_id, token_url=url),
    }
    token: str = requests.post(url, data=form, timeout=10).json()["access_token"]
    return token


def test_a_scope_of_its_own_is_needed(okta: OktaEmulator, app_key: HookSigner) -> None:
    """An access token needs okta.authorizationServers.read here, and only here."""
    servers, hooks = "authorizationServers", "inlineHooks"
    for granted in (servers, hooks):
        bearer = {"Authorization": f"Bearer {_token(okta, app_key, f'okta.{granted}.read')}"}
        for path in (servers, hooks):
            answer = requests.get(f"{okta.url}/api/v1/{path}", headers=bearer, timeout=10)
            assert answer.status_code == (200 if path == granted else 403)
