"""Draw the results of ``tests.bench.verify`` as an SVG for the README, in light and dark mode."""

from __future__ import annotations

from collections.abc import Mapping
from xml.sax.saxutils import escape

__all__ = ["bars"]

WIDTH, ROW, LEFT, RIGHT, TOP = 760, 26, 220, 70, 64
_STYLE = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.small { font-size: 11px; fill: #59636e; }
.bar { fill: #afb8c1; } .ours { fill: #0969da; } .floor { fill: #59636e; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .small { fill: #9198a1; }
  .bar { fill: #6e7681; } .ours { fill: #4493f8; } .floor { fill: #9198a1; }
}
"""


def bars(title: str, note: str, ratios: Mapping[str, float]) -> str:
    """Return an SVG with one bar per name, shortest first; the floor is the bar with ratio 1."""
    rows = sorted(ratios.items(), key=lambda row: row[1])
    height = TOP + ROW * len(rows) + 12
    longest = max(ratios.values())
    summary = "; ".join(f"{name} {ratio:.2f}" for name, ratio in rows)
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
        f"<title>{escape(title)}: {escape(summary)}</title>",
        f"<style>{_STYLE}</style>",
        f'<text x="12" y="24" font-weight="600">{escape(title)}</text>',
        f'<text x="12" y="44" class="small">{escape(note)}</text>',
    ]
    for number, (name, ratio) in enumerate(rows):
        top = TOP + ROW * number
        width = (WIDTH - LEFT - RIGHT) * ratio / longest
        kind = "ours" if name.startswith("hookkey") else "floor" if ratio == 1 else "bar"
        end = LEFT + width + 8
        lines += [
            f'<text x="{LEFT - 10}" y="{top + 15}" text-anchor="end">{escape(name)}</text>',
            f'<rect x="{LEFT}" y="{top + 3}" width="{width:.1f}" height="16" class="{kind}"/>',
            f'<text x="{end:.1f}" y="{top + 15}">{ratio:.2f}</text>',
        ]
    return "\n".join([*lines, "</svg>", ""])
