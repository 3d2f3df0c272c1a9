"""The option ``--since``: a duration before now, or a time."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Final

import click

__all__ = ["since_option"]

_DURATION = re.compile(r"([1-9]\d{0,6})([smhd])", re.ASCII)
_UNITS: Final = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}
MOST: Final = timedelta(days=90)


def _period(_: click.Context, __: click.Parameter, value: str) -> datetime | timedelta:
    """Return a duration such as 90s, 30m, 2h or 7d, or a time with a time zone."""
    match = _DURATION.fullmatch(value.strip())
    if match:
        duration = timedelta(**{_UNITS[match[2]]: int(match[1])})
        if duration <= MOST:
            return duration
        raise click.BadParameter("the System Log keeps 90 days")
    try:
        moment = datetime.fromisoformat(value.strip())
    except ValueError:
        raise click.BadParameter("expected a number with s, m, h or d, or a date and time") from (
            None
        )
    if moment.tzinfo is None:
        raise click.BadParameter("the time needs a time zone, such as Z for UTC")
    return moment


since_option = click.option(
    "--since",
    callback=_period,
    default="1h",
    show_default=True,
    metavar="PERIOD",
    help="How far to look back: a number with s, m, h or d, or a time such as 2026-11-20T08:15Z.",
)
