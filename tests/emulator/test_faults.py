"""Injected faults: over our server, over another ASGI server, and in process."""

from __future__ import annotations

import io
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import requests
from starlette.applications import Starlette
from starlette.routing import Mount
from urllib3 import Timeout

from hookkey_verify import ApiToken, ConfigurationError, HookKeys, HookKeysClient
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.emulator.faults import Fault
from hookkey_verify.errors import HookKeyError, TransportError

from ..conftest import KeyPool
from ..servers import asgi_server

KEYS = "/api/v1/hook-keys"

Call = Callable[..., requests.Response]


@contextmanager
def sockets(okta: OktaEmulator) -> Iterator[str]:
    okta.start()
    yield okta.url


@contextmanager
def foreign_server(okta: OktaEmulator) -> Iterator[str]:
    with asgi_server(okta.app) as port:
        yield f"http://127.0.0.1:{port}"


@contextmanager
def in_process(_: OktaEmulator) -> Iterator[str]:
    yield "https://acme.okta.com"


@pytest.fixture(params=[sockets, foreign_server, in_process], ids=lambda face: face.__name__)
def face(request: pytest.FixtureRequest, key_pool: KeyPool) -> Iterator[tuple[OktaEmulator, Call]]:
    """The org, and a function that calls it over one of the three transports."""
    okta, session = OktaEmulator(new_key=key_pool), requests.Session()
    session.trust_env = False
    session.headers["Authorization"] = f"SSWS {okta.api_token}"
    session.mount("https://acme.okta.com", okta.adapter())
    with request.param(okta) as url:

        def call(method: str = "GET", path: str = KEYS, **more: Any) -> requests.Response:
            return session.request(method, url + path, **{"timeout": 10, **more})

        yield okta, call
    session.close()
    okta.close()


def test_without_faults(face: tuple[OktaEmulator, Call]) -> None:
    """Every transport reaches the same org: keys, metadata, 404 and 405."""
    okta, call = face
    made = call("POST", json={"name": "one"})
    assert (made.status_code, made.headers["Content-Type"]) == (200, "application/json")
    assert call().json()[0]["keyId"] == made.json()["keyId"]
    assert call("GET", "/nothing").status_code == 404
    assert call("PATCH").status_code == 405
    assert call("PATCH").headers["Allow"]
    deleted = call("DELETE", f"{KEYS}/{made.json()['id']}")
    assert (deleted.status_code, deleted.content) == (204, b"")
    server = f"/oauth2/{okta.authorization_server.id}"
    issuer = call("GET", f"{server}/.well-known/openid-configuration").json()["issuer"]
    assert issuer.endswith(server)
    assert call("GET", f"{server}/v1/keys").json()["keys"]
    assert [line.status for line in okta.requests] == [200, 200, 404, 405, 405, 204, 200, 200]


def test_a_status_fault(face: tuple[OktaEmulator, Call]) -> None:
    """``fail`` returns the given status and headers for ``times`` requests, then stops."""
    okta, call = face
    okta.fail(429, headers={"X-Rate-Limit-Reset": "1761311167", "Retry-After": "7"}, times=2)
    for _ in range(2):
        answer = call()
        assert (answer.status_code, answer.json()["errorCode"]) == (429, "E0000047")
        assert answer.headers["X-Rate-Limit-Reset"] == "1761311167"
        assert answer.headers["Retry-After"] == "7"
        assert len(answer.headers["X-Rate-Limit-Limit"]) > 0
    assert call().status_code == 200


def test_reset(face: tuple[OktaEmulator, Call]) -> None:
    """``reset`` drops the request; with ``after`` the org carries it out but sends no response."""
    okta, call = face
    for after, expected in ((False, []), (True, ["x"])):
        okta.fail("reset", after=after)
        with pytest.raises(requests.RequestException):
            call("POST", json={"name": "x"})
        assert [key["name"] for key in call().json()] == expected


def test_truncated(face: tuple[OktaEmulator, Call]) -> None:
    """``truncated`` closes the connection in the middle of the response."""
    okta, call = face
    okta.fail("truncated")
    with pytest.raises(requests.RequestException):
        call()
    assert call().json() == []


