"""The documented rules for each type of inline hook. Pure.

https://developer.okta.com/docs/concepts/inline-hooks/
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

__all__ = ["COMMANDS", "CONSEQUENCES", "ONCE"]

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
"""What happens to the user when a hook fails."""

COMMANDS: Final[Mapping[str, frozenset[str]]] = {
    "com.okta.oauth2.tokens.transform": frozenset(
        {"com.okta.identity.patch", "com.okta.access.patch"}
    ),
    "com.okta.saml.tokens.transform": frozenset({"com.okta.assertion.patch"}),
    "com.okta.user.pre-registration": frozenset(
        {
            "com.okta.action.update",
            "com.action.update",  # sic, in three of Okta's own examples
            "com.okta.user.profile.update",
            "com.okta.user.progressive.profile.update",
        }
    ),
    "com.okta.import.transform": frozenset(
        {
            "com.okta.action.update",
            "com.okta.appUser.profile.update",
            "com.okta.user.profile.update",
            "com.okta.user.update",
        }
    ),
    "com.okta.user.credential.password.import": frozenset({"com.okta.action.update"}),
    "com.okta.telephony.provider": frozenset({"com.okta.telephony.action"}),
}
"""The commands that a hook of each type may answer with."""
