"""Telemetry for OpenTelemetry: metrics, gauges and spans, as an SDK exports them."""

from __future__ import annotations

import asyncio
import gc
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased, Sampler
from opentelemetry.trace import SpanKind, StatusCode

from hookkey_verify import (
    ApiToken,
    CachePolicy,
    ConfigurationError,
    HookKeys,
    HookKeysClient,
    HookSigner,
    HookVerifier,
    IssuerKeys,
    StaticKeys,
    TokenEndpoint,
)
from hookkey_verify._metrics import COUNTERS, DURATIONS, GAUGES
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import (
    AuthenticationError,
    KeyUnavailableError,
    Reason,
    ReplayedTokenError,
    ReplayStoreUnavailableError,
    TokenExpiredError,
    UnknownKeyError,
)
from hookkey_verify.events import Event, EventName
from hookkey_verify.jwks_bridge import JwksBridge
from hookkey_verify.otel import Telemetry
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.signing_key import SigningKey
from hookkey_verify.valkey import ValkeyReplayStore

from .conftest import CLIENT_ID, TOKEN_URL
from .faults import ManualClock
from .servers import free_port
from .valkeys import valkey_server

NO_KEY = "0fb3de6f-0000-4000-8000-000000000000"
NOW = 1_800_000_000 * 10**9
"""Nanoseconds since the epoch."""


class Recorded:
    """A Telemetry with an SDK that keeps what it exports in memory."""

    def __init__(self, *, sampler: Sampler | None = None, clock: Any = time.time_ns) -> None:
        self.reader = InMemoryMetricReader()
        self.exporter = InMemorySpanExporter()
        self.meters = MeterProvider([self.reader])
        self.tracers = TracerProvider(sampler=sampler)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.telemetry = Telemetry(self.meters, self.tracers, clock=clock)

    def metrics(self) -> dict[str, Any]:
        """Return the exported metrics by name."""
        data = self.reader.get_metrics_data()
        if data is None:
            return {}
        [resource] = data.resource_metrics
        [scope] = resource.scope_metrics
        assert scope.scope.name == "hookkey_verify"
        return {metric.name: metric for metric in scope.metrics}

    def value(self, name: str, **attributes: str) -> float:
        """Return the value, or the count of a histogram, with exactly these attributes.

        ``attributes``: those of our namespace without its prefix, and ``error``.
        """
        wanted = {f"hookkey.{each}": value for each, value in attributes.items()}
        if "hookkey.error" in wanted:
            wanted["error.type"] = wanted.pop("hookkey.error")
        points = self.metrics()[f"hookkey.{name}"].data.data_points
        [point] = [each for each in points if dict(each.attributes) == wanted]
        return float(point.value if hasattr(point, "value") else point.count)

    def spans(self, name: str) -> list[ReadableSpan]:
        """Return the exported spans with this name of ours."""
        spans = self.exporter.get_finished_spans()
        return [each for each in spans if each.name == f"hookkey.{name}"]

    def span(self, name: str) -> ReadableSpan:
        """Return the only exported span with this name of ours."""
        [span] = self.spans(name)
        return span

    def close(self) -> None:
        self.meters.shutdown()
        self.tracers.shutdown()


@pytest.fixture
def recorded() -> Iterator[Recorded]:
    made = Recorded()
    yield made
    made.close()


def _hook_keys(okta: OktaEmulator, **arguments: Any) -> HookKeys:
    return HookKeys(okta.url, ApiToken(okta.api_token), **arguments)


def _verifier(keys: Any, telemetry: Telemetry, **arguments: Any) -> HookVerifier:
    return HookVerifier.for_client_assertion(
        keys, client_id=CLIENT_ID, token_url=TOKEN_URL, on_event=telemetry, **arguments
    )


def _assertion(signer: HookSigner) -> str:
    return signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)


# --- metrics


