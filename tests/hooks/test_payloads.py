"""Payloads are read without loss and leniently, and nothing of them is displayed."""

from __future__ import annotations

import json
import pickle
import traceback
from datetime import UTC, datetime
from functools import reduce
from types import MappingProxyType
from typing import Any

import pytest

from hookkey_verify.errors import HookKeyError, InvalidPayloadError
from hookkey_verify.hooks import payloads, views
from hookkey_verify.hooks.fields import Field, Part
from hookkey_verify.hooks.payloads import (
    Hook,
    ImportHook,
    PasswordImportHook,
    RegistrationHook,
    SamlHook,
    TelephonyHook,
    TokenHook,
    UnknownHook,
    parse_hook,
)
from tests.hooks.accessors import HOOKS, TYPES, all_reprs, names_of, token, walk
from tests.hooks.payload_examples import FULL, MINIMAL, PERSONAL, SECRETS, USER, Json
from tests.hooks.payload_variants import VARIANTS

CLASSES: dict[str, type[Hook]] = {kind.EVENT_TYPE: kind for kind in HOOKS}
PAYLOADS: dict[str, Json] = (
    {f"minimal {name}": payload for name, payload in MINIMAL.items()}
    | {f"full {name}": payload for name, payload in FULL.items()}
    | {name: each.payload for name, each in VARIANTS.items()}
)
every_payload = pytest.mark.parametrize("payload", PAYLOADS.values(), ids=PAYLOADS)


def values(hook: Hook) -> dict[str, Any]:
    """Return the values of the accessors that read something."""
    return {path: value for path, value in walk(hook) if not isinstance(value, Part)}


def names_of_parts() -> set[str]:
    """Return the names of the accessors that return a view."""
    return {
        name for types in TYPES.values() for name, kind in types.items() if kind in views.__all__
    }


@every_payload
def test_a_payload_is_read_without_loss(payload: Json) -> None:
    """The class follows from eventType, and raw equals what was sent, whatever its form."""
    text = json.dumps(payload)
    kind = CLASSES.get(payload["eventType"], UnknownHook)
    for body in (text, text.encode(), bytearray(text.encode()), payload, MappingProxyType(payload)):
        hook = parse_hook(body)
        assert type(hook) is kind
        assert dict(hook.raw) == payload
        assert json.loads(json.dumps(dict(hook.raw))) == payload
        assert hook.data == payload["data"]
        assert hook.context == payload["data"]["context"]
        list(walk(hook))
    assert parse_hook(payload).raw is payload


@pytest.mark.parametrize("name", VARIANTS)
def test_a_variant_is_read(name: str) -> None:
    """The accessors read every known deviation of Okta's payloads."""
    payload, expected = VARIANTS[name]
    hook = parse_hook(json.dumps(payload))
    assert expected
    read = {path: reduce(getattr, path.split("."), hook) for path in expected}
    assert read == expected


@every_payload
def test_a_repr_displays_no_secret_and_no_personal_data(payload: Json) -> None:
    """The representations of a hook and of its views contain ids of the call at most."""
    hook = parse_hook(payload)
    shown = all_reprs(hook)
    assert not [each for each in (*SECRETS, *PERSONAL) if each in shown]
    assert f"<{type(hook).__name__} event_id={hook.event_id} event_type=" in shown


def test_a_full_token_payload() -> None:
    """Every accessor of a token hook reads its member."""
    hook = token()
    assert hook.event_id == "Zk3rQ0vWTtq1n5cXbYd8Lw"
    assert hook.event_time == datetime(2026, 11, 20, 8, 15, tzinfo=UTC)
    assert (hook.event_type_version, hook.cloud_event_version) == ("1.0", "0.1")
    assert (hook.content_type, hook.request_type) == ("application/json", None)
    assert hook.request.url == hook.source
    assert (hook.request.id, hook.request.method) == ("reqF6", "GET")
    assert hook.request.ip_address == "192.0.2.7"
    session, user = hook.session, hook.user
    assert (session.id, session.user_id, session.status) == ("102session", "00u1", "ACTIVE")
    assert session.login == user.login == "mia@acme.example"
    assert session.created_at == datetime(2026, 11, 20, 8, tzinfo=UTC)
    assert session.expires_at == datetime(2026, 11, 20, 10, tzinfo=UTC)
    assert session.last_password_verification == datetime(2026, 11, 20, 8, 0, 1, tzinfo=UTC)
    assert (session.amr, session.mfa_active) == (("PASSWORD",), False)
    assert (session.idp.id, session.idp.type) == ("00o1", "SOCIAL")
    assert user.profile == USER["profile"]
    assert (user.id, user.first_name, user.last_name) == ("00u1", "Mia", "Sommer")
    assert (user.locale, user.time_zone) == ("en_US", "America/Los_Angeles")
    assert user.password_changed == datetime(2026, 10, 1, 8, 15, 30, tzinfo=UTC)
    assert user.groups_url == "https://acme.example/api/v1/users/00u1/groups"
    assert user.factors_url == "/api/v1/users/00u1/factors"


