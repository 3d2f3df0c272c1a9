"""The console over HTTP without scripts: its page, every action, and requests that it refuses."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from html import unescape
from typing import Any

import pytest
import requests

from hookkey_verify import ConfigurationError
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.emulator.payloads import VARIANTS
from hookkey_verify.hooks import TokenHook, parse_hook
from hookkey_verify.hooks.rules import EVENT_TYPES, PASSWORD_IMPORT, TELEPHONY

from ..conftest import KeyPool
from ..faults import FaultServer, json_answer
from .browser import Browser

SECRET = "s3cret-of-the-hook"
SAML = "com.okta.saml.tokens.transform"
PATCH = {
    "type": "com.okta.access.patch",
    "value": [{"op": "add", "path": "/claims/caller", "value": "x"}],
}


@pytest.fixture
def browser(okta: OktaEmulator) -> Browser:
    return Browser(okta.url)


def test_four_steps_to_the_first_fired_hook(okta: OktaEmulator, browser: Browser) -> None:
    """The forms of the steps, with what they contain, lead from an empty org to a delivery."""
    assert "This is not Okta" in browser.text
    assert browser.send("create-key") == 200
    assert [key["name"] for key in okta.org.list()] == ["Token hook"]
    code = browser.shown("handler")
    assert f'IssuerKeys("{okta.issuer}")' in code
    with FaultServer(json_answer(200, {"commands": [PATCH]})) as server:
        assert browser.send("create-hook", uri=f"{server.url}/hook") == 200
        [hook] = okta.hooks.all()
        assert (hook.name, hook.auth_type) == ("Claims", "private_key_jwt")
        assert f'client_id="{hook.client_id}"' in code
        assert browser.submit(browser.form("fire", "Fire Claims")) == 200
        [request] = server.requests
    token = request.headers["authorization"].removeprefix("Bearer ")
    assert token.startswith("ey")
    assert token not in browser.text
    [delivery] = okta.deliveries
    assert delivery.outcome == "commands"
    assert browser.address.endswith(f"#{delivery.id}")
    assert "Fire your first hook" not in browser.text


def test_keys_are_created_renamed_and_deleted(okta: OktaEmulator, browser: Browser) -> None:
    """Forms create a key, rename it and delete it; each asks for nothing else."""
    assert browser.send("create-key", name=" First ") == 200
    [key] = okta.org.list()
    assert browser.address == f"{okta.url}/?open={key['id']}&done=key-created#keys"
    assert "The hook key was created." in browser.text
    assert key["name"] == "First"
    assert key["keyId"] in browser.text
    browser.follow("Rename First")
    assert browser.form("edit-key").fields["name"] == "First"
    assert browser.send("edit-key", name="Second") == 200
    assert okta.org.get(key["id"])["name"] == "Second"
    assert "edit-key" not in browser.forms()
    browser.follow("Delete Second")
    assert "Delete Second?" in browser.text
    browser.follow("Cancel")
    assert "delete-key" not in browser.forms()
    browser.follow("Delete Second")
    assert browser.send("delete-key") == 200
    assert okta.org.list() == []


def test_a_key_in_use_can_be_deleted(okta: OktaEmulator, browser: Browser) -> None:
    """The page says that Okta refuses to delete a key in use, and deletes it."""
    okta.create_hook("https://a.io/h", name="Claims", key=okta.create_key("used"))
    browser.get()
    browser.follow("Delete used")
    assert "Okta refuses to delete such a key" in browser.text
    assert browser.send("delete-key") == 200
    assert okta.org.list() == []
    assert "(deleted)" in browser.text


def test_a_key_that_became_used_is_not_deleted(okta: OktaEmulator, browser: Browser) -> None:
    """If a hook uses the key only since the page was made, the page asks again."""
    key = okta.create_key("mine")
    browser.get()
    browser.follow("Delete mine")
    okta.create_hook("https://a.io/h", key=key)
    assert browser.send("delete-key") == 400
    assert "The key is used by a hook." in browser.alert
    assert browser.form("delete-key").fields["force"] == "1"


@pytest.mark.parametrize(
    ("fields", "channel"),
    [
        ({"auth": "none"}, {"authScheme": None}),
        (
            {"auth": "header", "header_name": "X-Secret", "header_value": SECRET},
            {"authScheme": {"type": "HEADER", "key": "X-Secret"}},
        ),
        (
            {"auth": "client_secret", "client_secret": SECRET, "client_id": "0oa7"},
            {"authType": "client_secret_post", "clientId": "0oa7", "scope": "hooks"},
        ),
        (
            {"auth": "key", "token_url": "https://acme.com/t", "client_id": "0oa9", "scope": "a b"},
            {"tokenUrl": "https://acme.com/t", "clientId": "0oa9", "scope": "a b"},
        ),
    ],
    ids=lambda value: value.get("auth", "") if isinstance(value, dict) else "",
)
def test_ways_of_authentication(
    okta: OktaEmulator, browser: Browser, fields: dict[str, str], channel: dict[str, Any]
) -> None:
    """A hook has the authentication that the form names; other fields of the form do not matter."""
    okta.create_key("Token hook")
    okta.create_hook("https://a.io/h", name="Other")
    browser.get()
    given = {"name": "x", "uri": "http://localhost:1/h", "type": SAML}
    given |= {"header_name": "X-Other", "client_id": "0oa1", "client_secret": "other"}
    assert browser.send("create-hook", **{**given, **fields}) == 200
    made = next(hook for hook in okta.hooks.list() if hook["name"] == "x")
    assert made["type"] == SAML
    config = made["channel"]["config"]
    assert {name: config[name] for name in channel} == channel
    assert SECRET not in browser.text
    id_ = made["id"]
    browser.follow("Edit x")
    assert SECRET not in browser.text
    assert browser.send("edit-hook", name="y") == 200
    changed = okta.hooks.get(id_).document()
    assert changed["name"] == "y"
    assert changed["channel"]["config"] == config
    secret = okta.hooks.get(id_).client_secret or (okta.hooks.get(id_).auth_header or ("", ""))[1]
    assert secret == (SECRET if fields["auth"] in ("header", "client_secret") else "")


@pytest.mark.parametrize("way", ["none", "header", "client_secret", "key"])
def test_an_edit_keeps_settings_that_the_form_does_not_show(
    okta: OktaEmulator, browser: Browser, way: str
) -> None:
    """A renamed hook keeps its method, headers, version, secrets and the scope that it has not."""
    config: dict[str, Any] = {
        "uri": "https://a.io/h",
        "headers": [{"key": "X-Team", "value": "blue"}],
        "method": "POST" if way == "client_secret" else "PUT",
    }
    client = {"clientId": "0oa1", "tokenUrl": "https://a.io/t", "scope": ""}
    key = okta.create_key("Token hook")["id"]
    ways: dict[str, dict[str, Any]] = {
        "none": {},
        "header": {"authScheme": {"type": "HEADER", "key": "X-Secret", "value": SECRET}},
        "client_secret": {**client, "authType": "client_secret_post", "clientSecret": SECRET},
        "key": {**client, "authType": "private_key_jwt", "hookKeyId": key},
    }
    config |= ways[way]
    channel = {"type": "OAUTH" if "authType" in config else "HTTP", "config": config}
    body = {"name": "a", "type": SAML, "version": "1.0.1", "channel": channel}
    before = okta.hooks.get(okta.hooks.create(body)["id"])
    browser.get(f"{okta.url}/?edit={before.id}")
    assert browser.send("edit-hook", name="b") == 200
    after = okta.hooks.get(before.id)
    assert after == replace(before, name="b", last_updated=after.last_updated)


def test_an_edit_does_not_replace_a_deleted_key(okta: OktaEmulator, browser: Browser) -> None:
    """The form of a hook whose key was deleted does not choose another key."""
    key = okta.create_key("gone")
    okta.create_key("other")
    hook = okta.create_hook("https://a.io/h", name="a", key=key)
    okta.delete_key(key["id"])
    browser.get(f"{okta.url}/?edit={hook['id']}")
    assert browser.send("edit-hook", name="b") == 400
    assert browser.error("edit-hook-key").startswith("Must be a hook key")
    assert okta.hooks.get(hook["id"]).hook_key_id == key["id"]


def test_a_method_that_a_client_secret_does_not_allow(okta: OktaEmulator, browser: Browser) -> None:
    """The error of a setting that the form does not show names the setting."""
    config = {"uri": "https://a.io/h", "method": "PUT"}
    body = {"name": "a", "type": SAML, "channel": {"type": "HTTP", "config": config}}
    browser.get(f"{okta.url}/?edit={okta.hooks.create(body)['id']}")
    assert browser.send("edit-hook", auth="client_secret", client_secret=SECRET) == 400
    assert "Channel.config.method: must be POST." in browser.alert


def test_a_changed_client_gets_tokens(okta: OktaEmulator, browser: Browser) -> None:
    """A hook keeps its client id when its key, its secret or its way of authentication changes."""
    one, two = okta.create_key("one"), okta.create_key("two")
    with FaultServer(json_answer(200, {})) as server:
        hook = okta.create_hook(server.url, name="a", key=one, client_id="0oa1")
        for fields in (
            {"key": two["id"]},
            {"auth": "client_secret", "client_secret": SECRET},
            {"client_secret": "another"},
            {"client_secret": ""},
            {"auth": "key", "key": one["id"]},
            {"client_id": ""},
            {"client_id": "0oa2"},
        ):
            browser.get(f"{okta.url}/?edit={hook['id']}")
            assert browser.send("edit-hook", **fields) == 200
            delivery = okta.fire(hook["id"])
            assert delivery.ok, delivery.verdict
    assert okta.hooks.get(hook["id"]).client_id == "0oa2"


def test_hooks_are_deactivated_and_deleted(okta: OktaEmulator, browser: Browser) -> None:
    """A hook can be deactivated and activated; deleting it needs a confirmation only."""
    hook = okta.create_hook("https://a.io/h", name="Claims")
    browser.get()
    for status in ("INACTIVE", "ACTIVE"):
        assert browser.send("status") == 200
        assert okta.hooks.get(hook["id"]).status == status
    browser.follow("Delete Claims")
    assert browser.send("delete-hook") == 200
    assert okta.hooks.list() == []


def test_an_inactive_hook_is_fired_with_a_notice(okta: OktaEmulator, browser: Browser) -> None:
    """The page says that Okta would not call an inactive hook, before and after it is fired."""
    notice = "Okta would not call it"
    hook = okta.create_hook("http://127.0.0.1:9/h", name="Claims")
    browser.get()
    browser.submit(browser.form("fire", "Fire Claims"))
    assert "The hook was fired." in browser.text
    assert notice not in browser.text
    okta.hooks.set_status(hook["id"], "INACTIVE")
    browser.get(okta.url)
    assert notice in browser.text
    browser.submit(browser.form("fire", "Fire Claims"))
    assert "The hook was fired. It is inactive: Okta would not call it." in browser.text
    assert len(okta.deliveries) == 2


def test_faults_are_added_and_removed(okta: OktaEmulator, browser: Browser) -> None:
    """Faults of the form apply to the next requests, and the page lists those that are waiting."""
    headers = "Retry-After: 7\n\n X-A : b "
    assert browser.send("fault", what="429", path="/api", times="2", headers=headers) == 200
    assert "<strong>429</strong> for any method" in browser.text
    token = {"Authorization": f"SSWS {okta.api_token}"}
    url = okta.url + "/api/v1/hook-keys"
    answers = [requests.get(url, headers=token, timeout=5) for _ in range(2)]
    assert [each.status_code for each in answers] == [429, 429]
    assert (answers[0].headers["Retry-After"], answers[0].headers["X-A"]) == ("7", "b")
    browser.get()
    assert "No fault is waiting" in browser.text
    browser.send("fault", what="reset", method="POST", delay="0.5", after="1")
    browser.send("fault", what="", delay="1")
    assert "after the request was carried out" in browser.text
    assert [each.what for each in okta.faults.pending()] == ["reset", None]
    assert browser.send("clear-faults") == 200
    assert okta.faults.pending() == ()


def test_the_clock_is_set(okta: OktaEmulator, browser: Browser) -> None:
    """The clock of the org can be set ahead, back and to the normal time."""
    for seconds, words in (("90", "90 seconds ahead"), ("-1.5", "1.5 seconds behind"), ("", "")):
        assert browser.send("clock", seconds=seconds) == 200
        assert okta.skewed == float(seconds or 0)
        assert words in browser.text
    okta.skew(1e9)
    okta.skew(-1e9)
    assert browser.get().status_code == 200


def test_a_seed_is_applied(okta: OktaEmulator, browser: Browser) -> None:
    """Keys and hooks of a seed are created, once."""
    seed = "keys: [a]\nhooks: [{name: b, uri: 'https://a.io/h', key: a}]"
    for _ in range(2):
        assert browser.send("seed", seed=seed) == 200
        assert [key["name"] for key in okta.org.list()] == ["a"]
        assert [hook["name"] for hook in okta.hooks.list()] == ["b"]


def test_a_seed_is_applied_in_part(okta: OktaEmulator, browser: Browser) -> None:
    """If an entry of a seed is refused, the page says what was created before it."""
    assert browser.send("seed", seed="keys: [a, b]\nhooks: [{}]") == 400
    assert browser.alert.startswith("Not done: Hooks[0] needs a uri")
    assert browser.alert.endswith(". Created before: 2 keys, 0 hooks.")


@pytest.mark.parametrize(
    ("place", "fields", "problem"),
    [
        ("create-key.name", {"name": ""}, "Must have 1 to 255 characters."),
        ("create-key.name", {"name": "taken"}, "This name is in use already."),
        ("create-hook.name", {"name": ""}, "Must have 1 to 255 printable characters."),
        ("create-hook.uri", {"name": "x", "uri": "ftp://a"}, "Must begin with https://"),
        ("create-hook.token_url", {"token_url": "x"}, "Must begin with https://"),
        ("create-hook.scope", {"scope": "\x7f", "token_url": "https://a.io"}, "Must be text."),
        ("create-hook.key", {"key": ""}, "Choose a hook key"),
        ("create-hook.client_secret", {"auth": "client_secret"}, "Must have 1 to 4096"),
        (
            "create-hook.header_name",
            {"auth": "header", "header_value": "a"},
            "Must have 1 to 255 printable characters.",
        ),
        (
            "create-hook.header_name",
            {"auth": "header", "header_name": "a b", "header_value": "c"},
            "Must be a header's name",
        ),
        ("create-hook.header_value", {"auth": "header", "header_name": "a"}, "Must have 1 to"),
        ("fault.what", {"what": "200"}, "Must be empty, a status from 400 to 599"),
        ("fault.delay", {"what": "slow"}, "Slow needs a delay"),
        ("fault.delay", {"delay": "x"}, "Must be a number of seconds."),
        ("fault.delay", {"delay": "nan"}, "Must be a number of seconds from 0 to 60."),
        ("fault.times", {"times": "0"}, "Must be a positive number"),
        ("fault.times", {"times": "٣"}, "Must be a positive number"),
        ("fault.headers", {"headers": "x"}, "Must be lines"),
        ("fault.headers", {"headers": "a: \x7f"}, "Must map names"),
        ("clock.seconds", {"seconds": "inf"}, "Must be a number"),
        ("clock.seconds", {"seconds": "soon"}, "Must be a number"),
        ("seed.seed", {"seed": "[]"}, "The seed is not YAML or JSON"),
        ("seed.seed", {"seed": "hooks: [{}]"}, "Hooks[0] needs a uri"),
    ],
)
def test_input_survives_errors(
    okta: OktaEmulator, browser: Browser, place: str, fields: dict[str, str], problem: str
) -> None:
    """A refused form has status 400, its input, and the error at its field, which has the focus."""
    form, _, field = place.partition(".")
    okta.create_key("taken")
    okta.create_hook("https://a.io/h", name="Hook")
    browser.get()
    before = browser.form(form)
    filled = {"name": "Some name", "uri": "https://a.io/h", "client_id": "0oa5", "path": "/x"}
    filled = {name: value for name, value in filled.items() if name in before.fields} | fields
    if form != "fault":
        filled.pop("path", None)
    before.options.pop("key", None)
    assert browser.submit(before, **filled) == 400
    assert problem in browser.error(f"{form}-{field}")
    assert problem in browser.alert
    hidden = {"client_secret", "header_value"}
    for name, value in filled.items():
        if name in before.fields and name not in hidden | {"key"}:
            assert browser.form(form).fields[name] == value, name
    assert (len(okta.org.list()), len(okta.hooks.list())) == (1, 1)
    assert okta.faults.pending() == ()


@pytest.mark.parametrize(
    ("form", "fields", "problem"),
    [
        ("fire", {"hook": "calnone"}, "Not found: Resource not found: calnone"),
        ("fire", {}, "Not found"),
        ("edit-key", {"name": "x", "id": "HKYnone"}, "Not found"),
        ("delete-key", {}, "Not found"),
        ("edit-hook", {}, "Not found"),
        ("delete-hook", {}, "Not found"),
        ("status", {"id": "calnone"}, "Not found"),
        ("create-hook", {"name": "x", "type": "x", "uri": "https://a.io"}, "must be one of"),
        ("create-hook", {"key": "HKYnone"}, "must be a hook key"),
        ("create-key", {}, "ust have 1 to 255"),
    ],
)
def test_forms_of_old_pages(
    okta: OktaEmulator, browser: Browser, form: str, fields: dict[str, str], problem: str
) -> None:
    """A form for something that no longer exists has status 400 and an alert."""
    answer = browser.raw(form, **fields)
    assert answer.status_code == 400
    assert problem.lower() in answer.text.lower()
    assert 'role="alert"' in answer.text
    assert (okta.org.list(), okta.hooks.list()) == ([], [])


def test_a_refused_edit_keeps_the_form(okta: OktaEmulator, browser: Browser) -> None:
    """A refused edit shows the same form with its input, and the hook and its client stay."""
    key = okta.create_key("one")
    hook = okta.create_hook("https://a.io/h", name="a", key=key, client_id="0oa1")
    okta.create_hook("https://a.io/h", name="b", client_secret=SECRET, client_id="0oa2")
    before = okta.hooks.get(hook["id"]).document()
    browser.get()
    browser.follow("Edit a")
    assert browser.send("edit-hook", name="b", uri="https://b.io/h") == 400
    assert browser.error("edit-hook-name") == "This name is in use already."
    assert browser.form("edit-hook").fields["uri"] == "https://b.io/h"
    assert browser.send("edit-hook", name="a", client_id="0oa2") == 400
    assert browser.error("edit-hook-client_id") == "Another client of the org has it."
    assert okta.hooks.get(hook["id"]).document() == before
    browser.get(browser.address)  # as a browser does when the user opens the address again
    assert browser.form("edit-hook").fields["name"] == "a"


def test_a_refused_hook_registers_no_client(okta: OktaEmulator, browser: Browser) -> None:
    """A refused hook leaves no client at the org's authorization server."""
    key = okta.create_key("mine")
    before = dict(okta._parts.apps._apps)
    fields = {"uri": "ftp://a.io", "name": "x", "type": EVENT_TYPES[0], "key": key["id"]}
    assert browser.raw("create-hook", **fields).status_code == 400
    assert okta._parts.apps._apps == before