def test_what_is_counted_and_measured(okta: OktaEmulator, recorded: Recorded) -> None:
    """Verifications, claims, fetches and other events are exported by outcome, without a kid."""
    telemetry = recorded.telemetry
    key_id = str(okta.create_key("one")["keyId"])
    store = MemoryReplayStore(single_process=True, on_event=telemetry)
    with _hook_keys(okta, on_event=telemetry) as keys:
        verifier = _verifier(keys, telemetry, replay=store)
        first, second = (_assertion(okta.signer(key_id)) for _ in range(2))
        verifier.verify(first)
        asyncio.run(verifier.averify(second))
        with pytest.raises(ReplayedTokenError):
            verifier.verify(first)
        with pytest.raises(UnknownKeyError):
            keys.get(NO_KEY)
    source, value = okta.url, recorded.value
    assert value("verifications", source=source, outcome="accepted", key="fetched") == 1
    assert value("verifications", source=source, outcome="accepted", key="cached") == 1
    replayed = {"source": source, "outcome": "refused", "key": "cached", "error": "replayed"}
    assert value("verifications", **replayed, reason="replayed") == 1
    assert value("verification.duration", **replayed) == 1
    assert value("claims", source="MemoryReplayStore", outcome="claimed") == 2
    assert value("claims", source="MemoryReplayStore", outcome="replayed") == 1
    assert value("claim.duration", source="MemoryReplayStore", outcome="claimed") == 2
    assert value("key_fetch.duration", source=source, outcome="ok") == 1
    unknown = {"outcome": "unknown_key", "error": "unknown_key"}
    assert value("key_fetch.duration", source=source, **unknown) == 1
    assert value("events", source=source, event="hit", outcome="fresh") == 2
    exported = str(recorded.metrics())
    for secret in (key_id, NO_KEY, CLIENT_ID, TOKEN_URL, *first.split("."), *second.split(".")):
        assert secret not in exported


def test_failed_calls_of_the_management_api(okta: OktaEmulator, recorded: Recorded) -> None:
    """A failed call counts as an error by reason, and each call has a duration."""
    on_event = recorded.telemetry
    with HookKeysClient(okta.url, ApiToken(okta.api_token), on_event=on_event) as client:
        assert client.list() == []
    with HookKeysClient(okta.url, ApiToken("wrong"), on_event=on_event) as client:
        with pytest.raises(AuthenticationError):
            client.list()
    reason = "api_authentication_failed"
    assert recorded.value("api.errors", reason=reason, error=reason) == 1
    assert recorded.value("api_call.duration", source=okta.url, outcome="ok") == 1
    assert recorded.value("api_call.duration", source=okta.url, outcome="failed", error=reason) == 1
    assert recorded.exporter.get_finished_spans() == ()


def test_names_units_and_buckets(recorded: Recorded) -> None:
    """Every metric of the shared table has its name, unit, description and buckets."""
    store = MemoryReplayStore(single_process=True)
    recorded.telemetry.watch(store)
    for name in EventName:
        recorded.telemetry(Event(name, "s", "o", reason="expired", seconds=0.003))
    metrics = recorded.metrics()
    for counted in COUNTERS.values():
        metric = metrics[f"hookkey.{counted.otel}"]
        assert (metric.unit, metric.description) == (counted.unit, counted.text)
        assert metric.data.is_monotonic
        [point] = metric.data.data_points
        assert (point.value, point.attributes["error.type"]) == (1, "expired")
    for duration in DURATIONS.values():
        metric = metrics[f"hookkey.{duration.otel}"]
        assert (metric.unit, metric.description) == ("s", duration.text)
        [point] = metric.data.data_points
        assert (point.explicit_bounds, point.sum) == (duration.buckets, 0.003)
    assert metrics["hookkey.api.errors"].unit == "{error}"
    others = metrics["hookkey.events"].data.data_points
    counted_elsewhere = {*COUNTERS, *DURATIONS}
    assert {each.attributes["hookkey.event"] for each in others} == {
        name.value for name in EventName if name not in counted_elsewhere
    }
    gauges = {f"hookkey.{each.otel}": (each.unit, each.text) for each in GAUGES}
    found = {name: (each.unit, each.description) for name, each in metrics.items()}
    of_stores = {"hookkey.status", "hookkey.replay.failures"}
    assert {name for name in found if name in gauges} == of_stores
    assert all(found[name] == gauges[name] for name in of_stores)


def test_a_duration_that_is_unknown(recorded: Recorded) -> None:
    """An event without seconds is counted, and has neither a duration nor a span."""
    recorded.telemetry(Event(EventName.CLAIM, "Own", "claimed"))
    assert recorded.value("claims", source="Own", outcome="claimed") == 1
    assert "hookkey.claim.duration" not in recorded.metrics()
    assert recorded.exporter.get_finished_spans() == ()


# --- gauges


