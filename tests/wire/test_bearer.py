"""Reading the bearer token from request headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from requests.structures import CaseInsensitiveDict
from starlette.datastructures import Headers as StarletteHeaders

from hookkey_verify._wire.bearer import bearer_token
from hookkey_verify.errors import (
    ConfigurationError,
    HookKeyError,
    MalformedTokenError,
    MissingTokenError,
    MultipleTokensError,
)


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer a.b.c"},
        {"authorization": "bearer a.b.c"},
        {"AUTHORIZATION": "BEARER   a.b.c "},
        {b"authorization": b"Bearer a.b.c"},
        [("Accept", "x"), ("Authorization", "Bearer a.b.c")],
        [(b"accept", b"x"), (b"authorization", b"Bearer a.b.c")],
        (pair for pair in [("authorization", "Bearer a.b.c")]),
        CaseInsensitiveDict({"Authorization": "Bearer a.b.c"}),
        StarletteHeaders(raw=[(b"authorization", b"Bearer a.b.c")]),
    ],
    ids=lambda headers: f"{type(headers).__name__}",
)
def test_accepted(headers: Any) -> None:
    """The token is read from a mapping or pairs of str or bytes; names and scheme ignore case."""
    assert bearer_token(headers) == "a.b.c"


@pytest.mark.parametrize(
    ("headers", "error"),
    [
        ({}, MissingTokenError),
        ([], MissingTokenError),
        ({"X-Authorization": "Bearer a"}, MissingTokenError),
        ({"Authorization": ""}, MissingTokenError),
        ({"Authorization": "Basic dXNlcg=="}, MissingTokenError),
        ({"Authorization": "a.b.c"}, MissingTokenError),
        ({"Authorization": "Bearer"}, MalformedTokenError),
        ({"Authorization": "Bearer "}, MalformedTokenError),
        ({"Authorization": "Bearer\ta"}, MissingTokenError),
        ({"Authorization": "Bearer a b"}, MalformedTokenError),
        ({"Authorization": "Bearer é"}, MalformedTokenError),
        ({"Authorization": 'Bearer "a"'}, MalformedTokenError),
        ({"Authorization": "Bearer a\n"}, MalformedTokenError),
        ({"Authorization": "Bearer a, Bearer b"}, MultipleTokensError),
        ({"Authorization": "Bearer a,b"}, MultipleTokensError),
        ([("Authorization", "Bearer a"), ("authorization", "Bearer a")], MultipleTokensError),
        ({"Authorization": "Bearer a", "authorization": "Bearer b"}, MultipleTokensError),
        (
            StarletteHeaders(raw=[(b"authorization", b"Bearer a"), (b"authorization", b"Basic b")]),
            MultipleTokensError,
        ),
        (None, ConfigurationError),
        (5, ConfigurationError),
        ("Authorization: Bearer a", ConfigurationError),
        ([("a", "b", "c")], ConfigurationError),
        ({"Authorization": ["Bearer a"]}, ConfigurationError),
        ({"Authorization": None}, ConfigurationError),
        ({5: "x"}, ConfigurationError),
    ],
    ids=repr,
)
def test_refused(headers: Any, error: type[HookKeyError]) -> None:
    """Headers of a wrong type or without exactly one bearer token raise an error."""
    with pytest.raises(error) as caught:
        bearer_token(headers)
    assert type(caught.value) is error


class _Hostile(Mapping[str, str]):
    def __getitem__(self, key: str) -> str:
        raise KeyError(key)

    def __iter__(self) -> Any:
        return iter(("authorization",))

    def __len__(self) -> int:
        return 1


class _Failing:
    def items(self) -> Any:
        raise RuntimeError("secret")


class _StrSubclass(str):
    """A subclass of str with overridden methods, like the header names of some servers."""

    def lower(self) -> Any:
        raise KeyError("secret")

    def strip(self, *_: Any) -> Any:
        return "Bearer other"

    def __str__(self) -> str:
        return "Bearer other"


class _BytesSubclass(bytes):
    """A subclass of bytes with an overridden method."""

    def decode(self, *_: Any) -> Any:
        raise KeyError("secret")


@pytest.mark.parametrize("headers", [_Hostile(), _Failing()], ids=["lies", "raises"])
def test_a_broken_collection(headers: Any) -> None:
    """A headers collection that fails raises ``ConfigurationError`` without the original error."""
    with pytest.raises(ConfigurationError) as caught:
        bearer_token(headers)
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (_StrSubclass("Authorization"), _StrSubclass("Bearer a")),
        (_BytesSubclass(b"Authorization"), _BytesSubclass(b"Bearer a")),
    ],
    ids=["str", "bytes"],
)
def test_subclasses_are_read_as_what_they_hold(name: Any, value: Any) -> None:
    """A subclass of str or bytes is read without calling its overridden methods."""
    assert bearer_token([(name, value)]) == "a"
