"""Rotate a hook key without downtime: create a new key, switch the hook, delete the old key.

This script runs as is, against a local org. It also performs the administrator's steps.
"""

from __future__ import annotations

from hookkey_verify import ApiToken, HookKeysClient
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import KeyInUseError

with OktaEmulator() as okta, HookKeysClient(okta.url, ApiToken(okta.api_token)) as client:
    old = client.create("Token hook")
    okta.org.set_used(old.id)  # an inline hook uses this key

    rotation = client.rotate("Token hook")
    assert rotation.new.public_key is not None
    print("1. verifiers get the new key:", rotation.new.public_key.thumbprint)

    try:
        rotation.finish()
    except KeyInUseError as error:
        print("2. not yet:", error)

    okta.org.set_used(old.id, used=False)  # the administrator selects the new key in the hook
    okta.org.set_used(rotation.new.id)
    new = rotation.finish()
    print("3. only the new key is left:", [key.name for key in client.list()], new.key_id)
