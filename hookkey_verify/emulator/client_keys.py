"""The public keys of the org's clients, which Okta calls the JSON Web Keys of an application. Pure.

https://developer.okta.com/docs/api/openapi/okta-management/management/tag/ApplicationSSOPublicKeys/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from .okta_error import identifier, invalid
from .public_keys import ClientPublicKey

__all__ = ["MAX_KEYS", "ClientKey", "new_client_key"]

MAX_KEYS = 50


@dataclass(frozen=True, slots=True)
class ClientKey:
    """A key of a client. Only active keys verify its assertions."""

    id: str
    """Okta's id, ``pks…``, which is not the ``kid``."""
    jwk: Mapping[str, Any]
    created: str
    last_updated: str
    status: str = "ACTIVE"
    public: ClientPublicKey = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Read the key. Raises ``ValueError``."""
        object.__setattr__(self, "public", ClientPublicKey.of(self.jwk))

    @property
    def kid(self) -> str | None:
        """The ``kid`` of the JWK."""
        return self.jwk.get("kid")

    def record(self) -> dict[str, Any]:
        """Return the record to store."""
        names = ("id", "jwk", "created", "last_updated", "status")
        return {name: getattr(self, name) for name in names}

    def document(self) -> dict[str, Any]:
        """Return Okta's document."""
        return {
            **self.jwk,
            "id": self.id,
            "status": self.status,
            "created": self.created,
            "lastUpdated": self.last_updated,
        }

    def with_status(self, status: str, now: str) -> ClientKey:
        """Return this key with the status ACTIVE or INACTIVE."""
        return replace(self, status=status, last_updated=now)


_OWN = frozenset({"id", "status", "created", "lastUpdated", "_links"})
"""Members that Okta adds to a JWK."""


def new_client_key(body: Mapping[str, Any], now: str, keys: tuple[ClientKey, ...]) -> ClientKey:
    """Return the key of a request that adds it to the keys of a client.

    ``body``: the public JWK; ``status`` may be INACTIVE.
    ``now``: the time of creation.
    ``keys``: the client's keys.

    Raises ``OktaError``. GUESS: the texts.
    """
    jwk = {name: value for name, value in body.items() if name not in _OWN}
    status, kid = body.get("status") or "ACTIVE", jwk.setdefault("kid", identifier(43))
    if status not in ("ACTIVE", "INACTIVE"):
        raise invalid("status", "status: must be ACTIVE or INACTIVE")
    if not isinstance(kid, str) or not 1 <= len(kid) <= 255 or not kid.isprintable():
        raise invalid("kid", "kid: must have 1 to 255 characters")
    if any(key.kid == kid for key in keys):
        raise invalid("kid", "kid: Another key of the client has it.")
    if len(keys) >= MAX_KEYS:
        raise invalid("jwks", f"jwks: The client has {MAX_KEYS} keys already.")
    try:
        return ClientKey("pks" + identifier(17), jwk, now, now, status)
    except ValueError as error:
        raise invalid("jwks", f"jwks: {error}") from None
