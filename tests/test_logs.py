"""Log records: their fields, how often a message is repeated, and that they contain no secrets."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from hookkey_verify import (
    ApiToken,
    CachePolicy,
    HookKeys,
    HookSigner,
    HookVerifier,
    StaticKeys,
)
from hookkey_verify._runtime.log import RareLog
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import HookKeyError, KeyUnavailableError, ReplayStoreUnavailableError
from hookkey_verify.events import Event, EventName
from hookkey_verify.guard import Guard, HttpRefusal
from hookkey_verify.replay.remote import RemoteClaims, unreachable
from hookkey_verify.token_endpoint import ClientSecret

from .conftest import CLIENT_ID, TOKEN_URL
from .faults import FaultServer, ManualClock, eventually, json_answer, okta_error
from .full_scenario import LEAK, Scenario
from .test_verifier_events import FailingSource
from .token_endpoint.token_requests import FORM, ISSUER, SECRET, asked, endpoint_of, verifier_of

FIELDS = {
    "hookkey_source",
    "hookkey_reason",
    "hookkey_kid",
    "hookkey_seconds",
    "hookkey_left_out",
}


def fields(record: logging.LogRecord) -> dict[str, Any]:
    """Return the fields of a record, without their prefix."""
    found = {name: value for name, value in vars(record).items() if name.startswith("hookkey_")}
    assert set(found) == FIELDS
    return {name.removeprefix("hookkey_"): value for name, value in found.items()}


def _assertions(keys: Any, **options: Any) -> HookVerifier:
    given = {"client_id": CLIENT_ID, "token_url": TOKEN_URL, **options}
    return HookVerifier.for_client_assertion(keys, **given)


def _assertion(signer: HookSigner) -> str:
    return signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)


# --- fields


def test_a_refused_request(keys: StaticKeys, caplog: pytest.LogCaptureFixture) -> None:
    """A refusal by a guard is logged with its reason and the source of the verifier."""
    caplog.set_level(logging.INFO)
    answer = Guard(_assertions(keys)).check({"authorization": "Bearer not-a-token"})
    assert isinstance(answer, HttpRefusal)
    (record,) = caplog.records
    assert record.levelname == "INFO"
    assert record.getMessage().startswith("a request was refused with 401: ")
    assert fields(record) == {
        "source": "StaticKeys",
        "reason": "malformed_token",
        "kid": None,
        "seconds": None,
        "left_out": 0,
    }


def test_a_verifier_that_fails(caplog: pytest.LogCaptureFixture) -> None:
    """An exception of a verifier of an application is logged by its type, as a configuration."""

    class Broken:
        def verify_headers(self, headers: Any) -> Any:
            raise ZeroDivisionError("a secret")

        async def averify_headers(self, headers: Any) -> Any:
            raise ZeroDivisionError("a secret")

    Guard(Broken()).check({})
    raised, refused = caplog.records
    assert raised.getMessage() == "the verifier raised ZeroDivisionError"
    assert (fields(raised)["source"], fields(raised)["reason"]) == ("Broken", "")
    assert (refused.levelname, fields(refused)["reason"]) == ("ERROR", "configuration")
    assert "a secret" not in caplog.text


def test_a_refused_token(caplog: pytest.LogCaptureFixture) -> None:
    """A refusal of a token is logged with the issuer, the error code and the duration."""
    caplog.set_level(logging.INFO)
    endpoint = endpoint_of(ClientSecret("0oasecret", SECRET))
    body = b"grant_type=client_credentials&client_id=0oasecret&client_secret=wr0ng"
    endpoint.respond("POST", FORM, body)
    (record,) = caplog.records
    found = fields(record)
    assert record.levelname == "INFO"
    assert "client_id or client_secret is wrong" in record.getMessage()
    assert (found["source"], found["reason"], found["kid"]) == (ISSUER, "invalid_client", None)
    assert 0 <= found["seconds"] < 10
    assert "wr0ng" not in caplog.text


def test_a_refused_assertion(
    keys: StaticKeys, signer: HookSigner, caplog: pytest.LogCaptureFixture
) -> None:
    """A refusal of an assertion is logged with its reason."""
    caplog.set_level(logging.INFO)
    endpoint = endpoint_of(verifier_of(keys))
    form = asked(signer, client_assertion=_assertion(signer)[:-8] + "AAAAAAAA")
    endpoint.respond("POST", FORM, urlencode(form).encode())
    (record,) = caplog.records
    assert (fields(record)["source"], fields(record)["reason"]) == (ISSUER, "invalid_signature")


@pytest.mark.parametrize("length", [36, 40, 64])
def test_a_failed_fetch(signer: HookSigner, caplog: pytest.LogCaptureFixture, length: int) -> None:
    """A failed fetch is logged with the URL, the reason, the duration and at most 40 of its kid."""
    kid = ("5f4b1d0e-0000-4000-8000-" + "0" * 300)[:length]
    with FaultServer(json_answer(503, okta_error("E0000009"))) as server:
        policy = CachePolicy(fetch_timeout=5)
        with HookKeys(server.url, ApiToken("00s3cr3t"), policy=policy) as keys:
            with pytest.raises(KeyUnavailableError):
                _assertions(keys).verify(_assertion(HookSigner(signer._key, kid)))
            assert eventually(lambda: len(caplog.records) == 1)
    found = fields(caplog.records[0])
    assert (found["source"], found["reason"]) == (server.url, "key_unavailable")
    assert found["kid"] == (kid if length <= 40 else kid[:40] + "…")
    assert 0 <= found["seconds"] < 10
    assert kid[:41] not in caplog.text or length <= 40


def test_a_key_source_of_an_application(
    signer: HookSigner, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception of a key source is logged with the name of its class, without its text."""
    verifier = _assertions(FailingSource(ZeroDivisionError("a secret")))
    with pytest.raises(KeyUnavailableError):
        verifier.verify(_assertion(signer))
    (record,) = caplog.records
    assert record.getMessage() == "the key source raised ZeroDivisionError"
    assert (fields(record)["source"], fields(record)["reason"]) == (
        "FailingSource",
        "key_unavailable",
    )
    assert "a secret" not in caplog.text


