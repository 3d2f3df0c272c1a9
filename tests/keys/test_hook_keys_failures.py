"""HookKeys: which error each failure of the org becomes, and what is served meanwhile."""

from __future__ import annotations

import logging
import socket

import pytest

from hookkey_verify import ApiToken, CachePolicy, HookKeys, HookSigner, HookVerifier
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import (
    HookVerificationError,
    KeySourceConfigurationError,
    KeySourceThrottledError,
    KeyUnavailableError,
    UnknownKeyError,
)
from hookkey_verify.events import Event, EventName
from hookkey_verify.testing import bad_tokens

from ..faults import (
    HTML,
    MARK,
    Behaviour,
    FaultServer,
    ManualClock,
    all_text,
    answer,
    chunks_without_end,
    eventually,
    hang_up,
    headers_then_reset,
    json_answer,
    okta_error,
    redirect,
    silence,
)
from .faulty_org import NO_KEY, POLICY, SECRET, faulty


def test_a_wrong_token_is_ours_to_repair(okta: OktaEmulator, key_id: str) -> None:
    """A wrong API token causes a 500 that is not retryable."""
    wrong = HookKeys(okta.url, ApiToken(SECRET))
    with wrong, pytest.raises(KeySourceConfigurationError, match="401 E0000011") as caught:
        wrong.get(key_id)
    error = caught.value
    assert (error.status_code, error.retryable, error.headers) == (500, False, {})
    assert SECRET not in all_text(error)


