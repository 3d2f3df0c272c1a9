"""HookKeysClient: refused arguments and error responses of the org."""

from __future__ import annotations

from typing import Any

import pytest

from hookkey_verify import ApiToken, ConfigurationError
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import (
    AuthenticationError,
    ForbiddenError,
    HookKeyApiError,
    KeyInUseError,
    KeyLimitError,
    NotFoundError,
    RateLimitedError,
    TransportError,
    ValidationFailedError,
)
from hookkey_verify.okta.client import HookKeysClient

from ..faults import FaultServer, all_text, answer, hang_up, json_answer, okta_error
from .exchanges import SECRET


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (json_answer(400, okta_error("E0000001")), ValidationFailedError),
        (json_answer(400, okta_error("E0000003")), ValidationFailedError),
        (json_answer(400, okta_error("E0000021")), ValidationFailedError),
        (json_answer(401, okta_error("E0000004")), AuthenticationError),
        (json_answer(401, okta_error("E0000011")), AuthenticationError),
        (json_answer(401, okta_error("E0000015")), ForbiddenError),
        (json_answer(403, okta_error("E0000005")), ForbiddenError),
        (json_answer(403, okta_error("E0000006")), ForbiddenError),
        (json_answer(404, okta_error("E0000007")), NotFoundError),
        (json_answer(405, okta_error("E0000022")), HookKeyApiError),
        (json_answer(429, okta_error("E0000047")), RateLimitedError),
        (json_answer(500, okta_error("E0000009")), TransportError),
        (answer(502, b"<html>"), TransportError),
        (hang_up, TransportError),
    ],
)
def test_every_call_raises_the_error_that_fits(behaviour: Any, kind: type[HookKeyApiError]) -> None:
    """Every method raises the error class for the failure, and no error text contains the token."""
    calls: list[Any] = [
        lambda client: client.list(),
        lambda client: client.get("HKY1"),
        lambda client: client.public_key("k"),
        lambda client: client.rename("HKY1", "n"),
        lambda client: client.delete("HKY1"),
        lambda client: client.create("n"),
        lambda client: client.find("n"),
        lambda client: client.jwks(),
    ]
    with FaultServer(behaviour) as server:
        with HookKeysClient(server.url, ApiToken(SECRET), max_wait=0) as client:
            for call in calls:
                with pytest.raises(kind) as caught:
                    call(client)
                assert type(caught.value) is kind
                assert SECRET not in all_text(caught.value)


@pytest.mark.parametrize(
    "name", ["", "x" * 256, "a\nb", "a\x00", None, 5, b"name", "\ud800"], ids=ascii
)
def test_names_are_checked_before_the_call(
    okta: OktaEmulator, client: HookKeysClient, name: Any
) -> None:
    """A name must have 1 to 255 printable characters; the client checks it before any request."""
    for call in (client.create, client.find, client.rotation):
        with pytest.raises(ConfigurationError, match="name"):
            call(name)
    with pytest.raises(ConfigurationError, match="name"):
        client.rename("HKY1", name)
    assert len(okta.requests) == 0


@pytest.mark.parametrize("id_", ["", ".", "..", "a/b", "a?b", "a%2e", "x" * 65, None, 5, "a\n"])
def test_ids_are_checked_before_the_call(
    okta: OktaEmulator, client: HookKeysClient, id_: Any
) -> None:
    """An id must be one plain path segment; the client checks it before any request."""
    for call in (client.get, client.delete, client.public_key, lambda i: client.rename(i, "n")):
        with pytest.raises(ConfigurationError, match="64 letters"):
            call(id_)
    assert len(okta.requests) == 0


def test_a_name_that_is_taken(client: HookKeysClient) -> None:
    """After a refused create, the client finds in the list of keys that the name is in use."""
    client.create("hooks")
    with pytest.raises(ValidationFailedError, match="in use already") as caught:
        client.create("hooks")
    assert (caught.value.status, caught.value.error_code) == (400, "E0000001")
    assert len(client.list()) == 1


def test_the_51st_key(okta: OktaEmulator, client: HookKeysClient) -> None:
    """A create in an org with 50 keys raises ``KeyLimitError``."""
    for number in range(50):
        okta.create_key(f"k{number}")
    with pytest.raises(KeyLimitError):
        client.create("one more")


def test_a_key_in_use(okta: OktaEmulator, client: HookKeysClient) -> None:
    """Deleting a key that an inline hook uses raises ``KeyInUseError``, and the key remains."""
    key = client.create("hooks")
    okta.org.set_used(key.id)
    with pytest.raises(KeyInUseError):
        client.delete(key.id)
    assert client.get(key.id).is_used is True


def test_other_refusals_stay_what_they_are(okta: OktaEmulator, client: HookKeysClient) -> None:
    """A 400 keeps its error class if the org's state does not explain it or cannot be read."""
    key = client.create("hooks")
    okta.fail(400, method="POST")
    okta.fail(400, method="DELETE", times=2)
    with pytest.raises(ValidationFailedError) as caught:
        client.create("other")
    assert "in use" not in str(caught.value)
    with pytest.raises(ValidationFailedError):
        client.delete(key.id)
    okta.fail(403, method="GET")
    with pytest.raises(ValidationFailedError):
        client.delete(key.id)
    okta.fail(400, method="POST")
    okta.fail(403, method="GET")
    with pytest.raises(ValidationFailedError):
        client.create("other")


def test_a_missing_permission_is_just_that(okta: OktaEmulator, client: HookKeysClient) -> None:
    """A 403 raises ``ForbiddenError`` even if the name is taken or the key is in use."""
    key = client.create("hooks")
    okta.org.set_used(key.id)
    okta.fail(403, method="POST")
    okta.fail(403, method="DELETE")
    with pytest.raises(ForbiddenError):
        client.create("hooks")
    with pytest.raises(ForbiddenError):
        client.delete(key.id)


def test_a_rename_to_a_name_that_is_taken(client: HookKeysClient) -> None:
    """The error of a refused rename says that the name is in use; other refusals are unchanged."""
    client.create("one")
    two = client.create("two")
    with pytest.raises(ValidationFailedError, match="in use already"):
        client.rename(two.id, "one")
    with pytest.raises(NotFoundError):
        client.rename("HKY1", "three")
