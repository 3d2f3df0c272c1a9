"""The rows of the page: keys, hooks and deliveries as the template shows them. Pure."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

from ...hooks.problems import ReplyProblem
from ...hooks.rules import IMPORT, PASSWORD_IMPORT, REGISTRATION, SAML, TELEPHONY, TOKEN
from ..inline_hooks import EmulatedHook
from ..inspector import Inspection
from ..json_object import json_object
from ..secret_values import without
from ..verdict import Delivery, DeliveryStep
from .reply import Line, json_lines

__all__ = ["KINDS", "DeliveryRow", "HookRow", "KeyRow", "Kind", "StepRow", "moment", "sentence"]


class Kind(NamedTuple):
    """A type of inline hook, as the page shows it."""

    label: str
    style: str
    """The class of the badge."""


KINDS: Final[Mapping[str, Kind]] = {
    TOKEN: Kind("Token", "violet"),
    SAML: Kind("SAML", "blue"),
    REGISTRATION: Kind("Registration", "green"),
    IMPORT: Kind("User import", "amber"),
    PASSWORD_IMPORT: Kind("Password import", "rose"),
    TELEPHONY: Kind("Telephony", "cyan"),
}

_CHECKED: Final[Mapping[str, str]] = {
    "algorithm_not_allowed": "algorithm",
    "unknown_key": "key",
    "invalid_signature": "signature",
    "wrong_issuer": "issuer",
    "wrong_subject": "subject",
    "wrong_audience": "audience",
    "wrong_client": "client",
    "insufficient_scope": "scopes",
    "lifetime_too_long": "lifetime",
    "issued_in_future": "issued",
    "not_yet_valid": "not before",
    "expired": "expiry",
}
"""The check of the inspector that a handler with this package names in ``reason``."""


class Moment(NamedTuple):
    """A time, for a ``time`` element."""

    iso: str
    text: str


def moment(at: float) -> Moment:
    """Return a time in epoch seconds as ISO 8601 and as text."""
    try:
        date = datetime.fromtimestamp(at, UTC)
    except (ValueError, OverflowError, OSError):  # the clock can be set to any year
        return Moment("", "?")
    return Moment(date.strftime("%Y-%m-%dT%H:%M:%SZ"), date.strftime("%H:%M:%S UTC"))


def sentence(words: str) -> str:
    """Return a text with a capital letter and a full stop."""
    return (
        words[:1].upper()
        + words[1:]
        + ("" if words.endswith((".", ")", "…")) or not words else ".")
    )


@dataclass(frozen=True, slots=True)
class KeyRow:
    """A hook key."""

    key: Mapping[str, Any]
    hooks: Sequence[str]
    """The names of the hooks that use it."""
    public: Mapping[str, Any]

    @property
    def id(self) -> str:
        """The id of the key."""
        return str(self.key["id"])

    @property
    def jwk(self) -> str:
        """The public key as indented JSON."""
        return json.dumps(self.public, indent=2)

    def texts(self) -> Iterable[str]:
        """Return the texts that the search looks at."""
        return self.key["name"], self.key["id"], self.key["keyId"]


@dataclass(frozen=True, slots=True)
class HookRow:
    """An inline hook."""

    hook: EmulatedHook
    key: str
    """The name of its hook key; empty if it has none."""

    @property
    def id(self) -> str:
        """The id of the hook."""
        return self.hook.id

    @property
    def kind(self) -> Kind:
        """The type of the hook."""
        return KINDS[self.hook.type]

    @property
    def authentication(self) -> str:
        """How the handler is called, in words."""
        hook = self.hook
        if hook.auth_type == "private_key_jwt":
            return f"OAuth 2.0, private key {self.key or '(deleted)'}"
        if hook.auth_type is not None:
            return "OAuth 2.0, client secret"
        return f"header {hook.auth_header[0]}" if hook.auth_header else "none"

    def texts(self) -> Iterable[str]:
        """Return the texts that the search looks at."""
        hook = self.hook
        return hook.name, hook.id, hook.type, self.kind.label, hook.uri, hook.client_id


@dataclass(frozen=True, slots=True)
class StepRow:
    """One request of a delivery."""

    step: DeliveryStep
    token: str
    """Identifies the token in ``PageView.token``; empty if the request has none."""
    inspection: Inspection | None

    @property
    def title(self) -> str:
        """What the request is for."""
        return "Token request" if self.step.name == "token" else "Hook request"

    @property
    def refused(self) -> str:
        """The check that the handler names in its refusal of the token; empty if there is none."""
        reason = (json_object(self.step.body.encode()) or {}).get("reason")
        return _CHECKED.get(reason, "") if isinstance(reason, str) and not self.step.ok else ""


class ReplyRows(NamedTuple):
    """The reply of a handler."""

    lines: list[tuple[str, list[ReplyProblem]]]
    """The lines, with the problems of the members that begin in them."""
    elsewhere: list[ReplyProblem]
    """The problems of members that the lines do not show."""


@dataclass(frozen=True, slots=True)
class DeliveryRow:
    """A delivery. Its steps are inspected only if the template shows them."""

    delivery: Delivery
    hook: EmulatedHook | None
    """The hook; None if it was deleted."""
    inspect: Callable[[str, float], Inspection]
    """Inspects a token as of a time in epoch seconds."""

    @property
    def id(self) -> str:
        """The id of the delivery."""
        return self.delivery.id

    @property
    def name(self) -> str:
        """The name of the hook, or its id if it was deleted."""
        return self.hook.name if self.hook else self.delivery.hook_id

    @property
    def kind(self) -> Kind:
        """The type of the hook."""
        return KINDS[self.delivery.type]

    @property
    def at(self) -> Moment:
        """When it was fired."""
        return moment(self.delivery.at)

    @property
    def steps(self) -> list[StepRow]:
        """The requests."""
        delivery = self.delivery
        return [
            StepRow(
                step,
                f"{delivery.id}.{number}" if step.token else "",
                self.inspect(step.token, delivery.at) if step.token else None,
            )
            for number, step in enumerate(delivery.steps)
        ]

    @property
    def request(self) -> list[Line]:
        """The body of the hook's request; empty if it is not a JSON object."""
        document = json_object(self.delivery.body)
        return [] if document is None else json_lines(document, self._shown)

    @property
    def verdict(self) -> str:
        """What Okta would do with the user's flow."""
        return self._shown(self.delivery.verdict)

    @property
    def reply(self) -> ReplyRows:
        """The reply of the handler and its problems."""
        delivery, problems = self.delivery, defaultdict[str, list[ReplyProblem]](list)
        for each in delivery.problems:
            shown = each._replace(path=self._shown(each.path), message=self._shown(each.message))
            problems[each.path].append(shown)
        lines = json_lines(delivery.answer, self._shown) if delivery.answer else []
        rows = [
            (line.text, problems.pop(line.pointer, []) if line.begins else []) for line in lines
        ]
        return ReplyRows(rows, [each for path in problems.values() for each in path])

    def _shown(self, text: str) -> str:
        """Return a text without the credentials and the secrets of the event that were sent."""
        secrets = {each for step in self.delivery.steps for each in step.secrets}
        return without(text, sorted(secrets, key=len, reverse=True))

    @property
    def sources(self) -> list[str]:
        """The pages that the rules of the problems come from."""
        return list(dict.fromkeys(each.source for each in self.delivery.problems))

    def texts(self) -> Iterable[str]:
        """Return the texts that the search looks at."""
        delivery = self.delivery
        yield from (self.name, delivery.type, self.kind.label, delivery.outcome, self.verdict)
        yield from (delivery.id, delivery.hook_id, self.hook.uri if self.hook else "")
        yield from (step.request for step in delivery.steps if step.name == "hook")
