"""The package's logger, which is silent until the application configures logging.

It has its own module because importing logging takes 4 ms and a verification does not need it.
"""

from __future__ import annotations

import logging
from contextlib import suppress

from .clock import Clock, monotonic_clock

__all__ = ["RareLog", "logger"]

logger = logging.getLogger("hookkey_verify")
logger.addHandler(logging.NullHandler())


class RareLog:
    """Logs each message at most once a minute, with the number of times that it was left out.

    What is left out is logged with the level DEBUG instead. Records have these attributes (pass
    them on with a JSON formatter): ``hookkey_source``, ``hookkey_reason``, ``hookkey_kid``,
    ``hookkey_seconds`` and ``hookkey_left_out``.
    """

    INTERVAL = 60.0
    """Seconds between two logs of the same message."""
    MOST = 1000
    """The number of messages that are told apart."""

    __slots__ = ("_clock", "_logged")

    def __init__(self, clock: Clock = monotonic_clock) -> None:
        """``clock``: returns monotonic seconds."""
        self._clock = clock
        self._logged: dict[str, tuple[float, int]] = {}

    def __call__(
        self,
        level: int,
        message: str,
        *,
        topic: str | None = None,
        source: str = "",
        reason: str = "",
        kid: str | None = None,
        seconds: float | None = None,
    ) -> None:
        """Log a message, unless it was logged within the last minute.

        ``topic``: messages with the same topic count as the same. Default None: the message.
        ``source``, ``reason``, ``kid``, ``seconds``: attributes of the record.
        """
        topic = message if topic is None else topic
        if topic not in self._logged and len(self._logged) >= self.MOST:
            topic = ""  # all further ones count as the same
        now = self._clock()
        at, left_out = self._logged.get(topic, (-self.INTERVAL, 0))
        fields = {
            "hookkey_source": source,
            "hookkey_reason": reason,
            "hookkey_kid": kid,
            "hookkey_seconds": seconds,
        }
        if now - at < self.INTERVAL:
            self._logged[topic] = (at, left_out + 1)
            _write(logging.DEBUG, message, {**fields, "hookkey_left_out": 0})
            return
        self._logged[topic] = (now, 0)
        more = f" ({left_out} similar records were left out)" if left_out else ""
        _write(level, message + more, {**fields, "hookkey_left_out": left_out})


def _write(level: int, message: str, fields: dict[str, object]) -> None:
    with suppress(Exception):  # of a handler or filter of the application
        logger.log(level, "%s", message, extra=fields)
