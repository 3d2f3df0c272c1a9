"""The built site."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from .site import Site

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Return the site that ``nox -s docs`` built, or build it."""
    built = os.environ.get("HOOKKEY_SITE")
    folder = Path(built) if built else tmp_path_factory.mktemp("site")
    if not built:
        command = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html"]
        doctrees = f"-d{tmp_path_factory.mktemp('doctrees')}"
        subprocess.run([*command, doctrees, str(ROOT / "docs"), str(folder)], check=True)
    return Site(folder)
