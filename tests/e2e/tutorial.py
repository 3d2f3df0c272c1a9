"""Extract the code of the README and of the guides, and serve it as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
ISSUER = "https://acme.okta.com/oauth2/aus1hooks"
TOKEN_URL = "https://hooks.acme.com/oauth2/token"
CLIENT_ID = "0oa1hookclient4x7"

DJANGO_SITE = """
import hook
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.urls import path

settings.configure(ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="of-a-test")
urlpatterns = [path("hook", hook.token_hook)]
app = get_asgi_application()
"""
"""The parts of a Django project around the view."""


def code_block(file: str, *words: str) -> str:
    """Return the only Python block of a file that contains all of these words."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / file).read_text(), re.DOTALL)
    [block] = [each for each in blocks if all(word in each for word in words)]
    return str(block)


def replaced(code: str, old: str, new: str) -> str:
    """Return the code with one string literal replaced, which must occur exactly once."""
    assert code.count(f'"{old}"') == 1
    return code.replace(f'"{old}"', f'"{new}"')


@contextmanager
def served(
    folder: Path, code: str, *command: str, env: Mapping[str, str] | None = None
) -> Iterator[None]:
    """Write ``hook.py``, start a server in its folder and wait until the server is running."""
    (folder / "hook.py").write_text(code)
    process = subprocess.Popen(
        [sys.executable, "-m", *command],
        cwd=folder,
        env={**os.environ, **(env or {}), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.stdout is not None
    try:
        output = []
        for line in process.stdout:
            output.append(line)
            if re.search(r"[Rr]unning on http", line):
                break
        else:
            raise AssertionError("".join(output))
        yield
    finally:
        process.terminate()
        process.stdout.close()
        process.wait(10)
