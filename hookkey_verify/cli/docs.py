"""``hookkey docs`` opens the documentation of a reason."""

from __future__ import annotations

import webbrowser
from importlib.metadata import distributions

import click

from ..errors import DOCS_URL, ConfigurationError, Reason, documentation
from ..settings import Settings
from .output import command

__all__ = ["docs"]


@click.command()
@click.argument("reason", type=click.Choice([each.value for each in Reason]), metavar="REASON")
@click.option("--print", "only_print", is_flag=True, help="Print the address, and open no browser.")
@command
def docs(reason: str, only_print: bool) -> None:
    """Open the documentation of the reason of a refusal or error in a browser.

    The address is also printed. It is on the site that HOOKKEY_DOCS_URL names; without it, in the
    repository of this package.

    Example: hookkey docs unknown_key --print
    """
    address = documentation(Reason(reason)) or _in_the_repository(Reason(reason))
    click.echo(address)
    if not only_print:
        webbrowser.open(address)


def _in_the_repository(reason: Reason) -> str:
    """Return the address of the reason in the repository, whose address the package's data has."""
    if Settings().text("docs_url"):
        raise ConfigurationError(f"{DOCS_URL} must be an address such as https://docs.acme.com")
    homes = [
        link.removeprefix("Source, ")
        for package in distributions(name="hookkey_verify")
        for link in package.metadata.get_all("Project-URL", ())
        if link.startswith("Source, ")
    ]
    if not homes:
        raise ConfigurationError(f"the address of the documentation is not known: set {DOCS_URL}")
    return f"{homes[0]}/blob/main/docs/runbook.md#{reason}"
