"""HookKey: a hook key as Okta's management API returns it, read leniently. Pure.

Okta's specification and its servers differ: isUsed is a string in one and a boolean in the other,
and the public key may be absent. Only ``id`` and ``keyId`` are required. ``raw`` has everything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from .._jose.jwk import PublicKey
from ..errors import TransportError
from .paths import is_id

__all__ = ["HookKey"]

_BOOLEANS = {"true": True, "false": False}


@dataclass(frozen=True, slots=True, kw_only=True)
class HookKey:
    """A hook key of an org. ``raw`` is the original document.

    For example:

    >>> from hookkey_verify.okta.models import HookKey
    >>> key = HookKey.from_document({"id": "HKY1", "keyId": "key-1", "name": "Token hook"})
    >>> key.name, key.key_id, key.is_used
    ('Token hook', 'key-1', None)
    """

    id: str
    """The id in Okta's management API and in an inline hook's ``hookKeyId``: ``HKY…``."""
    key_id: str
    """The ``kid`` of the tokens that this key signs."""
    name: str
    created: datetime | None = None
    last_updated: datetime | None = None
    is_used: bool | None = None
    """Whether an inline hook uses it; such a key cannot be deleted. None: unknown."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_document(cls, document: object) -> HookKey:
        """Read a hook key. Raises ``TransportError`` if ``id`` or ``keyId`` is not usable."""
        raw = document if isinstance(document, Mapping) else {}
        ids = raw.get("id"), raw.get("keyId")
        if not all(map(is_id, ids)):
            problem = "the response is not a hook key: no usable id or keyId"
            raise TransportError(problem, status=200)
        used = raw.get("isUsed")
        name = raw.get("name")
        return cls(
            id=str(ids[0]),
            key_id=str(ids[1]),
            name=name if isinstance(name, str) else "",
            created=_time(raw.get("created")),
            last_updated=_time(raw.get("lastUpdated")),
            is_used=used if isinstance(used, bool) else _BOOLEANS.get(str(used).lower()),
            raw=MappingProxyType(dict(raw)),
        )

    @property
    def public_key(self) -> PublicKey | None:
        """The public key, or None if the response did not contain it.

        Raises ``KeyRejectedError`` if it is not acceptable.
        """
        if self.raw.get("_embedded") is None:
            return None
        return PublicKey.from_document(self.raw, expected_kid=self.key_id)


def _time(value: object) -> datetime | None:
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
        if time is not None and time.tzinfo is not None and 1970 < time.year < 9999:
            return time.astimezone(UTC)
    except ValueError:
        pass
    return None
