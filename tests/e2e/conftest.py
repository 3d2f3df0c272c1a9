"""Fixtures of the end-to-end tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from hookkey_verify.emulator import OktaEmulator

from .shell import Shell


@pytest.fixture
def shell(okta: OktaEmulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Shell:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(Path, "home", lambda: tmp_path)
    return Shell(okta)
