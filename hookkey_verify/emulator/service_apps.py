"""The API Services apps of the org, which are also the clients of hooks. Pure.

PyJWT verifies assertions, so this is independent of how this package signs them.
https://developer.okta.com/docs/guides/implement-oauth-for-okta-serviceapp/
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import jwt
from jwt.types import Options

from .._runtime.clock import Clock, wall_clock
from .client_keys import ClientKey, new_client_key
from .oauth_error import OAuthError, invalid_client
from .okta_error import identifier, not_found, timestamp
from .public_keys import ClientPublicKey
from .store import Store

__all__ = ["TIMELESS", "ServiceApps", "is_date", "new_client_id"]

_KIND = "app"
MAX_ASSERTION_LIFETIME = 3600
TIMELESS: Options = {"verify_exp": False, "verify_iat": False, "verify_nbf": False}
"""PyJWT's checks of times are disabled, because it uses the machine's clock, not the org's."""
_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


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
        """Return whether the other app has only keys of this app, or its secret."""
        own, others = ({key.public.thumbprint for key in app.keys} for app in (self, other))
        return others <= own and bool(own) == bool(others) and self.secret == other.secret

    def key(self, kid: object) -> ClientPublicKey:
        """Return the active key with this kid, or the only active key.

        Raises ``KeyError``. An assertion needs a kid if the client has several keys.
        """
        active = [key for key in self.keys if key.status == "ACTIVE"]
        found = [key for key in active if key.kid == kid] or active
        if len(found) != 1:
            raise KeyError
        return found[0].public


class ServiceApps:
    """The API Services apps of one org. Thread-safe."""

    def __init__(self, *, clock: Clock = wall_clock, store: Store | None = None) -> None:
        """Load the apps of an org.

        ``clock``: a function that returns epoch seconds. Default: the system clock.
        ``store``: stores the apps. Default None: in memory.

        Raises ``ConfigurationError`` if the stored apps cannot be read.
        """
        self._clock = clock
        self._lock = threading.Lock()
        self._store = store or Store()
        self._apps = self._store.load(_KIND, _App.of)
        self._used: set[str] = set()

    def register(
        self, public_jwk: Mapping[str, Any], scopes: Collection[str], *, dpop: bool = False
    ) -> str:
        """Register an app with this public key; return its client id.

        Raises ``OktaError`` if the key is not a public RSA or EC key.
        """
        client_id = new_client_id()
        self._keep(client_id, _App(self._keys_of(public_jwk), frozenset(scopes), dpop=dpop))
        return client_id

    def register_client(
        self,
        client_id: str,
        public_jwk: Mapping[str, Any] | None,
        secret: str,
        scopes: Collection[str],
        *,
        replaces: bool = False,
    ) -> None:
        """Register the client of a hook, or add scopes to it.

        ``client_id``: the client id. An app that has it with other credentials stays as it is.
        ``public_jwk``: the key of the client. None: it has a secret.
        ``secret``: the client secret; empty for a client with a key.
        ``scopes``: the scopes that the hook requests.
        ``replaces``: whether an app with this client id gets these credentials and scopes instead
            of its own. Default False.

        Raises ``OktaError`` if the key is not a public RSA or EC key.
        """
        app = _App(self._keys_of(public_jwk), frozenset(scopes), secret=secret)
        with self._lock:
            known = self._apps.get(client_id)
            if known is not None and not replaces:
                if not known.has_credentials_of(app):
                    return
                app = replace(known, scopes=known.scopes | app.scopes)
            self._keep(client_id, app)

    def is_free(self, client_id: str, public_jwk: Mapping[str, Any] | None, secret: str) -> bool:
        """Return whether no app with other credentials has this client id."""
        known = self._apps.get(client_id)
        app = _App(self._keys_of(public_jwk), frozenset(), secret=secret)
        return known is None or known.has_credentials_of(app)

    def forget(self, client_id: str) -> None:
        """Remove an app if there is one with this client id."""
        self._store.drop(_KIND, client_id)
        self._apps.pop(client_id, None)

    def _keys_of(self, public_jwk: Mapping[str, Any] | None) -> tuple[ClientKey, ...]:
        if public_jwk is None:
            return ()
        return (new_client_key(public_jwk, timestamp(self._clock()), ()),)

    def requires_dpop(self, client_id: str) -> bool:
        """Return whether an app has tokens with DPoP. Raises ``OktaError``."""
        return self._app(client_id).dpop

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
                raise invalid_client("client_assertion_type is invalid.")
            return self._authenticated(form["client_assertion"], url)
        client_id = form.get("client_id", "")
        app = self._apps.get(client_id)
        given = form.get("client_secret", "").encode()
        if app is None or not app.secret:
            raise invalid_client("The client is unknown.")
        if not secrets.compare_digest(given, app.secret.encode()):
            raise invalid_client("The client secret is wrong.")
        return client_id, app.scopes

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
                options={**TIMELESS, "verify_aud": False, "require": ["exp", "sub", "iss"]},
            )
        except (jwt.PyJWTError, KeyError, TypeError):
            raise invalid_client("The client_assertion is invalid.") from None
        if claims.get("aud") != url:
            raise invalid_client(
                "The audience claim for client_assertion must be the endpoint invoked for the "
                "request."
            )
        if claims["sub"] != claims["iss"]:
            raise invalid_client("The sub claim must be the client id.")
        if not is_date(claims["exp"]):
            raise invalid_client("The exp claim must be a number.")
        if claims["exp"] <= self._clock():
            raise invalid_client("The client_assertion has expired.")
        if claims["exp"] > self._clock() + MAX_ASSERTION_LIFETIME:
            raise invalid_client("The client_assertion is valid for too long.")
        self.use(claims.get("jti"))
        return claims["iss"], app.scopes

    def use(self, jti: object) -> None:
        """Accept an assertion or a proof with this ``jti`` once. Raises ``OAuthError``."""
        if jti is None:
            return
        with self._lock:
            if str(jti) in self._used:
                raise invalid_client("The jti has been used before.")
            self._used.add(str(jti))


def new_client_id() -> str:
    """Return a client id in Okta's form."""
    return "0oa" + identifier(17)


def is_date(value: object) -> bool:
    """Return whether this is a number in the range of dates, which NaN is not."""
    return type(value) in (int, float) and -(2**53) <= value <= 2**53  # type: ignore[operator]
