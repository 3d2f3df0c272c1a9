"""What a verification costs, as multiples of the bare RSA operation on the same octets.

python -m tests.bench.verify [--json]

All candidates run interleaved in one process, in short rounds, so that whatever else the machine
does hits all of them; the figures are medians over the rounds, of times and of ratios in a round.
"""

from __future__ import annotations

import gc
import json
import statistics
import sys
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from hookkey_verify import ApiToken, HookKeys, HookSigner, HookVerifier, StaticKeys
from hookkey_verify.emulator import OktaEmulator

CLIENT_ID, TOKEN_URL = "0oa1qz8hookclient4x7", "https://hooks.acme.com/oauth2/token"
ROUNDS, CALLS = 600, 30


def _floor(signer: HookSigner, token: str) -> Callable[[], object]:
    """The bare RSAPublicKey.verify, everything around it done beforehand."""
    key = signer._key.public_key()
    signing_input, _, text = token.rpartition(".")
    octets, signature = signing_input.encode(), urlsafe_b64decode(text + "==")
    scheme, digest = padding.PKCS1v15(), hashes.SHA256()
    return lambda: key.verify(signature, octets, scheme, digest)


def _pyjwt(signer: HookSigner, token: str) -> Callable[[], object]:
    keys = {signer.kid: jwt.PyJWK(signer.public_jwk())}

    def verify() -> object:
        key = keys[jwt.get_unverified_header(token)["kid"]]
        return jwt.decode(
            token, key, algorithms=["RS256"], audience=TOKEN_URL, issuer=CLIENT_ID, leeway=60
        )

    return verify


def measure() -> dict[str, tuple[float, float]]:
    """Return for each candidate the median microseconds and the median ratio to the floor."""
    with OktaEmulator() as okta:
        signer = okta.signer(okta.create_key("bench")["keyId"])
        token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL, lifetime=3000)
        static = StaticKeys.from_jwk(signer.public_jwk())
        fetched = HookKeys(okta.url, ApiToken(okta.api_token))
        fetched.warm_up(signer.kid)
    recipe: dict[str, Any] = {"client_id": CLIENT_ID, "token_url": TOKEN_URL}
    with_static = HookVerifier.for_client_assertion(static, **recipe)
    with_cache = HookVerifier.for_client_assertion(fetched, **recipe)
    candidates: dict[str, Callable[[], object]] = {
        "bare RSAPublicKey.verify": _floor(signer, token),
        "hookkey_verify, StaticKeys": lambda: with_static.verify(token),
        "hookkey_verify, HookKeys cached": lambda: with_cache.verify(token),
        "PyJWT decode with key look-up": _pyjwt(signer, token),
    }
    rounds: dict[str, list[float]] = {name: [] for name in candidates}
    gc.disable()
    for _ in range(ROUNDS):
        for name, call in candidates.items():
            started = time.perf_counter()
            for _ in range(CALLS):
                call()
            rounds[name].append((time.perf_counter() - started) / CALLS * 1e6)
    gc.enable()
    fetched.close()
    floor = rounds[next(iter(rounds))]
    return {
        name: (
            statistics.median(times),
            statistics.median(us / bare for us, bare in zip(times, floor, strict=True)),
        )
        for name, times in rounds.items()
    }


def main() -> None:
    """Print a table, or JSON."""
    figures = measure()
    if "--json" in sys.argv:
        report = {name: {"us": us, "ratio": ratio} for name, (us, ratio) in figures.items()}
        print(json.dumps(report, indent=2))
        return
    print(f"Python {sys.version.split()[0]}, {ROUNDS} rounds of {CALLS} calls, medians")
    for name, (microseconds, ratio) in figures.items():
        print(f"{name:34} {microseconds:8.1f} us   x {ratio:.2f}")


if __name__ == "__main__":
    main()
