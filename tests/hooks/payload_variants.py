"""The deviations that Okta's traffic, guides and specification show, as data.

Each variant is a request and the accessors whose values it changes. The path of an accessor joins
names with dots, such as ``user.id``.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from .payload_examples import ABSENT, FULL, MINIMAL, OAUTH_REQUEST, USER, Json, changed


class Variant(NamedTuple):
    """A request and what the accessors return for it."""

    payload: Json
    expected: dict[str, Any]


def variant(base: Json, changes: dict[str, Any], **expected: Any) -> Variant:
    """Return a changed request; double underscores in names of ``expected`` mean dots."""
    values = {name.replace("__", "."): value for name, value in expected.items()}
    return Variant(changed(base, changes), values)


PROTOCOL = "data.context.protocol."
MESSAGE = "data.messageProfile."
GRANT = {"scope": "openid", "grant_type": "authorization_code", "client_id": "0oa9"}


def _grants() -> dict[str, Variant]:
    return {
        f"{grant} with {authorization}": variant(
            MINIMAL["token"],
            {
                PROTOCOL + "originalGrant": ABSENT,
                PROTOCOL + "request.grant_type": ABSENT,
                PROTOCOL + grant: {authorization: GRANT, "refresh_token": {"jti": "oar9"}},
            },
            is_refresh=True,
            grant_type=None,
            original_grant__authorization__scopes=("openid",),
            original_grant__authorization__grant_type="authorization_code",
            original_grant__authorization__client_id="0oa9",
            original_grant__refresh_token_id="oar9",
        )
        for grant in ("originalGrant", "OriginalGrant")
        for authorization in ("authorization", "request")
    }


VARIANTS: Final[dict[str, Variant]] = {
    "eventID": variant(MINIMAL["token"], {"eventId": ABSENT, "eventID": "old-1"}, event_id="old-1"),
    "no eventId and eventTime": variant(
        MINIMAL["saml"], {"eventId": ABSENT, "eventTime": ABSENT}, event_id=None, event_time=None
    ),
    "eventTime without milliseconds": variant(
        MINIMAL["saml"], {"eventTime": "2019-02-03T04:05:06Z"}, event_time__second=6
    ),
    "versions are numbers": variant(
        MINIMAL["registration"],
        {"eventTypeVersion": 1, "cloudEventVersion": 0.1},
        event_type_version="1",
        cloud_event_version="0.1",
    ),
    "cloudEventsVersion": variant(
        MINIMAL["import"],
        {"cloudEventVersion": ABSENT, "cloudEventsVersion": "0.1"},
        cloud_event_version="0.1",
    ),
    "unknown eventType": variant(
        MINIMAL["token"],
        {"eventType": "com.okta.account.linking.transform"},
        event_type="com.okta.account.linking.transform",
    ),
    "delegated authentication": variant(
        MINIMAL["password"],
        {"eventType": "com.okta.custom.source.delegated.authentication"},
        request__method="POST",
    ),
    "unknown members": variant(
        FULL["token"],
        {"later": [1], "data.later": {"a": None}, "data.context.user.later": True},
        user__id="00u1",
    ),
    **_grants(),
    "refresh": variant(
        MINIMAL["token"],
        {PROTOCOL + "request.redirect_uri": "https://shop.acme.example/callback"},
        is_refresh=True,
        protocol_request__scope=None,
        protocol_request__scopes=(),
        refresh_token_id="oar1",
        original_grant__refresh_token_id="oar1",
    ),
    "client credentials": variant(
        FULL["token"],
        {
            "data.context.user": ABSENT,
            "data.context.session": ABSENT,
            "data.identity": ABSENT,
            "data.refresh_token": ABSENT,
            "data.access.claims.uid": ABSENT,
            PROTOCOL + "request": {"grant_type": "client_credentials", "client_id": "0oa1"},
        },
        grant_type="client_credentials",
        is_refresh=False,
        user__id=None,
        user__profile={},
        session__amr=(),
        session__idp__id=None,
        identity__claims={},
        identity__lifetime=None,
        refresh_token_id=None,
        access__lifetime=3600,
    ),
    "ID token only": variant(
        FULL["token"],
        {"data.access": ABSENT},
        access__claims={},
        access__scopes={},
        identity__lifetime=7200,
    ),
    "client id only in client": variant(
        MINIMAL["token"], {PROTOCOL + "request": ABSENT}, client_id="0oa1", grant_type=None
    ),
    "lifetime of the old reference": variant(
        MINIMAL["token"],
        {"data.identity": {"claims": {}, "lifetime": {"expiration": 3600}}},
        identity__lifetime=3600,
    ),
    "two-word response_type": variant(
        FULL["token"],
        {PROTOCOL + "request": OAUTH_REQUEST},
        protocol_request__response_types=("token", "id_token"),
    ),
    "SAML without a session": variant(
        FULL["saml"],
        {"data.context.session": ABSENT},
        session__id=None,
        user__login=USER["profile"]["login"],
    ),
    "Classic Engine": variant(
        MINIMAL["registration"],
        {"requestType": ABSENT, "source": "/api/v1/registration/reg1"},
        request_type=None,
        is_progressive=False,
        user_profile={"login": "mia@acme.example", "email": "mia@acme.example"},
    ),
    "progressive profile with an integer": variant(
        FULL["progressive"],
        {"data.userProfileUpdate": {"employeeNumber": 1234}},
        is_progressive=True,
        user_profile={},
        user_profile_update={"employeeNumber": 1234},
    ),
    "UserProfileUpdate": variant(
        FULL["progressive"],
        {
            "data.userProfileUpdate": ABSENT,
            "data.UserProfileUpdate": {"employeeNumber": "1234"},
            "data.context.user.passwordChanged": ABSENT,
            "data.context.user._links": ABSENT,
        },
        user_profile_update={"employeeNumber": "1234"},
        user__id="00u1",
        user__password_changed=None,
        user__groups_url=None,
    ),
    "import of nulls": variant(
        MINIMAL["import"],
        {"data.appUser.profile": None, "data.user": None},
        app_user_profile={},
        user_profile={},
        user_id=None,
    ),
    "old password import": variant(
        MINIMAL["password"],
        {"data.context.request.url.value": "/api/v1/authn"},
        request__url="/api/v1/authn",
        password="invented-1",
    ),
    "telephony with numbers": variant(
        MINIMAL["telephony"],
        {MESSAGE + "phoneNumber": 15555550100, MESSAGE + "otpCode": 12345, "requestType": ABSENT},
        phone_number="15555550100",
        code="12345",
        request_type=None,
    ),
    **{
        f"channel {channel}": variant(
            MINIMAL["telephony"],
            {MESSAGE + "deliveryChannel": channel},
            channel=channel,
            is_voice=is_voice,
        )
        for channel, is_voice in (
            ("SMS", False),
            ("sms", False),
            ("Voice", True),
            ("voice call", True),
            (None, False),
        )
    },
    **{
        f"telephony {purpose}": variant(
            MINIMAL["telephony"],
            {"requestType": f"com.okta.user.telephony.{purpose}", MESSAGE + "locale": "EN-US"},
            request_type=f"com.okta.user.telephony.{purpose}",
            locale="EN-US",
        )
        for purpose in ("pre-enrollment", "account-unlock", "password-reset")
    },
}
