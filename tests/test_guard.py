"""Guard: it takes headers and returns a hook or an HTTP answer."""

from __future__ import annotations

import asyncio
import json
import logging
from typing import Any

import pytest

from hookkey_verify import HookSigner, HookVerifier, VerifiedHook
from hookkey_verify.errors import (
    ConfigurationError,
    HookKeyError,
    HookVerificationError,
    InsufficientScopeError,
    KeyUnavailableError,
    MissingTokenError,
    SignatureError,
)
from hookkey_verify.guard import (
    Guard,
    HttpAnswer,
    HttpRefusal,
    PublicPaths,
    environ_headers,
)

from .conftest import CLIENT_ID, TOKEN_URL

CHALLENGE = ("X-Okta-Verification-Challenge", "a-value")


@pytest.fixture
def bearer(signer: HookSigner) -> tuple[str, str]:
    token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    return ("Authorization", f"Bearer {token}")


class Failing:
    """A verifier that raises."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    def verify_headers(self, headers: Any) -> VerifiedHook:
        raise self._error

    async def averify_headers(self, headers: Any) -> VerifiedHook:
        raise self._error


def _both(guard: Guard, headers: Any, method: str = "POST") -> VerifiedHook | HttpAnswer:
    """Return the outcome, after checking that the sync and async methods agree."""
    outcome = guard.check(headers, method)
    again = asyncio.run(guard.acheck(headers, method))
    assert type(outcome) is type(again)
    if isinstance(outcome, HttpAnswer) and isinstance(again, HttpAnswer):
        assert (outcome.status, outcome.headers, outcome.body) == (
            again.status,
            again.headers,
            again.body,
        )
    return outcome


@pytest.mark.parametrize("form", ["pairs", "mapping", "bytes", "environ"])
def test_verified(verifier: HookVerifier, bearer: tuple[str, str], form: str) -> None:
    """Headers are accepted in every form that frameworks use."""
    name, value = bearer
    headers: Any = {
        "pairs": [("Accept", "*/*"), bearer],
        "mapping": {name: value},
        "bytes": [(name.lower().encode(), value.encode())],
        "environ": environ_headers({"HTTP_AUTHORIZATION": value, "wsgi.version": (1, 0)}),
    }[form]
    hook = _both(Guard(verifier), headers)
    assert isinstance(hook, VerifiedHook)
    assert hook.subject == CLIENT_ID


@pytest.mark.parametrize(
    ("error", "status", "reason", "headers"),
    [
        (MissingTokenError(), 401, "missing_token", {"WWW-Authenticate": "Bearer"}),
        (
            SignatureError(),
            401,
            "invalid_signature",
            {
                "WWW-Authenticate": 'Bearer error="invalid_token", '
                'error_description="The token\'s signature is not valid"'
            },
        ),
        (
            InsufficientScopeError(["a", "b"]),
            403,
            "insufficient_scope",
            {"WWW-Authenticate": 'Bearer error="insufficient_scope", scope="a b"'},
        ),
        (KeyUnavailableError("x", retry_after=7), 503, "key_unavailable", {"Retry-After": "7"}),
        (ConfigurationError("x"), 500, "configuration", {}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_refusals(error: HookKeyError, status: int, reason: str, headers: dict[str, str]) -> None:
    """A refusal has RFC 6750's headers, RFC 9457's body, and the error for logs."""
    refusal = _both(Guard(Failing(error)), [])
    assert isinstance(refusal, HttpRefusal)
    assert refusal.error is error
    assert refusal.status == status
    always = {"Content-Type": "application/problem+json", "Cache-Control": "no-store"}
    assert dict(refusal.headers) == headers | always
    problem = json.loads(refusal.body)
    assert set(problem) == {"title", "status", "detail", "reason"}
    assert (problem["status"], problem["reason"], problem["detail"]) == (
        status,
        reason,
        error.title,
    )


def test_error_texts_are_not_sent() -> None:
    """The response contains the title of the error's class but not the error's own text."""
    refusal = _both(Guard(Failing(KeyUnavailableError("host db7 refused"))), [])
    assert isinstance(refusal, HttpRefusal)
    assert b"db7" not in refusal.body
    assert "db7" not in str(refusal.headers)


@pytest.mark.parametrize("error", [KeyError("s3cret"), ValueError("s3cret"), RecursionError()])
def test_a_verifier_that_raises(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """An unexpected error refuses the request, and its text appears in neither response nor log."""
    refusal = _both(Guard(Failing(error)), [])
    assert isinstance(refusal, HttpRefusal)
    assert (refusal.status, refusal.error.reason) == (500, "configuration")
    assert b"s3cret" not in refusal.body
    assert "s3cret" not in caplog.text
    assert type(error).__name__ in caplog.text


class OddError(HookVerificationError):
    """A user's own error, with arbitrary attributes."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__()
        self.__dict__.update(attributes)


