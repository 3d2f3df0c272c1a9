"""CachePolicy: ranges, types and defaults of every number."""

from __future__ import annotations

import copy
import pickle
from contextlib import AbstractContextManager, nullcontext
from dataclasses import FrozenInstanceError, fields, replace
from decimal import Decimal
from fractions import Fraction
from math import inf, nan, nextafter
from typing import Any

import pytest

from hookkey_verify import CachePolicy, ConfigurationError
from hookkey_verify.keys.policy import checked_policy

TIMES_AND_SHARES: list[tuple[str, float, float]] = [
    ("fresh_for", 1, 86_400),
    ("refresh_ahead", 0, 0.9),
    ("stale_if_error", 0, 86_400),
    ("negative_for", 0, 86_400),
    ("directory_for", 1, 3_600),
    ("fetch_timeout", 0.05, 60),
    ("backoff", 0.1, 3_600),
    ("max_backoff", 0.1, 3_600),
    ("first_seen_interval", 0.001, 3_600),
]
COUNTS = [
    ("first_seen_burst", 1, 10_000),
    ("max_keys", 1, 10_000),
    ("max_unknown_kids", 1, 1_000_000),
]
NAMES = [field.name for field in fields(CachePolicy)]


def _policy(field: str, value: Any) -> CachePolicy:
    """Return a policy with this number, and the lowest ``backoff`` and highest ``max_backoff``."""
    numbers: dict[str, Any] = {"backoff": 0.1, "max_backoff": 3_600, field: value}
    return CachePolicy(**numbers)


def _refused(field: str, value: Any) -> None:
    with pytest.raises(ConfigurationError, match=f"{field} must be a number from"):
        _policy(field, value)


def test_every_field_is_tested() -> None:
    """Every field of CachePolicy has a range in this module."""
    assert {name for name, *_ in [*TIMES_AND_SHARES, *COUNTS]} == set(NAMES)


@pytest.mark.parametrize(("field", "least", "most"), [*TIMES_AND_SHARES, *COUNTS])
def test_both_ends_are_accepted(field: str, least: float, most: float) -> None:
    """Both ends of each range are accepted."""
    for value in (least, most):
        assert getattr(_policy(field, value), field) == value


@pytest.mark.parametrize(("field", "least", "most"), TIMES_AND_SHARES)
def test_just_beyond_the_ends(field: str, least: float, most: float) -> None:
    """The next number beyond each end is refused, and the error names the field."""
    for value in (nextafter(least, -inf), nextafter(most, inf), int(most) + 1, -1):
        _refused(field, value)


@pytest.mark.parametrize(("field", "least", "most"), TIMES_AND_SHARES)
def test_just_inside_the_ends(field: str, least: float, most: float) -> None:
    """A time may be fractional."""
    for value in (nextafter(least, inf), nextafter(most, -inf)):
        assert getattr(_policy(field, value), field) == value


@pytest.mark.parametrize(("field", "least", "most"), COUNTS)
def test_counts_just_beyond_the_ends(field: str, least: int, most: int) -> None:
    """A count beyond its range is refused, and the error names the field."""
    for value in (least - 1, most + 1, 0, -1):
        _refused(field, value)


@pytest.mark.parametrize("field", [name for name, *_ in COUNTS])
@pytest.mark.parametrize("value", [5.0, 5.5, Fraction(5)], ids=repr)
def test_counts_are_whole(field: str, value: object) -> None:
    """A count must be an int; a float or a fraction is not converted."""
    _refused(field, value)


@pytest.mark.parametrize("field", NAMES)
@pytest.mark.parametrize(
    "value",
    [True, False, None, "1", b"1", [1], (), {}, 1j, nan, inf, -inf, Decimal(1), Fraction(1), int],
    ids=repr,
)
def test_wrong_types(field: str, value: object) -> None:
    """Values that are not finite numbers, and bools, are refused without conversion."""
    _refused(field, value)


@pytest.mark.parametrize("field", NAMES)
def test_huge_numbers(field: str) -> None:
    """Integers too large for a float are refused like other values out of range."""
    _refused(field, 10**400)
    _refused(field, -(10**400))


@pytest.mark.parametrize(
    ("backoff", "max_backoff", "fine"),
    [(5, 5, True), (5, 5.5, True), (5.5, 5, False), (0.1, 3_600, True), (3_600, 0.1, False)],
)
def test_backoff_is_not_greater_than_its_most(
    backoff: float, max_backoff: float, fine: bool
) -> None:
    """``backoff`` may be equal to ``max_backoff`` but not greater."""
    expectation: AbstractContextManager[object] = (
        nullcontext()
        if fine
        else pytest.raises(ConfigurationError, match="backoff must not be greater than max_backoff")
    )
    with expectation:
        CachePolicy(backoff=backoff, max_backoff=max_backoff)


@pytest.mark.parametrize("field", NAMES)
def test_it_is_frozen(field: str) -> None:
    """A policy cannot be changed, and no attribute can be added to it."""
    policy = CachePolicy()
    with pytest.raises(FrozenInstanceError):
        setattr(policy, field, 5)
    with pytest.raises((AttributeError, TypeError)):
        policy.fresh = 5  # type: ignore[attr-defined]


def test_it_is_named() -> None:
    """Positional arguments and misspelled names raise ``TypeError``."""
    with pytest.raises(TypeError):
        CachePolicy(60)  # type: ignore[call-arg]
    with pytest.raises(TypeError):
        CachePolicy(fresh_four=60)  # type: ignore[call-arg]


def test_a_copy_is_checked_too() -> None:
    """``replace`` checks the ranges too."""
    policy = replace(CachePolicy(), fresh_for=60)
    assert (policy.fresh_for, policy.max_keys) == (60, 64)
    with pytest.raises(ConfigurationError, match="fresh_for"):
        replace(policy, fresh_for=0)


def test_a_backoff_beyond_the_default_most() -> None:
    """``backoff`` is compared with the default of ``max_backoff`` too."""
    with pytest.raises(ConfigurationError, match="backoff must not be greater than max_backoff"):
        CachePolicy(backoff=301)


def test_it_is_a_value() -> None:
    """Policies with equal numbers are equal, also after pickling and copying."""
    policy = CachePolicy(fresh_for=60)
    assert policy == pickle.loads(pickle.dumps(policy)) == copy.deepcopy(policy)
    assert hash(policy) == hash(CachePolicy(fresh_for=60))
    assert policy != CachePolicy()


def test_defaults() -> None:
    """The defaults fit Okta's limits: 3 seconds per hook and 50 keys per org."""
    policy = CachePolicy()
    assert {name: getattr(policy, name) for name in NAMES} == {
        "fresh_for": 3600,
        "refresh_ahead": 0.2,
        "stale_if_error": 3600,
        "negative_for": 60,
        "directory_for": 30,
        "fetch_timeout": 2.5,
        "backoff": 1,
        "max_backoff": 300,
        "first_seen_burst": 5,
        "first_seen_interval": 10,
        "max_keys": 64,
        "max_unknown_kids": 1024,
    }


def test_checked_policy() -> None:
    """None means the defaults; a given policy is used unchanged."""
    policy = CachePolicy(fresh_for=60)
    assert checked_policy(policy) is policy
    assert checked_policy(None) == CachePolicy()


@pytest.mark.parametrize("value", [60, {}, {"fresh_for": 60}, "", False, CachePolicy], ids=repr)
def test_what_is_no_policy(value: object) -> None:
    """A number or a dict is refused, also if it is empty or false."""
    with pytest.raises(ConfigurationError, match="policy must be a CachePolicy"):
        checked_policy(value)
