"""Replace a hook key without a gap: successor, change-over, end.

Runs as it is, against a local org that also plays the administrator.
"""

from __future__ import annotations

from hookkey_verify import ApiToken, HookKeysClient
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import KeyInUseError

with OktaEmulator() as okta, HookKeysClient(okta.url, ApiToken(okta.api_token)) as client:
    old = client.create("Token hook")
    okta.org.set_used(old.id)  # an inline hook uses it

    rotation = client.rotate("Token hook")
    assert rotation.new.public_key is not None
    print("1. verifiers get the new key:", rotation.new.public_key.thumbprint)

    try:
        rotation.finish()
    except KeyInUseError as error:
        print("2. not yet:", error)

    okta.org.set_used(old.id, used=False)  # the administrator chose the new key in the hook
    okta.org.set_used(rotation.new.id)
    new = rotation.finish()
    print("3. only the new key is left:", [key.name for key in client.list()], new.key_id)
