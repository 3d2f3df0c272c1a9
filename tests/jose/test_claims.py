"""The claims policy: each rule is tested on both sides of its limit."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from hookkey_verify._jose.claims import MAX_NUMERIC_DATE, ClaimsPolicy
from hookkey_verify.errors import (
    AudienceError,
    ClaimError,
    ClientIdError,
    HookVerificationError,
    InsufficientScopeError,
    InvalidClaimError,
    IssuedInFutureError,
    IssuerError,
    LifetimeError,
    MissingClaimError,
    SubjectError,
    TokenExpiredError,
    TokenNotYetValidError,
)
from hookkey_verify.guard import HttpRefusal

NOW = 1_800_000_000.0
GOOD = {"iss": "me", "sub": "me", "aud": "you", "exp": NOW + 100}


def _policy(**changes: Any) -> ClaimsPolicy:
    required = frozenset({"iss", "sub", "aud", "exp"})
    defaults = {"issuers": frozenset({"me"}), "audiences": frozenset({"you"}), "subject": "me"}
    return ClaimsPolicy(**{"required": required, **defaults, **changes})


def _check(claims: dict[str, Any], now: float = NOW, **policy: Any) -> None:
    merged = {name: value for name, value in {**GOOD, **claims}.items() if value is not ...}
    _policy(**policy).check(merged, now)


@pytest.mark.parametrize("leeway", [0, 60, 0.5])
def test_exp_edge(leeway: float) -> None:
    """A token is refused from exp plus leeway on, not earlier (RFC 7519 section 4.1.4)."""
    edge = NOW + 100 + leeway
    _check({}, edge - 0.001, leeway=leeway)
    for late in (edge, edge + 1):
        with pytest.raises(TokenExpiredError):
            _check({}, late, leeway=leeway)


@pytest.mark.parametrize(
    ("claim", "error"), [("nbf", TokenNotYetValidError), ("iat", IssuedInFutureError)]
)
@pytest.mark.parametrize("leeway", [0, 60])
def test_nbf_and_iat_edges(claim: str, error: type[ClaimError], leeway: float) -> None:
    """The nbf and iat claims may lie leeway seconds in the future, but not a millisecond more."""
    _check({claim: NOW + leeway}, leeway=leeway)
    with pytest.raises(error) as caught:
        _check({claim: NOW + leeway + 0.001}, leeway=leeway)
    assert caught.value.claim == claim


def test_fractions_are_not_cut_off() -> None:
    """Times are compared with their fractions: exp 100.5 has not passed at 100.4."""
    _check({"exp": NOW + 0.5}, NOW + 0.4, leeway=0)
    with pytest.raises(TokenExpiredError):
        _check({"exp": NOW + 0.5}, NOW + 0.5, leeway=0)


def test_a_clock_that_fails_refuses_everything() -> None:
    """A token is refused if the clock returns NaN, for which every comparison is false."""
    with pytest.raises(TokenExpiredError):
        _check({}, float("nan"))


def test_lifetime_edges() -> None:
    """The maximum lifetime counts from now with leeway and, if iat is present, from iat without."""
    _check({"exp": NOW + 3660}, max_lifetime=3600, leeway=60)
    with pytest.raises(LifetimeError):
        _check({"exp": NOW + 3660.5}, max_lifetime=3600, leeway=60)
    _check({"iat": NOW - 3000, "exp": NOW + 600}, max_lifetime=3600)
    with pytest.raises(LifetimeError):
        _check({"iat": NOW - 3000, "exp": NOW + 601}, max_lifetime=3600)
    _check({"exp": NOW + 1e9}, max_lifetime=None)


WRONG_NUMBERS: list[Any] = [
    None, "", "1800000100", True, False, [], {}, [NOW + 100], float("nan"), float("inf"),
    -float("inf"), 10**400, -(10**400), MAX_NUMERIC_DATE + 1, -MAX_NUMERIC_DATE - 1,
]  # fmt: skip


@pytest.mark.parametrize("value", WRONG_NUMBERS, ids=lambda value: repr(value)[:20])
@pytest.mark.parametrize("claim", ["exp", "nbf", "iat"])
def test_times_are_numbers(claim: str, value: Any) -> None:
    """A time claim that is not a JSON number, not finite or out of range is refused."""
    with pytest.raises(InvalidClaimError) as caught:
        _check({claim: value})
    assert caught.value.claim == claim


@pytest.mark.parametrize("value", [0, -1, -MAX_NUMERIC_DATE, 0.0])
def test_present_but_falsy_times_count(value: float) -> None:
    """A token with exp 0 or below is expired; the claim does not count as absent."""
    with pytest.raises(TokenExpiredError):
        _check({"exp": value})


@pytest.mark.parametrize("value", ["", [], None, 0], ids=repr)
@pytest.mark.parametrize("claim", ["iss", "sub", "aud"])
def test_present_but_falsy_names_are_compared(claim: str, value: Any) -> None:
    """An empty or null iss, sub or aud is refused; it does not count as absent."""
    with pytest.raises((IssuerError, SubjectError, AudienceError, InvalidClaimError)):
        _check({claim: value})


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "exp"])
def test_required(claim: str) -> None:
    """A token that lacks a required claim is refused, and the error names the claim."""
    with pytest.raises(MissingClaimError) as caught:
        _check({claim: ...})
    assert caught.value.claim == claim


@pytest.mark.parametrize("value", [None, 0, "", [], False], ids=repr)
def test_required_by_the_caller(value: Any) -> None:
    """A claim that the caller requires may be empty, but not null or absent."""
    required = frozenset({"exp", "tenant", "nonce"})
    claims = {"tenant": value, "nonce": "n"}
    if value is None:
        with pytest.raises(InvalidClaimError, match="tenant must not be null"):
            _check(claims, required=required)
    else:
        _check(claims, required=required)
    with pytest.raises(MissingClaimError, match="tenant"):
        _check({"nonce": "n"}, required=required)


@pytest.mark.parametrize("value", ["m", "mee", "ME", "me ", " me", "me\u0301", "you"])
def test_issuer_and_subject_are_exact(value: str) -> None:
    """An iss or sub that is not exactly the expected string is refused (CVE-2024-53861)."""
    with pytest.raises(IssuerError):
        _check({"iss": value})
    with pytest.raises(SubjectError):
        _check({"sub": value})


@pytest.mark.parametrize("claim", ["iss", "sub", "jti"])
@pytest.mark.parametrize("value", [None, 5, True, ["me"], {"me": 1}], ids=repr)
def test_strings_are_strings(claim: str, value: Any) -> None:
    """An iss, sub or jti that is not a string is refused, even a list with the right value.

    Another library accepted a list as the issuer (CVE-2025-30144).
    """
    with pytest.raises(InvalidClaimError) as caught:
        _check({claim: value})
    assert caught.value.claim == claim


@pytest.mark.parametrize("audience", ["you", ["you"], ["x", "you"], ["you", "you"]], ids=repr)
def test_audience_accepted(audience: Any) -> None:
    """The aud claim may be the expected string or a list with it (RFC 7519 section 4.1.3)."""
    _check({"aud": audience})


@pytest.mark.parametrize(
    "audience", ["yo", "youu", "YOU", "", [], ["x"], ["you "], ["y", "o", "u"]]
)
def test_audience_refused(audience: Any) -> None:
    """An aud without a value equal to the expected audience is refused; substrings do not match."""
    with pytest.raises(AudienceError):
        _check({"aud": audience})


@pytest.mark.parametrize(
    "audience", [None, 5, True, {}, {"you": 1}, ["you", 5], ["you", None], [["you"]]]
)
def test_audience_malformed(audience: Any) -> None:
    """An aud of another type is refused, even if unchecked or if one member is the expected one."""
    for audiences in (frozenset({"you"}), None):
        with pytest.raises(InvalidClaimError):
            _check({"aud": audience}, audiences=audiences)


def test_several_issuers_and_audiences() -> None:
    """A token is accepted if it has one of several configured issuers and audiences."""
    both: dict[str, Any] = {"issuers": frozenset({"a", "me"}), "audiences": frozenset({"b", "you"})}
    _check({}, **both)
    with pytest.raises(IssuerError):
        _check({"iss": "b"}, **both)


def test_unchecked() -> None:
    """The policy does not check an issuer, audience or subject that is configured as None."""
    _check({"iss": "x", "aud": "y", "sub": "z"}, issuers=None, audiences=None, subject=None)


@pytest.mark.parametrize("claim", ["cid", "client_id", "azp"])
def test_client_id(claim: str) -> None:
    """The client id is read from Okta's cid, RFC 9068's client_id or OpenID's azp."""
    _check({claim: "c"}, client_id="c")
    with pytest.raises(ClientIdError):
        _check({claim: "d"}, client_id="c")


