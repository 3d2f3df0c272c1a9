"""The benchmark scripts run; what they measure is not judged here."""

from __future__ import annotations

import pytest

from tests.bench import verify


def test_verify(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Every candidate verifies its token and is reported."""
    monkeypatch.setattr(verify, "ROUNDS", 1)
    monkeypatch.setattr(verify, "CALLS", 1)
    monkeypatch.setattr("sys.argv", ["verify"])
    verify.main()
    assert capsys.readouterr().out.count(" us   x ") == 4
