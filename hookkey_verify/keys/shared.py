"""SharedFetch: one upstream fetch for all workers, through a store that they share. No network.

The store holds, for ``fresh_for``, what the source answered: the key document, or that there is no
such key. One worker at a time has the lease to ask the source; the others wait for its record. What
is read is imported like any other document, is never older than it says, and is only as good as the
store: ``ValkeyKeyStore`` authenticates it. A store that is down, slow or holds garbage is passed
over: every worker then asks the source itself.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from typing import Any, Protocol, runtime_checkable

from .._jose.encoding import EncodingError, json_object
from .._jose.jwk import PublicKey
from .._runtime import clock as clocks
from .._runtime.clock import Clock, monotonic_clock
from .._runtime.forking import renew_after_fork
from .._runtime.log import logger
from ..errors import (
    ConfigurationError,
    HookVerificationError,
    KeyRejectedError,
    UnknownKeyError,
)
from ..events import EventName, OnEvent, Reporter
from .cache import Fetch, Fetched
from .policy import CachePolicy

__all__ = ["SharedFetch", "SharedKeyStore"]

PATIENCE = 0.4
"""The part of ``fetch_timeout`` for which another worker's fetch is waited for; the rest is for our
own, should the other one have died."""
STEP = 0.5
"""Seconds for one step of the store: a client's time-out may count from one octet to the next."""
POLL = 0.02
"""Seconds between two looks for its record."""

SKEW = 60
"""Seconds by which the clocks of two hosts may differ."""
LONGEST = 86_400
"""Seconds that any record may claim to be fresh for."""


@runtime_checkable
class SharedKeyStore(Protocol):
    """A store of small records with a lifetime, shared by workers.

    Its methods may raise anything: the store then counts as not being there. ``namespace`` is the
    URL of the source, so that two sources never mix.
    """

    def read(self, namespace: str, kid: str) -> tuple[bytes, float] | None:
        """Return the record and how many seconds it has left; None when there is none."""
        ...

    def write(self, namespace: str, kid: str, record: bytes, seconds: float) -> None:
        """Keep the record for so long."""
        ...

    def lease(self, namespace: str, kid: str, seconds: float) -> str | None:
        """Return a token for the one that may fetch, for so long at most; None for all others."""
        ...

    def release(self, namespace: str, kid: str, token: str) -> None:
        """Give the lease back, if it is still the token's."""
        ...


