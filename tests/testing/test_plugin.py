"""The pytest plugin, in separate pytest processes as users run it, and its helper functions."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from django.test import Client
from django.test.utils import override_settings
from django.urls import path
from flask import Flask

from hookkey_verify import ConfigurationError, HookSigner, HookVerifier, django, flask
from hookkey_verify.asgi import HookMiddleware as AsgiMiddleware
from hookkey_verify.aws_lambda import protect as protect_lambda
from hookkey_verify.emulator.payloads import VARIANTS
from hookkey_verify.errors import Reason
from hookkey_verify.hooks import TelephonyHook, TokenHook, TokenReply, parse_hook
from hookkey_verify.hooks.rules import EVENT_TYPES
from hookkey_verify.testing import BadToken, assert_valid_reply, hook_request, verified_hook
from hookkey_verify.wsgi import HookMiddleware as WsgiMiddleware

from ..conftest import CLIENT_ID, TOKEN_URL
from ..test_readme import GUIDES_PYTHON

USER_TESTS = """
import threading
from wsgiref.simple_server import WSGIRequestHandler, make_server

import pytest
from flask import Flask, g

from hookkey_verify import ApiToken, HookKeys, HookSigner, HookVerificationError, HookVerifier
from hookkey_verify import IssuerKeys, StaticKeys
from hookkey_verify.flask import protect
from hookkey_verify.hooks import TokenHook, TokenReply
from hookkey_verify.testing import bad_tokens as make_bad_tokens

CLIENT, URL = "0oa1", "https://acme.com/token"
own = HookSigner.generate()
ZOO = make_bad_tokens(own, client_id=CLIENT, token_url=URL)


def app_with(verifier):
    app = Flask(__name__)
    app.post("/hook")(protect(verifier)(lambda: {"commands": []}))
    return app


def test_with_hook_keys(okta_emulator, hook_signer, hook_request, bad_tokens):
    keys = HookKeys(okta_emulator.url, ApiToken(okta_emulator.api_token))
    verifier = HookVerifier.for_client_assertion(keys, client_id=CLIENT, token_url=URL)
    client = app_with(verifier).test_client()
    token = hook_signer.client_assertion(client_id=CLIENT, token_url=URL)
    assert client.post("/hook", **hook_request(token)).status_code == 200
    assert client.post("/hook", **hook_request(None)).status_code == 401
    assert len(bad_tokens(client_id=CLIENT, token_url=URL)) == 50
    keys.close()


def test_with_issuer_keys(okta_emulator, hook_access_token, bad_access_tokens, hook_request):
    with IssuerKeys(okta_emulator.issuer) as keys:
        for given in ({}, {"client_id": "0oa2", "audience": "api://mine", "scopes": ["a", "b"]}):
            want = {"client_id": "0oa1hookclient4x7", "audience": "api://hooks"}
            want |= {"scopes": ["hooks"], **given}
            verifier = HookVerifier.for_access_token(keys, **want)
            hook = verifier.verify(hook_access_token(**given))
            assert (hook.client_id, hook.audience) == (want["client_id"], (want["audience"],))
            assert [*hook.scopes] == want["scopes"]
            client, zoo = app_with(verifier).test_client(), bad_access_tokens(**given)
            assert len(zoo) >= 50
            for bad in zoo:
                with pytest.raises(HookVerificationError) as caught:
                    verifier.verify(bad.token)
                assert caught.value.reason == bad.reason, bad
                if bad.header_safe:
                    answer = client.post("/hook", **hook_request(bad.token))
                    assert answer.status_code in (401, 403), bad
            assert [bad.name for bad in zoo if not bad.header_safe] == ["trailing line break"]


def test_fired_as_a_client(okta_emulator, hook_key, fire_hook):
    delivery = fire_hook("http://127.0.0.1:9/", key=hook_key, client_id="0oa7")
    assert delivery.steps[0].status == 200
    [hook] = okta_emulator.hooks.list()
    assert hook["channel"]["config"]["clientId"] == "0oa7"


