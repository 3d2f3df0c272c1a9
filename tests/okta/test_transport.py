"""OktaTransport: one bounded exchange, and whatever goes wrong is an error of ours."""

from __future__ import annotations

import ipaddress
import logging
import select
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509.oid import NameOID

from hookkey_verify import ApiToken, BearerToken, ConfigurationError
from hookkey_verify._runtime.clock import monotonic_clock
from hookkey_verify._runtime.version import __version__
from hookkey_verify.errors import (
    AuthenticationError,
    ForbiddenError,
    HookKeyApiError,
    NotFoundError,
    RateLimitedError,
    TransportError,
    ValidationFailedError,
)
from hookkey_verify.okta.http import Answer
from hookkey_verify.okta.transport import OktaTransport, check_org_url

from ..conftest import KeyPool
from ..faults import (
    DOCUMENT,
    GZIPPED,
    HTML,
    MARK,
    Behaviour,
    FaultServer,
    ManualClock,
    Peer,
    all_text,
    answer,
    chunks_without_end,
    drip,
    hang_up,
    headers_then_reset,
    json_answer,
    okta_error,
    redirect,
    silence,
    truncated_chunks,
)

SECRET = "00s3cr3tTokenOfTheTests"
PATH = "/api/v1/hook-keys"
UNREACHABLE = "The Okta management API could not be reached: "
CUT_OFF = "the exchange failed (ProtocolError)"
LOST = "the connection was refused or lost"


def exchange(url: str, *, seconds: float = 5, proxies: dict[str, str] | None = None) -> Answer:
    transport = OktaTransport(url, ApiToken(SECRET), proxies=proxies)
    try:
        return transport.exchange("GET", PATH, deadline=monotonic_clock() + seconds)
    finally:
        transport.close()


def refusal(behaviour: Behaviour, *, seconds: float = 5) -> HookKeyApiError:
    """Exchange with a server of this behaviour, and return the error."""
    with FaultServer(behaviour) as server, pytest.raises(HookKeyApiError) as caught:
        exchange(server.url, seconds=seconds).json_object()
    return caught.value


# --- the org URL


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ("https://acme.okta.com", "https://acme.okta.com"),
        ("https://acme.okta.com/", "https://acme.okta.com"),
        ("HTTPS://Acme.OKTA.com", "https://acme.okta.com"),
        ("https://acme.oktapreview.com:8443", "https://acme.oktapreview.com:8443"),
        ("https://login.acme.com", "https://login.acme.com"),
        ("https://administration.acme.com", "https://administration.acme.com"),
        ("https://192.0.2.7", "https://192.0.2.7"),
        ("https://[2001:db8::1]:8443", "https://[2001:db8::1]:8443"),
        ("http://localhost:8080", "http://localhost:8080"),
        ("http://127.0.0.1:8080/", "http://127.0.0.1:8080"),
        ("http://127.8.9.10", "http://127.8.9.10"),
        ("http://[::1]:8080", "http://[::1]:8080"),
    ],
)
def test_org_url_is_reduced_to_scheme_host_and_port(given: str, taken: str) -> None:
    """Any host over https and this machine over http are accepted, in one spelling."""
    assert check_org_url(given) == taken


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ("http://acme.okta.com", "https://"),
        ("http://localhost.acme.com", "https://"),
        ("http://127.0.0.1.acme.com", "https://"),
        ("http://[2001:db8::1]", "https://"),
        ("http://0.0.0.0", "https://"),
        ("ftp://acme.okta.com", "https://"),
        ("//acme.okta.com", "https://"),
        ("acme.okta.com", "a plain URL"),
        ("", "a plain URL"),
        ("https://", "a plain URL"),
        ("https:///api", "a plain URL"),
        ("https://user@acme.okta.com", "a plain URL"),
        ("https://user:pass@acme.okta.com", "a plain URL"),
        ("https://:pass@acme.okta.com", "a plain URL"),
        ("https://@evil.example", "a plain URL"),
        ("https://acme.okta.com/oauth2/default", "did you mean https://acme.okta.com?"),
        ("https://acme.okta.com//", "did you mean https://acme.okta.com?"),
        ("https://acme.okta.com?a=b", "a plain URL"),
        ("https://acme.okta.com#top", "a plain URL"),
        ("https://acme.okta.com:port", "a plain URL"),
        ("https://acme.okta.com:65536", "a plain URL"),
        ("https://[::1", "a plain URL"),
        ("https://acme.okta.com\\@evil.example", "a plain URL"),
        ("https://{yourOktaDomain}", "placeholder"),
        ("https://acme_x.okta.com", "character"),
        ("https://ac me.okta.com", "character"),
        ("https://acme%2eokta.com", "character"),
        ("https://[fe80::1%25eth0]", "character"),
        ("https://ácme.okta.com", "character"),
        ("https://acme。okta.com", "character"),
        ("https://acme-admin.okta.com", "did you mean https://acme.okta.com?"),
        ("https://ACME-ADMIN.oktapreview.com", "did you mean https://acme.oktapreview.com?"),
        ("https://acme..okta.com", "character"),
        ("https://.", "character"),
        (" https://acme.okta.com", "character"),
        ("https://acme.okta.com\n", "character"),
        ("https://ac\tme.okta.com", "character"),
        ("https://acme.okta.com:0", "port 0"),
        (None, "must be a string"),
        (b"https://acme.okta.com", "must be a string"),
        (5, "must be a string"),
        (["https://acme.okta.com"], "must be a string"),
    ],
)
def test_refused_org_urls(given: object, problem: str) -> None:
    """Anything that is not plainly one org's address is refused, and the error says what is."""
    with pytest.raises(ConfigurationError, match=problem) as caught:
        check_org_url(given)
    assert "org_url" in str(caught.value)


