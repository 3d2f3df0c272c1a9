"""Reads filters of the System Log that consist of ``eq``, ``and``, ``or`` and brackets. Pure.

Okta documents more operators (SCIM, RFC 7644 section 3.4.2.2). This parser refuses them instead of
ignoring them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from .okta_error import invalid

__all__ = ["Matches", "parsed_filter"]

Matches = Callable[[Mapping[str, Any]], bool]

ATTRIBUTES: Final = (
    "eventType", "uuid", "severity", "outcome.result", "outcome.reason", "target.id", "target.type",
    "target.alternateId", "target.displayName", "transaction.id", "actor.id",
)  # fmt: skip
MAX_FILTER: Final = 2_000
MAX_DEPTH: Final = 20
_TOKEN = re.compile(r'\s*(?:(?P<text>"(?:[^"\\]|\\.)*")|(?P<word>[A-Za-z.]+)|(?P<mark>[()]))')


def parsed_filter(expression: str) -> Matches:
    """Return a function that says whether an event matches the expression; "" matches all.

    Raises ``OktaError`` (400). GUESS: its text.
    """
    if not expression:
        return lambda _: True
    if len(expression) > MAX_FILTER:
        raise _invalid()
    parser = _Parser(_tokens(expression))
    matches = parser.any_of(0)
    if parser.next() is not None:
        raise _invalid()
    return matches


def _tokens(expression: str) -> list[str]:
    tokens, place = list[str](), 0
    while place < len(expression.rstrip()):
        match = _TOKEN.match(expression, place)
        if match is None:
            raise _invalid()
        tokens.append(match["text"] or match["word"] or match["mark"])
        place = match.end()
    return tokens


class _Parser:
    """A recursive descent over the tokens: ``or`` binds less than ``and``."""

    def __init__(self, tokens: list[str]) -> None:
        self._tokens = tokens[::-1]

    def next(self) -> str | None:
        return self._tokens.pop() if self._tokens else None

    def any_of(self, depth: int) -> Matches:
        parts = [self._all_of(depth)]
        while self._takes("or"):
            parts.append(self._all_of(depth))
        return lambda event: any(part(event) for part in parts)

    def _all_of(self, depth: int) -> Matches:
        parts = [self._one(depth)]
        while self._takes("and"):
            parts.append(self._one(depth))
        return lambda event: all(part(event) for part in parts)

    def _one(self, depth: int) -> Matches:
        if depth > MAX_DEPTH:
            raise _invalid()
        if self._takes("("):
            inner = self.any_of(depth + 1)
            if not self._takes(")"):
                raise _invalid()
            return inner
        attribute, operator, value = self.next(), self.next(), self.next()
        if attribute not in ATTRIBUTES or operator != "eq" or not value or value[0] != '"':
            raise _invalid()
        try:
            wanted = json.loads(value)
        except ValueError:
            raise _invalid() from None
        return _equality(attribute, wanted)

    def _takes(self, token: str) -> bool:
        if self._tokens and self._tokens[-1] == token:
            self._tokens.pop()
            return True
        return False


def _equality(attribute: str, wanted: str) -> Matches:
    member, _, inner = attribute.partition(".")

    def matches(event: Mapping[str, Any]) -> bool:
        value = event.get(member)
        values = value if isinstance(value, list) else [value]
        return any(
            (each or {}).get(inner) == wanted if inner else each == wanted for each in values
        )

    return matches


def _invalid() -> Exception:
    known = ", ".join(ATTRIBUTES)
    cause = f'filter: must compare with eq and "text", joined by and, or, (); known are {known}'
    return invalid("filter", cause)
