"""HookKeys: one org's keys over real HTTP, and which failure is whose."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hookkey_verify import (
    ApiToken,
    BearerToken,
    CachePolicy,
    ConfigurationError,
    HookKeys,
    HookSigner,
    HookVerifier,
)
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.emulator.app import PublicShape
from hookkey_verify.errors import (
    HookVerificationError,
    KeyChangedError,
    KeyRejectedError,
    KeySourceConfigurationError,
    KeySourceThrottledError,
    KeyUnavailableError,
    UnknownKeyError,
)
from hookkey_verify.events import Event, EventName
from hookkey_verify.testing import bad_tokens

from ..conftest import KeyPool
from ..faults import (
    HTML,
    MARK,
    Behaviour,
    FaultServer,
    ManualClock,
    after,
    all_text,
    answer,
    chunks_without_end,
    eventually,
    hang_up,
    headers_then_reset,
    json_answer,
    okta_error,
    redirect,
    silence,
)

SECRET = "00s3cr3tTokenOfTheTests"
NO_KEY = "0fb3de6f-0000-4000-8000-000000000000"
POLICY = CachePolicy(fresh_for=100, negative_for=10)


@pytest.fixture
def key_id(okta: OktaEmulator) -> str:
    return str(okta.create_key("one")["keyId"])


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
def org_keys(okta: OktaEmulator, clock: ManualClock) -> Iterator[HookKeys]:
    with HookKeys(okta.url, ApiToken(okta.api_token), policy=POLICY, clock=clock) as keys:
        yield keys


def faulty(server: FaultServer, **arguments: Any) -> HookKeys:
    return HookKeys(server.url, ApiToken(SECRET), **arguments)


# --- keys


@pytest.mark.parametrize("shape", ["bare", "wrapped"])
def test_a_key_is_fetched_and_kept(key_pool: KeyPool, shape: PublicShape) -> None:
    """One request for any number of look-ups, whichever way the org writes its documents."""
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
    """The org is asked once in ``negative_for`` seconds; the error names the probable mix-up."""
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
    """It is refused before any URL exists: the org is not asked, by ``get`` nor by ``aget``."""
    with FaultServer(hang_up) as server, faulty(server) as keys:
        with pytest.raises(UnknownKeyError, match="no hook key can have this kid"):
            keys.get(kid)
        with pytest.raises(UnknownKeyError, match="no hook key can have this kid"):
            asyncio.run(keys.aget(kid))
    assert server.requests == []


@pytest.mark.parametrize("kid", ["a", "a" * 64, "-_", "HKY0", "FcH2P9Eg7wr0o8N2FuV0"])
def test_what_can_be_a_key_id(kid: str) -> None:
    """1 to 64 characters of base64url: the org is asked."""
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
    """After it, no look-up waits."""
    ids = [okta.create_key(name)["keyId"] for name in ("one", "two")]
    org_keys.warm_up(*ids)
    assert [org_keys.get(each).kid for each in ids] == ids
    assert len(okta.requests) == 2


def test_warm_up_raises_what_get_raises(okta: OktaEmulator, org_keys: HookKeys) -> None:
    """A wrong keyId in the configuration shows at the start, not at the first hook."""
    with pytest.raises(UnknownKeyError):
        org_keys.warm_up(NO_KEY)


def test_invalidate_asks_again(okta: OktaEmulator, org_keys: HookKeys, key_id: str) -> None:
    """For whoever knows that a key was deleted; a kid that was never seen is no error."""
    org_keys.get(key_id)
    org_keys.invalidate(key_id)
    org_keys.invalidate(NO_KEY)
    org_keys.invalidate([])  # type: ignore[arg-type]
    org_keys.get(key_id)
    assert len(okta.requests) == 2


def test_many_threads_share_one(okta: OktaEmulator, org_keys: HookKeys) -> None:
    """Look-ups from many threads get the right key each."""
    ids = [okta.create_key(name)["keyId"] for name in "abcd"]
    with ThreadPoolExecutor(8) as pool:
        got = list(pool.map(lambda number: org_keys.get(ids[number % 4]).kid, range(64)))
    assert got == ids * 16


# --- who is to blame


def test_a_wrong_token_is_ours_to_repair(okta: OktaEmulator, key_id: str) -> None:
    """500 and final: neither the sender nor time can mend it."""
    wrong = HookKeys(okta.url, ApiToken(SECRET))
    with wrong, pytest.raises(KeySourceConfigurationError, match="401 E0000011") as caught:
        wrong.get(key_id)
    error = caught.value
    assert (error.status_code, error.retryable, error.headers) == (500, False, {})
    assert SECRET not in all_text(error)


def test_the_rate_limit_is_temporary(key_pool: KeyPool) -> None:
    """503 with the seconds until the org's bucket is refilled."""
    now = time.time()
    with OktaEmulator(new_key=key_pool, rate_limit=1, clock=lambda: now) as okta:
        key_id = okta.create_key("one")["keyId"]
        with HookKeys(okta.url, ApiToken(okta.api_token)) as keys:
            keys.get(key_id)
            keys.invalidate(key_id)
            with pytest.raises(KeyUnavailableError, match="429 E0000047") as caught:
                keys.get(key_id)
    error = caught.value
    assert (error.status_code, error.retryable) == (503, True)
    assert error.retry_after == pytest.approx((now // 60 + 1) * 60 - now + 1, abs=3)
    assert 1 <= int(error.headers["Retry-After"]) <= 61


def test_a_server_that_is_down_is_temporary() -> None:
    """503, to be tried again in a second."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    keys = HookKeys(url, ApiToken(SECRET))
    with keys, pytest.raises(KeyUnavailableError, match="refused or lost") as caught:
        keys.get(NO_KEY)
    assert (caught.value.status_code, caught.value.headers) == (503, {"Retry-After": "1"})


def test_an_outage_is_over_with_the_first_answer(signer: HookSigner, clock: ManualClock) -> None:
    """45, 46. Before its backoff is over nobody asks; after it the first answer counts."""
    recovering = FaultServer(hang_up, json_answer(200, signer.public_jwk()))
    with recovering as server, faulty(server, clock=clock) as keys:
        for _ in range(3):
            with pytest.raises(KeyUnavailableError, match="refused or lost"):
                keys.get(signer.kid)
        assert (len(server.requests), keys.health().status) == (1, "failing")
        clock.now += 1
        assert keys.get(signer.kid).kid == signer.kid
        assert keys.health().status == "healthy"


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        pytest.param(answer(404, HTML), KeySourceConfigurationError, id="404 HTML"),
        pytest.param(answer(404), KeySourceConfigurationError, id="404 empty"),
        pytest.param(answer(200, HTML), KeySourceConfigurationError, id="200 HTML"),
        pytest.param(answer(200), KeySourceConfigurationError, id="200 empty"),
        pytest.param(answer(204), KeySourceConfigurationError, id="204"),
        pytest.param(redirect(302, "/login"), KeySourceConfigurationError, id="redirect"),
        pytest.param(
            json_answer(400, okta_error("E0000001")), KeySourceConfigurationError, id="400"
        ),
        pytest.param(
            json_answer(401, okta_error("E0000015")), KeySourceConfigurationError, id="401"
        ),
        pytest.param(
            json_answer(403, okta_error("E0000006")), KeySourceConfigurationError, id="403"
        ),
        pytest.param(
            json_answer(405, okta_error("E0000022")), KeySourceConfigurationError, id="405"
        ),
        pytest.param(json_answer(404, okta_error("E0000007")), UnknownKeyError, id="404 of Okta"),
        pytest.param(json_answer(429, okta_error("E0000047")), KeySourceThrottledError, id="429"),
        pytest.param(json_answer(500, okta_error("E0000009")), KeyUnavailableError, id="500"),
        pytest.param(answer(502, HTML), KeyUnavailableError, id="502 HTML"),
        pytest.param(answer(503), KeyUnavailableError, id="503"),
        pytest.param(answer(504), KeyUnavailableError, id="504"),
        pytest.param(silence, KeyUnavailableError, id="no answer"),
        pytest.param(hang_up, KeyUnavailableError, id="hang-up"),
        pytest.param(headers_then_reset, KeyUnavailableError, id="reset"),
        pytest.param(answer(200, b"{}", length=9), KeyUnavailableError, id="cut off"),
        pytest.param(chunks_without_end, KeyUnavailableError, id="endless"),
    ],
)
def test_verdicts(
    behaviour: Behaviour,
    kind: type[HookVerificationError],
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Only Okta's own 404 makes a bad token; neither body nor credential is in any text."""
    caplog.set_level(logging.DEBUG)
    policy = CachePolicy(fetch_timeout=0.3)
    with (
        FaultServer(behaviour) as server,
        faulty(server, policy=policy) as keys,
        pytest.raises(kind) as caught,
    ):
        keys.get(NO_KEY)
    assert type(caught.value) is kind
    for text in (all_text(caught.value), caplog.text):
        assert MARK not in text
        assert SECRET not in text


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
        pytest.param({"d": MARK}, "d is a member of private keys", id="private"),
        pytest.param({"kty": "oct", "k": MARK}, "k is a member of private keys", id="secret"),
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
    """31. The error names the member, nothing of its value; after the backoff it is asked again."""
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


# --- time


def test_the_fetch_ends_with_the_policy() -> None:
    """``fetch_timeout`` is the time of one fetch in all."""
    policy = CachePolicy(fetch_timeout=0.2)
    with FaultServer(silence) as server, faulty(server, policy=policy) as keys:
        started = time.monotonic()
        with pytest.raises(KeyUnavailableError, match="deadline"):
            keys.get(NO_KEY)
        assert 0.15 < time.monotonic() - started < 0.6


def test_the_deadline_of_the_caller_comes_first() -> None:
    """``deadline`` is a reading of the monotonic clock, for ``get`` and for ``aget``."""
    with FaultServer(silence) as server, faulty(server) as keys:
        started = time.monotonic()
        with pytest.raises(KeyUnavailableError):
            keys.get(NO_KEY, deadline=started + 0.15)
        with pytest.raises(KeyUnavailableError):
            asyncio.run(keys.aget(NO_KEY, deadline=started + 0.3))
        assert 0.25 < time.monotonic() - started < 1


# --- asyncio


def test_a_cold_aget_does_not_block_the_loop(signer: HookSigner) -> None:
    """A heartbeat beside it keeps beating while the org takes its time."""
    beats = 0

    async def heartbeat() -> None:
        nonlocal beats
        while True:
            beats += 1
            await asyncio.sleep(0.01)

    async def main() -> str:
        task = asyncio.create_task(heartbeat())
        key = await keys.aget(signer.kid)
        task.cancel()
        return key.kid

    slow = after(0.3, json_answer(200, signer.public_jwk()))
    with FaultServer(slow) as server, faulty(server) as keys:
        assert asyncio.run(main()) == signer.kid
    assert beats > 10


def test_a_warm_aget_begins_nothing(okta: OktaEmulator, org_keys: HookKeys, key_id: str) -> None:
    """Only a fetch goes to a thread: a cached key or verdict does not."""

    async def main() -> None:
        for _ in range(3):
            assert (await org_keys.aget(key_id)).kid == key_id
            with pytest.raises(UnknownKeyError):
                await org_keys.aget(NO_KEY)

    asyncio.run(main())
    assert (org_keys.stats().misses, org_keys.stats().hits) == (2, 2)
    assert len(okta.requests) == 2


def test_threads_and_loops_share_one_cache(
    okta: OktaEmulator, org_keys: HookKeys, key_id: str
) -> None:
    """A key fetched by ``aget`` is there for ``get`` and for another loop."""
    first = asyncio.run(org_keys.aget(key_id))
    assert org_keys.get(key_id) is first
    assert asyncio.run(org_keys.aget(key_id)) is first
    assert len(okta.requests) == 1


# --- its life


def test_close_keeps_what_is_known(okta: OktaEmulator, org_keys: HookKeys, key_id: str) -> None:
    """Idempotent; cached keys are still served, and nothing is fetched any more."""
    org_keys.get(key_id)
    org_keys.close()
    org_keys.close()
    assert org_keys.get(key_id).kid == key_id
    with pytest.raises(KeySourceConfigurationError, match="closed"):
        org_keys.get(NO_KEY)
    assert len(okta.requests) == 1


def test_the_context_manager_closes(okta: OktaEmulator, key_id: str) -> None:
    """It hands out itself and is closed after the block."""
    keys = HookKeys(okta.url, BearerToken(okta.api_token))
    with keys as entered:
        assert entered is keys
    with pytest.raises(KeySourceConfigurationError, match="closed"):
        keys.get(key_id)


def test_repr_names_the_org_only(org_keys: HookKeys, okta: OktaEmulator) -> None:
    """It can be logged."""
    assert repr(org_keys) == f"HookKeys({okta.url!r})"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"org_url": "http://acme.okta.com"}, "org_url"),
        ({"credentials": "token"}, "credentials"),
        ({"policy": {"fresh_for": 5}}, "policy"),
        ({"directory": 1}, "directory"),
        ({"shared": 5}, "shared"),
        ({"on_event": "print"}, "on_event"),
        ({"clock": 5}, "clock"),
        ({"verify": False}, "verify"),
    ],
    ids=repr,
)
def test_wrong_arguments(arguments: dict[str, Any], named: str) -> None:
    """Each is named at construction."""
    given = {"org_url": "https://acme.okta.com", "credentials": ApiToken("x"), **arguments}
    with pytest.raises(ConfigurationError, match=named):
        HookKeys(**given)


