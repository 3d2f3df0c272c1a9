"""Creates the client for the System Log with the scopes that are granted."""

from __future__ import annotations

from .._runtime.clock import monotonic_clock
from ..errors import ForbiddenError
from ..okta.credentials import Credentials
from ..okta.diagnosis import SCOPES
from ..okta.sign_in import credentials
from ..okta.system_log import SystemLogClient
from ..settings import Settings
from .org import announce

__all__ = ["log_client"]

TOKEN_TIMEOUT = 10
"""Seconds for a token request."""


def log_client() -> SystemLogClient:
    """Return a client as the settings describe it.

    A service app without configured scopes requests those for a complete diagnosis, or if Okta
    does not grant all of them, those that it grants. Raises ``HookKeyError``.
    """
    settings = Settings()
    scopes = settings.words("scopes") or _granted(settings)
    return SystemLogClient.from_env(scopes=scopes, on_wait=announce)


def _granted(settings: Settings) -> tuple[str, ...]:
    """Return the scopes that a service app has; other credentials have what they have."""
    if not _is_service_app(credentials(settings)) or _has(*SCOPES):
        return SCOPES
    return tuple(scope for scope in SCOPES if _has(scope)) or SCOPES


def _has(*scopes: str) -> bool:
    """Return whether Okta grants these scopes to the service app."""
    now = monotonic_clock()
    try:
        credentials(Settings({"scopes": scopes})).prepare(now + TOKEN_TIMEOUT, now)
    except ForbiddenError:
        return False
    return True


def _is_service_app(made: Credentials) -> bool:
    from ..okta.service_app import ServiceApp  # noqa: PLC0415 - imports jwt: 40 ms

    return isinstance(made, ServiceApp)
