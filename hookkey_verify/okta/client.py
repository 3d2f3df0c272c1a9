"""HookKeysClient manages and rotates hook keys through Okta's management API.

https://developer.okta.com/docs/api/openapi/okta-management/management/tag/HookKey/
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import Any, Concatenate, Final, ParamSpec, TypeVar

from .._arguments import seconds
from .._jose.jwk import PublicKey
from .._runtime.clock import Clock, monotonic_clock, wall_clock
from ..errors import (
    ConfigurationError,
    HookKeyApiError,
    KeyInUseError,
    KeyLimitError,
    KeyRejectedError,
    NotFoundError,
    TransportError,
    ValidationFailedError,
)
from ..events import EventName, OnEvent, Reporter, reason_of
from .credentials import Credentials
from .http import Answer, epoch
from .models import HookKey
from .paths import HOOK_KEYS, MAX_LIST, is_id
from .sign_in import arguments_from_env
from .transport import OktaTransport

__all__ = ["AsyncHookKeysClient", "HookKeysClient", "Rotation"]

P = ParamSpec("P")
R = TypeVar("R")

MAX_KEYS: Final = 50
MAX_NAME: Final = 255
HookKeyList = list[HookKey]  # in the classes below, list is a method
_SLACK: Final = 2.0
"""Seconds by which Okta's ``created`` and ``Date`` may differ: both are in whole seconds."""


def _reported(
    call: Callable[Concatenate[HookKeysClient, P], R],
) -> Callable[Concatenate[HookKeysClient, P], R]:
    """Make a method report the outcome of its call of the API."""

    @wraps(call)
    def reported(self: HookKeysClient, /, *args: P.args, **kwargs: P.kwargs) -> R:
        report, began = self._report, self._clock()
        try:
            result = call(self, *args, **kwargs)
        except (HookKeyApiError, KeyRejectedError) as error:
            seconds = self._clock() - began
            report(EventName.API, outcome="failed", seconds=seconds, reason=reason_of(error))
            raise
        report(EventName.API, outcome="ok", seconds=self._clock() - began)
        return result

    return reported


