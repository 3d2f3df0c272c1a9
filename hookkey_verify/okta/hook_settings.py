"""Builds the JSON of inline hooks from arguments and changes. Pure.

https://developer.okta.com/docs/api/openapi/okta-management/management/tag/InlineHook/. A replace
needs everything that must remain, and Okta does not return secrets. So a replace is refused unless
it brings the hook's secret, or changes to an authentication without one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from ..errors import ConfigurationError, TransportError
from .http import check_url
from .models import Authentication, InlineHook
from .org_client import checked_id, checked_name

__all__ = ["check_changes", "checked_type", "new_hook", "replaced_hook"]

MAX_URI: Final = 1024
MAX_TEXT: Final = 4096
VERSION: Final = "1.0.0"

_METHODS = ("POST", "PUT", "GET", "DELETE")
_TYPE = re.compile(r"[A-Za-z0-9._-]{1,255}")
_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,255}")
"""The name of a header (RFC 9110 section 5.1)."""

_WAYS: Final[Mapping[str, Authentication]] = {
    "auth_header": "auth_header",
    "client_secret": "client_secret_post",
    "hook_key_id": "private_key_jwt",
}
"""The arguments that select how Okta authenticates."""
_OF_OAUTH: Final = ("client_id", "token_url", "scope")
_CHOICE: Final = (
    "auth_header=, a pair of name and value; or client_secret=, client_id= and token_url=; or "
    "hook_key_id=, client_id= and token_url="
)


def new_hook(name: str, type: str, uri: str, settings: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002
    """Return the body that creates a hook. Raises ``ConfigurationError`` naming the argument."""
    given = {name: value for name, value in settings.items() if value is not None}
    checked = _checked({"method": "POST", "headers": {}, **given, "name": name, "uri": uri})
    if not set(_WAYS) & set(checked):
        raise ConfigurationError(f"say how Okta authenticates: pass {_CHOICE}")
    channel = _channel({}, "none", checked)
    return {"name": checked["name"], "type": checked_type(type), **_versions(checked, {}, channel)}


def replaced_hook(hook: InlineHook, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the body that replaces a hook, with these changes and everything else as it is.

    Raises ``ConfigurationError`` naming the argument to change or add, and ``TransportError`` if
    the hook was not read completely.
    """
    checked = _checked(changes)
    old = hook.raw.get("channel")
    read = old.get("config") if isinstance(old, Mapping) else None
    pairs = (read.get("headers") or []) if isinstance(read, Mapping) else None
    if not (hook.name and isinstance(old, Mapping) and isinstance(pairs, list)):
        raise TransportError("the hook cannot be read completely, so it cannot be replaced")
    config = {name: value for name, value in old["config"].items() if name != "clientSecret"}
    config["headers"] = [*filter(None, pairs)]
    channel = _channel(config, hook.authentication, checked)
    return {"name": checked.get("name", hook.name), **_versions(checked, old, channel, hook)}


def check_changes(changes: Mapping[str, Any]) -> None:
    """Check changes before the hook is read. Raises ``ConfigurationError``."""
    if not changes:
        raise ConfigurationError(f"pass what to change: {', '.join(_CHECKS)}")
    _checked(changes)
    _way(changes)


def checked_type(type: object) -> str:  # noqa: A002
    """Return the type of a hook after checking its characters; Okta may add types."""
    if not isinstance(type, str) or not _TYPE.fullmatch(type):
        raise ConfigurationError("type must be Okta's name, such as com.okta.saml.tokens.transform")
    return type


def _versions(
    checked: Mapping[str, Any],
    old: Mapping[str, Any],
    channel: Mapping[str, Any],
    hook: InlineHook | None = None,
) -> dict[str, Any]:
    """Return the members version and channel."""
    version = checked.get("version") or (hook.version if hook else "") or VERSION
    return {"version": version, "channel": {"version": old.get("version") or VERSION, **channel}}


