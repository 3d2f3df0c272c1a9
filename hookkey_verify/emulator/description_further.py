"""Describes the System Log, the authorization server's rule and the keys of applications. Pure."""

from __future__ import annotations

from typing import Final

from .description_schemas import (
    ID,
    TEXT,
    TIME,
    Json,
    object_of,
    operation,
    path_of,
    query_of,
    ref,
)

__all__ = ["further_paths", "further_schemas"]

_STATUS: Final[Json] = {"enum": ["ACTIVE", "INACTIVE"]}
_VERBS: Final[Json] = {"type": "string", "enum": ["activate", "deactivate"]}
_BASE64URL: Final[Json] = {"type": "string", "pattern": "^[A-Za-z0-9_-]+$"}


def further_schemas() -> Json:
    """Return the schemas that ``further_paths`` refers to."""
    included = object_of({}, {"include": {"type": "array", "items": TEXT}})
    conditions = object_of({}, {"grantTypes": included, "scopes": included})
    hook = object_of({}, {"id": {"type": "null"}})
    rule = {
        "conditions": conditions,
        "actions": object_of({}, {"token": object_of({}, {"inlineHook": hook})}),
    }
    jwk = {"kty": {"const": "RSA"}, "e": _BASE64URL, "n": _BASE64URL}
    kid = {"type": "string", "pattern": "^[!-~]{1,255}$"}
    return {
        "LogEvent": object_of(
            {
                "uuid": {"type": "string", "format": "uuid"},
                "published": TIME,
                "eventType": TEXT,
                "outcome": object_of({"result": TEXT, "reason": {"type": ["string", "null"]}}),
                "target": {"type": "array", "items": object_of({"id": TEXT, "type": TEXT})},
                "debugContext": object_of({"debugData": {"type": "object"}}),
            }
        ),
        "Policy": object_of({"id": ID, "type": TEXT, "name": TEXT}),
        "PolicyRule": object_of({"id": ID, "type": TEXT, "name": TEXT, **rule}),
        "ReplacedPolicyRule": object_of({}, rule),
        "Application": object_of({"id": ID, "label": TEXT, "settings": {"type": "object"}}),
        "ClientKey": object_of({"id": ID, "kid": TEXT, "status": _STATUS, "created": TIME}),
        "NewClientKey": object_of(jwk, {"kid": kid, "status": _STATUS}),
    }


def _list_of(name: str) -> Json:
    return {"type": "array", "items": ref(name)}


def further_paths(server: str) -> Json:
    """Return the paths. ``server``: the id of the authorization server."""
    servers = "/api/v1/authorizationServers"
    own = path_of("server", {"const": server})
    policy, rule = path_of("policy"), path_of("rule")
    rules = f"{servers}/{{server}}/policies/{{policy}}/rules"
    one_rule = ref("PolicyRule")
    return {
        "/api/v1/logs": {
            "get": operation(
                "listLogEvents",
                _list_of("LogEvent"),
                400,
                parameters=(
                    query_of("since", "2026-11-20T08:15:00Z"),
                    query_of("until", "2026-11-21T08:15:00Z"),
                    query_of("filter", 'outcome.result eq "FAILURE"'),
                    query_of("q", "hook"),
                    query_of("limit", "100"),
                    query_of("after", "7"),
                    query_of("sortOrder", "ASCENDING", "DESCENDING"),
                ),
            )
        },
        f"{servers}/{{server}}/policies": {
            "parameters": [own],
            "get": operation("listAuthorizationServerPolicies", _list_of("Policy"), 404),
        },
        rules: {
            "parameters": [own, policy],
            "get": operation("listAuthorizationServerPolicyRules", _list_of("PolicyRule"), 404),
        },
        f"{rules}/{{rule}}": {
            "parameters": [own, policy, rule],
            "get": operation("getAuthorizationServerPolicyRule", one_rule, 404),
            "put": operation(
                "replaceAuthorizationServerPolicyRule",
                one_rule,
                400,
                404,
                takes=ref("ReplacedPolicyRule"),
            ),
        },
        **_paths_of_apps(),
    }


def _created(described: Json) -> Json:
    """Return the operation with the status 201 in place of 200."""
    responses = dict(described["responses"])
    responses["201"] = responses.pop("200")
    return {**described, "responses": responses}


def _paths_of_apps() -> Json:
    app, key = path_of("id"), path_of("key_id")
    keys = "/api/v1/apps/{id}/credentials/jwks"
    client_key = ref("ClientKey")
    return {
        "/api/v1/apps": {"get": operation("listApplications", _list_of("Application"))},
        "/api/v1/apps/{id}": {
            "parameters": [app],
            "get": operation("getApplication", ref("Application"), 404),
        },
        keys: {
            "parameters": [app],
            "get": operation("listJwk", _list_of("ClientKey"), 404),
            "post": _created(operation("addJwk", client_key, 400, 404, takes=ref("NewClientKey"))),
        },
        f"{keys}/{{key_id}}": {
            "parameters": [app, key],
            "get": operation("getJwk", client_key, 404),
            "delete": operation("deleteJwk", None, 400, 404),
        },
        f"{keys}/{{key_id}}/lifecycle/{{verb}}": {
            "parameters": [app, key, path_of("verb", _VERBS)],
            "post": operation("changeJwkStatus", client_key, 404),
        },
    }
