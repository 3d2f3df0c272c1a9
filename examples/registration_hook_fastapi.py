"""A registration inline hook in FastAPI: it denies addresses of private mail providers.

HOOKKEY_ISSUER=https://acme.okta.com/oauth2/aus1hooks HOOKKEY_AUDIENCE=api://hooks \
HOOKKEY_CLIENT_ID=0oa1hookclient4x7 uvicorn --app-dir examples registration_hook_fastapi:app
"""

from fastapi import FastAPI

from hookkey_verify import HookVerifier, IssuerKeys
from hookkey_verify.fastapi import serve
from hookkey_verify.hooks import Hooks, RegistrationHook, RegistrationReply

if __name__ == "__main__":  # a server imports this module
    raise SystemExit(__doc__)

PRIVATE = {"", "gmail.com", "hotmail.com", "icloud.com", "outlook.com", "yahoo.com"}
hooks = Hooks(HookVerifier.from_env(IssuerKeys.from_env()))


@hooks.on(RegistrationHook)
async def only_companies(hook: RegistrationHook) -> RegistrationReply:
    """Return a reply that allows or denies the registration."""
    if hook.is_progressive:  # an existing user adds attributes
        return RegistrationReply().allow()
    domain = str(hook.user_profile.get("email", "")).rpartition("@")[2].casefold()
    if domain in PRIVATE:
        return RegistrationReply().deny("Use the address of your company.", field="email")
    return RegistrationReply().allow().profile(organization=domain)


app = FastAPI()
app.add_route("/hook", serve(hooks), methods=["POST"])