def _checked(changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the changes as the values of Okta's members. Raises ``ConfigurationError``."""
    for name in changes:
        if name not in _CHECKS:
            why = _IMMUTABLE.get(name, "is not a setting of inline hooks that can be changed")
            raise ConfigurationError(f"{name} {why}; the settings are: {', '.join(_CHECKS)}")
    return {name: _CHECKS[name](name, value) for name, value in changes.items()}


def _way(changes: Collection[str]) -> Authentication | None:
    """Return the authentication that the changes select. Raises ``ConfigurationError``."""
    ways = [name for name in _WAYS if name in changes]
    if len(ways) > 1:
        raise ConfigurationError(f"{' and '.join(ways)} cannot be combined")
    return _WAYS[ways[0]] if ways else None


def _kept(was: Authentication | None) -> Authentication:
    """Return the authentication of a hook if a replace can keep it, or say what it would lose."""
    match was:
        case "auth_header":
            raise ConfigurationError(
                "auth_header is missing: Okta does not return the value of the hook's "
                "authentication header, so it would be lost. Pass auth_header= with name and value "
                "again; or pass hook_key_id=, client_id= and token_url= to change to "
                "private_key_jwt, which needs no secret"
            )
        case "client_secret_post":
            raise ConfigurationError(
                "client_secret is missing: Okta does not return the hook's client secret, so it "
                "would be lost. Pass client_secret= again; or pass hook_key_id= to change to "
                "private_key_jwt, which needs no secret"
            )
        case None:
            raise ConfigurationError(
                "it is not known how this hook authenticates, so a replace could lose a secret: "
                f"pass {_CHOICE}"
            )
    return was


def _channel(
    old: Mapping[str, Any], was: Authentication | None, checked: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the members type and config of the channel."""
    way = _way(checked) or _kept(was)
    config = {**old, **{_MEMBERS[name]: checked[name] for name in _MEMBERS if name in checked}}
    if way in ("none", "auth_header"):
        unused = [name for name in _OF_OAUTH if name in checked]
        if unused:
            names = " and ".join(f"{name}=" for name in unused)
            raise ConfigurationError(f"pass hook_key_id= or client_secret= to use {names}")
        for name in (*_OF_OAUTH, "client_secret", "hook_key_id"):
            config.pop(_MEMBERS[name], None)
        config.pop("authType", None)
        return {"type": "HTTP", "config": config}
    needed = ("client_id", "token_url", *(["hook_key_id"] if way == "private_key_jwt" else []))
    missing = [f"{name}=" for name in needed if not config.get(_MEMBERS[name])]
    if missing:
        raise ConfigurationError(f"pass {' and '.join(missing)} too, for {way}")
    if way == "client_secret_post":
        config.pop("hookKeyId", None)
        if config.get("method", "POST") != "POST":
            raise ConfigurationError("method must be POST with client_secret")
    return {"type": "OAUTH", "config": {**config, "authType": way, "authScheme": None}}


def _name(_: str, value: object) -> str:
    return checked_name(value)


def _url(name: str, value: object) -> str:
    url = check_url(name, value, example="https://hooks.acme.com/hook", query=True)
    if not isinstance(value, str) or len(value) > MAX_URI or len(url) > MAX_URI:
        raise ConfigurationError(f"{name} must have at most {MAX_URI} characters")
    return value  # as it was given, because others compare it character by character


def _method(name: str, value: object) -> str:
    if not isinstance(value, str) or value not in _METHODS:
        raise ConfigurationError(f"{name} must be one of {', '.join(_METHODS)}")
    return value


def _short(name: str, value: object) -> str:
    """Check a text that is not secret."""
    if not isinstance(value, str) or not 1 <= len(value) <= MAX_TEXT or not value.isprintable():
        raise ConfigurationError(f"{name} must be 1 to {MAX_TEXT} printable characters")
    return value


def _scope(name: str, value: object) -> str | None:
    if value in (None, ""):
        return None
    if not isinstance(value, str):
        raise ConfigurationError(f"{name} must be text; spaces separate scopes")
    return _short(name, value)


def _field_value(name: str, value: object) -> str:
    text = _short(name, value)
    if text != text.strip() or not text.isascii():
        raise ConfigurationError(f"{name} must be ASCII without spaces at its ends")
    return text


def _field_name(name: str, value: object) -> str:
    if not isinstance(value, str) or not _FIELD_NAME.fullmatch(value):
        raise ConfigurationError(f"{name} must be the name of a header")
    return value


def _headers(name: str, value: object) -> list[dict[str, str]]:
    if not isinstance(value, Mapping):
        raise ConfigurationError(f"{name} must map names of headers to values")
    pairs = [
        {
            "key": _field_name(f"each name in {name}", key),
            "value": _field_value(f"each value in {name}", text),
        }
        for key, text in value.items()
    ]
    if len({pair["key"].lower() for pair in pairs}) < len(pairs):
        raise ConfigurationError(f"two of the names in {name} differ only in case")
    return pairs


def _auth_header(name: str, value: object) -> dict[str, str]:
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise ConfigurationError(f"{name} must be a pair: the name and the value of a header")
    key = _field_name(f"the name in {name}", value[0])
    secret = _field_value(f"the value in {name}", value[1])
    return {"type": "HEADER", "key": key, "value": secret}


_CHECKS: Final[Mapping[str, Callable[[str, object], Any]]] = {
    "name": _name,
    "uri": _url,
    "method": _method,
    "headers": _headers,
    "version": _short,
    "auth_header": _auth_header,
    "client_secret": _short,
    "client_id": _short,
    "hook_key_id": checked_id,
    "token_url": _url,
    "scope": _scope,
}
"""The settings that can be given and changed, each with its check."""

_MEMBERS: Final = {
    "uri": "uri",
    "method": "method",
    "headers": "headers",
    "auth_header": "authScheme",
    "client_secret": "clientSecret",
    "client_id": "clientId",
    "hook_key_id": "hookKeyId",
    "token_url": "tokenUrl",
    "scope": "scope",
}
"""The members of Okta's ``channel.config``."""

_IMMUTABLE: Final = {
    "id": "cannot be changed",
    "type": "cannot be changed: create another hook",
    "status": "is changed by activate and deactivate",
    "channel_type": "follows from auth_header, client_secret or hook_key_id",
    "auth_type": "follows from client_secret or hook_key_id",
}
