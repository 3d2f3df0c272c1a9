"""Refuses issuers whose access tokens cannot be verified. Pure.

An Okta org has one org authorization server, whose issuer is the org URL and whose access tokens
only Okta can verify. It may have custom authorization servers, with issuers ``…/oauth2/{id}``,
whose tokens others can verify (https://developer.okta.com/docs/concepts/auth-servers/).
"""

from __future__ import annotations

import re

from ..errors import ConfigurationError

__all__ = [
    "is_authorization_server",
    "is_okta_host",
    "refuse_lookalikes",
    "refuse_org_server",
]

_OKTA_DOMAIN = r"(?:okta\.com|oktapreview\.com|okta-emea\.com|okta-gov\.com|okta\.mil)"
_OKTA_HOST = re.compile(rf".+\.{_OKTA_DOMAIN}")
_ADMIN_HOST = re.compile(rf"(https://[^/]+)-admin(\.{_OKTA_DOMAIN}(?:/|$))")
_BELOW_ISSUER = re.compile(r"(?:/v1(?:/[a-z]+)?|/\.well-known/[a-z-]+)?/*")
_CUSTOM_SERVER = re.compile(r"https?://[^/?#]+/oauth2/[A-Za-z0-9_-]+")


def is_authorization_server(issuer: object) -> bool:
    """Return whether this looks like the issuer of a custom authorization server."""
    return isinstance(issuer, str) and _CUSTOM_SERVER.fullmatch(issuer) is not None


def is_okta_host(host: str) -> bool:
    """Return whether this is the host of an org in a domain of Okta."""
    return _OKTA_HOST.fullmatch(host) is not None


def refuse_org_server(issuer: str) -> None:
    """Raise ``ConfigurationError`` if this is the issuer of an Okta org authorization server."""
    from urllib.parse import urlsplit  # noqa: PLC0415 - imports ipaddress: 3 ms

    try:
        parts = urlsplit(issuer)
        host = parts.hostname or ""
    except ValueError:
        return
    if is_okta_host(host) and parts.path.strip("/") in ("", "oauth2"):
        raise ConfigurationError(
            f"{issuer} is Okta's org authorization server, whose access tokens are opaque: only "
            "Okta can verify them. Point the hook's token URL at a custom authorization server, "
            "https://…/oauth2/{id}, and name that one"
        )


def refuse_lookalikes(issuer: str) -> None:
    """Raise ``ConfigurationError`` for a URL that resembles an issuer but cannot be ``iss``.

    These are URLs of the Admin Console, URLs below an issuer, and issuers with a trailing slash.
    The error names the correct issuer.
    """
    right = _ADMIN_HOST.sub(r"\1\2", issuer)
    server = _CUSTOM_SERVER.match(right)
    if server is not None and _BELOW_ISSUER.fullmatch(right, server.end()):
        right = server[0]
    if right != issuer:
        raise ConfigurationError(f"{issuer} is not an issuer; did you mean {right}?")
