"""``hookkey fire``: call a handler as Okta does, or with everything that it must refuse."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

import click

from ..errors import ConfigurationError
from ..signer import HookSigner
from .output import as_json, command, plain, print_json, print_rows
from .tokens import read_token

if TYPE_CHECKING:
    from ..emulator.delivery import Delivery
    from ..emulator.inline_hooks import InlineHook
    from ..testing.zoo import BadToken

__all__ = ["fire"]

_REFUSALS = (400, 401, 403, 413, 431)
"""Too large is refused by some servers before any handler sees it."""
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

    def signer(self) -> HookSigner:
        if self.private_key is None or self.kid is None or self.client_id is None:
            raise click.UsageError("this needs --private-key, --kid and --client-id")
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
@click.argument("url")
@click.option("--type", "kind", type=click.Choice([*TYPES]), default="token", show_default=True)
@click.option("--private-key", type=click.Path(exists=True, dir_okay=False),
              help="PEM file of an RSA private key, in the place of Okta's.")  # fmt: skip
@click.option("--kid", help="Its kid.")
@click.option("--client-id", help="The hook's client id.")
@click.option("--token-url", help="Ask it for an access token first, with a client assertion.")
@click.option("--direct", is_flag=True, help="Send the assertion itself as the bearer token.")
@click.option("--issuer", help="Sign an access token of this issuer instead.")
@click.option("--audience", help="Its audience.")
@click.option("--scope", "scopes", multiple=True, help="A scope of it.")
@click.option("--token", type=click.File("rb"), help="Send the bearer token in this file.")
@click.option("--secret", type=click.File("rb"), help="Send the secret in this file.")
@click.option("--header", default="Authorization", show_default=True, help="The secret's header.")
@click.option("--zoo", is_flag=True, help="Send every bad token and see which ones get in.")
@as_json
@command
def fire(  # noqa: PLR0917 - the options of the command
    url: str,
    kind: str,
    token: BinaryIO | None,
    secret: BinaryIO | None,
    header: str,
    zoo: bool,
    as_json: bool,
    **options: Any,
) -> None:
    """Call the handler at URL as Okta calls an inline hook, and say what Okta would make of it.

    Exits with 0 when the handler answered as it should, with 1 when not, with 3 when it did not
    answer. With --zoo fifty tokens with one defect each are sent; exits with 0 when the good one
    got in and every other one was refused.

    Example: hookkey fire http://localhost:5000/hook --private-key test.pem --kid test
    --client-id 0oa1 --token-url https://acme.com/token --direct
    """
    try:
        from ..emulator.delivery import Deliverer  # noqa: PLC0415 - needs the extra
    except ImportError as error:
        raise click.UsageError(str(error)) from None
    caller = _Caller(**options)
    hook = _hook(url, TYPES[kind])
    if zoo:
        _audit(hook, caller, json=as_json)
        return
    bearer = None
    if token is not None:
        bearer = read_token(token).decode("ascii", "replace")
    elif caller.direct or caller.issuer is not None:
        bearer = caller.token()
    if secret is not None:
        hook = replace(hook, auth_header=(header, _secret(secret)))
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
    delivery = Deliverer(lambda _: _known(signer)).fire(hook)
    _show(delivery, json=as_json)
    if not delivery.ok:
        raise SystemExit(3 if delivery.steps[-1].status is None else 1)


def _known(signer: HookSigner | None) -> HookSigner:
    if signer is None:  # a hook without OAuth never asks
        raise ConfigurationError("there is no key to sign with")
    return signer


def _hook(url: str, kind: str) -> InlineHook:
    from ..emulator.inline_hooks import InlineHooks  # noqa: PLC0415 - needs the extra
    from ..emulator.okta_error import OktaError  # noqa: PLC0415

    channel = {"type": "HTTP", "config": {"uri": url}}
    hooks = InlineHooks(has_key=lambda _: True)
    try:
        made = hooks.create({"name": "fire", "type": kind, "channel": channel})
    except OktaError as error:
        raise click.UsageError(" ".join(error.causes)) from None
    hook: InlineHook = hooks.get(made["id"])
    return hook


def _secret(file: BinaryIO) -> str:
    secret = file.read(4096).decode("ascii", "replace").strip()
    if not secret or not secret.isprintable() or not secret.isascii():
        raise ConfigurationError("the secret must be printable ASCII")
    return secret


def _show(delivery: Delivery, *, json: bool) -> None:
    if json:
        print_json({**asdict(delivery), "ok": delivery.ok})
        return
    rows = [
        (
            step.name,
            step.request,
            "no answer" if step.status is None else str(step.status),
            f"{step.milliseconds:.0f} ms",
            step.problem or "ok",
        )
        for step in delivery.steps
    ]
    print_rows(("step", "request", "answer", "time", "result"), rows)
    click.echo(plain(f"{delivery.outcome}: {delivery.verdict}"))


def _audit(hook: InlineHook, caller: _Caller, *, json: bool) -> None:
    """Send the good token first: a handler that refuses everything is not safe but broken."""
    rows = list(_verdicts(hook, caller))
    wrong = [row for row in rows if row["result"] != "ok"]
    if json:
        print_json({"ok": not wrong, "tokens": rows})
    else:
        print_rows(
            ("token", "answer", "result"),
            [(row["token"], str(row["status"] or "no answer"), row["result"]) for row in rows],
        )
        accepted = sum(row["result"] == "WRONGLY ACCEPTED" for row in rows)
        click.echo(f"{len(rows)} tokens, {accepted} wrongly accepted, {len(wrong)} to look at")
    if wrong:
        raise SystemExit(1)


def _verdicts(hook: InlineHook, caller: _Caller) -> Iterator[dict[str, Any]]:
    status = _status(hook, caller.token())
    good = status is not None and 200 <= status < 300
    yield {"token": "a good one", "status": status, "result": "ok" if good else "REFUSED"}
    for bad in caller.zoo():
        if not bad.token.isprintable():
            continue  # no client can send that in a header
        status = _status(hook, bad.token)
        if status is not None and 200 <= status < 300:
            result = "WRONGLY ACCEPTED"
        else:
            result = "ok" if status in _REFUSALS else "not refused with 401"
        yield {"token": bad.name, "status": status, "result": result}


def _status(hook: InlineHook, token: str) -> int | None:
    from ..emulator.delivery import Deliverer  # noqa: PLC0415 - needs the extra

    once = replace(
        hook, type=TYPES["token"], auth_header=("Authorization", f"Bearer {token}".strip())
    )
    return Deliverer(lambda _: _known(None)).fire(once).steps[-1].status
