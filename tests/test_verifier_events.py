"""The events of verifiers: outcome, reason, origin of the key, kid and duration."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import Any

import pytest

from hookkey_verify import (
    ApiToken,
    CachePolicy,
    HookKeys,
    HookSigner,
    HookVerifier,
    IssuerKeys,
    PublicKey,
    StaticKeys,
)
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import HookKeyError, HookVerificationError, KeyUnavailableError
from hookkey_verify.events import Event, EventName, note_fetch
from hookkey_verify.replay import MemoryReplayStore
from hookkey_verify.testing import bad_tokens
from hookkey_verify.verifier import VerifierByIssuer

from .conftest import CLIENT_ID, TOKEN_URL
from .faults import FaultServer, ManualClock, Peer, json_answer

PATIENCE = 20
NO_KEY = "00000000-0000-4000-8000-000000000000"
Verify = Callable[[Any, str], None]


def _verify(verifier: Any, token: str) -> None:
    verifier.verify(token)


def _averify(verifier: Any, token: str) -> None:
    asyncio.run(verifier.averify(token))


def _verify_headers(verifier: Any, token: str) -> None:
    verifier.verify_headers({"authorization": f"Bearer {token}"})


def _averify_headers(verifier: Any, token: str) -> None:
    asyncio.run(verifier.averify_headers([(b"Authorization", f"Bearer {token}".encode())]))


@pytest.fixture(params=[_verify, _averify, _verify_headers, _averify_headers])
def verify(request: pytest.FixtureRequest) -> Verify:
    """Verify a token; each test runs with all four methods."""
    return request.param  # type: ignore[no-any-return]


@pytest.fixture
def events() -> list[Event]:
    return []


@pytest.fixture
def key_id(okta: OktaEmulator) -> str:
    return str(okta.create_key("Token hook")["keyId"])


@pytest.fixture
def org_keys(okta: OktaEmulator, clock: ManualClock) -> Iterator[HookKeys]:
    policy = CachePolicy(fresh_for=100, refresh_ahead=0, negative_for=10)
    with HookKeys(okta.url, ApiToken(okta.api_token), policy=policy, clock=clock) as keys:
        yield keys


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def _assertions(keys: Any, events: list[Event], **options: Any) -> HookVerifier:
    given = {"client_id": CLIENT_ID, "token_url": TOKEN_URL, **options}
    return HookVerifier.for_client_assertion(keys, on_event=events.append, **given)


def _assertion(signer: HookSigner, **changes: Any) -> str:
    return signer.client_assertion(**{"client_id": CLIENT_ID, "token_url": TOKEN_URL, **changes})


def _only(events: list[Event]) -> tuple[str, str, str, str | None]:
    """Return what the only event says, after checking the rest, and remove it."""
    (event,) = events
    events.clear()
    assert event.name is EventName.VERIFY
    assert event.seconds is not None
    assert 0 <= event.seconds < PATIENCE
    return event.outcome, event.reason, event.key, event.kid


def test_where_the_key_came_from(
    okta: OktaEmulator, org_keys: HookKeys, key_id: str, clock: ManualClock, verify: Verify
) -> None:
    """A verification that waited for a fetch reports "fetched"; any other reports "cached"."""
    events: list[Event] = []
    verifier, signer = _assertions(org_keys, events), okta.signer(key_id)
    for expected in ("fetched", "cached", "cached"):
        verify(verifier, _assertion(signer))
        assert _only(events) == ("accepted", "", expected, key_id)
    clock.now += 101
    verify(verifier, _assertion(signer))
    assert _only(events) == ("accepted", "", "fetched", key_id)


def test_a_key_set_of_an_issuer(okta: OktaEmulator, verify: Verify, events: list[Event]) -> None:
    """The source of the event is the issuer, and the first verification fetches its key set."""
    with IssuerKeys(okta.issuer) as keys:
        verifier = HookVerifier.for_access_token(
            keys, audience="api://hooks", client_id=CLIENT_ID, on_event=events.append
        )
        for expected in ("fetched", "cached"):
            verify(verifier, okta.access_token(CLIENT_ID))
            assert [event.source for event in events] == [okta.issuer]
            assert _only(events)[:3] == ("accepted", "", expected)


def test_the_source_of_the_event(
    okta: OktaEmulator, org_keys: HookKeys, keys: StaticKeys, signer: HookSigner
) -> None:
    """The source is the URL of the key source, or the name of its class."""
    events: list[Event] = []
    _assertions(keys, events).verify(_assertion(signer))
    with pytest.raises(HookVerificationError):
        _assertions(org_keys, events).verify("no.to.ken")
    assert [event.source for event in events] == ["StaticKeys", okta.url]


def _without_kid(signer: HookSigner) -> str:
    claims = {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": TOKEN_URL, "exp": 9e9}
    return signer.sign(claims, headers={"kid": None})


WITHOUT_KEY = {
    "malformed_token",
    "token_too_large",
    "unsupported_header",
    "token_type_not_allowed",
    "algorithm_not_allowed",
    "missing_token",
}
"""Reasons for which a token is refused before its key is looked up."""
NO_KEY_FOUND = {"unknown_key", "algorithm_not_allowed"}
"""Reasons for which the key source returns no key."""


@pytest.mark.parametrize("way", [_verify, _averify])
def test_refused_tokens(
    keys: StaticKeys, signer: HookSigner, events: list[Event], way: Verify
) -> None:
    """Every refusal is reported with its reason, and with a kid only if a key was looked up.

    The origin of the key is "" if there was none.
    """
    verifier = _assertions(keys, events)
    reasons = set()
    for bad in bad_tokens(signer, client_id=CLIENT_ID, token_url=TOKEN_URL):
        with pytest.raises(HookVerificationError) as caught:
            way(verifier, bad.token)
        outcome, reason, key, kid = _only(events)
        assert (outcome, reason) == ("refused", bad.reason) == ("refused", caught.value.reason)
        assert key == ("" if kid is None or reason in NO_KEY_FOUND else "cached"), bad.name
        if reason in WITHOUT_KEY - {"malformed_token"}:
            assert kid is None, bad.name
        elif reason not in WITHOUT_KEY:
            assert kid is not None, bad.name
        reasons.add(reason)
    assert len(reasons) >= 15
    with pytest.raises(HookVerificationError):
        verifier.verify(_without_kid(signer))
    assert _only(events) == ("refused", "malformed_token", "", None)


def test_an_unknown_key(
    okta: OktaEmulator, org_keys: HookKeys, signer: HookSigner, events: list[Event], verify: Verify
) -> None:
    """A refusal without a key has no origin of a key, whether a fetch was necessary or not."""
    stranger = HookSigner(signer._key, NO_KEY)
    verifier = _assertions(org_keys, events)
    for _ in range(2):
        with pytest.raises(HookVerificationError):
            verify(verifier, _assertion(stranger))
        assert _only(events) == ("refused", "unknown_key", "", NO_KEY)
    assert len(okta.requests) == 1


def test_a_default_kid(keys: StaticKeys, signer: HookSigner, events: list[Event]) -> None:
    """A token without a kid is reported with the ``default_kid`` that was looked up."""
    verifier = _assertions(keys, events, default_kid=signer.kid)
    with pytest.raises(HookVerificationError):
        verifier.verify(_without_kid(signer)[:-8] + "AAAAAAAA")
    assert _only(events) == ("refused", "invalid_signature", "cached", signer.kid)


def test_a_replay(
    keys: StaticKeys, signer: HookSigner, events: list[Event], verify: Verify
) -> None:
    """A second use of a token and a replay store that is full are reported with their reasons."""
    store = MemoryReplayStore(single_process=True, max_entries=1)
    verifier, token = _assertions(keys, events, replay=store), _assertion(signer)
    verify(verifier, token)
    assert _only(events) == ("accepted", "", "cached", signer.kid)
    for refused, reason in (
        (token, "replayed"),
        (_assertion(signer), "replay_store_unavailable"),
    ):
        with pytest.raises(HookKeyError):
            verify(verifier, refused)
        assert _only(events) == ("refused", reason, "cached", signer.kid)


class FailingSource:
    """A key source of an application, which fails."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def get(self, kid: str, **_: Any) -> PublicKey:
        raise self.error

    async def aget(self, kid: str, **_: Any) -> PublicKey:
        raise self.error

    def close(self) -> None: ...


