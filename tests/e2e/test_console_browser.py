"""The console in a real browser: light and dark, small and large, with the keyboard alone.

The tests are skipped if Chromium is not installed; ``.ci/run`` installs it. axe-core checks the
accessibility if Node.js and a package registry are available.
"""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import WebDriverException
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import WebDriverWait

from hookkey_verify.emulator import OktaEmulator

from ..conftest import KeyPool
from ..faults import FaultServer, json_answer
from ..servers import free_port
from .console_pictures import CHROMIUM, DRIVER, browser, emulate, take
from .tutorial import CLIENT_ID, ISSUER, ROOT, TOKEN_URL, code_block, replaced, served

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None or DRIVER is None,
        reason="there is no browser: apt-get install chromium chromium-driver",
    ),
]

AXE = "axe-core@4"
# Returns what axe-core reports, also about rules that are only good practice.
VIOLATIONS = """
const done = arguments[arguments.length - 1];
axe.run().then(found => done(found.violations.flatMap(each => each.nodes.map(
  node => `${each.id}: ${node.html.slice(0, 200)} ${node.failureSummary}`))));
"""
UNNAMED = """
const named = e => e.labels?.length || e.ariaLabel || e.textContent.trim();
return [...document.querySelectorAll("input:not([type=hidden]),select,textarea,button,a,summary")]
  .filter(e => !named(e)).map(e => e.outerHTML);
"""
IS_AT = """
const e = document.activeElement;
const name = e.ariaLabel || e.labels?.[0]?.textContent || e.innerText || "";
return name.replace(/\\s+/g, " ").trim() === arguments[0] && e.closest(arguments[1]) !== null;
"""
# On a phone, innerWidth grows with what is too wide.
OVERFLOW = "const e = document.documentElement; return e.scrollWidth - e.clientWidth"
OPEN_ALL = "document.querySelectorAll('details').forEach(each => { each.open = true; })"


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    with browser() as chrome:
        yield chrome


@pytest.fixture(scope="module")
def check(driver: webdriver.Chrome, tmp_path_factory: pytest.TempPathFactory) -> Callable[[], None]:
    """A function that checks the page, first as it is and then with all details open."""
    folder = tmp_path_factory.mktemp("axe")
    npm = shutil.which("npm")
    if npm is None:
        pytest.skip("there is no Node.js")
    install = [npm, "install", "--no-audit", "--no-fund", "--no-update-notifier", AXE]
    done = subprocess.run(
        install, cwd=folder, capture_output=True, text=True, timeout=180, check=False
    )
    if done.returncode != 0:
        pytest.skip("axe-core cannot be installed here")
    axe = (folder / "node_modules" / "axe-core" / "axe.min.js").read_text()

    def check() -> None:
        driver.execute_script(axe)
        for script in ("", OPEN_ALL):
            driver.execute_script(script)
            assert driver.execute_script(OVERFLOW) <= 0
            assert driver.execute_script(UNNAMED) == []
            assert driver.execute_async_script(VIOLATIONS) == []

    return check


@pytest.fixture(scope="module")
def org(key_pool: KeyPool) -> Iterator[OktaEmulator]:
    """An org with two keys and two hooks. Of its five deliveries two failed, one broke a rule."""
    replies = (json_answer(200, {"commands": [{"type": "x" * 300}]}), json_answer(200, {}))
    with OktaEmulator(new_key=key_pool) as okta, FaultServer(*replies) as server:
        key = okta.create_key("Token hook")
        okta.create_key("Staging")
        good = okta.create_hook(f"{server.url}/hook", name="Claims", key=key)
        bad = okta.create_hook(
            "http://127.0.0.1:9/" + "long-" * 30,
            "com.okta.saml.tokens.transform",
            name="SAML",
            secret=("X-Secret", "s3cret"),
        )
        for hook in (bad, good, good, bad, good):
            okta.fire(hook["id"])
        yield okta


@contextmanager
def window(driver: webdriver.Chrome, width: int, scheme: str) -> Iterator[None]:
    emulate(driver, width, scheme)
    driver.get_log("browser")  # type: ignore[no-untyped-call]
    yield
    entries = driver.get_log("browser")  # type: ignore[no-untyped-call]
    refused = "status of 400"  # Chromium logs the status of a refused form
    assert [e for e in entries if e["level"] != "DEBUG" and refused not in e["message"]] == []


def waits(driver: webdriver.Chrome, condition: Callable[[], Any]) -> Any:
    """Wait until the condition holds, also while the page is replaced."""
    wait = WebDriverWait(driver, 10, 0.05, ignored_exceptions=(WebDriverException,))
    return wait.until(lambda _: condition())


