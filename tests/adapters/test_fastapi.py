"""The FastAPI adapter: what the matrix of all adapters does not ask."""

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
    """Without a parameter, the hook is in the request's state; sync handlers as well."""
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
    """FastAPI's own form: same status, same challenge, the problem as detail."""
    app = FastAPI(dependencies=[Depends(HookAuth(verifier))])
    app.post("/hook")(lambda: "ok")
    with _served(app) as url:
        answer = requests.post(f"{url}/hook", timeout=10)
    assert (answer.status_code, answer.headers["WWW-Authenticate"]) == (401, "Bearer")
    assert answer.json()["detail"]["reason"] == "missing_token"
    assert answer.headers["Content-Type"] == "application/json"


def test_another_answer(verifier: HookVerifier) -> None:
    """on_refusal, with the handler and without."""

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
    """Other exceptions go on."""
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
                "description": "What Okta sends to the hook.",
            },
        ),
        (BasicCredentials("u", "p"), {"type": "http", "scheme": "basic"}),
        (HeaderSecret("s", header="X-S"), {"type": "apiKey", "in": "header", "name": "X-S"}),
    ],
    ids=["bearer", "basic", "header"],
)
def test_openapi(verifier: HookVerifier, judge: Any, scheme: dict[str, str]) -> None:
    """The description has the scheme that the verifier wants, and where it is wanted."""
    app = FastAPI()
    app.post("/hook", dependencies=[Depends(HookAuth(judge or verifier))])(lambda: "ok")
    app.post("/open")(lambda: "ok")
    document = app.openapi()
    assert document["components"]["securitySchemes"] == {"OktaHook": scheme}
    assert document["paths"]["/hook"]["post"]["security"] == [{"OktaHook": []}]
    assert "security" not in document["paths"]["/open"]["post"]


def test_the_challenge_of_an_event_hook() -> None:
    """A path operation by itself; the events are verified."""
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
    """As FastAPI's users do it."""
    auth = HookAuth(verifier)
    app = FastAPI(dependencies=[Depends(auth)])
    app.post("/hook")(lambda: "ok")
    hook = VerifiedHook({}, {}, "kid", "thumbprint")
    app.dependency_overrides[auth] = lambda: hook
    with _served(app) as url:
        assert requests.post(f"{url}/hook", timeout=10).json() == "ok"


def test_wrong_arguments() -> None:
    """Named at construction."""
    with pytest.raises(ConfigurationError, match="verifier"):
        HookAuth(None)  # type: ignore[arg-type]
