"""A token inline hook in FastAPI: it adds a claim to the access token that Okta will issue.

HOOKKEY_ISSUER=https://acme.okta.com/oauth2/aus1hooks HOOKKEY_AUDIENCE=api://hooks \
HOOKKEY_CLIENT_ID=0oa1hookclient4x7 uvicorn --app-dir examples hook_fastapi:app
"""

from typing import Annotated, Any

from fastapi import Depends, FastAPI

from hookkey_verify import HookVerifier, IssuerKeys, VerifiedHook
from hookkey_verify.fastapi import HookAuth, HookRefused, answer_refusal

if __name__ == "__main__":  # a server imports this module
    raise SystemExit(__doc__)

hook_auth = HookAuth(HookVerifier.from_env(IssuerKeys.from_env()))
app = FastAPI()
app.add_exception_handler(HookRefused, answer_refusal)


@app.post("/hook")
async def token_hook(
    body: dict[str, Any], hook: Annotated[VerifiedHook, Depends(hook_auth)]
) -> dict[str, Any]:
    """Return a command for Okta."""
    print("hook of client", hook.client_id, "for user", body["data"]["context"]["user"]["id"])
    patch = {"op": "add", "path": "/claims/team", "value": "blue"}
    return {"commands": [{"type": "com.okta.access.patch", "value": [patch]}]}
