"""SharedFetch: one request to the source for all workers of a fleet, through a store.

The store has one record for each name: the value, or that there is none, and how the last attempt
to refresh it failed. One worker at a time has the lease to ask the source; the others wait for its
record. Records are read like any other document, and are only as good as the store:
``ValkeyKeyStore`` authenticates them. While a store is down or slow, each worker asks the source.
"""

from __future__ import annotations

import json
import logging
import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Generic, NamedTuple, TypeVar

from cachetools import LRUCache

from .. import errors
from .._jose.encoding import EncodingError, json_object
from .._runtime import clock as clocks
from .._runtime.backoff import Backoff, jitter
from .._runtime.bounded import call_within
from .._runtime.clock import Clock
from .._runtime.forking import PerProcess
from ..events import EventName
from .flight import Fetched
from .policy import CachePolicy
from .refreshing import BUDGET_SPENT, Fetch
from .store import STEP, BoundedStore, StoreUnavailableError

__all__ = ["Codec", "SharedFetch"]

V = TypeVar("V")

POLLS = (0.02, 0.1)
"""Seconds between two reads while another worker holds the lease: first and maximum."""
TAKEOVER = 0.3
"""Seconds that a worker must have left to take over the lease of one that died."""
PATIENCE = 2
"""Consecutive waits without a record after which a worker asks the source without a lease."""
PATIENCE_WITH_STORE = 0.25
"""Seconds for which callers who have an answer wait until it is stored. Not zero, because a process
may end or be frozen as soon as it has the answer, and others wait for its record."""
SKEW = 60
"""Seconds by which the clocks of two hosts may differ."""
LONGEST = 86_400
"""The longest lifetime of a record, in seconds."""
_GARBAGE = (
    EncodingError, errors.KeyRejectedError, TypeError, ValueError, LookupError, ArithmeticError,
)  # fmt: skip
_ELSEWHERE = "another worker failed to fetch it; see its log"
_FAILURES: dict[object, type[errors.HookVerificationError]] = {
    str(kind.reason): kind
    for kind in (
        errors.KeySourceThrottledError, errors.KeySourceConfigurationError, errors.KeyRejectedError,
    )
}  # fmt: skip


class Codec(NamedTuple, Generic[V]):
    """How a value is written into a record, and read from the record of a name.

    ``decode`` raises ``KeyRejectedError`` if it does not accept the record.
    """

    encode: Callable[[V], object]
    decode: Callable[[str, object], V]


class _Record(NamedTuple, Generic[V]):
    """What the store has: a fresh value, and the last error while its pause lasts.

    ``confirmed_at``: when the source confirmed the value, in epoch seconds.
    """

    found: Fetched[V] | None = None
    error: errors.HookVerificationError | None = None
    failures: int = 0
    confirmed_at: float = 0.0


