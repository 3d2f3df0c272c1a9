"""The problems that ``check_reply`` finds. Pure."""

from __future__ import annotations

from typing import Literal, NamedTuple, TypeAlias

from .pointer import join
from .rules import SOURCES

__all__ = ["Path", "ReplyProblem", "Report"]

Path: TypeAlias = tuple[str | int, ...]
"""The names and indexes that lead to a member of the reply."""


class ReplyProblem(NamedTuple):
    """One thing that is wrong with a reply.

    ``path``: the JSON Pointer (RFC 6901) of the member; empty for the whole reply.
    ``rule``: the name of the rule.
    ``message``: what is wrong. It contains no value of the reply.
    ``severity``: ``error`` if a documented rule is broken, otherwise ``warning``.
    ``source``: the page that the rule comes from.

    For example:

    >>> from hookkey_verify.hooks import TokenHook, check_reply
    >>> patch = {"op": "add", "path": "/x"}
    >>> reply = {"commands": [{"type": "com.okta.access.patch", "value": [patch]}]}
    >>> for problem in check_reply(TokenHook, reply):
    ...     print(problem.severity, problem.path, problem.rule)
    error /commands/0/value/0/path token_path
    """

    path: str
    rule: str
    message: str
    severity: Literal["error", "warning"]
    source: str


class Report:
    """Collects the problems of one reply in the order in which they are found."""

    __slots__ = ("problems",)

    def __init__(self) -> None:
        self.problems: list[ReplyProblem] = []

    def error(self, path: Path, rule: str, message: str) -> None:
        """Add a violation of a documented rule."""
        self._add(path, rule, message, "error")

    def warning(self, path: Path, rule: str, message: str) -> None:
        """Add something that is allowed, but has an unwanted or undocumented effect."""
        self._add(path, rule, message, "warning")

    def unknown_member(self, path: Path) -> None:
        """Add a warning about a member that Okta does not document."""
        self.warning(path, "unknown_member", "Okta documents no such member.")

    def _add(
        self, path: Path, rule: str, message: str, severity: Literal["error", "warning"]
    ) -> None:
        self.problems.append(ReplyProblem(join(path), rule, message, severity, SOURCES[rule]))
