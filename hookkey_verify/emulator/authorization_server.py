"""The org's custom authorization server, which issues the access tokens for hooks. Pure.

https://developer.okta.com/docs/api/openapi/okta-oauth/oauth/tag/CustomAS/. Its clients are
those of the org. They authenticate with private_key_jwt (hooks with a hook key) or a client secret.
"""

from __future__ import annotations

import threading
import uuid
from collections.abc import Callable, Mapping
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from .._runtime.clock import Clock, wall_clock
from ..signer import HookSigner
from .oauth_error import OAuthError
from .okta_error import identifier
from .public_keys import ALGORITHMS
from .rsa_keys import from_pem, to_pem
from .service_apps import ServiceApps
from .store import Store

__all__ = ["EmulatedServer"]

_KIND: Final = "authorization server"
LIFETIME: Final = 3600
"""The lifetime of access tokens in seconds, which is Okta's default."""


class EmulatedServer:
    """One authorization server with one signing key. Thread-safe."""

    def __init__(
        self,
        apps: ServiceApps,
        *,
        new_key: Callable[[], RSAPrivateKey],
        audience: str = "api://hooks",
        clock: Clock = wall_clock,
        store: Store | None = None,
    ) -> None:
        """Create an authorization server, or load it from ``store``.

        ``apps``: the clients of the org.
        ``new_key``: a function that generates RSA keys.
        ``audience``: the ``aud`` of access tokens. Default: "api://hooks".
        ``clock``: a function that returns epoch seconds. Default: the system clock.
        ``store``: stores the id and the signing key. Default None: in memory.

        Raises ``ConfigurationError`` if the stored server cannot be read.
        """
        self.audience = audience
        self._apps = apps
        self._new_key = new_key
        self._clock = clock
        self._lock = threading.Lock()
        self._store = store or Store()
        self._signer: HookSigner | None = None
        kept = self._store.load(_KIND, self._read)
        if kept:
            self.id, self._signer = kept.popitem()
        else:
            self.id = "aus" + identifier(17)
            self._store.put(_KIND, self.id, {})

    def _read(self, body: Mapping[str, Any]) -> HookSigner | None:
        if not body:  # it has never signed
            return None
        return HookSigner(from_pem(body["pem"]), body["kid"], clock=self._clock)

    @property
    def signer(self) -> HookSigner:
        """The signer of the tokens. It is created on first use, which takes 0.1 s."""
        with self._lock:
            if self._signer is None:
                key, kid = self._new_key(), identifier(43)
                self._store.put(_KIND, self.id, {"kid": kid, "pem": to_pem(key)})
                self._signer = HookSigner(key, kid, clock=self._clock)
            return self._signer

    def rotate(self) -> HookSigner:
        """Replace the signing key; the JWK Set then no longer contains the old one."""
        with self._lock:
            self._signer = None
        return self.signer

    def jwks(self) -> dict[str, Any]:
        """Return the JWK Set."""
        return {"keys": [self.signer.public_jwk()]}

    def document(self, issuer: str) -> dict[str, Any]:
        """Return the server as the management API does, without times and signing key.

        https://developer.okta.com/docs/api/openapi/okta-management/management/tag/AuthorizationServer/
        """
        return {
            "id": self.id,
            "name": "Hooks",
            "description": "The authorization server of the emulator",
            "audiences": [self.audience],
            "issuer": issuer,
            "issuerMode": "DYNAMIC",  # the issuer has the host of the request
            "status": "ACTIVE",
        }

    def issuer(self, org_url: str) -> str:
        """Return the issuer for the URL at which the org is served."""
        return f"{org_url}/oauth2/{self.id}"

    def metadata(self, issuer: str) -> dict[str, Any]:
        """Return the discovery document.

        It has the members that RFC 8414 section 2 and OpenID Connect Discovery section 3 require,
        with Okta's values. Only ``token_endpoint`` and ``jwks_uri`` of its endpoints are served.
        """
        return {
            "issuer": issuer,
            "authorization_endpoint": f"{issuer}/v1/authorize",
            "token_endpoint": f"{issuer}/v1/token",
            "jwks_uri": f"{issuer}/v1/keys",
            "response_types_supported": ["code"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256"],
            "grant_types_supported": ["client_credentials"],
            "scopes_supported": ["hooks"],
            "claims_supported": ["ver", "jti", "iss", "aud", "iat", "exp", "cid", "scp", "sub"],
            "token_endpoint_auth_methods_supported": [
                "client_secret_basic",
                "client_secret_post",
                "private_key_jwt",
            ],
            "token_endpoint_auth_signing_alg_values_supported": [*ALGORITHMS],
        }

    def token(self, form: Mapping[str, str], issuer: str) -> dict[str, Any]:
        """Answer a token request. Raises ``OAuthError``."""
        client_id, allowed = self._apps.authenticate(form, f"{issuer}/v1/token")
        wanted = frozenset(form.get("scope", "").split())
        if not wanted or not wanted <= allowed:
            raise OAuthError(400, "invalid_scope", "One or more scopes are not configured.")
        return {
            "token_type": "Bearer",
            "expires_in": LIFETIME,
            "access_token": self.access_token(issuer, client_id, wanted),
            "scope": " ".join(sorted(wanted)),
        }

    def access_token(
        self, issuer: str, client_id: str, scopes: frozenset[str], *, audience: str | None = None
    ) -> str:
        """Sign a token like Okta's, with ``cid``, ``scp`` as a list, and ``ver``.

        Default ``audience`` None: the audience of the server.
        https://developer.okta.com/docs/reference/api/oidc/#access-token-payload
        """
        now = int(self._clock())
        claims = {
            "ver": 1,
            "jti": f"AT.{uuid.uuid4().hex}",
            "iss": issuer,
            "aud": audience or self.audience,
            "iat": now,
            "exp": now + LIFETIME,
            "cid": client_id,
            "scp": sorted(scopes),
            "sub": client_id,
        }
        return self.signer.sign(claims)
