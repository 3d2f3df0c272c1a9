"""InlineHooksClient.create: its arguments, and responses that are lost or refuse it."""

from __future__ import annotations

from typing import Any

import pytest

from hookkey_verify import ConfigurationError
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import (
    TransportError,
    ValidationFailedError,
)
from hookkey_verify.okta import InlineHooksClient

from ..faults import (
    FaultServer,
)
from .inline_hook_examples import (
    PATH,
    TOKEN,
    TOKEN_URL,
    URI,
    VALUE,
    by_header,
    calling,
)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, "say how Okta authenticates: pass auth_header"),
        ({"client_id": "0oa1", "token_url": TOKEN_URL}, "say how Okta authenticates"),
        ({"auth_header": ("X-A", VALUE), "scope": "a"}, "client_secret= to use scope="),
        ({"client_secret": VALUE, "client_id": "0oa1"}, "pass token_url= too"),
        ({"hook_key_id": "HKY1"}, "pass client_id= and token_url= too"),
        ({"auth_header": ("X-A", VALUE), "name": 5}, "name must be"),
        ({"auth_header": ("X-A", VALUE), "type": "a b"}, "type must be Okta's name"),
        ({"auth_header": ("X-A", VALUE), "type": None}, "type must be Okta's name"),
        ({"auth_header": ("X-A", VALUE), "uri": None}, "uri must be a string"),
        ({"auth_header": ("X-A", VALUE), "headers": "X: y"}, "headers must map"),
    ],
)
def test_arguments_of_create(
    okta: OktaEmulator, hooks: InlineHooksClient, changes: dict[str, Any], problem: str
) -> None:
    """A hook that is not valid is refused before any request."""
    with pytest.raises(ConfigurationError, match=problem):
        hooks.create(**{"name": "claims", "type": TOKEN, "uri": URI, **changes})
    assert len(okta.requests) == 0


def test_a_lost_create_is_found(okta: OktaEmulator, hooks: InlineHooksClient) -> None:
    """If the response to a create is lost, the client returns the hook and sends no second POST."""
    okta.fail(503, method="POST", after=True)
    hook = by_header(hooks)
    assert [each.id for each in hooks.list()] == [hook.id]
    assert [line.method for line in okta.requests].count("POST") == 1


def test_a_create_that_did_not_happen(okta: OktaEmulator, hooks: InlineHooksClient) -> None:
    """If the list shows no such hook, or cannot be read, the error says so."""
    okta.fail(503, method="POST")
    with pytest.raises(TransportError, match="the hook is not in the list now"):
        by_header(hooks)
    okta.fail(503, method="POST", after=True)
    okta.fail(500, method="GET")
    with pytest.raises(TransportError, match="the hook may or may not exist"):
        by_header(hooks)


def test_a_create_that_cannot_have_been_received() -> None:
    """If no server was reached, the client raises the connection error."""
    with FaultServer() as server:
        url = server.url
    with calling(url) as client, pytest.raises(TransportError) as caught:
        by_header(client)
    assert not caught.value.sent


def test_a_name_that_is_taken(okta: OktaEmulator, hooks: InlineHooksClient) -> None:
    """After a refused create or replace, the client finds that the name is in use."""
    by_header(hooks)
    with pytest.raises(ValidationFailedError, match="in use already") as caught:
        by_header(hooks)
    assert (caught.value.status, caught.value.error_code) == (400, "E0000001")
    other = okta.create_hook(URI, name="other")
    with pytest.raises(ValidationFailedError, match="in use already"):
        hooks.replace(other["id"], name="claims")


def test_other_refusals_stay_what_they_are(okta: OktaEmulator, hooks: InlineHooksClient) -> None:
    """A 400 that the list of hooks does not explain keeps its error."""
    made = okta.create_hook(URI, name="open")
    okta.fail(400, method="PUT", times=2)
    for _ in range(2):
        with pytest.raises(ValidationFailedError) as caught:
            hooks.replace(made["id"], uri=f"{URI}2")
        assert "in use" not in str(caught.value)
        okta.fail(403, method="GET", path=f"{PATH}?")
    okta.faults.clear()
    okta.fail(400, method="POST")
    okta.fail(403, method="GET")
    with pytest.raises(ValidationFailedError):
        by_header(hooks)
