"""Argument checks that many constructors share.

Each check raises ``ConfigurationError`` naming the argument if its value is wrong, and otherwise
returns the value, so that a constructor can check and store it in one statement.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from .errors import ConfigurationError

__all__ = ["flag", "function", "seconds", "text", "texts", "whole_number"]

_TEN_YEARS = 10 * 365 * 86_400


def text(name: str, value: object) -> str:
    """Return the value after checking that it is a string that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise ConfigurationError(f"{name} must be a non-empty string")
    return value


def texts(name: str, values: Iterable[Any]) -> tuple[str, ...]:
    """Return a collection of strings as a tuple after checking that none is blank."""
    if isinstance(values, str | bytes) or not isinstance(values, Collection):
        raise ConfigurationError(f"{name} must be a list or tuple of strings")
    return tuple(text(name, value) for value in values)


def seconds(name: str, value: float, least: float, most: float = _TEN_YEARS) -> float:
    """Return the value after checking that it is a number from ``least`` to ``most`` (not NaN)."""
    if type(value) not in (int, float) or not least <= value <= most:
        raise ConfigurationError(f"{name} must be a number of seconds from {least:g} to {most:g}")
    return value


def whole_number(name: str, value: int, least: int, most: int | None = None) -> int:
    """Return the value after checking that it is an integer from ``least`` to ``most``.

    ``most`` None (the default) sets no upper limit.
    """
    if type(value) is not int or value < least or (most is not None and value > most):
        limits = f"of {least} or more" if most is None else f"from {least} to {most}"
        raise ConfigurationError(f"{name} must be a whole number {limits}")
    return value


def flag(name: str, value: bool) -> bool:
    """Return the value after checking that it is True or False, not merely truthy or falsy."""
    if type(value) is not bool:
        raise ConfigurationError(f"{name} must be True or False")
    return value


def function(name: str, value: Any, takes: str) -> Any:
    """Return the value after checking that it is callable.

    ``takes`` describes the function in the error message.
    """
    if not callable(value):
        raise ConfigurationError(f"{name} must be a function {takes}")
    return value
