"""Where public keys come from: an Okta org's hook keys, an authorization server, or a file.

Each name is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._runtime.lazy import lazily

if TYPE_CHECKING:
    from .health import Health as Health
    from .health import KeyHealth as KeyHealth
    from .health import State as State
    from .health import Stats as Stats
    from .hook_keys import HookKeys as HookKeys
    from .issuer_keys import IssuerKeys as IssuerKeys
    from .policy import CachePolicy as CachePolicy
    from .static import StaticKeys as StaticKeys
    from .store import SharedKeyStore as SharedKeyStore
    from .store import StoreUnavailableError as StoreUnavailableError

_HOMES = {
    "HookKeys": ".hook_keys",
    "IssuerKeys": ".issuer_keys",
    "StaticKeys": ".static",
    "CachePolicy": ".policy",
    "KeyHealth": ".health",
    "Health": ".health",
    "State": ".health",
    "Stats": ".health",
    "SharedKeyStore": ".store",
    "StoreUnavailableError": ".store",
}

__all__ = [  # noqa: RUF022 - a table of contents
    "HookKeys",
    "IssuerKeys",
    "StaticKeys",
    "CachePolicy",
    "KeyHealth",
    "Health",
    "State",
    "Stats",
    "SharedKeyStore",
    "StoreUnavailableError",
]

if not TYPE_CHECKING:  # so that a type checker reports names that do not exist
    __getattr__, __dir__ = lazily(__name__, _HOMES)
