"""The base class of the replies to inline hooks. Pure.

Replies are immutable: each method returns a new reply.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from ..errors import InvalidReplyError
from .pointer import join
from .rules import CAUSE_MEMBERS, MAX_REPLY_BYTES

if TYPE_CHECKING:
    from typing import Self

    from .payloads import Hook

__all__ = ["Command", "Reply", "members", "plain", "refuse", "text"]

Command: TypeAlias = tuple[str, Any]
"""The type and the value of a command."""

_MAX_DEPTH = 100
_MAX_INTEGER_BITS = 4096
_INFINITY = float("inf")


class Reply:
    """Base class of the replies. Without commands and error, a reply changes nothing.

    For example:

    >>> from hookkey_verify.hooks import TokenReply
    >>> TokenReply().debug(rule="team").to_dict()
    {'debugContext': {'rule': 'team'}}
    """

    __slots__ = ("_commands", "_debug", "_encoded", "_error")
    EVENT_TYPE: ClassVar[str] = ""
    _commands: tuple[Command, ...]
    _error: Mapping[str, Any] | None
    _debug: Mapping[str, Any]
    _encoded: bytes | None

    def __new__(cls) -> Self:
        """Return a reply without commands and error."""
        reply = object.__new__(cls)
        reply._set((), None, {})
        return reply

    def error(self, summary: str, causes: Iterable[str | Mapping[str, str]] = ()) -> Self:
        """Return the reply with an error, which stops what the user is doing.

        Okta issues no token, refuses the SAML request, denies the registration, and sends the
        message of a telephony hook itself. Commands of the same reply are then not carried out.

        ``summary``: what went wrong; Okta shows it to the user or writes it to the System Log.
        ``causes``: details, each either text or an object with the members ``errorSummary``,
            ``reason``, ``locationType``, ``location`` and ``domain``; none by default.

        Raises ``InvalidReplyError`` if an argument is not as described.
        https://developer.okta.com/docs/concepts/inline-hooks/
        """
        error: dict[str, Any] = {
            "errorSummary": text(summary, "error_summary", "error", "errorSummary")
        }
        if isinstance(causes, str | bytes | Mapping) or not isinstance(causes, Iterable):
            raise refuse("error_causes", ("error", "errorCauses"), "pass a list of causes")
        if listed := [_cause(cause, index) for index, cause in enumerate(causes)]:
            error["errorCauses"] = listed
        return self._with(error=error)

    def debug(self, /, **context: object) -> Self:
        """Return the reply with data for Okta's System Log.

        ``context``: names and JSON values. They are added to those of earlier calls. They must not
            contain secrets, because administrators can read the System Log.

        Raises ``InvalidReplyError`` if a value is not JSON.
        https://developer.okta.com/docs/concepts/inline-hooks/
        """
        return self._with(debug={**self._debug, **members(context, ("debugContext",))})

    def checked_for(self, hook: Hook) -> Self:
        """Return this reply, fitted to the request that it answers, after checking it.

        ``hook``: the request. If its class is that of an event type, ``eventType`` may be missing.

        Raises ``InvalidReplyError`` if the reply belongs to another type of hook, breaks a rule
        that depends on the request, or is not smaller than 256 KB.
        """
        kind = getattr(hook, "EVENT_TYPE", "") or getattr(hook, "event_type", None)
        if kind != self.EVENT_TYPE:
            raise refuse(
                "reply_type",
                (),
                f"{type(self).__name__} answers only requests of {self.EVENT_TYPE}",
            )
        reply = self._fitted(hook.raw)
        reply.to_json()
        reply._check_complete()
        reply._check_request(hook.raw)
        return reply

    def to_dict(self) -> dict[str, Any]:
        """Return the reply as a new dict that can be encoded as JSON. It is empty for no change."""
        reply: dict[str, Any] = _fresh(self._members())
        return reply

    def to_json(self) -> bytes:
        """Return the reply as JSON in UTF-8. It is encoded once.

        Raises ``InvalidReplyError`` if it is not smaller than 256 KB.
        https://developer.okta.com/docs/concepts/inline-hooks/
        """
        if self._encoded is None:
            encoded: bytes = _encoder()(self._members()).encode()
            if len(encoded) > MAX_REPLY_BYTES:
                raise refuse("size", (), "send less than 256 KB")
            object.__setattr__(self, "_encoded", encoded)
            return encoded
        return self._encoded

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Reply):
            return NotImplemented
        return type(self) is type(other) and self._members() == other._members()

    def __hash__(self) -> int:
        return hash((type(self), len(self._commands)))

    def __repr__(self) -> str:
        parts = [type_ for type_, _ in self._commands]
        parts += ["error"] if self._error is not None else []
        return f"<{type(self).__name__}: {', '.join(parts) or 'no change'}>"

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a reply is immutable: call its methods instead of setting {name}")

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a reply is immutable: {name} cannot be deleted")

    def __reduce__(self) -> tuple[Any, ...]:
        return _restored, (type(self), self._commands, self._error, self._debug)

    def _set(
        self,
        commands: tuple[Command, ...],
        error: Mapping[str, Any] | None,
        debug: Mapping[str, Any],
    ) -> None:
        object.__setattr__(self, "_commands", commands)
        object.__setattr__(self, "_error", error)
        object.__setattr__(self, "_debug", debug)
        object.__setattr__(self, "_encoded", None)

    def _members(self) -> dict[str, Any]:
        """Return the reply as JSON that shares its values with this reply."""
        reply: dict[str, Any] = {}
        if self._commands:
            reply["commands"] = [{"type": type_, "value": value} for type_, value in self._commands]
        if self._error is not None:
            reply["error"] = self._error
        if self._debug:
            reply["debugContext"] = self._debug
        return reply

    def _with(
        self,
        *,
        commands: tuple[Command, ...] | None = None,
        error: Mapping[str, Any] | None = None,
        debug: Mapping[str, Any] | None = None,
        without_error: bool = False,
    ) -> Self:
        """Return a copy in which the arguments that are not None replace what this reply has."""
        copy = object.__new__(type(self))
        kept = None if without_error else self._error
        copy._set(
            self._commands if commands is None else commands,
            kept if error is None else error,
            self._debug if debug is None else debug,
        )
        return copy

    def _fitted(self, request: Mapping[str, Any]) -> Self:  # noqa: ARG002 - for subclasses
        """Return this reply, or a copy with what can only be written when the request is known.

        ``request``: the whole request, decoded.
        """
        return self

    def _check_complete(self) -> None:
        """Raise ``InvalidReplyError`` if the reply lacks something that its hook needs."""

    def _check_request(self, request: Mapping[str, Any]) -> None:
        """Raise ``InvalidReplyError`` if a rule that depends on the request is broken.

        ``request``: the whole request, decoded.
        """


@cache
def _encoder() -> Any:
    """Return the function that encodes replies."""
    import json  # noqa: PLC0415 - keeps the import of the package fast

    return json.JSONEncoder(check_circular=False, ensure_ascii=False, separators=(",", ":")).encode


def _restored(type_: type[Reply], *state: Any) -> Reply:
    """Return a reply that was copied or pickled."""
    reply = object.__new__(type_)
    reply._set(*state)
    return reply


def refuse(rule: str, path: Sequence[str | int], fix: str) -> InvalidReplyError:
    """Return the error for a broken rule.

    ``rule``: a key of ``rules.SOURCES``.
    ``path``: the names that lead to the member that breaks it.
    ``fix``: what to do. It must not contain the value of a claim or an attribute.
    """
    return InvalidReplyError(rule, join(path), fix)


def text(value: object, rule: str, *path: str | int) -> str:
    """Return the value after checking that it is text that is not empty."""
    if not isinstance(value, str) or not value:
        raise refuse(rule, path, "pass a string that is not empty")
    return _text(value, path)


def plain(value: object, path: Sequence[str | int], depth: int = _MAX_DEPTH) -> Any:
    """Return a copy of a value that consists of JSON types only.

    ``value``: a string, number, boolean or None, or a list, tuple or mapping of these.
    ``path``: the names that lead to the value in the reply.
    ``depth``: how many levels of nesting are allowed.

    Raises ``InvalidReplyError`` if the value cannot be encoded as JSON.
    """
    if value is None or isinstance(value, bool):
        return value
    if isinstance(value, str):
        return _text(value, path)
    if isinstance(value, int) and int.bit_length(value) <= _MAX_INTEGER_BITS:
        return int.__index__(value)
    if isinstance(value, float) and abs(number := float.__float__(value)) < _INFINITY:  # not NaN
        return number
    if depth and isinstance(value, list | tuple):
        return [plain(each, path, depth - 1) for each in value]
    if depth and isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return {_text(name, path): plain(each, path, depth - 1) for name, each in value.items()}
    raise refuse(
        "not_json",
        path,
        "use strings, finite numbers, booleans, None, lists, and dicts with string keys, "
        f"nested at most {_MAX_DEPTH} deep",
    )


def members(values: Mapping[str, object], path: Sequence[str | int]) -> dict[str, Any]:
    """Return named values as an object of JSON types.

    ``values``: names that the program chose, unlike the names inside a value.
    ``path``: the names that lead to the object in the reply.

    Raises ``InvalidReplyError`` with the path of the value that cannot be encoded as JSON.
    """
    return {_text(name, path): plain(value, (*path, name)) for name, value in values.items()}


def _text(value: str, path: Sequence[str | int]) -> str:
    """Return the text as exactly ``str`` after checking that UTF-8 can encode it."""
    value = str.__str__(value)
    if not value.isascii() and not _is_encodable(value):
        raise refuse("not_json", path, "remove the surrogate code points")
    return value


def _is_encodable(value: str) -> bool:
    """Return whether UTF-8 can encode the text. An exception would contain it."""
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


def _cause(cause: object, index: int) -> dict[str, str]:
    path = ("error", "errorCauses", index)
    if isinstance(cause, str):
        return {"errorSummary": text(cause, "error_cause", *path, "errorSummary")}
    if not isinstance(cause, Mapping) or not all(name in CAUSE_MEMBERS for name in cause):
        raise refuse(
            "error_cause", path, f"pass text or an object with {', '.join(CAUSE_MEMBERS)} only"
        )
    return {name: text(value, "error_cause", *path, name) for name, value in cause.items()}


def _fresh(value: Any) -> Any:
    """Return a deep copy of plain JSON."""
    if isinstance(value, dict):
        return {name: _fresh(each) for name, each in value.items()}
    return [_fresh(each) for each in value] if isinstance(value, list | tuple) else value
