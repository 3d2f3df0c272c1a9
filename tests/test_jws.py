"""Compact tokens, taken apart strictly."""

from __future__ import annotations

import json
from typing import Any

import pytest

from hookkey_verify import HookSigner
from hookkey_verify.errors import (
    AlgorithmError,
    HookVerificationError,
    MalformedTokenError,
    TokenTooLargeError,
    TokenTypeError,
    UnsupportedHeaderError,
)
from hookkey_verify.jws import MAX_LEARNED, HeaderRules, parse

HEADER = {"alg": "RS256", "kid": "k", "typ": "JWT"}


def _rules() -> HeaderRules:
    return HeaderRules(frozenset({"RS256"}), frozenset({"jwt", "at+jwt"}))


def _token(signer: HookSigner, header: object = None, payload: object = None) -> str:
    texts = (json.dumps(HEADER if header is None else header), json.dumps(payload or {"a": 1}))
    return signer.sign_octets(texts[0].encode(), texts[1].encode())


def _parse(token: object, max_bytes: int = 16_384) -> Any:
    return parse(token, max_bytes, _rules())


def test_parts(signer: HookSigner) -> None:
    """Header, claims, the octets that were signed and the signature."""
    token = _token(signer)
    header, claims, signed = _parse(token)
    assert (header, claims) == (HEADER, {"a": 1})
    octets, encoded_header, signing_input, signature = signed
    assert octets == token.encode()
    assert encoded_header == octets.partition(b".")[0]
    assert signing_input == octets.rpartition(b".")[0]
    assert len(signature) == 256
    assert _parse(octets) == (header, claims, signed)


def test_size_is_judged_first(signer: HookSigner) -> None:
    """At the limit it is read, one octet over it is refused unread, whatever it holds."""
    token = _token(signer)
    assert _parse(token, len(token))
    for too_long in (token, token.encode(), "é" * len(token), b"\xff" * len(token)):
        with pytest.raises(TokenTooLargeError, match="max_token_bytes"):
            _parse(too_long, len(token) - 1)


@pytest.mark.parametrize(
    "token", [None, 5, 1.5, True, [], {}, object(), bytearray(b"a.b.c")], ids=repr
)
def test_other_types(token: object) -> None:
    """Only str and bytes are tokens."""
    with pytest.raises(MalformedTokenError, match="str or bytes"):
        _parse(token)


@pytest.mark.parametrize(
    "text",
    ["", ".", "..", "...", "a..", ".a.", "..a", "a.b", "a.b.c.d", "a.b.c.d.e", "a.b.c\n", " a.b.c"]
    + ["a.b.c=", "a.b.+", "a.b./", "é.b.c", "\ud800.b.c", "a\0.b.c", '{"a":1}.b.c', "a,b.c.d"],
    ids=repr,
)
def test_not_three_segments(text: str) -> None:
    """Exactly three non-empty segments of base64url, and nothing around them."""
    for token in (text, text.encode("utf-8", "surrogatepass")):
        with pytest.raises(MalformedTokenError):
            _parse(token)


@pytest.mark.parametrize("segment", [0, 1, 2])
def test_spare_bits(signer: HookSigner, segment: int) -> None:
    """A second text for the same octets would make a second token out of one (replay)."""
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
    """Refused by presence and by type, before any key is looked up."""
    header = {n: v for n, v in {**HEADER, **changes}.items() if v is not ...}
    with pytest.raises(error) as caught:
        _parse(_token(signer, header))
    assert type(caught.value) is error


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
    """What the specifications leave open is taken."""
    header = {n: v for n, v in {**HEADER, **changes}.items() if v is not ...}
    assert _parse(_token(signer, header))[0] == header


@pytest.mark.parametrize("part", [0, 1], ids=["header", "payload"])
@pytest.mark.parametrize(
    "octets",
    [b"[]", b"1", b"null", b"", b"{", b'{"a":1,"a":2}', b"\xff", b'{"a":NaN}', b'{"a":"\\ud800"}'],
    ids=repr,
)
def test_header_and_payload_are_strict_json(signer: HookSigner, part: int, octets: bytes) -> None:
    """One parser for both; the error says which."""
    good = json.dumps(HEADER).encode(), b'{"a":1}'
    token = signer.sign_octets(*(octets if i == part else good[i] for i in (0, 1)))
    with pytest.raises(MalformedTokenError) as caught:
        _parse(token)
    assert ("header", "payload")[part] in str(caught.value) or not octets


@pytest.mark.parametrize("token", ["a", "a.b", "e30.e30.AA.AA", "....", "e30..e30.AA"])
def test_other_numbers_of_segments(token: str) -> None:
    """The error says how many there must be, not what is wrong with one of them."""
    with pytest.raises(MalformedTokenError, match="three segments"):
        _parse(token)


def test_only_learned_headers_are_remembered(signer: HookSigner) -> None:
    """Parsing teaches nothing; what was learned is the same object again, and is bounded."""
    rules = _rules()
    token = _token(signer)
    (first, _, signed), (second, _, _) = (parse(token, 9999, rules) for _ in range(2))
    assert first is not second
    rules.learn(signed[1], first)
    assert parse(token, 9999, rules)[0] is first
    for i in range(MAX_LEARNED + 5):
        rules.learn(b"%d" % i, first)
        assert len(rules.learned) <= MAX_LEARNED
    assert parse(token, 9999, rules)[0] == HEADER


def test_headers_with_mutable_values_are_not_remembered(signer: HookSigner) -> None:
    """A remembered header is shared by tokens, so nothing in it may change."""
    rules = _rules()
    token = _token(signer, {**HEADER, "x5c": ["a"]})
    header, _, signed = parse(token, 9999, rules)
    rules.learn(signed[1], header)
    assert parse(token, 9999, rules)[0] is not parse(token, 9999, rules)[0]


def test_errors_hold_nothing_of_the_token(signer: HookSigner) -> None:
    """Neither text nor context: JSONDecodeError.doc and UnicodeDecodeError.object would."""
    secret = "s3cr3t-in-the-token"
    for octets in (b'{"a":"%s"' % secret.encode(), b'{"a":"\xff%s"}' % secret.encode()):
        with pytest.raises(MalformedTokenError) as caught:
            _parse(signer.sign_octets(json.dumps(HEADER).encode(), octets))
        chain: list[BaseException | None] = [caught.value]
        while chain[-1] is not None:
            assert secret not in repr(chain[-1]) + repr(vars(chain[-1]))
            chain.append(chain[-1].__context__)