# --- the two gates


def _lines(server: FaultServer) -> list[str]:
    return [request.line.split()[1] for request in server.requests]


LIST = "/api/v1/hook-keys"


def test_only_allowed_keys_are_asked_for(okta: OktaEmulator) -> None:
    """14. Nothing else costs a call, and those cost no budget."""
    ids = [str(okta.create_key(f"k{number}")["keyId"]) for number in range(8)]
    with HookKeys(okta.url, ApiToken(okta.api_token), allowed_key_ids=ids[:7]) as keys:
        for key_id in ids[:7]:
            assert keys.get(key_id).kid == key_id
        with pytest.raises(UnknownKeyError, match="not in allowed_key_ids"):
            keys.get(ids[7])
    assert len(okta.requests) == 7


@pytest.mark.parametrize("allowed", ["k1", [], [5], ["a/b"], ["a" * 65], 5, [["k1"]]])
def test_wrong_allowed_key_ids(allowed: Any) -> None:
    """A list of keyIds, with at least one."""
    with pytest.raises(ConfigurationError, match="allowed_key_ids"):
        HookKeys("https://acme.okta.com", ApiToken("x"), allowed_key_ids=allowed)


def test_the_directory_keeps_made_up_kids_away(okta: OktaEmulator, clock: ManualClock) -> None:
    """11, 14. One list for a flood; a new key is found when the list is renewed."""
    key_id = str(okta.create_key("one")["keyId"])
    with HookKeys(okta.url, ApiToken(okta.api_token), directory=True, clock=clock) as keys:
        for number in range(200):
            with pytest.raises(UnknownKeyError, match="list of hook keys lacks it"):
                keys.get(f"x{number}")
        assert keys.get(key_id).kid == key_id
        new = str(okta.create_key("two")["keyId"])
        with pytest.raises(UnknownKeyError):
            keys.get(new)
        clock.now += 30
        assert asyncio.run(keys.aget(new)).kid == new
    assert [line.path for line in okta.requests] == [
        LIST,
        f"{LIST}/public/{key_id}",
        LIST,
        f"{LIST}/public/{new}",
    ]


