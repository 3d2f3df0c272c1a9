"""HookKeys: keys that an org has, and kids that it cannot have."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hookkey_verify import ApiToken, HookKeys, HookSigner
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.emulator.hook_keys_api import PublicShape
from hookkey_verify.errors import KeyRejectedError, UnknownKeyError

from ..conftest import KeyPool
from ..faults import FaultServer, ManualClock, hang_up, json_answer, okta_error
from .faulty_org import NO_KEY, faulty


@pytest.mark.parametrize("shape", ["bare", "wrapped"])
def test_a_key_is_fetched_and_kept(key_pool: KeyPool, shape: PublicShape) -> None:
    """Any number of look-ups causes one request, whichever document format the org uses."""
    with OktaEmulator(new_key=key_pool, public_shape=shape) as okta:
        key_id = okta.create_key("one")["keyId"]
        with HookKeys(okta.url, ApiToken(okta.api_token)) as keys:
            first, second = keys.get(key_id), keys.get(key_id)
    assert first is second
    assert first.as_jwk() == okta.signer(key_id).public_jwk()
    assert [(line.method, line.path, line.status) for line in okta.requests] == [
        ("GET", f"/api/v1/hook-keys/public/{key_id}", 200)
    ]


def test_a_key_is_asked_for_again_when_it_is_no_longer_fresh(
    okta: OktaEmulator, org_keys: HookKeys, key_id: str, clock: ManualClock
) -> None:
    """A key that was deleted in the org is served for ``fresh_for`` seconds and no longer."""
    org_keys.get(key_id)
    okta.org.delete(okta.org.list()[0]["id"])
    clock.now += 99
    assert org_keys.get(key_id).kid == key_id
    clock.now += 1
    with pytest.raises(UnknownKeyError):
        org_keys.get(key_id)


def test_an_unknown_key_id(okta: OktaEmulator, org_keys: HookKeys, clock: ManualClock) -> None:
    """An unknown kid is fetched once per ``negative_for``; the error names the probable mix-up."""
    for _ in range(3):
        with pytest.raises(UnknownKeyError, match="authorization server") as caught:
            org_keys.get(NO_KEY)
        assert caught.value.status_code == 401
    assert len(okta.requests) == 1
    clock.now += 10
    with pytest.raises(UnknownKeyError):
        org_keys.get(NO_KEY)
    assert [line.status for line in okta.requests] == [404, 404]


@pytest.mark.parametrize(
    "kid",
    [
        "..",
        ".",
        "%2e%2e",
        "../../users/me",
        "a/b",
        "a\\b",
        "a?b",
        "a#b",
        "a;b",
        "a b",
        "a@b",
        "a:b",
        "x\n",
        "\nx",
        "x\r\nX-Other: y",
        "\x00",
        "",
        "é",
        "\u0661",
        "\uff21",
        "a" * 65,
        "a" * 10_240,
        5,
        None,
        [],
        {},
        b"abc",
        True,
    ],
    ids=lambda kid: ascii(kid)[:20],
)
def test_what_can_never_be_a_key_id(kid: Any) -> None:
    """A kid that cannot be a keyId is refused by ``get`` and ``aget`` without a request."""
    with FaultServer(hang_up) as server, faulty(server) as keys:
        with pytest.raises(UnknownKeyError, match="no hook key can have this kid"):
            keys.get(kid)
        with pytest.raises(UnknownKeyError, match="no hook key can have this kid"):
            asyncio.run(keys.aget(kid))
    assert server.requests == []


@pytest.mark.parametrize("kid", ["a", "a" * 64, "-_", "HKY0", "FcH2P9Eg7wr0o8N2FuV0"])
def test_what_can_be_a_key_id(kid: str) -> None:
    """A kid of 1 to 64 base64url characters is requested from the org."""
    org = FaultServer(json_answer(404, okta_error("E0000007")))
    with (
        org as server,
        faulty(server) as keys,
        pytest.raises(UnknownKeyError, match="no hook key"),
    ):
        keys.get(kid)
    assert [each.line for each in server.requests] == [
        f"GET /api/v1/hook-keys/public/{kid} HTTP/1.1"
    ]


def test_warm_up_fetches_now(okta: OktaEmulator, org_keys: HookKeys) -> None:
    """After ``warm_up``, a look-up needs no request."""
    ids = [okta.create_key(name)["keyId"] for name in ("one", "two")]
    org_keys.warm_up(*ids)
    assert [org_keys.get(each).kid for each in ids] == ids
    assert len(okta.requests) == 2


def test_warm_up_raises_what_get_raises(okta: OktaEmulator, org_keys: HookKeys) -> None:
    """``warm_up`` raises for a wrong keyId in the configuration."""
    with pytest.raises(UnknownKeyError):
        org_keys.warm_up(NO_KEY)


def test_invalidate_asks_again(okta: OktaEmulator, org_keys: HookKeys, key_id: str) -> None:
    """After ``invalidate`` the key is fetched again; an unknown kid can be invalidated too."""
    org_keys.get(key_id)
    org_keys.invalidate(key_id)
    org_keys.invalidate(NO_KEY)
    org_keys.invalidate([])  # type: ignore[arg-type]
    org_keys.get(key_id)
    assert len(okta.requests) == 2


def test_many_threads_share_one(okta: OktaEmulator, org_keys: HookKeys) -> None:
    """Concurrent look-ups in many threads each get the right key."""
    ids = [okta.create_key(name)["keyId"] for name in "abcd"]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda number: org_keys.get(ids[number % 4]).kid, range(64)))
    assert got == ids * 16


def test_two_orgs_do_not_mix(signer: HookSigner, stranger: HookSigner) -> None:
    """The same kid at two orgs is two keys, and kids are case-sensitive."""
    one, two = json_answer(200, signer.public_jwk()), json_answer(200, stranger.public_jwk())
    with FaultServer(one) as first, FaultServer(two) as second:
        with faulty(first) as here, faulty(second) as there:
            assert here.get(signer.kid) != there.get(signer.kid)
            with pytest.raises(KeyRejectedError):
                here.get(signer.kid.upper())


def test_what_cannot_be_invalidated(org_keys: HookKeys, key_id: str) -> None:
    """``invalidate`` ignores an argument that is not a string."""
    key = org_keys.get(key_id)
    org_keys.invalidate(["x"])  # type: ignore[arg-type]
    assert org_keys.get(key_id) is key


def test_the_current_key(okta: OktaEmulator, org_keys: HookKeys, key_id: str) -> None:
    """``current`` returns a cached, fresh key without a request, and None otherwise."""
    assert org_keys.current(key_id) is None
    key = org_keys.get(key_id)
    assert org_keys.current(key_id) is key
    assert len(okta.requests) == 1
