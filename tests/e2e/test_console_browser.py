"""The console in a real browser: light and dark, small and large, with the keyboard alone.

The tests are skipped if Chromium is not installed; ``.ci/run`` installs it.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.ui import WebDriverWait

from hookkey_verify.emulator import OktaEmulator

from ..conftest import KeyPool
from ..faults import FaultServer, json_answer
from ..servers import free_port
from .tutorial import CLIENT_ID, ISSUER, TOKEN_URL, code_block, replaced, served

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None or DRIVER is None,
        reason="there is no browser: apt-get install chromium chromium-driver",
    ),
]

WIDTHS = (360, 1440)
# Returns the texts whose contrast with the background is below 4.5 (WCAG 2.2).
CONTRAST = """
const channel = v => { v /= 255; return v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4; };
const light = c => 0.2126 * channel(c[0]) + 0.7152 * channel(c[1]) + 0.0722 * channel(c[2]);
const colour = text => text.match(/[\\d.]+/g).map(Number);
const behind = e => {
  for (; e; e = e.parentElement) {
    const c = colour(getComputedStyle(e).backgroundColor);
    if (c.length < 4 || c[3] > 0) return c;
  }
};
const poor = [];
for (const e of document.querySelectorAll("body *")) {
  const text = [...e.childNodes].some(n => n.nodeType === 3 && n.textContent.trim());
  if (!text || !e.checkVisibility()) continue;
  const [a, b] = [light(colour(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
  const ratio = (a + 0.05) / (b + 0.05);
  if (ratio < 4.5) poor.push([e.tagName, e.textContent.trim().slice(0, 30), ratio]);
}
return poor;
"""
UNNAMED = """
const named = e => e.labels?.length || e.ariaLabel || e.textContent.trim();
return [...document.querySelectorAll("input:not([type=hidden]),select,textarea,button,a,summary")]
  .filter(e => !named(e)).map(e => e.outerHTML);
"""


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    options = Options()
    options.binary_location = CHROMIUM or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield chrome
    chrome.quit()


@pytest.fixture(scope="module")
def org(key_pool: KeyPool) -> Iterator[OktaEmulator]:
    """An org with a key and two hooks, of which one delivery succeeded and one failed."""
    with OktaEmulator(new_key=key_pool) as okta, FaultServer(json_answer(200, {})) as server:
        key = okta.create_key("Token hook")
        good = okta.create_hook(f"{server.url}/hook", name="Claims", key=key)
        bad = okta.create_hook(
            "http://127.0.0.1:9/" + "long-" * 30,
            "com.okta.saml.tokens.transform",
            name="SAML",
            secret=("X-Secret", "s3cret"),
        )
        okta.fire(bad["id"])
        okta.fire(good["id"])
        yield okta


@contextmanager
def window(driver: webdriver.Chrome, width: int, scheme: str) -> Iterator[None]:
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    yield
    assert driver.get_log("browser") == []  # type: ignore[no-untyped-call]


def assertion(okta: OktaEmulator) -> str:
    [hook] = [each for each in okta.hooks.list() if each["name"] == "Claims"]
    config = hook["channel"]["config"]
    signer = okta.org.signer_of(config["hookKeyId"])
    return signer.client_assertion(client_id=config["clientId"], token_url="https://a.io/other")


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", WIDTHS)
def test_how_it_looks(driver: webdriver.Chrome, org: OktaEmulator, width: int, scheme: str) -> None:
    """With all details open, nothing overflows, text has contrast and controls have names."""
    with window(driver, width, scheme):
        driver.get(org.url + "/")
        driver.find_element(By.NAME, "token").send_keys(assertion(org))
        driver.find_element(By.XPATH, "//button[text()='Inspect']").click()
        driver.execute_script("document.querySelectorAll('details').forEach(d => d.open = true)")
        assert driver.execute_script("return document.documentElement.scrollWidth") <= width
        background = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        dark = sum(int(part) for part in background[4:-1].split(",")) < 300
        assert dark is (scheme == "dark")
        assert driver.execute_script(CONTRAST) == []
        assert driver.execute_script(UNNAMED) == []
        checks = driver.find_elements(By.CSS_SELECTOR, "[role=status] tbody tr")
        assert len(checks) == 10
        failed = [row.text for row in checks if "✗" in row.text]
        assert len(failed) == 1
        assert failed[0].startswith("audience")


@pytest.mark.parametrize("width", WIDTHS)
def test_with_the_keyboard_alone(driver: webdriver.Chrome, key_pool: KeyPool, width: int) -> None:
    """A user can create a key and a hook, fire it and inspect a token with the keyboard alone."""
    with OktaEmulator(new_key=key_pool) as okta, FaultServer(json_answer(200, {})) as server:
        with window(driver, width, "light"):
            driver.get(okta.url + "/")

            def to(wanted: Callable[[Any], bool]) -> Any:
                """Press Tab until the wanted element has the focus, and check its focus outline."""
                for _ in range(60):
                    driver.switch_to.active_element.send_keys(Keys.TAB)
                    element = driver.switch_to.active_element
                    if wanted(element):
                        assert element.value_of_css_property("outline-style") != "none"
                        return element
                raise AssertionError("the keyboard does not reach it")

            def field(name: str, form: str) -> Callable[[Any], bool]:
                where = f"[action*='/console/{form}'] [name={name}]"
                return lambda e: e in driver.find_elements(By.CSS_SELECTOR, where)

            def button(text: str) -> Callable[[Any], bool]:
                return lambda e: e.tag_name == "button" and e.accessible_name == text

            def arrives(words: str) -> None:
                body = (By.TAG_NAME, "body")
                WebDriverWait(driver, 10, ignored_exceptions=(WebDriverException,)).until(
                    lambda _: words in driver.find_element(*body).text
                )

            to(field("name", "create-key")).send_keys("Token hook", Keys.ENTER)
            arrives("1 of 50")
            assert [key["name"] for key in okta.org.list()] == ["Token hook"]
            to(field("name", "create-hook")).send_keys("Claims")
            to(field("uri", "create-hook")).send_keys(f"{server.url}/hook")
            to(field("key", "create-hook")).send_keys("T")
            to(button("Create hook")).send_keys(Keys.SPACE)
            arrives("Inline hooks (1)")
            assert okta.hooks.list()[0]["channel"]["type"] == "OAUTH"
            to(button("Fire Claims")).send_keys(Keys.ENTER)
            arrives("no change")
            assert [delivery.ok for delivery in okta.deliveries] == [True]
            to(field("token", "inspect")).send_keys(assertion(okta))
            to(button("Inspect")).send_keys(Keys.ENTER)
            arrives("Not every check passes: client assertion")


def _fire_from_the_console(
    driver: webdriver.Chrome, okta: OktaEmulator, uri: str, token_url: str | None = None
) -> str:
    """Create a key and a hook, click Fire, and return the text of the deliveries."""

    def fill(form: str, **fields: str) -> None:
        for name, value in fields.items():
            where = f"[action*='/console/{form}'] [name={name}]"
            driver.find_element(By.CSS_SELECTOR, where).send_keys(value)

    def press(text: str, then: str) -> None:
        driver.find_element(By.XPATH, f"//button[text()='{text}']").click()
        body = (By.TAG_NAME, "body")
        WebDriverWait(driver, 10, ignored_exceptions=(WebDriverException,)).until(
            lambda _: then in driver.find_element(*body).text
        )

    driver.get(okta.url + "/")
    fill("create-key", name="Token hook")
    press("Create key", "1 of 50")
    fill("create-hook", name="Claims", uri=uri, key="Token hook", client_id=CLIENT_ID)
    fill("create-hook", **({} if token_url is None else {"token_url": token_url}))
    press("Create hook", "Inline hooks (1)")
    press("Fire", "steps of Claims")
    return driver.find_element(By.ID, "deliveries").text


def test_the_tutorial(driver: webdriver.Chrome, okta: OktaEmulator, tmp_path: Path) -> None:
    """The Flask code of the README, with another issuer, answers a hook fired in the console."""
    code = code_block("README.md", "IssuerKeys(", "serve(hooks)")
    port = free_port()
    command = ("flask", "--app", "hook", "run", f"--port={port}")
    with served(tmp_path, replaced(code, ISSUER, okta.issuer), *command):
        shown = _fire_from_the_console(driver, okta, f"http://127.0.0.1:{port}/hook")
    assert "✓ commands" in shown
    assert "com.okta.access.patch" in shown
    header = driver.find_element(By.TAG_NAME, "header").text
    for fact in (okta.issuer, okta.api_token, "api://hooks", f"{okta.issuer}/v1/token"):
        assert fact in header
    assert CLIENT_ID in driver.find_element(By.ID, "hooks").text


def test_the_tutorial_with_a_token_url(
    driver: webdriver.Chrome, okta: OktaEmulator, tmp_path: Path
) -> None:
    """The README's token URL code, with a local address, answers a hook fired in the console."""
    port = free_port()
    token_url = f"http://127.0.0.1:{port}/oauth2/token"
    code = replaced(code_block("README.md", "app.post(", "TokenEndpoint("), TOKEN_URL, token_url)
    env = {"OKTA_CLIENT_ORGURL": okta.url, "OKTA_CLIENT_TOKEN": okta.api_token}
    with served(tmp_path, code, "flask", "--app", "hook", "run", f"--port={port}", env=env):
        shown = _fire_from_the_console(driver, okta, f"http://127.0.0.1:{port}/hook", token_url)
    assert "✓ commands" in shown
    assert token_url in shown


def test_without_scripts(driver: webdriver.Chrome, org: OktaEmulator) -> None:
    """A hook can be fired, and its delivery is shown, with scripts disabled."""
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get(org.url + "/")
        count = len(org.deliveries)
        driver.find_element(By.XPATH, "//button[@aria-label='Fire Claims']").click()
        WebDriverWait(driver, 10).until(lambda _: len(org.deliveries) == count + 1)
        WebDriverWait(driver, 10).until(lambda _: driver.current_url.endswith("#deliveries"))
        assert "no change" in driver.find_element(By.ID, "deliveries").text
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})
