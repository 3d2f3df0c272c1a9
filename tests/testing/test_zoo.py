"""The bad tokens of ``hookkey_verify.testing``: each is refused for its stated reason."""

from __future__ import annotations

from typing import Any

import pytest

from hookkey_verify import HookSigner, HookVerifier, StaticKeys
from hookkey_verify.errors import HookVerificationError
from hookkey_verify.testing import BadToken, bad_access_tokens, bad_tokens
from tests.conftest import CLIENT_ID, TOKEN_URL

# Made at import, because pytest names the cases before fixtures exist.
SIGNER = HookSigner.generate()
ZOO = bad_tokens(SIGNER, client_id=CLIENT_ID, token_url=TOKEN_URL)


@pytest.fixture(scope="module")
def verifier() -> HookVerifier:
    keys = StaticKeys.from_jwk(SIGNER.public_jwk())
    return HookVerifier.for_client_assertion(keys, client_id=CLIENT_ID, token_url=TOKEN_URL)


@pytest.mark.parametrize("bad", ZOO, ids=lambda bad: bad.name)
def test_refused_for_its_reason(verifier: HookVerifier, bad: BadToken) -> None:
    """A bad token is refused for the same reason as str or bytes; the error does not show it."""
    tokens: list[Any] = [bad.token, bad.token.encode()]
    for token in tokens:
        with pytest.raises(HookVerificationError) as caught:
            verifier.verify(token)
        assert caught.value.reason == bad.reason
        if bad.token:
            assert bad.token[-40:] not in f"{caught.value}{caught.value!r}{caught.value.headers}"


def test_names_are_unique_and_tokens_hidden() -> None:
    """Bad tokens have unique names, for use as test ids, and a repr without the token."""
    assert len({bad.name for bad in ZOO}) == len(ZOO) >= 50
    assert all(bad.token[:20] not in repr(bad) for bad in ZOO if bad.token)


def test_all_reasons_that_a_token_alone_can_cause_are_there() -> None:
    """The bad tokens cover every reason for which a token alone can be refused."""
    assert {str(bad.reason) for bad in ZOO} == {
        "algorithm_not_allowed",
        "expired",
        "invalid_claim",
        "invalid_signature",
        "issued_in_future",
        "lifetime_too_long",
        "malformed_token",
        "missing_claim",
        "not_yet_valid",
        "token_too_large",
        "token_type_not_allowed",
        "unknown_key",
        "unsupported_header",
        "wrong_audience",
        "wrong_issuer",
        "wrong_subject",
    }


# --- access tokens

ACCESS: Any = {"issuer": "https://acme.okta.com/oauth2/aus1", "audience": "api://hooks"}


@pytest.fixture(scope="module")
def access_verifier() -> HookVerifier:
    keys = StaticKeys.from_jwk(SIGNER.public_jwk())
    return HookVerifier.for_access_token(keys, client_id=CLIENT_ID, scopes=["hooks"], **ACCESS)


@pytest.mark.parametrize(
    "bad",
    bad_access_tokens(SIGNER, client_id=CLIENT_ID, scopes=["hooks"], **ACCESS),
    ids=lambda bad: bad.name,
)
def test_access_tokens_refused_for_their_reason(
    access_verifier: HookVerifier, bad: BadToken
) -> None:
    """Each bad access token is refused for its stated reason."""
    with pytest.raises(HookVerificationError) as caught:
        access_verifier.verify(bad.token)
    assert caught.value.reason == bad.reason


def test_without_scopes_none_is_missing() -> None:
    """Without required scopes, there is no bad token with a missing scope."""
    names = {bad.name for bad in bad_access_tokens(SIGNER, client_id=CLIENT_ID, **ACCESS)}
    assert "no scope" not in names
    assert {"another client", "no client"} <= names
