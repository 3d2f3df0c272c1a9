"""The alerts of docs/alerts.yml: their fields, and when they fire."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from hookkey_verify import errors
from hookkey_verify.errors import HookVerificationError, Reason

from .prometheus_server import needs_prometheus, promtool
from .queries import ALERTS, DOCS, Alert, alerts, selectors

EVERY = {alert.name: alert for alert in alerts()}
RUNBOOK = "https://github.com/hookkey-verify/hookkey-verify/blob/main/docs/runbook.md"
S = 'source="https://acme.okta.com"'
STORE = 'source="ValkeyReplayStore"'


@pytest.mark.parametrize("alert", EVERY.values(), ids=EVERY)
def test_an_alert_says_what_to_do(alert: Alert) -> None:
    """An alert has a severity, a summary, a description and the address of its runbook entry."""
    assert alert.labels.keys() == {"severity"}
    assert alert.labels["severity"] in ("page", "ticket")
    assert alert.annotations.keys() == {"summary", "description", "runbook_url"}
    assert alert.annotations["description"].endswith(".")
    assert alert.annotations["runbook_url"] == f"{RUNBOOK}#{alert.name.lower()}"


def test_the_runbook_has_an_entry_for_each_alert() -> None:
    """docs/runbook.md has a heading with the name of each alert, and no heading of another."""
    headings = re.findall(r"^#+ (Hook\w+)$", (DOCS / "runbook.md").read_text(), re.MULTILINE)
    assert sorted(headings) == sorted(EVERY)


def _leaves(kind: type[Any]) -> Iterator[type[Any]]:
    yield kind
    for each in kind.__subclasses__():
        if each.__module__ == errors.__name__:
            yield from _leaves(each)


def test_each_reason_counts_on_one_side() -> None:
    """Reasons with 500 or 503 count as unavailable, all others as the sender's fault. Only
    key_lookup_limited counts as neither.
    """
    ours = {str(each.reason) for each in _leaves(HookVerificationError) if each.status_code >= 500}
    ours |= {Reason.UNSPECIFIED.value, Reason.CONFIGURATION.value}
    unavailable, all_judged = selectors(EVERY["HookVerificationsUnavailable"].expression)
    refused = next(selectors(EVERY["HookRefusalsHigh"].expression))
    assert _values(unavailable.matchers) == ours - {"key_lookup_limited"}
    assert _values(all_judged.matchers) == (ours - {"key_lookup_limited"}) | {""}
    assert _values(refused.matchers) == ours


def _values(matchers: tuple[tuple[str, str, str], ...]) -> set[str]:
    [value] = [value for label, _, value in matchers if label == "reason"]
    return set(value.split("|"))


@needs_prometheus
def test_promtool_accepts_the_rules() -> None:
    """``promtool check rules`` accepts docs/alerts.yml."""
    assert f"{len(EVERY)} rules found" in promtool("check", "rules", str(ALERTS))


class Case(NamedTuple):
    """What an alert does with input series.

    ``series``: the values of each series, one a minute, in the notation of promtool.
    ``at``: the minute of the evaluation.
    """

    alert: str
    fires: bool
    name: str
    at: int
    series: dict[str, str]


def _status(part: str, status: str, instance: str = "a") -> str:
    return f'hookkey_status{{part="{part}",status="{status}",{S},instance="{instance}"}}'


def _event(event: str, instance: str = "a") -> str:
    return f'hookkey_events_total{{event="{event}",outcome="x",{S},instance="{instance}"}}'


def _verified(reason: str = "") -> str:
    outcome = "refused" if reason else "accepted"
    return f'hookkey_verifications_total{{outcome="{outcome}",reason="{reason}",{S}}}'


def _answered(outcome: str) -> str:
    return f'hookkey_tokens_total{{outcome="{outcome}",source="https://hooks.acme.com"}}'


def _claimed(outcome: str) -> str:
    return f'hookkey_claims_total{{outcome="{outcome}",{STORE}}}'


def _served(outcome: str) -> str:
    return f'hookkey_jwks_responses_total{{outcome="{outcome}",{S}}}'


def _handled(outcome: str, source: str = "com.okta.user.pre-registration") -> str:
    return f'hookkey_handled_total{{outcome="{outcome}",source="{source}"}}'


def _api(reason: str) -> str:
    return f'hookkey_api_errors_total{{reason="{reason}"}}'


def _durations(metric: str, *, below_1: str, total: str) -> dict[str, str]:
    values = {
        '_bucket{le="0.5",': below_1,
        '_bucket{le="1.0",': below_1,
        '_bucket{le="2.5",': total,
    }
    values |= {'_bucket{le="+Inf",': total, "_count{": total}
    return {f"hookkey_{metric}{name}{S}}}": each for name, each in values.items()}


FIRST = "_x30 1x60"
"""A counter that appears in minute 30 with the value 1, so that it never increases."""


def _first_occurrence(alert: str, series: str, other: str) -> list[Case]:
    return [
        Case(alert, True, "first occurrence", 31, {series: FIRST}),
        Case(alert, True, "another occurrence", 32, {series: "1x30 2x60"}),
        Case(alert, False, "15 minutes later", 50, {series: FIRST}),
        Case(alert, False, "something else", 31, {other: FIRST}),
    ]


def _status_cases(alert: str, part: str, other: str) -> list[Case]:
    healthy = {_status(part, "failing", "b"): "0x20"}
    return [
        Case(
            alert, True, "one instance of two", 6, {_status(part, "failing"): "0 1x20", **healthy}
        ),
        Case(alert, False, "for a minute", 2, {_status(part, "failing"): "0 1x20"}),
        Case(alert, False, "degraded", 6, {_status(part, "degraded"): "1x20", **healthy}),
        Case(alert, False, "another part", 6, {_status(other, "failing"): "1x20"}),
    ]


CHANGED, CHANGED_B = _event("key_changed"), _event("key_changed", "b")
CASES = [
    *_first_occurrence("HookKeyChanged", CHANGED, _event("key_revoked")),
    Case("HookKeyChanged", True, "second instance", 31, {CHANGED: "1x60", CHANGED_B: FIRST}),
    Case("HookKeyChanged", True, "after a restart", 31, {CHANGED: "1x9 stale _x19 1x60"}),
    Case("HookKeyChanged", False, "after a failed scrape", 46, {CHANGED: "1x30 stale 1x60"}),
    *_first_occurrence("HookKeySourceMisconfigured", _event("config_error"), _event("breaker")),
    *_first_occurrence("HookReplayUnchecked", _event("replay_unchecked"), _event("hit")),
    *_first_occurrence(
        "HookReplayStoreMisconfigured", _claimed("misconfigured"), _claimed("unreachable")
    ),
    *_status_cases("HookKeysFailing", "keys", "replay"),
    Case(
        "HookKeysFailing", True, "between attempts", 12, {_status("keys", "failing"): "1 0x4 1 0x9"}
    ),
    Case("HookKeysFailing", False, "it is over", 20, {_status("keys", "failing"): "1x5 0x30"}),
    *_status_cases("HookReplayStoreFailing", "replay", "keys"),
    *_status_cases("HookJwksBridgeFailing", "jwks", "keys"),
    *(
        Case("HookVerificationsUnavailable", fires, name, at, {_verified(): accepted, **refused})
        for fires, name, at, accepted, refused in (
            (True, "10 of 110", 9, "0+100x9", {_verified("key_unavailable"): "0+10x9"}),
            (
                True,
                "all of one a minute",
                9,
                "0x9",
                {_verified("replay_store_unavailable"): "0+1x9"},
            ),
            (
                True,
                "hidden by invalid tokens",
                9,
                "0+10x9",
                {_verified("key_unavailable"): "0+10x9", _verified("expired"): "0+1000x9"},
            ),
            (False, "for a minute", 2, "0+100x9", {_verified("key_unavailable"): "0+10x9"}),
            (False, "1 of 101", 9, "0+100x9", {_verified("key_unavailable"): "0+1x9"}),
            (False, "made-up kids", 9, "0+100x9", {_verified("key_lookup_limited"): "0+100x9"}),
        )
    ),
    Case("HookKeysStale", True, "15 minutes", 40, {_event("stale_served"): "0+1x60"}),
    Case("HookKeysStale", False, "10 minutes", 11, {_event("stale_served"): "0+1x60"}),
    *(
        Case(
            "HookTokenEndpointErrors", fires, name, at, {_answered("issued"): "0+100x20", **others}
        )
        for fires, name, at, others in (
            (True, "10 of 110", 9, {_answered("temporarily_unavailable"): "0+10x20"}),
            (True, "server errors", 9, {_answered("server_error"): "0+10x20"}),
            (False, "for 3 minutes", 4, {_answered("server_error"): "0+10x20"}),
            (False, "1 of 101", 9, {_answered("server_error"): "0+1x20"}),
            (False, "wrong secrets", 9, {_answered("invalid_client"): "0+100x20"}),
        )
    ),
    *(
        Case("HookRefusalsHigh", fires, name, at, {_verified(): accepted, **refused})
        for fires, name, at, accepted, refused in (
            (True, "5 of 15", 25, "0+10x40", {_verified("expired"): "0+5x40"}),
            (False, "for 5 minutes", 6, "0+10x40", {_verified("expired"): "0+5x40"}),
            (False, "1 of 11", 25, "0+10x40", {_verified("expired"): "0+1x40"}),
            (False, "little traffic", 25, "0+1x40", {_verified("expired"): "0+1x40"}),
            (False, "an outage", 25, "0+10x40", {_verified("key_unavailable"): "0+5x40"}),
        )
    ),
    *(
        Case("HookKeyLookupsLimited", fires, name, at, {_verified("key_lookup_limited"): values})
        for fires, name, at, values in (
            (True, "9 minutes", 9, "0+1x20"),
            (False, "4 minutes", 4, "0+1x20"),
            (False, "it is over", 18, "0+1x5 5x20"),
        )
    ),
    *(
        Case(alert, fires, name, at, _durations(metric, below_1=below_1, total=total))
        for alert, metric in (
            ("HookVerificationSlow", "verification_seconds"),
            ("HookHandlersSlow", "handler_seconds"),
        )
        for fires, name, at, below_1, total in (
            (True, "half is slow", 12, "0+5x20", "0+10x20"),
            (False, "for 3 minutes", 3, "0+5x20", "0+10x20"),
            (False, "one of 200 is slow", 12, "0+199x20", "0+200x20"),
            (False, "little traffic", 12, "0+1x20", "0+2x20"),
        )
    ),
    *_first_occurrence("HookHandlersFailing", _handled("failed"), _handled("no_change")),
    *(
        Case("HookHandlersFailing", fires, name, 31, {_handled("answered"): answered, **others})
        for fires, name, answered, others in (
            *(
                (True, f"10 of 110 {outcome}", "0+100x60", {_handled(outcome): "0+10x60"})
                for outcome in ("failed", "invalid_reply", "late", "missing")
            ),
            (True, "the first of a few", "_x30 1x60", {_handled("late"): FIRST}),
            (False, "the first of many", "0+10x60", {_handled("failed"): FIRST}),
            (False, "1 of 101", "0+100x60", {_handled("failed"): "0+1x60"}),
            (
                True,
                "another hook works",
                "0x60",
                {_handled("failed"): "0+1x60", _handled("answered", "another"): "0+1000x60"},
            ),
            (False, "no change", "0+1x60", {_handled("no_change"): "0+10x60"}),
            (False, "unreadable", "0+1x60", {_handled("invalid_payload", "unknown"): "0+9x60"}),
        )
    ),
    Case("HookReplays", True, "one a minute", 20, {_claimed("replayed"): "0+1x30"}),
    Case("HookReplays", False, "one", 20, {_claimed("replayed"): "0x9 1x30"}),
    Case("HookReplays", False, "first uses", 20, {_claimed("claimed"): "0+9x30"}),
    *(
        Case("HookTokenRequestsRefused", fires, name, at, {_answered("issued"): issued, **refused})
        for fires, name, at, issued, refused in (
            (True, "all", 25, "0x40", {_answered("invalid_client"): "0+5x40"}),
            (False, "for 5 minutes", 6, "0x40", {_answered("invalid_client"): "0+5x40"}),
            (False, "1 of 11", 25, "0+10x40", {_answered("invalid_client"): "0+1x40"}),
            (False, "little traffic", 25, "0x40", {_answered("invalid_scope"): "0+1x40"}),
            (False, "an outage", 25, "0x40", {_answered("temporarily_unavailable"): "0+9x40"}),
        )
    ),
    Case("HookJwksBridgeStale", True, "stale", 20, {_served("stale"): "0+1x30"}),
    Case("HookJwksBridgeStale", True, "unavailable", 20, {_served("unavailable"): "0+1x30"}),
    Case("HookJwksBridgeStale", False, "for 8 minutes", 9, {_served("stale"): "0+1x30"}),
    Case("HookJwksBridgeStale", False, "fresh", 20, {_served("fresh"): "0+1x30"}),
    Case(
        "HookApiErrors", True, "a wrong token", 7, {_api("api_authentication_failed"): "0x5 1x30"}
    ),
    Case("HookApiErrors", True, "the rate limit", 7, {_api("api_rate_limited"): "0x5 1x30"}),
    Case("HookApiErrors", False, "a missing key", 7, {_api("api_not_found"): "0x5 1x30"}),
    Case("HookApiErrors", False, "no error", 7, {_api("api_rate_limited"): "0x30"}),
]


def test_each_alert_is_tested() -> None:
    """Each alert has a case in which it fires, and one in which it does not."""
    for fires in (True, False):
        assert {case.alert for case in CASES if case.fires is fires} == EVERY.keys()


@needs_prometheus
def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    """``promtool test rules`` confirms for each case whether the alert fires."""
    file = tmp_path / "test.yml"  # JSON is YAML
    file.write_text(json.dumps({"rule_files": [str(ALERTS)], "tests": [*map(_test_of, CASES)]}))
    promtool("test", "rules", str(file))


@needs_prometheus
def test_promtool_notices_an_alert_that_does_not_fire(tmp_path: Path) -> None:
    """The generated tests fail if an alert does not do what a case says."""
    file = tmp_path / "test.yml"
    cases = [next(case for case in CASES if case.fires is fires) for fires in (True, False)]
    wrong = [_test_of(case._replace(fires=not case.fires)) for case in cases]
    file.write_text(json.dumps({"rule_files": [str(ALERTS)], "tests": wrong}))
    with pytest.raises(AssertionError) as failure:
        promtool("test", "rules", str(file))
    assert str(failure.value).count("    expr: ") == len(cases)


def _test_of(case: Case) -> dict[str, Any]:
    expression = f'count(ALERTS{{alertname="{case.alert}",alertstate="firing"}})'
    return {
        "name": f"{case.alert}: {case.name}",
        "interval": "1m",
        "input_series": [
            {"series": series[:-1] + ',job="hook"}', "values": values}
            for series, values in case.series.items()
        ],
        "promql_expr_test": [
            {
                "expr": expression,
                "eval_time": f"{case.at}m",
                "exp_samples": [{"labels": "{}", "value": 1}] if case.fires else [],
            }
        ],
    }
