"""The state of a rotation, as the org shows it, and the steps that are left. Pure.

Nothing is stored between two runs: which keys exist, which hooks use which key and which keys the
applications have is the whole state. A step is done if the org shows its result.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Literal

from .._jose.jwk import PublicKey
from .applications import ApplicationKey
from .models import HookKey, InlineHook

__all__ = ["Choices", "RotationState", "Step", "StepName", "is_okta_server", "next_steps"]

StepName = Literal[
    "create",
    "publish",
    "confirm",
    "by hand",
    "switch",
    "execute",
    "watch",
    "keep",
    "withdraw",
    "delete",
    "rename",
]

_TOKEN_URL: Final = re.compile(r"https?://[^/?#]+/oauth2(?:/[A-Za-z0-9_-]{1,64})?/v1/token/?")


@dataclass(frozen=True, slots=True)
class Step:
    """A step of a rotation: its name, whether it is done, and what it does, in words.

    For example:

    >>> from hookkey_verify.okta import Step
    >>> Step("create", done=True, text="create the key 'Token hook (next)'").name
    'create'
    """

    name: StepName
    done: bool
    text: str


@dataclass(frozen=True, slots=True)
class Choices:
    """The arguments of a rotation, and the results that only this run knows."""

    name: str
    """The name of the key, which its successor gets at the end."""
    successor: str
    keep: float = 3600
    undo: bool = False
    discard: bool = False
    """With undo: whether the successor is deleted afterwards."""
    finish: bool = False
    """Without hooks: whether an administrator has switched them."""
    execute: bool = False
    executed: Collection[str] = ()
    """The ids of the hooks that this run has executed."""
    confirmed: bool = False
    """Whether the verifiers are known to have the new key."""
    has_bridges: bool = False
    bridges_ready: bool = False
    not_withdrawn: Collection[str] = ()
    """Applications whose keys may not be changed."""


@dataclass(frozen=True, slots=True)
class RotationState:
    """The keys, hooks and applications of the org that a rotation is about."""

    now: float
    """Epoch seconds, by the org's clock."""
    began: float
    """When this run began, by the same clock."""
    old: HookKey | None
    new: HookKey | None
    hooks: tuple[InlineHook, ...] | None = ()
    """All hooks of the org, or None if the rotation leaves them alone."""
    applications: Mapping[str, tuple[ApplicationKey, ...] | None] = field(default_factory=dict)
    """The keys of the applications of the hooks by client id; None: they cannot be read."""
    public_key: PublicKey | None = None
    """The key that the hooks shall use."""

    def sides(self, choices: Choices) -> tuple[HookKey | None, HookKey | None]:
        """Return the key that the hooks shall leave, and the key that they shall use."""
        return (self.new, self.old) if choices.undo else (self.old, self.new)

    def users(self, key: HookKey | None) -> list[InlineHook]:
        """Return the hooks that use a key."""
        return [hook for hook in self.hooks or () if key is not None and hook.hook_key_id == key.id]

    def with_key(self, key: HookKey | None) -> list[str]:
        """Return the applications that have a key, active or not."""
        kid = key and key.key_id
        return [
            client_id
            for client_id, keys in self.applications.items()
            if kid is not None and any(each.kid == kid for each in keys or ())
        ]

    def has_public_key(self, client_id: str) -> bool:
        """Return whether an application has the key that the hooks shall use, and it is active."""
        wanted = self.public_key
        return wanted is not None and any(
            key.status == "ACTIVE" and key.is_same(wanted)
            for key in self.applications.get(client_id) or ()
        )

    def to_publish(self, source: HookKey | None) -> list[str]:
        """Return the applications that have the present key, but not the one to change to."""
        return [each for each in self.with_key(source) if not self.has_public_key(each)]

    def unconfirmed(
        self, source: HookKey | None, target: HookKey | None, choices: Choices
    ) -> list[InlineHook]:
        """Return the hooks to be switched whose verifiers are not known to have the new key."""
        if choices.confirmed:
            return []
        known = {*self.with_key(source), *self.with_key(target)}
        return [
            hook
            for hook in self.users(source)
            if not (
                self.has_public_key(hook.client_id or "")
                if is_okta_server(hook) and hook.client_id in known
                else choices.bridges_ready
            )
        ]

    def keep_until(self, target: HookKey | None, keep: float) -> float:
        """Return how long the key that is not used any more stays, in epoch seconds.

        That is ``keep`` seconds after the last change of a hook that uses ``target`` now, or after
        the successor was created if that was later. Without such times, this run began then.
        """
        times = [hook.last_updated for hook in self.users(target)]
        known = [each.timestamp() for each in (*times, self.new and self.new.created) if each]
        return max(known, default=self.began) + keep


