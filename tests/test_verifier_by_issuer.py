"""VerifierByIssuer combines verifiers, each of which accepts only its own issuer's tokens."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest

from hookkey_verify import (
    ConfigurationError,
    HookSigner,
    HookVerifier,
    IssuerKeys,
    PublicKey,
    StaticKeys,
    TokenEndpoint,
    VerifiedHook,
)
from hookkey_verify.errors import (
    AudienceError,
    ClientIdError,
    HookVerificationError,
    IssuerError,
    MalformedTokenError,
    SignatureError,
    TokenTooLargeError,
    UnknownKeyError,
)
from hookkey_verify.guard import Guard
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.signing_key import SigningKey
from hookkey_verify.token_endpoint import ASSERTION_TYPE, ClientSecret
from hookkey_verify.verifier import JsonLimits, VerifierByIssuer

A, B = "https://a.example/oauth2/a", "https://b.example/oauth2/b"

Run = Callable[[VerifierByIssuer, Any], VerifiedHook]


def _verify(verifier: VerifierByIssuer, token: Any) -> VerifiedHook:
    return verifier.verify(token)


def _averify(verifier: VerifierByIssuer, token: Any) -> VerifiedHook:
    return asyncio.run(verifier.averify(token))


@pytest.fixture(params=[_verify, _averify], ids=["verify", "averify"])
def run(request: pytest.FixtureRequest) -> Run:
    return request.param  # type: ignore[no-any-return]


def _one(signer: HookSigner, issuer: str, **options: Any) -> HookVerifier:
    keys = StaticKeys.from_jwk(signer.public_jwk())
    given = {"audience": f"api://{issuer}", "client_id": f"client of {issuer}", **options}
    return HookVerifier.for_access_token(keys, issuer=issuer, **given)


def _token(signer: HookSigner, issuer: Any, **changes: Any) -> str:
    claims = {
        "iss": issuer,
        "aud": f"api://{issuer}",
        "cid": f"client of {issuer}",
        "exp": int(time.time()) + 300,
    }
    return signer.sign({**claims, **changes})


@pytest.fixture
def both(signer: HookSigner, stranger: HookSigner) -> VerifierByIssuer:
    return VerifierByIssuer(_one(signer, A), _one(stranger, B))


def test_each_issuer_signs_for_itself(
    both: VerifierByIssuer, signer: HookSigner, stranger: HookSigner, run: Run
) -> None:
    """The verifier of a token's issuer verifies it."""
    assert run(both, _token(signer, A)).issuer == A
    assert run(both, _token(stranger, B)).issuer == B
    assert run(both, _token(stranger, B).encode()).issuer == B


def test_no_issuer_speaks_for_another(
    both: VerifierByIssuer, signer: HookSigner, stranger: HookSigner, run: Run
) -> None:
    """A token with issuer A is verified with the keys, the audience and the client id of A."""
    with pytest.raises(SignatureError):
        run(both, _token(stranger, A))
    with pytest.raises(UnknownKeyError):
        run(both, _token(HookSigner(stranger._key, "a-kid-of-b"), A))
    with pytest.raises(AudienceError):
        run(both, _token(signer, A, aud=f"api://{B}"))
    with pytest.raises(ClientIdError):
        run(both, _token(signer, A, cid=f"client of {B}"))


@pytest.mark.parametrize("issuer", ["https://c.example", A + "/", A.upper(), "", None, 5, [A], {}])
def test_other_issuers_are_refused(
    both: VerifierByIssuer, signer: HookSigner, run: Run, issuer: Any
) -> None:
    """A token is refused unless its issuer is exactly the issuer of one of the verifiers."""
    with pytest.raises(IssuerError):
        run(both, _token(signer, issuer))


