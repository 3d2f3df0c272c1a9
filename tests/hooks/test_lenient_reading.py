"""Members with other types than documented are read as far as they are usable."""

from __future__ import annotations

import copy
import json
import pickle
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

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


def _types(value: Any) -> set[type]:
    members = value.values() if isinstance(value, dict) else value if type(value) is list else ()
    return {type(value)}.union(*map(_types, members))


_SAML = """{"eventType": "com.okta.saml.tokens.transform", "eventTypeVersion": 1.10, "data":
{"assertion": {"claims": {"a": {"attributeValues": [{"value": 1.50}, 2.50, {"value": 1e2}]}},
"conditions": {"audienceRestriction": [0.10, 0.1]}, "lifetime": {"expiration": 3.00e2}}}}"""


def test_raw_consists_of_plain_json_values_though_accessors_keep_digits() -> None:
    """A float in raw is a float of Python, also where an accessor returns the text of a number."""
    hook = parse_hook(_SAML)
    for same in (hook, copy.deepcopy(hook), pickle.loads(pickle.dumps(hook))):
        assert isinstance(same, SamlHook)
        assert same.raw == json.loads(_SAML)
        assert _types(same.raw) == {dict, list, str, float}
        assert same.event_type_version == "1.10"
        assert same.assertion.audience == ("0.10", "0.1")
        assert same.assertion.attributes["a"].values == ("1.50", "1e2")
        assert same.assertion.lifetime == 300
        assert same.assertion.claims == same.raw["data"]["assertion"]["claims"]
    assert msgspec.convert(hook.raw, dict[str, Any]) == hook.raw


def test_a_document_that_the_user_changed_is_read_without_an_exception() -> None:
    """An accessor does not raise if the user changed raw of a hook with exact numbers."""
    hook = parse_hook(_SAML)
    hook.raw["data"]["assertion"]["claims"] = {"b": {"attributeValues": [{"value": "x"}]}}
    assert isinstance(hook, SamlHook)
    assert hook.assertion.attributes["b"].values in ((), ("x",))


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
