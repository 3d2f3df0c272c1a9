"""``hookkey fire``: call a handler as Okta does, or with everything that it must refuse."""

from __future__ import annotations

import secrets
import time
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click
from click.core import ParameterSource

from ..errors import ConfigurationError
from ..okta.http import check_url
from ..signer import HookSigner
from .files import InputFile, PathOfFile, read_token
from .output import as_json, command, plain, print_json, print_rows
from .running_emulator import fired_by_emulator
from .verifying import check_url_option

if TYPE_CHECKING:
    from ..emulator.inline_hooks import InlineHook
    from ..testing.zoo import BadToken

__all__ = ["fire"]

_REFUSALS = (400, 401, 403, 413, 431)
"""Too large is refused by some servers before any handler sees it."""
_KEY = ("private_key", "kid", "client_id")
_USES = {
    "--secret": ("secret", "header"),
    "--token": ("token",),
    "--direct": ("direct", *_KEY, "token_url"),
    "--issuer": ("issuer", *_KEY, "audience", "scopes"),
    "--token-url": ("token_url", *_KEY, "scopes"),
}
"""The options that say how to authenticate, and what each has an effect together with. The first
that is given decides."""
TYPES = {
    "token": "com.okta.oauth2.tokens.transform",
    "saml": "com.okta.saml.tokens.transform",
    "registration": "com.okta.user.pre-registration",
    "import": "com.okta.import.transform",
    "password": "com.okta.user.credential.password.import",
    "telephony": "com.okta.telephony.provider",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Caller:
    """Who the handler is to believe that it is: the options of the command."""

    private_key: str | None
    kid: str | None
    client_id: str | None
    token_url: str | None
    issuer: str | None
    audience: str | None
    scopes: tuple[str, ...]
    direct: bool

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

    def token(self) -> str:
        """A good one: an access token with --issuer, else the assertion itself."""
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
@click.option("--type", "kind", type=click.Choice([*TYPES]), default="token", show_default=True)
@click.option("--private-key", type=PathOfFile(),
              help="PEM file of an RSA private key, in the place of Okta's.")  # fmt: skip
@click.option("--kid", help="Its kid.")
@click.option("--client-id", help="The hook's client id.")
@click.option("--token-url", help="Ask it for an access token first, with a client assertion.")
@click.option("--direct", is_flag=True, help="Send the assertion itself as the bearer token.")
@click.option("--issuer", help="Sign an access token of this issuer instead.")
@click.option("--audience", help="Its audience.")
@click.option("--scope", "scopes", multiple=True, help="A scope of it.")
@click.option("--token", type=InputFile(), help="Send the bearer token in this file.")
@click.option("--secret", type=InputFile(), help="Send the secret in this file.")
@click.option("--header", default="Authorization", show_default=True, help="The secret's header.")
@click.option("--zoo", is_flag=True, help="Send every bad token and see which ones get in.")
@as_json
@click.pass_context
@command
def fire(  # noqa: PLR0917 - the options of the command
    context: click.Context,
    /,
    target: str,
    kind: str,
    token: BinaryIO | None,
    secret: BinaryIO | None,
    header: str,
    zoo: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Call a handler as Okta calls an inline hook, and say what Okta would make of the answer.

    URL is the handler's. HOOK is the name or id of an inline hook of a running `hookkey emulate`,
    whose OKTA_CLIENT_ORGURL and OKTA_CLIENT_TOKEN are set; it has its own credentials.

    Exits with 0 when the handler answered as it should, with 1 when not, with 3 when it did not
    answer. With --zoo a good token is sent, and then every bad one that HTTP can carry, with one
    defect each; exits with 0 when the good one got in and every other one was refused.

    Example: hookkey fire http://localhost:5000/hook --private-key test.pem --kid test
    --client-id 0oa1 --token-url https://acme.com/token --direct
    """
    given = {name: flag for name, flag in _flags(context).items() if _is_given(context, name)}
    if "://" not in target:
        _refuse_unused(given, ("target", "as_json"), "for a hook of the emulator")
        report = fired_by_emulator(target)
    else:
        caller = _Caller(**options)
        caller.check()
        way = next((flag for flag in _USES if flag in given.values()), None)
        used = _USES.get(way or "", ())
        why = f"beside {way}" if way else "without --direct, --issuer or --token-url"
        _refuse_unused(given, ("target", "kind", "zoo", "as_json", *used), why)
        if zoo and way in ("--secret", "--token"):
            raise click.UsageError(f"--zoo cannot be combined with {way}")
        hook = _hook(target, TYPES[kind])
        if zoo:
            _audit(hook, caller, as_json=as_json)
            return
        report = _fired(hook, caller, token, (header, secret))
    _show(report, as_json=as_json)
    if not report["ok"]:
        raise SystemExit(3 if report["steps"][-1]["status"] is None else 1)


def _flags(context: click.Context) -> dict[str, str]:
    """The parameters of the command, and how they are written."""
    parameters = context.command.params
    return {each.name or "": max(each.opts, key=len) for each in parameters}


def _is_given(context: click.Context, name: str) -> bool:
    return context.get_parameter_source(name) is ParameterSource.COMMANDLINE


def _refuse_unused(given: Mapping[str, str], used: Collection[str], why: str) -> None:
    """Refuse options that would be ignored."""
    unused = [flag for name, flag in given.items() if name not in used]
    if unused:
        verb = "has" if len(unused) == 1 else "have"
        raise click.UsageError(f"{', '.join(unused)} {verb} no effect {why}")


def _fired(
    hook: InlineHook,
    caller: _Caller,
    token: BinaryIO | None,
    secret: tuple[str, BinaryIO | None],
) -> dict[str, Any]:
    from ..emulator.delivery import Deliverer  # noqa: PLC0415 - needs the extra

    bearer = None
    if token is not None:
        bearer = read_token(token).decode("ascii", "replace")
        if not bearer.isprintable() or " " in bearer:
            raise ConfigurationError("the file given with --token must contain exactly one token")
    elif caller.direct or caller.issuer is not None:
        bearer = caller.token()
    if secret[1] is not None:
        hook = replace(hook, auth_header=(secret[0], _secret(secret[1])))
    elif bearer is not None:
        hook = replace(hook, auth_header=("Authorization", f"Bearer {bearer}"))
    elif caller.token_url is not None:
        hook = replace(
            hook,
            channel_type="OAUTH",
            auth_type="private_key_jwt",
            client_id=caller.client_id or "",
            token_url=caller.token_url,
            scope=" ".join(caller.scopes),
            hook_key_id="HKY",
        )
    signer = caller.signer() if hook.channel_type == "OAUTH" else None
    return Deliverer(lambda _: _known(signer)).fire(hook).document()


def _known(signer: HookSigner | None) -> HookSigner:
    if signer is None:  # a hook without OAuth never asks
        raise ConfigurationError("there is no key to sign with")
    return signer


def _hook(url: str, kind: str) -> InlineHook:
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
    hook: InlineHook = hooks.get(made["id"])
    return hook


def _secret(file: BinaryIO) -> str:
    secret = file.read(4096).decode("ascii", "replace").strip()
    if not secret or not secret.isprintable() or not secret.isascii():
        raise ConfigurationError("the secret must be printable ASCII")
    return secret


def _show(report: Mapping[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(report)
        return
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
    click.echo(plain(f"{report['outcome']}: {report['verdict']}"))


def _audit(hook: InlineHook, caller: _Caller, *, as_json: bool) -> None:
    """Send the good token first: a handler that refuses everything is not safe but broken."""
    zoo = caller.zoo()
    rows = list(_verdicts(hook, caller.token(), [bad for bad in zoo if bad.header_safe]))
    unsent = [bad.name for bad in zoo if not bad.header_safe]
    wrong = [row for row in rows if row["result"] != "ok"]
    if as_json:
        print_json({"ok": not wrong, "tokens": rows, "unsent": unsent})
    else:
        print_rows(
            ("token", "answer", "result"),
            [(row["token"], str(row["status"] or "no answer"), row["result"]) for row in rows],
        )
        accepted = sum(row["result"] == "WRONGLY ACCEPTED" for row in rows)
        click.echo(f"not sent, because no HTTP header can carry it: {', '.join(unsent)}")
        click.echo(
            f"a good token and {len(rows) - 1} bad tokens sent, {accepted} wrongly accepted, "
            f"{len(wrong)} unexpected results"
        )
    if wrong:
        raise SystemExit(1)


def _verdicts(
    hook: InlineHook, good_token: str, zoo: Collection[BadToken]
) -> Iterator[dict[str, Any]]:
    status = _status(hook, good_token)
    good = status is not None and 200 <= status < 300
    yield {"token": "a good one", "status": status, "result": "ok" if good else "REFUSED"}
    for bad in zoo:
        status = _status(hook, bad.token)
        if status is not None and 200 <= status < 300:
            result = "WRONGLY ACCEPTED"
        else:
            result = "ok" if status in _REFUSALS else "not refused with 401"
        yield {"token": bad.name, "status": status, "result": result}


def _status(hook: InlineHook, token: str) -> int | None:
    from ..emulator.delivery import Deliverer  # noqa: PLC0415 - needs the extra

    sent = replace(hook, auth_header=("Authorization", f"Bearer {token}".strip()))
    return Deliverer(lambda _: _known(None)).fire(sent).steps[-1].status
