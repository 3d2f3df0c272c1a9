"""Draw panels of the dashboard as small charts in one SVG, in light and dark mode."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, NamedTuple
from xml.sax.saxutils import escape

__all__ = ["Line", "Phase", "Time", "drawing"]

WIDTH: Final = 1020
HEAD, GAP, MARGIN = 76, 18, 14
COLUMN: Final = (WIDTH - 2 * MARGIN - 2 * GAP) / 3
LEFT: Final = 46
PLOT: Final = 92
CHART: Final = 190
LEGEND_LINES: Final = 3
CHARACTER: Final = 6.1
"""The width of a character of the legend in the widest system font."""
STEP: Final = 2.6
"""Seconds after which a missing point interrupts a line."""
COLORS: Final = 7
_STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328; }
.h { font-size: 17px; font-weight: 600; } .row { font-size: 14px; font-weight: 600; }
.t { font-weight: 600; } .small { font-size: 10.5px; fill: #59636e; }
.grid { stroke: #d1d9e0; stroke-width: 1; }
.okta { fill: #fb8f44; fill-opacity: .18; } .store { fill: #8250df; fill-opacity: .14; }
polyline { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.healthy { fill: #2da44e; } .degraded { fill: #d4a72c; } .failing { fill: #cf222e; }
.c0 { --c: #0969da; } .c1 { --c: #bc4c00; } .c2 { --c: #1a7f37; } .c3 { --c: #8250df; }
.c4 { --c: #bf3989; } .c5 { --c: #7d6600; } .c6 { --c: #57606a; }
polyline { stroke: var(--c); } rect.key, circle { fill: var(--c); }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .small { fill: #9198a1; } .grid { stroke: #3d444d; }
  .okta { fill-opacity: .22; } .store { fill: #ab7df8; fill-opacity: .22; }
  .healthy { fill: #3fb950; } .degraded { fill: #d29922; } .failing { fill: #f85149; }
  .c0 { --c: #4493f8; } .c1 { --c: #f0883e; } .c2 { --c: #3fb950; } .c3 { --c: #ab7df8; }
  .c4 { --c: #f778ba; } .c5 { --c: #d4b106; } .c6 { --c: #9198a1; }
}
"""


class Phase(NamedTuple):
    """A shaded part of the time axis, in seconds. ``kind``: okta or store."""

    kind: str
    start: float
    end: float
    text: str


class Time(NamedTuple):
    """The time axis of all charts, from 0 to ``seconds``."""

    seconds: float
    phases: Sequence[Phase]


class Line(NamedTuple):
    """A series. ``points``: pairs of seconds and value."""

    name: str
    points: Sequence[tuple[float, float]]


@dataclass(frozen=True, slots=True)
class _Frame:
    """The place of a chart, and its axes."""

    left: float
    top: float
    width: float
    seconds: float
    low: float
    high: float
    is_log: bool

    def x(self, at: float) -> float:
        return self.left + self.width * at / self.seconds

    def y(self, value: float) -> float:
        low, high = self.low, self.high
        if self.is_log:
            value, low, high = (math.log10(each) for each in (max(value, low), low, high))
        return self.top + PLOT * (1 - (value - low) / (high - low))


