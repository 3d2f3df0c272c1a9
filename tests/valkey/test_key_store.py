"""ValkeyKeyStore with a real Valkey: records, forged records, and stores that fail."""

from __future__ import annotations

import copy
import hmac
import json
import pickle
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise
from typing import Any

import pytest
import redis

from hookkey_verify import ApiToken, CachePolicy, ConfigurationError, HookKeys, PublicKey
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import UnknownKeyError
from hookkey_verify.events import Event
from hookkey_verify.valkey import ValkeyKeyStore

from ..faults import FaultServer, all_text, eventually, silence
from ..valkeys import Valkey, valkey_server

ORG, KID, SECRET = "https://acme.okta.com", "a", "0123456789abcdef" * 2
NO_KEY = "0fb3de6f-0000-4000-8000-000000000000"


@pytest.fixture
def store(server: Valkey, raw: redis.Redis) -> Iterator[ValkeyKeyStore]:
    made = ValkeyKeyStore(server.connection_url, secret=SECRET)
    yield made
    made.close()


def org_keys(okta: OktaEmulator, store: ValkeyKeyStore, **arguments: Any) -> HookKeys:
    return HookKeys(okta.url, ApiToken(okta.api_token), shared=store, **arguments)


# --- records and leases


def test_what_is_written_is_read(store: ValkeyKeyStore) -> None:
    """A written record is read with its remaining seconds."""
    assert store.read(ORG, KID) is None
    store.write(ORG, KID, b'{"a": 1}', 50)
    kept = store.read(ORG, KID)
    assert kept is not None
    assert kept[0] == b'{"a": 1}'
    assert 49 < kept[1] <= 50


def test_a_record_ends(store: ValkeyKeyStore) -> None:
    """A record disappears when its time is over."""
    store.write(ORG, KID, b"{}", 0.02)
    until = time.monotonic() + 5
    while store.read(ORG, KID) is not None:
        assert time.monotonic() < until
        time.sleep(0.005)


def test_names_do_not_mix(store: ValkeyKeyStore, server: Valkey) -> None:
    """Records are separate for each org, kid and prefix."""
    store.write(ORG, KID, b"{}", 50)
    other = ValkeyKeyStore(server.connection_url, secret=SECRET, prefix="other")
    assert store.read("https://evil.okta.com", KID) is None
    assert store.read(ORG, "b") is None
    assert other.read(ORG, KID) is None
    other.close()


def test_one_lease_at_a_time(store: ValkeyKeyStore, raw: redis.Redis) -> None:
    """Only the lease holder can release a lease; a wrong token releases nothing."""
    token = store.lease(ORG, KID, 50)
    assert token is not None
    assert store.lease(ORG, KID, 50) is None
    store.release(ORG, KID, "somebody else's")
    assert store.lease(ORG, KID, 50) is None
    store.release(ORG, KID, token)
    assert store.lease(ORG, KID, 50) not in (None, token)
    [name] = raw.keys("*lease*")
    assert 49_000 < raw.pttl(name) <= 50_000


# --- records that are not authentic


def _name(raw: redis.Redis) -> bytes:
    [name] = raw.keys("hookkey:key:*")
    assert isinstance(name, bytes)
    return name


@pytest.mark.parametrize(
    "forge",
    [
        pytest.param(lambda value, raw: b"\x01{}", id="no tag"),
        pytest.param(lambda value, raw: value[:33] + b'{"a": 2}', id="other content"),
        pytest.param(lambda value, raw: b"\x01" + b"\0" * 32 + value[33:], id="other tag"),
        pytest.param(lambda value, raw: value[:20], id="cut"),
        pytest.param(lambda value, raw: value + b" " * 100_000, id="too long"),
        pytest.param(
            lambda value, raw: (
                b"\x01" + hmac.digest(b"", _name(raw) + value[33:], "sha256") + value[33:]
            ),
            id="tag without the secret",
        ),
    ],
)
def test_a_record_of_somebody_else_is_garbage(
    store: ValkeyKeyStore, raw: redis.Redis, forge: Any
) -> None:
    """A record that was written without the secret is refused."""
    store.write(ORG, KID, b'{"a": 1}', 50)
    value = raw.get(_name(raw))
    raw.set(_name(raw), forge(value, raw), px=50_000)
    assert store.read(ORG, KID) == (b"", -1.0)


