"""The health of verifiers, key sources, replay stores and endpoints, and HealthEndpoint."""

from __future__ import annotations

import asyncio
import http.client
import json
import logging
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from types import SimpleNamespace
from typing import Any

import fastapi
import flask
import pytest

from hookkey_verify import (
    ApiToken,
    CachePolicy,
    ConfigurationError,
    HookKeys,
    HookSigner,
    HookVerifier,
    StaticKeys,
    asgi,
    wsgi,
)
from hookkey_verify import fastapi as for_fastapi
from hookkey_verify import flask as for_flask
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.endpoint import Endpoint, HealthEndpoint
from hookkey_verify.errors import HookVerificationError, ReplayStoreUnavailableError
from hookkey_verify.health import CombinedHealth, HasHealth, most_severe
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.verifier import VerifierByIssuer

from .conftest import CLIENT_ID, TOKEN_URL
from .faults import ManualClock
from .servers import asgi_server, wsgi_server

METHODS = ["GET", "HEAD", "POST"]


class Reports:
    """An object of an application that reports the given health."""

    def __init__(self, status: Any, **members: Any) -> None:
        self.report = SimpleNamespace(status=status, **members)

    def health(self) -> Any:
        return self.report


class Raises:
    """An object whose health cannot be read."""

    def health(self) -> Any:
        raise ZeroDivisionError("a secret")


def keys_of(status: str, source: str = "https://acme.okta.com") -> Reports:
    return Reports(status, part="keys", source=source)


def store_of(status: str, source: str = "MyStore") -> Reports:
    return Reports(status, part="replay", source=source)


# --- the health of the package's objects


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def key_id(okta: OktaEmulator) -> str:
    return str(okta.create_key("Token hook")["keyId"])


@pytest.fixture
def org_keys(okta: OktaEmulator, clock: ManualClock) -> Iterator[HookKeys]:
    policy = CachePolicy(fresh_for=100, stale_if_error=50, refresh_ahead=0, fetch_timeout=5)
    token = ApiToken(okta.api_token)
    with HookKeys(okta.url, token, policy=policy, clock=clock) as keys:
        yield keys


def _assertions(keys: Any, **options: Any) -> HookVerifier:
    given = {"client_id": CLIENT_ID, "token_url": TOKEN_URL, **options}
    return HookVerifier.for_client_assertion(keys, **given)


def _verify(verifier: Any, signer: HookSigner, client_id: str = CLIENT_ID) -> None:
    verifier.verify(signer.client_assertion(client_id=client_id, token_url=TOKEN_URL))


def test_a_verifier(
    okta: OktaEmulator, org_keys: HookKeys, key_id: str, clock: ManualClock
) -> None:
    """A verifier is degraded while it uses old keys, and failing without any, without a request."""
    verifier, signer = _assertions(org_keys), okta.signer(key_id)
    assert verifier.health() == CombinedHealth(status="healthy", parts=(org_keys.health(),))
    assert not okta.requests
    _verify(verifier, signer)
    assert verifier.health().status == "healthy"
    okta.fail(503, times=100)
    clock.now += 101
    _verify(verifier, signer)
    requests = len(okta.requests)
    assert verifier.health().status == "degraded"
    clock.now += 50
    with pytest.raises(HookVerificationError):
        _verify(verifier, signer)
    assert verifier.health().status == "failing"
    assert len(okta.requests) <= requests + 1


def test_a_verifier_with_a_full_store(keys: StaticKeys, signer: HookSigner) -> None:
    """A full replay store makes a verifier degraded, and it is reported as failing itself."""
    store = MemoryReplayStore(single_process=True, max_entries=1)
    verifier = _assertions(keys, replay=store)
    _verify(verifier, signer)
    assert verifier.health().status == "healthy"
    with pytest.raises(ReplayStoreUnavailableError):
        _verify(verifier, signer)
    assert verifier.health() == CombinedHealth(status="degraded", parts=(store.health(),))
    assert store.health().status == "failing"


def test_a_verifier_without_health(keys: StaticKeys) -> None:
    """A verifier whose key source reports no health is healthy and has no parts."""
    assert _assertions(keys).health() == CombinedHealth(status="healthy", parts=())


