"""IssuerKeys: an authorization server's JWK Set over real HTTP, and what it verifies."""

from __future__ import annotations

import asyncio
import copy
import json
import time
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from hookkey_verify import (
    CachePolicy,
    ConfigurationError,
    HookSigner,
    HookVerifier,
    IssuerKeys,
    PublicKey,
    StaticKeys,
)
from hookkey_verify.errors import (
    AudienceError,
    ClientIdError,
    HookVerificationError,
    InsufficientScopeError,
    IssuerError,
    KeyRejectedError,
    KeySourceConfigurationError,
    KeySourceThrottledError,
    KeyUnavailableError,
    MissingClaimError,
    UnknownKeyError,
)
from hookkey_verify.events import Event, EventName
from hookkey_verify.okta.http import Answer

from ..conftest import KeyPool
from ..faults import (
    HTML,
    MARK,
    Behaviour,
    FaultServer,
    ManualClock,
    all_text,
    answer,
    eventually,
    hang_up,
    json_answer,
    okta_error,
    redirect,
)
from .controlled_fetches import EventLog

ISSUER = "https://acme.okta.com/oauth2/aus1hooks"
POLICY = CachePolicy(fresh_for=100, refresh_ahead=0, negative_for=10)


def jwks(*documents: object) -> Behaviour:
    return json_answer(200, {"keys": list(documents)})


def issuer_keys(server: FaultServer, **arguments: Any) -> IssuerKeys:
    return IssuerKeys(f"{server.url}/oauth2/aus1", policy=POLICY, **arguments)


@pytest.fixture
def two(key_pool: KeyPool) -> list[HookSigner]:
    return [HookSigner(key_pool(), kid) for kid in ("first", "second")]


# --- keys


def test_one_fetch_brings_the_whole_set(two: list[HookSigner]) -> None:
    """One request to ``{issuer}/v1/keys``, without credentials, fetches all keys of the set."""
    with FaultServer(jwks(*(each.public_jwk() for each in two))) as server:
        keys = issuer_keys(server)
        for each in two:
            assert keys.get(each.kid).as_jwk() == each.public_jwk()
        keys.close()
    [request] = server.requests
    assert request.line == "GET /oauth2/aus1/v1/keys HTTP/1.1"
    assert "authorization" not in request.headers


def test_warm_up_without_knowing_a_kid(two: list[HookSigner]) -> None:
    """``warm_up`` fetches the set and raises if a named kid is not in it."""
    with FaultServer(jwks(*(each.public_jwk() for each in two))) as server:
        with issuer_keys(server) as keys:
            keys.warm_up()
            assert keys.get("first").kid == "first"
            assert asyncio.run(keys.aget("second")).kid == "second"
            assert len(server.requests) == 1
            with pytest.raises(UnknownKeyError):
                keys.warm_up("third")


def test_rotation(two: list[HookSigner]) -> None:
    """A new kid is found at once; a removed kid is refused when the old set expires."""
    clock = ManualClock()
    old, new = (each.public_jwk() for each in two)
    with FaultServer(jwks(old), jwks(old, new), jwks(new)) as server:
        keys = issuer_keys(server, clock=clock)
        keys.get("first")
        assert keys.get("second").kid == "second"
        assert len(server.requests) == 2
        clock.now += 100
        with pytest.raises(UnknownKeyError, match="HookKeys"):
            keys.get("first")
        assert keys.get("second").kid == "second"
        keys.close()


def test_a_key_that_left_the_set(two: list[HookSigner]) -> None:
    """A removed key is refused as soon as a new set was fetched, also in a later outage."""
    clock = ManualClock()
    old, new = (each.public_jwk() for each in two)
    with FaultServer(jwks(old), jwks(new), jwks(new), hang_up) as server:
        with issuer_keys(server, clock=clock) as keys:
            keys.get("first")
            keys.get("second")
            for kind in (UnknownKeyError, KeyUnavailableError):
                with pytest.raises(kind):
                    keys.get("first")
                clock.now += 110
            assert keys.get("second").kid == "second"


