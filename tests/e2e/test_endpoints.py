"""``serve`` gives the same responses in every adapter, on real servers where possible."""

from __future__ import annotations

import base64
import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any
from urllib.parse import urlencode

import fastapi
import flask
import pytest
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.handlers.wsgi import WSGIHandler
from django.test.utils import override_settings
from django.urls import path, set_urlconf
from starlette.applications import Starlette
from starlette.routing import Route

from hookkey_verify import (
    ConfigurationError,
    HookSigner,
    HookVerifier,
    StaticKeys,
    TokenEndpoint,
    asgi,
    aws_lambda,
    wsgi,
)
from hookkey_verify import django as for_django
from hookkey_verify import fastapi as for_fastapi
from hookkey_verify import flask as for_flask
from hookkey_verify import starlette as for_starlette
from hookkey_verify.endpoint import Endpoint
from hookkey_verify.jwks_bridge import JwksEndpoint
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.signing_key import SigningKey
from hookkey_verify.token_endpoint import ASSERTION_TYPE, MAX_BODY

from ..conftest import CLIENT_ID, TOKEN_URL
from ..servers import asgi_server, wsgi_server

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
METHODS = ["GET", "POST", "HEAD", "PUT"]

Reply = tuple[int, dict[str, str], bytes]
Send = Callable[..., Reply]
Served = Callable[[Endpoint], AbstractContextManager[Send]]


def _over(port: int) -> Send:
    def send(method: str, body: bytes = b"", *, chunked: bool = False, **headers: str) -> Reply:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        pieces = (body[at : at + 1000] for at in range(0, len(body), 1000))
        connection.request(
            method, "/it", pieces if chunked else body, fields, encode_chunked=chunked
        )
        answer = connection.getresponse()
        reply = answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read()
        connection.close()
        return reply

    return send


@contextmanager
def in_flask(endpoint: Endpoint) -> Iterator[Send]:
    app = flask.Flask(__name__)
    app.route("/it", methods=METHODS)(for_flask.serve(endpoint))
    app.route("/more", methods=METHODS)(for_flask.serve(JwksEndpoint({"keys": []})))
    with wsgi_server(app) as port:
        yield _over(port)


@contextmanager
def in_fastapi(endpoint: Endpoint) -> Iterator[Send]:
    app = fastapi.FastAPI()
    app.add_route("/it", for_fastapi.serve(endpoint), methods=METHODS)
    with asgi_server(app) as port:
        yield _over(port)


@contextmanager
def in_starlette(endpoint: Endpoint) -> Iterator[Send]:
    route = Route("/it", for_starlette.serve(endpoint), methods=METHODS)
    with asgi_server(Starlette(routes=[route])) as port:
        yield _over(port)


@contextmanager
def _django(endpoint: Endpoint) -> Iterator[None]:
    urls = (path("it", for_django.serve(endpoint)),)
    csrf = "django.middleware.csrf.CsrfViewMiddleware"
    with override_settings(ROOT_URLCONF=urls, MIDDLEWARE=[csrf], ALLOWED_HOSTS=["*"]):
        set_urlconf(None)
        assert urls == settings.ROOT_URLCONF
        yield


@contextmanager
def in_django_wsgi(endpoint: Endpoint) -> Iterator[Send]:
    with _django(endpoint), wsgi_server(WSGIHandler()) as port:
        yield _over(port)


@contextmanager
def in_django_asgi(endpoint: Endpoint) -> Iterator[Send]:
    with _django(endpoint), asgi_server(get_asgi_application()) as port:
        yield _over(port)


@contextmanager
def in_asgi(endpoint: Endpoint) -> Iterator[Send]:
    with asgi_server(asgi.serve(endpoint)) as port:
        yield _over(port)


@contextmanager
def in_wsgi(endpoint: Endpoint) -> Iterator[Send]:
    with wsgi_server(wsgi.serve(endpoint)) as port:
        yield _over(port)


@contextmanager
def in_lambda(endpoint: Endpoint) -> Iterator[Send]:
    handler = aws_lambda.serve(endpoint)

    def send(method: str, body: bytes = b"", *, chunked: bool = False, **headers: str) -> Reply:
        event = {
            "requestContext": {"http": {"method": method}},
            "headers": {name.replace("_", "-"): value for name, value in headers.items()},
            "body": base64.b64encode(body).decode() if chunked else body.decode("latin-1"),
            "isBase64Encoded": chunked,
        }
        answer = handler(event, None)
        fields = {name.lower(): value for name, value in answer["headers"].items()}
        return answer["statusCode"], fields, answer["body"].encode()

    yield send


