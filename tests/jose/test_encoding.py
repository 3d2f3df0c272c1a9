"""base64url and JSON, read strictly."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookkey_verify import ConfigurationError
from hookkey_verify._jose.encoding import (
    BASE64URL,
    EncodingError,
    JsonLimits,
    base64url_decode,
    json_list,
    json_object,
    skimmed_member,
)


@given(st.binary(max_size=300))
def test_base64url_round_trip(octets: bytes) -> None:
    """What the standard library encodes is what we decode."""
    assert base64url_decode(urlsafe_b64encode(octets).rstrip(b"=")) == octets


@given(st.lists(st.sampled_from(BASE64URL), max_size=12).map(bytes))
def test_one_text_for_each_value(text: bytes) -> None:
    """Whatever decodes is the canonical encoding of what it decodes to (RFC 4648 section 3.5)."""
    try:
        octets = base64url_decode(text)
    except EncodingError:
        return
    assert urlsafe_b64encode(octets).rstrip(b"=") == text


@pytest.mark.parametrize(
    "text",
    [
        b"A",
        b"AAAAA",
        b"AB",
        b"AAB",
        b"AA==",
        b"AA=",
        b"AA\n",
        b" AA",
        b"A+A/",
        b"AA`",
        b"A.A",
        b"\xff",
    ],
)
def test_base64url_refusals(text: bytes) -> None:
    """Impossible length, spare bits, padding, white space, the other alphabet, stray characters."""
    with pytest.raises(EncodingError):
        base64url_decode(text)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"{}", {}),
        (b' \t\r\n{"a": [1, 2.5, true, null, "x"]} \n', {"a": [1, 2.5, True, None, "x"]}),
        ('{"ä": "\\u00e9\U0001f600"}'.encode(), {"ä": "é\U0001f600"}),
        (rb'{"pair": "\ud83d\ude00"}', {"pair": "\U0001f600"}),
        (b'{"big": ' + b"9" * 4300 + b"}", {"big": int("9" * 4300)}),
        (b'{"brackets": "' + b"[{" * 50 + b'"}', {"brackets": "[{" * 50}),
        (b'{"quoted": "\\"' + b"[" * 50 + b'"}', {"quoted": '"' + "[" * 50}),
    ],
)
def test_json_accepted(text: bytes, value: dict[str, object]) -> None:
    """Any JSON object in UTF-8; brackets in strings are not nesting."""
    assert json_object(text) == value


LIMITS = JsonLimits(containers=4, members=3, values=6)


@pytest.mark.parametrize(
    ("within", "beyond", "problem"),
    [
        (b'{"a":[[[]]]}', b'{"a":[[[[]]]]}', "more than 4 objects and lists"),
        (b'{"a":[{},[]]}', b'{"a":[{},[],{}]}', "more than 4 objects and lists"),
        (b'{"a":1,"b":{"c":1}}', b'{"a":1,"b":{"c":1,"d":2}}', "more than 3 members"),
        (b'{"a":[1,2,3,4,5]}', b'{"a":[1,2,3,4,5,6]}', "more than 6 values"),
        (b'{"a":["1","2","3","4","5"]}', b'{"a":["1","2","3","4","5",""]}', "more than 6 values"),
        (b'{"a":"[[[[[[{{{{"}', b'{"a":"[","b":[[[[]]]]}', "more than 4 objects and lists"),
        (b'{"a":"::::,,,,,,,"}', b'{"a":"","b":0,"c":0,"\\"":0}', "more than 3 members"),
        (rb'{"a":"\\\",[[[[[["}', rb'{"a":"\\\\",[[[[[["}', "more than 4 objects and lists"),
        (
            b'{"a":"' + b"x" * 99 + b'"}',
            b'{"a":[' + b'"",' * 99 + b'""]}',
            "3 members and 6 values",
        ),
    ],
    ids=repr,
)
def test_structure_at_the_limits(within: bytes, beyond: bytes, problem: str) -> None:
    """What stands outside of strings counts; at the limit it is read, beyond it is refused."""
    assert json_object(within, LIMITS) == json.loads(within)
    with pytest.raises(EncodingError, match=problem):
        json_object(beyond, LIMITS)


def test_a_thousand_groups() -> None:
    """The default limits leave room for the groups of a large organization."""
    groups = [f"Last{n}, First: {n}" for n in range(1000)]
    claims = {"groups": groups, **{f"claim{n}": {"n": n} for n in range(30)}}
    text = json.dumps(claims).encode()
    assert json_object(text, JsonLimits()) == claims
    with pytest.raises(EncodingError, match="values"):
        json_object(text, JsonLimits(values=999))


def test_limits_do_not_depend_on_the_length() -> None:
    """A short text is not counted, and could not exceed the limits if it were."""
    for limits in (JsonLimits(values=100), JsonLimits(containers=9), JsonLimits(members=9)):
        for unit in ("[]", "{}", "0", '""', '{"":0}'):
            for count in range(1, 150):
                text = f'{{"a":[{",".join([unit] * count)}]}}'.encode()
                outcomes = []
                for padded in (text, text + b" " * 1000):
                    try:
                        outcomes.append(bool(json_object(padded, limits)))
                    except EncodingError:
                        outcomes.append(False)
                assert outcomes[0] is outcomes[1], text


def test_a_stack_that_is_nearly_used_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look for lone surrogates needs more of the stack than the parser did."""

    def dumps(*_: Any, **__: Any) -> str:
        raise RecursionError

    monkeypatch.setattr(json, "dumps", dumps)
    with pytest.raises(EncodingError, match="nested too deeply"):
        json_object(rb'{"a":"\u0041"}')


