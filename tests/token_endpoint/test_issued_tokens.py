"""TokenEndpoint: the tokens that it issues, and how it is constructed."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from typing import Any
from urllib.parse import urlencode

import pytest

from hookkey_verify import (
    ConfigurationError,
    HookSigner,
    HookVerificationError,
    HookVerifier,
    StaticKeys,
    TokenEndpoint,
    token_endpoint,
)
from hookkey_verify.endpoint import Endpoint
from hookkey_verify.errors import (
    AlgorithmError,
    LifetimeError,
    MissingClaimError,
    TokenExpiredError,
)
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.signing_key import SigningKey
from hookkey_verify.token_endpoint import ClientSecret

from ..conftest import CLIENT_ID, TOKEN_URL
from .token_requests import (
    AUDIENCE,
    FORM,
    ISSUER,
    KEY,
    SECRET,
    Run,
    asked,
    endpoint_of,
    error,
    verifier_of,
)


def test_a_token(endpoint: TokenEndpoint, signer: HookSigner, ask: Run) -> None:
    """The response follows RFC 6749 section 5.1 and the token RFC 9068 section 2.2.

    The response always has ``expires_in``, because Okta fails without it.
    """
    answer = ask(endpoint, asked(signer))
    headers = {**dict(answer.headers)}
    assert (answer.status, headers["Content-Type"]) == (200, "application/json")
    assert (headers["Cache-Control"], headers["Pragma"]) == ("no-store", "no-cache")
    document = json.loads(answer.body)
    token = document.pop("access_token")
    assert document == {"token_type": "Bearer", "expires_in": 300, "scope": "hooks"}
    hook = endpoint.verifier.verify_headers({"Authorization": f"Bearer {token}"})
    assert (hook.issuer, hook.audience) == (ISSUER, (AUDIENCE,))
    assert (hook.subject, hook.client_id, hook.scopes) == (CLIENT_ID, CLIENT_ID, ("hooks",))
    assert hook.header["typ"] == "at+jwt"
    assert hook.expires_at - (hook.issued_at or 0) == 300
    assert len(hook.jti or "") >= 20


def test_tokens_differ(endpoint: TokenEndpoint, signer: HookSigner) -> None:
    """Tokens differ even if they are issued within one second, because each has its own jti."""
    answers = [endpoint.respond("POST", FORM, urlencode(asked(signer)).encode()) for _ in range(20)]
    assert len({answer.body for answer in answers}) == 20


@pytest.mark.parametrize(
    ("scope", "granted"),
    [
        (None, "hooks other"),
        ("", "hooks other"),
        ("hooks", "hooks"),
        ("other hooks", "hooks other"),
        ("hooks hooks", "hooks"),
    ],
)
def test_scopes(
    endpoint: TokenEndpoint, signer: HookSigner, ask: Run, scope: str | None, granted: str
) -> None:
    """A token has the requested scopes, or all scopes by default (RFC 6749 section 3.3)."""
    document = json.loads(ask(endpoint, asked(signer, scope=scope)).body)
    assert document["scope"] == granted
    assert " ".join(endpoint.verifier.verify(document["access_token"]).scopes) == granted


def test_a_refused_scope_does_not_use_up_the_assertion(
    endpoint: TokenEndpoint, signer: HookSigner, ask: Run
) -> None:
    """An assertion can be sent again after a request that was refused for its scope."""
    form = asked(signer, scope="root")
    assert error(ask(endpoint, form)) == (400, "invalid_scope")
    assert ask(endpoint, {**form, "scope": "hooks"}).status == 200


def test_a_client_secret(endpoint: TokenEndpoint, ask: Run) -> None:
    """Each of a client's secrets is accepted in the form (``client_secret_post``)."""
    form = {"grant_type": "client_credentials", "client_id": "0oasecret", "scope": "hooks"}
    for secret in (SECRET, "old-" + SECRET):
        answer = ask(endpoint, {**form, "client_secret": secret})
        token = json.loads(answer.body)["access_token"]
        assert endpoint.verifier.verify(token).client_id == "0oasecret"


def test_only_secrets_are_known(signer: HookSigner, ask: Run) -> None:
    """An endpoint that has only secrets refuses assertions; a client's repr shows no secret."""
    client = ClientSecret("0oasecret", SECRET)
    assert error(ask(endpoint_of(client), asked(signer))) == (401, "invalid_client")
    assert repr(client) == "ClientSecret(client_id='0oasecret')"


