"""The types of inline hooks as an option: their short names, and Okta's."""

from __future__ import annotations

from typing import Any, Final

import click

__all__ = ["TYPES", "HookType"]

TYPES: Final = {
    "token": "com.okta.oauth2.tokens.transform",
    "saml": "com.okta.saml.tokens.transform",
    "registration": "com.okta.user.pre-registration",
    "import": "com.okta.import.transform",
    "password": "com.okta.user.credential.password.import",
    "telephony": "com.okta.telephony.provider",
}


class HookType(click.Choice[str]):
    """A short name of a type, or Okta's name of it, which is the value."""

    def __init__(self) -> None:
        super().__init__([*TYPES])

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """Return Okta's name of the type."""
        return value if value in TYPES.values() else TYPES[super().convert(value, param, ctx)]
