"""Decodes base64url and JSON strictly, as RFC 7515 and RFC 8725 require. Pure.

All headers, claims and key documents are read here. ``EncodingError`` contains no part of the
input, and neither does its context; ``JSONDecodeError.doc`` and ``UnicodeDecodeError.object`` would
contain it.
"""

from __future__ import annotations

import json
import re
from binascii import a2b_base64
from collections.abc import Callable, Sequence
from typing import Any

from .._arguments import whole_number

__all__ = [
    "BASE64URL",
    "DOCUMENT",
    "EncodingError",
    "JsonLimits",
    "base64url_decode",
    "checked_base64",
    "json_list",
    "json_object",
    "skimmed_member",
]

BASE64URL = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

# Translates base64url to base64, and characters outside base64url to bytes that are not ASCII.
_TO_BASE64 = bytes(
    b"+/"[b"-_".index(c)] if c in b"-_" else c if c in BASE64URL else 0x80 for c in range(256)
)
# By the length modulo 4: the padding, and the accepted last characters. In a last group of 2
# characters, the last one carries 2 bits, and in a group of 3 it carries 4. Its other bits must be
# zero, or several texts would decode to the same bytes.
_ENDS = ((b"", BASE64URL), (b"", b""), (b"==", b"AQgw"), (b"=", b"AEIMQUYcgkosw048"))
_NO_PUNCTUATION = bytes({*range(256)} - {*b"{[:,"})
_NO_STRUCTURE = bytes({*range(256)} - {*b'{[:,"'})
_SPACE = re.compile(r"[ \t\r\n]*+")

_Scan = Callable[[str, int], tuple[Any, int]]


class EncodingError(ValueError):
    """The input is not strict base64url or not strict JSON; the text names the broken rule."""


