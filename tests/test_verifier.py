"""HookVerifier: the order of its seven steps, its configuration and its result."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable
from typing import Any, cast

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from freezegun import freeze_time

from hookkey_verify import HookSigner, HookVerifier, PublicKey, StaticKeys, VerifiedHook
from hookkey_verify.errors import (
    AlgorithmError,
    ConfigurationError,
    HookVerificationError,
    IssuerError,
    KeyRejectedError,
    KeyUnavailableError,
    MalformedTokenError,
    MissingClaimError,
    MissingTokenError,
    ReplayedTokenError,
    SignatureError,
    TokenExpiredError,
    UnknownKeyError,
)
from hookkey_verify.replay import MemoryReplayStore
from tests.conftest import CLIENT_ID, TOKEN_URL


def _assertion(signer: HookSigner) -> str:
    return signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)


class CountingKeys:
    """A key source that records the kids that are looked up."""

    def __init__(self, answer: Callable[[str], PublicKey]) -> None:
        self.answer = answer
        self.asked: list[str] = []

    def get(
        self, kid: str, *, algorithm: str | None = None, deadline: float | None = None
    ) -> PublicKey:
        self.asked.append(kid)
        return self.answer(kid)

    async def aget(
        self, kid: str, *, algorithm: str | None = None, deadline: float | None = None
    ) -> PublicKey:
        await asyncio.sleep(0)
        return self.get(kid)

    def close(self) -> None:
        """Do nothing."""


@pytest.fixture(params=["verify", "averify"])
def run(request: pytest.FixtureRequest) -> Callable[[HookVerifier, Any], VerifiedHook]:
    """Run a verification with ``verify`` and with ``averify``."""
    if request.param == "verify":
        return lambda verifier, token: verifier.verify(token)
    return lambda verifier, token: asyncio.run(verifier.averify(token))


Run = Callable[[HookVerifier, Any], VerifiedHook]


def test_result(signer: HookSigner, verifier: HookVerifier, run: Run) -> None:
    """A VerifiedHook has the typed claims of the token, whether it is str or bytes."""
    token = _assertion(signer)
    hook = run(verifier, token)
    assert hook == run(verifier, token.encode())
    assert (hook.issuer, hook.subject, hook.audience) == (CLIENT_ID, CLIENT_ID, (TOKEN_URL,))
    assert hook.kid == signer.kid
    assert hook.header == {"alg": "RS256", "typ": "JWT", "kid": signer.kid}
    assert hook.expires_at - (hook.issued_at or 0) == 300
    assert hook.jti == hook.claims["jti"]
    assert (hook.client_id, hook.scopes) == (None, ())
    key = PublicKey.from_document(signer.public_jwk(), expected_kid=None)
    assert hook.key_thumbprint == key.thumbprint


def test_result_of_an_access_token(signer: HookSigner, keys: StaticKeys, run: Run) -> None:
    """cid, scp and a list of audiences are read in the form that Okta sends them."""
    verifier = HookVerifier(
        keys, issuer="https://acme", audience="api://hooks", client_id="0oa", scopes=["hooks"]
    )
    claims = {
        "iss": "https://acme",
        "aud": ["api://hooks", "x"],
        "cid": "0oa",
        "scp": ["hooks", "b"],
        "exp": int(time.time()) + 60,
    }
    hook = run(verifier, signer.sign(claims, headers={"typ": "at+jwt"}))
    assert hook.client_id == "0oa"
    assert hook.scopes == ("hooks", "b")
    assert hook.audience == ("api://hooks", "x")
    assert (hook.subject, hook.jti, hook.issued_at) == (None, None, None)


def test_result_is_read_only_and_discreet(signer: HookSigner, verifier: HookVerifier) -> None:
    """Handlers cannot change a VerifiedHook, and its repr shows no claim."""
    hook = verifier.verify(_assertion(signer))
    with pytest.raises(TypeError):
        hook.claims["sub"] = "x"  # type: ignore[index]
    with pytest.raises(AttributeError):
        hook.kid = "x"  # type: ignore[misc]
    assert CLIENT_ID not in repr(hook)


# --- the order of the steps -------------------------------------------------------------------


def test_results_are_equal_when_all_in_them_is(
    signer: HookSigner, verifier: HookVerifier, keys: StaticKeys
) -> None:
    """Only results of the same token are equal, and no result can be hashed."""
    token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    hook = verifier.verify(token)
    assert hook == verifier.verify(token)
    other = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    assert hook != verifier.verify(other)
    assert hook != token
    with pytest.raises(TypeError):
        hash(hook)


def test_nothing_is_asked_for_a_token_that_cannot_be_good(signer: HookSigner, run: Run) -> None:
    """A token that fails step 1 or 2 causes no key look-up."""
    source = CountingKeys(lambda kid: pytest.fail("asked"))
    verifier = HookVerifier(source, issuer=None, audience=None)
    good = _assertion(signer)
    for token in (
        "x" * 20_000,
        "a.b",
        good + "\n",
        good.rpartition(".")[0] + ".A",
        signer.sign({}, headers={"crit": ["x"]}),
        signer.sign({}, headers={"typ": "dpop+jwt"}),
        signer.sign({}, headers={"kid": "\u00e9"}),
        signer.sign_bytes(b'{"alg":"none","kid":"k"}', b"{}"),
        signer.sign_bytes(b'{"alg":"RS256","kid":"k"}', b"{}").replace(".e30.", ".e31."),
    ):
        with pytest.raises(HookVerificationError):
            run(verifier, token)
    assert source.asked == []


@pytest.mark.parametrize("payload", [b"[]", b"{", b'{"a":1,"a":2}', b'{"a":NaN}', b"\xff"])
def test_the_payload_is_read_after_its_signature_was_verified(
    signer: HookSigner, verifier: HookVerifier, run: Run, payload: bytes
) -> None:
    """A payload must be strict JSON, but it is not parsed if the signature is wrong."""
    header = json.dumps({"alg": "RS256", "kid": signer.kid}).encode()
    token = signer.sign_bytes(header, payload)
    with pytest.raises(MalformedTokenError, match="the payload"):
        run(verifier, token)
    with pytest.raises(SignatureError):
        run(verifier, f"{token[:-40]}AAAA{token[-36:]}")


def test_a_source_that_returns_no_key(signer: HookSigner, run: Run) -> None:
    """A custom key source that does not return a PublicKey counts as unavailable."""
    verifier = HookVerifier(CountingKeys(lambda kid: cast(Any, None)), issuer=None, audience=None)
    with pytest.raises(KeyUnavailableError, match="did not return a PublicKey"):
        run(verifier, _assertion(signer))


def test_signature_comes_before_claims(
    signer: HookSigner, stranger: HookSigner, verifier: HookVerifier, run: Run
) -> None:
    """If signature and claims are wrong, only the signature is reported."""
    token = stranger.sign({"iss": 5, "exp": "x"})
    with pytest.raises(SignatureError):
        run(verifier, token)


def test_replay_comes_last(signer: HookSigner, keys: StaticKeys, run: Run) -> None:
    """A refused token does not use up its jti, which a valid token may share."""
    store = MemoryReplayStore()
    verifier = HookVerifier.for_client_assertion(
        keys, client_id=CLIENT_ID, token_url=TOKEN_URL, replay=store
    )
    claims = {
        "iss": CLIENT_ID,
        "sub": CLIENT_ID,
        "aud": TOKEN_URL,
        "exp": int(time.time()) + 60,
        "jti": "1",
    }
    with pytest.raises(IssuerError):
        run(verifier, signer.sign({**claims, "iss": "x"}))
    assert len(store) == 0
    assert run(verifier, signer.sign(claims)).jti == "1"
    with pytest.raises(ReplayedTokenError):
        run(verifier, signer.sign(claims))


def test_replay_without_a_jti(signer: HookSigner, keys: StaticKeys, run: Run) -> None:
    """A token without a jti is single use, too, unless ``required_claims`` refuses it."""
    store = MemoryReplayStore(single_process=True)
    verifier = HookVerifier(keys, issuer=None, audience=None, replay=store)
    token = signer.sign({"exp": int(time.time()) + 60})
    assert run(verifier, token).jti is None
    with pytest.raises(ReplayedTokenError):
        run(verifier, token)
    assert run(verifier, signer.sign({"exp": int(time.time()) + 61})).jti is None
    strict = HookVerifier(keys, issuer=None, audience=None, replay=store, required_claims=("jti",))
    with pytest.raises(MissingClaimError) as caught:
        run(strict, token)
    assert caught.value.claim == "jti"


def test_the_jti_is_kept_until_the_token_is_refused_anyway(
    signer: HookSigner, keys: StaticKeys
) -> None:
    """A replay is detected until exp plus leeway, after which the token has expired."""
    now = 1_800_000_000.0
    store = MemoryReplayStore(clock=lambda: now)
    verifier = HookVerifier(
        keys, issuer=None, audience=None, leeway=600, replay=store, clock=lambda: now
    )
    token = signer.sign({"exp": 1_800_000_100, "jti": "1"})
    verifier.verify(token)
    now = 1_800_000_699.9
    with pytest.raises(ReplayedTokenError):
        verifier.verify(token)
    now = 1_800_000_700.0
    with pytest.raises(TokenExpiredError):
        verifier.verify(token)


# --- keys -------------------------------------------------------------------------------------


def test_unknown_kid(signer: HookSigner, verifier: HookVerifier, run: Run) -> None:
    """An unknown kid raises the UnknownKeyError of the key source."""
    with pytest.raises(UnknownKeyError):
        run(verifier, signer.sign({}, headers={"kid": "other"}))


def test_kid_absent(signer: HookSigner, keys: StaticKeys, verifier: HookVerifier, run: Run) -> None:
    """A token without a kid is refused unless ``default_kid`` is set."""
    claims = {"iss": "x", "aud": "y", "exp": int(time.time()) + 60}
    token = signer.sign(claims, headers={"kid": None})
    with pytest.raises(MalformedTokenError, match="default_kid"):
        run(verifier, token)
    pinned = HookVerifier(keys, issuer="x", audience="y", default_kid=signer.kid)
    assert run(pinned, token).kid == signer.kid
    with pytest.raises(UnknownKeyError):  # default_kid does not override a kid
        run(pinned, signer.sign(claims, headers={"kid": "other"}))


def test_one_key_one_algorithm(signer: HookSigner, run: Run) -> None:
    """A key is never used with another key's algorithm, even when both are allowed."""
    private = ec.generate_private_key(ec.SECP256R1())
    jwk = jwt.algorithms.ECAlgorithm.to_jwk(private.public_key(), as_dict=True)
    keys = StaticKeys.from_jwks({"keys": [signer.public_jwk(), {**jwk, "kid": "e"}]})
    verifier = HookVerifier(keys, issuer=None, audience=None, algorithms=["RS256", "ES256"])
    claims = {"exp": int(time.time()) + 60}
    assert run(verifier, jwt.encode(claims, private, "ES256", headers={"kid": "e"})).kid == "e"
    with pytest.raises(AlgorithmError, match="the key is for ES256"):
        run(verifier, signer.sign(claims, headers={"kid": "e"}))
    rs256_only = HookVerifier(keys, issuer=None, audience=None)
    with pytest.raises(AlgorithmError, match="only RS256"):
        run(rs256_only, jwt.encode(claims, private, "ES256", headers={"kid": "e"}))


