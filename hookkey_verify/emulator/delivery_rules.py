"""The documented rules for each type of inline hook. Pure.

https://developer.okta.com/docs/concepts/inline-hooks/. GUESS marks undocumented behavior.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from ..hooks.rules import IMPORT, PASSWORD_IMPORT, REGISTRATION, SAML, TELEPHONY, TOKEN

__all__ = ["CONSEQUENCES", "ENDS_WITH_ERROR", "ONCE", "UNCHANGED"]

ONCE: Final = (TOKEN, TELEPHONY)
"""The types of hooks that Okta never calls a second time."""

CONSEQUENCES: Final[Mapping[str, str]] = {
    TOKEN: "the token is issued without the hook's changes",
    SAML: "the assertion is sent without the hook's changes",
    REGISTRATION: "the registration is denied",
    IMPORT: "the user is created without the hook's changes",
    PASSWORD_IMPORT: "the password counts as wrong: sign-in fails",
    TELEPHONY: "Okta's own provider sends the message",
}
"""What happens to the user when a hook fails, or when its reply breaks a rule.

One unfit command of a token hook drops the whole reply. GUESS: for a reply of a SAML, import or
password import hook that breaks a rule.
"""

ENDS_WITH_ERROR: Final[Mapping[str, str]] = {
    TOKEN: "no token is issued",
    SAML: "the sign-in is denied",
    REGISTRATION: "the registration is denied",
    IMPORT: "the failure is logged",
    PASSWORD_IMPORT: "the password counts as wrong: sign-in fails",
    TELEPHONY: "Okta's own provider sends the message",
}
"""What happens to the user when the reply has an error.

An error that is empty counts for a registration. GUESS: it counts for the other types too. GUESS:
the effect for a password import, and whether the user of an import is created.
"""

UNCHANGED: Final[Mapping[str, str]] = {
    TOKEN: "the token is issued as it was",
    SAML: "the assertion is sent as it was",
    REGISTRATION: "the registration is allowed",
    IMPORT: "Okta creates or links the user as it had planned",
    PASSWORD_IMPORT: "the password stays unverified: sign-in fails",
}
"""What happens to the user when a reply has neither commands nor an error.

A telephony hook is not in it: its reply must have a command.
"""