@pytest.mark.parametrize("bad", ZOO, ids=lambda bad: bad.name)
def test_the_zoo(bad):
    keys = StaticKeys.from_jwk(own.public_jwk())
    verifier = HookVerifier.for_client_assertion(keys, client_id=CLIENT, token_url=URL)
    with pytest.raises(HookVerificationError) as caught:
        verifier.verify(bad.token)
    assert caught.value.reason == bad.reason


def test_fired(okta_emulator, hook_key, fire_hook):
    with IssuerKeys(okta_emulator.issuer) as keys:
        verifier = HookVerifier.for_access_token(keys, audience="api://hooks", client_id=None)
        server = make_server("127.0.0.1", 0, app_with(verifier), handler_class=Quiet)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        uri = f"http://127.0.0.1:{server.server_port}/hook"
        assert fire_hook(uri, key=hook_key).outcome == "no change"
        assert fire_hook(uri).steps[-1].status == 401
        delivery = fire_hook(uri, key=hook_key, variant="refresh")
        assert b"originalGrant" in delivery.body
        assert fire_hook(uri, key=hook_key, body=delivery.body).body == delivery.body
        server.shutdown()
        server.server_close()


def test_replies(hook_request, assert_valid_reply):
    request = hook_request(None, variant="client-credentials")["json"]
    good = TokenReply().access_claim("team", "blue")
    assert_valid_reply(TokenHook, good, request, warnings=True)
    with pytest.raises(AssertionError, match="/commands/0/type: no_id_token: "):
        assert_valid_reply(TokenHook, TokenReply().id_claim("team", "blue"), request)


class Quiet(WSGIRequestHandler):
    def log_message(self, *_):
        pass


@pytest.mark.parametrize("number", range(30))
def test_fresh(okta_emulator, hook_key, number):
    assert [key["name"] for key in okta_emulator.org.list()] == ["pytest"]