def body(driver: webdriver.Chrome) -> str:
    return driver.find_element(By.TAG_NAME, "body").text


def press(driver: webdriver.Chrome, button: str) -> None:
    """Click the first visible button with this accessible name, and wait for the next page."""
    driver.execute_script("window.isOld = true")
    buttons = driver.find_elements(By.TAG_NAME, "button")
    next(b for b in buttons if b.is_displayed() and b.accessible_name == button).click()
    loaded = "return !window.isOld && document.readyState === 'complete'"
    waits(driver, lambda: driver.execute_script(loaded))


def assertion(okta: OktaEmulator) -> str:
    [hook] = [each for each in okta.hooks.all() if each.name == "Claims"]
    signer = okta.org.signer_of(hook.hook_key_id or "")
    return signer.client_assertion(client_id=hook.client_id, token_url="https://a.io/other")


@pytest.mark.parametrize("look", [*product((360, 1440), ("light", "dark"))])
def test_accessibility(
    check: Callable[[], None],
    driver: webdriver.Chrome,
    org: OktaEmulator,
    okta: OktaEmulator,
    look: tuple[int, str],
) -> None:
    """axe-core reports no violation: for each step, the lists, the forms, an error and a token."""
    width, scheme = look
    with window(driver, width, scheme):
        driver.get(okta.url)
        background = driver.execute_script("return getComputedStyle(document.body).backgroundColor")
        dark = sum(int(part) for part in background[4:-1].split(",")) < 300
        assert dark is (scheme == "dark")
        check()
        press(driver, "Create key")
        check()
        okta.create_hook("http://127.0.0.1:9/h", name="x" * 255)
        hook = org.hooks.all()[0]
        delivery = org.deliveries[1]
        for address in (
            okta.url,
            org.url,
            f"{org.url}/?edit={hook.id}&event={hook.id}&delete={org.org.list()[0]['id']}",
            f"{org.url}/?token={delivery.id}.0&q=Claims",
        ):
            driver.get(address)
            check()
        driver.execute_script(OPEN_ALL)
        driver.find_element(By.ID, "create-key-name").send_keys("Staging")
        press(driver, "Create key")
        assert driver.switch_to.active_element.get_attribute("id") == "create-key-name"
        check()


def test_it_is_compact(driver: webdriver.Chrome, org: OktaEmulator) -> None:
    """On a phone, two keys, two hooks and five deliveries need less than two screens."""
    with window(driver, 360, "light"):
        driver.get(org.url)
        assert driver.execute_script("return document.documentElement.scrollHeight") < 1_700


class Keyboard:
    """Uses a page with the keyboard alone."""

    def __init__(self, driver: webdriver.Chrome) -> None:
        self._driver = driver

    def to(self, name: str, within: str = "body") -> WebElement:
        """Press Tab until the element with this accessible name has a visible focus."""
        for _ in range(150):
            ActionChains(self._driver).send_keys(Keys.TAB).perform()
            if self._driver.execute_script(IS_AT, name, within):
                element = self._driver.switch_to.active_element
                assert element.accessible_name.strip() == name
                assert element.value_of_css_property("outline-style") != "none"
                return element
        raise AssertionError(f"the keyboard does not reach {name}")

    def go(self, name: str, then: str, within: str = "body", key: str = Keys.ENTER) -> None:
        """Press a key on an element, and wait for a text."""
        self.to(name, within).send_keys(key)
        waits(self._driver, lambda: then in body(self._driver))

    def type(self, name: str, text: str, within: str = "body") -> None:
        """Replace the text of a field."""
        self.to(name, within).send_keys(Keys.CONTROL + "a", Keys.NULL, text)

    def open(self, name: str, within: str) -> None:
        """Open details, unless they are open."""
        for details in self._driver.find_elements(By.CSS_SELECTOR, f"{within} details"):
            summary = details.find_element(By.TAG_NAME, "summary")
            if name in summary.text and not details.get_attribute("open"):
                self.to(summary.accessible_name, within).send_keys(Keys.ENTER)
                waits(self._driver, lambda: details.get_attribute("open"))  # noqa: B023
                return