def drawing(
    panels: Sequence[Mapping[str, Any]],
    lines: Mapping[str, Sequence[Line]],
    time: Time,
) -> str:
    """Return an SVG.

    ``panels``: the dashboard's panels with the headings of its rows.
    ``lines``: the series of each panel, by its title.
    ``time``: the time axis.
    """
    title = "The dashboard during two outages"
    parts = [
        f'<text x="{MARGIN}" y="26" class="h">{title}</text>',
        f'<text x="{MARGIN}" y="46" class="small">Time axis: seconds. Measured with the emulator, '
        "Valkey and Prometheus. Keys are fresh for 3 and stale for 10 seconds here.</text>",
    ]
    left = float(MARGIN)
    for phase in time.phases:
        parts.append(f'<rect x="{left}" y="55" width="12" height="12" class="{phase.kind}"/>')
        parts.append(f'<text x="{left + 17}" y="65" class="small">{escape(phase.text)}</text>')
        left += 30 + CHARACTER * len(phase.text)
    top, column = float(HEAD), 0
    for panel in panels:
        name = panel["title"]
        if panel["type"] == "row":
            top += CHART if column else 0
            column = 0
            parts.append(f'<text x="{MARGIN}" y="{top + 20}" class="row">{escape(name)}</text>')
            top += 34
        elif panel["type"] == "state-timeline":
            parts += _timeline(name, lines[name], time, top)
            top += 50 + 20 * len(lines[name])
        else:
            x = MARGIN + column * (COLUMN + GAP)
            parts += _chart(panel, lines[name], time, x, top)
            column = (column + 1) % 3
            top += 0 if column else CHART
    height = int(top + 6)
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">'
    shown = "; ".join(panel["title"] for panel in panels if panel["type"] != "row")
    summary = f"<title>{title}: {escape(shown)}</title>"
    return "\n".join([head, summary, f"<style>{_STYLE}</style>", *parts, "</svg>", ""])


def _timeline(name: str, lines: Sequence[Line], time: Time, top: float) -> Iterator[str]:
    yield f'<text x="{MARGIN}" y="{top + 8}" class="t">{escape(name)}</text>'
    left = 330
    for state in ("healthy", "degraded", "failing"):
        yield f'<rect x="{left}" y="{top - 2}" width="11" height="11" class="{state}"/>'
        yield f'<text x="{left + 16}" y="{top + 8}" class="small">{state}</text>'
        left += 86
    frame = _Frame(240, top + 16, WIDTH - MARGIN - 250, time.seconds, 0, 1, is_log=False)
    height = 20 * len(lines)
    yield from _shades(frame, time.phases, height, beyond=4)
    for number, line in enumerate(lines):
        y = top + 18 + 20 * number
        yield f'<text x="{MARGIN}" y="{y + 12}" class="small">{escape(line.name)}</text>'
        for start, end, value in _spans(line.points):
            x, width = frame.x(start), frame.x(end) - frame.x(start)
            state = ("healthy", "degraded", "failing")[int(value)]
            yield f'<rect x="{x:.1f}" y="{y}" width="{width:.1f}" height="15" class="{state}"/>'
    yield from _time_axis(frame, height)


def _spans(points: Sequence[tuple[float, float]]) -> Iterator[tuple[float, float, float]]:
    """Yield start, end and value of each period in which the value is constant."""
    start = points[0][0]
    for (_, value), (at, following) in pairwise(points):
        if value != following:
            yield start, at, value
            start = at
    yield start, points[-1][0], points[-1][1]


def _chart(
    panel: Mapping[str, Any], lines: Sequence[Line], time: Time, left: float, top: float
) -> Iterator[str]:
    defaults = panel["fieldConfig"]["defaults"]
    is_log = "scaleDistribution" in defaults["custom"]
    values = [value for line in lines for _, value in line.points if math.isfinite(value)]
    low, high = _limits(values, is_log=is_log)
    frame = _Frame(left + LEFT, top + 16, COLUMN - LEFT, time.seconds, low, high, is_log)
    yield f'<text x="{left:.0f}" y="{top + 6}" class="t">{escape(panel["title"])}</text>'
    yield from _shades(frame, time.phases, PLOT)
    for value in _ticks(low, high, is_log=is_log):
        y = frame.y(value)
        yield (
            f'<line x1="{frame.left:.0f}" x2="{frame.left + frame.width:.0f}" y1="{y:.1f}" '
            f'y2="{y:.1f}" class="grid"/>'
        )
        text = _written(value, defaults["unit"])
        yield (
            f'<text x="{frame.left - 5:.0f}" y="{y + 4:.1f}" text-anchor="end" '
            f'class="small">{text}</text>'
        )
    yield from _time_axis(frame, PLOT)
    for number, line in enumerate(lines[:COLORS]):
        yield from _curve(frame, line, f"c{number}")
    yield from _legend([line.name for line in lines], left + 4, top + PLOT + 46)


