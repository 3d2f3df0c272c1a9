"""ReplayHealth: the condition of a replay store. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from ..health import Part

__all__ = ["ReplayHealth"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayHealth:
    """The condition of a replay store, as far as the claims of this process show.

    ``source``: the class name of the store.
    ``status``: ``healthy`` after a success or before the first claim, ``failing`` otherwise.
    ``problem``: the text of the last problem; None if the status is healthy.
    ``failures``: the number of consecutive claims that failed.

    For example:

    >>> from hookkey_verify.replay import MemoryReplayStore
    >>> health = MemoryReplayStore(single_process=True).health()
    >>> health.part, health.status, health.failures
    ('replay', 'healthy', 0)
    """

    part: ClassVar[Part] = "replay"

    source: str
    status: Literal["healthy", "failing"]
    problem: str | None
    failures: int
