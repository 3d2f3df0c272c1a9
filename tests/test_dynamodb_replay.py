"""DynamoDBReplayStore with emulated DynamoDBs: single use across processes, and outages."""

from __future__ import annotations

import asyncio
import copy
import json
import pickle
import runpy
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import boto3
import pytest
from botocore import exceptions as of_boto
from botocore.config import Config

from hookkey_verify import ConfigurationError, HookSigner
from hookkey_verify.dynamodb import DynamoDBReplayStore
from hookkey_verify.dynamodb.problems import explain
from hookkey_verify.dynamodb.table_check import DEFINITION, EXPIRY
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import ReplayStoreConfigurationError, ReplayStoreUnavailableError
from hookkey_verify.events import Event, EventName
from hookkey_verify.replay.record import CLOCK_TOLERANCE, record_digest
from hookkey_verify.testing.contract import replay_store_contract

from .databases import DynamoDB, dynalite_server, dynamodb_server
from .e2e.test_receivers import assertion_form, environment, signing_key
from .faults import eventually
from .proxy import FaultyProxy
from .racing import POSTS, statuses_of_one_assertion
from .servers import free_port

__all__ = ["signing_key"]  # a fixture

TABLE = "used-tokens"
SERVERS = [dynamodb_server, pytest.param(dynalite_server, marks=pytest.mark.slow)]


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest) -> Iterator[DynamoDB]:
    with request.param() as running:
        client = boto3.client("dynamodb", **running.options)
        client.create_table(TableName=TABLE, **DEFINITION)  # dynalite has no time to live
        client.get_waiter("table_exists").wait(TableName=TABLE, WaiterConfig={"Delay": 1})
        client.close()
        yield running


@pytest.fixture(scope="module")
def moto() -> Iterator[DynamoDB]:
    with dynamodb_server() as running:
        DynamoDBReplayStore(TABLE, **running.options).create_table()
        yield running


@pytest.fixture
def store(server: DynamoDB) -> Iterator[DynamoDBReplayStore]:
    made = DynamoDBReplayStore(TABLE, timeout=5, **server.options)
    yield made
    made.close()


def in_a_minute() -> float:
    return time.time() + 60


def item(server: DynamoDB, jti: str) -> dict[str, Any] | None:
    client = boto3.client("dynamodb", **server.options)
    key = {"digest": {"B": record_digest("issuer", jti)}}
    found: dict[str, Any] | None = client.get_item(TableName=TABLE, Key=key).get("Item")
    client.close()
    return found


def refused(store: DynamoDBReplayStore, jti: str = "1") -> bool:
    """Whether the store refuses a claim as unavailable."""
    try:
        store.claim("issuer", jti, in_a_minute())
    except ReplayStoreUnavailableError:
        return True
    return False


@contextmanager
def paused(server: DynamoDB) -> Iterator[None]:
    server.pause()
    try:
        yield
    finally:
        server.resume()


# --- single use


@pytest.mark.slow
def test_the_contract(server: DynamoDB) -> None:
    """The store follows the rules for replay stores."""
    replay_store_contract(lambda: DynamoDBReplayStore(TABLE, timeout=10, **server.options))


@pytest.mark.slow
def test_among_processes(server: DynamoDB, signer: HookSigner) -> None:
    """When eight processes post one assertion two hundred times, one token is issued."""
    make = partial(DynamoDBReplayStore, TABLE, timeout=10, **server.options)
    assert statuses_of_one_assertion(make, signer) == [200] + [401] * (POSTS - 1)


def test_a_race_for_an_expired_item(server: DynamoDB, store: DynamoDBReplayStore) -> None:
    """An item that has expired but was not deleted blocks no claim, and one of many wins."""
    past = DynamoDBReplayStore(
        TABLE, timeout=5, clock=lambda: time.time() - 86_400, **server.options
    )
    assert past.claim("issuer", "old", time.time() - 7200) is True
    assert item(server, "old") is not None
    with ThreadPoolExecutor(20) as pool:
        claims = [pool.submit(store.claim, "issuer", "old", in_a_minute()) for _ in range(40)]
        assert [claim.result() for claim in claims].count(True) == 1


