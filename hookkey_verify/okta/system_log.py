"""SystemLogClient reads the System Log of an org and tells why its inline hooks failed.

https://developer.okta.com/docs/api/openapi/okta-management/management/tag/SystemLog/
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

from .._arguments import seconds
from .._jose.encoding import JsonLimits
from .._runtime.clock import Clock, wall_clock
from ..errors import (
    ConfigurationError,
    ForbiddenError,
    TransportError,
)
from .credentials import Credentials
from .diagnosis import (
    READ_HOOKS,
    READ_LOGS,
    READ_SERVERS,
    SCOPES,
    Diagnosis,
    refined,
    wanted_ids,
)
from .failures import FAILED_HOOKS, HookFailure, grouped
from .granted_scopes import arguments_with_scopes
from .http import Answer
from .log_query import PAGE, beginning, check_period, first_path, next_path, okta_time, pause_after
from .models import InlineHook, LogEvent
from .org_client import AsyncOrgClient, OrgClient, in_thread, reported
from .paths import INLINE_HOOKS, SERVERS, is_id
from .recursion import RecursionTrap, calls_for, server_of, suspects

__all__ = ["AsyncSystemLogClient", "SystemLogClient"]

MAX_PAGES: Final = 200
MAX_BODY: Final = 16 * 1024 * 1024
LIMITS: Final = JsonLimits(containers=200_000, members=500_000, values=1_000_000)
MARGIN: Final = timedelta(seconds=2)
"""How long after Okta's ``Date``, which has whole seconds, a query without ``until`` ends."""
_PERMISSION: Final = (
    f"it needs the scope {READ_LOGS}; an API token has the permissions of its administrator"
)


