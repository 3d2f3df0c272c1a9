"""The responses of Hooks: what a reply becomes, and what is safe without one."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from ..errors import InvalidReplyError, Reason
from ..guard import HttpAnswer, HttpRefusal
from .handler import Failure
from .payloads import (
    Hook,
    ImportHook,
    PasswordImportHook,
    RegistrationHook,
    SamlHook,
    TelephonyHook,
    TokenHook,
)
from .replies import (
    ImportReply,
    PasswordImportReply,
    RegistrationReply,
    Reply,
    SamlReply,
    TelephonyReply,
    TokenReply,
)

__all__ = ["FAILED", "INVALID", "NOT_POST", "REPLIES", "answer", "undecided"]

_JSON: Final = (("Content-Type", "application/json"), ("Cache-Control", "no-store"))
_EMPTY: Final = HttpAnswer(200, _JSON, b"{}")
_NO_CONTENT: Final = HttpAnswer(204, (("Cache-Control", "no-store"),), b"")

REPLIES: Final[Mapping[type[Hook], type[Reply]]] = {
    TokenHook: TokenReply,
    SamlHook: SamlReply,
    RegistrationHook: RegistrationReply,
    ImportHook: ImportReply,
    PasswordImportHook: PasswordImportReply,
    TelephonyHook: TelephonyReply,
}
"""What the handler of each type returns."""

WITHOUT_CONTENT: Final = frozenset(
    {TokenHook, SamlHook, RegistrationHook, ImportHook, PasswordImportHook}
)
"""The types for which Okta documents 204 as "no change", in the reference of each hook, such as
https://developer.okta.com/docs/api/openapi/okta-management/management/tag/InlineHook/.
"""

REFUSED: Final = frozenset({RegistrationHook, TelephonyHook})
"""The types for which "no change" is not safe when the handler did not decide.

Okta allows a registration after 204 and denies it after a failure
(https://developer.okta.com/docs/concepts/inline-hooks/). For telephony, only 200 with a status says
that the message was sent; after anything else, Okta sends it with its own provider
(https://developer.okta.com/docs/guides/telephony-inline-hook/).
"""


def answer(hook: Hook, reply: object) -> HttpAnswer | Failure:
    """Return the response for what a handler returned. Raises ``InvalidReplyError``."""
    if isinstance(reply, Failure):
        if reply.error is not None:
            raise reply.error
        return reply
    if reply is None:
        if type(hook) is TelephonyHook:
            fix = 'return TelephonyReply().sent(…) or .error("…")'
            raise InvalidReplyError("no_content", "", fix)
        return _no_change(hook)
    wanted = REPLIES.get(type(hook))
    if wanted is not None and isinstance(reply, wanted):
        return HttpAnswer(200, _JSON, reply.checked_for(hook).to_json())
    if wanted is None and isinstance(reply, Mapping):
        try:
            return HttpAnswer(200, _JSON, json.dumps(dict(reply), allow_nan=False).encode())
        except Exception as error:  # of an object that is not JSON
            return Failure(f"returned what is not JSON ({type(error).__name__})")
    kind = "a JSON object" if wanted is None else wanted.__name__
    fix = f"return {kind} instead of {type(reply).__name__}"
    raise InvalidReplyError("reply_type", "", fix)


def undecided(hook: Hook) -> HttpAnswer:
    """Return the response that is safe if no handler decided."""
    return _UNAVAILABLE if type(hook) in REFUSED else _no_change(hook)


def _no_change(hook: Hook) -> HttpAnswer:
    return _NO_CONTENT if type(hook) in WITHOUT_CONTENT else _EMPTY


def _problem(status: int, title: str, detail: str, *headers: tuple[str, str]) -> HttpAnswer:
    """Return a response with a problem document (RFC 9457), as ``HttpRefusal.of`` does."""
    reason = Reason.UNSPECIFIED.value
    document = {"title": title, "status": status, "detail": detail, "reason": reason}
    kinds = (("Content-Type", "application/problem+json"), ("Cache-Control", "no-store"))
    return HttpAnswer(status, (*headers, *kinds), json.dumps(document).encode())


NOT_POST: Final = _problem(405, "Method Not Allowed", "Use POST", ("Allow", "POST"))
INVALID: Final = HttpRefusal.of(InvalidReplyError())
FAILED: Final = _problem(500, "Internal Server Error", "The handler of the hook failed")
_UNAVAILABLE: Final = _problem(503, "Service Unavailable", "The request could not be handled")
