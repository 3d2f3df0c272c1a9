"""The claims policy, every rule on both sides of its edge."""

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
    """42. On exp plus leeway it is too late, just before it is not (RFC 7519 section 4.1.4)."""
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
    """Exactly leeway seconds ahead is forgiven, a millisecond more is not."""
    _check({claim: NOW + leeway}, leeway=leeway)
    with pytest.raises(error) as caught:
        _check({claim: NOW + leeway + 0.001}, leeway=leeway)
    assert caught.value.claim == claim


def test_fractions_are_not_cut_off() -> None:
    """Exp 100.5 is later than 100.4: int() would say they are equal."""
    _check({"exp": NOW + 0.5}, NOW + 0.4, leeway=0)
    with pytest.raises(TokenExpiredError):
        _check({"exp": NOW + 0.5}, NOW + 0.5, leeway=0)


def test_a_clock_that_fails_refuses_everything() -> None:
    """NaN compares false with everything, so each comparison must be the one that has to hold."""
    with pytest.raises(TokenExpiredError):
        _check({}, float("nan"))


def test_lifetime_edges() -> None:
    """The cap counts from now (with leeway) and, when iat is there, from iat (without)."""
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
    """Strings, booleans, null, NaN, infinities and what lies beyond a double are refused."""
    with pytest.raises(InvalidClaimError) as caught:
        _check({claim: value})
    assert caught.value.claim == claim


@pytest.mark.parametrize("value", [0, -1, -MAX_NUMERIC_DATE, 0.0])
def test_present_but_falsy_times_count(value: float) -> None:
    """Exp 0 is a time long past, not an absent claim."""
    with pytest.raises(TokenExpiredError):
        _check({"exp": value})


@pytest.mark.parametrize("value", ["", [], None, 0], ids=repr)
@pytest.mark.parametrize("claim", ["iss", "sub", "aud"])
def test_present_but_falsy_names_are_compared(claim: str, value: Any) -> None:
    """An empty issuer is not "no issuer to check"."""
    with pytest.raises((IssuerError, SubjectError, AudienceError, InvalidClaimError)):
        _check({claim: value})


@pytest.mark.parametrize("claim", ["iss", "sub", "aud", "exp"])
def test_required(claim: str) -> None:
    """Whatever is compared must be there, and the error names it."""
    with pytest.raises(MissingClaimError) as caught:
        _check({claim: ...})
    assert caught.value.claim == claim


@pytest.mark.parametrize("value", [None, 0, "", [], False], ids=repr)
def test_required_by_the_caller(value: Any) -> None:
    """A claim that the caller requires may be empty, but not null, and not absent."""
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
    """No prefix, no case folding, no trimming, no normalisation (CVE-2024-53861)."""
    with pytest.raises(IssuerError):
        _check({"iss": value})
    with pytest.raises(SubjectError):
        _check({"sub": value})


@pytest.mark.parametrize("claim", ["iss", "sub", "jti"])
@pytest.mark.parametrize("value", [None, 5, True, ["me"], {"me": 1}], ids=repr)
def test_strings_are_strings(claim: str, value: Any) -> None:
    """An issuer that is a list would match by containment elsewhere (CVE-2025-30144)."""
    with pytest.raises(InvalidClaimError) as caught:
        _check({claim: value})
    assert caught.value.claim == claim


@pytest.mark.parametrize("audience", ["you", ["you"], ["x", "you"], ["you", "you"]], ids=repr)
def test_audience_accepted(audience: Any) -> None:
    """A string, or a list that holds ours (RFC 7519 section 4.1.3)."""
    _check({"aud": audience})


@pytest.mark.parametrize(
    "audience", ["yo", "youu", "YOU", "", [], ["x"], ["you "], ["y", "o", "u"]]
)
def test_audience_refused(audience: Any) -> None:
    """Equality, not containment in a string."""
    with pytest.raises(AudienceError):
        _check({"aud": audience})


