"""Key documents: each form that Okta sends, each refusal, and comparisons with other libraries."""

from __future__ import annotations

import hashlib
import json
import pickle
import warnings
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Mapping
from typing import Any

import jwt
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from joserfc import jwk as joserfc_jwk
from jwcrypto import jwk as jwcrypto_jwk

from hookkey_verify import HookSigner, PublicKey
from hookkey_verify._jose.jwk import ALGORITHMS, is_kid
from hookkey_verify.errors import KeyRejectedError

from .weak_keys import ROCA_MODULUS


def _b64(number: int, length: int | None = None) -> str:
    data = number.to_bytes(length or (number.bit_length() + 7) // 8, "big")
    return urlsafe_b64encode(data).rstrip(b"=").decode()


def _number(text: str) -> int:
    return int.from_bytes(urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


@pytest.fixture(scope="module")
def jwk(signer: HookSigner) -> dict[str, Any]:
    """Return a key document as recorded from real orgs: alg is "RSA", use is null."""
    document = signer.public_jwk()
    return {**{m: document[m] for m in ("kty", "kid", "e", "n")}, "alg": "RSA", "use": None}


def _import(document: object, kid: str | None = None) -> PublicKey:
    return PublicKey.from_document(document, expected_kid=kid)


def test_recorded_document(jwk: dict[str, Any]) -> None:
    """A document as Okta sends it is imported as an RS256 key."""
    key = _import(jwk, jwk["kid"])
    assert (key.kid, key.algorithm) == (jwk["kid"], "RS256")


SHAPES: dict[str, Any] = {
    "use is null": {"use": None},
    'use is "null", as in the published example': {"use": "null"},
    "use is sig": {"use": "sig"},
    "use is absent": {"use": ...},
    "alg is RSA": {"alg": "RSA"},
    "alg is RS256": {"alg": "RS256"},
    "alg is null": {"alg": None},
    "alg is absent": {"alg": ...},
    "key_ops is verify": {"key_ops": ["verify"]},
    "an unknown member": {"x5t": "abc"},
}


def _changed(document: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**document, **changes}.items() if value is not ...}


@pytest.mark.parametrize("changes", SHAPES.values(), ids=SHAPES.keys())
@pytest.mark.parametrize("shape", ["bare", "embedded", "hook key"])
def test_shapes(jwk: dict[str, Any], changes: dict[str, Any], shape: str) -> None:
    """A key is imported bare, from ``_embedded``, or from the hook key that POST and PUT return."""
    document = _changed(jwk, changes)
    wrapped = {
        "bare": document,
        "embedded": {"_embedded": document},
        "hook key": {
            "id": "HKY1",
            "keyId": jwk["kid"],
            "name": "n",
            "isUsed": False,
            "_embedded": document,
        },
    }[shape]
    assert _import(wrapped, jwk["kid"]).thumbprint == _import(jwk).thumbprint


REFUSALS: dict[str, tuple[dict[str, Any], str]] = {
    "another kid": ({"kid": "other"}, "kid is not the requested"),
    "no kid": ({"kid": ...}, "kid must be"),
    "kid is a number": ({"kid": 5}, "kid must be"),
    "kid with a line break": ({"kid": "a\n"}, "kid must be"),
    "kty EC": ({"kty": "EC"}, "kty must be RSA"),
    "kty oct": ({"kty": "oct"}, "kty must be RSA"),
    "kty absent": ({"kty": ...}, "kty must be RSA"),
    "kty is a list": ({"kty": ["RSA"]}, "kty must be RSA"),
    "use enc": ({"use": "enc"}, "use must be"),
    "use is a list": ({"use": ["sig"]}, "use must be"),
    "use is empty": ({"use": ""}, "use must be"),
    "alg HS256": ({"alg": "HS256"}, "alg must be"),
    "alg PS256": ({"alg": "PS256"}, "alg must be"),
    "alg none": ({"alg": "none"}, "alg must be"),
    "alg is a list": ({"alg": ["RS256"]}, "alg must be"),
    "key_ops without verify": ({"key_ops": ["sign"]}, "key_ops"),
    "key_ops is a string": ({"key_ops": "verify"}, "key_ops"),
    "key_ops has a duplicate": ({"key_ops": ["verify", "verify"]}, "duplicates"),
    "key_ops has another duplicate": ({"key_ops": ["verify", "sign", "sign"]}, "duplicates"),
    "key_ops has a number": ({"key_ops": ["verify", 1]}, "list of strings"),
    "key_ops has a list": ({"key_ops": ["verify", []]}, "list of strings"),
    "key_ops is empty": ({"key_ops": []}, "contain verify"),
    "n of a weak generator": ({"n": ROCA_MODULUS}, "ROCA"),
    "n with the back-tick of the published example": ({"n": "BACKTICK"}, "n has a character"),
    "n padded": ({"n": "PADDED"}, "n has a character"),
    "n not canonical": ({"n": "NONCANONICAL"}, "n is not canonical"),
    "n with a leading zero byte": ({"n": "LEADING"}, "n must not begin with a zero byte"),
    "n empty": ({"n": ""}, "n must be"),
    "n absent": ({"n": ...}, "n must be"),
    "n is a number": ({"n": 5}, "n must be"),
    "n is not ASCII": ({"n": "é"}, "n has a character"),
    "n has lone surrogates": ({"n": "\ud800"}, "n has a character"),
    "n even": ({"n": "EVEN"}, "n is even"),
    "n of 1024 bits": ({"n": _b64((1 << 1023) | 1)}, "n has 1024 bits"),
    "n of 2047 bits": ({"n": _b64((1 << 2046) | 1)}, "n has 2047 bits"),
    "n of 8193 bits": ({"n": _b64((1 << 8192) | 1)}, "n has 8193 bits"),
    "e is 1": ({"e": _b64(1)}, "e must be"),
    "e is 3": ({"e": _b64(3)}, "e must be"),
    "e is 65535": ({"e": _b64(65535)}, "e must be"),
    "e is even": ({"e": _b64(65538)}, "e must be"),
    "e is huge": ({"e": _b64((1 << 32) + 1)}, "e must be"),
    "e absent": ({"e": ...}, "e must be"),
    **{
        f"private member {m}": ({m: "AQAB"}, f"{m} belongs to a private")
        for m in ("d", "p", "q", "dp", "dq", "qi", "oth", "k")
    },
}


@pytest.mark.parametrize(("changes", "problem"), REFUSALS.values(), ids=REFUSALS.keys())
def test_refusals(jwk: dict[str, Any], changes: dict[str, Any], problem: str) -> None:
    """Each refusal names the wrong member, and its text does not contain the modulus."""
    n = jwk["n"]
    stand_ins = {
        "BACKTICK": n + "`",
        "PADDED": n + "==",
        "NONCANONICAL": n[:-1] + chr(ord(n[-1]) + 1),  # 256 bytes end in A, Q, g or w
        "LEADING": _b64(_number(n), 257),
        "EVEN": _b64(_number(n) - 1),
    }
    value = changes.get("n")
    if isinstance(value, str) and value in stand_ins:
        changes = {"n": stand_ins[value]}
    with pytest.raises(KeyRejectedError, match=problem) as caught:
        _import(_changed(jwk, changes), jwk["kid"])
    assert n[:20] not in str(caught.value)


@pytest.mark.parametrize("bits", [2048, 8192])
def test_modulus_sizes_at_the_limits(bits: int) -> None:
    """An RSA modulus may have 2048 to 8192 bits, both included."""
    modulus = (1 << (bits - 1)) | 1
    document = {"kty": "RSA", "kid": "k", "n": _b64(modulus), "e": "AQAB"}
    assert _import(document).as_jwk()["n"] == _b64(modulus)


@pytest.mark.parametrize(
    "document",
    [None, [], "x", 5, b"{}", {}, {"_embedded": None}, {"_embedded": []}, {"_embedded": {}}],
    ids=repr,
)
def test_not_a_key_document(document: object) -> None:
    """A value that is not a key document is refused by our error."""
    with pytest.raises(KeyRejectedError):
        _import(document, "kid")


def test_ambiguous_documents(jwk: dict[str, Any]) -> None:
    """A document with two keys, or with a keyId other than the kid of its key, is refused."""
    with pytest.raises(KeyRejectedError, match="outside and inside _embedded"):
        _import({**jwk, "_embedded": jwk})
    with pytest.raises(KeyRejectedError, match="keyId"):
        _import({"keyId": "other", "_embedded": jwk})


def test_thumbprint_of_the_example_of_rfc_7638() -> None:
    """The thumbprint equals that of the example in RFC 7638 section 3.1."""
    document = {
        "kty": "RSA",
        "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1"
        "L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4"
        "QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbO"
        "pbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csF"
        "Cur-kEgU8awapJzKnqDKgw",
        "e": "AQAB",
        "alg": "RS256",
        "kid": "2011-04-29",
    }
    assert _import(document).thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def _pyjwt(jwk: dict[str, str]) -> Any:
    return jwt.PyJWK(jwk).key.public_numbers().n


def _joserfc(jwk: dict[str, str]) -> Any:
    key = joserfc_jwk.import_key(dict(jwk))
    key.check_use("sig")
    key.check_alg("RS256")
    return _number(str(key.as_dict()["n"]))


def _authlib(jwk: dict[str, str]) -> Any:
    with warnings.catch_warnings(record=True):  # authlib.jose warns that it is deprecated
        from authlib.jose import JsonWebKey  # noqa: PLC0415

    return JsonWebKey.import_key(jwk).get_public_key().public_numbers().n


def _jwcrypto(jwk: dict[str, str]) -> Any:
    key = jwcrypto_jwk.JWK(**jwk)
    return key.get_op_key("verify").public_numbers().n


@pytest.mark.parametrize("read", [_pyjwt, _joserfc, _authlib, _jwcrypto])
def test_other_libraries_import_as_jwk(jwk: dict[str, Any], read: Any) -> None:
    """Each of these libraries imports the result of ``as_jwk()`` as a key for signatures."""
    assert read(_import(jwk).as_jwk()) == _number(jwk["n"])


def test_pyjwt_refuses_the_document_as_okta_sends_it(jwk: dict[str, Any]) -> None:
    """PyJWT refuses the document as Okta sends it, which is the reason for ``as_jwk()``.

    If this test fails, PyJWT accepts the document now, and the README can say so.
    """
    with pytest.raises(jwt.PyJWKError):
        jwt.PyJWK(jwk)


def test_as_jwk_is_a_copy(jwk: dict[str, Any]) -> None:
    """A caller that changes the result of ``as_jwk()`` does not change the key."""
    key = _import(jwk)
    key.as_jwk()["n"] = "AQAB"
    assert key.as_jwk() == {
        "kty": "RSA",
        "n": jwk["n"],
        "e": "AQAB",
        "kid": jwk["kid"],
        "use": "sig",
        "alg": "RS256",
    }


def test_identity(jwk: dict[str, Any], stranger: HookSigner) -> None:
    """A key is equal by kid and material, hashable, picklable, immutable, and has a short repr."""
    key = _import(jwk)
    assert key == _import({"_embedded": jwk})
    assert len({key, _import(jwk)}) == 1
    assert key != _import(stranger.public_jwk())
    assert key != _import({**jwk, "kid": "other"})
    assert key != "key"
    assert pickle.loads(pickle.dumps(key)) == key
    with pytest.raises(AttributeError):
        key.kid = "x"
    with pytest.raises(AttributeError):
        del key.kid
    assert jwk["kid"] in repr(key)
    assert jwk["n"][:20] not in repr(key)


def test_verify(signer: HookSigner, jwk: dict[str, Any]) -> None:
    """``verify`` returns True for this key's signature over these bytes, otherwise False."""
    signing_input, _, signature = signer.sign({}).rpartition(".")
    signature_bytes = urlsafe_b64decode(signature + "==")
    key = _import(jwk)
    assert key.verify(signature_bytes, signing_input.encode())
    assert not key.verify(signature_bytes, signing_input.encode() + b"x")
    longer = signature_bytes + b"\0", b"\0" + signature_bytes
    for wrong in (b"", signature_bytes[:-1], *longer, bytes(256), b"\xff" * 256):
        assert not key.verify(wrong, signing_input.encode())


@pytest.fixture(scope="module")
def p256() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


def _ec_document(key: ec.EllipticCurvePrivateKey) -> dict[str, Any]:
    point = key.public_key().public_numbers()
    return {"kty": "EC", "crv": "P-256", "kid": "e", "x": _b64(point.x, 32), "y": _b64(point.y, 32)}


DIGEST = hashlib.sha256(b"signed").digest()
INFO = bytes.fromhex("3031300d060960864801650304020105000420")
EM = b"\x00\x01" + b"\xff" * 202 + b"\x00" + INFO + DIGEST
"""The EMSA-PKCS1-v1_5 encoding of b"signed" for 2048 bits (RFC 8017 section 9.2)."""


def _raw(encoded: bytes, signer: HookSigner) -> bytes:
    """Sign the encoded bytes without changing them, so that a test can sign a wrong encoding."""
    numbers = signer._key.private_numbers()
    number: int = pow(int.from_bytes(encoded, "big"), numbers.d, numbers.public_numbers.n)
    return number.to_bytes(256, "big")


@pytest.mark.parametrize(
    ("encoded", "good"),
    [
        (EM, True),
        (EM[:-1] + bytes([EM[-1] ^ 1]), False),
        (b"\x00\x02" + EM[2:], False),  # the padding for encryption
        (b"\x00\x00" + EM[2:], False),
        (b"\x00\x01" + b"\xff" * 201 + b"\xfe\x00" + INFO + DIGEST, False),
        # Bleichenbacher 2006: less padding, and extra bytes after the digest.
        (b"\x00\x01" + b"\xff" * 8 + b"\x00" + INFO + DIGEST + b"\xaa" * 194, False),
        (b"\x00\x01" + b"\xff" * 201 + b"\x00" + INFO + DIGEST + b"\x00", False),
        (b"\x00\x01" + b"\xff" * 201 + b"\x00\x00" + INFO + DIGEST, False),
        # BER: absent parameters, a length in long form, extra bytes in the parameters.
        (b"\x00\x01" + b"\xff" * 204 + b"\x00" + bytes.fromhex("302f300b0609608648016503040201"
         "0420") + DIGEST, False),
        (b"\x00\x01" + b"\xff" * 201 + b"\x00" + b"\x30\x81" + INFO[1:] + DIGEST, False),
        (b"\x00\x01" + b"\xff" * 200 + b"\x00" + bytes.fromhex("3033300f060960864801650304020105"
         "02aaaa0420") + DIGEST, False),
        # A digest under the identifier of another algorithm, and a digest without an identifier.
        (EM.replace(INFO, INFO.replace(b"\x02\x01\x05", b"\x02\x06\x05")), False),
        (b"\x00\x01" + b"\xff" * 221 + b"\x00" + DIGEST, False),
        (b"\x00\x01" + b"\xff" * 253 + b"\x00", False),
        (bytes(256), False),
        (bytes(255) + b"\x01", False),
    ],
)  # fmt: skip
def test_encodings_of_a_signature(
    signer: HookSigner, jwk: dict[str, Any], encoded: bytes, good: bool
) -> None:
    """Only the correct encoding is accepted, and OpenSSL gives the same verdict each time."""
    assert len(encoded) == 256
    signature = _raw(encoded, signer)
    key = PublicKey.from_document(jwk, expected_kid=None)
    assert key.verify(signature, b"signed") is good
    verified = True
    try:
        signer._key.public_key().verify(signature, b"signed", padding.PKCS1v15(), hashes.SHA256())
    except InvalidSignature:
        verified = False
    assert verified is good


def test_a_signature_is_as_long_as_the_modulus(signer: HookSigner, jwk: dict[str, Any]) -> None:
    """A signature has no missing or extra zero byte and is below n (RFC 8017 section 8.2.2)."""
    key = PublicKey.from_document(jwk, expected_kid=None)
    texts = (b"%d" % number for number in range(10_000))
    key_pair, scheme = signer._key, padding.PKCS1v15()
    pairs = ((text, key_pair.sign(text, scheme, hashes.SHA256())) for text in texts)
    text, signature = next(pair for pair in pairs if pair[1][0] == 0)
    assert key.verify(signature, text)
    for other in (signature[1:], b"\x00" + signature, signature + b"\x00", signature[:-1], b""):
        assert not key.verify(other, text)
    above = int.from_bytes(signature, "big") + signer._key.private_numbers().public_numbers.n
    assert not key.verify(above.to_bytes(257, "big")[-256:], text)


def test_es256(p256: ec.EllipticCurvePrivateKey) -> None:
    """A P-256 key verifies R and S of 32 bytes each (RFC 7518 section 3.4), not DER."""
    key = PublicKey.from_document(_ec_document(p256), expected_kid="e", algorithms=ALGORITHMS)
    der = p256.sign(b"signed", ec.ECDSA(hashes.SHA256()))
    r, s = decode_dss_signature(der)
    raw = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    assert key.algorithm == "ES256"
    assert key.verify(raw, b"signed")
    assert not key.verify(raw, b"other")
    assert not key.verify(der, b"signed")
    assert not key.verify(bytes(64), b"signed")  # CVE-2022-21449: r = s = 0
    assert jwt.PyJWK(key.as_jwk()).algorithm_name == "ES256"


P25519 = 2**255 - 19
ORDER_8 = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7


@pytest.mark.parametrize("sign", [0, 1])
@pytest.mark.parametrize(
    ("y", "problem"),
    [
        (0, "small order"),
        (1, "small order"),
        (P25519 - 1, "small order"),
        (ORDER_8, "small order"),
        (P25519 - ORDER_8, "small order"),
        (P25519, "canonical"),
        (P25519 + 1, "canonical"),
        (2**255 - 1, "canonical"),
    ],
    ids=lambda value: hex(value) if isinstance(value, int) else "",
)
def test_ed25519_keys_of_small_order(y: int, problem: str, sign: int) -> None:
    """A key of small order is refused in every encoding, because its signatures can be forged."""
    encoded = (y | sign << 255).to_bytes(32, "little")
    x = urlsafe_b64encode(encoded).rstrip(b"=").decode()
    document = {"kty": "OKP", "crv": "Ed25519", "kid": "o", "x": x}
    with pytest.raises(KeyRejectedError, match=problem):
        PublicKey.from_document(document, expected_kid="o", algorithms=ALGORITHMS)


def test_a_key_of_small_order_accepts_unsigned_data() -> None:
    """With the neutral element as key, R = neutral and S = 0 are valid for every message.

    This is the reason why keys of small order are refused.
    """
    neutral = (1).to_bytes(32, "little")
    key = ed25519.Ed25519PublicKey.from_public_bytes(neutral)
    key.verify(neutral + bytes(32), b"any message")


def test_eddsa() -> None:
    """An Ed25519 key verifies EdDSA (RFC 8037)."""
    private = ed25519.Ed25519PrivateKey.generate()
    x = urlsafe_b64encode(private.public_key().public_bytes_raw()).rstrip(b"=").decode()
    document = {"kty": "OKP", "crv": "Ed25519", "kid": "o", "x": x, "alg": "EdDSA"}
    key = PublicKey.from_document(document, expected_kid="o", algorithms=ALGORITHMS)
    assert key.verify(private.sign(b"signed"), b"signed")
    assert not key.verify(private.sign(b"other"), b"signed")
    assert jwt.PyJWK(key.as_jwk()).algorithm_name == "EdDSA"


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"crv": "P-384"}, "crv must be P-256"),
        ({"x": "AAAA"}, "32 bytes"),
        ({"x": _b64(1, 32)}, "not a point"),
        ({"y": ...}, "y must be"),
        ({"alg": "RS256"}, "alg must be"),
        ({"alg": "RSA"}, "alg must be"),
        ({"d": "AAAA"}, "private"),
        ({"kty": "OKP"}, "crv must be Ed25519"),
        ({"kty": "OKP", "crv": "Ed25519", "x": "AAAA"}, "32 bytes"),
    ],
)
def test_other_kinds_refused(
    p256: ec.EllipticCurvePrivateKey, changes: dict[str, Any], problem: str
) -> None:
    """A document with a wrong curve, coordinate or alg, or with a private member, is refused."""
    with pytest.raises(KeyRejectedError, match=problem):
        PublicKey.from_document(
            _changed(_ec_document(p256), changes), expected_kid="e", algorithms=ALGORITHMS
        )


