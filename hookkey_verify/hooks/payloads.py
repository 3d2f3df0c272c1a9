"""The payloads that Okta sends to inline hooks: one class for each type of hook. Pure.

``parse_hook`` reads the body of a request. The classes read leniently: a member that is absent or
has an unusable type is None, an object or array is empty, and ``raw`` has everything that was sent.
A repr contains no personal data, because payloads contain passwords, codes and tokens' claims.

Source of the members: https://developer.okta.com/docs/references/api/webhooks and captured
requests.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, Final

from ..errors import InvalidPayloadError
from .fields import View, array, mapping, moment, part, text, texts
from .rules import IMPORT, PASSWORD_IMPORT, REGISTRATION, SAML, TELEPHONY, TOKEN
from .views import (
    Application,
    Assertion,
    Client,
    ImportJob,
    OAuthRequest,
    OriginalGrant,
    Request,
    Session,
    TelephonyUser,
    Token,
    User,
)

if TYPE_CHECKING:
    from json import JSONDecoder

__all__ = [
    "Hook",
    "ImportHook",
    "PasswordImportHook",
    "RegistrationHook",
    "SamlHook",
    "TelephonyHook",
    "TokenHook",
    "UnknownHook",
    "parse_hook",
]

TEXTS: Final = (bytes, bytearray, str)
"""The types of a body that is not decoded. A union of types would be made at each call."""

_MAX_SHOWN: Final = 100
"""The longest id in characters that a repr shows."""


class Hook(View):
    """A request from Okta to an inline hook.

    ``raw``: the whole JSON document as it was received.

    For example:

    >>> from hookkey_verify.hooks import parse_hook
    >>> hook = parse_hook({"eventId": "e1", "eventType": "com.okta.saml.tokens.transform"})
    >>> type(hook).__name__, hook.event_id, hook.event_time
    ('SamlHook', 'e1', None)
    """

    __slots__ = ()

    EVENT_TYPE: ClassVar[str] = ""
    """The ``eventType`` of this type of hook; empty for ``Hook`` and ``UnknownHook``."""

    event_type = text("eventType")
    """Okta's name of the type of hook, such as ``com.okta.oauth2.tokens.transform``."""
    event_type_version = text("eventTypeVersion")
    """The version of the payload, such as ``1.0``."""
    cloud_event_version = text("cloudEventVersion", "cloudEventsVersion")
    """The version of the envelope, such as ``0.1``."""
    content_type = text("contentType")
    """``application/json``."""
    event_id = text("eventId", "eventID")
    """The id of this call. A retry has the same id, so it can make a handler idempotent."""
    event_time = moment("eventTime")
    """When Okta made the call."""
    source = text("source")
    """What called the hook: the URL of an endpoint of Okta, or the id of a hook or policy."""
    request_type = text("requestType")
    """What the user is doing, in registration and telephony hooks."""
    data = mapping("data")
    """The payload proper: the member ``data``."""
    context = mapping("data.context")
    """The circumstances of the call: the member ``data.context``."""
    request = part(Request, "data.context.request")
    """The HTTP request to Okta that made Okta call the hook; absent in an import."""

    def __repr__(self) -> str:
        event_id, event_type = _shown(self.event_id), _shown(self.event_type)
        return f"<{type(self).__name__} event_id={event_id} event_type={event_type}>"


class TokenHook(Hook):
    """A token inline hook: Okta is about to issue an ID token, an access token or both.

    For example:

    >>> from hookkey_verify.hooks import TokenHook
    >>> protocol = {"client": {"id": "0oa1"}, "request": {"grant_type": "refresh_token"}}
    >>> hook = TokenHook({"data": {"context": {"protocol": protocol}}})
    >>> hook.client_id, hook.is_refresh
    ('0oa1', True)
    """

    __slots__ = ()

    EVENT_TYPE = TOKEN

    user = part(User, "data.context.user")
    """The user; absent for client credentials."""
    session = part(Session, "data.context.session")
    """The user's session at Okta; absent for client credentials."""
    access = part(Token, "data.access")
    """The access token; absent if only an ID token is issued."""
    identity = part(Token, "data.identity")
    """The ID token; absent if only an access token is issued."""
    refresh_token_id = text("data.refresh_token.jti")
    """The id of the refresh token; it joins a refresh to the first request."""
    protocol_type = text("data.context.protocol.type")
    """``OAUTH2.0``."""
    protocol_request = part(OAuthRequest, "data.context.protocol.request")
    """The parameters of the OAuth request."""
    original_grant = part(
        OriginalGrant, "data.context.protocol.originalGrant", "data.context.protocol.OriginalGrant"
    )
    """The grant that a refreshed token goes back to; absent except in a refresh."""
    issuer = text("data.context.protocol.issuer.uri")
    """The issuer of the tokens, a URL."""
    client = part(Client, "data.context.protocol.client")
    """The OAuth client."""
    client_id = text("data.context.protocol.request.client_id", "data.context.protocol.client.id")
    """The id of the OAuth client."""
    grant_type = text("data.context.protocol.request.grant_type")
    """The grant type, such as ``authorization_code``, ``refresh_token``, ``client_credentials``."""
    policy_id = text("data.context.policy.id")
    """The id of the authorization server's access policy."""
    rule_id = text("data.context.policy.rule.id")
    """The id of the rule of the access policy."""

    @property
    def is_refresh(self) -> bool:
        """Whether a refresh token is exchanged for new tokens."""
        return self.grant_type == "refresh_token" or bool(self.original_grant)


