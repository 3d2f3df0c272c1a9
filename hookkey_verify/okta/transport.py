"""OktaTransport sends requests to one org and turns Okta's errors into ours."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from .._jose.encoding import EncodingError, json_object
from .._runtime.clock import Clock, monotonic_clock
from ..errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    HookKeyApiError,
    NotFoundError,
    RateLimitedError,
    TransportError,
    ValidationFailedError,
)
from .credentials import Credentials
from .http import LONGEST_WAIT, Answer, BoundedHttp, check_url, epoch

__all__ = ["OktaTransport", "check_org_url", "rate_limit"]

MAX_ATTEMPTS = 5
MAX_CONNECTIONS = 3
"""Attempts to connect: an unreachable server is more often a wrong URL than an outage."""
_IDEMPOTENT = ("GET", "PUT", "DELETE")

_STATUS_ERRORS: dict[int, type[HookKeyApiError]] = {
    400: ValidationFailedError,
    401: AuthenticationError,
    403: ForbiddenError,
    404: NotFoundError,
    429: RateLimitedError,
}


class OktaTransport:
    """Sends requests to one org's management API. Thread-safe; has one connection pool."""

    def __init__(
        self,
        org_url: str,
        credentials: Credentials,
        *,
        verify: bool | str = True,
        proxies: Mapping[str, str] | None = None,
        clock: Clock = monotonic_clock,
        max_wait: float = 0,
        on_wait: Callable[[float], object] | None = None,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Create a transport.

        ``org_url``: the URL of the org.
        ``credentials``: an ``ApiToken``, a ``ServiceApp`` or a ``BearerToken``.
        ``verify``: True (the default), or the path of a CA bundle.
        ``proxies``: proxy URLs by scheme. Default None: no proxy.
        ``max_wait``: the longest total wait, in seconds, for retries of an idempotent request after
            429, 503, 504 or a lost connection. 0 (the default): no retries.
        ``on_wait``: a function that is called with the seconds of each wait. Default None.
        ``clock``: a function that returns monotonic seconds. Default: ``time.monotonic``.
        ``sleep``: a function that waits for a number of seconds. Default: ``time.sleep``.

        Raises ``ConfigurationError`` naming the argument.
        """
        self.org_url = check_org_url(org_url)
        if not isinstance(credentials, Credentials):
            raise ConfigurationError(
                "credentials must be an ApiToken, a ServiceApp or a BearerToken: ApiToken(token)"
            )
        credentials.bind(self.org_url)
        self._credentials = credentials
        if on_wait is not None and not callable(on_wait):
            raise ConfigurationError("on_wait must be a function that takes the seconds, or None")
        self._http = BoundedHttp(verify=verify, proxies=proxies, clock=clock)
        self._clock = clock
        self._max_wait = max_wait
        self._on_wait = on_wait or _no_notice
        self._sleep = sleep

    def __repr__(self) -> str:
        return f"OktaTransport({self.org_url!r})"

    def exchange(
        self,
        method: str,
        path: str,
        *,
        json: Mapping[str, Any] | None = None,
        deadline: float,
        max_body: int | None = None,
    ) -> Answer:
        """Send one request and return its 2xx response.

        ``method``: the request method.
        ``path``: the path below the org URL, with the query if there is one.
        ``json``: an object to send as JSON. Default None.
        ``deadline``: the end of each attempt, in monotonic seconds.
        ``max_body``: the longest accepted body in bytes. Default None: 16 KiB.

        After a 401, renewable credentials are renewed once and the request is repeated, whatever
        its method, because Okta has not executed it. Raises ``TransportError`` or the
        ``HookKeyApiError`` for the status.
        """
        send = partial(
            self._http.send,
            method,
            self.org_url + path,
            auth=self._credentials,
            json=json,
            max_body=max_body,
        )
        timeout, waited = deadline - self._clock(), 0.0
        headers: dict[str, str] = {}
        attempt = 0
        while True:
            attempt += 1
            try:
                again = partial(send, headers=headers, deadline=deadline)
                return self._once(again, deadline)
            except HookKeyApiError as error:
                if isinstance(error, NotFoundError) and method == "DELETE" and attempt > 1:
                    return Answer(
                        204, {}, b""
                    )  # an earlier attempt succeeded, but its response was lost
                wait = _wait(method, error, attempt)
                if wait is None or waited + wait > self._max_wait:
                    raise
                # As https://developer.okta.com/docs/reference/rl-best-practices/ recommends.
                headers["X-Okta-Retry-Count"] = str(attempt)
                if error.request_id:
                    headers.setdefault("X-Okta-Retry-For", error.request_id)
            self._on_wait(wait)
            self._sleep(wait)
            waited += wait
            deadline = self._clock() + timeout

    def _once(self, send: Callable[[], Answer], deadline: float) -> Answer:
        self._prepare(deadline)
        answer = send()
        if answer.status == 401 and self._credentials.refused(answer.headers):
            self._prepare(deadline)
            answer = send()
        if 200 <= answer.status < 300:
            return answer
        raise _api_error(answer)

    def _prepare(self, deadline: float) -> None:
        try:
            self._credentials.prepare(deadline, self._clock())
        except TransportError as error:
            error.sent = False  # the request itself has not been sent
            raise

    def close(self) -> None:
        """Close the connections. Idempotent. Later exchanges raise ``ConfigurationError``."""
        self._http.close()


def check_org_url(org_url: object) -> str:
    """Check an org URL and return ``scheme://host[:port]``.

    Raises ``ConfigurationError`` naming the fix. http is accepted only for loopback addresses, such
    as those of the emulator.
    """
    parts = urlsplit(check_url("org_url", org_url, example="https://acme.okta.com"))
    right = f"{parts.scheme}://{parts.netloc.replace('-admin.', '.', 1)}"
    if "-admin." in parts.netloc:
        raise ConfigurationError(f"org_url is the Admin Console's; did you mean {right}?")
    if parts.path not in ("", "/"):
        raise ConfigurationError(f"org_url must be a host without a path; did you mean {right}?")
    return right


def _no_notice(wait: float) -> None:
    """Do nothing; the default of ``on_wait``."""


def _wait(method: str, error: HookKeyApiError, attempt: int) -> float | None:
    """Return the seconds until the next attempt, or None if there should be none."""
    if method not in _IDEMPOTENT or attempt >= MAX_ATTEMPTS:
        return None
    if isinstance(error, RateLimitedError):
        return error.retry_after
    if not isinstance(error, TransportError) or error.status not in (None, 503, 504):
        return None
    if error.retry_after is not None:
        return error.retry_after
    if error.status is None and attempt >= MAX_CONNECTIONS:
        return None
    return 0.5 * 2.0**attempt * random.uniform(0.5, 1)  # noqa: S311 - spreads the load, protects nothing


def _api_error(answer: Answer) -> HookKeyApiError:
    status, headers = answer.status, answer.headers
    try:
        error = json_object(answer.body)
    except EncodingError:
        error = {}
    if 300 <= status < 400:
        return TransportError("the response is a redirect; check org_url", status=status)
    if (status == 400 and "errorCode" not in error) or (
        status == 404 and error.get("errorCode") != "E0000007"
    ):
        # Probably from a proxy or captive portal: it reveals nothing about keys.
        return TransportError("the response is not from Okta; check org_url", status=status)
    kind = _STATUS_ERRORS.get(status, TransportError if status >= 500 else HookKeyApiError)
    hint = _HINTS.get(status, "")
    if status == 401 and error.get("errorCode") == "E0000015":
        kind, hint = ForbiddenError, _NO_FEATURE
    made = kind(hint, status=status, headers=headers, error=error)
    if isinstance(made, RateLimitedError):
        made.reset_at, made.retry_after = rate_limit(headers, answer.retry_after())
    elif isinstance(made, TransportError):
        made.retry_after = answer.retry_after()
    return made


_NO_FEATURE = (
    "the org lacks the feature, such as API Access Management, or the administrator may not use it"
)
"""What E0000015 means: https://developer.okta.com/docs/reference/error-codes/."""
_HINTS = {
    401: "the token is wrong, expired or revoked",
    403: (
        "it needs an administrator role, super admin, and with OAuth also the scope "
        "okta.inlineHooks.read, or okta.inlineHooks.manage to change keys"
    ),
}


def rate_limit(headers: Mapping[str, str], otherwise: float | None = None) -> tuple[float, float]:
    """Return when a rate limit resets (epoch seconds, by Okta's clock) and the seconds until then.

    The seconds are the earliest ``X-Rate-Limit-Reset`` minus ``Date``, so our clock does not matter
    (https://developer.okta.com/docs/reference/rl-best-practices/). If limit and remaining are both
    0, too many requests run concurrently, which ends soon and has no reset
    (https://developer.okta.com/docs/reference/rl2-concurrency/). Without a reset, ``otherwise``
    (``Retry-After``) counts.
    """
    names = ("X-Rate-Limit-Limit", "X-Rate-Limit-Remaining")
    if all(headers.get(name, "").strip() == "0" for name in names):
        return 0.0, 1.0
    try:
        reset_at = min(float(value) for value in headers.get("X-Rate-Limit-Reset", "").split(","))
        seconds = reset_at - epoch(headers.get("Date", "")) + 1
    except (ValueError, TypeError, OverflowError):
        seconds = reset_at = math.nan
    if not math.isfinite(seconds):
        return 0.0, RateLimitedError.retry_after if otherwise is None else otherwise
    return reset_at, min(max(seconds, 1.0), LONGEST_WAIT)
