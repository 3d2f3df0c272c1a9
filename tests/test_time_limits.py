"""One deadline per request, which key source and replay store share."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from hookkey_verify import HookSigner, HookVerifier, PublicKey
from hookkey_verify.signing_key import SigningKey
from hookkey_verify.token_endpoint import TokenEndpoint
from hookkey_verify.verifier import VerifierByIssuer
from tests.conftest import CLIENT_ID, TOKEN_URL


class Recorder:
    """A key source and a replay store that record how many seconds they were given."""

    def __init__(self, signer: HookSigner) -> None:
        self._key = PublicKey.from_document(signer.public_jwk(), expected_kid=signer.kid)
        self.given: list[float] = []

    def get(self, kid: str, *, algorithm: str | None = None, deadline: float | None = None) -> Any:
        assert deadline is not None
        self.given.append(deadline - time.monotonic())
        return self._key

    async def aget(self, kid: str, **options: Any) -> Any:
        return self.get(kid, **options)

    def claim(self, issuer: str, jti: str, expires_at: float, *, deadline: float) -> bool:
        self.given.append(deadline - time.monotonic())
        return True

    async def aclaim(self, issuer: str, jti: str, expires_at: float, *, deadline: float) -> bool:
        return self.claim(issuer, jti, expires_at, deadline=deadline)

    def close(self) -> None:
        pass


def _verify(verifier: Any, token: str, **options: Any) -> None:
    verifier.verify(token, **options)


def _averify(verifier: Any, token: str, **options: Any) -> None:
    asyncio.run(verifier.averify(token, **options))


BOTH = pytest.mark.parametrize("ask", [_verify, _averify])


def _setup(signer: HookSigner, **options: Any) -> tuple[Recorder, HookVerifier, str]:
    recorder = Recorder(signer)
    verifier = HookVerifier.for_client_assertion(
        recorder, client_id=CLIENT_ID, token_url=TOKEN_URL, **options
    )
    return recorder, verifier, signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)


@BOTH
def test_a_verification_has_2_5_seconds(signer: HookSigner, ask: Any) -> None:
    """Without a replay store, the key source may use all of them."""
    recorder, verifier, token = _setup(signer)
    ask(verifier, token)
    [given] = recorder.given
    assert 2 < given <= 2.5


@BOTH
@pytest.mark.parametrize("combined", [False, True])
def test_both_share_one_deadline(signer: HookSigner, ask: Any, combined: bool) -> None:
    """The key source leaves 0.3 s of the time to the replay store."""
    recorder = Recorder(signer)
    verifier: Any = HookVerifier.for_client_assertion(
        recorder, client_id=CLIENT_ID, token_url=TOKEN_URL, replay=recorder
    )
    token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    ask(VerifierByIssuer(verifier) if combined else verifier, token)
    keys, replay = recorder.given
    assert 1.7 < keys <= 2.2
    assert 2 < replay <= 2.5
    recorder.given.clear()
    ask(verifier, token, deadline=time.monotonic() + 60)
    keys, replay = recorder.given
    assert 59 < keys <= 59.7
    assert 59 < replay <= 60


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_token_endpoint_has_1_2_seconds(signer: HookSigner, asynchronous: bool) -> None:
    """Okta's 3 seconds cover the token request and the hook."""
    recorder = Recorder(signer)
    client = HookVerifier.for_client_assertion(
        recorder, client_id=CLIENT_ID, token_url=TOKEN_URL, replay=recorder
    )
    endpoint = TokenEndpoint(
        client,
        signing_key=SigningKey.generate(),
        issuer="https://hook.example",
        audience="hook",
        scopes=["hooks"],
    )
    assertion = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    kind = "urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer"
    body = (
        f"grant_type=client_credentials&client_assertion_type={kind}&client_assertion={assertion}"
    ).encode()
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    if asynchronous:
        answer = asyncio.run(endpoint.arespond("POST", headers, body))
    else:
        answer = endpoint.respond("POST", headers, body)
    assert answer.status == 200
    keys, replay = recorder.given
    assert 0.5 < keys <= 0.9
    assert 0.8 < replay <= 1.2
