"""A password import inline hook in Django, in one file: it checks passwords of an old user store.

HOOKKEY_ISSUER=https://acme.okta.com/oauth2/aus1hooks HOOKKEY_AUDIENCE=api://hooks \
HOOKKEY_CLIENT_ID=0oa1hookclient4x7 gunicorn --chdir examples password_import_hook_django:wsgi

For ASGI, run ``uvicorn --app-dir examples password_import_hook_django:asgi``. In an existing
project, copy only the handler and its path. Okta stores each password that the hook confirms, and
then no longer asks for it.
"""

import secrets
from hashlib import scrypt
from hmac import compare_digest

from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.urls import path

from hookkey_verify import HookVerifier, IssuerKeys
from hookkey_verify.django import serve
from hookkey_verify.hooks import Hooks, PasswordImportHook, PasswordImportReply

if __name__ == "__main__":  # a server imports this module
    raise SystemExit(__doc__)

HASHES = {  # salt and hash of each user; replace it with your database
    "isaac.brock@example.com": (
        "9f1c6b7e2d4a8350",
        "35e351611d2b571fcc0ca038035d4d802087c5c21feec6c2fbdb60ad44bcf82a",
    )
}
UNKNOWN = ("", "")  # for unknown names, so that they take as long as known ones
hooks = Hooks(HookVerifier.from_env(IssuerKeys.from_env()))


@hooks.on(PasswordImportHook)
def check_password(hook: PasswordImportHook) -> PasswordImportReply:
    """Return a reply that confirms the password, or not."""
    salt, expected = HASHES.get(hook.username or "", UNKNOWN)
    password = (hook.password or "").encode()
    given = scrypt(password, salt=bytes.fromhex(salt), n=2**14, r=8, p=1, dklen=32)
    if compare_digest(given, bytes.fromhex(expected)):
        return PasswordImportReply().verified()
    return PasswordImportReply().unverified()


settings.configure(ALLOWED_HOSTS=["*"], SECRET_KEY=secrets.token_urlsafe(), ROOT_URLCONF=__name__)
urlpatterns = [path("hook", serve(hooks))]
wsgi = get_wsgi_application()
asgi = get_asgi_application()
