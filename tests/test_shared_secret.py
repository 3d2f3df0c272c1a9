"""HeaderSecret and BasicCredentials: which headers they accept, and their refusals."""

from __future__ import annotations

import asyncio
import hmac
import math
from base64 import b64encode
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from hookkey_verify import ConfigurationError, VerifiedHook
from hookkey_verify.errors import WrongCredentialsError
from hookkey_verify.events import Event, EventName
from hookkey_verify.guard import Guard, HttpRefusal
from hookkey_verify.shared_secret import BasicCredentials, HeaderSecret

SECRET, NEXT = "s3cret of today", "s3cret-of-tomorrow"


def _basic(text: str, encoding: str = "utf-8") -> str:
    return "Basic " + b64encode(text.encode(encoding)).decode()


def _accepts(verifier: Any, *headers: tuple[str, str]) -> bool:
    """Return whether the headers are accepted; the sync and async methods must agree."""
    try:
        hook = verifier.verify_headers(headers)
    except WrongCredentialsError:
        with pytest.raises(WrongCredentialsError):
            asyncio.run(verifier.averify_headers(headers))
        return False
    assert asyncio.run(verifier.averify_headers(headers)) == hook
    return True


@pytest.mark.parametrize(
    ("headers", "accepted"),
    [
        ([("Authorization", SECRET)], True),
        ([("authorization", NEXT)], True),
        ([], False),
        ([("Authorization", "")], False),
        ([("Authorization", SECRET[:-1])], False),
        ([("Authorization", SECRET + "x")], False),
        ([("Authorization", SECRET.upper())], False),
        ([("Authorization", f"Bearer {SECRET}")], False),
        ([("Authorization", SECRET), ("Authorization", SECRET)], False),
        ([("Authorization", f"{SECRET},{SECRET}")], False),
        ([("X-Other", SECRET)], False),
        ([("Authorization", "é")], False),
    ],
)
def test_header_secret(headers: Any, accepted: bool) -> None:
    """HeaderSecret accepts exactly one header whose value equals one of the secrets."""
    assert _accepts(HeaderSecret(SECRET, NEXT), *headers) is accepted


def test_header_of_another_name() -> None:
    """The header may have any name, which is compared without regard to case."""
    verifier = HeaderSecret(SECRET, header="X-Hook-Secret")
    assert _accepts(verifier, ("x-hook-secret", SECRET))
    assert not _accepts(verifier, ("Authorization", SECRET))
    assert repr(verifier) == "HeaderSecret(header='X-Hook-Secret')"


@pytest.mark.parametrize(
    ("value", "accepted"),
    [
        (_basic("okta:pä:ss"), True),
        (_basic("okta:next"), True),
        (_basic("okta:next").replace("Basic", "bAsIc"), True),
        (_basic("okta:next").replace(" ", "   "), True),
        (_basic("okta:pä:ss", "latin-1"), False),
        (_basic("okta:"), False),
        (_basic("Okta:next"), False),
        (_basic("okta:nex"), False),
        (_basic("okta"), False),
        (_basic("okta:next") + "=", False),
        (_basic("okta:next") + " x", False),
        ("Basic", False),
        ("Basic !!!!", False),
        ("Basic a", False),
        (_basic("okta:next").replace("Basic", "Bearer"), False),
        ("okta:next", False),
    ],
)
def test_basic_credentials(value: str, accepted: bool) -> None:
    """BasicCredentials accepts UTF-8 in base64 (RFC 7617) with nothing after it."""
    verifier = BasicCredentials("okta", "pä:ss", "next")
    assert _accepts(verifier, ("Authorization", value)) is accepted


def test_twice_is_not_once() -> None:
    """A request with two Authorization headers is refused, even if both are right."""
    header = ("Authorization", _basic("okta:next"))
    assert not _accepts(BasicCredentials("okta", "next"), header, header)


def test_what_a_verified_hook_says() -> None:
    """The VerifiedHook of a shared secret has no claims and never expires."""
    hook = HeaderSecret(SECRET).verify_headers({"Authorization": SECRET})
    assert isinstance(hook, VerifiedHook)
    assert (hook.subject, hook.client_id, hook.scopes, hook.jti) == (None, None, (), None)
    assert (hook.kid, dict(hook.claims), hook.expires_at) == ("", {}, math.inf)


