"""Creates and changes inline hooks with Python arguments. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .inline_hooks import EmulatedHook
from .okta_error import OktaError, invalid
from .parts import Parts
from .service_apps import new_client_id

__all__ = ["HookRequest", "changed_hook", "handler_settings", "new_hook"]


@dataclass(frozen=True, slots=True)
class HookRequest:
    """The arguments of ``OktaEmulator.create_hook``."""

    uri: str
    type: str
    name: str
    key: Mapping[str, Any] | str | None
    token_url: str | None
    client_id: str | None
    client_secret: str | None = field(repr=False)
    scope: str | None
    secret: tuple[str, str] | None = field(repr=False)

    @property
    def is_oauth(self) -> bool:
        """Whether the hook authenticates with an access token."""
        return self.key is not None or self.client_secret is not None

    def refuse_contradictions(self) -> None:
        """Raise ``OktaError`` for values of a wrong type or without effect."""
        for name in ("token_url", "client_id", "client_secret", "scope"):
            if not isinstance(getattr(self, name), str | None):
                raise _refused(f"{name} must be text")
        if self.secret is not None and not _is_header(self.secret):
            raise _refused("secret must be the name and the value of a header")
        ways = self._given("key", "client_secret", "secret")
        if len(ways) > 1:
            raise _refused(f"{' and '.join(ways)} cannot be combined")
        unused = self._given("token_url", "client_id", "scope")
        if unused and not self._given("key", "client_secret"):
            names = " and ".join(unused)
            raise _refused(f"{names} can only be used with key or client_secret")

    def _given(self, *names: str) -> list[str]:
        return [name for name in names if getattr(self, name) is not None]


def new_hook(parts: Parts, request: HookRequest, *, issuer: str | None) -> dict[str, Any]:
    """Create an inline hook.

    ``issuer`` is the issuer of the org's authorization server, or None while the org is not
    running. Raises ``OktaError``.
    """
    return parts.hooks.create(_document(parts, request, issuer))


def changed_hook(
    parts: Parts,
    id: str,  # noqa: A002 - Okta's name
    request: HookRequest,
    *,
    issuer: str,
) -> dict[str, Any]:
    """Replace an inline hook and the credentials of its client.

    The hook keeps its type, status, version, method and headers, which a request does not have.

    ``id``: the id of the hook.
    ``request``: the new values. Default ``client_id`` None: that of the hook, if it has one.
    ``issuer``: the issuer of the org's authorization server.

    Raises ``OktaError``; the hook is then unchanged.
    """
    old = parts.hooks.get(id)
    if request.is_oauth and request.client_id is None and old.client_id:
        request = replace(request, client_id=old.client_id)
    client = (old.token_url, old.client_id)
    keeps_client = request.is_oauth and client == (f"{issuer}/v1/token", request.client_id)
    if not keeps_client or request.token_url is not None:
        return parts.hooks.replace(id, _replacement(parts, request, issuer, old))
    request = replace(request, token_url=old.token_url)
    changed = parts.hooks.replace(id, _replacement(parts, request, issuer, old))
    parts.clients.register(parts.hooks.get(id), replaces=True)
    return changed


def handler_settings(
    parts: Parts, hook: Mapping[str, Any], org_url: str, issuer: str | None
) -> dict[str, Any]:
    """Return the values for configuring a handler of a hook.

    ``hook``: Okta's document of the hook.
    ``org_url``: the URL of the org; empty if it is not known.
    ``issuer``: the issuer of the org's authorization server, or None.
    """
    settings: dict[str, Any] = {"orgUrl": org_url, "apiToken": parts.api_token}
    config = hook["channel"]["config"]
    if hook["channel"]["type"] == "OAUTH":
        settings |= {name: config[name] for name in ("tokenUrl", "clientId", "scope")}
        if config["tokenUrl"] == f"{issuer}/v1/token":
            settings |= {"issuer": issuer, "audience": parts.server.audience}
    return settings


def _document(parts: Parts, request: HookRequest, issuer: str | None) -> dict[str, Any]:
    """Return the body of a request to Okta's API. Raises ``OktaError``."""
    key = None if request.key is None else _key_of(parts, request.key)
    request.refuse_contradictions()
    config: dict[str, Any] = {"uri": request.uri}
    if request.is_oauth:
        config |= _credentials(request, None if key is None else key["id"])
        if request.token_url is None:
            config |= _own_client(parts, config, issuer)
    else:
        header = request.secret
        config["authScheme"] = header and {"type": "HEADER", "key": header[0], "value": header[1]}
    channel = {"type": "OAUTH" if request.is_oauth else "HTTP", "config": config}
    return {"name": request.name, "type": request.type, "channel": channel}


def _replacement(
    parts: Parts, request: HookRequest, issuer: str, old: EmulatedHook
) -> dict[str, Any]:
    """Return the document of a request with the settings of the hook that it does not have."""
    document = _document(parts, request, issuer)
    config = old.channel()["config"]
    document["channel"]["config"] |= {name: config[name] for name in ("method", "headers")}
    return document


def _credentials(request: HookRequest, key_id: str | None) -> dict[str, Any]:
    config: dict[str, Any] = {
        "tokenUrl": request.token_url,
        "clientId": request.client_id,
        "scope": "hooks" if request.scope is None else request.scope,
    }
    if key_id is None:
        return {**config, "authType": "client_secret_post", "clientSecret": request.client_secret}
    return {**config, "authType": "private_key_jwt", "hookKeyId": key_id}


def _own_client(parts: Parts, config: Mapping[str, Any], issuer: str | None) -> dict[str, str]:
    """Return token URL and client id at the org's own authorization server."""
    if issuer is None:
        raise _refused("token_url is needed, because the org is not running; or pass issuer")
    client_id = config["clientId"] or new_client_id()
    secret = config.get("clientSecret", "")
    if not parts.clients.is_free(client_id, config.get("hookKeyId"), secret):
        raise invalid("clientId", "clientId: another client of the org has it")
    return {"tokenUrl": f"{issuer}/v1/token", "clientId": client_id}


def _key_of(parts: Parts, key: object) -> Mapping[str, Any]:
    """Return the hook key for a document, an id or a name. An id is preferred to a name."""
    wanted = key.get("id") if isinstance(key, Mapping) else key
    keys = parts.keys.list()
    for member in ("id", "keyId", "name"):
        for each in keys:
            if each[member] == wanted:
                return each
    raise _refused("key must be a hook key of this org: a document, a name or an id")


def _is_header(value: object) -> bool:
    return isinstance(value, Sequence) and [type(each) for each in value] == [str, str]


def _refused(cause: str) -> OktaError:
    return OktaError(400, "E0000001", "Api validation failed", cause)
