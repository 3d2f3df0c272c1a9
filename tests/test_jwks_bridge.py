"""JwksBridge and JwksEndpoint: what they serve, for how long, and during an outage."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from typing import Any

import pytest

from hookkey_verify import (
    ApiToken,
    AsyncHookKeysClient,
    ConfigurationError,
    HookKeysClient,
    PublicKey,
    jwks_bridge,
)
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.endpoint import Endpoint
from hookkey_verify.errors import KeyUnavailableError, TransportError
from hookkey_verify.events import Event, EventName
from hookkey_verify.guard import HttpAnswer
from hookkey_verify.jwks_bridge import BridgeHealth, JwksBridge, JwksEndpoint

GET: tuple[str, dict[str, str], bytes] = ("GET", {}, b"")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def client(okta: OktaEmulator) -> Iterator[HookKeysClient]:
    with HookKeysClient(okta.url, ApiToken(okta.api_token), max_wait=0) as client:
        yield client


def served(bridge: JwksBridge) -> list[str]:
    answer = bridge.respond(*GET)
    assert answer.status == 200
    return [key["kid"] for key in json.loads(answer.body)["keys"]]


def test_what_is_served(okta: OktaEmulator, client: HookKeysClient, clock: Clock) -> None:
    """The response has all keys in the form that JOSE libraries import, with type, tag and age."""
    keys = [okta.create_key(name) for name in ("one", "two")]
    answer = JwksBridge(client, clock=clock).respond(*GET)
    headers = dict(answer.headers)
    assert headers["Content-Type"] == "application/jwk-set+json"
    assert headers["Cache-Control"] == "public, max-age=300"
    assert headers["ETag"].startswith('"')
    document = json.loads(answer.body)
    assert [key["kid"] for key in document["keys"]] == sorted(key["keyId"] for key in keys)
    for jwk in document["keys"]:
        assert set(jwk) == {"kty", "n", "e", "kid", "use", "alg"}
        assert (jwk["use"], jwk["alg"]) == ("sig", "RS256")


def test_what_is_fresh_is_served_by_the_event_loop_itself(
    okta: OktaEmulator, client: HookKeysClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``arespond`` serves a fresh set without a thread."""
    okta.create_key("one")
    bridge = JwksBridge(client)
    fetched = bridge.respond(*GET)
    monkeypatch.delattr(asyncio, "to_thread")
    assert asyncio.run(bridge.arespond(*GET)) == fetched


def test_a_rotation(okta: OktaEmulator, client: HookKeysClient, clock: Clock) -> None:
    """During a rotation, a name selects the old key and its successor, but no other key."""
    old = client.create("Token hook")
    client.create("Token hook of others")
    bridge = JwksBridge(client, names=["Token hook"], clock=clock)
    assert served(bridge) == [old.key_id]
    new = client.create("Token hook (next)")
    clock.now += 301
    assert sorted(served(bridge)) == sorted([old.key_id, new.key_id])
    client.delete(old.id)
    client.rename(new.id, "Token hook")
    clock.now += 301
    assert served(bridge) == [new.key_id]


def test_an_org_without_keys(client: HookKeysClient) -> None:
    """For an org without hook keys, the bridge serves an empty set."""
    assert served(JwksBridge(client)) == []


def test_keys_by_name(
    okta: OktaEmulator, client: HookKeysClient, caplog: pytest.LogCaptureFixture
) -> None:
    """Keys with other names are neither served nor fetched; a name that is missing is logged."""
    one, _ = (okta.create_key(name) for name in ("one", "two"))
    bridge = JwksBridge(client, names=["one", "three"])
    assert served(bridge) == [one["keyId"]]
    assert [line.path for line in okta.requests if "public" in line.path] == [
        f"/api/v1/hook-keys/public/{one['keyId']}"
    ]
    assert "the org has no hook key three" in caplog.text


