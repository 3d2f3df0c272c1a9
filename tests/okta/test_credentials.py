"""ApiToken and BearerToken: they set one header and do not reveal the token."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from hookkey_verify import ApiToken, BearerToken, ConfigurationError, HookKeys
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import (
    HookVerificationError,
    KeySourceConfigurationError,
    KeyUnavailableError,
)
from hookkey_verify.okta.credentials import Credentials, OutgoingRequest

from ..faults import FaultServer, all_text, hang_up

SECRET = "00s3cr3tTokenOfTheTests"
ANY_KIND = pytest.mark.parametrize("kind", [ApiToken, BearerToken])
ALL = pytest.mark.parametrize(
    "credentials",
    [ApiToken(SECRET), BearerToken(SECRET), BearerToken(lambda: SECRET)],
    ids=["api token", "bearer token", "bearer function"],
)


def authorization(credentials: Credentials) -> str:
    request = OutgoingRequest("GET", "https://acme.okta.com", {"Accept": "application/json"})
    credentials(request)
    assert request.headers.pop("Accept") == "application/json"
    [(name, value)] = request.headers.items()
    assert name == "Authorization"
    return value


@pytest.mark.parametrize(
    ("credentials", "header"),
    [
        (ApiToken(SECRET), f"SSWS {SECRET}"),
        (BearerToken(SECRET), f"Bearer {SECRET}"),
        (BearerToken(lambda: SECRET), f"Bearer {SECRET}"),
        (ApiToken("!~"), "SSWS !~"),
        (ApiToken("SSWSx"), "SSWS SSWSx"),
        (BearerToken("bearer"), "Bearer bearer"),
    ],
    ids=["api token", "bearer token", "bearer function", "edges of ASCII", "SSWSx", "bearer"],
)
def test_the_header(credentials: Credentials, header: str) -> None:
    """The Authorization header is the scheme, one space and the unchanged token."""
    assert authorization(credentials) == header


def test_a_function_is_called_for_every_request() -> None:
    """``BearerToken`` calls its function for every request, so that it can renew the token."""
    tokens = iter(["first", "second"])
    credentials = BearerToken(lambda: next(tokens))
    assert [authorization(credentials) for _ in range(2)] == ["Bearer first", "Bearer second"]


@ANY_KIND
@pytest.mark.parametrize(
    "token",
    [
        "",
        " ",
        f" {SECRET}",
        f"{SECRET} ",
        f"{SECRET}\n",
        f"{SECRET}\r\nX-Other: y",
        f"{SECRET}\x00",
        f"{SECRET}\x7f",
        f"{SECRET}é",
        f"{SECRET}\ud800",
        f"SSWS {SECRET}",
        f"ssws {SECRET}",
        f"Bearer {SECRET}",
        f"bearer {SECRET}",
        f"Bearer\t{SECRET}",
        SECRET.encode(),
        None,
        5,
        [SECRET],
    ],
    ids=ascii,
)
def test_what_cannot_be_a_token(kind: Callable[[Any], Credentials], token: object) -> None:
    """A value that cannot be a token is refused at construction; the error does not repeat it."""
    with pytest.raises(ConfigurationError, match=r": token must be ") as caught:
        kind(token)
    assert SECRET not in all_text(caught.value)


def test_an_api_token_is_no_function() -> None:
    """``ApiToken`` refuses a function, because API tokens do not expire within minutes."""
    with pytest.raises(ConfigurationError, match="token must be a non-empty string"):
        ApiToken(lambda: SECRET)  # type: ignore[arg-type]


@ALL
def test_repr_shows_no_secret(credentials: Credentials) -> None:
    """Neither repr, str nor a format string shows the token of credentials."""
    assert repr(credentials) == f"{type(credentials).__name__}(…)"
    assert SECRET not in f"{credentials} {credentials!r} {[credentials]}"


@ALL
@pytest.mark.parametrize(
    "duplicate", [pickle.dumps, copy.copy, copy.deepcopy], ids=["pickle", "copy", "deepcopy"]
)
def test_no_duplicates(credentials: Credentials, duplicate: Callable[[object], object]) -> None:
    """Credentials cannot be pickled or copied, so that no queue or cache stores the secret."""
    with pytest.raises(ConfigurationError, match="contains a secret") as caught:
        duplicate(credentials)
    assert SECRET not in all_text(caught.value)


def _raises() -> str:
    raise LookupError(SECRET)


def _returns(value: object) -> Callable[[], Any]:
    return lambda: value


@pytest.mark.parametrize(
    ("function", "kind", "text"),
    [
        pytest.param(_raises, KeyUnavailableError, "LookupError", id="raises"),
        pytest.param(_returns(None), KeySourceConfigurationError, "token()", id="returns None"),
        pytest.param(_returns(b"x"), KeySourceConfigurationError, "token()", id="returns bytes"),
        pytest.param(
            _returns(SECRET + "\r\nX: y"), KeySourceConfigurationError, "token()", id="two lines"
        ),
        pytest.param(
            _returns("Bearer " + SECRET), KeySourceConfigurationError, "token()", id="with scheme"
        ),
    ],
)
def test_a_failing_function(
    function: Callable[[], str], kind: type[HookVerificationError], text: str
) -> None:
    """If the token function fails, no request is sent, and our error does not contain its text."""
    with FaultServer(hang_up) as server:
        keys = HookKeys(server.url, BearerToken(function))
        with keys, pytest.raises(kind) as caught:
            keys.get("some-key")
    assert text in str(caught.value)
    assert SECRET not in all_text(caught.value)
    assert server.requests == []


@ANY_KIND
def test_an_org_accepts_both(
    okta: OktaEmulator, kind: Callable[[str], ApiToken | BearerToken]
) -> None:
    """The org returns a key for an API token and for a bearer token."""
    key_id = okta.create_key("one")["keyId"]
    with HookKeys(okta.url, kind(okta.api_token)) as keys:
        assert keys.get(key_id).kid == key_id
