"""Writes the System Log's events about inline hooks and hook keys. Pure.

Okta's catalogue names the events. It gives some reasons of ``inline_hook.response.processed``; a
GUESS marks the other texts, and the shape of targets and debugData, which are not documented.
https://developer.okta.com/docs/reference/api/event-types/
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from ..hooks.pointer import lookup, patched, split
from ..hooks.rules import COMMANDS, PATCHED_MEMBER, TOKEN
from .inline_hooks import EmulatedHook
from .json_object import decoded, displayable
from .system_log import SystemLog
from .verdict import Delivery

__all__ = ["LogWriter"]

_EXECUTED: Final = "inline_hook.executed"
_PROCESSED: Final = "inline_hook.response.processed"
_PATCHED: Final = {command: PATCHED_MEMBER[command] for command in COMMANDS[TOKEN]}
_UNREADABLE: Final = ("not_json", "not_an_object")
"""The rules of ``check_reply`` that a reply breaks if it is not a JSON object."""
_OAUTH_ERROR = re.compile(r" \((\w+)(?:: .*)?\)$", re.DOTALL)
_CLASS = re.compile(r"\((\w+)\)$")
_REASONS: Final = {
    "SSLError": "TLS handshake with {host} failed",
    "NewConnectionError": "Connection to {host} refused",
    "NameResolutionError": "Unknown host {host}",
    "ConnectTimeoutError": "Connection to {host} timed out",
}
"""GUESS: the reason by the exception with which the connection failed."""


class LogWriter:
    """Turns changes and deliveries of one org into events."""

    def __init__(self, log: SystemLog) -> None:
        """``log`` gets the events."""
        self._log = log

    def key_changed(self, change: str, key: Mapping[str, Any]) -> None:
        """Write ``system.hook.key.created``, ``.updated`` or ``.deleted``."""
        detail = {"keyId": key["keyId"], "name": key["name"], "hookKeyId": key["id"]}
        target = _target("HookKey", key["id"], key["name"], detail)
        self._log.write(f"system.hook.key.{change}", f"Hook key {change}", targets=[target])

    def hook_changed(self, change: str, hook: EmulatedHook) -> None:
        """Write ``inline_hook.created``, ``.updated``, ``.activated`` and so on."""
        target = _target("InlineHook", hook.id, hook.name)
        self._log.write(f"inline_hook.{change}", f"Inline hook {change}", targets=[target])

    def delivered(self, hook: EmulatedHook, delivery: Delivery) -> None:
        """Write how a delivery ended. GUESS: that a success is written too."""
        request = displayable(decoded(delivery.body) or {})
        event_type, reason = _ending(hook, request, delivery)
        failed = reason is not None
        debug = {
            "inlineHookType": hook.type,
            "url": hook.uri,
            "requestUri": _request_uri(request),
            "inlineHook": delivery.answer.get("debugContext"),
            "errorMessage": reason,
        }
        self._log.write(
            event_type,
            "Inline hook executed" if event_type == _EXECUTED else "Inline hook response processed",
            targets=[_target("InlineHook", hook.id, hook.name)],
            result="FAILURE" if failed else "SUCCESS",
            reason=reason,
            severity="WARN" if failed else "INFO",
            debug={name: value for name, value in debug.items() if value is not None},
        )


def _target(
    kind: str,
    id: str,  # noqa: A002 - Okta's name
    name: str,
    detail: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Return a target. GUESS: the type."""
    return {
        "id": id,
        "type": kind,
        "alternateId": "unknown",
        "displayName": name,
        "detailEntry": None if detail is None else dict(detail),
    }


def _request_uri(request: Mapping[str, Any]) -> str | None:
    """Return the path of the request that caused the event, without its query."""
    value = lookup(request, ("data", "context", "request", "url", "value"))
    return value.partition("?")[0] if isinstance(value, str) else None


