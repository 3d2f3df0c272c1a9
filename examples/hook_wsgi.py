"""A token inline hook as a plain WSGI application, without a framework.

HOOKKEY_ISSUER=https://acme.okta.com/oauth2/aus1hooks HOOKKEY_AUDIENCE=api://hooks \
HOOKKEY_CLIENT_ID=0oa1hookclient4x7 gunicorn --chdir examples hook_wsgi:app
"""

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from hookkey_verify import HookVerifier, IssuerKeys
from hookkey_verify.wsgi import HOOK, HookMiddleware

if TYPE_CHECKING:
    from wsgiref.types import StartResponse


def token_hook(environ: dict[str, Any], start_response: "StartResponse") -> Iterable[bytes]:
    """Return a command for Okta."""
    body = json.loads(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
    user = body["data"]["context"]["user"]["id"]
    print("hook of client", environ[HOOK].client_id, "for user", user)
    patch = {"op": "add", "path": "/claims/team", "value": "blue"}
    start_response("200 OK", [("Content-Type", "application/json")])
    return [
        json.dumps({"commands": [{"type": "com.okta.access.patch", "value": [patch]}]}).encode()
    ]


if __name__ == "__main__":  # a server imports this module
    raise SystemExit(__doc__)

app = HookMiddleware(token_hook, HookVerifier.from_env(IssuerKeys.from_env()))
