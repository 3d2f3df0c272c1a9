"""ServiceApp signs in to Okta's API as an API Services app (client credentials, RFC 6749 4.4).

The app authenticates with a private key (private_key_jwt, RFC 7523) at the org authorization
server, because custom ones do not issue Okta's own scopes. With DPoP (RFC 9449), each request also
proves possession of a second key, so that a stolen token is useless.
https://developer.okta.com/docs/guides/implement-oauth-for-okta-serviceapp/
https://developer.okta.com/docs/guides/dpop/
"""

from __future__ import annotations

import re
import threading
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Collection, Mapping
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from .._arguments import flag, text
from .._runtime.clock import Clock, wall_clock
from .._runtime.forking import PerProcess
from .._wire.scope import scope_names
from ..errors import (
    AuthenticationError,
    ConfigurationError,
    ForbiddenError,
    HookKeyApiError,
    RateLimitedError,
    TransportError,
)
from ..signer import HookSigner
from .credentials import Credentials, OutgoingRequest
from .http import Answer, BoundedHttp
from .transport import check_org_url, rate_limit

if TYPE_CHECKING:
    from ..signer import PrivateKey

__all__ = ["ServiceApp"]

RENEW_BEFORE: Final = 300
"""Seconds before its expiry at which a token is renewed; Okta's default lifetime is 3600."""
ASSERTION_LIFETIME: Final = 300

_PATH: Final = "/oauth2/v1/token"
_TOKEN = re.compile(r"[\x21-\x7e]+")


class _Token(NamedTuple):
    value: str
    renew_at: float
    expires_at: float

    @classmethod
    def received(cls, document: Mapping[str, Any], now: float) -> _Token:
        """Read a token response. Raises ``TransportError``."""
        value, lifetime = document.get("access_token"), document.get("expires_in")
        if not isinstance(value, str) or not _TOKEN.fullmatch(value):
            raise TransportError("the token response has no access_token", status=200)
        if type(lifetime) not in (int, float) or not 0 < float(str(lifetime)) <= 86_400:
            raise TransportError("the token response has no usable expires_in", status=200)
        seconds = float(str(lifetime))
        return cls(value, now + seconds - min(RENEW_BEFORE, seconds / 2), now + seconds)

    def is_usable(self, now: float) -> bool:
        return now < self.expires_at


class ServiceApp(Credentials):
    """Credentials of an API Services app, which fetch an access token and renew it early.

    Thread-safe. Only one thread of a process fetches at a time.

    For example:

    >>> from hookkey_verify import ServiceApp
    >>> from cryptography.hazmat.primitives.asymmetric import rsa
    >>> key = rsa.generate_private_key(65537, 2048)
    >>> app = ServiceApp("https://acme.okta.com", "0oa1service", key)
    >>> app
    ServiceApp(…)
    """

    def __init__(
        self,
        org_url: str,
        client_id: str,
        private_key: PrivateKey | str | bytes,
        *,
        key_id: str | None = None,
        scopes: Collection[str] = ("okta.inlineHooks.read",),
        dpop: bool = False,
        verify: bool | str = True,
        proxies: Mapping[str, str] | None = None,
        clock: Clock = wall_clock,
    ) -> None:
        """Create credentials; the first request fetches a token.

        ``org_url``: the URL of the org.
        ``client_id``: the client id of the app.
        ``private_key``: the private key of the app, as an object or an unencrypted PEM: RSA
            (RS256), P-256, P-384 or P-521 (ES256, ES384, ES512).
        ``key_id``: the kid of this key in Okta, required if the app has several keys. Default None.
        ``scopes``: scopes that are granted to the app, which also needs an admin role. Changes of
            keys require okta.inlineHooks.manage. Default: okta.inlineHooks.read.
        ``dpop``: whether the app's setting "Require Demonstrating Proof of Possession" is on.
            Default False.
        ``verify``: True (the default), or the path of a CA bundle.
        ``proxies``: proxy URLs by scheme. Default None: no proxy.
        ``clock``: a function that returns epoch seconds. Default: the system clock.

        Raises ``ConfigurationError`` naming the argument.
        """
        if not _TOKEN.fullmatch(text("client_id", client_id)):
            raise ConfigurationError("client_id must be printable ASCII without white space")
        self._url = check_org_url(org_url) + _PATH
        self._client_id = client_id
        self._signer = HookSigner(private_key, key_id or "-", clock=clock)
        self._header = {} if key_id else {"kid": None}
        self._scope = " ".join(scope_names(scopes, least=1))
        self._clock = clock
        self._http = BoundedHttp(verify=verify, proxies=proxies)
        self._proof = _Proof(clock) if flag("dpop", dpop) else None
        self._token: _Token | None = None
        self._lock = PerProcess(threading.Lock)

    def bind(self, org_url: str) -> None:
        """Raise ``ConfigurationError`` if this is not the org that issues the token."""
        if org_url + _PATH != self._url:
            raise ConfigurationError("credentials are a ServiceApp of another org, not of org_url")

    def prepare(self, deadline: float, now: float) -> None:
        """Fetch or renew the token if needed, by ``deadline`` (same clock as ``now``)."""
        token, wall = self._token, self._clock()
        if token is not None and wall < token.renew_at:
            return
        # While another thread renews a token, callers use the old one if it is still valid.
        patience = 0.0 if token is not None and token.is_usable(wall) else deadline - now
        lock = self._lock()
        if not lock.acquire(timeout=max(0.0, patience)):
            if not self._has_usable_token():
                raise TransportError("there was no access token in time")
            return
        try:
            if self._token is token:
                self._token = self._fetch(deadline)
        except HookKeyApiError:
            if not self._has_usable_token():
                raise
        finally:
            lock.release()

    def _has_usable_token(self) -> bool:
        return self._token is not None and self._token.is_usable(self._clock())

    def refused(self, headers: Mapping[str, str]) -> bool:
        """Drop the token unless Okta only requires a proof with its nonce."""
        # RFC 9449 section 9: any response may contain a nonce; this error requires one.
        asked = "use_dpop_nonce" in headers.get("WWW-Authenticate", "")
        fresh = self._proof is not None and self._proof.take_nonce(headers)
        if not (asked and fresh):
            # Not None, because another thread may be sending a request with it.
            self._token = self._token and self._token._replace(renew_at=0, expires_at=0)
        return True

    def __call__(self, request: OutgoingRequest) -> None:
        """Set ``Authorization`` and, with DPoP, the proof for this request."""
        token = self._secret()
        scheme = "Bearer" if self._proof is None else "DPoP"
        request.headers["Authorization"] = f"{scheme} {token}"
        if self._proof is not None:
            request.headers["DPoP"] = self._proof.make(request.method, request.url, token)

    def _secret(self) -> str:
        if self._token is None:
            raise TransportError("there is no access token")
        return self._token.value

    def _fetch(self, deadline: float) -> _Token:
        now = self._clock()
        answer = self._ask(deadline)
        proof = self._proof
        if answer.status == 400 and proof is not None and proof.take_nonce(answer.headers):
            answer = self._ask(deadline)
        if answer.status != 200:
            raise _refusal(answer, dpop=proof is not None)
        document = answer.json_object()
        kind = str(document.get("token_type")).lower()
        if kind != ("bearer" if proof is None else "dpop"):
            raise ConfigurationError(
                "the app's tokens are bound by DPoP; pass dpop=True"
                if kind == "dpop"
                else "the app's tokens are not bound by DPoP; leave dpop out"
            )
        return _Token.received(document, now)

    def _ask(self, deadline: float) -> Answer:
        now = int(self._clock())
        assertion = self._signer.sign(
            {
                "iss": self._client_id,
                "sub": self._client_id,
                "aud": self._url,
                "iat": now,
                "exp": now + ASSERTION_LIFETIME,
                "jti": str(uuid.uuid4()),
            },
            headers=self._header,
        )
        proof = {} if self._proof is None else {"DPoP": self._proof.make("POST", self._url, None)}
        return self._http.send(
            "POST",
            self._url,
            deadline=deadline,
            headers=proof,
            data={
                "grant_type": "client_credentials",
                "scope": self._scope,
                "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                "client_assertion": assertion,
            },
        )


