"""Replies that patch a token or a SAML assertion. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final, TypeAlias

from .pointer import change, join, patched, split
from .reply import Reply, plain, refuse, text
from .rules import (
    ACCESS_PATCH,
    ASSERTION_PATCH,
    IDENTITY_PATCH,
    LIFETIME_PATH,
    MAX_LIFETIME,
    MAX_REPLY_BYTES,
    MIN_LIFETIME,
    NAME_FORMATS,
    PATCHED_MEMBER,
    RESERVED_ACCESS_CLAIMS,
    RESERVED_ID_CLAIMS,
    SAML,
    TOKEN,
)

if TYPE_CHECKING:
    from typing import Self

__all__ = ["ClaimName", "SamlReply", "TokenReply"]

ClaimName: TypeAlias = str | Sequence[str | int]
"""The name of a claim, or the names and array indexes that lead to one of its members."""

_ABSENT: Final = object()

_RESERVED: Final = {ACCESS_PATCH: RESERVED_ACCESS_CLAIMS, IDENTITY_PATCH: RESERVED_ID_CLAIMS}

_FIXES: Final = {
    "missing_target": "replace and remove only what the request contains",
    "missing_parent": "add the object or array first, because Okta does not create it",
    "array_index": 'use an index that the array has, or "-" to append',
}


class _PatchReply(Reply):
    """A reply that consists of patch operations, one command for each patched document."""

    __slots__ = ()

    def _next(self, command: str) -> tuple[str | int, ...]:
        """Return the path that the next operation of a command will have."""
        for index, (type_, operations) in enumerate(self._commands):
            if type_ == command:
                return ("commands", index, "value", len(operations))
        return ("commands", len(self._commands), "value", 0)

    def _patch(
        self, command: str, op: str, names: Sequence[str | int], value: object = _ABSENT
    ) -> Self:
        """Return the reply with one more operation at the end of a command."""
        place = self._next(command)
        operation: dict[str, Any] = {"op": op, "path": join(names)}
        if value is not _ABSENT:
            operation["value"] = plain(value, (*place, "value"))
        commands = dict(self._commands)
        commands[command] = (*commands.get(command, ()), operation)
        return self._with(commands=tuple(commands.items()))


class TokenReply(_PatchReply):
    """The reply to a token hook: it changes claims and lifetimes of the tokens.

    For example:

    >>> from hookkey_verify.hooks import TokenReply
    >>> TokenReply().access_claim("team", "blue").to_json()
    b'{"commands":[{"type":"com.okta.access.patch","value":[{"op":"add","path":"/claims/...
    """

    __slots__ = ()
    EVENT_TYPE: ClassVar[str] = TOKEN

    def access_claim(self, name: ClaimName, value: object, *, replace: bool = False) -> Self:
        """Return the reply with a claim for the access token.

        ``name``: the claim, or the names that lead to a member of it, as in ``("address",
            "city")``. An element of an array has its index, and ``"-"`` appends.
        ``value``: any JSON value.
        ``replace``: True demands that the claim exists. False, the default, adds the claim or
            overwrites it.

        Raises ``InvalidReplyError`` if Okta reserves the claim or the value is not JSON.
        https://developer.okta.com/docs/reference/token-hook/
        """
        return self._claim(ACCESS_PATCH, "replace" if replace else "add", name, value)

    def remove_access_claim(self, name: ClaimName) -> Self:
        """Return the reply with the removal of a claim of the access token.

        ``name``: the claim, as for ``access_claim``. The request must contain it.

        Raises ``InvalidReplyError`` if Okta reserves the claim.
        https://developer.okta.com/docs/reference/token-hook/
        """
        return self._claim(ACCESS_PATCH, "remove", name)

    def access_lifetime(self, seconds: int) -> Self:
        """Return the reply with a lifetime for the access token.

        ``seconds``: a whole number from 300 to 86400.

        Raises ``InvalidReplyError`` if the number is out of range.
        https://developer.okta.com/docs/reference/token-hook/
        """
        return self._lifetime(ACCESS_PATCH, seconds)

    def id_claim(self, name: ClaimName, value: object, *, replace: bool = False) -> Self:
        """Return the reply with a claim for the ID token.

        ``name``, ``value``, ``replace``: as for ``access_claim``.

        Raises ``InvalidReplyError`` if Okta reserves the claim or the value is not JSON.
        https://developer.okta.com/docs/reference/token-hook/
        """
        return self._claim(IDENTITY_PATCH, "replace" if replace else "add", name, value)

    def remove_id_claim(self, name: ClaimName) -> Self:
        """Return the reply with the removal of a claim of the ID token.

        ``name``: the claim, as for ``access_claim``. The request must contain it.

        Raises ``InvalidReplyError`` if Okta reserves the claim.
        https://developer.okta.com/docs/reference/token-hook/
        """
        return self._claim(IDENTITY_PATCH, "remove", name)

    def id_lifetime(self, seconds: int) -> Self:
        """Return the reply with a lifetime for the ID token.

        ``seconds``: a whole number from 300 to 86400.

        Raises ``InvalidReplyError`` if the number is out of range.
        https://developer.okta.com/docs/reference/token-hook/
        """
        return self._lifetime(IDENTITY_PATCH, seconds)

    def _claim(self, command: str, op: str, name: ClaimName, value: object = _ABSENT) -> Self:
        path = (*self._next(command), "path")
        names = [name] if isinstance(name, str) else name
        if not isinstance(names, list | tuple) or not names or not all(map(_is_name, names)):
            raise refuse("token_path", path, "name the claim with a string or a list of strings")
        names = [plain(each, path) for each in names]
        if names[0] in _RESERVED[command]:
            raise refuse("reserved_claim", path, "use another name, because Okta reserves this one")
        return self._patch(command, op, ("claims", *names), value)

    def _lifetime(self, command: str, seconds: int) -> Self:
        if type(seconds) is not int or not MIN_LIFETIME <= seconds <= MAX_LIFETIME:
            fix = f"pass a whole number of seconds from {MIN_LIFETIME} to {MAX_LIFETIME}"
            raise refuse("lifetime", (*self._next(command), "value"), fix)
        return self._patch(command, "replace", LIFETIME_PATH, seconds)

    def _check_request(self, request: Mapping[str, Any]) -> None:
        data = request.get("data")
        if not isinstance(data, Mapping):
            return
        for index, (command, operations) in enumerate(self._commands):
            token = data.get(PATCHED_MEMBER[command])
            if not isinstance(token, Mapping):
                rule = "no_id_token" if command == IDENTITY_PATCH else "no_access_token"
                fix = f"change this token only if the request has data.{PATCHED_MEMBER[command]}"
                raise refuse(rule, ("commands", index, "type"), fix)
            _check_operations(token, operations, ("commands", index, "value"))


class SamlReply(_PatchReply):
    """The reply to a SAML hook: it changes the assertion. Nothing can be removed.

    For example:

    >>> from hookkey_verify.hooks import SamlReply
    >>> SamlReply().session_lifetime(3600).to_dict()["commands"][0]["type"]
    'com.okta.assertion.patch'
    """

    __slots__ = ()
    EVENT_TYPE: ClassVar[str] = SAML

    def attribute(
        self,
        name: str,
        values: str | Sequence[str],
        *,
        name_format: str = "unspecified",
        value_type: str = "xs:string",
    ) -> Self:
        """Return the reply with an attribute statement that is new or replaces the existing one.

        ``name``: the name, which may be a URI.
        ``values``: one text or several. Numbers are sent as text, too: ``"4321"``.
        ``name_format``: ``unspecified`` (default), ``basic`` or ``uri``, or the full URN.
        ``value_type``: the XML Schema type of the values; ``xs:string`` by default.

        Raises ``InvalidReplyError`` if an argument is not text.
        https://developer.okta.com/docs/guides/saml-inline-hook
        """
        place = self._next(ASSERTION_PATCH)
        name = text(name, "saml_claim", *place, "path")
        listed = [values] if isinstance(values, str) else values
        if not isinstance(listed, list | tuple):
            raise refuse("saml_value", (*place, "value"), "pass a string or a list of strings")
        for index, each in enumerate(listed):
            if not isinstance(each, str):
                at = (*place, "value", "attributeValues", index, "value")
                raise refuse("saml_value", at, "pass a string, also for a number")
        format_ = text(name_format, "saml_claim", *place, "value", "attributes", "NameFormat")
        kind = text(value_type, "saml_claim", *place, "value", "attributeValues")
        statement = {
            "attributes": {"NameFormat": NAME_FORMATS.get(format_, format_)},
            "attributeValues": [{"attributes": {"xsi:type": kind}, "value": v} for v in listed],
        }
        return self._patch(ASSERTION_PATCH, "add", ("claims", name), statement)

    def replace_attribute_value(self, name: str, value: str, *, index: int = 0) -> Self:
        """Return the reply with another text for one value of an existing attribute.

        ``name``: the name of the attribute.
        ``value``: the new text.
        ``index``: which value is replaced, from 0; 0 by default.

        Raises ``InvalidReplyError`` if an argument is not as described.
        https://developer.okta.com/docs/guides/saml-inline-hook
        """
        place = self._next(ASSERTION_PATCH)
        name = text(name, "saml_claim", *place, "path")
        if not isinstance(value, str):
            raise refuse("saml_value", (*place, "value"), "pass a string")
        if type(index) is not int or not _is_name(index):
            raise refuse("array_index", (*place, "path"), "pass a whole number of 0 or more")
        names = ("claims", name, "attributeValues", index, "value")
        return self._patch(ASSERTION_PATCH, "replace", names, value)

    def name_id(self, value: str) -> Self:
        """Return the reply with another NameID of the subject.

        ``value``: the NameID.

        Raises ``InvalidReplyError`` if the value is not text.
        https://developer.okta.com/docs/guides/saml-inline-hook
        """
        return self._replace_text(("subject", "nameId"), value)

    def name_id_format(self, value: str) -> Self:
        """Return the reply with another format of the subject's NameID.

        ``value``: the URN of the format.

        Raises ``InvalidReplyError`` if the value is not text.
        https://developer.okta.com/docs/guides/saml-inline-hook
        """
        return self._replace_text(("subject", "nameFormat"), value)

    def recipient(self, value: str) -> Self:
        """Return the reply with another recipient in the confirmation of the subject.

        ``value``: the URL of the recipient.

        Raises ``InvalidReplyError`` if the value is not text.
        https://developer.okta.com/docs/guides/saml-inline-hook
        """
        return self._replace_text(("subject", "confirmation", "data", "recipient"), value)

    def authn_context(self, value: str) -> Self:
        """Return the reply with another class of the authentication context.

        ``value``: the URN of the class.

        Raises ``InvalidReplyError`` if the value is not text.
        https://developer.okta.com/docs/guides/saml-inline-hook
        """
        names = ("authentication", "authnContext", "authnContextClassRef")
        return self._replace_text(names, value)

    def session_index(self, value: str) -> Self:
        """Return the reply with another index of the session.

        ``value``: the index.

        Raises ``InvalidReplyError`` if the value is not text.
        https://developer.okta.com/docs/guides/saml-inline-hook
        """
        return self._replace_text(("authentication", "sessionIndex"), value)

    def audience(self, *audiences: str) -> Self:
        """Return the reply with other audiences for the assertion.

        ``audiences``: one or more entity IDs, which replace those of the request.

        Raises ``InvalidReplyError`` if there is none or one is not text.
        https://developer.okta.com/docs/guides/saml-inline-hook
        """
        path = (*self._next(ASSERTION_PATCH), "value")
        if not audiences:
            raise refuse("saml_value", path, "pass at least one audience")
        listed = [text(each, "saml_value", *path) for each in audiences]
        names = ("conditions", "audienceRestriction")
        return self._patch(ASSERTION_PATCH, "replace", names, listed)

    def session_lifetime(self, seconds: int) -> Self:
        """Return the reply with a lifetime for the session at the service provider.

        ``seconds``: a whole number. Okta adds it to the time of issue and sends the sum as
            ``SessionNotOnOrAfter``. Okta documents no limits.

        Raises ``InvalidReplyError`` if it is not a whole number.
        https://developer.okta.com/docs/guides/saml-inline-hook
        """
        if type(seconds) is not int:
            path = (*self._next(ASSERTION_PATCH), "value")
            raise refuse("session_lifetime", path, "pass a whole number of seconds")
        return self._patch(ASSERTION_PATCH, "add", ("authentication", "sessionLifetime"), seconds)

    def _replace_text(self, names: tuple[str, ...], value: str) -> Self:
        text(value, "saml_value", *self._next(ASSERTION_PATCH), "value")
        return self._patch(ASSERTION_PATCH, "replace", names, value)


def _is_name(name: object) -> bool:
    """Return whether this is the name of a member, or an index that a reply has space for."""
    return isinstance(name, str) or (type(name) is int and 0 <= name < MAX_REPLY_BYTES)


def _check_operations(
    token: Mapping[str, Any], operations: Sequence[Mapping[str, Any]], path: tuple[str | int, ...]
) -> None:
    """Raise ``InvalidReplyError`` if the claims of the request do not allow an operation."""
    claims = token.get("claims")
    patched_claims: dict[str, Any] = dict(claims) if isinstance(claims, Mapping) else {}
    for index, operation in enumerate(operations):
        names = split(operation["path"]) or LIFETIME_PATH
        if names == LIFETIME_PATH:
            continue
        op, value = operation["op"], operation.get("value")
        if len(names) == 2:  # a claim itself: the only copy of the claims is already made
            obstacle = change(patched_claims, op, names[1], value)
        else:
            outcome = patched(patched_claims, op, names[1:], value)
            obstacle = None if isinstance(outcome, dict) else outcome
            patched_claims = outcome
        if obstacle is not None:
            raise refuse(obstacle, (*path, index, "path"), _FIXES[obstacle])
