"""Carries out the forms of the page."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

from anyio import CapacityLimiter, to_thread
from starlette.concurrency import run_in_threadpool

from ...errors import ConfigurationError
from ..delivery import Deliverer, Event
from ..inline_hooks import EmulatedHook
from ..new_hook import changed_hook, new_hook
from ..okta_error import invalid
from ..parts import Parts
from ..seed import apply_seed, parse_seed
from ..verdict import Delivery
from .forms import fault_of, hook_request, seconds_of

if TYPE_CHECKING:
    from ..server import OktaEmulator

__all__ = ["DONE", "Actions", "Done", "fire_in_thread"]

DONE: Final[Mapping[str, str]] = {
    "key-created": "The hook key was created.",
    "key-renamed": "The hook key was renamed.",
    "key-deleted": "The hook key was deleted.",
    "hook-created": "The inline hook was created.",
    "hook-changed": "The inline hook was changed.",
    "hook-deleted": "The inline hook was deleted.",
    "fired": "The hook was fired.",
    "fired-inactive": "The hook was fired. It is inactive: Okta would not call it.",
    "fault-added": "The fault applies to the next matching requests.",
    "faults-cleared": "All faults were removed.",
    "clock-set": "The clock was set.",
    "seed-applied": "The keys and hooks of the seed exist now.",
}
"""The message on the page after each action."""

Form = Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Done:
    """The result of an action, as the page shows it."""

    name: str
    """The key of the message in ``DONE``."""
    place: str
    """The id of the element that the browser goes to."""
    view: Mapping[str, str] = field(default_factory=dict)
    """Changes of the view."""


class Actions:
    """The actions of one org. All raise ``OktaError`` or ``ConfigurationError``, and then change
    nothing; but a seed may have been applied in part.
    """

    def __init__(self, parts: Parts, okta: OktaEmulator) -> None:
        """Create the actions.

        ``parts``: the parts of the org.
        ``okta``: the org, for its clock and for seeds.
        """
        self._parts, self._okta = parts, okta
        self._actions: Mapping[str, Callable[[Form, str], Done]] = {
            "create-key": self._create_key,
            "edit-key": self._edit_key,
            "delete-key": self._delete_key,
            "create-hook": self._create_hook,
            "edit-hook": self._edit_hook,
            "delete-hook": self._delete_hook,
            "status": self._status,
            "fault": self._fault,
            "clear-faults": self._clear_faults,
            "clock": self._clock,
            "seed": self._seed,
        }

    @property
    def names(self) -> tuple[str, ...]:
        """The names of all forms with an action."""
        return (*self._actions, "fire")

    async def perform(self, name: str, form: Form, issuer: str) -> Done:
        """Perform an action.

        ``name``: one of ``names``.
        ``form``: the fields of the form.
        ``issuer``: the issuer of the org's authorization server at the address of the request.
        """
        if name == "fire":
            hook = self._parts.hooks.get(form.get("hook", ""))
            body, variant = form.get("body", "").strip(), form.get("variant", "")
            fired = await fire_in_thread(
                self._parts.deliverer,
                hook,
                body.encode("utf-8", "replace") or None,
                variant=None if body else variant or None,
            )
            message = "fired" if hook.status == "ACTIVE" else "fired-inactive"
            return Done(message, fired.id, {"open": fired.id})
        return await run_in_threadpool(self._actions[name], form, issuer)

    def _create_key(self, form: Form, _: str) -> Done:
        made = self._parts.keys.create({"name": form.get("name", "").strip()})
        return Done("key-created", "keys", {"open": made["id"]})

    def _edit_key(self, form: Form, _: str) -> Done:
        self._parts.keys.rename(form.get("id", ""), {"name": form.get("name", "").strip()})
        return Done("key-renamed", "keys")

    def _delete_key(self, form: Form, _: str) -> Done:
        keys = self._parts.keys
        (keys.remove if "force" in form else keys.delete)(form.get("id", ""))
        return Done("key-deleted", "keys")

    def _create_hook(self, form: Form, issuer: str) -> Done:
        made = new_hook(self._parts, hook_request(form), issuer=issuer)
        return Done("hook-created", "hooks", {"open": made["id"]})

    def _edit_hook(self, form: Form, issuer: str) -> Done:
        old = self._parts.hooks.get(form.get("id", ""))
        changed_hook(self._parts, old.id, hook_request(form, old), issuer=issuer)
        return Done("hook-changed", "hooks")

    def _delete_hook(self, form: Form, _: str) -> Done:
        hook = self._parts.hooks.get(form.get("id", ""))
        self._parts.hooks.set_status(hook.id, "INACTIVE")  # Okta deletes only inactive hooks
        self._parts.hooks.delete(hook.id)
        return Done("hook-deleted", "hooks")

    def _status(self, form: Form, _: str) -> Done:
        status = "INACTIVE" if form.get("status") == "INACTIVE" else "ACTIVE"
        self._parts.hooks.set_status(form.get("id", ""), status)
        return Done("hook-changed", "hooks")

    def _fault(self, form: Form, _: str) -> Done:
        self._parts.faults.add(fault_of(form))
        return Done("fault-added", "faults")

    def _clear_faults(self, _: Form, __: str) -> Done:
        self._parts.faults.clear()
        return Done("faults-cleared", "faults")

    def _clock(self, form: Form, _: str) -> Done:
        self._okta.skew(seconds_of(form.get("seconds", ""), "seconds"))
        return Done("clock-set", "clock")

    def _seed(self, form: Form, issuer: str) -> Done:
        text = form.get("seed", "").encode("utf-8", "replace")
        apply_seed(self._okta, parse_seed(text, "the seed"), issuer=issuer)
        return Done("seed-applied", "keys")


async def fire_in_thread(
    deliverer: Deliverer,
    hook: EmulatedHook,
    body: Event | None = None,
    *,
    variant: str | None = None,
    retry: bool = False,
) -> Delivery:
    """Call the hook in a separate thread, because it may request a token from this org.

    In the thread pool for requests, deliveries could occupy all threads and wait for each other.
    Raises ``OktaError`` for an unknown variant, and for one together with a body.
    """
    fire = partial(deliverer.fire, hook, body, variant=variant, retry=retry)
    try:
        return await to_thread.run_sync(fire, limiter=CapacityLimiter(1))
    except ConfigurationError as error:
        raise invalid("variant", error.detail) from None
