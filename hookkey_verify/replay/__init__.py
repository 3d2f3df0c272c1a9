"""Replay stores make tokens single use: step 7 of a verification.

RFC 7523 section 3 item 7: a server may ensure that assertions are not replayed by keeping the set
of used ``jti`` values for as long as each assertion would be valid.

``MemoryReplayStore`` covers one process. The stores of ``hookkey_verify.valkey``,
``hookkey_verify.dynamodb`` and ``hookkey_verify.postgres`` cover all workers and hosts.
"""

from __future__ import annotations

from .finding import Finding
from .health import ReplayHealth
from .memory import MemoryReplayStore

__all__ = ["Finding", "MemoryReplayStore", "ReplayHealth"]
