"""RotationWork does the steps of a rotation, each of which can be repeated."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, cast

from .._jose.jwk import PublicKey
from .._runtime.clock import Clock
from ..errors import (
    ForbiddenError,
    KeyInUseError,
    NotFoundError,
    RotationStoppedError,
    ValidationFailedError,
)
from .applications import ApplicationKeysClient
from .bridges import Bridges
from .client import HookKeysClient
from .inline_hooks import InlineHooksClient
from .models import HookKey, InlineHook
from .rotation_state import Choices, RotationState, Step

__all__ = ["RotationWork", "WaitingFor"]

WaitingFor = Literal["", "hooks", "verifiers", "keep", "agreement"]
POLL: Final = 1.0
"""Seconds until the second request while waiting for a bridge or for ``isUsed``; then doubled."""
LONGEST_POLL: Final = 16.0
LONGEST_SLEEP: Final = 30.0
READ_BACK: Final = 3.0
"""Seconds until a change of a hook must be visible."""
_BY_HAND: Final = (
    "select the new key in the Admin Console (Workflow > Inline Hooks), then run this again"
)
_READ_BACK: Final = (
    "name", "type", "status", "version", "uri", "method", "headers", "client_id", "token_url",
    "scope",
)  # fmt: skip
"""The settings of a hook that a change of its key must not change."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RotationWork:
    """What the steps need; ``KeyRotation`` describes the members."""

    keys: HookKeysClient
    hooks: InlineHooksClient
    applications: ApplicationKeysClient
    bridges: Bridges
    ready: Callable[[PublicKey, list[InlineHook]], bool] | None
    payload_for: Callable[[InlineHook], Mapping[str, Any]]
    wait: bool
    patience: float
    clock: Clock
    sleep: Callable[[float], object]
    survey: Callable[[Choices], tuple[RotationState, list[Step]]]
    """Reads the state of the org, and returns it with the steps."""
    notes: list[str] = field(default_factory=list)

    def done(
        self, step: Step, state: RotationState, choices: Choices
    ) -> tuple[Choices, WaitingFor]:
        """Do one step; return the choices with what this run knows now, and what it waits for."""
        # A step that needs a key or a client is left only if it is there.
        source, target = cast("tuple[HookKey, HookKey]", state.sides(choices))
        match step.name:
            case "create":
                self._create(choices)
            case "publish":
                self._publish(state, state.to_publish(source))
            case "confirm":
                return self._confirm(state, choices)
            case "by hand":
                return choices, "hooks"
            case "switch":
                for hook in state.users(source):
                    self._switch(hook, source, target)
            case "execute":
                return self._execute(state.users(target), choices), ""
            case "watch":
                self._watch(choices)
            case "keep":
                return choices, self._keep(state, target, choices)
            case "withdraw":
                return self._withdraw(state, source, choices), ""
            case "delete":
                self._delete(source, by_hand=state.hooks is None)
            case _:
                self._rename(cast("HookKey", state.new), state.now, choices.name)
        return choices, ""

    def _create(self, choices: Choices) -> None:
        if choices.finish:
            raise NotFoundError(
                f"there is no key {choices.successor!r}: run it without finish= first"
            )
        try:
            self.keys.create(choices.successor)
        except ValidationFailedError:
            if self.survey(choices)[0].new is None:
                raise
            # Another rotation of the same key was faster.

    def _publish(self, state: RotationState, client_ids: Iterable[str]) -> None:
        key, applications = cast("PublicKey", state.public_key), self.applications
        for client_id in client_ids:
            known = [each for each in state.applications.get(client_id) or () if each.is_same(key)]
            if known:
                applications.activate(client_id, known[0].id)
                continue
            try:
                applications.add(client_id, key)
            except ValidationFailedError:
                if not any(each.is_same(key) for each in applications.list(client_id)):
                    raise

    def _confirm(self, state: RotationState, choices: Choices) -> tuple[Choices, WaitingFor]:
        """Find out whether the verifiers have the new key."""
        source, target = state.sides(choices)
        key = cast("PublicKey", state.public_key)
        if choices.has_bridges and self._waited(lambda: self.bridges.serve(key), self.patience):
            choices = replace(choices, bridges_ready=True)
        left = state.unconfirmed(source, target, choices)
        if left and self.ready is not None and self.ready(key, left):
            return replace(choices, confirmed=True), ""
        return choices, "verifiers" if left else ""

    def _switch(self, listed: InlineHook, source: HookKey, target: HookKey) -> None:
        """Change the key of a hook, and check that Okta made this change and no other one."""
        try:
            before = self.hooks.get(listed.id)
            if before.hook_key_id != source.id or before.authentication != "private_key_jwt":
                return  # another client has changed it
            self.hooks.replace(before.id, hook_key_id=target.id)
            after = self._read_back(before.id, target)
        except NotFoundError:
            return  # another client has deleted it
        except ValidationFailedError as error:
            problem = f"Okta refused to change the key of the hook {listed.name!r}"
            raise RotationStoppedError(f"{problem}: {_BY_HAND}", status=error.status) from None
        if after.hook_key_id != target.id:
            raise RotationStoppedError(
                f"Okta did not change the key of the hook {before.name!r}, although it accepted "
                f"the change: {_BY_HAND}"
            )
        changed = [name for name in _READ_BACK if getattr(before, name) != getattr(after, name)]
        if changed:
            raise RotationStoppedError(
                f"the hook {before.name!r} uses the new key, but {' and '.join(changed)} changed "
                "too: check the settings of the hook before you run this again"
            )

    def _read_back(self, hook_id: str, target: HookKey) -> InlineHook:
        """Return a hook as soon as it has the key, or as it is when the time for that is over."""
        read: list[InlineHook] = []

        def has_changed() -> bool:
            read.append(self.hooks.get(hook_id))
            return read[-1].hook_key_id == target.id

        self._waited(has_changed, READ_BACK)
        return read[-1]

    def _execute(self, hooks: Iterable[InlineHook], choices: Choices) -> Choices:
        done = set(choices.executed)
        for hook in hooks:
            if hook.status == "ACTIVE" and hook.id not in done:
                try:
                    self.hooks.execute(hook.id, self.payload_for(hook))
                except ValidationFailedError as error:
                    raise RotationStoppedError(
                        f"the hook {hook.name!r} failed with the new key; undo the rotation, or "
                        "correct the handler and run this again",
                        status=error.status,
                    ) from None
                done.add(hook.id)
        return replace(choices, executed=frozenset(done))

    def _watch(self, choices: Choices) -> None:
        def seen() -> bool:
            state, steps = self.survey(choices)
            names = [step.name for step in steps if not step.done]
            return "watch" not in names or bool(state.users(state.sides(choices)[0]))

        if not self._waited(seen, self.patience):
            raise RotationStoppedError(
                f"Okta does not report the expected use of the keys after {self.patience:g} "
                "seconds, although the inline hooks use the right key: look into the Admin Console "
                "for what uses them, or run this again later"
            )

    def _keep(self, state: RotationState, target: HookKey, choices: Choices) -> WaitingFor:
        if not self.wait:
            return "keep"
        left = state.keep_until(target, choices.keep) - state.now
        self.sleep(min(max(left, 1.0), LONGEST_SLEEP))
        return ""

    def _withdraw(self, state: RotationState, source: HookKey, choices: Choices) -> Choices:
        """Remove the key that is not used any more from the applications."""
        refused = set(choices.not_withdrawn)
        for client_id in state.with_key(source):
            keys = state.applications[client_id] or ()
            for key in (each for each in keys if each.kid == source.key_id):
                try:
                    self.applications.remove(client_id, key)
                except ForbiddenError:
                    refused.add(client_id)
                    self.notes.append(
                        f"remove the key {key.kid} from the application {client_id} in the Admin "
                        "Console, because that needs the scope okta.apps.manage here"
                    )
        return replace(choices, not_withdrawn=frozenset(refused))

    def _delete(self, key: HookKey, *, by_hand: bool) -> None:
        try:
            if key.is_used is True:
                raise KeyInUseError("let the inline hooks use the other key first")
            self.keys.delete(key.id)
        except NotFoundError:
            pass  # another client, or an earlier attempt, has deleted it
        except KeyInUseError:
            if by_hand:
                raise
            # A hook has selected it a moment ago. It is switched next.

    def _rename(self, key: HookKey, now: float, name: str) -> None:
        # Okta's times have whole seconds, and a later run must see that the key was renamed.
        if key.created is not None and now < key.created.timestamp() + 1:
            self.sleep(1.0)
        self.keys.rename(key.id, name)

    def _waited(self, condition: Callable[[], bool], patience: float) -> bool:
        """Return whether a condition becomes true within ``patience`` seconds."""
        until, pause = self.clock() + patience, POLL
        while not condition():
            left = until - self.clock()
            if left <= 0:
                return False
            self.sleep(min(pause, left))
            pause = min(2 * pause, LONGEST_POLL)
        return True