def test_limits_in_words() -> None:
    """Their repr is how they are made."""
    limits = JsonLimits(values=5_000)
    assert repr(limits) == "JsonLimits(containers=256, members=256, values=5000)"
    assert repr(eval(repr(limits))) == repr(limits)


@pytest.mark.parametrize("limit", [0, -1, True, 1.0, "5", None])
@pytest.mark.parametrize("name", ["containers", "members", "values"])
def test_limits_are_positive_integers(name: str, limit: Any) -> None:
    """Anything else is refused when the limits are made."""
    with pytest.raises(ConfigurationError, match=name):
        JsonLimits(**{name: limit})


@pytest.mark.parametrize(
    ("text", "issuer"),
    [
        (b'{"iss":"me"}', "me"),
        (b' {"a":{"iss":"you"},"iss":"me","n":1e999,"m":NaN} ', "me"),
        (b'{"iss":"you","iss":"me"}', "me"),
        (b'{"iss":5}', None),
        (b"{}", None),
        (b"[]", None),
    ],
    ids=repr,
)
def test_a_member_is_skimmed(text: bytes, issuer: str | None) -> None:
    """A string is found in whatever is JSON, and numbers are not looked at."""
    assert skimmed_member(text, "iss", JsonLimits()) == issuer


@pytest.mark.parametrize("text", [b"", b"{", b"{} x", b"\xff", b"[" * 300])
def test_what_cannot_be_skimmed(text: bytes) -> None:
    """The structure is bounded there, too, and the text must be JSON."""
    with pytest.raises(EncodingError):
        skimmed_member(text, "iss", JsonLimits())


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"", "not valid JSON"),
        (b"[]", "not a JSON object"),
        (b'"x"', "not a JSON object"),
        (b"1", "not a JSON object"),
        (b"null", "not a JSON object"),
        (b"{} {}", "data after"),
        (b"{}\x00", "data after"),
        (b"\xef\xbb\xbf{}", "not valid JSON"),
        ('{"a":1}'.encode("utf-16"), "not valid JSON"),
        (b'{"a":"\xff"}', "not valid JSON"),
        (b'{"a":"\xed\xa0\x80"}', "not valid JSON"),
        (b'{"a":1,"a":1}', "two members"),
        (b'{"a":{"b":1,"b":2}}', "two members"),
        (b'{"a" :1,"a":"http://"}', "two members"),
        (b'{"a":{},"a":"://"}', "two members"),
        (b'{"a://b":1,"a://b":2}', "two members"),
        (b'{"a":1,"\\u0061":2}', "two members"),
        (b'{"a":NaN}', "NaN"),
        (b'{"a":Infinity}', "NaN"),
        (b'{"a":-Infinity}', "NaN"),
        (b'{"a":1e999}', "too large"),
        (b'{"a":-1e999}', "too large"),
        (rb'{"a":"\ud800"}', "surrogate"),
        (rb'{"\udc00":1}', "surrogate"),
        (b'{"a":' + b"9" * 4301 + b"}", "not valid JSON"),
        (b"{'a':1}", "not valid JSON"),
        (b'{"a":1,}', "not valid JSON"),
        (b'{"a":01}', "not valid JSON"),
        (b'{"a":"\n"}', "not valid JSON"),
        (b"{" * 100_000, "objects and lists"),
        (b'{"a":' * 100_000, "more than"),
        (b"[" * 999 + b"]" * 999, "not "),
    ],
    ids=lambda value: repr(value)[:30],
)
def test_json_refused(text: bytes, problem: str) -> None:
    """Everything that two parsers could read in two ways, or that could exhaust one."""
    with pytest.raises(EncodingError, match=problem):
        json_object(text)


