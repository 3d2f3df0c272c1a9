"""The forms of the page: their fields, and errors at the fields that they belong to. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from ...errors import ConfigurationError
from ...hooks.rules import EVENT_TYPES
from ..faults import Fault
from ..inline_hooks import EmulatedHook
from ..new_hook import HookRequest
from ..okta_error import OktaError, invalid
from .rows import sentence

__all__ = [
    "FormState",
    "blank_hook",
    "fault_of",
    "hook_request",
    "hook_values",
    "refused",
    "seconds_of",
]

_HIDDEN: Final = frozenset({"client_secret", "header_value"})
"""Fields that the page never shows again."""

_FIELDS: Final = (
    ("channel.config.hookKeyId", "key"),
    ("channel.config.tokenUrl", "token_url"),
    ("channel.config.uri", "uri"),
    ("channel.config.scope", "scope"),
    ("authScheme.value", "header_value"),
    ("clientId", "client_id"),
    ("clientSecret", "client_secret"),
    ("hookKeyId", "key"),
    ("headers", "headers"),
    ("key must be a header's name", "header_name"),
    ("key must be a hook key", "key"),
    ("key", "header_name"),
    ("tokenUrl", "token_url"),
    ("slow needs a delay", "delay"),
    ("path and method", "path"),
    *(
        (name, name)
        for name in ("variant", "what", "delay", "times", "seconds", "name", "uri", "type")
    ),
)
"""How a message begins, and the field that it belongs to."""


@dataclass(frozen=True, slots=True)
class FormState:
    """A refused form: the texts in its fields, and the reason."""

    form: str = ""
    """The name of the form; empty if none was refused."""
    values: Mapping[str, str] = field(default_factory=dict, repr=False)
    errors: Mapping[str, str] = field(default_factory=dict)
    """The message for each field; that of the whole form has the name "form"."""

    def value(self, form: str, name: str, default: str = "") -> str:
        """Return the text in a field."""
        if form != self.form or name in _HIDDEN:
            return default
        return self.values.get(name, "")

    def error(self, form: str, name: str) -> str:
        """Return the message for a field; empty if there is none."""
        return self.errors.get(name, "") if form == self.form else ""


def refused(
    form: str, values: Mapping[str, str], error: OktaError | ConfigurationError
) -> FormState:
    """Return the state of a form after an error.

    ``form``: the name of the form.
    ``values``: its fields.
    ``error``: why it was refused.
    """
    if isinstance(error, ConfigurationError):
        words = error.detail
    else:
        words = " ".join(error.causes) or error.summary
    found = (name for start, name in _FIELDS if words.startswith(start))
    name = "seed" if form == "seed" else next(found, "form")
    if name not in values:
        name = "form"
    text = words if name in ("form", "seed") else _without_name(words)
    return FormState(form, values, {name: sentence(text)})


def _without_name(words: str) -> str:
    """Return a message without the name of the field, which the label of the field says."""
    name, colon, rest = words.partition(": ")
    if colon and " " not in name:
        return rest
    _, _, rest = words.partition(" ")
    return rest.replace("must be None", "must be empty") if rest.startswith("must") else words


def hook_request(form: Mapping[str, str], old: EmulatedHook | None = None) -> HookRequest:
    """Return the hook that a form describes.

    ``form``: the fields. Those of other ways of authentication are ignored.
    ``old``: the hook that is changed. Empty secrets keep its own, and it may request no scope.
        Default None: a new hook.

    Raises ``OktaError`` if the form needs a hook key and names none.
    """

    def given(name: str) -> str | None:
        return form.get(name, "").strip() or None

    way = form.get("auth") or ("key" if given("key") else "none")
    if way == "key" and not given("key"):
        raise invalid("hookKeyId", "hookKeyId: choose a hook key, or create one first")
    is_oauth = way in ("key", "client_secret")
    secret = None
    if way == "header":
        kept = old.auth_header[1] if old and old.auth_header else ""
        secret = (given("header_name") or "", given("header_value") or kept)
    kept_secret = old.client_secret if old else ""
    default_scope = "" if old and _has_no_scope(old) else None
    return HookRequest(
        uri=given("uri") or "",
        type=form.get("type", ""),
        name=given("name") or "",
        key=form.get("key", "") if way == "key" else None,
        token_url=given("token_url") if is_oauth else None,
        client_id=given("client_id") if is_oauth else None,
        client_secret=(given("client_secret") or kept_secret) if way == "client_secret" else None,
        scope=(given("scope") or default_scope) if is_oauth else None,
        secret=secret,
    )


def _has_no_scope(hook: EmulatedHook) -> bool:
    return hook.auth_type is not None and not hook.scope


def blank_hook(key: str) -> dict[str, str]:
    """Return the fields of the form for a new hook, and the scopes that an empty field stands for.

    ``key``: the id of the first hook key; empty if there is none.
    """
    names = ("id", "name", "uri", "key", "token_url", "client_id", "scope", "header_name")
    chosen = {"type": EVENT_TYPES[0], "auth": "key" if key else "none", "key": key}
    return dict.fromkeys(names, "") | chosen | {"scopes": "hooks"}


def hook_values(hook: EmulatedHook, own_token_url: str) -> dict[str, str]:
    """Return the fields of the form that changes a hook, as ``blank_hook``, without secrets.

    ``hook``: the hook.
    ``own_token_url``: the token URL of the org, which an empty field stands for.
    """
    ways = {"private_key_jwt": "key", "client_secret_post": "client_secret"}
    return {
        "id": hook.id,
        "name": hook.name,
        "uri": hook.uri,
        "type": hook.type,
        "auth": ways.get(hook.auth_type or "", "header" if hook.auth_header else "none"),
        "key": hook.hook_key_id or "",
        "token_url": "" if hook.token_url == own_token_url else hook.token_url,
        "client_id": hook.client_id,
        "scope": hook.scope,
        "scopes": "" if _has_no_scope(hook) else "hooks",
        "header_name": hook.auth_header[0] if hook.auth_header else "",
    }


def fault_of(form: Mapping[str, str]) -> Fault:
    """Return the fault that a form describes. Raises ``ConfigurationError`` naming the field."""
    what = form.get("what", "").strip()
    headers = {}
    for line in form.get("headers", "").splitlines():
        name, colon, value = line.partition(":")
        if line.strip():
            if not colon:
                raise ConfigurationError("headers must be lines of a name, a colon and a value")
            headers[name.strip()] = value.strip()
    times = form.get("times", "").strip() or "1"
    return Fault(
        what=int(what) if _is_number(what) else what or None,  # type: ignore[arg-type]
        headers=headers,
        delay=seconds_of(form.get("delay", ""), "delay"),
        after="after" in form,
        method=form.get("method") or None,
        path=form.get("path", "").strip() or "/",
        times=int(times) if _is_number(times) else 0,
    )


def seconds_of(text: str, name: str) -> float:
    """Return a number of seconds; 0 for an empty text.

    ``text``: the text.
    ``name``: the field, for the error.

    Raises ``ConfigurationError``.
    """
    try:
        return float(text.strip()[:40] or "0")
    except ValueError:
        raise ConfigurationError(f"{name} must be a number of seconds") from None


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) <= 9
