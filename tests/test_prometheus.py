"""Metrics for Prometheus: the content of a scrape."""

from __future__ import annotations

import gc
import logging
import os
import threading
import time
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from urllib.parse import urlencode

import pytest
import requests
from prometheus_client import CollectorRegistry, Gauge, make_wsgi_app
from prometheus_client.parser import text_string_to_metric_families

from hookkey_verify import (
    ApiToken,
    CachePolicy,
    ConfigurationError,
    HookKeys,
    HookKeysClient,
    HookSigner,
    HookVerifier,
    StaticKeys,
    _prometheus_files,
    prometheus,
)
from hookkey_verify._metrics import ALL_COUNTERS, API_REASONS, DURATIONS, GAUGES
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import (
    HookVerificationError,
    KeySourceConfigurationError,
    NotFoundError,
)
from hookkey_verify.events import Event, EventName
from hookkey_verify.jwks_bridge import JwksBridge
from hookkey_verify.prometheus import Metrics
from hookkey_verify.replay import MemoryReplayStore

from .conftest import CLIENT_ID, TOKEN_URL
from .faults import ManualClock, eventually
from .servers import wsgi_server
from .test_events import RaisingHandler
from .token_endpoint.token_requests import FORM, ISSUER, asked, endpoint_of

NO_KEY = "0fb3de6f-0000-4000-8000-000000000000"


class Scrape:
    """What one scrape returned over HTTP."""

    def __init__(self, registry: CollectorRegistry) -> None:
        with wsgi_server(make_wsgi_app(registry)) as port:
            response = requests.get(f"http://127.0.0.1:{port}/metrics", timeout=10)
        response.raise_for_status()
        self.text = response.text
        self.types = {
            family.name: family.type for family in text_string_to_metric_families(self.text)
        }
        self.samples = [
            sample
            for family in text_string_to_metric_families(self.text)
            for sample in family.samples
        ]

    def values(self, name: str, **labels: str) -> list[float]:
        """Return the values of the samples with this name and at least these labels."""
        return [
            sample.value
            for sample in self.samples
            if sample.name == f"hookkey_{name}" and labels.items() <= sample.labels.items()
        ]

    def value(self, name: str, **labels: str) -> float:
        """Return the value of the only such sample."""
        (value,) = self.values(name, **labels)
        return value


@dataclass
class Monitored:
    """A registry, and the metrics in it."""

    registry: CollectorRegistry
    metrics: Metrics

    def scrape(self) -> Scrape:
        return Scrape(self.registry)


@pytest.fixture
def monitored() -> Monitored:
    registry = CollectorRegistry()
    return Monitored(registry, Metrics(registry))


def _verifier(keys: Any, metrics: Metrics | None, **options: Any) -> HookVerifier:
    return HookVerifier.for_client_assertion(
        keys, client_id=CLIENT_ID, token_url=TOKEN_URL, on_event=metrics, **options
    )


def _token(signer: HookSigner) -> str:
    return signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)


def test_verifications(okta: OktaEmulator, monitored: Monitored) -> None:
    """Verifications are counted by outcome, reason and origin of the key, and timed."""
    metrics = monitored.metrics
    with HookKeys(okta.url, ApiToken(okta.api_token), on_event=metrics) as keys:
        verifier = _verifier(keys, metrics)
        signer = okta.signer(okta.create_key("one")["keyId"])
        for _ in range(3):
            verifier.verify(_token(signer))
        for bad in ("no token", _token(HookSigner.generate(NO_KEY))):
            with pytest.raises(HookVerificationError):
                verifier.verify(bad)
        seen = monitored.scrape()
    here, total = {"source": okta.url}, "verifications_total"
    assert seen.value(total, outcome="accepted", reason="", key="fetched", **here) == 1
    assert seen.value(total, outcome="accepted", reason="", key="cached", **here) == 2
    assert seen.value(total, outcome="refused", reason="malformed_token", key="", **here) == 1
    assert seen.value(total, outcome="refused", reason="unknown_key", key="", **here) == 1
    assert seen.value("verification_seconds_count", outcome="refused", key="", **here) == 2
    cached = {"outcome": "accepted", "key": "cached", **here}
    assert seen.value("verification_seconds_count", **cached) == 2
    assert 0 < seen.value("verification_seconds_sum", **cached) < 2
    assert seen.value("verification_seconds_bucket", le="+Inf", **cached) == 2
    assert seen.values("verification_seconds_bucket", **cached) == sorted(
        seen.values("verification_seconds_bucket", **cached)
    )
    assert seen.value("events_total", event="hit", outcome="fresh", **here) == 2
    assert seen.value("events_total", event="miss", outcome="", **here) == 2
    assert not seen.values("events_total", event="fetch")
    assert seen.value("key_fetch_seconds_count", outcome="ok", **here) == 1
    assert seen.value("key_fetch_seconds_count", outcome="unknown_key", **here) == 1
    assert signer.kid not in seen.text
    assert NO_KEY not in seen.text