@pytest.mark.parametrize("error", [KeyUnavailableError("broken"), ZeroDivisionError("a secret")])
def test_a_key_source_that_fails(
    signer: HookSigner, events: list[Event], verify: Verify, error: Exception
) -> None:
    """Any exception of a key source is reported as an unavailable key of that source."""
    with pytest.raises(KeyUnavailableError):
        verify(_assertions(FailingSource(error), events), _assertion(signer))
    assert events[0].source == "FailingSource"
    assert _only(events) == ("refused", "key_unavailable", "", signer.kid)


class _Slow(FailingSource):
    """A key source of an application, which notes that it fetches a key for the first time."""

    def __init__(self, key: PublicKey) -> None:
        self.key = key
        self.fetched = False

    def get(self, kid: str, **_: Any) -> PublicKey:
        if not self.fetched:
            note_fetch()
        self.fetched = True
        return self.key

    async def aget(self, kid: str, **_: Any) -> PublicKey:
        return self.get(kid)


def test_a_key_source_of_an_application(
    keys: StaticKeys, signer: HookSigner, events: list[Event], verify: Verify
) -> None:
    """A key source of an application can report with ``note_fetch`` that it fetched the key."""
    verifier = _assertions(_Slow(keys.get(signer.kid)), events)
    for expected in ("fetched", "cached"):
        verify(verifier, _assertion(signer))
        assert _only(events) == ("accepted", "", expected, signer.kid)


