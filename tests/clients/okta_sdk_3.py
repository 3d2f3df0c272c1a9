"""okta 3, Okta's Python SDK.

Its hook key model requires ``isUsed`` to be a string. Okta sends a boolean, so the SDK cannot parse
hook keys.
"""

from __future__ import annotations

import os
from typing import Any

from report import CONFIG, expect_names, report

os.environ["OKTA_TESTING_TESTINGDISABLEHTTPSCHECK"] = "true"

from okta.client import Client

ORG = CONFIG["org"]
TOKEN = {"token": ORG["apiToken"]}


def private_key(app: dict[str, Any], *, dpop: bool) -> dict[str, Any]:
    """Return the settings for authenticating as this service app."""
    return {
        "authorizationMode": "PrivateKey",
        "clientId": app["clientId"],
        "scopes": ORG["scopes"],
        "privateKey": app["pem"],
        "kid": app["kid"],
        "dpopEnabled": dpop,
    }


async def inline_hooks(settings: dict[str, Any]) -> None:
    """List the inline hooks of the org."""
    client = Client({"orgUrl": ORG["url"], **settings})
    expect_names(_names(await client.list_inline_hooks()), ORG["inlineHooks"])


async def hook_keys(settings: dict[str, Any]) -> None:
    """List the hook keys of the org."""
    client = Client({"orgUrl": ORG["url"], **settings})
    expect_names(_names(await client.list_hook_keys()), ORG["hookKeys"])


def _names(answer: Any) -> list[str]:
    """Return the names in a result of the SDK. Raises the error if the SDK returned one."""
    found, _, error = answer
    if error is not None:
        raise error if isinstance(error, Exception) else RuntimeError(error)
    return [each.name for each in found]


report(
    {
        "SSWS: inline hooks": lambda: inline_hooks(TOKEN),
        "SSWS: hook keys": lambda: hook_keys(TOKEN),
        "private key, app without DPoP: inline hooks": lambda: inline_hooks(
            private_key(ORG["bearerApp"], dpop=False)
        ),
        "private key, app without DPoP, a proof is sent: inline hooks": lambda: inline_hooks(
            private_key(ORG["bearerApp"], dpop=True)
        ),
        "private key, app with DPoP: inline hooks": lambda: inline_hooks(
            private_key(ORG["dpopApp"], dpop=True)
        ),
    }
)
