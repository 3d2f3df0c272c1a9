"""The emulated org, over real HTTP, behaves as Okta's documentation describes."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest
import requests
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from hookkey_verify import ConfigurationError
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.emulator.hook_keys_api import PublicShape
from hookkey_verify.emulator.parts import RequestLine

from ..conftest import KeyPool

KEYS = "/api/v1/hook-keys"
TOKEN = "00emulatorTokenOfTheTests"
JSON = {"Content-Type": "application/json"}


class Api:
    """Sends requests to the org, with its API token unless other credentials are given."""

    def __init__(self, okta: OktaEmulator) -> None:
        self._okta = okta
        self._session = requests.Session()
        self._session.trust_env = False

    def __call__(
        self, method: str, path: str = "", *, headers: dict[str, str] | None = None, **more: Any
    ) -> requests.Response:
        headers = {"Authorization": f"SSWS {self._okta.api_token}"} | (headers or {})
        return self._session.request(
            method, f"{self._okta.url}{KEYS}{path}", headers=headers, timeout=10, **more
        )

    def post(self, body: bytes, content_type: str | None = "application/json") -> Any:
        headers = {} if content_type is None else {"Content-Type": content_type}
        return self("POST", headers=headers, data=body)

    def close(self) -> None:
        self._session.close()


@contextmanager
def serving(okta: OktaEmulator) -> Iterator[Api]:
    with okta, closing(Api(okta)) as api:
        yield api


@pytest.fixture(scope="module")
def shared(key_pool: KeyPool) -> Iterator[OktaEmulator]:
    """One org for many tests, because stopping an org takes 0.2 s."""
    with OktaEmulator(api_token=TOKEN, new_key=key_pool, rate_limit=10**6) as emulator:
        yield emulator


@pytest.fixture
def api(shared: OktaEmulator) -> Iterator[Api]:
    """A client of the shared org, without the keys of earlier tests."""
    for key in shared.org.list():
        shared.org.delete(key["id"])
    with closing(Api(shared)) as api:
        yield api


def create(api: Api, name: str = "one") -> dict[str, Any]:
    response = api("POST", json={"name": name})
    assert response.status_code == 200
    key: dict[str, Any] = response.json()
    return key


def failure(response: requests.Response) -> tuple[int, str]:
    """Check the members of Okta's error object, and return the status and the error code."""
    assert response.headers.get("Content-Type") == "application/json"
    body = response.json()
    assert set(body) == {"errorCode", "errorSummary", "errorLink", "errorId", "errorCauses"}
    assert body["errorLink"] == body["errorCode"]
    assert body["errorId"].startswith("oae")
    return response.status_code, body["errorCode"]


# --- the six endpoints


def test_create(api: Api) -> None:
    """POST returns 200 (not 201) with the public key inside ``_embedded``."""
    key = create(api)
    assert set(key) == {"id", "keyId", "name", "created", "lastUpdated", "isUsed", "_embedded"}
    assert (key["name"], key["isUsed"]) == ("one", False)
    public = key["_embedded"]
    assert (public["alg"], public["use"], public["kid"]) == ("RSA", None, key["keyId"])
    assert set(public) == {"kty", "alg", "use", "kid", "e", "n"}


def test_list(api: Api) -> None:
    """GET on the collection returns all keys in order and no public keys, even with ``expand``."""
    made = [create(api, name) for name in ("one", "two")]
    for key in made:
        del key["_embedded"]
    assert api("GET").json() == made
    assert api("GET", params={"expand": "publickey"}).json() == made


def test_an_empty_list(api: Api) -> None:
    """GET on an org without keys returns an empty list, not an error."""
    response = api("GET")
    assert (response.status_code, response.json()) == (200, [])


@pytest.mark.parametrize(
    ("query", "expanded"),
    [
        ("", False),
        ("?expand=publickey", True),
        ("?expand=publicKey", False),
        ("?expand=", False),
        ("?other=publickey", False),
    ],
)
def test_get(api: Api, query: str, expanded: bool) -> None:
    """GET by ``id`` returns the public key only with ``expand=publickey``."""
    made = create(api)
    got = api("GET", f"/{made['id']}{query}").json()
    assert ("_embedded" in got) is expanded
    assert got == {name: made[name] for name in got}


