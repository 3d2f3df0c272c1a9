"""How a fleet of workers behaves towards the org and its shared store.

python -m tests.bench.fleet [--json] [--seed NUMBER]

Real processes, a real Valkey and a server that is as slow as Okta can be. Worker counts, delays and
times of failure are drawn at random; the seed is printed. The outage of 500 workers is a simulation
of 30 minutes, with the package's own decisions and a simulated clock.
"""

from __future__ import annotations

import argparse
import heapq
import itertools
import json
import logging
import multiprocessing
import os
import random
import signal
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from hookkey_verify import ApiToken, CachePolicy, HookKeys, HookSigner, PublicKey
from hookkey_verify.errors import HookVerificationError, KeyUnavailableError
from hookkey_verify.events import Reporter
from hookkey_verify.keys.flight import Fetched, PendingFetch, Wait
from hookkey_verify.keys.refreshing import RefreshingCache
from hookkey_verify.keys.shared import Codec, SharedFetch
from hookkey_verify.keys.source import SourceState
from hookkey_verify.keys.store import BoundedStore
from hookkey_verify.valkey import ValkeyKeyStore

from ..faults import ManualClock
from ..keys.fake_store import FakeStore
from ..valkeys import valkey_server
from .keysource import KNOWN, serving_org

SECRET = "s" * 32
SLOWEST_ANSWER = 2.2
MOST_WORKERS, SIMULATED_WORKERS, SIMULATED_SECONDS = 50, 500, 1_800
Figures = dict[str, Any]
STORE_TIMEOUT = 0.25
"""The ``timeout`` of the shared store in seconds, except for the store that hangs."""
_CONTEXT = multiprocessing.get_context("fork")


def _worker(
    url: str,
    store: str,
    kids: list[str],
    start: Any,
    results: Any,
    *,
    store_timeout: float | None = None,
    **options: Any,
) -> None:
    shared = ValkeyKeyStore(store, secret=SECRET, timeout=store_timeout or STORE_TIMEOUT)
    with HookKeys(url, ApiToken("token"), shared=shared, **options) as keys:
        start.wait()
        for kid in kids:
            began = time.monotonic()
            try:
                keys.get(kid)
                outcome = "ok"
            except HookVerificationError as error:
                outcome = str(error.reason)
            results.put((outcome, time.monotonic() - began))


def _run(
    workers: int, url: str, store: str, kids: Callable[[int], list[str]], **options: Any
) -> list[tuple[str, float]]:
    """Let so many processes look up their kids at once, and return outcomes and durations."""
    start, results = _CONTEXT.Barrier(workers), _CONTEXT.Queue()
    processes = [
        _CONTEXT.Process(target=_worker, args=(url, store, kids(n), start, results), kwargs=options)
        for n in range(workers)
    ]
    for process in processes:
        process.start()
    got = [results.get(timeout=120) for n in range(workers) for _ in kids(n)]
    for process in processes:
        process.join()
    return got


def _summary(got: list[tuple[str, float]]) -> Figures:
    slowest = max(seconds for _, seconds in got)
    return {
        "outcomes": dict(Counter(outcome for outcome, _ in got)),
        "slowest s": round(slowest, 2),
    }


def cold(chance: random.Random) -> Iterator[tuple[str, Figures]]:
    """All workers look up one key while nothing is cached, and Okta takes its time."""
    for directory in (False, True):
        with serving_org() as org, valkey_server() as server:
            workers = chance.randint(30, MOST_WORKERS)
            # With a directory, a look-up waits for the list and then for the key.
            org.seconds = round(chance.uniform(1.3, SLOWEST_ANSWER) / (2 if directory else 1), 2)
            got = _run(
                workers, org.url, server.connection_url, lambda _: [KNOWN], directory=directory
            )
            name = "cold, with directory" if directory else "cold"
            asked = {"workers": workers, "answer s": org.seconds, "calls": dict(org.calls)}
            yield name, {**asked, **_summary(got)}


def budget(chance: random.Random) -> Iterator[tuple[str, Figures]]:
    """Each worker is sent made-up kids."""
    with serving_org() as org, valkey_server() as server:
        workers, org.seconds = chance.randint(20, MOST_WORKERS), 0.05
        began = time.monotonic()
        got = _run(
            workers, org.url, server.connection_url, lambda n: [f"x{n}-{k}" for k in range(6)]
        )
        policy = CachePolicy()
        spent = (time.monotonic() - began) / policy.first_seen_interval
        most = policy.first_seen_burst + int(spent)
        yield (
            "made-up kids",
            {"workers": workers, "calls": org.calls.total(), "at most": most, **_summary(got)},
        )


