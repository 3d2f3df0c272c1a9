"""InlineHooksClient manages inline hooks through Okta's management API.

https://developer.okta.com/docs/api/openapi/okta-management/management/tag/InlineHook/
"""

from __future__ import annotations

from collections.abc import Mapping
from json import dumps
from typing import Any, Final
from urllib.parse import urlencode

from .._jose.encoding import JsonLimits
from ..errors import (
    ConfigurationError,
    HookKeyApiError,
    TransportError,
    ValidationFailedError,
)
from .hook_settings import check_changes, checked_type, new_hook, replaced_hook
from .http import Answer
from .models import InlineHook
from .org_client import AsyncOrgClient, OrgClient, checked_id, in_thread, reported, same_error
from .paths import INLINE_HOOKS

__all__ = ["AsyncInlineHooksClient", "InlineHooksClient"]

MAX_HOOKS: Final = 100
MAX_BODY: Final = 1024 * 1024
"""The largest response in bytes: 100 hooks of 10 KB, or the reply of a service."""
LIMITS: Final = JsonLimits(containers=50_000, members=100_000, values=100_000)
"""The list of 100 hooks has over 1,000 objects, because each hook has links and headers."""
_PERMISSION: Final = (
    "it needs an administrator role, super admin or a custom role with okta.inlinehooks.{0} (Early "
    "Access), and with OAuth also the scope okta.inlineHooks.{0}"
)

InlineHookList = list[InlineHook]  # in the classes below, list is a method
HOOK_FAILED: Final = ("E0000134", "E0000135", "E0000137")
"""Okta's codes, with status 502, 400 and 504, for a handler that failed.

https://developer.okta.com/docs/reference/error-codes/
"""


