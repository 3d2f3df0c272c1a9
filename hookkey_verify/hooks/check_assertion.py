"""Checks the values that a reply puts into a SAML assertion. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .problems import Path, Report

__all__ = ["check_assertion_value"]


def check_assertion_value(names: tuple[str, ...], value: Any, path: Path, report: Report) -> None:
    """Check one value of an assertion.

    ``names``: lead to the value in the assertion.
    ``value``: the value, which is not null.
    ``path``: leads to the value in the reply.
    """
    match names:
        case ("claims", _):
            _check_claim(value, path, report)
        case ("claims", _, "attributeValues"):
            _check_values(value, path, report)
        case ("claims", _, "attributeValues", _):
            _check_value(value, path, report)
        case ("claims", _, "attributes"):
            _check_attributes(value, "NameFormat", path, report)
            _check_repeated(value, path, report)
        case ("claims", _, "attributeValues", _, "attributes"):
            _check_attributes(value, "xsi:type", path, report)
            _check_repeated(value, path, report)
        case ("claims", *_, "attributes", "NameFormat" | "xsi:type" as name):
            _check_text(value, name, path, report)
        case ("claims", *_, "value"):
            _warn_unless_text(value, path, report)
        case ("authentication", "sessionLifetime"):
            _check_lifetime(value, path, report)
        case ("conditions", "audienceRestriction"):
            _check_audiences(value, path, report)
        case (
            ("subject", "confirmation")
            | ("subject", "confirmation", "data")
            | ("authentication", "authnContext")
        ):
            if not isinstance(value, dict):
                report.warning(path, "saml_value", "Okta documents an object here.")
        case (
            ("subject", "nameId" | "nameFormat")
            | ("subject", "confirmation", "method")
            | ("subject", "confirmation", "data", "recipient")
            | ("authentication", "sessionIndex")
            | ("authentication", "authnContext", "authnContextClassRef")
            | ("conditions", "audienceRestriction", _)
        ):
            _warn_unless_text(value, path, report)


def _check_claim(claim: object, path: Path, report: Report) -> None:
    if not isinstance(claim, dict) or not isinstance(claim.get("attributeValues"), list):
        text = "An attribute must be an object with the array attributeValues."
        report.error(path, "saml_claim", text)
        return
    if claim.get("attributes") is not None:
        _check_attributes(claim["attributes"], "NameFormat", (*path, "attributes"), report)
    _check_values(claim["attributeValues"], (*path, "attributeValues"), report)


def _check_values(values: object, path: Path, report: Report) -> None:
    if not isinstance(values, list):
        report.error(path, "saml_claim", "attributeValues must be an array of objects.")
        return
    for index, value in enumerate(values):
        _check_value(value, (*path, index), report)


def _check_value(value: object, path: Path, report: Report) -> None:
    if not isinstance(value, dict) or value.get("value") is None:
        text = "An attribute value must be an object with the member value."
        report.error(path, "saml_claim", text)
        return
    if value.get("attributes") is not None:
        _check_attributes(value["attributes"], "xsi:type", (*path, "attributes"), report)
    _warn_unless_text(value["value"], (*path, "value"), report)


def _check_attributes(attributes: object, name: str, path: Path, report: Report) -> None:
    """Check the member ``attributes``, which holds one text."""
    if not isinstance(attributes, dict):
        report.error(path, "saml_claim", "attributes must be an object.")
    elif attributes.get(name) is not None:
        _check_text(attributes[name], name, (*path, name), report)


def _check_repeated(attributes: object, path: Path, report: Report) -> None:
    if isinstance(attributes, Mapping) and "attributes" in attributes:
        text = "The path already ends in attributes, so the value must not repeat it."
        report.warning((*path, "attributes"), "nested_attributes", text)


def _check_text(value: object, name: str, path: Path, report: Report) -> None:
    if not isinstance(value, str):
        report.error(path, "saml_claim", f"{name} must be a string.")


def _warn_unless_text(value: object, path: Path, report: Report) -> None:
    if not isinstance(value, str):
        report.warning(path, "saml_value", "Okta documents only strings here, also for numbers.")


def _check_lifetime(seconds: object, path: Path, report: Report) -> None:
    if type(seconds) is not int:
        text = "sessionLifetime must be an integer number of seconds."
        report.error(path, "session_lifetime", text)
    elif seconds <= 0:
        text = "Okta does not document what a lifetime that is not positive does."
        report.warning(path, "session_lifetime", text)


def _check_audiences(audiences: object, path: Path, report: Report) -> None:
    if not isinstance(audiences, list):
        report.warning(path, "saml_value", "Okta documents an array of strings here.")
        return
    for index, audience in enumerate(audiences):
        _warn_unless_text(audience, (*path, index), report)
