"""Output and exit codes of the commands.

Terminals get a table and pipes get the same rows separated by tabs. ``--json`` prints one document
whose members do not change within a major version. Errors go to stderr.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import nullcontext, suppress
from functools import update_wrapper
from typing import Any, ParamSpec, TypeVar

import click
from rich.box import SIMPLE_HEAD
from rich.cells import cell_len
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
from .wording import message

__all__ = [
    "CommandGroup",
    "as_json",
    "command",
    "exit_code",
    "place",
    "plain",
    "print_json",
    "print_rows",
    "tell",
]

GAP, EDGES = 3, 2
"""The widths, in characters, between two columns and at the sides of a table."""

READABLE = 12
"""The smallest width, in characters, at which the words of a column are readable."""

MAX_PATH = 150
"""The number of characters that are shown of a path in a reply."""

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
    """Wrap a command so that our errors become a message and an exit code."""

    def guarded(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return function(*args, **kwargs)
        except HookKeyError as error:
            code = exit_code(error)
            text = message(error)
            tell(f"hookkey: {plain(text)}")
            if kwargs.get("as_json"):
                print_json({"error": {"reason": error.reason, "message": text}})
        raise SystemExit(code)

    return update_wrapper(guarded, function)


class CommandGroup(click.Group):
    """A group whose help lists each command with its complete first sentence."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Register a command."""
        summary = (cmd.help or "").partition("\n\n")[0].replace("\n", " ")
        cmd.short_help = cmd.short_help or summary.partition(". ")[0].rstrip(".")
        super().add_command(cmd, name)


def tell(text: str) -> None:
    """Print to stderr. A closed stderr must not fail the command."""
    with suppress(OSError):
        click.echo(text, err=True)


def print_json(document: Any) -> None:
    """Print one document."""
    click.echo(json.dumps(document, indent=2))


def plain(text: str) -> str:
    """Return text without control characters; names of keys may contain them."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def place(path: str) -> str:
    """Return the path of a problem in a reply, for people. Long paths are cut."""
    return plain(path[:MAX_PATH]) or "the whole reply"


def print_rows(
    titles: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    whole: Collection[str] = (),
    dispensable: Sequence[str] = (),
    err: bool = False,
) -> None:
    """Print a table on a terminal, and elsewhere lines with tabs between the cells.

    ``titles``: the titles of the columns.
    ``rows``: the rows, each with one cell per title.
    ``whole``: titles of columns that never wrap, because people copy from them. Default: none.
    ``dispensable``: titles of columns that are dropped, in this order, on a narrow terminal.
        Default: none.
    ``err``: whether to print to stderr. Default False.
    """
    stream = sys.stderr if err else sys.stdout
    rows = [[plain(cell) for cell in row] for row in rows]
    if stream is not None and stream.isatty():  # None when the shell has closed it
        _print_table(titles, rows, whole, dispensable, err=err)
        return
    with suppress(OSError) if err else nullcontext():
        for row in rows:
            click.echo("\t".join(row), err=err)


def _print_table(
    titles: Sequence[str],
    rows: Sequence[Sequence[str]],
    whole: Collection[str],
    dispensable: Sequence[str],
    *,
    err: bool,
) -> None:
    widths = {
        title: max(map(cell_len, (title, *cells)))
        for title, *cells in zip(titles, *rows, strict=True)
    }

    def needed(narrowest: int) -> int:
        """Return the width of a table whose wrapping columns have at most this width."""
        columns = (w if t in whole else min(w, narrowest) for t, w in widths.items())
        return sum(columns) + GAP * (len(widths) - 1) + EDGES

    console = Console(highlight=False, markup=False, emoji=False, stderr=err)
    for title in dispensable:
        if needed(READABLE) > console.width:
            del widths[title]
    console.width = max(console.width, needed(1))
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for title in widths:
        table.add_column(title, overflow="fold", no_wrap=title in whole)
    for row in rows:
        cells = dict(zip(titles, row, strict=True))
        table.add_row(*(cells[title] for title in widths))
    console.print(table)