def test_replace(api: Api) -> None:
    """PUT returns the new name and the public key."""
    made = create(api)
    response = api("PUT", f"/{made['id']}", json={"name": "two"})
    assert response.status_code == 200
    assert response.json() == made | {
        "name": "two",
        "lastUpdated": response.json()["lastUpdated"],
    }


def test_replace_with_its_own_name(api: Api) -> None:
    """PUT accepts the name that the key already has."""
    made = create(api)
    assert api("PUT", f"/{made['id']}", json={"name": "one"}).status_code == 200


def test_delete(api: Api) -> None:
    """DELETE returns 204 without body or content type, and removes the key."""
    made = create(api)
    response = api("DELETE", f"/{made['id']}")
    assert (response.status_code, response.content) == (204, b"")
    assert "Content-Type" not in response.headers
    assert failure(api("DELETE", f"/{made['id']}")) == (404, "E0000007")
    assert failure(api("GET", f"/public/{made['keyId']}")) == (404, "E0000007")


@pytest.mark.parametrize("shape", ["bare", "wrapped"])
def test_both_public_shapes(key_pool: KeyPool, shape: PublicShape) -> None:
    """The org returns the JWK alone, as in Okta's specification, or wrapped, as in its example."""
    with serving(OktaEmulator(new_key=key_pool, public_shape=shape)) as api:
        made = create(api)
        got = api("GET", f"/public/{made['keyId']}")
        jwk = made["_embedded"]
        assert got.json() == ({"_embedded": jwk} if shape == "wrapped" else jwk)


# --- what is refused


@pytest.mark.parametrize(
    "header",
    [f"SSWS {TOKEN}", f"SSWS{TOKEN}", f"Bearer {TOKEN}"],
    ids=["SSWS", "SSWS without space", "Bearer"],
)
def test_accepted_credentials(api: Api, header: str) -> None:
    """The org accepts both documented schemes and what Okta's Python SDK sends."""
    assert api("GET", headers={"Authorization": header}).status_code == 200


@pytest.mark.parametrize(
    "header",
    [
        "",
        "SSWS",
        TOKEN,
        f"ssws {TOKEN}",
        f"Basic {TOKEN}",
        f"SSWS  {TOKEN}",
        f"SSWS {TOKEN}x",
        f"SSWS {TOKEN[:-1]}",
        f"SSWS {TOKEN.upper()}",
        "SSWS \xe9",
    ],
)
def test_refused_credentials(api: Api, header: str) -> None:
    """Every endpoint answers wrong credentials with 401 E0000011, even for an unknown key."""
    made = create(api)
    for method, path in (
        ("GET", ""),
        ("POST", ""),
        ("GET", f"/{made['id']}"),
        ("PUT", f"/{made['id']}"),
        ("DELETE", f"/{made['id']}"),
        ("GET", f"/public/{made['keyId']}"),
        ("GET", "/public/absent"),
    ):
        response = api(method, path, headers={"Authorization": header})
        assert failure(response) == (401, "E0000011")
        assert response.json()["errorSummary"] == "Invalid token provided"
    assert len(api("GET").json()) == 1


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/HKYabsent"),
        ("PUT", "/HKYabsent"),
        ("DELETE", "/HKYabsent"),
        ("GET", "/public/absent"),
        ("GET", "/public/%00"),
        ("GET", "/public/%ff"),
        ("GET", "/public/" + "a" * 4_000),
    ],
    ids=lambda value: value[:20],
)
def test_what_is_not_there(api: Api, method: str, path: str) -> None:
    """An unknown id gives 404 E0000007, whatever characters it has."""
    assert failure(api(method, path, json={"name": "x"})) == (404, "E0000007")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", ""),
        ("PUT", ""),
        ("DELETE", ""),
        ("POST", "/HKYsome"),
        ("PATCH", "/HKYsome"),
        ("POST", "/public/some"),
        ("DELETE", "/public/some"),
    ],
)
def test_unsupported_methods(api: Api, method: str, path: str) -> None:
    """An unsupported method gives 405 E0000022."""
    assert failure(api(method, path, json={"name": "x"})) == (405, "E0000022")


