"""The condition of verifiers, key sources, replay stores and endpoints, for probes. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, Protocol, TypeAlias, runtime_checkable

from .errors import ConfigurationError

__all__ = [
    "STATUSES",
    "CombinedHealth",
    "HasHealth",
    "HealthReport",
    "Part",
    "Status",
    "leaves",
    "most_severe",
]

Status: TypeAlias = Literal["healthy", "degraded", "failing"]
"""The condition of a part, or the worst one of several."""
STATUSES: Final[tuple[Status, ...]] = ("healthy", "degraded", "failing")
"""From the least to the most severe."""

Part: TypeAlias = Literal["keys", "replay", "jwks"]
"""A kind of part: a key source, a replay store or a ``JwksBridge``."""


class HealthReport(Protocol):
    """The condition of one part or of several.

    For example:

    >>> from hookkey_verify.health import CombinedHealth
    >>> CombinedHealth(status="degraded", parts=()).status
    'degraded'
    """

    @property
    def status(self) -> Status:
        """Healthy, degraded (it works with limits) or failing."""
        ...


@runtime_checkable
class HasHealth(Protocol):
    """An object that reports its condition.

    For example:

    >>> from hookkey_verify.health import CombinedHealth, HasHealth
    >>> class Database:  # a part of your own
    ...     def health(self):
    ...         return CombinedHealth(status="healthy", parts=())
    >>> isinstance(Database(), HasHealth)
    True
    """

    def health(self) -> HealthReport:
        """Return the condition. It sends no request and does not block."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class CombinedHealth:
    """The condition of a verifier or of a ``TokenEndpoint``.

    ``status``: failing if a key source is failing; degraded if another part is not healthy. A
        replay store that is failing makes it degraded only: taking a process out of service would
        not help, because all processes share the store, and only a claim shows that it works again.
    ``parts``: the condition of each key source and replay store that reports one.

    For example:

    >>> from hookkey_verify import IssuerKeys
    >>> from hookkey_verify.health import CombinedHealth
    >>> with IssuerKeys("https://acme.okta.com/oauth2/default") as keys:
    ...     CombinedHealth.of([keys.health()]).status
    'healthy'
    """

    status: Status
    parts: tuple[HealthReport, ...]

    @classmethod
    def of(cls, objects: Iterable[object]) -> CombinedHealth:
        """Return the condition of those objects that report one.

        Raises ``ConfigurationError`` if an object of yours reports another status.
        """
        reports = [each.health() for each in objects if isinstance(each, HasHealth)]
        parts = tuple(part for report in reports for part in leaves(report))
        if not all(getattr(part, "status", None) in STATUSES for part in parts):
            raise ConfigurationError(
                'health() must return an object whose status is "healthy", "degraded" or "failing"'
            )
        return cls(status=most_severe(map(_effect, parts)), parts=parts)


def leaves(report: HealthReport) -> tuple[HealthReport, ...]:
    """Return the parts of a report, or the report itself if it has none."""
    return report.parts if isinstance(report, CombinedHealth) else (report,)


def most_severe(statuses: Iterable[Status]) -> Status:
    """Return the most severe of these; healthy if there are none."""
    return STATUSES[max(map(STATUSES.index, statuses), default=0)]


def _effect(part: HealthReport) -> Status:
    """Return what the condition of a part means for the whole."""
    is_replay = getattr(part, "part", "") == "replay"
    return "degraded" if is_replay and part.status == "failing" else part.status
