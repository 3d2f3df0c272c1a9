"""ServiceApp: tokens from the org authorization server, kept, renewed, and bound by DPoP."""

from __future__ import annotations

import copy
import logging
import os
import pickle
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
import requests
from cryptography.hazmat.primitives import serialization
from jwt.algorithms import RSAAlgorithm

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

from ..conftest import KeyPool
from ..faults import Behaviour, FaultServer, ManualClock, all_text, hang_up, json_answer, silence

BOTH = ("okta.inlineHooks.read", "okta.inlineHooks.manage")


@pytest.fixture
def app_key(key_pool: KeyPool) -> HookSigner:
    return HookSigner(key_pool(), "app-key")


def service_app(okta: OktaEmulator, key: HookSigner, **options: Any) -> ServiceApp:
    """Register an app and sign in as it."""
    client_id = okta.create_service_app(key.public_jwk(), dpop=options.get("dpop", False))
    return ServiceApp(okta.url, client_id, key._key, **{"scopes": BOTH, **options})


def _token_requests(okta: OktaEmulator) -> int:
    return sum(line.path == "/oauth2/v1/token" for line in okta.requests)


@pytest.mark.parametrize("dpop", [False, True])
def test_keys_are_managed_and_fetched(okta: OktaEmulator, app_key: HookSigner, dpop: bool) -> None:
    """With one token for many calls; PyJWT, in the emulator, accepts every assertion and proof."""
    app = service_app(okta, app_key, dpop=dpop)
    with HookKeysClient(okta.url, app) as client, HookKeys(okta.url, app) as keys:
        key = client.create("hooks")
        assert client.list() == [key]
        assert keys.get(key.key_id) == key.public_key
        client.delete(key.id)
    assert _token_requests(okta) == (2 if dpop else 1)  # the first one asks for the nonce


def test_a_pem_and_a_key_id(okta: OktaEmulator, app_key: HookSigner) -> None:
    """The usual forms of a private key; the kid is in the assertion's header, if there is one."""
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
    """Five minutes before its end, or after half of a short life."""
    clock = ManualClock(1_000_000)
    token = {"access_token": "t0ken", "token_type": "Bearer", "expires_in": lifetime}
    with FaultServer(json_answer(200, token)) as server:
        app = ServiceApp(server.url, "0oa1", app_key._key, clock=clock)
        for age, requests in ages.items():
            clock.now = 1_000_000 + age
            app.prepare(time.monotonic() + 2, time.monotonic())
            assert len(server.requests) == requests


def test_a_token_that_was_revoked_is_replaced_once(okta: OktaEmulator, app_key: HookSigner) -> None:
    """21. After a 401 another one is fetched and the request sent again, also a create."""
    app = service_app(okta, app_key)
    with HookKeysClient(okta.url, app) as client:
        client.list()
        okta.revoke_tokens()
        assert client.create("hooks").name == "hooks"
        assert _token_requests(okta) == 2
        okta.fail(401, times=2, path="/api")
        with pytest.raises(AuthenticationError):
            client.list()
        assert _token_requests(okta) == 3


def test_many_threads_one_token(okta: OktaEmulator, app_key: HookSigner) -> None:
    """Twenty calls at once fetch one token."""
    app = service_app(okta, app_key)
    with HookKeysClient(okta.url, app) as client, ThreadPoolExecutor(20) as pool:
        assert list(pool.map(lambda _: client.list(), range(20))) == [[]] * 20
    assert _token_requests(okta) == 1


def test_whoever_waits_does_not_wait_for_ever(app_key: HookSigner) -> None:
    """A second caller leaves at its own deadline while the first one's fetch hangs."""
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
    """Only one thread goes to fetch; the others use what there is."""
    clock = ManualClock(time.time())
    app = service_app(okta, app_key, clock=clock)
    app.prepare(time.monotonic() + 2, time.monotonic())
    clock.now += 3400
    with app._lock:
        app.prepare(time.monotonic() + 2, time.monotonic())
        clock.now += 300
        with pytest.raises(TransportError, match="in time"):
            app.prepare(time.monotonic() + 0.01, time.monotonic())
    assert _token_requests(okta) == 1