def test_with_the_keyboard_alone(driver: webdriver.Chrome, okta: OktaEmulator) -> None:
    """Every action of the page is possible with the keyboard alone, and the focus is visible."""
    with window(driver, 360, "light"), FaultServer(json_answer(200, {})) as server:
        driver.get(okta.url)
        keyboard = Keyboard(driver)
        keyboard.to("Skip to the content").send_keys(Keys.ENTER)
        keyboard.type("Name of the key", "One")
        keyboard.go("Create key", "The hook key was created")
        keyboard.type("URL of your handler", f"{server.url}/hook")
        keyboard.go("Create hook", "The inline hook was created", key=Keys.SPACE)
        assert okta.hooks.all()[0].auth_type == "private_key_jwt"
        keyboard.go("Fire Claims", "The hook was fired")
        assert [delivery.ok for delivery in okta.deliveries] == [True]
        keyboard.open("checks of the client assertion", "#deliveries")
        keyboard.go("Inspect this token", "Every check passes", "#deliveries")
        keyboard.open("Paste a token", "#inspector")
        keyboard.type("A client assertion or an access token", assertion(okta))
        keyboard.go("Inspect", "Not every check passes")
        keyboard.open("One", "#keys")
        keyboard.go("Rename One", "Rename One", "#keys")
        driver.switch_to.active_element.send_keys(Keys.CONTROL + "a", Keys.NULL, "Two", Keys.ENTER)
        waits(driver, lambda: "The hook key was renamed" in body(driver))
        keyboard.open("Claims", "#hooks")
        keyboard.go("Deactivate Claims", "inactive")
        keyboard.open("Claims", "#hooks")
        keyboard.go("Another event for Claims", "Your own request body", "#hooks")
        keyboard.type("Your own request body", "{}")
        keyboard.go("Fire Claims", "The hook was fired", "form[id=fire-event]")
        assert okta.deliveries[-1].body == b"{}"
        keyboard.open("Claims", "#hooks")
        keyboard.go("Edit Claims", "Edit Claims")
        driver.switch_to.active_element.send_keys(
            Keys.CONTROL + "a", Keys.NULL, "Other", Keys.ENTER
        )
        waits(driver, lambda: "The inline hook was changed" in body(driver))
        keyboard.open("Other", "#hooks")
        keyboard.go("Delete Other", "Delete Other?")
        keyboard.go("Delete hook", "The inline hook was deleted")
        keyboard.open("Two", "#keys")
        keyboard.go("Delete Two", "Delete Two?")
        driver.switch_to.active_element.send_keys(Keys.SPACE)
        waits(driver, lambda: "The hook key was deleted" in body(driver))
        assert (okta.org.list(), okta.hooks.all()) == ([], ())


def test_the_other_forms_with_the_keyboard(driver: webdriver.Chrome, okta: OktaEmulator) -> None:
    """Faults, clock, seed and search are possible with the keyboard alone."""
    with window(driver, 1440, "dark"):
        driver.get(okta.url)
        keyboard = Keyboard(driver)
        keyboard.open("Change", "#controls")
        keyboard.type("Status or fault", "503")
        keyboard.go("Add fault", "The fault applies")
        keyboard.go("Remove all faults", "All faults were removed")
        keyboard.open("Change", "#controls")
        keyboard.type("Seconds ahead of this machine", "60")
        keyboard.go("Set clock", "60 seconds ahead")
        keyboard.open("Change", "#controls")
        keyboard.type("Keys and hooks in YAML or JSON", "keys: [Seeded]")
        keyboard.go("Create keys and hooks", "The keys and hooks of the seed exist now")
        keyboard.type("Search keys, hooks and deliveries", "nothing")
        keyboard.go("Search", "No key matches the search")
        keyboard.go("Clear", "Seeded")
        assert [key["name"] for key in okta.org.list()] == ["Seeded"]
        assert (okta.skewed, okta.faults.pending()) == (60, ())


def test_copy_buttons_and_local_times(driver: webdriver.Chrome, org: OktaEmulator) -> None:
    """A button copies its value and says so, and times are those of the browser's time zone."""
    with window(driver, 1440, "light"):
        permissions = {"permissions": ["clipboardReadWrite"], "origin": org.url}
        driver.execute_cdp_cmd("Browser.grantPermissions", permissions)
        driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": "Asia/Kathmandu"})
        try:
            driver.get(org.url)
            at = datetime.fromtimestamp(org.deliveries[-1].at, UTC) + timedelta(hours=5, minutes=45)
            shown = driver.find_element(By.CSS_SELECTOR, "#deliveries-list time").text
            assert shown.split(" ")[0] in (f"{at:%H:%M:%S}", f"{at:%I:%M:%S}")
            button = driver.find_element(By.CSS_SELECTOR, "[aria-label='Copy Issuer']")
            button.send_keys(Keys.ENTER)
            status = driver.find_element(By.ID, "status")
            waits(driver, lambda: status.get_property("textContent") == "Copied: Issuer")
            read = "navigator.clipboard.readText().then(arguments[0])"
            assert driver.execute_async_script(read) == org.issuer
        finally:
            driver.execute_cdp_cmd("Emulation.setTimezoneOverride", {"timezoneId": ""})