class SharedFetch:
    """A ``Fetch`` that looks into a shared store before it asks the source."""

    def __init__(
        self,
        fetch: Fetch,
        store: SharedKeyStore,
        policy: CachePolicy,
        *,
        namespace: str,
        unknown: str,
        on_event: OnEvent | None = None,
        clock: Clock = monotonic_clock,
        wall_clock: Clock = clocks.wall_clock,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """``unknown`` is what to say when another worker was told that there is no such key.

        Raises ``ConfigurationError`` when ``store`` is no store.
        """
        if not isinstance(store, SharedKeyStore):
            raise ConfigurationError("shared must be a store such as ValkeyKeyStore")
        self._fetch = fetch
        self._store = store
        self._policy = policy
        self._namespace = namespace
        self._unknown = unknown
        self._report = Reporter(namespace, on_event)
        self._clock = clock
        self._sleep = sleep
        self._wall_clock = wall_clock
        self._distrusted: dict[str, object] = {}
        self.renew()
        renew_after_fork(self)

    def renew(self) -> None:
        """In a forked child: whoever held the lock is gone."""
        self._lock = threading.Lock()

    def distrust(self, kid: str) -> None:
        """Ask the source for this kid next time, whatever the store has."""
        with self._lock:
            self._distrusted[kid] = object()

    def __call__(self, kid: str, deadline: float) -> Fetched:
        """Return what the store has, or what the source answers; store that for the others."""
        if kid in self._distrusted:
            return self._ask(kid, deadline)
        found, token = self._find(kid, deadline)
        if found is not None and token is None:
            return found
        try:
            fetched = self._ask(kid, deadline)
        except UnknownKeyError:
            self._release(kid, token)
            raise
        except KeyRejectedError:  # no outage: nothing old is served instead
            raise
        except HookVerificationError as error:
            # The lease is left to run out: that is the whole fleet's pause before the next attempt.
            if found is not None:
                return found._replace(problem=error.with_traceback(None))
            raise
        self._release(kid, token)
        return fetched

    def _find(self, kid: str, deadline: float) -> tuple[Fetched | None, str | None]:
        """Return a record that will do; or the lease, beside a record that is still good if any.

        Neither: the store cannot be used, or whoever has the lease takes too long.
        """
        now = self._clock()
        patience = now + PATIENCE * (deadline - now)
        waited = False
        try:
            while True:
                found = self._read(kid)
                if self._is_young(found):
                    self._report(EventName.SHARED, kid, "hit")
                    return found, None
                token = self._step("lease", kid, self._policy.fetch_timeout)
                if token is not None:
                    return self._with_lease(kid, token)
                # Old but good, and whoever has the lease is at it.
                if found is not None or patience <= self._clock():
                    return found, None
                if not waited:
                    self._report(EventName.SHARED, kid, "waited")
                    waited = True
                self._sleep(POLL)
        except HookVerificationError:
            self._report(EventName.SHARED, kid, "hit")
            raise
        except Exception as error:
            self._unavailable(kid, error)
            return None, None

    def _with_lease(self, kid: str, token: str) -> tuple[Fetched | None, str | None]:
        # Whoever had it before may have written between our read and our lease.
        found = self._read(kid)
        if self._is_young(found):
            self._release(kid, token)
            self._report(EventName.SHARED, kid, "hit")
            return found, None
        self._report(EventName.SHARED, kid, "miss")
        return found, token

    def _is_young(self, found: Fetched | None) -> bool:
        """Younger than any cache begins to refresh it."""
        policy = self._policy
        return found is not None and found.age < policy.fresh_for * (1 - policy.refresh_ahead)

    def _ask(self, kid: str, deadline: float) -> Fetched:
        distrusted = self._distrusted.get(kid)
        try:
            fetched = self._fetch(kid, deadline)
        except UnknownKeyError:
            self._write(kid, {"unknown": True}, self._policy.negative_for, distrusted)
            raise
        if fetched.key is not None:
            jwk = fetched.key.as_jwk()
            self._write(kid, {"jwk": jwk}, self._policy.fresh_for, distrusted)
        return fetched

    def _read(self, kid: str) -> Fetched | None:
        """Import the record; garbage counts as none. Raises ``UnknownKeyError`` if it says so."""
        kept = self._step("read", kid)
        if kept is None:
            return None
        octets, left = kept
        with suppress(EncodingError, KeyRejectedError):
            record = json_object(octets)
            age = self._age(record, left)
            if age is not None and record.get("unknown") is True:
                told = UnknownKeyError(self._unknown)
                told.age = age
                raise told
            if age is not None:
                key = PublicKey.from_document(record.get("jwk"), expected_kid=kid)
                found = Fetched(key, age, from_shared_store=True)
                return found if age < self._policy.fresh_for else None
        self._report(EventName.SHARED, kid, "garbage")
        logger.warning("%s: a record of the shared store is not to be believed", self._namespace)
        return None

    def _age(self, record: dict[str, Any], left: float) -> float | None:
        """How old a record is; None: it is none of ours, or has outlived itself.

        By the store's clock; and by the time that is written in it, because whoever can write into
        the store can prolong a record's life without knowing the secret. Clocks of hosts differ, so
        that time is believed with some tolerance.
        """
        lifetime, stored_at = record.get("lifetime"), record.get("stored_at")
        if not isinstance(lifetime, int | float) or not isinstance(stored_at, int | float):
            return None
        by_date = self._wall_clock() - stored_at
        if not 0 < left <= lifetime <= LONGEST or not -SKEW <= by_date <= lifetime + SKEW:
            return None
        return max(lifetime - left, by_date - SKEW)

    def _write(self, kid: str, record: dict[str, Any], seconds: float, distrusted: object) -> None:
        with self._lock:
            if self._distrusted.get(kid) is not distrusted:
                return  # distrusted anew while this answer was on its way
            self._distrusted.pop(kid, None)
        if seconds <= 0:
            return
        record = {**record, "lifetime": seconds, "stored_at": self._wall_clock()}
        try:
            self._step("write", kid, json.dumps(record).encode(), seconds)
        except Exception as error:
            self._unavailable(kid, error)
        else:
            self._report(EventName.SHARED, kid, "stored")

    def _unavailable(self, kid: str, error: Exception) -> None:
        self._report(EventName.SHARED, kid, "unavailable")
        kind = type(error).__name__
        logger.warning("%s: the shared store cannot be used (%s)", self._namespace, kind)

    def _step(self, method: str, kid: str, *arguments: object) -> Any:
        """Call the store, and leave it when it takes too long, whatever it is doing."""
        done: Future[object] = Future()

        def call() -> None:
            try:
                done.set_result(getattr(self._store, method)(self._namespace, kid, *arguments))
            except BaseException as error:
                done.set_exception(error)

        threading.Thread(target=call, name="hookkey-store", daemon=True).start()
        return done.result(STEP)

    def _release(self, kid: str, token: str | None) -> None:
        if token is not None:
            with suppress(Exception):  # it runs out by itself
                self._step("release", kid, token)
