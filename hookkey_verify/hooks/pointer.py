"""JSON Pointers (RFC 6901) and the patch operations that the commands of a reply use. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

__all__ = ["MISSING", "Obstacle", "change", "join", "lookup", "patched", "split"]

Obstacle: TypeAlias = Literal["missing_target", "missing_parent", "array_index"]
"""Why an operation cannot be applied. Each is the name of a rule."""

MISSING: Final[Any] = object()
"""The value of a member that does not exist."""


def join(names: Iterable[str | int]) -> str:
    """Return the pointer to the member that these names lead to.

    ``names``: member names and array indexes, the outermost first. ``~`` becomes ``~0`` and ``/``
        becomes ``~1`` (RFC 6901 section 3).
    """
    return "".join("/" + str(name).replace("~", "~0").replace("/", "~1") for name in names)


def split(pointer: str) -> tuple[str, ...] | None:
    """Return the names that a pointer consists of, or None if it is not a JSON Pointer.

    ``pointer``: text; the empty pointer has no names.
    """
    if not pointer:
        return ()
    if pointer[0] != "/":
        return None
    tokens = pointer[1:].split("/")
    names = tuple(token.replace("~1", "/").replace("~0", "~") for token in tokens)
    return names if join(names) == pointer else None


def lookup(document: object, names: Sequence[str]) -> Any:
    """Return the value that the names lead to, or ``MISSING``.

    ``document``: the decoded JSON.
    ``names``: member names and array indexes in decimal notation, the outermost first.
    """
    value = document
    for name in names:
        if isinstance(value, Mapping):
            value = value.get(name, MISSING)
        elif isinstance(value, list | tuple):
            index = _index(name, len(value) - 1)
            value = MISSING if index is None else value[index]
        else:
            return MISSING
    return value


def patched(document: object, op: str, names: Sequence[str], value: object) -> Any:
    """Return the document after one operation, or the ``Obstacle`` that prevents it.

    Only the objects and arrays on the way are copied; the document itself does not change.

    ``document``: the decoded JSON, an object.
    ``op``: ``add``, ``replace`` or ``remove`` (RFC 6902 section 4).
    ``names``: what the operation's pointer consists of, at least one name.
    ``value``: the new value; not used by ``remove``.
    """
    root = holder = _copied(document)
    for name in names[:-1]:
        child = _copied(lookup(holder, (name,)))
        if child is None:
            return "missing_parent"
        holder[int(name) if isinstance(holder, list) else name] = child
        holder = child
    return change(holder, op, names[-1], value) or root


def change(
    holder: dict[str, Any] | list[Any], op: str, name: str, value: object
) -> Obstacle | None:
    """Apply one operation to an object or array itself; return what prevents it, or None.

    ``holder``: the object or array that holds the member. It changes.
    ``op``, ``value``: as for ``patched``.
    ``name``: the name or the index of the member.
    """
    if isinstance(holder, list):
        return _change_array(holder, op, name, value)
    return _change_object(holder, op, name, value)


def _copied(value: object) -> Any:
    """Return a shallow copy of an object or an array, and None for anything else."""
    if isinstance(value, Mapping):
        return dict(value)
    return list(value) if isinstance(value, list | tuple) else None


def _change_object(holder: dict[str, Any], op: str, name: str, value: object) -> Obstacle | None:
    if op != "add" and name not in holder:
        return "missing_target"
    if op == "remove":
        del holder[name]
    else:
        holder[name] = value
    return None


def _change_array(holder: list[Any], op: str, name: str, value: object) -> Obstacle | None:
    if op == "add":
        index = len(holder) if name == "-" else _index(name, len(holder))
        if index is None:
            return "array_index"
        holder.insert(index, value)
        return None
    index = _index(name, len(holder) - 1)
    if index is None:
        return "array_index"
    if op == "remove":
        del holder[index]
    else:
        holder[index] = value
    return None


def _index(name: str, last: int) -> int | None:
    """Return an array index in the notation of RFC 6901 section 4, or None if there is none."""
    if not (name.isascii() and name.isdigit()) or (len(name) > 1 and name[0] == "0"):
        return None
    if len(name) > 9:  # longer than any array, and int() refuses very long digits
        return None
    return index if (index := int(name)) <= last else None
