"""The package's logger, which is silent until the application configures logging.

It has its own module because importing logging takes 4 ms and a verification does not need it.
"""

from __future__ import annotations

import logging

__all__ = ["logger"]

logger = logging.getLogger("hookkey_verify")
logger.addHandler(logging.NullHandler())
