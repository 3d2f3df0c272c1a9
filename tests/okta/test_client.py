"""HookKeysClient: the six endpoints over real HTTP, lost answers, retries and rotation."""

from __future__ import annotations

import asyncio
import copy
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from hookkey_verify import ApiToken, ConfigurationError, PublicKey
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import (
    AuthenticationError,
    ForbiddenError,
    HookKeyApiError,
    KeyInUseError,
    KeyLimitError,
    KeyRejectedError,
    NotFoundError,
    RateLimitedError,
    TransportError,
    ValidationFailedError,
)
from hookkey_verify.okta.client import AsyncHookKeysClient, HookKeysClient
from hookkey_verify.okta.models import HookKey

from ..faults import FaultServer, Peer, all_text, answer, hang_up, json_answer, okta_error

SECRET = "00s3cr3tTokenOfTheTests"


class Naps:
    """Sleeps that take no time, and what was announced before each."""

    def __init__(self) -> None:
        self.slept: list[float] = []
        self.announced: list[float] = []

    def options(self) -> dict[str, Any]:
        return {"sleep": self.slept.append, "on_wait": self.announced.append}


@pytest.fixture
def naps() -> Naps:
    return Naps()


@pytest.fixture
def client(okta: OktaEmulator, naps: Naps) -> Iterator[HookKeysClient]:
    with HookKeysClient(okta.url, ApiToken(okta.api_token), **naps.options()) as made:
        yield made


# --- the six endpoints


def test_the_life_of_a_key(okta: OktaEmulator, client: HookKeysClient) -> None:
    """Created, found, read in every way, renamed and deleted, in the words of the API."""
    key = client.create("hooks")
    assert key.public_key is not None
    assert key.public_key.as_jwk() == okta.signer(key.key_id).public_jwk()
    assert (key.name, key.is_used) == ("hooks", False)
    assert key.created is not None
    assert abs(key.created.timestamp() - time.time()) < 10
    assert client.list() == [key]
    assert client.list()[0].public_key is None
    assert client.get(key.id) == key
    assert client.get(key.id, expand=True).public_key == key.public_key
    assert client.public_key(key.key_id) == key.public_key
    assert client.find("hooks") == key
    assert client.find("Hooks") is None
    renamed = client.rename(key.id, "hooks 2")
    assert (renamed.id, renamed.name) == (key.id, "hooks 2")
    client.delete(key.id)
    assert client.list() == []
    assert [(line.method, line.status) for line in okta.requests] == [
        ("POST", 200),
        *[("GET", 200)] * 7,
        ("PUT", 200),
        ("DELETE", 204),
        ("GET", 200),
    ]


def test_jwks_is_what_jose_libraries_read(okta: OktaEmulator, client: HookKeysClient) -> None:
    """A JWK Set of all keys, without Okta's peculiarities."""
    ids = [client.create(name).key_id for name in ("one", "two")]
    document = client.jwks()
    assert document == {"keys": [okta.signer(key_id).public_jwk() for key_id in ids]}
    assert {key["alg"] for key in document["keys"]} == {"RS256"}


