"""The time from process start to the first verification, as in a cold start on AWS Lambda.

python -m tests.bench --only cold

The processes run alternately. The results are medians of the time that each takes beyond a Python
process that does nothing.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import time
from tempfile import TemporaryDirectory
from typing import Any

from hookkey_verify import HookSigner
from hookkey_verify.emulator import OktaEmulator

from .peers import AUDIENCE, ISSUER

ROUNDS = 15

_STATIC = """
from hookkey_verify import HookVerifier, StaticKeys
keys = StaticKeys.from_jwk({jwk})
"""
_FETCHED = """
from hookkey_verify import ApiToken, HookKeys, HookVerifier
keys = HookKeys({url!r}, ApiToken({token!r}))
"""
_VERIFY = """
verifier = HookVerifier.for_client_assertion(keys, client_id={client!r}, token_url={audience!r})
verifier.verify({assertion!r})
"""
_PYJWT = """
import jwt
jwt.decode({assertion!r}, jwt.PyJWK({jwk}), algorithms=["RS256"], audience={audience!r})
"""


def measure() -> dict[str, dict[str, float]]:
    """Return for each program the milliseconds beyond bare Python, and their ratio to the imports.

    The ratio compares with ``import jwt, requests``.
    """
    with OktaEmulator() as okta, TemporaryDirectory() as compiled:
        signer = okta.signer(okta.create_key("bench")["keyId"])
        values: dict[str, Any] = {
            "jwk": signer.public_jwk(),
            "url": okta.url,
            "token": okta.api_token,
            "client": ISSUER,
            "audience": AUDIENCE,
            "assertion": _assertion(signer),
        }
        programs = {
            "bare Python": "pass",
            "import jwt, requests": "import jwt, requests",
            "import hookkey_verify": "import hookkey_verify",
            "StaticKeys, first verification": _STATIC + _VERIFY,
            "HookKeys, fetch and first verification": _FETCHED + _VERIFY,
            "PyJWT, first verification": _PYJWT,
        }
        ready = {name: text.format(**values) for name, text in programs.items()}
        for text in ready.values():
            _milliseconds(text, compiled)
        rounds = [
            {name: _milliseconds(text, compiled) for name, text in ready.items()}
            for _ in range(ROUNDS)
        ]
    bare, peer = "bare Python", "import jwt, requests"
    return {
        name: {
            "ms": statistics.median(each[name] - each[bare] for each in rounds),
            "ratio": statistics.median(
                (each[name] - each[bare]) / (each[peer] - each[bare]) for each in rounds
            ),
        }
        for name in list(programs)[1:]
    }


def _assertion(signer: HookSigner) -> str:
    return signer.client_assertion(client_id=ISSUER, token_url=AUDIENCE, lifetime=3000)


def _milliseconds(program: str, compiled: str) -> float:
    """Run a program and return its duration.

    ``compiled``: the directory for bytecode, because pip compiles installed packages too.
    """
    env = {**os.environ, "PYTHONPYCACHEPREFIX": compiled}
    env.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], check=True, env=env)
    return (time.perf_counter() - began) * 1e3
