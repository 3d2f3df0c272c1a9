"""The command group and its smaller commands."""

from __future__ import annotations

import json
from importlib.util import find_spec

import click
from click.shell_completion import get_completion_class

from .._runtime.version import __version__
from .bridge import bridge
from .docs import docs
from .doctor import doctor
from .emulate import emulate
from .fire import fire
from .hook_code.command import code
from .hooks import hooks
from .keys import keys
from .output import CommandGroup
from .payload import payload
from .rotate import rotate
from .tokens import inspect, sign, verify
from .why import why

__all__ = ["hookkey"]


@click.group(cls=CommandGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="hookkey")
def hookkey() -> None:
    """Verify tokens that Okta hook keys sign, and manage the keys and the inline hooks.

    Exit codes: 0 success, 1 failed or refused, 2 usage or configuration, 3 unavailable,
    4 not found, 5 forbidden, 6 a rotation that must be continued.
    """


for _command in (
    keys, hooks, why, sign, verify, inspect, doctor, emulate, fire, payload, bridge, docs,
):  # fmt: skip
    hookkey.add_command(_command)
hooks.add_command(code)
keys.add_command(rotate)


@hookkey.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def completion(shell: str) -> None:
    """Print a script that makes your shell complete the commands and options of hookkey.

    Example: hookkey completion bash >> ~/.bashrc
    """
    kind = get_completion_class(shell)
    if kind is None:
        raise click.UsageError(f"click has no completion for {shell}")
    click.echo(kind(hookkey, {}, "hookkey", "_HOOKKEY_COMPLETE").source())


@hookkey.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead of a table.")
@click.pass_context
def demo(context: click.Context, as_json: bool) -> None:
    """Show a complete verification with a local Okta org, without an account or network.

    Creates a hook key over HTTP, signs a client assertion with it, fetches the public key by its
    keyId, verifies the assertion, and refuses ten forged or expired ones. Then lets the org call a
    token hook. Exits with 0 if every verdict is the expected one and the hook's reply is valid.

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
