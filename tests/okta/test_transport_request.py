"""OktaTransport: the requests that it sends."""

from __future__ import annotations

from pathlib import Path

import pytest

from hookkey_verify import ApiToken, BearerToken
from hookkey_verify._runtime.clock import monotonic_clock
from hookkey_verify._runtime.version import __version__
from hookkey_verify.okta.http import Answer
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
    assert request.body == b'{"name": "x"}'


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


def test_an_explicit_proxy_is_used() -> None:
    """A proxy in ``proxies`` receives the request, with the full URL in the request line."""
    with FaultServer(json_answer(200, {"via": "proxy"})) as proxy:
        got = exchange("http://127.0.0.1:1", proxies={"http": proxy.url})
    assert got.json_object() == {"via": "proxy"}
    assert proxy.requests[0].line == f"GET http://127.0.0.1:1{PATH} HTTP/1.1"
