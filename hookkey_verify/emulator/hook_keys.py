"""The org's hook keys and their rules. Pure: no HTTP; time and key generation are parameters."""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from .._runtime.clock import Clock, wall_clock
from ..signer import HookSigner
from .okta_error import identifier, invalid, not_found, timestamp
from .rsa_keys import from_pem, new_rsa_key, to_pem
from .store import Store

__all__ = ["HookKeyStore"]

MAX_KEYS = 50
MAX_NAME = 255
_KIND = "key"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A hook key of the org. The signer has the private key."""

    id: str
    name: str
    created: str
    last_updated: str
    is_used: bool
    signer: HookSigner
    pem: str = field(repr=False)

    def record(self) -> dict[str, Any]:
        """Return the record to store."""
        names = ("id", "name", "created", "last_updated", "is_used", "pem")
        return {"kid": self.signer.kid, **{name: getattr(self, name) for name in names}}

    def document(self, *, with_key: bool) -> dict[str, Any]:
        """Return the body as recorded: ``isUsed`` as a boolean, ``_embedded`` on request."""
        document: dict[str, Any] = {
            "id": self.id,
            "keyId": self.signer.kid,
            "name": self.name,
            "created": self.created,
            "lastUpdated": self.last_updated,
            "isUsed": self.is_used,
        }
        return {**document, "_embedded": self.public_key()} if with_key else document

    def public_key(self) -> dict[str, Any]:
        """Return the public key as recorded: ``alg`` "RSA" and ``use`` null."""
        jwk = self.signer.public_jwk()
        return {**{m: jwk[m] for m in ("kty", "kid", "e", "n")}, "alg": "RSA", "use": None}


class HookKeyStore:
    """The hook keys of one org. Thread-safe.

    For example:

    >>> from hookkey_verify.emulator import HookKeyStore
    >>> store = HookKeyStore()
    >>> store.create({"name": "Token hook"})["name"], len(store.list())
    ('Token hook', 1)
    """

    def __init__(
        self,
        *,
        new_key: Callable[[], RSAPrivateKey] = new_rsa_key,
        is_used: Callable[[str], bool] = lambda _: False,
        clock: Clock = wall_clock,
        store: Store | None = None,
        on_change: Callable[[str, Mapping[str, Any]], object] = lambda *_: None,
    ) -> None:
        """Load the hook keys of an org.

        ``new_key``: a function that generates RSA keys; a pool of keys makes tests fast.
        ``is_used``: a function that returns whether an inline hook uses the key with this ``id``.
        ``clock``: a function that returns epoch seconds. Default: the system clock.
        ``store``: stores the keys. Default None: in memory.
        ``on_change``: a function that is called with "created", "updated" or "deleted" and the
            document of the key, after each change.

        Raises ``ConfigurationError`` if the stored keys cannot be read.
        """
        self._new_key = new_key
        self._is_used = is_used
        self._on_change = on_change
        self._clock = clock
        self._store = store or Store()
        self._lock = threading.Lock()
        self._keys = self._store.load(_KIND, self._read)

    def list(self) -> list[dict[str, Any]]:
        """Return all keys, without their public keys."""
        return [self._shown(key, with_key=False) for key in list(self._keys.values())]

    def create(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Create a key pair and return it with its public key."""
        name = _name(body)
        with self._lock:
            self._refuse_create(name)
        private_key = self._new_key()  # takes 0.1 s, so not under the lock
        with self._lock:
            self._refuse_create(name)
            signer = HookSigner(private_key, str(uuid.uuid4()), clock=self._clock)
            now, pem = self._now(), to_pem(private_key)
            id_ = "HKY" + identifier(17)
            key = StoredKey(id_, name, now, now, is_used=False, signer=signer, pem=pem)
            self._keep(key)
        self._on_change("created", key.document(with_key=False))
        return key.document(with_key=True)

    def get(self, id: str, *, expand: bool = False) -> dict[str, Any]:  # noqa: A002 - Okta's name
        """Return a key by its ``id``; ``expand`` adds the public key."""
        return self._shown(self._by_id(id), with_key=expand)

    def public_key(self, key_id: str) -> dict[str, Any]:
        """Return the public key with this ``keyId``."""
        return self._by_key_id(key_id).public_key()

    def rename(self, id: str, body: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002
        """Rename a key and return it with its public key. Nothing else can change."""
        name = _name(body)
        with self._lock:
            key = self._by_id(id)
            if name != key.name:
                self._refuse_name(name)
            key = replace(key, name=name, last_updated=self._now())
            self._keep(key)
        self._on_change("updated", key.document(with_key=False))
        return self._shown(key, with_key=True)

    def delete(self, id: str) -> None:  # noqa: A002
        """Delete a key that no hook uses."""
        with self._lock:
            if self._by_id(id).is_used or self._is_used(id):
                # GUESS: Okta documents that used keys cannot be deleted, but not the response.
                raise invalid("hookKey", "The key is used by a hook.")
            self._forget(id)

    def remove(self, id: str) -> None:  # noqa: A002
        """Delete a key even if a hook uses it, unlike Okta, to test the resulting outage."""
        with self._lock:
            self._by_id(id)
            self._forget(id)

    def set_used(self, id: str, *, used: bool = True) -> None:  # noqa: A002
        """Set whether an inline hook uses the key."""
        with self._lock:
            self._keep(replace(self._by_id(id), is_used=used))

    def signer(self, key_id: str) -> HookSigner:
        """Return the signer of the key with this ``keyId``; it does not expose the private key."""
        return self._by_key_id(key_id).signer

    def has(self, id: str) -> bool:  # noqa: A002
        """Return whether a key with this ``id`` exists."""
        return id in self._keys

    def signer_of(self, id: str) -> HookSigner:  # noqa: A002
        """Return the signer of the key with this ``id``."""
        return self._by_id(id).signer

    def _keep(self, key: StoredKey) -> None:
        self._store.put(_KIND, key.id, key.record())
        self._keys[key.id] = key

    def _forget(self, id: str) -> None:  # noqa: A002
        self._store.drop(_KIND, id)
        key = self._keys.pop(id)
        self._on_change("deleted", key.document(with_key=False))

    def _read(self, body: Mapping[str, Any]) -> StoredKey:
        key = dict(body)
        signer = HookSigner(from_pem(key["pem"]), key.pop("kid"), clock=self._clock)
        return StoredKey(**key, signer=signer)

    def _shown(self, key: StoredKey, *, with_key: bool) -> dict[str, Any]:
        used = key.is_used or self._is_used(key.id)
        return replace(key, is_used=used).document(with_key=with_key)

    def _by_id(self, id: str) -> StoredKey:  # noqa: A002
        key = self._keys.get(id)
        if key is None:
            raise not_found(id, "HookKey")
        return key

    def _by_key_id(self, key_id: str) -> StoredKey:
        for key in list(self._keys.values()):
            if key.signer.kid == key_id:
                return key
        raise not_found(key_id, "HookKey")

    def _refuse_create(self, name: str) -> None:
        if len(self._keys) >= MAX_KEYS:
            # GUESS: Okta documents the limit of 50, but not the response beyond it.
            raise invalid("hookKey", "The org has 50 hook keys already.")
        self._refuse_name(name)

    def _refuse_name(self, name: str) -> None:
        if any(key.name == name for key in self._keys.values()):
            # GUESS: Okta documents that names are unique, but not the response.
            raise invalid("name", "name: This name is in use already.")

    def _now(self) -> str:
        return timestamp(self._clock())


def _name(body: Mapping[str, Any]) -> str:
    name = body.get("name")
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME or _has_surrogates(name):
        # GUESS: the exact words; status, code and limits are Okta's.
        raise invalid("name", "name: must have 1 to 255 characters")
    return name


def _has_surrogates(text: str) -> bool:
    """Return whether the text has lone surrogates, which cannot be encoded in the response."""
    return any("\ud800" <= character <= "\udfff" for character in text)
