"""A token inline hook in Django, in one file: it adds a claim to the token that Okta will issue.

HOOKKEY_ISSUER=https://acme.okta.com/oauth2/aus1hooks HOOKKEY_AUDIENCE=api://hooks \
HOOKKEY_CLIENT_ID=0oa1hookclient4x7 gunicorn --chdir examples hook_django:wsgi

For ASGI, run ``uvicorn --app-dir examples hook_django:asgi``. In an existing project, copy only the
view, its path and the entry in INSTALLED_APPS.
"""

import json
import secrets
from typing import Any

import django
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.http import HttpRequest, JsonResponse
from django.urls import path

if __name__ == "__main__":  # a server imports this module
    raise SystemExit(__doc__)

settings.configure(
    ALLOWED_HOSTS=["*"],
    SECRET_KEY=secrets.token_urlsafe(),
    ROOT_URLCONF=__name__,
    INSTALLED_APPS=["hookkey_verify.django.HookKeyVerifyConfig"],
    HOOKKEY_VERIFY={},  # empty: the environment configures the verifier
)
django.setup()

from hookkey_verify.django import protect  # noqa: E402 - needs the settings above


@protect
def token_hook(request: HttpRequest) -> JsonResponse:
    """Return a command for Okta."""
    hook: Any = request.hook  # type: ignore[attr-defined]
    user = json.loads(request.body)["data"]["context"]["user"]["id"]
    print("hook of client", hook.client_id, "for user", user)
    patch = {"op": "add", "path": "/claims/team", "value": "blue"}
    return JsonResponse({"commands": [{"type": "com.okta.access.patch", "value": [patch]}]})


urlpatterns = [path("hook", token_hook)]
wsgi = get_wsgi_application()
asgi = get_asgi_application()
