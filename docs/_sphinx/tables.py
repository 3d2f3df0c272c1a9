"""Markdown that is generated from the code: settings, reasons, events, metrics and commands."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final

import click

from hookkey_verify import _metrics, errors
from hookkey_verify.cli.commands import hookkey
from hookkey_verify.errors import HookKeyError, HookVerificationError, Reason
from hookkey_verify.events import EventName
from hookkey_verify.settings import NAMES

__all__ = ["TABLES", "reason_classes"]

_OF_REQUESTS: Final = "Reasons of requests"
_RUNBOOK: Final = Path(__file__).parents[1] / "runbook.md"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _table(titles: tuple[str, ...], rows: Iterator[tuple[str, ...]]) -> str:
    lines = [titles, ("---",) * len(titles), *rows]
    return "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines) + "\n"


def reason_classes() -> dict[Reason, type[HookKeyError]]:
    """Return the class that sets each reason."""
    found = {}
    for name in errors.__all__:
        kind = getattr(errors, name)
        if isinstance(kind, type) and issubclass(kind, HookKeyError) and "reason" in vars(kind):
            found[kind.reason] = kind
    return found


def _reasons() -> str:
    """Return one table for each group: those of requests, and the others."""
    classes = reason_classes()
    runbook = _RUNBOOK.read_text(encoding="utf-8")
    groups: dict[str, list[tuple[str, ...]]] = {
        _OF_REQUESTS: [],
        "Reasons of code and of the API": [],
    }
    for reason in Reason:
        kind = classes[reason]
        group, *_ = (name for name in groups if _is_of_a_request(kind) is (name == _OF_REQUESTS))
        groups[group].append(
            (
                f"[`{reason}`](/runbook.md#{reason})",
                str(kind.status_code),
                f"`{kind.__name__}`",
                _meaning(runbook, reason),
            )
        )
    titles = ("reason", "status", "class", "meaning")
    return "\n".join(f"## {name}\n\n{_table(titles, iter(rows))}" for name, rows in groups.items())


def _is_of_a_request(kind: type[HookKeyError]) -> bool:
    return issubclass(kind, HookVerificationError)


def _meaning(runbook: str, reason: Reason) -> str:
    """Return the first sentence of the runbook's entry, with links that work from here."""
    entry = re.search(rf"^### {reason}\n\n(.*?)\n\n", runbook, re.MULTILINE | re.DOTALL)
    if entry is None:
        raise ValueError(f"docs/runbook.md has no entry for {reason}")
    text = re.sub(r"\*\*.*?\*\*", "", " ".join(entry[1].split()))
    sentences = re.split(r"(?<=\.)\s+(?=[A-Z`\d])", text.strip())
    sentence = next(each for each in sentences if re.match(r"[A-Z`\d]", each))
    return re.sub(r"\]\((?!https?:)(\w+\.md)?", _from_anywhere, sentence)


def _from_anywhere(link: re.Match[str]) -> str:
    """Return the start of a link that works on any page."""
    return f"](/{link[1] or 'runbook.md'}"


def _settings() -> str:
    rows = (
        (
            f"`{where.variable}`",
            f"`okta.client.{where.key}`" if where.key else "",
            f"`{name}`",
            where.text + (" A secret." if where.secret else ""),
        )
        for name, where in NAMES.items()
    )
    return _table(("variable", "in okta.yaml", "argument", "meaning"), rows)


def _events() -> str:
    """Return a row for each event, from the docstring of ``EventName``."""
    text = inspect.cleandoc(EventName.__doc__ or "")
    described: dict[str, str] = {}
    for entry in re.finditer(r"^(``\w+``(?:, ``\w+``)*): (.*?)(?=^``|\Z)", text, re.M | re.S):
        for name in re.findall(r"``(\w+)``", entry[1]):
            described[name] = entry[2].replace("``", "`")
    rows = ((f"`{name.value}`", described[name.value]) for name in EventName)
    return _table(("event", "when it is reported, with its outcomes and its seconds"), rows)


def _metric_rows() -> Iterator[tuple[str, ...]]:
    for counter in _metrics.ALL_COUNTERS:
        yield _metric(f"{counter.prometheus}_total", counter.otel, counter)
    for duration in _metrics.DURATIONS.values():
        yield _metric(duration.prometheus, duration.otel, duration)
    for gauge in _metrics.GAUGES:
        yield _metric(gauge.prometheus, gauge.otel, gauge)


def _metric(
    prometheus: str, otel: str, metric: _metrics.Counted | _metrics.Duration | _metrics.Gauge
) -> tuple[str, ...]:
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    kind = {"Counted": "counter", "Duration": "histogram"}.get(type(metric).__name__, "gauge")
    return f"`hookkey_{prometheus}`", f"`hookkey.{otel}`", kind, labels, metric.text


def _metrics_table() -> str:
    return _table(("Prometheus", "OpenTelemetry", "kind", "labels", "meaning"), _metric_rows())


def _commands() -> str:
    context = click.Context(hookkey, info_name="hookkey", **hookkey.context_settings)
    return "\n".join(_sections(hookkey, context, 2))


def _sections(command: click.Command, context: click.Context, level: int) -> Iterator[str]:
    """Yield the section of a command, then those of its subcommands."""
    yield f"{'#' * min(level, 4)} {context.command_path}\n\n{_help(command, context)}"
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None and not found.hidden:
                inner = click.Context(found, info_name=name, parent=context)
                yield from _sections(found, inner, level + 1)


def _help(command: click.Command, context: click.Context) -> str:
    text = inspect.cleandoc(command.help or "").replace("\b\n", "").replace("\f", "")
    text, _, example = text.partition("\n\nExample: ")
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    shown = [f"```text\n{usage}\n```", _escaped(text)]
    if example:
        shown.append(f"Example:\n\n```text\n{example}\n```")
    rows = (
        (", ".join(f"`{each}`" for each in (*option.opts, *option.secondary_opts)), *_about(option))
        for option in command.get_params(context)
        if isinstance(option, click.Option) and not option.hidden
    )
    shown.append(_table(("option", "value", "meaning"), rows))
    return "\n\n".join(shown) + "\n"


def _about(option: click.Option) -> tuple[str, str]:
    """Return the value that an option takes and what it means."""
    if option.is_flag:
        value = ""
    elif isinstance(option.type, click.Choice):
        value = ", ".join(f"`{each}`" for each in option.type.choices)
    else:
        value = f"`{option.metavar or option.type.name.upper()}`"
    default = option.default if isinstance(option.default, str | int) else None
    shown = default is not None and not option.is_flag and str(default) not in (option.help or "")
    notes = [_escaped(option.help or "")]
    notes += ["Required."] if option.required else []
    notes += [f"Default: `{default}`."] if shown else []
    return value, " ".join(notes)


def _escaped(text: str) -> str:
    """Return help text with the characters that Markdown would interpret as its own."""
    parts = re.split(r"(`[^`]*`)", text)
    return "".join(
        part if part.startswith("`") else re.sub(r"([*_<>\[\]])", r"\\\1", part) for part in parts
    )


TABLES: Final[Mapping[str, Callable[[], str]]] = {
    "commands": _commands,
    "events": _events,
    "metrics": _metrics_table,
    "reasons": _reasons,
    "settings": _settings,
}
"""What the directive ``hookkey`` inserts, by its argument."""
