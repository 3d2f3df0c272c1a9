"""The time that reading a payload and calling its handler add to a verification.

python -m tests.bench --only hooks

All candidates handle the same token hook of 4 KB. The first one only decodes its JSON.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import count
from typing import Any

from hookkey_verify.guard import Guard
from hookkey_verify.hooks import Hooks, TokenHook, TokenReply, check_reply, parse_hook
from hookkey_verify.shared_secret import HeaderSecret

from ..hooks.payload_examples import FULL
from .rounds import in_turns

__all__ = ["FLOOR", "SIZE", "VERIFIED", "measure", "payload"]

ROUNDS, CALLS = 400, 50
SIZE = 4096
FLOOR = "json.loads"
VERIFIED = "verification of a secret in a header"
NO_CHANGE = "Hooks, a handler that returns None"


def payload() -> bytes:
    """Return the request of a token hook with as many groups as fit in 4 KB."""
    document = json.loads(json.dumps(FULL["token"]))
    groups = document["data"]["access"]["claims"]["teams"] = []
    for number in count():
        groups.append(f"Engineering, platform {number:03}")
        if len(json.dumps(document)) > SIZE:
            groups.pop()
            return json.dumps(document).encode()
    raise AssertionError


def measure() -> Mapping[str, Any]:
    """Return the results of all candidates, and what parsing and routing add to a verification."""
    body, sent = payload(), {"Authorization": "a-secret-of-the-hook"}
    verifier = HeaderSecret(sent["Authorization"])
    guard, silent, replying = Guard(verifier), Hooks(verifier), Hooks(verifier)
    silent.on(TokenHook)(lambda hook: None)
    replying.on(TokenHook)(lambda hook: TokenReply().access_claim("team", hook.client_id))
    hook, reply = parse_hook(body), TokenReply().access_claim("team", "blue").to_json()
    figures = in_turns(
        {
            FLOOR: lambda: json.loads(body),
            "parse_hook": lambda: parse_hook(body),
            VERIFIED: lambda: guard.check(sent),
            NO_CHANGE: lambda: silent.respond("POST", sent, body),
            "Hooks, a handler that adds a claim": lambda: replying.respond("POST", sent, body),
            "check_reply": lambda: check_reply(TokenHook, reply, hook),
        },
        rounds=ROUNDS,
        calls=CALLS,
    )
    added = figures[NO_CHANGE].ratio - figures[VERIFIED].ratio
    return {
        **figures,
        "parsing and routing": {"us": added * figures[FLOOR].us, "ratio": added},
        "bytes": len(body),
    }
