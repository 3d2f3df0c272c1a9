"""Servers in separate processes, so that client and server each use their own core.

The processes come from multiprocessing's fork server, which has no threads and has already
imported the applications.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

import hypercorn.asyncio
import hypercorn.config
import uvicorn
import waitress
import werkzeug.serving
from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter

from hookkey_verify import HookVerifier, StaticKeys

from ..conftest import CLIENT_ID, TOKEN_URL
from .raw_target_handler import recorder
from .raw_target_sites import NAIVE_FORMS, OPEN_FORMS, PROTECTED_FORMS

__all__ = ["FORMS", "SERVERS", "serving"]

FORMS = {**PROTECTED_FORMS, **OPEN_FORMS, **NAIVE_FORMS}
_CONTEXT = get_context("forkserver")
_CONTEXT.set_forkserver_preload(["__main__", __name__])
_MAX_HEAD = 2**17
"""Maximum size of a request head in bytes, for servers that can be configured."""


def _uvicorn(http: Any, app: Any, listener: socket.socket) -> None:
    config = uvicorn.Config(
        app, http=http, log_level="critical", h11_max_incomplete_event_size=_MAX_HEAD
    )
    uvicorn.Server(config).run(sockets=[listener])


def _hypercorn(app: Any, listener: socket.socket) -> None:
    config = hypercorn.config.Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.errorlog = None
    config.h11_max_incomplete_size = _MAX_HEAD

    async def forever() -> None:
        await asyncio.Event().wait()

    asyncio.run(hypercorn.asyncio.serve(app, config, shutdown_trigger=forever))


class _Gunicorn(BaseApplication):  # type: ignore[misc]
    def __init__(self, app: Any, listener: socket.socket) -> None:
        self._app, self._listener = app, listener
        super().__init__()

    def load_config(self) -> None:
        """Configure a socket that is already listening, and targets of any length."""
        options: dict[str, Any] = {
            "bind": f"fd://{self._listener.detach()}",
            "worker_class": "gthread",
            "threads": 4,
            "loglevel": "critical",
            "limit_request_line": 0,
            "control_socket_disable": True,
        }
        for name, value in options.items():
            self.cfg.set(name, value)

    def load(self) -> Any:
        """Return the application."""
        return self._app


def _gunicorn(app: Any, listener: socket.socket) -> None:
    Arbiter(_Gunicorn(app, listener)).run()


def _waitress(app: Any, listener: socket.socket) -> None:
    waitress.serve(app, sockets=[listener], threads=4, _quiet=True)


class _QuietWerkzeug(werkzeug.serving.WSGIRequestHandler):
    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Print nothing; the original raises for some targets, which prevents a response."""


def _werkzeug(app: Any, listener: socket.socket) -> None:
    werkzeug.serving.make_server(
        "127.0.0.1",
        0,
        app,
        threaded=True,
        request_handler=_QuietWerkzeug,
        fd=listener.fileno(),
    ).serve_forever()


class _QuietWsgiref(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Print nothing."""


def _wsgiref(app: Any, listener: socket.socket) -> None:
    server = WSGIServer(("127.0.0.1", 0), _QuietWsgiref)
    server.socket.close()
    server.socket = listener
    server.set_app(app)
    server.serve_forever()


_Serve = Callable[[Any, socket.socket], None]
SERVERS: dict[str, dict[str, _Serve]] = {
    "asgi": {
        "uvicorn-h11": lambda app, listener: _uvicorn("h11", app, listener),
        "uvicorn-httptools": lambda app, listener: _uvicorn("httptools", app, listener),
        "hypercorn": _hypercorn,
    },
    "wsgi": {
        "gunicorn": _gunicorn,
        "waitress": _waitress,
        "werkzeug": _werkzeug,
        "wsgiref": _wsgiref,
    },
}


def _child(name: str, server: str, trace: str, jwk: dict[str, Any], ready: Connection) -> None:
    """Build a form of protection and serve it until killed; output goes to ``<trace>.log``."""
    os.setsid()
    log = os.open(f"{trace}.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(log, 1)
    os.dup2(log, 2)
    logging.disable(logging.WARNING)  # Django logs every unknown path as a warning
    verifier = HookVerifier.for_client_assertion(
        StaticKeys.from_jwk(jwk), client_id=CLIENT_ID, token_url=TOKEN_URL
    )
    form = FORMS[name]
    app = form.build(verifier, recorder(Path(trace)))
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.bind(("127.0.0.1", 0))
    listener.listen(128)
    ready.send(listener.getsockname()[1])
    os.fork()  # two processes accept from one socket, to use both cores
    SERVERS[form.interface][server](app, listener)


@contextmanager
def serving(name: str, server: str, trace: Path, jwk: dict[str, Any]) -> Iterator[int]:
    """Serve a form in a process and yield the port; the process group is killed afterwards."""
    parent_end, child_end = _CONTEXT.Pipe(duplex=False)
    process = _CONTEXT.Process(
        target=_child, args=(name, server, str(trace), jwk, child_end), daemon=True
    )
    process.start()
    child_end.close()
    assert process.pid is not None
    try:
        with parent_end:
            assert parent_end.poll(30), f"{name} on {server} did not start"
            port = int(parent_end.recv())
        yield port
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.join(10)
        process.close()