@pytest.mark.parametrize("path", ["/", "/a/b", "/public/", "/public/a/b", "/public/a%2Fb", "x"])
def test_unknown_paths(api: Api, path: str) -> None:
    """A path outside the six endpoints gives 404 with Okta's error object, and no redirect."""
    response = api("GET", path, allow_redirects=False)
    assert failure(response) == (404, "E0000022")


NOT_WELL_FORMED = (400, "E0000003")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b'"name"',
        b'{"name": "x"} {}',
        b'{"name": "\xff"}',
        b"\x00",
        b'{"name":' + b"[" * 60_000,
        b'{"name":' + b"[" * 30_000 + b"]" * 30_000 + b"}",
        b'{"name":' + b"1" * 5_000 + b"}",
        b'{"name":"x","pad":"' + b"x" * 65_536 + b'"}',
        b'{"name":"x","pad":"' + b"x" * 200_000 + b'"}',
    ],
    ids=lambda body: f"{len(body)} bytes {body[:16]!a}",
)
def test_bodies_that_are_not_well_formed(api: Api, body: bytes) -> None:
    """A body that is not a JSON object, is nested too deeply or is over 64 KiB gives E0000003."""
    assert failure(api.post(body)) == NOT_WELL_FORMED
    assert api("GET").json() == []


def test_a_body_of_exactly_64_kib(api: Api) -> None:
    """A body of 64 KiB is accepted, and one byte more is refused."""
    head, tail = b'{"name":"x","pad":"', b'"}'
    pad = b"x" * (65_536 - len(head + tail))
    assert failure(api.post(head + pad + b"x" + tail)) == NOT_WELL_FORMED
    assert api.post(head + pad + tail).status_code == 200


@pytest.mark.parametrize(
    "content_type", [None, "", "text/plain", "application/x-www-form-urlencoded", "application/xml"]
)
def test_other_content_types(api: Api, content_type: str | None) -> None:
    """Another content type gives 400 E0000021, even for a valid body."""
    assert failure(api.post(b'{"name":"x"}', content_type)) == (400, "E0000021")


def test_a_content_type_with_a_charset(api: Api) -> None:
    """Parameters of the content type are ignored."""
    assert api.post(b'{"name":"x"}', "application/json; charset=utf-8").status_code == 200


@pytest.mark.parametrize(
    "body",
    [{}, {"name": ""}, {"name": "x" * 256}, {"name": None}, {"name": 5}, {"name": ["x"]}],
    ids=lambda body: str(body)[:20],
)
def test_refused_names(api: Api, body: dict[str, Any]) -> None:
    """POST and PUT answer an invalid name with 400 E0000001 and a cause."""
    made = create(api)
    for method, path in (("POST", ""), ("PUT", f"/{made['id']}")):
        response = api(method, path, json=body)
        assert failure(response) == (400, "E0000001")
        assert response.json()["errorCauses"][0]["errorSummary"].startswith("name:")
    assert [key["name"] for key in api("GET").json()] == ["one"]


def test_a_name_that_utf8_cannot_write(api: Api) -> None:
    """A name with a lone surrogate is refused, and the list stays readable."""
    response = api.post(b'{"name":"\\ud800"}')
    listed = api("GET")
    assert listed.status_code == 200
    assert (listed.json(), response.status_code) == ([], 400)


@pytest.mark.parametrize("name", ["x", "x" * 255, "Schlüssel", "🔑"], ids=lambda n: ascii(n)[:20])
def test_accepted_names(api: Api, name: str) -> None:
    """A name of 1 to 255 characters is returned unchanged."""
    assert create(api, name)["name"] == name
    assert [key["name"] for key in api("GET").json()] == [name]


def test_names_are_unique(api: Api) -> None:
    """POST and PUT answer the name of another key with 400 E0000001."""
    create(api, "one")
    two = create(api, "two")
    assert failure(api("POST", json={"name": "one"})) == (400, "E0000001")
    assert failure(api("PUT", f"/{two['id']}", json={"name": "one"})) == (400, "E0000001")


def test_fifty_keys(api: Api) -> None:
    """The 51st key is refused with 400 E0000001."""
    for number in range(50):
        create(api, str(number))
    assert failure(api("POST", json={"name": "one more"})) == (400, "E0000001")
    assert len(api("GET").json()) == 50