def test_what_is_kept_of_grants_is_bounded(ask: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """The cache of grants stays within its limits for all orders and repetitions of scopes."""
    monkeypatch.setattr(token_endpoint, "MAX_GRANTS", 2)
    endpoint = endpoint_of([ClientSecret(name, SECRET) for name in ("a", "b")])
    form = {"grant_type": "client_credentials", "client_secret": SECRET}
    for scope in ("hooks", "other", "hooks other", "other hooks", "hooks " * 99 + "hooks"):
        for name in ("a", "b"):
            answer = json.loads(ask(endpoint, {**form, "client_id": name, "scope": scope}).body)
            hook = endpoint.verifier.verify(answer["access_token"])
            assert (hook.client_id, answer["scope"]) == (name, " ".join(sorted({*scope.split()})))
            assert len(endpoint._grants) <= 2
            assert all(len(scopes) <= len("hooks other") for _, scopes in endpoint._grants)


def test_several_clients(key_pool: Any, ask: Run) -> None:
    """Each of several clients is identified by its assertion and verified with its own key."""
    signers = {f"0oa{n}": HookSigner(key_pool(), f"kid{n}") for n in range(3)}
    clients = [
        verifier_of(
            StaticKeys.from_jwk(signer.public_jwk()),
            client_id=name,
            token_url=f"{TOKEN_URL}/{name}",
        )
        for name, signer in signers.items()
    ]
    endpoint = endpoint_of(clients)
    for name, signer in signers.items():
        token = signer.client_assertion(client_id=name, token_url=f"{TOKEN_URL}/{name}")
        document = json.loads(ask(endpoint, asked(signer, client_assertion=token)).body)
        assert endpoint.verifier.verify(document["access_token"]).subject == name
    forged = signers["0oa1"].client_assertion(client_id="0oa0", token_url=f"{TOKEN_URL}/0oa0")
    stranger = signers["0oa1"].client_assertion(client_id="0oa9", token_url=TOKEN_URL)
    for assertion in (forged, stranger, "a.b.c", "x", "a.e30.c", "a.bnVsbA.c", "é.é.é"):
        answer = ask(endpoint, asked(signer, client_assertion=assertion))
        assert error(answer) == (401, "invalid_client")


def test_a_client_may_name_itself(endpoint: TokenEndpoint, signer: HookSigner, ask: Run) -> None:
    """A ``client_id`` in the form must be the subject of the assertion (RFC 7521 section 4.2)."""
    assert ask(endpoint, asked(signer, client_id=CLIENT_ID)).status == 200
    assert error(ask(endpoint, asked(signer, client_id="0oax"))) == (401, "invalid_client")


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
def test_algorithms(keys: StaticKeys, signer: HookSigner, algorithm: Any) -> None:
    """The endpoint's verifier and one with its JWK Set accept tokens of all three algorithms."""
    endpoint = endpoint_of(verifier_of(keys), signing_key=SigningKey.generate(algorithm))
    answer = endpoint.respond("POST", FORM, urlencode(asked(signer)).encode())
    token = json.loads(answer.body)["access_token"]
    elsewhere = HookVerifier.for_access_token(
        StaticKeys.from_jwks(json.loads(json.dumps(endpoint.jwks))),
        issuer=ISSUER,
        audience=AUDIENCE,
        client_id=CLIENT_ID,
        scopes=["hooks"],
        algorithms=[algorithm],
    )
    assert elsewhere.verify(token).kid == endpoint.verifier.verify(token).kid


def test_names_that_need_escaping(keys: StaticKeys, signer: HookSigner) -> None:
    """Names with characters that JSON escapes are unchanged in a verified token."""
    odd = 'a"b\\c\u00e9\n'
    endpoint = endpoint_of(
        verifier_of(keys, client_id=odd), issuer=odd, audience=odd, scopes=["a'b,c}"]
    )
    form = asked(signer, client_id=odd, scope=None)
    form["client_assertion"] = signer.client_assertion(client_id=odd, token_url=TOKEN_URL)
    answer = endpoint.respond("POST", FORM, urlencode(form).encode())
    hook = endpoint.verifier.verify(json.loads(answer.body)["access_token"])
    assert (hook.issuer, hook.audience, hook.subject) == (odd, (odd,), odd)
    assert hook.scopes == ("a'b,c}",)


def test_a_change_of_keys_without_a_gap(keys: StaticKeys, signer: HookSigner) -> None:
    """In each of the three steps of a key rotation, processes accept each other's tokens."""
    old, new = SigningKey.generate(), SigningKey.generate("EdDSA")
    steps = [[old], [old, new], [new, old], [new]]
    running = [endpoint_of(verifier_of(keys), signing_key=step) for step in steps]
    for before, after in pairwise(running):
        for issuing, verifying in ((before, after), (after, before)):
            body = urlencode(asked(signer)).encode()
            token = json.loads(issuing.respond("POST", FORM, body).body)["access_token"]
            assert verifying.verifier.verify(token)
    assert len(running[1].jwks["keys"]) == 2


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"signing_key": None}, "signing_key must be"),
        ({"signing_key": []}, "signing_key must be"),
        ({"signing_key": [KEY, KEY]}, "different kids"),
        ({"signing_key": ["x"]}, "signing_key must be"),
        ({"issuer": ""}, "issuer must be"),
        ({"audience": None}, "audience must be"),
        ({"scopes": "hooks"}, "scopes must be"),
        ({"scopes": []}, "scopes must be"),
        ({"scopes": ["a b"]}, "scopes must be"),
        ({"scopes": [5]}, "scopes must be"),
        ({"lifetime": 29}, "lifetime must be"),
        ({"lifetime": 86_401}, "lifetime must be"),
        ({"lifetime": 300.0}, "lifetime must be"),
    ],
)
def test_arguments(keys: StaticKeys, options: dict[str, Any], problem: str) -> None:
    """The error for a wrong argument names the argument."""
    with pytest.raises(ConfigurationError, match=problem):
        endpoint_of(verifier_of(keys), **options)