def test_the_tokens_of_a_token_payload() -> None:
    """Claims, lifetimes, scopes and the parameters of the request are read."""
    hook = token()
    assert hook.access.claims["uid"] == "00u1"
    assert (hook.access.lifetime, hook.identity.lifetime) == (3600, 7200)
    assert hook.identity.claims["height"] == 1.8
    assert list(hook.access.scopes) == ["openid"]
    scope = hook.access.scopes["openid"]
    assert (scope.id, scope.action) == ("scp1", "GRANT")
    assert (hook.client_id, hook.grant_type, hook.is_refresh) == ("0oa1", "implicit", False)
    assert (hook.client.id, hook.client.name, hook.client.type) == ("0oa1", "Shop", "PUBLIC")
    assert (hook.policy_id, hook.rule_id) == ("00p1", "0pr1")
    assert hook.refresh_token_id == "oar1"
    assert hook.issuer == "https://id.acme.example/oauth2/aus1"
    assert hook.protocol_type == "OAUTH2.0"
    asked = hook.protocol_request
    assert asked.redirect_uri == "https://shop.acme.example/callback"
    assert (asked.client_id, asked.response_mode) == ("0oa1", "fragment")
    assert (asked.state, asked.scopes) == ("state-secret", ("openid", "profile"))
    assert not hook.original_grant


def test_a_full_saml_payload() -> None:
    """Every accessor of a SAML hook reads its member."""
    hook = parse_hook(FULL["saml"])
    assert isinstance(hook, SamlHook)
    assert (hook.protocol_type, hook.issuer) == ("SAML2.0", "http://www.okta.com/exk1")
    assert (hook.issuer_id, hook.issuer_name) == ("0oa2", "Wiki")
    assert (hook.user.id, hook.session.id) == ("00u1", "102session")
    assertion = hook.assertion
    subject = assertion.subject
    assert subject.name_id == "mia@acme.example"
    assert subject.name_format == "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified"
    assert subject.confirmation_method == "urn:oasis:names:tc:SAML:2.0:cm:bearer"
    assert subject.recipient == "https://wiki.acme.example/acs"
    assert (assertion.audience, assertion.lifetime) == (("urn:wiki",), 300)
    assert assertion.session_index == "id1session"
    password = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"
    assert assertion.authn_context_class_ref == password
    assert list(assertion.claims) == list(assertion.attributes) == ["https://acme.example/team"]
    team = assertion.attributes["https://acme.example/team"]
    assert team.name_format == "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"
    assert team.values == ("ops", "4321")
    assert [each.xsi_type for each in team.attribute_values] == ["xs:string", "xs:integer"]


def test_registration_import_password_and_telephony_payloads() -> None:
    """Every accessor of the other hooks reads its member."""
    hook = parse_hook(FULL["progressive"])
    assert isinstance(hook, RegistrationHook)
    assert (hook.is_progressive, hook.action, hook.user.id) == (True, "ALLOW", "00u1")
    for data, expected in (
        ({"userProfileUpdate": {}}, True),
        ({"UserProfileUpdate": {"a": 1}}, True),
        ({"userProfileUpdate": None}, False),
        ({"userProfile": {}}, False),
        (None, False),
    ):
        assert RegistrationHook({"data": data}).is_progressive is expected
    assert (hook.user_profile, hook.user_profile_update) == ({}, {"employeeNumber": "1234"})
    found = parse_hook(FULL["import"])
    assert isinstance(found, ImportHook)
    assert (found.conflicts, found.policy) == (("login",), ("EMAIL", "FIRST_AND_LAST_NAME"))
    assert found.matches == ("00u7", {"id": "00u8"})
    app = found.application
    assert (app.name, app.id, app.label, app.status) == ("hr", "0oa3", "HR", "ACTIVE")
    assert (found.job.id, found.job.type) == ("ij3", "import:users")
    assert (found.default_action, found.user_id) == ("LINK_USER", "00u7")
    assert found.app_user_profile["groups"] == ["a"]
    assert found.user_profile == {"login": "mia@acme.example", "city": None}
    assert not found.request
    credential = parse_hook(MINIMAL["password"])
    assert isinstance(credential, PasswordImportHook)
    assert (credential.username, credential.password) == ("mia@acme.example", "invented-1")
    assert credential.default_action == "UNVERIFIED"
    message = parse_hook(FULL["telephony"])
    assert isinstance(message, TelephonyHook)
    assert (message.phone_number, message.code) == ("+15555550100", "012345")
    assert message.message_template == "Your code is 012345"
    assert message.expires_at == datetime(2026, 11, 20, 8, 20, tzinfo=UTC)
    assert (message.channel, message.is_voice, message.locale) == ("SMS", False, "en")
    user = message.user
    assert (user.id, user.login) == ("00u1", "mia@acme.example")
    assert (user.first_name, user.last_name) == ("Mia", "Sommer")