@pytest.mark.parametrize("when", ["refuse", "accept"])
def test_an_unreachable_replay_store(when: Any, caplog: pytest.LogCaptureFixture) -> None:
    """A problem of a replay store is logged with its source, its reason and the duration."""
    clock = ManualClock()
    claims = RemoteClaims(
        "MyStore", unreachable, timeout=5, when_unreachable=when, on_event=None, clock=clock
    )

    def attempt(step: Any) -> bool:
        clock.now += 0.5
        raise ConnectionError("a secret")

    try:
        assert claims.run(attempt, None) is True
    except ReplayStoreUnavailableError:
        assert when == "refuse"
    (record,) = caplog.records
    assert fields(record) == {
        "source": "MyStore",
        "reason": "replay_store_unavailable" if when == "refuse" else "",
        "kid": None,
        "seconds": 1,
        "left_out": 0,
    }
    assert "a secret" not in caplog.text


# --- repetition


def test_a_long_outage(okta: OktaEmulator, caplog: pytest.LogCaptureFixture) -> None:
    """During an outage, a fetch failure is logged once a minute, and at DEBUG in between.

    Messages that differ only in their kid count as the same.
    """
    caplog.set_level(logging.DEBUG, "hookkey_verify")
    clock = ManualClock()
    policy = CachePolicy(negative_for=1, first_seen_burst=50, fetch_timeout=5)
    okta.fail(503, times=1000)
    fetched: list[Event] = []

    def on_event(event: Event) -> None:
        if event.name is EventName.FETCH:
            fetched.append(event)

    with HookKeys(
        okta.url, ApiToken(okta.api_token), policy=policy, clock=clock, on_event=on_event
    ) as keys:
        for number in range(14):
            with pytest.raises(HookKeyError):
                keys.get(f"kid-{number}")
            clock.now += 5
    assert eventually(lambda: len(caplog.records) == len(fetched) == 14)
    ours = [record for record in caplog.records if record.name == "hookkey_verify"]
    assert [record.levelno for record in ours] == [
        logging.WARNING,
        *[logging.DEBUG] * 11,
        logging.WARNING,
        logging.DEBUG,
    ]
    assert [fields(record)["left_out"] for record in ours] == [0] * 12 + [11, 0]
    assert [fields(record)["kid"] for record in ours] == [f"kid-{number}" for number in range(14)]
    assert ours[12].getMessage().endswith(" (11 similar records were left out)")


