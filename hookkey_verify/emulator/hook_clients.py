"""Registers the clients of inline hooks at the org's own authorization server. Pure.

In Okta, an administrator creates the client: an app with the hook's public key or secret. Here the
app exists as soon as a hook needs it. As in Okta, it does not follow the hook: a new key must be
added to the app before a hook uses it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

from ..signer import HookSigner
from .authorization_server import EmulatedServer
from .inline_hooks import EmulatedHook
from .okta_error import OktaError
from .service_apps import ServiceApps

__all__ = ["HookClients"]


class HookClients:
    """The clients of the hooks of one org. Thread-safe."""

    def __init__(
        self, apps: ServiceApps, server: EmulatedServer, signer_of: Callable[[str], HookSigner]
    ) -> None:
        """Register clients as apps.

        ``apps``: the apps of the org.
        ``server``: the org's authorization server.
        ``signer_of``: a function that returns the signer for the id of a hook key, and raises
            ``OktaError`` if there is none.
        """
        self._apps = apps
        self._path = f"{server.issuer('')}/v1/token"
        self._signer_of = signer_of

    def hook_changed(self, change: str, hook: EmulatedHook, hooks: Iterable[EmulatedHook]) -> None:
        """Register the client of a hook, or forget the client of a deleted one.

        ``change``: "created", "updated" or "deleted"; others have no effect.
        ``hook``: the hook. Its client is registered if no other app has the client id.
        ``hooks``: the hooks of the org. A client that one of them uses is not forgotten.

        Raises ``OktaError`` if the state cannot be written.
        """
        if not self._is_own(hook):
            return
        if change in ("created", "updated"):
            self.register(hook)
        used = {each.client_id for each in hooks if self._is_own(each)}
        if change == "deleted" and hook.client_id not in used:
            with suppress(OktaError):  # the emulator also deletes keys that hooks use
                if self.is_free(hook.client_id, hook.hook_key_id, hook.client_secret):
                    self._apps.forget(hook.client_id)

    def register(self, hook: EmulatedHook, *, replaces: bool = False) -> None:
        """Register the client of a hook, or the scopes that it lacks.

        ``hook``: a hook with OAuth.
        ``replaces``: whether an app with its client id gets its credentials. Default False: an app
            with other credentials stays as it is.

        Raises ``OktaError`` if the hook key does not exist, or if the state cannot be written.
        """
        self._apps.register_client(
            hook.client_id,
            self._jwk(hook.hook_key_id),
            hook.client_secret,
            hook.scope.split(),
            replaces=replaces,
        )

    def is_free(self, client_id: str, key_id: str | None, secret: str) -> bool:
        """Return whether a hook with this key or secret can have the client id.

        Raises ``OktaError`` if the hook key does not exist.
        """
        return self._apps.is_free(client_id, self._jwk(key_id), secret)

    def _jwk(self, key_id: str | None) -> Mapping[str, Any] | None:
        return None if key_id is None else self._signer_of(key_id).public_jwk()

    def _is_own(self, hook: EmulatedHook) -> bool:
        """Return whether the org's own authorization server issues the tokens of the hook."""
        return hook.token_url.endswith(self._path)