def _curve(frame: _Frame, line: Line, color: str) -> Iterator[str]:
    pieces: list[list[tuple[float, float]]] = [[]]
    for at, value in line.points:
        if not math.isfinite(value):
            continue
        if pieces[-1] and at - pieces[-1][-1][0] > STEP:
            pieces.append([])
        pieces[-1].append((at, value))
    for piece in pieces:
        places = [f"{frame.x(at):.1f},{frame.y(value):.1f}" for at, value in piece]
        if len(places) == 1:
            x, y = places[0].split(",")
            yield f'<circle cx="{x}" cy="{y}" r="1.6" class="{color}"/>'
        elif places:
            yield f'<polyline points="{" ".join(places)}" class="{color}"/>'


def _legend(names: Sequence[str], left: float, top: float) -> Iterator[str]:
    x, row = left, 0
    for number, name in enumerate(names[:COLORS]):
        width = 20 + CHARACTER * len(name)
        if x > left and x + width > left + COLUMN:
            x, row = left, row + 1
        if row == LEGEND_LINES:
            return
        y = top + 14 * row
        yield f'<rect x="{x:.0f}" y="{y - 6:.0f}" width="9" height="3" class="key c{number}"/>'
        yield f'<text x="{x + 13:.0f}" y="{y:.0f}" class="small">{escape(name)}</text>'
        x += width


def _shades(
    frame: _Frame, phases: Sequence[Phase], height: float, *, beyond: int = 0
) -> Iterator[str]:
    for phase in phases:
        x, width = frame.x(phase.start), frame.x(phase.end) - frame.x(phase.start)
        yield (
            f'<rect x="{x:.1f}" y="{frame.top - beyond:.0f}" width="{width:.1f}" '
            f'height="{height + 2 * beyond}" class="{phase.kind}"/>'
        )


def _time_axis(frame: _Frame, height: float) -> Iterator[str]:
    for at in range(0, int(frame.seconds) + 1, 20):
        anchor = "end" if at == frame.seconds else "middle"
        text = f"{at} s" if at else "0"
        yield (
            f'<text x="{frame.x(at):.1f}" y="{frame.top + height + 13:.0f}" '
            f'text-anchor="{anchor}" class="small">{text}</text>'
        )


def _limits(values: Sequence[float], *, is_log: bool) -> tuple[float, float]:
    """Return the ends of the axis."""
    if is_log:
        low, high = min(values, default=0.001), max(values, default=1)
        return 10 ** math.floor(math.log10(low)), 10 ** math.ceil(math.log10(high * 1.001))
    high = max(values, default=1) or 1
    step = _step(high)
    return 0, step * math.ceil(high / step - 0.001)


def _ticks(low: float, high: float, *, is_log: bool) -> list[float]:
    if is_log:
        powers = range(round(math.log10(low)), round(math.log10(high)) + 1)
        return [10.0**power for power in powers]
    step = _step(high)
    return [step * number for number in range(round(high / step) + 1)]


def _step(high: float) -> float:
    """Return a round distance of ticks, of which 2 to 5 are needed."""
    power = 10.0 ** math.floor(math.log10(high))
    return power * next(each for each in (0.2, 0.25, 0.5, 1, 2, 5) if high <= 4 * each * power)


def _written(value: float, unit: str) -> str:
    """Return a value of an axis with its unit."""
    if unit == "percentunit":
        return f"{value * 100:.0f} %"
    if unit in ("reqps", "ops"):
        return f"{value:g} /s"
    if unit == "s":
        for factor, name in ((1, "s"), (1e3, "ms"), (1e6, "µs")):
            if value * factor >= 1 or not value:
                return f"{value * factor:g} {name}"
    return f"{value:g}"
