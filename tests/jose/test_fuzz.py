"""Fuzzing: for any token, the verifier returns a VerifiedHook or raises a HookVerificationError.

The inputs are random text, mutated tokens and validly signed JSON. The environment variable
``FUZZ_EXAMPLES`` is the number of examples for each test (default 250).
"""

from __future__ import annotations

import ast
import asyncio
import os
import time
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import hookkey_verify
from hookkey_verify import HookSigner, HookVerifier, VerifiedHook
from hookkey_verify.errors import HookVerificationError, MalformedTokenError
from tests.conftest import CLIENT_ID, TOKEN_URL

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "250"))
fuzz = settings(
    max_examples=EXAMPLES,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)

NOW = int(time.time())
GOOD_CLAIMS = {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": TOKEN_URL, "exp": NOW + 3000, "jti": "1"}


def _outcome(verifier: HookVerifier, token: Any) -> str:
    """Return the reason of a refusal, or "accepted", and check the error or the hook."""
    try:
        hook = verifier.verify(token)
    except HookVerificationError as error:
        _holds_nothing_of(error, token)
        return str(error.reason)
    assert isinstance(hook, VerifiedHook)
    assert (hook.issuer, hook.audience) == (CLIENT_ID, (TOKEN_URL,))
    return "accepted"


LEAK = 8
"""Length of the parts of a token that are searched for; shorter ones may occur anywhere."""


@cache
def _own_texts() -> str:
    """Return the package's string constants, which Hypothesis also generates as tokens."""
    return "\n".join(
        node.value
        for file in Path(hookkey_verify.__file__).parent.rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )


def _holds_nothing_of(error: HookVerificationError, token: Any) -> None:
    """Check that no part of the token is in the error or in the errors that it is chained to."""
    if not isinstance(token, str | bytes):
        return
    text = token if isinstance(token, str) else token.decode("latin-1")
    forms = (text, repr(token))
    link: BaseException | None = error
    while link is not None:
        shown = "\n".join([str(link), repr(link), *map(repr, vars(link).values())])
        parts = {shown[at : at + LEAK] for at in range(len(shown) - LEAK + 1)}
        leaked = [part for part in parts if any(part in form for form in forms)]
        assert not [part for part in leaked if part not in _own_texts()]
        link = link.__cause__ or link.__context__


@pytest.mark.parametrize("token", ["t0ken-Aa", b"t0ken-Aa", "t0ken-Aa" * 20, b"\xfft0k\xe9n-A"])
@pytest.mark.parametrize("cause", [False, True])
def test_the_check_for_leaks(token: str | bytes, cause: bool) -> None:
    """The check of this module fails if an error or its cause shows a token of 8 characters."""
    text = token if isinstance(token, str) else token.decode("latin-1")
    for shown in (text, repr(token), text[-LEAK:]):
        error = MalformedTokenError("it is wrong" if cause else f"{shown} is wrong")
        error.__cause__ = ValueError(f"{shown} is wrong") if cause else None
        with pytest.raises(AssertionError):
            _holds_nothing_of(error, token)
        _holds_nothing_of(error, "another token")


@fuzz
@given(st.text(max_size=400) | st.binary(max_size=400) | st.from_regex(r"[\w-]*\.[\w-]*\.[\w-]*"))
def test_random_text(verifier: HookVerifier, token: str | bytes) -> None:
    """Random text is refused."""
    assert _outcome(verifier, token) != "accepted"


@given(
    st.none() | st.booleans() | st.integers() | st.floats() | st.lists(st.text()) | st.dictionaries(
        st.text(), st.integers()
    ) | st.tuples(st.text()) | st.binary().map(bytearray) | st.just(object())
)  # fmt: skip
def test_other_objects(verifier: HookVerifier, token: object) -> None:
    """An object that is neither str nor bytes is refused as malformed."""
    assert _outcome(verifier, token) == "malformed_token"


@fuzz
@given(data=st.data())
def test_mutated_tokens(signer: HookSigner, verifier: HookVerifier, data: st.DataObject) -> None:
    """A good token is refused after characters were replaced, removed or added."""
    good = signer.sign(GOOD_CLAIMS)
    token = good
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(token)))
        cut = data.draw(st.integers(0, 3))
        token = token[:at] + data.draw(st.text(max_size=3)) + token[at + cut :]
    assert (_outcome(verifier, token) == "accepted") == (token == good)


