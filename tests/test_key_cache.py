"""KeyCache: how long what is believed, with a clock that stands still until it is moved."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import FrozenInstanceError
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
from hookkey_verify.keys.cache import Fetched, KeyCache

from .faults import ManualClock

POLICY = CachePolicy(fresh_for=100, refresh_ahead=0, negative_for=10, fetch_timeout=2.5)
OTHER_ERRORS = [KeyUnavailableError, KeySourceConfigurationError, KeyRejectedError, RuntimeError]


class Source:
    """What the cache fetches from: it knows ``known``, and does ``then`` with each answer."""

    def __init__(self, jwk: dict[str, str]) -> None:
        self._jwk = jwk
        self.known = {"a", "b"}
        self.asked: list[tuple[str, float]] = []
        self.error: Exception | None = None

    def __call__(self, kid: str, deadline: float) -> Fetched:
        self.asked.append((kid, deadline))
        if self.error is not None:
            raise self.error
        if kid not in self.known:
            raise UnknownKeyError("not here")
        return Fetched(PublicKey.from_document({**self._jwk, "kid": kid}, expected_kid=kid))


@pytest.fixture
def source(signer: HookSigner) -> Source:
    return Source(signer.public_jwk())


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(1_000)


@pytest.fixture
def cache(source: Source, clock: ManualClock) -> KeyCache:
    return KeyCache(source, POLICY, clock=clock, age_clock=clock)


def _unknown(cache: KeyCache, kid: str) -> None:
    with pytest.raises(UnknownKeyError, match="not here"):
        cache.get(kid)


def test_a_key_is_fetched_once(cache: KeyCache, source: Source) -> None:
    """The second look-up is served from memory, with the same object."""
    assert cache.get("a") is cache.get("a")
    assert cache.get("b").kid == "b"
    assert [kid for kid, _ in source.asked] == ["a", "b"]


@pytest.mark.parametrize(("age", "fetches"), [(0, 1), (99.999, 1), (100, 2), (100.001, 2)])
def test_a_key_is_fresh_for_so_long(
    cache: KeyCache, source: Source, clock: ManualClock, age: float, fetches: int
) -> None:
    """At ``fresh_for`` seconds exactly it is asked for again."""
    cache.get("a")
    clock.now += age
    cache.get("a")
    assert len(source.asked) == fetches


def test_reading_a_key_does_not_prolong_it(
    cache: KeyCache, source: Source, clock: ManualClock
) -> None:
    """``fresh_for`` bounds how long a deleted key is served, however often it is used."""
    for _ in range(4):
        cache.get("a")
        clock.now += 33
    source.known.clear()
    clock.now += 1
    _unknown(cache, "a")


@pytest.mark.parametrize(("age", "fetches"), [(0, 1), (9.999, 1), (10, 2), (10.001, 2)])
def test_an_unknown_kid_is_remembered_for_so_long(
    cache: KeyCache, source: Source, clock: ManualClock, age: float, fetches: int
) -> None:
    """Within ``negative_for`` the verdict is repeated without asking, with the same words."""
    _unknown(cache, "x")
    clock.now += age
    _unknown(cache, "x")
    assert len(source.asked) == fetches


def test_negative_for_zero_asks_every_time(source: Source, clock: ManualClock) -> None:
    """0 switches the memory of unknown kids off."""
    cache = KeyCache(source, CachePolicy(negative_for=0), clock=clock, age_clock=clock)
    _unknown(cache, "x")
    _unknown(cache, "x")
    assert len(source.asked) == 2


def test_a_key_that_appears_is_served_after_negative_for(
    cache: KeyCache, source: Source, clock: ManualClock
) -> None:
    """A new key waits no longer than that."""
    _unknown(cache, "x")
    source.known.add("x")
    clock.now += 10
    assert cache.get("x").kid == "x"


@pytest.mark.parametrize("kind", OTHER_ERRORS, ids=lambda kind: kind.__name__)
def test_other_errors_last_as_long_as_their_backoff(
    cache: KeyCache, source: Source, clock: ManualClock, kind: type[Exception]
) -> None:
    """45. The error is repeated without asking; after the backoff the next look-up asks again."""
    source.error = kind("broken")
    for _ in range(3):
        with pytest.raises(
            kind if issubclass(kind, HookVerificationError) else KeyUnavailableError
        ):
            cache.get("a")
    assert len(source.asked) == 1
    source.error = None
    clock.now += 1
    assert cache.get("a").kid == "a"


@pytest.mark.parametrize("kind", OTHER_ERRORS, ids=lambda kind: kind.__name__)
def test_other_errors_never_remove_a_key(
    cache: KeyCache, source: Source, clock: ManualClock, kind: type[Exception]
) -> None:
    """A failed refresh leaves the key: it is served on, unless somebody else seems to answer."""
    key = cache.get("a")
    clock.now += 100
    source.error = kind("broken")
    if kind is KeyRejectedError:
        with pytest.raises(KeyRejectedError):
            cache.get("a")
    else:
        assert cache.get("a") is key
    assert "a" in cache.health().keys


def test_an_authoritative_unknown_removes_a_key(
    cache: KeyCache, source: Source, clock: ManualClock
) -> None:
    """19, 47. When the source says that the key is gone it is not served stale."""
    cache.get("a")
    source.known.clear()
    clock.now += 100
    _unknown(cache, "a")
    assert cache.health().keys == {}
    source.error = KeyUnavailableError("broken")
    clock.now += 10
    with pytest.raises(KeyUnavailableError):
        cache.get("a")


@pytest.mark.parametrize("kid", ["a", "x"], ids=["a key", "an unknown kid"])
def test_invalidate_forgets(cache: KeyCache, source: Source, kid: str) -> None:
    """Key or verdict: the next look-up asks; other kids are not touched."""
    for each in ("a", "x"):
        if each in source.known:
            cache.get(each)
        else:
            _unknown(cache, each)
    cache.invalidate(kid)
    cache.invalidate("never seen")
    source.asked.clear()
    source.known.add("x")
    for each in {"a", "x"} - {kid}:
        _outcome(cache, each)
    assert source.asked == []
    assert cache.get(kid).kid == kid
    assert len(source.asked) == 1


def _outcome(cache: KeyCache, kid: str) -> str:
    try:
        return cache.get(kid).kid
    except HookVerificationError as error:
        return str(error.reason)


def test_peek_never_fetches(cache: KeyCache, source: Source) -> None:
    """It tells what is known, and None when nothing is."""
    assert cache.peek("a") is None
    assert source.asked == []
    assert cache.get("a") is cache.peek("a")


def test_unknown_kids_do_not_push_out_keys(source: Source, clock: ManualClock) -> None:
    """Senders choose kids, so they must not choose what is cached."""
    cache = KeyCache(
        source,
        CachePolicy(max_keys=1, max_unknown_kids=2, first_seen_burst=99),
        clock=clock,
        age_clock=clock,
    )
    cache.get("a")
    for number in range(50):
        _unknown(cache, f"x{number}")
    source.asked.clear()
    cache.get("a")
    _unknown(cache, "x49")
    _unknown(cache, "x48")
    assert source.asked == []
    _unknown(cache, "x47")
    assert len(source.asked) == 1


def test_max_keys_bounds_the_keys(source: Source, clock: ManualClock) -> None:
    """Beyond ``max_keys`` an older one goes, never the one that has just been fetched."""
    cache = KeyCache(source, CachePolicy(max_keys=2), clock=clock, age_clock=clock)
    source.known.add("c")
    for kid in ("a", "b", "c"):
        cache.get(kid)
        clock.now += 1
    kept = [kid for kid in ("a", "b", "c") if cache.peek(kid) is not None]
    assert len(kept) == 2
    assert "c" in kept


@pytest.mark.parametrize("given", [None, 1_001, 1_002.5, 2_000])
def test_the_fetch_has_its_own_deadline(
    cache: KeyCache, source: Source, given: float | None
) -> None:
    """5. Whatever the first caller's deadline is: others may wait for the same fetch."""
    cache.get("a", deadline=given)
    assert source.asked == [("a", 1_002.5)]


