"""The custom authorization server of the org, its access policy and the rule of that policy.

https://developer.okta.com/docs/api/openapi/okta-management/management/tag/AuthorizationServer/
"""

from __future__ import annotations

from typing import Any

from starlette.requests import Request

from .console import org_url
from .okta_error import not_found
from .parts import Operation, Parts
from .request_body import json_body

__all__ = ["authorization_server_operations"]

SERVERS = "/api/v1/authorizationServers"


def authorization_server_operations(parts: Parts) -> list[Operation]:
    """Return the operations on the authorization server of an org."""
    rules = parts.rules

    def checked(request: Request) -> None:
        for name, wanted, kind in (
            ("server", parts.server.id, "AuthorizationServer"),
            ("policy", rules.policy_id, "Policy"),
            ("rule", rules.rule_id, "PolicyRule"),
        ):
            given = request.path_params.get(name, wanted)
            if given != wanted:
                raise not_found(given, kind)

    def issuer(request: Request) -> str:
        return parts.server.issuer(org_url(request))

    async def servers(request: Request) -> Any:
        return [parts.server.document(issuer(request))]

    async def server(request: Request) -> Any:
        checked(request)
        return parts.server.document(issuer(request))

    async def policies(request: Request) -> Any:
        checked(request)
        return [rules.policy()]

    async def listed(request: Request) -> Any:
        checked(request)
        return [rules.rule()]

    async def rule(request: Request) -> Any:
        checked(request)
        if request.method == "PUT":
            return rules.replace(await json_body(request))
        return rules.rule()

    one = f"{SERVERS}/{{server}}"
    of_policy = f"{one}/policies/{{policy}}/rules"
    return [
        (SERVERS, servers, ["GET"]),
        (one, server, ["GET"]),
        (f"{one}/policies", policies, ["GET"]),
        (of_policy, listed, ["GET"]),
        (f"{of_policy}/{{rule}}", rule, ["GET", "PUT"]),
    ]
