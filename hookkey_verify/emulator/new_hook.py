"""Creates inline hooks from Python arguments, and registers the clients of hooks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from .inline_hooks import EmulatedHook
from .okta_error import OktaError
from .parts import Parts

__all__ = ["HookRequest", "new_hook", "register_client"]


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
    key = None if request.key is None else _key_of(parts, request.key)
    request.refuse_contradictions()
    if key is None and request.client_secret is None:
        secret = request.secret
        scheme = secret and {"type": "HEADER", "key": secret[0], "value": secret[1]}
        config: dict[str, Any] = {"uri": request.uri, "authScheme": scheme}
        return _created(parts, request, "HTTP", config)
    config = _oauth_config(request, key)
    if request.token_url is not None:
        return _created(parts, request, "OAUTH", config)
    if issuer is None:
        raise _refused("token_url is needed, because the org is not running; or pass issuer")
    is_known = request.client_id is not None and parts.apps.knows(request.client_id)
    client_id = _client(parts, key, request.client_secret, config["scope"], request.client_id)
    config |= {"tokenUrl": f"{issuer}/v1/token", "clientId": client_id}
    try:
        return _created(parts, request, "OAUTH", config)
    except OktaError:
        if not is_known:
            parts.apps.forget(client_id)
        raise


def register_client(
    parts: Parts, hook: EmulatedHook | None, before: EmulatedHook | None = None
) -> None:
    """Register the client of a hook from the API, if the org's own server issues its token.

    In Okta, an administrator creates the client, an app with the hook's public key or secret. Here
    that app follows its hook. Another client that has the id is left unchanged.

    ``hook``: the hook. None: it was deleted.
    ``before``: the hook before it was replaced or deleted. Default None: it is new.
    """
    if before is not None and _is_own(parts, before) and _has_client(parts, before):
        used = map(_credentials, filter(partial(_is_own, parts), parts.hooks.all()))
        if _credentials(before) not in used:
            parts.apps.forget(before.client_id)
    if hook is None or not _is_own(parts, hook):
        return
    if not parts.apps.knows(hook.client_id) or _has_client(parts, hook):
        key = None if hook.hook_key_id is None else {"id": hook.hook_key_id}
        _client(parts, key, hook.client_secret, hook.scope, hook.client_id)


def _is_own(parts: Parts, hook: EmulatedHook) -> bool:
    return hook.token_url.endswith(f"/oauth2/{parts.server.id}/v1/token")


def _credentials(hook: EmulatedHook) -> tuple[str, str | None, str]:
    return hook.client_id, hook.hook_key_id, hook.client_secret


def _has_client(parts: Parts, hook: EmulatedHook) -> bool:
    id_ = hook.hook_key_id
    jwk = None if id_ is None else parts.keys.signer_of(id_).public_jwk()
    return parts.apps.has(hook.client_id, jwk, hook.client_secret)


def _created(
    parts: Parts, request: HookRequest, kind: str, config: Mapping[str, Any]
) -> dict[str, Any]:
    channel = {"type": kind, "config": config}
    return parts.hooks.create({"name": request.name, "type": request.type, "channel": channel})


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
) -> str:
    """Register the client of a hook at the org's own authorization server."""
    if key is None:
        return parts.apps.register_secret(secret or "", scope.split(), client_id=client_id)
    jwk = parts.keys.signer_of(key["id"]).public_jwk()
    return parts.apps.register(jwk, scope.split(), client_id=client_id)


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