def test_the_buckets_are_those_of_the_table(monitored: Monitored) -> None:
    """A duration is counted in each bucket whose limit it does not exceed."""
    verify = Event(EventName.VERIFY, "s", "accepted")
    for seconds in (0.00005, 0.00006, 3.0):
        monitored.metrics(verify._replace(seconds=seconds))
    limits = [str(limit) for limit in DURATIONS[EventName.VERIFY].buckets]
    seen = monitored.scrape()
    counts = [seen.value("verification_seconds_bucket", le=limit) for limit in limits]
    assert counts == [1] + [2] * (len(limits) - 1)
    assert seen.value("verification_seconds_bucket", le="+Inf") == 3
    assert seen.value("verification_seconds_sum") == pytest.approx(3.00011)


def test_token_endpoint_replay_store_and_bridge(
    okta: OktaEmulator, monitored: Monitored, signer: HookSigner, keys: StaticKeys
) -> None:
    """Token responses, claims and responses of the bridge are counted, with their durations."""
    metrics = monitored.metrics
    store = MemoryReplayStore(single_process=True, on_event=metrics)
    endpoint = endpoint_of(_verifier(keys, metrics, replay=store), on_event=metrics)
    client = HookKeysClient(okta.url, ApiToken(okta.api_token), max_wait=0, on_event=metrics)
    issuer, org = {"source": ISSUER}, {"source": okta.url}
    clock = ManualClock()
    bridge = JwksBridge(client, fresh_for=10, stale_for=90, on_event=metrics, clock=clock)
    metrics.watch(endpoint, bridge)
    okta.create_key("one")
    form = urlencode(asked(signer)).encode()
    for status in (200, 401):
        assert endpoint.respond("POST", FORM, form).status == status
    assert endpoint.respond("GET", FORM, b"").status == 405
    assert bridge.respond("GET", {}, b"").status == 200
    clock.now += 40
    okta.stop()
    assert bridge.respond("GET", {}, b"").status == 200
    client.close()
    seen = monitored.scrape()
    assert seen.value("tokens_total", outcome="issued", reason="", **issuer) == 1
    assert seen.value("tokens_total", reason="replayed", **issuer) == 1
    assert seen.value("tokens_total", outcome="invalid_request", reason="", **issuer) == 1
    assert seen.value("token_request_seconds_count", outcome="issued", **issuer) == 1
    assert seen.value("claims_total", source="MemoryReplayStore", outcome="claimed") == 1
    assert seen.value("claims_total", source="MemoryReplayStore", outcome="replayed") == 1
    assert seen.value("claim_seconds_count", outcome="replayed") == 1
    assert seen.value("jwks_responses_total", outcome="fresh", **org) == 1
    assert seen.value("jwks_responses_total", outcome="stale", **org) == 1
    assert seen.value("jwks_fetch_seconds_count", outcome="ok", **org) == 1
    assert seen.value("jwks_fetch_seconds_count", outcome="failed", **org) == 1
    assert seen.value("status", part="jwks", status="degraded", **org) == 1
    assert seen.value("status", part="replay", status="healthy") == 1
    assert seen.value("replay_failures", source="MemoryReplayStore") == 0
    last = seen.value("last_success_timestamp_seconds", part="jwks", **org)
    assert time.time() - last == pytest.approx(40, abs=5)


def test_a_full_replay_store(monitored: Monitored) -> None:
    """Claims that a replay store could not answer in a row are a gauge."""
    store = MemoryReplayStore(max_entries=1, single_process=True)
    monitored.metrics.watch(store)
    store.claim("i", "first", time.time() + 60)
    for jti in "ab":
        with pytest.raises(HookVerificationError):
            store.claim("i", jti, time.time() + 60)
    seen = monitored.scrape()
    assert seen.value("replay_failures", source="MemoryReplayStore") == 2
    assert seen.value("status", part="replay", status="failing") == 1