@pytest.mark.parametrize(
    "listing",
    [
        json_answer(200, [{"keyId": "k"}], 'Link: <x>; rel="next"'),
        json_answer(200, [{"keyId": "k"}, {"id": "HKY"}]),
        json_answer(200, [{"keyId": "a/b"}]),
        json_answer(200, ["k"]),
        json_answer(500, {}),
    ],
    ids=["more pages", "no keyId", "an odd keyId", "no object", "500"],
)
def test_a_directory_that_cannot_be_used(
    signer: HookSigner, clock: ManualClock, listing: Behaviour
) -> None:
    """14. Half a list makes no key unknown: the key itself is asked for, within the budget."""
    answers = (listing, json_answer(200, signer.public_jwk()))
    with FaultServer(*answers) as server:
        with faulty(server, directory=True, clock=clock) as keys:
            assert keys.get(signer.kid).kid == signer.kid
            assert keys.health().status == "healthy"
    assert _lines(server) == [LIST, f"{LIST}/public/{signer.kid}"]


@pytest.mark.parametrize(
    ("listing", "kind"),
    [
        (json_answer(401, okta_error("E0000011")), KeySourceConfigurationError),
        (json_answer(429, okta_error("E0000047")), KeySourceThrottledError),
    ],
    ids=["401", "429"],
)
def test_a_directory_that_is_refused(
    clock: ManualClock, listing: Behaviour, kind: type[HookVerificationError]
) -> None:
    """22, 23. 401 and 429 are about every request: nothing more is asked for a while."""
    with FaultServer(listing) as server, faulty(server, directory=True, clock=clock) as keys:
        for _ in range(3):
            with pytest.raises(kind):
                keys.get(NO_KEY)
    assert _lines(server) == [LIST]


