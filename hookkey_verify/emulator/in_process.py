"""The org without sockets: a transport adapter for ``requests``."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from io import BytesIO
from typing import Any
from urllib.parse import unquote_to_bytes, urlsplit

import requests
from requests.adapters import BaseAdapter, HTTPAdapter
from starlette.types import ASGIApp, Message
from urllib3 import HTTPHeaderDict, HTTPResponse, Timeout

from .broken_response import EXTENSION

__all__ = ["InProcess"]


class InProcess(BaseAdapter):
    """Answers the requests of a session without sockets, for any host."""

    def __init__(self, app: ASGIApp) -> None:
        super().__init__()
        self._app = app

    def send(  # noqa: PLR0917 - the signature of requests
        self,
        request: requests.PreparedRequest,
        stream: bool = False,  # noqa: ARG002 - the signature of requests
        timeout: Any = None,
        verify: bool | str = True,  # noqa: ARG002
        cert: Any = None,  # noqa: ARG002
        proxies: Mapping[str, str] | None = None,  # noqa: ARG002
    ) -> requests.Response:
        """Let the application answer in a thread with its own event loop.

        ``request``: the request to answer.
        ``timeout``: the time limit for each part of the response, in seconds; a pair, whose second
            value is used; or a ``urllib3.Timeout``. Default None: no limit.
        ``stream``, ``verify``, ``cert``, ``proxies``: ignored, because there is no connection.

        Raises ``ConnectionError`` and ``ReadTimeout`` of ``requests``.
        """
        if isinstance(timeout, Timeout):
            timeout = timeout.clone()
            timeout.start_connect()
            timeout = timeout.read_timeout
        read = timeout[1] if isinstance(timeout, tuple) else timeout
        call = _Call(self._app, request)
        thread = threading.Thread(target=call.run, args=(read,))
        thread.start()
        thread.join()
        if call.problem is not None:
            raise call.problem
        raw = HTTPResponse(
            body=BytesIO(b"" if request.method == "HEAD" else call.body),
            headers=HTTPHeaderDict(call.headers),
            status=call.status,
            preload_content=False,
            request_method=request.method,
        )
        return HTTPAdapter().build_response(request, raw)

    def close(self) -> None:
        """Do nothing, because there is no connection."""


class _Call:
    """One request, its response, and its ``Connection``."""

    def __init__(self, app: ASGIApp, request: requests.PreparedRequest) -> None:
        self._app = app
        self._request = request
        self._body = _bytes(request)
        self._headers = [
            (_latin1(name.lower()), _latin1(value)) for name, value in request.headers.items()
        ]
        self._ended = asyncio.Event()
        self.status = 0
        self.headers: list[tuple[str, str]] = []
        self.body = b""
        self.problem: Exception | None = None

    def run(self, timeout: float | None) -> None:
        try:
            asyncio.run(self._answered(timeout))
        except Exception as error:
            self.problem = error  # raise it in the caller's thread

    def close(self) -> None:
        self._ended.set()

    def reset(self) -> None:
        self.problem = requests.ConnectionError("connection reset", request=self._request)
        self._ended.set()

    async def _answered(self, timeout: float | None) -> None:
        messages: asyncio.Queue[Message | None] = asyncio.Queue()
        serving = asyncio.create_task(self._serve(messages))
        try:
            while message := await asyncio.wait_for(messages.get(), timeout):
                self._take(message)
        except TimeoutError:
            self.problem = requests.ReadTimeout("read timed out", request=self._request)
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)

    async def _serve(self, messages: asyncio.Queue[Message | None]) -> None:
        async def receive() -> Message:
            body, self._body = self._body, None
            if body is None:
                await self._ended.wait()
                return {"type": "http.disconnect"}
            return {"type": "http.request", "body": body}

        try:
            await self._app(self._scope(), receive, messages.put)
        finally:
            messages.put_nowait(None)

    def _scope(self) -> dict[str, Any]:
        url = urlsplit(self._request.url or "")
        headers = {b"host": url.netloc.encode(), **dict(self._headers)}
        return {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": self._request.method,
            "scheme": url.scheme,
            "path": unquote_to_bytes(url.path or "/").decode("utf-8", "replace"),
            "raw_path": (url.path or "/").encode(),
            "query_string": url.query.encode(),
            "root_path": "",
            "headers": list(headers.items()),
            "client": ("127.0.0.1", 0),
            "server": (url.hostname, url.port or 443),
            "extensions": {EXTENSION: self},
        }

    def _take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            pairs = message["headers"]
            self.headers = [
                (name.decode("latin-1"), value.decode("latin-1")) for name, value in pairs
            ]
        else:
            self.body += message.get("body", b"")


def _bytes(request: requests.PreparedRequest) -> bytes | None:
    body = request.body or b""
    if isinstance(body, str):
        return body.encode()
    if isinstance(body, bytes):
        return body
    pieces = [body.read()] if hasattr(body, "read") else body
    return b"".join(each.encode() if isinstance(each, str) else each for each in pieces)


def _latin1(text: str | bytes) -> bytes:
    return text if isinstance(text, bytes) else text.encode("latin-1")
