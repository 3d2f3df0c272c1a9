"""Telemetry reports events and health to OpenTelemetry, as metrics and spans (extra otel).

::

    telemetry = Telemetry()
    keys = HookKeys(org_url, credentials, on_event=telemetry)
    verifier = HookVerifier.for_client_assertion(keys, …, on_event=telemetry)
    telemetry.watch(verifier)

It needs only the API of OpenTelemetry: without a configured SDK nothing is recorded. Attributes of
our own begin with ``hookkey.``; the others are those of the semantic conventions. Senders choose
kids, so kids are attributes of spans, shortened, but never of metrics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache
from time import time_ns
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

try:
    from opentelemetry.metrics import (
        CallbackOptions,
        Counter,
        Histogram,
        MeterProvider,
        Observation,
    )
    from opentelemetry.metrics import get_meter as _get_meter
    from opentelemetry.trace import SpanKind, StatusCode, TracerProvider
    from opentelemetry.trace import get_tracer as _get_tracer
except ImportError:
    raise ImportError(
        "hookkey_verify.otel needs opentelemetry-api: pip install 'hookkey_verify[otel]'"
    ) from None

from . import errors
from ._metrics import ALL_COUNTERS, DURATIONS, GAUGES, Gauge, Watched, counter_of, labels_of
from ._runtime.version import __version__
from .events import Event, EventName, shortened
from .health import HasHealth

__all__ = ["Telemetry"]

Attributes = dict[str, str | int]

_SPANS: Final = {
    EventName.VERIFY: "hookkey.verify",
    EventName.FETCH: "hookkey.fetch_key",
    EventName.CLAIM: "hookkey.claim",
}
_SPAN_LABELS: Final = ("source", "outcome", "reason", "key")
_SYSTEMS: Final = {
    "ValkeyReplayStore": "redis",
    "PostgresReplayStore": "postgresql",
    "DynamoDBReplayStore": "aws.dynamodb",
}
"""``db.system.name`` by the class name of a replay store."""
_NOT_THE_SENDERS: Final = frozenset(
    each.reason.value
    for each in vars(errors).values()
    if isinstance(each, type) and issubclass(each, errors.HookKeyError) and each.status_code >= 500
) - {errors.Reason.KEY_LOOKUP_LIMITED.value}
"""Reasons that no sender of a request can cause, so that their spans are errors."""
_PORTS: Final = {"http": 80, "https": 443}


class _Recipe(NamedTuple):
    """How to record the events that differ only in kid and seconds.

    ``counter``, ``counted``: the counter and its attributes; no counter for some events.
    ``histogram``, ``measured``: the same for the duration.
    ``span``, ``kind``, ``traced``: the span's name, kind and attributes without a kid; "" for none.
    ``is_error``: whether the span's status is Error.
    """

    counter: Counter | None
    counted: Attributes
    histogram: Histogram | None
    measured: Attributes
    span: str
    kind: SpanKind
    traced: Attributes
    is_error: bool


class Telemetry:
    """Turns events into metrics and spans, and reports the health of watched objects.

    Metrics, whose names begin with ``hookkey.``: verifications, tokens, claims, jwks.responses,
    api.errors and events count; verification.duration, token_request.duration, claim.duration,
    key_fetch.duration, jwks_fetch.duration and api_call.duration are histograms; status, keys,
    oldest_key.timestamp, last_success.timestamp, breaker_open_until.timestamp and replay.failures
    are gauges.

    Spans: ``hookkey.verify``, ``hookkey.fetch_key`` and ``hookkey.claim``, below the span that is
    current in the context of the request. They have the status Error if our side is at fault, and
    Unset otherwise, also if a request was refused; ``error.type`` is the reason.

    For example:

    >>> from hookkey_verify.otel import Telemetry
    >>> from hookkey_verify.shared_secret import HeaderSecret
    >>> verifier = HeaderSecret("a-long-secret", on_event=Telemetry())  # to the global providers
    >>> _ = verifier.verify_headers({"Authorization": "a-long-secret"})
    """

    def __init__(
        self,
        meter_provider: MeterProvider | None = None,
        tracer_provider: TracerProvider | None = None,
        *,
        clock: Callable[[], int] = time_ns,
    ) -> None:
        """Create the instruments.

        ``meter_provider``: creates the metrics. Default None: the global one, which may be
            configured later.
        ``tracer_provider``: creates the spans. Default None: the global one.
        ``clock``: a function that returns nanoseconds since the epoch. Default: ``time.time_ns``.
        """
        meter = _get_meter("hookkey_verify", __version__, meter_provider)
        self._tracer = _get_tracer("hookkey_verify", __version__, tracer_provider)
        self._clock = clock
        self._watched = Watched()
        self._counters: dict[str, Counter] = {
            each.otel: meter.create_counter(f"hookkey.{each.otel}", each.unit, each.text)
            for each in ALL_COUNTERS
        }
        self._histograms: dict[EventName, Histogram] = {
            event: meter.create_histogram(
                f"hookkey.{duration.otel}",
                "s",
                duration.text,
                explicit_bucket_boundaries_advisory=duration.buckets,
            )
            for event, duration in DURATIONS.items()
        }
        for gauge in GAUGES:
            meter.create_observable_gauge(
                f"hookkey.{gauge.otel}", [self._observer(gauge)], gauge.unit, gauge.text
            )
        self._recipe = lru_cache(maxsize=4096)(self._new_recipe)

    def __call__(self, event: Event) -> None:
        """Record an event; pass this object as ``on_event``."""
        now = self._clock()  # first, so that the times of spans are exact
        recipe = self._recipe(*event[:5])
        if recipe.counter is not None:
            recipe.counter.add(1, recipe.counted)
        if recipe.histogram is None or event.seconds is None:
            return
        recipe.histogram.record(event.seconds, recipe.measured)
        if recipe.span:
            self._trace(recipe, event.kid, now - round(event.seconds * 1e9), now)

    def watch(self, *objects: HasHealth) -> None:
        """Report the health of these objects while they exist.

        ``objects``: verifiers, ``TokenEndpoint``, ``JwksBridge``, key sources, replay stores, or
            your own objects with ``health()``. A verifier includes its key source and replay store.

        Raises ``ConfigurationError`` for other objects.
        """
        self._watched.add(objects)

    def _observer(self, gauge: Gauge) -> Callable[[CallbackOptions], Iterator[Observation]]:
        names = [f"hookkey.{label}" for label in gauge.labels]

        def observe(_: CallbackOptions) -> Iterator[Observation]:
            for labels, value in self._watched.samples(self._clock() / 1e9)[gauge]:
                yield Observation(value, dict(zip(names, labels, strict=True)))

        return observe

    def _new_recipe(self, *members: Any) -> _Recipe:
        """Return how to record the events with these members; the last ones are missing."""
        event = Event(*members)
        counted = counter_of(event)
        duration, span = DURATIONS.get(event.name), _SPANS.get(event.name, "")
        kind, traced = _described(event) if span else (SpanKind.INTERNAL, {})
        return _Recipe(
            counter=None if counted is None else self._counters[counted.otel],
            counted={} if counted is None else _attributes(event, counted.labels),
            histogram=self._histograms.get(event.name),
            measured={} if duration is None else _attributes(event, duration.labels),
            span=span,
            kind=kind,
            traced=traced,
            is_error=event.reason in _NOT_THE_SENDERS,
        )

    def _trace(self, recipe: _Recipe, kid: str | None, start: int, end: int) -> None:
        """Make the span of an event, below the current span."""
        attributes = recipe.traced
        if kid is not None:
            attributes = {**attributes, "hookkey.kid": shortened(kid)}
        span = self._tracer.start_span(
            recipe.span, kind=recipe.kind, attributes=attributes, start_time=start
        )
        if recipe.is_error:
            span.set_status(StatusCode.ERROR)
        span.end(end)


def _described(event: Event) -> tuple[SpanKind, Attributes]:
    """Return kind and attributes of the span of an event, without a kid."""
    attributes = _attributes(event, _SPAN_LABELS)
    if event.name is EventName.FETCH:
        return SpanKind.CLIENT, attributes | _server(event.source)
    if event.name is EventName.CLAIM and event.source in _SYSTEMS:
        system = {"db.system.name": _SYSTEMS[event.source], "db.operation.name": "claim"}
        return SpanKind.CLIENT, attributes | system
    return SpanKind.INTERNAL, attributes


def _attributes(event: Event, labels: tuple[str, ...]) -> Attributes:
    """Return the attributes with these names of ours that are not empty, and the error's type."""
    values = zip(labels, labels_of(event, labels), strict=True)
    attributes: Attributes = {f"hookkey.{name}": value for name, value in values if value}
    if event.reason:
        attributes["error.type"] = event.reason
    return attributes


def _server(source: str) -> Attributes:
    """Return the attributes for the server with this URL."""
    parts = urlsplit(source)
    if not parts.hostname or parts.scheme not in _PORTS:
        return {}
    return {
        "server.address": parts.hostname,
        "server.port": parts.port or _PORTS[parts.scheme],
        "url.scheme": parts.scheme,
    }