def test_client_ids_must_agree() -> None:
    """A token that names two different clients is refused, and so is one that names no client."""
    _check({"cid": "c", "azp": "c"}, client_id="c")
    with pytest.raises(ClientIdError):
        _check({"cid": "c", "azp": "d"}, client_id="c")
    with pytest.raises(MissingClaimError):
        _check({}, client_id="c")


@pytest.mark.parametrize(
    "claims", [{"scp": ["a", "b"]}, {"scope": "b a"}, {"scp": ["a", "b"], "scope": "c"}], ids=repr
)
def test_scopes_granted(claims: dict[str, Any]) -> None:
    """Scopes are read from the list scp or, without it, from the space-separated scope."""
    _check(claims, scopes=frozenset({"a", "b"}))


@pytest.mark.parametrize(
    "claims",
    [{}, {"scp": []}, {"scp": ["a"]}, {"scope": ""}, {"scope": "ab"}, {"scp": ["a b"]}],
    ids=repr,
)
def test_scopes_missing(claims: dict[str, Any]) -> None:
    """A token that lacks a required scope is refused, and the error lists the required scopes."""
    with pytest.raises(InsufficientScopeError) as caught:
        _check(claims, scopes=frozenset({"b", "a"}))
    assert caught.value.scopes == ("a", "b")


