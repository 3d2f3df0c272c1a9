"""The package's logger. Silent until the application configures logging, as libraries should be.

A module of its own because logging takes 4 ms to import, which a verification does not need.
"""

from __future__ import annotations

import logging

__all__ = ["logger"]

logger = logging.getLogger("hookkey_verify")
logger.addHandler(logging.NullHandler())
