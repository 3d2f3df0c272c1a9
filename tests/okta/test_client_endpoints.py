"""HookKeysClient: the six endpoints, and the documents that they return."""

from __future__ import annotations

import time
from typing import Any

import pytest

from hookkey_verify import ApiToken
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import KeyRejectedError, TransportError
from hookkey_verify.okta.client import HookKeysClient
from hookkey_verify.okta.models import HookKey

from ..faults import FaultServer, json_answer
from .exchanges import SECRET


def test_the_life_of_a_key(okta: OktaEmulator, client: HookKeysClient) -> None:
    """A key can be created, listed, read, found, renamed and deleted, with one request per call."""
    key = client.create("hooks")
    assert key.public_key is not None
    assert key.public_key.as_jwk() == okta.signer(key.key_id).public_jwk()
    assert (key.name, key.is_used) == ("hooks", False)
    assert key.created is not None
    assert abs(key.created.timestamp() - time.time()) < 10
    assert client.list() == [key]
    assert client.list()[0].public_key is None
    assert client.get(key.id) == key
    assert client.get(key.id, expand=True).public_key == key.public_key
    assert client.public_key(key.key_id) == key.public_key
    assert client.find("hooks") == key
    assert client.find("Hooks") is None
    renamed = client.rename(key.id, "hooks 2")
    assert (renamed.id, renamed.name) == (key.id, "hooks 2")
    client.delete(key.id)
    assert client.list() == []
    assert [(line.method, line.status) for line in okta.requests] == [
        ("POST", 200),
        *[("GET", 200)] * 7,
        ("PUT", 200),
        ("DELETE", 204),
        ("GET", 200),
    ]


def test_jwks_is_what_jose_libraries_read(okta: OktaEmulator, client: HookKeysClient) -> None:
    """``jwks`` returns the public keys of all hook keys as a standard JWK Set."""
    ids = [client.create(name).key_id for name in ("one", "two")]
    document = client.jwks()
    assert document == {"keys": [okta.signer(key_id).public_jwk() for key_id in ids]}
    assert {key["alg"] for key in document["keys"]} == {"RS256"}


def test_unknown_members_are_kept(okta: OktaEmulator, client: HookKeysClient) -> None:
    """``raw`` contains members that the library does not know, and is read-only."""
    document = {"id": "HKY1", "keyId": "k", "name": "n", "colour": "blue", "isUsed": "true"}
    with FaultServer(json_answer(200, document)) as server:
        with HookKeysClient(server.url, ApiToken(SECRET)) as other:
            key = other.get("HKY1")
    assert key.raw["colour"] == "blue"
    assert key.is_used is True
    with pytest.raises(TypeError):
        key.raw["colour"] = "red"  # type: ignore[index]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"isUsed": True}, {"is_used": True}),
        ({"isUsed": "false"}, {"is_used": False}),
        ({"isUsed": "maybe"}, {"is_used": None}),
        ({"isUsed": 1}, {"is_used": None}),
        ({"isUsed": None}, {"is_used": None}),
        ({"created": "2025-10-24T13:06:07.000Z"}, {}),
        ({"created": "yesterday"}, {"created": None}),
        ({"created": 5}, {"created": None}),
        ({"name": None}, {"name": ""}),
        ({"_embedded": None}, {"public_key": None}),
    ],
)
def test_a_key_is_read_with_tolerance(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    """An optional member with an unexpected value is read as None or empty; no error is raised."""
    key = HookKey.from_document({"id": "HKY1", "keyId": "k", "name": "n", **changes})
    for name, value in expected.items():
        assert getattr(key, name) == value
    if changes.get("created") == "2025-10-24T13:06:07.000Z":
        assert key.created is not None
        assert key.created.timestamp() == 1761311167


@pytest.mark.parametrize("document", [None, [], "x", {}, {"id": "a"}, {"id": 5, "keyId": "k"}])
def test_what_is_no_key(document: object) -> None:
    """A document without a usable ``id`` and ``keyId`` is refused."""
    with pytest.raises(TransportError, match="not a hook key"):
        HookKey.from_document(document)


def test_a_weak_key_shows_when_it_is_used() -> None:
    """A key with a weak public key can be read; only ``public_key`` raises."""
    embedded = {"kty": "RSA", "kid": "k", "n": "AQAB", "e": "AQAB"}
    key = HookKey.from_document({"id": "HKY1", "keyId": "k", "_embedded": embedded})
    with pytest.raises(KeyRejectedError):
        key.public_key  # noqa: B018