class _Nested(FailingSource):
    """A key source that verifies another token with a verifier of its own.

    ``fetches``: whether it also notes a fetch, before or after that.
    """

    def __init__(self, key: PublicKey, inner: HookVerifier, token: str, fetches: str) -> None:
        self._key = key
        self._inner = inner
        self._token = token
        self._fetches = fetches

    def get(self, kid: str, **_: Any) -> PublicKey:
        if self._fetches == "before":
            note_fetch()
        self._inner.verify(self._token)
        if self._fetches == "after":
            note_fetch()
        return self._key

    async def aget(self, kid: str, **_: Any) -> PublicKey:
        return self.get(kid)


@pytest.mark.parametrize(
    "fetches",
    [
        "never",
        "before",
        "after",
    ],
)
def test_a_nested_verification(
    keys: StaticKeys,
    signer: HookSigner,
    events: list[Event],
    verify: Verify,
    fetches: str,
) -> None:
    """Of two verifications, one inside the other, each reports its own fetch and its own kid."""
    key = keys.get(signer.kid)
    inner = _assertions(_Slow(key), events, client_id="inner")
    token = _assertion(HookSigner(signer._key, NO_KEY), client_id="inner")
    outer = _assertions(_Nested(key, inner, token, fetches), events)
    verify(outer, _assertion(signer))
    assert [(event.source, event.key, event.kid) for event in events] == [
        ("_Slow", "fetched", NO_KEY),
        ("_Nested", "cached" if fetches == "never" else "fetched", signer.kid),
    ]


def test_a_fetch_after_a_verification(
    keys: StaticKeys, signer: HookSigner, events: list[Event]
) -> None:
    """A fetch outside a verification counts for none."""
    note_fetch()
    verifier = _assertions(keys, events)
    verifier.verify(_assertion(signer))
    note_fetch()
    verifier.verify(_assertion(signer))
    assert [event.key for event in events] == ["cached", "cached"]


