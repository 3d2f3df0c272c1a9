"""Every check of the token inspector, passing and failing."""

from __future__ import annotations

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from hookkey_verify import HookSigner
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.emulator.inspector import Inspection, inspect

from ..conftest import KeyPool

NOW = 1_761_311_167.0
ISSUER = "http://127.0.0.1:8000/oauth2/aus1"
TOKEN_URL = "https://acme.com/token"
CLIENT = "0oa1"


@pytest.fixture(scope="module")
def org(key_pool: KeyPool) -> Iterator[OktaEmulator]:
    okta = OktaEmulator(new_key=key_pool, clock=lambda: NOW)
    key = okta.create_key("Token hook")
    okta.create_hook(
        "https://acme.com/hook", name="Claims", key=key, token_url=TOKEN_URL, client_id=CLIENT
    )
    yield okta
    okta.close()


def look(org: OktaEmulator, token: str) -> Inspection:
    return inspect(
        token,
        keys=org.org,
        hooks=org.hooks,
        server=org.authorization_server,
        issuer=ISSUER,
        now=NOW,
    )


def signer(org: OktaEmulator) -> HookSigner:
    return org.signer(org.org.list()[0]["keyId"])


def failed(inspection: Inspection) -> list[str]:
    return [check.name for check in inspection.checks if not check.passed]


ASSERTION: dict[str, Any] = {
    "iss": CLIENT,
    "sub": CLIENT,
    "aud": TOKEN_URL,
    "iat": NOW - 1,
    "exp": NOW + 300,
    "jti": "1",
}


def test_a_good_assertion(org: OktaEmulator) -> None:
    """Every check of a valid assertion passes, with a note on what it checked."""
    token = signer(org).client_assertion(client_id=CLIENT, token_url=TOKEN_URL)
    seen = look(org, f"\n  {token}\n")
    assert (seen.ok, seen.kind) == (True, "client assertion")
    assert (seen.header["alg"], seen.claims["aud"]) == ("RS256", TOKEN_URL)
    notes = {check.name: check.note for check in seen.checks}
    assert "Token hook" in notes["key"]
    assert "the client id of Claims" in notes["issuer"]
    assert "300 seconds from now" in notes["expiry"]
    assert set(notes) == {
        *("form", "algorithm", "key", "signature", "issuer", "subject"),
        *("audience", "lifetime", "expiry", "issued"),
    }


def test_a_good_access_token(org: OktaEmulator) -> None:
    """Every check of an access token from the org's authorization server passes."""
    token = org.authorization_server.access_token(ISSUER, CLIENT, frozenset({"hooks"}))
    seen = look(org, token)
    assert (seen.ok, seen.kind) == (True, "access token")
    assert [check.name for check in seen.checks][4:8] == ["issuer", "audience", "client", "scopes"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"iss": "0oa2", "sub": "0oa2"}, ["issuer"]),
        ({"sub": "0oa2"}, ["subject"]),
        ({"sub": None}, ["subject"]),
        ({"aud": "https://acme.com/token/"}, ["audience"]),
        ({"aud": [TOKEN_URL]}, ["audience"]),
        ({"aud": {}}, ["audience"]),
        ({"exp": NOW}, ["expiry"]),
        ({"exp": NOW + 3700}, ["lifetime"]),
        ({"exp": str(NOW + 300)}, ["expiry"]),
        ({"exp": True}, ["expiry"]),
        ({"exp": 1e300}, ["expiry"]),
        ({"exp": None}, ["expiry"]),
        ({"iat": NOW + 60}, ["issued"]),
        ({"nbf": NOW + 60}, ["not before"]),
        ({"nbf": "x"}, ["not before"]),
        ({"nbf": NOW}, []),
        ({"iss": ["0oa1"], "sub": ["0oa1"]}, ["issuer"]),
    ],
    ids=str,
)
def test_assertions_with_one_defect(
    org: OktaEmulator, change: dict[str, Any], expected: list[str]
) -> None:
    """Only the check for the defective claim fails; the others still run."""
    claims = {name: value for name, value in (ASSERTION | change).items() if value is not None}
    assert failed(look(org, signer(org).sign(claims))) == expected


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"iss": "https://acme.okta.com/oauth2/aus1"}, ["issuer"]),
        ({"aud": "api://other"}, ["audience"]),
        ({"aud": ["x", "api://hooks"]}, []),
        ({"cid": 5}, ["client"]),
        ({"scp": "hooks"}, ["scopes"]),
        ({"exp": NOW - 1}, ["expiry"]),
    ],
    ids=str,
)
def test_access_tokens_with_one_defect(
    org: OktaEmulator, change: dict[str, Any], expected: list[str]
) -> None:
    """Only the check for the defective claim of an access token fails."""
    claims: dict[str, Any] = {"iss": ISSUER, "aud": "api://hooks", "cid": CLIENT, "scp": ["hooks"]}
    claims |= {"exp": NOW + 60, **change}
    assert failed(look(org, org.authorization_server.signer.sign(claims))) == expected


def test_signatures(org: OktaEmulator, stranger: HookSigner) -> None:
    """A wrong key or a changed payload fails ``signature``; an unknown kid fails ``key``."""
    forged = HookSigner(stranger._key, signer(org).kid).sign(ASSERTION)
    assert failed(look(org, forged)) == ["signature"]
    head, _, signature = signer(org).sign(ASSERTION).split(".")
    changed = _part(ASSERTION | {"jti": "2"})
    assert failed(look(org, f"{head}.{changed}.{signature}")) == ["signature"]
    unknown = look(org, stranger.sign(ASSERTION))
    assert (unknown.kind, failed(unknown)) == ("unknown", ["key"])
    assert "signature" not in {check.name for check in unknown.checks}


def test_algorithms(org: OktaEmulator) -> None:
    """Any algorithm but RS256 fails both ``algorithm`` and ``signature``."""
    kid = signer(org).kid
    for alg in ("none", "HS256", "RS512", None, 5):
        token = f"{_part({'alg': alg, 'kid': kid})}.{_part(ASSERTION)}.AAAA"
        assert failed(look(org, token)) == ["algorithm", "signature"]


@pytest.mark.parametrize(
    "token",
    ["", "a", "a.b", "a.b.c.d", "." * 50, "x" * 20_000, "\u00e9.b.c"],
    ids=lambda token: ascii(token)[:20],
)
def test_malformed_tokens(org: OktaEmulator, token: str) -> None:
    """A malformed token fails ``form``, and nothing is raised."""
    assert failed(look(org, token))[0] == "form"


@pytest.mark.parametrize(
    "segment", [b"", b"[]", b"null", b"{", b"\xff", b"[" * 9_000, b'{"a":' * 2_000]
)
def test_segments_that_are_not_json_objects(org: OktaEmulator, segment: bytes) -> None:
    """A header or payload that is not a JSON object fails ``form``."""
    part = urlsafe_b64encode(segment).rstrip(b"=").decode()
    header = _part({"alg": "RS256", "kid": signer(org).kid})
    assert "form" in failed(look(org, f"{part}.{_part(ASSERTION)}.AAAA"))
    assert "form" in failed(look(org, f"{header}.{part}.AAAA"))


def test_long_values_are_cut(org: OktaEmulator) -> None:
    """Notes have fewer than 400 characters, however long a claim is."""
    seen = look(org, signer(org).sign(ASSERTION | {"iss": "x" * 5_000}))
    assert max(len(check.note) for check in seen.checks) < 400


def _part(document: Any) -> str:
    return urlsafe_b64encode(json.dumps(document).encode()).rstrip(b"=").decode()