class JsonLimits:
    """Limits on the structure of a JSON text, which bound the time and memory for parsing it.

    ``containers``: the largest number of objects and lists, which also limits the depth of nesting.
        Default 256.
    ``members``: the largest number of members in all objects together. Default 256.
    ``values``: the largest number of commas, objects and lists together. This sum is at least the
        number of values, such as the names in a list of groups. Default 1,100.

    Raises ``ConfigurationError`` unless all are positive integers.

    For example:

    >>> from hookkey_verify.verifier import JsonLimits
    >>> JsonLimits(members=20).members
    20
    """

    __slots__ = ("containers", "members", "uncounted_bytes", "values")

    def __init__(self, *, containers: int = 256, members: int = 256, values: int = 1_100) -> None:
        self.containers = whole_number("containers", containers, 1)
        self.members = whole_number("members", members, 1)
        self.values = whole_number("values", values, 1)
        # An object or list has two bytes at least, a member four, and two values three: "[],".
        self.uncounted_bytes = min(2 * containers, 4 * members, values * 3 // 2)

    @classmethod
    def widest(cls, limits: Sequence[JsonLimits]) -> JsonLimits:
        """Return limits that accept every text that at least one of these limits accepts."""
        return cls(
            containers=max(each.containers for each in limits),
            members=max(each.members for each in limits),
            values=max(each.values for each in limits),
        )

    def __repr__(self) -> str:
        return (
            f"JsonLimits(containers={self.containers}, members={self.members}, "
            f"values={self.values})"
        )


DOCUMENT = JsonLimits(containers=1_000, members=20_000, values=20_000)
"""Limits for documents of configured servers: a JWK Set, the list of an org's keys."""


def base64url_decode(text: bytes) -> bytes:
    """Decode unpadded, canonical base64url (RFC 7515 section 2).

    Raises ``EncodingError`` for other characters, padding, an impossible length, or unused bits
    that are not zero.
    """
    return a2b_base64(checked_base64(text))


def checked_base64(text: bytes) -> bytes:
    """Check canonical base64url and return it as padded base64 for ``a2b_base64``.

    Raises the same errors as ``base64url_decode``.
    """
    padding, last_characters = _ENDS[len(text) & 3]
    base64 = text.translate(_TO_BASE64)
    if not base64.isascii():
        raise EncodingError("has a character that base64url does not have")
    if text and text[-1] not in last_characters:
        raise EncodingError("is not canonical base64url")
    return base64 + padding


def json_object(data: bytes, limits: JsonLimits = DOCUMENT) -> dict[str, Any]:
    """Read one JSON object from UTF-8 bytes.

    Raises ``EncodingError`` for anything else: another type, trailing data, a byte order mark,
    duplicate member names (RFC 7515 section 4), NaN and infinities, lone surrogates, integers of
    more than 4300 digits, more structure than ``limits`` allows.
    """
    value = _parsed(data, limits, _READER)
    if type(value) is not dict:
        raise EncodingError("is not a JSON object")
    if b"\\u" in data:
        _refuse_lone_surrogates(value)
    return value


def json_list(data: bytes, limits: JsonLimits = DOCUMENT) -> list[Any]:
    """Read one JSON array by the rules of ``json_object``. Raises ``EncodingError``."""
    value = _parsed(data, limits, _READER)
    if type(value) is not list:
        raise EncodingError("is not a JSON array")
    if b"\\u" in data:
        _refuse_lone_surrogates(value)
    return value


def skimmed_member(data: bytes, name: str, limits: JsonLimits) -> str | None:
    """Return a string member of an unverified JSON object, or None.

    This is cheaper than ``json_object``, because numbers are not converted. It does not detect
    duplicate names and lone surrogates, so use the result only to select a verifier. Raises
    ``EncodingError`` for invalid JSON and for more structure than ``limits`` allows.
    """
    value = _parsed(data, limits, _SKIMMER)
    member = value.get(name) if type(value) is dict else None
    return member if type(member) is str else None


def _parsed(data: bytes, limits: JsonLimits, scan: _Scan) -> object:
    try:
        text = data.decode("utf-8")
        if len(data) > limits.uncounted_bytes:
            _check_structure(data, limits)
        start = 0 if text[:1] == "{" else _after_space(text, 0)
        value, end = scan(text, start)
        if end != len(text) and _after_space(text, end) != len(text):
            raise _RefusedError("has data after the JSON value")
    except _RefusedError as refusal:
        problem = str(refusal)
    except (ValueError, RecursionError, StopIteration):
        problem = "is not valid JSON in UTF-8"
    else:
        return value
    raise EncodingError(problem)  # outside except, so that no context contains the document


class _RefusedError(ValueError):
    """The input is something that Python's parser accepts but this module refuses."""


def _check_structure(data: bytes, limits: JsonLimits) -> None:
    """Refuse a text with more structure than the limits allow, in linear time."""
    if _excess(data.translate(None, _NO_PUNCTUATION), limits) is None:
        return
    # Count again without string contents. After escaped quotes are removed, every other part
    # between quotes is outside a string; removing "" does not change that. A backslash outside a
    # string is invalid JSON, so the parser stops there.
    quoted = data.replace(b"\\\\", b"").replace(b'\\"', b"").translate(None, _NO_STRUCTURE)
    if quoted.count(b'"') > 2 * (limits.values + limits.members):
        raise _RefusedError(f"has more than {limits.members} members and {limits.values} values")
    excess = _excess(b"".join(quoted.replace(b'""', b"").split(b'"')[::2]), limits)
    if excess is not None:
        raise _RefusedError(f"has more than {excess}")


def _excess(punctuation: bytes, limits: JsonLimits) -> str | None:
    """Return the name of the exceeded limit, or None."""
    containers = punctuation.count(b"{") + punctuation.count(b"[")
    if containers > limits.containers:
        return f"{limits.containers} objects and lists"
    if punctuation.count(b":") > limits.members:
        return f"{limits.members} members"
    if punctuation.count(b",") + containers > limits.values:
        return f"{limits.values} values"
    return None


def _refuse_lone_surrogates(value: object) -> None:
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
        return
    except UnicodeEncodeError:
        problem = "has a lone surrogate"
    except RecursionError:
        problem = "is nested too deeply"
    raise EncodingError(problem)


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RefusedError("has two members with the same name")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _RefusedError("has a number that is too large")
    return number


def _no_constants(_: str) -> Any:
    raise _RefusedError("has NaN or Infinity, which JSON does not have")


def _after_space(text: str, index: int) -> int:
    space = _SPACE.match(text, index)
    return space.end() if space else index


def _scanner(**hooks: Any) -> _Scan:
    """Return the scanner of a decoder, without the overhead of raw_decode."""
    return json.JSONDecoder(**hooks).scan_once  # type: ignore[attr-defined, no-any-return]


_READER = _scanner(
    object_pairs_hook=_unique_members, parse_float=_finite, parse_constant=_no_constants
)
_SKIMMER = _scanner(parse_int=len, parse_float=len, parse_constant=len)
