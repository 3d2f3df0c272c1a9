"""Checks the shell commands of the documentation without running them."""

from __future__ import annotations

import shlex

import click

from hookkey_verify.cli.commands import hookkey

__all__ = ["check_command"]


def check_command(line: str) -> None:
    """Assert that a line calls a ``hookkey`` command with arguments and options that exist."""
    name, *arguments = shlex.split(line, comments=True)
    assert name == "hookkey"
    command: click.Command = hookkey
    context = click.Context(command)
    while isinstance(command, click.Group):
        _, found, arguments = command.resolve_command(context, arguments)
        assert found is not None
        command, context = found, click.Context(found, parent=context)
    given, left_over, _ = command.make_parser(context).parse_args(arguments)
    assert not left_over
    assert {each.name for each in command.params if each.required} <= given.keys()
