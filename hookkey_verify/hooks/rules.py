"""The documented rules for replies to inline hooks, as data. Pure.

Okta documents them in several places, which ``SOURCES`` names rule by rule. What Okta does not
document is not an error here: ``check_reply`` warns about it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = [
    "ACCESS_PATCH",
    "ACTION_UPDATE",
    "ACTION_VALUES",
    "APP_USER_PROFILE",
    "ASSERTION_PATCH",
    "CAUSE_MEMBERS",
    "COMMANDS",
    "CONSEQUENCES_OF_AN_EMPTY_ERROR",
    "EVENT_TYPES",
    "IDENTITY_PATCH",
    "IMPORT",
    "LIFETIME_PATH",
    "MAX_LIFETIME",
    "MAX_REPLY_BYTES",
    "MIN_LIFETIME",
    "MISSPELLED_ACTION_UPDATE",
    "NAME_FORMATS",
    "PASSWORD_IMPORT",
    "PATCHED_MEMBER",
    "PROGRESSIVE_PROFILE",
    "REGISTRATION",
    "RESERVED_ACCESS_CLAIMS",
    "RESERVED_ID_CLAIMS",
    "SAML",
    "SAML_PARTS",
    "SOMETIMES_RESERVED_ACCESS_CLAIMS",
    "SOURCES",
    "TELEPHONY",
    "TELEPHONY_ACTION",
    "TELEPHONY_STATUSES",
    "TELEPHONY_TEXTS",
    "TOKEN",
    "USER_PROFILE",
    "USER_UPDATE",
]

TOKEN: Final = "com.okta.oauth2.tokens.transform"  # noqa: S105 - an event type
SAML: Final = "com.okta.saml.tokens.transform"
REGISTRATION: Final = "com.okta.user.pre-registration"
IMPORT: Final = "com.okta.import.transform"
PASSWORD_IMPORT: Final = "com.okta.user.credential.password.import"  # noqa: S105
TELEPHONY: Final = "com.okta.telephony.provider"

EVENT_TYPES: Final = (TOKEN, SAML, REGISTRATION, IMPORT, PASSWORD_IMPORT, TELEPHONY)
"""Okta's names of the six types of inline hook."""

IDENTITY_PATCH: Final = "com.okta.identity.patch"
ACCESS_PATCH: Final = "com.okta.access.patch"
ASSERTION_PATCH: Final = "com.okta.assertion.patch"
ACTION_UPDATE: Final = "com.okta.action.update"
USER_UPDATE: Final = "com.okta.user.update"
USER_PROFILE: Final = "com.okta.user.profile.update"
PROGRESSIVE_PROFILE: Final = "com.okta.user.progressive.profile.update"
APP_USER_PROFILE: Final = "com.okta.appUser.profile.update"
TELEPHONY_ACTION: Final = "com.okta.telephony.action"

MISSPELLED_ACTION_UPDATE: Final = "com.action.update"
"""The spelling in three of Okta's examples. Whether Okta accepts it is not documented."""

COMMANDS: Final[Mapping[str, tuple[str, ...]]] = {
    TOKEN: (IDENTITY_PATCH, ACCESS_PATCH),
    SAML: (ASSERTION_PATCH,),
    REGISTRATION: (ACTION_UPDATE, USER_PROFILE, PROGRESSIVE_PROFILE),
    IMPORT: (ACTION_UPDATE, USER_UPDATE, APP_USER_PROFILE, USER_PROFILE),
    PASSWORD_IMPORT: (ACTION_UPDATE,),
    TELEPHONY: (TELEPHONY_ACTION,),
}
"""The commands of each type of hook."""

PATCHED_MEMBER: Final[Mapping[str, str]] = {
    IDENTITY_PATCH: "identity",
    ACCESS_PATCH: "access",
    ASSERTION_PATCH: "assertion",
}
"""The member of the request's ``data`` that a command patches."""

ACTION_VALUES: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    REGISTRATION: ("registration", ("ALLOW", "DENY")),
    IMPORT: ("result", ("CREATE_USER", "LINK_USER")),
    PASSWORD_IMPORT: ("credential", ("VERIFIED", "UNVERIFIED")),
}
"""The member of ``com.okta.action.update`` and its values, by type of hook."""

TELEPHONY_STATUSES: Final = ("SUCCESSFUL", "PENDING", "FAILED")
TELEPHONY_TEXTS: Final = ("provider", "transactionId", "transactionMetadata")

MAX_REPLY_BYTES: Final = 256 * 1024 - 1
"""A reply must be smaller than 256 KB."""

MIN_LIFETIME: Final = 300
MAX_LIFETIME: Final = 86_400
LIFETIME_PATH: Final = ("token", "lifetime", "expiration")

SAML_PARTS: Final = ("claims", "subject", "authentication", "conditions")
"""The parts of an assertion that can be patched."""

NAME_FORMATS: Final[Mapping[str, str]] = {
    name: f"urn:oasis:names:tc:SAML:2.0:attrname-format:{name}"
    for name in ("unspecified", "basic", "uri")
}

CAUSE_MEMBERS: Final = ("errorSummary", "reason", "locationType", "location", "domain")

RESERVED_ACCESS_CLAIMS: Final = frozenset(
    ("acr", "auth_time", "cid", "exp", "iat", "iss", "jti", "scp", "uid", "ver")
)
"""The claims of an access token that both of Okta's lists reserve."""

