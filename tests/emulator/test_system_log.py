"""The emulator's System Log, the keys of its applications, and the rule of its server."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from hookkey_verify import HookSigner
from hookkey_verify.emulator import OktaEmulator, OktaError
from hookkey_verify.emulator.client_keys import MAX_KEYS
from hookkey_verify.emulator.inline_hooks import EmulatedHook
from hookkey_verify.emulator.log_writer import LogWriter
from hookkey_verify.emulator.system_log import SystemLog
from hookkey_verify.emulator.verdict import Delivery, DeliveryStep

from ..conftest import KeyPool
from ..faults import FaultServer, json_answer

FAILED = (
    '(eventType eq "inline_hook.executed" or eventType eq "inline_hook.response.processed") and '
    'outcome.result eq "FAILURE"'
)
TARGET = {"id": "cal1", "type": "InlineHook", "displayName": "Claims"}


class Api:
    """Sends requests to the management API of an org."""

    def __init__(self, okta: OktaEmulator) -> None:
        self.okta = okta
        self._headers = {"Authorization": f"SSWS {okta.api_token}"}

    def __call__(self, path: str, method: str = "GET", **options: Any) -> requests.Response:
        url = path if path.startswith("http") else f"{self.okta.url}/api/v1{path}"
        return requests.request(method, url, headers=self._headers, timeout=10, **options)

    def logs(self, **parameters: Any) -> list[dict[str, Any]]:
        answer = self("/logs", params=parameters)
        assert answer.status_code == 200, answer.text
        found: list[dict[str, Any]] = answer.json()
        return found


@pytest.fixture
def api(okta: OktaEmulator) -> Api:
    return Api(okta)


# --- the events


def test_the_life_of_a_key(api: Api) -> None:
    """Creating, renaming and deleting a hook key is logged with its id, keyId and name."""
    key = api.okta.create_key("one")
    api.okta.org.rename(key["id"], {"name": "two"})
    api.okta.org.delete(key["id"])
    events = api.logs()
    kinds = ("created", "updated", "deleted")
    assert [event["eventType"] for event in events] == [f"system.hook.key.{k}" for k in kinds]
    target = events[-1]["target"][0]
    assert (target["id"], target["displayName"]) == (key["id"], "two")
    assert target["detailEntry"]["keyId"] == key["keyId"]
    assert {event["outcome"]["result"] for event in events} == {"SUCCESS"}


def test_the_life_of_a_hook(api: Api) -> None:
    """Creating, changing and deleting an inline hook is logged with its id and name."""
    hooks = api.okta.hooks
    made = api.okta.create_hook("https://acme.com/hook", name="Claims")
    hooks.replace(made["id"], {"name": "Other"})
    hooks.set_status(made["id"], "INACTIVE")
    hooks.set_status(made["id"], "ACTIVE")
    hooks.set_status(made["id"], "INACTIVE")
    hooks.delete(made["id"])
    events = api.logs(filter=f'target.id eq "{made["id"]}"')
    assert [event["eventType"].removeprefix("inline_hook.") for event in events] == [
        "created", "updated", "deactivated", "activated", "deactivated", "deleted",
    ]  # fmt: skip
    assert [event["target"][0]["displayName"] for event in events[:2]] == ["Claims", "Other"]


def test_a_success(api: Api) -> None:
    """A reply that Okta can use is logged as processed, with the reply's debugContext."""
    with FaultServer(json_answer(200, {"debugContext": {"a": 1}})) as handler:
        api.okta.fire(api.okta.create_hook(handler.url)["id"])
    event = api.logs()[-1]
    assert event["eventType"] == "inline_hook.response.processed"
    assert event["outcome"] == {"result": "SUCCESS", "reason": None}
    debug = event["debugContext"]["debugData"]
    assert debug["inlineHook"] == {"a": 1}
    assert "?" not in debug["requestUri"]


