"""Strict parsing of compact tokens."""

from __future__ import annotations

import json
from binascii import a2b_base64
from typing import Any

import pytest

from hookkey_verify import HookSigner
from hookkey_verify._jose.encoding import JsonLimits
from hookkey_verify._jose.jws import (
    MAX_HEADER,
    MAX_REMEMBERED,
    HeaderRules,
    media_type,
    read_claims,
    split,
    unverified_issuer,
)
from hookkey_verify.errors import (
    AlgorithmError,
    HookVerificationError,
    MalformedTokenError,
    TokenTooLargeError,
    TokenTypeError,
    UnsupportedHeaderError,
)

HEADER = {"alg": "RS256", "kid": "k", "typ": "JWT"}


def _rules() -> HeaderRules:
    return HeaderRules(frozenset({"RS256"}), frozenset({"jwt", "at+jwt"}), type_required=False)


def _token(signer: HookSigner, header: object = None, payload: object = None) -> str:
    texts = (json.dumps(HEADER if header is None else header), json.dumps(payload or {"a": 1}))
    return signer.sign_bytes(texts[0].encode(), texts[1].encode())


def _parse(token: object, max_bytes: int = 16_384, rules: HeaderRules | None = None) -> Any:
    parts = split(token, max_bytes)
    rules = _rules() if rules is None else rules
    return rules.verified.get(parts[1]) or rules.read(parts[1]), parts


def _claims(token: object) -> dict[str, Any]:
    return read_claims(_parse(token)[1][2], JsonLimits())


def test_parts(signer: HookSigner) -> None:
    """``split`` returns the token, its header, payload and signing input, and its signature."""
    token = _token(signer)
    header, signed = _parse(token)
    token_bytes, encoded_header, payload, signing_input, signature = signed
    assert (header, read_claims(payload, JsonLimits())) == (HEADER, {"a": 1})
    assert token_bytes == token.encode()
    assert encoded_header == token_bytes.partition(b".")[0]
    assert signing_input == token_bytes.rpartition(b".")[0]
    assert len(a2b_base64(signature)) == 256
    assert _parse(token_bytes) == (header, signed)


class FakeStr:
    """An object that reports str as its class."""

    @property  # type: ignore[misc]
    def __class__(self) -> Any:
        return str

    def __len__(self) -> int:
        return 5


class StrSubclass(str):
    """A subclass of str with overridden methods."""

    def encode(self, *_: Any) -> Any:
        raise KeyError("secret")

    def __len__(self) -> int:
        raise KeyError("secret")


class BytesSubclass(bytes):
    """A subclass of bytes with overridden methods."""

    def rpartition(self, *_: Any) -> Any:
        raise KeyError("secret")

    def __len__(self) -> int:
        raise KeyError("secret")


@pytest.mark.parametrize(
    "token",
    [FakeStr(), StrSubclass("a.b.c"), BytesSubclass(b"a.b.c")],
    ids=["liar", "str", "bytes"],
)
def test_only_exact_types_are_tokens(token: object) -> None:
    """A subclass of str or bytes, or a fake str, is refused without running its code."""
    with pytest.raises(MalformedTokenError, match="str or bytes"):
        split(token, 16_384)


def test_size_is_judged_first(signer: HookSigner) -> None:
    """A token at the size limit is read; one that is a byte longer is refused unread."""
    token = _token(signer)
    assert _parse(token, len(token))
    for too_long in (token, token.encode(), "é" * len(token), b"\xff" * len(token)):
        with pytest.raises(TokenTooLargeError, match="max_token_bytes"):
            _parse(too_long, len(token) - 1)


def _type(value: object) -> str:
    return type(value).__name__


@pytest.mark.parametrize(
    "token", [None, 5, 1.5, True, [], {}, object(), bytearray(b"a.b.c")], ids=_type
)
def test_other_types(token: object) -> None:
    """A token that is neither str nor bytes is refused."""
    with pytest.raises(MalformedTokenError, match="str or bytes"):
        _parse(token)


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "...", "a..", ".a.", "..a", "a.b", "a.b.c.d", "a.b.c.d.e", "a.b.c\n", " a.b.c"]
    + ["a.b.c=", "a.b.+", "a.b./", "é.b.c", "\ud800.b.c", "a\0.b.c", '{"a":1}.b.c', "a,b.c.d"],
    ids=repr,
)
def test_not_three_segments(text: str) -> None:
    """A token that is not exactly three non-empty segments of base64url is refused."""
    for token in (text, text.encode("utf-8", "surrogatepass")):
        with pytest.raises(MalformedTokenError):
            _parse(token)


