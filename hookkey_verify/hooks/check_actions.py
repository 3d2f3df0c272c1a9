"""Checks the commands that decide on a user, a password or a message. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .payloads import RegistrationHook
from .problems import Path, Report
from .rules import (
    ACTION_UPDATE,
    ACTION_VALUES,
    IMPORT,
    MISSPELLED_ACTION_UPDATE,
    PROGRESSIVE_PROFILE,
    REGISTRATION,
    TELEPHONY,
    TELEPHONY_ACTION,
    TELEPHONY_STATUSES,
    TELEPHONY_TEXTS,
    USER_PROFILE,
    USER_UPDATE,
)

__all__ = ["check_action", "check_commands_together"]

_ACTION_UPDATES = (ACTION_UPDATE, MISSPELLED_ACTION_UPDATE)


def check_action(
    event_type: str,
    command: Mapping[str, Any],
    path: Path,
    request: Mapping[str, Any] | None,
    report: Report,
) -> None:
    """Check one command of a registration, import, password import or telephony hook.

    ``command``: a command whose type belongs to the hook.
    ``path``: leads to the command.
    ``request``: the request, or None to skip the rules that depend on it.
    """
    type_, value, place = command["type"], command.get("value"), (*path, "value")
    if type_ == TELEPHONY_ACTION:
        _check_telephony(value, place, report)
    elif type_ in _ACTION_UPDATES:
        _check_update(event_type, value, place, report)
    elif type_ == USER_UPDATE:
        _check_user(value, place, report)
    else:
        _check_profile(event_type, value, place, report)
        if request is not None and event_type == REGISTRATION:
            _check_kind_of_profile(type_, request, (*path, "type"), report)


def check_commands_together(
    event_type: str, commands: Sequence[Mapping[str, Any]], error: object, report: Report
) -> None:
    """Check the rules that concern several commands, or commands and the error.

    ``commands``: those commands that are objects.
    ``error``: the reply's error, or None.
    """
    if error is not None and not all(_denies(event_type, each) for each in commands):
        text = "Okta does not carry out the commands of a reply that has an error."
        report.warning(("commands",), "error_and_commands", text)
    if event_type == TELEPHONY:
        types = [each.get("type") for each in commands]
        if error is None and not types:
            text = "Without a status, Okta may send the message itself."
            report.warning((), "telephony_action", text)
        if types.count(TELEPHONY_ACTION) > 1:
            text = "Okta documents one action for each message."
            report.warning(("commands",), "telephony_action", text)
    elif event_type in ACTION_VALUES:
        decisions = _decisions(event_type, commands)
        if any(each != decisions[0] for each in decisions):
            text = "The commands contradict each other."
            report.warning(("commands",), "conflicting_actions", text)
        if event_type == IMPORT:
            _check_link(commands, decisions, report)


def _denies(event_type: str, command: Mapping[str, Any]) -> bool:
    """Return whether this is the command that Okta documents together with an error."""
    return event_type == REGISTRATION and _decisions(event_type, [command]) == ["DENY"]


def _decisions(event_type: str, commands: Sequence[Mapping[str, Any]]) -> list[object]:
    member, _ = ACTION_VALUES[event_type]
    return [
        each["value"].get(member)
        for each in commands
        if each.get("type") in _ACTION_UPDATES and isinstance(each.get("value"), dict)
    ]


def _check_update(event_type: str, value: object, path: Path, report: Report) -> None:
    member, allowed = ACTION_VALUES[event_type]
    if not isinstance(value, dict):
        report.error(path, "action_value", f"The value must be an object with {member}.")
        return
    if value.get(member) not in allowed:
        text = f"{member} must be {' or '.join(allowed)}, in capital letters."
        report.error((*path, member), "action_value", text)
    _check_members(value, (member,), path, report)


def _check_user(value: object, path: Path, report: Report) -> None:
    if not isinstance(value, dict):
        report.error(path, "user_id", "The value must be an object with id.")
        return
    user_id = value.get("id")
    if not isinstance(user_id, str) or not user_id:
        report.error((*path, "id"), "user_id", "id must be the id of an Okta user.")
    _check_members(value, ("id",), path, report)


def _check_profile(event_type: str, value: object, path: Path, report: Report) -> None:
    if not isinstance(value, dict):
        report.error(path, "profile", "The value must be an object of attributes.")
        return
    if event_type == REGISTRATION:
        if "password" in value:
            text = "The password cannot be changed."
            report.error((*path, "password"), "password_attribute", text)
        return
    for name, attribute in value.items():
        if not isinstance(attribute, str):
            text = "Okta documents only strings as values."
            report.warning((*path, name), "profile_value_type", text)


def _check_kind_of_profile(
    type_: str, request: Mapping[str, Any], path: Path, report: Report
) -> None:
    progressive = RegistrationHook(request).is_progressive
    if progressive and type_ == USER_PROFILE:
        text = f"A progressive profile needs {PROGRESSIVE_PROFILE}."
        report.error(path, "profile_in_progressive_profile", text)
    elif not progressive and type_ == PROGRESSIVE_PROFILE:
        text = f"Okta documents {USER_PROFILE} for self-service registration."
        report.warning(path, "progressive_profile_in_self_service", text)


def _check_link(
    commands: Sequence[Mapping[str, Any]], decisions: Sequence[object], report: Report
) -> None:
    """Check that LINK_USER and the id of the user are both there, and in the right order."""
    types = [each.get("type") for each in commands]
    links = "LINK_USER" in decisions
    if links and USER_UPDATE not in types:
        text = f"LINK_USER needs {USER_UPDATE} with the id of the user."
        report.error(("commands",), "link_without_user", text)
    elif not links and USER_UPDATE in types:
        text = f"{USER_UPDATE} is documented only together with LINK_USER."
        report.warning(("commands",), "user_without_link", text)
    elif links and types.index(USER_UPDATE) < min(
        index for index, type_ in enumerate(types) if type_ in _ACTION_UPDATES
    ):
        text = f"A user was not linked when {USER_UPDATE} came before {ACTION_UPDATE}."
        report.warning(("commands",), "user_before_action", text)


def _check_telephony(value: object, path: Path, report: Report) -> None:
    if not isinstance(value, list) or len(value) != 1 or not isinstance(value[0], dict):
        report.error(path, "telephony_value", "The value must be an array with one object.")
        return
    action, place = value[0], (*path, 0)
    if action.get("status") not in TELEPHONY_STATUSES:
        text = f"status must be {', '.join(TELEPHONY_STATUSES)}, in capital letters."
        report.error((*place, "status"), "telephony_status", text)
    for name in TELEPHONY_TEXTS:
        if not isinstance(action.get(name), str | None):
            text = f"{name} must be a string; JSON must be sent as text."
            report.error((*place, name), "telephony_text", text)
    _check_members(action, ("status", *TELEPHONY_TEXTS), place, report)


def _check_members(
    value: Mapping[str, Any], known: tuple[str, ...], path: Path, report: Report
) -> None:
    for name in value:
        if name not in known:
            report.unknown_member((*path, name))