def test_api_errors(okta: OktaEmulator, monitored: Monitored) -> None:
    """Every api_ reason starts at 0; failed calls are counted by reason, and calls are timed."""
    before = monitored.scrape()
    counts = [before.value("api_errors_total", reason=reason) for reason in API_REASONS]
    assert counts == [0] * len(API_REASONS)
    assert len(counts) >= 10
    with HookKeysClient(okta.url, ApiToken(okta.api_token), on_event=monitored.metrics) as client:
        client.list()
        for _ in range(2):
            with pytest.raises(NotFoundError):
                client.get(NO_KEY)
    seen = monitored.scrape()
    assert seen.value("api_errors_total", reason="api_not_found") == 2
    assert seen.value("api_errors_total", reason="api_forbidden") == 0
    assert seen.value("api_call_seconds_count", source=okta.url, outcome="ok") == 1
    assert seen.value("api_call_seconds_count", source=okta.url, outcome="failed") == 2


@pytest.mark.parametrize("name", EventName)
def test_every_event_has_a_metric(name: EventName, monitored: Monitored) -> None:
    """Each event counts in a counter or in a histogram, whatever its outcome."""
    event = Event(name, "https://a", "some", "api_error", "", "a-kid", 0.3)
    for _ in range(7):
        monitored.metrics(event)
    seen = monitored.scrape()
    counted = {each.name for each in seen.samples if each.value == 7}
    duration = DURATIONS.get(name)
    assert duration is None or f"hookkey_{duration.prometheus}_count" in counted
    assert duration is not None or any(each.endswith("_total") for each in counted)
    assert "a-kid" not in seen.text


def test_names_and_types(monitored: Monitored) -> None:
    """A scrape has exactly the metrics of the table, each with its type, also without events."""
    types = {f"hookkey_{each.prometheus}": "counter" for each in ALL_COUNTERS}
    types |= {f"hookkey_{each.prometheus}": "histogram" for each in DURATIONS.values()}
    types |= {f"hookkey_{each.prometheus}": "gauge" for each in GAUGES}
    assert monitored.scrape().types == types


def test_gauges_of_a_key_source(okta: OktaEmulator, monitored: Monitored) -> None:
    """The gauges show status, keys by state, timestamps and the circuit breaker of a source."""
    clock = ManualClock()
    policy = CachePolicy(fresh_for=100, refresh_ahead=0)
    with HookKeys(okta.url, ApiToken(okta.api_token), policy=policy, clock=clock) as keys:
        verifier = _verifier(keys, None)
        monitored.metrics.watch(verifier)
        source, part = {"source": okta.url}, {"source": okta.url, "part": "keys"}
        seen = monitored.scrape()
        assert seen.value("status", status="healthy", **part) == 1
        assert not seen.values("last_success_timestamp_seconds")
        assert seen.value("oldest_key_timestamp_seconds", **source) == pytest.approx(
            time.time(), abs=5
        )
        key_id = okta.create_key("one")["keyId"]
        keys.get(key_id)
        clock.now += 40
        seen, now = monitored.scrape(), time.time()
        assert seen.value("keys", state="fresh", **source) == 1
        assert seen.value("keys", state="stale", **source) == 0
        for name in ("oldest_key_timestamp_seconds", "last_success_timestamp_seconds"):
            assert now - seen.value(name, **source) == pytest.approx(40, abs=5)
        assert seen.value("breaker_open_until_timestamp_seconds", **source) == 0
        okta.stop()
        clock.now += 60
        keys.get(key_id)
        seen = monitored.scrape()
        assert seen.value("status", status="degraded", **part) == 1
        assert seen.value("status", status="healthy", **part) == 0
        assert seen.value("keys", state="stale", **source) == 1
        assert key_id not in seen.text


