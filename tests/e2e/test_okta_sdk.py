"""Okta's own Python SDK as a client of the emulator, in a separate interpreter (it needs 128 MB).

Set OKTA_SDK_PYTHON to a Python that has the package ``okta``; ``nox -s okta-sdk`` does.
"""

from __future__ import annotations

import json
import os
import subprocess
from typing import Any

import pytest

from hookkey_verify.emulator import OktaEmulator

SDK_PYTHON = os.environ.get("OKTA_SDK_PYTHON", "")
pytestmark = pytest.mark.skipif(not SDK_PYTHON, reason="OKTA_SDK_PYTHON is not set")

PROGRAM = """
import asyncio, json, sys
from okta.client import Client

async def main(url, token, calls):
    client = Client({"orgUrl": url, "token": token})
    for name, *arguments in calls:
        try:
            result = (await getattr(client, name)(*arguments))[0]
            result = result.model_dump() if hasattr(result, "model_dump") else result
        except Exception as error:
            result = {"raised": type(error).__name__, "text": str(error)}
        print(json.dumps(result, default=str))

asyncio.run(main(sys.argv[1], sys.argv[2], json.loads(sys.argv[3])))
"""


def sdk(okta: OktaEmulator, *calls: tuple[Any, ...]) -> list[Any]:
    """Run these calls with the SDK, and return their results."""
    done = subprocess.run(
        [SDK_PYTHON, "-c", PROGRAM, okta.url, okta.api_token, json.dumps(calls)],
        env={**os.environ, "OKTA_TESTING_TESTINGDISABLEHTTPSCHECK": "true"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_what_the_sdk_can_do(okta: OktaEmulator) -> None:
    """The SDK reads the bare public key and deletes a key, with its own form of Authorization."""
    key = okta.create_key("one")
    public, deleted, gone = sdk(
        okta,
        ("get_public_key", key["keyId"]),
        ("delete_hook_key", key["id"]),
        ("get_public_key", key["keyId"]),
    )
    assert public == key["_embedded"]
    assert deleted is None
    assert gone is None
    assert [line.status for line in okta.requests] == [200, 204, 404]


def test_what_the_sdk_cannot_do(okta: OktaEmulator) -> None:
    """The SDK refuses every body with ``isUsed``, as recorded against real orgs."""
    key = okta.create_key("one")
    for name, *arguments in (("list_hook_keys",), ("get_hook_key", key["id"])):
        [result] = sdk(okta, (name, *arguments))
        assert result["raised"] == "ValidationError"
        assert "isUsed" in result["text"]