class SharedFetch(Generic[V]):
    """A ``Fetch`` that looks into a shared store before it asks the source."""

    def __init__(
        self,
        fetch: Fetch[V],
        store: BoundedStore,
        codec: Codec[V],
        policy: CachePolicy,
        *,
        unknown: str = "",
        names_are_kids: bool = True,
        is_free: Callable[[str], bool] = lambda _: True,
        wall_clock: Clock = clocks.wall_clock,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Share a fetch.

        ``fetch``: asks the source.
        ``store``: the store that all workers share.
        ``codec``: how values are written and read.
        ``policy``: how long records are young, and the pauses after failures.
        ``unknown``: the error text for a name that, according to another worker, does not exist.
        ``names_are_kids``: whether events carry the names. Default True.
        ``is_free``: whether a name does not need the budget for unknown names. Default: none does.
        ``wall_clock``: returns epoch seconds. Default: ``time.time``.
        ``sleep``: waits for some seconds. Default: ``time.sleep``.
        """
        self._fetch = fetch
        self._store = store
        self._clock = store.clock
        self._codec = codec
        self._policy = policy
        self._unknown = unknown
        self._names_are_kids = names_are_kids
        self._is_free = is_free
        self._wall_clock = wall_clock
        self._sleep = sleep
        self._backoff = Backoff(policy.backoff, policy.max_backoff)
        self._lock = PerProcess(threading.Lock)
        self._distrusted: LRUCache[str, object] = LRUCache(policy.max_unknown_kids)
        self._in_vain: dict[str, int] = {}
        """How often in a row each name was waited for until the deadline."""

    def distrust(self, name: str) -> None:
        """Ask the source for this name until the answer is stored, whatever the store has."""
        with self._lock():
            self._distrusted[name] = object()

    def __call__(self, name: str, deadline: float) -> Fetched[V]:
        """Return what the store has, or what the source answers, and store that for the others."""
        with self._lock():
            distrusted = self._distrusted.get(name)
        record: _Record[V] = _Record()
        token: str | None = ""
        if distrusted is None:
            try:
                record, token = self._find(name, deadline)
            except StoreUnavailableError:
                return self._fetch(name, deadline)
        if token is None:
            return _result(record)
        try:
            return self._ask(name, record, token, deadline, distrusted)
        except errors.HookVerificationError as error:
            return _result(record._replace(error=error.with_traceback(None)))

    # --- the record of another worker

    def _find(self, name: str, deadline: float) -> tuple[_Record[V], str | None]:
        """Return a usable record and None, or an outdated record and a lease.

        An empty lease means to ask the source without one.
        """
        pause, longest = POLLS
        while True:
            record = self._read(name, deadline)
            left, token = deadline - self._clock(), None
            first = pause == POLLS[0]
            if not self._is_usable(record) and (left >= TAKEOVER or first):
                token = self._store.call("lease", name, left + STEP, deadline=deadline)
                if token is not None:  # the last lease holder may have written in between
                    record = self._read(name, deadline)
            if token is not None or self._is_usable(record):
                self._in_vain.pop(name, None)
            if self._is_usable(record):
                self._release(name, token, deadline)
                known = record.found is not None or isinstance(record.error, errors.UnknownKeyError)
                self._tell(name, "hit" if known else "failed")
                return record, None
            if token is not None or record.found is not None:  # or the lease holder refreshes it
                self._tell(name, "hit" if token is None else "miss")
                return record, token
            if self._in_vain.get(name, 0) >= PATIENCE:
                return record, ""
            if left <= pause + longest:  # with less time, a slow read would look like a failure
                if len(self._in_vain) >= self._policy.max_unknown_kids:
                    self._in_vain.clear()
                self._in_vain[name] = self._in_vain.get(name, 0) + 1
                slow = errors.KeyUnavailableError("the worker that fetches the key takes too long")
                return record._replace(error=slow), None
            if first:
                self._tell(name, "waited")
            self._sleep(jitter(pause / 2, pause))
            pause = min(longest, pause * 1.5)

    def _is_usable(self, record: _Record[V]) -> bool:
        """Whether no request is needed: an error that still applies, or a value that is not due."""
        young = self._policy.fresh_for * (1 - self._policy.refresh_ahead)
        return record.error is not None or (record.found is not None and record.found.age < young)

    def _read(self, name: str, deadline: float) -> _Record[V]:
        kept = self._store.call("read", name, deadline=deadline)
        if kept is None:
            return _Record()
        with suppress(*_GARBAGE):
            data, left = kept
            document = json_object(bytes(memoryview(data)))
            if left == 0:  # in its last moment
                return _Record()
            age = self._age(document, left)
            if age is not None:
                return self._decoded(name, document, age)
        self._tell(name, "garbage")
        report = self._store.report
        report.log(logging.WARNING, f"{report.source}: a record of the shared store is not valid")
        return _Record()

    def _age(self, document: dict[str, Any], left: float) -> float | None:
        """Return the age of a record, or None if it is not one of ours or should be gone.

        It is the older of two: by the store's clock, and by the date in the record, because anyone
        who can write to the store can extend a record's lifetime without knowing the secret. The
        clocks of hosts differ, so the date has a tolerance.
        """
        lifetime: float = document["lifetime"] + 0.0
        age, by_date = lifetime - left, self._since(document["stored_at"])
        if not -0.001 < age < lifetime <= LONGEST or not -2 * SKEW <= by_date <= lifetime:
            return None
        return max(0.0, age, by_date)

    def _since(self, date: float) -> float:
        """Return the seconds since a date, less the tolerance. Raises ``TypeError``."""
        return self._wall_clock() - (date + 0.0) - SKEW

    def _decoded(self, name: str, document: dict[str, Any], age: float) -> _Record[V]:
        if document.get("unknown") is True:
            unknown = errors.UnknownKeyError(self._unknown)
            unknown.age = age
            return _Record(error=unknown if age < self._policy.negative_for else None)
        found, error = None, None
        value, confirmed_at = (
            document.get("value"),
            document.get("confirmed_at", document["stored_at"]),
        )
        value_age = max(age + document.get("age", 0.0), self._since(confirmed_at))
        failures, left = int(document.get("failures", 0)), document.get("pause", 0) - age
        if value is None and failures < 1:
            raise ValueError("an empty record")
        if value is not None and value_age < self._policy.fresh_for:
            found = Fetched(self._codec.decode(name, value), value_age, from_shared_store=True)
        if left > 0:
            reason = document.get("reason")
            error = _FAILURES.get(reason, errors.KeyUnavailableError)(_ELSEWHERE)
            if isinstance(error, errors.KeyUnavailableError):
                error.retry_after = left
            if isinstance(
                error, errors.KeySourceThrottledError | errors.KeySourceConfigurationError
            ):
                error.whole_source = document.get("whole_source") is True
        return _Record(found, error, failures, confirmed_at)

    # --- our own request

    def _ask(
        self, name: str, record: _Record[V], token: str, deadline: float, distrusted: object
    ) -> Fetched[V]:
        began, document, lifetime = self._clock(), dict[str, Any](), 0.0
        try:
            self._spend(name, deadline)
            fetched = self._fetch(name, deadline)
            document = {"value": self._codec.encode(fetched.value)}
            lifetime = self._policy.fresh_for
            return fetched
        except errors.UnknownKeyError:
            # It replaces the value as long as that could live, but counts for negative_for only.
            document, lifetime = {"unknown": True}, self._policy.fresh_for
            raise
        except errors.KeyLookupLimitedError:
            raise
        except errors.HookVerificationError as error:
            document, lifetime = self._failure(error, record)
            raise
        finally:
            if self._clock() > deadline + STEP:  # the process was frozen: others know better
                lifetime = 0
            now, age = self._wall_clock(), self._clock() - began
            document = {"age": age, "confirmed_at": now - age, **document}
            document |= {"lifetime": lifetime, "stored_at": now}
            with suppress(TimeoutError):  # then it goes on in the background
                call_within(PATIENCE_WITH_STORE, self._finish, name, document, token, distrusted)

    def _spend(self, name: str, deadline: float) -> None:
        if self._is_free(name):
            return
        policy, wait = self._policy, 0.0
        with suppress(StoreUnavailableError, TypeError):  # this process has paid from its own
            burst, interval = policy.first_seen_burst, policy.first_seen_interval
            wait = self._store.call("spend", burst, interval, deadline=deadline) + 0.0
        if wait > 0 and math.isfinite(wait):
            wait = min(wait, policy.first_seen_interval)  # whatever the store says
            raise errors.KeyLookupLimitedError(BUDGET_SPENT, retry_after=wait)

    def _failure(
        self, error: errors.HookVerificationError, record: _Record[V]
    ) -> tuple[dict[str, Any], float]:
        """Return a record of a failure and its lifetime: the fleet makes one attempt per pause."""
        pause = self._backoff.after(record.failures + 1)
        if isinstance(error, errors.KeySourceThrottledError):
            pause = min(LONGEST, max(pause, error.retry_after))
        document = {
            "failures": record.failures + 1,
            "pause": pause,
            "reason": str(error.reason),
            "whole_source": getattr(error, "whole_source", False),
        }
        lifetime = min(LONGEST, 2 * pause)  # so that the next failure is counted as consecutive
        if record.found is not None:
            document["value"] = self._codec.encode(record.found.value)
            document["age"], document["confirmed_at"] = record.found.age, record.confirmed_at
            lifetime = max(lifetime, self._policy.fresh_for - record.found.age)
        return document, lifetime

    def _finish(self, name: str, document: dict[str, Any], token: str, distrusted: object) -> None:
        """Store the result of a request, and release the lease."""
        deadline, lifetime, stored = self._clock() + 2 * STEP, document["lifetime"], False
        with self._lock():
            current = self._distrusted.get(name) is distrusted
        if current and lifetime > 0:
            data = json.dumps(document).encode()
            with suppress(StoreUnavailableError):
                self._store.call("write", name, data, lifetime, deadline=deadline)
                self._tell(name, "stored")
                stored = True
        if "unknown" in document and not stored:  # the store may still have the key
            self.distrust(name)
        elif stored and "failures" not in document:
            with self._lock():
                if self._distrusted.get(name) is distrusted:
                    self._distrusted.pop(name, None)
        self._release(name, token, deadline)

    def _release(self, name: str, token: str | None, deadline: float) -> None:
        if token:
            with suppress(StoreUnavailableError):  # it expires by itself
                self._store.call("release", name, token, deadline=deadline + STEP)

    def _tell(self, name: str, outcome: str) -> None:
        self._store.report(EventName.SHARED, name if self._names_are_kids else None, outcome)


def _result(record: _Record[V]) -> Fetched[V]:
    """Return the value of a record with its problem, or raise its error."""
    if record.found is None or isinstance(
        record.error, errors.UnknownKeyError | errors.KeyRejectedError
    ):
        raise record.error or errors.KeyUnavailableError("the store has no key")
    return record.found._replace(problem=record.error)
