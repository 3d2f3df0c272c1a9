"""SharedKeyStore, a protocol for stores of all workers, and BoundedStore, which limits its use."""

from __future__ import annotations

import logging
from typing import Any, Protocol, runtime_checkable

from .._runtime.backoff import Backoff
from .._runtime.bounded import call_within
from .._runtime.clock import Clock
from ..errors import ConfigurationError
from ..events import EventName, Reporter

__all__ = ["BoundedStore", "SharedKeyStore", "StoreUnavailableError"]

STEP = 0.5
"""Seconds for one call of the store: a client's timeout may start again with each byte."""
PAUSES = (1, 30)
"""Seconds for which a store that failed is bypassed: at first, and at most."""


@runtime_checkable
class SharedKeyStore(Protocol):
    """A store of small records with a lifetime, shared by all workers.

    Its methods may raise anything; the store then counts as unavailable. ``namespace`` is the URL
    of the source, so that two sources never mix. ``name`` is a kid, or a name that is not a kid.

    For example:

    >>> from hookkey_verify.keys.store import SharedKeyStore
    >>> [name for name in vars(SharedKeyStore) if not name.startswith("_")]
    ['read', 'write', 'lease', 'release', 'spend']
    """

    def read(self, namespace: str, name: str) -> tuple[bytes, float] | None:
        """Return the record and its remaining seconds, or None if there is none."""
        ...

    def write(self, namespace: str, name: str, record: bytes, seconds: float) -> None:
        """Keep the record for this many seconds."""
        ...

    def lease(self, namespace: str, name: str, seconds: float) -> str | None:
        """Return a token to one caller at a time, for at most this many seconds; None to others."""
        ...

    def release(self, namespace: str, name: str, token: str) -> None:
        """Release the lease if it still has this token."""
        ...

    def spend(self, namespace: str, burst: int, interval: float) -> float:
        """Take one fetch from the budget of all workers and return 0.

        Return the seconds until there is one if the budget is spent. It holds ``burst`` fetches and
        regains one every ``interval`` seconds.
        """
        ...


class StoreUnavailableError(Exception):
    """The store cannot be used now. Key sources do not raise it.

    For example:

    >>> from hookkey_verify.keys.store import StoreUnavailableError
    >>> raise StoreUnavailableError("the connection was lost")
    Traceback (most recent call last):
        ...
    hookkey_verify.keys.store.StoreUnavailableError: the connection was lost
    """


class BoundedStore:
    """A ``SharedKeyStore`` bounded in time, and bypassed for a while after a failure."""

    def __init__(self, store: SharedKeyStore, report: Reporter, clock: Clock) -> None:
        """Wrap a store.

        ``store``: the user's store.
        ``report``: reports events; its source is the namespace of the records.
        ``clock``: returns monotonic seconds.

        Raises ``ConfigurationError`` if the store lacks a method.
        """
        if not isinstance(store, SharedKeyStore):
            raise ConfigurationError("shared must be a store such as ValkeyKeyStore")
        self._store = store
        self.report = report
        self.clock = clock
        self._backoff = Backoff(*PAUSES)
        self._failures = 0
        self._bypassed_until = float("-inf")

    def call(self, method: str, *arguments: object, deadline: float) -> Any:
        """Call a method of the store. Raises ``StoreUnavailableError``.

        ``method``, ``arguments``: the method, and its arguments after the namespace.
        ``deadline``: when the caller stops waiting, in monotonic seconds.
        """
        now = self.clock()
        if now < self._bypassed_until:
            raise StoreUnavailableError
        function = getattr(self._store, method)
        try:
            result = call_within(
                min(STEP, deadline - now), function, self.report.source, *arguments
            )
        except BaseException as error:
            if isinstance(error, TimeoutError) and deadline - now < STEP:
                raise StoreUnavailableError from None  # the caller had too little time
            self._failures += 1
            self._bypassed_until = self.clock() + self._backoff.after(self._failures)
            self.report(EventName.SHARED, outcome="unavailable")
            text = f"the shared store cannot be used ({type(error).__name__})"
            self.report.log(logging.WARNING, f"{self.report.source}: {text}")
            raise StoreUnavailableError from None
        self._failures = 0
        return result
