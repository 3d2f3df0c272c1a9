"""The paths of Okta's management API that are used here, and what may be part of them. Pure."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["APPS", "HOOK_KEYS", "INLINE_HOOKS", "LOGS", "MAX_LIST", "NEXT", "SERVERS", "is_id"]

HOOK_KEYS: Final = "/api/v1/hook-keys"
"""The path of the hook keys; below it, ``/public/{keyId}`` is the path of a public key."""
INLINE_HOOKS: Final = "/api/v1/inlineHooks"
LOGS: Final = "/api/v1/logs"
APPS: Final = "/api/v1/apps"
SERVERS: Final = "/api/v1/authorizationServers"
MAX_LIST: Final = 64 * 1024
"""The largest list of keys in bytes: 50 rows of up to 0.6 KB; a name has up to 255 characters."""

NEXT: Final = " (next)"
"""What the name of a key's successor has at its end during a rotation."""

_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


def is_id(value: object) -> bool:
    """Return whether this can be an ``id`` or ``keyId``, and so a plain path segment."""
    return isinstance(value, str) and _ID.fullmatch(value) is not None
