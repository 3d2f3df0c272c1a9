"""HTTP exchanges with a deadline and a size limit, without redirects or environment settings.

Redirects are not followed, because they would send the credentials elsewhere. The environment is
ignored, because a .netrc file would replace the Authorization header and a proxy variable would
send it elsewhere. Bodies are read without content encoding, up to a limit. Every failure raises
``TransportError``. Exceptions of the requests library are not chained, because they contain the
request with its credentials.
"""

from __future__ import annotations

import ipaddress
import math
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import DefaultCookiePolicy
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, urlsplit, urlunsplit

import requests
import urllib3

from .._jose.encoding import EncodingError, json_list, json_object
from .._runtime.clock import Clock, monotonic_clock
from .._runtime.forking import PerProcess
from .._runtime.version import __version__
from ..errors import ConfigurationError, HookKeyError, TransportError
from .deadline import Watch, WatchedAdapter

__all__ = ["Answer", "BoundedHttp", "check_url", "epoch"]

CONNECT_TIMEOUT = 1.0
"""The minimum connect timeout in seconds; a third of the remaining time if that is longer."""
MAX_BODY = 16 * 1024
RETRY_NEEDS = 0.7
"""Seconds that must remain for a second attempt."""

LONGEST_WAIT = 120
"""The longest wait in seconds; longer waits that a server asks for are shortened to this."""

_HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|[0-9a-f:]+")
_PLACEHOLDER = re.compile(r"[{}<>]|your[-_]?(okta)?[-_]?domain", re.IGNORECASE)
_JSON_TYPE = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json", re.IGNORECASE)
_TOO_LATE = "there was no complete response within the deadline"
_LOST = "the connection was refused or lost"

_Json = TypeVar("_Json")


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json_object(self, types: re.Pattern[str] | None = None) -> dict[str, Any]:
        """Read the body. Raises ``TransportError`` unless it is one strict JSON object.

        ``types`` matches the accepted media types; None accepts those of JSON.
        """
        return self._read(json_object, types or _JSON_TYPE)

    def json_list(self) -> list[Any]:
        """Read the body. Raises ``TransportError`` unless it is one strict JSON array."""
        return self._read(json_list, _JSON_TYPE)

    def retry_after(self) -> float | None:
        """Return ``Retry-After`` in seconds, 1 to 120, or None if it is absent or malformed.

        RFC 9110 section 10.2.3: a number of seconds, or a date. The response's ``Date`` is
        subtracted from a date.
        """
        value = self.headers.get("Retry-After", "").strip()
        try:
            if value.isascii() and value.isdigit():
                seconds = float(value)
            else:
                seconds = epoch(value) - epoch(self.headers.get("Date", ""))
        except (ValueError, TypeError, OverflowError):
            return None
        return min(max(seconds, 1.0), LONGEST_WAIT) if math.isfinite(seconds) else None

    def _read(self, reader: Callable[[bytes], _Json], types: re.Pattern[str]) -> _Json:
        media_type = self.headers.get("Content-Type", "").partition(";")[0].strip()
        if not types.fullmatch(media_type):
            raise TransportError("the response is not application/json", status=self.status)
        try:
            return reader(self.body)
        except EncodingError as error:
            problem = str(error)
        raise TransportError(f"the response {problem}", status=self.status)


