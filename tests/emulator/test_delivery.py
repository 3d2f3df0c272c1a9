"""Delivery: what the emulator sends to a hook, and how it interprets the response."""

from __future__ import annotations

import json
import time
from typing import Any
from urllib.parse import parse_qs

import pytest
import requests
from flask import Flask, g

from hookkey_verify import ConfigurationError, HookVerifier, IssuerKeys, StaticKeys
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.emulator.delivery_rules import CONSEQUENCES
from hookkey_verify.emulator.okta_error import OktaError
from hookkey_verify.flask import HookKeyVerify, protect
from hookkey_verify.hooks import TokenHook, parse_hook
from hookkey_verify.hooks.rules import EVENT_TYPES

from ..faults import FaultServer, answer, drip, hang_up, json_answer, silence
from ..servers import wsgi_server

TOKENS, SAML, REGISTRATION, IMPORT, PASSWORD, TELEPHONY = EVENT_TYPES
PATCH = {"commands": [{"type": "com.okta.access.patch", "value": []}]}
SECRET = "s3cret-value"


def _good(issued: dict[str, Any] | None = None) -> Any:
    return json_answer(200, issued or {"access_token": "T0KEN", "expires_in": 300})


# --- the whole flow


def test_the_whole_flow(okta: OktaEmulator) -> None:
    """A protected handler accepts a call of the emulator and gets the id of the client."""
    key = okta.create_key("hooks")
    verifier = HookVerifier.for_access_token(
        IssuerKeys(okta.issuer), audience="api://hooks", client_id=None, scopes=["hooks"]
    )
    app = Flask(__name__)
    callers: list[str | None] = []

    def handle() -> dict[str, Any]:
        callers.append(g.hook.client_id)
        return PATCH

    app.post("/hook")(protect(verifier)(handle))
    with wsgi_server(app) as port:
        hook = okta.create_hook(f"http://127.0.0.1:{port}/hook", key=key)
        delivery = okta.fire(hook["id"])
        assert (delivery.outcome, delivery.ok) == ("commands", True)
        assert [step.name for step in delivery.steps] == ["token", "hook"]
        assert delivery.commands == tuple(PATCH["commands"])
        assert "com.okta.access.patch" in delivery.verdict
        again = okta.fire(hook["id"])
        assert [step.name for step in again.steps] == ["hook"], "the token is cached"
    assert callers == [hook["channel"]["config"]["clientId"]] * 2


def test_with_a_client_secret(okta: OktaEmulator) -> None:
    """A hook can get its token from the org's authorization server with a client secret."""
    with FaultServer(json_answer(200, PATCH)) as handler:
        hook = okta.create_hook(handler.url, client_secret=SECRET)
        delivery = okta.fire(hook["id"])
    assert delivery.ok
    assert handler.requests[0].headers["authorization"].startswith("Bearer ey")
    assert SECRET not in repr(delivery)


def test_the_token_request(okta: OktaEmulator) -> None:
    """The token URL gets the form of RFC 7523 with an assertion for that URL by the hook key."""
    key = okta.create_key("hooks")
    with FaultServer(_good(), json_answer(200, PATCH)) as server:
        url = f"{server.url}/token"
        hook = okta.create_hook(server.url, key=key, token_url=url, client_id="0oa1")
        delivery = okta.fire(hook["id"])
        token, call = server.requests
    form = {name: value[0] for name, value in parse_qs(token.body.decode()).items()}
    assertion = form.pop("client_assertion")
    assert form == {
        "grant_type": "client_credentials",
        "scope": "hooks",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
    }
    keys = StaticKeys.from_jwk(okta.signer(key["keyId"]).public_jwk())
    verifier = HookVerifier.for_client_assertion(keys, client_id="0oa1", token_url=url)
    assert verifier.verify(assertion).kid == key["keyId"]
    assert call.headers["authorization"] == "Bearer T0KEN"
    assert call.headers["content-type"] == call.headers["accept"] == "application/json"
    for secret in (assertion, "T0KEN"):
        assert secret not in repr(delivery)
    assert delivery.steps[0].sent == {"client_assertion": f"signed with kid {key['keyId']}"}
    assert delivery.steps[1].sent == {"Authorization": "Bearer (5 characters)"}


