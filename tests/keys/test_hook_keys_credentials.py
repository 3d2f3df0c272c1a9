"""HookKeys: credentials that the org refuses."""

from __future__ import annotations

from typing import Any

import pytest

from hookkey_verify import ApiToken, BearerToken, HookKeys, HookSigner
from hookkey_verify.errors import KeySourceConfigurationError

from ..faults import FaultServer, json_answer, okta_error
from .faulty_org import NO_KEY


def test_credentials_that_are_renewed(signer: HookSigner) -> None:
    """After a 401 the credential function is called again, and the request is sent once more."""
    tokens = iter(["old", "new"])
    refused = json_answer(401, okta_error("E0000011"))
    with FaultServer(refused, json_answer(200, signer.public_jwk())) as server:
        with HookKeys(server.url, BearerToken(lambda: next(tokens))) as keys:
            assert keys.get(signer.kid).kid == signer.kid
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize(
    ("credentials", "calls"),
    [(ApiToken("t"), 1), (BearerToken("t"), 1), (BearerToken(lambda: "t"), 2)],
)
def test_credentials_that_stay_refused(credentials: Any, calls: int) -> None:
    """A request is repeated once after a 401 for a function, and never for a fixed token."""
    with FaultServer(json_answer(401, okta_error("E0000011"))) as server:
        with HookKeys(server.url, credentials) as keys:
            with pytest.raises(KeySourceConfigurationError, match="wrong, expired or revoked"):
                keys.get(NO_KEY)
    assert len(server.requests) == calls