"""


def test_as_users_have_it(tmp_path: Path) -> None:
    """Every fixture works in a separate project, and each test gets a fresh org."""
    (tmp_path / "test_mine.py").write_text(textwrap.dedent(USER_TESTS))
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-W", "error", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    assert "85 passed" in done.stdout


DJANGO = "from django.conf import settings\nsettings.configure()\n"


def test_the_documentation(tmp_path: Path) -> None:
    """Each test in the guides passes when it is pasted into a file.

    That of the tutorial belongs to its handler; tests/docs/test_tutorial.py runs both.
    """
    tests = [code for code in GUIDES_PYTHON if "\ndef test_" in code]
    blocks = [code for code in tests if 'import_module("hook")' not in code]
    assert len(blocks) == 10
    for number, code in enumerate(blocks):
        (tmp_path / f"test_{number}.py").write_text(code)
    (tmp_path / "conftest.py").write_text(DJANGO)
    # As in pyproject.toml: warnings of Starlette about httpx, and of an older one about anyio.
    ignored = ("Using `httpx` with", "The anyio.abc.BlockingPortal alias")
    warnings = ["-W", "error", *(f"-Wignore:{text}" for text in ignored)]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *warnings, "-p", "no:cacheprovider"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout
    assert "61 passed" in done.stdout


def test_it_imports_nothing_before_it_is_used(tmp_path: Path) -> None:
    """The installed plugin does not import heavy packages until a test uses a fixture."""
    (tmp_path / "test_mine.py").write_text(
        "import sys\n\ndef test_nothing():\n"
        "    heavy = {'requests', 'jwt', 'starlette', 'uvicorn', 'cryptography', 'flask'}\n"
        "    assert not heavy & set(sys.modules)\n"
        "    assert 'hookkey_verify.testing.plugin' in sys.modules\n"
    )
    only = ["-p", "no:cacheprovider", "-p", "hookkey_verify.testing.plugin"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", *only],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        env={"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PATH": ""},
        timeout=60,
    )
    assert done.returncode == 0, done.stdout


# --- hook_request and verified_hook


@pytest.fixture
def token(signer: HookSigner) -> str:
    return signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)


def test_for_django(verifier: HookVerifier, token: str) -> None:
    """``hook_request`` returns arguments for the test client of Django."""
    from types import ModuleType  # noqa: PLC0415

    from django.http import HttpRequest, JsonResponse  # noqa: PLC0415

    @django.protect(verifier)
    def view(request: HttpRequest) -> JsonResponse:
        return JsonResponse({"bytes": len(request.body)})

    site = ModuleType("site_of_the_plugin")
    site.urlpatterns = [path("hook", view)]  # type: ignore[attr-defined]
    with override_settings(ROOT_URLCONF=site):
        answer = Client().post("/hook", **hook_request(token, framework="django"))
        assert answer.status_code == 200
        assert answer.json()["bytes"] > 500


@pytest.mark.parametrize("kind", EVENT_TYPES)
def test_for_flask(verifier: HookVerifier, token: str, kind: Any) -> None:
    """``hook_request`` returns arguments for the test client of Flask, for each type of hook."""
    from flask import request  # noqa: PLC0415

    app = Flask(__name__)

    def view() -> dict[str, Any]:
        return {"type": request.get_json()["eventType"]}

    app.post("/hook")(flask.protect(verifier)(view))
    answer = app.test_client().post("/hook", **hook_request(token, type=kind))
    assert answer.get_json() == {"type": kind}


def test_for_interfaces(verifier: HookVerifier, token: str) -> None:
    """A body that is given to ``hook_request`` reaches a WSGI, ASGI and Lambda handler."""
    bodies: list[bytes] = []

    def wsgi_app(environ: Any, start_response: Any) -> list[bytes]:
        bodies.append(environ["wsgi.input"].read(int(environ["CONTENT_LENGTH"])))
        return []

    async def asgi_app(scope: Any, receive: Any, send: Any) -> None:
        bodies.append((await receive())["body"])

    def handler(event: dict[str, Any], context: Any) -> None:
        bodies.append(event["body"].encode())

    body = {"mine": 1}
    environ = hook_request(token, framework="wsgi", body=body)
    WsgiMiddleware(wsgi_app, verifier)(environ, print)  # type: ignore[arg-type]
    scope = hook_request(token, framework="asgi", body=body)
    asyncio.run(AsgiMiddleware(asgi_app, verifier)(scope, scope["receive"], None))  # type: ignore[arg-type]
    protect_lambda(verifier)(handler)(hook_request(token, framework="lambda", body=body), None)
    assert bodies == [b'{"mine": 1}'] * 3


FRAMEWORKS = ("flask", "fastapi", "starlette", "django", "wsgi", "asgi", "lambda")


@pytest.mark.parametrize("framework", FRAMEWORKS)
@pytest.mark.parametrize("token", ["a.b.c\n", "a\rb", "a\0", "a\x7f", "\u20ac"])
def test_tokens_that_http_cannot_carry(framework: Any, token: str) -> None:
    """``hook_request`` refuses a token that an HTTP header cannot contain."""
    with pytest.raises(ConfigurationError, match="skip bad tokens whose header_safe is False"):
        hook_request(token, framework=framework, body={})
    assert not BadToken("x", Reason.MALFORMED_TOKEN, token).header_safe


def test_a_verified_hook() -> None:
    """``verified_hook`` returns a hook with the given claims, by default an access token's."""
    hook = verified_hook()
    assert (hook.client_id, hook.scopes, hook.audience) == (
        "0oa1hookclient4x7",
        ("hooks",),
        ("api://hooks",),
    )
    assert hook.expires_at - (hook.issued_at or 0) == 3600
    other = verified_hook(claims={"sub": "me"}, kid="k1", header={"alg": "ES256"})
    assert (other.claims, other.kid, other.header) == ({"sub": "me"}, "k1", {"alg": "ES256"})
    assert (other.client_id, other.scopes) == (None, ())