def test_a_token_is_renewed_before_it_expires(key_pool: Any) -> None:
    """A token with a lifetime of 300 s is replaced after 271 s."""
    now = [1_700_000_000.0]
    with OktaEmulator(new_key=key_pool, clock=lambda: now[0]) as okta:
        key = okta.create_key("hooks")
        answers = (
            _good(),
            json_answer(200, {}),
            json_answer(200, {}),
            _good(),
            json_answer(200, {}),
        )
        with FaultServer(*answers) as server:
            hook = okta.create_hook(server.url, key=key, token_url=server.url, client_id="0oa1")
            assert [step.name for step in okta.fire(hook["id"]).steps] == ["token", "hook"]
            assert [step.name for step in okta.fire(hook["id"]).steps] == ["hook"]
            now[0] += 271
            assert [step.name for step in okta.fire(hook["id"]).steps] == ["token", "hook"]


@pytest.mark.parametrize(
    ("issued", "problem"),
    [
        (json_answer(401, {"error": "invalid_client"}), "answers 401 (invalid_client)"),
        (json_answer(401, {"error": "a\x1bb"}), "answers 401"),
        (json_answer(500, []), "answers 500"),
        (answer(200, b"<html>"), "JSON object"),
        (json_answer(200, {"expires_in": 5}), "without access_token"),
        (json_answer(200, {"access_token": "T", "expires_in": None}), "without expires_in"),
        (json_answer(200, {"access_token": "T", "expires_in": True}), "without expires_in"),
        (json_answer(200, {"access_token": "T"}), "without expires_in"),
        (json_answer(200, {"access_token": "a\nb", "expires_in": 5}), "without access_token"),
        (json_answer(200, {"access_token": "T", "expires_in": 10**400}), "without expires_in"),
        (answer(200, b'{"access_token": "T", "expires_in": NaN}'), "JSON object"),
        (answer(200, b'{"access_token": "T", "expires_in": 1e999}'), "JSON object"),
        (hang_up, "no connection"),
    ],
)
def test_a_failed_token_request(okta: OktaEmulator, issued: Any, problem: str) -> None:
    """If the token request fails, the hook is not called, and ``verdict`` gives the reason."""
    key = okta.create_key("hooks")
    with FaultServer(issued) as server:
        hook = okta.create_hook(server.url, key=key, token_url=server.url, client_id="0oa1")
        delivery = okta.fire(hook["id"])
        assert len(server.requests) == 1
    assert (delivery.outcome, delivery.ok) == ("failed", False)
    assert problem in delivery.verdict
    assert delivery.verdict.startswith("the token is issued without the hook's changes")


@pytest.mark.parametrize("with_secret", [False, True], ids=["key", "secret"])
def test_a_chosen_client_id(okta: OktaEmulator, with_secret: bool) -> None:
    """The org's server issues tokens for the client id that ``create_hook`` was given."""
    verifier = HookVerifier.for_access_token(
        IssuerKeys(okta.issuer), audience="api://hooks", client_id="0oa1hookclient4x7"
    )
    app = Flask(__name__)
    app.post("/hook")(HookKeyVerify(app, verifier).required(lambda: PATCH))
    key = okta.create_key("mine")
    how = {"client_secret": SECRET} if with_secret else {"key": key}
    with wsgi_server(app) as port:
        url = f"http://127.0.0.1:{port}/hook"
        for name in ("first", "second"):  # one client may have several hooks
            made = okta.create_hook(url, name=name, client_id="0oa1hookclient4x7", **how)
            assert made["channel"]["config"]["clientId"] == "0oa1hookclient4x7"
            assert okta.fire(made["id"]).outcome == "commands"
        other = okta.create_hook(url, name="other", **how)
        assert okta.fire(other["id"]).outcome != "commands"


