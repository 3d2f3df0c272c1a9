"""What the commands print, and with what they exit.

A table is for a terminal; a pipe gets the same rows between tabs, and ``--json`` one document whose
members do not change within a major version. Errors go to stderr.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import update_wrapper
from typing import Any, ParamSpec, TypeVar

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    HookKeyApiError,
    HookKeyError,
    HookVerificationError,
    KeySourceConfigurationError,
    NotFoundError,
)

__all__ = ["as_json", "command", "exit_code", "plain", "print_json", "print_rows", "tell"]

P = ParamSpec("P")
R = TypeVar("R")

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")


def exit_code(error: HookKeyError) -> int:
    """Return 1 not verified, 2 usage, 3 unavailable, 4 not found, 5 forbidden."""
    if isinstance(error, ConfigurationError | KeySourceConfigurationError):
        return 2
    if isinstance(error, AuthenticationError | ForbiddenError):
        return 5
    if isinstance(error, NotFoundError):
        return 4
    if error.retryable:
        return 3
    if isinstance(error, HookVerificationError | HookKeyApiError):
        return 1
    return 2


def command(function: Callable[P, R]) -> Callable[P, R]:
    """End a command that meets one of our errors with its text and its exit code."""

    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except HookKeyError as error:
            code = exit_code(error)
            # A person who mistyped has configured nothing.
            text = error.detail if isinstance(error, ConfigurationError) else str(error)
            tell(f"hookkey: {plain(text)}")
            if kwargs.get("as_json"):
                print_json({"error": {"reason": error.reason, "message": str(error)}})
        raise SystemExit(code)

    return update_wrapper(guarded, function)


def tell(text: str) -> None:
    """Say something on stderr; that nobody listens there must not cost the result."""
    with suppress(OSError):
        click.echo(text, err=True)


def print_json(document: Any) -> None:
    """Print one document."""
    click.echo(json.dumps(document, indent=2))


def plain(text: str) -> str:
    """Return text without what a terminal would obey; names come from whoever made the key."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def print_rows(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Print a table on a terminal, and elsewhere lines with tabs between the cells."""
    rows = [[plain(cell) for cell in row] for row in rows]
    if sys.stdout is None or not sys.stdout.isatty():  # None when the shell has closed it
        for row in rows:
            click.echo("\t".join(row))
        return
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in titles:
        table.add_column(title, overflow="fold")
    for row in rows:
        table.add_row(*row)
    Console(highlight=False, markup=False, emoji=False).print(table)
