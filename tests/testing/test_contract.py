"""replay_store_contract passes good replay stores and names the rule that a broken one breaks."""

from __future__ import annotations

import asyncio
import hashlib
import os
import sqlite3
import subprocess
import sys
import time
import unicodedata
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from hookkey_verify import ConfigurationError
from hookkey_verify._runtime.bounded import in_thread
from hookkey_verify.errors import ReplayStoreUnavailableError
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.testing import contract, replay_store_contract
from hookkey_verify.verifier import ReplayStore


class Store(MemoryReplayStore):
    """A good store for one process, of which the broken ones replace a part."""

    def __init__(self) -> None:
        super().__init__(single_process=True)


class SqliteStore:
    """A good store for several processes, in a file."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self.closed = 0
        with closing(self.connect()) as database:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("CREATE TABLE IF NOT EXISTS used (name PRIMARY KEY, until REAL)")

    def connect(self) -> sqlite3.Connection:
        return sqlite3.connect(self.file, timeout=5, isolation_level=None)

    def claim(self, issuer: str, jti: str, expires_at: float, *, deadline: float) -> bool:
        if deadline < time.monotonic():
            raise ReplayStoreUnavailableError
        name = hashlib.sha256(repr((issuer, jti)).encode()).digest()
        with closing(self.connect()) as database:
            done = database.execute(
                "INSERT INTO used VALUES (:name, :until) "
                "ON CONFLICT DO UPDATE SET until = :until WHERE until <= :now",
                {"name": name, "until": float(expires_at), "now": time.time()},
            )
            return done.rowcount == 1

    async def aclaim(self, issuer: str, jti: str, expires_at: float, *, deadline: float) -> bool:
        claiming = in_thread(self.claim, issuer, jti, expires_at, deadline=deadline)
        return await asyncio.wrap_future(claiming)

    def close(self) -> None:
        self.closed += 1


def test_the_memory_store_passes() -> None:
    """MemoryReplayStore passes, and another time with the same records."""
    store = MemoryReplayStore(single_process=True)
    for _ in range(2):
        replay_store_contract(lambda: store, processes=False)


def test_a_store_for_several_processes_passes(tmp_path: Path) -> None:
    """A store in a file passes, and the contract closes each store that it made once."""
    made: list[SqliteStore] = []

    def make() -> SqliteStore:
        made.append(SqliteStore(tmp_path / "used"))
        return made[-1]

    replay_store_contract(make)
    assert {store.closed for store in made} == {1}
    assert len(made) % 2 == 0


def test_both_ways_to_close_are_used_on_the_event_loop_of_the_claims() -> None:
    """The contract awaits ``aclose`` on the event loop of the claims, then calls ``close``."""

    class Closable(Store):
        def __init__(self) -> None:
            super().__init__()
            self.loops: list[Any] = []
            self.calls: list[str] = []

        async def aclaim(self, *args: Any, **options: Any) -> bool:
            self.loops.append(asyncio.get_running_loop())
            return await super().aclaim(*args, **options)

        async def aclose(self) -> None:
            self.calls.append("aclose")
            self.loops.append(asyncio.get_running_loop())

        def close(self) -> None:
            self.calls.append("close")

    made: list[Closable] = []

    def make() -> Closable:
        made.append(Closable())
        return made[-1]

    replay_store_contract(make, processes=False)
    assert all(store.calls == ["aclose", "close"] for store in made)
    on_one_loop = [store for store in made if len({*store.loops}) == 1 and len(store.loops) > 1]
    assert len(on_one_loop) >= 5  # single use, racing tasks, deadlines, free loop, cancellation


# --- stores that break one rule each


class NoAclaim:
    def claim(self, issuer: str, jti: str, expires_at: float, *, deadline: float) -> bool:
        return True


class NoDeadline(Store):
    def claim(self, issuer: str, jti: str, expires_at: float) -> bool:  # type: ignore[override]
        return super().claim(issuer, jti, expires_at)


class AnswersOne(Store):
    def claim(self, *args: Any, **options: Any) -> Any:
        return int(super().claim(*args, **options))


class AlwaysTrue(Store):
    def claim(self, *args: Any, **options: Any) -> bool:
        return True


class SplitRecords(Store):
    """Keeps the records of ``aclaim`` apart from those of ``claim``."""

    async def aclaim(self, issuer: str, *args: Any, **options: Any) -> bool:
        return self.claim(f"async {issuer}", *args, **options)


class Named(Store):
    """Names records with a function of issuer and jti."""

    def __init__(self, name: Callable[[str, str], str]) -> None:
        super().__init__()
        self.name = name

    def claim(self, issuer: str, jti: str, *args: Any, **options: Any) -> bool:
        return super().claim("", self.name(issuer, jti), *args, **options)


class NoFarExpiry(Store):
    def claim(self, issuer: str, jti: str, expires_at: float, **options: Any) -> bool:
        if expires_at > 2**40:
            raise ReplayStoreUnavailableError("out of range")
        return super().claim(issuer, jti, expires_at, **options)


class Until(Store):
    """Remembers tokens until another time, and exactly until then."""

    def __init__(self, until: Callable[[float], float]) -> None:
        super().__init__()
        self.until = until

    def claim(self, issuer: str, jti: str, expires_at: float, **options: Any) -> bool:
        return super().claim(issuer, jti, self.until(expires_at) - 60, **options)


class Racy(Store):
    """Reads and writes in two steps, unless the token is ``safe``."""

    def __init__(self, safe: Callable[[bool], bool]) -> None:
        super().__init__()
        self.safe = safe
        self.seen: set[tuple[str, str]] = set()

    def claim(self, issuer: str, jti: str, expires_at: float, **options: Any) -> bool:
        token, now = (issuer, jti), time.time()
        if expires_at <= now or self.safe(token in self.seen):
            self.seen.add(token)
            return super().claim(*token, expires_at, **options)
        used = self._used.get(token, 0) > now
        time.sleep(0.005)
        self.seen.add(token)
        return super().claim(*token, expires_at, **options) or not used


class RacyTasks(Store):
    """Reads and writes in two steps in ``aclaim``."""

    async def aclaim(self, issuer: str, jti: str, *args: Any, **options: Any) -> bool:
        used = (issuer, jti) in self._used
        await asyncio.sleep(0)
        return self.claim(issuer, jti, *args, **options) or not used


class OneLoop(Store):
    """Works on the first event loop only."""

    loop: Any = None

    async def aclaim(self, *args: Any, **options: Any) -> bool:
        self.loop = self.loop or asyncio.get_running_loop()
        if self.loop is not asyncio.get_running_loop():
            raise ReplayStoreUnavailableError("another event loop")
        return await super().aclaim(*args, **options)


class Slow(Store):
    def claim(self, *args: Any, deadline: float) -> bool:  # type: ignore[override]
        if deadline < time.monotonic():
            time.sleep(1.1)
        return super().claim(*args, deadline=deadline)


class BurnsLateTokens(Store):
    def claim(self, *args: Any, deadline: float) -> bool:  # type: ignore[override]
        first = super().claim(*args, deadline=deadline)
        if deadline < time.monotonic():
            raise ReplayStoreUnavailableError("late")
        return first


class Blocks(Store):
    async def aclaim(self, *args: Any, **options: Any) -> bool:
        time.sleep(0.02)
        return await super().aclaim(*args, **options)


class UsesToThread(Store):
    async def aclaim(self, *args: Any, **options: Any) -> bool:
        return await asyncio.to_thread(self.claim, *args, **options)


class RaisesKeyError(Store):
    def claim(self, issuer: str, jti: str, *args: Any, **options: Any) -> bool:
        if "\ud800" in jti:
            raise KeyError(jti)
        return super().claim(issuer, jti, *args, **options)


class RaisesTimeoutError(Store):
    async def aclaim(self, *args: Any, deadline: float) -> bool:  # type: ignore[override]
        if deadline < time.monotonic():
            raise TimeoutError("late")
        return await super().aclaim(*args, deadline=deadline)


class BreaksOnCancel(Store):
    broken = False

    async def aclaim(self, *args: Any, **options: Any) -> bool:
        if self.broken:
            raise ReplayStoreUnavailableError("broken")
        try:
            await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            self.broken = True
            raise
        return await super().aclaim(*args, **options)


class RaisesOnCancel(Store):
    async def aclaim(self, *args: Any, **options: Any) -> bool:
        try:
            await asyncio.sleep(0.02)
        except asyncio.CancelledError:
            raise RuntimeError("cancelled") from None
        return await super().aclaim(*args, **options)


class DiesInChild(Store):
    def __init__(self) -> None:
        super().__init__()
        self.pid = os.getpid()

    def claim(self, *args: Any, **options: Any) -> bool:
        if os.getpid() != self.pid:
            os._exit(1)
        return super().claim(*args, **options)


def nfc(issuer: str, jti: str) -> str:
    """Return a name in which composed and decomposed characters are the same."""
    return repr((unicodedata.normalize("NFC", issuer), unicodedata.normalize("NFC", jti)))


def replaced(issuer: str, jti: str) -> str:
    """Return a name in which lone surrogates are question marks."""
    return repr((issuer.encode(errors="replace"), jti.encode(errors="replace")))


BROKEN: list[tuple[Callable[[], Any], str, str]] = [
    (NoAclaim, "rule 1, a replay store has the methods of ReplayStore", "a NoAclaim without them"),
    (NoDeadline, "rule 1, a replay store has the methods", "unexpected keyword argument"),
    (AnswersOne, "rule 1, a replay store has the methods", "True or False from claim, got 1"),
    (AlwaysTrue, "rule 2, only the first claim of a token is True", "claim in the same store"),
    (SplitRecords, "rule 2, only the first claim", "False for aclaim in the same store"),
    (lambda: Named(lambda issuer, jti: jti), "rule 3, tokens with different", "True for the first"),
    (lambda: Named(lambda issuer, jti: issuer + jti), "rule 3, tokens with different", "similar"),
    (lambda: Named(lambda *pair: ":".join(pair)), "rule 3, tokens with different", "similar"),
    (lambda: Named(lambda *pair: repr(pair).lower()), "rule 3, tokens with different", "Jti"),
    (lambda: Named(lambda *pair: repr(pair)[:9999]), "rule 3, tokens with different", "xxx"),
    (
        lambda: Named(nfc),
        "rule 3, tokens with different issuers or jtis share no record",
        "e\u0301",
    ),
    (lambda: Named(replaced), "rule 3, tokens with different", "True for the first claim"),
    (NoFarExpiry, "rule 4, expires_at may be any int or float", "the int 9007199254740992, got"),
    (lambda: Until(lambda until: until - 0.25), "rule 5, a use is remembered", "one second later"),
    (lambda: Until(lambda until: 2**53), "rule 5, a use is remembered", "got 20 times False"),
    (lambda: Racy(lambda seen: not seen), "rule 5, a use is remembered", "expired two hours ago"),
    (lambda: Racy(lambda seen: seen), "rule 6, one of many concurrent claims", "in 50 threads"),
    (RacyTasks, "rule 6, one of many concurrent claims of a token wins", "got 50 times True"),
    (OneLoop, "rule 6, one of many concurrent claims", "aclaim in event loop number 2"),
    (Slow, "rule 7, a claim after its deadline ends at once", "claim to end within 1.0 s"),
    (BurnsLateTokens, "rule 7, a claim after its deadline", "True for a claim with time left"),
    (Blocks, "rule 8, aclaim blocks neither the event loop", "at most 0.25 s of delay"),
    (UsesToThread, "rule 8, aclaim blocks neither", "got calls of MemoryReplayStore.claim there"),
    (RaisesKeyError, "rule 9, a store raises only HookVerificationError", "got KeyError"),
    (RaisesTimeoutError, "rule 9, a store raises only", "from aclaim"),
    (BreaksOnCancel, "rule 9, a store raises only", "after 20 aclaims were cancelled"),
    (RaisesOnCancel, "rule 9, a store raises only", "got RuntimeError: cancelled"),
]


@pytest.mark.slow
@pytest.mark.parametrize(("make", "rule", "detail"), BROKEN)
def test_a_broken_store_is_told_which_rule_it_breaks(
    make: Callable[[], ReplayStore], rule: str, detail: str
) -> None:
    """A store that breaks one rule fails with that rule, what was expected and what happened."""
    with pytest.raises(AssertionError) as caught:
        replay_store_contract(make, processes=False)
    text = str(caught.value)
    assert text.startswith(f"the replay store breaks {rule}"), text
    assert detail in text
    assert "expected" in text
    assert "got" in text


def test_workers_with_records_of_their_own() -> None:
    """A store for one process fails if it is tested as a store for several."""
    with pytest.raises(AssertionError, match=r"rule 2.* claim in another worker's store after"):
        replay_store_contract(Store)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.parametrize(
    ("store", "problem"),
    [
        (Store(), "expected False for a claim in the parent of the child's token, got True"),
        (DiesInChild(), "expected True for a first claim in the child, got the end of the child"),
    ],
)
def test_a_store_that_does_not_survive_a_fork(store: Store, problem: str) -> None:
    """A store whose records are not shared with a child, or that ends it, breaks rule 10."""
    with pytest.raises(AssertionError, match=f"rule 10, a store that was used .*: {problem}"):
        replay_store_contract(lambda: store)


def test_a_claim_that_does_not_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A claim that does not end breaks the rule that is being checked, and the contract ends."""

    class Hangs(Store):
        async def aclaim(self, *args: Any, **options: Any) -> bool:
            await asyncio.sleep(3600)
            return True

    monkeypatch.setattr(contract, "LIMIT", 0.3)
    with pytest.raises(AssertionError, match=r"for aclaim .*, got no answer within 0\.3 s"):
        replay_store_contract(Hangs, processes=False)


