"""What happens to good tokens and to replays while a Valkey fails: the rows of docs/replay.md."""

from __future__ import annotations

import asyncio
import gc
import json
import statistics
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import pytest

from hookkey_verify import HookSigner, HookVerifier, StaticKeys, TokenEndpoint
from hookkey_verify.errors import ReplayStoreUnavailableError
from hookkey_verify.signing_key import SigningKey
from hookkey_verify.token_endpoint import ASSERTION_TYPE
from hookkey_verify.valkey import ValkeyReplayStore

from ..conftest import CLIENT_ID, TOKEN_URL
from ..faults import eventually
from ..proxy import FaultyProxy
from ..valkeys import Valkey, valkey_sentinel, valkey_server
from .load import ISSUER, LOADS, Claims, recovers, threaded, under_load

pytestmark = [
    pytest.mark.slow,
    # redis-py can lose the connection of a task that is cancelled while its loop ends.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

UNAVAILABLE = "replay_store_unavailable"
TIMEOUT = 1.0
"""Long enough that a good claim of a busy machine is never late."""
FORM = {"content-type": "application/x-www-form-urlencoded"}


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Collect lost connections before another module's test runs."""
    yield
    gc.collect()


@pytest.fixture
def server() -> Iterator[Valkey]:
    with valkey_server() as running:
        yield running


@pytest.fixture
def proxy(server: Valkey) -> Iterator[FaultyProxy]:
    with FaultyProxy(server.port) as running:
        yield running


@pytest.fixture
def store(proxy: FaultyProxy) -> Iterator[ValkeyReplayStore]:
    made = ValkeyReplayStore(f"valkey://127.0.0.1:{proxy.port}", timeout=TIMEOUT)
    yield made
    made.close()


def _until() -> float:
    return time.time() + 300


# --- hang


@pytest.mark.parametrize("claim", LOADS)
def test_a_store_that_hangs(server: Valkey, claim: Claims) -> None:
    """Each of 200 concurrent claims ends in time, the next ones at once, and it recovers."""
    store = ValkeyReplayStore(server.url, timeout=TIMEOUT)
    assert all(each.result is True for each in claim(store, map(str, range(20))))
    server.pause()
    answers = claim(store, [f"hang {number}" for number in range(200)])
    assert {each.result for each in answers} == {UNAVAILABLE}
    assert max(each.seconds for each in answers) < 3 * TIMEOUT
    waits = sorted(each.seconds for each in claim(store, [f"next {n}" for n in range(5)]))
    assert waits[-2] < TIMEOUT, "only one claim may find out whether the store is back"
    server.resume()
    assert recovers(store, claim)
    again = claim(store, [f"hang {number}" for number in range(200)])
    assert {each.result for each in again} == {True}, "a token was used up without an answer"
    store.close()


def test_threads_of_the_application_while_a_store_hangs(server: Valkey) -> None:
    """While 200 claims of an event loop wait for a store that hangs, ``to_thread`` does not."""

    async def run() -> tuple[list[float], int]:
        store = ValkeyReplayStore(server.url, timeout=TIMEOUT)
        await store.aclaim(ISSUER, "first", _until())
        server.pause()
        claims = [
            asyncio.create_task(store.aclaim(ISSUER, f"{number}", _until()))
            for number in range(200)
        ]
        durations = []
        while not all(each.done() for each in claims):
            began = time.monotonic()
            await asyncio.to_thread(int)
            durations.append(time.monotonic() - began)
            await asyncio.sleep(0.01)
        answers = await asyncio.gather(*claims, return_exceptions=True)
        server.resume()
        return durations, sum(isinstance(each, ReplayStoreUnavailableError) for each in answers)

    durations, refused = asyncio.run(run())
    assert refused == 200
    assert statistics.median(durations) < TIMEOUT / 2


@pytest.mark.parametrize("claim", LOADS)
def test_a_request_never_waits_beyond_its_deadline(server: Valkey, claim: Claims) -> None:
    """With 0.1 s left, a claim of a store that hangs ends in time and leaves the breaker closed."""
    store = ValkeyReplayStore(server.url, timeout=TIMEOUT)
    claim(store, ["first"])
    server.pause()
    durations = []
    for number in range(4):
        began = time.monotonic()
        with pytest.raises(ReplayStoreUnavailableError):
            store.claim(ISSUER, f"{number}", _until(), deadline=began + 0.1)
        durations.append(time.monotonic() - began)
    assert min(durations) > 0.09
    assert statistics.median(durations) < TIMEOUT / 2
    server.resume()
    store.close()


# --- a stall, and lost answers


def _endpoint(signer: HookSigner, keys: StaticKeys, store: ValkeyReplayStore) -> TokenEndpoint:
    verifier = HookVerifier.for_client_assertion(
        keys, client_id=CLIENT_ID, token_url=TOKEN_URL, replay=store
    )
    key = SigningKey.generate()
    return TokenEndpoint(verifier, signing_key=key, issuer="i", audience="a", scopes=["hooks"])


def _body(signer: HookSigner) -> bytes:
    form = {"grant_type": "client_credentials", "client_assertion_type": ASSERTION_TYPE}
    form["client_assertion"] = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    return urlencode(form).encode()


@pytest.mark.parametrize("number", range(3))
def test_a_stall_does_not_use_up_an_assertion(
    server: Valkey, signer: HookSigner, keys: StaticKeys, number: int
) -> None:
    """If the server stalls and the client retries, one token is issued.

    The claim of the first request reaches the server, which executes it after the request has
    been answered with 503, so the claim must record nothing.
    """
    store = ValkeyReplayStore(server.url, timeout=TIMEOUT)
    endpoint, body = _endpoint(signer, keys, store), _body(signer)
    assert endpoint.respond("POST", FORM, _body(signer)).status == 200
    server.pause()
    statuses = [endpoint.respond("POST", FORM, body).status]
    assert statuses == [503]
    server.resume()
    while statuses[-1] == 503:
        time.sleep(0.05)
        answer = endpoint.respond("POST", FORM, body)
        statuses.append(answer.status)
    assert statuses[-1] == 200, answer.body
    assert json.loads(endpoint.respond("POST", FORM, body).body)["error"] == "invalid_client"
    store.close()


@pytest.mark.parametrize("claim", LOADS)
@pytest.mark.parametrize("close", [True, False], ids=["closed", "silent"])
def test_a_lost_answer(
    store: ValkeyReplayStore, proxy: FaultyProxy, claim: Claims, close: bool
) -> None:
    """If the answer to a claim is lost, its second attempt recognizes the record as its own."""
    tokens = [f"{number}" for number in range(3)]
    if claim is threaded:
        assert store.claim(ISSUER, "first", _until()) is True
        for token in tokens:
            proxy.swallow_next_answers(1, close=close)
            assert store.claim(ISSUER, token, _until()) is True
    else:

        async def run() -> None:
            assert await store.aclaim(ISSUER, "first", _until()) is True
            for token in tokens:
                proxy.swallow_next_answers(1, close=close)
                assert await store.aclaim(ISSUER, token, _until()) is True

        asyncio.run(run())
    assert [each.result for each in claim(store, tokens)] == [False] * 3


# --- idle connections


@pytest.mark.parametrize("claim", LOADS)
@pytest.mark.parametrize("attribute", ["drop_idle_after", "close_idle_after"])
def test_idle_connections_that_end(
    store: ValkeyReplayStore, proxy: FaultyProxy, claim: Claims, attribute: str
) -> None:
    """After connections were dropped silently or closed while idle, no claim fails."""
    setattr(proxy, attribute, 1.0)

    async def rounds() -> None:
        for number in range(3):
            jtis = [f"{number} {each}" for each in range(10)]
            results = await asyncio.gather(*(store.aclaim(ISSUER, j, _until()) for j in jtis))
            assert results == [True] * 10
            await asyncio.sleep(1.1)

    if claim is threaded:
        for number in range(3):
            answers = claim(store, [f"{number} {each}" for each in range(10)])
            assert {each.result for each in answers} == {True}
            time.sleep(1.1)
    else:
        asyncio.run(rounds())


# --- network cut, restart, eviction


@pytest.mark.parametrize("claim", LOADS)
def test_a_network_cut(store: ValkeyReplayStore, proxy: FaultyProxy, claim: Claims) -> None:
    """While the network is cut, tokens are refused in time; afterwards each can be used once."""
    assert claim(store, ["before"])[0].result is True
    proxy.blackhole = True
    answers = claim(store, ["during 1"]) + claim(store, ["during 2"]) + claim(store, ["during 3"])
    assert {each.result for each in answers} == {UNAVAILABLE}
    assert max(each.seconds for each in answers) < 3 * TIMEOUT
    proxy.blackhole = False
    assert recovers(store, claim)
    results = {each.jti: each.result for each in claim(store, ["before", "during 1"])}
    assert results == {"before": False, "during 1": True}


@pytest.mark.parametrize("persistent", [True, False])
def test_a_restart(persistent: bool) -> None:
    """A server that restarts forgets used tokens, unless it has an append-only file."""
    config = {"appendonly": "yes", "appendfsync": "always"} if persistent else {}
    with valkey_server(**config) as server:
        store = ValkeyReplayStore(server.url)
        assert threaded(store, ["token"])[0].result is True
        server.kill()
        assert threaded(store, ["other"])[0].result == UNAVAILABLE
        server.start()
        assert recovers(store)
        assert threaded(store, ["token"])[0].result is not persistent
        store.close()


@pytest.mark.parametrize(("policy", "replayed"), [("noeviction", False), ("allkeys-lru", True)])
def test_a_server_that_is_full(policy: str, replayed: bool) -> None:
    """With ``noeviction`` a full server refuses new tokens; otherwise it forgets used ones."""
    with valkey_server(maxmemory="2500kb", maxmemory_policy=policy) as server:
        store = ValkeyReplayStore(server.url, timeout=2)
        used, refused = [], 0
        for batch in range(150):
            answers = threaded(store, [f"{batch} {number}" for number in range(100)])
            used += [each.jti for each in answers if each.result is True]
            refused += sum(each.result == "replay_store_misconfigured" for each in answers)
            if refused > 100:
                break
        assert bool(refused) is not replayed
        server.ask("CONFIG", "SET", "maxmemory", "100mb")
        assert recovers(store)
        results = [store.claim(ISSUER, jti, _until()) for jti in used[:2000]]
        assert any(results) is replayed
        store.close()


# --- failover


def test_a_failover_with_replicas_that_confirm() -> None:
    """When the primary is killed under load, claims succeed again and no record is lost."""
    with valkey_sentinel(replicas=2) as group:
        store = ValkeyReplayStore(group.url, wait_replicas=1)
        answers = under_load(store, 7, group.kill_primary)
        failed = [each.at for each in answers if each.result is not True]
        assert failed
        assert any(each.result is True and each.at > max(failed) for each in answers)
        assert max(each.seconds for each in answers) < 3
        accepted = [each.jti for each in answers if each.result is True]
        assert len(accepted) > 1000
        assert [jti for jti in accepted if store.claim(ISSUER, jti, _until())] == []
        store.close()


def test_a_failover_to_a_replica_that_lags() -> None:
    """Without ``wait_replicas``, a failover loses what the replica has not received yet."""
    with valkey_sentinel(replicas=1) as group:
        store = ValkeyReplayStore(group.url)
        assert store.claim(ISSUER, "replicated", _until()) is True
        assert eventually(lambda: group.replicas[0].ask("DBSIZE") == 1)
        group.pause_replication()
        assert store.claim(ISSUER, "not replicated", _until()) is True
        waiting = ValkeyReplayStore(group.url, wait_replicas=1)
        with pytest.raises(ReplayStoreUnavailableError, match="wait_replicas"):
            waiting.claim(ISSUER, "refused", _until())
        group.kill_primary()
        group.wait_for_failover()
        assert recovers(store)
        assert store.claim(ISSUER, "replicated", _until()) is False
        assert store.claim(ISSUER, "not replicated", _until()) is True
        assert store.claim(ISSUER, "refused", _until()) is True
        store.close()
        waiting.close()


def test_replicas_that_do_not_confirm(tmp_path: Path) -> None:
    """A token that too few replicas confirmed is refused and not used up."""
    with valkey_sentinel(replicas=1) as group:
        store = ValkeyReplayStore(group.url, wait_replicas=1)
        assert store.claim(ISSUER, "first", _until()) is True
        group.replicas[0].pause()
        with pytest.raises(ReplayStoreUnavailableError, match="wait_replicas"):
            store.claim(ISSUER, "token", _until())
        group.replicas[0].resume()
        assert recovers(store)
        assert store.claim(ISSUER, "token", _until()) is True
        store.close()
