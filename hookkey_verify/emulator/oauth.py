"""The org authorization server issues tokens for service apps, with or without DPoP. Pure.

PyJWT verifies assertions and proofs, so this is independent of how this package signs them.
https://developer.okta.com/docs/guides/implement-oauth-for-okta-serviceapp/
https://developer.okta.com/docs/guides/dpop/
"""

from __future__ import annotations

import hashlib
import secrets
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jwt
from jwt.types import Options

from .._runtime.clock import Clock, wall_clock
from .client_keys import ClientKey, new_client_key
from .okta_error import OktaError, identifier, invalid, not_found, timestamp
from .public_keys import ALGORITHMS, ClientPublicKey, base64url
from .store import Store

__all__ = ["OAuthError", "ServiceApps"]

_KIND = "app"
LIFETIME = 3600
MAX_ASSERTION_LIFETIME = 3600
PROOF_AGE = 300  # GUESS: the maximum age of a proof is not documented
_TIMELESS: Options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
"""PyJWT's checks of times are disabled, because it uses the machine's clock, not the org's."""
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


class OAuthError(Exception):
    """An error response of the token endpoint (RFC 6749 section 5.2)."""

    def __init__(self, status: int, code: str, description: str, nonce: str = "") -> None:
        super().__init__(description)
        self.status = status
        self.headers = {"dpop-nonce": nonce} if nonce else {}
        self._body = {"error": code, "error_description": description}

    def body(self) -> dict[str, str]:
        """Return the error object."""
        return dict(self._body)


@dataclass(frozen=True, slots=True)
class _App:
    keys: tuple[ClientKey, ...]
    scopes: frozenset[str]
    dpop: bool = False
    secret: str = field(default="", repr=False)

    @classmethod
    def of(cls, body: Mapping[str, Any]) -> _App:
        """Return the app of a stored record."""
        keys = tuple(ClientKey(**key) for key in body["keys"])
        return cls(keys, frozenset(body["scopes"]), dpop=body["dpop"], secret=body["secret"])

    def record(self) -> dict[str, Any]:
        """Return the record to store."""
        keys = [key.record() for key in self.keys]
        return {
            "keys": keys,
            "scopes": sorted(self.scopes),
            "dpop": self.dpop,
            "secret": self.secret,
        }

    def has_credentials_of(self, other: _App) -> bool:
        """Return whether the other app has a key of this app, or its secret."""
        mine, theirs = ({key.public.thumbprint for key in app.keys} for app in (self, other))
        return theirs <= mine and bool(mine) == bool(theirs) and self.secret == other.secret

    def key(self, kid: object) -> ClientPublicKey:
        """Return the active key with this kid, or the only active key.

        Raises ``KeyError``. An assertion needs a kid if the client has several keys.
        """
        active = [key for key in self.keys if key.status == "ACTIVE"]
        found = [key for key in active if key.kid == kid] or active
        if len(found) != 1:
            raise KeyError
        return found[0].public


@dataclass(frozen=True, slots=True)
class _Grant:
    scopes: frozenset[str]
    expires_at: float
    thumbprint: str | None


