"""Replies that decide on a user, a password or a message. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from .payloads import RegistrationHook
from .reply import Command, Reply, members, plain, refuse, text
from .rules import (
    ACTION_UPDATE,
    ACTION_VALUES,
    APP_USER_PROFILE,
    COMMANDS,
    IMPORT,
    PASSWORD_IMPORT,
    PROGRESSIVE_PROFILE,
    REGISTRATION,
    TELEPHONY,
    TELEPHONY_ACTION,
    USER_PROFILE,
    USER_UPDATE,
)

if TYPE_CHECKING:
    from typing import Self

__all__ = ["ImportReply", "PasswordImportReply", "RegistrationReply", "TelephonyReply"]


_PROFILE = "data.userProfile"
_PROGRESSIVE = "data.userProfileUpdate"


class _ActionReply(Reply):
    """A reply with at most one command of each type, in the order of ``rules.COMMANDS``."""

    __slots__ = ()

    def _command(self, type_: str, value: Any) -> tuple[Command, ...]:
        """Return the commands with this one, which replaces an earlier one of its type."""
        commands = {**dict(self._commands), type_: value}
        order = COMMANDS[self.EVENT_TYPE]
        return tuple((each, commands[each]) for each in order if each in commands)

    def _action(self, value: str) -> tuple[Command, ...]:
        member, _ = ACTION_VALUES[self.EVENT_TYPE]
        return self._command(ACTION_UPDATE, {member: value})

    def _has(self, type_: str) -> bool:
        return any(each == type_ for each, _ in self._commands)

    def _position(self, type_: str) -> int:
        """Return the index that a command has or would have."""
        order = COMMANDS[self.EVENT_TYPE]
        return sum(map(self._has, order[: order.index(type_)]))

    def _profile(self, type_: str, attributes: Mapping[str, object]) -> Self:
        """Return the reply with attributes, which are added to those of earlier calls."""
        if not attributes:
            return self
        path = ("commands", self._position(type_), "value")
        known = dict(self._commands).get(type_, {})
        value = {**known, **members(attributes, path)}
        return self._with(commands=self._command(type_, value))


class RegistrationReply(_ActionReply):
    """The reply to a registration hook: it allows or denies, and changes the profile.

    Without a decision the registration is allowed.

    For example:

    >>> from hookkey_verify.hooks import RegistrationReply
    >>> reply = RegistrationReply().deny("Use your work address.", field="email").to_dict()
    >>> reply["commands"][0]["value"], reply["error"]["errorSummary"]
    ({'registration': 'DENY'}, 'Use your work address.')
    """

    __slots__ = ()
    EVENT_TYPE: ClassVar[str] = REGISTRATION

    def allow(self) -> Self:
        """Return the reply that allows the registration. The last decision counts.

        It removes the error of an earlier ``deny`` or ``error``, because an error denies.
        """
        return self._with(commands=self._action("ALLOW"), without_error=True)

    def deny(self, summary: str, *, field: str | None = None, reason: str | None = None) -> Self:
        """Return the reply that denies the registration. The last decision counts.

        ``summary``: the text that the user reads.
        ``field``: the attribute that is wrong, such as ``email``; None, the default, for none. A
            name that starts with ``data.`` is sent as it is; others belong to
            ``data.userProfile`` or, in a progressive profile, to ``data.userProfileUpdate``.
        ``reason``: a code for the cause, such as ``EMAIL_DOMAIN``; None, the default, for none.

        Raises ``InvalidReplyError`` if an argument is not text.
        https://developer.okta.com/docs/guides/registration-inline-hook
        """
        causes: list[dict[str, str]] = []
        if field is not None or reason is not None:
            cause = {"errorSummary": summary}
            if reason is not None:
                cause["reason"] = reason
            if field is not None:
                where = text(field, "error_cause", "error", "errorCauses", 0, "location")
                where = where if where.startswith("data.") else f"{_PROFILE}.{where}"
                cause |= {"locationType": "body", "location": where}
            causes.append({**cause, "domain": "end-user"})
        return self._with(commands=self._action("DENY")).error(summary, causes)

    def profile(self, /, **attributes: object) -> Self:
        """Return the reply with attributes for the profile of a user who registers.

        ``attributes``: names of the profile's schema and JSON values. They are added to those of
            earlier calls. The password cannot be set.

        Raises ``InvalidReplyError`` for the attribute ``password`` or a value that is not JSON.
        https://developer.okta.com/docs/guides/registration-inline-hook
        """
        return self._attributes(USER_PROFILE, attributes)

    def progressive_profile(self, /, **attributes: object) -> Self:
        """Return the reply with attributes for a user who completes a profile later.

        ``attributes``: as for ``profile``.

        Raises ``InvalidReplyError`` for the attribute ``password`` or a value that is not JSON.
        https://developer.okta.com/docs/guides/registration-inline-hook
        """
        return self._attributes(PROGRESSIVE_PROFILE, attributes)

    def _attributes(self, type_: str, attributes: Mapping[str, object]) -> Self:
        if "password" in attributes:
            path = ("commands", self._position(type_), "value", "password")
            raise refuse("password_attribute", path, "leave the password out")
        return self._profile(type_, attributes)

    def _fitted(self, request: Mapping[str, Any]) -> Self:
        if self._error is None or not RegistrationHook(request).is_progressive:
            return self
        causes = self._error.get("errorCauses", [])
        moved = [_in_progressive_profile(cause) for cause in causes]
        return self if moved == causes else self._with(error={**self._error, "errorCauses": moved})

    def _check_request(self, request: Mapping[str, Any]) -> None:
        if self._has(USER_PROFILE) and RegistrationHook(request).is_progressive:
            raise refuse(
                "profile_in_progressive_profile",
                ("commands", self._position(USER_PROFILE), "type"),
                "use progressive_profile() for this request",
            )


def _in_progressive_profile(cause: Mapping[str, str]) -> dict[str, str]:
    """Return a cause whose location is in the profile that a progressive request has."""
    where = cause.get("location", "")
    if not where.startswith(f"{_PROFILE}."):
        return {**cause}
    return {**cause, "location": _PROGRESSIVE + where.removeprefix(_PROFILE)}


class ImportReply(_ActionReply):
    """The reply to an import hook: it creates or links the user, and changes the profiles.

    For example:

    >>> from hookkey_verify.hooks import ImportReply
    >>> [command["value"] for command in ImportReply().link_to("00u1").to_dict()["commands"]]
    [{'result': 'LINK_USER'}, {'id': '00u1'}]
    """

    __slots__ = ()
    EVENT_TYPE: ClassVar[str] = IMPORT

    def create_user(self) -> Self:
        """Return the reply that creates a new user. The last decision counts."""
        commands = [each for each in self._action("CREATE_USER") if each[0] != USER_UPDATE]
        return self._with(commands=tuple(commands))

    def link_to(self, user_id: str) -> Self:
        """Return the reply that links the imported user to an existing one.

        The last decision counts.

        ``user_id``: the id of the existing user, such as ``00u7…``.

        Raises ``InvalidReplyError`` if the id is not text.
        https://developer.okta.com/docs/concepts/inline-hooks/
        """
        value = {"id": text(user_id, "user_id", "commands", 1, "value", "id")}
        linked = self._with(commands=self._action("LINK_USER"))
        return linked._with(commands=linked._command(USER_UPDATE, value))

    def app_user_profile(self, /, **attributes: object) -> Self:
        """Return the reply with attributes for the profile of the app user.

        ``attributes``: names and texts. They are added to those of earlier calls. Okta documents
            only text as values.

        Raises ``InvalidReplyError`` if a value is not JSON.
        https://developer.okta.com/docs/concepts/inline-hooks/
        """
        return self._profile(APP_USER_PROFILE, attributes)

    def user_profile(self, /, **attributes: object) -> Self:
        """Return the reply with attributes for the profile of the Okta user.

        ``attributes``: as for ``app_user_profile``.

        Raises ``InvalidReplyError`` if a value is not JSON.
        https://developer.okta.com/docs/concepts/inline-hooks/
        """
        return self._profile(USER_PROFILE, attributes)


class PasswordImportReply(_ActionReply):
    """The reply to a password import hook. Without a decision the password is not verified.

    For example:

    >>> from hookkey_verify.hooks import PasswordImportReply
    >>> PasswordImportReply().verified().to_dict()["commands"][0]["value"]
    {'credential': 'VERIFIED'}
    """

    __slots__ = ()
    EVENT_TYPE: ClassVar[str] = PASSWORD_IMPORT

    def verified(self) -> Self:
        """Return the reply that the password is right. Okta then stores it. The last one counts."""
        return self._with(commands=self._action("VERIFIED"))

    def unverified(self) -> Self:
        """Return the reply that the password is wrong. The sign-in fails. The last one counts."""
        return self._with(commands=self._action("UNVERIFIED"))


class TelephonyReply(_ActionReply):
    """The reply to a telephony hook: what happened to the message. It is always needed.

    Without it, Okta sends the message with its own provider.

    For example:

    >>> from hookkey_verify.hooks import TelephonyReply
    >>> reply = TelephonyReply().sent(provider="acme", transaction_id="42")
    >>> reply.to_dict()["commands"][0]["value"]
    [{'status': 'SUCCESSFUL', 'provider': 'acme', 'transactionId': '42'}]
    """

    __slots__ = ()
    EVENT_TYPE: ClassVar[str] = TELEPHONY

    def sent(
        self,
        *,
        provider: str | None = None,
        transaction_id: str | None = None,
        transaction_metadata: str | Mapping[str, object] | None = None,
    ) -> Self:
        """Return the reply that the provider delivered the message. The last status counts.

        It removes the error of an earlier call, because with an error Okta sends the message, too.

        ``provider``: the name of the provider; None, the default, sends none.
        ``transaction_id``: the provider's id of the message; None by default.
        ``transaction_metadata``: text, or an object that is sent as JSON text; None by default.

        Raises ``InvalidReplyError`` if an argument is not as described.
        https://developer.okta.com/docs/guides/telephony-inline-hook
        """
        sent = self._status("SUCCESSFUL", provider, transaction_id, transaction_metadata)
        return sent._with(without_error=True)

    def pending(
        self,
        *,
        provider: str | None = None,
        transaction_id: str | None = None,
        transaction_metadata: str | Mapping[str, object] | None = None,
    ) -> Self:
        """Return the reply that the delivery is not yet confirmed. It removes an earlier error.

        ``provider``, ``transaction_id``, ``transaction_metadata``: as for ``sent``.

        Raises ``InvalidReplyError`` if an argument is not as described.
        https://developer.okta.com/docs/guides/telephony-inline-hook
        """
        pending = self._status("PENDING", provider, transaction_id, transaction_metadata)
        return pending._with(without_error=True)

    def failed(
        self,
        *,
        provider: str | None = None,
        transaction_id: str | None = None,
        transaction_metadata: str | Mapping[str, object] | None = None,
    ) -> Self:
        """Return the reply that the message could not be delivered.

        ``provider``, ``transaction_id``, ``transaction_metadata``: as for ``sent``.

        Raises ``InvalidReplyError`` if an argument is not as described.
        https://developer.okta.com/docs/guides/telephony-inline-hook
        """
        return self._status("FAILED", provider, transaction_id, transaction_metadata)

    def _status(
        self,
        status: str,
        provider: str | None,
        transaction_id: str | None,
        metadata: str | Mapping[str, object] | None,
    ) -> Self:
        path = ("commands", 0, "value", 0)
        if isinstance(metadata, Mapping):
            import json  # noqa: PLC0415 - keeps the import of the package fast

            metadata = json.dumps(plain(metadata, (*path, "transactionMetadata")))
        texts = {
            "provider": provider,
            "transactionId": transaction_id,
            "transactionMetadata": metadata,
        }
        action = {"status": status}
        for name, value in texts.items():
            if value is not None:
                action[name] = text(value, "telephony_text", *path, name)
        return self._with(commands=self._command(TELEPHONY_ACTION, (action,)))

    def _check_complete(self) -> None:
        if not self._commands and self._error is None:
            raise refuse("telephony_action", (), "call sent(), pending() or failed()")