def test_unknown_members_are_kept(okta: OktaEmulator, client: HookKeysClient) -> None:
    """In ``raw``, read-only."""
    document = {"id": "HKY1", "keyId": "k", "name": "n", "colour": "blue", "isUsed": "true"}
    with FaultServer(json_answer(200, document)) as server:
        with HookKeysClient(server.url, ApiToken(SECRET)) as other:
            key = other.get("HKY1")
    assert key.raw["colour"] == "blue"
    assert key.is_used is True
    with pytest.raises(TypeError):
        key.raw["colour"] = "red"  # type: ignore[index]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"isUsed": True}, {"is_used": True}),
        ({"isUsed": "false"}, {"is_used": False}),
        ({"isUsed": "maybe"}, {"is_used": None}),
        ({"isUsed": 1}, {"is_used": None}),
        ({"isUsed": None}, {"is_used": None}),
        ({"created": "2025-10-24T13:06:07.000Z"}, {}),
        ({"created": "yesterday"}, {"created": None}),
        ({"created": 5}, {"created": None}),
        ({"name": None}, {"name": ""}),
        ({"_embedded": None}, {"public_key": None}),
    ],
)
def test_a_key_is_read_with_tolerance(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    """What is not understood is None, not an error."""
    key = HookKey.from_document({"id": "HKY1", "keyId": "k", "name": "n", **changes})
    for name, value in expected.items():
        assert getattr(key, name) == value
    if changes.get("created") == "2025-10-24T13:06:07.000Z":
        assert key.created is not None
        assert key.created.timestamp() == 1761311167


@pytest.mark.parametrize("document", [None, [], "x", {}, {"id": "a"}, {"id": 5, "keyId": "k"}])
def test_what_is_no_key(document: object) -> None:
    """Without both ids nothing can be done with it."""
    with pytest.raises(TransportError, match="not a hook key"):
        HookKey.from_document(document)


def test_a_weak_key_shows_when_it_is_used() -> None:
    """It can be listed and deleted, and its public half is refused."""
    embedded = {"kty": "RSA", "kid": "k", "n": "AQAB", "e": "AQAB"}
    key = HookKey.from_document({"id": "HKY1", "keyId": "k", "_embedded": embedded})
    with pytest.raises(KeyRejectedError):
        key.public_key  # noqa: B018


# --- errors


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (json_answer(400, okta_error("E0000001")), ValidationFailedError),
        (json_answer(400, okta_error("E0000003")), ValidationFailedError),
        (json_answer(400, okta_error("E0000021")), ValidationFailedError),
        (json_answer(401, okta_error("E0000004")), AuthenticationError),
        (json_answer(401, okta_error("E0000011")), AuthenticationError),
        (json_answer(401, okta_error("E0000015")), AuthenticationError),
        (json_answer(403, okta_error("E0000005")), ForbiddenError),
        (json_answer(403, okta_error("E0000006")), ForbiddenError),
        (json_answer(404, okta_error("E0000007")), NotFoundError),
        (json_answer(405, okta_error("E0000022")), HookKeyApiError),
        (json_answer(429, okta_error("E0000047")), RateLimitedError),
        (json_answer(500, okta_error("E0000009")), TransportError),
        (answer(502, b"<html>"), TransportError),
        (hang_up, TransportError),
    ],
)
def test_every_call_raises_the_error_that_fits(behaviour: Any, kind: type[HookKeyApiError]) -> None:
    """With Okta's members on it, and none of them, nor the token, in its text."""
    calls: list[Any] = [
        lambda client: client.list(),
        lambda client: client.get("HKY1"),
        lambda client: client.public_key("k"),
        lambda client: client.rename("HKY1", "n"),
        lambda client: client.delete("HKY1"),
        lambda client: client.create("n"),
        lambda client: client.find("n"),
        lambda client: client.jwks(),
    ]
    with FaultServer(behaviour) as server:
        with HookKeysClient(server.url, ApiToken(SECRET), max_wait=0) as client:
            for call in calls:
                with pytest.raises(kind) as caught:
                    call(client)
                assert type(caught.value) is kind
                assert SECRET not in all_text(caught.value)


@pytest.mark.parametrize(
    "name", ["", "x" * 256, "a\nb", "a\x00", None, 5, b"name", "\ud800"], ids=ascii
)
def test_names_are_checked_before_the_call(
    okta: OktaEmulator, client: HookKeysClient, name: Any
) -> None:
    """1 to 255 printable characters."""
    for call in (client.create, client.find, client.rotate):
        with pytest.raises(ConfigurationError, match="name"):
            call(name)
    with pytest.raises(ConfigurationError, match="name"):
        client.rename("HKY1", name)
    assert len(okta.requests) == 0


