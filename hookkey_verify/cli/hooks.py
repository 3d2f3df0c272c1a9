"""``hookkey hooks`` manages the inline hooks of an org."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, BinaryIO
from urllib.parse import urlsplit

import click

from .._jose.encoding import EncodingError, json_object
from ..errors import ConfigurationError, ForbiddenError
from ..okta.client import HookKeysClient
from ..okta.inline_hooks import InlineHooksClient
from ..okta.models import InlineHook
from ..okta.paths import is_id
from .files import InputFile, read_secret
from .hook_types import HookType
from .org import (
    CHANGES_HOOKS,
    READS_HOOKS,
    READS_KEYS,
    announce,
    argument,
    assent,
    confirm,
    find_hook,
    find_key,
    moment,
)
from .output import CommandGroup, as_json, command, plain, print_json, print_rows, tell

__all__ = ["hooks"]

MAX_PAYLOAD = 1024 * 1024
READS, CHANGES = f"Needs {READS_HOOKS}", f"Needs {CHANGES_HOOKS}"
SETS_UP = (
    f"{CHANGES} To find the key of --hook-key by its keyId or name, it also needs {READS_KEYS}"
)


@click.group(cls=CommandGroup)
def hooks() -> None:
    """Manage the inline hooks of an Okta org.

    The org and the credentials are read from OKTA_CLIENT_ORGURL and OKTA_CLIENT_TOKEN, the other
    OKTA_CLIENT_* variables, or okta.yaml. `hookkey doctor` shows which. HOOK is the id (cal…) or
    name of a hook.
    """


def _client() -> InlineHooksClient:
    return InlineHooksClient.from_env(on_wait=announce)


def _document(hook: InlineHook) -> dict[str, Any]:
    return {
        "id": hook.id,
        "name": hook.name,
        "type": hook.type,
        "status": hook.status,
        "version": hook.version,
        "created": moment(hook.created),
        "lastUpdated": moment(hook.last_updated),
        "authentication": hook.authentication,
        "channelType": hook.channel_type,
        "uri": hook.uri,
        "method": hook.method,
        "headers": dict(hook.headers),
        "authHeader": hook.auth_header,
        "authType": hook.auth_type,
        "clientId": hook.client_id,
        "hookKeyId": hook.hook_key_id,
        "tokenUrl": hook.token_url,
        "scope": hook.scope,
    }


def _show(hook: InlineHook, *, json: bool) -> None:
    if json:
        print_json(_document(hook))
        return
    created = "" if hook.created is None else f"{hook.created:%Y-%m-%d %H:%M:%S} UTC"
    for title, value in (
        ("id", hook.id),
        ("name", hook.name),
        ("type", hook.type),
        ("status", hook.status),
        ("created", created),
        ("uri", hook.uri),
        ("method", hook.method),
        ("headers", ", ".join(hook.headers)),
        ("authentication", hook.authentication or "unknown"),
        ("header", hook.auth_header),
        ("client id", hook.client_id),
        ("hook key", hook.hook_key_id),
        ("token URL", hook.token_url),
        ("scope", hook.scope),
    ):
        if value is not None:
            click.echo(f"{title:15} {plain(value)}".rstrip())


def _settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that describe a hook."""
    secret_file = InputFile()
    for option in reversed(
        (
            click.option("--method", help="The request method. Default: POST."),
            click.option("--header", "headers", multiple=True, metavar="'NAME: VALUE'",
                         help="A header that Okta adds; not for secrets. May be repeated."),
            click.option("--auth-header", type=secret_file,
                         help="File with the header that authenticates Okta: `NAME: VALUE`."),
            click.option("--hook-key", "hook_key_id", metavar="KEY",
                         help="The hook key for private_key_jwt: its id, keyId or name."),
            click.option("--client-secret", type=secret_file,
                         help="File with the secret for client_secret_post."),
            click.option("--client-id", help="The client id at the token URL."),
            click.option("--token-url", help="The URL at which Okta requests access tokens."),
            click.option("--scope", help="The scopes of the access token, separated by spaces."),
        )
    ):  # fmt: skip
        function = option(function)
    return function