def test_made_up_kids_are_held_to_the_budget(two: list[HookSigner]) -> None:
    """A thousand made-up kids cost five requests, and the keys of the set are still served."""
    with FaultServer(jwks(two[0].public_jwk())) as server:
        with issuer_keys(server, clock=ManualClock()) as keys:
            keys.warm_up()
            reasons = []
            for number in range(1_000):
                with pytest.raises(HookVerificationError) as caught:
                    keys.get(f"x{number}")
                reasons.append(str(caught.value.reason))
            assert keys.get("first").kid == "first"
    assert reasons == ["unknown_key"] * 5 + ["key_lookup_limited"] * 995
    assert len(server.requests) == 6


def test_a_key_may_change_under_its_kid(key_pool: KeyPool) -> None:
    """A changed key is accepted and reported, because the server is the authority on its kids."""
    clock, events = ManualClock(), list[Event]()
    old, new = HookSigner(key_pool(), "k"), HookSigner(key_pool(), "k")
    with FaultServer(jwks(old.public_jwk()), jwks(new.public_jwk())) as server:
        with issuer_keys(server, clock=clock, on_event=events.append) as keys:
            keys.get("k")
            clock.now += 100
            assert keys.get("k").as_jwk() == new.public_jwk()
    assert eventually(
        lambda: ("key_changed", "accepted") in [(each.name, each.outcome) for each in events]
    )


def test_other_kinds_of_keys() -> None:
    """P-256 and Ed25519 keys are accepted; keys that cannot be used are skipped."""
    ed, p256 = ed25519.Ed25519PrivateKey.generate(), ec.generate_private_key(ec.SECP256R1())
    documents = [
        PublicKey.from_pem("ed", _pem(ed.public_key())).as_jwk(),
        PublicKey.from_pem("p256", _pem(p256.public_key())).as_jwk(),
        {"kty": "oct", "k": "AAAA", "kid": "secret"},
        {"kty": "OKP", "crv": "X25519", "x": "AAAA", "kid": "x25519"},
        {"kty": "RSA", "use": "enc", "n": "AQAB", "e": "AQAB", "kid": "enc"},
        {"kty": "RSA", "n": "AQAB", "e": "AQAB"},
        "not an object",
        None,
    ]
    with FaultServer(jwks(*documents)) as server, issuer_keys(server) as keys:
        assert keys.get("ed").algorithm == "EdDSA"
        assert keys.get("p256").algorithm == "ES256"


def _pem(key: Any) -> bytes:
    return bytes(
        key.public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
    )


@pytest.mark.parametrize(
    ("change", "problem"),
    [({"n": "AQAB"}, "n has"), ({"use": "enc"}, "use"), ({"d": "AQAB"}, "private")],
)
def test_the_key_that_is_asked_for_cannot_be_used(
    signer: HookSigner, change: dict[str, str], problem: str
) -> None:
    """The error says why the key cannot be used, not that it does not exist."""
    with FaultServer(jwks({**signer.public_jwk(), **change})) as server:
        with issuer_keys(server) as keys, pytest.raises(KeyRejectedError, match=problem):
            keys.get(signer.kid)


def test_two_keys_of_one_kid_are_none(two: list[HookSigner]) -> None:
    """Two different keys with one kid are refused; the other keys of the set are not affected."""
    first, second = (each.public_jwk() for each in two)
    with FaultServer(jwks(first, {**second, "kid": "first"}, second)) as server:
        with issuer_keys(server) as keys:
            with pytest.raises(KeyRejectedError, match="two keys"):
                keys.get("first")
            assert keys.get("second").kid == "second"


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        pytest.param(answer(404, HTML), KeySourceConfigurationError, id="404"),
        pytest.param(
            json_answer(404, okta_error("E0000007")), KeySourceConfigurationError, id="404 of Okta"
        ),
        pytest.param(json_answer(403, {}), KeySourceConfigurationError, id="403"),
        pytest.param(redirect(302, "/login"), KeySourceConfigurationError, id="redirect"),
        pytest.param(answer(200, HTML), KeySourceConfigurationError, id="HTML"),
        pytest.param(json_answer(200, {}), KeySourceConfigurationError, id="no keys"),
        pytest.param(json_answer(200, {"keys": {}}), KeySourceConfigurationError, id="no list"),
        pytest.param(json_answer(200, []), KeySourceConfigurationError, id="a list"),
        pytest.param(json_answer(500, {}), KeyUnavailableError, id="500"),
        pytest.param(json_answer(429, {}), KeyUnavailableError, id="429"),
        pytest.param(
            json_answer(429, {}, "Retry-After: 9"), KeySourceThrottledError, id="429 with a wait"
        ),
        pytest.param(
            json_answer(503, {}, "Retry-After: 9"), KeySourceThrottledError, id="503 with a wait"
        ),
        pytest.param(hang_up, KeyUnavailableError, id="hang-up"),
        pytest.param(answer(200, b"{" + b" " * 65_536), KeyUnavailableError, id="too large"),
    ],
)
def test_verdicts(behaviour: Behaviour, kind: type[HookVerificationError]) -> None:
    """No failure of the server makes a token bad, not even a 404."""
    with FaultServer(behaviour) as server, issuer_keys(server) as keys:
        with pytest.raises(kind) as caught:
            keys.get("k")
    assert type(caught.value) is kind
    assert MARK not in all_text(caught.value)


