"""HTTP exchanges with a deadline and a size limit, without redirects or environment settings.

Redirects are not followed, because they would send the credentials elsewhere. The environment is
ignored, because a .netrc file would replace the Authorization header and a proxy variable would
send it elsewhere. Bodies are read without content encoding, up to a limit. Every failure raises
``TransportError``. Exceptions of urllib3 are not chained, because they contain the URL, and the
frames of their tracebacks contain the credentials.
"""

from __future__ import annotations

import ipaddress
import math
import re
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from json import dumps
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import SplitResult, unquote, urlencode, urlsplit, urlunsplit

from urllib3 import HTTPConnectionPool, PoolManager, ProxyManager, Timeout, make_headers
from urllib3.exceptions import (
    ClosedPoolError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    SSLError,
)
from urllib3.exceptions import TimeoutError as HttpTimeoutError
from urllib3.util import parse_url

from .._jose.encoding import DOCUMENT, EncodingError, JsonLimits, json_list, json_object
from .._runtime.clock import Clock, monotonic_clock
from .._runtime.forking import PerProcess
from .._runtime.version import __version__
from ..errors import ConfigurationError, HookKeyError, TransportError
from .credentials import OutgoingRequest
from .deadline import Watch, watched

__all__ = ["Answer", "BoundedHttp", "check_url", "epoch"]

CONNECT_TIMEOUT = 1.0
"""The minimum connect timeout in seconds; a third of the remaining time if that is longer."""
MAX_BODY = 16 * 1024
RETRY_NEEDS = 0.7
"""Seconds that must remain for a second attempt."""

LONGEST_WAIT = 120
"""The longest wait in seconds; longer waits that a server asks for are shortened to this."""

_POOLS = 10
"""The number of hosts, and of connections to each, that are kept."""

_ESCAPED = re.compile("%([0-9A-F]{2})")
_UNRESERVED = re.compile("[A-Za-z0-9._~-]")
"""Characters that a URL need not escape (RFC 3986 section 2.3)."""

_HOST = re.compile(r"[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*|[0-9a-f:]+")
_PLACEHOLDER = re.compile(r"[{}<>]|your[-_]?(okta)?[-_]?domain", re.IGNORECASE)
_JSON_TYPE = re.compile(r"application/(?:[a-z0-9.+-]+\+)?json", re.IGNORECASE)
_HEADERS = {
    "Accept": "application/json",
    "Accept-Encoding": "identity",
    "User-Agent": f"hookkey-verify/{__version__}",
}
_SCHEMES = ("https", "http")
_TOO_LATE = "there was no complete response within the deadline"
_LOST = "the connection was refused or lost"

