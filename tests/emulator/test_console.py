"""The console over HTTP: its page, forms and refusals. tests/e2e runs it in a browser."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterator
from html import unescape
from typing import Any

import pytest
import requests

from hookkey_verify import ConfigurationError
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.emulator.inline_hooks import EVENT_TYPES
from hookkey_verify.emulator.payloads import VARIANTS
from hookkey_verify.hooks import TokenHook, parse_hook

from ..conftest import KeyPool
from ..faults import FaultServer, json_answer

SECRET = "s3cret-of-the-hook"


class Browser:
    """Fetches the page and submits its forms, as a browser would."""

    def __init__(self, okta: OktaEmulator) -> None:
        self.url = okta.url
        self.page = self.get().text

    def get(self, **headers: str) -> requests.Response:
        return requests.get(self.url + "/", headers=headers, timeout=10)

    def send(self, form: str, headers: Any = None, **fields: str) -> Any:
        given = re.findall(r'name="secret" value="([^"]+)"', self.page)
        body = {"secret": given[0], **fields}
        answer = requests.post(f"{self.url}/console/{form}", data=body, headers=headers, timeout=10)
        self.page = answer.text
        return answer


@pytest.fixture
def browser(okta: OktaEmulator) -> Browser:
    return Browser(okta)


def test_an_empty_org(okta: OktaEmulator, browser: Browser) -> None:
    """The page of an empty org shows its URLs, a notice that it is not Okta, and the next step."""
    for words in (okta.url, okta.issuer, "This is not Okta", "fire a hook"):
        assert words in browser.page


def test_create_key_and_hook_and_fire(okta: OktaEmulator, browser: Browser) -> None:
    """Forms create a key and a hook in the org; the page lists both and can fire the hook."""
    assert browser.send("create-key", name=" Token hook ").url == okta.url + "/#keys"
    [key] = okta.org.list()
    assert key["name"] == "Token hook"
    assert key["keyId"] in browser.page
    with FaultServer(json_answer(200, {"commands": []})) as server:
        url = f"{server.url}/hook"
        fields = {"type": "com.okta.oauth2.tokens.transform", "key": key["id"]}
        browser.send("create-hook", name="Claims", uri=url, **fields)
        [hook] = okta.hooks.list()
        assert hook["channel"]["config"]["hookKeyId"] == key["id"]
        assert "used by a hook" in browser.page
        assert "Nothing was delivered yet" in browser.page
        browser.send("fire", hook=hook["id"])
        [request] = server.requests
        assert request.headers["authorization"].startswith("Bearer ey")
    [delivery] = okta.deliveries
    assert delivery.ok
    assert delivery.verdict in browser.page
    assert request.headers["authorization"].split()[1] not in browser.page


def test_fire_a_variant(okta: OktaEmulator, browser: Browser) -> None:
    """The page offers the variants of the hook's type and sends the chosen one."""
    with FaultServer(json_answer(200, {"commands": []})) as server:
        hook = okta.create_hook(server.url)
        page = browser.get().text
        for variant in VARIANTS[hook["type"]]:
            assert f"<option>{variant}</option>" in page
        browser.send("fire", hook=hook["id"], variant="client-credentials")
        browser.send("fire", hook=hook["id"], variant="")
        first, second = (parse_hook(request.body) for request in server.requests)
    assert isinstance(first, TokenHook)
    assert isinstance(second, TokenHook)
    assert (first.grant_type, second.grant_type) == ("client_credentials", None)


def test_problems_of_a_reply(okta: OktaEmulator) -> None:
    """The page shows each problem of a reply with its path, escaped."""
    reply = {"commands": [{"type": "com.okta.access.patch", "value": 1}], "<b>": 1}
    with FaultServer(json_answer(200, reply)) as server:
        okta.fire(okta.create_hook(server.url)["id"])
    page = Browser(okta).page
    assert "<code>/commands/0/value</code>: The value must be an array of operations." in page
    assert "<code>/&lt;b&gt;</code>: Okta documents no such member." in page
    with FaultServer(json_answer(200, [])) as server:
        okta.fire(okta.create_hook(server.url, name="list")["id"])
    assert "<code>the whole reply</code>: The reply must be a JSON object." in Browser(okta).page