def test_org_url_is_not_repeated_when_it_holds_a_password() -> None:
    """A password in a refused URL stays out of the error."""
    with pytest.raises(ConfigurationError) as caught:
        check_org_url(f"https://user:{SECRET}@acme.okta.com")
    assert SECRET not in all_text(caught.value)


# --- the constructor


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"credentials": SECRET}, "credentials"),
        ({"credentials": None}, "credentials"),
        ({"credentials": ("user", SECRET)}, "credentials"),
        ({"verify": False}, "verify"),
        ({"verify": ""}, "verify"),
        ({"verify": None}, "verify"),
        ({"verify": 1}, "verify"),
        ({"verify": "/no/such/bundle.pem"}, "verify"),
        ({"proxies": "http://proxy.acme.com"}, "proxies"),
        ({"proxies": 5}, "proxies"),
    ],
    ids=str,
)
def test_wrong_arguments(arguments: dict[str, object], named: str) -> None:
    """Each argument is checked at construction; verification of TLS cannot be switched off."""
    given = {"credentials": ApiToken(SECRET), **arguments}
    with pytest.raises(ConfigurationError, match=named) as caught:
        OktaTransport("https://acme.okta.com", **given)  # type: ignore[arg-type]
    assert SECRET not in all_text(caught.value)


def test_repr_shows_the_org_and_no_secret() -> None:
    """A transport can be logged."""
    transport = OktaTransport("https://acme.okta.com", ApiToken(SECRET))
    assert repr(transport) == "OktaTransport('https://acme.okta.com')"
    assert SECRET not in repr(vars(transport))
    transport.close()


# --- what is sent


@pytest.mark.parametrize(
    ("credentials", "header"),
    [(ApiToken(SECRET), f"SSWS {SECRET}"), (BearerToken(SECRET), f"Bearer {SECRET}")],
    ids=["api token", "bearer token"],
)
def test_what_is_sent(credentials: ApiToken | BearerToken, header: str) -> None:
    """Exactly these headers: who we are, no compression, the credential."""
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
    """``json=`` becomes the body with its content type."""
    with FaultServer(json_answer(200, {})) as server:
        transport = OktaTransport(server.url, ApiToken(SECRET))
        transport.exchange("POST", PATH, json={"name": "x"}, deadline=monotonic_clock() + 5)
        transport.close()
    (request,) = server.requests
    assert request.line.startswith("POST ")
    assert request.headers["content-type"] == "application/json"
    assert request.body == b'{"name": "x"}'


def test_the_repr_of_an_answer_has_no_body() -> None:
    """An answer can be logged."""
    assert MARK not in repr(Answer(200, {}, MARK.encode()))


