"""The emulator's events: each variant has the members that Okta sends for it."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hookkey_verify import ConfigurationError
from hookkey_verify.emulator.payloads import VARIANTS, payload
from hookkey_verify.hooks import (
    ImportHook,
    PasswordImportHook,
    RegistrationHook,
    SamlHook,
    TelephonyHook,
    TokenHook,
    UnknownHook,
    parse_hook,
)
from hookkey_verify.hooks.rules import EVENT_TYPES

NOW = 1_795_000_000.0
CLASSES = (
    TokenHook,
    SamlHook,
    RegistrationHook,
    ImportHook,
    PasswordImportHook,
    TelephonyHook,
)
ALL = [(kind, name) for kind in EVENT_TYPES for name in VARIANTS[kind]]


def event(kind: type[Any], variant: str | None = None) -> Any:
    """Return the view of an event."""
    return parse_hook(payload(kind.EVENT_TYPE, hook_id="cal1", now=NOW, variant=variant))


def test_every_type_has_variants() -> None:
    """The table has every type of hook, and the variants that the command line documents."""
    assert tuple(VARIANTS) == EVENT_TYPES
    assert {"refresh", "client-credentials"} <= set(VARIANTS[TokenHook.EVENT_TYPE])
    assert "progressive" in VARIANTS[RegistrationHook.EVENT_TYPE]
    assert "voice" in VARIANTS[TelephonyHook.EVENT_TYPE]


@pytest.mark.parametrize(("kind", "variant"), ALL)
def test_every_variant_is_read(kind: str, variant: str) -> None:
    """``parse_hook`` reads each variant from bytes, with its class and every common member."""
    document = payload(kind, hook_id="cal1", now=NOW, variant=variant)
    hook = parse_hook(json.dumps(document).encode())
    assert type(hook) is CLASSES[EVENT_TYPES.index(kind)]
    assert not isinstance(hook, UnknownHook)
    assert hook.raw == document
    assert hook.event_time is not None
    assert hook.event_time.timestamp() == NOW
    assert len(hook.event_id or "") == 22
    assert "{" not in (hook.source or "{")
    assert (hook.event_type_version, hook.cloud_event_version) == ("1.0", "0.1")


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_the_first_variant_is_the_default(kind: str) -> None:
    """Without a variant, the first one is created, and each event has an id of its own."""
    default, first = (
        payload(kind, hook_id="cal1", now=NOW, variant=name) for name in (None, VARIANTS[kind][0])
    )
    assert default.pop("eventId") != first.pop("eventId")
    assert default == first


def test_events_share_nothing() -> None:
    """A change of one event does not change the next one."""
    first = payload(TokenHook.EVENT_TYPE, hook_id="cal1", now=NOW)
    first["data"]["access"]["claims"].clear()
    assert event(TokenHook).access.claims


def test_token_variants() -> None:
    """Token events differ in endpoint, grant, tokens and user."""
    code, implicit = event(TokenHook), event(TokenHook, "implicit")
    assert (code.request.method, code.source) == (
        "GET",
        "https://acme.okta.com/oauth2/aus1hooks/v1/authorize",
    )
    assert (code.protocol_request.response_types, code.is_refresh) == (("code",), False)
    assert code.refresh_token_id
    assert implicit.protocol_request.response_types == ("token", "id_token")
    assert implicit.refresh_token_id is None
    refresh = event(TokenHook, "refresh")
    assert (refresh.request.method, refresh.source.rpartition("/")[2]) == ("POST", "token")
    assert set(refresh.protocol_request.raw) == {"redirect_uri", "grant_type", "client_id"}
    assert refresh.is_refresh
    assert refresh.original_grant.authorization.grant_type == "authorization_code"
    assert refresh.original_grant.refresh_token_id == refresh.refresh_token_id
    machine = event(TokenHook, "client-credentials")
    assert machine.grant_type == "client_credentials"
    assert not machine.user
    assert not machine.session
    assert not machine.identity
    assert machine.refresh_token_id is None
    assert "uid" not in machine.access.claims
    for variant, has, lacks in (
        ("id-token-only", "identity", "access"),
        ("access-token-only", "access", "identity"),
    ):
        hook = event(TokenHook, variant)
        assert getattr(hook, has)
        assert not getattr(hook, lacks)
        assert hook.user


def test_saml_variants() -> None:
    """A SAML event may lack the session, but always has the user and the assertion."""
    assert event(SamlHook).session
    assert not event(SamlHook, "no-session").session
    assert event(SamlHook, "no-session").user.id
    assert event(SamlHook).source == event(SamlHook).request.url


def test_registration_variants() -> None:
    """Progressive profile has a user and a delta, and Classic Engine sends no requestType."""
    assert event(RegistrationHook).request_type == "self.service.registration"
    assert event(RegistrationHook).user_profile["email"] == "isaac.brock@example.com"
    progressive = event(RegistrationHook, "progressive")
    assert progressive.is_progressive
    assert progressive.user.id
    assert not progressive.user_profile
    assert progressive.user_profile_update
    assert event(RegistrationHook, "classic").request_type is None


def test_import_variants() -> None:
    """Only an event for a matched user has the id of the user, and none has a request."""
    create, match = event(ImportHook), event(ImportHook, "match")
    assert (create.default_action, create.user_id) == ("CREATE_USER", None)
    assert (match.default_action, match.user_id) == ("LINK_USER", "00uq8tMo3zV0OfJON0g3")
    assert create.source == "cal1"
    assert not create.request


def test_password_variants() -> None:
    """Both sign-in endpoints send the same credential, and the source contains the hook's id."""
    for variant, path in (
        ("identity-engine", "/idp/idx/challenge/answer"),
        ("authn-api", "/api/v1/authn"),
    ):
        hook = event(PasswordImportHook, variant)
        assert (hook.request.url, hook.default_action) == (path, "UNVERIFIED")
        assert hook.source == "https://acme.okta.com/api/v1/inlineHooks/cal1"


def test_telephony_variants() -> None:
    """Telephony events differ in channel and requestType; the code expires after the event."""
    sms, voice = event(TelephonyHook), event(TelephonyHook, "voice")
    assert (sms.is_voice, voice.is_voice, voice.channel) == (False, True, "Voice")
    assert sms.code == "011111"
    assert sms.code in sms.message_template
    assert sms.expires_at.timestamp() == NOW + 300
    for purpose in ("pre-enrollment", "mfa-verification", "account-unlock", "password-reset"):
        hook = event(TelephonyHook, purpose)
        assert hook.request_type == f"com.okta.user.telephony.{purpose}"


@pytest.mark.parametrize("kind", ["com.okta.nothing", "", None, ["x"], "token"])
def test_unknown_types(kind: Any) -> None:
    """An unknown type is refused with the list of types."""
    with pytest.raises(ConfigurationError, match=r"com\.okta\.saml\.tokens\.transform"):
        payload(kind, hook_id="cal1", now=NOW)


@pytest.mark.parametrize("variant", ["voice", "", 5])
def test_unknown_variants(variant: Any) -> None:
    """An unknown variant is refused with the list of variants of the type."""
    with pytest.raises(ConfigurationError, match="with-session, no-session"):
        payload(SamlHook.EVENT_TYPE, hook_id="cal1", now=NOW, variant=variant)
