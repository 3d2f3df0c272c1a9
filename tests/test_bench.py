"""The benchmark scripts run. These tests check how often an org is called, not timings."""

from __future__ import annotations

import gc
import json
import random
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.bench import (
    __main__ as everything,
)
from tests.bench import (
    adapters,
    chaos,
    claims,
    cold,
    fleet,
    hooks,
    hostile,
    keysource,
    load,
    memory,
    peers,
    serving,
    start,
    telemetry,
    threads,
    token_endpoint,
    verify,
)
from tests.bench.plot import Bar, bars
from tests.bench.rounds import in_turns

pytestmark = [
    pytest.mark.slow,
    # Clients that are measured, such as redis-py and boto3, leave connections open.
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]


@pytest.fixture(autouse=True)
def _collected() -> Iterator[None]:
    """Collect what a benchmark left behind before another module's test runs."""
    yield
    gc.collect()


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reduce every benchmark to as little work as possible."""
    for module in (
        claims, cold, hooks, hostile, serving, telemetry, threads, token_endpoint, verify
    ):  # fmt: skip
        monkeypatch.setattr(module, "ROUNDS", 1)
    for module in (hooks, hostile, telemetry, token_endpoint, verify):
        monkeypatch.setattr(module, "CALLS", 4)
    monkeypatch.setattr(claims, "CLAIMS", 4)
    monkeypatch.setattr(claims, "LOAD", 3.0)
    monkeypatch.setattr(threads, "SECONDS", 0.02)
    monkeypatch.setattr(serving, "BURST", 2)
    monkeypatch.setattr(verify, "GROWTH_ROUNDS", 1)
    monkeypatch.setattr(memory, "KEYS", 60)
    monkeypatch.setattr(memory, "LIVE", 100)


@pytest.mark.usefixtures("short")
def test_everything(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One run measures every section, prints it, and writes it as JSON and as two SVGs."""
    written, drawn, served = (tmp_path / name for name in ("bench.json", "a.svg", "b.svg"))
    everything.main(["--json", str(written), "--svg", str(drawn), "--served-svg", str(served)])
    report = json.loads(written.read_text())
    assert set(report) == {"machine", *everything.SECTIONS}
    verified = report["verify"]
    ours = [name for name in verified if name.startswith("hookkey_verify")]
    assert len(ours) == 4
    assert verified[verify.FLOOR]["ratio"] == 1
    assert len(verified["repeated bearer, times faster than"]) == len(verified) - 2 - len(ours)
    missing = verified["not installed"]
    for name in peers.PEERS:
        assert (name in missing) != any(each.startswith(f"{name} ") for each in verified)
    assert all(row["us"] > 0 for name in ("refuse", "grow") for row in report[name].values())
    assert set(report["serving"]) == {
        f"{adapter}, {variant}"
        for adapter in ("wsgi", "flask", "django", "asgi", "fastapi")
        for variant in ("unprotected", "constant verifier", "repeated bearer", "new token")
    } | {f"{adapter}, PyJWT + PyJWKClient" for adapter in ("flask", "fastapi")}
    assert all(row["ratio"] > 0 for row in report["serving"].values())
    assert report["hooks"][hooks.FLOOR]["ratio"] == 1
    assert report["hooks"]["parsing and routing"].keys() == {"us", "ratio"}
    assert hooks.SIZE - 40 < report["hooks"]["bytes"] <= hooks.SIZE
    assert report["threads"]["1 thread"]["ratio"] == 1
    assert report["cold"]["import jwt, requests"]["ratio"] == 1
    assert all(row["us"] > 0 for row in report["telemetry"].values())
    assert report["memory"]["live jti"]["bytes each"] > 0
    assert _number_of_bars(drawn) == len(verified) - 5
    assert _number_of_bars(served) == 11
    out = capsys.readouterr().out
    assert all(f"\n{name}: " in out for name in everything.SECTIONS)


def _number_of_bars(drawn: Path) -> int:
    picture = ElementTree.fromstring(drawn.read_text())
    return len(picture.findall("{http://www.w3.org/2000/svg}rect"))