@pytest.mark.parametrize(
    "listing",
    [
        json_answer(403, okta_error("E0000006")),
        json_answer(404, okta_error("E0000007")),
        json_answer(200, {"keys": []}),
    ],
    ids=["403", "404", "an object"],
)
def test_a_directory_that_is_not_to_be_had(
    signer: HookSigner, clock: ManualClock, listing: Behaviour
) -> None:
    """Without the list a key is asked for by itself, within the budget; the problem is told."""
    events: list[Event] = []
    org = FaultServer(listing, json_answer(200, signer.public_jwk()))
    with org as server, faulty(server, directory=True, clock=clock, on_event=events.append) as keys:
        assert keys.get(signer.kid).kid == signer.kid
    assert _lines(server) == [LIST, f"{LIST}/public/{signer.kid}"]
    assert EventName.CONFIG_ERROR in [event.name for event in events]


def test_a_closed_directory(okta: OktaEmulator) -> None:
    """50. Closed is closed, for the list too."""
    keys = HookKeys(okta.url, ApiToken(okta.api_token), directory=True)
    keys.close()
    with pytest.raises(KeySourceConfigurationError, match="closed"):
        keys.get(NO_KEY)


# --- time, credentials and answers


def test_a_changed_key(signer: HookSigner, stranger: HookSigner, clock: ManualClock) -> None:
    """33. Refused and told; the old one is served while it is fresh; invalidate accepts it."""
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