class BrokenError(HookVerificationError):
    """An error whose headers cannot be read."""

    @property
    def headers(self) -> dict[str, str]:
        raise LookupError


@pytest.mark.parametrize(
    ("error", "status", "reason"),
    [
        (HookVerificationError(), 401, "unspecified"),
        (HookVerificationError("why"), 401, "unspecified"),
        (HookKeyError(), 500, "unspecified"),
        (OddError(status_code=499), 499, "unspecified"),
        (OddError(status_code=418), 418, "unspecified"),
        (OddError(status_code=200), 500, "unspecified"),
        (OddError(status_code=302), 500, "unspecified"),
        (OddError(status_code=600), 500, "unspecified"),
        (OddError(status_code="401"), 500, "unspecified"),
        (OddError(status_code=None), 500, "unspecified"),
        (OddError(reason=object()), 500, "configuration"),
        (BrokenError(), 500, "configuration"),
    ],
    ids=lambda value: str(value) if isinstance(value, int | str) else type(value).__name__,
)
def test_errors_of_a_custom_verifier(error: HookKeyError, status: int, reason: str) -> None:
    """Whatever a custom verifier raises, the request is refused with a problem document."""
    refusal = _both(Guard(Failing(error)), [])
    assert isinstance(refusal, HttpRefusal)
    assert refusal.status == status
    problem = json.loads(refusal.body)
    assert (problem["status"], problem["reason"]) == (status, reason)


class Credulous:
    """A verifier that returns something other than a VerifiedHook."""

    def verify_headers(self, headers: Any) -> Any:
        return {"subject": "anybody"}

    async def averify_headers(self, headers: Any) -> Any:
        return {"subject": "anybody"}


def test_only_a_verified_hook_is_accepted() -> None:
    """A custom verifier that returns anything else is an error, and the request is refused."""
    refusal = _both(Guard(Credulous()), [])
    assert isinstance(refusal, HttpRefusal)
    assert refusal.status == 500


def test_an_interruption_is_not_a_refusal() -> None:
    """KeyboardInterrupt and cancellation propagate."""
    with pytest.raises(KeyboardInterrupt):
        Guard(Failing(KeyboardInterrupt())).check([])
    with pytest.raises(asyncio.CancelledError):
        asyncio.run(Guard(Failing(asyncio.CancelledError())).acheck([]))


@pytest.mark.parametrize("headers", [None, 5, [1], [("a",)], [("Authorization", 5)]])
def test_invalid_headers_argument(verifier: HookVerifier, headers: Any) -> None:
    """Headers of the wrong type are the caller's fault, not the sender's: 500."""
    refusal = _both(Guard(verifier), headers)
    assert isinstance(refusal, HttpRefusal)
    assert refusal.status == 500


