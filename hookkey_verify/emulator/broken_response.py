"""Responses that are cut off, slow, malformed or never sent."""

from __future__ import annotations

import asyncio
from typing import Final, Protocol

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

__all__ = ["EXTENSION", "BrokenResponse", "Connection"]

EXTENSION: Final = "hookkey_verify.connection"
"""The name of the scope extension in which our own servers pass a request's ``Connection``."""
GARBAGE: Final = b"\x00\xff\xfe{]" * 20
PIECES: Final = 20


class Connection(Protocol):
    """Ways to end a connection, which ASGI does not provide."""

    def close(self) -> None:
        """Send the data that was written, then close the connection."""

    def reset(self) -> None:
        """Reset the connection immediately."""


class BrokenResponse(Response):
    """A response that is cut off, slow, malformed or never sent.

    On a server without ``EXTENSION``, the connection ends as that server ends it when an
    application stops in the middle of a response.
    """

    def __init__(self, whole: Response, kind: str, seconds: float = 0) -> None:
        """Create a response.

        ``whole``: the normal response.
        ``kind``: a ``FaultKind``.
        ``seconds``: the duration of "slow". Default 0.
        """
        self._kind = kind
        self._seconds = seconds
        super().__init__(status_code=whole.status_code)
        self.raw_headers = whole.raw_headers
        self.body = bytes(whole.body)
        if kind == "garbage":
            self.body = GARBAGE
            self.headers["Content-Length"] = str(len(GARBAGE))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the broken response."""
        connection = scope.get("extensions", {}).get(EXTENSION)
        if self._kind == "garbage":
            await super().__call__(scope, receive, send)
            return
        if self._kind == "reset" and connection is not None:
            connection.reset()
            return
        head = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **head})
        if self._kind == "slow":
            await self._drip(send)
            return
        half = self.body[: len(self.body) // 2] if self._kind == "truncated" else b""
        await send({"type": "http.response.body", "body": half, "more_body": True})
        if connection is not None:
            connection.close()

    async def _drip(self, send: Send) -> None:
        step = max(1, -(-len(self.body) // PIECES))
        pieces = [self.body[at : at + step] for at in range(0, len(self.body), step)] or [b""]
        for piece in pieces:
            await asyncio.sleep(self._seconds / len(pieces))
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