@pytest.mark.parametrize("skew", [-3600, 0, 3600])
@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        (("X-Rate-Limit-Reset: 1700000037",), 38),
        (("X-Rate-Limit-Reset: 1700000037, 1700000020",), 21),
        (("X-Rate-Limit-Reset: 1600000000",), 1),
        (("X-Rate-Limit-Reset: soon",), 5),
        ((), 5),
        (("X-Rate-Limit-Limit: 0", "X-Rate-Limit-Remaining: 0"), 1),
    ],
)
def test_the_rate_limit_is_kept(
    clock: ManualClock,
    monkeypatch: pytest.MonkeyPatch,
    headers: tuple[str, ...],
    wait: float,
    skew: float,
) -> None:
    """23. By Okta's clock, whatever ours says; for every kid; and nobody sleeps."""
    date = "Date: Tue, 14 Nov 2023 22:13:20 GMT"
    limited = json_answer(429, okta_error("E0000047"), date, *headers)
    monkeypatch.setattr(time, "time", lambda: 1_700_000_000 + skew)
    with FaultServer(limited) as server, faulty(server, clock=clock) as keys:
        with pytest.raises(KeySourceThrottledError) as caught:
            keys.get("a")
        assert caught.value.retry_after == wait
        clock.now += wait - 0.01
        with pytest.raises(KeySourceThrottledError):
            keys.get("b")
        assert len(server.requests) == 1
        clock.now += 0.02
        with pytest.raises(KeySourceThrottledError):
            keys.get("b")
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        ("Retry-After: 20", 20),
        ("Retry-After: 0", 1),
        ("Retry-After: 100000", 120),
        ("Retry-After: Tue, 14 Nov 2023 22:13:50 GMT", 30),
        ("Retry-After: Tue, 14 Nov 2000 22:13:50 GMT", 1),
    ],
)
def test_a_server_that_says_when_to_come_back(clock: ManualClock, header: str, wait: float) -> None:
    """24. In seconds or as a date, from which its own date is taken; about that one kid."""
    busy = json_answer(503, {}, header, "Date: Tue, 14 Nov 2023 22:13:20 GMT")
    with FaultServer(busy) as server, faulty(server, clock=clock) as keys:
        for kid in ("a", "a", "b"):
            with pytest.raises(KeySourceThrottledError) as caught:
                keys.get(kid)
            assert caught.value.retry_after == wait
        assert len(server.requests) == 2
        clock.now += wait - 0.01
        with pytest.raises(KeySourceThrottledError):
            keys.get("a")
        assert len(server.requests) == 2


