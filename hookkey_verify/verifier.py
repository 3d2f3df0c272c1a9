"""HookVerifier and the protocols that it depends on: KeySource and ReplayStore. No I/O.

A verification has seven steps, cheapest first. The payload is parsed only after its signature has
been verified, so the cost of refusing a forged token does not depend on its payload:

1. bytes       type, size, ASCII, three non-empty canonical base64url segments  jws.split
2. header      one strict JSON object; alg, crit, typ, kid                       jws.HeaderRules
3. key         by kid, from the key source
4. signature   over the bytes as received; the key decides the algorithm
5. payload     one strict JSON object of limited structure                       jws.read_claims
6. claims      exp, nbf, iat, iss, aud, sub, client, scopes, lifetime            claims.ClaimsPolicy
7. replay      the jti is claimed; last, so that a refused token does not use up its jti

``VerifierByIssuer`` combines verifiers; each keeps its own keys, issuer and audience.
"""

from __future__ import annotations

import hashlib
import math
from binascii import a2b_base64
from collections.abc import Collection, Iterable, Mapping
from time import monotonic
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, Protocol, runtime_checkable

from ._arguments import function, seconds, text, texts, whole_number
from ._jose import jws
from ._jose.claims import ClaimsPolicy, audiences, client_ids, granted_scopes
from ._jose.encoding import JsonLimits
from ._jose.issuer import is_authorization_server, refuse_org_server
from ._jose.jwk import ALGORITHMS, SYNONYMS, PublicKey, is_kid
from ._jose.token_memo import Opened, RememberedToken, TokenMemo, Unread
from ._runtime.clock import Clock, wall_clock
from ._wire.bearer import Headers, bearer_token
from ._wire.scope import scope_names
from .errors import (
    AlgorithmError,
    ConfigurationError,
    HookKeyError,
    HookVerificationError,
    IssuerError,
    KeyUnavailableError,
    MalformedTokenError,
    ReplayedTokenError,
    ReplayStoreUnavailableError,
    SignatureError,
    UnknownKeyError,
)
from .events import ERROR, OnEvent, Reporter, Verification, named

if TYPE_CHECKING:
    from .health import CombinedHealth
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
"""The longest encoded payload, in bytes, that is read to explain an unknown key."""
TIME_LIMIT = 2.5
"""Seconds for key source and replay store together."""
REPLAY_RESERVE = 0.3
"""Seconds of them that the key source leaves to the replay store."""
_NO_KID = "the header has no kid; set default_kid= if this server omits the kid"


@runtime_checkable
class KeySource(Protocol):
    """A source of public keys.

    ``get`` returns the key with this kid. It raises ``UnknownKeyError`` if there is none and
    ``KeyUnavailableError`` if the source cannot tell at the moment. ``aget`` does the same without
    blocking the event loop.

    ``algorithm``: selects among keys that share a kid (RFC 7517 section 4.5). A source without such
        keys ignores it; the verifier compares it with the key's algorithm.
    ``deadline``: a value of ``time.monotonic`` after which the caller stops waiting. None leaves
        the limit to the source.

    For example:

    >>> from hookkey_verify import HookSigner, HookVerifier, StaticKeys
    >>> class Counted:  # counts the look-ups of another source
    ...     def __init__(self, keys):
    ...         self.keys, self.count = keys, 0
    ...     def get(self, kid, *, algorithm=None, deadline=None):
    ...         self.count += 1
    ...         return self.keys.get(kid, algorithm=algorithm)
    ...     async def aget(self, kid, *, algorithm=None, deadline=None):
    ...         return self.get(kid, algorithm=algorithm)
    ...     def close(self):
    ...         self.keys.close()
    >>> signer = HookSigner.generate()
    >>> keys = Counted(StaticKeys.from_jwk(signer.public_jwk()))
    >>> verifier = HookVerifier(keys, issuer=None, audience=None)
    >>> _ = verifier.verify(signer.sign({"exp": 4102444800}))
    >>> keys.count
    1
    """

    def get(
        self, kid: str, *, algorithm: str | None = None, deadline: float | None = None
    ) -> PublicKey:
        """Return the key with this kid."""
        ...

    async def aget(
        self, kid: str, *, algorithm: str | None = None, deadline: float | None = None
    ) -> PublicKey:
        """Do the same as ``get`` without blocking the event loop."""
        ...

    def close(self) -> None:
        """Close connections."""
        ...


