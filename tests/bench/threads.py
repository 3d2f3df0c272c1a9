"""The total verifications per second of several threads or processes, as multiples of one thread.

python -m tests.bench --only threads

``RSAPublicKey.verify`` releases the interpreter lock (GIL) for a few microseconds. Our verifier
uses another RSA operation, which keeps it. The benchmark therefore also measures a verifier with
``RSAPublicKey.verify``.
"""

from __future__ import annotations

import multiprocessing
import statistics
import threading
import time
from collections.abc import Callable
from multiprocessing.synchronize import Event
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from hookkey_verify import HookSigner, HookVerifier, PublicKey, StaticKeys

from .peers import AUDIENCE, ISSUER
from .verify import floor

ROUNDS, SECONDS = 7, 0.5

Make = Callable[[dict[str, str], str], Callable[[], object]]


def _ours(jwk: dict[str, str], token: str) -> Callable[[], object]:
    verifier = HookVerifier.for_client_assertion(
        StaticKeys.from_jwk(jwk), client_id=ISSUER, token_url=AUDIENCE
    )
    return lambda: verifier.verify(token)


def _releasing_gil(signer: HookSigner, token: str) -> Callable[[], object]:
    """Return a call of our verifier with ``RSAPublicKey.verify``."""
    verify = signer._key.public_key().verify
    scheme, digest = padding.PKCS1v15(), hashes.SHA256()
    key = PublicKey.from_document(signer.public_jwk(), expected_kid=None)
    object.__setattr__(key, "_check", lambda signed, data: verify(signed, data, scheme, digest))
    verifier = HookVerifier.for_client_assertion(
        StaticKeys([key]), client_id=ISSUER, token_url=AUDIENCE
    )
    return lambda: verifier.verify(token)


def _work(call: Callable[[], object], until: float, counts: list[int], number: int) -> None:
    done = 0
    while time.monotonic() < until:
        for _ in range(20):
            call()
        done += 20
    counts[number] = done


def _threads(call: Callable[[], object], count: int) -> float:
    """Return the verifications per second of all threads together."""
    counts = [0] * count
    until = time.monotonic() + SECONDS
    workers = [
        threading.Thread(target=_work, args=(call, until, counts, number))
        for number in range(count)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(counts) / SECONDS


def _process(jwk: dict[str, str], token: str, begin: Event, results: Any) -> None:
    call = _ours(jwk, token)
    call()
    results.put(None)
    begin.wait()
    counts = [0]
    _work(call, time.monotonic() + SECONDS, counts, 0)
    results.put(counts[0])


def _processes(jwk: dict[str, str], token: str, count: int) -> float:
    context = multiprocessing.get_context("spawn")
    begin, results = context.Event(), context.Queue()
    workers = [
        context.Process(target=_process, args=(jwk, token, begin, results)) for _ in range(count)
    ]
    for worker in workers:
        worker.start()
    for _ in workers:
        results.get()
    begin.set()
    total = sum(results.get() for _ in workers)
    for worker in workers:
        worker.join()
    return float(total) / SECONDS


def measure() -> dict[str, dict[str, float]]:
    """Return for each case the median verifications per second, and the ratio to one thread."""
    signer = HookSigner.generate()
    token = signer.client_assertion(client_id=ISSUER, token_url=AUDIENCE, lifetime=3000)
    jwk = signer.public_jwk()
    ours, bare = _ours(jwk, token), floor(signer, token)
    other = _releasing_gil(signer, token)
    cases: dict[str, Callable[[], float]] = {
        "1 thread": lambda: _threads(ours, 1),
        "2 threads": lambda: _threads(ours, 2),
        "4 threads": lambda: _threads(ours, 4),
        "1 process": lambda: _processes(jwk, token, 1),
        "2 processes": lambda: _processes(jwk, token, 2),
        "with RSAPublicKey.verify, 1 thread": lambda: _threads(other, 1),
        "with RSAPublicKey.verify, 2 threads": lambda: _threads(other, 2),
        "with RSAPublicKey.verify, 4 threads": lambda: _threads(other, 4),
        "bare RSA operation, 1 thread": lambda: _threads(bare, 1),
        "bare RSA operation, 2 threads": lambda: _threads(bare, 2),
    }
    rounds = [{name: case() for name, case in cases.items()} for _ in range(ROUNDS)]
    return {
        name: {
            "per second": statistics.median(each[name] for each in rounds),
            "ratio": statistics.median(each[name] / each["1 thread"] for each in rounds),
        }
        for name in cases
    }