def test_what_selects_decides_nothing(both: VerifierByIssuer, signer: HookSigner, run: Run) -> None:
    """A duplicate iss is refused, and a nested iss does not count as the token's issuer."""
    header = b'{"alg":"RS256","kid":"%s"}' % signer.kid.encode()
    twice = signer.sign_bytes(header, b'{"iss":"%s","iss":"%s"}' % (B.encode(), A.encode()))
    with pytest.raises(MalformedTokenError, match="two members"):
        run(both, twice)
    with pytest.raises(IssuerError):
        run(both, signer.sign_bytes(header, b'{"act":{"iss":"%s"}}' % A.encode()))
    assert run(both, _token(signer, A, act={"iss": B})).issuer == A


class Strict(HookVerifier):
    """A verifier with an additional check, which always fails."""

    def verify(self, token: str | bytes, *, deadline: float | None = None) -> VerifiedHook:
        raise ClientIdError("cid")

    async def averify(self, token: str | bytes, *, deadline: float | None = None) -> VerifiedHook:
        raise ClientIdError("cid")


def test_checks_of_a_subclass_count(signer: HookSigner, stranger: HookSigner, run: Run) -> None:
    """The ``verify`` of a subclass of HookVerifier is called, even if it is the only verifier."""
    keys = StaticKeys.from_jwk(signer.public_jwk())
    strict = Strict.for_access_token(keys, issuer=A, audience=f"api://{A}", client_id=None)
    for verifiers in ((strict,), (strict, _one(stranger, B))):
        with pytest.raises(ClientIdError):
            run(VerifierByIssuer(*verifiers), _token(signer, A))


@pytest.mark.parametrize("token", [None, 5, "", "a.b", "a.b.c", "a.W10.c", b"\xff.e30.a"], ids=repr)
def test_what_is_not_a_token(both: VerifierByIssuer, run: Run, token: Any) -> None:
    """Anything that is not a token raises a HookVerificationError."""
    with pytest.raises(HookVerificationError):
        run(both, token)


def test_limits(signer: HookSigner, stranger: HookSigner, run: Run) -> None:
    """The largest limits apply to selecting a verifier, and that verifier's own to verifying."""
    wide = JsonLimits(containers=1_000)
    both = VerifierByIssuer(
        _one(signer, A),
        _one(stranger, B, max_token_bytes=40_000, json_limits=wide),
    )
    long = {"pad": "x" * 20_000, "lists": [[]] * 500}
    assert run(both, _token(stranger, B, **long))
    with pytest.raises(TokenTooLargeError):
        run(both, _token(signer, A, **long))
    with pytest.raises(TokenTooLargeError):
        run(both, _token(stranger, B, pad="x" * 40_000))
    with pytest.raises(MalformedTokenError, match="objects and lists"):
        run(both, _token(stranger, B, lists=[[]] * 2_000))


def test_headers_and_guards(both: VerifierByIssuer, stranger: HookSigner) -> None:
    """VerifierByIssuer verifies headers and works in a Guard, as a HookVerifier does."""
    headers = {"Authorization": f"Bearer {_token(stranger, B)}"}
    assert both.verify_headers(headers).issuer == B
    assert asyncio.run(both.averify_headers(headers)).issuer == B
    assert isinstance(Guard(both).check(headers), VerifiedHook)
    assert not Guard(both).sent_by_browsers
    assert repr(both).startswith("VerifierByIssuer(HookVerifier(")


def test_one_verifier_is_asked_itself(signer: HookSigner, stranger: HookSigner, run: Run) -> None:
    """A single verifier checks the signature before the issuer."""
    alone = VerifierByIssuer(_one(signer, A))
    assert run(alone, _token(signer, A)).issuer == A
    with pytest.raises(SignatureError):
        run(alone, _token(stranger, B))


