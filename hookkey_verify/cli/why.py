"""``hookkey why`` tells why inline hooks failed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime, timedelta
from time import sleep
from typing import Any, Final

import click

from ..errors import HookKeyApiError
from ..okta.diagnosis import READ_HOOKS, READ_LOGS, READ_SERVERS, Diagnosis, refined
from ..okta.failures import FAILED_HOOKS, HookFailure, grouped
from ..okta.models import LogEvent
from ..okta.system_log import SystemLogClient
from ..replay import Finding
from .clock import okta_clock
from .files import PathOfFile
from .handler_logs import HandlerLogs, explained
from .org import announce, moment
from .output import as_json, command, plain, print_json, print_rows, tell
from .periods import since_option
from .wording import message

__all__ = ["why"]

EVERY: Final = 10.0
"""Seconds between two requests of --follow; Okta allows 50 to 120 a minute."""
RETRY: Final = 30.0
"""Seconds until the next attempt of --follow if Okta does not say when."""
_NEEDED_FOR: Final = {
    READ_LOGS: "failures are not known",
    READ_HOOKS: "hooks are known only by the System Log, and recursion is not checked",
    READ_SERVERS: "recursion is not checked",
}


@dataclass(frozen=True, slots=True)
class _Explained:
    """A failure with the reasons that the handler logged at its times."""

    failure: HookFailure
    reasons: dict[str, int]

    def document(self) -> dict[str, Any]:
        failure = self.failure
        return {
            "hook": {"id": failure.hook_id, "name": failure.hook_name},
            "cause": failure.cause.value,
            "detail": failure.detail,
            "count": failure.count,
            "first": moment(failure.first),
            "last": moment(failure.last),
            "reason": failure.reason,
            "logged": self.reasons,
            "remedy": failure.remedy,
        }

    def row(self) -> tuple[str, ...]:
        failure = self.failure
        cause = f"{failure.cause} {failure.detail}".strip()
        last = "" if failure.last is None else f"{failure.last:%Y-%m-%d %H:%M:%S} UTC"
        logged = ", ".join(self.reasons)
        hook = failure.hook_name or failure.hook_id
        return (hook, cause, str(failure.count), last, failure.reason, logged, failure.remedy)


@click.command()
@click.argument("hook", required=False)
@since_option
@click.option("--follow", is_flag=True, help="Then print new failures until Ctrl-C.")
@click.option(
    "--logs", type=PathOfFile(), metavar="FILE", help="The handler's logs, for its own reasons."
)
@as_json
@command
def why(
    hook: str | None,
    since: datetime | timedelta,
    follow: bool,
    logs: str | None,
    as_json: bool,
) -> None:
    """Tell why inline hooks failed, and what to do.

    Reads the failures of HOOK (its name or id) or of all hooks from the System Log, groups them by
    cause, compares the clocks, and looks for token hooks that call themselves. It needs the scope
    okta.logs.read, and for the last check okta.inlineHooks.read and okta.authorizationServers.read;
    it says which are missing. FILE has the records of the logger hookkey_verify, as JSON or as text
    with hookkey_reason=…. Nothing in the org is changed. Exits with 0 if there is no failure, and
    with 1 if there is one.

    Example: hookkey why "Token hook" --since 2h --logs handler.log
    """
    with SystemLogClient.from_env(on_wait=announce) as client:
        found = client.diagnose(since=since, hook=hook)
        records = HandlerLogs.read_file(logs)
        if logs is not None and not (records.times or records.undated):
            tell("hookkey: the file has no record with hookkey_reason: does the handler log them?")
        if records.undated:
            tell(f"hookkey: {records.undated} records with a reason have no time, and are ignored")
        report = _report(found, records)
        _print(report, _findings(found, report), as_json=as_json, compact=follow)
        failed = bool(report)
        if follow and READ_LOGS not in found.missing:
            failed |= _follow(client, found, hook, logs, as_json=as_json)
    if READ_LOGS in found.missing:
        raise SystemExit(5)
    if failed:
        raise SystemExit(1)


def _report(found: Diagnosis, records: HandlerLogs) -> list[_Explained]:
    records = records.with_skew(found.clock_skew)
    report = []
    for failure in found.failures:
        reasons = records.reasons_for(failure)
        report.append(_Explained(explained(failure, reasons), reasons))
    return report


def _findings(found: Diagnosis, report: list[_Explained]) -> list[Finding]:
    """Return everything except the failures."""
    findings = [okta_clock(found.clock_skew)] if READ_LOGS not in found.missing else []
    for scope in found.missing:
        findings.append(Finding(f"permission {scope}", "failed", f"missing: {_NEEDED_FOR[scope]}"))
    for trap in found.traps:
        detail = (
            f"its token URL is that of the authorization server {trap.server_id}, whose rule "
            f"{trap.rule_name!r} calls the hook: its calls time out"
        )
        findings.append(Finding(f"recursion {trap.hook_name}", "warning", detail))
    if not report and READ_LOGS not in found.missing:
        findings.append(Finding("failures", "ok", "none in this time"))
    return findings


def _print(
    report: list[_Explained], findings: list[Finding], *, as_json: bool, compact: bool
) -> None:
    if as_json:
        document = {
            "failures": [each.document() for each in report],
            "findings": [asdict(finding) for finding in findings],
            "ok": not report and all(finding.result != "failed" for finding in findings),
        }
        if compact:
            click.echo(json.dumps(document))
        else:
            print_json(document)
        return
    if report:
        titles = ("hook", "cause", "count", "last", "Okta's reason", "logged", "what to do")
        rows = [each.row() for each in report]
        whole, dispensable = ("cause", "count"), ("logged", "last", "Okta's reason")
        print_rows(titles, rows, whole=whole, dispensable=dispensable)
    checks = [(finding.check, finding.result, finding.detail) for finding in findings]
    print_rows(("check", "result", "detail"), checks, whole=("result",), err=True)


def _follow(
    client: SystemLogClient, found: Diagnosis, hook: str | None, logs: str | None, *, as_json: bool
) -> bool:
    """Print new failures until Ctrl-C; return whether there was one."""
    failed, seen = False, set(found.uuids)
    batches = _batches(client, found.until or datetime.now(UTC), FAILED_HOOKS)
    try:
        while True:
            for event in next(batches):
                if event.uuid in seen or not _is_wanted(event, found, hook):
                    continue
                seen.add(event.uuid)
                failed = True
                _print_event(event, found, logs, as_json=as_json)
    except KeyboardInterrupt:
        pass
    return failed


def _is_wanted(event: LogEvent, found: Diagnosis, hook: str | None) -> bool:
    is_named = hook in (event.target_id, event.target_name)
    return found.hook_ids is None or event.target_id in found.hook_ids or is_named


def _batches(client: SystemLogClient, since: datetime, filter_: str) -> Iterator[list[LogEvent]]:
    """Yield new events; wait and try again when Okta is not available."""
    while True:
        try:
            pages = client.follow(since=since, filter=filter_, every=EVERY)
            while True:
                events = next(pages)
                since = max([since, *(each.published for each in events if each.published)])
                yield events
        except HookKeyApiError as error:
            if not error.retryable:
                raise
            wait = getattr(error, "retry_after", None) or RETRY
            tell(f"hookkey: {plain(message(error))}; trying again in {wait:.0f} s")
            sleep(wait)


def _print_event(event: LogEvent, found: Diagnosis, logs: str | None, *, as_json: bool) -> None:
    failures = tuple(refined(each, found.traps, found.clock_skew) for each in grouped([event]))
    for each in _report(replace(found, failures=failures), HandlerLogs.read_file(logs)):
        if as_json:
            click.echo(json.dumps(each.document()))
            continue
        hook, cause, _, last, reason, logged, remedy = each.row()
        click.echo("\t".join(map(plain, (last, hook, cause, reason, logged, remedy))))
