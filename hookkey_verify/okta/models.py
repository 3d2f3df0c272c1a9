"""HookKey, InlineHook and LogEvent as Okta's management API returns them, read leniently. Pure.

Okta's specification and its servers differ: isUsed is a string in one and a boolean in the other,
and the public key may be absent. Only ids are required. ``raw`` has everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any, Literal

from .._jose.jwk import PublicKey
from ..errors import TransportError
from .paths import is_id

__all__ = ["Authentication", "HookKey", "InlineHook", "LogEvent"]

Authentication = Literal["private_key_jwt", "client_secret_post", "auth_header", "none"]
"""How Okta authenticates when it calls a hook; ``auth_header`` is a header with a secret."""

_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class HookKey:
    """A hook key of an org. ``raw`` is the original document.

    For example:

    >>> from hookkey_verify.okta import HookKey
    >>> key = HookKey.from_document({"id": "HKY1", "keyId": "key-1", "name": "Token hook"})
    >>> key.name, key.key_id, key.is_used
    ('Token hook', 'key-1', None)
    """

    id: str
    """The id in Okta's management API and in an inline hook's ``hookKeyId``: ``HKY…``."""
    key_id: str
    """The ``kid`` of the tokens that this key signs."""
    name: str
    created: datetime | None = None
    last_updated: datetime | None = None
    is_used: bool | None = None
    """Whether an inline hook uses it; such a key cannot be deleted. None: unknown."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_document(cls, document: object) -> HookKey:
        """Read a hook key. Raises ``TransportError`` if ``id`` or ``keyId`` is not usable."""
        raw = document if isinstance(document, Mapping) else {}
        ids = raw.get("id"), raw.get("keyId")
        if not all(map(is_id, ids)):
            problem = "the response is not a hook key: no usable id or keyId"
            raise TransportError(problem, status=200)
        used = raw.get("isUsed")
        name = raw.get("name")
        return cls(
            id=str(ids[0]),
            key_id=str(ids[1]),
            name=name if isinstance(name, str) else "",
            created=_time(raw.get("created")),
            last_updated=_time(raw.get("lastUpdated")),
            is_used=used if isinstance(used, bool) else _BOOLEANS.get(str(used).lower()),
            raw=MappingProxyType(dict(raw)),
        )

    @property
    def public_key(self) -> PublicKey | None:
        """The public key, or None if the response did not contain it.

        Raises ``KeyRejectedError`` if it is not acceptable.
        """
        if self.raw.get("_embedded") is None:
            return None
        return PublicKey.from_document(self.raw, expected_kid=self.key_id)


