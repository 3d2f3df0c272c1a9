"""The token endpoint: what it issues, and what it answers to everything else."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
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
    KeySourceConfigurationError,
    KeyUnavailableError,
    LifetimeError,
)
from hookkey_verify.guard import HttpAnswer
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.signing_key import SigningKey
from hookkey_verify.testing import bad_tokens
from hookkey_verify.token_endpoint import ASSERTION_TYPE, MAX_BODY, ClientSecret

from .conftest import CLIENT_ID, TOKEN_URL

ISSUER = "https://hooks.acme.com"
AUDIENCE = "api://hooks"
FORM = {"content-type": "application/x-www-form-urlencoded"}
KEY = SigningKey.generate()
SECRET = "s3cret-of-the-client"

Run = Callable[..., HttpAnswer]


def verifier_of(keys: StaticKeys, **options: Any) -> HookVerifier:
    given = {"replay": MemoryReplayStore(single_process=True), **options}
    return HookVerifier.for_client_assertion(
        keys, **{"client_id": CLIENT_ID, "token_url": TOKEN_URL, **given}
    )


def endpoint_of(clients: Any, **options: Any) -> TokenEndpoint:
    given: dict[str, Any] = {"signing_key": KEY, "issuer": ISSUER, "audience": AUDIENCE}
    return TokenEndpoint(clients, **{**given, "scopes": ["hooks", "other"], **options})


@pytest.fixture
def endpoint(keys: StaticKeys) -> TokenEndpoint:
    return endpoint_of([verifier_of(keys), ClientSecret("0oasecret", "old-" + SECRET, SECRET)])


@pytest.fixture(params=["respond", "arespond"])
def ask(request: pytest.FixtureRequest) -> Run:
    """Both ways to ask, with a form instead of a body."""

    def run(
        endpoint: TokenEndpoint,
        form: Any = None,
        *,
        method: str = "POST",
        headers: Any = FORM,
    ) -> HttpAnswer:
        body = form if isinstance(form, bytes) else urlencode(form or {}).encode()
        if request.param == "respond":
            return endpoint.respond(method, headers, body)
        return asyncio.run(endpoint.arespond(method, headers, body))

    return run


def asked(signer: HookSigner, **changes: Any) -> dict[str, str]:
    """The form that Okta is thought to post."""
    form = {
        "grant_type": "client_credentials",
        "scope": "hooks",
        "client_assertion_type": ASSERTION_TYPE,
        "client_assertion": signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL),
        **changes,
    }
    return {name: value for name, value in form.items() if value is not None}


def error(answer: HttpAnswer) -> tuple[int, str]:
    document = json.loads(answer.body)
    assert set(document) == {"error", "error_description"}
    assert dict(answer.headers)["Cache-Control"] == "no-store"
    return answer.status, document["error"]


# --- what is issued


def test_a_token(endpoint: TokenEndpoint, signer: HookSigner, ask: Run) -> None:
    """RFC 6749 section 5.1, RFC 9068 section 2.2; ``expires_in`` always, or Okta fails."""
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
    """Even within one second, by their jti."""
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
    """What is asked for, or everything when nothing is (RFC 6749 section 3.3)."""
    document = json.loads(ask(endpoint, asked(signer, scope=scope)).body)
    assert document["scope"] == granted
    assert " ".join(endpoint.verifier.verify(document["access_token"]).scopes) == granted


def test_a_refused_scope_does_not_use_up_the_assertion(
    endpoint: TokenEndpoint, signer: HookSigner, ask: Run
) -> None:
    """It is judged before."""
    form = asked(signer, scope="root")
    assert error(ask(endpoint, form)) == (400, "invalid_scope")
    assert ask(endpoint, {**form, "scope": "hooks"}).status == 200


def test_a_client_secret(endpoint: TokenEndpoint, ask: Run) -> None:
    """``client_secret_post``; of several secrets each."""
    form = {"grant_type": "client_credentials", "client_id": "0oasecret", "scope": "hooks"}
    for secret in (SECRET, "old-" + SECRET):
        answer = ask(endpoint, {**form, "client_secret": secret})
        token = json.loads(answer.body)["access_token"]
        assert endpoint.verifier.verify(token).client_id == "0oasecret"


def test_only_secrets_are_known(signer: HookSigner, ask: Run) -> None:
    """Then an assertion is no way to authenticate. A secret is not in the client's repr."""
    client = ClientSecret("0oasecret", SECRET)
    assert error(ask(endpoint_of(client), asked(signer))) == (401, "invalid_client")
    assert repr(client) == "ClientSecret(client_id='0oasecret')"