@pytest.mark.parametrize("kid", ["", "a" * 256, "é", "a\n", None, 5, b"a", ["a"]])
def test_what_can_never_be_a_kid(kid: Any) -> None:
    """A kid that cannot be valid is refused without a request."""
    with FaultServer(hang_up) as server, issuer_keys(server) as keys:
        for look_up in (keys.get, lambda kid: asyncio.run(keys.aget(kid)), keys.warm_up):
            with pytest.raises(UnknownKeyError, match="kid"):
                look_up(kid)
    assert server.requests == []


def test_invalidate_and_stale(two: list[HookSigner]) -> None:
    """A stale set is served in an outage, and ``invalidate`` removes it."""
    clock = ManualClock()
    with FaultServer(jwks(two[0].public_jwk()), hang_up) as server:
        with issuer_keys(server, clock=clock) as keys:
            keys.get("first")
            clock.now += 100
            assert keys.get("first").kid == "first"
            assert (keys.health().status, keys.stats().stale_hits) == ("degraded", 1)
            keys.invalidate("first")
            with pytest.raises(KeyUnavailableError):
                keys.get("first")
            keys.invalidate(5)  # type: ignore[arg-type]


def test_its_life(two: list[HookSigner]) -> None:
    """A closed source serves its cached keys; its repr names the issuer; copying it raises."""
    with FaultServer(jwks(two[0].public_jwk())) as server:
        keys = issuer_keys(server)
        keys.get("first")
        keys.close()
        keys.close()
        assert keys.get("first").kid == "first"
        with pytest.raises(KeySourceConfigurationError, match="closed"):
            keys.get("second")
        assert repr(keys) == f"IssuerKeys('{server.url}/oauth2/aus1')"
        with pytest.raises(ConfigurationError, match="each process"):
            copy.copy(keys)


# --- where the set is


def test_an_explicit_url(signer: HookSigner) -> None:
    """``jwks_url`` sets the URL of the key set for servers other than Okta's."""
    with FaultServer(jwks(signer.public_jwk())) as server:
        url = f"{server.url}/certs"
        with IssuerKeys("https://sso.acme.com", jwks_url=url) as keys:
            assert keys.get(signer.kid).kid == signer.kid
    assert server.requests[0].line == "GET /certs HTTP/1.1"


class Discovering(FaultServer):
    """A server that sends a discovery document with its own /keys, then the given responses."""

    def __init__(self, document: dict[str, Any], *script: Behaviour) -> None:
        def discovery(peer: Any) -> None:
            json_answer(200, json.loads(json.dumps(document).replace("URL", self.url)))(peer)

        super().__init__(discovery, *script)


def test_an_https_issuer_has_https_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    """The discovery document of an https issuer cannot name an http URL on loopback."""
    keys = IssuerKeys("https://sso.acme.com", discover=True)
    document = {"issuer": "https://sso.acme.com", "jwks_uri": "http://127.0.0.1:6379/keys"}
    body = json.dumps(document).encode()
    found = Answer(200, {"Content-Type": "application/json"}, body)
    monkeypatch.setattr(keys._http, "send", lambda *_, **__: found)
    with pytest.raises(KeySourceConfigurationError, match="as the issuer does"):
        keys.get("k")
    keys.close()


