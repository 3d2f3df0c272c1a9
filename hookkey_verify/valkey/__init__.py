"""Stores in Valkey or Redis that all workers and hosts share (extra valkey).

``ValkeyKeyStore`` shares public keys, and ``ValkeyReplayStore`` shares which tokens have been used.
Both work with a single server, a Cluster, and Sentinel:

=================================================  ===========================================
URL                                                server
=================================================  ===========================================
``valkey://user:password@host:6379/0``             a single server
``unix:///run/valkey.sock``                        the same through a Unix socket
``valkey+cluster://host:6379,host:6379``           a Cluster; one reachable node is enough
``valkey+sentinel://host:26379,host:26379/hooks``  the primary of the Sentinel service "hooks"
=================================================  ===========================================

``valkeys`` instead of ``valkey`` uses TLS. ``redis`` and ``rediss`` work as well.
"""

from __future__ import annotations

try:
    import redis as _redis
except ImportError:
    raise ImportError(
        "hookkey_verify.valkey needs redis: pip install 'hookkey_verify[valkey]'"
    ) from None

from .key_store import ValkeyKeyStore
from .replay_store import ValkeyReplayStore

__all__ = ["ValkeyKeyStore", "ValkeyReplayStore"]

del _redis
