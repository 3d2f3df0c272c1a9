"""okta 2.9, Okta's Python SDK. It sends token request parameters in the query string."""

from __future__ import annotations

import os
from typing import Any

from report import CONFIG, expect_names, report

os.environ["OKTA_TESTING_TESTINGDISABLEHTTPSCHECK"] = "true"

from okta.client import Client

ORG = CONFIG["org"]


def private_key(app: dict[str, Any]) -> dict[str, Any]:
    """Return the settings for authenticating as this service app."""
    return {
        "authorizationMode": "PrivateKey",
        "clientId": app["clientId"],
        "scopes": ORG["scopes"],
        "privateKey": app["pem"],
        "kid": app["kid"],
    }


async def inline_hooks(settings: dict[str, Any]) -> None:
    """List the inline hooks of the org."""
    async with Client({"orgUrl": ORG["url"], **settings}) as client:
        hooks, _, error = await client.list_inline_hooks()
    if error is not None:
        raise RuntimeError(error)
    expect_names([hook.name for hook in hooks], ORG["inlineHooks"])


report(
    {
        "SSWS: inline hooks": lambda: inline_hooks({"token": ORG["apiToken"]}),
        "private key, app without DPoP: inline hooks": lambda: inline_hooks(
            private_key(ORG["bearerApp"])
        ),
    }
)
