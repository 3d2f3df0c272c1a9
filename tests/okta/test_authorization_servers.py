"""AuthorizationServersClient reads servers leniently, and needs a scope of its own."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from hookkey_verify import ApiToken, ConfigurationError
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import (
    AuthenticationError,
    ForbiddenError,
    HookKeyApiError,
    NotFoundError,
    RateLimitedError,
    TransportError,
)
from hookkey_verify.events import Event
from hookkey_verify.okta.authorization_servers import (
    AuthorizationServer,
    AuthorizationServersClient,
)

from ..faults import FaultServer, json_answer

RECORDED = {
    "id": "aus1",
    "name": "Hooks",
    "description": "for hooks",
    "audiences": ["api://hooks"],
    "issuer": "https://acme.okta.com/oauth2/aus1",
    "issuerMode": "ORG_URL",
    "status": "ACTIVE",
    "credentials": {"signing": {"rotationMode": "AUTO"}},
    "default": False,
}


def test_a_server_of_the_org(okta: OktaEmulator) -> None:
    """A server is read over HTTP, and each call is reported."""
    events: list[Event] = []
    with AuthorizationServersClient(
        okta.url, ApiToken(okta.api_token), on_event=events.append
    ) as client:
        server = client.get(okta.authorization_server.id)
        with pytest.raises(NotFoundError):
            client.get("ausOther")
    assert (server.audiences, server.issuer) == (("api://hooks",), okta.issuer)
    assert server.is_dynamic
    assert [each.outcome for each in events] == ["ok", "failed"]
    assert repr(client) == f"AuthorizationServersClient('{okta.url}')"
    with pytest.raises(ConfigurationError):
        copy.copy(client)


def test_a_recorded_server() -> None:
    """The members of a document are read; everything is in ``raw``."""
    server = AuthorizationServer.from_document(RECORDED)
    assert (server.id, server.name, server.audiences) == ("aus1", "Hooks", ("api://hooks",))
    assert (server.issuer, server.is_dynamic) == (RECORDED["issuer"], False)
    assert server.raw == RECORDED


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"audiences": None}, {"audiences": ()}),
        ({"audiences": "api://hooks"}, {"audiences": ()}),
        ({"audiences": [1, "", None, "a", "b"]}, {"audiences": ("a", "b")}),
        ({"issuer": 1}, {"issuer": None}),
        ({"name": None}, {"name": ""}),
        ({"issuerMode": "DYNAMIC"}, {"is_dynamic": True}),
        ({"issuerMode": ["NEW"]}, {"is_dynamic": False}),
    ],
)
def test_odd_members_are_unknown(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    """A member of an odd type is unknown, and the others are still read."""
    server = AuthorizationServer.from_document({**RECORDED, **changes})
    assert {name: getattr(server, name) for name in expected} == expected


@pytest.mark.parametrize("document", [None, [], {}, {"id": 1}, {"id": "a/b"}])
def test_a_document_without_an_id_is_refused(document: object) -> None:
    """What has no usable id is not an authorization server."""
    with pytest.raises(TransportError, match="not an authorization server"):
        AuthorizationServer.from_document(document)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AuthenticationError),
        (403, ForbiddenError),
        (404, NotFoundError),
        (429, RateLimitedError),
        (500, TransportError),
    ],
)
def test_statuses(status: int, kind: type[HookKeyApiError]) -> None:
    """Each status is an error of ours; a 403 names the scope and the permission."""
    body = {"errorCode": "E0000007" if status == 404 else "E0000000", "errorSummary": "no"}
    with FaultServer(json_answer(status, body)) as org:
        client = AuthorizationServersClient(org.url, ApiToken("t"), max_wait=0)
        with client, pytest.raises(kind) as raised:
            client.get("aus1")
    if status == 403:
        assert "okta.authorizationServers.read" in str(raised.value)
        assert "okta.authzServers.read" in str(raised.value)


@pytest.mark.parametrize("id_", ["", "a/b", "../x", None, "x" * 65])
def test_ids_are_checked(okta: OktaEmulator, id_: Any) -> None:
    """What cannot be an id is refused before a request is sent."""
    with (
        AuthorizationServersClient(okta.url, ApiToken("t")) as client,
        pytest.raises(ConfigurationError, match="id must be"),
    ):
        client.get(id_)
    assert not okta.requests


def test_from_the_environment(okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """The client is created from the same settings as the others."""
    monkeypatch.setenv("OKTA_CLIENT_ORGURL", okta.url)
    monkeypatch.setenv("OKTA_CLIENT_TOKEN", okta.api_token)
    with AuthorizationServersClient.from_env() as client:
        assert client.get(okta.authorization_server.id).audiences == ("api://hooks",)
