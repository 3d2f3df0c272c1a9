"""AnyOf: which requests it accepts, which error it raises, and what its verifiers report."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from hookkey_verify import ConfigurationError, HookSigner, HookVerifier, StaticKeys
from hookkey_verify.errors import (
    AudienceError,
    HookKeyError,
    InsufficientScopeError,
    KeySourceConfigurationError,
    KeyUnavailableError,
    MissingTokenError,
    SignatureError,
    WrongCredentialsError,
)
from hookkey_verify.events import Event
from hookkey_verify.guard import Guard, HttpRefusal, RequestVerifier
from hookkey_verify.hooks import AnyOf
from hookkey_verify.shared_secret import BasicCredentials, HeaderSecret
from hookkey_verify.verifier import VerifiedHook, VerifierByIssuer

from ..conftest import CLIENT_ID, TOKEN_URL

SECRET = "s3cret-of-the-hook"
SECRET_SENT = {"Authorization": SECRET}

Verify = Callable[[RequestVerifier, Any], VerifiedHook]


def sync(verifier: RequestVerifier, headers: Any) -> VerifiedHook:
    return verifier.verify_headers(headers)


def in_loop(verifier: RequestVerifier, headers: Any) -> VerifiedHook:
    return asyncio.run(verifier.averify_headers(headers))


BOTH = pytest.mark.parametrize("verify", [sync, in_loop])


class Raising:
    """A verifier of a user that always raises."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def verify_headers(self, headers: Any) -> VerifiedHook:
        raise self.error

    async def averify_headers(self, headers: Any) -> VerifiedHook:
        raise self.error


class Scene:
    """A secret and a verifier of tokens that report their events, combined."""

    def __init__(self, keys: StaticKeys, signer: HookSigner, **options: Any) -> None:
        self.events: list[Event] = []
        self.secret = HeaderSecret(SECRET, on_event=self.events.append)
        self.tokens = HookVerifier.for_client_assertion(
            keys, client_id=CLIENT_ID, token_url=TOKEN_URL, on_event=self.events.append
        )
        self.either = AnyOf(self.secret, self.tokens, **options)
        self._signer = signer

    def token(self, **options: Any) -> dict[str, str]:
        given = {"client_id": CLIENT_ID, "token_url": TOKEN_URL, **options}
        return {"Authorization": f"Bearer {self._signer.client_assertion(**given)}"}

    @property
    def seen(self) -> list[tuple[str, str, str]]:
        return [(each.source, each.outcome, each.reason) for each in self.events]


@pytest.fixture
def scene(keys: StaticKeys, signer: HookSigner) -> Scene:
    return Scene(keys, signer)


@BOTH
def test_either_is_accepted(verify: Verify, scene: Scene, signer: HookSigner) -> None:
    """Each verifier reports what it accepts, and a refusal by another one is not reported."""
    assert verify(scene.either, scene.token()).kid == signer.kid
    assert verify(scene.either, SECRET_SENT).kid == ""
    assert scene.seen == [("StaticKeys", "accepted", ""), ("HeaderSecret", "accepted", "")]
    assert (scene.events[0].key, scene.events[0].kid) == ("cached", signer.kid)


@BOTH
def test_a_request_that_all_refuse_is_reported_once(verify: Verify, scene: Scene) -> None:
    """The verifier whose error is raised reports the refusal, with its own source."""
    with pytest.raises(AudienceError):
        verify(scene.either, scene.token(token_url="https://other.example/token"))
    assert scene.seen == [("StaticKeys", "refused", "wrong_audience")]
    scene.events.clear()
    with pytest.raises(WrongCredentialsError):
        verify(scene.either, {})
    assert scene.seen == [("HeaderSecret", "refused", "wrong_credentials")]


@BOTH
def test_its_own_events(verify: Verify, keys: StaticKeys, signer: HookSigner) -> None:
    """With ``on_event``, the combination itself reports a request that all refuse, once."""
    own: list[Event] = []
    scene = Scene(keys, signer, on_event=own.append)
    verify(scene.either, SECRET_SENT)
    assert (scene.seen, own) == ([("HeaderSecret", "accepted", "")], [])
    with pytest.raises(HookKeyError):
        verify(scene.either, scene.token(client_id="0oaother"))
    assert len(scene.events) == 1
    (event,) = own
    assert (event.source, event.outcome, event.kid) == ("AnyOf", "refused", signer.kid)
    assert event.reason != ""
    assert (event.seconds or 0) >= 0
    quiet = AnyOf(HeaderSecret(SECRET), on_event=own.append)
    with pytest.raises(WrongCredentialsError):
        verify(quiet, {})
    assert (own[1].reason, own[1].kid) == ("wrong_credentials", None)