def test_what_is_kept(server: DynamoDB, store: DynamoDBReplayStore) -> None:
    """An item has only a digest and a nonce, and ends ``CLOCK_TOLERANCE`` after its token."""
    expires_at = time.time() + 100
    store.claim("issuer", "secret-jti", expires_at)
    found = item(server, "secret-jti")
    assert found is not None
    assert set(found) == {"digest", "nonce", "expires_at"}
    assert (len(found["digest"]["B"]), len(found["nonce"]["B"])) == (32, 16)
    assert 0 <= int(found["expires_at"]["N"]) - expires_at - CLOCK_TOLERANCE < 1


def test_a_client_of_the_user(server: DynamoDB) -> None:
    """A store uses the client that it is given, and does not close it."""
    client = boto3.client("dynamodb", **server.options)
    store = DynamoDBReplayStore(TABLE, client=client, timeout=5)
    store.warm_up()
    assert store.claim("issuer", "given", in_a_minute()) is True
    store.close()
    assert store.claim("issuer", "given", in_a_minute()) is False
    client.close()


EXAMPLE = Path(__file__).parents[1] / "examples" / "receiver_lambda"  # runs its "receiver.py"


def test_the_lambda_example(
    moto: DynamoDB, okta: OktaEmulator, signing_key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The example for Lambda issues one token per assertion, and accepts it for the hook."""
    token_url = "https://hooks.acme.com/oauth2/token"
    variables = {
        **environment(okta, signing_key, token_url),
        "SIGNING_KEY": signing_key.read_text(),
        "TABLE": TABLE,
        "AWS_ENDPOINT_URL_DYNAMODB": moto.url,
        "AWS_REGION": "eu-central-1",
        "AWS_DEFAULT_REGION": "eu-central-1",
        "AWS_ACCESS_KEY_ID": "AKIATEST",
        "AWS_SECRET_ACCESS_KEY": "s3cret",
    }
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    example = runpy.run_path(str(EXAMPLE / "receiver.py"))
    form = assertion_form(okta, okta.create_key("Token hook"), token_url)

    def call(path: str, headers: dict[str, str], body: str) -> Any:
        context = {"http": {"method": "POST", "path": path}}
        event = {"version": "2.0", "rawPath": path, "requestContext": context}
        return example["handler"]({**event, "headers": headers, "body": body}, None)

    kind = {"content-type": "application/x-www-form-urlencoded"}
    answers = [call("/oauth2/token", kind, urlencode(form)) for _ in range(2)]
    assert [answer["statusCode"] for answer in answers] == [200, 401]
    bearer = {"authorization": f"Bearer {json.loads(answers[0]['body'])['access_token']}"}
    assert call("/hook", bearer, "{}")["statusCode"] == 200
    assert call("/hook", {}, "{}")["statusCode"] == 401
    example["used"].close()


def test_the_template() -> None:
    """The template is valid CloudFormation, and its table is that of ``create_table``."""
    from cfnlint.api import lint  # noqa: PLC0415 - takes a second, in every worker of pytest
    from cfnlint.decode import decode  # noqa: PLC0415

    template = EXAMPLE / "template.yaml"
    assert lint(template.read_text(), ["eu-central-1"]) == []
    loaded, _ = decode(str(template))
    table = loaded["Resources"]["UsedTokens"]["Properties"]
    assert {name: table[name] for name in DEFINITION} == DEFINITION
    assert table["TimeToLiveSpecification"] == {"AttributeName": EXPIRY, "Enabled": True}
    [policy] = loaded["Resources"]["Receiver"]["Properties"]["Policies"]
    assert policy["Statement"][0]["Action"] == ["dynamodb:PutItem", "dynamodb:DeleteItem"]


# --- outages


@pytest.mark.slow
def test_a_server_that_hangs(server: DynamoDB) -> None:
    """A hanging server is unreachable within the time limit, and recovers by itself.

    What it executes when it continues is undone, because its answers still arrive.
    """
    store = DynamoDBReplayStore(TABLE, timeout=0.3, **server.options)
    store.warm_up()
    with paused(server):
        for number in range(3):
            began = time.monotonic()
            assert refused(store, f"hang {number}")
            assert time.monotonic() - began < 3
        assert store.health().status == "failing"
    assert eventually(lambda: not refused(store, "after hang"), 10)
    assert store.health().status == "healthy"
    time.sleep(1)
    for number in range(3):
        assert eventually(lambda: item(server, f"hang {number}") is None, 5)  # noqa: B023
    store.close()


@pytest.mark.slow
def test_many_aclaims_while_a_server_hangs(server: DynamoDB) -> None:
    """Each of 200 aclaims ends within twice the time-out, and ``to_thread`` waits for none."""
    timeout = 2
    store = DynamoDBReplayStore(TABLE, timeout=timeout, **server.options)
    store.warm_up()

    async def timed(number: int) -> float:
        began = time.monotonic()
        with pytest.raises(ReplayStoreUnavailableError):
            await store.aclaim("issuer", f"many {number}", in_a_minute())
        return time.monotonic() - began

    async def to_thread() -> float:
        began = time.monotonic()
        await asyncio.sleep(0.1)
        await asyncio.to_thread(time.sleep, 0.01)
        return time.monotonic() - began

    async def run() -> None:
        with paused(server):
            thread, *took = await asyncio.gather(to_thread(), *map(timed, range(200)))
        assert max(took) < 2 * timeout + 1  # a second for a busy machine
        assert thread < timeout
        while True:
            with suppress(ReplayStoreUnavailableError):
                assert await store.aclaim("issuer", f"last {time.time()}", in_a_minute())
                break
            await asyncio.sleep(0.05)
        await store.aclose()

    asyncio.run(run())


@pytest.mark.slow
def test_a_slow_server(moto: DynamoDB) -> None:
    """What a slow server records after a claim was refused is undone, but not with "accept"."""
    with FaultyProxy(moto.port) as proxy:
        make = partial(DynamoDBReplayStore, TABLE, **moto.options_at(proxy.port))
        strict = make(timeout=0.15)
        lenient = make(timeout=0.15, when_unreachable="accept")
        for each in (strict, lenient):
            each.warm_up()
        proxy.delay = 0.1  # each way
        assert refused(strict, "slow")
        assert lenient.claim("issuer", "lenient", in_a_minute()) is True
        proxy.delay = 0.0
        assert eventually(lambda: item(moto, "slow") is None, 5)
        time.sleep(0.3)
        assert item(moto, "slow") is None
        assert item(moto, "lenient") is not None
        strict.close()


def test_a_first_answer_that_arrives_late(moto: DynamoDB, monkeypatch: pytest.MonkeyPatch) -> None:
    """If only the first attempt recorded a claim that is refused, its record is undone too."""
    store = DynamoDBReplayStore(TABLE, timeout=0.3, **moto.options)
    store.warm_up()
    send, numbers = store._attempt, []

    def attempt(claim: Any, made: Any) -> bool:
        numbers.append(made.number)
        if made.number == 2:
            time.sleep(0.6)
            raise TimeoutError
        send(claim, made)
        time.sleep(0.4)
        return True

    monkeypatch.setattr(store, "_attempt", attempt)
    assert refused(store, "late")
    assert numbers == [1, 2]
    assert eventually(lambda: item(moto, "late") is None, 5)
    store.close()


def test_without_a_server() -> None:
    """Without a server a claim is refused, and the health says so."""
    credentials: dict[str, Any] = {"aws_access_key_id": "a", "aws_secret_access_key": "s"}
    url = f"http://127.0.0.1:{free_port()}"
    for region, kind in (("us-east-1", "unreachable"), ("no-such-1", "unreachable")):
        store = DynamoDBReplayStore(
            TABLE, timeout=2, endpoint_url=url, region_name=region, **credentials
        )
        assert store.health().status == "healthy"
        with pytest.raises(ReplayStoreUnavailableError, match=kind):
            asyncio.run(store.aclaim("issuer", "1", in_a_minute()))
        assert store.health().status == "failing"
        asyncio.run(store.aclose())


@pytest.mark.slow
def test_a_restart(caplog: pytest.LogCaptureFixture) -> None:
    """Without a server, claims are refused or accepted; after its start they are answered."""
    with dynamodb_server() as server:
        events: list[Event] = []
        store = DynamoDBReplayStore(TABLE, timeout=2, **server.options)
        lenient = DynamoDBReplayStore(
            TABLE, when_unreachable="accept", on_event=events.append, **server.options
        )
        store.create_table()
        lenient.warm_up()
        assert store.claim("issuer", "0", in_a_minute())
        server.kill()
        with pytest.raises(ReplayStoreUnavailableError, match="unreachable") as problem:
            store.claim("issuer", "1", in_a_minute())
        assert lenient.claim("issuer", "1", in_a_minute()) is True
        assert [(each.name, each.outcome) for each in events] == [
            (EventName.REPLAY_UNCHECKED, "EndpointConnectionError"),
            (EventName.CLAIM, "unchecked"),
        ]
        with pytest.raises(ReplayStoreUnavailableError, match="unreachable"):
            store.warm_up()
        server.start()
        store.create_table()  # moto keeps nothing
        assert store.claim("issuer", "1", in_a_minute()) is True
        assert lenient.claim("issuer", "1", in_a_minute()) is False
        for shown in (caplog.text, repr(store), str(problem.value)):
            assert server.options["aws_secret_access_key"] not in shown
        store.close()


@pytest.mark.parametrize("method", ["claim", "aclaim"])
def test_a_lost_answer(server: DynamoDB, method: str) -> None:
    """A claim whose answer is lost succeeds with its second attempt."""
    with FaultyProxy(server.port) as proxy:
        store = DynamoDBReplayStore(TABLE, timeout=1, **server.options_at(proxy.port))
        store.warm_up()

        async def claim(jti: str) -> bool:
            if method == "claim":
                return store.claim("issuer", jti, in_a_minute())
            return await store.aclaim("issuer", jti, in_a_minute())

        jti = f"lost {method}"
        proxy.swallow_next_answers(1, close=False)
        assert asyncio.run(claim(jti)) is True
        assert asyncio.run(claim(jti)) is False
        store.close()


def test_a_connection_that_was_dropped(server: DynamoDB) -> None:
    """A connection that was dropped silently while idle costs a second attempt only."""
    with FaultyProxy(server.port) as proxy:
        store = DynamoDBReplayStore(TABLE, timeout=1, **server.options_at(proxy.port))
        store.warm_up()
        proxy.drop_idle_after = 0.05
        time.sleep(0.1)
        assert store.claim("issuer", "dropped", in_a_minute()) is True
        store.close()


def test_a_claim_ends_at_its_deadline(store: DynamoDBReplayStore) -> None:
    """With no time left, a claim is refused without a request."""
    with pytest.raises(ReplayStoreUnavailableError, match="no time is left"):
        store.claim("issuer", "late", in_a_minute(), deadline=time.monotonic() - 1)
    assert store.claim("issuer", "late", in_a_minute(), deadline=time.monotonic() + 60) is True


def test_no_thread_is_free(moto: DynamoDB, monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim that gets no thread in time is refused, also if it gets one after its end."""
    monkeypatch.setattr("hookkey_verify.dynamodb.clients.MAX_CONNECTIONS", 0)
    store = DynamoDBReplayStore(TABLE, timeout=0.1, **{**moto.options, "config": Config()})
    assert refused(store)
    monkeypatch.setattr("hookkey_verify.dynamodb.clients.MAX_CONNECTIONS", 1)
    store = DynamoDBReplayStore(TABLE, timeout=0.1, **moto.options)
    make = store._clients._make

    def slow() -> Any:
        time.sleep(0.3)
        return make()

    monkeypatch.setattr(store._clients._made, "_make", slow)
    assert refused(store, "slow client")
    time.sleep(0.4)
    assert item(moto, "slow client") is None
    store.close()


def test_a_loop_that_ends_before_a_request(moto: DynamoDB) -> None:
    """An event loop may end while a thread still waits for an answer."""
    with FaultyProxy(moto.port) as proxy:
        store = DynamoDBReplayStore(TABLE, timeout=0.1, **moto.options_at(proxy.port))
        store.warm_up()
        proxy.delay = 0.3
        with pytest.raises(ReplayStoreUnavailableError):
            asyncio.run(store.aclaim("issuer", "ended", in_a_minute()))
        time.sleep(1)
        store.close()


# --- what is wrong with a table or its settings


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """Hide the credentials and the region of the machine that runs the tests."""
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, str(tmp_path / name))


