"""TokenEndpoint: requests that it refuses."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlencode

import pytest

from hookkey_verify import HookSigner, TokenEndpoint
from hookkey_verify.testing import bad_tokens
from hookkey_verify.token_endpoint import MAX_BODY

from ..conftest import CLIENT_ID, TOKEN_URL
from .token_requests import FORM, SECRET, Run, asked, error


def test_once(endpoint: TokenEndpoint, signer: HookSigner, ask: Run) -> None:
    """An assertion is accepted for one token only, even if it has no jti."""
    bare = signer.sign(
        {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": TOKEN_URL, "exp": int(time.time()) + 100}
    )
    for form in (asked(signer), asked(signer, client_assertion=bare)):
        assert ask(endpoint, form).status == 200
        assert error(ask(endpoint, form)) == (401, "invalid_client")


def test_once_among_threads(endpoint: TokenEndpoint, signer: HookSigner) -> None:
    """Of two hundred concurrent requests with the same assertion, only one gets a token."""
    body = urlencode(asked(signer)).encode()
    together = threading.Barrier(20)

    def post(_: int) -> list[int]:
        together.wait()
        return [endpoint.respond("POST", FORM, body).status for _ in range(10)]

    with ThreadPoolExecutor(20) as pool:
        statuses = [status for each in pool.map(post, range(20)) for status in each]
    assert sorted(statuses) == [200] + [401] * 199


def test_the_zoo(endpoint: TokenEndpoint, signer: HookSigner, ask: Run) -> None:
    """Every assertion of ``bad_tokens`` is refused with a short response."""
    for bad in bad_tokens(signer, client_id=CLIENT_ID, token_url=TOKEN_URL):
        answer = ask(endpoint, asked(signer, client_assertion=bad.token))
        expected = (401, "invalid_client") if bad.token else (400, "invalid_request")
        if len(bad.token) > MAX_BODY:
            expected = (413, "invalid_request")
        assert error(answer) == expected, bad.name
        assert len(answer.body) < 300


CLAIMS: dict[str, Any] = {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": TOKEN_URL}


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": [TOKEN_URL, "https://other.example"]},
        {"aud": [TOKEN_URL, TOKEN_URL]},
        {"aud": []},
        {"aud": TOKEN_URL + "/"},
        {"aud": TOKEN_URL.upper()},
        {"exp": 3700},
        {"exp": -120},
        {"sub": "0oax"},
    ],
    ids=str,
)
def test_assertions(
    endpoint: TokenEndpoint, signer: HookSigner, ask: Run, claims: dict[str, Any]
) -> None:
    """An assertion is refused unless its claims are exact.

    ``aud`` must be only the token URL, ``exp`` in the future by at most an hour, and ``iss`` and
    ``sub`` the client id.
    """
    given = {**CLAIMS, "exp": 100, "jti": "j", **claims}
    assertion = signer.sign({**given, "exp": int(time.time()) + given["exp"]})
    answer = ask(endpoint, asked(signer, client_assertion=assertion))
    assert error(answer) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"grant_type": None}, 400, "invalid_request"),
        ({"grant_type": ""}, 400, "invalid_request"),
        ({"grant_type": "authorization_code"}, 400, "unsupported_grant_type"),
        ({"grant_type": "client_credentials "}, 400, "unsupported_grant_type"),
        ({"scope": "admin"}, 400, "invalid_scope"),
        ({"scope": "hooks admin"}, 400, "invalid_scope"),
        ({"scope": "hooks  other"}, 400, "invalid_scope"),
        ({"scope": " hooks"}, 400, "invalid_scope"),
        ({"scope": 'ho"oks'}, 400, "invalid_scope"),
        ({"scope": "hooks\n"}, 400, "invalid_scope"),
        ({"client_assertion": None}, 400, "invalid_request"),
        ({"client_assertion_type": None}, 400, "invalid_request"),
        ({"client_assertion_type": "jwt-bearer"}, 401, "invalid_client"),
        ({"client_secret": SECRET}, 400, "invalid_request"),
        ({"client_assertion": None, "client_assertion_type": None}, 401, "invalid_client"),
    ],
    ids=str,
)
def test_requests(  # noqa: PLR0917 - the columns of the table
    endpoint: TokenEndpoint,
    signer: HookSigner,
    ask: Run,
    changes: dict[str, Any],
    status: int,
    code: str,
) -> None:
    """A refused request gets the error code of RFC 6749 section 5.2."""
    assert error(ask(endpoint, asked(signer, **changes))) == (status, code)


@pytest.mark.parametrize(
    ("client_id", "secret"),
    [
        ("0oasecret", "wrong"),
        ("0oasecret", SECRET + "x"),
        ("0oasecret", SECRET[:-1]),
        ("0oasecret", None),
        ("nobody", SECRET),
        (None, SECRET),
        (CLIENT_ID, SECRET),
        ("0oasecret", "\ud7ff" * 9),
    ],
)
def test_secrets(
    endpoint: TokenEndpoint, ask: Run, client_id: str | None, secret: str | None
) -> None:
    """Every wrong client id or secret yields the same status and code."""
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    answer = ask(endpoint, {name: value for name, value in form.items() if value is not None})
    assert error(answer) == (401, "invalid_client")
    assert SECRET not in answer.body.decode()


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": ""},
        {"content-type": "application/json"},
        {"content-type": "multipart/form-data"},
        {"content-type": "text/application/x-www-form-urlencoded"},
        [("content-type", FORM["content-type"])] * 2,
        5,
    ],
    ids=str,
)
def test_content_types(endpoint: TokenEndpoint, signer: HookSigner, ask: Run, headers: Any) -> None:
    """A request without exactly one form content type yields 400; invalid headers yield 500."""
    answer = ask(endpoint, asked(signer), headers=headers)
    expected = (500, "server_error") if headers == 5 else (400, "invalid_request")
    assert error(answer) == expected


def test_a_content_type_with_a_charset(
    endpoint: TokenEndpoint, signer: HookSigner, ask: Run
) -> None:
    """The content type may have a charset parameter and capital letters."""
    headers = [("Content-Type", "Application/X-WWW-Form-Urlencoded; charset=UTF-8")]
    assert ask(endpoint, asked(signer), headers=headers).status == 200


@pytest.mark.parametrize("value", ["Basic MG9hOng=", "Bearer x", ""])
def test_an_authorization_header(
    endpoint: TokenEndpoint, signer: HookSigner, ask: Run, value: str
) -> None:
    """An Authorization header together with an assertion is refused (RFC 6749 section 2.3).

    Alone, a header with wrong credentials is refused with the challenge of section 5.2.
    """
    answer = ask(endpoint, asked(signer), headers={**FORM, "Authorization": value})
    assert error(answer) == (400, "invalid_request")
    answer = ask(
        endpoint, {"grant_type": "client_credentials"}, headers={**FORM, "Authorization": value}
    )
    assert error(answer) == (401, "invalid_client")
    assert dict(answer.headers)["WWW-Authenticate"].startswith("Basic ")


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "OPTIONS", "post", ""])
def test_methods(endpoint: TokenEndpoint, signer: HookSigner, ask: Run, method: str) -> None:
    """A method other than POST yields 405 with Allow, because logs contain URLs."""
    answer = ask(endpoint, asked(signer), method=method)
    assert error(answer) == (405, "invalid_request")
    assert ("Allow", "POST") in answer.headers


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"grant_type=client_credentials&grant_type=client_credentials", 400),
        (b"a=1&a=2", 400),
        (b"a=%zz", 400),
        (b"\xff", 400),
        (b"x" * MAX_BODY, 400),
        (b"x" * (MAX_BODY + 1), 413),
        (b"&".join(b"p%d=1" % n for n in range(40)), 400),
    ],
    ids=lambda value: str(value)[:30],
)
def test_bodies(endpoint: TokenEndpoint, ask: Run, body: bytes, status: int) -> None:
    """A body is refused if it is malformed, repeats a parameter, or is too large."""
    assert error(ask(endpoint, body)) == (status, "invalid_request")
