"""The cost of issuing a token, compared with one RSA verification and one signature.

python -m tests.bench.token_endpoint [--json]

The endpoint and the bare operations alternate round by round, with new assertions in each round;
the results are medians. The benchmark then measures the replay stores with many live entries, and
the full exchange (assertion, access token, hook) over loopback.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
import tracemalloc
from binascii import a2b_base64
from collections.abc import Callable, Mapping
from typing import Any, get_args
from urllib.parse import urlencode

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa

from hookkey_verify import HookSigner, HookVerifier, StaticKeys, TokenEndpoint, VerifiedHook, asgi
from hookkey_verify._jose.encoding import base64url_decode
from hookkey_verify._jose.jws import split
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.signing_key import Algorithm, SigningKey
from hookkey_verify.token_endpoint import ASSERTION_TYPE
from tests.servers import asgi_server

CLIENT_ID, TOKEN_URL = "0oa1qz8hookclient4x7", "https://hooks.acme.com/oauth2/token"
ROUNDS, CALLS = 30, 50
LIVE, CLAIMS, DANCES = 1_000_000, 2_000, 50
AT_LEAST = 70
"""Lower limit for the throughput, in percent of that of the bare operations."""

HEADERS = {
    "host": "hooks.acme.com",
    "accept": "application/json",
    "content-type": "application/x-www-form-urlencoded",
    "content-length": "900",
}


def main() -> None:
    """Run the benchmark and print the results."""
    report = {
        **{f"sign + verify, {name}": _both(name) for name in get_args(Algorithm)},
        **{f"token endpoint, {name}": throughput(name) for name in get_args(Algorithm)},
        "memory replay store": _memory(),
        "full exchange": _exchange(),
    }
    if "--json" in sys.argv:
        print(json.dumps(report, indent=2))
        return
    for name, figures in report.items():
        print(f"{name:28}", ", ".join(f"{what} {value}" for what, value in figures.items()))


def _assertions(signer: HookSigner, count: int) -> list[bytes]:
    form = {"grant_type": "client_credentials", "scope": "hooks"}
    form["client_assertion_type"] = ASSERTION_TYPE
    return [
        urlencode(
            form
            | {
                "client_assertion": signer.client_assertion(
                    client_id=CLIENT_ID, token_url=TOKEN_URL
                )
            }
        ).encode()
        for _ in range(count)
    ]


def _endpoint(
    signer: HookSigner, algorithm: Algorithm, token_url: str = TOKEN_URL
) -> TokenEndpoint:
    verifier = HookVerifier.for_client_assertion(
        StaticKeys.from_jwk(signer.public_jwk()),
        client_id=CLIENT_ID,
        token_url=token_url,
        replay=MemoryReplayStore(single_process=True),
    )
    return TokenEndpoint(
        verifier,
        signing_key=SigningKey.generate(algorithm),
        issuer="https://hooks.acme.com",
        audience="api://hooks",
        scopes=["hooks"],
    )


def _both(algorithm: Algorithm) -> Mapping[str, float]:
    key = SigningKey.generate(algorithm)
    payload = b"x" * 300
    token = key.sign(payload)
    signature, signing_input = _parts(token)
    signing = _median(lambda: key.sign(payload))
    verifying = _median(lambda: key.public_key.verify(signature, signing_input))
    return {"us": round(signing + verifying, 1), "signing": round(signing, 1)}


def _parts(token: bytes) -> tuple[bytes, bytes]:
    head, _, signature = token.rpartition(b".")
    return base64url_decode(signature), head


def _median(call: Callable[[], object]) -> float:
    times = []
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(CALLS):
            call()
        times.append((time.perf_counter() - began) / CALLS * 1e6)
    return statistics.median(times)


def throughput(algorithm: Algorithm) -> Mapping[str, float]:
    signer = HookSigner(rsa.generate_private_key(public_exponent=65537, key_size=2048), "kid")
    bodies = _assertions(signer, ROUNDS * CALLS)
    endpoint = _endpoint(signer, algorithm)
    sign = _bare_signature(algorithm)
    verify = signer._key.public_key().verify
    pkcs, sha = padding.PKCS1v15(), hashes.SHA256()
    signed = []
    for body in bodies:
        token = body.rpartition(b"client_assertion=")[2]
        _, _, _, signing_input, signature = split(token, 16_384)
        signed.append((a2b_base64(signature), signing_input))
    ours, bare = [], []
    gc.collect()
    for start in range(0, len(bodies), CALLS):
        began = time.perf_counter()
        for body in bodies[start : start + CALLS]:
            endpoint.respond("POST", HEADERS, body)
        ours.append((time.perf_counter() - began) / CALLS * 1e6)
        began = time.perf_counter()
        for signature, signing_input in signed[start : start + CALLS]:
            verify(signature, signing_input, pkcs, sha)
            sign(signing_input)
        bare.append((time.perf_counter() - began) / CALLS * 1e6)
    shares = [100 * b / o for o, b in zip(ours, bare, strict=True)]
    return {
        "us": round(statistics.median(ours), 1),
        "bare": round(statistics.median(bare), 1),
        "percent": round(statistics.median(shares)),
        "at least": AT_LEAST,
    }


def _bare_signature(algorithm: Algorithm) -> Callable[[bytes], bytes]:
    if algorithm == "EdDSA":
        return ed25519.Ed25519PrivateKey.generate().sign
    pkcs, sha, ecdsa = padding.PKCS1v15(), hashes.SHA256(), ec.ECDSA(hashes.SHA256())
    if algorithm == "ES256":
        p256 = ec.generate_private_key(ec.SECP256R1())
        return lambda data: p256.sign(data, ecdsa)
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return lambda data: private.sign(data, pkcs, sha)


def _memory() -> Mapping[str, float]:
    store = MemoryReplayStore(max_entries=LIVE + CLAIMS, single_process=True)
    until = time.time() + 3600
    gc.collect()
    tracemalloc.start()
    for number in range(LIVE):
        store.claim(CLIENT_ID, f"{number:032x}", until)
    held, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    began = time.perf_counter()
    for number in range(LIVE, LIVE + CLAIMS):
        store.claim(CLIENT_ID, f"{number:032x}", until)
    claim = (time.perf_counter() - began) / CLAIMS * 1e6
    return {"live": LIVE, "bytes each": round(held / LIVE), "us per claim": round(claim, 2)}


def _exchange() -> Mapping[str, float]:
    """Measure both requests of a hook call with a new token each time, over warm sockets."""
    with OktaEmulator() as okta:
        key = okta.create_key("Token hook")
        signer = okta.signer(key["keyId"])
        app: dict[str, Any] = {}

        async def router(scope: Any, receive: Any, send: Any) -> None:
            await app[scope["path"]](scope, receive, send)

        async def hook(scope: Any, receive: Any, send: Any) -> None:
            assert isinstance(scope["state"]["hook"], VerifiedHook)
            headers = [(b"content-type", b"application/json"), (b"content-length", b"2")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": b"{}"})

        with asgi_server(router) as port:
            url = f"http://127.0.0.1:{port}"
            endpoint = _endpoint(signer, "ES256", f"{url}/token")
            app["/token"] = asgi.serve(endpoint)
            app["/hook"] = asgi.HookMiddleware(hook, endpoint.verifier)
            options: dict[str, Any] = {"token_url": f"{url}/token", "client_id": CLIENT_ID}
            times = []
            for number in range(DANCES):
                made = okta.create_hook(f"{url}/hook", name=str(number), key=key, **options)
                delivery = okta.fire(made["id"])
                assert delivery.ok, delivery.verdict
                assert len(delivery.steps) == 2
                times.append(delivery.milliseconds)
    times = sorted(times[1:])
    return {"ms": round(statistics.median(times), 1), "slowest ms": round(times[-1], 1)}


if __name__ == "__main__":
    main()
