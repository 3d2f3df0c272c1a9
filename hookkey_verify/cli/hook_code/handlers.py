"""The handler of each type of inline hook. Pure.

Until it is edited, a handler does what Okta does without a hook, or refuses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from ...hooks.rules import IMPORT, PASSWORD_IMPORT, REGISTRATION, SAML, TELEPHONY, TOKEN

__all__ = ["HANDLERS", "HandlerSource"]


@dataclass(frozen=True, slots=True, kw_only=True)
class HandlerSource:
    """The source of one handler."""

    title: str
    """The name of the type in Okta's documentation."""
    name: str
    """The name of the function."""
    hook: str
    """The payload class."""
    reply: str
    """The reply class."""
    summary: str
    """The docstring of the function, which says how to change the reply."""
    returns: str | None
    """The methods that make the reply, or None for "no change"."""

    def names(self) -> list[tuple[str, str]]:
        """Return the imports: pairs of a module and a name."""
        return [("hookkey_verify.hooks", each) for each in ("Hooks", self.hook, self.reply)]

    def source(self, *, is_async: bool) -> str:
        """Return the decorated function."""
        result = self.reply + (" | None" if self.returns is None else "")
        value = "None" if self.returns is None else f"{self.reply}(){self.returns}"
        return (
            f"@hooks.on({self.hook})\n"
            f"{'async ' if is_async else ''}def {self.name}(hook: {self.hook}) -> {result}:\n"
            f'    """{self.summary}"""\n'
            f"    return {value}"
        )


HANDLERS: Final[Mapping[str, HandlerSource]] = {
    TOKEN: HandlerSource(
        title="token inline hook",
        name="change_token",
        hook="TokenHook",
        reply="TokenReply",
        summary='Change nothing; TokenReply().access_claim("team", "blue") adds a claim.',
        returns=None,
    ),
    SAML: HandlerSource(
        title="SAML assertion inline hook",
        name="change_assertion",
        hook="SamlHook",
        reply="SamlReply",
        summary='Change nothing; SamlReply().attribute("team", "blue") adds an attribute.',
        returns=None,
    ),
    REGISTRATION: HandlerSource(
        title="registration inline hook",
        name="decide_registration",
        hook="RegistrationHook",
        reply="RegistrationReply",
        summary='Allow it, as without a hook; RegistrationReply().deny("…") refuses it.',
        returns=".allow()",
    ),
    IMPORT: HandlerSource(
        title="user import inline hook",
        name="decide_import",
        hook="ImportHook",
        reply="ImportReply",
        summary='Keep Okta\'s decision; ImportReply().link_to("00u…") links to a user.',
        returns=None,
    ),
    # VERIFIED would accept any password.
    PASSWORD_IMPORT: HandlerSource(
        title="password import inline hook",
        name="check_password",
        hook="PasswordImportHook",
        reply="PasswordImportReply",
        summary="Refuse the password; return .verified() once you have checked it.",
        returns=".unverified()",
    ),
    # Okta sends the message with its own provider after a failure:
    # https://help.okta.com/en-us/content/topics/telephony/telephony-inline-hook.htm
    TELEPHONY: HandlerSource(
        title="telephony inline hook",
        name="send_message",
        hook="TelephonyHook",
        reply="TelephonyReply",
        summary="Leave it to Okta's provider; return .sent() once you have sent it.",
        returns=".failed()",
    ),
}
"""The handlers by the type of the hook."""
