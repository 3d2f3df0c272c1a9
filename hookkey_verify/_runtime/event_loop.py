"""The running event loop, which must be asyncio's."""

from __future__ import annotations

import asyncio

from ..errors import ConfigurationError

__all__ = ["running_loop"]


def running_loop() -> asyncio.AbstractEventLoop:
    """Return the running loop. Raises ``ConfigurationError`` under another one, such as trio."""
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        raise ConfigurationError(
            "this needs asyncio as the event loop; under another one, such as trio, call the "
            "synchronous method in a thread"
        ) from None
