"""KeySourceMetrics exports a key source's events and health to Prometheus (extra prometheus).

::

    metrics = KeySourceMetrics()
    keys = HookKeys(org_url, credentials, on_event=metrics)
    metrics.watch(keys)

Kids are never labels, because senders choose them.
"""

from __future__ import annotations

from collections.abc import Iterable
from weakref import WeakSet

try:
    from prometheus_client import REGISTRY, CollectorRegistry, Counter, Histogram
    from prometheus_client.core import GaugeMetricFamily, Metric
except ImportError:
    raise ImportError(
        "hookkey_verify.prometheus needs prometheus_client: "
        "pip install 'hookkey_verify[prometheus]'"
    ) from None

from .errors import ConfigurationError
from .events import Event, EventName
from .keys.health import STATES, STATUSES, HasHealth, Health, healths
from .verifier import ReplayStore

__all__ = ["KeySourceMetrics"]


class KeySourceMetrics:
    """Counts events and reports the health of watched key sources."""

    def __init__(self, registry: CollectorRegistry = REGISTRY, prefix: str = "hookkey") -> None:
        """Register the metrics in ``registry``, with names that begin with ``prefix``.

        prometheus_client raises ``ValueError`` if they are already registered.
        """
        self._events = Counter(
            f"{prefix}_key_source_events",
            "Events of a key source",
            ["source", "event", "outcome"],
            registry=registry,
        )
        self._fetches = Histogram(
            f"{prefix}_key_fetch_seconds",
            "Duration of a fetch of a key",
            ["source", "outcome"],
            registry=registry,
            buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 1.5, 2, 2.5, 5),
        )
        self._prefix = prefix
        self._watched: WeakSet[HasHealth] = WeakSet()
        registry.register(self)

    def __call__(self, event: Event) -> None:
        """Count an event; pass this object as ``on_event`` of a key source."""
        self._events.labels(event.source, event.name.value, event.outcome).inc()
        if event.name is EventName.FETCH and event.seconds is not None:
            self._fetches.labels(event.source, event.outcome).observe(event.seconds)

    def watch(self, keys: HasHealth) -> None:
        """Report the health of a key source while it exists.

        Raises ``ConfigurationError`` if the source has no health.
        """
        if not isinstance(keys, HasHealth) or isinstance(keys, ReplayStore):
            raise ConfigurationError("watch takes HookKeys or IssuerKeys")
        self._watched.add(keys)

    def describe(self) -> Iterable[Metric]:
        """Return the gauges without values (the protocol of a collector)."""
        return self._gauges(())

    def collect(self) -> Iterable[Metric]:
        """Return the gauges (the protocol of a collector)."""
        return self._gauges(healths(list(self._watched)))

    def _gauges(self, reports: Iterable[Health]) -> list[GaugeMetricFamily]:
        prefix, by_source = f"{self._prefix}_key_source", ["source"]
        status = GaugeMetricFamily(
            f"{prefix}_status", "1 for the current status", labels=["source", "status"]
        )
        keys = GaugeMetricFamily(
            f"{prefix}_keys", "Number of cached keys", labels=["source", "state"]
        )
        oldest = GaugeMetricFamily(
            f"{prefix}_oldest_key_seconds", "Age of the oldest key", labels=by_source
        )
        silence = GaugeMetricFamily(
            f"{prefix}_last_success_seconds", "Time since the last response", labels=by_source
        )
        breaker = GaugeMetricFamily(
            f"{prefix}_breaker_open_seconds",
            "Remaining time without fetches for unknown kids",
            labels=by_source,
        )
        for health in reports:
            for each in STATUSES:
                status.add_metric([health.source, each], float(health.status == each))
            states = [key.state for key in health.keys.values()]
            for state in STATES:
                keys.add_metric([health.source, state], states.count(state))
            ages = [key.age for key in health.keys.values()]
            oldest.add_metric([health.source], max(ages, default=0.0))
            if health.last_success is not None:
                silence.add_metric([health.source], health.last_success)
            breaker.add_metric([health.source], health.breaker_open_for)
        return [status, keys, oldest, silence, breaker]