def test_the_client_of_a_deleted_hook_is_free(okta: OktaEmulator, browser: Browser) -> None:
    """After a hook is deleted on the page, its client id is free for another key."""
    first, second = okta.create_key("first"), okta.create_key("second")
    hook = okta.create_hook("https://a.io/h", key=first, client_id="0oa1")
    assert browser.raw("delete-hook", id=hook["id"]).status_code == 200
    assert okta.create_hook("https://a.io/h", key=second, client_id="0oa1")


# --- what the page shows


def test_secrets_are_not_shown(okta: OktaEmulator) -> None:
    """The page shows the API token, which clients need, but no hook secret and no password."""
    with FaultServer(json_answer(200, {})) as server:
        hook = okta.create_hook(server.url, name="a", secret=("Authorization", f"Bearer {SECRET}"))
        okta.create_hook("https://a.io/h", name="b", client_secret="another-" + SECRET)
        okta.fire(hook["id"])
        deep: Any = {"password": SECRET}
        for _ in range(100):
            deep = [{"x": deep}]
        okta.fire(hook["id"], {"a": [{"password": SECRET, "otpCode": 12345678, "b": deep}]})
    page = Browser(okta.url).text
    assert SECRET not in page
    assert "12345678" not in page
    assert okta.api_token in page
    assert f"Bearer ({len(SECRET)} characters)" in page
    assert SECRET not in repr(okta.deliveries)


