"""The objects inside the payloads of Okta's inline hooks, with typed accessors. Pure.

Every view is lazy: it holds ``raw``, the JSON object, and reads a member when it is asked for.
A view whose object is absent is false, and its accessors return None or an empty value.

Source of the members: https://developer.okta.com/docs/references/api/webhooks and captured
requests, which differ in the spelling of some names. All known spellings are read.
"""

from __future__ import annotations

from collections.abc import Mapping

from .fields import (
    Part,
    as_array,
    flag,
    integer,
    mapping,
    member,
    moment,
    part,
    parts,
    text,
    texts,
)

__all__ = [
    "Application",
    "Assertion",
    "AttributeValue",
    "Client",
    "IdentityProvider",
    "ImportJob",
    "OAuthRequest",
    "OriginalGrant",
    "Request",
    "SamlAttribute",
    "Scope",
    "Session",
    "Subject",
    "TelephonyUser",
    "Token",
    "User",
]


class Request(Part):
    """The HTTP request to Okta that made Okta call the hook (``data.context.request``)."""

    __slots__ = ()

    id = text("id")
    """The id of the request."""
    method = text("method")
    """The HTTP method, such as ``GET``."""
    ip_address = text("ipAddress")
    """The IP address of the client."""
    url = text("url.value")
    """The absolute URL or only the path. It contains ``state`` and ``nonce``: do not log it."""


class IdentityProvider(Part):
    """The identity provider of a session (``data.context.session.idp``)."""

    __slots__ = ()

    id = text("id")
    """The id of the identity provider."""
    type = text("type")
    """``ACTIVE_DIRECTORY``, ``FEDERATION``, ``LDAP``, ``OKTA``, ``SOCIAL`` or another type."""


class Session(Part):
    """The user's session at Okta (``data.context.session``). It may be absent."""

    __slots__ = ()

    id = text("id")
    """The id of the session. It is sensitive: do not log it."""
    user_id = text("userId")
    """The id of the user."""
    login = text("login")
    """The login of the user."""
    status = text("status")
    """The status, such as ``ACTIVE``."""
    created_at = moment("createdAt")
    """When the session began."""
    expires_at = moment("expiresAt")
    """When the session ends."""
    last_password_verification = moment("lastPasswordVerification")
    """When the user last entered the password."""
    amr = texts("amr")
    """The authentication methods, such as ``PASSWORD``; an ID token has ``pwd`` instead."""
    idp = part(IdentityProvider, "idp")
    """The identity provider."""
    mfa_active = flag("mfaActive")
    """Whether multifactor authentication is active."""


class User(Part):
    """The user (``data.context.user``). It may be absent, and it is for client credentials.

    In a refresh, older versions of Okta sometimes sent the session's user. The claims of the access
    token name the token's user.
    """

    __slots__ = ()

    id = text("id")
    """The id of the user."""
    password_changed = moment("passwordChanged")
    """When the password was last changed."""
    profile = mapping("profile")
    """All attributes that Okta sent."""
    login = text("profile.login")
    """The login."""
    first_name = text("profile.firstName")
    """The first name."""
    last_name = text("profile.lastName")
    """The last name."""
    locale = text("profile.locale")
    """The locale, such as ``en`` or ``en_US``."""
    time_zone = text("profile.timeZone")
    """The time zone, such as ``America/Los_Angeles``."""
    groups_url = text("_links.groups.href")
    """The absolute URL or the path of the user's groups in Okta's management API."""
    factors_url = text("_links.factors.href")
    """The absolute URL or the path of the user's factors in Okta's management API."""


class OAuthRequest(Part):
    """The parameters of an OAuth request (``data.context.protocol.request``).

    A refresh has only ``redirect_uri``, ``grant_type`` and ``client_id``.
    """

    __slots__ = ()

    client_id = text("client_id")
    """The id of the OAuth client."""
    redirect_uri = text("redirect_uri")
    """The redirect URI."""
    response_mode = text("response_mode")
    """The response mode, such as ``query``."""
    response_type = text("response_type")
    """The response types, separated by spaces, such as ``token id_token``."""
    scope = text("scope")
    """The requested scopes, separated by spaces."""
    state = text("state")
    """The client's ``state``. It is sensitive: do not log it."""
    grant_type = text("grant_type")
    """The grant type, such as ``authorization_code``."""

    @property
    def scopes(self) -> tuple[str, ...]:
        """The requested scopes."""
        return tuple((self.scope or "").split())

    @property
    def response_types(self) -> tuple[str, ...]:
        """The response types."""
        return tuple((self.response_type or "").split())