def test_how_long(okta: OktaEmulator, client: HookKeysClient, clock: Clock) -> None:
    """The set is fetched once per ``fresh_for``; ``max-age`` is the time until the next fetch."""
    bridge = JwksBridge(client, fresh_for=100, clock=clock)
    assert served(bridge) == []
    key = okta.create_key("one")
    clock.now += 99.5
    answer = bridge.respond(*GET)
    assert dict(answer.headers)["Cache-Control"] == "public, max-age=1"
    assert served(bridge) == []
    assert len(okta.requests) == 1
    clock.now += 0.5
    assert served(bridge) == [key["keyId"]]
    okta.org.delete(key["id"])
    clock.now += 100
    assert served(bridge) == []
    assert bridge.jwks() == {"keys": []}


def test_not_modified(okta: OktaEmulator, client: HookKeysClient, clock: Clock) -> None:
    """If-None-Match gets 304 if it holds the current tag, even a weak one, and 200 otherwise."""
    okta.create_key("one")
    bridge = JwksBridge(client, fresh_for=10, clock=clock)
    tag = dict(bridge.respond(*GET).headers)["ETag"]
    for given in (tag, f"W/{tag}", f'"x", {tag}', "*"):
        answer = bridge.respond("GET", {"If-None-Match": given}, b"")
        assert (answer.status, answer.body) == (304, b"")
        assert dict(answer.headers)["ETag"] == tag
    clock.now += 10
    assert bridge.respond("GET", {"If-None-Match": tag}, b"").status == 304  # the same keys
    okta.create_key("two")
    clock.now += 10
    for given in (tag, "", "x", "W/"):
        assert bridge.respond("GET", {"If-None-Match": given}, b"").status == 200


def test_methods(client: HookKeysClient, okta: OktaEmulator) -> None:
    """HEAD is GET without a body; other methods get 405 and cause no request to the org."""
    bridge = JwksBridge(client)
    for method in ("POST", "PUT", "DELETE", "OPTIONS", ""):
        answer = bridge.respond(method, {}, b"")
        assert (answer.status, dict(answer.headers)["Allow"]) == (405, "GET, HEAD")
    assert len(okta.requests) == 0
    head, get = bridge.respond("HEAD", {}, b""), bridge.respond(*GET)
    length = ("Content-Length", str(len(get.body)))  # RFC 9110 section 8.6
    assert (head.status, head.body, head.headers) == (200, b"", (*get.headers, length))
    assert head.sized_headers == get.sized_headers
    tag = dict(get.headers)["ETag"]
    same = bridge.respond("GET", {"If-None-Match": tag}, b"")
    assert (same.status, same.sized_headers) == (304, list(same.headers))


