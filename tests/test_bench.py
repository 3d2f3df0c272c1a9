"""The benchmark scripts run. Times are not judged here; how often an org is called is."""

from __future__ import annotations

import json

import pytest

from tests.bench import adapters, keysource, load, start, token_endpoint, verify


def test_verify(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Every candidate verifies its token and is reported."""
    monkeypatch.setattr(verify, "ROUNDS", 1)
    monkeypatch.setattr(verify, "CALLS", 1)
    monkeypatch.setattr("sys.argv", ["verify"])
    verify.main()
    assert capsys.readouterr().out.count(" us   x ") == 4


def test_keysource(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """One call for many threads, few for a flood, one for all processes of a fleet."""
    sizes = {"THREADS": 20, "FLOOD": 400, "WARM": 200, "HANG": 0.2, "PROCESSES": 3}
    for name, size in sizes.items():
        monkeypatch.setattr(keysource, name, size)
    monkeypatch.setattr("sys.argv", ["keysource", "--json"])
    keysource.main()
    report = json.loads(capsys.readouterr().out)
    assert report["cold, hookkey_verify"]["calls"] == 1
    assert report["cold, hookkey_verify"]["answered"] == 20
    assert report["cold and down, hookkey_verify"]["calls"] == 1
    flood = report["flood of unknown kids, hookkey_verify"]
    assert flood["calls"] <= flood["at most"]
    assert flood["calls for the known key"] == 2
    assert report["flood of 20 while down, hookkey_verify"]["calls"] == 5
    outage = report["outage, hookkey_verify"]
    assert (outage["then"], outage["recovered"]) == (503, True)
    assert report["3 processes on one Valkey, cold"] == {"calls": 1, "keys": 3}


def test_start(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The command is timed, and what is missing is named."""
    monkeypatch.setattr(start, "ROUNDS", 1)
    monkeypatch.delenv("OKTA_SDK_PYTHON", raising=False)
    start.main()
    assert capsys.readouterr().out.startswith("OKTA_SDK_PYTHON is not set")


def test_adapters(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Every framework answers, protected and not."""
    monkeypatch.setattr(adapters, "ROUNDS", 1)
    monkeypatch.setattr(adapters, "CALLS", 1)
    monkeypatch.setattr("sys.argv", ["adapters", "--json"])
    adapters.main()
    assert set(json.loads(capsys.readouterr().out)) == {"wsgi", "asgi", "flask", "fastapi"}


def test_load(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """While the key source comes and goes: no good token gets a 401, no bad one gets in."""
    monkeypatch.setattr("sys.argv", ["load", "3"])
    load.main()
    report = json.loads(capsys.readouterr().out)
    assert {"200", "503"} >= set(report["good tokens"]) >= {"200"}
    assert {"401", "503"} >= set(report["bad tokens"]) >= {"401"}


def test_token_endpoint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Tokens are issued with every algorithm, entries remembered, and a hook delivered."""
    for name, size in {"ROUNDS": 2, "CALLS": 3, "LIVE": 50, "CLAIMS": 5, "DANCES": 3}.items():
        monkeypatch.setattr(token_endpoint, name, size)
    monkeypatch.setattr("sys.argv", ["token_endpoint", "--json"])
    token_endpoint.main()
    report = json.loads(capsys.readouterr().out)
    assert len(report) == 9
    assert report["token endpoint, ES256"]["percent"] > 0
