"""The hook key store without HTTP: documents, rules and errors."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from jwt.algorithms import RSAAlgorithm

from hookkey_verify.emulator import HookKeyStore, OktaError

from ..conftest import KeyPool
from ..faults import ManualClock

RECORDED_AT = 1_761_311_167  # 2025-10-24T13:06:07Z


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock(RECORDED_AT)


@pytest.fixture
def org(key_pool: KeyPool, clock: ManualClock) -> HookKeyStore:
    return HookKeyStore(new_key=key_pool, clock=clock)


def refused(act: Callable[[], object], status: int, code: str) -> OktaError:
    with pytest.raises(OktaError) as caught:
        act()
    assert (caught.value.status, caught.value.code) == (status, code)
    return caught.value


def names(org: HookKeyStore) -> list[str]:
    return [key["name"] for key in org.list()]


# --- documents


def test_a_created_key_in_the_recorded_form(org: HookKeyStore) -> None:
    """A new key has exactly these members: ``isUsed`` a boolean, ``alg`` "RSA", ``use`` null."""
    key = org.create({"name": "one"})
    public = key.pop("_embedded")
    assert re.fullmatch(r"HKY[A-Za-z0-9]{17}", key.pop("id"))
    key_id = key.pop("keyId")
    assert re.fullmatch(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", key_id)
    assert key == {
        "name": "one",
        "created": "2025-10-24T13:06:07.000Z",
        "lastUpdated": "2025-10-24T13:06:07.000Z",
        "isUsed": False,
    }
    assert re.fullmatch(r"[A-Za-z0-9_-]{342}", public.pop("n"))
    assert public == {"kty": "RSA", "alg": "RSA", "use": None, "kid": key_id, "e": "AQAB"}


def test_which_documents_hold_the_public_key(org: HookKeyStore) -> None:
    """Create, rename and ``get(expand=True)`` include the public key; list and plain get do not."""
    made = org.create({"name": "one"})
    plain = {name: value for name, value in made.items() if name != "_embedded"}
    assert org.list() == [plain]
    assert org.get(made["id"]) == plain
    assert org.get(made["id"], expand=True) == made
    assert org.rename(made["id"], {"name": "one"}) == made
    assert org.public_key(made["keyId"]) == made["_embedded"]


def test_documents_are_copies(org: HookKeyStore) -> None:
    """Changing a returned document does not change the org."""
    made = org.create({"name": "one"})
    made["name"] = "changed"
    made["_embedded"]["n"] = "changed"
    org.list().clear()
    assert names(org) == ["one"]
    assert org.public_key(made["keyId"])["n"] != "changed"


def test_ids_are_distinct(org: HookKeyStore) -> None:
    """No ``id`` or ``keyId`` repeats, although the pool reuses its RSA keys."""
    keys = [org.create({"name": str(number)}) for number in range(20)]
    assert len({key["id"] for key in keys} | {key["keyId"] for key in keys}) == 40


def test_the_signer_holds_the_private_half(org: HookKeyStore) -> None:
    """PyJWT verifies a token of the signer with the published key."""
    key = org.create({"name": "one"})
    token = org.signer(key["keyId"]).sign({"sub": "x"})
    published = RSAAlgorithm.from_jwk(key["_embedded"])
    assert not isinstance(published, RSAPrivateKey)
    assert jwt.decode(token, published, algorithms=["RS256"]) == {"sub": "x"}
    assert jwt.get_unverified_header(token)["kid"] == key["keyId"]


def test_private_keys_are_in_no_document(org: HookKeyStore) -> None:
    """No document contains a member of an RSA private key."""
    key = org.create({"name": "one"})
    documents = [
        key,
        *org.list(),
        org.get(key["id"], expand=True),
        org.rename(key["id"], {"name": "two"}),
        org.public_key(key["keyId"]),
    ]
    found = {member for each in documents for member in {**each, **each.get("_embedded", {})}}
    assert not found & {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}


# --- names


@pytest.mark.parametrize(
    "name",
    ["a", "x" * 255, " ", "Schlüssel", "🔑" * 255, '"<b>&\\'],
    ids=["one", "255", "space", "umlaut", "255 beyond the BMP", "markup"],
)
def test_accepted_names(org: HookKeyStore, name: str) -> None:
    """Create and rename accept 1 to 255 characters of any kind and keep them unchanged."""
    assert org.create({"name": name})["name"] == name
    other = org.create({"name": "other"})
    org.rename(other["id"], {"name": name[:-1] + "~"})
    assert names(org) == [name, name[:-1] + "~"]


@pytest.mark.parametrize(
    "body",
    [{}, {"Name": "x"}, *({"name": n} for n in ("", "x" * 256, None, 5, True, ["x"], {"a": "b"}))],
    ids=lambda body: ascii(body)[:20],
)
def test_refused_names(org: HookKeyStore, body: dict[str, Any]) -> None:
    """An invalid name gets E0000001 with a cause that names the member, and changes nothing."""
    made = org.create({"name": "one"})
    for act in (lambda: org.create(body), lambda: org.rename(made["id"], body)):
        error = refused(act, 400, "E0000001")
        assert error.summary == "Api validation failed: name"
        assert [cause[:5] for cause in error.causes] == ["name:"]
    assert names(org) == ["one"]


def test_names_are_unique(org: HookKeyStore) -> None:
    """Neither create nor rename can reuse the name of another key; names are case-sensitive."""
    org.create({"name": "one"})
    two = org.create({"name": "two"})
    refused(lambda: org.create({"name": "one"}), 400, "E0000001")
    refused(lambda: org.rename(two["id"], {"name": "one"}), 400, "E0000001")
    org.create({"name": "One"})
    assert names(org) == ["one", "two", "One"]


def test_names_can_be_reused(org: HookKeyStore) -> None:
    """After a rename or a delete, another key can take the old name."""
    one = org.create({"name": "one"})
    org.rename(one["id"], {"name": "two"})
    org.create({"name": "one"})
    org.delete(one["id"])
    org.create({"name": "two"})
    assert names(org) == ["one", "two"]


def test_rename(org: HookKeyStore, clock: ManualClock) -> None:
    """Rename changes only the name and ``lastUpdated``, even when the name stays the same."""
    key = org.create({"name": "one"})
    clock.now += 60
    changed = {"name": "two", "lastUpdated": "2025-10-24T13:07:07.000Z"}
    assert org.rename(key["id"], {"name": "two", "isUsed": True, "keyId": "x"}) == key | changed
    clock.now += 60
    changed["lastUpdated"] = "2025-10-24T13:08:07.000Z"
    assert org.rename(key["id"], {"name": "two"}) == key | changed


# --- rules


def test_limit_of_fifty_keys(org: HookKeyStore) -> None:
    """The 51st key is refused until another is deleted."""
    keys = [org.create({"name": str(number)}) for number in range(50)]
    error = refused(lambda: org.create({"name": "one more"}), 400, "E0000001")
    assert "50" in error.causes[0]
    org.delete(keys[0]["id"])
    org.create({"name": "one more"})
    assert len(org.list()) == 50


def test_a_used_key_cannot_be_deleted(org: HookKeyStore) -> None:
    """Only unused keys can be deleted; ``set_used`` changes ``isUsed`` but not ``lastUpdated``."""
    key = org.create({"name": "one"})
    org.set_used(key["id"])
    assert org.get(key["id"], expand=True) == key | {"isUsed": True}
    refused(lambda: org.delete(key["id"]), 400, "E0000001")
    org.set_used(key["id"], used=False)
    org.delete(key["id"])
    assert org.list() == []


@pytest.mark.parametrize(
    "act",
    [
        lambda org, key: org.get(key),
        lambda org, key: org.rename(key, {"name": "x"}),
        lambda org, key: org.delete(key),
        lambda org, key: org.set_used(key),
        lambda org, key: org.public_key(key),
        lambda org, key: org.signer(key),
    ],
    ids=["get", "rename", "delete", "set_used", "public_key", "signer"],
)
def test_unknown_keys(org: HookKeyStore, act: Callable[[HookKeyStore, str], object]) -> None:
    """An unknown key gets E0000007; so does a deleted one."""
    key = org.create({"name": "one"})
    org.delete(key["id"])
    for gone in (key["id"], key["keyId"], "never"):
        error = refused(lambda gone=gone: act(org, gone), 404, "E0000007")  # type: ignore[misc]
        assert error.summary == f"Not found: Resource not found: {gone} (HookKey)"


def test_id_and_key_id_are_not_interchangeable(org: HookKeyStore) -> None:
    """Management calls take the ``id``; the public key call takes the ``keyId``."""
    key = org.create({"name": "one"})
    refused(lambda: org.get(key["keyId"]), 404, "E0000007")
    refused(lambda: org.public_key(key["id"]), 404, "E0000007")


def test_the_error_object() -> None:
    """The error object has Okta's five members, and ``errorId`` is new each time."""
    error = OktaError(400, "E0000001", "Api validation failed: name", "first", "second")
    first, second = error.body(), error.body()
    assert re.fullmatch(r"oae[A-Za-z0-9]{22}", first["errorId"])
    assert first.pop("errorId") != second.pop("errorId")
    assert first == {
        "errorCode": "E0000001",
        "errorSummary": "Api validation failed: name",
        "errorLink": "E0000001",
        "errorCauses": [{"errorSummary": "first"}, {"errorSummary": "second"}],
    }


# --- threads


@pytest.mark.parametrize(
    ("existing", "wanted", "created"),
    [(0, ["one", "one"], 1), (49, ["one", "two"], 1), (0, ["one", "two"], 2)],
    ids=["one name", "one place", "two names"],
)
def test_concurrent_creates(
    key_pool: KeyPool, existing: int, wanted: list[str], created: int
) -> None:
    """Two creates that both pass the first check still respect unique names and the limit."""
    meet = threading.Barrier(2)

    def new_key() -> RSAPrivateKey:
        if filled:
            meet.wait(5)
        return key_pool()

    filled = False
    org = HookKeyStore(new_key=new_key)
    for number in range(existing):
        org.create({"name": f"filler {number}"})
    filled = True

    def create(name: str) -> str:
        try:
            return str(org.create({"name": name})["name"])
        except OktaError as error:
            return error.code

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(create, wanted))
    assert len(org.list()) == existing + created
    assert outcomes.count("E0000001") == 2 - created


def test_the_default_makes_keys_of_2048_bits() -> None:
    """Without ``new_key`` the store generates RSA keys of 2048 bits."""
    key = HookKeyStore().create({"name": "one"})
    assert len(key["_embedded"]["n"]) == 342
