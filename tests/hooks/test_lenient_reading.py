"""Members with other types than documented are read as far as they are usable."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime
from typing import Any

import pytest

from hookkey_verify.hooks.fields import Number
from hookkey_verify.hooks.payloads import PasswordImportHook, SamlHook, parse_hook
from tests.hooks.accessors import token
from tests.hooks.payload_examples import FULL, MINIMAL, changed


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        ("15555550100", "15555550100"),
        ("123456789012345678901234567890", "123456789012345678901234567890"),
        ("0.10", "0.10"),
        ("0.1", "0.1"),
        ("15555550100.00", "15555550100.00"),
        ("3.14159265358979323846", "3.14159265358979323846"),
        ("1E5", "1E5"),
        ("1e999", "1e999"),
        ("-0", "0"),
        ("true", None),
        ("null", None),
        ("[1]", None),
        ("{}", None),
        ('"012345"', "012345"),
        ('"\\ud800"', "\ud800"),
        ('""', ""),
    ],
)
def test_a_number_is_read_as_a_string_without_losing_digits(
    literal: str, expected: str | None
) -> None:
    """An accessor for a string returns the digits of a JSON number as they were sent."""
    body = json.dumps(changed(MINIMAL["password"], {"data.context.credential.password": "*"}))
    hook = parse_hook(body.replace('"*"', literal))
    assert isinstance(hook, PasswordImportHook)
    assert hook.password == expected


def test_a_number_keeps_its_text_when_it_is_copied() -> None:
    """A number that has its own text is a float, and a copy or a pickle has the same text."""
    for number in (Number("0.10"), Number(0.25)):
        for same in (number, copy.deepcopy(number), pickle.loads(pickle.dumps(number))):
            assert (type(same), same, same.literal) == (Number, float(number), number.literal)
    assert Number(0.25).literal == "0.25"
    assert json.dumps(Number("0.10")) == "0.1"
    assert type(parse_hook('{"n": 0.25}').raw["n"]) is float


@pytest.mark.parametrize(
    ("value", "expected"),
    [(900, 900), ("900", 900), (900.0, 900), (900.5, None), (True, None), ("9e2", None)]
    + [("1" * 19, None), ("\u0661", None), (float("inf"), None), (-1, -1), (None, None)],
)
def test_a_lifetime(value: Any, expected: int | None) -> None:
    """A lifetime is an integer, also if Okta sends it as a string or as a float."""
    assert token(data__access__token__lifetime__expiration=value).access.lifetime == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(True, True), (False, False), ("TRUE", True), ("false", False), ("yes", None), (1, None)],
)
def test_a_flag(value: Any, expected: bool | None) -> None:
    """A boolean may be a string, but not a number."""
    assert token(data__context__session__mfaActive=value).session.mfa_active is expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("2026-11-20T08:15:00.5Z", datetime(2026, 11, 20, 8, 15, 0, 500000, tzinfo=UTC)),
        ("2026-11-20T09:15:00+01:00", datetime(2026, 11, 20, 8, 15, tzinfo=UTC)),
        ("2026-11-20T08:15:00", datetime(2026, 11, 20, 8, 15, tzinfo=UTC)),
        ("20 November", None),
        ("\ud800", None),
        ("9" * 5000, None),
        (1795000000, None),
    ],
)
def test_a_time(value: Any, expected: datetime | None) -> None:
    """A time is aware, and UTC if it has no offset; anything else is None."""
    assert token(eventTime=value).event_time == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [(["a", 1, None, {}], ("a", "1")), ("a", ("a",)), ({"a": 1}, ()), (None, ()), ((), ())],
)
def test_an_array_of_strings(value: Any, expected: tuple[str, ...]) -> None:
    """A single string is an array of one, numbers are digits, and other elements are left out."""
    assert token(data__context__session__amr=value).session.amr == expected


@pytest.mark.parametrize("value", [None, 7, "x", [], [7, None], [{"value": None}, {}], {"a": 1}])
def test_hostile_values_of_a_saml_attribute(value: Any) -> None:
    """An attribute whose values are unusable has no values."""
    changes = {"data.assertion.claims": {"a": {"attributeValues": value}, "b": value}}
    hook = parse_hook(changed(FULL["saml"], changes))
    assert isinstance(hook, SamlHook)
    assert hook.assertion.attributes["a"].values == ()
    assert list(hook.assertion.attributes) == ["a", "b"]


def test_an_integer_that_python_does_not_convert_is_none() -> None:
    """A decoded integer with more digits than Python converts to text is read as None."""
    assert token(source=10**5000).source is None
    assert token(**{"data__access__scopes": {1: {}, "a": 1}}).access.scopes.keys() == {"a"}