@pytest.mark.parametrize(
    ("problem", "reason"),
    [
        ("lost (SSLError)", "TLS handshake with a.b failed"),
        ("lost (NewConnectionError)", "Connection to a.b refused"),
        ("lost (NameResolutionError)", "Unknown host a.b"),
        ("lost (ConnectTimeoutError)", "Connection to a.b timed out"),
        ("lost (OSError)", "Connection to a.b was lost"),
        ("lost", "Connection to a.b was lost"),
    ],
)
def test_lost_connections(problem: str, reason: str) -> None:
    """The reason of a lost connection names the host and what failed."""
    log = SystemLog(lambda: 1_700_000_000.0)
    hook = EmulatedHook("cal1", "n", "t", "ACTIVE", "", "", "", "HTTP", "https://a.b/hook")
    step = DeliveryStep("hook", "POST", problem=problem)
    delivery = Delivery("cal1", "t", (step,), "failed", "")
    LogWriter(log).delivered(hook, delivery)
    (event,) = log.query({}).events
    assert event["outcome"]["reason"] == reason
    assert event["published"] == "2023-11-14T22:13:20.000Z"
    assert "requestUri" not in event["debugContext"]["debugData"]


def test_long_reasons_are_cut(api: Api) -> None:
    """A reason has at most 255 characters."""
    with FaultServer(json_answer(200, {"error": {"errorSummary": "x" * 300}})) as handler:
        api.okta.fire(api.okta.create_hook(handler.url)["id"])
    assert api.logs()[-1]["outcome"]["reason"] == "x" * 255


def test_commands_that_are_not_patches(api: Api) -> None:
    """Commands that cannot be read do not stop the log from being written."""
    hook = api.okta.create_hook("https://acme.com/hook")
    patched = {"type": "com.okta.access.patch", "value": [5, {"op": "remove", "path": "x"}]}
    step = DeliveryStep("hook", "POST", status=200, body="{}")
    answer = {"commands": [5, {"type": "com.okta.access.patch", "value": 5}, patched]}
    body = b'{"data": {"access": {}}}'
    delivery = Delivery(hook["id"], "t", (step,), "failed", "", answer=answer, body=body)
    LogWriter(api.okta.log).delivered(api.okta.hooks.get(hook["id"]), delivery)
    assert api.logs()[-1]["outcome"]["reason"] == "Invalid operation(op=remove, path=x)"


def test_operations_in_order(api: Api) -> None:
    """An operation may need a claim that an earlier operation has added."""
    operations = [
        {"op": "add", "path": "/claims/a", "value": {}},
        {"op": "add", "path": "/claims/a/b", "value": 1},
        {"op": "replace", "path": "/claims/a/b", "value": 2},
        {"op": "remove", "path": "/claims/a"},
    ]
    commands = [{"type": "com.okta.access.patch", "value": [each]} for each in operations]
    with FaultServer(json_answer(200, {"commands": commands})) as handler:
        hook = api.okta.create_hook(handler.url)
        api.okta.fire(hook["id"])
    assert api.logs()[-1]["outcome"]["result"] == "SUCCESS"


# --- queries


@pytest.fixture
def log() -> SystemLog:
    """A log with one event a second."""
    now = [1_700_000_000.0]
    made = SystemLog(lambda: now[0])
    for number in range(5):
        kind, result = ("a", "SUCCESS") if number % 2 else ("b", "FAILURE")
        made.write(f"hook.{kind}", f"Number {number}", targets=[TARGET], result=result)
        now[0] += 1
    return made


def _numbers(log: SystemLog, **parameters: str) -> list[int]:
    return [int(event["displayMessage"][-1]) for event in log.query(parameters).events]


