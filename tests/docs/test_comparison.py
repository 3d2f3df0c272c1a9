"""The figures of docs/comparison.md are measured here, or are those of docs/performance.md."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ..bench import compare
from ..bench.compare import LIBRARIES, SCENES, compared

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "comparison.md").read_text("utf-8")


def _rows(text: str) -> dict[str, list[str]]:
    """Return the cells of each row of tables by their first cell."""
    lines = re.findall(r"^\| (.*) \|$", text, re.MULTILINE)
    return {first: cells for first, *cells in (line.split(" | ") for line in lines)}


@pytest.mark.filterwarnings("ignore")  # of the other libraries
def test_the_outcomes() -> None:
    """The table has the outcome of each scene for each library that is installed."""
    found = compared()
    assert {"hookkey_verify", "PyJWT"} <= set(found)
    rows = _rows(TEXT)
    for scene in SCENES:
        for number, name in enumerate(LIBRARIES):
            if name in found:
                assert rows[scene][number] == f"`{found[name][scene]}`", (scene, name)


def test_missing_libraries_are_listed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The command lists the libraries that are not installed, and the page says how to get them."""

    def missing(issuer: str) -> compare.Verify:
        raise ImportError

    library = LIBRARIES["okta-jwt-verifier"]._replace(verifier=missing)
    monkeypatch.setitem(LIBRARIES, "okta-jwt-verifier", library)
    monkeypatch.setattr(compare, "SCENES", {})
    compare.main()
    assert capsys.readouterr().out.splitlines()[-1] == "not installed: okta-jwt-verifier"
    assert "pip install -e '.[bench]'" in TEXT


def test_the_figures() -> None:
    """Each multiple of the page is also on the page about performance."""
    rows = _rows(TEXT.partition("## How fast")[2].partition("## When")[0])
    known = (DOCS / "performance.md").read_text("utf-8")
    figures = re.findall(
        r"\d+\.\d+|\d+ to \d+", " ".join(cell for row in rows.values() for cell in row)
    )
    assert len(figures) >= 8
    assert [figure for figure in figures if figure not in known] == []
