"""Metrics exports events and health to Prometheus (extra prometheus).

::

    metrics = Metrics()
    keys = HookKeys(org_url, credentials, on_event=metrics)
    verifier = HookVerifier.for_client_assertion(keys, ..., on_event=metrics)
    metrics.watch(verifier)

Create one ``Metrics`` per process and pass it to everything that takes ``on_event``. Kids are never
labels, because senders choose them.

In the multiprocess mode of prometheus_client (``PROMETHEUS_MULTIPROC_DIR``), each process writes
its values to files, and the process that is scraped reads the files of all. A thread in each
process writes the gauges there every 5 seconds. If several processes have a value, the scrape shows
the most recent success, the oldest key, the largest number, and every status that one of them has.
Call ``mark_process_dead`` when a worker ends (gunicorn: ``child_exit``); otherwise its last gauges
remain.
"""

from __future__ import annotations

import os
import re
import threading
import time
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import accumulate
from operator import add
from typing import Final

try:
    import prometheus_client as client
    from prometheus_client.core import (
        CounterMetricFamily,
        GaugeMetricFamily,
        HistogramMetricFamily,
        Metric,
    )
    from prometheus_client.registry import Collector
except ImportError:
    raise ImportError(
        "hookkey_verify.prometheus needs prometheus_client: "
        "pip install 'hookkey_verify[prometheus]'"
    ) from None

from ._metrics import (
    ALL_COUNTERS,
    API_ERRORS,
    API_REASONS,
    DURATIONS,
    Counted,
    Duration,
    Gauge,
    Watched,
    counter_of,
    labels_of,
)
from ._prometheus_files import Written
from ._runtime.forking import PerProcess
from .errors import ConfigurationError
from .events import Event
from .health import HasHealth

__all__ = ["Metrics"]

MOST_NEW = 500
"""Events that are buffered before they are added to the buckets, which takes 50 µs."""

_LOCK: Final = PerProcess(threading.RLock)
"""Reentrant, because a finalizer or signal handler may report an event at any time."""
_PREFIX: Final = re.compile(r"[a-zA-Z][a-zA-Z0-9_]*")
_Count = Callable[[float | None], None]
"""Counts one event, given its seconds."""


class Metrics:
    """Counts events, and reports the health of watched objects. Thread-safe.

    For example:

    >>> from prometheus_client import CollectorRegistry
    >>> from hookkey_verify.prometheus import Metrics
    >>> from hookkey_verify.shared_secret import HeaderSecret
    >>> registry = CollectorRegistry()
    >>> verifier = HeaderSecret("a-long-secret", on_event=Metrics(registry))
    >>> _ = verifier.verify_headers({"Authorization": "a-long-secret"})
    >>> labels = {"source": "HeaderSecret", "outcome": "accepted", "reason": "", "key": ""}
    >>> registry.get_sample_value("hookkey_verifications_total", labels)
    1.0
    """

    def __init__(
        self, registry: client.CollectorRegistry = client.REGISTRY, prefix: str = "hookkey"
    ) -> None:
        """Register the metrics.

        ``registry``: the registry that is scraped. Default: the one of prometheus_client.
        ``prefix``: the beginning of all names: letters, digits and underscores. Default "hookkey".

        Raises ``ConfigurationError`` naming the argument, also if the names are already registered.
        """
        if not isinstance(registry, client.CollectorRegistry):
            raise ConfigurationError("registry must be a CollectorRegistry of prometheus_client")
        if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
            raise ConfigurationError(
                "prefix must be letters, digits and underscores, and begin with a letter"
            )
        self._counts: dict[tuple[object, ...], _Count] = {}
        self._values = Written(prefix) if _is_multiprocess() else _Scraped(prefix)
        _register(registry, self._values.collectors())

    def __call__(self, event: Event) -> None:
        """Count an event. Pass this object as ``on_event``."""
        # All but kid and seconds. There are few such combinations, so the dict stays small.
        try:
            count = self._counts[event[:5]]
        except KeyError:
            count = self._counts.setdefault(event[:5], self._values.counts_of(event))
        count(event.seconds)

    def watch(self, *objects: HasHealth) -> None:
        """Report the health of these objects while they exist. They are referenced weakly.

        ``objects``: verifiers, ``TokenEndpoint``, ``JwksBridge``, key sources, replay stores, or
            your own objects with ``health()``. A verifier includes its key source and replay store.

        Raises ``ConfigurationError`` for other objects.
        """
        self._values.watch(objects)


