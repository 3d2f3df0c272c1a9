"""Verify what Okta hook keys sign: strict, fast JWT verification for Okta inline hooks.

====================================================  =============================================
your token URL is                                     verify
====================================================  =============================================
an Okta custom authorization server                   at the hook, its access token: ``IssuerKeys``
your own service                                      there, Okta's assertion: ``TokenEndpoint``
something that forwards the assertion to the hook     at the hook, the assertion: ``HookKeys``
====================================================  =============================================

``HookVerifier`` verifies both kinds of token. ``hookkey_verify.flask`` and the modules of the other
frameworks protect a handler with it, and ``hookkey_verify.hooks`` reads and answers the hooks.
``HookKeysClient`` manages the keys, and ``hookkey_verify.emulator`` is a local Okta org for tests.

Each name is imported on first use, so a program loads only what it needs: verifying with
``StaticKeys`` imports neither requests nor PyJWT.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ._runtime.lazy import lazily
from ._runtime.version import __version__ as __version__

if TYPE_CHECKING:
    from ._jose.jwk import PublicKey as PublicKey
    from .errors import ConfigurationError as ConfigurationError
    from .errors import HookKeyError as HookKeyError
    from .errors import HookVerificationError as HookVerificationError
    from .keys.hook_keys import HookKeys as HookKeys
    from .keys.issuer_keys import IssuerKeys as IssuerKeys
    from .keys.policy import CachePolicy as CachePolicy
    from .keys.static import StaticKeys as StaticKeys
    from .okta.client import AsyncHookKeysClient as AsyncHookKeysClient
    from .okta.client import HookKeysClient as HookKeysClient
    from .okta.credentials import ApiToken as ApiToken
    from .okta.credentials import BearerToken as BearerToken
    from .okta.service_app import ServiceApp as ServiceApp
    from .signer import HookSigner as HookSigner
    from .token_endpoint import TokenEndpoint as TokenEndpoint
    from .verifier import HookVerifier as HookVerifier
    from .verifier import VerifiedHook as VerifiedHook

_HOMES = {
    "HookVerifier": ".verifier",
    "VerifiedHook": ".verifier",
    "HookKeys": ".keys.hook_keys",
    "IssuerKeys": ".keys.issuer_keys",
    "StaticKeys": ".keys.static",
    "PublicKey": "._jose.jwk",
    "CachePolicy": ".keys.policy",
    "ApiToken": ".okta.credentials",
    "BearerToken": ".okta.credentials",
    "ServiceApp": ".okta.service_app",
    "HookKeysClient": ".okta.client",
    "AsyncHookKeysClient": ".okta.client",
    "HookSigner": ".signer",
    "TokenEndpoint": ".token_endpoint",
    "HookKeyError": ".errors",
    "HookVerificationError": ".errors",
    "ConfigurationError": ".errors",
}

__all__ = [  # noqa: RUF022 - a table of contents, in the order of the README
    "HookVerifier",
    "VerifiedHook",
    "HookKeys",
    "IssuerKeys",
    "StaticKeys",
    "PublicKey",
    "CachePolicy",
    "ApiToken",
    "BearerToken",
    "ServiceApp",
    "HookKeysClient",
    "AsyncHookKeysClient",
    "HookSigner",
    "TokenEndpoint",
    "HookKeyError",
    "HookVerificationError",
    "ConfigurationError",
]

if not TYPE_CHECKING:  # so that a type checker reports names that do not exist
    __getattr__, __dir__ = lazily(__name__, _HOMES)
