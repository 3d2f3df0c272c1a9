"""Typed accessors that read members of a JSON object leniently. Pure.

Types differ between what Okta sends, its guides and its specification: version numbers, telephone
numbers and codes occur as strings and as numbers. An accessor therefore returns None where the
member is absent, null or unusable, and it never raises. Objects and arrays are empty instead of
None, so ``hook.access.claims.get("groups")`` needs no check.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

if TYPE_CHECKING:
    from datetime import datetime

__all__ = [
    "Field",
    "Part",
    "View",
    "array",
    "as_array",
    "as_text",
    "flag",
    "integer",
    "mapping",
    "member",
    "moment",
    "part",
    "parts",
    "text",
    "texts",
]

T = TypeVar("T")
PartT = TypeVar("PartT", bound="Part")

MAX_DIGITS = 18
"""The longest string of digits that is read as an integer; seconds never have more."""


class View:
    """An object of the payload.

    ``raw``: the JSON object as it was received, with all its members.
    """

    __slots__ = ("_exact", "raw")

    def __init__(self, raw: Mapping[str, Any], exact: Any = None) -> None:
        """Create a view.

        ``raw``: the JSON object.
        ``exact``: the same object with the text of each decimal number, such as ``1.80``, in place
            of the float. Default None: no float of ``raw`` lost digits.
        """
        self.raw = raw
        self._exact = raw if exact is None else exact


class Part(View):
    """An object inside the payload. It is empty and false if the payload does not have it."""

    __slots__ = ()

    def __bool__(self) -> bool:
        return bool(self.raw)

    def __repr__(self) -> str:
        return f"<{type(self).__name__}>" if self.raw else f"<{type(self).__name__}: absent>"


class Field(Generic[T]):
    """A read-only attribute of a view that reads the first usable member of several."""

    __slots__ = ("_convert", "_empty", "_paths")

    def __init__(
        self,
        convert: Callable[[Any, Any], T | None],
        empty: Callable[[], T],
        paths: tuple[str, ...],
    ) -> None:
        """Create a field.

        ``convert``: takes the member, and the member with exact numbers. It returns the value of
            the attribute, or None for an unusable member.
        ``empty``: returns the value of the attribute if no member is usable.
        ``paths``: the members' names from the outermost object inwards, joined by dots.
        """
        self._convert = convert
        self._empty = empty
        self._paths = tuple(tuple(path.split(".")) for path in paths)

    @overload
    def __get__(self, view: None, owner: type) -> Field[T]: ...
    @overload
    def __get__(self, view: View, owner: type) -> T: ...
    def __get__(self, view: View | None, owner: type) -> Field[T] | T:
        if view is None:
            return self
        raw, exact = view.raw, view._exact
        for path in self._paths:
            value = member(raw, path)
            found = self._convert(value, value if exact is raw else member(exact, path))
            if found is not None:
                return found
        return self._empty()


def member(document: Any, names: tuple[str, ...]) -> Any:
    """Return the member that the names lead to, or None."""
    for name in names:
        if type(document) is not dict and not isinstance(document, Mapping):
            return None
        document = document.get(name)
    return document


def text(*paths: str) -> Field[str | None]:
    """Declare a string. A number is read as its digits."""
    return Field(lambda _, exact: as_text(exact), _none, paths)


def integer(*paths: str) -> Field[int | None]:
    """Declare an integer. A string of digits is read as an integer."""
    return Field(lambda value, _: _as_integer(value), _none, paths)


def flag(*paths: str) -> Field[bool | None]:
    """Declare a boolean. The strings ``true`` and ``false`` are read as booleans."""
    return Field(lambda value, _: _as_flag(value), _none, paths)


def moment(*paths: str) -> Field[datetime | None]:
    """Declare a date and time. It is always aware; one without an offset is read as UTC."""
    return Field(lambda value, _: _as_moment(value), _none, paths)


def mapping(*paths: str) -> Field[Mapping[str, Any]]:
    """Declare an object with arbitrary members."""
    return Field(lambda value, _: _as_mapping(value), dict, paths)


def array(*paths: str) -> Field[tuple[Any, ...]]:
    """Declare an array with arbitrary elements."""
    return Field(lambda value, _: as_array(value), tuple, paths)


def texts(*paths: str) -> Field[tuple[str, ...]]:
    """Declare an array of strings. A single string is read as an array with one element."""
    return Field(lambda _, exact: _as_texts(exact), tuple, paths)


def part(kind: type[PartT], *paths: str) -> Field[PartT]:
    """Declare an object with known members."""

    def convert(value: object, exact: object) -> PartT | None:
        return kind(value, exact) if isinstance(value, Mapping) else None

    return Field(convert, lambda: kind({}), paths)


def parts(kind: type[PartT], *paths: str) -> Field[dict[str, PartT]]:
    """Declare an object whose members, with arbitrary names, are objects with known members."""

    def convert(value: object, exact: object) -> dict[str, PartT] | None:
        if not isinstance(value, Mapping):
            return None
        return {
            name: kind(each, member(exact, (name,))) if isinstance(each, Mapping) else kind({})
            for name, each in value.items()
            if isinstance(name, str)
        }

    return Field(convert, dict, paths)


def as_text(value: object) -> str | None:
    """Return a string, or a number's digits, or None."""
    if isinstance(value, str):
        return value
    if not isinstance(value, int | float) or isinstance(value, bool):
        return None
    try:
        return str(value)
    except ValueError:  # more digits than sys.get_int_max_str_digits()
        return None


def _none() -> None:
    return None


def _as_integer(value: object) -> int | None:
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and len(value) <= MAX_DIGITS and value.isascii() and value.isdigit():
        return int(value)
    return None


def _as_flag(value: object) -> bool | None:
    if isinstance(value, str):
        return {"true": True, "false": False}.get(value.lower())
    return value if isinstance(value, bool) else None


def _as_moment(value: object) -> datetime | None:
    if not isinstance(value, str):
        return None
    from datetime import UTC, datetime  # noqa: PLC0415 - 1 ms, and few handlers read a time

    try:
        found = datetime.fromisoformat(value)
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


def _as_mapping(value: object) -> Mapping[str, Any] | None:
    return value if isinstance(value, Mapping) else None


def as_array(value: object) -> tuple[Any, ...] | None:
    """Return the elements of an array, or None."""
    return tuple(value) if isinstance(value, list | tuple) else None


def _as_texts(value: object) -> tuple[str, ...] | None:
    if isinstance(value, str):
        return (value,)
    elements = as_array(value)
    if elements is None:
        return None
    found = map(as_text, elements)
    return tuple(element for element in found if element is not None)
