"""SharedFetch: what workers share through a store, and what they do without it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest

from hookkey_verify import CachePolicy, ConfigurationError, HookSigner, PublicKey
from hookkey_verify.errors import (
    HookVerificationError,
    KeyLookupLimitedError,
    KeyRejectedError,
    KeySourceConfigurationError,
    KeySourceThrottledError,
    KeyUnavailableError,
    UnknownKeyError,
)
from hookkey_verify.events import Event, Reporter
from hookkey_verify.keys.flight import Fetched
from hookkey_verify.keys.shared import Codec, SharedFetch
from hookkey_verify.keys.store import BoundedStore

from ..faults import ManualClock, eventually
from .fake_store import FakeStore

CODEC = Codec(PublicKey.as_jwk, lambda kid, jwk: PublicKey.from_document(jwk, expected_kid=kid))
ORG, KID = "https://acme.okta.com", "a"
POLICY = CachePolicy(fresh_for=100, refresh_ahead=0.2, negative_for=10, fetch_timeout=2)


class Worker:
    """One worker: a SharedFetch over the store, and a source that counts its calls."""

    def __init__(self, store: FakeStore, jwk: dict[str, str], policy: CachePolicy = POLICY) -> None:
        self.calls = 0
        self.error: HookVerificationError | None = None
        self.events: list[str] = []
        self.during: Callable[[], object] = lambda: None
        self.before_answer: Callable[[], object] = lambda: None
        self.naps: list[float] = []
        self._jwk = jwk
        self._clock = store.clock
        report = Reporter(ORG, self._note)
        self.free = True
        self.fetch = SharedFetch(
            self._source,
            BoundedStore(store, report, store.clock),
            CODEC,
            policy,
            unknown="not in the org",
            is_free=lambda _: self.free,
            wall_clock=lambda: NOW + store.clock.now - 1_000,
            sleep=self._nap,
        )

    def __call__(self, kid: str = KID) -> Fetched[PublicKey]:
        return self.fetch(kid, self._clock.now + 2)

    def kid(self) -> str:
        """Fetch, and return the kid of the key."""
        return self().value.kid

    def _note(self, event: Event) -> None:
        assert (event.name, event.source) == ("shared", ORG)
        assert event.kid == (None if event.outcome == "unavailable" else KID)
        self.events.append(event.outcome)

    def _nap(self, seconds: float) -> None:
        self.naps.append(seconds)
        self._clock.now += seconds
        self.during()

    def _source(self, kid: str, deadline: float) -> Fetched[PublicKey]:
        self.calls += 1
        self.before_answer()
        if self.error is not None:
            raise self.error
        return Fetched(PublicKey.from_document({**self._jwk, "kid": kid}, expected_kid=kid))


@pytest.fixture
def store() -> FakeStore:
    return FakeStore(ManualClock(1_000))


@pytest.fixture
def worker(store: FakeStore, signer: HookSigner) -> Worker:
    return Worker(store, signer.public_jwk())


@pytest.fixture
def other(store: FakeStore, signer: HookSigner) -> Worker:
    return Worker(store, signer.public_jwk())


def test_one_worker_fetches_for_all(store: FakeStore, worker: Worker, other: Worker) -> None:
    """The second worker gets the key and its age from the store without a request."""
    first = worker()
    store.clock.now += 30
    second = other()
    assert second.value is not first.value
    assert second.value == first.value
    assert second.age == pytest.approx(30)
    assert (worker.calls, other.calls) == (1, 0)
    assert (worker.events, other.events) == (["miss", "stored"], ["hit"])
    assert store.leases == {}


@pytest.mark.parametrize(("age", "calls"), [(79.9, 0), (80, 1), (99.9, 1), (100, 1), (500, 1)])
def test_a_record_is_renewed_before_any_cache_would(
    store: FakeStore, worker: Worker, other: Worker, age: float, calls: int
) -> None:
    """A record is refreshed in the last fifth of its lifetime and after it."""
    worker()
    store.clock.now += age
    assert other().age == pytest.approx(0 if calls else age)
    assert other.calls == calls


def test_that_there_is_no_key_is_shared_too(
    store: FakeStore, worker: Worker, other: Worker
) -> None:
    """The result "no such key" is shared for ``negative_for``; then the source is asked."""
    worker.error = UnknownKeyError("gone")
    with pytest.raises(UnknownKeyError, match="gone"):
        worker()
    with pytest.raises(UnknownKeyError, match="not in the org"):
        other()
    assert (other.calls, other.events) == (0, ["hit"])
    store.clock.now += 10
    assert other.kid() == KID
    assert store.leases == {}


def test_negative_for_zero_shares_no_verdict(
    store: FakeStore, signer: HookSigner, other: Worker
) -> None:
    """With ``negative_for=0`` every worker asks the source, and the old value is overwritten."""
    worker = Worker(store, signer.public_jwk(), CachePolicy(negative_for=0))
    worker()
    worker.fetch.distrust(KID)
    worker.error = UnknownKeyError("gone")
    for _ in range(2):
        with pytest.raises(UnknownKeyError):
            worker()
    assert worker.calls == 3
    other.error = worker.error
    store.clock.now += 20
    with pytest.raises(UnknownKeyError):
        other()
    assert other.calls == 1


def test_a_revoked_key_does_not_return_from_a_store_that_failed(
    store: FakeStore, worker: Worker
) -> None:
    """If "no such key" cannot be stored, this worker ignores the older record."""
    worker()
    store.clock.now += 85
    worker.error = UnknownKeyError("gone")
    store.broken.add("write")
    with pytest.raises(UnknownKeyError):
        worker()
    store.broken.clear()
    store.clock.now += 10
    with pytest.raises(UnknownKeyError):
        worker()
    assert worker.calls == 3


def test_a_store_that_hangs_at_the_end(
    store: FakeStore, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A caller gets the key although it is not stored yet."""
    release, write = threading.Event(), store.write

    def hang(*arguments: Any) -> None:
        release.wait(20)
        write(*arguments)

    monkeypatch.setattr(store, "write", hang)
    assert worker.kid() == KID
    assert store.kept == {}
    release.set()
    assert eventually(lambda: (ORG, KID) in store.kept)