_Json = TypeVar("_Json")


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete response."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    def json_object(
        self, types: re.Pattern[str] | None = None, limits: JsonLimits = DOCUMENT
    ) -> dict[str, Any]:
        """Read the body. Raises ``TransportError`` unless it is one strict JSON object.

        ``types``: matches the accepted media types. Default None: those of JSON.
        ``limits``: the limits on its structure.
        """
        return self._read(partial(json_object, limits=limits), types or _JSON_TYPE)

    def json_list(self, limits: JsonLimits = DOCUMENT) -> list[Any]:
        """Read the body. Raises ``TransportError`` unless it is one strict JSON array."""
        return self._read(partial(json_list, limits=limits), _JSON_TYPE)

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

    def clock_skew(self, now: float) -> float | None:
        """Return the seconds by which our clock, at ``now``, is ahead of the server's ``Date``.

        A negative number means that our clock is behind. None: the response has no valid date.
        """
        try:
            return now - epoch(self.headers.get("Date", ""))
        except (ValueError, TypeError):
            return None

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
        if proxies is not None and not (
            isinstance(proxies, Mapping) and set(_SCHEMES).issuperset(proxies)
        ):
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
        self._managers: PerProcess[dict[str, PoolManager]] = PerProcess(dict)
        """Connection pools by the scheme of the URL."""

    def send(
        self,
        method: str,
        url: str,
        *,
        deadline: float,
        auth: Callable[[OutgoingRequest], None] | None = None,
        json: Mapping[str, Any] | None = None,
        data: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        max_body: int | None = None,
    ) -> Answer:
        """Send one request and return the complete response, whatever its status.

        ``method``: the request method.
        ``url``: the absolute URL.
        ``deadline``: the end of the exchange, in monotonic seconds.
        ``auth``: sets the headers with the credentials. Default None.
        ``json``: an object to send as JSON. Default None.
        ``data``: parameters to send as a form. Default None.
        ``headers``: further request headers. Default None.
        ``max_body``: the longest accepted body in bytes. Default None: 16 KiB.

        A GET is sent once more if the server had closed the kept connection. Raises
        ``TransportError``, or ``ConfigurationError`` after ``close``.
        """
        if self._closed:
            raise ConfigurationError("the client is closed")
        content, kind = _encoded(json, data)
        given = {**_HEADERS, **kind, **(headers or {})}

        def exchange(left: float) -> Answer:
            request = OutgoingRequest(method, url, dict(given))
            if auth is not None:
                auth(request)
            return self._exchange(request, content, left, max_body or MAX_BODY)

        answer, watch = self._try(exchange, deadline)
        enough = deadline - self._clock() >= RETRY_NEEDS
        if answer == _LOST and watch.reused and method == "GET" and enough:
            answer, watch = self._try(exchange, deadline)
        if isinstance(answer, str):
            parts = urlsplit(url)
            error = TransportError(f"{answer} ({parts.scheme}://{parts.netloc})")
            error.sent = watch.sent
            raise error
        return answer

    def close(self) -> None:
        """Close the connections. Idempotent. Later exchanges raise ``ConfigurationError``."""
        self._closed = True
        for manager in (self._managers.made() or {}).values():
            manager.clear()

    def _try(
        self, exchange: Callable[[float], Answer], deadline: float
    ) -> tuple[Answer | str, Watch]:
        """Return the response or the problem, and the watch of the connection."""
        left = deadline - self._clock()
        watch = Watch(max(0.0, left))
        if left <= 0:
            return _TOO_LATE, watch
        answer: Answer | str
        try:
            with watch:
                answer = exchange(left)
        except HookKeyError:
            raise
        except Exception as error:  # nothing else may escape, including errors of a token function
            answer = _problem(error)
        # http.client cannot tell headers that were cut off from complete ones.
        return (_TOO_LATE if watch.expired else answer), watch

    def _exchange(
        self, request: OutgoingRequest, content: bytes | None, left: float, max_body: int
    ) -> Answer:
        pool, target = self._route(request.url)
        try:
            response = pool.urlopen(
                request.method,
                target,
                body=content,
                headers=request.headers,
                retries=False,
                redirect=False,
                assert_same_host=False,  # a proxy gets URLs of other hosts
                timeout=Timeout(connect=min(max(CONNECT_TIMEOUT, left / 3), left), read=left),
                preload_content=False,
                decode_content=False,
            )
        except ProtocolError:
            raise ConnectionError from None
        with response:
            if response.headers.get("Content-Encoding", "identity").strip().lower() != "identity":
                problem = "the response has a Content-Encoding, which was not requested"
                raise TransportError(problem, status=response.status)
            body = bytearray()
            while chunk := response.read1(max_body + 1, decode_content=False):
                body += chunk
                if len(body) > max_body:
                    raise TransportError(f"the response is larger than {max_body} bytes")
        return Answer(response.status, response.headers, bytes(body))

    def _route(self, url: str) -> tuple[HTTPConnectionPool, str]:
        """Return the pool for a URL, and what to ask it for."""
        parts = parse_url(url)
        scheme = parts.scheme or ""
        managers = self._managers()
        manager = managers.get(scheme) or managers.setdefault(scheme, self._new_manager(scheme))
        target = _ESCAPED.sub(_unescaped, parts.request_uri)
        if manager.proxy is not None and scheme == "http":
            target = f"http://{parts.netloc}{target}"
        return manager.connection_from_host(parts.host, parts.port, scheme), target

    def _new_manager(self, scheme: str) -> PoolManager:
        options: dict[str, Any] = {"num_pools": _POOLS, "maxsize": _POOLS}
        proxy = self._proxies.get(scheme)
        if scheme == "https" or proxy is not None:
            options |= _trusted(self._verify)
        if proxy is None:
            return watched(PoolManager(**options))
        parts = urlsplit(proxy)
        login = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
        headers = make_headers(proxy_basic_auth=login) if parts.username else {}
        return watched(ProxyManager(proxy, proxy_headers=headers, **options))


def _trusted(verify: bool | str) -> dict[str, str]:
    """Return the options of urllib3 for the trusted certificates."""
    import certifi  # noqa: PLC0415 - 3 ms, and http needs no certificates

    path = verify if isinstance(verify, str) else certifi.where()
    kind = "ca_cert_dir" if Path(path).is_dir() else "ca_certs"
    return {"cert_reqs": "CERT_REQUIRED", kind: path}


def _encoded(
    json: Mapping[str, Any] | None, data: Mapping[str, str] | None
) -> tuple[bytes | None, dict[str, str]]:
    """Return the body of a request and its ``Content-Type`` header."""
    if json is not None:
        return dumps(json, separators=(",", ":")).encode(), {"Content-Type": "application/json"}
    if data is not None:
        form = {"Content-Type": "application/x-www-form-urlencoded"}
        return urlencode(data).encode(), form
    return None, {}


def _unescaped(escaped: re.Match[str]) -> str:
    """Return the character, unless it must remain escaped."""
    character = chr(int(escaped[1], 16))
    return character if _UNRESERVED.fullmatch(character) else escaped[0]


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
    """Describe an error of urllib3, whose own text may contain anything."""
    if isinstance(error, SSLError):
        return "the TLS certificate was not accepted; verify= takes the path of a CA bundle"
    if isinstance(error, ProxyError):
        return "the proxy did not answer"
    if isinstance(error, NameResolutionError):
        return "the host name cannot be resolved"
    if isinstance(error, NewConnectionError | ClosedPoolError | ConnectionError):
        return _LOST
    if isinstance(error, HttpTimeoutError | TimeoutError):
        return "there was no response in time"
    return f"the exchange failed ({type(error).__name__})"
