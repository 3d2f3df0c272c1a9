"""Requests of every type of inline hook as data, and the members that Okta spells differently.

``MINIMAL`` has one short request of each type, ``FULL`` has requests with every known member, and
``VARIANTS`` has the known deviations. All names, numbers and secrets are invented.
"""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, Final

Json = dict[str, Any]

ENVELOPE: Final[Json] = {
    "eventId": "Zk3rQ0vWTtq1n5cXbYd8Lw",
    "eventTime": "2026-11-20T08:15:00.000Z",
    "eventTypeVersion": "1.0",
    "cloudEventVersion": "0.1",
    "contentType": "application/json",
}
ABSENT: Final = object()
"""The value that makes ``changed`` remove a member."""


def changed(payload: Mapping[str, Any], changes: Mapping[str, Any]) -> Json:
    """Return a copy with other members; a path joins the members' names with dots."""
    document = deepcopy(dict(payload))
    for path, value in changes.items():
        *parents, last = path.split(".")
        node = document
        for name in parents:
            node = node.setdefault(name, {})
        if value is ABSENT:
            node.pop(last, None)
        else:
            node[last] = value
    return document


def request(number: str, method: str, url: str) -> Json:
    """Return a ``data.context.request``."""
    return {"id": f"req{number}", "method": method, "url": {"value": url}}


TOKEN_URL = "https://id.acme.example/oauth2/aus1/v1/token"
SAML_URL = "https://acme.example/app/a1/exk1/sso/saml"
HOOK_URL = "https://acme.example/api/v1/inlineHooks/"
BASIC = "urn:oasis:names:tc:SAML:2.0:attrname-format:basic"

MINIMAL: Final[dict[str, Json]] = {
    "token": ENVELOPE
    | {
        "eventType": "com.okta.oauth2.tokens.transform",
        "source": TOKEN_URL,
        "data": {
            "context": {
                "request": request("A1", "POST", TOKEN_URL),
                "protocol": {
                    "type": "OAUTH2.0",
                    "request": {"grant_type": "refresh_token", "client_id": "0oa1"},
                    "originalGrant": {
                        "authorization": {
                            "scope": "openid offline_access",
                            "response_type": "code",
                            "grant_type": "authorization_code",
                        },
                        "refresh_token": {"jti": "oar1"},
                    },
                    "client": {"id": "0oa1", "name": "Shop", "type": "PUBLIC"},
                },
                "policy": {"id": "00p1", "rule": {"id": "0pr1"}},
            },
            "access": {
                "claims": {
                    "ver": 1,
                    "jti": "AT.q",
                    "cid": "0oa1",
                    "uid": "00u1",
                    "sub": "mia@acme.example",
                },
                "token": {"lifetime": {"expiration": 3600}},
                "scopes": {"openid": {"id": "scp1", "action": "GRANT"}},
            },
            "refresh_token": {"jti": "oar1"},
        },
    },
    "saml": ENVELOPE
    | {
        "eventType": "com.okta.saml.tokens.transform",
        "source": SAML_URL,
        "data": {
            "context": {
                "request": request("B2", "GET", SAML_URL),
                "protocol": {
                    "type": "SAML2.0",
                    "issuer": {"id": "0oa2", "name": "Wiki", "uri": "http://www.okta.com/exk1"},
                },
                "user": {"id": "00u1"},
            },
            "assertion": {
                "subject": {"nameId": "mia@acme.example"},
                "claims": {},
                "lifetime": {"expiration": 300},
            },
        },
    },
    "registration": ENVELOPE
    | {
        "eventType": "com.okta.user.pre-registration",
        "source": "reg1",
        "requestType": "self.service.registration",
        "data": {
            "context": {"request": request("C3", "POST", "/idp/idx/enroll/new")},
            "userProfile": {"login": "mia@acme.example", "email": "mia@acme.example"},
            "action": "ALLOW",
        },
    },
    "import": ENVELOPE
    | {
        "eventType": "com.okta.import.transform",
        "source": "cal3",
        "data": {
            "context": {
                "conflicts": ["login"],
                "application": {"name": "hr", "id": "0oa3", "label": "HR", "status": "ACTIVE"},
                "job": {"id": "ij3", "type": "import:users"},
                "matches": [],
                "policy": ["EMAIL"],
            },
            "action": {"result": "CREATE_USER"},
            "appUser": {
                "profile": {"email": "mia@acme.example", "groups": ["a"], "mobilePhone": None}
            },
            "user": {"profile": {"login": "mia@acme.example", "city": None}},
        },
    },
    "password": ENVELOPE
    | {
        "eventType": "com.okta.user.credential.password.import",
        "source": HOOK_URL + "cal4",
        "data": {
            "context": {
                "request": request("D4", "POST", "/idp/idx/challenge/answer"),
                "credential": {"username": "mia@acme.example", "password": "invented-1"},
            },
            "action": {"credential": "UNVERIFIED"},
        },
    },
    "telephony": ENVELOPE
    | {
        "eventType": "com.okta.telephony.provider",
        "source": HOOK_URL + "cal5",
        "requestType": "com.okta.user.telephony.mfa-verification",
        "data": {
            "context": {"request": request("E5", "POST", "/idp/idx/challenge")},
            "userProfile": {"login": "mia@acme.example", "userId": "00u1"},
            "messageProfile": {
                "msgTemplate": "Your code is 012345",
                "phoneNumber": "+15555550100",
                "otpExpires": "2026-11-20T08:20:00.000Z",
                "deliveryChannel": "SMS",
                "otpCode": "012345",
                "locale": "en",
            },
        },
    },
}