def test_cookies_are_not_kept() -> None:
    """What one answer sets is not sent with the next request: a cookie would be a session."""
    with FaultServer(answer(200, b"{}", "Set-Cookie: sid=1; Path=/")) as server:
        transport = OktaTransport(server.url, ApiToken(SECRET))
        for _ in range(2):
            transport.exchange("GET", PATH, deadline=monotonic_clock() + 5)
        transport.close()
    assert ["cookie" in request.headers for request in server.requests] == [False, False]


def test_the_environment_is_ignored(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """35. Neither proxy variables reroute the request nor does a .netrc replace the credential."""
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
    """``proxies`` sends the request there, with the org's address in it."""
    with FaultServer(json_answer(200, {"via": "proxy"})) as proxy:
        got = exchange("http://127.0.0.1:1", proxies={"http": proxy.url})
    assert got.json_object() == {"via": "proxy"}
    assert proxy.requests[0].line == f"GET http://127.0.0.1:1{PATH} HTTP/1.1"


# --- faults


@pytest.mark.parametrize(
    ("behaviour", "detail", "status"),
    [
        pytest.param(headers_then_reset, LOST + "|" + CUT_OFF, None, id="headers, then a reset"),
        pytest.param(hang_up, LOST, None, id="closes at once"),
        pytest.param(lambda peer: peer.reset(), LOST, None, id="resets at once"),
        pytest.param(answer(200, DOCUMENT, length=900), CUT_OFF, None, id="body cut off"),
        pytest.param(truncated_chunks, CUT_OFF, None, id="chunks cut off"),
        pytest.param(
            answer(200, b"x" * 16_385), "the answer is larger than 16384 bytes", None, id="large"
        ),
        pytest.param(
            chunks_without_end, "the answer is larger than 16384 bytes", None, id="endless chunks"
        ),
        pytest.param(
            answer(200, GZIPPED, "Content-Encoding: gzip"),
            "the answer has a Content-Encoding, which was not asked for",
            200,
            id="gzip",
        ),
        pytest.param(
            answer(200, b"{}", "Content-Encoding: gzip"),
            "the answer has a Content-Encoding, which was not asked for",
            200,
            id="said to be gzip",
        ),
        pytest.param(answer(200, HTML), "the answer is not valid JSON in UTF-8", 200, id="HTML"),
        pytest.param(answer(200), "the answer is not valid JSON in UTF-8", 200, id="empty"),
        pytest.param(answer(200, b"[]"), "the answer is not a JSON object", 200, id="a list"),
        pytest.param(
            answer(404, HTML), "the answer is not Okta's; is org_url right?", 404, id="404 HTML"
        ),
        pytest.param(
            answer(400, HTML), "the answer is not Okta's; is org_url right?", 400, id="400 HTML"
        ),
        pytest.param(answer(502, HTML), "", 502, id="502 HTML"),
        pytest.param(
            lambda peer: peer.send(MARK.encode() + b"\r\n\r\n"), LOST, None, id="not HTTP"
        ),
        pytest.param(
            lambda peer: peer.send(b"HTTP/1.1 200 OK\r\n" + b"X-Y: z\r\n" * 101 + b"\r\n"),
            LOST,
            None,
            id="101 headers",
        ),
        *(
            pytest.param(
                redirect(status, "https://evil.example/"),
                "it answered with a redirect; is org_url right?",
                status,
                id=f"redirect {status}",
            )
            for status in (301, 302, 303, 307, 308)
        ),
    ],
)
def test_every_fault_is_a_transport_error(
    behaviour: Behaviour, detail: str, status: int | None
) -> None:
    """28, 29. No usable answer: our class and words, nothing of the body or of other libraries."""
    error = refusal(behaviour)
    assert type(error) is TransportError
    assert error.detail.partition(" (http://127.0.0.1:")[0] in detail.split("|")
    assert error.status == status
    assert MARK not in all_text(error)
    assert error.__cause__ is None
    assert error.__context__ is None


def test_nobody_listens() -> None:
    """A refused connection is a TransportError."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(TransportError, match=LOST):
        exchange(url)


def test_the_proxy_does_not_answer() -> None:
    """A dead proxy is named as such, without its URL (which may hold a password)."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = f"http://user:{SECRET}@127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(TransportError) as caught:
        exchange("http://127.0.0.1:1", proxies={"http": proxy})
    assert str(caught.value) == UNREACHABLE + "the proxy did not answer (http://127.0.0.1:1)"
    assert SECRET not in all_text(caught.value)


def test_a_body_of_exactly_the_limit_is_read() -> None:
    """16 KiB are accepted, one octet more is not (see the table above)."""
    with FaultServer(answer(200, b"{" + b" " * 16_382 + b"}")) as server:
        assert exchange(server.url).json_object() == {}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    """The target never hears of us, so it cannot hear the credential."""
    with FaultServer(json_answer(200, {})) as target:
        error = refusal(redirect(status, target.url + "/elsewhere"))
    assert (error.status, target.requests) == (status, [])


# --- time


@pytest.mark.parametrize(
    ("behaviour", "seconds"),
    [
        pytest.param(silence, 0.3, id="no answer"),
        pytest.param(
            drip(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", b"{" + b" " * 40, every=0.05),
            0.3,
            id="body drips",
        ),
        pytest.param(
            drip(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", b"{", every=0.55),
            0.6,
            id="body stalls just before the deadline",
        ),
        pytest.param(
            drip(b"HTTP/1.1 200 OK\r\nX-Pad: ", b"x" * 40, every=0.05), 0.3, id="headers drip"
        ),
        pytest.param(drip(b"", b"HTTP/1.1 200" + b" " * 40, every=0.05), 0.3, id="status drips"),
    ],
)
def test_the_deadline_ends_it(behaviour: Behaviour, seconds: float) -> None:
    """26, 27. Whatever the pace of the answer, the exchange is over at its deadline."""
    with FaultServer(behaviour) as server:
        started = time.monotonic()
        with pytest.raises(TransportError, match=r"time|deadline"):
            exchange(server.url, seconds=seconds)
        elapsed = time.monotonic() - started
    assert elapsed < seconds + 0.3


def test_a_generous_deadline_is_used() -> None:
    """A server that thinks for a while is waited for, as long as there is time."""

    def late(peer: Peer) -> None:
        peer.wait(2.2)
        json_answer(200, {"a": 1})(peer)

    with FaultServer(late) as server:
        assert exchange(server.url, seconds=10).json_object() == {"a": 1}


def test_a_proxy_that_drips() -> None:
    """The deadline counts from the first byte to the proxy, not from the request."""
    with FaultServer(drip(b"HTTP/1.1 200 OK\r\n", b"X" * 50, every=0.1)) as proxy:
        started = time.monotonic()
        with pytest.raises(TransportError, match=r"time|deadline"):
            exchange("https://127.0.0.1:1", seconds=0.6, proxies={"https": proxy.url})
    assert time.monotonic() - started < 1.5


def test_codes_of_somebody_else_are_not_shown() -> None:
    """Only what looks like Okta's: an answer must not write to a terminal."""
    for code, shown in (("E0000006", "E0000006"), ("\x1b]0;x\x07 secret", ""), ("E" * 9_000, "")):
        with FaultServer(json_answer(403, {"errorCode": code})) as server:
            with pytest.raises(ForbiddenError) as caught:
                exchange(server.url)
        assert str(caught.value).endswith(f"(403 {shown})" if shown else "(403)")
        assert caught.value.error_code == code


def test_a_deadline_in_the_past_sends_nothing() -> None:
    """There is no request that nobody waits for."""
    with FaultServer(json_answer(200, {})) as server:
        with pytest.raises(TransportError, match="within the deadline"):
            exchange(server.url, seconds=0)
        assert server.requests == []


def test_the_deadline_is_read_from_the_given_clock() -> None:
    """``clock`` decides when the deadline is, so that a cache with another clock can set it."""
    clock = ManualClock(50)
    with FaultServer(json_answer(200, {})) as server:
        transport = OktaTransport(server.url, ApiToken(SECRET), clock=clock)
        assert transport.exchange("GET", PATH, deadline=51).status == 200
        clock.now = 51
        with pytest.raises(TransportError, match="within the deadline"):
            transport.exchange("GET", PATH, deadline=51)
        transport.close()


# --- Okta's errors


@pytest.mark.parametrize(
    ("status", "code", "kind", "text"),
    [
        (400, "E0000001", ValidationFailedError, "Okta refused a value of the request"),
        (401, "E0000011", AuthenticationError, "the token is wrong, expired or revoked"),
        (403, "E0000006", ForbiddenError, "okta.inlineHooks.read"),
        (404, "E0000007", NotFoundError, "Okta knows no such resource"),
        (405, "E0000022", HookKeyApiError, "The Okta management API refused the request"),
        (429, "E0000047", RateLimitedError, "Okta's rate limit is exhausted"),
        (500, "E0000009", TransportError, "could not be reached"),
        (503, "E0000010", TransportError, "could not be reached"),
    ],
)
def test_okta_errors(status: int, code: str, kind: type[HookKeyApiError], text: str) -> None:
    """Each status has its class; what Okta said is in attributes, its text only in those."""
    error = refusal(json_answer(status, okta_error(code), "X-Okta-Request-Id: req-1"))
    assert type(error) is kind
    assert (error.status, error.error_code) == (status, code)
    assert (error.error_id, error.request_id) == ("oaeFault", "req-1")
    assert (error.error_summary, error.causes) == (f"summary, {MARK}", (f"cause, {MARK}",))
    assert text in str(error)
    assert str(error).endswith(f"({status} {code})")
    assert MARK not in str(error) + repr(error)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, AuthenticationError),
        (403, ForbiddenError),
        (429, RateLimitedError),
        (418, HookKeyApiError),
        (503, TransportError),
    ],
)
def test_a_status_counts_without_okta_body(status: int, kind: type[HookKeyApiError]) -> None:
    """A gateway's page instead of Okta's JSON changes the class of 400 and 404 only."""
    error = refusal(answer(status, HTML))
    assert (type(error), error.status) == (kind, status)
    assert (error.error_code, error.error_summary, error.error_id) == ("", "", "")
    assert (error.causes, error.request_id) == ((), "")


@pytest.mark.parametrize(
    "members",
    [
        {"errorSummary": None, "errorId": 5, "errorCauses": "text"},
        {"errorSummary": [], "errorId": {}, "errorCauses": {"errorSummary": "x"}},
        {},
    ],
    ids=str,
)
def test_an_error_object_of_other_types_is_tolerated(members: dict[str, object]) -> None:
    """Members that are not what Okta documents read as empty."""
    error = refusal(json_answer(404, {"errorCode": "E0000007", **members}))
    assert type(error) is NotFoundError
    assert (error.error_summary, error.error_id, error.causes) == ("", "", ())


# --- the rate limit

NOW = datetime.now(UTC).replace(microsecond=0)
RESET = str(int(NOW.timestamp()) + 30)
DATE = format_datetime(NOW, usegmt=True)


def _limited(*resets: str, date: str | None = None) -> RateLimitedError:
    headers = [f"X-Rate-Limit-Reset: {reset}" for reset in resets]
    headers += [] if date is None else [f"Date: {date}"]
    error = refusal(json_answer(429, okta_error("E0000047"), *headers))
    assert isinstance(error, RateLimitedError)
    assert error.status_code == 503
    return error


@pytest.mark.parametrize("skew", [0, 3600, -3600], ids="Okta's clock is off by {} s".format)
@pytest.mark.parametrize(
    ("ahead", "wait"),
    [(30, 31), (0, 1), (1, 2), (119, 120), (120, 120), (600, 120), (-1, 1), (-4000, 1)],
)
def test_the_wait_is_reset_minus_date(skew: int, ahead: int, wait: int) -> None:
    """Both are Okta's, so our clock does not matter; one second more, from 1 to 120 seconds."""
    okta_now = NOW + timedelta(seconds=skew)
    reset_at = int(okta_now.timestamp()) + ahead
    error = _limited(str(reset_at), date=format_datetime(okta_now, usegmt=True))
    assert (error.reset_at, error.retry_after) == (reset_at, wait)


def test_the_first_of_two_resets_counts() -> None:
    """Okta may send one header per bucket; the nearer one is tried first."""
    now = int(NOW.timestamp())
    error = _limited(str(now + 10), str(now + 50), date=DATE)
    assert (error.reset_at, error.retry_after) == (now + 10, 11)


@pytest.mark.parametrize(
    ("reset", "date"),
    [
        pytest.param(None, None, id="neither"),
        pytest.param(None, DATE, id="no reset"),
        pytest.param(RESET, None, id="no date"),
        pytest.param(RESET, "yesterday", id="date in words"),
        pytest.param(RESET, "Thu, 99 Jan 2026 00:00:00 GMT", id="no such day"),
        pytest.param(RESET, "", id="empty date"),
        pytest.param("soon", DATE, id="reset in words"),
        pytest.param("", DATE, id="empty reset"),
        pytest.param(",", DATE, id="comma"),
        pytest.param("NaN", DATE, id="NaN"),
    ],
)
def test_missing_or_garbled_headers_mean_five_seconds(reset: str | None, date: str | None) -> None:
    """Without both values there is nothing to compute, and a NaN is no value."""
    error = _limited(*[reset] if reset is not None else [], date=date)
    assert (error.reset_at, error.retry_after) == (0.0, 5.0)


# --- TLS


def _certificate(key_pool: KeyPool, path: Path, *, address: str, ends: timedelta) -> Path:
    """A self-signed certificate with its key, as one PEM file."""
    key, now = key_pool(), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, address)])
    names = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))])
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=2))
        .not_valid_after(now + ends)
        .add_extension(names, critical=False)
        .sign(key, hashes.SHA256())
    )
    encoding, no_password = serialization.Encoding.PEM, serialization.NoEncryption()
    path.write_bytes(
        key.private_bytes(encoding, serialization.PrivateFormat.PKCS8, no_password)
        + made.public_bytes(encoding)
    )
    return path