@runtime_checkable
class ReplayStore(Protocol):
    """Remembers which tokens have been used.

    ``claim`` returns True to the first caller with this issuer and jti and False to others, until
    ``expires_at`` (epoch seconds, including the verifier's leeway). ``aclaim`` does the same
    without blocking the event loop.

    ``deadline``: a value of ``time.monotonic`` by which the store must have answered.

    For example:

    >>> class OneProcess:  # remembers tokens in a set
    ...     def __init__(self):
    ...         self.used = set()
    ...     def claim(self, issuer, jti, expires_at, *, deadline):
    ...         new = (issuer, jti) not in self.used
    ...         self.used.add((issuer, jti))
    ...         return new
    ...     async def aclaim(self, issuer, jti, expires_at, *, deadline):
    ...         return self.claim(issuer, jti, expires_at, deadline=deadline)
    >>> store = OneProcess()
    >>> [store.claim("0oa1", "first", 4102444800, deadline=0) for _ in range(2)]
    [True, False]
    """

    def claim(self, issuer: str, jti: str, expires_at: float, *, deadline: float) -> bool:
        """Record the use of a token and return whether it is the first use."""
        ...

    async def aclaim(self, issuer: str, jti: str, expires_at: float, *, deadline: float) -> bool:
        """Do the same as ``claim`` without blocking the event loop."""
        ...


class VerifiedHook:
    """The content of a verified token. Only a verifier creates one, so it proves verification.

    For example:

    >>> from hookkey_verify import HookSigner, HookVerifier, StaticKeys
    >>> server = HookSigner.generate("key-1")
    >>> keys = StaticKeys.from_jwk(server.public_jwk())
    >>> verifier = HookVerifier(keys, issuer="https://id.acme.com", audience="api://hooks")
    >>> claims = {"iss": "https://id.acme.com", "aud": "api://hooks", "exp": 4102444800}
    >>> hook = verifier.verify(server.sign({**claims, "cid": "0oa1"}))
    >>> hook.client_id, hook.audience, hook.expires_at, hook.kid
    ('0oa1', ('api://hooks',), 4102444800, 'key-1')
    """

    # A frozen dataclass would take twice as long to create.
    __slots__ = ("_claims", "_header", "_key_thumbprint", "_kid", "_unread")

    def __init__(
        self,
        claims: Mapping[str, Any] | None,
        header: Mapping[str, Any],
        kid: str,
        key_thumbprint: str,
        unread: Unread | None = None,
    ) -> None:
        self._claims = claims
        self._header = header
        self._kid = kid
        self._key_thumbprint = key_thumbprint
        self._unread = unread

    def _content(self) -> Mapping[str, Any]:
        """Return the claims. Those of a remembered token are read when they are needed."""
        if self._claims is None:
            self._claims = {} if self._unread is None else jws.read_claims(*self._unread)
        return self._claims

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, VerifiedHook):
            return NotImplemented
        return self._parts() == other._parts()

    __hash__ = None  # type: ignore[assignment]  # claims contain lists

    def _parts(self) -> tuple[Mapping[str, Any], Mapping[str, Any], str, str]:
        return self._content(), self._header, self._kid, self._key_thumbprint

    def __repr__(self) -> str:
        return f"VerifiedHook(kid={self.kid!r}, key_thumbprint={self.key_thumbprint!r})"

    @property
    def claims(self) -> Mapping[str, Any]:
        """All claims, read-only."""
        return MappingProxyType(self._content())

    @property
    def header(self) -> Mapping[str, Any]:
        """The JOSE header, read-only."""
        return MappingProxyType(self._header)

    @property
    def kid(self) -> str:
        """The id of the key that verified the signature."""
        return self._kid

    @property
    def key_thumbprint(self) -> str:
        """The RFC 7638 thumbprint of that key."""
        return self._key_thumbprint

    @property
    def issuer(self) -> str | None:
        """``iss``, or None."""
        return self._content().get("iss")

    @property
    def subject(self) -> str | None:
        """``sub``, or None."""
        return self._content().get("sub")

    @property
    def audience(self) -> tuple[str, ...]:
        """``aud`` as a tuple; empty if absent."""
        return audiences(self._content())

    @property
    def expires_at(self) -> float:
        """``exp`` in epoch seconds; infinity for shared secrets, which never expire."""
        return self._content().get("exp", math.inf)  # type: ignore[no-any-return]

    @property
    def issued_at(self) -> float | None:
        """``iat`` in epoch seconds, or None."""
        return self._content().get("iat")

    @property
    def jti(self) -> str | None:
        """``jti``, or None."""
        return self._content().get("jti")

    @property
    def client_id(self) -> str | None:
        """The first of ``cid`` (Okta), ``client_id`` and ``azp`` that is present, or None."""
        return next(iter(client_ids(self._content())), None)

    @property
    def scopes(self) -> tuple[str, ...]:
        """``scp`` or ``scope`` as a tuple; empty if absent."""
        return granted_scopes(self._content())


