"""The time that key look-ups take and the calls that they cause, compared with PyJWKClient.

python -m tests.bench.keysource [--json]

All requests are real HTTP on loopback to a server that counts them. Only the minute of the flood
and the outage run on a simulated clock. PyJWKClient has its default settings, except where a
comment says otherwise.
"""

from __future__ import annotations

import json
import logging
import multiprocessing
import statistics
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import jwt

from hookkey_verify import ApiToken, CachePolicy, HookKeys, HookSigner
from hookkey_verify.errors import HookVerificationError, KeyUnavailableError
from hookkey_verify.valkey import ValkeyKeyStore

from ..faults import ManualClock
from ..valkeys import valkey_server

THREADS, FLOOD, WARM, HANG, PROCESSES = 50, 10_000, 100_000, 2.0, 8
KNOWN, HANGING = "known", "x-hanging"
Figures = dict[str, Any]


class Org(ThreadingHTTPServer):
    """An org with every kid that does not begin with x: one document per kid, a list, a JWK Set."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.jwk = HookSigner.generate().public_jwk()
        self.calls: Counter[str] = Counter()
        self.lock = threading.Lock()
        self.down = False
        self.seconds = 0.05
        self.hang: dict[str, float] = {}
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, *_: object) -> None:
        pass  # clients close the connection when their timeout expires


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Org

    def do_GET(self) -> None:
        org, kid = self.server, self.path.rpartition("/")[2]
        with org.lock:
            org.calls[kid] += 1
        time.sleep(org.hang.get(kid, org.seconds))
        status = 200
        document: dict[str, Any] | list[dict[str, str]] = {**org.jwk, "kid": kid}
        if org.down:
            status, document = 500, {"errorCode": "E0000009"}
        elif kid == "jwks":
            document = {"keys": [{**org.jwk, "kid": each} for each in (KNOWN, "other")]}
        elif kid == "hook-keys":
            document = [{"keyId": each} for each in (KNOWN, "other")]
        elif kid.startswith("x"):
            status, document = 404, {"errorCode": "E0000007"}
        body = json.dumps(document).encode()
        with suppress(OSError):
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving_org() -> Iterator[Org]:
    org = Org()
    thread = threading.Thread(target=org.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    yield org
    org.shutdown()
    org.server_close()


def _ours(org: Org, **arguments: Any) -> HookKeys:
    return HookKeys(org.url, ApiToken("token"), **arguments)


def _theirs(org: Org, **arguments: Any) -> Any:
    return jwt.PyJWKClient(f"{org.url}/jwks", **arguments).get_signing_key


def _concurrently(look_up: Callable[[str], object], kid: str) -> Figures:
    """Look up from all threads at once; return the successes and the duration of the slowest."""
    barrier = threading.Barrier(THREADS)

    def one(_: int) -> tuple[bool, float]:
        barrier.wait()
        started = time.perf_counter()
        try:
            look_up(kid)
        except Exception:
            return False, time.perf_counter() - started
        return True, time.perf_counter() - started

    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(one, range(THREADS)))
    return {
        "answered": sum(ok for ok, _ in answers),
        "slowest s": round(max(seconds for _, seconds in answers), 2),
    }


def _quietly(look_up: Callable[[str], object], kid: str) -> None:
    with suppress(HookVerificationError, jwt.PyJWTError):
        look_up(kid)


def cold() -> Iterator[tuple[str, Figures]]:
    """Fifty threads look up one kid while nothing is cached, with the org up and down."""
    for name, down, source in (
        ("cold, hookkey_verify", False, _ours),
        ("cold, PyJWKClient", False, _theirs),
        ("cold, org down, hookkey_verify", True, _ours),
        ("cold, org down, PyJWKClient", True, _theirs),
    ):
        with serving_org() as org:
            org.down = down
            made = source(org)
            figures = _concurrently(made.get if isinstance(made, HookKeys) else made, KNOWN)
            yield name, {"calls": org.calls.total(), **figures}


def flood() -> Iterator[tuple[str, Figures]]:
    """Look up ten thousand made-up kids in a simulated minute, while a known key becomes due.

    PyJWKClient requests the set once and not again for 30 s, so it finds no new key meanwhile.
    """
    with serving_org() as org:
        org.seconds = 0
        clock = ManualClock()
        policy = CachePolicy(fresh_for=30, refresh_ahead=0)
        keys = _ours(org, policy=policy, clock=clock)
        keys.warm_up(KNOWN)
        for number in range(FLOOD):
            clock.now += 60 / FLOOD
            with suppress(HookVerificationError):
                keys.get(f"x{number}")
            if number % 100 == 0:
                keys.get(KNOWN)
        most = policy.first_seen_burst + 60 / policy.first_seen_interval
        known = org.calls.pop(KNOWN)
        yield (
            "flood of unknown kids, hookkey_verify",
            {"calls": org.calls.total(), "at most": most, "calls for the known key": known},
        )
    with serving_org() as org:
        org.seconds = 0
        look_up = _theirs(org)
        for number in range(FLOOD):
            with suppress(jwt.PyJWTError):
                look_up(f"x{number}")
        yield "flood of unknown kids, PyJWKClient", {"calls": org.calls.total()}
    for name, source in (("hookkey_verify", _ours), ("PyJWKClient", _theirs)):
        with serving_org() as org:
            org.seconds, org.down = 0, True
            made = source(org)
            for number in range(FLOOD // 20):
                _quietly(made.get if isinstance(made, HookKeys) else made, f"x{number}")
            yield f"flood of {FLOOD // 20}, org down, {name}", {"calls": org.calls.total()}


def beside_a_hanging_fetch() -> Iterator[tuple[str, Figures]]:
    """Look-ups of a known kid while another kid's fetch hangs for two seconds."""
    # No cooldown: PyJWKClient's 30 s after a fetch are over in a process that has run for a while.
    for name, source, arguments in (
        ("hookkey_verify", _ours, {}),
        ("PyJWKClient", _theirs, {"cooldown_duration": 0}),
    ):
        with serving_org() as org:
            made = source(org, **arguments)
            look_up = made.get if isinstance(made, HookKeys) else made
            look_up(KNOWN)
            org.hang = {HANGING: HANG, "jwks": HANG}
            times: list[float] = []
            hanging = threading.Thread(target=_quietly, args=(look_up, HANGING))
            hanging.start()
            until = time.perf_counter() + HANG * 0.9
            while time.perf_counter() < until:
                started = time.perf_counter()
                look_up(KNOWN)
                times.append(time.perf_counter() - started)
                time.sleep(0.001)
            hanging.join()
            times.sort()
            yield (
                f"known kid during a hanging fetch, {name}",
                {
                    "look-ups": len(times),
                    "p99 ms": round(times[int(len(times) * 0.99)] * 1e3, 3),
                    "longest ms": round(times[-1] * 1e3, 3),
                },
            )


