"""The handler that must not run without a token, and what else all applications share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

__all__ = ["HANDLER_RAN", "HEALTHY", "METHODS", "Run", "recorder"]

Run = Callable[[], bytes]
"""The handler: it leaves a trace, and returns the body of the answer."""

HANDLER_RAN = b"HANDLER RAN"
HEALTHY = b"healthy"
METHODS = ["GET", "POST"]


def recorder(trace: Path) -> Run:
    """Return a handler that appends a line to this file whenever it runs."""

    def run() -> bytes:
        with trace.open("ab") as file:
            file.write(b"ran\n")
        return HANDLER_RAN

    return run
