"""Memory per cached key, and per used token in ``MemoryReplayStore``.

python -m tests.bench --only memory
"""

from __future__ import annotations

import gc
import time
import tracemalloc

from hookkey_verify import CachePolicy, HookSigner, PublicKey
from hookkey_verify.keys.flight import Fetched
from hookkey_verify.replay import MemoryReplayStore
from tests.keys.controlled_fetches import KeyCache

KEYS, LIVE = 2_000, 100_000


def measure() -> dict[str, dict[str, float]]:
    """Return the bytes per cached key, for 50 keys, and per used token."""
    return {"cached keys": _cached_keys(), "live jti": _live_jti()}


def _cached_keys() -> dict[str, float]:
    """Measure resident memory, because ``tracemalloc`` does not see OpenSSL's part of a key."""
    jwk = HookSigner.generate().public_jwk()

    def fetch(kid: str, deadline: float) -> Fetched[PublicKey]:
        return Fetched(PublicKey.from_document({**jwk, "kid": kid}, expected_kid=kid))

    kids = [f"{number:036d}" for number in range(KEYS)]
    caches = [KeyCache(fetch, CachePolicy(max_keys=KEYS), expected=kids) for _ in range(2)]
    for kid in kids[:40]:  # exclude imports and memory arenas from the measurement
        caches[0].get(kid)
    gc.collect()
    before = _resident()
    for kid in kids:
        caches[1].get(kid)
    gc.collect()
    each = (_resident() - before) / KEYS
    return {"count": KEYS, "bytes each": round(each), "bytes of 50": round(each * 50)}


def _live_jti() -> dict[str, float]:
    store = MemoryReplayStore(max_entries=LIVE, single_process=True)
    until = time.time() + 3600
    gc.collect()
    tracemalloc.start()
    for number in range(LIVE):
        store.claim("0oa1qz8hookclient4x7", f"{number:032x}", until)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return {"count": LIVE, "bytes": held, "bytes each": round(held / LIVE)}


def _resident() -> int:
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * 4096
