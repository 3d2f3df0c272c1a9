"""Credentials of a service app with those of several scopes that Okta grants to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..errors import ForbiddenError
from ..settings import NAMES, Settings
from .credentials import ApiToken, BearerToken, Credentials, OutgoingRequest
from .sign_in import arguments_from_env, connection, credentials

__all__ = ["GrantedScopes", "arguments_with_scopes"]

Scopes = tuple[str, ...]


class GrantedScopes(Credentials):
    """Requests all scopes, and if Okta refuses that, each of them, and then those that it grants.

    Okta issues no token if one of the requested scopes is not granted to the app. Thread-safe.

    For example:

    >>> from cryptography.hazmat.primitives.asymmetric import rsa
    >>> from hookkey_verify import HookSigner
    >>> from hookkey_verify.emulator import OktaEmulator
    >>> from hookkey_verify.okta import GrantedScopes, ServiceApp, SystemLogClient
    >>> key = rsa.generate_private_key(65537, 2048)
    >>> with OktaEmulator() as okta:
    ...     app = okta.create_service_app(HookSigner(key, "app").public_jwk(), ["okta.logs.read"])
    ...     def make(scopes):
    ...         return ServiceApp(okta.url, app, key, scopes=scopes)
    ...     granted = GrantedScopes(make, ("okta.logs.read", "okta.apps.read"))
    ...     with SystemLogClient(okta.url, granted) as log:
    ...         log.failures()
    []
    """

    def __init__(self, make: Callable[[Scopes], Credentials], scopes: Scopes) -> None:
        """Create credentials.

        ``make``: a function that returns the credentials for scopes.
        ``scopes``: the scopes to request.
        """
        self._make = make
        self._scopes = scopes
        self._chosen = make(scopes)
        self._is_tried = False

    def bind(self, org_url: str) -> None:
        """Raise ``ConfigurationError`` if these credentials are not for this org."""
        self._chosen.bind(org_url)

    def prepare(self, deadline: float, now: float) -> None:
        """Find out which scopes are granted, once; then fetch or renew the token if needed."""
        if not self._is_tried and not self._grants(self._chosen, deadline, now):
            each = ((scope, self._make((scope,))) for scope in self._scopes)
            found = tuple(scope for scope, made in each if self._grants(made, deadline, now))
            self._chosen = self._make(found or self._scopes)
        self._is_tried = True
        self._chosen.prepare(deadline, now)

    def refused(self, headers: Mapping[str, str]) -> bool:
        """Handle a 401; return whether another attempt may succeed."""
        return self._chosen.refused(headers)

    def __call__(self, request: OutgoingRequest) -> None:
        """Set the headers of a request."""
        self._chosen(request)

    def _secret(self) -> str:
        return self._chosen._secret()

    def _grants(self, made: Credentials, deadline: float, now: float) -> bool:
        try:
            made.prepare(deadline, now)
        except ForbiddenError:
            return False
        return True


def arguments_with_scopes(options: Mapping[str, Any], scopes: Scopes) -> dict[str, Any]:
    """Return the arguments of a client like ``arguments_from_env``.

    ``options``: arguments of the client, or settings by name.
    ``scopes``: what a service app without configured scopes requests, as far as it is granted.

    Raises ``ConfigurationError``.
    """
    given = {name: options[name] for name in options if name in NAMES}
    settings = Settings(given)
    if "credentials" in options or settings.words("scopes"):
        return arguments_from_env(options)
    org_url, made = settings.need("org_url"), credentials(settings)
    if not isinstance(made, ApiToken | BearerToken):
        made = GrantedScopes(lambda some: credentials(Settings({**given, "scopes": some})), scopes)
    others = {name: value for name, value in options.items() if name not in NAMES}
    return {"org_url": org_url, "credentials": made, **connection(settings), **others}
