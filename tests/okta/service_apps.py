"""Helpers that register service apps in the emulated org."""

from __future__ import annotations

from typing import Any

from hookkey_verify import HookSigner, ServiceApp
from hookkey_verify.emulator import OktaEmulator

BOTH = ("okta.inlineHooks.read", "okta.inlineHooks.manage")


def service_app(okta: OktaEmulator, key: HookSigner, **options: Any) -> ServiceApp:
    """Register an app in the org and return its credentials."""
    client_id = okta.create_service_app(key.public_jwk(), dpop=options.get("dpop", False))
    return ServiceApp(okta.url, client_id, key._key, **{"scopes": BOTH, **options})


def token_requests(okta: OktaEmulator) -> int:
    return sum(line.path == "/oauth2/v1/token" for line in okta.requests)


GOOD = {"access_token": "t0ken", "token_type": "Bearer", "expires_in": 3600}