class BoundedHttp:
    """Sends requests, bounded in time and size, without redirects. Thread-safe; has one pool."""

    def __init__(
        self,
        *,
        verify: bool | str = True,
        proxies: Mapping[str, str] | None = None,
        clock: Clock = monotonic_clock,
    ) -> None:
        """Create a client.

        ``verify``: True (the default), or the path of a CA bundle.
        ``proxies``: proxy URLs by scheme. Default None: no proxy.
        ``clock``: a function that returns monotonic seconds. Default: ``time.monotonic``.

        Raises ``ConfigurationError`` naming the argument.
        """
        if verify is not True and not _is_bundle(verify):
            raise ConfigurationError(
                "verify (HOOKKEY_CA_BUNDLE) must be True or the path of an existing CA bundle"
            )
        if proxies is not None and not isinstance(proxies, Mapping):
            raise ConfigurationError('proxies must map schemes to URLs: {"https": "http://…"}')
        if not all(_is_proxy(url) for url in (proxies or {}).values()):
            raise ConfigurationError(
                "proxies (HOOKKEY_PROXY) must be URLs such as http://proxy.acme.com:3128"
            )
        if not callable(clock):
            raise ConfigurationError("clock must be a function that returns monotonic seconds")
        self._verify = verify
        self._proxies = dict(proxies or {})
        self._clock = clock
        self._closed = False
        self._session = PerProcess(self._new_session)

    def _new_session(self) -> requests.Session:
        session = requests.Session()
        session.trust_env = False
        session.mount("https://", WatchedAdapter())
        session.mount("http://", WatchedAdapter())
        session.verify = self._verify
        session.proxies = dict(self._proxies)
        session.cookies.set_policy(DefaultCookiePolicy(allowed_domains=[]))
        session.headers.clear()
        session.headers.update(
            {
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": f"hookkey-verify/{__version__}",
            }
        )
        return session

    def send(
        self,
        method: str,
        url: str,
        *,
        deadline: float,
        auth: Callable[[requests.PreparedRequest], requests.PreparedRequest] | None = None,
        json: Mapping[str, Any] | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        max_body: int | None = None,
    ) -> Answer:
        """Send one request and return the complete response, whatever its status.

        ``method``: the request method.
        ``url``: the absolute URL.
        ``deadline``: the end of the exchange, in monotonic seconds.
        ``auth``: adds credentials to the prepared request. Default None.
        ``json``: an object to send as JSON. Default None.
        ``data``: parameters to send as a form. Default None.
        ``headers``: further request headers. Default None.
        ``max_body``: the longest accepted body in bytes. Default None: 16 KiB.

        A GET is sent once more if the server had closed the kept connection. Raises
        ``TransportError``, or ``ConfigurationError`` after ``close``.
        """
        if self._closed:
            raise ConfigurationError("the client is closed")
        request = requests.Request(method, url, json=json, data=data, headers=headers, auth=auth)
        answer, watch = self._try(request, deadline, max_body or MAX_BODY)
        enough = deadline - self._clock() >= RETRY_NEEDS
        if answer == _LOST and watch.reused and method == "GET" and enough:
            answer, watch = self._try(request, deadline, max_body or MAX_BODY)
        if isinstance(answer, str):
            parts = urlsplit(url)
            error = TransportError(f"{answer} ({parts.scheme}://{parts.netloc})")
            error.sent = watch.sent
            raise error
        return answer

    def close(self) -> None:
        """Close the connections. Idempotent. Later exchanges raise ``ConfigurationError``."""
        self._closed = True
        self._session().close()

    def _try(
        self, request: requests.Request, deadline: float, max_body: int
    ) -> tuple[Answer | str, Watch]:
        """Return the response or the problem, and the watch of the connection."""
        left = deadline - self._clock()
        watch = Watch(max(0.0, left))
        if left <= 0:
            return _TOO_LATE, watch
        answer: Answer | str
        try:
            with watch:
                answer = self._exchange(request, left, max_body)
        except HookKeyError:
            raise
        except Exception as error:  # nothing else may escape, including errors of a token function
            answer = _problem(error)
        # http.client cannot tell headers that were cut off from complete ones.
        return (_TOO_LATE if watch.expired else answer), watch

    def _exchange(self, request: requests.Request, left: float, max_body: int) -> Answer:
        session = self._session()
        response = session.send(
            session.prepare_request(request),
            allow_redirects=False,
            stream=True,
            timeout=(min(max(CONNECT_TIMEOUT, left / 3), left), left),
        )
        with response:
            if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
                problem = "the response has a Content-Encoding, which was not requested"
                raise TransportError(problem, status=response.status_code)
            body = bytearray()
            while chunk := response.raw.read1(max_body + 1, decode_content=False):
                body += chunk
                if len(body) > max_body:
                    raise TransportError(f"the response is larger than {max_body} bytes")
        return Answer(response.status_code, response.headers, bytes(body))


