"""What the tests of the client for inline hooks share: arguments, hooks and documents."""

from __future__ import annotations

from typing import Any

from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.okta import ApiToken, InlineHooksClient
from hookkey_verify.okta.models import InlineHook

from .exchanges import SECRET

TOKEN = "com.okta.oauth2.tokens.transform"
SAML = "com.okta.saml.tokens.transform"
URI = "https://hooks.acme.com/hook"
TOKEN_URL = "https://hooks.acme.com/oauth2/token"
VALUE = "s3cret-value-of-the-hook"
PATH = "/api/v1/inlineHooks"
OAUTH: dict[str, Any] = {"client_id": "0oa1", "token_url": TOKEN_URL}


def by_header(client: InlineHooksClient, **settings: Any) -> InlineHook:
    header = ("Authorization", VALUE)
    return client.create("claims", TOKEN, URI, auth_header=header, **settings)


def by_key(client: InlineHooksClient, okta: OktaEmulator, **settings: Any) -> InlineHook:
    key = okta.create_key("token hook")
    return client.create("claims", TOKEN, URI, hook_key_id=key["id"], **OAUTH, **settings)


def a_document(**config: Any) -> dict[str, Any]:
    return {
        "id": "cal1",
        "name": "n",
        "type": TOKEN,
        "status": "ACTIVE",
        "version": "1.0.2",
        "created": "2025-08-24T13:06:07.000Z",
        "lastUpdated": "2025-08-24T13:06:08.000Z",
        "channel": {"type": "HTTP", "version": "1.0.0", "config": {"uri": URI, **config}},
        "_links": {"self": {"href": "https://acme.okta.com/api/v1/inlineHooks/cal1"}},
    }


def calling(url: str) -> InlineHooksClient:
    return InlineHooksClient(url, ApiToken(SECRET), max_wait=0)