@pytest.mark.parametrize("value", [b"\x02" + b"x" * 60, b"{}", b"\0" * 60, b""])
def test_a_record_of_another_version_is_a_miss(
    store: ValkeyKeyStore, raw: redis.Redis, value: bytes
) -> None:
    """A record in a format that this version does not know counts as absent, without an alarm."""
    store.write(ORG, KID, b"{}", 50)
    raw.set(_name(raw), value, px=50_000)
    assert store.read(ORG, KID) is None


def test_a_record_without_a_lifetime(store: ValkeyKeyStore, raw: redis.Redis) -> None:
    """A record that somebody made persistent has a negative lifetime, so it is not used."""
    store.write(ORG, KID, b"{}", 50)
    raw.persist(_name(raw))
    kept = store.read(ORG, KID)
    assert kept is not None
    assert kept[1] < 0


@pytest.mark.parametrize("milliseconds", [0, -2])
def test_a_record_in_its_last_millisecond(
    store: ValkeyKeyStore, monkeypatch: pytest.MonkeyPatch, milliseconds: int
) -> None:
    """A record that expires while it is read counts as absent."""
    store.write(ORG, KID, b"{}", 50)
    ask = redis.Redis.eval

    def late(self: redis.Redis, *arguments: Any) -> list[object]:
        return [ask(self, *arguments)[0], milliseconds]

    assert store.read(ORG, KID) is not None
    monkeypatch.setattr(redis.Redis, "eval", late)
    assert store.read(ORG, KID) is None


def test_secret_rotation(server: Valkey, raw: redis.Redis) -> None:
    """In each step of a rotation, every worker reads what every other one writes."""
    old, new = "o" * 32, "n" * 32
    steps: list[str | list[str]] = [old, [old, new], [new, old], new]
    for before, after in pairwise(steps):
        workers = [ValkeyKeyStore(server.connection_url, secret=each) for each in (before, after)]
        for writer in workers:
            writer.write(ORG, KID, b"{}", 50)
            for reader in workers:
                assert (reader.read(ORG, KID) or (b"",))[0] == b"{}"
        for each in workers:
            each.close()


def test_a_budget(store: ValkeyKeyStore, server: Valkey, raw: redis.Redis) -> None:
    """All workers share one budget for each org: a burst, and then one per interval."""
    other = ValkeyKeyStore(server.connection_url, secret=None)
    waits = [each.spend(ORG, 3, 50) for each in (store, other, store)]
    assert waits == [0, 0, 0]
    assert 49 < other.spend(ORG, 3, 50) <= 50
    assert store.spend("https://other.okta.com", 3, 50) == 0
    [name] = raw.keys(f"*budget*{ORG}*")
    raw.set(name, float(raw.get(name)) - 50_000)  # type: ignore[arg-type]
    assert [store.spend(ORG, 3, 50) > 0 for _ in range(2)] == [False, True]
    raw.set(name, "garbage")
    assert store.spend(ORG, 3, 50) == 0
    other.close()


def test_a_record_cannot_be_moved(store: ValkeyKeyStore, raw: redis.Redis) -> None:
    """A record that was moved to another org is refused, because its tag covers the name."""
    store.write(ORG, KID, b'{"a": 1}', 50)
    raw.rename(_name(raw), f"hookkey:key:https://other.okta.com:{KID}")
    assert store.read("https://other.okta.com", KID) == (b"", -1.0)


def test_another_secret_reads_nothing(store: ValkeyKeyStore, server: Valkey) -> None:
    """Workers with different secrets, or without one, refuse each other's records."""
    store.write(ORG, KID, b"{}", 50)
    for secret in ("x" * 32, None):
        other = ValkeyKeyStore(server.connection_url, secret=secret)
        assert other.read(ORG, KID) == (b"", -1.0)
        other.write(ORG, "b", b"{}", 50)
        assert other.read(ORG, "b") is not None
        assert store.read(ORG, "b") == (b"", -1.0)
        other.close()


# --- key sources with a store


def test_two_workers_one_call(okta: OktaEmulator, store: ValkeyKeyStore) -> None:
    """Two workers with one store send one request for a key, and one for an unknown kid."""
    key_id = okta.create_key("one")["keyId"]
    with org_keys(okta, store) as first, org_keys(okta, store) as second:
        assert first.get(key_id) == second.get(key_id)
        assert second.get(key_id).as_jwk() == okta.signer(key_id).public_jwk()
        for keys in (first, second):
            with pytest.raises(UnknownKeyError, match="no hook key with this kid"):
                keys.get(NO_KEY)
    assert [line.status for line in okta.requests] == [200, 404]


