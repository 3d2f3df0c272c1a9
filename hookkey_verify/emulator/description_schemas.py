"""The vocabulary of the OpenAPI description (https://spec.openapis.org/oas/v3.1.0). Pure."""

from __future__ import annotations

from typing import Any, Final

__all__ = [
    "ERRORS",
    "ID",
    "LINE",
    "NAME",
    "SECRET",
    "TEXT",
    "TIME",
    "URI",
    "VERSION",
    "Json",
    "answer",
    "body_of",
    "object_of",
    "operation",
    "path_of",
    "query_of",
    "ref",
]

Json = dict[str, Any]

TEXT: Final[Json] = {"type": "string"}
TIME: Final[Json] = {"type": "string", "format": "date-time"}
ID: Final[Json] = {"type": "string", "pattern": "^[A-Za-z0-9_-]+$", "maxLength": 64}
NAME: Final[Json] = {"type": "string", "minLength": 1, "maxLength": 255}
LINE: Final[Json] = {**NAME, "pattern": "^[ -~]+$"}
SECRET: Final[Json] = {**LINE, "maxLength": 4096}
VERSION: Final[Json] = {**LINE, "maxLength": 20}
URI: Final[Json] = {
    "type": "string",
    "format": "uri",
    "pattern": r"^https://[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]+)*(:[1-9][0-9]{0,3})?(/[A-Za-z0-9_-]*)*$",
    "maxLength": 1024,
}


def ref(name: str) -> Json:
    """Refer to a schema."""
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(required: Json, optional: Json | None = None) -> Json:
    """Describe an object with these members."""
    properties = {**required, **(optional or {})}
    return {"type": "object", "required": [*required], "properties": properties}


def body_of(schema: Json, media_type: str = "application/json") -> Json:
    """Describe a request body."""
    return {"required": True, "content": {media_type: {"schema": schema}}}


def answer(words: str, schema: Json | None = None) -> Json:
    """Describe a response."""
    if schema is None:
        return {"description": words}
    return {"description": words, "content": {"application/json": {"schema": schema}}}


ERRORS: Final = {
    400: "The request is not valid",
    401: "The credentials are missing or wrong",
    403: "The access token lacks the required scope",
    404: "The resource does not exist",
    429: "The rate limit is exhausted",
}


def operation(
    name: str,
    result: Json | None,
    *errors: int,
    takes: Json | None = None,
    parameters: tuple[Json, ...] = (),
    public: bool = False,
) -> Json:
    """Describe an operation.

    ``name``: the operation id.
    ``result``: the schema of the response. None: there is no body (204).
    ``errors``: the statuses of its errors, except 401, 403 and 429, which are added if not public.
    ``takes``: the schema of the request body. Default None: none.
    ``parameters``: the path and query parameters. Default: none.
    ``public``: whether it requires no credentials. Default False.
    """
    declared = sorted({*errors} if public else {*errors, 401, 403, 429})
    responses = {str(status): answer(ERRORS[status], ref("Error")) for status in declared}
    responses |= {"204": answer("Done")} if result is None else {"200": answer("Done", result)}
    described: Json = {"operationId": name, "responses": responses}
    if takes is not None:
        described["requestBody"] = body_of(takes)
    if parameters:
        described["parameters"] = [*parameters]
    return {**described, "security": []} if public else described


def path_of(name: str, schema: Json = ID) -> Json:
    """Describe a parameter in the path."""
    return {"name": name, "in": "path", "required": True, "schema": schema}


def query_of(name: str, *values: str) -> Json:
    """Describe a flag; other values are accepted and ignored."""
    return {"name": name, "in": "query", "schema": {"type": "string", "examples": [*values]}}