def test_the_condition_of_a_key_source(okta: OktaEmulator) -> None:
    """The gauges of a watched verifier have the condition of its key source, with timestamps."""
    recorded, clock = Recorded(clock=lambda: NOW), ManualClock()
    policy = CachePolicy(fresh_for=100, refresh_ahead=0)
    keys = _hook_keys(okta, policy=policy, clock=clock)
    verifier = _verifier(keys, recorded.telemetry)
    recorded.telemetry.watch(verifier, keys)
    key_id = str(okta.create_key("one")["keyId"])
    assert "hookkey.last_success.timestamp" not in recorded.metrics()
    keys.get(key_id)
    clock.now += 40
    source, value, then = okta.url, recorded.value, NOW / 1e9 - 40
    assert value("status", part="keys", source=source, status="healthy") == 1
    assert value("status", part="keys", source=source, status="failing") == 0
    assert value("keys", source=source, state="fresh") == 1
    assert value("keys", source=source, state="stale") == 0
    assert value("oldest_key.timestamp", source=source) == then
    assert value("last_success.timestamp", part="keys", source=source) == then
    assert value("breaker_open_until.timestamp", source=source) == 0
    assert key_id not in str(recorded.metrics())
    keys.close()
    recorded.close()


def test_the_condition_of_a_replay_store(recorded: Recorded) -> None:
    """The gauges of a replay store have its status and the number of failed claims."""
    store = MemoryReplayStore(single_process=True, max_entries=1)
    recorded.telemetry.watch(store)
    store.claim("i", "1", time.time() + 60)
    for jti in ("2", "3"):
        with pytest.raises(ReplayStoreUnavailableError):
            store.claim("i", jti, time.time() + 60)
    source = "MemoryReplayStore"
    assert recorded.value("replay.failures", source=source) == 2
    assert recorded.value("status", part="replay", source=source, status="failing") == 1


def test_everything_with_a_condition_can_be_watched(
    okta: OktaEmulator, recorded: Recorded, signer: HookSigner
) -> None:
    """A bridge, a token endpoint and an issuer's keys are accepted; each part has a status."""
    client = HookKeysClient(okta.url, ApiToken(okta.api_token))
    keys = IssuerKeys(okta.issuer)
    store = MemoryReplayStore(single_process=True)
    verifier = HookVerifier.for_client_assertion(
        StaticKeys.from_jwk(signer.public_jwk()),
        client_id=CLIENT_ID,
        token_url=TOKEN_URL,
        replay=store,
    )
    endpoint = TokenEndpoint(
        verifier,
        signing_key=SigningKey.generate(),
        issuer="https://hooks.acme.com",
        audience="api://hooks",
        scopes=["hooks"],
    )
    bridge = JwksBridge(client)
    recorded.telemetry.watch(bridge, endpoint, keys)
    points = recorded.metrics()["hookkey.status"].data.data_points
    found = {
        (each.attributes["hookkey.part"], each.attributes["hookkey.source"]) for each in points
    }
    assert found == {("jwks", okta.url), ("replay", "MemoryReplayStore"), ("keys", okta.issuer)}
    keys.close()
    client.close()


def test_the_watched_are_not_kept_alive(recorded: Recorded) -> None:
    """An object that no longer exists is no longer exported, and ``watch`` does not keep it."""
    store = MemoryReplayStore(single_process=True)
    recorded.telemetry.watch(store)
    assert "hookkey.status" in recorded.metrics()
    del store
    gc.collect()
    assert "hookkey.status" not in recorded.metrics()


@dataclass
class _OwnSource:
    """A source that is compared by value, so that it has no hash."""

    def health(self) -> Any:
        return SimpleNamespace(part="replay", source=f"own {id(self)}", status="healthy")


def test_equal_objects_without_a_hash(recorded: Recorded) -> None:
    """Watched objects are told apart by identity, so they need no hash and may be equal."""
    one, two = _OwnSource(), _OwnSource()
    assert one == two
    recorded.telemetry.watch(one, two, one)
    for own in (one, two):
        assert recorded.value("replay.failures", source=f"own {id(own)}") == 0
    assert len(recorded.metrics()["hookkey.replay.failures"].data.data_points) == 2


class _Slotted:
    """A source that cannot be referenced weakly."""

    __slots__ = ()

    def health(self) -> Any:
        return None


