"""HookVerifier: the numbered checks. The ports KeySource and ReplayStore stand beside it. No I/O.

The steps, cheapest first. ``HookVerifier`` parses a payload only after verifying its signature, so
the cost of refusing a forged token does not depend on what its payload holds:

1. bytes       type, size, ASCII, three non-empty canonical base64url segments  jws.split
2. header      one strict JSON object; alg, crit, typ, kid                       jws.HeaderRules
3. key         by kid, from the key source
4. signature   over the bytes as received; the key decides the algorithm
5. payload     one strict JSON object, of bounded structure                      jws.read_claims
6. claims      exp, nbf, iat, iss, aud, sub, client, scopes, lifetime            claims.ClaimsPolicy
7. replay      the jti is claimed once; last, so that a bad token never burns one

``VerifierByIssuer`` makes one verifier of several; each keeps its own keys, issuer and audience.
"""

from __future__ import annotations

import hashlib
import math
from binascii import a2b_base64
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from ._arguments import function, seconds, text, texts, whole_number
from ._jose import jws
from ._jose.claims import ClaimsPolicy, audiences, client_ids, granted_scopes
from ._jose.encoding import JsonLimits
from ._jose.issuer import is_authorization_server, refuse_org_server
from ._jose.jwk import ALGORITHMS, SYNONYMS, PublicKey, is_kid
from ._runtime.clock import Clock, wall_clock
from ._wire.bearer import Headers, bearer_token
from ._wire.scope import scope_names
from .errors import (
    AlgorithmError,
    ConfigurationError,
    HookVerificationError,
    IssuerError,
    KeyUnavailableError,
    MalformedTokenError,
    ReplayedTokenError,
    SignatureError,
    TokenExpiredError,
    UnknownKeyError,
)

if TYPE_CHECKING:
    from ._jose.signature_memo import SignatureMemo
    from .settings import Settings

__all__ = [
    "HookVerifier",
    "JsonLimits",
    "KeySource",
    "ReplayStore",
    "VerifiedHook",
    "VerifierByIssuer",
]

MAX_LEEWAY = 600
MAX_VERIFIED = 1_000_000
MAX_HINTED = 2_048
"""Bytes of an encoded payload that is looked at to explain why its key is not known."""
_NO_KID = "the header has no kid; set default_kid= if this server omits the kid"


