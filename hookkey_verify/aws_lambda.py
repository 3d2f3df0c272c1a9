"""Protect AWS Lambda functions behind an API Gateway, a function URL or a load balancer.

::

    @protect(verifier)
    def handler(event, context):
        event["hookkey_verify.hook"]    # the VerifiedHook

    authorizer = authorize(verifier)    # or a Lambda authorizer, in front of any integration

Create the verifier and call ``keys.warm_up(…)`` at import time, because Lambda gives the
initialization more CPU, and Okta waits only three seconds for the first response.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any, Literal

from .endpoint import Endpoint, checked
from .errors import ConfigurationError
from .guard import Guard, HttpAnswer, HttpRefusal, OnRefusal, RequestVerifier
from .verifier import VerifiedHook

__all__ = ["HOOK", "Handler", "authorize", "protect", "serve"]

Handler = Callable[[dict[str, Any], Any], Any]
"""A Lambda function: takes the event and the context, and returns the response."""

HOOK = "hookkey_verify.hook"
"""The key of the ``VerifiedHook`` in the event of a verified request."""


def protect(
    verifier: RequestVerifier, *, on_refusal: OnRefusal | None = None, event_hook: bool = False
) -> Callable[[Handler], Handler]:
    """Run a handler only for verified requests; takes the arguments of ``Guard``.

    It supports events of REST APIs (1.0), HTTP APIs and function URLs (2.0) and Application Load
    Balancers, with single or multi-value headers. Raises ``ConfigurationError``.
    """
    guard = Guard(verifier, on_refusal=on_refusal, event_hook=event_hook)

    def decorate(handler: Handler) -> Handler:
        @wraps(handler)
        def protected(event: dict[str, Any], context: Any) -> Any:
            outcome = guard.check(_headers(event), _method(event))
            if isinstance(outcome, VerifiedHook):
                return handler({**event, HOOK: outcome}, context)
            return _response(outcome, event)

        return protected

    return decorate


def authorize(
    verifier: RequestVerifier,
    *,
    response: Literal["iam", "simple"] = "iam",
    covers: Literal["method", "stage"] = "method",
) -> Handler:
    """Return the handler of a Lambda authorizer.

    ``verifier``: verifies the request headers.
    ``response``: "simple" for an HTTP API with simple responses, otherwise "iam" (the default).
    ``covers``: what the IAM policy allows: the requested "method" (the default) or the whole
        "stage". The gateway caches the policy for the token (300 seconds by default), so with
        "method" it denies later requests with the same token for other methods.

    A bad token is denied, and the gateway answers 403. Errors that are not the sender's fault raise
    a ``HookKeyError``: the gateway answers 500, which Okta may retry, and caches no denial. The
    authorizer context has ``reason``, or ``kid``, ``subject``, ``clientId`` and ``scopes``. Raises
    ``ConfigurationError``.
    """
    if response not in ("iam", "simple"):
        raise ConfigurationError('response must be "iam" or "simple"')
    if covers not in ("method", "stage"):
        raise ConfigurationError('covers must be "method" or "stage"')
    guard = Guard(verifier)

    def authorizer(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001
        outcome = guard.check(_headers(event))
        if isinstance(outcome, HttpRefusal) and outcome.status >= 500:
            raise outcome.error from None
        allowed, facts = isinstance(outcome, VerifiedHook), _facts(outcome)
        if response == "simple":
            return {"isAuthorized": allowed, "context": facts}
        arn = _arn(event)
        if allowed and covers == "stage":
            arn = "/".join(arn.split("/")[:2]) + "/*"
        statement = {
            "Action": "execute-api:Invoke",
            "Effect": "Allow" if allowed else "Deny",
            "Resource": arn,
        }
        return {
            "principalId": facts.get("subject") or "okta-hook",
            "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
            "context": facts,
        }

    return authorizer


def serve(endpoint: Endpoint) -> Handler:
    """Return a handler that answers with an endpoint, for the events that ``protect`` supports.

    Raises ``ConfigurationError``.
    """
    checked(endpoint)

    def handler(event: dict[str, Any], context: Any) -> Any:  # noqa: ARG001
        answer = endpoint.respond(_method(event), _headers(event), _body(event))
        return _response(answer, event)

    return handler


def _body(event: Any) -> bytes:
    body = event.get("body") if isinstance(event, Mapping) else None
    if not isinstance(body, str):
        return b""
    if not event.get("isBase64Encoded"):
        return body.encode("utf-8", "surrogatepass")
    try:
        return b64decode(body, validate=True)
    except ValueError:
        return b""


def _headers(event: Any) -> list[tuple[str, str]]:
    """Return the request headers of an event; empty if it is not an HTTP event."""
    if not isinstance(event, Mapping):
        return []
    if isinstance(event.get("authorizationToken"), str):  # a TOKEN authorizer
        return [("authorization", event["authorizationToken"])]
    several = _member(event, "multiValueHeaders")
    lists = several or _member(event, "headers")
    pairs = (
        (name, v) for name, vs in lists.items() for v in (vs if isinstance(vs, list) else [vs])
    )
    # Test events of the AWS console have null for absent headers.
    return [(name, value) for name, value in pairs if value is not None]


def _member(event: Any, name: str) -> Mapping[str, Any]:
    """Return a member that is an object, or an empty mapping."""
    value = event.get(name) if isinstance(event, Mapping) else None
    return value if isinstance(value, Mapping) else {}


def _method(event: Any) -> str:
    http = _member(_member(event, "requestContext"), "http")
    return str(http.get("method") or (isinstance(event, Mapping) and event.get("httpMethod")) or "")


def _response(answer: HttpAnswer, event: Any) -> dict[str, Any]:
    made: dict[str, Any] = {
        "statusCode": answer.status,
        "headers": dict(answer.headers),
        "body": answer.body.decode(),
        "isBase64Encoded": False,
    }
    if "elb" in _member(event, "requestContext"):
        made["statusDescription"] = answer.status_line
        if "multiValueHeaders" in event:
            made["multiValueHeaders"] = {name: [value] for name, value in answer.headers}
            del made["headers"]
    return made


def _arn(event: Any) -> str:
    named = event if isinstance(event, Mapping) else {}
    arn = named.get("methodArn") or named.get("routeArn")
    if not isinstance(arn, str):
        raise ConfigurationError(
            "the event has no methodArn or routeArn, so it is not for an authorizer"
        )
    return arn


def _facts(outcome: VerifiedHook | HttpAnswer) -> dict[str, str]:
    """Return strings only, because the gateway refuses nested values."""
    if isinstance(outcome, VerifiedHook):
        facts = {
            "kid": outcome.kid,
            "subject": outcome.subject,
            "clientId": outcome.client_id,
            "scopes": " ".join(outcome.scopes),
        }
        return {name: value for name, value in facts.items() if value}
    return {"reason": str(outcome.error.reason)} if isinstance(outcome, HttpRefusal) else {}
