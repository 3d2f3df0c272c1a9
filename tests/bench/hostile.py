"""The cost of refusing tokens that were made to be expensive, compared with a valid token of 1 KB.

python -m tests.bench --only refuse

The payloads and headers are nearly as long as a token may be: wide, deep, many members, long
strings, escapes, numbers, duplicate names, white space, and structure just within the limits. Each
is tried with a forged signature, with a forged signature at a ``VerifierByIssuer``, with an unknown
kid, and with a valid signature but expired. The report names the slowest token of each kind.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from hookkey_verify import HookSigner, HookVerificationError, HookVerifier, StaticKeys
from hookkey_verify.verifier import VerifierByIssuer

from .peers import AUDIENCE, ISSUER
from .rounds import in_turns

__all__ = ["payloads", "worst"]

ROUNDS, CALLS = 15, 20
PAYLOAD_BYTES = 11_300
"""The largest payload that fits into a token with a 2048-bit signature."""

UNITS = {
    "objects": '{"a":0}',
    "empty objects": "{}",
    "empty lists": "[]",
    "integers": "0",
    "long integers": "123456789012345678",
    "floats": "1.5",
    "exponents": "1e5",
    "literals": "true",
    "empty strings": '""',
    "names": '"group-abcd"',
    "strings with commas": '"a,b"',
    "strings with brackets": '"[{"',
    "escapes": r'"\n\n"',
    "escaped letters": r'"\u0041"',
    "surrogates": r'"\ud83d\ude00"',
    "two-byte characters": '"éé"',
}
WITHIN_THE_LIMITS = {
    "250 objects": ('{"a":0}', 250),
    "250 lists": ("[]", 250),
    "1090 integers": ("0", 1090),
    "1090 floats": ("1.5", 1090),
    "1000 names": ('"group-a"', 1000),
    "1090 strings of escapes": (r'"\n\n\n"', 1090),
    "900 strings with commas": ('"a,b,c"', 900),
}


def payloads(iss: str) -> dict[str, bytes]:
    """Return the payloads by name; each begins with the claims of an expired token."""
    claims = {"iss": iss, "sub": iss, "aud": AUDIENCE, "exp": 1_000_000_000, "iat": 1_000_000_000}
    head = json.dumps(claims)[:-1]
    space = PAYLOAD_BYTES - len(head)
    lists = {f"a list of {name}": _list(unit, space) for name, unit in UNITS.items()}
    within = {f"{name}": _list(unit, 0, count) for name, (unit, count) in WITHIN_THE_LIMITS.items()}
    members = space // 11
    rest = {
        "deep lists": '"a":' + "[" * (space // 2 - 3) + "]" * (space // 2 - 3),
        "deep objects": '"a":' + '{"a":' * (space // 7) + "0" + "}" * (space // 7),
        "many members": ",".join(f'"m{n:05}":0' for n in range(members)),
        "240 members": ",".join(f'"m{n:05}":0' for n in range(240)),
        "a repeated name": ",".join(['"a":0'] * (space // 6)),
        "a repeated iss": ",".join(['"iss":"x"'] * 240),
        "one long string": f'"a":"{"x" * (space - 8)}"',
        "one long string of escapes": r'"a":"' + r"\n" * (space // 2 - 8) + '"',
        "one long string of escaped letters": r'"a":"' + r"\u0041" * (space // 6 - 2) + '"',
        "one long string of surrogates": r'"a":"' + r"\ud83d\ude00" * (space // 12 - 2) + '"',
        "one long string of quotes": r'"a":"' + r"\"" * (space // 2 - 8) + '"',
        "a long integer": f'"a":{"9" * 4_000}',
        "white space": f'"a":{" " * (space - 8)}0',
        "unclosed lists": f'"a":"{"[" * (space - 8)}',
    }
    tails = {**lists, **within, **rest}
    made = {name: f"{head},{tail}}}".encode() for name, tail in tails.items()}
    return {**made, "leading white space": b" " * (space - 8) + head.encode() + b"}"}


def _list(unit: str, space: int, count: int | None = None) -> str:
    many = (space - 8) // (len(unit.encode()) + 1) if count is None else count
    return f'"a":[{",".join([unit] * many)}]'


def headers(kid: str) -> dict[str, bytes]:
    """Return headers with an accepted algorithm and an expensive member, by name."""
    head = json.dumps({"alg": "RS256", "kid": kid})[:-1]
    space = 3_000 - len(head)
    tails = {
        "a long header": f'"a":"{"x" * space}"',
        "a header of escapes": r'"a":"' + r"\n" * (space // 2) + '"',
        "a wide header": _list("{}", space),
        "a header of 60 floats": _list("1.5", 0, 60),
    }
    return {name: f"{head},{tail}}}".encode() for name, tail in tails.items()}


def worst() -> dict[str, dict[str, Any]]:
    """Return the slowest token of each kind of refusal, and its ratio to a valid token."""
    signer, other = HookSigner.generate(), HookSigner.generate()
    keys = StaticKeys.from_jwk(signer.public_jwk())
    one = _verifier(keys, ISSUER)
    several = VerifierByIssuer(one, _verifier(StaticKeys.from_jwk(other.public_jwk()), "0oa2"))
    now = int(time.time())
    good = {"iss": ISSUER, "sub": ISSUER, "aud": AUDIENCE, "iat": now, "exp": now + 3000}
    token = signer.sign({**good, "pad": "x" * 290})
    assert 1_000 < len(token) < 1_100
    signed = _signed(signer, signer.kid)
    forged = {name: f"{each[:-40]}AAAA{each[-36:]}" for name, each in signed.items()}
    unknown = {name: f"{each[:-40]}AAAA{each[-36:]}" for name, each in _signed(signer, "x").items()}
    return {
        "forged": _costs(one.verify, token, forged),
        "forged, VerifierByIssuer": _costs(several.verify, token, forged),
        "unknown kid": _costs(one.verify, token, unknown),
        "validly signed but expired": _costs(one.verify, token, signed),
    }


def _verifier(keys: StaticKeys, client_id: str) -> HookVerifier:
    return HookVerifier.for_client_assertion(keys, client_id=client_id, token_url=AUDIENCE)


def _signed(signer: HookSigner, kid: str) -> dict[str, str]:
    header = json.dumps({"alg": "RS256", "typ": "JWT", "kid": kid}).encode()
    made = {name: signer.sign_bytes(header, each) for name, each in payloads(ISSUER).items()}
    payload = b'{"exp":1}'
    return made | {name: signer.sign_bytes(h, payload) for name, h in headers(kid).items()}


def _costs(verify: Callable[[str], object], good: str, tokens: Mapping[str, str]) -> dict[str, Any]:

    def refused(token: str) -> Callable[[], object]:
        def refuse() -> None:
            try:
                verify(token)
            except HookVerificationError:
                return
            raise AssertionError

        return refuse

    candidates = {name: refused(token) for name, token in tokens.items()}
    figures = in_turns({"valid": lambda: verify(good), **candidates}, rounds=ROUNDS, calls=CALLS)
    name, figure = max(figures.items(), key=lambda item: item[1].ratio)
    return {"us": figure.us, "ratio": figure.ratio, "tokens": len(tokens), "slowest": name}
