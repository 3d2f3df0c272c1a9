"""The four steps from an empty org to its first fired hook. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

__all__ = ["FIRST_HOOK", "Steps", "handler_code"]

FIRST_HOOK: Final = {
    "key": "Token hook",
    "name": "Claims",
    "uri": "http://127.0.0.1:5000/hook",
    "client_id": "0oa1hookclient4x7",
}
"""What the forms of the first steps contain; the README has the same handler."""

_CODE: Final = """\
from flask import Flask

from hookkey_verify import HookVerifier, IssuerKeys
from hookkey_verify.flask import serve
from hookkey_verify.hooks import Hooks, TokenHook, TokenReply

keys = IssuerKeys({issuer})  # needs no credentials
verifier = HookVerifier.for_access_token(
    keys, audience={audience}, client_id={client_id}, scopes=["hooks"]
)
hooks = Hooks(verifier)


@hooks.on(TokenHook)
def add_team(hook: TokenHook) -> TokenReply:
    return TokenReply().access_claim("team", "blue")


app = Flask(__name__)
app.post("/hook")(serve(hooks))
"""


@dataclass(frozen=True, slots=True)
class Steps:
    """Which of the steps are done."""

    key: bool
    """Whether there is a hook key."""
    hook: bool
    """Whether there is an inline hook."""
    fired: bool
    """Whether a hook was fired."""

    @property
    def shown(self) -> bool:
        """Whether the page shows the steps."""
        return not self.fired

    @property
    def now(self) -> int:
        """The number of the next step. The second and the third are one, because the org cannot
        know whether the handler runs.
        """
        if self.hook:
            return 4
        return 2 if self.key else 1


def handler_code(issuer: str, audience: str) -> str:
    """Return a handler for the first hook.

    ``issuer``: the issuer of the org's authorization server.
    ``audience``: the audience of its access tokens.
    """
    return _CODE.format(
        issuer=json.dumps(issuer),
        audience=json.dumps(audience),
        client_id=json.dumps(FIRST_HOOK["client_id"]),
    )