class _Series:
    """The events that differ only in kid and seconds.

    The client's own counters and histograms would take four times as long as ``count``.
    """

    __slots__ = ("_limits", "_new", "_row", "_sum", "event")

    def __init__(self, event: Event, limits: tuple[float, ...]) -> None:
        """``event``: one of them; ``limits``: the upper limits of the buckets for their seconds."""
        self.event = event
        self._limits = limits
        self._new: list[float] = []
        self._row = [0] * (len(limits) + 1)
        self._sum = 0.0

    def count(self, seconds: float | None) -> None:
        """Count an event."""
        new = self._new
        new.append(seconds or 0.0)  # atomic
        if len(new) >= MOST_NEW:
            self.read()

    def read(self) -> list[float]:
        """Return the number of events in each bucket, then the sum of their seconds."""
        with _LOCK():
            new = self._new[:]
            del self._new[: len(new)]  # other threads may have appended more
            for seconds in new:
                self._row[bisect_left(self._limits, seconds)] += 1
            self._sum += sum(new)
            return [*self._row, self._sum]


class _Scraped(Collector):
    """The metrics of a single process, which are computed at each scrape."""

    def __init__(self, prefix: str) -> None:
        self._prefix = prefix
        self._series: list[_Series] = []
        self._watched = Watched()

    def collectors(self) -> Iterable[Collector]:
        """Return what to register."""
        return [self]

    def watch(self, objects: Iterable[HasHealth]) -> None:
        """Report the health of these objects. Raises ``ConfigurationError``."""
        self._watched.add(objects)

    def counts_of(self, event: Event) -> _Count:
        """Return a function that counts events like this one."""
        duration = DURATIONS.get(event.name)
        series = _Series(event, () if duration is None else duration.buckets)
        self._series.append(series)
        return series.count

    def describe(self) -> Iterator[Metric]:
        """Yield the metrics without samples."""
        return self._families((), Watched())

    def collect(self) -> Iterator[Metric]:
        """Yield the metrics."""
        return self._families(list(self._series), self._watched)

    def _families(self, series: Iterable[_Series], watched: Watched) -> Iterator[Metric]:
        sums = _sums(series)
        for counted in ALL_COUNTERS:
            counter = CounterMetricFamily(self._name(counted), counted.text, labels=counted.labels)
            for labels, (number, *_) in sums[counted].items():
                counter.add_metric(labels, number)
            yield counter
        for each in DURATIONS.values():
            histogram = HistogramMetricFamily(self._name(each), each.text, labels=each.labels)
            limits = [*map(str, each.buckets), "+Inf"]
            for labels, (*row, total) in sums[each].items():
                buckets = list(zip(limits, accumulate(row), strict=True))
                histogram.add_metric(labels, buckets, total)
            yield histogram
        for gauge, samples in watched.samples(time.time()).items():
            family = GaugeMetricFamily(self._name(gauge), gauge.text, labels=gauge.labels)
            for labels, value in samples:
                family.add_metric(labels, value)
            yield family

    def _name(self, metric: Counted | Duration | Gauge) -> str:
        return f"{self._prefix}_{metric.prometheus}"


def _sums(
    series: Iterable[_Series],
) -> Mapping[Counted | Duration, dict[tuple[str, ...], list[float]]]:
    """Return the sums of those series that have the same labels, by metric and labels."""
    sums: dict[Counted | Duration, dict[tuple[str, ...], list[float]]] = defaultdict(dict)
    sums[API_ERRORS] = {(reason,): [0.0] for reason in API_REASONS}

    for each in series:
        event, row = each.event, each.read()
        for metric, new in (
            (counter_of(event), [sum(row[:-1])]),
            (DURATIONS.get(event.name), row),
        ):
            if metric is not None:
                labels = labels_of(event, metric.labels)
                before = sums[metric].get(labels, [0.0] * len(new))
                sums[metric][labels] = list(map(add, before, new))
    return sums


def _is_multiprocess() -> bool:
    return any(
        name in os.environ for name in ("PROMETHEUS_MULTIPROC_DIR", "prometheus_multiproc_dir")
    )


def _register(registry: client.CollectorRegistry, collectors: Iterable[Collector]) -> None:
    """Register all or none."""
    registered = []
    try:
        for each in collectors:
            registry.register(each)
            registered.append(each)
    except ValueError:
        for each in registered:
            registry.unregister(each)
        raise ConfigurationError(
            "the registry already has metrics with these names: create one Metrics per process and "
            "share it, or pass another prefix or registry"
        ) from None