def test_what_cannot_be_watched(keys: StaticKeys, recorded: Recorded) -> None:
    """``watch`` refuses an object without health, says what it takes, and adds no other object."""
    store = MemoryReplayStore(single_process=True)
    others: list[tuple[Any, str]] = [
        (keys, "watch takes .* not StaticKeys"),
        (HookKeys, "watch takes .* not type"),
        (_Slotted(), "add __weakref__"),
    ]
    for other, message in others:
        with pytest.raises(ConfigurationError, match=message):
            recorded.telemetry.watch(store, other)
    assert recorded.metrics() == {}


class _Broken:
    def health(self) -> Any:
        raise RuntimeError


def test_a_broken_condition(recorded: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    """An object whose health cannot be read is logged, and the others are exported."""
    store, broken = MemoryReplayStore(single_process=True), _Broken()
    recorded.telemetry.watch(store, broken)
    assert recorded.value("replay.failures", source="MemoryReplayStore") == 0
    assert "health() of _Broken raised RuntimeError" in caplog.text


# --- spans


def test_the_spans_of_a_request(okta: OktaEmulator, recorded: Recorded) -> None:
    """Verification, fetch and claim are siblings below the caller's span, with its trace."""
    telemetry = recorded.telemetry
    key_id = str(okta.create_key("one")["keyId"])
    store = MemoryReplayStore(single_process=True, on_event=telemetry)
    tracer = recorded.tracers.get_tracer("test")
    with _hook_keys(okta, on_event=telemetry) as keys:
        verifier = _verifier(keys, telemetry, replay=store)
        with tracer.start_as_current_span("request") as request:
            verifier.verify(_assertion(okta.signer(key_id)))
    verify, fetch, claim = (recorded.span(each) for each in ("verify", "fetch_key", "claim"))
    for span in (verify, fetch, claim):
        assert span.parent == request.get_span_context()
        assert span.status.status_code is StatusCode.UNSET
    assert (verify.kind, dict(verify.attributes or {})) == (
        SpanKind.INTERNAL,
        {
            "hookkey.source": okta.url,
            "hookkey.outcome": "accepted",
            "hookkey.key": "fetched",
            "hookkey.kid": key_id,
        },
    )
    host, port = okta.url.removeprefix("http://").split(":")
    assert (fetch.kind, dict(fetch.attributes or {})) == (
        SpanKind.CLIENT,
        {
            "hookkey.source": okta.url,
            "hookkey.outcome": "ok",
            "hookkey.kid": key_id,
            "server.address": host,
            "server.port": int(port),
            "url.scheme": "http",
        },
    )
    assert (claim.kind, dict(claim.attributes or {})) == (
        SpanKind.INTERNAL,
        {"hookkey.source": "MemoryReplayStore", "hookkey.outcome": "claimed"},
    )


def test_the_times_of_a_span() -> None:
    """A span ends when its event arrives, and begins its duration earlier."""
    recorded = Recorded(clock=lambda: NOW)
    recorded.telemetry(Event(EventName.VERIFY, "s", "accepted", seconds=0.25))
    span = recorded.span("verify")
    assert (span.start_time, span.end_time) == (NOW - 250_000_000, NOW)
    recorded.close()


def test_a_refused_request(recorded: Recorded, signer: HookSigner) -> None:
    """The span of an expired token has the reason as ``error.type``, and no error status."""
    keys = StaticKeys.from_jwk(signer.public_jwk())
    verifier = _verifier(keys, recorded.telemetry, clock=lambda: time.time() + 4000)
    with pytest.raises(TokenExpiredError):
        verifier.verify(_assertion(signer))
    span = recorded.span("verify")
    attributes = dict(span.attributes or {})
    assert attributes["error.type"] == attributes["hookkey.reason"] == "expired"
    assert (attributes["hookkey.outcome"], attributes["hookkey.key"]) == ("refused", "cached")
    assert span.status.status_code is StatusCode.UNSET
    assert span.events == ()


def test_an_outage_of_the_key_source(recorded: Recorded, signer: HookSigner) -> None:
    """The spans of the failed fetch and of the refused request have an error status."""
    telemetry, port = recorded.telemetry, free_port()
    with HookKeys(f"http://127.0.0.1:{port}", ApiToken("x"), on_event=telemetry) as keys:
        with pytest.raises(KeyUnavailableError):
            _verifier(keys, telemetry).verify(_assertion(signer))
    for name in ("fetch_key", "verify"):
        span = recorded.span(name)
        assert (span.attributes or {})["error.type"] == "key_unavailable"
        assert span.status.status_code is StatusCode.ERROR
        assert span.status.description is None


_SENDERS = [
    *("missing_token", "malformed_token", "multiple_tokens", "token_too_large"),
    *("unsupported_header", "token_type_not_allowed", "algorithm_not_allowed", "unknown_key"),
    *("invalid_signature", "missing_claim", "invalid_claim", "wrong_issuer", "wrong_audience"),
    *("wrong_subject", "wrong_client", "lifetime_too_long", "issued_in_future"),
    *("not_yet_valid", "expired", "replayed", "wrong_credentials", "insufficient_scope"),
    *("key_lookup_limited", "invalid_payload"),
]


@pytest.mark.parametrize("reason", [each.value for each in Reason])
def test_whose_fault_it_is(recorded: Recorded, reason: str) -> None:
    """A span is an error unless the sender of the request caused the refusal."""
    event = Event(EventName.VERIFY, "s", "refused", reason=reason, seconds=0.0)
    recorded.telemetry(event)
    expected = StatusCode.UNSET if reason in _SENDERS else StatusCode.ERROR
    assert recorded.span("verify").status.status_code is expected


@pytest.mark.parametrize("outcome", ["ok", "shared", "discarded"])
def test_fetches_without_an_error(recorded: Recorded, outcome: str) -> None:
    """A fetch that did not fail has no ``error.type``, in spans and metrics."""
    recorded.telemetry(Event(EventName.FETCH, "https://acme.okta.com", outcome, seconds=0.1))
    span = recorded.span("fetch_key")
    assert "error.type" not in (span.attributes or {})
    assert span.status.status_code is StatusCode.UNSET
    named = {"source": "https://acme.okta.com", "outcome": outcome}
    assert recorded.value("key_fetch.duration", **named) == 1


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("https://acme.okta.com", ("acme.okta.com", 443, "https")),
        ("https://acme.okta.com/oauth2/default", ("acme.okta.com", 443, "https")),
        ("http://[::1]:8080", ("::1", 8080, "http")),
        ("http://localhost", ("localhost", 80, "http")),
        ("OwnKeys", (None, None, None)),
    ],
)
def test_the_server_of_a_fetch(recorded: Recorded, source: str, expected: Any) -> None:
    """The address, port and scheme come from the URL; a class name has none."""
    recorded.telemetry(Event(EventName.FETCH, source, "ok", seconds=0.1))
    found = dict(recorded.span("fetch_key").attributes or {})
    names = ("server.address", "server.port", "url.scheme")
    assert tuple(map(found.get, names)) == expected