def test_refusals_are_logged(verifier: HookVerifier, caplog: pytest.LogCaptureFixture) -> None:
    """The sender's faults are logged as INFO, our own as ERROR."""
    with caplog.at_level(logging.INFO, "hookkey_verify"):
        Guard(verifier).check([])
        Guard(Failing(ConfigurationError("it is closed"))).check([])
    assert [(r.levelname, r.getMessage()) for r in caplog.records] == [
        (
            "INFO",
            "a request was refused with 401: No bearer token was sent: the request has no "
            "Authorization header",
        ),
        (
            "ERROR",
            "a request was refused with 500: hookkey_verify is not configured correctly: "
            "it is closed",
        ),
    ]


def test_on_refusal_may_answer(verifier: HookVerifier) -> None:
    """on_refusal may return another answer or the refusal itself."""
    seen: list[str] = []

    def on_refusal(refusal: HttpRefusal) -> HttpAnswer:
        seen.append(refusal.error.reason)
        return HttpAnswer(418, (), b"tea") if len(seen) < 3 else refusal

    guard = Guard(verifier, on_refusal=on_refusal)
    answer = _both(guard, [])
    assert isinstance(answer, HttpAnswer)
    assert (answer.status, answer.body, answer.status_line) == (418, b"tea", "418 I'm a Teapot")
    assert isinstance(guard.check([]), HttpRefusal)
    assert seen == ["missing_token"] * 3


@pytest.mark.parametrize("broken", [lambda refusal: 1 / 0, lambda refusal: None])
def test_on_refusal_that_fails(
    verifier: HookVerifier, broken: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """If on_refusal fails, the original refusal is sent."""
    refusal = _both(Guard(verifier, on_refusal=broken), [])
    assert isinstance(refusal, HttpRefusal)
    assert refusal.status == 401
    assert "on_refusal" in caplog.text


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"verifier": None}, "verifier"),
        ({"verifier": "secret"}, "verifier"),
        ({"on_refusal": 5}, "on_refusal"),
        ({"event_hook": "yes"}, "event_hook"),
    ],
)
def test_wrong_arguments(verifier: HookVerifier, options: dict[str, Any], named: str) -> None:
    """Invalid arguments are refused at construction, and the message names them."""
    with pytest.raises(ConfigurationError, match=named):
        Guard(**{"verifier": verifier, **options})


def test_repr(verifier: HookVerifier) -> None:
    assert repr(Guard(verifier)).startswith("Guard(HookVerifier(")


# --- the one-time verification challenge of an event hook


def test_the_challenge_is_answered(verifier: HookVerifier, bearer: tuple[str, str]) -> None:
    """Only a GET with one challenge header is answered; every other request is verified."""
    guard = Guard(verifier, event_hook=True)
    answer = _both(guard, [CHALLENGE], "GET")
    assert isinstance(answer, HttpAnswer)
    assert (answer.status, json.loads(answer.body)) == (200, {"verification": "a-value"})
    assert dict(answer.headers)["Content-Type"] == "application/json"
    assert isinstance(_both(guard, [bearer], "GET"), VerifiedHook)
    for headers, method in (
        ([CHALLENGE], "POST"),
        ([], "GET"),
        ([CHALLENGE, CHALLENGE], "GET"),
        ([(CHALLENGE[0], "x" * 1025)], "GET"),
    ):
        assert isinstance(_both(guard, headers, method), HttpRefusal)


def test_the_challenge_is_answered_only_if_enabled(verifier: HookVerifier) -> None:
    """The default is off, because inline hooks have no challenge."""
    assert isinstance(_both(Guard(verifier), [CHALLENGE], "GET"), HttpRefusal)


def test_an_iterator_is_read_once(verifier: HookVerifier, bearer: tuple[str, str]) -> None:
    """The guard leaves an iterator of headers unread, so that the verifier can read it."""
    guard = Guard(verifier, event_hook=True)
    assert isinstance(guard.check(iter([bearer]), "GET"), VerifiedHook)


