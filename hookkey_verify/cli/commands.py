"""The commands, in click."""

from __future__ import annotations

import json
from importlib.util import find_spec

import click

from ..version import __version__

__all__ = ["hookkey"]


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hookkey")
def hookkey() -> None:
    """Verify what Okta hook keys sign."""


@hookkey.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
@click.pass_context
def demo(context: click.Context, as_json: bool) -> None:
    """Show the whole job against a local Okta org: no account, no network.

    Creates a hook key over HTTP, signs a client assertion with it, fetches the public key by its
    keyId, verifies the assertion, and has ten forged or stale ones refused. Exits with 0 only if
    every verdict was the expected one.

    Example: hookkey demo --json
    """
    missing = [name for name in ("starlette", "uvicorn") if find_spec(name) is None]
    if missing:
        raise click.UsageError(
            f"demo needs {' and '.join(missing)}: pip install 'hookkey_verify[cli,emulator]'"
        )
    from .demo import run, table  # noqa: PLC0415 - needs the extra

    report = run()
    if as_json:
        click.echo(json.dumps(report.document(), indent=2))
    else:
        table(report)
    context.exit(0 if report.ok else 1)
