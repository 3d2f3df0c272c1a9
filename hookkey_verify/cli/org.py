"""Options, questions and look-ups of the commands for hook keys and inline hooks."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Final, TypeVar

import click

from ..errors import ConfigurationError, NotFoundError
from ..okta.client import HookKeysClient
from ..okta.inline_hooks import InlineHooksClient
from ..okta.models import HookKey, InlineHook
from .output import tell

__all__ = [
    "CHANGES_HOOKS",
    "CHANGES_KEYS",
    "READS_AUDIENCES",
    "READS_HOOKS",
    "READS_KEYS",
    "announce",
    "argument",
    "assent",
    "can_ask",
    "confirm",
    "day",
    "find_hook",
    "find_key",
    "moment",
]

_APP: Final = "A service app requests those in OKTA_CLIENT_SCOPES."

# What a command needs, for its help. docs/manage.md has the table.
READS_HOOKS: Final = (
    "an administrator role, super admin or a custom role with okta.inlinehooks.read (Early "
    "Access), and with OAuth also the scope okta.inlineHooks.read."
)
CHANGES_HOOKS: Final = (
    "an administrator role, super admin or a custom role with okta.inlinehooks.read and "
    "okta.inlinehooks.manage (Early Access), and with OAuth also the scopes okta.inlineHooks.read "
    f"and okta.inlineHooks.manage. {_APP}"
)
READS_KEYS: Final = (
    "an administrator role, super admin (Okta documents no permission of a custom role for "
    "hook keys), and with OAuth also the scope okta.inlineHooks.read."
)
CHANGES_KEYS: Final = (
    "an administrator role, super admin (Okta documents no permission of a custom role for "
    "hook keys), and with OAuth also the scopes okta.inlineHooks.read and okta.inlineHooks.manage. "
    f"{_APP}"
)
READS_AUDIENCES: Final = (
    "an administrator role, super admin or a custom role with okta.authzServers.read, and "
    "with OAuth also the scope okta.authorizationServers.read."
)

Found = TypeVar("Found", HookKey, InlineHook)

assent = click.option("--yes", is_flag=True, help="Do not ask for confirmation.")


def announce(seconds: float) -> None:
    """Say that the client waits for Okta."""
    tell(f"hookkey: waiting {seconds:.0f} s for Okta …")


def argument(name: str) -> Callable[[Any], Any]:
    """Declare an argument that the help shows in capitals."""
    return click.argument(name, metavar=name.upper().replace("_", "-"))


def can_ask() -> bool:
    """Return whether there is a terminal to ask on."""
    return sys.stdin is not None and sys.stdin.isatty()  # None when the shell has closed it


def confirm(question: str, *, yes: bool) -> None:
    """Ask on the terminal, and end the command if the answer is no."""
    if yes:
        return
    if not can_ask():
        raise click.UsageError(
            "there is no terminal to confirm on; pass --yes to skip the question"
        )
    click.confirm(question, abort=True, err=True)


def find_key(client: HookKeysClient, key: str) -> HookKey:
    """Return the key with this id, keyId or name. Raises ``NotFoundError``."""
    matches = [each for each in client.list() if key in (each.id, each.key_id, each.name)]
    return _only(matches, key, "hook key", "keys")


def find_hook(client: InlineHooksClient, hook: str) -> InlineHook:
    """Return the inline hook with this id or name. Raises ``NotFoundError``."""
    matches = [each for each in client.list() if hook in (each.id, each.name)]
    return _only(matches, hook, "inline hook", "hooks")


def _only(matches: Sequence[Found], wanted: str, what: str, several: str) -> Found:
    if not matches:
        listing = f"hookkey {several} list shows all"
        raise NotFoundError(f"the org has no {what} {wanted!r}; {listing}")
    if len(matches) > 1:
        ids = ", ".join(match.id for match in matches)
        raise ConfigurationError(f"{wanted!r} is the name or id of several {several}: {ids}")
    return matches[0]


def moment(time: datetime | None) -> str | None:
    """Return a time for a JSON document."""
    return None if time is None else time.isoformat()


def day(time: datetime | None) -> str:
    """Return a date for a table."""
    return "" if time is None else f"{time:%Y-%m-%d}"
