"""A token inline hook in Flask: it adds the user's teams to the access token.

HOOKKEY_ISSUER=https://acme.okta.com/oauth2/aus1hooks HOOKKEY_AUDIENCE=api://hooks \
HOOKKEY_CLIENT_ID=0oa1hookclient4x7 flask --app examples/token_hook_flask.py run
"""

from flask import Flask

from hookkey_verify import HookVerifier, IssuerKeys
from hookkey_verify.flask import serve
from hookkey_verify.hooks import Hooks, TokenHook, TokenReply

if __name__ == "__main__":  # a server imports this module
    raise SystemExit(__doc__)

TEAMS = {"00uq8tMo3zV0OfJON0g3": ["billing", "support"]}  # replace it with your database
hooks = Hooks(HookVerifier.from_env(IssuerKeys.from_env()))


@hooks.on(TokenHook)
def add_teams(hook: TokenHook) -> TokenReply | None:
    """Return a reply with the teams. Without a user or an access token, nothing changes."""
    teams = TEAMS.get(str(hook.access.claims.get("uid")))
    return TokenReply().access_claim("teams", teams) if teams else None


app = Flask(__name__)
app.post("/hook")(serve(hooks))