def test_a_url_with_a_query(signer: HookSigner) -> None:
    """``jwks_url`` may have a query; some servers have one key set per policy."""
    with FaultServer(jwks(signer.public_jwk())) as server:
        url = f"{server.url}/keys?p=hooks"
        with IssuerKeys("https://sso.acme.com", jwks_url=url) as keys:
            keys.get(signer.kid)
    assert server.requests[0].line == "GET /keys?p=hooks HTTP/1.1"


def test_discovery(signer: HookSigner) -> None:
    """The discovery document is fetched once, and again after the key set could not be fetched."""
    clock = ManualClock()
    log = EventLog()
    document = {"issuer": "URL", "jwks_uri": "URL/keys"}
    found = Discovering(document, jwks(signer.public_jwk()), hang_up, hang_up)
    with found as server:
        with IssuerKeys(
            server.url, discover=True, policy=POLICY, clock=clock, on_event=log
        ) as keys:
            keys.get(signer.kid)
            for _ in range(2):
                clock.now += 110
                assert keys.get(signer.kid).kid == signer.kid
            log.wait_for(EventName.FETCH, 3)  # the last one runs in the background
    assert [request.line.split()[1] for request in server.requests] == [
        "/.well-known/openid-configuration",
        "/keys",
        "/keys",
        "/.well-known/openid-configuration",
    ]


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"issuer": "https://evil.example", "jwks_uri": "URL/keys"}, "another issuer"),
        ({"jwks_uri": "URL/keys"}, "another issuer"),
        ({"issuer": "URL"}, "jwks_uri"),
        ({"issuer": "URL", "jwks_uri": "http://evil.example/keys"}, "jwks_uri"),
        ({"issuer": "URL", "jwks_uri": "file:///etc/passwd"}, "jwks_uri"),
        ({"issuer": "URL", "jwks_uri": 5}, "jwks_uri"),
        ({"issuer": "URL", "jwks_uri": "https://u:p@evil.example/keys"}, "jwks_uri"),
    ],
)
def test_a_discovery_document_that_is_not_believed(document: dict[str, Any], problem: str) -> None:
    """A document with another issuer or a URL that is neither https nor loopback is refused."""
    with Discovering(document) as server, IssuerKeys(server.url, discover=True) as keys:
        with pytest.raises(KeySourceConfigurationError, match=problem):
            keys.get("k")


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"issuer": "https://acme.okta.com"}, "opaque"),
        ({"issuer": "https://acme.okta.com", "jwks_url": "https://a.example/k"}, "opaque"),
        ({"issuer": "https://login.acme.com"}, "jwks_url= or discover"),
        ({"issuer": "http://acme.okta.com/oauth2/a"}, "issuer must begin"),
        ({"issuer": None}, "issuer"),
        ({"jwks_url": "http://a.example"}, "jwks_url"),
        ({"jwks_url": 5}, "jwks_url"),
        ({"discover": 1}, "discover"),
        ({"discover": True, "jwks_url": "https://a.example/k"}, "discover"),
        ({"policy": 5}, "policy"),
        ({"verify": False}, "verify"),
        ({"proxies": "http://proxy"}, "proxies"),
        ({"on_event": "print"}, "on_event"),
    ],
    ids=repr,
)
def test_wrong_arguments(arguments: dict[str, Any], named: str) -> None:
    """The error at construction names the wrong argument."""
    with pytest.raises(ConfigurationError, match=named):
        IssuerKeys(**{"issuer": ISSUER, **arguments})


# --- access tokens

HOOK = {"audience": "api://hooks", "client_id": "0oa1", "scopes": ["hooks"]}


def claims(issuer: str, **changes: Any) -> dict[str, Any]:
    now = int(time.time())
    made = {
        "ver": 1,
        "jti": "AT.1",
        "iss": issuer,
        "aud": "api://hooks",
        "iat": now,
        "exp": now + 3600,
        "cid": "0oa1",
        "scp": ["hooks"],
        "sub": "0oa1",
        **changes,
    }
    return {name: value for name, value in made.items() if value is not None}


