"""JSON Schemas of the replies, written from what Okta documents.

They describe the shape only. Rules that depend on the request, on the order of commands or on
several members at once are tested in ``test_check.py``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hookkey_verify.hooks import rules

Schema = dict[str, Any]

TEXT: Final[Schema] = {"type": ["string", "null"]}
POINTER = r"^/((?!~[^01])(?!~$)[\s\S])*$"
LIFETIME = "/token/lifetime/expiration"
OBJECT: Final[Schema] = {"type": "object"}

ERROR: Final[Schema] = {
    "type": ["object", "null"],
    "properties": {
        "errorSummary": TEXT,
        "errorCauses": {
            "type": ["array", "null"],
            "items": {
                "type": "object",
                "properties": dict.fromkeys(rules.CAUSE_MEMBERS, TEXT),
            },
        },
    },
}


def _command(type_: str, value: Schema) -> Schema:
    return {
        "type": "object",
        "required": ["type", "value"],
        "properties": {"type": {"const": type_}, "value": value},
    }


def _reply(*commands: Schema) -> Schema:
    return {
        "type": "object",
        "properties": {
            "commands": {"type": ["array", "null"], "items": {"oneOf": list(commands)}},
            "error": ERROR,
            "debugContext": {"type": ["object", "null"]},
        },
    }


def _action(event_type: str, type_: str = rules.ACTION_UPDATE) -> Schema:
    member, values = rules.ACTION_VALUES[event_type]
    value = {"type": "object", "required": [member], "properties": {member: {"enum": list(values)}}}
    return _command(type_, value)


def _name(name: str) -> str:
    """Return a regular expression for one name in a pointer."""
    return name.replace("~", "~0").replace("/", "~1")


def _claim_operations(reserved: frozenset[str]) -> Schema:
    """Return the schema of the operations on one token."""
    free = rf"^/claims/(?!(?:{'|'.join(sorted(map(_name, reserved)))})(?:/|$))"
    path = {"type": "string", "allOf": [{"pattern": POINTER}, {"pattern": free}]}
    changes: Schema = {"required": ["value"], "properties": {"op": {"enum": ["add", "replace"]}}}
    removal = {"properties": {"op": {"const": "remove"}, "value": {"type": "null"}}}
    seconds = {"type": ["integer", "null"], "minimum": 300, "maximum": 86400}
    return {
        "type": "array",
        "items": {
            "type": "object",
            "required": ["op", "path"],
            "oneOf": [
                {"properties": {"path": path}, "oneOf": [changes, removal]},
                {
                    "properties": {"path": {"const": LIFETIME}, "value": seconds},
                    "oneOf": [changes, removal],
                },
                _undocumented("token|scopes|refresh_token", "add", "replace", "remove"),
            ],
        },
    }


def _undocumented(parts: str, *ops: str) -> Schema:
    """Return the schema of operations of which Okta does not document what they do."""
    patterns = [{"pattern": POINTER}, {"pattern": f"^/({parts})(/|$)"}]
    path = {"type": "string", "allOf": patterns, "not": {"const": LIFETIME}}
    return {"properties": {"op": {"enum": list(ops)}, "path": path}}


NAME_FORMAT: Final[Schema] = {"type": ["object", "null"], "properties": {"NameFormat": TEXT}}
VALUE_TYPE: Final[Schema] = {"type": ["object", "null"], "properties": {"xsi:type": TEXT}}
SAML_ATTRIBUTE_VALUE: Final[Schema] = {
    "type": "object",
    "required": ["value"],
    "properties": {"attributes": VALUE_TYPE, "value": {"not": {"type": "null"}}},
}
SAML_ATTRIBUTE_VALUES: Final[Schema] = {"type": "array", "items": SAML_ATTRIBUTE_VALUE}
SAML_CLAIM: Final[Schema] = {
    "type": "object",
    "required": ["attributeValues"],
    "properties": {"attributes": NAME_FORMAT, "attributeValues": SAML_ATTRIBUTE_VALUES},
}
IN_CLAIMS: Final[Mapping[str, Schema]] = {
    "": SAML_CLAIM,
    "/attributes": NAME_FORMAT,
    "/attributes/NameFormat": TEXT,
    "/attributeValues": SAML_ATTRIBUTE_VALUES,
    "/attributeValues/[^/]*": SAML_ATTRIBUTE_VALUE,
    "/attributeValues/[^/]*/attributes": VALUE_TYPE,
    "/attributeValues/[^/]*/attributes/xsi:type": TEXT,
}
"""What an operation may write below an attribute, by the rest of its path."""

SAML_OPERATION: Final[Schema] = {
    "required": ["value"],
    "properties": {
        "op": {"enum": ["add", "replace"]},
        "path": {
            "type": "string",
            "allOf": [
                {"pattern": POINTER},
                {"pattern": "^/(claims|subject|authentication|conditions)/"},
            ],
        },
    },
    "allOf": [
        *(
            {
                "if": {"properties": {"path": {"pattern": f"^/claims/[^/]*{rest}$"}}},
                "then": {"properties": {"value": {"anyOf": [{"type": "null"}, schema]}}},
            }
            for rest, schema in IN_CLAIMS.items()
        ),
        {
            "if": {"properties": {"path": {"const": "/authentication/sessionLifetime"}}},
            "then": {"properties": {"value": {"type": ["integer", "null"]}}},
        },
    ],
}

SAML_OPERATIONS: Final[Schema] = {
    "type": "array",
    "items": {
        "type": "object",
        "required": ["op", "path"],
        "oneOf": [SAML_OPERATION, _undocumented("lifetime", "add", "replace")],
    },
}

PROFILE_WITHOUT_PASSWORD: Final[Schema] = {"type": "object", "properties": {"password": False}}

TELEPHONY_VALUE: Final[Schema] = {
    "type": "array",
    "minItems": 1,
    "maxItems": 1,
    "items": {
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": {"enum": list(rules.TELEPHONY_STATUSES)},
            **dict.fromkeys(rules.TELEPHONY_TEXTS, TEXT),
        },
    },
}

USER_ID: Final[Schema] = {
    "type": "object",
    "required": ["id"],
    "properties": {"id": {"type": "string", "minLength": 1}},
}

SCHEMAS: Final[Mapping[str, Schema]] = {
    rules.TOKEN: _reply(
        _command(rules.IDENTITY_PATCH, _claim_operations(rules.RESERVED_ID_CLAIMS)),
        _command(rules.ACCESS_PATCH, _claim_operations(rules.RESERVED_ACCESS_CLAIMS)),
    ),
    rules.SAML: _reply(_command(rules.ASSERTION_PATCH, SAML_OPERATIONS)),
    rules.REGISTRATION: _reply(
        _action(rules.REGISTRATION),
        _action(rules.REGISTRATION, rules.MISSPELLED_ACTION_UPDATE),
        _command(rules.USER_PROFILE, PROFILE_WITHOUT_PASSWORD),
        _command(rules.PROGRESSIVE_PROFILE, PROFILE_WITHOUT_PASSWORD),
    ),
    rules.IMPORT: _reply(
        _action(rules.IMPORT),
        _command(rules.USER_UPDATE, USER_ID),
        _command(rules.APP_USER_PROFILE, OBJECT),
        _command(rules.USER_PROFILE, OBJECT),
    ),
    rules.PASSWORD_IMPORT: _reply(_action(rules.PASSWORD_IMPORT)),
    rules.TELEPHONY: _reply(_command(rules.TELEPHONY_ACTION, TELEPHONY_VALUE)),
}
"""The schema of each type of hook."""
