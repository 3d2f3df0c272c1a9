"""The cost of events: of a subscribed Prometheus adapter, and of reporting when nobody listens.

python -m tests.bench --only telemetry

All candidates of a table verify one token and alternate, round by round. A difference is the median
of the ratios of the rounds, minus one, times the median of the first candidate.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prometheus_client import CollectorRegistry

from hookkey_verify import ApiToken, HookKeys, HookSigner, HookVerifier, StaticKeys
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.prometheus import Metrics

from .peers import AUDIENCE, ISSUER
from .rounds import Figure, in_turns

__all__ = ["measure"]

ROUNDS, CALLS = 300, 50


def measure() -> Mapping[str, Mapping[str, float]]:
    """Return the microseconds of a verification, and what events add to it."""
    return {**_static(), **_fetched()}


def _static() -> Mapping[str, Mapping[str, float]]:
    signer = HookSigner.generate()
    token = _assertion(signer)
    keys = StaticKeys.from_jwk(signer.public_jwk())
    silent, reporting = _verifier(keys), _verifier(keys, Metrics(CollectorRegistry()))
    figures = in_turns(
        {
            "without reporting": lambda: silent._verify(token, None),
            "nobody listens": lambda: silent.verify(token),
        },
        rounds=ROUNDS,
        calls=CALLS,
    )
    listened = in_turns(
        {
            "nobody listens": lambda: silent.verify(token),
            "Metrics": lambda: reporting.verify(token),
        },
        rounds=ROUNDS,
        calls=CALLS,
    )
    return {
        "StaticKeys, nobody listens": _difference(figures),
        "StaticKeys, Metrics": _difference(listened),
    }


def _fetched() -> Mapping[str, Mapping[str, float]]:
    metrics = Metrics(CollectorRegistry())
    with OktaEmulator() as okta:
        signer = okta.signer(okta.create_key("bench")["keyId"])
        token = _assertion(signer)
        plain, listened = (
            HookKeys(okta.url, ApiToken(okta.api_token), on_event=each) for each in (None, metrics)
        )
        for keys in (plain, listened):
            keys.warm_up(signer.kid)
    silent, reporting = _verifier(plain), _verifier(listened, metrics)
    figures = in_turns(
        {
            "nobody listens": lambda: silent.verify(token),
            "Metrics": lambda: reporting.verify(token),
        },
        rounds=ROUNDS,
        calls=CALLS,
    )
    for keys in (plain, listened):
        keys.close()
    return {"HookKeys, Metrics for both": _difference(figures)}


def _difference(figures: Mapping[str, Figure]) -> Mapping[str, float]:
    first, second = figures.values()
    return {"us": first.us, "more us": (second.ratio - 1) * first.us}


def _verifier(keys: Any, metrics: Metrics | None = None) -> HookVerifier:
    return HookVerifier.for_client_assertion(
        keys, client_id=ISSUER, token_url=AUDIENCE, on_event=metrics
    )


def _assertion(signer: HookSigner) -> str:
    return signer.client_assertion(client_id=ISSUER, token_url=AUDIENCE, lifetime=3000)
