"""Arguments that are files with tokens, keys or secrets.

Errors do not repeat an argument that is not a readable file, because it may be the secret itself.
"""

from __future__ import annotations

import re
from typing import Any, BinaryIO

import click

from ..errors import ConfigurationError

__all__ = ["MAX_TOKEN", "InputFile", "PathOfFile", "is_token", "read_secret", "read_token"]

MAX_TOKEN = 64 * 1024
_TOKEN = re.compile(r"(?i:bearer\s)|eyJ")


def is_token(text: str) -> bool:
    """Return whether this looks like a JWT, with or without a Bearer prefix."""
    return _TOKEN.match(text) is not None


class InputFile(click.File):
    """A readable file, or "-" for standard input."""

    def __init__(self) -> None:
        super().__init__("rb")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Open the file."""
        try:
            return super().convert(value, param, ctx)
        except click.BadParameter:
            problem = _problem(value)
        raise click.BadParameter(problem, ctx=ctx, param=param)


class PathOfFile(click.Path):
    """The path of an existing file."""

    def __init__(self) -> None:
        super().__init__(exists=True, dir_okay=False, readable=True)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Check the file."""
        try:
            return super().convert(value, param, ctx)
        except (click.BadParameter, OSError, ValueError):  # OSError: the path is too long
            problem = _problem(value)
        raise click.BadParameter(problem, ctx=ctx, param=param)


def _problem(value: object) -> str:
    if isinstance(value, str) and is_token(value):
        return (
            "expected a file name, got a token; other users of the machine can see command-line "
            "arguments, so save the token to a file or pipe it in"
        )
    return "the file does not exist or cannot be read"


def read_token(file: BinaryIO) -> bytes:
    """Return the token without a copied header name, Bearer prefix or white space."""
    token_bytes = file.read(MAX_TOKEN + 1).strip(b"\"' \t\r\n")
    if len(token_bytes) > MAX_TOKEN or not token_bytes:
        raise ConfigurationError(f"the token file must contain 1 to {MAX_TOKEN} bytes")
    return re.sub(rb"(?i)\A(?:authorization:\s*)?bearer\s+", b"", token_bytes)


def read_secret(file: BinaryIO) -> str:
    """Return the secret in a file without the white space around it."""
    secret = file.read(4096).decode("ascii", "replace").strip()
    if not secret or not secret.isprintable() or not secret.isascii():
        raise ConfigurationError("the secret must be printable ASCII")
    return secret