def test_a_combination(keys: StaticKeys, signer: HookSigner) -> None:
    """The parts of VerifierByIssuer are those of its verifiers."""
    stores = [MemoryReplayStore(single_process=True, max_entries=1) for _ in "ab"]
    both = VerifierByIssuer(
        *(
            _assertions(keys, client_id=name, replay=store)
            for name, store in zip("ab", stores, strict=True)
        )
    )
    assert both.health().parts == tuple(store.health() for store in stores)
    _verify(both, signer, "b")
    with pytest.raises(ReplayStoreUnavailableError):
        _verify(both, signer, "b")
    assert both.health().status == "degraded"
    assert [part.status for part in both.health().parts] == ["healthy", "failing"]


# --- rules


@pytest.mark.parametrize(
    ("objects", "status"),
    [
        ([], "healthy"),
        ([keys_of("healthy"), store_of("healthy")], "healthy"),
        ([keys_of("healthy"), keys_of("degraded")], "degraded"),
        ([keys_of("degraded"), keys_of("failing"), keys_of("healthy")], "failing"),
        ([keys_of("healthy"), store_of("failing")], "degraded"),
        ([store_of("degraded")], "degraded"),
        ([keys_of("failing"), store_of("failing")], "failing"),
        ([Reports("failing", part="jwks")], "failing"),
        ([Reports("failing")], "failing"),
        ([object(), None, "text"], "healthy"),
    ],
)
def test_the_status_of_several_parts(objects: list[Any], status: str) -> None:
    """The whole has the most severe status; a replay store makes it degraded at most."""
    health = CombinedHealth.of(objects)
    assert health.status == status
    assert health.parts == tuple(each.report for each in objects if isinstance(each, Reports))


def test_nested_parts() -> None:
    """The parts of a combined health are its leaves, and its rules apply to each."""
    inner = SimpleNamespace(health=lambda: CombinedHealth.of([keys_of("healthy"), STORE]))
    outer = CombinedHealth.of([SimpleNamespace(health=lambda: CombinedHealth.of([inner]))])
    assert outer.status == "degraded"
    assert outer.parts[1] is STORE.report


STORE = store_of("failing")


@pytest.mark.parametrize(
    "wrong", [Reports("ok"), Reports(None), Reports([]), SimpleNamespace(health=lambda: None)]
)
def test_a_wrong_health(wrong: Any) -> None:
    """An object that reports another status is refused."""
    with pytest.raises(ConfigurationError, match='"healthy", "degraded" or "failing"'):
        CombinedHealth.of([keys_of("healthy"), wrong])


def test_the_order_of_statuses() -> None:
    """Failing is worse than degraded, which is worse than healthy."""
    assert most_severe([]) == "healthy"
    assert most_severe(["healthy", "degraded"]) == "degraded"
    assert most_severe(["failing", "degraded", "healthy"]) == "failing"


# --- HealthEndpoint


def _asked(endpoint: Endpoint, method: str = "GET") -> tuple[int, Any]:
    answer = endpoint.respond(method, {}, b"")
    assert asyncio.run(endpoint.arespond(method, {}, b"")) == answer
    headers = dict(answer.headers)
    assert headers["Content-Type"] == "application/json"
    assert headers["Cache-Control"] == "no-store"
    return answer.status, json.loads(answer.body)


@pytest.mark.parametrize(
    ("objects", "code", "document"),
    [
        ([], 200, {"status": "healthy", "parts": {}}),
        ([keys_of("healthy")], 200, {"status": "healthy", "parts": {"keys": "healthy"}}),
        ([keys_of("degraded")], 200, {"status": "degraded", "parts": {"keys": "degraded"}}),
        ([keys_of("failing")], 503, {"status": "failing", "parts": {"keys": "failing"}}),
        (
            [keys_of("healthy"), keys_of("degraded"), store_of("failing"), Reports("healthy")],
            200,
            {
                "status": "degraded",
                "parts": {"keys": "degraded", "replay": "failing", "other": "healthy"},
            },
        ),
        (
            [Reports("failing", part="jwks"), keys_of("healthy")],
            503,
            {"status": "failing", "parts": {"jwks": "failing", "keys": "healthy"}},
        ),
        (
            [Reports("healthy", part=object)],
            200,
            {"status": "healthy", "parts": {str(object): "healthy"}},
        ),
    ],
)
def test_an_answer(objects: list[Any], code: int, document: Any) -> None:
    """The response is 503 while a part is failing, except for replay stores, and 200 otherwise."""
    assert _asked(HealthEndpoint(*objects)) == (code, document)
    assert _asked(HealthEndpoint(*objects), "HEAD")[0] == code


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "get", ""])
def test_another_method(method: str) -> None:
    """Only GET and HEAD are answered."""
    endpoint = HealthEndpoint(keys_of("failing"))
    assert _asked(endpoint, method) == (405, {})
    assert dict(endpoint.respond(method, {}, b"").headers)["Allow"] == "GET, HEAD"


