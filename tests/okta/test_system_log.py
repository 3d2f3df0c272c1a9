"""``SystemLogClient``: queries and pages, causes, recursion traps, and what is missing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from hookkey_verify import ApiToken, ConfigurationError, HookSigner
from hookkey_verify.emulator import OktaEmulator
from hookkey_verify.errors import (
    AuthenticationError,
    ForbiddenError,
    HookKeyApiError,
    NotFoundError,
    TransportError,
)
from hookkey_verify.okta import system_log
from hookkey_verify.okta.diagnosis import READ_HOOKS, READ_LOGS, READ_SERVERS
from hookkey_verify.okta.failures import EXECUTED, PROCESSED, Cause, cause_of, grouped
from hookkey_verify.okta.models import InlineHook, LogEvent
from hookkey_verify.okta.recursion import calls_for, server_of, suspects
from hookkey_verify.okta.system_log import AsyncSystemLogClient, SystemLogClient

from ..faults import FaultServer, answer, json_answer, okta_error
from .conftest import Naps

TARGET = {"id": "cal1", "type": "InlineHook", "displayName": "Claims"}
DATE = "Date: Sun, 29 Nov 2026 01:00:00 GMT"
ALL = (READ_LOGS, READ_HOOKS, READ_SERVERS)
NOW = datetime(2026, 11, 29, 1, tzinfo=UTC).timestamp()


@pytest.fixture
def log(okta: OktaEmulator, naps: Naps) -> Iterator[SystemLogClient]:
    with SystemLogClient(okta.url, ApiToken(okta.api_token), **naps.options()) as made:
        yield made


def event(reason: object, kind: str = EXECUTED, **members: Any) -> dict[str, Any]:
    return {
        "uuid": "u1",
        "published": "2026-11-29T00:59:00.000Z",
        "eventType": kind,
        "outcome": {"result": "FAILURE", "reason": reason},
        "target": [TARGET],
        **members,
    }


# --- causes


@pytest.mark.parametrize(
    ("kind", "text", "cause", "detail"),
    [
        # Texts that Okta documents or that people have reported.
        (PROCESSED, "Could not deserialize inline hook response due to error at Line 1 Column 7",
         Cause.UNREADABLE_REPLY, ""),
        (PROCESSED, "Path not found(op=replace, path=/claims/https:~1~1a)", Cause.PATH_NOT_FOUND,
         "/claims/https:~1~1a"),
        (PROCESSED, "Path not found(op=remove, path=/claims/a(b))", Cause.PATH_NOT_FOUND,
         "/claims/a(b)"),
        (PROCESSED, "Value is required for add/replace operation(op=add, path=/claims/a)",
         Cause.VALUE_MISSING, "/claims/a"),
        (PROCESSED, "ID Token not present", Cause.NO_ID_TOKEN, ""),
        (PROCESSED, "INTERNAL_ERROR", Cause.UNKNOWN, ""),
        (PROCESSED, "USER_NOT_FOUND", Cause.UNKNOWN, ""),
        (PROCESSED, "", Cause.UNKNOWN, ""),
        (PROCESSED, None, Cause.UNKNOWN, ""),
        (PROCESSED, "Unable to find the customer guid", Cause.OWN_ERROR, ""),
        # The texts of a handler's own error are never read as Okta's.
        (PROCESSED, "The request timed out", Cause.OWN_ERROR, ""),
        (PROCESSED, "HTTP status 500", Cause.OWN_ERROR, ""),
        (PROCESSED, "We say: Path not found", Cause.OWN_ERROR, ""),
        (PROCESSED, "DENIED", Cause.OWN_ERROR, ""),
        (PROCESSED, "Invalid value for email", Cause.OWN_ERROR, ""),
        (PROCESSED, "Could not read the record of the user", Cause.OWN_ERROR, ""),
        (PROCESSED, "CRM answer for +4915112345678 is not valid JSON", Cause.OWN_ERROR, ""),
        (PROCESSED, "Access token not present in session 998877", Cause.OWN_ERROR, ""),
        (PROCESSED, "Access Token not present", Cause.REJECTED_REPLY, ""),
        (PROCESSED, "Unsupported(op=move, path=/claims/a)", Cause.REJECTED_REPLY, "/claims/a"),
        (PROCESSED, "Invalid command com.action.update", Cause.REJECTED_REPLY, ""),
        # Okta does not document the texts of these.
        (EXECUTED, "Read timed out", Cause.NO_ANSWER, ""),
        (EXECUTED, "SocketTimeoutException", Cause.NO_ANSWER, ""),
        (EXECUTED, "The external service did not respond within 3 seconds", Cause.NO_ANSWER, ""),
        (EXECUTED, "No response received", Cause.NO_ANSWER, ""),
        (EXECUTED, "timeout", Cause.NO_ANSWER, ""),
        (EXECUTED, "Received HTTP status code 503 from the service", Cause.STATUS, "503"),
        (EXECUTED, "HTTP 401", Cause.STATUS, "401"),
        (EXECUTED, "HTTP/1.1 504 Gateway Timeout", Cause.STATUS, "504"),
        (EXECUTED, "responseCode=404", Cause.STATUS, "404"),
        (EXECUTED, "500 Internal Server Error", Cause.STATUS, "500"),
        (EXECUTED, "Connect to h.acme.com:443 failed: Connection refused", Cause.NOT_CONNECTED, ""),
        (EXECUTED, "java.net.UnknownHostException: h.acme.com", Cause.NOT_CONNECTED, ""),
        (EXECUTED, "Connection reset", Cause.NOT_CONNECTED, ""),
        (EXECUTED, "PKIX path building failed", Cause.TLS, ""),
        (EXECUTED, "SSLHandshakeException: bad certificate", Cause.TLS, ""),
        (EXECUTED, "TLS handshake timed out", Cause.TLS, ""),
        (EXECUTED, "Token endpoint returned invalid_client", Cause.TOKEN_FETCH, ""),
        (EXECUTED, "Could not get access token: HTTP status 401", Cause.TOKEN_FETCH, "401"),
        (EXECUTED, "OAuth token request timed out", Cause.TOKEN_FETCH, ""),
        (EXECUTED, "invalid_scope", Cause.MISSING_PERMISSION, ""),
        # The name of a host says nothing about the cause.
        (EXECUTED, "Connection to oauth.acme.com refused", Cause.NOT_CONNECTED, ""),
        (EXECUTED, "Unknown host permission.tls.acme.com", Cause.NOT_CONNECTED, ""),
        (EXECUTED, "TLS handshake with oauth.acme.com failed", Cause.TLS, ""),
        (EXECUTED, "https://a.b/oauth/timeout: HTTP status 502", Cause.STATUS, "502"),
        (EXECUTED, "io.netty.handler.timeout.ReadTimeoutException", Cause.NO_ANSWER, ""),
        (EXECUTED, "Something else", Cause.UNKNOWN, ""),
        (EXECUTED, None, Cause.UNKNOWN, ""),
        ("other.event", "timeout", Cause.UNKNOWN, ""),
    ],
)  # fmt: skip
def test_causes(kind: str, text: object, cause: Cause, detail: str) -> None:
    """The event and the text show the cause, and the detail if there is one."""
    assert cause_of(LogEvent.from_document(event(text, kind))) == (cause, detail)


def test_the_text_in_debug_data() -> None:
    """Without a reason, the errorMessage of the debugData counts."""
    debug = {"debugData": {"errorMessage": "Read timed out"}}
    read = LogEvent.from_document(event(None, debugContext=debug))
    assert (read.reason, cause_of(read)[0]) == ("Read timed out", Cause.NO_ANSWER)


@pytest.mark.parametrize(
    "document",
    [
        None, [], "text", {}, {"outcome": 5, "target": 5, "debugContext": 5},
        {"target": [None, 5, {"id": 5}], "published": "yesterday", "uuid": 5, "eventType": None},
        {"outcome": {"result": None, "reason": 5}, "debugContext": {"debugData": []}},
    ],
)  # fmt: skip
def test_events_that_cannot_be_read(document: object) -> None:
    """What an event lacks or has of another type is empty, and its cause is unknown."""
    read = LogEvent.from_document(document)
    assert (read.event_type, read.published, read.reason) == ("", None, "")
    (failure,) = grouped([read])
    assert (failure.cause, failure.first, failure.times) == (Cause.UNKNOWN, None, ())


def test_the_target_is_the_hook() -> None:
    """The hook is found among the targets by its id; otherwise the first target counts."""
    user = {"id": "00u1", "displayName": "Mia"}
    assert LogEvent.from_document(event("", target=[user, TARGET])).target_id == "cal1"
    assert LogEvent.from_document(event("", target=[user])).target_name == "Mia"


def test_groups() -> None:
    """Equal failures of a hook are one group with count, first and last; repetitions are not."""
    texts = {
        "a": ("HTTP status 500", "2026-11-29T00:00:03.000Z"),
        "b": ("HTTP status 500", "2026-11-29T00:00:01.000Z"),
        "c": ("HTTP status 401", "2026-11-29T00:00:02.000Z"),
    }
    events = [
        LogEvent.from_document(event(text, uuid=uuid, published=at))
        for uuid, (text, at) in (*texts.items(), ("a", texts["a"]), ("", texts["a"]))
    ]
    first, second = grouped(events)
    assert (first.detail, first.count) == ("500", 3)
    assert first.first is not None
    assert first.last is not None
    assert (first.first.second, first.last.second) == (1, 3)
    assert (second.detail, second.count) == ("401", 1)
    assert "status" in repr(first)
    assert first.reason not in repr(first)


@pytest.mark.parametrize(
    ("kind", "text", "shown"),
    [
        (PROCESSED, "a\x1b[31m\nb", "a [31m b"),
        (PROCESSED, "x" * 300, "x" * 254 + "…"),
        (PROCESSED, "code 012345", "code …"),
        (PROCESSED, "to +1 (555) 555-0100", "to …"),
        (PROCESSED, "No. 7", "No. 7"),
        (EXECUTED, "E0000137: timeout", "E0000137: timeout"),
        (EXECUTED, "Bearer abc failed", "(token) failed"),
        (PROCESSED, "eyJhbGciOiJS.eyJzdWIi.c2ln is bad", "(token) is bad"),
    ],
)
def test_what_is_shown_of_a_text(kind: str, text: str, shown: str) -> None:
    """A shown text is printable and bounded, without tokens and, in an own error, codes."""
    (failure,) = grouped([LogEvent.from_document(event(text, kind))])
    assert failure.reason == shown


# --- recursion


def _hook(**config: Any) -> InlineHook:
    url = "https://acme.okta.com/oauth2/aus1/v1/token"
    given = {"clientId": "0oa1", "tokenUrl": url, **config}
    return InlineHook.from_document(
        {
            "id": "cal1",
            "name": "Claims",
            "type": "com.okta.oauth2.tokens.transform",
            "channel": {"type": "OAUTH", "config": given},
        }
    )


SERVERS: list[object] = [
    None,
    {"id": 5, "issuer": 5},
    {"id": "ausDefault", "issuer": "https://acme.okta.com/oauth2/default", "status": "ACTIVE"},
    {"id": "aus1", "issuer": "https://id.acme.com/oauth2/aus1"},
    {"id": "aus2", "issuer": "https://acme.okta.com/oauth2/aus2", "status": "INACTIVE"},
    {"id": "aus3", "issuer": "https://[broken/oauth2/aus3"},
]


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("https://acme.okta.com/oauth2/aus1/v1/token", "aus1"),
        ("https://id.acme.com/oauth2/aus1/v1/token", "aus1"),
        ("https://other.acme.com/oauth2/aus1/v1/token", "aus1"),
        ("https://acme.okta.com/oauth2/default/v1/token", "ausDefault"),
        ("https://other.com/oauth2/default/v1/token", None),
        ("https://acme.okta.com/oauth2/aus2/v1/token", None),
        ("https://acme.okta.com/oauth2/aus3/v1/token", "aus3"),
        ("https://acme.okta.com/oauth2/aus9/v1/token", None),
    ],
)
def test_the_server_of_a_token_url(url: str, server: str | None) -> None:
    """The server is found by its id, whatever the host, and "default" only on the org's hosts."""
    assert server_of(_hook(tokenUrl=url), SERVERS, "https://acme.okta.com") == server