def test_sources_of_one_org(okta: OktaEmulator, monitored: Monitored) -> None:
    """Sources of one org are reported as one, the most severe, because a label set is unique."""
    sources = [
        HookKeys(okta.url, ApiToken(token)) for token in (okta.api_token, "wrong", okta.api_token)
    ]
    monitored.metrics.watch(*sources)
    with pytest.raises(KeySourceConfigurationError):
        sources[1].get(NO_KEY)
    seen = monitored.scrape()
    assert seen.value("status", source=okta.url, status="failing") == 1
    until = seen.value("breaker_open_until_timestamp_seconds", source=okta.url)
    assert 0 < until - time.time() < 3600
    for keys in sources:
        keys.close()


def test_what_is_gone_is_not_reported(okta: OktaEmulator, monitored: Monitored) -> None:
    """A watched object can be garbage-collected, and then disappears from the scrape."""
    keys = HookKeys(okta.url, ApiToken(okta.api_token))
    monitored.metrics.watch(keys)
    assert monitored.scrape().values("status", source=okta.url) == [1, 0, 0]
    keys.close()
    del keys
    gc.collect()
    seen = monitored.scrape()
    assert not any(seen.values(each.prometheus) for each in GAUGES)


class Broken:
    def health(self) -> Any:
        raise ZeroDivisionError("a secret")


class Plain:
    """An object of the user that reports only a status."""

    def health(self) -> Any:
        return SimpleNamespace(status="degraded")


class Strange:
    """An object of the user with values of the wrong type."""

    def __init__(self, **values: Any) -> None:
        self._report = SimpleNamespace(status="healthy", part="keys", source="x")
        vars(self._report).update(values)

    def health(self) -> Any:
        return self._report


def test_health_that_raises(
    okta: OktaEmulator, monitored: Monitored, caplog: pytest.LogCaptureFixture
) -> None:
    """An object whose health cannot be read is logged once a minute, and the others are shown.

    A source that is not text is shown as text.
    """
    keys = HookKeys(okta.url, ApiToken(okta.api_token))
    strange = [
        Strange(last_success="long ago"),
        Strange(source=[]),
        Strange(status="fine"),
        Strange(status=["healthy"]),
    ]
    objects: list[Any] = [Broken(), keys, *strange, Plain()]
    monitored.metrics.watch(*objects)
    with caplog.at_level(logging.WARNING, "hookkey_verify"):
        for _ in range(3):
            seen = monitored.scrape()
    assert seen.value("status", source=okta.url, status="healthy") == 1
    assert seen.value("status", source="", part="", status="degraded") == 1
    assert seen.value("status", source="[]", part="keys", status="healthy") == 1
    assert len(seen.values("status")) == 9
    # A thread of an earlier test may still log something else.
    assert sorted(each for each in caplog.messages if each.startswith("health()")) == [
        "health() of Broken raised ZeroDivisionError",
        "health() of Strange raised ConfigurationError",
        "health() of Strange raised TypeError",
    ]
    keys.close()


def test_many_events(monitored: Monitored) -> None:
    """No event is lost when threads report at once, also across the limit of kept events."""
    event, threads, each = Event(EventName.FETCH, "s", "ok", seconds=0.5), 4, 2000

    def report() -> None:
        for _ in range(each):
            monitored.metrics(event)

    running = [threading.Thread(target=report) for _ in range(threads)]
    for thread in running:
        thread.start()
    monitored.scrape()
    for thread in running:
        thread.join()
    seen = monitored.scrape()
    assert seen.value("key_fetch_seconds_count") == threads * each
    assert seen.value("key_fetch_seconds_sum") == threads * each / 2


def test_kept_events_are_few(monitored: Monitored) -> None:
    """Without a scrape, the memory for events does not grow."""
    event = Event(EventName.FETCH, "s", "ok", seconds=0.5)
    for _ in range(10 * prometheus.MOST_NEW):
        monitored.metrics(event)
    (series,) = monitored.metrics._values._series  # type: ignore[union-attr]
    assert len(series._new) < prometheus.MOST_NEW
    assert monitored.scrape().value("key_fetch_seconds_count") == 10 * prometheus.MOST_NEW


class NotWeak:
    __slots__ = ()

    def health(self) -> Any:
        return SimpleNamespace(status="healthy")


@dataclass
class Equal:
    """An object that is compared by value, so that it has no hash."""

    status: str

    def health(self) -> Any:
        return SimpleNamespace(part="keys", source=f"equal {id(self)}", status=self.status)


