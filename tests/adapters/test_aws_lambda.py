"""The Lambda adapter, beyond the end-to-end tests that all adapters share."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from hookkey_verify import ConfigurationError, HookSigner, HookVerifier, StaticKeys
from hookkey_verify.aws_lambda import HOOK, authorize, protect
from hookkey_verify.errors import KeySourceConfigurationError, KeyUnavailableError

from ..conftest import CLIENT_ID, TOKEN_URL

ARN = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3/prod/POST/hooks/token"


@pytest.fixture
def token(signer: HookSigner) -> str:
    return signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)


class Failing:
    """A verifier that raises."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def verify_headers(self, headers: Any) -> Any:
        raise self._error

    async def averify_headers(self, headers: Any) -> Any:
        raise self._error


def test_the_event_is_not_changed(verifier: HookVerifier, token: str) -> None:
    """The handler gets a copy of the event with the hook; a hook in the event is ignored."""
    seen: list[Any] = []

    @protect(verifier)
    def handler(event: dict[str, Any], context: Any) -> Any:
        """Handle."""
        seen.append((event[HOOK].subject, event["body"], context))
        return {"statusCode": 200}

    event = {"headers": {"Authorization": f"Bearer {token}"}, "body": "b"}
    assert handler(event, "context") == {"statusCode": 200}
    assert seen == [(CLIENT_ID, "b", "context")]
    assert HOOK not in event
    assert (handler.__name__, handler.__doc__) == ("handler", "Handle.")
    assert handler({HOOK: "forged", "headers": {}}, None)["statusCode"] == 401
    assert len(seen) == 1


@pytest.mark.parametrize(
    "event",
    [
        {},
        {"headers": None},
        {"headers": None, "multiValueHeaders": None, "requestContext": None},
        {"headers": {"Authorization": None}},
        {"multiValueHeaders": {"Authorization": None}},
        {"multiValueHeaders": {"Authorization": []}},
        {"headers": [], "requestContext": {"http": None}},
        {"Records": [{"body": "sqs"}]},
        None,
        "text",
        [],
    ],
    ids=str,
)
def test_events_without_credentials(verifier: HookVerifier, event: Any) -> None:
    """Events without credentials, even those not from a gateway, get a gateway response."""

    def handler(event: dict[str, Any], context: Any) -> Any:
        raise AssertionError("the handler ran")

    answer = protect(verifier)(handler)(event, None)
    assert (answer["statusCode"], answer["isBase64Encoded"]) == (401, False)
    assert json.loads(answer["body"])["reason"] == "missing_token"


@pytest.mark.parametrize("other", ["", "Bearer", "Bearer x"])
def test_two_values_of_one_header(verifier: HookVerifier, token: str, other: str) -> None:
    """Two Authorization values are refused even if one is empty; a None value is ignored."""
    for values in ([other, f"Bearer {token}"], [f"Bearer {token}", other]):
        event = {"multiValueHeaders": {"Authorization": values}}
        answer = protect(verifier)(lambda event, context: 1 / 0)(event, None)
        assert json.loads(answer["body"])["reason"] == "multiple_tokens"
    only = {"multiValueHeaders": {"Authorization": [None, f"Bearer {token}"]}}
    assert protect(verifier)(lambda event, context: "ran")(only, None) == "ran"


@pytest.mark.parametrize(
    "event",
    [{"headers": {"Authorization": 5}}, {"multiValueHeaders": {"Authorization": 5}}],
    ids=str,
)
def test_events_of_odd_types(verifier: HookVerifier, event: Any) -> None:
    """A header value of the wrong type gets status 500, and the handler does not run."""
    ran: list[Any] = []
    answer = protect(verifier)(lambda event, context: ran.append(event))(event, None)
    assert (answer["statusCode"], json.loads(answer["body"])["reason"]) == (500, "configuration")
    assert ran == []


def test_the_challenge_of_an_event_hook(verifier: HookVerifier) -> None:
    """The adapter answers a challenge in a GET event of a REST API or an HTTP API."""
    handler = protect(verifier, event_hook=True)(lambda event, context: 1 / 0)
    headers = {"x-okta-verification-challenge": "v"}
    for more in ({"httpMethod": "GET"}, {"requestContext": {"http": {"method": "GET"}}}):
        answer = handler({"headers": headers, **more}, None)
        assert (answer["statusCode"], json.loads(answer["body"])) == (200, {"verification": "v"})
    assert handler({"headers": headers, "httpMethod": "POST"}, None)["statusCode"] == 401