def test_a_cached_key_needs_no_time(cache: KeyCache) -> None:
    """A deadline in the past matters to a fetch only."""
    key = cache.get("a")
    assert cache.get("a", deadline=0) is key


def test_a_slow_fetch_delays_nobody_else(source: Source, clock: ManualClock) -> None:
    """While one kid is fetched, another one is fetched, served, peeked at and invalidated."""
    begun, finish = threading.Event(), threading.Event()

    def fetch(kid: str, deadline: float) -> Fetched:
        if kid == "a":
            begun.set()
            assert finish.wait(5)
        return source(kid, deadline)

    cache = KeyCache(fetch, POLICY, clock=clock, age_clock=clock)
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(cache.get, "a")
        try:
            assert begun.wait(5)
            assert cache.get("b") is cache.get("b")
            _unknown(cache, "x")
            assert cache.peek("a") is None
            cache.invalidate("b")
            assert not slow.done()
        finally:
            finish.set()
        assert slow.result(5).kid == "a"


def test_many_threads_on_one_cache(source: Source, clock: ManualClock) -> None:
    """Eviction, expiry and look-ups at once end in keys or in verdicts, never in other errors."""
    cache = KeyCache(
        source,
        CachePolicy(max_keys=1, max_unknown_kids=1, first_seen_burst=9_999),
        age_clock=clock,
    )

    def use(number: int) -> str:
        clock.now += 60
        return _outcome(cache, "abxy"[number % 4])

    with ThreadPoolExecutor(8) as pool:
        outcomes = list(pool.map(use, range(2_000)))
    assert outcomes == ["a", "b", "unknown_key", "unknown_key"] * 500