def test_create_hook_returns_the_handlers_configuration(okta: OktaEmulator) -> None:
    """``create_hook`` returns what a handler needs; a verifier built from it accepts a token."""
    key, token_url = okta.create_key("mine"), f"{okta.issuer}/v1/token"
    setup = okta.create_hook("https://a.io/h", key="mine", client_id="0oa1")["_emulator"]
    assert setup == {
        "orgUrl": okta.url,
        "apiToken": okta.api_token,
        "tokenUrl": token_url,
        "clientId": "0oa1",
        "scope": "hooks",
        "issuer": okta.issuer,
        "audience": "api://hooks",
    }
    with IssuerKeys(setup["issuer"]) as keys:
        verifier = HookVerifier.for_access_token(
            keys, audience=setup["audience"], client_id=setup["clientId"], scopes=["hooks"]
        )
        verifier.verify(okta.access_token(setup["clientId"]))
    own: Any = {"key": key, "token_url": "https://a.io/t", "client_id": "0oa2", "scope": "a b"}
    setup = okta.create_hook("https://a.io/h", name="own", **own)["_emulator"]
    assert (setup["tokenUrl"], setup["clientId"], setup["scope"]) == (
        "https://a.io/t",
        "0oa2",
        "a b",
    )
    assert "issuer" not in setup
    assert "audience" not in setup
    setup = okta.create_hook("https://a.io/h", name="x", secret=("X-Secret", "s"))["_emulator"]
    assert setup == {"orgUrl": okta.url, "apiToken": okta.api_token}


def test_the_id_of_a_key_is_preferred_to_a_name(okta: OktaEmulator) -> None:
    """A hook gets the key with an id or keyId, even if an older key has it as its name."""
    older, key = okta.create_key("older"), okta.create_key("mine")
    for member in ("id", "keyId"):
        okta.org.rename(older["id"], {"name": key[member]})
        hook = okta.create_hook("https://a.io/h", key=key[member], name=member)
        assert hook["channel"]["config"]["hookKeyId"] == key["id"]
    hook = okta.create_hook("https://a.io/h", key="mine", name="name")
    assert hook["channel"]["config"]["hookKeyId"] == key["id"]


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"client_id": "0oa1"}, "client_id can only be used with key"),
        (
            {"token_url": "https://a.io/t", "scope": "s"},
            "token_url and scope can only be used with key",
        ),
        ({"client_id": "0oa1", "secret": ("X-S", "s")}, "client_id can only be used with key"),
        ({"key": "mine", "client_secret": "s"}, "key and client_secret cannot be combined"),
        ({"key": "mine", "secret": ("X-S", "s")}, "key and secret cannot be combined"),
        ({"key": "other"}, "key must be a hook key of this org"),
        ({"key": {}}, "key must be a hook key of this org"),
        ({"key": {"id": []}}, "key must be a hook key of this org"),
        ({"secret": 1}, "secret must be the name and the value of a header"),
        ({"secret": ("a",)}, "secret must be the name and the value of a header"),
        ({"client_id": []}, "client_id must be text"),
        ({"client_secret": "s", "scope": 1}, "scope must be text"),
    ],
)
def test_arguments_without_effect_are_refused(okta: OktaEmulator, given: Any, problem: str) -> None:
    """An argument that is invalid or would have no effect is refused, and no hook is created."""
    okta.create_key("mine")
    with pytest.raises(OktaError) as caught:
        okta.create_hook("https://a.io/h", **given)
    assert problem in str(caught.value)
    assert problem in caught.value.causes[0]
    assert okta.hooks.list() == []