ADAPTERS: tuple[Served, ...] = (
    *(in_flask, in_fastapi, in_starlette, in_django_wsgi, in_django_asgi),
    *(in_asgi, in_wsgi, in_lambda),
)


@pytest.fixture
def endpoint(keys: StaticKeys) -> TokenEndpoint:
    replay = MemoryReplayStore(single_process=True)
    verifier = HookVerifier.for_client_assertion(
        keys, client_id=CLIENT_ID, token_url=TOKEN_URL, replay=replay
    )
    return TokenEndpoint(
        verifier, signing_key=SigningKey.generate(), issuer="i", audience="a", scopes=["hooks"]
    )


def form(signer: HookSigner) -> bytes:
    assertion = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    fields = {"client_assertion_type": ASSERTION_TYPE, "client_assertion": assertion}
    return urlencode({"grant_type": "client_credentials", **fields}).encode()


@pytest.mark.parametrize("served", ADAPTERS, ids=lambda served: served.__name__)
def test_tokens(served: Served, endpoint: TokenEndpoint, signer: HookSigner) -> None:
    """Every adapter issues one token per assertion and refuses bad requests as in RFC 6749.

    Bodies with a known length and chunked bodies give the same result.
    """
    with served(endpoint) as send:
        for chunked in (False, True):
            body = form(signer)
            status, headers, answer = send("POST", body, chunked=chunked, **FORM)
            assert status == 200
            assert headers["content-type"] == "application/json"
            assert (headers["cache-control"], headers["pragma"]) == ("no-store", "no-cache")
            endpoint.verifier.verify(json.loads(answer)["access_token"])
            again, headers, answer = send("POST", body, chunked=chunked, **FORM)
            assert (again, json.loads(answer)["error"]) == (401, "invalid_client")
            assert headers["cache-control"] == "no-store"
        for method, content, fields, expected in (
            ("POST", b"", FORM, 400),
            ("POST", form(signer), {}, 400),
            ("POST", form(signer), {"Content_Type": "application/json"}, 400),
            ("POST", form(signer), {**FORM, "Authorization": "Basic eDp5"}, 400),
            ("POST", b"a=" + b"x" * MAX_BODY, FORM, 413),
            ("PUT", form(signer), FORM, 405),
            ("GET", b"", {}, 405),
        ):
            status, headers, answer = send(method, content, **fields)
            assert (status, method) == (expected, method)
            assert "error" in json.loads(answer)
        assert send("POST", form(signer), **FORM)[0] == 200


@pytest.mark.parametrize("served", ADAPTERS, ids=lambda served: served.__name__)
def test_keys(served: Served, endpoint: TokenEndpoint) -> None:
    """Every adapter serves the JWK Set, and returns 304 for a matching ``If-None-Match``."""
    with served(JwksEndpoint(endpoint.jwks)) as send:
        status, headers, body = send("GET")
        assert (status, json.loads(body)) == (200, endpoint.jwks)
        assert headers["content-type"] == "application/jwk-set+json"
        assert headers["cache-control"] == "public, max-age=300"
        status, headers, body = send("GET", if_none_match=headers["etag"])
        assert (status, body) == (304, b"")
        assert send("HEAD")[0] == 200
        assert send("HEAD")[2] == b""
        assert send("POST", b"x" * 100_000)[0] == 405


def test_what_is_no_endpoint() -> None:
    """``serve`` raises for an object that is not an endpoint."""
    modules: list[Any] = [asgi, wsgi, aws_lambda, for_django, for_flask, for_starlette]
    for module in modules:
        with pytest.raises(ConfigurationError, match="endpoint must be"):
            module.serve(object())


def test_what_is_not_http(endpoint: TokenEndpoint) -> None:
    """An ASGI endpoint raises for a websocket, and a Lambda answers incomplete events."""
    call: Any = asgi.serve(endpoint)({"type": "websocket"}, None, None)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="answers HTTP"):
        call.send(None)
    handler = aws_lambda.serve(endpoint)
    events: list[Any] = [
        {},
        [],
        {"httpMethod": "POST", "body": None},
        {"httpMethod": "POST", "body": "?", "isBase64Encoded": True, "headers": FORM},
    ]
    assert [handler(event, None)["statusCode"] for event in events] == [405, 405, 400, 400]
