"""Schemathesis tests the emulated org against the OpenAPI description that the org serves."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import requests
from starlette.routing import Route

from hookkey_verify.emulator import OktaEmulator

from ..conftest import KeyPool

pytestmark = pytest.mark.slow

ROUTES = 32


def test_what_is_described_is_so(key_pool: KeyPool, tmp_path: Path) -> None:
    """Every response to several hundred generated requests conforms to the description.

    Valid requests may be refused, because names are unique. ``execute`` is excluded, because it
    calls hosts that schemathesis makes up.
    """
    with OktaEmulator(new_key=key_pool, rate_limit=10**9) as okta:
        okta.create_hook("https://acme.com/hook", key=okta.create_key("one"))
        command = (
            *(sys.executable, "-m", "schemathesis.cli", "run", f"{okta.url}/openapi.json"),
            *("--header", f"Authorization: SSWS {okta.api_token}", "--max-examples", "5"),
            *("--exclude-operation-id", "executeInlineHook", "--generation-deterministic"),
            *("--exclude-checks", "positive_data_acceptance", "--request-timeout", "10"),
            "--no-color",
        )
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, timeout=300, check=False
        )
        assert done.returncode == 0, done.stdout[-4_000:]
        assert f"{ROUTES - 1} selected / {ROUTES} total" in done.stdout
        assert len(okta.requests) > 500
        assert {line.status for line in okta.requests} >= {200, 204, 400, 401, 404, 405}


def test_all_of_it_is_described(okta: OktaEmulator) -> None:
    """The description has every path except its own and those of the console and the emulator."""
    document = requests.get(f"{okta.url}/openapi.json", timeout=5).json()
    described = {
        (path.replace("keyId", "key_id"), method.upper())
        for path, operations in document["paths"].items()
        for method in operations
        if method != "parameters"
    }
    own = ("/", "/openapi.json", "/emulator/faults", "/emulator/fire")
    served = {
        (route.path, method)
        for route in okta.app.routes
        if isinstance(route, Route) and route.path not in own
        if not route.path.startswith("/console/")
        for method in (route.methods or set()) - {"HEAD"}
    }
    assert described == served
    assert len(described) == ROUTES