@runtime_checkable
class KeySource(Protocol):
    """Where public keys come from.

    ``get`` returns the key whose kid is asked for or raises a ``HookVerificationError``:
    ``UnknownKeyError`` when there is none, ``KeyUnavailableError`` when that cannot be told now.
    ``algorithm`` chooses where several keys have one kid (RFC 7517 section 4.5); a source without
    such keys ignores it, and the verifier compares it with the key's. ``deadline`` is a reading of
    ``time.monotonic`` after which the caller no longer waits; None leaves it to the source.
    ``aget`` does the same without blocking the event loop.
    """

    def get(
        self, kid: str, *, algorithm: str | None = None, deadline: float | None = None
    ) -> PublicKey:
        """Return the key."""
        ...

    async def aget(
        self, kid: str, *, algorithm: str | None = None, deadline: float | None = None
    ) -> PublicKey:
        """Return the key."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...


@runtime_checkable
class ReplayStore(Protocol):
    """Which ``jti`` have been used.

    ``claim`` is True for the first caller only, until ``expires_at``, which is in
    epoch seconds, with the verifier's leeway added. ``aclaim`` does the same
    without blocking the event loop.
    """

    def claim(self, issuer: str, jti: str, expires_at: float) -> bool:
        """Record the use."""
        ...

    async def aclaim(self, issuer: str, jti: str, expires_at: float) -> bool:
        """Record the use."""
        ...


class VerifiedHook:
    """What a verified token says. ``HookVerifier`` makes these; take one as proof in handlers."""

    # Not a frozen dataclass: to make one of those takes twice as long.
    __slots__ = ("_claims", "_header", "_key_thumbprint", "_kid")

    def __init__(
        self, claims: Mapping[str, Any], header: Mapping[str, Any], kid: str, key_thumbprint: str
    ) -> None:
        self._claims = claims
        self._header = header
        self._kid = kid
        self._key_thumbprint = key_thumbprint

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, VerifiedHook):
            return NotImplemented
        return self._parts() == other._parts()

    __hash__ = None  # type: ignore[assignment]  # claims hold lists

    def _parts(self) -> tuple[Mapping[str, Any], Mapping[str, Any], str, str]:
        return self._claims, self._header, self._kid, self._key_thumbprint

    def __repr__(self) -> str:
        return f"VerifiedHook(kid={self.kid!r}, key_thumbprint={self.key_thumbprint!r})"

    @property
    def claims(self) -> Mapping[str, Any]:
        """All claims, read-only."""
        return MappingProxyType(self._claims)

    @property
    def header(self) -> Mapping[str, Any]:
        """The JOSE header, read-only."""
        return MappingProxyType(self._header)

    @property
    def kid(self) -> str:
        """The id of the key that signed."""
        return self._kid

    @property
    def key_thumbprint(self) -> str:
        """The RFC 7638 thumbprint of that key."""
        return self._key_thumbprint

    @property
    def issuer(self) -> str | None:
        """``iss``, or None."""
        return self._claims.get("iss")

    @property
    def subject(self) -> str | None:
        """``sub``, or None."""
        return self._claims.get("sub")

    @property
    def audience(self) -> tuple[str, ...]:
        """``aud`` as a tuple, empty when absent."""
        return audiences(self._claims)

    @property
    def expires_at(self) -> float:
        """``exp`` in epoch seconds; infinity for what never expires, such as a shared secret."""
        return self._claims.get("exp", math.inf)  # type: ignore[no-any-return]

    @property
    def issued_at(self) -> float | None:
        """``iat`` in epoch seconds, or None."""
        return self._claims.get("iat")

    @property
    def jti(self) -> str | None:
        """``jti``, or None."""
        return self._claims.get("jti")

    @property
    def client_id(self) -> str | None:
        """``cid`` (Okta), ``client_id`` or ``azp``: the first that is there, or None."""
        return next(iter(client_ids(self._claims)), None)

    @property
    def scopes(self) -> tuple[str, ...]:
        """``scp`` or ``scope`` as a tuple, empty when absent."""
        return granted_scopes(self._claims)


class HookVerifier:
    """Verifies JWTs by the seven steps at the head of this module. Immutable and thread-safe."""

    sent_by_browsers: Final = False

    def __init__(
        self,
        keys: KeySource,
        *,
        issuer: str | Collection[str] | None,
        audience: str | Collection[str] | None,
        subject: str | None = None,
        client_id: str | None = None,
        scopes: Collection[str] = (),
        algorithms: Collection[str] = ("RS256",),
        required_claims: Collection[str] = ("exp",),
        max_lifetime: float | None = None,
        leeway: float = 60,
        max_token_bytes: int = 16_384,
        json_limits: JsonLimits | None = None,
        token_types: Collection[str | None] = ("JWT", "at+jwt", None),
        default_kid: str | None = None,
        replay: ReplayStore | None = None,
        verified_cache: int = 0,
        clock: Clock = wall_clock,
    ) -> None:
        """Build a verifier; prefer ``for_client_assertion`` or ``for_access_token`` where it fits.

        ``keys``: where public keys come from, such as ``HookKeys``, ``IssuerKeys`` or
            ``StaticKeys``.
        ``issuer``: what ``iss`` must be. No default; None must be written out to leave it
            unchecked. Several are accepted only if ``keys`` has an attribute ``issuers`` that names
            them all, because each could sign for the others; for keys of several parties use
            ``VerifierByIssuer``.
        ``audience``: what ``aud`` must hold, one value or any of several. No default, as above.
        ``subject``, ``client_id``: what ``sub`` and ``cid`` must be. Default None: unchecked.
        ``scopes``: scopes that must all be granted. Default: none.
        ``algorithms``: some of RS256 (the default), ES256 and EdDSA, which Ed25519 is another name
            of (RFC 9864).
        ``required_claims``: claims that must be there and not null, beside ``exp``, which always
            must.
        ``max_lifetime``: seconds, at least 1, that ``exp`` may lie after now and after ``iat``.
            Default None: no limit.
        ``leeway``: seconds of clock skew, 0 to 600, that exp, nbf and iat forgive. Default 60.
        ``max_token_bytes``: 256 to 1,048,576, default 16,384; checked before anything else.
        ``json_limits``: how much structure a payload may have. Default None: ``JsonLimits()``.
        ``token_types``: the accepted values of the header's ``typ``; None among them accepts its
            absence (RFC 9068 section 4 does not). Default: "JWT", "at+jwt" and absence.
        ``default_kid``: the key of tokens without a kid. Default None: they are refused.
        ``replay``: a store that makes each token single use, by its ``jti``, or by its digest when
            it has none. Default None.
        ``verified_cache``: how many tokens to remember whose signature held, so that one that comes
            again costs no RSA operation; everything else is checked again
            (ADR 0002 and SECURITY.md say why that is safe). 0 (the default) to 1,000,000.
        ``clock``: a function that returns epoch seconds.

        Raises ``ConfigurationError`` naming the argument.
        """
        if not isinstance(keys, KeySource):
            raise ConfigurationError("keys must be a key source such as HookKeys or StaticKeys")
        if replay is not None and not isinstance(replay, ReplayStore):
            raise ConfigurationError("replay must be a replay store such as MemoryReplayStore")
        if default_kid is not None and not is_kid(default_kid):
            raise ConfigurationError("default_kid must be 1 to 255 printable ASCII characters")
        if not isinstance(json_limits, JsonLimits | None):
            raise ConfigurationError("json_limits must be JsonLimits, or None")
        if verified_cache and replay is not None:
            raise ConfigurationError(
                "verified_cache is for tokens that come again; with replay they are good once"
            )
        self._keys = keys
        self._rules = jws.HeaderRules(
            _algorithms(algorithms), _types(token_types), type_required=None not in token_types
        )
        self._max_token_bytes = whole_number("max_token_bytes", max_token_bytes, 256, 1_048_576)
        self._json_limits = JsonLimits() if json_limits is None else json_limits
        self._default_kid = default_kid
        self._replay = replay
        self._memo = _memo(verified_cache)
        self._clock = function("clock", clock, "that returns epoch seconds")
        self._policy = ClaimsPolicy(
            issuers=_issuers(issuer, keys),
            audiences=_expected("audience", audience),
            subject=_optional("subject", subject),
            client_id=_optional("client_id", client_id),
            scopes=frozenset(scope_names(scopes)),
            required=_required(required_claims, issuer, audience, subject),
            max_lifetime=_lifetime(max_lifetime),
            leeway=seconds("leeway", leeway, 0, MAX_LEEWAY),
        )

    @classmethod
    def for_client_assertion(
        cls,
        keys: KeySource,
        *,
        client_id: str,
        token_url: str,
        audiences: Collection[str] = (),
        max_lifetime: float = 3600,
        leeway: float = 60,
        default_kid: str | None = None,
        replay: ReplayStore | None = None,
        clock: Clock = wall_clock,
    ) -> HookVerifier:
        """Verify what Okta posts to your token URL, signed with a hook key (RFC 7523 section 3).

        ``iss`` and ``sub`` must both be ``client_id``. ``aud`` must hold exactly ``token_url`` (the
        hook's Token URL as it is entered in Okta), or one of ``audiences``: for other clients than
        Okta, which name the issuer of the token endpoint (RFC 7523 section 3). ``exp`` may lie at
        most ``max_lifetime`` seconds ahead (Okta's own limit is one hour,
        https://developer.okta.com/docs/guides/build-self-signed-jwt/). iat, nbf and jti are checked
        when they are there. ``replay`` makes assertions single use; whether Okta's have a jti is
        not documented, so one without is known by its digest.

        Raises ``ConfigurationError`` naming the argument.
        """
        if not isinstance(client_id, str) or not isinstance(token_url, str):
            raise ConfigurationError("client_id and token_url must be strings")
        if hasattr(keys, "issuer"):
            raise ConfigurationError(
                "keys of an authorization server sign access tokens: use for_access_token; client "
                "assertions are signed with hook keys, so keys must be HookKeys(org_url, …)"
            )
        return cls(
            keys,
            issuer=text("client_id", client_id),
            audience=[text("token_url", token_url), *texts("audiences", audiences)],
            subject=client_id,
            token_types=("JWT", None),  # whether Okta sends a typ is not documented
            max_lifetime=max_lifetime,
            leeway=leeway,
            default_kid=default_kid,
            replay=replay,
            clock=clock,
        )

    @classmethod
    def for_access_token(
        cls,
        keys: KeySource,
        *,
        audience: str | Collection[str],
        client_id: str | None,
        scopes: Collection[str] = (),
        issuer: str | None = None,
        algorithms: Collection[str] = ("RS256",),
        max_lifetime: float | None = None,
        leeway: float = 60,
        max_token_bytes: int = 16_384,
        json_limits: JsonLimits | None = None,
        default_kid: str | None = None,
        verified_cache: int = 0,
        clock: Clock = wall_clock,
    ) -> HookVerifier:
        """Verify what Okta sends to your hook, issued by an authorization server.

        ``keys`` are ``IssuerKeys``, which know the ``issuer`` that ``iss`` must be; name it for any
        other source. ``aud`` must hold ``audience``, ``cid`` must be ``client_id`` (the hook's
        client id in Okta; None must be written out to accept any client of the server), ``scp``
        must hold all ``scopes``. The rest is as in the general form. Claims: https://developer.okta.com/docs/reference/api/oidc/#access-token-payload.

        Raises ``ConfigurationError`` naming the argument, also for Okta's org authorization server,
        because only Okta can verify its access tokens.
        """
        known = getattr(keys, "issuer", None)
        if known is None and hasattr(keys, "org_url"):
            raise ConfigurationError(
                "hook keys sign client assertions: use for_client_assertion; access tokens are "
                "signed by their authorization server, so keys must be IssuerKeys(issuer)"
            )
        if issuer is None and known is None:
            raise ConfigurationError("issuer is needed, because these keys do not know theirs")
        expected = text("issuer", known if issuer is None else issuer)
        refuse_org_server(expected)
        if audience is None:
            raise ConfigurationError("audience must be named: it says whom the token is for")
        return cls(
            keys,
            issuer=expected,
            audience=audience,
            client_id=client_id,
            scopes=scopes,
            algorithms=algorithms,
            max_lifetime=max_lifetime,
            leeway=leeway,
            max_token_bytes=max_token_bytes,
            json_limits=json_limits,
            default_kid=default_kid,
            verified_cache=verified_cache,
            clock=clock,
        )

    @classmethod
    def from_env(
        cls, keys: KeySource, *, settings: Settings | None = None, **options: Any
    ) -> HookVerifier:
        """Make the verifier that fits these keys, of what ``HOOKKEY_*`` says.

        For ``IssuerKeys``: ``for_access_token`` with ``HOOKKEY_AUDIENCE``, ``HOOKKEY_CLIENT_ID``
        and ``HOOKKEY_SCOPES`` (may be missing). For others: ``for_client_assertion`` with
        ``HOOKKEY_CLIENT_ID`` and ``HOOKKEY_TOKEN_URL``. ``options`` are arguments of those, and
        come first; ``settings`` replaces what this process's environment says. Raises
        ``ConfigurationError`` naming what is missing and where to put it.
        """
        from .settings import Settings  # noqa: PLC0415 - not needed to verify

        settings = settings or Settings()
        if "client_id" not in options:
            options["client_id"] = settings.need("hook_client_id")
        if hasattr(keys, "issuer"):
            options.setdefault("scopes", settings.words("hook_scopes"))
            if "audience" not in options:
                options["audience"] = settings.need("audience")
            return cls.for_access_token(keys, **options)
        if "token_url" not in options:
            options["token_url"] = settings.need("token_url")
        return cls.for_client_assertion(keys, **options)

    def __repr__(self) -> str:
        return f"HookVerifier({self._keys!r}, {self._policy!r})"

    @property
    def policy(self) -> ClaimsPolicy:
        """What the claims must say."""
        return self._policy

    @property
    def single_use(self) -> bool:
        """Whether a token is accepted once only."""
        return self._replay is not None

    def verify(self, token: str | bytes) -> VerifiedHook:
        """Verify a compact JWT, or raise the ``HookVerificationError`` that says why not."""
        signed = jws.split(token, self._max_token_bytes)  # 1
        header = self._rules.read(signed[1])  # 2
        kid = header.get("kid", self._default_kid)
        if kid is None:
            raise MalformedTokenError(_NO_KID)
        algorithm = SYNONYMS.get(header["alg"], header["alg"])
        try:
            key = self._keys.get(kid, algorithm=algorithm)  # 3
        except UnknownKeyError as error:
            raise self._diagnosed(error, signed) from None
        except Exception as error:
            raise _verdict("key source", error) from None
        hook = self._check(header, algorithm, signed, kid, key)  # 4, 5, 6
        if self._replay is not None:  # 7
            try:
                first = self._replay.claim(*self._use(hook._claims, signed))
            except Exception as error:
                raise _verdict("replay store", error) from None
            if not first:
                raise ReplayedTokenError("jti")
        return hook

    async def averify(self, token: str | bytes) -> VerifiedHook:
        """Do as ``verify`` without ever blocking the event loop on I/O."""
        signed = jws.split(token, self._max_token_bytes)  # 1
        header = self._rules.read(signed[1])  # 2
        kid = header.get("kid", self._default_kid)
        if kid is None:
            raise MalformedTokenError(_NO_KID)
        algorithm = SYNONYMS.get(header["alg"], header["alg"])
        try:
            key = await self._keys.aget(kid, algorithm=algorithm)  # 3
        except UnknownKeyError as error:
            raise self._diagnosed(error, signed) from None
        except Exception as error:
            raise _verdict("key source", error) from None
        hook = self._check(header, algorithm, signed, kid, key)  # 4, 5, 6
        if self._replay is not None:  # 7
            try:
                first = await self._replay.aclaim(*self._use(hook._claims, signed))
            except Exception as error:
                raise _verdict("replay store", error) from None
            if not first:
                raise ReplayedTokenError("jti")
        return hook

    def verify_headers(self, headers: Headers) -> VerifiedHook:
        """Verify the one ``Authorization: Bearer`` of a request (RFC 6750 section 2.1).

        ``headers`` is a mapping or an iterable of (name, value) pairs, str or bytes. Raises
        ``MissingTokenError``, ``MultipleTokensError`` and all that ``verify`` raises.
        """
        return self.verify(bearer_token(headers))

    async def averify_headers(self, headers: Headers) -> VerifiedHook:
        """Do as ``verify_headers`` without ever blocking the event loop on I/O."""
        return await self.averify(bearer_token(headers))

    def _check(
        self, header: dict[str, Any], algorithm: str, signed: jws.Signed, kid: str, key: PublicKey
    ) -> VerifiedHook:
        if not isinstance(key, PublicKey):
            raise KeyUnavailableError("the key source did not return a PublicKey")
        octets, encoded_header, payload, signing_input, encoded_signature = signed
        if algorithm != key.algorithm:  # RFC 8725 section 3.1: one key, one algorithm
            raise AlgorithmError(f"the key is for {key.algorithm}", expected=key.algorithm)
        memo, signature = self._memo, a2b_base64(encoded_signature)
        if not (
            key.verify(signature, signing_input)
            if memo is None
            else memo.verify(key, octets, signature, signing_input)
        ):
            raise SignatureError
        self._rules.remember(encoded_header, header)
        claims = jws.read_claims(payload, self._json_limits)
        try:
            self._policy.check(claims, self._clock())
        except TokenExpiredError:
            if memo is not None:
                memo.forget(octets)
            raise
        return VerifiedHook(claims, header, kid, key.thumbprint)

    def _diagnosed(self, error: UnknownKeyError, signed: jws.Signed) -> UnknownKeyError:
        """Add a hint if the token looks like an access token of an authorization server.

        The hint uses the unverified ``iss`` and does not change the decision.
        """
        payload = signed[2]
        if len(payload) > MAX_HINTED:
            return error
        try:
            issuer = jws.unverified_issuer(payload, self._json_limits)
        except MalformedTokenError:
            return error
        if not is_authorization_server(issuer) or issuer in (self._policy.issuers or ()):
            return error
        return UnknownKeyError(
            f"{error.detail}; by its iss it is an access token of an authorization server: "
            "verify it with HookVerifier.for_access_token(IssuerKeys(issuer), …)"
        )

    def _use(self, claims: Mapping[str, Any], signed: jws.Signed) -> tuple[str, str, float]:
        """Return issuer, jti and expiry for the replay store.

        Without a jti, use a digest of the signing input, because one signature can have two
        encodings.
        """
        jti = claims.get("jti")
        if jti is None:
            jti = "sha256:" + hashlib.sha256(signed[3]).hexdigest()
        return claims.get("iss", ""), jti, claims["exp"] + self._policy.leeway


class VerifierByIssuer:
    """Several verifiers as one: each token is verified by the verifier of its issuer.

    The unverified ``iss`` only selects the verifier, all of whose checks then apply: its keys, its
    issuer, its audience, its client (RFC 8725 section 3.8). So no issuer can speak for another.
    Takes the place of a ``HookVerifier`` everywhere. Immutable and thread-safe.
    """

    sent_by_browsers: Final = False

    def __init__(self, *verifiers: HookVerifier) -> None:
        """Take verifiers that each name their issuer, no two the same.

        Raises ``ConfigurationError``.
        """
        if not verifiers or not all(isinstance(each, HookVerifier) for each in verifiers):
            raise ConfigurationError(
                "VerifierByIssuer takes one or more HookVerifier objects, each as an argument"
            )
        self.verifiers = verifiers
        self._by_issuer: dict[str, HookVerifier] = {}
        for verifier in verifiers:
            for issuer in _named_issuers(verifier):
                if self._by_issuer.setdefault(issuer, verifier) is not verifier:
                    raise ConfigurationError(f"two of the verifiers have the issuer {issuer}")
        self._max_token_bytes = max(each._max_token_bytes for each in verifiers)
        self._json_limits = JsonLimits.widest([each._json_limits for each in verifiers])

    def __repr__(self) -> str:
        return f"VerifierByIssuer({', '.join(map(repr, self.verifiers))})"

    def select(self, token: str | bytes) -> HookVerifier:
        """Return the verifier for a token, of which nothing has been verified yet.

        With one verifier it is that one, and the token is not read. Raises ``IssuerError`` when no
        verifier has the token's issuer, ``MalformedTokenError`` or ``TokenTooLargeError``.
        """
        if len(self.verifiers) == 1:  # nothing to select, and it judges the issuer itself
            return self.verifiers[0]
        payload = jws.split(token, self._max_token_bytes)[2]
        issuer = jws.unverified_issuer(payload, self._json_limits)
        verifier = None if issuer is None else self._by_issuer.get(issuer)
        if verifier is None:
            raise IssuerError("iss", expected=tuple(sorted(self._by_issuer)))
        return verifier

    def verify(self, token: str | bytes) -> VerifiedHook:
        """Do as ``HookVerifier.verify`` of the verifier for this token."""
        return self.select(token).verify(token)

    async def averify(self, token: str | bytes) -> VerifiedHook:
        """Do as ``verify`` without ever blocking the event loop on I/O."""
        return await self.select(token).averify(token)

    def verify_headers(self, headers: Headers) -> VerifiedHook:
        """Verify the one ``Authorization: Bearer`` of a request; see ``HookVerifier``."""
        return self.verify(bearer_token(headers))

    async def averify_headers(self, headers: Headers) -> VerifiedHook:
        """Do as ``verify_headers`` without ever blocking the event loop on I/O."""
        return await self.averify(bearer_token(headers))


def _memo(size: int) -> SignatureMemo | None:
    if not whole_number("verified_cache", size, 0, MAX_VERIFIED):
        return None
    from ._jose.signature_memo import SignatureMemo  # noqa: PLC0415 - most verifiers have none

    return SignatureMemo(size)


def _verdict(what: str, error: Exception) -> HookVerificationError:
    """What a port raised, if it is a verdict; anything else means that it could not be asked."""
    if isinstance(error, HookVerificationError):
        return error
    from ._runtime.log import logger  # noqa: PLC0415 - imports logging: 4 ms

    logger.error("the %s raised %s", what, type(error).__name__)
    return KeyUnavailableError(f"the {what} failed")


def _optional(name: str, value: object) -> str | None:
    return None if value is None else text(name, value)


def _lifetime(value: float | None) -> float | None:
    return None if value is None else seconds("max_lifetime", value, 1)


def _expected(name: str, value: str | Collection[str] | None) -> frozenset[str] | None:
    if value is None:
        return None
    expected = frozenset((text(name, value),) if isinstance(value, str) else texts(name, value))
    if not expected:
        raise ConfigurationError(
            f"{name} must not be empty; write {name}=None to leave it unchecked"
        )
    return expected


def _issuers(issuer: str | Collection[str] | None, keys: KeySource) -> frozenset[str] | None:
    """The expected issuers, if they are those whose keys these are."""
    issuers = _expected("issuer", issuer)
    if issuers is None:
        return None
    own = getattr(keys, "issuer", None)
    if isinstance(own, str) and issuers != {own}:
        raise ConfigurationError("issuer is not the one whose keys these are")
    if len(issuers) > 1:
        named = getattr(keys, "issuers", ())
        if isinstance(named, str) or not isinstance(named, Collection) or not issuers <= {*named}:
            raise ConfigurationError(
                "several issuers over one key source can sign for each other: make one verifier "
                "for each and combine them with hookkey_verify.verifier.VerifierByIssuer, or give "
                "the source an attribute issuers that names them"
            )
    return issuers


def _named_issuers(verifier: HookVerifier) -> frozenset[str]:
    if verifier.policy.issuers is None:
        raise ConfigurationError("each of the verifiers must name its issuer")
    return verifier.policy.issuers


def _types(token_types: Collection[str | None]) -> frozenset[str]:
    if isinstance(token_types, str | bytes) or not isinstance(token_types, Collection):
        raise ConfigurationError("token_types must be a list or tuple of strings")
    return frozenset(
        jws.media_type(text("token_types", each)) for each in token_types if each is not None
    )


def _algorithms(algorithms: Collection[str]) -> frozenset[str]:
    named = [SYNONYMS.get(each, each) for each in texts("algorithms", algorithms)]
    refused = [name for name in named if name not in ALGORITHMS]
    if refused or not named:
        raise ConfigurationError(f"algorithms must be some of {', '.join(ALGORITHMS)}")
    return frozenset(named)


def _required(
    required_claims: Collection[str], issuer: Any, audience: Any, subject: Any
) -> frozenset[str]:
    """Whatever is compared must be there, so that ClaimsPolicy may index it."""
    implied = {"iss": issuer, "aud": audience, "sub": subject}
    names = ["exp", *(name for name, wanted in implied.items() if wanted is not None)]
    return frozenset([*names, *texts("required_claims", required_claims)])
