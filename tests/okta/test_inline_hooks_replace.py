"""InlineHooksClient.replace: it keeps what is not changed, and never loses a secret."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hookkey_verify import ConfigurationError
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import (
    TransportError,
)
from hookkey_verify.okta import InlineHooksClient

from ..faults import (
    FaultServer,
    json_answer,
)
from .inline_hook_examples import (
    OAUTH,
    PATH,
    SAML,
    TOKEN,
    TOKEN_URL,
    URI,
    VALUE,
    a_document,
    by_header,
    by_key,
    calling,
)


def test_a_replace_keeps_everything_else(okta: OktaEmulator, hooks: InlineHooksClient) -> None:
    """``replace`` sends the whole hook back, with its headers, and changes only what is passed."""
    headers = {"X-Team": "blue", "X-Stage": "test"}
    hook = by_key(hooks, okta, headers=headers, scope="hooks", version="1.0.2", method="PUT")
    changed = hooks.replace(hook.id, uri=f"{URI}2")
    assert changed.uri == f"{URI}2"
    for name in ("id", "name", "type", "status", "version", "created", "method", "headers"):
        assert getattr(changed, name) == getattr(hook, name)
    for name in ("client_id", "hook_key_id", "token_url", "scope", "authentication"):
        assert getattr(changed, name) == getattr(hook, name)
    assert [line.method for line in okta.requests] == ["POST", "GET", "PUT"]


def test_each_setting_can_be_replaced(okta: OktaEmulator, hooks: InlineHooksClient) -> None:
    """Each setting can be changed by its name in the model."""
    hook, other = by_key(hooks, okta, scope="hooks"), okta.create_key("other")
    changes = {
        "name": "new name",
        "uri": f"{URI}/new",
        "method": "PUT",
        "version": "1.0.1",
        "headers": {"X-New": "yes"},
        "client_id": "0oa2",
        "hook_key_id": other["id"],
        "token_url": f"{TOKEN_URL}/new",
        "scope": "new",
    }
    for name, value in changes.items():
        assert getattr(hooks.replace(hook.id, **{name: value}), name) == value
    last = hooks.get(hook.id)
    assert {name: getattr(last, name) for name in changes} == changes
    cleared = hooks.replace(hook.id, headers={}, scope=None)
    assert (dict(cleared.headers), cleared.scope or None) == ({}, None)


def test_a_replace_that_would_lose_the_header(okta: OktaEmulator, hooks: InlineHooksClient) -> None:
    """A replace without the value of the authentication header is refused before the PUT.

    With the value it is carried out, and with ``hook_key_id`` it drops the value on purpose.
    """
    hook, key = by_header(hooks), okta.create_key("token hook")
    with pytest.raises(ConfigurationError, match="Pass auth_header= with name and value again"):
        hooks.replace(hook.id, name="other")
    assert "PUT" not in [line.method for line in okta.requests]
    changed = hooks.replace(hook.id, name="other", auth_header=("X-New", "new value"))
    assert (changed.name, changed.auth_header) == ("other", "X-New")
    assert okta.hooks.get(hook.id).auth_header == ("X-New", "new value")
    with pytest.raises(ConfigurationError, match="pass client_id= and token_url= too"):
        hooks.replace(hook.id, hook_key_id=key["id"])
    signed = hooks.replace(hook.id, hook_key_id=key["id"], **OAUTH)
    assert (signed.authentication, signed.auth_header) == ("private_key_jwt", None)
    assert okta.hooks.get(hook.id).auth_header is None


def test_a_replace_that_would_lose_the_client_secret(
    okta: OktaEmulator, hooks: InlineHooksClient
) -> None:
    """A replace without the client secret is refused before the PUT, unless it drops it."""
    hook = hooks.create("claims", TOKEN, URI, client_secret=VALUE, **OAUTH)
    with pytest.raises(ConfigurationError, match="Pass client_secret= again"):
        hooks.replace(hook.id, scope="other")
    assert "PUT" not in [line.method for line in okta.requests]
    changed = hooks.replace(hook.id, scope="other", client_secret="new secret")
    assert changed.scope == "other"
    assert okta.hooks.get(hook.id).client_secret == "new secret"
    signed = hooks.replace(hook.id, hook_key_id=okta.create_key("k")["id"])
    assert (signed.authentication, signed.client_id) == ("private_key_jwt", "0oa1")
    back = hooks.replace(hook.id, client_secret=VALUE)
    assert (back.authentication, back.hook_key_id) == ("client_secret_post", None)
    header = hooks.replace(hook.id, auth_header=("X-Secret", VALUE))
    assert (header.authentication, header.client_id) == ("auth_header", None)


def test_a_replace_of_a_hook_without_authentication(
    okta: OktaEmulator, hooks: InlineHooksClient
) -> None:
    """A hook without authentication has no secret to lose, so any setting can be changed."""
    made = okta.create_hook(URI, name="open")
    assert hooks.get(made["id"]).authentication == "none"
    assert hooks.replace(made["id"], name="other").name == "other"
    with pytest.raises(ConfigurationError, match="client_secret= to use client_id= and scope="):
        hooks.replace(made["id"], client_id="0oa1", scope="a")
    with pytest.raises(ConfigurationError, match="client_secret= to use token_url="):
        hooks.replace(made["id"], token_url=TOKEN_URL, auth_header=("X-A", VALUE))


def _put_after(document: object, **changes: Any) -> dict[str, Any]:
    """Return the body of the PUT that follows a GET with this document."""
    with FaultServer(json_answer(200, document)) as server, calling(server.url) as client:
        client.replace("cal1", **changes)
        get, put = server.requests
    assert (get.line, put.line) == (f"GET {PATH}/cal1 HTTP/1.1", f"PUT {PATH}/cal1 HTTP/1.1")
    body: dict[str, Any] = json.loads(put.body)
    return body


def test_the_body_of_a_replace() -> None:
    """The PUT keeps unknown members and repeated headers.

    It leaves out secrets and headers that cannot be read.
    """
    pairs = [{"key": "X-A", "value": "1"}, None, {"key": "X-A", "value": "2"}]
    config: dict[str, Any] = {"headers": pairs, "method": "POST"}
    config |= {"colour": "blue", "clientSecret": "leaked"}
    assert _put_after(a_document(**config), name="new") == {
        "name": "new",
        "version": "1.0.2",
        "channel": {
            "type": "HTTP",
            "version": "1.0.0",
            "config": {
                "uri": URI,
                "method": "POST",
                "headers": [{"key": "X-A", "value": "1"}, {"key": "X-A", "value": "2"}],
                "colour": "blue",
            },
        },
    }


def test_the_body_of_a_change_of_the_hook_key() -> None:
    """Selecting another hook key sends the recorded form of private_key_jwt, with no secret."""
    config: dict[str, Any] = {
        "uri": URI,
        "method": "POST",
        "headers": [],
        "authType": "private_key_jwt",
        "clientId": "0oa1",
        "hookKeyId": "HKY1",
        "tokenUrl": TOKEN_URL,
        "scope": "hooks",
        "authScheme": None,
    }
    document = a_document()
    document["channel"] = {"type": "OAUTH", "version": "1.0.0", "config": config}
    body = _put_after(document, hook_key_id="HKY2")
    assert body["channel"] == {
        "type": "OAUTH",
        "version": "1.0.0",
        "config": {**config, "hookKeyId": "HKY2"},
    }


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({}, "pass what to change: name, uri"),
        ({"colour": "blue"}, "colour is not a setting .*; the settings are: name, uri, method"),
        ({"type": SAML}, "type cannot be changed: create another hook"),
        ({"status": "INACTIVE"}, "activate and deactivate"),
        ({"auth_type": "private_key_jwt"}, "client_secret or hook_key_id"),
        ({"name": ""}, "name must be 1 to 255"),
        ({"name": "a\x07"}, "name must be 1 to 255 printable"),
        ({"name": None}, "name must be"),
        ({"uri": None}, "uri must be a string"),
        ({"uri": "http://acme.com/hook"}, "uri must begin with https"),
        ({"uri": "https://u:p@acme.com/hook"}, "uri must be a plain URL"),
        ({"uri": "https://acme.com/ hook"}, "uri contains a character"),
        ({"uri": "https://acme.com/" + "x" * 1_024}, "uri must have at most 1024"),
        ({"token_url": "ftp://acme.com"}, "token_url must begin with https"),
        ({"method": "post"}, "method must be one of POST"),
        ({"method": ["POST"]}, "method must be one of POST"),
        ({"version": 1}, "version must be 1 to"),
        ({"headers": [("a", "b")]}, "headers must map"),
        ({"headers": {"a b": "c"}}, "each name in headers"),
        ({"headers": {5: "c"}}, "each name in headers"),
        ({"headers": {"X-A": "b", "x-a": "c"}}, "two of the names in headers differ only in case"),
        ({"headers": {"a": "c\r\nX: y"}}, "each value in headers"),
        ({"headers": {"a": " c"}}, "each value in headers"),
        ({"headers": {"a": None}}, "each value in headers"),
        ({"auth_header": None}, "auth_header must be a pair"),
        ({"auth_header": VALUE}, "auth_header must be a pair"),
        ({"auth_header": ("X-A", "")}, "the value in auth_header"),
        ({"auth_header": ("X-A", "\u20ac" + VALUE)}, "the value in auth_header"),
        ({"auth_header": ("X A", VALUE)}, "the name in auth_header"),
        ({"client_secret": ""}, "client_secret must be"),
        ({"client_secret": VALUE + "\n"}, "client_secret must be"),
        ({"client_secret": VALUE.encode()}, "client_secret must be"),
        ({"client_id": "x" * 5_000}, "client_id must be"),
        ({"hook_key_id": "a/b"}, "hook_key_id must be 1 to 64"),
        ({"hook_key_id": None}, "hook_key_id must be 1 to 64"),
        ({"scope": ["a"]}, "scope must be text"),
        ({"scope": "a\tb"}, "scope must be 1 to"),
        (
            {"auth_header": ("X-A", VALUE), "client_secret": VALUE},
            "auth_header and client_secret cannot be combined",
        ),
        (
            {"client_secret": VALUE, "hook_key_id": "HKY1"},
            "client_secret and hook_key_id cannot be combined",
        ),
    ],
    ids=lambda value: "" if isinstance(value, str) else " ".join(value),
)
def test_changes_are_checked_before_the_call(
    okta: OktaEmulator, hooks: InlineHooksClient, changes: dict[str, Any], problem: str
) -> None:
    """A change that is not valid is refused before any request, without repeating a secret."""
    with pytest.raises(ConfigurationError, match=problem) as caught:
        hooks.replace("cal1", **changes)
    assert VALUE not in f"{caught.value} {caught.value!r}"
    assert len(okta.requests) == 0


def test_client_secret_post_is_for_post_only(hooks: InlineHooksClient) -> None:
    """A client secret with another method than POST is refused, as Okta documents."""
    with pytest.raises(ConfigurationError, match="method must be POST with client_secret"):
        hooks.create("claims", TOKEN, URI, client_secret=VALUE, method="PUT", **OAUTH)


@pytest.mark.parametrize(
    "channel",
    [
        {"type": "OAUTH", "config": {"uri": URI, "authType": "tls_client_auth", "clientId": "c"}},
        {"type": "OAUTH", "config": {"uri": URI}},
        {"type": "QUEUE", "config": {"uri": URI}},
        {"config": {"uri": URI}},
    ],
)
def test_a_replace_of_a_hook_of_an_unknown_kind(channel: dict[str, Any]) -> None:
    """A hook that authenticates in an unknown way may have a secret, so a replace is refused."""
    document = {**a_document(), "channel": channel}
    with pytest.raises(ConfigurationError, match="could lose a secret: pass auth_header"):
        _put_after(document, name="new")
    body = _put_after(document, auth_header=("X-A", VALUE))
    scheme = {"type": "HEADER", "key": "X-A", "value": VALUE}
    assert body["channel"]["config"] == {"uri": URI, "headers": [], "authScheme": scheme}


def test_a_replace_of_a_hook_whose_key_was_not_returned() -> None:
    """A hook with private_key_jwt whose key is not known is refused until the key is passed."""
    config = {"authType": "private_key_jwt", "clientId": "0oa1", "tokenUrl": TOKEN_URL, "uri": URI}
    document = {**a_document(), "channel": {"type": "OAUTH", "config": config}}
    with pytest.raises(ConfigurationError, match="pass hook_key_id= too, for private_key_jwt"):
        _put_after(document, name="new")
    body = _put_after(document, name="new", hook_key_id="HKY2")
    assert body["channel"]["config"]["hookKeyId"] == "HKY2"


@pytest.mark.parametrize(
    "changes",
    [
        {"channel": None},
        {"channel": {"type": "HTTP"}},
        {"channel": []},
        {"name": None},
        {"channel": {"type": "HTTP", "config": {"uri": URI, "headers": {"X-A": "b"}}}},
    ],
)
def test_a_replace_of_a_hook_that_cannot_be_read(changes: dict[str, Any]) -> None:
    """A hook without a name or a readable channel is not replaced, which would clear it."""
    with pytest.raises(TransportError, match="cannot be read completely"):
        _put_after({**a_document(), **changes}, uri=URI)
