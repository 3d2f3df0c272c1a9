"""OktaTransport: the requests that it sends."""

from __future__ import annotations

from base64 import b64decode
from pathlib import Path

import pytest
import requests

from hookkey_verify import ApiToken, BearerToken
from hookkey_verify._runtime.clock import monotonic_clock
from hookkey_verify._runtime.version import __version__
from hookkey_verify.errors import TransportError
from hookkey_verify.okta.http import Answer, BoundedHttp
from hookkey_verify.okta.transport import OktaTransport

from ..faults import MARK, FaultServer, answer, hang_up, json_answer
from .exchanges import PATH, SECRET, exchange


@pytest.mark.parametrize(
    ("credentials", "header"),
    [(ApiToken(SECRET), f"SSWS {SECRET}"), (BearerToken(SECRET), f"Bearer {SECRET}")],
    ids=["api token", "bearer token"],
)
def test_what_is_sent(credentials: ApiToken | BearerToken, header: str) -> None:
    """The transport sends exactly these headers, with the credential and without compression."""
    with FaultServer(json_answer(200, {"a": 1}, "X-Some: thing")) as server:
        transport = OktaTransport(server.url, credentials)
        got = transport.exchange("GET", PATH, deadline=monotonic_clock() + 5)
        transport.close()
    (request,) = server.requests
    assert request.line == f"GET {PATH} HTTP/1.1"
    assert request.headers == {
        "host": server.url.removeprefix("http://"),
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": f"hookkey-verify/{__version__}",
        "authorization": header,
    }
    assert (got.status, got.headers["x-some"], got.json_object()) == (200, "thing", {"a": 1})


def test_json_is_sent_as_json() -> None:
    """The ``json`` argument is sent as the body, with the content type of JSON."""
    with FaultServer(json_answer(200, {})) as server:
        transport = OktaTransport(server.url, ApiToken(SECRET))
        transport.exchange("POST", PATH, json={"name": "x"}, deadline=monotonic_clock() + 5)
        transport.close()
    (request,) = server.requests
    assert request.line.startswith("POST ")
    assert request.headers["content-type"] == "application/json"
    assert request.body == b'{"name":"x"}'


def test_the_repr_of_an_answer_has_no_body() -> None:
    """The repr of a response does not contain its body."""
    assert MARK not in repr(Answer(200, {}, MARK.encode()))


def test_cookies_are_not_kept() -> None:
    """A cookie that a response sets is not sent with the next request."""
    with FaultServer(answer(200, b"{}", "Set-Cookie: sid=1; Path=/")) as server:
        transport = OktaTransport(server.url, ApiToken(SECRET))
        for _ in range(2):
            transport.exchange("GET", PATH, deadline=monotonic_clock() + 5)
        transport.close()
    assert ["cookie" in request.headers for request in server.requests] == [False, False]


def test_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Proxy variables do not redirect a request, and a .netrc does not replace its credential."""
    netrc = tmp_path / "netrc"
    netrc.write_text("default login somebody password else\n")
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    with FaultServer(json_answer(200, {})) as server, FaultServer(hang_up) as proxy:
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url)
        exchange(server.url)
    assert proxy.requests == []
    assert server.requests[0].headers["authorization"] == f"SSWS {SECRET}"


@pytest.mark.parametrize(
    "target",
    [
        "",
        "?a=b",
        "/",
        "/%7Eme/%6beys",  # unreserved characters that need no escape
        "/a%2fb%3Fc%23",  # escaped delimiters, which must remain escaped
        "/a%20b%c3%a9%00%7f%25",
        "/100%/%zz/%4",  # malformed escapes
        "/a/./b/../c/%2e%2E/d",
        "//double//slash",
        "/keys?a=%41%2D%5f&b=%2B+&c=/?:@!$'()*,;=",
        "/[x]|^`{}<>",
        "/keys?q=[x]|^`{}",
    ],
)
@pytest.mark.parametrize("proxied", [False, True], ids=["direct", "proxied"])
def test_the_request_target_is_that_of_requests(target: str, proxied: bool) -> None:
    """A URL is percent-encoded as the requests library does, also through a proxy."""
    with FaultServer(json_answer(200, {})) as server, requests.Session() as session:
        host = "http://127.0.0.1:1" if proxied else server.url
        proxies = {"http": server.url} if proxied else None
        session.trust_env = False
        session.get(host + target, proxies=proxies, timeout=5)
        http = BoundedHttp(proxies=proxies)
        http.send("GET", host + target, deadline=monotonic_clock() + 5)
        http.close()
        expected, sent = server.requests
    assert sent.line == expected.line
    assert sent.headers["host"] == expected.headers["host"]


@pytest.mark.parametrize("login", ["", "me:p%40ss@", "me@"])
def test_the_login_of_a_proxy(login: str) -> None:
    """A login in the URL of a proxy is sent to the proxy, unescaped."""
    with FaultServer(json_answer(200, {})) as proxy:
        address = proxy.url.replace("//", f"//{login}")
        exchange("http://127.0.0.1:1", proxies={"http": address})
    (request,) = proxy.requests
    given = request.headers.get("proxy-authorization", "").removeprefix("Basic ")
    assert b64decode(given).decode() == {"": "", "me:p%40ss@": "me:p@ss", "me@": "me:"}[login]


def test_a_header_with_a_line_break_is_not_sent() -> None:
    """A header value with a line break fails the exchange and sends nothing."""
    with FaultServer(json_answer(200, {})) as server:
        http = BoundedHttp()
        bad = {"X-Some": "a\r\nX-Other: b"}
        with pytest.raises(TransportError, match="the exchange failed"):
            http.send("GET", server.url, headers=bad, deadline=monotonic_clock() + 5)
        http.close()
    assert server.requests == []


def test_an_explicit_proxy_is_used() -> None:
    """A proxy in ``proxies`` receives the request, with the full URL in the request line."""
    with FaultServer(json_answer(200, {"via": "proxy"})) as proxy:
        got = exchange("http://127.0.0.1:1", proxies={"http": proxy.url})
    assert got.json_object() == {"via": "proxy"}
    assert proxy.requests[0].line == f"GET http://127.0.0.1:1{PATH} HTTP/1.1"