@pytest.mark.parametrize(
    ("source", "system"),
    [
        ("ValkeyReplayStore", "redis"),
        ("PostgresReplayStore", "postgresql"),
        ("DynamoDBReplayStore", "aws.dynamodb"),
    ],
)
def test_the_system_of_a_claim(recorded: Recorded, source: str, system: str) -> None:
    """The span of a claim names the database system of the store."""
    recorded.telemetry(Event(EventName.CLAIM, source, "claimed", seconds=0.1))
    span = recorded.span("claim")
    found = dict(span.attributes or {})
    assert span.kind is SpanKind.CLIENT
    assert (found["db.system.name"], found["db.operation.name"]) == (system, "claim")


def test_a_long_kid_is_shortened(recorded: Recorded) -> None:
    """A span has at most 40 characters of a kid, because its sender chose it."""
    recorded.telemetry(Event(EventName.VERIFY, "s", "refused", kid="k" * 200, seconds=0.1))
    assert (recorded.span("verify").attributes or {})["hookkey.kid"] == "k" * 40 + "…"


def test_claims_at_a_valkey(recorded: Recorded) -> None:
    """The claims of a real Valkey have spans, in threads and tasks, also when it is unreachable."""
    tracer, until = recorded.tracers.get_tracer("test"), time.time() + 60
    with valkey_server() as server:
        store = ValkeyReplayStore(server.url, timeout=0.5, on_event=recorded.telemetry)

        async def claim_again() -> bool:
            with tracer.start_as_current_span("request"):
                return await store.aclaim("issuer", "secret-jti", until)

        with tracer.start_as_current_span("request"):
            assert store.claim("issuer", "secret-jti", until) is True
        assert asyncio.run(claim_again()) is False
        server.kill()
        with tracer.start_as_current_span("request"):
            with pytest.raises(ReplayStoreUnavailableError):
                store.claim("issuer", "secret-jti", until)
        store.close()
    requests = [each for each in recorded.exporter.get_finished_spans() if each.name == "request"]
    claims = recorded.spans("claim")
    assert [each.parent for each in claims] == [each.context for each in requests]
    found = [dict(each.attributes or {}) for each in claims]
    common = {
        "hookkey.source": "ValkeyReplayStore",
        "db.system.name": "redis",
        "db.operation.name": "claim",
    }
    reason = "replay_store_unavailable"
    assert found == [
        {**common, "hookkey.outcome": "claimed"},
        {**common, "hookkey.outcome": "replayed"},
        {
            **common,
            "hookkey.outcome": "unreachable",
            "hookkey.reason": reason,
            "error.type": reason,
        },
    ]
    assert [each.status.status_code for each in claims] == [
        StatusCode.UNSET,
        StatusCode.UNSET,
        StatusCode.ERROR,
    ]
    assert {each.kind for each in claims} == {SpanKind.CLIENT}
    assert "secret-jti" not in "".join(each.to_json() for each in claims)