def test_eddsa(run: Run) -> None:
    """EdDSA tokens are accepted if ``algorithms`` contains EdDSA."""
    private = ed25519.Ed25519PrivateKey.generate()
    jwk = jwt.algorithms.OKPAlgorithm.to_jwk(private.public_key(), as_dict=True)
    keys = StaticKeys.from_jwk({**jwk, "kid": "o"})
    verifier = HookVerifier(keys, issuer=None, audience=None, algorithms=["EdDSA"])
    token = jwt.encode({"exp": int(time.time()) + 60}, private, "EdDSA", headers={"kid": "o"})
    assert run(verifier, token).kid == "o"


@pytest.mark.parametrize("error", [RuntimeError("s3cr3t"), KeyError("x"), OSError()], ids=repr)
def test_a_broken_key_source_is_an_outage(
    signer: HookSigner, run: Run, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    """Any unexpected exception of a key source raises KeyUnavailableError, without its text."""

    def fail(kid: str) -> PublicKey:
        raise error

    verifier = HookVerifier(CountingKeys(fail), issuer=None, audience=None)
    with caplog.at_level(logging.DEBUG), pytest.raises(KeyUnavailableError) as caught:
        run(verifier, signer.sign({}))
    assert "s3cr3t" not in str(caught.value) + caplog.text
    assert type(error).__name__ in caplog.text


def test_a_configuration_error_of_a_key_source_is_raised(run: Run, signer: HookSigner) -> None:
    """A retry would not help, so it is not turned into KeyUnavailableError."""

    def fail(kid: str) -> PublicKey:
        raise ConfigurationError("call it in a thread")

    verifier = HookVerifier(CountingKeys(fail), issuer=None, audience=None)
    with pytest.raises(ConfigurationError, match="call it in a thread"):
        run(verifier, signer.sign({}))


def test_a_broken_replay_store_is_an_outage(signer: HookSigner, keys: StaticKeys, run: Run) -> None:
    """If the replay store raises, the token is refused with KeyUnavailableError."""

    class Broken:
        def claim(self, issuer: str, jti: str, expires_at: float, *, deadline: float) -> bool:
            raise ConnectionError

        async def aclaim(
            self, issuer: str, jti: str, expires_at: float, *, deadline: float
        ) -> bool:
            raise ConnectionError

    verifier = HookVerifier.for_client_assertion(
        keys, client_id=CLIENT_ID, token_url=TOKEN_URL, replay=Broken()
    )
    with pytest.raises(KeyUnavailableError, match="replay store"):
        run(verifier, _assertion(signer))


# --- time -------------------------------------------------------------------------------------


def test_leeway_edge_under_freezegun(signer: HookSigner, verifier: HookVerifier) -> None:
    """The default clock is frozen by freezegun; exp + leeway is the first refused second."""
    with freeze_time("2026-11-23T12:00:00Z"):
        token = _assertion(signer)  # exp = 12:05:00, leeway 60 s
    with freeze_time("2026-11-23T12:05:59Z"):
        assert verifier.verify(token)
    with freeze_time("2026-11-23T12:06:00Z"), pytest.raises(TokenExpiredError):
        verifier.verify(token)
    with freeze_time("2026-11-23T11:59:00Z"):
        assert verifier.verify(token)
    with freeze_time("2026-11-23T11:58:59Z"), pytest.raises(HookVerificationError) as caught:
        verifier.verify(token)
    assert caught.value.reason == "issued_in_future"


# --- headers ----------------------------------------------------------------------------------


def test_headers(signer: HookSigner, verifier: HookVerifier) -> None:
    """The bearer token of a request is verified; a request without one raises."""
    headers = {"Authorization": f"Bearer {_assertion(signer)}"}
    assert verifier.verify_headers(headers).issuer == CLIENT_ID
    assert asyncio.run(verifier.averify_headers(headers)).issuer == CLIENT_ID
    with pytest.raises(MissingTokenError):
        verifier.verify_headers({})


# --- configuration ----------------------------------------------------------------------------


class _HalfAStore:
    def claim(self, issuer: str, jti: str, expires_at: float, *, deadline: float) -> bool:
        return True


EMPTY: list[Any] = ["", " ", [], (), [""], [5], [None], 5, b"x", {}, True]
WRONG: list[tuple[str, Any]] = [
    ("keys", None),
    ("keys", {"kid": "key"}),
    *[("issuer", value) for value in EMPTY],
    *[("audience", value) for value in EMPTY],
    *[("subject", value) for value in ("", 5, ["x"])],
    *[("client_id", value) for value in ("", 5, ["x"])],
    *[("scopes", value) for value in ("hooks", ["a b"], [""], [5], ['a"'], None, 5)],
    *[
        ("algorithms", value)
        for value in ([], "RS256", ["HS256"], ["RS256", "HS256"], ["none"], ["rs256"], [5], None)
    ],
    *[("required_claims", value) for value in ("exp", [5], [""], None)],
    *[("max_lifetime", value) for value in (0, -1, "60", True, float("nan"), float("inf"))],
    *[("leeway", value) for value in (-1, -0.1, 601, "60", None, True, float("nan"))],
    *[("json_limits", value) for value in (5, (1, 2, 3), {"values": 5})],
    *[("max_token_bytes", value) for value in (0, 255, 1_048_577, "1", None, True, 1e4)],
    *[("token_types", value) for value in ("JWT", [5], [""], None)],
    *[("default_kid", value) for value in ("", "a\n", 5)],
    ("replay", object()),
    ("replay", _HalfAStore()),
    ("clock", 5),
]


@pytest.mark.parametrize(
    ("argument", "value"), WRONG, ids=lambda value: repr(value).partition(" at 0x")[0][:30]
)
def test_wrong_configuration(keys: StaticKeys, argument: str, value: Any) -> None:
    """An invalid argument is refused at construction, and the message names it."""
    arguments = {"keys": keys, "issuer": "i", "audience": "a", argument: value}
    with pytest.raises(ConfigurationError, match=argument):
        HookVerifier(**arguments)


@pytest.mark.parametrize("argument", ["client_id", "token_url"])
@pytest.mark.parametrize("value", ["", " ", None, 5, ["x"]], ids=repr)
def test_wrong_recipe(keys: StaticKeys, argument: str, value: Any) -> None:
    """Errors of ``for_client_assertion`` name its own arguments, not those of HookVerifier."""
    arguments = {"client_id": "c", "token_url": "t", argument: value}
    with pytest.raises(ConfigurationError, match=argument):
        HookVerifier.for_client_assertion(keys, **arguments)


@pytest.mark.parametrize("missing", ["issuer", "audience"])
def test_safety_choices_have_no_default(keys: StaticKeys, missing: str) -> None:
    """``issuer`` and ``audience`` have no default: to skip a check, None must be passed."""
    arguments: dict[str, Any] = {"issuer": None, "audience": None}
    HookVerifier(keys, **arguments)
    del arguments[missing]
    with pytest.raises(TypeError, match=missing):
        HookVerifier(keys, **arguments)


def test_exp_is_required_whatever_else_is(signer: HookSigner, keys: StaticKeys) -> None:
    """``required_claims`` adds to the required claims; exp stays required."""
    verifier = HookVerifier(keys, issuer=None, audience=None, required_claims=["x"])
    for claims, missing in (({"x": 1}, "exp"), ({"exp": 2e9}, "x")):
        with pytest.raises(MissingClaimError) as caught:
            verifier.verify(signer.sign(claims))
        assert caught.value.claim == missing


def test_repr_is_readable(verifier: HookVerifier) -> None:
    """The repr shows the key source and the policy, neither of which holds a secret."""
    assert "StaticKeys" in repr(verifier)
    assert CLIENT_ID in repr(verifier)


@pytest.mark.parametrize("error", [KeyUnavailableError("down"), KeyRejectedError("weak")])
def test_a_verdict_of_the_key_source_is_the_verdict(
    signer: HookSigner, keys: StaticKeys, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    """If a key source raises one of our errors, the verifier raises the same object."""

    def get(kid: str, *, algorithm: str | None = None, deadline: float | None = None) -> PublicKey:
        raise error

    monkeypatch.setattr(keys, "get", get)
    verifier = HookVerifier.for_client_assertion(keys, client_id="c", token_url="t")
    with pytest.raises(type(error)) as caught:
        verifier.verify(signer.client_assertion(client_id="c", token_url="t"))
    assert caught.value is error
