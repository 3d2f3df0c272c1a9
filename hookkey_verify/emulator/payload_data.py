"""The variants of Okta's requests to inline hooks, with data of an invented user.

They follow captured requests where there are any, otherwise Okta's documentation. GUESS marks a
variant that neither shows. ``{hook}`` in a source stands for the id of the inline hook.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ..hooks.rules import IMPORT, PASSWORD_IMPORT, REGISTRATION, SAML, TELEPHONY, TOKEN

__all__ = ["EVENTS"]

_Json = dict[str, Any]

_ORG: Final = "https://acme.okta.com"
_ISSUER: Final = f"{_ORG}/oauth2/aus1hooks"
_SSO: Final = f"{_ORG}/app/example_saml/exk7q4Lm2ZrT9uVwX0g3/sso/saml"
_HOOK: Final = f"{_ORG}/api/v1/inlineHooks/{{hook}}"
_USER_ID: Final = "00uq8tMo3zV0OfJON0g3"
_LOGIN: Final = "isaac.brock@example.com"
_CLIENT_ID: Final = "0oa4example5client6x7"
_CALLBACK: Final = "https://app.example.com/callback"
_REFRESH_TOKEN: Final = {"jti": "oarob4a0tckCkGcyo1d6"}

_USER: Final[_Json] = {
    "id": _USER_ID,
    "passwordChanged": "2026-10-01T08:15:30.000Z",
    "profile": {
        "login": _LOGIN,
        "firstName": "Isaac",
        "lastName": "Brock",
        "locale": "en",
        "timeZone": "America/Los_Angeles",
    },
    "_links": {
        "groups": {"href": f"{_ORG}/api/v1/users/{_USER_ID}/groups"},
        "factors": {"href": f"{_ORG}/api/v1/users/{_USER_ID}/factors"},
    },
}
_SESSION: Final[_Json] = {
    "id": "102Qoe7t5PcRnSxr8j3I8I6pA",
    "userId": _USER_ID,
    "login": _LOGIN,
    "createdAt": "2026-11-01T07:00:00.000Z",
    "expiresAt": "2026-11-01T09:00:00.000Z",
    "status": "ACTIVE",
    "lastPasswordVerification": "2026-11-01T07:00:00.000Z",
    "amr": ["PASSWORD"],
    "idp": {"id": "00oq6kcVwvrDY2YsS0g3", "type": "OKTA"},
    "mfaActive": False,
}
_BOUND: Final = {"session": _SESSION, "user": _USER}


def _request(method: str, url: str) -> _Json:
    return {
        "id": "reqv66CbCaCStGEFc8AdfS0ng",
        "method": method,
        "url": {"value": url},
        "ipAddress": "127.0.0.1",
    }


def _lifetime(seconds: int) -> _Json:
    return {"lifetime": {"expiration": seconds}}


# --- tokens


_IDENTITY: Final[_Json] = {
    "claims": {
        "sub": _USER_ID,
        "ver": 1,
        "iss": _ISSUER,
        "aud": _CLIENT_ID,
        "jti": "ID.4eAWJOCMB3SX8XewDfVR4Q",
        "amr": ["pwd"],
        "preferred_username": _LOGIN,
    },
    "token": _lifetime(3600),
}
_AUTHORIZATION: Final[_Json] = {
    "scope": "openid profile",
    "state": "foobar",
    "redirect_uri": _CALLBACK,
    "response_type": "code",
    "client_id": _CLIENT_ID,
}


def _access(*scopes: str, **user: str) -> _Json:
    """Return the access token; ``user`` has the claims that only a user's token has."""
    claims = {"ver": 1, "jti": "AT.W-rrB8z-kxZQK3Bu2gvX", "iss": _ISSUER, "aud": "api://default"}
    return {
        "claims": {**claims, "cid": _CLIENT_ID, **user},
        "token": _lifetime(3600),
        "scopes": {name: {"id": "scpq7bW1cp6dcvrz80g3", "action": "GRANT"} for name in scopes},
    }


_USERS_ACCESS: Final = _access("openid", "profile", uid=_USER_ID, sub=_LOGIN)