def test_an_access_token_of_okta(signer: HookSigner) -> None:
    """An access token of Okta is accepted; its issuer is that of the source."""
    with FaultServer(jwks(signer.public_jwk())) as server, issuer_keys(server) as keys:
        verifier = HookVerifier.for_access_token(keys, **HOOK)  # type: ignore[arg-type]
        token = signer.sign(claims(keys.issuer))
        hook = verifier.verify_headers({"Authorization": f"Bearer {token}"})
        assert asyncio.run(verifier.averify(token)) == hook
    assert (hook.client_id, hook.scopes, hook.audience) == ("0oa1", ("hooks",), ("api://hooks",))


@pytest.mark.parametrize(
    ("changes", "kind"),
    [
        ({"iss": "https://acme.okta.com/oauth2/other"}, IssuerError),
        ({"iss": ISSUER + "/"}, IssuerError),
        ({"aud": "api://default"}, AudienceError),
        ({"cid": "0oa2"}, ClientIdError),
        ({"cid": None}, MissingClaimError),
        ({"scp": []}, InsufficientScopeError),
        ({"scp": ["hook", "hooks2"]}, InsufficientScopeError),
        ({"exp": None}, MissingClaimError),
    ],
)
def test_what_is_not_for_this_hook(
    signer: HookSigner,
    keys: StaticKeys,
    changes: dict[str, Any],
    kind: type[HookVerificationError],
) -> None:
    """Each wrong claim alone causes a refusal."""
    verifier = HookVerifier.for_access_token(keys, issuer=ISSUER, **HOOK)  # type: ignore[arg-type]
    assert verifier.verify(signer.sign(claims(ISSUER))).issuer == ISSUER
    with pytest.raises(kind):
        verifier.verify(signer.sign(claims(ISSUER, **changes)))


def test_any_client_must_be_written_out(signer: HookSigner, keys: StaticKeys) -> None:
    """``client_id=None`` accepts every client of the server; omitting it is an error."""
    verifier = HookVerifier.for_access_token(
        keys, issuer=ISSUER, audience="api://hooks", client_id=None
    )
    assert verifier.verify(signer.sign(claims(ISSUER, cid="0oa9"))).client_id == "0oa9"
    with pytest.raises(TypeError, match="client_id"):
        HookVerifier.for_access_token(keys, issuer=ISSUER, audience="a")  # type: ignore[call-arg]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "issuer is required"),
        ({"issuer": "https://acme.okta.com"}, "opaque"),
        ({"issuer": ""}, "issuer"),
        ({"issuer": ISSUER, "audience": None}, "audience"),
        ({"issuer": ISSUER, "scopes": "hooks"}, "scopes"),
        ({"issuer": ISSUER, "client_id": ""}, "client_id"),
    ],
)
def test_wrong_arguments_of_the_recipe(
    keys: StaticKeys, arguments: dict[str, Any], named: str
) -> None:
    """The error at construction names the wrong argument."""
    with pytest.raises(ConfigurationError, match=named):
        HookVerifier.for_access_token(keys, **{**HOOK, **arguments})


def test_another_issuer_than_the_sources() -> None:
    """An issuer that differs from that of the source is refused at construction."""
    keys = IssuerKeys(ISSUER)
    with pytest.raises(ConfigurationError, match="issuer of keys"):
        HookVerifier.for_access_token(keys, audience="a", client_id=None, issuer=ISSUER + "2")
    HookVerifier.for_access_token(keys, audience="a", client_id=None, issuer=ISSUER)
    keys.close()


@pytest.mark.parametrize(
    "payload", [b"[]", b"{", b'{"iss":5}', b"{}", b'{"iss":"%s"}' % (b"x" * 9)]
)
def test_no_mix_up_is_named_for_other_payloads(signer: HookSigner, payload: bytes) -> None:
    """A payload that is not JSON or has no such issuer gets ``unknown_key`` without a hint."""
    keys = StaticKeys.from_jwk({**signer.public_jwk(), "kid": "other"})
    verifier = HookVerifier(keys, issuer=None, audience=None)
    header = json.dumps({"alg": "RS256", "kid": signer.kid}).encode()
    with pytest.raises(UnknownKeyError) as caught:
        verifier.verify(signer.sign_bytes(header, payload))
    assert "for_access_token" not in str(caught.value)