class _Proof:
    """Signs DPoP proofs with a separate key and keeps Okta's last nonce (RFC 9449)."""

    def __init__(self, clock: Clock) -> None:
        self._signer = HookSigner.generate(clock=clock)
        self._clock = clock
        self._nonce: str | None = None
        jwk = self._signer.public_jwk()
        self._header = {
            "typ": "dpop+jwt",
            "kid": None,
            "jwk": {name: jwk[name] for name in ("kty", "n", "e")},
        }

    def make(self, method: str, url: str, token: str | None) -> str:
        """Sign a proof for one request and its access token, if any."""
        claims: dict[str, Any] = {
            "jti": str(uuid.uuid4()),
            "htm": method,
            "htu": url.partition("?")[0],
            "iat": int(self._clock()),
        }
        if self._nonce is not None:
            claims["nonce"] = self._nonce
        if token is not None:
            digest = sha256(token.encode()).digest()
            claims["ath"] = urlsafe_b64encode(digest).rstrip(b"=").decode()
        return self._signer.sign(claims, headers=self._header)

    def take_nonce(self, headers: Mapping[str, str]) -> bool:
        """Store the nonce of a response; return whether it is new."""
        nonce = headers.get("DPoP-Nonce")
        if not nonce or not _TOKEN.fullmatch(nonce) or nonce == self._nonce:
            return False
        self._nonce = nonce
        return True


# RFC 6749 section 5.2 and RFC 9449 define these codes, so they may be shown.
_CODES: Final[Mapping[str, tuple[type[HookKeyApiError], str]]] = {
    "invalid_client": (
        AuthenticationError,
        "the client id, the private key or its kid does not match the app (invalid_client)",
    ),
    "invalid_scope": (ForbiddenError, "the app is not granted these scopes (invalid_scope)"),
    "access_denied": (ForbiddenError, "a policy denies the app a token (access_denied)"),
    "unauthorized_client": (ForbiddenError, "it is not an API Services app (unauthorized_client)"),
    "invalid_dpop_proof": (AuthenticationError, "the app requires DPoP; pass dpop=True"),
    "use_dpop_nonce": (AuthenticationError, "Okta does not accept its own nonce (use_dpop_nonce)"),
}


def _refusal(answer: Answer, *, dpop: bool) -> HookKeyApiError:
    if answer.status == 429:
        limited = RateLimitedError("", status=429, headers=answer.headers)
        limited.reset_at, limited.retry_after = rate_limit(answer.headers, answer.retry_after())
        return limited
    try:
        code = answer.json_object().get("error")
    except TransportError:
        code = None
    kind, detail = _CODES.get(str(code), (TransportError, "the token endpoint issues no token"))
    if code == "invalid_dpop_proof" and dpop:
        detail = "Okta does not accept the DPoP proof; is this machine's clock right?"
    if kind is TransportError and answer.status in (400, 401, 403):
        kind = AuthenticationError
    made = kind(detail, status=answer.status, headers=answer.headers)
    if isinstance(made, TransportError):
        made.retry_after = answer.retry_after()
    return made
