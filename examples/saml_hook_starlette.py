"""A SAML inline hook in Starlette: it adds the user's groups to the SAML assertion.

HOOKKEY_ISSUER=https://acme.okta.com/oauth2/aus1hooks HOOKKEY_AUDIENCE=api://hooks \
HOOKKEY_CLIENT_ID=0oa1hookclient4x7 uvicorn --app-dir examples saml_hook_starlette:app
"""

from starlette.applications import Starlette
from starlette.routing import Route

from hookkey_verify import HookVerifier, IssuerKeys
from hookkey_verify.hooks import Hooks, SamlHook, SamlReply
from hookkey_verify.starlette import serve

if __name__ == "__main__":  # a server imports this module
    raise SystemExit(__doc__)

hooks = Hooks(HookVerifier.from_env(IssuerKeys.from_env()))


async def groups_of(login: str | None) -> list[str]:
    """Return the groups of a user. Replace it with a query of your database."""
    return ["sales", "europe"] if login == "isaac.brock@example.com" else []


@hooks.on(SamlHook)
async def add_groups(hook: SamlHook) -> SamlReply | None:
    """Return a reply with the groups, or None for users without groups."""
    groups = await groups_of(hook.user.login)
    return SamlReply().attribute("groups", groups) if groups else None


app = Starlette(routes=[Route("/hook", serve(hooks), methods=["POST"])])
