"""TokenEndpoint: the events of token requests and of its verifier, and its health."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from hookkey_verify import ApiToken, ConfigurationError, HookKeys, HookSigner, StaticKeys
from hookkey_verify.errors import KeySourceConfigurationError, KeyUnavailableError
from hookkey_verify.events import Event, EventName
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.token_endpoint import MAX_BODY, ClientSecret

from ..conftest import CLIENT_ID, TOKEN_URL
from ..faults import FaultServer, json_answer, okta_error
from .test_failures import FailingSource
from .token_requests import FORM, ISSUER, SECRET, Run, asked, endpoint_of, error, verifier_of

Form = Callable[[HookSigner], Any]


@pytest.fixture
def events() -> list[Event]:
    return []


def _clients(keys: StaticKeys) -> list[Any]:
    return [verifier_of(keys), ClientSecret("0oasecret", SECRET)]


def _told(events: list[Event]) -> tuple[str, str]:
    """Return outcome and reason of the only event, after checking the rest, and remove it."""
    (event,) = events
    events.clear()
    assert (event.name, event.source) == (EventName.TOKEN, ISSUER)
    assert (event.key, event.kid) == ("", None)
    assert event.seconds is not None
    assert 0 <= event.seconds < 20
    return event.outcome, event.reason


def test_a_token(keys: StaticKeys, signer: HookSigner, ask: Run, events: list[Event]) -> None:
    """A token is reported as issued, for an assertion and for a client secret."""
    endpoint = endpoint_of(_clients(keys), on_event=events.append)
    by_secret = {"grant_type": "client_credentials", "client_id": "0oasecret"}
    for form in (asked(signer), {**by_secret, "client_secret": SECRET}):
        assert ask(endpoint, form).status == 200
        assert _told(events) == ("issued", "")
    basic = {"authorization": "Basic " + base64.b64encode(f"0oasecret:{SECRET}".encode()).decode()}
    answer = ask(endpoint, {"grant_type": "client_credentials"}, headers={**FORM, **basic})
    assert answer.status == 200
    assert _told(events) == ("issued", "")


REFUSALS: list[tuple[Form, str, str]] = [
    (lambda signer: {}, "invalid_request", ""),
    (lambda signer: b"a=%", "invalid_request", ""),
    (lambda signer: b"a" * (MAX_BODY + 1), "invalid_request", ""),
    (lambda signer: asked(signer, grant_type="password"), "unsupported_grant_type", ""),
    (lambda signer: asked(signer, scope="admin"), "invalid_scope", ""),
    (lambda signer: asked(signer, client_assertion_type="x"), "invalid_client", ""),
    (lambda signer: asked(signer, client_id="other"), "invalid_client", ""),
    (lambda signer: asked(signer, client_assertion="no.to.ken"), "invalid_client", "malformed"),
    (
        lambda signer: asked(
            signer, client_assertion=signer.client_assertion(client_id="x", token_url=TOKEN_URL)
        ),
        "invalid_client",
        "wrong_issuer",
    ),
    (
        lambda signer: asked(
            signer, client_assertion=signer.client_assertion(client_id=CLIENT_ID, token_url="x")
        ),
        "invalid_client",
        "wrong_audience",
    ),
    (
        lambda signer: {
            "grant_type": "client_credentials",
            "client_id": "0oasecret",
            "client_secret": "wr0ng",
        },
        "invalid_client",
        "",
    ),
]


@pytest.mark.parametrize("case", REFUSALS)
def test_a_refusal(
    keys: StaticKeys, signer: HookSigner, ask: Run, events: list[Event], case: tuple[Form, str, str]
) -> None:
    """A refusal is reported with the error code of the response, and the assertion's reason."""
    form, code, reason = case
    endpoint = endpoint_of(_clients(keys), on_event=events.append)
    answer = ask(endpoint, form(signer))
    assert error(answer)[1] == code
    outcome, told = _told(events)
    assert outcome == code
    assert told.startswith(reason)
    assert bool(told) is bool(reason)