def test_a_kid_that_is_distrusted_while_its_record_is_written(
    store: FakeStore, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The record that was written before ``distrust`` is not believed."""
    write = store.write

    def distrusted(*arguments: Any) -> None:
        write(*arguments)
        worker.fetch.distrust(KID)

    monkeypatch.setattr(store, "write", distrusted)
    worker()
    monkeypatch.setattr(store, "write", write)
    worker()
    worker()
    assert worker.calls == 2


def test_a_frozen_worker_stores_no_value(store: FakeStore, worker: Worker) -> None:
    """A response that arrives long after its deadline does not replace the record."""

    def freeze() -> None:
        store.clock.now += 60

    worker.before_answer = freeze
    worker()
    assert store.kept == {}


def test_a_frozen_worker_does_not_forget_that_a_key_is_gone(
    store: FakeStore, worker: Worker, other: Worker
) -> None:
    """It stores nothing, but it does not believe a value of the store afterwards."""

    def freeze() -> None:
        other.fetch.distrust(KID)  # so that it does not wait for the lease
        other()
        store.clock.now += 60

    worker.before_answer = freeze
    worker.error = UnknownKeyError("gone")
    with pytest.raises(UnknownKeyError, match="gone"):
        worker()
    worker.before_answer = lambda: None
    with pytest.raises(UnknownKeyError, match="gone"):
        worker()
    assert (worker.calls, other.calls) == (2, 1)


def test_waits_in_vain_are_bounded(store: FakeStore, signer: HookSigner) -> None:
    """Made-up kids whose lease never ends leave a bounded number of counts."""
    worker = Worker(store, signer.public_jwk(), CachePolicy(max_unknown_kids=3))
    for number in range(10):
        store.leases[ORG, f"x{number}"] = "for ever", float("inf")
        with pytest.raises(KeyUnavailableError):
            worker.fetch(f"x{number}", store.clock.now + 2)
    assert len(worker.fetch._in_vain) <= 3


@pytest.mark.parametrize("wait", [1e9, float("inf"), float("nan"), None, "5", -1])
def test_a_store_cannot_close_the_budget(store: FakeStore, worker: Worker, wait: Any) -> None:
    """A wait that the store reports is limited to the interval; other values are ignored."""
    worker.free = False
    store.wait = wait
    if wait == 1e9:
        with pytest.raises(KeyLookupLimitedError) as caught:
            worker()
        assert caught.value.retry_after == POLICY.first_seen_interval
    else:
        assert worker.kid() == KID


def test_failures_do_not_prolong_a_value(store: FakeStore, worker: Worker, other: Worker) -> None:
    """A value in the record of a failure keeps its date, however often the record is prolonged."""
    worker()
    other.error = worker.error = KeyUnavailableError("down")
    served = 0.0
    for _ in range(100):
        store.clock.now += 5
        for name, (record, _) in list(store.kept.items()):  # somebody prolongs all records
            lifetime = json.loads(record)["lifetime"]
            store.kept[name] = record, store.clock.now + lifetime
        try:
            served = worker().age
        except KeyUnavailableError:
            continue
    assert served < POLICY.fresh_for
    assert store.clock.now - 1_000 > 400


def test_a_record_in_its_last_moment(store: FakeStore, worker: Worker) -> None:
    """A record with no time left counts as absent, without an alarm."""
    store.read = lambda *_: (b"{}", 0)  # type: ignore[method-assign]
    assert worker.kid() == KID
    assert "garbage" not in worker.events


@pytest.mark.parametrize(
    "kept", [("{}", 5.0), (b"{}",), 5, b"", (None, 5.0), (b"{}", None), (b"{}", float("nan"))]
)
def test_a_store_that_returns_nonsense(store: FakeStore, worker: Worker, kept: Any) -> None:
    """A malformed result of the store is reported as garbage, and the source is asked."""
    store.read = lambda *_: kept  # type: ignore[method-assign]
    assert worker.kid() == KID
    assert "garbage" in worker.events


def test_others_wait_for_the_one_that_has_the_lease(
    store: FakeStore, worker: Worker, other: Worker
) -> None:
    """Waiting workers poll the store and use the record of the lease holder."""
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


def test_a_worker_waits_as_long_as_it_can(store: FakeStore, worker: Worker) -> None:
    """A waiting worker sends no request and fails at its deadline."""
    store.leases[ORG, KID] = "slow", store.clock.now + 60
    began = store.clock.now
    with pytest.raises(KeyUnavailableError, match="takes too long"):
        worker()
    assert worker.calls == 0
    assert 1.75 <= store.clock.now - began <= 2


def test_a_lease_that_never_ends(store: FakeStore, worker: Worker) -> None:
    """After two failed waits, a worker asks the source although the lease is still held."""
    store.leases[ORG, KID] = "for ever", float("inf")
    for _ in range(2):
        with pytest.raises(KeyUnavailableError, match="takes too long"):
            worker()
    assert (worker.calls, worker.kid()) == (0, KID)
    assert worker.calls == 1
    assert store.leases[ORG, KID][0] == "for ever"


def test_a_worker_takes_over_the_lease_of_a_dead_one(store: FakeStore, worker: Worker) -> None:
    """A waiting worker takes an expired lease if it has enough time for a request."""
    store.leases[ORG, KID] = "dead", store.clock.now + 1.5
    assert worker.kid() == KID
    assert worker.calls == 1
    store.leases[ORG, "b"] = "dead", store.clock.now + 1.8
    with pytest.raises(KeyUnavailableError, match="takes too long"):
        worker.fetch("b", store.clock.now + 2)


def test_a_record_that_is_being_renewed_is_good_enough(
    store: FakeStore, worker: Worker, other: Worker
) -> None:
    """While another worker refreshes a fresh record, the old value is returned without waiting."""
    worker()
    store.clock.now += 90
    store.leases[ORG, KID] = "slow", store.clock.now + 60
    assert other().age == pytest.approx(90)
    assert (other.calls, other.naps) == (0, [])


def test_a_failed_renewal_leaves_the_record(
    store: FakeStore, worker: Worker, other: Worker
) -> None:
    """In an outage a record is used until it expires; the fleet makes one attempt per pause."""
    worker()
    store.clock.now += 90
    other.error = KeyUnavailableError("down")
    found = other()
    assert found.age == pytest.approx(90)
    assert isinstance(found.problem, KeyUnavailableError)
    again = worker()
    assert again.age == pytest.approx(90)
    assert isinstance(again.problem, KeyUnavailableError)
    assert (other.calls, worker.calls) == (1, 1)
    store.clock.now += 0.5 + again.problem.retry_after
    assert worker().age == 0
    assert worker.calls == 2


@pytest.mark.parametrize(
    "error",
    [
        KeyUnavailableError("down"),
        KeySourceThrottledError("429", retry_after=20, whole_source=True),
        KeySourceThrottledError("503", retry_after=20),
        KeySourceConfigurationError("401", whole_source=True),
        KeySourceConfigurationError("403"),
        KeyRejectedError("weak"),
    ],
    ids=str,
)
def test_a_failure_is_shared(
    store: FakeStore, worker: Worker, other: Worker, error: HookVerificationError
) -> None:
    """Other workers raise the same kind of error without a request, until the pause is over."""
    worker.error = error
    with pytest.raises(type(error)):
        worker()
    with pytest.raises(type(error), match="another worker failed to fetch it") as caught:
        other()
    whole = getattr(error, "whole_source", None)
    assert getattr(caught.value, "whole_source", None) == whole
    assert (other.calls, other.events, store.leases) == (0, ["failed"], {})
    pause = getattr(caught.value, "retry_after", 1.0)
    assert 0 < pause <= 20
    store.clock.now += 21
    assert other.kid() == KID
    assert other.calls == 1


def test_the_pauses_of_a_fleet_grow(store: FakeStore, worker: Worker, other: Worker) -> None:
    """Failures of different workers count as failures in a row, until one succeeds."""
    waits = []
    for each in (worker, other) * 4:
        each.error = KeyUnavailableError("down")
        with pytest.raises(KeyUnavailableError, match="down"):
            each()
        with pytest.raises(KeyUnavailableError, match="another worker") as caught:
            worker()
        waits.append(caught.value.retry_after)
        store.clock.now += caught.value.retry_after + 0.001
    assert worker.calls + other.calls == 8
    for number, wait in enumerate(waits):
        assert 2**number / 2 <= wait <= 2**number
    worker.error = None
    worker()
    store.clock.now += 95
    other.fetch.distrust(KID)
    with pytest.raises(KeyUnavailableError):
        other()
    with pytest.raises(KeyUnavailableError, match="another worker") as caught:
        worker()
    assert caught.value.retry_after <= 1


def test_a_frozen_worker_stores_no_failure(store: FakeStore, worker: Worker) -> None:
    """A request that ends long after its deadline says nothing about the source."""

    def freeze() -> None:
        store.clock.now += 60

    worker.error = KeyUnavailableError("timeout")
    worker.before_answer = freeze
    with pytest.raises(KeyUnavailableError, match="timeout"):
        worker()
    assert store.kept == {}


def test_the_budget_of_the_fleet(store: FakeStore, worker: Worker) -> None:
    """A request for an unknown kid spends the fleet's budget; using a record does not."""
    worker.free = False
    worker()
    worker()
    assert store.spent == [(ORG, POLICY.first_seen_burst, POLICY.first_seen_interval)]
    store.wait = 7
    with pytest.raises(KeyLookupLimitedError) as caught:
        worker("b")
    assert caught.value.retry_after == 7
    assert (worker.calls, store.leases) == (1, {})
    assert (ORG, "b") not in store.kept


def test_a_rejected_document_is_final(store: FakeStore, worker: Worker, other: Worker) -> None:
    """After a rejected document, the stored value is not returned."""
    worker()
    store.clock.now += 90
    other.error = KeyRejectedError("weak")
    with pytest.raises(KeyRejectedError):
        other()


def test_how_old_the_news_is_that_there_is_no_key(
    store: FakeStore, worker: Worker, other: Worker
) -> None:
    """A shared "no such key" carries its age: it is remembered for at most ``negative_for``."""
    worker.error = UnknownKeyError("gone")
    with pytest.raises(UnknownKeyError):
        worker()
    store.clock.now += 7
    with pytest.raises(UnknownKeyError) as caught:
        other()
    assert caught.value.age == pytest.approx(7)


def test_the_record_is_read_again_under_the_lease(
    store: FakeStore, worker: Worker, other: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A record written between the first read and the lease is used."""
    lease = store.lease

    def late(namespace: str, name: str, seconds: float) -> str | None:
        monkeypatch.setattr(store, "lease", lease)
        worker()
        return store.lease(namespace, name, seconds)

    monkeypatch.setattr(store, "lease", late)
    assert other.kid() == KID
    assert (worker.calls, other.calls, store.leases) == (1, 0, {})


def test_distrust_goes_past_the_store_until_it_is_renewed(
    store: FakeStore, worker: Worker, other: Worker
) -> None:
    """A distrusted kid is fetched from the source until that succeeds; the result is stored."""
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
def test_a_broken_store_is_passed_over(store: FakeStore, worker: Worker, broken: str) -> None:
    """If a store method fails, the source is asked; an unreleased lease expires."""
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
    "unknown as text": ({"unknown": "true", "value": None}, 50),
    "unknown as a number": ({"unknown": 1, "value": None}, 50),
    "no key": ({"value": None}, 50),
    "another kid's key": ({"kid": "b"}, 50),
    "a weak key": ({"n": "AQAB"}, 50),
    "a private member": ({"d": "AQAB"}, 50),
    "more time left than it has": ({"lifetime": 20}, 50),
    "a century": ({"lifetime": 3.1e9}, 3e9),
    "less than nothing": ({"lifetime": -1}, 50),
    "a lifetime of 400 digits": (b'{"lifetime": 1' + b"0" * 400 + b', "stored_at": 1}', 50),
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
    store: FakeStore, worker: Worker, signer: HookSigner, name: str
) -> None:
    """An invalid record is reported, the source is asked, and a valid record replaces it."""
    content, left = GARBAGE[name]
    if isinstance(content, dict):
        jwk = {**signer.public_jwk(), "kid": KID}
        jwk |= {member: content[member] for member in ("kid", "n", "d") if member in content}
        good = {"lifetime": 100, "stored_at": NOW - 50, "value": jwk}
        content = json.dumps({**good, **content}).encode()
    kept = iter([(content, left)] * 2)
    read = store.read

    def unclean(namespace: str, name: str) -> tuple[bytes, float] | None:
        return next(kept, None) or read(namespace, name)

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
    worker: Worker, store: FakeStore, signer: HookSigner, *, stored: float, left: float, age: float
) -> None:
    """The age is by the store's clock, or by the date less the allowed skew if that is greater."""
    jwk = {**signer.public_jwk(), "kid": KID}
    record = {"lifetime": 100, "stored_at": NOW - stored, "value": jwk}
    store.kept[ORG, KID] = json.dumps(record).encode(), store.clock.now + left
    assert worker().age == pytest.approx(age)
    assert worker.calls == 0


def test_a_distrusted_kid_is_not_stored_by_an_older_answer(
    store: FakeStore, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A response in flight during ``distrust`` is not stored; the next look-up asks the source."""
    source = worker.fetch._fetch

    def slow(kid: str, deadline: float) -> Fetched[PublicKey]:
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


def test_distrust_is_over_when_the_key_is_gone(store: FakeStore, worker: Worker) -> None:
    """``distrust`` ends when the source says that the key does not exist."""
    worker.error = UnknownKeyError("gone")
    worker.fetch.distrust(KID)
    with pytest.raises(UnknownKeyError, match="gone"):
        worker()
    with pytest.raises(UnknownKeyError, match="not in the org"):
        worker()
    assert worker.calls == 1
    assert worker.fetch._distrusted == {}


def test_what_is_no_store(signer: HookSigner) -> None:
    """An object without the store methods raises ``ConfigurationError``."""
    with pytest.raises(ConfigurationError, match="shared"):
        BoundedStore(5, Reporter(ORG, None), ManualClock())  # type: ignore[arg-type]


def test_each_worker_has_its_own_policy(
    store: FakeStore, worker: Worker, signer: HookSigner
) -> None:
    """A record that is fresh by one worker's policy can be too old for another worker."""
    strict = Worker(store, signer.public_jwk(), CachePolicy(fresh_for=10))
    worker()
    store.clock.now += 20
    assert strict().age == 0
    assert strict.calls == 1
    assert "garbage" not in strict.events
