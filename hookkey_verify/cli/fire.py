"""``hookkey fire`` calls a handler like Okta, or with tokens that it must refuse."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from ..errors import ConfigurationError
from ..okta.http import check_url
from ..signer import HookSigner
from .files import InputFile, PathOfFile, read_secret, read_token
from .hook_types import HookType
from .output import as_json, command, place, plain, print_json, print_rows
from .payload import check_writable, read_event, save_event, type_of
from .running_emulator import fired_by_emulator
from .verifying import check_url_option
from .wording import flag_of, is_given

if TYPE_CHECKING:
    from ..emulator.delivery import Deliverer
    from ..emulator.inline_hooks import EmulatedHook
    from ..emulator.verdict import Delivery
    from ..testing.zoo import BadToken

__all__ = ["fire"]

_REFUSALS = (400, 401, 403, 413, 431)
"""Statuses of a refusal; servers may refuse a large token (413, 431) before the handler sees it."""
_KEY = ("private_key", "kid", "client_id")
_USES = {
    "--secret": ("secret", "header"),
    "--token": ("token",),
    "--direct": ("direct", *_KEY, "token_url"),
    "--issuer": ("issuer", *_KEY, "audience", "scopes"),
    "--token-url": ("token_url", *_KEY, "scopes"),
}
"""The options that select how to authenticate, each with the parameters that it uses.

The first one that is given decides.
"""
_EVENT = ("variant", "payload", "save")
"""The options that describe the event."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Caller:
    """The options that describe the caller of the handler."""

    private_key: str | None
    kid: str | None
    client_id: str | None
    token_url: str | None
    issuer: str | None
    audience: str | None
    scopes: tuple[str, ...]
    direct: bool
    token: BinaryIO | None
    secret: BinaryIO | None
    header: str

    def check(self) -> None:
        """Raise ``ConfigurationError`` if a URL is invalid."""
        for name in ("token_url", "issuer"):
            value = getattr(self, name)
            if value is not None:
                check_url_option(name, value)

    def signer(self) -> HookSigner:
        if self.private_key is None or self.kid is None or self.client_id is None:
            raise click.UsageError("to sign, this needs --private-key, --kid and --client-id")
        try:
            return HookSigner(Path(self.private_key).read_bytes(), self.kid)
        except OSError:
            raise ConfigurationError("the private key file cannot be read") from None

    def authenticated(self, hook: EmulatedHook) -> EmulatedHook:
        """Return the hook with the credentials that the options describe."""
        if self.secret is not None:
            return replace(hook, auth_header=(self.header, read_secret(self.secret)))
        if self.token is not None:
            return _with_bearer(hook, _bearer(self.token))
        if self.direct or self.issuer is not None:
            return _with_bearer(hook, self.good_token())
        if self.token_url is None:
            return hook
        return replace(
            hook,
            channel_type="OAUTH",
            auth_type="private_key_jwt",
            client_id=self.client_id or "",
            token_url=self.token_url,
            scope=" ".join(self.scopes),
            hook_key_id="HKY",
        )

    def good_token(self) -> str:
        """Return an access token with --issuer, otherwise a client assertion."""
        signer, now = self.signer(), int(time.time())
        if self.issuer is None:
            return signer.client_assertion(
                client_id=self.client_id or "", token_url=self._needed("token_url")
            )
        claims = {"iss": self.issuer, "aud": self._needed("audience"), "cid": self.client_id}
        times = {"iat": now, "exp": now + 300, "jti": secrets.token_hex(16)}
        return signer.sign({**claims, **times, "sub": self.client_id, "scp": [*self.scopes]})

    def zoo(self) -> tuple[BadToken, ...]:
        from ..testing.zoo import bad_access_tokens, bad_tokens  # noqa: PLC0415 - only for --zoo

        signer, client_id = self.signer(), self.client_id or ""
        if self.issuer is None:
            return bad_tokens(signer, client_id=client_id, token_url=self._needed("token_url"))
        return bad_access_tokens(
            signer,
            issuer=self.issuer,
            audience=self._needed("audience"),
            client_id=client_id,
            scopes=self.scopes,
        )

    def _needed(self, name: str) -> str:
        value: str | None = getattr(self, name)
        if value is None:
            raise click.UsageError(f"this needs --{name.replace('_', '-')}")
        return value


