"""The documented rules for each type of inline hook. Pure.

https://developer.okta.com/docs/concepts/inline-hooks/. GUESS marks undocumented behavior.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["CONSEQUENCES", "ENDS_WITH_ERROR", "ONCE", "UNCHANGED"]

ONCE: Final = ("com.okta.oauth2.tokens.transform", "com.okta.telephony.provider")
"""The types of hooks that Okta never calls a second time."""

CONSEQUENCES: Final[Mapping[str, str]] = {
    "com.okta.oauth2.tokens.transform": "the token is issued without the hook's changes",
    "com.okta.saml.tokens.transform": "the assertion is sent without the hook's changes",
    "com.okta.user.pre-registration": "the registration is denied",
    "com.okta.import.transform": "the user is created without the hook's changes",
    "com.okta.user.credential.password.import": "the password counts as wrong: sign-in fails",
    "com.okta.telephony.provider": "Okta's own provider sends the message",
}
"""What happens to the user when a hook fails, or when its reply breaks a rule.

One unfit command of a token hook drops the whole reply. GUESS: for a reply of a SAML, import or
password import hook that breaks a rule.
"""

ENDS_WITH_ERROR: Final[Mapping[str, str]] = {
    "com.okta.oauth2.tokens.transform": "no token is issued",
    "com.okta.saml.tokens.transform": "the sign-in is denied",
    "com.okta.user.pre-registration": "the registration is denied",
    "com.okta.import.transform": "the failure is logged",
    "com.okta.user.credential.password.import": "the password counts as wrong: sign-in fails",
    "com.okta.telephony.provider": "Okta's own provider sends the message",
}
"""What happens to the user when the reply has an error.

An error that is empty counts for a registration. GUESS: it counts for the other types too. GUESS:
the effect for a password import, and whether the user of an import is created.
"""

UNCHANGED: Final[Mapping[str, str]] = {
    "com.okta.oauth2.tokens.transform": "the token is issued as it was",
    "com.okta.saml.tokens.transform": "the assertion is sent as it was",
    "com.okta.user.pre-registration": "the registration is allowed",
    "com.okta.import.transform": "Okta creates or links the user as it had planned",
    "com.okta.user.credential.password.import": "the password stays unverified: sign-in fails",
}
"""What happens to the user when a reply has neither commands nor an error.

A telephony hook is not in it: its reply must have a command.
"""
