"""Makes lists of the lines of a docstring that describe parameters."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["with_lists"]

_ITEM: Final = re.compile(r"``[\w.*]+``(, ``[\w.*]+``)*( \([^)]*\))?: ")


def with_lists(lines: list[str]) -> list[str]:
    """Return the lines of a docstring with each run of "``name``: meaning" as a bullet list.

    Our docstrings have one parameter after the other, each on lines of its own, as readers of the
    code expect. In reStructuredText these lines would be one paragraph.
    """
    result: list[str] = []
    in_list = False
    for line in lines:
        if _ITEM.match(line):
            if not in_list and result and result[-1]:
                result.append("")
            in_list = True
            result.append(f"- {line}")
        elif in_list and not line.strip():
            in_list = False
            result.append("")
        elif in_list:
            result.append(f"  {line.strip()}")
        else:
            result.append(line)
    return result
