"""The memo of verified tokens: which tokens it remembers, and everything that ends that."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hookkey_verify import (
    ApiToken,
    CachePolicy,
    ConfigurationError,
    HookKeys,
    HookSigner,
    HookVerifier,
    PublicKey,
    StaticKeys,
)
from hookkey_verify._jose.token_memo import RememberedToken, TokenMemo
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import (
    AlgorithmError,
    AudienceError,
    HookVerificationError,
    IssuedInFutureError,
    LifetimeError,
    MalformedTokenError,
    SignatureError,
    TokenExpiredError,
    TokenNotYetValidError,
    TokenTooLargeError,
    UnknownKeyError,
)
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.signing_key import SigningKey
from hookkey_verify.verifier import JsonLimits

from ..faults import ManualClock, eventually

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


def test_on_by_default(signer: HookSigner, source: Keys) -> None:
    """Access tokens are remembered unless ``verified_cache`` is 0."""
    options: dict[str, Any] = {"audience": AUDIENCE, "client_id": "0oa1", "issuer": ISSUER}
    verifier = HookVerifier.for_access_token(source, clock=lambda: NOW, **options)
    token = token_of(signer)
    for _ in range(3):
        verifier.verify(token)
    assert source.operations == 1
    verifier = verifier_of(source, verified_cache=0)
    for _ in range(3):
        verifier.verify(token)
    assert source.operations == 4


def test_the_hook_of_a_remembered_token(signer: HookSigner, source: Keys, verify: Verify) -> None:
    """The second hook equals the first one in every property."""
    verifier, token = verifier_of(source), token_of(signer, jti="1", iat=NOW, sub="s")
    first, second = verify(verifier, token), verify(verifier, token)
    assert second == first
    names = [name for name in dir(type(first)) if not name.startswith("_")]
    assert len(names) >= 11
    for name in names:
        assert getattr(verify(verifier, token), name) == getattr(first, name), name
    assert source.operations == 1


def test_handlers_cannot_change_what_others_get(
    signer: HookSigner, source: Keys, verify: Verify
) -> None:
    """Changing the claims of one hook, first or remembered, changes no other hook."""
    verifier = verifier_of(source)
    token = token_of(signer, groups=["a"], nested={"roles": [{"name": "user"}]})
    for _ in range(3):
        hook = verify(verifier, token)
        assert hook.claims["groups"] == ["a"]
        assert hook.claims["nested"] == {"roles": [{"name": "user"}]}
        hook.claims["groups"].append("admin")
        hook.claims["nested"]["roles"][0]["name"] = "admin"
        hook._claims["cid"] = "another client"
        with pytest.raises(TypeError):
            hook.header["kid"] = "another"
    assert verify(verifier, token).client_id == "0oa1"


def test_a_header_that_callers_could_change(signer: HookSigner, source: Keys) -> None:
    """A token whose header has a list is not remembered, because hooks share their headers."""
    claims = {"iss": ISSUER, "aud": AUDIENCE, "cid": "0oa1", "exp": NOW + 300}
    token = signer.sign(claims, headers={"x5c": ["MIIB"]})
    verifier = verifier_of(source)
    verifier.verify(token).header["x5c"].append("another")
    assert verifier.verify(token).header["x5c"] == ["MIIB"]
    assert source.operations == 2


@pytest.mark.parametrize(
    "case",
    [
        ({}, 360, TokenExpiredError),
        ({"nbf": NOW - 10}, -100, TokenNotYetValidError),
        ({"iat": NOW - 10}, -100, IssuedInFutureError),
        ({}, -200, LifetimeError),
        ({}, float("nan"), TokenExpiredError),
    ],
)
def test_times_are_judged_each_time(
    case: tuple[dict[str, Any], float, type[HookVerificationError]],
    signer: HookSigner,
    source: Keys,
    verify: Verify,
) -> None:
    """A remembered token is refused when the clock says so, and is no longer remembered."""
    (changes, seconds, error), now = case, NOW
    verifier = verifier_of(source, clock=lambda: now, max_lifetime=400)
    token = token_of(signer, **changes)
    verify(verifier, token)
    now += seconds
    for _ in range(2):
        with pytest.raises(error):
            verify(verifier, token)
    assert verifier._memo is not None
    assert len(verifier._memo) == 0
    now = NOW
    verify(verifier, token)
    assert len(verifier._memo) == 1


def test_an_expired_token_without_a_memo(signer: HookSigner, source: Keys) -> None:
    """A verifier without a memo refuses an expired token."""
    with pytest.raises(TokenExpiredError):
        verifier_of(source, verified_cache=0).verify(token_of(signer, exp=NOW - 100))


def test_other_refusals_stay(signer: HookSigner, source: Keys, verify: Verify) -> None:
    """A token that another verifier has remembered is judged by this verifier's own rules."""
    other, token = verifier_of(source, audience="api://other"), token_of(signer, aud="api://other")
    verify(other, token)
    verifier = verifier_of(source)
    for _ in range(2):
        with pytest.raises(AudienceError):
            verify(verifier, token)
    assert verifier._memo is not None
    assert len(verifier._memo) == 0


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


