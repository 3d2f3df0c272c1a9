"""Made-up kids never change the verdict for a known key."""

from __future__ import annotations

import random
from collections import Counter
from typing import Any

import pytest

from hookkey_verify import ApiToken, CachePolicy, HookKeys, HookSigner, HookVerificationError
from hookkey_verify.okta.paths import HOOK_KEYS

from ..faults import Behaviour, FaultServer, Peer, json_answer

SECONDS = 900
# One request at a time, and no stale key that could hide a refusal.
POLICY = CachePolicy(fresh_for=60, refresh_ahead=0, stale_if_error=0)


class ManualClock:
    """A clock that a test advances."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


def _org(
    signer: HookSigner, refusals: list[Behaviour], chance: random.Random, *, has_list: bool
) -> FaultServer:
    """An org with one hook key, and one of these responses for any other kid."""
    good = json_answer(200, signer.public_jwk())
    keys = json_answer(200, [{"keyId": signer.kid}])

    def answer(peer: Peer) -> None:
        line = server.requests[-1].line
        if f"{HOOK_KEYS}/public/{signer.kid} " in line:
            good(peer)
        elif has_list and f"{HOOK_KEYS} " in line:
            keys(peer)
        else:
            chance.choice(refusals)(peer)

    server = FaultServer(answer)
    return server


def _error(status: int, *headers: str) -> Behaviour:
    return json_answer(status, {"errorCode": "E0000001"}, *headers)


REFUSALS = {
    "400": [_error(400)],
    "403": [_error(403)],
    "500": [_error(500)],
    "503 and when to come back": [_error(503, "Retry-After: 60")],
    "all of them": [
        _error(400),
        _error(403),
        _error(404),
        _error(418),
        _error(500),
        _error(503, "Retry-After: 120"),
        json_answer(200, {"kty": "RSA"}),
        json_answer(404, {"errorCode": "E0000007"}),
    ],
}


@pytest.mark.parametrize("refusals", REFUSALS.values(), ids=REFUSALS.keys())
@pytest.mark.parametrize(
    ("directory", "has_list"),
    [(False, False), (True, True), (True, False)],
    ids=["budget", "directory", "failing directory"],
)
def test_made_up_kids(
    signer: HookSigner, refusals: list[Behaviour], directory: bool, has_list: bool
) -> None:
    """Every look-up of the known key succeeds while one made-up kid arrives per second."""
    seed = random.SystemRandom().randrange(10**9)
    print("seed", seed)  # shown when the test fails
    chance = random.Random(seed)
    clock = ManualClock()
    verdicts: Counter[str] = Counter()
    options: dict[str, Any] = {"policy": POLICY, "clock": clock, "directory": directory}
    with _org(signer, refusals, chance, has_list=has_list) as server:
        with HookKeys(server.url, ApiToken("t"), **options) as keys:
            keys.warm_up(signer.kid)
            for second in range(SECONDS):
                clock.now += 1
                made_up = f"x{chance.randrange(10**9)}"
                with pytest.raises(HookVerificationError):
                    keys.get(made_up)
                if second % 10 == chance.randrange(10):
                    try:
                        keys.get(signer.kid)
                        verdicts["good"] += 1
                    except HookVerificationError as error:
                        verdicts[str(error.reason)] += 1
    assert set(verdicts) == {"good"}
    assert verdicts["good"] > 50
