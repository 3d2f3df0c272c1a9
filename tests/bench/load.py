"""Load on a protected handler in two processes, while the key source goes up and down.

python -m tests.bench.load [seconds]

The source answers for a second and fails for a second, and keys are fresh for one second only, so
that the cache passes through every state under load. The script fails if a good token gets a 401, a
response has a 5xx status other than 503, a bad token is accepted, or memory grows by 20 percent.
"""

from __future__ import annotations

import http.client
import json
import os
import random
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from hookkey_verify import (
    ApiToken,
    CachePolicy,
    HookKeys,
    HookSigner,
    HookVerificationError,
    HookVerifier,
)
from hookkey_verify.asgi import HookMiddleware
from tests.servers import free_port

CLIENT_ID, TOKEN_URL = "0oa1qz8hookclient4x7", "https://hooks.acme.com/oauth2/token"
PROCESSES, CLIENTS = 2, 8
WARM_UP = 5.0
"""Seconds until the first measurement of memory; at most a third of the run."""
ORG_URL, KID = "BENCH_ORG_URL", "known"


def make_app() -> Any:
    """Build the application that each worker serves."""
    policy = CachePolicy(fresh_for=1, stale_if_error=0, negative_for=1, backoff=0.1, max_backoff=1)
    keys = HookKeys(os.environ[ORG_URL], ApiToken("t"), policy=policy)
    verifier = HookVerifier.for_client_assertion(keys, client_id=CLIENT_ID, token_url=TOKEN_URL)
    with suppress(HookVerificationError):  # the source may be down at this moment
        keys.warm_up(KID)  # otherwise the made-up kids could exhaust the budget for unknown kids

    async def handler(scope: Any, receive: Any, send: Any) -> None:
        headers = [(b"content-length", b"2")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"ok"})

    return HookMiddleware(handler, verifier)


@contextmanager
def flapping_source(jwk: dict[str, Any]) -> Iterator[str]:
    """Serve the key, alternating between one second up and one second down."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            up = int(time.monotonic()) % 2 == 0
            known = self.path.endswith(str(jwk["kid"]))
            error = {"errorCode": "E0000007", "errorSummary": "Not found"}
            body = json.dumps(jwk if known else error).encode()
            self.send_response((200 if known else 404) if up else 503)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()


class Client(threading.Thread):
    """Sends good and bad tokens over one connection at a time, and counts the responses."""

    def __init__(self, port: int, good: list[str], bad: list[str], until: float) -> None:
        super().__init__()
        self.good: Counter[int] = Counter()
        self.bad: Counter[int] = Counter()
        self._port, self._tokens, self._until = port, (good, bad), until

    def run(self) -> None:
        """Send until the end time; reconnect every 200 requests so that all workers are used."""
        while time.monotonic() < self._until:
            connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=10)
            for _ in range(200):
                if time.monotonic() > self._until:
                    break
                is_bad = random.random() < 0.3
                token = random.choice(self._tokens[is_bad])
                connection.request("POST", "/", headers={"Authorization": f"Bearer {token}"})
                # uvicorn sends headers and body separately and waits for the acknowledgement.
                connection.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 1)
                answer = connection.getresponse()
                answer.read()
                (self.bad if is_bad else self.good)[answer.status] += 1
            connection.close()


def _children(pid: int) -> set[int]:
    """Return the process ids of the workers and of multiprocessing's helper."""
    return set(map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split()))


def _memory(pids: set[int]) -> int:
    """Return the total resident memory of these processes in kilobytes."""
    total = 0
    for pid in pids:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("VmRSS"))
    return total


def _wait(port: int) -> None:
    until = time.monotonic() + 30
    while time.monotonic() < until:
        try:
            with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=5)) as connection:
                connection.request("POST", "/")
                assert connection.getresponse().status == 401
            return
        except OSError:
            time.sleep(0.1)
    raise AssertionError("the server did not start")


def measure(seconds: float) -> dict[str, Any]:
    """Run the load and return the counts and the memory."""
    signer, stranger = HookSigner.generate(KID), HookSigner.generate(KID)
    recipe: Any = {"client_id": CLIENT_ID, "token_url": TOKEN_URL, "lifetime": 3000}
    good = [signer.client_assertion(**recipe) for _ in range(20)]
    other: Any = {**recipe, "token_url": "https://other.example/token"}
    bad = [
        "a.b.c",
        stranger.client_assertion(**recipe),
        signer.client_assertion(**other),
        *(HookSigner(signer._key, f"unknown-{n}").client_assertion(**recipe) for n in range(20)),
    ]
    port = free_port()
    with flapping_source(signer.public_jwk()) as org_url:
        server = subprocess.Popen(
            [
                *(sys.executable, "-m", "uvicorn", "--factory", "tests.bench.load:make_app"),
                *("--port", str(port), "--workers", str(PROCESSES), "--log-level", "critical"),
            ],
            env={**os.environ, ORG_URL: org_url},
        )
        try:
            _wait(port)
            until = time.monotonic() + seconds
            clients = [Client(port, good, bad, until) for _ in range(CLIENTS)]
            for client in clients:
                client.start()
            time.sleep(min(WARM_UP, seconds / 3))
            pids = _children(server.pid)
            before = _memory(pids)
            for client in clients:
                client.join()
            after = _memory(pids)
        finally:
            server.terminate()
            server.wait(20)
    totals = sum((client.good for client in clients), Counter[int]())
    refused = sum((client.bad for client in clients), Counter[int]())
    return {
        "seconds": seconds,
        "processes": PROCESSES,
        "good tokens": dict(sorted(totals.items())),
        "bad tokens": dict(sorted(refused.items())),
        "requests per second": round((totals.total() + refused.total()) / seconds),
        "memory in KB": [before, after],
    }


def main() -> None:
    """Run the load, print the report as JSON, and fail if a condition is violated."""
    report = measure(float(sys.argv[1]) if len(sys.argv) > 1 else 60)
    print(json.dumps(report, indent=2))
    assert set(report["good tokens"]) <= {200, 503}, "a good token got neither 200 nor 503"
    assert set(report["bad tokens"]) <= {401, 503}, "a bad token got neither 401 nor 503"
    before, after = report["memory in KB"]
    assert after < before * 1.2, "memory grew by 20 percent or more"


if __name__ == "__main__":
    main()
