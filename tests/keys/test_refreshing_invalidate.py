"""The cache: ``invalidate``, also while a fetch runs, and fetches that overtake each other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from hookkey_verify import HookSigner, PublicKey
from hookkey_verify.keys.flight import Fetched

from .controlled_fetches import (
    PATIENCE,
    PATIENT,
    POLICY,
    EventLog,
    Held,
    KeyCache,
    Source,
    outcome,
    unknown,
)


@pytest.mark.parametrize("kid", ["a", "x"], ids=["a key", "an unknown kid"])
def test_invalidate_forgets(cache: KeyCache, source: Source, kid: str) -> None:
    """``invalidate`` removes a key or a "no such key", and affects no other kid."""
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
    """A fetch in flight during ``invalidate`` returns its key to its callers but is not cached."""
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
    """Of two fetches of one kid the one that began later is cached, whichever ends first."""
    documents = [signer.public_jwk(), stranger.public_jwk()]
    kid = signer.kid

    def fetch(asked: str, deadline: float) -> Fetched[PublicKey]:
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


def test_a_key_that_is_invalidated_as_it_is_looked_at(source: Source) -> None:
    """A key that is invalidated during ``peek`` is not returned, and no hit is counted."""
    ticking = False

    def tick() -> float:
        if ticking:
            cache.invalidate("a")
        return 0

    cache = KeyCache(source, POLICY, age_clock=tick)
    cache.get("a")
    ticking = True
    assert cache.peek("a") is None
    assert cache.stats().hits == 0
