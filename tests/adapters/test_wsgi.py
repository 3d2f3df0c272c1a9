"""The WSGI middleware, beyond the end-to-end tests that all adapters share."""

from __future__ import annotations

from io import BytesIO
from typing import Any
from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

import pytest

from hookkey_verify import ConfigurationError, HookSigner, HookVerifier
from hookkey_verify._wire.bearer import Headers
from hookkey_verify.endpoint import received
from hookkey_verify.guard import HttpAnswer
from hookkey_verify.wsgi import HOOK, HookMiddleware, serve

from ..conftest import CLIENT_ID, TOKEN_URL


def _app(environ: dict[str, Any], start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [f"{HOOK in environ}".encode()]


def _call(app: Any, path: str, token: str | None = None, **environ: Any) -> tuple[str, bytes]:
    setup_testing_defaults(environ)
    environ |= {
        "REQUEST_METHOD": "POST",
        "PATH_INFO": path,
        "CONTENT_LENGTH": "0",
        "QUERY_STRING": "",
    }
    if token is not None:
        environ["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    started: list[str] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started.append(status)
        return lambda data: None

    answer = app(environ, start_response)
    try:
        body = b"".join(answer)
    finally:
        getattr(answer, "close", lambda: None)()
    return started[0], body


def test_public_paths(verifier: HookVerifier, signer: HookSigner) -> None:
    """Every path requires a token except public ones, which get no hook even with a token."""
    app = HookMiddleware(validator(_app), verifier, public=["/healthz"])
    token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    assert _call(validator(app), "/hooks/a", token) == ("200 OK", b"True")
    assert _call(validator(app), "/hooks/a")[0] == "401 Unauthorized"
    assert _call(validator(app), "/healthz") == ("200 OK", b"False")
    assert _call(validator(app), "/healthz", token) == ("200 OK", b"False")


@pytest.mark.parametrize(
    ("targets", "is_open"),
    [
        ({"REQUEST_URI": "/healthz"}, True),
        ({"RAW_URI": "/healthz?a=b"}, True),
        ({"REQUEST_URI": "/healthz", "RAW_URI": "/healthz"}, True),
        ({"REQUEST_URI": "/healthz", "RAW_URI": "/x/../healthz"}, False),
        ({"REQUEST_URI": "/healthz%00", "RAW_URI": "/healthz"}, False),
        ({"REQUEST_URI": "http://a/healthz"}, False),
        ({"REQUEST_URI": ""}, False),
    ],
    ids=str,
)
def test_the_target_as_it_was_sent(
    verifier: HookVerifier, targets: dict[str, str], is_open: bool
) -> None:
    """A path is public only if every raw target that the server passes matches it as well."""
    app = HookMiddleware(_app, verifier, public=["/healthz"])
    assert (_call(app, "/healthz", **targets)[0] == "200 OK") is is_open


def test_mounted_below_a_prefix(verifier: HookVerifier) -> None:
    """A public path starts at the server root, so it includes SCRIPT_NAME."""
    app = HookMiddleware(_app, verifier, public=["/api/healthz"])
    assert _call(app, "/healthz", SCRIPT_NAME="/api")[0] == "200 OK"
    assert _call(app, "/healthz")[0] == "401 Unauthorized"
    assert _call(app, "/api/healthz", SCRIPT_NAME="/api")[0] == "401 Unauthorized"
    moved = {"SCRIPT_NAME": "/api", "HTTP_SCRIPT_NAME": "/api", "RAW_URI": "/api/healthz"}
    assert _call(app, "/healthz", **moved)[0] == "401 Unauthorized"


def test_what_is_there_already_is_no_proof(verifier: HookVerifier) -> None:
    """A hook that is already in the environ is removed on a public path."""
    app = HookMiddleware(_app, verifier, public=["/open"])
    assert _call(app, "/open", **{HOOK: "forged"}) == ("200 OK", b"False")


def test_wrong_arguments(verifier: HookVerifier) -> None:
    """Wrong arguments raise at construction, and a list of protected paths is not supported."""
    with pytest.raises(ConfigurationError, match="public"):
        HookMiddleware(_app, verifier, public="/healthz")
    with pytest.raises(ConfigurationError, match="verifier"):
        HookMiddleware(_app, None)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="paths"):
        HookMiddleware(_app, verifier, paths=["/hooks"])  # type: ignore[call-arg]


@pytest.mark.parametrize("length", ["", "x", "-1", "\u00b2", "1" * 5000, "9" * 30, "2"])
@pytest.mark.parametrize("ended", [True, False])
def test_lengths_that_an_endpoint_is_told(length: str, ended: bool) -> None:
    """For any Content-Length, the endpoint responds and reads at most max_body + 1 bytes."""
    asked: list[int] = []

    class Input(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            asked.append(-1 if size is None else size)
            return super().read(size)

    class Echo:
        max_body = 8

        def respond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:
            return HttpAnswer(200, (), body)

        async def arespond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:
            return self.respond(method, headers, body)

    environ = {"CONTENT_LENGTH": length, "wsgi.input": Input(b"abcdefghijklm")}
    setup_testing_defaults(environ)
    environ["wsgi.input_terminated"] = ended
    [body] = serve(Echo())(environ, lambda *_: lambda _: None)
    expected = {"2": b"ab", "1" * 5000: b"abcdefghi", "9" * 30: b"abcdefghi"}
    assert body == expected.get(length, b"abcdefghi" if ended else b"")
    assert all(0 <= size <= 9 for size in asked)


def test_a_body_that_was_cut_off_is_none() -> None:
    """A body with fewer bytes than announced counts as empty; one with all of them is read."""
    assert received(BytesIO(b"abc").read, 9, 4) == b""
    assert received(BytesIO(b"abc").read, 9, 3) == b"abc"
    assert received(BytesIO(b"abc").read, 9, None) == b"abc"


def test_a_body_that_breaks_is_none() -> None:
    """The endpoint gets an empty body if reading the body fails."""

    class Cut(BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            raise OSError("invalid chunk")

    class Endpoint:
        max_body = 8

        def respond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:
            return HttpAnswer(400, (), b"empty" if not body else b"")

        async def arespond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:
            return self.respond(method, headers, body)

    environ: dict[str, Any] = {"CONTENT_LENGTH": "5", "wsgi.input": Cut()}
    setup_testing_defaults(environ)
    assert serve(Endpoint())(environ, lambda *_: lambda _: None) == [b"empty"]


def test_an_answer_to_head_has_no_body(verifier: HookVerifier) -> None:
    """A refusal of a HEAD request has Content-Length but no body."""
    sent: list[Any] = []
    environ: dict[str, Any] = {"REQUEST_METHOD": "HEAD"}
    setup_testing_defaults(environ)

    def start_response(status: str, headers: Any, exc_info: Any = None) -> Any:
        sent.extend([status, dict(headers)])

    app = HookMiddleware(lambda *_: [b"never"], verifier)
    assert app(environ, start_response) == [b""]
    assert sent[0] == "401 Unauthorized"
    assert int(sent[1]["Content-Length"]) > 0
