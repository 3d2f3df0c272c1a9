"""Compares this machine's clock with Okta's."""

from __future__ import annotations

from ..replay import Finding
from ..replay.finding import SKEW_TO_WARN

__all__ = ["okta_clock"]


def okta_clock(skew: float | None) -> Finding:
    """Return whether this machine's clock agrees with Okta's.

    ``skew``: the seconds by which it is ahead. None: the response has no ``Date``.
    """
    if skew is None:
        return Finding("clock", "skipped", "the response has no Date")
    if abs(skew) > SKEW_TO_WARN:
        ahead = "ahead of" if skew > 0 else "behind"
        detail = f"{abs(skew):.0f} s {ahead} Okta's: set this machine's clock"
        return Finding("clock", "warning", detail)
    return Finding("clock", "ok", "agrees with Okta's")