@pytest.mark.parametrize(
    "url",
    ["https://a.b/token", "https://acme.okta.com/oauth2/v1/token", "https://[x/", None, 5],
)
def test_other_token_urls(url: object) -> None:
    """Token URLs that are not those of a custom authorization server are no suspects."""
    assert suspects([_hook(tokenUrl=url)]) == []


def test_only_token_hooks_are_suspects() -> None:
    """Hooks of other types are not called for tokens."""
    saml = InlineHook.from_document({**_hook().raw, "type": "com.okta.saml.tokens.transform"})
    assert suspects([_hook(), saml]) == [_hook()]


@pytest.mark.parametrize(
    ("rule", "policy", "called"),
    [
        ({}, {}, True),
        ({"conditions": {"grantTypes": {"include": ["client_credentials"]}}}, {}, True),
        ({"conditions": {"grantTypes": {"include": ["authorization_code"]}}}, {}, False),
        ({"status": "INACTIVE"}, {}, False),
        ({}, {"status": "INACTIVE"}, False),
        ({}, {"conditions": {"clients": {"include": ["ALL_CLIENTS"]}}}, True),
        ({}, {"conditions": {"clients": {"include": ["0oa1"]}}}, True),
        ({}, {"conditions": {"clients": {"include": ["0oa2"]}}}, False),
        ({"actions": {"token": {"inlineHook": {"id": "cal2"}}}}, {}, False),
        ({"actions": None}, {}, False),
    ],
)
def test_rules_that_call_a_hook(rule: Any, policy: Any, called: bool) -> None:
    """A rule calls a hook for its own token if grant and client are among its conditions."""
    base = {"actions": {"token": {"inlineHook": {"id": "cal1"}}}}
    assert calls_for({**base, **rule}, policy, _hook()) is called


