"""ServiceApp: access tokens are cached, renewed and shared by threads."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import jwt
import pytest
from cryptography.hazmat.primitives import serialization

from hookkey_verify import HookKeys, HookSigner, ServiceApp
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import AuthenticationError, TransportError
from hookkey_verify.okta.client import HookKeysClient

from ..faults import FaultServer, ManualClock, json_answer, silence
from .service_apps import GOOD, service_app, token_requests


@pytest.mark.parametrize("dpop", [False, True])
def test_keys_are_managed_and_fetched(okta: OktaEmulator, app_key: HookSigner, dpop: bool) -> None:
    """One token serves many calls; PyJWT, in the emulator, accepts every assertion and proof."""
    app = service_app(okta, app_key, dpop=dpop)
    with HookKeysClient(okta.url, app) as client, HookKeys(okta.url, app) as keys:
        key = client.create("hooks")
        assert client.list() == [key]
        assert keys.get(key.key_id) == key.public_key
        client.delete(key.id)
    assert token_requests(okta) == (2 if dpop else 1)  # with DPoP, the first one gets the nonce


def test_a_pem_and_a_key_id(okta: OktaEmulator, app_key: HookSigner) -> None:
    """A private key may be PEM bytes or text; assertions have a kid only with ``key_id``."""
    pem = app_key._key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    client_id = okta.create_service_app(app_key.public_jwk())
    for form in (pem, pem.decode()):
        app = ServiceApp(okta.url, client_id, form, key_id="app-key")
        with HookKeysClient(okta.url, app) as client:
            assert client.list() == []
    for key_id, expected in (("app-key", "app-key"), (None, None)):
        with FaultServer(json_answer(500, {})) as server:
            app = ServiceApp(server.url, client_id, pem, key_id=key_id)
            with pytest.raises(TransportError):
                app.prepare(time.monotonic() + 2, time.monotonic())
        form_body = server.requests[0].body.decode()
        assertion = form_body.partition("client_assertion=")[2]
        assert jwt.get_unverified_header(assertion).get("kid") == expected


@pytest.mark.parametrize(
    ("lifetime", "ages"),
    [(3600, {0: 1, 3299: 1, 3300: 2, 3301: 2}), (60, {0: 1, 29: 1, 30: 2, 31: 2})],
)
def test_a_token_is_renewed_early(app_key: HookSigner, lifetime: int, ages: dict[int, int]) -> None:
    """A token is renewed five minutes before its end, or after half of a short lifetime."""
    clock = ManualClock(1_000_000)
    token = {"access_token": "t0ken", "token_type": "Bearer", "expires_in": lifetime}
    with FaultServer(json_answer(200, token)) as server:
        app = ServiceApp(server.url, "0oa1", app_key._key, clock=clock)
        for age, requests in ages.items():
            clock.now = 1_000_000 + age
            app.prepare(time.monotonic() + 2, time.monotonic())
            assert len(server.requests) == requests


def test_a_token_that_was_revoked_is_replaced_once(okta: OktaEmulator, app_key: HookSigner) -> None:
    """After a 401, the client fetches a new token and repeats the request once, also a create."""
    app = service_app(okta, app_key)
    with HookKeysClient(okta.url, app) as client:
        client.list()
        okta.revoke_tokens()
        assert client.create("hooks").name == "hooks"
        assert token_requests(okta) == 2
        okta.fail(401, times=2, path="/api")
        with pytest.raises(AuthenticationError):
            client.list()
        assert token_requests(okta) == 3


def test_many_threads_one_token(okta: OktaEmulator, app_key: HookSigner) -> None:
    """Twenty concurrent calls fetch one token."""
    app = service_app(okta, app_key)
    with HookKeysClient(okta.url, app) as client, ThreadPoolExecutor(20) as pool:
        assert list(pool.map(lambda _: client.list(), range(20))) == [[]] * 20
    assert token_requests(okta) == 1


def test_a_waiting_caller_does_not_wait_for_ever(app_key: HookSigner) -> None:
    """A second caller raises at its own deadline while the first caller's token request hangs."""
    with FaultServer(silence) as server:
        app = ServiceApp(server.url, "0oa1", app_key._key)
        now = time.monotonic()

        def hang() -> None:
            with pytest.raises(TransportError):
                app.prepare(now + 1, now)

        first = threading.Thread(target=hang)
        first.start()
        while not server.requests:
            time.sleep(0.005)
        with pytest.raises(TransportError, match="no access token in time"):
            app.prepare(now, now)
        first.join()


def test_a_due_token_serves_while_another_thread_renews_it(
    okta: OktaEmulator, app_key: HookSigner
) -> None:
    """While one thread renews a token, other threads use the old token until it expires."""
    clock = ManualClock(time.time())
    app = service_app(okta, app_key, clock=clock)
    app.prepare(time.monotonic() + 2, time.monotonic())
    clock.now += 3400
    with app._lock():
        app.prepare(time.monotonic() + 2, time.monotonic())
        clock.now += 300
        with pytest.raises(TransportError, match="in time"):
            app.prepare(time.monotonic() + 0.01, time.monotonic())
    assert token_requests(okta) == 1


def test_a_refusal_does_not_disturb_other_threads(okta: OktaEmulator, app_key: HookSigner) -> None:
    """Other threads can still send a refused token until the next ``prepare`` replaces it."""
    app = service_app(okta, app_key)
    app.prepare(time.monotonic() + 2, time.monotonic())
    app.refused({})
    assert app._secret()
    app.prepare(time.monotonic() + 2, time.monotonic())
    assert token_requests(okta) == 2


def test_an_early_renewal_that_fails(app_key: HookSigner) -> None:
    """If an early renewal fails, the app uses the old token until it expires."""
    clock = ManualClock(1_000_000)
    with FaultServer(json_answer(200, GOOD), json_answer(503, {})) as server:
        app = ServiceApp(server.url, "0oa1", app_key._key, clock=clock)
        for age in (0, 3400):
            clock.now = 1_000_000 + age
            app.prepare(time.monotonic() + 2, time.monotonic())
            assert app._secret() == "t0ken"
        clock.now += 200
        with pytest.raises(TransportError):
            app.prepare(time.monotonic() + 2, time.monotonic())