class SystemLogClient(OrgClient):
    """Reads the System Log of one org. Thread-safe. Close it, or use it as a context manager.

    All methods raise the ``HookKeyApiError`` for Okta's response. Invalid arguments raise
    ``ConfigurationError`` before a request is sent. Reading requires okta.logs.read.

    For example:

    >>> from hookkey_verify import ApiToken
    >>> from hookkey_verify.emulator import OktaEmulator
    >>> from hookkey_verify.okta import SystemLogClient
    >>> with OktaEmulator() as okta, SystemLogClient(okta.url, ApiToken(okta.api_token)) as log:
    ...     delivery = okta.fire(okta.create_hook("http://127.0.0.1:1/hook", name="Claims")["id"])
    ...     [(each.hook_name, each.cause.value) for each in log.failures()]
    [('Claims', 'not_connected')]
    """

    _permission = _PERMISSION
    _max_body = MAX_BODY

    def __init__(
        self,
        org_url: str,
        credentials: Credentials,
        *,
        now: Clock = wall_clock,
        sleep: Callable[[float], object] = time.sleep,
        **options: Any,
    ) -> None:
        """Create a client.

        ``now``: a function that returns epoch seconds. Default: the system clock.
        ``sleep``: a function that waits for a number of seconds. Default: ``time.sleep``.
        ``org_url``, ``credentials``, ``options``: the arguments of ``HookKeysClient``.

        Raises ``ConfigurationError`` naming the argument.
        """
        super().__init__(org_url, credentials, sleep=sleep, **options)
        self._now = now
        self._sleep = sleep

    @classmethod
    def from_env(cls, **options: Any) -> Self:
        """Do the same as ``HookKeysClient.from_env``.

        A service app without configured scopes requests okta.logs.read, okta.inlineHooks.read and
        okta.authorizationServers.read, or those of them that it has.
        """
        return cls(**arguments_with_scopes(options, SCOPES))

    def events(
        self,
        *,
        since: datetime | timedelta = timedelta(hours=1),
        until: datetime | None = None,
        filter: str = "",  # noqa: A002 - Okta's name
    ) -> Iterator[LogEvent]:
        """Return the events of a period, the oldest first, page by page.

        ``since``: the beginning: a time with a time zone, or a duration before now, by Okta's
            clock. Default: one hour.
        ``until``: the end, with a time zone. Default None: now.
        ``filter``: an expression such as ``eventType eq "inline_hook.executed"``. Default: all.
        """
        check_period(since, until, filter)
        return self._read(since, until, filter)

    def follow(
        self,
        *,
        since: datetime | timedelta = timedelta(0),
        filter: str = "",  # noqa: A002
        every: float = 10,
    ) -> Iterator[list[LogEvent]]:
        """Return new events as they are published, in lists that may be empty. It never ends.

        ``since``, ``filter``: as for ``events``. Default: from now on.
        ``every``: seconds between two requests, 1 to 3600, default 10. The wait is longer when a
            tenth or less of the rate limit is left, because other programs share it.
        """
        check_period(since, None, filter)
        return self._follow(since, filter, seconds("every", every, 1, 3600))

    def _follow(
        self,
        since: datetime | timedelta,
        query: str,
        every: float,
    ) -> Iterator[list[LogEvent]]:
        begin = beginning(since, self._okta_now(self.clock_skew()))
        path = first_path({"since": okta_time(begin), "filter": query})
        while True:
            events, answer = self._page(path)
            path = next_path(answer) or path
            yield events
            if len(events) < PAGE:
                self._sleep(max(every, pause_after(answer)))

    def failures(
        self, *, since: datetime | timedelta = timedelta(hours=1), hook: str | None = None
    ) -> list[HookFailure]:
        """Return the failures of inline hooks by hook and cause, the latest first.

        ``since``: as for ``events``. Default: one hour.
        ``hook``: the id or the name of a hook. Default None: all hooks.

        The cause ``recursion`` requires okta.inlineHooks.read and okta.authorizationServers.read.
        Raises ``NotFoundError`` if there is no such hook.
        """
        found = self.diagnose(since=since, hook=hook)
        if READ_LOGS in found.missing:
            raise ForbiddenError(_PERMISSION, status=403)
        return list(found.failures)

    def diagnose(
        self, *, since: datetime | timedelta = timedelta(hours=1), hook: str | None = None
    ) -> Diagnosis:
        """Return the failures, recursion traps, the clock skew, and the scopes that are missing.

        ``since``, ``hook``: as for ``failures``. A missing scope raises nothing.
        """
        check_period(since, None, "")
        if hook is not None and not isinstance(hook, str):
            raise ConfigurationError("hook must be the name or the id of an inline hook")
        missing: list[str] = []
        hooks = _permitted(self._hooks, missing, READ_HOOKS) or []
        skew, events, until = None, list[LogEvent](), None
        try:
            skew = self.clock_skew()
            until = self._okta_now(skew)
            events += self._events(beginning(since, until), until + MARGIN, FAILED_HOOKS)
        except ForbiddenError:
            missing.append(READ_LOGS)
        wanted = wanted_ids(hook, hooks, events, is_complete=READ_HOOKS not in missing)
        traps = _permitted(lambda: self._traps(hooks), missing, READ_SERVERS) or []
        kept = [event for event in events if wanted is None or event.target_id in wanted]
        without_tokens = {
            hook.id for hook in hooks if hook.authentication in ("none", "auth_header")
        }
        return Diagnosis(
            failures=tuple(
                refined(each, traps, None if each.hook_id in without_tokens else skew)
                for each in grouped(kept)
            ),
            traps=tuple(trap for trap in traps if wanted is None or trap.hook_id in wanted),
            missing=tuple(missing),
            clock_skew=skew,
            until=until,
            hook_ids=wanted,
            uuids=frozenset(event.uuid for event in events),
        )

    @reported
    def clock_skew(self) -> float | None:
        """Return the seconds by which this machine's clock is ahead of Okta's, or None."""
        since = okta_time(self._okta_now(None))
        _, answer = self._page(first_path({"since": since, "limit": "1"}))
        return answer.clock_skew(self._now())

    def _okta_now(self, skew: float | None) -> datetime:
        return datetime.fromtimestamp(self._now() - (skew or 0.0), UTC)

    def _read(
        self, since: datetime | timedelta, until: datetime | None, query: str
    ) -> Iterator[LogEvent]:
        now = self._okta_now(self.clock_skew())
        yield from self._events(beginning(since, now), until or now + MARGIN, query)

    def _events(self, since: datetime, until: datetime, filter: str) -> Iterator[LogEvent]:  # noqa: A002
        query = {"since": okta_time(since), "until": okta_time(until), "filter": filter}
        for events in self._pages(query):
            yield from events

    def _pages(self, query: Mapping[str, str]) -> Iterator[list[LogEvent]]:
        path = first_path(query)
        for _ in range(MAX_PAGES):
            events, answer = self._page(path)
            yield events
            following = next_path(answer)
            if following is None or following == path or not events:
                return
            path = following
        raise TransportError(
            f"the System Log has more than {MAX_PAGES} pages; choose a later since"
        )

    @reported
    def _page(self, path: str) -> tuple[list[LogEvent], Answer]:
        answer = self._exchange("GET", path)
        return [LogEvent.from_document(row) for row in answer.json_list(LIMITS)], answer

    @reported
    def _listed(self, path: str) -> list[Any]:
        """Return all rows of a list, which may have several pages."""
        rows: list[Any] = []
        following: str | None = path
        while following is not None and len(rows) < 10_000:
            answer = self._exchange("GET", following)
            page = answer.json_list(LIMITS)
            rows += page
            following = next_path(answer, path.partition("?")[0]) if page else None
        return rows

    def _hooks(self) -> list[InlineHook]:
        return [InlineHook.from_document(row) for row in self._listed(INLINE_HOOKS)]

    def _traps(self, hooks: list[InlineHook]) -> list[RecursionTrap]:
        found = suspects(hooks)
        servers = self._listed(SERVERS) if found else []
        traps = []
        for hook in found:
            server = server_of(hook, servers, self.org_url)
            rule = None if server is None else self._rule_that_calls(server, hook)
            if server is not None and rule is not None:
                traps.append(RecursionTrap(hook.id, hook.name, server, rule))
        return traps

    def _rule_that_calls(self, server: str, hook: InlineHook) -> str | None:
        """Return the name of the rule that calls the hook for its own token, or None."""
        policies = f"{SERVERS}/{server}/policies"
        for policy in self._listed(policies):
            if not isinstance(policy, Mapping) or not is_id(policy.get("id")):
                continue
            for rule in self._listed(f"{policies}/{policy['id']}/rules"):
                if calls_for(rule, policy, hook):
                    return str(rule.get("name") or rule.get("id"))
        return None


