"""The diagnosis of an org's hooks: failures, recursion and missing scopes. Pure."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from ..errors import NotFoundError
from .authorization_servers import READ as READ_SERVERS
from .failures import Cause, HookFailure, with_cause
from .models import InlineHook, LogEvent
from .recursion import RecursionTrap

__all__ = [
    "READ_HOOKS",
    "READ_LOGS",
    "READ_SERVERS",
    "SCOPES",
    "Diagnosis",
    "refined",
    "wanted_ids",
]

READ_LOGS: Final = "okta.logs.read"
READ_HOOKS: Final = "okta.inlineHooks.read"
SCOPES: Final = (READ_LOGS, READ_HOOKS, READ_SERVERS)
"""The scopes for a complete diagnosis."""
SKEW: Final = 60.0
"""Seconds of difference from Okta's clock that explain a refused token: the verifier's leeway."""
_MAYBE_SKEW: Final = (Cause.STATUS, Cause.TOKEN_FETCH)
_REFUSALS: Final = ("400", "401")
_MAYBE_RECURSION: Final = (Cause.NO_ANSWER, Cause.TOKEN_FETCH, Cause.UNKNOWN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The failures of an org's hooks, and the facts that explain them.

    For example:

    >>> from hookkey_verify import ApiToken
    >>> from hookkey_verify.emulator import OktaEmulator
    >>> from hookkey_verify.okta import SystemLogClient
    >>> with OktaEmulator() as okta, SystemLogClient(okta.url, ApiToken(okta.api_token)) as log:
    ...     found = log.diagnose()
    >>> found.failures, found.traps, found.missing
    ((), (), ())
    """

    failures: tuple[HookFailure, ...]
    traps: tuple[RecursionTrap, ...] = ()
    """Token hooks that call themselves, whether they have failed or not."""
    missing: tuple[str, ...] = ()
    """Scopes that the credentials lack. Without okta.logs.read, there are no failures."""
    clock_skew: float | None = None
    """Seconds by which this machine's clock is ahead of Okta's. None: unknown."""
    until: datetime | None = None
    """The time of the diagnosis, by Okta's clock."""
    hook_ids: frozenset[str] | None = None
    """The ids of the hooks that were asked for. None: all."""
    uuids: frozenset[str] = field(default=frozenset(), repr=False)
    """The ``uuid`` of each event that was read."""


def wanted_ids(
    hook: str | None, hooks: list[InlineHook], events: list[LogEvent], *, is_complete: bool
) -> frozenset[str] | None:
    """Return the ids of the hooks with this name or id; None: all hooks."""
    if hook is None:
        return None
    ids = {each.id for each in hooks if hook in (each.id, each.name)}
    ids |= {event.target_id for event in events if hook in (event.target_id, event.target_name)}
    if not ids and is_complete:
        raise NotFoundError(f"the org has no inline hook {hook!r}: pass the name or the id of one")
    return frozenset(ids)


def refined(
    failure: HookFailure, traps: Collection[RecursionTrap], skew: float | None
) -> HookFailure:
    """Return the failure with a cause that the System Log alone does not show."""
    is_trapped = any(trap.hook_id == failure.hook_id for trap in traps)
    if is_trapped and failure.cause in _MAYBE_RECURSION and not failure.detail:
        return with_cause(failure, Cause.RECURSION)
    is_refusal = failure.cause in _MAYBE_SKEW and failure.detail in _REFUSALS
    if is_refusal and skew is not None and abs(skew) > SKEW:
        return with_cause(failure, Cause.CLOCK_SKEW)
    return failure
