"""SharedFetch: what workers tell each other through a store, and what they do without it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from hookkey_verify import CachePolicy, ConfigurationError, HookSigner, PublicKey
from hookkey_verify.errors import (
    HookVerificationError,
    KeyRejectedError,
    KeySourceConfigurationError,
    KeyUnavailableError,
    UnknownKeyError,
)
from hookkey_verify.events import Event
from hookkey_verify.keys.shared import SharedFetch
from hookkey_verify.keys.states import Fetched

from ..faults import ManualClock

ORG, KID = "https://acme.okta.com", "a"
POLICY = CachePolicy(fresh_for=100, refresh_ahead=0.2, negative_for=10, fetch_timeout=2)


class Store:
    """A shared store in a dict, with the test's clock; it does as it is told."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.kept: dict[tuple[str, str], tuple[bytes, float]] = {}
        self.leases: dict[tuple[str, str], tuple[str, float]] = {}
        self.broken: set[str] = set()

    def _check(self, what: str) -> None:
        if what in self.broken:
            raise ConnectionError(what)

    def read(self, namespace: str, kid: str) -> tuple[bytes, float] | None:
        self._check("read")
        record, until = self.kept.get((namespace, kid), (b"", 0.0))
        return (record, until - self.clock.now) if self.clock.now < until else None

    def write(self, namespace: str, kid: str, record: bytes, seconds: float) -> None:
        self._check("write")
        self.kept[namespace, kid] = record, self.clock.now + seconds

    def lease(self, namespace: str, kid: str, seconds: float) -> str | None:
        self._check("lease")
        if self.clock.now < self.leases.get((namespace, kid), ("", 0.0))[1]:
            return None
        self.leases[namespace, kid] = "token", self.clock.now + seconds
        return "token"

    def release(self, namespace: str, kid: str, token: str) -> None:
        self._check("release")
        assert self.leases.pop((namespace, kid))[0] == token


class Worker:
    """One worker: a SharedFetch over the store and a source that counts."""

    def __init__(self, store: Store, jwk: dict[str, str], policy: CachePolicy = POLICY) -> None:
        self.calls = 0
        self.error: HookVerificationError | None = None
        self.events: list[str] = []
        self.during: Callable[[], object] = lambda: None
        self.naps: list[float] = []
        self._jwk = jwk
        self._clock = store.clock
        self.fetch = SharedFetch(
            self._source,
            store,
            policy,
            namespace=ORG,
            unknown="not in the org",
            on_event=self._note,
            clock=store.clock,
            wall_clock=lambda: NOW + store.clock.now - 1_000,
            sleep=self._nap,
        )

    def __call__(self, kid: str = KID) -> Fetched:
        return self.fetch(kid, self._clock.now + 2)

    def kid(self) -> str:
        """The kid of the key that a fetch brings."""
        key = self().key
        assert key is not None
        return key.kid

    def _note(self, event: Event) -> None:
        assert (event.name, event.source, event.kid) == ("shared", ORG, KID)
        self.events.append(event.outcome)

    def _nap(self, seconds: float) -> None:
        self.naps.append(seconds)
        self._clock.now += seconds
        self.during()

    def _source(self, kid: str, deadline: float) -> Fetched:
        self.calls += 1
        if self.error is not None:
            raise self.error
        return Fetched(PublicKey.from_document({**self._jwk, "kid": kid}, expected_kid=kid))


@pytest.fixture
def store() -> Store:
    return Store(ManualClock(1_000))


@pytest.fixture
def worker(store: Store, signer: HookSigner) -> Worker:
    return Worker(store, signer.public_jwk())


@pytest.fixture
def other(store: Store, signer: HookSigner) -> Worker:
    return Worker(store, signer.public_jwk())


def test_one_worker_fetches_for_all(store: Store, worker: Worker, other: Worker) -> None:
    """The second one gets the same key, as old as it is, without a call."""
    first = worker()
    store.clock.now += 30
    second = other()
    assert second.key is not first.key
    assert second.key == first.key
    assert second.age == pytest.approx(30)
    assert (worker.calls, other.calls) == (1, 0)
    assert (worker.events, other.events) == (["miss", "stored"], ["hit"])
    assert store.leases == {}


@pytest.mark.parametrize(("age", "calls"), [(79.9, 0), (80, 1), (99.9, 1), (100, 1), (500, 1)])
def test_a_record_is_renewed_before_any_cache_would(
    store: Store, worker: Worker, other: Worker, age: float, calls: int
) -> None:
    """In the last fifth of its time, as in a cache, and after it."""
    worker()
    store.clock.now += age
    assert other().age == pytest.approx(0 if calls else age)
    assert other.calls == calls


def test_that_there_is_no_key_is_shared_too(store: Store, worker: Worker, other: Worker) -> None:
    """For ``negative_for``; then the source is asked again."""
    worker.error = UnknownKeyError("gone")
    with pytest.raises(UnknownKeyError, match="gone"):
        worker()
    with pytest.raises(UnknownKeyError, match="not in the org"):
        other()
    assert (other.calls, other.events) == (0, ["hit"])
    store.clock.now += 10
    assert other.kid() == KID
    assert store.leases == {}


