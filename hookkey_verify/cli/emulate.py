"""``hookkey emulate``: a local Okta org until Ctrl-C."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Literal

import click

from .output import command, plain, print_json, tell

if TYPE_CHECKING:
    from ..emulator import OktaEmulator

__all__ = ["emulate"]


@click.command()
@click.option("--port", type=click.IntRange(0, 65_535), default=0, help="Default: a free one.")
@click.option("--key", "names", multiple=True, help="Create a hook key of this name.")
@click.option(
    "--public-shape",
    type=click.Choice(["bare", "wrapped"]),
    default="bare",
    show_default=True,
    help="How the public endpoint answers.",
)
@click.option("--rate-limit", type=click.IntRange(1), default=600, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="Print the first report as JSON.")
@command
def emulate(
    port: int,
    names: tuple[str, ...],
    public_shape: Literal["bare", "wrapped"],
    rate_limit: int,
    as_json: bool,
) -> None:
    """Serve a local Okta org on 127.0.0.1 and print every request that it answers.

    Its keys are in memory; its token is new each time.

    Example: hookkey emulate --port 8000 --key "Token hook"
    """
    try:
        from ..emulator import OktaEmulator, OktaError  # noqa: PLC0415 - needs the extra
    except ImportError as error:
        raise click.UsageError(str(error)) from None

    with OktaEmulator(port=port, public_shape=public_shape, rate_limit=rate_limit) as okta:
        try:
            keys = [okta.create_key(name) for name in names]
        except OktaError as error:
            raise click.UsageError(f"--key: {' '.join(error.causes)}") from None
        if as_json:
            ids = [{name: key[name] for name in ("id", "keyId", "name")} for key in keys]
            print_json({"orgUrl": okta.url, "token": okta.api_token, "keys": ids})
        else:
            click.echo(f"export OKTA_CLIENT_ORGURL={okta.url}")
            click.echo(f"export OKTA_CLIENT_TOKEN={okta.api_token}")
            for key in keys:
                click.echo(f"# hook key {key['name']}: {key['id']}, keyId {key['keyId']}")
        _follow(okta)


def _follow(okta: OktaEmulator) -> None:
    """Print what is answered until the process is interrupted."""
    with suppress(KeyboardInterrupt):
        while True:
            while okta.requests:
                line = okta.requests.popleft()
                tell(plain(f"{line.status} {line.method} {line.path}"))
            time.sleep(0.1)
