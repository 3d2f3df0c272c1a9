"""``GET /api/v1/logs``."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request

from .console import org_url
from .outcome import Outcome, links
from .parts import Operation, Parts

__all__ = ["LOGS", "log_operations"]

LOGS = "/api/v1/logs"


def log_operations(parts: Parts) -> list[Operation]:
    """Return the operations on the System Log of an org."""

    async def logs(request: Request) -> Any:
        parameters = dict(request.query_params)
        page = parts.log.query(parameters)
        url = f"{org_url(request)}{LOGS}"
        urls = {"self": f"{url}?{urlencode(parameters)}"}
        if page.after is not None:
            urls["next"] = f"{url}?{urlencode({**parameters, 'after': page.after})}"
        return Outcome(page.events, headers=links(urls))

    return [(LOGS, logs, ["GET"])]
