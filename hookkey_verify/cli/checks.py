"""All checks of one token, with expected and actual values.

A verifier stops at the first defect, but people want to see all of them. Each claim is therefore
checked separately with the verifier's own ``ClaimsPolicy``, reduced to that claim. The verdict is
the verifier's: each refusal has a failed row.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final, Literal

from .._jose.claims import CLIENT_ID_CLAIMS, ClaimsPolicy
from .._jose.encoding import EncodingError, base64url_decode, json_object
from .._jose.jws import PayloadError
from .._runtime.clock import Clock, wall_clock
from ..errors import (
    AlgorithmError,
    Expected,
    HookVerificationError,
    InsufficientScopeError,
    KeyRejectedError,
    KeySourceConfigurationError,
    KeyUnavailableError,
    LifetimeError,
    MalformedTokenError,
    SignatureError,
    TokenTypeError,
    UnknownKeyError,
)
from ..verifier import HookVerifier
from .wording import message, unknown_key

__all__ = ["TokenCheck", "checks_of", "decode_unverified"]

Result = Literal["passed", "failed", "not checked", "not reached"]


@dataclass(frozen=True, slots=True)
class _Step:
    """A step of the verification before the claims."""

    name: str
    errors: tuple[type[HookVerificationError], ...]
    """The errors that the verifier raises in this step."""
    member: str = ""
    """The header member that the step checks."""


STEPS: Final = (
    _Step("form", (MalformedTokenError,)),
    _Step("algorithm", (AlgorithmError,), "alg"),
    _Step("type", (TokenTypeError,), "typ"),
    _Step(
        "key",
        (UnknownKeyError, KeyUnavailableError, KeySourceConfigurationError, KeyRejectedError),
        "kid",
    ),
    _Step("signature", (SignatureError,)),
    _Step("payload", (PayloadError,)),
)
"""The steps in order. Each is reached only if all steps before it have passed."""


@dataclass(frozen=True, slots=True)
class _ClaimRule:
    """A row that compares claims with one member of ``ClaimsPolicy``."""

    name: str
    option: str
    members: tuple[str, ...]
    required: tuple[str, ...] = ()
    """Claims that must be present if the policy restricts them."""
    between: str = "or"


_CLAIM_RULES: Final = (
    _ClaimRule("issuer", "issuers", ("iss",), ("iss",)),
    _ClaimRule("audience", "audiences", ("aud",), ("aud",)),
    _ClaimRule("subject", "subject", ("sub",), ("sub",)),
    _ClaimRule("client", "client_id", CLIENT_ID_CLAIMS),
    _ClaimRule("scopes", "scopes", ("scp", "scope"), between="and"),
)

END_OF_TIME: Final = 253_402_300_800
"""The year 10000 in epoch seconds. This and later times are not shown as dates."""
MAX_SHOWN: Final = 200
"""The number of characters after which a value is cut."""


@dataclass(frozen=True, slots=True)
class TokenCheck:
    """One check of a token, with its expected and actual value and the result."""

    name: str
    result: Result
    subject: str = ""
    """The header member or claim."""
    actual: str = ""
    expected: str = ""
    hint: str = ""

    @property
    def text(self) -> str:
        """A text such as ``aud is "a", expected "b"``, with the hint."""
        words = f"{self.subject} is {self.actual}" if self.subject else ""
        if self.expected:
            words += f", expected {self.expected}"
        return "; ".join(filter(None, (words, self.hint)))

    def document(self) -> dict[str, str]:
        """Return the check as JSON values."""
        return {
            "check": self.name,
            "result": self.result,
            "is": self.actual,
            "expected": self.expected,
            "hint": self.hint,
        }


def checks_of(
    token: bytes,
    verifier: HookVerifier | None,
    error: HookVerificationError | None,
    *,
    keys: str = "",
    clock: Clock = wall_clock,
) -> list[TokenCheck]:
    """Return all checks of a token that ``verifier`` accepted or refused with ``error``.

    ``token``: the token, which may be malformed.
    ``verifier``: the verifier. None: only times are checked.
    ``error``: the refusal. None: the token was accepted.
    ``keys``: the key source, described in words. Default: empty.
    ``clock``: a function that returns epoch seconds. Default: the system clock.
    """
    header, claims = (decode_unverified(part) for part in [*token.split(b"."), b"", b""][:2])
    rows = _steps(header if isinstance(header, Mapping) else {}, error, keys)
    policy = ClaimsPolicy(issuers=None, audiences=None)
    if verifier is None:
        rows = [replace(row, result="not checked") for row in rows]
    else:
        policy = verifier.policy
    if isinstance(claims, Mapping):
        rows += _claims(claims, policy, clock())
    if error is not None and not _has_row(error, rows):
        rows.append(TokenCheck("other", "failed", hint=_hint(error)))
    return rows


def _has_row(error: HookVerificationError, rows: list[TokenCheck]) -> bool:
    """Return whether a failed row shows the defect that the verifier refused."""
    if _failed_step(error) < len(STEPS):
        return True
    claim = "scp" if isinstance(error, InsufficientScopeError) else getattr(error, "claim", "")
    same = next((rule.members for rule in _CLAIM_RULES if claim in rule.members), (claim,))
    return any(row.result == "failed" and row.subject in same for row in rows)


def decode_unverified(part: bytes) -> dict[str, Any] | str:
    """Return the object in one part of a token, or the reason why it cannot be read."""
    try:
        return json_object(base64url_decode(part.rstrip(b"=")))
    except EncodingError as error:
        return f"cannot be read: {error}"


def _failed_step(error: HookVerificationError | None) -> int:
    """Return the number of the step at which the verifier stopped; ``len(STEPS)``: at none."""
    for number in reversed(
        range(len(STEPS))
    ):  # reversed, because the error of the first step is a base class of others
        if isinstance(error, STEPS[number].errors):
            return number
    return len(STEPS)


def _steps(
    header: Mapping[str, Any], error: HookVerificationError | None, keys: str
) -> list[TokenCheck]:
    """Return a row for each step: passed, failed or not reached."""
    failed = _failed_step(error)
    rows = []
    for number, step in enumerate(STEPS):
        result: Result = "passed" if number < failed else "not reached"
        actual = _shown(header, step.member) if step.member else ""
        expected = keys if step.name == "key" else ""
        rows.append(TokenCheck(step.name, result, step.member, actual, expected))
    if error is not None and failed < len(STEPS):
        words = _words(error.expected)
        told = {"expected": words} if words else {"hint": _hint(error)}
        rows[failed] = replace(rows[failed], result="failed", **told)
    return rows


def _hint(error: HookVerificationError) -> str:
    if isinstance(error, UnknownKeyError):
        return f"there is no such key; {unknown_key()}"
    return f"{error.reason}: {message(error)}"


def _claims(claims: Mapping[str, Any], policy: ClaimsPolicy, now: float) -> Iterator[TokenCheck]:
    yield from _times(claims, policy, now)
    if policy.max_lifetime is not None and "exp" in claims:
        expected = f"at most {policy.max_lifetime:g} seconds after iat, and from now"
        when = _when(claims["exp"], now)
        yield TokenCheck("lifetime", _lifetime(claims, policy, now), "exp", when, expected)
    for rule in _CLAIM_RULES:
        if getattr(policy, rule.option) or any(member in claims for member in rule.members):
            yield _compared(rule, claims, policy, now)


def _compared(
    rule: _ClaimRule, claims: Mapping[str, Any], policy: ClaimsPolicy, now: float
) -> TokenCheck:
    wanted = getattr(policy, rule.option)
    required = frozenset({"exp", *rule.required} if wanted else {"exp"})
    result = _judged(claims, rule.members, now, required=required, **{rule.option: wanted})
    if not wanted and result == "passed":
        result = "not checked"
    expected = _words(policy.expected(rule.members[0]), rule.between)
    return TokenCheck(rule.name, result, *_present(claims, rule.members), expected)


def _times(claims: Mapping[str, Any], policy: ClaimsPolicy, now: float) -> Iterator[TokenCheck]:
    leeway = f"no more than {policy.leeway:g} seconds"
    for name, claim, direction in (
        ("expiry", "exp", "in the past"),
        ("not before", "nbf", "in the future"),
        ("issued", "iat", "in the future"),
    ):
        if claim in claims or claim == "exp":
            result = _judged(claims, (claim,), now, leeway=policy.leeway)
            when = _when(claims[claim], now) if claim in claims else "missing"
            yield TokenCheck(name, result, claim, when, f"{leeway} {direction}")


def _present(claims: Mapping[str, Any], members: tuple[str, ...]) -> tuple[str, str]:
    """Return the first of these claims that is present, and the values of all."""
    first, *others = [each for each in members if each in claims] or [members[0]]
    rest = (f", {each} is {_shown(claims, each)}" for each in others)
    return first, _shown(claims, first) + "".join(rest)


def _lifetime(claims: Mapping[str, Any], policy: ClaimsPolicy, now: float) -> Result:
    """Check the lifetime of a token, both from now and from its time of issue."""
    if type(claims["exp"]) not in (int, float):
        return "not reached"
    limits = {"leeway": policy.leeway, "max_lifetime": policy.max_lifetime}
    issued_at = claims.get("iat", now)
    if type(issued_at) not in (int, float):
        issued_at = now
    from_now = _judged(claims, ("exp",), now, only=LifetimeError, **limits)
    if from_now == "failed":
        return from_now
    return _judged(claims, ("exp", "iat"), issued_at, only=LifetimeError, **limits)


def _judged(
    claims: Mapping[str, Any],
    members: tuple[str, ...],
    now: float,
    *,
    only: type[HookVerificationError] = HookVerificationError,
    **policy: Any,
) -> Result:
    """Check only these claims; if ``only`` is given, only errors of that class count."""
    alone = {name: claims[name] for name in members if name in claims}
    if "exp" not in members:
        alone["exp"] = now + 1
    try:
        ClaimsPolicy(**{"issuers": None, "audiences": None, **policy}).check(alone, now)
    except HookVerificationError as error:
        return "failed" if isinstance(error, only) else "passed"
    return "passed"


def _words(expected: Expected, between: str = "or") -> str:
    if expected is None:
        return ""
    if isinstance(expected, tuple):
        return f" {between} ".join(map(_words, expected))
    return json.dumps(expected, ensure_ascii=False)


def _shown(members: Mapping[str, Any], name: str) -> str:
    if name not in members:
        return "missing"
    text = json.dumps(members[name], ensure_ascii=False)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "…"


def _when(value: Any, now: float) -> str:
    """Return a time as a date and its distance from now."""
    if type(value) not in (int, float) or not 0 <= value < END_OF_TIME:
        return _shown({"": value}, "")
    at = datetime.fromtimestamp(value, UTC)
    seconds = round(value - now)
    distance = abs(seconds)
    for unit, size in (("day", 86_400), ("hour", 3600), ("minute", 60)):
        if distance >= 2 * size:
            words = f"{distance // size} {unit}s"
            break
    else:
        words = f"{distance} second{'' if distance == 1 else 's'}"
    return f"{at:%Y-%m-%d %H:%M:%S} UTC, {words} {'from now' if seconds >= 0 else 'ago'}"