def hanging_store(chance: random.Random) -> Iterator[tuple[str, Figures]]:
    """The store accepts connections and never answers."""
    with serving_org() as org, valkey_server() as server:
        workers, org.seconds = chance.randint(3, 8), round(chance.uniform(0.5, 1.3), 2)
        url, kids = server.connection_url, [KNOWN, "other", "third"]
        process = int(server.client().info("server")["process_id"])
        os.kill(process, signal.SIGSTOP)
        try:
            got = _run(workers, org.url, url, lambda _: kids, store_timeout=0.25)
        finally:
            os.kill(process, signal.SIGCONT)
        yield "hanging store", {"workers": workers, "answer s": org.seconds, **_summary(got)}


def hanging_org(chance: random.Random) -> Iterator[tuple[str, Figures]]:
    """The org hangs while a stale key is at hand; one thread looks it up all the time."""
    with serving_org() as org:
        org.seconds = 0
        policy = CachePolicy(fresh_for=1, stale_if_error=600)
        with HookKeys(org.url, ApiToken("token"), policy=policy) as keys:
            keys.get(KNOWN)
            org.hang[KNOWN] = 60
            time.sleep(chance.uniform(1.0, 1.5))
            times = []
            until = time.monotonic() + 10
            while time.monotonic() < until:
                began = time.perf_counter()
                keys.get(KNOWN)
                times.append(time.perf_counter() - began)
                time.sleep(0.0005)
            blocked = sum(seconds > 1 for seconds in times)
            others = sorted(times)[: len(times) - blocked]
            yield (
                "hanging org, stale key",
                {
                    "look-ups": len(times),
                    "blocked": blocked,
                    "p99.9 of the others ms": round(others[int(len(others) * 0.999)] * 1e3, 3),
                },
            )


def frozen(chance: random.Random) -> Iterator[tuple[str, Figures]]:
    """A worker is frozen for longer than the time limit of a fetch while one is in flight."""
    with serving_org() as org, valkey_server() as server:
        org.seconds = 0
        parent, child = _CONTEXT.Pipe()
        process = _CONTEXT.Process(target=_thawing, args=(org.url, server.connection_url, child))
        process.start()
        parent.recv()
        org.seconds = 1
        parent.send("look up")
        time.sleep(chance.uniform(0.3, 0.7))
        os.kill(int(process.pid or 0), signal.SIGSTOP)
        org.seconds = 0
        time.sleep(chance.uniform(3.5, 5))
        os.kill(int(process.pid or 0), signal.SIGCONT)
        outcomes = parent.recv()
        process.join()
        yield "frozen during a fetch", {"outcomes": outcomes}


def _thawing(url: str, store: str, pipe: Any) -> None:
    shared = ValkeyKeyStore(store, secret=SECRET)
    policy = CachePolicy(fresh_for=1, stale_if_error=600)
    with HookKeys(url, ApiToken("token"), policy=policy, shared=shared) as keys:
        keys.get(KNOWN)
        pipe.send("ready")
        pipe.recv()
        time.sleep(1.1)
        outcomes: Counter[str] = Counter()
        until = time.monotonic() + 6
        while time.monotonic() < until:
            try:
                keys.get(KNOWN)
                outcomes["ok"] += 1
            except HookVerificationError as error:
                outcomes[str(error.reason)] += 1
            time.sleep(0.01)
        health = keys.health()
        pipe.send({**outcomes, "health": health.status, "failures": health.keys[KNOWN].failures})