def test_a_used_key_cannot_be_deleted(okta: OktaEmulator) -> None:
    """A key that ``set_used`` marks has ``isUsed`` true and cannot be deleted."""
    made = okta.create_key("one")
    okta.org.set_used(made["id"])
    with closing(Api(okta)) as api:
        assert api("GET", f"/{made['id']}").json()["isUsed"] is True
        assert failure(api("DELETE", f"/{made['id']}")) == (400, "E0000001")
        okta.org.set_used(made["id"], used=False)
        assert api("DELETE", f"/{made['id']}").status_code == 204


# --- headers


def test_headers_of_every_answer(api: Api) -> None:
    """Every response has no-store, rate limit and request id headers, on success and failure."""
    made = create(api)
    answers = [
        api("GET"),
        api("POST", json={"name": ""}),
        api("GET", f"/{made['id']}"),
        api("GET", "/public/absent"),
        api("GET", headers={"Authorization": "SSWS wrong"}),
        api("DELETE", f"/{made['id']}"),
    ]
    assert [each.status_code for each in answers] == [200, 400, 200, 404, 401, 204]
    for each in answers:
        assert each.headers["Cache-Control"] == "no-cache, no-store"
        assert each.headers["X-Rate-Limit-Limit"] == str(10**6)
        assert 0 <= int(each.headers["X-Rate-Limit-Remaining"]) < 10**6
        assert 0 < int(each.headers["X-Rate-Limit-Reset"]) - time.time() + 1 < 62
        assert each.headers["Date"].endswith("GMT")
    assert len({each.headers["X-Okta-Request-Id"] for each in answers}) == len(answers)


def test_the_rate_limit(key_pool: KeyPool) -> None:
    """Requests over the limit get 429 E0000047 until the reset time in the headers."""
    now = 1_761_311_167.0
    emulator = OktaEmulator(new_key=key_pool, rate_limit=2, clock=lambda: now)
    with serving(emulator) as api:
        answers = [api("GET"), api("GET", "/public/absent"), api("GET"), api("GET")]
        assert [each.status_code for each in answers] == [200, 404, 429, 429]
        assert [each.headers["X-Rate-Limit-Remaining"] for each in answers] == ["1", "0", "0", "0"]
        assert {each.headers["X-Rate-Limit-Limit"] for each in answers} == {"2"}
        assert {each.headers["X-Rate-Limit-Reset"] for each in answers} == {"1761311220"}
        assert failure(answers[2]) == (429, "E0000047")
        now = 1_761_311_219.9
        assert api("GET").status_code == 429
        now = 1_761_311_220.0
        assert api("GET").status_code == 200


# --- secrets


def test_private_keys_are_in_no_body(key_pool: KeyPool) -> None:
    """No response contains a part of a private key or the API token."""
    private = key_pool()
    with serving(OktaEmulator(api_token=TOKEN, new_key=lambda: private)) as api:
        made = create(api)
        answers = [
            api("GET"),
            api("GET", f"/{made['id']}?expand=publickey"),
            api("PUT", f"/{made['id']}", json={"name": "two"}),
            api("GET", f"/public/{made['keyId']}"),
            api("POST", json={"name": "two"}),
            api("GET", headers={"Authorization": "SSWS wrong"}),
        ]
        text = json.dumps(made) + "".join(each.text + str(each.headers) for each in answers)
    assert made["_embedded"]["n"] in text
    for secret in (*_private_numbers(private), TOKEN, "PRIVATE", '"d"', '"p"', '"q"'):
        assert secret not in text


