"""The token URL and the hook in AWS Lambda, with DynamoDB. ``template.yaml`` deploys both.

DynamoDB stores the used assertions, so each assertion yields one token across all instances of the
function. The environment of the function has TOKEN_URL, CLIENT_ID, SIGNING_KEY (a PEM text), TABLE,
OKTA_CLIENT_ORGURL and OKTA_CLIENT_TOKEN. Create the signing key with:
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem

Lambda runs this module once for each instance of the function, with more CPU than later calls get.
Everything is therefore created at module level. If you know the keyId of the hook key, keep the
``HookKeys`` in a variable and call ``keys.warm_up(key_id)`` too, so that the first token does not
wait for Okta.
"""

import json
import os
from typing import Any

from hookkey_verify import HookKeys, HookVerificationError, HookVerifier, TokenEndpoint
from hookkey_verify.aws_lambda import protect, serve
from hookkey_verify.dynamodb import DynamoDBReplayStore
from hookkey_verify.signing_key import SigningKey

if __name__ == "__main__":  # Lambda imports this module
    raise SystemExit(__doc__)

used = DynamoDBReplayStore(os.environ["TABLE"])
okta = HookVerifier.for_client_assertion(
    HookKeys.from_env(),
    client_id=os.environ["CLIENT_ID"],
    token_url=os.environ["TOKEN_URL"],
    replay=used,
)
tokens = TokenEndpoint(
    okta,
    signing_key=SigningKey(os.environ["SIGNING_KEY"]),
    issuer="https://hooks.acme.com",
    audience="api://hooks",
    scopes=["hooks"],
)
try:
    used.warm_up()  # during Lambda's initialization, so that the first token does not wait
except HookVerificationError as error:
    print("DynamoDB does not answer yet:", error)

token = serve(tokens)


@protect(tokens.verifier)
def hook(event: dict[str, Any], context: object) -> dict[str, Any]:
    """Return a command for Okta."""
    patch = {"op": "add", "path": "/claims/team", "value": "blue"}
    commands = [{"type": "com.okta.access.patch", "value": [patch]}]
    headers = {"Content-Type": "application/json"}
    return {"statusCode": 200, "headers": headers, "body": json.dumps({"commands": commands})}


def handler(event: dict[str, Any], context: object) -> Any:
    """Answer requests of an HTTP API. One function serves both paths, so both stay warm."""
    return (token if event["rawPath"].endswith("/oauth2/token") else hook)(event, context)
