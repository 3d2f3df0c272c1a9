"""Each defence of a verifier and its surroundings is shown to be the one that stops an attack.

Every test runs an attack twice: against the code as it is, where it must fail, and with that one
defence removed, where it must succeed. A defence that does nothing fails its test.
"""

from __future__ import annotations

import asyncio
import json
import time
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import flask
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from hookkey_verify import (
    ApiToken,
    CachePolicy,
    ConfigurationError,
    HookKeys,
    HookSigner,
    HookVerifier,
    PublicKey,
    StaticKeys,
    asgi,
    guard,
)
from hookkey_verify import flask as for_flask
from hookkey_verify import verifier as verifier_module
from hookkey_verify._jose import claims, jwk, jws
from hookkey_verify._jose.encoding import json_object
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import (
    HookKeyError,
    HookVerificationError,
    KeyRejectedError,
    KeySourceConfigurationError,
    KeySourceThrottledError,
    KeyUnavailableError,
    UnknownKeyError,
)
from hookkey_verify.keys import hook_keys
from hookkey_verify.okta import http, sign_in
from hookkey_verify.replay import memory
from hookkey_verify.verifier import JsonLimits, VerifierByIssuer
from tests.conftest import CLIENT_ID, TOKEN_URL, KeyPool
from tests.faults import FaultServer, json_answer
from tests.jose.weak_keys import ROCA_MODULUS


