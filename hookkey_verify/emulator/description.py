"""An OpenAPI 3.1 description of the org (https://spec.openapis.org/oas/v3.1.0). Pure.

Bodies follow recorded traffic where Okta's specification differs from it.
"""

from __future__ import annotations

from ..hooks.rules import EVENT_TYPES
from .description_further import further_paths, further_schemas
from .description_schemas import (
    ERRORS,
    ID,
    LINE,
    NAME,
    SECRET,
    TEXT,
    TIME,
    URI,
    VERSION,
    Json,
    answer,
    body_of,
    object_of,
    operation,
    path_of,
    query_of,
    ref,
)

__all__ = ["description"]


def _schemas() -> Json:
    key = {
        "id": ID,
        "keyId": {"type": "string", "format": "uuid"},
        "name": NAME,
        "created": TIME,
        "lastUpdated": TIME,
        "isUsed": {"type": "boolean"},
    }
    jwk = {
        "kty": {"const": "RSA"},
        "alg": {"const": "RSA"},
        "use": {"type": "null"},
        "kid": {"type": "string", "format": "uuid"},
        "e": TEXT,
        "n": {"type": "string", "pattern": "^[A-Za-z0-9_-]{342}$"},
    }
    hook_type = {"type": "string", "enum": [*EVENT_TYPES]}
    channel = object_of(
        {"type": {"enum": ["HTTP", "OAUTH"]}, "version": TEXT, "config": {"type": "object"}}
    )
    return {
        "HookKey": object_of(key),
        "DetailedHookKey": object_of({**key, "_embedded": ref("PublicKey")}),
        "PublicKey": {**object_of(jwk), "additionalProperties": False},
        "KeyName": object_of({"name": NAME}),
        "InlineHook": object_of(
            {
                "id": ID,
                "name": NAME,
                "type": hook_type,
                "status": {"enum": ["ACTIVE", "INACTIVE"]},
                "version": TEXT,
                "created": TIME,
                "lastUpdated": TIME,
                "channel": channel,
                "_links": object_of({"self": object_of({"href": TEXT})}),
            }
        ),
        "AuthorizationServer": object_of(
            {
                "id": ID,
                "name": NAME,
                "audiences": {"type": "array", "items": TEXT},
                "issuer": TEXT,
                "issuerMode": {"enum": ["ORG_URL", "CUSTOM_URL", "DYNAMIC"]},
                "status": {"enum": ["ACTIVE", "INACTIVE"]},
            }
        ),
        "NewInlineHook": object_of(
            {"name": LINE, "type": hook_type, "channel": _channel(secret=True)},
            {"version": VERSION},
        ),
        "ReplacedInlineHook": object_of(
            {}, {"name": LINE, "channel": _channel(secret=False), "version": VERSION}
        ),
        "Error": object_of(
            {
                "errorCode": {"type": "string", "pattern": r"^E\d{7}$"},
                "errorSummary": TEXT,
                "errorLink": TEXT,
                "errorId": TEXT,
                "errorCauses": {"type": "array", "items": object_of({"errorSummary": TEXT})},
            }
        ),
        "OAuthError": object_of({"error": TEXT, "error_description": TEXT}),
        "Token": object_of(
            {
                "token_type": TEXT,
                "expires_in": {"type": "integer"},
                "access_token": TEXT,
                "scope": TEXT,
            }
        ),
    }


def _channel(*, secret: bool) -> Json:
    """Describe a channel. ``secret``: whether a secret is required."""
    header = object_of({"key": LINE, "value": SECRET})
    headers = {"type": ["array", "null"], "items": header}
    kind: Json = {"type": {"const": "HEADER"}, "key": LINE}
    value, client_secret = {"value": SECRET}, {"clientSecret": SECRET}
    scheme = object_of(kind | value) if secret else object_of(kind, value)
    method = {"enum": ["POST", "PUT", "GET", "DELETE"]}
    http = {
        "method": method,
        "headers": headers,
        "authScheme": {"anyOf": [scheme, {"type": "null"}]},
    }
    client = {"uri": URI, "clientId": LINE, "tokenUrl": URI}
    scope = {"type": ["string", "null"], "maxLength": 4096, "pattern": "^[ -~]*$"}
    rest = {"headers": headers, "scope": scope, "authScheme": {"type": "null"}}
    post = {"method": {"const": "POST"}}
    by_secret = client | {"authType": {"const": "client_secret_post"}}
    by_key = client | {"authType": {"const": "private_key_jwt"}, "hookKeyId": ID}
    ways = [
        object_of(by_secret | client_secret, rest | post)
        if secret
        else object_of(by_secret, rest | post | client_secret),
        object_of(by_key, rest | {"method": method}),
    ]
    return {
        "oneOf": [
            object_of({"type": {"const": "HTTP"}, "config": object_of({"uri": URI}, http)}),
            object_of({"type": {"const": "OAUTH"}, "config": {"oneOf": ways}}),
        ]
    }


