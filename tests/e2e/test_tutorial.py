"""The framework snippets of docs/protect.md answer a hook of the local org with commands.

Only the issuer is replaced. ``test_console_browser`` tests the Flask code of the README through
the console in a browser.
"""

from __future__ import annotations

from pathlib import Path

from hookkey_verify.emulator import OktaEmulator

from ..servers import free_port
from .tutorial import CLIENT_ID, DJANGO_SITE, ISSUER, code_block, replaced, served


def _fired(okta: OktaEmulator, port: int) -> tuple[str, object]:
    key = okta.create_key("Token hook")
    uri = f"http://127.0.0.1:{port}/hook"
    hook = okta.create_hook(uri, key=key, client_id=CLIENT_ID)
    delivery = okta.fire(hook["id"])
    assert delivery.outcome == "commands", delivery
    return delivery.outcome, delivery.commands[0]["value"][0]["value"]


def test_fastapi(okta: OktaEmulator, tmp_path: Path) -> None:
    """The FastAPI snippet, served by uvicorn, answers a hook with commands."""
    code = code_block("docs/protect.md", "from fastapi import", "async def token_hook")
    port = free_port()
    with served(
        tmp_path, replaced(code, ISSUER, okta.issuer), "uvicorn", "hook:app", f"--port={port}"
    ):
        assert _fired(okta, port) == ("commands", CLIENT_ID)


def test_django(okta: OktaEmulator, tmp_path: Path) -> None:
    """The Django snippet, with a URL and served by uvicorn, answers a hook with commands."""
    code = code_block("docs/protect.md", "from django.http import", "def token_hook")
    (tmp_path / "site_of_hook.py").write_text(DJANGO_SITE)
    port = free_port()
    command = ("uvicorn", "site_of_hook:app", f"--port={port}")
    with served(tmp_path, replaced(code, ISSUER, okta.issuer), *command):
        assert _fired(okta, port) == ("commands", CLIENT_ID)