def test_a_wrong_method(keys: StaticKeys, ask: Run, events: list[Event]) -> None:
    """A request with a method other than POST is reported as an invalid request."""
    ask(endpoint_of(_clients(keys), on_event=events.append), method="GET")
    assert _told(events) == ("invalid_request", "")


def test_a_replay(keys: StaticKeys, signer: HookSigner, ask: Run, events: list[Event]) -> None:
    """A second use of an assertion is reported with the reason "replayed"."""
    endpoint, form = endpoint_of(_clients(keys), on_event=events.append), asked(signer)
    ask(endpoint, form)
    assert _told(events) == ("issued", "")
    ask(endpoint, form)
    assert _told(events) == ("invalid_client", "replayed")


@pytest.mark.parametrize(
    ("failure", "code", "reason"),
    [
        (KeyUnavailableError("x"), "temporarily_unavailable", "key_unavailable"),
        (ZeroDivisionError("a secret"), "temporarily_unavailable", "key_unavailable"),
        (KeySourceConfigurationError("x"), "server_error", "key_source_misconfigured"),
        (ConfigurationError("x"), "server_error", "configuration"),
    ],
)
def test_a_failure(
    signer: HookSigner, ask: Run, failure: Exception, code: str, reason: str
) -> None:
    """A failure of the key source is reported with its reason and the code of the response."""
    events: list[Event] = []
    source: Any = FailingSource(failure)
    answer = ask(endpoint_of(verifier_of(source), on_event=events.append), asked(signer))
    assert error(answer)[1] == code
    assert _told(events) == (code, reason)


def test_an_unexpected_exception(
    keys: StaticKeys, signer: HookSigner, ask: Run, events: list[Event]
) -> None:
    """An unexpected exception is reported as a server error without a reason."""

    def clock() -> float:
        raise OSError

    ask(endpoint_of(_clients(keys), on_event=events.append, clock=clock), asked(signer))
    assert _told(events) == ("server_error", "")


def test_the_events_of_its_verifier(
    keys: StaticKeys, signer: HookSigner, ask: Run, events: list[Event]
) -> None:
    """``endpoint.verifier`` reports each verification, with the key from memory."""
    endpoint = endpoint_of(_clients(keys), on_event=events.append)
    token = json.loads(ask(endpoint, asked(signer)).body)["access_token"]
    events.clear()
    endpoint.verifier.verify(token)
    asyncio.run(endpoint.verifier.averify(token))
    assert [(each.name, each.outcome, each.key) for each in events] == [
        (EventName.VERIFY, "accepted", "cached")
    ] * 2


def test_a_listener_that_raises(
    keys: StaticKeys, signer: HookSigner, ask: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """A listener that raises does not change a response, and its error is logged once."""

    def listener(event: Event) -> None:
        raise ZeroDivisionError("a secret")

    endpoint = endpoint_of(_clients(keys), on_event=listener)
    statuses = [ask(endpoint, asked(signer)).status, ask(endpoint, {}).status]
    assert statuses == [200, 400]
    assert caplog.messages == ["on_event raised ZeroDivisionError"]


def test_the_health_of_its_clients(signer: HookSigner) -> None:
    """The health of an endpoint is that of its clients' key sources and replay stores."""
    store = MemoryReplayStore(single_process=True, max_entries=1)
    with FaultServer(json_answer(401, okta_error("E0000011"))) as server:
        with HookKeys(server.url, ApiToken("00s3cr3t")) as keys:
            endpoint = endpoint_of([verifier_of(keys, replay=store)])
            assert endpoint.health().status == "healthy"
            assert [part.source for part in endpoint.health().parts] == [  # type: ignore[attr-defined]
                server.url,
                "MemoryReplayStore",
            ]
            endpoint.respond("POST", FORM, b"")
            assert endpoint.health().status == "healthy"
            body = "&".join(f"{name}={value}" for name, value in asked(signer).items()).encode()
            endpoint.respond("POST", FORM, body)
            assert endpoint.health().status == "failing"


def test_the_health_without_keys() -> None:
    """An endpoint whose clients have secrets has no parts and is healthy."""
    health = endpoint_of(ClientSecret("0oasecret", SECRET)).health()
    assert (health.status, health.parts) == ("healthy", ())
