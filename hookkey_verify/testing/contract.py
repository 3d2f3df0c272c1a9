"""replay_store_contract checks that a replay store follows the rules that a verifier relies on.

The constants below number and name the rules. Every token has a random issuer or jti, so the store
may contain other records.
"""

from __future__ import annotations

import asyncio
import gc
import inspect
import multiprocessing
import reprlib
import secrets
import threading
import time
import unicodedata
import warnings
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from itertools import cycle, islice
from multiprocessing.connection import Connection
from typing import Any, TypeAlias, TypeVar

from .._arguments import flag, function
from .._runtime.bounded import call_within, in_thread
from ..errors import HookVerificationError
from ..verifier import ReplayStore

__all__ = ["replay_store_contract"]

TIME_LEFT = 5.0
"""Seconds until the deadline of a claim: more than a verifier has, for busy machines."""
LIMIT = 6.0
"""Seconds after which a claim counts as unanswered."""
TOO_LATE_LIMIT = 1.0
"""The longest time, in seconds, that a claim may take after its deadline."""
REMEMBERED = 1.2
"""Seconds until the expiry of the token that must be remembered."""
FORGOTTEN_AFTER = 7200
"""Seconds after the expiry of a token when its record must no longer count."""
LATE_TICK = 0.25
"""Seconds by which an aclaim may delay other tasks of its event loop."""
ATTEMPTS = 3
"""Measurements before a rule about time is considered broken, because the machine may be busy."""

_PROTOCOL = "rule 1, a replay store has the methods of ReplayStore"
_SINGLE_USE = "rule 2, only the first claim of a token is True"
_IDENTITY = "rule 3, tokens with different issuers or jtis share no record"
_EXPIRY_TIMES = "rule 4, expires_at may be any int or float"
_MEMORY = "rule 5, a use is remembered until expires_at, and not for ever"
_RACES = "rule 6, one of many concurrent claims of a token wins, in threads and in any event loop"
_DEADLINES = (
    "rule 7, a claim after its deadline ends at once and, if it raises, leaves the token unused"
)
_EVENT_LOOP = "rule 8, aclaim blocks neither the event loop nor its default executor"
_ERRORS = "rule 9, a store raises only HookVerificationError, and cancelling a claim is harmless"
_PROCESSES = "rule 10, a store that was used before a fork works in the child and in the parent"

METHODS = ("claim", "aclaim")
_Token: TypeAlias = tuple[str, str]
_Outcome: TypeAlias = bool | HookVerificationError | None
"""What a claim returned or raised; None if it did neither within ``LIMIT``."""
T = TypeVar("T")


def replay_store_contract(make: Callable[[], ReplayStore], *, processes: bool = True) -> None:
    """Check that your own replay store is safe to use. Takes three seconds with a fast store.

    Call it outside an event loop. A busy store may need longer limits than in production, because
    50 claims at once must all be answered.

    ``make``: a function without arguments that returns a store. Each call must return a store over
        the same records, as another worker has. Each rule uses new stores and afterwards calls
        their ``aclose`` and ``close``, if they exist.
    ``processes``: whether the store covers several processes. False for a store that covers one
        process only: then each rule uses one store, and rule 10 is left out. Default True.

    Raises ``AssertionError`` naming the first rule that the store breaks, what was expected and
    what happened, and ``ConfigurationError`` if an argument is wrong.
    """
    fleet = _Fleet(
        function("make", make, "that returns a replay store"), flag("processes", processes)
    )
    _check_protocol(fleet)
    _check_single_use(fleet)
    _check_identity(fleet)
    _check_expiry_times(fleet)
    _check_memory(fleet)
    _check_forgetting(fleet)
    _check_racing_threads(fleet)
    _check_racing_tasks(fleet)
    _check_event_loops(fleet)
    _check_deadlines(fleet)
    _check_event_loop_is_free(fleet)
    if processes:
        _check_fork(fleet)  # before threads of cancelled claims could hold a lock
    _check_cancellation(fleet)


# --- what the rules use


def _broken(rule: str, expected: str, got: str) -> AssertionError:
    return AssertionError(f"the replay store breaks {rule}: expected {expected}, got {got}")