def test_the_challenge_cannot_break_out(verifier: HookVerifier) -> None:
    """The challenge is returned as a JSON string, with a JSON content type and nosniff."""
    value = '"><script>alert(1)</script>\\'
    answer = Guard(verifier, event_hook=True).check([(CHALLENGE[0], value)], "GET")
    assert isinstance(answer, HttpAnswer)
    assert json.loads(answer.body) == {"verification": value}
    assert ("X-Content-Type-Options", "nosniff") in answer.headers


# --- answers


def test_answers_for_wsgi_and_asgi() -> None:
    """An answer offers a Content-Length header and a status line."""
    answer = HttpAnswer(401, (("A", "b"),), b"xyz")
    assert answer.sized_headers == [("A", "b"), ("Content-Length", "3")]
    assert answer.status_line == "401 Unauthorized"
    assert HttpAnswer(599, (), b"").status_line == "599 Status"


# --- paths


@pytest.mark.parametrize(
    ("path", "target", "public"),
    [
        ("/healthz", None, True),
        ("/healthz", "/healthz", True),
        ("/healthz", "/healthz?verbose=1", True),
        ("/", "/", True),
        ("/a/b.c_d~e-f/", "/a/b.c_d~e-f/", True),
        ("/healthz/", "/healthz/", False),
        ("/Healthz", "/Healthz", False),
        ("/healthz\n", "/healthz%0a", False),
        ("/healthz", "/%68ealthz", False),
        ("/healthz", "//healthz", False),
        ("/healthz", "http://a/healthz", False),
        ("/healthz", "/x/../healthz", False),
        ("/healthz", "", False),
        ("/hook", "/healthz", False),
        ("/", "/healthz", False),
        ("", None, False),
        ("healthz", None, False),
    ],
    ids=repr,
)
def test_public_paths(path: str, target: str | None, public: bool) -> None:
    """The decoded path and the raw target must both equal the same public path."""
    paths = PublicPaths(["/healthz", "/", "/a/b.c_d~e-f/"])
    assert paths.includes("", path, target, [("X-Forwarded-Prefix", "/x")]) is public


@pytest.mark.parametrize(
    ("mount", "path", "headers", "public"),
    [
        ("/a", "/b.c_d~e-f/", [], True),
        ("/a", "/b.c_d~e-f/", [("Accept", "*/*"), (b"host", b"x")], True),
        ("/a", "/b.c_d~e-f/", [("Script-Name", "/a")], False),
        ("/a", "/b.c_d~e-f/", [("SCRIPT_NAME", "/a")], False),
        ("/a", "/b.c_d~e-f/", [(b"x-forwarded-prefix", b"")], False),
        ("/a", "/b.c_d~e-f/", [("X-Script-Name", "/a")], False),
        ("/healthz", "", [("Script-Name", "/healthz")], False),
        ("/other", "/healthz", [], False),
    ],
)
def test_mount_points(mount: str, path: str, headers: Any, public: bool) -> None:
    """A mount point that may come from the sender makes no path public."""
    paths = PublicPaths(["/healthz", "/", "/a/b.c_d~e-f/"])
    assert paths.includes(mount, path, mount + path, headers) is public


@pytest.mark.parametrize(
    "paths",
    ["/healthz", b"/healthz", 5, None, ["healthz"], [""], ["/a*"], ["/*"], ["/{id}"], ["/<id>"]]
    + [["/%20"], ["/a?x"], ["/a#f"], ["/a "], [" /a"], ["/\u00e9"], ["/a\n"], ["/a//b"], ["//a"]]
    + [["/."], ["/.."], ["/a/../b"], ["/a/."], ["/a;b"], ["/a\\b"], ["/:id"], [5], [b"/a"], [None]],
    ids=repr,
)
def test_invalid_public_paths(paths: Any) -> None:
    """Ambiguous paths and patterns are refused at construction."""
    with pytest.raises(ConfigurationError, match="public"):
        PublicPaths(paths)


def test_nothing_is_public_by_default() -> None:
    assert not PublicPaths([]).includes("", "/", "/", [])
