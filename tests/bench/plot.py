"""Draw results as bars in an SVG for the documentation, in light and dark mode."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple
from xml.sax.saxutils import escape

__all__ = ["Bar", "bars"]

WIDTH, ROW, GAP, LEFT, RIGHT, TOP = 760, 26, 12, 220, 70, 64
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.small { font-size: 11px; fill: #59636e; }
.bar { fill: #afb8c1; } .ours { fill: #0969da; } .floor { fill: #59636e; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .small { fill: #9198a1; }
  .bar { fill: #6e7681; } .ours { fill: #4493f8; } .floor { fill: #9198a1; }
}
"""


class Bar(NamedTuple):
    """One bar: its label, its length, and its colour."""

    name: str
    value: float
    kind: Literal["ours", "floor", "bar"] = "bar"


def bars(title: str, note: str, *groups: Sequence[Bar], decimals: int = 2) -> str:
    """Return an SVG with the bars in the given order and a gap between groups.

    ``title``, ``note``: the two lines above the bars.
    ``groups``: the bars.
    ``decimals``: the number of decimals of the values. Default 2.
    """
    rows = [bar for group in groups for bar in group]
    height = TOP + ROW * len(rows) + GAP * len(groups)
    longest = max(bar.value for bar in rows)
    summary = "; ".join(f"{bar.name} {bar.value:.{decimals}f}" for bar in rows)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}: {escape(summary)}</title>",
        f"<style>{_STYLE}</style>",
        f'<text x="12" y="24" font-weight="600">{escape(title)}</text>',
        f'<text x="12" y="44" class="small">{escape(note)}</text>',
    ]
    top = TOP
    for group in groups:
        for bar in group:
            width = (WIDTH - LEFT - RIGHT) * max(bar.value, 0) / longest
            lines += [
                f'<text x="{LEFT - 10}" y="{top + 15}" text-anchor="end">{escape(bar.name)}</text>',
                f'<rect x="{LEFT}" y="{top + 3}" width="{width:.1f}" height="16" '
                f'class="{bar.kind}"/>',
                f'<text x="{LEFT + width + 8:.1f}" y="{top + 15}">{bar.value:.{decimals}f}</text>',
            ]
            top += ROW
        top += GAP
    return "\n".join([*lines, "</svg>", ""])