class AsyncSystemLogClient(AsyncOrgClient):
    """``SystemLogClient`` for asyncio: the same methods, awaitable, in worker threads.

    For example:

    >>> from hookkey_verify import ApiToken
    >>> from hookkey_verify.okta import AsyncSystemLogClient
    >>> AsyncSystemLogClient("https://acme.okta.com", ApiToken("00example"))
    AsyncSystemLogClient('https://acme.okta.com')
    """

    _kind = SystemLogClient
    _client: SystemLogClient

    @classmethod
    def from_env(cls, **options: Any) -> Self:
        """Create a client; see ``SystemLogClient.from_env``."""
        return cls(**arguments_with_scopes(options, SCOPES))

    async def events(
        self,
        *,
        since: datetime | timedelta = timedelta(hours=1),
        until: datetime | None = None,
        filter: str = "",  # noqa: A002
    ) -> AsyncIterator[LogEvent]:
        """Return the events of a period, the oldest first; see ``SystemLogClient.events``."""
        events = self._client.events(since=since, until=until, filter=filter)
        while (event := await in_thread(next, events, None)) is not None:
            yield event

    async def follow(
        self,
        *,
        since: datetime | timedelta = timedelta(0),
        filter: str = "",  # noqa: A002
        every: float = 10,
    ) -> AsyncIterator[list[LogEvent]]:
        """Return new events as they are published; see ``SystemLogClient.follow``."""
        pages = self._client.follow(since=since, filter=filter, every=every)
        while True:
            yield await in_thread(next, pages)

    async def failures(
        self, *, since: datetime | timedelta = timedelta(hours=1), hook: str | None = None
    ) -> list[HookFailure]:
        """Return the failures of inline hooks by hook and cause, the latest first."""
        return await in_thread(self._client.failures, since=since, hook=hook)

    async def diagnose(
        self, *, since: datetime | timedelta = timedelta(hours=1), hook: str | None = None
    ) -> Diagnosis:
        """Return the failures, recursion traps, clock skew and missing scopes."""
        return await in_thread(self._client.diagnose, since=since, hook=hook)

    async def clock_skew(self) -> float | None:
        """Return the seconds by which this machine's clock is ahead of Okta's, or None."""
        return await in_thread(self._client.clock_skew)


def _permitted(read: Callable[[], list[Any]], missing: list[str], scope: str) -> list[Any] | None:
    """Return what a function reads, or None if the scope for it is missing."""
    try:
        return read()
    except ForbiddenError:
        missing.append(scope)
        return None