class ServiceApps:
    """The API Services apps of one org and their tokens. Thread-safe."""

    def __init__(self, *, clock: Clock = wall_clock, store: Store | None = None) -> None:
        """Load the apps of an org.

        ``clock``: a function that returns epoch seconds. Default: the system clock.
        ``store``: stores the apps. Default None: in memory. Tokens are always in memory.

        Raises ``ConfigurationError`` if the stored apps cannot be read.
        """
        self._clock = clock
        self._lock = threading.Lock()
        self._store = store or Store()
        self._apps = self._store.load(_KIND, _App.of)
        self._grants: dict[str, _Grant] = {}
        self._used: set[str] = set()
        self.nonce = secrets.token_urlsafe(16)

    def register(
        self,
        public_jwk: Mapping[str, Any],
        scopes: Collection[str],
        *,
        dpop: bool = False,
        client_id: str | None = None,
        replaces: bool = False,
    ) -> str:
        """Register an app with this public key; return its client id.

        Default ``client_id`` None: a new one. ``replaces``: whether an app with this id gets the
        new credentials. Default False. Raises ``OktaError`` if an app with other credentials has
        this id and is not replaced, or if the key is not a public RSA or EC key.
        """
        key = new_client_key(public_jwk, timestamp(self._clock()), ())
        app = _App((key,), frozenset(scopes), dpop=dpop)
        return self._register(app, client_id, replaces=replaces)

    def register_secret(
        self,
        secret: str,
        scopes: Collection[str],
        *,
        client_id: str | None = None,
        replaces: bool = False,
    ) -> str:
        """Register an app with a client secret; return its client id.

        For ``client_id``, ``replaces`` and errors, see ``register``.
        """
        app = _App((), frozenset(scopes), secret=secret)
        return self._register(app, client_id, replaces=replaces)

    def knows(self, client_id: str) -> bool:
        """Return whether an app has this client id."""
        return client_id in self._apps

    def has(self, client_id: str, public_jwk: Mapping[str, Any] | None, secret: str) -> bool:
        """Return whether the app with this client id has this key or secret."""
        known = self._apps.get(client_id)
        keys = () if public_jwk is None else (new_client_key(public_jwk, "", ()),)
        app = _App(keys, frozenset(), secret=secret)
        return known is not None and known.has_credentials_of(app)

    def _register(self, app: _App, wanted: str | None, *, replaces: bool) -> str:
        client_id = wanted or "0oa" + identifier(17)
        known = self._apps.get(client_id)
        if known is not None and not replaces:
            if not known.has_credentials_of(app):
                raise invalid("clientId", "clientId: another client of the org has it")
            app = replace(known, scopes=known.scopes | app.scopes)
        self._keep(client_id, app)
        return client_id

    def all(self) -> dict[str, tuple[ClientKey, ...]]:
        """Return the keys of each app by client id."""
        return {client_id: app.keys for client_id, app in list(self._apps.items())}

    def keys(self, client_id: str) -> tuple[ClientKey, ...]:
        """Return the keys of an app. Raises ``OktaError`` if there is none with this id."""
        return self._app(client_id).keys

    def change_keys(
        self, client_id: str, change: Callable[[tuple[ClientKey, ...]], tuple[ClientKey, ...]]
    ) -> None:
        """Replace the keys of an app by the result of ``change``. Raises ``OktaError``."""
        with self._lock:
            app = self._app(client_id)
            self._keep(client_id, replace(app, keys=change(app.keys)))

    def _app(self, client_id: str) -> _App:
        app = self._apps.get(client_id)
        if app is None:
            raise not_found(client_id, "AppInstance")
        return app

    def _keep(self, client_id: str, app: _App) -> None:
        self._store.put(_KIND, client_id, app.record())
        self._apps[client_id] = app

    def authenticate(self, form: Mapping[str, str], url: str) -> tuple[str, frozenset[str]]:
        """Return the client that sent this token request to ``url``, and its scopes.

        Raises ``OAuthError``. All apps of the org may use all of its authorization servers.
        """
        if form.get("grant_type") != "client_credentials":
            raise OAuthError(400, "unsupported_grant_type", "The grant type is not supported.")
        if "client_assertion" in form:
            if form.get("client_assertion_type") != _ASSERTION_TYPE:
                raise _invalid_client("client_assertion_type is invalid.")
            return self._authenticated(form["client_assertion"], url)
        client_id = form.get("client_id", "")
        app = self._apps.get(client_id)
        given = form.get("client_secret", "").encode()
        if app is None or not app.secret:
            raise _invalid_client("The client is unknown.")
        if not secrets.compare_digest(given, app.secret.encode()):
            raise _invalid_client("The client secret is wrong.")
        return client_id, app.scopes

    def forget(self, client_id: str) -> None:
        """Remove an app."""
        self._store.drop(_KIND, client_id)
        self._apps.pop(client_id, None)

    def revoke_all(self) -> None:
        """Revoke all tokens."""
        self._grants.clear()

    def grant(self, form: Mapping[str, str], proof: str, url: str) -> dict[str, Any]:
        """Answer a token request to ``url`` for Okta's own API. Raises ``OAuthError``."""
        app = self._apps[self.authenticate(form, url)[0]]
        if not app.keys:  # private_key_jwt is the only method for Okta's own scopes
            raise _invalid_client("client_assertion_type is invalid.")
        wanted = frozenset(form.get("scope", "").split())
        if not wanted or not wanted <= app.scopes:
            raise OAuthError(400, "invalid_scope", "One or more scopes are not configured.")
        # Okta's Node SDK sends a proof for every app, including apps with Bearer tokens.
        thumbprint = self._proven(proof, "POST", url, None) if app.dpop else None
        token = secrets.token_urlsafe(32)
        self._grants[token] = _Grant(wanted, self._clock() + LIFETIME, thumbprint)
        return {
            "token_type": "DPoP" if app.dpop else "Bearer",
            "expires_in": LIFETIME,
            "access_token": token,
            "scope": " ".join(sorted(wanted)),
        }

    def check(self, authorization: str, proof: str, method: str, url: str, scope: str) -> None:
        """Check the access token of an API request.

        ``authorization``: the ``Authorization`` header.
        ``proof``: the ``DPoP`` header; empty if absent.
        ``method``: the request method.
        ``url``: the request URL without the query.
        ``scope``: the scope that the request requires.

        Raises ``OktaError``.
        """
        scheme, _, token = authorization.partition(" ")
        grant = self._grants.get(token)
        if grant is None or grant.expires_at <= self._clock():
            raise _invalid_token(scheme)
        if scheme != ("Bearer" if grant.thumbprint is None else "DPoP"):
            raise _invalid_token(scheme)
        if grant.thumbprint is not None:
            try:
                thumbprint = self._proven(proof, method, url, token)
            except OAuthError:
                thumbprint = ""
            if thumbprint != grant.thumbprint:
                raise _invalid_token(scheme)
        if scope not in grant.scopes:
            words = "The access token provided does not contain the required scopes."
            challenge = _challenge(scheme, "insufficient_scope", words)
            summary = "You do not have permission to perform the requested action"
            raise OktaError(403, "E0000006", summary, challenge=challenge)

    def _authenticated(self, assertion: str, url: str) -> tuple[str, frozenset[str]]:
        """Verify an assertion by Okta's rules and return its client and scopes.

        The audience must match exactly, ``iss`` and ``sub`` must be the client id, the lifetime is
        at most one hour, and each ``jti`` is accepted once.
        """
        try:
            claimed = jwt.decode(assertion, options={"verify_signature": False})
            app = self._apps[claimed["iss"]]
            key = app.key(jwt.get_unverified_header(assertion).get("kid"))
            claims = jwt.decode(
                assertion,
                key.key,
                algorithms=key.algorithms,
                options={**_TIMELESS, "verify_aud": False, "require": ["exp", "sub", "iss"]},
            )
        except (jwt.PyJWTError, KeyError, TypeError):
            raise _invalid_client("The client_assertion is invalid.") from None
        if claims.get("aud") != url:
            raise _invalid_client(
                "The audience claim for client_assertion must be the endpoint invoked for the "
                "request."
            )
        if claims["sub"] != claims["iss"]:
            raise _invalid_client("The sub claim must be the client id.")
        if not _is_date(claims["exp"]):
            raise _invalid_client("The exp claim must be a number.")
        if claims["exp"] <= self._clock():
            raise _invalid_client("The client_assertion has expired.")
        if claims["exp"] > self._clock() + MAX_ASSERTION_LIFETIME:
            raise _invalid_client("The client_assertion is valid for too long.")
        self._use(claims.get("jti"))
        return claims["iss"], app.scopes

    def _proven(self, proof: str, method: str, url: str, token: str | None) -> str:
        """Return the thumbprint of the key of a valid proof for this request."""
        try:
            key = ClientPublicKey.of(dict(jwt.get_unverified_header(proof)["jwk"]))
            claims = jwt.decode(
                proof,
                key.key,
                algorithms=key.algorithms,
                options={**_TIMELESS, "require": ["jti", "htm", "htu", "iat"]},
            )
        except (jwt.PyJWTError, KeyError, TypeError, ValueError):
            raise OAuthError(400, "invalid_dpop_proof", "The DPoP proof is invalid.") from None
        if token is None and claims.get("nonce") != self.nonce:
            raise OAuthError(
                400,
                "use_dpop_nonce",
                "Authorization server requires nonce in DPoP proof.",
                nonce=self.nonce,
            )
        expected: dict[str, Any] = {"htm": method, "htu": url}
        if token is not None:
            expected["ath"] = base64url(hashlib.sha256(token.encode()).digest())
        is_recent = _is_date(claims["iat"]) and abs(self._clock() - claims["iat"]) < PROOF_AGE
        if not is_recent or {name: claims.get(name) for name in expected} != expected:
            raise OAuthError(400, "invalid_dpop_proof", "The DPoP proof is not for this request.")
        self._use(claims["jti"])
        return key.thumbprint

    def _use(self, jti: object) -> None:
        if jti is None:
            return
        with self._lock:
            if str(jti) in self._used:
                raise _invalid_client("The jti has been used before.")
            self._used.add(str(jti))


def _invalid_client(words: str) -> OAuthError:
    return OAuthError(401, "invalid_client", words)


def _invalid_token(scheme: str) -> OktaError:
    challenge = _challenge(scheme, "invalid_token", "The access token is invalid.")
    return OktaError(401, "E0000011", "Invalid token provided", challenge=challenge)


def _challenge(scheme: str, error: str, description: str) -> str:
    """Return Okta's ``WWW-Authenticate`` of a 403 (RFC 6750 section 3, RFC 9449 section 7.1).

    GUESS: a 401 has it too.
    """
    algorithms = " ".join(ALGORITHMS)
    head = f'DPoP algs="{algorithms}", ' if scheme == "DPoP" else "Bearer "
    return f'{head}error="{error}", error_description="{description}"'


def _is_date(value: object) -> bool:
    """Return whether this is a number in the range of dates, which NaN is not."""
    return type(value) in (int, float) and -(2**53) <= value <= 2**53  # type: ignore[operator]