def _given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the settings that the options set, as the client takes them."""
    given = {name: value for name, value in options.items() if value not in (None, ())}
    if "headers" in given:
        pairs = [_header("--header", each) for each in given["headers"]]
        given["headers"] = dict(pairs)
        if len(given["headers"]) < len(pairs):
            raise ConfigurationError("two of the headers have one name")
    if "auth_header" in given:
        given["auth_header"] = _header(
            "the file of --auth-header", read_secret(options["auth_header"])
        )
    if "client_secret" in given:
        given["client_secret"] = read_secret(options["client_secret"])
    if "hook_key_id" in given:
        given["hook_key_id"] = _key_id(given["hook_key_id"])
    return given


def _key_id(key: str) -> str:
    """Return the id of a hook key, which need not be looked up if it is given."""
    try:
        with HookKeysClient.from_env(on_wait=announce) as client:
            return find_key(client, key).id
    except ForbiddenError:  # a custom role may manage hooks without reading keys
        if key.startswith("HKY") and is_id(key):
            return key
        raise


def _header(where: str, line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise ConfigurationError(f"{where} must have the form NAME: VALUE")
    return name.strip(), value.strip()


@hooks.command("list", epilog=READS)
@click.option("--type", "kind", type=HookType(), help="Only hooks of this type.")
@as_json
@command
def list_(kind: str | None, as_json: bool) -> None:
    """List all hooks with id, name, type, status, authentication and URL.

    Example: hookkey hooks list --type token --json
    """
    with _client() as client:
        found = client.list(kind)
    if as_json:
        print_json([_document(hook) for hook in found])
        return
    rows = [
        (hook.id, hook.name, hook.type, hook.status, hook.authentication or "?", hook.uri)
        for hook in found
    ]
    titles = ("id", "name", "type", "status", "authentication", "uri")
    whole = ("id", "status", "authentication")
    print_rows(titles, rows, whole=whole, dispensable=("type", "uri", "authentication"))


@hooks.command(epilog=READS)
@argument("hook")
@as_json
@command
def show(hook: str, as_json: bool) -> None:
    """Print one hook. With --json, this includes the values of its headers, but no secret.

    Example: hookkey hooks show "Team claim"
    """
    with _client() as client:
        _show(find_hook(client, hook), json=as_json)


@hooks.command(epilog=SETS_UP)
@argument("name")
@click.option("--type", "kind", type=HookType(), required=True, help="The type of hook.")
@click.option("--uri", required=True, help="The https URL of the handler.")
@_settings
@as_json
@command
def create(name: str, kind: str, uri: str, as_json: bool, **options: Any) -> None:
    """Create an active hook and print it.

    Choose how Okta authenticates: --auth-header sends a secret; --hook-key (private_key_jwt) or
    --client-secret (client_secret_post), each with --client-id and --token-url, lets Okta request
    an access token first. Secrets are read from files, or from stdin with "-".

    Example: hookkey hooks create "Team claim" --type token --uri https://hooks.acme.com/hook
    --hook-key "Token hook" --client-id 0oa1 --token-url https://acme.okta.com/oauth2/default/v1/token
    --scope hooks
    """
    settings = _given(options)
    with _client() as client:
        try:
            created = client.create(name, kind, uri, **settings)
        except KeyboardInterrupt:
            tell("hookkey: the hook may have been created: hookkey hooks list shows it")
            raise
    # Print the id first, in case the rest cannot be written.
    tell(f"created {created.id}")
    _show(created, json=as_json)


@hooks.command(epilog=SETS_UP)
@argument("hook")
@click.option("--name", help="A new name.")
@click.option("--uri", help="The https URL of the handler.")
@_settings
@click.option("--no-headers", is_flag=True, help="Remove all headers that Okta adds.")
@as_json
@command
def replace(hook: str, no_headers: bool, as_json: bool, **options: Any) -> None:
    """Change settings of a hook, keep the others, and print it.

    --header replaces all headers. Okta does not return secrets: if the hook has one, pass it again
    with --auth-header or --client-secret, or change to private_key_jwt with --hook-key. If another
    client changes the hook at the same moment, its change is lost.

    Example: hookkey hooks replace "Team claim" --hook-key "Token hook 2026"
    """
    if no_headers and options["headers"]:
        raise click.UsageError("--no-headers cannot be combined with --header")
    changes = _given(options) | ({"headers": {}} if no_headers else {})
    if not changes:
        raise click.UsageError("say what to change, such as --uri")
    with _client() as client:
        _show(client.replace(find_hook(client, hook).id, **changes), json=as_json)


@hooks.command(epilog=CHANGES)
@argument("hook")
@as_json
@command
def activate(hook: str, as_json: bool) -> None:
    """Activate a hook, so that Okta calls it, and print it.

    Example: hookkey hooks activate "Team claim"
    """
    with _client() as client:
        _show(client.activate(find_hook(client, hook).id), json=as_json)


@hooks.command(epilog=CHANGES)
@argument("hook")
@as_json
@command
def deactivate(hook: str, as_json: bool) -> None:
    """Deactivate a hook, so that Okta does not call it, and print it.

    Example: hookkey hooks deactivate "Team claim"
    """
    with _client() as client:
        _show(client.deactivate(find_hook(client, hook).id), json=as_json)


@hooks.command(epilog=CHANGES)
@argument("hook")
@assent
@as_json
@command
def delete(hook: str, yes: bool, as_json: bool) -> None:
    """Delete a hook permanently, unless it is active.

    Example: hookkey hooks delete "Team claim" --yes
    """
    with _client() as client:
        found = find_hook(client, hook)
        confirm(f"Delete {plain(found.name)!r} ({found.id}) for good?", yes=yes)
        client.delete(found.id)
    if as_json:
        print_json({"deleted": found.id})
    else:
        tell(f"deleted {found.id}")


@hooks.command(epilog=CHANGES)
@argument("hook")
@click.argument("payload", type=InputFile())
@as_json
@command
def execute(hook: str, payload: BinaryIO, as_json: bool) -> None:  # noqa: ARG001 - it is JSON either way
    """Let Okta call the handler of a hook now, and print the reply.

    This runs the production handler, with its side effects. PAYLOAD is a file with a payload of the
    hook's type, or "-" for stdin. Okta waits three seconds and tries once more. Its documentation
    makes no exception for token and telephony hooks, whose real calls are not retried.

    Example: hookkey hooks execute "Team claim" payload.json
    """
    document = _payload(payload)
    with _client() as client:
        found = find_hook(client, hook)
        url = urlsplit(found.uri)._replace(query="").geturl()
        tell(f"Okta calls the production handler of {plain(found.name)!r} now: {plain(url)}")
        print_json(client.execute(found.id, document))


def _payload(file: BinaryIO) -> dict[str, Any]:
    data = file.read(MAX_PAYLOAD + 1)
    if len(data) > MAX_PAYLOAD:
        raise ConfigurationError(f"the payload must have at most {MAX_PAYLOAD} bytes")
    try:
        return json_object(data)
    except EncodingError as error:
        problem = str(error)
    raise ConfigurationError(f"the payload {problem}")