class SamlHook(Hook):
    """A SAML inline hook: Okta is about to issue a SAML assertion.

    For example:

    >>> from hookkey_verify.hooks import SamlHook
    >>> hook = SamlHook({"data": {"context": {"user": {"id": "00u1"}}}})
    >>> hook.user.id
    '00u1'
    """

    __slots__ = ()

    EVENT_TYPE = SAML

    user = part(User, "data.context.user")
    """The user."""
    session = part(Session, "data.context.session")
    """The user's session at Okta."""
    protocol_type = text("data.context.protocol.type")
    """``SAML2.0``."""
    issuer = text("data.context.protocol.issuer.uri")
    """The issuer of the assertion, a URI."""
    issuer_id = text("data.context.protocol.issuer.id")
    """The id of the SAML app."""
    issuer_name = text("data.context.protocol.issuer.name")
    """The name of the SAML app."""
    assertion = part(Assertion, "data.assertion")
    """The assertion."""


class RegistrationHook(Hook):
    """A registration inline hook: a user registers, or adds attributes to the profile.

    For example:

    >>> from hookkey_verify.hooks import RegistrationHook
    >>> profile = {"email": "ann@acme.com"}
    >>> hook = RegistrationHook({"data": {"userProfile": profile, "action": "ALLOW"}})
    >>> hook.user_profile["email"], hook.action, hook.is_progressive
    ('ann@acme.com', 'ALLOW', False)
    """

    __slots__ = ()

    EVENT_TYPE = REGISTRATION

    user = part(User, "data.context.user")
    """The user who adds attributes; absent when a user registers."""
    user_profile = mapping("data.userProfile")
    """The attributes that a new user submitted, without the password and sensitive attributes."""
    user_profile_update = mapping("data.userProfileUpdate", "data.UserProfileUpdate")
    """The attributes that an existing user submitted."""
    action = text("data.action")
    """What Okta does if the reply has no command: ``ALLOW``."""

    @property
    def is_progressive(self) -> bool:
        """Whether an existing user adds attributes; Classic Engine sends no type of request."""
        return self.request_type == "progressive.profile" or any(
            self.data.get(name) is not None for name in ("userProfileUpdate", "UserProfileUpdate")
        )


class ImportHook(Hook):
    """A user import inline hook: Okta is about to import a user from an app.

    For example:

    >>> from hookkey_verify.hooks import ImportHook
    >>> hook = ImportHook({"data": {"action": {"result": "CREATE_USER"}}})
    >>> hook.default_action, hook.user_profile
    ('CREATE_USER', {})
    """

    __slots__ = ()

    EVENT_TYPE = IMPORT

    conflicts = texts("data.context.conflicts")
    """The names of the attributes that conflict with an existing user."""
    policy = texts("data.context.policy")
    """The matching rules, such as ``EMAIL`` and ``FIRST_AND_LAST_NAME``."""
    matches = array("data.context.matches")
    """The existing users that match. The form of the elements is not documented."""
    application = part(Application, "data.context.application")
    """The app."""
    job = part(ImportJob, "data.context.job")
    """The import job."""
    default_action = text("data.action.result")
    """What Okta does if the reply has no command: ``CREATE_USER`` or ``LINK_USER``."""
    app_user_profile = mapping("data.appUser.profile")
    """The attributes of the app's user."""
    user_profile = mapping("data.user.profile")
    """The attributes of Okta's user."""
    user_id = text("data.user.id")
    """The id of the existing user that Okta matched."""


class PasswordImportHook(Hook):
    """A password import inline hook: a user enters a password that Okta does not know yet.

    For example:

    >>> from hookkey_verify.hooks import PasswordImportHook
    >>> credential = {"username": "ann@acme.com", "password": "secret"}
    >>> hook = PasswordImportHook({"data": {"context": {"credential": credential}}})
    >>> hook.username, "secret" in repr(hook)
    ('ann@acme.com', False)
    """

    __slots__ = ()

    EVENT_TYPE = PASSWORD_IMPORT

    username = text("data.context.credential.username")
    """The name that the user entered."""
    password = text("data.context.credential.password")
    """The password that the user entered, in clear text: never log or store it."""
    default_action = text("data.action.credential")
    """What Okta does if the reply has no command: ``UNVERIFIED``."""