@pytest.mark.parametrize("id_", ["", ".", "..", "a/b", "a?b", "a%2e", "x" * 65, None, 5, "a\n"])
def test_ids_are_checked_before_the_call(
    okta: OktaEmulator, client: HookKeysClient, id_: Any
) -> None:
    """Each is one path segment that means nothing to a server."""
    for call in (client.get, client.delete, client.public_key, lambda i: client.rename(i, "n")):
        with pytest.raises(ConfigurationError, match="64 letters"):
            call(id_)
    assert len(okta.requests) == 0


def test_a_name_that_is_taken(client: HookKeysClient) -> None:
    """Okta's error for it is not documented, so the list is asked."""
    client.create("hooks")
    with pytest.raises(ValidationFailedError, match="in use already") as caught:
        client.create("hooks")
    assert (caught.value.status, caught.value.error_code) == (400, "E0000001")
    assert len(client.list()) == 1


def test_the_51st_key(okta: OktaEmulator, client: HookKeysClient) -> None:
    """The same, with its own error."""
    for number in range(50):
        okta.create_key(f"k{number}")
    with pytest.raises(KeyLimitError):
        client.create("one more")


def test_a_key_in_use(okta: OktaEmulator, client: HookKeysClient) -> None:
    """It is not deleted, and the error says why."""
    key = client.create("hooks")
    okta.org.set_used(key.id)
    with pytest.raises(KeyInUseError):
        client.delete(key.id)
    assert client.get(key.id).is_used is True


def test_other_refusals_stay_what_they_are(okta: OktaEmulator, client: HookKeysClient) -> None:
    """A 400 for no reason that the org's state shows, and one whose reason cannot be asked for."""
    key = client.create("hooks")
    okta.fail(400, method="POST")
    okta.fail(400, method="DELETE", times=2)
    with pytest.raises(ValidationFailedError) as caught:
        client.create("other")
    assert "in use" not in str(caught.value)
    with pytest.raises(ValidationFailedError):
        client.delete(key.id)
    okta.fail(403, method="GET")
    with pytest.raises(ValidationFailedError):
        client.delete(key.id)
    okta.fail(400, method="POST")
    okta.fail(403, method="GET")
    with pytest.raises(ValidationFailedError):
        client.create("other")


# --- a create whose answer is lost


def test_a_lost_create_is_found(okta: OktaEmulator, client: HookKeysClient) -> None:
    """The key was made, the answer lost: it is reported, with its public half; no second POST."""
    okta.fail(503, method="POST", after=True)
    key = client.create("hooks")
    assert key.public_key is not None
    assert [each.id for each in client.list()] == [key.id]
    assert [line.method for line in okta.requests].count("POST") == 1


def test_a_create_that_did_not_happen(okta: OktaEmulator, client: HookKeysClient) -> None:
    """The first error is raised when the list shows that there is no such key."""
    okta.fail(503, method="POST")
    with pytest.raises(TransportError) as caught:
        client.create("hooks")
    assert caught.value.status == 503
    assert [line.method for line in okta.requests].count("POST") == 1


def test_a_lost_create_of_a_name_that_was_taken(okta: OktaEmulator, client: HookKeysClient) -> None:
    """A key of that name which is older than the call is somebody else's."""
    okta.org._clock = lambda: time.time() - 3600
    okta.create_key("hooks")
    okta.fail(503, method="POST")
    with pytest.raises(ValidationFailedError, match="in use already"):
        client.create("hooks")


def test_nobody_knows(okta: OktaEmulator, client: HookKeysClient) -> None:
    """When the list cannot be had either, the error says what to do."""
    okta.fail(503, method="POST", after=True)
    okta.fail(500, method="GET")
    with pytest.raises(TransportError, match="may or may not exist"):
        client.create("hooks")


