"""KeyCache: ``invalidate``, also while a fetch runs, and fetches that overtake each other."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from hookkey_verify import HookSigner, PublicKey
from hookkey_verify.errors import HookVerificationError, KeyUnavailableError, UnknownKeyError
from hookkey_verify.keys.cache import Fetched, KeyCache

from ..faults import ManualClock
from .controlled_fetches import PATIENCE, PATIENT, POLICY, EventLog, Held, Source, outcome, unknown


@pytest.mark.parametrize("kid", ["a", "x"], ids=["a key", "an unknown kid"])
def test_invalidate_forgets(cache: KeyCache, source: Source, kid: str) -> None:
    """Key or verdict: the next look-up asks; other kids are not touched."""
    for each in ("a", "x"):
        if each in source.known:
            cache.get(each)
        else:
            unknown(cache, each)
    cache.invalidate(kid)
    cache.invalidate("never seen")
    source.asked.clear()
    source.known.add("x")
    for each in {"a", "x"} - {kid}:
        outcome(cache, each)
    assert source.asked == []
    assert cache.get(kid).kid == kid
    assert len(source.asked) == 1


def test_invalidate_while_it_is_fetched(source: Source) -> None:
    """7. Whoever waits gets what was fetched; it is not kept, and the next look-up fetches."""
    log, held = EventLog(), Held(source)
    cache = KeyCache(held, PATIENT, on_event=log)
    with ThreadPoolExecutor(1) as pool, held:
        waiting = pool.submit(cache.get, "a")
        held.wait_for_fetches(1)
        cache.invalidate("a")
        held.release(0)
        assert waiting.result(PATIENCE).kid == "a"
        assert cache.peek("a") is None
    assert cache.get("a").kid == "a"
    assert len(source.asked) == 2


@pytest.mark.parametrize("order", [(0, 1), (1, 0)], ids=["in order", "out of order"])
def test_the_newer_fetch_wins(
    signer: HookSigner, stranger: HookSigner, order: tuple[int, int]
) -> None:
    """8. Of two fetches of one kid the one that began later is kept, whichever ends first."""
    documents = [signer.public_jwk(), stranger.public_jwk()]
    kid = signer.kid

    def fetch(asked: str, deadline: float) -> Fetched:
        return Fetched(PublicKey.from_document(documents[held.number], expected_kid=asked))

    held = Held(fetch)
    cache = KeyCache(held, PATIENT)
    with ThreadPoolExecutor(2) as pool, held:
        waiting = [pool.submit(cache.get, kid)]
        held.wait_for_fetches(1)
        cache.invalidate(kid)
        waiting.append(pool.submit(cache.get, kid))
        held.wait_for_fetches(2)
        for number in order:
            held.release(number)
            got = waiting[number].result(PATIENCE)
            assert got.as_jwk() == documents[number]
    kept = cache.peek(kid)
    assert kept is not None
    assert kept.as_jwk() == documents[1]


def _set_of_a_and_b(source: Source) -> Callable[[str, float], Fetched]:
    """As ``IssuerKeys`` fetches: what is asked for comes with all that the source has then."""

    def fetch(kid: str, deadline: float) -> Fetched:
        key = source(kid, deadline).key
        others = (source(each, deadline).key for each in source.known)
        return Fetched(key, others=tuple(each for each in others if each is not None))

    return fetch


def test_invalidate_while_it_comes_along_with_another(source: Source) -> None:
    """7. What a fetch in flight brings besides its own kid is not believed either."""
    held = Held(_set_of_a_and_b(source), before=False)
    cache = KeyCache(held, PATIENT)
    with ThreadPoolExecutor(1) as pool, held:
        waiting = pool.submit(cache.get, "a")
        held.wait_for_fetches(1)
        cache.invalidate("b")
        held.release(0)
        waiting.result(PATIENCE)
    assert cache.peek("b") is None


def test_a_revoked_key_does_not_come_back_with_an_older_answer(source: Source) -> None:
    """8. The source said that b is gone; an answer that is older than that and ends later lost."""
    held = Held(_set_of_a_and_b(source), before=False)
    cache = KeyCache(held, PATIENT)
    with ThreadPoolExecutor(2) as pool, held:
        older = pool.submit(cache.get, "a")
        held.wait_for_fetches(1)
        source.known = {"a"}
        newer = pool.submit(cache.get, "b")
        assert isinstance(newer.exception(PATIENCE), UnknownKeyError)
        held.release(0)
        older.result(PATIENCE)
    assert cache.peek("b") is None


@pytest.mark.parametrize(
    ("problem", "told"),
    [
        (UnknownKeyError("not in the set"), UnknownKeyError("not in the set")),
        (None, KeyUnavailableError("the fetch brought no key")),
    ],
)
def test_invalidate_while_it_turns_out_not_to_exist(
    source: Source,
    clock: ManualClock,
    problem: HookVerificationError | None,
    told: HookVerificationError,
) -> None:
    """7. Whoever waits is told so, in the words of the fetch."""

    def fetch(kid: str, deadline: float) -> Fetched:
        of_a_set.invalidate(kid)
        return Fetched(None, problem=problem)

    of_a_set = KeyCache(fetch, POLICY, clock=clock, age_clock=clock)
    with pytest.raises(type(told), match=told.detail):
        of_a_set.get("a")


def test_a_key_that_is_invalidated_as_it_is_looked_at(
    cache: KeyCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is not served, and no hit is counted."""
    cache.get("a")
    clock = cache._age_clock

    def tick() -> float:
        monkeypatch.setattr(cache._entries["a"], "key", None)
        return clock()

    monkeypatch.setattr(cache, "_age_clock", tick)
    assert cache.peek("a") is None
    assert cache.stats().hits == 0
