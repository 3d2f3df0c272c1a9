"""``hookkey keys rotate`` replaces a hook key without a gap."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import ExitStack, closing
from typing import Any, Final

import click

from .._jose.jwk import PublicKey
from .._runtime.clock import wall_clock
from ..okta.applications import SCOPES, ApplicationKeysClient
from ..okta.client import HookKeysClient
from ..okta.granted_scopes import arguments_with_scopes
from ..okta.inline_hooks import InlineHooksClient
from ..okta.models import HookKey, InlineHook
from ..okta.paths import NEXT
from ..okta.rotation import KeyRotation, RotationReport
from ..okta.rotation_state import Step
from .keys import key_document, show_key
from .org import announce, argument, can_ask, confirm, moment
from .output import as_json, command, plain, print_json, print_rows, tell
from .payload import example_payloads

__all__ = ["rotate"]

NOT_FINISHED: Final = 6
"""The exit code of a rotation that must be continued."""
_KEYS: Final = ("okta.inlineHooks.read", "okta.inlineHooks.manage")
_DURATION = re.compile(r"(\d{1,7})([smhd]?)", re.ASCII)
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86_400}
_VERIFIERS: Final = (
    "HookKeys verifiers without allowed_key_ids fetch a new key by themselves; all others need it "
    "from you"
)


def _duration(_: click.Context, __: click.Parameter, value: str) -> float:
    match = _DURATION.fullmatch(value.strip())
    if not match:
        raise click.BadParameter("expected a number with s, m, h or d, such as 90m")
    return float(int(match[1]) * _UNITS[match[2]])


@click.command()
@argument("key")
@click.option("--hooks", is_flag=True, help="Switch the inline hooks too.")
@click.option("--successor", metavar="NAME", help="Name of the new key. Default: KEY (next).")
@click.option("--bridge", "bridges", multiple=True, metavar="URL",
              help="A JWK Set that verifiers read, such as that of hookkey bridge.")  # fmt: skip
@click.option("--verifiers-ready", is_flag=True, help="All verifiers have the new key.")
@click.option("--keep", callback=_duration, default="1h", show_default=True, metavar="TIME",
              help="How long the old key stays after the last switch.")  # fmt: skip
@click.option("--wait", is_flag=True, help="Wait for that time instead of ending with 6.")
@click.option("--patience", callback=_duration, default="6m", show_default=True, metavar="TIME",
              help="How long to wait for the bridges, and for Okta to report the use.")  # fmt: skip
@click.option("--execute", is_flag=True, help="Execute each active hook: runs its real handler.")
@click.option("--undo", is_flag=True, help="Switch the hooks back to the old key.")
@click.option("--discard", is_flag=True, help="With --undo: then delete the new key.")
@click.option("--finish", is_flag=True, help="Without --hooks: delete the old key, and rename.")
@click.option("--again", is_flag=True, help="Rotate a key that was rotated minutes ago.")
@click.option("--dry-run", is_flag=True, help="Print the steps and change nothing.")
@click.option("--yes", is_flag=True, help="Answer all questions but that for the verifiers.")
@as_json
@command
def rotate(key: str, hooks: bool, as_json: bool, dry_run: bool, **options: Any) -> None:
    """Replace a key without a gap; run it again until it exits with 0.

    With --hooks, it creates the new key, adds it to the Okta applications whose keys verify the
    hooks' client assertions, makes sure that the verifiers have it, switches all hooks that use the
    old key, waits until Okta reports the old key as unused, and after --keep deletes the old key
    and gives its name to the new key. All state is in the org, so a run continues where the last
    one ended.

    Without --hooks, it creates the new key and prints it; select it in the hooks, then run it with
    --finish.

    Needs an administrator role, super admin or a custom role with okta.inlinehooks.read and
    okta.inlinehooks.manage (Early Access), and with OAuth also the scopes okta.inlineHooks.read and
    okta.inlineHooks.manage. The keys of applications need a role that may manage applications, and
    the scopes okta.apps.read and okta.apps.manage. --dry-run needs only what is for reading.

    Exit codes: 6 if it must be run again: after the time that it prints, or with --verifiers-ready.

    Example: hookkey keys rotate "Token hook" --hooks
    """
    _check(hooks, dry_run=dry_run, **options)
    with ExitStack() as stack:
        rotation = _rotation(stack, key, hooks=hooks, asks=not dry_run, **options)
        undo, discard = options["undo"], options["discard"]
        if dry_run:
            _show_plan(rotation.plan(undo=undo, discard=discard), as_json=as_json)
            return
        report = rotation.undo(discard=discard) if undo else rotation.run()
    _show_report(report, as_json=as_json, undo=undo)
    if report.waiting_for in ("verifiers", "keep"):
        raise SystemExit(NOT_FINISHED)


def _check(hooks: bool, *, dry_run: bool, yes: bool, **options: Any) -> None:
    """Refuse options that contradict each other, before anything is changed."""
    needing = ("bridges", "verifiers_ready", "wait", "execute", "undo", "discard")
    if not hooks and any(options[name] for name in needing):
        raise click.UsageError(
            "this needs --hooks: without it, an administrator switches the hooks"
        )
    if hooks and options["finish"]:
        raise click.UsageError("--finish is for a rotation without --hooks")
    if options["discard"] and not options["undo"]:
        raise click.UsageError("--discard needs --undo")
    if hooks and not (yes or dry_run or can_ask()):
        raise click.UsageError(
            "there is no terminal to confirm on; pass --yes to skip the questions"
        )


def _rotation(
    stack: ExitStack, key: str, *, hooks: bool, asks: bool, yes: bool, execute: bool, **options: Any
) -> KeyRotation:
    """Return the rotation of the key with this name, id or keyId."""
    shared = arguments_with_scopes({"on_wait": announce}, _KEYS + SCOPES if hooks else _KEYS)
    client = stack.enter_context(HookKeysClient(**shared))
    chosen = {
        name: options[name] for name in ("successor", "keep", "wait", "patience", "finish", "again")
    }
    if hooks:
        chosen |= {
            "hooks": stack.enter_context(InlineHooksClient(**shared)),
            "applications": stack.enter_context(ApplicationKeysClient(**shared)),
            "bridges": options["bridges"],
            "payload_for": _payloads() if execute else None,
            "verifiers_ready": options["verifiers_ready"] or (not yes and can_ask() and _is_ready),
            "verify": shared["verify"],
            "proxies": shared["proxies"],
        }
    if asks:
        chosen |= {"on_step": _announce_step}
        if not yes:
            chosen |= {"agree": _agree}
    rotation = client.rotation(_name(client.list(), key), **chosen)
    return stack.enter_context(closing(rotation))


def _name(listed: list[HookKey], key: str) -> str:
    """Return the name of the rotated key for its name or an id of it or its successor."""
    for each in listed:
        if key in (each.id, each.key_id):
            return each.name.removesuffix(NEXT)
    return key


def _payloads() -> Callable[[InlineHook], Mapping[str, Any]]:
    """Return a function that returns a request of Okta to a hook, with data of an invented user."""
    payloads = example_payloads()

    def payload_for(hook: InlineHook) -> Mapping[str, Any]:
        payload: Mapping[str, Any] = payloads.payload(hook.type, hook_id=hook.id, now=wall_clock())
        return payload

    return payload_for


def _announce_step(step: Step) -> None:
    tell(f"hookkey: {plain(step.text)}")


def _agree(step: Step) -> bool:
    words = plain(step.text)
    confirm(f"{words[0].upper()}{words[1:]}?", yes=False)
    return True


def _is_ready(key: PublicKey, hooks: list[InlineHook]) -> bool:
    tell(f"{_VERIFIERS}:")
    tell(json.dumps(key.as_jwk(), indent=2))
    names = ", ".join(plain(repr(hook.name)) for hook in hooks)
    return click.confirm(f"Do all verifiers of {names} have this key?", err=True)


def _show_plan(report: RotationReport, *, as_json: bool) -> None:
    if as_json:
        print_json(_document(report))
        return
    rows = [(step.name, "done" if step.done else "to do", step.text) for step in report.steps]
    print_rows(("step", "state", "what"), rows, whole=("step", "state"))
    _show_notes(report)


def _show_report(report: RotationReport, *, as_json: bool, undo: bool) -> None:
    if as_json:
        print_json(_document(report))
    elif report.key and not undo and report.waiting_for in ("hooks", "verifiers", ""):
        show_key(report.key, json=False)
    _show_notes(report)
    match report.waiting_for:
        case "hooks":
            tell(
                "\nDistribute this key to the verifiers and select it in the inline hooks. Then "
                "run the same command with --finish, or with --hooks to let it do the rest."
            )
        case "verifiers":
            left = next(step.text for step in report.steps if step.name == "confirm")
            tell(
                f"\nhookkey: not finished: {plain(left)}. {_VERIFIERS}. Then run the same command "
                "with --verifiers-ready, or with --bridge if they read a JWK Set."
            )
        case "keep":
            tell(
                "\nhookkey: not finished: the key that is not used any more stays for the time of "
                f"--keep. Run the same command again after {report.run_again_at:%H:%M:%S} UTC "
                f"({report.run_again_at:%Y-%m-%d})."
            )


def _show_notes(report: RotationReport) -> None:
    for note in _notes(report):
        tell(f"hookkey: {plain(note)}")


def _notes(report: RotationReport) -> list[str]:
    """Return the notes with the options of the command instead of Python arguments."""
    return [note.replace("again=True", "--again") for note in report.notes]


def _document(report: RotationReport) -> dict[str, Any]:
    """Return the new key, and how far the rotation is."""
    return {
        **({} if report.key is None else key_document(report.key)),
        "finished": report.finished,
        "waitingFor": report.waiting_for or None,
        "runAgainAt": moment(report.run_again_at),
        "steps": [
            {"step": step.name, "done": step.done, "text": step.text} for step in report.steps
        ],
        "notes": _notes(report),
    }