class OriginalGrant(Part):
    """The grant that a refreshed token goes back to. It is absent except in a refresh.

    The specification calls it ``OriginalGrant``, and its first member ``request`` in older
    versions. Okta sends ``originalGrant`` and ``authorization``.
    """

    __slots__ = ()

    authorization = part(OAuthRequest, "authorization", "request")
    """The request that the user authorized."""
    refresh_token_id = text("refresh_token.jti")
    """The id of the refresh token that was used."""


class Client(Part):
    """The OAuth client (``data.context.protocol.client``)."""

    __slots__ = ()

    id = text("id")
    """The client id."""
    name = text("name")
    """The name of the app."""
    type = text("type")
    """The type, such as ``PUBLIC``."""


class Scope(Part):
    """One granted scope of an access token."""

    __slots__ = ()

    id = text("id")
    """The id of the scope at the authorization server."""
    action = text("action")
    """``GRANT``."""


class Token(Part):
    """A token that Okta is about to issue (``data.access`` or ``data.identity``).

    It is false if Okta does not issue a token of this kind.
    """

    __slots__ = ()

    claims = mapping("claims")
    """The claims; values may have any JSON type."""
    lifetime = integer("token.lifetime.expiration", "lifetime.expiration")
    """How long the token will be valid, in seconds."""
    scopes = parts(Scope, "scopes")
    """The granted scopes of an access token, by their names."""


class Subject(Part):
    """The subject of a SAML assertion (``data.assertion.subject``)."""

    __slots__ = ()

    name_id = text("nameId")
    """The NameID, usually the user's login at the app."""
    name_format = text("nameFormat")
    """The format of the NameID, a URN."""
    confirmation_method = text("confirmation.method")
    """The method of the subject confirmation, a URN."""
    recipient = text("confirmation.data.recipient")
    """The URL that receives the assertion."""


class AttributeValue(Part):
    """One value of a SAML attribute."""

    __slots__ = ()

    value = text("value")
    """The value. It is a string even if ``xsi_type`` is ``xs:integer``."""
    xsi_type = text("attributes.xsi:type")
    """The type of the value, such as ``xs:string``."""


class SamlAttribute(Part):
    """One attribute of a SAML assertion (``data.assertion.claims.{name}``)."""

    __slots__ = ()

    name_format = text("attributes.NameFormat")
    """The format of the attribute's name, a URN."""

    @property
    def attribute_values(self) -> tuple[AttributeValue, ...]:
        """The values with their types."""
        pairs = zip(
            as_array(self.raw.get("attributeValues")) or (),
            as_array(member(self._exact, ("attributeValues",))) or (),
            strict=False,  # the user may change raw
        )
        return tuple(AttributeValue(*pair) for pair in pairs if isinstance(pair[0], Mapping))

    @property
    def values(self) -> tuple[str, ...]:
        """The values without their types."""
        found = (each.value for each in self.attribute_values)
        return tuple(value for value in found if value is not None)


class Assertion(Part):
    """The SAML assertion that Okta is about to issue (``data.assertion``)."""

    __slots__ = ()

    subject = part(Subject, "subject")
    """The subject."""
    claims = mapping("claims")
    """The attributes as Okta sent them, by their names, which may be URIs."""
    attributes = parts(SamlAttribute, "claims")
    """The attributes with typed accessors, by their names."""
    audience = texts("conditions.audienceRestriction")
    """The audiences that may accept the assertion."""
    lifetime = integer("lifetime.expiration")
    """How long the assertion will be valid, in seconds."""
    session_index = text("authentication.sessionIndex")
    """The session index. It is sensitive: do not log it."""
    authn_context_class_ref = text("authentication.authnContext.authnContextClassRef")
    """How the user signed in, a URN."""


class Application(Part):
    """The app that users are imported from (``data.context.application``)."""

    __slots__ = ()

    name = text("name")
    """The name of the app's type."""
    id = text("id")
    """The id of the app."""
    label = text("label")
    """The name that administrators gave the app."""
    status = text("status")
    """``ACTIVE`` or ``INACTIVE``."""


class ImportJob(Part):
    """The import job (``data.context.job``)."""

    __slots__ = ()

    id = text("id")
    """The id of the job."""
    type = text("type")
    """The type, such as ``import:users``."""


class TelephonyUser(Part):
    """The user who receives a message (``data.userProfile`` of a telephony hook)."""

    __slots__ = ()

    id = text("userId")
    """The id of the user."""
    login = text("login")
    """The login."""
    first_name = text("firstName")
    """The first name."""
    last_name = text("lastName")
    """The last name."""
