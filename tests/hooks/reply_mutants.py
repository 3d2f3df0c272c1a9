"""Faulty replies as data: each breaks one rule at one path."""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from hookkey_verify.hooks.rules import (
    IMPORT,
    PASSWORD_IMPORT,
    REGISTRATION,
    SAML,
    TELEPHONY,
    TOKEN,
)

from .reply_parts import (
    ACCESS_ONLY,
    ID_ONLY,
    PROGRESSIVE,
    REQUESTS,
    SELF_SERVICE,
    add,
    commands,
    patch,
    statement,
)

LIFETIME = "/token/lifetime/expiration"
TYPE = "/commands/0/type"
VALUE = "/commands/0/value"
OP = "/commands/0/value/0/op"
PATH = "/commands/0/value/0/path"
PATCH_VALUE = "/commands/0/value/0/value"
LINK = ("action.update", {"result": "LINK_USER"})
CLAIM = {"NameFormat": "urn:x"}
DENY = commands(("action.update", {"registration": "DENY"}))["commands"]
ALLOW = commands(("action.update", {"registration": "ALLOW"}))["commands"]


SAYING_NOTHING: Final[list[dict[str, Any]]] = [
    {"errorSummary": ""},
    {"errorCauses": []},
    {"errorCauses": [{}, {"reason": ""}]},
]


class Mutant(NamedTuple):
    """A faulty reply and the one problem that it has."""

    event_type: str
    reply: object
    path: str
    rule: str
    severity: str = "error"
    request: dict[str, Any] | None = None


def _access(op: str, path: object, *value: object) -> dict[str, Any]:
    return patch("access", op, path, *value)


def _saml(op: str, path: object, *value: object) -> dict[str, Any]:
    return patch("assertion", op, path, *value)


def _action(value: object) -> dict[str, Any]:
    return commands(("action.update", value))


def _telephony(value: object) -> dict[str, Any]:
    return commands(("telephony.action", value))


def _claim(**members: object) -> dict[str, Any]:
    return {**statement("a"), **members}


ENVELOPE: Final = [
    Mutant(TOKEN, [], "", "not_an_object"),
    Mutant(TOKEN, b'"text"', "", "not_an_object"),
    Mutant(TOKEN, b"", "", "not_json"),
    Mutant(TOKEN, b"{'a': 1}", "", "not_json"),
    Mutant(TOKEN, b"\xff", "", "not_json"),
    Mutant(TOKEN, '{"commands": NaN}', "", "not_json"),
    Mutant(TOKEN, b"[" * 100_000, "", "not_json"),
    Mutant(TOKEN, {"debugContext": {"a": float("inf")}}, "/debugContext/a", "not_json"),
    Mutant(TOKEN, {"debugContext": {1: 1}}, "/debugContext", "not_json"),
    Mutant(TOKEN, {"debugContext": {"a": [{1}]}}, "/debugContext/a/0", "not_json"),
    Mutant(TOKEN, {"debugContext": {"a": 10**5000}}, "", "not_json"),
    Mutant(TOKEN, {"debugContext": {"a": "\ud800"}}, "", "not_json"),
    Mutant(TOKEN, {"debugContext": {"a": "x" * 262144}}, "", "size"),
    Mutant(TOKEN, {"Error": {}}, "/Error", "unknown_member", "warning"),
    Mutant(TOKEN, {"command": []}, "/command", "unknown_member", "warning"),
    Mutant(TOKEN, {"debugContext": "text"}, "/debugContext", "debug_context"),
    Mutant(TOKEN, {"commands": {}}, "/commands", "commands"),
    Mutant(TOKEN, {"commands": ["x"]}, "/commands/0", "command"),
    Mutant(TOKEN, {"commands": [{"value": []}]}, TYPE, "command"),
    Mutant("com.okta.other", {"commands": [{"type": 1}]}, TYPE, "command"),
    Mutant(TOKEN, {"commands": [{"type": "com.okta.access.patch", "value": [], "x": 1}]},
           "/commands/0/x", "unknown_member", "warning"),
    Mutant(TELEPHONY, None, "", "no_content"),
]  # fmt: skip