def test_a_client_id_can_belong_to_one_client_only(okta: OktaEmulator) -> None:
    """A client id that belongs to another client is refused; a failed create reserves none."""
    url, key = "http://127.0.0.1:9/", okta.create_key("mine")
    okta.create_hook(url, key=key, client_id="0oa1")
    for how in ({"client_secret": SECRET}, {"key": okta.create_key("other")}):
        with pytest.raises(OktaError) as caught:
            okta.create_hook(url, name="2", client_id="0oa1", **how)
        assert "another client" in " ".join(caught.value.causes)
    with pytest.raises(OktaError):
        okta.create_hook("ftp://a", name="3", key=key, client_id="0oa3")
    assert okta.create_hook(url, name="4", client_secret=SECRET, client_id="0oa3")


def test_the_orgs_server_refuses_other_keys_and_scopes(okta: OktaEmulator) -> None:
    """The org's server refuses a key of another client and a scope that it did not grant."""
    uri, url = "http://127.0.0.1:9/", f"{okta.issuer}/v1/token"
    first, second = okta.create_key("first"), okta.create_key("second")
    okta.create_hook(uri, name="1", key=first, client_id="0oa1")
    other = okta.create_hook(uri, name="2", key=second, token_url=url, client_id="0oa1")
    assert "invalid_client" in okta.fire(other["id"]).verdict
    secret = okta.create_hook(uri, name="3", client_secret=SECRET, scope="")
    assert "invalid_scope" in okta.fire(secret["id"]).verdict


# --- the call


@pytest.mark.parametrize(
    ("kind", "attempts"),
    [(TOKENS, 1), (TELEPHONY, 1), (SAML, 2), (REGISTRATION, 2), (IMPORT, 2), (PASSWORD, 2)],
)
@pytest.mark.parametrize(
    ("behaviour", "repeated"),
    [
        (json_answer(500, {}), True),
        (json_answer(503, {}), True),
        (hang_up, True),
        (json_answer(400, {}), False),
        (json_answer(401, {}), False),
        (answer(302, b"", "Location: /elsewhere"), False),
        (json_answer(201, {}), False),
        (answer(200, b"x" * (256 * 1024 + 1)), False),
        (answer(200, b"no gzip", "Content-Encoding: gzip"), False),
    ],
)
def test_attempts(
    okta: OktaEmulator, kind: str, attempts: int, behaviour: Any, repeated: bool
) -> None:
    """Only 5xx or no response is retried, once, and never for token and telephony hooks."""
    with FaultServer(behaviour) as handler:
        hook = okta.create_hook(handler.url, kind)
        delivery = okta.fire(hook["id"])
        assert len(handler.requests) == (attempts if repeated else 1)
    assert delivery.outcome == "failed"
    assert delivery.verdict.startswith(CONSEQUENCES[kind])


def test_the_second_attempt_counts(okta: OktaEmulator) -> None:
    """A successful retry determines the outcome."""
    patch = {"commands": [{"type": "com.okta.assertion.patch", "value": []}]}
    with FaultServer(json_answer(503, {}), json_answer(200, patch)) as handler:
        delivery = okta.fire(okta.create_hook(handler.url, SAML)["id"])
    assert [step.status for step in delivery.steps] == [503, 200]
    assert delivery.outcome == "commands"