# --- refusals


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
    """The error says what to repair; at a key source it is a matter of configuration."""
    client_id = okta.create_service_app(app_key.public_jwk())
    given = {"client_id": client_id, "private_key": app_key._key, **options}
    app = ServiceApp(okta.url, **given)
    with HookKeysClient(okta.url, app) as client, pytest.raises(kind, match=problem):
        client.list()
    with HookKeys(okta.url, app) as keys, pytest.raises(KeySourceConfigurationError, match=problem):
        keys.get("k")


def test_another_key_than_the_apps(okta: OktaEmulator, app_key: HookSigner) -> None:
    """A signature that the app's public key does not verify."""
    client_id = okta.create_service_app(app_key.public_jwk())
    app = ServiceApp(okta.url, client_id, HookSigner.generate()._key)
    with HookKeysClient(okta.url, app) as client:
        with pytest.raises(AuthenticationError, match="invalid_client"):
            client.list()


def test_an_app_that_requires_dpop(okta: OktaEmulator, app_key: HookSigner) -> None:
    """Without a proof: the error names the argument."""
    client_id = okta.create_service_app(app_key.public_jwk(), dpop=True)
    with HookKeysClient(okta.url, ServiceApp(okta.url, client_id, app_key._key)) as client:
        with pytest.raises(AuthenticationError, match="dpop=True"):
            client.list()


def test_a_scope_that_is_missing(okta: OktaEmulator, app_key: HookSigner) -> None:
    """A token to read with cannot change anything."""
    app = service_app(okta, app_key, scopes=("okta.inlineHooks.read",))
    with HookKeysClient(okta.url, app) as client:
        assert client.list() == []
        with pytest.raises(ForbiddenError, match=r"inlineHooks\.manage"):
            client.create("hooks")


GOOD = {"access_token": "t0ken", "token_type": "Bearer", "expires_in": 3600}


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
    """Each ends in the error that fits; neither token nor assertion is in any text or log."""
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


# --- DPoP


def test_the_nonce_is_asked_for_once(okta: OktaEmulator, app_key: HookSigner) -> None:
    """And again when Okta has a new one."""
    app = service_app(okta, app_key, dpop=True)
    with HookKeysClient(okta.url, app) as client:
        client.list()
        okta.revoke_tokens()
        client.list()
        assert _token_requests(okta) == 3
        okta.revoke_tokens()
        okta._parts.apps.nonce = "another"
        client.list()
        assert _token_requests(okta) == 5


def test_a_nonce_for_api_calls(app_key: HookSigner) -> None:
    """RFC 9449 section 9: a 401 with a nonce is answered with a proof that has it."""
    token = json_answer(200, {**GOOD, "token_type": "DPoP"})
    challenge = 'WWW-Authenticate: DPoP error="use_dpop_nonce"'
    wanted = json_answer(401, {"errorCode": "E0000011"}, "DPoP-Nonce: n0nce", challenge)
    with FaultServer(token, wanted, json_answer(200, [])) as server:
        app = ServiceApp(server.url, "0oa1", app_key._key, dpop=True)
        with HookKeysClient(server.url, app) as client:
            assert client.list() == []
    first, second = (
        jwt.decode(request.headers["dpop"], options={"verify_signature": False})
        for request in server.requests[1:]
    )
    assert "nonce" not in first
    assert second["nonce"] == "n0nce"
    assert second["htu"] == f"{server.url}/api/v1/hook-keys"
    assert (second["htm"], len(second["ath"])) == ("GET", 43)
    assert first["jti"] != second["jti"]
    assert server.requests[1].headers["authorization"] == "DPoP t0ken"


def test_the_two_keys_are_not_one(okta: OktaEmulator, app_key: HookSigner) -> None:
    """The proof's key is made for this process; the app's key signs assertions only."""
    app = service_app(okta, app_key, dpop=True)
    proof = app._proof
    assert proof is not None
    jwk = jwt.get_unverified_header(proof.make("GET", "https://a", None))["jwk"]
    assert jwk["n"] != app_key.public_jwk()["n"]
    assert set(jwk) == {"kty", "n", "e"}


def test_a_stolen_token_is_of_no_use(okta: OktaEmulator, app_key: HookSigner) -> None:
    """The emulator refuses it with another key's proof, or with none."""
    app, thief = (service_app(okta, app_key, dpop=True) for _ in range(2))
    app.prepare(time.monotonic() + 2, time.monotonic())
    thief._token = app._token
    thief.refused = lambda headers: False  # type: ignore[method-assign]
    with HookKeysClient(okta.url, thief) as client, pytest.raises(AuthenticationError):
        client.list()
    with HookKeysClient(okta.url, app) as client:
        assert client.list() == []


