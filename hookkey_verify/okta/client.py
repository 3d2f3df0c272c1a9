"""HookKeysClient manages and rotates hook keys through Okta's management API.

https://developer.okta.com/docs/api/openapi/okta-management/management/tag/HookKey/
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from .._jose.jwk import PublicKey
from .._runtime.clock import wall_clock
from ..errors import (
    ConfigurationError,
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
    MAX_NAME,
    AsyncOrgClient,
    OrgClient,
    checked_id,
    checked_name,
    in_thread,
    reported,
    same_error,
)
from .paths import HOOK_KEYS, MAX_LIST

__all__ = ["AsyncHookKeysClient", "HookKeysClient", "Rotation"]

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

    def rotate(self, name: str, *, successor: str | None = None) -> Rotation:
        """Start to replace the key with this name by creating its successor, unless that exists.

        ``successor``: the name of the new key. Default None: ``name`` and today's date (UTC).

        Then distribute the successor's public key, select it in the inline hooks, and call
        ``finish`` of the result. Raises ``NotFoundError`` if there is no key ``name``.
        """
        checked_name(name)
        successor = _dated(name) if successor is None else checked_name(successor)
        if successor == name:
            raise ConfigurationError("successor must be another name")
        keys = {key.name: key for key in self.list()}
        if name not in keys:
            finished = ", but it has the successor: rename that key to complete the rotation"
            ending = finished if successor in keys else ""
            raise NotFoundError(f"the org has no hook key of that name{ending}")
        old, new = keys[name], keys.get(successor)
        if new is not None and old.created and new.created and new.created < old.created:
            raise ConfigurationError("successor is an older key than the one to be replaced")
        new = new or self.create(successor)
        return Rotation(client=self, old=old, new=self._with_public_key(new))

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
        if key.raw.get("_embedded") is not None:
            return key
        jwk = self._exchange(
            "GET", f"{HOOK_KEYS}/public/{checked_id('keyId', key.key_id)}"
        ).json_object()
        return HookKey.from_document({**key.raw, "_embedded": jwk.get("_embedded", jwk)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """A key and its successor. Both exist until ``finish``.

    For example:

    >>> from hookkey_verify import ApiToken, HookKeysClient
    >>> from hookkey_verify.emulator import OktaEmulator
    >>> with OktaEmulator() as okta, HookKeysClient(okta.url, ApiToken(okta.api_token)) as client:
    ...     client.create("Token hook").name
    ...     rotation = client.rotate("Token hook")
    ...     rotation.is_unused()  # after every hook uses rotation.new
    ...     rotation.finish().name
    'Token hook'
    True
    'Token hook'
    """

    client: HookKeysClient
    old: HookKey
    new: HookKey
    """The successor, with the public key that verifiers need before inline hooks use it."""

    def is_unused(self) -> bool:
        """Return whether no inline hook uses the old key, by asking Okta."""
        return self.client.get(self.old.id).is_used is False

    def finish(self) -> HookKey:
        """Delete the old key, give its name to the new key, and return the new key.

        It can be repeated. Raises ``KeyInUseError`` while an inline hook uses the old key.
        """
        try:
            if self.client.get(self.old.id).is_used is True:
                raise KeyInUseError("let the inline hooks use the successor first")
            self.client.delete(self.old.id)
        except NotFoundError:
            pass  # an earlier attempt has deleted it
        return self.client.rename(self.new.id, self.old.name)


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

    async def rotate(self, name: str, *, successor: str | None = None) -> AsyncRotation:
        """Start to replace the key with this name."""
        rotation = await in_thread(self._client.rotate, name, successor=successor)
        return AsyncRotation(rotation)

    async def jwks(self) -> dict[str, Any]:
        """Return the public keys of all hook keys as a JWK Set."""
        return await in_thread(self._client.jwks)


class AsyncRotation:
    """``Rotation`` for asyncio."""

    def __init__(self, rotation: Rotation) -> None:
        self._rotation = rotation
        self.old = rotation.old
        self.new = rotation.new

    async def is_unused(self) -> bool:
        """Return whether no inline hook uses the old key, by asking Okta."""
        return await in_thread(self._rotation.is_unused)

    async def finish(self) -> HookKey:
        """Delete the old key, give its name to the new key, and return the new key."""
        return await in_thread(self._rotation.finish)


def _dated(name: str) -> str:
    """Return the name of the successor that is created today."""
    successor = f"{name} {datetime.fromtimestamp(wall_clock(), UTC):%Y-%m-%d}"
    if len(successor) > MAX_NAME:
        raise ConfigurationError(
            f"the name with a date has over {MAX_NAME} characters; pass successor="
        )
    return successor


def _path(id: object) -> str:  # noqa: A002
    return f"{HOOK_KEYS}/{checked_id('id', id)}"