@pytest.fixture(scope="module")
def certificate(key_pool: KeyPool, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tls") / "certificate.pem"
    return _certificate(key_pool, path, address="127.0.0.1", ends=timedelta(hours=1))


@pytest.mark.parametrize(
    ("address", "ends"),
    [("127.0.0.2", timedelta(hours=1)), ("127.0.0.1", timedelta(hours=-1))],
    ids=["another name", "expired"],
)
def test_a_trusted_certificate_that_does_not_fit(
    key_pool: KeyPool, tmp_path: Path, address: str, ends: timedelta
) -> None:
    """25. Of another host, or of yesterday: nothing was sent."""
    path = _certificate(key_pool, tmp_path / "tls.pem", address=address, ends=ends)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    with FaultServer(json_answer(200, {}), tls=context) as server:
        transport = OktaTransport(server.url, ApiToken(SECRET), verify=str(path))
        with pytest.raises(TransportError, match="TLS certificate was not accepted"):
            transport.exchange("GET", PATH, deadline=monotonic_clock() + 5)
        transport.close()
    assert server.requests == []


def test_a_name_that_does_not_resolve() -> None:
    """25. RFC 6761 section 6.4: .invalid never does."""
    with pytest.raises(TransportError, match=r"not known \(https://no-such-org.invalid\)"):
        exchange("https://no-such-org.invalid")


@pytest.fixture
def tls_server(certificate: Path) -> Iterator[FaultServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with FaultServer(json_answer(200, {}), tls=context) as server:
        yield server


def test_through_a_proxy(tls_server: FaultServer, certificate: Path) -> None:
    """A tunnel, through which TLS goes to the org itself."""
    host, port = tls_server.url.removeprefix("https://").split(":")

    def tunnel(peer: Peer) -> None:
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        with socket.create_connection((host, int(port))) as far:
            ends = {far: peer.connection, peer.connection: far}
            while True:
                for end in select.select([*ends], [], [])[0]:
                    octets = end.recv(65_536)
                    if not octets:
                        return
                    ends[end].sendall(octets)

    with FaultServer(tunnel) as proxy:
        transport = OktaTransport(
            tls_server.url, ApiToken(SECRET), verify=str(certificate), proxies={"https": proxy.url}
        )
        answer = transport.exchange("GET", PATH, deadline=monotonic_clock() + 5)
        transport.close()
    assert answer.json_object() == {}
    assert proxy.requests[0].line.startswith(f"CONNECT {host}:{port}")
    assert SECRET not in str(proxy.requests[0].headers)


@pytest.mark.parametrize("content", [b"", b"no certificate", b"\0"])
def test_a_file_that_is_no_bundle(tmp_path: Path, content: bytes) -> None:
    """Found at construction, not at the first call."""
    (tmp_path / "ca.pem").write_bytes(content)
    with pytest.raises(ConfigurationError, match="HOOKKEY_CA_BUNDLE"):
        OktaTransport("https://acme.okta.com", ApiToken(SECRET), verify=str(tmp_path / "ca.pem"))


def test_a_directory_of_certificates(tmp_path: Path) -> None:
    """As OpenSSL has it."""
    OktaTransport("https://acme.okta.com", ApiToken(SECRET), verify=str(tmp_path)).close()


def test_an_unknown_certificate_is_refused(tls_server: FaultServer) -> None:
    """The error names the argument that takes the CA bundle, and nothing was sent."""
    with pytest.raises(TransportError, match="verify= takes the path of a CA bundle"):
        exchange(tls_server.url)
    assert tls_server.requests == []


def test_a_ca_bundle_is_used(
    tls_server: FaultServer, certificate: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``verify`` is the path of what is trusted; variables that name another are ignored."""
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(certificate.parent / "absent.pem"))
    transport = OktaTransport(tls_server.url, ApiToken(SECRET), verify=str(certificate))
    assert transport.exchange("GET", PATH, deadline=monotonic_clock() + 5).status == 200
    transport.close()


# --- the end of it


def test_close_is_idempotent_and_final() -> None:
    """After ``close`` nothing is sent any more."""
    with FaultServer(json_answer(200, {})) as server:
        transport = OktaTransport(server.url, ApiToken(SECRET))
        transport.close()
        transport.close()
        with pytest.raises(ConfigurationError, match="closed"):
            transport.exchange("GET", PATH, deadline=monotonic_clock() + 5)
        assert server.requests == []


@pytest.mark.parametrize(
    "behaviour",
    [
        json_answer(401, okta_error("E0000011")),
        json_answer(429, okta_error("E0000047")),
        answer(200, HTML),
        answer(200, DOCUMENT, length=900),
        headers_then_reset,
        hang_up,
        redirect(302, "https://evil.example/"),
        drip(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", b"{{{{", every=0.1),
    ],
    ids=["401", "429", "HTML", "cut off", "reset", "hang-up", "redirect", "drip"],
)
def test_the_credential_is_nowhere(behaviour: Behaviour, caplog: pytest.LogCaptureFixture) -> None:
    """Not in any text of the error or of what hangs on it, not in any log, urllib3's included."""
    caplog.set_level(logging.DEBUG)
    error = refusal(behaviour, seconds=0.3)
    assert SECRET not in all_text(error)
    assert "urllib3.connectionpool" in {record.name for record in caplog.records}
    assert SECRET not in caplog.text
    assert SECRET not in "".join(repr(vars(record)) for record in caplog.records)


# --- a kept connection that the server has closed


class Impatient:
    """A server that answers so many requests of a connection, then hangs up on the next one."""

    def __init__(self, *answers: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._answers = answers
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.requests: list[str] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        for answers in self._answers:
            connection, _ = self._listener.accept()
            with connection:
                for number in range(answers + 1):
                    octets = b""
                    while b"\r\n\r\n" not in octets:
                        octets += connection.recv(65_536) or b"\r\n\r\n"
                    self.requests.append(octets.decode().split(" ")[0])
                    if number < answers:
                        connection.sendall(
                            b"HTTP/1.1 200 -\r\nContent-Type: application/json\r\n"
                            b"Content-Length: 2\r\n\r\n{}"
                        )
        self._listener.close()


@pytest.mark.parametrize(
    ("method", "left", "tried_again"), [("GET", 5, True), ("POST", 5, False), ("GET", 0.5, False)]
)
def test_a_kept_connection_that_is_closed(method: str, left: float, tried_again: bool) -> None:
    """34. A GET goes out once more, on a new connection, if there is time."""
    server = Impatient(1, 1)
    transport = OktaTransport(server.url, ApiToken(SECRET))
    transport.exchange("GET", PATH, deadline=monotonic_clock() + 5)
    if tried_again:
        transport.exchange(method, PATH, deadline=monotonic_clock() + left)
    else:
        with pytest.raises(TransportError, match="refused or lost"):
            transport.exchange(method, PATH, deadline=monotonic_clock() + left)
    transport.close()
    assert server.requests == ["GET", method, *([method] if tried_again else [])]


def test_a_first_connection_is_not_tried_again() -> None:
    """34. A server that hangs up on it may have taken the request."""
    server = Impatient(0, 1)
    transport = OktaTransport(server.url, ApiToken(SECRET))
    with pytest.raises(TransportError, match="refused or lost"):
        transport.exchange("GET", PATH, deadline=monotonic_clock() + 5)
    transport.close()
    assert server.requests == ["GET"]
