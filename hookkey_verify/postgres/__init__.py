"""PostgresReplayStore shares in PostgreSQL which tokens have been used (extra postgres).

::

    store = PostgresReplayStore("postgresql://hooks@db.acme.com/hooks")
    store.create_table()                # once, by a role that may create tables
    verifier = HookVerifier.for_client_assertion(keys, …, replay=store)

It uses psycopg 3, in threads and natively in asyncio.
"""

from __future__ import annotations

try:
    import psycopg as _psycopg
except ImportError:
    raise ImportError(
        "hookkey_verify.postgres needs psycopg and libpq: "
        "pip install 'hookkey_verify[postgres]' 'psycopg[binary]'"
    ) from None

from .replay_store import PostgresReplayStore

__all__ = ["PostgresReplayStore"]

del _psycopg