# --- arguments and secrets


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"org_url": "acme"}, "org_url"),
        ({"client_id": ""}, "client_id"),
        ({"client_id": None}, "client_id"),
        ({"client_id": "a b"}, "client_id"),
        ({"private_key": "-----BEGIN"}, "private_key"),
        ({"private_key": None}, "private_key"),
        ({"key_id": "a\n"}, "kid"),
        ({"scopes": ()}, "scopes"),
        ({"scopes": "okta.inlineHooks.read"}, "scopes"),
        ({"scopes": ["a b"]}, "scopes"),
        ({"scopes": [5]}, "scopes"),
        ({"dpop": 1}, "dpop"),
        ({"verify": False}, "verify"),
    ],
    ids=repr,
)
def test_wrong_arguments(app_key: HookSigner, arguments: dict[str, Any], named: str) -> None:
    """Each is named at construction."""
    given = {
        "org_url": "https://acme.okta.com",
        "client_id": "0oa1",
        "private_key": app_key._key,
        **arguments,
    }
    with pytest.raises(ConfigurationError, match=named):
        ServiceApp(**given)


def test_secrets_stay_inside(okta: OktaEmulator, app_key: HookSigner) -> None:
    """58. Neither repr nor pickle nor copy shows them."""
    app = service_app(okta, app_key)
    app.prepare(time.monotonic() + 2, time.monotonic())
    assert repr(app) == "ServiceApp(…)"
    for attempt in (pickle.dumps, copy.copy, copy.deepcopy):
        with pytest.raises(ConfigurationError, match="secret"):
            attempt(app)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")
def test_a_child_has_a_lock_of_its_own(okta: OktaEmulator, app_key: HookSigner) -> None:
    """48. Whoever held the parent's lock is not in the child."""
    app = service_app(okta, app_key)
    with app._lock:
        app.renew()
        app.prepare(time.monotonic() + 2, time.monotonic())
    assert _token_requests(okta) == 1


def test_a_token_goes_to_its_own_org_only(app_key: HookSigner) -> None:
    """A client of another org does not take these credentials."""
    app = ServiceApp("https://acme.okta.com", "0oa1", app_key._key)
    for kind in (HookKeys, HookKeysClient):
        with pytest.raises(ConfigurationError, match="another org"):
            kind("https://other.okta.com", app)
        kind("https://ACME.okta.com/", app).close()


def test_a_refusal_does_not_disturb_other_threads(okta: OktaEmulator, app_key: HookSigner) -> None:
    """A request that is about to go out goes out, is refused in its turn, and is repeated."""
    app = service_app(okta, app_key)
    app.prepare(time.monotonic() + 2, time.monotonic())
    app.refused({})
    assert app._secret()
    app.prepare(time.monotonic() + 2, time.monotonic())
    assert _token_requests(okta) == 2


def test_a_nonce_with_another_refusal(app_key: HookSigner) -> None:
    """A revoked token is replaced, whatever nonce the 401 brings along."""
    token = json_answer(200, {**GOOD, "token_type": "DPoP"})
    refused = json_answer(
        401, {}, "DPoP-Nonce: n0nce", 'WWW-Authenticate: DPoP error="invalid_token"'
    )
    with FaultServer(token, refused, token, json_answer(200, [])) as server:
        app = ServiceApp(server.url, "0oa1", app_key._key, dpop=True)
        with HookKeysClient(server.url, app) as client:
            assert client.list() == []
    assert [request.line.split()[0] for request in server.requests] == [
        "POST",
        "GET",
        "POST",
        "GET",
    ]


def test_an_early_renewal_that_fails(app_key: HookSigner) -> None:
    """The token that is still good is used to its end."""
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


def test_no_token_no_request(app_key: HookSigner) -> None:
    """A create for which no token could be had was never sent, so nothing is in doubt."""
    with FaultServer(hang_up) as server:
        app = ServiceApp(server.url, "0oa1", app_key._key)
        with HookKeysClient(server.url, app, max_wait=0) as client:
            with pytest.raises(TransportError, match="refused or lost") as caught:
                client.create("hooks")
    assert not caught.value.sent
    assert [request.line.split()[1] for request in server.requests] == ["/oauth2/v1/token"]


# --- the emulator's token endpoint, to which anybody may send anything


