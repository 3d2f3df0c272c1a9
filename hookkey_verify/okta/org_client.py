"""OrgClient: what the clients of Okta's management API have in common, and its asynchronous twin.

A subclass adds one method for each operation of its resource.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import datetime
from functools import wraps
from typing import Any, ClassVar, Concatenate, Final, ParamSpec, Protocol, Self, TypeVar

from .._arguments import seconds
from .._runtime.clock import Clock, monotonic_clock
from ..errors import (
    ConfigurationError,
    ForbiddenError,
    HookKeyApiError,
    KeyRejectedError,
    TransportError,
    ValidationFailedError,
)
from ..events import EventName, OnEvent, Reporter, reason_of
from .credentials import Credentials
from .http import Answer, epoch
from .paths import is_id
from .sign_in import arguments_from_env
from .transport import OktaTransport

__all__ = [
    "AsyncOrgClient",
    "OrgClient",
    "checked_id",
    "checked_name",
    "in_thread",
    "interruptible",
    "reported",
    "same_error",
]

P = ParamSpec("P")
R = TypeVar("R")

MAX_NAME: Final = 255
_SLACK: Final = 2.0
"""Seconds by which Okta's ``created`` and ``Date`` may differ: both are in whole seconds."""


class _Resource(Protocol):
    """A named resource of an org, such as a hook key."""

    @property
    def name(self) -> str: ...

    @property
    def created(self) -> datetime | None: ...


Client = TypeVar("Client", bound="OrgClient")
Found = TypeVar("Found", bound=_Resource)


def reported(
    call: Callable[Concatenate[Client, P], R],
) -> Callable[Concatenate[Client, P], R]:
    """Make a method report the outcome of its call of the API."""

    @wraps(call)
    def reporting(self: Client, /, *args: P.args, **kwargs: P.kwargs) -> R:
        report, began = self._report, self._clock()
        try:
            result = call(self, *args, **kwargs)
        except (HookKeyApiError, KeyRejectedError) as error:
            seconds = self._clock() - began
            report(EventName.API, outcome="failed", seconds=seconds, reason=reason_of(error))
            raise
        report(EventName.API, outcome="ok", seconds=self._clock() - began)
        return result

    return reporting


class OrgClient:
    """Calls the management API of one org. Thread-safe. Close it, or use it as a context manager.

    All methods raise the ``HookKeyApiError`` for Okta's response. Invalid arguments raise
    ``ConfigurationError`` before a request is sent.

    For example:

    >>> from hookkey_verify import ApiToken, HookKeysClient
    >>> with HookKeysClient("https://acme.okta.com/", ApiToken("00example"), timeout=5) as client:
    ...     client.org_url
    'https://acme.okta.com'
    """

    _resource: ClassVar[str] = ""
    """What a client creates, in words."""
    _permission: ClassVar[str] = ""
    """The permission that a forbidden request lacks; ``{0}`` becomes read or manage. Empty: none is
    named."""
    _max_body: ClassVar[int | None] = None
    """The largest response in bytes. None: that of the transport."""

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
            (GET, PUT, DELETE) when Okta's rate limit is exhausted or Okta is briefly unavailable.
            Default 70; 0: no retries.
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
    def from_env(cls, **options: Any) -> Self:
        """Create a client from ``OKTA_CLIENT_*`` and okta.yaml (``hookkey_verify.settings``).

        ``options`` are arguments of the client, or settings by name; they override settings. Raises
        ``ConfigurationError`` naming what is missing and where to set it.
        """
        return cls(**arguments_from_env(options))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._transport.org_url!r})"

    def __reduce__(self) -> Any:
        name = type(self).__name__
        raise ConfigurationError(f"{name} cannot be pickled or copied; create another one")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def org_url(self) -> str:
        """The URL of the org."""
        return self._transport.org_url

    def close(self) -> None:
        """Close the connections. Idempotent."""
        self._transport.close()

    def _exchange(
        self,
        method: str,
        path: str,
        json: Mapping[str, Any] | None = None,
        *,
        max_body: int | None = None,
    ) -> Answer:
        deadline, most = self._clock() + self._timeout, max_body or self._max_body
        try:
            return self._transport.exchange(
                method, path, json=json, deadline=deadline, max_body=most
            )
        except ForbiddenError as error:
            if error.status == 401:  # no permission is missing, but a feature of the org
                raise
            needed = self._permission.format("read" if method == "GET" else "manage")
            raise same_error(ForbiddenError, error, needed) from None

    def _recovered(
        self,
        name: str,
        began: float,
        lost: TransportError,
        listed: Callable[[], tuple[list[Found], Answer]],
    ) -> Found:
        """Return the resource of a create request whose response was lost, or raise.

        ``name``: its name, which is unique in the org.
        ``began``: when the request was sent, by ``clock``.
        ``lost``: the error that the request ended with.
        ``listed``: returns all resources of the org, and the response that contains them.
        """
        what = self._resource
        try:
            resources, answer = listed()
        except HookKeyApiError:
            raise TransportError(
                f"the response was lost, so the {what} may or may not exist: look for its name "
                "before you create it again",
                status=lost.status,
            ) from None
        found = next((each for each in resources if each.name == name), None)
        if found is None:
            raise TransportError(
                f"{lost.detail}; the {what} is not in the list now, but look there once more "
                "before you create it again",
                status=lost.status,
            )
        ours = self._is_ours(found, began, answer)
        if ours is None:
            raise TransportError(
                f"the response was lost, and a {what} of this name exists, which may be the one: "
                "look at it before you create another one",
                status=lost.status,
            )
        if not ours:
            raise ValidationFailedError("the name is in use already", status=lost.status)
        return found

    def _is_ours(self, found: _Resource, began: float, answer: Answer) -> bool | None:
        """Return whether it was created after our request, by Okta's clock.

        None: the response has no date, or the resource has no creation time.
        """
        try:
            now = epoch(answer.headers.get("Date", ""))
        except (ValueError, TypeError):
            return None
        if found.created is None:
            return None
        elapsed = self._clock() - began
        return found.created.timestamp() >= now - elapsed - _SLACK