@pytest.mark.parametrize(
    ("parameters", "numbers"),
    [
        ({}, [0, 1, 2, 3, 4]),
        ({"since": "2023-11-14T22:13:22Z"}, [2, 3, 4]),
        ({"since": "2023-11-14T22:13:22"}, [2, 3, 4]),
        ({"until": "2023-11-14T23:13:22+01:00"}, [0, 1]),
        ({"sortOrder": "DESCENDING"}, [4, 3, 2, 1, 0]),
        ({"limit": "2"}, [0, 1]),
        ({"limit": "0"}, []),
        ({"after": "3"}, [3, 4]),
        ({"after": "3", "sortOrder": "DESCENDING"}, [1, 0]),
        ({"q": "number claims FAILURE"}, [0, 2, 4]),
        ({"q": "nothing"}, []),
        ({"filter": 'eventType eq "hook.a"'}, [1, 3]),
        ({"filter": 'eventType eq "hook.a" and outcome.result eq "FAILURE"'}, []),
        ({"filter": 'eventType eq "hook.a" or outcome.result eq "FAILURE"'}, [0, 1, 2, 3, 4]),
        ({"filter": '(eventType eq "x" or eventType eq "hook.b") and target.id eq "cal1"'},
         [0, 2, 4]),
        ({"filter": 'eventType eq "x" or eventType eq "hook.a" and target.id eq "cal1"'}, [1, 3]),
        ({"filter": ' ( (severity eq "INFO") ) '}, [0, 1, 2, 3, 4]),
        ({"filter": 'target.displayName eq "Cl\\u0061ims"'}, [0, 1, 2, 3, 4]),
    ],
)  # fmt: skip
def test_queries(log: SystemLog, parameters: dict[str, str], numbers: list[int]) -> None:
    """Each parameter selects events as Okta documents it."""
    assert _numbers(log, **parameters) == numbers


@pytest.mark.parametrize(
    "parameters",
    [
        {"limit": "1001"},
        {"limit": "-1"},
        {"limit": "x"},
        {"after": "x"},
        {"since": "yesterday"},
        {"until": "9999-99-99"},
        {"sortOrder": "UP"},
        {"unknown": "1"},
        *(
            {"filter": text}
            for text in (
                "eventType",
                'eventType eq "a',
                "eventType eq a",
                'eventType ne "a"',
                'eventType co "a"',
                'secret eq "a"',
                '(eventType eq "a"',
                'eventType eq "a")',
                'eventType eq "a" and',
                'eventType eq "a" eventType eq "b"',
                'eventType eq "\\x"',
                "%",
                "(" * 30 + 'eventType eq "a"' + ")" * 30,
                'eventType eq "' + "a" * 2_000 + '"',
            )
        ),
    ],
    ids=lambda parameters: repr(parameters)[:60],
)
def test_queries_that_okta_refuses(log: SystemLog, parameters: dict[str, str]) -> None:
    """An invalid parameter, and a filter of any other form, is refused with 400."""
    with pytest.raises(OktaError) as caught:
        log.query(parameters)
    assert caught.value.status == 400


def test_pages(api: Api) -> None:
    """The link "next" leads through all events; without ``until`` it never ends."""
    for number in range(3):
        api.okta.log.write("a", f"Number {number}", targets=[])
    period = {"since": "2020-01-01T00:00:00Z", "until": "2999-01-01T00:00:00Z"}
    answer = api("/logs", params={"limit": 2, **period})
    assert len(answer.json()) == 2
    answer = api(answer.links["next"]["url"])
    assert len(answer.json()) == 1
    assert set(answer.links) == {"self"}
    polled = api("/logs", params={"limit": 2})
    for expected in (1, 0, 0):
        polled = api(polled.links["next"]["url"])
        assert len(polled.json()) == expected
    api.okta.log.write("a", "Number 3", targets=[])
    assert [event["displayMessage"] for event in api(polled.links["next"]["url"]).json()] == [
        "Number 3"
    ]


def test_the_log_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """The log keeps the last 10,000 events."""
    log = SystemLog(lambda: 1_700_000_000.0)
    for number in range(10_003):
        log.write("a", str(number), targets=[])
    assert log.query({"limit": "1"}).events[0]["displayMessage"] == "3"


def test_the_rate_limit_of_the_log(key_pool: KeyPool) -> None:
    """The System Log has a rate limit of its own, 120 a minute."""
    now = 1_700_000_000.0
    with OktaEmulator(new_key=key_pool, clock=lambda: now) as okta:
        api = Api(okta)
        assert [api("/logs").status_code for _ in range(121)][-2:] == [200, 429]
        assert api("/inlineHooks").status_code == 200


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/logs", "okta.logs.read"),
        ("/apps", "okta.apps.read"),
        ("/authorizationServers", "okta.authorizationServers.read"),
        ("/inlineHooks", "okta.inlineHooks.read"),
    ],
)
def test_scopes(okta: OktaEmulator, app_key: HookSigner, path: str, scope: str) -> None:
    """Each resource requires its own scope."""
    url = f"{okta.url}/oauth2/v1/token"
    for granted, status in ((scope, 200), ("okta.users.read", 403)):
        client_id = okta.create_service_app(app_key.public_jwk(), [granted])
        form = {
            "grant_type": "client_credentials",
            "scope": granted,
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": app_key.client_assertion(client_id=client_id, token_url=url),
        }
        token = requests.post(url, form, timeout=10).json()["access_token"]
        headers = {"Authorization": f"Bearer {token}"}
        answer = requests.get(f"{okta.url}/api/v1{path}", headers=headers, timeout=10)
        assert answer.status_code == status


