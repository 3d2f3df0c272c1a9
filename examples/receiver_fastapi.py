"""The token URL and the hook for Okta's "private key" method, in FastAPI.

TOKEN_URL=https://hooks.acme.com/oauth2/token CLIENT_ID=0oa1hookclient4x7 SIGNING_KEY=key.pem \
    OKTA_CLIENT_ORGURL=https://acme.okta.com OKTA_CLIENT_TOKEN=… uvicorn receiver_fastapi:app

Signing key: openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem
"""

import os
from typing import Annotated, Any

from fastapi import Depends, FastAPI

from hookkey_verify import HookKeys, HookVerifier, TokenEndpoint, VerifiedHook
from hookkey_verify.fastapi import HookAuth, HookRefused, answer_refusal, serve
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
app = FastAPI()
app.add_route("/oauth2/token", serve(tokens), methods=["POST"])
app.add_exception_handler(HookRefused, answer_refusal)
hook_auth = HookAuth(tokens.verifier)


@app.post("/hook")
async def hook(caller: Annotated[VerifiedHook, Depends(hook_auth)]) -> dict[str, Any]:
    """Return a command for Okta."""
    patch = {"op": "add", "path": "/claims/caller", "value": caller.client_id}
    return {"commands": [{"type": "com.okta.access.patch", "value": [patch]}]}
