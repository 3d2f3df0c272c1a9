"""OktaTransport: every fault of a server or proxy raises a TransportError without secrets."""

from __future__ import annotations

import logging
import socket

import pytest

from hookkey_verify.errors import TransportError

from ..faults import (
    DOCUMENT,
    GZIPPED,
    HTML,
    MARK,
    Behaviour,
    FaultServer,
    all_text,
    answer,
    chunks_without_end,
    drip,
    hang_up,
    headers_then_reset,
    json_answer,
    okta_error,
    redirect,
    truncated_chunks,
)
from .exchanges import CUT_OFF, LOST, SECRET, UNREACHABLE, exchange, refusal


@pytest.mark.parametrize(
    ("behaviour", "detail", "status"),
    [
        pytest.param(headers_then_reset, LOST + "|" + CUT_OFF, None, id="headers, then a reset"),
        pytest.param(hang_up, LOST, None, id="closes at once"),
        pytest.param(lambda peer: peer.reset(), LOST, None, id="resets at once"),
        pytest.param(answer(200, DOCUMENT, length=900), CUT_OFF, None, id="body cut off"),
        pytest.param(truncated_chunks, CUT_OFF, None, id="chunks cut off"),
        pytest.param(
            answer(200, b"x" * 16_385), "the response is larger than 16384 bytes", None, id="large"
        ),
        pytest.param(
            chunks_without_end, "the response is larger than 16384 bytes", None, id="endless chunks"
        ),
        pytest.param(
            answer(200, GZIPPED, "Content-Encoding: gzip"),
            "the response has a Content-Encoding, which was not requested",
            200,
            id="gzip",
        ),
        pytest.param(
            answer(200, b"{}", "Content-Encoding: gzip"),
            "the response has a Content-Encoding, which was not requested",
            200,
            id="said to be gzip",
        ),
        pytest.param(answer(200, HTML), "the response is not valid JSON in UTF-8", 200, id="HTML"),
        pytest.param(answer(200), "the response is not valid JSON in UTF-8", 200, id="empty"),
        pytest.param(answer(200, b"[]"), "the response is not a JSON object", 200, id="a list"),
        pytest.param(
            answer(404, HTML), "the response is not from Okta; check org_url", 404, id="404 HTML"
        ),
        pytest.param(
            answer(400, HTML), "the response is not from Okta; check org_url", 400, id="400 HTML"
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
                "the response is a redirect; check org_url",
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
    """An unusable response raises our error without text of the body or of other libraries."""
    error = refusal(behaviour)
    assert type(error) is TransportError
    assert error.detail.partition(" (http://127.0.0.1:")[0] in detail.split("|")
    assert error.status == status
    assert MARK not in all_text(error)
    assert error.__cause__ is None
    assert error.__context__ is None


def test_a_port_without_a_server() -> None:
    """A refused connection raises a TransportError."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(TransportError, match=LOST):
        exchange(url)


def test_the_proxy_does_not_answer() -> None:
    """The error names an unreachable proxy as the cause, without its URL, which has a password."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        proxy = f"http://user:{SECRET}@127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(TransportError) as caught:
        exchange("http://127.0.0.1:1", proxies={"http": proxy})
    assert str(caught.value) == UNREACHABLE + "the proxy did not answer (http://127.0.0.1:1)"
    assert SECRET not in all_text(caught.value)


def test_a_body_of_exactly_the_limit_is_read() -> None:
    """A body of 16 KiB is accepted; the table above has the case of one byte more."""
    with FaultServer(answer(200, b"{" + b" " * 16_382 + b"}")) as server:
        assert exchange(server.url).json_object() == {}


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(status: int) -> None:
    """The transport sends no request, and so no credential, to the target of a redirect."""
    with FaultServer(json_answer(200, {})) as target:
        error = refusal(redirect(status, target.url + "/elsewhere"))
    assert (error.status, target.requests) == (status, [])


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
    """No error, chained error or log record, including urllib3's, contains the credential."""
    caplog.set_level(logging.DEBUG)
    error = refusal(behaviour, seconds=0.3)
    assert SECRET not in all_text(error)
    assert "urllib3.connectionpool" in {record.name for record in caplog.records}
    assert SECRET not in caplog.text
    assert SECRET not in "".join(repr(vars(record)) for record in caplog.records)
