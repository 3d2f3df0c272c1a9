"""Requests and parts of replies that the examples of replies consist of."""

from __future__ import annotations

from typing import Any, Final

from hookkey_verify.hooks.rules import (
    IMPORT,
    PASSWORD_IMPORT,
    REGISTRATION,
    SAML,
    TELEPHONY,
    TOKEN,
)

Json = dict[str, Any]

TOKEN_REQUEST: Final[Json] = {
    "eventType": TOKEN,
    "data": {
        "identity": {
            "claims": {"sub": "00u1", "email": "mia@acme.example", "tags": ["a", "b"]},
            "token": {"lifetime": {"expiration": 3600}},
        },
        "access": {
            "claims": {"sub": "mia@acme.example", "team": "red", "address": {"city": "Ulm"}},
            "token": {"lifetime": {"expiration": 3600}},
        },
    },
}
ACCESS_ONLY: Final[Json] = {"data": {"access": TOKEN_REQUEST["data"]["access"]}}
ID_ONLY: Final[Json] = {"data": {"identity": TOKEN_REQUEST["data"]["identity"]}}
SAML_REQUEST: Final[Json] = {
    "eventType": SAML,
    "data": {
        "assertion": {
            "subject": {
                "nameId": "mia@acme.example",
                "nameFormat": "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
                "confirmation": {"data": {"recipient": "https://sp.example/acs"}},
            },
            "authentication": {
                "sessionIndex": "s1",
                "authnContext": {"authnContextClassRef": "urn:x"},
            },
            "conditions": {"audienceRestriction": ["urn:sp"]},
            "claims": {"team": {"attributes": {}, "attributeValues": [{"value": "ops"}]}},
        }
    },
}
SELF_SERVICE: Final[Json] = {
    "eventType": REGISTRATION,
    "requestType": "self.service.registration",
    "data": {"userProfile": {"email": "mia@acme.example"}, "action": "ALLOW"},
}
PROGRESSIVE: Final[Json] = {
    "eventType": REGISTRATION,
    "requestType": "progressive.profile",
    "data": {"userProfileUpdate": {"number": 1234}, "action": "ALLOW"},
}
IMPORT_REQUEST: Final[Json] = {"eventType": IMPORT, "data": {"user": {"profile": {}}}}
PASSWORD_REQUEST: Final[Json] = {"eventType": PASSWORD_IMPORT, "data": {}}
TELEPHONY_REQUEST: Final[Json] = {"eventType": TELEPHONY, "data": {}}

REQUESTS: Final = {
    TOKEN: TOKEN_REQUEST,
    SAML: SAML_REQUEST,
    REGISTRATION: SELF_SERVICE,
    IMPORT: IMPORT_REQUEST,
    PASSWORD_IMPORT: PASSWORD_REQUEST,
    TELEPHONY: TELEPHONY_REQUEST,
}

BASIC = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"
UNSPECIFIED = "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified"


def commands(*pairs: tuple[str, object]) -> Json:
    """Return a reply with commands, without the ``com.okta.`` of their types."""
    return {"commands": [{"type": f"com.okta.{type_}", "value": value} for type_, value in pairs]}


def patch(kind: str, op: str, path: object, *value: object) -> Json:
    """Return a reply with one operation; without a fifth argument it has no value."""
    operation: Json = {"op": op, "path": path}
    if value:
        operation["value"] = value[0]
    return commands((f"{kind}.patch", [operation]))


def add(path: str, value: object) -> Json:
    return {"op": "add", "path": path, "value": value}


def replace(path: str, value: object) -> Json:
    return {"op": "replace", "path": path, "value": value}


def statement(*values: str, name_format: str = UNSPECIFIED, kind: str = "xs:string") -> Json:
    """Return the value of a new SAML attribute."""
    return {
        "attributes": {"NameFormat": name_format},
        "attributeValues": [{"attributes": {"xsi:type": kind}, "value": v} for v in values],
    }
