"""What libraries do with the same tokens, keys and outages: ``python -m tests.bench.compare``.

It needs no Okta org. ``pip install -e '.[bench]'`` installs the other libraries; the output lists
those that are missing.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.metadata import version
from typing import Any, Final, NamedTuple

import jwt

from hookkey_verify import CachePolicy, HookSigner, HookVerifier, IssuerKeys, PublicKey
from hookkey_verify.emulator import OktaEmulator

__all__ = ["LIBRARIES", "SCENES", "compared", "main"]

AUDIENCE: Final = "api://hooks"
CLIENT: Final = "0oa1hookclient4x7"
MADE_UP: Final = 50
Verify = Callable[[str], object]


class Library(NamedTuple):
    """A library: its distribution, and how it verifies tokens of an issuer and reads a JWK."""

    distribution: str
    verifier: Callable[[str], Verify]
    read: Callable[[Mapping[str, Any], str], object]


def _ours(issuer: str) -> Verify:
    keys = IssuerKeys(issuer, policy=CachePolicy(stale_if_error=0))
    return HookVerifier.for_access_token(keys, audience=AUDIENCE, client_id=CLIENT).verify


def _read_by_us(document: Mapping[str, Any], token: str) -> object:
    return PublicKey.from_document(document, expected_kid=document["kid"])


def _pyjwt(issuer: str) -> Verify:
    keys = jwt.PyJWKClient(f"{issuer}/v1/keys")

    def verify(token: str) -> object:
        key = keys.get_signing_key_from_jwt(token)
        return jwt.decode(
            token, key, algorithms=["RS256"], audience=AUDIENCE, issuer=issuer, leeway=60
        )

    return verify


def _read_by_pyjwt(document: Mapping[str, Any], token: str) -> object:
    return jwt.decode(token, jwt.PyJWK(dict(document)), algorithms=["RS256"])


def _okta_jwt_verifier(issuer: str) -> Verify:
    verifier = import_module("okta_jwt_verifier").BaseJWTVerifier(
        issuer="https://acme.okta.com/oauth2/default", audience=AUDIENCE
    )
    verifier.issuer = issuer  # the constructor refuses http
    verify: Verify = verifier.verify_access_token_sync
    return verify


def _read_by_okta_jwt_verifier(document: Mapping[str, Any], token: str) -> object:
    return import_module("okta_jwt_verifier.jwt_utils").JWTUtils.verify_signature(
        token, dict(document)
    )


LIBRARIES: Final = {
    "hookkey_verify": Library("hookkey_verify", _ours, _read_by_us),
    "PyJWT": Library("pyjwt", _pyjwt, _read_by_pyjwt),
    "okta-jwt-verifier": Library(
        "okta-jwt-verifier", _okta_jwt_verifier, _read_by_okta_jwt_verifier
    ),
}


def _outcome(call: Callable[[], object]) -> str:
    try:
        call()
    except Exception as error:
        return type(error).__name__
    return "accepted"


def _hook_key(library: Library, okta: OktaEmulator) -> str:
    key = okta.create_key(uuid.uuid4().hex)
    token = okta.signer(key["keyId"]).sign({})
    return _outcome(lambda: library.read(key["_embedded"], token))


def _good(library: Library, okta: OktaEmulator) -> str:
    return _outcome(lambda: library.verifier(okta.issuer)(okta.access_token(CLIENT)))


def _another_client(library: Library, okta: OktaEmulator) -> str:
    return _outcome(lambda: library.verifier(okta.issuer)(okta.access_token("0oa2another")))


def _made_up_kids(library: Library, okta: OktaEmulator) -> str:
    verify = library.verifier(okta.issuer)
    verify(okta.access_token(CLIENT))
    stranger = HookSigner.generate()
    claims = jwt.decode(okta.access_token(CLIENT), options={"verify_signature": False})
    before = len(okta.requests)
    for _ in range(MADE_UP):
        token = stranger.sign(claims, headers={"kid": uuid.uuid4().hex})
        assert _outcome(lambda token=token: verify(token)) != "accepted"  # type: ignore[misc]
    return str(len(okta.requests) - before)


def _outage(library: Library, okta: OktaEmulator) -> str:
    verify, token = library.verifier(okta.issuer), okta.access_token(CLIENT)
    okta.fail(503, path="/oauth2", times=100)
    try:
        return _outcome(lambda: verify(token))
    finally:
        okta.faults.clear()


def _expired(library: Library, okta: OktaEmulator) -> str:
    verify = library.verifier(okta.issuer)
    okta.skew(-90_000)
    try:
        token = okta.access_token(CLIENT)
    finally:
        okta.skew(0)
    return _outcome(lambda: verify(token))


SCENES: Final[Mapping[str, Callable[[Library, OktaEmulator], str]]] = {
    "a good access token": _good,
    "a hook key as Okta sends it": _hook_key,
    "a token of another client": _another_client,
    "an expired token": _expired,
    "a good token while the keys cannot be fetched": _outage,
    f"requests for {MADE_UP} made-up kids": _made_up_kids,
}


def compared() -> dict[str, dict[str, str]]:
    """Return the outcome of each scene for each library that is installed."""
    found: dict[str, dict[str, str]] = {}
    with OktaEmulator(rate_limit=10_000) as okta:
        for name, library in LIBRARIES.items():
            try:
                library.verifier(okta.issuer)
            except ImportError:
                continue
            found[name] = {scene: run(library, okta) for scene, run in SCENES.items()}
    return found


def main() -> None:
    """Print a table."""
    found = compared()
    heads = [f"{name} {version(LIBRARIES[name].distribution)}" for name in found]
    print("| scene |", " | ".join(heads), "|")
    print("|---|" + "---|" * len(heads))
    for scene in SCENES:
        cells = [f"`{found[name][scene]}`" for name in found]
        print(f"| {scene} |", " | ".join(cells), "|")
    print(
        f"\nnot installed: {', '.join(name for name in LIBRARIES if name not in found) or 'none'}"
    )


if __name__ == "__main__":
    main()