@pytest.mark.parametrize(
    "claims",
    [{"scp": 5}, {"scp": None}, {"scp": [1]}, {"scope": [1]}, {"scope": None}]
    + [{name: 5} for name in ("cid", "client_id", "azp")],
    ids=repr,
)
def test_client_and_scope_types(claims: dict[str, Any]) -> None:
    """Client and scope claims of a wrong type are refused even if the policy does not check them.

    VerifiedHook exposes these claims.
    """
    for scopes in (frozenset[str](), frozenset({"a"})):
        with pytest.raises(InvalidClaimError):
            _check(claims, scopes=scopes)


def test_the_first_error_is_the_same_every_time() -> None:
    """A token with several defects is always refused for the same reason."""
    claims = {"iss": "x", "aud": "y", "sub": "z", "exp": NOW - 1000}
    reasons = set()
    for _ in range(5):
        with pytest.raises(HookVerificationError) as caught:
            _check(claims)
        reasons.add(caught.value.reason)
    assert reasons == {"expired"}


@pytest.mark.parametrize(
    ("claims", "policy", "expected", "text"),
    [
        ({"iss": "x"}, {}, "me", 'expected iss "me"'),
        ({"iss": "x"}, {"issuers": {"b", "a"}}, ("a", "b"), 'expected iss "a" or "b"'),
        ({"aud": "x"}, {}, "you", 'expected aud "you"'),
        ({"sub": "x"}, {"subject": "me"}, "me", 'expected sub "me"'),
        ({"cid": "x"}, {"client_id": "c"}, "c", 'expected cid "c"'),
        ({}, {"client_id": "c"}, "c", 'a required claim: cid, expected "c"'),
        ({"scp": ["x"]}, {"scopes": {"b", "a"}}, ("a", "b"), "needs a b"),
        ({"exp": NOW - 60}, {}, 60, "exp is more than 60 seconds (leeway) behind"),
        ({"nbf": NOW + 61}, {}, 60, "nbf is more than 60 seconds (leeway) ahead"),
        ({"iat": NOW + 1}, {"leeway": 0.5}, 0.5, "iat is more than 0.5 seconds (leeway) ahead"),
        ({"exp": NOW + 9999}, {"max_lifetime": 3600}, 3600, "max_lifetime is 3600 seconds"),
        ({"jti": 5}, {}, None, "jti must be a string"),
    ],
)
def test_errors_hold_what_was_expected(
    claims: dict[str, Any], policy: dict[str, Any], expected: Any, text: str
) -> None:
    """An error has the configured value in ``expected`` and its text, but no value of the token.

    Its HTTP response depends on neither, except for required scopes.
    """
    options: dict[str, Any] = {
        name: frozenset(v) if type(v) is set else v for name, v in policy.items()
    }
    with pytest.raises(HookVerificationError) as caught:
        _check(claims, **options)
    error = caught.value
    assert error.expected == expected
    assert text in str(error)
    assert '"x"' not in str(error)
    twin = pickle.loads(pickle.dumps(error))
    assert (twin.expected, str(twin)) == (expected, str(error))
    if not isinstance(error, InsufficientScopeError):  # RFC 6750 section 3.1 names the scopes
        twin.claim, twin.detail, twin.expected = "another", "else", "other"
        refusal, other = HttpRefusal.of(error), HttpRefusal.of(twin)
        assert (refusal.headers, refusal.body) == (other.headers, other.body)


def test_a_missing_claim_says_what_it_should_have_been() -> None:
    """The error for a missing claim has the expected value, like the error for a wrong one."""
    claims = {name: value for name, value in GOOD.items() if name != "aud"}
    policy = ClaimsPolicy(
        issuers=None, audiences=frozenset({"you"}), required=frozenset({"exp", "aud"})
    )
    with pytest.raises(MissingClaimError, match='aud, expected "you"') as caught:
        policy.check(claims, NOW)
    assert caught.value.expected == "you"