def _claims(**changes: Any) -> dict[str, Any]:
    good = {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": TOKEN_URL, "exp": int(time.time()) + 300}
    return {**good, **changes}


def _attack(attempt: Callable[[], object]) -> bool:
    """Return whether the attack succeeded."""
    try:
        attempt()
    except HookVerificationError:
        return False
    return True


def _lenient_base64(text: bytes) -> bytes:
    return text.replace(b"-", b"+").replace(b"_", b"/") + b"=" * (-len(text) % 4)


def test_1_strict_base64url(
    signer: HookSigner, verifier: HookVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second spelling of a token, whose last character has non-zero spare bits, is refused."""
    token = signer.sign(_claims())
    twin = token[:-1] + chr(ord(token[-1]) + 1)
    assert not _attack(lambda: verifier.verify(twin))
    monkeypatch.setattr(jws, "checked_base64", _lenient_base64)
    assert _attack(lambda: verifier.verify(twin))


def test_1_size_before_anything(signer: HookSigner, keys: StaticKeys) -> None:
    """Only the size limit stops an oversized token that is otherwise valid."""
    token = signer.sign(_claims(pad="x" * 20_000))
    small = HookVerifier(keys, issuer=None, audience=None)
    large = HookVerifier(keys, issuer=None, audience=None, max_token_bytes=65_536)
    assert not _attack(lambda: small.verify(token))
    assert _attack(lambda: large.verify(token))


def test_2_strict_json(
    signer: HookSigner, verifier: HookVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A payload with two audiences is refused, because parsers disagree on which one counts."""
    payload = json.dumps(_claims()).encode()
    twice = b'{"aud":"https://other.example",' + payload[1:]
    header = json.dumps({"alg": "RS256", "kid": signer.kid}).encode()
    token = signer.sign_bytes(header, twice)
    assert not _attack(lambda: verifier.verify(token))
    monkeypatch.setattr(jws, "json_object", lambda data, limits: json.loads(data))
    assert _attack(lambda: verifier.verify(token))


def test_3_no_extension_is_overlooked(
    signer: HookSigner, verifier: HookVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token with crit is refused: crit lists extensions that a recipient must understand."""
    token = signer.sign(_claims(), headers={"crit": ["must-be-checked"], "must-be-checked": 1})
    assert not _attack(lambda: verifier.verify(token))
    monkeypatch.setattr(jws, "_REFUSED_MEMBERS", frozenset())
    assert _attack(lambda: verifier.verify(token))


def test_3_one_key_one_algorithm(
    signer: HookSigner, verifier: HookVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A header with a false alg is refused by the allow-list and, independently, by the key."""
    header = json.dumps({"alg": "RS512", "kid": signer.kid}).encode()
    token = signer.sign_bytes(header, json.dumps(_claims()).encode())
    assert not _attack(lambda: verifier.verify(token))
    monkeypatch.setattr(jws.HeaderRules, "_check", lambda self, header: None)
    assert not _attack(lambda: verifier.verify(token)), "the key's own algorithm still holds"
    object.__setattr__(verifier._keys.get(signer.kid), "algorithm", "RS512")
    try:
        assert _attack(lambda: verifier.verify(token))
    finally:
        object.__setattr__(verifier._keys.get(signer.kid), "algorithm", "RS256")


@pytest.mark.parametrize("kid", ["../../users/me", "..%2f..%2fusers%2fme", "a?limit=1", "a/../b"])
def test_4_kid_is_one_path_segment(
    okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch, kid: str
) -> None:
    """A kid cannot choose the URL that is called with our credentials: it is checked first."""
    with HookKeys(okta.url, ApiToken(okta.api_token)) as source:
        assert not _attack(lambda: source.get(kid))
        assert len(okta.requests) == 0
        monkeypatch.setattr(hook_keys, "is_id", lambda value: True)
        assert not _attack(lambda: source.get(kid))
        assert len(okta.requests) == 1, "something other than the kid check refused it"


def test_5_bounded_fetch(signer: HookSigner, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body over 16 KiB is not read to its end, even if it holds a good key."""
    document = {**signer.public_jwk(), "x": "y" * 20_000}
    with FaultServer(json_answer(200, document)) as server:
        for limit, through in ((http.MAX_BODY, False), (65_536, True)):
            monkeypatch.setattr(http, "MAX_BODY", limit)
            with HookKeys(server.url, ApiToken("t")) as source:
                assert _attack(lambda keys=source: keys.get(signer.kid)) is through  # type: ignore[misc]


@pytest.mark.parametrize(
    ("limit", "value", "changes"),
    [
        ("MIN_RSA_BITS", 1024, {"n": (1 << 1023) | 1}),
        ("MIN_RSA_EXPONENT", 3, {"e": 3}),
        ("MAX_RSA_BITS", 16_384, {"n": (1 << 9000) | 1}),
        ("_PRIVATE_MEMBERS", (), {"d": 5}),
    ],
)
def test_6_key_acceptance(
    signer: HookSigner,
    monkeypatch: pytest.MonkeyPatch,
    limit: str,
    value: Any,
    changes: dict[str, int],
) -> None:
    """Only our own limits refuse weak, huge and private keys."""
    encoded = {
        name: urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8, "big"))
        .rstrip(b"=")
        .decode()
        for name, number in changes.items()
    }
    document = {**signer.public_jwk(), **encoded}
    with pytest.raises(KeyRejectedError):
        PublicKey.from_document(document, expected_kid=signer.kid)
    monkeypatch.setattr(jwk, limit, value)
    assert PublicKey.from_document(document, expected_kid=signer.kid).kid == signer.kid


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (json_answer(404, {"errorCode": "E0000007"}), UnknownKeyError),
        (json_answer(404, {"message": "no route"}), KeySourceConfigurationError),
        (json_answer(503, {"errorCode": "E0000009"}), KeyUnavailableError),
        (json_answer(429, {"errorCode": "E0000047"}), KeySourceThrottledError),
        (json_answer(401, {"errorCode": "E0000011"}), KeySourceConfigurationError),
        (json_answer(200, {"kty": "RSA"}), KeyRejectedError),
    ],
)
def test_7_three_outcomes(answer: Any, error: type[HookKeyError]) -> None:
    """Only Okta's own 404 means "no such key"; an outage is never reported as a bad token."""
    with FaultServer(answer) as server, HookKeys(server.url, ApiToken("t")) as source:
        with pytest.raises(HookVerificationError) as caught:
            source.get("5f4b1d0e")
        assert type(caught.value) is error


def test_8_claims_by_type(
    signer: HookSigner, verifier: HookVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A string of digits is not accepted as a time."""
    token = signer.sign(_claims(exp=str(int(time.time()) + 300)))
    assert not _attack(lambda: verifier.verify(token))
    monkeypatch.setattr(claims, "_numeric_date", lambda values, name: float(values[name]))
    assert _attack(lambda: verifier.verify(token))


@pytest.mark.parametrize(("negative_for", "calls"), [(60, 1), (0, 20)])
def test_9_amplification(okta: OktaEmulator, negative_for: float, calls: int) -> None:
    """Twenty tokens with one unknown kid cost one call; without the negative cache, twenty."""
    policy = CachePolicy(negative_for=negative_for, first_seen_burst=20)
    with HookKeys(okta.url, ApiToken(okta.api_token), policy=policy) as source:
        for _ in range(20):
            with pytest.raises(UnknownKeyError):
                source.get("never-existed")
    assert len(okta.requests) == calls


def _encoded_message(message: bytes, size: int) -> bytes:
    """Return EMSA-PKCS1-v1_5 (RFC 8017 section 9.2) with SHA-256."""
    digest = hashes.Hash(hashes.SHA256())
    digest.update(message)
    info = bytes.fromhex("3031300d060960864801650304020105000420") + digest.finalize()
    return b"\x00\x01" + b"\xff" * (size - len(info) - 3) + b"\x00" + info


def _paddings(good: bytes) -> dict[str, bytes]:
    """Return encodings that a careless PKCS#1 v1.5 check accepts, after Wycheproof's vectors."""
    info = good[good.index(b"\x00", 2) + 1 :]
    oid_end = info.index(b"\x05\x00")
    size = len(good)

    def padded(body: bytes) -> bytes:
        return b"\x00\x01" + b"\xff" * (size - len(body) - 3) + b"\x00" + body

    short = b"\x00\x01" + b"\xff" * 8 + b"\x00" + info
    no_null = (
        bytes([info[0], info[1] - 2, info[2], info[3] - 2]) + info[4:oid_end] + info[oid_end + 2 :]
    )
    return {
        "garbage after the digest (Bleichenbacher 2006)": short + b"\xaa" * (size - len(short)),
        "garbage inside the algorithm": padded(info[:oid_end] + b"\x04\x02ab" + info[oid_end:]),
        "NULL parameters missing": padded(no_null),
        "long form of a length": padded(info[:1] + b"\x81" + info[1:]),
        "block type 0": b"\x00\x00" + good[2:],
        "block type 2": b"\x00\x02" + good[2:],
        "first byte not zero": b"\x01" + good[1:],
        "padding with a wrong byte": good[:20] + b"\xfe" + good[21:],
        "padding ends too early": good[:20] + b"\x00" + good[21:],
        "no separator": good.replace(b"\xff\x00\x30", b"\xff\xff\x30", 1),
        "SHA-1's identifier": good.replace(
            bytes.fromhex("0609608648016503040201"), b"\x06\x09" + b"\x2b" * 9
        ),
        "digest cut short": padded(info[:-1]),
        "digest alone": padded(info[-32:]),
        "all zero": bytes(size),
        "all 0xff but the first": b"\x00" + b"\xff" * (size - 1),
    }


def test_10_signature_paddings_on_a_valid_token(
    signer: HookSigner, verifier: HookVerifier, key_pool: KeyPool
) -> None:
    """Signatures made with the private key over wrong paddings of the right digest are refused."""
    private: RSAPrivateKey = signer._key
    numbers = private.private_numbers()
    modulus, size = numbers.public_numbers.n, private.key_size // 8
    signing_input = signer.sign(_claims()).rpartition(".")[0]
    good = _encoded_message(signing_input.encode(), size)

    def token(message: bytes) -> str:
        signature = pow(int.from_bytes(message, "big") % modulus, numbers.d, modulus)
        raw = signature.to_bytes(size, "big")
        return f"{signing_input}.{urlsafe_b64encode(raw).rstrip(b'=').decode()}"

    assert _attack(lambda: verifier.verify(token(good))), "the right padding must be accepted"
    for name, wrong in _paddings(good).items():
        assert len(wrong) == size, name
        assert wrong != good, name
        assert not _attack(lambda w=wrong: verifier.verify(token(w))), name  # type: ignore[misc]


@pytest.mark.parametrize("shift", [0, 1], ids=["the value plus n", "one byte longer"])
def test_10_signature_range(signer: HookSigner, verifier: HookVerifier, shift: int) -> None:
    """A signature has exactly k bytes and a value below n (RFC 8017 section 8.2.2)."""
    signing_input, _, text = signer.sign(_claims()).rpartition(".")
    value = int.from_bytes(urlsafe_b64decode(text + "=="), "big")
    modulus = signer._key.public_key().public_numbers().n
    if shift:
        raw = b"\x00" + value.to_bytes(256, "big")
    else:
        raw = (value + modulus).to_bytes(257, "big").lstrip(b"\x00")
    token = f"{signing_input}.{urlsafe_b64encode(raw).rstrip(b'=').decode()}"
    assert not _attack(lambda: verifier.verify(token))


# --- what surrounds a verifier


def _ran(app: Any, path: str) -> bool:
    """Return whether a request without a token ran the handler."""
    answers: list[Any] = []

    async def send(message: Any) -> None:
        answers.append(message)

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    scope = {"type": "http", "method": "POST", "path": path, "headers": [], "root_path": ""}
    asyncio.run(app({**scope, "query_string": b"", "raw_path": path.encode()}, receive, send))
    return bool(answers[0]["status"] == 200)


def test_11_what_is_not_listed_is_protected(
    verifier: HookVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A middleware for the whole application protects paths that a list would miss."""

    async def hook(request: Request) -> PlainTextResponse:
        return PlainTextResponse("ran")

    inner = Starlette(routes=[Route("/hook", hook, methods=["POST"])])
    app = asgi.HookMiddleware(inner, verifier, public=["/healthz"])
    assert not _ran(app, "/hook\n")

    def is_not_protected(self: object, mount: str, path: str, *_: object) -> bool:
        return path not in ("/hook", "/hook/")

    monkeypatch.setattr(guard.PublicPaths, "includes", is_not_protected)
    assert not _ran(app, "/hook")
    assert _ran(app, "/hook\n")


def test_11_the_target_as_it_was_sent(
    verifier: HookVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A public path is open in one spelling only, which no router can interpret differently."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        """Stand in for apps that route by the raw target, as Litestar's mounts and proxies do."""
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ran"})

    protected = asgi.HookMiddleware(app, verifier, public=["/healthz"])
    scope = {"type": "http", "path": "/healthz", "raw_path": b"/hook/..%2fhealthz"}
    assert not protected._is_public(scope)
    monkeypatch.setattr(
        guard.PublicPaths, "includes", lambda self, mount, path, *_: path in self._paths
    )
    assert protected._is_public(scope)


@pytest.mark.parametrize("above", [False, True])
def test_11_the_extension_refuses_before_flask_calls_a_view(
    verifier: HookVerifier, monkeypatch: pytest.MonkeyPatch, above: bool
) -> None:
    """``required`` also works above the route, where Flask never calls its wrapper."""
    app = flask.Flask(__name__)
    hooks = for_flask.HookKeyVerify(app, verifier)

    def hook() -> str:
        return "ran"

    if above:
        hooks.required(app.post("/hook")(hook))
    else:
        app.post("/hook")(hooks.required(hook))
    assert app.test_client().post("/hook").status_code == 401
    monkeypatch.setattr(for_flask, "_required", for_flask._Views())
    assert app.test_client().post("/hook").status_code == (200 if above else 401)


def test_12_trust_is_bound_to_its_source(
    signer: HookSigner, stranger: HookSigner, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A source with keys of two issuers is refused, because each could sign for the other."""
    other = HookSigner(stranger._key, "a-kid-of-b")
    mine, theirs = (StaticKeys.from_jwk(each.public_jwk()) for each in (signer, other))
    merged = StaticKeys([mine.get(signer.kid), theirs.get(other.kid)])
    one, two = (
        HookVerifier(keys, issuer=issuer, audience=None)
        for keys, issuer in ((mine, "a"), (theirs, "b"))
    )
    forged = other.sign(_claims(iss="a"))
    assert not _attack(lambda: VerifierByIssuer(one, two).verify(forged))
    with pytest.raises(ConfigurationError):
        HookVerifier(merged, issuer=["a", "b"], audience=None)
    monkeypatch.setattr(
        verifier_module, "_issuers", lambda issuer, keys: frozenset(issuer) if issuer else None
    )
    careless = HookVerifier(merged, issuer=["a", "b"], audience=None)
    assert _attack(lambda: careless.verify(forged))


@pytest.mark.parametrize("status", [400, 403, 418])
def test_13_one_bad_answer_does_not_poison_the_source(
    signer: HookSigner, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    """An org's response to a made-up kid does not affect look-ups of other kids."""
    bad = json_answer(status, {"errorCode": "E0000001"})
    for whole_source in (False, True):
        with FaultServer(bad, json_answer(200, signer.public_jwk())) as server:
            with HookKeys(server.url, ApiToken("t")) as source:
                assert not _attack(lambda keys=source: keys.get("made-up"))  # type: ignore[misc]
                found = _attack(lambda keys=source: keys.get(signer.kid))  # type: ignore[misc]
                assert found is not whole_source
        monkeypatch.setattr(
            hook_keys,
            "_verdict_on",
            lambda error, unknown: KeySourceConfigurationError(whole_source=True),
        )


def test_14_a_forged_payload_is_not_parsed(
    signer: HookSigner, verifier: HookVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The payload of a forged token is not parsed, because the signature is verified first."""
    read: list[int] = []

    def counted(data: bytes, limits: JsonLimits) -> dict[str, Any]:
        read.append(len(data))
        return json_object(data, limits)

    monkeypatch.setattr(jws, "json_object", counted)
    good = signer.sign(_claims(groups=[{"a": 0}] * 200))
    forged = f"{good[:-40]}AAAA{good[-36:]}"
    assert _attack(lambda: verifier.verify(good))  # remembers the header
    read.clear()
    assert not _attack(lambda: verifier.verify(forged))
    assert read == []
    monkeypatch.setattr(PublicKey, "verify", lambda self, signature, signing_input: True)
    _attack(lambda: verifier.verify(forged))
    assert len(read) == 1


@pytest.mark.parametrize(
    "wide",
    [
        {"a": [[]] * 257},
        {f"m{n}": n for n in range(257)},
        {"a": [0] * 1101},
    ],
    ids=["containers", "members", "values"],
)
def test_14_structure_is_bounded(signer: HookSigner, keys: StaticKeys, wide: Any) -> None:
    """Only ``json_limits`` stops a key holder from sending JSON that is expensive to parse."""
    token = signer.sign(_claims(**wide))
    bounded = HookVerifier(keys, issuer=None, audience=None)
    generous = JsonLimits(containers=9_999, members=9_999, values=9_999)
    lax = HookVerifier(keys, issuer=None, audience=None, json_limits=generous)
    assert not _attack(lambda: bounded.verify(token))
    assert _attack(lambda: lax.verify(token))


def test_14_a_claim_removes_few_expired_entries(monkeypatch: pytest.MonkeyPatch) -> None:
    """However many entries have expired, one claim removes only a few of them under its lock."""
    for at_most in (memory.FORGOTTEN_PER_CLAIM, 10**9):
        monkeypatch.setattr(memory, "FORGOTTEN_PER_CLAIM", at_most)
        now = [1000.0]
        store = memory.MemoryReplayStore(single_process=True, clock=lambda at=now: at[0])  # type: ignore[misc]
        for n in range(1_000):
            store.claim("a", str(n), 1_100)
        now[0] = 2_000
        assert store.claim("a", "new", 3_000)
        assert len(store) == max(1, 1_001 - at_most)


def test_14_exact_types(
    signer: HookSigner, verifier: HookVerifier, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The verifier does not call methods of a str subclass."""

    class Hostile(str):
        def encode(self, *_: Any) -> Any:
            raise KeyError("secret")

    token = Hostile(signer.sign(_claims()))
    assert not _attack(lambda: verifier.verify(token))
    monkeypatch.setattr(jws, "type", lambda _: str, raising=False)
    with pytest.raises(KeyError):
        verifier.verify(token)


@pytest.mark.parametrize(
    ("defence", "open_", "document"),
    [
        (
            "_SMALL_ORDER",
            frozenset[int](),
            {"kty": "OKP", "crv": "Ed25519", "x": "A" * 43, "kid": "k"},
        ),
        (
            "_has_roca_fingerprint",
            lambda n: False,
            {"kty": "RSA", "e": "AQAB", "n": ROCA_MODULUS, "kid": "k"},
        ),
    ],
    ids=["small order", "ROCA"],
)
def test_15_keys_for_which_signatures_can_be_forged(
    monkeypatch: pytest.MonkeyPatch, defence: str, open_: Any, document: dict[str, str]
) -> None:
    """Well-formed keys for which signatures can be forged are refused by one check each."""
    with pytest.raises(KeyRejectedError):
        PublicKey.from_document(document, expected_kid="k", algorithms=jwk.ALGORITHMS)
    monkeypatch.setattr(jwk, defence, open_)
    assert PublicKey.from_document(document, expected_kid="k", algorithms=jwk.ALGORITHMS)


def test_15_a_file_does_not_choose_where_a_secret_is_sent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An okta.yaml in the working directory cannot redirect the token to another org."""
    (tmp_path / "okta.yaml").write_text("okta:\n  client:\n    orgUrl: https://evil.example\n")
    monkeypatch.chdir(tmp_path)
    for options in ({"token": "s3cret"}, {"credentials": ApiToken("s3cret")}):
        with pytest.raises(ConfigurationError, match="org URL"):
            HookKeys.from_env(**options)
    monkeypatch.setattr(sign_in, "_refuse_redirection", lambda settings, origins: None)
    for options in ({"token": "s3cret"}, {"credentials": ApiToken("s3cret")}):
        with HookKeys.from_env(**options) as keys:
            assert "evil.example" in repr(keys)


def test_15_a_missing_type(signer: HookSigner, keys: StaticKeys) -> None:
    """A token without typ is accepted only if token_types contains None (RFC 9068 section 4)."""
    header = json.dumps({"alg": "RS256", "kid": signer.kid}).encode()
    token = signer.sign_bytes(header, json.dumps(_claims()).encode())
    typed = HookVerifier(keys, issuer=None, audience=None, token_types=["at+jwt"])
    lax = HookVerifier(keys, issuer=None, audience=None, token_types=["at+jwt", None])
    assert not _attack(lambda: typed.verify(token))
    assert _attack(lambda: lax.verify(token))
