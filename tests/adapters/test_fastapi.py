"""The FastAPI adapter, beyond the end-to-end tests that all adapters share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from fastapi import APIRouter, Depends, FastAPI, Request

from hookkey_verify import ConfigurationError, HookSigner, HookVerifier, VerifiedHook
from hookkey_verify.fastapi import HookAuth, HookRefused, answer_refusal
from hookkey_verify.guard import HttpAnswer, HttpRefusal
from hookkey_verify.shared_secret import BasicCredentials, HeaderSecret

from ..conftest import CLIENT_ID, TOKEN_URL
from ..servers import asgi_server


@pytest.fixture
def bearer(signer: HookSigner) -> dict[str, str]:
    token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    return {"Authorization": f"Bearer {token}"}


@contextmanager
def _served(app: FastAPI) -> Iterator[str]:
    with asgi_server(app) as port:
        yield f"http://127.0.0.1:{port}"


def test_a_router(verifier: HookVerifier, bearer: dict[str, str]) -> None:
    """A router dependency protects a sync handler, which finds the hook in request.state."""
    auth = HookAuth(verifier)
    router = APIRouter(dependencies=[Depends(auth)])

    def hook(request: Request) -> str:
        return str(request.state.hook.subject)

    router.post("/hook")(hook)
    app = FastAPI()
    app.include_router(router, prefix="/api")
    with _served(app) as url:
        answer = requests.post(f"{url}/api/hook", headers=bearer, timeout=10)
        assert answer.json() == CLIENT_ID
        assert requests.post(f"{url}/api/hook", timeout=10).status_code == 401


def test_without_the_handler(verifier: HookVerifier) -> None:
    """Without ``answer_refusal``, FastAPI returns the status and challenge with detail."""
    app = FastAPI(dependencies=[Depends(HookAuth(verifier))])
    app.post("/hook")(lambda: "ok")
    with _served(app) as url:
        answer = requests.post(f"{url}/hook", timeout=10)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json()["detail"]["reason"] == "missing_token"
    assert answer.headers["Content-Type"] == "application/json"


def test_another_answer(verifier: HookVerifier) -> None:
    """on_refusal sets status and headers; its body is sent only with ``answer_refusal``."""

    def tea(refusal: HttpRefusal) -> HttpAnswer:
        return HttpAnswer(418, (("X-Reason", refusal.error.reason),), b"tea")

    for handler, body in ((True, "tea"), (False, '{"detail":"refused"}')):
        app = FastAPI(dependencies=[Depends(HookAuth(verifier, on_refusal=tea))])
        if handler:
            app.add_exception_handler(HookRefused, answer_refusal)
        app.post("/hook")(lambda: "ok")
        with _served(app) as url:
            answer = requests.post(f"{url}/hook", timeout=10)
        assert (answer.status_code, answer.text) == (418, body)
        assert answer.headers["X-Reason"] == "missing_token"


def test_the_handler_is_for_refusals() -> None:
    """``answer_refusal`` raises exceptions other than HookRefused again."""
    with pytest.raises(KeyError):
        answer_refusal(Request({"type": "http"}), KeyError("x"))


@pytest.mark.parametrize(
    ("judge", "scheme"),
    [
        (
            None,
            {
                "type": "http",
                "scheme": "bearer",
                "bearerFormat": "JWT",
                "description": "The token that Okta sends to the hook.",
            },
        ),
        (BasicCredentials("u", "p"), {"type": "http", "scheme": "basic"}),
        (HeaderSecret("s", header="X-S"), {"type": "apiKey", "in": "header", "name": "X-S"}),
    ],
    ids=["bearer", "basic", "header"],
)
def test_openapi(verifier: HookVerifier, judge: Any, scheme: dict[str, str]) -> None:
    """The OpenAPI document has the verifier's security scheme, on protected operations only."""
    app = FastAPI()
    app.post("/hook", dependencies=[Depends(HookAuth(judge or verifier))])(lambda: "ok")
    app.post("/open")(lambda: "ok")
    document = app.openapi()
    assert document["components"]["securitySchemes"] == {"OktaHook": scheme}
    assert document["paths"]["/hook"]["post"]["security"] == [{"OktaHook": []}]
    assert "security" not in document["paths"]["/open"]["post"]


def test_the_challenge_of_an_event_hook() -> None:
    """``HookAuth.challenge`` serves the verification request, and events need credentials."""
    auth = HookAuth(HeaderSecret("s3cret"))
    app = FastAPI()
    app.get("/events")(auth.challenge)
    app.post("/events", dependencies=[Depends(auth)])(lambda: "ok")
    with _served(app) as url:
        challenge = {"X-Okta-Verification-Challenge": "v"}
        answer = requests.get(f"{url}/events", headers=challenge, timeout=10)
        assert answer.json() == {"verification": "v"}
        assert requests.get(f"{url}/events", timeout=10).status_code == 401
        secret = {"Authorization": "s3cret"}
        assert requests.get(f"{url}/events", headers=secret, timeout=10).status_code == 204
        assert requests.post(f"{url}/events", headers=challenge, timeout=10).status_code == 401
        assert requests.post(f"{url}/events", headers=secret, timeout=10).status_code == 200


def test_overridden_in_tests(verifier: HookVerifier, signer: HookSigner) -> None:
    """FastAPI's dependency_overrides replaces the verification in tests."""
    auth = HookAuth(verifier)
    app = FastAPI(dependencies=[Depends(auth)])
    app.post("/hook")(lambda: "ok")
    hook = VerifiedHook({}, {}, "kid", "thumbprint")
    app.dependency_overrides[auth] = lambda: hook
    with _served(app) as url:
        assert requests.post(f"{url}/hook", timeout=10).json() == "ok"


def test_wrong_arguments() -> None:
    """A missing verifier raises at construction, and the error names it."""
    with pytest.raises(ConfigurationError, match="verifier"):
        HookAuth(None)  # type: ignore[arg-type]