def _ending(
    hook: EmulatedHook, request: Mapping[str, Any], delivery: Delivery
) -> tuple[str, str | None]:
    """Return the event of a delivery and the reason if it failed."""
    step = delivery.steps[-1]
    if step.name == "token":
        return _EXECUTED, _token_reason(hook, step.status, step.problem)
    if step.status is None or step.status not in (200, 204):
        return _EXECUTED, _call_reason(hook.uri, step.status, step.problem)
    if delivery.outcome == "error":
        return _PROCESSED, _own_error(delivery.answer)
    if any(each.rule in _UNREADABLE for each in delivery.problems):
        return _PROCESSED, _unreadable(step.body)
    reason = _unfit(delivery.answer, request)
    if reason is None and delivery.outcome == "failed":
        # GUESS: both texts.
        what = "Invalid command in" if step.problem.startswith("the reply") else "Could not read"
        reason = f"{what} inline hook response: {step.problem}"
    return _PROCESSED, reason


def _call_reason(url: str, status: int | None, problem: str) -> str:
    """Return the reason for a call without a usable response. GUESS: all texts."""
    if status is not None:
        return f"Inline hook endpoint responded with HTTP status {status}"
    if problem.startswith("no answer within"):
        return "Inline hook request timed out"
    cause = _CLASS.search(problem)
    form = _REASONS.get(cause[1] if cause else "", "Connection to {host} was lost")
    return form.format(host=url.split("/")[2])


def _token_reason(hook: EmulatedHook, status: int | None, problem: str) -> str:
    """Return the reason for a failed token request. GUESS, except that a slow one is a timeout."""
    if problem.startswith("no answer within"):
        return _call_reason(hook.token_url, None, problem)
    what = problem
    if status not in (None, 200):
        code = _OAUTH_ERROR.search(problem)
        what = f"HTTP status {status}{f' ({code[1]})' if code else ''}"
    if status is None and problem.startswith("no connection"):
        what = _call_reason(hook.token_url, status, problem)
    return f"Failed to get an access token from the token URL: {what}"


def _own_error(answer: Mapping[str, Any]) -> str:
    error = answer.get("error")
    summary = error.get("errorSummary") if isinstance(error, Mapping) else None
    # GUESS: the text without an errorSummary.
    return summary if isinstance(summary, str) and summary else "The inline hook returned an error"


def _unreadable(body: str) -> str:
    """Return Okta's text. GUESS: the column, which is that of Python's parser."""
    line, column = 1, 1
    try:
        json.loads(body)
    except json.JSONDecodeError as error:
        line, column = error.lineno, error.colno
    except RecursionError:
        pass
    where = f"Line {line} Column {column}"
    return f"Could not deserialize inline hook response due to error at {where}"


def _unfit(answer: Mapping[str, Any], request: Mapping[str, Any]) -> str | None:
    """Return Okta's text for the first operation on a token that cannot be carried out."""
    commands = answer.get("commands")
    documents: dict[str, Any] = {}
    for command in commands if isinstance(commands, list) else ():
        member = _PATCHED.get(str(command.get("type"))) if isinstance(command, Mapping) else None
        operations = command.get("value") if member else None
        if member is None or not isinstance(operations, list):
            continue
        document = documents.get(member, lookup(request, ("data", member)))
        if not isinstance(document, Mapping):
            # GUESS: the text for a missing access token.
            return "ID Token not present" if member == "identity" else "Access Token not present"
        for operation in operations:
            if isinstance(operation, Mapping):
                document, problem = _applied(document, operation)
                if problem:
                    return problem
        documents[member] = document
    return None


def _applied(document: Any, operation: Mapping[str, Any]) -> tuple[Any, str | None]:
    """Return the document after an operation, and Okta's text if the operation does not fit."""
    op, path, value = (operation.get(name) for name in ("op", "path", "value"))
    names = split(path) if isinstance(path, str) else None
    where = f"(op={op}, path={path})"
    if op in ("add", "replace") and value is None:
        return document, f"Value is required for add/replace operation{where}"
    if op not in ("add", "replace", "remove") or not names:
        return document, f"Invalid operation{where}"  # GUESS
    result = patched(document, op, names, value)
    if isinstance(result, str):
        return document, f"Path not found{where}"
    return result, None
