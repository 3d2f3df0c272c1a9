"""Reads the reasons in the logs of a handler and finds those that belong to a failure. Pure.

The records are those of the logger ``hookkey_verify``: as JSON, one per line and possibly inside
another JSON object, or as text with ``hookkey_reason=…``.
"""

from __future__ import annotations

import json
import re
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any, Final

from ..okta.failures import Cause, HookFailure, cause_in, with_cause

__all__ = ["HandlerLogs", "explained"]

BEFORE: Final = 7.0
"""Seconds before Okta's event in which a record belongs to it: two calls of 3 seconds."""
AFTER: Final = 2.0
MAX_LINE: Final = 64 * 1024
MAX_DEPTH: Final = 5
_TIMES: Final = (
    "timestamp", "@timestamp", "time", "ts", "asctime", "datetime", "date", "created", "t",
)  # fmt: skip
_REASON: Final = "hookkey_reason"
_PLAIN = re.compile(rf"{_REASON}\W{{1,4}}([a-z][a-z0-9_]{{0,63}})\b")
_WHOLE = re.compile(r"[a-z][a-z0-9_]{0,63}")
_DATE = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d{1,9})?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?"
)
_CLOCK_REASONS: Final = ("expired", "issued_in_future", "not_yet_valid")
_REFUSALS: Final = ("400", "401", "403")
"""The statuses with which a token is refused."""
_EXPLAINED: Final = (
    Cause.STATUS,
    Cause.TOKEN_FETCH,
    Cause.NO_ANSWER,
    Cause.UNKNOWN,
    Cause.CLOCK_SKEW,
)
"""The causes that a record of the handler can explain."""


@dataclass(frozen=True, slots=True)
class HandlerLogs:
    """The reasons of a handler with their times, in order."""

    times: tuple[float, ...] = ()
    reasons: tuple[str, ...] = ()
    undated: int = 0
    """The number of records with a reason but without a time."""
    _skews: tuple[float, ...] = field(default=(0.0,), repr=False)

    @classmethod
    def read(cls, lines: Iterable[bytes]) -> HandlerLogs:
        """Read a log. Lines without a reason are ignored."""
        found: list[tuple[float, str]] = []
        undated = 0
        for line in lines:
            at, reason = _record(line[:MAX_LINE].decode("utf-8", "replace"), 0)
            if reason and at is not None:
                found.append((at, reason))
            elif reason:
                undated += 1
        found.sort()
        times, reasons = zip(*found, strict=True) if found else ((), ())
        return cls(times, reasons, undated)

    @classmethod
    def read_file(cls, path: str | None) -> HandlerLogs:
        """Read the file at ``path``; None means that there are no records."""
        if path is None:
            return cls()
        with Path(path).open("rb") as file:
            return cls.read(iter(partial(file.readline, MAX_LINE), b""))

    def with_skew(self, skew: float | None) -> HandlerLogs:
        """Return the same logs for a handler whose clock may be this many seconds ahead."""
        return replace(self, _skews=(0.0,) if skew is None else (0.0, skew))

    def reasons_for(self, failure: HookFailure) -> dict[str, int]:
        """Return how often each reason was logged at the times of a failure."""
        if failure.cause not in _EXPLAINED:
            return {}
        places = {
            place
            for moment in failure.times
            for skew in self._skews
            for place in self._between(moment.timestamp() + skew)
        }
        counted = Counter(self.reasons[place] for place in places)
        return dict(counted.most_common())

    def _between(self, at: float) -> Iterable[int]:
        first = bisect_left(self.times, at - BEFORE)
        return range(first, bisect_right(self.times, at + AFTER))


def explained(failure: HookFailure, reasons: Mapping[str, int]) -> HookFailure:
    """Return the failure with the cause that the handler's most frequent reason shows."""
    reason = next(iter(reasons), "")
    is_unknown = failure.cause is Cause.UNKNOWN
    if not reason or not (is_unknown or failure.detail in _REFUSALS):
        return failure  # a record of the same time may be about another hook
    if reason in _CLOCK_REASONS:
        return with_cause(failure, Cause.CLOCK_SKEW)
    if reason == "insufficient_scope":
        return with_cause(failure, Cause.MISSING_PERMISSION)
    if failure.cause is Cause.CLOCK_SKEW:  # which the clock of this machine has suggested
        return with_cause(failure, cause_in(failure.reason)[0])
    return with_cause(failure, Cause.STATUS) if is_unknown else failure


def _record(line: str, depth: int) -> tuple[float | None, str]:
    """Return the time and the reason in a line; the reason is "" if there is none."""
    if _REASON not in line:
        return None, ""
    start = line.find("{")
    if start >= 0:
        try:
            document = json.loads(line[start:])
        except (ValueError, RecursionError):
            document = None
        if isinstance(document, dict):
            at, reason = _in_object(document, depth)
            return (_dated(line[:start]) if at is None else at), reason
    match = _PLAIN.search(line)
    return _dated(line), match[1] if match else ""


def _in_object(document: Mapping[str, Any], depth: int) -> tuple[float | None, str]:
    """Return the time and the reason in an object or in one inside it; the inner time wins."""
    at = next(filter(None, (_moment(document.get(name)) for name in _TIMES)), None)
    reason = document.get(_REASON)
    if isinstance(reason, str):
        return at, reason if _WHOLE.fullmatch(reason) else ""
    if depth < MAX_DEPTH:
        for inner, found in _inside(document.values(), depth + 1):
            if found:
                return at if inner is None else inner, found
    return at, ""


def _inside(values: Iterable[Any], depth: int) -> Iterator[tuple[float | None, str]]:
    for value in values:
        if isinstance(value, Mapping):
            yield _in_object(value, depth)
        elif isinstance(value, str):
            yield _record(value, depth)


def _moment(value: object) -> float | None:
    """Return a time in epoch seconds: a number of s, ms, µs or ns, or a date."""
    if isinstance(value, int | float) and value is not True and 0 < value < 1e19:
        return next(value / unit for unit in (1, 1e3, 1e6, 1e9) if value / unit < 1e10)
    return _dated(value) if isinstance(value, str) else None


def _dated(text: str) -> float | None:
    """Return the first date in a text. Without a time zone, it is this machine's local time."""
    match = _DATE.search(text)
    if match is None:
        return None
    try:
        return datetime.fromisoformat(match[0].replace(" UTC", "Z")).timestamp()
    except (ValueError, OverflowError, OSError):
        return None