ECHOES: list[Any] = [
    (200, {"error": {"errorSummary": "got {}, " + "x" * 128 + "{}"}}),
    (200, {"debugContext": {"tel:{}": "a{}b", "{}": ["{}", "x" * 970 + "{}"]}}),
    (200, {"commands": [{"type": "{}", "{}": 1}]}),
    (401, {"reason": "{}", "detail": "no {}"}),
    (401, "got {}"),
]


def filled(template: Any, echo: Any) -> Any:
    """Return a reply that repeats a value in its texts and names, and as a member of its lists."""
    if isinstance(template, dict):
        return {filled(name, echo): filled(each, echo) for name, each in template.items()}
    if isinstance(template, list):
        return [filled(each, echo) for each in template] + [echo]
    return template.replace("{}", f" {echo} ") if isinstance(template, str) else template


@pytest.mark.parametrize(("status", "reply"), ECHOES)
@pytest.mark.parametrize(
    ("secret", "echoes"),
    [
        ({"password": 'Pa55/w"örd'}, ['Pa55/w"örd']),
        ({"password": {"value": "Pa55word"}}, ["Pa55word"]),
        ({"password": "xyz"}, ["xyz"]),
        ({"otpCode": "071234"}, ["071234", 71234]),
        ({"otpCode": 571234}, ["571234", 571234]),
        ({"msgTemplate": "Your code is 571234."}, ["571234", 571234]),
        ({"phoneNumber": "+12065550177"}, ["+12065550177", 12065550177, "%2B12065550177"]),
        ({"profile": {"mobilePhone": "206 555 0177"}}, ["206 555 0177", "206+555+0177"]),
    ],
)
def test_secrets_of_an_event_are_hidden(
    okta: OktaEmulator, status: int, reply: Any, secret: Any, echoes: list[Any]
) -> None:
    """The page hides secrets of an event in its request, the reply, the verdict and problems."""
    event = {"data": {**secret, "note": [f"see {echo}" for echo in echoes]}}
    for echo in echoes:
        with FaultServer(json_answer(status, filled(reply, echo))) as server:
            okta.fire(okta.create_hook(server.url, TELEPHONY, name=server.url)["id"], event)
    page = Browser(okta.url).text
    assert "(hidden)" in page
    page = unescape(page)
    for text in map(str, echoes):
        for form in (text, text[:5], json.dumps(text)[1:-1]):
            assert form not in page
            assert not any(form in delivery.verdict for delivery in okta.deliveries)
    assert "Your code is" not in page