def test_equal_objects_without_a_hash(monitored: Monitored) -> None:
    """Watched objects are told apart by identity, so they need no hash and may be equal."""
    one, two = Equal("healthy"), Equal("healthy")
    assert one == two
    monitored.metrics.watch(one, two, one)
    seen = monitored.scrape()
    for each in (one, two):
        assert seen.values("status", source=f"equal {id(each)}") == [1, 0, 0]
    assert len(seen.values("status")) == 6


def test_an_object_that_is_watched_during_a_scrape(monitored: Monitored) -> None:
    """``watch`` may be called while a scrape reads the health of other objects."""
    later = [Equal("healthy") for _ in range(100)]

    class Watching(Equal):
        def health(self) -> Any:
            monitored.metrics.watch(*later)
            return super().health()

    first = [Watching("degraded") for _ in range(3)]
    monitored.metrics.watch(*first)
    assert len(monitored.scrape().values("status", status="degraded")) == len(first)
    assert len(monitored.scrape().values("status", status="healthy")) == 103


def test_an_object_that_ends_during_a_scrape(monitored: Monitored) -> None:
    """An object that is garbage-collected during a scrape does not disturb it."""
    others = [Equal("healthy") for _ in range(10)]

    class Ending(Equal):
        def health(self) -> Any:
            others.clear()
            gc.collect()
            return super().health()

    first = Ending("degraded")
    monitored.metrics.watch(first, *others)
    assert monitored.scrape().value("status", status="degraded", source=f"equal {id(first)}") == 1
    assert len(monitored.scrape().values("status")) == 3


def test_the_most_severe_of_one_source(monitored: Monitored) -> None:
    """Of several parts with one kind and source, the most severe counts, in any order."""

    class Part(Equal):
        def __init__(self, part: str, source: str, status: str) -> None:
            super().__init__(status)
            self.part, self.source = part, source

        def health(self) -> Any:
            return SimpleNamespace(part=self.part, source=self.source, status=self.status)

    parts = [
        Part("keys", "a", "healthy"),
        Part("keys", "a", "failing"),
        Part("keys", "a", "degraded"),
        Part("keys", "b", "degraded"),
        Part("replay", "a", "degraded"),
    ]
    monitored.metrics.watch(*parts)
    seen = monitored.scrape()
    current = {
        (each.labels["part"], each.labels["source"], each.labels["status"])
        for each in seen.samples
        if each.name == "hookkey_status" and each.value == 1
    }
    assert current == {
        ("keys", "a", "failing"),
        ("keys", "b", "degraded"),
        ("replay", "a", "degraded"),
    }
    assert len(seen.values("status")) == 9


@pytest.mark.parametrize("wrong", [5, None, print, Metrics, HookKeys], ids=str)
def test_what_cannot_be_watched(wrong: Any, monitored: Monitored) -> None:
    """``watch`` refuses objects without health and says what to pass."""
    with pytest.raises(
        ConfigurationError, match="watch takes verifiers, TokenEndpoint, JwksBridge"
    ):
        monitored.metrics.watch(Plain(), wrong)


def test_static_keys_have_no_health(keys: StaticKeys, monitored: Monitored) -> None:
    """Static keys cannot be watched; a verifier with static keys can, and has no gauges."""
    with pytest.raises(ConfigurationError, match="not StaticKeys"):
        monitored.metrics.watch(keys)  # type: ignore[arg-type]
    verifier = _verifier(keys, None)
    monitored.metrics.watch(verifier)
    assert not monitored.scrape().values("status")


def test_objects_must_be_weakly_referencable(monitored: Monitored) -> None:
    """``watch`` refuses an object that cannot be referenced weakly and says how to change it."""
    with pytest.raises(ConfigurationError, match="add __weakref__ to the __slots__ of your class"):
        monitored.metrics.watch(NotWeak())


def test_a_second_metrics_in_one_registry(monitored: Monitored) -> None:
    """A second ``Metrics`` needs another prefix, and the error says so."""
    with pytest.raises(ConfigurationError, match="create one Metrics per process and share it"):
        Metrics(monitored.registry)
    Metrics(monitored.registry, prefix="acme_2")
    types = monitored.scrape().types
    assert {name.partition("_")[0] for name in types} == {"hookkey", "acme"}