def test_real_objects(okta: OktaEmulator, org_keys: HookKeys, key_id: str) -> None:
    """The body has neither a URL nor the reason of a problem, and no request is sent for it."""
    store = MemoryReplayStore(single_process=True)
    verifier = _assertions(org_keys, replay=store)
    okta.fail(401, times=100)
    with pytest.raises(HookVerificationError):
        _verify(verifier, okta.signer(key_id))
    requests = len(okta.requests)
    answer = HealthEndpoint(verifier).respond("GET", {}, b"")
    assert answer.status == 503
    assert (
        answer.body == b'{"status": "failing", "parts": {"keys": "failing", "replay": "healthy"}}'
    )
    assert org_keys.health().problem
    assert len(okta.requests) == requests


def test_an_object_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    """A health that raises is answered with 503 and logged once a minute, without its text."""
    endpoint = HealthEndpoint(keys_of("healthy"), Raises())
    for _ in range(3):
        assert endpoint.respond("GET", {}, b"").status == 503
    assert json.loads(endpoint.respond("GET", {}, b"").body) == {"status": "failing", "parts": {}}
    logged = [
        (record.levelno, record.getMessage())
        for record in caplog.records
        if getattr(record, "hookkey_source", "") == "HealthEndpoint"
    ]
    assert logged == [(logging.ERROR, "health() raised ZeroDivisionError")]
    assert HealthEndpoint(Reports("broken")).respond("GET", {}, b"").status == 503


@pytest.mark.parametrize(
    "wrong", [None, "https://acme.okta.com", object()], ids=lambda each: type(each).__name__
)
def test_wrong_objects(wrong: Any) -> None:
    """An object without ``health`` is refused at construction."""
    with pytest.raises(ConfigurationError, match=r"health\(\)"):
        HealthEndpoint(keys_of("healthy"), wrong)


def test_protocols() -> None:
    """HealthEndpoint is an Endpoint, and objects of an application can report health."""
    assert isinstance(HealthEndpoint(), Endpoint)
    assert isinstance(Raises(), HasHealth)
    assert HealthEndpoint().max_body == 0


# --- over a socket


@contextmanager
def _flask(endpoint: Endpoint) -> Iterator[int]:
    app = flask.Flask(__name__)
    app.route("/it", methods=METHODS)(for_flask.serve(endpoint))
    with wsgi_server(app) as port:
        yield port


@contextmanager
def _fastapi(endpoint: Endpoint) -> Iterator[int]:
    app = fastapi.FastAPI()
    app.add_route("/it", for_fastapi.serve(endpoint), methods=METHODS)
    with asgi_server(app) as port:
        yield port


Served = Callable[[Endpoint], AbstractContextManager[int]]
SERVERS: list[Served] = [
    lambda endpoint: wsgi_server(wsgi.serve(endpoint)),
    lambda endpoint: asgi_server(asgi.serve(endpoint)),
    _flask,
    _fastapi,
]


@pytest.mark.parametrize("served", SERVERS, ids=["wsgi", "asgi", "flask", "fastapi"])
def test_a_probe(served: Served) -> None:
    """A probe over a real connection gets the status as it changes, and HEAD gets no body."""
    part = keys_of("healthy")
    with served(HealthEndpoint(part)) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        seen = []
        for status in ("healthy", "degraded", "failing"):
            part.report.status = status
            for method in METHODS:
                connection.request(method, "/it")
                response = connection.getresponse()
                body = response.read()
                seen.append((method, response.status, len(body) > 0))
                assert response.headers["Cache-Control"] == "no-store"
                if method == "GET":
                    assert json.loads(body) == {"status": status, "parts": {"keys": status}}
        connection.close()
    good = [("GET", 200, True), ("HEAD", 200, False), ("POST", 405, True)]
    bad = [("GET", 503, True), ("HEAD", 503, False), ("POST", 405, True)]
    assert seen == [*good, *good, *bad]
