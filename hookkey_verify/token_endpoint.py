"""TokenEndpoint exchanges Okta's client assertion for an access token for your hook.

It implements the client credentials grant (RFC 6749 section 4.4) with private_key_jwt (RFC 7523
section 2.2), as Okta's own servers do
(https://developer.okta.com/docs/guides/build-self-signed-jwt/). Okta does not document its token
requests for hooks beyond that. Mount it with ``serve`` of an adapter.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
from binascii import hexlify
from collections.abc import Collection, Mapping, Sequence
from time import monotonic
from typing import Any, Final, NamedTuple
from urllib.parse import quote_plus, unquote_plus

from ._arguments import text, whole_number
from ._runtime.clock import Clock, wall_clock
from ._wire.bearer import Headers, pick_headers
from ._wire.form import FormError, read_form
from ._wire.scope import scope_names
from .errors import AudienceError, ConfigurationError, HookKeyError, KeyUnavailableError
from .events import EventName, OnEvent, Reporter, reason_of
from .guard import LEVELS, HttpAnswer
from .health import CombinedHealth
from .keys.static import StaticKeys
from .shared_secret import basic_credentials, is_among, secret_digests
from .signing_key import SigningKey
from .verifier import HookVerifier, VerifiedHook, VerifierByIssuer

__all__ = ["ClientSecret", "TokenEndpoint"]

ASSERTION_TYPE: Final = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ESCAPED: Final = {quote_plus(ASSERTION_TYPE): ASSERTION_TYPE}
_FORM: Final = "application/x-www-form-urlencoded"
MAX_BODY: Final = 32 * 1024
MAX_ASSERTION_LIFETIME: Final = 3600
MAX_GRANTS: Final = 1024
_HEADERS: Final = (
    ("Content-Type", "application/json"),
    ("Cache-Control", "no-store"),  # RFC 6749 section 5.1
    ("Pragma", "no-cache"),
)


class ClientSecret:
    """A client that authenticates with a client secret, Okta's other OAuth method.

    The secret may be in the form (``client_secret_post``, which Okta uses) or in HTTP Basic
    (``client_secret_basic``).

    For example:

    >>> from hookkey_verify.token_endpoint import ClientSecret
    >>> client = ClientSecret("0oa1", "the-old-secret", "the-new-secret")
    >>> client.matches("the-new-secret"), client.matches("another")
    (True, False)
    """

    def __init__(self, client_id: str, *client_secrets: str) -> None:
        """Accept any of ``client_secrets``; pass the old and the new one to change it.

        Raises ``ConfigurationError`` naming the argument.
        """
        self.client_id = text("client_id", client_id)
        self._digests = secret_digests("a client secret", client_secrets)

    def __repr__(self) -> str:
        return f"ClientSecret(client_id={self.client_id!r})"

    def matches(self, secret: str) -> bool:
        """Return whether this is one of the secrets, in constant time."""
        return is_among(secret, self._digests)


Client = HookVerifier | VerifierByIssuer | ClientSecret
"""A client of a ``TokenEndpoint``; a ``VerifierByIssuer`` represents several."""


TIME_LIMIT = 1.2
"""Seconds for the key source and the replay store. Okta waits 3 seconds for token and hook."""


class TokenEndpoint:
    """Issues access tokens to configured clients. Thread-safe.

    Protect the hook with ``verifier``. Verifiers in other processes use ``keys`` or ``jwks``. It is
    an ``Endpoint``: ``respond`` and ``arespond`` answer requests.

    For example:

    >>> from hookkey_verify import TokenEndpoint
    >>> from hookkey_verify.signing_key import SigningKey
    >>> from hookkey_verify.token_endpoint import ClientSecret
    >>> tokens = TokenEndpoint(
    ...     ClientSecret("0oa1", "the-secret-in-the-hook's-settings"),
    ...     signing_key=SigningKey.generate(),
    ...     issuer="https://hooks.acme.com",
    ...     audience="api://hooks",
    ...     scopes=["hooks"],
    ... )
    >>> headers = {"Content-Type": "application/x-www-form-urlencoded"}
    >>> form = b"grant_type=client_credentials&client_id=0oa1&client_secret=wrong"
    >>> answer = tokens.respond("POST", headers, form)
    >>> answer.status, answer.body
    (401, b'{"error": "invalid_client", "error_description": "client_id or client_secret...
    """

    max_body = MAX_BODY

    def __init__(
        self,
        clients: Client | Sequence[Client],
        *,
        signing_key: SigningKey | Sequence[SigningKey],
        issuer: str,
        audience: str,
        scopes: Collection[str],
        lifetime: int = 300,
        on_event: OnEvent | None = None,
        clock: Clock = wall_clock,
    ) -> None:
        """Create an endpoint.

        ``clients``: one or more of ``HookVerifier.for_client_assertion`` with ``replay``,
            ``VerifierByIssuer`` and ``ClientSecret``.
        ``signing_key``: the key that signs the tokens. Of several keys, the first signs; all are
            accepted and published. To rotate without a gap, append the new key everywhere, then
            move it to the front, then remove the old key after ``lifetime``.
        ``issuer``: the ``iss`` of the tokens.
        ``audience``: the ``aud`` of the tokens.
        ``scopes``: the scopes that clients may request. All are granted to a request without scope.
        ``lifetime``: the lifetime of the tokens, 30 to 86400 seconds, default 300.
        ``on_event``: a function that takes an ``Event`` for each token request, and for each
            verification by ``verifier``. Default None.
        ``clock``: a function that returns epoch seconds.

        Raises ``ConfigurationError`` naming the argument.
        """
        self._assertions, self._secrets = _known(clients)
        keys = _signing_keys(signing_key)
        self._lifetime = whole_number("lifetime", lifetime, 30, 86_400)
        self.keys = StaticKeys([key.public_key for key in keys])
        self.verifier = HookVerifier(
            self.keys,
            issuer=text("issuer", issuer),
            audience=text("audience", audience),
            algorithms={key.algorithm for key in keys},
            required_claims=("iat", "jti", "client_id", "scope"),
            max_lifetime=lifetime,
            token_types=("at+jwt",),
            on_event=on_event,
            clock=clock,
        )
        self._report = Reporter(issuer, on_event)
        self._sign = keys[0].sign
        self._jwks = [key.public_key.as_jwk() for key in keys]
        self._scopes = frozenset(scope_names(scopes, least=1))
        self._all_scopes = " ".join(sorted(self._scopes))
        self._clock = clock
        self._claims = {"iss": issuer, "aud": audience}
        self._grants: dict[tuple[str, str], _Grant] = {}

    def __repr__(self) -> str:
        verifiers = () if self._assertions is None else self._assertions.verifiers
        clients = [*(each.policy.subject for each in verifiers), *self._secrets]
        return f"TokenEndpoint({', '.join(map(repr, clients))})"

    @property
    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JWK Set (RFC 7517 section 5), for verifiers in other processes."""
        return {"keys": [dict(jwk) for jwk in self._jwks]}

    def respond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:
        """Answer a token request. Raises nothing."""
        began = monotonic()
        deadline = began + TIME_LIMIT
        try:
            request = self._read(method, headers, body)
            if request.verifier is not None:
                _want_no_other_audience(
                    request.verifier.verify(request.assertion, deadline=deadline), request
                )
            answer = self._issue(request.grant)
        except Exception as error:
            return self._refuse(error, began)
        if self._report.active:
            self._report(EventName.TOKEN, outcome="issued", seconds=monotonic() - began)
        return answer

    async def arespond(self, method: str, headers: Headers, body: bytes) -> HttpAnswer:
        """Do the same as ``respond`` without blocking the event loop."""
        began = monotonic()
        deadline = began + TIME_LIMIT
        try:
            request = self._read(method, headers, body)
            if request.verifier is not None:
                _want_no_other_audience(
                    await request.verifier.averify(request.assertion, deadline=deadline), request
                )
            answer = self._issue(request.grant)
        except Exception as error:
            return self._refuse(error, began)
        if self._report.active:
            self._report(EventName.TOKEN, outcome="issued", seconds=monotonic() - began)
        return answer

    def health(self) -> CombinedHealth:
        """Return the condition of the clients' key sources and replay stores."""
        return CombinedHealth.of(() if self._assertions is None else self._assertions.verifiers)

    def _refuse(self, error: Exception, began: float) -> HttpAnswer:
        """Return the response for an exception, after a log record and an event."""
        seconds = monotonic() - began
        try:
            refusal, text = _refusal(error)
        except Exception as failure:  # the text or headers of the error raised
            text = f"{type(error).__name__} raised {type(failure).__name__}"
            refusal = _FAILED
        reason = reason_of(error) if isinstance(error, HookKeyError) else ""
        level = LEVELS.get(refusal.status, logging.INFO)
        self._report.log(level, text, reason=reason or refusal.code, seconds=seconds)
        self._report(EventName.TOKEN, outcome=refusal.code, seconds=seconds, reason=reason)
        return _error(refusal.status, refusal.code, str(refusal), refusal.headers)

    def _read(self, method: str, headers: Headers, body: bytes) -> _Request:
        """Check everything except the assertion, which is expensive to verify."""
        if method != "POST":
            raise _RefusedError(405, "invalid_request", "use POST", ("Allow", "POST"))
        content_types, credentials = pick_headers(headers, ("content-type", "authorization"))
        form = _form(content_types, body)
        grant_type = form.get("grant_type")
        if grant_type is None:
            raise _RefusedError(400, "invalid_request", "grant_type is missing")
        if grant_type != "client_credentials":
            raise _RefusedError(
                400, "unsupported_grant_type", "grant_type must be client_credentials"
            )
        scope = form.get("scope", self._all_scopes)
        if credentials:
            return self._with_header(credentials, form, scope)
        if "client_assertion" in form or "client_assertion_type" in form:
            return self._with_assertion(form, scope)
        return self._with_secret(form, scope)

    def _with_header(
        self, credentials: Sequence[str], form: Mapping[str, str], scope: str
    ) -> _Request:
        """Authenticate with HTTP Basic (RFC 6749 section 2.3.1)."""
        others = {"client_secret", "client_assertion", "client_assertion_type"}
        if not others.isdisjoint(form):  # RFC 6749 section 2.3
            raise _RefusedError(
                400, "invalid_request", "use only one method of client authentication"
            )
        given = basic_credentials(credentials[0]) if len(credentials) == 1 else None
        client_id, secrets_given = "", tuple[str, ...]()
        if given is not None:
            # The section requires both to be form-encoded; some clients do not do that.
            client_id, secrets_given = _decoded(given[0]), (given[1], _decoded(given[1]))
        client = self._secrets.get(client_id, _UNKNOWN_CLIENT)
        matches = [client.matches(each) for each in secrets_given]
        if (
            not any(matches)
            or client is _UNKNOWN_CLIENT
            or form.get("client_id", client_id) != client_id
        ):
            # RFC 6749 section 5.2: a client that used the header gets a challenge.
            basic = ("WWW-Authenticate", 'Basic realm="token"')
            problem = "the credentials in the Authorization header are wrong"
            raise _RefusedError(401, "invalid_client", problem, basic)
        return _Request(self._granted(client_id, scope))

    def _with_assertion(self, form: Mapping[str, str], scope: str) -> _Request:
        """Authenticate with a client assertion (RFC 7521 section 4.2)."""
        if "client_secret" in form:  # RFC 6749 section 2.3
            raise _RefusedError(
                400, "invalid_request", "use only one method of client authentication"
            )
        if "client_assertion" not in form or "client_assertion_type" not in form:
            missing = "send both client_assertion and client_assertion_type"
            raise _RefusedError(400, "invalid_request", missing)
        if form["client_assertion_type"] != ASSERTION_TYPE:
            raise _RefusedError(401, "invalid_client", "client_assertion_type is not supported")
        assertion = form["client_assertion"]
        if self._assertions is None:
            raise _RefusedError(401, "invalid_client", "no client uses assertions")
        verifier = self._assertions.select(assertion)
        client_id = verifier.policy.subject or ""
        if form.get("client_id", client_id) != client_id:
            raise _RefusedError(
                401, "invalid_client", "client_id is not the subject of the assertion"
            )
        # The scopes are checked before the assertion is used.
        return _Request(self._granted(client_id, scope), assertion, verifier)

    def _with_secret(self, form: Mapping[str, str], scope: str) -> _Request:
        """Authenticate with a secret in the form (RFC 6749 section 2.3.1)."""
        client_id, secret = form.get("client_id"), form.get("client_secret")
        if client_id is None or secret is None:
            raise _RefusedError(401, "invalid_client", "client authentication is missing")
        client = self._secrets.get(client_id, _UNKNOWN_CLIENT)
        if not client.matches(secret) or client is _UNKNOWN_CLIENT:
            raise _RefusedError(401, "invalid_client", "client_id or client_secret is wrong")
        return _Request(self._granted(client_id, scope))

    def _issue(self, grant: _Grant) -> HttpAnswer:
        now, jti = int(self._clock()), hexlify(os.urandom(16))
        # RFC 9068 section 2.2. All parts are serialized JSON or numbers.
        times = b',"iat":%d,"exp":%d,"jti":"%b"}' % (now, now + self._lifetime, jti)
        token = self._sign(grant.claims + times)
        return HttpAnswer(200, _HEADERS, b'{"access_token":"' + token + grant.rest)

    def _granted(self, client_id: str, scopes: str) -> _Grant:
        """Check the scopes and return what all tokens of this client with these scopes share."""
        known = self._grants.get((client_id, scopes))
        if known is not None:
            return known
        wanted = frozenset(scopes.split(" "))  # RFC 6749 section 3.3: single spaces
        if not wanted <= self._scopes:
            raise _RefusedError(400, "invalid_scope", "a requested scope is not available")
        scope = " ".join(sorted(wanted))
        claims = {**self._claims, "sub": client_id, "client_id": client_id, "scope": scope}
        # Okta fails without expires_in (release note OKTA-702184).
        rest = {"token_type": "Bearer", "expires_in": self._lifetime, "scope": scope}
        grant = _Grant(json.dumps(claims)[:-1].encode(), b'",' + json.dumps(rest)[1:].encode())
        if len(self._grants) >= MAX_GRANTS:
            self._grants.clear()
        if len(scopes) <= len(self._all_scopes):  # a longer one repeats scopes
            self._grants[client_id, scopes] = grant
        return grant


class _Grant(NamedTuple):
    """The start of a token payload and the end of a response body."""

    claims: bytes
    rest: bytes


class _Request(NamedTuple):
    """A checked request. With a verifier, the assertion still has to be verified."""

    grant: _Grant
    assertion: str = ""
    verifier: HookVerifier | None = None


class _RefusedError(Exception):
    """An error response of RFC 6749 section 5.2."""

    def __init__(self, status: int, code: str, description: str, *headers: tuple[str, str]) -> None:
        super().__init__(description)
        self.status = status
        self.code = code
        self.headers = headers


_FAILED: Final = _RefusedError(500, "server_error", "the token endpoint failed")
_UNKNOWN_CLIENT: Final = ClientSecret("unknown", secrets.token_hex(32))
"""Compared in place of an unknown client, so that the time does not reveal client ids."""


def _want_no_other_audience(hook: VerifiedHook, request: _Request) -> None:
    """Refuse an assertion that also names another audience, which could reuse it here."""
    known, named = request.verifier and request.verifier.policy.audiences, hook.audience
    if not known or not known.issuperset(named) or len(set(named)) != len(named):
        raise AudienceError("aud", "it must contain only configured audiences, each once")


def _decoded(text: str) -> str:
    """Decode a form-encoded value (RFC 6749 appendix B)."""
    return unquote_plus(text, errors="replace")


def _refusal(error: Exception) -> tuple[_RefusedError, str]:
    """Return the error response for an exception, and the text of its log record."""
    if isinstance(error, _RefusedError):
        return error, f"a token was refused: {error.code}: {error}"
    if not isinstance(error, HookKeyError):
        return _FAILED, f"the token endpoint raised {type(error).__name__}"
    status, code, headers = 401, "invalid_client", tuple[tuple[str, str], ...]()
    if isinstance(error, KeyUnavailableError):
        status, code, headers = 503, "temporarily_unavailable", tuple(error.headers.items())
    elif error.status_code == 500:
        status, code = 500, "server_error"
    return _RefusedError(status, code, error.title, *headers), f"a token was refused: {error}"


def _error(
    status: int, code: str, description: str, headers: tuple[tuple[str, str], ...] = ()
) -> HttpAnswer:
    body = json.dumps({"error": code, "error_description": description}).encode()
    return HttpAnswer(status, (*_HEADERS, *headers), body)


def _signing_keys(given: SigningKey | Sequence[SigningKey]) -> list[SigningKey]:
    keys = _several(given)
    if not keys or not all(isinstance(key, SigningKey) for key in keys):
        raise ConfigurationError("signing_key must be a SigningKey or a list of them")
    if len({key.kid for key in keys}) != len(keys):
        raise ConfigurationError("the keys of signing_key must have different kids")
    return keys


def _several(given: Any) -> list[Any]:
    return [*given] if isinstance(given, Sequence) and not isinstance(given, str) else [given]


def _known(clients: Any) -> tuple[VerifierByIssuer | None, dict[str, ClientSecret]]:
    verifiers: list[Any] = []
    secrets: list[ClientSecret] = []
    for client in _several(clients):
        if isinstance(client, ClientSecret):
            secrets.append(client)
        elif isinstance(client, VerifierByIssuer):
            verifiers += client.verifiers
        else:
            verifiers.append(client)
    ids = [*map(_client_id, verifiers), *(client.client_id for client in secrets)]
    if not ids:
        raise ConfigurationError("clients must be a HookVerifier, a ClientSecret or a list of them")
    if len(set(ids)) != len(ids):
        raise ConfigurationError("clients must have different client ids")
    assertions = VerifierByIssuer(*verifiers) if verifiers else None
    return assertions, {client.client_id: client for client in secrets}


def _client_id(client: Any) -> str:
    """Return the client id of a verifier after checking that it is strict enough."""
    if not isinstance(client, HookVerifier):
        raise ConfigurationError("clients must be HookVerifier or ClientSecret objects")
    policy = client.policy
    if policy.subject is None or policy.issuers != frozenset({policy.subject}):
        raise ConfigurationError(
            "create the verifiers in clients with HookVerifier.for_client_assertion"
        )
    if policy.audiences is None:
        raise ConfigurationError("the verifier of a client must have a token_url")
    if policy.max_lifetime is None or policy.max_lifetime > MAX_ASSERTION_LIFETIME:
        raise ConfigurationError("max_lifetime of a client's verifier must be 3600 or less")
    if not client.single_use:
        raise ConfigurationError(
            "an assertion must be single use: pass replay=MemoryReplayStore() to its verifier, or "
            "ValkeyReplayStore if there are several processes"
        )
    return policy.subject


def _form(content_types: Sequence[str], body: bytes) -> dict[str, str]:
    media_types = [each.partition(";")[0].strip().lower() for each in content_types]
    if media_types != [_FORM]:
        raise _RefusedError(400, "invalid_request", f"the Content-Type must be {_FORM}")
    if len(body) > MAX_BODY:
        raise _RefusedError(413, "invalid_request", f"the body is longer than {MAX_BODY} bytes")
    try:
        return read_form(body, _ESCAPED)
    except FormError as error:
        raise _RefusedError(400, "invalid_request", f"the form {error}") from None
