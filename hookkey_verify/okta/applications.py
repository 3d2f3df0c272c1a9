"""ApplicationKeysClient manages the public keys of an org's OAuth applications.

An Okta authorization server verifies the client assertions of a hook with these keys.
https://developer.okta.com/docs/api/openapi/okta-management/management/tag/ApplicationSSOPublicKeys/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self

from .._jose.encoding import JsonLimits
from .._jose.jwk import PublicKey
from ..errors import NotFoundError
from .granted_scopes import arguments_with_scopes
from .org_client import AsyncOrgClient, OrgClient, checked_id, in_thread, reported
from .paths import APPS, is_id

__all__ = ["ApplicationKey", "ApplicationKeysClient", "AsyncApplicationKeysClient"]

MAX_BODY: Final = 256 * 1024
"""The largest list in bytes: an application has up to 50 keys."""
LIMITS: Final = JsonLimits(containers=1_000, members=10_000, values=10_000)
SCOPES: Final = ("okta.apps.read", "okta.apps.manage")
_PERMISSION: Final = (
    "it needs the scope okta.apps.{0}; an API token has the permissions of its administrator"
)

ApplicationKeyList = list["ApplicationKey"]  # in the classes below, list is a method


@dataclass(frozen=True, slots=True)
class ApplicationKey:
    """A public key of an application.

    For example:

    >>> from hookkey_verify.okta import ApplicationKey
    >>> ApplicationKey(id="pks1", kid="key-1", status="ACTIVE", jwk={"kty": "RSA"})
    ApplicationKey(id='pks1', kid='key-1', status='ACTIVE')
    """

    id: str
    """Okta's id, ``pks…``, which is not the ``kid``."""
    kid: str
    status: str
    """``ACTIVE`` or ``INACTIVE``."""
    jwk: Mapping[str, Any] = field(repr=False)

    def is_same(self, key: PublicKey) -> bool:
        """Return whether it has the ``kid`` and the material of this key."""
        mine, wanted = self.jwk, key.as_jwk()
        return all(mine.get(name) == wanted.get(name) for name in ("kid", "kty", "n", "e"))


class ApplicationKeysClient(OrgClient):
    """Manages the public keys of applications of one org. Thread-safe. Close it after use.

    All methods raise the ``HookKeyApiError`` for Okta's response. ``list`` requires the scope
    okta.apps.read, the others okta.apps.manage.

    For example:

    >>> from hookkey_verify import ApiToken, HookKeysClient
    >>> from hookkey_verify.emulator import OktaEmulator
    >>> from hookkey_verify.okta import ApplicationKeysClient
    >>> with OktaEmulator() as okta:
    ...     token = ApiToken(okta.api_token)
    ...     with HookKeysClient(okta.url, token) as keys:
    ...         old, new = keys.create("Old").public_key, keys.create("New").public_key
    ...     app = okta.create_service_app(old.as_jwk())
    ...     with ApplicationKeysClient(okta.url, token) as client:
    ...         client.add(app, new)
    ...         [key.status for key in client.list(app)]
    ['ACTIVE', 'ACTIVE']
    """

    _resource = "key"
    _permission = _PERMISSION
    _max_body = MAX_BODY

    @classmethod
    def from_env(cls, **options: Any) -> Self:
        """Do the same as ``HookKeysClient.from_env``.

        A service app without configured scopes requests okta.apps.read and okta.apps.manage, or
        the one of them that it has.
        """
        return cls(**arguments_with_scopes(options, SCOPES))

    @reported
    def list(self, client_id: str) -> ApplicationKeyList:
        """Return the keys of the application with this client id.

        Raises ``NotFoundError`` if the org has no such application.
        """
        answer = self._exchange("GET", _path(client_id))
        return [
            ApplicationKey(str(row["id"]), row["kid"], str(row.get("status") or "ACTIVE"), row)
            for row in answer.json_list(LIMITS)
            if isinstance(row, Mapping) and is_id(row.get("id")) and isinstance(row.get("kid"), str)
        ]

    @reported
    def add(self, client_id: str, key: PublicKey) -> None:
        """Add an active key to an application. The request is never repeated."""
        self._exchange("POST", _path(client_id), {**key.as_jwk(), "status": "ACTIVE"})

    @reported
    def activate(self, client_id: str, id: str) -> None:  # noqa: A002 - Okta's name for it
        """Activate the key with this ``id`` (``pks…``)."""
        self._exchange("POST", f"{_path(client_id, id)}/lifecycle/activate")

    @reported
    def remove(self, client_id: str, key: ApplicationKey) -> None:
        """Deactivate a key and delete it. A key that does not exist any more is no error."""
        path = _path(client_id, key.id)
        try:
            if key.status == "ACTIVE":
                self._exchange("POST", f"{path}/lifecycle/deactivate")
            self._exchange("DELETE", path)
        except NotFoundError:
            pass  # another client has removed it


class AsyncApplicationKeysClient(AsyncOrgClient):
    """``ApplicationKeysClient`` for asyncio: the same methods, awaitable, in worker threads.

    For example:

    >>> import asyncio
    >>> from hookkey_verify import ApiToken, HookSigner
    >>> from hookkey_verify.emulator import OktaEmulator
    >>> from hookkey_verify.okta import AsyncApplicationKeysClient
    >>> async def kids(okta, app):
    ...     async with AsyncApplicationKeysClient(okta.url, ApiToken(okta.api_token)) as client:
    ...         return [key.kid for key in await client.list(app)]
    >>> with OktaEmulator() as okta:
    ...     app = okta.create_service_app(HookSigner.generate(kid="key-1").public_jwk())
    ...     asyncio.run(kids(okta, app))
    ['key-1']
    """

    _kind = ApplicationKeysClient
    _client: ApplicationKeysClient

    @classmethod
    def from_env(cls, **options: Any) -> Self:
        """Create a client; see ``ApplicationKeysClient.from_env``."""
        return cls(**arguments_with_scopes(options, SCOPES))

    async def list(self, client_id: str) -> ApplicationKeyList:
        """Return the keys of the application with this client id."""
        return await in_thread(self._client.list, client_id)

    async def add(self, client_id: str, key: PublicKey) -> None:
        """Add an active key to an application."""
        await in_thread(self._client.add, client_id, key)

    async def activate(self, client_id: str, id: str) -> None:  # noqa: A002
        """Activate the key with this ``id``."""
        await in_thread(self._client.activate, client_id, id)

    async def remove(self, client_id: str, key: ApplicationKey) -> None:
        """Deactivate a key and delete it."""
        await in_thread(self._client.remove, client_id, key)


def _path(client_id: object, key_id: object = None) -> str:
    path = f"{APPS}/{checked_id('client_id', client_id)}/credentials/jwks"
    return path if key_id is None else f"{path}/{checked_id('id', key_id)}"