def test_negative_for_zero_stores_no_verdict(store: Store, signer: HookSigner) -> None:
    """Every worker asks for itself."""
    worker = Worker(store, signer.public_jwk(), CachePolicy(negative_for=0))
    worker.error = UnknownKeyError("gone")
    with pytest.raises(UnknownKeyError):
        worker()
    assert store.kept == {}


def test_others_wait_for_the_one_that_has_the_lease(
    store: Store, worker: Worker, other: Worker
) -> None:
    """They look again every few milliseconds and take what it stores."""
    token = store.lease(ORG, KID, 2)
    assert token is not None

    def store_it() -> None:
        if len(other.naps) == 5:
            worker.fetch.distrust(KID)
            worker()

    other.during = store_it
    assert other.kid() == KID
    assert (other.calls, len(other.naps)) == (0, 5)
    assert other.events == ["waited", "hit"]


def test_nobody_waits_for_ever(store: Store, worker: Worker) -> None:
    """After 40 % of the time a worker asks the source itself: the other one may be dead."""
    store.leases[ORG, KID] = "dead", store.clock.now + 60
    began = store.clock.now
    assert worker.kid() == KID
    assert worker.calls == 1
    assert 0.8 <= store.clock.now - began <= 0.85
    assert store.leases[ORG, KID][0] == "dead"


def test_a_record_that_is_being_renewed_is_good_enough(
    store: Store, worker: Worker, other: Worker
) -> None:
    """Nobody waits for a younger one: the old one is taken while it is fresh."""
    worker()
    store.clock.now += 90
    store.leases[ORG, KID] = "slow", store.clock.now + 60
    assert other().age == pytest.approx(90)
    assert (other.calls, other.naps) == (0, [])


def test_a_failed_renewal_leaves_the_record(store: Store, worker: Worker, other: Worker) -> None:
    """In an outage the record serves to its end, and the lease keeps the fleet from asking on."""
    worker()
    store.clock.now += 90
    other.error = KeyUnavailableError("down")
    found = other()
    assert found.age == pytest.approx(90)
    assert isinstance(found.problem, KeyUnavailableError)
    assert worker().age == pytest.approx(90)
    assert (other.calls, worker.calls) == (1, 1)


def test_an_unacceptable_answer_is_no_outage(store: Store, worker: Worker, other: Worker) -> None:
    """47. The record is not served in its place."""
    worker()
    store.clock.now += 90
    other.error = KeyRejectedError("weak")
    with pytest.raises(KeyRejectedError):
        other()


def test_how_old_the_news_is_that_there_is_no_key(
    store: Store, worker: Worker, other: Worker
) -> None:
    """Whoever reads it does not believe it for longer than the one who was told."""
    worker.error = UnknownKeyError("gone")
    with pytest.raises(UnknownKeyError):
        worker()
    store.clock.now += 7
    with pytest.raises(UnknownKeyError) as caught:
        other()
    assert caught.value.age == pytest.approx(7)


def test_a_failed_fetch_is_the_callers(store: Store, worker: Worker) -> None:
    """Without a record there is nothing else to say; nothing is stored."""
    worker.error = KeySourceConfigurationError("wrong token")
    with pytest.raises(KeySourceConfigurationError):
        worker()
    assert store.kept == {}