def test_many_workers_at_once_one_call(okta: OktaEmulator, store: ValkeyKeyStore) -> None:
    """Twenty workers that need a key at the same time send one request."""
    key_id = okta.create_key("one")["keyId"]
    workers = [org_keys(okta, store) for _ in range(20)]
    barrier, got = threading.Barrier(20), list[PublicKey]()

    def work(keys: HookKeys) -> None:
        barrier.wait()
        got.append(keys.get(key_id))

    threads = [threading.Thread(target=work, args=(keys,)) for keys in workers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [key.kid for key in got] == [key_id] * 20
    assert len(okta.requests) == 1


def test_invalidate_goes_past_the_store(okta: OktaEmulator, store: ValkeyKeyStore) -> None:
    """After ``invalidate``, a worker ignores the stored record of a deleted key."""
    created = okta.create_key("one")
    with org_keys(okta, store) as keys, org_keys(okta, store) as other:
        keys.get(created["keyId"])
        okta.org.delete(created["id"])
        keys.invalidate(created["keyId"])
        with pytest.raises(UnknownKeyError):
            keys.get(created["keyId"])
        with pytest.raises(UnknownKeyError):
            other.get(created["keyId"])


def test_a_wrong_key_in_the_store_is_not_taken(
    okta: OktaEmulator, store: ValkeyKeyStore, raw: redis.Redis
) -> None:
    """An authentic record whose key has another kid is refused."""
    key_id = okta.create_key("one")["keyId"]
    with org_keys(okta, store) as keys:
        keys.get(key_id)
    assert eventually(lambda: store.read(okta.url, key_id) is not None)
    stored = store.read(okta.url, key_id)
    assert stored is not None
    store.write(okta.url, "another", stored[0], 50)
    events: list[Event] = []
    with org_keys(okta, store, on_event=events.append) as keys, pytest.raises(UnknownKeyError):
        keys.get("another")
    assert "garbage" in [event.outcome for event in events]


def _dead_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def test_a_store_that_is_down_is_an_event(okta: OktaEmulator) -> None:
    """If the store is unreachable, the key comes from the org and an event is reported."""
    key_id = okta.create_key("one")["keyId"]
    store = ValkeyKeyStore(f"redis://127.0.0.1:{_dead_port()}", secret=SECRET)
    events: list[Event] = []
    with org_keys(okta, store, on_event=events.append) as keys:
        assert keys.get(key_id).kid == key_id
    assert ("shared", "unavailable") in [(event.name, event.outcome) for event in events]


def test_a_store_that_hangs_costs_its_timeout(okta: OktaEmulator) -> None:
    """A store that hangs times out after ``timeout`` seconds, and the key comes from the org."""
    key_id = okta.create_key("one")["keyId"]
    with FaultServer(silence) as hanging:
        url = hanging.url.replace("http", "redis")
        store = ValkeyKeyStore(url, secret=SECRET, timeout=0.05)
        with org_keys(okta, store, policy=CachePolicy(fetch_timeout=2)) as keys:
            assert keys.get(key_id).kid == key_id
    assert len(okta.requests) == 1


def test_a_store_that_drips_costs_half_a_second(okta: OktaEmulator) -> None:
    """If the store sends single bytes, each within ``timeout``, the key comes from the org."""
    key_id = okta.create_key("one")["keyId"]
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def drip() -> None:
            connection, _ = listener.accept()
            with connection, suppress(OSError):
                while True:
                    connection.sendall(b"+")
                    time.sleep(0.05)

        threading.Thread(target=drip, daemon=True).start()
        port = listener.getsockname()[1]
        store = ValkeyKeyStore(f"redis://127.0.0.1:{port}", secret=SECRET)
        with org_keys(okta, store) as keys:
            assert keys.get(key_id).kid == key_id


@pytest.mark.parametrize("garbage", ["a list", "text", "no end"])
def test_a_store_that_holds_garbage(
    okta: OktaEmulator, store: ValkeyKeyStore, raw: redis.Redis, garbage: str
) -> None:
    """If a record has invalid content, the key comes from the org."""
    key_id = okta.create_key("one")["keyId"]
    name = f"hookkey:key:{okta.url}:{key_id}"
    if garbage == "a list":
        raw.lpush(name, "x")
    elif garbage == "text":
        raw.set(name, "x" * 100)
    else:
        store.write(okta.url, key_id, b'{"unknown": true}', 50)
        raw.persist(name)
    with org_keys(okta, store) as keys:
        assert keys.get(key_id).kid == key_id


# --- arguments and secrets


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"url": None}, "url"),
        ({"url": "http://acme.com"}, "url"),
        ({"url": f"redis://:{SECRET}@host:port"}, "url"),
        ({"secret": "short"}, "secret"),
        ({"secret": 5}, "secret"),
        ({"prefix": "é"}, "prefix"),
        ({"prefix": 5}, "prefix"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": "1"}, "timeout"),
        ({"no_such_option": 1}, "options"),
    ],
    ids=repr,
)
def test_wrong_arguments(arguments: dict[str, Any], named: str) -> None:
    """An invalid argument is named, and its value, which may hold a password, is not shown."""
    given = {"url": "redis://localhost", "secret": SECRET, **arguments}
    with pytest.raises(ConfigurationError, match=named) as caught:
        ValkeyKeyStore(**given)
    assert SECRET not in all_text(caught.value)