def _post(okta: OktaEmulator, assertion: str, proof: str | None = None) -> tuple[int, str]:
    form = {
        "grant_type": "client_credentials",
        "scope": "okta.inlineHooks.read",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }
    headers = {} if proof is None else {"DPoP": proof}
    answer = requests.post(f"{okta.url}/oauth2/v1/token", form, headers=headers, timeout=5)
    return answer.status_code, answer.json()["error"]


@pytest.mark.parametrize(
    "changes",
    [{"exp": "soon"}, {"exp": None}, {"exp": 9e9}, {"aud": "https://a"}, {"sub": "x"}, {"iss": 5}],
    ids=repr,
)
def test_assertions_that_okta_refuses(
    okta: OktaEmulator, app_key: HookSigner, changes: dict[str, Any]
) -> None:
    """401 invalid_client, whatever is wrong with them."""
    client_id = okta.create_service_app(app_key.public_jwk())
    url = f"{okta.url}/oauth2/v1/token"
    now = int(time.time())
    claims = {"iss": client_id, "sub": client_id, "aud": url, "exp": now + 300, **changes}
    assert _post(okta, app_key.sign(claims)) == (401, "invalid_client")


def test_an_assertion_passes_once(okta: OktaEmulator, app_key: HookSigner) -> None:
    """Okta's rule for jti."""
    client_id = okta.create_service_app(app_key.public_jwk(), ("okta.inlineHooks.read",))
    url = f"{okta.url}/oauth2/v1/token"
    assertion = app_key.client_assertion(client_id=client_id, token_url=url)
    with pytest.raises(KeyError):  # no error
        _post(okta, assertion)
    assert _post(okta, assertion) == (401, "invalid_client")


@pytest.mark.parametrize("jwk", ["text", 5, [1], None, {}, {"kty": "oct"}], ids=repr)
def test_proofs_with_odd_keys(okta: OktaEmulator, app_key: HookSigner, jwk: Any) -> None:
    """400 invalid_dpop_proof, not a broken server."""
    client_id = okta.create_service_app(app_key.public_jwk(), dpop=True)
    url = f"{okta.url}/oauth2/v1/token"
    assertion = app_key.client_assertion(client_id=client_id, token_url=url)
    proof = app_key.sign({"jti": "1"}, headers={"typ": "dpop+jwt", "jwk": jwk})
    assert _post(okta, assertion, proof) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize("changes", [{"htu": "https://a"}, {"iat": 1}, {"iat": True}], ids=repr)
def test_proofs_for_something_else(
    okta: OktaEmulator, app_key: HookSigner, changes: dict[str, Any]
) -> None:
    """Another URL, another time."""
    client_id = okta.create_service_app(app_key.public_jwk(), dpop=True)
    url = f"{okta.url}/oauth2/v1/token"
    assertion = app_key.client_assertion(client_id=client_id, token_url=url)
    good = {"jti": "1", "htm": "POST", "htu": url, "iat": int(time.time())}
    claims = {**good, "nonce": okta._parts.apps.nonce, **changes}
    jwk = {name: app_key.public_jwk()[name] for name in ("kty", "n", "e")}
    proof = app_key.sign(claims, headers={"typ": "dpop+jwt", "kid": None, "jwk": jwk})
    assert _post(okta, assertion, proof) == (400, "invalid_dpop_proof")


@pytest.mark.parametrize(
    "fault",
    [
        {"what": "500"},
        {"what": 200},
        {"what": True},
        {"delay": "x"},
        {"delay": -1},
        {"times": 0},
        {"path": 5},
        {"method": 5},
    ],
    ids=repr,
)
def test_faults_that_cannot_be(okta: OktaEmulator, fault: dict[str, Any]) -> None:
    """Each is refused when it is asked for."""
    with pytest.raises(ConfigurationError):
        okta.fail(**fault)


@pytest.mark.parametrize(
    ("form", "error"),
    [
        ({}, "unsupported_grant_type"),
        ({"grant_type": "client_credentials"}, "invalid_client"),
        ({"grant_type": "client_credentials", "client_assertion": "x"}, "invalid_client"),
        ({"grant_type": "client_credentials", "client_id": "0oa1"}, "invalid_client"),
    ],
)
def test_forms_of_no_client(okta: OktaEmulator, form: dict[str, str], error: str) -> None:
    """The same at the org's own endpoint and at its authorization server."""
    for url in (f"{okta.url}/oauth2/v1/token", f"{okta.issuer}/v1/token"):
        answer = requests.post(url, data=form, timeout=10)
        assert answer.status_code in (400, 401)
        assert answer.json()["error"] == error


