"""Strict reading of base64url and JSON."""

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
def test_base64url_round_trip(data: bytes) -> None:
    """The decoder restores the bytes that the standard library encoded."""
    assert base64url_decode(urlsafe_b64encode(data).rstrip(b"=")) == data


@given(st.lists(st.sampled_from(BASE64URL), max_size=12).map(bytes))
def test_one_text_for_each_value(text: bytes) -> None:
    """Only the canonical encoding of a value is decoded (RFC 4648 section 3.5)."""
    try:
        data = base64url_decode(text)
    except EncodingError:
        return
    assert urlsafe_b64encode(data).rstrip(b"=") == text


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
    """Text that is not unpadded, canonical base64url is refused."""
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
    """Any JSON object in UTF-8 is read; brackets inside strings do not count as structure."""
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
    """A text at a limit is read, one beyond it is refused; the contents of strings do not count."""
    assert json_object(within, LIMITS) == json.loads(within)
    with pytest.raises(EncodingError, match=problem):
        json_object(beyond, LIMITS)


def test_a_thousand_groups() -> None:
    """The default limits accept a list of 1,000 group names, as large organizations have."""
    groups = [f"Last{n}, First: {n}" for n in range(1000)]
    claims = {"groups": groups, **{f"claim{n}": {"n": n} for n in range(30)}}
    text = json.dumps(claims).encode()
    assert json_object(text, JsonLimits()) == claims
    with pytest.raises(EncodingError, match="values"):
        json_object(text, JsonLimits(values=999))


def test_limits_do_not_depend_on_the_length() -> None:
    """The limits hold for short texts, whose structure is not counted, as for long ones."""
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
    """A text is refused if the search for lone surrogates exceeds the recursion limit."""

    def dumps(*_: Any, **__: Any) -> str:
        raise RecursionError

    monkeypatch.setattr(json, "dumps", dumps)
    with pytest.raises(EncodingError, match="nested too deeply"):
        json_object(rb'{"a":"\u0041"}')


def test_limits_in_words() -> None:
    """The repr of the limits is an expression that creates equal limits."""
    limits = JsonLimits(values=5_000)
    assert repr(limits) == "JsonLimits(containers=256, members=256, values=5000)"
    assert repr(eval(repr(limits))) == repr(limits)


@pytest.mark.parametrize("limit", [0, -1, True, 1.0, "5", None])
@pytest.mark.parametrize("name", ["containers", "members", "values"])
def test_limits_are_positive_integers(name: str, limit: Any) -> None:
    """A limit that is not a positive integer is refused when ``JsonLimits`` is created."""
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
    """A string member is returned from any JSON object, otherwise None; numbers are not checked."""
    assert skimmed_member(text, "iss", JsonLimits()) == issuer


@pytest.mark.parametrize("text", [b"", b"{", b"{} x", b"\xff", b"[" * 300])
def test_what_cannot_be_skimmed(text: bytes) -> None:
    """``skimmed_member`` refuses text that is not JSON or exceeds the structure limits."""
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
    """Text is refused if parsers could read it differently or if it could exhaust a parser."""
    with pytest.raises(EncodingError, match=problem):
        json_object(text)


@pytest.mark.parametrize("end", ["", '"', "\\"])
@pytest.mark.parametrize("piece", ['\\"', '"', "\\\\", '"[', "\\"])
def test_hostile_text_takes_no_longer_than_any(piece: str, end: str) -> None:
    """A hostile text of a megabyte is refused in linear time; quadratic time would take an hour."""
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
    """An object with a duplicate name at any depth is refused; other objects are read as usual."""
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
def test_any_bytes_end_in_an_object_or_in_our_error(data: bytes) -> None:
    """Any bytes give an object or an ``EncodingError`` whose chain does not contain the input.

    ``JSONDecodeError.doc`` would contain it.
    """
    try:
        assert json_object(data) == json.loads(data)
    except EncodingError as error:
        assert error.__cause__ is None
        assert error.__context__ is None


@pytest.mark.parametrize(
    ("data", "value"), [(b"[]", []), (b" [1, {}] ", [1, {}]), (b'["\xc3\xa9"]', ["é"])]
)
def test_json_list(data: bytes, value: list[object]) -> None:
    """``json_list`` reads one JSON array in UTF-8."""
    assert json_list(data) == value


@pytest.mark.parametrize(
    "data", [b"{}", b"1", b"null", b"[", b"[] []", b'[{"a":1,"a":2}]', b"", rb'["\ud800"]']
)
def test_what_is_no_json_list(data: bytes) -> None:
    """``json_list`` refuses other types, trailing data, duplicate members and lone surrogates."""
    with pytest.raises(EncodingError):
        json_list(data)