def test_an_equal_key_that_was_fetched_again(
    signer: HookSigner, source: Keys, verify: Verify
) -> None:
    """Another object with the same key makes the token be verified in full, once."""
    verifier, token = verifier_of(source), token_of(signer)
    verify(verifier, token)
    source.put(signer)
    for _ in range(3):
        verify(verifier, token)
    assert source.operations == 2


def test_a_key_for_another_algorithm(signer: HookSigner, source: Keys, verify: Verify) -> None:
    """A remembered token is refused while its kid belongs to a key for another algorithm."""
    verifier, token = verifier_of(source), token_of(signer)
    verify(verifier, token)
    other = SigningKey.generate("ES256").public_key
    source.by_kid[signer.kid] = other
    with pytest.raises(AlgorithmError):
        verify(verifier, token)


class Elsewhere:
    """A hook key of an Okta org, and a verifier of access tokens that are signed with it."""

    def __init__(self, okta: OktaEmulator, **policy: Any) -> None:
        self.okta = okta
        self.clock = ManualClock()
        self.record = okta.create_key("memo")
        self.keys = HookKeys(
            okta.url,
            ApiToken(okta.api_token),
            policy=CachePolicy(**policy),
            clock=self.clock,
        )
        self.verifier = HookVerifier(
            self.keys, issuer=ISSUER, audience=AUDIENCE, verified_cache=2, clock=lambda: NOW
        )
        self.token = token_of(okta.signer(self.record["keyId"]))

    def remembered(self) -> bool:
        assert self.verifier._memo is not None
        found = self.verifier._memo.find(self.token)
        return found is not None and found.key is not None


def test_a_hit_is_a_look_up(okta: OktaEmulator, verify: Verify) -> None:
    """A remembered token refreshes its key ahead of expiry, like any look-up."""
    scene = Elsewhere(okta, fresh_for=100, refresh_ahead=0.5)
    with scene.keys:
        verify(scene.verifier, scene.token)
        before = scene.keys.stats()
        verify(scene.verifier, scene.token)
        assert scene.keys.stats().hits == before.hits + 1
        scene.clock.now += 99
        verify(scene.verifier, scene.token)
        assert eventually(lambda: scene.keys.stats().fetches == before.fetches + 1)


def test_a_key_that_has_expired(okta: OktaEmulator, verify: Verify) -> None:
    """A remembered token is refused after ``fresh_for`` if Okta no longer has the key."""
    scene = Elsewhere(okta, fresh_for=100, refresh_ahead=0)
    with scene.keys:
        verify(scene.verifier, scene.token)
        okta.delete_key(scene.record["id"])
        verify(scene.verifier, scene.token)
        scene.clock.now += 101
        with pytest.raises(UnknownKeyError):
            verify(scene.verifier, scene.token)


