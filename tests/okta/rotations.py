"""An org with a key that hooks use, and rotations of that key, for the tests of rotations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from hookkey_verify import ApiToken
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.okta.applications import ApplicationKeysClient
from hookkey_verify.okta.client import HookKeysClient
from hookkey_verify.okta.credentials import Credentials
from hookkey_verify.okta.inline_hooks import InlineHooksClient
from hookkey_verify.okta.rotation import KeyRotation

__all__ = ["NAME", "NEXT", "Org", "an_org"]

NAME = "Token hook"
NEXT = "Token hook (next)"
ELSEWHERE = "https://hooks.acme.com/oauth2/token"


@dataclass(slots=True)
class Org:
    """A local org, clients for it, and a clock that waiting moves."""

    okta: OktaEmulator
    keys: HookKeysClient
    hooks: InlineHooksClient
    applications: ApplicationKeysClient
    stack: ExitStack
    time: float = 0.0
    slept: list[float] = field(default_factory=list)

    def rotation(self, **options: Any) -> KeyRotation:
        """Return a rotation with all clients."""
        given = {
            "hooks": self.hooks,
            "applications": self.applications if "hooks" not in options else None,
            "clock": lambda: self.time,
            "sleep": self.sleep,
            "keep": 0,
        }
        made = self.keys.rotation(NAME, **{**given, **options})
        self.stack.callback(made.close)
        return made

    def sleep(self, seconds: float) -> None:
        """Let the time of the org and of the rotation pass."""
        self.slept.append(seconds)
        self.time += seconds
        self.okta.skew(self.time)

    def hook(self, name: str = "Hook", *, at_okta: bool = False, key: str = NAME) -> dict[str, Any]:
        """Create a hook whose token URL is elsewhere, or that of the org's own server."""
        where: dict[str, Any] = (
            {} if at_okta else {"token_url": ELSEWHERE, "client_id": "0oaElsewhere"}
        )
        return self.okta.create_hook("https://hooks.acme.com/hook", name=name, key=key, **where)

    def key_of(self, hook: dict[str, Any]) -> str:
        """Return the name of the key that a hook uses."""
        wanted = self.okta.hooks.get(hook["id"]).hook_key_id
        return next(str(key["name"]) for key in self.okta.org.list() if key["id"] == wanted)

    def names(self) -> list[str]:
        """Return the names of all keys."""
        return sorted(key["name"] for key in self.okta.org.list())

    def kids(self, hook: dict[str, Any]) -> list[str | None]:
        """Return the kids of the application of a hook."""
        client_id = hook["channel"]["config"]["clientId"]
        return [key.kid for key in self.okta._parts.apps.keys(client_id)]


@contextmanager
def an_org(okta: OktaEmulator, credentials: Credentials | None = None) -> Iterator[Org]:
    """Yield an org with a key that no hook uses yet."""
    given = credentials or ApiToken(okta.api_token)
    with ExitStack() as stack:
        keys = stack.enter_context(HookKeysClient(okta.url, given, max_wait=0))
        hooks = stack.enter_context(InlineHooksClient(okta.url, given, max_wait=0))
        apps = stack.enter_context(ApplicationKeysClient(okta.url, given, max_wait=0))
        okta.create_key(NAME)
        yield Org(okta, keys, hooks, apps, stack)
