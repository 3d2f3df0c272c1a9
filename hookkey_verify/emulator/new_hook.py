"""Creates inline hooks from Python arguments, and registers the clients of hooks. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from .inline_hooks import EmulatedHook
from .okta_error import OktaError
from .parts import Parts

__all__ = ["HookRequest", "changed_hook", "forget_client", "new_hook", "register_client"]


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
    """Create an inline hook, and register its client if the org's own server issues its tokens.

    ``issuer`` is the issuer of that server, or None while the org is not running. Raises
    ``OktaError``.
    """
    return _written(parts, request, issuer, parts.hooks.create)


def changed_hook(
    parts: Parts,
    id: str,  # noqa: A002 - Okta's name
    request: HookRequest,
    *,
    issuer: str,
) -> dict[str, Any]:
    """Replace an inline hook, except its type and status, and the credentials of its client.

    ``id``: the id of the hook.
    ``request``: the new values. Default ``client_id`` None: that of the hook, if it has one.
    ``issuer``: the issuer of the org's authorization server.

    Raises ``OktaError``; the hook is then unchanged.
    """
    old = parts.hooks.get(id)
    is_oauth = request.key is not None or request.client_secret is not None
    if is_oauth and request.client_id is None and old.client_id:
        request = replace(request, client_id=old.client_id)
    is_client = old.token_url == f"{issuer}/v1/token" and request.client_id == old.client_id
    if not is_oauth or not is_client or request.token_url is not None:
        return _written(parts, request, issuer, partial(parts.hooks.replace, id))
    # The client stays the same, but its key or its secret may be another one.
    changed = _written(
        parts, replace(request, token_url=old.token_url), issuer, partial(parts.hooks.replace, id)
    )
    key = None if request.key is None else _key_of(parts, request.key)
    scope = changed["channel"]["config"]["scope"]
    _client(parts, key, request.client_secret, scope, old.client_id, replaces=True)
    return changed


def _written(
    parts: Parts,
    request: HookRequest,
    issuer: str | None,
    write: Callable[[Mapping[str, Any]], dict[str, Any]],
) -> dict[str, Any]:
    key = None if request.key is None else _key_of(parts, request.key)
    request.refuse_contradictions()
    if key is None and request.client_secret is None:
        secret = request.secret
        scheme = secret and {"type": "HEADER", "key": secret[0], "value": secret[1]}
        config: dict[str, Any] = {"uri": request.uri, "authScheme": scheme}
        return write(_document(request, "HTTP", config))
    config = _oauth_config(request, key)
    if request.token_url is not None:
        return write(_document(request, "OAUTH", config))
    if issuer is None:
        raise _refused("token_url is needed, because the org is not running; or pass issuer")
    is_known = request.client_id is not None and parts.apps.knows(request.client_id)
    client_id = _client(parts, key, request.client_secret, config["scope"], request.client_id)
    config |= {"tokenUrl": f"{issuer}/v1/token", "clientId": client_id}
    try:
        return write(_document(request, "OAUTH", config))
    except OktaError:
        if not is_known:
            parts.apps.forget(client_id)
        raise


def register_client(parts: Parts, hook: EmulatedHook) -> None:
    """Register the client of a hook that the API has written, or the scope that it lacks.

    In Okta, an administrator creates the client, an app with the hook's public key or secret. It
    does not follow the hook: a new key must be added to the app before a hook uses it.
    """
    if _is_own(parts, hook) and (not parts.apps.knows(hook.client_id) or _has_client(parts, hook)):
        key = None if hook.hook_key_id is None else {"id": hook.hook_key_id}
        _client(parts, key, hook.client_secret, hook.scope, hook.client_id)


def forget_client(parts: Parts, hook: EmulatedHook) -> None:
    """Forget the client of a hook that the API has deleted, unless another hook uses it."""
    others = {each.client_id for each in parts.hooks.all() if _is_own(parts, each)}
    with suppress(OktaError):  # the console deletes keys that hooks use
        if _is_own(parts, hook) and hook.client_id not in others and _has_client(parts, hook):
            parts.apps.forget(hook.client_id)


def _has_client(parts: Parts, hook: EmulatedHook) -> bool:
    """Return whether the app with the hook's client id has its key or secret."""
    id_ = hook.hook_key_id
    jwk = None if id_ is None else parts.keys.signer_of(id_).public_jwk()
    return parts.apps.has(hook.client_id, jwk, hook.client_secret)


def _is_own(parts: Parts, hook: EmulatedHook) -> bool:
    """Return whether the org's own authorization server issues the tokens of the hook."""
    return hook.token_url.endswith(f"/oauth2/{parts.server.id}/v1/token")


def _document(request: HookRequest, kind: str, config: Mapping[str, Any]) -> dict[str, Any]:
    channel = {"type": kind, "config": config}
    return {"name": request.name, "type": request.type, "channel": channel}


def _oauth_config(request: HookRequest, key: Mapping[str, Any] | None) -> dict[str, Any]:
    config: dict[str, Any] = {
        "uri": request.uri,
        "tokenUrl": request.token_url,
        "clientId": request.client_id,
        "scope": "hooks" if request.scope is None else request.scope,
    }
    if key is None:
        return {**config, "authType": "client_secret_post", "clientSecret": request.client_secret}
    return {**config, "authType": "private_key_jwt", "hookKeyId": key["id"]}


def _client(
    parts: Parts,
    key: Mapping[str, Any] | None,
    secret: str | None,
    scope: str,
    client_id: str | None,
    *,
    replaces: bool = False,
) -> str:
    """Register the client of a hook at the org's own authorization server."""
    apps, scopes = parts.apps, scope.split()
    if key is None:
        secret = secret or ""
        return apps.register_secret(secret, scopes, client_id=client_id, replaces=replaces)
    jwk = parts.keys.signer_of(key["id"]).public_jwk()
    return apps.register(jwk, scopes, client_id=client_id, replaces=replaces)


def _key_of(parts: Parts, key: object) -> Mapping[str, Any]:
    """Return the hook key for a document, a name or an id."""
    wanted = key.get("id") if isinstance(key, Mapping) else key
    for each in parts.keys.list():
        if wanted in (each["id"], each["keyId"], each["name"]):
            return each
    raise _refused("key must be a hook key of this org: a document, a name or an id")


def _is_header(value: object) -> bool:
    return isinstance(value, Sequence) and [type(each) for each in value] == [str, str]


def _refused(cause: str) -> OktaError:
    return OktaError(400, "E0000001", "Api validation failed", cause)
