"""first_of: several key sources as one."""

from __future__ import annotations

from collections.abc import Iterator

from ..clock import Clock, monotonic_clock
from ..errors import (
    ConfigurationError,
    HookVerificationError,
    KeyRejectedError,
    KeySourceConfigurationError,
    KeyUnavailableError,
)
from ..jwk import PublicKey
from ..verifier import KeySource

__all__ = ["first_of"]

MAX_HOMES = 1024

# Which error is told when no source has the key. As long as one source could not be asked, nobody
# knows that the key does not exist.
_GRAVITY = (
    KeyUnavailableError,
    KeySourceConfigurationError,
    KeyRejectedError,
    HookVerificationError,
)


def first_of(
    *sources: KeySource, timeout: float = 2.5, clock: Clock = monotonic_clock
) -> KeySource:
    """Return a source that asks these in order: several orgs, or hook keys and an issuer's keys.

    The first one that has the kid gives the key, and is asked first for that kid from then on; so
    give ``HookVerifier`` every issuer that it may accept. ``timeout`` is in seconds for a look-up
    in all; ``clock`` returns monotonic seconds. When none has the key, the error is
    ``UnknownKeyError`` only if every source said so. Raises ``ConfigurationError`` without a
    source.
    """
    return _FirstOf(sources, timeout, clock)


class _FirstOf:
    def __init__(self, sources: tuple[KeySource, ...], timeout: float, clock: Clock) -> None:
        if not sources or not all(isinstance(source, KeySource) for source in sources):
            raise ConfigurationError("first_of takes key sources, at least one")
        if type(timeout) not in (int, float) or not 0 < timeout <= 60:
            raise ConfigurationError("timeout must be a number of seconds up to 60")
        if not callable(clock):
            raise ConfigurationError("clock must be a function that returns monotonic seconds")
        self._sources = sources
        self._timeout = timeout
        self._clock = clock
        self._homes: dict[str, KeySource] = {}

    def __repr__(self) -> str:
        return f"first_of({', '.join(map(repr, self._sources))})"

    def get(self, kid: str, *, deadline: float | None = None) -> PublicKey:
        """Return the first key, or raise the gravest error."""
        deadline = self._clock() + self._timeout if deadline is None else deadline
        errors = []
        for source in self._in_order(kid):
            try:
                return self._remember(kid, source, source.get(kid, deadline=deadline))
            except HookVerificationError as error:
                errors.append(error)
        raise _gravest(errors) from None

    async def aget(self, kid: str, *, deadline: float | None = None) -> PublicKey:
        """Do as ``get`` without blocking the event loop."""
        deadline = self._clock() + self._timeout if deadline is None else deadline
        errors = []
        for source in self._in_order(kid):
            try:
                return self._remember(kid, source, await source.aget(kid, deadline=deadline))
            except HookVerificationError as error:
                errors.append(error)
        raise _gravest(errors) from None

    def close(self) -> None:
        """Close all."""
        for source in self._sources:
            source.close()

    def _in_order(self, kid: str) -> Iterator[KeySource]:
        # Else every key of the second source would cost the first one a call a minute.
        home = self._homes.get(kid) if isinstance(kid, str) else None
        if home is not None:
            yield home
        for source in self._sources:
            if source is not home:
                yield source

    def _remember(self, kid: str, source: KeySource, key: PublicKey) -> PublicKey:
        if self._homes.get(kid) is not source:
            if len(self._homes) >= MAX_HOMES:
                self._homes.clear()
            self._homes[kid] = source
        return key


def _gravest(errors: list[HookVerificationError]) -> HookVerificationError:
    return next(error for kind in _GRAVITY for error in errors if isinstance(error, kind))