@pytest.mark.parametrize(
    "audience", [None, 5, True, {}, {"you": 1}, ["you", 5], ["you", None], [["you"]]]
)
def test_audience_malformed(audience: Any) -> None:
    """One member of another type spoils the claim, even beside ours; also when not compared."""
    for audiences in (frozenset({"you"}), None):
        with pytest.raises(InvalidClaimError):
            _check({"aud": audience}, audiences=audiences)


def test_several_issuers_and_audiences() -> None:
    """One of each is enough."""
    both: dict[str, Any] = {"issuers": frozenset({"a", "me"}), "audiences": frozenset({"b", "you"})}
    _check({}, **both)
    with pytest.raises(IssuerError):
        _check({"iss": "b"}, **both)


def test_unchecked() -> None:
    """None leaves issuer, audience and subject alone."""
    _check({"iss": "x", "aud": "y", "sub": "z"}, issuers=None, audiences=None, subject=None)


@pytest.mark.parametrize("claim", ["cid", "client_id", "azp"])
def test_client_id(claim: str) -> None:
    """Okta's cid, RFC 9068's client_id and OpenID's azp are the same thing."""
    _check({claim: "c"}, client_id="c")
    with pytest.raises(ClientIdError):
        _check({claim: "d"}, client_id="c")


def test_client_ids_must_agree() -> None:
    """A token that names two clients is nobody's; one that names none lacks the claim."""
    _check({"cid": "c", "azp": "c"}, client_id="c")
    with pytest.raises(ClientIdError):
        _check({"cid": "c", "azp": "d"}, client_id="c")
    with pytest.raises(MissingClaimError):
        _check({}, client_id="c")


@pytest.mark.parametrize(
    "claims", [{"scp": ["a", "b"]}, {"scope": "b a"}, {"scp": ["a", "b"], "scope": "c"}], ids=repr
)
def test_scopes_granted(claims: dict[str, Any]) -> None:
    """A list in scp or words in scope; all that are needed must be there."""
    _check(claims, scopes=frozenset({"a", "b"}))


@pytest.mark.parametrize(
    "claims",
    [{}, {"scp": []}, {"scp": ["a"]}, {"scope": ""}, {"scope": "ab"}, {"scp": ["a b"]}],
    ids=repr,
)
def test_scopes_missing(claims: dict[str, Any]) -> None:
    """The error lists what is needed, and is a 403."""
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
    """Types are judged even when nothing is expected: VerifiedHook exposes them."""
    for scopes in (frozenset[str](), frozenset({"a"})):
        with pytest.raises(InvalidClaimError):
            _check(claims, scopes=scopes)


def test_the_first_error_is_the_same_every_time() -> None:
    """Several defects, one stable verdict."""
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
    """The configured value is in ``expected`` and in the text; nothing of the token is."""
    options: dict[str, Any] = {
        name: frozenset(v) if type(v) is set else v for name, v in policy.items()
    }
    with pytest.raises(HookVerificationError) as caught:
        _check(claims, **options)
    error = caught.value
    assert error.expected == expected
    assert text in str(error)
    assert '"x"' not in str(error)
    refusal = HttpRefusal.of(error)
    if not isinstance(error, InsufficientScopeError):  # RFC 6750 section 3.1 names the scopes
        answer = f"{refusal.headers} {refusal.body!r}"
        for each in expected if isinstance(expected, tuple) else [expected]:
            assert f'"{each}"' not in answer
    twin = pickle.loads(pickle.dumps(error))
    assert (twin.expected, str(twin)) == (expected, str(error))


def test_a_missing_claim_says_what_it_should_have_been() -> None:
    """As one that is wrong does."""
    claims = {name: value for name, value in GOOD.items() if name != "aud"}
    policy = ClaimsPolicy(
        issuers=None, audiences=frozenset({"you"}), required=frozenset({"exp", "aud"})
    )
    with pytest.raises(MissingClaimError, match='aud, expected "you"') as caught:
        policy.check(claims, NOW)
    assert caught.value.expected == "you"
