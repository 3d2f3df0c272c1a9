"""``hookkey emulate`` runs a local Okta org until Ctrl-C."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import datetime
from itertools import dropwhile
from typing import TYPE_CHECKING, Any

import click

from .output import command, place, plain, print_json, tell

if TYPE_CHECKING:
    from ..emulator import OktaEmulator
    from ..emulator.parts import RequestLine
    from ..emulator.verdict import Delivery

__all__ = ["emulate"]


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="A local address.")
@click.option("--i-know-this-is-not-okta", is_flag=True,
              help="Allow a host that other machines can reach.")  # fmt: skip
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Default: a free port.")
@click.option("--key", "names", multiple=True, help="Create a hook key with this name.")
@click.option("--seed", type=click.Path(exists=True, dir_okay=False),
              help="YAML or JSON file with keys (names) and hooks to create.")  # fmt: skip
@click.option("--state", type=click.Path(dir_okay=False),
              help="Store the org in this file, which will contain private keys.")  # fmt: skip
@click.option(
    "--public-shape",
    type=click.Choice(["bare", "wrapped"]),
    default="bare",
    show_default=True,
    help="The format of the public key endpoint.",
)
@click.option("--rate-limit", type=click.IntRange(1), default=600, show_default=True,
              help="Requests per minute.")  # fmt: skip
@click.option("--json", "as_json", is_flag=True, help="Print the first report as JSON.")
@command
def emulate(
    names: tuple[str, ...],
    seed: str | None,
    as_json: bool,
    **options: Any,
) -> None:
    """Run a local Okta org and print every request.

    Open its URL in a browser for the console. Without --state, the org is in memory and has a new
    API token each time. With --state, also use the same --port each time, because the issuer of
    access tokens contains it.

    Example: hookkey emulate --port 8000 --key "Token hook"
    """
    try:
        from ..emulator import OktaEmulator  # noqa: PLC0415 - needs the extra
        from ..emulator.seed import apply_seed, read_seed  # noqa: PLC0415
    except ImportError as error:
        raise click.UsageError(str(error)) from None

    planned = {} if seed is None else read_seed(seed)
    with OktaEmulator(**options) as okta:
        apply_seed(okta, {"keys": [*names]})
        apply_seed(okta, planned)
        report = _report(okta)
        if as_json:
            print_json(report)
        else:
            _show_report(report)
        _follow(okta)


def _report(okta: OktaEmulator) -> dict[str, Any]:
    """Return the values for configuring a handler or a client."""
    keys = [{name: key[name] for name in ("id", "keyId", "name")} for key in okta.org.list()]
    hooks = []
    for hook in okta.hooks.list():
        config = hook["channel"]["config"]
        used = {name: config[name] for name in ("clientId", "scope", "tokenUrl") if name in config}
        hooks.append({name: hook[name] for name in ("id", "name", "type")} | used)
    return {
        "orgUrl": okta.url,
        "token": okta.api_token,
        "issuer": okta.issuer,
        "audience": okta.authorization_server.audience,
        "tokenUrl": f"{okta.issuer}/v1/token",
        "scope": "hooks",
        "keys": keys,
        "hooks": hooks,
    }


def _show_report(report: dict[str, Any]) -> None:
    click.echo(f"export OKTA_CLIENT_ORGURL={report['orgUrl']}")
    click.echo(f"export OKTA_CLIENT_TOKEN={report['token']}  # the API token")
    click.echo("# Access tokens that reach a hook:")
    for title, name in (
        ("issuer", "issuer"),
        ("audience", "audience"),
        ("scope", "scope"),
        ("token URL", "tokenUrl"),
    ):
        click.echo(f"#   {title:10} {report[name]}")
    for key in report["keys"]:
        click.echo(f"# hook key {plain(key['name'])}: {key['id']}, keyId {key['keyId']}")
    for hook in report["hooks"]:
        click.echo(f"# inline hook {plain(hook['name'])}: {hook['id']}, {hook['type']}")
        if "clientId" in hook:
            where = "" if hook["tokenUrl"] == report["tokenUrl"] else f", {hook['tokenUrl']}"
            words = f"client id {hook['clientId']}, scope {hook['scope']}{where}"
            click.echo(f"#   {plain(words)}")
    click.echo(f"# console: {report['orgUrl']}/")


def _follow(okta: OktaEmulator) -> None:
    """Print requests and deliveries until the process is interrupted."""
    last: Delivery | None = None
    with suppress(KeyboardInterrupt):
        while True:
            while okta.requests:
                _show_request(okta.requests.popleft())
            for delivery in _after(last, list(okta.deliveries)):
                _show_delivery(delivery, okta)
                last = delivery
            time.sleep(0.1)


def _after(last: Delivery | None, deliveries: list[Delivery]) -> list[Delivery]:
    """Return the items after the last one seen, or all if it is no longer among them."""
    newer = list(dropwhile(lambda each: each is not last, deliveries))
    return newer[1:] or ([] if newer else deliveries)


def _show_request(line: RequestLine) -> None:
    status = click.style(str(line.status), fg="green" if line.status < 400 else "yellow")
    fault = click.style(f"  fault: {line.fault}", fg="red") if line.fault else ""
    path = plain(line.path)
    spent = click.style(f"{line.milliseconds:.1f} ms", dim=True)
    tell(f"{_clock_time(line.at)}  {status}  {line.method:6} {path}  {spent}{fault}")


def _show_delivery(delivery: Delivery, okta: OktaEmulator) -> None:
    names = {hook["id"]: hook["name"] for hook in okta.hooks.list()}
    name = plain(names.get(delivery.hook_id, delivery.hook_id))
    mark = click.style("fire", fg="green" if delivery.ok else "red")
    tell(f"{_clock_time(delivery.at)}  {mark} {name}: {plain(delivery.verdict)}")
    for step in delivery.steps:
        answer = "no answer" if step.status is None else str(step.status)
        what = plain(f"{step.name:5} {step.request}  {answer}  {step.problem}").rstrip()
        tell(f"{'':15}{what}  {click.style(f'{step.milliseconds:.1f} ms', dim=True)}")
    for problem in delivery.problems:
        tell(f"{'':15}{problem.severity}: {place(problem.path)}: {problem.message}")


def _clock_time(at: float) -> str:
    return datetime.fromtimestamp(at).astimezone().strftime("%H:%M:%S")