@pytest.mark.parametrize(("option", "section"), [("--svg", "verify"), ("--served-svg", "serving")])
def test_svg_needs_its_section(
    option: str, section: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """An option that draws a section is refused if --only leaves that section out."""
    with pytest.raises(SystemExit):
        everything.main(["--only", "memory", option, "x.svg"])
    assert f"{option} draws the section {section}" in capsys.readouterr().err


def test_ratios_compare_candidates_within_a_round(monkeypatch: pytest.MonkeyPatch) -> None:
    """A ratio compares two candidates of the same round, so a slow round changes no ratio."""
    now, pace = 0.0, 1.0
    slowness = cycle([1.0, 50.0, 3.0])

    def take(seconds: float) -> None:
        nonlocal now
        now += seconds

    def floor() -> None:
        nonlocal pace
        pace = next(slowness)
        take(0.5 * pace)

    monkeypatch.setattr("tests.bench.rounds.time.perf_counter", lambda: now)
    figures = in_turns({"floor": floor, "twice": lambda: take(pace)}, rounds=30, calls=1)
    assert figures["floor"][1:] == (1, 1, 1)
    assert figures["twice"][1:] == (2, 2, 2)
    assert figures["twice"].us == 3_000_000


def test_a_fleet(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Workers share requests, budgets and failures; a hanging org or store delays a caller once."""
    monkeypatch.setattr(fleet, "MOST_WORKERS", 32)
    monkeypatch.setattr(fleet, "SLOWEST_ANSWER", 1.5)  # for a busy machine
    monkeypatch.setattr(fleet, "STORE_TIMEOUT", 1.0)  # for a busy machine, too
    monkeypatch.setattr(fleet, "SIMULATED_WORKERS", 60)
    report = fleet.main(["--json"])
    cold, listed = report["cold"], report["cold, with directory"]
    assert (cold["calls"], cold["outcomes"]) == ({"known": 1}, {"ok": cold["workers"]})
    assert listed["calls"] == {"hook-keys": 1, "known": 1}
    assert listed["outcomes"] == {"ok": listed["workers"]}
    assert report["made-up kids"]["calls"] <= report["made-up kids"]["at most"]
    hanging = report["hanging store"]
    assert hanging["outcomes"] == {"ok": 3 * hanging["workers"]}
    assert report["hanging org, stale key"]["blocked"] <= 1
    thawed = report["frozen during a fetch"]["outcomes"]
    assert thawed.pop("ok") > 0
    assert thawed == {"health": "healthy", "failures": 0}
    outage = report["simulated outage, with a store"]
    assert outage["calls"] <= 100
    assert outage["p99 s"] <= report["simulated outage, without"]["p99 s"]


def test_chaos() -> None:
    """A good token is never refused with 401 or 500, and no verdict is late."""
    seen = chaos.chaos(30, random.SystemRandom().randrange(10**6))
    assert set(seen["good"]) <= {"ok", "503 key_unavailable", "503 key_source_throttled"}, seen
    assert seen["slowest s"] <= chaos.LONGEST + 1, seen  # a second for a busy machine
    assert set(seen["at the end"]) == {"ok"}, seen
    assert "ok" not in seen["made up"], seen


def test_svg_escapes_names() -> None:
    """The SVG escapes names, and its title states the ratios for screen readers."""
    picture = ElementTree.fromstring(
        bars("A & B", "<note>", [Bar("floor", 1.0, "floor")], [Bar("<x>", 2.0)])
    )
    title = picture.find("{http://www.w3.org/2000/svg}title")
    assert title is not None
    assert title.text == "A & B: floor 1.00; <x> 2.00"


def test_keysource(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Many threads cost one call, a flood costs few, and the processes of a fleet share one."""
    sizes = {"THREADS": 20, "FLOOD": 400, "WARM": 200, "HANG": 0.2, "PROCESSES": 3}
    for name, size in sizes.items():
        monkeypatch.setattr(keysource, name, size)
    monkeypatch.setattr("sys.argv", ["keysource", "--json"])
    keysource.main()
    report = json.loads(capsys.readouterr().out)
    assert report["cold, hookkey_verify"]["calls"] == 1
    assert report["cold, hookkey_verify"]["answered"] == 20
    assert report["cold, org down, hookkey_verify"]["calls"] == 1
    flood = report["flood of unknown kids, hookkey_verify"]
    assert flood["calls"] <= flood["at most"]
    assert flood["calls for the known key"] == 2
    assert report["flood of 20, org down, hookkey_verify"]["calls"] == 5
    outage = report["outage, hookkey_verify"]
    assert (outage["then"], outage["recovered"]) == (503, True)
    assert report["3 processes on one Valkey, cold"] == {"calls": 1, "keys": 3}


def test_start(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The script names the missing OKTA_SDK_PYTHON."""
    monkeypatch.setattr(start, "ROUNDS", 1)
    monkeypatch.delenv("OKTA_SDK_PYTHON", raising=False)
    start.main()
    assert capsys.readouterr().out.startswith("OKTA_SDK_PYTHON is not set")


def test_adapters(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """The benchmark measures every framework."""
    monkeypatch.setattr(adapters, "ROUNDS", 1)
    monkeypatch.setattr(adapters, "CALLS", 1)
    monkeypatch.setattr("sys.argv", ["adapters", "--json"])
    adapters.main()
    assert set(json.loads(capsys.readouterr().out)) == {"wsgi", "asgi", "flask", "fastapi"}


def test_load(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """While the key source goes up and down, no good token gets a 401 and no bad one gets in."""
    monkeypatch.setattr("sys.argv", ["load", "3"])
    load.main()
    report = json.loads(capsys.readouterr().out)
    assert {"200", "503"} >= set(report["good tokens"]) >= {"200"}
    assert {"401", "503"} >= set(report["bad tokens"]) >= {"401"}


def test_token_endpoint(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The report has nine rows, and signing's share of the time is measured."""
    for name, size in {"ROUNDS": 2, "CALLS": 3, "LIVE": 50, "CLAIMS": 5, "DANCES": 3}.items():
        monkeypatch.setattr(token_endpoint, name, size)
    monkeypatch.setattr("sys.argv", ["token_endpoint", "--json"])
    token_endpoint.main()
    report = json.loads(capsys.readouterr().out)
    assert len(report) == 8
    assert report["token endpoint, ES256"]["percent"] > 0