@pytest.mark.parametrize("prefix", ["", "2x", "a-b", "a b", "é", "a\n", None, 5], ids=repr)
def test_an_invalid_prefix(prefix: Any) -> None:
    """A prefix that cannot begin a name of a metric is refused."""
    with pytest.raises(ConfigurationError, match="prefix must be letters, digits and underscores"):
        Metrics(CollectorRegistry(), prefix)


def test_an_invalid_registry() -> None:
    """A registry that is not one is refused."""
    with pytest.raises(ConfigurationError, match="registry must be a CollectorRegistry"):
        Metrics("hookkey")  # type: ignore[arg-type]


# --- multiprocess mode. tests/e2e/test_prometheus_multiprocess.py starts real workers. Here the
# variable is set after the import of prometheus_client, so that values stay in memory.


@pytest.fixture
def several(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Monitored]:
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    monkeypatch.setattr(_prometheus_files, "WRITE_INTERVAL", 0.01)
    registry = CollectorRegistry()
    yield Monitored(registry, Metrics(registry))
    _prometheus_files._FORKS._forked()  # as a fork would, so that the thread ends
    assert eventually(lambda: not _writers())


def _writers() -> list[threading.Thread]:
    return [each for each in threading.enumerate() if each.name == "hookkey-metrics"]


def _is_degraded(several: Monitored) -> float | None:
    """Return the gauge that shows whether a ``Plain`` is degraded."""
    return _value(several.registry, "status", part="", source="", status="degraded")


def _value(registry: CollectorRegistry, name: str, **labels: str) -> float | None:
    return registry.get_sample_value(f"hookkey_{name}", labels)


def test_written_counters(several: Monitored) -> None:
    """In multiprocess mode, the client's own counters and histograms have the same values."""
    for name in (EventName.VERIFY, EventName.FETCH, EventName.HIT):
        several.metrics(Event(name, "s", "ok", seconds=0.3))
    several.metrics(Event(EventName.FETCH, "s", "ok", seconds=0.2))
    seen = several.scrape()
    assert seen.value("verifications_total", source="s", outcome="ok") == 1
    assert seen.value("events_total", source="s", event="hit") == 1
    assert seen.value("key_fetch_seconds_count", source="s") == 2
    assert seen.value("key_fetch_seconds_sum", source="s") == pytest.approx(0.5)
    assert seen.value("api_errors_total", reason="api_forbidden") == 0


def test_written_gauges(okta: OktaEmulator, several: Monitored) -> None:
    """In multiprocess mode, a thread writes the gauges and corrects those of what is gone."""
    keys = HookKeys(okta.url, ApiToken(okta.api_token))
    several.metrics.watch(keys, Broken())
    keys.get(okta.create_key("one")["keyId"])

    def value(name: str, **labels: str) -> float | None:
        return _value(several.registry, name, source=okta.url, **labels)

    status = {"part": "keys", "status": "healthy"}
    assert eventually(lambda: value("keys", state="fresh") == 1)
    assert value("status", **status) == 1
    assert len(_writers()) == 1
    keys.close()
    del keys
    gc.collect()
    assert eventually(lambda: value("status", **status) == 0)
    assert eventually(lambda: value("oldest_key_timestamp_seconds") == float("inf"))
    last = value("last_success_timestamp_seconds", part="keys")
    assert last == pytest.approx(time.time(), abs=5)


HIT = Event(EventName.HIT, "s", "fresh")


def test_one_thread_writes(several: Monitored) -> None:
    """The first event starts a thread, and further events and ``watch`` start no other."""
    assert _writers() == []
    several.metrics(HIT)
    several.metrics(HIT)
    plain = Plain()
    several.metrics.watch(plain)
    assert len(_writers()) == 1


class _Disk:
    """A gauge's file on a disk that is full for a while."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.is_full = True
        self.attempts = 0
        write = Gauge.set
        monkeypatch.setattr(Gauge, "set", lambda *args: self._set(write, *args))

    def _set(self, write: Any, *args: Any) -> None:
        self.attempts += 1
        if self.is_full:
            raise OSError("no space left: a secret")
        write(*args)


def test_a_full_disk(
    several: Monitored, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A failing write is logged once a minute, and the same thread writes again later."""
    disk, plain = _Disk(monkeypatch), Plain()
    several.metrics.watch(plain)
    (thread,) = _writers()
    assert eventually(lambda: disk.attempts >= 3)
    assert caplog.messages == ["the gauges could not be written: OSError"]
    assert caplog.records[0].levelno == logging.ERROR
    disk.is_full = False
    assert eventually(lambda: _is_degraded(several) == 1)
    assert _writers() == [thread]