def test_whoever_gets_the_lease_looks_once_more(
    store: Store, worker: Worker, other: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another worker may have stored and gone between the look and the lease."""
    lease = store.lease

    def late(namespace: str, kid: str, seconds: float) -> str | None:
        monkeypatch.setattr(store, "lease", lease)
        worker()
        return store.lease(namespace, kid, seconds)

    monkeypatch.setattr(store, "lease", late)
    assert other.kid() == KID
    assert (worker.calls, other.calls, store.leases) == (1, 0, {})


def test_distrust_goes_past_the_store_until_it_is_renewed(
    store: Store, worker: Worker, other: Worker
) -> None:
    """An invalidated key comes from the source, however often that fails, and is stored anew."""
    worker()
    other.fetch.distrust(KID)
    other.error = KeyUnavailableError("down")
    for _ in range(2):
        with pytest.raises(KeyUnavailableError):
            other()
    other.error = None
    store.clock.now += 50
    assert other().age == 0
    assert other.calls == 3
    assert worker().age == 0
    assert other().age == 0
    assert other.calls == 3


@pytest.mark.parametrize("broken", ["read", "lease", "write", "release"])
def test_a_broken_store_is_passed_over(store: Store, worker: Worker, broken: str) -> None:
    """The source is asked; a lease that cannot be given back runs out."""
    store.broken.add(broken)
    assert worker.kid() == KID
    assert worker.calls == 1
    if broken != "release":
        assert "unavailable" in worker.events


NOW = 1_700_000_000.0  # by the wall clock, while the test's other clock shows 1000

GARBAGE: dict[str, tuple[dict[str, Any] | bytes, float]] = {
    "empty": (b"", 50),
    "text": (b"garbage", 50),
    "no UTF-8": (b"\xff\xfe", 50),
    "a list": (b"[]", 50),
    "nothing in it": (b"{}", 50),
    "two members": (b'{"lifetime": 100, "lifetime": 100}', 50),
    "unknown as text": ({"unknown": "true", "jwk": None}, 50),
    "unknown as a number": ({"unknown": 1, "jwk": None}, 50),
    "no key": ({"jwk": None}, 50),
    "another kid's key": ({"kid": "b"}, 50),
    "a weak key": ({"n": "AQAB"}, 50),
    "a private member": ({"d": "AQAB"}, 50),
    "more time left than it has": ({"lifetime": 20}, 50),
    "a century": ({"lifetime": 3.1e9}, 3e9),
    "less than nothing": ({"lifetime": -1}, 50),
    "a lifetime as text": ({"lifetime": "100"}, 50),
    "no lifetime": ({"lifetime": None}, 50),
    "no date": ({"stored_at": None}, 50),
    "no end": ({}, -0.001),
    "unknown without an end": ({"unknown": True}, -0.001),
    "prolonged by somebody": ({"stored_at": NOW - 161}, 50),
    "from a clock that is ahead": ({"stored_at": NOW + 61}, 50),
    "unknown, prolonged by somebody": ({"unknown": True, "stored_at": NOW - 161}, 50),
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_is_not_believed(
    store: Store, worker: Worker, signer: HookSigner, name: str
) -> None:
    """41. It is reported, the source is asked, and a good record takes its place."""
    content, left = GARBAGE[name]
    if isinstance(content, dict):
        jwk = {**signer.public_jwk(), "kid": KID}
        jwk |= {member: content[member] for member in ("kid", "n", "d") if member in content}
        good = {"lifetime": 100, "stored_at": NOW - 50, "jwk": jwk}
        content = json.dumps({**good, **content}).encode()
    kept = iter([(content, left)] * 2)
    read = store.read

    def unclean(namespace: str, kid: str) -> tuple[bytes, float] | None:
        return next(kept, None) or read(namespace, kid)

    store.read = unclean  # type: ignore[method-assign]
    assert worker.kid() == KID
    assert worker.calls == 1
    assert worker.events == ["garbage", "garbage", "miss", "stored"]
    assert worker().age == 0
    assert worker.calls == 1


@pytest.mark.parametrize(
    ("stored", "left", "age"),
    [(0, 100, 0), (50, 50, 50), (90, 70, 30), (110, 100, 50), (130, 100, 70), (-60, 70, 30)],
)
def test_how_old_a_record_is(
    worker: Worker, store: Store, signer: HookSigner, *, stored: float, left: float, age: float
) -> None:
    """By the store's clock; by its date, if that says more than the clocks of hosts may differ."""
    jwk = {**signer.public_jwk(), "kid": KID}
    record = {"lifetime": 100, "stored_at": NOW - stored, "jwk": jwk}
    store.kept[ORG, KID] = json.dumps(record).encode(), store.clock.now + left
    assert worker().age == pytest.approx(age)
    assert worker.calls == 0


def test_a_distrusted_kid_is_not_stored_by_an_older_answer(
    store: Store, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """7. Invalidated while an answer is on its way: it is not stored, and the next one is asked."""
    source = worker.fetch._fetch

    def slow(kid: str, deadline: float) -> Fetched:
        fetched = source(kid, deadline)
        if worker.calls == 1:
            worker.fetch.distrust(kid)
        return fetched

    monkeypatch.setattr(worker.fetch, "_fetch", slow)
    worker()
    assert store.kept == {}
    worker()
    assert (worker.calls, len(store.kept)) == (2, 1)
    worker()
    assert worker.calls == 2


def test_distrust_is_over_when_the_key_is_gone(store: Store, worker: Worker) -> None:
    """Nothing is left of it, however many kids are invalidated."""
    worker.error = UnknownKeyError("gone")
    worker.fetch.distrust(KID)
    with pytest.raises(UnknownKeyError, match="gone"):
        worker()
    with pytest.raises(UnknownKeyError, match="not in the org"):
        worker()
    assert worker.calls == 1
    assert worker.fetch._distrusted == {}


def test_what_is_no_store(signer: HookSigner) -> None:
    """It is refused at construction."""
    with pytest.raises(ConfigurationError, match="shared"):
        SharedFetch(lambda kid, deadline: None, 5, POLICY, namespace=ORG, unknown="")  # type: ignore[arg-type, return-value]


def test_each_worker_keeps_its_own_policy(store: Store, worker: Worker, signer: HookSigner) -> None:
    """A record that lasts a day for one is too old for another that wants it fresh."""
    strict = Worker(store, signer.public_jwk(), CachePolicy(fresh_for=10))
    worker()
    store.clock.now += 20
    assert strict().age == 0
    assert strict.calls == 1
    assert "garbage" not in strict.events


def test_a_source_that_brings_no_key(store: Store, worker: Worker, monkeypatch: Any) -> None:
    """Nothing is stored of it."""
    monkeypatch.setattr(worker.fetch, "_fetch", lambda kid, deadline: Fetched(None))
    assert worker().key is None
    assert store.kept == {}