# --- the SDK


def test_a_request_that_is_not_sampled(signer: HookSigner) -> None:
    """A verification below a span that is not sampled has no span, but is counted."""
    recorded = Recorded(sampler=ParentBased(ALWAYS_OFF))
    keys = StaticKeys.from_jwk(signer.public_jwk())
    with recorded.tracers.get_tracer("test").start_as_current_span("request"):
        _verifier(keys, recorded.telemetry).verify(_assertion(signer))
    assert recorded.exporter.get_finished_spans() == ()
    assert "hookkey.verifications" in recorded.metrics()
    recorded.close()


class _BrokenSampler(Sampler):
    def should_sample(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError

    def get_description(self) -> str:
        return "broken"


def test_a_broken_sdk(signer: HookSigner, caplog: pytest.LogCaptureFixture) -> None:
    """An exception of the SDK is logged, and the token is accepted."""
    recorded = Recorded(sampler=_BrokenSampler())
    keys = StaticKeys.from_jwk(signer.public_jwk())
    hook = _verifier(keys, recorded.telemetry).verify(_assertion(signer))
    assert hook.subject == CLIENT_ID
    assert "on_event raised RuntimeError" in caplog.text
    recorded.close()


def test_many_threads_at_once(recorded: Recorded, caplog: pytest.LogCaptureFixture) -> None:
    """Threads can report events and watch objects while another one exports."""
    stores = [MemoryReplayStore(single_process=True) for _ in range(2_000)]

    def work(number: int) -> None:
        for store in stores[number::4]:
            recorded.telemetry(Event(EventName.JWKS_SERVED, "s", "fresh"))
            recorded.telemetry.watch(store)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            recorded.metrics()
    finally:
        sys.setswitchinterval(interval)
    assert recorded.value("jwks.responses", source="s", outcome="fresh") == len(stores)
    assert caplog.records == []  # the SDK logs the exceptions of a gauge


_LATER = """
from opentelemetry import metrics, trace
from hookkey_verify.events import Event, EventName
from hookkey_verify.otel import Telemetry
from hookkey_verify.replay import MemoryReplayStore

telemetry, store = Telemetry(), MemoryReplayStore(single_process=True)
telemetry.watch(store)
event = Event(EventName.VERIFY, "s", "accepted", seconds=0.003)
telemetry(event)

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

reader, exporter, provider = InMemoryMetricReader(), InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(exporter))
metrics.set_meter_provider(MeterProvider([reader]))
trace.set_tracer_provider(provider)
telemetry(event)
[resource] = reader.get_metrics_data().resource_metrics
[scope] = resource.scope_metrics
found = {metric.name: metric.data.data_points for metric in scope.metrics}
print([point.value for point in found["hookkey.verifications"]])
print(found["hookkey.verification.duration"][0].explicit_bounds[0])
print("hookkey.status" in found)
print([span.name for span in exporter.get_finished_spans()])
"""


def test_an_sdk_that_is_configured_later() -> None:
    """Without an SDK nothing is recorded; one that is configured later gets what follows."""
    done = subprocess.run(
        [sys.executable, "-c", _LATER], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.splitlines() == ["[1]", "5e-05", "True", "['hookkey.verify']"]