class InlineHooksClient(OrgClient):
    """Manages the inline hooks of one org. Thread-safe. Close it, or use it as a context manager.

    See ``OrgClient`` for what all clients have in common.

    The credentials need an administrator role: super admin, or a custom role with
    okta.inlinehooks.read or okta.inlinehooks.manage (Early Access). With OAuth they also need a
    scope: ``list`` and ``get`` okta.inlineHooks.read, ``replace`` that and okta.inlineHooks.manage,
    the others okta.inlineHooks.manage.

    For example:

    >>> from hookkey_verify.okta import ApiToken, InlineHooksClient
    >>> from hookkey_verify.emulator import OktaEmulator
    >>> with OktaEmulator() as okta, InlineHooksClient(okta.url, ApiToken(okta.api_token)) as org:
    ...     org.deactivate(okta.create_hook("https://hooks.acme.com/hook")["id"]).status
    'INACTIVE'
    """

    _resource = "hook"
    _permission = _PERMISSION
    _max_body = MAX_BODY

    @reported
    def list(self, type: str | None = None) -> InlineHookList:  # noqa: A002 - Okta's name for it
        """Return the inline hooks of the org.

        ``type``: Okta's name of a type, such as "com.okta.oauth2.tokens.transform". Default None:
            hooks of all types.
        """
        query = "" if type is None else "?" + urlencode({"type": checked_type(type)})
        return self._listed(query)[0]

    @reported
    def get(self, id: str) -> InlineHook:  # noqa: A002
        """Return the hook with this ``id`` (``cal…``)."""
        return self._hook("GET", _path(id))

    @reported
    def create(
        self,
        name: str,
        type: str,  # noqa: A002
        uri: str,
        *,
        auth_header: tuple[str, str] | None = None,
        client_secret: str | None = None,
        hook_key_id: str | None = None,
        client_id: str | None = None,
        token_url: str | None = None,
        scope: str | None = None,
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
        version: str = "1.0.0",
    ) -> InlineHook:
        """Create an active hook and return it.

        Okta authenticates to the handler in one of three ways: with ``auth_header``, or with an
        access token that it requests with ``client_secret`` or with ``hook_key_id``
        (private_key_jwt). Pass exactly one of them.

        ``name``: a unique name of 1 to 255 printable characters.
        ``type``: Okta's name of the type, such as "com.okta.oauth2.tokens.transform".
        ``uri``: the https URL of the handler, at most 1024 characters.
        ``auth_header``: the name of a header and its secret value. Default None.
        ``client_secret``: the secret of the client ``client_id``. Default None.
        ``hook_key_id``: the ``id`` (``HKY…``) of a hook key. Default None.
        ``client_id``, ``token_url``: the client and the URL at which Okta requests access tokens;
            required with ``client_secret`` and ``hook_key_id``. Default None.
        ``scope``: the scopes of the access token, separated by spaces. Default None. An Okta
            authorization server requires one.
        ``headers``: further headers by name. Okta shows their values to administrators, so do not
            put a secret there. Default None.
        ``method``: "POST" (the default), "PUT", "GET" or "DELETE".
        ``version``: the version of the hook's type. Default "1.0.0".

        The request is never repeated. If its response is lost, the org's list of hooks shows
        whether the hook was created. Raises ``ValidationFailedError`` if the name is taken or the
        org has 100 hooks.
        """
        settings = {
            "auth_header": auth_header,
            "client_secret": client_secret,
            "hook_key_id": hook_key_id,
            "client_id": client_id,
            "token_url": token_url,
            "scope": scope,
            "headers": headers,
            "method": method,
            "version": version,
        }
        body, began = new_hook(name, type, uri, settings), self._clock()
        try:
            return self._hook("POST", INLINE_HOOKS, body)
        except TransportError as error:
            if not error.sent:
                raise
            lost = error
        except HookKeyApiError as error:
            raise self._why_refused(error, name, None) from None
        return self._recovered(name, began, lost, self._listed)

    def replace(self, id: str, **changes: Any) -> InlineHook:  # noqa: A002
        """Change a hook and return it.

        ``changes``: ``name``, ``uri``, ``method``, ``version``, ``headers`` (all of them, as a
            mapping), ``client_id``, ``token_url``, ``scope`` (None: no scope), and ``auth_header``,
            ``client_secret`` or ``hook_key_id``, which also change how Okta authenticates. The
            arguments of ``create`` describe them.

        Okta's PUT replaces the whole hook, so this reads the hook and sends it back with the
        changes. If another client changes the hook between these two requests, its change is lost:
        Okta does not document conditional requests.

        Okta does not return the value of an authentication header and a client secret. A replace of
        a hook with such a secret raises ``ConfigurationError`` unless it passes ``auth_header`` or
        ``client_secret`` again, or drops the secret by passing ``hook_key_id``. Raises
        ``ValidationFailedError`` if the name is taken.
        """
        check_changes(changes)
        return self._put(id, replaced_hook(self.get(id), changes))

    @reported
    def activate(self, id: str) -> InlineHook:  # noqa: A002
        """Activate a hook and return it."""
        return self._hook("POST", f"{_path(id)}/lifecycle/activate")

    @reported
    def deactivate(self, id: str) -> InlineHook:  # noqa: A002
        """Deactivate a hook, so that Okta does not call it, and return it."""
        return self._hook("POST", f"{_path(id)}/lifecycle/deactivate")

    @reported
    def delete(self, id: str) -> None:  # noqa: A002
        """Delete a hook permanently. Okta deletes only inactive hooks: deactivate it first."""
        try:
            self._exchange("DELETE", _path(id))
        except HookKeyApiError as error:
            # Okta does not document this error, but it reports the status of a hook.
            if error.status in (400, 409) and self._is_active(id):
                detail = "the hook is active: deactivate it first"
                raise same_error(ValidationFailedError, error, detail) from None
            raise

    @reported
    def execute(self, id: str, payload: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002
        """Let Okta call the handler of a hook, and return the handler's reply.

        This runs the real handler, with its side effects.

        ``id``: the ``id`` of an active hook.
        ``payload``: a payload of the hook's type; Okta sends it as it is.

        Okta waits three seconds and tries once more. Its documentation makes no exception for token
        and telephony hooks, whose real calls are not retried. The client never repeats its request.
        A reply without a body is returned as an empty dict. Raises ``ValidationFailedError`` if the
        handler fails, or if its reply does not fit the type; ``causes`` has Okta's explanation.
        """
        path, body = f"{_path(id)}/execute", _checked_payload(payload)
        try:
            answer = self._exchange("POST", path, body)
        except HookKeyApiError as error:
            if not isinstance(error, ValidationFailedError) and error.error_code not in HOOK_FAILED:
                raise
            detail = "the handler failed, or the payload or its reply do not fit the hook's type"
            raise same_error(ValidationFailedError, error, detail) from None
        return answer.json_object(limits=LIMITS) if answer.body.strip() else {}

    def _hook(self, method: str, path: str, json: Mapping[str, Any] | None = None) -> InlineHook:
        answer = self._exchange(method, path, json)
        return InlineHook.from_document(answer.json_object(limits=LIMITS))

    def _listed(self, query: str = "") -> tuple[InlineHookList, Answer]:
        answer = self._exchange("GET", INLINE_HOOKS + query)
        rows = answer.json_list(LIMITS)
        return [InlineHook.from_document(row) for row in rows], answer

    @reported
    def _put(self, id: str, body: Mapping[str, Any]) -> InlineHook:  # noqa: A002
        try:
            return self._hook("PUT", _path(id), body)
        except HookKeyApiError as error:
            raise self._why_refused(error, body["name"], id) from None

    def _is_active(self, id: str) -> bool:  # noqa: A002
        try:
            return self.get(id).status == "ACTIVE"
        except HookKeyApiError:
            return False

    def _why_refused(self, error: HookKeyApiError, name: str, id: str | None) -> HookKeyApiError:  # noqa: A002
        """Return the error with a reason, by the list of hooks: Okta does not document its errors.

        ``id``: the hook that was replaced, or None if one was to be created.
        """
        if isinstance(error, TransportError) or error.status not in (400, 409):
            return error
        try:
            hooks = self.list()
        except HookKeyApiError:
            return error
        if any(hook.name == name and hook.id != id for hook in hooks):
            return same_error(ValidationFailedError, error, "the name is in use already")
        if id is None and len(hooks) >= MAX_HOOKS:
            detail = f"the org has {MAX_HOOKS} inline hooks, which is the limit"
            return same_error(ValidationFailedError, error, detail)
        return error


class AsyncInlineHooksClient(AsyncOrgClient):
    """``InlineHooksClient`` for asyncio: the same methods, awaitable, in worker threads.

    For example:

    >>> from hookkey_verify.okta import ApiToken, AsyncInlineHooksClient
    >>> AsyncInlineHooksClient("https://acme.okta.com", ApiToken("00example"))
    AsyncInlineHooksClient('https://acme.okta.com')
    """

    _kind = InlineHooksClient
    _client: InlineHooksClient

    async def list(self, type: str | None = None) -> InlineHookList:  # noqa: A002
        """Return the inline hooks of the org, or those of one type."""
        return await in_thread(self._client.list, type)

    async def get(self, id: str) -> InlineHook:  # noqa: A002
        """Return the hook with this ``id``."""
        return await in_thread(self._client.get, id)

    async def create(
        self,
        name: str,
        type: str,  # noqa: A002
        uri: str,
        *,
        auth_header: tuple[str, str] | None = None,
        client_secret: str | None = None,
        hook_key_id: str | None = None,
        client_id: str | None = None,
        token_url: str | None = None,
        scope: str | None = None,
        headers: Mapping[str, str] | None = None,
        method: str = "POST",
        version: str = "1.0.0",
    ) -> InlineHook:
        """Create an active hook and return it; see ``InlineHooksClient.create``."""
        return await in_thread(
            self._client.create,
            name,
            type,
            uri,
            auth_header=auth_header,
            client_secret=client_secret,
            hook_key_id=hook_key_id,
            client_id=client_id,
            token_url=token_url,
            scope=scope,
            headers=headers,
            method=method,
            version=version,
        )

    async def replace(self, id: str, **changes: Any) -> InlineHook:  # noqa: A002
        """Change a hook and return it; see ``InlineHooksClient.replace``."""
        return await in_thread(self._client.replace, id, **changes)

    async def activate(self, id: str) -> InlineHook:  # noqa: A002
        """Activate a hook and return it."""
        return await in_thread(self._client.activate, id)

    async def deactivate(self, id: str) -> InlineHook:  # noqa: A002
        """Deactivate a hook, so that Okta does not call it, and return it."""
        return await in_thread(self._client.deactivate, id)

    async def delete(self, id: str) -> None:  # noqa: A002
        """Delete an inactive hook permanently."""
        await in_thread(self._client.delete, id)

    async def execute(self, id: str, payload: Mapping[str, Any]) -> dict[str, Any]:  # noqa: A002
        """Let Okta call the handler of a hook, and return the handler's reply."""
        return await in_thread(self._client.execute, id, payload)


def _path(id: object) -> str:  # noqa: A002
    return f"{INLINE_HOOKS}/{checked_id('id', id)}"


def _checked_payload(payload: object) -> dict[str, Any]:
    """Return a payload as a dict after checking that it can be written as JSON."""
    if not isinstance(payload, Mapping):
        raise ConfigurationError("payload must be a mapping, such as the payload of a token hook")
    try:
        dumps(document := dict(payload), allow_nan=False)
    except (TypeError, ValueError, RecursionError):
        problem = "payload must consist of JSON values"
    else:
        return document
    raise ConfigurationError(problem)