class TelephonyHook(Hook):
    """A telephony inline hook: a one-time code must be sent by SMS or voice call.

    For example:

    >>> from hookkey_verify.hooks import TelephonyHook
    >>> message = {"deliveryChannel": "VOICE CALL", "otpCode": 12345}
    >>> hook = TelephonyHook({"data": {"messageProfile": message}})
    >>> hook.is_voice, hook.code
    (True, '12345')
    """

    __slots__ = ()

    EVENT_TYPE = TELEPHONY

    user = part(TelephonyUser, "data.userProfile")
    """The user who receives the code."""
    phone_number = text("data.messageProfile.phoneNumber")
    """The phone number in E.164 format or as bare digits."""
    code = text("data.messageProfile.otpCode")
    """The one-time code with its leading zeros: never log it."""
    message_template = text("data.messageProfile.msgTemplate")
    """The text of the message. It contains the code: never log it."""
    expires_at = moment("data.messageProfile.otpExpires")
    """When the code expires."""
    channel = text("data.messageProfile.deliveryChannel")
    """How to send the code, as Okta spells it: ``SMS``, ``Voice`` or ``voice call``."""
    locale = text("data.messageProfile.locale")
    """The language of the message, such as ``EN-US`` or ``en``."""

    @property
    def is_voice(self) -> bool:
        """Whether to call the user; False if Okta names SMS or no channel."""
        return (self.channel or "sms").strip().casefold() != "sms"


class UnknownHook(Hook):
    """A request with an ``eventType`` that this version does not know, or without one.

    For example:

    >>> from hookkey_verify.hooks import parse_hook
    >>> parse_hook({"eventType": "com.okta.of.tomorrow"}).event_type
    'com.okta.of.tomorrow'
    """

    __slots__ = ()


_CLASSES: Final[Mapping[str | None, type[Hook]]] = {
    kind.EVENT_TYPE: kind
    for kind in (
        TokenHook,
        SamlHook,
        RegistrationHook,
        ImportHook,
        PasswordImportHook,
        TelephonyHook,
    )
}


def parse_hook(body: bytes | bytearray | str | Mapping[str, Any]) -> Hook:
    """Read the body of a request and return the hook of the class that its ``eventType`` names.

    Verify the request first: this function trusts its sender.

    ``body``: the bytes or text of the body, or the decoded JSON object, which is not copied.

    Raises ``InvalidPayloadError`` if it is not a JSON object in UTF-8. The error contains no part
    of the body.
    """
    document, exact = _decoded(body) if isinstance(body, TEXTS) else (body, None)
    if type(document) is not dict and not isinstance(document, Mapping):
        raise InvalidPayloadError("send a JSON object; this is another value")
    hook = Hook(document, exact)
    return _CLASSES.get(hook.event_type, UnknownHook)(document, exact)


def _decoded(body: bytes | bytearray | str) -> tuple[Any, Any]:
    """Return the document and, if a float would lose digits, the same with exact numbers."""
    try:
        encoded = body if isinstance(body, str) else body.decode("utf-8")
        try:
            return _decoder(_float).decode(encoded), None
        except _InexactError:
            return _decoder(float).decode(encoded), _decoder(str).decode(encoded)
    except (ValueError, RecursionError):
        pass  # the context of an error that is raised here would contain the body
    raise InvalidPayloadError("send a JSON object in UTF-8; this cannot be decoded")


@cache
def _decoder(parse_float: Callable[[str], float | str]) -> JSONDecoder:
    from json import JSONDecoder  # noqa: PLC0415 - 2 ms, and the checks of replies need no JSON

    return JSONDecoder(parse_float=parse_float, parse_constant=_refuse)


class _InexactError(Exception):
    """Python's text of a float differs from the text of the JSON number."""


def _float(literal: str) -> float:
    number = float(literal)
    if repr(number) != literal:
        raise _InexactError
    return number


def _refuse(_constant: str) -> float:
    raise ValueError("NaN and infinities are not JSON")


def _shown(value: str | None) -> str:
    """Return an id for a repr, or ``?`` for text that does not look like one."""
    if value is None:
        return "None"
    letters = value.translate({ord("."): "a", ord("-"): "a", ord("_"): "a"})
    return value if len(value) <= _MAX_SHOWN and letters.isascii() and letters.isalnum() else "?"
