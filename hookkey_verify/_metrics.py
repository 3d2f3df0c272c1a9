"""The metrics of events and health, which the Prometheus and OpenTelemetry adapters share. Pure.

No kid is a label, because senders choose kids. All labels have values from the configuration, from
our own enumerations, or class names.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, NamedTuple
from weakref import WeakValueDictionary

from ._runtime.log import RareLog
from .errors import ConfigurationError, Reason
from .events import Event, EventName
from .health import STATUSES, CombinedHealth, HasHealth
from .keys.health import STATES, Health

__all__ = [
    "ALL_COUNTERS",
    "API_ERRORS",
    "API_REASONS",
    "COUNTERS",
    "DURATIONS",
    "GAUGES",
    "Counted",
    "Duration",
    "Gauge",
    "Sample",
    "Watched",
    "counter_of",
    "labels_of",
]

_FAST = (0.00005, 0.0001, 0.0002, 0.0005, 0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 2.5)
"""Bucket limits in seconds for work that is normally done in memory."""
_SLOW = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 1.5, 2.5, 5.0)
"""Bucket limits in seconds for requests to a server."""

API_REASONS: Final = tuple(each.value for each in Reason if each.value.startswith("api_"))
"""The reasons of the management API, which start at 0, so that the first error is an increase."""


@dataclass(frozen=True, slots=True)
class Counted:
    """A counter of events.

    ``prometheus``: its name for Prometheus, without prefix and ``_total``.
    ``otel``: its name for OpenTelemetry, without ``hookkey.``.
    ``unit``: its unit for OpenTelemetry.
    ``text``: what it counts.
    ``labels``: the members of an ``Event`` that are labels; ``event`` is its name.
    """

    prometheus: str
    otel: str
    unit: str
    text: str
    labels: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Duration:
    """A histogram of the durations of events in seconds, described as a ``Counted`` is.

    ``buckets``: the upper limits.
    """

    prometheus: str
    otel: str
    text: str
    labels: tuple[str, ...]
    buckets: tuple[float, ...]


_OTHERS: Final = Counted(
    "events",
    "events",
    "{event}",
    "Events of key sources and replay stores",
    ("source", "event", "outcome"),
)
API_ERRORS: Final = Counted(
    "api_errors",
    "api.errors",
    "{error}",
    "Failed calls of the management API",
    ("reason",),
)

COUNTERS: Final[Mapping[EventName, Counted]] = {
    EventName.VERIFY: Counted(
        "verifications",
        "verifications",
        "{verification}",
        "Verified requests and tokens",
        ("source", "outcome", "reason", "key"),
    ),
    EventName.TOKEN: Counted(
        "tokens",
        "tokens",
        "{response}",
        "Responses of the token endpoint",
        ("source", "outcome", "reason"),
    ),
    EventName.CLAIM: Counted(
        "claims",
        "claims",
        "{claim}",
        "Replay checks",
        ("source", "outcome"),
    ),
    EventName.JWKS_SERVED: Counted(
        "jwks_responses",
        "jwks.responses",
        "{response}",
        "Responses of the JWKS bridge",
        ("source", "outcome"),
    ),
    EventName.HANDLE: Counted(
        "handled",
        "handled",
        "{request}",
        "Verified requests of hooks, by event type",
        ("source", "outcome"),
    ),
}

ALL_COUNTERS: Final = (*COUNTERS.values(), _OTHERS, API_ERRORS)

DURATIONS: Final[Mapping[EventName, Duration]] = {
    EventName.VERIFY: Duration(
        "verification_seconds",
        "verification.duration",
        "Duration of a verification",
        ("source", "outcome", "key"),
        _FAST,
    ),
    EventName.TOKEN: Duration(
        "token_request_seconds",
        "token_request.duration",
        "Duration of a token request",
        ("source", "outcome"),
        _FAST,
    ),
    EventName.CLAIM: Duration(
        "claim_seconds",
        "claim.duration",
        "Duration of a claim",
        ("source", "outcome"),
        _SLOW,
    ),
    EventName.FETCH: Duration(
        "key_fetch_seconds",
        "key_fetch.duration",
        "Duration of a fetch of a key",
        ("source", "outcome"),
        _SLOW,
    ),
    EventName.JWKS: Duration(
        "jwks_fetch_seconds",
        "jwks_fetch.duration",
        "Duration of a fetch by the JWKS bridge",
        ("source", "outcome"),
        _SLOW,
    ),
    EventName.HANDLE: Duration(
        "handler_seconds",
        "handler.duration",
        "Duration of the handler of a hook",
        ("source", "outcome"),
        _SLOW,
    ),
    EventName.API: Duration(
        "api_call_seconds",
        "api_call.duration",
        "Duration of a call of the management API, with retries",
        ("source", "outcome"),
        _SLOW,
    ),
}


def counter_of(event: Event) -> Counted | None:
    """Return the counter of an event; None for what only has a duration."""
    if event.name is EventName.API:
        return API_ERRORS if event.reason else None
    return COUNTERS.get(event.name) or (None if event.name in DURATIONS else _OTHERS)


def labels_of(event: Event, names: Iterable[str]) -> tuple[str, ...]:
    """Return the values of these labels."""
    return tuple(
        event.name.value if name == "event" else str(getattr(event, name)) for name in names
    )


class Sample(NamedTuple):
    """One value of a gauge."""

    labels: tuple[str, ...]
    value: float


@dataclass(frozen=True, slots=True)
class Gauge:
    """A value that is read from the health of a part.

    ``prometheus``: its name for Prometheus, without prefix.
    ``otel``: its name for OpenTelemetry, without ``hookkey.``.
    ``unit``: its unit for OpenTelemetry.
    ``text``: what it is.
    ``labels``: the names of its labels.
    ``of_several``: which value counts if several processes have one.
    ``when_gone``: the value for a part that no longer exists, where a value cannot be removed. None
        keeps the last value.
    ``read``: returns the values for a part, given the epoch seconds.
    """

    prometheus: str
    otel: str
    unit: str
    text: str
    labels: tuple[str, ...]
    of_several: Literal["min", "max"]
    when_gone: float | None
    read: Callable[[Any, float], Iterator[Sample]]


def _statuses(part: Any, now: float) -> Iterator[Sample]:  # noqa: ARG001
    for status in STATUSES:
        yield Sample((*_named(part), status), float(part.status == status))


def _keys(part: Any, now: float) -> Iterator[Sample]:  # noqa: ARG001
    if isinstance(part, Health):
        states = [key.state for key in part.keys.values()]
        for state in STATES:
            yield Sample((part.source, state), states.count(state))


def _oldest_key(part: Any, now: float) -> Iterator[Sample]:
    if isinstance(part, Health):
        yield Sample((part.source,), now - max((key.age for key in part.keys.values()), default=0))


def _last_success(part: Any, now: float) -> Iterator[Sample]:
    last = getattr(part, "last_success", None)
    if last is not None:
        yield Sample(_named(part), now - last)


def _breaker(part: Any, now: float) -> Iterator[Sample]:
    if isinstance(part, Health):
        left = part.breaker_open_for
        yield Sample((part.source,), now + left if left > 0 else 0.0)


def _failures(part: Any, now: float) -> Iterator[Sample]:  # noqa: ARG001
    kind, source = _named(part)
    if kind == "replay":
        yield Sample((source,), float(getattr(part, "failures", 0)))


def _named(part: Any) -> tuple[str, str]:
    """Return the kind and the source of a part; an object of the user may have neither."""
    return str(getattr(part, "part", "")), str(getattr(part, "source", ""))


GAUGES: Final = (
    Gauge(
        prometheus="status",
        otel="status",
        unit="1",
        text="1 for the current status of a key source, replay store or bridge",
        labels=("part", "source", "status"),
        of_several="max",
        when_gone=0.0,
        read=_statuses,
    ),
    Gauge(
        prometheus="keys",
        otel="keys",
        unit="{key}",
        text="Number of cached keys",
        labels=("source", "state"),
        of_several="max",
        when_gone=0.0,
        read=_keys,
    ),
    Gauge(
        prometheus="oldest_key_timestamp_seconds",
        otel="oldest_key.timestamp",
        unit="s",
        text="When the source last confirmed the oldest cached key; now if there is none",
        labels=("source",),
        of_several="min",
        when_gone=math.inf,
        read=_oldest_key,
    ),
    Gauge(
        prometheus="last_success_timestamp_seconds",
        otel="last_success.timestamp",
        unit="s",
        text="When the key source, or the org behind a bridge, last answered",
        labels=("part", "source"),
        of_several="max",
        when_gone=None,  # it remains true
        read=_last_success,
    ),
    Gauge(
        prometheus="breaker_open_until_timestamp_seconds",
        otel="breaker_open_until.timestamp",
        unit="s",
        text="Until when no fetches for unknown kids start; 0 if they may",
        labels=("source",),
        of_several="max",
        when_gone=0.0,
        read=_breaker,
    ),
    Gauge(
        prometheus="replay_failures",
        otel="replay.failures",
        unit="{claim}",
        text="Number of consecutive claims that failed",
        labels=("source",),
        of_several="max",
        when_gone=0.0,
        read=_failures,
    ),
)


class Watched:
    """Objects whose health is reported while they exist. Thread-safe."""

    def __init__(self) -> None:
        self._log = RareLog()
        # By identity, so that equal objects are different and need not be hashable.
        self._objects: WeakValueDictionary[int, HasHealth] = WeakValueDictionary()

    def add(self, objects: Iterable[HasHealth]) -> None:
        """Report the health of these objects: all or, if it raises, none.

        Raises ``ConfigurationError`` for an object without ``health`` or without weak references.
        """
        new: WeakValueDictionary[int, HasHealth] = WeakValueDictionary()
        for each in objects:
            if isinstance(each, type) or not isinstance(each, HasHealth):
                raise ConfigurationError(
                    "watch takes verifiers, TokenEndpoint, JwksBridge, key sources, replay stores "
                    f"and other objects with health(), not {type(each).__name__}"
                )
            try:
                new[id(each)] = each
            except TypeError:
                raise ConfigurationError(
                    "watch takes objects that can be referenced weakly: add __weakref__ to the "
                    "__slots__ of your class"
                ) from None
        self._objects.update(new)

    def samples(self, now: float) -> dict[Gauge, list[Sample]]:
        """Return the values of all gauges.

        An object whose health cannot be read is logged and left out. Of several parts with one
        source, the most severe counts.

        ``now``: epoch seconds.
        """
        # valuerefs() is safe while another thread adds objects; values() is not.
        existing = [each for ref in self._objects.valuerefs() if (each := ref()) is not None]
        worst: dict[tuple[str, str], tuple[int, dict[Gauge, list[Sample]]]] = {}
        for each in existing:
            try:
                for part in CombinedHealth.of([each]).parts:
                    read = {gauge: list(gauge.read(part, now)) for gauge in GAUGES}
                    known = worst.get(_named(part), (-1, {}))
                    worst[_named(part)] = max(
                        known, (STATUSES.index(part.status), read), key=_first
                    )
            except Exception as error:  # of an object of the user
                text = f"health() of {type(each).__name__} raised {type(error).__name__}"
                self._log(logging.ERROR, text)
        return {gauge: [s for _, read in worst.values() for s in read[gauge]] for gauge in GAUGES}


def _first(ranked: tuple[int, object]) -> int:
    return ranked[0]