def test_a_message_with_its_code_is_hidden(okta: OktaEmulator) -> None:
    """The template of a message is hidden, because it contains the one-time code."""
    with FaultServer(json_answer(200, {"error": {"errorSummary": "got Invented-Pa55word"}})) as a:
        okta.fire(okta.create_hook(a.url, TELEPHONY, name="a")["id"])
        okta.fire(okta.create_hook(a.url, PASSWORD_IMPORT, name="b")["id"])
    page = Browser(okta.url).text
    assert "otpCode" in page
    assert "got (hidden)" in page
    for secret in ("Your code", "011111", "2065550100"):
        assert secret not in page


@pytest.mark.parametrize("status", [200, 401])
@pytest.mark.parametrize("way", ["key", "header"])
def test_echoed_credentials_are_hidden(okta: OktaEmulator, status: int, way: str) -> None:
    """The page hides a token or a secret that the handler repeats in its answer."""
    options: Any = {"secret": ("Authorization", f'Basic a"{SECRET}')}
    if way == "key":
        options = {"key": okta.create_key("Token hook")}
    with FaultServer(json_answer(200, {})) as server:
        hook = okta.create_hook(server.url, **options)
        okta.fire(hook["id"])
        sent = server.requests[0].headers["authorization"]
    secret = sent.partition(" ")[2]
    reply = {"debugContext": {"a": f"x{sent}x"}, "error": {"errorSummary": secret}}
    with FaultServer(json_answer(status, reply)) as server:
        channel = okta.hooks.get(hook["id"]).channel()
        channel["config"]["uri"] = server.url
        okta.hooks.replace(hook["id"], {"channel": channel})
        okta.fire(hook["id"])
        assert server.requests[0].headers["authorization"] == sent
    page = Browser(okta.url).text
    assert "(hidden)" in page
    assert (SECRET in page, secret[-100:] in page) == (False, False)


