"""Rotate a hook key without a gap: no delivery fails, and each run continues where one has ended.

This script runs as is, against a local org. Its hook gets access tokens from the org's own
authorization server, so the new key is added to the application there, and removed at the end.
"""

from __future__ import annotations

from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.okta import (
    ApiToken,
    ApplicationKeysClient,
    HookKeysClient,
    InlineHooksClient,
)

with OktaEmulator() as okta:
    token = ApiToken(okta.api_token)
    okta.create_key("Token hook")
    okta.create_hook("https://hooks.acme.com/hook", key="Token hook")
    with (
        HookKeysClient(okta.url, token) as keys,
        InlineHooksClient(okta.url, token) as hooks,
        ApplicationKeysClient(okta.url, token) as applications,
    ):
        rotation = keys.rotation("Token hook", hooks, applications=applications, keep=3600)
        for step in rotation.plan().steps:
            print("plan:", step.text)

        report = rotation.run()
        print("1. the hook uses the new key; waiting for:", report.waiting_for)

        okta.skew(3602)  # an hour later, in this process or another one
        report = rotation.run()
        rotation.close()
        print("2. finished:", report.finished, [key.name for key in keys.list()])
