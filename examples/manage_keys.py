"""Manage the hook keys of an org: create, read, rename, delete.

This script runs as is, against a local org. To use your own org, delete the lines for the emulator
and set OKTA_CLIENT_ORGURL and OKTA_CLIENT_TOKEN.
"""

from __future__ import annotations

import json
import os

from hookkey_verify import HookKeyError, HookKeysClient
from hookkey_verify.emulator import OktaEmulator

with OktaEmulator() as okta:
    os.environ["OKTA_CLIENT_ORGURL"] = okta.url
    os.environ["OKTA_CLIENT_TOKEN"] = okta.api_token

    with HookKeysClient.from_env() as client:
        key = client.create("Token hook")
        print("created", key.name, key.id)
        assert key.public_key is not None
        print("public key for verifiers:", json.dumps(key.public_key.as_jwk())[:60], "…")

        client.rename(key.id, "Token hook, production")
        for each in client.list():
            print("the org has", each.name, "in use" if each.is_used else "not in use")

        try:
            client.create("Token hook, production")
        except HookKeyError as error:
            print("refused:", error)

        client.delete(key.id)
        print("left:", len(client.list()))
