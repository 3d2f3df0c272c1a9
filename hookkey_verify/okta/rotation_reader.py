"""Reads the state of a rotation from the org."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Final

from .._jose.jwk import PublicKey
from .._runtime.clock import Clock
from ..errors import (
    ConfigurationError,
    ForbiddenError,
    NotFoundError,
    RotationStoppedError,
)
from .applications import ApplicationKey, ApplicationKeysClient
from .client import HookKeysClient
from .inline_hooks import InlineHooksClient
from .models import HookKey, InlineHook
from .org_client import MAX_NAME, checked_name
from .paths import NEXT, is_id
from .rotation_state import Choices, RotationState, is_okta_server

__all__ = ["RotationReader"]

RECENT: Final = 900.0
"""Seconds for which a key that was renamed at the end of a rotation is not rotated again.

A run that was killed after its last request is started again, and must not begin another
rotation.
"""
_PRIVATE_KEY_JWT: Final = "private_key_jwt"


class RotationReader:
    """Reads the state of one rotation, and remembers which two keys it is about."""

    def __init__(
        self,
        keys: HookKeysClient,
        hooks: InlineHooksClient | None,
        applications: ApplicationKeysClient | None,
        name: str,
        successor: str | None,
        *,
        again: bool,
        now: Clock,
    ) -> None:
        """Prepare it; nothing is sent. The arguments are those of ``KeyRotation``.

        Raises ``ConfigurationError``.
        """
        self.name = checked_name(name)
        if successor is None and len(name) + len(NEXT) > MAX_NAME:
            raise ConfigurationError(
                f"the name with {NEXT!r} has over {MAX_NAME} characters; pass successor="
            )
        self.successor = checked_name(name + NEXT if successor is None else successor)
        if self.successor == name:
            raise ConfigurationError("successor must be another name")
        self.notes: list[str] = []
        self._keys, self._hooks, self._applications = keys, hooks, applications
        self._again, self._now = again, now
        self._began: float | None = None
        self._old_id = self._new_id = ""
        self._public: dict[str, PublicKey] = {}

    @property
    def knows_old(self) -> bool:
        """Whether the old key has been there."""
        return self._old_id != ""

    def read(self, choices: Choices) -> RotationState:
        """Return the state of the org now.

        Raises ``NotFoundError`` if the org has neither key, ``ConfigurationError`` if the successor
        is older than the key, and ``RotationStoppedError`` if one of them was renamed or replaced.
        """
        listed, answer = self._keys._listed()
        wall = self._now()
        now = wall - (answer.clock_skew(wall) or 0)
        self._began = now if self._began is None else self._began
        old, new = self._pair(listed, now, choices)
        hooks = None if self._hooks is None else tuple(self._hooks.list())
        concerned = [
            hook for key in (old, new) if key for hook in hooks or () if hook.hook_key_id == key.id
        ]
        _refuse_strange(concerned)
        return RotationState(
            now=now,
            began=self._began,
            old=old,
            new=new,
            hooks=hooks,
            applications=self._keys_of_applications(concerned),
            public_key=self._public_key(old if choices.undo else new),
        )

    def _pair(
        self, listed: Collection[HookKey], now: float, choices: Choices
    ) -> tuple[HookKey | None, HookKey | None]:
        """Return the old key and its successor."""
        by_name = {key.name: key for key in listed}
        if self._old_id in {key.id for key in listed if key.name != self.name}:
            raise RotationStoppedError(
                "the old key was renamed during the rotation: give it the name "
                f"{self.name!r} again, and run this again"
            )
        base = self.name.removesuffix(NEXT)
        if base != self.name and base in by_name:
            raise ConfigurationError(
                f"{self.name!r} is the successor of {base!r}: continue the rotation of that key"
            )
        old, new = by_name.get(self.name), by_name.get(self.successor)
        if old is None and new is None:
            raise NotFoundError(f"the org has no hook key of the name {self.name!r}")
        if old is not None and new is None and self._is_result(old, now):
            old, new = None, old
        if choices.undo and (old is None or new is None):
            self._nothing_to_undo(old)
        elif old and new and old.created and new.created and new.created < old.created:
            raise ConfigurationError(
                f"successor {self.successor!r} is an older key than {self.name!r}: rename or "
                "delete it"
            )
        self._old_id = self._same("old", self._old_id, old)
        self._new_id = self._same("new", self._new_id, new)
        return old, new

    def _is_result(self, key: HookKey, now: float) -> bool:
        """Return whether a rotation that is complete has given this key its name."""
        if self._old_id:
            return key.id != self._old_id
        if self._new_id or self._again or key.created is None or key.last_updated is None:
            return key.id == self._new_id
        renamed = key.last_updated.timestamp()
        if key.created == key.last_updated or now - renamed >= RECENT:
            return False
        self._note(
            f"{self.name!r} got its name {key.last_updated:%Y-%m-%d %H:%M:%S} UTC, so its rotation "
            "is complete; to rotate it again already, pass again=True"
        )
        return True

    def _nothing_to_undo(self, old: HookKey | None) -> None:
        if old is None:
            raise RotationStoppedError(
                "the old key is deleted, so nothing can be undone; another rotation replaces the "
                "new key"
            )
        if not self._new_id:
            self._note(f"there is no key {self.successor!r}, so there is nothing to undo")

    def _same(self, which: str, known: str, key: HookKey | None) -> str:
        """Return the id of a key after checking that it is still the same key."""
        if key is not None and known not in ("", key.id):
            raise RotationStoppedError(
                f"the {which} key was replaced during the rotation; if no other rotation runs, "
                f"delete the key {self.successor!r} unless hooks use it"
            )
        return known if key is None else key.id

    def _public_key(self, key: HookKey | None) -> PublicKey | None:
        if key is None or self._hooks is None:
            return None
        if key.key_id not in self._public:  # the material of a key never changes
            self._public[key.key_id] = self._keys.public_key(key.key_id)
        return self._public[key.key_id]

    def _keys_of_applications(
        self, hooks: Iterable[InlineHook]
    ) -> dict[str, tuple[ApplicationKey, ...] | None]:
        """Return the keys of the clients of the hooks whose token URL can be Okta's."""
        client_ids = {hook.client_id or "" for hook in hooks if is_okta_server(hook)}
        return {each: self._application(each) for each in sorted(filter(is_id, client_ids))}

    def _application(self, client_id: str) -> tuple[ApplicationKey, ...] | None:
        if self._applications is None:
            return None
        try:
            return tuple(self._applications.list(client_id))
        except NotFoundError:
            return ()  # the token URL is that of another org
        except ForbiddenError:
            self._note(
                "the keys of applications can be read and changed with the scopes okta.apps.read "
                "and okta.apps.manage"
            )
            return None

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _refuse_strange(hooks: Iterable[InlineHook]) -> None:
    """Refuse hooks whose authentication a change of the key would change too."""
    for hook in hooks:
        if hook.authentication != _PRIVATE_KEY_JWT:
            raise RotationStoppedError(
                f"the hook {hook.name!r} names the key, but does not authenticate with "
                f"{_PRIVATE_KEY_JWT}: correct it in the Admin Console first"
            )