class _Worker:
    """One store, with claims that return what happened and that end after ``LIMIT``."""

    def __init__(self, store: ReplayStore) -> None:
        self.store = store

    def claim(self, token: _Token, expires_at: float | None = None, late: float = 0.0) -> _Outcome:
        """Claim a token.

        ``expires_at``: epoch seconds. Default None: in an hour.
        ``late``: the seconds that have passed since the deadline. Default 0: ``TIME_LEFT`` remains.
        """
        until = time.time() + 3600 if expires_at is None else expires_at

        def call() -> _Outcome:
            try:
                answer = self.store.claim(*token, until, deadline=_deadline_of(late))
            except Exception as error:
                return _refusal(error, "claim", token)
            return _answer(answer, "claim")

        try:
            return call_within(LIMIT, call)
        except TimeoutError:
            return None

    async def aclaim(self, token: _Token, late: float = 0.0) -> _Outcome:
        """Do the same as ``claim`` with the store's ``aclaim``."""
        limit = asyncio.timeout(LIMIT)
        try:
            async with limit:
                answer = await self.store.aclaim(
                    *token, time.time() + 3600, deadline=_deadline_of(late)
                )
        except Exception as error:
            return None if limit.expired() else _refusal(error, "aclaim", token)
        return _answer(answer, "aclaim")

    async def call(self, method: str, token: _Token, late: float = 0.0) -> _Outcome:
        """Call ``claim`` in a thread, so that the event loop continues, or ``aclaim``."""
        if method == "aclaim":
            return await self.aclaim(token, late)
        return await asyncio.wrap_future(in_thread(self.claim, token, late=late))

    async def close(self) -> None:
        """Call the ``aclose`` and ``close`` of the store, if they exist."""
        for name in ("aclose", "close"):
            closed = getattr(self.store, name, lambda: None)()
            if inspect.isawaitable(closed):
                await closed


def _deadline_of(late: float) -> float:
    return time.monotonic() + (-late if late else TIME_LEFT)


def _answer(answer: object, method: str) -> bool:
    if not isinstance(answer, bool):
        raise _broken(_PROTOCOL, f"True or False from {method}", reprlib.repr(answer))
    return answer


def _refusal(error: Exception, method: str, token: _Token) -> HookVerificationError:
    if isinstance(error, HookVerificationError):
        return error
    expected = f"an answer or a HookVerificationError from {method} of {reprlib.repr(token)}"
    raise _broken(_ERRORS, expected, f"{type(error).__name__}: {error}") from error


class _Fleet:
    """Makes the stores of two workers and closes them. They are one if there is one process."""

    def __init__(self, make: Callable[[], ReplayStore], processes: bool) -> None:
        self._make = make
        self._size = 2 if processes else 1

    @contextmanager
    def workers(self) -> Iterator[tuple[_Worker, _Worker]]:
        """Yield two workers, and close their stores."""
        made = self._made()
        try:
            yield made[0], made[-1]
        finally:
            asyncio.run(_close(made))

    def run(self, check: Callable[[_Worker, _Worker], Awaitable[None]]) -> None:
        """Run a check with two workers in a new event loop, and close their stores there."""
        made = self._made()

        async def run() -> None:
            try:
                await check(made[0], made[-1])
            finally:
                await _close(made)

        asyncio.run(run())

    def _made(self) -> list[_Worker]:
        return [_Worker(self._make()) for _ in range(self._size)]


async def _close(workers: list[_Worker]) -> None:
    for worker in {id(worker.store): worker for worker in workers}.values():
        await worker.close()


def _new_token() -> _Token:
    return f"issuer-{secrets.token_hex(8)}", f"jti-{secrets.token_hex(8)}"


def _described(outcome: _Outcome) -> str:
    if outcome is None:
        return f"no answer within {LIMIT} seconds"
    if isinstance(outcome, HookVerificationError):
        return f"{type(outcome).__name__} ({outcome})"
    return str(outcome)


def _expect(rule: str, expected: bool, what: str, outcome: _Outcome) -> None:
    if outcome is not expected:
        raise _broken(rule, f"{expected} for {what}", _described(outcome))


def _expect_one_winner(rule: str, what: str, outcomes: list[_Outcome]) -> None:
    if outcomes.count(True) != 1 or outcomes.count(False) != len(outcomes) - 1:
        counts = Counter(map(_described, outcomes)).most_common()
        got = ", ".join(f"{count} times {each}" for each, count in counts)
        raise _broken(rule, f"one True and otherwise False for {what}", got)


