"""``hookkey demo``: runs the demonstration and prints its report."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from typing import Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..emulator import OktaEmulator
from ..emulator.verdict import Delivery
from ..errors import HookVerificationError
from ..keys.hook_keys import HookKeys
from ..keys.policy import CachePolicy
from ..okta.client import HookKeysClient
from ..okta.credentials import ApiToken
from ..replay import MemoryReplayStore
from ..testing import bad_tokens
from ..verifier import HookVerifier
from .demo_hook import deliver
from .output import place

__all__ = ["DemoReport", "Row", "run", "table"]

CLIENT_ID = "0oa1hookdemoclient4x7"
TOKEN_URL = "https://hooks.example.com/oauth2/token"  # noqa: S105 - a URL
NEXT = """
What next:
  1. a local Okta org with a console:  hookkey emulate --port 8000
  2. protect your handler:             from hookkey_verify.flask import HookKeyVerify
  3. read, with every framework:       docs/protect.md, and docs/emulator.md for the org
"""
SHOWN = (
    "payload changed after signing",
    "signed by another key",
    "alg none, signature kept",
    "HS256 keyed with the public key",
    "expired",
    "another audience",
    "key that is not in the org",
    "kid climbs the path",
    "aud twice",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One token that was verified, and the result."""

    sent: str
    verdict: str
    reason: str
    expected: str
    milliseconds: float

    @property
    def ok(self) -> bool:
        """Whether the verdict was as expected."""
        return self.reason == self.expected


@dataclass(frozen=True, slots=True)
class DemoReport:
    """The results of the demo."""

    org: str
    key: dict[str, Any]
    rows: tuple[Row, ...]
    requests: tuple[str, ...]
    delivery: Delivery
    """A call of a handler that verifies the access token and adds a claim."""

    @property
    def ok(self) -> bool:
        """Whether all verdicts were as expected, and the handler's reply was carried out."""
        carried_out = self.delivery.outcome == "commands" and not self.delivery.problems
        return carried_out and all(row.ok for row in self.rows)

    def document(self) -> dict[str, Any]:
        """Return the report as JSON values: org, key, rows, requests, delivery, ok."""
        rows = [{**asdict(row), "ok": row.ok} for row in self.rows]
        key = {name: self.key[name] for name in ("id", "keyId", "name")}
        return {
            "org": self.org,
            "key": key,
            "rows": rows,
            "requests": list(self.requests),
            "delivery": self.delivery.document(),
            "ok": self.ok,
        }


def run() -> DemoReport:
    """Run the demonstration with a local org."""
    with OktaEmulator() as okta:
        credentials = ApiToken(okta.api_token)
        with HookKeysClient(okta.url, credentials) as client:
            key = dict(client.create("demo").raw)
        signer = okta.signer(key["keyId"])
        with HookKeys(okta.url, credentials, policy=CachePolicy(fresh_for=3600)) as keys:
            verifier = HookVerifier.for_client_assertion(
                keys, client_id=CLIENT_ID, token_url=TOKEN_URL, replay=MemoryReplayStore()
            )
            first, second = (
                signer.client_assertion(client_id=CLIENT_ID, token_url=TOKEN_URL) for _ in range(2)
            )
            zoo = {b.name: b for b in bad_tokens(signer, client_id=CLIENT_ID, token_url=TOKEN_URL)}
            rows = (
                _verdict(verifier, "an assertion, key fetched", first, "accepted"),
                _verdict(verifier, "the next one, key cached", second, "accepted"),
                _verdict(verifier, "the first one again", first, "replayed"),
                *(_verdict(verifier, name, zoo[name].token, zoo[name].reason) for name in SHOWN),
            )
        requests = tuple(f"{line.method} {line.path} {line.status}" for line in okta.requests)
        return DemoReport(okta.url, key, rows, requests, deliver(okta, key, CLIENT_ID))


def table(report: DemoReport) -> None:
    """Print the report as text."""
    console = Console()
    console.print(f"\n[bold]A local Okta org[/] at {report.org}")
    console.print(f"created hook key [bold]{report.key['name']}[/], keyId {report.key['keyId']}\n")
    rows = Table(box=SIMPLE_HEAD, pad_edge=False, collapse_padding=True)
    for name in ("sent to the verifier", "verdict", "reason"):
        rows.add_column(name, no_wrap=True)
    rows.add_column("ms", justify="right", no_wrap=True)
    rows.add_column("ok", no_wrap=True)
    for row in report.rows:
        colour = "green" if row.verdict == "accepted" else "yellow"
        reason = "" if row.verdict == "accepted" else row.reason
        if not row.ok:
            reason = f"[red]{row.reason}, not {row.expected}[/]"
        mark = "yes" if row.ok else "[red]NO[/]"
        rows.add_row(
            row.sent, f"[{colour}]{row.verdict}[/]", reason, f"{row.milliseconds:.2f}", mark
        )
    console.print(rows)
    console.print("\n[bold]Requests to the org over HTTP[/]")
    for line in report.requests:
        console.print(f"  {line}", highlight=False)
    console.print("\n[bold]A token hook, called by the org[/]")
    for step in report.delivery.steps:
        line = f"  {step.request} {step.status or 'no answer'} {step.problem}".rstrip()
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    console.print(f"  {report.delivery.verdict}", highlight=False, markup=False, soft_wrap=True)
    for problem in report.delivery.problems:
        line = f"  {problem.severity}: {place(problem.path)}: {problem.message}"
        console.print(line, highlight=False, markup=False, soft_wrap=True)
    refused = sum(row.verdict == "refused" for row in report.rows)
    accepted = len(report.rows) - refused
    console.print(f"\n{accepted} accepted, {refused} refused, ", end="")
    if not report.ok:
        console.print("[red]NOT as expected[/]")
        return
    console.print("[green]every verdict as expected[/]")
    console.print(NEXT.rstrip(), highlight=False, soft_wrap=True)


def _verdict(verifier: HookVerifier, sent: str, token: str, expected: str) -> Row:
    started = time.perf_counter()
    try:
        verifier.verify(token)
        verdict = reason = "accepted"
    except HookVerificationError as error:
        verdict, reason = "refused", str(error.reason)
    return Row(sent, verdict, reason, str(expected), (time.perf_counter() - started) * 1000)
