"""Tells open pages that the org has changed: server-sent events.

https://html.spec.whatwg.org/multipage/server-sent-events.html. An event has no content but its id;
the page then requests its lists again. The browser repeats the last id when it reconnects, so no
change is missed.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack
from typing import Final

from starlette.responses import Response, StreamingResponse
from starlette.types import Receive, Scope, Send

from .request import protected, text

__all__ = ["Changes"]

MAX_LISTENERS: Final = 20
INTERVAL: Final = 0.2
"""Seconds between two looks at the state of the org."""
LIFETIME: Final = 20.0
"""Seconds until a stream ends and the browser reconnects. It limits how long a stopping server,
which waits for its responses, has to wait."""
BEAT: Final = 25
"""The number of looks after which an idle stream sends a comment."""


class Changes:
    """Numbers the states of an org and announces new numbers to listeners. Thread-safe."""

    def __init__(self, state: Callable[[], object]) -> None:
        """Number the states.

        ``state``: returns a value that differs from the last one if the org has changed.
        """
        self._state = state
        self._lock = threading.Lock()
        self._start = secrets.token_hex(4)
        self._count, self._seen, self._at = 0, state(), time.monotonic()
        self._listeners = 0
        self._stops = 0

    def number(self, *, fresh: bool = True) -> str:
        """Return the id of the state.

        ``fresh``: whether to look at the org now. Default True; otherwise, look at most every
        ``INTERVAL`` seconds.
        """
        with self._lock:
            now = time.monotonic()
            if fresh or now >= self._at + INTERVAL:
                self._at, state = now, self._state()
                if state != self._seen:
                    self._count, self._seen = self._count + 1, state
            return f"{self._start}-{self._count}"

    def stop(self) -> None:
        """End all streams."""
        self._stops += 1

    def respond(self, known: str) -> Response:
        """Return a stream of events, or 503 if there are too many listeners.

        ``known``: the id of the state that the page shows.
        """
        if self._listeners >= MAX_LISTENERS:
            return text("Too many pages of the console are open.", 503)
        self._listeners += 1  # at once: streams that begin together would pass the limit
        place = ExitStack()
        place.callback(self._leave)
        headers = protected(secrets.token_urlsafe(16))
        return _Stream(self._events(known), place, headers=headers)

    async def _events(self, known: str) -> AsyncIterator[str]:
        stops, until = self._stops, time.monotonic() + LIFETIME
        yield "retry: 500\n\n"
        looks = 0
        while self._stops == stops and time.monotonic() < until:
            number = self.number(fresh=False)
            if number != known:
                known, looks = number, 0
                yield f"id: {number}\nevent: change\ndata: {number}\n\n"
            looks += 1
            if looks % BEAT == 0:
                yield ": still here\n\n"
            await asyncio.sleep(INTERVAL / 2)

    def _leave(self) -> None:
        self._listeners -= 1


class _Stream(StreamingResponse):
    """A stream of events that gives its place back when it has ended, also if it did not begin."""

    media_type = "text/event-stream"

    def __init__(
        self, events: AsyncIterator[str], place: ExitStack, *, headers: dict[str, str]
    ) -> None:
        super().__init__(events, headers=headers)
        self._place = place

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        with self._place:
            await super().__call__(scope, receive, send)
