"""Queries of the System Log: their parameters, the links to further pages, and the pauses. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import MAXYEAR, UTC, datetime, timedelta
from typing import Final
from urllib.parse import urlencode, urlsplit

from ..errors import ConfigurationError
from .http import Answer
from .paths import LOGS
from .transport import rate_limit

__all__ = [
    "PAGE",
    "beginning",
    "check_period",
    "first_path",
    "next_path",
    "okta_time",
    "pause_after",
]

PAGE: Final = 500
"""Events per request; Okta returns up to 1000."""
LONGEST: Final = timedelta(days=90)
"""How long Okta keeps events."""
_BEGINNING: Final = datetime(2000, 1, 1, tzinfo=UTC)
_NEXT = re.compile(r'<([^<>]*)>\s*;\s*rel="next"')


def check_period(since: object, until: object, filter: object) -> None:  # noqa: A002
    """Raise ``ConfigurationError`` unless a query can have these arguments."""
    beginning(since, _BEGINNING)
    if until is not None and not _is_time(until):
        raise ConfigurationError("until must be a time with a time zone, from the year 2000 on")
    if not isinstance(filter, str):
        raise ConfigurationError("filter must be text")


def beginning(since: object, now: datetime) -> datetime:
    """Return the beginning of a period that ends ``now``. Raises ``ConfigurationError``."""
    if isinstance(since, datetime) and _is_time(since):
        return since
    if isinstance(since, timedelta) and timedelta(0) <= since <= LONGEST:
        return now - since
    raise ConfigurationError(
        "since must be a time with a time zone, from the year 2000 on, or a timedelta of at most "
        "90 days"
    )


def _is_time(value: object) -> bool:
    """Return whether this is a time with a time zone that UTC can express too."""
    return (
        isinstance(value, datetime)
        and value.tzinfo is not None
        and _BEGINNING.year <= value.year < MAXYEAR
    )


def first_path(query: Mapping[str, str]) -> str:
    """Return the path and query of the first page, without empty parameters."""
    given = {name: value for name, value in query.items() if value}
    return f"{LOGS}?{urlencode({'limit': str(PAGE), **given})}"


def next_path(answer: Answer, path: str = LOGS) -> str | None:
    """Return the path and query of the next page, or None.

    Only the query of the link is used, so that the credentials go nowhere else.
    """
    match = _NEXT.search(answer.headers.get("Link", ""))
    if match is None:
        return None
    try:
        query = urlsplit(match[1]).query
    except ValueError:
        return None
    return f"{path}?{query}" if query else None


def pause_after(answer: Answer) -> float:
    """Return the seconds until the rate limit resets if little of it is left, or 0."""
    names = ("X-Rate-Limit-Remaining", "X-Rate-Limit-Limit")
    left, limit = (answer.headers.get(name, "") for name in names)
    if not (left.isascii() and left.isdigit() and limit.isascii() and limit.isdigit()):
        return 0.0
    return rate_limit(answer.headers)[1] if int(left) * 10 <= int(limit) else 0.0


def okta_time(moment: datetime) -> str:
    """Return a time in the format of Okta's parameters."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