def test_hooks_with_other_authentication(okta: OktaEmulator, browser: Browser) -> None:
    """A hook can have no authentication, or a key with a custom token URL and client id."""
    key = okta.create_key("one")
    kind = "com.okta.saml.tokens.transform"
    browser.send("create-hook", name="open", uri="http://localhost:1/h", type=kind, key="")
    own = {"token_url": "https://acme.com/token", "client_id": "0oa9"}
    browser.send("create-hook", name="own", uri="https://a.io/h", type=kind, key=key["id"], **own)
    first, second = okta.hooks.list()
    assert (first["channel"]["type"], first["type"]) == ("HTTP", kind)
    config = second["channel"]["config"]
    assert (config["tokenUrl"], config["clientId"]) == ("https://acme.com/token", "0oa9")


def test_secrets_are_not_shown(okta: OktaEmulator) -> None:
    """The page shows the API token, which clients need, but no hook secret."""
    with FaultServer(json_answer(200, {})) as server:
        hook = okta.create_hook(server.url, name="a", secret=("Authorization", SECRET))
        okta.create_hook("https://a.io/h", name="b", client_secret="another-" + SECRET)
        okta.fire(hook["id"])
    page = Browser(okta).page
    assert SECRET not in page
    assert okta.api_token in page
    assert f"({len(SECRET)} characters)" in page


@pytest.mark.parametrize(
    ("form", "fields", "problem"),
    [
        ("create-key", {"name": ""}, "1 to 255"),
        ("create-key", {"name": "taken"}, "in use already"),
        ("create-key", {}, "1 to 255"),
        ("create-hook", {"name": "x", "uri": "ftp://a", "type": "x"}, "must be one of"),
        (
            "create-hook",
            {"name": "x", "uri": "ftp://a", "type": "com.okta.import.transform"},
            "must begin with https://",
        ),
        ("create-hook", {"key": "HKYnone"}, "Not found"),
        ("fire", {"hook": "calnone"}, "Not found"),
        ("fire", {}, "Not found"),
    ],
)
def test_invalid_forms(
    okta: OktaEmulator, browser: Browser, form: str, fields: dict[str, str], problem: str
) -> None:
    """An invalid form returns the same page with status 400 and the reason, and changes nothing."""
    okta.create_key("taken")
    answer = browser.send(form, **fields)
    assert answer.status_code == 400
    assert problem in unescape(re.findall(r'role="alert">(.*)</p>', answer.text)[0])
    assert len(okta.org.list()) == 1


def test_an_unknown_variant(okta: OktaEmulator, browser: Browser) -> None:
    """An unknown variant returns the page with the list of variants, and calls nothing."""
    hook = okta.create_hook("http://127.0.0.1:9/")
    answer = browser.send("fire", hook=hook["id"], variant="voice")
    assert answer.status_code == 400
    assert "variant must be one of authorization-code" in answer.text
    assert not okta.deliveries


def test_inspector(okta: OktaEmulator, browser: Browser) -> None:
    """The page lists every check with its result, omits the token itself and is not cached."""
    key = okta.create_key("Token hook")
    signer = okta.signer(key["keyId"])
    token = signer.client_assertion(client_id="0oa1", token_url="https://a.io/t")
    answer = browser.send("inspect", token=token)
    assert answer.status_code == 200
    assert "Not every check passes" in answer.text
    assert answer.text.count("✓ pass") >= 5
    assert token not in answer.text
    assert answer.headers["Cache-Control"] == "no-store"
    assert "no token" in browser.send("inspect", token="").text