def test_credentials_that_are_renewed(signer: HookSigner) -> None:
    """21. After a 401 the function is asked once more, and the request sent once more."""
    tokens = iter(["old", "new"])
    refused = json_answer(401, okta_error("E0000011"))
    with FaultServer(refused, json_answer(200, signer.public_jwk())) as server:
        with HookKeys(server.url, BearerToken(lambda: next(tokens))) as keys:
            assert keys.get(signer.kid).kid == signer.kid
    sent = [request.headers["authorization"] for request in server.requests]
    assert sent == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize(
    ("credentials", "calls"),
    [(ApiToken("t"), 1), (BearerToken("t"), 1), (BearerToken(lambda: "t"), 2)],
)
def test_credentials_that_stay_refused(credentials: Any, calls: int) -> None:
    """21. Once more for a function, never for a text."""
    with FaultServer(json_answer(401, okta_error("E0000011"))) as server:
        with HookKeys(server.url, credentials) as keys:
            with pytest.raises(KeySourceConfigurationError, match="wrong, expired or revoked"):
                keys.get(NO_KEY)
    assert len(server.requests) == calls


@pytest.mark.parametrize("status", [403, 404, 500])
def test_a_kept_key_outlives_a_refusal(signer: HookSigner, clock: ManualClock, status: int) -> None:
    """20, 22, 43. HTML, a lost permission, an outage: the key is served on, with an alarm."""
    events: list[Event] = []
    trouble = answer(status, HTML, "Content-Type: text/html")
    with FaultServer(json_answer(200, signer.public_jwk()), trouble) as server:
        with faulty(server, policy=POLICY, clock=clock, on_event=events.append) as keys:
            key = keys.get(signer.kid)
            clock.now += 100
            assert keys.get(signer.kid) is key
            assert keys.health().status == "degraded"
            clock.now += 3600
            with pytest.raises(HookVerificationError) as caught:
                keys.get(signer.kid)
    assert caught.value.status_code in (500, 503)
    assert eventually(lambda: [each.name for each in events].count(EventName.FETCH) == 3)
    names = [event.name for event in events]
    assert "stale_served" in names
    assert eventually(lambda: ("config_error" in [e.name for e in events]) == (status != 500))


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
    """28. JSON that says so."""
    body = json.dumps(signer.public_jwk()).encode()
    with FaultServer(answer(200, body, f"Content-Type: {content_type}")) as server:
        with faulty(server) as keys:
            if taken:
                assert keys.get(signer.kid).kid == signer.kid
            else:
                with pytest.raises(KeySourceConfigurationError, match="not application/json"):
                    keys.get(signer.kid)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("target", ["/elsewhere", "http://169.254.169.254/latest/", "OTHER"])