def _race(workers: tuple[_Worker, _Worker], token: _Token, threads: int) -> list[_Outcome]:
    """Claim a token in many threads at once; the workers take turns."""
    gate = threading.Barrier(threads)

    def claim(worker: _Worker) -> _Outcome:
        gate.wait(LIMIT)
        return worker.claim(token)

    racing = [in_thread(claim, worker) for worker in islice(cycle(workers), threads)]
    return [each.result() for each in racing]


# --- the rules


def _check_protocol(fleet: _Fleet) -> None:
    """The store has ``claim`` and ``aclaim``, which take the arguments of ``ReplayStore``."""
    with fleet.workers() as (worker, _):
        store = worker.store
        if not isinstance(store, ReplayStore):
            raise _broken(_PROTOCOL, "claim and aclaim", f"a {type(store).__name__} without them")
        for method in (store.claim, store.aclaim):
            try:
                inspect.signature(method).bind("issuer", "jti", 0.0, deadline=0.0)
            except TypeError as error:
                expected = f"{method.__name__}(issuer, jti, expires_at, *, deadline)"
                raise _broken(_PROTOCOL, expected, f"a method with {error}") from error


def _check_single_use(fleet: _Fleet) -> None:
    """Once a token is claimed, it is used for both workers, in threads and on event loops."""

    async def check(one: _Worker, other: _Worker) -> None:
        for first in METHODS:
            token = _new_token()
            _expect(_SINGLE_USE, True, f"a first {first}", await one.call(first, token))
            for worker, place in ((one, "the same store"), (other, "another worker's store")):
                for later in METHODS:
                    what = f"{later} in {place} after a first {first}"
                    _expect(_SINGLE_USE, False, what, await worker.call(later, token))

    fleet.run(check)


def _check_identity(fleet: _Fleet) -> None:
    """Similar issuers and jtis are distinct, and each of them is remembered."""
    tokens = _similar_tokens()
    with fleet.workers() as (one, other):
        for token in tokens:
            what = f"the first claim of {reprlib.repr(token)} after similar tokens"
            _expect(_IDENTITY, True, what, one.claim(token))
        for token in tokens:
            what = f"the second claim of {reprlib.repr(token)}"
            _expect(_IDENTITY, False, what, other.claim(token))


def _similar_tokens() -> list[_Token]:
    """Return pairs that a store confuses if it joins, cuts, trims, folds or converts text."""
    tag = secrets.token_hex(8)
    composed = "\u00e9"
    values = ["", "0", "00", "1", "1.0", "1e0", "null", "jti", "Jti", "JTI", "jti ", " jti"]
    values += ["jti\n", "jti\0", "jti\0x", "\0", "\0jti", "?", "'", '"', "\\", "\\0", "%", "_", "*"]
    values += [composed, unicodedata.normalize("NFD", composed), composed.upper(), "e"]
    values += ["\u00df", "ss", "\u212a", "k", "\u65e5\u672c", "\U0001f511", "\ufffd"]
    values += ["\ud800", "\udfff", "\\ud800", "x" * 9999, "x" * 9999 + "y", "x" * 9999 + "z"]
    tokens = [pair for value in values for pair in ((tag, value), (value, tag))]
    for between in ("", ":", "\0", "/", "|", ",", "\n", " "):
        tokens += [(tag + between, "ab"), (tag, between + "ab"), (f"{tag}{between}a", "b")]
        tokens += [(f"{tag}{between}ab", ""), ("", f"{tag}{between}ab")]
    return list(dict.fromkeys(tokens))


def _check_expiry_times(fleet: _Fleet) -> None:
    """A token is accepted whatever the type and size of its ``expires_at``, unless it has passed.

    With an ``expires_at`` that has passed, the store may answer or refuse.
    """
    now = time.time()
    decade = now + 10 * 365 * 86_400
    far = [int(now) + 3600, now + 3600.5, decade, int(decade), 2**53, float(2**53)]
    with fleet.workers() as (one, other):
        for expires_at in (0, 0.0, -1, now - 0.5, int(now) - 86_400):
            if one.claim(_new_token(), expires_at) is None:
                expected = (
                    f"an answer or an error for the expires_at {expires_at}, which has passed"
                )
                raise _broken(_EXPIRY_TIMES, expected, _described(None))
        for expires_at in (int(time.time()) + 2, time.time() + 1):
            what = f"a first claim whose expires_at is the {type(expires_at).__name__} {expires_at}"
            _expect(_EXPIRY_TIMES, True, what, one.claim(_new_token(), expires_at))
        for expires_at in far:
            token = _new_token()
            what = f"claim whose expires_at is the {type(expires_at).__name__} {expires_at}"
            _expect(_EXPIRY_TIMES, True, f"a first {what}", one.claim(token, expires_at))
            _expect(_EXPIRY_TIMES, False, f"a second {what}", other.claim(token, expires_at))