def test_garbage(face: tuple[OktaEmulator, Call]) -> None:
    """``garbage`` is a 200 with application/json and a body that is not JSON."""
    okta, call = face
    okta.fail("garbage")
    answer = call()
    assert (answer.status_code, answer.headers["Content-Type"]) == (200, "application/json")
    with pytest.raises(requests.exceptions.JSONDecodeError):
        answer.json()


def test_slow(face: tuple[OktaEmulator, Call]) -> None:
    """``slow`` spreads the response over ``delay`` seconds without triggering a read timeout."""
    okta, call = face
    okta.fail("slow", delay=0.3)
    began = time.monotonic()
    assert call(timeout=(1, 0.2)).json() == []
    assert time.monotonic() - began > 0.25


def test_delay(face: tuple[OktaEmulator, Call]) -> None:
    """``delay`` alone postpones the response, which triggers a read timeout."""
    okta, call = face
    okta.fail(delay=0.5)
    with pytest.raises(requests.Timeout):
        call(timeout=0.1)
    assert call().status_code == 200


def test_by_method_and_path(face: tuple[OktaEmulator, Call]) -> None:
    """A fault affects only its method and path; faults of one path occur in the order given."""
    okta, call = face
    okta.fail(500, method="POST")
    okta.fail(503, path="/oauth2")
    okta.fail(502, path=KEYS)
    okta.fail(504, path=KEYS)
    assert [call().status_code for _ in range(3)] == [502, 504, 200]
    assert call("POST", json={"name": "x"}).status_code == 500
    assert call("POST", "/oauth2/v1/token", data={}).json()["error"] == "server_error"
    okta.fail(500, times=9)
    okta.faults.clear()
    assert call().status_code == 200


def test_forwarded_headers_are_ignored(okta: OktaEmulator) -> None:
    """The emulator has no proxy in front of it and ignores ``X-Forwarded-*`` headers."""
    headers = {"X-Forwarded-For": "1.2.3.4", "X-Forwarded-Proto": "https"}
    document = requests.get(f"{okta.url}/openapi.json", headers=headers, timeout=10).json()
    assert document["servers"][0]["url"].startswith("http://127.0.0.1:")
    okta.fail("reset")
    with pytest.raises(requests.ConnectionError):
        requests.get(f"{okta.url}{KEYS}", headers=headers, timeout=10)


def test_other_requests_features(face: tuple[OktaEmulator, Call]) -> None:
    """Every transport supports HEAD, streamed bodies and all forms of ``timeout``."""
    _, call = face
    answer = call("HEAD")
    assert (answer.status_code, answer.content) == (200, b"")
    json_type = {"Content-Type": "application/json"}
    for body in (io.StringIO('{"name": "one"}'), iter([b'{"name":', b'"two"}']), '{"name": "3"}'):
        assert call("POST", data=body, headers=json_type).status_code == 200
    assert call(timeout=Timeout(10)).status_code == 200
    assert call(timeout=(5, 10)).status_code == 200
    with pytest.raises(UnicodeEncodeError):
        call(headers={"X": "\u20ac"})


def test_faults_over_http(face: tuple[OktaEmulator, Call]) -> None:
    """Tests in other languages inject and clear faults over HTTP with the API token."""
    _, call = face
    fault = {"what": 418, "path": KEYS, "times": 2}
    assert call("POST", "/emulator/faults", json=fault).status_code == 204
    assert [call().status_code for _ in range(3)] == [418, 418, 200]
    call("POST", "/emulator/faults", json=fault)
    assert call("DELETE", "/emulator/faults").status_code == 204
    assert call().status_code == 200
    for wrong, cause in (
        ({"what": "fire"}, "what must be None, a status from 400 to 599, or reset"),
        ({"unknown": 1}, "a field that faults do not have"),
        ({"times": 0}, "times must be"),
    ):
        answer = call("POST", "/emulator/faults", json=wrong)
        assert answer.status_code == 400
        assert cause in answer.json()["errorCauses"][0]["errorSummary"]
    stranger = call("POST", "/emulator/faults", json=fault, headers={"Authorization": "SSWS x"})
    assert stranger.status_code == 401
    assert call().status_code == 200


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"what": 200}, "what must be"),
        ({"what": 600}, "what must be"),
        ({"what": True}, "what must be"),
        ({"what": "500"}, "what must be"),
        ({"what": "slow"}, "slow needs a delay"),
        ({"delay": -1}, "delay must be"),
        ({"delay": 61}, "delay must be"),
        ({"delay": "1"}, "delay must be"),
        ({"after": 1}, "after must be"),
        ({"times": 0}, "times must be"),
        ({"times": 1.5}, "times must be"),
        ({"path": 5}, "path and method"),
        ({"method": 5}, "path and method"),
        ({"headers": [("A", "b")]}, "headers must map"),
        ({"headers": {"A b": "c"}}, "headers must map"),
        ({"headers": {"A": "b\r\nC: d"}}, "headers must map"),
        ({"headers": {"A": 5}}, "headers must map"),
        ({"headers": {"": "x"}}, "headers must map"),
        ({"headers": {"A": " b"}}, "headers must map"),
        ({"headers": {"A": "b "}}, "headers must map"),
        ({"headers": {"Content-Length": "5"}}, "cannot be connection, content-length"),
        ({"headers": {"transfer-encoding": "gzip"}}, "cannot be connection, content-length"),
    ],
    ids=str,
)
def test_invalid_faults(fields: dict[str, Any], problem: str) -> None:
    """The error names the invalid field."""
    with pytest.raises(ConfigurationError, match=problem):
        Fault(**fields)