class _Elsewhere(_Slow):
    """A key source that looks a key up in another thread, with the context of its caller."""

    def get(self, kid: str, **_: Any) -> PublicKey:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(copy_context().run, super().get, kid).result()

    async def aget(self, kid: str, **_: Any) -> PublicKey:
        async def look_up() -> PublicKey:
            return super(_Elsewhere, self).get(kid)

        return await asyncio.create_task(look_up())


def test_a_fetch_in_a_copied_context(
    keys: StaticKeys, signer: HookSigner, events: list[Event], verify: Verify
) -> None:
    """``note_fetch`` works in a thread or task with a copy of the context."""
    verifier = _assertions(_Elsewhere(keys.get(signer.kid)), events)
    for expected in ("fetched", "cached"):
        verify(verifier, _assertion(signer))
        assert _only(events) == ("accepted", "", expected, signer.kid)


@pytest.mark.parametrize(
    ("headers", "reason"),
    [
        ({}, "missing_token"),
        ({"authorization": "Basic eDp5"}, "missing_token"),
        ([("authorization", "Bearer a.b.c"), ("authorization", "Bearer d.e.f")], "multiple_tokens"),
        (5, "configuration"),
    ],
)
@pytest.mark.parametrize("kind", [HookVerifier, VerifierByIssuer])
def test_a_request_without_a_token(
    keys: StaticKeys, events: list[Event], headers: Any, reason: str, kind: type
) -> None:
    """A request without one token is reported once, by the verifier or its combination."""
    verifier: Any = _assertions(keys, events)
    if kind is VerifierByIssuer:
        other = HookVerifier(keys, issuer="x", audience="y")
        verifier = VerifierByIssuer(verifier, other, on_event=events.append)
    calls: list[Callable[[], object]] = [
        lambda: verifier.verify_headers(headers),
        lambda: asyncio.run(verifier.averify_headers(headers)),
    ]
    for call in calls:
        with pytest.raises(HookKeyError):
            call()
        expected = "StaticKeys" if kind is HookVerifier else "VerifierByIssuer"
        assert [event.source for event in events] == [expected]
        assert _only(events) == ("refused", reason, "", None)


def test_several_issuers(
    keys: StaticKeys, signer: HookSigner, events: list[Event], verify: Verify
) -> None:
    """Each token is reported once: by its verifier, or without one by the combination."""
    one, two = (_assertions(keys, events, client_id=name) for name in ("one", "two"))
    both = VerifierByIssuer(one, two, on_event=events.append)
    verify(both, _assertion(signer, client_id="two"))
    assert events[0].source == "StaticKeys"
    assert _only(events) == ("accepted", "", "cached", signer.kid)
    for token, reason in (
        (_assertion(signer, client_id="three"), "wrong_issuer"),
        ("not-a-token", "malformed_token"),
    ):
        with pytest.raises(HookVerificationError):
            verify(both, token)
        assert events[0].source == "VerifierByIssuer"
        assert _only(events) == ("refused", reason, "", None)


def test_a_combination_of_one(keys: StaticKeys, signer: HookSigner, events: list[Event]) -> None:
    """A single verifier reports a wrong issuer itself, and only once."""
    alone = VerifierByIssuer(_assertions(keys, events), on_event=events.append)
    with pytest.raises(HookVerificationError):
        alone.verify(_assertion(signer, client_id="other"))
    assert _only(events) == ("refused", "wrong_issuer", "cached", signer.kid)


