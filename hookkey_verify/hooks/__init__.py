"""Read what Okta sends to inline hooks, and answer what Okta accepts.

``Hooks`` verifies a request, calls the handler of its type, and checks the reply. ``parse_hook``
and ``check_reply`` do the parts. Each name is imported on first use.

::

    hooks = Hooks(verifier)

    @hooks.on(TokenHook)
    def add_team(hook: TokenHook) -> TokenReply:
        return TokenReply().access_claim("team", "blue")
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._runtime.lazy import lazily

if TYPE_CHECKING:
    from ..errors import InvalidPayloadError as InvalidPayloadError
    from ..errors import InvalidReplyError as InvalidReplyError
    from .any_of import AnyOf as AnyOf
    from .check import ReplyProblem as ReplyProblem
    from .check import check_reply as check_reply
    from .payloads import Hook as Hook
    from .payloads import ImportHook as ImportHook
    from .payloads import PasswordImportHook as PasswordImportHook
    from .payloads import RegistrationHook as RegistrationHook
    from .payloads import SamlHook as SamlHook
    from .payloads import TelephonyHook as TelephonyHook
    from .payloads import TokenHook as TokenHook
    from .payloads import UnknownHook as UnknownHook
    from .payloads import parse_hook as parse_hook
    from .replies import ImportReply as ImportReply
    from .replies import PasswordImportReply as PasswordImportReply
    from .replies import RegistrationReply as RegistrationReply
    from .replies import Reply as Reply
    from .replies import SamlReply as SamlReply
    from .replies import TelephonyReply as TelephonyReply
    from .replies import TokenReply as TokenReply
    from .router import Hooks as Hooks

_HOMES = {
    "Hooks": ".router",
    "AnyOf": ".any_of",
    "Hook": ".payloads",
    "TokenHook": ".payloads",
    "SamlHook": ".payloads",
    "RegistrationHook": ".payloads",
    "ImportHook": ".payloads",
    "PasswordImportHook": ".payloads",
    "TelephonyHook": ".payloads",
    "UnknownHook": ".payloads",
    "parse_hook": ".payloads",
    "Reply": ".replies",
    "TokenReply": ".replies",
    "SamlReply": ".replies",
    "RegistrationReply": ".replies",
    "ImportReply": ".replies",
    "PasswordImportReply": ".replies",
    "TelephonyReply": ".replies",
    "check_reply": ".check",
    "ReplyProblem": ".check",
    "InvalidPayloadError": "..errors",
    "InvalidReplyError": "..errors",
}

__all__ = [  # noqa: RUF022 - a table of contents
    "Hooks",
    "AnyOf",
    "Hook",
    "TokenHook",
    "SamlHook",
    "RegistrationHook",
    "ImportHook",
    "PasswordImportHook",
    "TelephonyHook",
    "UnknownHook",
    "parse_hook",
    "Reply",
    "TokenReply",
    "SamlReply",
    "RegistrationReply",
    "ImportReply",
    "PasswordImportReply",
    "TelephonyReply",
    "check_reply",
    "ReplyProblem",
    "InvalidPayloadError",
    "InvalidReplyError",
]

if not TYPE_CHECKING:  # so that a type checker reports names that do not exist
    __getattr__, __dir__ = lazily(__name__, _HOMES)