def test_hook_keys_are_rsa_only(p256: ec.EllipticCurvePrivateKey) -> None:
    """By default, only RSA keys are imported."""
    with pytest.raises(KeyRejectedError, match="kty must be RSA"):
        _import(_ec_document(p256))


def _pem(key: Any) -> bytes:
    kinds = serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    return bytes(key.public_key().public_bytes(*kinds))


def test_from_pem(p256: ec.EllipticCurvePrivateKey) -> None:
    """A PEM of an RSA, P-256 or Ed25519 key is imported, as bytes or as text."""
    private = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    assert PublicKey.from_pem("k", _pem(private)).algorithm == "RS256"
    assert PublicKey.from_pem("k", _pem(p256).decode()).algorithm == "ES256"
    assert PublicKey.from_pem("k", _pem(ed25519.Ed25519PrivateKey.generate())).algorithm == "EdDSA"


def _private_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    kinds = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    return key.private_bytes(*kinds, serialization.NoEncryption())


@pytest.mark.parametrize(
    ("pem", "problem"),
    [
        (b"", "is not an RSA, P-256 or Ed25519"),
        ("é\ud800", "is not an RSA"),
        (b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "is not an RSA"),
        (_pem(ec.generate_private_key(ec.SECP384R1())), "is not an RSA"),
        (_private_pem(ec.generate_private_key(ec.SECP256R1())), "private key"),
        (5, "str or bytes"),
        (_pem(rsa.generate_private_key(public_exponent=65537, key_size=1024)), "n has 1024 bits"),
    ],
    ids=["empty", "not ASCII", "rubbish", "P-384", "private", "number", "1024 bits"],
)
def test_pem_refused(pem: Any, problem: str) -> None:
    """A PEM that is not a supported public key is refused by our error."""
    with pytest.raises(KeyRejectedError, match=problem):
        PublicKey.from_pem("k", pem)


@pytest.mark.parametrize(
    ("value", "verdict"),
    [("a", True), ("a" * 255, True), ("a b~", True), ("", False), ("a" * 256, False)]
    + [(bad, False) for bad in ("é", "a\n", "\x7f", "\x00", 5, None, ["a"], b"a")],
    ids=repr,
)
def test_is_kid(value: object, verdict: bool) -> None:
    """A kid is a string of 1 to 255 printable ASCII characters."""
    assert is_kid(value) is verdict


def test_documents_are_json(jwk: dict[str, Any]) -> None:
    """The result of ``as_jwk()`` can be written as JSON."""
    assert json.loads(json.dumps(_import(jwk).as_jwk()))["kid"] == jwk["kid"]