def _token_request(name: str, *parameters: Json) -> Json:
    """Describe a token endpoint (RFC 6749 section 4.4 and RFC 7523 section 2.2)."""
    form = object_of(
        {"grant_type": {"const": "client_credentials"}, "scope": TEXT},
        {
            "client_assertion_type": TEXT,
            "client_assertion": TEXT,
            "client_id": TEXT,
            "client_secret": TEXT,
        },
    )
    refused = {str(status): answer(ERRORS[status], ref("OAuthError")) for status in (400, 401)}
    described: Json = {
        "operationId": name,
        "security": [],
        "requestBody": body_of(form, "application/x-www-form-urlencoded"),
        "responses": {"200": answer("A token", ref("Token")), **refused},
    }
    if parameters:
        described["responses"]["404"] = answer(ERRORS[404], ref("Error"))
        described["parameters"] = [*parameters]
    return {"post": described}


def description(org_url: str, *, server: str, wrapped: bool) -> Json:
    """Return the OpenAPI description.

    ``org_url``: the URL of the org.
    ``server``: the id of the authorization server.
    ``wrapped``: whether public keys are inside ``_embedded``.
    """
    public_key = object_of({"_embedded": ref("PublicKey")}) if wrapped else ref("PublicKey")
    key, hook, detailed = ref("HookKey"), ref("InlineHook"), ref("DetailedHookKey")
    issuer = path_of("server", {"const": server})
    expanded = {"anyOf": [key, detailed]}
    keys, hooks = "/api/v1/hook-keys", "/api/v1/inlineHooks"
    servers, as_ = "/api/v1/authorizationServers", ref("AuthorizationServer")
    new_hook = ref("NewInlineHook")
    replaced = ref("ReplacedInlineHook")
    replace = operation("replaceInlineHook", hook, 400, 404, takes=replaced)
    replace_too = {**replace, "operationId": "updateInlineHook"}
    anything = {"type": "object"}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "A local Okta org",
            "version": "1",
            "description": "This is not Okta: hookkey_verify emulates it.",
        },
        "servers": [{"url": org_url}],
        "security": [{"apiToken": []}, {"oauth2": []}],
        "paths": {
            keys: {
                "get": operation("listHookKeys", {"type": "array", "items": key}),
                "post": operation("createHookKey", detailed, 400, takes=ref("KeyName")),
            },
            f"{keys}/public/{{keyId}}": {
                "parameters": [path_of("keyId")],
                "get": operation("getPublicKey", public_key, 404),
            },
            f"{keys}/{{id}}": {
                "parameters": [path_of("id")],
                "get": operation(
                    "getHookKey", expanded, 404, parameters=(query_of("expand", "publickey"),)
                ),
                "put": operation("replaceHookKey", detailed, 400, 404, takes=ref("KeyName")),
                "delete": operation("deleteHookKey", None, 400, 404),
            },
            hooks: {
                "get": operation(
                    "listInlineHooks",
                    {"type": "array", "items": hook},
                    parameters=(query_of("type", *EVENT_TYPES),),
                ),
                "post": operation("createInlineHook", hook, 400, takes=new_hook),
            },
            f"{hooks}/{{id}}": {
                "parameters": [path_of("id")],
                "get": operation("getInlineHook", hook, 404),
                "put": replace,
                "post": replace_too,
                "delete": operation("deleteInlineHook", None, 400, 404),
            },
            f"{hooks}/{{id}}/lifecycle/{{verb}}": {
                "parameters": [
                    path_of("id"),
                    path_of("verb", {"type": "string", "enum": ["activate", "deactivate"]}),
                ],
                "post": operation("changeInlineHookStatus", hook, 404),
            },
            f"{hooks}/{{id}}/execute": {
                "parameters": [path_of("id")],
                "post": operation("executeInlineHook", anything, 400, 404, takes=anything),
            },
            servers: {
                "get": operation("listAuthorizationServers", {"type": "array", "items": as_}),
            },
            f"{servers}/{{server}}": {
                "parameters": [issuer],
                "get": operation("getAuthorizationServer", as_, 404),
            },
            "/oauth2/v1/token": _token_request("orgToken"),
            "/oauth2/{server}/v1/token": _token_request("token", issuer),
            "/oauth2/{server}/v1/keys": {
                "parameters": [issuer],
                "get": operation("keys", object_of({"keys": {"type": "array"}}), 404, public=True),
            },
            "/oauth2/{server}/.well-known/{kind}": {
                "parameters": [
                    issuer,
                    path_of(
                        "kind", {"enum": ["openid-configuration", "oauth-authorization-server"]}
                    ),
                ],
                "get": operation("metadata", object_of({"issuer": TEXT}), 404, public=True),
            },
            **further_paths(server),
        },
        "components": {
            "schemas": _schemas() | further_schemas(),
            "securitySchemes": {
                "apiToken": {
                    "type": "apiKey",
                    "in": "header",
                    "name": "Authorization",
                    "description": "SSWS and a token",
                },
                "oauth2": {
                    "type": "oauth2",
                    "flows": {
                        "clientCredentials": {
                            "tokenUrl": f"{org_url}/oauth2/v1/token",
                            "scopes": {
                                "okta.inlineHooks.read": "Read",
                                "okta.inlineHooks.manage": "Change",
                                "okta.logs.read": "Read the System Log",
                                "okta.apps.read": "Read applications",
                                "okta.apps.manage": "Change the keys of applications",
                                "okta.authorizationServers.read": "Read authorization servers",
                                "okta.authorizationServers.manage": "Change their rules",
                            },
                        }
                    },
                },
            },
        },
    }
