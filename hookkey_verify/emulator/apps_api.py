"""The clients of the org as applications, and their keys.

https://developer.okta.com/docs/api/openapi/okta-management/management/tag/ApplicationSSOPublicKeys/
"""

from __future__ import annotations

from typing import Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request

from .client_keys import ClientKey, new_client_key
from .okta_error import invalid, no_endpoint, not_found, timestamp
from .outcome import Outcome
from .parts import Operation, Parts
from .request_body import json_body

__all__ = ["app_operations"]

APPS = "/api/v1/apps"
Keys = tuple[ClientKey, ...]
_STATUS = {"activate": "ACTIVE", "deactivate": "INACTIVE"}


def app_operations(parts: Parts) -> list[Operation]:
    """Return the operations on the clients of an org."""
    apps = parts.apps

    async def listed(_: Request) -> Any:
        return [_document(client_id, keys) for client_id, keys in apps.all().items()]

    async def one(request: Request) -> Any:
        client_id = request.path_params["id"]
        return _document(client_id, apps.keys(client_id))

    async def jwks(request: Request) -> Any:
        client_id = request.path_params["id"]
        if request.method == "GET":
            return [key.document() for key in apps.keys(client_id)]
        body, now = await json_body(request), timestamp(parts.clock())
        await run_in_threadpool(
            apps.change_keys, client_id, lambda keys: (*keys, new_client_key(body, now, keys))
        )
        return Outcome(apps.keys(client_id)[-1].document(), status=201)

    async def jwk(request: Request) -> Any:
        client_id, key_id = request.path_params["id"], request.path_params["key_id"]
        if request.method == "GET":
            return _found(apps.keys(client_id), key_id).document()
        return apps.change_keys(client_id, lambda keys: _without(keys, key_id))

    async def lifecycle(request: Request) -> Any:
        client_id, key_id = request.path_params["id"], request.path_params["key_id"]
        status = _STATUS.get(request.path_params["verb"])
        if status is None:
            raise no_endpoint()
        now = timestamp(parts.clock())
        apps.change_keys(client_id, lambda keys: _changed(keys, key_id, status, now))
        return _found(apps.keys(client_id), key_id).document()

    keys = f"{APPS}/{{id}}/credentials/jwks"
    key = f"{keys}/{{key_id}}"
    return [
        (APPS, listed, ["GET"]),
        (f"{APPS}/{{id}}", one, ["GET"]),
        (keys, jwks, ["GET", "POST"]),
        (key, jwk, ["GET", "DELETE"]),
        (f"{key}/lifecycle/{{verb}}", lifecycle, ["POST"]),
    ]


def _document(client_id: str, keys: Keys) -> dict[str, Any]:
    """Return the members of Okta's document that concern the credentials. GUESS: the label."""
    method = "private_key_jwt" if keys else "client_secret_post"
    return {
        "id": client_id,
        "name": "oidc_client",
        "label": f"Service {client_id}",
        "status": "ACTIVE",
        "signOnMode": "OPENID_CONNECT",
        "credentials": {
            "oauthClient": {"client_id": client_id, "token_endpoint_auth_method": method}
        },
        "settings": {
            "oauthClient": {
                "application_type": "service",
                "grant_types": ["client_credentials"],
                "jwks": {"keys": [key.document() for key in keys]},
            }
        },
    }


def _found(keys: Keys, key_id: str) -> ClientKey:
    for key in keys:
        if key.id == key_id:
            return key
    raise not_found(key_id, "OAuth2ClientJsonWebKey")


def _changed(keys: Keys, key_id: str, status: str, now: str) -> Keys:
    _found(keys, key_id)
    return tuple(key.with_status(status, now) if key.id == key_id else key for key in keys)


def _without(keys: Keys, key_id: str) -> Keys:
    """Return the keys without an inactive one. GUESS: the response for an active key."""
    if _found(keys, key_id).status != "INACTIVE":
        raise invalid("jwks", "The key must be deactivated first.")
    return tuple(key for key in keys if key.id != key_id)