def test_a_delivery(okta: OktaEmulator, browser: Browser) -> None:
    """A delivery shows its requests, the checks of its tokens, and the reply."""
    key = okta.create_key("Token hook")
    with FaultServer(json_answer(200, {"debugContext": {"a/b": [1, {}]}})) as server:
        hook = okta.create_hook(server.url, key=key, client_id="0oa1")
        okta.fire(hook["id"])
    browser.get()
    assert browser.text.count("10 of 10 checks of the client assertion pass") == 1
    assert browser.text.count("10 of 10 checks of the access token pass") == 1
    assert "&#34;eventType&#34;: &#34;com.okta.oauth2.tokens.transform&#34;" in browser.text
    assert "&#34;a/b&#34;: [" in browser.text
    browser.follow("Inspect this token")
    assert "of a delivery, checked now" in browser.text
    assert "✓ Every check passes" in browser.text
    okta.skew(7200)
    browser.get()
    assert "✗ Not every check passes" in browser.text
    assert "10 of 10 checks of the access token pass" in browser.text
    for token in ("x", "x.0", f"{okta.deliveries[0].id}.9", f"{okta.deliveries[0].id}.x"):
        browser.get(f"{okta.url}/?token={token}")
        assert "checked now" not in browser.text


def test_fire_another_event(okta: OktaEmulator, browser: Browser) -> None:
    """A hook can be fired with a variant of its event, or with any body, which the page shows."""
    with FaultServer(json_answer(200, {"commands": []})) as server:
        hook = okta.create_hook(server.url, name="Claims")
        okta.fire(hook["id"])
        browser.get()
        for body, variant in (("", "client-credentials"), ('{"a": 1}', ""), ("no JSON", "")):
            browser.follow("Another event for Claims")
            form = browser.form("fire", hook=hook["id"], body="")
            assert tuple(form.options["variant"]) == VARIANTS[hook["type"]]
            chosen = {"variant": variant} if variant else {}
            assert browser.submit(form, body=body, **chosen) == 200
            assert browser.address.endswith(f"#{okta.deliveries[-1].id}")
        events = [request.body for request in server.requests]
    first = parse_hook(events[1])
    assert isinstance(first, TokenHook)
    assert first.grant_type == "client_credentials"
    assert events[2:] == [b'{"a": 1}', b"no JSON"]
    assert "Request body, 8 bytes" in browser.text
    assert "It is not a JSON object, so it is not shown." in browser.text


