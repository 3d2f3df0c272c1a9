"""Inline hooks in the management API, and how a client calls a hook of the emulator.

https://developer.okta.com/docs/api/openapi/okta-management/management/tag/InlineHook/
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

from starlette.requests import Request

from .console import fire_in_thread, org_url
from .okta_error import OktaError, invalid, no_endpoint
from .parts import Operation, Parts
from .request_body import json_body

__all__ = ["inline_hook_operations"]

HOOKS = "/api/v1/inlineHooks"
FIRE = "/emulator/fire"
MAX_ORDER = 2 * 1024 * 1024
"""The largest request to call a hook in bytes; it may contain an event in base64."""

_LIFECYCLE = {"activate": "ACTIVE", "deactivate": "INACTIVE"}


def inline_hook_operations(parts: Parts) -> list[Operation]:
    """Return the operations on the inline hooks of an org."""
    stored = parts.hooks

    async def hooks(request: Request) -> Any:
        if request.method == "POST":
            return _linked(request, stored.create(await json_body(request)))
        listed = stored.list(request.query_params.get("type"))
        return [_linked(request, hook) for hook in listed]

    async def hook(request: Request) -> Any:
        id_ = request.path_params["id"]
        if request.method == "DELETE":
            return stored.delete(id_)
        if request.method in ("PUT", "POST"):  # GUESS: that POST replaces everything too
            return _linked(request, stored.replace(id_, await json_body(request)))
        return _linked(request, stored.get(id_).document())

    async def lifecycle(request: Request) -> Any:
        status = _LIFECYCLE.get(request.path_params["verb"])
        if status is None:
            raise no_endpoint()
        return _linked(request, stored.set_status(request.path_params["id"], status))

    async def execute(request: Request) -> Any:
        return await _executed(parts, request.path_params["id"], await json_body(request))

    async def fire(request: Request) -> Any:
        return await _fired(parts, await json_body(request, MAX_ORDER))

    one = f"{HOOKS}/{{id}}"
    return [
        (HOOKS, hooks, ["GET", "POST"]),
        (one, hook, ["GET", "PUT", "POST", "DELETE"]),
        (f"{one}/lifecycle/{{verb}}", lifecycle, ["POST"]),
        (f"{one}/execute", execute, ["POST"]),
        (FIRE, fire, ["POST"]),
    ]


async def _executed(parts: Parts, hook_id: str, body: dict[str, Any]) -> Any:
    """Call the hook with this body and return its response.

    Okta documents one retry and the status 400 for every failure. GUESS: the error codes, and
    that inactive hooks can be called too.
    """
    delivery = await fire_in_thread(parts.deliverer, parts.hooks.get(hook_id), body, retry=True)
    step = delivery.steps[-1]
    if delivery.outcome != "failed":
        return delivery.answer
    # https://developer.okta.com/docs/reference/error-codes/: E0000135 and E0000137
    if step.status is None:
        raise OktaError(400, "E0000137", "The inline hook did not answer.", step.problem)
    raise OktaError(400, "E0000135", "The inline hook answered with an error.", step.problem)


async def _fired(parts: Parts, order: dict[str, Any]) -> dict[str, Any]:
    """Call the hook with the name or id in ``hook`` and return the complete delivery.

    The order may also have ``variant``, the variant of the event; ``payload``, an event that is
    sent as it is, in base64; and ``save``, which is true to return what was sent as ``payload``.
    """
    hooks, wanted, variant = parts.hooks, order.get("hook"), order.get("variant")
    found = [each["id"] for each in hooks.list() if wanted in (each["id"], each["name"])]
    if not found:
        summary = "Not found: Resource not found: (InlineHook)"
        names = ", ".join(repr(each["name"]) for each in hooks.list()[:10]) or "none"
        raise OktaError(404, "E0000007", summary, f"the inline hooks are: {names}")
    delivery = await fire_in_thread(
        parts.deliverer, hooks.get(found[0]), _event(order), variant=variant
    )
    sent = {"payload": b64encode(delivery.body).decode()} if order.get("save") is True else {}
    return delivery.document() | sent


def _event(order: dict[str, Any]) -> bytes | None:
    """Return the event that a request to call a hook contains, or None."""
    encoded = order.get("payload")
    if encoded is None:
        return None
    try:
        return b64decode(encoded, validate=True)
    except (TypeError, ValueError):
        raise invalid("payload", "payload must be base64") from None


def _linked(request: Request, hook: dict[str, Any]) -> dict[str, Any]:
    """Add the links of Okta's InlineHookLinks schema, as recorded for each status."""
    url = f"{org_url(request)}/api/v1/inlineHooks/{hook['id']}"
    links = {"self": _link(url, "GET", "PUT")}
    if hook["status"] == "ACTIVE":
        links["execute"] = _link(f"{url}/execute", "POST")
        links["deactivate"] = _link(f"{url}/lifecycle/deactivate", "POST")
    else:
        links["activate"] = _link(f"{url}/lifecycle/activate", "POST")
        links["delete"] = _link(url, "DELETE")
    return {**hook, "_links": links}


def _link(url: str, *methods: str) -> dict[str, Any]:
    return {"href": url, "hints": {"allow": [*methods]}}
