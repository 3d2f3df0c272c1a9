"""The result of a request that has a status or headers of its own."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Outcome", "links"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """The JSON values of a response with its status and further headers."""

    value: Any
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


def links(urls: Mapping[str, str]) -> dict[str, str]:
    """Return the ``Link`` header (RFC 8288) with the URL of each relation."""
    return {"Link": ", ".join(f'<{url}>; rel="{relation}"' for relation, url in urls.items())}
