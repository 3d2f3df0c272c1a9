"""Comparison with other libraries: PyJWT and joserfc accept every token that we accept.

``STRICTER`` lists the reasons for which we may refuse a token that one of them accepts. The test
fails for any other reason.
"""

from __future__ import annotations

import json
import random
import time
from typing import Any

import jwt
from joserfc import jwt as joserfc_jwt
from joserfc.errors import JoseError
from joserfc.jwk import RSAKey

from hookkey_verify import HookSigner, HookVerifier, StaticKeys
from hookkey_verify.errors import HookVerificationError
from tests.conftest import CLIENT_ID, TOKEN_URL

TOKENS = 2_000
NOW = int(time.time())

STRICTER = {
    "malformed_token": "duplicate members, NaN, trailing =, a missing kid, lone surrogates",
    "invalid_claim": "exp as a string or boolean, a mixed aud list",
    "unsupported_header": "crit, b64 and zip whatever their value",
    "token_type_not_allowed": "typ of another kind of JWT",
    "lifetime_too_long": "max_lifetime, which the others do not have",
    "unknown_key": "a kid other than that of the key, which the others receive directly",
}

CLAIMS: dict[str, list[Any]] = {
    "iss": [CLIENT_ID, CLIENT_ID, CLIENT_ID, "other", ["x"], None, ...],
    "sub": [CLIENT_ID, CLIENT_ID, CLIENT_ID, "other", 5, ...],
    "aud": [TOKEN_URL, TOKEN_URL, [TOKEN_URL], ["x", TOKEN_URL], "x", [], [TOKEN_URL, 1], ...],
    "exp": [NOW + 300, NOW + 300, NOW + 300.5, NOW - 300, str(NOW + 300), True, None, 1e15, ...],
    "nbf": [..., ..., ..., NOW, NOW + 300, "x", True],
    "iat": [..., NOW, NOW, NOW + 300, NOW - 30, str(NOW), None],
    "jti": [..., "1", "2", 5],
}
HEADERS: dict[str, list[Any]] = {
    "typ": ["JWT", "JWT", ..., "dpop+jwt"],
    "kid": ["", "", "", "", "other", ..., 5],
    "crit": [*[...] * 12, [], ["exp"]],
    "b64": [*[...] * 12, True, False],
    "zip": [*[...] * 12, "DEF"],
}
SPOIL = ["", "", "", "", "", "duplicate", "nan", "padding", "signature", "surrogate", "alg"]


def _tokens(signer: HookSigner, rng: random.Random) -> list[str]:
    tokens = []
    for _ in range(TOKENS):
        claims = _draw(rng, CLAIMS, keep=0.75)
        header = {"alg": "RS256", **_draw(rng, HEADERS, keep=0.75)}
        if header.get("kid") == "":
            header["kid"] = signer.kid
        spoil = rng.choice(SPOIL)
        if spoil == "alg":
            header["alg"] = rng.choice(["none", "HS256", "RS512", "PS256"])
        payload = json.dumps(claims).encode()
        extra = {"duplicate": b'"aud":"x",' + b'"aud":"%s"' % TOKEN_URL.encode(), "nan": b'"x":NaN'}
        extra["surrogate"] = b'"x":"\\ud800"'
        if spoil in extra:
            payload = payload[:-1] + (b"," if claims else b"") + extra[spoil] + b"}"
        token = signer.sign_bytes(json.dumps(header).encode(), payload)
        if spoil == "padding":
            token += "=="
        if spoil == "signature":
            token = token[:-10] + ("AAAAAAAAAA" if token[-10:] != "AAAAAAAAAA" else "BBBBBBBBBA")
        tokens.append(token)
    return tokens


def _draw(rng: random.Random, choices: dict[str, list[Any]], keep: float) -> dict[str, Any]:
    """Draw mostly first choices, so that many tokens are good and most others have one defect."""
    drawn = {
        name: values[0] if rng.random() < keep else rng.choice(values)
        for name, values in choices.items()
    }
    return {name: value for name, value in drawn.items() if value is not ...}


def _pyjwt_accepts(token: str, key: jwt.PyJWK) -> bool:
    try:
        jwt.decode(
            token,
            key,
            algorithms=["RS256"],
            audience=TOKEN_URL,
            issuer=CLIENT_ID,
            subject=CLIENT_ID,
            leeway=60,
            options={"require": ["exp", "iss", "aud", "sub"]},
        )
    except (jwt.PyJWTError, UnicodeError, TypeError, ValueError, AttributeError):
        return False
    return True


def _joserfc_accepts(token: str, key: RSAKey) -> bool:
    rules = joserfc_jwt.JWTClaimsRegistry(
        leeway=60,
        iss={"essential": True, "value": CLIENT_ID},
        sub={"essential": True, "value": CLIENT_ID},
        aud={"essential": True, "value": TOKEN_URL},
        exp={"essential": True},
    )
    try:
        rules.validate(joserfc_jwt.decode(token, key, algorithms=["RS256"]).claims)
    except (JoseError, UnicodeError, TypeError, ValueError, AttributeError, KeyError):
        return False
    return True


def test_whatever_we_accept_others_accept(
    signer: HookSigner, keys: StaticKeys, verifier: HookVerifier
) -> None:
    """The other libraries accept what we accept, and each difference is listed in ``STRICTER``."""
    pyjwt_key = jwt.PyJWK(signer.public_jwk())
    joserfc_key = RSAKey.import_key(keys.get(signer.kid).as_jwk())  # type: ignore[arg-type]
    accepted, stricter = 0, set()
    for token in _tokens(signer, random.Random(20261123)):
        others = (_pyjwt_accepts(token, pyjwt_key), _joserfc_accepts(token, joserfc_key))
        try:
            verifier.verify(token)
        except HookVerificationError as error:
            if any(others):
                assert str(error.reason) in STRICTER, (error.reason, others)
                stricter.add(str(error.reason))
        else:
            accepted += 1
            assert others == (True, True), "we accept what another library refuses"
    assert 200 < accepted < TOKENS - 200, "the generator makes too few good or too few bad tokens"
    assert {"malformed_token", "invalid_claim", "unsupported_header"} <= stricter