ERRORS: Final = [
    Mutant(TELEPHONY, {"error": [{}]}, "/error", "error"),
    Mutant(REGISTRATION, {"error": {}}, "/error", "empty_error", "warning"),
    Mutant(TOKEN, {"error": {"errorSummary": None}}, "/error", "empty_error", "warning"),
    Mutant("com.okta.other", {"error": {}}, "/error", "empty_error", "warning"),
    Mutant(PASSWORD_IMPORT, {"error": {"errorSummary": "x"}}, "/error", "undocumented_error",
           "warning"),
    *(Mutant(REGISTRATION, {"error": error}, "/error", "empty_error", "warning")
      for error in SAYING_NOTHING),
    Mutant(SAML, {"error": {"errorSummary": "x", "summary": "x"}}, "/error/summary",
           "unknown_member", "warning"),
    Mutant(SAML, {"error": {"errorSummary": 1}}, "/error/errorSummary", "error_summary"),
    Mutant(SAML, {"error": {"errorCauses": {}}}, "/error/errorCauses", "error_causes"),
    Mutant(SAML, {"error": {"errorCauses": ["x"]}}, "/error/errorCauses/0", "error_cause"),
    Mutant(SAML, {"error": {"errorCauses": [{"reason": 1}]}}, "/error/errorCauses/0/reason",
           "error_cause"),
    Mutant(SAML, {"error": {"errorCauses": [{"reason": "x", "x": 1}]}}, "/error/errorCauses/0/x",
           "unknown_member", "warning"),
    Mutant(REGISTRATION, {"error": {"errorCauses": [{"location": "data.userProfile.number"}]}},
           "/error/errorCauses/0/location", "cause_location", "warning", PROGRESSIVE),
    Mutant(REGISTRATION, {"commands": ALLOW, "error": {"errorSummary": "x"}}, "/commands",
           "error_and_commands", "warning"),
    Mutant(TOKEN, {**_access("add", "/claims/a", "b"), "error": {"errorSummary": "x"}},
           "/commands", "error_and_commands", "warning"),
]  # fmt: skip

