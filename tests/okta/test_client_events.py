"""HookKeysClient and AsyncHookKeysClient: the events of calls of the management API."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from hookkey_verify import ApiToken, AsyncHookKeysClient, ConfigurationError, HookSigner
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import HookKeyError, KeyInUseError
from hookkey_verify.events import Event, EventName
from hookkey_verify.okta.client import HookKeysClient

from ..faults import FaultServer, ManualClock, answer, hang_up, json_answer, okta_error
from .exchanges import SECRET

Call = Callable[[Any], Any]
Run = Callable[..., None]


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture(params=[HookKeysClient, AsyncHookKeysClient])
def run(request: pytest.FixtureRequest) -> Run:
    """Call a client; each test runs with both."""

    def in_thread(url: str, call: Call, **options: Any) -> None:
        token = options.pop("token", SECRET)
        with HookKeysClient(url, ApiToken(token), **{"max_wait": 0, **options}) as client:
            call(client)

    def on_a_loop(url: str, call: Call, **options: Any) -> None:
        async def main() -> None:
            token = options.pop("token", SECRET)
            given = {"max_wait": 0, **options}
            async with AsyncHookKeysClient(url, ApiToken(token), **given) as client:
                await call(client)

        asyncio.run(main())

    return in_thread if request.param is HookKeysClient else on_a_loop


CALLS: list[Call] = [
    lambda client: client.list(),
    lambda client: client.get("HKY1"),
    lambda client: client.public_key("k"),
    lambda client: client.rename("HKY1", "n"),
    lambda client: client.delete("HKY1"),
    lambda client: client.create("n"),
    lambda client: client.find("n"),
    lambda client: client.jwks(),
]


def _told(events: list[Event], url: str) -> list[tuple[str, str]]:
    """Return outcomes and reasons of the events, after checking the rest, and remove them."""
    told = [(event.outcome, event.reason) for event in events]
    for event in events:
        assert (event.name, event.source) == (EventName.API, url)
        assert (event.key, event.kid) == ("", None)
        assert event.seconds is not None
        assert 0 <= event.seconds < 20
    events.clear()
    return told


def test_calls_that_succeed(okta: OktaEmulator, events: list[Event], run: Run) -> None:
    """Each call of the API is reported once, also those that ``find`` and ``jwks`` make."""
    key = okta.create_key("one")

    def ask(call: Call, times: int) -> None:
        run(okta.url, call, token=okta.api_token, on_event=events.append)
        assert _told(events, okta.url) == [("ok", "")] * times

    ask(lambda client: client.list(), 1)
    ask(lambda client: client.get(key["id"]), 1)
    ask(lambda client: client.public_key(key["keyId"]), 1)
    ask(lambda client: client.find("one"), 1)
    ask(lambda client: client.jwks(), 2)
    ask(lambda client: client.create("two"), 1)
    ask(lambda client: client.rename(key["id"], "three"), 1)
    ask(lambda client: client.delete(key["id"]), 1)


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (json_answer(400, okta_error("E0000001")), "api_validation_failed"),
        (json_answer(401, okta_error("E0000011")), "api_authentication_failed"),
        (json_answer(403, okta_error("E0000006")), "api_forbidden"),
        (json_answer(404, okta_error("E0000007")), "api_not_found"),
        (json_answer(405, okta_error("E0000022")), "api_error"),
        (json_answer(429, okta_error("E0000047")), "api_rate_limited"),
        (answer(502, b"<html>"), "api_unreachable"),
        (hang_up, "api_unreachable"),
    ],
)
def test_calls_that_fail(events: list[Event], run: Run, behaviour: Any, reason: str) -> None:
    """Every method reports a failure with the reason of the error that it raises."""
    with FaultServer(behaviour) as server:
        for call in CALLS:
            with pytest.raises(HookKeyError) as caught:
                run(server.url, call, on_event=events.append)
            assert caught.value.reason == reason
            assert _told(events, server.url)[-1] == ("failed", reason)


def test_a_key_in_use(okta: OktaEmulator, events: list[Event], run: Run) -> None:
    """A delete request for a key in use is reported with that reason, after the key's look-up."""
    key = okta.create_key("one")
    okta.org.set_used(key["id"])
    with pytest.raises(KeyInUseError):
        run(
            okta.url,
            lambda client: client.delete(key["id"]),
            token=okta.api_token,
            on_event=events.append,
        )
    assert _told(events, okta.url) == [("ok", ""), ("failed", "api_key_in_use")]


@pytest.mark.parametrize("document", [{"kty": "RSA"}, {"kid": "other"}, {}], ids=str)
def test_a_rejected_key(
    signer: HookSigner, events: list[Event], run: Run, document: dict[str, str]
) -> None:
    """A public key that is rejected is reported as a failed call."""
    with FaultServer(json_answer(200, document)) as server:
        with pytest.raises(HookKeyError):
            run(server.url, lambda client: client.public_key("k"), on_event=events.append)
        assert _told(events, server.url) == [("failed", "key_rejected")]


@pytest.mark.parametrize(
    "call",
    [
        lambda client: client.get(""),
        lambda client: client.public_key("a/b"),
        lambda client: client.create("\n"),
        lambda client: client.rename("HKY1", ""),
        lambda client: client.delete(None),
        lambda client: client.find(5),
    ],
)
def test_invalid_arguments(events: list[Event], run: Run, call: Call) -> None:
    """A call with an invalid argument sends no request, so it is not reported."""
    with FaultServer(hang_up) as server:
        with pytest.raises(ConfigurationError):
            run(server.url, call, on_event=events.append)
        assert server.requests == []
    assert events == []


def test_the_duration_includes_retries(events: list[Event]) -> None:
    """The duration of a call includes the waits between its attempts, and it is reported once."""
    clock = ManualClock()

    def sleep(seconds: float) -> None:
        clock.now += seconds

    busy = json_answer(429, okta_error("E0000047"), "Retry-After: 3")
    with FaultServer(busy, json_answer(200, [])) as server:
        with HookKeysClient(
            server.url,
            ApiToken(SECRET),
            max_wait=60,
            clock=clock,
            sleep=sleep,
            on_event=events.append,
        ) as client:
            client.list()
    (event,) = events
    assert (event.outcome, event.seconds) == ("ok", clock.now - 1000)
    assert clock.now - 1000 >= 3


def test_a_listener_that_raises(
    okta: OktaEmulator, run: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """A listener that raises does not affect a call, and its error is logged once."""

    def listener(event: Event) -> None:
        raise ZeroDivisionError(SECRET)

    okta.create_key("one")
    run(okta.url, lambda client: client.jwks(), token=okta.api_token, on_event=listener)
    assert caplog.messages == ["on_event raised ZeroDivisionError"]


def test_a_listener_must_be_callable() -> None:
    """An invalid listener is refused at construction."""
    wrong: Any = 5
    for kind in (HookKeysClient, AsyncHookKeysClient):
        with pytest.raises(ConfigurationError, match="on_event"):
            kind("https://acme.okta.com", ApiToken(SECRET), on_event=wrong)


def test_the_org_of_a_client() -> None:
    """A client knows the URL of its org, which is the source of its events."""
    with HookKeysClient("https://acme.okta.com/", ApiToken(SECRET)) as client:
        assert client.org_url == "https://acme.okta.com"
    asynchronous = AsyncHookKeysClient("https://acme.okta.com/", ApiToken(SECRET))
    assert asynchronous.org_url == "https://acme.okta.com"
    asyncio.run(asynchronous.close())
