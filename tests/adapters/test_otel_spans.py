"""The spans of Telemetry below the server spans of the Flask and FastAPI instrumentations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import fastapi
import flask
import pytest
import requests
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.flask import FlaskInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from hookkey_verify import ApiToken, CachePolicy, HookKeys, HookSigner, HookVerifier
from hookkey_verify import fastapi as for_fastapi
from hookkey_verify import flask as for_flask
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.otel import Telemetry
from hookkey_verify.replay import MemoryReplayStore

from ..conftest import CLIENT_ID, TOKEN_URL
from ..faults import eventually
from ..servers import asgi_server, wsgi_server

_flask_instrumentor: Any = FlaskInstrumentor()  # it has no type hints


class Sdk:
    """An SDK that keeps what it exports in memory, for the package and the instrumentation.

    ``exported``: all spans and metrics so far, as JSON.
    """

    def __init__(self) -> None:
        self.reader, self.exporter = InMemoryMetricReader(), InMemorySpanExporter()
        self.meters, self.tracers = MeterProvider([self.reader]), TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.exported = ""
        self.providers: dict[str, Any] = {
            "meter_provider": self.meters,
            "tracer_provider": self.tracers,
        }

    def request(self, url: str, token: str) -> tuple[int, dict[str, ReadableSpan]]:
        """Send a token, and return the status with the server span and our spans by name.

        The framework ends its server span after it has sent the response.
        """
        fields = {"Authorization": f"Bearer {token}"}
        status = requests.post(url, headers=fields, timeout=10).status_code
        assert eventually(lambda: "server" in self._spans())
        spans, metrics = self._spans(), self.reader.get_metrics_data()
        assert metrics is not None
        self.exported += metrics.to_json()
        self.exported += "".join(each.to_json() for each in self.exporter.get_finished_spans())
        self.exporter.clear()
        return status, spans

    def _spans(self) -> dict[str, ReadableSpan]:
        spans = {}
        for span in self.exporter.get_finished_spans():
            if span.kind is SpanKind.SERVER or span.name.startswith("hookkey."):
                name = "server" if span.kind is SpanKind.SERVER else span.name
                assert name not in spans
                spans[name] = span
        return spans


@contextmanager
def _flask(verifier: HookVerifier, sdk: Sdk) -> Iterator[str]:
    """A sync Flask view, protected by the decorator."""
    app = flask.Flask(__name__)

    @app.post("/hook")
    @for_flask.protect(verifier)
    def hook() -> dict[str, Any]:
        return {}

    _flask_instrumentor.instrument_app(app, **sdk.providers)
    with wsgi_server(app) as port:
        yield f"http://127.0.0.1:{port}/hook"


@contextmanager
def _flask_extension(verifier: HookVerifier, sdk: Sdk) -> Iterator[str]:
    """A sync Flask view, protected by the extension, which has to come after the instrumentation.

    Flask calls functions that run before a view in the order of their registration.
    """
    app = flask.Flask(__name__)
    _flask_instrumentor.instrument_app(app, **sdk.providers)
    hooks = for_flask.HookKeyVerify(app, verifier)

    @app.post("/hook")
    @hooks.required
    def hook() -> dict[str, Any]:
        return {}

    with wsgi_server(app) as port:
        yield f"http://127.0.0.1:{port}/hook"


@contextmanager
def _fastapi(verifier: HookVerifier, sdk: Sdk) -> Iterator[str]:
    """An async FastAPI path operation, protected by an async dependency."""
    app = fastapi.FastAPI()
    auth = for_fastapi.HookAuth(verifier)

    @app.post("/hook", dependencies=[fastapi.Depends(auth)])
    async def hook() -> dict[str, Any]:
        return {}

    FastAPIInstrumentor.instrument_app(app, **sdk.providers)
    with asgi_server(app) as port:
        yield f"http://127.0.0.1:{port}/hook"


@pytest.mark.parametrize("serve", [_flask, _flask_extension, _fastapi])
def test_below_the_server_span(okta: OktaEmulator, serve: Callable[..., Any]) -> None:
    """Verification, fetch and claim are siblings below the server span, with its times.

    The first request waits for the key, the second one finds it in memory, and later ones are
    refused. No span and no metric has a part of a token.
    """
    sdk = Sdk()
    telemetry = Telemetry(sdk.meters, sdk.tracers)
    signer = okta.signer(str(okta.create_key("one")["keyId"]))
    tokens = [_assertion(signer) for _ in range(2)]
    late = signer.sign({"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": TOKEN_URL, "exp": 1, "jti": "x"})
    store = MemoryReplayStore(single_process=True, on_event=telemetry)
    with HookKeys(okta.url, ApiToken(okta.api_token), on_event=telemetry) as keys:
        verifier = _verifier(keys, telemetry, store)
        with serve(verifier, sdk) as url:
            answers = [sdk.request(url, token) for token in (*tokens, tokens[0], late)]
    first, second, replayed, expired = [spans for _, spans in answers]
    assert [status for status, _ in answers] == [200, 200, 401, 401]
    everything = {"server", "hookkey.verify", "hookkey.fetch_key", "hookkey.claim"}
    assert set(first) == everything
    assert set(second) == set(replayed) == everything - {"hookkey.fetch_key"}
    assert set(expired) == {"server", "hookkey.verify"}
    for spans in (first, second, replayed, expired):
        _assert_siblings(spans)
    _assert_order(first)
    for spans, key in ((first, "fetched"), (second, "cached")):
        found = spans["hookkey.verify"].attributes or {}
        assert (found["hookkey.outcome"], found["hookkey.key"]) == ("accepted", key)
        assert "error.type" not in found
    for spans, reason in ((replayed, "replayed"), (expired, "expired")):
        assert (spans["hookkey.verify"].attributes or {})["error.type"] == reason
        assert spans["hookkey.verify"].status.status_code is StatusCode.UNSET
    assert (replayed["hookkey.claim"].attributes or {})["hookkey.outcome"] == "replayed"
    parts = [part for token in (*tokens, late) for part in token.split(".")]
    assert sdk.exported.count('"hookkey.verify"') == len(answers)
    assert "hookkey.verification.duration" in sdk.exported
    assert [each for each in (*parts, CLIENT_ID, TOKEN_URL) if each in sdk.exported] == []


@pytest.mark.parametrize("serve", [_flask, _fastapi])
def test_an_outage(okta: OktaEmulator, serve: Callable[..., Any]) -> None:
    """A key source that is down makes the request, the fetch and the verification errors."""
    sdk = Sdk()
    telemetry = Telemetry(sdk.meters, sdk.tracers)
    signer = okta.signer(str(okta.create_key("one")["keyId"]))
    okta.fail(500, times=100)
    policy = CachePolicy(fetch_timeout=1)
    credentials = ApiToken(okta.api_token)
    with HookKeys(okta.url, credentials, policy=policy, on_event=telemetry) as keys:
        with serve(_verifier(keys, telemetry), sdk) as url:
            status, spans = sdk.request(url, _assertion(signer))
    assert status == 503
    assert set(spans) == {"server", "hookkey.verify", "hookkey.fetch_key"}
    _assert_siblings(spans)
    for span in spans.values():
        assert span.status.status_code is StatusCode.ERROR
    for name in ("hookkey.verify", "hookkey.fetch_key"):
        assert (spans[name].attributes or {})["error.type"] == "key_unavailable"


def _verifier(
    keys: HookKeys, telemetry: Telemetry, replay: MemoryReplayStore | None = None
) -> HookVerifier:
    return HookVerifier.for_client_assertion(
        keys, client_id=CLIENT_ID, token_url=TOKEN_URL, replay=replay, on_event=telemetry
    )


def _assertion(signer: HookSigner) -> str:
    return signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)


def _assert_siblings(spans: dict[str, ReadableSpan]) -> None:
    """Assert that our spans are children of the server span and lie within its time."""
    server = spans["server"]
    assert server.parent is None
    for name, span in spans.items():
        if name != "server":
            assert span.parent == server.context
            assert _start(server) <= _start(span) <= _end(span) <= _end(server)


def _assert_order(spans: dict[str, ReadableSpan]) -> None:
    """Assert that the fetch ends before the claim, and the claim before the verification."""
    verify, fetch, claim = (spans[f"hookkey.{each}"] for each in ("verify", "fetch_key", "claim"))
    assert _end(fetch) <= _start(claim)
    assert _end(claim) <= _end(verify)
    assert _end(verify) - _start(verify) >= _end(fetch) - _start(fetch) > 0


def _start(span: ReadableSpan) -> int:
    assert span.start_time is not None
    return span.start_time


def _end(span: ReadableSpan) -> int:
    assert span.end_time is not None
    return span.end_time
