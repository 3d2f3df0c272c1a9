"""A token inline hook in Starlette: it adds a claim to the access token that Okta will issue.

HOOKKEY_ISSUER=https://acme.okta.com/oauth2/aus1hooks HOOKKEY_AUDIENCE=api://hooks \
HOOKKEY_CLIENT_ID=0oa1hookclient4x7 uvicorn --app-dir examples hook_starlette:app

``HookMiddleware(app, verifier)`` protects a whole application in any ASGI framework.
"""

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from hookkey_verify import HookVerifier, IssuerKeys
from hookkey_verify.asgi import HookMiddleware


async def token_hook(request: Request) -> JSONResponse:
    """Return a command for Okta."""
    user = (await request.json())["data"]["context"]["user"]["id"]
    print("hook of client", request.state.hook.client_id, "for user", user)
    patch = {"op": "add", "path": "/claims/team", "value": "blue"}
    return JSONResponse({"commands": [{"type": "com.okta.access.patch", "value": [patch]}]})


async def health(request: Request) -> JSONResponse:
    """Return the status. This route is public."""
    return JSONResponse({"status": "ok"})


if __name__ == "__main__":  # a server imports this module
    raise SystemExit(__doc__)

verifier = HookVerifier.from_env(IssuerKeys.from_env())
app = Starlette(
    routes=[
        Route(
            "/hook",
            token_hook,
            methods=["POST"],
            middleware=[Middleware(HookMiddleware, verifier)],
        ),
        Route("/health", health),
    ]
)
