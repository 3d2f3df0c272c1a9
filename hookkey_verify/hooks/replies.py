"""Builders for the replies to inline hooks. Pure.

A reply that breaks one of Okta's documented rules cannot be built: the method raises
``InvalidReplyError`` with the rule, the path and the fix. Rules that depend on the request are
checked by ``checked_for``.
"""

from __future__ import annotations

from .action_replies import ImportReply, PasswordImportReply, RegistrationReply, TelephonyReply
from .patch_replies import SamlReply, TokenReply
from .reply import Reply

__all__ = [
    "ImportReply",
    "PasswordImportReply",
    "RegistrationReply",
    "Reply",
    "SamlReply",
    "TelephonyReply",
    "TokenReply",
]