def test_the_cause_of_a_strange_error_is_kept() -> None:
    """The error of a store is the cause of the AssertionError, so that its traceback is shown."""
    with pytest.raises(AssertionError) as caught:
        replay_store_contract(RaisesKeyError, processes=False)
    assert isinstance(caught.value.__cause__, KeyError)


def test_it_also_checks_without_assert_statements() -> None:
    """The contract fails under ``python -OO``, which removes assert statements and docstrings."""
    program = (
        "from hookkey_verify.replay import MemoryReplayStore\n"
        "from hookkey_verify.testing import replay_store_contract\n"
        "class Broken(MemoryReplayStore):\n"
        "    def claim(self, *args, **options):\n"
        "        return True\n"
        "replay_store_contract(Broken, processes=False)\n"
    )
    done = subprocess.run(
        [sys.executable, "-OO", "-c", program], capture_output=True, text=True, check=False
    )
    assert "AssertionError: the replay store breaks rule 2" in done.stderr


@pytest.mark.parametrize(
    ("make", "processes", "name"), [(Store(), False, "make"), (Store, 1, "processes")]
)
def test_arguments(make: Any, processes: Any, name: str) -> None:
    """``make`` must be a function and ``processes`` True or False; the error names which."""
    with pytest.raises(ConfigurationError, match=name):
        replay_store_contract(make, processes=processes)
