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
@click.option("--seed", type=click.Path(exists=True, dir_okay=False),
              help="YAML or JSON file of keys (names) and hooks to create.")  # fmt: skip
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
def emulate(  # noqa: PLR0917 - the options of the command
    port: int,
    names: tuple[str, ...],
    seed: str | None,
    public_shape: Literal["bare", "wrapped"],
    rate_limit: int,
    as_json: bool,
) -> None:
    """Serve a local Okta org on 127.0.0.1 and print every request that it answers.

    Its keys are in memory; its token is new each time.

    Example: hookkey emulate --port 8000 --key "Token hook"
    """
    try:
        from ..emulator import OktaEmulator  # noqa: PLC0415 - needs the extra
        from ..emulator.seed import plant, read_seed  # noqa: PLC0415
    except ImportError as error:
        raise click.UsageError(str(error)) from None

    planned = {} if seed is None else read_seed(seed)
    with OktaEmulator(port=port, public_shape=public_shape, rate_limit=rate_limit) as okta:
        keys = [*plant(okta, {"keys": [*names]}), *plant(okta, planned)]
        hooks = okta.hooks.list()
        if as_json:
            ids = [{name: key[name] for name in ("id", "keyId", "name")} for key in keys]
            calls = [{"id": hook["id"], "name": hook["name"]} for hook in hooks]
            report = {"orgUrl": okta.url, "token": okta.api_token, "issuer": okta.issuer}
            print_json({**report, "keys": ids, "hooks": calls})
        else:
            click.echo(f"export OKTA_CLIENT_ORGURL={okta.url}")
            click.echo(f"export OKTA_CLIENT_TOKEN={okta.api_token}")
            for key in keys:
                click.echo(f"# hook key {key['name']}: {key['id']}, keyId {key['keyId']}")
            for hook in hooks:
                click.echo(f"# inline hook {hook['name']}: {hook['id']}, {hook['type']}")
            click.echo(f"# issuer of access tokens: {okta.issuer}")
        _follow(okta)


def _follow(okta: OktaEmulator) -> None:
    """Print what is answered until the process is interrupted."""
    with suppress(KeyboardInterrupt):
        while True:
            while okta.requests:
                line = okta.requests.popleft()
                tell(plain(f"{line.status} {line.method} {line.path}"))
            time.sleep(0.1)
