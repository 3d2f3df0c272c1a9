"""``hookkey keys`` manages the hook keys of an org."""

from __future__ import annotations

from typing import Any

import click

from ..okta.client import HookKeysClient
from ..okta.models import HookKey
from .org import (
    CHANGES_KEYS,
    READS_KEYS,
    announce,
    argument,
    assent,
    confirm,
    day,
    find_key,
    moment,
)
from .output import CommandGroup, as_json, command, plain, print_json, print_rows, tell

__all__ = ["key_document", "keys", "show_key"]

READS, CHANGES = f"Needs {READS_KEYS}", f"Needs {CHANGES_KEYS}"


@click.group(cls=CommandGroup)
def keys() -> None:
    """Manage the hook keys of an Okta org.

    The org and the credentials are read from OKTA_CLIENT_ORGURL and OKTA_CLIENT_TOKEN, the other
    OKTA_CLIENT_* variables, or okta.yaml. `hookkey doctor` shows which. KEY is the id (HKY…), keyId
    or name of a key.
    """


def _client() -> HookKeysClient:
    return HookKeysClient.from_env(on_wait=announce)


def key_document(key: HookKey) -> dict[str, Any]:
    """Return a key as JSON values."""
    document: dict[str, Any] = {
        "id": key.id,
        "keyId": key.key_id,
        "name": key.name,
        "isUsed": key.is_used,
        "created": moment(key.created),
        "lastUpdated": moment(key.last_updated),
    }
    if key.public_key is not None:
        document["jwk"] = key.public_key.as_jwk()
    return document


def show_key(key: HookKey, *, json: bool) -> None:
    """Print a key."""
    if json:
        print_json(key_document(key))
        return
    used = {True: "yes", False: "no", None: "unknown"}[key.is_used]
    for title, value in (
        ("id", key.id),
        ("keyId", key.key_id),
        ("name", key.name),
        ("used", used),
        ("created", "" if key.created is None else f"{key.created:%Y-%m-%d %H:%M:%S} UTC"),
    ):
        click.echo(f"{title:8} {plain(value)}")
    if key.public_key is not None:
        click.echo()
        print_json(key.public_key.as_jwk())


@keys.command("list", epilog=READS)
@as_json
@command
def list_(as_json: bool) -> None:
    """List all keys with id, keyId, name, use and time of creation.

    Example: hookkey keys list --json
    """
    with _client() as client:
        found = client.list()
    if as_json:
        print_json([key_document(key) for key in found])
        return
    used = {True: "yes", False: "no", None: "?"}
    rows = [
        (
            key.id,
            key.key_id,
            key.name,
            used[key.is_used],
            day(key.created),
        )
        for key in found
    ]
    titles = ("id", "keyId", "name", "used", "created")
    ids = ("id", "keyId", "used", "created")
    print_rows(titles, rows, whole=ids, dispensable=("created", "used", "keyId"))


@keys.command(epilog=CHANGES)
@argument("name")
@as_json
@command
def create(name: str, as_json: bool) -> None:
    """Create a key and print it with the public key that verifiers need.

    Example: hookkey keys create "Token hook 2026"
    """
    with _client() as client:
        try:
            created = client.create(name)
        except KeyboardInterrupt:
            tell("hookkey: the key may have been created: hookkey keys list shows it")
            raise
    # Print the id first, in case the rest cannot be written.
    tell(f"created {created.id}")
    show_key(created, json=as_json)


@keys.command(epilog=READS)
@argument("key")
@as_json
@command
def get(key: str, as_json: bool) -> None:
    """Print one key.

    Example: hookkey keys get "Token hook 2026"
    """
    with _client() as client:
        show_key(find_key(client, key), json=as_json)


@keys.command(epilog=READS)
@argument("key")
@as_json
@command
def public(key: str, as_json: bool) -> None:  # noqa: ARG001 - it is JSON either way
    """Print the public key as a JWK for JOSE libraries.

    Example: hookkey keys public "Token hook 2026" > hook-key.json
    """
    with _client() as client:
        print_json(client.public_key(find_key(client, key).key_id).as_jwk())


@keys.command(epilog=CHANGES)
@argument("key")
@argument("new_name")
@as_json
@command
def rename(key: str, new_name: str, as_json: bool) -> None:
    """Rename a key. Nothing else can be changed.

    Example: hookkey keys rename "Token hook 2026" "Token hook"
    """
    with _client() as client:
        old = find_key(client, key)
        new = client.rename(old.id, new_name)
    tell(f"renamed {plain(old.name)!r} to {plain(new.name)!r}")
    show_key(new, json=as_json)


@keys.command(epilog=CHANGES)
@argument("key")
@assent
@as_json
@command
def delete(key: str, yes: bool, as_json: bool) -> None:
    """Delete a key permanently, unless an inline hook uses it.

    Example: hookkey keys delete "Token hook 2025" --yes
    """
    with _client() as client:
        found = find_key(client, key)
        confirm(f"Delete {plain(found.name)!r} ({found.id}) for good?", yes=yes)
        client.delete(found.id)
    if as_json:
        print_json({"deleted": found.id})
    else:
        tell(f"deleted {found.id}")


@keys.command(epilog=READS)
@as_json
@command
def jwks(as_json: bool) -> None:  # noqa: ARG001 - it is JSON either way
    """Print the public keys of all hook keys as a JWK Set.

    Example: hookkey keys jwks > jwks.json
    """
    with _client() as client:
        print_json(client.jwks())