@pytest.mark.parametrize("how", ["threads", "tasks"])
def test_parallel_verifications(signer: HookSigner, how: str) -> None:
    """Of verifications in parallel, only those that waited for a fetch report "fetched"."""
    events: list[Event] = []
    new_signer = HookSigner(signer._key, NO_KEY)
    fetching, release = threading.Event(), threading.Event()

    def held(peer: Peer) -> None:
        fetching.set()
        assert release.wait(PATIENCE)
        json_answer(200, new_signer.public_jwk())(peer)

    known, new = _assertion(signer), _assertion(new_signer)
    with FaultServer(json_answer(200, signer.public_jwk()), held) as server:
        with HookKeys(server.url, ApiToken("00s3cr3t")) as keys:
            verifier = _assertions(keys, events)
            verifier.verify(known)
            events.clear()

            def in_threads() -> None:
                with ThreadPoolExecutor(1) as pool:
                    waiting = pool.submit(verifier.verify, new)
                    assert fetching.wait(PATIENCE)
                    verifier.verify(known)
                    release.set()
                    waiting.result()

            async def in_tasks() -> None:
                waiting = asyncio.create_task(verifier.averify(new))
                while not fetching.is_set():
                    await asyncio.sleep(0)
                await verifier.averify(known)
                release.set()
                await waiting

            in_threads() if how == "threads" else asyncio.run(in_tasks())
    assert [(event.kid, event.key) for event in events] == [
        (signer.kid, "cached"),
        (NO_KEY, "fetched"),
    ]


def test_callers_that_wait_for_one_fetch(signer: HookSigner, events: list[Event]) -> None:
    """All tasks that wait for the same fetch report "fetched"."""
    waiting: list[Event] = []
    all_wait = threading.Event()

    def on_event(event: Event) -> None:
        waiting.extend([event] if event.name is EventName.COALESCED else [])
        if len(waiting) == 4:
            all_wait.set()

    def held(peer: Peer) -> None:
        assert all_wait.wait(PATIENCE)
        json_answer(200, signer.public_jwk())(peer)

    with FaultServer(held) as server:
        with HookKeys(server.url, ApiToken("00s3cr3t"), on_event=on_event) as keys:
            verifier = _assertions(keys, events)

            async def run() -> None:
                await asyncio.gather(*(verifier.averify(_assertion(signer)) for _ in range(5)))

            asyncio.run(run())
        assert len(server.requests) == 1
    assert [event.key for event in events] == ["fetched"] * 5


def test_a_cancelled_verification(
    keys: StaticKeys, signer: HookSigner, events: list[Event]
) -> None:
    """A verification that is cancelled has no outcome and is not reported."""

    class Endless(FailingSource):
        async def aget(self, kid: str, **_: Any) -> PublicKey:
            await asyncio.Event().wait()
            raise AssertionError

    verifier = _assertions(Endless(OSError()), events)

    async def run() -> None:
        task = asyncio.create_task(verifier.averify(_assertion(signer)))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(run())
    assert events == []


@pytest.mark.parametrize("result", ["accepted", "refused"])
def test_a_listener_that_raises(
    keys: StaticKeys,
    signer: HookSigner,
    verify: Verify,
    result: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A listener that raises does not change a verdict, and its error is logged once."""

    def listener(event: Event) -> None:
        raise ZeroDivisionError("a secret")

    verifier = HookVerifier.for_client_assertion(
        keys, client_id=CLIENT_ID, token_url=TOKEN_URL, on_event=listener
    )
    for _ in range(3):
        if result == "accepted":
            verify(verifier, _assertion(signer))
        else:
            with pytest.raises(HookVerificationError, match="signature"):
                verify(verifier, _assertion(signer)[:-8] + "AAAAAAAA")
    assert caplog.messages == ["on_event raised ZeroDivisionError"]


def test_every_constructor_takes_on_event(
    keys: StaticKeys, signer: HookSigner, events: list[Event]
) -> None:
    """Each constructor of a verifier passes ``on_event`` on."""
    made = [
        HookVerifier(keys, issuer=None, audience=None, on_event=events.append),
        _assertions(keys, events),
        HookVerifier.for_access_token(
            keys,
            issuer="https://a.example/oauth2/a",
            audience="api://hooks",
            client_id=CLIENT_ID,
            on_event=events.append,
        ),
    ]
    for verifier in made:
        with pytest.raises(HookVerificationError):
            verifier.verify("not-a-token")
        assert _only(events) == ("refused", "malformed_token", "", None)