def test_the_secret_has_no_default() -> None:
    """``secret`` has no default: a store without a secret needs an explicit None."""
    with pytest.raises(TypeError, match="secret"):
        ValkeyKeyStore("redis://localhost")  # type: ignore[call-arg]


@pytest.mark.parametrize("scheme", ["valkey", "redis", "valkeys", "rediss", "unix"])
def test_schemes(scheme: str) -> None:
    """URLs may have the schemes of Valkey and of Redis."""
    assert ValkeyKeyStore(f"{scheme}://localhost", secret=None) is not None


def test_secrets_stay_inside() -> None:
    """The repr shows neither URL nor secret, and a store cannot be pickled or copied."""
    store = ValkeyKeyStore("redis://:pa55word@localhost", secret=SECRET)
    assert "pa55word" not in repr(store)
    assert SECRET not in repr(store)
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(ConfigurationError, match="secret"):
            attempt(store)


def test_one_list_for_all_workers(okta: OktaEmulator, store: ValkeyKeyStore) -> None:
    """With a directory, one worker fetches the list of keys and the others read it."""
    key_id = str(okta.create_key("one")["keyId"])
    for _ in range(3):
        with org_keys(okta, store, directory=True) as keys:
            assert keys.get(key_id).kid == key_id
            with pytest.raises(UnknownKeyError):
                keys.get(NO_KEY)
    assert [line.path for line in okta.requests] == [
        "/api/v1/hook-keys",
        f"/api/v1/hook-keys/public/{key_id}",
    ]


@pytest.mark.parametrize("value", [{}, ["a/b"], [5], "one"])
def test_a_list_that_is_garbage(okta: OktaEmulator, store: ValkeyKeyStore, value: Any) -> None:
    """A record that is not a list of keyIds is not used."""
    key_id = str(okta.create_key("one")["keyId"])
    record = {"value": value, "lifetime": 30, "stored_at": time.time()}
    store.write(okta.url, "*", json.dumps(record).encode(), 30)
    with org_keys(okta, store, directory=True) as keys:
        assert keys.get(key_id).kid == key_id
    assert len(okta.requests) == 2


@pytest.mark.parametrize(
    ("rules", "result", "detail"),
    [("", "ok", "all commands are permitted"), ("-pttl", "failed", "lacks a permission")],
    ids=["all", "without pttl"],
)
def test_check(rules: str, result: str, detail: str) -> None:
    """A check shows version, role, clock and permissions, but no settings against lost records."""
    users = ["default off", f"app on >pw ~hookkey:* +@all {rules}".rstrip()]
    with valkey_server(user=users) as server:
        store = ValkeyKeyStore(f"valkey://app:pw@127.0.0.1:{server.port}", secret=SECRET)
        found = {each.check: each for each in store.check()}
        store.close()
    assert set(found) == {"version", "role", "clock", "permissions"}
    assert found["permissions"].result == result
    assert detail in found["permissions"].detail


def test_check_without_a_server() -> None:
    """If the server cannot be reached, the check has one finding."""
    store = ValkeyKeyStore(f"redis://127.0.0.1:{_dead_port()}", secret=SECRET)
    [finding] = store.check()
    assert (finding.check, finding.result) == ("key store", "failed")
