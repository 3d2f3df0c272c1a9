"""Instructions that a verification executes, counted by valgrind, which no other load disturbs.

nox -s instructions                 fails if a count has grown by more than 3 %
nox -s instructions -- --record     records the counts of this Python version

Each program runs twice, with a few and with many verifications; the difference of the two counts,
divided by the difference of the numbers, is the count of one verification. Bare RSA is subtracted,
because it depends on OpenSSL. It needs valgrind (Debian: ``apt-get install valgrind``).
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

from hookkey_verify import HookSigner

from .peers import AUDIENCE, ISSUER

FEW, MANY = 100, 500
TOLERATED: Final = 1.03
REPEATED: Final = "repeated access token"
RECORD = Path(__file__).with_suffix(".json")
VERSION = f"{sys.version_info.major}.{sys.version_info.minor}"

_ACCESS = """
from hookkey_verify import HookVerifier, StaticKeys
verifier = HookVerifier.for_access_token(
    StaticKeys.from_jwk(given["jwk"]), issuer=given["issuer"], audience=given["audience"],
    client_id=given["client"], clock=lambda: given["now"], verified_cache={size}
)
def verify(): verifier.verify(given["token"])
"""
_ASSERTION = """
from hookkey_verify import HookVerifier, StaticKeys
verifier = HookVerifier.for_client_assertion(
    StaticKeys.from_jwk(given["jwk"]), client_id=given["client"], token_url=given["audience"],
    clock=lambda: given["now"]
)
def verify(): verifier.verify(given["assertion"])
"""
PROGRAMS: Final = {
    "bare RSA": """
from base64 import urlsafe_b64decode
from hookkey_verify import StaticKeys
key = StaticKeys.from_jwk(given["jwk"]).get(given["jwk"]["kid"])
signing_input, _, encoded = given["token"].encode().rpartition(b".")
signature = urlsafe_b64decode(encoded + b"==")
def verify(): key.verify(signature, signing_input)
""",
    "assertion": _ASSERTION,
    "new access token": _ACCESS.format(size=0),
    "repeated access token": _ACCESS.format(size=256),
    "PyJWT": """
import jwt
key = jwt.PyJWK(given["jwk"])
def verify():
    jwt.decode(
        given["token"], key, algorithms=["RS256"], issuer=given["issuer"],
        audience=given["audience"], options={"verify_exp": False, "verify_iat": False},
    )
""",
}
"""Each defines ``verify``. ``given`` has the token and what it needs."""


def measure() -> dict[str, int]:
    """Return the instructions of one bare RSA operation, and of the others beyond it."""
    given = json.dumps(_given())
    counts = {
        name: (_count(text, given, MANY) - _count(text, given, FEW)) // (MANY - FEW)
        for name, text in PROGRAMS.items()
    }
    bare = counts["bare RSA"]
    beyond = {name: count - bare for name, count in counts.items() if name != "bare RSA"}
    # A repeated token needs no RSA operation.
    return {"bare RSA": bare, **beyond, REPEATED: counts[REPEATED]}


def _given() -> dict[str, Any]:
    signer, now, client = HookSigner.generate(), 1_800_000_000, "0oa1hookclient4x7"
    times = {"iat": now, "exp": now + 3600}
    claims = {
        "ver": 1,
        "jti": "AT.kYhbWm0vI8lIvJx3CxQ1hLw0rJ1v0PyQzF8fAbCdEfG",
        "iss": ISSUER,
        "aud": AUDIENCE,
        "cid": client,
        "scp": ["hooks"],
        "sub": client,
        **times,
    }
    asserted = {"iss": client, "sub": client, "aud": AUDIENCE, "jti": "1f0c9a2e-7b1d", **times}
    return {
        "jwk": signer.public_jwk(),
        "token": signer.sign(claims),
        "assertion": signer.sign(asserted),
        "client": client,
        "issuer": ISSUER,
        "audience": AUDIENCE,
        "now": now,
    }


def _count(text: str, given: str, times: int) -> int:
    """Return the instructions of a process that verifies this many times."""
    program = f"import json, sys\ngiven = json.loads(sys.argv[1])\n{text}\n"
    program += f"for _ in range({times}): verify()"
    command = ["valgrind", "--tool=cachegrind", "--cache-sim=no", "--cachegrind-out-file=/dev/null"]
    done = subprocess.run(
        [*command, sys.executable, "-c", program, given],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        check=True,
    )
    found = re.search(r"I\s+refs:\s+([\d,]+)", done.stderr)
    assert found, done.stderr
    return int(found[1].replace(",", ""))


def grown(counts: dict[str, int], recorded: dict[str, int]) -> list[str]:
    """Return a line for each count of ours that has grown by more than is tolerated."""
    return [
        f"{name}: {counts[name]:,} instructions, {recorded[name]:,} are recorded"
        for name in ("assertion", "new access token", REPEATED)
        if counts[name] > TOLERATED * recorded[name]
    ]


def main() -> int:
    """Print the counts, and compare them with the recorded ones or record them."""
    if shutil.which("valgrind") is None:
        print("valgrind is not installed (Debian: apt-get install valgrind)")
        return 2
    counts = measure()
    for name, count in counts.items():
        beyond = "" if name in ("bare RSA", REPEATED) else "  beyond bare RSA"
        print(f"{name:24}{count:>10,}{beyond}")
    records = json.loads(RECORD.read_text()) if RECORD.exists() else {}
    if "--record" in sys.argv:
        records[VERSION] = counts
        RECORD.write_text(json.dumps(records, indent=2, sort_keys=True) + "\n")
        return 0
    if VERSION not in records:
        print(f"no counts of Python {VERSION} are recorded; use --record")
        return 0
    problems = grown(counts, records[VERSION])
    print(*problems, sep="\n")
    return 1 if problems else 0


if __name__ == "__main__":
    raise SystemExit(main())