@pytest.mark.parametrize("kind", ["reset", "garbage", "truncated"])
def test_our_client_recovers(okta: OktaEmulator, kind: Any) -> None:
    """The client and the key source raise our errors for a fault, and work once it is over."""
    key = okta.create_key("one")
    okta.fail(kind, times=5)
    with HookKeysClient(okta.url, ApiToken(okta.api_token), max_wait=0) as client:
        with pytest.raises(TransportError):
            client.list()
    okta.faults.clear()
    okta.fail(kind)
    keys = HookKeys(okta.url, ApiToken(okta.api_token))
    with pytest.raises(HookKeyError):
        keys.get(key["keyId"])
    keys.close()
    keys = HookKeys(okta.url, ApiToken(okta.api_token))
    assert keys.get(key["keyId"]).kid == key["keyId"]
    keys.close()


def test_skew(okta: OktaEmulator) -> None:
    """``skew`` shifts every time that the org reports: ``Date``, rate limits and timestamps."""
    okta.skew(-600)
    answer = requests.get(okta.url + KEYS, timeout=5)
    date = time.mktime(time.strptime(answer.headers["Date"], "%a, %d %b %Y %H:%M:%S GMT"))
    assert abs(date - time.timezone - time.time() + 600) < 3
    assert int(answer.headers["X-Rate-Limit-Reset"]) < time.time() - 500
    assert okta.create_key("one")["created"] < time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime())
    okta.skew(0)
    for wrong in ("1", float("nan"), 1e10, True, None):
        with pytest.raises(ConfigurationError, match="seconds must be"):
            okta.skew(wrong)  # type: ignore[arg-type]


def test_deleting_a_key_that_is_in_use(okta: OktaEmulator) -> None:
    """A hook whose key was deleted fails, and the delivery gives the reason."""
    key = okta.create_key("one")
    hook = okta.create_hook("http://127.0.0.1:9/hook", key=key)
    okta.delete_key(key["id"])
    delivery = okta.fire(hook["id"])
    assert (delivery.outcome, delivery.steps[-1].problem) == ("failed", "the hook key is gone")


def test_mounted_below_a_path(key_pool: KeyPool) -> None:
    """When the app is mounted below a path, its URLs include that path and faults do not."""
    okta = OktaEmulator(new_key=key_pool)
    okta.fail(503, path=KEYS)
    with asgi_server(Starlette(routes=[Mount("/okta", okta.app)])) as port:
        url = f"http://127.0.0.1:{port}/okta"
        headers = {"Authorization": f"SSWS {okta.api_token}"}
        answers = [requests.get(url + KEYS, headers=headers, timeout=5) for _ in range(2)]
        assert [each.status_code for each in answers] == [503, 200]
        server = f"{url}/oauth2/{okta.authorization_server.id}"
        document = requests.get(f"{server}/.well-known/openid-configuration", timeout=5).json()
        assert document["issuer"] == server
        page = requests.get(f"{url}/", timeout=5).text
        assert f'action="{url}/console/create-key"' in page
        assert requests.get(f"{url}/openapi.json", timeout=5).json()["servers"] == [{"url": url}]
    assert {line.path for line in okta.requests} >= {KEYS}
    okta.close()