TOKENS: Final = [
    Mutant(TOKEN, _saml("add", "/claims/a", "b"), TYPE, "unknown_command"),
    Mutant(TOKEN, commands(("access.patch", {"op": "add"})), VALUE, "operations"),
    Mutant(TOKEN, commands(("access.patch", ["add"])), f"{VALUE}/0", "operation"),
    Mutant(TOKEN, commands(("access.patch", [{**add("/claims/a", 1), "from": "/b"}])),
           f"{VALUE}/0/from", "unknown_member", "warning"),
    Mutant(TOKEN, _access("copy", "/claims/a", 1), OP, "unknown_op"),
    Mutant(TOKEN, _access("Add", "/claims/a", 1), OP, "unknown_op"),
    Mutant(TOKEN, _access("add", "claims/a", 1), PATH, "path"),
    Mutant(TOKEN, _access("add", "/claims/a~2", 1), PATH, "path"),
    Mutant(TOKEN, _access("add", "/claims/a~", 1), PATH, "path"),
    Mutant(TOKEN, _access("add", 1, 1), PATH, "path"),
    Mutant(TOKEN, _access("add", "/team", 1), PATH, "token_path"),
    Mutant(TOKEN, _access("add", "/claims", {}), PATH, "token_path"),
    Mutant(TOKEN, _access("add", "", {}), PATH, "token_path"),
    Mutant(TOKEN, _access("add", "/scopes/a", {}), PATH, "undocumented_path", "warning"),
    Mutant(TOKEN, _access("replace", "/token/lifetime", 900), PATH, "undocumented_path",
           "warning"),
    Mutant(TOKEN, _access("add", "/claims/", 1), PATH, "empty_name", "warning"),
    Mutant(TOKEN, _access("add", "/claims/a"), PATCH_VALUE, "missing_value"),
    Mutant(TOKEN, _access("replace", "/claims/a"), PATCH_VALUE, "missing_value"),
    Mutant(TOKEN, _access("add", "/claims/a", None), PATCH_VALUE, "null_value", "warning"),
    Mutant(TOKEN, _access("add", "/claims/a", True), PATCH_VALUE, "undocumented_value_type",
           "warning"),
    Mutant(TOKEN, _access("add", "/claims/a", 1.5), PATCH_VALUE, "undocumented_value_type",
           "warning"),
    Mutant(TOKEN, _access("remove", "/claims/a", "x"), PATCH_VALUE, "remove_with_value"),
    Mutant(TOKEN, _access("add", "/claims/iss", "x"), PATH, "reserved_claim"),
    Mutant(TOKEN, _access("add", "/claims/scp/0", "x"), PATH, "reserved_claim"),
    Mutant(TOKEN, patch("identity", "add", "/claims/sub", "x"), PATH, "reserved_claim"),
    Mutant(TOKEN, patch("identity", "add", "/claims/groups", "x"), PATH, "reserved_claim"),
    Mutant(TOKEN, _access("add", "/claims/groups", "x"), PATH, "possibly_reserved_claim",
           "warning"),
    Mutant(TOKEN, _access("replace", LIFETIME, 299), PATCH_VALUE, "lifetime"),
    Mutant(TOKEN, _access("replace", LIFETIME, 86401), PATCH_VALUE, "lifetime"),
    Mutant(TOKEN, _access("replace", LIFETIME, True), PATCH_VALUE, "lifetime"),
    Mutant(TOKEN, _access("replace", LIFETIME, "900"), PATCH_VALUE, "lifetime"),
    Mutant(TOKEN, _access("replace", LIFETIME, 900.0), PATCH_VALUE, "lifetime"),
    Mutant(TOKEN, _access("add", LIFETIME, 900), OP, "lifetime_op", "warning"),
    Mutant(TOKEN, patch("identity", "add", "/claims/a", 1), TYPE, "no_id_token", "error",
           ACCESS_ONLY),
    Mutant(TOKEN, _access("add", "/claims/a", 1), TYPE, "no_access_token", "error", ID_ONLY),
    Mutant(TOKEN, _access("replace", "/claims/x", 1), PATH, "missing_target", "error",
           ACCESS_ONLY),
    Mutant(TOKEN, _access("remove", "/claims/x"), PATH, "missing_target", "error", ACCESS_ONLY),
    Mutant(TOKEN, _access("add", "/claims/x/y", 1), PATH, "missing_parent", "error", ACCESS_ONLY),
    Mutant(TOKEN, _access("add", "/claims/team/y", 1), PATH, "missing_parent", "error",
           ACCESS_ONLY),
    Mutant(TOKEN, _access("add", "/claims/team/y/z", 1), PATH, "missing_parent", "error",
           ACCESS_ONLY),
    *(Mutant(TOKEN, patch("identity", op, f"/claims/tags/{index}", 1), PATH, "array_index",
             "error", ID_ONLY)
      for op, index in (("add", "3"), ("add", "01"), ("add", "x"), ("add", "²"),
                        ("replace", "2"), ("replace", "-"), ("add", "9" * 5000))),
    Mutant(TOKEN, patch("identity", "remove", "/claims/tags/2"), PATH, "array_index", "error",
           ID_ONLY),
]  # fmt: skip