class AsyncOrgClient:
    """An ``OrgClient`` for asyncio: the same methods, awaitable, in worker threads.

    For example:

    >>> from hookkey_verify import ApiToken, AsyncHookKeysClient
    >>> AsyncHookKeysClient("https://acme.okta.com", ApiToken("00example"))
    AsyncHookKeysClient('https://acme.okta.com')
    """

    _kind: ClassVar[type[OrgClient]]
    """The client whose methods run in the threads."""

    def __init__(self, org_url: str, credentials: Credentials, **options: Any) -> None:
        """Create a client; the arguments are those of the synchronous client.

        Raises ``ConfigurationError``.
        """
        options.setdefault("sleep", interruptible)
        self._client: Any = self._kind(org_url, credentials, **options)

    @classmethod
    def from_env(cls, **options: Any) -> Self:
        """Create a client; see ``from_env`` of the synchronous client."""
        return cls(**arguments_from_env(options))

    def __repr__(self) -> str:
        return f"Async{self._client!r}"

    def __reduce__(self) -> Any:
        raise ConfigurationError(f"{type(self).__name__} cannot be pickled or copied")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def org_url(self) -> str:
        """The URL of the org."""
        url: str = self._client.org_url
        return url

    async def close(self) -> None:
        """Close the connections. Idempotent."""
        await in_thread(self._client.close)


_cancelled: ContextVar[threading.Event] = ContextVar("_cancelled")


async def in_thread(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a call in a worker thread. Cancelling the task ends the waits for Okta."""
    cancelled = threading.Event()
    _cancelled.set(cancelled)  # the thread gets a copy of this context
    try:
        return await asyncio.to_thread(function, *args, **kwargs)
    finally:
        cancelled.set()


def interruptible(seconds: float) -> None:
    """Wait inside ``in_thread``. Raises ``TransportError`` if the task is cancelled."""
    if _cancelled.get().wait(seconds):
        raise TransportError("the call was cancelled")


def checked_name(name: object) -> str:
    """Return a name after checking its length and characters."""
    if not isinstance(name, str) or not 1 <= len(name) <= MAX_NAME or not name.isprintable():
        raise ConfigurationError(f"name must be 1 to {MAX_NAME} printable characters")
    return name


def checked_id(what: str, value: object) -> str:
    """Return an id after checking that it is a plain segment of a path."""
    if not isinstance(value, str) or not is_id(value):
        raise ConfigurationError(f"{what} must be 1 to 64 letters, digits, - and _")
    return value


def same_error(
    kind: type[HookKeyApiError], error: HookKeyApiError, detail: str = ""
) -> HookKeyApiError:
    """Return the same error as a more specific class, or with a more specific detail."""
    made = kind(detail or error.detail, status=error.status)
    for name in ("error_code", "error_summary", "error_id", "causes", "request_id"):
        setattr(made, name, getattr(error, name))
    return made
