"""What the commands print, and with what they exit.

A table is for a terminal; a pipe gets the same rows between tabs, and ``--json`` one document whose
members do not change within a major version. Errors go to stderr.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import nullcontext, suppress
from functools import update_wrapper
from typing import Any, ParamSpec, TypeVar

import click
from click.core import ParameterSource
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
    UnknownKeyError,
)
from ..settings import NAMES, Settings

__all__ = [
    "CommandGroup",
    "as_json",
    "command",
    "exit_code",
    "found_at",
    "message",
    "plain",
    "print_json",
    "print_rows",
    "tell",
    "unknown_key",
]

GAP, EDGES = 3, 2
"""Characters between two columns of a table, and at its sides."""

READABLE = 12
"""Characters that a column needs at least for its words to be read."""

_SETTING_OF = {"client_id": "hook_client_id", "scopes": "hook_scopes"}
"""Options that are a setting of another name."""

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
            text = message(error)
            tell(f"hookkey: {plain(text)}")
            if kwargs.get("as_json"):
                print_json({"error": {"reason": error.reason, "message": text}})
        raise SystemExit(code)

    return update_wrapper(guarded, function)


class CommandGroup(click.Group):
    """A group whose list of commands shows the whole first sentence of each, and cuts none."""

    def add_command(self, cmd: click.Command, name: str | None = None) -> None:
        """Register a command."""
        summary = (cmd.help or "").partition("\n\n")[0].replace("\n", " ")
        cmd.short_help = cmd.short_help or summary.partition(". ")[0].rstrip(".")
        super().add_command(cmd, name)


def message(error: HookKeyError) -> str:
    """Return an error's text with flags and variables in the place of Python's arguments.

    Values in quotes are left alone: they are somebody's configuration.
    """
    if isinstance(error, UnknownKeyError):
        return f"{error.title}; {unknown_key()}"
    # A person who mistyped has configured nothing.
    text = error.detail if isinstance(error, ConfigurationError) else str(error)
    written = _as_written()
    first = re.match(r"\w+(?=[ =])", text)
    if first and first[0] in written:
        text = written[first[0]] + text[first.end() :]
    # Elsewhere only what cannot be a word of the sentence.
    certain = ["org_url", *(name for name in written if "_" in name and name not in NAMES)]
    names = "|".join(map(re.escape, certain))
    pattern = re.compile(rf"(?<![\w./-])(?:({names})(?:=True\b|=)?|(\w+)=)(?![\w./-])")

    def flag(match: re.Match[str]) -> str:
        return written.get(match[1] or match[2], match[0])

    pieces = re.split(r'("[^"]*")', text)
    return "".join(p if p.startswith('"') else pattern.sub(flag, p) for p in pieces)


def unknown_key() -> str:
    """Return what to do about a key that is not there, in the words of this command."""
    context = click.get_current_context(silent=True)
    by_flags = context is not None and any(p.name == "issuer" for p in context.command.params)
    if found_at("issuer") or (context is not None and context.params.get("issuer")):
        where = "--issuer and HOOKKEY_ISSUER" if by_flags else "HOOKKEY_ISSUER"
        return f"if it is a client assertion, verify it without {where}"
    how = "pass --issuer and --audience" if by_flags else "set HOOKKEY_ISSUER and HOOKKEY_AUDIENCE"
    return f"if it is an access token of an authorization server, {how}"


def found_at(setting: str) -> str | None:
    """Return the variable, or the key and the file, that holds a setting; None: it is not set."""
    settings = Settings()
    try:
        return settings.place(setting) if settings.origin(setting) else None
    except ConfigurationError:  # of a file that cannot be read
        return None


def _as_written() -> dict[str, str]:
    """How Python's arguments are written here: as flags, or where settings are."""
    written = {name: found_at(name) or NAMES[name].variable for name in NAMES}
    context = click.get_current_context(silent=True)
    for parameter in context.command.params if context else ():
        name = parameter.name or ""
        if not isinstance(parameter, click.Option):
            written.setdefault(name, (parameter.metavar or name).strip("[]"))
            continue
        given = context and context.get_parameter_source(name) is ParameterSource.COMMANDLINE
        setting = _SETTING_OF.get(name, name)
        place = found_at(setting) if setting in NAMES and not given else None
        written[name] = place or max(parameter.opts, key=len)
    return written


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


def print_rows(
    titles: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    whole: Collection[str] = (),
    dispensable: Sequence[str] = (),
    err: bool = False,
) -> None:
    """Print a table on a terminal, and elsewhere lines with tabs between the cells.

    ``whole`` are titles of columns that never wrap, because people copy from them; where there is
    no room for all columns, ``dispensable`` ones are left out, the first of them first.
    """
    stream = sys.stderr if err else sys.stdout
    rows = [[plain(cell) for cell in row] for row in rows]
    if stream is None or not stream.isatty():  # None when the shell has closed it
        with suppress(OSError) if err else nullcontext():
            for row in rows:
                click.echo("\t".join(row), err=err)
        return
    widths = {
        title: max(map(cell_len, (title, *cells)))
        for title, *cells in zip(titles, *rows, strict=True)
    }

    def needed(narrowest: int) -> int:
        """Characters of a line whose columns that may wrap have as many as this, at most."""
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