@BOTH
def test_combinations_can_be_combined(verify: Verify, scene: Scene) -> None:
    """A combination in another one reports neither more nor less."""
    nested = AnyOf(AnyOf(scene.tokens, BasicCredentials("okta", "pass")), AnyOf(scene.secret))
    verify(nested, SECRET_SENT)
    assert scene.seen == [("HeaderSecret", "accepted", "")]
    scene.events.clear()
    with pytest.raises(HookKeyError):
        verify(nested, {"Authorization": "Bearer e30.e30.AA"})
    assert len(scene.events) == 1
    verify(scene.secret, SECRET_SENT)  # outside, everything is reported again
    with pytest.raises(WrongCredentialsError):
        verify(scene.secret, {})
    assert [each[1] for each in scene.seen] == ["refused", "accepted", "refused"]


@BOTH
def test_several_issuers(verify: Verify, scene: Scene) -> None:
    """A ``VerifierByIssuer`` can be one of the verifiers."""
    either = AnyOf(VerifierByIssuer(scene.tokens, on_event=scene.events.append), scene.secret)
    verify(either, SECRET_SENT)
    verify(either, scene.token())
    assert [each[1] for each in scene.seen] == ["accepted", "accepted"]


@BOTH
@pytest.mark.parametrize(
    ("errors", "raised"),
    [
        ([SignatureError(), KeyUnavailableError()], 1),
        ([KeyUnavailableError(), SignatureError()], 0),
        ([KeySourceConfigurationError(), KeyUnavailableError()], 1),
        ([SignatureError(), KeySourceConfigurationError()], 1),
        ([SignatureError(), ZeroDivisionError("secret")], 1),
        ([SignatureError(), InsufficientScopeError()], 1),
        ([MissingTokenError(), SignatureError()], 1),
        ([WrongCredentialsError("Basic"), SignatureError()], 1),
        ([MissingTokenError(), WrongCredentialsError("Basic")], 0),
        ([SignatureError(), SignatureError()], 0),
    ],
)
def test_which_error_is_raised(verify: Verify, errors: list[Exception], raised: int) -> None:
    """An error that means "try again" is raised first, then the one that says most."""
    with pytest.raises(type(errors[raised])) as caught:
        verify(AnyOf(*map(Raising, errors)), {})
    assert caught.value is errors[raised]
    assert caught.value.__cause__ is None


@BOTH
def test_a_verifier_that_fails_does_not_disturb_the_other(
    verify: Verify, caplog: pytest.LogCaptureFixture
) -> None:
    """An exception of a user's verifier is logged by its type, and the next verifier is tried."""
    either = AnyOf(Raising(ZeroDivisionError("secret")), HeaderSecret(SECRET))
    verify(either, SECRET_SENT)
    assert "Raising raised ZeroDivisionError" in caplog.text
    assert "secret" not in caplog.text
    answer = Guard(either).check({})
    assert isinstance(answer, HttpRefusal)
    assert answer.status == 500


@BOTH
def test_headers_that_can_be_read_once(verify: Verify, scene: Scene) -> None:
    """An iterator of headers is read by both verifiers, and one that raises is our error."""
    verify(scene.either, iter(scene.token().items()))

    def raising() -> Any:
        yield "authorization", SECRET
        raise KeyError(SECRET)

    with pytest.raises(ConfigurationError, match="headers must be"):
        verify(scene.either, raising())
    with pytest.raises(ConfigurationError, match="headers must be"):
        verify(scene.either, 5)


def test_browsers() -> None:
    """Browsers send the credentials if they send those of one verifier."""
    basic, secret = BasicCredentials("okta", "pass"), HeaderSecret(SECRET)
    assert AnyOf(secret, basic).sent_by_browsers
    assert not AnyOf(secret, Raising(SignatureError())).sent_by_browsers
    assert Guard(AnyOf(basic)).sent_by_browsers


def test_health_and_repr(verifier: HookVerifier) -> None:
    """The health is that of all verifiers, and the repr names them without secrets."""
    either = AnyOf(HeaderSecret(SECRET), verifier)
    assert either.health() == verifier.health()
    assert repr(either) == f"AnyOf(HeaderSecret(header='Authorization'), {verifier!r})"
    assert SECRET not in repr(either)


@pytest.mark.parametrize("verifiers", [(), (object(),), ([HeaderSecret(SECRET)],), (HeaderSecret,)])
def test_what_is_no_verifier(verifiers: Any) -> None:
    """Other arguments are refused."""
    with pytest.raises(ConfigurationError, match="AnyOf takes one or more verifiers"):
        AnyOf(*verifiers)
    with pytest.raises(ConfigurationError, match="on_event"):
        AnyOf(HeaderSecret(SECRET), on_event=5)  # type: ignore[arg-type]