def test_every_accessor_is_documented_and_tested() -> None:
    """The table of the tests has every accessor, and a payload exists that each one reads."""
    classes = [*HOOKS, *(getattr(views, name) for name in views.__all__)]
    assert {kind.__name__: names_of(kind) for kind in classes} == {
        name: set(types) for name, types in TYPES.items()
    }
    assert isinstance(TokenHook.event_id, Field)
    read = {
        path.rpartition(".")[2]
        for payload in PAYLOADS.values()
        for path, value in values(parse_hook(payload)).items()
        if value not in (None, (), {})
    }
    assert set().union(*TYPES.values()) - read <= names_of_parts()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"secret-body",
        b"[]",
        b"null",
        b'"secret-body"',
        b'{"secret-body": ',
        b'{"a": NaN}',
        b'{"a": -Infinity}',
        b'{"a": "secret-body\xff"}',
        '{"a": "secret-body"}'.encode("utf-16"),
        b'{"secret-body": ' + b"[" * 100_000,
        b'{"secret-body": ' + b"9" * 5000 + b"}",
        "secret-body",
        None,
        7,
        ["secret-body"],
        object(),
        memoryview(b"{}"),
    ],
)
def test_a_body_that_is_not_a_json_object_is_refused(body: Any) -> None:
    """The error names what to do, and neither it nor its context contains the body."""
    with pytest.raises(InvalidPayloadError) as caught:
        parse_hook(body)
    error: HookKeyError = caught.value
    assert (error.reason, error.status_code) == ("invalid_payload", 400)
    assert str(error)[str(error).index(": ") :].startswith((": send a JSON object", ": pass the"))
    assert error.__context__ is None
    assert error.__cause__ is None
    assert "secret-body" not in repr(error) + "".join(traceback.format_exception_only(error))


@pytest.mark.parametrize(
    ("event_type", "shown"),
    [
        (None, "None"),
        (1, "1"),
        ([], "None"),
        ({}, "None"),
        ("", "?"),
        ("com.okta.event_hook", "com.okta.event_hook"),
        ("x" * 500, "?"),
        ("a\n", "?"),
        ("caf\u00e9", "?"),
    ],
)
def test_an_unknown_hook(event_type: Any, shown: str) -> None:
    """Any other eventType makes an UnknownHook, and a repr displays only what looks like an id."""
    hook = parse_hook({"eventType": event_type, "eventId": "mia@acme.example"})
    assert type(hook) is UnknownHook
    assert repr(hook) == f"<UnknownHook event_id=? event_type={shown}>"


def test_hooks_and_views_have_no_other_attributes() -> None:
    """A hook is slotted, and its accessors cannot be assigned."""
    hook = token()
    views_of_it: list[Any] = [hook, hook.user]
    for view in views_of_it:
        with pytest.raises(AttributeError):
            view.other = 1
        with pytest.raises(AttributeError):
            view.request = view.id = 1
        assert not hasattr(view, "__dict__")
    assert repr(hook.user) == "<User>"
    assert repr(token(data__context__user=None).user) == "<User: absent>"
    assert pickle.loads(pickle.dumps(hook)).raw == hook.raw


def test_the_public_names() -> None:
    """Every class and function that the module names exists and has a docstring."""
    assert all(getattr(payloads, name).__doc__ for name in payloads.__all__)
    assert all(getattr(views, name).__doc__ for name in views.__all__)