ASSERTIONS: Final = [
    Mutant(SAML, _saml("remove", "/claims/team"), OP, "saml_remove"),
    Mutant(SAML, _saml("move", "/claims/team", 1), OP, "unknown_op"),
    Mutant(SAML, _saml("add", "/other/a", "x"), PATH, "saml_path"),
    Mutant(SAML, _saml("add", "/subject", {}), PATH, "saml_path"),
    Mutant(SAML, _saml("replace", "/lifetime/expiration", 1), PATH, "undocumented_path",
           "warning"),
    Mutant(SAML, _saml("add", "/claims/", statement("a")), PATH, "empty_name", "warning"),
    Mutant(SAML, _saml("add", "/claims/team", "ops"), PATCH_VALUE, "saml_claim"),
    Mutant(SAML, _saml("add", "/claims/team", {"attributes": {}}), PATCH_VALUE, "saml_claim"),
    Mutant(SAML, _saml("add", "/claims/a", _claim(attributes="x")), f"{PATCH_VALUE}/attributes",
           "saml_claim"),
    Mutant(SAML, _saml("add", "/claims/a", _claim(attributes={"NameFormat": 1})),
           f"{PATCH_VALUE}/attributes/NameFormat", "saml_claim"),
    Mutant(SAML, _saml("add", "/claims/a", _claim(attributeValues=["x"])),
           f"{PATCH_VALUE}/attributeValues/0", "saml_claim"),
    Mutant(SAML, _saml("add", "/claims/a", _claim(attributeValues=[{}])),
           f"{PATCH_VALUE}/attributeValues/0", "saml_claim"),
    Mutant(SAML, _saml("add", "/claims/a", _claim(attributeValues=[{"value": 1}])),
           f"{PATCH_VALUE}/attributeValues/0/value", "saml_value", "warning"),
    *(Mutant(SAML, _saml(op, f"/claims/team{path}", value), PATCH_VALUE + at, "saml_claim")
      for op, path, value, at in (
          ("add", "/attributeValues/-", "ops", ""),
          ("replace", "/attributeValues", "ops", ""),
          ("replace", "/attributeValues", [{"value": "ops"}, "ops"], "/1"),
          ("replace", "/attributeValues/0", {"attributes": {}}, ""),
          ("replace", "/attributeValues/0", {"attributes": 5, "value": "x"}, "/attributes"),
          ("replace", "/attributeValues/0/attributes", {"xsi:type": 5}, "/xsi:type"),
          ("replace", "/attributeValues/0/attributes/xsi:type", 5, ""),
          ("replace", "/attributes", "x", ""),
          ("replace", "/attributes", {"NameFormat": []}, "/NameFormat"),
          ("replace", "/attributes/NameFormat", 5, ""),
      )),
    *(Mutant(SAML, _saml("replace", path, value), PATCH_VALUE + at, "saml_value", "warning")
      for path, value, at in (
          ("/subject/nameId", 5, ""),
          ("/subject/nameFormat", {"a": 1}, ""),
          ("/subject/confirmation", "x", ""),
          ("/subject/confirmation/method", [], ""),
          ("/subject/confirmation/data", "x", ""),
          ("/subject/confirmation/data/recipient", True, ""),
          ("/authentication/sessionIndex", 5, ""),
          ("/authentication/authnContext", "x", ""),
          ("/authentication/authnContext/authnContextClassRef", 5, ""),
          ("/conditions/audienceRestriction", "x", ""),
          ("/conditions/audienceRestriction", ["x", 5], "/1"),
          ("/conditions/audienceRestriction/0", 5, ""),
      )),
    Mutant(SAML, _saml("replace", "/claims/a/attributeValues/0/value", 1), PATCH_VALUE,
           "saml_value", "warning"),
    Mutant(SAML, _saml("replace", "/claims/a/attributes", {"attributes": CLAIM}),
           f"{PATCH_VALUE}/attributes", "nested_attributes", "warning"),
    Mutant(SAML, _saml("add", "/authentication/sessionLifetime", "600"), PATCH_VALUE,
           "session_lifetime"),
    Mutant(SAML, _saml("add", "/authentication/sessionLifetime", 0), PATCH_VALUE,
           "session_lifetime", "warning"),
    Mutant(SAML, _saml("add", "/subject/nameId"), PATCH_VALUE, "missing_value"),
    Mutant(SAML, _saml("replace", "/subject/x", "y"), PATH, "missing_target", "warning",
           REQUESTS[SAML]),
]  # fmt: skip

