"""The handler that must not run without a token, and constants that all applications share."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

__all__ = ["HANDLER_RAN", "HEALTHY", "METHODS", "Run", "recorder"]

Run = Callable[[], bytes]
"""The handler: it records that it ran, and returns the response body."""

HANDLER_RAN = b"HANDLER RAN"
HEALTHY = b"healthy"
METHODS = ["GET", "POST"]


def recorder(trace: Path) -> Run:
    """Return a handler that appends a line to ``trace`` whenever it runs."""

    def run() -> bytes:
        with trace.open("ab") as file:
            file.write(b"ran\n")
        return HANDLER_RAN

    return run