def _token(parameters: _Json, parts: _Json, bound: _Json = _BOUND, **protocol: _Json) -> _Json:
    """Return a token event.

    ``parameters``: the parameters of the OAuth request; a grant type makes it a token request.
    ``parts``: the members of ``data`` beside the context.
    ``bound``: the members of the context that only a request of a user has.
    ``protocol``: more members of the protocol.
    """
    at_token_endpoint = "grant_type" in parameters
    url = f"{_ISSUER}/v1/{'token' if at_token_endpoint else 'authorize'}"
    request = _request("POST", url)
    if not at_token_endpoint:
        request = _request("GET", f"{url}?scope=openid+profile&client_id={_CLIENT_ID}")
    context = {
        "request": request,
        "protocol": {
            "type": "OAUTH2.0",
            "request": parameters,
            **protocol,
            "issuer": {"uri": _ISSUER},
            "client": {"id": _CLIENT_ID, "name": "Web app", "type": "PUBLIC"},
        },
        **bound,
        "policy": {"id": "00pq8lGaLlI8APuqY0g3", "rule": {"id": "0prq8mLKuKAmavOvq0g3"}},
    }
    return {"source": url, "data": {"context": context, **parts}}


_BOTH: Final[_Json] = {"identity": _IDENTITY, "access": _USERS_ACCESS}
_GRANT: Final[_Json] = {
    "authorization": {
        "scope": "openid profile offline_access",
        "redirect_uri": _CALLBACK,
        "response_type": "code",
        "grant_type": "authorization_code",
    },
    "refresh_token": _REFRESH_TOKEN,
}
_REFRESH: Final = {
    "redirect_uri": _CALLBACK,
    "grant_type": "refresh_token",
    "client_id": _CLIENT_ID,
}
_CLIENT_CREDENTIALS: Final = {
    "scope": "hooks",
    "grant_type": "client_credentials",
    "client_id": _CLIENT_ID,
}
_TOKENS: Final[Mapping[str, _Json]] = {
    "authorization-code": _token(_AUTHORIZATION, {**_BOTH, "refresh_token": _REFRESH_TOKEN}),
    "implicit": _token({**_AUTHORIZATION, "response_type": "token id_token"}, _BOTH),
    "refresh": _token(_REFRESH, {**_BOTH, "refresh_token": _REFRESH_TOKEN}, originalGrant=_GRANT),
    # GUESS: the following members are inferred; no captured request shows them.
    "client-credentials": _token(_CLIENT_CREDENTIALS, {"access": _access("hooks")}, {}),
    "id-token-only": _token(
        {**_AUTHORIZATION, "response_type": "id_token"}, {"identity": _IDENTITY}
    ),
    "access-token-only": _token(
        {**_AUTHORIZATION, "scope": "profile", "response_type": "token"},
        {"access": _access("profile", uid=_USER_ID, sub=_LOGIN)},
    ),
}


# --- SAML


def _saml(bound: _Json) -> _Json:
    context = {
        "request": _request("GET", _SSO),
        "protocol": {
            "type": "SAML2.0",
            "issuer": {
                "id": "0oan31E79VsQ4SPq40g3",
                "name": "Example SAML app",
                "uri": "http://www.okta.com/exk7q4Lm2ZrT9uVwX0g3",
            },
        },
        **bound,
    }
    assertion = {
        "subject": {
            "nameId": _LOGIN,
            "nameFormat": "urn:oasis:names:tc:SAML:1.1:nameid-format:unspecified",
            "confirmation": {
                "method": "urn:oasis:names:tc:SAML:2.0:cm:bearer",
                "data": {"recipient": "https://sp.example.com/acs"},
            },
        },
        "authentication": {
            "sessionIndex": "id1553800523546.312669168",
            "authnContext": {
                "authnContextClassRef": (
                    "urn:oasis:names:tc:SAML:2.0:ac:classes:PasswordProtectedTransport"
                )
            },
        },
        "conditions": {"audienceRestriction": ["urn:example:sp"]},
        "claims": {
            "department": {
                "attributes": {
                    "NameFormat": "urn:oasis:names:tc:SAML:2.0:attrname-format:unspecified"
                },
                "attributeValues": [{"attributes": {"xsi:type": "xs:string"}, "value": "Sales"}],
            }
        },
        "lifetime": {"expiration": 300},
    }
    return {"source": _SSO, "data": {"context": context, "assertion": assertion}}


_ASSERTIONS: Final[Mapping[str, _Json]] = {
    "with-session": _saml(_BOUND),
    "no-session": _saml({"user": _USER}),  # GUESS: that the session may be absent is inferred
}