# --- queries


def test_events(okta: OktaEmulator, log: SystemLogClient) -> None:
    """``events`` returns all events of the period in order, with all of their members."""
    okta.create_key("one")
    okta.create_hook("https://acme.com/hook", name="Claims")
    kinds = [each.event_type for each in log.events()]
    assert kinds == ["system.hook.key.created", "inline_hook.created"]
    (found,) = log.events(filter='eventType eq "inline_hook.created"')
    assert (found.result, found.target_name) == ("SUCCESS", "Claims")
    assert found.raw["displayMessage"] == "Inline hook created"
    assert [*log.events(until=datetime.now(UTC) - timedelta(minutes=5))] == []


def test_pages(okta: OktaEmulator, log: SystemLogClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Further pages are fetched only when they are needed."""
    monkeypatch.setattr("hookkey_verify.okta.log_query.PAGE", 2)
    for number in range(5):
        okta.log.write("a", str(number), targets=[])
    assert [each.raw["displayMessage"] for each in log.events()] == [*"01234"]
    okta.requests.clear()
    next(log.events())
    assert len(okta.requests) == 2, "one for the clock, one for the first page"


def _server(*behaviours: Any) -> FaultServer:
    return FaultServer(json_answer(200, [], DATE), *behaviours)


def _client(server: FaultServer, **options: Any) -> SystemLogClient:
    return SystemLogClient(server.url, ApiToken("00t"), max_wait=0, now=lambda: NOW, **options)


@pytest.mark.parametrize(
    "link",
    [
        '<https://evil.example/api/v1/logs?after=7>; rel="next"',
        '<{url}/api/v1/logs?after=7>; rel="self", <{url}/api/v1/logs?after=7>;rel="next"',
    ],
)
def test_links_lead_to_the_org_only(link: str) -> None:
    """Only the query of a link is used, so the credentials go nowhere but to the org."""
    header = "Link: " + link.replace("{url}", "https://acme.okta.com")
    with _server(json_answer(200, [event("")], DATE, header), json_answer(200, [])) as server:
        with _client(server) as client:
            assert len([*client.events()]) == 1
        assert server.requests[2].line.startswith("GET /api/v1/logs?after=7 ")


@pytest.mark.parametrize(
    "link", ["", "nonsense", '<https://[broken?a>; rel="next"', '</api/v1/logs>; rel="next"']
)
def test_links_that_cannot_be_read(link: str) -> None:
    """Without a usable link, the page is the last one."""
    page = json_answer(200, [event("")], DATE, f"Link: {link}")
    with _server(page) as server, _client(server) as client:
        assert len([*client.events()]) == 1
        assert len(server.requests) == 2


def test_pages_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A link to the same page ends the list, and too many pages are an error."""
    same = json_answer(200, [event("")], DATE, 'Link: </api/v1/logs?after=7>; rel="next"')
    with _server(same) as server, _client(server) as client:
        assert len([*client.events()]) == 2
    monkeypatch.setattr(system_log, "MAX_PAGES", 1)
    with _server(same) as server, _client(server) as client:
        with pytest.raises(TransportError, match="more than 1 pages"):
            [*client.events()]


@pytest.mark.parametrize(
    "options",
    [
        {"since": "1h"},
        {"since": 3600},
        {"since": timedelta(days=91)},
        {"since": timedelta(seconds=-1)},
        {"since": datetime(2026, 11, 29)},
        {"until": datetime(2026, 11, 29)},
        {"until": 5},
        {"filter": 5},
    ],
    ids=repr,
)
def test_wrong_arguments(okta: OktaEmulator, log: SystemLogClient, options: Any) -> None:
    """A wrong argument raises ConfigurationError before a request is sent."""
    with pytest.raises(ConfigurationError):
        log.events(**options)
    assert not okta.requests


def test_more_wrong_arguments(okta: OktaEmulator, log: SystemLogClient) -> None:
    """``follow``, ``failures`` and ``diagnose`` check their arguments too."""
    with pytest.raises(ConfigurationError, match="every"):
        log.follow(every=0)
    with pytest.raises(ConfigurationError, match="since"):
        log.failures(since="1h")  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="hook must be"):
        log.diagnose(hook=5)  # type: ignore[arg-type]
    assert not okta.requests


