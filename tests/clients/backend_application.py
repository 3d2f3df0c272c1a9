"""requests-oauthlib: the client credentials grant with ``BackendApplicationClient``."""

from __future__ import annotations

import os
from typing import Any

from oauthlib.oauth2 import BackendApplicationClient
from report import CONFIG, call_hook, report
from requests_oauthlib import OAuth2Session

os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"  # the test server uses plain HTTP on loopback
ENDPOINT = CONFIG["tokenEndpoint"]
CLIENT = ENDPOINT["secretClient"]


def fetch(**options: Any) -> None:
    """Get an access token and call the hook with it."""
    client = BackendApplicationClient(client_id=CLIENT["clientId"], scope=ENDPOINT["scope"].split())
    token = OAuth2Session(client=client).fetch_token(
        ENDPOINT["url"], client_id=CLIENT["clientId"], client_secret=CLIENT["secret"], **options
    )
    call_hook(ENDPOINT["hook"], token["access_token"])


report(
    {
        "TokenEndpoint: HTTP Basic (default)": fetch,
        "TokenEndpoint: include_client_id": lambda: fetch(include_client_id=True),
    }
)