def test_an_unknown_variant(okta: OktaEmulator, browser: Browser) -> None:
    """An unknown variant calls nothing, and the error is at its field."""
    hook = okta.create_hook("http://127.0.0.1:9/", name="Claims")
    browser.get()
    browser.follow("Another event for Claims")
    form = browser.form("fire", hook=hook["id"], body="")
    form.options = {}
    assert browser.submit(form, variant="voice") == 400
    assert "Must be one of authorization-code" in browser.error("fire-variant")
    assert not okta.deliveries


def test_problems_of_a_reply(okta: OktaEmulator) -> None:
    """Each problem of a reply is marked where its member begins, with its path, escaped."""
    reply = {"commands": [{"type": "com.okta.access.patch", "value": 1}], "<b>": 1}
    with FaultServer(json_answer(200, reply)) as server:
        okta.fire(okta.create_hook(server.url)["id"])
    page = Browser(okta.url).text
    marked = re.findall(r'<span class="flag (\w+)">(.*?)<span class="why">(.*?)</span>', page)
    assert marked == [
        (
            "error",
            "      &#34;value&#34;: 1",
            "<b>error</b> /commands/0/value: The value must be an array of operations.",
        ),
        (
            "warning",
            "  &#34;&lt;b&gt;&#34;: 1",
            "<b>warning</b> /&lt;b&gt;: Okta documents no such member.",
        ),
    ]
    assert "Reply, 2 problems" in page
    with FaultServer(json_answer(200, [])) as server:
        okta.fire(okta.create_hook(server.url, name="list")["id"])
    page = Browser(okta.url).text
    assert "<code>the whole reply</code>: The reply must be a JSON object." in page
    assert "Reply, 1 problem<" in page


