"""KeySourceMetrics for OpenTelemetry: the content of an export."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader

from hookkey_verify import ApiToken, CachePolicy, ConfigurationError, HookKeys, StaticKeys
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import UnknownKeyError
from hookkey_verify.otel import KeySourceMetrics

from .faults import ManualClock

NO_KEY = "0fb3de6f-0000-4000-8000-000000000000"


def _exported(reader: InMemoryMetricReader) -> dict[str, list[Any]]:
    data = reader.get_metrics_data()
    assert data is not None
    [resource] = data.resource_metrics
    [scope] = resource.scope_metrics
    assert scope.scope.name == "hookkey_verify"
    return {metric.name: list(metric.data.data_points) for metric in scope.metrics}


def test_an_export(okta: OktaEmulator) -> None:
    """An export has events by outcome, durations, ages and status, but no kid."""
    reader, clock = InMemoryMetricReader(), ManualClock()
    provider = MeterProvider([reader])
    metrics = KeySourceMetrics(provider)
    policy = CachePolicy(fresh_for=100, refresh_ahead=0)
    keys = HookKeys(
        okta.url, ApiToken(okta.api_token), policy=policy, on_event=metrics, clock=clock
    )
    metrics.watch(keys)
    key_id = okta.create_key("one")["keyId"]
    assert "hookkey.key_source.last_success.age" not in _exported(reader)
    keys.get(key_id)
    with pytest.raises(UnknownKeyError):
        keys.get(NO_KEY)
    clock.now += 40
    exported = _exported(reader)

    def value(name: str, **attributes: str) -> float:
        wanted = {"source": okta.url, **attributes}
        [point] = [each for each in exported[name] if dict(each.attributes) == wanted]
        return float(point.value if hasattr(point, "value") else point.count)

    assert value("hookkey.key_source.events", event="fetch", outcome="ok") == 1
    assert value("hookkey.key_source.events", event="fetch", outcome="unknown_key") == 1
    assert value("hookkey.key_source.fetch.duration", outcome="ok") == 1
    assert value("hookkey.key_source.status", status="healthy") == 1
    assert value("hookkey.key_source.status", status="failing") == 0
    assert value("hookkey.key_source.keys", state="fresh") == 1
    assert value("hookkey.key_source.oldest_key.age") == 40
    assert value("hookkey.key_source.last_success.age") == 40
    assert value("hookkey.key_source.breaker.remaining") == 0
    for points in exported.values():
        for point in points:
            assert {key_id, NO_KEY}.isdisjoint(point.attributes.values())
    keys.close()
    provider.shutdown()


def test_what_cannot_be_watched(keys: StaticKeys) -> None:
    """A source without health is refused by ``watch``, not at every export."""
    with pytest.raises(ConfigurationError, match="watch takes"):
        KeySourceMetrics(MeterProvider()).watch(keys)  # type: ignore[arg-type]