def test_the_commonest_mix_up_is_named(signer: HookSigner) -> None:
    """With hook keys, the error for an access token says what it is and what to use."""
    keys = StaticKeys.from_jwk(HookSigner.generate().public_jwk())
    verifier = HookVerifier.for_client_assertion(keys, client_id="c", token_url="t")
    with pytest.raises(UnknownKeyError, match=r"access token.*for_access_token\(IssuerKeys") as one:
        verifier.verify(signer.sign(claims(ISSUER)))
    assert ISSUER not in all_text(one.value)
    with pytest.raises(UnknownKeyError) as two:
        verifier.verify(signer.sign(claims("somebody")))
    assert "access token" not in str(two.value)
    right = HookVerifier.for_access_token(keys, issuer=ISSUER, audience="a", client_id=None)
    with pytest.raises(UnknownKeyError) as three:
        asyncio.run(right.averify(signer.sign(claims(ISSUER))))
    assert "access token" not in str(three.value)


def test_a_long_payload_is_not_read_for_a_hint(signer: HookSigner) -> None:
    """A payload of over 2,048 bytes under an unknown kid is refused without a hint."""
    keys = StaticKeys.from_jwk(HookSigner.generate().public_jwk())
    verifier = HookVerifier.for_client_assertion(keys, client_id="c", token_url="t")
    with pytest.raises(UnknownKeyError) as caught:
        verifier.verify(signer.sign({**claims(ISSUER), "filler": "x" * 2_048}))
    assert "access token" not in str(caught.value)


def test_a_warm_aget(signer: HookSigner) -> None:
    """``aget`` returns a cached key at once."""
    with FaultServer(jwks(signer.public_jwk())) as server, issuer_keys(server) as keys:
        first = asyncio.run(keys.aget(signer.kid))
        assert asyncio.run(keys.aget(signer.kid)) is first
    assert len(server.requests) == 1


def test_an_issuers_keys_sign_no_assertions() -> None:
    """A verifier of client assertions refuses ``IssuerKeys`` at construction."""
    with IssuerKeys(ISSUER) as keys:
        with pytest.raises(ConfigurationError, match="use for_access_token"):
            HookVerifier.for_client_assertion(keys, client_id="c", token_url="t")


def test_a_kid_that_is_not_in_the_set_is_remembered(two: list[HookSigner]) -> None:
    """A missing kid causes one refresh per ``negative_for``, which ``invalidate`` resets."""
    clock, log = ManualClock(), EventLog()
    with (
        FaultServer(jwks(two[0].public_jwk())) as server,
        issuer_keys(server, clock=clock, on_event=log) as keys,
    ):
        keys.get(two[0].kid)
        for calls in (2, 2, 3):
            if calls == 3:
                keys.invalidate("made-up")
                keys.get(two[0].kid)
            with pytest.raises(UnknownKeyError):
                keys.get("made-up")
            assert len(server.requests) == calls + (calls == 3)
        clock.now += POLICY.negative_for
        with pytest.raises(UnknownKeyError):
            keys.get("made-up")
        assert len(server.requests) == 5
    assert (EventName.HIT, "made-up", "negative") in [
        (event.name, event.kid, event.outcome) for event in log.events
    ]


def test_the_current_key(two: list[HookSigner]) -> None:
    """``current`` returns a cached, fresh key without a request, and None otherwise."""
    clock = ManualClock()
    with (
        FaultServer(jwks(two[0].public_jwk(), two[1].public_jwk())) as server,
        issuer_keys(server, clock=clock) as keys,
    ):
        assert keys.current(two[0].kid) is None
        keys.warm_up(two[0].kid, two[1].kid)
        assert keys.current(two[0].kid, algorithm="RS256") is keys.get(two[0].kid)
        assert keys.current("made-up") is None
        clock.now += POLICY.fresh_for
        assert keys.current(two[0].kid) is None
        assert len(server.requests) == 1


def test_an_outage_does_not_make_a_kid_unknown(two: list[HookSigner]) -> None:
    """While the set cannot be refreshed, a kid that it lacks gets 503 and known keys are served."""
    clock = ManualClock()
    with (
        FaultServer(jwks(two[0].public_jwk()), hang_up) as server,
        issuer_keys(server, clock=clock) as keys,
    ):
        keys.get(two[0].kid)
        for _ in range(2):
            with pytest.raises(KeyUnavailableError):
                keys.get(two[1].kid)
        assert len(server.requests) == 2
        assert keys.get(two[0].kid).kid == two[0].kid
