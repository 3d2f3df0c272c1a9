"""Okta's management API: clients, what they return, and credentials.

Each name is imported on first use.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from .._runtime.lazy import lazily

if TYPE_CHECKING:
    from .applications import ApplicationKey as ApplicationKey
    from .applications import ApplicationKeysClient as ApplicationKeysClient
    from .applications import AsyncApplicationKeysClient as AsyncApplicationKeysClient
    from .authorization_servers import AuthorizationServer as AuthorizationServer
    from .authorization_servers import AuthorizationServersClient as AuthorizationServersClient
    from .client import AsyncHookKeysClient as AsyncHookKeysClient
    from .client import HookKeysClient as HookKeysClient
    from .credentials import ApiToken as ApiToken
    from .credentials import BearerToken as BearerToken
    from .credentials import Credentials as Credentials
    from .credentials import OutgoingRequest as OutgoingRequest
    from .diagnosis import Diagnosis as Diagnosis
    from .failures import Cause as Cause
    from .failures import HookFailure as HookFailure
    from .granted_scopes import GrantedScopes as GrantedScopes
    from .inline_hooks import AsyncInlineHooksClient as AsyncInlineHooksClient
    from .inline_hooks import InlineHooksClient as InlineHooksClient
    from .models import HookKey as HookKey
    from .models import InlineHook as InlineHook
    from .models import LogEvent as LogEvent
    from .recursion import RecursionTrap as RecursionTrap
    from .rotation import AsyncKeyRotation as AsyncKeyRotation
    from .rotation import KeyRotation as KeyRotation
    from .rotation import RotationReport as RotationReport
    from .rotation_state import Step as Step
    from .service_app import ServiceApp as ServiceApp
    from .system_log import AsyncSystemLogClient as AsyncSystemLogClient
    from .system_log import SystemLogClient as SystemLogClient

_HOMES = {
    "HookKeysClient": ".client",
    "AsyncHookKeysClient": ".client",
    "InlineHooksClient": ".inline_hooks",
    "AsyncInlineHooksClient": ".inline_hooks",
    "SystemLogClient": ".system_log",
    "AsyncSystemLogClient": ".system_log",
    "ApplicationKeysClient": ".applications",
    "AsyncApplicationKeysClient": ".applications",
    "AuthorizationServersClient": ".authorization_servers",
    "KeyRotation": ".rotation",
    "AsyncKeyRotation": ".rotation",
    "RotationReport": ".rotation",
    "Step": ".rotation_state",
    "HookKey": ".models",
    "InlineHook": ".models",
    "LogEvent": ".models",
    "ApplicationKey": ".applications",
    "AuthorizationServer": ".authorization_servers",
    "Diagnosis": ".diagnosis",
    "HookFailure": ".failures",
    "Cause": ".failures",
    "RecursionTrap": ".recursion",
    "ApiToken": ".credentials",
    "BearerToken": ".credentials",
    "ServiceApp": ".service_app",
    "GrantedScopes": ".granted_scopes",
    "Credentials": ".credentials",
    "OutgoingRequest": ".credentials",
}

__all__ = [  # noqa: RUF022 - a table of contents
    "HookKeysClient",
    "AsyncHookKeysClient",
    "InlineHooksClient",
    "AsyncInlineHooksClient",
    "SystemLogClient",
    "AsyncSystemLogClient",
    "ApplicationKeysClient",
    "AsyncApplicationKeysClient",
    "AuthorizationServersClient",
    "KeyRotation",
    "AsyncKeyRotation",
    "RotationReport",
    "Step",
    "HookKey",
    "InlineHook",
    "LogEvent",
    "ApplicationKey",
    "AuthorizationServer",
    "Diagnosis",
    "HookFailure",
    "Cause",
    "RecursionTrap",
    "ApiToken",
    "BearerToken",
    "ServiceApp",
    "GrantedScopes",
    "Credentials",
    "OutgoingRequest",
]

if not TYPE_CHECKING:  # so that a type checker reports names that do not exist
    __getattr__, __dir__ = lazily(__name__, _HOMES)
