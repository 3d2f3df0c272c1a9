"""HookKeys over a server that misbehaves on purpose."""

from __future__ import annotations

from typing import Any

from hookkey_verify import ApiToken, CachePolicy, HookKeys

from ..faults import FaultServer

SECRET = "00s3cr3tTokenOfTheTests"
NO_KEY = "0fb3de6f-0000-4000-8000-000000000000"
POLICY = CachePolicy(fresh_for=100, negative_for=10)


def faulty(server: FaultServer, **arguments: Any) -> HookKeys:
    return HookKeys(server.url, ApiToken(SECRET), **arguments)


def lines(server: FaultServer) -> list[str]:
    return [request.line.split()[1] for request in server.requests]


LIST = "/api/v1/hook-keys"
