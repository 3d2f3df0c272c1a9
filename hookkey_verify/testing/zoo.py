"""Bad tokens with exactly one defect each.

Each models a real attack or mistake. The signature is valid unless it is the defect, so a verifier
that skips one check accepts that token. The cases follow RFC 8725 and advisories of JWT libraries.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import uuid
from base64 import urlsafe_b64encode
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .._runtime.clock import Clock, wall_clock
from ..errors import Reason
from ..signer import HookSigner
from .requests import fits_header

__all__ = ["BadToken", "bad_access_tokens", "bad_tokens"]

LIFETIME = 3000
"""Seconds, because tokens made at import, for parametrize, must last for a long test run."""


@dataclass(frozen=True, slots=True)
class BadToken:
    """A token that must be refused, and the reason.

    For example:

    >>> from hookkey_verify import HookSigner
    >>> from hookkey_verify.testing import bad_tokens
    >>> zoo = bad_tokens(HookSigner.generate(), client_id="0oa1", token_url="https://a.io/t")
    >>> zoo[0].name, zoo[0].reason.value
    ('payload changed after signing', 'invalid_signature')
    """

    name: str
    """The defect in a few words, which can serve as a test id."""
    reason: Reason
    """The reason with which a correct verifier refuses it."""
    token: str = field(repr=False)

    @property
    def header_safe(self) -> bool:
        """Whether an HTTP header can contain the token; headers cannot contain line breaks."""
        return fits_header(self.token)


def bad_tokens(
    signer: HookSigner, *, client_id: str, token_url: str, clock: Clock = wall_clock
) -> tuple[BadToken, ...]:
    """Return bad client assertions, one for each defect.

    Wrong times differ by more than the default leeway of 60 seconds. The tokens can be used for 40
    minutes. ``clock`` returns epoch seconds. Raises ``ConfigurationError`` like ``HookSigner``.
    """
    own = {"iss": client_id, "sub": client_id, "aud": token_url}
    zoo = _Zoo(signer, own, int(clock()))
    return (
        *zoo.forged(),
        *zoo.stale(),
        zoo.long_lived(),
        *zoo.misdirected(),
        *zoo.of_another_subject(),
        *zoo.malformed(),
    )


def bad_access_tokens(
    signer: HookSigner,
    *,
    issuer: str,
    audience: str,
    client_id: str,
    scopes: Collection[str] = (),
    clock: Clock = wall_clock,
) -> tuple[BadToken, ...]:
    """Return bad access tokens, one for each defect, for ``HookVerifier.for_access_token``.

    ``signer``: signs the tokens, with the key of the authorization server.
    ``issuer``: the ``iss`` that the verifier requires.
    ``audience``: the ``aud`` that the verifier requires.
    ``client_id``: the ``cid`` that the verifier requires.
    ``scopes``: the scopes that the verifier requires. Default: none.
    ``clock``: a function that returns epoch seconds. Default: the system clock.

    Wrong times differ by more than the default leeway of 60 seconds. The tokens can be used for 40
    minutes. Raises ``ConfigurationError`` like ``HookSigner``.
    """
    own = {"iss": issuer, "sub": client_id, "aud": audience, "cid": client_id, "scp": [*scopes]}
    zoo = _Zoo(signer, own, int(clock()))
    return (
        *zoo.forged(),
        *zoo.stale(),
        *zoo.misdirected(),
        *zoo.of_another_client(),
        *zoo.malformed(),
    )


class _Zoo:
    def __init__(self, signer: HookSigner, own: Mapping[str, Any], now: int) -> None:
        self.signer = signer
        self.now = now
        self.claims: dict[str, Any] = {
            **own,
            "iat": now,
            "exp": now + LIFETIME,
            "jti": str(uuid.uuid4()),
        }
        self.header = {"alg": "RS256", "typ": "JWT", "kid": signer.kid}
        self.good = signer.sign(self.claims)

    def with_claims(self, **changes: Any) -> str:
        claims = {**self.claims, **changes}
        return self.signer.sign({k: v for k, v in claims.items() if v is not _ABSENT})

    def with_header(self, **changes: Any) -> str:
        return self.signer.sign(self.claims, headers=changes)

    def forged(self) -> Iterator[BadToken]:
        header, payload, signature = self.good.split(".")
        other = _segment({**self.claims, "sub": "somebody-else"})
        yield _bad(
            "payload changed after signing", "invalid_signature", f"{header}.{other}.{signature}"
        )
        stranger = HookSigner.generate(self.signer.kid)
        yield _bad("signed by another key", "invalid_signature", stranger.sign(self.claims))
        yield _bad(
            "signature of zeros", "invalid_signature", f"{header}.{payload}.{_b64(bytes(256))}"
        )
        cut = _b64(bytes(255))
        yield _bad("signature one byte short", "invalid_signature", f"{header}.{payload}.{cut}")
        none = _segment({**self.header, "alg": "none"})
        yield _bad(
            "alg none, signature kept", "algorithm_not_allowed", f"{none}.{payload}.{signature}"
        )
        yield _bad("alg none, no signature", "malformed_token", f"{none}.{payload}.")
        yield _bad("HS256 keyed with the public key", "algorithm_not_allowed", self._hs256())
        rs512 = _segment({**self.header, "alg": "RS512"})
        yield _bad("alg RS512", "algorithm_not_allowed", f"{rs512}.{payload}.{signature}")
        lower = _segment({**self.header, "alg": "rs256"})
        yield _bad("alg in lower case", "algorithm_not_allowed", f"{lower}.{payload}.{signature}")
        embedded = stranger.sign(self.claims, headers={"jwk": stranger.public_jwk()})
        yield _bad("brings its own key in jwk", "invalid_signature", embedded)

    def stale(self) -> Iterator[BadToken]:
        now, later = self.now, self.now + LIFETIME - 300
        yield _bad("expired", "expired", self.with_claims(iat=now - 400, exp=now - 100))
        yield _bad("not yet valid", "not_yet_valid", self.with_claims(nbf=later))
        yield _bad("issued in the future", "issued_in_future", self.with_claims(iat=later))
        yield _bad("no exp", "missing_claim", self.with_claims(exp=_ABSENT))
        yield _bad("exp is a string", "invalid_claim", self.with_claims(exp=str(now + LIFETIME)))
        yield _bad("exp is true", "invalid_claim", self.with_claims(exp=True))
        yield _bad("exp is null", "invalid_claim", self.with_claims(exp=None))

    def long_lived(self) -> BadToken:
        token = self.with_claims(exp=self.now + 86_400)
        return _bad("valid for a day", "lifetime_too_long", token)

    def of_another_subject(self) -> Iterator[BadToken]:
        yield _bad("another subject", "wrong_subject", self.with_claims(sub="0oaSomebodyElse"))
        yield _bad("no subject", "missing_claim", self.with_claims(sub=_ABSENT))

    def of_another_client(self) -> Iterator[BadToken]:
        yield _bad("another client", "wrong_client", self.with_claims(cid="0oaSomebodyElse"))
        yield _bad("no client", "missing_claim", self.with_claims(cid=_ABSENT))
        if self.claims["scp"]:
            yield _bad("no scope", "insufficient_scope", self.with_claims(scp=[]))
            yield _bad("scope is a number", "invalid_claim", self.with_claims(scp=5))

    def misdirected(self) -> Iterator[BadToken]:
        claims = self.claims
        yield _bad(
            "another audience",
            "wrong_audience",
            self.with_claims(aud="https://other.example/token"),
        )
        longer = self.with_claims(aud=claims["aud"] + "/")
        yield _bad("audience with one more slash", "wrong_audience", longer)
        yield _bad("audience list without us", "wrong_audience", self.with_claims(aud=["a", "b"]))
        yield _bad("no audience", "missing_claim", self.with_claims(aud=_ABSENT))
        yield _bad(
            "audience list with a number", "invalid_claim", self.with_claims(aud=[claims["aud"], 1])
        )
        yield _bad("another issuer", "wrong_issuer", self.with_claims(iss="0oaSomebodyElse"))
        yield _bad("issuer cut short", "wrong_issuer", self.with_claims(iss=claims["iss"][:-1]))
        yield _bad(
            "key that is not in the org", "unknown_key", self.with_header(kid=str(uuid.uuid4()))
        )
        yield _bad("kid climbs the path", "unknown_key", self.with_header(kid="../../users/me"))
        yield _bad(
            "kid with a line break", "malformed_token", self.with_header(kid=f"{self.signer.kid}\n")
        )
        yield _bad("no kid", "malformed_token", self.with_header(kid=None))
        yield _bad(
            "typ of another protocol", "token_type_not_allowed", self.with_header(typ="dpop+jwt")
        )

    def malformed(self) -> Iterator[BadToken]:
        header, payload, signature = self.good.split(".")
        crit = self.with_header(crit=["exp"], exp=self.now + LIFETIME)
        yield _bad("crit in the header", "unsupported_header", crit)
        yield _bad("b64 in the header", "unsupported_header", self.with_header(b64=False))
        yield _bad("zip in the header", "unsupported_header", self.with_header(zip="DEF"))
        twice = _json(self.claims)[:-1] + b',"aud":"https://other.example/token"}'
        yield _bad("aud twice", "malformed_token", self._signed(payload=twice))
        alg = b'{"alg":"none",' + _json(self.header)[1:]
        yield _bad("alg twice", "malformed_token", self._signed(header=alg))
        nan = _json(self.claims)[:-1] + b',"extra":NaN}'
        yield _bad("NaN in the payload", "malformed_token", self._signed(payload=nan))
        bom = b"\xef\xbb\xbf" + _json(self.claims)
        yield _bad("byte order mark", "malformed_token", self._signed(payload=bom))
        utf16 = json.dumps(self.claims).encode("utf-16")
        yield _bad("payload in UTF-16", "malformed_token", self._signed(payload=utf16))
        yield _bad("payload is a list", "malformed_token", self._signed(payload=b"[]"))
        deep = _json(self.claims)[:-1] + b',"x":' + b"[" * 2000 + b"]" * 2000 + b"}"
        yield _bad("payload nested 2000 deep", "malformed_token", self._signed(payload=deep))
        yield _bad("padded with =", "malformed_token", f"{header}.{payload}.{signature}==")
        yield _bad("trailing line break", "malformed_token", f"{self.good}\n")
        yield _bad("not canonical base64url", "malformed_token", _noncanonical(self.good))
        yield _bad("two segments", "malformed_token", f"{header}.{payload}")
        yield _bad("five segments, like a JWE", "malformed_token", f"{self.good}.a.b")
        yield _bad("JSON serialization", "malformed_token", json.dumps({"payload": payload}))
        yield _bad("empty", "malformed_token", "")
        yield _bad("larger than 16 KiB", "token_too_large", self.with_claims(pad="x" * 16_384))

    def _signed(self, header: bytes | None = None, payload: bytes | None = None) -> str:
        return self.signer.sign_bytes(header or _json(self.header), payload or _json(self.claims))

    def _hs256(self) -> str:
        """Sign with the public key as an HMAC secret, as in CVE-2022-29217."""
        signing_input = f"{_segment({**self.header, 'alg': 'HS256'})}.{_segment(self.claims)}"
        secret = _json(self.signer.public_jwk())
        mac = hmac.new(secret, signing_input.encode(), hashlib.sha256).digest()
        return f"{signing_input}.{_b64(mac)}"


_ABSENT: Any = object()


def _bad(name: str, reason: str, token: str) -> BadToken:
    return BadToken(name, Reason(reason), token)


def _noncanonical(token: str) -> str:
    """Change an unused bit of the last character, so that another text decodes to the same bytes.

    The last character of a 256-byte signature has four unused bits.
    """
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return token[:-1] + alphabet[alphabet.index(token[-1]) + 1]


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":")).encode()


def _b64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _segment(value: object) -> str:
    return _b64(_json(value))