def is_okta_server(hook: InlineHook) -> bool:
    """Return whether the token URL of a hook can be that of an Okta authorization server."""
    return _TOKEN_URL.fullmatch(hook.token_url or "") is not None


def next_steps(state: RotationState, choices: Choices) -> list[Step]:
    """Return all steps of a rotation or its undoing, in order."""
    if state.hooks is None:
        return _by_hand(state, choices)
    return _undo(state, choices) if choices.undo else _forward(state, choices)


def _by_hand(state: RotationState, choices: Choices) -> list[Step]:
    """Return the steps if an administrator switches the hooks."""
    old = state.old
    switched = old is None or choices.finish
    return [
        _create(state, choices),
        Step("by hand", switched, "distribute the new key, and select it in the inline hooks"),
        _delete(old),
        _rename(state, choices),
    ]


def _forward(state: RotationState, choices: Choices) -> list[Step]:
    old, new = state.old, state.new
    hooks = state.users(old)
    left = state.unconfirmed(old, new, choices)
    names = _names(left or hooks)
    return [
        _create(state, choices),
        _publish(state, old),
        Step("confirm", not left, f"confirm that the verifiers of {names} have the new key"),
        *_switch(state, choices, old, new),
        *_end(state, choices, old, new),
        _rename(state, choices),
    ]


def _undo(state: RotationState, choices: Choices) -> list[Step]:
    old, new = state.old, state.new
    steps = [_publish(state, new), *_switch(state, choices, new, old)]
    return [*steps, *_end(state, choices, new, old)] if choices.discard else steps


def _create(state: RotationState, choices: Choices) -> Step:
    return Step("create", state.new is not None, f"create the key {choices.successor!r}")


def _publish(state: RotationState, source: HookKey | None) -> Step:
    left = state.to_publish(source)
    names = ", ".join(left or state.applications) or "no application"
    return Step("publish", not left, f"add the key to the application {names}")


def _switch(
    state: RotationState, choices: Choices, source: HookKey | None, target: HookKey | None
) -> list[Step]:
    """Return the steps that change from one key to the other."""
    hooks, switched = state.users(source), state.users(target)
    active = [hook for hook in (*hooks, *switched) if hook.status == "ACTIVE"]
    to_execute = [hook for hook in active if hook.id not in choices.executed]
    is_used = target is not None and (not switched or target.is_used is not False)
    unused = source is None or (not hooks and source.is_used is not True and is_used)
    steps = [
        Step("switch", not hooks, f"let the hooks use the key: {_names(hooks or switched)}"),
        Step("watch", unused, "wait until Okta reports that only this key is used"),
    ]
    if choices.execute:
        done = source is None or not to_execute
        steps[1:1] = [Step("execute", done, f"execute the active hooks: {_names(active)}")]
    return steps


def _end(
    state: RotationState, choices: Choices, source: HookKey | None, target: HookKey | None
) -> list[Step]:
    """Return the steps that end the existence of a key that is not used any more."""
    until = state.keep_until(target, choices.keep)
    over = source is None or choices.keep == 0 or state.now >= until
    when = f"for {choices.keep:g} seconds after the last switch"
    if not over and target is not None and not state.users(source):
        when = f"until {datetime.fromtimestamp(until, UTC):%Y-%m-%d %H:%M:%S} UTC"
    having = [each for each in state.with_key(source) if each not in choices.not_withdrawn]
    names = ", ".join(having) or "no application"
    return [
        Step("keep", over, f"keep the other key {when}"),
        Step("withdraw", not having, f"remove the other key from the application {names}"),
        _delete(source),
    ]


def _delete(key: HookKey | None) -> Step:
    which = "the other key" if key is None else f"the key {key.name!r} ({key.id}) for good"
    return Step("delete", key is None, f"delete {which}")


def _rename(state: RotationState, choices: Choices) -> Step:
    done = state.new is not None and state.new.name == choices.name
    return Step("rename", done, f"give the new key the name {choices.name!r}")


def _names(hooks: Collection[InlineHook]) -> str:
    return ", ".join(repr(hook.name) for hook in hooks) or "no hook"
