"""AuthorizationServersClient reads the custom authorization servers of an org.

``GET /api/v1/authorizationServers/{id}`` needs credentials with okta.authorizationServers.read
(https://developer.okta.com/docs/api/openapi/okta-management/management/tag/AuthorizationServer/).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, Final, Self

from ..errors import TransportError
from ..settings import NAMES, Settings
from .org_client import OrgClient, checked_id, reported
from .paths import SERVERS, is_id

__all__ = ["AuthorizationServer", "AuthorizationServersClient"]

READ: Final = "okta.authorizationServers.read"
_PERMISSION: Final = (
    f"it needs the scope {READ}; administrators need a role that may view authorization servers, "
    "such as a custom role with okta.authzServers.read"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthorizationServer:
    """A custom authorization server, read leniently. ``raw`` is the original document.

    For example:

    >>> from hookkey_verify.okta import AuthorizationServer
    >>> document = {"id": "aus1hooks", "name": "Hooks", "audiences": ["api://hooks"]}
    >>> AuthorizationServer.from_document(document).audiences
    ('api://hooks',)
    """

    id: str
    name: str = ""
    audiences: tuple[str, ...] = ()
    """The ``aud`` of its access tokens. Okta supports one."""
    issuer: str | None = None
    """The complete URL of the server. See ``is_dynamic``."""
    is_dynamic: bool = False
    """Whether the ``iss`` of a token has the host of the token request, not that of ``issuer``."""
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_document(cls, document: object) -> AuthorizationServer:
        """Read a server. Raises ``TransportError`` if it has no usable ``id``."""
        raw = document if isinstance(document, Mapping) else {}
        id_, name, issuer = raw.get("id"), raw.get("name"), raw.get("issuer")
        if not isinstance(id_, str) or not is_id(id_):
            problem = "the response is not an authorization server: no usable id"
            raise TransportError(problem, status=200)
        audiences = raw.get("audiences")
        listed = audiences if isinstance(audiences, list) else []
        return cls(
            id=id_,
            name=name if isinstance(name, str) else "",
            audiences=tuple(each for each in listed if isinstance(each, str) and each),
            issuer=issuer if isinstance(issuer, str) else None,
            is_dynamic=raw.get("issuerMode") == "DYNAMIC",
            raw=MappingProxyType(dict(raw)),
        )


class AuthorizationServersClient(OrgClient):
    """Reads the authorization servers of one org.

    See ``OrgClient`` for what all clients have in common. Reading requires
    okta.authorizationServers.read.

    For example:

    >>> from hookkey_verify import ApiToken
    >>> from hookkey_verify.emulator import OktaEmulator
    >>> from hookkey_verify.okta import AuthorizationServersClient
    >>> with OktaEmulator() as okta:
    ...     with AuthorizationServersClient(okta.url, ApiToken(okta.api_token)) as client:
    ...         client.get(okta.issuer.rpartition("/")[2]).audiences
    ('api://hooks',)
    """

    _permission = _PERMISSION

    @classmethod
    def from_env(cls, **options: Any) -> Self:
        """Do the same as ``OrgClient.from_env``.

        A service app without configured scopes requests okta.authorizationServers.read.
        """
        settings = Settings({name: options[name] for name in options if name in NAMES})
        return super().from_env(**{**options, "scopes": settings.words("scopes") or (READ,)})

    @reported
    def get(self, id: str) -> AuthorizationServer:  # noqa: A002 - Okta's name
        """Return the server with this ``id``, which may be "default"."""
        answer = self._exchange("GET", f"{SERVERS}/{checked_id('id', id)}")
        return AuthorizationServer.from_document(answer.json_object())
