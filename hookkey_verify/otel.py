"""KeySourceMetrics exports a key source's events and health to OpenTelemetry (extra otel).

::

    metrics = KeySourceMetrics()
    keys = HookKeys(org_url, credentials, on_event=metrics)
    metrics.watch(keys)

Kids are never attributes, because senders choose them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from weakref import WeakSet

try:
    from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation, get_meter
except ImportError:
    raise ImportError(
        "hookkey_verify.otel needs opentelemetry-api: pip install 'hookkey_verify[otel]'"
    ) from None

from ._runtime.version import __version__
from .errors import ConfigurationError
from .events import Event, EventName
from .keys.health import STATES, STATUSES, HasHealth, Health, healths

__all__ = ["KeySourceMetrics"]

_Read = Callable[[Health], Iterable[tuple[float, dict[str, str]]]]


class KeySourceMetrics:
    """Counts events and reports the health of watched key sources."""

    def __init__(self, meter_provider: MeterProvider | None = None) -> None:
        """Create the instruments with the given meter provider or the global one."""
        meter = get_meter("hookkey_verify", __version__, meter_provider)
        self._watched: WeakSet[HasHealth] = WeakSet()
        self._events = meter.create_counter(
            "hookkey.key_source.events", unit="{event}", description="Events of a key source"
        )
        self._fetches = meter.create_histogram(
            "hookkey.key_source.fetch.duration", unit="s", description="Duration of a fetch"
        )
        gauges: dict[str, tuple[str, _Read]] = {
            "status": ("1", _status),
            "keys": ("{key}", _keys),
            "oldest_key.age": ("s", _oldest),
            "last_success.age": ("s", _silence),
            "breaker.remaining": ("s", _breaker),
        }
        for name, (unit, read) in gauges.items():
            meter.create_observable_gauge(
                f"hookkey.key_source.{name}", [self._observer(read)], unit=unit
            )

    def __call__(self, event: Event) -> None:
        """Count an event; pass this object as ``on_event`` of a key source."""
        attributes = {"source": event.source, "outcome": event.outcome}
        self._events.add(1, {**attributes, "event": event.name.value})
        if event.name is EventName.FETCH and event.seconds is not None:
            self._fetches.record(event.seconds, attributes)

    def watch(self, keys: HasHealth) -> None:
        """Report the health of a key source while it exists.

        Raises ``ConfigurationError`` if the source has no health.
        """
        if not isinstance(keys, HasHealth):
            raise ConfigurationError("watch takes HookKeys or IssuerKeys")
        self._watched.add(keys)

    def _observer(self, read: _Read) -> Callable[[CallbackOptions], Iterable[Observation]]:
        def observe(_: CallbackOptions) -> Iterable[Observation]:
            for health in healths(list(self._watched)):
                for value, attributes in read(health):
                    yield Observation(value, {"source": health.source, **attributes})

        return observe


def _status(health: Health) -> Iterable[tuple[float, dict[str, str]]]:
    for status in STATUSES:
        yield float(health.status == status), {"status": status}


def _keys(health: Health) -> Iterable[tuple[float, dict[str, str]]]:
    states = [key.state for key in health.keys.values()]
    for state in STATES:
        yield states.count(state), {"state": state}


def _oldest(health: Health) -> Iterable[tuple[float, dict[str, str]]]:
    yield max((key.age for key in health.keys.values()), default=0.0), {}


def _silence(health: Health) -> Iterable[tuple[float, dict[str, str]]]:
    if health.last_success is not None:
        yield health.last_success, {}


def _breaker(health: Health) -> Iterable[tuple[float, dict[str, str]]]:
    yield health.breaker_open_for, {}