def _answer_to(okta: OktaEmulator, request: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", int(okta.url.rpartition(":")[2])), 5) as peer:
        peer.sendall(request)
        octets = b""
        while chunk := peer.recv(65_536):
            octets += chunk
    return octets


@pytest.mark.parametrize("part", range(20))
def test_cut_off_at_any_octet(okta: OktaEmulator, part: int) -> None:
    """Wherever the answer to a create ends, the key is reported and there is only one."""

    def forward(server: FaultServer, cut: bool) -> Any:
        def behave(peer: Peer) -> None:
            request = server.requests[-1]
            head = [request.line, "Connection: close"]
            head += [f"{n}: {v}" for n, v in request.headers.items() if n != "connection"]
            octets = _answer_to(okta, ("\r\n".join([*head, "", ""])).encode() + request.body)
            end = len(octets) * part // 20 if cut else len(octets)
            peer.send(octets[:end])

        return behave

    server = FaultServer()
    server._script = (forward(server, True), forward(server, False))
    with server:
        with HookKeysClient(server.url, ApiToken(okta.api_token)) as client:
            key = client.create("hooks")
    assert [each["id"] for each in okta.org.list()] == [key.id]
    assert key.public_key is not None
    assert [request.line.split()[0] for request in server.requests].count("POST") == 1


# --- waiting


def test_the_rate_limit_is_waited_for(okta: OktaEmulator, naps: Naps) -> None:
    """Until Okta's bucket is refilled, by Okta's clock; announced before, and said in headers."""
    headers = ("X-Okta-Request-Id: req1", "X-Rate-Limit-Limit: 50", "X-Rate-Limit-Remaining: 0",
               "X-Rate-Limit-Reset: 1700000037", "Date: Tue, 14 Nov 2023 22:13:20 GMT")  # fmt: skip
    limited = json_answer(429, okta_error("E0000047"), *headers)
    with FaultServer(limited, limited, json_answer(200, [])) as server:
        with HookKeysClient(server.url, ApiToken(SECRET), max_wait=80, **naps.options()) as client:
            assert client.list() == []
    assert naps.slept == naps.announced == [38, 38]
    first, second, third = (request.headers for request in server.requests)
    assert "x-okta-retry-for" not in first
    assert (second["x-okta-retry-for"], second["x-okta-retry-count"]) == ("req1", "1")
    assert (third["x-okta-retry-for"], third["x-okta-retry-count"]) == ("req1", "2")


def test_no_longer_than_max_wait(naps: Naps) -> None:
    """Waits that would take longer in all are not begun."""
    headers = ("X-Rate-Limit-Reset: 1700000037", "Date: Tue, 14 Nov 2023 22:13:20 GMT")
    with FaultServer(json_answer(429, okta_error("E0000047"), *headers)) as server:
        with HookKeysClient(server.url, ApiToken(SECRET), max_wait=70, **naps.options()) as client:
            with pytest.raises(RateLimitedError) as caught:
                client.list()
    assert naps.slept == [38]
    assert caught.value.reset_at == 1700000037
    assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("behaviour", "attempts"),
    [
        (json_answer(503, {}), 5),
        (json_answer(504, {}), 5),
        (hang_up, 3),
        (json_answer(503, {}, "Retry-After: 20"), 4),
        (json_answer(500, {}), 1),
        (json_answer(403, okta_error("E0000006")), 1),
    ],
)
def test_what_is_tried_again(naps: Naps, behaviour: Any, attempts: int) -> None:
    """Down for a moment: five times at most, with growing waits; lost: three times."""
    with FaultServer(behaviour) as server:
        with HookKeysClient(server.url, ApiToken(SECRET), **naps.options()) as client:
            for call in (client.list, lambda: client.rename("HKY1", "n")):
                server.requests.clear()
                with pytest.raises(HookKeyApiError):
                    call()
                assert len(server.requests) == attempts
    assert naps.slept == naps.announced


def test_a_create_is_never_sent_twice(naps: Naps) -> None:
    """Not even when the rate limit refused it."""
    with FaultServer(json_answer(429, okta_error("E0000047"))) as server:
        with HookKeysClient(server.url, ApiToken(SECRET), **naps.options()) as client:
            with pytest.raises(RateLimitedError):
                client.create("n")
    assert naps.slept == []
    assert [request.line.split()[0] for request in server.requests] == ["POST"]


def test_a_delete_whose_answer_was_lost(okta: OktaEmulator, client: HookKeysClient) -> None:
    """The second attempt finds nothing, because the first one did it."""
    key = client.create("hooks")
    okta.fail(503, method="DELETE", after=True)
    client.delete(key.id)
    assert client.list() == []
    with pytest.raises(NotFoundError):
        client.delete(key.id)


