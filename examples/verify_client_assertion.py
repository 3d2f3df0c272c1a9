"""Verify a client assertion from standard input with the hook keys of an org.

OKTA_CLIENT_ORGURL=https://acme.okta.com OKTA_CLIENT_TOKEN=… \
    python examples/verify_client_assertion.py 0oa1hookclient4x7 https://hooks.acme.com/oauth2/token

The script prints the claims as JSON and exits with 0. Otherwise it prints the reason, and exits
with 1 if the assertion is refused or 3 if the key could not be fetched. It exits with 2 if the
arguments are wrong.
"""

import json
import os
import sys

from hookkey_verify import ApiToken, HookKeys, HookVerificationError, HookVerifier


def main() -> int:
    """Verify the assertion and return the exit status."""
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    client_id, token_url = sys.argv[1:]
    keys = HookKeys(os.environ["OKTA_CLIENT_ORGURL"], ApiToken(os.environ["OKTA_CLIENT_TOKEN"]))
    verifier = HookVerifier.for_client_assertion(keys, client_id=client_id, token_url=token_url)
    try:
        hook = verifier.verify(sys.stdin.read().strip())
    except HookVerificationError as error:
        print(f"{error.reason}: {error}", file=sys.stderr)
        return 3 if error.retryable else 1
    finally:
        keys.close()
    print(json.dumps(dict(hook.claims), indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