class Simulation:
    """Workers on a simulated clock. In an outage, a request to the org takes 2.5 s and fails."""

    def __init__(self, workers: int, chance: random.Random, *, shared: bool) -> None:
        self.clock = ManualClock(10_000)
        self.calls: list[float] = []
        self.waits: list[float] = []
        self._chance = chance
        self._store = FakeStore(self.clock)
        self._down, self._until = False, 0.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._order = itertools.count()
        self._key = PublicKey.from_document(
            HookSigner.generate(KNOWN).public_jwk(), expected_kid=KNOWN
        )
        self._workers = [self._made(shared) for _ in range(workers)]

    def _made(self, shared: bool) -> RefreshingCache[PublicKey]:
        policy, state = CachePolicy(), SourceState("https://acme.okta.com", CachePolicy(), None)
        fetch: Any = self._fetch
        if shared:
            report = Reporter("https://acme.okta.com", None)
            store = BoundedStore(self._store, report, self.clock)
            codec = Codec(PublicKey.as_jwk, lambda *_: self._key)
            wall: Callable[[], float] = self.clock
            fetch = SharedFetch(fetch, store, codec, policy, wall_clock=wall)
        return RefreshingCache(
            fetch, policy, state,
            clock=self.clock, age_clock=self.clock, wall_clock=self.clock, start=self._start,
        )  # fmt: skip

    def _fetch(self, kid: str, deadline: float) -> Fetched[PublicKey]:
        self.calls.append(self.clock.now)
        if self._down:
            self._until = self.clock.now + 2.5
            raise KeyUnavailableError("the org hangs")
        return Fetched(self._key)

    def _start(self, work: Callable[..., None], name: str, pending: PendingFetch[Any]) -> None:
        """Carry out the fetch now, and let its callers know when it would have ended."""
        calls = len(self.calls)
        waits_for_another = self.clock.now < self._until
        complete = pending.complete
        outcomes: list[Any] = []
        pending.complete = outcomes.append  # type: ignore[assignment, method-assign]
        work(name, pending)
        asked = len(self.calls) > calls and self._down
        ends = self._until if asked or waits_for_another else self.clock.now + 0.02
        self._at(ends, lambda: complete(outcomes[0]))

    def _at(self, when: float, what: Callable[[], None]) -> None:
        heapq.heappush(self._events, (when, next(self._order), what))

    def _look_up(self, cache: RefreshingCache[PublicKey]) -> None:
        if cache.peek(KNOWN) is None:
            self._advance(cache.look_up(KNOWN, cache.latest(None)), self.clock.now)
        else:
            self.waits.append(0.0)

    def _advance(self, lookup: Any, began: float) -> None:
        try:
            wait: Wait = next(lookup)
        except (StopIteration, HookVerificationError):
            self.waits.append(self.clock.now - began)
            return
        when = min(self._completion(wait.pending), self.clock.now + wait.seconds)
        self._at(when, lambda: self._advance(lookup, began))

    def _completion(self, pending: PendingFetch[Any]) -> float:
        return max(self.clock.now + 0.02, self._until)

    def run(self, seconds: float, every: float) -> None:
        """Warm up within the hour before, then simulate an outage of so many seconds."""
        start = self.clock.now
        for cache in self._workers:
            self.clock.now = start - self._chance.uniform(2_800, 3_600)
            cache.peek(KNOWN)
            self._look_up(cache)
        while self._events:
            self.clock.now, _, what = heapq.heappop(self._events)
            what()
        self.clock.now, self._down = start, True
        self.calls.clear()
        self.waits.clear()
        for cache in self._workers:
            self._visit(cache, every, start + seconds)
        while self._events:
            self.clock.now, _, what = heapq.heappop(self._events)
            what()

    def _visit(self, cache: RefreshingCache[PublicKey], every: float, end: float) -> None:
        when = self.clock.now + self._chance.expovariate(1 / every)
        if when < end:
            self._at(when, lambda: self._visited(cache, every, end))

    def _visited(self, cache: RefreshingCache[PublicKey], every: float, end: float) -> None:
        self._look_up(cache)
        self._visit(cache, every, end)


def outage(chance: random.Random) -> Iterator[tuple[str, Figures]]:
    """500 workers, a hook every few seconds at each, and an org that hangs for half an hour."""
    every = chance.uniform(2, 8)
    for shared in (True, False):
        simulation = Simulation(SIMULATED_WORKERS, chance, shared=shared)
        simulation.run(SIMULATED_SECONDS, every)
        calls = simulation.calls
        minutes = Counter(int((when - 10_000) / 60) for when in calls)
        waits = sorted(simulation.waits)
        name = "simulated outage, " + ("with a store" if shared else "without")
        yield (
            name,
            {
                "calls": len(calls),
                "peak a minute": max(minutes.values(), default=0),
                "look-ups": len(waits),
                "p50 s": round(statistics.median(waits), 3),
                "p99 s": round(waits[int(len(waits) * 0.99)], 3),
                "longest s": round(waits[-1], 2),
            },
        )


SCENES = (cold, budget, hanging_store, hanging_org, frozen, outage)


def main(arguments: list[str] | None = None) -> dict[str, Figures]:
    """Run the benchmark and print a table or JSON."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.fleet", description=__doc__)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    parser.add_argument("--only", nargs="+", choices=[scene.__name__ for scene in SCENES])
    given = parser.parse_args(arguments)
    chance = random.Random(given.seed)
    report: dict[str, Figures] = {"seed": {"seed": given.seed}}
    for scene in SCENES:
        if given.only and scene.__name__ not in given.only:
            continue
        for name, figures in scene(chance):
            report[name] = figures
            if not given.json:
                print(f"{name:32}", *(f"{key}: {each}" for key, each in figures.items()), sep="  ")
    print(json.dumps(report, indent=2) if given.json else f"seed {given.seed}")
    return report


if __name__ == "__main__":
    threading.excepthook = lambda _: None  # threads of a worker that is stopped
    logging.getLogger("hookkey_verify").setLevel(logging.CRITICAL)
    main()
