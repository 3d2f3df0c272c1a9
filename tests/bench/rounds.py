"""The measurement that the benchmarks share: alternating candidates, short rounds, medians.

Other load on the machine during a round affects all candidates alike. Compare ratios rather than
times: when the clock speed of the machine changes, every time changes, but the ratios do not.
"""

from __future__ import annotations

import gc
import importlib.metadata
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from cryptography.hazmat.backends.openssl import backend

__all__ = ["Figure", "in_turns", "machine", "table"]


class Figure(NamedTuple):
    """The result for one candidate."""

    us: float
    """Median microseconds of one call."""
    ratio: float
    """Median of the ratios to the first candidate, round by round."""
    low: float
    """The first quartile of the ratios."""
    high: float
    """The third quartile of the ratios."""


def in_turns(
    candidates: Mapping[str, Callable[[], object]], *, rounds: int, calls: int
) -> dict[str, Figure]:
    """Call each candidate ``calls`` times per round; the first candidate is the floor."""
    times: dict[str, list[float]] = {name: [] for name in candidates}
    for call in candidates.values():
        call()
    collecting = gc.isenabled()
    gc.collect()
    gc.disable()
    try:
        for _ in range(rounds):
            for name, call in candidates.items():
                began = time.perf_counter()
                for _ in range(calls):
                    call()
                times[name].append((time.perf_counter() - began) / calls * 1e6)
    finally:
        if collecting:
            gc.enable()
    floor = next(iter(times.values()))
    return {name: _figure(own, floor) for name, own in times.items()}


def _figure(times: list[float], floor: list[float]) -> Figure:
    ratios = sorted(own / bare for own, bare in zip(times, floor, strict=True))
    low, middle, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return Figure(statistics.median(times), middle, low, high)


def machine() -> dict[str, str]:
    """Return the machine, the Python, and the versions of what is measured."""
    names = ("hookkey_verify", "cryptography")
    return {
        "processor": f"{_processor()}, {len(os.sched_getaffinity(0))} cores",
        "system": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}"
        + ("" if getattr(sys, "_is_gil_enabled", lambda: True)() else ", without the GIL"),
        "openssl": backend.openssl_version_text(),
        **{name: importlib.metadata.version(name) for name in names},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.partition(": ")[2] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def table(rows: Sequence[tuple[str, Any]], width: int = 40) -> str:
    """Format named tuples as a table, one line per name; the columns are their fields."""
    head = " " * width + "".join(f"{field:>10}" for field in rows[0][1]._fields)
    lines = (
        f"{name:{width}}" + "".join(f"{value:10.2f}" for value in figure) for name, figure in rows
    )
    return "\n".join([head, *lines])
