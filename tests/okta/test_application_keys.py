"""ApplicationKeysClient reads and changes the public keys of applications."""

from __future__ import annotations

from typing import Any

import pytest

from hookkey_verify import ApiToken, ConfigurationError, HookSigner, PublicKey
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import ForbiddenError, NotFoundError, TransportError
from hookkey_verify.okta.applications import (
    ApplicationKey,
    ApplicationKeysClient,
    AsyncApplicationKeysClient,
)

from ..faults import FaultServer, json_answer
from .exchanges import SECRET


def test_the_keys_of_an_application(okta: OktaEmulator, app_key: HookSigner) -> None:
    """A key can be added, found by its material, and removed; to remove it twice is no error."""
    client_id = okta.create_service_app(app_key.public_jwk())
    key = PublicKey.from_document(HookSigner.generate(kid="new").public_jwk(), expected_kid="new")
    with ApplicationKeysClient(okta.url, ApiToken(okta.api_token)) as client:
        client.add(client_id, key)
        first, second = client.list(client_id)
        assert (first.kid, second.kid) == ("app-key", "new")
        assert (first.is_same(key), second.is_same(key)) == (False, True)
        assert "jwk" not in repr(second)
        client.remove(client_id, second)
        client.remove(client_id, second)
        assert client.list(client_id) == [first]
        with pytest.raises(NotFoundError):
            client.list("0oaUnknown")
        with pytest.raises(ConfigurationError, match="client_id"):
            client.list("a/b")


def test_rows_that_cannot_be_read() -> None:
    """Rows without id or kid are left out; a key without status is active."""
    good = {"id": "pks1", "kid": "k"}
    rows: list[Any] = [good, {"id": "pks2"}, {"kid": "k"}, "text", {"id": 1, "kid": "k"}]
    with FaultServer(json_answer(200, rows), json_answer(200, {})) as server:
        with ApplicationKeysClient(server.url, ApiToken(SECRET)) as client:
            assert client.list("0oa1") == [ApplicationKey("pks1", "k", "ACTIVE", good)]
            with pytest.raises(TransportError):
                client.list("0oa1")


def test_missing_permissions(okta: OktaEmulator) -> None:
    """A 403 names the scope that the request needs."""
    okta.fail(403, times=2)
    with ApplicationKeysClient(okta.url, ApiToken(okta.api_token)) as client:
        with pytest.raises(ForbiddenError, match=r"okta\.apps\.read"):
            client.list("0oa1")
        with pytest.raises(ForbiddenError, match=r"okta\.apps\.manage"):
            client.activate("0oa1", "pks1")


def test_clients_from_the_environment(okta: OktaEmulator) -> None:
    """Both clients can be created from settings."""
    with ApplicationKeysClient.from_env(org_url=okta.url, token=okta.api_token) as client:
        assert client.org_url == okta.url
    other = AsyncApplicationKeysClient.from_env(org_url=okta.url, token=okta.api_token)
    assert other.org_url == okta.url
