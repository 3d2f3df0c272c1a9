"""The token URL and the hook for Okta's "private key" method, in Flask.

TOKEN_URL=https://hooks.acme.com/oauth2/token CLIENT_ID=0oa1hookclient4x7 SIGNING_KEY=key.pem \
    OKTA_CLIENT_ORGURL=https://acme.okta.com OKTA_CLIENT_TOKEN=… flask --app receiver_flask run

Signing key: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem
"""

import os
from typing import Any

from flask import Flask

from hookkey_verify import HookKeys, HookVerifier, TokenEndpoint
from hookkey_verify.flask import HookKeyVerify, current_hook, serve
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.signing_key import SigningKey

if __name__ == "__main__":  # a server imports this module
    raise SystemExit(__doc__)

okta = HookVerifier.for_client_assertion(
    HookKeys.from_env(),
    client_id=os.environ["CLIENT_ID"],
    token_url=os.environ["TOKEN_URL"],
    replay=MemoryReplayStore(single_process=True),
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
hooks = HookKeyVerify(app, tokens.verifier)


@app.post("/hook")
@hooks.required
def hook() -> dict[str, Any]:
    """Return a command for Okta."""
    app.logger.info("hook of client %s", current_hook.client_id)
    patch = {"op": "add", "path": "/claims/team", "value": "blue"}
    return {"commands": [{"type": "com.okta.access.patch", "value": [patch]}]}
