"""The emulator's inline hooks: Okta's rules, in process and over HTTP."""

from __future__ import annotations

from base64 import b64encode
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from hookkey_verify.emulator import OktaEmulator, OktaError
from hookkey_verify.emulator.inline_hooks import MAX_HOOKS, InlineHooks
from hookkey_verify.hooks.rules import EVENT_TYPES
from hookkey_verify.okta import ApiToken, HookKeysClient, InlineHooksClient
from hookkey_verify.okta.applications import ApplicationKeysClient

from ..faults import FaultServer, json_answer

URI = "https://hooks.acme.com/hook"
TOKEN_URL = "https://hooks.acme.com/token"
SECRET = "s3cret-value"


def _http(**changes: Any) -> dict[str, Any]:
    scheme = {"type": "HEADER", "key": "Authorization", "value": SECRET}
    config = {"uri": URI, "method": "POST", "headers": [], "authScheme": scheme, **changes}
    channel = {"type": "HTTP", "version": "1.0.0", "config": config}
    return {"name": "hook", "type": EVENT_TYPES[0], "version": "1.0.0", "channel": channel}


def _oauth(**changes: Any) -> dict[str, Any]:
    config = {
        "uri": URI,
        "authType": "private_key_jwt",
        "clientId": "0oa1",
        "tokenUrl": TOKEN_URL,
        "scope": "hooks",
        "hookKeyId": "HKY1",
        "authScheme": None,
    }
    return {
        **_http(),
        "channel": {"type": "OAUTH", "version": "1.0.0", "config": {**config, **changes}},
    }


@pytest.fixture
def hooks() -> InlineHooks:
    return InlineHooks(has_key=lambda id_: id_ == "HKY1", clock=lambda: 1_700_000_000)


def test_a_hook_with_a_header(hooks: InlineHooks) -> None:
    """The document of a hook does not contain its secret."""
    made = hooks.create(_http(headers=[{"key": "X-A", "value": "b"}]))
    assert made["id"].startswith("cal")
    assert (made["status"], made["created"]) == ("ACTIVE", "2023-11-14T22:13:20.000Z")
    config = made["channel"]["config"]
    assert config["authScheme"] == {"type": "HEADER", "key": "Authorization"}
    assert config["headers"] == [{"key": "X-A", "value": "b"}]
    assert SECRET not in f"{made} {hooks.get(made['id'])!r}"
    assert hooks.list() == [made]
    assert hooks.list(EVENT_TYPES[0]) == [made]
    assert hooks.list(EVENT_TYPES[1]) == []


def test_a_hook_with_oauth(hooks: InlineHooks) -> None:
    """A hook key is in use as long as a hook refers to it."""
    made = hooks.create(_oauth())
    assert made["channel"]["config"]["hookKeyId"] == "HKY1"
    assert made["channel"]["config"]["authScheme"] is None
    assert hooks.uses("HKY1")
    changes = {"authType": "client_secret_post", "clientSecret": SECRET, "hookKeyId": None}
    secret = hooks.replace(made["id"], {**_oauth(**changes), "type": "ignored"})
    assert secret["type"] == made["type"]
    assert not hooks.uses("HKY1")
    assert SECRET not in f"{secret} {hooks.get(made['id'])!r}"


def test_replace_keeps_secrets(hooks: InlineHooks) -> None:
    """A replace without the secret keeps the old one."""
    made = hooks.create(_http())
    scheme = {"type": "HEADER", "key": "X-Secret"}
    hooks.replace(made["id"], _http(authScheme=scheme))
    assert hooks.get(made["id"]).auth_header == ("X-Secret", SECRET)
    changes = {"authType": "client_secret_post", "clientSecret": SECRET}
    hooks.replace(made["id"], _oauth(**changes))
    hooks.replace(made["id"], _oauth(authType="client_secret_post"))
    assert hooks.get(made["id"]).client_secret == SECRET
    hooks.replace(made["id"], _http(authScheme=None))
    assert hooks.get(made["id"]).auth_header is None