def test_steps_that_are_done_elsewhere(driver: webdriver.Chrome, okta: OktaEmulator) -> None:
    """The page goes to the next step when something else does one, unless input would be lost."""
    with window(driver, 1440, "light"):
        driver.get(okta.url)
        waits(driver, driver.find_element(By.ID, "live").is_displayed)
        okta.create_key("From elsewhere")
        waits(driver, lambda: driver.find_element(By.ID, "handler"))
        waits(driver, lambda: driver.find_element(By.ID, "live").is_displayed())
        driver.find_element(By.ID, "create-hook-name").send_keys(" of mine")
        okta.create_hook("http://127.0.0.1:9/h", name="From elsewhere, too")
        waits(driver, lambda: "too" in driver.find_element(By.ID, "hooks").text)
        name = driver.find_element(By.ID, "create-hook-name")
        assert name.get_property("value") == "Claims of mine"


REFUSED = {"name": "My hook", "uri": "https://a.io/h", "token_url": "https://me@a.io/t"}


@pytest.mark.parametrize("what", ["error", "panel", "select", "checkbox", "text"])
def test_input_without_focus_is_kept(
    driver: webdriver.Chrome, okta: OktaEmulator, what: str
) -> None:
    """A page with an error, an open form or changed input stays when the steps go on."""
    with window(driver, 1440, "light"):
        okta.create_key("Token hook")
        if what == "panel":
            hook = okta.create_hook("http://127.0.0.1:9/h", name="Claims")
            driver.get(f"{okta.url}/?edit={hook['id']}")
        else:
            driver.get(okta.url)
        fill = "document.getElementById(arguments[0])[arguments[1]] = arguments[2]"
        if what == "error":
            for name, value in REFUSED.items():
                driver.execute_script(fill, f"create-hook-{name}", "value", value)
            press(driver, "Create hook")
            assert "Not done" in body(driver)
        elif what != "panel":
            driver.execute_script(
                fill,
                *{
                    "select": ("create-hook-auth", "value", "none"),
                    "checkbox": ("fault-after", "checked", True),
                    "text": ("seed-seed", "value", "keys: [a]"),
                }[what],
            )
        driver.execute_script("document.activeElement.blur(); window.isOld = true")
        waits(driver, driver.find_element(By.ID, "live").is_displayed)
        fired = okta.create_hook("http://127.0.0.1:9/h", name="Later")
        okta.fire(fired["id"])
        waits(driver, lambda: "Later" in driver.find_element(By.ID, "deliveries").text)
        assert driver.execute_script("return window.isOld") is True
        if what == "error":
            field = driver.find_element(By.ID, "create-hook-name")
            assert field.get_property("value") == REFUSED["name"]


def test_updates_by_itself(driver: webdriver.Chrome, key_pool: KeyPool) -> None:
    """Deliveries from elsewhere appear; typed text, focus and open details stay as they are."""
    with OktaEmulator(new_key=key_pool, port=free_port()) as okta:
        hook = okta.create_hook("http://127.0.0.1:9/h", name="Claims")
        okta.fire(hook["id"])
        with window(driver, 1440, "light"):
            driver.get(okta.url)
            live = driver.find_element(By.ID, "live")
            waits(driver, live.is_displayed)
            assert not driver.find_element(By.ID, "reload").is_displayed()
            driver.execute_script(OPEN_ALL)
            name = driver.find_element(By.ID, "create-hook-name")
            name.send_keys("typ")
            okta.create_key("From elsewhere")
            fired = okta.fire(hook["id"])
            waits(driver, lambda: driver.find_element(By.ID, fired.id))
            waits(driver, lambda: "From elsewhere" in driver.find_element(By.ID, "keys").text)
            driver.switch_to.active_element.send_keys("ed")
            assert name.get_property("value") == "typed"
            first = driver.find_element(By.ID, f"delivery-{okta.deliveries[0].id}")
            assert first.get_property("open") is True
            options = driver.find_element(By.ID, "create-hook-key").get_property("textContent")
            assert "From elsewhere" in str(options)
            button = driver.find_element(By.ID, f"fire-{hook['id']}")
            driver.execute_script("arguments[0].focus()", button)
            okta.hooks.set_status(hook["id"], "INACTIVE")
            waits(driver, lambda: "inactive" in driver.find_element(By.ID, "hooks-list").text)
            assert driver.switch_to.active_element.get_attribute("id") == f"fire-{hook['id']}"
            summary = driver.find_element(By.CSS_SELECTOR, f"#hook-{hook['id']} > summary")
            driver.execute_script("arguments[0].focus()", summary)
            okta.hooks.set_status(hook["id"], "ACTIVE")
            waits(driver, lambda: "inactive" not in driver.find_element(By.ID, "hooks-list").text)
            assert driver.switch_to.active_element.tag_name == "summary"
            entries = driver.get_log("browser")  # type: ignore[no-untyped-call]
            assert [each for each in entries if each["level"] != "DEBUG"] == []
            okta.stop()
            waits(driver, driver.find_element(By.ID, "reload").is_displayed)
            okta.start()
            okta.create_key("After the restart")
            waits(driver, lambda: "After the restart" in driver.find_element(By.ID, "keys").text)
            waits(driver, live.is_displayed)
            driver.get_log("browser")  # type: ignore[no-untyped-call]  # of the lost connection


