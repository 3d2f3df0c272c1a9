"""The token URL and the hook in Django, on any number of processes, with PostgreSQL.

TOKEN_URL=https://hooks.acme.com/oauth2/token CLIENT_ID=0oa1hookclient4x7 SIGNING_KEY=key.pem \
    PGHOST=db.acme.com PGDATABASE=hooks PGUSER=hooks PGPASSWORD=… \
    OKTA_CLIENT_ORGURL=https://acme.okta.com OKTA_CLIENT_TOKEN=… gunicorn --workers 4 receiver:wsgi

PostgreSQL stores the used assertions, so each assertion yields one token across all processes.
Create its table once: python -c "import receiver; receiver.used.create_table()"

In an existing project, copy what follows the settings. The store takes the connection settings from
DATABASES but opens its own connections, so the transactions of views do not affect claims.
"""

import os
import secrets

import django
from django.conf import settings
from django.core.wsgi import get_wsgi_application
from django.db import connection
from django.http import HttpRequest, JsonResponse
from django.urls import path

if __name__ == "__main__":  # a server imports this module
    raise SystemExit(__doc__)

settings.configure(
    ALLOWED_HOSTS=["*"],
    SECRET_KEY=secrets.token_urlsafe(),
    ROOT_URLCONF=__name__,
    DATABASES={
        "default": {
            "ENGINE": "django.db.backends.postgresql",
            "NAME": os.environ["PGDATABASE"],
            "HOST": os.environ["PGHOST"],
            "PORT": os.environ.get("PGPORT", ""),
            "USER": os.environ["PGUSER"],
            "PASSWORD": os.environ["PGPASSWORD"],
        }
    },
)
django.setup()

from hookkey_verify import HookKeys, HookVerifier, TokenEndpoint  # noqa: E402
from hookkey_verify.django import protect, serve  # noqa: E402 - needs the settings above
from hookkey_verify.postgres import PostgresReplayStore  # noqa: E402
from hookkey_verify.signing_key import SigningKey  # noqa: E402

used = PostgresReplayStore(connection.get_connection_params())
okta = HookVerifier.for_client_assertion(
    HookKeys.from_env(),
    client_id=os.environ["CLIENT_ID"],
    token_url=os.environ["TOKEN_URL"],
    replay=used,
)
tokens = TokenEndpoint(
    okta,
    signing_key=SigningKey.from_file(os.environ["SIGNING_KEY"]),
    issuer="https://hooks.acme.com",
    audience="api://hooks",
    scopes=["hooks"],
)


@protect(tokens.verifier)
def hook(request: HttpRequest) -> JsonResponse:
    """Return a command for Okta."""
    patch = {"op": "add", "path": "/claims/team", "value": "blue"}
    return JsonResponse({"commands": [{"type": "com.okta.access.patch", "value": [patch]}]})


urlpatterns = [path("oauth2/token", serve(tokens)), path("hook", hook)]
wsgi = get_wsgi_application()