# --- rotation


def test_a_rotation(okta: OktaEmulator, client: HookKeysClient) -> None:
    """Successor, change-over, end: the new key has the old one's name, and there was no gap."""
    old = client.create("hooks")
    okta.org.set_used(old.id)
    rotation = client.rotate("hooks")
    assert rotation.old.id == old.id
    assert rotation.new.name.startswith("hooks 20")
    assert isinstance(rotation.new.public_key, PublicKey)
    assert not rotation.is_unused()
    with pytest.raises(KeyInUseError, match="successor"):
        rotation.finish()
    assert client.find("hooks") == rotation.old
    okta.org.set_used(old.id, used=False)
    assert rotation.is_unused()
    new = rotation.finish()
    assert (new.id, new.name) == (rotation.new.id, "hooks")
    assert [key.id for key in client.list()] == [new.id]


def test_a_rotation_can_be_taken_up_again(okta: OktaEmulator, client: HookKeysClient) -> None:
    """In another process: the successor that exists is used, and an interrupted end is finished."""
    client.create("hooks")
    first = client.rotate("hooks", successor="hooks next")
    second = client.rotate("hooks", successor="hooks next")
    assert second.new.id == first.new.id
    assert second.new.public_key == first.new.public_key
    okta.fail(403, method="PUT")
    with pytest.raises(ForbiddenError):
        second.finish()
    assert second.finish().name == "hooks"


def test_what_cannot_be_rotated(client: HookKeysClient) -> None:
    """A key that is not there, and a successor that is no other."""
    with pytest.raises(NotFoundError, match="name"):
        client.rotate("hooks")
    client.create("hooks")
    with pytest.raises(ConfigurationError, match="successor"):
        client.rotate("hooks", successor="hooks")


# --- asyncio and threads


def test_the_async_client_is_the_same(okta: OktaEmulator) -> None:
    """Every method, awaitable; the loop is not blocked."""

    async def main() -> None:
        async with AsyncHookKeysClient(okta.url, ApiToken(okta.api_token)) as client:
            key = await client.create("hooks")
            assert await client.list() == [key]
            assert await client.get(key.id, expand=True) == key
            assert await client.public_key(key.key_id) == key.public_key
            assert await client.find("hooks") == key
            assert len((await client.jwks())["keys"]) == 1
            rotation = await client.rotate("hooks")
            assert await rotation.is_unused()
            assert rotation.old == key
            new = await rotation.finish()
            assert new.id == rotation.new.id
            assert (await client.rename(new.id, "other")).name == "other"
            await client.delete(new.id)
            assert [await each for each in (client.list(), client.list())] == [[], []]
            assert repr(client) == f"AsyncHookKeysClient({okta.url!r})"
            with pytest.raises(ConfigurationError):
                copy.copy(client)

    asyncio.run(main())


def test_many_threads_share_a_client(okta: OktaEmulator, client: HookKeysClient) -> None:
    """Twenty creates at once are twenty keys."""
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(client.create, [f"k{number}" for number in range(20)]))
    assert len({key.id for key in made}) == 20
    assert len(client.list()) == 20
    assert threading.active_count() < 50


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"org_url": "http://acme.okta.com"}, "org_url"),
        ({"credentials": "x"}, "credentials"),
        ({"timeout": 0}, "timeout"),
        ({"timeout": "5"}, "timeout"),
        ({"max_wait": -1}, "max_wait"),
        ({"max_wait": True}, "max_wait"),
        ({"on_wait": 5}, "on_wait"),
        ({"verify": False}, "verify"),
        ({"verify": "a" * 5_000}, "verify"),
        ({"proxies": "http://proxy"}, "proxies"),
        ({"proxies": {"https": 5}}, "proxies"),
        ({"proxies": {"https": "proxy:3128"}}, "http://proxy.acme.com:3128"),
        ({"proxies": {"https": "http://"}}, "HOOKKEY_PROXY"),
        ({"proxies": {"https": "http://proxy:port"}}, "HOOKKEY_PROXY"),
        ({"clock": 5}, "clock"),
    ],
    ids=lambda value: repr(value)[:40],
)
def test_wrong_arguments(arguments: dict[str, Any], named: str) -> None:
    """Each is named at construction."""
    given = {"org_url": "https://acme.okta.com", "credentials": ApiToken("x"), **arguments}
    with pytest.raises(ConfigurationError, match=named):
        HookKeysClient(**given)