@pytest.mark.parametrize("segment", [0, 1, 2])
def test_spare_bits(signer: HookSigner, segment: int) -> None:
    """A segment that is not canonical base64url is refused.

    Otherwise, a second spelling of a used token would bypass the replay check.
    """
    parts = _token(signer, payload={"ab": 1}).split(".")
    for filler in ("B", "AB", "AAB", "AAAAB", "A"):
        parts[segment] = filler
        with pytest.raises(MalformedTokenError):
            _parse(".".join(parts))


BAD_HEADERS: dict[str, tuple[dict[str, Any], type[HookVerificationError]]] = {
    "alg absent": ({"alg": ...}, AlgorithmError),
    "alg none": ({"alg": "none"}, AlgorithmError),
    "alg None": ({"alg": "None"}, AlgorithmError),
    "alg HS256": ({"alg": "HS256"}, AlgorithmError),
    "alg in lower case": ({"alg": "rs256"}, AlgorithmError),
    "alg with a space": ({"alg": " RS256"}, AlgorithmError),
    "alg null": ({"alg": None}, AlgorithmError),
    "alg is a list": ({"alg": ["RS256"]}, AlgorithmError),
    "alg is an object": ({"alg": {}}, AlgorithmError),
    "alg is true": ({"alg": True}, AlgorithmError),
    **{
        f"{name} is {value!r}": ({name: value}, UnsupportedHeaderError)
        for name in ("crit", "b64", "enc", "zip")
        for value in (None, False, [], "", ["exp"], True)
    },
    "typ of DPoP": ({"typ": "dpop+jwt"}, TokenTypeError),
    "typ empty": ({"typ": ""}, TokenTypeError),
    "typ null": ({"typ": None}, TokenTypeError),
    "typ is a list": ({"typ": ["JWT"]}, TokenTypeError),
    "typ of another tree": ({"typ": "text/JWT"}, TokenTypeError),
    "kid empty": ({"kid": ""}, MalformedTokenError),
    "kid null": ({"kid": None}, MalformedTokenError),
    "kid is a number": ({"kid": 1}, MalformedTokenError),
    "kid is a list": ({"kid": ["k"]}, MalformedTokenError),
    "kid too long": ({"kid": "k" * 256}, MalformedTokenError),
    "kid with a line break": ({"kid": "k\n"}, MalformedTokenError),
    "kid not ASCII": ({"kid": "ké"}, MalformedTokenError),
}


@pytest.mark.parametrize(("changes", "error"), BAD_HEADERS.values(), ids=BAD_HEADERS.keys())
def test_bad_headers(
    signer: HookSigner, changes: dict[str, Any], error: type[HookVerificationError]
) -> None:
    """A header with a wrong or unsupported member is refused without looking up a key."""
    header = {n: v for n, v in {**HEADER, **changes}.items() if v is not ...}
    with pytest.raises(error) as caught:
        _parse(_token(signer, header))
    assert type(caught.value) is error


def test_the_header_is_bounded(signer: HookSigner) -> None:
    """A header of 2048 encoded bytes is read; one that is longer, or has 17 members, is refused."""
    size = MAX_HEADER * 3 // 4 - len(json.dumps({**HEADER, "x": ""}))
    assert _parse(_token(signer, {**HEADER, "x": "y" * size}))
    with pytest.raises(MalformedTokenError, match="longer than 2048 bytes"):
        _parse(_token(signer, {**HEADER, "x": "y" * (size + 1)}))
    with pytest.raises(MalformedTokenError, match="the header has more than 16 members"):
        _parse(_token(signer, {**HEADER, **{f"x{n}": n for n in range(14)}}))


@pytest.mark.parametrize(
    ("typ", "compared"),
    [
        ("JWT", "jwt"),
        ("application/JWT", "jwt"),
        ("at+jwt", "at+jwt"),
        ("APPLICATION/AT+JWT", "at+jwt"),
        ("text/plain", "text/plain"),
        ("application/text/plain", "application/text/plain"),
        ("application/application/jwt", "application/application/jwt"),
    ],
)
def test_media_types(typ: str, compared: str) -> None:
    """``application/`` may be left out of a type with no other slash (RFC 7515 section 4.1.9)."""
    assert media_type(typ) == compared


def test_a_required_type(signer: HookSigner) -> None:
    """Where typ is required, its absence is refused (RFC 9068 section 4)."""
    rules = HeaderRules(frozenset({"RS256"}), frozenset({"at+jwt"}), type_required=True)
    token = _token(signer, {"alg": "RS256", "kid": "k"})
    with pytest.raises(TokenTypeError, match=r"typ must be at\+jwt"):
        _parse(token, 9999, rules)
    typed = _token(signer, {"alg": "RS256", "kid": "k", "typ": "application/at+jwt"})
    assert _parse(typed, 9999, rules)


