"""KeySourceMetrics for Prometheus: the content of a scrape."""

from __future__ import annotations

import gc

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from hookkey_verify import ApiToken, CachePolicy, ConfigurationError, HookKeys, StaticKeys
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import KeySourceConfigurationError, UnknownKeyError
from hookkey_verify.prometheus import KeySourceMetrics

from .faults import ManualClock

NO_KEY = "0fb3de6f-0000-4000-8000-000000000000"


def test_a_scrape(okta: OktaEmulator) -> None:
    """A scrape has events by outcome, durations, ages and status, but no kid."""
    registry, clock = CollectorRegistry(), ManualClock()
    metrics = KeySourceMetrics(registry)
    policy = CachePolicy(fresh_for=100, refresh_ahead=0)
    keys = HookKeys(
        okta.url, ApiToken(okta.api_token), policy=policy, on_event=metrics, clock=clock
    )
    metrics.watch(keys)
    key_id = okta.create_key("one")["keyId"]

    url = okta.url

    def value(name: str, **labels: str) -> float | None:
        return registry.get_sample_value(f"hookkey_{name}", {"source": url, **labels})

    assert value("key_source_status", status="healthy") == 1
    assert value("key_source_last_success_seconds") is None
    keys.get(key_id)
    keys.get(key_id)
    with pytest.raises(UnknownKeyError):
        keys.get(NO_KEY)
    clock.now += 40
    assert value("key_source_events_total", event="hit", outcome="fresh") == 1
    assert value("key_source_events_total", event="fetch", outcome="ok") == 1
    assert value("key_source_events_total", event="fetch", outcome="unknown_key") == 1
    assert value("key_fetch_seconds_count", outcome="ok") == 1
    assert value("key_source_keys", state="fresh") == 1
    assert value("key_source_keys", state="stale") == 0
    assert value("key_source_oldest_key_seconds") == 40
    assert value("key_source_last_success_seconds") == 40
    assert value("key_source_breaker_open_seconds") == 0
    okta.stop()
    clock.now += 60
    keys.get(key_id)
    assert value("key_source_status", status="degraded") == 1
    assert value("key_source_status", status="healthy") == 0
    assert value("key_source_keys", state="stale") == 1
    text = generate_latest(registry).decode()
    assert key_id not in text
    assert NO_KEY not in text
    keys.close()


def test_a_source_that_is_gone_is_not_reported(okta: OktaEmulator) -> None:
    """A watched source can be garbage-collected, and is then no longer reported."""
    registry = CollectorRegistry()
    metrics = KeySourceMetrics(registry, prefix="acme")
    keys = HookKeys(okta.url, ApiToken(okta.api_token))
    metrics.watch(keys)
    name, labels = "acme_key_source_status", {"source": okta.url, "status": "healthy"}
    assert registry.get_sample_value(name, labels) == 1
    keys.close()
    del keys
    gc.collect()
    assert registry.get_sample_value(name, labels) is None


def test_two_sources_of_one_org(okta: OktaEmulator) -> None:
    """Sources of one org are reported as one line, the most severe: Prometheus refuses two."""
    registry = CollectorRegistry()
    metrics = KeySourceMetrics(registry)
    url = okta.url
    sources = [
        HookKeys(url, ApiToken(token)) for token in (okta.api_token, "wrong", okta.api_token)
    ]
    for keys in sources:
        metrics.watch(keys)
    with pytest.raises(KeySourceConfigurationError):
        sources[1].get(NO_KEY)
    labels = {"source": url, "status": "failing"}
    assert registry.get_sample_value("hookkey_key_source_status", labels) == 1
    assert generate_latest(registry).decode().count('status="failing"') == 1
    for keys in sources:
        keys.close()


def test_what_cannot_be_watched(keys: StaticKeys) -> None:
    """A source without health is refused by ``watch``, not at every scrape."""
    with pytest.raises(ConfigurationError, match="watch takes"):
        KeySourceMetrics(CollectorRegistry()).watch(keys)  # type: ignore[arg-type]
