"""The scope that a request to the management API requires. Pure."""

from __future__ import annotations

from typing import Final

__all__ = ["required_scope"]

_RESOURCES: Final = {
    "/api/v1/logs": "logs",
    "/api/v1/apps": "apps",
    "/api/v1/authorizationServers": "authorizationServers",
}
"""The resource in the name of the scope, by the beginning of the path; others are inlineHooks."""


def required_scope(method: str, path: str) -> str:
    """Return the scope for a request, such as ``okta.inlineHooks.read``.

    https://developer.okta.com/docs/api/oauth2/
    """
    found = (name for prefix, name in _RESOURCES.items() if path.startswith(prefix))
    return f"okta.{next(found, 'inlineHooks')}." + ("read" if method == "GET" else "manage")