def test_an_outage(
    okta: OktaEmulator, client: HookKeysClient, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """In an outage the last set is served for ``stale_for``, then 503, until the org responds."""
    key = okta.create_key("one")
    bridge = JwksBridge(client, fresh_for=100, stale_for=1000, clock=clock)
    assert served(bridge) == [key["keyId"]]
    okta.fail(503, times=1000)
    clock.now += 100
    answer = bridge.respond(*GET)
    assert answer.status == 200
    assert dict(answer.headers)["Cache-Control"] == "public, max-age=30"
    asked = len(okta.requests)
    clock.now += 9
    assert served(bridge) == [key["keyId"]]
    assert len(okta.requests) == asked  # at most one attempt in ten seconds
    clock.now += 1
    assert served(bridge) == [key["keyId"]]
    assert len(okta.requests) == asked + 1
    assert "cannot be fetched" in caplog.text
    clock.now += 1000
    refused = bridge.respond(*GET)
    assert refused.status == 503
    assert dict(refused.headers)["Retry-After"] == "10"
    with pytest.raises(KeyUnavailableError):
        bridge.jwks()
    okta.faults.clear()
    clock.now += 10
    assert served(bridge) == [key["keyId"]]


def test_an_outage_from_the_beginning(
    okta: OktaEmulator, client: HookKeysClient, clock: Clock
) -> None:
    """Without a set, an outage is answered with 503 and never stored as an empty set."""
    bridge = JwksBridge(client, clock=clock)
    okta.fail(500)
    assert bridge.respond(*GET).status == 503
    assert bridge.respond(*GET).status == 503
    clock.now += 10
    assert served(bridge) == []


def test_half_an_answer(okta: OktaEmulator, client: HookKeysClient, clock: Clock) -> None:
    """A set that lacks a key is not served, because tokens signed with it would be refused."""
    okta.create_key("one")
    okta.create_key("two")
    bridge = JwksBridge(client, fresh_for=10, clock=clock)
    both = served(bridge)
    clock.now += 10
    okta.fail(500, path="/api/v1/hook-keys/public")
    assert served(bridge) == both


@pytest.mark.parametrize("way", ["respond", "arespond"])
def test_one_fetch_for_all(okta: OktaEmulator, client: HookKeysClient, way: str) -> None:
    """Concurrent requests cause one fetch, which does not block the event loop."""
    okta.create_key("one")
    okta.fail(delay=0.2)
    bridge = JwksBridge(client)
    if way == "respond":
        with ThreadPoolExecutor(16) as pool:
            statuses = [a.status for a in pool.map(lambda _: bridge.respond(*GET), range(64))]
    else:

        async def many() -> list[int]:
            ticks = 0

            async def tick() -> None:
                nonlocal ticks
                while True:
                    ticks += 1
                    await asyncio.sleep(0.005)

            ticking = asyncio.create_task(tick())
            answers = await asyncio.gather(*(bridge.arespond(*GET) for _ in range(64)))
            ticking.cancel()
            assert ticks > 5  # about 80, or 3 if the two fetches block
            return [answer.status for answer in answers]

        statuses = asyncio.run(many())
    assert statuses == [200] * 64
    assert len(okta.requests) == 2  # the list and the one key


@pytest.mark.parametrize("way", ["respond", "arespond"])
def test_a_caller_with_a_set_does_not_wait(
    okta: OktaEmulator, client: HookKeysClient, clock: Clock, way: str
) -> None:
    """While one request refreshes the set, the others get the last set without waiting."""
    key = okta.create_key("one")
    bridge = JwksBridge(client, clock=clock)
    assert served(bridge) == [key["keyId"]]
    clock.now += 301
    okta.fail(delay=0.5)

    async def others() -> list[HttpAnswer]:
        return [await bridge.arespond(*GET) for _ in range(20)]

    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(bridge.respond, *GET)
        while not bridge._lock().locked():
            time.sleep(0.001)
        if way == "respond":
            answers = [bridge.respond(*GET) for _ in range(20)]
        else:
            answers = asyncio.run(others())
        assert not fetching.done()
        assert {dict(each.headers)["Cache-Control"] for each in answers} == {"public, max-age=30"}
        assert dict(fetching.result().headers)["Cache-Control"] == "public, max-age=300"


@pytest.mark.parametrize("way", ["respond", "arespond"])
def test_patience_has_an_end(
    okta: OktaEmulator, client: HookKeysClient, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    """Without a set, a request waits ``PATIENCE`` seconds for the first fetch and then gets 503."""
    monkeypatch.setattr(jwks_bridge, "PATIENCE", 0.1)
    okta.fail(delay=1)
    bridge = JwksBridge(client)

    async def second() -> HttpAnswer:
        return await bridge.arespond(*GET)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(bridge.respond, *GET)
        while not bridge._lock().locked():
            time.sleep(0.001)
        answer = bridge.respond(*GET) if way == "respond" else asyncio.run(second())
        assert not first.done()
        assert (answer.status, dict(answer.headers)["Retry-After"]) == (503, "10")
        assert first.result().status == 200


def test_a_client_that_breaks(caplog: pytest.LogCaptureFixture, clock: Clock) -> None:
    """A client that raises counts as an outage, and only the type of its error is logged."""

    class Broken:
        asked = 0

        def list(self) -> Any:
            self.asked += 1
            raise RuntimeError("s3cret")

        def public_key(self, key_id: str) -> PublicKey:
            raise AssertionError

    client = Broken()
    bridge = JwksBridge(client, clock=clock)
    assert [bridge.respond(*GET).status for _ in range(3)] == [503] * 3
    assert client.asked == 1
    assert "RuntimeError" in caplog.text
    assert "s3cret" not in caplog.text


def test_a_fork(
    okta: OktaEmulator, client: HookKeysClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lock that another thread held during the fork does not block the child."""
    bridge = JwksBridge(client)
    held, release = threading.Event(), threading.Event()

    def hold() -> None:
        with bridge._lock():
            held.set()
            release.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait(10)
    with monkeypatch.context() as child:
        child.setattr(os, "getpid", lambda: -1)
        assert served(bridge) == []
    release.set()
    thread.join()


def test_a_client_that_is_refused(okta: OktaEmulator, caplog: pytest.LogCaptureFixture) -> None:
    """If the org refuses our token, requests get 503, and the log does not contain the token."""
    with HookKeysClient(okta.url, ApiToken("wrong-token"), max_wait=0) as client:
        bridge = JwksBridge(client)
        assert bridge.respond(*GET).status == 503
        assert "wrong-token" not in caplog.text + repr(bridge)
        assert caplog.records[-1].levelno >= logging.WARNING


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"names": []}, "names must be"),
        ({"names": "one"}, "names must be"),
        ({"names": [5]}, "names must be"),
        ({"fresh_for": 0}, "fresh_for must be"),
        ({"fresh_for": "1"}, "fresh_for must be"),
        ({"stale_for": -1}, "stale_for must be"),
        ({"stale_for": float("nan")}, "stale_for must be"),
    ],
)
def test_arguments(client: HookKeysClient, options: dict[str, Any], problem: str) -> None:
    """An invalid argument is refused, and the message names it."""
    with pytest.raises(ConfigurationError, match=problem):
        JwksBridge(client, **options)


def test_clients(okta: OktaEmulator) -> None:
    """Only a synchronous client is accepted, because the bridge calls it in a thread."""
    awaitable = AsyncHookKeysClient(okta.url, ApiToken(okta.api_token))
    for wrong in (None, "https://acme.okta.com", awaitable):
        with pytest.raises(ConfigurationError, match="client must be a HookKeysClient"):
            JwksBridge(wrong)  # type: ignore[arg-type]
    asyncio.run(awaitable.close())


def test_a_set_that_stays() -> None:
    """``JwksEndpoint`` serves a fixed set and refuses invalid arguments."""
    endpoint = JwksEndpoint({"keys": [{"kid": "b"}, {"kid": "a"}]}, max_age=60)
    answer = asyncio.run(endpoint.arespond(*GET))
    assert json.loads(answer.body)["keys"] == [{"kid": "a"}, {"kid": "b"}]
    assert dict(answer.headers)["Cache-Control"] == "public, max-age=60"
    assert endpoint.respond("POST", {}, b"").status == 405
    assert endpoint.respond("GET", 5, b"").status == 200  # type: ignore[arg-type]
    assert isinstance(endpoint, Endpoint)
    wrongs: list[Any] = [{}, {"keys": 5}, []]
    for wrong in wrongs:
        with pytest.raises(ConfigurationError, match="jwks must be"):
            JwksEndpoint(wrong)
    for age in (-1, 1.5, 86_401):
        with pytest.raises(ConfigurationError, match="max_age must be"):
            JwksEndpoint({"keys": []}, max_age=age)  # type: ignore[arg-type]


# --- events, health and logs


def _served(events: list[Event]) -> list[tuple[str, str, str, str]]:
    """Return what the events say, after checking the rest, and remove them."""
    told = [(e.name.value, e.source, e.outcome, e.reason) for e in events]
    for event in events:
        assert (event.key, event.kid) == ("", None)
        assert (event.seconds is None) is (event.name is EventName.JWKS_SERVED)
    events.clear()
    return told


@pytest.mark.parametrize("how", ["respond", "arespond"])
def test_events(okta: OktaEmulator, client: HookKeysClient, clock: Clock, how: str) -> None:
    """Each fetch and each response is reported: fresh, stale, or unavailable with its reason."""
    events: list[Event] = []
    bridge = JwksBridge(client, fresh_for=100, stale_for=50, on_event=events.append, clock=clock)

    def ask(method: str = "GET") -> None:
        if how == "respond":
            bridge.respond(method, {}, b"")
        else:
            asyncio.run(bridge.arespond(method, {}, b""))

    fetched = ("jwks", okta.url, "ok", "")
    failed = ("jwks", okta.url, "failed", "api_authentication_failed")
    ask()
    assert _served(events) == [fetched, ("jwks_served", okta.url, "fresh", "")]
    ask("HEAD")
    assert _served(events) == [("jwks_served", okta.url, "fresh", "")]
    ask("POST")
    assert _served(events) == []
    okta.revoke_tokens()
    okta.fail(401, times=100)
    clock.now += 101
    ask()
    assert _served(events) == [failed, ("jwks_served", okta.url, "stale", "")]
    ask()
    assert _served(events) == [("jwks_served", okta.url, "stale", "")]
    clock.now += 50
    ask()
    assert _served(events) == [
        failed,
        ("jwks_served", okta.url, "unavailable", "key_unavailable"),
    ]


def test_the_duration_of_a_fetch(okta: OktaEmulator, clock: Clock) -> None:
    """The event and the log record of a fetch have its duration."""
    events: list[Event] = []
    bridge = JwksBridge(_Client(clock, 2.5), on_event=events.append, clock=clock)
    bridge.respond(*GET)
    assert [(e.source, e.outcome, e.seconds) for e in events] == [
        ("_Client", "ok", 2.5),
        ("_Client", "fresh", None),
    ]


class _Client:
    """A client of an application, without ``org_url``. Each list takes some seconds."""

    def __init__(self, clock: Clock, seconds: float, error: Exception | None = None) -> None:
        self._clock = clock
        self._seconds = seconds
        self._error = error

    def list(self) -> list[Any]:
        self._clock.now += self._seconds
        if self._error is not None:
            raise self._error
        return []

    def public_key(self, key_id: str) -> PublicKey:
        raise AssertionError


@pytest.mark.parametrize(
    ("error", "reason", "level"),
    [
        (ValueError("a secret"), "unspecified", "ERROR"),
        (TransportError("it is off"), "api_unreachable", "WARNING"),
    ],
)
def test_a_failed_fetch(
    clock: Clock, caplog: pytest.LogCaptureFixture, error: Exception, reason: str, level: str
) -> None:
    """A failed fetch is reported and logged with source, reason and duration, without secrets.

    The source of a client without ``org_url`` is the name of its class.
    """
    events: list[Event] = []
    bridge = JwksBridge(_Client(clock, 2, error), on_event=events.append, clock=clock)
    bridge.respond(*GET)
    assert events[0] == Event(
        EventName.JWKS, "_Client", "failed", reason=reason, seconds=2, kid=None
    )
    (record,) = caplog.records
    fields = {name: value for name, value in vars(record).items() if name.startswith("hookkey_")}
    assert record.levelname == level
    assert fields == {
        "hookkey_source": "_Client",
        "hookkey_reason": reason,
        "hookkey_kid": None,
        "hookkey_seconds": 2,
        "hookkey_left_out": 0,
    }
    assert "a secret" not in caplog.text


def test_a_long_outage(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """The same failure is logged once a minute, with the number of fetches in between."""
    bridge = JwksBridge(_Client(clock, 0, TransportError("it is off")), clock=clock)
    for _ in range(8):
        bridge.respond(*GET)
        clock.now += 10
    assert [record.hookkey_left_out for record in caplog.records] == [0, 5]  # type: ignore[attr-defined]


def test_health(okta: OktaEmulator, client: HookKeysClient, clock: Clock) -> None:
    """A bridge is degraded after a failed fetch, and failing without a set that it may serve.

    It is healthy before its first request, and while its set is old because no request has come.
    """
    bridge = JwksBridge(client, fresh_for=100, stale_for=50, clock=clock)

    def health(status: Any, last_success: float | None) -> BridgeHealth:
        return BridgeHealth(source=okta.url, status=status, last_success=last_success)

    assert bridge.health() == health("healthy", None)
    assert not okta.requests
    bridge.respond(*GET)
    clock.now += 99
    assert bridge.health() == health("healthy", 99)
    clock.now += 1
    assert bridge.health() == health("healthy", 100)
    okta.fail(503, times=100)
    bridge.respond(*GET)
    assert bridge.health() == health("degraded", 100)
    clock.now += 50
    assert bridge.health() == health("failing", 150)
    okta.faults.clear()
    bridge.respond(*GET)
    assert bridge.health() == health("healthy", 0)


def test_the_health_without_a_first_set(
    okta: OktaEmulator, client: HookKeysClient, clock: Clock
) -> None:
    """A bridge that has never fetched a set is failing after the first attempt."""
    okta.fail(503, times=1)
    bridge = JwksBridge(client, clock=clock)
    bridge.respond(*GET)
    assert bridge.health() == BridgeHealth(source=okta.url, status="failing", last_success=None)
    assert bridge.health().part == "jwks"


@pytest.mark.parametrize("how", ["respond", "arespond"])
def test_the_context_of_events(client: HookKeysClient, how: str) -> None:
    """The event of a fetch is reported in the context of the request that caused it."""
    request: ContextVar[str] = ContextVar("request", default="none")
    seen: dict[str, str] = {}
    bridge = JwksBridge(client, on_event=lambda event: seen.setdefault(event.name, request.get()))

    def ask() -> None:
        request.set("the first request")
        if how == "respond":
            bridge.respond(*GET)
        else:
            asyncio.run(bridge.arespond(*GET))

    copy_context().run(ask)
    assert seen == {"jwks": "the first request", "jwks_served": "the first request"}


def test_a_listener_that_raises(client: HookKeysClient, caplog: pytest.LogCaptureFixture) -> None:
    """A listener that raises does not change a response, and its error is logged once."""

    def listener(event: Event) -> None:
        raise ZeroDivisionError("a secret")

    assert served(JwksBridge(client, on_event=listener)) == []
    assert caplog.messages == ["on_event raised ZeroDivisionError"]


@pytest.mark.parametrize("error", [None, TransportError("it is off")], ids=["ok", "failed"])
def test_no_lock_is_held_during_an_event(clock: Clock, error: Exception | None) -> None:
    """A listener may request the key set from the bridge at any event without a deadlock."""
    events: list[tuple[str, bool]] = []

    def listener(event: Event) -> None:
        events.append((event.name.value, bridge._lock().locked()))
        if len(events) == 1:
            clock.now += 1000
            bridge.respond(*GET)

    bridge = JwksBridge(_Client(clock, 0, error), on_event=listener, clock=clock)
    thread = threading.Thread(target=bridge.respond, args=GET, daemon=True)
    thread.start()
    thread.join(5)  # less than PATIENCE, for which a second fetch would wait
    assert not thread.is_alive()
    names = ["jwks", "jwks", "jwks_served", "jwks_served"]
    assert events == [(name, False) for name in names]


class _ReasonlessError(KeyUnavailableError):
    """An error of an application, whose reason cannot be read."""

    @property
    def reason(self) -> Any:  # type: ignore[override]
        raise ZeroDivisionError("a secret")


def test_an_error_of_a_client_without_a_reason(
    clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    """An error whose reason cannot be read counts as a failed fetch without a known reason."""
    events: list[Event] = []
    bridge = JwksBridge(
        _Client(clock, 0, _ReasonlessError("x")), on_event=events.append, clock=clock
    )
    assert bridge.respond(*GET).status == 503
    assert (events[0].outcome, events[0].reason) == ("failed", "unspecified")
    assert "a secret" not in caplog.text
