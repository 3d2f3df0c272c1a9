"""The name of a used token's record in a store, and until when the record counts."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hookkey_verify.errors import ConfigurationError
from hookkey_verify.replay.record import (
    CLOCK_TOLERANCE,
    LONGEST,
    kept_until,
    record_digest,
    seconds_to_keep,
)

TEXT = st.text(st.characters(exclude_categories=()), max_size=20)
"""Any text that JSON can contain, also lone surrogates."""


@given(one=st.tuples(TEXT, TEXT), other=st.tuples(TEXT, TEXT))
@example(one=("a", "11"), other=("a1", "1"))
@example(one=("", "a1"), other=("a1", ""))
@example(one=("1", ":a"), other=("", "1:1:a"))
@example(one=("\ud83d", "\ude00"), other=("\U0001f600", ""))
@example(one=("\ud83d\ude00", ""), other=("\U0001f600", ""))
def test_each_pair_has_a_digest_of_its_own(one: tuple[str, str], other: tuple[str, str]) -> None:
    """Two pairs of issuer and jti have the same digest only if they are equal."""
    assert (record_digest(*one) == record_digest(*other)) is (one == other)


@given(issuer=TEXT, jti=TEXT)
def test_a_digest_has_32_bytes(issuer: str, jti: str) -> None:
    """A digest has 32 bytes, whatever the issuer and the jti contain."""
    assert len(record_digest(issuer, jti)) == 32


@given(issuer=TEXT, prefix=TEXT, jti=TEXT)
def test_moving_the_border(issuer: str, prefix: str, jti: str) -> None:
    """A part of the jti that moves to the issuer changes the digest."""
    same = record_digest(issuer + prefix, jti) == record_digest(issuer, prefix + jti)
    assert same is (prefix == "")


def test_a_digest_is_the_same_in_every_version() -> None:
    """A digest never changes, because workers of two versions share a store in a deployment."""
    digest = record_digest("https://acme.okta.com", "one").hex()
    assert digest == "20d959a37a6950c456403ac356a3a205e3a91a81dd78920ff5d43ec76bbd69d5"
    assert CLOCK_TOLERANCE == 60


@pytest.mark.parametrize("expires_at", [float("nan"), "5", None, b"5", [5]], ids=repr)
def test_an_expiry_that_is_not_a_number(expires_at: Any) -> None:
    """An expiry that is not a number is refused with an error that names it."""
    for function in (kept_until, seconds_to_keep):
        with pytest.raises(ConfigurationError, match="expires_at must be a number"):
            function(expires_at, 1000)


@pytest.mark.parametrize("pair", [("a", 5), (5, "a"), (None, "a"), ("a", b"b")], ids=repr)
def test_a_token_without_strings(pair: Any) -> None:
    """An issuer or a jti that is not a string is refused."""
    with pytest.raises(ConfigurationError, match="issuer and jti must be strings"):
        record_digest(*pair)


@pytest.mark.parametrize(
    ("expires_at", "until"),
    [
        (1100, 1100 + CLOCK_TOLERANCE),
        (900, 900 + CLOCK_TOLERANCE),
        (-1e300, 0),
        (1e300, 1000 + LONGEST),
        (float("inf"), 1000 + LONGEST),
        (float("-inf"), 0),
    ],
)
def test_until_when_a_record_counts(expires_at: float, until: float) -> None:
    """A record counts until the clocks' tolerance after its expiry, within fixed limits."""
    assert kept_until(expires_at, 1000) == until
    assert seconds_to_keep(expires_at, 1000) == max(0.001, until - 1000)