# --- authorization servers


def test_the_rule_of_the_server(api: Api) -> None:
    """The rule of the server's policy has the token inline hook, and PUT changes it."""
    okta = api.okta
    (server,) = api("/authorizationServers").json()
    assert server["issuer"] == okta.issuer
    base = f"/authorizationServers/{server['id']}"
    assert api(base).json() == server
    (policy,) = api(f"{base}/policies").json()
    (rule,) = api(f"{base}/policies/{policy['id']}/rules").json()
    assert rule["actions"]["token"]["inlineHook"] == {"id": None}
    hook = okta.create_hook("https://acme.com/hook")
    rule["actions"]["token"]["inlineHook"]["id"] = hook["id"]
    rule["conditions"]["grantTypes"]["include"] = ["authorization_code"]
    path = f"{base}/policies/{policy['id']}/rules/{rule['id']}"
    changed = api(path, "PUT", json=rule).json()
    assert changed == api(path).json()
    assert changed["actions"]["token"]["inlineHook"]["id"] == hook["id"]
    assert changed["conditions"]["grantTypes"]["include"] == ["authorization_code"]
    okta.call_hook_for_tokens(None)
    assert api(path).json()["actions"]["token"]["inlineHook"] == {"id": None}


@pytest.mark.parametrize(
    "body",
    [
        {"actions": {"token": {"inlineHook": {"id": "calUnknown"}}}},
        {"actions": {"token": {"inlineHook": {"id": 5}}}},
        {"conditions": {"grantTypes": {"include": "all"}}},
        {"conditions": {"scopes": {"include": [5]}}},
    ],
)
def test_rules_that_are_refused(api: Api, body: dict[str, Any]) -> None:
    """A rule with an unknown hook or a wrong condition is refused with 400."""
    rules, server = api.okta._parts.rules, api.okta.authorization_server.id
    path = f"/authorizationServers/{server}/policies/{rules.policy_id}/rules/{rules.rule_id}"
    assert api(path, "PUT", json=body).status_code == 400


def test_unknown_ids(api: Api) -> None:
    """An unknown server, policy, rule, application or key is answered with 404."""
    rules, server = api.okta._parts.rules, api.okta.authorization_server.id
    base = f"/authorizationServers/{server}/policies"
    client_id = api.okta.create_service_app(HookSigner.generate().public_jwk())
    keys = f"/apps/{client_id}/credentials/jwks"
    for path, method in (
        ("/authorizationServers/x", "GET"),
        ("/authorizationServers/x/policies", "GET"),
        (f"{base}/x/rules", "GET"),
        (f"{base}/{rules.policy_id}/rules/x", "GET"),
        ("/apps/x", "GET"),
        ("/apps/x/credentials/jwks", "GET"),
        (f"{keys}/x", "GET"),
        (f"{keys}/x", "DELETE"),
        (f"{keys}/x/lifecycle/activate", "POST"),
        (f"{keys}/x/lifecycle/explode", "POST"),
    ):
        assert api(path, method).status_code == 404, path


def test_a_hook_that_calls_itself(api: Api) -> None:
    """A token for a hook that the rule calls comes too late for the hook; others are not late."""
    okta = api.okta
    with FaultServer(json_answer(200, {})) as handler:
        own = okta.create_hook(handler.url, name="own", client_secret="s3cret-one")
        other = okta.create_hook(handler.url, name="other", client_secret="s3cret-two")
        okta.call_hook_for_tokens(own["id"])
        assert okta.fire(other["id"]).ok
        assert "no answer within" in okta.fire(own["id"]).verdict
        okta.hooks.set_status(own["id"], "INACTIVE")
        okta.hooks.delete(own["id"])
        okta.hooks.replace(other["id"], {"name": "again"})
        assert okta.fire(other["id"]).ok