# Written as bytes, because json.dumps cannot write duplicate members, 1e999 or invalid UTF-8.
SCALARS = st.sampled_from(
    [b"null", b"true", b"0", b"-0", b"1e999", b"NaN", b"-Infinity", b'""', b'"\\ud800"', b"\xff"]
    + [b'"\\u0000"', b"1.5", b"9" * 400, b"9" * 5000, b'"RS256"', b'"none"', b'["exp"]', b"01"]
    + [str(NOW + 100).encode(), f'"{CLIENT_ID}"'.encode(), f'["{TOKEN_URL}", 1]'.encode()]
)
DEEP = st.integers(1, 5000).map(lambda n: b"[" * n + b"]" * n)
VALUES = (
    st.recursive(
        SCALARS,
        lambda inner: (
            st.lists(inner, max_size=3).map(lambda vs: b"[" + b",".join(vs) + b"]")
            | st.lists(st.tuples(st.sampled_from([b'"a"', b'"b"']), inner), max_size=3).map(
                lambda ms: b"{" + b",".join(k + b":" + v for k, v in ms) + b"}"
            )
        ),
        max_leaves=6,
    )
    | DEEP
)
CLAIMS = "iss sub aud exp nbf iat jti cid client_id azp scp scope x"
MEMBERS = "alg kid typ crit b64 enc zip jwk jku x5c cty x"
CLAIM_NAMES = st.sampled_from([f'"{name}"'.encode() for name in CLAIMS.split()])
HEADER_NAMES = st.sampled_from([f'"{name}"'.encode() for name in MEMBERS.split()])


def _object(base: list[tuple[bytes, bytes]], extra: list[tuple[bytes, bytes]]) -> bytes:
    return b"{" + b",".join(name + b":" + value for name, value in [*base, *extra]) + b"}"


@fuzz
@given(
    claims=st.lists(st.tuples(CLAIM_NAMES, VALUES), max_size=3),
    header=st.lists(st.tuples(HEADER_NAMES, VALUES), max_size=2),
    replace=st.booleans(),
)
def test_structured_json(
    signer: HookSigner,
    verifier: HookVerifier,
    claims: list[tuple[bytes, bytes]],
    header: list[tuple[bytes, bytes]],
    replace: bool,
) -> None:
    """Validly signed hostile JSON raises only our errors; duplicate claims are never accepted."""
    base_claims = [(f'"{k}"'.encode(), _json(v)) for k, v in GOOD_CLAIMS.items()]
    base_header = [(b'"alg"', b'"RS256"'), (b'"kid"', f'"{signer.kid}"'.encode())]
    if replace:
        base_claims = [m for m in base_claims if m[0] not in {name for name, _ in claims}]
        base_header = [m for m in base_header if m[0] not in {name for name, _ in header}]
    token = signer.sign_bytes(_object(base_header, header), _object(base_claims, claims))
    outcome = _outcome(verifier, token)
    names = [name for name, _ in [*base_claims, *claims]]
    assert outcome != "accepted" or len(set(names)) == len(names)


def _json(value: object) -> bytes:
    return str(value).encode() if isinstance(value, int) else f'"{value}"'.encode()


@pytest.mark.parametrize("size", [16_384, 16_385, 1_000_000, 5_000_000])
@pytest.mark.parametrize("filler", ["A", "=", "\u00e9", "[", "."], ids=ascii)
def test_huge_tokens(verifier: HookVerifier, size: int, filler: str) -> None:
    """A long token is refused; one over the size limit is refused for its size."""
    for token in (filler * size, (filler * size).encode()):
        outcome = _outcome(verifier, token)
        assert outcome == ("token_too_large" if len(token) > 16_384 else "malformed_token")


def test_async_is_the_same_code(signer: HookSigner, verifier: HookVerifier) -> None:
    """For a good token, a bad one and None, ``averify`` gives the same verdict as ``verify``."""
    good = signer.sign(GOOD_CLAIMS)
    for token in (good, good[:-4] + "AAAA", None):
        try:
            verdict: object = asyncio.run(verifier.averify(token))  # type: ignore[arg-type]
        except HookVerificationError as error:
            verdict = error.reason
        assert str(verdict if isinstance(verdict, str) else "accepted") == _outcome(verifier, token)