def _private_numbers(key: RSAPrivateKey) -> Iterator[str]:
    numbers = key.private_numbers()
    for number in (numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp):
        data = number.to_bytes((number.bit_length() + 7) // 8, "big")
        yield base64.urlsafe_b64encode(data).rstrip(b"=").decode()
        yield str(number)


# --- threads


def test_concurrent_creates_of_one_name(okta: OktaEmulator) -> None:
    """Of concurrent requests to create the same name, exactly one succeeds."""

    def attempt(_: int) -> int:
        with closing(Api(okta)) as api:
            return api("POST", json={"name": "one"}).status_code

    with ThreadPoolExecutor(8) as pool:
        statuses = sorted(pool.map(attempt, range(16)))
    assert statuses == [200] + [400] * 15
    assert len(okta.org.list()) == 1


# --- lifecycle


def test_the_log(okta: OktaEmulator) -> None:
    """``requests`` has a line for every request, in order, including refused ones."""
    with closing(Api(okta)) as api:
        made = create(api)
        api("GET", f"/{made['id']}?expand=publickey")
        api("GET", "/public/absent", headers={"Authorization": "x"})
        api("PATCH")
        api("GET", "/a/b")
        api("DELETE", f"/{made['id']}")
    assert list(okta.requests) == [
        RequestLine("POST", KEYS, 200),
        RequestLine("GET", f"{KEYS}/{made['id']}", 200),
        RequestLine("GET", f"{KEYS}/public/absent", 401),
        RequestLine("PATCH", KEYS, 405),
        RequestLine("GET", f"{KEYS}/a/b", 404),
        RequestLine("DELETE", f"{KEYS}/{made['id']}", 204),
    ]


def test_start_and_stop(key_pool: KeyPool) -> None:
    """The URL exists only while the org runs; a second start raises, a second stop does not."""
    emulator = OktaEmulator(new_key=key_pool)
    for _ in range(2):
        with pytest.raises(ConfigurationError, match="not running"):
            _ = emulator.url
        assert repr(emulator) == "OktaEmulator(stopped)"
        emulator.start()
        url = emulator.url
        assert repr(emulator) == f"OktaEmulator({url})"
        with pytest.raises(ConfigurationError, match="running already"):
            emulator.start()
        assert emulator.url == url
        emulator.stop()
        emulator.stop()
        with pytest.raises(requests.ConnectionError):
            requests.get(url, timeout=5)


def test_keys_survive_a_restart(key_pool: KeyPool) -> None:
    """A stopped org keeps its keys and serves them after a restart."""
    emulator = OktaEmulator(new_key=key_pool)
    made = emulator.create_key("one")
    for _ in range(2):
        with serving(emulator) as api:
            assert api("GET", f"/{made['id']}?expand=publickey").json() == made
    assert len(emulator.requests) == 2


def test_create_key_and_signer_agree_with_http(okta: OktaEmulator) -> None:
    """``create_key`` and ``signer`` use the same keys as the HTTP endpoints."""
    made = okta.create_key("one")
    with closing(Api(okta)) as api:
        assert api("GET", f"/public/{made['keyId']}").json() == made["_embedded"]
    assert okta.signer(made["keyId"]).public_jwk()["n"] == made["_embedded"]["n"]


def test_it_listens_on_loopback_only(okta: OktaEmulator) -> None:
    """The org listens on the IPv4 loopback address of its URL and on no other address."""
    server = okta._server
    assert server is not None
    listening = [each.getsockname() for part in server.servers for each in part.sockets]
    assert [host for host, _ in listening] == ["127.0.0.1"]
    assert okta.url == f"http://127.0.0.1:{listening[0][1]}"


def test_a_random_token_by_default() -> None:
    """Every emulator has its own API token, which is too long to be guessed."""
    first, second = OktaEmulator().api_token, OktaEmulator().api_token
    assert first != second
    assert len(first) >= 32


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"public_shape": "flat"}, "public_shape"),
        ({"public_shape": None}, "public_shape"),
        ({"rate_limit": 0}, "rate_limit"),
        ({"rate_limit": -1}, "rate_limit"),
        ({"rate_limit": True}, "rate_limit"),
        ({"rate_limit": 1.5}, "rate_limit"),
        ({"rate_limit": "600"}, "rate_limit"),
        ({"rate_limit": None}, "rate_limit"),
        ({"api_token": ""}, "api_token"),
        ({"api_token": 5}, "api_token"),
        ({"api_token": b"token"}, "api_token"),
        ({"api_token": "two words"}, "api_token"),
        ({"api_token": "é"}, "api_token"),
    ],
    ids=str,
)
def test_wrong_arguments(arguments: dict[str, Any], named: str) -> None:
    """A wrong argument raises at construction, with its name in the message."""
    make: Callable[..., OktaEmulator] = OktaEmulator
    with pytest.raises(ConfigurationError, match=named):
        make(**arguments)