@pytest.mark.parametrize("end", ["", '"', "\\"])
@pytest.mark.parametrize("piece", ['\\"', '"', "\\\\", '"[', "\\"])
def test_hostile_text_takes_no_longer_than_any(piece: str, end: str) -> None:
    """A megabyte is refused at once; what looked at octets twice would need most of an hour."""
    text = '{"a":' + "[" * 1001 + '"' + piece * (1_000_000 // len(piece)) + end
    with pytest.raises(EncodingError):
        json_object(text.encode())


_TEXTS = st.text('ab:/{}[]\\"\u00e9', max_size=4).map(json.dumps)
_SPACE = st.sampled_from(["", " ", "\n\t"])


def _objects(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    parts = st.tuples(_TEXTS, _SPACE, st.just(":"), _SPACE, values, _SPACE)
    members = st.lists(parts.map("".join), max_size=4)
    return members.map(lambda each: f"{{{','.join(each)}}}")


def _lists(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return st.lists(values, max_size=3).map(lambda each: f"[{','.join(each)}]")


_VALUES = st.recursive(
    _TEXTS | st.sampled_from(["1", "null", "{}", "[]"]),
    lambda values: _lists(values) | _objects(values),
    max_leaves=6,
)


@given(_objects(_VALUES))
def test_no_name_twice_however_it_is_written(text: str) -> None:
    """An object in which a name comes twice is refused, at any depth; others are read as ever."""
    twice = []

    def members(pairs: list[tuple[str, object]]) -> dict[str, object]:
        twice.append(len(dict(pairs)) != len(pairs))
        return dict(pairs)

    expected = json.loads(text, object_pairs_hook=members)
    if any(twice):
        with pytest.raises(EncodingError, match="two members"):
            json_object(text.encode())
    else:
        assert json_object(text.encode()) == expected


@given(st.binary(max_size=200) | st.text(max_size=200).map(lambda t: t.encode("utf-8", "replace")))
def test_any_octets_end_in_an_object_or_in_our_error(octets: bytes) -> None:
    """And the error's chain never holds the input (JSONDecodeError.doc would)."""
    try:
        assert json_object(octets) == json.loads(octets)
    except EncodingError as error:
        assert error.__cause__ is None
        assert error.__context__ is None


@pytest.mark.parametrize(
    ("octets", "value"), [(b"[]", []), (b" [1, {}] ", [1, {}]), (b'["\xc3\xa9"]', ["é"])]
)
def test_json_list(octets: bytes, value: list[object]) -> None:
    """One array, by the rules of objects."""
    assert json_list(octets) == value


@pytest.mark.parametrize(
    "octets", [b"{}", b"1", b"null", b"[", b"[] []", b'[{"a":1,"a":2}]', b"", rb'["\ud800"]']
)
def test_what_is_no_json_list(octets: bytes) -> None:
    """Another type, trailing data, a duplicate member."""
    with pytest.raises(EncodingError):
        json_list(octets)