def test_clients(keys: StaticKeys) -> None:
    """The endpoint refuses clients that are not strict enough or share a client id.

    A client's verifier must require single use, an audience, a lifetime of at most one hour, and
    the client as issuer and subject.
    """
    loose: dict[str, Any] = {"issuer": CLIENT_ID, "audience": TOKEN_URL, "subject": CLIENT_ID}
    once: dict[str, Any] = {"replay": MemoryReplayStore(single_process=True)}
    access = HookVerifier.for_access_token(keys, issuer=ISSUER, audience=AUDIENCE, client_id="x")
    for clients, problem in (
        ([], "clients must be"),
        (None, "clients must be"),
        ("0oa", "clients must be"),
        ([5], "clients must be"),
        (access, "for_client_assertion"),
        (HookVerifier(keys, **{**loose, "issuer": None}, **once), "for_client_assertion"),
        (HookVerifier(keys, **{**loose, "audience": None}, **once), "have a token_url"),
        (HookVerifier(keys, **loose, **once), "3600 or less"),
        (verifier_of(keys, max_lifetime=3601), "3600 or less"),
        (verifier_of(keys, replay=None), "replay=MemoryReplayStore"),
        ([verifier_of(keys), verifier_of(keys)], "different client ids"),
        ([verifier_of(keys), ClientSecret(CLIENT_ID, "x")], "different client ids"),
    ):
        with pytest.raises(ConfigurationError, match=problem):
            endpoint_of(clients)
    for arguments in (("",), (5, "x"), ("a",), ("a", ""), ("a", 5)):
        with pytest.raises(ConfigurationError):
            ClientSecret(*arguments)


def test_it_is_an_endpoint(endpoint: TokenEndpoint) -> None:
    """A token endpoint is an ``Endpoint``; changes to a returned JWK Set do not affect it."""
    assert isinstance(endpoint, Endpoint)
    endpoint.jwks["keys"][0]["kid"] = "x"
    assert endpoint.jwks["keys"][0]["kid"] == KEY.kid
    assert "d" not in endpoint.jwks["keys"][0]
    assert repr(endpoint) == f"TokenEndpoint({CLIENT_ID!r}, '0oasecret')"


def test_its_verifier_refuses_what_it_has_not_issued(
    endpoint: TokenEndpoint, keys: StaticKeys, signer: HookSigner
) -> None:
    """The endpoint's verifier refuses client assertions, expired tokens and incomplete ones."""
    assertion = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    incomplete = KEY.sign(json.dumps({"iss": ISSUER, "aud": AUDIENCE, "exp": 9e9}).encode())
    earlier = endpoint_of(verifier_of(keys), clock=lambda: time.time() - 361)  # lifetime, leeway
    answer = earlier.respond("POST", FORM, urlencode(asked(signer)).encode())
    expired = json.loads(answer.body)["access_token"]
    assert earlier.verifier.verify(expired).client_id == CLIENT_ID
    refusals: tuple[tuple[str, type[HookVerificationError]], ...] = (
        (assertion, AlgorithmError),
        (incomplete.decode(), MissingClaimError),
        (expired, TokenExpiredError),
    )
    for token, refusal in refusals:
        with pytest.raises(refusal):
            endpoint.verifier.verify(token)


def test_its_verifier_refuses_what_lives_longer_than_its_tokens(
    keys: StaticKeys, signer: HookSigner
) -> None:
    """The verifier refuses a token of another endpoint with the same key but a longer lifetime."""
    short, long = (endpoint_of(verifier_of(keys), lifetime=seconds) for seconds in (300, 600))
    form = urlencode(asked(signer)).encode()
    token = json.loads(long.respond("POST", FORM, form).body)["access_token"]
    assert long.verifier.verify(token).client_id == CLIENT_ID
    with pytest.raises(LifetimeError):
        short.verifier.verify(token)


@pytest.mark.parametrize(
    ("algorithm", "reason"),
    [("ES256", "algorithm_not_allowed"), ("RS256", "token_type_not_allowed")],
)
def test_an_assertion_that_is_sent_to_the_hook(
    keys: StaticKeys, signer: HookSigner, algorithm: Any, reason: str
) -> None:
    """A client assertion is not an access token: the algorithm differs, or else the type."""
    signing_key = SigningKey.generate(algorithm)
    endpoint = endpoint_of(verifier_of(keys), signing_key=signing_key)
    with pytest.raises(HookVerificationError) as caught:
        endpoint.verifier.verify(asked(signer)["client_assertion"])
    assert caught.value.reason == reason
