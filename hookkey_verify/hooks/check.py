"""Checks a reply to an inline hook against Okta's documented rules. Pure.

The check shares no code with the builders of ``replies``, so that it can test them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import ConfigurationError
from .check_actions import check_action, check_commands_together
from .check_patches import PatchCheck
from .pointer import MISSING
from .problems import Path, ReplyProblem, Report
from .rules import (
    ACTION_UPDATE,
    CAUSE_MEMBERS,
    COMMANDS,
    CONSEQUENCES_OF_AN_EMPTY_ERROR,
    MAX_REPLY_BYTES,
    MISSPELLED_ACTION_UPDATE,
    PASSWORD_IMPORT,
    PATCHED_MEMBER,
    REGISTRATION,
    TELEPHONY,
)

if TYPE_CHECKING:
    from .payloads import Hook

__all__ = ["ReplyProblem", "check_reply"]

_MEMBERS = ("commands", "error", "debugContext")
_MAX_DEPTH = 500


def check_reply(
    hook_type: str | type[Hook], reply: object, request: Hook | Mapping[str, Any] | None = None
) -> list[ReplyProblem]:
    """Return everything in a reply that breaks a documented rule or has an unexpected effect.

    ``hook_type``: the ``eventType`` of the hook, or the class of its payload. Of other types than
        the six that Okta documents, only the parts that all replies share are checked.
    ``reply``: the decoded JSON, the body as bytes or text, a ``Reply``, or None for a response
        with status 204 and no body.
    ``request``: the request that is answered, for the rules that depend on it; None, the default,
        skips these rules.

    A problem with severity ``error`` breaks a documented rule. A ``warning`` is allowed, but has an
    effect that few want, or one that Okta does not document. No message contains a value.

    Raises ``ConfigurationError`` if ``hook_type`` or ``request`` has the wrong type.
    https://developer.okta.com/docs/concepts/inline-hooks/
    """
    event_type = hook_type if isinstance(hook_type, str) else getattr(hook_type, "EVENT_TYPE", None)
    if not isinstance(event_type, str):
        raise ConfigurationError("hook_type must be an eventType or the class of a payload")
    asked = request if request is None else getattr(request, "raw", request)
    if asked is not None and not isinstance(asked, Mapping):
        raise ConfigurationError("request must be a Hook, a dict or None")
    report = Report()
    if reply is None:
        _check_no_content(event_type, report)
        return report.problems
    document, size = _decoded(reply, report)
    if size > MAX_REPLY_BYTES:
        report.error((), "size", "The reply must be smaller than 256 KB.")
    if document is not MISSING:
        _check_document(event_type, document, asked, report)
    return report.problems


def _check_no_content(event_type: str, report: Report) -> None:
    if event_type == TELEPHONY:
        text = "Answer 200 with the status of the message: every other status counts as a failure."
        report.error((), "no_content", text)


def _decoded(reply: object, report: Report) -> tuple[Any, int]:
    """Return the JSON of a reply and its size in bytes, or ``MISSING`` if it is not JSON.

    Objects are encoded and decoded again, so that only JSON types are checked.
    """
    import json  # noqa: PLC0415 - keeps the import of the package fast

    body = b""
    try:
        if isinstance(reply, bytes | bytearray | str):
            body = reply.encode() if isinstance(reply, str) else bytes(reply)
        else:
            to_dict = getattr(reply, "to_dict", None)
            document = reply if to_dict is None else to_dict()
            for path, text in _unsendable(document):
                report.error(path, "not_json", text)
                return MISSING, 0
            body = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        return json.loads(body.decode(), parse_constant=_no_constant), len(body)
    except Exception:  # of what is not JSON, or of an object of the user
        report.error((), "not_json", "The reply must be a JSON object in UTF-8.")
        return MISSING, len(body)


def _no_constant(name: str) -> None:
    """Refuse NaN and Infinity, which JSON does not have."""
    raise ValueError(name)


def _unsendable(document: object) -> Iterator[tuple[Path, str]]:
    """Yield the values that are not JSON, without recursion."""
    waiting: list[tuple[Path, object]] = [((), document)]
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, dict | list | tuple) and len(path) > _MAX_DEPTH:
            yield path[:1], "The value is nested too deeply."
        elif isinstance(value, dict):
            if not all(isinstance(name, str) for name in value):
                yield path, "The names of members must be strings."
            else:
                waiting += [((*path, name), each) for name, each in value.items()]
        elif isinstance(value, list | tuple):
            waiting += [((*path, index), each) for index, each in enumerate(value)]
        elif isinstance(value, float):
            if value - value != 0:
                yield path, "NaN and infinity are not JSON."
        elif value is not None and not isinstance(value, str | int):
            yield path, "The value must consist of JSON types."


def _check_document(
    event_type: str, document: object, request: Mapping[str, Any] | None, report: Report
) -> None:
    if not isinstance(document, dict):
        report.error((), "not_an_object", "The reply must be a JSON object.")
        return
    for name in document:
        if name not in _MEMBERS:
            known = next((each for each in _MEMBERS if each.lower() == name.lower()), "")
            if known:
                report.warning((name,), "unknown_member", f"It is spelled {known}.")
            else:
                report.unknown_member((name,))
    debug = document.get("debugContext")
    if debug is not None and not isinstance(debug, dict):
        report.error(("debugContext",), "debug_context", "debugContext must be an object.")
    error = document.get("error")
    if error is not None:
        _check_error(event_type, error, request, report)
    commands = document.get("commands")
    if commands is not None and not isinstance(commands, list):
        report.error(("commands",), "commands", "commands must be an array.")
        return
    _check_commands(event_type, commands or [], request, report)
    listed = [each for each in commands or [] if isinstance(each, dict)]
    check_commands_together(event_type, listed, error, report)


def _check_error(
    event_type: str, error: object, request: Mapping[str, Any] | None, report: Report
) -> None:
    path = ("error",)
    if not isinstance(error, dict):
        report.error(path, "error", "error must be an object.")
        return
    if event_type == PASSWORD_IMPORT:
        text = "Okta documents no error for this hook; answer UNVERIFIED instead."
        report.warning(path, "undocumented_error", text)
    elif not _says_something(error):
        effect = CONSEQUENCES_OF_AN_EMPTY_ERROR.get(event_type, "Okta may treat it as an error")
        report.warning(path, "empty_error", f"Omit error: even if it says nothing, {effect}.")
    for name in error:
        if name not in ("errorSummary", "errorCauses"):
            report.unknown_member((*path, name))
    if not isinstance(error.get("errorSummary"), str | None):
        report.error((*path, "errorSummary"), "error_summary", "errorSummary must be a string.")
    causes = error.get("errorCauses")
    if causes is not None and not isinstance(causes, list):
        report.error((*path, "errorCauses"), "error_causes", "errorCauses must be an array.")
        return
    for index, cause in enumerate(causes or ()):
        _check_cause(event_type, cause, (*path, "errorCauses", index), request, report)


def _says_something(error: Mapping[str, Any]) -> bool:
    """Return whether an error has a text, or something that is reported anyway."""
    summary, causes = error.get("errorSummary"), error.get("errorCauses")
    if summary or not isinstance(causes, list | None):
        return True
    return any(
        not isinstance(cause, dict) or any(map(cause.get, CAUSE_MEMBERS)) for cause in causes or ()
    )


def _check_cause(
    event_type: str,
    cause: object,
    path: Path,
    request: Mapping[str, Any] | None,
    report: Report,
) -> None:
    if not isinstance(cause, dict):
        report.error(path, "error_cause", "A cause must be an object.")
        return
    for name, value in cause.items():
        if name not in CAUSE_MEMBERS:
            report.unknown_member((*path, name))
        elif not isinstance(value, str | None):
            report.error((*path, name), "error_cause", f"{name} must be a string.")
    location = cause.get("location")
    data = request.get("data") if event_type == REGISTRATION and request is not None else None
    if isinstance(location, str) and isinstance(data, Mapping):
        root, _, rest = location.partition(".")
        if root == "data" and rest.partition(".")[0] not in data:
            text = "The request has no such member."
            report.warning((*path, "location"), "cause_location", text)


def _check_commands(
    event_type: str,
    commands: list[Any],
    request: Mapping[str, Any] | None,
    report: Report,
) -> None:
    known = COMMANDS.get(event_type)
    patches = PatchCheck(event_type, request, report)
    for index, command in enumerate(commands):
        path = ("commands", index)
        if not isinstance(command, dict):
            report.error(path, "command", "A command must be an object.")
            continue
        for name in command:
            if name not in ("type", "value"):
                report.unknown_member((*path, name))
        type_ = command.get("type")
        if not isinstance(type_, str):
            report.error((*path, "type"), "command", "The type of a command must be a string.")
        elif known is None:
            continue
        elif type_ == MISSPELLED_ACTION_UPDATE and ACTION_UPDATE in known:
            text = "Okta documents com.okta.action.update; this spelling is in some examples only."
            report.warning((*path, "type"), "misspelled_command", text)
            check_action(event_type, command, path, request, report)
        elif type_ not in known:
            text = f"The commands of this hook are {' and '.join(known)}."
            report.error((*path, "type"), "unknown_command", text)
        elif type_ in PATCHED_MEMBER:
            patches.check(command, path)
        else:
            check_action(event_type, command, path, request, report)