def test_redirects_are_refused(status: int, target: str) -> None:
    """30. Whatever kind, wherever to; nobody else sees the credentials."""
    with FaultServer(json_answer(200, {})) as other:
        location = other.url if target == "OTHER" else target
        with FaultServer(redirect(status, location)) as server, faulty(server) as keys:
            with pytest.raises(KeySourceConfigurationError, match="redirect"):
                keys.get(NO_KEY)
    assert other.requests == []
    assert len(server.requests) == 1


def test_no_store_is_kept_all_the_same(signer: HookSigner) -> None:
    """32. Okta marks everything so; the lifetime is ours."""
    fresh = json_answer(200, signer.public_jwk(), "Cache-Control: no-cache, no-store", "Expires: 0")
    with FaultServer(fresh) as server, faulty(server) as keys:
        assert keys.get(signer.kid) is keys.get(signer.kid)
    assert len(server.requests) == 1


def test_304_is_no_answer(signer: HookSigner) -> None:
    """32. Nobody asked conditionally."""
    with FaultServer(answer(304)) as server, faulty(server) as keys:
        with pytest.raises(KeySourceConfigurationError):
            keys.get(signer.kid)


def test_two_orgs_do_not_mix(signer: HookSigner, stranger: HookSigner) -> None:
    """62. The same kid at two orgs is two keys; and its case matters."""
    one, two = json_answer(200, signer.public_jwk()), json_answer(200, stranger.public_jwk())
    with FaultServer(one) as first, FaultServer(two) as second:
        with faulty(first) as here, faulty(second) as there:
            assert here.get(signer.kid) != there.get(signer.kid)
            with pytest.raises(KeyRejectedError):
                here.get(signer.kid.upper())


def test_a_forged_token_cannot_make_a_503(okta: OktaEmulator, signer: HookSigner) -> None:
    """18, 60, 61. Whatever is in it; only the spent budget does, and that says so."""
    hook = {"client_id": "0oa1", "token_url": "https://acme.com/token"}
    with HookKeys(okta.url, ApiToken(okta.api_token)) as keys:
        key_id = okta.create_key("one")["keyId"]
        keys.warm_up(key_id)
        verifier = HookVerifier.for_client_assertion(keys, **hook)  # type: ignore[arg-type]
        forged = [bad.token for bad in bad_tokens(okta.signer(key_id), **hook)]  # type: ignore[arg-type]
        forged.append(signer.sign({}, headers={"kid": key_id}))
        statuses = set()
        for token in forged:
            with pytest.raises(HookVerificationError) as caught:
                verifier.verify(token)
            statuses.add(caught.value.status_code)
        assert statuses == {401}
        reasons = set()
        for number in range(20):
            with pytest.raises(HookVerificationError) as caught:
                verifier.verify(signer.sign({}, headers={"kid": f"x{number}"}))
            reasons.add(str(caught.value.reason))
        assert reasons == {"unknown_key", "key_lookup_limited"}
    public = [line for line in okta.requests if "/public/" in line.path]
    assert len(public) <= 1 + 5 + 1


def test_a_warm_async_look_up(org_keys: HookKeys, key_id: str) -> None:
    """A cached key is there at once."""
    first = asyncio.run(org_keys.aget(key_id))
    assert asyncio.run(org_keys.aget(key_id)) is first


def test_what_cannot_be_invalidated(org_keys: HookKeys, key_id: str) -> None:
    """Anything else than a text is no kid, and nothing happens."""
    key = org_keys.get(key_id)
    org_keys.invalidate(["x"])  # type: ignore[arg-type]
    assert org_keys.get(key_id) is key