def test_what_is_kept_of_grants_is_bounded(ask: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """In whatever order a client writes its scopes, and with another one meanwhile."""
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
    """Each by its own key and token URL; which one it is says the assertion, and proves it."""
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
    """RFC 7521 section 4.2: but as the assertion does."""
    assert ask(endpoint, asked(signer, client_id=CLIENT_ID)).status == 200
    assert error(ask(endpoint, asked(signer, client_id="0oax"))) == (401, "invalid_client")


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA", "RS256"])
def test_algorithms(keys: StaticKeys, signer: HookSigner, algorithm: Any) -> None:
    """All three, for its own verifier and for another one that has its JWK Set."""
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
    """The payload is written by hand, but not by chance."""
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
    """Old and new processes side by side, in each of the three steps, take each other's tokens."""
    old, new = SigningKey.generate(), SigningKey.generate("EdDSA")
    steps = [[old], [old, new], [new, old], [new]]
    running = [endpoint_of(verifier_of(keys), signing_key=step) for step in steps]
    for before, after in pairwise(running):
        for issuing, verifying in ((before, after), (after, before)):
            body = urlencode(asked(signer)).encode()
            token = json.loads(issuing.respond("POST", FORM, body).body)["access_token"]
            assert verifying.verifier.verify(token)
    assert len(running[1].jwks["keys"]) == 2


# --- what is refused


def test_once(endpoint: TokenEndpoint, signer: HookSigner, ask: Run) -> None:
    """An assertion is good for one token, also when it has no jti."""
    bare = signer.sign(
        {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": TOKEN_URL, "exp": int(time.time()) + 100}
    )
    for form in (asked(signer), asked(signer, client_assertion=bare)):
        assert ask(endpoint, form).status == 200
        assert error(ask(endpoint, form)) == (401, "invalid_client")


def test_once_among_threads(endpoint: TokenEndpoint, signer: HookSigner) -> None:
    """Of two hundred at once one gets a token."""
    body = urlencode(asked(signer)).encode()
    together = threading.Barrier(20)

    def post(_: int) -> list[int]:
        together.wait()
        return [endpoint.respond("POST", FORM, body).status for _ in range(10)]

    with ThreadPoolExecutor(20) as pool:
        statuses = [status for each in pool.map(post, range(20)) for status in each]
    assert sorted(statuses) == [200] + [401] * 199


def test_the_zoo(endpoint: TokenEndpoint, signer: HookSigner, ask: Run) -> None:
    """Every bad assertion, and nothing of it in the answer."""
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
    """One audience, exactly the token URL; an hour ahead at most; iss and sub the client."""
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
    """RFC 6749 section 5.2."""
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
    """401 invalid_client, whatever was wrong."""
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
    """400; 500 for headers that are none, which is ours."""
    answer = ask(endpoint, asked(signer), headers=headers)
    expected = (500, "server_error") if headers == 5 else (400, "invalid_request")
    assert error(answer) == expected


def test_a_content_type_with_a_charset(
    endpoint: TokenEndpoint, signer: HookSigner, ask: Run
) -> None:
    """Also in capitals."""
    headers = [("Content-Type", "Application/X-WWW-Form-Urlencoded; charset=UTF-8")]
    assert ask(endpoint, asked(signer), headers=headers).status == 200


@pytest.mark.parametrize("value", ["Basic MG9hOng=", "Bearer x", ""])
def test_an_authorization_header(
    endpoint: TokenEndpoint, signer: HookSigner, ask: Run, value: str
) -> None:
    """Beside an assertion it is a second way to authenticate (RFC 6749 section 2.3).

    Alone, one that cannot be read is refused with the challenge that section 5.2 wants.
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
    """405 with Allow: a token request in a URL would be in every log."""
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
    """Parameters twice, broken escapes, what is no text, and too much."""
    assert error(ask(endpoint, body)) == (status, "invalid_request")


# --- when something of ours fails


class _Source:
    """A key source that fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def get(self, kid: str, *, algorithm: str | None = None, deadline: float | None = None) -> Any:
        raise self.error

    async def aget(
        self, kid: str, *, algorithm: str | None = None, deadline: float | None = None
    ) -> Any:
        raise self.error

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("failure", "status", "code"),
    [
        (KeyUnavailableError("x", retry_after=7), 503, "temporarily_unavailable"),
        (OSError("x"), 503, "temporarily_unavailable"),
        (KeySourceConfigurationError("x"), 500, "server_error"),
    ],
)
def test_keys_that_cannot_be_had(
    signer: HookSigner, ask: Run, failure: Exception, status: int, code: str
) -> None:
    """503 with Retry-After, which Okta may try again; 500 for what only we can repair."""
    endpoint = endpoint_of(verifier_of(_Source(failure)))  # type: ignore[arg-type]
    answer = ask(endpoint, asked(signer))
    assert error(answer) == (status, code)
    assert ("Retry-After" in dict(answer.headers)) is (status == 503)
    if isinstance(failure, KeyUnavailableError):
        assert dict(answer.headers)["Retry-After"] == "7"


def test_a_full_replay_store(keys: StaticKeys, signer: HookSigner, ask: Run) -> None:
    """503: to forget a live jti would be worse."""
    store = MemoryReplayStore(max_entries=1, single_process=True)
    endpoint = endpoint_of(verifier_of(keys, replay=store))
    assert ask(endpoint, asked(signer)).status == 200
    assert error(ask(endpoint, asked(signer))) == (503, "temporarily_unavailable")


def test_a_clock_that_fails(keys: StaticKeys, signer: HookSigner, ask: Run) -> None:
    """500, and nothing is raised."""

    def clock() -> float:
        raise OSError

    endpoint = endpoint_of(verifier_of(keys), clock=clock)
    assert error(ask(endpoint, asked(signer))) == (500, "server_error")


def test_nothing_is_logged_that_is_secret(
    endpoint: TokenEndpoint, signer: HookSigner, ask: Run, caplog: pytest.LogCaptureFixture
) -> None:
    """Refusals are, but no assertion, secret or token."""
    caplog.set_level(logging.DEBUG)
    form = asked(signer)
    answer = ask(endpoint, form)
    ask(endpoint, form)
    ask(endpoint, {**form, "grant_type": "x"})
    wrong = {"client_id": "0oasecret", "client_secret": "wr0ng", "grant_type": "client_credentials"}
    ask(endpoint, wrong)
    assert caplog.text.count("a token was refused") == 3
    for secret in (form["client_assertion"], "wr0ng", json.loads(answer.body)["access_token"]):
        assert secret not in caplog.text
        assert secret.rpartition(".")[2] not in caplog.text
    assert SECRET not in repr(endpoint)


# --- how it is made


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"signing_key": None}, "signing_key must be"),
        ({"signing_key": []}, "signing_key must be"),
        ({"signing_key": [KEY, KEY]}, "two keys"),
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
    ids=str,
)
def test_arguments(keys: StaticKeys, options: dict[str, Any], problem: str) -> None:
    """Are named."""
    with pytest.raises(ConfigurationError, match=problem):
        endpoint_of(verifier_of(keys), **options)


