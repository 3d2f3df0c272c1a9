"""HookKeysClient: key rotation."""

from __future__ import annotations

import time

import pytest

from hookkey_verify import ApiToken, ConfigurationError, PublicKey
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import ForbiddenError, KeyInUseError, NotFoundError
from hookkey_verify.okta.client import HookKeysClient

from ..faults import FaultServer, json_answer
from .exchanges import SECRET


def test_a_rotation(okta: OktaEmulator, client: HookKeysClient) -> None:
    """A rotation creates a successor, which gets the old name once the old key is unused."""
    old = client.create("hooks")
    okta.org.set_used(old.id)
    rotation = client.rotate("hooks")
    assert rotation.old.id == old.id
    assert rotation.new.name.startswith("hooks 20")
    assert isinstance(rotation.new.public_key, PublicKey)
    assert not rotation.is_unused()
    with pytest.raises(KeyInUseError, match="successor"):
        rotation.finish()
    assert client.find("hooks") == rotation.old
    okta.org.set_used(old.id, used=False)
    assert rotation.is_unused()
    new = rotation.finish()
    assert (new.id, new.name) == (rotation.new.id, "hooks")
    assert [key.id for key in client.list()] == [new.id]


def test_a_rotation_can_be_taken_up_again(okta: OktaEmulator, client: HookKeysClient) -> None:
    """A repeated ``rotate`` uses the existing successor; a failed ``finish`` can be repeated."""
    client.create("hooks")
    first = client.rotate("hooks", successor="hooks next")
    second = client.rotate("hooks", successor="hooks next")
    assert second.new.id == first.new.id
    assert second.new.public_key == first.new.public_key
    okta.fail(403, method="PUT")
    with pytest.raises(ForbiddenError):
        second.finish()
    assert second.finish().name == "hooks"


def test_what_cannot_be_rotated(client: HookKeysClient) -> None:
    """``rotate`` refuses an unknown name, and a successor with the name of the key itself."""
    with pytest.raises(NotFoundError, match="name"):
        client.rotate("hooks")
    client.create("hooks")
    with pytest.raises(ConfigurationError, match="successor"):
        client.rotate("hooks", successor="hooks")


def test_a_successor_is_younger(okta: OktaEmulator, client: HookKeysClient) -> None:
    """``rotate`` refuses a successor that is older than the key to be replaced."""
    okta.org._clock = lambda: time.time() - 3600
    okta.create_key("older")
    okta.org._clock = time.time
    client.create("hooks")
    with pytest.raises(ConfigurationError, match="older key"):
        client.rotate("hooks", successor="older")


def test_an_end_when_okta_does_not_say_whether_a_key_is_used() -> None:
    """If Okta does not say whether the old key is used, ``finish`` tries to delete it."""
    old = {"id": "HKY1", "keyId": "k1", "name": "hooks", "isUsed": None}
    new = {"id": "HKY2", "keyId": "k2", "name": "next", "_embedded": {}}
    answers = [json_answer(200, each) for each in ([old, new], old, {}, {**new, "name": "hooks"})]
    with FaultServer(*answers) as server:
        with HookKeysClient(server.url, ApiToken(SECRET)) as client:
            assert client.rotate("hooks", successor="next").finish().name == "hooks"
    assert [request.line.split()[0] for request in server.requests] == [
        "GET",
        "GET",
        "DELETE",
        "PUT",
    ]
