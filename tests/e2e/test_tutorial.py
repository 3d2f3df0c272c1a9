"""The snippets of the README and the guides answer a hook of the local org with commands.

Only the issuer is replaced. ``test_console_browser`` tests the first handler of the README through
the console in a browser.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.hooks import RegistrationHook, TokenHook

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
    code = code_block("docs/frameworks/fastapi.md", "from fastapi import", "async def token_hook")
    port = free_port()
    with served(
        tmp_path, replaced(code, ISSUER, okta.issuer), "uvicorn", "hook:app", f"--port={port}"
    ):
        assert _fired(okta, port) == ("commands", CLIENT_ID)


def test_django(okta: OktaEmulator, tmp_path: Path) -> None:
    """The Django snippet, with a URL and served by uvicorn, answers a hook with commands."""
    code = code_block("docs/frameworks/django.md", "from django.http import", "def token_hook")
    (tmp_path / "site_of_hook.py").write_text(DJANGO_SITE)
    port = free_port()
    command = ("uvicorn", "site_of_hook:app", f"--port={port}")
    with served(tmp_path, replaced(code, ISSUER, okta.issuer), *command):
        assert _fired(okta, port) == ("commands", CLIENT_ID)


FLASK = ("flask", "--app", "hook", "run")
UVICORN = ("uvicorn", "hook:app")


@pytest.mark.parametrize(
    ("file", "words", "command"),
    [
        ("README.md", ("IssuerKeys(", "serve(hooks)"), FLASK),
        ("docs/frameworks/flask.md", ("IssuerKeys(", "@hooks.required"), FLASK),
        ("docs/hooks.md", ("def only_colleagues", "serve(hooks)"), FLASK),
        ("docs/hooks.md", ("from litestar import",), UVICORN),
        ("docs/hooks.md", ("hooks.verify_and_parse(",), FLASK),
        ("docs/hooks.md", ("hooks.averify_and_parse(",), UVICORN),
        ("docs/protect.md", ("@hooks.on(RegistrationHook)",), UVICORN),
    ],
)
def test_snippets(
    okta: OktaEmulator, tmp_path: Path, file: str, words: tuple[str, ...], command: tuple[str, ...]
) -> None:
    """Each snippet with a complete application answers a hook with commands that Okta accepts.

    It refuses a request without a token.
    """
    code = replaced(code_block(file, *words), ISSUER, okta.issuer)
    event = TokenHook if "TokenHook" in code or "token_hook" in code else RegistrationHook
    port = free_port()
    with served(tmp_path, code, *command, f"--port={port}"):
        url = f"http://127.0.0.1:{port}/hook"
        key = okta.create_key("Token hook")
        hook = okta.create_hook(url, event.EVENT_TYPE, key=key, client_id=CLIENT_ID)
        delivery = okta.fire(hook["id"])
        open_ = okta.create_hook(url, event.EVENT_TYPE, name="Without a token")
        refused = okta.fire(open_["id"])
    assert delivery.outcome == "commands", delivery
    assert delivery.problems == ()
    assert refused.outcome == "failed"
    assert (refused.steps[-1].status, "missing_token" in refused.steps[-1].problem) == (401, True)