KEYS = {"aws_access_key_id": "AKIATEST", "aws_secret_access_key": "s3cret"}


@pytest.mark.usefixtures("bare")
@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (KEYS, "no valid region"),
        ({"region_name": "eu-nowhere-9", **KEYS}, "does not know the region"),
        ({"region_name": "eu nowhere", **KEYS}, "no valid region"),
        ({"region_name": "eu-central-1"}, "no valid credentials"),
        ({"region_name": "eu-central-1", "unknown": 1}, "options must be"),
    ],
    ids=str,
)
def test_wrong_options(options: dict[str, Any], problem: str) -> None:
    """Wrong options, regions and credentials are a misconfiguration, also with "accept"."""
    store = DynamoDBReplayStore(TABLE, timeout=10, when_unreachable="accept", **options)
    with pytest.raises(ReplayStoreConfigurationError, match=problem):
        store.claim("issuer", "1", in_a_minute())
    with pytest.raises(ReplayStoreConfigurationError, match=problem):
        store.create_table()
    assert {each.result for each in store.check()} == {"failed"}


def test_a_missing_table(server: DynamoDB) -> None:
    """A table that does not exist is a misconfiguration."""
    store = DynamoDBReplayStore("missing", timeout=5, when_unreachable="accept", **server.options)
    with pytest.raises(ReplayStoreConfigurationError, match="table does not exist"):
        store.claim("issuer", "1", in_a_minute())
    assert {(each.check, each.result) for each in store.check()} == {
        ("table", "failed"),
        ("permissions", "failed"),
    }
    store.close()


