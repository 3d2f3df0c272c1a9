"""Why inline hooks failed, read from events of the System Log. Pure.

Okta documents four texts of failures (https://developer.okta.com/docs/reference/api/event-types/).
The texts of time-outs, statuses and lost connections are not documented, so those are recognized by
the words that such a text needs. What is not recognized has the cause ``unknown``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from .models import LogEvent

__all__ = [
    "EXECUTED",
    "FAILED_HOOKS",
    "PROCESSED",
    "Cause",
    "HookFailure",
    "grouped",
    "remedy_of",
    "with_cause",
]

EXECUTED: Final = "inline_hook.executed"
"""The event of a call without a usable response."""
PROCESSED: Final = "inline_hook.response.processed"
"""The event of a response that Okta has read."""
FAILED_HOOKS: Final = (
    f'(eventType eq "{EXECUTED}" or eventType eq "{PROCESSED}") and outcome.result eq "FAILURE"'
)
"""The filter for the events of failed hooks."""
MAX_REASON: Final = 255
MAX_DETAIL: Final = 120


class Cause(StrEnum):
    """Why a hook failed. Members are added in minor releases and never renamed.

    ``no_answer``: The handler, or the token URL before it, did not answer in time.
    ``status``: The handler answered with another status than 200 or 204.
    ``not_connected``: The connection was refused or lost, or the host is unknown.
    ``tls``: The TLS handshake failed.
    ``token_fetch``: Okta got no access token from the token URL.
    ``recursion``: The hook needs a token of the authorization server that calls the hook.
    ``unreadable_reply``: The reply is not a JSON object.
    ``path_not_found``: An operation of the reply is for a claim that does not exist.
    ``value_missing``: An ``add`` or ``replace`` of the reply has no value.
    ``no_id_token``: The reply changes the ID token, and there is none.
    ``rejected_reply``: Okta rejects a command of the reply for another reason.
    ``own_error``: The handler returned an ``error`` object.
    ``missing_permission``: A scope or permission is missing.
    ``clock_skew``: The clock of the handler or of the token URL differs from Okta's.
    ``unknown``: Okta's text is not known, or there is none.

    For example:

    >>> from hookkey_verify.okta import Cause
    >>> Cause("no_answer") is Cause.NO_ANSWER
    True
    """

    NO_ANSWER = "no_answer"
    STATUS = "status"
    NOT_CONNECTED = "not_connected"
    TLS = "tls"
    TOKEN_FETCH = "token_fetch"  # noqa: S105 - a cause, not a password
    RECURSION = "recursion"
    UNREADABLE_REPLY = "unreadable_reply"
    PATH_NOT_FOUND = "path_not_found"
    VALUE_MISSING = "value_missing"
    NO_ID_TOKEN = "no_id_token"  # noqa: S105
    REJECTED_REPLY = "rejected_reply"
    OWN_ERROR = "own_error"
    MISSING_PERMISSION = "missing_permission"
    CLOCK_SKEW = "clock_skew"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFailure:
    """All failures of one hook that have the same cause.

    For example:

    >>> from hookkey_verify.okta import Cause, HookFailure
    >>> failure = HookFailure(hook_id="cal1", hook_name="Claims", cause=Cause.STATUS, detail="401")
    >>> f"{failure.hook_name}: {failure.cause} {failure.detail}"
    'Claims: status 401'
    """

    hook_id: str
    hook_name: str
    cause: Cause
    detail: str = ""
    """What differs within a cause: the status, or the path of the operation."""
    count: int = 1
    first: datetime | None = None
    last: datetime | None = None
    reason: str = field(default="", repr=False)
    """The text of the last event: at most 255 printable characters, without tokens. If it may be
    the handler's, it is also without long numbers, because those may be one-time codes."""
    remedy: str = ""
    """What to do."""
    times: tuple[datetime, ...] = field(default=(), repr=False)
    """When the events were published."""


