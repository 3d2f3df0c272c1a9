"""ServiceApp: token requests that fail."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from hookkey_verify import ConfigurationError, HookKeys, HookSigner, ServiceApp
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import (
    AuthenticationError,
    ForbiddenError,
    HookKeyError,
    KeySourceConfigurationError,
    RateLimitedError,
    TransportError,
)
from hookkey_verify.okta.client import HookKeysClient

from ..faults import Behaviour, FaultServer, all_text, hang_up, json_answer, silence
from .service_apps import BOTH, GOOD, service_app


@pytest.mark.parametrize(
    ("options", "kind", "problem"),
    [
        ({"client_id": "0oaOther"}, AuthenticationError, "invalid_client"),
        ({"scopes": ("okta.users.read",)}, ForbiddenError, "invalid_scope"),
        ({"dpop": True}, ConfigurationError, "not bound by DPoP; leave dpop out"),
    ],
)
def test_refused_apps(
    okta: OktaEmulator,
    app_key: HookSigner,
    options: dict[str, Any],
    kind: type[HookKeyError],
    problem: str,
) -> None:
    """The client's error names the problem; ``HookKeys`` raises it as a configuration error."""
    client_id = okta.create_service_app(app_key.public_jwk())
    given = {"client_id": client_id, "private_key": app_key._key, **options}
    app = ServiceApp(okta.url, **given)
    with HookKeysClient(okta.url, app) as client, pytest.raises(kind, match=problem):
        client.list()
    with HookKeys(okta.url, app) as keys, pytest.raises(KeySourceConfigurationError, match=problem):
        keys.get("k")


def test_another_key_than_the_apps(okta: OktaEmulator, app_key: HookSigner) -> None:
    """The org refuses an assertion that is signed with another key than the app's."""
    client_id = okta.create_service_app(app_key.public_jwk())
    app = ServiceApp(okta.url, client_id, HookSigner.generate()._key)
    with HookKeysClient(okta.url, app) as client:
        with pytest.raises(AuthenticationError, match="invalid_client"):
            client.list()


def test_an_app_that_requires_dpop(okta: OktaEmulator, app_key: HookSigner) -> None:
    """If the app requires DPoP and sends no proof, the error names the missing argument."""
    client_id = okta.create_service_app(app_key.public_jwk(), dpop=True)
    with HookKeysClient(okta.url, ServiceApp(okta.url, client_id, app_key._key)) as client:
        with pytest.raises(AuthenticationError, match="dpop=True"):
            client.list()


def test_a_scope_that_is_missing(okta: OktaEmulator, app_key: HookSigner) -> None:
    """A token with only the read scope can list keys but not create one.

    The error tells which scope creating a key requires; with that scope, it succeeds.
    """
    app = service_app(okta, app_key, scopes=("okta.inlineHooks.read",))
    with HookKeysClient(okta.url, app) as client:
        assert client.list() == []
        with pytest.raises(ForbiddenError, match=r"inlineHooks\.manage") as caught:
            client.create("hooks")
        assert (caught.value.status, caught.value.error_code) == (403, "E0000006")
        assert client.list() == []
    with HookKeysClient(okta.url, service_app(okta, app_key, scopes=BOTH)) as client:
        assert client.create("hooks").name == "hooks"


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (json_answer(200, {**GOOD, "access_token": None}), TransportError),
        (json_answer(200, {**GOOD, "access_token": "a b"}), TransportError),
        (json_answer(200, {**GOOD, "token_type": "DPoP"}), ConfigurationError),
        (json_answer(200, {**GOOD, "token_type": None}), ConfigurationError),
        (json_answer(200, {**GOOD, "expires_in": "3600"}), TransportError),
        (json_answer(200, {**GOOD, "expires_in": 0}), TransportError),
        (json_answer(200, {**GOOD, "expires_in": True}), TransportError),
        (json_answer(200, []), TransportError),
        (json_answer(400, {"error": "invalid_request"}), AuthenticationError),
        (json_answer(401, {}), AuthenticationError),
        (json_answer(400, []), AuthenticationError),
        (json_answer(403, {"error": "access_denied"}), ForbiddenError),
        (json_answer(400, {"error": "unauthorized_client"}), ForbiddenError),
        (json_answer(429, {}), RateLimitedError),
        (json_answer(500, {}), TransportError),
        (json_answer(503, {}, "Retry-After: 7"), TransportError),
        (hang_up, TransportError),
        (silence, TransportError),
    ],
)
def test_answers_that_are_no_token(
    app_key: HookSigner,
    behaviour: Behaviour,
    kind: type[Exception],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A failed token request raises the error class for it.

    Neither the error nor the log contains the token or the assertion.
    """
    caplog.set_level(logging.DEBUG)
    with FaultServer(behaviour) as server:
        app = ServiceApp(server.url, "0oa1", app_key._key)
        with pytest.raises(kind) as caught:
            app.prepare(time.monotonic() + 0.2, time.monotonic())
    assert type(caught.value) is kind
    body = server.requests[0].body.decode()
    for text in (all_text(caught.value), caplog.text):
        assert "t0ken" not in text
        assert body.partition("client_assertion=")[2] not in text
    with pytest.raises(TransportError):
        app(object())  # type: ignore[arg-type]


def test_no_token_no_request(app_key: HookSigner) -> None:
    """If no token can be fetched, a create is not sent, and its error has ``sent`` False."""
    with FaultServer(hang_up) as server:
        app = ServiceApp(server.url, "0oa1", app_key._key)
        with HookKeysClient(server.url, app, max_wait=0) as client:
            with pytest.raises(TransportError, match="refused or lost") as caught:
                client.create("hooks")
    assert not caught.value.sent
    assert [request.line.split()[1] for request in server.requests] == ["/oauth2/v1/token"]


def test_a_proof_of_another_time(okta: OktaEmulator, app_key: HookSigner) -> None:
    """If a DPoP proof is refused although the app uses DPoP, the error asks about the clock."""
    client_id = okta.create_service_app(app_key.public_jwk(), dpop=True)
    okta.skew(-2000)
    app = ServiceApp(okta.url, client_id, app_key._key, dpop=True)
    with (
        HookKeysClient(okta.url, app) as client,
        pytest.raises(AuthenticationError, match="is this machine's clock right"),
    ):
        client.list()
