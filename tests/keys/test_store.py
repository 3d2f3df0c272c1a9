"""BoundedStore: a shared store that hangs or fails is bypassed for a while."""

from __future__ import annotations

import threading

import pytest

from hookkey_verify.events import Event, Reporter
from hookkey_verify.keys.store import BoundedStore, StoreUnavailableError

from ..faults import ManualClock
from .fake_store import FakeStore

ORG = "https://acme.okta.com"


@pytest.fixture
def fake(clock: ManualClock) -> FakeStore:
    return FakeStore(clock)


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def store(fake: FakeStore, clock: ManualClock, events: list[Event]) -> BoundedStore:
    return BoundedStore(fake, Reporter(ORG, events.append), clock)


def _fails(store: BoundedStore, clock: ManualClock) -> None:
    with pytest.raises(StoreUnavailableError):
        store.call("read", "a", deadline=clock.now + 1)


def test_a_call_has_the_namespace_of_its_source(
    store: BoundedStore, fake: FakeStore, clock: ManualClock
) -> None:
    """Calls receive the source URL as namespace; arguments and results are passed unchanged."""
    store.call("write", "a", b"{}", 10, deadline=clock.now + 1)
    assert list(fake.kept) == [(ORG, "a")]
    assert store.call("read", "a", deadline=clock.now + 1) == (b"{}", 10)


def test_a_failure_bypasses_the_store(
    store: BoundedStore, fake: FakeStore, clock: ManualClock, events: list[Event]
) -> None:
    """After a failed call the store is not called during a pause, and one event is reported."""
    fake.broken.add("read")
    _fails(store, clock)
    fake.broken.clear()
    _fails(store, clock)
    assert [(event.name, event.outcome) for event in events] == [("shared", "unavailable")]
    clock.now += 1
    assert store.call("read", "a", deadline=clock.now + 1) is None


def test_pauses_grow_to_30_seconds(
    store: BoundedStore, fake: FakeStore, clock: ManualClock, events: list[Event]
) -> None:
    """An unavailable store costs one attempt per pause; a success resets the pauses."""
    fake.broken.add("read")
    began = clock.now
    while clock.now < began + 600:
        _fails(store, clock)
        clock.now += 0.5
    assert 600 / 30 <= len(events) <= 2 * 600 / 30 + 6
    clock.now += 30
    fake.broken.clear()
    store.call("read", "a", deadline=clock.now + 1)
    fake.broken.add("read")
    _fails(store, clock)
    clock.now += 1
    before = len(events)
    _fails(store, clock)
    assert len(events) == before + 1


@pytest.mark.parametrize("left", [0, 0.01, 60])
def test_a_hanging_store_is_left(
    store: BoundedStore, fake: FakeStore, clock: ManualClock, left: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    """The caller waits for its own deadline or half a second, whichever comes first."""
    release = threading.Event()
    monkeypatch.setattr(fake, "read", lambda *_: release.wait(30))
    with pytest.raises(StoreUnavailableError):
        store.call("read", "a", deadline=clock.now + left)
    release.set()


def test_what_a_store_raises_is_contained(
    store: BoundedStore, fake: FakeStore, clock: ManualClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Even a ``BaseException`` from the store raises ``StoreUnavailableError``."""

    def exit_(*_: object) -> None:
        raise SystemExit

    monkeypatch.setattr(fake, "read", exit_)
    _fails(store, clock)
