"""Finds token hooks that need a token of the authorization server that calls them. Pure.

Okta calls a token hook for each token that a rule with this hook issues. If the hook's own token
comes from such a rule, its call needs a token, which calls the hook, and so on until the time ends.
https://support.okta.com/help/s/article/how-to-prevent-timeout-errors-for-token-inline-hooks
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import SplitResult, urlsplit

from .models import InlineHook
from .paths import is_id

__all__ = ["RecursionTrap", "calls_for", "server_of", "suspects"]

TOKEN_HOOK: Final = "com.okta.oauth2.tokens.transform"  # noqa: S105 - a type of hooks
_TOKEN_PATH = re.compile(r"/oauth2/([A-Za-z0-9_-]{1,64})/v1/token/?")


@dataclass(frozen=True, slots=True)
class RecursionTrap:
    """A token hook that gets its tokens from a rule that calls it.

    For example:

    >>> from hookkey_verify.okta import RecursionTrap
    >>> RecursionTrap("cal1", "Claims", server_id="aus1hooks", rule_name="Default").rule_name
    'Default'
    """

    hook_id: str
    hook_name: str
    server_id: str
    """The authorization server."""
    rule_name: str
    """The rule of an access policy of the server that calls the hook."""


def suspects(hooks: Iterable[InlineHook]) -> list[InlineHook]:
    """Return the token hooks whose token URL can be that of an Okta authorization server."""
    return [hook for hook in hooks if hook.type == TOKEN_HOOK and _server_name(hook)]


def server_of(hook: InlineHook, servers: Iterable[object], org_url: str) -> str | None:
    """Return the id of the authorization server at the token URL of a hook, or None.

    ``servers``: the documents of the org's authorization servers.
    ``org_url``: the org. A server may also have its issuer's host, or a custom domain.
    """
    name, host = _server_name(hook), _split(hook.token_url).netloc
    for server in servers:
        id_, issuer = _member(server, "id"), _split(_member(server, "issuer"))
        names = (id_, issuer.path.rpartition("/")[2])
        hosts = (issuer.netloc, _split(org_url).netloc)
        # An id is unique among all orgs. The name "default" is not.
        if is_id(id_) and name in names and (host in hosts or name.startswith("aus")):
            return None if _member(server, "status") == "INACTIVE" else str(id_)
    return None


def calls_for(rule: object, policy: object, hook: InlineHook) -> bool:
    """Return whether a rule calls the hook when it issues a token to the hook's own client."""
    if any(_member(each, "status") == "INACTIVE" for each in (rule, policy)):
        return False
    grants = _member(rule, "conditions", "grantTypes", "include")
    clients = _member(policy, "conditions", "clients", "include")
    return (
        _member(rule, "actions", "token", "inlineHook", "id") == hook.id
        and _includes(grants, "client_credentials")
        and (_includes(clients, "ALL_CLIENTS") or _includes(clients, hook.client_id))
    )


def _server_name(hook: InlineHook) -> str:
    match = _TOKEN_PATH.fullmatch(_split(hook.token_url).path)
    return match[1] if match else ""


def _split(url: object) -> SplitResult:
    try:
        return urlsplit(url if isinstance(url, str) else "")
    except ValueError:  # it is not a URL
        return urlsplit("")


def _includes(names: object, name: object) -> bool:
    """Return whether a condition includes a name. A condition that is absent includes all."""
    return name in names if isinstance(names, list) else True


def _member(document: object, *names: str) -> Any:
    for name in names:
        document = document.get(name) if isinstance(document, Mapping) else None
    return document
