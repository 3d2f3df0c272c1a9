"""The access policy of the authorization server and its rule, which may have a token inline hook.

https://developer.okta.com/docs/api/openapi/okta-management/management/tag/AuthorizationServerRules/
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from copy import deepcopy
from typing import Any, Final

from .._runtime.clock import Clock
from .okta_error import identifier, invalid, timestamp
from .store import Store

__all__ = ["TokenRules"]

_KIND: Final = "token rule"


class TokenRules:
    """One policy for all clients with one rule for all grants. Thread-safe.

    Okta has several of both. The emulator needs a place for ``actions.token.inlineHook.id``.
    """

    def __init__(self, *, has_hook: Callable[[str], bool], clock: Clock, store: Store) -> None:
        """Load the rule, or create it.

        ``has_hook``: a function that returns whether the org has an inline hook with this id.
        ``clock``: a function that returns epoch seconds.
        ``store``: stores the rule.

        Raises ``ConfigurationError`` if the stored rule cannot be read.
        """
        self._has_hook = has_hook
        self._clock = clock
        self._lock = threading.Lock()
        self._store = store
        kept = store.load(_KIND, lambda body: (str(body["policy"]), dict(body["rule"])))
        if kept:
            self.rule_id, (self.policy_id, self._rule) = kept.popitem()
        else:
            self.policy_id, self.rule_id = "00p" + identifier(17), "0pr" + identifier(17)
            self._keep(self._new())

    @property
    def hook_id(self) -> str | None:
        """The id of the token inline hook that the rule calls."""
        hook: str | None = self._rule["actions"]["token"]["inlineHook"]["id"]
        return hook

    @property
    def for_clients(self) -> bool:
        """Whether the rule applies to the grant ``client_credentials``."""
        return "client_credentials" in self._rule["conditions"]["grantTypes"]["include"]

    def policy(self) -> dict[str, Any]:
        """Return Okta's document of the policy."""
        return {
            "id": self.policy_id,
            "type": "OAUTH_AUTHORIZATION_POLICY",
            "name": "Default Policy",
            "status": "ACTIVE",
            "priority": 1,
            "system": False,
            "conditions": {"clients": {"include": ["ALL_CLIENTS"]}},
        }

    def rule(self) -> dict[str, Any]:
        """Return Okta's document of the rule."""
        return deepcopy(self._rule)

    def call(self, hook_id: str | None) -> None:
        """Let the rule call this token inline hook, or none. Raises ``OktaError``."""
        actions = {"token": {**self._rule["actions"]["token"], "inlineHook": {"id": hook_id}}}
        self.replace({**self._rule, "actions": actions})

    def replace(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Replace grant types, scopes and the inline hook; return the rule. Raises ``OktaError``.

        GUESS: the texts of errors, and that an omitted member gets its default.
        """
        grants = _names(body, "grantTypes") or list(_GRANTS)
        hook_id = _member(body, "actions", "token", "inlineHook", "id")
        if hook_id is not None and not (isinstance(hook_id, str) and self._has_hook(hook_id)):
            raise invalid("inlineHook", "actions.token.inlineHook.id: there is no such inline hook")
        with self._lock:
            rule = self._new() | {"created": self._rule["created"]}
            rule["conditions"]["grantTypes"]["include"] = grants
            rule["conditions"]["scopes"]["include"] = _names(body, "scopes") or ["*"]
            rule["actions"]["token"]["inlineHook"]["id"] = hook_id
            self._keep(rule)
        return self.rule()

    def _keep(self, rule: dict[str, Any]) -> None:
        self._store.put(_KIND, self.rule_id, {"policy": self.policy_id, "rule": rule})
        self._rule = rule

    def _new(self) -> dict[str, Any]:
        now = timestamp(self._clock())
        return {
            "id": self.rule_id,
            "type": "RESOURCE_ACCESS",
            "name": "Default Policy Rule",
            "status": "ACTIVE",
            "priority": 1,
            "created": now,
            "lastUpdated": now,
            "system": False,
            "conditions": {
                "people": {"groups": {"include": ["EVERYONE"]}},
                "grantTypes": {"include": list(_GRANTS)},
                "scopes": {"include": ["*"]},
            },
            "actions": {
                "token": {"accessTokenLifetimeMinutes": 60, "inlineHook": {"id": None}},
            },
        }


_GRANTS: Final = ("implicit", "client_credentials", "authorization_code", "password")


def _member(body: object, *names: str) -> Any:
    for name in names:
        body = body.get(name) if isinstance(body, Mapping) else None
    return body


def _names(body: Mapping[str, Any], condition: str) -> list[str] | None:
    names = _member(body, "conditions", condition, "include")
    if names is None:
        return None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise invalid(condition, f"conditions.{condition}.include: must be a list of text")
    return names
