"""HookKeys: which key documents and content types are accepted."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from hookkey_verify import HookSigner
from hookkey_verify.errors import KeyChangedError, KeyRejectedError, KeySourceConfigurationError
from hookkey_verify.events import Event

from ..faults import MARK, FaultServer, ManualClock, all_text, answer, eventually, json_answer
from .faulty_org import POLICY, SECRET, faulty


def _weak() -> str:
    return base64.urlsafe_b64encode(b"\xff" * 128).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("change", "member"),
    [
        pytest.param({"kid": "another"}, "kid", id="another kid"),
        pytest.param({"kid": None}, "kid", id="no kid"),
        pytest.param({"n": _weak()}, "n has 1024 bits", id="weak"),
        pytest.param({"n": "AQAB`"}, "n ", id="stray character"),
        pytest.param({"e": "Aw"}, "e must be", id="exponent 3"),
        pytest.param({"d": MARK}, "d belongs to a private key", id="private"),
        pytest.param({"kty": "oct", "k": MARK}, "k belongs to a private key", id="secret"),
        pytest.param({"kty": "EC"}, "kty must be RSA", id="EC"),
        pytest.param({"use": "enc"}, "use", id="for encryption"),
        pytest.param({"alg": "RS512"}, "alg", id="for RS512"),
        pytest.param({"_embedded": {}}, "_embedded", id="two documents"),
        pytest.param({"_embedded": None}, "_embedded", id="no document"),
    ],
)
def test_unacceptable_documents(
    signer: HookSigner, clock: ManualClock, change: dict[str, Any], member: str
) -> None:
    """The error names the member but not its value; after the back-off the key is fetched again."""
    jwk = signer.public_jwk()
    good = {**jwk, "alg": "RSA", "use": None}
    repaired = FaultServer(json_answer(200, {**good, **change}), json_answer(200, good))
    with repaired as server, faulty(server, clock=clock) as keys:
        with pytest.raises(KeyRejectedError, match=member) as caught:
            keys.get(signer.kid)
        clock.now += 1
        assert keys.get(signer.kid).kid == signer.kid
    assert (caught.value.status_code, caught.value.retryable) == (500, False)
    for secret in (MARK, SECRET, jwk["n"], _weak()):
        assert secret not in all_text(caught.value)


def test_a_changed_key(signer: HookSigner, stranger: HookSigner, clock: ManualClock) -> None:
    """Changed key material is refused and reported; ``invalidate`` accepts it."""
    events: list[Event] = []
    org = FaultServer(
        json_answer(200, signer.public_jwk()), json_answer(200, stranger.public_jwk())
    )
    with org as server, faulty(server, policy=POLICY, clock=clock, on_event=events.append) as keys:
        old = keys.get(signer.kid)
        clock.now += 100
        for _ in range(2):
            with pytest.raises(KeyChangedError, match="invalidate"):
                keys.get(signer.kid)
        assert eventually(
            lambda: ("key_changed", "refused") in [(each.name, each.outcome) for each in events]
        )
        keys.invalidate(signer.kid)
        new = keys.get(signer.kid)
    assert new.as_jwk() == stranger.public_jwk()
    assert new != old


@pytest.mark.parametrize(
    ("content_type", "taken"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", True),
        ("Application/JSON", True),
        ("application/jwk+json", True),
        ("text/html", False),
        ("text/json", False),
        ("application/jsonp", False),
        ("", False),
    ],
)
def test_content_types(signer: HookSigner, content_type: str, taken: bool) -> None:
    """Only a response with a JSON content type is accepted."""
    body = json.dumps(signer.public_jwk()).encode()
    with FaultServer(answer(200, body, f"Content-Type: {content_type}")) as server:
        with faulty(server) as keys:
            if taken:
                assert keys.get(signer.kid).kid == signer.kid
            else:
                with pytest.raises(KeySourceConfigurationError, match="not application/json"):
                    keys.get(signer.kid)


def test_no_store_is_kept_all_the_same(signer: HookSigner) -> None:
    """A key is cached although the response says ``no-store``."""
    fresh = json_answer(200, signer.public_jwk(), "Cache-Control: no-cache, no-store", "Expires: 0")
    with FaultServer(fresh) as server, faulty(server) as keys:
        assert keys.get(signer.kid) is keys.get(signer.kid)
    assert len(server.requests) == 1


def test_304_is_no_answer(signer: HookSigner) -> None:
    """A 304 is an error, because no conditional request was sent."""
    with FaultServer(answer(304)) as server, faulty(server) as keys:
        with pytest.raises(KeySourceConfigurationError):
            keys.get(signer.kid)
