"""Helpers that build token requests and the token endpoints for them."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hookkey_verify import HookSigner, HookVerifier, TokenEndpoint
from hookkey_verify.guard import HttpAnswer
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.signing_key import SigningKey
from hookkey_verify.token_endpoint import ASSERTION_TYPE
from hookkey_verify.verifier import KeySource

from ..conftest import CLIENT_ID, TOKEN_URL

ISSUER = "https://hooks.acme.com"
AUDIENCE = "api://hooks"
FORM = {"content-type": "application/x-www-form-urlencoded"}
KEY = SigningKey.generate()
SECRET = "s3cret-of-the-client"
Run = Callable[..., HttpAnswer]


def verifier_of(keys: KeySource, **options: Any) -> HookVerifier:
    given = {"replay": MemoryReplayStore(single_process=True), **options}
    return HookVerifier.for_client_assertion(
        keys, **{"client_id": CLIENT_ID, "token_url": TOKEN_URL, **given}
    )


def endpoint_of(clients: Any, **options: Any) -> TokenEndpoint:
    given: dict[str, Any] = {"signing_key": KEY, "issuer": ISSUER, "audience": AUDIENCE}
    return TokenEndpoint(clients, **{**given, "scopes": ["hooks", "other"], **options})


def asked(signer: HookSigner, **changes: Any) -> dict[str, str]:
    """Return the form that Okta is assumed to post, with changes; None removes a parameter."""
    form = {
        "grant_type": "client_credentials",
        "scope": "hooks",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL),
        **changes,
    }
    return {name: value for name, value in form.items() if value is not None}


def error(answer: HttpAnswer) -> tuple[int, str]:
    document = json.loads(answer.body)
    assert set(document) == {"error", "error_description"}
    assert dict(answer.headers)["Cache-Control"] == "no-store"
    return answer.status, document["error"]