@pytest.mark.parametrize(
    ("token", "issuer"),
    [
        ("x.eyJpc3MiOiJtZSJ9.AA", "me"),
        (b"x.eyJpc3MiOiJtZSJ9.AA", "me"),
        ("x.e30.AA", None),
        ("x.eyJpc3MiOjV9.AA", None),
    ],
)
def test_an_unverified_issuer(token: str | bytes, issuer: str | None) -> None:
    """The unverified issuer is read from any token with JSON in its second segment."""
    assert unverified_issuer(split(token, 99)[2], JsonLimits()) == issuer


def test_no_issuer() -> None:
    """A payload that is not JSON is malformed."""
    with pytest.raises(MalformedTokenError, match="the payload"):
        unverified_issuer(split("a.AAAA.AA", 99)[2], JsonLimits())


GOOD_HEADERS: dict[str, dict[str, Any]] = {
    "typ absent": {"typ": ...},
    "typ in lower case": {"typ": "jwt"},
    "typ of access tokens": {"typ": "at+jwt"},
    "typ as a full media type": {"typ": "application/at+JWT"},
    "kid absent": {"kid": ...},
    "kid of 255": {"kid": "k" * 255},
    "key material, which is never read": {"jku": "https://evil", "jwk": {}, "x5u": 1, "x5c": [1]},
}


@pytest.mark.parametrize("changes", GOOD_HEADERS.values(), ids=GOOD_HEADERS.keys())
def test_good_headers(signer: HookSigner, changes: dict[str, Any]) -> None:
    """A header is accepted with any variation that the specifications allow."""
    header = {n: v for n, v in {**HEADER, **changes}.items() if v is not ...}
    assert _parse(_token(signer, header))[0] == header


@pytest.mark.parametrize("part", [0, 1], ids=["header", "payload"])
@pytest.mark.parametrize(
    "data",
    [b"[]", b"1", b"null", b"", b"{", b'{"a":1,"a":2}', b"\xff", b'{"a":NaN}', b'{"a":"\\ud800"}'],
    ids=repr,
)
def test_header_and_payload_are_strict_json(signer: HookSigner, part: int, data: bytes) -> None:
    """A header or payload that is not strict JSON is refused, and the error says which it is."""
    good = json.dumps(HEADER).encode(), b'{"a":1}'
    token = signer.sign_bytes(*(data if i == part else good[i] for i in (0, 1)))
    with pytest.raises(MalformedTokenError) as caught:
        _claims(token)
    assert ("header", "payload")[part] in str(caught.value) or not data


@pytest.mark.parametrize("token", ["a", "a.b", "e30.e30.AA.AA", "....", "e30..e30.AA"])
def test_other_numbers_of_segments(token: str) -> None:
    """A token with another number of segments is refused, and the error gives the right number."""
    with pytest.raises(MalformedTokenError, match="three segments"):
        _parse(token)


def test_only_verified_headers_are_remembered(signer: HookSigner) -> None:
    """Only ``remember`` stores a header, and the number of stored headers is bounded."""
    rules = _rules()
    token = _token(signer)
    (first, signed), (second, _) = (_parse(token, 9999, rules) for _ in range(2))
    assert first is not second
    rules.remember(signed[1], first)
    assert _parse(token, 9999, rules)[0] is first
    for i in range(MAX_REMEMBERED + 5):
        rules.remember(b"%d" % i, first)
        assert len(rules.verified) <= MAX_REMEMBERED
    assert _parse(token, 9999, rules)[0] == HEADER


def test_headers_with_mutable_values_are_not_remembered(signer: HookSigner) -> None:
    """A header with a mutable value is not stored, because tokens share the stored header."""
    rules = _rules()
    token = _token(signer, {**HEADER, "x5c": ["a"]})
    header, signed = _parse(token, 9999, rules)
    rules.remember(signed[1], header)
    assert _parse(token, 9999, rules)[0] is not _parse(token, 9999, rules)[0]


def test_errors_hold_nothing_of_the_token(signer: HookSigner) -> None:
    """Neither the text nor the context of an error contains any part of the token.

    JSONDecodeError.doc and UnicodeDecodeError.object would contain it.
    """
    secret = "s3cr3t-in-the-token"
    for payload in (b'{"a":"%s"' % secret.encode(), b'{"a":"\xff%s"}' % secret.encode()):
        with pytest.raises(MalformedTokenError) as caught:
            _claims(signer.sign_bytes(json.dumps(HEADER).encode(), payload))
        chain: list[BaseException | None] = [caught.value]
        while chain[-1] is not None:
            assert secret not in repr(chain[-1]) + repr(vars(chain[-1]))
            chain.append(chain[-1].__context__)
