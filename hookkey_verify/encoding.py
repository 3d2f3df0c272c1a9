"""base64url and JSON as RFC 7515 and RFC 8725 want them read: one spelling, no leniency. Pure.

The same two readers serve headers, claims and key documents. ``EncodingError`` never holds any of
the input, nor does its context: ``JSONDecodeError.doc`` and ``UnicodeDecodeError.object`` would.
"""

from __future__ import annotations

import json
import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from typing import Any

__all__ = ["BASE64URL", "EncodingError", "base64url_decode", "json_list", "json_object"]

BASE64URL = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
MAX_DEPTH = 32

# What base64url does not have becomes "!", which base64 does not have either.
_TO_BASE64 = bytes.maketrans(b"-_+/=", b"+/!!!")
# By the length modulo 4: the padding, and what the last character may be. In a group of 2 it
# carries 2 bits, in a group of 3 it carries 4; the rest must be zero, or several texts would decode
# alike.
_ENDS = ((b"", BASE64URL), (b"", b""), (b"==", b"AQgw"), (b"=", b"AEIMQUYcgkosw048"))
# Possessive, and the last quote may be missing: it never looks at an octet twice, whatever comes.
_JSON_STRING = re.compile(r'"(?:[^"\\]|\\.)*+"?', re.DOTALL)


class EncodingError(ValueError):
    """The input is not strict base64url or not a strict JSON object; the text says which rule."""


def base64url_decode(text: bytes) -> bytes:
    """Decode unpadded, canonical base64url (RFC 7515 section 2).

    Raises ``EncodingError`` for any other character, padding, an impossible length, or spare bits
    that are not zero.
    """
    padding, last_characters = _ENDS[len(text) & 3]
    if not text or text[-1] in last_characters:
        try:
            return a2b_base64(text.translate(_TO_BASE64) + padding, strict_mode=True)
        except Base64Error:
            pass
    if text.translate(None, BASE64URL):
        raise EncodingError("has a character that base64url does not have")
    raise EncodingError("is not canonical base64url")


def json_object(octets: bytes) -> dict[str, Any]:
    """Read one JSON object from UTF-8 octets.

    Raises ``EncodingError`` for anything else: another type, trailing data, a byte order mark,
    duplicate member names (RFC 7515 section 4), NaN and infinities, lone surrogates, integers of
    more than 4300 digits, nesting deeper than 32.
    """
    value = _json(octets)
    if type(value) is dict:
        return value
    raise EncodingError("is not a JSON object")


def json_list(octets: bytes) -> list[Any]:
    """Read one JSON array by the rules of ``json_object``. Raises ``EncodingError``."""
    value = _json(octets)
    if type(value) is list:
        return value
    raise EncodingError("is not a JSON array")


def _json(octets: bytes) -> object:
    try:
        text = octets.decode("utf-8")
        if "[" in text or text.rfind("{") > 0:
            _limit_depth(text)
        start = 0 if text[:1] == "{" else _after_space(text, 0)
        value, end = _FAST_DECODER.raw_decode(text, start)
        # With one comma less than names, each one parts two members of this object, so no name came
        # twice, and no object inside has two. Where there are lists, colons tell the same: every
        # member has one, which is never before "//", because that begins no JSON value.
        if type(value) is not dict or (
            text.count(",") + 1 != len(value) and text.count(":") - text.count("://") != len(value)
        ):
            value, end = _DECODER.raw_decode(text, start)
        if end != len(text) and _after_space(text, end) != len(text):
            raise _RefusedError("has data after the JSON value")
        if "\\" in text and "\\u" in text:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
    except _RefusedError as refusal:
        problem = str(refusal)
    except UnicodeEncodeError:
        problem = "has a lone surrogate"
    except (ValueError, RecursionError):
        problem = "is not valid JSON in UTF-8"
    else:
        return value
    raise EncodingError(problem)  # here, where no context with the document in it hangs on


class _RefusedError(ValueError):
    """Valid for Python's parser, refused by us."""


def _unique_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RefusedError("has two members of one name")
    return members


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise _RefusedError("has a number that is too large")
    return number


def _no_constants(_: str) -> Any:
    raise _RefusedError("has NaN or Infinity, which JSON does not have")


def _after_space(text: str, index: int) -> int:
    while index < len(text) and text[index] in " \t\r\n":
        index += 1
    return index


def _limit_depth(text: str) -> None:
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return
    depth = 0
    for character in _JSON_STRING.sub("", text):
        if character in "{[":
            depth += 1
            if depth > MAX_DEPTH:
                raise _RefusedError("is nested too deeply")
        elif character in "}]":
            depth -= 1


_FAST_DECODER = json.JSONDecoder(parse_float=_finite, parse_constant=_no_constants)
_DECODER = json.JSONDecoder(
    object_pairs_hook=_unique_members, parse_float=_finite, parse_constant=_no_constants
)