def _check_memory(fleet: _Fleet) -> None:
    """A claim is False shortly before ``expires_at``, also if that has a fraction."""
    with fleet.workers() as (one, other):
        for _ in range(ATTEMPTS):
            token, expires_at = _new_token(), time.time() + REMEMBERED
            _expect(_MEMORY, True, "a first claim", one.claim(token, expires_at))
            time.sleep(1)
            outcome = other.claim(token, expires_at)
            if time.time() < expires_at:  # otherwise the machine was too busy for this check
                what = f"a second claim one second later, with expires_at {REMEMBERED} s ahead"
                _expect(_MEMORY, False, what, outcome)
                return


def _check_forgetting(fleet: _Fleet) -> None:
    """A record whose ``expires_at`` has passed blocks no claim, and a race for it has one winner.

    Stores may remember a token for longer than necessary, but not for two hours.
    """
    with fleet.workers() as workers:
        token = _new_token()
        workers[0].claim(token, time.time() - FORGOTTEN_AFTER)
        time.sleep(0.1)  # a server may delete a record some milliseconds after its expiry
        what = "20 racing claims of a token whose earlier record expired two hours ago"
        _expect_one_winner(_MEMORY, what, _race(workers, token, 20))


def _check_racing_threads(fleet: _Fleet) -> None:
    """One of 50 threads gets True, and the others get False."""
    with fleet.workers() as workers:
        what = "racing claims in 50 threads"
        _expect_one_winner(_RACES, what, _race(workers, _new_token(), 50))


def _check_racing_tasks(fleet: _Fleet) -> None:
    """One of 50 tasks of an event loop gets True, and the others get False."""

    async def check(one: _Worker, other: _Worker) -> None:
        token = _new_token()
        tasks = [worker.aclaim(token) for worker in islice(cycle((one, other)), 50)]
        outcomes = await asyncio.gather(*tasks)
        _expect_one_winner(_RACES, "racing aclaims in 50 tasks", outcomes)

    fleet.run(check)


def _check_event_loops(fleet: _Fleet) -> None:
    """One store works in five event loops, one after the other."""
    with warnings.catch_warnings():
        # A store cannot close the connections of an event loop that has ended.
        warnings.simplefilter("ignore", ResourceWarning)
        _use_event_loops(fleet)
        gc.collect()


def _use_event_loops(fleet: _Fleet) -> None:
    async def claim_twice(worker: _Worker, number: int) -> None:
        token = _new_token()
        for expected in (True, False):
            what = f"aclaim in event loop number {number}"
            _expect(_RACES, expected, what, await worker.aclaim(token))

    with fleet.workers() as (worker, _):
        for number in range(1, 6):
            asyncio.run(claim_twice(worker, number))


def _check_deadlines(fleet: _Fleet) -> None:
    """A claim after its deadline is over at once; if it raised, a later claim is the first one."""

    async def check(one: _Worker, other: _Worker) -> None:
        for method in METHODS:
            token = _new_token()
            began = time.monotonic()
            outcome = await one.call(method, token, late=1.0)
            took = time.monotonic() - began
            if took > TOO_LATE_LIMIT or outcome is None:
                expected = f"{method} to end within {TOO_LATE_LIMIT} s after its deadline"
                raise _broken(_DEADLINES, expected, f"{took:.1f} s")
            raised = isinstance(outcome, HookVerificationError)
            if not raised:
                _expect(_DEADLINES, True, "a first claim after its deadline", outcome)
            what = f"a claim with time left after a late one ({_described(outcome)})"
            _expect(_DEADLINES, raised, what, await other.call("claim", token))

    fleet.run(check)


def _check_event_loop_is_free(fleet: _Fleet) -> None:
    """Other tasks of the event loop are on time during 20 aclaims, and its executor is unused."""
    late = [_latest_tick(fleet)]
    while late[-1] > LATE_TICK and len(late) < ATTEMPTS:
        late.append(_latest_tick(fleet))
    if late[-1] > LATE_TICK:
        expected = f"at most {LATE_TICK} s of delay for another task during 20 aclaims"
        raise _broken(_EVENT_LOOP, expected, f"{min(late):.2f} s")