def check_url(name: str, url: object, *, example: str, query: bool = False) -> str:
    """Check an absolute URL and return it with the host in lower case.

    Raises ``ConfigurationError`` naming the fix. http is accepted only for loopback addresses.
    """
    if not isinstance(url, str):
        raise ConfigurationError(f"{name} must be a string such as {example}")
    if _PLACEHOLDER.search(url):
        raise ConfigurationError(
            f"{name} still contains a placeholder; replace it with your own, such as {example}"
        )
    parts, host, port = _parts(url)
    if not host or "@" in parts.netloc or parts.fragment or (parts.query and not query):
        raise ConfigurationError(f"{name} must be a plain URL such as {example}")
    problem = _problem_with(url, parts.scheme, host, port)
    if problem:
        raise ConfigurationError(f"{name} {problem}")
    authority = f"[{host}]" if ":" in host else host
    return urlunsplit(parts._replace(netloc=authority + (f":{port}" if port else "")))


def _parts(url: str) -> tuple[SplitResult, str, int | None]:
    """Return the parts, the host and the port; all empty for a malformed URL."""
    try:
        parts = urlsplit(url)
        return parts, parts.hostname or "", parts.port
    except ValueError:
        return urlsplit(""), "", None


def _problem_with(url: str, scheme: str, host: str, port: int | None) -> str:
    # urlsplit silently removes white space and control characters.
    if not _HOST.fullmatch(host) or any(not "!" <= character <= "~" for character in url):
        return "contains a character that URLs do not allow"
    if port == 0:
        return "has the port 0"
    if scheme != "https" and not (scheme == "http" and _is_loopback(host)):
        return "must begin with https:// (http is for loopback only)"
    return ""


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def epoch(date: str) -> float:
    """Return a date from a header in epoch seconds. Raises ``ValueError``."""
    from email.utils import parsedate_to_datetime  # noqa: PLC0415 - 5 ms, rarely needed

    try:
        return parsedate_to_datetime(date).timestamp()
    except (OverflowError, TypeError):
        raise ValueError("no date") from None


def _is_bundle(value: object) -> bool:
    """Return whether this is a file of certificates, or a directory in OpenSSL's format."""
    try:
        if not isinstance(value, str) or not value:
            return False
        if not Path(value).is_dir():
            ssl.create_default_context(cafile=value)
        return True
    except (OSError, ValueError):  # including files that are not PEM
        return False


def _is_proxy(value: object) -> bool:
    try:
        parts = urlsplit(value if isinstance(value, str) else "")
        known = parts.scheme in ("http", "https") and parts.port != 0
        return known and _HOST.fullmatch(parts.hostname or "") is not None
    except ValueError:
        return False


def _problem(error: Exception) -> str:
    """Describe an error of requests or urllib3, whose own text may contain anything."""
    if isinstance(error, requests.exceptions.SSLError):
        return "the TLS certificate was not accepted; verify= takes the path of a CA bundle"
    if isinstance(error, requests.Timeout | urllib3.exceptions.TimeoutError | TimeoutError):
        return "there was no response in time"
    if isinstance(error, requests.exceptions.ProxyError):
        return "the proxy did not answer"
    if "NameResolutionError" in repr(error):  # requests has no type for it
        return "the host name cannot be resolved"
    if isinstance(error, requests.ConnectionError | ConnectionError):
        return _LOST
    return f"the exchange failed ({type(error).__name__})"
