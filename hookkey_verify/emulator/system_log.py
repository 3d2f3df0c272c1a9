"""The org's System Log: its events, and the queries that find them. Pure.

https://developer.okta.com/docs/api/openapi/okta-management/management/tag/SystemLog/
"""

from __future__ import annotations

import threading
import uuid
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from .._runtime.clock import Clock
from .log_filter import Matches, parsed_filter
from .okta_error import OktaError, identifier, invalid

__all__ = ["LogPage", "SystemLog"]

MAX_EVENTS: Final = 10_000
MAX_LIMIT: Final = 1_000
DEFAULT_LIMIT: Final = 100
DEFAULT_SINCE: Final = 7 * 86_400
"""Seconds before ``until`` at which a query without ``since`` begins."""
MAX_REASON: Final = 255
_PARAMETERS = frozenset({"since", "until", "filter", "q", "limit", "after", "sortOrder"})


@dataclass(frozen=True, slots=True)
class LogPage:
    """One page of a query."""

    events: list[dict[str, Any]]
    after: str | None
    """The cursor of the next page. None: there is none."""


@dataclass(frozen=True, slots=True)
class _Query:
    since: float
    until: float
    matches: Matches
    words: tuple[str, ...]
    limit: int
    after: int | None
    descending: bool
    polling: bool

    def has(self, event: Mapping[str, Any], at: float) -> bool:
        text = " ".join(_texts(event)).lower()
        return (
            self.since <= at < self.until
            and self.matches(event)
            and all(word in text for word in self.words)
        )


class SystemLog:
    """The last 10,000 events of one org, in memory. Thread-safe."""

    def __init__(self, clock: Clock) -> None:
        """``clock`` returns epoch seconds."""
        self._clock = clock
        self._lock = threading.Lock()
        self._events: deque[tuple[int, float, dict[str, Any]]] = deque(maxlen=MAX_EVENTS)
        self._next = 1

    def write(
        self,
        event_type: str,
        display: str,
        *,
        targets: Sequence[Mapping[str, Any]],
        result: str = "SUCCESS",
        reason: str | None = None,
        severity: str = "INFO",
        debug: Mapping[str, Any] | None = None,
    ) -> None:
        """Append an event with Okta's members.

        ``event_type``: the ``eventType``.
        ``display``: the ``displayMessage``.
        ``targets``: the ``target`` objects.
        ``result``, ``reason``: the ``outcome``; a reason is cut after 255 characters.
        ``severity``: DEBUG, INFO, WARN or ERROR.
        ``debug``: the ``debugContext.debugData``. Default None: empty.
        """
        now = self._clock()
        at = datetime.fromtimestamp(now, UTC)
        event = {
            "uuid": str(uuid.uuid4()),
            "published": at.strftime("%Y-%m-%dT%H:%M:%S.") + f"{at.microsecond // 1000:03}Z",
            "eventType": event_type,
            "version": "0",
            "displayMessage": display,
            "severity": severity,
            "actor": {
                "id": "00u" + identifier(17),
                "type": "SystemPrincipal",
                "alternateId": "system@okta.com",
                "displayName": "Okta System",
                "detailEntry": None,
            },
            "client": {"userAgent": None, "zone": "null", "ipAddress": None, "device": None},
            "device": None,
            "authenticationContext": {"externalSessionId": "unknown"},
            "outcome": {"result": result, "reason": reason and reason[:MAX_REASON]},
            "target": [dict(target) for target in targets],
            "transaction": {"type": "WEB", "id": identifier(27), "detail": {}},
            "debugContext": {"debugData": dict(debug or {})},
        }
        with self._lock:
            self._events.append((self._next, now, event))
            self._next += 1

    def query(self, parameters: Mapping[str, str]) -> LogPage:
        """Return the events that the query parameters ask for. Raises ``OktaError``.

        Without ``until``, in ascending order, there is always a next page: it polls.
        """
        query = _read(parameters, self._clock())
        with self._lock:
            events = list(self._events)
        if query.descending:
            events.reverse()
        found = [
            (number, event)
            for number, at, event in events
            if _is_after(number, query) and query.has(event, at)
        ]
        rows = found[: query.limit]
        last = str(rows[-1][0]) if rows else parameters.get("after") or "0"
        has_more = len(found) > len(rows) or query.polling
        return LogPage([event for _, event in rows], last if has_more else None)


def _is_after(number: int, query: _Query) -> bool:
    if query.after is None:
        return True
    return number < query.after if query.descending else number > query.after


def _read(parameters: Mapping[str, str], now: float) -> _Query:
    """Check the parameters of a query. GUESS: the texts of errors; the status 400 is documented."""
    unknown = set(parameters) - _PARAMETERS
    if unknown:
        raise invalid("query", "unknown parameters: " + ", ".join(sorted(unknown)[:5]))
    order = parameters.get("sortOrder", "ASCENDING")
    if order not in ("ASCENDING", "DESCENDING"):
        raise invalid("sortOrder", "sortOrder: must be ASCENDING or DESCENDING")
    until = _time(parameters, "until")
    since = _time(parameters, "since")
    end = now + 1 if until is None else until
    return _Query(
        since=end - DEFAULT_SINCE if since is None else since,
        until=float("inf") if until is None else until,
        matches=parsed_filter(parameters.get("filter", "")),
        words=tuple(parameters.get("q", "").lower().split()),
        limit=_number(parameters, "limit", DEFAULT_LIMIT, MAX_LIMIT),
        after=_number(parameters, "after", 0, 10**12) if "after" in parameters else None,
        descending=order == "DESCENDING",
        polling=until is None and order == "ASCENDING",
    )


def _time(parameters: Mapping[str, str], name: str) -> float | None:
    text = parameters.get(name)
    if text is None:
        return None
    try:
        return _moment(text)
    except (ValueError, OverflowError):
        raise invalid(name, f"{name}: must be a date and time such as 2026-11-20T08:15:00Z") from (
            None
        )


def _moment(text: str) -> float:
    at = datetime.fromisoformat(text)
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _number(parameters: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = parameters.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) <= 12 and int(text) <= most):
        raise _bad_number(name, most)
    return int(text)


def _bad_number(name: str, most: int) -> OktaError:
    return invalid(name, f"{name}: must be a number from 0 to {most}")


def _texts(value: object) -> list[str]:
    """Return all texts in an event, which ``q`` searches."""
    if isinstance(value, Mapping):
        return [text for each in value.values() for text in _texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []
