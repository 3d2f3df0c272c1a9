"""The second part of ``hookkey demo``: the org calls a handler, which adds a claim to a token."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..asgi import App, serve
from ..emulator import OktaEmulator
from ..emulator.thread_server import ThreadServer
from ..emulator.verdict import Delivery
from ..hooks import Hooks, TokenHook, TokenReply
from ..keys.issuer_keys import IssuerKeys
from ..verifier import HookVerifier

__all__ = ["deliver"]

START_TIMEOUT = 10


def deliver(okta: OktaEmulator, key: dict[str, Any], client_id: str) -> Delivery:
    """Let the org call a handler that verifies the access token, and return the delivery.

    ``okta``: the running org.
    ``key``: the hook key that signs the request for the access token.
    ``client_id``: the client id of the hook.
    """
    with IssuerKeys(okta.issuer) as keys:
        hooks = Hooks(
            HookVerifier.for_access_token(
                keys, audience="api://hooks", client_id=client_id, scopes=["hooks"]
            )
        )
        hooks.on(TokenHook)(_add_team)
        with _served(serve(hooks)) as url:
            return okta.fire(okta.create_hook(url, key=key, client_id=client_id)["id"])


def _add_team(_: TokenHook) -> TokenReply:
    return TokenReply().access_claim("team", "blue")


@contextmanager
def _served(app: App) -> Iterator[str]:
    """Serve an application in a thread and yield its URL."""
    ready = threading.Event()
    server = ThreadServer(ready, app)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        ready.wait(START_TIMEOUT)
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}/hook"
        finally:
            server.end()
            thread.join(START_TIMEOUT)