def test_a_table_with_another_key(server: DynamoDB) -> None:
    """A table with another key is a misconfiguration."""
    client = boto3.client("dynamodb", **server.options)
    client.create_table(
        TableName="other-key",
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName="other-key", WaiterConfig={"Delay": 1})
    store = DynamoDBReplayStore("other-key", client=client, timeout=5)
    with pytest.raises(ReplayStoreConfigurationError, match="another key"):
        store.claim("issuer", "1", in_a_minute())
    assert "failed" in {each.result for each in store.check() if each.check == "table"}
    client.close()


def client_error(code: str) -> of_boto.ClientError:
    return of_boto.ClientError({"Error": {"Code": code, "Message": "s3cret"}}, "PutItem")


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (client_error("AccessDeniedException"), "misconfigured"),
        (client_error("UnrecognizedClientException"), "misconfigured"),
        (client_error("ExpiredTokenException"), "misconfigured"),
        (client_error("ProvisionedThroughputExceededException"), "unavailable"),
        (client_error("ThrottlingException"), "unavailable"),
        (client_error("InternalServerError"), "unavailable"),
        (of_boto.ReadTimeoutError(endpoint_url="s3cret"), "unreachable"),
        (of_boto.ConnectTimeoutError(endpoint_url="s3cret"), "unreachable"),
        (of_boto.ConnectionClosedError(endpoint_url="s3cret"), "unreachable"),
        (of_boto.SSLError(endpoint_url="s3cret", error="x"), "misconfigured"),
        (of_boto.PartialCredentialsError(provider="s3cret", cred_var="x"), "misconfigured"),
        (of_boto.ProfileNotFound(profile="s3cret"), "misconfigured"),
        (ConnectionResetError("s3cret"), "unreachable"),
        (ConfigurationError("wrong"), "misconfigured"),
        (ValueError("s3cret"), "unavailable"),
    ],
    ids=repr,
)
def test_problems(error: Exception, kind: str) -> None:
    """Each error is a problem of one kind, whose text repeats nothing of the error."""
    problem = explain(error)
    assert problem.kind == kind
    assert "s3cret" not in problem.text + problem.name