def test_replace_replaces_everything_else(hooks: InlineHooks) -> None:
    """As recorded, a replace clears omitted headers, and ignores the type and the status."""
    made = hooks.create({**_http(headers=[{"key": "X-A", "value": "b"}]), "status": "INACTIVE"})
    assert (made["status"], made["channel"]["config"]["method"]) == ("ACTIVE", "POST")
    body = {**_http(method="PUT"), "type": EVENT_TYPES[1], "status": "INACTIVE", "version": "1.0.2"}
    del body["channel"]["config"]["headers"]
    replaced = hooks.replace(made["id"], body)
    assert (replaced["type"], replaced["status"]) == (EVENT_TYPES[0], "ACTIVE")
    assert (replaced["version"], replaced["created"]) == ("1.0.2", made["created"])
    assert replaced["channel"]["config"]["headers"] == []
    assert replaced["channel"]["config"]["method"] == "PUT"
    del body["channel"]["config"]["method"]
    assert hooks.replace(made["id"], body)["channel"]["config"]["method"] == "POST"


def test_life_cycle(hooks: InlineHooks) -> None:
    """Only an inactive hook can be deleted, and a deleted one gets 404."""
    made = hooks.create(_http())
    with pytest.raises(OktaError, match="Api validation failed"):
        hooks.delete(made["id"])
    assert hooks.set_status(made["id"], "INACTIVE")["status"] == "INACTIVE"
    hooks.delete(made["id"])
    for call in (hooks.get, hooks.delete):
        with pytest.raises(OktaError) as caught:
            call(made["id"])
        assert (caught.value.status, caught.value.code) == (404, "E0000007")


