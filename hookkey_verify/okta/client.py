"""HookKeysClient manages hook keys through Okta's management API.

https://developer.okta.com/docs/api/openapi/okta-management/management/tag/HookKey/
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from .._jose.jwk import PublicKey
from ..errors import (
    HookKeyApiError,
    KeyInUseError,
    KeyLimitError,
    NotFoundError,
    TransportError,
    ValidationFailedError,
)
from .http import Answer
from .models import HookKey
from .org_client import (
    AsyncOrgClient,
    OrgClient,
    checked_id,
    checked_name,
    in_thread,
    reported,
    same_error,
)
from .paths import HOOK_KEYS, MAX_LIST

if TYPE_CHECKING:
    from .applications import ApplicationKeysClient, AsyncApplicationKeysClient
    from .inline_hooks import AsyncInlineHooksClient, InlineHooksClient
    from .rotation import AsyncKeyRotation, KeyRotation

__all__ = ["AsyncHookKeysClient", "HookKeysClient"]

MAX_KEYS: Final = 50
HookKeyList = list[HookKey]  # in the classes below, list is a method


class HookKeysClient(OrgClient):
    """Manages the hook keys of one org. Thread-safe. Close it, or use it as a context manager.

    All methods raise the ``HookKeyApiError`` for Okta's response. Invalid arguments raise
    ``ConfigurationError`` before a request is sent. Reading requires okta.inlineHooks.read, and
    changes require okta.inlineHooks.manage.

    For example:

    >>> from hookkey_verify import ApiToken, HookKeysClient
    >>> from hookkey_verify.emulator import OktaEmulator
    >>> with OktaEmulator() as okta, HookKeysClient(okta.url, ApiToken(okta.api_token)) as client:
    ...     key = client.create("Token hook")
    ...     [each.name for each in client.list()]
    ...     client.delete(key.id)
    ['Token hook']
    """

    _resource = "key"

    @reported
    def list(self) -> HookKeyList:
        """Return all hook keys of the org, without their public keys."""
        return self._listed()[0]

    @reported
    def create(self, name: str) -> HookKey:
        """Create a key pair in Okta, which keeps the private key; return it with the public key.

        The request is never repeated. If its response is lost, the org's list of keys shows whether
        the key was created. Raises ``ValidationFailedError`` if the name is taken and
        ``KeyLimitError`` if the org has 50 keys.
        """
        began = self._clock()
        try:
            answer = self._exchange("POST", HOOK_KEYS, {"name": checked_name(name)})
            return HookKey.from_document(answer.json_object())
        except TransportError as error:
            if not error.sent:
                raise
            lost = error
        except HookKeyApiError as error:
            raise self._why_refused(error, name, creates=True) from None
        key = self._recovered(name, began, lost, self._listed)
        try:
            return self._with_public_key(key)
        except HookKeyApiError:
            return key  # without its public key, rather than fail: the key exists

    @reported
    def get(self, id: str, *, expand: bool = False) -> HookKey:  # noqa: A002 - Okta's name for it
        """Return the key with this ``id`` (``HKY…``); with ``expand``, including its public key."""
        path = _path(id) + ("?expand=publickey" if expand else "")
        return HookKey.from_document(self._exchange("GET", path).json_object())

    @reported
    def public_key(self, key_id: str) -> PublicKey:
        """Return the public key with this ``keyId``.

        Raises ``KeyRejectedError`` if the key document is not acceptable.
        """
        answer = self._exchange("GET", f"{HOOK_KEYS}/public/{checked_id('key_id', key_id)}")
        return PublicKey.from_document(answer.json_object(), expected_kid=key_id)

    @reported
    def rename(self, id: str, name: str) -> HookKey:  # noqa: A002
        """Rename a key and return it. Nothing else can be changed.

        Raises ``ValidationFailedError`` if the name is taken.
        """
        path, body = _path(id), {"name": checked_name(name)}
        try:
            return HookKey.from_document(self._exchange("PUT", path, body).json_object())
        except HookKeyApiError as error:
            raise self._why_refused(error, name, creates=False) from None

    @reported
    def delete(self, id: str) -> None:  # noqa: A002
        """Delete a key permanently. Raises ``KeyInUseError`` if an inline hook uses it."""
        try:
            self._exchange("DELETE", _path(id))
        except (NotFoundError, TransportError):
            raise
        except HookKeyApiError as error:
            # Okta does not document this error, but it reports whether a key is used.
            if error.status in (400, 409) and self._is_used(id):
                raise same_error(KeyInUseError, error) from None
            raise

    def find(self, name: str) -> HookKey | None:
        """Return the key with exactly this name, or None."""
        checked_name(name)
        return next((key for key in self.list() if key.name == name), None)

    def rotation(
        self,
        name: str,
        hooks: InlineHooksClient | None = None,
        *,
        applications: ApplicationKeysClient | None = None,
        **options: Any,
    ) -> KeyRotation:
        """Return a ``KeyRotation`` that replaces the key with this name; nothing is sent.

        All arguments are those of ``KeyRotation``. Raises ``ConfigurationError``.
        """
        from .rotation import KeyRotation  # noqa: PLC0415 - few programs rotate keys

        return KeyRotation(self, hooks, name, applications=applications, **options)

    def jwks(self) -> dict[str, Any]:
        """Return the public keys of all hook keys as a JWK Set (RFC 7517 section 5)."""
        keys = [self.public_key(key.key_id) for key in self.list()]
        return {"keys": [key.as_jwk() for key in keys]}

    def _listed(self) -> tuple[HookKeyList, Answer]:
        answer = self._exchange("GET", HOOK_KEYS, max_body=MAX_LIST)
        return [HookKey.from_document(row) for row in answer.json_list()], answer

    def _is_used(self, id: str) -> bool:  # noqa: A002
        try:
            return self.get(id).is_used is True
        except HookKeyApiError:
            return False

    def _why_refused(self, error: HookKeyApiError, name: str, *, creates: bool) -> HookKeyApiError:
        """Return a more specific error, by the list of keys: Okta does not document its errors."""
        if isinstance(error, TransportError) or error.status not in (400, 409):
            return error
        try:
            keys = self.list()
        except HookKeyApiError:
            return error
        if any(key.name == name for key in keys):
            return same_error(ValidationFailedError, error, "the name is in use already")
        return same_error(KeyLimitError, error) if creates and len(keys) >= MAX_KEYS else error

    def _with_public_key(self, key: HookKey) -> HookKey:
        jwk = self._exchange(
            "GET", f"{HOOK_KEYS}/public/{checked_id('keyId', key.key_id)}"
        ).json_object()
        return HookKey.from_document({**key.raw, "_embedded": jwk.get("_embedded", jwk)})


class AsyncHookKeysClient(AsyncOrgClient):
    """``HookKeysClient`` for asyncio: the same methods, awaitable, in worker threads.

    For example:

    >>> import asyncio
    >>> from hookkey_verify import ApiToken, AsyncHookKeysClient
    >>> from hookkey_verify.emulator import OktaEmulator
    >>> async def names(okta):
    ...     async with AsyncHookKeysClient(okta.url, ApiToken(okta.api_token)) as client:
    ...         await client.create("Token hook")
    ...         return [key.name for key in await client.list()]
    >>> with OktaEmulator() as okta:
    ...     asyncio.run(names(okta))
    ['Token hook']
    """

    _kind = HookKeysClient
    _client: HookKeysClient

    async def list(self) -> HookKeyList:
        """Return all hook keys of the org, without their public keys."""
        return await in_thread(self._client.list)

    async def create(self, name: str) -> HookKey:
        """Create a key pair and return it with its public key."""
        return await in_thread(self._client.create, name)

    async def get(self, id: str, *, expand: bool = False) -> HookKey:  # noqa: A002
        """Return the key with this ``id``."""
        return await in_thread(self._client.get, id, expand=expand)

    async def public_key(self, key_id: str) -> PublicKey:
        """Return the public key with this ``keyId``."""
        return await in_thread(self._client.public_key, key_id)

    async def rename(self, id: str, name: str) -> HookKey:  # noqa: A002
        """Rename a key and return it."""
        return await in_thread(self._client.rename, id, name)

    async def delete(self, id: str) -> None:  # noqa: A002
        """Delete a key permanently."""
        await in_thread(self._client.delete, id)

    async def find(self, name: str) -> HookKey | None:
        """Return the key with exactly this name, or None."""
        return await in_thread(self._client.find, name)

    def rotation(
        self,
        name: str,
        hooks: AsyncInlineHooksClient | None = None,
        *,
        applications: AsyncApplicationKeysClient | None = None,
        **options: Any,
    ) -> AsyncKeyRotation:
        """Return an ``AsyncKeyRotation`` that replaces the key with this name."""
        from .rotation import AsyncKeyRotation  # noqa: PLC0415

        return AsyncKeyRotation(self, hooks, name, applications=applications, **options)

    async def jwks(self) -> dict[str, Any]:
        """Return the public keys of all hook keys as a JWK Set."""
        return await in_thread(self._client.jwks)


def _path(id: object) -> str:  # noqa: A002
    return f"{HOOK_KEYS}/{checked_id('id', id)}"
