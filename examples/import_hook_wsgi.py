"""A user import inline hook as a plain WSGI application: it links people to their Okta users.

HOOKKEY_ISSUER=https://acme.okta.com/oauth2/aus1hooks HOOKKEY_AUDIENCE=api://hooks \
HOOKKEY_CLIENT_ID=0oa1hookclient4x7 gunicorn --chdir examples import_hook_wsgi:app

Link users by an attribute only if the users of the app cannot change it themselves. Otherwise, they
could sign in as somebody else.
"""

from hookkey_verify import HookVerifier, IssuerKeys
from hookkey_verify.hooks import Hooks, ImportHook, ImportReply
from hookkey_verify.wsgi import serve

if __name__ == "__main__":  # a server imports this module
    raise SystemExit(__doc__)

USER_IDS = {"isaac@example.com": "00uq8tMo3zV0OfJON0g3"}  # replace it with your directory
hooks = Hooks(HookVerifier.from_env(IssuerKeys.from_env()))


@hooks.on(ImportHook)
def link_known_people(hook: ImportHook) -> ImportReply:
    """Return a reply that links the user to an existing one, or creates a new one."""
    email = str(hook.app_user_profile.get("email", "")).casefold()
    if user_id := USER_IDS.get(email):
        return ImportReply().link_to(user_id)
    return ImportReply().create_user()


app = serve(hooks)
