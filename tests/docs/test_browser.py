"""A browser that opens the site asks no other host."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service
from selenium.webdriver.common.by import By
from selenium.webdriver.support.ui import WebDriverWait

from ..faults import eventually
from .site import Site

CHROMIUM, DRIVER = shutil.which("chromium"), shutil.which("chromedriver")
PAGES = (
    "index.html",
    "tutorial.html",
    "performance.html",
    "reference/api/hookkey_verify.html",
    "reference/commands.html",
)
ROOT = Path(__file__).parents[2]
# Returns the texts whose middle is in a box and whose sides are not.
CROSSING = """
const boxes = [...document.querySelectorAll("rect")].map(each => each.getBBox());
return [...document.querySelectorAll("text")].filter(text => {
  const {x, y, width, height} = text.getBBox();
  return boxes.some(box => x + width / 2 > box.x && x + width / 2 < box.x + box.width
    && y + height / 2 > box.y && y + height / 2 < box.y + box.height
    && (x < box.x + 2 || x + width > box.x + box.width - 2));
}).map(text => text.textContent);
"""
pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(CHROMIUM is None or DRIVER is None, reason="needs Chromium"),
]


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_: Any) -> None:
        """Print nothing."""


@pytest.fixture(scope="module")
def url(site: Site) -> Iterator[str]:
    handler = partial(_Quiet, directory=str(site.folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def driver() -> Iterator[webdriver.Chrome]:
    options = Options()
    options.binary_location = CHROMIUM or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(DRIVER))
    yield chrome
    chrome.quit()


def _requested(driver: webdriver.Chrome) -> set[str]:
    """Return the hosts that were asked since the last call."""
    logged: list[Any] = driver.get_log("performance")  # type: ignore[no-untyped-call]
    messages = [json.loads(each["message"])["message"] for each in logged]
    sent = [each for each in messages if each["method"] == "Network.requestWillBeSent"]
    urls = [urlsplit(each["params"]["request"]["url"]) for each in sent]
    return {each.netloc for each in urls if each.scheme in ("http", "https", "ws", "wss")}


@pytest.mark.parametrize("page", PAGES)
def test_a_page_asks_no_other_host(driver: webdriver.Chrome, url: str, page: str) -> None:
    """A page loads from its own host only, and nothing that it loads is missing."""
    driver.get(f"{url}/{page}")
    assert driver.find_elements(By.TAG_NAME, "h1")
    assert _requested(driver) == {urlsplit(url).netloc}
    logged: list[Any] = driver.get_log("browser")  # type: ignore[no-untyped-call]
    severe = [each for each in logged if each["level"] == "SEVERE"]
    assert [each for each in severe if "favicon" not in each["message"]] == []


def test_the_search_works_offline(driver: webdriver.Chrome, url: str) -> None:
    """The search finds the guide about Kubernetes without another host."""
    driver.get(f"{url}/search.html?q=kubernetes")
    found = WebDriverWait(driver, 20).until(
        lambda _: driver.find_elements(By.CSS_SELECTOR, "#search-results li a")
    )
    assert any("kubernetes.html" in (link.get_attribute("href") or "") for link in found)
    assert _requested(driver) == {urlsplit(url).netloc}


def _emulate(driver: webdriver.Chrome, width: int, scheme: str) -> None:
    """Give the window a width and the system a color scheme."""
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 600}
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


@pytest.mark.parametrize(("system", "chosen"), [("dark", "light"), ("light", "dark")])
def test_a_picture_follows_the_theme_of_the_page(
    driver: webdriver.Chrome, url: str, system: str, chosen: str
) -> None:
    """If the reader chooses another theme than that of the system, the pictures have it too."""
    _emulate(driver, 1440, system)
    driver.get(f"{url}/explanation.html")
    driver.execute_script("document.body.dataset.theme = arguments[0]", chosen)
    scheme = "return getComputedStyle(document.querySelector('article img')).colorScheme"
    assert eventually(lambda: driver.execute_script(scheme) == chosen, 5)


@pytest.mark.parametrize("page", ["index", "explanation", "performance", "comparison", "runbook"])
def test_a_phone_shows_legible_pictures(driver: webdriver.Chrome, url: str, page: str) -> None:
    """On a phone, a picture scrolls and keeps its size, and the page itself is not too wide."""
    _emulate(driver, 360, "light")
    driver.get(f"{url}/{page}.html")
    width = "const e = document.documentElement; return e.scrollWidth - e.clientWidth"
    assert driver.execute_script(width) <= 0
    pictures = driver.find_elements(By.CSS_SELECTOR, "article img[src$='.svg']")
    assert [each for each in pictures if each.rect["width"] < 600] == []


@pytest.mark.parametrize("name", ["architecture", "cache", "delivery"])
def test_the_text_of_a_picture_fits(driver: webdriver.Chrome, name: str) -> None:
    """No text of a picture crosses the sides of the box that it is in."""
    driver.get((ROOT / "docs" / f"{name}.svg").as_uri())
    assert driver.execute_script("return document.querySelectorAll('text').length") > 3
    assert driver.execute_script(CROSSING) == []
