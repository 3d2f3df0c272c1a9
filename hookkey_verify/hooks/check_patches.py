"""Checks the commands that patch a token or a SAML assertion. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .check_assertion import check_assertion_value
from .pointer import MISSING, patched, split
from .problems import Path, Report
from .rules import (
    ACCESS_PATCH,
    ASSERTION_PATCH,
    IDENTITY_PATCH,
    LIFETIME_PATH,
    MAX_LIFETIME,
    MIN_LIFETIME,
    PATCHED_MEMBER,
    RESERVED_ACCESS_CLAIMS,
    RESERVED_ID_CLAIMS,
    SAML,
    SAML_PARTS,
    SOMETIMES_RESERVED_ACCESS_CLAIMS,
)

__all__ = ["PatchCheck"]

_OBSTACLES = {
    "missing_target": "The request has no such member, and the operation needs one.",
    "missing_parent": "Okta does not create the object or array that would hold this member.",
    "array_index": "The array has no such index.",
}
_UNDOCUMENTED_TOKEN_PARTS = ("token", "scopes", "refresh_token")


class PatchCheck:
    """Checks patch commands in the order in which Okta carries them out.

    ``event_type``: the type of the hook.
    ``request``: the request, or None to skip the rules that depend on it.
    ``report``: receives the problems.
    """

    __slots__ = ("_data", "_documents", "_report", "_saml")

    def __init__(self, event_type: str, request: Mapping[str, Any] | None, report: Report) -> None:
        data = None if request is None else request.get("data")
        self._data = data if isinstance(data, Mapping) else None
        self._documents: dict[str, Any] = {}
        self._saml = event_type == SAML
        self._report = report

    def check(self, command: Mapping[str, Any], path: Path) -> None:
        """Check one command, which ``path`` leads to."""
        type_ = command["type"]
        if self._data is not None and type_ not in self._documents:
            self._documents[type_] = self._document(type_, (*path, "type"))
        operations = command.get("value")
        if not isinstance(operations, list):
            text = "The value must be an array of operations."
            self._report.error((*path, "value"), "operations", text)
            return
        for index, operation in enumerate(operations):
            place = (*path, "value", index)
            if isinstance(operation, dict):
                self._operation(type_, operation, place)
            else:
                self._report.error(place, "operation", "An operation must be an object.")

    def _document(self, type_: str, path: Path) -> Any:
        """Return what a command patches, or None if the request does not have it."""
        member = PATCHED_MEMBER[type_]
        document = (self._data or {}).get(member)
        if isinstance(document, Mapping):
            claims = document.get("claims")
            return {**document, "claims": claims if isinstance(claims, Mapping) else {}}
        text = f"The request has no data.{member}, so this command must not be used."
        if type_ == IDENTITY_PATCH:
            self._report.error(path, "no_id_token", text)
        elif type_ == ACCESS_PATCH:
            self._report.error(path, "no_access_token", text)
        return None

    def _operation(self, type_: str, operation: Mapping[str, Any], place: Path) -> None:
        for name in operation:
            if name not in ("op", "path", "value"):
                self._report.unknown_member((*place, name))
        op, pointer = operation.get("op"), operation.get("path")
        op_is_known = self._op(op, (*place, "op"))
        names = split(pointer) if isinstance(pointer, str) else None
        if names is None:
            text = "path must be a JSON Pointer: it starts with / and escapes ~ as ~0 and / as ~1."
            self._report.error((*place, "path"), "path", text)
            return
        known = self._saml_path(names, place) if self._saml else self._token_path(names, place)
        if not op_is_known or not known:
            return
        self._value(op, operation.get("value", MISSING), place)
        if self._saml:
            if operation.get("value") is not None:
                path = (*place, "value")
                check_assertion_value(names, operation["value"], path, self._report)
        else:
            self._token_operation(type_, operation, names, place)
        if names != LIFETIME_PATH:
            self._apply(type_, operation, names, place)

    def _op(self, op: object, path: Path) -> bool:
        if op == "remove" and self._saml:
            text = "Nothing can be removed from an assertion."
            self._report.error(path, "saml_remove", text)
            return False
        if op not in ("add", "replace", "remove"):
            text = f"op must be add{' or' if self._saml else ','} replace"
            text += "." if self._saml else " or remove."
            self._report.error(path, "unknown_op", text)
            return False
        return True

    def _token_path(self, names: tuple[str, ...], place: Path) -> bool:
        path = (*place, "path")
        if names == LIFETIME_PATH:
            return True
        if len(names) > 1 and names[0] == "claims":
            if names[1] == "":
                text = "The name of the claim is empty; Okta does not document what it does then."
                self._report.warning(path, "empty_name", text)
            return True
        if names and names[0] in _UNDOCUMENTED_TOKEN_PARTS:
            text = "Okta documents only claims and /token/lifetime/expiration."
            self._report.warning(path, "undocumented_path", text)
        else:
            text = "path must start with /claims/ or be /token/lifetime/expiration."
            self._report.error(path, "token_path", text)
        return False

    def _saml_path(self, names: tuple[str, ...], place: Path) -> bool:
        path = (*place, "path")
        if len(names) > 1 and names[0] in SAML_PARTS:
            if names[0] == "claims" and names[1] == "":
                text = "The attribute has no name; Okta does not document what it does then."
                self._report.warning(path, "empty_name", text)
            return True
        if names and names[0] == "lifetime":
            text = "Okta does not document that the lifetime can be changed."
            self._report.warning(path, "undocumented_path", text)
        else:
            text = f"path must start with {', '.join(f'/{part}/' for part in SAML_PARTS)}."
            self._report.error(path, "saml_path", text)
        return False

    def _value(self, op: object, value: object, place: Path) -> None:
        path = (*place, "value")
        if op == "remove":
            if value is not MISSING and value is not None:
                text = "Omit value, or send null; anything else makes Okta drop the reply."
                self._report.error(path, "remove_with_value", text)
        elif value is MISSING:
            self._report.error(path, "missing_value", "add and replace need a value.")
        elif value is None:
            text = "Okta may take null for a missing value and then drops the reply."
            self._report.warning(path, "null_value", text)

    def _token_operation(
        self, type_: str, operation: Mapping[str, Any], names: tuple[str, ...], place: Path
    ) -> None:
        value = operation.get("value")
        if names == LIFETIME_PATH:
            if operation["op"] != "replace":
                text = "Okta documents only replace for the lifetime."
                self._report.warning((*place, "op"), "lifetime_op", text)
            if value is not None and not _is_lifetime(value):
                text = f"The lifetime must be an integer from {MIN_LIFETIME} to {MAX_LIFETIME}."
                self._report.error((*place, "value"), "lifetime", text)
            return
        reserved = RESERVED_ID_CLAIMS if type_ == IDENTITY_PATCH else RESERVED_ACCESS_CLAIMS
        if names[1] in reserved:
            text = "Okta reserves this claim."
            self._report.error((*place, "path"), "reserved_claim", text)
        elif type_ == ACCESS_PATCH and names[1] in SOMETIMES_RESERVED_ACCESS_CLAIMS:
            text = "One of Okta's lists reserves this claim."
            self._report.warning((*place, "path"), "possibly_reserved_claim", text)
        if operation["op"] != "remove" and isinstance(value, bool | float):
            text = "Okta documents strings, integers, objects and arrays as values."
            self._report.warning((*place, "value"), "undocumented_value_type", text)

    def _apply(
        self, type_: str, operation: Mapping[str, Any], names: tuple[str, ...], place: Path
    ) -> None:
        """Apply the operation to what the request contains, and report what prevents it."""
        document = self._documents.get(type_)
        if document is None:
            return
        outcome = patched(document, operation["op"], names, operation.get("value"))
        if not isinstance(outcome, str):
            self._documents[type_] = outcome
        elif type_ == ASSERTION_PATCH:  # Okta does not document what it does then
            self._report.warning((*place, "path"), outcome, _OBSTACLES[outcome])
        else:
            self._report.error((*place, "path"), outcome, _OBSTACLES[outcome])


def _is_lifetime(value: object) -> bool:
    return type(value) is int and MIN_LIFETIME <= value <= MAX_LIFETIME
