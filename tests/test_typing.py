"""Correct use of the package passes a type checker, and incorrect use is reported."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

CASES = Path(__file__).parent / "typing"


def _mypy(file: str, cache: Path) -> str:
    command = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", str(cache), "--no-pretty"]
    done = subprocess.run(
        [*command, str(CASES / file)],
        capture_output=True,
        text=True,
        check=False,
        cwd=CASES.parents[1],
    )
    return done.stdout


def test_accepted(tmp_path: Path) -> None:
    """accepted.py passes mypy --strict; pyright checks the same file elsewhere."""
    assert "Success" in _mypy("accepted.py", tmp_path)


def test_rejected(tmp_path: Path) -> None:
    """Every marked line of rejected.py is reported with its code, and no other line is."""
    source = (CASES / "rejected.py").read_text().splitlines()
    expected = {
        (number, match[1])
        for number, line in enumerate(source, 1)
        if (match := re.search(r"# E: ([a-z-]+)$", line))
    }
    output = _mypy("rejected.py", tmp_path)
    found = re.findall(r"rejected\.py:(\d+): error: .* \[([a-z-]+)\]$", output, re.MULTILINE)
    assert {(int(number), code) for number, code in found} == expected