@pytest.mark.parametrize(
    ("verifier", "challenge"),
    [
        (HeaderSecret(SECRET), "SharedSecret"),
        (BasicCredentials("okta", SECRET), 'Basic realm="hook", charset="UTF-8"'),
    ],
    ids=["header", "basic"],
)
def test_the_refusal(verifier: Any, challenge: str) -> None:
    """A refusal is 401 with a challenge, and contains neither the sent nor the expected value."""
    for headers in ([], [("Authorization", "wr0ng")]):
        refusal = Guard(verifier).check(headers)
        assert isinstance(refusal, HttpRefusal)
        assert (refusal.status, refusal.error.reason) == (401, "wrong_credentials")
        assert dict(refusal.headers)["WWW-Authenticate"] == challenge
        texts = f"{refusal!r} {refusal.error!r} {refusal.error} {verifier!r}"
        assert SECRET not in texts
        assert "wr0ng" not in texts


def test_the_comparison_tells_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """All secrets are compared, as digests of equal length, even after a match."""
    compared: list[tuple[int, int]] = []

    def compare(a: bytes, b: bytes) -> bool:
        compared.append((len(a), len(b)))
        return a == b

    monkeypatch.setattr(hmac, "compare_digest", compare)
    verifier = HeaderSecret("a", "b" * 100, "c")
    for sent in ("a", "c", "z" * 1000):
        compared.clear()
        _ = Guard(verifier).check({"Authorization": sent})
        assert compared == [(32, 32)] * 3


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (HeaderSecret, "secret"),
        (lambda: HeaderSecret(""), "secret"),
        (lambda: HeaderSecret(" "), "secret"),
        (lambda: HeaderSecret("a\n"), "secret"),
        (lambda: HeaderSecret("ä"), "ASCII"),
        (lambda: HeaderSecret(None), "secret"),  # type: ignore[arg-type]
        (lambda: HeaderSecret(b"a"), "secret"),  # type: ignore[arg-type]
        (lambda: HeaderSecret("a", header=""), "header"),
        (lambda: HeaderSecret("a", header="X Y"), "header"),
        (lambda: HeaderSecret("a", header=None), "header"),  # type: ignore[arg-type]
        (lambda: BasicCredentials("okta"), "password"),
        (lambda: BasicCredentials("okta", ""), "password"),
        (lambda: BasicCredentials("", "p"), "username"),
        (lambda: BasicCredentials("a:b", "p"), "username"),
        (lambda: BasicCredentials(5, "p"), "username"),  # type: ignore[arg-type]
        (lambda: BasicCredentials("a\n", "p"), "user name"),
    ],
)
def test_wrong_arguments(make: Any, named: str) -> None:
    """Invalid arguments, such as an empty secret, are refused, and the message names them."""
    with pytest.raises(ConfigurationError, match=named):
        make()


@pytest.mark.parametrize(
    ("make", "good"),
    [
        (partial(HeaderSecret, SECRET), SECRET),
        (partial(BasicCredentials, "okta", "pa55word"), _basic("okta:pa55word")),
    ],
    ids=["HeaderSecret", "BasicCredentials"],
)
def test_events(make: Callable[..., HeaderSecret | BasicCredentials], good: str) -> None:
    """Each request is reported once, without a kid and without anything that was sent."""
    events: list[Event] = []
    verifier = make(on_event=events.append)
    verifier.verify_headers({"Authorization": good})
    asyncio.run(verifier.averify_headers({"Authorization": good}))
    for headers in ({}, {"Authorization": good[:-1]}, [("Authorization", good)] * 2):
        with pytest.raises(WrongCredentialsError):
            verifier.verify_headers(headers)
        with pytest.raises(WrongCredentialsError):
            asyncio.run(verifier.averify_headers(headers))
    name = type(verifier).__name__
    accepted = (EventName.VERIFY, name, "accepted", "", "", None)
    refused = (EventName.VERIFY, name, "refused", "wrong_credentials", "", None)
    assert [event[:-1] for event in events] == [accepted] * 2 + [refused] * 6
    assert all(event.seconds is not None and 0 <= event.seconds < 10 for event in events)


def test_a_listener_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    """A listener that raises does not change a verdict, and its error is logged once."""

    def listener(event: Event) -> None:
        raise ZeroDivisionError(SECRET)

    verifier = HeaderSecret(SECRET, on_event=listener)
    verifier.verify_headers({"Authorization": SECRET})
    with pytest.raises(WrongCredentialsError):
        verifier.verify_headers({})
    assert caplog.messages == ["on_event raised ZeroDivisionError"]


@pytest.mark.parametrize("make", [partial(HeaderSecret, "s"), partial(BasicCredentials, "u", "p")])
def test_a_listener_must_be_callable(make: Callable[..., object]) -> None:
    """An invalid listener is refused at construction."""
    with pytest.raises(ConfigurationError, match="on_event"):
        make(on_event=5)