USER: Final[Json] = {
    "id": "00u1",
    "passwordChanged": "2026-10-01T08:15:30.000Z",
    "profile": {
        "login": "mia@acme.example",
        "firstName": "Mia",
        "lastName": "Sommer",
        "locale": "en_US",
        "timeZone": "America/Los_Angeles",
    },
    "_links": {
        "groups": {"href": "https://acme.example/api/v1/users/00u1/groups"},
        "factors": {"href": "/api/v1/users/00u1/factors"},
    },
}
SESSION: Final[Json] = {
    "id": "102session",
    "userId": "00u1",
    "login": "mia@acme.example",
    "createdAt": "2026-11-20T08:00:00.000Z",
    "expiresAt": "2026-11-20T10:00:00.000Z",
    "status": "ACTIVE",
    "lastPasswordVerification": "2026-11-20T08:00:01Z",
    "amr": ["PASSWORD"],
    "idp": {"id": "00o1", "type": "SOCIAL"},
    "mfaActive": False,
}
OAUTH_REQUEST: Final[Json] = {
    "client_id": "0oa1",
    "redirect_uri": "https://shop.acme.example/callback",
    "response_mode": "fragment",
    "response_type": "token id_token",
    "scope": "openid profile",
    "state": "state-secret",
    "grant_type": "implicit",
}
AUTHORIZE_URL = "https://id.acme.example/oauth2/aus1/v1/authorize?state=state-secret&nonce=n1"
FULL: Final[dict[str, Json]] = {
    "token": changed(
        MINIMAL["token"],
        {
            "source": AUTHORIZE_URL,
            "data.context.request": request("F6", "GET", AUTHORIZE_URL)
            | {"ipAddress": "192.0.2.7"},
            "data.context.protocol.request": OAUTH_REQUEST,
            "data.context.protocol.originalGrant": ABSENT,
            "data.context.protocol.issuer": {"uri": "https://id.acme.example/oauth2/aus1"},
            "data.context.session": SESSION,
            "data.context.user": USER,
            "data.identity": {
                "claims": {"amr": ["pwd"], "email": "mia@acme.example", "height": 1.80},
                "token": {"lifetime": {"expiration": 7200}},
            },
        },
    ),
    "saml": changed(
        MINIMAL["saml"],
        {
            "data.context.session": SESSION,
            "data.context.user": USER,
            "data.assertion": {
                "subject": {
                    "nameId": "mia@acme.example",
                    "nameFormat": "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
                    "confirmation": {
                        "method": "urn:oasis:names:tc:SAML:2.0:cm:bearer",
                        "data": {"recipient": "https://wiki.acme.example/acs"},
                    },
                },
                "authentication": {
                    "sessionIndex": "id1session",
                    "authnContext": {
                        "authnContextClassRef": "urn:oasis:names:tc:SAML:2.0:ac:classes:Password"
                    },
                },
                "conditions": {"audienceRestriction": ["urn:wiki"]},
                "claims": {
                    "https://acme.example/team": {
                        "attributes": {"NameFormat": BASIC},
                        "attributeValues": [
                            {"attributes": {"xsi:type": "xs:string"}, "value": "ops"},
                            {"attributes": {"xsi:type": "xs:integer"}, "value": "4321"},
                        ],
                    }
                },
                "lifetime": {"expiration": 300},
            },
        },
    ),
    "progressive": changed(
        MINIMAL["registration"],
        {
            "requestType": "progressive.profile",
            "data.context.request": request("G7", "POST", "/idp/idx/enroll/update"),
            "data.context.user": USER,
            "data.userProfile": ABSENT,
            "data.userProfileUpdate": {"employeeNumber": "1234"},
        },
    ),
    "import": changed(
        MINIMAL["import"],
        {
            "data.context.matches": ["00u7", {"id": "00u8"}],
            "data.context.policy": ["EMAIL", "FIRST_AND_LAST_NAME"],
            "data.action.result": "LINK_USER",
            "data.user.id": "00u7",
        },
    ),
    "telephony": changed(
        MINIMAL["telephony"],
        {"data.userProfile.firstName": "Mia", "data.userProfile.lastName": "Sommer"},
    ),
}
SECRETS: Final = ("invented-1", "012345", "state-secret", "102session", "id1session")
"""What must never be in a log."""
PERSONAL: Final = ("5555550100", "mia", "Mia", "Sommer", "192.0.2.7", "00u1", "1234", "oar1", "ops")