def test_its_life(okta: OktaEmulator) -> None:
    """Closed it does nothing more; it names its org, and is not copied."""
    client = HookKeysClient(okta.url, ApiToken(okta.api_token))
    assert repr(client) == f"HookKeysClient({okta.url!r})"
    with pytest.raises(ConfigurationError, match="copied"):
        copy.deepcopy(client)
    client.close()
    client.close()
    with pytest.raises(ConfigurationError, match="closed"):
        client.list()


def test_a_lost_create_without_a_clock_to_tell(okta: OktaEmulator) -> None:
    """Without Okta's date nobody can say whose key it is, and the error says just that."""
    key = okta.create_key("hooks")
    lost = json_answer(503, {})
    with FaultServer(lost, json_answer(200, [key], "Date: yesterday")) as server:
        with HookKeysClient(server.url, ApiToken(SECRET)) as client:
            with pytest.raises(TransportError, match="may be the one"):
                client.create("hooks")


def test_retries_without_ids_and_announcements() -> None:
    """Okta's request id is repeated if there is one; nobody has to listen."""
    busy = json_answer(503, {}, "Retry-After: 1")
    naps: list[float] = []
    with FaultServer(busy, json_answer(200, [])) as server:
        with HookKeysClient(server.url, ApiToken(SECRET), sleep=naps.append) as client:
            assert client.list() == []
    assert naps == [1]
    assert "x-okta-retry-for" not in server.requests[1].headers
    assert server.requests[1].headers["x-okta-retry-count"] == "1"


def test_a_missing_permission_is_just_that(okta: OktaEmulator, client: HookKeysClient) -> None:
    """Whatever else would be true of the org: names, limits, use."""
    key = client.create("hooks")
    okta.org.set_used(key.id)
    okta.fail(403, method="POST")
    okta.fail(403, method="DELETE")
    with pytest.raises(ForbiddenError):
        client.create("hooks")
    with pytest.raises(ForbiddenError):
        client.delete(key.id)


@pytest.mark.parametrize(
    ("date", "created"),
    [
        ("Mon, 01 Jan 99999999999999999999 00:00:00 GMT", "2025-10-24T13:06:07.000Z"),
        ("Tue, 14 Nov 2023 22:13:20 GMT", "0001-01-01T00:00:00"),
        ("Tue, 14 Nov 2023 22:13:20 GMT", "9999-12-31T23:59:59"),
        ("Tue, 14 Nov 2023 22:13:20 GMT", "9999-12-31T23:59:59Z"),
    ],
)
def test_a_lost_create_and_odd_times(date: str, created: str) -> None:
    """What cannot be read is no proof that the key is ours."""
    key = {"id": "HKY1", "keyId": "k", "name": "hooks", "created": created}
    with FaultServer(json_answer(503, {}), json_answer(200, [key], f"Date: {date}")) as server:
        with HookKeysClient(server.url, ApiToken(SECRET)) as client:
            with pytest.raises(TransportError, match="may be the one"):
                client.create("hooks")