class HookKeysClient:
    """Manages the hook keys of one org. Thread-safe. Close it, or use it as a context manager.

    All methods raise the ``HookKeyApiError`` for Okta's response. Invalid arguments raise
    ``ConfigurationError`` before a request is sent. Reading requires okta.inlineHooks.read, and
    changes require okta.inlineHooks.manage.

    For example:

    >>> from hookkey_verify import ApiToken, HookKeysClient
    >>> from hookkey_verify.emulator import OktaEmulator
    >>> with OktaEmulator() as okta, HookKeysClient(okta.url, ApiToken(okta.api_token)) as client:
    ...     key = client.create("Token hook")
    ...     [each.name for each in client.list()]
    ...     client.delete(key.id)
    ['Token hook']
    """

    def __init__(
        self,
        org_url: str,
        credentials: Credentials,
        *,
        timeout: float = 30,
        max_wait: float = 70,
        on_wait: Callable[[float], object] | None = None,
        verify: bool | str = True,
        proxies: Mapping[str, str] | None = None,
        on_event: OnEvent | None = None,
        clock: Clock = monotonic_clock,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Create a client.

        ``org_url``: the URL of the org, such as "https://acme.okta.com".
        ``credentials``: an ``ApiToken``, a ``ServiceApp`` or a ``BearerToken``.
        ``timeout``: the time for one complete response, 0.05 to 3600 seconds, default 30.
        ``max_wait``: the longest total wait, 0 to 3600 seconds, for retries of idempotent requests
            (reading, renaming, deleting) when Okta's rate limit is exhausted or Okta is briefly
            unavailable. Default 70; 0: no retries.
        ``on_wait``: a function that is called with the seconds of each wait. Default None.
        ``verify``: True (the default), or the path of a CA bundle.
        ``proxies``: proxy URLs by scheme. Default None: no proxy.
        ``on_event``: a function that takes an ``Event`` for each call of the API. Default None.
        ``clock``: a function that returns monotonic seconds. Default: ``time.monotonic``.
        ``sleep``: a function that waits for a number of seconds. Default: ``time.sleep``.

        Raises ``ConfigurationError`` naming the argument.
        """
        self._transport = OktaTransport(
            org_url,
            credentials,
            verify=verify,
            proxies=proxies,
            clock=clock,
            max_wait=seconds("max_wait", max_wait, 0, 3600),
            on_wait=on_wait,
            sleep=sleep,
        )
        self._timeout = seconds("timeout", timeout, 0.05, 3600)
        self._clock = clock
        self._report = Reporter(self._transport.org_url, on_event)

    @classmethod
    def from_env(cls, **options: Any) -> HookKeysClient:
        """Create a client from ``OKTA_CLIENT_*`` and okta.yaml (``hookkey_verify.settings``).

        ``options`` are arguments of the client, or settings by name; they override settings. Raises
        ``ConfigurationError`` naming what is missing and where to set it.
        """
        return cls(**arguments_from_env(options))

    def __repr__(self) -> str:
        return f"HookKeysClient({self._transport.org_url!r})"

    def __reduce__(self) -> Any:
        raise ConfigurationError("a HookKeysClient cannot be pickled or copied; create another one")

    def __enter__(self) -> HookKeysClient:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def org_url(self) -> str:
        """The org whose hook keys these are."""
        return self._transport.org_url

    @_reported
    def list(self) -> HookKeyList:
        """Return all hook keys of the org, without their public keys."""
        return self._listed()[0]

    @_reported
    def create(self, name: str) -> HookKey:
        """Create a key pair in Okta, which keeps the private key; return it with the public key.

        The request is never repeated. If its response is lost, the org's list of keys shows whether
        the key was created. Raises ``ValidationFailedError`` if the name is taken and
        ``KeyLimitError`` if the org has 50 keys.
        """
        began = self._clock()
        try:
            answer = self._exchange("POST", HOOK_KEYS, {"name": _checked_name(name)})
            return HookKey.from_document(answer.json_object())
        except TransportError as error:
            if not error.sent:
                raise
            lost = error
        except HookKeyApiError as error:
            raise self._why_refused(error, name, creates=True) from None
        return self._recovered(name, began, lost)

    @_reported
    def get(self, id: str, *, expand: bool = False) -> HookKey:  # noqa: A002 - Okta's name for it
        """Return the key with this ``id`` (``HKY…``); with ``expand``, including its public key."""
        path = _path(id) + ("?expand=publickey" if expand else "")
        return HookKey.from_document(self._exchange("GET", path).json_object())

    @_reported
    def public_key(self, key_id: str) -> PublicKey:
        """Return the public key with this ``keyId``.

        Raises ``KeyRejectedError`` if the key document is not acceptable.
        """
        answer = self._exchange("GET", f"{HOOK_KEYS}/public/{_segment('key_id', key_id)}")
        return PublicKey.from_document(answer.json_object(), expected_kid=key_id)

    @_reported
    def rename(self, id: str, name: str) -> HookKey:  # noqa: A002
        """Rename a key and return it. Nothing else can be changed.

        Raises ``ValidationFailedError`` if the name is taken.
        """
        path, body = _path(id), {"name": _checked_name(name)}
        try:
            return HookKey.from_document(self._exchange("PUT", path, body).json_object())
        except HookKeyApiError as error:
            raise self._why_refused(error, name, creates=False) from None

    @_reported
    def delete(self, id: str) -> None:  # noqa: A002
        """Delete a key permanently. Raises ``KeyInUseError`` if an inline hook uses it."""
        try:
            self._exchange("DELETE", _path(id))
        except (NotFoundError, TransportError):
            raise
        except HookKeyApiError as error:
            # Okta does not document this error, but it reports whether a key is used.
            if error.status in (400, 409) and self._is_used(id):
                raise _as(KeyInUseError, error) from None
            raise

    def find(self, name: str) -> HookKey | None:
        """Return the key with exactly this name, or None."""
        _checked_name(name)
        return next((key for key in self.list() if key.name == name), None)

    def rotate(self, name: str, *, successor: str | None = None) -> Rotation:
        """Start to replace the key with this name by creating its successor, unless that exists.

        ``successor``: the name of the new key. Default None: ``name`` and today's date (UTC).

        Then distribute the successor's public key, select it in the inline hooks, and call
        ``finish`` of the result. Raises ``NotFoundError`` if there is no key ``name``.
        """
        _checked_name(name)
        successor = _dated(name) if successor is None else _checked_name(successor)
        if successor == name:
            raise ConfigurationError("successor must be another name")
        keys = {key.name: key for key in self.list()}
        if name not in keys:
            finished = ", but it has the successor: rename that key to complete the rotation"
            ending = finished if successor in keys else ""
            raise NotFoundError(f"the org has no hook key of that name{ending}")
        old, new = keys[name], keys.get(successor)
        if new is not None and old.created and new.created and new.created < old.created:
            raise ConfigurationError("successor is an older key than the one to be replaced")
        new = new or self.create(successor)
        return Rotation(client=self, old=old, new=self._with_public_key(new))

    def jwks(self) -> dict[str, Any]:
        """Return the public keys of all hook keys as a JWK Set (RFC 7517 section 5)."""
        keys = [self.public_key(key.key_id) for key in self.list()]
        return {"keys": [key.as_jwk() for key in keys]}

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._transport.close()

    def _exchange(self, method: str, path: str, json: Mapping[str, Any] | None = None) -> Answer:
        return self._transport.exchange(
            method,
            path,
            json=json,
            deadline=self._clock() + self._timeout,
            max_body=MAX_LIST if path == HOOK_KEYS else None,
        )

    def _listed(self) -> tuple[HookKeyList, Answer]:
        answer = self._exchange("GET", HOOK_KEYS)
        return [HookKey.from_document(row) for row in answer.json_list()], answer

    def _is_used(self, id: str) -> bool:  # noqa: A002
        try:
            return self.get(id).is_used is True
        except HookKeyApiError:
            return False

    def _why_refused(self, error: HookKeyApiError, name: str, *, creates: bool) -> HookKeyApiError:
        """Return a more specific error, by the list of keys: Okta does not document its errors."""
        if isinstance(error, TransportError) or error.status not in (400, 409):
            return error
        try:
            keys = self.list()
        except HookKeyApiError:
            return error
        if any(key.name == name for key in keys):
            return _as(ValidationFailedError, error, "the name is in use already")
        return _as(KeyLimitError, error) if creates and len(keys) >= MAX_KEYS else error

    def _recovered(self, name: str, began: float, lost: TransportError) -> HookKey:
        """Return the key of a create request whose response was lost, or raise."""
        try:
            keys, answer = self._listed()
        except HookKeyApiError:
            raise TransportError(
                "the response was lost, so the key may or may not exist: look for its name before "
                "you create it again",
                status=lost.status,
            ) from None
        key = next((key for key in keys if key.name == name), None)
        if key is None:
            raise TransportError(
                f"{lost.detail}; the key is not in the list now, but look there once more before "
                "you create it again",
                status=lost.status,
            )
        ours = self._is_ours(key, began, answer)
        if ours is None:
            raise TransportError(
                "the response was lost, and a key of this name exists, which may be the one",
                status=lost.status,
            )
        if not ours:
            raise ValidationFailedError("the name is in use already", status=lost.status)
        try:
            return self._with_public_key(key)
        except HookKeyApiError:
            return key  # without its public key, rather than fail: the key exists

    def _is_ours(self, key: HookKey, began: float, answer: Answer) -> bool | None:
        """Return whether the key was created after our request, by Okta's clock.

        None: the response has no date, or the key has no creation time.
        """
        try:
            now = epoch(answer.headers.get("Date", ""))
        except (ValueError, TypeError):
            return None
        if key.created is None:
            return None
        elapsed = self._clock() - began
        return key.created.timestamp() >= now - elapsed - _SLACK

    def _with_public_key(self, key: HookKey) -> HookKey:
        if key.raw.get("_embedded") is not None:
            return key
        jwk = self._exchange(
            "GET", f"{HOOK_KEYS}/public/{_segment('keyId', key.key_id)}"
        ).json_object()
        return HookKey.from_document({**key.raw, "_embedded": jwk.get("_embedded", jwk)})


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """A key and its successor. Both exist until ``finish``.

    For example:

    >>> from hookkey_verify import ApiToken, HookKeysClient
    >>> from hookkey_verify.emulator import OktaEmulator
    >>> with OktaEmulator() as okta, HookKeysClient(okta.url, ApiToken(okta.api_token)) as client:
    ...     client.create("Token hook").name
    ...     rotation = client.rotate("Token hook")
    ...     rotation.is_unused()  # after every hook uses rotation.new
    ...     rotation.finish().name
    'Token hook'
    True
    'Token hook'
    """

    client: HookKeysClient
    old: HookKey
    new: HookKey
    """The successor, with the public key that verifiers need before inline hooks use it."""

    def is_unused(self) -> bool:
        """Return whether no inline hook uses the old key, by asking Okta."""
        return self.client.get(self.old.id).is_used is False

    def finish(self) -> HookKey:
        """Delete the old key, give its name to the new key, and return the new key.

        It can be repeated. Raises ``KeyInUseError`` while an inline hook uses the old key.
        """
        try:
            if self.client.get(self.old.id).is_used is True:
                raise KeyInUseError("let the inline hooks use the successor first")
            self.client.delete(self.old.id)
        except NotFoundError:
            pass  # an earlier attempt has deleted it
        return self.client.rename(self.new.id, self.old.name)


class AsyncHookKeysClient:
    """``HookKeysClient`` for asyncio: the same methods, awaitable, in worker threads.

    For example:

    >>> import asyncio
    >>> from hookkey_verify import ApiToken, AsyncHookKeysClient
    >>> from hookkey_verify.emulator import OktaEmulator
    >>> async def names(okta):
    ...     async with AsyncHookKeysClient(okta.url, ApiToken(okta.api_token)) as client:
    ...         await client.create("Token hook")
    ...         return [key.name for key in await client.list()]
    >>> with OktaEmulator() as okta:
    ...     asyncio.run(names(okta))
    ['Token hook']
    """

    def __init__(self, org_url: str, credentials: Credentials, **options: Any) -> None:
        """Create a client; the arguments are those of ``HookKeysClient``.

        Raises ``ConfigurationError``.
        """
        options.setdefault("sleep", _interruptible)
        self._client = HookKeysClient(org_url, credentials, **options)

    @classmethod
    def from_env(cls, **options: Any) -> AsyncHookKeysClient:
        """Create a client; see ``HookKeysClient.from_env``."""
        return cls(**arguments_from_env(options))

    def __repr__(self) -> str:
        return f"Async{self._client!r}"

    @property
    def org_url(self) -> str:
        """The org whose hook keys these are."""
        return self._client.org_url

    def __reduce__(self) -> Any:
        raise ConfigurationError("an AsyncHookKeysClient cannot be pickled or copied")

    async def __aenter__(self) -> AsyncHookKeysClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def list(self) -> HookKeyList:
        """Return all hook keys of the org, without their public keys."""
        return await _in_thread(self._client.list)

    async def create(self, name: str) -> HookKey:
        """Create a key pair and return it with its public key."""
        return await _in_thread(self._client.create, name)

    async def get(self, id: str, *, expand: bool = False) -> HookKey:  # noqa: A002
        """Return the key with this ``id``."""
        return await _in_thread(self._client.get, id, expand=expand)

    async def public_key(self, key_id: str) -> PublicKey:
        """Return the public key with this ``keyId``."""
        return await _in_thread(self._client.public_key, key_id)

    async def rename(self, id: str, name: str) -> HookKey:  # noqa: A002
        """Rename a key and return it."""
        return await _in_thread(self._client.rename, id, name)

    async def delete(self, id: str) -> None:  # noqa: A002
        """Delete a key permanently."""
        await _in_thread(self._client.delete, id)

    async def find(self, name: str) -> HookKey | None:
        """Return the key with exactly this name, or None."""
        return await _in_thread(self._client.find, name)

    async def rotate(self, name: str, *, successor: str | None = None) -> AsyncRotation:
        """Start to replace the key with this name."""
        rotation = await _in_thread(self._client.rotate, name, successor=successor)
        return AsyncRotation(rotation)

    async def jwks(self) -> dict[str, Any]:
        """Return the public keys of all hook keys as a JWK Set."""
        return await _in_thread(self._client.jwks)

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        await _in_thread(self._client.close)


class AsyncRotation:
    """``Rotation`` for asyncio."""

    def __init__(self, rotation: Rotation) -> None:
        self._rotation = rotation
        self.old = rotation.old
        self.new = rotation.new

    async def is_unused(self) -> bool:
        """Return whether no inline hook uses the old key, by asking Okta."""
        return await _in_thread(self._rotation.is_unused)

    async def finish(self) -> HookKey:
        """Delete the old key, give its name to the new key, and return the new key."""
        return await _in_thread(self._rotation.finish)


_cancelled: ContextVar[threading.Event] = ContextVar("_cancelled")


async def _in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a call in a worker thread. Cancelling the task ends the waits for Okta."""
    cancelled = threading.Event()
    _cancelled.set(cancelled)  # the thread gets a copy of this context
    try:
        return await asyncio.to_thread(function, *args, **kwargs)
    finally:
        cancelled.set()


def _interruptible(seconds: float) -> None:
    if _cancelled.get().wait(seconds):
        raise TransportError("the call was cancelled")


def _checked_name(name: object) -> str:
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise ConfigurationError(f"name must be 1 to {MAX_NAME} printable characters")
    return name


def _dated(name: str) -> str:
    """Return the name of the successor that is created today."""
    successor = f"{name} {datetime.fromtimestamp(wall_clock(), UTC):%Y-%m-%d}"
    if len(successor) > MAX_NAME:
        raise ConfigurationError(
            f"the name with a date has over {MAX_NAME} characters; pass successor="
        )
    return successor


def _segment(what: str, value: object) -> str:
    if not isinstance(value, str) or not is_id(value):
        raise ConfigurationError(f"{what} must be 1 to 64 letters, digits, - and _")
    return value


def _path(id: object) -> str:  # noqa: A002
    return f"{HOOK_KEYS}/{_segment('id', id)}"


def _as(kind: type[HookKeyApiError], error: HookKeyApiError, detail: str = "") -> HookKeyApiError:
    """Return the same error as a more specific class."""
    made = kind(detail or error.detail, status=error.status)
    for name in ("error_code", "error_summary", "error_id", "causes", "request_id"):
        setattr(made, name, getattr(error, name))
    return made