def _latest_tick(fleet: _Fleet) -> float:
    """Return the largest delay of a ticking task, in seconds, while 20 aclaims run."""
    delays = [0.0]
    finished = threading.Event()

    async def tick() -> None:
        while not finished.is_set():
            due = time.monotonic() + 0.01
            await asyncio.sleep(0.01)
            delays.append(time.monotonic() - due)

    async def check(worker: _Worker, _: _Worker) -> None:
        executor = _RecordingExecutor(1)
        asyncio.get_running_loop().set_default_executor(executor)
        ticker = asyncio.create_task(tick())
        await asyncio.sleep(0)
        outcomes = await asyncio.gather(*(worker.aclaim(_new_token()) for _ in range(20)))
        finished.set()
        await ticker
        for outcome in outcomes:
            _expect(_EVENT_LOOP, True, "each of 20 concurrent aclaims of new tokens", outcome)
        if executor.names:
            got = f"calls of {', '.join(sorted(set(executor.names)))} there"
            raise _broken(_EVENT_LOOP, "an unused default executor", got)

    fleet.run(check)
    return max(delays)


class _RecordingExecutor(ThreadPoolExecutor):
    """Records the names of the functions that it runs."""

    def __init__(self, threads: int) -> None:
        super().__init__(threads)
        self.names: list[str] = []

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Run a function in a thread."""
        # asyncio.to_thread submits partial(context.run, function, …).
        called = fn.args[0] if isinstance(fn, partial) and fn.args else fn
        self.names.append(getattr(called, "__qualname__", type(called).__name__))
        return super().submit(fn, *args, **kwargs)


def _check_cancellation(fleet: _Fleet) -> None:
    """After 20 aclaims were cancelled, at different moments, 20 others and a claim succeed."""

    async def check(one: _Worker, other: _Worker) -> None:
        for pause in (0, 0.001, 0.005):
            tasks = [asyncio.create_task(one.aclaim(_new_token())) for _ in range(20)]
            await asyncio.sleep(pause)
            for task in tasks:
                task.cancel()
            for result in await asyncio.gather(*tasks, return_exceptions=True):
                if isinstance(result, AssertionError):
                    raise result
            what = "each claim of a new token after 20 aclaims were cancelled"
            later = (one.aclaim(_new_token()) for _ in range(20))
            for outcome in await asyncio.gather(*later, one.call("claim", _new_token())):
                _expect(_ERRORS, True, what, outcome)
            _expect(_ERRORS, True, what, await other.aclaim(_new_token()))

    fleet.run(check)


def _check_fork(fleet: _Fleet) -> None:
    """A forked child claims new tokens, and parent and child know what the other one claimed.

    Left out where the operating system cannot fork.
    """
    if "fork" not in multiprocessing.get_all_start_methods():
        return
    with fleet.workers() as (worker, _):
        before, in_child = _new_token(), _new_token()
        _expect(_PROCESSES, True, "a first claim before the fork", worker.claim(before))
        new, used = _claim_in_child(worker, in_child, before)
        for expected, what, got in (
            ("True", "a first claim in the child", new),
            ("False", "a claim in the child of the parent's token", used),
        ):
            if got != expected:
                raise _broken(_PROCESSES, f"{expected} for {what}", got)
        what = "a claim in the parent of the child's token"
        _expect(_PROCESSES, False, what, worker.claim(in_child))
        what = "a first claim in the parent after the fork"
        _expect(_PROCESSES, True, what, worker.claim(_new_token()))


def _claim_in_child(worker: _Worker, *tokens: _Token) -> list[str]:
    """Fork a process that claims the tokens, and return what it reports about each claim."""
    context = multiprocessing.get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    child = context.Process(target=_child, args=(worker, tokens, sender), daemon=True)
    with receiver, sender, warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*multi-threaded, use of fork", DeprecationWarning)
        child.start()
        sender.close()  # so that the death of the child ends the wait
        reports = ["no answer from the child"] * len(tokens)
        if receiver.poll(LIMIT * (1 + len(tokens))):
            try:
                reports = receiver.recv()
            except EOFError:
                reports = ["the end of the child"] * len(tokens)
    child.kill()
    child.join()
    child.close()
    return reports


def _child(worker: _Worker, tokens: tuple[_Token, ...], sender: Connection) -> None:
    reports = []
    for token in tokens:
        try:
            reports.append(_described(worker.claim(token)))
        except AssertionError as error:
            reports.append(str(error))
    sender.send(reports)
