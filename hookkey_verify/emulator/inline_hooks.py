"""The org's inline hooks and their rules. Pure: no HTTP; time is a parameter.

https://developer.okta.com/docs/api/openapi/okta-management/management/tag/InlineHook/. Secrets are
write-only, as in Okta: no response contains them.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final
from urllib.parse import urlsplit

from .._runtime.clock import Clock, wall_clock
from ..hooks.rules import EVENT_TYPES
from .okta_error import identifier, invalid, not_found, timestamp
from .store import Store

__all__ = ["MAX_HOOKS", "EmulatedHook", "InlineHooks"]

MAX_HOOKS: Final = 100
MAX_URI: Final = 1024
MAX_SECRET: Final = 4096
_KIND = "hook"
_METHODS = ("POST", "PUT", "GET", "DELETE")
_AUTH_TYPES = ("client_secret_post", "private_key_jwt")


@dataclass(frozen=True, slots=True)
class EmulatedHook:
    """An inline hook of the org."""

    id: str
    name: str
    type: str
    status: str
    version: str
    created: str
    last_updated: str
    channel_type: str
    """HTTP or OAUTH."""
    uri: str
    headers: tuple[tuple[str, str], ...] = ()
    auth_header: tuple[str, str] | None = field(default=None, repr=False)
    """HTTP: the name of the authentication header and its secret."""
    auth_type: str | None = None
    """OAUTH: client_secret_post or private_key_jwt."""
    client_id: str = ""
    client_secret: str = field(default="", repr=False)
    token_url: str = ""
    scope: str = ""
    hook_key_id: str | None = None
    method: str = "POST"

    def document(self) -> dict[str, Any]:
        """Return the body as recorded, without secrets."""
        return {
            "id": self.id,
            "name": self.name,
            "type": self.type,
            "status": self.status,
            "version": self.version,
            "created": self.created,
            "lastUpdated": self.last_updated,
            "channel": self.channel(),
        }

    def channel(self) -> dict[str, Any]:
        """Return the channel without secrets."""
        config: dict[str, Any] = {
            "uri": self.uri,
            "method": self.method,
            "headers": [{"key": key, "value": value} for key, value in self.headers],
        }
        if self.channel_type == "HTTP":
            key = self.auth_header and {"type": "HEADER", "key": self.auth_header[0]}
            config["authScheme"] = key
        else:
            config |= {
                "authType": self.auth_type,
                "clientId": self.client_id,
                "tokenUrl": self.token_url,
                "scope": self.scope,
                "authScheme": None,
            }
            if self.hook_key_id is not None:
                config["hookKeyId"] = self.hook_key_id
        return {"type": self.channel_type, "version": "1.0.0", "config": config}


class InlineHooks:
    """The inline hooks of one org. Thread-safe."""

    def __init__(
        self,
        *,
        has_key: Callable[[str], bool],
        clock: Clock = wall_clock,
        store: Store | None = None,
        on_change: Callable[[str, EmulatedHook], object] = lambda *_: None,
    ) -> None:
        """Load the hooks of an org.

        ``has_key``: a function that returns whether the org has a hook key with this id.
        ``clock``: a function that returns epoch seconds. Default: the system clock.
        ``store``: stores the hooks. Default None: in memory.
        ``on_change``: a function that is called with "created", "updated", "activated",
            "deactivated" or "deleted" and the hook, after each change.

        Raises ``ConfigurationError`` if the stored hooks cannot be read.
        """
        self._has_key = has_key
        self._clock = clock
        self._on_change = on_change
        self._lock = threading.Lock()
        self._store = store or Store()
        self._hooks = self._store.load(_KIND, _stored)

    def uses(self, key_id: str) -> bool:
        """Return whether a hook uses the hook key with this ``id``."""
        return any(hook.hook_key_id == key_id for hook in self.all())

    def has(self, id: str) -> bool:  # noqa: A002
        """Return whether a hook has this ``id``."""
        return id in self._hooks

    def all(self) -> tuple[EmulatedHook, ...]:
        """Return all hooks."""
        return tuple(self._hooks.values())

    def list(self, kind: str | None = None) -> list[dict[str, Any]]:
        """Return all hooks, or those of one type."""
        return [hook.document() for hook in self.all() if kind in (None, hook.type)]

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create an active hook."""
        with self._lock:
            if len(self._hooks) >= MAX_HOOKS:
                # GUESS: Okta documents the limit, but not the response beyond it.
                raise invalid("inlineHook", f"The org has {MAX_HOOKS} inline hooks already.")
            hook = self._read(body, _new(body.get("type"), self._now()))
            self._keep(hook)
        return self._changed("created", hook)

    def get(self, id: str) -> EmulatedHook:  # noqa: A002 - Okta's name
        """Return one hook."""
        hook = self._hooks.get(id)
        if hook is None:
            raise not_found(id, "InlineHook")
        return hook

    def replace(self, id: str, body: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002
        """Replace a hook except its type and status, which are ignored.

        As recorded, omitted members of the channel are cleared. GUESS: omitted secrets remain
        unchanged, and so do a name, version and channel that are omitted, as Okta's schema allows.
        """
        with self._lock:
            old = self.get(id)
            kept = {"name": old.name, "version": old.version, "channel": old.channel()}
            hook = self._read({**kept, **body}, old)
            self._keep(hook)
        return self._changed("updated", hook)

    def set_status(self, id: str, status: str) -> dict[str, Any]:  # noqa: A002
        """Set a hook to ACTIVE or INACTIVE."""
        with self._lock:
            hook = replace(self.get(id), status=status, last_updated=self._now())
            self._keep(hook)
        return self._changed("activated" if status == "ACTIVE" else "deactivated", hook)

    def delete(self, id: str) -> None:  # noqa: A002
        """Delete an inactive hook."""
        with self._lock:
            if self.get(id).status != "INACTIVE":
                # GUESS: Okta documents that it must be inactive, but not the response.
                raise invalid("inlineHook", "The inline hook must be deactivated first.")
            self._store.drop(_KIND, id)
            hook = self._hooks.pop(id)
        self._changed("deleted", hook)

    def _changed(self, change: str, hook: EmulatedHook) -> dict[str, Any]:
        self._on_change(change, hook)
        return hook.document()

    def _keep(self, hook: EmulatedHook) -> None:
        self._store.put(_KIND, hook.id, asdict(hook))
        self._hooks[hook.id] = hook

    def _read(self, body: Mapping[str, Any], old: EmulatedHook) -> EmulatedHook:
        """Check a document by Okta's rules, in the order of its members."""
        name = _text(body, "name", 255)
        if any(hook.name == name and hook.id != old.id for hook in self._hooks.values()):
            raise invalid("name", "name: This name is in use already.")  # GUESS
        channel = _object(body, "channel")
        config = _object(channel, "config")
        channel_type = channel.get("type")
        if channel_type not in ("HTTP", "OAUTH"):
            raise invalid("channel.type", "channel.type: must be HTTP or OAUTH")
        hook = EmulatedHook(
            id=old.id,
            name=name,
            type=old.type,
            status=old.status,
            version=_text({"version": "1.0.0", **body}, "version", 20),
            created=old.created,
            last_updated=self._now(),
            channel_type=channel_type,
            uri=_uri(config, "uri"),
            headers=_headers(config.get("headers")),
            method=_method(config.get("method", "POST")),  # GUESS: the default
        )
        return (self._http if channel_type == "HTTP" else self._oauth)(hook, config, old)

    def _http(
        self, hook: EmulatedHook, config: Mapping[str, Any], old: EmulatedHook
    ) -> EmulatedHook:
        scheme = config.get("authScheme")
        if scheme is None:
            return hook
        if not isinstance(scheme, Mapping) or scheme.get("type") != "HEADER":
            raise invalid("authScheme", "channel.config.authScheme.type: must be HEADER")
        kept = old.auth_header[1] if old.auth_header else None
        secret = scheme.get("value", kept)
        secret = _text({"authScheme.value": secret}, "authScheme.value", MAX_SECRET)
        header = _header({"key": scheme.get("key"), "value": secret})
        return replace(hook, auth_header=header)

    def _oauth(
        self, hook: EmulatedHook, config: Mapping[str, Any], old: EmulatedHook
    ) -> EmulatedHook:
        auth_type = config.get("authType")
        if auth_type not in _AUTH_TYPES:
            raise invalid("authType", f"channel.config.authType: {' or '.join(_AUTH_TYPES)}")
        if config.get("authScheme") is not None:
            raise invalid("authScheme", "channel.config.authScheme: must be null for OAUTH")
        hook = replace(
            hook,
            auth_type=auth_type,
            client_id=_text(config, "clientId", 255),
            token_url=_uri(config, "tokenUrl"),
            scope=_scope(config),
        )
        if auth_type == "client_secret_post":
            if hook.method != "POST":
                raise invalid("method", "channel.config.method: must be POST")
            secret = config.get("clientSecret", old.client_secret)
            secret = _text({"clientSecret": secret}, "clientSecret", MAX_SECRET)
            return replace(hook, client_secret=secret)
        if config.get("clientSecret") is not None:  # GUESS: documented as null, but not the error
            raise invalid("clientSecret", "channel.config.clientSecret: must be null")
        key_id = _text(config, "hookKeyId", 64)
        if not self._has_key(key_id):
            raise invalid("hookKeyId", "channel.config.hookKeyId: there is no such hook key")
        return replace(hook, hook_key_id=key_id)

    def _now(self) -> str:
        return timestamp(self._clock())


_FIELD_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_LOOPBACK = ("127.0.0.1", "::1", "localhost")


def _new(kind: object, now: str) -> EmulatedHook:
    """Return a new hook of this type without name and channel."""
    if not isinstance(kind, str) or kind not in EVENT_TYPES:
        raise invalid("type", "type: must be one of " + ", ".join(EVENT_TYPES))
    return EmulatedHook("cal" + identifier(17), "", kind, "ACTIVE", "", now, now, "", "")


def _stored(body: Mapping[str, Any]) -> EmulatedHook:
    """Convert lists from JSON to tuples."""
    headers = tuple((str(key), str(value)) for key, value in body["headers"])
    secret = body["auth_header"] and tuple(body["auth_header"])
    return EmulatedHook(**{**body, "headers": headers, "auth_header": secret})


def _text(body: Mapping[str, Any], name: str, most: int) -> str:
    value = body.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= most or not value.isprintable():
        raise invalid(name, f"{name}: must have 1 to {most} printable characters")
    return value


def _uri(config: Mapping[str, Any], name: str) -> str:
    """Return a URL after checking it. Unlike Okta, http is accepted for loopback addresses."""
    uri = _text(config, name, MAX_URI)
    try:
        parts = urlsplit(uri)
    except ValueError:
        parts = urlsplit("")
    schemes = ("https", "http") if parts.hostname in _LOOPBACK else ("https",)
    if not parts.hostname or " " in uri or parts.scheme not in schemes:
        must = "must begin with https://, or here with http://localhost"
        raise invalid(name, f"channel.config.{name}: {must}")
    if parts.username is not None:  # GUESS: not documented
        raise invalid(name, f"channel.config.{name}: must not have a user name or password")
    return uri


def _scope(config: Mapping[str, Any]) -> str:
    scope = config.get("scope")
    if scope is None:
        return ""
    if not isinstance(scope, str) or len(scope) > 4096 or not scope.isprintable():
        raise invalid("scope", "channel.config.scope: must be text")
    return scope


def _object(body: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    value = body.get(name)
    if not isinstance(value, Mapping):
        raise invalid(name, f"{name}: must be an object")
    return value


def _method(value: object) -> str:
    if not isinstance(value, str) or value not in _METHODS:
        raise invalid("method", "channel.config.method: must be one of " + ", ".join(_METHODS))
    return value


def _headers(value: object) -> tuple[tuple[str, str], ...]:
    if value is None:
        return ()
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        raise invalid("headers", "channel.config.headers: must be a list of key and value")
    headers = tuple(_header(each) for each in value)
    # GUESS: which names are refused; the documentation has only Accept as an example.
    if any(key.lower() == "accept" for key, _ in headers):
        raise invalid("headers", "channel.config.headers: Accept cannot be set")
    return headers


def _header(pair: Mapping[str, Any]) -> tuple[str, str]:
    """Return the name and value of a header after checking them (RFC 9110 section 5)."""
    key, value = _text(pair, "key", 255), _text(pair, "value", MAX_SECRET)
    if not _FIELD_NAME.fullmatch(key) or not value.isascii() or value != value.strip():
        raise invalid("headers", "key must be a header's name, and value printable ASCII")
    return key, value