# --- users


_PROFILE: Final = {
    "firstName": "Isaac",
    "lastName": "Brock",
    "login": _LOGIN,
    "email": _LOGIN,
}


def _registration(path: str, parts: _Json, **context: _Json) -> _Json:
    request = _request("POST", f"/idp/idx/enroll/{path}")
    data = {"context": {"request": request, **context}, **parts, "action": "ALLOW"}
    return {"source": "regn3KcPqYb2TdWxE0g3", "data": data}


_SELF_SERVICE: Final = _registration("new", {"userProfile": _PROFILE})
_REGISTRATIONS: Final[Mapping[str, _Json]] = {
    "self-service": {"requestType": "self.service.registration", **_SELF_SERVICE},
    "progressive": {
        "requestType": "progressive.profile",
        **_registration("update", {"userProfileUpdate": {"employeeNumber": "1234"}}, user=_USER),
    },
    "classic": _SELF_SERVICE,  # Classic Engine sends no requestType
}


def _import(result: str, conflicts: list[str], **user: str) -> _Json:
    """Return an import event; ``user`` has the id of the user whom Okta matched."""
    profile = {"firstName": "Isaac", "lastName": "Brock", "email": _LOGIN}
    data = {
        "context": {
            "conflicts": conflicts,
            "application": {
                "name": "example_hr",
                "id": "0oabxq4Z1yVPTDlUk0g3",
                "label": "Example HR",
                "status": "ACTIVE",
            },
            "job": {"id": "ij2oi0bNBNd3nPqOR0g3", "type": "import:users"},
            "matches": [],
            "policy": ["EMAIL", "FIRST_AND_LAST_NAME"],
        },
        "action": {"result": result},
        "appUser": {"profile": {**profile, "groups": ["Sales"], "mobilePhone": None}},
        "user": {**user, "profile": {"login": _LOGIN, **profile, "mobilePhone": None}},
    }
    return {"source": "{hook}", "data": data}


_IMPORTS: Final[Mapping[str, _Json]] = {
    "create": _import("CREATE_USER", []),
    # GUESS: the form of the elements of matches is not documented, so there are none.
    "match": _import("LINK_USER", ["login"], id=_USER_ID),
}


def _password(path: str) -> _Json:
    context = {
        "request": _request("POST", path),
        "credential": {"username": _LOGIN, "password": "Invented-Pa55word"},
    }
    data = {"context": context, "action": {"credential": "UNVERIFIED"}}
    return {"source": _HOOK, "data": data}


_PASSWORDS: Final[Mapping[str, _Json]] = {
    "identity-engine": _password("/idp/idx/challenge/answer"),
    "authn-api": _password("/api/v1/authn"),
}


# --- telephony


def _telephony(purpose: str, channel: str = "SMS") -> _Json:
    data = {
        "context": {"request": _request("POST", "/idp/idx/challenge")},
        "userProfile": {
            "firstName": "Isaac",
            "lastName": "Brock",
            "login": _LOGIN,
            "userId": _USER_ID,
        },
        "messageProfile": {
            "msgTemplate": "Your code is 011111.",
            "phoneNumber": "+12065550100",
            "otpExpires": "",  # set when the event is created
            "deliveryChannel": channel,
            "otpCode": "011111",
            "locale": "EN-US",
        },
    }
    return {
        "source": _HOOK,
        "requestType": f"com.okta.user.telephony.{purpose}",
        "data": data,
    }


_MESSAGES: Final[Mapping[str, _Json]] = {
    "sms": _telephony("pre-enrollment"),
    "voice": _telephony("pre-enrollment", "Voice"),
    "pre-enrollment": _telephony("pre-enrollment"),
    "mfa-verification": _telephony("mfa-verification"),
    "account-unlock": _telephony("account-unlock"),
    "password-reset": _telephony("password-reset"),
}

EVENTS: Final[Mapping[str, Mapping[str, _Json]]] = {
    TOKEN: _TOKENS,
    SAML: _ASSERTIONS,
    REGISTRATION: _REGISTRATIONS,
    IMPORT: _IMPORTS,
    PASSWORD_IMPORT: _PASSWORDS,
    TELEPHONY: _MESSAGES,
}
"""The members of each variant that differ between events, by type and name."""
