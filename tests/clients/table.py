"""Write, read and compare the table of ``docs/clients.md``, without I/O."""

from __future__ import annotations

import difflib
import re
from collections.abc import Collection, Iterable
from typing import NamedTuple

__all__ = ["Row", "difference", "merged", "rows_of", "text_of"]

MAX_REASON = 200
_HEAD = ("| client and version | tested with | result |", "|---|---|---|")
_INTRODUCTION = """\
# Tested clients

Okta's SDKs, common OAuth clients and an issuer other than Okta, each run against the emulator, a
`TokenEndpoint`, a `JwksBridge` or `IssuerKeys`.

| command | what it does |
|---|---|
| `nox -s clients` | runs all clients; fails if a result differs from the table of results |
| `nox -s clients -- --write` | runs all clients and writes this page |
| `nox -s clients -- --only NAME` | runs one client |

Okta's Python SDK 3 cannot parse hook keys; it fails in the same way with a real org.

## Results
"""
_VOLATILE = (
    (re.compile(r"127\.0\.0\.1:\d+"), "127.0.0.1:…"),
    (re.compile(r"\b(0oa|aus|HKY|cal)[0-9A-Za-z]{17}\b"), r"\1…"),
    (re.compile(r"<[\w.]+ object at 0x[0-9a-f]+>"), "<…>"),
    (re.compile(r"\b[0-9a-f]{32}\b|\b[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"), "…"),
    (re.compile(r"\d{4}-\d\d-\d\dT[\d:.]+Z?"), "…"),
)


class Row(NamedTuple):
    """One line of the table."""

    client: str
    capability: str
    result: str


def rows_of(client: str, outcomes: dict[str, str]) -> list[Row]:
    """Return the rows of a client, with the values that change in every run replaced."""
    return [Row(client, name, _stable(result)) for name, result in outcomes.items()]


def _stable(result: str) -> str:
    for pattern, replacement in _VOLATILE:
        result = pattern.sub(replacement, result)
    result = " ".join(result.replace("|", "/").split())
    return result if len(result) <= MAX_REASON else result[: MAX_REASON - 1].rstrip() + "…"


def text_of(rows: Iterable[Row]) -> str:
    """Return the whole document."""
    lines = [*_HEAD, *(f"| {' | '.join(row)} |" for row in rows)]
    return f"{_INTRODUCTION}\n{chr(10).join(lines)}\n"


def merged(document: str, rows: list[Row], clients: Collection[str]) -> list[Row]:
    """Return the rows of the document, with those of ``clients`` replaced by ``rows``.

    Clients keep the order of the document; new ones come last.
    """
    old = _read(document)
    order = [*dict.fromkeys(row.client for row in (*old, *rows))]
    kept = [row for row in old if row.client not in clients]
    return sorted((*kept, *rows), key=lambda row: order.index(row.client))


def _read(document: str) -> list[Row]:
    _, found, body = document.partition("\n".join(_HEAD) + "\n")
    lines = body.splitlines() if found else []
    return [Row(*line.strip("| ").split(" | ", 2)) for line in lines if line.startswith("|")]


def difference(document: str, rows: list[Row], clients: Collection[str]) -> list[str]:
    """Return how the rows of these clients differ from those of the document, as a diff."""
    recorded = [" | ".join(row) for row in _read(document) if row.client in clients]
    found = [" | ".join(row) for row in rows]
    names = ("docs/clients.md", "this run")
    return [*difflib.unified_diff(recorded, found, *names, n=0, lineterm="")]