# --- the policy


@pytest.mark.parametrize(
    ("field", "least", "most"),
    [
        ("fresh_for", 1, 86_400),
        ("negative_for", 0, 86_400),
        ("fetch_timeout", 0.05, 60),
        ("max_keys", 1, 10_000),
        ("max_unknown_kids", 1, 1_000_000),
    ],
)
def test_ranges_of_the_policy(field: str, least: float, most: float) -> None:
    """Both ends are accepted, what lies beyond is refused by name."""
    for value in (least, most):
        assert getattr(_policy(field, value), field) == value
    for value in (least - 0.01, most + 0.01, int(least) - 1, int(most) + 1, -1):
        with pytest.raises(ConfigurationError, match=f"{field} must be a number from"):
            _policy(field, value)


@pytest.mark.parametrize(
    "field", ["fresh_for", "negative_for", "fetch_timeout", "max_keys", "max_unknown_kids"]
)
@pytest.mark.parametrize(
    "value",
    [True, False, None, "60", b"60", [60], 60j, float("nan"), float("inf"), float("-inf")],
    ids=repr,
)
def test_wrong_types_in_the_policy(field: str, value: object) -> None:
    """A bool is not a number here, and neither is a NaN."""
    with pytest.raises(ConfigurationError, match=f"{field} must be a number from"):
        _policy(field, value)


@pytest.mark.parametrize("field", ["max_keys", "max_unknown_kids"])
def test_counts_are_whole(field: str) -> None:
    """A cache holds no half keys."""
    with pytest.raises(ConfigurationError, match=field):
        _policy(field, 5.0)


def _policy(field: str, value: Any) -> CachePolicy:
    return CachePolicy(**{field: value})


def test_the_policy_is_frozen_and_named() -> None:
    """It cannot be changed behind a cache's back, and its numbers are never positional."""
    with pytest.raises(FrozenInstanceError):
        POLICY.fresh_for = 5  # type: ignore[misc]
    with pytest.raises(TypeError):
        CachePolicy(60)  # type: ignore[call-arg]


def test_defaults_of_the_policy() -> None:
    """One hour, one minute, less than the 3 seconds that Okta waits, more keys than an org has."""
    policy = CachePolicy()
    assert (policy.fresh_for, policy.negative_for, policy.fetch_timeout) == (3600, 60, 2.5)
    assert (policy.max_keys, policy.max_unknown_kids) == (64, 1024)