# --- authorizers


def _events(token: str) -> dict[str, dict[str, Any]]:
    bearer = f"Bearer {token}"
    return {
        "TOKEN": {"type": "TOKEN", "methodArn": ARN, "authorizationToken": bearer},
        "REQUEST": {
            "type": "REQUEST",
            "methodArn": ARN,
            "headers": {"Authorization": bearer},
            "multiValueHeaders": {"Authorization": [bearer]},
        },
        "HTTP API": {
            "version": "2.0",
            "type": "REQUEST",
            "routeArn": ARN,
            "identitySource": [bearer],
            "headers": {"authorization": bearer},
        },
    }


@pytest.mark.parametrize("kind", ["TOKEN", "REQUEST", "HTTP API"])
def test_a_policy(verifier: HookVerifier, signer: HookSigner, token: str, kind: str) -> None:
    """The policy allows a good token and denies a bad one, for exactly the called method."""
    authorizer = authorize(verifier)
    allowed = authorizer(_events(token)[kind], None)
    denied = authorizer(_events("a.b.c")[kind], None)
    for policy, effect in ((allowed, "Allow"), (denied, "Deny")):
        assert policy["policyDocument"] == {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": effect, "Resource": ARN}],
        }
    assert allowed["principalId"] == CLIENT_ID
    assert allowed["context"] == {"kid": signer.kid, "subject": CLIENT_ID}
    assert denied["context"] == {"reason": "malformed_token"}
    assert token not in json.dumps(denied)


def test_a_policy_for_the_stage(verifier: HookVerifier, token: str) -> None:
    """With covers="stage", an allowing policy covers the API stage; a denial does not."""
    authorizer = authorize(verifier, covers="stage")
    stage = "arn:aws:execute-api:eu-central-1:123456789012:a1b2c3/prod/*"
    [allowed] = authorizer(_events(token)["TOKEN"], None)["policyDocument"]["Statement"]
    [denied] = authorizer(_events("x")["TOKEN"], None)["policyDocument"]["Statement"]
    assert (allowed["Resource"], denied["Resource"]) == (stage, ARN)


def test_a_simple_response(keys: StaticKeys, signer: HookSigner) -> None:
    """The simple response for HTTP APIs has a context of strings only."""
    verifier = HookVerifier(keys, issuer=None, audience=None)
    claims = {"cid": "c", "sub": "s", "scp": ["a", "b"], "exp": int(time.time()) + 60}
    authorizer = authorize(verifier, response="simple")
    allowed = authorizer(_events(signer.sign(claims))["HTTP API"], None)
    facts = {"kid": signer.kid, "subject": "s", "clientId": "c", "scopes": "a b"}
    assert allowed == {"isAuthorized": True, "context": facts}
    denied = authorizer({"headers": {}}, None)
    assert denied == {"isAuthorized": False, "context": {"reason": "missing_token"}}


@pytest.mark.parametrize("response", ["iam", "simple"])
@pytest.mark.parametrize("error", [KeyUnavailableError("x"), KeySourceConfigurationError("x")])
def test_what_is_not_the_senders_fault(response: Any, error: Exception, token: str) -> None:
    """The authorizer raises on a key source error, so that the gateway caches no denial."""
    authorizer = authorize(Failing(error), response=response)
    with pytest.raises(type(error)) as caught:
        authorizer(_events(token)["REQUEST"], None)
    assert caught.value is error
    assert token not in repr(caught.value)


def test_an_event_of_something_else(verifier: HookVerifier, token: str) -> None:
    """The authorizer raises for an event without the ARN that a policy needs."""
    with pytest.raises(ConfigurationError, match="methodArn"):
        authorize(verifier)({"headers": {"Authorization": f"Bearer {token}"}}, None)
    with pytest.raises(ConfigurationError, match="methodArn"):
        authorize(verifier)(None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "named"),
    [({"response": "xml"}, "response"), ({"covers": "*"}, "covers")],
)
def test_wrong_arguments(verifier: HookVerifier, options: Any, named: str) -> None:
    """A wrong argument raises at construction, and the error names it."""
    with pytest.raises(ConfigurationError, match=named):
        authorize(verifier, **options)
    with pytest.raises(ConfigurationError, match="verifier"):
        protect(None)  # type: ignore[arg-type]