def test_a_filter_that_okta_refuses(log: SystemLogClient) -> None:
    """Okta's refusal of a filter is an error."""
    with pytest.raises(HookKeyApiError) as caught:
        [*log.events(filter="nonsense")]
    assert caught.value.status == 400


# --- following


def _following(okta: OktaEmulator, naps: Naps, **options: Any) -> Iterator[list[LogEvent]]:
    client = SystemLogClient(okta.url, ApiToken(okta.api_token), **naps.options())
    return client.follow(**options)


def test_following(okta: OktaEmulator, naps: Naps) -> None:
    """``follow`` returns each event once and waits between two requests."""
    pages = _following(okta, naps, since=timedelta(hours=1), every=7)
    okta.create_key("one")
    assert [each.event_type for each in next(pages)] == ["system.hook.key.created"]
    assert next(pages) == []
    okta.create_key("two")
    assert len(next(pages)) == 1
    assert naps.slept == [7, 7]


def test_following_a_full_page(
    okta: OktaEmulator, naps: Naps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a full page, the next one is fetched at once."""
    monkeypatch.setattr("hookkey_verify.okta.log_query.PAGE", 1)
    monkeypatch.setattr(system_log, "PAGE", 1)
    okta.create_key("one")
    pages = _following(okta, naps, since=timedelta(hours=1))
    assert [len(next(pages)), len(next(pages))] == [1, 0]
    assert naps.slept == []


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"X-Rate-Limit-Remaining": "5", "X-Rate-Limit-Limit": "50"}, 41),
        ({"X-Rate-Limit-Remaining": "6", "X-Rate-Limit-Limit": "50"}, 10),
        ({"X-Rate-Limit-Remaining": "x", "X-Rate-Limit-Limit": "50"}, 10),
        ({}, 10),
    ],
)
def test_following_leaves_some_of_the_rate_limit(
    naps: Naps, headers: dict[str, str], wait: float
) -> None:
    """When a tenth of the rate limit is left, ``follow`` waits until it resets."""
    given = {**headers, "X-Rate-Limit-Reset": str(int(NOW) + 40)}
    page = json_answer(200, [], DATE, *(f"{name}: {value}" for name, value in given.items()))
    with _server(page) as server, _client(server, sleep=naps.slept.append) as client:
        pages = client.follow()
        next(pages)
        next(pages)
    assert naps.slept == [wait]


# --- failures


def _fail(okta: OktaEmulator, name: str) -> dict[str, Any]:
    hook = okta.create_hook("http://127.0.0.1:9/", name=name)
    okta.fire(hook["id"])
    return hook


def test_failures(okta: OktaEmulator, log: SystemLogClient) -> None:
    """``failures`` returns the failures of all hooks, or of one by its name or id."""
    first, second = _fail(okta, "First"), _fail(okta, "Second")
    assert {each.hook_name for each in log.failures()} == {"First", "Second"}
    for hook in (first, second):
        for wanted in (hook["id"], hook["name"]):
            (failure,) = log.failures(hook=wanted)
            assert failure.hook_id == hook["id"]
            assert failure.cause is Cause.NOT_CONNECTED
            assert failure.remedy
    with pytest.raises(NotFoundError, match="'Third'"):
        log.failures(hook="Third")


def test_failures_of_a_deleted_hook(okta: OktaEmulator, log: SystemLogClient) -> None:
    """A hook that was deleted is known by its events."""
    hook = _fail(okta, "Gone")
    okta.hooks.set_status(hook["id"], "INACTIVE")
    okta.hooks.delete(hook["id"])
    assert len(log.failures(hook="Gone")) == len(log.failures(hook=hook["id"])) == 1


def test_a_clock_that_is_wrong(okta: OktaEmulator, log: SystemLogClient) -> None:
    """A 401 has the cause clock_skew if the clocks differ; other failures keep their cause."""
    okta.skew(-3600)
    for reason in ("HTTP status 401", "HTTP status 500", "Read timed out"):
        okta.log.write(EXECUTED, "", targets=[TARGET], result="FAILURE", reason=reason)
    found = log.diagnose()
    assert found.clock_skew == pytest.approx(3600, abs=2)
    assert {(each.cause, each.detail) for each in found.failures} == {
        (Cause.CLOCK_SKEW, "401"),
        (Cause.STATUS, "500"),
        (Cause.NO_ANSWER, ""),
    }


def test_an_org_without_a_date() -> None:
    """Without a Date, the skew is unknown and this machine's clock counts."""
    pages = [json_answer(200, []), json_answer(200, []), json_answer(200, [event("timeout")])]
    with FaultServer(*pages) as server, _client(server) as client:
        found = client.diagnose()
    assert found.clock_skew is None
    assert [each.cause for each in found.failures] == [Cause.NO_ANSWER]
    assert found.until == datetime.fromtimestamp(NOW, UTC)


def _trap(okta: OktaEmulator) -> dict[str, Any]:
    hook = okta.create_hook("http://127.0.0.1:9/", name="Trap", client_secret="s3cret-value")
    okta.call_hook_for_tokens(hook["id"])
    return hook


def test_recursion(okta: OktaEmulator, log: SystemLogClient) -> None:
    """A hook that calls itself is found, and its time-outs have this cause, not its statuses."""
    hook = _trap(okta)
    target = {"id": hook["id"], "displayName": "Trap"}
    for reason in ("timed out", "HTTP status 500", "access token: HTTP status 401"):
        okta.log.write(EXECUTED, "", targets=[target], result="FAILURE", reason=reason)
    found = log.diagnose(hook="Trap")
    (trap,) = found.traps
    server = okta.authorization_server.id
    assert (trap.hook_id, trap.hook_name, trap.server_id) == (hook["id"], "Trap", server)
    assert {each.cause for each in found.failures} == {
        Cause.RECURSION,
        Cause.STATUS,
        Cause.TOKEN_FETCH,
    }
    okta.create_hook("https://acme.com/hook", name="Other")
    assert log.diagnose(hook="Other").traps == ()


@pytest.mark.parametrize(
    ("path", "scope"),
    [
        ("/api/v1/logs", READ_LOGS),
        ("/api/v1/inlineHooks", READ_HOOKS),
        ("/api/v1/authorizationServers", READ_SERVERS),
    ],
)
def test_missing_scopes(okta: OktaEmulator, log: SystemLogClient, path: str, scope: str) -> None:
    """A missing scope is reported, and the rest is read."""
    _trap(okta)
    _fail(okta, "First")
    okta.fail(403, path=path, times=100)
    found = log.diagnose()
    assert found.missing == (scope,)
    assert bool(found.failures) is (scope != READ_LOGS)
    assert bool(found.traps) is (scope == READ_LOGS)
    if scope == READ_HOOKS:
        assert len(log.failures(hook="First")) == 1
        assert log.failures(hook="Unknown") == []
    if scope == READ_LOGS:
        with pytest.raises(ForbiddenError, match=r"okta\.logs\.read"):
            log.failures()
        with pytest.raises(ForbiddenError, match=r"okta\.logs\.read"):
            [*log.events()]


def _hooks() -> list[dict[str, Any]]:
    return [dict(_hook().raw)]


def test_an_org_without_access_management() -> None:
    """Without API Access Management (401, E0000015), recursion is not checked."""
    pages = [
        json_answer(200, _hooks(), DATE),
        json_answer(200, [], DATE),
        json_answer(200, [event("timeout")], DATE),
        json_answer(401, okta_error("E0000015")),
    ]
    with FaultServer(*pages) as server, _client(server) as client:
        found = client.diagnose()
    assert found.missing == (READ_SERVERS,)
    assert [each.cause for each in found.failures] == [Cause.NO_ANSWER]


@pytest.mark.parametrize(
    ("behaviour", "kind"),
    [
        (json_answer(401, okta_error("E0000011")), AuthenticationError),
        (answer(200, b"<html>", "Content-Type: text/html"), TransportError),
        (json_answer(200, {"a": 1}), TransportError),
    ],
)
def test_other_errors(behaviour: Any, kind: type[Exception]) -> None:
    """Errors besides missing permissions are raised."""
    with FaultServer(behaviour) as server, _client(server) as client:
        with pytest.raises(kind):
            client.diagnose()


def test_several_servers_and_policies() -> None:
    """Servers, policies and rules may have several pages; what cannot be read is skipped."""
    following = 'Link: </api/v1/authorizationServers?after=x>; rel="next"'
    rule = {"name": "Rule 2", "actions": {"token": {"inlineHook": {"id": "cal1"}}}}
    pages = [
        json_answer(200, _hooks(), DATE),
        json_answer(200, [], DATE),
        json_answer(200, [], DATE),
        json_answer(200, [{"id": "aus0"}], following),
        json_answer(200, [{"id": "aus1", "issuer": "https://id.acme.com/oauth2/aus1"}]),
        json_answer(200, [5, {"id": "a/b"}, {"id": "00p1"}, {"id": "00p2"}]),
        json_answer(200, [{"id": "0pr1"}, 5]),
        json_answer(200, [{"id": "0pr2"}, rule]),
    ]
    with FaultServer(*pages) as server, _client(server) as client:
        (trap,) = client.diagnose().traps
    assert (trap.server_id, trap.rule_name) == ("aus1", "Rule 2")
    lines = [request.line.split()[1] for request in server.requests[3:]]
    base = "/api/v1/authorizationServers"
    assert lines == [
        base,
        f"{base}?after=x",
        f"{base}/aus1/policies",
        f"{base}/aus1/policies/00p1/rules",
        f"{base}/aus1/policies/00p2/rules",
    ]


@pytest.mark.parametrize("servers", [[], [{"id": "aus1"}]])
def test_servers_that_do_not_call(servers: list[Any]) -> None:
    """A token URL of no server, or of one whose rules do not call the hook, is not a trap."""
    pages = [
        json_answer(200, _hooks(), DATE),
        json_answer(200, [], DATE),
        json_answer(200, [], DATE),
        json_answer(200, servers),
        json_answer(200, []),
    ]
    with FaultServer(*pages) as server, _client(server) as client:
        assert client.diagnose().traps == ()


# --- asyncio


def test_the_asynchronous_client(okta: OktaEmulator, naps: Naps) -> None:
    """The asynchronous client has the same methods."""
    _fail(okta, "First")

    async def used() -> None:
        token = ApiToken(okta.api_token)
        async with AsyncSystemLogClient(okta.url, token, **naps.options()) as client:
            kinds = [each.event_type async for each in client.events()]
            assert kinds == ["inline_hook.created", EXECUTED]
            (failure,) = await client.failures()
            assert (await client.diagnose(hook="First")).failures == (failure,)
            assert abs(await client.clock_skew() or 0) < 5
            async for page in client.follow(since=timedelta(hours=1)):
                assert len(page) == 2
                break

    asyncio.run(used())


@pytest.mark.parametrize("kind", [SystemLogClient, AsyncSystemLogClient])
def test_the_settings(okta: OktaEmulator, kind: Any) -> None:
    """``from_env`` takes settings, arguments and credentials like the other clients."""
    token = ApiToken(okta.api_token)
    for options in (
        {"org_url": okta.url, "token": okta.api_token, "max_wait": 0},
        {"org_url": okta.url, "credentials": token},
        {"org_url": okta.url, "token": okta.api_token, "scopes": ["okta.logs.read"]},
    ):
        assert kind.from_env(**options).org_url == okta.url
    with pytest.raises(ConfigurationError):
        kind.from_env(org_url=okta.url, token="SSWS x")


def _service_app(okta: OktaEmulator, signer: HookSigner, scopes: Sequence[str]) -> dict[str, Any]:
    """Register a service app and return the settings of its credentials."""
    key: Any = signer._key
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    client_id = okta.create_service_app(signer.public_jwk(), scopes)
    return {"org_url": okta.url, "client_id": client_id, "private_key": pem}


@pytest.mark.parametrize(("granted", "requests"), [(ALL, 1), (ALL[:1], 5), (ALL[1:], 5)])
def test_the_scopes_of_a_service_app(
    okta: OktaEmulator, app_key: HookSigner, granted: tuple[str, ...], requests: int
) -> None:
    """A service app requests all scopes, and if that is refused, those that are granted."""
    with SystemLogClient.from_env(**_service_app(okta, app_key, granted)) as client:
        found = client.diagnose()
        client.diagnose()
    assert set(found.missing) == set(ALL[:2]) - set(granted)
    tokens = [line for line in okta.requests if line.path == "/oauth2/v1/token"]
    # One for all scopes, one for each scope, and one for those that are granted.
    assert len(tokens) == requests


def test_a_service_app_without_a_scope(okta: OktaEmulator, app_key: HookSigner) -> None:
    """A service app without any of the scopes is told so."""
    given = _service_app(okta, app_key, ["okta.users.read"])
    with SystemLogClient.from_env(**given) as client:
        assert client.diagnose().missing == (READ_HOOKS, READ_LOGS)
        with pytest.raises(TransportError, match="no access token"):
            client._transport._credentials._secret()


def test_an_expired_token_of_a_service_app(okta: OktaEmulator, app_key: HookSigner) -> None:
    """A token that Okta no longer accepts is renewed."""
    with SystemLogClient.from_env(**_service_app(okta, app_key, ALL)) as client:
        assert client.diagnose().missing == ()
        okta.revoke_tokens()
        assert client.diagnose().missing == ()
        with pytest.raises(ConfigurationError):
            SystemLogClient("https://other.okta.com", client._transport._credentials)


def test_reported_events(okta: OktaEmulator) -> None:
    """Each request is reported as an event of the client."""
    seen: list[Any] = []
    token = ApiToken(okta.api_token)
    with SystemLogClient(okta.url, token, on_event=seen.append) as client:
        [*client.events()]
    assert {(each.name, each.outcome) for each in seen} == {("api", "ok")}


def test_a_large_page() -> None:
    """A page of 500 events with many members is read."""
    members = {f"m{number}": {"a": [1, 2, 3]} for number in range(40)}
    rows = [event("timeout", uuid=str(number), extra=members) for number in range(500)]
    assert len(json.dumps(rows)) > 500_000
    with _server(json_answer(200, rows, DATE)) as server, _client(server) as client:
        assert len([*client.events()]) == 500
