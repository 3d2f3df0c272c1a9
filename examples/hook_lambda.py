"""A token inline hook in AWS Lambda, behind an API Gateway, a function URL or a load balancer.

Set HOOKKEY_ISSUER, HOOKKEY_AUDIENCE and HOOKKEY_CLIENT_ID in the function's environment, and set
its handler to ``hook_lambda.handler``. For a Lambda authorizer, use ``hook_lambda.authorizer``.

Lambda runs a module once for each instance of the function, with more CPU than later calls get.
Create the key source and the verifier at module level and call ``keys.warm_up()`` there, so that
the first hook waits neither for imports nor for Okta.
"""

import json
from typing import Any

from hookkey_verify import HookVerificationError, HookVerifier, IssuerKeys
from hookkey_verify.aws_lambda import HOOK, authorize, protect

if __name__ == "__main__":  # a server imports this module
    raise SystemExit(__doc__)

keys = IssuerKeys.from_env()
verifier = HookVerifier.from_env(keys)
try:
    keys.warm_up()  # during Lambda's initialization, so that the first hook does not wait
except HookVerificationError as error:
    print("keys are not loaded yet:", error)  # the first hook fetches them


@protect(verifier)
def handler(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Return a command for Okta."""
    user = json.loads(event["body"])["data"]["context"]["user"]["id"]
    print("hook of client", event[HOOK].client_id, "for user", user)
    patch = {"op": "add", "path": "/claims/team", "value": "blue"}
    commands = [{"type": "com.okta.access.patch", "value": [patch]}]
    headers = {"Content-Type": "application/json"}
    return {"statusCode": 200, "headers": headers, "body": json.dumps({"commands": commands})}


authorizer = authorize(verifier)