@pytest.mark.parametrize(
    ("claims", "problem"),
    [
        ({"aud": 5}, "aud must be a list of strings"),
        ({"cid": 5}, "cid must be a list of strings"),
        ({"scp": 5}, "scp must be a list of strings"),
        ({"iss": 5}, "iss must be a string"),
        ({"exp": "x"}, "exp must be a number"),
        ("sub", "claims and header must be mappings"),
    ],
)
def test_hooks_that_no_verifier_returns(claims: Any, problem: str) -> None:
    """``verified_hook`` refuses a claim of the wrong type, and the error names the claim."""
    with pytest.raises(ConfigurationError, match=problem):
        verified_hook(claims=claims)


def test_what_does_not_exist() -> None:
    """``hook_request`` refuses an unknown framework and an unknown type of hook."""
    with pytest.raises(ConfigurationError, match="framework 'rails'"):
        hook_request(None, framework="rails", body={})  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="no inline hook of the type"):
        hook_request(None, type="com.okta.nothing")


def test_variants() -> None:
    """``hook_request`` has the event of the variant that it is given."""
    for kind, variants in VARIANTS.items():
        for variant in variants:
            document = hook_request(None, type=kind, variant=variant)["json"]
            assert parse_hook(document).event_type == kind
    assert document["requestType"] == "com.okta.user.telephony.password-reset"
    with pytest.raises(ConfigurationError, match="variant must be one of create, match"):
        hook_request(None, type="com.okta.import.transform", variant="voice")
    with pytest.raises(ConfigurationError, match="variant cannot be combined with a body"):
        hook_request(None, variant="refresh", body={})


# --- assert_valid_reply


BROKEN = {"commands": [{"type": "com.okta.access.patch", "value": [{"op": "add"}]}], "later": 1}


def test_a_broken_reply() -> None:
    """The assertion lists path, rule and message of each error, and warnings only if asked to."""
    error = "error at /commands/0/value/0/path: path: path must be a JSON Pointer"
    warning = "warning at /later: unknown_member: Okta documents no such member."
    for kind in (TokenHook, TokenHook.EVENT_TYPE):
        with pytest.raises(AssertionError) as caught:
            assert_valid_reply(kind, BROKEN)
        assert error in str(caught.value)
        assert warning not in str(caught.value)
        with pytest.raises(AssertionError) as caught:
            assert_valid_reply(kind, BROKEN, warnings=True)
        assert error in str(caught.value)
        assert warning in str(caught.value)


def test_pytest_shows_the_line_of_the_test() -> None:
    """A failure points to the user's test, and not into this package."""
    with pytest.raises(AssertionError) as caught:
        assert_valid_reply(TokenHook, BROKEN)
    assert caught.traceback[-1].ishidden(caught)
    assert not caught.traceback[-2].ishidden(caught)


def test_a_valid_reply() -> None:
    """A valid reply passes in every form; one with warnings passes unless they are refused."""
    reply = TokenReply().access_claim("team", "blue")
    for form in (reply, reply.to_dict(), reply.to_json(), None):
        assert_valid_reply(TokenHook, form, warnings=True)
    assert_valid_reply(TokenHook, {"later": 1})
    with pytest.raises(AssertionError, match="warning at /later: unknown_member"):
        assert_valid_reply(TokenHook, {"later": 1}, warnings=True)
    with pytest.raises(AssertionError, match="error at the whole reply: no_content"):
        assert_valid_reply(TelephonyHook, None)


def test_a_reply_to_a_request() -> None:
    """With the request, the rules that depend on it are checked, whatever its form."""
    reply = TokenReply().id_claim("team", "blue")
    assert_valid_reply(TokenHook, reply)
    document = hook_request(None, variant="access-token-only")["json"]
    for request in (document, parse_hook(document)):
        with pytest.raises(AssertionError, match="no_id_token"):
            assert_valid_reply(TokenHook, reply, request)


def test_arguments_of_the_assertion() -> None:
    """A type or a request of the wrong kind is a mistake in the test, not a broken reply."""
    with pytest.raises(ConfigurationError, match="hook_type must be"):
        assert_valid_reply(5, {})  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="request must be"):
        assert_valid_reply(TokenHook, {}, "text")  # type: ignore[arg-type]