def _first_hook(
    driver: webdriver.Chrome, okta: OktaEmulator, uri: str, token_url: str | None = None
) -> str:
    """Follow the four steps of the console, and return the text of the deliveries."""
    driver.get(okta.url)
    steps = driver.find_elements(By.CSS_SELECTOR, ".guide-steps > li > h3")
    assert [step.text for step in steps] == [
        "Create a hook key", "Start your handler", "Create an inline hook", "Fire it",
    ]  # fmt: skip
    press(driver, "Create key")
    values = {"uri": uri, "client_id": CLIENT_ID}
    if token_url is not None:
        values["token_url"] = token_url
    for name, value in values.items():
        field = driver.find_element(By.ID, f"create-hook-{name}")
        field.clear()
        field.send_keys(value)
    press(driver, "Create hook")
    press(driver, "Fire Claims")
    driver.execute_script(OPEN_ALL)
    return driver.find_element(By.ID, "deliveries").text


def test_the_tutorial(driver: webdriver.Chrome, okta: OktaEmulator, tmp_path: Path) -> None:
    """The code of the second step, which is the README's, answers the hook of the fourth step."""
    readme = code_block("README.md", "IssuerKeys(", "serve(hooks)")
    okta.create_key("temporary")  # the code is shown from the second step on
    driver.get(okta.url)
    code = driver.find_element(By.ID, "handler").text + "\n"
    okta.delete_key(okta.org.list()[0]["id"])
    assert code == replaced(readme, ISSUER, okta.issuer)
    port = free_port()
    with served(tmp_path, code, "flask", "--app", "hook", "run", f"--port={port}"):
        shown = _first_hook(driver, okta, f"http://127.0.0.1:{port}/hook")
    assert "✓ commands" in shown
    assert "com.okta.access.patch" in shown
    facts = driver.find_element(By.CSS_SELECTOR, "[aria-labelledby=facts-title]").text
    for fact in (okta.issuer, okta.api_token, "api://hooks", f"{okta.issuer}/v1/token"):
        assert fact in facts
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
        shown = _first_hook(driver, okta, f"http://127.0.0.1:{port}/hook", token_url)
    assert "✓ commands" in shown
    assert token_url in shown


def test_without_scripts(driver: webdriver.Chrome, org: OktaEmulator) -> None:
    """With scripts disabled, a hook can be fired, and there is a link to reload the page."""
    driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": True})
    try:
        driver.get(org.url + "/")
        assert driver.find_element(By.ID, "reload").is_displayed()
        assert not driver.find_element(By.CSS_SELECTOR, "[aria-label='Copy Issuer']").is_displayed()
        count = len(org.deliveries)
        driver.find_element(By.XPATH, "//button[@aria-label='Fire Claims']").click()
        waits(driver, lambda: len(org.deliveries) == count + 1)
        waits(driver, lambda: driver.current_url.endswith(f"#{org.deliveries[-1].id}"))
        assert "The hook changes nothing: " in driver.find_element(By.ID, "deliveries").text
    finally:
        driver.execute_cdp_cmd("Emulation.setScriptExecutionDisabled", {"value": False})


def test_pictures(driver: webdriver.Chrome, tmp_path: Path) -> None:
    """The script takes a light and a dark picture, which the README and docs show."""
    light, dark = take(driver, tmp_path)
    for guide, folder in (("README.md", "docs/"), ("docs/emulator.md", "")):
        text = (ROOT / guide).read_text()
        assert f'srcset="{folder}{dark.name}"' in text
        assert f'src="{folder}{light.name}"' in text
    assert light.read_bytes() != dark.read_bytes()
    for file in (light, dark):
        assert 20_000 < file.stat().st_size < 200_000
        assert 20_000 < (ROOT / "docs" / file.name).stat().st_size < 200_000
