"""A token URL and a hook on any number of processes and hosts that share one Valkey and one key.

TOKEN_URL=https://hooks.acme.com/oauth2/token CLIENT_ID=0oa1hookclient4x7 SIGNING_KEY=key.pem \
    VALKEY=rediss://cache.acme.com:6379/0 HOOKKEY_STORE_SECRET=… \
    OKTA_CLIENT_ORGURL=https://acme.okta.com OKTA_CLIENT_TOKEN=… \
    gunicorn --workers 4 --bind 0.0.0.0:8001 receiver:app     # repeat on other ports or hosts

Valkey stores the used assertions, so each assertion yields one token across all processes. It also
stores the hook keys, so one process fetches them from Okta for all. The processes share one signing
key, so each accepts the tokens of the others. Create the key with:
openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem
"""

import os
from typing import Any

from flask import Flask

from hookkey_verify import HookKeys, HookVerifier, TokenEndpoint
from hookkey_verify.flask import protect, serve
from hookkey_verify.jwks_bridge import JwksEndpoint
from hookkey_verify.signing_key import SigningKey
from hookkey_verify.valkey import ValkeyKeyStore, ValkeyReplayStore

if __name__ == "__main__":  # a server imports this module
    raise SystemExit(__doc__)

shared = ValkeyKeyStore(os.environ["VALKEY"], secret=os.environ["HOOKKEY_STORE_SECRET"])
okta = HookVerifier.for_client_assertion(
    HookKeys.from_env(shared=shared),
    client_id=os.environ["CLIENT_ID"],
    token_url=os.environ["TOKEN_URL"],
    replay=ValkeyReplayStore(os.environ["VALKEY"]),
)
tokens = TokenEndpoint(
    okta,
    signing_key=SigningKey.from_file(os.environ["SIGNING_KEY"]),
    issuer="https://hooks.acme.com",
    audience="api://hooks",
    scopes=["hooks"],
)
app = Flask(__name__)
app.post("/oauth2/token")(serve(tokens))
app.get("/.well-known/jwks.json")(serve(JwksEndpoint(tokens.jwks)))


@app.post("/hook")
@protect(tokens.verifier)
def hook() -> dict[str, Any]:
    """Return a command for Okta."""
    patch = {"op": "add", "path": "/claims/team", "value": "blue"}
    return {"commands": [{"type": "com.okta.access.patch", "value": [patch]}]}
