"""One bounded HTTP exchange with an Okta org: deadline, size, redirects, errors.

No redirect is followed (it would carry the credentials away), no environment is read (a .netrc
replaces the Authorization header, a proxy variable reroutes it), the body is read in identity
encoding up to a limit. Whatever goes wrong ends in a ``HookKeyApiError``; the errors of requests
are dropped, not chained, because they hold the request with its credentials.
"""

from __future__ import annotations

import ipaddress
import math
import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
import urllib3

from ..clock import Clock, monotonic_clock
from ..encoding import EncodingError, json_object
from ..errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    HookKeyApiError,
    HookKeyError,
    NotFoundError,
    RateLimitedError,
    TransportError,
    ValidationFailedError,
)
from ..version import __version__
from .credentials import Credentials
from .deadline import Watch, WatchedAdapter

__all__ = ["Answer", "OktaTransport", "check_org_url"]

CONNECT_TIMEOUT = 1.0
READ_TIMEOUT = 2.0
MAX_BODY = 16 * 1024

_HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|[0-9a-f:]+")
_TOO_LATE = "there was no complete answer within the deadline"

_STATUS_ERRORS: dict[int, type[HookKeyApiError]] = {
    400: ValidationFailedError,
    401: AuthenticationError,
    403: ForbiddenError,
    404: NotFoundError,
    429: RateLimitedError,
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json_object(self) -> dict[str, Any]:
        """Read the body. Raises ``TransportError`` when it is not one strict JSON object."""
        try:
            return json_object(self.body)
        except EncodingError as error:
            problem = str(error)
        raise TransportError(f"the answer {problem}", status=self.status)


class OktaTransport:
    """Exchanges with one org. Thread-safe; one connection pool."""

    def __init__(
        self,
        org_url: str,
        credentials: Credentials,
        *,
        verify: bool | str = True,
        proxies: Mapping[str, str] | None = None,
        clock: Clock = monotonic_clock,
    ) -> None:
        """``verify`` is True or the path of a CA bundle. Raises ``ConfigurationError``."""
        self.org_url = check_org_url(org_url)
        if not isinstance(credentials, Credentials):
            raise ConfigurationError("credentials must be ApiToken(…) or BearerToken(…)")
        if verify is not True and not _is_path(verify):
            raise ConfigurationError("verify must be True or the path of an existing CA bundle")
        if proxies is not None and not isinstance(proxies, Mapping):
            raise ConfigurationError('proxies must map schemes to URLs: {"https": "http://…"}')
        self._credentials = credentials
        self._clock = clock
        self._closed = threading.Event()
        self._session = requests.Session()
        self._session.trust_env = False
        self._session.mount("https://", WatchedAdapter())
        self._session.mount("http://", WatchedAdapter())
        self._session.verify = verify
        self._session.proxies = dict(proxies or {})
        self._session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        self._session.headers.clear()
        self._session.headers.update(
            {
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": f"hookkey-verify/{__version__}",
            }
        )

    def __repr__(self) -> str:
        return f"OktaTransport({self.org_url!r})"

    def exchange(
        self, method: str, path: str, *, json: Mapping[str, Any] | None = None, deadline: float
    ) -> Answer:
        """Send one request and return its 2xx answer; ``deadline`` is in monotonic seconds.

        Raises the ``HookKeyApiError`` that fits the status, or ``TransportError``.
        """
        if self._closed.is_set():
            raise ConfigurationError("it is closed")
        try:
            answer = self._send(method, path, json, deadline)
        except HookKeyError:
            raise
        except Exception as error:  # the one seal, also for a failing token function
            answer = _problem(error)
        if isinstance(answer, str):
            raise TransportError(answer)
        if 200 <= answer.status < 300:
            return answer
        raise _api_error(answer)

    def close(self) -> None:
        """Close the connections. Idempotent; exchanges after it raise ``ConfigurationError``."""
        self._closed.set()
        self._session.close()

    def _send(
        self, method: str, path: str, json: Mapping[str, Any] | None, deadline: float
    ) -> Answer | str:
        left = deadline - self._clock()
        if left <= 0:
            raise TransportError(_TOO_LATE)
        with Watch(left) as watch:
            try:
                answer = self._request(method, path, json, left)
            except Exception:
                if not watch.expired:
                    raise
            else:
                # Headers that were cut off look to http.client like headers that ended.
                if not watch.expired:
                    return answer
        raise TransportError(_TOO_LATE)

    def _request(
        self, method: str, path: str, json: Mapping[str, Any] | None, left: float
    ) -> Answer:
        response = self._session.request(
            method,
            self.org_url + path,
            json=json,
            auth=self._credentials,
            allow_redirects=False,
            stream=True,
            timeout=(min(CONNECT_TIMEOUT, left), min(READ_TIMEOUT, left)),
        )
        with response:
            body = bytearray()
            while chunk := response.raw.read1(MAX_BODY + 1, decode_content=False):
                body += chunk
                if len(body) > MAX_BODY:
                    raise TransportError(f"the answer is larger than {MAX_BODY} bytes")
        return Answer(response.status_code, response.headers, bytes(body))


def check_org_url(org_url: object) -> str:
    """Return ``scheme://host[:port]`` of an org URL, or raise ``ConfigurationError`` with the fix.

    https only; http is accepted for this machine (localhost, 127.0.0.0/8, ::1) and its emulator.
    """
    if not isinstance(org_url, str):
        raise ConfigurationError("org_url must be a string such as https://acme.okta.com")
    try:
        parts = urlsplit(org_url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        parts, host, port = urlsplit(""), "", None
    if (
        not host
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
        or parts.path not in ("", "/")
    ):
        raise ConfigurationError("org_url must be just https and a host: https://acme.okta.com")
    # urlsplit drops white space and control characters without a word.
    if not _HOST.fullmatch(host) or any(not character > " " for character in org_url):
        raise ConfigurationError("org_url has a character that host names do not have")
    if port == 0:
        raise ConfigurationError("org_url has the port 0")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise ConfigurationError("org_url must begin with https:// (http is for loopback only)")
    if "-admin." in host:
        raise ConfigurationError("org_url is the Admin Console's: leave -admin out of the host")
    authority = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{authority}" + (f":{port}" if port else "")


def _is_path(value: object) -> bool:
    return isinstance(value, str) and value != "" and Path(value).exists()


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _problem(error: Exception) -> str:
    """Our own words for an error of requests or urllib3, whose text may hold anything."""
    if isinstance(error, requests.exceptions.SSLError):
        return "the TLS certificate was not accepted; verify= takes the path of a CA bundle"
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return "there was no answer in time"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy did not answer"
    if isinstance(error, requests.ConnectionError | ConnectionError):
        return "the connection was refused or lost"
    return f"the exchange failed ({type(error).__name__})"


def _api_error(answer: Answer) -> HookKeyApiError:
    status, headers = answer.status, answer.headers
    try:
        error = json_object(answer.body)
    except EncodingError:
        error = {}
    if 300 <= status < 400:
        return TransportError("it answered with a redirect; is org_url right?", status=status)
    if (status == 400 and "errorCode" not in error) or (
        status == 404 and error.get("errorCode") != "E0000007"
    ):
        # A proxy's or a captive portal's page: it says nothing about keys.
        return TransportError("the answer is not Okta's; is org_url right?", status=status)
    kind = _STATUS_ERRORS.get(status, TransportError if status >= 500 else HookKeyApiError)
    made = kind(_HINTS.get(status, ""), status=status, headers=headers, error=error)
    if isinstance(made, RateLimitedError):
        made.reset_at, made.retry_after = _rate_limit(headers)
    return made


_HINTS = {
    401: "the token is wrong, expired or revoked",
    403: "it needs okta.inlineHooks.read, and okta.inlineHooks.manage to change keys",
}


def _rate_limit(headers: Mapping[str, str]) -> tuple[float, float]:
    """Return when the bucket is refilled and how long that is from now, both by Okta's clock.

    ``X-Rate-Limit-Reset`` minus ``Date``, so that our clock does not matter; at most 120 seconds.
    https://developer.okta.com/docs/reference/rl-best-practices/
    """
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - costs 5 ms, for one rare answer

    try:
        reset_at = float(headers.get("X-Rate-Limit-Reset", "").split(",")[0])
        seconds = reset_at - parsedate_to_datetime(headers.get("Date", "")).timestamp() + 1
    except (ValueError, TypeError, OverflowError):
        seconds = reset_at = math.nan
    if not math.isfinite(seconds):
        return 0.0, RateLimitedError.retry_after
    return reset_at, min(max(seconds, 1.0), 120.0)