def test_a_full_disk_and_a_log_handler_that_raises(
    several: Monitored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the log handler raises too, the thread still writes again later."""
    disk, plain = _Disk(monkeypatch), Plain()
    handler, logger = RaisingHandler(), logging.getLogger("hookkey_verify")
    logger.addHandler(handler)
    try:
        several.metrics.watch(plain)
        assert eventually(lambda: disk.attempts >= 3)
        disk.is_full = False
        assert eventually(lambda: _is_degraded(several) == 1)
    finally:
        logger.removeHandler(handler)
    assert handler.records == 1


def test_a_thread_that_cannot_be_started(
    several: Monitored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If no thread can be started, events count, and the next one tries to start it again."""
    with monkeypatch.context() as patched:

        def start(_: threading.Thread) -> None:
            raise RuntimeError("can't start new thread")

        patched.setattr(threading.Thread, "start", start)
        plain = Plain()
        several.metrics.watch(plain)
        several.metrics(HIT)
        assert _writers() == []
    several.metrics(HIT)
    assert eventually(lambda: _is_degraded(several) == 1)
    assert _value(several.registry, "events_total", source="s", event="hit", outcome="fresh") == 2


def _fork() -> None:
    """Fork a process that ends at once."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pytest has other threads
        child = os.fork()
        if child == 0:
            os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


needs_forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system does not fork")


@needs_forks
def test_a_process_that_forks_and_uses_no_keys(several: Monitored) -> None:
    """A process that forks withdraws its gauges and stops writing until its next event."""
    plain = Plain()
    several.metrics.watch(plain)
    assert eventually(lambda: _is_degraded(several) == 1)
    _fork()
    assert eventually(lambda: not _writers())
    assert _is_degraded(several) == 0
    several.metrics(HIT)
    assert eventually(lambda: _is_degraded(several) == 1)


@needs_forks
def test_a_process_that_forks_and_uses_keys(
    several: Monitored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process that forks and reports an event before the next writing keeps its gauges."""
    wait, next_writing = threading.Event(), threading.Event()

    def sleep(seconds: float) -> None:
        wait.set()
        assert next_writing.wait(20)

    monkeypatch.setattr(_prometheus_files, "time", SimpleNamespace(time=time.time, sleep=sleep))
    plain = Plain()
    several.metrics.watch(plain)
    (thread,) = _writers()
    assert wait.wait(20)
    _fork()
    several.metrics(HIT)
    next_writing.set()
    assert eventually(lambda: _is_degraded(several) == 1)
    assert _writers() == [thread]


@needs_forks
def test_an_event_during_the_last_writing(
    several: Monitored, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An event that comes while the gauges are withdrawn starts another thread."""
    write, withdrawn = _prometheus_files.Written.write, list[bool]()

    def slow_write(self: _prometheus_files.Written, *, withdraw: bool = False) -> None:
        write(self, withdraw=withdraw)
        if withdraw and not withdrawn:
            withdrawn.append(True)
            several.metrics(HIT)

    plain = Plain()
    several.metrics.watch(plain)
    assert eventually(lambda: _is_degraded(several) == 1)
    monkeypatch.setattr(_prometheus_files.Written, "write", slow_write)
    _fork()
    assert eventually(lambda: withdrawn == [True] and _is_degraded(several) == 1)


@needs_forks
def test_a_forked_process(several: Monitored) -> None:
    """A forked process starts a thread of its own with its first event."""
    plain = Plain()
    several.metrics.watch(plain)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # pytest has other threads
        child = os.fork()
        if child == 0:
            before = len(_writers())
            several.metrics(HIT)
            os._exit(0 if (before, len(_writers())) == (0, 1) else 1)
    assert os.waitpid(child, 0)[1] == 0


def test_names_that_are_taken_by_others(several: Monitored) -> None:
    """If one name is taken, no other one is registered."""
    registry = CollectorRegistry()
    Gauge("hookkey_replay_failures", "of another program", registry=registry)
    with pytest.raises(ConfigurationError, match="or pass another prefix or registry"):
        Metrics(registry)
    assert set(Scrape(registry).types) == {"hookkey_replay_failures"}