def test_wrong_arguments(signer: HookSigner, stranger: HookSigner) -> None:
    """Verifiers without an issuer, or with the same one, are refused."""
    keys = StaticKeys.from_jwk(signer.public_jwk())
    anyone = HookVerifier(keys, issuer=None, audience=None)
    for verifiers, problem in (
        ((), "one or more"),
        ((None,), "HookVerifier objects"),
        (([_one(signer, A)],), "as separate arguments"),
        ((_one(signer, A), anyone), "must have an issuer"),
        ((_one(signer, A), _one(stranger, A)), "two verifiers"),
    ):
        with pytest.raises(ConfigurationError, match=problem):
            VerifierByIssuer(*verifiers)


def test_a_token_endpoint_takes_it(signer: HookSigner, stranger: HookSigner) -> None:
    """A token endpoint accepts the clients of a combined verifier, each with its own key only."""
    url = "https://hooks.example/token"

    def client(who: HookSigner, client_id: str) -> HookVerifier:
        keys, replay = StaticKeys.from_jwk(who.public_jwk()), MemoryReplayStore(single_process=True)
        return HookVerifier.for_client_assertion(
            keys, client_id=client_id, token_url=url, replay=replay
        )

    both = VerifierByIssuer(client(signer, "0oa1"), client(stranger, "0oa2"))
    endpoint = TokenEndpoint(
        [both, ClientSecret("0oa3", "s3cret")],
        signing_key=SigningKey.generate(),
        issuer="https://hooks.example",
        audience="api://hooks",
        scopes=["hooks"],
    )

    def status(who: HookSigner, client_id: str) -> int:
        assertion = who.client_assertion(client_id=client_id, token_url=url)
        form = {
            "grant_type": "client_credentials",
            "client_assertion_type": ASSERTION_TYPE,
            "client_assertion": assertion,
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return endpoint.respond("POST", headers, urlencode(form).encode()).status

    assert [status(signer, "0oa1"), status(stranger, "0oa2")] == [200, 200]
    assert [status(stranger, "0oa1"), status(signer, "0oa2"), status(signer, "0oa9")] == [401] * 3


# --- several issuers over one key source


class Merged(StaticKeys):
    """Keys that name both of their issuers, such as those of one server with two names."""

    issuers = (A, B)


def _public_key(signer: HookSigner) -> PublicKey:
    return PublicKey.from_document(signer.public_jwk(), expected_kid=None)


def test_several_issuers_over_one_source(signer: HookSigner, stranger: HookSigner) -> None:
    """Several issuers are refused for one key source unless the source names them all."""
    keys = [_public_key(signer), _public_key(HookSigner(stranger._key, "a-kid-of-b"))]
    with pytest.raises(ConfigurationError, match="VerifierByIssuer"):
        HookVerifier(StaticKeys(keys), issuer=[A, B], audience=None)
    with pytest.raises(ConfigurationError, match="VerifierByIssuer"):
        HookVerifier(Merged(keys), issuer=[A, B, "https://c.example"], audience=None)
    merged = HookVerifier(Merged(keys), issuer=[A, B], audience=None)
    assert merged.verify(_token(signer, A)).issuer == A
    assert HookVerifier(StaticKeys(keys), issuer=[A], audience=None)
    assert HookVerifier(StaticKeys(keys), issuer={A, A}, audience=None)


@pytest.mark.parametrize("issuers", ["ab", None, 5, (A,), []])
def test_issuers_that_do_not_name_them(signer: HookSigner, issuers: Any) -> None:
    """Several issuers are refused if the source's ``issuers`` is not a collection of them all."""
    keys = type("Odd", (StaticKeys,), {"issuers": issuers})([_public_key(signer)])
    with pytest.raises(ConfigurationError, match="share a key source"):
        HookVerifier(keys, issuer=[A, B], audience=None)


def test_keys_of_another_issuer() -> None:
    """A key source that has an issuer is refused for any other issuer."""
    with IssuerKeys(A) as keys:
        assert HookVerifier(keys, issuer=A, audience=None)
        for other in (B, [A, B], [B]):
            with pytest.raises(ConfigurationError, match="must be the issuer of keys"):
                HookVerifier(keys, issuer=other, audience=None)