_RESERVED_IN_BOTH = "acr auth_time cid cnf exp groups iat iss jti sid token_type ver"  # 12 names
SOMETIMES_RESERVED_ACCESS_CLAIMS: Final = (
    frozenset(_RESERVED_IN_BOTH.split())
    | frozenset(("as_uri", "authorization_details", "rpt", "rsi", "scp", "uid", "username"))
) - RESERVED_ACCESS_CLAIMS
"""The claims of an access token that only one of Okta's two lists reserves."""

RESERVED_ID_CLAIMS: Final = frozenset(
    (
        f"{_RESERVED_IN_BOTH} "
        "active aid amr app_id app_type at_hash aud c_hash client_id client_ip client_req_id "
        "client_type client_user_agent device_compliance device_id device_known device_managed "
        "device_name device_trust did dst group hotk idp idp_iss mac_key may_act nonce oid "
        "okta_emailVerified okta_lastUpdated orig permissions purpose pwd_exp_days pwd_exp_time "
        "rid role scope scopes sub term user_ip"
    ).split()
)
"""The claims of an ID token that cannot be changed."""

CONSEQUENCES_OF_AN_EMPTY_ERROR: Final[Mapping[str, str]] = {
    TOKEN: "Okta may issue no token",
    SAML: "Okta may refuse the request",
    REGISTRATION: "Okta denies the registration",
    IMPORT: "Okta may log a failure",
    TELEPHONY: "Okta may send the message with its own provider",
}
"""What ``error: {}`` leads to. It is documented for registration only."""

_DOCS = "https://developer.okta.com/docs"
_API = f"{_DOCS}/api/openapi/okta-management/management/tag/InlineHook/"
_CONCEPTS = f"{_DOCS}/concepts/inline-hooks/"
_TOKEN = f"{_API}#tag/InlineHook/operation/createTokenInlineHook"
_SAML = f"{_API}#tag/InlineHook/operation/createSAMLAssertionInlineHook"
_REGISTRATION = f"{_API}#tag/InlineHook/operation/create-registration-hook"
_IMPORT = f"{_API}#tag/InlineHook/operation/createUserImportInlineHook"
_PASSWORD = f"{_API}#tag/InlineHook/operation/createPasswordImportInlineHook"
_TELEPHONY = f"{_API}#tag/InlineHook/operation/createTelephonyInlineHook"
_CATALOGUE = f"{_DOCS}/reference/api/event-types/"
_RESERVED = f"{_DOCS}/reference/token-hook/"
_POINTER = "https://www.rfc-editor.org/rfc/rfc6901"
_JSON = "https://www.rfc-editor.org/rfc/rfc8259"

SOURCES: Final[Mapping[str, str]] = {
    # the envelope
    "not_json": _JSON,
    "not_an_object": _CONCEPTS,
    "size": _CONCEPTS,
    "no_content": _TELEPHONY,
    "unknown_member": _CONCEPTS,
    "commands": _CONCEPTS,
    "command": _CONCEPTS,
    "unknown_command": _CONCEPTS,
    "misspelled_command": _REGISTRATION,
    "reply_type": _CONCEPTS,
    "debug_context": _CONCEPTS,
    # error
    "error": _CONCEPTS,
    "error_summary": _CONCEPTS,
    "error_causes": _CONCEPTS,
    "error_cause": _CONCEPTS,
    "empty_error": _REGISTRATION,
    "error_and_commands": _REGISTRATION,
    "undocumented_error": _PASSWORD,
    "cause_location": _REGISTRATION,
    # patches of tokens and assertions
    "operations": _CONCEPTS,
    "operation": _CONCEPTS,
    "unknown_op": _TOKEN,
    "saml_remove": _SAML,
    "path": _POINTER,
    "token_path": _TOKEN,
    "saml_path": _SAML,
    "undocumented_path": _CONCEPTS,
    "empty_name": _POINTER,
    "missing_value": _CATALOGUE,
    "null_value": _CATALOGUE,
    "undocumented_value_type": _TOKEN,
    "remove_with_value": _TOKEN,
    "reserved_claim": _RESERVED,
    "possibly_reserved_claim": f"{_DOCS}/reference/api/oidc/#reserved-claims",
    "lifetime": _TOKEN,
    "lifetime_op": _TOKEN,
    "no_id_token": _CATALOGUE,
    "no_access_token": _TOKEN,
    "missing_target": _CATALOGUE,
    "missing_parent": _TOKEN,
    "array_index": _POINTER,
    "saml_claim": _SAML,
    "saml_value": _SAML,
    "nested_attributes": _SAML,
    "session_lifetime": _SAML,
    # actions and profiles
    "action_value": _CONCEPTS,
    "conflicting_actions": _CONCEPTS,
    "profile": _CONCEPTS,
    "password_attribute": _REGISTRATION,
    "profile_in_progressive_profile": _REGISTRATION,
    "progressive_profile_in_self_service": _REGISTRATION,
    "profile_value_type": _IMPORT,
    "user_id": _IMPORT,
    "link_without_user": _IMPORT,
    "user_without_link": _IMPORT,
    "user_before_action": "https://devforum.okta.com/t/34643",
    "telephony_value": _TELEPHONY,
    "telephony_status": _TELEPHONY,
    "telephony_text": _TELEPHONY,
    "telephony_action": _TELEPHONY,
}
"""The page that each rule comes from."""