def test_the_check_that_the_handler_refuses(okta: OktaEmulator, browser: Browser) -> None:
    """The reason in the handler's problem document marks the check that it names."""
    bodies: list[Any] = [
        {"reason": "wrong_audience", "detail": "no"}, {"reason": ["x"]}, {"reason": "x"}, [],
    ]  # fmt: skip
    with FaultServer(*(json_answer(401, body) for body in bodies)) as server:
        hook = okta.create_hook(server.url, key=okta.create_key("Token hook"))
        for _ in bodies:
            okta.fire(hook["id"])
    browser.get()
    assert re.findall(r"(\w+) \(refused by the handler\)", browser.text) == ["audience"]
    assert "the hook answers 401 (wrong_audience: no)" in browser.text


def test_inspector(okta: OktaEmulator, browser: Browser) -> None:
    """The page lists every check with its result, omits the token itself and is not cached."""
    key = okta.create_key("Token hook")
    signer = okta.signer(key["keyId"])
    token = signer.client_assertion(client_id="0oa1", token_url="https://a.io/t")
    assert browser.send("inspect", token=token) == 200
    assert "Not every check passes" in browser.text
    assert browser.text.count("passed: ") >= 5
    assert token not in browser.text
    assert browser.get().headers["Cache-Control"] == "no-store"
    browser.send("inspect", token="")
    assert "no token" in browser.text


def test_untrusted_text_is_escaped(okta: OktaEmulator) -> None:
    """Markup in a name, a hook's response, a search or a token is escaped."""
    evil = "<script>alert(1)</script>\"'"
    key = okta.create_key(evil)
    with FaultServer(json_answer(200, {"commands": [{"type": evil}], evil: evil})) as server:
        hook = okta.create_hook(server.url, name=evil, key=None)
        okta.fire(hook["id"], {evil: evil})
    okta.fail(500, path=evil)
    browser = Browser(okta.url)
    pages = [browser.text]
    for query in ("edit", "delete"):
        for id_ in (key["id"], hook["id"]):
            browser.get(f"{okta.url}/?{query}={id_}")
            pages.append(browser.text)
    browser.submit(browser.form("", q=""), q=evil)
    pages.append(browser.text)
    browser.get(f"{okta.url}/")
    browser.send("create-key", name=evil)
    pages.append(browser.text)
    browser.send("inspect", token=okta.signer(key["keyId"]).sign({"iss": evil, evil: evil}))
    pages.append(browser.text)
    for page in pages:
        assert page.count("<script") == 1
        assert "alert(1)" in page
        assert "<script>" not in page


def test_one_script_and_no_foreign_content(browser: Browser) -> None:
    """The page loads nothing from other hosts, and its policy allows only its own script."""
    answer = browser.get()
    policy = answer.headers["Content-Security-Policy"]
    [nonce] = re.findall(r"script-src 'nonce-([\w-]+)';", policy)
    assert policy == (
        f"default-src 'none'; img-src data:; style-src 'nonce-{nonce}'; "
        f"script-src 'nonce-{nonce}'; connect-src 'self'; form-action 'self'; "
        "frame-ancestors 'none'; base-uri 'none'"
    )
    assert re.findall(r"<(?:script|style|link)\b[^>]*>", answer.text) == [
        '<link rel="icon" href="data:,">',
        f'<style nonce="{nonce}">',
        f'<script nonce="{nonce}">',
    ]
    assert " style=" not in answer.text
    assert re.findall(r" on\w+=", answer.text) == []
    assert nonce not in browser.get().text
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    links = re.findall(r'(?:src|href|action)="(https?://[^"]*)"', answer.text)
    assert links
    assert all(link.startswith(browser.org) for link in links)


# --- refused requests


