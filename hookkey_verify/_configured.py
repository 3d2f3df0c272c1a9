"""Creates the verifier for adapters that read the configuration of a framework."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .errors import ConfigurationError
from .settings import NAMES, Settings
from .verifier import HookVerifier

__all__ = ["configured_verifier"]


def configured_verifier(values: Mapping[str, Any]) -> HookVerifier:
    """Create a verifier from the ``HOOKKEY_*`` and ``OKTA_CLIENT_*`` settings in these values.

    With ``HOOKKEY_ISSUER`` it verifies access tokens of that issuer, otherwise client assertions
    with the org's hook keys. Missing settings are read from the environment and okta.yaml. Raises
    ``ConfigurationError`` naming what is missing.
    """
    from .keys.hook_keys import HookKeys  # noqa: PLC0415 - imports urllib3
    from .keys.issuer_keys import IssuerKeys  # noqa: PLC0415

    given = {name: values.get(where.variable) for name, where in NAMES.items()}
    settings = Settings(given)
    if settings.text("issuer") is None and settings.text("org_url") is None:
        raise ConfigurationError(
            "no verifier is configured: pass one, set HOOKKEY_ISSUER to verify access tokens, or "
            "set OKTA_CLIENT_ORGURL to verify client assertions"
        )
    keys = HookKeys if settings.text("issuer") is None else IssuerKeys
    return HookVerifier.from_env(keys.from_env(**given), settings=settings)