def test_clients(keys: StaticKeys) -> None:
    """Whoever is not held to single use, one audience, an hour and itself is refused at once."""
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
        (HookVerifier(keys, **{**loose, "audience": None}, **once), "know the token_url"),
        (HookVerifier(keys, **loose, **once), "an hour"),
        (verifier_of(keys, max_lifetime=3601), "an hour"),
        (verifier_of(keys, replay=None), "replay=MemoryReplayStore"),
        ([verifier_of(keys), verifier_of(keys)], "same client id"),
        ([verifier_of(keys), ClientSecret(CLIENT_ID, "x")], "same client id"),
    ):
        with pytest.raises(ConfigurationError, match=problem):
            endpoint_of(clients)
    for arguments in (("",), (5, "x"), ("a",), ("a", ""), ("a", 5)):
        with pytest.raises(ConfigurationError):
            ClientSecret(*arguments)


def test_it_is_an_endpoint(endpoint: TokenEndpoint) -> None:
    """Which adapters mount; and its keys cannot be changed from outside."""
    assert isinstance(endpoint, Endpoint)
    endpoint.jwks["keys"][0]["kid"] = "x"
    assert endpoint.jwks["keys"][0]["kid"] == KEY.kid
    assert "d" not in endpoint.jwks["keys"][0]
    assert repr(endpoint) == f"TokenEndpoint({CLIENT_ID!r}, '0oasecret')"


def test_its_verifier_refuses_what_it_has_not_issued(
    endpoint: TokenEndpoint, signer: HookSigner
) -> None:
    """Assertions, other tokens of the same key, and tokens beyond their end."""
    assertion = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    half = KEY.sign(json.dumps({"iss": ISSUER, "aud": AUDIENCE, "exp": 9e9}).encode())
    for token in (assertion, half.decode()):
        with pytest.raises(HookVerificationError):
            endpoint.verifier.verify(token)


def test_its_verifier_refuses_what_lives_longer_than_its_tokens(
    keys: StaticKeys, signer: HookSigner
) -> None:
    """Such as those of another endpoint with the same key."""
    short, long = (endpoint_of(verifier_of(keys), lifetime=seconds) for seconds in (300, 600))
    form = urlencode(asked(signer)).encode()
    token = json.loads(long.respond("POST", FORM, form).body)["access_token"]
    assert long.verifier.verify(token).client_id == CLIENT_ID
    with pytest.raises(LifetimeError):
        short.verifier.verify(token)