def test_secrets_are_not_for_oktas_own_scopes(okta: OktaEmulator) -> None:
    """A client that has one gets its token from the authorization server only."""
    client_id = okta._parts.apps.register_secret("s3cret", ["hooks"])
    form = {
        "grant_type": "client_credentials",
        "client_id": client_id,
        "client_secret": "s3cret",
        "scope": "hooks",
    }
    assert requests.post(f"{okta.url}/oauth2/v1/token", data=form, timeout=10).status_code == 401
    assert requests.post(f"{okta.issuer}/v1/token", data=form, timeout=10).status_code == 200
    form["client_secret"] = "wrong"
    assert requests.post(f"{okta.issuer}/v1/token", data=form, timeout=10).status_code == 401


def test_faults_of_the_authorization_server(okta: OktaEmulator) -> None:
    """Its token endpoint and its documents fail on demand too."""
    for path, method in (("/v1/token", "POST"), ("/v1/keys", "GET")):
        okta.fail(503)
        assert requests.request(method, f"{okta.issuer}{path}", timeout=10).status_code == 503
    elsewhere = f"{okta.url}/oauth2/other/v1/token"
    assert requests.post(elsewhere, data={}, timeout=10).status_code == 404


# --- what the emulator makes of assertions and proofs that are not ours


@pytest.mark.parametrize("exp", [b"NaN", b"1e999", b"9" * 400, b'"1"', b"true"])
def test_assertions_without_a_usable_end(
    okta: OktaEmulator, app_key: HookSigner, exp: bytes
) -> None:
    """Refused, by whatever comparison they would have passed."""
    client_id = okta.create_service_app(app_key.public_jwk())
    url = f"{okta.url}/oauth2/v1/token"
    claims = b'{"iss":"%b","sub":"%b","aud":"%b","exp":%b}'
    names = (client_id.encode(), client_id.encode(), url.encode(), exp)
    assertion = app_key.sign_octets(b'{"alg":"RS256"}', claims % names)
    answer = requests.post(url, data=_form(assertion), timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


@pytest.mark.parametrize(
    ("headers", "changes"),
    [({"jwk": "private"}, {}), ({}, {"iat": 10**400}), ({}, {"iat": True}), ({"jwk": 5}, {})],
    ids=["private key", "iat too large", "iat no number", "jwk no object"],
)
def test_proofs_that_prove_nothing(
    okta: OktaEmulator, app_key: HookSigner, headers: dict[str, Any], changes: dict[str, Any]
) -> None:
    """Refused as what they are (RFC 9449 section 4.3)."""
    client_id = okta.create_service_app(app_key.public_jwk(), dpop=True)
    url = f"{okta.url}/oauth2/v1/token"
    jwk = app_key.public_jwk()
    if headers.get("jwk") == "private":
        headers = {"jwk": {**jwk, **RSAAlgorithm.to_jwk(app_key._key, as_dict=True)}}
    claims = {
        "jti": "1",
        "htm": "POST",
        "htu": url,
        "iat": time.time(),
        "nonce": okta._parts.apps.nonce,
    }
    proof = app_key.sign({**claims, **changes}, headers={"typ": "dpop+jwt", "jwk": jwk, **headers})
    assertion = app_key.client_assertion(client_id=client_id, token_url=url)
    answer = requests.post(url, data=_form(assertion), headers={"DPoP": proof}, timeout=10)
    assert (answer.status_code, answer.json()["error"]) == (400, "invalid_dpop_proof")


def _form(assertion: str) -> dict[str, str]:
    return {
        "grant_type": "client_credentials",
        "scope": "okta.inlineHooks.read",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": assertion,
    }


def test_a_proof_of_another_time(okta: OktaEmulator, app_key: HookSigner) -> None:
    """The clock is named, because the app does use DPoP."""
    client_id = okta.create_service_app(app_key.public_jwk(), dpop=True)
    okta.skew(-2000)
    app = ServiceApp(okta.url, client_id, app_key._key, dpop=True)
    with (
        HookKeysClient(okta.url, app) as client,
        pytest.raises(AuthenticationError, match="is this machine's clock right"),
    ):
        client.list()