def test_a_create_that_cannot_have_been_received() -> None:
    """Nobody was reached, so nothing is in doubt: the error says what is wrong."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with HookKeysClient(url, ApiToken(SECRET), max_wait=0) as client:
        with pytest.raises(TransportError, match="refused or lost") as caught:
            client.create("hooks")
    assert not caught.value.sent


def test_a_lost_create_whose_public_half_cannot_be_had(okta: OktaEmulator) -> None:
    """The key is reported all the same."""
    with HookKeysClient(okta.url, ApiToken(okta.api_token), max_wait=0) as client:
        okta.fail(503, method="POST", after=True)
        okta.fail(500, path="/api/v1/hook-keys/public")
        key = client.create("hooks")
    assert key.public_key is None
    assert key.id == okta.org.list()[0]["id"]


def test_a_successor_is_younger(okta: OktaEmulator, client: HookKeysClient) -> None:
    """An older key of another purpose is not taken for one."""
    okta.org._clock = lambda: time.time() - 3600
    okta.create_key("older")
    okta.org._clock = time.time
    client.create("hooks")
    with pytest.raises(ConfigurationError, match="older key"):
        client.rotate("hooks", successor="older")


def test_an_end_when_okta_does_not_say_whether_a_key_is_used() -> None:
    """Then the deletion decides."""
    old = {"id": "HKY1", "keyId": "k1", "name": "hooks", "isUsed": None}
    new = {"id": "HKY2", "keyId": "k2", "name": "next", "_embedded": {}}
    answers = [json_answer(200, each) for each in ([old, new], old, {}, {**new, "name": "hooks"})]
    with FaultServer(*answers) as server:
        with HookKeysClient(server.url, ApiToken(SECRET)) as client:
            assert client.rotate("hooks", successor="next").finish().name == "hooks"
    assert [request.line.split()[0] for request in server.requests] == [
        "GET",
        "GET",
        "DELETE",
        "PUT",
    ]


def test_a_rate_limit_with_retry_after_only(naps: Naps) -> None:
    """Without Okta's own headers that is what counts."""
    limited = json_answer(429, okta_error("E0000047"), "Retry-After: 2")
    with FaultServer(limited, json_answer(200, [])) as server:
        with HookKeysClient(server.url, ApiToken(SECRET), max_wait=3, **naps.options()) as client:
            assert client.list() == []
    assert naps.slept == [2]


def test_a_rename_to_a_name_that_is_taken(client: HookKeysClient) -> None:
    """Is named as the reason of a refused rename too; another refusal stays as it is."""
    client.create("one")
    two = client.create("two")
    with pytest.raises(ValidationFailedError, match="in use already"):
        client.rename(two.id, "one")
    with pytest.raises(NotFoundError):
        client.rename("HKY1", "three")


def test_a_create_that_takes_too_long() -> None:
    """The key may appear later, so the error does not say that there is none."""

    def slow(peer: Peer) -> None:
        peer.wait(3)

    with FaultServer(slow, json_answer(200, [])) as server:
        with HookKeysClient(server.url, ApiToken(SECRET), timeout=0.3, max_wait=0) as client:
            with pytest.raises(TransportError, match="look there once more"):
                client.create("hooks")
    assert [request.line.split()[0] for request in server.requests] == ["POST", "GET"]


def test_a_cancelled_call_waits_no_longer() -> None:
    """Its thread does not keep the program alive until Okta's rate limit is over."""
    reset = ("X-Rate-Limit-Reset: 1700000060", "Date: Tue, 14 Nov 2023 22:13:20 GMT")

    async def call(url: str) -> None:
        client = AsyncHookKeysClient(url, ApiToken(SECRET), max_wait=100)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(client.list(), 0.3)

    with FaultServer(json_answer(429, {"errorCode": "E0000047"}, *reset)) as server:
        started = time.monotonic()
        asyncio.run(call(server.url))
    assert time.monotonic() - started < 3
    assert len(server.requests) == 1


def test_a_call_that_is_not_cancelled_waits() -> None:
    """For as long as Okta asks."""
    busy = ("X-Rate-Limit-Limit: 0", "X-Rate-Limit-Remaining: 0")
    limited = json_answer(429, {"errorCode": "E0000047"}, *busy)

    async def call(url: str) -> list[HookKey]:
        async with AsyncHookKeysClient(url, ApiToken(SECRET)) as client:
            return await client.list()

    with FaultServer(limited, json_answer(200, [])) as server:
        assert asyncio.run(call(server.url)) == []