_PATCH = re.compile(r"\(op=\w+, path=(?P<detail>.*?)\)?$")
_STATUS = r"(?:status(?: code)?|code|\bHTTP(?:/\d(?:\.\d)?)?)[ :=]+(?P<detail>[1-5]\d\d)\b"
_EXECUTED_RULES: Final = (
    (r"insufficient_scope|invalid_scope|access_denied|permission", Cause.MISSING_PERMISSION),
    (
        r"token (?:url|endpoint|request|server|response)|access token|client_assertion"
        r"|invalid_client|unauthorized_client|oauth",
        Cause.TOKEN_FETCH,
    ),
    (r"\b(?:ssl|tls|certificate|pkix|handshake|x\.?509|sslexception)\b|\bssl", Cause.TLS),
    (_STATUS, Cause.STATUS),
    (
        r"time[d ]?[ -]?out|timeout|no (?:response|answer)|(?:did|does) not (?:respond|answer)"
        r"|not received|in time|deadline|within \d",
        Cause.NO_ANSWER,
    ),
    (
        r"refused|unknown ?host|unreachable|no route|reset|\blost\b|resolv|resolution|connect"
        r"|closed|broken pipe|communication",
        Cause.NOT_CONNECTED,
    ),
    (r"\b(?P<detail>[345]\d\d)\b", Cause.STATUS),
)
_PROCESSED_RULES: Final = (
    (r"\Acould not (?:deserialize|read|parse) inline hook\b", Cause.UNREADABLE_REPLY),
    (r"\Apath not found *\(op=", Cause.PATH_NOT_FOUND),
    (r"\Avalue is required for add/replace", Cause.VALUE_MISSING),
    (r"\Aid token not present\W*\Z", Cause.NO_ID_TOKEN),
    (r"\A[\w /]+\(op=\w+, path=|\Ainvalid command (?:in inline hook\b|[\w.]+\Z)"
     r"|\Aaccess token not present\W*\Z", Cause.REJECTED_REPLY),
    (r"\A(?-i:[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)\Z|\A\Z", Cause.UNKNOWN),
    (r"", Cause.OWN_ERROR),
)  # fmt: skip
_RULES: Final = {
    EXECUTED: [(re.compile(form, re.IGNORECASE), cause) for form, cause in _EXECUTED_RULES],
    PROCESSED: [(re.compile(form, re.IGNORECASE), cause) for form, cause in _PROCESSED_RULES],
}
_DETAILS: Final = {EXECUTED: re.compile(_STATUS, re.IGNORECASE), PROCESSED: _PATCH}
"""The form of the detail that a text may have, whatever its cause."""
_HOSTS = re.compile(r"https?://\S+|\b[a-z0-9-]+(?:\.[a-z0-9-]+)*\.[a-z][a-z0-9-]*\b")
"""URLs and names of hosts; the names of Java's exceptions have capitals, and stay."""
_SECRETS = re.compile(r"eyJ[\w-]{5,}(?:\.[\w-]*)*|(?i:\b(?:bearer|basic|ssws)\s+)\S+")
_MAYBE_OWN: Final = (Cause.OWN_ERROR, Cause.UNKNOWN, Cause.REJECTED_REPLY)
"""The causes of texts that may come from the handler."""
_LONG_NUMBER = re.compile(r"\+?\d(?:[ ().-]{0,2}\d){3,}")


_REMEDIES: Final[Mapping[Cause, str]] = {
    Cause.NO_ANSWER: (
        "Okta waits 3 seconds for the token request and the call together. Measure both. Keep the "
        "handler and the token URL warm, and give their own requests a deadline."
    ),
    Cause.STATUS: (
        "Answer with 200 and a JSON object, or with 204. The handler's logs have the reason of a "
        "refusal."
    ),
    Cause.NOT_CONNECTED: (
        "Okta could not reach the handler. Check the host and the port of the hook's URL, DNS, the "
        "firewall, and that the service runs."
    ),
    Cause.TLS: (
        "Serve a certificate of a public authority for the host of the hook's URL, with its "
        "intermediate certificates, and support TLS 1.2."
    ),
    Cause.TOKEN_FETCH: (
        "Check the hook's client id, token URL, scope and hook key. The server behind the token "
        "URL must have the key's public JWK, allow the scope, and answer with expires_in."
    ),
    Cause.RECURSION: (
        "Let the hook get its tokens from another authorization server, or exclude the hook's "
        "client from the access policy whose rule calls the hook."
    ),
    Cause.UNREADABLE_REPLY: (
        "Answer with one JSON object as application/json, smaller than 256 KB. Build it with "
        "hookkey_verify.hooks, and try it with hookkey fire."
    ),
    Cause.PATH_NOT_FOUND: (
        "Use add for a new claim. Create a parent object as one value, because Okta creates no "
        "parents. The whole reply was dropped."
    ),
    Cause.VALUE_MISSING: (
        "Give each add and replace a value that is not null, or leave the operation out. The whole "
        "reply was dropped."
    ),
    Cause.NO_ID_TOKEN: (
        "Send com.okta.identity.patch only if the request has data.identity. The whole reply was "
        "dropped."
    ),
    Cause.REJECTED_REPLY: (
        "Correct the command that the text names. hookkey_verify.hooks.check_reply finds it."
    ),
    Cause.OWN_ERROR: (
        "The handler returned this error object. If that was not intended, look for it in the "
        "handler."
    ),
    Cause.MISSING_PERMISSION: (
        "Grant the scope that the text names to the hook's client, and allow it in the access "
        "policy of the authorization server."
    ),
    Cause.CLOCK_SKEW: (
        "Synchronize the clock of the handler, and of the token URL if it is yours, with NTP. "
        "Tokens are refused if clocks differ by more than a minute."
    ),
    Cause.UNKNOWN: (
        "Okta gives no known reason. Open the event in the System Log of the Admin Console, and "
        "look for the same time in the handler's logs."
    ),
}