@pytest.mark.parametrize(
    "behaviour", [silence, drip(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 99, every=0.1)]
)
def test_a_slow_handler_times_out(
    okta: OktaEmulator, behaviour: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The timeout covers the whole response, even when the handler keeps sending bytes."""
    monkeypatch.setattr("hookkey_verify.emulator.delivery.TIMEOUT", 0.4)
    with FaultServer(behaviour) as handler:
        began = time.monotonic()
        delivery = okta.fire(okta.create_hook(handler.url)["id"])
        assert time.monotonic() - began < 2
    assert "no answer" in delivery.verdict
    assert delivery.steps[0].status is None


@pytest.mark.parametrize(
    ("status", "body", "outcome", "says"),
    [
        (204, b"", "no change", "changes nothing"),
        (200, b"", "no change", "changes nothing"),
        (200, b"{}", "no change", "changes nothing"),
        (200, b'{"commands": []}', "no change", "changes nothing"),
        (200, json.dumps(PATCH).encode(), "commands", "carried out"),
        (200, b"[]", "failed", "JSON object"),
        (200, b"<html>", "failed", "JSON object"),
        (200, b'{"commands": {}}', "failed", "/commands: commands must be an array"),
        (200, b'{"commands": [1]}', "failed", "/commands/0: A command must be an object"),
        (200, b'{"commands": 5}', "failed", "must be an array"),
        (200, b'{"commands": true}', "failed", "must be an array"),
        (
            200,
            b'{"commands": [{"type": "com.okta.assertion.patch"}]}',
            "failed",
            "/commands/0/type: The commands of this hook are",
        ),
        (200, b'{"commands": [{"type": ["x"]}]}', "failed", "/commands/0/type: The type"),
        (200, b'{"commands": [{}]}', "failed", "/commands/0/type: The type"),
        (200, b'{"a": NaN}', "failed", "JSON object"),
        (200, b'{"a": "\\ud800"}', "no change", "changes nothing"),
        (200, b"\xef\xbb\xbf{}", "failed", "JSON object"),
        (200, "{}".encode("utf-16"), "failed", "JSON object"),
        (200, b'{"a":' * 65 + b"1" + b"}" * 65, "no change", "changes nothing"),
        (200, b'{"a":' * 50_000, "failed", "JSON object"),
        (200, b'{"error": {"errorSummary": "No."}}', "error", "No."),
        (200, b'{"error": "x"}', "failed", "/error: error must be an object"),
        (200, b"x" * (256 * 1024 + 1), "failed", "larger than"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_hook_responses(
    okta: OktaEmulator, status: int, body: bytes, outcome: str, says: str
) -> None:
    """Status and body of the response determine ``outcome`` and ``verdict``."""
    with FaultServer(answer(status, body)) as handler:
        delivery = okta.fire(okta.create_hook(handler.url)["id"])
    assert (delivery.outcome, says in delivery.verdict) == (outcome, True), delivery.verdict
    assert delivery.ok is (outcome in ("no change", "commands"))
    assert delivery.steps[-1].ok is (outcome != "failed")


def test_a_changed_client_gets_a_new_token(okta: OktaEmulator) -> None:
    """A changed token URL invalidates the cached token, even within the same second."""
    key = okta.create_key("hooks")
    with FaultServer(_good(), json_answer(200, PATCH)) as old, FaultServer(_good()) as new:
        url = f"{old.url}/hook"
        hook = okta.create_hook(url, key=key, token_url=old.url, client_id="0oa1")
        okta.fire(hook["id"])
        document = okta.hooks.get(hook["id"]).document()
        document["channel"]["config"] |= {"tokenUrl": new.url, "hookKeyId": key["id"]}
        okta.hooks.replace(hook["id"], document)
        delivery = okta.fire(hook["id"])
        assert [step.name for step in delivery.steps] == ["token", "hook"]
        assert len(new.requests) == 1


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("s3cret", "(6 characters)"),
        ("correct horse battery", "(21 characters)"),
        ("Bearer s3cret", "Bearer (6 characters)"),
    ],
)
def test_secrets_are_redacted(okta: OktaEmulator, value: str, shown: str) -> None:
    """Only the length of a secret is shown; the scheme ``Bearer`` is not part of it."""
    with FaultServer(json_answer(200, {})) as handler:
        delivery = okta.fire(okta.create_hook(handler.url, secret=("X-Secret", value))["id"])
    assert delivery.steps[0].sent == {"X-Secret": shown}


def test_an_empty_event_is_sent(okta: OktaEmulator) -> None:
    """An empty dict is sent as it is; only None generates an event."""
    with FaultServer(json_answer(200, {})) as handler:
        okta.fire(okta.create_hook(handler.url)["id"], {})
        assert handler.requests[0].body == b"{}"


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_payloads(okta: OktaEmulator, kind: str) -> None:
    """A generated event has Okta's envelope and a new id each time; a given event is sent as is."""
    with FaultServer(json_answer(200, {})) as handler:
        hook = okta.create_hook(handler.url, kind, secret=("X-Secret", SECRET))
        okta.fire(hook["id"])
        okta.fire(hook["id"])
        okta.fire(hook["id"], {"mine": 1})
        first, second, given = (json.loads(request.body) for request in handler.requests)
        assert handler.requests[0].headers["x-secret"] == SECRET
    assert first["eventType"] == kind
    assert {"eventId", "eventTime", "data", "cloudEventVersion", "contentType"} <= set(first)
    assert first["eventId"] != second["eventId"]
    assert set(first) == set(second)
    assert given == {"mine": 1}


def test_bytes_are_sent_unchanged(okta: OktaEmulator) -> None:
    """An event given as bytes reaches the hook byte for byte, and the delivery keeps it."""
    event = b' {"eventType":\t"x",  "a": 1.0, "a": "\\u00e9"}\n'
    with FaultServer(json_answer(200, {})) as handler:
        delivery = okta.fire(okta.create_hook(handler.url)["id"], event)
        assert handler.requests[0].body == event
    assert delivery.body == event
    assert "body" not in delivery.document()


def test_a_variant_is_sent(okta: OktaEmulator) -> None:
    """``fire`` sends the variant that it is given, and otherwise the first one of the type."""
    with FaultServer(json_answer(200, {})) as handler:
        hook = okta.create_hook(handler.url)
        okta.fire(hook["id"], variant="refresh")
        okta.fire(hook["id"])
        refresh, first = (parse_hook(request.body) for request in handler.requests)
    assert isinstance(refresh, TokenHook)
    assert isinstance(first, TokenHook)
    assert (refresh.is_refresh, first.is_refresh) == (True, False)


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"variant": "voice"}, "variant must be one of authorization-code, implicit, refresh"),
        ({"variant": ""}, "variant must be one of"),
        ({"variant": ["refresh"]}, "variant must be one of"),
        ({"variant": "refresh", "body": {}}, "variant cannot be combined with a body"),
        ({"body": {"a": object()}}, "body must be a JSON object"),
        ({"body": "text"}, "body must be a JSON object"),
        ({"body": []}, "body must be a JSON object"),
        ({"body": 5}, "body must be a JSON object"),
    ],
)
def test_events_that_cannot_be_sent(okta: OktaEmulator, given: Any, problem: str) -> None:
    """An unknown variant and a body that is not JSON are refused before the hook is called."""
    with FaultServer(json_answer(200, {})) as handler:
        hook = okta.create_hook(handler.url)
        with pytest.raises(ConfigurationError, match=problem):
            okta.fire(hook["id"], **given)
        assert handler.requests == []
    assert not okta.deliveries


def test_the_authorization_servers_documents(okta: OktaEmulator) -> None:
    """Discovery leads to the current keys, even after a rotation; another server id gets 404."""
    keys = IssuerKeys(okta.issuer)
    server = okta.authorization_server
    old = server.signer.kid
    assert keys.get(old).kid == old
    new = server.rotate().kid
    assert new != old
    keys.close()
    with IssuerKeys(okta.issuer) as fresh:
        assert fresh.get(new).kid == new
    elsewhere = okta.issuer[:-1] + "_"
    for path in ("/v1/keys", "/.well-known/openid-configuration"):
        assert requests.get(elsewhere + path, timeout=10).status_code == 404
    assert requests.get(f"{okta.issuer}/.well-known/other", timeout=10).status_code == 404
    found = requests.get(f"{okta.issuer}/.well-known/oauth-authorization-server", timeout=10)
    assert found.json()["issuer"] == okta.issuer
