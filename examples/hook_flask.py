"""A token inline hook in Flask: it adds a claim to the access token that Okta will issue.

HOOKKEY_ISSUER=https://acme.okta.com/oauth2/aus1hooks HOOKKEY_AUDIENCE=api://hooks \
HOOKKEY_CLIENT_ID=0oa1hookclient4x7 flask --app examples/hook_flask.py run
"""

from typing import Any

from flask import Flask, request

from hookkey_verify.flask import HookKeyVerify, current_hook

if __name__ == "__main__":  # a server imports this module
    raise SystemExit(__doc__)

app = Flask(__name__)
hooks = HookKeyVerify(app)  # app.config and the environment configure the verifier


@app.post("/hook")
@hooks.required
def token_hook() -> dict[str, Any]:
    """Return a command for Okta."""
    user = request.get_json()["data"]["context"]["user"]["id"]
    app.logger.info("hook of client %s for user %s", current_hook.client_id, user)
    patch = {"op": "add", "path": "/claims/team", "value": "blue"}
    return {"commands": [{"type": "com.okta.access.patch", "value": [patch]}]}