class HookVerifier:
    """Verifies JWTs from one key source and issuer in seven steps. Immutable and thread-safe.

    For example:

    >>> from hookkey_verify import HookSigner, HookVerifier, StaticKeys
    >>> okta = HookSigner.generate()
    >>> keys = StaticKeys.from_jwk(okta.public_jwk())
    >>> verifier = HookVerifier.for_client_assertion(keys, client_id="0oa1", token_url="https://a.io/t")
    >>> token = okta.client_assertion(client_id="0oa1", token_url="https://a.io/t")
    >>> verifier.verify(token).subject
    '0oa1'
    """

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
        on_event: OnEvent | None = None,
        clock: Clock = wall_clock,
    ) -> None:
        """Create a verifier. Prefer ``for_client_assertion`` or ``for_access_token``.

        ``keys``: the source of public keys: ``HookKeys``, ``IssuerKeys``, ``StaticKeys`` or your
            own.
        ``issuer``: the required ``iss``. There is no default; pass None to leave it unchecked.
            Several issuers are accepted only if ``keys.issuers`` names them all, because each of
            them could sign tokens of the others. For several issuers with their own keys, use
            ``VerifierByIssuer``.
        ``audience``: the required ``aud``, or several values of which one must match. There is no
            default; pass None to leave it unchecked.
        ``subject``: the required ``sub``. Default None: unchecked.
        ``client_id``: the required client id (``cid``). Default None: unchecked.
        ``scopes``: scopes that must all be granted. Default: none.
        ``algorithms``: accepted algorithms: RS256 (the default), ES256 and EdDSA, also known as
            Ed25519 (RFC 9864).
        ``required_claims``: claims that must be present and not null. ``exp`` is always required.
        ``max_lifetime``: the longest time, in seconds from 1, between now and ``exp``, and between
            ``iat`` and ``exp``. Default None: no limit.
        ``leeway``: tolerated clock skew for exp, nbf and iat, 0 to 600 seconds. Default 60.
        ``max_token_bytes``: the longest accepted token, 256 to 1,048,576 bytes. Default 16,384.
        ``json_limits``: limits on the structure of the payload. Default None: ``JsonLimits()``.
        ``token_types``: accepted values of the header's ``typ``. Include None to accept tokens
            without ``typ`` (RFC 9068 section 4 does not). Default: "JWT", "at+jwt" and None.
        ``default_kid``: the kid of tokens that have none. Default None: such tokens are refused.
        ``replay``: a store that makes each token single use, by its ``jti`` or, without one, by its
            digest. Default None: tokens may be reused.
        ``verified_cache``: the number of verified tokens to remember, 0 (the default) to 1,000,000.
            Of a remembered token, only the key and the times are checked again.
        ``on_event``: a function that takes an ``Event`` for each verification. Default None.
        ``clock``: a function that returns epoch seconds. Default: the system clock.

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
                "verified_cache is for tokens that are reused, but replay makes tokens single use: "
                "leave one of them out"
            )
        self._keys = keys
        self._rules = jws.HeaderRules(
            _algorithms(algorithms), _types(token_types), type_required=None not in token_types
        )
        self._max_token_bytes = whole_number("max_token_bytes", max_token_bytes, 256, 1_048_576)
        self._json_limits = JsonLimits() if json_limits is None else json_limits
        self._default_kid = default_kid
        self._replay = replay
        self._reserve = 0.0 if replay is None else REPLAY_RESERVE
        self._memo = _memo(verified_cache, self._max_token_bytes)
        self._clock = function("clock", clock, "that returns epoch seconds")
        self._report = Reporter(named(keys), on_event)
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
        on_event: OnEvent | None = None,
        clock: Clock = wall_clock,
    ) -> HookVerifier:
        """Create a verifier for the assertions that Okta sends to your token URL (RFC 7523).

        Okta signs these client assertions with a hook key. ``iat``, ``nbf`` and ``jti`` are checked
        if they are present.

        ``keys``: ``HookKeys``, or another source of hook keys.
        ``client_id``: the required ``iss`` and ``sub``: the hook's client id in Okta.
        ``token_url``: the required ``aud``: the hook's Token URL exactly as entered in Okta.
        ``audiences``: further accepted values of ``aud``, for clients other than Okta that send the
            issuer of the token endpoint (RFC 7523 section 3). Default: none.
        ``max_lifetime``: the longest time from now to ``exp``, in seconds; default 3600, which is
            Okta's limit (https://developer.okta.com/docs/guides/build-self-signed-jwt/).
        ``leeway``: tolerated clock skew for exp, nbf and iat, 0 to 600 seconds. Default 60.
        ``default_kid``: the kid of assertions that have none. Default None: they are refused.
        ``replay``: a store that makes each assertion single use. Okta does not document whether its
            assertions have a ``jti``; one without is identified by its digest. Default None:
            assertions may be reused.
        ``on_event``: a function that takes an ``Event`` for each verification. Default None.
        ``clock``: a function that returns epoch seconds. Default: the system clock.

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
            on_event=on_event,
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
        verified_cache: int = 256,
        on_event: OnEvent | None = None,
        clock: Clock = wall_clock,
    ) -> HookVerifier:
        """Create a verifier for the access tokens that Okta sends to your hook.

        An authorization server issues them, with the claims that
        https://developer.okta.com/docs/reference/api/oidc/#access-token-payload describes.

        ``keys``: ``IssuerKeys``, or another source of the authorization server's keys.
        ``audience``: the required ``aud``, or several values of which one must match.
        ``client_id``: the required ``cid``: the hook's client id in Okta. Pass None to accept every
            client of the server.
        ``scopes``: scopes that must all be granted. Default: none.
        ``issuer``: the required ``iss``. Default None: the issuer of ``keys``.
        ``algorithms``: accepted algorithms: RS256 (the default), ES256 and EdDSA.
        ``max_lifetime``: the longest lifetime in seconds, from 1. Default None: no limit.
        ``leeway``: tolerated clock skew for exp, nbf and iat, 0 to 600 seconds. Default 60.
        ``max_token_bytes``: the longest accepted token, 256 to 1,048,576 bytes. Default 16,384.
        ``json_limits``: limits on the structure of the payload. Default None: ``JsonLimits()``.
        ``default_kid``: the kid of tokens that have none. Default None: such tokens are refused.
        ``verified_cache``: the number of verified tokens to remember, 0 to 1,000,000; default 256.
            Of a remembered token, only the key and the times are checked again; see
            ``hookkey_verify/_jose/token_memo.py``.
        ``on_event``: a function that takes an ``Event`` for each verification. Default None.
        ``clock``: a function that returns epoch seconds. Default: the system clock.

        Raises ``ConfigurationError`` naming the argument. Okta's org authorization server is
        refused, because only Okta can verify its access tokens.
        """
        known = getattr(keys, "issuer", None)
        if known is None and hasattr(keys, "org_url"):
            raise ConfigurationError(
                "hook keys sign client assertions: use for_client_assertion; access tokens are "
                "signed by their authorization server, so keys must be IssuerKeys(issuer)"
            )
        if issuer is None and known is None:
            raise ConfigurationError("issuer is required, because these keys do not have one")
        expected = text("issuer", known if issuer is None else issuer)
        refuse_org_server(expected)
        if audience is None:
            raise ConfigurationError("audience is required: it is the party that the token is for")
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
            on_event=on_event,
            clock=clock,
        )

    @classmethod
    def from_env(
        cls, keys: KeySource, *, settings: Settings | None = None, **options: Any
    ) -> HookVerifier:
        """Create a verifier for these keys from the ``HOOKKEY_*`` environment variables.

        ``IssuerKeys`` use ``for_access_token`` with ``HOOKKEY_AUDIENCE``, ``HOOKKEY_CLIENT_ID`` and
        the optional ``HOOKKEY_SCOPES``. Other sources use ``for_client_assertion`` with
        ``HOOKKEY_CLIENT_ID`` and ``HOOKKEY_TOKEN_URL``.

        ``settings``: replaces the settings of this process's environment.
        ``options``: arguments of these methods; they override settings.

        Raises ``ConfigurationError`` naming what is missing and where to set it.
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
        """The rules for the claims."""
        return self._policy

    @property
    def source(self) -> str:
        """What events and logs call this verifier: the URL of its keys, or their class name."""
        return self._report.source

    @property
    def single_use(self) -> bool:
        """Whether each token is accepted only once."""
        return self._replay is not None

    def verify(self, token: str | bytes, *, deadline: float | None = None) -> VerifiedHook:
        """Verify a compact JWT. Raises the ``HookVerificationError`` of the first failed check.

        ``token``: the token.
        ``deadline``: a reading of ``time.monotonic`` by which key source and replay store must have
            answered. Default None: 2.5 seconds from now, because Okta waits 3 seconds
            (https://developer.okta.com/docs/concepts/inline-hooks/).
        """
        if not self._report.active:
            return self._verify(token, deadline)
        with Verification(self._report) as observed:
            return self._verify(token, deadline, observed)

    async def averify(self, token: str | bytes, *, deadline: float | None = None) -> VerifiedHook:
        """Do the same as ``verify`` without blocking the event loop."""
        if not self._report.active:
            return await self._averify(token, deadline)
        with Verification(self._report) as observed:
            return await self._averify(token, deadline, observed)

    def verify_headers(self, headers: Headers) -> VerifiedHook:
        """Verify the ``Authorization: Bearer`` token of a request (RFC 6750 section 2.1).

        ``headers`` is a mapping or an iterable of (name, value) pairs, str or bytes. Raises
        ``MissingTokenError``, ``MultipleTokensError`` or any error of ``verify``.
        """
        return self.verify(_bearer(headers, self._report))

    async def averify_headers(self, headers: Headers) -> VerifiedHook:
        """Do the same as ``verify_headers`` without blocking the event loop."""
        return await self.averify(_bearer(headers, self._report))

    def health(self) -> CombinedHealth:
        """Return the condition of the key source and the replay store, without asking them."""
        return _combined((self._keys, self._replay))

    def _verify(
        self, token: str | bytes, deadline: float | None, observed: Verification | None = None
    ) -> VerifiedHook:
        if deadline is None:
            deadline = monotonic() + TIME_LIMIT
        known = None if self._memo is None else self._memo.find(token)
        opened = (known and known.opened) or self._open(token)  # 1, 2
        if observed is not None:
            observed.kid = opened[0]
        try:
            key = self._keys.get(
                opened[0], algorithm=opened[1], deadline=deadline - self._reserve
            )  # 3
        except Exception as error:
            raise self._without_key(error, token) from None
        if observed is not None:
            observed.has_key = True
        hook = self._check(token, opened, known, key)  # 4, 5, 6
        if self._replay is not None:  # 7
            try:
                first = self._replay.claim(*self._use(hook, token), deadline=deadline)
            except Exception as error:
                raise self._verdict("replay store", error) from None
            if not first:
                raise ReplayedTokenError("jti")
        return hook

    async def _averify(
        self, token: str | bytes, deadline: float | None, observed: Verification | None = None
    ) -> VerifiedHook:
        if deadline is None:
            deadline = monotonic() + TIME_LIMIT
        known = None if self._memo is None else self._memo.find(token)
        opened = (known and known.opened) or self._open(token)  # 1, 2
        if observed is not None:
            observed.kid = opened[0]
        try:
            key = await self._keys.aget(
                opened[0], algorithm=opened[1], deadline=deadline - self._reserve
            )  # 3
        except Exception as error:
            raise self._without_key(error, token) from None
        if observed is not None:
            observed.has_key = True
        hook = self._check(token, opened, known, key)  # 4, 5, 6
        if self._replay is not None:  # 7
            try:
                first = await self._replay.aclaim(*self._use(hook, token), deadline=deadline)
            except Exception as error:
                raise self._verdict("replay store", error) from None
            if not first:
                raise ReplayedTokenError("jti")
        return hook

    def _open(self, token: str | bytes) -> Opened:
        """Read the header of a token: steps 1 and 2."""
        signed = jws.split(token, self._max_token_bytes)
        header = self._rules.verified.get(signed[1]) or self._rules.read(signed[1])
        kid = header.get("kid", self._default_kid)
        if kid is None:
            raise MalformedTokenError(_NO_KID)
        return kid, SYNONYMS.get(header["alg"], header["alg"]), header, signed

    def _without_key(self, error: Exception, token: str | bytes) -> HookKeyError:
        """Return what to raise if the key source raised."""
        if isinstance(error, UnknownKeyError):
            return self._diagnosed(error, jws.split(token, self._max_token_bytes))
        return self._verdict("key source", error)

    def _check(
        self, token: str | bytes, opened: Opened, known: RememberedToken | None, key: PublicKey
    ) -> VerifiedHook:
        """Judge a token with its key: steps 4, 5 and 6. A remembered one has passed most of it."""
        if not isinstance(key, PublicKey):
            raise KeyUnavailableError("the key source did not return a PublicKey")
        kid, algorithm, header, signed = opened
        if known is not None and signed is None and self._memo is not None:
            if known.key is key and self._policy.is_in_time(known.times, self._clock()):
                return VerifiedHook(None, header, kid, key.thumbprint, known.unread)
            self._memo.forget(known)  # the checks below say why
        if signed is None:
            signed = jws.split(token, self._max_token_bytes)
        _, encoded_header, payload, signing_input, encoded_signature = signed
        if algorithm != key.algorithm:  # RFC 8725 section 3.1: one key, one algorithm
            raise AlgorithmError(f"the key is for {key.algorithm}", expected=key.algorithm)
        if not key.verify(a2b_base64(encoded_signature), signing_input):
            raise SignatureError
        if encoded_header not in self._rules.verified:
            self._rules.remember(encoded_header, header)
        claims = jws.read_claims(payload, self._json_limits)
        self._policy.check(claims, self._clock())
        if self._memo is not None and known is not None:
            opened, unread = (kid, algorithm, header, None), (payload, self._json_limits)
            self._memo.add(RememberedToken(known.name, key, opened, claims, unread))
        return VerifiedHook(claims, header, kid, key.thumbprint)

    def _verdict(self, what: str, error: Exception) -> HookKeyError:
        """Return one of our errors unchanged; log any other, and return one that means to retry."""
        if isinstance(error, HookVerificationError | ConfigurationError):
            return error
        kind = ReplayStoreUnavailableError if what == "replay store" else KeyUnavailableError
        text = f"the {what} raised {type(error).__name__}"
        self._report.log(ERROR, text, reason=kind.reason.value)
        return kind(f"the {what} failed")

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

    def _use(self, hook: VerifiedHook, token: str | bytes) -> tuple[str, str, float]:
        """Return issuer, jti and expiry for the replay store.

        Without a jti, use a digest of the signing input. A digest of the whole token would not do,
        because one signature can have two encodings.
        """
        claims = hook._content()
        jti = claims.get("jti")
        if jti is None:
            signing_input = jws.split(token, self._max_token_bytes)[3]
            jti = "sha256:" + hashlib.sha256(signing_input).hexdigest()
        return claims.get("iss", ""), jti, claims["exp"] + self._policy.leeway


class VerifierByIssuer:
    """Verifies each token with the verifier of its issuer. Immutable and thread-safe.

    The unverified ``iss`` only selects the verifier. All checks of that verifier then apply, with
    its own keys, issuer, audience and client (RFC 8725 section 3.8), so no issuer can sign tokens
    of another. It can be used wherever a ``HookVerifier`` can.

    For example:

    >>> from hookkey_verify import HookSigner, HookVerifier, StaticKeys
    >>> from hookkey_verify.verifier import VerifierByIssuer
    >>> signers = {name: HookSigner.generate() for name in ("https://a.io", "https://b.io")}
    >>> verifier = VerifierByIssuer(
    ...     *(
    ...         HookVerifier(StaticKeys.from_jwk(each.public_jwk()), issuer=name, audience="api://hooks")
    ...         for name, each in signers.items()
    ...     )
    ... )
    >>> claims = {"iss": "https://b.io", "aud": "api://hooks", "exp": 4102444800}
    >>> verifier.verify(signers["https://b.io"].sign(claims)).issuer
    'https://b.io'
    """

    sent_by_browsers: Final = False

    def __init__(self, *verifiers: HookVerifier, on_event: OnEvent | None = None) -> None:
        """Combine verifiers, each with an issuer of its own.

        ``verifiers``: the verifiers, each of which reports its events to its own ``on_event``.
        ``on_event``: a function that takes an ``Event`` for each token or request without a
            verifier. Default None.

        Raises ``ConfigurationError`` if a verifier has no issuer or two have the same.
        """
        if not verifiers or not all(isinstance(each, HookVerifier) for each in verifiers):
            raise ConfigurationError(
                "VerifierByIssuer takes one or more HookVerifier objects as separate arguments"
            )
        self.verifiers = verifiers
        self._report = Reporter(type(self).__name__, on_event)
        self._by_issuer: dict[str, HookVerifier] = {}
        for verifier in verifiers:
            for issuer in _named_issuers(verifier):
                if self._by_issuer.setdefault(issuer, verifier) is not verifier:
                    raise ConfigurationError(f"two verifiers have the issuer {issuer}")
        self._max_token_bytes = max(each._max_token_bytes for each in verifiers)
        self._json_limits = JsonLimits.widest([each._json_limits for each in verifiers])

    def __repr__(self) -> str:
        return f"VerifierByIssuer({', '.join(map(repr, self.verifiers))})"

    def select(self, token: str | bytes) -> HookVerifier:
        """Return the verifier for an unverified token.

        A single verifier is returned without reading the token. Raises ``IssuerError`` if no
        verifier has the token's issuer, ``MalformedTokenError`` or ``TokenTooLargeError``.
        """
        if len(self.verifiers) == 1:  # it checks the issuer itself
            return self.verifiers[0]
        if not self._report.active:
            return self._select(token)
        with Verification(self._report, only_refusals=True):
            return self._select(token)

    def _select(self, token: str | bytes) -> HookVerifier:
        payload = jws.split(token, self._max_token_bytes)[2]
        issuer = jws.unverified_issuer(payload, self._json_limits)
        verifier = None if issuer is None else self._by_issuer.get(issuer)
        if verifier is None:
            raise IssuerError("iss", expected=tuple(sorted(self._by_issuer)))
        return verifier

    def verify(self, token: str | bytes, *, deadline: float | None = None) -> VerifiedHook:
        """Verify a token with the verifier of its issuer; see ``HookVerifier.verify``."""
        return self.select(token).verify(token, deadline=deadline)

    async def averify(self, token: str | bytes, *, deadline: float | None = None) -> VerifiedHook:
        """Do the same as ``verify`` without blocking the event loop."""
        return await self.select(token).averify(token, deadline=deadline)

    def verify_headers(self, headers: Headers) -> VerifiedHook:
        """Verify the ``Authorization: Bearer`` token of a request; see ``HookVerifier``."""
        return self.verify(_bearer(headers, self._report))

    async def averify_headers(self, headers: Headers) -> VerifiedHook:
        """Do the same as ``verify_headers`` without blocking the event loop."""
        return await self.averify(_bearer(headers, self._report))

    def health(self) -> CombinedHealth:
        """Return the condition of the key sources and replay stores, without asking them."""
        return _combined(self.verifiers)


def _memo(size: int, max_token_bytes: int) -> TokenMemo | None:
    most = whole_number("verified_cache", size, 0, MAX_VERIFIED)
    return TokenMemo(most, max_token_bytes) if most else None


def _bearer(headers: Headers, report: Reporter) -> str:
    """Return the bearer token of a request, and report a request without one."""
    if not report.active:
        return bearer_token(headers)
    with Verification(report, only_refusals=True):
        return bearer_token(headers)


def _combined(objects: Iterable[object]) -> CombinedHealth:
    from .health import CombinedHealth  # noqa: PLC0415 - imports dataclasses: 6 ms

    return CombinedHealth.of(objects)


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
            f"{name} must not be empty; pass {name}=None to leave it unchecked"
        )
    return expected


def _issuers(issuer: str | Collection[str] | None, keys: KeySource) -> frozenset[str] | None:
    """Return the expected issuers after checking that these keys belong to them."""
    issuers = _expected("issuer", issuer)
    if issuers is None:
        return None
    own = getattr(keys, "issuer", None)
    if isinstance(own, str) and issuers != {own}:
        raise ConfigurationError("issuer must be the issuer of keys")
    if len(issuers) > 1:
        named = getattr(keys, "issuers", ())
        if isinstance(named, str) or not isinstance(named, Collection) or not issuers <= {*named}:
            raise ConfigurationError(
                "issuers that share a key source can sign tokens of each other: create a verifier "
                "for each issuer and combine them with hookkey_verify.verifier.VerifierByIssuer, "
                "or give the source an attribute issuers that names them all"
            )
    return issuers


def _named_issuers(verifier: HookVerifier) -> frozenset[str]:
    if verifier.policy.issuers is None:
        raise ConfigurationError("each verifier must have an issuer")
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
    """Return the required claims, including all that ``ClaimsPolicy`` compares."""
    implied = {"iss": issuer, "aud": audience, "sub": subject}
    names = ["exp", *(name for name, wanted in implied.items() if wanted is not None)]
    return frozenset([*names, *texts("required_claims", required_claims)])