# --- keys of applications


def test_keys_of_an_application(api: Api, app_key: HookSigner, key_pool: KeyPool) -> None:
    """A client accepts assertions of each active key; only inactive keys can be deleted."""
    okta = api.okta
    client_id = okta.create_service_app(app_key.public_jwk(), ["okta.logs.read"])
    keys = f"/apps/{client_id}/credentials/jwks"
    second = HookSigner(key_pool(), "second")
    added = api(keys, "POST", json=second.public_jwk())
    assert added.status_code == 201
    document = added.json()
    assert document["id"].startswith("pks")
    assert (document["kid"], document["status"]) == ("second", "ACTIVE")
    listed = api(keys).json()
    assert [each["kid"] for each in listed] == ["app-key", "second"]
    assert api(f"{keys}/{document['id']}").json() == listed[1]
    assert api(f"/apps/{client_id}").json() in api("/apps").json()

    def accepted(signer: HookSigner, **headers: Any) -> bool:
        url = f"{okta.url}/oauth2/v1/token"
        exp = int(time.time()) + 300
        claims = {"iss": client_id, "sub": client_id, "aud": url, "exp": exp}
        form = {
            "grant_type": "client_credentials",
            "scope": "okta.logs.read",
            "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
            "client_assertion": signer.sign(claims, headers=headers),
        }
        return requests.post(url, form, timeout=10).status_code == 200

    assert accepted(app_key)
    assert accepted(second)
    assert not accepted(second, kid=None), "with two keys, an assertion needs a kid"
    first = f"{keys}/{listed[0]['id']}"
    assert api(first, "DELETE").status_code == 400
    assert api(f"{first}/lifecycle/deactivate", "POST").json()["status"] == "INACTIVE"
    assert not accepted(app_key)
    assert accepted(second, kid=None)
    assert api(f"{first}/lifecycle/activate", "POST").json()["status"] == "ACTIVE"
    assert accepted(app_key)
    api(f"{first}/lifecycle/deactivate", "POST")
    assert api(first, "DELETE").status_code == 204
    assert [each["kid"] for each in api(keys).json()] == ["second"]


@pytest.mark.parametrize(
    "change",
    [{"kid": "app-key"}, {"kid": ""}, {"kid": 5}, {"status": "GONE"}, {"n": None}, {"kty": "oct"}],
)
def test_keys_that_are_refused(api: Api, app_key: HookSigner, change: dict[str, Any]) -> None:
    """A JWK with the kid of another key, or that is not a public key, is refused with 400."""
    client_id = api.okta.create_service_app(app_key.public_jwk())
    body = {**app_key.public_jwk(), "kid": "new", **change}
    answer = api(f"/apps/{client_id}/credentials/jwks", "POST", json=body)
    assert answer.status_code == 400


def test_the_number_of_keys_is_limited(api: Api, app_key: HookSigner) -> None:
    """A client has at most 50 keys. A JWK without a kid gets one."""
    client_id = api.okta.create_service_app(app_key.public_jwk())
    jwk = {name: value for name, value in app_key.public_jwk().items() if name != "kid"}
    statuses = [
        api(f"/apps/{client_id}/credentials/jwks", "POST", json=jwk).status_code
        for _ in range(MAX_KEYS)
    ]
    assert statuses == [201] * (MAX_KEYS - 1) + [400]


def test_keys_and_rule_survive_a_restart(
    tmp_path: Any, app_key: HookSigner, key_pool: KeyPool
) -> None:
    """The state file has the keys of applications and the rule."""
    file = tmp_path / "org.state"
    with OktaEmulator(new_key=key_pool, state=file) as okta:
        client_id = okta.create_service_app(app_key.public_jwk())
        hook = okta.create_hook("https://acme.com/hook")
        okta.call_hook_for_tokens(hook["id"])
        before = Api(okta)(f"/apps/{client_id}").json()
    with OktaEmulator(new_key=key_pool, state=file) as okta:
        assert Api(okta)(f"/apps/{client_id}").json() == before
        assert okta._parts.rules.hook_id == hook["id"]