ACTIONS: Final = [
    Mutant(REGISTRATION, {"commands": [{**ALLOW[0], "type": "com.action.update"}]}, TYPE,
           "misspelled_command", "warning"),
    Mutant(REGISTRATION, _action("ALLOW"), VALUE, "action_value"),
    Mutant(REGISTRATION, _action({}), f"{VALUE}/registration", "action_value"),
    Mutant(REGISTRATION, _action({"registration": "allow"}), f"{VALUE}/registration",
           "action_value"),
    Mutant(REGISTRATION, _action({"registration": "DENY", "action": "DENY"}), f"{VALUE}/action",
           "unknown_member", "warning"),
    Mutant(REGISTRATION, {"commands": ALLOW + DENY}, "/commands", "conflicting_actions",
           "warning"),
    Mutant(REGISTRATION, commands(("user.profile.update", [])), VALUE, "profile"),
    Mutant(REGISTRATION, commands(("user.profile.update", {"password": "x"})),
           f"{VALUE}/password", "password_attribute"),
    Mutant(REGISTRATION, commands(("user.profile.update", {"a": 1})), TYPE,
           "profile_in_progressive_profile", "error", PROGRESSIVE),
    Mutant(REGISTRATION, commands(("user.profile.update", {"a": 1})), TYPE,
           "profile_in_progressive_profile", "error", {"data": {"UserProfileUpdate": {}}}),
    Mutant(REGISTRATION, commands(("user.progressive.profile.update", {"a": 1})), TYPE,
           "progressive_profile_in_self_service", "warning", SELF_SERVICE),
    Mutant(REGISTRATION, commands(("user.progressive.profile.update'", {})), TYPE,
           "unknown_command"),
    Mutant(IMPORT, _action({"result": "LINK_USER"}), "/commands", "link_without_user"),
    Mutant(IMPORT, commands(("user.update", {"id": "00u"})), "/commands", "user_without_link",
           "warning"),
    Mutant(IMPORT, commands(("user.update", {"id": "0"}), LINK),
           "/commands", "user_before_action", "warning"),
    Mutant(IMPORT, commands(LINK, ("user.update", {"id": ""})),
           "/commands/1/value/id", "user_id"),
    Mutant(IMPORT, commands(LINK, ("user.update", "00u")),
           "/commands/1/value", "user_id"),
    Mutant(IMPORT, _action({"result": "MERGE"}), f"{VALUE}/result", "action_value"),
    Mutant(IMPORT, commands(("user.profile.update", {"a": None})), f"{VALUE}/a",
           "profile_value_type", "warning"),
    Mutant(IMPORT, commands(("appUser.profile.update", {"a": []})), f"{VALUE}/a",
           "profile_value_type", "warning"),
    Mutant(PASSWORD_IMPORT, _action({"credential": "verified"}), f"{VALUE}/credential",
           "action_value"),
    Mutant(TELEPHONY, {}, "", "telephony_action", "warning"),
    Mutant(TELEPHONY, _telephony({"status": "SUCCESSFUL"}), VALUE, "telephony_value"),
    Mutant(TELEPHONY, _telephony([]), VALUE, "telephony_value"),
    Mutant(TELEPHONY, _telephony([{"status": "PENDING"}] * 2), VALUE, "telephony_value"),
    Mutant(TELEPHONY, _telephony([{"status": "SENT"}]), f"{VALUE}/0/status", "telephony_status"),
    Mutant(TELEPHONY, _telephony([{}]), f"{VALUE}/0/status", "telephony_status"),
    Mutant(TELEPHONY, _telephony([{"status": "FAILED", "transactionMetadata": {}}]),
           f"{VALUE}/0/transactionMetadata", "telephony_text"),
    Mutant(TELEPHONY, _telephony([{"status": "FAILED", "x": 1}]), f"{VALUE}/0/x",
           "unknown_member", "warning"),
    Mutant(TELEPHONY, {"commands": _telephony([{"status": "FAILED"}])["commands"] * 2},
           "/commands", "telephony_action", "warning"),
]  # fmt: skip

MUTANTS: Final = [*ENVELOPE, *ERRORS, *TOKENS, *ASSERTIONS, *ACTIONS]
