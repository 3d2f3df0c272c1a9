"""Creates Okta's requests to each type of inline hook, with data of an invented user. Pure.

For the schemas see https://developer.okta.com/docs/references/api/webhooks. Types of members differ
between Okta's own examples, so handlers must not check them strictly.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from copy import deepcopy
from datetime import UTC, datetime
from typing import Any, Final

from .inline_hooks import EVENT_TYPES

__all__ = ["payload"]

_USER: Final[dict[str, Any]] = {
    "id": "00uq8tMo3zV0OfJON0g3",
    "passwordChanged": "2026-10-01T08:15:30.000Z",
    "profile": {
        "login": "isaac.brock@example.com",
        "firstName": "Isaac",
        "lastName": "Brock",
        "locale": "en",
        "timeZone": "America/Los_Angeles",
    },
    "_links": {
        "groups": {"href": "https://acme.okta.com/api/v1/users/00uq8tMo3zV0OfJON0g3/groups"},
        "factors": {"href": "https://acme.okta.com/api/v1/users/00uq8tMo3zV0OfJON0g3/factors"},
    },
}
_REQUEST: Final[dict[str, Any]] = {
    "id": "reqv66CbCaCStGEFc8AdfS0ng",
    "method": "GET",
    "url": {"value": "https://acme.okta.com/oauth2/aus1hooks/v1/authorize?scope=openid+profile"},
    "ipAddress": "127.0.0.1",
}
_SESSION: Final[dict[str, Any]] = {
    "id": "102Qoe7t5PcRnSxr8j3I8I6pA",
    "userId": "00uq8tMo3zV0OfJON0g3",
    "login": "isaac.brock@example.com",
    "status": "ACTIVE",
    "idp": {"id": "00oq6kcVwvrDY2YsS0g3", "type": "OKTA"},
    "mfaActive": False,
}


def _tokens() -> dict[str, Any]:
    return {
        "context": {
            "request": _REQUEST,
            "protocol": {
                "type": "OAUTH2.0",
                "request": {
                    "scope": "openid profile",
                    "state": "foobar",
                    "redirect_uri": "https://app.example.com/callback",
                    "response_type": "code",
                    "client_id": "0oa4example5client6x7",
                },
                "issuer": {"uri": "https://acme.okta.com/oauth2/aus1hooks"},
                "client": {"id": "0oa4example5client6x7", "name": "Web app", "type": "PUBLIC"},
            },
            "session": _SESSION,
            "user": _USER,
            "policy": {"id": "00pq8lGaLlI8APuqY0g3", "rule": {"id": "0prq8mLKuKAmavOvq0g3"}},
        },
        "identity": {
            "claims": {
                "sub": _USER["id"],
                "iss": "https://acme.okta.com/oauth2/aus1hooks",
                "preferred_username": "isaac.brock@example.com",
            },
            "token": {"lifetime": {"expiration": 3600}},
        },
        "access": {
            "claims": {"cid": "0oa4example5client6x7", "uid": _USER["id"], "aud": "api://default"},
            "token": {"lifetime": {"expiration": 3600}},
            "scopes": {"openid": {"id": "scpq7bW1cp6dcvrz80g3", "action": "GRANT"}},
        },
        "refresh_token": {"jti": "oarob4a0tckCkGcyo1d6"},
    }


def _saml() -> dict[str, Any]:
    return {
        "context": {
            "request": _REQUEST,
            "protocol": {
                "type": "SAML2.0",
                "issuer": {"id": "0oan31E79VsQ4SPq40g3", "name": "Example SAML app"},
            },
            "session": _SESSION,
            "user": _USER,
        },
        "assertion": {
            "subject": {
                "nameId": "isaac.brock@example.com",
                "nameFormat": "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
            },
            "authentication": {"authnContext": {"authnContextClassRef": "Password"}},
            "conditions": {"audienceRestriction": ["urn:example:sp"]},
            "claims": {},
            "lifetime": {"expiration": 300},
        },
    }


def _registration() -> dict[str, Any]:
    return {
        "context": {
            "request": {**_REQUEST, "method": "POST"},
        },
        "userProfile": {
            "firstName": "Isaac",
            "lastName": "Brock",
            "login": "isaac.brock@example.com",
            "email": "isaac.brock@example.com",
        },
        "action": "ALLOW",
    }


def _import() -> dict[str, Any]:
    return {
        "context": {
            "conflicts": ["login"],
            "application": {"name": "test_app", "id": "0oabxq4Z1yVPTDlUk0g3", "status": "ACTIVE"},
            "job": {"id": "ij2oi0bNBNd3nPqOR0g3", "type": "import:users"},
            "matches": [],
            "policy": ["EMAIL", "FIRST_AND_LAST_NAME"],
        },
        "action": {"result": "CREATE_USER"},
        "appUser": {
            "profile": {"firstName": "Isaac", "lastName": "Brock", "email": "isaac@example.com"}
        },
        "user": {
            "profile": {
                "login": "isaac.brock@example.com",
                "firstName": "Isaac",
                "lastName": "Brock",
                "email": "isaac@example.com",
            }
        },
    }


def _password() -> dict[str, Any]:
    return {
        "context": {
            "request": {**_REQUEST, "method": "POST"},
            "credential": {"username": "isaac.brock@example.com", "password": "Invented-Pa55word"},
        },
        "action": {"credential": "UNVERIFIED"},
    }


def _telephony() -> dict[str, Any]:
    return {
        "context": {"request": {**_REQUEST, "method": "POST"}},
        "userProfile": {
            "firstName": "Isaac",
            "lastName": "Brock",
            "login": "isaac.brock@example.com",
            "userId": _USER["id"],
        },
        "messageProfile": {
            "msgTemplate": "Your code is 11111.",
            "phoneNumber": "+12065550100",
            "otpExpires": "2026-11-23T12:05:00.000Z",
            "deliveryChannel": "SMS",
            "otpCode": "11111",
            "locale": "EN-US",
        },
    }


_DATA: Final[Mapping[str, Callable[[], dict[str, Any]]]] = dict(
    zip(EVENT_TYPES, (_tokens, _saml, _registration, _import, _password, _telephony), strict=True)
)


def payload(kind: str, *, source: str, now: float) -> dict[str, Any]:
    """Return the request body for an event of this type; ``now`` is in epoch seconds.

    ``source`` is a URL for some types and an id for others, as in Okta's examples.
    """
    document = {
        "eventId": str(uuid.uuid4()),
        "eventTime": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z"),
        "eventType": kind,
        "eventTypeVersion": "1.0",
        "cloudEventVersion": "0.1",
        "contentType": "application/json",
        "source": source,
        "data": deepcopy(_DATA[kind]()),
    }
    if kind == "com.okta.user.pre-registration":
        document["requestType"] = "self.service.registration"
    if kind == "com.okta.telephony.provider":
        document["requestType"] = "com.okta.user.telephony.pre-enrollment"
    return document