def test_a_server_that_is_down_is_temporary() -> None:
    """A refused connection causes a 503 with ``Retry-After: 1``."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    keys = HookKeys(url, ApiToken(SECRET))
    with keys, pytest.raises(KeyUnavailableError, match="refused or lost") as caught:
        keys.get(NO_KEY)
    assert (caught.value.status_code, caught.value.headers) == (503, {"Retry-After": "1"})


def test_an_outage_is_over_with_the_first_answer(signer: HookSigner, clock: ManualClock) -> None:
    """No request is sent during the back-off; the first success after it ends the outage."""
    recovering = FaultServer(hang_up, json_answer(200, signer.public_jwk()))
    with recovering as server, faulty(server, clock=clock) as keys:
        for _ in range(3):
            with pytest.raises(KeyUnavailableError, match="refused or lost"):
                keys.get(signer.kid)
        assert (len(server.requests), keys.health().status) == (1, "failing")
        clock.now += 1
        assert keys.get(signer.kid).kid == signer.kid
        assert keys.health().status == "healthy"


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        pytest.param(answer(404, HTML), KeySourceConfigurationError, id="404 HTML"),
        pytest.param(answer(404), KeySourceConfigurationError, id="404 empty"),
        pytest.param(answer(200, HTML), KeySourceConfigurationError, id="200 HTML"),
        pytest.param(answer(200), KeySourceConfigurationError, id="200 empty"),
        pytest.param(answer(204), KeySourceConfigurationError, id="204"),
        pytest.param(redirect(302, "/login"), KeySourceConfigurationError, id="redirect"),
        pytest.param(
            json_answer(400, okta_error("E0000001")), KeySourceConfigurationError, id="400"
        ),
        pytest.param(
            json_answer(401, okta_error("E0000015")), KeySourceConfigurationError, id="401"
        ),
        pytest.param(
            json_answer(403, okta_error("E0000006")), KeySourceConfigurationError, id="403"
        ),
        pytest.param(
            json_answer(405, okta_error("E0000022")), KeySourceConfigurationError, id="405"
        ),
        pytest.param(json_answer(404, okta_error("E0000007")), UnknownKeyError, id="404 of Okta"),
        pytest.param(json_answer(429, okta_error("E0000047")), KeySourceThrottledError, id="429"),
        pytest.param(json_answer(500, okta_error("E0000009")), KeyUnavailableError, id="500"),
        pytest.param(answer(502, HTML), KeyUnavailableError, id="502 HTML"),
        pytest.param(answer(503), KeyUnavailableError, id="503"),
        pytest.param(answer(504), KeyUnavailableError, id="504"),
        pytest.param(silence, KeyUnavailableError, id="no answer"),
        pytest.param(hang_up, KeyUnavailableError, id="hang-up"),
        pytest.param(headers_then_reset, KeyUnavailableError, id="reset"),
        pytest.param(answer(200, b"{}", length=9), KeyUnavailableError, id="cut off"),
        pytest.param(chunks_without_end, KeyUnavailableError, id="endless"),
    ],
)
def test_verdicts(
    behaviour: Behaviour,
    kind: type[HookVerificationError],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Only Okta's own 404 makes a token bad; no body or credential is in an error or a log."""
    caplog.set_level(logging.DEBUG)
    policy = CachePolicy(fetch_timeout=0.3)
    with (
        FaultServer(behaviour) as server,
        faulty(server, policy=policy) as keys,
        pytest.raises(kind) as caught,
    ):
        keys.get(NO_KEY)
    assert type(caught.value) is kind
    for text in (all_text(caught.value), caplog.text):
        assert MARK not in text
        assert SECRET not in text


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_kept_key_outlives_a_refusal(signer: HookSigner, clock: ManualClock, status: int) -> None:
    """After HTML, a lost permission or an outage, the stale key is served and reported."""
    events: list[Event] = []
    trouble = answer(status, HTML, "Content-Type: text/html")
    with FaultServer(json_answer(200, signer.public_jwk()), trouble) as server:
        with faulty(server, policy=POLICY, clock=clock, on_event=events.append) as keys:
            key = keys.get(signer.kid)
            clock.now += 100
            assert keys.get(signer.kid) is key
            assert keys.health().status == "degraded"
            clock.now += 3600
            with pytest.raises(HookVerificationError) as caught:
                keys.get(signer.kid)
    assert caught.value.status_code in (500, 503)
    assert eventually(lambda: [each.name for each in events].count(EventName.FETCH) == 3)
    names = [event.name for event in events]
    assert "stale_served" in names
    assert eventually(lambda: ("config_error" in [e.name for e in events]) == (status != 500))


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["/elsewhere", "http://169.254.169.254/latest/", "OTHER"])
def test_redirects_are_refused(status: int, target: str) -> None:
    """Every redirect is refused, and its target does not receive the credentials."""
    with FaultServer(json_answer(200, {})) as other:
        location = other.url if target == "OTHER" else target
        with FaultServer(redirect(status, location)) as server, faulty(server) as keys:
            with pytest.raises(KeySourceConfigurationError, match="redirect"):
                keys.get(NO_KEY)
    assert other.requests == []
    assert len(server.requests) == 1


def test_a_forged_token_cannot_make_a_503(okta: OktaEmulator, signer: HookSigner) -> None:
    """A forged token gets a 401; a 503 occurs only when the budget for unknown kids is spent."""
    hook = {"client_id": "0oa1", "token_url": "https://acme.com/token"}
    with HookKeys(okta.url, ApiToken(okta.api_token)) as keys:
        key_id = okta.create_key("one")["keyId"]
        keys.warm_up(key_id)
        verifier = HookVerifier.for_client_assertion(keys, **hook)  # type: ignore[arg-type]
        forged = [bad.token for bad in bad_tokens(okta.signer(key_id), **hook)]  # type: ignore[arg-type]
        forged.append(signer.sign({}, headers={"kid": key_id}))
        statuses = set()
        for token in forged:
            with pytest.raises(HookVerificationError) as caught:
                verifier.verify(token)
            statuses.add(caught.value.status_code)
        assert statuses == {401}
        reasons = set()
        for number in range(20):
            with pytest.raises(HookVerificationError) as caught:
                verifier.verify(signer.sign({}, headers={"kid": f"x{number}"}))
            reasons.add(str(caught.value.reason))
        assert reasons == {"unknown_key", "key_lookup_limited"}
    public = [line for line in okta.requests if "/public/" in line.path]
    assert len(public) <= 1 + 5 + 1
