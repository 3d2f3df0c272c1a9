"""Files that hold tokens, keys and secrets, as arguments. What is no file's name is not repeated.

Somebody may have typed the secret itself in the place of the file that holds it.
"""

from __future__ import annotations

import re
from typing import Any

import click

__all__ = ["InputFile", "PathOfFile", "is_token"]

_TOKEN = re.compile(r"(?i:bearer\s)|eyJ")


def is_token(text: str) -> bool:
    """Tell whether this looks like a JWT, with or without Bearer before it."""
    return _TOKEN.match(text) is not None


class InputFile(click.File):
    """A file that is read, or "-" for standard input."""

    def __init__(self) -> None:
        super().__init__("rb")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Open the file."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            problem = _problem(value)
        raise click.BadParameter(problem, ctx=ctx, param=param)


class PathOfFile(click.Path):
    """The path of a file that exists."""

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, readable=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Look for the file."""
        try:
            return super().convert(value, param, ctx)
        except (click.BadParameter, OSError, ValueError):  # OSError: the name is too long
            problem = _problem(value)
        raise click.BadParameter(problem, ctx=ctx, param=param)


def _problem(value: object) -> str:
    if isinstance(value, str) and is_token(value):
        return (
            "this is a token, which other users of the machine could read in the list of "
            "processes: put it into a file, or pipe it in"
        )
    return "there is no file of this name that can be read"
