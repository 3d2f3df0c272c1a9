"""``hookkey hooks code`` reads a hook and prints a program for it."""

from __future__ import annotations

import click

from ...okta.authorization_servers import AuthorizationServer, AuthorizationServersClient
from ...okta.inline_hooks import InlineHooksClient
from ..org import announce, find_hook
from ..output import as_json, command, plain, print_json, tell
from .frameworks import FRAMEWORKS
from .plan import Setup, plan_for
from .program import program

__all__ = ["code"]


@click.command()
@click.argument("name", metavar="HOOK")
@click.option("--framework", required=True, type=click.Choice([*FRAMEWORKS]),
              help="The framework of the program.")  # fmt: skip
@click.option(
    "--setup",
    type=click.Choice([each.value for each in Setup]),
    help="What the hook verifies. Default: read from the hook.",
)
@as_json
@command
def code(name: str, framework: str, setup: str | None, as_json: bool) -> None:
    """Print a program that protects an inline hook and answers it. HOOK is its name or id.

    The program runs without changes; edit its handler to decide something. It contains the client
    id, the URLs, the issuer and the audience. It reads secrets from the environment. If the
    audience cannot be read, the program has a placeholder and does not start.

    \b
    Permissions (OAuth scope; for administrators: super admin, or a custom role):
      the hook      okta.inlineHooks.read           okta.inlinehooks.read
      the audience  okta.authorizationServers.read  okta.authzServers.read

    \b
    With --setup, the hook verifies:
      access-token    an access token of an authorization server
      token-endpoint  an access token that this program issues at the token URL
      assertion       the client assertion, which a gateway or test rig forwards
      secret          the secret in a header

    Example: hookkey hooks code "Team claim" --framework flask > hook.py
    """  # noqa: D301 - click reads the backspace
    with InlineHooksClient.from_env(on_wait=announce) as client:
        hook, org_url = find_hook(client, name), client.org_url
    wanted = None if setup is None else Setup(setup)
    plan = plan_for(hook, org_url=org_url, wanted=wanted, server_of=_server)
    source = program(plan, framework)
    for note in plan.notes:
        tell(f"hookkey: {plain(note)}")
    if as_json:
        print_json(
            {
                "id": hook.id,
                "name": hook.name,
                "framework": framework,
                "setup": plan.setup.value,
                "placeholders": [*plan.unknown],
                "notes": [*plan.notes],
                "program": source,
            }
        )
    else:
        click.echo(source, nl=False)


def _server(id_: str) -> AuthorizationServer:
    with AuthorizationServersClient.from_env(on_wait=announce) as client:
        return client.get(id_)
