"""Decides how Okta treats the response of an inline hook. Pure.

GUESS marks undocumented behavior.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

from .delivery_rules import COMMANDS, CONSEQUENCES
from .inline_hooks import EmulatedHook
from .json_object import json_object

__all__ = ["MAX_TEXT", "Delivery", "DeliveryOutcome", "DeliveryStep", "judged"]

MAX_TEXT: Final = 150
"""The number of characters that are quoted from a response."""

DeliveryOutcome = Literal["commands", "no change", "error", "failed"]


@dataclass(frozen=True, slots=True)
class DeliveryStep:
    """One request of a delivery, with the kind and length of credentials but not their values."""

    name: str
    """"token" or "hook"."""
    request: str
    sent: Mapping[str, str] = field(default_factory=dict)
    """A description of the credentials in the request."""
    status: int | None = None
    """The status of the response. None: there was no response."""
    problem: str = ""
    body: str = ""
    """The start of the hook's response body."""
    milliseconds: float = 0.0

    @property
    def ok(self) -> bool:
        """Whether this step succeeded."""
        return not self.problem


@dataclass(frozen=True, slots=True)
class Delivery:
    """The result of delivering one event."""

    hook_id: str
    type: str
    steps: tuple[DeliveryStep, ...]
    outcome: DeliveryOutcome
    verdict: str
    """What Okta would do with the user's flow, in words."""
    commands: tuple[Mapping[str, Any], ...] = ()
    answer: Mapping[str, Any] = field(default_factory=dict, repr=False)
    """The hook's response, if it was a JSON object."""
    milliseconds: float = 0.0
    at: float = 0.0
    """The start time in epoch seconds."""

    @property
    def ok(self) -> bool:
        """Whether the hook responded as Okta requires."""
        return self.outcome in ("commands", "no change")

    def document(self) -> dict[str, Any]:
        """Return the delivery as JSON values."""
        return {**asdict(self), "ok": self.ok}


def judged(
    hook: EmulatedHook, steps: tuple[DeliveryStep, ...], body: bytes, spent: float
) -> Delivery:
    """Return how Okta treats a response with status 200 or 204."""
    is_empty = steps[-1].status == 204 or not body.strip()
    document = {} if is_empty else json_object(body)
    reply = document or {}
    problem = "the response is not a JSON object" if document is None else _problem(hook, reply)
    outcome: DeliveryOutcome
    if problem:
        outcome, verdict = "failed", f"{CONSEQUENCES[hook.type]}: {problem}"
        steps = (*steps[:-1], replace(steps[-1], problem=problem))
    else:
        outcome, verdict = _outcome(reply)
    commands = tuple(reply["commands"]) if outcome == "commands" else ()
    return Delivery(hook.id, hook.type, steps, outcome, verdict, commands, reply, spent)


def _problem(hook: EmulatedHook, reply: Mapping[str, Any]) -> str:
    """Return the problems of a reply's commands, which do not matter if it has an error."""
    if reply.get("error"):
        return ""
    commands = reply.get("commands", [])
    if not isinstance(commands, list) or not all(isinstance(each, dict) for each in commands):
        return "commands is not a list of objects"
    types = [each.get("type") for each in commands]
    known = COMMANDS[hook.type]
    strange = [each for each in types if not isinstance(each, str) or each not in known]
    if strange:
        # GUESS: what Okta does with a command of another hook is not documented.
        return f"{str(strange[0])[:MAX_TEXT]!r} is not a command of this hook"
    return ""


def _outcome(reply: Mapping[str, Any]) -> tuple[DeliveryOutcome, str]:
    """Return the effect of a valid reply."""
    error, commands = reply.get("error"), reply.get("commands")
    if error:
        summary = error.get("errorSummary") if isinstance(error, dict) else None
        words = str(summary or "no summary")[:MAX_TEXT]
        return "error", f"the flow ends with the hook's error: {words}"
    if not commands:
        return "no change", "the hook changes nothing"
    names = ", ".join(each["type"] for each in commands)
    return "commands", f"the hook's commands are carried out: {names}"