def test_untrusted_text_is_escaped(okta: OktaEmulator) -> None:
    """Markup in a name, a hook's response or a token is escaped."""
    evil = "<script>alert(1)</script>\"'"
    key = okta.create_key(evil)
    with FaultServer(json_answer(200, {"commands": [{"type": evil}]})) as server:
        okta.fire(okta.create_hook(server.url, name=evil, key=None)["id"])
    browser = Browser(okta)
    page = browser.page + browser.send("create-key", name=evil).text
    page += browser.send(
        "inspect", token=okta.signer(key["keyId"]).sign({"iss": evil, evil: evil})
    ).text
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_no_scripts_or_foreign_content(browser: Browser) -> None:
    """The page has no scripts or links to other hosts, and its CSP forbids scripts and framing."""
    answer = browser.get()
    policy = answer.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "script-src" not in policy
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert "<script" not in answer.text
    links = re.findall(r'(?:src|href|action)="(https?://[^"]*)"', answer.text)
    assert links
    assert all(link.startswith(browser.url) for link in links)


# --- refused requests


def test_foreign_host_names_are_refused(okta: OktaEmulator, browser: Browser) -> None:
    """Only local names are accepted as ``Host``, which prevents DNS rebinding."""
    port = okta.url.rpartition(":")[2]
    names = (f"localhost:{port}", "localhost", f"127.0.0.1:{port}", f"[::1]:{port}", "127.0.0.2")
    for host in names:
        assert browser.get(Host=host).status_code == 200
    for host in ("evil.example", f"evil.example:{port}", "127.0.0.1.evil.example", "[::1", ""):
        assert browser.get(Host=host).status_code in (400, 403)
    refused = browser.send("create-key", {"Host": "evil.example"}, name="x")
    assert refused.status_code == 403
    assert okta.org.list() == []


@pytest.mark.parametrize("secret", ["", "wrong", "\u00e9", None])
def test_forms_without_the_secret_are_refused(
    okta: OktaEmulator, browser: Browser, secret: str | None
) -> None:
    """A form without the secret of the page is refused and changes nothing (CSRF)."""
    hook = okta.create_hook("http://127.0.0.1:9/h")
    fields = {} if secret is None else {"secret": secret}
    for form, more in (("create-key", {"name": "x"}), ("fire", {"hook": hook["id"]})):
        answer = requests.post(f"{browser.url}/console/{form}", data={**fields, **more}, timeout=10)
        assert answer.status_code == 403
        assert "reload" in answer.text
    assert (okta.org.list(), list(okta.deliveries)) == ([], [])


def test_inspector_accepts_lone_surrogates(okta: OktaEmulator, browser: Browser) -> None:
    """The inspector shows a token even when it contains a lone surrogate."""
    header = b64encode(rb'{"alg":"RS256","kid":"\ud800"}').decode().rstrip("=")
    assert browser.send("inspect", token=f"{header}.e30.AA").status_code == 200


def test_a_refused_hook_registers_no_client(okta: OktaEmulator, browser: Browser) -> None:
    """A refused hook leaves no client at the org's authorization server."""
    key = okta.create_key("mine")
    before = dict(okta._parts.apps._apps)
    fields = {"uri": "ftp://a.io", "name": "x", "type": EVENT_TYPES[0], "key": key["id"]}
    assert browser.send("create-hook", **fields).status_code == 400
    assert okta._parts.apps._apps == before


def test_a_form_over_64_kib_is_refused(okta: OktaEmulator, browser: Browser) -> None:
    """A form over 64 KiB gets status 413."""
    assert browser.send("inspect", token="x" * 70_000).status_code == 413


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


@pytest.mark.parametrize("host", ["localhost", "", "127.0.0.1:80", "acme.com", 5])
def test_host_must_be_an_ip_address(host: Any) -> None:
    """Host names are refused, because a name can resolve to more than one address."""
    with pytest.raises(ConfigurationError, match="host must be an IP address"):
        OktaEmulator(host=host)


def test_ipv6_loopback(key_pool: KeyPool) -> None:
    """``::1`` is loopback and needs no opt-in."""
    with OktaEmulator(host="::1", new_key=key_pool) as okta:
        assert okta.url.startswith("http://[::1]:")
        assert Browser(okta).get().status_code == 200


def test_a_foreign_address_cannot_be_served() -> None:
    """``start`` refuses an address that is not local, and names it."""
    okta = OktaEmulator(host="192.0.2.1", i_know_this_is_not_okta=True)
    with pytest.raises(ConfigurationError, match=r"192\.0\.2\.1"):
        okta.start()