def outage() -> Iterator[tuple[str, Figures]]:
    """Take the org down: keys are served until the stale limit, then 503; later it recovers."""
    with serving_org() as org:
        org.seconds = 0
        clock = ManualClock()
        keys = _ours(org, policy=CachePolicy(fresh_for=3600, stale_if_error=3600), clock=clock)
        keys.get(KNOWN)
        org.down = True
        served = 0.0
        began = clock.now
        try:
            while True:
                keys.get(KNOWN)
                served = clock.now - began
                clock.now += 60
        except KeyUnavailableError as error:
            status = error.status_code
        calls = org.calls.total() - 1
        org.down = False
        clock.now += 300
        recovered = keys.get(KNOWN).kid == KNOWN
    yield (
        "outage, hookkey_verify",
        {"seconds served": served, "calls": calls, "then": status, "recovered": recovered},
    )


def warm() -> Iterator[tuple[str, Figures]]:
    """Look up a cached key, compared with a dict under a lock."""
    with serving_org() as org:
        ours, theirs = _ours(org), _theirs(org)
        ours.get(KNOWN)
        theirs(KNOWN)
        lock, plain = threading.Lock(), {KNOWN: ours.get(KNOWN)}

        def dict_under_lock(kid: str) -> object:
            with lock:
                return plain[kid]

        candidates: dict[str, Callable[[str], object]] = {
            "dict under a lock": dict_under_lock,
            "hookkey_verify": ours.get,
            "PyJWKClient": theirs,
        }
        rounds: dict[str, list[float]] = {name: [] for name in candidates}
        for _ in range(100):
            for name, look_up in candidates.items():
                started = time.perf_counter()
                for _ in range(WARM // 100):
                    look_up(KNOWN)
                rounds[name].append((time.perf_counter() - started) / (WARM // 100))
    floor = rounds["dict under a lock"]
    for name, times in rounds.items():
        more = statistics.median(t - bare for t, bare in zip(times, floor, strict=True))
        figures = {"us": round(statistics.median(times) * 1e6, 3), "extra us": round(more * 1e6, 3)}
        yield f"warm look-up, {name}", figures


def _worker(url: str, store: str, start: Any, results: Any) -> None:
    shared = ValkeyKeyStore(store, secret="s" * 32)
    with HookKeys(url, ApiToken("token"), shared=shared) as keys:
        start.wait()
        results.put(keys.get(KNOWN).kid)


def fleet() -> Iterator[tuple[str, Figures]]:
    """Eight processes share one Valkey and look up a kid while nothing is cached."""
    context = multiprocessing.get_context("spawn")
    with serving_org() as org, valkey_server() as server:
        org.seconds = 0.3
        start, results = context.Barrier(PROCESSES), context.Queue()
        arguments = (org.url, server.connection_url, start, results)
        workers = [context.Process(target=_worker, args=arguments) for _ in range(PROCESSES)]
        for worker in workers:
            worker.start()
        got = [results.get(timeout=60) for _ in workers]
        for worker in workers:
            worker.join()
        yield (
            f"{PROCESSES} processes on one Valkey, cold",
            {"calls": org.calls.total(), "keys": len(got)},
        )


def main() -> None:
    """Run the benchmark and print a table or JSON."""
    report: dict[str, Figures] = {}
    for scene in (cold, flood, beside_a_hanging_fetch, outage, warm, fleet):
        for name, figures in scene():
            report[name] = figures
            if "--json" not in sys.argv:
                print(
                    f"{name:50}", *(f"{key}: {value}" for key, value in figures.items()), sep="  "
                )
    if "--json" in sys.argv:
        print(json.dumps(report, indent=2))


if __name__ == "__main__":
    logging.getLogger("hookkey_verify").setLevel(logging.CRITICAL)
    main()
