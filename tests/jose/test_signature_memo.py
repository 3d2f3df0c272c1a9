"""The memo of verified signatures: it skips repeated RSA operations and no other check."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hookkey_verify import ConfigurationError, HookSigner, HookVerifier, PublicKey, StaticKeys
from hookkey_verify._jose.signature_memo import SignatureMemo
from hookkey_verify.errors import (
    AudienceError,
    SignatureError,
    TokenExpiredError,
    UnknownKeyError,
)
from hookkey_verify.replay import MemoryReplayStore

ISSUER, AUDIENCE = "https://acme.okta.com/oauth2/aus1", "api://hooks"
NOW = 1_800_000_000.0

Verify = Callable[[HookVerifier, str], Any]


class Keys:
    """A key source whose keys a test can change; it counts the RSA operations."""

    def __init__(self, *signers: HookSigner) -> None:
        self.by_kid: dict[str, PublicKey] = {}
        self.operations = 0
        for signer in signers:
            self.put(signer)

    def put(self, signer: HookSigner) -> None:
        key = PublicKey.from_document(signer.public_jwk(), expected_kid=None)
        check = key._check

        def counted(signature: bytes, signing_input: bytes) -> object:
            self.operations += 1
            return check(signature, signing_input)

        object.__setattr__(key, "_check", counted)
        self.by_kid[signer.kid] = key

    def get(
        self, kid: str, *, algorithm: str | None = None, deadline: float | None = None
    ) -> PublicKey:
        if kid not in self.by_kid:
            raise UnknownKeyError
        return self.by_kid[kid]

    async def aget(
        self, kid: str, *, algorithm: str | None = None, deadline: float | None = None
    ) -> PublicKey:
        return self.get(kid)

    def close(self) -> None:
        pass


@pytest.fixture
def source(signer: HookSigner) -> Keys:
    return Keys(signer)


@pytest.fixture(params=["verify", "averify"])
def verify(request: pytest.FixtureRequest) -> Verify:
    def run(verifier: HookVerifier, token: str) -> Any:
        if request.param == "verify":
            return verifier.verify(token)
        return asyncio.run(verifier.averify(token))

    return run


def verifier_of(source: Any, **options: Any) -> HookVerifier:
    given: dict[str, Any] = {"audience": AUDIENCE, "client_id": "0oa1", "clock": lambda: NOW}
    given |= {"issuer": ISSUER, "verified_cache": 2, **options}
    return HookVerifier.for_access_token(source, **given)


def token_of(signer: HookSigner, **changes: Any) -> str:
    claims = {"iss": ISSUER, "aud": AUDIENCE, "cid": "0oa1", "scp": ["hooks"], "exp": NOW + 300}
    return signer.sign({**claims, **changes})


def test_one_operation_for_a_token(signer: HookSigner, source: Keys, verify: Verify) -> None:
    """A repeated token costs one RSA operation, and each verification returns new claims."""
    verifier, token = verifier_of(source), token_of(signer)
    first = verify(verifier, token)
    first.claims["scp"].append("admin")
    for _ in range(5):
        assert verify(verifier, token).scopes == ("hooks",)
    assert source.operations == 1
    verify(verifier, token_of(signer, jti="another"))
    assert source.operations == 2


def test_off_by_default(signer: HookSigner, source: Keys) -> None:
    """Without a memo, every verification performs the RSA operation."""
    verifier, token = verifier_of(source, verified_cache=0), token_of(signer)
    for _ in range(3):
        verifier.verify(token)
    assert source.operations == 3


def test_time_is_judged_each_time(signer: HookSigner, source: Keys, verify: Verify) -> None:
    """A remembered token is refused after its expiry, and the memo drops it."""
    now = NOW
    verifier, token = verifier_of(source, clock=lambda: now), token_of(signer)
    verify(verifier, token)
    now += 360
    for _ in range(2):
        with pytest.raises(TokenExpiredError):
            verify(verifier, token)
    assert verifier._memo is not None
    assert len(verifier._memo) == 0


def test_an_expired_token_without_a_memo(signer: HookSigner, source: Keys) -> None:
    """A verifier without a memo refuses an expired token."""
    with pytest.raises(TokenExpiredError):
        verifier_of(source, verified_cache=0).verify(token_of(signer, exp=NOW - 100))


def test_other_refusals_stay(signer: HookSigner, source: Keys, verify: Verify) -> None:
    """A token with a remembered signature and a wrong audience is refused every time."""
    verifier, token = verifier_of(source), token_of(signer, aud="api://other")
    for _ in range(2):
        with pytest.raises(AudienceError):
            verify(verifier, token)
    assert source.operations == 1


def test_a_key_that_is_gone(signer: HookSigner, source: Keys, verify: Verify) -> None:
    """A remembered token is refused after the key source has dropped its key."""
    verifier, token = verifier_of(source), token_of(signer)
    verify(verifier, token)
    del source.by_kid[signer.kid]
    with pytest.raises(UnknownKeyError):
        verify(verifier, token)


def test_a_key_that_changed(
    signer: HookSigner, stranger: HookSigner, source: Keys, verify: Verify
) -> None:
    """A remembered token is refused while its kid belongs to another key."""
    verifier, token = verifier_of(source), token_of(signer)
    verify(verifier, token)
    source.put(stranger)
    for _ in range(2):
        with pytest.raises(SignatureError):
            verify(verifier, token)
    source.put(signer)
    verify(verifier, token)


def test_forgeries_are_not_remembered(signer: HookSigner, source: Keys, verify: Verify) -> None:
    """A forged token is refused every time, even if it shares parts with a remembered token."""
    verifier, token = verifier_of(source), token_of(signer)
    verify(verifier, token)
    head, payload, signature = token.split(".")
    forged = f"{head}.{payload}.{'A' * 20}{signature[20:]}"
    other = token_of(signer, sub="root").split(".")[1]
    for bad in (forged, f"{head}.{other}.{signature}"):
        for _ in range(2):
            with pytest.raises(SignatureError):
                verify(verifier, bad)
    assert source.operations == 5


def test_the_least_recently_used_goes(signer: HookSigner, source: Keys) -> None:
    """A full memo of two entries drops the least recently used entry first."""
    verifier = verifier_of(source)
    first, second, third = (token_of(signer, jti=jti) for jti in "abc")
    for token in (first, second, first, third):
        verifier.verify(token)
    assert source.operations == 3
    verifier.verify(first)
    assert source.operations == 3
    verifier.verify(second)
    assert source.operations == 4


def test_threads(signer: HookSigner, source: Keys) -> None:
    """Concurrent callers all get their result, with at most one operation per thread and token."""
    verifier, tokens = verifier_of(source), [token_of(signer, jti=str(n)) for n in range(2)]
    with ThreadPoolExecutor(8) as pool:
        hooks = list(pool.map(verifier.verify, tokens * 200))
    assert [hook.jti for hook in hooks] == ["0", "1"] * 200
    assert 2 <= source.operations <= 16


@pytest.mark.parametrize("size", [-1, True, 1.5, "8", None, 1_000_001])
def test_sizes(source: Keys, size: Any) -> None:
    """``verified_cache`` must be a whole number from 0 to 1,000,000."""
    with pytest.raises(ConfigurationError, match="verified_cache"):
        verifier_of(source, verified_cache=size)


def test_never_for_what_is_good_once(keys: StaticKeys) -> None:
    """The memo cannot be used for client assertions or together with a replay store."""
    with pytest.raises(TypeError):
        HookVerifier.for_client_assertion(
            keys,
            client_id="c",
            token_url="u",
            verified_cache=1,  # type: ignore[call-arg]
        )
    with pytest.raises(ConfigurationError, match="replay"):
        HookVerifier(
            keys,
            issuer=None,
            audience=None,
            verified_cache=1,
            replay=MemoryReplayStore(single_process=True),
        )


def test_a_child_has_a_lock_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lock that a thread of the parent held during the fork does not block a child."""
    memo = SignatureMemo(1)
    with memo._lock():
        monkeypatch.setattr(os, "getpid", lambda: -1)
        memo.forget(b"x")
