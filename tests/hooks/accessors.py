"""The documented type of every accessor, and a walk through all accessors of a hook."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from hookkey_verify.hooks import payloads, views
from hookkey_verify.hooks.fields import View
from tests.hooks.payload_examples import FULL, changed

HOOKS: Final = (
    payloads.TokenHook,
    payloads.SamlHook,
    payloads.RegistrationHook,
    payloads.ImportHook,
    payloads.PasswordImportHook,
    payloads.TelephonyHook,
    payloads.UnknownHook,
)


def _types(**names: str) -> dict[str, str]:
    return {name: kind for kind, all_names in names.items() for name in all_names.split()}


_HOOK = _types(
    str="event_type event_type_version cloud_event_version content_type event_id source "
    "request_type",
    datetime="event_time",
    Mapping="data context",
    Request="request",
)
TYPES: Final[dict[str, dict[str, str]]] = {
    "UnknownHook": _HOOK,
    "TokenHook": _HOOK
    | _types(
        User="user",
        Session="session",
        Token="access identity",
        OAuthRequest="protocol_request",
        OriginalGrant="original_grant",
        Client="client",
        bool="is_refresh",
        str="refresh_token_id protocol_type issuer client_id grant_type policy_id rule_id",
    ),
    "SamlHook": _HOOK
    | _types(
        User="user",
        Session="session",
        Assertion="assertion",
        str="protocol_type issuer issuer_id issuer_name",
    ),
    "RegistrationHook": _HOOK
    | _types(
        User="user", Mapping="user_profile user_profile_update", str="action", bool="is_progressive"
    ),
    "ImportHook": _HOOK
    | _types(
        tuple="conflicts policy matches",
        Application="application",
        ImportJob="job",
        Mapping="app_user_profile user_profile",
        str="default_action user_id",
    ),
    "PasswordImportHook": _HOOK | _types(str="username password default_action"),
    "TelephonyHook": _HOOK
    | _types(
        TelephonyUser="user",
        str="phone_number code message_template channel locale",
        datetime="expires_at",
        bool="is_voice",
    ),
    "Request": _types(str="id method ip_address url"),
    "IdentityProvider": _types(str="id type"),
    "Session": _types(
        str="id user_id login status",
        datetime="created_at expires_at last_password_verification",
        tuple="amr",
        IdentityProvider="idp",
        bool="mfa_active",
    ),
    "User": _types(
        str="id login first_name last_name locale time_zone groups_url factors_url",
        datetime="password_changed",
        Mapping="profile",
    ),
    "OAuthRequest": _types(
        str="client_id redirect_uri response_mode response_type scope state grant_type",
        tuple="scopes response_types",
    ),
    "OriginalGrant": _types(OAuthRequest="authorization", str="refresh_token_id"),
    "Client": _types(str="id name type"),
    "Scope": _types(str="id action"),
    "Token": _types(Mapping="claims", int="lifetime", dict="scopes"),
    "Subject": _types(str="name_id name_format confirmation_method recipient"),
    "AttributeValue": _types(str="value xsi_type"),
    "SamlAttribute": _types(str="name_format", tuple="attribute_values values"),
    "Assertion": _types(
        Subject="subject",
        Mapping="claims",
        dict="attributes",
        tuple="audience",
        int="lifetime",
        str="session_index authn_context_class_ref",
    ),
    "Application": _types(str="name id label status"),
    "ImportJob": _types(str="id type"),
    "TelephonyUser": _types(str="id login first_name last_name"),
}
_CLASSES: Final[dict[str, type]] = {
    "str": str,
    "int": int,
    "bool": bool,
    "datetime": datetime,
    "tuple": tuple,
    "dict": dict,
    "Mapping": Mapping,
} | {name: getattr(views, name) for name in views.__all__}
NEVER_NONE: Final = {"tuple", "dict", "Mapping", *views.__all__}
OF_STRINGS: Final = {
    "amr",
    "audience",
    "conflicts",
    "policy",
    "response_types",
    "scopes",
    "values",
}
"""The tuples that contain only strings."""


def names_of(kind: type) -> set[str]:
    """Return the names of a class's accessors."""
    return {n for n in dir(kind) if not n.startswith("_") and n not in ("raw", "EVENT_TYPE")}


def walk(view: View, path: str = "") -> Iterator[tuple[str, Any]]:
    """Call every accessor of a view and of the views inside it; check the types."""
    for name, kind in TYPES[type(view).__name__].items():
        value: Any = getattr(view, name)
        here = f"{path}{name}"
        if value is None:
            assert kind not in NEVER_NONE, here
        else:
            assert issubclass(type(value), _CLASSES[kind]), (here, type(value))
            assert kind != "int" or type(value) is int, here
            assert kind != "datetime" or value.tzinfo is not None, here
            if kind == "tuple" and name in OF_STRINGS:
                assert all(isinstance(each, str) for each in value), here
        yield here, value
        yield from _inside(value, here)


def _inside(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, View):
        yield from walk(value, f"{path}.")
    elif isinstance(value, dict):
        for name, each in value.items():
            if isinstance(each, View):
                yield from walk(each, f"{path}[{name}].")
    elif isinstance(value, tuple):
        for index, each in enumerate(value):
            if isinstance(each, View):
                yield from walk(each, f"{path}[{index}].")


def all_reprs(hook: View) -> str:
    """Return the representations of a hook and of every view inside it."""
    found = [repr(hook), str(hook), f"{hook}"]
    found += [repr(value) for _, value in walk(hook) if isinstance(value, View)]
    return "\n".join(found)


def token(**changes: Any) -> payloads.TokenHook:
    """Return a token hook; double underscores in names mean dots."""
    hook = payloads.parse_hook(
        changed(FULL["token"], {k.replace("__", "."): v for k, v in changes.items()})
    )
    assert isinstance(hook, payloads.TokenHook)
    return hook
