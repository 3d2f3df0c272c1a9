"""InlineHook: the recorded shapes of hooks, and the faults of Okta's examples."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookkey_verify import ConfigurationError
from hookkey_verify.errors import (
    TransportError,
)
from hookkey_verify.okta.hook_settings import replaced_hook
from hookkey_verify.okta.models import InlineHook

from ..faults import (
    FaultServer,
    json_answer,
)
from .inline_hook_examples import (
    TOKEN_URL,
    URI,
    VALUE,
    a_document,
    calling,
)

RECORDED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "a header, whose value is not returned": (
        a_document(
            headers=[{"key": "x-team", "value": "blue"}],
            method="POST",
            authScheme={"type": "HEADER", "key": "Authorization"},
        ),
        {
            "authentication": "auth_header",
            "auth_header": "Authorization",
            "headers": {"x-team": "blue"},
            "version": "1.0.2",
        },
    ),
    "client_secret_post, with authScheme null": (
        {
            **a_document(),
            "channel": {
                "type": "OAUTH",
                "version": "1.0.0",
                "config": {
                    "uri": URI,
                    "method": "POST",
                    "headers": [],
                    "authScheme": None,
                    "authType": "client_secret_post",
                    "clientId": "abc123",
                    "tokenUrl": "https://example.com/token",
                    "scope": "api",
                },
            },
        },
        {
            "authentication": "client_secret_post",
            "auth_header": None,
            "client_id": "abc123",
            "token_url": "https://example.com/token",
            "scope": "api",
        },
    ),
    "private_key_jwt, with scope null": (
        {
            **a_document(),
            "channel": {
                "type": "OAUTH",
                "config": {
                    "uri": URI,
                    "authType": "private_key_jwt",
                    "clientId": "0oa1",
                    "hookKeyId": "HKY1",
                    "tokenUrl": TOKEN_URL,
                    "scope": None,
                },
            },
        },
        {"authentication": "private_key_jwt", "hook_key_id": "HKY1", "scope": None, "method": ""},
    ),
    "an authScheme with a lower-case type and key": (
        a_document(authScheme={"type": "header", "key": "authorization"}),
        {"authentication": "auth_header", "auth_header": "authorization"},
    ),
    "an authScheme without a readable key": (
        a_document(authScheme={"type": "HEADER", "key": None}),
        {"authentication": "auth_header", "auth_header": ""},
    ),
    "a token URL with a stray quote": (
        {
            **a_document(),
            "channel": {"type": "OAUTH", "config": {"tokenUrl": 'https:/a.io/token"'}},
        },
        {"authentication": None, "token_url": 'https:/a.io/token"', "auth_type": None},
    ),
    "created inside the channel": (
        {
            "id": "cbl1",
            "channel": {"created": "2025-08-24T13:06:07.000Z", "config": None},
        },
        {"authentication": None, "name": "", "type": "", "uri": "", "headers": {}, "status": ""},
    ),
    "an authentication that cannot be read": (
        a_document(authScheme={}),
        {"authentication": "auth_header", "auth_header": ""},
    ),
    "two ways to authenticate": (
        a_document(authType="client_secret_post"),
        {"authentication": None, "channel_type": "HTTP"},
    ),
    "no authentication": (
        a_document(headers=None),
        {"authentication": "none", "headers": {}, "auth_header": None},
    ),
    "unreadable headers": (
        a_document(headers=[None, 5, {"key": None}, {"key": "X-A"}, {"key": "", "value": "a"}]),
        {"headers": {"X-A": ""}},
    ),
    "headers as an object": (a_document(headers={"X-A": "b"}), {"headers": {}}),
    "members of other types": (
        {**a_document(uri=5, method=[], authScheme="x"), "name": 5, "status": None, "type": {}},
        {"name": "", "status": "", "type": "", "uri": "", "method": "", "auth_header": ""},
    ),
}


@pytest.mark.parametrize("shape", RECORDED)
def test_recorded_shapes(shape: str) -> None:
    """Every recorded shape of a hook, and every fault of Okta's examples, is read."""
    document, expected = RECORDED[shape]
    with FaultServer(json_answer(200, document), json_answer(200, [document])) as server:
        with calling(server.url) as client:
            hook = client.get("cal1")
            assert client.list() == [hook]
    assert {name: getattr(hook, name) for name in expected} == expected
    assert hook.created is not None
    assert hook.created.timestamp() == 1756040767
    assert dict(hook.raw) == document
    assert hash(hook) == hash(InlineHook.from_document(document))


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.just("private_key_jwt"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=5,
)
_CONFIG = st.fixed_dictionaries(
    {},
    optional=dict.fromkeys(
        ("uri", "method", "headers", "authScheme", "authType", "clientId", "tokenUrl"), _JSON
    ),
)
_CHANNEL = st.fixed_dictionaries(
    {}, optional={"type": st.sampled_from(["HTTP", "OAUTH", 5]), "config": _CONFIG | _JSON}
)


@given(channel=_CHANNEL | _JSON, name=_JSON, created=_JSON)
def test_any_json_is_read(channel: Any, name: Any, created: Any) -> None:
    """Any JSON document with an id is a hook, and can be replaced, or raises one of our errors."""
    document = {"id": "cal1", "name": name, "created": created, "channel": channel}
    hook = InlineHook.from_document(document)
    assert repr(hook)
    with suppress(ConfigurationError, TransportError):
        body = replaced_hook(hook, {"uri": URI})
        assert hook.authentication in ("private_key_jwt", "none")
        assert body["channel"]["config"]["uri"] == URI
        assert json.loads(json.dumps(body)) == body


@pytest.mark.parametrize("auth_type", [["private_key_jwt"], {}, 5, None])
def test_an_auth_type_that_is_not_text(auth_type: object) -> None:
    """A hook with an ``authType`` that is not text has an unknown authentication."""
    channel = {"type": "OAUTH", "config": {"authType": auth_type}}
    assert InlineHook.from_document({"id": "cal1", "channel": channel}).authentication is None


@pytest.mark.parametrize("document", [None, [], "x", {}, {"id": 5}, {"id": "a/b"}])
def test_what_is_no_hook(document: object) -> None:
    """A document without a usable ``id`` is refused."""
    with pytest.raises(TransportError, match="not an inline hook"):
        InlineHook.from_document(document)


def test_the_repr_has_no_values() -> None:
    """The repr of a hook contains neither values of headers nor its URL; it is read-only."""
    pairs = [{"key": "X-Code", "value": VALUE}]
    hook = InlineHook.from_document(a_document(uri=f"{URI}?code={VALUE}", headers=pairs))
    assert VALUE not in repr(hook)
    with pytest.raises(TypeError):
        hook.headers["X-Code"] = "a"  # type: ignore[index]
    with pytest.raises(TypeError):
        hook.raw["name"] = "a"  # type: ignore[index]
