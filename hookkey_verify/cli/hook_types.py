"""The types of inline hooks as an option: their short names, and Okta's."""

from __future__ import annotations

from typing import Any, Final

import click

from ..hooks.rules import IMPORT, PASSWORD_IMPORT, REGISTRATION, SAML, TELEPHONY, TOKEN

__all__ = ["TYPES", "HookType"]

TYPES: Final = {
    "token": TOKEN,
    "saml": SAML,
    "registration": REGISTRATION,
    "import": IMPORT,
    "password": PASSWORD_IMPORT,
    "telephony": TELEPHONY,
}


class HookType(click.Choice[str]):
    """A short name of a type, or Okta's name of it, which is the value."""

    def __init__(self) -> None:
        super().__init__([*TYPES])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return Okta's name of the type."""
        return value if value in TYPES.values() else TYPES[super().convert(value, param, ctx)]