@click.command()
@click.argument("target", metavar="URL|HOOK")
@click.option("--type", "kind", type=HookType(), help="Default: the type of --payload, or token.")
@click.option("--variant", help="The variant of the event; `hookkey payload --list` lists them.")
@click.option("--payload", type=InputFile(), help="Send the body in this file, byte for byte.")
@click.option("--save", type=click.Path(dir_okay=False),
              help="Save the body that was sent in this file, readable only by you.")  # fmt: skip
@click.option("--private-key", type=PathOfFile(),
              help="PEM file of an RSA private key, used in place of Okta's.")  # fmt: skip
@click.option("--kid", help="The kid of the key.")
@click.option("--client-id", help="The hook's client id.")
@click.option("--token-url", help="Request an access token there first, with a client assertion.")
@click.option("--direct", is_flag=True, help="Send the assertion itself as the bearer token.")
@click.option("--issuer", help="Sign an access token of this issuer instead.")
@click.option("--audience", help="The audience of the access token.")
@click.option(
    "--scope", "scopes", multiple=True, help="A scope of the access token. May be repeated."
)
@click.option("--token", type=InputFile(), help="Send the bearer token in this file.")
@click.option("--secret", type=InputFile(), help="Send the secret in this file.")
@click.option(
    "--header", default="Authorization", show_default=True, help="The header for the secret."
)
@click.option("--zoo", is_flag=True, help="Send bad tokens and show which ones are accepted.")
@as_json
@click.pass_context
@command
def fire(
    context: click.Context,
    /,
    *,
    target: str,
    kind: str | None,
    variant: str | None,
    payload: BinaryIO | None,
    save: str | None,
    zoo: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Call a handler like an Okta inline hook, and show how Okta would treat the response.

    Pass the URL of a handler, or the name or id of a HOOK in a running `hookkey emulate`, which has
    its own credentials. For a hook, set OKTA_CLIENT_ORGURL and OKTA_CLIENT_TOKEN. Okta is never
    called. The emulator's API token may do this; a service app needs okta.inlineHooks.manage.

    Exits with 0 if the response is correct, 1 if it is not, and 3 if there is none. With --zoo, a
    good token and then many bad ones with one defect each are sent. It exits with 0 if the handler
    accepts the good token and refuses all others.

    The body that --save writes can be sent again with --payload. It may contain passwords and
    one-time codes.

    Example: hookkey fire http://localhost:5000/hook --private-key test.pem --kid test
    --client-id 0oa1 --token-url https://acme.com/token --direct
    """
    parameters = context.command.params
    given = {p.name: flag_of(p) for p in parameters if p.name and is_given(context, p.name)}
    if "payload" in given and "variant" in given:
        raise click.UsageError("--variant has no effect beside --payload")
    body = None if payload is None else read_event(payload)
    if save is not None:
        check_writable(save)
    if "://" in target:
        caller = _Caller(**options)
        caller.check()
        _check_given(given)
        hook = _hook(target, kind or type_of(body))
        fired = partial(_deliverer(caller).fire, body=body, variant=variant)
        report, sent = _audit(hook, caller, fired) if zoo else _fired(hook, caller, fired)
    else:
        _refuse_unused(given, ("target", "as_json", *_EVENT), "for a hook of the emulator")
        report, sent = fired_by_emulator(target, body, variant, save=save is not None)
    if save is not None:
        save_event(save, sent)
    if as_json:
        print_json(report)
    else:
        (_show_audit if zoo else _show)(report)
    if not report["ok"]:
        raise SystemExit(1 if zoo or report["steps"][-1]["status"] is not None else 3)


def _check_given(given: Mapping[str, str]) -> None:
    """Refuse options that cannot be combined."""
    way = next((flag for flag in _USES if flag in given.values()), "")
    why = f"beside {way}" if way else "without --direct, --issuer or --token-url"
    _refuse_unused(given, ("target", "kind", "zoo", "as_json", *_EVENT, *_USES.get(way, ())), why)
    if "zoo" in given and "save" in given:
        raise click.UsageError("--save has no effect beside --zoo")
    if "zoo" in given and way in ("--secret", "--token"):
        raise click.UsageError(f"--zoo cannot be combined with {way}")


def _refuse_unused(given: Mapping[str, str], used: Collection[str], why: str) -> None:
    """Refuse options that would have no effect."""
    unused = [flag for name, flag in given.items() if name not in used]
    if unused:
        verb = "has" if len(unused) == 1 else "have"
        raise click.UsageError(f"{', '.join(unused)} {verb} no effect {why}")


def _deliverer(caller: _Caller) -> Deliverer:
    from ..emulator.delivery import Deliverer  # noqa: PLC0415 - needs the extra

    return Deliverer(lambda _: caller.signer())


def _fired(
    hook: EmulatedHook, caller: _Caller, fired: Callable[[EmulatedHook], Delivery]
) -> tuple[dict[str, Any], bytes]:
    delivery = fired(caller.authenticated(hook))
    return delivery.document(), delivery.body


def _with_bearer(hook: EmulatedHook, token: str) -> EmulatedHook:
    return replace(hook, auth_header=("Authorization", f"Bearer {token}".strip()))


def _bearer(file: BinaryIO) -> str:
    token = read_token(file).decode("ascii", "replace")
    if not token.isprintable() or " " in token:
        raise ConfigurationError("the file given with --token must contain exactly one token")
    return token


def _hook(url: str, kind: str) -> EmulatedHook:
    try:
        from ..emulator.inline_hooks import InlineHooks  # noqa: PLC0415 - needs the extra
        from ..emulator.okta_error import OktaError  # noqa: PLC0415
    except ImportError as error:
        raise click.UsageError(str(error)) from None
    check_url("URL", url, example="https://hooks.acme.com/hook", query=True)
    channel = {"type": "HTTP", "config": {"uri": url}}
    hooks = InlineHooks(has_key=lambda _: True)
    try:
        made = hooks.create({"name": "fire", "type": kind, "channel": channel})
    except OktaError as error:
        problem = " ".join(error.causes).replace("channel.config.uri: ", "URL ")
        raise click.UsageError(problem) from None
    hook: EmulatedHook = hooks.get(made["id"])
    return hook


def _show(report: Mapping[str, Any]) -> None:
    rows = [
        (
            step["name"],
            step["request"],
            "no answer" if step["status"] is None else str(step["status"]),
            f"{step['milliseconds']:.0f} ms",
            step["problem"] or "ok",
        )
        for step in report["steps"]
    ]
    titles = ("step", "request", "answer", "time", "result")
    print_rows(titles, rows, whole=("step", "answer", "time"), dispensable=("time",))
    problems = [
        (place(each["path"]), each["severity"], each["message"]) for each in report["problems"]
    ]
    if problems:
        print_rows(("place in the reply", "severity", "problem"), problems, whole=("severity",))
    click.echo(plain(f"{report['outcome']}: {report['verdict']}"))


def _audit(
    hook: EmulatedHook, caller: _Caller, fired: Callable[[EmulatedHook], Delivery]
) -> tuple[dict[str, Any], bytes]:
    """Send the good token first, because a handler that refuses everything is broken."""
    zoo = caller.zoo()
    sent = [bad for bad in zoo if bad.header_safe]
    rows = list(_verdicts(hook, caller.good_token(), sent, fired))
    unsent = [bad.name for bad in zoo if not bad.header_safe]
    ok = all(row["result"] == "ok" for row in rows)
    return {"ok": ok, "tokens": rows, "unsent": unsent}, b""


def _show_audit(report: Mapping[str, Any]) -> None:
    rows = report["tokens"]
    print_rows(
        ("token", "answer", "result"),
        [(row["token"], str(row["status"] or "no answer"), row["result"]) for row in rows],
    )
    accepted = sum(row["result"] == "WRONGLY ACCEPTED" for row in rows)
    wrong = sum(row["result"] != "ok" for row in rows)
    click.echo(f"not sent, because no HTTP header can carry it: {', '.join(report['unsent'])}")
    click.echo(
        f"a good token and {len(rows) - 1} bad tokens sent, {accepted} wrongly accepted, "
        f"{wrong} unexpected results"
    )


def _verdicts(
    hook: EmulatedHook,
    good_token: str,
    zoo: Collection[BadToken],
    fired: Callable[[EmulatedHook], Delivery],
) -> Iterator[dict[str, Any]]:
    def status_of(token: str) -> int | None:
        return fired(_with_bearer(hook, token)).steps[-1].status

    status = status_of(good_token)
    good = status is not None and 200 <= status < 300
    yield {"token": "a good one", "status": status, "result": "ok" if good else "REFUSED"}
    for bad in zoo:
        status = status_of(bad.token)
        if status is not None and 200 <= status < 300:
            result = "WRONGLY ACCEPTED"
        else:
            result = "ok" if status in _REFUSALS else "not refused with 401"
        yield {"token": bad.name, "status": status, "result": result}