def test_the_number_of_messages_is_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """A log tells at most 1000 messages apart; all others count as the same.

    So made-up messages neither fill the disk nor make it repeat the known ones.
    """
    clock = ManualClock()
    log = RareLog(clock)
    for number in range(2500):
        log(logging.WARNING, f"message {number}", reason="x")
        assert len(log._logged) <= RareLog.MOST + 1
    assert caplog.messages == [f"message {number}" for number in range(1001)]
    caplog.clear()
    for number in (0, 999, 1000, 2499):
        log(logging.WARNING, f"message {number}")
    assert caplog.messages == []
    clock.now += 60
    for number in (0, 2500, 2501):
        log(logging.WARNING, f"message {number}")
    assert caplog.messages == [
        "message 0 (1 similar records were left out)",
        "message 2500 (1501 similar records were left out)",
    ]


def test_a_topic(caplog: pytest.LogCaptureFixture) -> None:
    """Messages with one topic count as the same, whatever their text and fields."""
    log = RareLog(ManualClock())
    for kid in "abc":
        log(logging.WARNING, f"fetching {kid}", topic="fetching", kid=kid)
    log(logging.WARNING, "fetching")
    assert caplog.messages == ["fetching a"]


# --- secrets


@pytest.fixture
def everything(caplog: pytest.LogCaptureFixture) -> Iterator[pytest.LogCaptureFixture]:
    """Log everything that any library logs."""
    names = [
        "hookkey_verify",
        "urllib3",
        "redis",
        "asyncio",
        "botocore",
        "boto3",
        "flask",
        "requests",
    ]
    with caplog.at_level(logging.DEBUG):
        levels = {name: logging.getLogger(name).level for name in names}
        for name in names:
            logging.getLogger(name).setLevel(logging.DEBUG)
        yield caplog
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)


def test_neither_logs_nor_events_contain_secrets(
    okta: OktaEmulator,
    signer: HookSigner,
    app_key: HookSigner,
    everything: pytest.LogCaptureFixture,
) -> None:
    """With DEBUG on for all libraries, no part of 8 characters of a secret is logged or reported.

    Secrets are tokens, claims, keys, client secrets, passwords, API tokens and bodies.
    """
    events: list[Event] = []
    scenario = Scenario(okta, events.append)
    scenario.play(signer, app_key)
    assert scenario.statuses == [200, 200, 401, 200, 401, 200, 401, 200, 200]
    assert len(scenario.tokens) > 50
    formatter = logging.Formatter("%(name)s %(levelname)s %(message)s")
    records = everything.records
    assert {"hookkey_verify", "asyncio", "urllib3.connectionpool"} <= {
        each.name for each in records
    }
    assert any(each.name.startswith("botocore") for each in records)
    for record in records:
        ours = [value for name, value in vars(record).items() if name.startswith("hookkey_")]
        text = f"{formatter.format(record)} {ours!r}"
        assert scenario.leaks(text) == [], record.name
        if record.name == "hookkey_verify":
            fields(record)
    names = {event.name for event in events}
    assert names >= {
        EventName.VERIFY,
        EventName.TOKEN,
        EventName.JWKS,
        EventName.JWKS_SERVED,
        EventName.API,
        EventName.CLAIM,
        EventName.REPLAY_UNCHECKED,
        EventName.FETCH,
        EventName.STALE_SERVED,
    }
    for event in events:
        assert scenario.leaks(repr(tuple(event))) == [], event.name


def test_the_search_for_secrets(okta: OktaEmulator, signer: HookSigner) -> None:
    """The search finds any 8 characters of a token's segments, its jti, and the other secrets."""
    scenario = Scenario(okta, None)
    token = signer.sign({"jti": "jt1-0f-a-t0ken-k33p-it", "exp": 9e9, "pad": "x" * 300})
    scenario.tokens.add(token)
    scenario.pem(signer)
    scenario.collect()
    header, payload, signature = token.split(".")
    for secret in (
        header,
        payload,
        signature,
        "jt1-0f-a-t0ken-k33p-it",
        okta.api_token,
        "p4ssw0rd-0f-0kta-k33p-it",
    ):
        for part in (secret, secret[:LEAK], secret[-LEAK:]):
            assert scenario.leaks(f"it is {part}!")
        assert not scenario.leaks(f"it is {secret[: LEAK - 1]}!")
    assert not scenario.leaks("it is fine")