# --- check


class _Client:
    """A client that answers some operations in its own way."""

    def __init__(self, client: Any, **answers: Any) -> None:
        self._client = client
        self._answers = answers

    def __getattr__(self, name: str) -> Any:
        if name not in self._answers:
            return getattr(self._client, name)

        def call(**arguments: Any) -> Any:
            answer = self._answers[name]
            if isinstance(answer, Exception):
                raise answer
            return answer(getattr(self._client, name)(**arguments))

        return call


def described(**changes: Any) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda answer: {**answer, "Table": {**answer["Table"], **changes}}


def at(date: str) -> Callable[[dict[str, Any]], dict[str, Any]]:
    return lambda answer: {**answer, "ResponseMetadata": {"HTTPHeaders": {"date": date}}}


DENIED = client_error("AccessDeniedException")


@pytest.mark.parametrize(
    ("answers", "found"),
    [
        ({}, {}),
        ({"describe_table": DENIED}, {"table": "skipped"}),
        ({"describe_table": of_boto.NoCredentialsError()}, {"table": "failed"}),
        ({"describe_time_to_live": DENIED}, {"expiry": "skipped"}),
        ({"describe_time_to_live": lambda _: {"TimeToLiveDescription": {}}}, {"expiry": "warning"}),
        ({"describe_table": described(Replicas=[{}])}, {"replicas": "warning"}),
        ({"describe_table": described(Replicas=[{}], MultiRegionConsistency="STRONG")}, {}),
        ({"describe_table": described(TableStatus="DELETING")}, {"table": "failed"}),
        ({"describe_table": at("Mon, 01 Jan 2024 00:00:00 GMT")}, {"clock": "warning"}),
        ({"describe_table": at("Fri, 01 Jan 2100 00:00:00 GMT")}, {"clock": "warning"}),
        ({"describe_table": at("never")}, {"clock": "skipped"}),
        ({"delete_item": DENIED}, {"permissions": "failed"}),
    ],
)
def test_check(moto: DynamoDB, answers: dict[str, Any], found: dict[str, str]) -> None:
    """Each setting that can lose a used token, and each missing permission, is a finding."""
    client = boto3.client("dynamodb", **moto.options)
    store = DynamoDBReplayStore(TABLE, client=_Client(client, **answers))
    results = store.check()
    assert {each.check: each.result for each in results if each.result != "ok"} == found
    assert results[-1].check == "permissions"
    client.close()