def test_a_key_that_was_invalidated(okta: OktaEmulator, verify: Verify) -> None:
    """``invalidate`` ends what is remembered of the key's tokens, at once."""
    scene = Elsewhere(okta)
    with scene.keys:
        verify(scene.verifier, scene.token)
        assert scene.remembered()
        okta.delete_key(scene.record["id"])
        scene.keys.invalidate(scene.record["keyId"])
        with pytest.raises(UnknownKeyError):
            verify(scene.verifier, scene.token)


@pytest.mark.parametrize("token", [5, None, b"", "", "\udce9", "é" * 9, "a.b.c", object()])
def test_what_is_not_a_remembered_token(signer: HookSigner, source: Keys, token: Any) -> None:
    """Anything else is judged as without a memo."""
    verifier = verifier_of(source)
    verifier.verify(token_of(signer))
    with pytest.raises(MalformedTokenError):
        verifier.verify(token)


def test_subclasses_of_str(signer: HookSigner, source: Keys) -> None:
    """A subclass of str, which could replace methods, is refused although it equals a token."""
    verifier, token = verifier_of(source), token_of(signer)
    verifier.verify(token)
    with pytest.raises(MalformedTokenError):
        verifier.verify(type("Text", (str,), {})(token))


def test_other_spellings_of_a_token(signer: HookSigner, source: Keys) -> None:
    """Only the same bytes are remembered: another spelling of the token is refused."""
    verifier, token = verifier_of(source), token_of(signer)
    verifier.verify(token)
    for other in (f"{token}=", f" {token}", f"{token}\n", token.replace(".", "?", 1), f"{token}é"):
        with pytest.raises(MalformedTokenError):
            verifier.verify(other)
    assert verifier.verify(token.encode()).client_id == "0oa1"
    assert source.operations == 1


def test_a_long_token_is_not_hashed(signer: HookSigner, source: Keys) -> None:
    """A token over ``max_token_bytes`` is refused before its digest is computed."""
    verifier = verifier_of(source)
    assert verifier._memo is not None
    assert verifier._memo.find("a" * 16_385) is None
    with pytest.raises(TokenTooLargeError):
        verifier.verify("a" * 16_385)


def test_limits_of_the_payload(signer: HookSigner, source: Keys) -> None:
    """The claims of a remembered token are read within the verifier's own limits."""
    limits = JsonLimits(containers=4_000, members=4_000, values=4_000)
    verifier = verifier_of(source, json_limits=limits)
    token = token_of(signer, many=[[n] for n in range(1500)])
    for _ in range(2):
        assert len(verifier.verify(token).claims["many"]) == 1500
    assert source.operations == 1


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


def test_the_oldest_goes(signer: HookSigner, source: Keys) -> None:
    """A full memo of two entries drops the entry that was added first."""
    verifier = verifier_of(source)
    first, second, third = (token_of(signer, jti=jti) for jti in "abc")
    for token in (first, second, first, third):
        verifier.verify(token)
    assert source.operations == 3
    verifier.verify(second)
    assert source.operations == 3
    verifier.verify(first)
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


def test_a_child_has_a_lock_of_its_own(
    signer: HookSigner, source: Keys, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that a thread of the parent held during the fork does not block a child."""
    verifier, token = verifier_of(source), token_of(signer)
    verifier.verify(token)
    memo = verifier._memo
    assert memo is not None
    remembered = memo.find(token)
    assert remembered is not None
    assert remembered.key is not None
    with memo._lock():
        monkeypatch.setattr(os, "getpid", lambda: -1)
        memo.forget(remembered)
    again = memo.find(token)
    assert again is not None
    assert again.key is None
    memo.forget(remembered)  # another thread was faster


def test_forgetting_what_was_added_again(source: Keys, signer: HookSigner) -> None:
    """A thread that forgets an old entry leaves the entry of another thread alone."""
    memo, key = TokenMemo(2, 1000), source.by_kid[signer.kid]

    def entry() -> RememberedToken:
        found = memo.find("t")
        assert found is not None
        unread = (b"e30", JsonLimits())
        return RememberedToken(found.name, key, ("k", "RS256", {}, None), {}, unread)

    old, new = entry(), entry()
    memo.add(old)
    memo.add(new)
    memo.forget(old)
    assert memo.find(b"t") is new
