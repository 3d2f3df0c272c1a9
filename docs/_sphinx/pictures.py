"""Draws the pictures of the documentation: ``python -m docs._sphinx.pictures``.

Each is an SVG for light and dark mode. Its numbers are those of the code.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from hookkey_verify import CachePolicy
from hookkey_verify.emulator.delivery_client import TIMEOUT
from hookkey_verify.token_endpoint import TIME_LIMIT as TOKEN_LIMIT
from hookkey_verify.verifier import TIME_LIMIT as VERIFY_LIMIT

__all__ = ["PICTURES"]

_STYLE: Final = """
text { font: 13px system-ui, sans-serif; fill: #1f2328; }
.title { font-weight: 600; } .small { font-size: 11px; fill: #59636e; }
.middle { text-anchor: middle; }
.box { fill: #f6f8fa; stroke: #afb8c1; } .ours { fill: #ddf4ff; stroke: #0969da; }
.line { stroke: #59636e; fill: none; } .limit { stroke: #cf222e; stroke-dasharray: 4 3; }
.good { fill: #dafbe1; stroke: #1a7f37; } .warn { fill: #fff8c5; stroke: #9a6700; }
.bad { fill: #ffebe9; stroke: #cf222e; } .head { fill: #59636e; }
@media (prefers-color-scheme: dark) {
  text { fill: #f0f6fc; } .small { fill: #9198a1; }
  .box { fill: #151b23; stroke: #6e7681; } .ours { fill: #121d2f; stroke: #4493f8; }
  .line { stroke: #9198a1; } .limit { stroke: #f85149; } .head { fill: #9198a1; }
  .good { fill: #12261e; stroke: #3fb950; } .warn { fill: #272115; stroke: #d29922; }
  .bad { fill: #25171c; stroke: #f85149; }
}
"""
_HEAD: Final = (
    '<marker id="head" markerWidth="8" markerHeight="8" refX="7" refY="4" orient="auto">'
    '<path class="head" d="M0 0 8 4 0 8Z"/></marker>'
)


def _svg(width: int, height: int, title: str, parts: Iterator[str]) -> str:
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>{_STYLE}</style>",
        f"<defs>{_HEAD}</defs>",
        *parts,
        "</svg>",
        "",
    ]
    return "\n".join(lines)


def _text(x: float, y: float, text: str, kind: str = "") -> str:
    return f'<text x="{x:g}" y="{y:g}" class="{kind}">{escape(text)}</text>'


def _box(x: float, y: float, width: float, height: float, kind: str = "box") -> str:
    return (
        f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="{height:g}" rx="6" class="{kind}"/>'
    )


def _arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    return f'<path class="line" marker-end="url(#head)" d="M{x1:g} {y1:g} {x2:g} {y2:g}"/>'


def _architecture() -> Iterator[str]:
    yield _box(20, 30, 150, 220)
    yield _text(95, 55, "Okta org", "middle title")
    yield _text(95, 74, "hook key:", "middle small")
    yield _text(95, 89, "private half", "middle small")
    yield _box(500, 30, 240, 90, "ours")
    yield _text(620, 55, "your token URL", "middle title")
    yield _text(620, 76, "TokenEndpoint or HookVerifier", "middle")
    yield _text(620, 96, "verifies with HookKeys", "middle small")
    yield _box(500, 160, 240, 90, "ours")
    yield _text(620, 185, "your hook", "middle title")
    yield _text(620, 206, "HookVerifier in your framework", "middle")
    yield _text(620, 226, "IssuerKeys or TokenEndpoint.verifier", "middle small")
    yield _arrow(170, 62, 500, 62)
    yield _text(335, 54, "1. client assertion, signed with the hook key", "middle")
    yield _arrow(500, 96, 170, 96)
    yield _text(335, 112, "2. access token", "middle")
    yield _arrow(170, 206, 500, 206)
    yield _text(335, 198, "3. Authorization: Bearer access token", "middle")
    yield _text(335, 226, "signed by the server behind the token URL", "middle small")
    yield _text(
        20, 280, "The token URL is your own service, or an Okta authorization server.", "small"
    )


def _cache() -> Iterator[str]:
    policy = CachePolicy()
    fresh, stale = policy.fresh_for, policy.stale_if_error
    earliest = fresh * (1 - policy.refresh_ahead)
    left, width = 20, 720
    scale = width * 0.9 / (fresh + stale)
    spans = (
        (0.0, earliest, "good", "fresh", "served from memory"),
        (earliest, fresh, "good", "due for a refresh", "served; refreshed behind"),
        (fresh, fresh + stale, "warn", "stale", "served only while the source cannot be asked"),
        (fresh + stale, (fresh + stale) / 0.9, "bad", "expired", "not served"),
    )
    for start, end, kind, name, what in spans:
        x, wide = left + start * scale, (end - start) * scale
        yield _box(x, 60, wide, 70, kind)
        if wide > 100:
            yield _text(x + wide / 2, 90, name, "middle title")
            yield _text(x + wide / 2, 112, what, "middle small")
        else:
            yield _arrow(x + wide / 2, 38, x + wide / 2, 58)
            yield _text(x + wide / 2, 30, name, "middle title")
            yield _text(x + wide / 2, 150, what.partition(";")[0], "middle small")
    for at in (0.0, earliest, fresh, fresh + stale):
        yield _text(left + at * scale, 172, f"{at / 60:g} min", "middle small" if at else "small")
    yield _text(
        left, 200, "Age of a key with the default CachePolicy. The refresh begins at a random"
    )
    yield _text(
        left, 218, "time in the first half of its part, so that processes do not refresh together."
    )


def _delivery() -> Iterator[str]:
    left, scale = 150, 180.0
    rows = (
        ("token request", 0.0, TOKEN_LIMIT, f"answers within {TOKEN_LIMIT:g} s"),
        ("hook call", 0.15, VERIFY_LIMIT, f"verifies within {VERIFY_LIMIT:g} s"),
    )
    yield _text(20, 30, "What fits into the time that Okta waits", "title")
    yield _text(20, 82, "Okta", "title")
    yield _box(left, 62, TIMEOUT * scale, 30)
    yield _text(left + TIMEOUT * scale / 2, 82, f"waits {TIMEOUT:g} s for both requests", "middle")
    for number, (name, start, limit, text) in enumerate(rows):
        y = 112 + 46 * number
        yield _text(20, y + 20, name, "title")
        yield _box(left + start * scale, y, limit * scale, 30, "warn")
        yield _box(left + start * scale, y, 0.12 * scale, 30, "good")
        yield _text(left + (start + 0.2) * scale, y + 20, text)
    end = left + TIMEOUT * scale
    yield f'<path class="limit" d="M{end:g} 50 V{200}"/>'
    for second in range(int(TIMEOUT) + 1):
        yield _text(left + second * scale, 218, f"{second} s", "middle small")
    yield _text(
        20,
        244,
        "Green: the usual case, milliseconds. Yellow: at most, while a key or store is slow.",
        "small",
    )
    yield _text(
        20,
        262,
        "After a timeout or 5xx Okta tries once more, except for token and telephony hooks.",
        "small",
    )


PICTURES: Final[Mapping[str, Callable[[], str]]] = {
    "architecture.svg": lambda: _svg(
        760, 295, "Okta, the token URL and the hook, and which token goes where", _architecture()
    ),
    "cache.svg": lambda: _svg(760, 230, "The states of a cached key, by its age", _cache()),
    "delivery.svg": lambda: _svg(
        760, 275, "The time limits of a hook call, by the second", _delivery()
    ),
}
"""The pictures by their file in docs/."""


if __name__ == "__main__":
    for name, draw in PICTURES.items():
        Path(__file__).parents[1].joinpath(name).write_text(draw(), encoding="utf-8")
