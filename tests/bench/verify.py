"""The cost of a verification, as multiples of the bare RSA operation on the same bytes.

python -m tests.bench --only verify refuse grow

The same run measures every other library that is installed. Each verifies the same token again and
again; only hookkey_verify can remember it. Further sections measure refusals, and longer tokens,
more keys and more claims.
"""

from __future__ import annotations

import json
import time
from base64 import urlsafe_b64decode
from collections.abc import Callable, Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding

from hookkey_verify import (
    ApiToken,
    HookKeys,
    HookSigner,
    HookVerificationError,
    HookVerifier,
    StaticKeys,
)
from hookkey_verify.emulator import OktaEmulator

from .peers import AUDIENCE, ISSUER, OKTA_ISSUER, available
from .rounds import Figure, in_turns

ROUNDS, BURST = 400, 20
"""Short bursts: other load interrupts a long one more often, which would favor fast candidates."""
GROWTH_ROUNDS, CALLS = 20, 200

Call = Callable[[], object]
Figures = dict[str, Figure]
FLOOR = "bare RSAPublicKey.verify"
REPEATED = "hookkey_verify, repeated bearer"
"""An access token that the verifier remembers (``verified_cache``)."""


def floor(signer: HookSigner, token: str) -> Call:
    """Return a call of the bare ``RSAPublicKey.verify``, with everything else prepared."""
    key = signer._key.public_key()
    signing_input, _, text = token.rpartition(".")
    data, signature = signing_input.encode(), urlsafe_b64decode(text + "==")
    scheme, digest = padding.PKCS1v15(), hashes.SHA256()
    return lambda: key.verify(signature, data, scheme, digest)


def measure() -> tuple[Figures, list[str]]:
    """Return the results of all candidates, and the names of the libraries not installed."""
    with OktaEmulator() as okta:
        signer = okta.signer(okta.create_key("bench")["keyId"])
        token = _assertion(signer)
        fetched = HookKeys(okta.url, ApiToken(okta.api_token))
        fetched.warm_up(signer.kid)
    keys = StaticKeys.from_jwk(signer.public_jwk())
    static = _verifier(keys)
    issued = _access_token(signer)
    access = _access_verifier(keys, verified_cache=0)
    cached = _verifier(fetched)
    repeated = _access_verifier(keys)
    peers, missing = available(signer, token)
    figures = in_turns(
        {
            FLOOR: floor(signer, token),
            "hookkey_verify, HookKeys": lambda: cached.verify(token),
            "hookkey_verify, StaticKeys": lambda: static.verify(token),
            "hookkey_verify, access token": lambda: access.verify(issued),
            REPEATED: lambda: repeated.verify(issued),
            **peers,
        },
        rounds=ROUNDS,
        calls=BURST,
    )
    fetched.close()
    return figures, missing


def refusals() -> Figures:
    """Measure the refusal of invalid tokens, which both hookkey_verify and PyJWT refuse."""
    signer = HookSigner.generate()
    token = _assertion(signer)
    verifier = _verifier(StaticKeys.from_jwk(signer.public_jwk()))
    verifier.verify(token)  # warm up, as in a long-running process
    key = jwt.PyJWK(signer.public_jwk())
    head, payload, signature = token.split(".")
    none = jwt.utils.base64url_encode(b'{"alg":"none","typ":"JWT"}').decode()
    invalid = {
        "forged signature": f"{head}.{payload}.{signature[:40]}AAAA{signature[44:]}",
        "wrong alg": f"{none}.{payload}.{signature}",
        "overlong, 17 KiB": f"{head}.{'A' * 17_000}.{signature}",
        "overlong, 60 KiB": f"{head}.{'A' * 60_000}.{signature}",
        "overlong, 10 MB": f"{head}.{'A' * 10_000_000}.{signature}",
    }

    def ours(bad: str) -> Call:
        def refuse() -> None:
            try:
                verifier.verify(bad)
            except HookVerificationError:
                return
            raise AssertionError

        return refuse

    def pyjwt(bad: str) -> Call:
        def refuse() -> None:
            try:
                jwt.decode(bad, key, algorithms=["RS256"], audience=AUDIENCE, issuer=ISSUER)
            except jwt.PyJWTError:
                return
            raise AssertionError

        return refuse

    candidates = {FLOOR: floor(signer, token)}
    for name, bad in invalid.items():
        candidates[f"{name}, hookkey_verify"] = ours(bad)
        if len(bad) < 100_000:
            candidates[f"{name}, PyJWT"] = pyjwt(bad)
    return in_turns(candidates, rounds=GROWTH_ROUNDS, calls=CALLS)