@dataclass(frozen=True, slots=True, kw_only=True)
class InlineHook:
    """An inline hook of an org. ``raw`` is the original document.

    Okta returns neither the value of the authentication header nor the client secret. It does
    return the values of ``headers``; ``repr`` contains neither them nor ``uri``.

    For example:

    >>> from hookkey_verify.okta import InlineHook
    >>> channel = {"type": "OAUTH", "config": {"authType": "private_key_jwt", "hookKeyId": "HKY1"}}
    >>> hook = InlineHook.from_document({"id": "cal1", "name": "Claims", "channel": channel})
    >>> hook.authentication, hook.hook_key_id
    ('private_key_jwt', 'HKY1')
    """

    id: str
    """The id in Okta's management API: ``cal…``."""
    name: str
    type: str
    """Okta's name of the type, such as ``com.okta.oauth2.tokens.transform``."""
    status: str = ""
    """``ACTIVE`` or ``INACTIVE``."""
    version: str = ""
    created: datetime | None = None
    last_updated: datetime | None = None
    channel_type: str = ""
    """``HTTP`` or ``OAUTH``."""
    uri: str = field(default="", repr=False)
    """The URL that Okta calls."""
    method: str = ""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False, hash=False)
    """Headers that Okta adds to each call."""
    auth_header: str | None = None
    """The name of the header that carries the secret of an ``HTTP`` hook."""
    auth_type: Literal["private_key_jwt", "client_secret_post"] | None = None
    """How an ``OAUTH`` hook authenticates at ``token_url``."""
    client_id: str | None = None
    hook_key_id: str | None = None
    """The ``id`` (``HKY…``) of the hook key that signs the client assertions."""
    token_url: str | None = None
    scope: str | None = None
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_document(cls, document: object) -> InlineHook:
        """Read an inline hook. Raises ``TransportError`` if ``id`` is not usable."""
        raw = _mapping(document)
        id_, channel = raw.get("id"), _mapping(raw.get("channel"))
        if not is_id(id_):
            problem = "the response is not an inline hook: no usable id"
            raise TransportError(problem, status=200)
        config = _mapping(channel.get("config"))
        auth_type = config.get("authType")
        return cls(
            id=str(id_),
            name=_text(raw.get("name")) or "",
            type=_text(raw.get("type")) or "",
            status=_text(raw.get("status")) or "",
            version=_text(raw.get("version")) or "",
            # Examples of Okta have the times inside the channel.
            created=_time(raw.get("created", channel.get("created"))),
            last_updated=_time(raw.get("lastUpdated", channel.get("lastUpdated"))),
            channel_type=_text(channel.get("type")) or "",
            uri=_text(config.get("uri")) or "",
            method=_text(config.get("method")) or "",
            headers=MappingProxyType(_headers(config.get("headers"))),
            auth_header=_auth_header(config.get("authScheme")),
            auth_type=auth_type if auth_type in _AUTH_TYPES else None,
            client_id=_text(config.get("clientId")),
            hook_key_id=_text(config.get("hookKeyId")),
            token_url=_text(config.get("tokenUrl")),
            scope=_text(config.get("scope")),
            raw=MappingProxyType(dict(raw)),
        )

    @property
    def authentication(self) -> Authentication | None:
        """How Okta authenticates when it calls this hook, or None if that is not known.

        ``private_key_jwt``: with an access token that Okta requests with a hook key.
        ``client_secret_post``: with an access token that Okta requests with a client secret.
        ``auth_header``: with a secret in a header. ``none``: Okta does not authenticate.
        """
        if self.channel_type == "OAUTH":
            return self.auth_type
        if self.channel_type == "HTTP" and self.auth_type is None:
            return "none" if self.auth_header is None else "auth_header"
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogEvent:
    """An event of the System Log. ``raw`` is the original document; no member of it is certain.

    For example:

    >>> from hookkey_verify.okta import LogEvent
    >>> target = {"id": "cal1", "displayName": "Claims"}
    >>> event = LogEvent.from_document({"eventType": "inline_hook.created", "target": [target]})
    >>> event.event_type, event.target_name
    ('inline_hook.created', 'Claims')
    """

    event_type: str
    """Okta's name of the event, such as ``inline_hook.executed``."""
    published: datetime | None = None
    uuid: str = ""
    result: str = ""
    """``SUCCESS``, ``FAILURE`` or another outcome."""
    reason: str = field(default="", repr=False)
    """Why it failed, in Okta's words or those of the handler. It may contain personal data."""
    target_id: str = ""
    """The id of the hook (``cal…``), or else of the first target."""
    target_name: str = ""
    debug: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)
    """The ``debugData``, which Okta may change at any time."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_document(cls, document: object) -> LogEvent:
        """Read an event. What cannot be read is empty or None."""
        raw = _mapping(document)
        outcome = _mapping(raw.get("outcome"))
        debug = _mapping(_mapping(raw.get("debugContext")).get("debugData"))
        listed = raw.get("target")
        targets = [_mapping(each) for each in (listed if isinstance(listed, list) else ())]
        hooks = [each for each in targets if str(each.get("id")).startswith("cal")]
        target = (hooks or targets or [{}])[0]
        return cls(
            event_type=_text(raw.get("eventType")) or "",
            published=_time(raw.get("published")),
            uuid=_text(raw.get("uuid")) or "",
            result=_text(outcome.get("result")) or "",
            reason=_text(outcome.get("reason")) or _text(debug.get("errorMessage")) or "",
            target_id=_text(target.get("id")) or "",
            target_name=_text(target.get("displayName")) or "",
            debug=MappingProxyType(dict(debug)),
            raw=MappingProxyType(dict(raw)),
        )


_AUTH_TYPES = ("private_key_jwt", "client_secret_post")


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def _headers(value: object) -> dict[str, str]:
    """Return the headers of a hook by name, without members that cannot be read."""
    pairs = map(_mapping, value if isinstance(value, list) else ())
    found = [(_text(pair.get("key")), _text(pair.get("value"))) for pair in pairs]
    return {key: text or "" for key, text in found if key}


def _auth_header(scheme: object) -> str | None:
    """Return the name of the authentication header, "" if it cannot be read."""
    return None if scheme is None else _text(_mapping(scheme).get("key")) or ""


def _time(value: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        if time is not None and time.tzinfo is not None and 1970 < time.year < 9999:
            return time.astimezone(UTC)
    except ValueError:
        pass
    return None