def test_many_concurrent_executions(
    api: Api, okta: OktaEmulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More hooks than the server has threads can run at once, each with a token of this org."""
    monkeypatch.setattr("hookkey_verify.emulator.delivery.TIMEOUT", 60)  # for a busy machine
    with FaultServer(json_answer(200, {})) as handler:
        hooks = [
            okta.create_hook(f"{handler.url}/hook", name=str(number), client_secret="s")
            for number in range(45)
        ]
        server = f"/oauth2/{okta.authorization_server.id}"
        okta.fail(delay=0.5, path=server, times=45)  # so that all of them wait for a token
        with ThreadPoolExecutor(45) as pool:
            answers = pool.map(lambda hook: api("POST", f"/{hook['id']}/execute", {}), hooks)
            assert {answer.status_code for answer in answers} == {200}


def test_bodies_that_are_not_valid_json(okta: OktaEmulator) -> None:
    """An invalid JSON body gets E0000003; the content type is case-insensitive."""
    headers = {"Authorization": f"SSWS {okta.api_token}", "Content-Type": "Application/JSON"}
    url = f"{okta.url}/api/v1/hook-keys"
    for body in (b'{"name": "\\ud800"}', b'{"name": NaN}', b"\xff", b"[]", b'{"a":' * 9000):
        answer = requests.post(url, data=body, headers=headers, timeout=10)
        assert (answer.status_code, answer.json()["errorCode"]) == (400, "E0000003")
    assert requests.post(url, data=b'{"name": "n"}', headers=headers, timeout=10).status_code == 200


@pytest.mark.parametrize(
    ("body", "cause"),
    [
        ({}, "type: must be one of"),
        ({**_http(), "type": "com.okta.no.such"}, "type: must be one of"),
        ({**_http(), "name": ""}, "name: must have 1 to 255"),
        ({**_http(), "name": "x" * 256}, "name: must have 1 to 255"),
        ({**_http(), "name": "x\u202e"}, "name: must have 1 to 255 printable characters"),
        ({**_http(), "name": 5}, "name: must have"),
        ({**_http(), "channel": None}, "channel: must be an object"),
        ({**_http(), "channel": {"type": "HTTP"}}, "config: must be an object"),
        ({**_http(), "channel": {**_http()["channel"], "type": "FTP"}}, "must be HTTP or OAUTH"),
        (_http(uri="http://acme.com/hook"), "uri: must begin with https://"),
        (_http(uri="https:///hook"), "uri: must begin with https://"),
        (_http(uri="https://a b/hook"), "uri: must begin with https://"),
        (_http(uri="https://[::1/hook"), "uri: must begin with https://"),
        (_http(uri="https://a.io/" + "x" * 1024), "uri: must have 1 to 1024"),
        (_http(uri="https://user:pw@a.io/hook"), "uri: must not have a user name"),
        (_http(headers=[{"key": "a b", "value": "c"}]), "must be a header's name"),
        (_http(headers=[{"key": "a", "value": "\u20ac"}]), "value printable ASCII"),
        (_http(authScheme={"type": "HEADER", "key": "a", "value": "\xe9"}), "printable ASCII"),
        (_http(headers={"a": "b"}), "headers: must be a list"),
        (_http(headers=["a"]), "headers: must be a list"),
        (_http(headers=[{"key": "accept", "value": "b"}]), "headers: Accept cannot be set"),
        (_http(method="PATCH"), "method: must be one of POST, PUT, GET, DELETE"),
        (_http(method=["POST"]), "method: must be one of"),
        (_http(method=None), "method: must be one of"),
        (
            _oauth(authType="client_secret_post", clientSecret=SECRET, method="PUT"),
            "method: must be POST",
        ),
        (_oauth(clientSecret=SECRET), "clientSecret: must be null"),
        (_http(headers=[{"key": "a\n", "value": "b"}]), "key: must have"),
        (_http(authScheme="x"), "authScheme.type: must be HEADER"),
        (_http(authScheme={"type": "HEADER", "key": "a"}), "authScheme.value"),
        (_oauth(authType="basic"), "authType"),
        (_oauth(authScheme={}), "must be null for OAUTH"),
        (_oauth(clientId=None), "clientId"),
        (_oauth(tokenUrl="ftp://a"), "tokenUrl"),
        (_oauth(hookKeyId="HKY2"), "there is no such hook key"),
        (_oauth(authType="client_secret_post"), "clientSecret: must have 1 to 4096"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_invalid_hooks(hooks: InlineHooks, body: dict[str, Any], cause: str) -> None:
    """An invalid hook gets 400 with the cause, and no hook is created."""
    with pytest.raises(OktaError) as caught:
        hooks.create(body)
    assert (caught.value.status, caught.value.code) == (400, "E0000001")
    assert cause in " ".join(caught.value.causes)
    assert hooks.list() == []


def test_limits(hooks: InlineHooks) -> None:
    """Hook names are unique, and an org has at most 100 hooks."""
    first = hooks.create(_http())
    with pytest.raises(OktaError) as caught:
        hooks.create(_http())
    assert "in use already" in caught.value.causes[0]
    hooks.replace(first["id"], _http())
    for number in range(MAX_HOOKS - 1):
        hooks.create({**_http(), "name": str(number)})
    with pytest.raises(OktaError) as caught:
        hooks.create({**_http(), "name": "one more"})
    assert "100" in caught.value.causes[0]


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]", "localhost"])
def test_http_is_accepted_for_loopback(hooks: InlineHooks, host: str) -> None:
    """A URI may begin with ``http://`` for a loopback address, which Okta refuses."""
    body = _http(uri=f"http://{host}:8000/hook")
    assert hooks.create(body)["channel"]["config"]["uri"] == f"http://{host}:8000/hook"


# --- over HTTP


class Api:
    """Calls the management API."""

    def __init__(self, okta: OktaEmulator) -> None:
        self._okta = okta

    def __call__(self, method: str, path: str = "", body: Any = None) -> requests.Response:
        url = f"{self._okta.url}/api/v1/inlineHooks{path}"
        headers = {"Authorization": f"SSWS {self._okta.api_token}"}
        return requests.request(method, url, json=body, headers=headers, timeout=10)


@pytest.fixture
def api(okta: OktaEmulator) -> Api:
    return Api(okta)


def test_every_call(api: Api, okta: OktaEmulator) -> None:
    """Every call of the API works in the documented order and needs the API token."""
    key = okta.create_key("k")
    made = api("POST", body=_oauth(hookKeyId=key["id"])).json()
    assert api("GET").json() == [made]
    assert api("GET", "?type=com.okta.saml.tokens.transform").json() == []
    assert api("GET", f"/{made['id']}").json() == made
    assert okta.org.list()[0]["isUsed"] is True
    refused = requests.delete(
        f"{okta.url}/api/v1/hook-keys/{key['id']}",
        headers={"Authorization": f"SSWS {okta.api_token}"},
        timeout=10,
    )
    assert refused.status_code == 400
    renamed = api("PUT", f"/{made['id']}", {**_http(), "name": "other"}).json()
    assert (renamed["name"], renamed["id"]) == ("other", made["id"])
    assert okta.org.list()[0]["isUsed"] is False
    assert api("DELETE", f"/{made['id']}").status_code == 400
    assert api("POST", f"/{made['id']}/lifecycle/deactivate").json()["status"] == "INACTIVE"
    assert api("POST", f"/{made['id']}/lifecycle/activate").json()["status"] == "ACTIVE"
    assert api("POST", f"/{made['id']}/lifecycle/explode").status_code == 404
    assert api("POST", f"/{made['id']}/lifecycle/deactivate").status_code == 200
    assert api("DELETE", f"/{made['id']}").status_code == 204
    assert api("GET", f"/{made['id']}").status_code == 404
    assert requests.get(f"{okta.url}/api/v1/inlineHooks", timeout=10).status_code == 401


def test_execute(api: Api) -> None:
    """``execute`` posts the given body and returns the hook's response, or its error code."""
    commands = {"commands": [{"type": "com.okta.access.patch", "value": []}]}
    long = {**commands, "debugContext": {"x": "y" * 3000}}
    failures = (json_answer(500, {}), json_answer(503, {}))
    script = (json_answer(200, commands), json_answer(200, long), *failures)
    with FaultServer(*script) as handler:
        made = api("POST", body=_http(uri=f"{handler.url}/hook")).json()
        answer = api("POST", f"/{made['id']}/execute", {"mine": 1})
        assert (answer.status_code, answer.json()) == (200, commands)
        assert handler.requests[0].body == b'{"mine": 1}'
        assert handler.requests[0].headers["authorization"] == SECRET
        assert api("POST", f"/{made['id']}/execute", {"mine": 1}).json() == long
        failed = api("POST", f"/{made['id']}/execute", {"mine": 1})
        assert (failed.status_code, failed.json()["errorCode"]) == (400, "E0000135")
        assert len(handler.requests) == 4  # the last one is a retry, unlike in a flow
    gone = api("POST", f"/{made['id']}/execute", {"mine": 1})
    assert (gone.status_code, gone.json()["errorCode"]) == (400, "E0000137")


# --- the emulator's own endpoint


def _fire(okta: OktaEmulator, order: dict[str, Any]) -> requests.Response:
    headers = {"Authorization": f"SSWS {okta.api_token}"}
    return requests.post(f"{okta.url}/emulator/fire", json=order, headers=headers, timeout=10)


def test_fire_with_a_body(okta: OktaEmulator) -> None:
    """``/emulator/fire`` sends a payload byte for byte and returns what was sent if asked to."""
    event = b64encode(b" \xff ").decode()
    with FaultServer(json_answer(200, {})) as handler:
        okta.create_hook(handler.url, name="Claims")
        saved = _fire(okta, {"hook": "Claims", "payload": event, "save": True}).json()
        assert (saved["payload"], saved["outcome"], saved["problems"]) == (event, "no change", [])
        for save in (False, None, 1, "true"):
            kept = _fire(okta, {"hook": "Claims", "variant": "refresh", "save": save}).json()
            assert "payload" not in kept
        assert handler.requests[0].body == b" \xff "
        assert b"originalGrant" in handler.requests[1].body


@pytest.mark.parametrize(
    ("order", "cause"),
    [
        ({"payload": 5}, "payload must be base64"),
        ({"payload": "no base64!"}, "payload must be base64"),
        ({"payload": "\u00e9"}, "payload must be base64"),
        ({"variant": "voice"}, "variant must be one of authorization-code"),
        ({"variant": ["refresh"]}, "variant must be one of authorization-code"),
        ({"variant": "refresh", "payload": ""}, "variant cannot be combined with a body"),
    ],
)
def test_fire_refuses_an_event(okta: OktaEmulator, order: dict[str, Any], cause: str) -> None:
    """``/emulator/fire`` refuses an invalid event with 400 and its cause, and calls nothing."""
    with FaultServer(json_answer(200, {})) as handler:
        okta.create_hook(handler.url, name="Claims")
        refused = _fire(okta, {"hook": "Claims", **order})
        assert refused.status_code == 400
        assert cause in refused.json()["errorCauses"][0]["errorSummary"]
        assert handler.requests == []


# --- clients at the org's own authorization server


def test_a_hook_from_the_api_has_a_client(okta: OktaEmulator) -> None:
    """The org's server issues tokens to a hook that the API created, with each scope of it."""
    key, url = okta.create_key("first")["id"], f"{okta.issuer}/v1/token"
    handler = FaultServer(json_answer(200, {}))
    client = InlineHooksClient(okta.url, ApiToken(okta.api_token))
    with handler, client:
        hook = client.create(
            "api", EVENT_TYPES[0], handler.url, hook_key_id=key, client_id="0oa1", token_url=url,
            scope="hooks",
        )  # fmt: skip
        assert okta.fire(hook.id).ok
        for change in ({"scope": "hooks other"}, {"uri": f"{handler.url}/2"}):
            client.replace(hook.id, **change)
            assert okta.fire(hook.id).ok, change
        client.replace(hook.id, client_secret=SECRET, client_id="0oa2")
        assert okta.fire(hook.id).ok


def test_the_client_does_not_follow_a_new_key(okta: OktaEmulator) -> None:
    """As in Okta, a new key of a hook is refused until somebody adds it to the hook's client."""
    first, second = okta.create_key("first"), okta.create_key("second")
    token, handler = ApiToken(okta.api_token), FaultServer(json_answer(200, {}))
    keys, hooks = HookKeysClient(okta.url, token), InlineHooksClient(okta.url, token)
    with handler, keys, hooks, ApplicationKeysClient(okta.url, token) as applications:
        id_ = okta.create_hook(handler.url, key=first, client_id="0oa1")["id"]
        hooks.replace(id_, hook_key_id=second["id"])
        assert "invalid_client" in okta.fire(id_).verdict
        applications.add("0oa1", keys.public_key(second["keyId"]))
        assert okta.fire(id_).ok


def test_a_hook_without_its_key_is_deleted(okta: OktaEmulator) -> None:
    """A hook can be deleted after its key, which the emulator can delete although it is used."""
    key = okta.create_key("first")
    hook = okta.create_hook("https://a.io/hook", key=key, client_id="0oa1")["id"]
    with InlineHooksClient(okta.url, ApiToken(okta.api_token)) as hooks:
        hooks.deactivate(hook)
        okta.delete_key(key["id"])
        hooks.delete(hook)
        assert hooks.list() == []


def test_the_client_of_a_deleted_hook_is_free(okta: OktaEmulator) -> None:
    """After a hook is deleted, another one can have its client id with another key."""
    url = f"{okta.issuer}/v1/token"
    handler = FaultServer(json_answer(200, {}))
    client = InlineHooksClient(okta.url, ApiToken(okta.api_token))
    with handler, client:
        for name in ("first", "second"):
            key = okta.create_key(name)["id"]
            hook = client.create(
                "api", EVENT_TYPES[0], handler.url, hook_key_id=key, client_id="0oa1",
                token_url=url, scope="hooks",
            )  # fmt: skip
            assert okta.fire(hook.id).ok
            client.deactivate(hook.id)
            client.delete(hook.id)


def test_a_hook_with_the_orgs_token_url_has_a_client(okta: OktaEmulator) -> None:
    """A hook that names the token URL of the org's own server has a client, as from the API."""
    url = f"{okta.issuer}/v1/token"
    with FaultServer(json_answer(200, {})) as handler:
        hook = okta.create_hook(handler.url, token_url=url, client_id="0oa1", client_secret=SECRET)
        assert okta.fire(hook["id"]).ok


def test_a_client_of_two_hooks_keeps_its_key(okta: OktaEmulator) -> None:
    """A replaced hook does not take the client of another hook that still uses the key."""
    first, second = okta.create_key("first"), okta.create_key("second")
    handler = FaultServer(json_answer(200, {}))
    client = InlineHooksClient(okta.url, ApiToken(okta.api_token))
    with handler, client:
        ids = [
            okta.create_hook(handler.url, name=name, key=first, client_id="0oa1")["id"]
            for name in "ab"
        ]
        client.replace(ids[0], hook_key_id=second["id"])
        assert "invalid_client" in okta.fire(ids[0]).verdict
        assert okta.fire(ids[1]).ok