def growth() -> Figures:
    """Measure longer tokens, more keys and more claims; also one key look-up and one signature."""
    signer = HookSigner.generate()
    jwks = [signer.public_jwk(), *(HookSigner.generate().public_jwk() for _ in range(3))]
    candidates: dict[str, Call] = {FLOOR: floor(signer, _assertion(signer))}
    one = StaticKeys.from_jwk(signer.public_jwk())
    for size in (512, 1024, 2048, 4096, 8192, 16_384):
        long = _padded(signer, size)
        candidates[f"a token of {len(long):6} bytes"] = _call(_verifier(one), long)
    for count in (1, 10, 50):
        others = ({**jwks[1 + n % 3], "kid": f"k{n}"} for n in range(count - 1))
        keys = StaticKeys.from_jwks({"keys": [signer.public_jwk(), *others]})
        candidates[f"{count:2} keys"] = _call(_verifier(keys), _assertion(signer))
    for count in (6, 20, 50, 100):
        more = {f"claim{n:03}": n for n in range(count - 6)}
        candidates[f"{count:3} claims"] = _call(_verifier(one), _assertion(signer, more))
    with OktaEmulator() as okta:
        kid = okta.create_key("bench")["keyId"]
        fetched = HookKeys(okta.url, ApiToken(okta.api_token))
        fetched.warm_up(kid)
        candidates["look-up, StaticKeys"] = lambda: one.get(signer.kid)
        candidates["look-up, HookKeys"] = lambda: fetched.get(kid)
    candidates["sign, HookSigner"] = lambda: _assertion(signer)
    figures = in_turns(candidates, rounds=GROWTH_ROUNDS, calls=CALLS // 4)
    fetched.close()
    return figures


def _verifier(keys: Any) -> HookVerifier:
    return HookVerifier.for_client_assertion(keys, client_id=ISSUER, token_url=AUDIENCE)


def _access_verifier(keys: StaticKeys, **options: Any) -> HookVerifier:
    return HookVerifier.for_access_token(
        keys, issuer=OKTA_ISSUER, audience=AUDIENCE, client_id=ISSUER, scopes=["hooks"], **options
    )


def _call(verifier: HookVerifier, token: str) -> Call:
    return lambda: verifier.verify(token)


def _assertion(signer: HookSigner, more: Mapping[str, Any] | None = None) -> str:
    token = signer.client_assertion(client_id=ISSUER, token_url=AUDIENCE, lifetime=3000)
    if not more:
        return token
    payload = token.split(".")[1]
    claims = json.loads(urlsafe_b64decode(payload + "=="))
    return signer.sign({**claims, **more})


def _access_token(signer: HookSigner) -> str:
    """Return an access token with the claims that Okta documents for authorization servers."""
    now = int(time.time())
    identity = {"iss": OKTA_ISSUER, "aud": AUDIENCE, "sub": ISSUER, "cid": ISSUER, "scp": ["hooks"]}
    times = {"iat": now, "exp": now + 3000, "jti": "AT.2rPzBH0eHnDxN3qvH1wqvXwRWQ9Cu0Vf5y"}
    return signer.sign({"ver": 1, **times, **identity})


def _padded(signer: HookSigner, size: int) -> str:
    """Return a token as long as base64url allows up to ``size`` bytes; the signature takes 342."""
    missing = max(0, size - len(_assertion(signer, {"pad": ""})))
    return _assertion(signer, {"pad": "x" * max(0, missing * 3 // 4 - 2)})
