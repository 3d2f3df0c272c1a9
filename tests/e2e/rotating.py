"""Kills ``hookkey keys rotate`` after a change, and serves verifiers of hooks."""

from __future__ import annotations

import http.client
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hookkey_verify.settings import NAMES

__all__ = ["SERVICE", "Gateway", "gateway", "rotate"]


@dataclass(slots=True)
class Gateway:
    """Forwards requests to the org, and kills the command when it has forwarded enough of them."""

    url: str
    kill_after: int = 0
    """After this number of changes the command is killed, and gets no response. 0: never."""
    changes: list[str] = field(default_factory=list)
    """The requests that changed the org, in order."""
    command: subprocess.Popen[str] | None = None

    def passed(self, line: str) -> bool:
        """Count a request that the org has carried out; return whether its response is sent."""
        if line.startswith("GET"):
            return True
        self.changes.append(line)
        if len(self.changes) != self.kill_after or self.command is None:
            return True
        os.kill(self.command.pid, signal.SIGKILL)
        self.command.wait()
        return False


@contextmanager
def gateway(org_url: str) -> Iterator[Gateway]:
    """Serve a gateway to an org on a free port."""
    host = urlsplit(org_url).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            org = http.client.HTTPConnection(host, timeout=10)
            headers = {n: v for n, v in self.headers.items() if n.lower() != "host"}
            org.request(self.command, self.path, body or None, headers)
            answer = org.getresponse()
            content = answer.read()
            org.close()
            if not made.passed(f"{self.command} {self.path}"):
                self.close_connection = True
                return
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("content-length", "transfer-encoding", "connection"):
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_PUT = do_DELETE = forward  # noqa: N815 - names of http.server

        def log_message(self, *_: Any) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    made = Gateway(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def rotate(
    org_url: str, token: str, *options: str, by: Gateway | None = None, cwd: Path
) -> tuple[int, str]:
    """Run the command in a process of its own; return its exit code and what it printed."""
    unset = {name.variable for name in NAMES.values()}
    env: Mapping[str, str] = {
        **{name: value for name, value in os.environ.items() if name not in unset},
        "OKTA_CLIENT_ORGURL": org_url,
        "OKTA_CLIENT_TOKEN": token,
        "HOME": str(cwd),
    }
    command = [sys.executable, "-m", "hookkey_verify", "keys", "rotate", "Token hook", "--hooks"]
    with subprocess.Popen(
        [*command, "--yes", *options],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=env,
        cwd=cwd,
    ) as process:
        if by is not None:
            by.command = process
        output, _ = process.communicate(timeout=120)
    return process.returncode, output


SERVICE = '''
import os

from hookkey_verify import ApiToken, HookKeys, HookVerifier, IssuerKeys, TokenEndpoint
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.signing_key import SigningKey
from hookkey_verify.wsgi import HookMiddleware, serve

class BridgeKeys:
    """Reads a JWK Set, as authorization servers with a jwks_uri do."""

    def __init__(self, url):
        keys = IssuerKeys("https://bridge.acme.com", jwks_url=url)
        self.get, self.aget, self.close = keys.get, keys.aget, keys.close


if "BRIDGE" in os.environ:
    keys = BridgeKeys(os.environ["BRIDGE"])
else:
    keys = HookKeys(os.environ["ORG"], ApiToken(os.environ["TOKEN"]))
tokens = TokenEndpoint(
    HookVerifier.for_client_assertion(
        keys,
        client_id="0oaElsewhere",
        token_url=os.environ["TOKEN_URL"],
        replay=MemoryReplayStore(),
    ),
    signing_key=SigningKey.from_file("signing.pem"),
    issuer="https://hooks.acme.com",
    audience="api://hooks",
    scopes=["hooks"],
    lifetime=30,  # so short that Okta requests one for each delivery
)


def handle(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [b"{}"]


token_url, hook = serve(tokens), HookMiddleware(handle, tokens.verifier)


def application(environ, start_response):
    app = token_url if environ["PATH_INFO"] == "/token" else hook
    return app(environ, start_response)
'''
"""A token URL and a hook, which gunicorn serves. It reads the keys of the org, or of a bridge."""
