"""``hookkey payload`` prints requests of Okta, which ``hookkey fire`` saves and sends again."""

from __future__ import annotations

import os
import time
from types import ModuleType
from typing import BinaryIO

import click

from ..errors import ConfigurationError, InvalidPayloadError
from .hook_types import TYPES, HookType
from .output import as_json, command, print_json, print_rows

__all__ = ["example_payloads", "payload", "read_event", "save_event", "type_of"]

MAX_EVENT = 1024 * 1024
"""The largest body of a request to a hook, in bytes."""
HOOK_ID = "cal5example6hook7x8"


@click.command()
@click.argument("kind", metavar="[TYPE]", required=False, type=HookType())
@click.option("--variant", help="The variant of the request. Default: the first one of the type.")
@click.option("--list", "is_list", is_flag=True, help="List the types and their variants.")
@as_json
@command
def payload(kind: str | None, variant: str | None, is_list: bool, as_json: bool) -> None:
    """Print the request that Okta sends to an inline hook.

    The user, the password and the codes in it are invented. TYPE is token, saml, registration,
    import, password or telephony. Save the output to change it, and send it with
    `hookkey fire --payload`.

    Example: hookkey payload token --variant refresh
    """
    if is_list:
        if kind is not None or variant is not None:
            raise click.UsageError("--list cannot be combined with a type or --variant")
        _show_list(as_json=as_json)
    elif kind is None:
        raise click.UsageError(f"pass a type ({', '.join(TYPES)}) or --list")
    else:
        new_payload = example_payloads().payload
        print_json(new_payload(kind, hook_id=HOOK_ID, now=time.time(), variant=variant))


def _show_list(*, as_json: bool) -> None:
    variants = example_payloads().VARIANTS
    names = {kind: [*variants[TYPES[kind]]] for kind in TYPES}
    if as_json:
        print_json(names)
    else:
        rows = [(kind, name) for kind in names for name in names[kind]]
        print_rows(("type", "variant"), rows, whole=("type", "variant"))


def example_payloads() -> ModuleType:
    """Return the module of the payloads. Raises ``click.UsageError`` without the extra."""
    try:
        from ..emulator import payloads  # noqa: PLC0415 - needs the extra
    except ImportError as error:
        raise click.UsageError(str(error)) from None
    return payloads


def read_event(file: BinaryIO) -> bytes:
    """Return the body of a request. Raises ``ConfigurationError`` if the file is too large."""
    event = file.read(MAX_EVENT + 1)
    if len(event) > MAX_EVENT:
        raise ConfigurationError(f"the file given with --payload has more than {MAX_EVENT} bytes")
    return event


def type_of(event: bytes | None) -> str:
    """Return the eventType of a request that was saved.

    ``event``: the body of the request; None stands for a token hook.

    Raises ``click.UsageError`` if the body does not contain one of the types.
    """
    from ..hooks.payloads import parse_hook  # noqa: PLC0415 - only for saved requests

    if event is None:
        return TYPES["token"]
    try:
        event_type = parse_hook(event).event_type
    except InvalidPayloadError:
        event_type = None
    if event_type in TYPES.values():
        return str(event_type)
    raise click.UsageError(
        "the file given with --payload has no eventType of an inline hook; pass --type "
        f"({', '.join(TYPES)})"
    )


def check_writable(path: str) -> None:
    """Create the file for ``save_event``, if it does not exist, before anything is sent.

    Raises ``ConfigurationError`` if the file cannot be written.
    """
    _write(path, "ab", b"")


def save_event(path: str, event: bytes) -> None:
    """Write the body of a request to a file that only its owner can read.

    Raises ``ConfigurationError`` if the file cannot be written.
    """
    _write(path, "wb", event)


def _write(path: str, mode: str, data: bytes) -> None:
    try:
        with open(path, mode, opener=lambda name, flags: os.open(name, flags, 0o600)) as file:
            os.chmod(path, 0o600)  # noqa: PTH101 - the file may have existed
            file.write(data)
    except (OSError, ValueError):  # ValueError: the path contains NUL
        raise ConfigurationError("the file given with --save cannot be written") from None
