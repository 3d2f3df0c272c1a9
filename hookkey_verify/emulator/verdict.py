"""Decides how Okta treats the response of an inline hook. Pure.

``hooks.check_reply`` finds what is wrong with a reply. GUESS marks undocumented behavior.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final, Literal

from ..hooks.check import ReplyProblem, check_reply
from .delivery_rules import CONSEQUENCES, ENDS_WITH_ERROR, UNCHANGED
from .inline_hooks import EmulatedHook
from .json_object import decoded, displayable
from .secret_values import without

__all__ = ["MAX_TEXT", "Delivery", "DeliveryOutcome", "DeliveryStep", "judged"]

MAX_TEXT: Final = 150
"""The number of characters that are quoted from a response."""
MAX_PROBLEMS: Final = 100
"""The number of problems that a delivery lists."""

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
    token: str = field(default="", repr=False)
    """The assertion or access token in the request. No document contains it."""
    secrets: tuple[str, ...] = field(default=(), repr=False)
    """The values of the credentials and the event's secrets in the request. No document contains
    them."""

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
    problems: tuple[ReplyProblem, ...] = ()
    """The first 100 problems of the response, each with its JSON Pointer (RFC 6901)."""
    milliseconds: float = 0.0
    at: float = 0.0
    """The start time in epoch seconds."""
    body: bytes = field(default=b"", repr=False)
    """The body of the request to the hook. It may contain passwords and one-time codes."""
    id: str = ""
    """Identifies the delivery in the console."""

    @property
    def ok(self) -> bool:
        """Whether the hook responded as Okta requires."""
        return self.outcome in ("commands", "no change")

    def document(self) -> dict[str, Any]:
        """Return the delivery as JSON values, without the body and the tokens of the requests."""
        problems = [problem._asdict() for problem in self.problems]
        document = asdict(replace(self, problems=()))
        del document["body"]
        for step in document["steps"]:
            del step["token"], step["secrets"]
        return {**document, "problems": problems, "ok": self.ok}


def judged(
    hook: EmulatedHook,
    steps: tuple[DeliveryStep, ...],
    sent: bytes,
    body: bytes,
    spent: float,
) -> Delivery:
    """Return how Okta treats a response with status 200 or 204.

    ``hook``: the hook that was called.
    ``steps``: the requests so far; the last one is the call.
    ``sent``: the body of the request.
    ``body``: the body of the response.
    ``spent``: the duration in milliseconds.
    """
    # GUESS: Okta treats 200 with an empty body like 204.
    is_empty = steps[-1].status == 204 or not body.strip()
    problems = check_reply(hook.type, None if is_empty else body, decoded(sent))
    reply = {} if is_empty else displayable(decoded(body) or {})
    outcome, verdict, problem = _outcome(hook.type, reply, problems, steps[-1].secrets)
    if problem:
        steps = (*steps[:-1], replace(steps[-1], problem=problem))
    return Delivery(
        hook.id,
        hook.type,
        steps,
        outcome,
        verdict,
        commands=tuple(reply["commands"]) if outcome == "commands" else (),
        answer=reply,
        problems=tuple(problems[:MAX_PROBLEMS]),
        milliseconds=spent,
    )


def _outcome(
    kind: str, reply: Mapping[str, Any], problems: Sequence[ReplyProblem], secrets: Sequence[str]
) -> tuple[DeliveryOutcome, str, str]:
    """Return outcome, verdict and, if the call failed, the problem. None quotes ``secrets``."""
    error, commands = reply.get("error"), reply.get("commands")
    errors = _errors(problems)
    # GUESS: an error prevents the commands of every type, so what is wrong with them is irrelevant.
    if error is not None and all(each.path.startswith("/commands") for each in errors):
        words = without(str(error.get("errorSummary") or "no summary"), secrets)[:MAX_TEXT]
        return "error", f"{ENDS_WITH_ERROR[kind]}, with the hook's error: {words}", ""
    problem = _described(errors, secrets)
    if not problem and not commands and kind not in UNCHANGED:
        # GUESS: Okta documents neither 204 nor a reply without a command.
        problem = "the reply has no command with the status of the message"
    if problem:
        return "failed", f"{CONSEQUENCES[kind]}: {problem}", problem
    if not commands:
        return "no change", f"the hook changes nothing: {UNCHANGED[kind]}", ""
    names = ", ".join(dict.fromkeys(each["type"] for each in commands))
    return "commands", f"the hook's commands are carried out: {names}", ""


def _errors(problems: Sequence[ReplyProblem]) -> list[ReplyProblem]:
    return [each for each in problems if each.severity == "error"]


def _described(errors: Sequence[ReplyProblem], secrets: Sequence[str]) -> str:
    """Describe the first error and the number of the others."""
    if not errors:
        return ""
    first = errors[0]
    place = f"{without(first.path, secrets)[:MAX_TEXT]}: " if first.path else ""
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"the reply is invalid: {place}{first.message}{more}"
