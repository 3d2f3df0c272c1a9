"""Fixtures for the tests of the token endpoint."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import urlencode

import pytest

from hookkey_verify import StaticKeys, TokenEndpoint
from hookkey_verify.guard import HttpAnswer
from hookkey_verify.token_endpoint import ClientSecret

from .token_requests import FORM, SECRET, Run, endpoint_of, verifier_of


@pytest.fixture
def endpoint(keys: StaticKeys) -> TokenEndpoint:
    return endpoint_of([verifier_of(keys), ClientSecret("0oasecret", "old-" + SECRET, SECRET)])


@pytest.fixture(params=["respond", "arespond"])
def ask(request: pytest.FixtureRequest) -> Run:
    """Send a form to an endpoint; each test runs with ``respond`` and with ``arespond``."""

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
