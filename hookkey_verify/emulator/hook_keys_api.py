"""Hook keys in the management API.

https://developer.okta.com/docs/api/openapi/okta-management/management/tag/HookKey/
"""

from __future__ import annotations

from typing import Any, Literal

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from .parts import Operation, Parts
from .request_body import json_body

__all__ = ["PublicShape", "hook_key_operations"]

KEYS = "/api/v1/hook-keys"

PublicShape = Literal["bare", "wrapped"]
"""The response of GET /public/{keyId}: a bare JWK or a JWK inside ``_embedded``.

Okta's specification has the first, and its example the second. It is not known which one real orgs
send.
"""


def hook_key_operations(parts: Parts, public_shape: PublicShape) -> list[Operation]:
    """Return the operations on the hook keys of an org.

    ``public_shape``: the format of public keys.
    """
    stored = parts.keys

    async def keys(request: Request) -> Any:
        if request.method == "POST":
            return await run_in_threadpool(stored.create, await json_body(request))
        return stored.list()

    async def public_key(request: Request) -> Any:
        key = stored.public_key(request.path_params["key_id"])
        return {"_embedded": key} if public_shape == "wrapped" else key

    async def key(request: Request) -> Any:
        id_ = request.path_params["id"]
        if request.method == "PUT":
            return stored.rename(id_, await json_body(request))
        if request.method == "DELETE":
            return stored.delete(id_)
        return stored.get(id_, expand=request.query_params.get("expand") == "publickey")

    return [
        (KEYS, keys, ["GET", "POST"]),
        (f"{KEYS}/public/{{key_id}}", public_key, ["GET"]),
        (f"{KEYS}/{{id}}", key, ["GET", "PUT", "DELETE"]),
    ]
