"""Take the pictures of the console in docs: ``python -m tests.e2e.console_pictures``.

Needs Chromium. The picture of an org shows a delivery whose reply breaks a rule.
"""

from __future__ import annotations

import shutil
import sys
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from selenium import webdriver
from selenium.webdriver.chrome.options import Options
from selenium.webdriver.chrome.service import Service

from hookkey_verify.emulator import OktaEmulator

from ..faults import FaultServer, json_answer

DOCS = Path(__file__).parents[2] / "docs"
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
WIDTH, HEIGHT = 1200, 900
NOW = 1_798_104_000.0
PATCH = {"op": "add", "path": "/claims/plan", "value": "gold"}
REPLIES = (
    {"commands": [{"type": "com.okta.access.patch", "value": [PATCH]}]},
    {"commands": [{"type": "com.okta.acess.patch", "value": [PATCH]}]},
)


@contextmanager
def browser() -> Iterator[webdriver.Chrome]:
    """Start a headless Chromium that reports its log."""
    options = Options()
    options.binary_location = CHROMIUM or ""
    for argument in (
        *("--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"),
        "--hide-scrollbars",
    ):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    chrome = webdriver.Chrome(options=options, service=Service(DRIVER))
    try:
        yield chrome
    finally:
        chrome.quit()


def emulate(driver: webdriver.Chrome, width: int, scheme: str) -> None:
    """Give the window a size and a color scheme."""
    size = {"width": width, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": width < 600}
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    driver.execute_cdp_cmd("Emulation.setEmulatedMedia", media)


def take(driver: webdriver.Chrome, folder: Path) -> list[Path]:
    """Take the pictures, and return their files."""
    with (
        OktaEmulator(api_token="local-token", clock=lambda: NOW) as okta,
        FaultServer(*(json_answer(200, reply) for reply in REPLIES)) as server,
    ):
        key = okta.create_key("Token hook")
        okta.create_key("Next token hook")
        hook = okta.create_hook(
            f"{server.url}/hook", name="Claims", key=key, client_id="0oa1hookclient4x7"
        )
        okta.create_hook(
            "https://hooks.acme.com/saml",
            "com.okta.saml.tokens.transform",
            name="Attributes",
            secret=("X-Secret", "s3cret"),
        )
        okta.fire(hook["id"])
        last = okta.fire(hook["id"])
        files = []
        for scheme in ("light", "dark"):
            emulate(driver, WIDTH, scheme)
            driver.get(f"{okta.url}/?open={last.id}")
            shot = driver.execute_cdp_cmd("Page.captureScreenshot", {"format": "png"})
            file = folder / f"console-{scheme}.png"
            file.write_bytes(b64decode(shot["data"]))
            files.append(file)
    return files


if __name__ == "__main__":
    with browser() as chrome:
        sys.stdout.write("".join(f"{file}\n" for file in take(chrome, DOCS)))
