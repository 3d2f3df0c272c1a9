"""Run every benchmark and print the results.

python -m tests.bench [--only NAME …] [--json FILE] [--svg FILE] [--served-svg FILE]

``pip install -e '.[bench]'`` installs the libraries for comparison; the output lists those that are
missing. A full run takes five minutes; do not use the machine for other work meanwhile. ``--svg``
draws the section verify, and ``--served-svg`` the section serving.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, get_args

from hookkey_verify.signing_key import Algorithm

from . import (
    claims,
    cold,
    hooks,
    hostile,
    memory,
    serving,
    telemetry,
    threads,
    token_endpoint,
    verify,
)
from .plot import Bar, bars
from .rounds import Figure, machine, table

Report = Mapping[str, Any]


def _verify() -> Report:
    figures, missing = verify.measure()
    repeated = figures[verify.REPEATED]
    faster = {name: figure.ratio / repeated.ratio for name, figure in figures.items()}
    return {
        **figures,
        "repeated bearer, times faster than": {
            name: times for name, times in faster.items() if not name.startswith("hookkey_verify")
        },
        "not installed": ", ".join(missing) or "none",
    }


def _refuse() -> Report:
    worst = {f"{kind}, slowest token": costs for kind, costs in hostile.worst().items()}
    return {**verify.refusals(), **worst}


def _token_endpoint() -> Report:
    return {name: token_endpoint.throughput(name) for name in get_args(Algorithm)}


FIGURES = (Figure, serving.Served)
"""The results that are rows of a table."""

SECTIONS: dict[str, tuple[str, Callable[[], Report]]] = {
    "verify": ("one verification with a cached key and the full policy, by library", _verify),
    "refuse": ("one refusal; 15 KB hostile tokens compared with a 1 KB valid token", _refuse),
    "grow": ("longer tokens, more keys, more claims; key look-up, signing", verify.growth),
    "telemetry": ("one verification with a cached key, with and without events", telemetry.measure),
    "hooks": ("parsing and routing of a 4 KB payload, compared with its decoding", hooks.measure),
    "cold": ("time from process start to the first verification", cold.measure),
    "serving": ("the time that verification adds to a served request", serving.measure),
    "threads": ("total verifications per second of several threads or processes", threads.measure),
    "tokens": (
        "the token endpoint, compared with one RSA verification and one signature",
        _token_endpoint,
    ),
    "claims": ("one claim of a replay store, by engine", claims.costs),
    "failover": ("tokens that a failover of Valkey lets in twice", claims.failovers),
    "memory": ("memory per cached key and per used token", memory.measure),
}


def main(arguments: list[str] | None = None) -> None:
    """Run the chosen sections, print the results, and write the JSON and SVG files if requested."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("--only", nargs="+", choices=SECTIONS, default=list(SECTIONS))
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--svg", type=Path, metavar="FILE")
    parser.add_argument("--served-svg", type=Path, metavar="FILE")
    options = parser.parse_args(arguments)
    if options.svg and "verify" not in options.only:
        parser.error("--svg draws the section verify")
    if options.served_svg and "serving" not in options.only:
        parser.error("--served-svg draws the section serving")
    report: dict[str, Any] = {"machine": machine()}
    for name, value in report["machine"].items():
        print(f"{name:16} {value}")
    for name in options.only:
        title, measure = SECTIONS[name]
        print(f"\n{name}: {title}", flush=True)
        section = measure()
        _show(section)
        report[name] = {
            what: value._asdict() if isinstance(value, FIGURES) else value
            for what, value in section.items()
        }
    if options.json:
        options.json.write_text(json.dumps(report, indent=2) + "\n")
    if options.svg:
        options.svg.write_text(_drawn(report))
    if options.served_svg:
        options.served_svg.write_text(_served(report))


def _show(section: Report) -> None:
    figures = [(what, value) for what, value in section.items() if isinstance(value, FIGURES)]
    if figures:
        print(table(figures))
    for what, value in section.items():
        if isinstance(value, dict):
            print(f"{what:40}", "  ".join(f"{unit} {_short(each)}" for unit, each in value.items()))
        elif not isinstance(value, FIGURES):
            print(f"{what}: {value}")


def _short(value: object) -> str:
    return f"{value:.2f}" if isinstance(value, float) else str(value)


def _drawn(report: dict[str, Any]) -> str:
    rows = [
        Bar(
            what.replace("hookkey_verify, HookKeys", "hookkey_verify"),
            figure["ratio"],
            "ours" if what.startswith("hookkey") else "floor" if what == verify.FLOOR else "bar",
        )
        for what, figure in report["verify"].items()
        if isinstance(figure, dict) and "ratio" in figure and what not in _NOT_DRAWN
    ]
    note = (
        f"RS256, 2048 bits, cached key; multiples of the bare RSA operation, so less is better. "
        f"{_versions(report)}"
    )
    return bars("One verification", note, sorted(rows, key=lambda bar: bar.value))


_NOT_DRAWN = {
    "hookkey_verify, StaticKeys",
    "hookkey_verify, access token",
    verify.REPEATED,
}


def _served(report: dict[str, Any]) -> str:
    groups = [
        [
            Bar(f"{label}: {variant}", figure["added"], _KINDS[variant])
            for what, figure in report["serving"].items()
            for name, _, variant in [what.partition(", ")]
            if name == adapter and variant in _KINDS
        ]
        for adapter, label in _DRAWN.items()
    ]
    note = (
        "Microseconds added to a request over a real socket, so less is better; RS256, 2048 bits. "
        f"{_versions(report)}"
    )
    return bars("Time that verification adds to a request", note, *groups, decimals=0)


_DRAWN = {"asgi": "ASGI", "fastapi": "FastAPI", "flask": "Flask"}
_KINDS: dict[str, Literal["ours", "floor", "bar"]] = {
    "constant verifier": "floor",
    "repeated bearer": "ours",
    serving.NEW_TOKEN: "ours",
    "PyJWT + PyJWKClient": "bar",
}


def _versions(report: dict[str, Any]) -> str:
    about = report["machine"]
    return f"{about['python']}, cryptography {about['cryptography']}"


if __name__ == "__main__":
    main()