def test_create_table(moto: DynamoDB) -> None:
    """Creating the table again changes nothing."""
    store = DynamoDBReplayStore("created-twice", **moto.options)
    for _ in range(2):
        store.create_table()
        assert {each.result for each in store.check()} == {"ok"}
    store.close()


def test_a_call_that_takes_too_long(moto: DynamoDB, monkeypatch: pytest.MonkeyPatch) -> None:
    """``warm_up`` ends after its limit."""
    monkeypatch.setattr("hookkey_verify.dynamodb.replay_store.CHECK_LIMIT", 0.3)
    store = DynamoDBReplayStore(TABLE, **moto.options)
    with paused(moto):
        with pytest.raises(ReplayStoreUnavailableError, match="TimeoutError"):
            store.warm_up()


def test_create_table_fails(moto: DynamoDB) -> None:
    """A missing permission to create the table is a misconfiguration."""
    client = _Client(boto3.client("dynamodb", **moto.options), create_table=DENIED)
    with pytest.raises(ReplayStoreConfigurationError, match="lack a permission"):
        DynamoDBReplayStore(TABLE, client=client).create_table()


# --- arguments


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"table": "x"}, "table must be"),
        ({"table": None}, "table must be"),
        ({"timeout": 0}, "timeout must be"),
        ({"when_unreachable": "allow"}, "when_unreachable must be"),
        ({"on_event": 5}, "on_event must be"),
        ({"client": 5}, "client must be"),
        ({"client": 5, "region_name": "x"}, "pass only client"),
        ({"config": 5}, "config must be"),
    ],
    ids=str,
)
def test_arguments(arguments: dict[str, Any], problem: str) -> None:
    """An invalid argument is refused, and the message names it."""
    with pytest.raises(ConfigurationError, match=problem):
        DynamoDBReplayStore(**{"table": TABLE, **arguments})


@pytest.mark.parametrize("leak", [pickle.dumps, copy.copy, copy.deepcopy])
def test_no_secret_leaks(leak: Callable[[Any], Any]) -> None:
    """A store shows no options, and cannot be pickled or copied."""
    options: dict[str, Any] = KEYS
    store = DynamoDBReplayStore("arn:aws:dynamodb:eu-central-1:123456789012:table/used", **options)
    assert "s3cret" not in repr(store)
    with pytest.raises(ConfigurationError, match="pickled"):
        leak(store)
