"""Finding: one line that a check of a store, or ``hookkey doctor``, reports."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

__all__ = ["Finding", "Result", "clock_finding"]

Result: TypeAlias = Literal["ok", "warning", "failed", "skipped"]

SKEW_TO_WARN = 5
"""Seconds between a server's clock and ours that cause a warning."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check.

    ``check``: what was checked.
    ``result``: ok, warning (it works, but a setting is risky), failed, or skipped.
    ``detail``: what was found and, unless it is ok, what to do.

    For example:

    >>> from hookkey_verify.replay import MemoryReplayStore
    >>> store = MemoryReplayStore(single_process=True)
    >>> [(finding.check, finding.result) for finding in store.check()]
    [('processes', 'ok'), ('entries', 'ok')]
    """

    check: str
    result: Result
    detail: str


def clock_finding(check: str, ahead: float, *, digits: int = 1) -> Finding:
    """Return a finding about the difference of two clocks.

    ``check``: the name of the check.
    ``ahead``: by how many seconds the server's clock is ahead of ours; negative if it is behind.
    ``digits``: the number of decimal places in the text. Default 1.
    """
    side = "ahead of" if ahead > 0 else "behind"
    text = f"{abs(ahead):.{digits}f} s {side} this machine's"
    if abs(ahead) > SKEW_TO_WARN:
        return Finding(check, "warning", f"{text}: set the clocks (NTP)")
    return Finding(check, "ok", text)
