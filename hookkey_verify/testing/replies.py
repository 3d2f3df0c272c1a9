"""Asserts that Okta accepts a reply to an inline hook. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..hooks.check import check_reply

if TYPE_CHECKING:
    from ..hooks.payloads import Hook

__all__ = ["assert_valid_reply"]


def assert_valid_reply(
    hook_type: str | type[Hook],
    reply: object,
    request: Hook | Mapping[str, Any] | None = None,
    *,
    warnings: bool = False,
) -> None:
    """Assert that a reply breaks no documented rule.

    ``hook_type``: the ``eventType`` of the hook, or the class of its payload.
    ``reply``: the decoded JSON, the body as bytes or text, a ``Reply``, or None for a response
        with status 204 and no body.
    ``request``: the request that is answered, for the rules that depend on it. Default None: skip
        these rules.
    ``warnings``: whether a reply must not cause warnings either. A warning is about something that
        is allowed, but has an unwanted or undocumented effect. Default False.

    Raises ``AssertionError``, which lists the path (a JSON Pointer, RFC 6901), rule and message of
    each problem, and ``ConfigurationError`` if ``hook_type`` or ``request`` has the wrong type.
    """
    __tracebackhide__ = True  # pytest then shows the line of the test
    problems = [
        each
        for each in check_reply(hook_type, reply, request)
        if warnings or each.severity == "error"
    ]
    if problems:
        lines = [
            f"{each.severity} at {each.path or 'the whole reply'}: {each.rule}: {each.message}"
            for each in problems
        ]
        raise AssertionError("Okta does not accept this reply as it is:\n" + "\n".join(lines))
