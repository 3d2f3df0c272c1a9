"""An OpenAPI 3.1 description of the org (https://spec.openapis.org/oas/v3.1.0). Pure.

Bodies follow recorded traffic where Okta's specification differs from it.
"""

from __future__ import annotations

from ..hooks.rules import EVENT_TYPES
from .description_further import further_paths, further_schemas
from .description_schemas import ERRORS as _ERRORS
from .description_schemas import ID, LINE, NAME, SECRET, TEXT, TIME, URI, VERSION, Json
from .description_schemas import answer as _answer
from .description_schemas import body_of as _body
from .description_schemas import object_of as _object
from .description_schemas import operation as _operation
from .description_schemas import path_of as _path
from .description_schemas import query_of as _query
from .description_schemas import ref as _ref

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
    channel = _object(
        {"type": {"enum": ["HTTP", "OAUTH"]}, "version": TEXT, "config": {"type": "object"}}
    )
    return {
        "HookKey": _object(key),
        "DetailedHookKey": _object({**key, "_embedded": _ref("PublicKey")}),
        "PublicKey": {**_object(jwk), "additionalProperties": False},
        "KeyName": _object({"name": NAME}),
        "InlineHook": _object(
            {
                "id": ID,
                "name": NAME,
                "type": hook_type,
                "status": {"enum": ["ACTIVE", "INACTIVE"]},
                "version": TEXT,
                "created": TIME,
                "lastUpdated": TIME,
                "channel": channel,
                "_links": _object({"self": _object({"href": TEXT})}),
            }
        ),
        "AuthorizationServer": _object(
            {
                "id": ID,
                "name": NAME,
                "audiences": {"type": "array", "items": TEXT},
                "issuer": TEXT,
                "issuerMode": {"enum": ["ORG_URL", "CUSTOM_URL", "DYNAMIC"]},
                "status": {"enum": ["ACTIVE", "INACTIVE"]},
            }
        ),
        "NewInlineHook": _object(
            {"name": LINE, "type": hook_type, "channel": _channel(secret=True)},
            {"version": VERSION},
        ),
        "ReplacedInlineHook": _object(
            {}, {"name": LINE, "channel": _channel(secret=False), "version": VERSION}
        ),
        "Error": _object(
            {
                "errorCode": {"type": "string", "pattern": r"^E\d{7}$"},
                "errorSummary": TEXT,
                "errorLink": TEXT,
                "errorId": TEXT,
                "errorCauses": {"type": "array", "items": _object({"errorSummary": TEXT})},
            }
        ),
        "OAuthError": _object({"error": TEXT, "error_description": TEXT}),
        "Token": _object(
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
    header = _object({"key": LINE, "value": SECRET})
    headers = {"type": ["array", "null"], "items": header}
    kind: Json = {"type": {"const": "HEADER"}, "key": LINE}
    value, client_secret = {"value": SECRET}, {"clientSecret": SECRET}
    scheme = _object(kind | value) if secret else _object(kind, value)
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
        _object(by_secret | client_secret, rest | post)
        if secret
        else _object(by_secret, rest | post | client_secret),
        _object(by_key, rest | {"method": method}),
    ]
    return {
        "oneOf": [
            _object({"type": {"const": "HTTP"}, "config": _object({"uri": URI}, http)}),
            _object({"type": {"const": "OAUTH"}, "config": {"oneOf": ways}}),
        ]
    }


def _token_request(name: str, *parameters: Json) -> Json:
    """Describe a token endpoint (RFC 6749 section 4.4 and RFC 7523 section 2.2)."""
    form = _object(
        {"grant_type": {"const": "client_credentials"}, "scope": TEXT},
        {
            "client_assertion_type": TEXT,
            "client_assertion": TEXT,
            "client_id": TEXT,
            "client_secret": TEXT,
        },
    )
    refused = {str(status): _answer(_ERRORS[status], _ref("OAuthError")) for status in (400, 401)}
    operation: Json = {
        "operationId": name,
        "security": [],
        "requestBody": _body(form, "application/x-www-form-urlencoded"),
        "responses": {"200": _answer("A token", _ref("Token")), **refused},
    }
    if parameters:
        operation["responses"]["404"] = _answer(_ERRORS[404], _ref("Error"))
        operation["parameters"] = [*parameters]
    return {"post": operation}


def description(org_url: str, *, server: str, wrapped: bool) -> Json:
    """Return the OpenAPI description.

    ``org_url``: the URL of the org.
    ``server``: the id of the authorization server.
    ``wrapped``: whether public keys are inside ``_embedded``.
    """
    public_key = _object({"_embedded": _ref("PublicKey")}) if wrapped else _ref("PublicKey")
    key, hook, detailed = _ref("HookKey"), _ref("InlineHook"), _ref("DetailedHookKey")
    issuer = _path("server", {"const": server})
    expanded = {"anyOf": [key, detailed]}
    keys, hooks = "/api/v1/hook-keys", "/api/v1/inlineHooks"
    servers, as_ = "/api/v1/authorizationServers", _ref("AuthorizationServer")
    new_hook = _ref("NewInlineHook")
    replaced = _ref("ReplacedInlineHook")
    replace = _operation("replaceInlineHook", hook, 400, 404, takes=replaced)
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
                "get": _operation("listHookKeys", {"type": "array", "items": key}),
                "post": _operation("createHookKey", detailed, 400, takes=_ref("KeyName")),
            },
            f"{keys}/public/{{keyId}}": {
                "parameters": [_path("keyId")],
                "get": _operation("getPublicKey", public_key, 404),
            },
            f"{keys}/{{id}}": {
                "parameters": [_path("id")],
                "get": _operation(
                    "getHookKey", expanded, 404, parameters=(_query("expand", "publickey"),)
                ),
                "put": _operation("replaceHookKey", detailed, 400, 404, takes=_ref("KeyName")),
                "delete": _operation("deleteHookKey", None, 400, 404),
            },
            hooks: {
                "get": _operation(
                    "listInlineHooks",
                    {"type": "array", "items": hook},
                    parameters=(_query("type", *EVENT_TYPES),),
                ),
                "post": _operation("createInlineHook", hook, 400, takes=new_hook),
            },
            f"{hooks}/{{id}}": {
                "parameters": [_path("id")],
                "get": _operation("getInlineHook", hook, 404),
                "put": replace,
                "post": replace_too,
                "delete": _operation("deleteInlineHook", None, 400, 404),
            },
            f"{hooks}/{{id}}/lifecycle/{{verb}}": {
                "parameters": [
                    _path("id"),
                    _path("verb", {"type": "string", "enum": ["activate", "deactivate"]}),
                ],
                "post": _operation("changeInlineHookStatus", hook, 404),
            },
            f"{hooks}/{{id}}/execute": {
                "parameters": [_path("id")],
                "post": _operation("executeInlineHook", anything, 400, 404, takes=anything),
            },
            servers: {
                "get": _operation("listAuthorizationServers", {"type": "array", "items": as_}),
            },
            f"{servers}/{{server}}": {
                "parameters": [issuer],
                "get": _operation("getAuthorizationServer", as_, 404),
            },
            "/oauth2/v1/token": _token_request("orgToken"),
            "/oauth2/{server}/v1/token": _token_request("token", issuer),
            "/oauth2/{server}/v1/keys": {
                "parameters": [issuer],
                "get": _operation("keys", _object({"keys": {"type": "array"}}), 404, public=True),
            },
            "/oauth2/{server}/.well-known/{kind}": {
                "parameters": [
                    issuer,
                    _path("kind", {"enum": ["openid-configuration", "oauth-authorization-server"]}),
                ],
                "get": _operation("metadata", _object({"issuer": TEXT}), 404, public=True),
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