def test_foreign_host_names_are_refused(okta: OktaEmulator, browser: Browser) -> None:
    """Only local names are accepted as ``Host``, which prevents DNS rebinding."""
    port = okta.url.rpartition(":")[2]
    names = (f"localhost:{port}", "localhost", f"127.0.0.1:{port}", f"[::1]:{port}", "127.0.0.2")
    for host in names:
        assert requests.get(okta.url, headers={"Host": host}, timeout=5).status_code == 200
    foreign = ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "[::1", "")
    for host in (*foreign, "evil.example@127.0.0.1", f"127.0.0.1:{port}/evil.example"):
        for path in ("/", "/console/events", "/console/create-key"):
            answer = requests.get(okta.url + path, headers={"Host": host}, timeout=5)
            assert answer.status_code in (400, 403)
    form = browser.form("create-key")
    assert browser.submit(form, {"Host": "evil.example"}, name="x") == 403
    assert okta.org.list() == []


@pytest.mark.parametrize("secret", ["", "wrong", "\u00e9", None])
def test_forms_without_the_secret_are_refused(
    okta: OktaEmulator, browser: Browser, secret: str | None
) -> None:
    """A form without the secret of the page is refused and changes nothing (CSRF)."""
    hook = okta.create_hook("http://127.0.0.1:9/h")
    fields = {} if secret is None else {"secret": secret}
    for form, more in (
        ("create-key", {"name": "x"}),
        ("fire", {"hook": hook["id"]}),
        ("inspect", {"token": "x"}),
        ("seed", {"seed": "keys: [a]"}),
        ("delete-hook", {"id": hook["id"]}),
    ):
        answer = requests.post(f"{okta.url}/console/{form}", data={**fields, **more}, timeout=10)
        assert answer.status_code == 403
        assert "reload" in answer.text
    assert (okta.org.list(), list(okta.deliveries)) == ([], [])
    assert len(okta.hooks.list()) == 1


@pytest.mark.parametrize("site", ["cross-site", "same-site", "anything"])
def test_requests_that_other_sites_cause_are_refused(
    okta: OktaEmulator, browser: Browser, site: str
) -> None:
    """A form and a stream of events are refused if the browser says that another site asks."""
    headers = {"Sec-Fetch-Site": site}
    assert browser.submit(browser.form("create-key"), headers, name="x") == 403
    assert "Another site" in browser.text
    answer = requests.get(f"{okta.url}/console/events", headers=headers, timeout=5)
    assert answer.status_code == 403
    assert okta.org.list() == []


def test_inspector_accepts_lone_surrogates(browser: Browser) -> None:
    """The inspector shows a token even when it contains a lone surrogate."""
    header = b64encode(rb'{"alg":"RS256","kid":"\ud800"}').decode().rstrip("=")
    assert browser.send("inspect", token=f"{header}.e30.AA") == 200


def test_a_form_over_64_kib_is_refused(browser: Browser) -> None:
    """A form over 64 KiB gets status 413."""
    assert browser.send("inspect", token="x" * 70_000) == 413


def test_the_console_is_not_part_of_the_api(okta: OktaEmulator, browser: Browser) -> None:
    """A console request consumes no fault and is not logged."""
    okta.fail(500)
    assert browser.get().status_code == 200
    assert list(okta.requests) == []


# --- other interfaces


@pytest.fixture
def everywhere(key_pool: KeyPool) -> Iterator[OktaEmulator]:
    with OktaEmulator(host="0.0.0.0", i_know_this_is_not_okta=True, new_key=key_pool) as okta:
        yield okta


def test_other_interfaces_need_an_explicit_opt_in(everywhere: OktaEmulator) -> None:
    """The opt-in is required for hosts other than loopback; with it, any ``Host`` is accepted."""
    for host in ("0.0.0.0", "::", "192.0.2.1"):
        for word in ({}, {"i_know_this_is_not_okta": False}, {"i_know_this_is_not_okta": 1}):
            with pytest.raises(ConfigurationError, match="unless i_know_this_is_not_okta=True"):
                OktaEmulator(host=host, **word)
    port = everywhere.url.rpartition(":")[2]
    answer = requests.get(f"http://127.0.0.1:{port}/", headers={"Host": "dev.acme"}, timeout=5)
    assert answer.status_code == 200
    assert everywhere.api_token not in answer.text


@pytest.mark.parametrize("host", ["localhost", "", "127.0.0.1:80", "acme.com", 5])
def test_host_must_be_an_ip_address(host: Any) -> None:
    """Host names are refused, because a name can resolve to more than one address."""
    with pytest.raises(ConfigurationError, match="host must be an IP address"):
        OktaEmulator(host=host)


def test_ipv6_loopback(key_pool: KeyPool) -> None:
    """``::1`` is loopback and needs no opt-in."""
    with OktaEmulator(host="::1", new_key=key_pool) as okta:
        assert okta.url.startswith("http://[::1]:")
        assert Browser(okta.url).get().status_code == 200


def test_a_foreign_address_cannot_be_served() -> None:
    """``start`` refuses an address that is not local, and names it."""
    okta = OktaEmulator(host="192.0.2.1", i_know_this_is_not_okta=True)
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1"):
        okta.start()
