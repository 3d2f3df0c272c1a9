"""Run the functions of a Python client script and print the outcomes.

The client scripts import this module. It imports only the standard library, because it runs in the
environment of the client.
"""

from __future__ import annotations

import asyncio
import inspect
import json
import sys
import urllib.request
from collections.abc import Callable, Mapping
from typing import Any

__all__ = ["CONFIG", "call_hook", "expect_names", "report"]

CONFIG: dict[str, Any] = json.loads(sys.argv[1])
"""The configuration that ``peers.py`` creates for the clients."""


def report(tries: Mapping[str, Callable[[], Any]]) -> None:
    """Call each function and print one JSON object: "ok", or "failed: " and the error.

    ``tries``: functions by the name of the capability. A function raises if the capability does not
        work, and may be a coroutine function.
    """
    print(json.dumps({name: _outcome(attempt) for name, attempt in tries.items()}))


def _outcome(attempt: Callable[[], Any]) -> str:
    try:
        result = attempt()
        if inspect.isawaitable(result):
            asyncio.run(_awaited(result))
    except Exception as error:
        return f"failed: {type(error).__name__}: {' '.join(str(error).split())}"
    return "ok"


async def _awaited(result: Any) -> Any:
    return await result


def expect_names(given: list[str], expected: list[str]) -> None:
    """Raise ``AssertionError`` unless both lists hold the same names."""
    if sorted(given) != sorted(expected):
        raise AssertionError(f"expected {sorted(expected)}, got {sorted(given)}")


def call_hook(url: str, access_token: str) -> None:
    """Call a hook with an access token. Raises ``HTTPError`` when the hook refuses it."""
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {access_token}"})
    urllib.request.urlopen(request, timeout=10).close()
