"""The documented guard for Litestar, which has no adapter of its own."""

from __future__ import annotations

from typing import Any

import pytest
from litestar.testing import TestClient

from hookkey_verify import HookSigner, HookVerifier
from hookkey_verify.guard import Guard, HttpAnswer

from ..conftest import CLIENT_ID, TOKEN_URL
from ..test_readme import GUIDES_PYTHON


class Down:
    """A verifier that fails with an unexpected error."""

    def verify_headers(self, headers: Any) -> Any:
        raise RuntimeError

    async def averify_headers(self, headers: Any) -> Any:
        raise RuntimeError


@pytest.fixture
def recipe() -> dict[str, Any]:
    scope: dict[str, Any] = {"__name__": __name__}
    [code] = [code for code in GUIDES_PYTHON if "guards=[hook_guard]" in code]
    exec(compile(code, "docs/frameworks/litestar.md", "exec"), scope)
    scope["keys"].close()
    return scope


def test_the_recipe(recipe: dict[str, Any], signer: HookSigner, verifier: HookVerifier) -> None:
    """The handler runs with a token; without one, the response is the guard's refusal."""
    recipe["guard"] = Guard(verifier)
    token = signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL)
    with TestClient(recipe["app"]) as client:
        answer = client.post("/hook", headers={"Authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()["commands"]) == (200, [])
        refused = client.post("/hook")
        expected = Guard(verifier).check([])
        assert isinstance(expected, HttpAnswer)
        assert (refused.status_code, refused.content) == (expected.status, expected.body)
        for name, value in expected.headers:
            assert refused.headers[name] == value


def test_a_verifier_that_is_out_of_order(recipe: dict[str, Any]) -> None:
    """An unexpected error of the verifier leads to status 500."""
    recipe["guard"] = Guard(Down())
    with TestClient(recipe["app"]) as client:
        assert client.post("/hook").status_code == 500