def remedy_of(cause: Cause) -> str:
    """Return what to do about a cause."""
    return _REMEDIES[cause]


def cause_of(event: LogEvent) -> tuple[Cause, str]:
    """Return the cause of a failed event, and its detail: a status or a path, or ""."""
    return cause_in(event.reason, event.event_type)


def cause_in(reason: str, event_type: str = EXECUTED) -> tuple[Cause, str]:
    """Return the cause and the detail in the text of an event of this type."""
    text = reason.strip()
    if event_type == EXECUTED:
        text = _HOSTS.sub("", text)  # "oauth.acme.com" says nothing about the cause
    for form, cause in _RULES.get(event_type, ()):
        match = form.search(text)
        if match is not None:
            detail = _DETAILS[event_type].search(text) or match
            return cause, _safe(detail.groupdict().get("detail") or "")[:MAX_DETAIL]
    return Cause.UNKNOWN, ""


def grouped(events: Iterable[LogEvent]) -> list[HookFailure]:
    """Return the failures in these events, those with the latest event first.

    Events that occur twice, by their ``uuid``, count once.
    """
    groups: dict[tuple[str, Cause, str], list[LogEvent]] = {}
    seen: set[str] = set()
    for event in events:
        if event.uuid and event.uuid in seen:
            continue
        seen.add(event.uuid)
        cause, detail = cause_of(event)
        groups.setdefault((event.target_id or event.target_name, cause, detail), []).append(event)
    failures = [_group(cause, detail, found) for (_, cause, detail), found in groups.items()]
    return sorted(failures, key=_recency, reverse=True)


def with_cause(failure: HookFailure, cause: Cause) -> HookFailure:
    """Return the failure with another cause and its remedy."""
    return replace(failure, cause=cause, remedy=remedy_of(cause))


def _group(cause: Cause, detail: str, events: list[LogEvent]) -> HookFailure:
    events = sorted(events, key=lambda event: event.published or _BEGINNING)
    times = tuple(event.published for event in events if event.published is not None)
    last = events[-1]
    reason = _safe(last.reason)
    return HookFailure(
        hook_id=_safe(last.target_id),
        hook_name=_safe(last.target_name),
        cause=cause,
        detail=detail,
        count=len(events),
        first=times[0] if times else None,
        last=times[-1] if times else None,
        reason=_LONG_NUMBER.sub("…", reason) if cause in _MAYBE_OWN else reason,
        remedy=remedy_of(cause),
        times=times,
    )


_BEGINNING: Final = datetime.fromtimestamp(0, UTC)


def _recency(failure: HookFailure) -> datetime:
    return failure.last or _BEGINNING


def _safe(text: str) -> str:
    """Return at most 255 printable characters of a text, without tokens."""
    shown = "".join(c if c.isprintable() else " " for c in text[: 4 * MAX_REASON])
    shown = _SECRETS.sub("(token)", shown)
    return shown if len(shown) <= MAX_REASON else shown[: MAX_REASON - 1] + "…"
